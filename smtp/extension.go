// Extensions: what a server offers in its answer to EHLO.

package smtp

import (
	"strings"

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
