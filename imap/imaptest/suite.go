package imaptest

// The suite that any Backend can be run through.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/sasl"
)

// TestBackend runs a Backend through what [imapserver.Session] and
// [imapserver.Mailbox] demand, by their methods and over the wire. open makes a
// Backend with one account, [User], whose INBOX is empty; it is called for each
// part of the suite. What has to be released at the end is for t.Cleanup.
//
// The suite makes mailboxes below the names "suite" and "other", which need
// children, and passes a nil Conn to Open.
func TestBackend(t *testing.T, open func(t *testing.T) imapserver.Backend) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(s *suite)
	}{
		{"mailboxes", (*suite).mailboxes},
		{"names", (*suite).names},
		{"rename", (*suite).rename},
		{"rename INBOX", (*suite).renameInbox},
		{"delete", (*suite).deleteMailbox},
		{"append", (*suite).appendMessage},
		{"append fails", (*suite).appendFails},
		{"UIDs", (*suite).uids},
		{"store", (*suite).store},
		{"unchanged since", (*suite).unchangedSince},
		{"copy", (*suite).copy},
		{"move", (*suite).move},
		{"expunge", (*suite).expunge},
		{"content of what went", (*suite).contentStays},
		{"recent", (*suite).recent},
		{"changes", (*suite).changes},
		{"wait", (*suite).wait},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t)
			s := &suite{T: t, backend: b}
			s.session = s.open()
			test.run(s)
		})
	}
	t.Run("wire", func(t *testing.T) { testWire(t, open(t)) })
}

// suite is one part of it, with a session of its own.
type suite struct {
	*testing.T
	backend imapserver.Backend
	session imapserver.Session
}

var ctx = context.Background()

func (s *suite) open() imapserver.Session {
	s.Helper()
	sess, err := s.backend.Open(ctx, sasl.Identity{User: User, Mechanism: "PLAIN"}, nil)
	s.noError(err, "Open")
	s.Cleanup(func() {
		if err := sess.Close(); err != nil {
			s.Errorf("Close of a session: %v", err)
		}
	})
	return sess
}

func (s *suite) noError(err error, what string) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

func (s *suite) isError(err, want error, what string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: the error is %v, not %v", what, err, want)
	}
}

func equal[T comparable](s *suite, got, want T, what string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (s *suite) equalList(got, want []string, what string) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// in opens a mailbox of a session until the test ends.
func (s *suite) in(sess imapserver.Session, name string, mode imapserver.OpenMode) imapserver.Mailbox {
	s.Helper()
	m, err := sess.Mailbox(ctx, name, mode)
	s.noError(err, "Mailbox "+name)
	s.Cleanup(func() { s.closed(m) })
	return m
}

func (s *suite) closed(m imapserver.Mailbox) {
	if err := m.Close(); err != nil {
		s.Errorf("Close of a mailbox: %v", err)
	}
}

func (s *suite) inbox() imapserver.Mailbox {
	s.Helper()
	return s.in(s.session, imap.Inbox, imapserver.Select)
}

func (s *suite) create(name string) {
	s.Helper()
	s.noError(s.session.Create(ctx, name, &imapserver.CreateOptions{}), "Create "+name)
}

// list is the names with their subscriptions: "name", "name +" where
// subscribed, "(name)" where it does not exist or cannot be opened.
func (s *suite) list() []string {
	s.Helper()
	var out []string
	seen := map[string]bool{}
	for m, err := range s.session.Mailboxes(ctx) {
		s.noError(err, "Mailboxes")
		if seen[m.Name] {
			s.Errorf("Mailboxes: %q twice", m.Name)
		}
		seen[m.Name] = true
		e := m.Name
		if m.Has(imap.AttrNonExistent) || m.Has(imap.AttrNoselect) {
			e = "(" + e + ")"
		}
		if m.Has(imap.AttrSubscribed) {
			e += " +"
		}
		out = append(out, e)
	}
	slices.Sort(out)
	return out
}

// delim is the hierarchy delimiter.
func (s *suite) delim() string {
	s.Helper()
	for m, err := range s.session.Mailboxes(ctx) {
		s.noError(err, "Mailboxes")
		if m.Delimiter == 0 {
			s.Skip("the hierarchy is flat")
		}
		return string(m.Delimiter)
	}
	s.Fatal("Mailboxes: not even INBOX")
	return ""
}

var suiteDate = time.Date(2024, 2, 29, 23, 59, 58, 0, time.FixedZone("", 5*3600+1800))

const suiteMessage = "From: a@example.org\r\nSubject: =?UTF-8?Q?=C3=A4?=\r\n\r\nLine one\r\n.dot\r\n8-bit \xc3\xa4\xff\r\n"

func (s *suite) add(m imapserver.Mailbox, body string, flags ...imap.Flag) imap.UID {
	s.Helper()
	r, err := m.Append(ctx, strings.NewReader(body), &imap.AppendOptions{
		Flags: flags, InternalDate: suiteDate, Size: int64(len(body)),
	})
	s.noError(err, "Append")
	if r.UID == 0 {
		// The client is not told; the suite finds out.
		for _, i := range s.messages(m) {
			r.UID = i.UID
		}
	}
	return r.UID
}

// messages is all messages, with flags of their own.
func (s *suite) messages(m imapserver.Mailbox) []imap.MessageInfo {
	s.Helper()
	return s.some(m, imap.UIDs(1, 1<<32-1))
}

func (s *suite) some(m imapserver.Mailbox, set imap.UIDSet) []imap.MessageInfo {
	s.Helper()
	var out []imap.MessageInfo
	for i, err := range m.Messages(ctx, set) {
		s.noError(err, "Messages")
		if len(out) > 0 && i.UID <= out[len(out)-1].UID {
			s.Errorf("Messages: UID %d behind %d", i.UID, out[len(out)-1].UID)
		}
		c := *i
		c.Flags = slices.Clone(i.Flags)
		out = append(out, c)
	}
	return out
}

// flags is a message's flags, sorted, without \Recent.
func flags(list []imap.Flag) string {
	var out []string
	for _, f := range list {
		if !f.Equal(imap.FlagRecent) {
			out = append(out, string(f.Canonical()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (s *suite) flagsOf(m imapserver.Mailbox, uid imap.UID) string {
	s.Helper()
	for _, i := range s.some(m, imap.UIDSetOf(uid)) {
		return flags(i.Flags)
	}
	return "no message"
}

func (s *suite) status(m imapserver.Mailbox) *imap.MailboxStatus {
	s.Helper()
	st, err := m.Status(ctx)
	s.noError(err, "Status")
	return st
}

func (s *suite) body(m imapserver.Mailbox, uid imap.UID) string {
	s.Helper()
	c, err := m.Content(ctx, uid)
	s.noError(err, "Content")
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	s.noError(err, "reading a content")
	if n, err := c.ReadAt(make([]byte, 1), c.Size()); n != 0 || err != io.EOF {
		s.Errorf("ReadAt behind the end: %d, %v", n, err)
	}
	return string(b)
}

func (s *suite) mark(m imapserver.Mailbox, set imap.UIDSet, action imap.StoreAction, list ...imap.Flag) {
	s.Helper()
	_, err := m.Store(ctx, set, &imap.FlagChange{Action: action, Flags: list})
	s.noError(err, "Store")
}

func (s *suite) mailboxes() {
	d := s.delim()
	s.equalList(s.list(), []string{"INBOX"}, "a new account")
	s.create("suite")
	s.isError(s.session.Create(ctx, "suite", &imapserver.CreateOptions{}), imap.ErrMailboxExists, "Create twice")
	s.create("other" + d + "deep" + d + "down")
	all := s.list()
	for _, name := range []string{"INBOX", "suite", "other" + d + "deep" + d + "down"} {
		if !slices.Contains(all, name) {
			s.Errorf("Mailboxes: %q is missing in %q", name, all)
		}
	}
	_, err := s.session.Mailbox(ctx, "nowhere", imapserver.Access)
	s.isError(err, imap.ErrNoMailbox, "Mailbox")

	for range 2 {
		s.noError(s.session.Subscribe(ctx, "suite"), "Subscribe")
	}
	if !slices.Contains(s.list(), "suite +") {
		s.Errorf("Subscribe does not show: %q", s.list())
	}
	s.noError(s.session.Delete(ctx, "suite"), "Delete")
	if !slices.Contains(s.list(), "(suite) +") {
		s.Errorf("the subscription of a mailbox that is deleted does not stay: %q", s.list())
	}
	for range 2 {
		s.noError(s.session.Unsubscribe(ctx, "suite"), "Unsubscribe")
	}
	for _, e := range s.list() {
		if strings.Contains(e, "suite") {
			s.Errorf("Unsubscribe leaves %q", e)
		}
	}
}

func (s *suite) names() {
	d := s.delim()
	for _, name := range []string{"suite ", "süite", "suite &- +", "日本語", "suite.dot", "~suite", "suite'\"\\", "a~/b^", ".suite", "suite%41"} {
		if d != "/" {
			name = strings.ReplaceAll(name, "/", "_")
		}
		if strings.Contains(name, d) {
			continue
		}
		if err := s.session.Create(ctx, name, &imapserver.CreateOptions{}); err != nil {
			var e *imap.Error
			if !errors.As(err, &e) {
				s.Errorf("Create %q: %v", name, err)
			}
			continue
		}
		m := s.in(s.session, name, imapserver.Access)
		s.add(m, suiteMessage)
		equal(s, s.status(m).Messages, 1, "messages in "+name)
		if !slices.Contains(s.list(), name) {
			s.Errorf("%q was made, and the names are %q", name, s.list())
		}
	}
	equal(s, s.status(s.in(s.session, imap.Inbox, imapserver.Access)).Messages, 0, "messages in INBOX")
}

func (s *suite) rename() {
	d := s.delim()
	s.create("suite")
	s.create("suite" + d + "child")
	uid := s.add(s.in(s.session, "suite"+d+"child", imapserver.Access), suiteMessage, imap.FlagFlagged)
	s.isError(s.session.Rename(ctx, "nowhere", "other"), imap.ErrNoMailbox, "Rename")
	s.isError(s.session.Rename(ctx, "suite", imap.Inbox), imap.ErrMailboxExists, "Rename to INBOX")
	s.noError(s.session.Rename(ctx, "suite", "other"+d+"place"), "Rename")
	for _, e := range s.list() {
		if strings.Contains(e, "suite") {
			s.Errorf("Rename leaves %q", e)
		}
	}
	m := s.in(s.session, "other"+d+"place"+d+"child", imapserver.Access)
	equal(s, s.flagsOf(m, uid), `\Flagged`, "flags of a message in a child")
	s.in(s.session, "other"+d+"place", imapserver.Access)
}

func (s *suite) renameInbox() {
	d := s.delim()
	m := s.in(s.session, imap.Inbox, imapserver.Access)
	s.add(m, suiteMessage, imap.FlagSeen)
	child := imap.Inbox + d + "child"
	hasChild := s.session.Create(ctx, child, &imapserver.CreateOptions{}) == nil
	before := s.status(m)
	s.noError(s.session.Rename(ctx, imap.Inbox, "suite"), "Rename INBOX")
	list := s.messages(s.in(s.session, "suite", imapserver.Access))
	equal(s, len(list), 1, "messages in the new mailbox")
	if len(list) == 1 {
		equal(s, flags(list[0].Flags), `\Seen`, "their flags")
	}
	m = s.in(s.session, imap.Inbox, imapserver.Access)
	st := s.status(m)
	equal(s, st.Messages, 0, "messages in INBOX")
	if hasChild && !slices.Contains(s.list(), child) {
		s.Errorf("INBOX's child is gone: %q", s.list())
	}
	if uid := s.add(m, suiteMessage); st.UIDValidity == before.UIDValidity && uid < before.UIDNext {
		s.Errorf("UID %d comes again", uid)
	}
}

func (s *suite) deleteMailbox() {
	d := s.delim()
	s.isError(s.session.Delete(ctx, "nowhere"), imap.ErrNoMailbox, "Delete")
	s.create("suite")
	s.create("suite" + d + "child")
	m := s.in(s.session, "suite", imapserver.Select)
	uid := s.add(m, suiteMessage)
	before := s.status(m)
	other := s.in(s.open(), "suite", imapserver.Select)
	s.noError(s.session.Delete(ctx, "suite"), "Delete")
	_, err := s.session.Mailbox(ctx, "suite", imapserver.Select)
	s.isError(err, imap.ErrNoMailbox, "Mailbox, deleted")
	s.in(s.session, "suite"+d+"child", imapserver.Access)
	gone := false
	for _, err := range other.Changes(ctx, before.HighestModSeq) {
		gone = errors.Is(err, imap.ErrNoMailbox)
	}
	if !gone {
		s.Errorf("Changes of a mailbox that was deleted: no ErrNoMailbox")
	}
	s.create("suite")
	m = s.in(s.session, "suite", imapserver.Access)
	st := s.status(m)
	equal(s, st.Messages, 0, "messages in a mailbox made anew")
	if again := s.add(m, suiteMessage); st.UIDValidity == before.UIDValidity && again <= uid {
		s.Errorf("UID %d comes again in a mailbox made anew, under the same UIDVALIDITY", again)
	}
}

func (s *suite) appendMessage() {
	m := s.in(s.session, imap.Inbox, imapserver.Access)
	st := s.status(m)
	if st.UIDValidity == 0 || st.UIDNext == 0 {
		s.Errorf("UIDVALIDITY %d, UIDNEXT %d", st.UIDValidity, st.UIDNext)
	}
	uid := s.add(m, suiteMessage, imap.FlagSeen, imap.FlagDraft, "$Work")
	if uid < st.UIDNext {
		s.Errorf("UID %d, and UIDNEXT was %d", uid, st.UIDNext)
	}
	list := s.messages(m)
	if len(list) != 1 {
		s.Fatalf("%d messages", len(list))
	}
	i := list[0]
	equal(s, i.UID, uid, "UID")
	if got := flags(i.Flags); got != `$Work \Draft \Seen` && got != `\Draft \Seen` {
		s.Errorf("flags %q", got)
	}
	if !i.InternalDate.Equal(suiteDate) {
		s.Errorf("internal date %v, not %v", i.InternalDate, suiteDate)
	}
	equal(s, i.Size, int64(len(suiteMessage)), "Size")
	equal(s, s.body(m, uid), suiteMessage, "octets")
	large := strings.Repeat("0123456789abcdef0123456789ABCDEF\r\n", 50_000)
	equal(s, s.body(m, s.add(m, large)) == large, true, "a large message")
	st = s.status(m)
	equal(s, st.Messages, 2, "MESSAGES")
	equal(s, st.Unseen, 1, "UNSEEN")
	equal(s, st.Recent, 2, "RECENT")
	if st.UIDNext <= s.messages(m)[1].UID {
		s.Errorf("UIDNEXT %d with UID %d", st.UIDNext, s.messages(m)[1].UID)
	}
}

func (s *suite) appendFails() {
	m := s.in(s.session, imap.Inbox, imapserver.Access)
	broken := errors.New("the line broke")
	for _, r := range []io.Reader{
		iotest.ErrReader(broken),
		io.MultiReader(strings.NewReader(suiteMessage[:20]), iotest.ErrReader(broken)),
		io.MultiReader(strings.NewReader(suiteMessage), iotest.ErrReader(broken)),
		io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(broken)),
	} {
		_, err := m.Append(ctx, r, &imap.AppendOptions{InternalDate: suiteDate, Size: 1 << 21})
		s.isError(err, broken, "Append of a reader that fails")
	}
	equal(s, len(s.messages(m)), 0, "messages")
	equal(s, s.status(m).Messages, 0, "MESSAGES")
}

func (s *suite) uids() {
	m := s.inbox()
	a, b := s.add(m, suiteMessage), s.add(m, suiteMessage)
	if b <= a {
		s.Errorf("UID %d behind %d", b, a)
	}
	s.mark(m, imap.UIDSetOf(b), imap.StoreAdd, imap.FlagDeleted)
	s.noError(m.Expunge(ctx, imap.UIDSetOf(b)), "Expunge")
	if next := s.status(s.in(s.open(), imap.Inbox, imapserver.Access)).UIDNext; next <= b {
		s.Errorf("UIDNEXT %d after %d was expunged", next, b)
	}
	c := s.add(m, suiteMessage)
	if c <= b {
		s.Errorf("UID %d comes again: %d", b, c)
	}
	list := s.some(m, imap.UIDSetOf(a, b, c, c+100))
	equal(s, len(list), 2, "messages of a set with one that went")
	for range m.Messages(ctx, imap.UIDs(1, 1<<32-1)) {
		break
	}
}

func (s *suite) store() {
	m := s.inbox()
	a, b := s.add(m, suiteMessage), s.add(m, suiteMessage, imap.FlagSeen)
	both := imap.UIDSetOf(a, b, b+50)
	s.mark(m, both, imap.StoreAdd, imap.FlagFlagged, imap.FlagAnswered)
	equal(s, s.flagsOf(m, a), `\Answered \Flagged`, "added")
	equal(s, s.flagsOf(m, b), `\Answered \Flagged \Seen`, "added")
	s.mark(m, both, imap.StoreRemove, imap.FlagFlagged, imap.FlagSeen)
	equal(s, s.flagsOf(m, b), `\Answered`, "removed")
	s.mark(m, imap.UIDSetOf(b), imap.StoreReplace, imap.FlagDraft, imap.FlagDeleted)
	equal(s, s.flagsOf(m, b), `\Deleted \Draft`, "replaced")
	equal(s, s.flagsOf(m, a), `\Answered`, "not named")
	s.mark(m, imap.UIDSetOf(b), imap.StoreReplace)
	equal(s, s.flagsOf(m, b), "", "replaced by nothing")
	if imap.HasFlag(s.status(m).PermanentFlags, imap.FlagWildcard) {
		s.mark(m, imap.UIDSetOf(a), imap.StoreAdd, "$Work", "Other")
		equal(s, s.flagsOf(s.in(s.open(), imap.Inbox, imapserver.Access), a), `$Work Other \Answered`, "keywords")
	}
	before := s.some(m, imap.UIDSetOf(a))[0].ModSeq
	s.mark(m, imap.UIDSetOf(a), imap.StoreAdd, imap.FlagAnswered)
	equal(s, s.some(m, imap.UIDSetOf(a))[0].ModSeq, before, "mod-sequence of what did not change")
	s.mark(m, imap.UIDSetOf(a), imap.StoreRemove, imap.FlagAnswered)
	if after := s.some(m, imap.UIDSetOf(a))[0].ModSeq; after <= before {
		s.Errorf("mod-sequence %d after a change, %d before", after, before)
	}
}

func (s *suite) unchangedSince() {
	m := s.inbox()
	a, b := s.add(m, suiteMessage), s.add(m, suiteMessage)
	since := s.status(m).HighestModSeq
	s.mark(m, imap.UIDSetOf(b), imap.StoreAdd, imap.FlagSeen)
	modified, err := m.Store(ctx, imap.UIDSetOf(a, b), &imap.FlagChange{
		Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagFlagged}, UnchangedSince: &since,
	})
	s.noError(err, "Store")
	equal(s, modified.String(), imap.UIDSetOf(b).String(), "modified")
	equal(s, s.flagsOf(m, a), `\Flagged`, "flags of what was unchanged")
	equal(s, s.flagsOf(m, b), `\Seen`, "flags of what was changed")
}

// uidsIn is the numbers of a set as a list.
func uidsIn(set imap.UIDSet) []imap.UID { return slices.Collect(set.All()) }

func (s *suite) copy() {
	s.create("suite")
	m := s.inbox()
	a, b, c := s.add(m, suiteMessage, imap.FlagSeen), s.add(m, "b: b\r\n\r\n"), s.add(m, "c: c\r\n\r\n", imap.FlagDeleted)
	_, err := m.Copy(ctx, imap.UIDSetOf(a), "nowhere")
	if !errors.Is(err, imap.ErrTryCreate) && !errors.Is(err, imap.ErrNoMailbox) {
		s.Errorf("Copy to a mailbox that there is not: %v", err)
	}
	r, err := m.Copy(ctx, imap.UIDSetOf(a, c, c+9), "suite")
	s.noError(err, "Copy")
	to := s.in(s.session, "suite", imapserver.Access)
	list := s.messages(to)
	if len(list) != 2 {
		s.Fatalf("%d messages were copied", len(list))
	}
	if r != nil && !r.Source.Empty() {
		equal(s, r.UIDValidity, s.status(to).UIDValidity, "UIDVALIDITY of a copy")
		if !slices.Equal(uidsIn(r.Source), []imap.UID{a, c}) || !slices.Equal(uidsIn(r.Dest), []imap.UID{list[0].UID, list[1].UID}) {
			s.Errorf("Copy: %v became %v", r.Source, r.Dest)
		}
	}
	equal(s, flags(list[0].Flags), `\Seen`, "flags of a copy")
	equal(s, flags(list[1].Flags), `\Deleted`, "flags of a copy")
	if !list[0].InternalDate.Equal(suiteDate) {
		s.Errorf("internal date of a copy: %v", list[0].InternalDate)
	}
	equal(s, s.body(to, list[1].UID), "c: c\r\n\r\n", "octets of a copy")
	_, err = m.Copy(ctx, imap.UIDSetOf(b), imap.Inbox)
	s.noError(err, "Copy into the same mailbox")
	equal(s, len(s.messages(m)), 4, "messages")
	r, err = m.Copy(ctx, imap.UIDs(c+500, c+600), "suite")
	if err != nil || r != nil && !r.Source.Empty() {
		s.Errorf("Copy of nothing: %v, %v", r, err)
	}
}

func (s *suite) move() {
	mover, ok := s.session.(imapserver.Mover)
	if !ok {
		s.Skip("the session is no Mover")
	}
	s.create("suite")
	m := s.inbox()
	a, b, c := s.add(m, suiteMessage, imap.FlagSeen), s.add(m, "b: b\r\n\r\n"), s.add(m, "c: c\r\n\r\n")
	since := s.status(m).HighestModSeq
	_, err := mover.Move(ctx, m, imap.UIDSetOf(a), "nowhere")
	if !errors.Is(err, imap.ErrTryCreate) && !errors.Is(err, imap.ErrNoMailbox) {
		s.Errorf("Move to a mailbox that there is not: %v", err)
	}
	r, err := mover.Move(ctx, m, imap.UIDSetOf(a, c), "suite")
	s.noError(err, "Move")
	list := s.messages(s.in(s.session, "suite", imapserver.Access))
	if len(list) != 2 {
		s.Fatalf("%d messages were moved", len(list))
	}
	if r != nil && !slices.Equal(uidsIn(r.Source), []imap.UID{a, c}) {
		s.Errorf("Move: %v", r.Source)
	}
	equal(s, flags(list[0].Flags), `\Seen`, "flags of what was moved")
	left := s.messages(m)
	if len(left) != 1 || left[0].UID != b {
		s.Errorf("Move leaves %v", left)
	}
	vanished := s.since(m, since).vanished
	if !vanished.Contains(a) || !vanished.Contains(c) || vanished.Contains(b) {
		s.Errorf("Changes after Move: vanished %v", vanished)
	}
}

func (s *suite) expunge() {
	m := s.inbox()
	a, b, c := s.add(m, suiteMessage), s.add(m, suiteMessage, imap.FlagDeleted), s.add(m, suiteMessage, imap.FlagDeleted)
	s.noError(m.Expunge(ctx, imap.UIDs(a, b)), "Expunge")
	var left []imap.UID
	for _, i := range s.messages(m) {
		left = append(left, i.UID)
	}
	if !slices.Equal(left, []imap.UID{a, c}) {
		s.Errorf("Expunge of %d to %d leaves %v", a, b, left)
	}
	_, err := m.Content(ctx, b)
	s.isError(err, imapserver.ErrExpunged, "Content of what was expunged")
	s.noError(m.Expunge(ctx, imap.UIDs(a, b)), "Expunge again")
	equal(s, s.status(m).Messages, 2, "MESSAGES")
}

func (s *suite) contentStays() {
	m := s.inbox()
	uid := s.add(m, suiteMessage, imap.FlagDeleted)
	content, err := m.Content(ctx, uid)
	s.noError(err, "Content")
	other := s.in(s.open(), imap.Inbox, imapserver.Select)
	s.mark(other, imap.UIDSetOf(uid), imap.StoreAdd, imap.FlagSeen)
	s.noError(other.Expunge(ctx, imap.UIDSetOf(uid)), "Expunge")
	b, err := io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
	if err != nil || string(b) != suiteMessage {
		s.Errorf("a content that was expunged while open: %q, %v", b, err)
	}
	s.noError(content.Close(), "Close of a content")
}

func (s *suite) recent() {
	access := s.in(s.session, imap.Inbox, imapserver.Access)
	s.add(access, suiteMessage)
	recents := func(m imapserver.Mailbox) (n int) {
		for _, i := range s.messages(m) {
			if imap.HasFlag(i.Flags, imap.FlagRecent) {
				n++
			}
		}
		equal(s, int(s.status(m).Recent), n, "RECENT and the flags")
		return n
	}
	equal(s, recents(s.in(s.open(), imap.Inbox, imapserver.Examine)), 1, "recent to Examine")
	first := s.in(s.open(), imap.Inbox, imapserver.Select)
	equal(s, recents(first), 1, "recent to the first Select")
	second := s.in(s.open(), imap.Inbox, imapserver.Select)
	equal(s, recents(second), 0, "recent to the second Select")
	equal(s, recents(first), 1, "recent to the first Select, later")
	equal(s, s.status(s.in(s.open(), imap.Inbox, imapserver.Access)).Recent, 0, "RECENT to Access")
	s.add(access, suiteMessage)
	equal(s, s.status(s.in(s.open(), imap.Inbox, imapserver.Access)).Recent, 1, "RECENT to Access")
	equal(s, recents(first)+recents(second), 2, "recent to both")
}

// changed is what Changes told.
type changed struct {
	messages map[imap.UID]string // new or changed: their flags
	vanished imap.UIDSet
	last     imap.ModSeq
	lost     bool
}

func (s *suite) since(m imapserver.Mailbox, since imap.ModSeq) changed {
	s.Helper()
	c := changed{messages: make(map[imap.UID]string), last: since}
	for ch, err := range m.Changes(ctx, since) {
		if errors.Is(err, imapserver.ErrHistoryLost) {
			return changed{lost: true}
		}
		s.noError(err, "Changes")
		if ch.ModSeq <= since {
			s.Errorf("Changes since %d: a change of %d", since, ch.ModSeq)
		}
		c.last = max(c.last, ch.ModSeq)
		if ch.Kind == imap.ChangeVanished {
			c.vanished.AddSet(ch.Vanished)
			continue
		}
		if ch.Kind == imap.ChangeNew && (ch.Message.Size == 0 || ch.Message.InternalDate.IsZero()) {
			s.Errorf("Changes: a new message that is not complete: %+v", ch.Message)
		}
		c.messages[ch.Message.UID] = flags(ch.Message.Flags)
	}
	return c
}

func (s *suite) changes() {
	m := s.inbox()
	a := s.add(m, suiteMessage)
	other := s.in(s.open(), imap.Inbox, imapserver.Select)
	since := s.status(m).HighestModSeq
	equal(s, len(s.since(m, since).messages), 0, "changes when there are none")

	b := s.add(other, suiteMessage, imap.FlagSeen)
	s.mark(other, imap.UIDSetOf(a), imap.StoreAdd, imap.FlagFlagged)
	c := s.since(m, since)
	if c.lost {
		s.Fatal("Changes: the history is lost at once")
	}
	if len(c.messages) != 2 || c.messages[a] != `\Flagged` || c.messages[b] != `\Seen` {
		s.Errorf("Changes: %v", c.messages)
	}
	if st := s.status(m).HighestModSeq; st < c.last {
		s.Errorf("HighestModSeq %d, and a change of %d", st, c.last)
	}
	since = c.last
	equal(s, len(s.since(m, since).messages), 0, "changes when all were told")

	s.mark(other, imap.UIDSetOf(a), imap.StoreAdd, imap.FlagDeleted)
	s.noError(other.Expunge(ctx, imap.UIDSetOf(a)), "Expunge")
	c = s.since(m, since)
	if !c.vanished.Contains(a) || c.vanished.Contains(b) {
		s.Errorf("Changes: vanished %v", c.vanished)
	}
	if d := s.since(m, c.last); !d.vanished.Empty() || len(d.messages) > 0 {
		s.Errorf("Changes when all were told: %+v", d)
	}
}

func (s *suite) wait() {
	m := s.inbox()
	since := s.status(m).HighestModSeq
	other := s.in(s.open(), imap.Inbox, imapserver.Access)
	for range 3 {
		done := make(chan error, 1)
		wctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		go func() { done <- m.Wait(wctx, since) }()
		s.add(other, suiteMessage)
		s.noError(<-done, "Wait")
		cancel()
		if last := s.since(m, since).last; last > since {
			since = last
		}
	}
	wctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- m.Wait(wctx, s.statusQuietly(other)) }()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		s.Errorf("Wait, cancelled: %v", err)
	}
}

// statusQuietly is the highest mod-sequence, from a goroutine of the test.
func (s *suite) statusQuietly(m imapserver.Mailbox) imap.ModSeq {
	st, err := m.Status(ctx)
	if err != nil {
		s.Errorf("Status: %v", err)
		return 0
	}
	return st.HighestModSeq
}
