// Parameters of MAIL and RCPT, and xtext.

package smtpwire

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// params calls each with every parameter in front of the cursor, checked
// against RFC 5321 section 4.1.2; at is where it begins.
func (p *argParser) params(each func(name, value string, at int) error) error {
	for {
		p.spaces()
		s := p.rest()
		if s == "" {
			return nil
		}
		if i := strings.IndexByte(s, ' '); i >= 0 {
			s = s[:i]
		}
		name, value, has := strings.Cut(s, "=")
		if !isKeyword(name) {
			return p.fail(p.pos, codeArgs, "malformed parameter")
		}
		if has && !isParamValue(value) {
			return p.fail(p.pos+len(name)+1, codeArgs, "malformed parameter value")
		}
		if err := each(name, value, p.pos); err != nil {
			return err
		}
		p.pos += len(s)
	}
}

func isKeyword(s string) bool {
	for i := range len(s) {
		if !isVerbChar(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

func isParamValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '=' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

func (p *argParser) mailParam(o *smtp.MailOptions, name, value string, at int) error {
	again := false
	switch {
	case wire.EqualFold(name, "SIZE"):
		n, ok := parseSize(value)
		if !ok {
			return p.fail(at, codeArgs, "SIZE wants a number of octets")
		}
		again, o.Size = o.Size != 0, n
	case wire.EqualFold(name, "BODY"):
		again = o.Body != smtp.BodyUnstated
		switch {
		case wire.EqualFold(value, "7BIT"):
			o.Body = smtp.Body7Bit
		case wire.EqualFold(value, "8BITMIME"):
			o.Body = smtp.Body8BitMIME
		case wire.EqualFold(value, "BINARYMIME"):
			o.Body = smtp.BodyBinaryMIME
		default:
			return p.fail(at, codeArgs, "BODY wants 7BIT, 8BITMIME or BINARYMIME")
		}
	case wire.EqualFold(name, "SMTPUTF8"):
		if value != "" {
			return p.fail(at, codeArgs, "SMTPUTF8 has no value")
		}
		again, o.UTF8 = o.UTF8, true
	case wire.EqualFold(name, "AUTH"):
		path, ok := parseAuthParam(value)
		if !ok {
			return p.fail(at, codeArgs, "AUTH wants a mailbox as xtext, or <>")
		}
		again, o.Auth = o.Auth != nil, &path
	case wire.EqualFold(name, "RET"):
		again = o.Return != smtp.ReturnUnstated
		switch {
		case wire.EqualFold(value, "FULL"):
			o.Return = smtp.ReturnFull
		case wire.EqualFold(value, "HDRS"):
			o.Return = smtp.ReturnHeaders
		default:
			return p.fail(at, codeArgs, "RET wants FULL or HDRS")
		}
	case wire.EqualFold(name, "ENVID"):
		id, ok := ParseXtext(value)
		if !ok || !isEnvelopeID(id) {
			return p.fail(at, codeArgs, "ENVID wants xtext of at most 100 printable characters")
		}
		again, o.EnvelopeID = o.EnvelopeID != "", id
	default:
		o.Other = addParam(o.Other, name, value)
		return nil
	}
	if again {
		return p.fail(at, codeArgs, "parameter given twice")
	}
	return nil
}

func (p *argParser) rcptParam(o *smtp.RcptOptions, name, value string, at int) error {
	again := false
	switch {
	case wire.EqualFold(name, "NOTIFY"):
		n, ok := parseNotify(value)
		if !ok {
			return p.fail(at, codeArgs, "NOTIFY wants NEVER, or some of SUCCESS, FAILURE and DELAY")
		}
		again, o.Notify = o.Notify != 0, n
	case wire.EqualFold(name, "ORCPT"):
		typ, address, _ := strings.Cut(value, ";")
		decoded, ok := ParseXtext(address)
		if !ok || !isAddressType(typ) || !isOriginalAddress(decoded) {
			return p.fail(at, codeArgs, "ORCPT wants an address type, a semicolon and xtext")
		}
		again, o.Original = o.Original.Type != "", smtp.OriginalRecipient{Type: typ, Address: decoded}
	default:
		o.Other = addParam(o.Other, name, value)
		return nil
	}
	if again {
		return p.fail(at, codeArgs, "parameter given twice")
	}
	return nil
}

func addParam(other []smtp.Param, name, value string) []smtp.Param {
	if other == nil {
		other = make([]smtp.Param, 0, 4)
	}
	return append(other, smtp.Param{Name: name, Value: value})
}

// parseSize reads a size (RFC 1870 section 5: up to 20 digits). What an int64
// does not hold is the largest.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > math.MaxInt64/10 {
			n = math.MaxInt64
			continue
		}
		n = min(n*10+uint64(c-'0'), math.MaxInt64)
	}
	return int64(n), true
}

// parseAuthParam reads the value of AUTH= (RFC 4954 section 5).
func parseAuthParam(value string) (smtp.Path, bool) {
	if value == "<>" {
		return smtp.Null, true
	}
	s, ok := ParseXtext(value)
	if !ok || s == "" || s[0] == '<' {
		return smtp.Path{}, false
	}
	p, err := smtp.ParsePath(s)
	return p, err == nil
}

func parseNotify(value string) (smtp.Notify, bool) {
	if wire.EqualFold(value, "NEVER") {
		return smtp.NotifyNever, true
	}
	var n smtp.Notify
	for word := range strings.SplitSeq(value, ",") {
		bit := smtp.Notify(0)
		switch {
		case wire.EqualFold(word, "SUCCESS"):
			bit = smtp.NotifySuccess
		case wire.EqualFold(word, "FAILURE"):
			bit = smtp.NotifyFailure
		case wire.EqualFold(word, "DELAY"):
			bit = smtp.NotifyDelay
		}
		if bit == 0 || n&bit != 0 {
			return 0, false
		}
		n |= bit
	}
	return n, true
}

func isEnvelopeID(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

func isAddressType(s string) bool {
	for i := range len(s) {
		if !isVerbChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// isOriginalAddress: RFC 3461 has printable ASCII, RFC 6533 UTF-8 beyond.
func isOriginalAddress(s string) bool {
	return s != "" && controlAt(s) < 0 && utf8.ValidString(s)
}

func appendMailParams(dst []byte, o *smtp.MailOptions) ([]byte, error) {
	if o.Size < 0 {
		return nil, &EncodeError{"SIZE", "it is negative"}
	}
	if o.Size > 0 {
		dst = strconv.AppendInt(append(dst, " SIZE="...), o.Size, 10)
	}
	if o.Body != smtp.BodyUnstated {
		s := o.Body.String()
		if s == "" {
			return nil, &EncodeError{"BODY", "unknown value"}
		}
		dst = append(append(dst, " BODY="...), s...)
	}
	if o.UTF8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	if o.Auth != nil {
		if err := o.Auth.Check(); err != nil {
			return nil, &EncodeError{"AUTH", "not a mailbox"}
		}
		dst = append(dst, " AUTH="...)
		if o.Auth.IsNull() {
			dst = append(dst, "<>"...)
		} else {
			dst = AppendXtext(dst, o.Auth.String())
		}
	}
	if o.Return != smtp.ReturnUnstated {
		s := o.Return.String()
		if s == "" {
			return nil, &EncodeError{"RET", "unknown value"}
		}
		dst = append(append(dst, " RET="...), s...)
	}
	if o.EnvelopeID != "" {
		if !isEnvelopeID(o.EnvelopeID) {
			return nil, &EncodeError{"ENVID", "not at most 100 printable ASCII characters"}
		}
		dst = AppendXtext(append(dst, " ENVID="...), o.EnvelopeID)
	}
	return appendOther(dst, o.Other, "SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID")
}

func appendRcptParams(dst []byte, o *smtp.RcptOptions) ([]byte, error) {
	if n := o.Notify; n != 0 {
		if n&smtp.NotifyNever != 0 && n != smtp.NotifyNever || n >= smtp.NotifyDelay<<1 {
			return nil, &EncodeError{"NOTIFY", "NEVER stands alone"}
		}
		dst = append(dst, " NOTIFY="...)
		for i, word := range [...]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"} {
			if n&(1<<i) == 0 {
				continue
			}
			if dst[len(dst)-1] != '=' {
				dst = append(dst, ',')
			}
			dst = append(dst, word...)
		}
	}
	if r := o.Original; r.Type != "" || r.Address != "" {
		if !isAddressType(r.Type) || !isOriginalAddress(r.Address) {
			return nil, &EncodeError{"ORCPT", "malformed type or address"}
		}
		dst = append(append(append(dst, " ORCPT="...), r.Type...), ';')
		dst = AppendXtext(dst, r.Address)
	}
	return appendOther(dst, o.Other, "NOTIFY", "ORCPT")
}

// appendOther appends parameters; those that have a field are typed there.
func appendOther(dst []byte, other []smtp.Param, typed ...string) ([]byte, error) {
	for _, p := range other {
		if !isKeyword(p.Name) {
			return nil, &EncodeError{"a parameter", "its name is no keyword"}
		}
		for _, t := range typed {
			if wire.EqualFold(p.Name, t) {
				return nil, &EncodeError{"a parameter", p.Name + " has a field of its own"}
			}
		}
		dst = append(append(dst, ' '), p.Name...)
		if p.Value == "" {
			continue
		}
		if !isParamValue(p.Value) {
			return nil, &EncodeError{"the parameter " + p.Name, "its value is not of the grammar"}
		}
		dst = append(append(dst, '='), p.Value...)
	}
	return dst, nil
}

const hexDigits = "0123456789ABCDEF"

// AppendXtext appends s as xtext (RFC 3461 section 4).
func AppendXtext(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != '+' && c != '=' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '+', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// ParseXtext decodes xtext. It takes hexadecimal digits of either case, and
// UTF-8 as it is.
func ParseXtext(s string) (string, bool) {
	i := strings.IndexByte(s, '+')
	if i < 0 {
		return s, !strings.Contains(s, "=")
	}
	var buf [128]byte
	b := append(buf[:0], s[:i]...)
	for ; i < len(s); i++ {
		switch s[i] {
		case '=':
			return "", false
		case '+':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			b = append(b, hi<<4|lo)
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
