//go:build interop

package interop

// Libraries of other languages that send to our SMTP server: Python's smtplib
// and nodemailer, driven by scripts in testdata that check the answers; here it
// is checked what came.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

func small(s *smtptest.Server) { s.Config.Limits.MaxMessageSize = 1000 }

// checkScript looks at what both scripts send in the same order: two messages
// for each mechanism, one with SMTPUTF8, one with DSN, one with recipients that
// are refused, one for 1000 recipients. It returns the rest.
func checkScript(t *testing.T, p *peer, mechanisms ...string) []*smtptest.Message {
	t.Helper()
	got := p.Messages()
	require.GreaterOrEqual(t, len(got), 2*len(mechanisms)+4)
	for _, m := range got[:2*len(mechanisms)+4] {
		require.Equal(t, letter, string(m.Data))
		require.Equal(t, "client.test", m.Helo)
		require.True(t, m.TLS)
	}
	for i, want := range mechanisms {
		for _, m := range got[2*i : 2*i+2] {
			require.Equal(t, "ada", m.User)
			require.Equal(t, smtp.Body8BitMIME, m.Envelope.Options.Body)
		}
		require.Equal(t, []string{want, want}, p.mechanisms[2*i:2*i+2])
	}
	got = got[2*len(mechanisms):]
	require.True(t, got[0].Envelope.Options.UTF8)
	require.Equal(t, "jürgen@example.test", got[0].Envelope.From.String())
	require.Equal(t, []string{"λ@example.test"}, addresses(got[0]))
	dsn := got[1].Envelope
	require.Equal(t, smtp.ReturnHeaders, dsn.Options.Return)
	require.Equal(t, "a+b", dsn.Options.EnvelopeID)
	require.Equal(t, smtp.NotifySuccess|smtp.NotifyFailure, dsn.To[0].Options.Notify)
	require.Equal(t, smtp.OriginalRecipient{Type: "rfc822", Address: "b+b@example.test"}, dsn.To[0].Options.Original)
	require.Equal(t, []string{"bob@example.test", "eve@example.test"}, addresses(got[2]))
	require.Equal(t, manyRecipients("example.test"), addresses(got[3]))
	return got[4:]
}

func TestSmtplibServer(t *testing.T) {
	program(t, "python3")
	p, s := startPeer(t), startPeer(t, small)
	script, err := filepath.Abs("testdata/submit.py")
	require.NoError(t, err)
	must(t, t.TempDir(), letter, "python3", script, p.ca, password, p.port, p.tlsPort, s.port)
	require.Empty(t, checkScript(t, p, "PLAIN", "LOGIN", "CRAM-MD5"))
	require.Equal(t, letter, string(s.one(t).Data))
}

func TestNodemailerServer(t *testing.T) {
	program(t, "node")
	folder := cached(t, "nodemailer", "node_modules")
	p, s, l := startPeer(t), startPeer(t, small), startPeer(t, func(s *smtptest.Server) { s.Config.LMTP = true })
	script, err := os.ReadFile("testdata/submit.js")
	require.NoError(t, err)
	dir := t.TempDir()
	file := write(t, dir, "submit.js", string(script))
	must(t, dir, letter, "node", file, folder, p.ca, password, token, p.port, p.tlsPort, s.port, l.port)
	rest := checkScript(t, p, "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")
	require.Len(t, rest, 1)
	m := mime.ParseBytes(rest[0].Data, nil)
	require.Equal(t, "Größe", m.Header.Text("Subject"))
	require.Empty(t, m.Defects)
	require.Len(t, m.Children, 2)
	require.Empty(t, s.Messages())
	require.Equal(t, []string{"bob@example.test", "late@example.test", "eve@example.test"}, addresses(l.one(t)))
}
