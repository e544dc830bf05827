package imapwire

// What real servers send that RFC 3501 has no room for, and how a client reads
// it. Every function here that forgives something names the bytes and, where
// known, the server that sent them.

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// classLaxAtom is what an atom may hold when a server sends it. Gmail puts "]"
// into flags; others put "%", "*", "{" and 8-bit octets anywhere.
var classLaxAtom = wire.NewClass("", [2]byte{0x01, 0xff}).Without(" ()\"\r\n")

// classLaxName is a LIST name without quotes: Exchange sends control octets in
// it, many send raw UTF-8.
var classLaxName = wire.NewClass("", [2]byte{0x01, 0xff}).Without(" \r\n")

// trimResponse takes away NULs before a response (seen after an idle time) and
// spaces behind it ("* STATUS Inbox (MESSAGES 1) " of Exchange).
func trimResponse(frame []byte) []byte {
	for len(frame) > 0 && frame[0] == 0 {
		frame = frame[1:]
	}
	if bytes.IndexByte(frame, '\n') >= 0 {
		return frame // it may end in a literal, whose spaces they are
	}
	for len(frame) > 0 && frame[len(frame)-1] == ' ' {
		frame = frame[:len(frame)-1]
	}
	return frame
}

// bareCode is a code without "* OK" before it: "[COPYUID 55 31 6]" of
// Exchange.
func (p *parser) bareCode() Response {
	r := &StatusResponse{Cond: imap.OK}
	if r.Code = p.code(); r.Code == nil {
		return p.unknownData()
	}
	p.Spaces()
	r.Text = p.rest()
	return r
}

// literalPlus joins "LITERAL +", which is LITERAL+ with a space in it.
func literalPlus(caps imap.Capabilities) bool {
	if n := len(caps); n > 0 && caps[n-1].Equal("LITERAL") {
		caps[n-1] = imap.CapLiteralPlus
		return true
	}
	return false
}

// sp is one space: or several ("two spaces between items"), or none before a
// parenthesis.
func (p *parser) sp() {
	if p.Spaces() > 0 {
		return
	}
	if c, ok := p.Peek(); !ok || c != '(' && c != ')' {
		p.Fail("a space")
	}
}

// laxEnd is the end, or spaces before it.
func (p *parser) laxEnd() {
	p.Spaces()
	p.ExpectEnd()
}

// laxList is items in parentheses, with any number of spaces around them, none
// included where an item begins with a parenthesis.
func (p *parser) laxList(item func()) {
	p.ExpectByte('(')
	for !p.failed() {
		p.Spaces()
		if p.Byte(')') {
			return
		}
		at := p.Pos()
		item()
		if p.Pos() == at {
			p.Fail("an item or )")
		}
	}
}

// laxNumber is a number of at most limit. "-1" is zero (Zoho's MODSEQ, sizes of
// others), and "9.3736e+06" is what Mail.ru means by it.
func (p *parser) laxNumber(limit uint64) uint64 {
	if p.Byte('-') {
		p.ExpectTake(classDigit, "a number")
		return 0
	}
	at := p.Pos()
	n, digits, fits := wire.Decimal(p.Rest())
	if digits == 0 {
		p.Fail("a number")
		return 0
	}
	p.Skip(digits)
	if c, ok := p.Peek(); ok && (c == '.' || c == 'e' || c == 'E') {
		p.Take(classFloat)
		f, err := strconv.ParseFloat(p.str(at, p.Pos()), 64)
		if err != nil || f < 0 || f >= math.MaxInt64 || f > float64(limit) {
			p.Seek(at)
			p.Fail("a number")
			return 0
		}
		return uint64(f)
	}
	if !fits || n > limit {
		p.Seek(at)
		p.Fail("a number up to " + strconv.FormatUint(limit, 10))
		return 0
	}
	return n
}

var classFloat = wire.NewClass(".eE+-", [2]byte{'0', '9'})

// laxFlags is flags in parentheses, appended to dst. Whatever stands between
// spaces is a flag; a flag with a space in it (Gmail) comes as two.
func (p *parser) laxFlags(dst []imap.Flag) []imap.Flag {
	if dst == nil {
		dst = []imap.Flag{}
	}
	p.ExpectByte('(')
	for !p.failed() {
		p.Spaces()
		if p.Byte(')') {
			break
		}
		b := p.Take(classLaxAtom)
		if b == nil {
			if s, ok := p.tryQuoted(); ok {
				dst = append(dst, imap.Flag(s))
				continue
			}
			p.Fail("a flag")
			break
		}
		dst = append(dst, p.flagOf(b))
	}
	return dst
}

// flagOf is the flag b, which ends at the cursor, without an allocation where
// it is a system flag.
func (p *parser) flagOf(b []byte) imap.Flag {
	switch imap.Flag(b) { // in the spelling of nearly all servers
	case imap.FlagSeen:
		return imap.FlagSeen
	case imap.FlagAnswered:
		return imap.FlagAnswered
	case imap.FlagFlagged:
		return imap.FlagFlagged
	case imap.FlagDeleted:
		return imap.FlagDeleted
	case imap.FlagRecent:
		return imap.FlagRecent
	}
	if b[0] == '\\' && len(b) > 1 {
		for _, f := range [...]imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft, imap.FlagRecent, imap.FlagWildcard} {
			if wire.EqualFold(b, string(f)) {
				return f
			}
		}
	}
	if p.names != nil {
		return imap.Flag(p.names.get(b))
	}
	return imap.Flag(p.bytesStr(b))
}

// laxMailbox is the name in LIST: without quotes it may hold anything but a
// space.
func (p *parser) laxMailbox() string {
	start := p.Pos()
	c, ok := p.Peek()
	if ok && c != '"' && c != '{' {
		if b := p.Take(classLaxName); b != nil {
			return p.decodeName(start, p.bytesStr(b))
		}
	}
	return p.mailbox()
}

// endsString reports whether a quote in front of the cursor's octet ends its
// string: iCloud sends Message-IDs with unescaped quotes in them, 163.com the
// string """". What follows a real end is a space, a parenthesis or nothing.
func (p *parser) endsString() bool {
	if !p.inFetch {
		return true
	}
	c, ok := p.Peek()
	return !ok || c == ' ' || c == ')' || c == '(' || c == '\r'
}

// emptySection reports whether an item has no value: "BODY[2] )" of Yandex,
// an RFC822 item of iCloud.
func (p *parser) emptySection() bool {
	at := p.Pos()
	p.Spaces()
	if c, ok := p.Peek(); ok && c != ')' {
		p.Seek(at)
		return false
	}
	return true
}

// statusText reports whether line is a status response or a continuation: its
// text may end in "{5}" and mean nothing by it.
func statusText(line []byte) bool {
	line = trimResponse(line)
	if len(line) > 0 && (line[0] == '+' || line[0] == '[') {
		return true
	}
	_, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return true
	}
	word, _, _ := bytes.Cut(rest, []byte(" "))
	return len(word) <= len("PREAUTH") && imap.ParseCondition(string(word)) != 0
}

// fetchLine reports whether line begins a FETCH response, in which nothing can
// end behind a literal: a literal announced one or two octets too short leaves
// an empty line there.
func fetchLine(line []byte) bool {
	line = trimResponse(line)
	if len(line) < 2 || line[0] != '*' || line[1] != ' ' {
		return false
	}
	line = line[2:]
	line = line[classDigit.Span(line):]
	word := bytes.TrimLeft(line, " ")
	n := classAtom.Span(word)
	return len(word) < len(line) && n < len(word) && (wire.EqualFold(word[:n], "FETCH") || wire.EqualFold(word[:n], "UIDFETCH"))
}

// laxDate is the date in INTERNALDATE; Domino sends "00-Jan-0000", for which ok
// is false.
func laxDate(s string) (string, bool) {
	s = strings.TrimSpace(s)
	return s, s != "" && !strings.HasPrefix(s, "00-")
}
