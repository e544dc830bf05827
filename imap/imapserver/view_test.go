package imapserver_test

// What Backends may do that the one in memory does not.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
)

// wrapped is a fixture whose mailboxes are wrapped.
func wrapped(t *testing.T, wrap func(imapserver.Mailbox) imapserver.Mailbox) *fixture {
	return start(t, func(s *imapserver.Server) {
		s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
			return &brokenSession{Session: s, wrap: wrap}
		}}
	})
}

// reverseMailbox yields changes in the reverse order, and fails after some.
type reverseMailbox struct {
	imapserver.Mailbox
	fail *bool
}

func (m *reverseMailbox) Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		var list []imap.Change
		for c, err := range m.Mailbox.Changes(ctx, since) {
			if err != nil {
				yield(nil, err)
				return
			}
			list = append(list, *c)
		}
		for i := range slices.Backward(list) {
			if !yield(&list[i], nil) {
				return
			}
			if *m.fail {
				*m.fail = false
				yield(nil, errors.New("the database went away"))
				return
			}
		}
	}
}

// Mailbox.Changes may yield in any order, that of mod-sequences say, and fail
// in the midst of it.
func TestChangesInAnyOrder(t *testing.T) {
	fail := false
	f := wrapped(t, func(m imapserver.Mailbox) imapserver.Mailbox { return &reverseMailbox{m, &fail} })
	f.deliver(t, 1)
	a := f.login(t, "SELECT INBOX")
	b := f.login(t, "EXAMINE INBOX")
	f.deliver(t, 3)
	assert.Equal(t, []string{"* 4 EXISTS", "* 4 RECENT"}, a.ok("NOOP"))
	assert.Equal(t, []string{"* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"}, a.ok("FETCH 1:* UID"))
	a.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
	a.ok("EXPUNGE")
	assert.Equal(t, []string{"* 3 EXISTS"}, b.ok("NOOP"))
	assert.Equal(t, []string{"* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 4)"}, b.ok("FETCH 1:* UID"))

	a.ok("STORE 1:3 +FLAGS.SILENT (\\Seen)")
	fail = true
	assert.Equal(t, "* 3 FETCH (FLAGS (\\Seen))", b.cmd("NOOP")[0])
	assert.ElementsMatch(t, []string{"* 3 FETCH (FLAGS (\\Seen))", "* 2 FETCH (FLAGS (\\Seen))", "* 1 FETCH (FLAGS (\\Seen))"}, b.ok("NOOP"))
}

// lateMailbox says that something happened when it is not asked any more.
type lateMailbox struct{ imapserver.Mailbox }

func (lateMailbox) Wait(ctx context.Context, _ imap.ModSeq) error {
	<-ctx.Done()
	return nil
}

// What a Backend says at the end of one IDLE does not disturb the next, which
// may be without a mailbox.
func TestWokenLate(t *testing.T) {
	f := wrapped(t, func(m imapserver.Mailbox) imapserver.Mailbox { return lateMailbox{m} })
	c := f.login(t)
	for _, command := range []string{"SELECT INBOX", "UNSELECT"} {
		c.ok(command)
		for range 2 {
			c.send("t IDLE\r\n")
			assert.Equal(t, "+ idling", c.line())
			c.send("DONE\r\n")
			assert.Equal(t, []string{"OK IDLE completed"}, c.tagged())
		}
	}
}

// A response is sent while it is made: what a client asks for many times takes
// no memory many times.
func TestFetchManyItems(t *testing.T) {
	f := start(t, nil)
	header := strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 500)
	_, err := f.Memory.Deliver("user", "INBOX", header+"\r\nbody\r\n")
	require.NoError(t, err)
	c := f.login(t, "SELECT INBOX")
	for _, item := range []string{"BODY.PEEK[HEADER.FIELDS (X)]", "BODY.PEEK[HEADER.FIELDS.NOT (Y)]"} {
		memory := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := memory()
		c.send("t FETCH 1 (" + strings.Repeat(item+" ", 40) + "UID)\r\n")
		assert.Contains(t, c.line(), "* 1 FETCH (BODY[")
		assert.Less(t, memory()-before, int64(8<<20), "octets kept of 20 MB")
		last := c.tagged()
		assert.Equal(t, "OK FETCH completed", last[len(last)-1])
	}
}

// The cost of flags is the square of their number, so there may not be many.
func TestTooManyFlags(t *testing.T) {
	f := start(t, func(s *imapserver.Server) { s.Limits.Flags = 3 })
	f.deliver(t, 1)
	c := f.login(t, "SELECT INBOX")
	assert.Equal(t, []string{"NO [LIMIT] More than 3 flags"}, c.cmd("STORE 1 +FLAGS (a b c d)"))
	assert.Equal(t, []string{"NO [LIMIT] More than 3 flags"}, c.cmd("APPEND INBOX (a b c d) {1+}\r\nx"))
	assert.Equal(t, []string{"NO [LIMIT] More than 3 flags"}, c.cmd("APPEND INBOX (a a a a) {1}"))
	c.ok("STORE 1 +FLAGS.SILENT (a b c)")
	c.ok("APPEND INBOX (a b c) {1+}\r\nx")
}

// RENAME of the selected mailbox leaves it selected.
func TestRenameSelected(t *testing.T) {
	play := func(t *testing.T, f *fixture) {
		require.NoError(t, f.Memory.Create("user", "a/b"))
		_, err := f.Memory.Deliver("user", "a/b", message(1))
		require.NoError(t, err)
		c := f.login(t, "SELECT a/b")
		c.ok("RENAME a c")
		assert.Equal(t, []string{"* 1 FETCH (UID 1)"}, c.ok("FETCH 1 UID"))
		_, err = f.Memory.Deliver("user", "c/b", message(2))
		require.NoError(t, err)
		assert.Equal(t, []string{"* 2 EXISTS", "* 2 RECENT"}, c.ok("NOOP"))
		// No other name is the selected one's.
		c.ok("CREATE a/b")
		c.ok("DELETE a/b")
		c.ok("CHECK")
		c.ok("DELETE c/b")
		assert.Equal(t, []string{"BAD Not in this state"}, c.cmd("CHECK"))
	}
	t.Run("handles that follow", func(t *testing.T) { play(t, start(t, nil)) })
	t.Run("handles that end", func(t *testing.T) {
		var renames int
		f := start(t, func(s *imapserver.Server) {
			s.Backend = &faulty{s.Backend, func(s imapserver.Session) imapserver.Session {
				return &movingSession{Session: s, renames: &renames}
			}}
		})
		play(t, f)
	})
}

// movingSession is a Session whose open mailboxes are gone after a RENAME.
type movingSession struct {
	imapserver.Session
	renames *int
}

func (s *movingSession) Rename(ctx context.Context, from, to string) error {
	*s.renames++
	return s.Session.Rename(ctx, from, to)
}

func (s *movingSession) Mailbox(ctx context.Context, name string, mode imapserver.OpenMode) (imapserver.Mailbox, error) {
	m, err := s.Session.Mailbox(ctx, name, mode)
	if err != nil {
		return nil, err
	}
	return &movingMailbox{Mailbox: m, s: s, opened: *s.renames}, nil
}

type movingMailbox struct {
	imapserver.Mailbox
	s      *movingSession
	opened int // how many renames there had been
}

func (m *movingMailbox) Status(ctx context.Context) (*imap.MailboxStatus, error) {
	if m.opened < *m.s.renames {
		return nil, imap.ErrNoMailbox
	}
	return m.Mailbox.Status(ctx)
}

func (m *movingMailbox) Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[*imap.Change, error] {
	if m.opened < *m.s.renames {
		return func(yield func(*imap.Change, error) bool) { yield(nil, imap.ErrNoMailbox) }
	}
	return m.Mailbox.Changes(ctx, since)
}

// A delimiter at the end of a name is no part of it.
func TestDelimiterAtEnd(t *testing.T) {
	f := start(t, nil)
	c := f.login(t, "CREATE box/", "SUBSCRIBE box/", "STATUS box/ (MESSAGES)", "SELECT box/")
	assert.Equal(t, []string{`* LSUB (\HasNoChildren) "/" box`}, c.ok(`LSUB "" *`))
	c.ok("UNSELECT")
	c.ok("RENAME box/ bin/")
	c.ok("UNSUBSCRIBE box/")
	c.ok("DELETE bin/")
	assert.Empty(t, c.ok(`LSUB "" *`))
	assert.Contains(t, fmt.Sprint(c.cmd("SELECT /")), "NO [NONEXISTENT]")
}

// oddFlags is a Mailbox with a flag that cannot be sent.
type oddFlags struct{ imapserver.Mailbox }

func (m oddFlags) Messages(ctx context.Context, set imap.UIDSet) iter.Seq2[*imap.MessageInfo, error] {
	return func(yield func(*imap.MessageInfo, error) bool) {
		for info, err := range m.Mailbox.Messages(ctx, set) {
			if err == nil {
				info.Flags = append(info.Flags, "two words")
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// A response that cannot be sent is left out; where it has begun the
// connection ends.
func TestFlagThatCannotBeSent(t *testing.T) {
	f := wrapped(t, func(m imapserver.Mailbox) imapserver.Mailbox { return oddFlags{m} })
	f.deliver(t, 1)
	c := f.login(t)
	c.cmd("SELECT INBOX")
	assert.Equal(t, []string{"OK FETCH completed"}, c.cmd("FETCH 1 FLAGS"))
	c.send("t FETCH 1 (BODY.PEEK[] FLAGS)\r\n")
	out := c.end()
	assert.Contains(t, out, "body\r\n")
	assert.NotContains(t, out, "t OK")
}

// blindMailbox cannot tell what happened.
type blindMailbox struct{ imapserver.Mailbox }

func (blindMailbox) Changes(context.Context, imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) { yield(nil, errors.New("the database went away")) }
}

// What was done is not told as failed because of what cannot be told beside
// it: the client would do it again.
func TestDoneAlthoughBlind(t *testing.T) {
	f := wrapped(t, func(m imapserver.Mailbox) imapserver.Mailbox { return blindMailbox{m} })
	f.deliver(t, 1)
	c := f.login(t, "SELECT INBOX")
	assert.Equal(t, []string{"OK [APPENDUID 1 2] APPEND completed"}, c.cmd("APPEND INBOX {1+}\r\nx"))
	assert.Equal(t, []string{"OK [COPYUID 1 1 3] COPY completed"}, c.cmd("COPY 1 INBOX"))
	assert.Equal(t, []string{"OK CREATE completed"}, c.cmd("CREATE box"))
	for _, command := range []string{"NOOP", "CHECK"} {
		assert.Equal(t, []string{"NO [SERVERBUG] Internal error"}, c.cmd(command))
	}
}
