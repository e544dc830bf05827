package imapclient

// Messages: fetch, search, store, append, copy, move, expunge.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

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
	if b, ok := item.(*imap.BodySection); ok {
		c := *b
		c.Peek = false
		if c.Partial != nil {
			c.Partial = &imap.Partial{Offset: b.Partial.Offset, Count: -1}
		}
		item = &c
	}
	name, err := item.AppendText(nil)
	return string(bytes.ToUpper(name)), err
}

// Fetch yields what the server says of the messages of set, an imap.UIDSet or
// imap.SeqSet, in the server's order. Messages that do not exist are left out.
// A response that does not parse is yielded as an *imapwire.ParseError, and the
// next one may follow. Data of other messages, sent by the server unasked, may
// come between.
//
// A message with sections that stream may come in several values, with the
// same Seq; all but the last have More set.
func (c *Client) Fetch(ctx context.Context, set imap.NumSet, items ...imap.FetchItem) iter.Seq2[*Message, error] {
	return stream(c, ctx, &imapwire.Fetch{Set: set, Items: items}, func(r imapwire.Response) *Message {
		if f, ok := r.(*imapwire.FetchData); ok {
			return (*Message)(f)
		}
		return nil
	})
}

// stream runs a command as an iterator of the responses that pick picks.
// Breaking out of it drains the rest of the answer, up to Options.MaxDrain.
func stream[T any](c *Client, ctx context.Context, args imapwire.Args, pick func(imapwire.Response) *T) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		tag, err := c.begin(args)
		if err != nil {
			yield(nil, err)
			return
		}
		over := false
		defer func() {
			if !over { // a panic in the loop's body: the rest of the answer is unread
				c.ended(ErrClosed)
			}
			c.busy = false
		}()
		stop := c.conn.Watch(ctx)
		defer stop()
		if err := c.send(tag, args); err != nil {
			over = true
			yield(nil, err)
			return
		}
		wanted, start := true, int64(0)
		for {
			r, err := c.read()
			if !wanted && c.conn.Reader().Offset()-start > c.opts.MaxDrain {
				return
			}
			unread := err != nil && c.unread(err)
			if err != nil && !unread {
				over = true
				if wanted {
					yield(nil, err)
				}
				return
			}
			var v *T
			if !unread {
				if s, ok := r.(*imapwire.StatusResponse); ok && s.Tag != "" {
					over = true
					if err := c.tagged(s, tag); err != nil && wanted {
						yield(nil, err)
					}
					return
				}
				if v = pick(r); v == nil {
					continue
				}
			}
			if wanted && !yield(v, err) {
				wanted, start = false, c.conn.Reader().Offset()
			}
		}
	}
}

// Search returns the UIDs of the messages that match all the keys, ascending
// where the server sorts them, as all do. Strings in the keys are UTF-8.
func (c *Client) Search(ctx context.Context, keys ...imap.SearchKey) ([]imap.UID, error) {
	var uids []imap.UID
	args := &imapwire.Search{UID: true, Criteria: keys}
	var err error
	texts(keys, func(s string) {
		if !isASCII(s) {
			args.Charset = "UTF-8"
		}
		if err == nil {
			err = oneLine(s)
		}
	})
	if err != nil {
		return nil, err
	}
	err = c.Do(ctx, args, func(r imapwire.Response) error {
		if s, ok := r.(*imapwire.SearchData); ok {
			for _, n := range s.Nums {
				uids = append(uids, imap.UID(n))
			}
		}
		return nil
	})
	return uids, err
}

// texts calls f with every string that is searched for in keys.
func texts(keys []imap.SearchKey, f func(string)) {
	for _, k := range keys {
		switch k := k.(type) {
		case imap.SearchText:
			f(k.Value)
		case imap.SearchHeader:
			f(k.Name)
			f(k.Value)
		case imap.SearchNot:
			texts([]imap.SearchKey{k.Key}, f)
		case imap.SearchOr:
			texts([]imap.SearchKey{k.A, k.B}, f)
		case imap.SearchFuzzy:
			texts([]imap.SearchKey{k.Key}, f)
		case imap.SearchCriteria:
			texts(k, f)
		}
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Store changes the flags of the messages of set. The server does not repeat
// them.
func (c *Client) Store(ctx context.Context, set imap.NumSet, change imap.FlagChange) error {
	return c.Do(ctx, &imapwire.Store{Set: set, Change: change, Silent: true}, nil)
}

// Append adds a message to a mailbox. r gives its octets, with lines that end
// in CRLF; o.Size is their number, which may be left out where r has a method
// Len, as a bytes.Reader has. A server with UIDPLUS tells where it is, in a
// code that is nil otherwise.
//
// An r that fails or gives fewer octets ends the connection: there is no other
// way out of a literal.
func (c *Client) Append(ctx context.Context, mailbox string, r io.Reader, o *imap.AppendOptions) (*imap.CodeAppendUID, error) {
	args := &imapwire.Append{Mailbox: mailbox}
	if o != nil {
		args.Options = *o
	}
	if args.Options.Size == 0 {
		l, ok := r.(interface{ Len() int })
		if !ok {
			return nil, errors.New("imapclient: APPEND needs the message's size")
		}
		args.Options.Size = int64(l.Len())
	}
	tag, err := c.begin(args)
	if err != nil {
		return nil, err
	}
	defer func() { c.busy = false }()
	stop := c.conn.Watch(ctx)
	defer stop()
	if err := c.send(tag, args); err != nil {
		return nil, err
	}
	n, err := c.conn.ReadFrom(io.LimitReader(r, args.Options.Size))
	if err == nil && n < args.Options.Size {
		err = fmt.Errorf("imapclient: the message has %d octets, not %d: %w", n, args.Options.Size, io.ErrUnexpectedEOF)
	}
	if err == nil {
		_, err = c.conn.WriteString("\r\n")
	}
	if err != nil {
		return nil, c.ended(err)
	}
	var uid *imap.CodeAppendUID
	for {
		r, err := c.read()
		if err != nil {
			var parse *imapwire.ParseError
			if errors.As(err, &parse) && !c.ends(parse) {
				continue
			}
			return nil, err
		}
		s, ok := r.(*imapwire.StatusResponse)
		if !ok || s.Tag == "" {
			continue
		}
		if code, ok := s.Code.(imap.CodeAppendUID); ok {
			uid = &code
		}
		return uid, c.tagged(s, tag)
	}
}

// Copy copies messages to another mailbox (RFC 3501 section 6.4.7).
func (c *Client) Copy(ctx context.Context, set imap.NumSet, mailbox string) error {
	return c.Do(ctx, &imapwire.Copy{Set: set, Mailbox: mailbox}, nil)
}

// Move moves messages to another mailbox (RFC 6851). A server without MOVE
// answers an *imap.Error: there is no fallback.
func (c *Client) Move(ctx context.Context, set imap.NumSet, mailbox string) error {
	return c.Do(ctx, &imapwire.Move{Set: set, Mailbox: mailbox}, nil)
}

// Expunge removes the messages that have \Deleted: those of uids, which needs
// UIDPLUS (RFC 4315), or all where uids is empty.
func (c *Client) Expunge(ctx context.Context, uids imap.UIDSet) error {
	return c.Do(ctx, &imapwire.Expunge{UIDs: uids}, nil)
}
