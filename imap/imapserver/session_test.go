package imapserver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
)

// Sequence numbers do not move under a FETCH, STORE or SEARCH (RFC 3501
// section 7.4.1); what happened is told at the next moment that allows it.
func TestExpungeTiming(t *testing.T) {
	f := start(t, nil)
	f.deliver(t, 4)
	a := f.login(t, "SELECT INBOX")
	b := f.login(t, "SELECT INBOX")
	b.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
	b.ok("EXPUNGE")
	f.deliver(t, 1)

	assert.Equal(t, []string{
		"* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", "* 5 EXISTS", "* 5 RECENT",
		"NO [EXPUNGEISSUED] Some of the messages no longer exist",
	}, a.cmd("FETCH 1:4 (UID)"))
	assert.Equal(t, []string{"* SEARCH 1 3 4 5"}, a.ok("SEARCH ALL"))
	assert.Equal(t, []string{"* SEARCH 1 3 4 5"}, a.ok("SEARCH UNSEEN"))
	assert.Equal(t, []string{"* 3 FETCH (FLAGS (\\Seen \\Recent))"}, a.ok("STORE 3 +FLAGS (\\Seen)"))
	assert.Equal(t, "NO [EXPUNGEISSUED] Some of the messages no longer exist", a.cmd("FETCH 2 BODY[]")[0])
	assert.Equal(t, []string{"* 3 FETCH (UID 3 FLAGS (\\Seen \\Recent))", "* 2 EXPUNGE", "* 4 RECENT"}, a.ok("UID FETCH 2:3 FLAGS"))
	assert.Empty(t, a.ok("NOOP"))
	assert.Equal(t, []string{"* 4 FETCH (UID 5)"}, a.ok("FETCH 4 UID"))
	// b hears of the flag, and of the message, which is recent to a alone.
	assert.Equal(t, []string{"* 2 FETCH (FLAGS (\\Seen))", "* 4 EXISTS"}, b.ok("NOOP"))
}

// A message that came and went between two commands is never told of; one
// that came is not told as gone before it was told.
func TestCameAndWent(t *testing.T) {
	f := start(t, nil)
	a := f.login(t, "SELECT INBOX")
	b := f.login(t, "SELECT INBOX")
	f.deliver(t, 3)
	b.ok("NOOP")
	b.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
	b.ok("EXPUNGE")
	assert.Equal(t, []string{"* 2 EXISTS"}, a.ok("NOOP"))
	assert.Equal(t, []string{"* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)"}, a.ok("FETCH 1:* UID"))
}

func TestSilentStoreTellsOthers(t *testing.T) {
	f := start(t, nil)
	f.deliver(t, 2)
	a := f.login(t, "SELECT INBOX")
	b := f.login(t, "SELECT INBOX")
	b.ok("STORE 1:2 +FLAGS.SILENT (\\Flagged)")
	// What b did is told before, what a does itself is not.
	assert.Equal(t, []string{
		"* 1 FETCH (FLAGS (\\Flagged \\Recent))", "* 2 FETCH (FLAGS (\\Flagged \\Recent))",
	}, a.ok("STORE 1 +FLAGS.SILENT (\\Seen)"))
	assert.Equal(t, []string{"* 1 FETCH (FLAGS (\\Flagged \\Seen))"}, b.ok("NOOP"))
}

func TestIdlePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.deliver(t, 2)
		a := f.login(t, "SELECT INBOX")
		b := f.login(t, "SELECT INBOX")
		began := time.Now()
		a.send("t IDLE\r\n")
		assert.Equal(t, "+ idling", a.line())
		b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
		assert.Equal(t, "* 1 FETCH (FLAGS (\\Deleted \\Recent))", a.line())
		b.ok("EXPUNGE")
		assert.Equal(t, "* 1 EXPUNGE", a.line())
		assert.Equal(t, "* 1 RECENT", a.line())
		f.deliver(t, 1)
		assert.Equal(t, "* 2 EXISTS", a.line())
		assert.Equal(t, "* 2 RECENT", a.line())
		assert.Equal(t, began, time.Now(), "pushed without waiting")
		a.send("DONE\r\nt NOOP\r\n")
		assert.Equal(t, "OK IDLE completed", a.tagged()[0])
		assert.Equal(t, "OK NOOP completed", a.tagged()[0])
	})
}

// The 30 minutes are the client's, whatever happens in the mailbox.
func TestAutologout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		a := f.login(t, "SELECT INBOX")
		b := f.login(t)
		began := time.Now()
		a.send("t IDLE\r\n")
		a.line()
		go func() {
			for range 40 {
				time.Sleep(time.Minute)
				f.deliver(t, 1)
			}
		}()
		out := a.end()
		assert.True(t, strings.HasSuffix(out, "* BYE Autologout; idle for too long\r\n"), out)
		assert.Equal(t, "* BYE Autologout; idle for too long\r\n", b.end())
		assert.InDelta(t, 30*time.Minute, time.Since(began), float64(10*time.Second))
		time.Sleep(time.Hour)
	})
}

func TestLoginTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		began := time.Now()
		c := f.client(t)
		go func() {
			for range 10 {
				time.Sleep(time.Minute)
				_, _ = io.WriteString(c, "t NOOP\r\n")
			}
		}()
		out := c.end()
		assert.True(t, strings.HasSuffix(out, "* BYE Too slow\r\n"), out)
		assert.InDelta(t, 3*time.Minute, time.Since(began), float64(10*time.Second))
		time.Sleep(time.Hour)
	})
}

func TestShutdownSaysBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		fresh := f.client(t)
		idle := f.login(t, "SELECT INBOX")
		idle.send("t IDLE\r\n")
		idle.line()
		quiet := f.login(t)
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- f.Shutdown(context.Background()) }()
		for _, c := range []*client{fresh, idle, quiet} {
			assert.Equal(t, "* BYE [UNAVAILABLE] Server is shutting down\r\n", c.end())
			_ = c.Close()
		}
		require.NoError(t, <-done)
		assert.Equal(t, began, time.Now())
	})
}

func TestFailedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(s *imapserver.Server) { s.Limits.FailureDelay = 0 })
		c := f.client(t)
		began := time.Now()
		for range 4 {
			assert.Equal(t, "NO [AUTHENTICATIONFAILED] Authentication failed", c.cmd("LOGIN user wrong")[0])
		}
		c.send("t LOGIN user wrong\r\n")
		assert.Equal(t, "* BYE [AUTHENTICATIONFAILED] Authentication failed\r\n", c.end())
		assert.InDelta(t, 5*time.Second, time.Since(began), float64(time.Second))
	})
}

func TestLoginDisabled(t *testing.T) {
	f := start(t, func(s *imapserver.Server) { s.Auth.AllowCleartext = false })
	c := f.client(t)
	assert.Equal(t, []string{"* CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE SASL-IR STARTTLS LOGINDISABLED"}, c.ok("CAPABILITY"))
	assert.Equal(t, "NO [PRIVACYREQUIRED] Encryption required", c.cmd("LOGIN user secret")[0])
	assert.Equal(t, "NO [PRIVACYREQUIRED] Encryption required", c.cmd("AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0")[0])
}

func TestHistoryLost(t *testing.T) {
	f := start(t, nil)
	f.Memory.History = 2
	f.Memory.AddUser("forgetful", "secret")
	for i := range 5 {
		_, err := f.Memory.Deliver("forgetful", "INBOX", message(i))
		require.NoError(t, err)
	}
	login := func() *client {
		c := f.client(t)
		c.ok("LOGIN forgetful secret")
		c.ok("SELECT INBOX")
		return c
	}
	a, b := login(), login()
	b.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
	b.ok("STORE 3 +FLAGS.SILENT (\\Flagged)")
	b.ok("EXPUNGE")
	b.ok("STORE 2:3 +FLAGS.SILENT (\\Seen)")
	_, err := f.Memory.Deliver("forgetful", "INBOX", message(9))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"* 3 FETCH (FLAGS (\\Flagged \\Recent))", "* 4 FETCH (FLAGS (\\Seen \\Recent))", "* 5 FETCH (FLAGS (\\Seen \\Recent))",
		"* 2 EXPUNGE", "* 1 EXPUNGE", "* 4 EXISTS", "* 4 RECENT",
	}, a.ok("NOOP"))
}

func TestSelectedMailboxDeleted(t *testing.T) {
	f := start(t, nil)
	require.NoError(t, f.Memory.Create("user", "gone"))
	a, idle := f.login(t, "SELECT gone"), f.login(t, "SELECT gone")
	idle.send("t IDLE\r\n")
	idle.line()
	f.login(t).ok("DELETE gone")
	assert.Equal(t, "* BYE [NONEXISTENT] The selected mailbox was deleted\r\n", idle.end())
	a.send("t NOOP\r\n")
	assert.Equal(t, "* BYE [NONEXISTENT] The selected mailbox was deleted\r\n", a.end())

	// A client that deletes what it has selected has nothing selected.
	require.NoError(t, f.Memory.Create("user", "gone"))
	c := f.login(t, "SELECT gone", "DELETE gone")
	assert.Equal(t, "BAD Not in this state", c.cmd("CHECK")[0])
}

func TestWaitFails(t *testing.T) {
	f := start(t, func(s *imapserver.Server) {
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
			return &brokenSession{Session: s, wrap: func(m imapserver.Mailbox) imapserver.Mailbox { return failingWait{m} }}
		}}
	})
	c := f.login(t, "SELECT INBOX")
	c.send("t IDLE\r\n")
	assert.Equal(t, "+ idling\r\n* BYE [UNAVAILABLE] Internal error\r\n", c.end())
}

type failingWait struct{ imapserver.Mailbox }

func (failingWait) Wait(context.Context, imap.ModSeq) error { return errors.New("no watch") }

// An APPEND that breaks off adds nothing.
func TestAppendBreaksOff(t *testing.T) {
	f := start(t, nil)
	c := f.login(t)
	c.send("t APPEND INBOX {1000+}\r\nSubject: half\r\n\r\nhalf")
	require.NoError(t, c.Close())
	c = f.login(t)
	c.send("t APPEND INBOX {12+}\r\nSubject: x\r\n") // no line end behind it
	_ = c.Conn.(*testkit.PipeConn).CloseWrite()
	_ = c.end()
	c = f.login(t)
	assert.Equal(t, []string{"* STATUS INBOX (MESSAGES 0 UIDNEXT 1)"}, c.ok("STATUS INBOX (MESSAGES UIDNEXT)"))
}

// faulty is a backend that fails in one way.
type faulty struct {
	imapserver.Backend
	session func(imapserver.Session) imapserver.Session
}

func (f *faulty) Open(ctx context.Context, id sasl.Identity, c *imapserver.Conn) (imapserver.Session, error) {
	s, err := f.Backend.Open(ctx, id, c)
	if err == nil {
		s = f.session(s)
	}
	return s, err
}

type brokenSession struct {
	imapserver.Session
	fail func() error
	wrap func(imapserver.Mailbox) imapserver.Mailbox
}

func (b *brokenSession) Subscribe(context.Context, string) error { return b.fail() }

func (b *brokenSession) Mailbox(ctx context.Context, name string, mode imapserver.OpenMode) (imapserver.Mailbox, error) {
	m, err := b.Session.Mailbox(ctx, name, mode)
	if err == nil && b.wrap != nil {
		m = b.wrap(m)
	}
	return m, err
}

func TestBackendErrors(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	fail := errors.New("disk on fire")
	f := start(t, func(s *imapserver.Server) {
		s.Logger = slog.New(slog.NewTextHandler(&lockedWriter{&mu, &log}, nil))
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
			return &brokenSession{Session: s, fail: func() error {
				if fail == nil {
					panic("at the disk")
				}
				return fail
			}}
		}}
	})
	other := f.login(t)
	c := f.login(t)
	assert.NotContains(t, c.ok("CAPABILITY")[0], " MOVE", "not a Mover")
	assert.Equal(t, "NO [SERVERBUG] Internal error", c.cmd("SUBSCRIBE x")[0])
	fail = &imap.Error{Code: imap.CodeOverQuota, Text: "a\r\nt OK b\x00\xff"}
	assert.Equal(t, "NO [OVERQUOTA] a t OK b ?", c.cmd("SUBSCRIBE x")[0])
	fail = &imap.Error{Kind: imap.BYE, Text: "No more"}
	c.send("t SUBSCRIBE x\r\n")
	assert.Equal(t, "* BYE No more\r\n", c.end())
	fail = nil
	c = f.login(t)
	c.send("t SUBSCRIBE x\r\n")
	assert.Empty(t, c.end())
	other.ok("NOOP")
	mu.Lock()
	defer mu.Unlock()
	assert.Contains(t, log.String(), "disk on fire")
	assert.Contains(t, log.String(), "at the disk")
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

type brokenMailbox struct {
	imapserver.Mailbox
	content func(imapserver.Content) imapserver.Content
	wait    func()
	search  func(imap.UIDSet, imap.SearchCriteria) (imap.UIDSet, error)
}

func (b *brokenMailbox) Content(ctx context.Context, uid imap.UID) (imapserver.Content, error) {
	c, err := b.Mailbox.Content(ctx, uid)
	if err == nil && b.content != nil {
		c = b.content(c)
	}
	return c, err
}

func (b *brokenMailbox) Wait(ctx context.Context, since imap.ModSeq) error {
	if b.wait != nil {
		b.wait()
	}
	return b.Mailbox.Wait(ctx, since)
}

func (b *brokenMailbox) Search(_ context.Context, set imap.UIDSet, k imap.SearchCriteria) (imap.UIDSet, error) {
	if b.search == nil {
		return imap.UIDSet{}, errors.ErrUnsupported
	}
	return b.search(set, k)
}

func startBroken(t *testing.T, b *brokenMailbox) *fixture {
	return start(t, func(s *imapserver.Server) {
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
			return &brokenSession{Session: s, wrap: func(m imapserver.Mailbox) imapserver.Mailbox {
				return &brokenMailbox{m, b.content, b.wait, b.search}
			}}
		}}
	})
}

type shortContent struct{ imapserver.Content }

func (c shortContent) Size() int64 { return c.Content.Size() + 10 }

// A content that ends early cannot be answered: the client was told its size.
func TestContentEndsEarly(t *testing.T) {
	f := startBroken(t, &brokenMailbox{content: func(c imapserver.Content) imapserver.Content { return shortContent{c} }})
	f.deliver(t, 1)
	c := f.login(t, "SELECT INBOX")
	c.send("t FETCH 1 BODY.PEEK[]\r\n")
	out := c.end()
	assert.Contains(t, out, "BODY[] {")
	assert.NotContains(t, out, "t OK")
	assert.NotContains(t, out, ")\r\n")
}

func TestPanicInWait(t *testing.T) {
	f := startBroken(t, &brokenMailbox{wait: func() { panic("waiting") }})
	c := f.login(t, "SELECT INBOX")
	c.send("t IDLE\r\n")
	_ = c.end()
	f.login(t).ok("NOOP")
}

func TestBackendSearches(t *testing.T) {
	var got []string
	f := startBroken(t, &brokenMailbox{search: func(set imap.UIDSet, k imap.SearchCriteria) (imap.UIDSet, error) {
		if _, ok := k[0].(imap.SearchAll); ok {
			return imap.UIDSet{}, errors.ErrUnsupported
		}
		got = append(got, fmt.Sprint(set, k))
		return imap.UIDSetOf(1, 3, 77), nil
	}})
	f.deliver(t, 4)
	c := f.login(t, "SELECT INBOX", "STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE")
	assert.Equal(t, []string{"* SEARCH 2"}, c.ok("SEARCH 1:* BODY x"))
	assert.Equal(t, []string{"* SEARCH 3"}, c.ok("UID SEARCH NOT UID 2:* BODY x"))
	assert.Equal(t, []string{"* SEARCH 1 2 3"}, c.ok("SEARCH ALL"))
	assert.Equal(t, []string{"2:4 [{2:4} {BODY x}]", "2:4 [{{2:4}} {BODY x}]"}, got)
}

func TestTraceHidesCredentials(t *testing.T) {
	var mu sync.Mutex
	var trace bytes.Buffer
	f := start(t, func(s *imapserver.Server) { s.Trace = &lockedWriter{&mu, &trace} })
	c := f.client(t)
	c.cmd("LOGIN user hunter2")
	c.send("t LOGIN {4+}\r\nuser {7+}\r\nhunter2\r\n")
	c.tagged()
	c.cmd("AUTHENTICATE PLAIN AGEAaHVudGVyMg==")
	c.send("t AUTHENTICATE PLAIN\r\n")
	c.line()
	c.send("AGEAaHVudGVyMg==\r\n")
	c.tagged()
	// Typing errors are answered without what was typed.
	for _, line := range []string{"t  LOGIN user hunter2", "t LOGIN user (hunter2", "t LOGIN user %hunter2", "%t LOGIN user hunter2"} {
		c.send(line + "\r\n")
		assert.Contains(t, c.line(), " BAD ")
	}
	c.ok("LOGIN user secret")
	c.send("t APPEND INBOX {14+}\r\nprivate-octets\r\n")
	c.tagged()
	c.ok("NOOP")
	mu.Lock()
	defer mu.Unlock()
	out := trace.String()
	for _, secret := range []string{"hunter2", "aHVudGVyMg", "secret", "private-octets"} {
		assert.NotContains(t, out, secret)
	}
	assert.Contains(t, out, "t NOOP")
	assert.Contains(t, out, "APPEND INBOX")
}

// manyMailbox has n messages that exist only while they are yielded.
type manyMailbox struct {
	imapserver.Mailbox
	n    int
	body int64
}

func (m *manyMailbox) Status(context.Context) (*imap.MailboxStatus, error) {
	return &imap.MailboxStatus{Messages: uint32(m.n), UIDValidity: 1, UIDNext: imap.UID(2*m.n + 1), HighestModSeq: 1}, nil
}

func (m *manyMailbox) Messages(_ context.Context, set imap.UIDSet) iter.Seq2[*imap.MessageInfo, error] {
	return func(yield func(*imap.MessageInfo, error) bool) {
		info := imap.MessageInfo{Flags: []imap.Flag{imap.FlagSeen}, InternalDate: day, Size: m.body}
		for r := range set.Ranges() {
			for u := r.First + r.First%2; u <= min(r.Last, imap.UID(2*m.n)); u += 2 {
				if info.UID = u; !yield(&info, nil) {
					return
				}
			}
		}
	}
}

func (m *manyMailbox) Changes(context.Context, imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(func(*imap.Change, error) bool) {}
}

type zeros int64

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), int64(z)-off))
	for i := range n {
		p[i] = 'x'
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
func (z zeros) Size() int64  { return int64(z) }
func (z zeros) Close() error { return nil }

func (m *manyMailbox) Content(context.Context, imap.UID) (imapserver.Content, error) {
	return zeros(m.body), nil
}

func startMany(t testing.TB, n int, body int64) *fixture {
	return start(t, func(s *imapserver.Server) {
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
			return &brokenSession{Session: s, wrap: func(m imapserver.Mailbox) imapserver.Mailbox { return &manyMailbox{m, n, body} }}
		}}
	})
}

// allocates is the octets that f allocates, in all goroutines.
func allocates(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// discard reads to the tagged response and returns the number of octets.
func (c *client) discard(command string) int64 {
	c.t.Helper()
	c.send("t " + command + "\r\n")
	var n int64
	for {
		b, err := c.r.ReadSlice('\n')
		n += int64(len(b))
		if err == bufio.ErrBufferFull {
			continue
		}
		require.NoError(c.t, err)
		if bytes.HasPrefix(b, []byte("t ")) {
			require.Contains(c.t, string(b), "OK")
			return n
		}
	}
}

// overTCP is a client that has logged in over the loopback: the connections in
// memory allocate.
func (f *fixture) overTCP(t testing.TB) *client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = f.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	c.line()
	c.ok("LOGIN user secret")
	return c
}

// Responses stream: what they cost does not grow with the mailbox, nor with
// the message.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n, body = 100_000, 64 << 20
	f := startMany(t, n, body)
	c := f.overTCP(t)
	cost := func(command string) (octets, allocated int64) {
		allocated = allocates(func() { octets = c.discard(command) })
		return octets, allocated
	}
	_, selected := cost("SELECT INBOX")
	assert.Less(t, selected, int64(4*n+256<<10), "4 octets a message and little else")
	for _, command := range []string{
		"FETCH 1:* (UID FLAGS)", "UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)", "SEARCH ALL", "UID SEARCH SEEN",
		"SEARCH 1:50000 NOT SMALLER 5",
	} {
		octets, allocated := cost(command)
		assert.Greater(t, octets, int64(200_000), command)
		assert.Less(t, allocated, int64(256<<10), command)
	}
	octets, allocated := cost("FETCH 1 BODY.PEEK[]")
	assert.Greater(t, octets, int64(body))
	assert.Less(t, allocated, int64(256<<10))
}

type earlyMailbox struct {
	imapserver.Mailbox
	calls *atomic.Int32
}

func (m *earlyMailbox) Wait(context.Context, imap.ModSeq) error {
	m.calls.Add(1)
	return nil
}

// A Wait that returns without need is slowed down, and pushes still come.
func TestWaitReturnsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		f := start(t, func(s *imapserver.Server) {
			s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
				return &brokenSession{Session: s, wrap: func(m imapserver.Mailbox) imapserver.Mailbox { return &earlyMailbox{m, &calls} }}
			}}
		})
		c := f.login(t, "SELECT INBOX")
		c.send("t IDLE\r\n")
		c.line()
		time.Sleep(time.Minute)
		assert.Less(t, calls.Load(), int32(65))
		f.deliver(t, 1)
		assert.Equal(t, "* 1 EXISTS", c.line())
		c.send("DONE\r\n")
		assert.Equal(t, []string{"* 1 RECENT", "OK IDLE completed"}, c.tagged())
	})
}

// quietMailbox tells nothing of messages that came and went.
type quietMailbox struct {
	imapserver.Mailbox
	calls *atomic.Int32
}

func (m *quietMailbox) Changes(context.Context, imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(func(*imap.Change, error) bool) {}
}

func (m *quietMailbox) Wait(ctx context.Context, since imap.ModSeq) error {
	m.calls.Add(1)
	return m.Mailbox.Wait(ctx, since)
}

// What happened may be nothing to tell of; the server does not spin.
func TestChangesTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		f := start(t, func(s *imapserver.Server) {
			s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
				return &brokenSession{Session: s, wrap: func(m imapserver.Mailbox) imapserver.Mailbox { return &quietMailbox{m, &calls} }}
			}}
		})
		c := f.login(t, "SELECT INBOX")
		c.send("t IDLE\r\n")
		c.line()
		for range 3 {
			f.deliver(t, 1)
			time.Sleep(10 * time.Second)
		}
		assert.LessOrEqual(t, calls.Load(), int32(4))
		c.send("DONE\r\n")
		assert.Equal(t, []string{"OK IDLE completed"}, c.tagged())
	})
}

type namespacer struct{ imapserver.Session }

func (namespacer) Namespaces(context.Context) (*imap.Namespaces, error) {
	return &imap.Namespaces{
		Personal: []imap.Namespace{{Prefix: "", Delimiter: '/'}},
		Other:    []imap.Namespace{{Prefix: "~", Delimiter: '/'}},
		Shared:   []imap.Namespace{{Prefix: "#öffentlich/", Delimiter: '/'}},
	}, nil
}

func TestNamespacer(t *testing.T) {
	f := start(t, func(s *imapserver.Server) {
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session { return namespacer{s} }}
	})
	c := f.login(t)
	assert.Equal(t, []string{`* NAMESPACE (("" "/")) (("~" "/")) (("#&APY-ffentlich/" "/"))`}, c.ok("NAMESPACE"))
	// This session is no SpecialUser.
	assert.NotContains(t, c.ok("CAPABILITY")[0], "CREATE-SPECIAL-USE")
	assert.Equal(t, "BAD Unknown CREATE parameter", c.cmd(`CREATE x (USE (\Sent))`)[0])
	assert.Equal(t, []string{`* LIST (\Noselect) "/" #public/`}, c.ok(`LIST "#public/x/y" ""`))
}

type refusing struct{ err error }

func (r refusing) Open(context.Context, sasl.Identity, *imapserver.Conn) (imapserver.Session, error) {
	return nil, r.err
}

func TestOpenRefused(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("no disk"), "NO [UNAVAILABLE] Temporarily unavailable"},
		{&imap.Error{Code: imap.CodeAuthorizationFailed, Text: "not here"}, "NO [AUTHORIZATIONFAILED] not here"},
	} {
		f := start(t, func(s *imapserver.Server) { s.Backend = refusing{test.err} })
		c := f.client(t)
		assert.Equal(t, test.want, c.cmd("LOGIN user secret")[0])
		assert.Equal(t, "BAD Not in this state", c.cmd("SELECT INBOX")[0])
	}
}

// What a Backend sees of a connection.
func TestConn(t *testing.T) {
	type seen struct {
		id     sasl.Identity
		remote string
		local  string
		tls    bool
		client []imap.IDParam
		logger bool
	}
	var got []seen
	f := start(t, func(s *imapserver.Server) {
		s.ID = []imap.IDParam{{Name: "name", Value: "mailwire"}}
		b := s.Backend
		s.Backend = opener(func(ctx context.Context, id sasl.Identity, c *imapserver.Conn) (imapserver.Session, error) {
			_, encrypted := c.TLS()
			got = append(got, seen{id, c.RemoteAddr().String(), c.LocalAddr().String(), encrypted, c.ClientID(), c.Logger() != nil})
			return b.Open(ctx, id, c)
		})
	})
	c := f.client(t)
	assert.Equal(t, []string{`* ID ("name" "mailwire")`}, c.ok(`ID ("name" "cli" "version" NIL)`))
	c.ok("LOGIN user secret")
	require.Len(t, got, 1)
	assert.Equal(t, sasl.Identity{User: "user", Mechanism: "LOGIN"}, got[0].id)
	assert.Equal(t, c.Conn.LocalAddr().String(), got[0].remote)
	assert.Equal(t, c.Conn.RemoteAddr().String(), got[0].local)
	assert.False(t, got[0].tls)
	assert.Equal(t, []imap.IDParam{{Name: "name", Value: "cli"}, {Name: "version"}}, got[0].client)
	assert.True(t, got[0].logger)

	// What was said in plaintext is forgotten under TLS.
	c = f.client(t)
	c.ok(`ID ("name" "cli")`)
	c.ok("STARTTLS")
	_, config := testkit.TLS()
	secure := tls.Client(c.Conn, config)
	require.NoError(t, secure.Handshake())
	c = &client{t: t, Conn: secure, r: bufio.NewReader(secure)}
	c.ok("LOGIN user secret")
	require.Len(t, got, 2)
	assert.True(t, got[1].tls)
	assert.Nil(t, got[1].client)
}

type opener func(context.Context, sasl.Identity, *imapserver.Conn) (imapserver.Session, error)

func (o opener) Open(ctx context.Context, id sasl.Identity, c *imapserver.Conn) (imapserver.Session, error) {
	return o(ctx, id, c)
}

func TestTooManyConnections(t *testing.T) {
	f := start(t, func(s *imapserver.Server) { s.Limits.MaxConnsPerAddr = 1 })
	f.client(t)
	c := &client{t: t, Conn: f.dial(t)}
	c.r = bufio.NewReader(c.Conn)
	assert.Equal(t, "* BYE [UNAVAILABLE] Too many connections\r\n", c.end())
}

// The rest of a literal that does not come in time never runs.
func TestTimeoutInAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		c := f.login(t)
		c.send("t APPEND INBOX {100+}\r\nSubject: x\r\n")
		time.Sleep(3 * time.Minute)
		_, _ = io.WriteString(c, strings.Repeat("x", 88)+"\r\nu NOOP\r\n")
		out := c.end()
		assert.NotContains(t, out, "OK")
		assert.Contains(t, out, "* BYE")
		assert.Equal(t, []string{"* STATUS INBOX (MESSAGES 0)"}, f.login(t).ok("STATUS INBOX (MESSAGES)"))
		time.Sleep(time.Minute)
	})
}
