// Commands: one line each, parsed and appended.

package smtpwire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// Verb is the first word of a command, in capitals.
type Verb string

// The verbs that ParseCommand knows the grammar of.
const (
	HELO     Verb = "HELO"
	EHLO     Verb = "EHLO"
	LHLO     Verb = "LHLO"
	MAIL     Verb = "MAIL"
	RCPT     Verb = "RCPT"
	DATA     Verb = "DATA"
	RSET     Verb = "RSET"
	NOOP     Verb = "NOOP"
	VRFY     Verb = "VRFY"
	EXPN     Verb = "EXPN"
	HELP     Verb = "HELP"
	QUIT     Verb = "QUIT"
	STARTTLS Verb = "STARTTLS"
	AUTH     Verb = "AUTH"
	BDAT     Verb = "BDAT"     // RFC 3030
	BURL     Verb = "BURL"     // RFC 4468
	ETRN     Verb = "ETRN"     // RFC 1985
	XCLIENT  Verb = "XCLIENT"  // Postfix
	XFORWARD Verb = "XFORWARD" // Postfix
)

var verbs = [...]Verb{MAIL, RCPT, DATA, BDAT, EHLO, HELO, QUIT, RSET, NOOP, AUTH, STARTTLS, LHLO, VRFY, EXPN, HELP, ETRN, BURL, XCLIENT, XFORWARD}

const (
	// MaxCommandLine is the longest command line without extensions, in
	// octets with its CRLF (RFC 5321 section 4.5.3.1.4).
	MaxCommandLine = 512
	// MaxAuthLine is the longest line of an authentication exchange (RFC
	// 4954 section 4).
	MaxAuthLine = 12288
	// MaxReplyLine is the longest reply line (RFC 5321 section 4.5.3.1.5).
	MaxReplyLine = 512

	// mailExtra: SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC
	// 6531), AUTH 500 (RFC 4954), RET and ENVID 117 (RFC 3461), BY 17 (RFC
	// 2852), HOLDUNTIL 34 (RFC 4865), MT-PRIORITY 15 (RFC 6710), REQUIRETLS
	// 11 (RFC 8689), MTRK 40 (RFC 3885), SOLICIT 1000 (RFC 3865), and the
	// longer paths of RFC 6531.
	mailExtra = 26 + 17 + 10 + 500 + 117 + 17 + 34 + 15 + 11 + 40 + 1000 + 285
	// rcptExtra: NOTIFY 28 and ORCPT 500 (RFC 3461), RRVS 34 (RFC 7293),
	// longer paths.
	rcptExtra = 28 + 500 + 34 + 486
)

// MaxLine is the longest line of a command with the extensions that this
// package has types for, in octets with its CRLF.
func (v Verb) MaxLine() int {
	switch v {
	case MAIL:
		return MaxCommandLine + mailExtra
	case RCPT:
		return MaxCommandLine + rcptExtra
	case AUTH:
		return MaxAuthLine
	case BURL:
		return maxURLLine
	}
	return MaxCommandLine
}

// maxURLLine is the longest line of BURL, for which RFC 4468 has no limit.
const maxURLLine = 2560

// Command is one command. Which fields count depends on the Verb.
type Command struct {
	Verb Verb
	// Arg is the client's name in HELO, EHLO and LHLO; the mechanism, in
	// capitals, in AUTH; the argument of VRFY, EXPN, HELP and NOOP; the node
	// of ETRN with its "@" or "#"; the URL of BURL; and everything behind
	// the verb where the verb is not known.
	Arg string
	// Path is that of MAIL and RCPT.
	Path smtp.Path
	// Mail are the parameters of MAIL.
	Mail smtp.MailOptions
	// Rcpt are the parameters of RCPT.
	Rcpt smtp.RcptOptions
	// Initial is the initial response of AUTH, decoded: nil when there is
	// none, and empty when it is the empty string.
	Initial []byte
	// Size is the number of octets behind the line of BDAT.
	Size int64
	// Last says that BDAT or BURL ends the message.
	Last bool
	// Attributes are those of XCLIENT and XFORWARD, in order, their names in
	// capitals and their values decoded.
	Attributes []smtp.Param
}

// ParseCommand parses one command line without its CRLF. Words fold as ASCII.
// The Command shares no memory with line.
//
// The error is a *ParseError; the Command's Verb is then set as far as it is
// known. More than the grammar, it takes spaces at the line's end, between
// parameters and behind "FROM:" and "TO:", and paths without angle brackets,
// because real clients send them.
func ParseCommand(line []byte) (Command, error) {
	var c Command
	err := c.Parse(line)
	return c, err
}

// Parse is ParseCommand into c, whatever c was before. It copies less.
func (c *Command) Parse(line []byte) error {
	line = trimRight(line)
	n := 0
	for n < len(line) && line[n] != ' ' {
		n++
	}
	*c = Command{Verb: parseVerb(line[:n])}
	if c.Verb == "" {
		return &ParseError{Code: 500, EnhancedCode: codeSyntax, Msg: "expected a command"}
	}
	if i := controlAt(line); i >= 0 {
		return &ParseError{Code: 500, EnhancedCode: codeSyntax, Offset: i, Msg: "control character in a command"}
	}
	if c.Verb == AUTH {
		return c.parseAuth(line, n)
	}
	p := newArgs(line[n:], n, c.Verb.xtext())
	p.spaces()
	switch c.Verb {
	case HELO, EHLO, LHLO:
		c.Arg = p.rest()
		if i, reason := checkHelo(c.Arg); reason != "" {
			return p.fail(p.pos+i, codeArgs, reason)
		}
	case MAIL:
		return c.parseMail(&p)
	case RCPT:
		return c.parseRcpt(&p)
	case DATA, RSET, QUIT, STARTTLS:
		if p.rest() != "" {
			return p.fail(p.pos, codeArgs, "argument where the command has none")
		}
	case BDAT:
		return c.parseChunk(&p)
	case BURL:
		return c.parseBurl(&p)
	case XCLIENT, XFORWARD:
		return c.parseAttributes(&p)
	case VRFY, EXPN, ETRN:
		if c.Arg = p.rest(); c.Arg == "" {
			return p.fail(p.pos, codeArgs, "expected an argument")
		}
	default:
		c.Arg = p.rest()
	}
	if !utf8.ValidString(c.Arg) {
		c.Arg = ""
		return p.fail(p.pos, codeArgs, "not UTF-8")
	}
	return nil
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func parseVerb(word []byte) Verb {
	for _, v := range &verbs {
		if wire.EqualFold(word, string(v)) {
			return v
		}
	}
	if len(word) == 0 || len(word) > 32 {
		return ""
	}
	var up [32]byte
	for i, c := range word {
		if !isVerbChar(c) {
			return ""
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	return Verb(up[:len(word)])
}

func isVerbChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}

func controlAt[T []byte | string](s T) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return i
		}
	}
	return -1
}

// checkHelo checks a client's name: any word, for RFC 5321 section 4.1.4 bids
// servers not to refuse a client for its name.
func checkHelo(s string) (int, string) {
	if s == "" {
		return 0, "expected the client's name"
	}
	if len(s) > 255 {
		return 255, "name longer than 255 octets"
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return i, "character that no name has"
		}
	}
	if !utf8.ValidString(s) {
		return 0, "not UTF-8"
	}
	return 0, ""
}

// xtext says that the arguments of a command may have xtext.
func (v Verb) xtext() bool { return v == MAIL || v == RCPT || v == XCLIENT || v == XFORWARD }

// argParser is a cursor over a command's arguments.
type argParser struct {
	s string
	// plain is s with every escape of xtext decoded, wherever it stands; it
	// is s where there is none. Parameters are slices of it: one string
	// backs a whole command.
	plain string
	pos   int
	base  int // of s in the line
}

func newArgs(args []byte, base int, xtext bool) argParser {
	if !xtext || bytes.IndexByte(args, '+') < 0 {
		s := string(args)
		return argParser{s: s, plain: s, base: base}
	}
	return decodeArgs(args, base)
}

func decodeArgs(args []byte, base int) argParser {
	var room [1024]byte
	both := append(room[:0], args...)
	for i := 0; i < len(args); {
		c, n := unescape(args[i:])
		both = append(both, c)
		i += n
	}
	s := string(both)
	return argParser{s: s[:len(args)], plain: s[len(args):], base: base}
}

// unescape is the octet that xtext begins with, decoded if it is escaped, and
// how many octets it takes.
func unescape[T []byte | string](s T) (byte, int) {
	if s[0] == '+' && len(s) > 2 {
		if hi, lo := unhex(s[1]), unhex(s[2]); hi <= 15 && lo <= 15 {
			return hi<<4 | lo, 3
		}
	}
	return s[0], 1
}

// xtext decodes s[from:to], which must be a whole value.
func (p *argParser) xtext(from, to int) (string, bool) {
	value := p.s[from:to]
	if strings.IndexByte(value, '=') >= 0 {
		return "", false
	}
	if strings.IndexByte(value, '+') < 0 && len(p.plain) == len(p.s) {
		return value, true
	}
	start := plainOffset(p.s[:from])
	n := 0
	for i := 0; i < len(value); n++ {
		_, size := unescape(value[i:])
		if size == 1 && value[i] == '+' {
			return "", false
		}
		i += size
	}
	return p.plain[start : start+n], true
}

// plainOffset is where in argParser.plain what follows s begins.
func plainOffset(s string) int {
	n := 0
	for i := 0; i < len(s); n++ {
		_, size := unescape(s[i:])
		i += size
	}
	return n
}

func (p *argParser) fail(pos int, code smtp.EnhancedCode, msg string) error {
	return &ParseError{Code: 501, EnhancedCode: code, Offset: p.base + pos, Msg: msg}
}

func (p *argParser) rest() string { return p.s[p.pos:] }

func (p *argParser) spaces() {
	for p.pos < len(p.s) && p.s[p.pos] == ' ' {
		p.pos++
	}
}

func (p *argParser) fold(word string) bool {
	if len(p.rest()) < len(word) || !wire.EqualFold(p.s[p.pos:p.pos+len(word)], word) {
		return false
	}
	p.pos += len(word)
	return true
}

// path parses the path at the cursor, in angle brackets or up to a space.
func (p *argParser) path(code smtp.EnhancedCode) (smtp.Path, error) {
	s := p.rest()
	end := pathEnd(s)
	if end <= 0 {
		return smtp.Path{}, p.fail(p.pos, code, "expected a path in angle brackets")
	}
	path, err := smtp.ParsePath(s[:end])
	if err != nil {
		var pe *smtp.PathError
		if !errors.As(err, &pe) {
			return smtp.Path{}, p.fail(p.pos, code, "malformed path")
		}
		return smtp.Path{}, p.fail(p.pos+pe.Offset, code, pe.Reason)
	}
	if end < len(s) && s[end] != ' ' {
		return smtp.Path{}, p.fail(p.pos+end, code, "expected a space behind the path")
	}
	p.pos += end
	return path, nil
}

// pathEnd is where the path at s's front ends: behind the closing bracket, or
// before a space. It is zero or less when there is none.
func pathEnd(s string) int {
	bracket := strings.HasPrefix(s, "<")
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case bracket && c == '>':
			return i + 1
		case !bracket && c == ' ':
			return i
		}
	}
	if bracket || quoted {
		return -1
	}
	return len(s)
}

func (c *Command) parseMail(p *argParser) error {
	if !p.fold("FROM:") {
		return p.fail(p.pos, codeArgs, `expected "FROM:"`)
	}
	p.spaces()
	var err error
	if c.Path, err = p.path(codeSender); err != nil {
		return err
	}
	return p.mailParams(&c.Mail)
}

func (c *Command) parseRcpt(p *argParser) error {
	if !p.fold("TO:") {
		return p.fail(p.pos, codeArgs, `expected "TO:"`)
	}
	p.spaces()
	at := p.pos
	var err error
	if c.Path, err = p.path(codeRcpt); err != nil {
		return err
	}
	if c.Path.IsNull() {
		return p.fail(at, codeRcpt, "the null path receives nothing")
	}
	return p.rcptParams(&c.Rcpt)
}

// parseAuth parses AUTH, whose arguments begin at n. Its errors show nothing
// of the initial response.
func (c *Command) parseAuth(line []byte, n int) error {
	fail := func(at int, code smtp.EnhancedCode, msg string) error {
		return &ParseError{Code: 501, EnhancedCode: code, Offset: at, Msg: msg}
	}
	for n < len(line) && line[n] == ' ' {
		n++
	}
	end := n
	for end < len(line) && line[end] != ' ' {
		end++
	}
	mechanism := line[n:end]
	if !isMechanism(mechanism) {
		return fail(n, codeArgs, "expected the name of a mechanism")
	}
	c.Arg = internMechanism(mechanism)
	for end < len(line) && line[end] == ' ' {
		end++
	}
	rest := line[end:]
	if len(rest) == 0 {
		return nil
	}
	initial, err := decodeBase64(rest)
	if err != nil {
		return fail(end, codeSyntax, "initial response is not base64")
	}
	c.Initial = initial
	return nil
}

// internMechanism spares the copy of names that come all the time.
func internMechanism(name []byte) string {
	for _, s := range [...]string{"PLAIN", "LOGIN"} {
		if wire.EqualFold(name, s) {
			return s
		}
	}
	return wire.Upper(string(name))
}

// isMechanism checks a mechanism's name (RFC 4422 section 3.1).
func isMechanism[T []byte | string](s T) bool {
	if len(s) == 0 || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		if !isVerbChar(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}

// decodeBase64 decodes what AUTH carries: "=" stands for the empty string
// where an argument can not be empty (RFC 4954 section 4).
func decodeBase64(b []byte) ([]byte, error) {
	if len(b) == 1 && b[0] == '=' {
		return []byte{}, nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, b)
	if err != nil {
		return nil, err
	}
	return out[:n], nil
}

// AppendCommand appends c to dst as a line with its CRLF. It fails with an
// *EncodeError, and dst as it was, if a field holds what the grammar has no
// room for.
func AppendCommand(dst []byte, c *Command) ([]byte, error) {
	out, err := appendCommand(dst, c)
	if err != nil {
		return dst, err
	}
	return append(out, '\r', '\n'), nil
}

func appendCommand(dst []byte, c *Command) ([]byte, error) {
	verb := Verb(wire.Upper(string(c.Verb)))
	if parseVerb([]byte(verb)) == "" {
		return nil, &EncodeError{"the command", "its verb is no word"}
	}
	dst = append(dst, verb...)
	switch verb {
	case HELO, EHLO, LHLO:
		if _, reason := checkHelo(c.Arg); reason != "" {
			return nil, &EncodeError{"the client's name", reason}
		}
		return append(append(dst, ' '), c.Arg...), nil
	case MAIL:
		dst = append(dst, " FROM:"...)
		dst, err := appendPath(dst, c.Path)
		if err != nil {
			return nil, err
		}
		return appendMailParams(dst, &c.Mail)
	case RCPT:
		if c.Path.IsNull() {
			return nil, &EncodeError{"the recipient", "the null path receives nothing"}
		}
		dst = append(dst, " TO:"...)
		dst, err := appendPath(dst, c.Path)
		if err != nil {
			return nil, err
		}
		return appendRcptParams(dst, &c.Rcpt)
	case DATA, RSET, QUIT, STARTTLS:
		return dst, nil
	case AUTH:
		if !isMechanism(c.Arg) {
			return nil, &EncodeError{"the mechanism", "its name is not of the grammar"}
		}
		dst = append(append(dst, ' '), wire.Upper(c.Arg)...)
		if c.Initial == nil {
			return dst, nil
		}
		if len(c.Initial) == 0 {
			return append(dst, " ="...), nil
		}
		return base64.StdEncoding.AppendEncode(append(dst, ' '), c.Initial), nil
	case BDAT:
		if c.Size < 0 {
			return nil, &EncodeError{"a chunk", "its size is negative"}
		}
		dst = strconv.AppendInt(append(dst, ' '), c.Size, 10)
		return appendLast(dst, c.Last), nil
	case BURL:
		if !isURL(c.Arg) {
			return nil, &EncodeError{"the URL", "it is not absolute or not printable ASCII"}
		}
		return appendLast(append(append(dst, ' '), c.Arg...), c.Last), nil
	case XCLIENT, XFORWARD:
		return appendAttributes(dst, c.Attributes)
	case VRFY, EXPN, ETRN:
		if c.Arg == "" {
			return nil, &EncodeError{"the argument", "it is empty"}
		}
	}
	if c.Arg == "" {
		return dst, nil
	}
	if controlAt(c.Arg) >= 0 || !utf8.ValidString(c.Arg) {
		return nil, &EncodeError{"the argument", "it holds a control character or is not UTF-8"}
	}
	if c.Arg[0] == ' ' || c.Arg[len(c.Arg)-1] == ' ' {
		return nil, &EncodeError{"the argument", "it begins or ends with a space"}
	}
	return append(append(dst, ' '), c.Arg...), nil
}

func appendPath(dst []byte, p smtp.Path) ([]byte, error) {
	if err := p.Check(); err != nil {
		var pe *smtp.PathError
		errors.As(err, &pe)
		return nil, &EncodeError{"a path", pe.Reason}
	}
	dst = append(append(dst, '<'), p.Local...)
	if p.Domain != "" {
		dst = append(append(dst, '@'), p.Domain...)
	}
	return append(dst, '>'), nil
}

// ErrAuthCancelled is a client's "*", which gives an exchange up (RFC 4954
// section 4).
var ErrAuthCancelled = errors.New("smtp: authentication exchange cancelled by the client")

// ParseAuthResponse decodes a client's line within an AUTH exchange. The
// error is ErrAuthCancelled or a *ParseError, which shows nothing of the line.
func ParseAuthResponse(line []byte) ([]byte, error) {
	line = trimRight(line)
	if len(line) == 1 && line[0] == '*' {
		return nil, ErrAuthCancelled
	}
	if len(line) == 1 && line[0] == '=' {
		// Only an initial response says the empty string so.
		line = nil
	}
	b, err := decodeBase64(line)
	if err != nil {
		return nil, &ParseError{Code: 501, EnhancedCode: codeSyntax, Msg: "response is not base64"}
	}
	return b, nil
}

// AppendAuthResponse appends a client's line within an AUTH exchange; nil
// response stands for the empty string.
func AppendAuthResponse(dst, response []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(dst, response), '\r', '\n')
}

// AppendAuthCancel appends the line that gives an AUTH exchange up.
func AppendAuthCancel(dst []byte) []byte { return append(dst, "*\r\n"...) }
