package mime

// Messages made: a Message is written with its header, its bodies and its attachments.

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Message is a message to be written. What is zero is left out, but for what a message must have: WriteTo makes the date and
// the identifier where they are missing. The parts follow from what is set: Text, HTML and Calendar are alternatives, Inline
// belongs to HTML, and Attachments follow.
//
// Text that a header can not hold is refused before anything is written, as is a field that another member writes: no value
// can add a field, a recipient or a part. A Message must not be used by two goroutines at once.
type Message struct {
	From    []Address // at least one
	Sender  Address   // needed if there are several in From
	ReplyTo []Address
	To      []Address
	Cc      []Address
	Bcc     []Address // in Recipients, and never written

	Subject    string
	Date       time.Time // WriteTo sets it if it is zero
	MessageID  string    // with or without angle brackets; WriteTo sets it if it is empty
	InReplyTo  []string
	References []string
	Extra      []FieldValue // further fields, in order

	Text        string // UTF-8, in lines that end in LF or CRLF
	HTML        string
	Calendar    *Calendar
	Inline      []Attachment // what HTML refers to as "cid:" and the ContentID; without HTML they are attachments to be shown
	Attachments []Attachment

	// UTF8 writes headers in UTF-8 where they are not ASCII (RFC 6532). The message then needs SMTPUTF8 in transport.
	UTF8 bool
	// EightBit lets bodies be 8bit. The message then needs 8BITMIME in transport (RFC 6152).
	EightBit bool
	// Domain is the right side of the identifier that is made, instead of the author's domain.
	Domain string
	// Now is asked for the date. nil stands for time.Now.
	Now func() time.Time
	// Rand is read for the identifier and the boundaries, 16 octets each. nil stands for crypto/rand.
	Rand io.Reader

	boundary string
}

// A Calendar is an invitation or an answer to one (RFC 6047): an iCalendar object, which goes with the message as an alternative
// to its text and again as an attached file.
type Calendar struct {
	Method string // that of the object: REQUEST, REPLY, CANCEL, ...
	Data   string // UTF-8
	Name   string // of the file; "invite.ics" if it is empty
}

// An Attachment is a file that goes with a message.
type Attachment struct {
	// Name is the file's name. It is written as given; a receiver should not trust it as a path.
	Name string
	// Type is the media type, with parameters if need be: "text/csv; charset=utf-8". Where it is empty it follows from the
	// ending of Name, or is application/octet-stream. message/rfc822 is written as a message: its lines end in CRLF, and it is
	// never base64; its Content must be one that can be read again.
	Type string
	// ContentID is the identifier that HTML refers to, with or without angle brackets. Inline attachments must have one.
	ContentID   string
	Description string
	Extra       []FieldValue // further fields of the part, in order
	// Content is read when the message is written and is never held in memory. What is an io.ReaderAt and has a Size, as
	// *bytes.Reader, *strings.Reader and *io.SectionReader have, is read from its offset 0 each time; any other reader is read
	// once, and a second WriteTo fails with ErrConsumed. nil is an empty file. It is not closed.
	Content io.Reader

	consumed bool
}

// ErrConsumed is matched by the error of writing a Message again whose content could be read once.
var ErrConsumed = errors.New("content was read already")

// NewAddress returns the address addr, "local@domain", with a display name, which is taken as it is: it holds no encoded-words.
// What is wrong with either is found out when they are written.
func NewAddress(name, addr string) Address {
	a := Address{Name: name, Mailbox: addr}
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		a.Mailbox, a.Host = addr[:i], addr[i+1:]
	}
	if strings.Contains(name, "=?") && checkText(name) == nil {
		var f folder
		f.encoded("", name, true)
		a.Name = strings.ReplaceAll(string(f.b), "\r\n", "")
	}
	return a
}

// Recipients returns the addresses of To, Cc and Bcc in order, each once, without names and groups: who the message is to be
// sent to, for the envelope.
func (m *Message) Recipients() []string {
	var l []string
	seen := make(map[string]bool)
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc} {
		for _, a := range list {
			if a.Kind != AddressMailbox {
				continue
			}
			if key := a.Mailbox + "@" + strings.ToLower(a.Host); !seen[key] {
				seen[key] = true
				l = append(l, spell(a))
			}
		}
	}
	return l
}

// ReversePath returns the address of Sender, or else of the first in From: who the message is sent by, for the envelope.
func (m *Message) ReversePath() string {
	if m.Sender != (Address{}) {
		return spell(m.Sender)
	}
	for _, a := range m.From {
		if a.Kind == AddressMailbox {
			return spell(a)
		}
	}
	return ""
}

// spell returns an address with its local part in quotes if need be.
func spell(a Address) string {
	f := folder{utf8: true}
	if s, err := f.addrSpec(a); err == nil {
		return s
	}
	return a.Addr()
}

// NeedsUTF8 tells whether an address is not ASCII, so that the message can be written with UTF8 alone.
func (m *Message) NeedsUTF8() bool {
	for _, list := range [][]Address{m.From, {m.Sender}, m.ReplyTo, m.To, m.Cc} {
		for _, a := range list {
			if a.Kind == AddressMailbox && !plainASCII(a.Mailbox+a.Host) {
				return true
			}
		}
	}
	return false
}

// WriteTo writes the message to w, its lines ending in CRLF, in writes of some size. Date and MessageID are set, and
// boundaries stay, so that what is written a second time is the same. The error of a value, a *FieldError or another, comes
// before anything is written; later ones are those of w, of a Content, and a *ContentError where a Content is not what it was
// before.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	l, err := m.segments()
	if err != nil {
		return 0, err
	}
	n := countWriter{w: w}
	b := bufio.NewWriterSize(&n, copyBuffer)
	if err := writeSegments(b, l); err != nil {
		_ = b.Flush()
		return n.n, err
	}
	return n.n, b.Flush()
}

// Reader returns a reader of what WriteTo writes, and the errors that come before anything is written.
func (m *Message) Reader() (io.Reader, error) {
	l, err := m.segments()
	return &segmentReader{segments: l}, err
}

func (m *Message) random() (string, error) {
	r := m.Rand
	if r == nil {
		r = rand.Reader
	}
	var b [16]byte
	_, err := io.ReadFull(r, b[:])
	return hex.EncodeToString(b[:]), err
}

// complete makes what the message must have and was not given.
func (m *Message) complete() error {
	if m.Date.IsZero() {
		if m.Now != nil {
			m.Date = m.Now()
		} else {
			m.Date = time.Now()
		}
	}
	if m.MessageID == "" {
		domain := m.Domain
		if domain == "" {
			path := m.ReversePath()
			domain = path[strings.LastIndexByte(path, '@')+1:]
		}
		id, err := m.random()
		if err != nil {
			return err
		}
		m.MessageID = id + "@" + domain
	}
	if m.boundary == "" {
		var err error
		m.boundary, err = m.random()
		return err
	}
	return nil
}

// ownFields are written from a Message's other members, or must not be written.
var ownFields = []string{"bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date",
	"from", "in-reply-to", "message-id", "mime-version", "references", "reply-to", "resent-bcc", "sender", "subject", "to"}

var ownPartFields = []string{"content-description", "content-disposition", "content-id", "content-transfer-encoding",
	"content-type", "mime-version"}

// fields appends extra fields.
func (m *Message) fields(dst []byte, extra []FieldValue, own []string) ([]byte, error) {
	var err error
	for _, v := range extra {
		if slices.Contains(own, strings.ToLower(v.name)) {
			return nil, &FieldError{Field: v.name, Offset: -1, Msg: "is written from another member, or never"}
		}
		if dst, err = AppendField(dst, v, m.UTF8); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// header returns the message's fields but for those of its body.
func (m *Message) header() ([]byte, error) {
	if len(m.From) == 0 {
		return nil, &FieldError{Field: "From", Offset: -1, Msg: "no author"}
	}
	if len(m.From) > 1 && m.From[0].Kind == AddressMailbox && m.Sender == (Address{}) {
		return nil, &FieldError{Field: "Sender", Offset: -1, Msg: "needed with several authors (RFC 5322 section 3.6.2)"}
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	l := []FieldValue{DateField("Date", m.Date), AddressField("From", m.From...)}
	if m.Sender != (Address{}) {
		l = append(l, AddressField("Sender", m.Sender))
	}
	for _, f := range []struct {
		name string
		list []Address
	}{{"Reply-To", m.ReplyTo}, {"To", m.To}, {"Cc", m.Cc}} {
		if len(f.list) > 0 {
			l = append(l, AddressField(f.name, f.list...))
		}
	}
	if m.Subject != "" {
		l = append(l, TextField("Subject", m.Subject))
	}
	l = append(l, MessageIDField("Message-ID", m.MessageID))
	if len(m.InReplyTo) > 0 {
		l = append(l, MessageIDField("In-Reply-To", m.InReplyTo...))
	}
	if len(m.References) > 0 {
		l = append(l, MessageIDField("References", m.References...))
	}
	if len(m.Bcc) > 0 { // not written, but held to the same rules
		if _, err := AppendField(nil, AddressField("Bcc", m.Bcc...), true); err != nil {
			return nil, err
		}
	}
	b, err := m.fields(nil, l, nil)
	if err == nil {
		b, err = m.fields(b, m.Extra, ownFields)
	}
	return append(b, "MIME-Version: 1.0\r\n"...), err
}

// A node is an entity to be written.
type node struct {
	header   []byte // but for Content-Transfer-Encoding
	encoding string
	// Of a multipart.
	boundary string
	children []*node
	// Of a leaf.
	what string // names it in errors
	text bool
	open func() (io.Reader, error)
	size int64 // octets that open's reader must yield, -1 if that is not known
	line bool  // the content ends in a line ending, or is empty
}

// segments plans the message.
func (m *Message) segments() ([]segment, error) {
	header, err := m.header()
	if err != nil {
		return nil, err
	}
	root, files, err := m.tree()
	if err != nil {
		return nil, err
	}
	// Content is looked at when all that can be refused was.
	for _, f := range files {
		if err := f.attachment.choose(f.node, m.EightBit); err != nil {
			return nil, err
		}
	}
	root.header = append(header, root.header...)
	root.label()
	var l []segment
	var octets []byte
	root.plan(&l, &octets, true)
	if len(octets) > 0 {
		l = append(l, segment{octets: octets})
	}
	return l, nil
}

type file struct {
	node       *node
	attachment *Attachment
}

// tree makes the nodes and their headers.
func (m *Message) tree() (root *node, files []file, err error) {
	attach := func(l []Attachment, disposition string) (nodes []*node) {
		for i := range l {
			if err == nil {
				var n *node
				n, err = m.file(&l[i], disposition)
				nodes, files = append(nodes, n), append(files, file{n, &l[i]})
			}
		}
		return nodes
	}
	inline := attach(m.Inline, "inline")
	attached := attach(m.Attachments, "attachment")
	if err != nil {
		return nil, nil, err
	}
	var bodies []*node
	add := func(what, typ, s string, p ...Param) *node {
		if err != nil {
			return nil
		}
		var n *node
		n, err = m.textNode(what, typ, s, append(p, Param{"charset", "utf-8"}))
		return n
	}
	if m.Text != "" || m.HTML == "" && m.Calendar == nil && len(inline)+len(attached) == 0 {
		bodies = append(bodies, add("Text", "text/plain", m.Text))
	}
	if m.HTML != "" {
		n := add("HTML", "text/html", m.HTML)
		if len(inline) > 0 {
			n = m.multipart('r', "related", append([]*node{n}, inline...), Param{"type", "text/html"})
			inline = nil
		}
		bodies = append(bodies, n)
	}
	if c := m.Calendar; c != nil {
		method := Param{"method", c.Method}
		if c.Method == "" {
			return nil, nil, &FieldError{Field: "Content-Type", Offset: -1, Msg: "a calendar needs its method"}
		}
		bodies = append(bodies, add("Calendar", "text/calendar", c.Data, method))
		name := c.Name
		if name == "" {
			name = "invite.ics"
		}
		n := add("Calendar", "application/ics", c.Data)
		if err == nil {
			if n.header, err = m.disposition(n.header, "attachment", name); err == nil {
				attached = append([]*node{n}, attached...)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if len(bodies) > 1 {
		bodies = []*node{m.multipart('a', "alternative", bodies)}
	}
	all := slices.Concat(bodies, inline, attached)
	if len(inline)+len(attached) == 0 {
		return all[0], files, nil
	}
	return m.multipart('m', "mixed", all), files, nil
}

// multipart returns a node of parts. Of each subtype a message has one multipart, whose boundary begins with mark; "=_" is in no
// body that is encoded.
func (m *Message) multipart(mark byte, subtype string, parts []*node, p ...Param) *node {
	n := &node{boundary: "=_" + string(mark) + m.boundary, children: parts}
	v := ParamField("Content-Type", "multipart/"+subtype, append(Params{{"boundary", n.boundary}}, p...))
	n.header, _ = AppendField(nil, v, false)
	return n
}

// textNode returns a leaf of text.
func (m *Message) textNode(what, typ, s string, p Params) (*node, error) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, fmt.Errorf("mime: %s is not UTF-8 at octet %d", what, i)
		}
		i += size
	}
	n := &node{what: what, text: true, size: int64(len(s)), open: func() (io.Reader, error) { return strings.NewReader(s), nil }}
	n.line = s == "" || strings.HasSuffix(s, "\n")
	n.encoding = TransferEncoding([]byte(s), true, m.EightBit)
	var err error
	n.header, err = AppendField(nil, ParamField("Content-Type", typ, p), m.UTF8)
	return n, err
}

// disposition appends a Content-Disposition field.
func (m *Message) disposition(dst []byte, typ, name string) ([]byte, error) {
	v := FieldValue{name: "Content-Disposition", value: func(f *folder) error {
		f.keep = len(";")
		f.token(" ", typ)
		if name == "" {
			return nil
		}
		return f.param("filename", name)
	}}
	return AppendField(dst, v, m.UTF8)
}

// file returns a leaf of an attachment, which has no encoding yet.
func (m *Message) file(a *Attachment, disposition string) (*node, error) {
	n := &node{what: fmt.Sprintf("attachment %q", a.Name), size: -1, open: a.open}
	if s, ok := a.Content.(sizedReader); ok {
		n.size = s.Size()
	}
	ct, ok := ParseContentType(a.mediaType())
	if !ok || ct.Is("multipart", "") {
		return nil, &FieldError{Field: "Content-Type", Offset: -1, Msg: fmt.Sprintf("%q is no media type of an attachment", a.Type)}
	}
	h, err := AppendField(nil, ParamField("Content-Type", ct.Type+"/"+ct.Subtype, ct.Params), m.UTF8)
	if err == nil {
		h, err = m.disposition(h, disposition, a.Name)
	}
	switch {
	case a.ContentID != "" && err == nil:
		h, err = AppendField(h, MessageIDField("Content-ID", a.ContentID), m.UTF8)
	case disposition == "inline" && m.HTML != "" && err == nil:
		return nil, &FieldError{Field: "Content-ID", Offset: -1, Msg: fmt.Sprintf("missing for inline %s", n.what)}
	}
	if a.Description != "" && err == nil {
		h, err = AppendField(h, TextField("Content-Description", a.Description), m.UTF8)
	}
	if err == nil {
		h, err = m.fields(h, a.Extra, ownPartFields)
	}
	n.header = h
	return n, err
}

type sizedReader interface {
	io.ReaderAt
	Size() int64
}

func (a *Attachment) open() (io.Reader, error) {
	switch c := a.Content.(type) {
	case nil:
		return bytes.NewReader(nil), nil
	case sizedReader:
		return io.NewSectionReader(c, 0, c.Size()), nil
	}
	if a.consumed {
		return nil, fmt.Errorf("mime: attachment %q: %w", a.Name, ErrConsumed)
	}
	a.consumed = true
	return a.Content, nil
}

// surveyedPrefix is how much is looked at of text that can be read once.
const surveyedPrefix = 16 << 10

// choose decides how the content is encoded.
func (a *Attachment) choose(n *node, eightBit bool) error {
	ct, _ := ParseContentType(a.mediaType())
	sized, again := a.Content.(sizedReader)
	again = again || a.Content == nil
	switch {
	case ct.Is("message", "rfc822"), ct.Is("message", "global"):
		if !again {
			return fmt.Errorf("mime: %s: a message must be an io.ReaderAt with a Size", n.what)
		}
		return n.message(sized, eightBit)
	case !ct.Is("text", "") && !ct.Is("message", ""):
		n.encoding = "base64"
		return a.available()
	}
	var s survey
	r, err := n.open()
	if err != nil {
		return err
	}
	if again {
		if _, err := io.Copy(&s, r); err != nil {
			return fmt.Errorf("mime: %s: %w", n.what, err)
		}
		s.done()
		n.encoding = s.encoding(false, eightBit)
		n.text = n.encoding == "quoted-printable"
		return nil
	}
	b := bufio.NewReaderSize(r, surveyedPrefix)
	n.open = func() (io.Reader, error) { return b, nil }
	prefix, err := b.Peek(surveyedPrefix)
	switch err {
	case io.EOF:
		_, _ = s.Write(prefix)
		s.done()
		n.encoding = s.encoding(false, eightBit)
		n.text = n.encoding == "quoted-printable"
	case nil:
		n.encoding = "base64" // what comes is not known, and base64 carries anything
	default:
		return fmt.Errorf("mime: %s: %w", n.what, err)
	}
	return nil
}

// available fails if the content can not be read again.
func (a *Attachment) available() error {
	if a.consumed {
		_, err := a.open()
		return err
	}
	return nil
}

// message decides how an embedded message is carried: as it is, or with its 8-bit bodies encoded.
func (n *node) message(m sizedReader, eightBit bool) error {
	if m == nil {
		m = bytes.NewReader(nil)
	}
	var s survey
	if _, err := io.Copy(&s, io.NewSectionReader(m, 0, m.Size())); err != nil {
		return fmt.Errorf("mime: %s: %w", n.what, err)
	}
	s.done()
	n.text = true
	n.encoding = "7bit"
	if s.high > 0 {
		n.encoding = "8bit"
	}
	if s.lines(true) && (s.high == 0 || eightBit) {
		return nil
	}
	p, err := Parse(m, m.Size(), nil)
	if err != nil {
		return fmt.Errorf("mime: %s: %w", n.what, err)
	}
	d, err := Downgrade(m, p)
	if err != nil {
		return fmt.Errorf("mime: %s: %w", n.what, err)
	}
	n.open = func() (io.Reader, error) { return d.Reader(), nil }
	n.size = d.Size()
	n.encoding = "7bit"
	if d.EightBitHeader() {
		if n.encoding = "8bit"; !eightBit {
			return fmt.Errorf("mime: %s: its header is 8-bit, and 8bit is not allowed", n.what)
		}
	}
	// Headers and boundaries are as they were; what no line can carry is found before anything is written.
	w, err := NewEncoder(io.Discard, n.encoding, n.text)
	if err == nil {
		if _, err = d.WriteTo(w); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("mime: %s: %w", n.what, err)
	}
	return nil
}

// label gives multiparts the encoding that their parts ask for (RFC 2045 section 6.4), and puts it into every header.
func (n *node) label() {
	for _, c := range n.children {
		c.label()
		if c.encoding == "8bit" {
			n.encoding = "8bit"
		}
	}
	if n.encoding != "" {
		n.header = append(append(append(n.header, "Content-Transfer-Encoding: "...), n.encoding...), "\r\n"...)
	}
}

// plan appends what the entity is written from to l; octets are those that stand before the next content.
func (n *node) plan(l *[]segment, octets *[]byte, root bool) {
	*octets = append(append(*octets, n.header...), "\r\n"...)
	if n.open == nil {
		for i, c := range n.children {
			if i > 0 {
				*octets = append(*octets, "\r\n"...)
			}
			*octets = append(append(append(*octets, "--"...), n.boundary...), "\r\n"...)
			c.plan(l, octets, false)
		}
		*octets = append(append(append(*octets, "\r\n--"...), n.boundary...), "--"...)
		if root {
			*octets = append(*octets, "\r\n"...)
		}
		return
	}
	encoding, text := n.encoding, n.text
	*l = append(*l, segment{octets: *octets}, segment{
		open: func() (io.Reader, error) {
			r, err := n.open()
			return &contentReader{r: r, n: n}, err
		},
		encoder: func(w io.Writer) (io.WriteCloser, error) {
			if encoding != "base64" || root {
				return NewEncoder(w, encoding, text)
			}
			lines := &eolWriter{w: w, eol: lineCRLF}
			enc, err := NewEncoder(lines, encoding, text)
			return lineEncoder{enc, lines}, err
		},
	})
	*octets = nil
	if root && !n.line && encoding != "base64" {
		*octets = append(*octets, "\r\n"...)
	}
}

// A contentReader names the content in errors, and holds it to the size it had.
type contentReader struct {
	r    io.Reader
	n    *node
	read int64
}

func (c *contentReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	if err == io.EOF && c.n.size >= 0 && c.read != c.n.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("mime: %s: %w", c.n.what, err)
	}
	return n, err
}

// mediaType returns the media type that the attachment has or that its name's ending stands for.
func (a *Attachment) mediaType() string {
	if a.Type != "" {
		return a.Type
	}
	if i := strings.LastIndexByte(a.Name, '.'); i >= 0 {
		if t, ok := mediaTypes[strings.ToLower(a.Name[i+1:])]; ok {
			return t
		}
	}
	return "application/octet-stream"
}

// mediaTypes is the media types of common endings, so that a message is the same on every machine.
var mediaTypes = map[string]string{
	"7z": "application/x-7z-compressed", "aac": "audio/aac", "avif": "image/avif", "bmp": "image/bmp", "css": "text/css",
	"csv": "text/csv", "doc": "application/msword",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "eml": "message/rfc822",
	"epub": "application/epub+zip", "flac": "audio/flac", "gif": "image/gif", "gz": "application/gzip", "heic": "image/heic",
	"htm": "text/html", "html": "text/html", "ico": "image/vnd.microsoft.icon", "ics": "text/calendar", "jpeg": "image/jpeg",
	"jpg": "image/jpeg", "js": "text/javascript", "json": "application/json", "m4a": "audio/mp4", "md": "text/markdown",
	"mp3": "audio/mpeg", "mp4": "video/mp4", "odp": "application/vnd.oasis.opendocument.presentation",
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "odt": "application/vnd.oasis.opendocument.text",
	"ogg": "audio/ogg", "p7s": "application/pkcs7-signature", "pdf": "application/pdf", "png": "image/png",
	"ppt":  "application/vnd.ms-powerpoint",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "rar": "application/vnd.rar",
	"rtf": "application/rtf", "svg": "image/svg+xml", "tar": "application/x-tar", "tif": "image/tiff", "tiff": "image/tiff",
	"txt": "text/plain", "vcf": "text/vcard", "wav": "audio/wav", "webm": "video/webm", "webp": "image/webp",
	"xls": "application/vnd.ms-excel", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"xml": "application/xml", "zip": "application/zip",
}
