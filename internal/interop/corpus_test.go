//go:build interop

package interop

// Real messages, in by SMTP and by APPEND, back over IMAP and over POP3.
//
// What line-ending canonicalisation changes, and nothing else changes:
//
//   - SMTP: each CR or LF that stands alone becomes CRLF, and a last line
//     without an end gets one; the server puts Return-Path and Received on top.
//   - APPEND: the octets are kept, and shown with each LF that stands alone as
//     CRLF. A CR alone stays.
//   - POP3 sends either with each CR or LF alone as CRLF, and ends the last
//     line.

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

var (
	looksLikeMail = regexp.MustCompile(`^(From [^\n]*\r?\n)?[!-9;-~]+[ \t]*:`)
	mboxFrom      = regexp.MustCompile(`(?m)^From [^\n]*\n`)
)

// realMessages are the messages of the corpus, mbox files taken apart, each
// once. Messages with NUL are left out: neither protocol carries them (RFC
// 5321 section 4.5.2, RFC 3501 section 9).
func realMessages(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	var messages []string
	err := filepath.WalkDir(corpus(t), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(p) {
		case ".json", ".md", ".html", ".rtf", ".png":
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil || !looksLikeMail.Match(data) {
			return err
		}
		texts := []string{string(data)}
		if bytes.HasPrefix(data, []byte("From ")) {
			texts = mboxFrom.Split(string(data), -1)
		}
		for _, m := range texts {
			if m != "" && !seen[m] && !strings.Contains(m, "\x00") && len(m) < 32<<20 {
				seen[m] = true
				messages = append(messages, m)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(messages), 300)
	return messages
}

// bareLF makes each LF that stands alone a CRLF.
func bareLF(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// bareAll makes each CR and LF that stands alone a CRLF, and ends the last line.
func bareAll(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func (s *server) trust() *tls.Config {
	s.t.Helper()
	pem, err := os.ReadFile(s.cert)
	require.NoError(s.t, err)
	pool := x509.NewCertPool()
	require.True(s.t, pool.AppendCertsFromPEM(pem))
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func (s *server) imap(ctx context.Context, user string) *imapclient.Client {
	s.t.Helper()
	c, err := imapclient.Dial(ctx, s.addr["imaps"], &imapclient.Options{
		TLS: imapclient.Implicit, TLSConfig: s.trust(), Auth: sasl.Plain("", user, password),
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// fetchAll is every message of a mailbox, whole.
func fetchAll(ctx context.Context, t *testing.T, c *imapclient.Client) []string {
	t.Helper()
	box, err := c.Examine(ctx, "INBOX")
	require.NoError(t, err)
	whole := &imap.BodySection{Peek: true}
	messages := make([]string, box.Messages)
	for m, err := range c.Fetch(ctx, imap.SeqNums(1, imap.Max), imap.FetchSize, imap.FetchEnvelope, imap.FetchBodyStructure, whole) {
		require.NoError(t, err)
		if r := m.Open(whole); r != nil {
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			messages[m.Seq-1] = string(b)
		}
	}
	return messages
}

func retrieveAll(ctx context.Context, t *testing.T, s *server, user string) []string {
	t.Helper()
	c, err := pop3client.Dial(ctx, s.addr["pop3s"], &pop3client.Options{
		TLS: pop3client.Implicit, TLSConfig: s.trust(), Auth: sasl.Plain("", user, password),
	})
	require.NoError(t, err)
	defer c.Close()
	var sizes []int64
	for l, err := range c.List(ctx) {
		require.NoError(t, err)
		sizes = append(sizes, l.Size)
	}
	var messages []string
	for n, size := range sizes {
		r, err := c.Retrieve(ctx, n+1)
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.EqualValues(t, size, len(b), "the size that LIST gives for message %d", n+1)
		messages = append(messages, string(b))
	}
	require.NoError(t, c.Quit(ctx))
	return messages
}

func TestRealMessages(t *testing.T) {
	messages := realMessages(t)
	s := start(t)
	ctx := t.Context()

	// ada gets them by SMTP.
	c, err := smtpclient.Dial(ctx, s.addr["submissions"], &smtpclient.Options{
		TLS: smtpclient.Implicit, TLSConfig: s.trust(), Auth: sasl.Plain("", "bob", password),
	})
	require.NoError(t, err)
	for i, m := range messages {
		env := &smtp.Envelope{
			From: smtp.MustParsePath("bob@example.test"), To: []smtp.Recipient{{Path: smtp.MustParsePath("ada@example.test")}},
			Options: smtp.MailOptions{Body: smtp.Body8BitMIME},
		}
		_, err := c.Send(ctx, env, strings.NewReader(m))
		require.NoError(t, err, "message %d: %.60q", i, m)
	}
	require.NoError(t, c.Quit(ctx))

	// bob gets them by APPEND.
	ic := s.imap(ctx, "bob")
	for i, m := range messages {
		_, err := ic.Append(ctx, "INBOX", strings.NewReader(m), nil)
		require.NoError(t, err, "message %d: %.60q", i, m)
	}

	byIMAP, byPOP := fetchAll(ctx, t, s.imap(ctx, "ada")), retrieveAll(ctx, t, s, "ada")
	require.Len(t, byIMAP, len(messages))
	require.Len(t, byPOP, len(messages))
	for i, m := range messages {
		require.Equal(t, bareAll(m), sent(t, byIMAP[i]), "by SMTP and IMAP, message %d", i)
		require.Equal(t, byIMAP[i], byPOP[i], "by SMTP and POP3, message %d", i)
	}
	byIMAP, byPOP = fetchAll(ctx, t, ic), retrieveAll(ctx, t, s, "bob")
	require.Len(t, byIMAP, len(messages))
	require.Len(t, byPOP, len(messages))
	for i, m := range messages {
		require.Equal(t, bareLF(m), byIMAP[i], "by APPEND and IMAP, message %d", i)
		require.Equal(t, bareAll(m), byPOP[i], "by APPEND and POP3, message %d", i)
	}
	t.Logf("%d messages", len(messages))
}
