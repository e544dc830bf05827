package mime

// What a mail client shows of a message: the text and HTML bodies, the files beside them, and what the HTML refers to.

import (
	"bytes"
	"io"
	"iter"
	"net/url"
	"strings"
)

// A Body is the leaves of one message as a mail client shows them, each in the order of the message. Together the lists have
// every leaf of it (embedded messages are leaves here), some in two or three of them. Parts are chosen as RFC 8621 section 4.1.4
// says, and beyond it the root of a multipart/related is the one its start parameter names (RFC 2387), and text of
// an unknown subtype is shown as plain text (RFC 2046 section 4.1.4).
type Body struct {
	// Text is what to show where plain text is wanted. A part is text/html where the sender made no plain text of it, and
	// image, audio or video where it stands between texts.
	Text []*Part
	// HTML is what to show where HTML is wanted. A part is text/plain where the sender made no HTML of it.
	HTML []*Part
	// Inline is the other parts of multipart/related, which the HTML refers to by Content-ID or Content-Location, and the image,
	// audio and video that stands between texts.
	Inline []*Part
	// Attachments is the files: all that says Content-Disposition: attachment, embedded messages, and whatever cannot be shown.
	Attachments []*Part
}

// Files yields Inline and Attachments together, in the order of the message.
func (b *Body) Files() iter.Seq[*Part] {
	return func(yield func(*Part) bool) {
		in, at := b.Inline, b.Attachments
		for len(in)+len(at) > 0 {
			l := &in
			if len(in) == 0 || len(at) > 0 && at[0].Start < in[0].Start {
				l = &at
			}
			if !yield((*l)[0]) {
				return
			}
			*l = (*l)[1:]
		}
	}
}

// Body returns the leaves of the message p by their roles. p may be any part; a part of message/rfc822 is one attachment,
// and its Message has a Body of its own.
func (p *Part) Body() *Body {
	b := &Body{}
	b.add([]*Part{p}, "mixed", 0, false, &b.Text, &b.HTML)
	return b
}

func isInlineMedia(t ContentType) bool {
	return equalFold(t.Type, "image") || equalFold(t.Type, "audio") || equalFold(t.Type, "video")
}

// isHTML tells whether t is read as HTML.
func isHTML(t ContentType) bool {
	return t.Is("text", "html") || t.Is("application", "xhtml+xml") || t.Is("text", "xhtml") || t.Is("text", "htm")
}

// textData is the subtypes of text that are not for the eye.
var textData = map[string]bool{
	"calendar": true, "x-vcalendar": true, "vcard": true, "x-vcard": true, "directory": true, "css": true, "csv": true,
	"xml": true, "javascript": true, "rfc822-headers": true, "rfc822-header": true, "rtf": true, "x-amp-html": true,
	"x-moz-deleted": true, "ecmascript": true, "tab-separated-values": true, "x-watch-html": true, "watch-html": true,
}

// isPlain tells whether t is shown as plain text. named is whether the part has a file name.
func isPlain(t ContentType, named bool) bool {
	if t.Is("text", "plain") {
		return true
	}
	return equalFold(t.Type, "text") && !isHTML(t) && !named && !textData[strings.ToLower(t.Subtype)]
}

func (b *Body) add(parts []*Part, multipart string, root int, alternative bool, text, html *[]*Part) {
	count := func(l *[]*Part) int {
		if l == nil {
			return -1
		}
		return len(*l)
	}
	texts, htmls := count(text), count(html)
	for i, p := range parts {
		ct := p.ContentType()
		if len(p.Children) > 0 {
			sub := strings.ToLower(ct.Subtype)
			n := 0
			if sub == "related" {
				n = p.relatedRoot(ct)
			}
			b.add(p.Children, sub, n, alternative || sub == "alternative", text, html)
			continue
		}
		if equalFold(ct.Type, "multipart") {
			ct = defaultContentType() // in which no part was found
		}
		named := p.Filename() != ""
		d, _ := p.Header.Disposition()
		isText, isHTM, media := isPlain(ct, named), isHTML(ct), isInlineMedia(ct)
		inline := !equalFold(d.Type, "attachment") && p.Message == nil && (isText || isHTM || media) &&
			(i == root || multipart != "related" && (media || !named))
		switch {
		case !inline && multipart == "related" && i != root && !equalFold(d.Type, "attachment"):
			b.Inline = append(b.Inline, p)
			continue
		case !inline:
			b.Attachments = append(b.Attachments, p)
			continue
		case multipart == "alternative":
			switch {
			case isHTM && html != nil:
				*html = append(*html, p)
			case isText && text != nil:
				*text = append(*text, p)
			default:
				b.Attachments = append(b.Attachments, p)
			}
			continue
		case alternative:
			if isText {
				html = nil
			}
			if isHTM {
				text = nil
			}
		}
		if text != nil {
			*text = append(*text, p)
		}
		if html != nil {
			*html = append(*html, p)
		}
		switch {
		case media:
			b.Inline = append(b.Inline, p)
		case text == nil && html == nil:
			b.Attachments = append(b.Attachments, p)
		}
	}
	if multipart == "alternative" && text != nil && html != nil {
		switch {
		case len(*text) == texts && len(*html) != htmls:
			*text = append(*text, (*html)[htmls:]...)
		case len(*html) == htmls && len(*text) != texts:
			*html = append(*html, (*text)[texts:]...)
		}
	}
}

// relatedRoot returns the index of the part that the start parameter names; the first one where it names none.
func (p *Part) relatedRoot(ct ContentType) int {
	start, _ := ct.Params.Get("start")
	if start = trimID(start); start == "" {
		return 0
	}
	for i, c := range p.Children {
		if c.ContentID() == start {
			return i
		}
	}
	return 0
}

func trimID(s string) string { return strings.Trim(s, " \t\r\n<>") }

// All yields p and all parts below it in the order of the message, embedded messages included.
func (p *Part) All() iter.Seq[*Part] {
	return func(yield func(*Part) bool) {
		stack := []*Part{p}
		for len(stack) > 0 {
			q := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !yield(q) {
				return
			}
			if q.Message != nil {
				stack = append(stack, q.Message)
			}
			for i := len(q.Children) - 1; i >= 0; i-- {
				stack = append(stack, q.Children[i])
			}
		}
	}
}

// Leaves yields the parts below p, or p itself, that have no parts of their own, embedded messages entered.
func (p *Part) Leaves() iter.Seq[*Part] {
	return func(yield func(*Part) bool) {
		for q := range p.All() {
			if q.Message == nil && len(q.Children) == 0 && !yield(q) {
				return
			}
		}
	}
}

// ContentID returns the Content-ID without its angle brackets, or "".
func (p *Part) ContentID() string {
	if f, ok := p.Header.Get("Content-ID"); ok {
		return trimID(f.Unfolded())
	}
	return ""
}

// Decoded returns a reader of the body with its transfer encoding undone, as Open does, and x-uuencode and x-yencode too.
func (p *Part) Decoded(m io.ReaderAt) io.Reader {
	switch strings.ToLower(p.Encoding()) {
	case "x-uuencode", "uuencode", "x-uue", "uue", "x-uu":
		return NewUUReader(p.Raw(m))
	case "x-yenc", "yenc", "x-yencode":
		return NewYEncReader(p.Raw(m))
	}
	return p.Open(m)
}

// DecodedSize returns the number of octets of the body with its transfer encoding undone. It reads the body through, in
// constant memory; where the encoding changes nothing it reads nothing. The error is m's.
func (p *Part) DecodedSize(m io.ReaderAt) (int64, error) {
	r := p.Decoded(m)
	if s, ok := r.(*io.SectionReader); ok {
		return s.Size(), nil
	}
	return io.Copy(io.Discard, r)
}

// Resolve finds the part that a URL within p's HTML refers to: cid: by Content-ID and mid: by the second identifier (RFC
// 2392), anything else by Content-Location (RFC 2557), an absolute one before a relative one. p is a part of the message:
// the parts of its nearest multipart/related come first, then all others of the same message. nil means that there is none.
func (p *Part) Resolve(ref string) *Part {
	ref = strings.TrimSpace(ref)
	id, byID := "", false
	scheme, rest, ok := strings.Cut(ref, ":")
	switch {
	case ok && equalFold(scheme, "cid"):
		id, byID = rest, true
	case ok && equalFold(scheme, "mid"):
		if _, id, ok = strings.Cut(rest, "/"); !ok {
			return nil
		}
		byID = true
	}
	if byID {
		if s, err := url.PathUnescape(id); err == nil {
			id = s
		}
		if id = trimID(id); id == "" {
			return nil
		}
	} else if ref == "" || ref[0] == '#' {
		return nil
	}
	base := ""
	if !byID {
		base = p.base()
	}
	match := func(top *Part) *Part {
		stack := []*Part{top}
		for len(stack) > 0 {
			q := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if byID {
				if q.ContentID() == id {
					return q
				}
			} else if loc := q.location(); loc != "" && (loc == ref || locationMatches(loc, ref, base)) {
				return q
			}
			for i := len(q.Children) - 1; i >= 0; i-- {
				stack = append(stack, q.Children[i])
			}
		}
		return nil
	}
	top := p
	for q := p; q != nil; q = q.Parent {
		if q.ContentType().Is("multipart", "related") {
			if found := match(q); found != nil {
				return found
			}
		}
		top = q
		if q.Parent != nil && q.Parent.Message == q {
			break
		}
	}
	return match(top)
}

func (p *Part) location() string {
	if f, ok := p.Header.Get("Content-Location"); ok {
		return strings.Join(strings.Fields(DecodeText(f.Unfolded())), "") // RFC 2557 section 4.4.2: folding is no part of it
	}
	return ""
}

// base is the URL that relative references of p start from (RFC 2557 section 5).
func (p *Part) base() string {
	for q := p; q != nil; q = q.Parent {
		if f, ok := q.Header.Get("Content-Base"); ok {
			return strings.Trim(f.Unfolded(), " \t\"<>")
		}
		if l := q.location(); l != "" {
			return l
		}
	}
	return ""
}

func locationMatches(loc, ref, base string) bool {
	u, err := url.Parse(base)
	if err != nil || base == "" {
		return false
	}
	a, err := u.Parse(loc)
	if err != nil {
		return false
	}
	b, err := u.Parse(ref)
	return err == nil && a.String() == b.String()
}

// TextOptions configures how a body is read as plain text. nil means the defaults.
type TextOptions struct {
	HTML HTMLOptions
	// Flowed leaves the lines of format=flowed (RFC 3676) as they stand. By default they are put together: a paragraph is
	// a line, and its quotation is written as "> " for each level.
	Flowed bool
}

// TextReader returns a reader of the plain text of a Body over the message m: its Text parts in UTF-8, HTML read as text, with
// an empty line between parts. Images, audio and video are passed over. Memory is constant. The errors are m's.
func (b *Body) TextReader(m io.ReaderAt, o *TextOptions) io.Reader {
	if o == nil {
		o = &TextOptions{}
	}
	return &chain{parts: b.Text, open: func(p *Part, first bool) io.Reader {
		r := p.textReader(m, o)
		if r == nil || first {
			return r
		}
		return io.MultiReader(strings.NewReader("\n\n"), r)
	}}
}

// PlainText returns a reader of the part's text in UTF-8 for the eye: HTML is read as text, format=flowed put together, and
// text of other kinds passed. A part that is not text reads as nothing.
func (p *Part) PlainText(m io.ReaderAt, o *TextOptions) io.Reader {
	if o == nil {
		o = &TextOptions{}
	}
	if r := p.textReader(m, o); r != nil {
		return r
	}
	return bytes.NewReader(nil)
}

func (p *Part) textReader(m io.ReaderAt, o *TextOptions) io.Reader {
	ct := p.ContentType()
	switch {
	case isHTML(ct):
		return NewHTMLReader(p.utf8Reader(m, ct), &o.HTML)
	case equalFold(ct.Type, "multipart") && len(p.Children) == 0:
		return p.utf8Reader(m, defaultContentType())
	case equalFold(ct.Type, "text"):
		r := p.utf8Reader(m, ct)
		if f, _ := ct.Params.Get("format"); equalFold(f, "flowed") && !o.Flowed {
			d, _ := ct.Params.Get("delsp")
			return NewFlowedReader(r, equalFold(d, "yes"))
		}
		if ct.Is("text", "enriched") || ct.Is("text", "richtext") {
			return newEnrichedReader(r)
		}
		return r
	}
	return nil
}

// utf8Reader is Text, of the transfer encodings of Decoded, and with the charset that HTML declares itself where the header
// has none.
func (p *Part) utf8Reader(m io.ReaderAt, ct ContentType) io.Reader {
	cs, _ := ct.Params.Get("charset")
	r := p.Decoded(m)
	if isHTML(ct) && charset(cs) == nil {
		r, cs = sniffHTMLCharset(r)
	}
	r, _ = CharsetReader(r, cs)
	return r
}

// HTMLReader returns a reader of the HTML of a Body over the message m: its HTML parts in UTF-8 one behind the other, plain text
// escaped and in a pre element, images, audio and video as elements that refer to cid:. The HTML is the sender's and not
// made safe. Memory is constant. The errors are m's.
func (b *Body) HTMLReader(m io.ReaderAt) io.Reader {
	return &chain{parts: b.HTML, open: func(p *Part, first bool) io.Reader {
		ct := p.ContentType()
		switch {
		case isHTML(ct):
			return p.utf8Reader(m, ct)
		case isInlineMedia(ct):
			id := p.ContentID()
			if id == "" || !equalFold(ct.Type, "image") {
				return nil
			}
			return strings.NewReader(`<img src="cid:` + htmlEscaper.Replace(url.PathEscape(id)) + "\">\n")
		}
		r := p.textReader(m, &TextOptions{})
		if r == nil {
			return nil
		}
		return io.MultiReader(strings.NewReader(`<pre style="white-space: pre-wrap">`+"\n"), &escapeReader{r: r}, strings.NewReader("</pre>\n"))
	}}
}

// chain reads parts one behind the other, opened as they are reached.
type chain struct {
	parts []*Part
	open  func(p *Part, first bool) io.Reader
	cur   io.Reader
	some  bool
}

func (c *chain) Read(b []byte) (int, error) {
	for {
		if c.cur == nil {
			if len(c.parts) == 0 {
				return 0, io.EOF
			}
			p := c.parts[0]
			c.parts = c.parts[1:]
			if c.cur = c.open(p, !c.some); c.cur == nil {
				continue
			}
			c.some = true
		}
		n, err := c.cur.Read(b)
		if err == io.EOF {
			c.cur, err = nil, nil
			if n == 0 && len(b) > 0 {
				continue
			}
		}
		return n, err
	}
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// escapeReader escapes text for HTML.
type escapeReader struct {
	r    io.Reader
	in   [512]byte
	out  []byte
	buf  []byte
	fail error
}

func (e *escapeReader) Read(b []byte) (int, error) {
	for len(e.out) == 0 {
		if e.fail != nil {
			return 0, e.fail
		}
		if len(b) == 0 {
			return 0, nil
		}
		var n int
		n, e.fail = e.r.Read(e.in[:])
		e.buf = e.buf[:0]
		for _, c := range e.in[:n] {
			switch c {
			case '&':
				e.buf = append(e.buf, "&amp;"...)
			case '<':
				e.buf = append(e.buf, "&lt;"...)
			case '>':
				e.buf = append(e.buf, "&gt;"...)
			default:
				e.buf = append(e.buf, c)
			}
		}
		e.out = e.buf
	}
	n := copy(b, e.out)
	e.out = e.out[n:]
	return n, nil
}
