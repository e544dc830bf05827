package imapclient_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/sasl"
)

func dial(t *testing.T, s *imaptest.Server, implicit bool) *imapclient.Client {
	t.Helper()
	o := &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.Pool}, Auth: sasl.Plain("", imaptest.User, imaptest.Password)}
	addr := s.Addr
	if implicit {
		addr, o.TLS = s.TLSAddr, imapclient.Implicit
	}
	c, err := imapclient.Dial(t.Context(), addr, o)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.True(t, c.Encrypted())
	return c
}

// Every call, against the server of this module.
func TestServer(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		t.Run(fmt.Sprintf("implicit=%t", implicit), func(t *testing.T) {
			ctx := t.Context()
			c := dial(t, imaptest.NewServer(t, nil), implicit)
			caps, err := c.Capabilities(ctx)
			require.NoError(t, err)
			require.True(t, caps.Has(imap.CapMove))
			require.NoError(t, c.Create(ctx, "Über/Ältestes"))
			require.NoError(t, c.Rename(ctx, "Über/Ältestes", "Neu"))
			require.NoError(t, c.Subscribe(ctx, "Neu"))
			require.NoError(t, c.Unsubscribe(ctx, "Neu"))
			require.ErrorIs(t, c.Delete(ctx, "Nicht"), imap.ErrNoMailbox)
			names := map[string]bool{}
			for m, err := range c.List(ctx, "", "*") {
				require.NoError(t, err)
				names[m.Name] = true
			}
			require.Contains(t, names, "Neu")
			require.Contains(t, names, "INBOX")

			text := "Subject: Grüße\r\n\r\n" + strings.Repeat("All work and no play.\r\n", 20000)
			for range 3 {
				at, err := c.Append(ctx, "INBOX", strings.NewReader(text), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagFlagged}})
				require.NoError(t, err)
				require.NotNil(t, at)
			}
			box, err := c.Select(ctx, "INBOX")
			require.NoError(t, err)
			require.Equal(t, uint32(3), box.Messages)
			whole := &imap.BodySection{Peek: true}
			n := 0
			for m, err := range c.Fetch(ctx, imap.UIDs(1, imap.Max), whole, imap.FetchFlags) {
				require.NoError(t, err)
				if r := m.Open(whole); r != nil {
					var b bytes.Buffer
					_, err := io.Copy(&b, r)
					require.NoError(t, err)
					require.Equal(t, text, b.String())
					n++
				}
			}
			require.Equal(t, 3, n)
			for range c.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchFlags) {
				break // the rest is drained, and the connection goes on
			}
			uids, err := c.Search(ctx, imap.SearchText{Field: imap.SearchSubject, Value: "GRÜSSE"}, imap.SearchFlag{Flag: imap.FlagFlagged})
			require.NoError(t, err)
			require.Empty(t, uids)
			uids, err = c.Search(ctx, imap.SearchText{Field: imap.SearchSubject, Value: "grüße"})
			require.NoError(t, err)
			require.Equal(t, []imap.UID{1, 2, 3}, uids)

			_, err = c.Copy(ctx, imap.UIDs(1, 1), "Neu")
			require.NoError(t, err)
			require.NoError(t, c.Move(ctx, imap.UIDs(2, 2), "Neu"))
			require.Equal(t, uint32(2), box.Messages)
			require.NoError(t, c.Store(ctx, imap.UIDs(1, 3), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
			require.NoError(t, c.Expunge(ctx, imap.UIDs(3, 3)))
			require.Equal(t, uint32(1), box.Messages)
			require.NoError(t, c.Expunge(ctx, imap.UIDSet{}))
			require.Zero(t, box.Messages)
			require.NoError(t, c.Unselect(ctx))
			status, err := c.Status(ctx, "Neu", imap.StatusMessages)
			require.NoError(t, err)
			require.Equal(t, uint32(2), status.Messages)
			_, err = c.Examine(ctx, "Neu")
			require.NoError(t, err)
			require.Error(t, c.Store(ctx, imap.UIDs(1, 1), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen}}))
			require.NoError(t, c.Do(ctx, &imapwire.Unknown{Name: "NOOP"}, nil))
			require.NoError(t, c.Logout(ctx))
		})
	}
}

// A body larger than the client buffers is left in its middle: what is left is
// within the bound, or the connection ends.
func TestLeavingALargeBody(t *testing.T) {
	s := imaptest.NewServer(t, nil)
	_, err := s.Memory.Deliver(imaptest.User, "INBOX", "Subject: x\r\n\r\n"+strings.Repeat("line\r\n", 1<<20))
	require.NoError(t, err)
	c := dial(t, s, true)
	_, err = c.Examine(t.Context(), "INBOX")
	require.NoError(t, err)
	whole := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(t.Context(), imap.UIDs(1, 1), whole) {
		require.NoError(t, err)
		_, err = io.ReadFull(m.Open(whole), make([]byte, 10))
		require.NoError(t, err)
		break
	}
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}

func TestWrongCertificate(t *testing.T) {
	s := imaptest.NewServer(t, nil)
	for addr, mode := range map[string]imapclient.TLSMode{s.Addr: imapclient.Required, s.TLSAddr: imapclient.Implicit} {
		_, err := imapclient.Dial(t.Context(), addr, &imapclient.Options{TLS: mode, Auth: sasl.Plain("", imaptest.User, imaptest.Password)})
		require.ErrorIs(t, err, imapclient.ErrTLSRequired)
	}
}

func ExampleClient_Fetch() {
	list := func(ctx context.Context, c *imapclient.Client) error {
		if _, err := c.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		for m, err := range c.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchFlags, imap.FetchEnvelope) {
			if err != nil {
				return err
			}
			fmt.Println(m.UID, m.Envelope.Subject, imap.HasFlag(m.Flags, imap.FlagSeen))
		}
		return c.Logout(ctx)
	}
	ctx := context.Background()
	c, err := imapclient.Dial(ctx, "mail.example.org:993", &imapclient.Options{
		Auth: sasl.Plain("", "ada", "secret"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(list(ctx, c))
}
