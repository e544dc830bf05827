package mbox

// Reading: one buffer that slides over the file, and the message under it.

import (
	"bytes"
	"io"
	"iter"
	"time"
)

// A Reader reads the messages of a file in order.
type Reader struct {
	src     io.Reader
	at      io.ReaderAt // the file, where it can be read at will
	base    int64       // the offset in at where src began
	buf     []byte
	tail    []byte // what stands behind a counted body in at
	r, w    int
	off     int64 // of buf[r] in the file
	eof     bool
	err     error // of src; sticks
	variant Variant
	raw     bool
	lim     Limits

	started bool
	cur     *Message
	st      state
}

// state is where the Reader stands in the current message.
type state struct {
	done      bool
	header    bool
	lineStart bool
	blank     bool   // the line before was blank
	pending   []byte // a blank line's octets that were read and may be the separator: "\n" or "\r\n"
	held      bool   // the '>' that began the line is not delivered yet
	whole     bool   // the message is all there is: no line is a separator
	hasLength bool
	length    int64
	exact     bool  // the body is counted, and remaining octets of it are left
	remaining int64 // octets
}

// NewReader returns a Reader of the file in r, from where r stands. If r is an io.ReaderAt and an io.Seeker, as an *os.File and a
// *bytes.Reader are, a Content-Length is believed only if the file goes on as it should behind it, wherever that is. In other
// streams it is checked if it ends within Limits.Window, and believed beyond. r must not be used while the Reader is.
func NewReader(r io.Reader, o *Options) *Reader {
	if o == nil {
		o = &Options{}
	}
	m := &Reader{src: r, variant: o.Variant, raw: o.Raw, lim: o.Limits.defaults()}
	m.buf = make([]byte, m.lim.Window)
	if at, ok := r.(io.ReaderAt); ok {
		if s, ok := r.(io.Seeker); ok {
			if base, err := s.Seek(0, io.SeekCurrent); err == nil {
				m.at, m.base = at, base
			}
		}
	}
	return m
}

// Variant returns the variant that is read. Before the first message of a file read with Auto it is Auto.
func (r *Reader) Variant() Variant { return r.variant }

// A Message is one message of a file. It reads as the message's octets, quoting undone, line endings as in the file, without the
// blank line behind it. It is valid until the next step of the iteration; what was not read is passed over.
type Message struct {
	// Sender is the From_ line's sender as it stands; it may be empty, or "-".
	Sender string
	// Date is the From_ line's date, in UTC where it names no zone, or the zero time where there is none.
	Date time.Time
	// FromLine is the From_ line as it stands, without its line ending.
	FromLine string
	// Offset is where the From_ line begins, and Start where the message does, in octets from where the Reader began. A
	// Content-Length field that stands first, as a Writer of MboxCL and MboxCL2 puts it, is before Start unless Options.Raw is set.
	Offset, Start int64
	// ContentLength is the value of the first Content-Length field, or -1; known when the header has been read. Only MboxCL and
	// MboxCL2 have it.
	ContentLength int64
	// WrongLength tells that ContentLength is not the body's length, and that From_ lines were looked for instead; known at the end.
	WrongLength bool

	r   *Reader
	end int64
	err error
	out []byte // read from the buffer, not yet delivered
}

// End returns where the message ends in the file: the offset behind its last octet, in octets from where the Reader began. Before
// the message has been read to its end it is -1. Start to End is the message as it is stored, and OpenRange reads it again.
func (m *Message) End() int64 { return m.end }

// Read reads the message. Behind its end, and when the iteration has gone on, the error is io.EOF; other errors are those of the
// file's io.Reader.
func (m *Message) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		if m.r == nil {
			return 0, io.EOF
		}
		m.out, m.err = m.r.next()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// WriteTo writes the rest of the message to w.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for {
		if len(m.out) > 0 {
			k, err := w.Write(m.out)
			n += int64(k)
			m.out = m.out[k:]
			if err != nil {
				return n, err
			}
		}
		switch {
		case m.err == io.EOF || m.err == nil && m.r == nil:
			return n, nil
		case m.err != nil:
			return n, m.err
		}
		m.out, m.err = m.r.next()
	}
}

// Messages yields the messages in order. A *SyntaxError without a message tells of octets before the first From_ line; the
// iteration can go on behind it. Any other error is of the file's io.Reader and ends it. Breaking out is fine; a later call goes on
// with the message behind the last one.
func (r *Reader) Messages() iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for {
			m, err := r.Next()
			if err == io.EOF {
				return
			}
			if !yield(m, err) {
				return
			}
			if _, ok := err.(*SyntaxError); err != nil && !ok {
				return
			}
		}
	}
}

// Next returns the next message, passing over what is left of the one before. At the file's end the error is io.EOF; else it is as
// Messages says.
func (r *Reader) Next() (*Message, error) {
	if !r.started {
		r.started = true
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	if m := r.cur; m != nil {
		m.out = nil
		for m.err == nil {
			_, m.err = r.next()
		}
		r.cur, m.r = nil, nil
		if m.err != io.EOF {
			return nil, m.err
		}
	}
	if !r.fill(1) {
		return nil, r.end()
	}
	line, n := r.fromLine()
	if line == nil {
		return nil, r.end() // unreachable: a message ends before a From_ line
	}
	m := &Message{r: r, Offset: r.off, FromLine: string(line), ContentLength: -1, end: -1}
	m.Sender, m.Date, _ = parseFromLine(m.FromLine)
	r.advance(n)
	m.Start = r.off
	r.cur = m
	r.st = state{header: true, lineStart: true}
	if r.variant.counted() {
		r.leadingLength(m)
	}
	return m, nil
}

// end is the error at the end of the octets.
func (r *Reader) end() error {
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

var bom = []byte("\xef\xbb\xbf")

// begin goes to the first From_ line, and decides the variant.
func (r *Reader) begin() error {
	if r.fill(len(bom)); bytes.HasPrefix(r.buf[r.r:r.w], bom) {
		r.advance(len(bom))
	}
	start, junk := r.off, false
	for first := true; ; first = false {
		// Blank lines go for themselves.
		for r.fill(2) || r.w > r.r {
			n := r.blankLine()
			if n == 0 {
				break
			}
			r.advance(n)
			first = true
		}
		if r.w == r.r {
			break
		}
		if r.separator(first) {
			break
		}
		junk = true
		for {
			i := bytes.IndexByte(r.buf[r.r:r.w], '\n')
			if i >= 0 {
				r.advance(i + 1)
				break
			}
			r.advance(r.w - r.r)
			if !r.fill(1) {
				break
			}
		}
	}
	if r.variant == Auto && r.w > r.r {
		r.fill(len(r.buf))
		r.variant = r.detect()
	}
	if junk {
		if r.w == r.r {
			if r.err != nil {
				return r.err
			}
			return &SyntaxError{start, "a From_ line expected, and none is in the file"}
		}
		return &SyntaxError{start, "a From_ line expected; what stands before the first one is passed over"}
	}
	return nil
}

// fill sees to n octets in the buffer, or as many as there are; it tells whether there are n.
func (r *Reader) fill(n int) bool {
	if r.w-r.r >= n {
		return true
	}
	if r.eof {
		return false
	}
	if r.r > 0 && r.r+n > len(r.buf) {
		copy(r.buf, r.buf[r.r:r.w])
		r.w -= r.r
		r.r = 0
	}
	for stuck := 0; r.w-r.r < n && !r.eof; {
		k, err := r.src.Read(r.buf[r.w:])
		r.w += k
		if err != nil {
			r.eof = true
			if err != io.EOF {
				r.err = err
			}
		}
		if k > 0 {
			stuck = 0
		} else if stuck++; err == nil && stuck == 100 {
			r.eof, r.err = true, io.ErrNoProgress
		}
	}
	return r.w-r.r >= n
}

func (r *Reader) advance(n int) {
	r.r += n
	r.off += int64(n)
}

// blankLine is the length of the line ending at the beginning of the buffer, or 0.
func (r *Reader) blankLine() int { return eolLen(r.buf[r.r:r.w]) }

func eolLen(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// headerAhead is how many octets behind a From_ line tell whether a header begins there.
const headerAhead = 82

// fromLine returns the line at the beginning of the buffer if it can be a From_ line, and its length with its line ending.
func (r *Reader) fromLine() ([]byte, int) {
	r.fill(r.lim.FromLine + 2 + headerAhead)
	return cutFromLine(r.buf[r.r:r.w], r.lim.FromLine, r.eof)
}

func cutFromLine(b []byte, limit int, eof bool) ([]byte, int) {
	if !bytes.HasPrefix(b, []byte(fromPrefix)) {
		return nil, 0
	}
	line, n := b, len(b)
	if i := bytes.IndexByte(b[:min(len(b), limit+2)], '\n'); i >= 0 {
		line, n = b[:i], i+1
	} else if len(b) > limit || !eof {
		return nil, 0
	}
	return bytes.TrimSuffix(line, []byte("\r")), n
}

// isSeparator tells whether a From_ line begins b; blank is whether a blank line or nothing precedes it, and eof whether nothing
// follows b.
func isSeparator(b []byte, limit int, blank, eof bool) bool {
	line, n := cutFromLine(b, limit, eof)
	if line == nil || len(line) > limit {
		return false
	}
	switch sender, _, kind := parseFromLine(string(line)); kind {
	case fromFull:
		return true
	case fromWeak:
		rest := b[n:]
		rest = rest[:min(len(rest), headerAhead)]
		if sender == "-" && fieldLike(rest) {
			return true
		}
		return blank && (eolLen(rest) > 0 || len(rest) == 0 && eof || fieldLike(rest))
	}
	return false
}

func (r *Reader) separator(blank bool) bool {
	if !r.fill(len(fromPrefix)) || !bytes.HasPrefix(r.buf[r.r:], []byte(fromPrefix)) {
		return false
	}
	r.fill(r.lim.FromLine + 2 + headerAhead)
	return isSeparator(r.buf[r.r:r.w], r.lim.FromLine, blank, r.eof)
}

const lengthName = "content-length:"

// maxLengthField is the longest Content-Length field that is read, in octets.
const maxLengthField = 80

// lengthField reads a Content-Length field at the beginning of b; n is its length with its line ending, or 0 if it is none.
func lengthField(b []byte) (length int64, n int) {
	if len(b) < len(lengthName) || !bytes.EqualFold(b[:len(lengthName)], []byte(lengthName)) {
		return 0, 0
	}
	end := bytes.IndexByte(b[:min(len(b), maxLengthField)], '\n')
	if end < 0 {
		return 0, 0
	}
	v := bytes.TrimSpace(b[len(lengthName):end])
	if len(v) == 0 || len(v) > 18 {
		return 0, 0
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, 0
		}
		length = length*10 + int64(c-'0')
	}
	return length, end + 1
}

// leadingLength takes the Content-Length that a Writer puts first.
func (r *Reader) leadingLength(m *Message) {
	r.fill(maxLengthField)
	if length, n := lengthField(r.buf[r.r:r.w]); n > 0 {
		m.ContentLength = length
		r.st.hasLength, r.st.length = true, length
		if !r.raw {
			r.advance(n)
			m.Start = r.off
		}
	}
}

// finish ends the current message; its last octet is behind it by back octets.
func (r *Reader) finish(back int) ([]byte, error) {
	r.st.done = true
	r.cur.end = r.off - int64(back)
	if r.w == r.r && r.err != nil {
		return nil, r.err
	}
	return nil, io.EOF
}

var quote = []byte(">")

// next returns octets of the current message, borrowed from the buffer, or the error at its end.
func (r *Reader) next() ([]byte, error) {
	s := &r.st
	for {
		switch {
		case s.done:
			return nil, r.end()
		case s.exact && s.remaining == 0:
			if b, ended, err := r.counted(); ended || b != nil {
				return b, err
			}
			continue
		}
		if !r.fill(1) {
			if s.held {
				s.held = false
				return quote, nil
			}
			if p := s.pending; p != nil && s.whole {
				s.pending = nil
				return p, nil
			}
			if s.exact {
				r.cur.WrongLength = true
			}
			return r.finish(len(s.pending))
		}
		if s.lineStart && !s.held {
			if b, ended, err := r.line(); ended || b != nil {
				return b, err
			}
			if r.w == r.r || s.lineStart {
				continue
			}
		}
		if s.held {
			if b := r.quoted(); b != nil {
				return b, nil
			}
			continue
		}
		return r.text(), nil
	}
}

// text returns octets up to a line that needs a look, and goes behind them. There is one octet at least, in the midst of a line.
func (r *Reader) text() []byte {
	s := &r.st
	b := r.buf[r.r:r.w]
	if s.exact && int64(len(b)) > s.remaining {
		b = b[:s.remaining]
	}
	n := 0
	s.lineStart = false
	if s.exact && r.variant == MboxCL2 {
		n = len(b) // nothing in it is ours
		s.lineStart = b[n-1] == '\n'
	} else {
		for n < len(b) {
			i := bytes.IndexByte(b[n:], '\n')
			if i < 0 {
				n = len(b)
				break
			}
			n += i + 1
			if s.lineStart = n == len(b); s.lineStart {
				break
			}
			if c := b[n]; c == 'F' || c == '>' || c == '\n' || c == '\r' || s.header && c|0x20 == 'c' {
				s.lineStart = true
				break
			}
		}
	}
	r.take(n)
	s.blank = false
	return b[:n]
}

// line looks at the beginning of a line. It returns octets to deliver, or that the message has ended, or neither, and then
// lineStart tells whether there is another line to look at.
func (r *Reader) line() (b []byte, ended bool, err error) {
	s := &r.st
	if !s.exact && !s.whole && r.separator(s.blank) {
		b, err = r.finish(len(s.pending))
		return b, true, err
	}
	if s.pending != nil {
		// It was no separator. The end of the header is where a body's length counts from.
		b, s.pending = s.pending, nil
		if s.header {
			s.header = false
			if s.hasLength {
				r.count()
			}
		}
		return b, false, nil
	}
	r.fill(2)
	if n := r.blankLine(); n > 0 && !s.exact {
		s.pending = eols[n]
		s.blank = true
		r.advance(n)
		if s.header && s.hasLength && s.length > 0 {
			b, s.pending, s.header = s.pending, nil, false
			r.count()
			return b, false, nil
		}
		return nil, false, nil
	}
	if s.header && !s.whole && r.variant.counted() && !s.hasLength && r.buf[r.r]|0x20 == 'c' {
		r.fill(maxLengthField)
		if length, n := lengthField(r.buf[r.r:r.w]); n > 0 {
			r.cur.ContentLength = length
			s.hasLength, s.length = true, length
		}
	}
	s.lineStart = false
	if r.buf[r.r] == '>' && !r.raw && (r.variant != MboxCL2 || s.header) {
		s.held = true
		r.take(1)
	}
	return nil, false, nil
}

var eols = [...][]byte{1: []byte("\n"), 2: []byte("\r\n")}

// rd tells whether any number of '>' may stand before a quoted From_ line. In the header of an mboxcl2 message the Writer
// quotes too, for the header is not counted.
func (r *Reader) rd() bool { return r.variant == MboxRD || r.variant == MboxCL2 }

// quoted goes through the '>' octets at a line's beginning, the first of which is held back, and finds whether "From " follows
// them: then the one held back is the quote, and is dropped. nil means that nothing is to be delivered.
func (r *Reader) quoted() []byte {
	s := &r.st
	b := r.buf[r.r:r.w]
	if s.exact {
		b = b[:min(int64(len(b)), s.remaining)]
	}
	n := 0
	for r.rd() && n < len(b) && b[n] == '>' {
		n++
	}
	if n > 0 {
		r.take(n)
		return b[:n]
	}
	s.held = false
	if r.fill(len(fromPrefix)) && bytes.HasPrefix(r.buf[r.r:], []byte(fromPrefix)) && (!s.exact || s.remaining >= int64(len(fromPrefix))) {
		return nil
	}
	return quote
}

// take goes behind n octets of the message.
func (r *Reader) take(n int) {
	r.advance(n)
	if r.st.exact {
		r.st.remaining -= int64(n)
	}
}

// count decides, at the beginning of the body, whether its Content-Length is to be believed.
func (r *Reader) count() {
	s := &r.st
	if r.lengthRight() {
		s.exact, s.remaining = true, s.length
	} else {
		r.cur.WrongLength = true
	}
}

// tailSize is how many octets behind a body tell whether its length is right.
func (r *Reader) tailSize() int { return r.lim.FromLine + 6 + headerAhead }

func (r *Reader) lengthRight() bool {
	s := &r.st
	if s.length > 1<<62 {
		return false
	}
	if r.at != nil {
		return r.rightAt(r.off, s.length)
	}
	need := s.length + int64(r.tailSize())
	if need > int64(len(r.buf)) {
		if r.fill(len(r.buf)); r.eof {
			if s.length > int64(r.w-r.r) {
				return false
			}
			return goesOn(r.buf[r.r+int(s.length):r.w], r.lim.FromLine, true)
		}
		return true
	}
	r.fill(int(need))
	if s.length > int64(r.w-r.r) {
		return false
	}
	return goesOn(r.buf[r.r+int(s.length):r.w], r.lim.FromLine, r.eof)
}

// rightAt is lengthRight for a body at off in a file that can be read at will.
func (r *Reader) rightAt(off, length int64) bool {
	if r.tail == nil {
		r.tail = make([]byte, r.tailSize())
	}
	b := r.tail
	n, err := r.at.ReadAt(b, r.base+off+length)
	if n == 0 && err == io.EOF && length > 0 {
		// The body ends at the file's end, or would beyond it.
		k, _ := r.at.ReadAt(b[:1], r.base+off+length-1)
		return k == 1
	}
	if err != nil && err != io.EOF {
		return true // the same error will be met on the way
	}
	return goesOn(b[:n], r.lim.FromLine, n < len(b))
}

// goesOn tells whether b is what stands behind a counted body: at most two line endings, then a From_ line or the file's end.
func goesOn(b []byte, limit int, eof bool) bool {
	for range 2 {
		b = b[eolLen(b):]
	}
	if len(b) == 0 {
		return eof
	}
	return isSeparator(b, limit, true, eof)
}

// counted ends a message whose body has been delivered by its length, unless the length was wrong and more follows.
func (r *Reader) counted() (b []byte, ended bool, err error) {
	s := &r.st
	if s.held {
		s.held = false
		return quote, false, nil
	}
	r.fill(r.tailSize())
	if !goesOn(r.buf[r.r:r.w], r.lim.FromLine, r.eof) {
		s.exact = false
		r.cur.WrongLength = true
		return nil, false, nil
	}
	b, err = r.finish(0)
	for range 2 {
		r.advance(r.blankLine())
	}
	return b, true, err
}

// detect decides the variant of the file by what is in the buffer, which begins with a From_ line.
func (r *Reader) detect() Variant {
	b := r.buf[r.r:r.w]
	var right, wrong int
	var bare, quoted bool
	for len(b) > 0 {
		_, n := cutFromLine(b, r.lim.FromLine, r.eof)
		if n == 0 {
			break
		}
		b = b[n:]
		length, known := int64(0), false
		header := true
		for len(b) > 0 && header {
			if l, k := lengthField(b); k > 0 && !known {
				length, known = l, true
			}
			header = eolLen(b) == 0
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				b = nil
				break
			}
			b = b[i+1:]
		}
		if header {
			break
		}
		if known && length <= int64(len(b)) {
			if tail := b[length:]; goesOn(tail, r.lim.FromLine, r.eof) {
				right++
				for line := range bytes.Lines(b[:length]) {
					bare = bare || bytes.HasPrefix(line, []byte(fromPrefix))
					quoted = quoted || bytes.HasPrefix(line, []byte(">"+fromPrefix))
				}
				b = tail[eolLen(tail):]
				b = b[eolLen(b):]
				continue
			} else if len(tail) >= r.tailSize() || r.eof {
				wrong++
			}
		} else if known && r.at != nil {
			if r.rightAt(r.off+int64(r.w-r.r-len(b)), length) {
				right++
				bare = bare || bytes.Contains(b, []byte("\n"+fromPrefix))
				quoted = quoted || bytes.Contains(b, []byte("\n>"+fromPrefix))
				break
			}
			wrong++
		} else if known && r.eof {
			wrong++
		}
		blank := true
		for len(b) > 0 && !isSeparator(b, r.lim.FromLine, blank, r.eof) {
			blank = eolLen(b) > 0
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				b = nil
				break
			}
			b = b[i+1:]
		}
	}
	switch {
	case right == 0 || wrong > 0 && !bare:
		return MboxRD
	case quoted && !bare:
		return MboxCL
	}
	return MboxCL2
}

// OpenRange returns a reader of a message in f that a Reader found, from its Start to its End, with quoting undone as the variant
// has it (Reader.Variant; Auto is MboxRD). Start and End count from where the Reader began, so f must too.
func OpenRange(f io.ReaderAt, start, end int64, v Variant) io.Reader {
	if v == Auto {
		v = MboxRD
	}
	r := &Reader{src: io.NewSectionReader(f, start, end-start), variant: v, lim: Limits{}.defaults(), started: true}
	r.buf = make([]byte, min(int64(r.lim.Window), max(end-start, 512)))
	r.st = state{header: true, lineStart: true, whole: true}
	m := &Message{r: r, Start: start, ContentLength: -1, end: end}
	r.cur = m
	return m
}
