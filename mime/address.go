package mime

// Address lists (RFC 5322 section 3.4 and 4.4, RFC 6532), read as senders write them.

import (
	"strings"
)

// AddressKind tells an address from the marks that bracket a group.
type AddressKind uint8

// The kinds of list elements (RFC 3501 section 7.4.2 writes groups the same way).
const (
	AddressMailbox    AddressKind = iota // a mailbox
	AddressGroupStart                    // begins a group; Mailbox is the group's name as it stands
	AddressGroupEnd                      // ends the group
)

// An Address is one element of an address list. Its strings are as they stand in the header: unfolded, without comments, the
// name without its quotes, and nothing decoded; this is what IMAP's ENVELOPE carries. DisplayName decodes the name.
type Address struct {
	Kind    AddressKind
	Name    string // display name, or the comment behind an address that has none
	Route   string // source route as in "@a,@b" (RFC 5322 section 4.4)
	Mailbox string // local part as it stands, in quotes if it was; or the group's name
	Host    string // domain or domain literal; "" if there is none
}

// DisplayName returns the name (of a group: the group's name) with encoded-words decoded, in UTF-8, on one line.
func (a Address) DisplayName() string {
	if a.Kind == AddressGroupStart {
		return DecodeText(a.Mailbox)
	}
	return DecodeText(a.Name)
}

// Addr returns mailbox@host, or the mailbox alone if there is no host, or "" for a group's marks.
func (a Address) Addr() string {
	switch {
	case a.Kind != AddressMailbox:
		return ""
	case a.Host == "":
		return a.Mailbox
	}
	return a.Mailbox + "@" + a.Host
}

// ParseAddressList reads a list of addresses and groups, in order; groups come as AddressGroupStart, their members, and
// AddressGroupEnd. What cannot be read as an address costs that one element, never the list: text without an address is
// given as a name (several words or a quoted string) or mailbox (one word) without a host. Semicolons between addresses,
// unclosed angle brackets, quotes and comments, unquoted specials in names, and encoded-words in place of names are taken.
// Up to two unquoted pieces without a host before a named address are the front of its name, which a comma has cut: "Doe, John
// <j@d.example>" is one mailbox. Of several at signs the last one parts mailbox and host. Encoded-words within an address are
// not decoded.
func ParseAddressList(s string) []Address {
	return appendAddresses(nil, s, defaultAddresses)
}

// appendAddresses appends the addresses of s to dst until dst has limit elements.
func appendAddresses(dst []Address, s string, limit int) []Address {
	p := addressParser{s: s, dst: dst, limit: limit}
	p.list()
	return p.dst
}

type addressParser struct {
	s     string
	i     int
	dst   []Address
	limit int

	noQuote  bool // no quote behind i is closed
	badParen int  // comments found unclosed; a few are looked for, for each costs a look to the end
	group    bool

	// Pieces of text without a host that may be the front of the next name.
	cutFrom  int // where the first of them begins
	cutAt    int // its index in dst
	cutCount int // how many there are; 0 for none
	cutComma int // commas behind the last one

	comment  string // the last comment of the element, without its parentheses
	comments bool   // there was one
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0 }

const maxBadParens = 8

// maxCutName is how many pieces before a comma may belong to a name; more are a list of local names.
const maxCutName = 2

// skipCFWS passes blanks and comments.
func (p *addressParser) skipCFWS() {
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case isWSP(c):
			p.i++
		case c == '(':
			end := p.commentEnd()
			if end < 0 {
				return
			}
			p.comment, p.comments = p.s[p.i+1:end-1], true
			p.i = end
		default:
			return
		}
	}
}

// commentEnd returns the index behind the comment at p.i, or -1 if it is not closed: the parenthesis is then an octet like
// any other.
func (p *addressParser) commentEnd() int {
	if p.badParen > maxBadParens {
		return -1
	}
	depth := 0
	s := p.s
	for i := p.i; i < len(s); i++ {
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
	p.badParen++
	return -1
}

// quoteEnd returns the index behind the quoted string at p.i, or -1 if it is not closed.
func (p *addressParser) quoteEnd() int {
	if p.noQuote {
		return -1
	}
	s := p.s
	for i := p.i + 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	p.noQuote = true
	return -1
}

func (p *addressParser) add(a Address) {
	if a == (Address{}) {
		return // "<>" says nothing
	}
	if len(p.dst) < p.limit {
		p.dst = append(p.dst, a)
	}
}

func (p *addressParser) list() {
	for p.i < len(p.s) && len(p.dst) < p.limit {
		p.comments = false
		p.skipCFWS()
		if p.i >= len(p.s) {
			break
		}
		switch p.s[p.i] {
		case ',':
			p.i++
			p.cutComma++
		case ';':
			p.i++
			p.cutCount = 0
			p.endGroup()
		default:
			p.element()
		}
	}
	p.endGroup()
}

func (p *addressParser) endGroup() {
	if p.group {
		p.group = false
		// A group that was begun is closed whatever the limit.
		p.dst = append(p.dst, Address{Kind: AddressGroupEnd})
	}
}

// element reads one mailbox, or a group's beginning.
func (p *addressParser) element() {
	s := p.s
	start := p.i
	words := 0        // atoms and quoted strings so far
	quoted := false   // the last word is a quoted string
	special := false  // quotes, comments or folding within the phrase
	at := -1          // the last "@" outside quotes
	lastEnd := p.i    // end of the last word
	lastStart := p.i  // start of the last run of words that no blank parts: the local part
	adjacent := false // the next word goes on with that run
	atStart := -1     // lastStart when "@" came
	for p.i < len(s) {
		c := s[p.i]
		switch {
		case isWSP(c):
			if c == '\r' || c == '\n' || c == 0 {
				special = true
			}
			p.i++
			continue
		case c == '(':
			if end := p.commentEnd(); end >= 0 {
				p.comment, p.comments = s[p.i+1:end-1], true
				special = true
				p.i = end
				continue
			}
			special = true
		case c == '"':
			if end := p.quoteEnd(); end >= 0 {
				if !(adjacent && p.i == lastEnd || lastEnd > start && lastDot(s, lastEnd)) {
					lastStart = p.i
				}
				p.i = end
				words++
				quoted, special, adjacent = true, true, true
				lastEnd = end
				continue
			}
			special = true
		case c == '<':
			if p.cutCount > 0 && p.cutCount <= maxCutName && p.cutComma == 1 && lastEnd > start && s[start] != '"' {
				p.angle(s[p.cutFrom:lastEnd], true, true)
			} else {
				p.angle(s[start:lastEnd], special, false)
			}
			p.cutCount = 0
			return
		case c == ',' || c == ';':
			p.plain(start, lastEnd, words, quoted, special, at, atStart)
			return
		case c == ':' && at < 0 && words > 0:
			p.i++
			if equalFold(s[start:lastEnd], "mailto") && p.i < len(s) && !isWSP(s[p.i]) {
				return
			}
			p.cutCount = 0
			p.endGroup()
			p.group = true
			p.add(Address{Kind: AddressGroupStart, Mailbox: phrase(s[start:lastEnd], special)})
			if len(p.dst) >= p.limit && p.dst[len(p.dst)-1].Kind != AddressGroupStart {
				p.group = false
			}
			return
		case c == '@':
			if at < 0 || at >= 0 && p.i > at {
				if at < 0 {
					atStart = lastStart
				}
				at = p.i
			}
			adjacent = true
			p.i++
			lastEnd = p.i
			continue
		case c == '[' && at >= 0:
			p.i = literalEnd(s, p.i)
			lastEnd = p.i
			continue
		}
		// An atom, dots included.
		if !(adjacent && p.i == lastEnd) && !(lastEnd > start && (lastDot(s, lastEnd) || c == '.')) {
			lastStart = p.i
		}
		from := p.i
		p.i++ // whatever c is, so that the loop goes on
		for p.i < len(s) && isPhraseAtom(s[p.i]) {
			p.i++
		}
		if at >= 0 && from > lastEnd && lastEnd > at+1 && c != '.' && s[lastEnd-1] != '.' && p.i < len(s) && s[p.i] == '@' {
			// A comma is missing: another address follows.
			p.i = from
			p.plain(start, lastEnd, words, quoted, special, at, atStart)
			return
		}
		words++
		quoted, adjacent = false, true
		lastEnd = p.i
	}
	p.plain(start, lastEnd, words, quoted, special, at, atStart)
}

func lastDot(s string, end int) bool { return s[end-1] == '.' || s[end-1] == '@' }

func isPhraseAtom(c byte) bool {
	switch c {
	case '(', '"', '<', ',', ';', ':', '@', ' ', '\t', '\r', '\n', 0:
		return false
	}
	return true
}

// literalEnd returns the index behind the domain literal at s[i]; an unclosed one ends where an address would.
func literalEnd(s string, i int) int {
	for j := i; j < len(s); j++ {
		switch s[j] {
		case ']':
			return j + 1
		case ',', '>', '<', ';', ' ', '\t', '\r', '\n', 0:
			return j
		}
	}
	return len(s)
}

// plain ends an element without angle brackets.
func (p *addressParser) plain(start, end, words int, quoted, special bool, at, atStart int) {
	s := p.s
	if start >= end {
		if p.i < len(s) && s[p.i] != ',' && s[p.i] != ';' {
			p.i++
		}
		return
	}
	if at < 0 {
		t := s[start:end]
		if p.cutCount == 0 || p.cutComma != 1 {
			p.cutFrom, p.cutAt, p.cutCount = start, len(p.dst), 0
		}
		p.cutCount++
		p.cutComma = 0
		if quoted || p.comments {
			p.cutCount = maxCutName + 1 // someone's whole name
		}
		if words == 1 && !quoted {
			p.add(Address{Mailbox: strip(t, special), Name: p.commentName()})
		} else {
			p.add(Address{Name: phrase(t, special)})
		}
		return
	}
	p.cutCount = 0
	local := s[atStart:at]
	local = strip(local, special || strings.ContainsAny(local, " \t"))
	host, rest := cutHost(s[at+1 : end])
	name := phrase(s[start:max(start, atStart)], special)
	if name == "" {
		name = p.commentName()
	}
	local, host = unwrap(local, host)
	_ = rest // text behind a bare address says nothing certain
	if local == "" && host == "" {
		return
	}
	p.add(Address{Name: name, Mailbox: local, Host: host})
}

// unwrap takes away what some senders put round an address: single quotes, brackets, "mailto:".
func unwrap(local, host string) (string, string) {
	if v, ok := cutPrefixFold(local, "mailto:"); ok {
		local = v
	}
	if n := len(host); n > 1 && len(local) > 1 {
		switch {
		case host[n-1] == '\'':
			return strings.TrimPrefix(local, "'"), host[:n-1]
		case host[n-1] == ']' && local[0] == '[' && strings.IndexByte(host, '[') < 0:
			return local[1:], host[:n-1]
		}
	}
	return local, host
}

func (p *addressParser) commentName() string {
	if !p.comments {
		return ""
	}
	return trimBlank(unquoteAll(p.comment))
}

// cutHost splits a domain, blanks and comments around its dots dropped, from the text behind it.
func cutHost(s string) (host, rest string) {
	q := addressParser{s: s}
	q.skipCFWS()
	start := q.i
	clean := true // host is s[start:q.i]
	var b []byte
	for q.i < len(s) {
		from := q.i
		if s[q.i] == '[' {
			q.i = literalEnd(s, q.i)
			if q.i == from {
				q.i++
			}
		} else {
			for q.i < len(s) && !isWSP(s[q.i]) && s[q.i] != '(' && s[q.i] != '[' && s[q.i] != '>' {
				q.i++
			}
			if q.i < len(s) && s[q.i] == '>' {
				if q.i == from {
					break
				}
			}
		}
		if !clean {
			b = append(b, s[from:q.i]...)
		}
		end := q.i
		q.skipCFWS()
		if q.i == end {
			if q.i < len(s) && s[q.i] == '(' { // not closed
				break
			}
			if q.i < len(s) && s[q.i] == '>' {
				break
			}
			continue
		}
		if q.i < len(s) && (s[end-1] == '.' || s[q.i] == '.') {
			if clean {
				clean = false
				b = append(b, s[start:end]...)
			}
			continue
		}
		if clean {
			return s[start:end], s[q.i:]
		}
		return string(b), s[q.i:]
	}
	if clean {
		return s[start:q.i], s[q.i:]
	}
	return string(b), s[q.i:]
}

// angle reads "<" ... ">" at p.i and what may follow it, up to the comma. cut says that the name holds pieces which have been
// taken for elements of their own.
func (p *addressParser) angle(name string, special, cut bool) {
	s := p.s
	for p.i < len(s) && (s[p.i] == '<' || isWSP(s[p.i])) {
		p.i++
	}
	a := Address{Name: phrase(name, special)}
	start := p.i
	if p.i < len(s) && s[p.i] == '@' {
		if n := routeEnd(s, p.i); n > 0 {
			a.Route = strip(s[p.i:n-1], true)
			p.i = n
			start = n
		}
	}
	at := -1
	dirty := false
scan:
	for p.i < len(s) {
		switch c := s[p.i]; {
		case c == '"':
			if end := p.quoteEnd(); end >= 0 {
				p.i = end
				dirty = true
				continue
			}
			dirty = true
		case c == '(':
			if end := p.commentEnd(); end >= 0 {
				p.comment, p.comments = s[p.i+1:end-1], true
				p.i = end
				dirty = true
				continue
			}
			dirty = true
		case c == '[' && at >= 0:
			if end := literalEnd(s, p.i); end > p.i {
				p.i = end
				continue
			}
		case c == '@':
			at = p.i
		case c == '>' || c == ',' || c == '<' || c == ';':
			break scan
		case isWSP(c):
			dirty = true
		}
		p.i++
	}
	spec := s[start:p.i]
	if at < 0 {
		a.Mailbox = strip(spec, dirty)
	} else {
		a.Mailbox = strip(s[start:at], dirty)
		a.Host, _ = cutHost(s[at+1 : p.i])
		a.Mailbox, a.Host = unwrap(a.Mailbox, a.Host)
	}
	switch {
	case !cut:
	case a.Host != "":
		p.dst = p.dst[:p.cutAt]
	default:
		a.Name = phrase(name[strings.LastIndexByte(name, ',')+1:], special)
	}
	if p.i < len(s) && s[p.i] == '<' {
		// <a@b <c@d>: the first ends here.
		if a.Name == "" {
			a.Name = p.commentName()
		}
		p.add(a)
		return
	}
	closed := p.i < len(s) && s[p.i] == '>'
	if closed {
		for p.i < len(s) && s[p.i] == '>' {
			p.i++
		}
		// Text up to the comma belongs to no address; but a second angle bracket begins one.
		for p.i < len(s) {
			p.skipCFWS()
			if p.i >= len(s) || s[p.i] == ',' || s[p.i] == ';' || s[p.i] == '<' {
				break
			}
			if s[p.i] == '"' {
				if end := p.quoteEnd(); end >= 0 {
					p.i = end
					continue
				}
			}
			from := p.i
			p.i++
			for p.i < len(s) && isPhraseAtom(s[p.i]) {
				p.i++
			}
			// A comma is missing: another address follows on its own words.
			if n := nextAngle(s, from); n > 0 {
				p.i = from
				break
			}
		}
	}
	if a.Name == "" {
		a.Name = p.commentName()
	}
	p.add(a)
}

// nextAngle tells whether an angle bracket comes before the next comma, within a short reach.
func nextAngle(s string, i int) int {
	for j := i; j < len(s) && j-i < 256; j++ {
		switch s[j] {
		case '<':
			return j
		case ',', ';', '(', '"':
			return 0
		}
	}
	return 0
}

// routeEnd returns the index behind the colon of the source route at s[i], or 0 if there is none.
func routeEnd(s string, i int) int {
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':':
			return i + 1
		case c == '>' || c == '<' || c == ';' || c == '"' || c == '(':
			return 0
		case c == ',':
			j := i + 1
			for j < len(s) && (isWSP(s[j]) || s[j] == ',') {
				j++
			}
			if j >= len(s) || s[j] != '@' {
				return 0
			}
		}
	}
	return 0
}

// strip returns an addr-spec's part without blanks and comments outside quotes. Blanks between words that no dot parts
// stay as one.
func strip(s string, dirty bool) string {
	s = trimBlank(s)
	if !dirty {
		return s
	}
	q := addressParser{s: s}
	b := make([]byte, 0, len(s))
	for q.i < len(s) {
		from := q.i
		c := s[q.i]
		switch {
		case c == '"':
			if end := q.quoteEnd(); end >= 0 {
				q.i = end
				for _, c := range []byte(s[from:end]) {
					switch c {
					case '\r', '\n':
					case 0:
						b = append(b, '?')
					default:
						b = append(b, c)
					}
				}
				continue
			}
			q.i++
		case isWSP(c) || c == '(':
			q.skipCFWS()
			if q.i == from {
				b = append(b, c)
				q.i++
				continue
			}
			if len(b) > 0 && q.i < len(s) && wordOctet(b[len(b)-1]) && wordOctet(s[q.i]) {
				b = append(b, ' ')
			}
		default:
			b = append(b, c)
			q.i++
		}
	}
	return string(trimBlank(b))
}

func wordOctet(c byte) bool {
	switch c {
	case '.', ',', '@', ':', '[', ']':
		return false
	}
	return true
}

// phrase returns a display name without quotes, comments and folding.
func phrase(s string, special bool) string {
	s = trimBlank(s)
	if !special || s == "" {
		return s
	}
	if s[0] == '"' {
		// The usual case: one quoted string without quoted-pairs.
		if i := strings.IndexAny(s[1:], "\"\\\r\n\x00"); i >= 0 && i == len(s)-2 && s[len(s)-1] == '"' {
			return s[1 : len(s)-1]
		}
	}
	q := addressParser{s: s}
	b := make([]byte, 0, len(s))
	for q.i < len(s) {
		from := q.i
		c := s[q.i]
		switch {
		case c == '"':
			if end := q.quoteEnd(); end >= 0 {
				b = append(b, unquoteAll(s[from+1:end-1])...)
				q.i = end
				continue
			}
			q.i++
		case c == '(' && q.badParen == 0:
			if end := q.commentEnd(); end >= 0 {
				q.i = end
				if n := len(b); n > 0 && b[n-1] == ' ' && q.i < len(s) && isWSP(s[q.i]) {
					b = b[:n-1]
				}
				continue
			}
			b = append(b, c)
			q.i++
		case c == '\r' || c == '\n':
			q.i++
		case c == 0:
			b = append(b, '?')
			q.i++
		default:
			b = append(b, c)
			q.i++
		}
	}
	return string(trimBlank(b))
}

// unquoteAll undoes every quoted-pair, and folding.
func unquoteAll(s string) string {
	if !strings.ContainsAny(s, "\\\r\n\x00") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		switch c {
		case '\r', '\n':
		case 0:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
