package mime

// base64 undone (RFC 2045 section 6.8), whole lines at a time.

import (
	"encoding/binary"
	"io"
	"sync"
)

// base64Reader decodes as tolerantly as RFC 2045 asks: octets outside the alphabet are passed over, padding ends a quantum
// and the next one may follow, a last quantum that lacks its padding is decoded, and a single left-over character is dropped.
type base64Reader struct {
	r     io.Reader
	at, n int     // buf[at:n] is not decoded yet
	out   [3]byte // decoded and not yet delivered
	outN  int
	quant uint32 // of a quantum in pieces
	have  int
	err   error
	buf   [base64Buffer]byte
}

// The lines that RFC 2045 section 6.8 allows at most, and most encoders make.
const (
	base64Line   = 76
	base64Octets = 57                    // that they stand for
	base64Buffer = 52 * (base64Line + 2) // whole lines, so that most reads end with one
)

func newBase64Reader(r io.Reader) *base64Reader {
	base64Once.Do(makeBase64Pairs)
	return &base64Reader{r: r}
}

// notBase64 marks what is not of the alphabet.
const notBase64 = 0x8000

var (
	base64Once sync.Once
	// base64Pairs has the twelve bits that two characters stand for, by the two as a little-endian number. Of its 128 KiB,
	// what clean input touches fits in a processor's first cache.
	base64Pairs [1 << 16]uint16
	base64Chars [256]uint16
)

func makeBase64Pairs() {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for c := range base64Chars {
		base64Chars[c] = notBase64
	}
	for v := range len(alphabet) {
		base64Chars[alphabet[v]] = uint16(v)
	}
	for i := range base64Pairs {
		a, b := base64Chars[i&0xff], base64Chars[i>>8]
		if base64Pairs[i] = a<<6 | b; (a|b)&notBase64 != 0 {
			base64Pairs[i] = notBase64
		}
	}
}

// octets6 decodes eight characters into the first six octets of o.
func octets6(a, o *[8]byte) uint64 {
	v := binary.LittleEndian.Uint64(a[:])
	p, q, r, t := uint64(base64Pairs[uint16(v)]), uint64(base64Pairs[uint16(v>>16)]), uint64(base64Pairs[uint16(v>>32)]), uint64(base64Pairs[v>>48])
	binary.BigEndian.PutUint64(o[:], p<<52|q<<40|r<<28|t<<16)
	return p | q | r | t
}

// decode decodes clean quanta and the line endings between them, from the start of src into dst, and returns how far it came
// in both. It stops at the first quantum that holds anything else, or where dst or src are at their end or near it. It may
// write a few octets of dst more than it says.
func decodeBase64(dst, src []byte) (d, s int) {
	for {
		// Whole lines of the usual length.
		for len(src)-s >= base64Line+2 && len(dst)-d >= base64Octets {
			a := (*[base64Line + 2]byte)(src[s:])
			end := base64Line + 2
			if a[base64Line] != '\r' || a[base64Line+1] != '\n' {
				if a[base64Line] != '\n' {
					break
				}
				end--
			}
			o := (*[base64Octets]byte)(dst[d:])
			bad := uint64(0)
			bad |= octets6((*[8]byte)(a[0:]), (*[8]byte)(o[0:]))
			bad |= octets6((*[8]byte)(a[8:]), (*[8]byte)(o[6:]))
			bad |= octets6((*[8]byte)(a[16:]), (*[8]byte)(o[12:]))
			bad |= octets6((*[8]byte)(a[24:]), (*[8]byte)(o[18:]))
			bad |= octets6((*[8]byte)(a[32:]), (*[8]byte)(o[24:]))
			bad |= octets6((*[8]byte)(a[40:]), (*[8]byte)(o[30:]))
			bad |= octets6((*[8]byte)(a[48:]), (*[8]byte)(o[36:]))
			bad |= octets6((*[8]byte)(a[56:]), (*[8]byte)(o[42:]))
			bad |= octets6((*[8]byte)(a[64:]), (*[8]byte)(o[48:]))
			v := binary.LittleEndian.Uint32(a[base64Line-4:])
			p, q := base64Pairs[uint16(v)], base64Pairs[uint16(v>>16)]
			if (bad|uint64(p|q))&notBase64 != 0 {
				break
			}
			o[base64Octets-3], o[base64Octets-2], o[base64Octets-1] = byte(p>>4), byte(p<<4)|byte(q>>8), byte(q)
			d += base64Octets
			s += end
		}
		// What is left of a line, or a line of another length.
		for len(src)-s >= 8 && len(dst)-d >= 8 {
			v := binary.LittleEndian.Uint64(src[s:])
			p, q, r, t := base64Pairs[uint16(v)], base64Pairs[uint16(v>>16)], base64Pairs[uint16(v>>32)], base64Pairs[uint16(v>>48)]
			if (p|q|r|t)&notBase64 != 0 {
				break
			}
			binary.BigEndian.PutUint64(dst[d:], uint64(p)<<52|uint64(q)<<40|uint64(r)<<28|uint64(t)<<16)
			d += 6
			s += 8
		}
		for len(src)-s >= 4 && len(dst)-d >= 3 {
			v := binary.LittleEndian.Uint32(src[s:])
			p, q := base64Pairs[uint16(v)], base64Pairs[uint16(v>>16)]
			if (p|q)&notBase64 != 0 {
				break
			}
			dst[d], dst[d+1], dst[d+2] = byte(p>>4), byte(p<<4)|byte(q>>8), byte(q)
			d += 3
			s += 4
		}
		switch {
		case len(src)-s >= 2 && src[s] == '\r' && src[s+1] == '\n':
			s += 2
		case len(src)-s >= 1 && src[s] == '\n':
			s++
		default:
			return d, s
		}
	}
}

func (b *base64Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, empty := 0, 0
	for {
		if b.outN > 0 {
			c := copy(p[n:], b.out[:b.outN])
			copy(b.out[:], b.out[c:b.outN])
			b.outN -= c
			n += c
		}
		if n == len(p) {
			return n, nil
		}
		if b.at == b.n {
			if n > 0 {
				return n, nil
			}
			if b.err != nil {
				if b.err == io.EOF && b.have > 0 {
					b.flush()
					continue
				}
				return 0, b.err
			}
			b.at = 0
			b.n, b.err = b.r.Read(b.buf[:])
			if empty++; b.n == 0 && b.err == nil && empty == 100 {
				b.err = io.ErrNoProgress
			} else if b.n > 0 {
				empty = 0
			}
			continue
		}
		if b.have == 0 {
			d, s := decodeBase64(p[n:], b.buf[b.at:b.n])
			n += d
			b.at += s
			if n == len(p) || b.at == b.n {
				continue
			}
		}
		b.step(b.buf[b.at])
		b.at++
	}
}

// step takes one octet the slow way.
func (b *base64Reader) step(c byte) {
	switch v := base64Chars[c]; {
	case v != notBase64:
		b.quant = b.quant<<6 | uint32(v)
		if b.have++; b.have == 4 {
			b.out = [3]byte{byte(b.quant >> 16), byte(b.quant >> 8), byte(b.quant)}
			b.outN = 3
			b.quant, b.have = 0, 0
		}
	case c == '=':
		b.flush()
	}
}

// flush ends a quantum short of four characters.
func (b *base64Reader) flush() {
	switch b.have {
	case 2:
		b.out[0] = byte(b.quant >> 4)
		b.outN = 1
	case 3:
		b.out[0], b.out[1] = byte(b.quant>>10), byte(b.quant>>2)
		b.outN = 2
	}
	b.quant, b.have = 0, 0
}
