package tnef

// Compressed RTF (MS-OXRTFCP), decompressed as a stream.

import (
	"encoding/binary"
	"io"
)

const (
	rtfCompressed   = 0x75465A4C // "LZFu"
	rtfUncompressed = 0x414C454D // "MELA"

	// rtfDictionary is what the dictionary begins with (MS-OXRTFCP section 2.1.2.1).
	rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
		"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`
)

// An RTFReader decompresses RTF. Data that is not compressed RTF reads as nothing; data that ends early, as what there is. The
// only errors are the source's.
type RTFReader struct {
	r     io.Reader
	in    [1024]byte
	i, n  int
	rerr  error
	begun bool
	kind  uint32
	raw   int64 // octets to be delivered, as the header says
	crc   uint32
	sum   uint32
	left  int64 // octets of compressed data

	dict  [4096]byte
	w     int
	flags byte
	bits  int
	from  int // the reference that is being copied
	copy  int
	done  bool
	err   error
	good  bool
}

// NewRTFReader returns a reader of the RTF that r holds compressed, as PidRTFCompressed does.
func NewRTFReader(r io.Reader) *RTFReader { return &RTFReader{r: r} }

// Complete tells, after io.EOF, whether the data was whole: its end was marked or its size reached, and its checksum agrees.
func (z *RTFReader) Complete() bool { return z.done && z.good }

// octet returns the next octet of the source.
func (z *RTFReader) octet() (byte, bool) {
	for z.i == z.n {
		if z.rerr != nil {
			if z.rerr != io.EOF {
				z.err = z.rerr
			} else {
				z.err = io.EOF
			}
			return 0, false
		}
		z.n, z.rerr = z.r.Read(z.in[:])
		z.i = 0
	}
	c := z.in[z.i]
	z.i++
	return c, true
}

func (z *RTFReader) begin() {
	z.begun = true
	var h [16]byte
	for i := range h {
		c, ok := z.octet()
		if !ok {
			return
		}
		h[i] = c
	}
	z.left = int64(binary.LittleEndian.Uint32(h[:])) - 12
	z.raw = int64(binary.LittleEndian.Uint32(h[4:]))
	z.kind = binary.LittleEndian.Uint32(h[8:])
	z.crc = binary.LittleEndian.Uint32(h[12:])
	switch z.kind {
	case rtfCompressed:
		z.w = copy(z.dict[:], rtfDictionary)
	case rtfUncompressed:
		z.left = z.raw
	default:
		z.err = io.EOF
	}
}

// data returns the next octet of the compressed data and adds it to the checksum.
func (z *RTFReader) data() (byte, bool) {
	if z.left <= 0 {
		z.err = io.EOF
		return 0, false
	}
	c, ok := z.octet()
	if ok {
		z.left--
		z.sum = rtfTable[byte(z.sum)^c] ^ z.sum>>8
	}
	return c, ok
}

// rtfTable is that of CRC-32 without its complements (MS-OXRTFCP section 2.1.3.2).
var rtfTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0xEDB88320
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return
}()

// Read reads the RTF.
func (z *RTFReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !z.begun {
		z.begin()
	}
	n := 0
	for n < len(p) && z.err == nil {
		if z.kind == rtfUncompressed {
			if z.left == 0 {
				z.finish(true)
				break
			}
			c, ok := z.data()
			if !ok {
				break
			}
			p[n] = c
			n++
			continue
		}
		if z.copy > 0 {
			c := z.dict[z.from]
			z.from = (z.from + 1) & 4095
			z.copy--
			z.put(c)
			p[n] = c
			n++
			continue
		}
		if z.bits == 0 {
			c, ok := z.data()
			if !ok {
				break
			}
			z.flags, z.bits = c, 8
		}
		ref := z.flags&1 != 0
		z.flags >>= 1
		z.bits--
		c, ok := z.data()
		if !ok {
			break
		}
		if !ref {
			z.put(c)
			p[n] = c
			n++
			continue
		}
		d, ok := z.data()
		if !ok {
			break
		}
		from := int(c)<<4 | int(d)>>4
		if from == z.w { // the end
			for z.left > 0 {
				if _, ok := z.data(); !ok {
					break
				}
			}
			z.err = nil
			z.finish(z.sum == z.crc)
			break
		}
		z.from, z.copy = from, int(d&15)+2
	}
	if n == 0 {
		return 0, z.err
	}
	return n, nil
}

func (z *RTFReader) put(c byte) {
	z.dict[z.w] = c
	z.w = (z.w + 1) & 4095
}

func (z *RTFReader) finish(good bool) {
	z.done, z.good = true, good
	z.err = io.EOF
	if z.rerr != nil && z.rerr != io.EOF && z.i == z.n {
		z.err = z.rerr
	}
}
