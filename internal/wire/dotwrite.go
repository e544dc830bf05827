package wire

import (
	"bytes"
	"io"
)

// DotWriter writes a dot-stuffed body (RFC 5321 section 4.5.2). What is
// written to it may be cut anywhere. The octets go to the underlying writer
// in the longest runs there are, so that writer should buffer.
//
// Whatever the policy, no line that leaves begins with a single dot, be it
// that a line begins behind CR, LF or CRLF: nothing but Close can end the
// body. BareReject returns a *SyntaxError, after which the body can not be
// ended: the connection must be closed. BareLFLines is BareNormalise here.
type DotWriter struct {
	w      io.Writer
	policy BarePolicy
	offset int64
	cr     bool // the last octet was a CR that still waits for its LF
	bol    bool // a line begins, be it behind a CR, an LF or a CRLF
	ended  bool // what was written ends in CRLF, or is nothing
	closed bool
	span   int // how far run looks ahead behind a bare CR; 0 for all
	err    error
}

// NewDotWriter begins a body on w.
func NewDotWriter(w io.Writer, p BarePolicy) *DotWriter {
	if p == BareLFLines {
		p = BareNormalise
	}
	return &DotWriter{w: w, policy: p, bol: true, ended: true}
}

var (
	dot     = []byte(".")
	cr      = []byte("\r")
	dotCRLF = []byte(".\r\n")
)

func (d *DotWriter) put(b []byte) {
	if d.err != nil || len(b) == 0 {
		return
	}
	n, err := d.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	d.err = err
}

// Write writes content.
func (d *DotWriter) Write(p []byte) (int, error) {
	if d.closed {
		return 0, io.ErrClosedPipe
	}
	if d.err != nil {
		return 0, d.err
	}
	rest := p
	if d.cr && len(rest) > 0 {
		d.cr = false
		if rest[0] == '\n' {
			d.put(crlf)
			d.bol, d.ended = true, true
			rest = rest[1:]
			d.offset++
		} else {
			d.bareCR(d.offset - 1)
		}
	}
	for len(rest) > 0 && d.err == nil {
		rest = rest[d.run(rest):]
	}
	if d.err != nil {
		return 0, d.err
	}
	return len(p), nil
}

// run writes the longest run at b's front that needs no change but a dot
// before it, or deals with the bare CR or LF there; it returns how much of b
// is done with.
func (d *DotWriter) run(b []byte) int {
	if d.bol && b[0] == '.' {
		d.put(dot)
		d.bol = false
	}
	if d.span > 0 {
		b = b[:min(len(b), d.span)]
		d.span = widen(d.span)
	}
	i, lines := 0, 0
	bol := d.bol
	for i < len(b) {
		if bol && i > 0 && b[i] == '.' {
			break
		}
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			i, bol = len(b), false
			if b[i-1] == '\r' {
				i--
			}
			break
		}
		if i+j == 0 || b[i+j-1] != '\r' {
			i, bol = i+j, false
			break
		}
		i, bol = i+j+1, true
		lines++
	}
	if bytes.Count(b[:i], cr) != lines {
		i, bol = bareCR(b[:i]), false
		d.span = bareSpan
	}
	if i > 0 {
		d.put(b[:i])
		d.offset += int64(i)
		d.bol, d.ended = bol, bol
		return i
	}
	at := d.offset
	d.offset++
	if b[0] == '\n' {
		d.bareLF(at)
		return 1
	}
	// b begins with a CR: a bare one, or the last octet of b.
	if len(b) == 1 {
		d.cr = true
	} else {
		d.bareCR(at)
	}
	return 1
}

func (d *DotWriter) bareCR(at int64) {
	switch d.policy {
	case BareReject:
		d.err = &SyntaxError{Offset: at, Msg: "CR without LF in a body", Err: ErrBareCR}
	case BarePass:
		d.put(cr)
	default:
		d.put(crlf)
	}
	d.bol, d.ended = true, d.policy != BarePass
}

func (d *DotWriter) bareLF(at int64) {
	switch d.policy {
	case BareReject:
		d.err = &SyntaxError{Offset: at, Msg: "LF without CR in a body", Err: ErrBareLF}
	case BarePass:
		d.put(crlf[1:])
	default:
		d.put(crlf)
	}
	d.bol, d.ended = true, d.policy != BarePass
}

// Close ends the last line, where it has no end, and the body. It does not
// close or flush the underlying writer.
func (d *DotWriter) Close() error {
	if d.closed {
		return d.err
	}
	if d.cr {
		d.cr = false
		d.bareCR(d.offset - 1)
	}
	d.closed = true
	if !d.ended {
		d.put(crlf)
	}
	d.put(dotCRLF)
	return d.err
}
