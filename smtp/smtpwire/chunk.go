// The arguments of BDAT, BURL, XCLIENT and XFORWARD.

package smtpwire

import (
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// word is the run up to the next space.
func (p *argParser) word() string {
	s := p.rest()
	if i := strings.IndexByte(s, ' '); i >= 0 {
		s = s[:i]
	}
	p.pos += len(s)
	return s
}

// last parses the end of BDAT and BURL.
func (p *argParser) last(last *bool) error {
	p.spaces()
	*last = p.fold("LAST")
	if p.rest() != "" {
		return p.fail(p.pos, codeArgs, `expected "LAST" or the end`)
	}
	return nil
}

// parseChunk parses BDAT (RFC 3030 section 2). Size is set as soon as it is
// known, for what follows the line is not a command, whatever is wrong with
// the line; it is -1 where it can not be known.
func (c *Command) parseChunk(p *argParser) error {
	at := p.pos
	n, ok := parseSize(p.word())
	if !ok {
		c.Size = -1
		return p.fail(at, codeArgs, "BDAT wants a number of octets")
	}
	c.Size = n
	return p.last(&c.Last)
}

// parseBurl parses BURL (RFC 4468 section 3.2).
func (c *Command) parseBurl(p *argParser) error {
	at := p.pos
	url := p.word()
	if !isURL(url) {
		return p.fail(at, codeArgs, "BURL wants an absolute URL")
	}
	c.Arg = url
	return p.last(&c.Last)
}

// isURL reports whether s has a scheme and is printable ASCII; what the
// scheme makes of it is for whoever fetches it.
func isURL(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	for i := range len(scheme) {
		c := scheme[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// parseAttributes parses XCLIENT and XFORWARD, whose values are xtext, empty
// ones too.
func (c *Command) parseAttributes(p *argParser) error {
	for p.rest() != "" {
		at := p.pos
		s := p.word()
		name, _, ok := strings.Cut(s, "=")
		if !ok || !isKeyword(name) {
			return p.fail(at, codeArgs, "expected name=value")
		}
		value, ok := p.xtext(at+len(name)+1, at+len(s))
		if !ok || !isAttributeValue(value) {
			return p.fail(at+len(name)+1, codeArgs, "attribute value is not xtext")
		}
		if c.Attributes == nil {
			c.Attributes = make([]smtp.Param, 0, 8)
		}
		c.Attributes = append(c.Attributes, smtp.Param{Name: wire.Upper(name), Value: value})
		p.spaces()
	}
	if c.Attributes == nil {
		return p.fail(p.pos, codeArgs, "expected an attribute")
	}
	return nil
}

// isAttributeValue: the values become part of logs and trace fields.
func isAttributeValue(s string) bool { return controlAt(s) < 0 && utf8.ValidString(s) }

func appendLast(dst []byte, last bool) []byte {
	if last {
		dst = append(dst, " LAST"...)
	}
	return dst
}

func appendAttributes(dst []byte, attributes []smtp.Param) ([]byte, error) {
	if len(attributes) == 0 {
		return nil, &EncodeError{"the command", "it has no attribute"}
	}
	for _, a := range attributes {
		if !isKeyword(a.Name) {
			return nil, &EncodeError{"an attribute", "its name is no keyword"}
		}
		if !isAttributeValue(a.Value) {
			return nil, &EncodeError{"the attribute " + a.Name, "its value holds a control character or is not UTF-8"}
		}
		dst = append(append(append(dst, ' '), wire.Upper(a.Name)...), '=')
		dst = AppendXtext(dst, a.Value)
	}
	return dst, nil
}
