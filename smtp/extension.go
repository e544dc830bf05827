// Extensions: what a server offers in its answer to EHLO.

package smtp

import (
	"math"
	"strings"
	"time"

	"github.com/mailwire/mailwire/internal/wire"
)

// Extension is one line of the answer to EHLO or LHLO (RFC 5321 section
// 4.1.1.1).
type Extension struct {
	// Name is the keyword in capitals.
	Name string
	// Args is what follows, as it was written.
	Args string
}

// Extensions are what a server offers, in its order.
type Extensions []Extension

// ParseExtensions reads the lines of an answer to EHLO, the first of which is
// the greeting. Keywords of any case and the old "AUTH=LOGIN" are understood;
// a line that is no extension is passed over.
func ParseExtensions(lines []string) Extensions {
	if len(lines) < 2 {
		return nil
	}
	x := make(Extensions, 0, len(lines)-1)
	for _, line := range lines[1:] {
		line = strings.Trim(line, " \t\r")
		n := strings.IndexAny(line, " \t=")
		if n < 0 {
			n = len(line)
		}
		name := wire.Upper(line[:n])
		if !isExtension(name) || n < len(line) && line[n] == '=' && name != "AUTH" {
			continue
		}
		args := ""
		if n < len(line) {
			args = strings.Trim(line[n+1:], " \t")
		}
		x = append(x, Extension{Name: name, Args: args})
	}
	return x
}

func isExtension(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letDig(c) && (c != '-' || i == 0) && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

// Has reports whether the extension, named in capitals, is offered.
func (x Extensions) Has(name string) bool {
	_, ok := x.Get(name)
	return ok
}

// Get is the arguments of an extension, those of the first line where there
// are several.
func (x Extensions) Get(name string) (args string, ok bool) {
	for i := range x {
		if x[i].Name == name {
			return x[i].Args, true
		}
	}
	return "", false
}

// Size is the largest message the server takes (RFC 1870); zero where it has
// no limit or does not say. ok says whether SIZE is offered.
func (x Extensions) Size() (octets int64, ok bool) {
	args, ok := x.Get("SIZE")
	if !ok {
		return 0, false
	}
	for i := range len(args) {
		c := args[i]
		if c < '0' || c > '9' || octets > (1<<63-10)/10 {
			return 0, true
		}
		octets = octets*10 + int64(c-'0')
	}
	return octets, true
}

// Mechanisms are the SASL mechanisms offered, of all AUTH lines, in capitals,
// each once.
func (x Extensions) Mechanisms() []string {
	var names []string
	for i := range x {
		if x[i].Name != "AUTH" {
			continue
		}
	next:
		for _, name := range strings.FieldsFunc(x[i].Args, func(r rune) bool { return r == ' ' || r == '\t' || r == '=' || r == ',' }) {
			name = wire.Upper(name)
			for _, n := range names {
				if n == name {
					continue next
				}
			}
			names = append(names, name)
		}
	}
	return names
}

// number reads a number of digits alone.
func number(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// MinDeliverBy is the shortest time that DELIVERBY takes with DeliverReturn
// (RFC 2852 section 2), in seconds; zero where the server does not say. ok
// says whether DELIVERBY is offered.
func (x Extensions) MinDeliverBy() (seconds int64, ok bool) {
	args, ok := x.Get("DELIVERBY")
	seconds, _ = number(args)
	return seconds, ok
}

// FutureRelease is how far away HOLDFOR may be, in seconds, and HOLDUNTIL (RFC
// 4865 section 4); either is zero where the server does not say. ok says
// whether FUTURERELEASE is offered.
func (x Extensions) FutureRelease() (seconds int64, until time.Time, ok bool) {
	args, ok := x.Get("FUTURERELEASE")
	first, rest, _ := strings.Cut(args, " ")
	seconds, _ = number(first)
	until, _ = time.Parse(time.RFC3339, strings.TrimSpace(rest))
	return seconds, until, ok
}

// SessionLimits are those of LIMITS (RFC 9422). Zero is one that is not said.
type SessionLimits struct {
	// MailMax is the greatest number of transactions of a connection.
	MailMax int
	// RcptMax is the greatest number of recipients of a message.
	RcptMax int
	// RcptDomainMax is the greatest number of domains of the recipients of
	// a message.
	RcptDomainMax int
}

// Limits are those of LIMITS (RFC 9422 section 3). What is not understood is
// passed over.
func (x Extensions) Limits() (l SessionLimits) {
	args, _ := x.Get("LIMITS")
	for word := range strings.FieldsSeq(args) {
		name, value, _ := strings.Cut(word, "=")
		n, ok := number(value)
		if !ok || n == 0 {
			continue
		}
		v := int(min(n, math.MaxInt32))
		switch {
		case wire.EqualFold(name, "MAILMAX"):
			l.MailMax = v
		case wire.EqualFold(name, "RCPTMAX"):
			l.RcptMax = v
		case wire.EqualFold(name, "RCPTDOMAINMAX"):
			l.RcptDomainMax = v
		}
	}
	return l
}
