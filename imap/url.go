package imap

// IMAP URLs (RFC 5092), with what URLAUTH adds to them (RFC 4467).

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// URL is an IMAP URL: of a server, a mailbox, the result of a search in it, a
// message, or a part of one. What is percent-encoded in its text is decoded
// here.
type URL struct {
	// Secure is the scheme "imaps", which no RFC has and many programs write
	// for TLS from the first octet on.
	Secure bool
	// Host is a name or an address, without brackets. Empty is a reference
	// without a server, "/INBOX/;UID=20", as CATENATE has them.
	Host string
	Port int // zero where not given
	// User is the name to log in by, and whose mailbox names are meant.
	User string
	// AuthType is the SASL mechanism, "*" for any, empty where not given.
	AuthType string

	Mailbox     string // UTF-8; empty is the server
	UIDValidity uint32 // zero where not given
	// Search is the arguments of SEARCH; empty is the mailbox.
	Search string

	UID     UID      // zero is the mailbox
	Section string   // what stands in BODY[...]; see [ParseBodySection]
	Partial *Partial // a Count of -1 is to the end

	// Expire is when the URL ends to be valid; zero where not given.
	Expire  time.Time
	URLAuth *URLAuth
}

// URLAuth is who may use a URL, and the proof that its maker allowed it.
type URLAuth struct {
	Access URLAccess
	// User is for [AccessSubmit] and [AccessUser].
	User string
	// Mechanism and Token are empty before GENURLAUTH has made them. The token
	// is of hexadecimal digits.
	Mechanism string
	Token     string
}

// URLAccess is whom a [URLAuth] admits.
type URLAccess string

// Whom RFC 5092 section 6.1.2 knows to admit.
const (
	AccessSubmit    URLAccess = "submit+"  // a submission server, on behalf of User
	AccessUser      URLAccess = "user+"    // User
	AccessAuthUser  URLAccess = "authuser" // anybody who is logged in
	AccessAnonymous URLAccess = "anonymous"
)

// URLError is a text that is no IMAP URL, or a value that cannot be one. The
// text is not in it: URLs may be secrets.
type URLError struct {
	// Offset is where in the text, in octets; -1 for a value.
	Offset int
	Msg    string
}

func (e *URLError) Error() string {
	if e.Offset < 0 {
		return "imap: URL: " + e.Msg
	}
	return "imap: URL: " + e.Msg + " at octet " + strconv.Itoa(e.Offset)
}

const (
	urlUnreserved = "-._~"
	urlDelims     = "!$'()*+,"
	urlA          = urlUnreserved + urlDelims + "&=" // achar
	urlB          = urlA + ":@/"                     // bchar
	urlHost       = "-._"
)

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'z' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f' }

// urlParser is a cursor over a URL's text.
type urlParser struct {
	s   string
	i   int
	err *URLError
}

func (p *urlParser) fail(at int, msg string) {
	if p.err == nil {
		p.err = &URLError{at, msg}
	}
}

// fold moves over word in any case.
func (p *urlParser) fold(word string) bool {
	if p.err == nil && len(p.s)-p.i >= len(word) && equalFold(p.s[p.i:p.i+len(word)], word) {
		p.i += len(word)
		return true
	}
	return false
}

// span moves over letters, digits, percent-encoded octets and those of extra,
// and returns them decoded. control lets control characters be.
func (p *urlParser) span(extra string, control bool) string {
	from := p.i
	var b []byte
	for p.err == nil && p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '%':
			if len(p.s)-p.i < 3 || !isHex(p.s[p.i+1]) || !isHex(p.s[p.i+2]) {
				p.fail(p.i, "expected two hexadecimal digits behind %")
				return ""
			}
			if b == nil {
				b = []byte(p.s[from:p.i])
			}
			n, _ := strconv.ParseUint(p.s[p.i+1:p.i+3], 16, 8)
			if n == 0 || (n < ' ' || n == 0x7f) && !control {
				p.fail(p.i, "a control character")
			}
			b = append(b, byte(n))
			p.i += 3
			continue
		case isAlnum(c), strings.IndexByte(extra, c) >= 0:
		default:
			return p.decoded(from, b)
		}
		if b != nil {
			b = append(b, c)
		}
		p.i++
	}
	return p.decoded(from, b)
}

func (p *urlParser) decoded(from int, b []byte) string {
	s := p.s[from:p.i]
	if b != nil {
		s = string(b)
	}
	if !utf8.ValidString(s) {
		p.fail(from, "not UTF-8")
	}
	return s
}

// some is span that takes at least one octet.
func (p *urlParser) some(extra, what string) string {
	s := p.span(extra, false)
	if s == "" {
		p.fail(p.i, "expected "+what)
	}
	return s
}

func (p *urlParser) number(bits int) uint64 {
	from := p.i
	for p.i < len(p.s) && isDigit(p.s[p.i]) {
		p.i++
	}
	n, err := strconv.ParseUint(p.s[from:p.i], 10, bits)
	if err != nil {
		p.fail(from, "expected a number below 2^"+strconv.Itoa(bits))
	}
	return n
}

func (p *urlParser) nzNumber() uint32 {
	from := p.i
	n := p.number(32)
	if n == 0 {
		p.fail(from, "expected a number above zero")
	}
	return uint32(n)
}

// ParseURL reads an IMAP URL, "imap://..." or "//...", or a reference without a
// server, "/...". Any other reference has a meaning beside another URL alone:
// see [URL.Resolve]. An error is a *[URLError].
func ParseURL(text string) (*URL, error) {
	p := &urlParser{s: text}
	u := &URL{}
	switch {
	case p.fold("imap://"), p.fold("//"):
		p.server(u)
	case p.fold("imaps://"):
		u.Secure = true
		p.server(u)
	case !strings.HasPrefix(text, "/"):
		p.fail(0, "expected imap:// or /")
	}
	if p.fold("/") {
		p.command(u)
	}
	if p.i < len(text) {
		p.fail(p.i, "an octet that has no place there")
	}
	if p.err != nil {
		return nil, p.err
	}
	return u, nil
}

// server is iserver.
func (p *urlParser) server(u *URL) {
	end := len(p.s)
	if i := strings.IndexAny(p.s[p.i:], "/?#"); i >= 0 {
		end = p.i + i
	}
	if strings.IndexByte(p.s[p.i:end], '@') >= 0 {
		u.User = p.span(urlA, false)
		if p.fold(";AUTH=") {
			if p.fold("*@") {
				u.AuthType = "*"
				p.i--
			} else if u.AuthType = p.some(urlA, "a mechanism"); u.AuthType == "*" {
				p.fail(p.i, "a mechanism of *")
			}
		} else if u.User == "" {
			p.fail(p.i, "expected a user")
		}
		if !p.fold("@") {
			p.fail(p.i, "expected @")
		}
	}
	if p.fold("[") {
		from := p.i
		for p.i < len(p.s) && (isHex(p.s[p.i]) || p.s[p.i] == ':' || p.s[p.i] == '.') {
			p.i++
		}
		u.Host = p.s[from:p.i]
		if !p.fold("]") || strings.IndexByte(u.Host, ':') < 0 {
			p.fail(from, "expected an IPv6 address")
		}
	} else {
		from := p.i
		if u.Host = p.some(urlHost, "a host"); p.err == nil && !validURLHost(u.Host) {
			p.fail(from, "expected a host")
		}
	}
	if p.fold(":") && p.i < len(p.s) && isDigit(p.s[p.i]) {
		from := p.i
		if u.Port = int(p.number(16)); u.Port == 0 {
			p.fail(from, "expected a port above zero")
		}
	}
}

// validURLHost reports whether host is a name: letters, digits, "-", "." and
// "_", and UTF-8.
func validURLHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !isAlnum(c) && c < 0x80 && strings.IndexByte(urlHost, c) < 0 {
			return false
		}
	}
	return host != "" && utf8.ValidString(host)
}

// command is icommand, behind its slash.
func (p *urlParser) command(u *URL) {
	at := p.i
	u.Mailbox = p.span(urlB, false)
	if p.err != nil || p.i == len(p.s) {
		return
	}
	inMailbox := true // nothing but UIDVALIDITY was behind it
	if p.fold(";UIDVALIDITY=") {
		u.UIDValidity = p.nzNumber()
		if u.Mailbox == "" {
			p.fail(at, "expected a mailbox")
		}
		if p.fold("?") {
			u.Search = p.search()
			return
		}
		if p.i == len(p.s) {
			return
		}
		if !p.fold("/") {
			p.fail(p.i, "expected /")
		}
		inMailbox = false
	} else if p.fold("?") {
		if u.Mailbox == "" {
			p.fail(at, "expected a mailbox")
		}
		u.Search = p.search()
		return
	}
	if inMailbox {
		var ok bool
		// An encoded slash is the mailbox's own.
		if u.Mailbox, ok = strings.CutSuffix(u.Mailbox, "/"); !ok || p.s[p.i-1] != '/' {
			p.fail(p.i, "expected /")
		}
	}
	if u.Mailbox == "" {
		p.fail(at, "expected a mailbox")
	}
	if !p.fold(";UID=") {
		p.fail(p.i, "expected ;UID=")
	}
	u.UID = UID(p.nzNumber())
	if p.fold("/;SECTION=") {
		// A slash in it would be the one before ;PARTIAL=.
		from := p.i
		u.Section = p.some(urlB, "a section")
		if s, ok := strings.CutSuffix(u.Section, "/"); ok && p.s[p.i-1] == '/' {
			u.Section = s
			p.i--
			if s == "" {
				p.fail(from, "expected a section")
			}
		}
	}
	if p.fold("/;PARTIAL=") {
		u.Partial = &Partial{Offset: int64(p.number(63)), Count: -1}
		if p.fold(".") {
			at := p.i
			if u.Partial.Count = int64(p.number(63)); u.Partial.Count == 0 {
				p.fail(at, "expected a number above zero")
			}
		}
	}
	if p.fold(";EXPIRE=") {
		p.expire(u)
	}
	if p.fold(";URLAUTH=") {
		u.URLAuth = p.urlAuth()
	} else if !u.Expire.IsZero() {
		p.fail(p.i, "expected ;URLAUTH=")
	}
}

func (p *urlParser) search() string {
	from := p.i
	s := p.span(urlB, true)
	if s == "" {
		p.fail(from, "expected a search")
	}
	return s
}

func (p *urlParser) expire(u *URL) {
	from := p.i
	for p.i < len(p.s) && p.s[p.i] != ';' {
		p.i++
	}
	t, err := time.Parse(time.RFC3339, upperASCII(p.s[from:p.i]))
	if err != nil || t.IsZero() || len(p.s[from:p.i]) > len(time.RFC3339Nano) {
		p.fail(from, "expected a date and time of RFC 3339")
	}
	u.Expire = t
}

func (p *urlParser) urlAuth() *URLAuth {
	a := &URLAuth{}
	switch {
	case p.fold("submit+"):
		a.Access = AccessSubmit
		a.User = p.some(urlA, "a user")
	case p.fold("user+"):
		a.Access = AccessUser
		a.User = p.some(urlA, "a user")
	case p.fold("authuser"):
		a.Access = AccessAuthUser
	case p.fold("anonymous"):
		a.Access = AccessAnonymous
	default:
		p.fail(p.i, "expected submit+, user+, authuser or anonymous")
	}
	if !p.fold(":") {
		return a
	}
	from := p.i
	for p.i < len(p.s) && p.s[p.i] != ':' {
		p.i++
	}
	a.Mechanism = upperASCII(p.s[from:p.i])
	if !validURLMechanism(a.Mechanism) {
		p.fail(from, "expected a mechanism")
	}
	if !p.fold(":") {
		p.fail(p.i, "expected a colon")
	}
	a.Token = p.s[p.i:]
	if !validURLToken(a.Token) {
		p.fail(p.i, "expected 32 hexadecimal digits or more")
	}
	p.i = len(p.s)
	return a
}

func validURLMechanism(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

func validURLToken(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return len(s) >= 32
}

// SplitURLAuth cuts an authorized URL in front of its mechanism: the rump is
// what the token was made of, octet by octet, and must not be written anew. ok is
// false where the text does not end in a mechanism and a token.
func SplitURLAuth(text string) (rump, mechanism, token string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || !validURLToken(text[i+1:]) {
		return "", "", "", false
	}
	j := strings.LastIndexByte(text[:i], ':')
	if j < 0 || !validURLMechanism(text[j+1:i]) {
		return "", "", "", false
	}
	return text[:j], upperASCII(text[j+1 : i]), text[i+1:], true
}

// String is the URL's text, or "" where it cannot be written. It may be a
// secret: see [URLAuth].
func (u *URL) String() string {
	b, err := u.AppendText(nil)
	if err != nil {
		return ""
	}
	return string(b)
}

// AppendText appends the URL as RFC 5092 writes it. What the grammar has no
// room for is a *[URLError].
func (u *URL) AppendText(dst []byte) ([]byte, error) {
	from := len(dst)
	e := &urlEncoder{dst: dst}
	e.url(u)
	if e.err != nil {
		return e.dst[:from], e.err
	}
	return e.dst, nil
}

type urlEncoder struct {
	dst []byte
	err error
}

func (e *urlEncoder) fail(msg string) {
	if e.err == nil {
		e.err = &URLError{-1, msg}
	}
}

func (e *urlEncoder) lit(s string) { e.dst = append(e.dst, s...) }

const hexDigits = "0123456789ABCDEF"

func (e *urlEncoder) octet(c byte) { e.dst = append(e.dst, '%', hexDigits[c>>4], hexDigits[c&15]) }

// text appends s, percent-encoded but for letters, digits and the octets of
// extra.
func (e *urlEncoder) text(s, extra string, control bool) {
	if !utf8.ValidString(s) {
		e.fail("not UTF-8")
	}
	for i := range len(s) {
		c := s[i]
		if c == 0 || (c < ' ' || c == 0x7f) && !control {
			e.fail("a control character")
		}
		if isAlnum(c) || strings.IndexByte(extra, c) >= 0 {
			e.dst = append(e.dst, c)
		} else {
			e.octet(c)
		}
	}
}

// mailbox appends a name of which no piece is taken for another's: its slash
// at the front, and "." and ".." between slashes, are encoded.
func (e *urlEncoder) mailbox(name string) {
	for first := true; ; first = false {
		piece, rest, more := strings.Cut(name, "/")
		switch {
		case piece == ".":
			e.lit("%2E")
		case piece == "..":
			e.lit("%2E%2E")
		default:
			e.text(piece, urlB, false)
		}
		if !more {
			return
		}
		if first && piece == "" {
			e.lit("%2F")
		} else {
			e.lit("/")
		}
		name = rest
	}
}

func (e *urlEncoder) num(n uint64) { e.dst = strconv.AppendUint(e.dst, n, 10) }

func (e *urlEncoder) url(u *URL) {
	if u.Host == "" {
		if u.Secure || u.Port != 0 || u.User != "" || u.AuthType != "" {
			e.fail("a user, port or scheme without a host")
		}
	} else {
		e.server(u)
	}
	if u.Mailbox == "" {
		if u.UIDValidity != 0 || u.Search != "" || u.UID != 0 {
			e.fail("no mailbox")
		}
	}
	e.lit("/")
	e.mailbox(u.Mailbox)
	if u.UIDValidity != 0 {
		e.lit(";UIDVALIDITY=")
		e.num(uint64(u.UIDValidity))
	}
	if u.Search != "" {
		if u.UID != 0 {
			e.fail("a search and a UID")
		}
		e.lit("?")
		e.text(u.Search, urlB, true)
	}
	if u.UID == 0 {
		if u.Section != "" || u.Partial != nil || !u.Expire.IsZero() || u.URLAuth != nil {
			e.fail("a part of no message")
		}
		return
	}
	e.lit("/;UID=")
	e.num(uint64(u.UID))
	if u.Section != "" {
		e.lit("/;SECTION=")
		e.text(u.Section, strings.TrimSuffix(urlB, "/"), false)
	}
	if p := u.Partial; p != nil {
		if p.Offset < 0 || p.Count == 0 {
			e.fail("a partial of no octets")
		}
		e.lit("/;PARTIAL=")
		e.num(uint64(p.Offset))
		if p.Count > 0 {
			e.lit(".")
			e.num(uint64(p.Count))
		}
	}
	if !u.Expire.IsZero() {
		if y := u.Expire.Year(); y < 1 || y > 9999 || u.URLAuth == nil {
			e.fail("EXPIRE without URLAUTH, or beyond the year 9999")
		}
		e.lit(";EXPIRE=")
		e.dst = u.Expire.AppendFormat(e.dst, time.RFC3339Nano)
	}
	if a := u.URLAuth; a != nil {
		e.urlAuth(a)
	}
}

func (e *urlEncoder) server(u *URL) {
	if u.Secure {
		e.lit("imaps://")
	} else {
		e.lit("imap://")
	}
	e.text(u.User, urlA, false)
	switch u.AuthType {
	case "":
	case "*":
		e.lit(";AUTH=*")
	default:
		e.lit(";AUTH=")
		e.text(u.AuthType, urlA, false)
	}
	if u.User != "" || u.AuthType != "" {
		e.lit("@")
	}
	if strings.IndexByte(u.Host, ':') >= 0 {
		for i := range len(u.Host) {
			if c := u.Host[i]; !isHex(c) && c != ':' && c != '.' {
				e.fail("not an IPv6 address")
			}
		}
		e.lit("[" + u.Host + "]")
	} else {
		if !validURLHost(u.Host) {
			e.fail("not a host")
		}
		e.text(u.Host, urlHost, false)
	}
	if u.Port != 0 {
		if u.Port < 0 || u.Port > 65535 {
			e.fail("not a port")
		}
		e.lit(":")
		e.num(uint64(u.Port))
	}
}

func (e *urlEncoder) urlAuth(a *URLAuth) {
	e.lit(";URLAUTH=" + string(a.Access))
	switch a.Access {
	case AccessSubmit, AccessUser:
		if a.User == "" {
			e.fail("URLAUTH without its user")
		}
		e.text(a.User, urlA, false)
	case AccessAuthUser, AccessAnonymous:
		if a.User != "" {
			e.fail("URLAUTH with a user that it has no room for")
		}
	default:
		e.fail("an unknown access identifier")
	}
	if a.Mechanism == "" && a.Token == "" {
		return
	}
	if !validURLMechanism(a.Mechanism) || !validURLToken(a.Token) {
		e.fail("not a mechanism and a token")
	}
	e.lit(":" + a.Mechanism + ":" + a.Token)
}
