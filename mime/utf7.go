package mime

// UTF-7 (RFC 2152), which golang.org/x/text does not have.

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

type utf7Encoding struct{}

func (utf7Encoding) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: &utf7Decoder{}}
}

func (utf7Encoding) NewEncoder() *encoding.Encoder {
	return &encoding.Encoder{Transformer: encoding.Replacement.NewEncoder()}
}

func (utf7Encoding) String() string { return "UTF-7" }

// utf7Decoder takes one octet at a time and never needs more source than it has.
type utf7Decoder struct {
	shifted bool
	first   bool // nothing has followed "+" yet
	bits    uint32
	n       uint // bits held
	high    rune // a high surrogate that waits for the low one
}

func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	put := func(r rune) { nDst += utf8.EncodeRune(dst[nDst:], r) }
	for ; nSrc < len(src); nSrc++ {
		if len(dst)-nDst < 3*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		if !d.shifted {
			switch {
			case c == '+':
				d.shifted, d.first, d.bits, d.n = true, true, 0, 0
			case c < utf8.RuneSelf:
				put(rune(c))
			default:
				put(utf8.RuneError)
			}
			continue
		}
		if v := b64val[c]; v >= 0 {
			d.first = false
			d.bits = d.bits<<6 | uint32(v)
			d.n += 6
			if d.n >= 16 {
				d.n -= 16
				u := rune(d.bits >> d.n & 0xffff)
				d.bits &= 1<<d.n - 1
				switch {
				case d.high != 0 && u >= 0xdc00 && u < 0xe000:
					put(utf16.DecodeRune(d.high, u))
					d.high = 0
				default:
					if d.high != 0 {
						put(utf8.RuneError)
						d.high = 0
					}
					switch {
					case u >= 0xd800 && u < 0xdc00:
						d.high = u
					case utf16.IsSurrogate(u):
						put(utf8.RuneError)
					default:
						put(u)
					}
				}
			}
			continue
		}
		if d.high != 0 {
			put(utf8.RuneError)
			d.high = 0
		}
		d.shifted = false
		switch {
		case c == '-':
			if d.first {
				put('+')
			}
		case c < utf8.RuneSelf:
			put(rune(c))
		default:
			put(utf8.RuneError)
		}
	}
	if atEOF && d.high != 0 {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		put(utf8.RuneError)
		d.high = 0
	}
	return nDst, nSrc, nil
}
