package sasl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

var clear, encrypted = sasl.Line{}, sasl.Line{Encrypted: true}

func testAuth(t testing.TB) *sasl.Auth {
	return &sasl.Auth{Password: func(_ context.Context, user, password string) error {
		switch user {
		case "tim", "Übung":
			if password == "tanstaaftanstaaf" {
				return nil
			}
		case "broken":
			return errors.New("database is away")
		}
		return sasl.ErrFailed
	}}
}

func TestOffer(t *testing.T) {
	a := testAuth(t)
	require.Equal(t, []string{"PLAIN", "LOGIN"}, a.Mechanisms(encrypted))
	require.Empty(t, a.Mechanisms(clear))
	require.True(t, a.NeedsEncryption(clear))
	require.False(t, a.NeedsEncryption(encrypted))
	a.AllowCleartext = true
	require.Equal(t, []string{"PLAIN", "LOGIN"}, a.Mechanisms(clear))
	require.False(t, a.NeedsEncryption(clear))
	require.Empty(t, (*sasl.Auth)(nil).Mechanisms(encrypted))
	require.Empty(t, (&sasl.Auth{}).Mechanisms(encrypted))
	require.False(t, (&sasl.Auth{}).CanPassword(encrypted))
}

func TestStartRefuses(t *testing.T) {
	a := testAuth(t)
	for _, m := range []string{"PLAIN", "login"} {
		_, err := a.Start(t.Context(), m, clear)
		require.ErrorIs(t, err, sasl.ErrEncryption, m)
	}
	for _, m := range []string{"", "PLAI", "PLAIN\x00", "ſcram", "GSSAPI"} {
		_, err := a.Start(t.Context(), m, encrypted)
		require.ErrorIs(t, err, sasl.ErrMechanism, m)
	}
	_, err := (*sasl.Auth)(nil).Start(t.Context(), "PLAIN", encrypted)
	require.ErrorIs(t, err, sasl.ErrMechanism)
}

// The messages of RFC 4616 section 4, with the server's verdict on each.
func TestPlainServer(t *testing.T) {
	long := strings.Repeat("x", 1025)
	tests := []struct {
		name, message string
		want          error
		id            sasl.Identity
	}{
		{"RFC 4616 first example", "\x00tim\x00tanstaaftanstaaf", nil, sasl.Identity{User: "tim", Mechanism: "PLAIN"}},
		{"own authzid", "tim\x00tim\x00tanstaaftanstaaf", nil, sasl.Identity{User: "tim", Mechanism: "PLAIN"}},
		{"RFC 4616 second example", "Ursel\x00Kurt\x00xipj3plmq", sasl.ErrFailed, sasl.Identity{}},
		{"another's authzid", "root\x00tim\x00tanstaaftanstaaf", sasl.ErrNotAuthorized, sasl.Identity{}},
		{"wrong password says nothing of the authzid", "root\x00tim\x00x", sasl.ErrFailed, sasl.Identity{}},
		{"UTF-8", "\x00Übung\x00tanstaaftanstaaf", nil, sasl.Identity{User: "Übung", Mechanism: "PLAIN"}},
		{"empty message", "", sasl.ErrProtocol, sasl.Identity{}},
		{"two parts", "tim\x00tanstaaftanstaaf", sasl.ErrProtocol, sasl.Identity{}},
		{"four parts", "\x00tim\x00tanstaaftanstaaf\x00", sasl.ErrProtocol, sasl.Identity{}},
		{"not UTF-8", "\x00t\xffm\x00tanstaaftanstaaf", sasl.ErrProtocol, sasl.Identity{}},
		{"too long", "\x00" + long + "\x00x", sasl.ErrProtocol, sasl.Identity{}},
		{"empty user", "\x00\x00tanstaaftanstaaf", sasl.ErrFailed, sasl.Identity{}},
		{"empty password", "\x00tim\x00", sasl.ErrFailed, sasl.Identity{}},
	}
	for _, tt := range tests {
		for _, initial := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/initial=%t", tt.name, initial), func(t *testing.T) {
				x, err := testAuth(t).Start(t.Context(), "plain", encrypted)
				require.NoError(t, err)
				if !initial {
					challenge, done, err := x.Next(nil)
					require.NoError(t, err)
					require.False(t, done)
					require.Equal(t, []byte{}, challenge)
				}
				challenge, done, err := x.Next([]byte(tt.message))
				require.Nil(t, challenge)
				require.Equal(t, tt.want == nil, done)
				require.Equal(t, tt.id, x.Identity())
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
					require.NotContains(t, err.Error(), "tanstaaf")
				}
			})
		}
	}
}

func TestAuthorize(t *testing.T) {
	a := testAuth(t)
	a.Authorize = func(_ context.Context, user, authzid string) error {
		if user == "tim" && authzid == "shared" {
			return nil
		}
		return sasl.ErrNotAuthorized
	}
	x, err := a.Start(t.Context(), "PLAIN", encrypted)
	require.NoError(t, err)
	_, done, err := x.Next([]byte("shared\x00tim\x00tanstaaftanstaaf"))
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, sasl.Identity{User: "tim", Authzid: "shared", Mechanism: "PLAIN"}, x.Identity())
	require.Equal(t, "shared", x.Identity().Name())
	x, err = a.Start(t.Context(), "PLAIN", encrypted)
	require.NoError(t, err)
	_, done, err = x.Next([]byte("other\x00tim\x00tanstaaftanstaaf"))
	require.ErrorIs(t, err, sasl.ErrNotAuthorized)
	require.False(t, done)
}

func TestLoginServer(t *testing.T) {
	for _, initial := range []bool{false, true} {
		x, err := testAuth(t).Start(t.Context(), "LOGIN", encrypted)
		require.NoError(t, err)
		if !initial {
			challenge, done, err := x.Next(nil)
			require.NoError(t, err)
			require.False(t, done)
			require.Equal(t, "Username:", string(challenge))
		}
		challenge, done, err := x.Next([]byte("tim"))
		require.NoError(t, err)
		require.False(t, done)
		require.Equal(t, "Password:", string(challenge))
		_, done, err = x.Next([]byte("tanstaaftanstaaf"))
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, sasl.Identity{User: "tim", Mechanism: "LOGIN"}, x.Identity())
	}
	for _, bad := range []string{"a\x00b", "\xff", strings.Repeat("u", 1025)} {
		x, err := testAuth(t).Start(t.Context(), "LOGIN", encrypted)
		require.NoError(t, err)
		_, _, err = x.Next([]byte(bad))
		require.ErrorIs(t, err, sasl.ErrProtocol)
	}
	x, err := testAuth(t).Start(t.Context(), "LOGIN", encrypted)
	require.NoError(t, err)
	_, _, err = x.Next([]byte(""))
	require.NoError(t, err, "an empty initial response is an empty user name")
	_, done, err := x.Next([]byte("x"))
	require.ErrorIs(t, err, sasl.ErrFailed)
	require.False(t, done)
}

func TestCheckPassword(t *testing.T) {
	a := testAuth(t)
	id, err := a.CheckPassword(t.Context(), "USER", encrypted, "tim", "tanstaaftanstaaf")
	require.NoError(t, err)
	require.Equal(t, sasl.Identity{User: "tim", Mechanism: "USER"}, id)
	require.Equal(t, "tim", id.Name())
	_, err = a.CheckPassword(t.Context(), "USER", clear, "tim", "tanstaaftanstaaf")
	require.ErrorIs(t, err, sasl.ErrEncryption)
	_, err = a.CheckPassword(t.Context(), "USER", encrypted, "broken", "x")
	require.EqualError(t, err, "database is away")
	_, err = a.CheckPassword(t.Context(), "USER", encrypted, "nobody", "x")
	require.ErrorIs(t, err, sasl.ErrFailed)
	_, err = (&sasl.Auth{}).CheckPassword(t.Context(), "USER", encrypted, "tim", "x")
	require.ErrorIs(t, err, sasl.ErrMechanism)
}

func TestClientsRefuseBadCredentials(t *testing.T) {
	for _, m := range []sasl.Mechanism{
		sasl.Plain("", "a\x00b", "secret"), sasl.Plain("", "a", "sec\x00ret"), sasl.Plain("z\x00", "a", "secret"),
		sasl.Plain("", "", "secret"), sasl.Plain("", "\xff", "secret"), sasl.Plain("", "a", "secret\xff"),
		sasl.Login("a\x00b", "secret"), sasl.Login("", "secret"), sasl.Login("a", "secret\xff"),
	} {
		_, _, err := m.Start(encrypted)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "sec")
		require.True(t, m.Cleartext())
	}
}

func TestLoginClientNeedsBothChallenges(t *testing.T) {
	x, initial, err := sasl.Login("tim", "pw").Start(encrypted)
	require.NoError(t, err)
	require.Nil(t, initial)
	require.ErrorIs(t, x.Done(), sasl.ErrProtocol)
	user, err := x.Next([]byte("User Name\x00"))
	require.NoError(t, err)
	require.Equal(t, "tim", string(user))
	require.ErrorIs(t, x.Done(), sasl.ErrProtocol)
	password, err := x.Next(nil)
	require.NoError(t, err)
	require.Equal(t, "pw", string(password))
	require.NoError(t, x.Done())
	_, err = x.Next(nil)
	require.ErrorIs(t, err, sasl.ErrProtocol)
}

func TestPlainClient(t *testing.T) {
	x, initial, err := sasl.Plain("Ursel", "Kurt", "xipj3plmq").Start(encrypted)
	require.NoError(t, err)
	require.Equal(t, "Ursel\x00Kurt\x00xipj3plmq", string(initial))
	require.NoError(t, x.Done())
	_, err = x.Next([]byte("more"))
	require.ErrorIs(t, err, sasl.ErrProtocol)
}

// Both sides, run against each other.
func TestBothSides(t *testing.T) {
	for _, m := range []sasl.Mechanism{sasl.Plain("", "tim", "tanstaaftanstaaf"), sasl.Login("tim", "tanstaaftanstaaf")} {
		server, err := testAuth(t).Start(t.Context(), m.Name(), encrypted)
		require.NoError(t, err)
		client, response, err := m.Start(encrypted)
		require.NoError(t, err)
		for {
			challenge, done, err := server.Next(response)
			require.NoError(t, err)
			if done {
				break
			}
			response, err = client.Next(challenge)
			require.NoError(t, err)
		}
		require.NoError(t, client.Done())
		require.Equal(t, "tim", server.Identity().Name())
	}
}

// Whatever the peer says, an exchange ends without a panic, and never in
// success unless the right password was in it.
func FuzzServer(f *testing.F) {
	f.Add("PLAIN", "\x00tim\x00tanstaaftanstaaf", "")
	f.Add("LOGIN", "tim", "tanstaaftanstaaf")
	f.Add("LOGIN", "", "")
	f.Add("PLAIN", "\x00\x00\x00", "*")
	f.Fuzz(func(t *testing.T, mechanism, one, two string) {
		x, err := testAuth(t).Start(t.Context(), mechanism, encrypted)
		if err != nil {
			return
		}
		for _, response := range []string{one, two, one} {
			_, done, err := x.Next([]byte(response))
			if done {
				require.NoError(t, err)
				require.Contains(t, one+two, "tanstaaftanstaaf")
				require.NotEmpty(t, x.Identity().User)
			}
			if done || err != nil {
				return
			}
		}
	})
}

func ExampleAuth() {
	auth := &sasl.Auth{
		Password: func(ctx context.Context, user, password string) error {
			if user == "ada" && password == "lovelace" {
				return nil
			}
			return sasl.ErrFailed
		},
	}
	fmt.Println("clear:", auth.Mechanisms(sasl.Line{}))
	fmt.Println("encrypted:", auth.Mechanisms(sasl.Line{Encrypted: true}))

	x, err := auth.Start(context.Background(), "PLAIN", sasl.Line{Encrypted: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, done, err := x.Next([]byte("\x00ada\x00lovelace"))
	fmt.Println(done, err, x.Identity().Name())
	// Output:
	// clear: []
	// encrypted: [PLAIN LOGIN]
	// true <nil> ada
}

func ExamplePlain() {
	x, initial, err := sasl.Plain("", "ada", "lovelace").Start(sasl.Line{Encrypted: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", initial)
	fmt.Println(x.Done())
	// Output:
	// "\x00ada\x00lovelace"
	// <nil>
}
