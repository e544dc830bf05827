// Replies: parsed line by line, and appended.

package smtpwire

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/mailwire/mailwire/smtp"
)

// ReplyParser collects the lines of one reply. The zero value is ready, and
// ready again once Line returned done.
//
// It takes what real servers send: a last line without text or without the
// space, lines whose codes differ (the last one counts), enhanced codes on
// some lines only, and octets that are not ASCII.
type ReplyParser struct {
	// MaxLines bounds the lines of one reply; 512 when zero.
	MaxLines int
	// MaxSize bounds the text of one reply in octets; 128 KiB when zero.
	MaxSize int

	reply smtp.Reply
	size  int
	open  bool
}

const (
	defaultMaxLines = 512
	defaultMaxSize  = 128 << 10
)

// Line takes the next line, without its line end. When done is true, reply is
// complete. An error, a *ParseError, means that what follows can not be told
// from this reply: the connection must end.
func (p *ReplyParser) Line(line []byte) (reply smtp.Reply, done bool, err error) {
	if !p.open {
		p.reply, p.size, p.open = smtp.Reply{}, 0, true
	}
	code, more, text, err := parseReplyLine(line)
	if err != nil {
		return smtp.Reply{}, false, err
	}
	maxLines, maxSize := p.MaxLines, p.MaxSize
	if maxLines <= 0 {
		maxLines = defaultMaxLines
	}
	if maxSize <= 0 {
		maxSize = defaultMaxSize
	}
	p.size += len(text)
	if len(p.reply.Lines) >= maxLines || p.size > maxSize {
		return smtp.Reply{}, false, &ParseError{Msg: "reply longer than the limit"}
	}
	if enhanced, rest, ok := cutEnhanced(code, text); ok {
		if p.reply.EnhancedCode.IsZero() {
			p.reply.EnhancedCode = enhanced
		}
		text = rest
	}
	p.reply.Code = code
	p.reply.Lines = append(p.reply.Lines, string(text))
	if more {
		return smtp.Reply{}, false, nil
	}
	p.open = false
	reply, p.reply = p.reply, smtp.Reply{}
	if c := &reply.EnhancedCode; c[0] != code/100 {
		*c = smtp.EnhancedCode{}
	}
	return reply, true, nil
}

// parseReplyLine splits a line into its parts.
func parseReplyLine(line []byte) (code int, more bool, text []byte, err error) {
	if len(line) < 3 {
		return 0, false, nil, &ParseError{Msg: "expected a reply code"}
	}
	for i, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, nil, &ParseError{Offset: i, Msg: "expected a reply code"}
		}
		code = code*10 + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, nil, &ParseError{Msg: "reply code out of range"}
	}
	if len(line) == 3 {
		return code, false, nil, nil
	}
	switch line[3] {
	case ' ', '\t':
		return code, false, line[4:], nil
	case '-':
		return code, true, line[4:], nil
	}
	if line[3] >= '0' && line[3] <= '9' {
		return 0, false, nil, &ParseError{Offset: 3, Msg: "reply code of more than three digits"}
	}
	return code, false, line[3:], nil
}

// cutEnhanced cuts the enhanced code that text begins with, if it agrees with
// the code.
func cutEnhanced(code int, text []byte) (smtp.EnhancedCode, []byte, bool) {
	if len(text) < 5 || text[1] != '.' || int(text[0]-'0') != code/100 {
		return smtp.EnhancedCode{}, nil, false
	}
	n := bytes.IndexByte(text, ' ')
	if n < 0 {
		n = len(text)
	}
	if n > len("5.999.999") {
		return smtp.EnhancedCode{}, nil, false
	}
	c, ok := smtp.ParseEnhancedCode(string(text[:n]))
	if !ok {
		return smtp.EnhancedCode{}, nil, false
	}
	return c, bytes.TrimPrefix(text[n:], []byte(" ")), true
}

// AppendReply appends r to dst, a line for each of r.Lines, each with its
// CRLF and with the enhanced code if there is one. It fails with an
// *EncodeError, and dst as it was, if the code is none or a line holds a
// control character.
func AppendReply(dst []byte, r *smtp.Reply) ([]byte, error) {
	if r.Code < 200 || r.Code > 599 {
		return dst, &EncodeError{"a reply", "its code is out of range"}
	}
	if !r.EnhancedCode.IsZero() && (!r.EnhancedCode.Valid() || r.EnhancedCode[0] != r.Code/100) {
		return dst, &EncodeError{"a reply", "its enhanced code contradicts its code"}
	}
	for _, line := range r.Lines {
		if controlAt(line) >= 0 {
			return dst, &EncodeError{"a reply", "its text holds a control character"}
		}
	}
	lines := r.Lines
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		dst = strconv.AppendInt(dst, int64(r.Code), 10)
		switch {
		case i < len(lines)-1:
			dst = append(dst, '-')
		case line != "" || !r.EnhancedCode.IsZero():
			dst = append(dst, ' ')
		}
		if c := r.EnhancedCode; !c.IsZero() {
			dst = appendEnhanced(dst, c)
			if line != "" {
				dst = append(dst, ' ')
			}
		}
		dst = append(append(dst, line...), '\r', '\n')
	}
	return dst, nil
}

func appendEnhanced(dst []byte, c smtp.EnhancedCode) []byte {
	dst = strconv.AppendInt(dst, int64(c[0]), 10)
	dst = strconv.AppendInt(append(dst, '.'), int64(c[1]), 10)
	return strconv.AppendInt(append(dst, '.'), int64(c[2]), 10)
}

// AppendChallenge appends a server's line within an AUTH exchange.
func AppendChallenge(dst, challenge []byte) []byte {
	dst = append(dst, "334 "...)
	return append(base64.StdEncoding.AppendEncode(dst, challenge), '\r', '\n')
}

// ParseChallenge decodes the challenge of a 334 reply. A text that is not
// base64 is returned as it is, with ok false: some servers ask for LOGIN's
// name and password in clear words.
func ParseChallenge(r *smtp.Reply) (challenge []byte, ok bool) {
	text := bytes.TrimSpace([]byte(r.Text()))
	if len(text) == 0 {
		return []byte{}, true
	}
	if b, err := decodeBase64(text); err == nil {
		return b, true
	}
	return text, false
}
