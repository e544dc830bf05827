package imapserver

// SELECT, EXAMINE, CLOSE and STATUS.

import (
	"context"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// closeView leaves the selected mailbox. Nothing is expunged.
func (s *session) closeView() {
	if s.view == nil {
		return
	}
	mbox := s.view.mbox
	s.view = nil
	if err := mbox.Close(); err != nil {
		s.c.Log.Warn("closing a mailbox of the backend", "error", err)
	}
}

// closeMailbox is CLOSE: it expunges and tells nothing of it.
func (s *session) closeMailbox(ctx context.Context) error {
	v := s.view
	var err error
	if !v.readOnly && len(v.uids) > 0 {
		err = v.mbox.Expunge(ctx, imap.UIDs(1, v.last()))
	}
	s.closeView()
	return err
}

func (s *session) selectMailbox(ctx context.Context, a *imapwire.Select) (result, error) {
	if a.CondStore || a.QResync != nil {
		return result{}, badf("Unknown SELECT parameter")
	}
	s.closeView()
	name, err := s.name(ctx, a.Mailbox)
	if err != nil {
		return result{}, err
	}
	mode := Select
	if a.ReadOnly {
		mode = Examine
	}
	mbox, err := s.sess.Mailbox(ctx, name, mode)
	if err != nil {
		return result{}, err
	}
	v := &view{mbox: mbox, name: name, readOnly: a.ReadOnly}
	if err := s.load(ctx, v); err != nil {
		_ = mbox.Close()
		return result{}, err
	}
	s.view = v
	if v.readOnly {
		return result{imap.CodeReadOnly, a.CommandName() + " completed"}, nil
	}
	return result{imap.CodeReadWrite, a.CommandName() + " completed"}, nil
}

// load reads a mailbox into v and sends what SELECT must.
func (s *session) load(ctx context.Context, v *view) error {
	st, err := v.mbox.Status(ctx)
	if err != nil {
		return err
	}
	v.validity, v.modseq = st.UIDValidity, st.HighestModSeq
	v.uids = make([]imap.UID, 0, min(st.Messages, 1<<20)+16)
	unseen := imap.SeqNum(0)
	var last imap.UID
	v.flags = append(v.flags, st.Flags...)
	known := len(v.flags)
	for m, err := range v.mbox.Messages(ctx, allUIDs()) {
		if err != nil {
			return err
		}
		if m.UID <= last {
			continue
		}
		last = m.UID
		v.add(m)
		seen := false
		for _, f := range m.Flags {
			switch {
			case f == imap.FlagSeen:
				seen = true
			case !f.System() && !imap.HasFlag(v.flags, f):
				v.flags = append(v.flags, f)
			}
		}
		if unseen == 0 && !seen && !imap.HasFlag(m.Flags, imap.FlagSeen) {
			unseen = imap.SeqNum(len(v.uids))
		}
	}
	v.readOnly = v.readOnly || st.ReadOnly
	if !v.readOnly {
		v.permanent = append(v.permanent, st.PermanentFlags...)
		for _, f := range v.flags[known:] {
			if imap.HasFlag(v.permanent, imap.FlagWildcard) && !imap.HasFlag(v.permanent, f) {
				v.permanent = append([]imap.Flag{f}, v.permanent...)
			}
		}
	}
	v.toldExists, v.toldRecent = uint32(len(v.uids)), v.recentN
	s.put(&imapwire.FlagsData{Flags: v.flags})
	s.put(&imapwire.ExistsData{Count: v.toldExists})
	s.put(&imapwire.RecentData{Count: v.toldRecent})
	if unseen != 0 {
		s.status("", imap.OK, imap.CodeNumber{Name: imap.CodeUnseen, N: uint64(unseen)}, "First unseen message")
	}
	s.status("", imap.OK, imap.CodePermanentFlags{Flags: v.permanent}, "Flags permitted")
	s.status("", imap.OK, imap.CodeNumber{Name: imap.CodeUIDValidity, N: uint64(st.UIDValidity)}, "UIDs valid")
	next := max(uint64(st.UIDNext), uint64(last)+1)
	s.status("", imap.OK, imap.CodeNumber{Name: imap.CodeUIDNext, N: next}, "Predicted next UID")
	return nil
}

// statusItems are the items of STATUS that there are.
var statusItems = [...]imap.StatusItem{
	imap.StatusMessages, imap.StatusRecent, imap.StatusUIDNext, imap.StatusUIDValidity, imap.StatusUnseen,
	imap.StatusAppendLimit,
}

func checkStatusItems(items []imap.StatusItem) error {
next:
	for _, i := range items {
		for _, k := range statusItems {
			if i.Equal(k) {
				continue next
			}
		}
		return badf("Unknown STATUS item %s", i)
	}
	return nil
}

func (s *session) statusCommand(ctx context.Context, a *imapwire.Status) error {
	if err := checkStatusItems(a.Items); err != nil {
		return err
	}
	name, err := s.name(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	return s.sendStatus(ctx, name, a.Items)
}

func (s *session) sendStatus(ctx context.Context, name string, items []imap.StatusItem) error {
	mbox, err := s.sess.Mailbox(ctx, name, Access)
	if err != nil {
		return err
	}
	defer mbox.Close()
	st, err := mbox.Status(ctx)
	if err != nil {
		return err
	}
	d := imapwire.StatusData{MailboxStatus: *st}
	d.Name, d.Items, d.Extended = name, items, nil
	limit := s.srv.Limits.Append
	if st.AppendLimit != nil {
		limit = min(limit, *st.AppendLimit)
	}
	d.AppendLimit = &limit
	s.put(&d)
	return nil
}
