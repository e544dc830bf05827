package imaptest_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/sasl"
)

func login(t *testing.T, s *imaptest.Server) *imapclient.Client {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), s.Addr, &imapclient.Options{
		TLS: imapclient.Disabled, AllowCleartext: true, Auth: sasl.Plain("", imaptest.User, imaptest.Password),
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFaults(t *testing.T) {
	s := imaptest.NewServer(t)
	_, err := s.Memory.Deliver(imaptest.User, "INBOX", "Subject: hi\r\n\r\nhi\r\n")
	require.NoError(t, err)
	c := login(t, s)

	// Instead of the command, once.
	s.Next("SELECT", imaptest.Fault{Text: "{tag} NO [INUSE] Locked\r\n"})
	_, err = c.Select(t.Context(), "INBOX")
	require.ErrorIs(t, err, imap.ErrInUse)
	_, err = c.Select(t.Context(), "INBOX")
	require.NoError(t, err)

	// Before it.
	s.Next("UID FETCH", imaptest.Fault{Text: "* 1 FETCH (ENVELOPE (\r\n", Run: true})
	seen := 0
	for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchUID) {
		var bad *imapwire.ParseError
		if seen++; seen == 1 {
			require.ErrorAs(t, err, &bad)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, imap.UID(1), m.UID)
	}
	require.Equal(t, 2, seen)

	// A command with a literal, that waits and that does not; what is in it is no
	// command.
	message := "Subject: x\r\n\r\nA1 NOOP\r\n"
	s.Next("APPEND", imaptest.Fault{Text: "{tag} NO [OVERQUOTA] Full\r\n"})
	s.Next("NOOP", imaptest.Fault{Text: "{tag} BAD No\r\n"})
	_, err = c.Append(t.Context(), "INBOX", strings.NewReader(message), nil)
	require.ErrorIs(t, err, imap.ErrOverQuota)
	code, err := c.Append(t.Context(), "INBOX", strings.NewReader(message), nil)
	require.NoError(t, err)
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(t.Context(), code.UIDs, body) {
		require.NoError(t, err)
		text, err := io.ReadAll(m.Open(body))
		require.NoError(t, err)
		require.Equal(t, message, string(text))
	}
	require.ErrorContains(t, c.Noop(t.Context()), "BAD")
	require.NoError(t, c.Noop(t.Context()))

	// A connection that ends in the middle.
	s.Next("", imaptest.Fault{Text: "* 1 FETCH (UID", Close: true})
	require.ErrorIs(t, c.Noop(t.Context()), io.ErrUnexpectedEOF)
	c = login(t, s)

	// A server that does not answer.
	s.Next("NOOP", imaptest.Fault{Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Noop(ctx), context.DeadlineExceeded)

	// TLS meets none.
	s.Next("SELECT", imaptest.Fault{Close: true})
	o := &imapclient.Options{TLS: imapclient.Required, Auth: sasl.Plain("", imaptest.User, imaptest.Password)}
	o.TLSConfig = s.ClientTLS()
	c, err = imapclient.Dial(t.Context(), s.Addr, o)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Select(t.Context(), "INBOX")
	require.NoError(t, err)
}

// Literals that do not wait are kept from the server too.
func TestFaultDropsLiteral(t *testing.T) {
	s := imaptest.NewServer(t)
	c := login(t, s)
	s.Next("CREATE", imaptest.Fault{Text: "{tag} OK So be it\r\n"})
	require.NoError(t, c.Do(t.Context(), &imapwire.Unknown{Name: "CREATE", Text: "{12+}\r\nA NOOP\r\nxx\r\n"}, nil))
	require.NoError(t, c.Noop(t.Context()))
	var names []string
	for m, err := range c.List(t.Context(), "", "*") {
		require.NoError(t, err)
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"INBOX"}, names)
}
