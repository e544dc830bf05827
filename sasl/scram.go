// SCRAM (RFC 5802, RFC 7677), the client's side, and the messages.

package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxScram bounds a SCRAM message, in octets.
const maxScram = 8192

// nonceText is a fresh nonce: printable, without commas, of 144 bits.
func nonceText() string {
	var b [18]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

type scram struct {
	hash           Hash
	plus           bool
	creds          *Credentials
	minIter, maxIt int
}

func (m *scram) Name() string {
	if m.plus {
		return "SCRAM-" + string(m.hash) + "-PLUS"
	}
	return "SCRAM-" + string(m.hash)
}

func (m *scram) Cleartext() bool { return false }

func (m *scram) Start(line Line) (Exchange, []byte, error) {
	// RFC 5802 section 5.1: user and password are query strings.
	user, err := saslPrep(m.creds.User, true)
	if err == nil && user == "" {
		err = fmt.Errorf("sasl: %s: the user name is empty", m.Name())
	}
	if err != nil {
		return nil, nil, err
	}
	password, err := saslPrep(m.creds.Password, true)
	if err == nil && password == "" {
		err = fmt.Errorf("sasl: %s: the password is empty", m.Name())
	}
	if err != nil {
		return nil, nil, err
	}
	if err := cleanAuthzid(m.Name(), m.creds.Authzid); err != nil {
		return nil, nil, err
	}
	g, data, err := clientGS2(&line, m.Name(), m.plus, m.creds.Binding, m.creds.Authzid)
	if err != nil {
		return nil, nil, err
	}
	x := &scramExchange{m: m, password: password, nonce: m.creds.newNonce()}
	header := g.append(nil)
	x.bare = string(appendName([]byte("n="), user)) + ",r=" + x.nonce
	x.cbind = append(bytes.Clone(header), data...)
	return x, append(header, x.bare...), nil
}

type scramExchange struct {
	m        *scram
	password string
	nonce    string
	bare     string // client-first-message-bare
	cbind    []byte
	step     int
	want     []byte // the server's signature
}

func (x *scramExchange) bad(what string) error {
	return fmt.Errorf("%w: %s: %s", ErrProtocol, x.m.Name(), what)
}

func (x *scramExchange) Next(challenge []byte) ([]byte, error) {
	x.step++
	if len(challenge) > maxScram {
		return nil, x.bad("the message is too long")
	}
	switch x.step {
	case 1:
		return x.first(string(challenge))
	case 2:
		return []byte{}, x.final(string(challenge))
	}
	x.want = nil
	return nil, x.bad("a challenge after the last message")
}

func (x *scramExchange) first(msg string) ([]byte, error) {
	f, err := parseServerFirst(msg)
	switch {
	case err != nil:
		return nil, x.bad(err.Error())
	case !strings.HasPrefix(f.nonce, x.nonce) || len(f.nonce) == len(x.nonce):
		return nil, x.bad("the server's nonce does not continue the client's")
	case f.iterations < x.m.minIter || f.iterations > x.m.maxIt:
		return nil, x.bad(fmt.Sprintf("an iteration count of %d, not within %d and %d", f.iterations, x.m.minIter, x.m.maxIt))
	}
	h := x.m.hash
	salted, err := pbkdf2.Key(h.new(), x.password, f.salt, f.iterations, h.size())
	if err != nil {
		return nil, err
	}
	x.password = ""
	without := "c=" + base64.StdEncoding.EncodeToString(x.cbind) + ",r=" + f.nonce
	authMessage := x.bare + "," + msg + "," + without
	clientKey := mac(h, salted, "Client Key")
	proof := mac(h, sum(h, clientKey), authMessage)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	x.want = mac(h, mac(h, salted, "Server Key"), authMessage)
	return base64.StdEncoding.AppendEncode([]byte(without+",p="), proof), nil
}

func (x *scramExchange) final(msg string) error {
	want := x.want
	x.want = nil
	attr, ext, more := strings.Cut(msg, ",")
	if more && !validExtensions(ext) {
		return x.bad("extensions that are none")
	}
	if e, ok := strings.CutPrefix(attr, "e="); ok {
		return fmt.Errorf("%w: %s: the server says %q", ErrFailed, x.m.Name(), clip(e))
	}
	v, ok := strings.CutPrefix(attr, "v=")
	if !ok || want == nil {
		return x.bad("expected v=")
	}
	signature, err := decode64(v)
	if err != nil || !hmac.Equal(signature, want) {
		return fmt.Errorf("%w: %s: the server did not prove that it knows the password", ErrFailed, x.m.Name())
	}
	x.step = scramProved
	return nil
}

// scramProved is the step of an exchange whose server has proved itself.
const scramProved = 100

func (x *scramExchange) Done() error {
	if x.step != scramProved {
		return x.bad("success without the server's proof")
	}
	return nil
}

// clip makes a peer's text fit for an error.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return s
}

type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
}

type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// parseServerFirst reads r=nonce,s=salt,i=count[,extensions]. A reserved m=
// stands in front and is refused as any other attribute there.
func parseServerFirst(msg string) (f serverFirst, err error) {
	parts := strings.SplitN(msg, ",", 4)
	if len(parts) < 3 {
		return f, syntaxError("expected r=, s= and i=")
	}
	var ok bool
	if f.nonce, ok = strings.CutPrefix(parts[0], "r="); !ok || !isNonce(f.nonce) {
		return f, syntaxError("expected r= and a nonce")
	}
	salt, ok := strings.CutPrefix(parts[1], "s=")
	if !ok || salt == "" || len(salt) > 2*maxSalt {
		return f, syntaxError("expected s= and a salt")
	}
	if f.salt, err = decode64(salt); err != nil {
		return f, syntaxError("the salt is not base64")
	}
	count, ok := strings.CutPrefix(parts[2], "i=")
	if !ok {
		return f, syntaxError("expected i=")
	}
	if f.iterations, err = parseCount(count); err != nil {
		return f, syntaxError("the iteration count is not a number")
	}
	if len(parts) == 4 && !validExtensions(parts[3]) {
		return f, syntaxError("extensions that are none")
	}
	return f, nil
}

// isNonce reports whether s is 1*(%x21-2B / %x2D-7E).
func isNonce(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return s != ""
}

// validExtensions reports whether s is attr-val *("," attr-val) without the
// mandatory extension m, which nobody knows.
func validExtensions(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		if len(part) < 3 || part[1] != '=' || part[0] == 'm' || !isAlnum(part[0]) || part[0] <= '9' || strings.IndexByte(part, 0) >= 0 {
			return false
		}
	}
	return true
}
