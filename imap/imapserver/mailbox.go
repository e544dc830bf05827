package imapserver

// Mailbox names: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE.

import (
	"context"
	"errors"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// name is a mailbox name as the Backend gets it. A delimiter at the end is no
// part of it.
func (s *session) name(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", &imap.Error{Kind: imap.NO, Code: imap.CodeNonExistent, Text: "A mailbox name is needed"}
	}
	d, err := s.delimiter(ctx)
	if err != nil || d == 0 {
		return imap.CanonicalMailbox(name, d), err
	}
	if name = strings.TrimSuffix(name, string(d)); name == "" {
		return "", imap.ErrNoMailbox
	}
	return imap.CanonicalMailbox(name, d), nil
}

// maxName is the longest name, in octets, that is made; what is made must be
// listed.
const maxName = 1000

// newName is name for a mailbox that is to be made. A delimiter at the end
// says that children will follow, and is no part of the name (RFC 3501 section
// 6.3.3).
func (s *session) newName(ctx context.Context, name string) (string, error) {
	delim, err := s.delimiter(ctx)
	if err != nil {
		return "", err
	}
	if len(name) > maxName {
		return "", &imap.Error{Kind: imap.NO, Code: imap.CodeLimit, Text: "The name is too long"}
	}
	name, err = s.name(ctx, name)
	if err != nil || delim == 0 {
		return name, err
	}
	d := string(delim)
	name = strings.TrimSuffix(name, d)
	if name == "" || strings.HasPrefix(name, d) || strings.HasSuffix(name, d) || strings.Contains(name, d+d) {
		return "", &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "Not a name for a mailbox"}
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '*' || r == '%' {
			return "", &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "Not a name for a mailbox"}
		}
	}
	return name, nil
}

func (s *session) create(ctx context.Context, a *imapwire.Create) error {
	name, err := s.newName(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	if name == imap.Inbox {
		return imap.ErrMailboxExists
	}
	if len(a.Uses) > 0 {
		var can []imap.MailboxAttr
		if u, ok := s.sess.(SpecialUser); ok {
			can = u.SpecialUses()
		}
		if len(can) == 0 {
			return badf("Unknown CREATE parameter")
		}
		for _, use := range a.Uses {
			if !imap.HasAttr(can, use) {
				return &imap.Error{Kind: imap.NO, Code: imap.CodeUseAttr, Text: "Not a special use that can be set"}
			}
		}
	}
	return s.sess.Create(ctx, name, &CreateOptions{Uses: a.Uses})
}

func (s *session) delete(ctx context.Context, a *imapwire.Delete) error {
	name, err := s.name(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	if name == imap.Inbox {
		return &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "INBOX cannot be deleted"}
	}
	err = s.sess.Delete(ctx, name)
	if err == nil && s.view != nil && s.view.name == name {
		s.closeView()
	}
	return err
}

func (s *session) rename(ctx context.Context, a *imapwire.Rename) error {
	from, err := s.name(ctx, a.From)
	if err != nil {
		return err
	}
	to, err := s.newName(ctx, a.To)
	if err != nil {
		return err
	}
	d, err := s.delimiter(ctx)
	if err != nil {
		return err
	}
	switch {
	case to == from, to == imap.Inbox:
		return imap.ErrMailboxExists
	case from != imap.Inbox && d != 0 && strings.HasPrefix(to, from+string(d)):
		return &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "A mailbox cannot go below itself"}
	}
	if err := s.sess.Rename(ctx, from, to); err != nil || s.view == nil || from == imap.Inbox {
		return err
	}
	switch name := s.view.name; {
	case name == from:
		return s.follow(ctx, to)
	case d != 0 && strings.HasPrefix(name, from+string(d)):
		return s.follow(ctx, to+name[len(from):])
	}
	return nil
}

// follow keeps the selected mailbox selected under its new name. Where the
// Backend's Mailbox is that of the old name, another is opened.
func (s *session) follow(ctx context.Context, name string) error {
	v := s.view
	v.name = name
	if _, err := v.mbox.Status(ctx); !errors.Is(err, imap.ErrNoMailbox) {
		return err
	}
	mode := Select
	if v.readOnly {
		mode = Examine
	}
	mbox, err := s.sess.Mailbox(ctx, name, mode)
	if err != nil {
		return s.viewError(err)
	}
	st, err := mbox.Status(ctx)
	if err == nil && st.UIDValidity != v.validity {
		err = imap.ErrNoMailbox
	}
	if err != nil {
		_ = mbox.Close()
		return s.viewError(err)
	}
	old := v.mbox
	v.mbox = mbox
	if err := old.Close(); err != nil {
		s.c.Log.Warn("closing a mailbox of the backend", "error", err)
	}
	return nil
}

func (s *session) subscribe(ctx context.Context, name string, on bool) error {
	name, err := s.name(ctx, name)
	if err != nil {
		return err
	}
	if on {
		return s.sess.Subscribe(ctx, name)
	}
	return s.sess.Unsubscribe(ctx, name)
}

func (s *session) namespace(ctx context.Context) error {
	if n, ok := s.sess.(Namespacer); ok {
		ns, err := n.Namespaces(ctx)
		if err != nil {
			return err
		}
		s.put(&imapwire.NamespaceData{Namespaces: *ns})
		return nil
	}
	d, err := s.delimiter(ctx)
	if err != nil {
		return err
	}
	s.put(&imapwire.NamespaceData{Namespaces: imap.Namespaces{Personal: []imap.Namespace{{Delimiter: d}}}})
	return nil
}
