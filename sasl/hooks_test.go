package sasl_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// counted makes the hooks count, and returns what they counted.
func counted(a *sasl.Auth) (before *int, after *[]error) {
	before, after = new(int), new([]error)
	a.Before = func(context.Context, sasl.Claim) error { *before++; return nil }
	a.After = func(_ context.Context, _ sasl.Claim, err error) { *after = append(*after, err) }
	return before, after
}

// Whatever becomes of an exchange that the client sees to its end, Before and
// After are called as often, and After once.
func TestHooksArePaired(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		for what, change := range map[string]tamper{
			"honest": nil,
			"a message cut": func(n int, toServer bool, msg []byte) []byte {
				if toServer && len(msg) > 0 {
					return msg[:len(msg)-1]
				}
				return msg
			},
			"the last message spoilt": func(n int, toServer bool, msg []byte) []byte {
				if toServer && (n > 0 || len(msg) > 40) {
					return append([]byte("\xff"), msg...)
				}
				return msg
			},
			"the last message without its end": func(n int, toServer bool, msg []byte) []byte {
				if toServer && n > 0 {
					return msg[:len(msg)/2]
				}
				return msg
			},
		} {
			a, c := everything(t)
			before, after := counted(a)
			_, server, client := converse(t, a, c, name, bound, change)
			if server != nil && client != nil && server.Error() == "cancelled by the client" {
				require.LessOrEqual(t, len(*after), *before, "%s: %s", name, what)
				continue
			}
			require.Len(t, *after, *before, "%s: %s", name, what)
			require.LessOrEqual(t, *before, 1, "%s: %s", name, what)
			for _, err := range *after {
				require.Equal(t, server == nil, err == nil, "%s: %s", name, what)
			}
		}
	}
}

var errStore = errors.New("the store is down")

// A store that fails or panics is told of as well.
func TestHooksOfAFailingStore(t *testing.T) {
	for _, panics := range []bool{false, true} {
		fail := func() error {
			if panics {
				panic("the store is broken")
			}
			return errStore
		}
		for _, name := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "GSSAPI", "DIGEST-MD5", "OAUTHBEARER", "XOAUTH2"} {
			a, c := everything(t)
			a.Password = nil
			a.Secret = func(context.Context, string) (string, error) { return "", fail() }
			a.Token = func(context.Context, sasl.BearerToken) (string, error) { return "", fail() }
			a.Principal = func(context.Context, string) (string, error) { return "", fail() }
			before, after := counted(a)
			run := func() { _, _, _ = converse(t, a, c, name, bound, nil) }
			if panics {
				require.Panics(t, run, name)
			} else {
				run()
			}
			require.Equal(t, 1, *before, name)
			require.Len(t, *after, 1, name)
			require.Error(t, (*after)[0], name)
			require.NotErrorIs(t, (*after)[0], sasl.ErrFailed, name)
		}
		a, _ := everything(t)
		a.Password = func(context.Context, string, string) error { return fail() }
		a.Secret = func(context.Context, string) (string, error) { return "", fail() }
		_, after := counted(a)
		for _, check := range []func(){
			func() { _, _ = a.CheckPassword(t.Context(), "LOGIN", bound, "ada", "x") },
			func() { _, _ = a.CheckAPOP(t.Context(), bound, "<1@x>", "ada", "x") },
		} {
			*after = nil
			if panics {
				require.Panics(t, check)
			} else {
				check()
			}
			require.Len(t, *after, 1)
			require.Error(t, (*after)[0])
		}
	}
}

// One whom Before stops is not checked, and has no After.
func TestBeforeStops(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		a, c := everything(t)
		_, after := counted(a)
		a.Before = func(context.Context, sasl.Claim) error { return sasl.ErrTooMany }
		_, server, _ := converse(t, a, c, name, bound, nil)
		require.ErrorIs(t, server, sasl.ErrTooMany, name)
		require.Empty(t, *after, name)
	}
}

// A client that sees no -PLUS of its own mechanism says so, whatever else is
// in the offer, and a server that has one refuses it.
func TestStrippedPlus(t *testing.T) {
	for _, offer := range [][]string{
		{"SCRAM-SHA-256"},
		{"SCRAM-SHA-256", "GS2-KRB5-PLUS"},
		{"SCRAM-SHA-256", "X-PLUS"},
		{"SCRAM-SHA-256", "scram-sha-1-plus"},
	} {
		a, c := everything(t)
		c.Only = []string{"SCRAM-SHA-256"}
		line := bound
		line.Offered = offer
		at, err := sasl.Begin(t.Context(), c, line)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(at.Initial), "y,,"), "%q", at.Initial)
		s, err := a.Start(t.Context(), "SCRAM-SHA-256", bound)
		require.NoError(t, err)
		_, _, err = s.Next(at.Initial)
		require.ErrorIs(t, err, sasl.ErrFailed)
	}
	// Shown it, and pinned to the other: the flag would be a lie.
	_, c := everything(t)
	c.Only = []string{"SCRAM-SHA-256"}
	line := bound
	line.Offered = []string{"SCRAM-SHA-256", "scram-sha-256-PLUS"}
	at, err := sasl.Begin(t.Context(), c, line)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(at.Initial), "n,,"), "%q", at.Initial)
}

// What an unknown user is shown does not change with the process, and looks as
// a known user's.
func TestUnknownUserLooksKnown(t *testing.T) {
	first := func(user string, key string, stored bool) string {
		a, _ := everything(t)
		a.FakeKey, a.Iterations = []byte(key), 4096
		if stored {
			a.ScramKeys = func(_ context.Context, user string, h sasl.Hash) (*sasl.ScramKeys, error) {
				if user == "ada" {
					return sasl.NewScramKeys(h, thePassword, []byte("0123456789abcdef"), 4096)
				}
				return nil, sasl.ErrFailed
			}
		}
		s, err := a.Start(t.Context(), "SCRAM-SHA-256", bound)
		require.NoError(t, err)
		challenge, _, err := s.Next([]byte("n,,n=" + user + ",r=abc"))
		require.NoError(t, err)
		return string(challenge)
	}
	for _, stored := range []bool{false, true} {
		require.Equal(t, first("mallory", "key", stored), first("mallory", "key", stored), "another process")
		require.NotEqual(t, first("mallory", "key", stored), first("mallory", "other", stored))
		require.NotEqual(t, first("mallory", "key", stored), first("mallorz", "key", stored))
		require.Len(t, first("mallory", "key", stored), len(first("ada", "key", stored)))
		require.True(t, strings.HasSuffix(first("mallory", "key", stored), ",i=4096"))
	}
}

// A client answers one demand for many iterations at most, and none beyond
// its bounds.
func TestClientIterations(t *testing.T) {
	for count, good := range map[string]bool{"4096": true, "4095": false, "1": false, "0": false, "04096": false, "-4096": false, "1000001": false, "99999999999999999999": false, "4096 ": false, "": false} {
		c := &sasl.Credentials{User: "ada", Password: thePassword}
		c.SetNonce("abc")
		m, err := c.Mechanism(t.Context(), "SCRAM-SHA-256")
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		first := []byte("r=abcdef,s=QUJDRA==,i=" + count)
		_, err = x.Next(first)
		if !good {
			require.ErrorIs(t, err, sasl.ErrProtocol, count)
		} else {
			require.NoError(t, err)
		}
		_, err = x.Next(first)
		require.Error(t, err, "a second demand")
		require.ErrorIs(t, x.Done(), sasl.ErrProtocol)
	}
}

// SCRAM's messages with an attribute out of its place, twice, or unknown and
// mandatory.
func TestScramGrammar(t *testing.T) {
	for _, bad := range []string{
		"", "n", "n,", "n,,", "n,,r=abc,n=ada", "n,,m=x,n=ada,r=abc", "n,,n=ada,r=abc,m=x", "n,,n=ada,m=x,r=abc", "n,,n=ada", "n,,n=,r=abc",
		"n,,n=ada,r=", "n,,n=ada,r=a c", "n,,n=ada,r=abc,", "n,,n=ada,r=abc,x", "n,,n=ada,r=abc,x=", "n,,n=a=da,r=abc", "n,,n=a=2cda,r=abc",
		"n,,n=a=2,r=abc", "n,a=,n=ada,r=abc", "n,b=ada,n=ada,r=abc", "n,a=a=da,n=ada,r=abc", "N,,n=ada,r=abc", "x,,n=ada,r=abc",
		"p,,n=ada,r=abc", "p=,,n=ada,r=abc", "p=tls-unique,,n=ada,r=abc", "F,n,,n=ada,r=abc", "y,,n=ada,r=abc",
		"n,,n=a\x00,r=abc", "n,,n=\xff,r=abc", "n,,n=\u00ad,r=abc", "n,,n=\ue000,r=abc",
	} {
		a, _ := everything(t)
		s, err := a.Start(t.Context(), "SCRAM-SHA-256", bound)
		require.NoError(t, err)
		_, done, err := s.Next([]byte(bad))
		require.False(t, done)
		require.Error(t, err, "%q", bad)
	}
	for _, bad := range []string{
		"", "r=abcdef", "s=QUJDRA==,r=abcdef,i=4096", "m=x,r=abcdef,s=QUJDRA==,i=4096", "r=abcdef,s=QUJDRA==,i=4096,m=x", "r=abcdef,m=x,s=QUJDRA==,i=4096",
		"r=abc,s=QUJDRA==,i=4096", "r=abd,s=QUJDRA==,i=4096", "r=xabcdef,s=QUJDRA==,i=4096", "r=abcdef,s=,i=4096", "r=abcdef,s=QUJDRA,i=4096", "r=abcdef,i=4096,s=QUJDRA==",
		"r=abcdef,s=QUJDRA==,i=4096,", "r=abcdef,r=abcdef,s=QUJDRA==,i=4096", "e=other-error",
	} {
		c := &sasl.Credentials{User: "ada", Password: thePassword}
		c.SetNonce("abc")
		m, err := c.Mechanism(t.Context(), "SCRAM-SHA-256")
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		_, err = x.Next([]byte(bad))
		require.ErrorIs(t, err, sasl.ErrProtocol, "%q", bad)
		require.Error(t, x.Done())
	}
}

// A name and a password that only look alike are the same on both sides, and
// what SASLprep forbids is refused.
func TestScramPrepares(t *testing.T) {
	a, c := everything(t)
	a.Secret = secrets(map[string]string{"ada": "IX fi"})
	c.User, c.Password = "a\u00adda", "\u2168\u00a0\ufb01"
	id, server, client := converse(t, a, c, "SCRAM-SHA-256", bound, nil)
	require.NoError(t, server)
	require.NoError(t, client)
	require.Equal(t, "ada", id.User)
	a.Secret = secrets(map[string]string{"ada": "\u2168\u00a0\ufb01"})
	c.Password = "IX fi"
	_, server, client = converse(t, a, c, "SCRAM-SHA-256", bound, nil)
	require.NoError(t, server)
	require.NoError(t, client)
	for _, bad := range []string{"\x07", "\u0627\u0031", "\ue000", "\u00ad"} {
		for _, field := range []*string{&c.User, &c.Password} {
			good := *field
			*field = bad
			m, err := c.Mechanism(t.Context(), "SCRAM-SHA-256")
			require.NoError(t, err)
			_, _, err = m.Start(bound)
			require.Error(t, err, "%q", bad)
			*field = good
		}
	}
}

// A token is renewed once, and never a second time.
func TestTokenRenewedOnce(t *testing.T) {
	var stale []string
	c := &sasl.Credentials{User: "ada", Token: func(_ context.Context, old string) (string, error) {
		stale = append(stale, old)
		return "token" + strings.Repeat("x", len(stale)), nil
	}}
	line := bound
	line.Offered = []string{"XOAUTH2"}
	at, err := sasl.Begin(t.Context(), c, line)
	require.NoError(t, err)
	refused := errors.New("535 no")
	tell := func(at *sasl.Attempt) {
		response, err := at.Next([]byte(`{"status":"401"}`))
		require.NoError(t, err)
		require.Equal(t, []byte{}, response, "the empty response that the server waits for")
		require.ErrorIs(t, at.Done(), sasl.ErrProtocol)
	}
	tell(at)
	at, err = at.Again(t.Context(), refused)
	require.NoError(t, err)
	tell(at)
	at, err = at.Again(t.Context(), refused)
	require.Nil(t, at)
	require.ErrorIs(t, err, refused)
	require.ErrorIs(t, err, sasl.ErrFailed)
	require.NotContains(t, err.Error(), "tokenx")
	require.True(t, slices.Equal([]string{"", "tokenx"}, stale), "%q", stale)
}
