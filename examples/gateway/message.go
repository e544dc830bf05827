package main

// A message on its way: its header in memory, its body as it comes or in a
// file.

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
)

// maxHeader is the longest header that rules are applied to, in octets.
const maxHeader = 256 << 10

// maxHops is the number of trace fields that a message in a loop has.
const maxHops = 50

// readHeader reads up to the blank line, and at most maxHeader octets. whole
// tells whether the header ended; rest is what was read behind it.
func readHeader(r io.Reader) (header, rest []byte, whole bool, err error) {
	buf := make([]byte, 0, 4<<10)
	for {
		from := max(len(buf)-3, 0)
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		end := -1
		if bytes.HasPrefix(buf, []byte("\r\n")) {
			end = 2
		} else if i := bytes.Index(buf[from:], []byte("\r\n\r\n")); i >= 0 {
			end = from + i + 4
		}
		switch {
		case end >= 0 && end <= maxHeader:
			return buf[:end:end], buf[end:], true, nil
		case err == io.EOF:
			return buf, nil, len(buf) <= maxHeader, nil
		case err != nil:
			return nil, nil, false, err
		case len(buf) >= maxHeader:
			return buf, nil, false, nil
		}
	}
}

// hops is the number of trace fields.
func hops(h mime.Header) (n int) {
	for range h.All("Received") {
		n++
	}
	return n
}

// edited is a header with the edits of rules.
func edited(header []byte, edits []*rule, utf8 bool) ([]byte, error) {
	if len(edits) == 0 {
		return header, nil
	}
	e, err := mime.NewEdit(bytes.NewReader(header), mime.ParseBytes(header, nil))
	if err != nil {
		return nil, err
	}
	e.UTF8 = utf8
	for _, r := range edits {
		if r.action == tag {
			err = tagSubject(e, r.tag)
		} else {
			err = e.Append(r.field)
		}
		if err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	_, err = e.WriteTo(&out)
	return out.Bytes(), err
}

// tagSubject puts text before the subject, unless it is there already.
func tagSubject(e *mime.Edit, text string) error {
	i := 0
	for f := range e.Header().Fields() {
		if f.Is("Subject") {
			subject := f.Text()
			if strings.HasPrefix(subject, text) {
				return nil
			}
			return e.Replace(i, mime.TextField("Subject", strings.TrimSpace(text+" "+subject)))
		}
		i++
	}
	return e.Append(mime.TextField("Subject", text))
}

// inspector is an io.Reader of a message's body that notes what the rules
// ask for as it passes, and fails where a rule refuses the message.
type inspector struct {
	s     *mime.Scanner
	f     *facts
	conds []*condition
	watch []*rule

	pending []byte // borrowed from the scanner
	skip    int    // octets of the header, which was read before
	typed   bool   // the part that is being read has a Content-Type
	defects int    // of the scanner, those that were looked at
	err     error
}

// errOpaque refuses a message in which an attachment could hide.
var errOpaque = smtp.Errorf(554, smtp.EnhancedCode{5, 6, 0}, "the message has too many parts, or nested too deep, to look for attachments")

// inspect reads a message behind its header.
func inspect(rs *rules, f *facts, watch []*rule, header []byte, body io.Reader) *inspector {
	f.seen = map[*condition]bool{}
	return &inspector{s: mime.NewScanner(io.MultiReader(bytes.NewReader(header), body), nil),
		f: f, conds: rs.attachments, watch: watch, skip: len(header)}
}

func (x *inspector) Read(p []byte) (int, error) {
	for len(x.pending) == 0 && x.err == nil {
		x.err = x.next()
	}
	if len(x.pending) == 0 {
		return 0, x.err
	}
	n := copy(p, x.pending)
	x.pending = x.pending[n:]
	return n, nil
}

// next takes a token.
func (x *inspector) next() error {
	t, err := x.s.Next()
	if err != nil && err != io.EOF {
		return err
	}
	if err == io.EOF {
		x.f.complete = true
	}
	x.f.size += int64(len(t.Raw))
	x.pending = t.Raw
	if x.skip > 0 {
		n := min(x.skip, len(t.Raw))
		x.pending, x.skip = t.Raw[n:], x.skip-n
	}
	switch t.Kind {
	case mime.KindEntityStart:
		x.typed = false
	case mime.KindField:
		if len(x.conds) > 0 {
			x.field(t.Raw, string(t.Raw[:t.NameLen]))
		}
	case mime.KindHeaderEnd:
		if !x.typed {
			x.attached("text/plain", "")
		}
	}
	if len(x.conds) > 0 && x.opaque() {
		x.pending = nil
		return errOpaque
	}
	for _, r := range x.watch {
		if r.bodyHolds(x.f) {
			r.hits.Add(1)
			x.pending = nil
			return r.refusal
		}
	}
	return err
}

// opaque reports whether the scanner came to one of its limits.
func (x *inspector) opaque() bool {
	all := x.s.Defects()
	fresh := all[x.defects:]
	x.defects = len(all)
	return slices.ContainsFunc(fresh, func(d mime.Defect) bool {
		return d.Code == mime.DefectLimitDepth || d.Code == mime.DefectLimitParts || d.Code == mime.DefectLimitField
	})
}

// field looks at a field of a part. Readers of mail differ in which of two
// fields or parameters they follow, so each counts.
func (x *inspector) field(raw []byte, name string) {
	isType := strings.EqualFold(name, "Content-Type")
	if !isType && !strings.EqualFold(name, "Content-Disposition") {
		return
	}
	h := mime.ParseHeader(raw)
	if isType {
		x.typed = true
		x.attached(h.ContentType().MediaType(), "")
	}
	f, _ := h.Get(name)
	_, value, _ := strings.Cut(f.Unfolded(), ";")
	d, _ := mime.ParseDisposition("any;" + value) // also if the field does not begin as it should
	params := d.Params
	// The whole for what is in pieces, and one by one for what comes twice.
	x.names(params)
	for i := range params {
		x.names(params[i : i+1])
	}
}

func (x *inspector) names(params mime.Params) {
	for _, name := range []string{"name", "filename"} {
		if value, ok := params.Get(name); ok {
			x.attached("", strings.TrimRight(value, ". "))
		}
	}
}

func (x *inspector) attached(mediaType, name string) {
	for _, c := range x.conds {
		if !x.f.seen[c] && c.attached(mediaType, name) {
			x.f.seen[c] = true
		}
	}
}

// spool is a message in a temporary file.
type spool struct {
	file *os.File
	size int64
}

func newSpool(dir string, r io.Reader) (*spool, error) {
	f, err := os.CreateTemp(dir, "gateway-*")
	if err != nil {
		return nil, err
	}
	s := &spool{file: f}
	if s.size, err = io.Copy(f, r); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *spool) reader() io.Reader { return io.NewSectionReader(s.file, 0, s.size) }

func (s *spool) close() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// quarantined is what is kept beside a message.
type quarantined struct {
	From   string   `json:"from"`
	To     []string `json:"to"`
	Client string   `json:"client"`
	Rule   string   `json:"rule"`
}

// keep writes a message to id.eml in a folder and its envelope to id.json. It
// is in stable storage when keep returns nil, and there is none otherwise.
func keep(dir, id string, q *quarantined, r io.Reader) (err error) {
	about, err := json.MarshalIndent(q, "", "  ")
	if err != nil {
		return err
	}
	envelope, message := filepath.Join(dir, id+".json"), filepath.Join(dir, id+".eml")
	if err := store(envelope, bytes.NewReader(append(about, '\n'))); err != nil {
		return err
	}
	if err := store(message, r); err != nil {
		return errors.Join(err, os.Remove(envelope))
	}
	return nil
}

func store(path string, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".incoming-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	// Not every system can sync a folder.
	if d, e := os.Open(filepath.Dir(path)); e == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// paths are addresses as text.
func paths(to []smtp.Recipient) (list []string) {
	for _, r := range to {
		list = append(list, r.Path.String())
	}
	return list
}
