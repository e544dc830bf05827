package mime

// Headers of messages that exist changed field by field. Every other octet stays as it was.

import (
	"bytes"
	"errors"
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
	folds      bool // its first line begins with a blank
	joined     bool // what stands before the header does not end where it begins: a line ending has to come between

	mu      sync.Mutex // readers may be several
	header  []byte     // put together
	changed bool       // fields were changed since
}

// ErrHeaderLimit is the error of a change to a header of which Limits kept a part only.
var ErrHeaderLimit = errors.New("mime: the header is longer than the limits it was parsed with")

// NewEdit returns an Edit of the header of p, which is the message that m holds or any of its parts. The error is
// ErrHeaderLimit, or that of m.
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
	if e.body && len(e.tail) == 0 {
		var b [1]byte
		if _, err := m.ReadAt(b[:], p.BodyStart); err != nil && err != io.EOF {
			return nil, err
		}
		e.folds = b[0] == ' ' || b[0] == '\t'
	}
	if p.Parent != nil && p.Parent.Message == p {
		_, blank := splitFields(p.Parent.Header.Raw())
		e.joined = len(blank) == 0 // the header around goes on
	}
	if p.Start > 0 && p.Start == root.End { // behind a delimiter line that the end of the message may have cut
		var b [1]byte
		if _, err := m.ReadAt(b[:], p.Start-1); err != nil && err != io.EOF {
			return nil, err
		}
		e.joined = e.joined || b[0] != '\n'
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
	if len(e.tail) == 0 && e.body && (len(e.fields) == 0 || at == len(e.fields) && e.folds) {
		e.tail = []byte(e.eol) // the body's first line would be taken for a part of the header
	}
	if len(e.fields) == 0 && e.joined {
		b = append([]byte(e.eol), b...) // the field would be taken for a part of what stands before
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
