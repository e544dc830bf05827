package sasl_test

// The exchanges that the RFCs print, both sides.

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

func secrets(users map[string]string) func(context.Context, string) (string, error) {
	return func(_ context.Context, user string) (string, error) {
		if s, ok := users[user]; ok {
			return s, nil
		}
		return "", sasl.ErrFailed
	}
}

func passwords(users map[string]string) func(context.Context, string, string) error {
	return func(_ context.Context, user, password string) error {
		if s, ok := users[user]; ok && s == password {
			return nil
		}
		return sasl.ErrFailed
	}
}

// keys are stored SCRAM keys of one user of the RFCs.
func keys(t testing.TB, h sasl.Hash, password, salt64 string) func(context.Context, string, sasl.Hash) (*sasl.ScramKeys, error) {
	salt, err := base64.StdEncoding.DecodeString(salt64)
	require.NoError(t, err)
	k, err := sasl.NewScramKeys(h, password, salt, 4096)
	require.NoError(t, err)
	return func(_ context.Context, user string, hash sasl.Hash) (*sasl.ScramKeys, error) {
		if user != "user" || hash != h {
			return nil, sasl.ErrFailed
		}
		return k, nil
	}
}

type vector struct {
	name, mechanism string
	creds           sasl.Credentials
	clientNonce     string
	serverNonce     string
	line            sasl.Line
	auth            sasl.Auth
	challenge       string // CRAM-MD5's
	// steps are messages, the client's and the server's in turn; with
	// serverFirst the server's is the first.
	serverFirst bool
	steps       []string
	id          sasl.Identity
}

func vectors(t testing.TB) []vector {
	tls := sasl.Line{Encrypted: true}
	return []vector{
		{
			name: "RFC 4616 section 4", mechanism: "PLAIN", line: tls,
			creds: sasl.Credentials{User: "tim", Password: "tanstaaftanstaaf"},
			auth:  sasl.Auth{Password: passwords(map[string]string{"tim": "tanstaaftanstaaf"})},
			steps: []string{"\x00tim\x00tanstaaftanstaaf"},
			id:    sasl.Identity{User: "tim", Mechanism: "PLAIN"},
		},
		{
			name: "RFC 4616 section 4, authzid", mechanism: "PLAIN", line: tls,
			creds: sasl.Credentials{Authzid: "Ursel", User: "Kurt", Password: "xipj3plmq"},
			auth: sasl.Auth{
				Password:  passwords(map[string]string{"Kurt": "xipj3plmq"}),
				Authorize: func(context.Context, string, string) error { return nil },
			},
			steps: []string{"Ursel\x00Kurt\x00xipj3plmq"},
			id:    sasl.Identity{User: "Kurt", Authzid: "Ursel", Mechanism: "PLAIN"},
		},
		{
			name: "RFC 2195 section 2", mechanism: "CRAM-MD5", serverFirst: true,
			creds:     sasl.Credentials{User: "tim", Password: "tanstaaftanstaaf"},
			auth:      sasl.Auth{Secret: secrets(map[string]string{"tim": "tanstaaftanstaaf"})},
			challenge: "<1896.697170952@postoffice.reston.mci.net>",
			steps:     []string{"<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890"},
			id:        sasl.Identity{User: "tim", Mechanism: "CRAM-MD5"},
		},
		{
			name: "RFC 2831 section 4, IMAP", mechanism: "DIGEST-MD5", serverFirst: true,
			creds:       sasl.Credentials{User: "chris", Password: "secret"},
			clientNonce: "OA6MHXh6VqTrRk", serverNonce: "OA6MG9tEQGm2hh",
			line: sasl.Line{Service: "imap", Host: "elwood.innosoft.com"},
			auth: sasl.Auth{Hostname: "elwood.innosoft.com", Secret: secrets(map[string]string{"chris": "secret"})},
			steps: []string{
				`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,algorithm=md5-sess`,
				`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth`,
				"rspauth=ea40f60335c427b5527b84dbabcdfffd",
			},
			id: sasl.Identity{User: "chris", Mechanism: "DIGEST-MD5"},
		},
		{
			name: "RFC 2831 section 4, ACAP, stored key", mechanism: "DIGEST-MD5", serverFirst: true,
			creds:       sasl.Credentials{User: "chris", Password: "secret", Realm: "elwood.innosoft.com"},
			clientNonce: "OA9BSuZWMSpW8m", serverNonce: "OA9BSXrbuRhWay",
			line: sasl.Line{Service: "acap", Host: "elwood.innosoft.com"},
			auth: sasl.Auth{Realm: "elwood.innosoft.com", DigestKey: func(_ context.Context, user, realm string) ([16]byte, error) {
				return sasl.DigestKey(user, realm, "secret"), nil
			}},
			steps: []string{
				`realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",qop="auth",charset=utf-8,algorithm=md5-sess`,
				`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",nc=00000001,cnonce="OA9BSuZWMSpW8m",digest-uri="acap/elwood.innosoft.com",response=6084c6db3fede7352c551284490fd0fc,qop=auth`,
				"rspauth=2f0b3d7c3c2e486600ef710726aa2eae",
			},
			id: sasl.Identity{User: "chris", Mechanism: "DIGEST-MD5"},
		},
		{
			name: "RFC 5802 section 5", mechanism: "SCRAM-SHA-1",
			creds:       sasl.Credentials{User: "user", Password: "pencil"},
			clientNonce: "fyko+d2lbbFgONRv9qkxdawL", serverNonce: "3rfcNHYJY1ZVvWVs7j",
			auth: sasl.Auth{ScramKeys: keys(t, sasl.SHA1, "pencil", "QSXCR+Q6sek8bf92"), Hashes: []sasl.Hash{sasl.SHA1}},
			steps: []string{
				"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
				"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
				"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
				"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
			},
			id: sasl.Identity{User: "user", Mechanism: "SCRAM-SHA-1"},
		},
		{
			name: "RFC 7677 section 3", mechanism: "SCRAM-SHA-256",
			creds:       sasl.Credentials{User: "user", Password: "pencil"},
			clientNonce: "rOprNGfwEbeRWgbNEkqO", serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
			auth: sasl.Auth{ScramKeys: keys(t, sasl.SHA256, "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==")},
			steps: []string{
				"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
				"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
				"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
				"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
			},
			id: sasl.Identity{User: "user", Mechanism: "SCRAM-SHA-256"},
		},
		{
			name: "RFC 7628 section 4.1", mechanism: "OAUTHBEARER",
			creds: sasl.Credentials{User: "user@example.com", Token: always("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")},
			line:  sasl.Line{Encrypted: true, Host: "server.example.com", Port: 143},
			auth:  sasl.Auth{Token: tokens(map[string]string{"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==": "user@example.com"})},
			steps: []string{un64("bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB")},
			id:    sasl.Identity{User: "user@example.com", Mechanism: "OAUTHBEARER"},
		},
		{
			// https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
			name: "Google's XOAUTH2", mechanism: "XOAUTH2", line: tls,
			creds: sasl.Credentials{User: "someuser@example.com", Token: always("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")},
			auth:  sasl.Auth{Token: tokens(map[string]string{"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg": "someuser@example.com"})},
			steps: []string{un64("dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==")},
			id:    sasl.Identity{User: "someuser@example.com", Mechanism: "XOAUTH2"},
		},
		{
			name: "RFC 4505 section 3", mechanism: "ANONYMOUS",
			creds: sasl.Credentials{Anonymous: true, Trace: "sirhc"},
			auth:  sasl.Auth{Anonymous: func(_ context.Context, trace string) (string, error) { return "guest", nil }},
			steps: []string{"sirhc"},
			id:    sasl.Identity{User: "guest", Mechanism: "ANONYMOUS"},
		},
	}
}

func un64(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func always(token string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return token, nil }
}

func tokens(users map[string]string) func(context.Context, sasl.BearerToken) (string, error) {
	return func(_ context.Context, t sasl.BearerToken) (string, error) {
		if u, ok := users[t.Token]; ok {
			return u, nil
		}
		return "", sasl.ErrFailed
	}
}

func TestVectorsClient(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			v.creds.SetNonce(v.clientNonce)
			m, err := v.creds.Mechanism(t.Context(), v.mechanism)
			require.NoError(t, err)
			require.Equal(t, v.mechanism, m.Name())
			x, initial, err := m.Start(v.line)
			require.NoError(t, err)
			steps := v.steps
			if v.serverFirst {
				require.Nil(t, initial)
			} else {
				require.Equal(t, steps[0], string(initial))
				steps = steps[1:]
			}
			for len(steps) > 0 {
				require.ErrorIs(t, x.Done(), sasl.ErrProtocol, "too soon")
				response, err := x.Next([]byte(steps[0]))
				require.NoError(t, err)
				want := ""
				if len(steps) > 1 {
					want, steps = steps[1], steps[1:]
				}
				steps = steps[1:]
				require.Equal(t, want, string(response))
			}
			require.NoError(t, x.Done())
		})
	}
}

func TestVectorsServer(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			v.auth.SetNonce(v.serverNonce)
			x, err := v.auth.Start(t.Context(), strings.ToLower(v.mechanism), v.line)
			require.NoError(t, err)
			if v.challenge != "" {
				sasl.SetCRAMChallenge(x, v.challenge)
			}
			steps := v.steps
			if v.serverFirst {
				challenge, done, err := x.Next(nil)
				require.NoError(t, err)
				require.False(t, done)
				require.Equal(t, steps[0], string(challenge))
				steps = steps[1:]
			} else {
				challenge, done, err := x.Next(nil)
				require.NoError(t, err)
				require.False(t, done)
				require.Equal(t, []byte{}, challenge, "a client may leave the initial response for later")
			}
			for len(steps) > 0 {
				challenge, done, err := x.Next([]byte(steps[0]))
				require.NoError(t, err)
				require.Equal(t, len(steps) <= 2, done)
				if len(steps) == 1 {
					require.Nil(t, challenge)
					break
				}
				require.Equal(t, steps[1], string(challenge))
				steps = steps[2:]
			}
			require.Equal(t, v.id, x.Identity())
		})
	}
}

// RFC 7628 section 4.3: the question for the scope, answered by an error.
func TestOAuthBearerFailure(t *testing.T) {
	a := &sasl.Auth{
		Token:     tokens(nil),
		TokenHint: sasl.BearerError{Scope: "example_scope", Configuration: "https://example.com/.well-known/openid-configuration"},
	}
	x, err := a.Start(t.Context(), "OAUTHBEARER", encrypted)
	require.NoError(t, err)
	challenge, done, err := x.Next([]byte(un64("bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE=")))
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, un64("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0="), string(challenge))
	_, done, err = x.Next([]byte{1})
	require.ErrorIs(t, err, sasl.ErrFailed)
	require.False(t, done)
	require.Zero(t, x.Identity())

	// RFC 7628 section 4.4, whose client breaks the grammar ("n,user=" where
	// "n,a=" belongs).
	x, err = a.Start(t.Context(), "OAUTHBEARER", encrypted)
	require.NoError(t, err)
	_, _, err = x.Next([]byte(un64("bix1c2VyPXNvbWV1c2VyQGV4YW1wbGUuY29tLAFhdXRoPUJlYXJlciB2RjlkZnQ0cW1UYzJOdmIzUmxja0JoZEhSaGRtbHpkR0V1WTI5dENnPT0BAQ==")))
	require.ErrorIs(t, err, sasl.ErrProtocol)

	// The client's side of both.
	for mechanism, dummy := range map[string]string{"OAUTHBEARER": "\x01", "XOAUTH2": ""} {
		c := &sasl.Credentials{User: "u", Token: always("expired"), Only: []string{mechanism}}
		at, err := sasl.Begin(t.Context(), c, encrypted)
		require.NoError(t, err)
		response, err := at.Next([]byte(un64("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NoZW1lcyI6ImJlYXJlciBtYWMiLCJzY29wZSI6Imh0dHBzOi8vbWFpbC5leGFtcGxlLmNvbS8ifQ==")))
		require.NoError(t, err)
		require.Equal(t, dummy, string(response))
		require.ErrorIs(t, at.Done(), sasl.ErrProtocol)
		next, err := at.Again(t.Context(), sasl.ErrFailed)
		require.Nil(t, next, "the token is still the same")
		var told *sasl.BearerError
		require.ErrorAs(t, err, &told)
		require.Equal(t, &sasl.BearerError{Status: "invalid_token", Schemes: "bearer mac", Scope: "https://mail.example.com/"}, told)
		require.NotContains(t, err.Error(), "expired")
	}
}
