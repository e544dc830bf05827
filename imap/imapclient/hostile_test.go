package imapclient_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/testkit"
)

// server runs serve as the server of a client.
func server(t *testing.T, o *imapclient.Options, serve func(r *imapwire.CommandReader, w io.Writer)) (*imapclient.Client, error) {
	t.Helper()
	client, end := testkit.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer end.Close()
		serve(imapwire.NewCommandReader(end, imapwire.CommandLimits{}), end)
	}()
	t.Cleanup(func() { client.Close(); end.Close(); <-done })
	return imapclient.New(t.Context(), client, o)
}

func say(w io.Writer, lines ...string) error {
	_, err := io.WriteString(w, strings.Join(lines, "\r\n")+"\r\n")
	return err
}

func TestEndlessBye(t *testing.T) {
	c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
		_ = say(w, "* OK ready")
		if _, err := r.Read(); err != nil {
			return
		}
		for say(w, "* BYE going") == nil {
		}
	})
	require.NoError(t, err)
	var said *imap.Error
	require.ErrorAs(t, c.Noop(t.Context()), &said)
	require.Equal(t, imap.BYE, said.Kind)
	require.True(t, c.Closed())
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}

func TestByeAsGreeting(t *testing.T) {
	for _, greeting := range []string{"* BYE too busy", "* NO", "* BAD", "nonsense", "* 3 EXISTS", "A1 OK x", "", "* LIST () NIL {4294967295}"} {
		_, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) { _ = say(w, greeting) })
		require.Error(t, err, greeting)
		if strings.HasPrefix(greeting, "* BYE") {
			require.ErrorAs(t, err, new(*imap.Error))
		}
	}
}

func TestPreauth(t *testing.T) {
	conn := scripted(t, "S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\nC: {{a}} NOOP\nS: {{a}} OK\n")
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	require.True(t, c.Preauthenticated())
	require.True(t, c.Authenticated())
	require.NoError(t, c.Noop(t.Context()))
	require.NotNil(t, c.RemoteAddr())
	_, ok := c.TLS()
	require.False(t, ok)
	c.Close()
}

// "* BAD" in place of the tagged answer, which comes late or never.
func TestUntaggedBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK ready")
			tag := func() string {
				cmd, err := r.Read()
				if err != nil {
					return ""
				}
				return cmd.Tag
			}
			first := tag()
			_ = say(w, "* BAD what")
			second := tag()
			_ = say(w, first+" BAD what", "* BAD again, and the answer at once", second+" OK fine")
			_ = say(w, tag()+" OK")
		})
		require.NoError(t, err)
		var said *imap.Error
		require.ErrorAs(t, c.Noop(t.Context()), &said)
		require.Equal(t, imap.BAD, said.Kind)
		require.NoError(t, c.Noop(t.Context()))
		require.NoError(t, c.Noop(t.Context()))
		c.Close()
	})
}

// An answer to a command that is not sent yet.
func TestAnswerAhead(t *testing.T) {
	c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
		_ = say(w, "* OK ready")
		cmd, err := r.Read()
		if err != nil {
			return
		}
		next := []byte(cmd.Tag)
		next[6]++ // the number
		_ = say(w, cmd.Tag+" OK", string(next)+" OK")
		_, _ = r.Read()
	})
	require.NoError(t, err)
	require.NoError(t, c.Noop(t.Context()))
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrProtocol)
}

// A server that says nothing, and one that says a line now and then.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := *clear
		o.IdleTimeout = time.Minute
		c, err := server(t, &o, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK ready")
			cmd, err := r.Read()
			if err != nil {
				return
			}
			for range 5 {
				time.Sleep(50 * time.Second)
				_ = say(w, "* OK working")
			}
			_ = say(w, cmd.Tag+" OK")
			_, _ = r.Read()
			_, _ = r.Read()
		})
		require.NoError(t, err)
		require.NoError(t, c.Noop(t.Context()))
		begin := time.Now()
		err = c.Noop(t.Context())
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.Equal(t, time.Minute, time.Since(begin))
		require.True(t, c.Closed())
	})
}

func TestCloseEndsAWait(t *testing.T) {
	c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
		_ = say(w, "* OK ready")
		_, _ = r.Read()
		_, _ = r.Read()
	})
	require.NoError(t, err)
	go c.Close()
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}

// Literals of every size, at every cut.
func TestCuts(t *testing.T) {
	for _, chunks := range []testkit.Chunks{testkit.OneByOne(), testkit.Sizes(1, 7, 4095), testkit.Random(1, 9000)} {
		text := strings.Repeat(".\r\nx", 10000) + "\r\n"
		client, end := testkit.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer end.Close()
			w := testkit.ChunkConn(end, nil, chunks)
			_ = say(w, "* OK [CAPABILITY IMAP4rev1] ready")
			cmd, err := imapwire.NewCommandReader(end, imapwire.CommandLimits{}).Read()
			if err == nil {
				_ = say(w, "* 1 FETCH (UID 1 BODY[] {40002}", text+" FLAGS ())", cmd.Tag+" OK")
			}
		}()
		c, err := imapclient.New(t.Context(), client, clear)
		require.NoError(t, err)
		whole := &imap.BodySection{Peek: true}
		var got bytes.Buffer
		flags := false
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1, 1), whole) {
			require.NoError(t, err)
			if r := m.Open(whole); r != nil {
				_, err := io.Copy(&got, r)
				require.NoError(t, err)
			}
			flags = flags || m.Has&imapwire.HasFlags != 0
		}
		require.Equal(t, text, got.String())
		require.True(t, flags)
		c.Close()
		<-done
	}
}

// Sizes that a server announces and does not send cost nothing.
func TestAnnouncedSizes(t *testing.T) {
	for _, line := range []string{
		"* 1 FETCH (ENVELOPE ({4294967295}", "* LIST () \"/\" {4294967295}", "* 1 FETCH (BODY[] {99999999999999999999}",
		"* LIST () \"/\" {9223372036854775807}", "* OK [X {3}",
	} {
		c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK ready")
			if _, err := r.Read(); err == nil {
				_ = say(w, line)
			}
		})
		require.NoError(t, err)
		require.Error(t, c.Noop(t.Context()), line)
	}
	c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
		_ = say(w, "* OK ready")
		cmd, err := r.Read()
		if err != nil {
			return
		}
		_ = say(w, "* SEARCH 1:4294967295", "* VANISHED 1:4294967295", "* 4294967295 EXISTS", "* ESEARCH (TAG \""+cmd.Tag+"\") UID ALL 1:4294967295", cmd.Tag+" OK")
		if cmd, err = r.Read(); err != nil {
			return
		}
		_ = say(w, "* 5 EXISTS", cmd.Tag+" OK")
		if cmd, err = r.Read(); err != nil {
			return
		}
		_ = say(w, "* ESEARCH (TAG \""+cmd.Tag+"\") UID ALL 1:4294967295", cmd.Tag+" OK")
		_, _ = r.Read()
	})
	require.NoError(t, err)
	require.Error(t, c.Noop(t.Context()), "a SEARCH that is none")
	_, err = c.Select(t.Context(), "INBOX")
	require.NoError(t, err)
	_, err = c.Search(t.Context(), imap.SearchAll{})
	require.ErrorIs(t, err, imapclient.ErrProtocol, "more than there are")
}

func TestDepth(t *testing.T) {
	c := offering(t, "", `C: {{a}} UID FETCH 1 BODYSTRUCTURE
S: * 1 FETCH (UID 1 BODYSTRUCTURE {{repeat:100000:(}})
S: * 1 FETCH (UID 1 X {{repeat:100000:(}})
S: {{a}} OK
C: {{b}} NOOP
S: {{b}} OK
`)
	bad := 0
	for _, err := range c.Fetch(t.Context(), imap.UIDs(1, 1), imap.FetchBodyStructure) {
		require.ErrorAs(t, err, new(*imapwire.ParseError))
		bad++
	}
	require.Equal(t, 2, bad)
	require.NoError(t, c.Noop(t.Context()))
}

func TestEvents(t *testing.T) {
	var got []imapclient.EventKind
	var c *imapclient.Client
	o := *clear
	o.OnEvent = func(e *imapclient.Event) {
		got = append(got, e.Kind)
		if e.Kind == imapclient.EventMessage {
			require.Equal(t, imap.SeqNum(2), e.Message.Seq)
			require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrBusy)
		}
		if e.Kind == imapclient.EventProgress {
			require.Equal(t, int64(454), e.Progress.Progress)
		}
	}
	c = with(t, &o, "", `C: {{a}} SELECT INBOX
S: * 3 EXISTS
S: * FLAGS (\\Seen)
S: {{a}} OK [READ-WRITE] done
C: {{b}} NOOP
S: * 5 EXISTS
S: * 2 RECENT
S: * 1 EXPUNGE
S: * VANISHED 9:10
S: * 2 FETCH (FLAGS (\\Seen))
S: * STATUS other (MESSAGES 3)
S: * LIST () "/" new
S: * OK [ALERT] the disk is full
S: * OK [INPROGRESS ("{{b}}" 454 1000)] working
S: * NO slow
S: * FLAGS (x)
S: * OK [PERMANENTFLAGS (x)] x
S: * ESEARCH (TAG "old") UID ADDTO (1 2)
S: * X-NEW
S: {{b}} OK
C: {{c}} STORE 1 +FLAGS.SILENT (x)
S: * 2 FETCH (FLAGS (x))
S: {{c}} OK
`)
	box, err := c.Select(t.Context(), "INBOX")
	require.NoError(t, err)
	require.Same(t, box, c.Mailbox())
	require.NoError(t, c.Noop(t.Context()))
	require.Equal(t, []imapclient.EventKind{
		imapclient.EventExists, imapclient.EventOther, imapclient.EventExpunge, imapclient.EventVanished, imapclient.EventMessage, imapclient.EventStatus,
		imapclient.EventMailbox, imapclient.EventAlert, imapclient.EventProgress, imapclient.EventText, imapclient.EventOther, imapclient.EventText,
		imapclient.EventSearch, imapclient.EventOther,
	}, got)
	require.Equal(t, uint32(2), box.Messages)
	require.Equal(t, uint32(2), box.Recent)
	require.Equal(t, []imap.Flag{"x"}, box.Flags)
	require.Equal(t, []imap.Flag{"x"}, box.PermanentFlags)
	got = nil
	require.NoError(t, c.Store(t.Context(), imap.SeqNums(1, 1), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{"x"}}))
	require.Equal(t, []imapclient.EventKind{imapclient.EventMessage}, got)
}

// IDLE: renewed, left in good order, and usable behind.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renewals := 0
		c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK [CAPABILITY IMAP4rev1 IDLE] ready")
			for {
				cmd, err := r.Read()
				if err != nil {
					return
				}
				if _, ok := cmd.Args.(*imapwire.Idle); ok {
					renewals++
					_ = say(w, "+ idling")
					if renewals == 3 {
						time.Sleep(10 * time.Minute)
						_ = say(w, "* 4 EXISTS")
					}
					line, err := r.ReadLine()
					if err != nil || !imapwire.IsDone(line) {
						return
					}
				}
				_ = say(w, "* OK still here", cmd.Tag+" OK")
			}
		})
		require.NoError(t, err)
		begin := time.Now()
		n := 0
		for e, err := range c.Idle(t.Context()) {
			require.NoError(t, err)
			if e.Kind == imapclient.EventExists {
				require.Equal(t, uint32(4), e.Messages)
				require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrBusy)
				break
			}
			n++
		}
		require.Equal(t, 2*28*time.Minute+10*time.Minute, time.Since(begin))
		require.Equal(t, 2, n)
		require.NoError(t, c.Noop(t.Context()))

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		renewals = 10
		for e, err := range c.Idle(ctx) {
			require.NoError(t, err)
			require.Equal(t, imapclient.EventText, e.Kind)
		}
		require.Equal(t, begin.Add(2*28*time.Minute+10*time.Minute+time.Hour), time.Now())
		require.NoError(t, c.Noop(t.Context()))
		c.Close()
		for _, err := range c.Idle(t.Context()) {
			require.ErrorIs(t, err, imapclient.ErrClosed)
		}
	})
}

// A server that does not end IDLE when it is told to, and one that goes away.
func TestIdleThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK [CAPABILITY IMAP4rev1 IDLE] ready")
			_, _ = r.Read()
			_ = say(w, "+ idling")
			_, _ = r.ReadLine()
			_, _ = r.ReadLine()
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		for _, err := range c.Idle(ctx) {
			require.Error(t, err)
		}
		require.Equal(t, 90*time.Second, time.Since(begin))
		require.True(t, c.Closed())
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := server(t, clear, func(r *imapwire.CommandReader, w io.Writer) {
			_ = say(w, "* OK [CAPABILITY IMAP4rev1 IDLE] ready")
			_, _ = r.Read()
			_ = say(w, "+ idling", "* BYE maintenance")
		})
		require.NoError(t, err)
		var last error
		for _, err := range c.Idle(t.Context()) {
			last = err
		}
		require.ErrorAs(t, last, new(*imap.Error))
		require.True(t, c.Closed())
	})
}

// deflated is the server's end of a compressed connection.
type deflated struct {
	io.Reader
	w *flate.Writer
}

func (d deflated) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err == nil {
		err = d.w.Flush()
	}
	return n, err
}

func compressed(r io.Reader, w io.Writer) deflated {
	fw, _ := flate.NewWriter(w, 6)
	return deflated{flate.NewReader(r), fw}
}

func TestCompress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, end := testkit.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer end.Close()
			_ = say(end, "* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE UNAUTHENTICATE] ready")
			r := imapwire.NewCommandReader(end, imapwire.CommandLimits{})
			cmd, err := r.Read()
			if err != nil {
				return
			}
			_ = say(end, cmd.Tag+" OK compressing")
			z := compressed(end, end)
			r = imapwire.NewCommandReader(z, imapwire.CommandLimits{})
			for {
				cmd, err := r.Read()
				if err != nil {
					return
				}
				switch cmd.Args.(type) {
				case *imapwire.Fetch:
					_ = say(z, "* 1 FETCH (UID 1 BODY[] {1000000}", strings.Repeat("x", 1000000)+")")
				case *imapwire.Idle:
					_ = say(z, "+ idling")
					_, _ = r.ReadLine()
				case *imapwire.Check:
					_ = say(z, "* OK "+strings.Repeat("bomb", 8<<20))
				}
				_ = say(z, cmd.Tag+" OK "+strings.Repeat("the same words again ", 200))
			}
		}()
		t.Cleanup(func() { client.Close(); end.Close(); <-done })
		o := *clear
		o.Compress = true
		var trace bytes.Buffer
		o.Trace = &trace
		c, err := imapclient.New(t.Context(), client, &o)
		require.NoError(t, err)
		require.NoError(t, c.Compress(t.Context()))
		require.Error(t, c.Compress(t.Context()))
		require.Error(t, c.Unauthenticate(t.Context()))
		require.NoError(t, c.Noop(t.Context()))
		whole := &imap.BodySection{Peek: true}
		var n int64
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1, 1), whole) {
			require.NoError(t, err)
			if r := m.Open(whole); r != nil {
				n, err = io.Copy(io.Discard, r)
				require.NoError(t, err)
			}
		}
		require.Equal(t, int64(1000000), n)
		require.Less(t, end.Sent()+client.Sent(), int64(20000))
		// Waits that are left, with the stream in its middle.
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			for _, err := range c.Idle(ctx) {
				require.NoError(t, err)
			}
			cancel()
			require.NoError(t, c.Noop(t.Context()))
		}
		require.Contains(t, trace.String(), "NOOP")
		require.Error(t, c.Check(t.Context()), "a line above the limit")
		require.True(t, c.Closed())
	})
}

// Compression within TLS, begun behind the login.
func TestCompressInTLS(t *testing.T) {
	serverTLS, clientTLS := testkit.TLS()
	client, end := testkit.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer end.Close()
		conn := tls.Server(end, serverTLS)
		_ = say(conn, "* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] ready")
		r := imapwire.NewCommandReader(conn, imapwire.CommandLimits{})
		for range 2 {
			cmd, err := r.Read()
			if err != nil {
				return
			}
			_ = say(conn, cmd.Tag+" OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] x")
		}
		z := compressed(conn, conn)
		cmd, err := imapwire.NewCommandReader(z, imapwire.CommandLimits{}).Read()
		if err == nil {
			_ = say(z, cmd.Tag+" OK")
		}
	}()
	t.Cleanup(func() { client.Close(); end.Close(); <-done })
	c, err := imapclient.New(t.Context(), client, &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: clientTLS, Compress: true})
	require.NoError(t, err)
	require.NoError(t, c.Login(t.Context(), "ada", "x"))
	require.True(t, c.Encrypted())
	state, ok := c.TLS()
	require.True(t, ok)
	require.True(t, state.HandshakeComplete)
	require.NoError(t, c.Noop(t.Context()))
	c.Close()
}

// A loop's body that panics leaves no answer to be taken for another's.
func TestPanicInALoop(t *testing.T) {
	c := offering(t, "", "C: {{a}} UID FETCH 1:* FLAGS\nS: * 1 FETCH (UID 1 FLAGS ())\nS: * 2 FETCH (UID 2 FLAGS ())\nS: {{a}} OK\n--- client close ---\n")
	require.Panics(t, func() {
		for range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchFlags) {
			panic("x")
		}
	})
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}

// What Do's function returns ends the connection.
func TestDoGivenUp(t *testing.T) {
	c := offering(t, "", "C: {{a}} NOOP\nS: * 1 EXISTS\nS: {{a}} OK\n--- client close ---\n")
	stop := errors.New("stop")
	require.ErrorIs(t, c.Do(t.Context(), &imapwire.Noop{}, func(imapwire.Response) error { return stop }), stop)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)
}
