// Commands.

package pop3wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

// Verb is a command's keyword, in upper case.
type Verb string

// The commands with a grammar of their own.
const (
	APOP Verb = "APOP"
	AUTH Verb = "AUTH" // RFC 5034
	CAPA Verb = "CAPA" // RFC 2449
	DELE Verb = "DELE"
	LANG Verb = "LANG" // RFC 6856
	LAST Verb = "LAST" // RFC 1460
	LIST Verb = "LIST"
	NOOP Verb = "NOOP"
	PASS Verb = "PASS"
	QUIT Verb = "QUIT"
	RETR Verb = "RETR"
	RSET Verb = "RSET"
	STAT Verb = "STAT"
	STLS Verb = "STLS" // RFC 2595
	TOP  Verb = "TOP"
	UIDL Verb = "UIDL"
	USER Verb = "USER"
	UTF8 Verb = "UTF8" // RFC 6856

	ENV     Verb = "*ENV"    // SDPS
	XCLIENT Verb = "XCLIENT" // Dovecot
)

const (
	// MaxLine is the longest command and the longest first line of a
	// response there should be, in octets with CRLF: RFC 2449 section 4 has
	// 255 and 512.
	MaxCommandLine = 255
	// MaxReplyLine is the longest first line of a response.
	MaxReplyLine = 512
	// MaxSecretLine is the longest line of USER, PASS, APOP and XCLIENT that
	// a server should take: tokens serve as passwords.
	MaxSecretLine = 4096
	// MaxAuthLine is the longest line of AUTH and of its exchange that a
	// server should take; RFC 5034 section 4 leaves it to the mechanisms.
	MaxAuthLine = 12288
)

// MaxLine is the longest line of the command that a server should take, in
// octets with CRLF.
func (v Verb) MaxLine() int {
	switch v {
	case AUTH:
		return MaxAuthLine
	case USER, PASS, APOP, XCLIENT:
		return MaxSecretLine
	}
	return MaxCommandLine
}

// Command is a command with its arguments; which fields count follows from
// the verb.
type Command struct {
	Verb Verb
	// Arg is the name of USER and APOP, the password of PASS, the mechanism
	// of AUTH (in upper case; empty to list them), the language of LANG
	// (empty to list them), and all that follows the keyword of a command
	// that is not known.
	Arg string
	// Digest is that of APOP.
	Digest string
	// Number is the message number of LIST, UIDL, RETR, DELE, TOP and *ENV;
	// zero for LIST and UIDL of all messages.
	Number int
	// Lines is how many lines of the body TOP asks for.
	Lines int
	// Initial is the initial response of AUTH: nil for none, empty for the
	// empty one.
	Initial []byte
	// Attributes are those of XCLIENT, their names in upper case.
	Attributes []pop3.Attribute
}

// String is the command without anything that may be a credential.
func (c *Command) String() string {
	s := string(c.Verb)
	switch c.Verb {
	case AUTH, LANG:
		if c.Arg != "" {
			s += " " + c.Arg
		}
	case LIST, UIDL, RETR, DELE, TOP, ENV:
		if c.Number > 0 {
			s += " " + strconv.Itoa(c.Number)
		}
		if c.Verb == TOP {
			s += " " + strconv.Itoa(c.Lines)
		}
	}
	return s
}

var (
	vchar    = wire.NewClass("", [2]byte{0x21, 0x7e})
	mechChar = wire.NewClass("-_", [2]byte{'A', 'Z'}, [2]byte{'a', 'z'}, [2]byte{'0', '9'})
	// A name of XCLIENT's; dashes are Dovecot's own.
	attributeName = wire.NewClass("-_", [2]byte{'A', 'Z'}, [2]byte{'a', 'z'}, [2]byte{'0', '9'})
	digestHex     = wire.NewClass("", [2]byte{'0', '9'}, [2]byte{'a', 'f'}, [2]byte{'A', 'F'})
)

// ErrKeyword is the message of the ParseError of a line that does not begin
// with a keyword: it is not POP3 at all.
const ErrKeyword = "expected a command"

// ParseCommand reads a command from a line without its line end. An error is
// a *ParseError, whose Msg a server can say; the Verb is set if there is one.
func ParseCommand(line []byte) (Command, error) {
	n := vchar.Span(line)
	if n == 0 || n < len(line) && line[n] != ' ' {
		return Command{}, &ParseError{Offset: n, Msg: ErrKeyword}
	}
	p := parser{line: line, pos: n}
	c := Command{Verb: verb(line[:n])}
	switch c.Verb {
	case USER:
		c.Arg = string(p.rest("a name"))
		if p.err == nil && !cleanName(c.Arg) {
			p.fail("expected a name without control characters")
		}
	case PASS:
		c.Arg = string(p.rest("a password"))
		if p.err == nil && checkText("", c.Arg) != nil {
			p.fail("expected a password without control characters")
		}
	case APOP:
		p.apop(&c)
	case AUTH:
		p.auth(&c)
	case LANG:
		if !p.end() {
			c.Arg = string(p.word("a language"))
		}
		p.expectEnd()
	case LIST, UIDL:
		if !p.end() {
			c.Number = p.number("a message number", 1)
		}
		p.expectEnd()
	case RETR, DELE, ENV:
		c.Number = p.number("a message number", 1)
		p.expectEnd()
	case XCLIENT:
		p.xclient(&c)
	case TOP:
		c.Number = p.number("a message number", 1)
		c.Lines = p.number("a number of lines", 0)
		p.expectEnd()
	case CAPA, LAST, NOOP, QUIT, RSET, STAT, STLS, UTF8:
		p.expectEnd()
	default:
		if n < len(line) {
			c.Arg = string(line[n+1:])
		}
	}
	if p.err != nil {
		return Command{Verb: c.Verb}, p.err
	}
	return c, nil
}

// verbs spares the strings of known keywords.
var verbs = [...]Verb{APOP, AUTH, CAPA, DELE, LANG, LAST, LIST, NOOP, PASS, QUIT, RETR, RSET, STAT, STLS, TOP, UIDL, USER, UTF8, ENV, XCLIENT}

func verb(word []byte) Verb {
	for _, v := range verbs {
		if wire.EqualFold(word, string(v)) {
			return v
		}
	}
	return Verb(wire.Upper(string(word)))
}

func cleanName(s string) bool {
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// parser is a cursor over a command's arguments. The first failure sticks.
type parser struct {
	line []byte
	pos  int
	err  error
}

func (p *parser) fail(msg string) {
	if p.err == nil {
		p.err = &ParseError{Offset: p.pos, Msg: msg}
	}
}

// end reports whether spaces alone are left: clients send them.
func (p *parser) end() bool {
	for i := p.pos; i < len(p.line); i++ {
		if p.line[i] != ' ' {
			return false
		}
	}
	return true
}

func (p *parser) expectEnd() {
	if p.err == nil && !p.end() {
		p.fail("expected the end of the line")
	}
}

// rest takes all that follows one space, spaces too.
func (p *parser) rest(what string) []byte {
	if p.pos+1 >= len(p.line) {
		p.fail("expected " + what)
		return nil
	}
	p.pos++
	return p.line[p.pos:]
}

func (p *parser) word(what string) []byte {
	if p.err != nil {
		return nil
	}
	for p.pos < len(p.line) && p.line[p.pos] == ' ' {
		p.pos++
	}
	n := vchar.Span(p.line[p.pos:])
	if n == 0 {
		p.fail("expected " + what)
		return nil
	}
	w := p.line[p.pos : p.pos+n]
	p.pos += n
	return w
}

// number takes a number of at least least. One too large for any message
// becomes the largest there is.
func (p *parser) number(what string, least int) int {
	w := p.word(what)
	if p.err != nil {
		return 0
	}
	n := 0
	for i, d := range w {
		if d < '0' || d > '9' {
			p.pos -= len(w) - i
			p.fail("expected " + what)
			return 0
		}
		if n > (math.MaxInt32-int(d-'0'))/10 {
			n = math.MaxInt32
			continue
		}
		n = n*10 + int(d-'0')
	}
	if n < least {
		p.fail("expected " + what)
	}
	return n
}

func (p *parser) apop(c *Command) {
	b := p.rest("a name and a digest")
	for i := len(b) - 1; i > 0; i-- {
		if b[i] == ' ' {
			c.Arg, c.Digest = string(b[:i]), string(b[i+1:])
			break
		}
	}
	if !cleanName(c.Arg) || len(c.Digest) != 32 || !digestHex.All(c.Digest) {
		p.fail("expected a name and a digest of 32 hexadecimal digits")
	}
}

// maxAttributes is how many attributes there may be in one XCLIENT.
const maxAttributes = 64

func (p *parser) xclient(c *Command) {
	for !p.end() {
		w := p.word("an attribute")
		name, value, ok := bytes.Cut(w, []byte{'='})
		if p.err == nil && (!ok || !attributeName.All(string(name)) || len(c.Attributes) == maxAttributes) {
			p.pos -= len(w)
			p.fail("expected an attribute")
		}
		if p.err != nil {
			return
		}
		c.Attributes = append(c.Attributes, pop3.Attribute{Name: wire.Upper(string(name)), Value: string(value)})
	}
	if len(c.Attributes) == 0 {
		p.fail("expected an attribute")
	}
}

func (p *parser) auth(c *Command) {
	if p.end() {
		return
	}
	mech := p.word("a mechanism")
	if p.err == nil && (!mechChar.All(string(mech)) || len(mech) > 20) {
		p.pos -= len(mech)
		p.fail("expected the name of a mechanism")
		return
	}
	c.Arg = wire.Upper(string(mech))
	if p.end() {
		return
	}
	b := p.word("an initial response")
	if p.err != nil {
		return
	}
	if len(b) == 1 && b[0] == '=' {
		c.Initial = []byte{}
	} else if r, err := decode64(b); err != nil {
		p.pos -= len(b)
		p.fail("expected an initial response in base64")
	} else {
		c.Initial = r
	}
	p.expectEnd()
}

// AppendCommand appends a command with CRLF. The error is an *EncodeError.
func AppendCommand(dst []byte, c *Command) ([]byte, error) {
	start := len(dst)
	fail := func(field, reason string) ([]byte, error) {
		return dst[:start], &EncodeError{Field: field, Reason: reason}
	}
	if len(c.Verb) > 16 || !vchar.All(string(c.Verb)) {
		return fail("the command", "it is not a keyword")
	}
	number := func() bool { return c.Number >= 1 && c.Number <= math.MaxInt32 }
	dst = append(dst, verb([]byte(c.Verb))...)
	switch verb([]byte(c.Verb)) {
	case USER:
		if !cleanName(c.Arg) {
			return fail("the user name", "it is empty, holds control characters or is not UTF-8")
		}
		dst = append(append(dst, ' '), c.Arg...)
	case PASS:
		if c.Arg == "" || checkText("", c.Arg) != nil {
			return fail("the password", "it is empty or holds CR, LF or NUL")
		}
		dst = append(append(dst, ' '), c.Arg...)
	case APOP:
		if !cleanName(c.Arg) || len(c.Digest) != 32 || !digestHex.All(c.Digest) {
			return fail("the credentials of APOP", "they are not a name and a digest")
		}
		dst = append(append(append(append(dst, ' '), c.Arg...), ' '), c.Digest...)
	case AUTH:
		switch {
		case c.Arg == "" && c.Initial == nil:
		case !mechChar.All(c.Arg) || len(c.Arg) > 20:
			return fail("the mechanism", "it is not the name of one")
		default:
			dst = append(append(dst, ' '), wire.Upper(c.Arg)...)
			if c.Initial != nil {
				dst = append(dst, ' ')
				if len(c.Initial) == 0 {
					dst = append(dst, '=')
				}
				dst = base64.StdEncoding.AppendEncode(dst, c.Initial)
			}
		}
	case LANG:
		if c.Arg != "" {
			if !vchar.All(c.Arg) {
				return fail("the language", "it is not a word of ASCII")
			}
			dst = append(append(dst, ' '), c.Arg...)
		}
	case LIST, UIDL:
		if c.Number == 0 {
			break
		}
		fallthrough
	case RETR, DELE, TOP, ENV:
		if !number() {
			return fail("the message number", "it is not between 1 and 2147483647")
		}
		dst = strconv.AppendInt(append(dst, ' '), int64(c.Number), 10)
		if verb([]byte(c.Verb)) == TOP {
			if c.Lines < 0 || c.Lines > math.MaxInt32 {
				return fail("the number of lines", "it is not between 0 and 2147483647")
			}
			dst = strconv.AppendInt(append(dst, ' '), int64(c.Lines), 10)
		}
	case XCLIENT:
		if n := len(c.Attributes); n == 0 || n > maxAttributes {
			return fail("XCLIENT", "it has no attributes, or too many")
		}
		for _, a := range c.Attributes {
			if !attributeName.All(a.Name) || a.Value != "" && !vchar.All(a.Value) {
				return fail("an attribute of XCLIENT", "it is not a word of ASCII")
			}
			dst = append(append(append(append(dst, ' '), wire.Upper(a.Name)...), '='), a.Value...)
		}
	case CAPA, LAST, NOOP, QUIT, RSET, STAT, STLS, UTF8:
	default:
		if err := checkText("the arguments", c.Arg); err != nil {
			return dst[:start], err
		}
		if c.Arg != "" {
			dst = append(append(dst, ' '), c.Arg...)
		}
	}
	dst = append(dst, '\r', '\n')
	if limit := verb([]byte(c.Verb)).MaxLine(); len(dst)-start > limit {
		clear(dst[start:])
		return fail("the command", fmt.Sprintf("it is longer than %d octets", limit))
	}
	return dst, nil
}
