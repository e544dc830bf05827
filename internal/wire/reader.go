package wire

import (
	"bytes"
	"io"
	"sync"
)

// LineMode says what ends a line.
type LineMode uint8

const (
	// LineCRLF: lines end in CRLF. A bare LF ends the line too, so that the
	// fault is seen at once, but the line is a SyntaxError (ErrBareLF); a
	// bare CR makes it one as well (ErrBareCR).
	LineCRLF LineMode = iota
	// LineLF: lines end in LF, with or without a CR before it; any other CR
	// is data. For peers that cannot do better.
	LineLF
)

// Options are the limits of a Reader. The zero value has safe defaults.
type Options struct {
	// MinBuffer is the size of the window of an idle Reader, in octets;
	// 1024 when zero.
	MinBuffer int
	// MaxLine is the longest line, in octets with its line end, where a
	// call of Line names no limit of its own; 64 KiB when zero.
	MaxLine int
	// MaxSkip bounds what is thrown away of a line that was too long before
	// the next line begins, in octets; 1 MiB when zero. Past it the Reader
	// fails for good.
	MaxSkip int64
	// Lines says what ends a line.
	Lines LineMode
}

const (
	defaultMinBuffer = 1024
	defaultMaxLine   = 64 << 10
	defaultMaxSkip   = 1 << 20
	bulkBuffer       = 32 << 10
)

// windows holds windows of bulkBuffer octets: a connection has one only while
// it carries a body or a long line.
var windows = sync.Pool{New: func() any { return new([bulkBuffer]byte) }}

// Reader is a window over an io.Reader. It grows with what arrives, up to the
// limit of the frame that is read, and shrinks back when the next line is
// waited for. A Reader must not be used by two goroutines at once.
//
// Errors of the underlying reader stick. An EOF in the middle of a frame is
// io.ErrUnexpectedEOF.
type Reader struct {
	src    io.Reader
	opts   Options
	buf    []byte
	pooled *[bulkBuffer]byte
	r, w   int   // the window is buf[r:w]
	base   int64 // offset of buf[0] in the stream
	err    error // sticky
	skip   bool  // the rest of a too long line is in front
	open   int64 // octets of the open literal not yet read, or -1 for an open body

	borrowedFrom, borrowedTo int
}

// NewReader returns a Reader of src.
func NewReader(src io.Reader, o Options) *Reader {
	if o.MinBuffer <= 0 {
		o.MinBuffer = defaultMinBuffer
	}
	o.MinBuffer = max(o.MinBuffer, 16)
	if o.MaxLine <= 0 {
		o.MaxLine = defaultMaxLine
	}
	if o.MaxSkip <= 0 {
		o.MaxSkip = defaultMaxSkip
	}
	return &Reader{src: src, opts: o}
}

// Reset throws away what is buffered and every error, and reads from src.
// Offsets begin at zero again.
func (r *Reader) Reset(src io.Reader) {
	r.release()
	*r = Reader{src: src, opts: r.opts, buf: r.buf}
}

// SetLines changes what ends a line from the next call on.
func (r *Reader) SetLines(m LineMode) { r.opts.Lines = m }

// Offset is the number of octets consumed since the Reader began.
func (r *Reader) Offset() int64 { return r.base + int64(r.r) }

// Buffered is the number of octets that arrived and were not yet consumed.
func (r *Reader) Buffered() int { return r.w - r.r }

// Err is the sticky error, nil while the Reader can go on.
func (r *Reader) Err() error { return r.err }

// release gives a pooled window back, with nothing in it that is needed.
func (r *Reader) release() {
	if r.pooled != nil {
		windows.Put(r.pooled)
		r.pooled, r.buf = nil, nil
		r.r, r.w = 0, 0
	}
}

// idle shrinks an empty window before the Reader waits for a new line.
func (r *Reader) idle() {
	if r.r != r.w || len(r.buf) <= r.opts.MinBuffer {
		return
	}
	r.base += int64(r.r)
	if r.pooled != nil {
		r.release()
	}
	r.buf, r.r, r.w = nil, 0, 0
}

// room makes place for at least one octet behind the window, in a window of
// want octets where that is larger than what there is.
func (r *Reader) room(want int) {
	if r.r == r.w {
		r.base += int64(r.r)
		r.r, r.w = 0, 0
	}
	if len(r.buf) < want || len(r.buf) == 0 {
		r.resize(want)
		return
	}
	if r.w < len(r.buf) {
		return
	}
	if r.r > 0 && r.w-r.r <= len(r.buf)/2 {
		copy(r.buf, r.buf[r.r:r.w])
		r.base += int64(r.r)
		r.w -= r.r
		r.r = 0
		return
	}
	// There is likely more than so little.
	r.resize(max(2*len(r.buf), defaultMinBuffer))
}

func (r *Reader) resize(size int) {
	var buf []byte
	var pooled *[bulkBuffer]byte
	if size > bulkBuffer/4 && size <= bulkBuffer {
		pooled = windows.Get().(*[bulkBuffer]byte)
		buf = pooled[:]
	} else {
		buf = make([]byte, max(size, r.opts.MinBuffer))
	}
	n := copy(buf, r.buf[r.r:r.w])
	base := r.base + int64(r.r)
	r.release()
	r.buf, r.pooled = buf, pooled
	r.r, r.w, r.base = 0, n, base
}

// fill reads once more from the source, into a window of at least want
// octets. It reports whether octets came; if not, r.err is set.
func (r *Reader) fill(want int) bool {
	if r.err != nil {
		return false
	}
	r.room(want)
	for range 100 {
		n, err := r.src.Read(r.buf[r.w:])
		if n < 0 || n > len(r.buf)-r.w {
			panic("wire: reader returned an impossible count")
		}
		r.w += n
		if err != nil {
			r.err = err
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	r.err = io.ErrNoProgress
	return false
}

// bulk is the window wanted for a frame of which got octets came and left are
// to come: large once the peer has shown that it sends.
func (r *Reader) bulk(got, left int64) int {
	if got < int64(max(len(r.buf), r.opts.MinBuffer)) {
		return 0
	}
	return int(min(left, bulkBuffer))
}

// failed is the error of a frame that the source ended in.
func (r *Reader) failed() error {
	if r.err == io.EOF {
		r.err = io.ErrUnexpectedEOF
	}
	return r.err
}

// Line reads one line and returns it without its line end. The bytes are
// borrowed until the next call. limit is the longest line in octets with its
// line end; zero stands for Options.MaxLine.
//
// At the end of the stream, between lines, the error is io.EOF. A
// *SyntaxError (a bare CR or LF) and a *LimitError cost this line alone: the
// next call goes on behind it. A LimitError is returned before the line's end
// has come; that line can still be looked at by Peek, and is thrown away by the
// next call.
func (r *Reader) Line(limit int) ([]byte, error) {
	r.poison()
	if r.open != 0 {
		return nil, ErrUnread
	}
	if limit <= 0 {
		limit = r.opts.MaxLine
	}
	if r.skip {
		if err := r.skipLine(); err != nil {
			return nil, err
		}
	}
	r.idle()
	scanned := 0
	for {
		window := r.buf[r.r:r.w]
		if i := bytes.IndexByte(window[scanned:], '\n'); i >= 0 {
			n := scanned + i + 1
			if n <= limit {
				return r.line(window[:n])
			}
			scanned = n
		} else {
			scanned = len(window)
		}
		if scanned >= limit {
			r.skip = true
			return nil, &LimitError{What: "line", Limit: int64(limit), Offset: r.Offset()}
		}
		if !r.fill(0) {
			if scanned == 0 {
				return nil, r.err
			}
			return nil, r.failed()
		}
	}
}

// line consumes raw, a line with its LF, and checks its line end.
func (r *Reader) line(raw []byte) ([]byte, error) {
	at := r.Offset()
	r.r += len(raw)
	line := raw[:len(raw)-1]
	crlf := len(line) > 0 && line[len(line)-1] == '\r'
	if crlf {
		line = line[:len(line)-1]
	}
	if r.opts.Lines == LineCRLF {
		if i := bytes.IndexByte(line, '\r'); i >= 0 {
			return nil, &SyntaxError{Offset: at + int64(i), Msg: "CR without LF in a line", Err: ErrBareCR}
		}
		if !crlf {
			return nil, &SyntaxError{Offset: at + int64(len(line)), Msg: "line ends in LF without CR, expected CRLF", Err: ErrBareLF}
		}
	}
	r.borrow(r.r-len(raw), r.r)
	return line, nil
}

// skipLine throws away the rest of a too long line.
func (r *Reader) skipLine() error {
	for left := r.opts.MaxSkip; ; {
		window := r.buf[r.r:r.w]
		if i := bytes.IndexByte(window, '\n'); i >= 0 {
			r.r += i + 1
			r.skip = false
			return nil
		}
		r.r = r.w
		if left -= int64(len(window)); left <= 0 {
			if r.err == nil {
				r.err = &LimitError{What: "line", Limit: r.opts.MaxSkip, Offset: r.Offset()}
			}
			return r.err
		}
		if !r.fill(0) {
			return r.failed()
		}
	}
}

// Peek returns the next n octets without consuming them, borrowed until the
// next call. Fewer come with the error that ended the stream.
func (r *Reader) Peek(n int) ([]byte, error) {
	r.poison()
	for r.w-r.r < n {
		if !r.fill(min(n, 2*(r.w-r.r)+16)) {
			return r.buf[r.r:r.w], r.err
		}
	}
	return r.buf[r.r : r.r+n], nil
}

// Read reads raw octets, those buffered first. It is for a connection that
// leaves the protocol (hijacked, proxied) and for counted bodies.
func (r *Reader) Read(p []byte) (int, error) {
	r.poison()
	if len(p) == 0 {
		return 0, nil
	}
	if r.r == r.w {
		if r.err != nil {
			return 0, r.err
		}
		if len(p) >= bulkBuffer/2 {
			n, err := r.src.Read(p)
			r.base += int64(n)
			if err != nil {
				r.err = err
			}
			return n, err
		}
		if !r.fill(0) {
			return 0, r.err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}
