package imapclient

// Commands of extensions that are one question and one answer.

import (
	"context"
	"fmt"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// question runs a command of the extension x and returns the last of its
// answers that is a T; where there must be one, none is ErrProtocol.
func question[T any](c *Client, ctx context.Context, x imap.Capability, args imapwire.Args, must bool) (*T, error) {
	if err := c.need(ctx, x, args.CommandName()); err != nil {
		return nil, err
	}
	var answer *T
	_, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		a, ok := r.(any).(*T)
		if ok {
			answer = a
		}
		return ok, nil
	})
	if err == nil && must && answer == nil {
		err = fmt.Errorf("%w: no answer to %s", ErrProtocol, args.CommandName())
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// order runs a command of the extension x that has no answer.
func (c *Client) order(ctx context.Context, x imap.Capability, args imapwire.Args) error {
	if err := c.need(ctx, x, args.CommandName()); err != nil {
		return err
	}
	return c.Do(ctx, args, nil)
}

// ID tells who this client is, and returns what the server is (RFC 2971). No
// params tell nothing.
func (c *Client) ID(ctx context.Context, params ...imap.IDParam) ([]imap.IDParam, error) {
	for _, p := range params {
		if err := oneLine(p.Name, p.Value); err != nil {
			return nil, err
		}
	}
	id, err := question[imapwire.IDData](c, ctx, imap.CapID, &imapwire.ID{Params: params}, false)
	if id == nil {
		return nil, err
	}
	return id.Params, nil
}

// Namespaces are the prefixes of the user's own, other users' and shared
// mailboxes (RFC 2342).
func (c *Client) Namespaces(ctx context.Context) (*imap.Namespaces, error) {
	n, err := question[imapwire.NamespaceData](c, ctx, imap.CapNamespace, &imapwire.Namespace{}, true)
	if n == nil {
		return nil, err
	}
	return &n.Namespaces, nil
}

// Language asks for the server's texts in a language, by ranges in order of
// preference (RFC 5255), and returns the one chosen; without ranges it returns
// those there are.
func (c *Client) Language(ctx context.Context, ranges ...string) ([]string, error) {
	l, err := question[imapwire.LanguageData](c, ctx, imap.CapLanguage, &imapwire.Language{Ranges: ranges}, false)
	if l == nil {
		return nil, err
	}
	return l.Tags, nil
}

// Comparator chooses how text is compared, by collations in order of preference
// (RFC 5255 section 4.7), and returns the active one and those that matched.
func (c *Client) Comparator(ctx context.Context, orders ...string) (active string, matching []string, err error) {
	d, err := question[imapwire.ComparatorData](c, ctx, imap.CapI18NLevel2, &imapwire.Comparator{Orders: orders}, false)
	if d == nil {
		return "", nil, err
	}
	return d.Active, d.Matching, nil
}

// JMAPAccess is where the same mail is to be had by JMAP (RFC 9698).
func (c *Client) JMAPAccess(ctx context.Context) (url string, err error) {
	d, err := question[imapwire.JMAPAccessData](c, ctx, imap.CapJMAPAccess, &imapwire.GetJMAPAccess{}, true)
	if d == nil {
		return "", err
	}
	return d.URL, nil
}

// ACL is who has which rights in a mailbox (RFC 4314 section 3.3).
func (c *Client) ACL(ctx context.Context, mailbox string) ([]imap.ACLEntry, error) {
	d, err := question[imapwire.ACLData](c, ctx, imap.CapACL, &imapwire.GetACL{Mailbox: mailbox}, true)
	if d == nil {
		return nil, err
	}
	return d.Entries, nil
}

// SetACL gives, adds or takes away rights of an identifier (RFC 4314 section
// 3.1).
func (c *Client) SetACL(ctx context.Context, mailbox, identifier string, change imap.RightsChange, rights imap.Rights) error {
	if err := oneLine(identifier); err != nil {
		return err
	}
	return c.order(ctx, imap.CapACL, &imapwire.SetACL{Mailbox: mailbox, Identifier: identifier, Change: change, Rights: rights})
}

// DeleteACL takes an identifier off a mailbox's list (RFC 4314 section 3.2).
func (c *Client) DeleteACL(ctx context.Context, mailbox, identifier string) error {
	if err := oneLine(identifier); err != nil {
		return err
	}
	return c.order(ctx, imap.CapACL, &imapwire.DeleteACL{Mailbox: mailbox, Identifier: identifier})
}

// ListRights tells which rights an identifier always has, and which can be
// given, those that go together in one value (RFC 4314 section 3.4).
func (c *Client) ListRights(ctx context.Context, mailbox, identifier string) (required imap.Rights, optional []imap.Rights, err error) {
	if err := oneLine(identifier); err != nil {
		return "", nil, err
	}
	d, err := question[imapwire.ListRightsData](c, ctx, imap.CapACL, &imapwire.ListRights{Mailbox: mailbox, Identifier: identifier}, true)
	if d == nil {
		return "", nil, err
	}
	return d.Required, d.Optional, nil
}

// MyRights are the user's rights in a mailbox (RFC 4314 section 3.5).
func (c *Client) MyRights(ctx context.Context, mailbox string) (imap.Rights, error) {
	d, err := question[imapwire.MyRightsData](c, ctx, imap.CapACL, &imapwire.MyRights{Mailbox: mailbox}, true)
	if d == nil {
		return "", err
	}
	return d.Rights, nil
}

// Quota is a quota root and what of its resources is used (RFC 9208 section
// 4.1.2).
func (c *Client) Quota(ctx context.Context, root string) (*imap.Quota, error) {
	if err := oneLine(root); err != nil {
		return nil, err
	}
	d, err := question[imapwire.QuotaData](c, ctx, imap.CapQuota, &imapwire.GetQuota{Root: root}, true)
	if d == nil {
		return nil, err
	}
	return &d.Quota, nil
}

// MailboxQuota is the quota roots of a mailbox, with their quotas (RFC 9208
// section 4.1.3).
func (c *Client) MailboxQuota(ctx context.Context, mailbox string) ([]imap.Quota, error) {
	if err := c.need(ctx, imap.CapQuota, "GETQUOTAROOT"); err != nil {
		return nil, err
	}
	var quotas []imap.Quota
	_, err := c.run(ctx, &imapwire.GetQuotaRoot{Mailbox: mailbox}, func(r imapwire.Response) (bool, error) {
		switch r := r.(type) {
		case *imapwire.QuotaRootData:
			return true, nil
		case *imapwire.QuotaData:
			quotas = append(quotas, r.Quota)
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return quotas, nil
}

// SetQuota replaces the limits of a quota root (RFC 9208 section 4.1.1).
func (c *Client) SetQuota(ctx context.Context, root string, limits ...imap.QuotaLimit) error {
	if err := oneLine(root); err != nil {
		return err
	}
	return c.order(ctx, imap.CapQuota, &imapwire.SetQuota{Root: root, Limits: limits})
}

// MetadataOptions are how far Metadata looks (RFC 5464 section 4.2).
type MetadataOptions struct {
	// MaxSize leaves out values of more octets; the error says how long the
	// longest of them is, by an *imap.Error with imap.CodeMetadata, beside
	// the others.
	MaxSize *int64
	Depth   imap.MetadataDepth
}

// Metadata are annotations of a mailbox, or of the server where mailbox is
// empty (RFC 5464 section 4.2). Entries that are not there are left out, or
// have a nil value. o may be nil.
func (c *Client) Metadata(ctx context.Context, mailbox string, o *MetadataOptions, entries ...string) ([]imap.MetadataEntry, error) {
	if err := c.needMetadata(ctx, mailbox, "GETMETADATA"); err != nil {
		return nil, err
	}
	args := &imapwire.GetMetadata{Mailbox: mailbox, Entries: entries}
	if o != nil {
		args.MaxSize, args.Depth = o.MaxSize, o.Depth
	}
	var found []imap.MetadataEntry
	end, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		d, ok := r.(*imapwire.MetadataData)
		if !ok || canonical(d.Mailbox) != canonical(mailbox) || len(d.Names) > 0 {
			return false, nil
		}
		found = append(found, d.Entries...)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if code, ok := end.Code.(imap.CodeMetadata); ok && code.Reason == imap.MetadataLongEntries {
		return found, &imap.Error{Kind: imap.NO, Code: code, Text: end.Text}
	}
	return found, nil
}

// SetMetadata changes annotations of a mailbox, or of the server where mailbox
// is empty; a nil value takes one away (RFC 5464 section 4.3).
func (c *Client) SetMetadata(ctx context.Context, mailbox string, entries ...imap.MetadataEntry) error {
	if err := c.needMetadata(ctx, mailbox, "SETMETADATA"); err != nil {
		return err
	}
	return c.Do(ctx, &imapwire.SetMetadata{Mailbox: mailbox, Entries: entries}, nil)
}

func (c *Client) needMetadata(ctx context.Context, mailbox, what string) error {
	if mailbox == "" {
		return c.need(ctx, imap.CapMetadataServer, what)
	}
	return c.need(ctx, imap.CapMetadata, what)
}

// Notify says which events the server tells of, in which mailboxes (RFC 5465);
// nil asks for none. They come to Options.OnEvent, and to Idle. What the RFC
// forbids is an error, and nothing is sent.
func (c *Client) Notify(ctx context.Context, spec *imap.NotifySpec) error {
	if spec != nil {
		if err := spec.Validate(); err != nil {
			return err
		}
	}
	return c.order(ctx, imap.CapNotify, &imapwire.Notify{Spec: spec})
}
