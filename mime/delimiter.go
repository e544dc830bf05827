package mime

// Delimiter lines of multiparts (RFC 2046 section 5.1.1), and what the scanner has to know of a Content-Type.

import "bytes"

type boundary struct {
	text  []byte
	level int // index of the multipart in Scanner.stack
	outer int // index of the next boundary outwards with the same text, -1 for none; kept while Scanner.byText is
}

// The number of open boundaries up to which each is compared with a line. byText finds one of more, so that the cost of a
// line does not grow with the depth.
const shallow = 4

// open adds the boundary of a multipart.
func (s *Scanner) open(text []byte, level int) {
	s.bounds = append(s.bounds, boundary{text: text, level: level, outer: -1})
	s.aimed = false
	first := len(s.bounds) - 1
	if s.byText == nil {
		if first < shallow {
			return
		}
		s.byText = make(map[string]int)
		first = 0
	}
	for i := first; i < len(s.bounds); i++ {
		bd := &s.bounds[i]
		if o, ok := s.byText[string(bd.text)]; ok {
			bd.outer = o
		}
		s.byText[string(bd.text)] = i
	}
}

// closeTo takes away all but the n outermost boundaries.
func (s *Scanner) closeTo(n int) {
	if n == len(s.bounds) {
		return
	}
	s.aimed = false
	if s.byText != nil {
		for i := len(s.bounds) - 1; i >= n; i-- {
			if bd := &s.bounds[i]; bd.outer >= 0 {
				s.byText[string(bd.text)] = bd.outer
			} else {
				delete(s.byText, string(bd.text))
			}
		}
	}
	s.bounds = s.bounds[:n]
}

// boundaryLine reads the line at b[at:], which begins with two dashes: what stands behind them, the same without the dashes
// of a close delimiter at its end (empty where it has none), and the line's end, or 0 where the line is too long or empty. more
// says that the line's end is not in b though it may come.
func (s *Scanner) boundaryLine(b []byte, at int) (text, closed []byte, end int, more bool) {
	l := b[at:min(len(b), at+s.lim.BoundaryLine)]
	i := bytes.IndexByte(l, '\n')
	if i < 0 {
		if len(l) == s.lim.BoundaryLine {
			return nil, nil, 0, false
		}
		if !s.eof {
			return nil, nil, 0, true
		}
		i = len(l) - 1
	}
	text = l[2 : i+1]
	for n := len(text); n > 0; n-- {
		if c := text[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			break
		}
		text = text[:n-1]
	}
	if len(text) == 0 {
		return nil, nil, 0, false
	}
	closed = text[:0]
	if n := len(text); n > 2 && text[n-1] == '-' && text[n-2] == '-' {
		closed = text[:n-2]
	}
	return text, closed, at + i + 1, false
}

// delimiter tells whether the line at b[at:], which begins with two dashes, is a delimiter of an open multipart: the index in
// bounds (or -1) of the innermost it may belong to, the line's end, and whether it is a close delimiter. more is as in
// boundaryLine.
func (s *Scanner) delimiter(b []byte, at int) (index, end int, closing, more bool) {
	text, closed, end, more := s.boundaryLine(b, at)
	if end == 0 {
		return -1, 0, false, more
	}
	if len(s.bounds) > shallow {
		i, ok := s.byText[string(text)]
		if !ok {
			i = -1
		}
		if k, ok := s.byText[string(closed)]; ok && k > i {
			return k, end, true, false
		}
		return i, end, false, false
	}
	for i := len(s.bounds) - 1; i >= 0; i-- {
		if bd := s.bounds[i].text; bytes.Equal(bd, text) {
			return i, end, false, false
		} else if bytes.Equal(bd, closed) {
			return i, end, true, false
		}
	}
	return -1, 0, false, false
}

// ownDelimiter tells whether the line at the start of b is a delimiter of the multipart whose header is being read.
func (s *Scanner) ownDelimiter(b []byte) bool {
	if len(s.ct.boundary) == 0 || !bytes.HasPrefix(b[2:], s.ct.boundary) {
		return false
	}
	text, closed, end, _ := s.boundaryLine(b, 0)
	return end > 0 && (bytes.Equal(text, s.ct.boundary) || bytes.Equal(closed, s.ct.boundary))
}

// isName tells whether the field f begins with name, of lower-case letters and hyphens, in any case.
func isName(f []byte, name string) bool {
	if len(f) < len(name) {
		return false
	}
	for i := range len(name) {
		if f[i]|0x20 != name[i] { // no octet of a field's name but a hyphen becomes one
			return false
		}
	}
	return true
}

// contentField notes what the scanner has to know of a Content-Type or Content-Transfer-Encoding field.
func (s *Scanner) contentField(f []byte, name int) {
	switch {
	case name == len("content-type") && isName(f, "content-type"):
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
	case name == len("content-transfer-encoding") && isName(f, "content-transfer-encoding"):
		if s.hasCTE {
			s.defect(DefectDuplicateField, s.offset())
			return
		}
		s.hasCTE = true
		switch v := fieldValue(f, name); string(v) {
		case "7bit", "8bit":
		case "base64", "quoted-printable":
			s.encoded = true
		default:
			s.encoded = encodingOf(string(v)).encoded()
		}
	}
}
