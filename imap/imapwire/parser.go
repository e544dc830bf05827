package imapwire

// The cursor over one frame and the tokens of RFC 3501 section 9 that
// commands and responses share.

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
)

var (
	classTag     = wire.NewClass("", [2]byte{'!', '~'}).Without(`(){%*"\+`)
	classAtom    = wire.NewClass("", [2]byte{'!', '~'}).Without(`(){%*"\]`)
	classAString = wire.NewClass("", [2]byte{'!', '~'}).Without(`(){%*"\`)
	classList    = wire.NewClass("", [2]byte{'!', '~'}).Without(`(){"\`)
	classDigit   = wire.NewClass("", [2]byte{'0', '9'})
	classSet     = wire.NewClass("*,:$", [2]byte{'0', '9'})
	classBase64  = wire.NewClass("+/=", [2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'})
	classQuoted  = wire.NewClass("", [2]byte{0, 255}).Without("\"\\\r\n\x00")
)

// parser is a cursor over one complete frame. Its methods fail where the
// token is not there, unless their name begins with try; failures stick.
type parser struct {
	wire.Lexer
	frame  []byte
	text   string // the frame, once any string of it was needed
	utf8   bool   // names stand as UTF-8 (RFC 6855)
	lax    bool   // the reader is a client: see quirks.go
	depth  int    // nesting still allowed
	budget int    // parts of body structures still allowed

	inFetch bool      // quotes may stand in strings: see endsString
	stream  bool      // the frame ends in the header of a literal that streams
	names   *interner // for keywords, or nil

	// What comes in numbers is made several at a time.
	bodies       slab[mime.BodyStructure]
	children     slab[*mime.BodyStructure]
	params       slab[mime.Param]
	dispositions slab[mime.Disposition]
	scratch      *scratch
}

// begin makes p ready for another frame. What it keeps of the last one is room.
func (p *parser) begin(frame []byte, offset int64) {
	p.Lexer = wire.NewLexer(frame, offset)
	p.frame, p.text = frame, ""
	p.inFetch = false
	if p.bodies.made > 0 {
		p.bodies = slab[mime.BodyStructure]{}
		p.children = slab[*mime.BodyStructure]{}
		p.params = slab[mime.Param]{}
		p.dispositions = slab[mime.Disposition]{}
	}
	if p.scratch.large() {
		p.scratch = nil
	}
}

// slab hands out values of which several are made at a time.
type slab[T any] struct {
	free []T
	made int
}

// take is n values of zero; nobody else has them. more is a guess at how many
// will be wanted.
func (s *slab[T]) take(n, more int) []T {
	if len(s.free) < n {
		s.free = make([]T, max(n, min(more, 32)))
		s.made += len(s.free)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// keep is a copy of v in the slab.
func (s *slab[T]) keep(v []T, more int) []T {
	if len(v) == 0 {
		return nil
	}
	out := s.take(len(v), more)
	copy(out, v)
	return out
}

// scratch holds lists until their length is known.
type scratch struct {
	addresses []mime.Address
	parts     []*mime.BodyStructure
	params    []mime.Param
}

// large reports whether s holds more than is worth keeping.
func (s *scratch) large() bool {
	return s != nil && cap(s.addresses)+cap(s.parts)+cap(s.params) > 1000
}

// lists is the parser's scratch.
func (p *parser) lists() *scratch {
	if p.scratch == nil {
		p.scratch = new(scratch)
	}
	return p.scratch
}

func newParser(frame []byte, offset int64) parser {
	return parser{Lexer: wire.NewLexer(frame, offset), frame: frame}
}

// str is the frame from one octet to another, as part of one string for the
// entire frame.
func (p *parser) str(from, to int) string {
	if from == to {
		return ""
	}
	if p.text == "" {
		p.text = string(p.frame)
	}
	return p.text[from:to]
}

// bytesStr is b, a slice that ends at the cursor, as a string.
func (p *parser) bytesStr(b []byte) string { return p.str(p.Pos()-len(b), p.Pos()) }

func (p *parser) failed() bool { return p.Err() != nil }

// word is an atom in capitals.
func (p *parser) word() string {
	return wire.Upper(p.bytesStr(p.ExpectTake(classAtom, "a word")))
}

func (p *parser) atom() string { return p.bytesStr(p.ExpectTake(classAtom, "an atom")) }

// tryLiteral moves over a literal whole, header included.
func (p *parser) tryLiteral() (body []byte, ok bool) {
	start := p.Pos()
	p.Byte('~')
	if !p.Byte('{') {
		p.Seek(start)
		return nil, false
	}
	n, ok := p.Uint64()
	if !ok || n > math.MaxInt32 {
		p.Fail("a literal's size")
		return nil, false
	}
	if !p.Byte('+') {
		p.Byte('-')
	}
	if !p.Byte('}') || !p.Byte('\r') || !p.Byte('\n') {
		p.Fail("the end of a literal's header")
		return nil, false
	}
	from := p.Pos()
	if !p.Skip(int(n)) {
		return nil, false
	}
	return p.Slice(from, p.Pos()), true
}

// tryQuoted moves over a quoted string. Where UTF8=ACCEPT is in force, a server
// refuses what is not UTF-8 (RFC 6855 section 3).
func (p *parser) tryQuoted() (s string, ok bool) {
	at := p.Pos()
	s, ok = p.quotedText()
	if ok && p.utf8 && !p.lax && !utf8.ValidString(s) {
		p.Seek(at)
		p.FailMsg("a quoted string that is not UTF-8")
		return "", false
	}
	return s, ok
}

func (p *parser) quotedText() (s string, ok bool) {
	if !p.Byte('"') {
		return "", false
	}
	from := p.Pos()
	p.Take(classQuoted)
	end := p.Pos()
	if p.Byte('"') && p.endsString() {
		return p.str(from, end), true
	}
	p.Seek(end)
	var b strings.Builder
	b.WriteString(p.str(from, end))
	for {
		if p.Byte('"') {
			if p.endsString() {
				return b.String(), true
			}
			b.WriteByte('"')
			continue
		}
		if p.Byte('\\') {
			c, more := p.Peek()
			if !more || c != '"' && c != '\\' && !p.lax || c == '\r' || c == '\n' {
				p.Fail(`" or \`)
				return "", false
			}
			p.Skip(1)
			b.WriteByte(c)
			continue
		}
		at := p.Pos()
		if p.Take(classQuoted) == nil {
			if c, more := p.Peek(); more && c == 0 && p.lax {
				p.Skip(1)
				continue
			}
			p.Fail("the end of a quoted string")
			return "", false
		}
		b.WriteString(p.str(at, p.Pos()))
	}
}

// tryString moves over a quoted string or a literal.
func (p *parser) tryString() (string, bool) {
	c, ok := p.Peek()
	if !ok {
		return "", false
	}
	switch c {
	case '"':
		return p.tryQuoted()
	case '{', '~':
		if b, ok := p.tryLiteral(); ok {
			return p.bytesStr(b), true
		}
	}
	return "", false
}

// astring is an atom, where "]" counts as one of its characters, or a string.
func (p *parser) astring() string { return p.stringOr(classAString, "a string") }

// listMailbox is astring where wildcards stand too.
func (p *parser) listMailbox() string { return p.stringOr(classList, "a pattern") }

func (p *parser) stringOr(c *wire.Class, what string) string {
	at := p.Pos()
	if s, ok := p.tryString(); ok {
		if !p.lax && strings.IndexByte(s, 0) >= 0 {
			p.Seek(at)
			p.FailMsg("NUL in a string")
		}
		return s
	}
	if b := p.Take(c); b != nil {
		return p.bytesStr(b)
	}
	p.Fail(what)
	return ""
}

// tryNIL moves over NIL.
func (p *parser) tryNIL() bool {
	b := p.Rest()
	if len(b) < 3 || b[0]|0x20 != 'n' || b[1]|0x20 != 'i' || b[2]|0x20 != 'l' || len(b) > 3 && classAString[b[3]] {
		return false
	}
	return p.Skip(3)
}

// nstring is a string or NIL.
func (p *parser) nstring() (s string, present bool) {
	if p.tryNIL() {
		return "", false
	}
	if s, ok := p.tryString(); ok {
		return s, true
	}
	p.Fail("a string or NIL")
	return "", false
}

// mailbox is a mailbox name, decoded.
func (p *parser) mailbox() string {
	start := p.Pos()
	return p.decodeName(start, p.astring())
}

func (p *parser) decodeName(start int, s string) string {
	if p.failed() {
		return ""
	}
	if imap.IsInbox(s) {
		return imap.Inbox
	}
	if plainName(s) && !p.utf8 {
		return s
	}
	if ascii(s) && !p.utf8 {
		name, err := imap.DecodeUTF7(s)
		if err == nil {
			return name
		}
		if p.lax {
			return s
		}
	} else if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && !strings.ContainsAny(s, "\r\n") {
		return s
	} else if p.lax {
		return s
	}
	p.Seek(start)
	p.FailMsg("invalid mailbox name")
	return ""
}

// plainName reports whether s is the same in modified UTF-7 and in UTF-8.
func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '&' {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// number64 is a number of at most 63 bits.
func (p *parser) number64() int64 {
	at := p.Pos()
	n := p.ExpectUint64()
	if n > math.MaxInt64 {
		p.Seek(at)
		p.Fail("a number below 2^63")
	}
	return int64(n)
}

func (p *parser) nzNumber() uint32 {
	at := p.Pos()
	n := p.ExpectUint32()
	if n == 0 {
		p.Seek(at)
		p.Fail("a number above zero")
	}
	return n
}

func (p *parser) modSeq() imap.ModSeq { return imap.ModSeq(p.number64()) }

func (p *parser) seqSet() imap.SeqSet {
	at := p.Pos()
	s, err := imap.ParseSeqSet(p.bytesStr(p.ExpectTake(classSet, "a sequence set")))
	if err != nil {
		p.Seek(at)
		p.FailMsg(err.Error())
	}
	return s
}

func (p *parser) uidSet() imap.UIDSet {
	at := p.Pos()
	s, err := imap.ParseUIDSet(p.bytesStr(p.ExpectTake(classSet, "a UID set")))
	if err != nil {
		p.Seek(at)
		p.FailMsg(err.Error())
	}
	return s
}

func (p *parser) numSet(uid bool) imap.NumSet {
	if uid {
		return p.uidSet()
	}
	return p.seqSet()
}

// date is a date, in quotes or without.
func (p *parser) date() imap.Date {
	at := p.Pos()
	s, quoted := p.tryQuoted()
	if !quoted {
		s = p.bytesStr(p.Take(classAtom))
	}
	d, err := imap.ParseDate(s)
	if err != nil {
		p.Seek(at)
		p.Fail(`a date such as "1-Feb-1994"`)
	}
	return d
}

// flag is a flag with its backslash, or "\*".
func (p *parser) flag() imap.Flag {
	start := p.Pos()
	if p.Byte('\\') && p.Byte('*') {
		return imap.FlagWildcard
	}
	p.ExpectTake(classAtom, "a flag")
	return imap.Flag(p.bytesStr(p.Slice(start, p.Pos()))).Canonical()
}

// flagList is flags in parentheses.
func (p *parser) flagList() []imap.Flag {
	flags := []imap.Flag{}
	p.list(func() { flags = append(flags, p.flag()) })
	return flags
}

// list is items in parentheses with one space between; it may be empty.
func (p *parser) list(item func()) {
	if !p.ExpectByte('(') || p.Byte(')') {
		return
	}
	for {
		item()
		if p.failed() || p.Byte(')') {
			return
		}
		p.ExpectSP()
	}
}

// maxOptions is how many options a command's list of them may have.
const maxOptions = 100

// options is list for options, each of which costs many times what a client
// sends.
func (p *parser) options(item func()) {
	n := 0
	p.list(func() {
		if n++; n > maxOptions {
			p.FailMsg("more than 100 options")
			return
		}
		item()
	})
}

// raw moves over one value of any kind: an atom, a string, or a list, nested
// as deep as the parser allows; and returns it as it stands.
func (p *parser) raw() string {
	start := p.Pos()
	p.skipValue()
	if p.failed() {
		return ""
	}
	return p.str(start, p.Pos())
}

func (p *parser) skipValue() {
	open := 0
	for {
		c, ok := p.Peek()
		if !ok {
			p.Fail("a value")
			return
		}
		switch {
		case c == '(':
			if open++; open > p.depth {
				p.FailMsg("nested too deep")
				return
			}
			p.Skip(1)
			if c, ok := p.Peek(); ok && c != ')' {
				continue
			}
		case c == ')':
		case c == '"', c == '{', c == '~':
			if _, ok := p.tryString(); !ok && c != '~' {
				p.Fail("a string")
				return
			} else if !ok {
				p.atomRun()
			}
		default:
			p.atomRun()
		}
		for open > 0 && p.Byte(')') {
			open--
		}
		if p.failed() || open == 0 {
			return
		}
		if !p.SP() {
			if c, ok := p.Peek(); !ok || c != '(' {
				p.Fail("a space")
				return
			}
		}
	}
}

// atomRun moves over an atom of raw data: flags and sections may be in it,
// and a bracket may hold spaces.
func (p *parser) atomRun() {
	n := 0
	for {
		c, ok := p.Peek()
		if !ok || c <= ' ' || c == '(' || c == ')' || c == '"' || c == '{' || c == 0x7f {
			break
		}
		p.Skip(1)
		n++
	}
	if n == 0 {
		p.Fail("a value")
	}
}
