package pop3server_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// The conversation of AUTH goes wrong in all its ways, and the session goes on.
func TestAuthConversation(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const good, done = "AUTH PLAIN AG1yb3NlAHRhbiBzdGFhZg==\r\n", "+OK Maildrop has 3 messages (95 octets)\r\n"
	for name, tt := range map[string]struct{ in, out string }{
		"an empty initial response": {"AUTH PLAIN =\r\n" + good, "-ERR [AUTH] Malformed authentication message\r\n" + done},
		"cancelled":                 {"AUTH PLAIN\r\n*\r\n" + good, "+ \r\n-ERR Authentication cancelled\r\n" + done},
		"cancelled between":         {"AUTH LOGIN\r\nbXJvc2U=\r\n*\r\n" + good, "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n-ERR Authentication cancelled\r\n" + done},
		"bad base64":                {"AUTH PLAIN\r\nA===\r\n" + good, "+ \r\n-ERR AUTH: expected a response in base64\r\n" + done},
		"again":                     {good + good, done + "-ERR <any>\r\n"},
		"refused token":             {"AUTH XOAUTH2 " + b64("user=mrose\x01auth=Bearer x\x01\x01") + "\r\n\r\n" + good, "+ <any>\r\n-ERR [AUTH] Authentication failed\r\n" + done},
		"no proof":                  {"AUTH SCRAM-SHA-256 " + b64("n,,n=mrose,r=abc") + "\r\n\r\n" + good, "+ <any>\r\n-ERR [AUTH] Malformed authentication message\r\n" + done},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, &pop3server.Server{Backend: newBackend(), Auth: &sasl.Auth{
				AllowCleartext: true,
				Secret: func(_ context.Context, user string) (string, error) {
					if user == "mrose" {
						return "tan staaf", nil
					}
					return "", sasl.ErrFailed
				},
				Token: func(context.Context, sasl.BearerToken) (string, error) { return "", sasl.ErrFailed },
			}})
			out := s.exchange(tt.in + "QUIT\r\n")
			_, out, _ = strings.Cut(out, "\r\n")
			got, want := strings.Split(out, "\r\n"), strings.Split(tt.out+"+OK Bye\r\n", "\r\n")
			require.Len(t, got, len(want), out)
			for i := range want {
				if before, ok := strings.CutSuffix(want[i], "<any>"); ok {
					require.True(t, strings.HasPrefix(got[i], before), out)
				} else {
					require.Equal(t, want[i], got[i], out)
				}
			}
		})
	}
}
