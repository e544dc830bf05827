package imapclient

// Messages sent to the server: one, many, composed, in another's place.

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// AppendMessage is a message for AppendAll and AppendParts. Of Options, Size is
// that of Body, and may be left out where Body has a method Len, as a
// bytes.Reader has, or where there are Parts.
type AppendMessage struct {
	Options imap.AppendOptions
	// Body gives the message's octets, with lines that end in CRLF.
	Body io.Reader
	// Parts, if there are any, are put together to the message instead (RFC
	// 4469).
	Parts []Part
}

// Part is a part of a message that the server composes: the octets to which a
// URL leads, in a message that is there, or octets that are sent.
type Part struct {
	URL string // relative or absolute (RFC 5092); empty for Body
	// Body gives Size octets, which may be left out as in AppendMessage.
	Body io.Reader
	Size int64
}

// sized is the size of what r gives, where it tells.
func sized(size int64, r io.Reader) (int64, error) {
	if size > 0 {
		return size, nil
	}
	l, ok := r.(interface{ Len() int })
	if !ok {
		return 0, errors.New("imapclient: APPEND needs the message's size")
	}
	return int64(l.Len()), nil
}

// Append adds a message to a mailbox. r gives its octets, with lines that end
// in CRLF; o.Size is their number, which may be left out where r has a method
// Len, as a bytes.Reader has. A server with UIDPLUS tells where it is, in a
// code that is nil otherwise.
//
// An r that fails or gives fewer octets ends the connection: there is no other
// way out of a literal. A message above the server's APPENDLIMIT (RFC 7889) is
// an *imap.Error with TOOBIG, and nothing is sent. o may be nil.
func (c *Client) Append(ctx context.Context, mailbox string, r io.Reader, o *imap.AppendOptions) (*imap.CodeAppendUID, error) {
	m := AppendMessage{Body: r}
	if o != nil {
		m.Options = *o
	}
	return c.appendMessages(ctx, &imapwire.Append{Mailbox: mailbox}, []AppendMessage{m})
}

// AppendParts adds a message that the server composes of parts, some of which
// may be in messages that it has (CATENATE, RFC 4469). o may be nil.
func (c *Client) AppendParts(ctx context.Context, mailbox string, parts []Part, o *imap.AppendOptions) (*imap.CodeAppendUID, error) {
	m := AppendMessage{Parts: parts}
	if o != nil {
		m.Options = *o
	}
	return c.appendMessages(ctx, &imapwire.Append{Mailbox: mailbox}, []AppendMessage{m})
}

// AppendAll adds messages to a mailbox: with MULTIAPPEND (RFC 3502) in one
// command, all of them or none; else one after the other, up to the first that
// is refused. What it returns tells which UIDs they have, in their order, nil
// where the server does not tell; with an error, those of the messages that
// were added.
func (c *Client) AppendAll(ctx context.Context, mailbox string, messages ...AppendMessage) (*imap.CodeAppendUID, error) {
	multi, err := c.has(ctx, imap.CapMultiAppend)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	if multi || len(messages) == 1 {
		return c.appendMessages(ctx, &imapwire.Append{Mailbox: mailbox}, messages)
	}
	var uids *imap.CodeAppendUID
	for i := range messages {
		u, err := c.appendMessages(ctx, &imapwire.Append{Mailbox: mailbox}, messages[i:i+1])
		if err != nil {
			return uids, err
		}
		switch {
		case u == nil:
		case uids == nil:
			uids = u
		default:
			uids.UIDs.AddSet(u.UIDs)
		}
	}
	return uids, nil
}

// Replace adds a message to a mailbox and takes another away from the selected
// one, both or neither (RFC 8508). r and o are those of Append.
func (c *Client) Replace(ctx context.Context, uid imap.UID, mailbox string, r io.Reader, o *imap.AppendOptions) (*imap.CodeAppendUID, error) {
	if err := c.need(ctx, imap.CapReplace, "REPLACE"); err != nil {
		return nil, err
	}
	if uid == 0 {
		return nil, ErrNotFound
	}
	m := AppendMessage{Body: r}
	if o != nil {
		m.Options = *o
	}
	args := &imapwire.Replace{UID: uid}
	args.Mailbox = mailbox
	return c.appendMessages(ctx, args, []AppendMessage{m})
}

// ready is the messages with their sizes, checked against what the server
// offers.
func (c *Client) ready(ctx context.Context, messages []AppendMessage) ([]AppendMessage, error) {
	messages = append([]AppendMessage{}, messages...)
	limit := int64(-1)
	if n, ok := c.caps.Number(imap.CapAppendLimitKey); ok && n < 1<<62 {
		limit = int64(n)
	}
	for i := range messages {
		m := &messages[i]
		o := &m.Options
		if o.Binary {
			if err := c.need(ctx, imap.CapBinary, "a message with NUL"); err != nil {
				return nil, err
			}
		}
		if o.UTF8 && !c.enabled.Has(imap.CapUTF8Accept) && !c.enabled.Has(imap.CapIMAP4rev2) {
			return nil, &ExtensionError{Extension: string(imap.CapUTF8Accept), For: "a message with UTF-8 in its header; it must be enabled"}
		}
		if len(m.Parts) > 0 {
			if err := c.need(ctx, imap.CapCatenate, "CATENATE"); err != nil {
				return nil, err
			}
			m.Parts = append([]Part{}, m.Parts...)
			for j := range m.Parts {
				p := &m.Parts[j]
				if p.URL != "" {
					continue
				}
				var err error
				if p.Size, err = sized(p.Size, p.Body); err != nil {
					return nil, err
				}
			}
			continue
		}
		var err error
		if o.Size, err = sized(o.Size, m.Body); err != nil {
			return nil, err
		}
		if limit >= 0 && o.Size > limit {
			return nil, &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: fmt.Sprintf("the message has %d octets, the server takes %d", o.Size, limit)}
		}
	}
	return messages, nil
}

// piece is what stands between two literals of APPEND, the second one's octets
// behind it.
type piece struct {
	args *imapwire.Append
	body io.Reader // nil where there is none: the command's end
	size int64
}

// pieces is the command for messages. The first piece is the command's begin.
func pieces(messages []AppendMessage) []piece {
	var all []piece
	var open *imapwire.Append // the piece that has no octets yet
	begin := func(a *imapwire.Append) {
		if open != nil {
			open.Next = a
			open = a
			return
		}
		all = append(all, piece{args: a})
		open = a
	}
	octets := func(r io.Reader, size int64) {
		last := &all[len(all)-1]
		last.body, last.size, open = r, size, nil
	}
	for i := range messages {
		m := &messages[i]
		a := &imapwire.Append{Options: m.Options}
		begin(a)
		if len(m.Parts) == 0 {
			octets(m.Body, m.Options.Size)
			continue
		}
		for j := range m.Parts {
			p := &m.Parts[j]
			if open == nil {
				a = &imapwire.Append{Options: imap.AppendOptions{}, Continued: true}
				begin(a)
			}
			a.Parts = append(a.Parts, imapwire.CatenatePart{URL: p.URL, Size: p.Size})
			if p.URL == "" {
				octets(p.Body, p.Size)
			}
		}
	}
	return all
}

// appendMessages sends args, an APPEND or REPLACE, with the messages.
func (c *Client) appendMessages(ctx context.Context, args imapwire.Args, messages []AppendMessage) (*imap.CodeAppendUID, error) {
	messages, err := c.ready(ctx, messages)
	if err != nil {
		return nil, err
	}
	list := pieces(messages)
	first := list[0].args
	switch a := args.(type) {
	case *imapwire.Append:
		first.Mailbox = a.Mailbox
		args = first
	case *imapwire.Replace:
		first.Mailbox = a.Mailbox
		a.Append = *first
	}
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	tag, err := c.encode(args)
	if err != nil {
		return nil, err
	}
	if err := c.send(tag, false); err != nil {
		return nil, err
	}
	for i := range list {
		p := &list[i]
		if i > 0 {
			if c.buf, err = c.enc.AppendNext(c.buf[:0], p.args); err != nil {
				return nil, c.ended(err)
			}
			if err := c.send(tag, false); err != nil {
				return nil, err
			}
		}
		if p.body != nil {
			if err := c.octets(p.body, p.size); err != nil {
				return nil, err
			}
		}
	}
	if list[len(list)-1].body != nil {
		c.enc.Waits = c.enc.Waits[:0]
		c.buf = c.enc.AppendEnd(c.buf[:0])
		if err := c.send(tag, false); err != nil {
			return nil, err
		}
	}
	end, err := c.finish(tag, nil)
	if end != nil {
		if code, ok := end.Code.(imap.CodeAppendUID); ok && err == nil {
			return &code, nil
		}
	}
	return nil, err
}

// octets sends exactly size octets of r.
func (c *Client) octets(r io.Reader, size int64) error {
	n, err := c.conn.ReadFrom(io.LimitReader(r, size))
	if err == nil && n < size {
		err = fmt.Errorf("imapclient: the message has %d octets, not %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return c.unsent(err)
	}
	return nil
}
