package mime

// 8-bit bodies made fit for a 7-bit transport (RFC 6152 section 3), and the writing of messages stretch by stretch.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Downgraded is a message whose 8-bit bodies are encoded for a 7-bit transport. It is made over the message as it was and
// holds none of its bodies in memory.
type Downgraded struct {
	m       io.ReaderAt
	pieces  []piece
	size    int64
	eol     string
	changed bool
	high    bool
}

// A piece is a part of the outcome: octets, or else a range of the message or the body of a part.
type piece struct {
	start, end int64 // what it takes the place of
	octets     []byte
	part       *Part // its body, encoded anew
	encoding   string
	text       bool
	last       bool // nothing follows the body: the last line ending of the encoding stays
	ascii      bool // octets over 127 become question marks
}

// ErrSigned is matched by the error of Downgrade for 8-bit content that a signature or encryption covers (RFC 1847): it can
// only be sent as it is.
var ErrSigned = errors.New("signed or encrypted content can not be encoded anew")

// Downgrade makes of the message p, which m holds, one for a transport of 7 bits (RFC 6152 section 3): bodies with octets over
// 127, NUL, CR alone or lines of more than 998 octets are encoded as quoted-printable or base64, their
// Content-Transfer-Encoding is changed, and that of the entities around them becomes 7bit. Octets over 127 between the parts
// of a multipart, where no reader shows anything, become question marks. All else is kept: a message without such content
// octet by octet. Fields with octets over 127 are kept too (EightBitHeader tells).
//
// m is read once, and encoded bodies once more. What can not be encoded is an error: ErrSigned, content of message/rfc822 and
// message/partial that was not parsed, a boundary outside ASCII, and what Limits did not let Parse see.
func Downgrade(m io.ReaderAt, p *Part) (*Downgraded, error) {
	d := &Downgraded{m: m, eol: lineEnding(p.Header.Raw())}
	if len(bytes.TrimRight(p.Header.Raw(), "\r\n")) == 0 {
		d.eol = "\r\n"
	}
	w := downgrade{d: d, root: p, buf: make([]byte, copyBuffer)}
	if _, err := w.entity(p, false); err != nil {
		return nil, err
	}
	slices.SortStableFunc(w.changes, func(a, b piece) int { return cmp.Compare(a.start, b.start) })
	at := p.Start
	for _, c := range w.changes {
		if at < c.start {
			d.pieces = append(d.pieces, piece{start: at, end: c.start})
		}
		d.pieces = append(d.pieces, c)
		at = c.end
	}
	if at < p.End {
		d.pieces = append(d.pieces, piece{start: at, end: p.End})
	}
	d.changed = len(w.changes) > 0
	for i := range d.pieces {
		c := &d.pieces[i]
		if c.octets == nil && c.part == nil {
			d.size += c.end - c.start
		} else {
			var n counter
			if err := c.segment(d).writeTo(&n, w.buf); err != nil {
				return nil, err
			}
			d.size += int64(n)
		}
	}
	return d, nil
}

type downgrade struct {
	d       *Downgraded
	root    *Part
	changes []piece
	buf     []byte
}

// entity finds what has to change in p, and tells whether anything has. Its recursion is bounded by Limits.Depth.
func (w *downgrade) entity(p *Part, signed bool) (changed bool, err error) {
	for _, c := range p.Header.Raw() {
		if c > 127 {
			w.d.high = true
			break
		}
	}
	ct := p.ContentType()
	switch {
	case p.Message != nil:
		changed, err = w.entity(p.Message, signed)
	case len(p.Children) > 0:
		changed, err = w.multipart(p, ct, signed || ct.Is("multipart", "signed") || ct.Is("multipart", "encrypted"))
	default:
		return w.leaf(p, ct, signed)
	}
	if err != nil || !changed {
		return changed, err
	}
	switch e := p.Encoding(); {
	case equalFold(e, "8bit"), equalFold(e, "binary"):
		return true, w.label(p, "7bit", false)
	}
	return true, nil
}

func (w *downgrade) multipart(p *Part, ct ContentType, signed bool) (changed bool, err error) {
	at := p.BodyStart
	gap := func(end int64) error {
		s, err := w.survey(Range{at, end}.Reader(w.d.m))
		if err != nil || s.high == 0 {
			return err
		}
		b, _ := ct.Params.Raw("boundary")
		switch {
		case signed:
			return fmt.Errorf("mime: 8-bit octets from offset %d on: %w", at, ErrSigned)
		case slices.ContainsFunc([]byte(b), func(c byte) bool { return c > 127 }):
			return fmt.Errorf("mime: 8-bit boundary in the multipart at offset %d", p.Start)
		case slices.ContainsFunc(w.root.Defects, func(d Defect) bool { return d.Code == DefectLimitParts }):
			return fmt.Errorf("mime: 8-bit octets from offset %d on, in parts beyond the limit", at)
		}
		changed = true
		w.changes = append(w.changes, piece{start: at, end: end, ascii: true})
		return nil
	}
	for _, c := range p.Children {
		if err := gap(c.Start); err != nil {
			return false, err
		}
		inner, err := w.entity(c, signed)
		if err != nil {
			return false, err
		}
		changed = changed || inner
		at = c.End
	}
	return changed, gap(p.End)
}

func (w *downgrade) survey(r io.Reader) (s survey, err error) {
	_, err = io.CopyBuffer(&s, struct{ io.Reader }{r}, w.buf)
	s.done()
	return s, err
}

func (w *downgrade) leaf(p *Part, ct ContentType, signed bool) (bool, error) {
	s, err := w.survey(p.Raw(w.d.m))
	if err != nil {
		return false, err
	}
	if s.high == 0 && (signed || s.nul == 0 && s.bareCR == 0 && !s.long) {
		return false, nil
	}
	switch {
	case signed:
		return false, fmt.Errorf("mime: 8-bit body at offset %d: %w", p.BodyStart, ErrSigned)
	case ct.Is("message", "rfc822"), ct.Is("message", "partial"), ct.Is("message", "external-body"), ct.Is("multipart", ""):
		return false, fmt.Errorf("mime: 8-bit body of %s at offset %d has no 7-bit form", ct.MediaType(), p.BodyStart)
	}
	c := piece{start: p.BodyStart, end: p.End, part: p, last: p.End == w.root.End}
	c.text = s.nul == 0 && (ct.Is("text", "") || ct.Is("message", ""))
	_, blank := splitFields(p.Header.Raw())
	labelled := len(blank) > 0
	switch encodingOf(p.Encoding()) {
	case base64Encoding:
		c.encoding, c.text = "base64", false
	case quotedPrintable:
		c.encoding = "quoted-printable"
	default:
		c.encoding = "base64"
		if c.text {
			c.encoding = s.armour()
		}
		labelled = false
	}
	if !labelled {
		if err := w.label(p, c.encoding, true); err != nil {
			return false, err
		}
	}
	w.changes = append(w.changes, c)
	return true, nil
}

// label changes the Content-Transfer-Encoding of p. If its body is encoded, a blank line is put before it where none is: its
// first line could be taken for a field.
func (w *downgrade) label(p *Part, encoding string, encoded bool) error {
	e, err := NewEdit(w.d.m, p)
	if err != nil {
		return fmt.Errorf("mime: entity at offset %d: %w", p.Start, err)
	}
	if err := e.Set(StructuredField("Content-Transfer-Encoding", encoding)); err != nil {
		return err
	}
	if (p.Parent == nil || p.Parent.Message == p) && !p.Header.Has("MIME-Version") {
		if err := e.Append(StructuredField("MIME-Version", "1.0")); err != nil {
			return err
		}
	}
	if encoded && len(e.tail) == 0 {
		e.tail, e.changed = []byte(e.eol), true
	}
	w.changes = append(w.changes, piece{start: p.Start, end: p.BodyStart, octets: e.head()})
	return nil
}

// Changed tells whether the outcome differs from the message.
func (d *Downgraded) Changed() bool { return d.changed }

// EightBitHeader tells whether fields have octets over 127, which only a transport with SMTPUTF8 (RFC 6531) can carry.
func (d *Downgraded) EightBitHeader() bool { return d.high }

// Size returns the octets of the outcome.
func (d *Downgraded) Size() int64 { return d.size }

// WriteTo writes the outcome to w. It may be called any number of times.
func (d *Downgraded) WriteTo(w io.Writer) (int64, error) {
	n := countWriter{w: w}
	err := writeSegments(&n, d.segments())
	return n.n, err
}

// Reader returns a reader of the outcome, from its beginning.
func (d *Downgraded) Reader() io.Reader { return &segmentReader{segments: d.segments()} }

func (d *Downgraded) segments() []segment {
	l := make([]segment, len(d.pieces))
	for i := range l {
		l[i] = d.pieces[i].segment(d)
	}
	return l
}

func (c *piece) segment(d *Downgraded) segment {
	switch {
	case c.octets != nil:
		return segment{octets: c.octets}
	case c.part != nil:
		return segment{
			open: func() (io.Reader, error) { return c.part.Open(d.m), nil },
			encoder: func(w io.Writer) (io.WriteCloser, error) {
				lines := &eolWriter{w: w, eol: []byte(d.eol), last: c.last || c.encoding != "base64"}
				enc, err := NewEncoder(lines, c.encoding, c.text)
				return lineEncoder{enc, lines}, err
			},
		}
	}
	s := segment{open: func() (io.Reader, error) { return Range{c.start, c.end}.Reader(d.m), nil }}
	if c.ascii {
		s.encoder = func(w io.Writer) (io.WriteCloser, error) { return asciiWriter{w}, nil }
	}
	return s
}

// A segment is a stretch of a message that is written: octets, or content with an encoder.
type segment struct {
	octets  []byte
	open    func() (io.Reader, error)
	encoder func(io.Writer) (io.WriteCloser, error) // nil for none
}

// begin returns a reader of the segment's content and the encoder in front of w.
func (s *segment) begin(w io.Writer) (io.Reader, io.WriteCloser, error) {
	r, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	if s.encoder == nil {
		return r, nopCloser{w}, nil
	}
	enc, err := s.encoder(w)
	return r, enc, err
}

func (s segment) writeTo(w io.Writer, buf []byte) error {
	if s.open == nil {
		_, err := w.Write(s.octets)
		return err
	}
	r, enc, err := s.begin(w)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{enc}, struct{ io.Reader }{r}, buf); err != nil {
		return err
	}
	return enc.Close()
}

// copyBuffer is the octets that content is read with.
const copyBuffer = 16 << 10

func writeSegments(w io.Writer, l []segment) error {
	buf := make([]byte, copyBuffer)
	for _, s := range l {
		if err := s.writeTo(w, buf); err != nil {
			return err
		}
	}
	return nil
}

// A segmentReader reads what writeSegments writes.
type segmentReader struct {
	segments []segment
	out      bytes.Buffer
	in       []byte
	src      io.Reader
	enc      io.WriteCloser
	err      error
}

func (r *segmentReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for idle := 0; r.out.Len() == 0 && r.err == nil; idle++ {
		if idle == 1000 {
			r.err = io.ErrNoProgress
		} else {
			r.err = r.step()
		}
	}
	if r.out.Len() > 0 {
		return r.out.Read(p)
	}
	return 0, r.err
}

func (r *segmentReader) step() error {
	if r.enc == nil {
		if len(r.segments) == 0 {
			return io.EOF
		}
		s := &r.segments[0]
		r.segments = r.segments[1:]
		if s.open == nil {
			r.out.Write(s.octets)
			return nil
		}
		var err error
		r.src, r.enc, err = s.begin(&r.out)
		return err
	}
	if r.in == nil {
		r.in = make([]byte, 4096)
	}
	n, err := r.src.Read(r.in)
	if n > 0 {
		if _, err := r.enc.Write(r.in[:n]); err != nil {
			return err
		}
	}
	if err == io.EOF {
		err = r.enc.Close()
		r.enc = nil
	}
	return err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// countWriter counts what w takes.
type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// asciiWriter writes question marks for octets over 127.
type asciiWriter struct{ w io.Writer }

func (a asciiWriter) Write(p []byte) (int, error) {
	q := bytes.Clone(p)
	for i, c := range q {
		if c > 127 {
			q[i] = '?'
		}
	}
	return a.w.Write(q)
}

func (asciiWriter) Close() error { return nil }

// eolWriter stands behind an encoder and writes its line endings, CRLF which no two writes part, as the message has them; a last
// one only if last is set, for the delimiter that follows brings its own.
type eolWriter struct {
	w    io.Writer
	eol  []byte
	last bool
	held bool
	err  error
}

func (l *eolWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && l.err == nil {
		l.release()
		line := p
		i := bytes.Index(p, lineCRLF)
		if i >= 0 {
			line, p = p[:i], p[i+2:]
			l.held = true
		} else {
			p = nil
		}
		if l.err == nil {
			_, l.err = l.w.Write(line)
		}
	}
	if l.err != nil {
		return 0, l.err
	}
	return n, nil
}

func (l *eolWriter) release() {
	if l.held && l.err == nil {
		_, l.err = l.w.Write(l.eol)
	}
	l.held = false
}

// A lineEncoder is an encoder with the eolWriter behind it.
type lineEncoder struct {
	io.WriteCloser
	lines *eolWriter
}

func (e lineEncoder) Close() error {
	err := e.WriteCloser.Close()
	if err == nil && e.lines.last {
		e.lines.release()
		err = e.lines.err
	}
	return err
}
