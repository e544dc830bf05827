// Errors of the codec.

package pop3wire

import "fmt"

// ParseError is a line that is not of the grammar. It never holds what a line
// of PASS, APOP or AUTH held.
type ParseError struct {
	// Offset is where in the line the fault is, in octets.
	Offset int
	// Msg says what was found or expected there.
	Msg string
	// Raw is a copy of the beginning of a line from a server, at most 128
	// octets; nil for a client's line.
	Raw []byte
}

func (e *ParseError) Error() string {
	s := fmt.Sprintf("pop3: %s at octet %d of the line", e.Msg, e.Offset)
	if e.Raw != nil {
		s += fmt.Sprintf(" %+q", e.Raw)
	}
	return s
}

// EncodeError is a value that the grammar has no room for.
type EncodeError struct {
	// Field names the value.
	Field string
	// Reason says what is wrong with it.
	Reason string
}

func (e *EncodeError) Error() string { return "pop3: cannot send " + e.Field + ": " + e.Reason }

const maxRaw = 128

func badLine(line []byte, offset int, msg string) *ParseError {
	return &ParseError{Offset: offset, Msg: msg, Raw: append([]byte{}, line[:min(len(line), maxRaw)]...)}
}

// checkText refuses what would end or corrupt a line.
func checkText(field, s string) error {
	for i := range len(s) {
		switch s[i] {
		case '\r', '\n', 0:
			return &EncodeError{Field: field, Reason: "it holds CR, LF or NUL"}
		}
	}
	return nil
}
