package mailwire_test

// The first programs of the README, as they stand there, run against test
// servers.

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

func send(ctx context.Context, c *smtpclient.Client, message io.Reader) error {
	env, err := smtp.NewEnvelope("ada@example.org", "bob@example.net", "carol@example.net")
	if err != nil {
		return err
	}
	res, err := c.Send(ctx, env, message)
	if err != nil {
		return err // nobody got it
	}
	for i, verdict := range res.Recipients {
		fmt.Println(env.To[i].Path, verdict.Err) // one refused recipient spoils no other
	}
	return nil
}

func subjects(ctx context.Context, c *imapclient.Client, out io.Writer) error {
	if _, err := c.Examine(ctx, "INBOX"); err != nil {
		return err
	}
	for m, err := range c.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchEnvelope) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, m.UID, m.Envelope.Subject)
	}
	return nil
}

func save(ctx context.Context, c *pop3client.Client, out io.Writer) error {
	stat, err := c.Stat(ctx)
	for n := 1; err == nil && n <= stat.Count; n++ {
		var m *pop3client.Message
		if m, err = c.Retrieve(ctx, n); err == nil {
			_, err = io.Copy(out, m)
		}
	}
	if err != nil {
		return err
	}
	return c.Quit(ctx)
}

func TestSend(t *testing.T) {
	s := smtptest.NewServer(t)
	c, err := smtpclient.Dial(t.Context(), s.Addr, &smtpclient.Options{TLSConfig: s.ClientTLS()})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, send(t.Context(), c, strings.NewReader("Subject: hello\r\n\r\nHello.\r\n")))
	got := s.Wait(1)[0]
	require.Equal(t, "Subject: hello\r\n\r\nHello.\r\n", string(got.Data))
	require.Len(t, got.Envelope.To, 2)
}

func TestSubjects(t *testing.T) {
	s := imaptest.NewServer(t, nil)
	for _, subject := range []string{"one", "two"} {
		_, err := s.Memory.Deliver(imaptest.User, "INBOX", "Subject: "+subject+"\r\n\r\n")
		require.NoError(t, err)
	}
	c, err := imapclient.Dial(t.Context(), s.TLSAddr, &imapclient.Options{
		TLS: imapclient.Implicit, TLSConfig: &tls.Config{RootCAs: s.Pool}, Auth: sasl.Plain("", imaptest.User, imaptest.Password),
	})
	require.NoError(t, err)
	defer c.Close()
	var out bytes.Buffer
	require.NoError(t, subjects(t.Context(), c, &out))
	require.Equal(t, "1 one\n2 two\n", out.String())
}

func TestSave(t *testing.T) {
	s := pop3test.NewServer(t)
	s.AddUser("ada", "secret")
	s.Deliver("ada", "Subject: one\r\n\r\n.dot\r\n")
	s.Deliver("ada", "Subject: two\r\n\r\n")
	c, err := pop3client.Dial(t.Context(), s.TLSAddr, &pop3client.Options{
		TLS: pop3client.Implicit, TLSConfig: s.ClientTLS(), Auth: sasl.Plain("", "ada", "secret"),
	})
	require.NoError(t, err)
	defer c.Close()
	var out bytes.Buffer
	require.NoError(t, save(t.Context(), c, &out))
	require.Equal(t, "Subject: one\r\n\r\n.dot\r\nSubject: two\r\n\r\n", out.String())
}

// The README shows these functions, and no other Go.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	here, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 3)
	for _, b := range blocks {
		require.Contains(t, string(here), string(b[1]))
		require.LessOrEqual(t, bytes.Count(b[1], []byte("\n")), 15)
	}
}
