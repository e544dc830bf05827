package wire

import "math"

// Lexer is a cursor over one complete frame. A bare method tries and reports
// whether it moved; its Expect form fails when it did not. The first failure
// sticks: from then on every method reports false, so that a parser reads
// like its ABNF and looks at Err once, at the end.
type Lexer struct {
	b    []byte
	pos  int
	base int64
	err  *SyntaxError
}

// NewLexer returns a Lexer over b, whose first octet is at offset in the
// stream.
func NewLexer(b []byte, offset int64) Lexer { return Lexer{b: b, base: offset} }

// Err is the first failure, nil if there was none.
func (l *Lexer) Err() error {
	if l.err == nil {
		return nil
	}
	return l.err
}

// Fail sets the failure, unless there is one: expected is what was looked
// for at the cursor.
func (l *Lexer) Fail(expected string) {
	if l.err == nil {
		l.err = &SyntaxError{Offset: l.base + int64(l.pos), Msg: "expected " + expected, Near: near(l.b[l.pos:])}
		if l.pos == len(l.b) {
			l.err.Msg += ", found the end"
			l.err.Near = nil
		}
	}
}

// FailMsg sets the failure, unless there is one, with a message of its own.
func (l *Lexer) FailMsg(msg string) {
	if l.err == nil {
		l.err = &SyntaxError{Offset: l.base + int64(l.pos), Msg: msg, Near: near(l.b[l.pos:])}
	}
}

// Pos is the cursor, in octets from the frame's start.
func (l *Lexer) Pos() int { return l.pos }

// Seek puts the cursor back to a value of Pos, or forward within the frame.
func (l *Lexer) Seek(pos int) { l.pos = pos }

// Slice returns the frame's octets from one cursor to another.
func (l *Lexer) Slice(from, to int) []byte { return l.b[from:to] }

// Rest returns what is in front of the cursor, without moving it.
func (l *Lexer) Rest() []byte { return l.b[l.pos:] }

// End reports whether nothing is left.
func (l *Lexer) End() bool { return l.err == nil && l.pos == len(l.b) }

// ExpectEnd fails unless nothing is left.
func (l *Lexer) ExpectEnd() bool {
	if l.err == nil && l.pos == len(l.b) {
		return true
	}
	l.Fail("the end")
	return false
}

// Peek returns the next octet; ok is false at the end and after a failure.
func (l *Lexer) Peek() (c byte, ok bool) {
	if l.err != nil || l.pos == len(l.b) {
		return 0, false
	}
	return l.b[l.pos], true
}

// Byte moves over c.
func (l *Lexer) Byte(c byte) bool {
	if l.err != nil || l.pos == len(l.b) || l.b[l.pos] != c {
		return false
	}
	l.pos++
	return true
}

// ExpectByte moves over c or fails.
func (l *Lexer) ExpectByte(c byte) bool {
	if l.Byte(c) {
		return true
	}
	l.Fail(string(rune(c)))
	return false
}

// SP moves over one space.
func (l *Lexer) SP() bool { return l.Byte(' ') }

// ExpectSP moves over one space or fails.
func (l *Lexer) ExpectSP() bool {
	if l.Byte(' ') {
		return true
	}
	l.Fail("a space")
	return false
}

// Spaces moves over any spaces and returns how many there were.
func (l *Lexer) Spaces() int {
	if l.err != nil {
		return 0
	}
	i := l.pos
	for i < len(l.b) && l.b[i] == ' ' {
		i++
	}
	n := i - l.pos
	l.pos = i
	return n
}

// Fold moves over word, whatever the case of its ASCII letters.
func (l *Lexer) Fold(word string) bool {
	if l.err != nil || len(l.b)-l.pos < len(word) || !EqualFold(l.b[l.pos:l.pos+len(word)], word) {
		return false
	}
	l.pos += len(word)
	return true
}

// ExpectFold moves over word or fails.
func (l *Lexer) ExpectFold(word string) bool {
	if l.Fold(word) {
		return true
	}
	l.Fail(word)
	return false
}

// Take moves over the longest run of octets in c and returns it, borrowed
// from the frame; nil if there is none.
func (l *Lexer) Take(c *Class) []byte {
	if l.err != nil {
		return nil
	}
	n := c.Span(l.b[l.pos:])
	if n == 0 {
		return nil
	}
	l.pos += n
	return l.b[l.pos-n : l.pos]
}

// ExpectTake is Take that fails when there is no such octet; what names the
// class.
func (l *Lexer) ExpectTake(c *Class, what string) []byte {
	b := l.Take(c)
	if b == nil {
		l.Fail(what)
	}
	return b
}

// Skip moves over n octets; it fails when there are fewer.
func (l *Lexer) Skip(n int) bool {
	if l.err != nil || n < 0 || len(l.b)-l.pos < n {
		l.Fail("more octets")
		return false
	}
	l.pos += n
	return true
}

// Uint64 moves over a decimal number. A number that is too large fails.
func (l *Lexer) Uint64() (n uint64, ok bool) {
	if l.err != nil {
		return 0, false
	}
	n, digits, fits := Decimal(l.b[l.pos:])
	if !fits {
		l.Fail("a number below 2^64")
		return 0, false
	}
	l.pos += digits
	return n, digits > 0
}

// Decimal is the number that the digits at b's front are, and how many digits
// they are; fits is false where the number is not below 2^64.
func Decimal(b []byte) (n uint64, digits int, fits bool) {
	// Nineteen digits always fit.
	for i, c := range b[:min(len(b), 19)] {
		d := c - '0'
		if d > 9 {
			return n, i, true
		}
		n = n*10 + uint64(d)
	}
	i := min(len(b), 19)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		d := uint64(b[i] - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, i, false
		}
		n = n*10 + d
	}
	return n, i, true
}

// Uint32 moves over a decimal number. A number that is too large fails.
func (l *Lexer) Uint32() (uint32, bool) {
	start := l.pos
	n, ok := l.Uint64()
	if ok && n > math.MaxUint32 {
		l.pos = start
		l.Fail("a number below 2^32")
		return 0, false
	}
	return uint32(n), ok
}

// ExpectUint64 is Uint64 that fails when there is no number.
func (l *Lexer) ExpectUint64() uint64 {
	n, ok := l.Uint64()
	if !ok {
		l.Fail("a number")
	}
	return n
}

// ExpectUint32 is Uint32 that fails when there is no number.
func (l *Lexer) ExpectUint32() uint32 {
	n, ok := l.Uint32()
	if !ok {
		l.Fail("a number")
	}
	return n
}
