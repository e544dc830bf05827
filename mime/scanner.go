package mime

// The scanner: a message as a sequence of tokens, from memory without copying or from a stream in one bounded buffer.

import (
	"bytes"
	"errors"
	"io"
)

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens, in the order in which they occur in an entity.
const (
	// KindEntityStart begins an entity: the message, a part, or an embedded message. It has no octets.
	KindEntityStart Kind = iota + 1
	// KindField is one header field with its folded lines and line ending. A line that is no field, a leading "From " line,
	// and a byte order mark before the header, come as a field without a name.
	KindField
	// KindFieldRest is more of a field that is longer than Limits.FieldSize.
	KindFieldRest
	// KindHeaderEnd ends the header: the blank line, or no octets where it is missing.
	KindHeaderEnd
	// KindBody is octets of a leaf's body; one body may come as several tokens.
	KindBody
	// KindPreamble is octets of a multipart before its first delimiter.
	KindPreamble
	// KindBoundary is a delimiter line with the line ending before it (RFC 2046 section 5.1.1). A close delimiter is without
	// the line ending behind it: that belongs to the epilogue, or to the next delimiter.
	KindBoundary
	// KindEpilogue is octets of a multipart behind its close delimiter.
	KindEpilogue
	// KindEntityEnd ends the entity begun last. It has no octets.
	KindEntityEnd
)

var kindText = [...]string{"", "EntityStart", "Field", "FieldRest", "HeaderEnd", "Body", "Preamble", "Boundary", "Epilogue", "EntityEnd"}

func (k Kind) String() string {
	if int(k) < len(kindText) {
		return kindText[k]
	}
	return "Kind?"
}

// A Token is a piece of a message.
type Token struct {
	Kind   Kind
	Depth  int    // of the entity it belongs to; the message itself is 1
	Offset int64  // of Raw in the message
	Raw    []byte // borrowed from the Scanner: valid until the next call of Next
	Lines  int    // LF octets in Raw
	// NameLen is the length of the field's name at the start of Raw; 0 for a line that is no field. KindField only.
	NameLen int
	// Close tells the close delimiter of a multipart from the others. KindBoundary only.
	Close bool
}

const (
	scanBuffer    = 64 << 10
	minScanBuffer = 4 * maxBoundaryLine
)

type entityKind uint8

const (
	entityLeaf entityKind = iota
	entityMultipart
	entityMessage
)

type entity struct {
	kind     entityKind
	digest   bool // parts default to message/rfc822
	preamble bool // no delimiter seen yet
	closed   bool // close delimiter seen
	start    int64
}

type scanState uint8

const (
	scanStart scanState = iota
	scanHeader
	scanFieldRest
	scanContent
	scanUnwind
	scanDone
)

// A Scanner splits a message into tokens. It uses no more memory than its buffer (64 KiB, or Limits.FieldSize where a field
// is that long), whatever the size of the message, and its cost is linear in the size whatever the nesting.
type Scanner struct {
	r   io.Reader
	err error // of r, delivered when the buffer is used up
	eof bool  // buf holds all that is left

	buf   []byte // buf[pos:] is not delivered yet
	pos   int
	base  int64 // offset of buf[0]
	state scanState
	bol   bool // buf[pos] begins a line that may be a delimiter

	stack  []entity
	bounds []boundary     // of the open multiparts, innermost last
	byText map[string]int // the innermost of bounds of a text; made when there are more than shallow
	search
	parts int

	target   int // scanUnwind: index of the entity to come back to; -1 ends the message
	delim    int // scanUnwind: octets of the delimiter line behind the entities' end
	closing  bool
	delimNew int // scanUnwind: LF octets in the delimiter

	cutLF   bool // an overlong field was cut behind an LF
	fields  int  // fields of the current header so far
	ct      mediaInfo
	hasCT   bool
	hasCTE  bool
	encoded bool

	lim     *Limits
	defects []Defect
	reached uint32 // the limits among the defects

	stackArr [8]entity
	boundArr [4]boundary
}

// NewScanner returns a Scanner over r.
func NewScanner(r io.Reader, o *Options) *Scanner {
	s := &Scanner{}
	s.init(o)
	s.r = r
	return s
}

// NewScannerBytes returns a Scanner over b. Its tokens are slices of b.
func NewScannerBytes(b []byte, o *Options) *Scanner {
	s := &Scanner{}
	s.init(o)
	s.buf = b
	s.eof = true
	return s
}

func (s *Scanner) init(o *Options) {
	s.lim = o.limits()
	s.stack = s.stackArr[:0]
	s.bounds = s.boundArr[:0]
}

// Defects returns the faults met so far, at most Limits.Defects, in the order in which they were met.
func (s *Scanner) Defects() []Defect { return s.defects }

// Next returns the next token. The error is io.EOF behind the last token, or what the io.Reader returned; in that case all
// octets before it have been delivered. Bad input is no error.
func (s *Scanner) Next() (Token, error) {
	var t Token
	err := s.next(&t)
	return t, err
}

// defect reports a fault. The first of each limit reached is kept though the number of defects is at its own.
func (s *Scanner) defect(c DefectCode, off int64) {
	if c >= DefectLimitDepth {
		if s.reached&(1<<c) == 0 {
			s.reached |= 1 << c
			s.defects = append(s.defects, Defect{c, off})
		}
		return
	}
	if len(s.defects) < s.lim.Defects {
		s.defects = append(s.defects, Defect{c, off})
	}
}

// fill makes room, growing the buffer up to size if it is full, and reads until the buffer is full or the input ends.
// Reading to the full makes the tokens independent of how the reader cuts its input. It reports whether octets were added.
func (s *Scanner) fill(size int) bool {
	if s.eof {
		return false
	}
	if s.pos > 0 {
		n := copy(s.buf, s.buf[s.pos:])
		s.base += int64(s.pos)
		s.buf = s.buf[:n]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		if cap(s.buf) >= size && cap(s.buf) > 0 {
			return false
		}
		n := make([]byte, len(s.buf), max(min(size, 2*cap(s.buf)), scanBuffer))
		copy(n, s.buf)
		s.buf = n
	}
	before := len(s.buf)
	empty := 0
	for len(s.buf) < cap(s.buf) {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil {
			s.eof = true
			if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				s.err = err
			}
			break
		}
		if n == 0 {
			if empty++; empty == 100 {
				s.eof, s.err = true, io.ErrNoProgress
				break
			}
		} else {
			empty = 0
		}
	}
	return len(s.buf) > before
}

// need sees to it that n octets are in the window if the input has them.
func (s *Scanner) need(n int) bool {
	for len(s.buf)-s.pos < n {
		if !s.fill(scanBuffer) {
			return false
		}
	}
	return true
}

func (s *Scanner) offset() int64 { return s.base + int64(s.pos) }

func (s *Scanner) take(t *Token, k Kind, n, lines int) {
	t.Kind = k
	t.Depth = len(s.stack)
	t.Offset = s.base + int64(s.pos)
	t.Raw = s.buf[s.pos : s.pos+n : s.pos+n]
	t.Lines = lines
	t.NameLen = 0
	t.Close = false
	s.pos += n
}

func (s *Scanner) next(t *Token) error {
	for {
		switch s.state {
		case scanStart:
			digest := len(s.stack) > 0 && s.stack[len(s.stack)-1].kind == entityMultipart && s.stack[len(s.stack)-1].digest
			s.stack = append(s.stack, entity{start: s.offset()})
			s.parts++
			s.fields = 0
			s.hasCT, s.hasCTE, s.encoded = false, false, false
			s.ct = mediaInfo{}
			if digest {
				s.ct.message = true
			}
			s.state = scanHeader
			s.take(t, KindEntityStart, 0, 0)
			return nil
		case scanHeader:
			s.header(t)
			return nil
		case scanFieldRest:
			if s.fieldRest(t) {
				return nil
			}
		case scanContent:
			if s.content(t) {
				return nil
			}
		case scanUnwind:
			if n := len(s.stack); n-1 > s.target {
				s.take(t, KindEntityEnd, 0, 0)
				e := &s.stack[n-1]
				if e.kind == entityMultipart && !e.closed {
					if e.preamble {
						s.defect(DefectNoParts, e.start)
					} else {
						s.defect(DefectUnclosed, s.offset())
					}
				}
				s.stack = s.stack[:n-1]
				return nil
			}
			if s.target < 0 {
				s.state = scanDone
				continue
			}
			s.boundary(t)
			return nil
		default:
			if s.err != nil {
				return s.err
			}
			return io.EOF
		}
	}
}

// boundary delivers the delimiter line and decides what follows it.
func (s *Scanner) boundary(t *Token) {
	e := &s.stack[s.target]
	s.take(t, KindBoundary, s.delim, s.delimNew)
	t.Close = s.closing
	e.preamble = false
	s.bol = !s.closing
	switch {
	case s.closing:
		e.closed = true
		s.closeTo(len(s.bounds) - 1)
		s.state = scanContent
	case s.parts >= s.lim.Parts:
		s.defect(DefectLimitParts, s.offset())
		s.closeTo(0)
		e.closed = true
		s.state = scanContent
	default:
		s.state = scanStart
	}
}

// header delivers one field, or the end of the header.
func (s *Scanner) header(t *Token) {
	if len(s.buf)-s.pos < maxFieldName && !s.eof {
		s.need(maxFieldName)
	}
	b := s.buf[s.pos:]
	if len(b) == 0 {
		s.headerEnd(t, 0, len(s.stack) > 1 && s.stack[len(s.stack)-2].kind == entityMultipart)
		return
	}
	switch {
	case s.fields == 0 && bytes.HasPrefix(b, byteOrderMark):
		s.fields++
		s.defect(DefectByteOrderMark, s.offset())
		s.take(t, KindField, len(byteOrderMark), 0)
		return
	case b[0] == '\n':
		s.headerEnd(t, 1, false)
		return
	case b[0] == '\r' && len(b) > 1 && b[1] == '\n':
		s.headerEnd(t, 2, false)
		return
	case b[0] == '-' && len(s.bounds)+len(s.ct.boundary) > 0 && len(b) > 1 && b[1] == '-':
		s.need(s.lim.BoundaryLine)
		b = s.buf[s.pos:]
		if i, _, _, _ := s.delimiter(b, 0); i >= 0 || s.ownDelimiter(b) {
			s.headerEnd(t, 0, true)
			return
		}
	}
	end, lines, name := s.field()
	b = s.buf[s.pos:]
	if name == 0 {
		end, lines = lineEnd(b, end)
		if s.fields == 0 && end <= s.lim.FieldSize && isUnixFrom(b[:end]) {
			s.defect(DefectUnixFrom, s.offset())
		} else {
			// A field may follow; what follows is judged by its first octets.
			if end <= s.lim.FieldSize && len(b) < end+maxFieldName && !s.eof {
				s.grow(end + maxFieldName)
				b = s.buf[s.pos:]
			}
			if end > s.lim.FieldSize || fieldName(b[end:]) == 0 {
				s.headerEnd(t, 0, true)
				return
			}
			s.defect(DefectInvalidField, s.offset())
		}
	}
	s.fields++
	if end > s.lim.FieldSize {
		end = s.lim.FieldSize
		lines = bytes.Count(b[:end], newline)
		s.cutLF = b[end-1] == '\n'
		s.defect(DefectLimitField, s.offset())
		s.state = scanFieldRest
	}
	if name >= 12 && b[7] == '-' && b[0]|0x20 == 'c' {
		s.contentField(b[:end], name)
	}
	s.take(t, KindField, end, lines)
	t.NameLen = name
}

// ordinary passes over fields that are whole in the window. It does what header does, without a token for each, and stops at
// whatever it leaves to header. It returns what it passed.
func (s *Scanner) ordinary(maxFields, maxOctets int) (fields, octets, lines int) {
	start := s.pos
	b := s.buf[start : start+min(maxOctets, len(s.buf)-start)]
	if s.fields == 0 && bytes.HasPrefix(b, byteOrderMark) {
		return
	}
	for fields < maxFields {
		r := b[octets:]
		n := fieldName(r)
		if n == 0 || r[0] == '-' {
			break
		}
		end, nl := n, 0
		for {
			i := bytes.IndexByte(r[end:], '\n')
			if i < 0 || end+i+1 >= len(r) {
				end = 0 // its end is not at hand
				break
			}
			end += i + 1
			nl++
			if c := r[end]; c != ' ' && c != '\t' {
				break
			}
		}
		if end == 0 || end > s.lim.FieldSize {
			break
		}
		if n >= 12 && r[7] == '-' && r[0]|0x20 == 'c' {
			s.pos = start + octets
			s.contentField(r[:end], n)
		}
		fields++
		octets += end
		lines += nl
	}
	s.pos = start + octets
	s.fields += fields
	return
}

var (
	newline       = []byte{'\n'}
	byteOrderMark = []byte("\ufeff") // in UTF-8; editors put it before messages saved as files
)

func lineEnd(b []byte, end int) (int, int) {
	if i := bytes.IndexByte(b[:end], '\n'); i >= 0 {
		return i + 1, 1
	}
	return end, 0
}

func isUnixFrom(b []byte) bool {
	return bytes.HasPrefix(b, []byte("From ")) || bytes.HasPrefix(b, []byte(">From "))
}

func (s *Scanner) grow(n int) {
	for len(s.buf)-s.pos < n {
		if !s.fill(max(n, scanBuffer)) {
			return
		}
	}
}

// field finds the end of the field at the window's start: its length, LF octets and name's length (0 if it is no field).
// If the field is longer than Limits.FieldSize, the length only says so.
func (s *Scanner) field() (end, lines, name int) {
	name = fieldName(s.buf[s.pos:])
	for {
		b := s.buf[s.pos:]
		i := bytes.IndexByte(b[end:], '\n')
		if i >= 0 {
			if end+i+1 < len(b) {
				end += i + 1
				lines++
				if c := b[end]; c != ' ' && c != '\t' {
					return end, lines, name
				}
				if end > s.lim.FieldSize {
					return end, lines, name
				}
				continue
			}
			if s.eof {
				return len(b), lines + 1, name
			}
		} else if s.eof {
			return len(b), lines, name
		}
		if len(b) > s.lim.FieldSize {
			return len(b), lines, name
		}
		s.fill(max(s.lim.FieldSize+2, minScanBuffer))
		if name == 0 {
			name = fieldName(s.buf[s.pos:])
		}
	}
}

// fieldRest delivers the octets of an overlong field up to the end of it or of the window.
func (s *Scanner) fieldRest(t *Token) bool {
	s.need(scanBuffer / 2)
	b := s.buf[s.pos:]
	end, lines := 0, 0
	// The cut may lie right behind a line ending.
	cut := s.cutLF
	s.cutLF = false
	if len(b) == 0 || cut && b[0] != ' ' && b[0] != '\t' {
		s.state = scanHeader
		return false
	}
	for {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			end = len(b)
			break
		}
		if end+i+1 >= len(b) && !s.eof {
			end += i // the LF stays until the octet behind it is known
			break
		}
		end += i + 1
		lines++
		if end == len(b) || b[end] != ' ' && b[end] != '\t' {
			s.state = scanHeader
			break
		}
	}
	if end == len(b) && s.eof {
		s.state = scanHeader
	}
	if end == 0 {
		return false
	}
	s.take(t, KindFieldRest, end, lines)
	return true
}

// headerEnd delivers the end of the header, n octets long, and decides what the body is.
func (s *Scanner) headerEnd(t *Token, n int, missing bool) {
	if missing {
		s.defect(DefectMissingBlankLine, s.offset())
	}
	lines := 0
	if n > 0 {
		lines = 1
	}
	s.take(t, KindHeaderEnd, n, lines)
	s.state = scanContent
	s.bol = true
	level := len(s.stack) - 1
	e := &s.stack[level]
	switch {
	case s.ct.multipart:
		if s.encoded {
			s.defect(DefectEncodedComposite, e.start)
		}
		if len(s.ct.boundary) == 0 {
			s.defect(DefectMissingBoundary, e.start)
			return
		}
		if level+1 >= s.lim.Depth {
			s.defect(DefectLimitDepth, e.start)
			return
		}
		e.kind, e.digest, e.preamble = entityMultipart, s.ct.digest, true
		s.open(s.ct.boundary, level)
	case s.ct.message:
		if s.encoded {
			s.defect(DefectEncodedComposite, e.start)
			return
		}
		if level+1 >= s.lim.Depth {
			s.defect(DefectLimitDepth, e.start)
			return
		}
		if s.parts >= s.lim.Parts {
			s.defect(DefectLimitParts, e.start)
			return
		}
		e.kind = entityMessage
		s.state = scanStart
	}
}

// content delivers octets of a body, preamble or epilogue, and finds the delimiter that ends it. It reports whether it has
// delivered a token.
func (s *Scanner) content(t *Token) bool {
	if len(s.buf)-s.pos < scanBuffer/2 {
		s.fill(scanBuffer)
	}
	e := &s.stack[len(s.stack)-1]
	kind := KindBody
	if e.kind == entityMultipart {
		kind = KindEpilogue
		if e.preamble {
			kind = KindPreamble
		}
	}
	for {
		b := s.buf
		if len(s.bounds) == 0 {
			n := len(b)
			if s.pos == n {
				if s.eof {
					s.target, s.delim, s.state = -1, 0, scanUnwind
					return false
				}
				s.fill(scanBuffer)
				continue
			}
			s.take(t, kind, n-s.pos, bytes.Count(b[s.pos:], newline))
			return true
		}
		line, lines := s.pos, 0 // lines is the LF octets before line, or in all of b
		if !s.bol {
			if line = nextLine(b, line); line >= 0 {
				lines = 1
			}
		}
		cand := false // the line at hand may be a delimiter and its end is not known
		for line >= 0 {
			var nl int
			line, nl = s.seek(b, line)
			lines += nl
			if line < 0 {
				break
			}
			if len(b)-line < 2 {
				cand = true
				break
			}
			i, end, closing, more := s.delimiter(b, line)
			if i >= 0 {
				return s.found(t, kind, i, line, end, lines, closing)
			}
			if more {
				cand = true
				break
			}
			if line = nextLine(b, line); line >= 0 {
				lines++
			}
		}
		if s.eof {
			if s.pos == len(b) {
				s.target, s.delim, s.state = -1, 0, scanUnwind
				return false
			}
			s.bol = false
			s.take(t, kind, len(b)-s.pos, lines)
			return true
		}
		// Everything is content but a line ending that may belong to a delimiter.
		end := len(b)
		if cand {
			end = line
			if end > s.pos {
				end--
				lines--
				if end > s.pos && b[end-1] == '\r' {
					end--
				}
			}
		} else if end > s.pos && b[end-1] == '\r' {
			end--
		}
		if end > s.pos {
			s.bol = false
			s.take(t, kind, end-s.pos, lines)
			return true
		}
		s.fill(scanBuffer)
	}
}

// nextLine returns where the line behind the one at b[at:] begins, or -1 if its LF is not in b.
func nextLine(b []byte, at int) int {
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return -1
}

// found is content's end at a delimiter.
func (s *Scanner) found(t *Token, kind Kind, index, line, end, lines int, closing bool) bool {
	ce, nl := line, 0
	if ce > s.pos {
		ce--
		nl = 1
		if ce > s.pos && s.buf[ce-1] == '\r' {
			ce--
		}
	}
	s.closeTo(index + 1)
	s.target = s.bounds[index].level
	s.closing = closing
	s.delimNew = nl
	switch {
	case s.buf[end-1] != '\n':
	case !closing:
		s.delimNew++
	default:
		// The line ending behind a close delimiter belongs to the epilogue, or to the delimiter that follows at once.
		end--
		if s.buf[end-1] == '\r' {
			end--
		}
	}
	s.delim = end - ce
	s.state = scanUnwind
	if ce == s.pos {
		return false
	}
	s.take(t, kind, ce-s.pos, lines-nl)
	return true
}
