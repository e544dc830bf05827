package mime

// Messages changed in places: fields of a header, and 8-bit bodies made fit for a 7-bit transport (RFC 6152 section 3).
// Every other octet stays as it was.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// An Edit is a message with the header of one of its entities changed. It is an io.ReaderAt of the outcome over the message as
// it was, so that it can be parsed, served or edited again; nothing but the one header is held in memory. Lines that are added
// end as those of the message do. An Edit must not be changed while it is read; any number of
// goroutines may read it.
type Edit struct {
	// UTF8 makes added text UTF-8 where it is not ASCII (RFC 6532), in place of encoded-words.
	UTF8 bool

	m          io.ReaderAt
	start, end int64 // of the header with its blank line, in m
	size       int64 // of m
	fields     [][]byte
	tail       []byte // the blank line
	eol        string
	body       bool // a body follows
	joined     bool // it is the header of an embedded message, and no blank line parts it from the header around it

	mu      sync.Mutex // readers may be several
	header  []byte     // put together
	changed bool       // fields were changed since
}

// ErrHeaderLimit is the error of a change to a header of which Limits kept a part only.
var ErrHeaderLimit = errors.New("mime: the header is longer than the limits it was parsed with")

// NewEdit returns an Edit of the header of p, which is the message that m holds or any of its parts. The error is
// ErrHeaderLimit.
func NewEdit(m io.ReaderAt, p *Part) (*Edit, error) {
	raw := p.Header.Raw()
	if int64(len(raw)) != p.BodyStart-p.Start {
		return nil, ErrHeaderLimit
	}
	lines := raw
	root := p
	for root.Parent != nil {
		root = root.Parent
		if len(lines) == 0 {
			lines = root.Header.Raw()
		}
	}
	e := &Edit{m: m, start: p.Start, end: p.BodyStart, size: root.End, header: raw, eol: lineEnding(lines), body: p.BodyStart < p.End}
	e.fields, e.tail = splitFields(raw)
	if p.Parent != nil && p.Parent.Message == p {
		_, blank := splitFields(p.Parent.Header.Raw())
		e.joined = len(blank) == 0
	}
	return e, nil
}

// splitFields returns a header's fields and its blank line, which may be missing.
func splitFields(raw []byte) (fields [][]byte, blank []byte) {
	n := 0
	for rest := raw; ; {
		var f Field
		if f, rest = cutField(rest); f.raw == nil {
			return fields, raw[n:]
		}
		fields = append(fields, f.raw)
		n += len(f.raw)
	}
}

// lineEnding returns how the lines of b end; CRLF where it has none.
func lineEnding(b []byte) string {
	if i := bytes.IndexByte(b, '\n'); i == 0 || i > 0 && b[i-1] != '\r' {
		return "\n"
	}
	return "\r\n"
}

func (e *Edit) encode(v FieldValue) ([]byte, error) {
	b, err := AppendField(nil, v, e.UTF8)
	if err == nil && e.eol == "\n" {
		b = bytes.ReplaceAll(b, lineCRLF, newline)
	}
	return b, err
}

// Prepend puts a field before all others, as Received and DKIM-Signature go; a "From " line stays first.
func (e *Edit) Prepend(v FieldValue) error {
	at := 0
	if len(e.fields) > 0 && fieldName(e.fields[0]) == 0 && isUnixFrom(e.fields[0]) {
		at = 1
	}
	return e.insert(at, v)
}

// Append puts a field behind all others.
func (e *Edit) Append(v FieldValue) error { return e.insert(len(e.fields), v) }

func (e *Edit) insert(at int, v FieldValue) error {
	b, err := e.encode(v)
	if err != nil {
		return err
	}
	if at > 0 && !bytes.HasSuffix(e.fields[at-1], newline) {
		// The header's last line is the message's, and has no ending.
		e.fields[at-1] = append(bytes.Clone(e.fields[at-1]), e.eol...)
	}
	for at < len(e.fields) && isContinuation(e.fields[at]) {
		at++ // a header that begins with a continuation: it would go on with the new field
	}
	if len(e.fields) == 0 && len(e.tail) == 0 && e.body {
		e.tail = []byte(e.eol) // the body's first line would be taken for a part of the header
	}
	if len(e.fields) == 0 && e.joined {
		b = append([]byte(e.eol), b...) // the field would be taken for one of the header around
	}
	e.fields = slices.Insert(e.fields, at, b)
	e.changed = true
	return nil
}

// Set puts a field in the place of the first one of its name and removes the others of that name. Where there is none, it is
// appended.
func (e *Edit) Set(v FieldValue) error {
	b, err := e.encode(v)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(e.fields, func(f []byte) bool { return hasName(f, v.name) })
	if at < 0 {
		return e.Append(v)
	}
	e.fields[at] = b
	rest := slices.DeleteFunc(e.fields[at+1:], func(f []byte) bool { return hasName(f, v.name) })
	e.fields = e.fields[:at+1+len(rest)]
	e.changed = true
	return nil
}

func isContinuation(line []byte) bool { return line[0] == ' ' || line[0] == '\t' }

// Replace puts a field in the place of the i-th, counted from 0 as Header.Fields yields them; it may have another name. It
// panics if there is none. Continuation lines behind a line that was no field go with it.
func (e *Edit) Replace(i int, v FieldValue) error {
	b, err := e.encode(v)
	if err != nil {
		return err
	}
	e.dropLines(i + 1)
	e.fields[i] = b
	e.changed = true
	return nil
}

// dropLines removes the continuation lines at i.
func (e *Edit) dropLines(i int) {
	n := i
	for n < len(e.fields) && isContinuation(e.fields[n]) {
		n++
	}
	e.fields = slices.Delete(e.fields, i, n)
}

// Delete removes all fields of the name and returns how many there were.
func (e *Edit) Delete(name string) int {
	n := len(e.fields)
	e.fields = slices.DeleteFunc(e.fields, func(f []byte) bool { return hasName(f, name) })
	n -= len(e.fields)
	e.changed = e.changed || n > 0
	return n
}

// DeleteAt removes the i-th field, counted from 0 as Header.Fields yields them. It panics if there is none. Continuation lines
// behind a line that was no field go with it.
func (e *Edit) DeleteAt(i int) {
	e.dropLines(i + 1)
	e.fields = slices.Delete(e.fields, i, i+1)
	e.changed = true
}

func hasName(f []byte, name string) bool {
	n := fieldName(f)
	return n > 0 && equalFold(f[:n], name)
}

// Header returns the header as it is now. Its octets are valid until the next change.
func (e *Edit) Header() Header { return Header{raw: e.head()} }

// head puts the header together.
func (e *Edit) head() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed {
		e.header = append(bytes.Join(e.fields, nil), e.tail...)
		e.changed = false
	}
	return e.header
}

// Size returns the octets of the outcome.
func (e *Edit) Size() int64 { return e.size - (e.end - e.start) + int64(len(e.head())) }

// ReadAt reads octets of the outcome.
func (e *Edit) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("mime: negative offset")
	}
	head := e.head()
	n := 0
	if off < e.start {
		m, err := e.m.ReadAt(p[:min(int64(len(p)), e.start-off)], off)
		n += m
		if n == len(p) {
			return n, nil
		}
		if off += int64(m); off < e.start {
			return n, short(err)
		}
	}
	if i := off - e.start; i < int64(len(head)) {
		m := copy(p[n:], head[i:])
		n += m
		off += int64(m)
	}
	if n == len(p) {
		return n, nil
	}
	from := e.end + off - e.start - int64(len(head))
	if from >= e.size {
		return n, io.EOF
	}
	want := min(int64(len(p)-n), e.size-from)
	m, err := e.m.ReadAt(p[n:n+int(want)], from)
	n += m
	switch {
	case int64(m) < want:
		return n, short(err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// short is the error of a message that is shorter than when it was parsed.
func short(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Reader returns a reader of the outcome.
func (e *Edit) Reader() *io.SectionReader { return io.NewSectionReader(e, 0, e.Size()) }

// WriteTo writes the outcome to w.
func (e *Edit) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, e.Reader()) }

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
		return true, w.label(p, "7bit")
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
		if err := w.label(p, c.encoding); err != nil {
			return false, err
		}
	}
	w.changes = append(w.changes, c)
	return true, nil
}

// label changes the Content-Transfer-Encoding of p.
func (w *downgrade) label(p *Part, encoding string) error {
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
