package imapclient

// What the connection knows of itself: capabilities, the selected mailbox, and
// what the server tells without being asked.

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Capabilities are what the server says it can do, in its present state. It is
// asked where it has not said so itself: what it said before STARTTLS and
// before the login is forgotten.
func (c *Client) Capabilities(ctx context.Context) (imap.Capabilities, error) {
	if c.caps == nil {
		if err := c.Do(ctx, &imapwire.Capability{}, nil); err != nil {
			return nil, err
		}
		if c.caps == nil {
			return nil, fmt.Errorf("%w: no answer to CAPABILITY", ErrProtocol)
		}
	}
	return c.caps, nil
}

// learn takes what the server says it can do; nil forgets it.
func (c *Client) learn(caps imap.Capabilities) {
	c.caps = caps
	c.enc.LiteralPlus = caps.Has(imap.CapLiteralPlus)
	c.enc.LiteralMinus = c.offers(imap.CapLiteralMinus)
	c.names()
}

// names is how mailbox names stand on the wire.
func (c *Client) names() {
	c.enc.UTF8 = c.enabled.Has(imap.CapUTF8Accept) || c.enabled.Has(imap.CapIMAP4rev2) ||
		c.caps.Has(imap.CapIMAP4rev2) && !c.caps.Has(imap.CapIMAP4rev1)
	c.r.UTF8 = c.enc.UTF8
}

// inRev2 are the extensions that are part of IMAP4rev2 (RFC 9051 appendix E).
var inRev2 = []imap.Capability{
	imap.CapNamespace, imap.CapUnselect, imap.CapUIDPlus, imap.CapESearch, imap.CapSearchRes, imap.CapEnable,
	imap.CapIdle, imap.CapSASLIR, imap.CapListExtended, imap.CapListStatus, imap.CapMove, imap.CapLiteralMinus,
	imap.CapBinary, imap.CapStatusSize, imap.CapChildren,
}

// offers reports whether the server offers an extension, as far as is known.
func (c *Client) offers(x imap.Capability) bool {
	switch {
	case c.caps.Has(x):
		return true
	case x == imap.CapCondStore:
		return c.caps.Has(imap.CapQResync) // RFC 7162 section 3.2.3
	case x == imap.CapMetadataServer:
		return c.caps.Has(imap.CapMetadata)
	case x == imap.CapUTF8Accept:
		return c.caps.Has(imap.CapUTF8Only) // RFC 6855 section 6
	case x == imap.CapAppendLimit:
		if _, ok := c.caps.Number(imap.CapAppendLimitKey); ok {
			return true
		}
	case x == imap.CapQuota:
		return len(c.caps.QuotaResources()) > 0 // RFC 9208 section 3
	}
	return c.caps.Has(imap.CapIMAP4rev2) && slices.Contains(inRev2, x)
}

// has is offers of what the server says when it is asked.
func (c *Client) has(ctx context.Context, x imap.Capability) (bool, error) {
	if _, err := c.Capabilities(ctx); err != nil {
		return false, err
	}
	return c.offers(x), nil
}

// need is an *ExtensionError where the server does not offer x.
func (c *Client) need(ctx context.Context, x imap.Capability, what string) error {
	ok, err := c.has(ctx, x)
	if err == nil && !ok {
		err = &ExtensionError{Extension: string(x), For: what}
	}
	return err
}

// Enable asks for extensions that change what the server sends (RFC 5161), and
// returns those that are on from now on; those that were on before are among
// them. One that the server does not offer is an *ExtensionError.
//
// CONDSTORE, QRESYNC, UTF8=ACCEPT, IMAP4rev2 and UIDONLY are enabled so.
func (c *Client) Enable(ctx context.Context, caps ...imap.Capability) (imap.Capabilities, error) {
	if err := c.need(ctx, imap.CapEnable, "ENABLE"); err != nil {
		return nil, err
	}
	for _, x := range caps {
		if err := c.need(ctx, x, "ENABLE"); err != nil {
			return nil, err
		}
	}
	told := false
	_, err := c.run(ctx, &imapwire.Enable{Capabilities: caps}, func(r imapwire.Response) (bool, error) {
		e, ok := r.(*imapwire.EnabledData)
		if ok {
			told = true
			c.enable(e.Capabilities...)
		}
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	if !told {
		c.enable(caps...) // iCloud says OK and nothing else
	}
	return slices.Clone(c.enabled), nil
}

func (c *Client) enable(caps ...imap.Capability) {
	for _, x := range caps {
		if !c.enabled.Has(x) {
			c.enabled = append(c.enabled, x)
		}
		if x.Equal(imap.CapQResync) && !c.enabled.Has(imap.CapCondStore) {
			c.enabled = append(c.enabled, imap.CapCondStore)
		}
	}
	c.names()
}

// Enabled reports whether an extension was enabled by Enable.
func (c *Client) Enabled(x imap.Capability) bool { return c.enabled.Has(x) }

// Referral is the IMAP URL of the server that the login's answer named as the
// user's better one, or empty (RFC 2221 section 4.1). A refusal with such an
// address is a *ReferralError.
func (c *Client) Referral() string { return c.referral }

// Mailbox is what is known of the selected mailbox, nil where none is. Of it
// Messages, Recent, Flags and PermanentFlags follow what the server tells.
func (c *Client) Mailbox() *imap.MailboxStatus { return c.selected }

// EventKind says what an Event tells.
type EventKind uint8

const (
	// EventExists: Messages is how many there are now in the selected mailbox.
	EventExists EventKind = iota + 1
	// EventExpunge: Seq went from the selected mailbox, and those behind it
	// moved up.
	EventExpunge
	// EventVanished: UIDs went from the selected mailbox (RFC 7162, RFC 9586).
	EventVanished
	// EventMessage: Message holds what changed of a message, its flags as a
	// rule. With NOTIFY it may be a new one.
	EventMessage
	// EventStatus: Status is that of a mailbox that is not selected (RFC
	// 5465).
	EventStatus
	// EventMailbox: Mailbox was made, renamed, removed or subscribed (RFC
	// 5465).
	EventMailbox
	// EventSearch: Search is what changed of a result with the tag that is
	// kept up to date (RFC 5267).
	EventSearch
	// EventAlert: Text must be shown to the user.
	EventAlert
	// EventProgress: Progress is how far a command is (RFC 9585).
	EventProgress
	// EventText: Text and Code of any other untagged OK, NO, BAD or BYE.
	EventText
	// EventOther: Response is all there is.
	EventOther
)

// Event is something that the server told beside an answer.
type Event struct {
	Kind     EventKind
	Messages uint32
	Seq      imap.SeqNum
	UIDs     imap.UIDSet
	Message  *Message
	Status   *imap.MailboxStatus
	Mailbox  *imap.MailboxInfo
	Search   *imap.SearchResult
	Tag      string // of the command that Search is of
	Progress imap.CodeInProgress
	Code     imap.Code
	Text     string
	// Response is the response itself.
	Response imapwire.Response
}

// eventOf is the event of a response.
func eventOf(r imapwire.Response) Event {
	e := Event{Kind: EventOther, Response: r}
	switch r := r.(type) {
	case *imapwire.ExistsData:
		e.Kind, e.Messages = EventExists, r.Count
	case *imapwire.ExpungeData:
		e.Kind, e.Seq = EventExpunge, r.Seq
	case *imapwire.VanishedData:
		e.Kind, e.UIDs = EventVanished, r.UIDs
	case *imapwire.FetchData:
		e.Kind, e.Message = EventMessage, (*Message)(r)
	case *imapwire.StatusData:
		e.Kind, e.Status = EventStatus, &r.MailboxStatus
	case *imapwire.ListData:
		e.Kind, e.Mailbox = EventMailbox, &r.MailboxInfo
	case *imapwire.ESearchData:
		e.Kind, e.Search, e.Tag = EventSearch, &r.SearchResult, r.Tag
	case *imapwire.StatusResponse:
		e.Kind, e.Code, e.Text = EventText, r.Code, r.Text
		switch code := r.Code.(type) {
		case imap.CodeAtom:
			switch code {
			case imap.CodeAlert:
				e.Kind = EventAlert
			case imap.CodeInProgressAtom:
				e.Kind, e.Progress = EventProgress, imap.CodeInProgress{Progress: -1, Goal: -1}
			}
		case imap.CodeInProgress:
			e.Kind, e.Progress = EventProgress, code
		}
	}
	return e
}

// mailboxEvent reports whether a response is about the selected mailbox's
// messages.
func mailboxEvent(r imapwire.Response) bool {
	switch r := r.(type) {
	case *imapwire.ExistsData, *imapwire.ExpungeData, *imapwire.FetchData:
		return true
	case *imapwire.VanishedData:
		return !r.Earlier
	}
	return false
}

// unasked passes on a response that is no answer.
func (c *Client) unasked(r imapwire.Response) {
	if c.selected != nil && mailboxEvent(r) {
		c.changes++
	}
	if c.opts.OnEvent != nil {
		e := eventOf(r)
		c.opts.OnEvent(&e)
	}
}

// note keeps what any response may say at any time.
func (c *Client) note(r imapwire.Response) {
	switch r := r.(type) {
	case *imapwire.CapabilityData:
		c.learn(r.Capabilities)
	case *imapwire.StatusResponse:
		switch code := r.Code.(type) {
		case imap.CodeCapability:
			c.learn(code.Capabilities)
		case imap.CodePermanentFlags:
			if c.selected != nil && !c.selecting {
				c.selected.PermanentFlags = code.Flags
			}
		}
		if r.Cond == imap.BYE && c.bye == nil {
			c.bye = r
		}
	}
	if c.selected == nil || c.selecting {
		return
	}
	switch r := r.(type) {
	case *imapwire.ExistsData:
		c.selected.Messages = r.Count
	case *imapwire.RecentData:
		c.selected.Recent = r.Count
	case *imapwire.FlagsData:
		c.selected.Flags = r.Flags
	case *imapwire.ExpungeData:
		if c.selected.Messages > 0 {
			c.selected.Messages--
		}
	case *imapwire.VanishedData:
		if !r.Earlier {
			n := uint32(min(r.UIDs.Count(), int64(c.selected.Messages)))
			c.selected.Messages -= n
		}
	}
}
