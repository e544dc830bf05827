package maildir

// A folder that is open, and what can be read of it.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sort"
	"time"
)

var (
	// ErrHistoryLost is wrapped where changes are asked for that are
	// forgotten: read all messages instead.
	ErrHistoryLost = errors.New("the history does not go back that far")
	// ErrExpunged is wrapped where a message is gone.
	ErrExpunged = errors.New("the message is gone")
	// ErrReset is wrapped, with ErrNoFolder, where the UIDVALIDITY of a folder
	// changed while it was open: the UIDs that were learned mean nothing now.
	ErrReset = fmt.Errorf("the folder has new UIDs: %w", ErrNoFolder)
)

// Mode is what a folder is opened for.
type Mode uint8

const (
	// ReadOnly claims no message as recent. All else is allowed.
	ReadOnly Mode = iota
	// ReadWrite is for SELECT: messages that are recent to nobody become
	// recent to this Folder whenever it learns of them, and are moved from
	// new to cur.
	ReadWrite
)

// Folder is an open folder. It is safe for concurrent use. After the folder
// was deleted or renamed the errors of all methods wrap ErrNoFolder.
type Folder struct {
	store    *Store
	b        *box
	dir      string
	name     string
	mode     Mode
	validity uint32
	closed   bool
	mine     []Range // recent to this Folder; of b.mu
}

// Range is the UIDs from First to Last.
type Range struct{ First, Last uint32 }

// All is every message.
var All = Range{1, 1<<32 - 1}

// Folder opens a folder.
func (s *Store) Folder(ctx context.Context, name string, mode Mode) (*Folder, error) {
	dir, name, err := dirOfName(name)
	if err != nil {
		return nil, err
	}
	if !s.exists(dir) && dir != "" {
		return nil, fmt.Errorf("maildir: open %q: %w", name, ErrNoFolder)
	}
	b, err := s.acquire(dir, name)
	if err != nil {
		return nil, err
	}
	f := &Folder{store: s, b: b, dir: dir, name: name, mode: mode}
	if err := b.refresh(ctx, false); err != nil {
		s.release(b, dir)
		return nil, err
	}
	b.mu.Lock()
	if b.loaded() {
		f.validity = b.st.uidValidity
	}
	b.mu.Unlock()
	if err := f.refresh(ctx); err != nil {
		s.release(b, dir)
		return nil, err
	}
	return f, nil
}

// Close releases the folder. It expunges nothing.
func (f *Folder) Close() error {
	f.b.mu.Lock()
	closed := f.closed
	f.closed = true
	f.b.mu.Unlock()
	if !closed {
		f.store.release(f.b, f.dir)
	}
	return nil
}

// Name is the name the folder was opened by, INBOX in capitals.
func (f *Folder) Name() string { return f.name }

// UIDValidity is the UIDVALIDITY of the folder. It does not change as long as
// it is open.
func (f *Folder) UIDValidity() uint32 { return f.validity }

// lock takes b.mu. The state can be used if there is no error.
func (f *Folder) lock() error {
	f.b.mu.Lock()
	err := f.check()
	if err != nil {
		f.b.mu.Unlock()
	}
	return err
}

func (f *Folder) check() error {
	switch {
	case f.closed:
		return fmt.Errorf("maildir: folder %q: %w", f.name, ErrClosed)
	case !f.b.loaded() || f.b.st.uidValidity != f.validity:
		return fmt.Errorf("maildir: folder %q: %w", f.name, ErrReset)
	}
	return nil
}

// view calls read with b.mu held, when all UIDs of the state are durable.
func (f *Folder) view(ctx context.Context, read func(st *state)) error {
	b := f.b
	for tries := 0; ; tries++ {
		if tries == 2 {
			// Messages come faster than they are synced: let none come.
			select {
			case b.sem <- struct{}{}:
				defer func() { <-b.sem }()
			case <-ctx.Done():
				return fmt.Errorf("maildir: folder %q: %w", f.name, context.Cause(ctx))
			}
		}
		if err := f.lock(); err != nil {
			return err
		}
		if b.durable >= b.st.uidNext {
			read(b.st)
			b.mu.Unlock()
			return nil
		}
		b.mu.Unlock()
		if err := b.syncLog.do(b.makeDurable); err != nil {
			return fmt.Errorf("maildir: sync %s: %w", b.join(indexFile), err)
		}
	}
}

// refresh learns what others did, and claims what is recent.
func (f *Folder) refresh(ctx context.Context) error {
	if err := f.b.refresh(ctx, false); err != nil {
		return err
	}
	if err := f.lock(); err != nil {
		return err
	}
	claim := f.mode == ReadWrite && f.b.st.firstRecent < f.b.st.uidNext
	f.b.mu.Unlock()
	if !claim {
		return nil
	}
	if err := f.update(ctx, func(t *tx) error { return f.claim(t) }); err != nil {
		return err
	}
	return f.b.reveal(ctx)
}

// update is box.update for the folder that was opened.
func (f *Folder) update(ctx context.Context, change func(*tx) error) error {
	return f.b.update(ctx, false, func(t *tx) error {
		if err := f.lock(); err != nil {
			return err
		}
		f.b.mu.Unlock()
		return change(t)
	})
}

// claim makes this Folder the one to which messages are recent, and moves
// them to cur.
func (f *Folder) claim(t *tx) error {
	st := f.b.st
	first, next := st.firstRecent, st.uidNext
	if first >= next {
		return nil
	}
	for i := st.search(first); i < len(st.msgs); i++ {
		m := st.msgs[i]
		if m.bits&inCur != 0 {
			continue
		}
		// One that an outsider renamed is found by the next look.
		// One whose name has no room for flags stays in new.
		if err := t.move(&m, m.flags, m.keywords, m.modseq); err != nil && !isGone(err) {
			f.store.log("maildir: a message stays in new", f.b.path, err)
		}
	}
	t.f.add(appendOp(t.f.op(), opRecent, uint64(next)))
	if err := t.commit(); err != nil {
		return err
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if n := len(f.mine); n > 0 && f.mine[n-1].Last+1 == first {
		f.mine[n-1].Last = next - 1
	} else {
		f.mine = append(f.mine, Range{first, next - 1})
	}
	return nil
}

// Refresh reads the directories even if they seem unchanged.
func (f *Folder) Refresh(ctx context.Context) error {
	if err := f.b.refresh(ctx, true); err != nil {
		return err
	}
	return f.refresh(ctx)
}

// Status is a folder as a whole.
type Status struct {
	UIDValidity   uint32
	UIDNext       uint32
	Messages      int
	Unseen        int
	Deleted       int
	FirstUnseen   uint32 // UID of the first message without Seen, 0 if there is none
	Recent        int    // recent to this Folder; of a ReadOnly one: to nobody yet
	HighestModSeq uint64
	Keywords      []string // those that can be on messages
	KeywordRoom   bool     // whether another keyword can be made
}

// Status brings the Folder up to date and describes it.
func (f *Folder) Status(ctx context.Context) (Status, error) {
	if err := f.refresh(ctx); err != nil {
		return Status{}, err
	}
	var s Status
	err := f.view(ctx, func(st *state) { s = f.status(st) })
	return s, err
}

func (f *Folder) status(st *state) Status {
	s := Status{
		UIDValidity: st.uidValidity, UIDNext: st.uidNext, Messages: len(st.msgs), Unseen: st.unseen,
		Deleted: st.deleted, FirstUnseen: st.first(), HighestModSeq: st.highest,
	}
	for _, k := range st.keywords {
		if k != "" {
			s.Keywords = append(s.Keywords, k)
		}
	}
	s.KeywordRoom = len(s.Keywords) < MaxKeywords || st.freeKeywords(&st.keywords) != 0
	if f.mode == ReadWrite {
		for _, r := range f.mine {
			s.Recent += st.search(r.Last+1) - st.search(r.First)
		}
	} else {
		s.Recent = len(st.msgs) - st.search(st.firstRecent)
	}
	return s
}

// Size is the octets of all messages, as [Message].Size counts them.
func (f *Folder) Size(ctx context.Context) (int64, error) {
	if err := f.refresh(ctx); err != nil {
		return 0, err
	}
	for {
		if err := f.lock(); err != nil {
			return 0, err
		}
		size, unsized := f.b.st.size, f.b.st.unsized
		var uids []uint32
		if unsized > 0 {
			for i := range f.b.st.msgs {
				if f.b.st.msgs[i].size < 0 {
					if uids = append(uids, f.b.st.msgs[i].uid); len(uids) == chunk {
						break
					}
				}
			}
		}
		f.b.mu.Unlock()
		if len(uids) == 0 {
			return size, nil
		}
		if err := f.measure(ctx, uids); err != nil {
			return 0, err
		}
	}
}

// Message is what is known of a message.
type Message struct {
	UID    uint32
	Flags  Flags
	Recent bool
	// Keywords is shared and must not be changed.
	Keywords []string
	ModSeq   uint64
	Date     time.Time // when it came (the internal date), in seconds
	Size     int64     // octets, with CRLF line ends
}

// message describes m. b.mu is held.
func (f *Folder) message(m *message) Message {
	recent := m.uid >= f.b.st.firstRecent
	if f.mode == ReadWrite {
		i, _ := slices.BinarySearchFunc(f.mine, m.uid, func(r Range, uid uint32) int { return cmp.Compare(r.Last, uid) })
		recent = i < len(f.mine) && f.mine[i].First <= m.uid
	}
	return Message{
		UID: m.uid, Flags: m.flags, Recent: recent, Keywords: f.b.keywordList(m.keywords),
		ModSeq: m.modseq, Date: time.Unix(m.date, 0), Size: m.size,
	}
}

// keywordList is the keywords of a mask. b.mu is held.
func (b *box) keywordList(mask uint64) []string {
	if mask == 0 {
		return nil
	}
	list, ok := b.views[mask]
	if !ok {
		for k := mask; k != 0; k &= k - 1 {
			if name := b.st.keywords[bits.TrailingZeros64(k)]; name != "" {
				list = append(list, name)
			}
		}
		list = slices.Clip(list)
		if b.views == nil {
			b.views = make(map[uint64][]string)
		}
		b.views[mask] = list
	}
	return list
}

// chunk is the number of messages that are described at a time.
const chunk = 256

// Messages brings the Folder up to date and yields its messages in ranges,
// which ascend, by ascending UID. One that comes, changes or goes meanwhile
// is yielded in either state, or not.
func (f *Folder) Messages(ctx context.Context, ranges ...Range) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := f.refresh(ctx); err != nil {
			yield(Message{}, err)
			return
		}
		var list [chunk]Message
		for _, r := range ranges {
			for next := max(r.First, 1); next != 0 && next <= r.Last; {
				n, unsized, err := f.describe(ctx, list[:], next, r.Last)
				if err == nil && len(unsized) > 0 {
					if err = f.measure(ctx, unsized); err == nil {
						n, _, err = f.describe(ctx, list[:], next, r.Last)
					}
				}
				if err == nil {
					err = context.Cause(ctx)
				}
				if err != nil {
					yield(Message{}, err)
					return
				}
				for i := range list[:n] {
					if list[i].Size < 0 {
						continue // gone before it was measured
					}
					if !yield(list[i], nil) {
						return
					}
				}
				if n < len(list) {
					break
				}
				next = list[n-1].UID + 1
			}
		}
	}
}

func (f *Folder) describe(ctx context.Context, list []Message, first, last uint32) (n int, unsized []uint32, err error) {
	err = f.view(ctx, func(st *state) {
		for i := st.search(first); i < len(st.msgs) && n < len(list) && st.msgs[i].uid <= last; i++ {
			m := &st.msgs[i]
			list[n] = f.message(m)
			if m.size < 0 {
				unsized = append(unsized, m.uid)
			}
			n++
		}
	})
	return n, unsized, err
}

// measure finds the sizes of messages by reading them, and keeps them.
func (f *Folder) measure(ctx context.Context, uids []uint32) error {
	sizes := make(map[uint32]int64, len(uids))
	for _, uid := range uids {
		if err := ctx.Err(); err != nil {
			return err
		}
		file, _, err := f.open(ctx, uid)
		if errors.Is(err, ErrExpunged) {
			continue
		}
		if err != nil {
			return err
		}
		_, wire, err := count(file)
		file.Close()
		if err != nil {
			return fmt.Errorf("maildir: message %d of %q: %w", uid, f.name, err)
		}
		sizes[uid] = wire
	}
	return f.update(ctx, func(t *tx) error {
		for uid, size := range sizes {
			if i, ok := f.b.st.find(uid); ok && f.b.st.msgs[i].size != size {
				t.f.add(appendOp(t.f.op(), opSize, uint64(uid), uint64(size)))
			}
		}
		return nil
	})
}

// Change is what happened to a message.
type Change struct {
	// Message is as it is now; of one that is gone, UID and ModSeq.
	Message
	Expunged bool
}

// Changes brings the Folder up to date and yields the messages that came or
// changed, and the UIDs of those that went, after the mod-sequence since. The
// error wraps ErrHistoryLost where some that went may be forgotten. With
// nothing new it costs three calls of stat(2).
func (f *Folder) Changes(ctx context.Context, since uint64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		err := f.refresh(ctx)
		var list []Change
		if err == nil {
			list, err = f.changes(ctx, since)
		}
		if err == nil {
			var unsized []uint32
			for i := range list {
				if !list[i].Expunged && list[i].Size < 0 {
					unsized = append(unsized, list[i].UID)
				}
			}
			if len(unsized) > 0 {
				if err = f.measure(ctx, unsized); err == nil {
					list, err = f.changes(ctx, since)
				}
			}
		}
		if err != nil {
			yield(Change{}, err)
			return
		}
		for _, c := range list {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (f *Folder) changes(ctx context.Context, since uint64) (list []Change, err error) {
	if e := f.view(ctx, func(st *state) { list, err = f.changesOf(st, since) }); e != nil {
		return nil, e
	}
	return list, err
}

func (f *Folder) changesOf(st *state, since uint64) (list []Change, err error) {
	if since >= st.highest {
		return nil, nil
	}
	if since < st.floor {
		return nil, fmt.Errorf("maildir: folder %q: changes since %d, known since %d: %w", f.name, since, st.floor, ErrHistoryLost)
	}
	after := func(all []tombstone) []tombstone {
		i := sort.Search(len(all), func(i int) bool { return all[i].modseq > since })
		return all[i:]
	}
	for _, t := range after(st.gone) {
		list = append(list, Change{Message: Message{UID: t.uid, ModSeq: t.modseq}, Expunged: true})
	}
	if since < st.ringFloor {
		for i := range st.msgs {
			if st.msgs[i].modseq > since {
				list = append(list, Change{Message: f.message(&st.msgs[i])})
			}
		}
		return list, nil
	}
	var uids []uint32
	for _, t := range after(st.ring) {
		uids = append(uids, t.uid)
	}
	slices.Sort(uids)
	for _, uid := range slices.Compact(uids) {
		if i, ok := st.find(uid); ok {
			list = append(list, Change{Message: f.message(&st.msgs[i])})
		}
	}
	return list, nil
}

// Wait blocks until something happened after the mod-sequence since, or ctx
// ends. It learns at once of what is done in this process, and within
// [Options].Poll of what others do. It may return early.
func (f *Folder) Wait(ctx context.Context, since uint64) error {
	if err := f.lock(); err != nil {
		return err
	}
	f.b.mu.Unlock()
	return f.b.wait(ctx, f.validity, since)
}
