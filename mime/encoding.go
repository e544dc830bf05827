package mime

// Transfer encodings undone (RFC 2045 section 6).

import (
	"io"
	"strings"
)

type transferEncoding uint8

const (
	identity transferEncoding = iota
	base64Encoding
	quotedPrintable
)

func (e transferEncoding) encoded() bool { return e != identity }

// encodingOf reads a Content-Transfer-Encoding value. Unknown encodings are passed as they are.
func encodingOf(s string) transferEncoding {
	p := paramParser{s: s}
	p.skip()
	if p.i < len(s) && s[p.i] == '"' {
		p.i++
	}
	switch strings.ToLower(p.token()) {
	case "base64", "b", "base-64", "x-base64":
		return base64Encoding
	case "quoted-printable", "quoted_printable", "quotedprintable", "qp", "quoted":
		return quotedPrintable
	}
	return identity
}

// NewDecoder returns a reader of r with the transfer encoding undone. base64 may hold line breaks, junk, padding in its
// midst and no padding at its end; quoted-printable may hold wrong escapes, which stand for themselves, and any line
// endings. 7bit, 8bit, binary and unknown encodings pass. The only errors are r's.
func NewDecoder(r io.Reader, encoding string) io.Reader {
	switch encodingOf(encoding) {
	case base64Encoding:
		return newBase64Reader(r)
	case quotedPrintable:
		return &qpReader{r: r}
	}
	return r
}
