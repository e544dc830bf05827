package imapclient

// Messages as people ask for them: an overview, a header, a structure, one part
// decoded.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/mime"
)

// Overview yields UID, flags, dates, size and envelope of the messages of set,
// as a list of messages shows them. See Fetch.
func (c *Client) Overview(ctx context.Context, set imap.NumSet) iter.Seq2[*Message, error] {
	return c.Fetch(ctx, set, imap.FetchUID, imap.FetchFlags, imap.FetchInternalDate, imap.FetchSize, imap.FetchEnvelope)
}

// maxHeader is the largest header that Header reads, in octets.
const maxHeader = 1 << 20

// Header is a message's header, fields and all, at most 1 MiB of it. A message
// that is not there is ErrNotFound.
func (c *Client) Header(ctx context.Context, uid imap.UID) (mime.Header, error) {
	section := &imap.BodySection{Specifier: imap.PartHeader, Peek: true}
	var header []byte
	err := c.one(ctx, uid, func(m *Message) (bool, error) {
		r := m.Open(section)
		if r == nil {
			return false, nil
		}
		var err error
		header, err = io.ReadAll(io.LimitReader(r, maxHeader))
		return true, err
	}, section)
	return mime.ParseHeader(header), err
}

// Structure is a message's tree of parts (BODYSTRUCTURE). A message that is not
// there is ErrNotFound; a structure that can not be read is an
// *imapwire.ParseError.
func (c *Client) Structure(ctx context.Context, uid imap.UID) (*imap.BodyStructure, error) {
	var b *imap.BodyStructure
	err := c.one(ctx, uid, func(m *Message) (bool, error) {
		b = m.BodyStructure
		return b != nil, nil
	}, imap.FetchBodyStructure)
	return b, err
}

// one fetches items of one message; take says that it had what it wanted.
func (c *Client) one(ctx context.Context, uid imap.UID, take func(*Message) (bool, error), items ...imap.FetchItem) error {
	if uid == 0 {
		return ErrNotFound
	}
	found := false
	var bad error
	for m, err := range c.Fetch(ctx, imap.UIDs(uid, uid), items...) {
		var parse *imapwire.ParseError
		switch {
		case errors.As(err, &parse) && !parse.Close:
			if bad == nil {
				parse.Raw = append([]byte{}, parse.Raw...)
				bad = parse
			}
			continue
		case err != nil:
			return err
		case found || m.Has&imapwire.HasUID != 0 && m.UID != uid:
			continue
		}
		if found, err = take(m); err != nil {
			return err
		}
	}
	if !found && bad == nil {
		bad = ErrNotFound
	}
	if found {
		return nil
	}
	return bad
}

// ParsePart reads the number of a part, such as "1.2", as it stands in
// BODY[...]; the empty string is the message.
func ParsePart(s string) ([]int, error) {
	if s == "" {
		return nil, nil
	}
	var path []int
	for w := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || w[0] == '+' || w[0] == '0' {
			return nil, fmt.Errorf("imapclient: %q is no number of a part", s)
		}
		path = append(path, n)
	}
	return path, nil
}

// FindPart is the part of a structure with the path that BODY[...] takes (RFC
// 3501 section 6.4.5): a part of a multipart by its number, within a message
// that is a part by those of that message, and the whole of a message that is
// no multipart by 1. It is nil where there is none.
func FindPart(b *imap.BodyStructure, path []int) *imap.BodyStructure {
	message := true // b is the content of a message, not of a part
	for _, n := range path {
		if b != nil && b.Body != nil && !message {
			b, message = b.Body, true
		}
		switch {
		case b == nil || n < 1:
			return nil
		case len(b.Parts) > 0:
			if n > len(b.Parts) {
				return nil
			}
			b, message = b.Parts[n-1], false
		case message && n == 1:
			message = false
		default:
			return nil
		}
	}
	return b
}

// PartReader reads one part of a message as a stream. Other calls on the Client
// are ErrBusy until it is closed.
type PartReader struct {
	// Structure is what the part is.
	Structure *imap.BodyStructure
	a         *answers
	r         io.Reader
}

// OpenPart opens a part of a message with its transfer encoding taken away,
// by the server where it offers BINARY (RFC 3516). path is counted as in
// BODY[...], see ParsePart; the empty path is the message itself, as it is. A
// message or part that is not there is ErrNotFound. \Seen is left as it is.
//
// The context counts until the reader is closed.
func (c *Client) OpenPart(ctx context.Context, uid imap.UID, path []int) (*PartReader, error) {
	b, err := c.Structure(ctx, uid)
	if err != nil {
		return nil, err
	}
	part := FindPart(b, path)
	if part == nil {
		return nil, ErrNotFound
	}
	if len(path) == 0 {
		return c.openSection(ctx, uid, part, &imap.BodySection{Peek: true}, "")
	}
	binary, err := c.has(ctx, imap.CapBinary)
	if err != nil {
		return nil, err
	}
	if len(part.Parts) == 0 && binary && encoded(part.Encoding) {
		p, err := c.openSection(ctx, uid, part, &imap.BinarySection{Part: path, Peek: true}, "")
		var said *imap.Error
		if !errors.As(err, &said) || c.Closed() {
			return p, err
		}
		// An encoding that the server does not know, or part that it can not
		// decode (RFC 3516 section 4.3).
	}
	return c.openSection(ctx, uid, part, &imap.BodySection{Part: path, Peek: true}, part.Encoding)
}

// encoded reports whether a transfer encoding has to be taken away.
func encoded(encoding string) bool {
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
		return false
	}
	return true
}

// openSection opens a section, to be decoded here where encoding is set.
func (c *Client) openSection(ctx context.Context, uid imap.UID, part *imap.BodyStructure, section imap.FetchItem, encoding string) (*PartReader, error) {
	a, err := c.ask(ctx, &imapwire.Fetch{Set: imap.UIDs(uid, uid), Items: []imap.FetchItem{section}})
	if err != nil {
		return nil, err
	}
	for {
		r, done, err := a.next()
		if done {
			a.close()
			if err == nil {
				err = ErrNotFound
			}
			return nil, err
		}
		if err != nil {
			a.close()
			return nil, err
		}
		f, ok := r.(*imapwire.FetchData)
		if !ok {
			c.unasked(r)
			continue
		}
		m := (*Message)(f)
		if m.Has&imapwire.HasUID != 0 && m.UID != uid {
			c.unasked(r)
			continue
		}
		if body := m.Open(section); body != nil {
			if encoding != "" {
				body = mime.NewDecoder(body, encoding)
			}
			return &PartReader{Structure: part, a: a, r: body}, nil
		}
	}
}

// Read reads decoded octets.
func (p *PartReader) Read(b []byte) (int, error) { return p.r.Read(b) }

// Text is the part as UTF-8, by the charset that it names; a charset that is
// not known leaves the octets as they are.
func (p *PartReader) Text() io.Reader {
	if s := p.Structure; s != nil {
		charset, ok := s.Params.Get("charset")
		if !ok || charset == "" {
			charset = "us-ascii"
		}
		if r, ok := mime.CharsetReader(p, charset); ok {
			return r
		}
	}
	return p
}

// Close ends the command: what was not read is thrown away, up to
// Options.MaxDrain, beyond which the connection closes.
func (p *PartReader) Close() error {
	p.r = closedReader{}
	p.a.close()
	return nil
}

type closedReader struct{}

func (closedReader) Read([]byte) (int, error) { return 0, ErrClosed }
