package sasl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// pencil's keys by RFC 7677's salt, as PostgreSQL stores them.
const pencilKeys = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func TestScramKeysText(t *testing.T) {
	k, err := sasl.NewScramKeys(sasl.SHA256, "pencil", []byte(un64("W22ZaJ0SNY7soEsUEjb6gQ==")), 0)
	require.NoError(t, err)
	text, err := k.MarshalText()
	require.NoError(t, err)
	require.Equal(t, pencilKeys, string(text))
	text, err = k.AppendText([]byte("x "))
	require.NoError(t, err)
	require.Equal(t, "x "+pencilKeys, string(text))
	parsed, err := sasl.ParseScramKeys(pencilKeys)
	require.NoError(t, err)
	require.Equal(t, k, parsed)

	var row struct{ Keys sasl.ScramKeys }
	require.NoError(t, json.Unmarshal([]byte(`{"Keys":"`+pencilKeys+`"}`), &row))
	require.Equal(t, *k, row.Keys)

	for _, bad := range []string{
		"", "pencil", "md5$4096:QUJD$QUJD:QUJD",
		strings.Replace(pencilKeys, "SHA-256", "SHA-224", 1),
		strings.Replace(pencilKeys, "SHA-256", "SHA-1", 1),
		strings.Replace(pencilKeys, "4096", "0", 1),
		strings.Replace(pencilKeys, "4096", "-4096", 1),
		strings.Replace(pencilKeys, "4096", "9999999999", 1),
		strings.Replace(pencilKeys, "W22Z", "W2 Z", 1),
		strings.Replace(pencilKeys, "W22ZaJ0SNY7soEsUEjb6gQ==", "", 1),
		strings.Replace(pencilKeys, ":wfPL", ":", 1),
		pencilKeys + "$", pencilKeys + "\n",
	} {
		was := *k
		require.Error(t, k.UnmarshalText([]byte(bad)), bad)
		require.Equal(t, was, *k, "an error changes nothing")
		_, err := sasl.ParseScramKeys(bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "wfPL")
	}
}

func TestNewScramKeys(t *testing.T) {
	for _, h := range []sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512} {
		a, err := sasl.NewScramKeys(h, "pencil", nil, 100)
		require.NoError(t, err)
		b, err := sasl.NewScramKeys(h, "pencil", nil, 100)
		require.NoError(t, err)
		require.Len(t, a.Salt, 16)
		require.NotEqual(t, a.Salt, b.Salt)
		require.Equal(t, 100, a.Iterations)
		require.True(t, a.Verify("pencil"))
		require.True(t, a.Verify("pen\u00adcil"), "prepared")
		require.False(t, a.Verify("Pencil"))
		require.False(t, a.Verify(""))
		require.False(t, a.Verify("\x00"))
	}
	require.False(t, (&sasl.ScramKeys{}).Verify("pencil"), "no keys")
	_, err := (&sasl.ScramKeys{}).MarshalText()
	require.Error(t, err)
	salt := []byte("salt")
	k, err := sasl.NewScramKeys(sasl.SHA256, "pencil", salt, 1)
	require.NoError(t, err)
	salt[0] = 'X'
	require.Equal(t, "salt", string(k.Salt), "the salt is copied")
	for _, bad := range []func() (*sasl.ScramKeys, error){
		func() (*sasl.ScramKeys, error) { return sasl.NewScramKeys("SHA-3", "pencil", nil, 0) },
		func() (*sasl.ScramKeys, error) { return sasl.NewScramKeys(sasl.SHA256, "", nil, 0) },
		func() (*sasl.ScramKeys, error) { return sasl.NewScramKeys(sasl.SHA256, "\u00ad", nil, 0) },
		func() (*sasl.ScramKeys, error) { return sasl.NewScramKeys(sasl.SHA256, "secret\x00", nil, 0) },
		func() (*sasl.ScramKeys, error) { return sasl.NewScramKeys(sasl.SHA256, "pencil", nil, -1) },
		func() (*sasl.ScramKeys, error) {
			return sasl.NewScramKeys(sasl.SHA256, "pencil", make([]byte, 1025), 0)
		},
	} {
		_, err := bad()
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

// Without Password, PLAIN and the protocols' own commands are checked against
// what there is, for the same users as SCRAM.
func TestPasswordByKeysAndSecrets(t *testing.T) {
	k, err := sasl.ParseScramKeys(pencilKeys)
	require.NoError(t, err)
	byKeys := &sasl.Auth{ScramKeys: func(_ context.Context, user string, h sasl.Hash) (*sasl.ScramKeys, error) {
		if user == "IX" && h == sasl.SHA256 {
			return k, nil
		}
		return nil, sasl.ErrFailed
	}}
	bySecret := &sasl.Auth{Secret: secrets(map[string]string{"IX": "pencil"})}
	require.Equal(t, []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}, byKeys.Mechanisms(encrypted))
	require.Equal(t, []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}, bySecret.Mechanisms(encrypted))
	for _, a := range []*sasl.Auth{byKeys, bySecret} {
		id, err := a.CheckPassword(t.Context(), "USER", encrypted, "IX", "pencil")
		require.NoError(t, err)
		require.Equal(t, sasl.Identity{User: "IX", Mechanism: "USER"}, id)
		for _, login := range [][2]string{{"IX", "pen"}, {"nobody", "pencil"}, {"IX", ""}, {"", "pencil"}, {"\x00", "pencil"}} {
			_, err = a.CheckPassword(t.Context(), "USER", encrypted, login[0], login[1])
			require.ErrorIs(t, err, sasl.ErrFailed, "%q", login)
		}
	}
	id, err := byKeys.CheckPassword(t.Context(), "USER", encrypted, "\u2168", "pencil")
	require.NoError(t, err)
	require.Equal(t, "IX", id.User, "prepared as in SCRAM")

	// Keys that do not fit are the store's fault, not the user's.
	for _, bad := range []*sasl.ScramKeys{{}, {Hash: sasl.SHA1}, {Hash: sasl.SHA256, Iterations: 1, Salt: []byte("s")}} {
		a := &sasl.Auth{ScramKeys: func(context.Context, string, sasl.Hash) (*sasl.ScramKeys, error) { return bad, nil }}
		_, err := a.CheckPassword(t.Context(), "USER", encrypted, "IX", "pencil")
		require.Error(t, err)
		require.NotErrorIs(t, err, sasl.ErrFailed)
	}
}

func FuzzParseScramKeys(f *testing.F) {
	f.Add(pencilKeys)
	f.Add("SCRAM-SHA-1$1:QQ==$:")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := sasl.ParseScramKeys(text)
		if err != nil {
			return
		}
		again, err := k.MarshalText()
		require.NoError(t, err)
		require.Equal(t, text, string(again), "one text for one value")
	})
}

func ExampleNewScramKeys() {
	// When the user sets the password:
	keys, err := sasl.NewScramKeys(sasl.SHA256, "correct horse", nil, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := keys.MarshalText() // for the database
	if err != nil {
		fmt.Println(err)
		return
	}

	// When the user logs in, by SCRAM-SHA-256, PLAIN or LOGIN:
	auth := &sasl.Auth{ScramKeys: func(_ context.Context, user string, h sasl.Hash) (*sasl.ScramKeys, error) {
		if user != "ada" {
			return nil, sasl.ErrFailed
		}
		return sasl.ParseScramKeys(string(row))
	}}
	id, err := auth.CheckPassword(context.Background(), "USER", sasl.Line{Encrypted: true}, "ada", "correct horse")
	fmt.Println(id.User, err)
	// Output: ada <nil>
}
