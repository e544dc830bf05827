package mime

// Encoded-words (RFC 2047) and header text.

import (
	"strings"
	"unicode/utf8"
)

// DecodeText unfolds header text and decodes its encoded-words to UTF-8. Blanks between adjacent encoded-words vanish; adjacent
// words of one charset are put together before their characters are decoded, for many senders split a character over two
// words. Encoded-words are taken wherever they stand, inside quotes and next to other text too, with padding missing and
// with blanks or question marks in them. Octets outside encoded-words that are not UTF-8 are read as Windows-1252. In the
// result NUL is U+FFFD, and CR and LF are dropped or, from an encoded-word, blanks: it is one line.
func DecodeText(s string) string {
	if plainASCII(s) && !strings.Contains(s, "=?") {
		return s
	}
	s = unfoldKeepNUL(s)
	if !strings.Contains(s, "=?") {
		return cleanText(textUTF8(s))
	}
	d := wordDecoder{s: s, term: -1}
	return d.decode()
}

// plainASCII tells whether s is printable ASCII and tabs alone.
func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c >= 127 {
			return false
		}
	}
	return true
}

func unfoldKeepNUL(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\r' && s[i] != '\n' {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// textUTF8 reads raw octets of a header as UTF-8 (RFC 6532), else as Windows-1252.
func textUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return toUTF8([]byte(s), "")
}

// cleanText makes decoded text fit for one line.
func cleanText(s string) string {
	if !strings.ContainsAny(s, "\x00\r\n") && utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for _, r := range s {
		switch r {
		case 0:
			b = append(b, "\uFFFD"...)
		case '\r', '\n':
			b = append(b, ' ')
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

type wordDecoder struct {
	s    string
	term int // where the next "?=" is that nextTerm has found; len(s) if there is none; -1 before the first search

	out     []byte
	pend    []byte // decoded octets of adjacent words, charset not applied yet
	charset string
	inWord  bool // the last thing written was an encoded-word
}

// maxLooseWord bounds an encoded-word whose text holds a question mark.
const maxLooseWord = 1000

func (d *wordDecoder) decode() string {
	s := d.s
	last := 0 // s[last:i] is not written
	for i := 0; i < len(s); {
		j := strings.Index(s[i:], "=?")
		if j < 0 {
			break
		}
		i += j
		charset, enc, text, end := d.word(i)
		if end == 0 {
			i += 2
			continue
		}
		between := s[last:i]
		if !d.inWord || trimBlank(between) != "" {
			d.flush()
			d.out = append(d.out, textUTF8(between)...)
		}
		if d.inWord && (!strings.EqualFold(charset, d.charset) || isUTF7(charset)) {
			d.flush()
		}
		d.charset, d.inWord = charset, true
		if enc == 'b' {
			d.pend = appendBase64(d.pend, text)
		} else {
			d.pend = appendQ(d.pend, text)
		}
		i, last = end, end
	}
	d.flush()
	d.out = append(d.out, textUTF8(s[last:])...)
	return cleanText(string(d.out))
}

func (d *wordDecoder) flush() {
	if d.inWord {
		d.out = append(d.out, toUTF8(d.pend, d.charset)...)
		d.pend = d.pend[:0]
		d.inWord = false
	}
}

// isUTF7 tells the charset in which text put behind other text may be read as more of what that text left open.
func isUTF7(charset string) bool {
	return len(charset) >= 5 && equalFold(charset[len(charset)-5:], "utf-7")
}

// word reads the encoded-word at s[i:]. end is 0 if there is none.
func (d *wordDecoder) word(i int) (charset string, enc byte, text string, end int) {
	s := d.s
	p := i + 2
	for p < len(s) && p-i < 80 && isToken(s[p]) {
		p++
	}
	charset = s[i+2 : p]
	if charset == "" || p+2 >= len(s) || s[p] != '?' || s[p+2] != '?' {
		return "", 0, "", 0
	}
	if n := strings.IndexByte(charset, '*'); n >= 0 { // RFC 2231 section 5: language
		charset = charset[:n]
	}
	enc = lower(s[p+1])
	if enc != 'q' && enc != 'b' {
		return "", 0, "", 0
	}
	p += 3
	q := strings.IndexByte(s[p:], '?')
	if q < 0 {
		return "", 0, "", 0
	}
	q += p
	if q+1 < len(s) && s[q+1] == '=' {
		// "=?x?q??=" is empty text; "=?x?q?=?=" begins with "=" and is handled by the first question mark.
		return charset, enc, s[p:q], q + 2
	}
	if enc != 'q' {
		return "", 0, "", 0
	}
	if d.term < q {
		n := strings.Index(s[q:], "?=")
		if n < 0 {
			d.term = len(s)
		} else {
			d.term = q + n
		}
	}
	if d.term == len(s) || d.term-p > maxLooseWord || strings.Contains(s[p:d.term], "=?") {
		return "", 0, "", 0
	}
	return charset, enc, s[p:d.term], d.term + 2
}

// appendQ decodes the Q encoding (RFC 2047 section 4.2). An equals sign without two hexadecimal digits stands for itself.
func appendQ(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '_':
			dst = append(dst, ' ')
		case '=':
			if i+2 < len(s) {
				if h, l := unhex(s[i+1]), unhex(s[i+2]); h >= 0 && l >= 0 {
					dst = append(dst, byte(h<<4|l))
					i += 2
					continue
				}
			}
			dst = append(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendBase64 decodes base64 with or without padding, passing over octets outside the alphabet. Padding ends a group, so
// that pieces encoded one by one and put together decode as they should.
func appendBase64(dst []byte, s string) []byte {
	var acc uint32
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		v := b64val[c]
		if v < 0 {
			if c == '=' {
				dst = flush64(dst, acc, n)
				acc, n = 0, 0
			}
			continue
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			dst = append(dst, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	return flush64(dst, acc, n)
}

func flush64(dst []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		dst = append(dst, byte(acc>>4))
	case 3:
		dst = append(dst, byte(acc>>10), byte(acc>>2))
	}
	return dst
}

var b64val = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := 0; i < len(alphabet); i++ {
		t[alphabet[i]] = int8(i)
	}
	return
}()
