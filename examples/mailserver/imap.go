package main

// The Maildir tree as IMAP mailboxes.

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/examples/mailserver/maildir"
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/sasl"
)

// mailboxes is the imapserver.Backend.
type mailboxes struct{ *mailserver }

func (b *mailboxes) Open(_ context.Context, id sasl.Identity, _ *imapserver.Conn) (imapserver.Session, error) {
	m, err := b.store.account(b.accounts.login(id.Name()))
	if err != nil {
		return nil, err
	}
	return &imapSession{m.Store}, nil
}

// said is an error in the client's terms, where it is one that the client
// should know.
func said(err error) error {
	code := imap.CodeCannot
	switch {
	case err == nil:
		return nil
	case errors.Is(err, maildir.ErrNoFolder):
		return imap.ErrNoMailbox
	case errors.Is(err, maildir.ErrExists):
		return imap.ErrMailboxExists
	case errors.Is(err, maildir.ErrExpunged):
		return imapserver.ErrExpunged
	case errors.Is(err, maildir.ErrHistoryLost):
		return imapserver.ErrHistoryLost
	case errors.Is(err, maildir.ErrHasChildren):
		code = imap.CodeHasChildren
	case errors.Is(err, maildir.ErrName), errors.Is(err, maildir.ErrKeyword):
	default:
		return err
	}
	return &imap.Error{Kind: imap.NO, Code: code, Text: err.Error()}
}

// imapSession is the imapserver.Session, with its Mover.
type imapSession struct{ store *maildir.Store }

const delimiter = '/'

// uses are the names that mail programs know special mailboxes by, at the top
// of the hierarchy.
var uses = map[string]imap.MailboxAttr{
	"archive": imap.AttrArchive, "drafts": imap.AttrDrafts, "junk": imap.AttrJunk, "spam": imap.AttrJunk,
	"sent": imap.AttrSent, "sent items": imap.AttrSent, "sent messages": imap.AttrSent,
	"trash": imap.AttrTrash, "deleted items": imap.AttrTrash, "deleted messages": imap.AttrTrash,
}

func (s *imapSession) Mailboxes(ctx context.Context) iter.Seq2[*imap.MailboxInfo, error] {
	return func(yield func(*imap.MailboxInfo, error) bool) {
		folders, err := s.store.Folders(ctx)
		if err != nil {
			yield(nil, said(err))
			return
		}
		given := map[imap.MailboxAttr]bool{}
		for _, f := range folders {
			info := &imap.MailboxInfo{Name: f.Name, Delimiter: delimiter}
			switch {
			case f.Exists:
				// One mailbox a use: which of two a program should file into
				// would be anybody's guess.
				if use := uses[strings.ToLower(f.Name)]; use != "" && !given[use] {
					given[use] = true
					info.Attrs = append(info.Attrs, use)
				}
			case f.HasChildren:
				info.Attrs = append(info.Attrs, imap.AttrNoselect)
			default:
				info.Attrs = append(info.Attrs, imap.AttrNonExistent)
			}
			if f.Subscribed {
				info.Attrs = append(info.Attrs, imap.AttrSubscribed)
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *imapSession) Mailbox(ctx context.Context, name string, mode imapserver.OpenMode) (imapserver.Mailbox, error) {
	m := maildir.ReadOnly
	if mode == imapserver.Select {
		m = maildir.ReadWrite
	}
	f, err := s.store.Folder(ctx, name, m)
	if err != nil {
		return nil, said(err)
	}
	return &imapMailbox{folder: f, readOnly: mode == imapserver.Examine}, nil
}

func (s *imapSession) Create(ctx context.Context, name string, _ *imapserver.CreateOptions) error {
	return said(s.store.Create(ctx, name))
}
func (s *imapSession) Delete(ctx context.Context, name string) error {
	return said(s.store.Delete(ctx, name))
}
func (s *imapSession) Rename(ctx context.Context, from, to string) error {
	return said(s.store.Rename(ctx, from, to))
}
func (s *imapSession) Subscribe(ctx context.Context, name string) error {
	return said(s.store.Subscribe(ctx, name))
}
func (s *imapSession) Unsubscribe(ctx context.Context, name string) error {
	return said(s.store.Unsubscribe(ctx, name))
}
func (s *imapSession) Close() error { return nil }

func (s *imapSession) Move(ctx context.Context, from imapserver.Mailbox, set imap.UIDSet, dest string) (*imap.CopyResult, error) {
	r, err := from.(*imapMailbox).folder.Move(ctx, ranges(set), dest)
	return copyResult(r), copyError(err)
}

// imapMailbox is the imapserver.Mailbox.
type imapMailbox struct {
	folder   *maildir.Folder
	readOnly bool
}

// ranges is a set as the Maildir takes it: UIDs are the same.
func ranges(set imap.UIDSet) []maildir.Range {
	r := make([]maildir.Range, 0, set.NumRanges())
	for x := range set.Ranges() {
		r = append(r, maildir.Range{First: uint32(x.First), Last: uint32(x.Last)})
	}
	return r
}

func uidSet(uids []uint32) (set imap.UIDSet) {
	for _, u := range uids {
		set.Add(imap.UID(u))
	}
	return set
}

// systemFlags are the flags that a Maildir has a letter for.
var systemFlags = []struct {
	flag   imap.Flag
	letter maildir.Flags
}{
	{imap.FlagAnswered, maildir.Answered}, {imap.FlagFlagged, maildir.Flagged}, {imap.FlagDeleted, maildir.Deleted},
	{imap.FlagSeen, maildir.Seen}, {imap.FlagDraft, maildir.Draft}, {imap.FlagForwarded, maildir.Passed},
}

// letters divides flags into those that are letters, and keywords.
func letters(flags []imap.Flag) (l maildir.Flags, keywords []string) {
next:
	for _, f := range flags {
		for _, s := range systemFlags {
			if s.flag.Equal(f) {
				l |= s.letter
				continue next
			}
		}
		if !f.System() {
			keywords = append(keywords, string(f))
		}
	}
	return l, keywords
}

// appendFlags is the reverse of letters.
func appendFlags(dst []imap.Flag, m *maildir.Message) []imap.Flag {
	for _, s := range systemFlags {
		if m.Flags&s.letter != 0 {
			dst = append(dst, s.flag)
		}
	}
	for _, k := range m.Keywords {
		dst = append(dst, imap.Flag(k))
	}
	if m.Recent {
		dst = append(dst, imap.FlagRecent)
	}
	return dst
}

// setInfo makes info say what m says. The slice of flags is used again.
func setInfo(info *imap.MessageInfo, m *maildir.Message) {
	*info = imap.MessageInfo{
		UID: imap.UID(m.UID), Flags: appendFlags(info.Flags[:0], m),
		InternalDate: m.Date, Size: m.Size, ModSeq: imap.ModSeq(m.ModSeq),
	}
}

func (m *imapMailbox) Status(ctx context.Context) (*imap.MailboxStatus, error) {
	s, err := m.folder.Status(ctx)
	if err != nil {
		return nil, said(err)
	}
	flags := []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft, imap.FlagForwarded}
	for _, k := range s.Keywords {
		flags = append(flags, imap.Flag(k))
	}
	status := &imap.MailboxStatus{
		Messages: uint32(s.Messages), Recent: uint32(s.Recent), Unseen: uint32(s.Unseen), Deleted: uint32(s.Deleted),
		UIDNext: imap.UID(s.UIDNext), UIDValidity: s.UIDValidity, HighestModSeq: imap.ModSeq(s.HighestModSeq),
		Flags: flags, ReadOnly: m.readOnly,
	}
	if !m.readOnly {
		status.PermanentFlags = slices.Clone(flags)
		if s.KeywordRoom {
			status.PermanentFlags = append(status.PermanentFlags, imap.FlagWildcard)
		}
	}
	return status, nil
}

func (m *imapMailbox) Messages(ctx context.Context, set imap.UIDSet) iter.Seq2[*imap.MessageInfo, error] {
	return func(yield func(*imap.MessageInfo, error) bool) {
		var info imap.MessageInfo
		for msg, err := range m.folder.Messages(ctx, ranges(set)...) {
			if err != nil {
				yield(nil, said(err))
				return
			}
			setInfo(&info, &msg)
			if !yield(&info, nil) {
				return
			}
		}
	}
}

func (m *imapMailbox) Content(ctx context.Context, uid imap.UID) (imapserver.Content, error) {
	c, err := m.folder.Content(ctx, uint32(uid))
	if err != nil {
		return nil, said(err)
	}
	return c, nil
}

func (m *imapMailbox) Append(ctx context.Context, r io.Reader, o *imap.AppendOptions) (imapserver.AppendResult, error) {
	flags, keywords := letters(o.Flags)
	uid, err := m.folder.Append(ctx, r, &maildir.AppendOptions{Flags: flags, Keywords: keywords, Date: o.InternalDate})
	if err != nil {
		return imapserver.AppendResult{}, said(err)
	}
	return imapserver.AppendResult{UIDValidity: m.folder.UIDValidity(), UID: imap.UID(uid)}, nil
}

func (m *imapMailbox) Store(ctx context.Context, set imap.UIDSet, c *imap.FlagChange) (imap.UIDSet, error) {
	change := maildir.FlagChange{Op: maildir.Replace, UnchangedSince: (*uint64)(c.UnchangedSince)}
	switch c.Action {
	case imap.StoreAdd:
		change.Op = maildir.Add
	case imap.StoreRemove:
		change.Op = maildir.Remove
	}
	change.Flags, change.Keywords = letters(c.Flags)
	modified, err := m.folder.Store(ctx, ranges(set), change)
	return uidSet(modified), said(err)
}

func copyResult(r *maildir.Copied) *imap.CopyResult {
	if r == nil || len(r.Source) == 0 {
		return nil
	}
	return &imap.CopyResult{UIDValidity: r.UIDValidity, Source: uidSet(r.Source), Dest: uidSet(r.Dest)}
}

// copyError tells a client to make the mailbox that is not there (RFC 3501
// section 6.4.7).
func copyError(err error) error {
	if errors.Is(err, maildir.ErrNoFolder) && !errors.Is(err, maildir.ErrReset) {
		return imap.ErrTryCreate
	}
	return said(err)
}

func (m *imapMailbox) Copy(ctx context.Context, set imap.UIDSet, dest string) (*imap.CopyResult, error) {
	r, err := m.folder.Copy(ctx, ranges(set), dest)
	return copyResult(r), copyError(err)
}

func (m *imapMailbox) Expunge(ctx context.Context, set imap.UIDSet) error {
	_, err := m.folder.Expunge(ctx, ranges(set)...)
	return said(err)
}

func (m *imapMailbox) Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		var change imap.Change
		for c, err := range m.folder.Changes(ctx, uint64(since)) {
			if err != nil {
				yield(nil, said(err))
				return
			}
			change.ModSeq = imap.ModSeq(c.ModSeq)
			if c.Expunged {
				change.Kind, change.Vanished = imap.ChangeVanished, imap.UIDSetOf(imap.UID(c.UID))
			} else {
				// A message that is new is not told from one that changed:
				// the server knows which it had.
				change.Kind, change.Vanished = imap.ChangeNew, imap.UIDSet{}
				setInfo(&change.Message, &c.Message)
			}
			if !yield(&change, nil) {
				return
			}
		}
	}
}

func (m *imapMailbox) Wait(ctx context.Context, since imap.ModSeq) error {
	return said(m.folder.Wait(ctx, uint64(since)))
}

func (m *imapMailbox) Close() error { return m.folder.Close() }
