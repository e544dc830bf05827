// DIGEST-MD5 (RFC 2831), authentication alone: qop=auth, no subsequent
// authentication.

package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

const (
	// RFC 2831 sections 2.1.1 and 2.1.2.
	maxDigestChallenge = 2048
	maxDigestResponse  = 4096
)

// DigestKey is what a server can store of a password for DIGEST-MD5 instead
// of the password itself: the MD5 of user:realm:password (RFC 2831 section
// 2.1.2.1). It is as good as the password for this mechanism.
func DigestKey(user, realm, password string) [16]byte {
	return md5.Sum(slices.Concat(latin1(user), []byte(":"), latin1(realm), []byte(":"), latin1(password)))
}

// latin1 is s in ISO 8859-1 if that has all its characters, else s.
func latin1(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return []byte(s)
		}
		out = append(out, byte(r))
	}
	return out
}

// digestParams are what a response is computed of.
type digestParams struct {
	user, realm, nonce, cnonce, uri, authzid string
	hasAuthzid                               bool
}

// response is the response-value; client's A2 begins with AUTHENTICATE, the
// server's with nothing.
func (p *digestParams) response(key [16]byte, a2 string) []byte {
	a1 := slices.Concat(key[:], []byte(":"+p.nonce+":"+p.cnonce))
	if p.hasAuthzid {
		a1 = append(a1, ":"+p.authzid...)
	}
	h1 := md5.Sum(a1)
	h2 := md5.Sum([]byte(a2 + ":" + p.uri))
	kd := md5.Sum(fmt.Appendf(nil, "%x:%s:00000001:%s:auth:%x", h1, p.nonce, p.cnonce, h2))
	return hex.AppendEncode(nil, kd[:])
}

type digest struct{ creds *Credentials }

func (d *digest) Name() string    { return "DIGEST-MD5" }
func (d *digest) Cleartext() bool { return false }

func (d *digest) Start(line Line) (Exchange, []byte, error) {
	c := d.creds
	if err := clean("DIGEST-MD5", c.User, c.Password); err != nil {
		return nil, nil, err
	}
	if err := cleanAuthzid("DIGEST-MD5", c.Authzid); err != nil {
		return nil, nil, err
	}
	if !isName(c.Realm) || line.Service != "" && !isBindingName(line.Service) || strings.ContainsAny(line.Host, "\x00\"\\/") {
		return nil, nil, fmt.Errorf("sasl: DIGEST-MD5: the realm, service or host does not suit the mechanism")
	}
	return &digestExchange{c: c, line: line}, nil, nil
}

type digestExchange struct {
	c    *Credentials
	line Line
	step int
	want []byte
}

func (x *digestExchange) bad(what string) error {
	return fmt.Errorf("%w: DIGEST-MD5: %s", ErrProtocol, what)
}

func (x *digestExchange) Next(challenge []byte) ([]byte, error) {
	x.step++
	switch x.step {
	case 1:
		return x.answer(challenge)
	case 2:
		want := x.want
		x.want = nil
		d, err := parseDirectives(challenge, maxDigestChallenge)
		if err != nil {
			return nil, x.bad(err.Error())
		}
		if got := d.one("rspauth"); want == nil || !hmac.Equal([]byte(got), want) {
			return nil, fmt.Errorf("%w: DIGEST-MD5: the server did not prove that it knows the password", ErrFailed)
		}
		x.step = digestProved
		return []byte{}, nil
	}
	x.step = 3
	return nil, x.bad("a challenge after the last message")
}

const digestProved = 100

func (x *digestExchange) Done() error {
	if x.step != digestProved {
		return x.bad("success without the server's proof")
	}
	return nil
}

func (x *digestExchange) answer(challenge []byte) ([]byte, error) {
	d, err := parseDirectives(challenge, maxDigestChallenge)
	if err != nil {
		return nil, x.bad(err.Error())
	}
	for _, name := range []string{"nonce", "qop", "algorithm", "charset", "stale", "maxbuf"} {
		if len(d[name]) > 1 {
			return nil, x.bad("the directive " + name + " more than once")
		}
	}
	qop := d.one("qop")
	switch {
	case d.one("nonce") == "":
		return nil, x.bad("expected a nonce")
	case d.one("algorithm") != "md5-sess":
		return nil, x.bad("expected algorithm=md5-sess")
	case len(d["qop"]) > 0 && !slices.ContainsFunc(strings.Split(qop, ","), func(s string) bool { return strings.EqualFold(strings.Trim(s, " \t"), "auth") }):
		return nil, x.bad("authentication alone is not offered")
	}
	utf8Charset := len(d["charset"]) > 0
	if utf8Charset && !strings.EqualFold(d.one("charset"), "utf-8") {
		return nil, x.bad("expected charset=utf-8")
	}
	p := &digestParams{user: x.c.User, nonce: d.one("nonce"), cnonce: x.c.newNonce(), authzid: x.c.Authzid, hasAuthzid: x.c.Authzid != ""}
	realms := d["realm"]
	switch {
	case x.c.Realm != "" && (len(realms) == 0 || slices.Contains(realms, x.c.Realm)):
		p.realm = x.c.Realm
	case x.c.Realm != "":
		return nil, x.bad("the server does not offer the realm")
	case len(realms) > 0:
		p.realm = realms[0]
	}
	service, host := x.line.Service, x.line.Host
	if service == "" {
		service = "smtp"
	}
	if host == "" {
		// No name is known of a connection that was handed over.
		host = p.realm
	}
	p.uri = service + "/" + host
	user := []byte(p.user)
	key := DigestKey(p.user, p.realm, x.c.Password)
	if !utf8Charset {
		// RFC 2831: without the directive all is ISO 8859-1.
		if user = latin1(p.user); string(user) == p.user && !isPlainASCII(p.user) {
			return nil, x.bad("the server does not take UTF-8")
		}
	}
	x.want = p.response(key, "")
	out := []byte{}
	if utf8Charset {
		out = append(out, "charset=utf-8,"...)
	}
	out = appendQuoted(out, "username", string(user))
	if p.realm != "" || len(realms) > 0 {
		out = appendQuoted(append(out, ','), "realm", p.realm)
	}
	out = appendQuoted(append(out, ','), "nonce", p.nonce)
	out = append(out, ",nc=00000001"...)
	out = appendQuoted(append(out, ','), "cnonce", p.cnonce)
	out = appendQuoted(append(out, ','), "digest-uri", p.uri)
	out = append(append(out, ",response="...), p.response(key, "AUTHENTICATE")...)
	out = append(out, ",qop=auth"...)
	if p.hasAuthzid {
		out = appendQuoted(append(out, ','), "authzid", p.authzid)
	}
	if len(out) >= maxDigestResponse {
		return nil, x.bad("the response would be too long")
	}
	return out, nil
}

func appendQuoted(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), `="`...)
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// directives are the values by name, in lower case.
type directives map[string][]string

// one is the first value; empty if there is none.
func (d directives) one(name string) string {
	if v := d[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// parseDirectives reads 1#(name "=" (token | quoted-string)); empty elements
// of the list are allowed, as the notation of RFC 822 has it.
func parseDirectives(msg []byte, limit int) (directives, error) {
	if len(msg) > limit {
		return nil, syntaxError(fmt.Sprintf("a message longer than %d octets", limit))
	}
	d := directives{}
	for {
		msg = bytes.TrimLeft(msg, " \t\r\n,")
		if len(msg) == 0 {
			return d, nil
		}
		eq := bytes.IndexByte(msg, '=')
		if eq < 1 {
			return nil, syntaxError("expected name=value")
		}
		name := strings.ToLower(string(bytes.TrimRight(msg[:eq], " \t\r\n")))
		for i := range len(name) {
			if !isDigestToken(name[i]) {
				return nil, syntaxError("expected name=value")
			}
		}
		msg = bytes.TrimLeft(msg[eq+1:], " \t\r\n")
		var value []byte
		if len(msg) > 0 && msg[0] == '"' {
			i, closed := 1, false
			for ; i < len(msg) && !closed; i++ {
				switch c := msg[i]; {
				case c == '"':
					closed = true
				case c == '\\' && i+1 < len(msg):
					i++
					value = append(value, msg[i])
				case c == 0:
					return nil, syntaxError("NUL in a quoted string")
				default:
					value = append(value, c)
				}
			}
			if !closed {
				return nil, syntaxError("a quoted string without its end")
			}
			msg = msg[i:]
		} else {
			i := 0
			for i < len(msg) && isDigestToken(msg[i]) {
				i++
			}
			if i == 0 {
				return nil, syntaxError("expected a value")
			}
			value, msg = msg[:i], msg[i:]
		}
		d[name] = append(d[name], string(value))
		msg = bytes.TrimLeft(msg, " \t\r\n")
		if len(msg) > 0 && msg[0] != ',' {
			return nil, syntaxError("expected a comma")
		}
	}
}

func isDigestToken(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?={}`, c) < 0
}

type digestServer struct {
	nonce, realm  string
	service, host string // to be checked where they are set
	verify        func(user, authzid, realm string, good func(key [16]byte) bool) (Identity, error)
	step          int
	rspauth       []byte
	id            Identity
}

func (s *digestServer) Identity() Identity { return s.id }

func (s *digestServer) bad(what string) error {
	return fmt.Errorf("%w: DIGEST-MD5: %s", ErrProtocol, what)
}

func (s *digestServer) Next(response []byte) ([]byte, bool, error) {
	s.step++
	switch s.step {
	case 1:
		if len(response) > 0 {
			// An initial response asks for subsequent authentication.
			return nil, false, s.bad("there was no authentication before")
		}
		out := []byte{}
		if s.realm != "" {
			out = append(appendQuoted(out, "realm", s.realm), ',')
		}
		out = append(appendQuoted(out, "nonce", s.nonce), `,qop="auth",charset=utf-8,algorithm=md5-sess`...)
		return out, false, nil
	case 2:
		return s.answer(response)
	}
	return nil, false, s.bad("a message after the last")
}

func (s *digestServer) answer(response []byte) ([]byte, bool, error) {
	d, err := parseDirectives(response, maxDigestResponse-1)
	if err != nil {
		return nil, false, s.bad(err.Error())
	}
	for _, name := range []string{"username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri", "response", "charset", "authzid", "maxbuf", "cipher"} {
		if len(d[name]) > 1 {
			return nil, false, s.bad("the directive " + name + " more than once")
		}
	}
	for _, name := range []string{"username", "nonce", "cnonce", "nc", "digest-uri", "response"} {
		if d.one(name) == "" {
			return nil, false, s.bad("expected the directive " + name)
		}
	}
	p := &digestParams{
		user: d.one("username"), realm: d.one("realm"), nonce: d.one("nonce"), cnonce: d.one("cnonce"),
		uri: d.one("digest-uri"), authzid: d.one("authzid"), hasAuthzid: len(d["authzid"]) > 0,
	}
	if len(d["charset"]) == 0 {
		p.user, p.realm = fromLatin1(p.user), fromLatin1(p.realm)
	} else if !strings.EqualFold(d.one("charset"), "utf-8") {
		return nil, false, s.bad("expected charset=utf-8")
	}
	switch {
	case len(p.user) > maxPlain || !isName(p.user) || !isName(p.authzid) || !isName(p.realm):
		return nil, false, s.bad("a name that is too long or not UTF-8")
	case p.nonce != s.nonce:
		return nil, false, s.bad("another nonce than was sent")
	case d.one("nc") != "00000001":
		return nil, false, s.bad("expected nc=00000001")
	case len(d["qop"]) > 0 && d.one("qop") != "auth":
		return nil, false, s.bad("expected qop=auth")
	case p.realm != s.realm:
		return nil, false, s.bad("a realm that was not offered")
	case !s.rightURI(p.uri):
		return nil, false, fmt.Errorf("%w: DIGEST-MD5: the response is for another service or host", ErrFailed)
	}
	s.id, err = s.verify(p.user, p.authzid, p.realm, func(key [16]byte) bool {
		if !hmac.Equal([]byte(d.one("response")), p.response(key, "AUTHENTICATE")) {
			return false
		}
		s.rspauth = append([]byte("rspauth="), p.response(key, "")...)
		return true
	})
	if err != nil {
		return nil, false, err
	}
	return s.rspauth, true, nil
}

func (s *digestServer) rightURI(uri string) bool {
	service, host, ok := strings.Cut(uri, "/")
	host, _, _ = strings.Cut(host, "/")
	return ok && (s.service == "" || strings.EqualFold(service, s.service)) && (s.host == "" || strings.EqualFold(host, s.host))
}

func fromLatin1(s string) string {
	if isPlainASCII(s) {
		return s
	}
	out := make([]rune, 0, len(s))
	for i := range len(s) {
		out = append(out, rune(s[i]))
	}
	return string(out)
}
