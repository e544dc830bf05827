package mime

// IMAP's section specifications (RFC 3501 section 6.4.5), and bodies opened over an io.ReaderAt.

import (
	"io"
)

// A Range is the octets from Start to End of a message.
type Range struct{ Start, End int64 }

// Len returns the number of octets.
func (r Range) Len() int64 { return r.End - r.Start }

// Reader returns a reader of the range.
func (r Range) Reader(m io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(m, r.Start, r.End-r.Start)
}

// Whole returns the range of header and body.
func (p *Part) Whole() Range { return Range{p.Start, p.End} }

// HeaderRange returns the range of the header with its blank line.
func (p *Part) HeaderRange() Range { return Range{p.Start, p.BodyStart} }

// BodyRange returns the range of the body, not decoded.
func (p *Part) BodyRange() Range { return Range{p.BodyStart, p.End} }

// Find returns the part of an IMAP part number, counted from 1; p is the message. In a message that is not a multipart, part
// 1 is the message's own body, and the Part returned is the message itself. Numbers within message/rfc822 are those of the
// embedded message. nil means that there is no such part; an empty path is p.
func (p *Part) Find(path []int) *Part {
	cur := p
	for i, n := range path {
		e := cur
		if i > 0 {
			// cur is a part, reached by its number: a message is entered.
			if cur.Message != nil {
				e = cur.Message
			} else if len(cur.Children) == 0 {
				return nil
			}
		}
		switch {
		case n < 1:
			return nil
		case len(e.Children) > 0:
			if n > len(e.Children) {
				return nil
			}
			cur = e.Children[n-1]
		case n == 1:
			cur = e
		default:
			return nil
		}
	}
	return cur
}

// A Section is the part specifier behind the part number of a section specification.
type Section uint8

// The part specifiers. HEADER.FIELDS is Header.AppendFields on the Part that SectionHeader finds.
const (
	SectionBody   Section = iota // none: the body of the part; without part number, the whole message
	SectionHeader                // HEADER
	SectionText                  // TEXT
	SectionMIME                  // MIME
)

// Section returns the range of BODY[path.sec] and the Part it is of; p is the message. ok is false if there is no such part,
// or if it has no such section: HEADER and TEXT behind a part number need message/rfc822, and MIME needs a part number.
func (p *Part) Section(path []int, sec Section) (r Range, of *Part, ok bool) {
	q := p.Find(path)
	if q == nil {
		return Range{}, nil, false
	}
	if len(path) == 0 {
		switch sec {
		case SectionBody:
			return q.Whole(), q, true
		case SectionHeader:
			return q.HeaderRange(), q, true
		case SectionText:
			return q.BodyRange(), q, true
		}
		return Range{}, nil, false
	}
	switch sec {
	case SectionBody:
		return q.BodyRange(), q, true
	case SectionMIME:
		return q.HeaderRange(), q, true
	case SectionHeader:
		if q.Message != nil {
			return q.Message.HeaderRange(), q.Message, true
		}
	case SectionText:
		if q.Message != nil {
			return q.Message.BodyRange(), q.Message, true
		}
	}
	return Range{}, nil, false
}

// Raw returns a reader of the body as it stands. m holds the message that p was parsed from.
func (p *Part) Raw(m io.ReaderAt) *io.SectionReader { return p.BodyRange().Reader(m) }

// Open returns a reader of the body with its transfer encoding undone, as NewDecoder does it. m holds the message that p was
// parsed from; it is the only source of errors.
func (p *Part) Open(m io.ReaderAt) io.Reader { return NewDecoder(p.Raw(m), p.Encoding()) }

// Text returns a reader of the decoded body in UTF-8, by the charset of its Content-Type. ok is false if the charset is
// missing, unknown or US-ASCII; UTF-8 then passes and other octets are read as Windows-1252. Line endings are as they stand.
func (p *Part) Text(m io.ReaderAt) (r io.Reader, ok bool) {
	cs, _ := p.ContentType().Params.Get("charset")
	return CharsetReader(p.Open(m), cs)
}
