package imapclient

// Lists of mailboxes.

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// List yields the mailboxes whose names match pattern, in which "*" stands for
// anything and "%" for anything within one level (RFC 3501 section 6.3.8).
func (c *Client) List(ctx context.Context, reference, pattern string) iter.Seq2[*imap.MailboxInfo, error] {
	return c.list(ctx, &imapwire.List{Reference: reference, Patterns: []string{pattern}}, false)
}

// Lsub yields the mailboxes that are subscribed (RFC 3501 section 6.3.9).
func (c *Client) Lsub(ctx context.Context, reference, pattern string) iter.Seq2[*imap.MailboxInfo, error] {
	return c.list(ctx, &imapwire.Lsub{Reference: reference, Pattern: pattern}, true)
}

// XList is List with special uses, of servers from before SPECIAL-USE (Gmail).
func (c *Client) XList(ctx context.Context, reference, pattern string) iter.Seq2[*imap.MailboxInfo, error] {
	return func(yield func(*imap.MailboxInfo, error) bool) {
		if err := c.need(ctx, imap.CapXList, "XLIST"); err != nil {
			yield(nil, err)
			return
		}
		c.list(ctx, &imapwire.XList{Reference: reference, Pattern: pattern}, false)(yield)
	}
}

// RemoteList is List with mailboxes of other servers among them (RFC 2193):
// to open one is a *ReferralError that says where it is.
func (c *Client) RemoteList(ctx context.Context, reference, pattern string) iter.Seq2[*imap.MailboxInfo, error] {
	return func(yield func(*imap.MailboxInfo, error) bool) {
		if err := c.need(ctx, imap.CapMailboxReferrals, "RLIST"); err != nil {
			yield(nil, err)
			return
		}
		c.list(ctx, &imapwire.RList{Reference: reference, Pattern: pattern}, false)(yield)
	}
}

func (c *Client) list(ctx context.Context, args imapwire.Args, lsub bool) iter.Seq2[*imap.MailboxInfo, error] {
	return stream(c, ctx, args, func(r imapwire.Response) *imap.MailboxInfo {
		if l, ok := r.(*imapwire.ListData); ok && l.Lsub == lsub {
			return &l.MailboxInfo
		}
		return nil
	})
}

// ListOptions choose mailboxes and what is told of them (RFC 5258). What the
// server does not offer is an *ExtensionError.
type ListOptions struct {
	Reference string
	// Patterns are those of List; "*" alone where empty. More than one needs
	// LIST-EXTENDED.
	Patterns []string

	// Subscribed chooses those that are subscribed, whether they exist or
	// not; Remote adds those on other servers; SpecialUse chooses those with
	// a special use (RFC 6154).
	Subscribed, Remote, SpecialUse bool
	// RecursiveMatch, with another choice, adds the mailboxes below which
	// there is one that matches.
	RecursiveMatch bool
	// Select holds other selection options as they stand on the wire.
	Select []string

	// ReturnSubscribed, ReturnChildren and ReturnSpecialUse ask for these
	// attributes.
	ReturnSubscribed, ReturnChildren, ReturnSpecialUse bool
	// Status asks for the state of each mailbox (RFC 5819). Servers without
	// LIST-STATUS are asked for each mailbox by itself.
	Status []imap.StatusItem
	// MyRights asks for the user's rights (RFC 8440), Metadata for these
	// entries (RFC 9590).
	MyRights bool
	Metadata []string
	// Return holds other return options.
	Return []imapwire.ListReturn
}

// ListEntry is a mailbox with what ListOptions asked for.
type ListEntry struct {
	imap.MailboxInfo
	// Status is nil where the server did not tell, as for what can not be
	// selected.
	Status *imap.MailboxStatus
	// Rights are the user's.
	Rights imap.Rights
	// Metadata are the entries that there are.
	Metadata []imap.MetadataEntry
}

// ListWith is List with the options of LIST-EXTENDED. It returns when all has
// been told, since a server may tell of one mailbox in several places. A server
// that refuses the options it offers, or finds nothing by them, is asked by a
// plain LIST where that can tell the same. o may be
// nil.
func (c *Client) ListWith(ctx context.Context, o *ListOptions) ([]*ListEntry, error) {
	if o == nil {
		o = &ListOptions{}
	}
	args, byItself, err := c.listArgs(ctx, o)
	if err != nil {
		return nil, err
	}
	entries, err := c.entries(ctx, args)
	var said *imap.Error
	bad := errors.As(err, &said) && said.Kind == imap.BAD && !c.Closed()
	if args.Extended && len(args.Patterns) == 1 && !o.Subscribed && !o.Remote && len(o.Select) == 0 && (bad || err == nil && len(entries) == 0 && !o.SpecialUse) {
		// It is offered, and not known (Proton Bridge), or yields nothing
		// (Strato).
		plain := &imapwire.List{Reference: args.Reference, Patterns: args.Patterns}
		if entries, err = c.entries(ctx, plain); err == nil && o.SpecialUse {
			entries = slices.DeleteFunc(entries, func(e *ListEntry) bool { return !slices.ContainsFunc(e.Attrs, imap.MailboxAttr.SpecialUse) })
		}
		byItself = len(o.Status) > 0
	}
	if err != nil {
		return nil, err
	}
	if byItself {
		for _, e := range entries {
			if e.Has(imap.AttrNoselect) || e.Has(imap.AttrNonExistent) {
				continue
			}
			s, err := c.Status(ctx, e.Name, o.Status...)
			if err != nil && c.Closed() {
				return nil, err
			}
			if err == nil {
				e.Status = s
			}
		}
	}
	return entries, nil
}

// entries runs a LIST and puts together what is told of each mailbox.
func (c *Client) entries(ctx context.Context, args *imapwire.List) ([]*ListEntry, error) {
	var entries []*ListEntry
	byName := make(map[string]*ListEntry)
	_, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		switch r := r.(type) {
		case *imapwire.ListData:
			e := byName[canonical(r.Name)]
			if e == nil {
				e = &ListEntry{}
				entries = append(entries, e)
				byName[canonical(r.Name)] = e
			}
			e.MailboxInfo = r.MailboxInfo
		case *imapwire.StatusData:
			e := byName[canonical(r.Name)]
			if e == nil {
				return false, nil
			}
			e.Status = &r.MailboxStatus
		case *imapwire.MyRightsData:
			e := byName[canonical(r.Mailbox)]
			if e == nil {
				return false, nil
			}
			e.Rights = r.Rights
		case *imapwire.MetadataData:
			e := byName[canonical(r.Mailbox)]
			if e == nil {
				return false, nil
			}
			e.Metadata = append(e.Metadata, r.Entries...)
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// listArgs is the command for o. byItself says that STATUS must be asked
// apart.
func (c *Client) listArgs(ctx context.Context, o *ListOptions) (args *imapwire.List, byItself bool, err error) {
	args = &imapwire.List{Reference: o.Reference, Patterns: o.Patterns}
	if len(args.Patterns) == 0 {
		args.Patterns = []string{"*"}
	}
	plain := true
	add := func(on bool, x imap.Capability, what string, to func()) {
		if !on || err != nil {
			return
		}
		plain = false
		if err = c.need(ctx, x, "LIST "+what); err == nil {
			to()
		}
	}
	sel := func(name string) func() { return func() { args.Select = append(args.Select, name) } }
	ret := func(r imapwire.ListReturn) func() { return func() { args.Return = append(args.Return, r) } }
	add(len(args.Patterns) > 1, imap.CapListExtended, "several patterns", func() {})
	add(o.Subscribed, imap.CapListExtended, "SUBSCRIBED", sel(imap.ListSubscribed))
	add(o.Remote, imap.CapListExtended, "REMOTE", sel(imap.ListRemote))
	add(o.SpecialUse, imap.CapSpecialUse, "SPECIAL-USE", sel(imap.ListSpecialUse))
	add(o.RecursiveMatch, imap.CapListExtended, "RECURSIVEMATCH", sel(imap.ListRecursiveMatch))
	for _, s := range o.Select {
		add(true, imap.CapListExtended, s, sel(s))
	}
	add(o.ReturnSubscribed, imap.CapListExtended, "RETURN SUBSCRIBED", ret(imapwire.ListReturn{Name: imap.ListSubscribed}))
	add(o.ReturnChildren, imap.CapListExtended, "RETURN CHILDREN", ret(imapwire.ListReturn{Name: imap.ListChildren}))
	add(o.ReturnSpecialUse, imap.CapSpecialUse, "RETURN SPECIAL-USE", ret(imapwire.ListReturn{Name: imap.ListSpecialUse}))
	if len(o.Status) > 0 && err == nil {
		var ok bool
		if ok, err = c.has(ctx, imap.CapListStatus); ok {
			for _, item := range o.Status {
				if x := statusNeeds(item); x != "" && err == nil {
					err = c.need(ctx, x, "STATUS "+string(item))
				}
			}
			add(true, imap.CapListStatus, "RETURN STATUS", ret(imapwire.ListReturn{Name: imap.ListStatus, Status: o.Status}))
		}
		byItself = !ok
	}
	add(o.MyRights, imap.CapListMyRights, "RETURN MYRIGHTS", ret(imapwire.ListReturn{Name: imap.ListMyRights}))
	add(len(o.Metadata) > 0, imap.CapListMetadata, "RETURN METADATA", ret(imapwire.ListReturn{Name: imap.ListMetadata, Entries: o.Metadata}))
	for _, r := range o.Return {
		add(true, imap.CapListExtended, "RETURN "+r.Name, ret(r))
	}
	args.Extended = !plain
	return args, byItself, err
}
