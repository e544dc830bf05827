// NTLM (MS-NLMP), the client's side.

package sasl

import (
	"bytes"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// NTLM are the options of the mechanism NTLM. The zero value is NTLMv2.
type NTLM struct {
	// Domain is the user's domain; by default that in front of the backslash
	// of Credentials.User, or none.
	Domain string
	// Workstation is the client's name, told to the server; empty by default.
	Workstation string
	// V1 answers by NTLMv1 instead, which can be broken in hours; with the
	// client's nonce in it where the server can take that. LM is never
	// spoken.
	V1 bool

	clientChallenge []byte // for tests
}

// The flags of MS-NLMP section 2.2.2.5 that matter here.
const (
	ntlmUnicode    = 1 << 0
	ntlmReqTarget  = 1 << 2
	ntlmNTLM       = 1 << 9
	ntlmAlwaysSign = 1 << 15
	ntlmESS        = 1 << 19
	ntlmTargetInfo = 1 << 23

	ntlmWanted = ntlmUnicode | ntlmReqTarget | ntlmNTLM | ntlmAlwaysSign | ntlmESS | ntlmTargetInfo

	// AV_PAIR identifiers.
	avEOL, avFlags, avTimestamp, avTargetName, avBindings = 0, 6, 7, 9, 10
)

var ntlmSignature = []byte("NTLMSSP\x00")

type ntlm struct{ creds *Credentials }

func (n *ntlm) Name() string    { return "NTLM" }
func (n *ntlm) Cleartext() bool { return false }

func (n *ntlm) Start(line Line) (Exchange, []byte, error) {
	if err := clean("NTLM", n.creds.User, n.creds.Password); err != nil {
		return nil, nil, err
	}
	for _, s := range []string{n.creds.User, n.creds.NTLM.Domain, n.creds.NTLM.Workstation, line.Host} {
		if len(s) > maxPlain || !isName(s) {
			return nil, nil, fmt.Errorf("sasl: NTLM: a name is not UTF-8, holds NUL or is longer than %d octets", maxPlain)
		}
	}
	if len(n.creds.Password) > maxPlain {
		return nil, nil, fmt.Errorf("sasl: NTLM: the password is longer than %d octets", maxPlain)
	}
	x := &ntlmExchange{c: n.creds, line: line}
	x.negotiate = binary.LittleEndian.AppendUint32(append(bytes.Clone(ntlmSignature), 1, 0, 0, 0), ntlmWanted)
	x.negotiate = append(x.negotiate, make([]byte, 16)...) // no domain, no workstation
	return x, x.negotiate, nil
}

type ntlmExchange struct {
	c         *Credentials
	line      Line
	negotiate []byte
	answered  bool
}

func (x *ntlmExchange) bad(what string) error { return fmt.Errorf("%w: NTLM: %s", ErrProtocol, what) }

func (x *ntlmExchange) Next(challenge []byte) ([]byte, error) {
	if x.answered {
		return nil, x.bad("a second challenge")
	}
	ch, err := parseNTLMChallenge(challenge)
	if err != nil {
		return nil, x.bad(err.Error())
	}
	x.answered = true
	domain, user := x.c.NTLM.Domain, x.c.User
	if d, u, ok := strings.Cut(user, `\`); ok && domain == "" {
		domain, user = d, u
	}
	nonce := x.c.NTLM.clientChallenge
	if nonce == nil {
		nonce = make([]byte, 8)
		rand.Read(nonce)
	}
	var lm, nt, session []byte
	withMIC := false
	if x.c.NTLM.V1 {
		lm, nt = ntlmV1(x.c.Password, ch, nonce)
	} else {
		info, stamp := x.targetInfo(ch)
		withMIC = stamp != nil
		if stamp == nil {
			stamp = fileTime(x.c.time())
		}
		key := ntowfv2(user, domain, x.c.Password)
		nt, session = ntlmV2(key, ch.nonce, nonce, stamp, info)
		lm = make([]byte, 24) // MS-NLMP section 3.1.5.1.2: no LM response
	}
	return x.authenticate(challenge, ch, domain, user, lm, nt, session, withMIC), nil
}

func (x *ntlmExchange) Done() error {
	if !x.answered {
		return x.bad("success without a challenge")
	}
	return nil
}

type avPair struct {
	id    uint16
	value []byte
}

type ntlmChallenge struct {
	flags uint32
	nonce []byte
	info  []avPair
}

func parseNTLMChallenge(msg []byte) (*ntlmChallenge, error) {
	if len(msg) < 32 || len(msg) > maxChallenge || !bytes.HasPrefix(msg, ntlmSignature) || binary.LittleEndian.Uint32(msg[8:]) != 2 {
		return nil, syntaxError("expected a challenge message")
	}
	ch := &ntlmChallenge{flags: binary.LittleEndian.Uint32(msg[20:]), nonce: msg[24:32]}
	if ch.flags&ntlmUnicode == 0 {
		return nil, syntaxError("the server does not take Unicode")
	}
	if ch.flags&ntlmTargetInfo == 0 || len(msg) < 48 {
		return ch, nil
	}
	size, at := int(binary.LittleEndian.Uint16(msg[40:])), binary.LittleEndian.Uint32(msg[44:])
	if uint64(at)+uint64(size) > uint64(len(msg)) {
		return nil, syntaxError("target information outside of the message")
	}
	info := msg[at:][:size]
	for len(info) >= 4 {
		id, n := binary.LittleEndian.Uint16(info), int(binary.LittleEndian.Uint16(info[2:]))
		if id == avEOL {
			return ch, nil
		}
		if n > len(info)-4 {
			break
		}
		ch.info = append(ch.info, avPair{id, info[4 : 4+n]})
		info = info[4+n:]
	}
	return nil, syntaxError("target information without its end")
}

// targetInfo is the server's list with what the client adds, and the server's
// time if it told one: then the messages are protected by a MIC.
func (x *ntlmExchange) targetInfo(ch *ntlmChallenge) (info, stamp []byte) {
	flags := uint32(0)
	add := func(id uint16, value []byte) {
		info = binary.LittleEndian.AppendUint16(info, id)
		info = append(binary.LittleEndian.AppendUint16(info, uint16(len(value))), value...)
	}
	for _, p := range ch.info {
		switch p.id {
		case avFlags:
			if len(p.value) == 4 {
				flags = binary.LittleEndian.Uint32(p.value)
			}
			continue
		case avTargetName, avBindings:
			continue
		case avTimestamp:
			if len(p.value) == 8 {
				stamp = p.value
			}
		}
		add(p.id, p.value)
	}
	if stamp != nil {
		flags |= 2
	}
	if flags != 0 {
		add(avFlags, binary.LittleEndian.AppendUint32(nil, flags))
	}
	if stamp != nil {
		if x.line.Host != "" && x.line.Service != "" {
			add(avTargetName, utf16le(x.line.Service+"/"+x.line.Host))
		}
		if end := x.line.Bindings.EndPoint; len(end) > 0 {
			add(avBindings, gssBindings(append([]byte(BindEndPoint+":"), end...)))
		}
	}
	add(avEOL, nil)
	return info, stamp
}

// gssBindings is the MD5 of a gss_channel_bindings_struct (MS-NLMP section
// 3.1.5.1.2).
func gssBindings(data []byte) []byte {
	b := make([]byte, 16, 20+len(data))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	s := md5.Sum(append(b, data...))
	return s[:]
}

func (x *ntlmExchange) authenticate(challenge []byte, ch *ntlmChallenge, domain, user string, lm, nt, session []byte, withMIC bool) []byte {
	const header = 64
	at := header
	if withMIC {
		at += 8 + 16 // Version and MIC
	}
	fields := [][]byte{lm, nt, utf16le(domain), utf16le(user), utf16le(x.c.NTLM.Workstation), nil}
	msg := append(bytes.Clone(ntlmSignature), 3, 0, 0, 0)
	var payload []byte
	for _, f := range fields {
		msg = binary.LittleEndian.AppendUint16(msg, uint16(len(f)))
		msg = binary.LittleEndian.AppendUint16(msg, uint16(len(f)))
		msg = binary.LittleEndian.AppendUint32(msg, uint32(at+len(payload)))
		payload = append(payload, f...)
	}
	msg = binary.LittleEndian.AppendUint32(msg, ch.flags&ntlmWanted)
	msg = append(msg, make([]byte, at-header)...)
	msg = append(msg, payload...)
	if withMIC {
		m := hmac.New(md5.New, session)
		m.Write(x.negotiate)
		m.Write(challenge)
		m.Write(msg)
		copy(msg[header+8:], m.Sum(nil))
	}
	return msg
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// fileTime is t in units of 100 ns since 1601.
func fileTime(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.Unix()+11644473600)*1e7+uint64(t.Nanosecond()/100))
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	m := hmac.New(md5.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

func ntowfv2(user, domain, password string) []byte {
	h := md4(utf16le(password))
	return hmacMD5(h[:], utf16le(strings.ToUpper(user)+domain))
}

// ntlmV2 is the response of MS-NLMP section 3.3.2, and the session's key.
func ntlmV2(key, serverNonce, clientNonce, stamp, info []byte) (nt, session []byte) {
	temp := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, stamp...)
	temp = append(append(temp, clientNonce...), 0, 0, 0, 0)
	temp = append(append(temp, info...), 0, 0, 0, 0)
	proof := hmacMD5(key, serverNonce, temp)
	return append(bytes.Clone(proof), temp...), hmacMD5(key, proof)
}

// ntlmV1 are the responses of MS-NLMP section 3.3.1.
func ntlmV1(password string, ch *ntlmChallenge, clientNonce []byte) (lm, nt []byte) {
	h := md4(utf16le(password))
	if ch.flags&ntlmESS == 0 {
		nt = desl(h[:], ch.nonce)
		return nt, nt
	}
	s := md5.Sum(append(bytes.Clone(ch.nonce), clientNonce...))
	return append(bytes.Clone(clientNonce), make([]byte, 16)...), desl(h[:], s[:8])
}

// desl encrypts 8 octets with the three keys in 16 octets and five zeros.
func desl(key, p []byte) []byte {
	var k [21]byte
	copy(k[:], key)
	out := make([]byte, 24)
	for i := range 3 {
		v := k[7*i:][:7]
		var spread [8]byte // seven bits in each, parity unused
		bits := uint64(0)
		for _, c := range v {
			bits = bits<<8 | uint64(c)
		}
		for j := range spread {
			spread[j] = byte(bits>>(49-7*j)) << 1
		}
		block, err := des.NewCipher(spread[:])
		if err != nil {
			panic(err) // the key's length is right
		}
		block.Encrypt(out[8*i:], p)
	}
	return out
}
