package wire

import (
	"encoding/base64"
	"encoding/binary"
	"io"
)

// The streaming base64 of RFC 4648 section 4, as MIME uses it (RFC 2045
// section 6.8).

const bad64 = 0x80000000

var dec64 [4][256]uint32

func init() {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for t := range dec64 {
		for i := range dec64[t] {
			dec64[t][i] = bad64
		}
		for v := range len(alphabet) {
			dec64[t][alphabet[v]] = uint32(v) << (6 * (3 - t))
		}
	}
}

// quads decodes whole clean quanta of src into dst and returns how far it
// came in both. It stops at the first quantum that holds anything else.
func quads(dst, src []byte) (d, s int) {
	for len(src)-s >= 8 && len(dst)-d >= 8 {
		a := src[s : s+8 : s+8]
		x := dec64[0][a[0]] | dec64[1][a[1]] | dec64[2][a[2]] | dec64[3][a[3]]
		y := dec64[0][a[4]] | dec64[1][a[5]] | dec64[2][a[6]] | dec64[3][a[7]]
		if (x|y)&bad64 != 0 {
			break
		}
		binary.BigEndian.PutUint64(dst[d:], uint64(x)<<40|uint64(y)<<16)
		d += 6
		s += 8
	}
	for len(src)-s >= 4 && len(dst)-d >= 3 {
		x := dec64[0][src[s]] | dec64[1][src[s+1]] | dec64[2][src[s+2]] | dec64[3][src[s+3]]
		if x&bad64 != 0 {
			break
		}
		dst[d], dst[d+1], dst[d+2] = byte(x>>16), byte(x>>8), byte(x)
		d += 3
		s += 4
	}
	return d, s
}

// Base64Reader decodes base64 as tolerantly as RFC 2045 asks: octets outside
// the alphabet are passed over and counted, padding ends a quantum and the
// next one may follow, a last quantum that lacks its padding is decoded, and
// a single left-over character is dropped.
type Base64Reader struct {
	src   io.Reader
	buf   []byte
	r, w  int
	out   [3]byte // decoded and not yet delivered
	outN  int
	quant uint32 // of a quantum in pieces
	have  int
	junk  int64
	err   error
}

// NewBase64Reader returns a reader of what src, base64, stands for.
func NewBase64Reader(src io.Reader) *Base64Reader {
	return &Base64Reader{src: src, buf: make([]byte, 4096)}
}

// Junk is the number of octets passed over so far that were neither of the
// alphabet, nor padding, nor white space; a quantum cut short counts as one.
func (b *Base64Reader) Junk() int64 { return b.junk }

func (b *Base64Reader) Read(p []byte) (int, error) {
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
		if b.r == b.w {
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
			b.r = 0
			b.w, b.err = b.src.Read(b.buf)
			if empty++; b.w == 0 && b.err == nil && empty == 100 {
				b.err = io.ErrNoProgress
			} else if b.w > 0 {
				empty = 0
			}
			continue
		}
		if b.have == 0 {
			d, s := quads(p[n:], b.buf[b.r:b.w])
			n += d
			b.r += s
			if n == len(p) || b.r == b.w {
				continue
			}
		}
		b.step(b.buf[b.r])
		b.r++
	}
}

// step takes one octet the slow way.
func (b *Base64Reader) step(c byte) {
	switch v := dec64[3][c]; {
	case v != bad64:
		b.quant = b.quant<<6 | v
		if b.have++; b.have == 4 {
			b.out = [3]byte{byte(b.quant >> 16), byte(b.quant >> 8), byte(b.quant)}
			b.outN = 3
			b.quant, b.have = 0, 0
		}
	case c == '=':
		b.flush()
	case c != '\r' && c != '\n' && c != ' ' && c != '\t':
		b.junk++
	}
}

// flush ends a quantum short of four characters.
func (b *Base64Reader) flush() {
	switch b.have {
	case 1:
		b.junk++
	case 2:
		b.out[0] = byte(b.quant >> 4)
		b.outN = 1
	case 3:
		b.out[0], b.out[1] = byte(b.quant>>10), byte(b.quant>>2)
		b.outN = 2
	}
	b.quant, b.have = 0, 0
}

// lineOctets fill a line of 76 characters, the most that RFC 2045 allows.
const lineOctets = 57

// Base64Writer encodes base64 in lines that end in CRLF.
type Base64Writer struct {
	w   io.Writer
	in  [lineOctets]byte
	n   int
	out []byte
	err error
}

// NewBase64Writer returns a writer that sends what is written to it to w as
// base64, in lines of 76 characters. Close ends it.
func NewBase64Writer(w io.Writer) *Base64Writer {
	return &Base64Writer{w: w, out: make([]byte, 0, 32*78)}
}

func (b *Base64Writer) emit(src []byte) {
	b.out = base64.StdEncoding.AppendEncode(b.out, src)
	b.out = append(b.out, '\r', '\n')
	if len(b.out)+78 > cap(b.out) {
		b.send()
	}
}

func (b *Base64Writer) send() {
	if b.err == nil && len(b.out) > 0 {
		_, b.err = b.w.Write(b.out)
	}
	b.out = b.out[:0]
}

func (b *Base64Writer) Write(p []byte) (int, error) {
	rest := p
	if b.n > 0 {
		c := copy(b.in[b.n:], rest)
		b.n += c
		rest = rest[c:]
		if b.n < lineOctets {
			return len(p), b.err
		}
		b.emit(b.in[:])
		b.n = 0
	}
	for len(rest) >= lineOctets && b.err == nil {
		b.emit(rest[:lineOctets])
		rest = rest[lineOctets:]
	}
	if b.err != nil {
		return 0, b.err
	}
	b.n = copy(b.in[:], rest)
	return len(p), nil
}

// Close writes what is left, with its padding and a line end. It does not
// close the underlying writer.
func (b *Base64Writer) Close() error {
	if b.n > 0 {
		b.emit(b.in[:b.n])
		b.n = 0
	}
	b.send()
	return b.err
}
