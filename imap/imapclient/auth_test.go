package imapclient_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

// Success that the server did not prove its right to say is none, and nor is
// that of an exchange that the client gave up.
func TestUnprovedSuccess(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	digest := b64([]byte(`realm="x",nonce="n",qop="auth",algorithm=md5-sess,charset=utf-8`))
	for name, tt := range map[string]struct {
		mechanism, text string
		want            error
	}{
		"SCRAM":    {"SCRAM-SHA-256", "C: {{a}} AUTHENTICATE SCRAM-SHA-256 {{first=[A-Za-z0-9+/=]+}}\nS: {{a}} OK done\n", sasl.ErrProtocol},
		"DIGEST":   {"DIGEST-MD5", "C: {{a}} AUTHENTICATE DIGEST-MD5\nS: + " + digest + "\nC: {{re:[A-Za-z0-9+/=]+}}\nS: {{a}} OK done\n", sasl.ErrProtocol},
		"CRAM":     {"CRAM-MD5", "C: {{a}} AUTHENTICATE CRAM-MD5\nS: {{a}} OK done\n", sasl.ErrProtocol},
		"rspauth":  {"DIGEST-MD5", "C: {{a}} AUTHENTICATE DIGEST-MD5\nS: + " + digest + "\nC: {{re:[A-Za-z0-9+/=]+}}\nS: + " + b64([]byte("rspauth=0")) + "\nC: *\nS: {{a}} OK done\n", sasl.ErrFailed},
		"not MD5":  {"DIGEST-MD5", "C: {{a}} AUTHENTICATE DIGEST-MD5\nS: + " + b64([]byte("nonce=x")) + "\nC: *\nS: {{a}} OK done\n", sasl.ErrProtocol},
		"not once": {"CRAM-MD5", "C: {{a}} AUTHENTICATE CRAM-MD5\nS: + PDFAeD4=\nC: {{re:[A-Za-z0-9+/=]+}}\nS: + PDFAeD4=\nC: *\nS: {{a}} OK done\n", sasl.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			conn := scripted(t, "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH="+tt.mechanism+"] ready\n"+tt.text+"--- client close ---\n")
			c, err := imapclient.New(t.Context(), conn, &imapclient.Options{TLS: imapclient.Disabled})
			require.NoError(t, err)
			creds := &sasl.Credentials{User: "ada", Password: "lovelace"}
			require.ErrorIs(t, c.Authenticate(t.Context(), creds), tt.want)
			require.ErrorIs(t, c.Authenticate(t.Context(), creds), imapclient.ErrClosed)
		})
	}
}
