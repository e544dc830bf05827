package imapclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var clear = &imapclient.Options{TLS: imapclient.Disabled, AllowCleartext: true}

func script(t *testing.T, name string) *testkit.Script {
	t.Helper()
	return testkit.LoadScripts(t, filepath.Join("testdata", name+".txt"))[0]
}

func play(t *testing.T, name string) net.Conn {
	t.Helper()
	return testkit.PlayServer(t, script(t, name), testkit.Player{})
}

func TestSession(t *testing.T) {
	ctx := t.Context()
	var trace bytes.Buffer
	o := *clear
	o.Trace = &trace
	c, err := imapclient.New(ctx, play(t, "session"), &o)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "IMAP4rev1 Service Ready", c.Greeting())
	require.NoError(t, c.Login(ctx, "ada", `love"ly`))
	require.NotContains(t, trace.String(), "love")

	var names []string
	for m, err := range c.List(ctx, "", "*") {
		require.NoError(t, err)
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"INBOX", "Entwürfe"}, names)

	status, err := c.Status(ctx, "INBOX", imap.StatusMessages, imap.StatusUIDNext)
	require.NoError(t, err)
	require.Equal(t, uint32(3), status.Messages)
	require.Equal(t, imap.UID(44), status.UIDNext)

	box, err := c.Select(ctx, "INBOX")
	require.NoError(t, err)
	require.Equal(t, &imap.MailboxStatus{
		Name: "INBOX", Messages: 172, Recent: 1, UIDValidity: 3857529045, UIDNext: 4392,
		Flags:          []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft},
		PermanentFlags: []imap.Flag{imap.FlagDeleted, imap.FlagSeen, imap.FlagWildcard},
	}, box)

	text := &imap.BodySection{Specifier: imap.PartText, Partial: &imap.Partial{Count: 5}, Peek: true}
	set := imap.UIDs(1, 2)
	set.Add(7)
	n := 0
	for m, err := range c.Fetch(ctx, set, imap.FetchFlags, text) {
		require.NoError(t, err)
		n++
		require.Equal(t, imap.UID(n), m.UID)
		if n == 1 {
			b, err := io.ReadAll(m.Open(text))
			require.NoError(t, err)
			require.Equal(t, "hello", string(b))
			require.Equal(t, imapclient.ErrBusy, c.Noop(ctx), "a call inside a stream")
			continue
		}
		require.Nil(t, m.Open(text))
	}
	require.Equal(t, 2, n)
	require.Equal(t, uint32(173), box.Messages)

	uids, err := c.Search(ctx, imap.SearchText{Field: imap.SearchSubject, Value: "Übung"})
	require.NoError(t, err)
	require.Equal(t, []imap.UID{2, 84, 882}, uids)
	require.NoError(t, c.Store(ctx, imap.UIDs(2, 2), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	at, err := c.Append(ctx, "Sent", strings.NewReader("Subject: x\r\n"), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
	require.NoError(t, err)
	require.Equal(t, "3955", at.UIDs.String())
	require.NoError(t, c.Move(ctx, imap.UIDs(2, 2), "Trash"))
	require.Equal(t, uint32(172), box.Messages)
	_, err = c.Copy(ctx, imap.UIDs(7, 7), "Nowhere")
	require.ErrorIs(t, err, imap.ErrTryCreate)
	require.NoError(t, c.Expunge(ctx, imap.UIDs(7, 7)))
	require.NoError(t, c.Noop(ctx))
	require.Equal(t, uint32(3), box.Messages)
	require.NoError(t, c.Logout(ctx))
	require.Error(t, c.Noop(ctx))
}

// scripted runs a conversation of its own text.
func scripted(t *testing.T, text string) net.Conn {
	t.Helper()
	s, err := testkit.ParseScript(t.Name(), []byte(text))
	require.NoError(t, err)
	return testkit.PlayServer(t, s, testkit.Player{})
}

func TestStartTLS(t *testing.T) {
	ctx := t.Context()
	_, cfg := testkit.TLS()
	conn := scripted(t, `
S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready
C: {{a}} STARTTLS
S: {{a}} OK begin
--- starttls ---
C: {{b}} CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR
S: {{b}} OK done
C: {{c}} AUTHENTICATE PLAIN AGFkYQBsb3ZlbGFjZQ==
S: {{c}} OK [CAPABILITY IMAP4rev1] welcome
`)
	c, err := imapclient.New(ctx, conn, &imapclient.Options{TLSConfig: cfg, Auth: sasl.Plain("", "ada", "lovelace")})
	require.NoError(t, err)
	require.True(t, c.Encrypted())
	caps, err := c.Capabilities(ctx)
	require.NoError(t, err)
	require.Equal(t, imap.Capabilities{imap.CapIMAP4rev1}, caps)
	c.Close()
}

// What a server, or somebody between, does to keep TLS from happening.
func TestTLSIsRequired(t *testing.T) {
	_, cfg := testkit.TLS()
	for name, text := range map[string]string{
		"refused": "S: * OK ready\nC: {{a}} STARTTLS\nS: {{a}} NO not today\n--- client close ---\n",
		"preauth": "S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\n--- client close ---\n",
		"buffered plaintext": "S: * OK ready\nC: {{a}} STARTTLS\nS: {{a}} OK begin\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\n" +
			"--- client close ---\n",
		"unknown reply": "S: * OK ready\nC: {{a}} STARTTLS\nS: {{a}} MAYBE\n--- client close ---\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := imapclient.New(t.Context(), scripted(t, text), &imapclient.Options{TLSConfig: cfg, Auth: sasl.Plain("", "ada", "lovelace")})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "lovelace")
		})
	}
}

func TestCleartextIsRefused(t *testing.T) {
	conn := scripted(t, "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\n--- client close ---\n")
	c, err := imapclient.New(t.Context(), conn, &imapclient.Options{TLS: imapclient.Disabled})
	require.NoError(t, err)
	require.Equal(t, imapclient.ErrCleartextAuth, c.Login(t.Context(), "ada", "lovelace"))
	require.Equal(t, imapclient.ErrCleartextAuth, c.Authenticate(t.Context(), sasl.Plain("", "ada", "lovelace")))
	c.Close()
}

func TestSASLWithoutInitialResponse(t *testing.T) {
	conn := scripted(t, `
S: * OK [CAPABILITY IMAP4rev1 AUTH=LOGIN AUTH=PLAIN] ready
C: {{a}} AUTHENTICATE PLAIN
S: + 
C: AGFkYQB3cm9uZw==
S: {{a}} NO [AUTHENTICATIONFAILED] no
C: {{b}} CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=LOGIN
S: {{b}} OK done
C: {{c}} AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: YWRh
S: + !not base64!
C: *
S: {{c}} BAD cancelled
C: {{d}} CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=LOGIN
S: {{d}} OK done
C: {{e}} AUTHENTICATE LOGIN
S: {{e}} OK already
--- client close ---
`)
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	var said *imap.Error
	require.ErrorAs(t, c.Authenticate(t.Context(), sasl.Plain("", "ada", "wrong")), &said)
	require.Equal(t, imap.CodeAuthenticationFailed, said.Code)
	err = c.Authenticate(t.Context(), sasl.Login("ada", "lovelace"))
	require.Error(t, err)
	require.False(t, errors.As(err, new(*imap.Error)), "the client's own reason")
	require.ErrorIs(t, c.Authenticate(t.Context(), sasl.Login("ada", "lovelace")), sasl.ErrProtocol, "success without the password")
	require.ErrorIs(t, c.Authenticate(t.Context(), sasl.Plain("", "ada", "x")), imapclient.ErrClosed)
}

func TestOddAnswers(t *testing.T) {
	conn := scripted(t, `
S: * OK ready
C: {{a}} FETCH 1:* FLAGS
S: * 1 FETCH (FLAGS (\\Seen))
S: * 2 FETCH (FLAGS (
S: * 3 FETCH (FLAGS ())
S: {{a}} OK done
C: {{b}} FETCH 1:* FLAGS
S: * 1 FETCH (FLAGS (\\Seen))
S: * 2 FETCH (FLAGS (\\Seen))
S: {{b}} OK done
C: {{c}} NOOP
S: {{c}} BAD what
C: {{d}} NOOP
S: * BYE going down
--- close ---
`)
	ctx := t.Context()
	c, err := imapclient.New(ctx, conn, clear)
	require.NoError(t, err)
	var seqs []imap.SeqNum
	bad := 0
	for m, err := range c.Fetch(ctx, imap.SeqNums(1, imap.Max), imap.FetchFlags) {
		var parse *imapwire.ParseError
		if errors.As(err, &parse) {
			require.Contains(t, string(parse.Raw), "* 2 FETCH (FLAGS (")
			bad++
			continue
		}
		require.NoError(t, err)
		seqs = append(seqs, m.Seq)
	}
	require.Equal(t, []imap.SeqNum{1, 3}, seqs)
	require.Equal(t, 1, bad)
	for range c.Fetch(ctx, imap.SeqNums(1, imap.Max), imap.FetchFlags) {
		break
	}
	var said *imap.Error
	require.ErrorAs(t, c.Noop(ctx), &said)
	require.Equal(t, imap.BAD, said.Kind)
	require.ErrorAs(t, c.Noop(ctx), &said)
	require.Equal(t, imap.BYE, said.Kind)
	require.ErrorIs(t, c.Noop(ctx), imapclient.ErrClosed)
}

func TestForeignTagEndsTheConnection(t *testing.T) {
	conn := scripted(t, "S: * OK ready\nS: A1 OK LOGIN completed\nC: {{a}} NOOP\n--- client close ---\n")
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrProtocol)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}

func TestInjectionIsRefused(t *testing.T) {
	conn := scripted(t, "S: * OK [CAPABILITY IMAP4rev1] ready\n--- client close ---\n")
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"NUL in a password":   func() error { return c.Login(ctx, "ada", "x\x00") },
		"CRLF in a user name": func() error { return c.Login(ctx, "ada\r\nX LOGOUT", "x") },
		"CRLF in a search": func() error {
			_, err := c.Search(ctx, imap.SearchOr{A: imap.SearchAll{}, B: imap.SearchHeader{Name: "From", Value: "x\r\nX LOGOUT"}})
			return err
		},
		"CRLF in a mailbox": func() error { _, err := c.Select(ctx, "INBOX\r\nX LOGOUT"); return err },
		"NUL in a mailbox":  func() error { return c.Create(ctx, "a\x00b") },
		"CRLF in a flag": func() error {
			return c.Store(ctx, imap.UIDs(1, 1), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{"x\r\nX LOGOUT"}})
		},
		"CRLF in a fetch item": func() error {
			for _, err := range c.Fetch(ctx, imap.UIDs(1, 1), imap.FetchAtt("FLAGS\r\nX LOGOUT")) {
				return err
			}
			return nil
		},
		"NUL in a search": func() error {
			_, err := c.Search(ctx, imap.SearchText{Field: imap.SearchBody, Value: "\x00"})
			return err
		},
	} {
		require.Error(t, call(), name)
	}
	c.Close()
}

func TestCancelEndsTheConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := testkit.ParseScript("cancel", []byte("S: * OK ready\nC: {{a}} NOOP\n--- do cancel ---\n--- client close ---\n"))
	require.NoError(t, err)
	conn := testkit.PlayServer(t, s, testkit.Player{Do: map[string]func(){"cancel": cancel}})
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, c.Noop(ended), context.Canceled, "nothing was sent")
	require.ErrorIs(t, c.Noop(ctx), context.Canceled)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
	c.Close()
}

func TestAppendThatFailsEndsTheConnection(t *testing.T) {
	conn := scripted(t, "S: * OK [CAPABILITY IMAP4rev1 LITERAL+] ready\nC: {{a}} APPEND INBOX {9+}\n--- client close ---\n")
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	_, err = c.Append(t.Context(), "INBOX", strings.NewReader("abc"), &imap.AppendOptions{Size: 9})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
	_, err = c.Append(t.Context(), "INBOX", io.MultiReader(), nil)
	require.ErrorContains(t, err, "size")
}
