package imapserver

// STORE, COPY, MOVE and EXPUNGE.

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// storeChunk is how many messages one call of a Backend's Store gets.
const storeChunk = 512

// flagged is a message whose flags are about to be changed.
type flagged struct {
	uid  imap.UID
	seq  imap.SeqNum
	have []imap.Flag
	told bool
}

func (s *session) store(ctx context.Context, a *imapwire.Store) (result, error) {
	v := s.view
	if a.Change.UnchangedSince != nil {
		return result{}, badf("Unknown STORE modifier")
	}
	spans, err := v.spans(a.Set)
	if err != nil {
		return result{}, err
	}
	if v.readOnly {
		return result{}, errReadOnly
	}
	change := a.Change
	if err := s.fewFlags(change.Flags); err != nil {
		return result{}, err
	}
	change.Flags = slices.Clone(change.Flags)
	for i, f := range change.Flags {
		if change.Flags[i] = f.Canonical(); f.Equal(imap.FlagRecent) || f == imap.FlagWildcard {
			return result{}, badf("%s cannot be stored", f)
		}
	}
	v.uidReplies = a.ByUID()
	defer func() { v.uidReplies = false }()
	if a.Silent {
		// What others did before is told, what this command does is not.
		if err := s.update(ctx, false, nil); err != nil {
			return result{}, err
		}
	}
	missing := false
	for piece := range chunks(spans, storeChunk) {
		list, err := s.flagsOf(ctx, piece)
		if err != nil {
			return result{}, err
		}
		missing = missing || len(list) < count(piece)
		if _, err := v.mbox.Store(ctx, v.set(piece), &change); err != nil {
			return result{}, err
		}
		err = s.update(ctx, false, func(m *imap.MessageInfo) bool {
			i, ok := findFlagged(list, m.UID)
			if !ok {
				return true
			}
			list[i].told = true
			return !a.Silent || !sameFlags(m.Flags, change.Apply(nil, list[i].have))
		})
		if err != nil {
			return result{}, err
		}
		if a.Silent {
			continue
		}
		gone := slices.Collect(v.gone.Normalize().Ranges())
		for _, f := range list {
			if !f.told && !inRanges(gone, f.uid) {
				s.sendFlags(f.seq, f.uid, f.have)
			}
		}
	}
	if missing && !a.ByUID() {
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodeExpungeIssued, Text: "Some of the messages no longer exist"}
	}
	return result{}, nil
}

// fewFlags refuses more flags than there may be: to compare them costs the
// square of their number, for each message.
func (s *session) fewFlags(flags []imap.Flag) error {
	if l := s.srv.Limits.Flags; len(flags) > l {
		return &imap.Error{Kind: imap.NO, Code: imap.CodeLimit, Text: fmt.Sprintf("More than %d flags", l)}
	}
	return nil
}

// flagsOf reads the flags of messages.
func (s *session) flagsOf(ctx context.Context, piece []span) ([]flagged, error) {
	v := s.view
	list := make([]flagged, 0, count(piece))
	for m, err := range v.mbox.Messages(ctx, v.set(piece)) {
		if err != nil {
			return nil, err
		}
		if seq := v.seq(m.UID); seq != 0 {
			list = append(list, flagged{uid: m.UID, seq: seq, have: slices.Clone(m.Flags)})
		}
	}
	return list, nil
}

func findFlagged(list []flagged, uid imap.UID) (int, bool) {
	return slices.BinarySearchFunc(list, uid, func(f flagged, u imap.UID) int {
		switch {
		case f.uid < u:
			return -1
		case f.uid > u:
			return 1
		}
		return 0
	})
}

// sameFlags reports whether a and b, neither of which holds a flag twice, are
// the same flags in any order.
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

// copyCode is COPYUID, where the Backend says it.
func copyCode(r *imap.CopyResult) imap.Code {
	if r == nil || r.Source.Empty() || r.Dest.Empty() || r.UIDValidity == 0 {
		return nil
	}
	return imap.CodeCopyUID{CopyResult: *r}
}

// tryCreate is err, with TRYCREATE for a destination that does not exist.
func tryCreate(err error) error {
	if errors.Is(err, imap.ErrNoMailbox) {
		return imap.ErrTryCreate
	}
	return err
}

func (s *session) copy(ctx context.Context, a *imapwire.Copy) (result, error) {
	spans, dest, err := s.copyArgs(ctx, a.Set, a.Mailbox)
	if err != nil || len(spans) == 0 {
		return result{}, err
	}
	r, err := s.view.mbox.Copy(ctx, s.view.set(spans), dest)
	if err != nil {
		return result{}, tryCreate(err)
	}
	return result{copyCode(r), "COPY completed"}, nil
}

// copyArgs resolves the arguments of COPY and MOVE. Where the set names no
// messages the destination must exist all the same.
func (s *session) copyArgs(ctx context.Context, set imap.NumSet, to string) ([]span, string, error) {
	spans, err := s.view.spans(set)
	if err != nil {
		return nil, "", err
	}
	dest, err := s.name(ctx, to)
	if err != nil {
		return nil, "", err
	}
	if len(spans) == 0 {
		mbox, err := s.sess.Mailbox(ctx, dest, Access)
		if err != nil {
			return nil, "", tryCreate(err)
		}
		return nil, dest, mbox.Close()
	}
	return spans, dest, nil
}

// move is MOVE. COPYUID comes before the EXPUNGEs (RFC 6851 section 4.3).
func (s *session) move(ctx context.Context, a *imapwire.Move) (result, error) {
	mover, ok := s.sess.(Mover)
	if !ok {
		return result{}, errUnknown
	}
	spans, dest, err := s.copyArgs(ctx, a.Set, a.Mailbox)
	if err == nil && s.view.readOnly {
		err = errReadOnly
	}
	if err != nil || len(spans) == 0 {
		return s.updated(ctx, result{}, err, true)
	}
	r, err := mover.Move(ctx, s.view.mbox, s.view.set(spans), dest)
	if code := copyCode(r); code != nil {
		s.status("", imap.OK, code, "Moved")
	}
	return s.updated(ctx, result{}, tryCreate(err), true)
}

func (s *session) expunge(ctx context.Context, a *imapwire.Expunge) error {
	v := s.view
	if v.readOnly {
		return errReadOnly
	}
	if len(v.uids) == 0 {
		return nil
	}
	set := imap.UIDs(1, v.last())
	if !a.UIDs.Empty() {
		spans, err := v.spans(a.UIDs)
		if err != nil || len(spans) == 0 {
			return err
		}
		set = v.set(spans)
	}
	return v.mbox.Expunge(ctx, set)
}
