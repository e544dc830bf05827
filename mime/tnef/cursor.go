package tnef

// Reading of a range by a small window, and strings.

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/mailwire/mailwire/mime"
)

// cursor reads a range of a source. err sticks: io.ErrUnexpectedEOF at the range's end, or what the source returned, which is
// in fail too.
type cursor struct {
	src      io.ReaderAt
	off, end int64
	err      error
	fail     error
	buf      []byte
	bufOff   int64
}

const window = 4096

func newCursor(src io.ReaderAt, r mime.Range) cursor {
	return cursor{src: src, off: r.Start, end: r.End}
}

func (c *cursor) left() int64 { return max(c.end-c.off, 0) }

// peek returns the next n octets, n being at most window.
func (c *cursor) peek(n int) []byte {
	if c.err != nil {
		return nil
	}
	if int64(n) > c.left() {
		c.err = io.ErrUnexpectedEOF
		return nil
	}
	if i := c.off - c.bufOff; i >= 0 && i+int64(n) <= int64(len(c.buf)) {
		return c.buf[i : i+int64(n)]
	}
	if c.buf == nil {
		c.buf = make([]byte, 0, min(window, max(c.left(), 16)))
	}
	size := int(min(int64(max(cap(c.buf), n)), c.left()))
	if cap(c.buf) < size {
		c.buf = make([]byte, 0, size)
	}
	m, err := c.src.ReadAt(c.buf[:size], c.off)
	c.buf, c.bufOff = c.buf[:m], c.off
	if m < n {
		if err == nil || err == io.EOF {
			c.err = io.ErrUnexpectedEOF
			c.fail = io.ErrUnexpectedEOF // the source is shorter than was said
			return nil
		}
		c.err, c.fail = err, err
		return nil
	}
	return c.buf[:n]
}

func (c *cursor) u8() uint8 {
	b := c.peek(1)
	if b == nil {
		return 0
	}
	c.off++
	return b[0]
}

func (c *cursor) u16() uint16 {
	b := c.peek(2)
	if b == nil {
		return 0
	}
	c.off += 2
	return binary.LittleEndian.Uint16(b)
}

func (c *cursor) u32() uint32 {
	b := c.peek(4)
	if b == nil {
		return 0
	}
	c.off += 4
	return binary.LittleEndian.Uint32(b)
}

func (c *cursor) u64() uint64 {
	b := c.peek(8)
	if b == nil {
		return 0
	}
	c.off += 8
	return binary.LittleEndian.Uint64(b)
}

// bytes returns a copy of the next n octets; fewer where the range ends.
func (c *cursor) bytes(n int64) []byte {
	if n > c.left() {
		n = c.left()
		c.err = io.ErrUnexpectedEOF
	}
	if c.fail != nil || n <= 0 {
		return []byte{}
	}
	b := make([]byte, 0, n)
	for n > 0 {
		k := int(min(n, window))
		keep := c.err
		c.err = nil
		p := c.peek(k)
		if p == nil {
			return b
		}
		c.err = keep
		b = append(b, p...)
		c.off += int64(k)
		n -= int64(k)
	}
	return b
}

func (c *cursor) skip(n int64) {
	if n > c.left() {
		c.err = io.ErrUnexpectedEOF
		n = c.left()
	}
	c.off += n
}

// sum passes n octets and returns their checksum (MS-OXTNEF section 2.1.3.1).
func (c *cursor) sum(n int64) uint16 {
	s := uint16(0)
	for n > 0 {
		k := int(min(n, window))
		p := c.peek(k)
		if p == nil {
			return s
		}
		for _, b := range p {
			s += uint16(b)
		}
		c.off += int64(k)
		n -= int64(k)
	}
	return s
}

// date reads a DTR structure (MS-OXTNEF section 2.1.3.3.3); the zero time if it is none.
func (c *cursor) date() time.Time {
	var v [6]int
	for i := range v {
		v[i] = int(c.u16())
	}
	if c.err != nil || v[0] == 0 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60 || v[0] > 9999 {
		return time.Time{}
	}
	return time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], 0, time.UTC)
}

// utf16Text decodes little-endian UTF-16 up to a NUL.
func utf16Text(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		c := binary.LittleEndian.Uint16(b[i:])
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// decode reads text of a charset; UTF-8 or Windows-1252 where it is "".
func decode(b []byte, charset string) string {
	r, _ := mime.CharsetReader(strings.NewReader(string(b)), charset)
	out, _ := io.ReadAll(r)
	return string(out)
}

// codepage returns the charset's name of a Windows code page.
func codepage(n int) string {
	switch n {
	case 0, 1, 2, 3, 20127: // the system's, or ASCII
		return ""
	case 874:
		return "windows-874"
	case 932:
		return "shift_jis"
	case 936:
		return "gbk"
	case 949:
		return "euc-kr"
	case 950:
		return "big5"
	case 1200:
		return "utf-16le"
	case 1201:
		return "utf-16be"
	case 10000:
		return "macintosh"
	case 10007:
		return "x-mac-cyrillic"
	case 20866:
		return "koi8-r"
	case 21866:
		return "koi8-u"
	case 20932, 51932:
		return "euc-jp"
	case 38598:
		return "iso-8859-8"
	case 50220, 50221, 50222:
		return "iso-2022-jp"
	case 51936:
		return "gb2312"
	case 51949:
		return "euc-kr"
	case 52936:
		return "hz-gb-2312"
	case 54936:
		return "gb18030"
	case 65000:
		return "utf-7"
	case 65001:
		return "utf-8"
	}
	switch {
	case 1250 <= n && n <= 1258:
		return fmt.Sprintf("windows-%d", n)
	case 28591 <= n && n <= 28606:
		return fmt.Sprintf("iso-8859-%d", n-28590)
	case 400 < n && n < 900:
		return fmt.Sprintf("ibm%d", n)
	}
	return ""
}
