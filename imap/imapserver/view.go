package imapserver

// The selected mailbox as this client knows it: the UIDs behind its sequence
// numbers, and the moments at which it learns of changes.

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// view is a selected mailbox.
type view struct {
	mbox     Mailbox
	name     string
	validity uint32
	readOnly bool

	// uids are the messages in sequence; those in gone are expunged, and the
	// client has not been told.
	uids []imap.UID
	gone imap.UIDSet
	// modseq: everything up to it is in the view, or was told.
	modseq imap.ModSeq
	// recent are the messages with \Recent, recentN their number.
	recent  imap.UIDSet
	recentN uint32
	// What the client was told last.
	toldExists, toldRecent uint32

	flags, permanent []imap.Flag
	uidReplies       bool // a UID command runs: FETCH responses carry the UID
}

// allUIDs is the set of all UIDs there can be, without "*".
func allUIDs() imap.UIDSet { return imap.UIDs(1, math.MaxUint32) }

func (v *view) last() imap.UID {
	if len(v.uids) == 0 {
		return 0
	}
	return v.uids[len(v.uids)-1]
}

// seq is the sequence number of uid, zero where the client does not know it.
func (v *view) seq(uid imap.UID) imap.SeqNum {
	if i, ok := slices.BinarySearch(v.uids, uid); ok {
		return imap.SeqNum(i + 1)
	}
	return 0
}

// span is messages by their places in view.uids, hi excluded.
type span struct{ lo, hi int }

// spans are the messages that a command names. A sequence number that there is
// not is an error; a UID that there is not is none.
func (v *view) spans(set imap.NumSet) ([]span, error) {
	var out []span
	switch set := set.(type) {
	case imap.UIDSet:
		if set.Saved() {
			return nil, errNoneSaved
		}
		for lo, hi := range set.Spans(v.uids) {
			out = append(out, span{lo, hi})
		}
	case imap.SeqSet:
		if set.Saved() {
			return nil, errNoneSaved
		}
		if set.Dynamic() && len(v.uids) == 0 {
			return nil, badf("The mailbox is empty")
		}
		for r := range set.Resolve(imap.SeqNum(len(v.uids))).Ranges() {
			if int64(r.Last) > int64(len(v.uids)) {
				return nil, badf("No message %d: there are %d", r.Last, len(v.uids))
			}
			out = append(out, span{int(r.First) - 1, int(r.Last)})
		}
	}
	return out, nil
}

// set is the UIDs of spans, a range for each: between two messages that the
// client knows there are none but those that are gone.
func (v *view) set(spans []span) imap.UIDSet {
	var s imap.UIDSet
	for _, sp := range spans {
		s.AddRange(v.uids[sp.lo], v.uids[sp.hi-1])
	}
	return s
}

// chunks cuts spans into pieces of at most n messages.
func chunks(spans []span, n int) iter.Seq[[]span] {
	return func(yield func([]span) bool) {
		var piece []span
		room := n
		for _, sp := range spans {
			for sp.lo < sp.hi {
				k := min(room, sp.hi-sp.lo)
				piece = append(piece, span{sp.lo, sp.lo + k})
				sp.lo += k
				if room -= k; room == 0 {
					if !yield(piece) {
						return
					}
					piece, room = piece[:0], n
				}
			}
		}
		if len(piece) > 0 {
			yield(piece)
		}
	}
}

func count(spans []span) int {
	n := 0
	for _, sp := range spans {
		n += sp.hi - sp.lo
	}
	return n
}

// add takes in a message that came.
func (v *view) add(m *imap.MessageInfo) {
	v.uids = append(v.uids, m.UID)
	if imap.HasFlag(m.Flags, imap.FlagRecent) {
		v.recent.Add(m.UID)
		v.recentN++
	}
}

// noted says what update does with the flags of a message: nil tells all.
type noted func(m *imap.MessageInfo) (tell bool)

// update tells the client what happened since it was told last: flags, new
// messages and, where expunge allows it, messages that went (RFC 3501 section
// 7.4.1). note sees each message whose flags changed.
func (s *session) update(ctx context.Context, expunge bool, note noted) error {
	v := s.view
	err := s.collect(ctx, note)
	if errors.Is(err, ErrHistoryLost) {
		err = s.rescan(ctx, note)
	}
	if err != nil {
		return s.viewError(err)
	}
	if expunge {
		s.tellExpunges()
	}
	if n := uint32(len(v.uids)); n != v.toldExists {
		v.toldExists = n
		s.put(&imapwire.ExistsData{Count: n})
	}
	if n := v.recentN; n != v.toldRecent {
		v.toldRecent = n
		s.put(&imapwire.RecentData{Count: n})
	}
	return nil
}

// viewError ends the session where the selected mailbox no longer exists.
func (s *session) viewError(err error) error {
	if errors.Is(err, imap.ErrNoMailbox) {
		return &imap.Error{Kind: imap.BYE, Code: imap.CodeNonExistent, Text: "The selected mailbox was deleted"}
	}
	return err
}

// collect takes in the changes since the last time.
func (s *session) collect(ctx context.Context, note noted) error {
	v := s.view
	last, highest := v.last(), v.modseq
	// They come in any order: those that are new by the UID are put in order,
	// and what is over is over when all is known.
	var fresh []imap.MessageInfo
	var gone imap.UIDSet
	for ch, err := range v.mbox.Changes(ctx, v.modseq) {
		if err != nil {
			return err
		}
		switch ch.Kind {
		case imap.ChangeNew, imap.ChangeFlags:
			if ch.Message.UID <= last {
				s.tellFlags(&ch.Message, note)
				break
			}
			m := imap.MessageInfo{UID: ch.Message.UID}
			if imap.HasFlag(ch.Message.Flags, imap.FlagRecent) {
				m.Flags = recentAlone
			}
			fresh = append(fresh, m)
		case imap.ChangeVanished:
			gone.AddSet(ch.Vanished)
		}
		highest = max(highest, ch.ModSeq)
	}
	slices.SortStableFunc(fresh, func(a, b imap.MessageInfo) int { return cmp.Compare(a.UID, b.UID) })
	for i := range fresh {
		if fresh[i].UID > v.last() {
			v.add(&fresh[i])
		}
	}
	if !gone.Empty() {
		v.vanish(gone)
	}
	v.modseq = highest
	return nil
}

var recentAlone = []imap.Flag{imap.FlagRecent}

// vanish notes those of set that the client knows.
func (v *view) vanish(set imap.UIDSet) {
	for lo, hi := range set.Normalize().Spans(v.uids) {
		v.gone.AddRange(v.uids[lo], v.uids[hi-1])
	}
}

// rescan compares the whole mailbox with the view, the history being lost.
func (s *session) rescan(ctx context.Context, note noted) error {
	v := s.view
	st, err := v.mbox.Status(ctx)
	if err != nil {
		return err
	}
	i, known := 0, len(v.uids)
	var gone imap.UIDSet
	for m, err := range v.mbox.Messages(ctx, allUIDs()) {
		if err != nil {
			return err
		}
		for i < known && v.uids[i] < m.UID {
			gone.Add(v.uids[i])
			i++
		}
		switch {
		case i < known && v.uids[i] == m.UID:
			i++
			if m.ModSeq == 0 || m.ModSeq > v.modseq {
				s.tellFlags(m, note)
			}
		case m.UID > v.last():
			v.add(m)
		}
	}
	for ; i < known; i++ {
		gone.Add(v.uids[i])
	}
	v.gone.AddSet(gone)
	v.modseq = st.HighestModSeq
	return nil
}

// tellFlags sends the flags of a message that the client knows, and FLAGS
// before it where there are new ones.
func (s *session) tellFlags(m *imap.MessageInfo, note noted) {
	v := s.view
	seq := v.seq(m.UID)
	if seq == 0 || uint32(seq) > v.toldExists {
		return
	}
	if note != nil && !note(m) {
		s.announce(m.Flags)
		return
	}
	s.sendFlags(seq, m.UID, m.Flags)
}

func (s *session) sendFlags(seq imap.SeqNum, uid imap.UID, flags []imap.Flag) {
	s.announce(flags)
	s.enc.Begin(seq)
	if s.view.uidReplies {
		s.enc.UID(uid)
	}
	s.enc.Flags(flags)
	s.endFetch()
}

// endFetch ends a FETCH response and sends what was gathered.
func (s *session) endFetch() {
	if err := s.enc.End(); err != nil {
		s.c.Log.Warn("a response that cannot be sent", "error", err)
	}
	s.sendFetch()
}

func (s *session) sendFetch() {
	s.begun = true
	s.write(s.enc.Buf)
	if s.enc.Buf = s.enc.Buf[:0]; cap(s.enc.Buf) > 64<<10 {
		s.enc.Buf = nil
	}
}

// announce sends FLAGS and PERMANENTFLAGS again where there is a keyword among
// flags that the client was not told of.
func (s *session) announce(flags []imap.Flag) {
	v := s.view
	known := len(v.flags)
	for _, f := range flags {
		if f.System() || imap.HasFlag(v.flags, f) {
			continue
		}
		v.flags = append(v.flags, f)
		if !v.readOnly && !imap.HasFlag(v.permanent, f) && imap.HasFlag(v.permanent, imap.FlagWildcard) {
			v.permanent = slices.Insert(v.permanent, len(v.permanent)-1, f)
		}
	}
	if len(v.flags) > known {
		s.tellFlagLists()
	}
}

func (s *session) tellFlagLists() {
	s.put(&imapwire.FlagsData{Flags: s.view.flags})
	s.status("", imap.OK, imap.CodePermanentFlags{Flags: s.view.permanent}, "Flags permitted")
}

// tellExpunges sends EXPUNGE for the messages that went, from the last to the
// first, so that no number depends on another.
func (s *session) tellExpunges() {
	v := s.view
	if v.gone.Empty() {
		return
	}
	var spans []span
	for lo, hi := range v.gone.Spans(v.uids) {
		spans = append(spans, span{lo, hi})
	}
	told := uint32(0)
	for _, sp := range slices.Backward(spans) {
		for i := sp.hi; i > sp.lo; i-- {
			if uint32(i) <= v.toldExists {
				s.put(&imapwire.ExpungeData{Seq: imap.SeqNum(i)})
				told++
			}
		}
	}
	v.toldExists -= told
	w := spans[0].lo
	for k, sp := range spans {
		end := len(v.uids)
		if k+1 < len(spans) {
			end = spans[k+1].lo
		}
		w += copy(v.uids[w:], v.uids[sp.hi:end])
	}
	v.uids = v.uids[:w]
	if !v.recent.Empty() {
		v.recent = v.recent.Subtract(v.gone)
		v.recentN = uint32(v.recent.Count())
	}
	v.gone = imap.UIDSet{}
}
