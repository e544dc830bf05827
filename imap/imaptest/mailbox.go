package imaptest

// The mail store in memory: mailboxes.

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
)

// stored is a message. Its slices are never changed, only replaced.
type stored struct {
	uid    imap.UID
	flags  []imap.Flag
	date   time.Time
	body   []byte
	modseq imap.ModSeq
}

// event is one change of a mailbox's history.
type event struct {
	modseq imap.ModSeq
	uid    imap.UID
	kind   imap.ChangeKind
}

// box is a mailbox. The account's lock guards it.
type box struct {
	account  *account
	name     string
	uses     []imap.MailboxAttr
	validity uint32
	next     imap.UID
	modseq   imap.ModSeq
	messages []*stored
	log      []event // ascending
	lost     imap.ModSeq
	history  int
	claimed  imap.UID // up to it, somebody has had the message as recent
	deleted  bool
	changed  chan struct{} // closed at the next change
}

func (b *box) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *box) record(uid imap.UID, kind imap.ChangeKind) imap.ModSeq {
	b.modseq++
	b.log = append(b.log, event{b.modseq, uid, kind})
	if len(b.log) >= 2*b.history {
		cut := len(b.log) - b.history
		b.lost = b.log[cut-1].modseq
		b.log = append(b.log[:0], b.log[cut:]...)
	}
	return b.modseq
}

func (b *box) add(m *stored) imap.UID {
	m.uid = b.next
	b.next++
	m.modseq = b.record(m.uid, imap.ChangeNew)
	b.messages = append(b.messages, m)
	b.notify()
	return m.uid
}

func (b *box) find(uid imap.UID) (int, bool) {
	i := sort.Search(len(b.messages), func(i int) bool { return b.messages[i].uid >= uid })
	return i, i < len(b.messages) && b.messages[i].uid == uid
}

// in yields the messages of set, which must be ascending.
func (b *box) in(set imap.UIDSet) iter.Seq[*stored] {
	return func(yield func(*stored) bool) {
		for r := range set.Normalize().Ranges() {
			for i, _ := b.find(r.First); i < len(b.messages) && b.messages[i].uid <= r.Last; i++ {
				if !yield(b.messages[i]) {
					return
				}
			}
		}
	}
}

func (b *box) remove(which func(*stored) bool) {
	n := len(b.messages)
	var kept []*stored
	for _, m := range b.messages {
		if which(m) {
			b.record(m.uid, imap.ChangeVanished)
		} else {
			kept = append(kept, m)
		}
	}
	if len(kept) < n {
		b.messages = kept
		b.notify()
	}
}

func (b *box) copy(set imap.UIDSet, dest string) (*imap.CopyResult, error) {
	to := b.account.boxes[dest]
	if to == nil {
		return nil, imap.ErrTryCreate
	}
	r := &imap.CopyResult{UIDValidity: to.validity}
	for _, m := range slices.Collect(b.in(set)) {
		r.Source.Add(m.uid)
		r.Dest.Add(to.add(&stored{flags: m.flags, date: m.date, body: m.body}))
	}
	if r.Source.Empty() {
		return nil, nil
	}
	return r, nil
}

// mailbox is an open mailbox.
type mailbox struct {
	box  *box
	mode imapserver.OpenMode
	// seen is the last UID that was claimed here, or passed by.
	seen   imap.UID
	recent imap.UIDSet
}

// claim makes recent what nobody has had yet. The lock is held.
func (m *mailbox) claim() {
	from, last := max(m.seen, m.box.claimed)+1, m.box.next-1
	m.seen = max(m.seen, last)
	if m.mode == imapserver.Access || from > last {
		return
	}
	m.recent.AddRange(from, last)
	if m.mode == imapserver.Select {
		m.box.claimed = last
	}
}

func (m *mailbox) lock() (unlock func()) {
	m.box.account.mu.Lock()
	m.claim()
	return m.box.account.mu.Unlock
}

// info is what is known of a message; its flags are the caller's.
func (m *mailbox) info(s *stored) imap.MessageInfo {
	i := imap.MessageInfo{UID: s.uid, InternalDate: s.date, Size: int64(len(s.body)), ModSeq: s.modseq}
	i.Flags = append(i.Flags, s.flags...)
	if m.recent.Contains(s.uid) {
		i.Flags = append(i.Flags, imap.FlagRecent)
	}
	return i
}

func (m *mailbox) Close() error { return nil }

func (m *mailbox) Status(context.Context) (*imap.MailboxStatus, error) {
	defer m.lock()()
	b := m.box
	if b.deleted {
		return nil, imap.ErrNoMailbox
	}
	st := &imap.MailboxStatus{
		Name: b.name, Messages: uint32(len(b.messages)), UIDNext: b.next, UIDValidity: b.validity, HighestModSeq: b.modseq,
		Flags: []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft},
	}
	for _, s := range b.messages {
		if !imap.HasFlag(s.flags, imap.FlagSeen) {
			st.Unseen++
		}
		if imap.HasFlag(s.flags, imap.FlagDeleted) {
			st.Deleted++
		}
		if m.recent.Contains(s.uid) || m.mode == imapserver.Access && s.uid > b.claimed {
			st.Recent++
		}
		for _, f := range s.flags {
			if !imap.HasFlag(st.Flags, f) {
				st.Flags = append(st.Flags, f)
			}
		}
		st.Size += int64(len(s.body))
	}
	st.PermanentFlags = append(slices.Clone(st.Flags), imap.FlagWildcard)
	return st, nil
}

// batch is how many messages are read under one lock.
const batch = 64

func (m *mailbox) Messages(_ context.Context, set imap.UIDSet) iter.Seq2[*imap.MessageInfo, error] {
	return func(yield func(*imap.MessageInfo, error) bool) {
		var infos []imap.MessageInfo
		for {
			infos = infos[:0]
			unlock := m.lock()
			for s := range m.box.in(set) {
				if len(infos) == batch {
					break
				}
				infos = append(infos, m.info(s))
			}
			unlock()
			for i := range infos {
				if !yield(&infos[i], nil) {
					return
				}
			}
			if len(infos) < batch {
				return
			}
			set = set.Subtract(imap.UIDs(1, infos[batch-1].UID))
		}
	}
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func (m *mailbox) Content(_ context.Context, uid imap.UID) (imapserver.Content, error) {
	defer m.lock()()
	i, ok := m.box.find(uid)
	if !ok {
		return nil, imapserver.ErrExpunged
	}
	return content{bytes.NewReader(m.box.messages[i].body)}, nil
}

func (m *mailbox) Append(_ context.Context, r io.Reader, o *imap.AppendOptions) (imapserver.AppendResult, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return imapserver.AppendResult{}, err
	}
	defer m.lock()()
	if m.box.deleted {
		return imapserver.AppendResult{}, imap.ErrNoMailbox
	}
	uid := m.box.add(&stored{flags: cleanFlags(o.Flags), date: o.InternalDate, body: body})
	return imapserver.AppendResult{UIDValidity: m.box.validity, UID: uid}, nil
}

// cleanFlags is flags without doubles and without \Recent.
func cleanFlags(flags []imap.Flag) []imap.Flag {
	return (&imap.FlagChange{Flags: flags}).Apply(nil, nil)
}

func (m *mailbox) Store(_ context.Context, set imap.UIDSet, c *imap.FlagChange) (modified imap.UIDSet, err error) {
	defer m.lock()()
	changed := false
	for s := range m.box.in(set) {
		if c.UnchangedSince != nil && s.modseq > *c.UnchangedSince {
			modified.Add(s.uid)
			continue
		}
		flags := c.Apply(nil, s.flags)
		if len(flags) == len(s.flags) && !slices.ContainsFunc(flags, func(f imap.Flag) bool { return !imap.HasFlag(s.flags, f) }) {
			continue
		}
		s.flags, s.modseq = flags, m.box.record(s.uid, imap.ChangeFlags)
		changed = true
	}
	if changed {
		m.box.notify()
	}
	return modified, nil
}

func (m *mailbox) Copy(_ context.Context, set imap.UIDSet, dest string) (*imap.CopyResult, error) {
	defer m.lock()()
	return m.box.copy(set, dest)
}

func (m *mailbox) Expunge(_ context.Context, set imap.UIDSet) error {
	defer m.lock()()
	ranges := set.Normalize()
	m.box.remove(func(s *stored) bool { return imap.HasFlag(s.flags, imap.FlagDeleted) && ranges.Contains(s.uid) })
	return nil
}

func (m *mailbox) Changes(_ context.Context, since imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		list, err := m.changes(since)
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
	}
}

func (m *mailbox) changes(since imap.ModSeq) ([]imap.Change, error) {
	defer m.lock()()
	b := m.box
	if b.deleted {
		return nil, imap.ErrNoMailbox
	}
	if since < b.lost {
		return nil, imapserver.ErrHistoryLost
	}
	var list []imap.Change
	from := sort.Search(len(b.log), func(i int) bool { return b.log[i].modseq > since })
	for _, e := range b.log[from:] {
		if e.kind == imap.ChangeVanished {
			list = append(list, imap.Change{Kind: e.kind, ModSeq: e.modseq, Vanished: imap.UIDSetOf(e.uid)})
			continue
		}
		if i, ok := b.find(e.uid); ok {
			list = append(list, imap.Change{Kind: e.kind, ModSeq: e.modseq, Message: m.info(b.messages[i])})
		}
	}
	return list, nil
}

func (m *mailbox) Wait(ctx context.Context, since imap.ModSeq) error {
	for {
		m.box.account.mu.Lock()
		changed, ready := m.box.changed, m.box.modseq > since || m.box.deleted
		m.box.account.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
