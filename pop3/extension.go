// Values of the commands and codes beyond RFC 1939: XCLIENT, REFERRAL, *ENV,
// LANG, and APOP's timestamp.

package pop3

import (
	"strconv"
	"strings"
)

const (
	// CapXClient: XCLIENT is taken; Dovecot says so by the response code of
	// its greeting, "+OK [XCLIENT] ready".
	CapXClient = "XCLIENT"

	// CodeXClient is the response code of a greeting that takes XCLIENT.
	CodeXClient Code = "XCLIENT"
	// CodeReferral begins the code that sends a user to another server:
	// [REFERRAL/user@host:port]. See Referral.
	CodeReferral Code = "REFERRAL"
)

// Attribute is one NAME=value of XCLIENT (Dovecot): ADDR and PORT of the
// client, SESSION (its id), TTL (how many proxies there may still be), FORWARD
// (base64, for the server's own use).
type Attribute struct{ Name, Value string }

// Language is one that a server's texts can be had in (RFC 6856 section 3).
type Language struct {
	// Tag is its tag (RFC 5646), such as "en".
	Tag string
	// Name is its name in the language itself; it may be empty.
	Name string
}

// Envelope is what *ENV tells of a message's delivery (SDPS of Demon
// Internet).
type Envelope struct {
	// Info are the first three lines, which the server gives a meaning.
	Info [3]string
	// From is the envelope's sender, empty for that of a bounce.
	From string
	// To are its recipients, one at least.
	To []string
}

// Referral is a server that a user is sent to.
type Referral struct {
	// User is the name to log in with there; empty for the same.
	User string
	// Host is the server, and Port its port, 0 for the usual one.
	Host string
	Port int
}

const (
	hexDigits = "0123456789ABCDEF"
	maxHost   = 255
)

// Code is the response code that says r, and empty if r has no host or one
// that can not be said.
func (r Referral) Code() Code {
	if !validHost(r.Host) || r.Port < 0 || r.Port > 65535 || len(r.User) > 255 {
		return ""
	}
	b := []byte(CodeReferral + "/")
	if r.User != "" {
		for i := range len(r.User) {
			c := r.User[i]
			switch {
			case c <= ' ' || c > '~' || strings.IndexByte("%/[]", c) >= 0:
				b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			default:
				b = append(b, c)
			}
		}
		b = append(b, '@')
	}
	if strings.Contains(r.Host, ":") {
		// The brackets of an address of IPv6 would end the code.
		b = append(append(append(b, "%5B"...), r.Host...), "%5D"...)
	} else {
		b = append(b, r.Host...)
	}
	if r.Port > 0 {
		b = strconv.AppendInt(append(b, ':'), int64(r.Port), 10)
	}
	return Code(b)
}

// Referral is the server that the code sends to; ok is false if it sends to
// none. Its host is whatever the server said: a client that follows decides
// whom it shows its password to.
func (c Code) Referral() (r Referral, ok bool) {
	if !c.Is(CodeReferral) || len(c) <= len(CodeReferral)+1 {
		return Referral{}, false
	}
	s := string(c[len(CodeReferral)+1:])
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if r.User, ok = unescape(s[:i]); !ok {
			return Referral{}, false
		}
		s = s[i+1:]
	}
	if s, ok = unescape(s); !ok {
		return Referral{}, false
	}
	host, port := s, ""
	if rest, v6 := strings.CutPrefix(s, "["); v6 {
		if host, port, ok = strings.Cut(rest, "]"); !ok {
			return Referral{}, false
		}
		if port, ok = strings.CutPrefix(port, ":"); !ok && port != "" {
			return Referral{}, false
		}
	} else {
		host, port, _ = strings.Cut(s, ":")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Referral{}, false
		}
		r.Port = int(n)
	}
	r.Host = host
	if !validHost(r.Host) || strings.ContainsFunc(r.User, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return Referral{}, false
	}
	return r, true
}

// validHost reports whether s looks like a name or an address of a host.
func validHost(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._:", c) >= 0) {
			return false
		}
	}
	return true
}

func unescape(s string) (string, bool) {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(n))
		i += 2
	}
	return string(b), true
}

// Refer is an error for a backend to return: the user's maildrop is at
// another server. Clients that know nothing of it see a failed login.
func Refer(r Referral) *Error {
	return &Error{Code: r.Code(), Message: "Try this server instead"}
}

// Referral is where the server sends the user; ok is false if it does not.
func (e *Error) Referral() (r Referral, ok bool) { return e.Code.Referral() }

// Timestamp is APOP's in the text of a greeting (RFC 1939 section 7), with its
// angle brackets: an address of RFC 822, of printable ASCII. ok is false where
// there is none, and APOP not to be had.
func Timestamp(greeting string) (stamp string, ok bool) {
	i := strings.IndexByte(greeting, '<')
	if i < 0 {
		return "", false
	}
	n := strings.IndexByte(greeting[i:], '>')
	if n < 0 {
		return "", false
	}
	stamp = greeting[i : i+n+1]
	at := strings.IndexByte(stamp, '@')
	if at < 2 || at == len(stamp)-2 {
		return "", false
	}
	for j := range len(stamp) {
		if stamp[j] <= ' ' || stamp[j] > '~' || j > 0 && stamp[j] == '<' {
			return "", false
		}
	}
	return stamp, true
}
