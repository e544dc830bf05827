package imapserver_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/sasl"
)

// The conversation of AUTHENTICATE goes wrong in all its ways, and the session
// goes on.
func TestAuthConversation(t *testing.T) {
	f := start(t, func(s *imapserver.Server) {
		s.Limits.FailureDelay, s.Limits.MaxAuthFailures = -1, -1
		s.Auth.Token = func(context.Context, sasl.BearerToken) (string, error) { return "", sasl.ErrFailed }
		s.Auth.Secret = func(_ context.Context, user string) (string, error) {
			if user == "user" {
				return "secret", nil
			}
			return "", sasl.ErrFailed
		}
	})
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	token := strings.Repeat("x", 9216-len("n,,\x01auth=Bearer \x01\x01"))
	long := b64("n,,\x01auth=Bearer " + token + "\x01\x01")
	assert.Len(t, long, 12288)
	for _, tt := range []struct {
		command   string
		lines     []string
		challenge string
		want      string
	}{
		{"PLAIN =", nil, "", "t BAD "},
		{"PLAIN", []string{"*"}, "+ ", "t BAD AUTHENTICATE cancelled"},
		{"PLAIN", []string{"A==="}, "+ ", "t BAD Not base64"},
		{"PLAIN", []string{strings.Repeat("A", 20000)}, "+ ", "t BAD Line too long"},
		{"LOGIN", []string{"dXNlcg==", "*"}, "+ ", "t BAD AUTHENTICATE cancelled"},
		{"SCRAM-SHA-256 " + b64("n,,n=user,r=abc"), []string{"*"}, "+ cj1hYm", "t BAD AUTHENTICATE cancelled"},
		{"SCRAM-SHA-256 " + b64("n,,n=user,r=abc"), []string{""}, "+ cj1hYm", "t BAD Malformed response"},
		{"XOAUTH2 " + b64("user=user\x01auth=Bearer x\x01\x01"), []string{""}, "+ ey", "t NO [AUTHENTICATIONFAILED] "},
		{"OAUTHBEARER " + b64("n,a=user,\x01auth=Bearer x\x01\x01"), []string{"AQ=="}, "+ ey", "t NO [AUTHENTICATIONFAILED] "},
		// All the length that SASL asks for.
		{"OAUTHBEARER", []string{long, "AQ=="}, "+ ", "t NO [AUTHENTICATIONFAILED] "},
		{"OAUTHBEARER " + long, []string{"AQ=="}, "+ ey", "t NO [AUTHENTICATIONFAILED] "},
	} {
		c := f.client(t)
		c.send("t AUTHENTICATE " + tt.command + "\r\n")
		for _, line := range tt.lines {
			assert.True(t, strings.HasPrefix(c.line(), tt.challenge), tt.command)
			c.send(line + "\r\n")
		}
		got := c.line()
		assert.True(t, strings.HasPrefix(got, tt.want), "%s: %s", tt.command, got)
		c.ok("AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0")
		assert.Contains(t, c.cmd("AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0")[0], "BAD", "again")
	}
}
