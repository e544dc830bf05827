// Paths: the mailboxes of an envelope.

package smtp

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
)

// Path is a mailbox as MAIL and RCPT name it (RFC 5321 section 4.1.2). Paths
// compare with ==, octet by octet; see Canonical for the equality of RFC 5321.
//
// The zero Path is the null reverse-path, written <>.
type Path struct {
	// Local is the local part as it is written on the wire: either with
	// dots and atoms or as a quoted string with its quotes and backslashes.
	// Name has it without.
	Local string
	// Domain is a domain name or an address literal in its brackets. It is
	// empty for the null path, for <postmaster>, and where a local client
	// or LMTP names a mailbox without one.
	Domain string
}

// Null is the null reverse-path, the sender of what must not be answered.
var Null = Path{}

// PathError says why a text is not a path.
type PathError struct {
	// Text is the path as it was given.
	Text string
	// Offset is where in Text the fault is, in octets.
	Offset int
	// Reason is what was found or expected there.
	Reason string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("smtp: %s at octet %d of path %+q", e.Reason, e.Offset, e.Text)
}

// ParsePath reads a path: user@example.org, with or without angle brackets,
// <> or the empty string for the null path, and a local part alone.
//
// A source route is accepted and dropped (RFC 5321 appendix C). Non-ASCII
// characters are taken as RFC 6531 allows them. Beyond the grammar, an
// unquoted local part may have dots at its ends or next to each other, because
// real mailboxes have. The error is a *PathError. The Path shares s's memory.
func ParsePath(s string) (Path, error) {
	p, off, reason := parsePath(s)
	if reason != "" {
		return Path{}, &PathError{Text: s, Offset: off, Reason: reason}
	}
	return p, nil
}

func parsePath(s string) (Path, int, string) {
	from, to := 0, len(s)
	if s != "" && s[0] == '<' {
		if s[len(s)-1] != '>' || len(s) < 2 {
			return Path{}, len(s), "no closing angle bracket"
		}
		from, to = 1, len(s)-1
		if from < to && s[from] == '@' {
			i := strings.IndexByte(s[from:to], ':')
			if i < 0 {
				return Path{}, from, "source route without a colon"
			}
			// An IPv6 literal in a route holds colons itself.
			for j := 0; ; {
				if n := skipRoute(s[from+j : to]); n > 0 {
					j += n
					if from+j < to && s[from+j] == ',' {
						j++
						continue
					}
					if from+j < to && s[from+j] == ':' {
						from += j + 1
						break
					}
				}
				return Path{}, from + j, "malformed source route"
			}
			if from == to {
				return Path{}, from, "source route without a mailbox"
			}
		}
	}
	if from == to {
		return Path{}, 0, ""
	}
	body := s[from:to]
	n, reason := spanLocal(body)
	if reason != "" {
		return Path{}, from + n, reason
	}
	p := Path{Local: body[:n]}
	if n == len(body) {
		return p, 0, ""
	}
	if body[n] != '@' {
		return Path{}, from + n, "expected @"
	}
	p.Domain = body[n+1:]
	if i, reason := checkDomain(p.Domain); reason != "" {
		return Path{}, from + n + 1 + i, reason
	}
	return p, 0, ""
}

// skipRoute is the length of the At-domain at s's front, or zero.
func skipRoute(s string) int {
	if s == "" || s[0] != '@' {
		return 0
	}
	n := strings.IndexAny(s, ",:")
	if len(s) > 1 && s[1] == '[' {
		n = strings.IndexByte(s, ']') + 1
	}
	if n <= 1 {
		return 0
	}
	if _, reason := checkDomain(s[1:n]); reason != "" {
		return 0
	}
	return n
}

// dotAtom is atext and the dot (RFC 5321 section 4.1.2).
var dotAtom = wire.NewClass("!#$%&'*+-/=?^_`{|}~.", [2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'})

func letDig(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// utf8Len is the length of the UTF8-non-ascii at s's front, zero if there is
// none. C1 controls are none.
func utf8Len(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r < 0xa0 || r == utf8.RuneError && n == 1 {
		return 0
	}
	return n
}

// spanLocal is the length of the local part at s's front.
func spanLocal(s string) (int, string) {
	if s[0] == '"' {
		for i := 1; i < len(s); {
			switch c := s[i]; {
			case c == '"':
				return i + 1, ""
			case c == '\\':
				if i+1 == len(s) || s[i+1] < ' ' || s[i+1] > '~' {
					return i, "a backslash quotes printable ASCII only"
				}
				i += 2
			case c >= utf8.RuneSelf:
				n := utf8Len(s[i:])
				if n == 0 {
					return i, "not UTF-8"
				}
				i += n
			case c < ' ' || c == 0x7f:
				return i, "control character"
			default:
				i++
			}
		}
		return len(s), "quoted local part has no end"
	}
	i := 0
	for i < len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			n := utf8Len(s[i:])
			if n == 0 {
				return i, "not UTF-8"
			}
			i += n
			continue
		}
		if !dotAtom[c] {
			break
		}
		i++
	}
	switch {
	case i < len(s) && (s[i] < ' ' || s[i] == 0x7f):
		return i, "control character"
	case i == 0:
		return 0, "expected a local part"
	case i < len(s) && s[i] != '@':
		return i, "character that a local part has only when quoted"
	}
	return i, ""
}

// checkDomain checks a domain or an address literal as a whole.
func checkDomain(s string) (int, string) {
	if s == "" {
		return 0, "expected a domain"
	}
	if s[0] == '[' {
		return checkLiteral(s)
	}
	label := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			n := utf8Len(s[i:])
			if n == 0 {
				return i, "not UTF-8"
			}
			i += n
			label += n
			continue
		case c == '.':
			if label == 0 {
				return i, "empty label in a domain"
			}
			if s[i-1] == '-' {
				return i, "hyphen at the end of a label"
			}
			label = -1
		case c == '-':
			if label == 0 {
				return i, "hyphen at the start of a label"
			}
		case !letDig(c):
			return i, "character that no domain has"
		}
		i++
		label++
	}
	if label == 0 {
		return len(s), "empty label in a domain"
	}
	if s[len(s)-1] == '-' {
		return len(s), "hyphen at the end of a label"
	}
	return 0, ""
}

// checkLiteral checks an address literal (RFC 5321 section 4.1.3).
func checkLiteral(s string) (int, string) {
	if len(s) < 3 || s[len(s)-1] != ']' {
		return len(s), "address literal without its end"
	}
	in := s[1 : len(s)-1]
	tag, rest, tagged := strings.Cut(in, ":")
	switch {
	case !tagged:
		if a, err := netip.ParseAddr(in); err != nil || !a.Is4() {
			return 1, "not an IPv4 address"
		}
	case wire.EqualFold(tag, "IPv6"):
		if a, err := netip.ParseAddr(rest); err != nil || !a.Is6() || a.Zone() != "" {
			return 6, "not an IPv6 address"
		}
	default:
		for i := range len(tag) {
			if !letDig(tag[i]) && (tag[i] != '-' || i == len(tag)-1) {
				return 1 + i, "malformed tag of an address literal"
			}
		}
		if tag == "" || rest == "" {
			return 1, "malformed address literal"
		}
		for i := range len(rest) {
			if c := rest[i]; c <= ' ' || c > '~' || c == '[' || c == '\\' || c == ']' {
				return 2 + len(tag) + i, "character that no address literal has"
			}
		}
	}
	return 0, ""
}

// ParseDomain checks a domain name or an address literal in brackets and
// returns it. The error is a *PathError.
func ParseDomain(s string) (string, error) {
	if off, reason := checkDomain(s); reason != "" {
		return "", &PathError{Text: s, Offset: off, Reason: reason}
	}
	return s, nil
}

// NewPath makes the path of a mailbox from its name, which is quoted where
// that is needed, and its domain. The error is a *PathError.
func NewPath(name, domain string) (Path, error) {
	p := Path{Local: quoteLocal(name), Domain: domain}
	return p, p.Check()
}

// quoteLocal writes name with the least quoting (RFC 5321 section 4.1.2).
func quoteLocal(name string) string {
	plain := name != "" && name[0] != '.' && name[len(name)-1] != '.' && !strings.Contains(name, "..")
	for i := 0; plain && i < len(name); i++ {
		c := name[i]
		plain = c >= utf8.RuneSelf || dotAtom[c]
	}
	if plain {
		return name
	}
	b := make([]byte, 0, len(name)+4)
	b = append(b, '"')
	for i := range len(name) {
		if name[i] == '"' || name[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, name[i])
	}
	return string(append(b, '"'))
}

// MustParsePath is ParsePath that panics. It is for constants.
func MustParsePath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// Check returns nil for what ParsePath can return, else a *PathError.
func (p Path) Check() error {
	if p == Null {
		return nil
	}
	off, reason := 0, "expected a local part"
	if p.Local != "" {
		if off, reason = spanLocal(p.Local); reason == "" && off < len(p.Local) {
			reason = "text behind the local part"
		}
	}
	if reason == "" && p.Domain != "" {
		if off, reason = checkDomain(p.Domain); reason != "" {
			off += len(p.Local) + 1
		}
	}
	if reason != "" {
		return &PathError{Text: p.String(), Offset: off, Reason: reason}
	}
	return nil
}

// IsNull reports whether p is the null path.
func (p Path) IsNull() bool { return p == Null }

// IsPostmaster reports whether p is the postmaster, of this server or of a
// domain: a name that every server takes mail for (RFC 5321 section 4.5.1).
func (p Path) IsPostmaster() bool { return wire.EqualFold(p.Name(), "postmaster") }

// Name is the mailbox's name: Local without quotes and backslashes.
func (p Path) Name() string {
	s := p.Local
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// Canonical is p with the least quoting and the ASCII letters of the domain
// in lower case: two paths that RFC 5321 holds equal have the same. The local
// part's case is kept.
func (p Path) Canonical() Path {
	if p == Null {
		return p
	}
	return Path{Local: quoteLocal(p.Name()), Domain: wire.Lower(p.Domain)}
}

// NeedsUTF8 reports whether p can go only to servers with SMTPUTF8 (RFC 6531).
func (p Path) NeedsUTF8() bool { return !isASCII(p.Local) || !isASCII(p.Domain) }

// String is the path without angle brackets, empty for the null path.
func (p Path) String() string {
	if p.Domain == "" {
		return p.Local
	}
	return p.Local + "@" + p.Domain
}

// MarshalText is String, checked.
func (p Path) MarshalText() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	return []byte(p.String()), nil
}

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(text []byte) error {
	q, err := ParsePath(string(text))
	if err == nil {
		*p = q
	}
	return err
}
