package sasl_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// No verb of fmt shows a secret, of a value, of a pointer or within a struct.
func TestNothingPrintsSecrets(t *testing.T) {
	const secret = "hunter2hunter2"
	creds := &sasl.Credentials{User: "ada", Password: secret, Token: always(secret)}
	keys := sasl.ScramKeys{Hash: sasl.SHA256, Iterations: 4096, Salt: []byte("salt"), StoredKey: []byte(secret), ServerKey: []byte(secret)}
	auth := &sasl.Auth{FakeKey: []byte(secret), Secret: secrets(map[string]string{"ada": secret})}
	token := sasl.BearerToken{Token: secret, User: "ada"}
	values := map[string]any{
		"Credentials": creds, "Credentials by value": *creds, "keys": &keys, "keys by value": keys,
		"Auth": auth, "Auth by value": *auth, "token": token, "pointer to a token": &token,
		"Plain": sasl.Plain("", "ada", secret), "Login": sasl.Login("ada", secret),
	}
	for _, name := range sasl.AllMechanisms {
		c := sasl.Credentials{User: "ada", Password: secret, Token: always(secret), Certificate: true, Anonymous: true, GSSAPI: fakeKDC{[]byte("session key")}}
		c.Only = []string{name}
		line := bound
		line.Offered = []string{name}
		at, err := sasl.Begin(t.Context(), &c, line)
		require.NoError(t, err, name)
		values["attempt of "+name], values["attempt by value of "+name] = at, *at
		m, err := c.Mechanism(t.Context(), name)
		require.NoError(t, err, name)
		values[name] = m
		x, _, err := m.Start(bound)
		require.NoError(t, err, name)
		values["exchange of "+name] = x
	}
	for _, name := range []string{"LOGIN", "SCRAM-SHA-256"} {
		a, _ := everything(t)
		a.Password = nil
		s, err := a.Start(t.Context(), name, bound)
		require.NoError(t, err)
		values["server of "+name] = s
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			for _, in := range []any{v, struct{ V any }{v}, []any{v}} {
				out := fmt.Sprintf(verb, in)
				require.NotContains(t, out, secret, "%s %s", name, verb)
				require.NotContains(t, out, fmt.Sprintf("%x", secret), "%s %s", name, verb)
				require.NotContains(t, out, fmt.Sprintf("%X", secret), "%s %s", name, verb)
				require.NotContains(t, out, "104 117 110 116 101 114", "%s %s: octets", name, verb)
				require.NotContains(t, out, "0x68, 0x75, 0x6e", "%s %s: octets", name, verb)
			}
		}
	}
}
