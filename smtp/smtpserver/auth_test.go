package smtpserver_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// The conversation of AUTH goes wrong in all its ways, and the session goes on.
func TestAuthConversation(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	auth := func() *sasl.Auth {
		a := testAuth(true)
		a.Secret = func(_ context.Context, user string) (string, error) {
			if user == "tim" {
				return "tanstaaf", nil
			}
			return "", sasl.ErrFailed
		}
		a.Token = func(context.Context, sasl.BearerToken) (string, error) { return "", sasl.ErrFailed }
		return a
	}
	const good = "AUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n"
	for name, tt := range map[string]struct{ in, out string }{
		"an empty initial response": {"AUTH PLAIN =\r\n" + good, "501 5.5.2 Malformed authentication message\r\n235 2.7.0 Authentication succeeded\r\n"},
		"cancelled":                 {"AUTH PLAIN\r\n*\r\n" + good, "334 \r\n501 5.7.0 Authentication cancelled\r\n235 2.7.0 Authentication succeeded\r\n"},
		"bad base64":                {"AUTH PLAIN\r\nA===\r\n" + good, "334 \r\n501 5.5.2 response is not base64\r\n235 2.7.0 Authentication succeeded\r\n"},
		"bad base64 at once":        {"AUTH PLAIN A===\r\n" + good, "501 5.5.2 initial response is not base64\r\n235 2.7.0 Authentication succeeded\r\n"},
		"again":                     {good + good, "235 2.7.0 Authentication succeeded\r\n503 5.5.1 Authenticated already\r\n"},
		"cancelled between": {"AUTH SCRAM-SHA-256 " + b64([]byte("y,,n=tim,r=abc")) + "\r\n*\r\n" + good,
			"334 <any>\r\n501 5.7.0 Authentication cancelled\r\n235 2.7.0 Authentication succeeded\r\n"},
		"an empty proof":       {"AUTH SCRAM-SHA-256 " + b64([]byte("n,,n=tim,r=abc")) + "\r\n\r\n", "334 <any>\r\n501 5.5.2 Malformed authentication message\r\n"},
		"XOAUTH2 refused":      {"AUTH XOAUTH2 " + b64([]byte("user=tim\x01auth=Bearer x\x01\x01")) + "\r\n\r\n", "334 <any>\r\n535 5.7.8 Authentication credentials invalid\r\n"},
		"OAUTHBEARER refused":  {"AUTH OAUTHBEARER " + b64([]byte("n,a=tim,\x01auth=Bearer x\x01\x01")) + "\r\nAQ==\r\n", "334 <any>\r\n535 5.7.8 Authentication credentials invalid\r\n"},
		"anything but a dummy": {"AUTH XOAUTH2 " + b64([]byte("user=tim\x01auth=Bearer x\x01\x01")) + "\r\nAHRpbQB0YW5zdGFhZg==\r\n", "334 <any>\r\n535 5.7.8 Authentication credentials invalid\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(&backend{})
			srv.Auth = auth()
			l, _ := start(t, srv)
			out := exchange(t, l, "EHLO c\r\n"+tt.in+"QUIT\r\n")
			_, out, _ = strings.Cut(out, "\r\n250 ")
			_, out, _ = strings.Cut(out, "\r\n")
			want := strings.Split(tt.out+"221 2.0.0 mx.example.org closing the channel\r\n", "\r\n")
			got := strings.Split(out, "\r\n")
			require.Len(t, got, len(want), out)
			for i := range want {
				if want[i] != "334 <any>" {
					require.Equal(t, want[i], got[i], out)
				} else {
					require.True(t, strings.HasPrefix(got[i], "334 ey") || strings.HasPrefix(got[i], "334 cj1hYm"), "JSON or r=abc: %s", out)
				}
			}
		})
	}
	srv := newServer(&backend{})
	srv.Auth = auth()
	l, _ := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\n"+good+"RSET\r\n"+good+"QUIT\r\n")
	require.Regexp(t, `\r\n250 2\.1\.0 [^\r]*\r\n503 5\.5\.1 [^\r]*\r\n250 2\.0\.0 [^\r]*\r\n235 2\.7\.0 Authentication succeeded\r\n221 [^\r]*\r\n$`, out)
}

// Under TLS the mechanisms that bind it are offered, and were not before.
func TestStartTLSOffersBindings(t *testing.T) {
	srv := newServer(&backend{})
	srv.TLSConfig = serverTLS()
	srv.Auth = &sasl.Auth{Secret: func(context.Context, string) (string, error) { return "", sasl.ErrFailed }, Only: []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"}}
	l, _ := start(t, srv)
	conn := dial(t, l)
	readGreeting(t, conn)
	talk := func(rw io.ReadWriter, line, end string) string {
		_, err := io.WriteString(rw, line)
		require.NoError(t, err)
		var out []byte
		for b := make([]byte, 1); !strings.HasSuffix(string(out), end); {
			_, err := io.ReadFull(rw, b)
			require.NoError(t, err, "%s", out)
			out = append(out, b[0])
		}
		return string(out)
	}
	require.Contains(t, talk(conn, "EHLO c\r\n", "AUTH SCRAM-SHA-256\r\n"), "STARTTLS")
	talk(conn, "STARTTLS\r\n", "Ready to start TLS\r\n")
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	talk(secure, "EHLO c\r\n", "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN\r\n")
	require.Contains(t, talk(secure, "AUTH SCRAM-SHA-256 "+base64.StdEncoding.EncodeToString([]byte("y,,n=tim,r=abc"))+"\r\n", "\r\n"), "535 5.7.8 ", "the offer was stripped")
}
