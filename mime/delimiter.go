package mime

// Delimiter lines of multiparts (RFC 2046 section 5.1.1), and what the scanner has to know of a Content-Type.

import (
	"bytes"
	"hash/maphash"
)

// hashedDepth is the nesting from which boundaries are compared by hash first, so that the cost of a line does not grow
// with the depth.
const hashedDepth = 4

// delimiter tells whether the line at b[at:] is a delimiter of an open multipart: the index in bounds (or -1), the line's
// end, and whether it is a close delimiter. more says that the line's end is not in b though it may come.
func (s *Scanner) delimiter(b []byte, at int) (index, end int, closing, more bool) {
	l := b[at:min(len(b), at+s.lim.BoundaryLine)]
	i := bytes.IndexByte(l, '\n')
	if i < 0 {
		if len(l) == s.lim.BoundaryLine {
			return -1, 0, false, false
		}
		if !s.eof {
			return -1, 0, false, true
		}
		i = len(l) - 1
	}
	end = at + i + 1
	text := l[2 : i+1]
	for n := len(text); n > 0; n-- {
		if c := text[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			break
		}
		text = text[:n-1]
	}
	if len(text) == 0 {
		return -1, 0, false, false
	}
	closed := text[:0]
	if n := len(text); n > 2 && text[n-1] == '-' && text[n-2] == '-' {
		closed = text[:n-2]
	}
	var h, hc uint64
	for i := len(s.bounds) - 1; i >= 0; i-- {
		bd := &s.bounds[i]
		switch {
		case len(bd.text) == len(text):
			if bd.level >= hashedDepth {
				if h == 0 {
					h = maphash.Bytes(s.seed, text)
				}
				if h != bd.hash {
					continue
				}
			}
			if bytes.Equal(bd.text, text) {
				return i, end, false, false
			}
		case len(bd.text) == len(closed):
			if bd.level >= hashedDepth {
				if hc == 0 {
					hc = maphash.Bytes(s.seed, closed)
				}
				if hc != bd.hash {
					continue
				}
			}
			if bytes.Equal(bd.text, closed) {
				return i, end, true, false
			}
		}
	}
	return -1, 0, false, false
}

// ownDelimiter tells whether the line at the start of b is a delimiter of the multipart whose header is being read.
func (s *Scanner) ownDelimiter(b []byte) bool {
	if len(s.ct.boundary) == 0 || !bytes.HasPrefix(b[2:], s.ct.boundary) {
		return false
	}
	s.bounds = append(s.bounds, boundary{text: s.ct.boundary})
	i, _, _, _ := s.delimiter(b, 0)
	s.bounds = s.bounds[:len(s.bounds)-1]
	return i >= 0
}

// contentField notes what the scanner has to know of a Content-Type or Content-Transfer-Encoding field.
func (s *Scanner) contentField(f []byte, name int) {
	switch {
	case name == 12 && equalFold(f[:12], "content-type"):
		if s.hasCT {
			s.defect(DefectDuplicateField, s.offset())
			return
		}
		s.hasCT = true
		digest := s.ct.message
		info, ok := scanMediaType(fieldValue(f, name), s.lim.Parameters)
		if !ok {
			s.defect(DefectInvalidContentType, s.offset())
			info = mediaInfo{message: digest}
		}
		if info.conflict {
			s.defect(DefectConflictingBoundary, s.offset())
		}
		if s.r != nil && len(info.boundary) > 0 {
			info.boundary = bytes.Clone(info.boundary)
		}
		s.ct = info
	case name == 25 && equalFold(f[:25], "content-transfer-encoding"):
		if s.hasCTE {
			s.defect(DefectDuplicateField, s.offset())
			return
		}
		s.hasCTE = true
		s.encoded = encodingOf(string(fieldValue(f, name))).encoded()
	}
}
