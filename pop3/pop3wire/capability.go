// Capability lines (RFC 2449 section 3).

package pop3wire

import (
	"bytes"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

// tagChar is RFC 2449's cchar, less the equals sign: see tagValue.
var tagChar = wire.NewClass("", [2]byte{0x21, 0x7e}).Without(".=")

// MaxCapabilityLine is the longest capability line in octets with CRLF.
const MaxCapabilityLine = 512

// ParseCapability reads a line of the answer to CAPA. The error is a
// *ParseError.
func ParseCapability(line []byte) (pop3.Capability, error) {
	words := bytes.Fields(line)
	if len(words) == 0 {
		return pop3.Capability{}, badLine(line, 0, "expected a capability")
	}
	words = tagValue(words)
	if !tagChar.All(string(words[0])) {
		return pop3.Capability{}, badLine(line, 0, "expected the tag of a capability")
	}
	c := pop3.Capability{Name: wire.Upper(string(words[0]))}
	for _, w := range words[1:] {
		if checkText("", string(w)) != nil {
			return pop3.Capability{}, badLine(line, 0, "CR or NUL in a capability")
		}
		c.Params = append(c.Params, string(w))
	}
	return c, nil
}

// AppendCapability appends a line of the answer to CAPA. The error is an
// *EncodeError.
func AppendCapability(dst []byte, c pop3.Capability) ([]byte, error) {
	start := len(dst)
	if !tagChar.All(c.Name) {
		return dst, &EncodeError{Field: "a capability", Reason: "its tag is not of the grammar"}
	}
	dst = append(dst, strings.TrimSpace(wire.Upper(c.Name))...)
	for _, p := range c.Params {
		if !vchar.All(p) {
			return dst[:start], &EncodeError{Field: "a capability", Reason: "a parameter is not a word of ASCII"}
		}
		dst = append(append(dst, ' '), p...)
	}
	dst = append(dst, '\r', '\n')
	if len(dst)-start > MaxCapabilityLine {
		return dst[:start], &EncodeError{Field: "a capability", Reason: "it is longer than 512 octets"}
	}
	return dst, nil
}
