package mime

// The part tree: the offsets of a message's entities.

import (
	"io"
	"sync"
)

// A Part is one entity of a message: the message itself, a part of a multipart, or the message within message/rfc822. It is
// data alone and may be kept, shared between goroutines (none writing) and used over any io.ReaderAt that holds the message.
type Part struct {
	Parent   *Part
	Children []*Part // of a multipart in which a delimiter was found
	Message  *Part   // the message within message/rfc822 or message/global

	// Header is the header's fields as far as the limits keep them.
	Header Header

	// Offsets in octets from the start of the message. The header, blank line included, is Start to BodyStart; the body is
	// BodyStart to End, and excludes the line ending before the delimiter that follows (RFC 2046 section 5.1.1).
	Start, BodyStart, End int64
	// Lines is the LF octets of the body.
	Lines int64

	// Defects is the faults of the whole message. It is set on the message itself only.
	Defects []Defect

	digest bool // a part of multipart/digest, where message/rfc822 is the default (RFC 2046 section 5.1.5)
}

// Octets returns the size of the body in octets, as it stands.
func (p *Part) Octets() int64 { return p.End - p.BodyStart }

// Envelope returns the ENVELOPE of a message: of the whole one, or of an embedded one (Message of its part).
func (p *Part) Envelope() *Envelope { return p.Header.Envelope() }

// ContentType returns the media type of the header, or the default where there is none or it cannot be read:
// message/rfc822 in a multipart/digest, else text/plain; charset=us-ascii.
func (p *Part) ContentType() ContentType {
	if f, ok := p.Header.Get("Content-Type"); ok {
		if ct, ok := parseContentType(string(f.Value()), p.Header.limits().Parameters); ok {
			return ct
		}
	}
	if p.digest {
		return ContentType{Type: "message", Subtype: "rfc822"}
	}
	return defaultContentType()
}

// Encoding returns the Content-Transfer-Encoding as it stands, or "7bit" where there is none.
func (p *Part) Encoding() string {
	if f, ok := p.Header.Get("Content-Transfer-Encoding"); ok {
		q := paramParser{s: string(f.Value())}
		q.skip()
		if q.i < len(q.s) && q.s[q.i] == '"' {
			q.i++
		}
		if t := q.token(); t != "" {
			return t
		}
	}
	return "7bit"
}

// Filename returns the decoded file name: Content-Disposition's filename, else Content-Type's name, else "". It is text from
// the sender and may hold path separators; it is not safe as a path.
func (p *Part) Filename() string {
	if d, ok := p.Header.Disposition(); ok {
		if n, ok := d.Params.Get("filename"); ok && n != "" {
			return n
		}
	}
	n, _ := p.ContentType().Params.Get("name")
	return n
}

// Parse reads the message of size octets in r in one pass and returns its tree. The headers are copied, the bodies are
// passed over, so memory grows with the number of parts and their headers alone. The error is r's; the tree then holds what
// was read before it.
func Parse(r io.ReaderAt, size int64, o *Options) (*Part, error) {
	return parse(NewScanner(io.NewSectionReader(r, 0, size), o))
}

// ParseBytes returns the tree of the message in b. Its headers are slices of b.
func ParseBytes(b []byte, o *Options) *Part {
	s := scanners.Get().(*Scanner)
	s.init(o)
	s.buf = b
	s.eof = true
	p, _ := parse(s)
	*s = Scanner{}
	scanners.Put(s)
	return p
}

// scanners is where ParseBytes takes its Scanners from. They are zero.
var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// partSlab is how many Parts are allocated at once, behind the first and those of a family.
const partSlab = 16

// A family is what is allocated at once for the first parts: most messages have no more.
type family struct {
	parts    [4]Part
	children [4]*Part
}

func parse(s *Scanner) (*Part, error) {
	var (
		t        Token
		root     *Part
		cur      *Part
		slab     []Part
		children []*Part // of a family, not in use
		lines    int64   // LF octets so far
		total    int     // octets of headers kept
		fields   int
		size     int
		full     bool   // the current header has reached a limit
		hdr      []byte // of a stream: the current header
		block    []byte // of a stream: where headers are kept
	)
	keep := func(h []byte) []byte {
		if len(block)+len(h) > cap(block) {
			block = make([]byte, 0, max(4096, len(h)))
		}
		n := len(block)
		block = append(block, h...)
		return block[n:len(block):len(block)]
	}
	for {
		if s.state == scanHeader && !full {
			from := s.pos
			n, octets, nl := s.ordinary(s.lim.HeaderFields-fields, min(s.lim.HeaderSize-size, s.lim.TotalHeaderSize-total))
			fields += n
			size += octets
			total += octets
			lines += int64(nl)
			if s.r != nil {
				hdr = append(hdr, s.buf[from:s.pos]...)
			}
		}
		if err := s.next(&t); err != nil {
			if err == io.EOF {
				err = nil
			}
			root.Defects = s.defects
			return root, err
		}
		switch t.Kind {
		case KindEntityStart:
			var p *Part
			if root == nil {
				p = &Part{}
				root = p
			} else {
				switch {
				case len(slab) > 0:
				case s.parts == 2:
					f := new(family)
					slab, children = f.parts[:], f.children[:]
				default:
					slab = make([]Part, partSlab)
				}
				p = &slab[0]
				slab = slab[1:]
				if n := len(s.stack); s.stack[n-2].kind == entityMessage {
					cur.Message = p
				} else {
					if cur.Children == nil && len(children) > 0 {
						cur.Children = children[:0:2]
						children = children[2:]
					}
					cur.Children = append(cur.Children, p)
					p.digest = s.stack[n-2].digest
				}
				p.Parent = cur
			}
			p.Start = t.Offset
			p.Header.lim = s.lim
			cur = p
			fields, size, full = 0, 0, false
			hdr = hdr[:0]
		case KindField, KindFieldRest:
			lines += int64(t.Lines)
			if full {
				break
			}
			if fields++; fields > s.lim.HeaderFields || size+len(t.Raw) > s.lim.HeaderSize || total+len(t.Raw) > s.lim.TotalHeaderSize {
				full = true
				s.defect(DefectLimitHeader, t.Offset)
				break
			}
			size += len(t.Raw)
			total += len(t.Raw)
			if s.r != nil {
				hdr = append(hdr, t.Raw...)
			}
		case KindHeaderEnd:
			lines += int64(t.Lines)
			if !full {
				size += len(t.Raw)
				if s.r != nil {
					hdr = append(hdr, t.Raw...)
				}
			}
			cur.BodyStart = t.Offset + int64(len(t.Raw))
			if s.r == nil {
				cur.Header.raw = s.buf[cur.Start : cur.Start+int64(size) : cur.Start+int64(size)]
			} else {
				cur.Header.raw = keep(hdr)
			}
			cur.Lines = lines
		case KindEntityEnd:
			cur.End = t.Offset
			cur.Lines = lines - cur.Lines
			cur = cur.Parent
		default:
			lines += int64(t.Lines)
		}
	}
}
