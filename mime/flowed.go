package mime

// Text with Format=Flowed (RFC 3676), read and written.

import (
	"io"
	"strings"
	"unicode/utf8"
)

// NewFlowedReader returns a reader of r's format=flowed text with its paragraphs put together: each is one line ending in LF,
// with "> " before it for each level of quotation (empty quoted lines without the last blank) and space-stuffing undone.
// delSp is whether the DelSp parameter is yes: the blank that marks a soft line break is then not part of the text. A
// signature separator ("-- ") stands alone. Trailing blanks of fixed lines are kept. Any input is read, in constant memory; the
// only errors are r's.
func NewFlowedReader(r io.Reader, delSp bool) io.Reader {
	return &flowedReader{r: r, delSp: delSp}
}

const flowedMaxQuote = 64 // deepest quotation written out

type flowedState uint8

const (
	flowedQuote  flowedState = iota // counting the line's ">"
	flowedStuff                     // behind them: a blank here is stuffed
	flowedSig                       // matching "-- "
	flowedText                      // in the text
	flowedSigEnd                    // behind "-- ": the line may end here
)

type flowedReader struct {
	r     io.Reader
	delSp bool
	in    [4096]byte
	i, n  int
	err   error
	out   []byte
	pos   int

	state  flowedState
	depth  int // of this line
	prev   int // of the line before
	soft   bool
	sp     int // blanks not yet written
	match  int // octets of "-- " matched
	cr     bool
	some   bool // the line has text
	opened bool // the line's beginning is written
}

func (f *flowedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.pos == len(f.out) {
		f.out, f.pos = f.out[:0], 0
		if f.i == f.n {
			if f.err != nil {
				return 0, f.err
			}
			f.n, f.err = f.r.Read(f.in[:])
			f.i = 0
		}
		for f.i < f.n && len(f.out) < len(f.in) {
			f.octet(f.in[f.i])
			f.i++
		}
		if f.i == f.n && f.err != nil {
			f.finish()
		}
	}
	n := copy(p, f.out[f.pos:])
	f.pos += n
	return n, nil
}

func (f *flowedReader) octet(c byte) {
	if f.cr {
		f.cr = false
		if c != '\n' {
			f.text('\r')
		}
	}
	switch c {
	case '\r':
		f.cr = true
	case '\n':
		f.endLine()
	default:
		f.text(c)
	}
}

const sigSeparator = "-- "

// text takes an octet of a line.
func (f *flowedReader) text(c byte) {
	switch f.state {
	case flowedQuote:
		if c == '>' {
			f.depth++
			return
		}
		f.state = flowedStuff
		fallthrough
	case flowedStuff:
		f.state = flowedSig
		f.match = 0
		if c == ' ' {
			return
		}
		fallthrough
	case flowedSig:
		if f.match < len(sigSeparator) && c == sigSeparator[f.match] {
			f.match++
			if f.match == len(sigSeparator) {
				f.state = flowedSigEnd
			}
			return
		}
		fallthrough
	case flowedSigEnd:
		f.state = flowedText
		n := f.match
		f.match = 0
		f.some = true
		f.begin()
		for i := range n {
			f.put(sigSeparator[i])
		}
		fallthrough
	case flowedText:
		f.put(c)
	}
}

// begin writes what stands before the line's text, or joins it to the line before.
func (f *flowedReader) begin() {
	if f.opened {
		return
	}
	f.opened = true
	if f.soft && f.prev == f.depth {
		return
	}
	if f.soft { // the paragraph ended without a fixed line
		f.sp = 0
		f.out = append(f.out, '\n')
	}
	f.soft = false
	for range min(f.depth, flowedMaxQuote) {
		f.out = append(f.out, "> "...)
	}
}

func (f *flowedReader) put(c byte) {
	if c == ' ' {
		f.sp++
		return
	}
	for ; f.sp > 0; f.sp-- {
		f.out = append(f.out, ' ')
	}
	f.out = append(f.out, c)
}

func (f *flowedReader) endLine() {
	if f.state == flowedSigEnd { // not flowed, whatever its end
		if f.soft {
			f.sp = 0
			f.soft = false
			f.out = append(f.out, '\n')
		}
		f.begin()
		f.out = append(f.out, sigSeparator...)
		f.out = append(f.out, '\n')
		f.nextLine(false)
		return
	}
	if f.match > 0 { // "-" or "--"
		n := f.match
		f.match = 0
		f.some = true
		f.begin()
		for i := range n {
			f.put(sigSeparator[i])
		}
	}
	if f.some && f.sp > 0 { // a line of blanks alone is flowed too
		if f.delSp {
			f.sp--
		}
		f.nextLine(true)
		return
	}
	empty := !f.some
	joined := f.soft && f.prev == f.depth
	f.begin()
	if empty && !joined && f.depth > 0 {
		f.out = f.out[:len(f.out)-1]
	}
	f.sp = 0
	f.out = append(f.out, '\n')
	f.nextLine(false)
}

func (f *flowedReader) nextLine(soft bool) {
	f.soft, f.prev = soft, f.depth
	f.state, f.depth, f.match, f.some, f.opened = flowedQuote, 0, 0, false, false
}

// finish ends what the end of the input leaves open.
func (f *flowedReader) finish() {
	if f.cr {
		f.cr = false
		f.text('\r')
	}
	if f.state != flowedQuote || f.depth > 0 || f.match > 0 {
		f.endLine()
		if !f.soft && len(f.out) > 0 {
			f.out = f.out[:len(f.out)-1] // the last line has no ending
		}
	}
	f.soft = false
}

// FlowedOptions configures the writing of format=flowed. nil means the defaults.
type FlowedOptions struct {
	// Width is how long lines may be, in characters, from 20 to 78. Default 72.
	Width int
	// DelSp writes for DelSp=yes: a blank that is added at each soft line break is not part of the text. Only then can lines
	// of text without blanks, such as Chinese, be broken.
	DelSp bool
}

// AppendFlowed appends text as format=flowed (RFC 3676 section 4.2), its lines ending in CRLF. Each line of text, ending in LF or
// CRLF, is a paragraph; "> " or ">" before it, as often as it stands, is its quotation. Trailing blanks of a paragraph are
// dropped, for they would make it flow into the next one; the signature separator "-- " is kept. NewFlowedReader reads it
// back. Words longer than a line are not broken, unless DelSp is set and they are longer than 998 octets.
func AppendFlowed(dst []byte, text string, o *FlowedOptions) []byte {
	width, delSp := 72, false
	if o != nil {
		delSp = o.DelSp
		if o.Width > 0 {
			width = min(max(o.Width, 20), 78)
		}
	}
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line = strings.TrimSuffix(line, "\r")
		depth := 0
		for line != "" && line[0] == '>' {
			depth++
			line = line[1:]
			if line != "" && line[0] == ' ' {
				line = line[1:]
			}
		}
		if line != sigSeparator {
			line = strings.TrimRight(line, " ")
		}
		dst = appendFlowedLine(dst, depth, line, width, delSp)
	}
	return dst
}

func appendFlowedLine(dst []byte, depth int, line string, width int, delSp bool) []byte {
	depth = min(depth, flowedMaxQuote)
	room := max(width-depth-1, 20)
	begin := func(s string) {
		for range depth {
			dst = append(dst, '>')
		}
		// Quoted lines are stuffed for the eye, others where a reader would take their beginning for something else.
		if s != "" && (depth > 0 || s[0] == ' ' || s[0] == '>' || strings.HasPrefix(s, "From ")) {
			dst = append(dst, ' ')
		}
		dst = append(dst, s...)
	}
	if line == sigSeparator {
		begin(line)
		return append(dst, "\r\n"...)
	}
	for {
		n := flowedBreak(line, room, delSp)
		if n == len(line) {
			begin(line)
			return append(dst, "\r\n"...)
		}
		begin(line[:n])
		if delSp {
			dst = append(dst, ' ')
		}
		dst = append(dst, "\r\n"...)
		line = line[n:]
	}
}

// flowedBreak returns how much of s the line has: up to and with its blanks, and never so much that the rest or the line would
// be read as a signature separator.
func flowedBreak(s string, room int, delSp bool) int {
	chars, last := 0, 0 // last is the index behind the last blank where a break may be
	for i := 0; i < len(s); {
		if chars >= room && last > 0 {
			return last
		}
		if delSp && i >= 900 {
			return i
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if delSp && chars >= room && wide(r) {
			return i
		}
		i += n
		chars++
		if wide(r) {
			chars++
		}
		if r == ' ' && i < len(s) && s[i] != ' ' && s[:i] != sigSeparator && !strings.HasPrefix(s[i:], "-- ") {
			last = i
		}
	}
	if chars > room && last > 0 {
		return last
	}
	return len(s)
}

// wide tells whether r is of a script that is written without blanks and takes two columns.
func wide(r rune) bool {
	return 0x2E80 <= r && r <= 0x9FFF || 0xAC00 <= r && r <= 0xD7A3 || 0xF900 <= r && r <= 0xFAFF || 0xFF00 <= r && r <= 0xFF60 || 0x20000 <= r && r <= 0x3FFFD
}
