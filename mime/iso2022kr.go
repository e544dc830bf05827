package mime

// ISO-2022-KR (RFC 1557), which golang.org/x/text does not have.

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/transform"
)

type iso2022KREncoding struct{}

func (iso2022KREncoding) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: &iso2022KRDecoder{}}
}

func (iso2022KREncoding) NewEncoder() *encoding.Encoder {
	return &encoding.Encoder{Transformer: encoding.Replacement.NewEncoder()}
}

func (iso2022KREncoding) String() string { return "ISO-2022-KR" }

// iso2022KRDecoder reads KS C 5601 between SO and SI as EUC-KR without the high bits.
type iso2022KRDecoder struct{ shifted bool }

func (d *iso2022KRDecoder) Reset() { d.shifted = false }

func (d *iso2022KRDecoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		c, n, r := src[nSrc], 1, rune(-1)
		switch {
		case c == 0x0e:
			d.shifted = true
		case c == 0x0f:
			d.shifted = false
		case c == 0x1b: // the designator ESC $ ) C
			rest := src[nSrc:]
			if len(rest) < 4 && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if len(rest) >= 4 && string(rest[1:4]) == "$)C" {
				n = 4
			} else {
				r = utf8.RuneError
			}
		case c >= 0x80:
			r = utf8.RuneError
		case !d.shifted || c <= ' ' || c == 0x7f:
			if r = rune(c); c == '\n' {
				d.shifted = false // RFC 1557: a line begins in ASCII
			}
		case nSrc+1 == len(src):
			if !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r = utf8.RuneError
		case src[nSrc+1] <= ' ' || src[nSrc+1] >= 0x7f:
			r = utf8.RuneError
		default:
			var out [utf8.UTFMax]byte
			n = 2
			k, _, e := korean.EUCKR.NewDecoder().Transform(out[:], []byte{c | 0x80, src[nSrc+1] | 0x80}, true)
			if r, _ = utf8.DecodeRune(out[:k]); e != nil {
				r = utf8.RuneError
			}
		}
		if r >= 0 {
			nDst += utf8.EncodeRune(dst[nDst:], r)
		}
		nSrc += n
	}
	return nDst, nSrc, nil
}
