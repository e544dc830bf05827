package imapclient

// Mailboxes: made, selected, asked for their state.

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Status asks for items of a mailbox that need not be selected (RFC 3501
// section 6.3.10). Items of extensions that the server does not offer are an
// *ExtensionError. Numbers that the server left out are zero: see
// MailboxStatus.Has.
func (c *Client) Status(ctx context.Context, mailbox string, items ...imap.StatusItem) (*imap.MailboxStatus, error) {
	for _, item := range items {
		if x := statusNeeds(item); x != "" {
			if err := c.need(ctx, x, "STATUS "+string(item)); err != nil {
				return nil, err
			}
		}
	}
	var status *imap.MailboxStatus
	_, err := c.run(ctx, &imapwire.Status{Mailbox: mailbox, Items: items}, func(r imapwire.Response) (bool, error) {
		s, ok := r.(*imapwire.StatusData)
		if !ok || canonical(s.Name) != canonical(mailbox) {
			return false, nil
		}
		status = &s.MailboxStatus
		return true, nil
	})
	if err == nil && status == nil {
		err = fmt.Errorf("%w: no answer to STATUS", ErrProtocol)
	}
	if err != nil {
		return nil, err
	}
	return status, nil
}

// statusNeeds is the extension that an item is of, or nothing.
func statusNeeds(item imap.StatusItem) imap.Capability {
	switch imap.StatusItem(strings.ToUpper(string(item))) {
	case "SIZE":
		return imap.CapStatusSize
	case "HIGHESTMODSEQ":
		return imap.CapCondStore
	case "MAILBOXID":
		return imap.CapObjectID
	case "APPENDLIMIT":
		return imap.CapAppendLimit
	case "DELETED-STORAGE":
		return imap.CapQuota
	}
	return ""
}

// canonical is a mailbox name with INBOX in capitals.
func canonical(name string) string {
	if strings.EqualFold(name, imap.Inbox) {
		return imap.Inbox
	}
	return name
}

// SelectOptions are how a mailbox is opened.
type SelectOptions struct {
	// ReadOnly is EXAMINE.
	ReadOnly bool
	// CondStore asks for mod-sequences (RFC 7162 section 3.1.8).
	CondStore bool
	// QResync tells the server what is known of the mailbox, so that it tells
	// what changed since (RFC 7162 section 3.2.5). QRESYNC must have been
	// enabled.
	QResync *imap.QResync
	// Changed and Vanished, if set, get what QRESYNC tells: messages with new
	// flags, borrowed until they return, and UIDs that are gone.
	Changed  func(*Message)
	Vanished func(imap.UIDSet)
}

// Select opens a mailbox (RFC 3501 section 6.3.1). What it returns is kept up
// to date in Messages, Recent, Flags and PermanentFlags, as long as the mailbox
// is selected. An error leaves no mailbox selected.
func (c *Client) Select(ctx context.Context, mailbox string) (*imap.MailboxStatus, error) {
	return c.SelectWith(ctx, mailbox, nil)
}

// Examine is Select without the right to change anything (RFC 3501 section
// 6.3.2).
func (c *Client) Examine(ctx context.Context, mailbox string) (*imap.MailboxStatus, error) {
	return c.SelectWith(ctx, mailbox, &SelectOptions{ReadOnly: true})
}

// SelectWith is Select with options. CONDSTORE and QRESYNC that the server does
// not offer are an *ExtensionError. o may be nil.
func (c *Client) SelectWith(ctx context.Context, mailbox string, o *SelectOptions) (*imap.MailboxStatus, error) {
	if o == nil {
		o = &SelectOptions{}
	}
	if o.CondStore {
		if err := c.need(ctx, imap.CapCondStore, "SELECT"); err != nil {
			return nil, err
		}
	}
	if o.QResync != nil && !c.enabled.Has(imap.CapQResync) {
		if _, err := c.Enable(ctx, imap.CapQResync); err != nil {
			return nil, err
		}
	}
	args := &imapwire.Select{Mailbox: mailbox, ReadOnly: o.ReadOnly, CondStore: o.CondStore, QResync: o.QResync}
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	tag, err := c.encode(args)
	if err != nil {
		return nil, err
	}
	s := &imap.MailboxStatus{Name: mailbox, ReadOnly: o.ReadOnly}
	c.selected, c.selecting, c.changes = nil, true, 0
	defer func() { c.selecting = false }()
	if err := c.send(tag, false); err != nil {
		return nil, err
	}
	end, err := c.finish(tag, func(r imapwire.Response) (bool, error) {
		switch r := r.(type) {
		case *imapwire.FetchData:
			if o.Changed == nil {
				return false, nil
			}
			o.Changed((*Message)(r))
		case *imapwire.VanishedData:
			if o.Vanished == nil {
				return false, nil
			}
			o.Vanished(r.UIDs)
		default:
			return selectData(s, r), nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if end != nil {
		switch code := end.Code.(type) {
		case imap.CodeAtom:
			switch code {
			case imap.CodeReadOnly:
				s.ReadOnly = true
			case imap.CodeReadWrite:
				s.ReadOnly = false
			}
		default:
			selectCode(s, code)
		}
	}
	c.selected = s
	return s, nil
}

// selectData takes what SELECT tells of the mailbox.
func selectData(s *imap.MailboxStatus, r imapwire.Response) bool {
	switch r := r.(type) {
	case *imapwire.FlagsData:
		s.Flags = r.Flags
	case *imapwire.ExistsData:
		s.Messages = r.Count
	case *imapwire.RecentData:
		s.Recent = r.Count
	case *imapwire.ListData: // RFC 9051 section 6.3.2
		return canonical(r.Name) == canonical(s.Name) || canonical(r.OldName) == canonical(s.Name)
	case *imapwire.StatusResponse:
		if r.Code == imap.CodeClosed {
			// All before was of the mailbox that was selected (RFC 7162
			// section 3.2.11).
			*s = imap.MailboxStatus{Name: s.Name, ReadOnly: s.ReadOnly}
			return true
		}
		return selectCode(s, r.Code)
	default:
		return false
	}
	return true
}

func selectCode(s *imap.MailboxStatus, code imap.Code) bool {
	switch code := code.(type) {
	case imap.CodePermanentFlags:
		s.PermanentFlags = code.Flags
	case imap.CodeNumber:
		switch code.Name {
		case imap.CodeUIDNext:
			s.UIDNext = imap.UID(code.N)
		case imap.CodeUIDValidity:
			s.UIDValidity = uint32(code.N)
		case imap.CodeHighestModSeq:
			s.HighestModSeq = imap.ModSeq(code.N)
		case imap.CodeUnseen:
		default:
			return false
		}
	case imap.CodeMailboxID:
		s.MailboxID = code.ID
	case imap.CodeAtom:
		if code != imap.CodeNoModSeq {
			return false
		}
		s.HighestModSeq = 0
	default:
		return false
	}
	return true
}

// Unselect closes the selected mailbox and expunges nothing (RFC 3691).
func (c *Client) Unselect(ctx context.Context) error {
	if err := c.need(ctx, imap.CapUnselect, "UNSELECT"); err != nil {
		return err
	}
	err := c.Do(ctx, &imapwire.Unselect{}, nil)
	if err == nil {
		c.selected = nil
	}
	return err
}

// CloseMailbox closes the selected mailbox and expunges its messages that have
// \Deleted, unless it was opened read-only (CLOSE, RFC 3501 section 6.4.2).
func (c *Client) CloseMailbox(ctx context.Context) error {
	err := c.Do(ctx, &imapwire.Close{}, nil)
	if err == nil {
		c.selected = nil
	}
	return err
}

// Create makes a mailbox, with special uses where any are named (RFC 6154
// section 3), which the server must offer.
func (c *Client) Create(ctx context.Context, mailbox string, uses ...imap.MailboxAttr) error {
	if len(uses) > 0 {
		if err := c.need(ctx, imap.CapCreateSpecialUse, "a mailbox with a special use"); err != nil {
			return err
		}
	}
	return c.Do(ctx, &imapwire.Create{Mailbox: mailbox, Uses: uses}, nil)
}

// Delete removes a mailbox and its messages.
func (c *Client) Delete(ctx context.Context, mailbox string) error {
	return c.Do(ctx, &imapwire.Delete{Mailbox: mailbox}, nil)
}

// Rename renames a mailbox.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	return c.Do(ctx, &imapwire.Rename{From: from, To: to}, nil)
}

// Subscribe adds a mailbox to the list of those subscribed.
func (c *Client) Subscribe(ctx context.Context, mailbox string) error {
	return c.Do(ctx, &imapwire.Subscribe{Mailbox: mailbox}, nil)
}

// Unsubscribe takes it from that list.
func (c *Client) Unsubscribe(ctx context.Context, mailbox string) error {
	return c.Do(ctx, &imapwire.Unsubscribe{Mailbox: mailbox}, nil)
}

// Noop gives the server the opportunity to say what is new: see
// Options.OnEvent.
func (c *Client) Noop(ctx context.Context) error { return c.Do(ctx, &imapwire.Noop{}, nil) }

// Check asks the server to put the mailbox in order (RFC 3501 section 6.4.1).
func (c *Client) Check(ctx context.Context) error { return c.Do(ctx, &imapwire.Check{}, nil) }
