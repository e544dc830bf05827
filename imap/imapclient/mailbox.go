package imapclient

// Mailboxes: list, make, select, status.

import (
	"context"
	"iter"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// List yields the mailboxes whose names match pattern, in which "*" stands for
// anything and "%" for anything within one level (RFC 3501 section 6.3.8).
func (c *Client) List(ctx context.Context, reference, pattern string) iter.Seq2[*imap.MailboxInfo, error] {
	args := &imapwire.List{Reference: reference, Patterns: []string{pattern}}
	return stream(c, ctx, args, func(r imapwire.Response) *imap.MailboxInfo {
		if l, ok := r.(*imapwire.ListData); ok && !l.Lsub {
			return &l.MailboxInfo
		}
		return nil
	})
}

// Status asks for items of a mailbox that need not be selected (RFC 3501
// section 6.3.10).
func (c *Client) Status(ctx context.Context, mailbox string, items ...imap.StatusItem) (*imap.MailboxStatus, error) {
	var status *imap.MailboxStatus
	err := c.Do(ctx, &imapwire.Status{Mailbox: mailbox, Items: items}, func(r imapwire.Response) error {
		if s, ok := r.(*imapwire.StatusData); ok && canonical(s.Name) == canonical(mailbox) {
			status = &s.MailboxStatus
		}
		return nil
	})
	if err == nil && status == nil {
		err = ErrProtocol
	}
	if err != nil {
		return nil, err
	}
	return status, nil
}

// Select opens a mailbox (RFC 3501 section 6.3.1). What it returns is kept up
// to date in Messages alone, as long as the mailbox is selected.
func (c *Client) Select(ctx context.Context, mailbox string) (*imap.MailboxStatus, error) {
	return c.choose(ctx, &imapwire.Select{Mailbox: mailbox})
}

// Examine is Select without the right to change anything (RFC 3501 section
// 6.3.2).
func (c *Client) Examine(ctx context.Context, mailbox string) (*imap.MailboxStatus, error) {
	return c.choose(ctx, &imapwire.Select{Mailbox: mailbox, ReadOnly: true})
}

func (c *Client) choose(ctx context.Context, args *imapwire.Select) (*imap.MailboxStatus, error) {
	if c.busy {
		return nil, ErrBusy
	}
	s := &imap.MailboxStatus{Name: args.Mailbox, ReadOnly: args.ReadOnly}
	c.selected = nil
	err := c.Do(ctx, args, func(r imapwire.Response) error {
		switch r := r.(type) {
		case *imapwire.FlagsData:
			s.Flags = r.Flags
		case *imapwire.ExistsData:
			s.Messages = r.Count
		case *imapwire.RecentData:
			s.Recent = r.Count
		case *imapwire.StatusResponse:
			switch code := r.Code.(type) {
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
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.selected = s
	return s, nil
}

// Unselect closes the selected mailbox and expunges nothing (RFC 3691).
func (c *Client) Unselect(ctx context.Context) error {
	err := c.Do(ctx, &imapwire.Unselect{}, nil)
	if err == nil {
		c.selected = nil
	}
	return err
}

// Create makes a mailbox.
func (c *Client) Create(ctx context.Context, mailbox string) error {
	return c.Do(ctx, &imapwire.Create{Mailbox: mailbox}, nil)
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

// Noop gives the server the opportunity to say what is new.
func (c *Client) Noop(ctx context.Context) error { return c.Do(ctx, &imapwire.Noop{}, nil) }
