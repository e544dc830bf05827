package main

// TO as an IMAP account.

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

type imapStore struct {
	*account
	delimiter rune
	names     map[string]bool
	byUse     map[imap.MailboxAttr]string
	taken     map[string]string // the folder of FROM by where it goes
}

func newIMAPStore(ctx context.Context, a *account) (*imapStore, error) {
	s := &imapStore{account: a, names: make(map[string]bool), byUse: make(map[imap.MailboxAttr]string), taken: make(map[string]string)}
	all, err := a.list(ctx)
	if err != nil {
		a.Close()
		return nil, err
	}
	for _, m := range all {
		if s.delimiter == 0 {
			s.delimiter = m.Delimiter
		}
		if m.Has(imap.AttrNoselect) || m.Has(imap.AttrNonExistent) {
			continue
		}
		s.names[m.Name] = true
		for _, attr := range m.Attrs {
			if attr.SpecialUse() && s.byUse[attr] == "" {
				s.byUse[attr] = m.Name
			}
		}
	}
	return s, nil
}

func (s *imapStore) close() { s.Close() }

func (s *imapStore) open(ctx context.Context, f *folder, dry bool) (box, error) {
	name := s.byUse[f.use]
	if f.use == "" || name == "" {
		var err error
		if name, err = f.destName(s.prefix, s.delimiter); err != nil {
			return nil, err
		}
	}
	if other, ok := s.taken[name]; ok && other != f.name {
		return nil, &imap.Error{Kind: imap.NO, Text: fmt.Sprintf("it would go to %q, where %q goes", name, other)}
	}
	s.taken[name] = f.name
	if !s.names[name] && !imap.IsInbox(name) {
		if dry {
			return nil, nil
		}
		if err := s.create(ctx, name, f.use); err != nil {
			return nil, err
		}
		s.names[name] = true
	}
	st, err := s.Select(ctx, name)
	if err != nil {
		return nil, err
	}
	return &imapBox{s, name, st}, nil
}

func (s *imapStore) create(ctx context.Context, name string, use imap.MailboxAttr) error {
	var err error
	made := false
	if use != "" && s.caps.Has(imap.CapCreateSpecialUse) {
		// A use that the server does not know is refused.
		err = s.Do(ctx, &imapwire.Create{Mailbox: name, Uses: []imap.MailboxAttr{use}}, nil)
		made = !refused(err)
	}
	if !made {
		err = s.Create(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("making %q: %w", name, err)
	}
	if err := s.Subscribe(ctx, name); err != nil && !refused(err) {
		return err
	}
	return nil
}

type imapBox struct {
	*imapStore
	name   string
	status *imap.MailboxStatus
}

func (b *imapBox) generation() string {
	return strconv.FormatUint(uint64(b.status.UIDValidity), 10) + " " + b.name
}

func (b *imapBox) stable() bool { return b.caps.Has(imap.CapUIDPlus) }

func (b *imapBox) mend(string) error { return nil }

func (b *imapBox) place() (string, bool) { return "-", false }

func (b *imapBox) close(context.Context) error { return nil }

func (b *imapBox) list(ctx context.Context, known map[string]bool) ([]present, error) {
	var out []present
	if b.status.Messages == 0 {
		return nil, nil
	}
	for m, err := range b.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags, imap.FetchSize, imap.FetchEnvelope) {
		if err != nil {
			return nil, err
		}
		id := uidText(m.UID)
		if m.UID == 0 || m.Envelope == nil || known[id] {
			continue
		}
		out = append(out, present{id: id, size: m.Size, key: keyOf(m.Envelope), flags: withoutRecent(m.Flags)})
	}
	return out, nil
}

func (b *imapBox) digest(ctx context.Context, id string) (string, error) {
	return fetchDigest(ctx, b.Client, uidOf(id))
}

func uidText(u imap.UID) string { return strconv.FormatUint(uint64(u), 10) }

func uidOf(id string) imap.UID {
	n, _ := strconv.ParseUint(id, 10, 32)
	return imap.UID(n)
}

func (b *imapBox) add(ctx context.Context, m *message, r io.Reader) (string, error) {
	code, err := b.Append(ctx, b.name, r, &imap.AppendOptions{Flags: m.flags, InternalDate: m.date, Size: m.size})
	if err != nil {
		return "", err
	}
	if code != nil {
		for uid := range code.UIDs.All() {
			return uidText(uid), nil
		}
	}
	return "0", nil
}

func (b *imapBox) keeps(flags []imap.Flag) []imap.Flag {
	if imap.HasFlag(b.status.PermanentFlags, imap.FlagWildcard) || len(b.status.PermanentFlags) == 0 {
		return flags
	}
	return slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return !imap.HasFlag(b.status.PermanentFlags, f) })
}

func (b *imapBox) setFlags(ctx context.Context, id string, flags []imap.Flag) (string, error) {
	uid := uidOf(id)
	if uid == 0 {
		return id, nil
	}
	return id, b.Store(ctx, imap.UIDSetOf(uid), imap.FlagChange{Action: imap.StoreReplace, Flags: flags})
}

// remove removes messages; where the server can not expunge just these, they are
// left marked as deleted.
func (b *imapBox) remove(ctx context.Context, ids []string) error {
	var set imap.UIDSet
	for _, id := range ids {
		if uid := uidOf(id); uid != 0 {
			set.Add(uid)
		}
	}
	if set.Empty() {
		return nil
	}
	if err := b.Store(ctx, set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}); err != nil {
		return err
	}
	if !b.stable() {
		return nil
	}
	return b.Expunge(ctx, set)
}
