package wire

import (
	"bytes"
	"errors"
	"io"
)

// BarePolicy says what becomes of a CR or LF that stands alone in a body.
// Under every policy but BareLFLines a body ends at CRLF "." CRLF and nowhere
// else, and a dot is taken away only behind a true CRLF.
type BarePolicy uint8

const (
	// BareReject makes the body a SyntaxError (ErrBareCR, ErrBareLF).
	BareReject BarePolicy = iota
	// BareNormalise turns each into CRLF.
	BareNormalise
	// BarePass leaves each as it is.
	BarePass
	// BareLFLines is for peers that end lines with LF alone: a line ends
	// in LF or CRLF, the body at a line of one dot; lines are delivered
	// with CRLF, a CR elsewhere is data.
	BareLFLines
)

// DotOptions are the rules of a dot-stuffed body.
type DotOptions struct {
	Bare BarePolicy
	// MaxSize is the largest body in octets, dots taken away; unlimited
	// when zero.
	MaxSize int64
	// MaxLine is the longest line in octets with its line end; unlimited
	// when zero.
	MaxLine int
}

// DotReader reads a dot-stuffed body (RFC 5321 section 4.5.2, RFC 1939
// section 3) with the dots taken away and without the line that ends it.
//
// Read returns io.EOF at the body's end. A bare CR or LF under BareReject is a
// *SyntaxError and a body over a limit a *LimitError, either as soon as it is
// seen; Drain then goes on to the real end, so that nothing of the body is
// ever taken for a command. A stream that ends sooner is io.ErrUnexpectedEOF.
type DotReader struct {
	r     *Reader
	opts  DotOptions
	ready int    // octets at the window's front that are content as they are
	put   []byte // content to deliver before the window's
	bol   bool   // the window's front is the beginning of a line
	eof   bool
	err   error
	size  int64 // content found so far, delivered or ready
	line  int64 // content of the current line before the window's front
	span  int   // how far scan looks ahead behind a bare CR; 0 for all
}

// bareSpan is how far a scan looks behind a bare CR, the double with each scan
// that finds none: what lies between two of them is not looked at again and
// again.
const bareSpan = 64

// widen is the span for the scan after one that found no bare CR.
func widen(span int) int {
	if span *= 2; span > bulkBuffer {
		return 0
	}
	return span
}

var crlf = []byte("\r\n")

// DotBody begins a dot-stuffed body. Until it is read or drained to its end,
// Line answers ErrUnread.
func (r *Reader) DotBody(o DotOptions) *DotReader {
	r.poison()
	r.open = -1
	return &DotReader{r: r, opts: o, bol: true}
}

// Size is the number of octets of content found so far: of the whole body
// once Read returned io.EOF.
func (d *DotReader) Size() int64 { return d.size }

// next returns content, borrowed until the next call, of the window or
// injected, at most limit octets of it.
func (d *DotReader) next(limit int) ([]byte, error) {
	r := d.r
	r.poison()
	for {
		if n := len(d.put); n > 0 {
			n = min(n, limit)
			b := d.put[:n]
			d.put = d.put[n:]
			return b, nil
		}
		if d.ready > 0 {
			n := min(d.ready, limit)
			b := r.buf[r.r : r.r+n]
			r.borrow(r.r, r.r+n)
			r.r += n
			d.ready -= n
			return b, nil
		}
		if d.eof {
			return nil, io.EOF
		}
		if d.err != nil {
			return nil, d.err
		}
		if r.r == r.w && !d.fill() {
			return nil, d.err
		}
		d.scan()
	}
}

// fill reads more, into a large window from the beginning: a peer that sends a
// kilobyte would have it too, and nearly all bodies are longer than a line.
func (d *DotReader) fill() bool {
	if d.r.fill(bulkBuffer) {
		return true
	}
	d.err = d.r.failed()
	return false
}

// scan looks at the window, which is not empty, and moves what is content as
// it stands into ready. It consumes what is not content: stuffed dots, the
// end, and what the policy replaces.
func (d *DotReader) scan() {
	if d.bol && d.r.buf[d.r.r] == '.' {
		d.dot()
		return
	}
	b := d.r.buf[d.r.r:d.r.w]
	if d.span > 0 {
		b = b[:min(len(b), d.span)]
		d.span = widen(d.span)
	}
	strict := d.opts.Bare < BarePass
	i, lines := 0, 0
	bol := false
	bare := -1
	for i < len(b) {
		if bol && b[i] == '.' {
			break
		}
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			bol = false
			i = len(b)
			// A CR at the window's end waits for the octet behind it.
			if b[i-1] == '\r' {
				i--
			}
			break
		}
		if d.opts.MaxLine > 0 && !d.fits(i, j+1, lines == 0) {
			return
		}
		bol = i+j > 0 && b[i+j-1] == '\r'
		if !bol && d.opts.Bare != BarePass {
			if d.opts.Bare == BareLFLines && i+j == 0 {
				d.r.r++
				d.put, d.bol, d.line = crlf, true, 0
				d.count(2)
				return
			}
			bare = i + j
			i = bare
			break
		}
		i += j + 1
		lines++
	}
	if strict {
		// Every LF passed has its CR, so a CR too many is a bare one.
		if bytes.Count(b[:i], crlf[:1]) != lines {
			bare = bareCR(b[:i])
			i = bare
			bol = false
			d.span = bareSpan
		}
	}
	if d.opts.MaxLine > 0 && !d.fitsRest(b[:i]) {
		return
	}
	if i > 0 {
		d.ready = i
		d.bol = bol
		d.count(i)
		return
	}
	// The front is a bare LF, a CR, or a CR that ends the window.
	d.bare(bare)
}

// bare deals with the CR or LF at the window's front. at is 0 where it is
// known to be bare, and negative where what follows a CR has not come.
func (d *DotReader) bare(at int) {
	r := d.r
	if at < 0 {
		for r.w-r.r < 2 {
			if !d.fill() {
				return
			}
		}
		if r.buf[r.r+1] == '\n' {
			return
		}
		if d.opts.Bare >= BarePass {
			d.ready, d.bol = 1, false
			d.line++
			d.count(1)
			return
		}
	}
	kind, msg := ErrBareCR, "CR without LF in a body"
	if r.buf[r.r] == '\n' {
		kind, msg = ErrBareLF, "LF without CR in a body"
	}
	if d.opts.Bare == BareReject {
		d.err = &SyntaxError{Offset: r.Offset(), Msg: msg, Err: kind}
		return
	}
	r.r++
	d.put, d.bol, d.line = crlf, false, 0
	d.count(2)
}

// dot deals with a line that begins with a dot: the end of the body, or a
// stuffed dot to take away.
func (d *DotReader) dot() {
	r := d.r
	if !d.want(2) {
		return
	}
	switch r.buf[r.r+1] {
	case '\n':
		if d.opts.Bare == BareLFLines {
			d.end(2)
			return
		}
	case '\r':
		if !d.want(3) {
			return
		}
		if r.buf[r.r+2] == '\n' {
			d.end(3)
			return
		}
	}
	r.r++
	d.bol = false
}

func (d *DotReader) want(n int) bool {
	for d.r.w-d.r.r < n {
		if !d.fill() {
			return false
		}
	}
	return true
}

func (d *DotReader) end(n int) {
	d.r.r += n
	d.r.open = 0
	d.eof = true
}

func (d *DotReader) count(n int) {
	d.size += int64(n)
	if d.opts.MaxSize > 0 && d.size > d.opts.MaxSize && d.err == nil {
		d.err = &LimitError{What: "body", Limit: d.opts.MaxSize, Offset: d.r.Offset()}
		d.r.r += d.ready
		d.ready, d.put = 0, nil
	}
}

// fits checks the line of n octets at b[i] of the window; first says that it
// began before the window.
func (d *DotReader) fits(i, n int, first bool) bool {
	length := int64(n)
	if first {
		length += d.line
	}
	if length > int64(d.opts.MaxLine) {
		d.err = &LimitError{What: "body line", Limit: int64(d.opts.MaxLine), Offset: d.r.Offset() + int64(i)}
		return false
	}
	return true
}

// fitsRest notes the length of the line that b leaves unfinished.
func (d *DotReader) fitsRest(b []byte) bool {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		d.line = int64(len(b) - i - 1)
	} else {
		d.line += int64(len(b))
	}
	if d.line > int64(d.opts.MaxLine) {
		d.err = &LimitError{What: "body line", Limit: int64(d.opts.MaxLine), Offset: d.r.Offset()}
		return false
	}
	return true
}

// bareCR is the index of the first CR in b that no LF follows.
func bareCR(b []byte) int {
	for i := 0; ; {
		j := bytes.IndexByte(b[i:], '\r')
		if j < 0 {
			return len(b)
		}
		if i += j; i+1 == len(b) || b[i+1] != '\n' {
			return i
		}
		i++
	}
}

// Next returns content, at least an octet of it and uncopied, borrowed until the
// next call; io.EOF at the body's end.
func (d *DotReader) Next() ([]byte, error) { return d.next(bulkBuffer) }

// ErrNoLine is returned by DotReader.Line where Next or Read has to be used.
var ErrNoLine = errors.New("wire: the next line is not to be had at once")

// Line returns the next line without its line end, uncopied and borrowed until
// the next call, where that is simple: at the beginning of a line that ends as
// lines do, of less than limit octets with its CR, under BarePass or
// BareLFLines and without other limits. Else the error is ErrNoLine, and Next
// has what comes. It is io.EOF at the body's end.
func (d *DotReader) Line(limit int) ([]byte, error) {
	r := d.r
	r.poison()
	if d.eof {
		return nil, io.EOF
	}
	if !d.bol || d.ready > 0 || len(d.put) > 0 || d.err != nil || d.opts.Bare < BarePass || d.opts.MaxSize > 0 || d.opts.MaxLine > 0 {
		return nil, ErrNoLine
	}
	if r.r == r.w && !d.fill() {
		return nil, d.noLine()
	}
	if r.buf[r.r] == '.' {
		if d.dot(); d.eof {
			return nil, io.EOF
		}
		if d.err != nil {
			return nil, d.noLine()
		}
	}
	for scanned := 0; ; {
		window := r.buf[r.r:r.w]
		if i := bytes.IndexByte(window[scanned:], '\n'); i >= 0 {
			n := scanned + i
			line := window[:n]
			switch {
			case n >= limit:
				return nil, ErrNoLine
			case n > 0 && line[n-1] == '\r':
				line = line[:n-1]
			case d.opts.Bare != BareLFLines:
				return nil, ErrNoLine
			}
			r.r += n + 1
			r.borrow(r.r-n-1, r.r)
			d.size += int64(len(line)) + 2
			d.bol = true
			return line, nil
		}
		if scanned = len(window); scanned >= limit {
			return nil, ErrNoLine
		}
		if !d.fill() {
			return nil, d.noLine()
		}
	}
}

// noLine leaves an error of the stream to Next, which delivers first what came
// before it.
func (d *DotReader) noLine() error {
	d.err = nil
	return ErrNoLine
}

// Read reads content.
func (d *DotReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		// Having something, it does not wait for more.
		if n > 0 && d.ready == 0 && len(d.put) == 0 && d.r.w-d.r.r < 3 {
			return n, nil
		}
		b, err := d.next(len(p) - n)
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		n += copy(p[n:], b)
	}
	return n, nil
}

// WriteTo writes all content that is left to w, from the window and
// uncopied.
func (d *DotReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := d.next(bulkBuffer)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// Drain throws away what is left of the body, whatever it holds, up to its
// real end. Past limit octets it gives up with a *LimitError: the connection
// must end, as it must on every error of Drain.
func (d *DotReader) Drain(limit int64) error {
	if d.eof {
		d.ready, d.put = 0, nil
		return nil
	}
	if d.opts.Bare < BarePass {
		d.opts.Bare = BarePass
	}
	d.opts.MaxSize, d.opts.MaxLine = 0, 0
	// An error of the stream comes again where there is no more in the window.
	d.err = nil
	start := d.r.Offset()
	for {
		if _, err := d.next(bulkBuffer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if d.r.Offset()-start > limit {
			return &LimitError{What: "body", Limit: limit, Offset: start}
		}
	}
}
