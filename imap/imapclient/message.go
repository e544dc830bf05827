package imapclient

// Messages: fetched, changed, copied, moved, expunged.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Message is what FETCH says of one message. It and the octets of its
// sections are valid until the next message is asked for.
type Message imapwire.FetchData

// Open reads the octets of a section that was asked for: item is what Fetch
// was given. It is nil where the server did not send it, or sent NIL. A section
// larger than the client buffers streams: it can be read once.
func (m *Message) Open(item imap.FetchItem) io.Reader {
	want, err := sectionName(item)
	if err != nil {
		return nil
	}
	for i := range m.Sections {
		s := &m.Sections[i]
		if got, err := sectionName(s.Item); err != nil || got != want {
			continue
		}
		switch {
		case s.Stream != nil:
			return s.Stream
		case s.Body != nil:
			return bytes.NewReader(s.Body)
		}
	}
	return nil
}

// sectionName is a section as the server names it: PEEK and the partial's
// count do not show in an answer.
func sectionName(item imap.FetchItem) (string, error) {
	switch b := item.(type) {
	case *imap.BodySection:
		c := *b
		c.Peek = false
		c.Partial = answered(b.Partial)
		item = &c
	case *imap.BinarySection:
		c := *b
		c.Peek = false
		c.Partial = answered(b.Partial)
		item = &c
	}
	name, err := item.AppendText(nil)
	return string(bytes.ToUpper(name)), err
}

func answered(p *imap.Partial) *imap.Partial {
	if p == nil {
		return nil
	}
	return &imap.Partial{Offset: p.Offset, Count: -1}
}

// FetchOptions are the modifiers of FETCH.
type FetchOptions struct {
	// ChangedSince, if not nil, yields messages alone whose mod-sequence is
	// above it (RFC 7162 section 3.1.4.1).
	ChangedSince *imap.ModSeq
	// Vanished, if set, with ChangedSince and a set of UIDs, gets the UIDs of
	// the set that went since then (RFC 7162 section 3.2.6). QRESYNC must have
	// been enabled.
	Vanished func(imap.UIDSet)
	// Modifiers are others, such as PARTIAL (RFC 9394).
	Modifiers []imap.RawItem
}

// Fetch yields what the server says of the messages of set, an imap.UIDSet or
// imap.SeqSet, in the server's order. Messages that do not exist are left out.
// A response that does not parse is yielded as an *imapwire.ParseError, and the
// next one may follow. Data of other messages, sent by the server unasked, may
// come between. Items of extensions that the server does not offer are an
// *ExtensionError.
//
// A message with sections that stream may come in several values, with the
// same Seq; all but the last have More set.
func (c *Client) Fetch(ctx context.Context, set imap.NumSet, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	return c.FetchWith(ctx, set, nil, items...)
}

// FetchWith is Fetch with modifiers. o may be nil.
func (c *Client) FetchWith(ctx context.Context, set imap.NumSet, o *FetchOptions, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		args := &imapwire.Fetch{Set: set, Items: items}
		var vanished func(imap.UIDSet)
		err := c.needItems(ctx, items)
		if o != nil {
			args.ChangedSince, args.Modifiers, vanished = o.ChangedSince, o.Modifiers, o.Vanished
			args.Vanished = vanished != nil
			if err == nil && o.ChangedSince != nil {
				err = c.need(ctx, imap.CapCondStore, "FETCH CHANGEDSINCE")
			}
			if err == nil && vanished != nil && !c.enabled.Has(imap.CapQResync) {
				_, err = c.Enable(ctx, imap.CapQResync)
			}
		}
		if err != nil {
			yield(nil, err)
			return
		}
		flags := asksFlags(items)
		stream(c, ctx, args, func(r imapwire.Response) *Message {
			switch r := r.(type) {
			case *imapwire.FetchData:
				if !flags && r.Has&imapwire.HasFlags != 0 {
					c.changes++ // told unasked
				}
				return (*Message)(r)
			case *imapwire.VanishedData:
				if r.Earlier && vanished != nil {
					vanished(r.UIDs)
				}
			}
			return nil
		})(yield)
	}
}

// asksFlags reports whether flags are among the items.
func asksFlags(items []imap.FetchItem) bool {
	for _, item := range items {
		switch item {
		case imap.FetchFlags, imap.FetchMacroAll, imap.FetchMacroFast, imap.FetchMacroFull:
			return true
		}
	}
	return false
}

// needItems is an *ExtensionError where an item is of an extension that the
// server does not offer.
func (c *Client) needItems(ctx context.Context, items []imap.FetchItem) error {
	for _, item := range items {
		var x imap.Capability
		switch item := item.(type) {
		case *imap.BinarySection, *imap.BinarySize:
			x = imap.CapBinary
		case imap.FetchAtt:
			switch word, _, _ := strings.Cut(string(item), " "); imap.FetchAtt(word) {
			case imap.FetchModSeq:
				x = imap.CapCondStore
			case imap.FetchEmailID, imap.FetchThreadID:
				x = imap.CapObjectID
			case imap.FetchSaveDate:
				x = imap.CapSaveDate
			case imap.FetchPreview:
				x = imap.CapPreview
			case imap.FetchGmailLabels, imap.FetchGmailMessageID, imap.FetchGmailThreadID:
				x = imap.CapGmail
			}
		}
		if x != "" {
			if err := c.need(ctx, x, "FETCH"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Store changes the flags of the messages of set. The server does not repeat
// them. Where change.UnchangedSince is set, which needs CONDSTORE, a
// *ModifiedError says which messages were left alone.
func (c *Client) Store(ctx context.Context, set imap.NumSet, change imap.FlagChange) error {
	if err := c.needStore(ctx, change.UnchangedSince); err != nil {
		return err
	}
	return c.modified(set)(c.run(ctx, &imapwire.Store{Set: set, Change: change, Silent: true}, nil))
}

// StoreFlags is Store that yields the flags that each message has then, and
// its mod-sequence where the server keeps them.
func (c *Client) StoreFlags(ctx context.Context, set imap.NumSet, change imap.FlagChange) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		if err := c.needStore(ctx, change.UnchangedSince); err != nil {
			yield(nil, err)
			return
		}
		streamTo(c, ctx, &imapwire.Store{Set: set, Change: change}, func(r imapwire.Response) *Message {
			f, _ := r.(*imapwire.FetchData)
			return (*Message)(f)
		}, c.modified(set))(yield)
	}
}

// StoreLabels changes the labels of messages at Gmail (X-GM-EXT-1). Labels are
// UTF-8; system labels have their backslash.
func (c *Client) StoreLabels(ctx context.Context, set imap.NumSet, action imap.StoreAction, labels ...string) error {
	if err := c.need(ctx, imap.CapGmail, "STORE X-GM-LABELS"); err != nil {
		return err
	}
	return c.Do(ctx, &imapwire.StoreLabels{Set: set, Action: action, Labels: labels, Silent: true}, nil)
}

func (c *Client) needStore(ctx context.Context, since *imap.ModSeq) error {
	if since == nil {
		return nil
	}
	return c.need(ctx, imap.CapCondStore, "STORE UNCHANGEDSINCE")
}

// modified makes an error of the code MODIFIED: RFC 7162 has it in OK and NO.
func (c *Client) modified(set imap.NumSet) func(*imapwire.StatusResponse, error) error {
	return func(end *imapwire.StatusResponse, err error) error {
		if end == nil {
			return err
		}
		code, ok := end.Code.(imap.CodeModified)
		if !ok {
			return err
		}
		var left imap.NumSet
		var bad error
		if _, uid := set.(imap.UIDSet); uid {
			left, bad = parsed(imap.ParseUIDSet(code.Set))
		} else {
			left, bad = parsed(imap.ParseSeqSet(code.Set))
		}
		if bad != nil {
			return errors.Join(err, bad)
		}
		return &ModifiedError{Set: left}
	}
}

func parsed[N imap.Number](s imap.Set[N], err error) (imap.NumSet, error) { return s, err }

// Copy copies messages to another mailbox (RFC 3501 section 6.4.7): all of
// them, or none and an error. A server with UIDPLUS tells where they are, in a
// result that is nil otherwise.
func (c *Client) Copy(ctx context.Context, set imap.NumSet, mailbox string) (*imap.CopyResult, error) {
	return c.copied(ctx, &imapwire.Copy{Set: set, Mailbox: mailbox})
}

// copied runs a command that answers with COPYUID: in its end, or before it
// (RFC 6851 section 4.3; Exchange).
func (c *Client) copied(ctx context.Context, args imapwire.Args) (*imap.CopyResult, error) {
	var result *imap.CopyResult
	take := func(r *imapwire.StatusResponse) bool {
		if r == nil {
			return false
		}
		code, ok := r.Code.(imap.CodeCopyUID)
		if !ok {
			return false
		}
		if result == nil {
			result = &code.CopyResult
		} else {
			result.Source.AddSet(code.Source)
			result.Dest.AddSet(code.Dest)
		}
		return true
	}
	end, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		s, ok := r.(*imapwire.StatusResponse)
		return ok && take(s), nil
	})
	take(end)
	return result, err
}

// MoveOptions are how messages move.
type MoveOptions struct {
	// Fallback moves messages on a server without MOVE too, if it has UIDPLUS
	// and the set is one of UIDs: it copies them, and when that is done marks
	// them \Deleted and expunges them, and no others. A failure in between
	// leaves them in both mailboxes.
	Fallback bool
}

// Move moves messages to another mailbox (RFC 6851). A server without MOVE is an
// *ExtensionError: see MoveWith.
func (c *Client) Move(ctx context.Context, set imap.NumSet, mailbox string) error {
	_, err := c.MoveWith(ctx, set, mailbox, nil)
	return err
}

// MoveWith is Move with options. A server with UIDPLUS tells where the messages
// are, in a result that is nil otherwise; an error may come with it, where
// messages were copied and not taken away. o may be nil.
func (c *Client) MoveWith(ctx context.Context, set imap.NumSet, mailbox string, o *MoveOptions) (*imap.CopyResult, error) {
	ok, err := c.has(ctx, imap.CapMove)
	if err != nil {
		return nil, err
	}
	if ok {
		return c.copied(ctx, &imapwire.Move{Set: set, Mailbox: mailbox})
	}
	uids, byUID := set.(imap.UIDSet)
	if o == nil || !o.Fallback || !byUID || !c.offers(imap.CapUIDPlus) {
		return nil, &ExtensionError{Extension: string(imap.CapMove), For: "MOVE"}
	}
	if uids.Dynamic() {
		// What "*" is may change between the commands.
		found, err := c.Search(ctx, imap.SearchUIDs{Set: uids})
		if err != nil || len(found) == 0 {
			return nil, err
		}
		uids = imap.UIDSetOf(found...)
	}
	result, err := c.Copy(ctx, uids, mailbox)
	if err != nil {
		return result, err
	}
	if err := c.Store(ctx, uids, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}); err != nil {
		return result, err
	}
	return result, c.Expunge(ctx, uids)
}

// Expunge removes the messages that have \Deleted: those of uids alone, which
// needs UIDPLUS (RFC 4315), or all where uids is empty.
func (c *Client) Expunge(ctx context.Context, uids imap.UIDSet) error {
	if !uids.Empty() {
		if err := c.need(ctx, imap.CapUIDPlus, "UID EXPUNGE"); err != nil {
			return err
		}
	}
	return c.Do(ctx, &imapwire.Expunge{UIDs: uids}, nil)
}
