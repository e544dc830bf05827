package mime

// Content-Type and Content-Disposition: media types and parameters (RFC 2045, 2183, 2231).

import (
	"bytes"
	"sort"
	"strings"
	"unicode/utf8"
)

// A Param is one parameter as it stands in the header: quotes removed, RFC 2231 forms and encoded-words not decoded.
type Param struct {
	Name, Value string
}

// Params is the parameters of a field in order.
type Params []Param

// A ContentType is a Content-Type value (RFC 2045 section 5.1).
type ContentType struct {
	Type, Subtype string // as they stand
	Params        Params
}

// MediaType returns type/subtype in lower case.
func (c ContentType) MediaType() string { return strings.ToLower(c.Type + "/" + c.Subtype) }

// Is tells whether the type and subtype are those given, in any case. An empty subtype stands for all.
func (c ContentType) Is(typ, subtype string) bool {
	return equalFold(c.Type, typ) && (subtype == "" || equalFold(c.Subtype, subtype))
}

// A Disposition is a Content-Disposition value (RFC 2183).
type Disposition struct {
	Type   string // as it stands
	Params Params
}

func defaultContentType() ContentType {
	return ContentType{"text", "plain", Params{{"charset", "us-ascii"}}}
}

// ParseContentType reads a Content-Type value. It takes what senders make of the grammar: missing semicolons' blanks,
// unquoted values with specials, unclosed quotes, comments, empty parameters. ok is false if no media type is found.
func ParseContentType(s string) (ct ContentType, ok bool) {
	return parseContentType(s, defaultParameters)
}

func parseContentType(s string, limit int) (ContentType, bool) {
	p := paramParser{s: s}
	typ, sub, ok := p.mediaType()
	if !ok {
		return ContentType{}, false
	}
	return ContentType{typ, sub, p.params(limit)}, true
}

// ParseDisposition reads a Content-Disposition value. ok is false if there is no disposition type.
func ParseDisposition(s string) (d Disposition, ok bool) {
	return parseDisposition(s, defaultParameters)
}

func parseDisposition(s string, limit int) (Disposition, bool) {
	p := paramParser{s: s}
	p.skip()
	if p.i < len(s) && s[p.i] == '"' {
		d := Disposition{Type: p.value()}
		d.Params = p.params(limit)
		return d, d.Type != ""
	}
	typ := p.token()
	// A bare parameter stands for the type it implies.
	p.skip()
	if p.i < len(s) && s[p.i] == '=' && typ != "" {
		p.i = 0
		return Disposition{"attachment", p.params(limit)}, true
	}
	if typ == "" {
		return Disposition{}, false
	}
	return Disposition{typ, p.params(limit)}, true
}

type paramParser struct {
	s string
	i int
}

// skip passes blanks and comments.
func (p *paramParser) skip() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case isBlank(c):
			p.i++
		case c == '(':
			p.i = skipComment(p.s, p.i)
		default:
			return
		}
	}
}

// skipComment returns the index behind the comment at s[i], or the end of s if it is not closed.
func skipComment(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// closedComment returns the index behind the comment at s[i], or 0 if it is not closed.
func closedComment(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// tokenOctets marks the octets of a token (RFC 2045 section 5.1), and 8-bit ones.
var tokenOctets = func() (t [256]bool) {
	for c := ' ' + 1; c < 256; c++ {
		t[c] = c != 127
	}
	for _, c := range []byte("()<>@,;:\\\"/[]?=") {
		t[c] = false
	}
	return
}()

func isToken(c byte) bool { return tokenOctets[c] }

func (p *paramParser) token() string {
	i := p.i
	for p.i < len(p.s) && isToken(p.s[p.i]) {
		p.i++
	}
	return p.s[i:p.i]
}

// mediaType reads type "/" subtype.
func (p *paramParser) mediaType() (typ, sub string, ok bool) {
	p.skip()
	if p.i < len(p.s) && p.s[p.i] == '"' { // "text/plain"; charset=...
		p.i++
		defer func() {
			if p.i < len(p.s) && p.s[p.i] == '"' {
				p.i++
			}
		}()
	}
	typ = p.token()
	p.skip()
	if typ == "" {
		return "", "", false
	}
	if p.i < len(p.s) && p.s[p.i] == '/' {
		p.i++
		p.skip()
		sub = p.token()
		for p.i < len(p.s) && p.s[p.i] == '/' { // a/b/c
			p.i++
			p.token()
		}
	} else if p.i < len(p.s) && p.s[p.i] != ';' {
		return "", "", false
	}
	if sub == "" {
		switch strings.ToLower(typ) {
		case "text":
			sub = "plain"
		case "multipart":
			sub = "mixed"
		default:
			return "", "", false
		}
	}
	return typ, sub, true
}

// next reads the next parameter.
func (p *paramParser) next() (name, value string, ok bool) {
	for p.i < len(p.s) {
		p.skip()
		if p.i >= len(p.s) {
			break
		}
		name = p.token()
		if name == "" {
			p.i++ // ";" or an octet out of place
			continue
		}
		p.skip()
		if p.i >= len(p.s) || p.s[p.i] != '=' {
			continue // a name without a value, or garbage
		}
		p.i++
		p.skip()
		return name, p.value(), true
	}
	return "", "", false
}

// value reads a token or quoted string. An unquoted value reaches to the next semicolon, blanks within it included, unless
// what follows a blank looks like the next parameter.
func (p *paramParser) value() string {
	s := p.s
	if p.i < len(s) && s[p.i] == '"' {
		start := p.i + 1
		plain := true
		for i := start; i < len(s); i++ {
			switch s[i] {
			case '\\':
				plain = false
				i++
			case '\r', '\n', 0:
				plain = false
			case '"':
				p.i = i + 1
				if plain {
					return s[start:i]
				}
				return unquote(s[start:i])
			}
		}
		// The quote is not closed: up to the semicolon, or all.
		end := len(s)
		if i := strings.IndexByte(s[start:], ';'); i >= 0 {
			end = start + i
		}
		p.i = end
		return trimBlank(unquote(s[start:end]))
	}
	start := p.i
	for p.i < len(s) && s[p.i] != ';' {
		c := s[p.i]
		if isBlank(c) {
			q := paramParser{s, p.i}
			for q.i < len(s) && isBlank(s[q.i]) {
				q.i++
			}
			at := q.i
			if at < len(s) && s[at] == '(' {
				// A comment, if nothing of the value follows it: report (1).pdf is a name.
				q.skip()
				if behind := q.i; behind < len(s) && s[behind] != ';' && (q.token() == "" || q.i >= len(s) || s[q.i] != '=') {
					p.i = max(behind, q.i)
					continue
				}
				v := unfold(s[start:p.i])
				p.i = at
				return v
			}
			if q.token() != "" && q.i < len(s) && s[q.i] == '=' && (q.i+1 >= len(s) || s[q.i+1] != '?') {
				v := unfold(s[start:p.i])
				p.i = at
				return v
			}
			p.i = max(at, q.i)
			continue
		}
		p.i++
	}
	return trimBlank(unfold(s[start:p.i]))
}

// unquote undoes quoted-pairs and folding.
func unquote(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) && s[i+1] != '\r' && s[i+1] != '\n' {
			// A backslash before a letter is more often a Windows path than a quoted-pair.
			if n := s[i+1]; n == '"' || n == '\\' || !isAlnum(n) {
				i++
				c = n
			}
		}
		switch c {
		case '\r', '\n':
			continue
		case 0:
			c = '?'
		}
		b = append(b, c)
	}
	return string(b)
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *paramParser) params(limit int) Params {
	var l Params
	for len(l) < limit {
		name, value, ok := p.next()
		if !ok {
			break
		}
		l = append(l, Param{name, value})
	}
	return l
}

// Raw returns the value of the first parameter of exactly this name, not decoded.
func (l Params) Raw(name string) (string, bool) {
	for i := range l {
		if equalFold(l[i].Name, name) {
			return l[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of the parameter in UTF-8, put together and decoded: name* (RFC 2231 section 4), name*0, name*1
// (section 3) and name*0* (section 4.1) before plain name; and in a plain value the encoded-words that RFC 2047 section 5
// forbids there and many senders use. Sections behind a missing one are dropped. ok is false if there is none.
func (l Params) Get(name string) (value string, ok bool) {
	type section struct {
		n   int
		ext bool
		v   string
	}
	var secs []section
	plain, plainOK := "", false
	ext, extOK := "", false
	for i := range l {
		n := l[i].Name
		if len(n) < len(name) || !equalFold(n[:len(name)], name) {
			continue
		}
		rest := n[len(name):]
		switch {
		case rest == "":
			if !plainOK {
				plain, plainOK = l[i].Value, true
			}
		case rest == "*":
			if !extOK {
				ext, extOK = l[i].Value, true
			}
		case rest[0] == '*':
			num := rest[1:]
			e := strings.HasSuffix(num, "*")
			num = strings.TrimSuffix(num, "*")
			if v, good := sectionNumber(num); good {
				secs = append(secs, section{v, e, l[i].Value})
			}
		}
	}
	if extOK {
		return cleanText(decodeExtended(ext)), true
	}
	if len(secs) > 0 {
		sort.SliceStable(secs, func(i, j int) bool { return secs[i].n < secs[j].n })
		if secs[0].n <= 1 {
			charset := ""
			var b []byte
			encoded := false
			next := secs[0].n
			for i, s := range secs {
				if s.n < next {
					continue // said twice
				}
				if s.n != next {
					break
				}
				next++
				v := s.v
				if s.ext {
					encoded = true
					if i == 0 {
						charset, v = cutCharset(v)
					}
					b = appendPercent(b, v)
				} else {
					b = append(b, v...)
				}
			}
			if encoded {
				return cleanText(toUTF8(b, charset)), true
			}
			return decodeParam(string(b)), true
		}
	}
	if !plainOK {
		return "", false
	}
	return decodeParam(plain), true
}

func sectionNumber(s string) (int, bool) {
	if s == "" || len(s) > 6 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// decodeParam decodes a value in which RFC 2047 is misused, or which holds octets over 127.
func decodeParam(s string) string {
	if strings.Contains(s, "=?") {
		return DecodeText(s)
	}
	if !utf8.ValidString(s) {
		return cleanText(toUTF8([]byte(s), ""))
	}
	return cleanText(s)
}

// cutCharset splits charset'language'text (RFC 2231 section 4).
func cutCharset(s string) (charset, text string) {
	i := strings.IndexByte(s, '\'')
	if i < 0 {
		return "", s
	}
	j := strings.IndexByte(s[i+1:], '\'')
	if j < 0 {
		return "", s
	}
	return s[:i], s[i+1+j+1:]
}

func decodeExtended(s string) string {
	charset, text := cutCharset(s)
	return toUTF8(appendPercent(nil, text), charset)
}

func appendPercent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if h, l := unhex(s[i+1]), unhex(s[i+2]); h >= 0 && l >= 0 {
				dst = append(dst, byte(h<<4|l))
				i += 2
				continue
			}
		}
		dst = append(dst, s[i])
	}
	return dst
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// mediaInfo is what a scanner has to know of a Content-Type.
type mediaInfo struct {
	multipart, message, digest bool
	conflict                   bool
	boundary                   []byte
}

// scanMediaType reads a Content-Type for the scanner. Only composite types cost more than a look at the type's first octet.
func scanMediaType(v []byte, limit int) (mediaInfo, bool) {
	var m mediaInfo
	n := 0
	for n < len(v) && isToken(v[n]) {
		n++
	}
	if n+1 < len(v) && v[n] == '/' && isToken(v[n+1]) && !equalFold(v[:n], "multipart") && !equalFold(v[:n], "message") {
		return m, true
	}
	if sub, b := plainBoundary(v, n, limit); b != nil {
		return mediaInfo{multipart: true, digest: equalFold(sub, "digest"), boundary: b}, true
	}
	return scanOddType(v, limit)
}

// plainBoundary returns the subtype and boundary, both in v, of a multipart type that is as the grammar has it, with one
// boundary parameter and no comments; a nil boundary for all others. typ is the length of the type.
func plainBoundary(v []byte, typ, limit int) (sub, boundary []byte) {
	if !equalFold(v[:typ], "multipart") || typ == len(v) || v[typ] != '/' {
		return nil, nil
	}
	i := typ + 1
	for i < len(v) && isToken(v[i]) {
		i++
	}
	if sub = v[typ+1 : i]; len(sub) == 0 {
		return nil, nil
	}
	for n := 0; ; n++ {
		for i < len(v) && isBlank(v[i]) {
			i++
		}
		if i == len(v) {
			return sub, boundary
		}
		if v[i] != ';' || n == limit {
			return nil, nil
		}
		i++
		for i < len(v) && isBlank(v[i]) {
			i++
		}
		if i == len(v) {
			return sub, boundary
		}
		from := i
		for i < len(v) && isToken(v[i]) {
			i++
		}
		name := v[from:i]
		if len(name) == 0 || i == len(v) || v[i] != '=' {
			return nil, nil
		}
		i++
		from = i
		var value []byte
		switch {
		case i < len(v) && v[i] == '(':
			return nil, nil
		case i < len(v) && v[i] == '"':
			for i++; i < len(v) && v[i] != '"'; i++ {
				if c := v[i]; c == '\\' || c == '\r' || c == '\n' || c == 0 {
					return nil, nil
				}
			}
			if i == len(v) {
				return nil, nil
			}
			value = v[from+1 : i]
			i++
		default:
			for i < len(v) && v[i] != ';' && !isBlank(v[i]) {
				if v[i] == 0 {
					return nil, nil
				}
				i++
			}
			value = v[from:i]
		}
		if len(name) >= 8 && equalFold(name[:8], "boundary") {
			value = bytes.TrimRight(value, " \t")
			if len(name) > 8 || boundary != nil || len(value) == 0 {
				return nil, nil
			}
			boundary = value
		}
	}
}

// scanOddType is scanMediaType for all that can be.
func scanOddType(v []byte, limit int) (m mediaInfo, ok bool) {
	p := paramParser{s: string(v)}
	typ, sub, ok := p.mediaType()
	if !ok {
		return m, false
	}
	switch {
	case equalFold(typ, "multipart"):
		m.multipart = true
		m.digest = equalFold(sub, "digest")
		l := p.params(limit)
		b, ok := l.Raw("boundary")
		if !ok {
			b, _ = l.Get("boundary")
		}
		count := 0
		for i := range l {
			if equalFold(l[i].Name, "boundary") {
				count++
				if raw := l[i].Value; count > 1 && raw != b {
					m.conflict = true
				}
			}
		}
		m.boundary = []byte(strings.TrimRight(b, " \t"))
	case equalFold(typ, "message"):
		m.message = equalFold(sub, "rfc822") || equalFold(sub, "global")
	}
	return m, true
}
