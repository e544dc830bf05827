// Scan listings and unique-id listings.

package pop3wire

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/pop3"
)

// number reads a number up to math.MaxInt32 at b's front.
func number(b []byte) (n int, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		d := int(b[i] - '0')
		if n > (math.MaxInt32-d)/10 {
			return 0, b, false
		}
		n = n*10 + d
	}
	return n, b[i:], i > 0
}

func skipSpaces(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// size reads a size; see badSize for one that is no number.
func size(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		d := int64(b[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return badSize(b)
		}
		n = n*10 + d
	}
	if i == 0 {
		return badSize(b)
	}
	return n, b[i:], true
}

// ParseScanListing reads a line of the answer to LIST, or the text of the
// answer to LIST of one message. The error is a *ParseError.
func ParseScanListing(line []byte) (pop3.ScanListing, error) { return parseListing(line, 1) }

func parseListing(line []byte, least int) (l pop3.ScanListing, err error) {
	n, b, ok := number(skipSpaces(line))
	if !ok || n < least {
		return l, badLine(line, 0, "expected a number of messages")
	}
	at := len(line) - len(b)
	if b = skipSpaces(b); len(line)-len(b) == at {
		return l, badLine(line, at, "expected a space")
	}
	at = len(line) - len(b)
	sz, b, ok := size(b)
	if !ok || len(b) > 0 && b[0] != ' ' && b[0] != '\t' {
		return l, badLine(line, at, "expected a number of octets")
	}
	return pop3.ScanListing{Number: n, Size: sz}, nil
}

// maxDigits is how many a uint64 has at most.
const maxDigits = 20

// putDecimal writes v to b, which has room for maxDigits, and returns the number
// of digits. Digit by digit, as in package strconv, numbers are most of the cost
// of a long listing.
func putDecimal(b []byte, v uint64) int {
	const eight = 1e8
	if v >= eight {
		n := putDecimal(b, v/eight)
		binary.LittleEndian.PutUint64(b[n:], digits8(v%eight)+'0'*everyOctet)
		return n + 8
	}
	d := digits8(v)
	zeros := min(bits.TrailingZeros64(d)/8, 7)
	binary.LittleEndian.PutUint64(b, (d+'0'*everyOctet)>>(8*zeros))
	return 8 - zeros
}

const everyOctet = 0x0101010101010101

// digits8 are the digits of v, which is below 1e8: the first in the lowest
// octet. It divides four digits, then two, in all parts of the word at once; the
// factors are just above 1/100 and 1/10, which is exact for so few digits.
func digits8(v uint64) uint64 {
	v = v/1e4 | v%1e4<<32
	hundreds := v * 10486 >> 20 & 0x7f_0000007f
	v = hundreds | (v-100*hundreds)<<16
	tens := v * 103 >> 10 & 0xf_000f_000f_000f
	return tens | (v-10*tens)<<8
}

// AppendScanListing appends a line of the answer to LIST. The error is an
// *EncodeError.
func AppendScanListing(dst []byte, l pop3.ScanListing) ([]byte, error) {
	if l.Number < 1 || l.Number > math.MaxInt32 || l.Size < 0 {
		return dst, &EncodeError{Field: "a scan listing", Reason: "a number is out of range"}
	}
	at := len(dst)
	dst = slices.Grow(dst, 2*maxDigits+3)
	b := dst[at : at+2*maxDigits+3]
	n := putDecimal(b, uint64(l.Number))
	b[n] = ' '
	n += 1 + putDecimal(b[n+1:], uint64(l.Size))
	b[n], b[n+1] = '\r', '\n'
	return dst[:at+n+2], nil
}

// UIDParser reads unique-id listings. The strings it makes share blocks of
// memory: a hundred thousand listings take a few allocations, and a UID that
// is kept keeps its block of at most 512 KiB. The zero value is ready.
type UIDParser struct {
	block strings.Builder
	size  int
}

const (
	minBlock = 4 << 10
	maxBlock = 512 << 10
)

func (p *UIDParser) string(b []byte) string {
	if p.block.Cap()-p.block.Len() < len(b) {
		p.size = min(max(8*p.size, minBlock), maxBlock)
		p.block = strings.Builder{}
		p.block.Grow(max(p.size, len(b)))
	}
	at := p.block.Len()
	p.block.Write(b)
	return p.block.String()[at:]
}

// Parse reads a line of the answer to UIDL. The UID is whatever the server
// made it, without spaces at its ends. The error is a *ParseError.
func (p *UIDParser) Parse(line []byte) (pop3.UIDListing, error) {
	// Nearly all: digits, one space, the unique-id.
	quick := 0
	for i, c := range line[:min(len(line), 10)] {
		if digit := c - '0'; digit <= 9 {
			quick = quick*10 + int(digit)
			continue
		}
		if uid := line[i+1:]; c == ' ' && quick > 0 && len(uid) > 0 && uid[0] > ' ' && uid[len(uid)-1] > ' ' {
			return pop3.UIDListing{Number: quick, UID: p.string(uid)}, nil
		}
		break
	}
	n, b, ok := number(skipSpaces(line))
	if !ok || n < 1 {
		return pop3.UIDListing{}, badLine(line, 0, "expected a message number")
	}
	at := len(line) - len(b)
	uid := trimUID(b)
	if len(b) == 0 || b[0] != ' ' && b[0] != '\t' || len(uid) == 0 {
		return pop3.UIDListing{}, badLine(line, at, "expected a space and a unique-id")
	}
	return pop3.UIDListing{Number: n, UID: p.string(uid)}, nil
}

func trimUID(b []byte) []byte {
	b = skipSpaces(b)
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// ParseUID reads the text of the answer to UIDL of message n.
func ParseUID(text string, n int) (pop3.UIDListing, error) {
	if l, ok := bareUID(text, n); ok {
		return l, nil
	}
	var p UIDParser
	l, err := p.Parse([]byte(text))
	if err == nil && l.Number != n {
		return pop3.UIDListing{}, badLine([]byte(text), 0, "expected the number of the message asked for")
	}
	return l, err
}

// AppendUIDListing appends a line of the answer to UIDL. The error is an
// *EncodeError.
func AppendUIDListing(dst []byte, l pop3.UIDListing) ([]byte, error) {
	if l.Number < 1 || l.Number > math.MaxInt32 {
		return dst, &EncodeError{Field: "a unique-id listing", Reason: "the number is out of range"}
	}
	if !pop3.ValidUID(l.UID) {
		return dst, &EncodeError{Field: "a unique-id", Reason: "it is not 1 to 70 octets of printable ASCII"}
	}
	at := len(dst)
	dst = slices.Grow(dst, maxDigits+len(" \r\n")+len(l.UID))
	at += putDecimal(dst[at:at+maxDigits], uint64(l.Number))
	dst = append(append(dst[:at], ' '), l.UID...)
	return append(dst, '\r', '\n'), nil
}
