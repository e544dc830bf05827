package imapwire

// Status responses, continuations and response codes to octets.

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailwire/mailwire/imap"
)

// maxText is the longest text of a status response that is sent, in octets.
const maxText = 1000

// AppendStatus appends a status response: tagged, or untagged where tag is
// empty. It always appends one line. The text may be anything, a Backend's
// error say: what has no place in a line becomes a space or "?", and a code
// that cannot be written is left out.
func AppendStatus(dst []byte, tag string, cond imap.Condition, code imap.Code, text string) []byte {
	return appendStatus(dst, tag, cond, code, text, false)
}

func appendStatus(dst []byte, tag string, cond imap.Condition, code imap.Code, text string, utf8Text bool) []byte {
	if !classTag.All(tag) {
		tag = "*"
	}
	if cond < imap.OK || cond > imap.PREAUTH {
		cond = imap.NO
	}
	dst = append(dst, tag...)
	dst = append(dst, ' ')
	dst = append(dst, cond.String()...)
	dst = append(dst, ' ')
	from := len(dst)
	if code != nil {
		if d, err := appendCode(dst, code); err == nil {
			dst = append(d, ' ')
		}
	}
	dst = appendLineText(dst, text, len(dst) == from, utf8Text)
	return append(dst, '\r', '\n')
}

// AppendError appends the tagged response that e says; an untagged BYE for a
// BYE, whatever the tag.
func AppendError(dst []byte, tag string, e *imap.Error) []byte {
	kind := e.Kind
	if kind == imap.BYE {
		tag = ""
	} else if kind != imap.BAD {
		kind = imap.NO
	}
	return AppendStatus(dst, tag, kind, e.Code, e.Text)
}

// AppendContinuation appends "+ " and the text, which may be empty.
func AppendContinuation(dst []byte, text string) []byte {
	dst = append(dst, "+ "...)
	if text != "" {
		dst = appendLineText(dst, text, false, false)
	}
	return append(dst, '\r', '\n')
}

// AppendSASL appends a challenge as a "+" line in base64.
func AppendSASL(dst, challenge []byte) []byte {
	dst = append(dst, "+ "...)
	dst = appendBase64(dst, challenge)
	return append(dst, '\r', '\n')
}

// appendLineText appends text as resp-text has it: printable ASCII, or UTF-8 where
// that is understood, and not empty. At the front, "[" would begin a code.
func appendLineText(dst []byte, text string, front, utf8Text bool) []byte {
	from := len(dst)
	for i := 0; i < len(text) && len(dst)-from < maxText; {
		c := text[i]
		switch {
		case c >= 0x80:
			r, n := utf8.DecodeRuneInString(text[i:])
			if utf8Text && r != utf8.RuneError && !unicode.IsControl(r) {
				dst = append(dst, text[i:i+n]...)
			} else {
				dst = append(dst, '?')
			}
			i += n
			continue
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			dst = append(dst, ' ')
			i++
		case c < ' ' || c == 0x7f:
			dst = append(dst, ' ')
		case c == '[' && front && len(dst) == from:
			dst = append(dst, '(')
		default:
			dst = append(dst, c)
		}
		i++
	}
	if len(dst) == from {
		dst = append(dst, "Done"...)
	}
	return dst
}

// appendCode appends a code with its brackets.
func appendCode(dst []byte, code imap.Code) ([]byte, error) {
	from := len(dst)
	dst = append(dst, '[')
	dst, err := appendAtom(dst, code.CodeName())
	if err == nil {
		dst, err = appendCodeArgs(dst, code)
	}
	if err != nil {
		return dst[:from], err
	}
	return append(dst, ']'), nil
}

func appendCodeArgs(dst []byte, code imap.Code) ([]byte, error) {
	var err error
	switch c := code.(type) {
	case imap.CodeAtom:
	case imap.CodeNumber:
		dst = strconv.AppendUint(append(dst, ' '), c.N, 10)
	case imap.CodeCapability:
		for _, x := range c.Capabilities {
			if dst, err = appendAtom(append(dst, ' '), string(x)); err != nil {
				return dst, err
			}
		}
	case imap.CodePermanentFlags:
		return appendFlags(append(dst, ' '), c.Flags)
	case imap.CodeCharsets:
		if len(c.Charsets) == 0 {
			return dst, nil
		}
		dst = append(dst, " ("...)
		for i, x := range c.Charsets {
			if i > 0 {
				dst = append(dst, ' ')
			}
			if !quotable(x) {
				return dst, errEncode
			}
			if dst, err = appendAString(dst, x); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ')')
	case imap.CodeAppendUID:
		dst = strconv.AppendUint(append(dst, ' '), uint64(c.UIDValidity), 10)
		return c.UIDs.AppendText(append(dst, ' '))
	case imap.CodeCopyUID:
		dst = strconv.AppendUint(append(dst, ' '), uint64(c.UIDValidity), 10)
		if dst, err = c.Source.AppendText(append(dst, ' ')); err != nil {
			return dst, err
		}
		return c.Dest.AppendText(append(dst, ' '))
	case imap.CodeModified:
		if !classSet.All(c.Set) {
			return dst, &badToken{"set", c.Set}
		}
		return append(append(dst, ' '), c.Set...), nil
	case imap.CodeRaw:
		if c.Text == "" {
			return dst, nil
		}
		if !codeText(c.Text) {
			return dst, errEncode
		}
		return appendRaw(append(dst, ' '), c.Text)
	default:
		return appendExtensionCode(dst, c)
	}
	return dst, nil
}

// codeText reports whether text can stand in brackets: "]" only in a quoted
// string.
func codeText(text string) bool {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return false
		}
	}
	return !quoted && !strings.HasPrefix(text, " ")
}
