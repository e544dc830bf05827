// The answers to LANG, *ENV and bare AUTH.

package pop3wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

// languageTag are the octets of a tag of RFC 5646, and of a basic language
// range.
var languageTag = wire.NewClass("-", [2]byte{'A', 'Z'}, [2]byte{'a', 'z'}, [2]byte{'0', '9'})

// MaxLanguageTag is the longest tag taken, in octets.
const MaxLanguageTag = 64

func validTag(s string) bool { return s != "" && len(s) <= MaxLanguageTag && languageTag.All(s) }

// ParseLanguage reads a language listing (RFC 6856 section 3.2), or the text
// of the answer to LANG with an argument: then the name is the text behind
// the tag. The error is a *ParseError.
func ParseLanguage(line []byte) (pop3.Language, error) {
	tag, name, _ := bytes.Cut(line, []byte{' '})
	if !validTag(string(tag)) {
		return pop3.Language{}, badLine(line, 0, "expected a language tag")
	}
	if checkText("", string(name)) != nil {
		return pop3.Language{}, badLine(line, len(tag), "CR or NUL in a language listing")
	}
	return pop3.Language{Tag: string(tag), Name: string(name)}, nil
}

// AppendLanguage appends a language listing. The error is an *EncodeError.
func AppendLanguage(dst []byte, l pop3.Language) ([]byte, error) {
	if !validTag(l.Tag) {
		return dst, &EncodeError{Field: "a language", Reason: "its tag is not of the grammar"}
	}
	if err := checkText("the name of a language", l.Name); err != nil {
		return dst, err
	}
	if !utf8.ValidString(l.Name) {
		return dst, &EncodeError{Field: "the name of a language", Reason: "it is not UTF-8"}
	}
	dst = append(dst, l.Tag...)
	if l.Name != "" {
		dst = append(append(dst, ' '), l.Name...)
	}
	return append(dst, '\r', '\n'), nil
}

// AppendMechanism appends a line of the answer to AUTH without a mechanism.
// The error is an *EncodeError.
func AppendMechanism(dst []byte, name string) ([]byte, error) {
	if !mechChar.All(name) || len(name) > 20 {
		return dst, &EncodeError{Field: "the mechanism", Reason: "it is not the name of one"}
	}
	return append(append(dst, wire.Upper(name)...), '\r', '\n'), nil
}

// ParseMechanism reads a line of the answer to AUTH without a mechanism. The
// error is a *ParseError.
func ParseMechanism(line []byte) (string, error) {
	name := bytes.TrimRight(line, " ")
	if !mechChar.All(string(name)) || len(name) > 20 {
		return "", badLine(line, 0, "expected the name of a mechanism")
	}
	return wire.Upper(string(name)), nil
}

// maxRecipients bounds those of one answer to *ENV.
const maxRecipients = 10000

// EnvelopeParser reads the lines of the answer to *ENV. The zero value is
// ready.
type EnvelopeParser struct {
	e pop3.Envelope
	n int
}

// Line takes the next line. The error is a *ParseError.
func (p *EnvelopeParser) Line(line []byte) error {
	if checkText("", string(line)) != nil {
		return badLine(line, 0, "CR or NUL in an envelope")
	}
	switch p.n++; {
	case p.n <= len(p.e.Info):
		p.e.Info[p.n-1] = string(line)
	case p.n == len(p.e.Info)+1:
		p.e.From = string(line)
	case p.n > len(p.e.Info)+1+maxRecipients:
		return badLine(line, 0, "too many recipients")
	case len(line) > 0:
		p.e.To = append(p.e.To, string(line))
	}
	return nil
}

// Envelope is what the lines said. The error is a *ParseError if there were
// too few.
func (p *EnvelopeParser) Envelope() (pop3.Envelope, error) {
	if len(p.e.To) == 0 {
		return pop3.Envelope{}, badLine(nil, 0, "expected an envelope of five lines at least")
	}
	return p.e, nil
}

// AppendEnvelope appends the lines of the answer to *ENV, with the one that
// ends them. The error is an *EncodeError.
func AppendEnvelope(dst []byte, e *pop3.Envelope) ([]byte, error) {
	start := len(dst)
	if len(e.To) == 0 || len(e.To) > maxRecipients {
		return dst, &EncodeError{Field: "an envelope", Reason: "it has no recipient, or too many"}
	}
	put := func(s string) error {
		if err := checkText("an envelope", s); err != nil {
			return err
		}
		if len(s) > 0 && s[0] == '.' {
			dst = append(dst, '.')
		}
		dst = append(append(dst, s...), '\r', '\n')
		return nil
	}
	for _, s := range e.Info {
		if err := put(s); err != nil {
			return dst[:start], err
		}
	}
	if err := put(e.From); err != nil {
		return dst[:start], err
	}
	for _, s := range e.To {
		if s == "" {
			return dst[:start], &EncodeError{Field: "an envelope", Reason: "a recipient is empty"}
		}
		if err := put(s); err != nil {
			return dst[:start], err
		}
	}
	return append(dst, ".\r\n"...), nil
}
