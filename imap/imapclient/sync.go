package imapclient

// What happened in a mailbox since the last time: by QRESYNC, by CONDSTORE, or
// by comparing.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Cache keeps what is known of mailboxes between two calls of [Client.Sync].
// [FileCache] and [MemoryCache] are some.
type Cache interface {
	// Load is what was saved last, nil where nothing was. ErrCache, by
	// errors.Is, says that it can not be read: all is told anew then.
	Load(ctx context.Context, mailbox string) (*MailboxState, error)
	// Save keeps a state, whole or not at all. The state is the caller's.
	Save(ctx context.Context, mailbox string, s *MailboxState) error
}

// ErrCache is what was saved and can not be read any more.
var ErrCache = errors.New("imapclient: the saved state of the mailbox is damaged")

// MailboxState is what is known of a mailbox and its messages.
type MailboxState struct {
	UIDValidity uint32
	// ModSeq is the mod-sequence up to which all changes are known; zero where
	// the mailbox keeps none.
	ModSeq imap.ModSeq
	// Messages are ascending by UID.
	Messages []MessageState
}

// MessageState is what is kept of a message. Flags may be shared among
// messages, and must not be changed.
type MessageState struct {
	UID   imap.UID
	Flags []imap.Flag
}

// find is where the message is, or would be.
func (s *MailboxState) find(uid imap.UID) (int, bool) {
	return slices.BinarySearchFunc(s.Messages, uid, func(m MessageState, u imap.UID) int {
		switch {
		case m.UID < u:
			return -1
		case m.UID > u:
			return 1
		}
		return 0
	})
}

// uids are the UIDs of the messages.
func (s *MailboxState) uids() imap.UIDSet {
	var set imap.UIDSet
	for i := range s.Messages {
		set.Add(s.Messages[i].UID)
	}
	return set
}

// Sync opens a mailbox and yields what happened in it since the state that the
// cache has: first what vanished, then flags that changed, then messages that
// are new, ascending. Of a new message, UID, flags, date and size are set, and
// mod-sequence and identifiers where the server keeps them. The mailbox stays
// selected.
//
// A server with QRESYNC tells all that in one answer; with CONDSTORE it tells
// what changed, and what vanished is found by a search; without either all flags
// are fetched and compared. Whatever the server says, the number of messages is
// checked, and where it does not agree they are compared.
//
// Where nothing is known every message is new. Where what was known counts no
// more, since the mailbox was made anew (UIDVALIDITY) or the cache is damaged,
// ChangeVanished with 1:4294967295 comes before.
//
// No command is going on while the loop's body runs: it may fetch what it is
// told of. The state is saved at the end, also where that is an error or the
// loop is left, and then holds what was told before: the rest, and the change
// that the loop was left at, are told the next time. A process that ends within
// the loop may be told of changes again; of messages that it was told are new it
// is not told that they vanished, where they do before the next time.
func (c *Client) Sync(ctx context.Context, mailbox string, cache Cache) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		s := &syncing{c: c, ctx: ctx, flags: make(map[string][]imap.Flag), seen: make(map[imap.UID][]imap.Flag)}
		s.yield = func(ch *imap.Change) bool {
			s.stopped = s.stopped || !yield(ch, nil)
			return !s.stopped
		}
		err := s.sync(mailbox, cache)
		if s.st != nil {
			// What was told is kept, whatever ended it, so that it is known
			// to have been there when it is gone the next time.
			if e := cache.Save(context.WithoutCancel(ctx), mailbox, s.st); err == nil {
				err = e
			}
		}
		if err != nil && !s.stopped {
			yield(nil, err)
		}
	}
}

// syncing is one Sync.
type syncing struct {
	c       *Client
	ctx     context.Context
	yield   func(*imap.Change) bool
	st      *MailboxState
	box     *imap.MailboxStatus
	stopped bool
	unread  bool // something did not parse

	flags  map[string][]imap.Flag   // each list once
	seen   map[imap.UID][]imap.Flag // what the server says of messages
	gone   imap.UIDSet              // what it says vanished
	told   bool                     // seen and gone are all there is: QRESYNC
	modseq bool                     // the mailbox keeps mod-sequences
}

func (s *syncing) sync(mailbox string, cache Cache) error {
	st, err := cache.Load(s.ctx, mailbox)
	known := st != nil
	if errors.Is(err, ErrCache) {
		st, err, known = nil, nil, true
	}
	if err != nil {
		return err
	}
	if err := s.open(mailbox, st); err != nil {
		return err
	}
	if st == nil || st.UIDValidity != s.box.UIDValidity {
		if known && !s.yield(&imap.Change{Kind: imap.ChangeVanished, Vanished: imap.UIDs(1, 1<<32-1)}) {
			return nil
		}
		st = &MailboxState{UIDValidity: s.box.UIDValidity}
		clear(s.seen)
		s.gone, s.told = imap.UIDSet{}, false
	}
	s.st = &MailboxState{UIDValidity: st.UIDValidity, ModSeq: st.ModSeq, Messages: slices.Clone(st.Messages)}
	return s.run()
}

// open selects the mailbox by the best that the server offers.
func (s *syncing) open(mailbox string, st *MailboxState) error {
	c := s.c
	if _, err := c.Capabilities(s.ctx); err != nil {
		return err
	}
	o := &SelectOptions{Changed: s.saw, Vanished: s.gone.AddSet}
	q := c.offers(imap.CapQResync) && c.offers(imap.CapEnable) && !c.noQResync
	if q && !c.enabled.Has(imap.CapQResync) {
		if _, err := c.Enable(s.ctx, imap.CapQResync); err != nil {
			if c.Closed() {
				return err
			}
			q = false
		}
	}
	if q && st != nil && st.ModSeq > 0 && st.UIDValidity > 0 {
		o.QResync = &imap.QResync{UIDValidity: st.UIDValidity, ModSeq: st.ModSeq}
		if known := st.uids(); known.NumRanges() <= 200 {
			o.QResync.KnownUIDs = known
		}
	}
	o.CondStore = !q && c.offers(imap.CapCondStore)
	box, err := c.SelectWith(s.ctx, mailbox, o)
	var said *imap.Error
	if errors.As(err, &said) && said.Kind == imap.BAD && (o.QResync != nil || o.CondStore) && !c.Closed() {
		// It offers what it does not know.
		c.noQResync = true
		clear(s.seen)
		s.gone, o.QResync = imap.UIDSet{}, nil
		o.CondStore = q && c.offers(imap.CapCondStore)
		if box, err = c.SelectWith(s.ctx, mailbox, o); errors.As(err, &said) && said.Kind == imap.BAD && o.CondStore && !c.Closed() {
			o.CondStore = false
			box, err = c.SelectWith(s.ctx, mailbox, o)
		}
	}
	if err != nil {
		return err
	}
	s.box = box
	s.modseq = box.HighestModSeq > 0 && c.offers(imap.CapCondStore)
	s.told = o.QResync != nil && s.modseq && box.HighestModSeq >= st.ModSeq
	return nil
}

// saw takes what the server says of a message.
func (s *syncing) saw(m *Message) {
	if m.Has&imapwire.HasFlags == 0 {
		return
	}
	if m.Has&imapwire.HasUID == 0 {
		s.c.changes++ // it can not be told which it is: Watch asks again
		return
	}
	s.seen[m.UID] = s.intern(m.Flags)
}

// intern is a copy of flags in a fixed order, without \Recent, which is the
// session's and not the message's.
func (s *syncing) intern(flags []imap.Flag) []imap.Flag {
	list := make([]imap.Flag, 0, len(flags))
	for _, f := range flags {
		if !f.Equal(imap.FlagRecent) && !imap.HasFlag(list, f) {
			list = append(list, imap.Flag(strings.Clone(string(f.Canonical()))))
		}
	}
	slices.Sort(list)
	var key strings.Builder
	for _, f := range list {
		key.WriteString(strings.ToLower(string(f)))
		key.WriteByte(' ')
	}
	if have, ok := s.flags[key.String()]; ok {
		return have
	}
	if len(s.flags) < 100_000 {
		s.flags[key.String()] = list
	}
	return list
}

func sameFlags(a, b []imap.Flag) bool {
	if len(a) != len(b) {
		return false
	}
	for _, f := range a {
		if !imap.HasFlag(b, f) {
			return false
		}
	}
	return true
}

// last is the highest UID that is known.
func (s *syncing) last() imap.UID {
	if n := len(s.st.Messages); n > 0 {
		return s.st.Messages[n-1].UID
	}
	return 0
}

// batch is how many messages are told of between two commands.
const batch = 1000

// run finds what happened, and yields it.
func (s *syncing) run() error {
	highest := s.box.HighestModSeq
	last := s.last()
	if last > 0 && !s.told {
		if err := s.compare(); err != nil {
			return err
		}
	}
	if !s.vanish(s.gone) || !s.changed(last) {
		return nil
	}
	none := s.told && s.agrees() || s.box.UIDNext > 0 && s.box.UIDNext <= last+1
	if last < 1<<32-1 && s.box.Messages > 0 && !none {
		if err := s.news(imap.UIDs(last+1, imap.Max), last+1); err != nil || s.stopped {
			return err
		}
	}
	if !s.agrees() {
		if err := s.recount(); err != nil || s.stopped {
			return err
		}
	}
	s.st.ModSeq = 0
	if s.modseq {
		s.st.ModSeq = highest
	}
	return nil
}

// agrees reports whether as many messages are known as there are.
func (s *syncing) agrees() bool {
	return !s.unread && int64(s.box.Messages) == int64(len(s.st.Messages))
}

// compare asks for the flags of what is known: of what changed, where the
// server can tell, else of all.
func (s *syncing) compare() error {
	last := s.last()
	if s.box.Messages == 0 {
		s.gone = imap.UIDs(1, last)
		return nil
	}
	o := &FetchOptions{}
	if s.modseq && s.st.ModSeq > 0 && s.box.HighestModSeq >= s.st.ModSeq {
		if s.box.HighestModSeq == s.st.ModSeq {
			return nil
		}
		since := s.st.ModSeq
		o.ChangedSince = &since
	}
	return s.fetch(imap.UIDs(1, last), o, s.saw, imap.FetchFlags)
}

// fetch is Fetch that passes over what does not parse: recount finds it.
func (s *syncing) fetch(set imap.UIDSet, o *FetchOptions, f func(*Message), items ...imap.FetchItem) error {
	for m, err := range s.c.FetchWith(s.ctx, set, o, append([]imap.FetchItem{imap.FetchUID}, items...)...) {
		var parse *imapwire.ParseError
		if errors.As(err, &parse) && !s.c.Closed() {
			s.unread = true
			continue
		}
		if err != nil {
			return err
		}
		f(m)
	}
	return nil
}

// vanish takes messages out of the state and tells of them.
func (s *syncing) vanish(gone imap.UIDSet) bool {
	if gone.Empty() {
		return true
	}
	gone = gone.Normalize()
	var told imap.UIDSet
	left := make([]MessageState, 0, len(s.st.Messages))
	for _, m := range s.st.Messages {
		if gone.Contains(m.UID) {
			told.Add(m.UID)
		} else {
			left = append(left, m)
		}
	}
	if told.Empty() {
		return true
	}
	if !s.yield(&imap.Change{Kind: imap.ChangeVanished, Vanished: told}) {
		return false
	}
	s.st.Messages = left
	return true
}

// changed tells of the known messages whose flags are not those known.
func (s *syncing) changed(last imap.UID) bool {
	for i := range s.st.Messages {
		m := &s.st.Messages[i]
		flags, ok := s.seen[m.UID]
		if !ok || m.UID > last || sameFlags(flags, m.Flags) {
			continue
		}
		if !s.yield(&imap.Change{Kind: imap.ChangeFlags, Message: imap.MessageInfo{UID: m.UID, Flags: slices.Clone(flags)}}) {
			return false
		}
		m.Flags = flags
	}
	return true
}

// news tells of the messages of set from the UID first on that are not known.
func (s *syncing) news(set imap.UIDSet, first imap.UID) error {
	items := []imap.FetchItem{imap.FetchFlags, imap.FetchInternalDate, imap.FetchSize}
	if s.modseq {
		items = append(items, imap.FetchModSeq)
	}
	if s.c.offers(imap.CapObjectID) {
		items = append(items, imap.FetchEmailID, imap.FetchThreadID)
	}
	var found []imap.MessageInfo
	limit := int64(s.box.Messages) + batch
	err := s.fetch(set, nil, func(m *Message) {
		if _, known := s.st.find(m.UID); known || m.UID < first || m.Has&imapwire.HasUID == 0 || int64(len(found)) > limit {
			return
		}
		if m.Has&(imapwire.HasInternalDate|imapwire.HasSize) == 0 && m.Has&imapwire.HasFlags != 0 && set.Count() > 1 {
			s.saw(m) // told unasked
			s.c.changes++
			return
		}
		found = append(found, imap.MessageInfo{
			UID: m.UID, Flags: s.intern(m.Flags), InternalDate: m.InternalDate, Size: m.Size, ModSeq: m.ModSeq,
			EmailID: m.EmailID, ThreadID: m.ThreadID,
		})
	}, items...)
	if err != nil {
		return err
	}
	sort.Slice(found, func(i, j int) bool { return found[i].UID < found[j].UID })
	for i := range found {
		if i > 0 && found[i].UID == found[i-1].UID {
			continue
		}
		if !s.add(&found[i]) {
			return nil
		}
	}
	return nil
}

// add tells of a new message.
func (s *syncing) add(m *imap.MessageInfo) bool {
	at, known := s.st.find(m.UID)
	if known {
		return true
	}
	ch := &imap.Change{Kind: imap.ChangeNew, ModSeq: m.ModSeq, Message: *m}
	ch.Message.Flags = slices.Clone(m.Flags)
	if !s.yield(ch) {
		return false
	}
	s.st.Messages = slices.Insert(s.st.Messages, at, MessageState{UID: m.UID, Flags: m.Flags})
	return true
}

// recount compares the UIDs with those that there are.
func (s *syncing) recount() error {
	var there imap.UIDSet
	if s.box.Messages > 0 {
		found, err := s.c.SearchSet(s.ctx, imap.SearchAll{})
		if err != nil {
			return err
		}
		there = found.Normalize()
		if n := there.Count(); n > int64(s.box.Messages)+batch {
			return s.c.ended(fmt.Errorf("%w: a search found %d messages of %d", ErrProtocol, n, s.box.Messages))
		}
	}
	uids := make([]imap.UID, 0, len(s.st.Messages))
	for i := range s.st.Messages {
		uids = append(uids, s.st.Messages[i].UID)
	}
	var all imap.UIDSet
	all.Add(uids...)
	if !s.vanish(all.Subtract(there)) {
		return nil
	}
	missing := there.Subtract(all)
	if missing.Empty() {
		return nil
	}
	if err := s.news(missing, 1); err != nil || s.stopped {
		return err
	}
	// Those of which the server can not say that much.
	for u := range missing.All() {
		if _, known := s.st.find(u); known {
			continue
		}
		m := imap.MessageInfo{UID: u, Flags: []imap.Flag{}}
		if flags, ok := s.seen[u]; ok {
			m.Flags = flags
		} else if err := s.fetch(imap.UIDs(u, u), nil, func(f *Message) {
			if f.UID == u && f.Has&imapwire.HasFlags != 0 {
				m.Flags = s.intern(f.Flags)
			}
		}, imap.FetchFlags); err != nil {
			return err
		}
		if !s.add(&m) {
			return nil
		}
	}
	return nil
}
