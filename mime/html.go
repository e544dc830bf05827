package mime

// HTML read as plain text: a streaming tokenizer that takes what senders write, and the layout of blocks as lines.

import (
	"bytes"
	"html"
	"io"
	"strconv"
	"strings"
)

// HTMLOptions configures how HTML is read as text. nil means the defaults.
type HTMLOptions struct {
	// Links writes the target of a link behind its text, as in "text <https://example.org/>", unless the text is the target.
	Links bool
	// Hidden keeps text that the sender hides with display: none or the hidden attribute: many newsletters have there what
	// a preview should say.
	Hidden bool
	// NoImages leaves out the alternative text of images.
	NoImages bool
}

const (
	htmlNameSize  = 16   // longest name of an element or attribute that means something here
	htmlValueSize = 4096 // longest attribute value kept
	htmlMaxQuote  = 16   // deepest quotation and list shown; deeper ones are shown as this
	htmlMaxLists  = 16
	htmlEntity    = 40 // longest character reference
	htmlOutput    = 4096
)

// NewHTMLReader returns a reader of the text of r's HTML, which is in UTF-8. Lines end in LF, without blanks before it, and none
// ends the last line. Blocks are lines of their own, with at most one empty line between them; list items are marked "* " or
// numbered; blockquote is "> "; the rows of a table are lines, its cells parted by tabs; blanks are collapsed except in
// pre. Scripts, styles, the title, comments and what is hidden are left out. Any input is read, in constant memory and linear
// time; the only errors are r's.
func NewHTMLReader(r io.Reader, o *HTMLOptions) io.Reader {
	h := &htmlReader{r: r}
	if o != nil {
		h.o = *o
	}
	return h
}

// HTMLText returns the text of s, as NewHTMLReader reads it.
func HTMLText(s string, o *HTMLOptions) string {
	b, _ := io.ReadAll(NewHTMLReader(strings.NewReader(s), o))
	return string(b)
}

type htmlState uint8

const (
	htmlData  htmlState = iota
	htmlC2              // behind octet C2, which may begin a no-break space
	htmlRef             // in a character reference
	htmlLT              // behind "<"
	htmlEndLT           // behind "</"
	htmlTagName
	htmlTag        // between attributes
	htmlAttrName   // in an attribute's name
	htmlAttrAfter  // behind an attribute's name
	htmlAttrEq     // behind "="
	htmlAttrValue  // in a value, up to the quote, or a blank where there is none
	htmlBang       // behind "<!"
	htmlBangDash   // behind "<!-"
	htmlComment    // in a comment
	htmlBogus      // in a declaration, up to ">"
	htmlRaw        // in a script and its like
	htmlRawLT      // behind "<" in one
	htmlRawEndName // behind "</" in one
)

type htmlReader struct {
	r   io.Reader
	o   HTMLOptions
	in  [4096]byte
	i   int
	n   int
	err error
	out []byte
	pos int // out[pos:] is not delivered

	state  htmlState
	name   []byte // element
	long   bool   // the name is longer than any that means something
	end    bool   // an end tag
	attr   []byte
	value  []byte
	quote  byte
	ref    []byte
	dashes int    // in a comment: "-" octets last seen; 2 or more and ">" end it
	raw    string // element whose raw text this is

	// What the tag's attributes say.
	href, alt, start string
	hide             bool

	skip      string // element that is hidden
	skipDepth int

	// Layout.
	any    bool // something is written
	nl     int  // line endings to write before the next character
	sp     int  // blanks to write before the next character
	ws     bool // the last of them may not be followed by another
	tab    bool // a cell's end is to be written
	preCR  bool
	preNL  bool // the first line ending of a pre is to be dropped
	pre    int
	quoted int
	above  int // quotation of the line above
	lists  []htmlList
	deep   int    // lists beyond htmlMaxLists
	marker string // of the list item to begin
	link   string
	linked []byte // text of the link so far
	inLink bool
}

type htmlList struct {
	number int // of the next item; 0 for ul
	indent int
}

func (h *htmlReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for h.pos == len(h.out) {
		h.out, h.pos = h.out[:0], 0
		if h.i == h.n {
			if h.err != nil {
				return 0, h.err
			}
			var n int
			n, h.err = h.r.Read(h.in[:])
			h.i, h.n = 0, n
			if h.err != nil && n == 0 {
				h.finish()
				continue
			}
			if h.err == io.EOF {
				h.feed()
				if h.i == h.n {
					h.finish()
				}
				continue
			}
		}
		h.feed()
		if h.i == h.n && h.err != nil {
			h.finish()
		}
	}
	n := copy(p, h.out[h.pos:])
	h.pos += n
	return n, nil
}

// finish writes what the end of the input completes.
func (h *htmlReader) finish() {
	switch h.state {
	case htmlC2:
		h.char("\xC2")
	case htmlRef:
		h.flushRef()
	case htmlLT:
		h.char("<")
	}
	h.state = htmlData
}

func isHTMLSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' }

// htmlWord is the octets that are text and nothing else.
var htmlWord = func() (t [256]bool) {
	for c := range t {
		t[c] = c > ' ' && c != '<' && c != '&' && c != 0xC2 && c != 0x7F
	}
	return
}()

// feed works on the input until there is enough output.
func (h *htmlReader) feed() {
	for h.i < h.n && len(h.out) < htmlOutput {
		c := h.in[h.i]
		switch h.state {
		case htmlData:
			if htmlWord[c] {
				j := h.i + 1
				for j < h.n && htmlWord[h.in[j]] {
					j++
				}
				h.text(h.in[h.i:j])
				h.i = j
				continue
			}
			switch {
			case c == '<':
				h.state = htmlLT
			case c == '&':
				h.state = htmlRef
				h.ref = append(h.ref[:0], c)
			case c == 0xC2:
				h.state = htmlC2
			case isHTMLSpace(c):
				h.space(c)
			}
		case htmlC2:
			h.state = htmlData
			if c == 0xA0 {
				h.nbsp()
				break
			}
			h.char("\xC2")
			continue
		case htmlRef:
			if isAlnum(c) || c == '#' && len(h.ref) == 1 {
				if h.ref = append(h.ref, c); len(h.ref) < htmlEntity {
					break
				}
				h.flushRef()
				break
			}
			if c == ';' {
				h.ref = append(h.ref, c)
				h.flushRef()
				break
			}
			h.flushRef()
			continue
		case htmlLT:
			switch {
			case isLetter(c):
				h.beginTag(false)
				continue
			case c == '/':
				h.state = htmlEndLT
			case c == '!':
				h.state = htmlBang
			case c == '?':
				h.state = htmlBogus
			default:
				h.state = htmlData
				h.char("<")
				continue
			}
		case htmlEndLT:
			switch {
			case isLetter(c):
				h.beginTag(true)
				continue
			case c == '>':
				h.state = htmlData
			default:
				h.state = htmlBogus
			}
		case htmlTagName:
			if isHTMLSpace(c) || c == '/' || c == '>' {
				h.state = htmlTag
				continue
			}
			if len(h.name) < htmlNameSize {
				h.name = append(h.name, lower(c))
			} else {
				h.long = true
			}
		case htmlTag:
			switch {
			case c == '>':
				h.endTag()
			case isHTMLSpace(c) || c == '/':
			default:
				h.attr = append(h.attr[:0], lower(c))
				h.value = h.value[:0]
				h.state = htmlAttrName
			}
		case htmlAttrName:
			switch {
			case c == '=':
				h.state = htmlAttrEq
			case isHTMLSpace(c):
				h.state = htmlAttrAfter
			case c == '/' || c == '>':
				h.endAttr()
				continue
			case len(h.attr) <= htmlNameSize: // one more, so that a long name is none of ours
				h.attr = append(h.attr, lower(c))
			}
		case htmlAttrAfter:
			switch {
			case isHTMLSpace(c):
			case c == '=':
				h.state = htmlAttrEq
			default:
				h.endAttr()
				continue
			}
		case htmlAttrEq:
			switch {
			case isHTMLSpace(c):
			case c == '"' || c == '\'':
				h.quote = c
				h.state = htmlAttrValue
			case c == '>':
				h.endAttr()
				continue
			default:
				h.quote = 0
				h.state = htmlAttrValue
				continue
			}
		case htmlAttrValue:
			if h.quote != 0 && c == h.quote {
				h.endAttr()
				break
			}
			if h.quote == 0 && (isHTMLSpace(c) || c == '>') {
				h.endAttr()
				continue
			}
			if len(h.value) <= htmlValueSize {
				h.value = append(h.value, c)
			}
		case htmlBang:
			if c == '-' {
				h.state = htmlBangDash
				break
			}
			h.state = htmlBogus
			continue
		case htmlBangDash:
			if c == '-' {
				h.state = htmlComment
				h.dashes = 2 // "<!-->" is a whole comment
				break
			}
			h.state = htmlBogus
			continue
		case htmlComment:
			switch {
			case c == '-':
				h.dashes++
			case c == '>' && h.dashes >= 2:
				h.state = htmlData
			case c == '!' && h.dashes >= 2: // "--!>" ends it too
				h.dashes = 2
			default:
				h.dashes = 0
			}
		case htmlBogus:
			if c == '>' {
				h.state = htmlData
			}
		case htmlRaw:
			if c == '<' {
				h.state = htmlRawLT
				break
			}
			h.rawText(c)
		case htmlRawLT:
			if c == '/' {
				h.state = htmlRawEndName
				h.name = h.name[:0]
				break
			}
			h.state = htmlRaw
			h.rawText('<')
			continue
		case htmlRawEndName:
			if isLetter(c) && len(h.name) < len(h.raw) {
				h.name = append(h.name, lower(c))
				break
			}
			if string(h.name) == h.raw && (isHTMLSpace(c) || c == '/' || c == '>') {
				h.end, h.long = true, false
				h.state = htmlTag
				continue
			}
			h.state = htmlRaw
			h.rawText('<')
			h.rawText('/')
			for _, c := range h.name {
				h.rawText(c)
			}
			continue
		}
		h.i++
	}
}

func (h *htmlReader) beginTag(end bool) {
	h.state, h.end, h.long = htmlTagName, end, false
	h.name = h.name[:0]
	h.href, h.alt, h.start, h.hide = "", "", "", false
}

func (h *htmlReader) endAttr() {
	h.state = htmlTag
	if h.end || len(h.value) > htmlValueSize {
		return
	}
	switch string(h.attr) {
	case "href":
		h.href = strings.TrimSpace(html.UnescapeString(string(h.value)))
	case "alt":
		h.alt = html.UnescapeString(string(h.value))
	case "start":
		h.start = string(h.value)
	case "hidden":
		h.hide = true
	case "style":
		h.hide = h.hide || hidden(h.value)
	}
}

// hidden tells whether a style has display: none.
func hidden(style []byte) bool {
	for {
		i := bytes.IndexAny(style, "dD")
		if i < 0 {
			return false
		}
		style = style[i:]
		if len(style) >= 7 && equalFold(style[:7], "display") {
			v := bytes.TrimLeft(style[7:], " \t\r\n")
			if len(v) > 0 && v[0] == ':' {
				v = bytes.TrimLeft(v[1:], " \t\r\n")
				if len(v) >= 4 && equalFold(v[:4], "none") {
					return true
				}
			}
		}
		style = style[1:]
	}
}

// htmlVoid is the elements without content.
var htmlVoid = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true, "link": true,
	"meta": true, "param": true, "source": true, "track": true, "wbr": true, "basefont": true, "bgsound": true, "frame": true,
}

// htmlBlock is the elements that stand on lines of their own, by the line endings around them: 2 for an empty line.
var htmlBlock = map[string]int{
	"p": 2, "h1": 2, "h2": 2, "h3": 2, "h4": 2, "h5": 2, "h6": 2, "blockquote": 2, "pre": 2, "dl": 2, "figure": 2, "listing": 2,
	"xmp": 2, "address": 1, "article": 1, "aside": 1, "body": 1, "center": 1, "dd": 1, "details": 1, "dialog": 1, "dir": 1, "div": 1,
	"dt": 1, "fieldset": 1, "figcaption": 1, "footer": 1, "form": 1, "header": 1, "hgroup": 1, "hr": 1, "html": 1, "legend": 1,
	"li": 1, "main": 1, "menu": 1, "nav": 1, "ol": 1, "option": 1, "search": 1, "section": 1, "summary": 1, "table": 1, "caption": 1,
	"tbody": 1, "textarea": 1, "tfoot": 1, "thead": 1, "tr": 1, "ul": 1,
}

// endTag acts on the tag that ">" has just ended.
func (h *htmlReader) endTag() {
	h.state = htmlData
	name := string(h.name)
	if h.long {
		name = ""
	}
	if !h.end {
		switch name {
		case "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes":
			h.raw = name
			h.state = htmlRaw
		}
	}
	if h.skip != "" {
		if name == h.skip && !htmlVoid[name] {
			if !h.end {
				h.skipDepth++
			} else if h.skipDepth--; h.skipDepth == 0 {
				h.skip = ""
			}
		}
		return
	}
	if !h.end && name != "" && !htmlVoid[name] && h.raw == "" || h.state == htmlRaw {
		if h.hide && !h.o.Hidden && name != "body" && name != "html" && name != "p" && name != "li" || name == "svg" || name == "template" {
			h.skip, h.skipDepth = name, 1
			return
		}
	}
	if h.end && h.raw == name {
		h.raw = ""
	}
	h.element(name)
}

func (h *htmlReader) element(name string) {
	if n := htmlBlock[name]; n > 0 {
		switch {
		case (name == "ul" || name == "ol") && (len(h.lists) == 0 || h.end && len(h.lists) == 1 && h.deep == 0):
			n = 2
		case name == "p" && h.marker != "", h.marker != "" && !h.end && name != "li":
			n = 0 // an item begins with it
		}
		if n > 0 {
			h.block(n)
		}
	}
	if h.end {
		switch name {
		case "blockquote":
			if h.quoted > 0 {
				h.quoted--
			}
		case "ul", "ol", "menu", "dir":
			h.marker = ""
			if h.deep > 0 {
				h.deep--
			} else if len(h.lists) > 0 {
				h.lists = h.lists[:len(h.lists)-1]
			}
		case "li":
			h.marker = ""
		case "pre", "listing", "textarea", "xmp":
			if h.pre > 0 {
				h.pre--
			}
		case "a":
			h.endLink()
		}
		return
	}
	switch name {
	case "br":
		h.lineBreak()
	case "hr":
		h.char("----------")
		h.block(1)
	case "img":
		if !h.o.NoImages && (!h.hide || h.o.Hidden) {
			h.string(h.alt)
		}
	case "blockquote":
		h.quoted++
	case "ul", "menu", "dir", "ol":
		l := htmlList{indent: 2}
		if name == "ol" {
			l = htmlList{number: 1, indent: 3}
			if n, err := strconv.Atoi(strings.TrimSpace(h.start)); err == nil && 0 < n && n < 1e6 {
				l.number = n
			}
		}
		if len(h.lists) < htmlMaxLists {
			h.lists = append(h.lists, l)
		} else {
			h.deep++
		}
	case "li":
		h.marker = "* "
		if n := len(h.lists); n > 0 && h.lists[n-1].number > 0 {
			h.marker = strconv.Itoa(h.lists[n-1].number) + ". "
			h.lists[n-1].number++
		}
	case "td", "th":
		if h.any && h.nl == 0 {
			h.tab = true
			h.sp, h.ws = 0, false
		}
	case "pre", "listing", "textarea", "xmp":
		h.pre++
		h.preNL, h.preCR = true, false
	case "a":
		h.endLink()
		if h.href != "" {
			h.inLink, h.link = true, h.href
			h.linked = h.linked[:0]
		}
	}
}

// endLink writes the target of the link that ends.
func (h *htmlReader) endLink() {
	if !h.inLink {
		return
	}
	h.inLink = false
	if !h.o.Links || len(h.linked) == 0 {
		return
	}
	scheme, _, _ := strings.Cut(h.link, ":")
	switch strings.ToLower(scheme) {
	case "http", "https", "mailto", "ftp", "ftps", "tel", "sms", "xmpp", "sip", "sips", "news", "nntp", "geo", "webcal":
	default:
		return
	}
	t := strings.TrimSpace(string(h.linked))
	u := strings.Join(strings.FieldsFunc(h.link, func(r rune) bool { return r <= ' ' || r == '<' || r == '>' }), "")
	bare := func(s string) string {
		s = strings.TrimSuffix(s, "/")
		for _, p := range []string{"mailto:", "https://", "http://", "tel:"} {
			if len(s) > len(p) && equalFold(s[:len(p)], p) {
				return s[len(p):]
			}
		}
		return s
	}
	if bare(t) == bare(u) {
		return
	}
	if h.sp == 0 && h.nl == 0 {
		h.sp = 1
	}
	h.text([]byte("<" + u + ">"))
}

// block ends the line. n is 2 for an empty line behind it.
func (h *htmlReader) block(n int) {
	if h.any && h.marker == "" {
		h.nl = max(h.nl, n)
	} else if h.any {
		h.nl = max(h.nl, 1)
	}
	h.sp, h.ws, h.tab = 0, false, false
}

func (h *htmlReader) lineBreak() {
	if h.any {
		h.nl = max(h.nl, min(h.nl+1, 2))
	}
	h.sp, h.ws, h.tab = 0, false, false
}

func (h *htmlReader) space(c byte) {
	if h.skip != "" {
		return
	}
	if h.pre > 0 {
		cr := h.preCR
		h.preCR = c == '\r'
		if c == '\n' && cr {
			return
		}
		first := h.preNL
		h.preNL = false
		switch c {
		case '\r', '\n':
			if !first && h.any {
				h.nl++
				h.sp, h.ws, h.tab = 0, false, false
			}
		case '\t':
			h.sp += 8
		default:
			h.sp++
		}
		return
	}
	if !h.ws && (h.sp > 0 || h.any && h.nl == 0 && !h.tab) {
		h.sp++
		h.ws = true
	}
}

func (h *htmlReader) nbsp() {
	if h.skip == "" {
		h.sp++
		h.ws = false
	}
}

// string writes text that holds any characters.
func (h *htmlReader) string(s string) {
	for s != "" {
		n := 0
		for n < len(s) && htmlWord[s[n]] {
			n++
		}
		if n > 0 {
			h.text([]byte(s[:n]))
			s = s[n:]
			continue
		}
		switch {
		case strings.HasPrefix(s, "\u00a0"):
			h.nbsp()
			s = s[2:]
			continue
		case isHTMLSpace(s[0]):
			h.space(s[0])
		case s[0] > ' ' && s[0] != 0x7F:
			h.char(s[:1])
		}
		s = s[1:]
	}
}

func (h *htmlReader) char(s string) { h.text([]byte(s)) }

func (h *htmlReader) flushRef() {
	h.state = htmlData
	s := string(h.ref)
	if n, ok := strings.CutPrefix(s, "&#"); ok {
		if n = strings.TrimLeft(n, "xX"); n == "" || unhex(n[0]) < 0 {
			h.string(s) // no digits
			return
		}
	}
	h.string(html.UnescapeString(s))
}

func (h *htmlReader) rawText(c byte) {
	if h.raw != "textarea" && h.raw != "xmp" {
		return
	}
	if isHTMLSpace(c) {
		h.space(c)
	} else if c > ' ' && c != 0x7F {
		h.text([]byte{c})
	}
}

// text writes octets that are not blanks, and before them what is due.
func (h *htmlReader) text(b []byte) {
	if h.skip != "" {
		return
	}
	h.preNL, h.preCR = false, false
	if h.nl > 0 || !h.any {
		for i := range h.nl {
			h.out = append(h.out, '\n')
			if n := min(h.quoted, h.above); i < h.nl-1 && n > 0 {
				h.out = appendQuote(h.out, n)
				h.out = h.out[:len(h.out)-1]
			}
		}
		h.nl, h.above = 0, h.quoted
		h.out = appendQuote(h.out, h.quoted)
		for i, l := range h.lists {
			if i == len(h.lists)-1 && h.marker != "" {
				break
			}
			h.out = append(h.out, "    "[:l.indent]...)
		}
		h.out = append(h.out, h.marker...)
		h.marker = ""
	}
	if h.tab {
		h.out = append(h.out, '\t')
		h.tab = false
	}
	for ; h.sp > 0; h.sp-- {
		h.out = append(h.out, ' ')
	}
	h.ws = false
	h.any = true
	h.out = append(h.out, b...)
	if h.inLink && h.o.Links && len(h.linked)+len(b) <= htmlValueSize {
		h.linked = append(h.linked, b...)
	}
}

func appendQuote(b []byte, depth int) []byte {
	for range min(depth, htmlMaxQuote) {
		b = append(b, "> "...)
	}
	return b
}

// sniffSize is how far into HTML its own word for its charset is looked for (HTML section 4.2.5.4).
const sniffSize = 1024

// sniffHTMLCharset returns the charset that HTML declares in a meta element or by a byte order mark, or "", and a reader of
// all of it.
func sniffHTMLCharset(r io.Reader) (io.Reader, string) {
	b := make([]byte, sniffSize)
	n, err := io.ReadFull(r, b)
	b = b[:n]
	all := io.MultiReader(bytes.NewReader(b), r)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		all = io.MultiReader(bytes.NewReader(b), &failing{err})
	}
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")):
		return all, "utf-8"
	case bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return all, "utf-16be"
	case bytes.HasPrefix(b, []byte("\xFF\xFE")):
		return all, "utf-16le"
	}
	for l := bytes.ToLower(b); ; {
		i := bytes.Index(l, []byte("<meta"))
		if i < 0 {
			return all, ""
		}
		l = l[i+5:]
		tag, _, _ := bytes.Cut(l, []byte(">"))
		j := bytes.Index(tag, []byte("charset"))
		if j < 0 {
			continue
		}
		v := bytes.TrimLeft(tag[j+7:], " \t\r\n")
		if len(v) == 0 || v[0] != '=' {
			continue
		}
		v = bytes.TrimLeft(v[1:], " \t\r\n\"'")
		if k := bytes.IndexAny(v, " \t\r\n\"';/"); k >= 0 {
			v = v[:k]
		}
		name := string(v)
		if strings.HasPrefix(name, "utf-16") { // it could not have been read so far
			name = "utf-8"
		}
		if charset(name) != nil {
			return all, name
		}
	}
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
