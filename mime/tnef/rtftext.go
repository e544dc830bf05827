package tnef

// RTF read as text, and the HTML or text that is encapsulated in it (MS-OXRTFEX).

import (
	"bytes"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/mailwire/mailwire/mime"
)

// RTFKind says what RTF was made from.
type RTFKind uint8

// What SniffRTF finds.
const (
	RTFPlain    RTFKind = iota // RTF as such
	RTFFromHTML                // RTF that encapsulates HTML
	RTFFromText                // RTF that encapsulates plain text
)

// rtfSniff is how far \fromhtml1 and \fromtext are looked for; they stand among the first ten control words.
const rtfSniff = 1024

// SniffRTF tells what r's RTF was made from, and returns a reader of all of it.
func SniffRTF(r io.Reader) (RTFKind, io.Reader, error) {
	b := make([]byte, rtfSniff)
	n, err := io.ReadFull(r, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, nil, err
	}
	b = b[:n]
	all := io.MultiReader(bytes.NewReader(b), r)
	switch {
	case bytes.Contains(b, []byte(`\fromhtml1`)):
		return RTFFromHTML, all, nil
	case bytes.Contains(b, []byte(`\fromtext`)):
		return RTFFromText, all, nil
	}
	return RTFPlain, all, nil
}

// NewRTFTextReader returns a reader of the text of r's RTF in UTF-8, its lines ending in LF. Any input is read, in linear
// time and bounded memory; the only errors are r's.
func NewRTFTextReader(r io.Reader) io.Reader { return &rtfText{r: r} }

// NewRTFHTMLReader returns a reader of the HTML in UTF-8 that r's RTF encapsulates (RTFFromHTML), its lines ending in LF.
func NewRTFHTMLReader(r io.Reader) io.Reader { return &rtfText{r: r, html: true} }

const (
	rtfMaxDepth = 256
	rtfMaxFonts = 4096
	rtfWord     = 32
)

// rtfGroup is what a group changes and its end restores.
type rtfGroup struct {
	skip    bool // a destination that is not text
	tag     bool // in htmltag
	rtf     bool // between \htmlrtf and \htmlrtf0
	fonts   bool // in the font table
	hidden  bool
	uc      int
	charset string
}

type rtfText struct {
	r     io.Reader
	html  bool
	in    [2048]byte
	err   error
	out   []byte
	pos   int
	pend  []byte // octets of charset not yet decoded
	pendC string

	state rtfState
	word  []byte
	param []byte
	hex   byte
	star  bool // \* was read
	first bool // the group has just begun
	bin   int64

	cur   rtfGroup
	stack []rtfGroup
	deep  int // groups beyond rtfMaxDepth

	ansi   string // of \ansicpg
	font   int    // that the font table defines
	fonts  map[int]string
	skipUC int
	high   rune // half of a surrogate pair
	begun  bool
}

type rtfState uint8

const (
	rtfData    rtfState = iota
	rtfSlash            // behind "\"
	rtfControl          // in a control word
	rtfParam            // in its parameter
	rtfHex1
	rtfHex2
	rtfBin
)

func (t *rtfText) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for t.pos == len(t.out) {
		t.out, t.pos = t.out[:0], 0
		if t.err != nil {
			return 0, t.err
		}
		if !t.begun {
			t.begun = true
			t.cur.uc = 1
			t.cur.charset = "windows-1252"
			t.ansi = t.cur.charset
		}
		var n int
		n, t.err = t.r.Read(t.in[:])
		for _, c := range t.in[:n] {
			t.octet(c)
		}
		if t.err != nil {
			if t.state == rtfControl || t.state == rtfParam {
				t.control()
			}
			t.flush()
		}
	}
	n := copy(p, t.out[t.pos:])
	t.pos += n
	return n, nil
}

func (t *rtfText) octet(c byte) {
	switch t.state {
	case rtfBin:
		if t.bin--; t.bin <= 0 {
			t.state = rtfData
		}
	case rtfHex1:
		t.hex = c
		t.state = rtfHex2
	case rtfHex2:
		t.state = rtfData
		if v, err := strconv.ParseUint(string([]byte{t.hex, c}), 16, 8); err == nil {
			t.char(byte(v))
		}
	case rtfSlash:
		t.state = rtfData
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			t.state = rtfControl
			t.word = append(t.word[:0], c)
			t.param = t.param[:0]
		case c == '\'':
			t.state = rtfHex1
		case c == '*':
			t.star = true
		case c == '~':
			if t.html {
				t.string("&nbsp;")
			} else {
				t.string("\u00a0")
			}
		case c == '_':
			if t.html {
				t.string("&shy;")
			} else {
				t.string("-")
			}
		case c == '-':
		case c == '\r' || c == '\n':
			t.string("\n")
		case c == '\\' || c == '{' || c == '}':
			t.char(c)
		}
	case rtfControl:
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			if len(t.word) <= rtfWord {
				t.word = append(t.word, c)
			}
			return
		case '0' <= c && c <= '9' || c == '-':
			t.param = append(t.param, c)
			t.state = rtfParam
			return
		}
		t.endControl(c)
	case rtfParam:
		if '0' <= c && c <= '9' {
			if len(t.param) < 12 {
				t.param = append(t.param, c)
			}
			return
		}
		t.endControl(c)
	case rtfData:
		switch c {
		case '\\':
			t.state = rtfSlash
		case '{':
			t.begin()
		case '}':
			t.end()
		case '\r', '\n':
		case 0:
		default:
			t.char(c)
		}
	}
}

// endControl acts on the control word that c ends.
func (t *rtfText) endControl(c byte) {
	t.state = rtfData
	t.control()
	if t.state == rtfBin {
		if c == ' ' {
			return
		}
		t.octet(c)
		return
	}
	if c != ' ' {
		t.octet(c)
	}
}

func (t *rtfText) begin() {
	t.flush()
	t.skipUC = 0
	if len(t.stack) >= rtfMaxDepth {
		t.deep++
		return
	}
	t.stack = append(t.stack, t.cur)
	t.first, t.star = true, false
}

func (t *rtfText) end() {
	t.flush()
	t.skipUC = 0
	t.first, t.star = false, false
	if t.deep > 0 {
		t.deep--
		return
	}
	if n := len(t.stack); n > 0 {
		t.cur = t.stack[n-1]
		t.stack = t.stack[:n-1]
	}
}

// rtfDestinations are the groups that are not text.
var rtfDestinations = map[string]bool{
	"colortbl": true, "stylesheet": true, "info": true, "pict": true, "object": true, "header": true, "headerl": true,
	"headerr": true, "headerf": true, "footer": true, "footerl": true, "footerr": true, "footerf": true, "listtable": true,
	"listoverridetable": true, "rsidtbl": true, "generator": true, "xmlnstbl": true, "themedata": true, "colorschememapping": true,
	"datastore": true, "latentstyles": true, "fldinst": true, "bkmkstart": true, "bkmkend": true, "footnote": true,
	"annotation": true, "filetbl": true, "revtbl": true, "private": true, "nonshppict": true, "pntext": true, "comment": true,
}

func (t *rtfText) control() {
	word := string(t.word)
	param, has := 0, len(t.param) > 0
	if has {
		v, err := strconv.ParseInt(string(t.param), 10, 32)
		has = err == nil
		param = int(v)
	}
	first, star := t.first, t.star
	t.first, t.star = false, false
	if t.skipUC > 0 && word != "u" && word != "bin" { // a control word counts as one character
		t.skipUC--
		return
	}
	switch word {
	case "bin":
		if has && param > 0 {
			t.flush()
			t.bin = int64(param)
			t.state = rtfBin
		}
		return
	case "u":
		if has {
			t.unicode(param)
		}
		return
	case "uc":
		if has {
			t.cur.uc = min(max(param, 0), 255)
		}
		return
	case "ansicpg":
		if c := codepage(param); c != "" {
			t.flush()
			t.ansi, t.cur.charset = c, c
		}
		return
	case "f":
		t.font = param
		if !t.cur.fonts {
			c := t.ansi
			if f, ok := t.fonts[param]; ok {
				c = f
			}
			t.setCharset(c)
		}
		return
	case "fcharset":
		if t.cur.fonts && len(t.fonts) < rtfMaxFonts {
			if c := fontCharset(param); c != "" {
				if t.fonts == nil {
					t.fonts = map[int]string{}
				}
				t.fonts[t.font] = c
			}
		}
		return
	case "plain":
		t.setCharset(t.ansi)
		t.cur.hidden = false
		return
	case "v":
		t.cur.hidden = !has || param != 0
		return
	case "htmlrtf":
		t.flush()
		t.cur.rtf = !has || param != 0
		return
	case "fonttbl":
		t.flush()
		t.cur.fonts = true
		return
	case "htmltag", "mhtmltag":
		if star || first {
			t.flush()
			t.cur.tag = word == "htmltag"
			t.cur.skip = t.cur.skip || word == "mhtmltag" || !t.html
		}
		return
	}
	if star || first && rtfDestinations[word] {
		t.flush()
		t.cur.skip = true
		return
	}
	switch word {
	case "par", "line", "row", "sect", "page":
		t.string("\n")
	case "tab", "cell", "nestcell":
		t.string("\t")
	case "lquote":
		t.named("‘", "&lsquo;")
	case "rquote":
		t.named("’", "&rsquo;")
	case "ldblquote":
		t.named("“", "&ldquo;")
	case "rdblquote":
		t.named("”", "&rdquo;")
	case "bullet":
		t.named("•", "&bull;")
	case "endash":
		t.named("–", "&ndash;")
	case "emdash":
		t.named("—", "&mdash;")
	case "enspace", "emspace", "qmspace":
		t.string(" ")
	}
}

func (t *rtfText) named(text, html string) {
	if t.html {
		t.string(html)
	} else {
		t.string(text)
	}
}

func (t *rtfText) setCharset(c string) {
	if c != t.cur.charset {
		t.flush()
		t.cur.charset = c
	}
}

// shown tells whether text is to be written.
func (t *rtfText) shown() bool {
	if t.cur.skip || t.cur.fonts {
		return false
	}
	if t.html {
		return !t.cur.rtf
	}
	return !t.cur.hidden
}

// char takes an octet of text in the current charset.
func (t *rtfText) char(c byte) {
	t.first, t.star = false, false
	if t.skipUC > 0 {
		t.skipUC--
		return
	}
	if !t.shown() {
		return
	}
	if c < 0x80 && len(t.pend) == 0 && t.cur.charset != "utf-7" {
		t.out = append(t.out, c)
		return
	}
	if t.pendC != t.cur.charset {
		t.flush()
		t.pendC = t.cur.charset
	}
	if t.pend = append(t.pend, c); len(t.pend) >= 512 && c < 0x80 || len(t.pend) >= 4096 {
		t.flush()
	}
}

// flush decodes what is pending.
func (t *rtfText) flush() {
	if len(t.pend) == 0 {
		return
	}
	t.out = append(t.out, decode(t.pend, t.pendC)...)
	t.pend = t.pend[:0]
}

// string writes text that is in UTF-8 already.
func (t *rtfText) string(s string) {
	t.first, t.star = false, false
	if t.skipUC > 0 {
		t.skipUC--
		return
	}
	if t.shown() {
		t.flush()
		t.out = append(t.out, s...)
	}
}

// unicode takes \uN, N being a UTF-16 unit that may be written as negative.
func (t *rtfText) unicode(n int) {
	t.skipUC = 0
	r := rune(uint16(n))
	switch {
	case 0xD800 <= r && r < 0xDC00:
		t.high = r
	case 0xDC00 <= r && r < 0xE000 && t.high != 0:
		t.string(string(((t.high-0xD800)<<10 | (r - 0xDC00)) + 0x10000))
		t.high = 0
	default:
		t.high = 0
		if !utf8.ValidRune(r) || r == 0 {
			r = utf8.RuneError
		}
		t.string(string(r))
	}
	t.skipUC = t.cur.uc
}

// fontCharset returns the charset of \fcharsetN, or "".
func fontCharset(n int) string {
	switch n {
	case 77:
		return "macintosh"
	case 128:
		return "shift_jis"
	case 129:
		return "euc-kr"
	case 134:
		return "gbk"
	case 136:
		return "big5"
	case 161:
		return "windows-1253"
	case 162:
		return "windows-1254"
	case 163:
		return "windows-1258"
	case 177:
		return "windows-1255"
	case 178:
		return "windows-1256"
	case 186:
		return "windows-1257"
	case 204:
		return "windows-1251"
	case 222:
		return "windows-874"
	case 238:
		return "windows-1250"
	}
	return ""
}

// RTF returns a reader of the message's RTF, decompressed. ok is false if there is none.
func (m *Message) RTF() (r *RTFReader, ok bool) {
	p := m.Properties.Get(PidRTFCompressed)
	if p == nil || len(p.Values) == 0 || p.Values[0].Range.Len() == 0 {
		return nil, false
	}
	return NewRTFReader(p.Values[0].Open()), true
}

// HTML returns a reader of the message's HTML in UTF-8: the HTML body, or what the RTF encapsulates. ok is false if there is
// neither. The errors are those of the source.
func (m *Message) HTML() (r io.Reader, ok bool) {
	if p := m.Properties.Get(PidBodyHTML); p != nil && len(p.Values) > 0 && p.Values[0].Range.Len() > 0 {
		v := &p.Values[0]
		switch p.Type {
		case TypeUnicode:
			r, _ = mime.CharsetReader(v.Open(), "utf-16le")
		case TypeString8:
			r, _ = mime.CharsetReader(v.Open(), m.charset)
		default:
			cp, _ := m.Properties.Int(PidInternetCodepage)
			r, _ = mime.CharsetReader(v.Open(), codepage(int(cp)))
		}
		return &untilNUL{r: r}, true
	}
	z, ok := m.RTF()
	if !ok {
		return nil, false
	}
	if kind, all, err := SniffRTF(z); err != nil {
		return &failed{err}, true
	} else if kind == RTFFromHTML {
		return NewRTFHTMLReader(all), true
	}
	return nil, false
}

// Text returns a reader of the message's plain text in UTF-8: the text body, or the text of the RTF, or of the HTML. ok is
// false if there is none of them. Lines end as they stand.
func (m *Message) Text() (r io.Reader, ok bool) {
	if p := m.Properties.Get(PidBody); p != nil && len(p.Values) > 0 && p.Values[0].Range.Len() > 0 {
		v := &p.Values[0]
		charset := m.charset
		if p.Type == TypeUnicode {
			charset = "utf-16le"
		}
		r, _ = mime.CharsetReader(v.Open(), charset)
		return &untilNUL{r: r}, true
	}
	if m.body != nil && m.body.Len() > 0 {
		r, _ = mime.CharsetReader(m.body.Reader(m.src), m.charset)
		return &untilNUL{r: r}, true
	}
	if z, ok := m.RTF(); ok {
		kind, all, err := SniffRTF(z)
		switch {
		case err != nil:
			return &failed{err}, true
		case kind == RTFFromHTML:
			return mime.NewHTMLReader(NewRTFHTMLReader(all), nil), true
		}
		return NewRTFTextReader(all), true
	}
	if r, ok := m.HTML(); ok {
		return mime.NewHTMLReader(r, nil), true
	}
	return nil, false
}

// untilNUL ends at the first NUL.
type untilNUL struct {
	r    io.Reader
	done bool
}

func (u *untilNUL) Read(p []byte) (int, error) {
	if u.done {
		return 0, io.EOF
	}
	n, err := u.r.Read(p)
	if i := bytes.IndexByte(p[:n], 0); i >= 0 {
		u.done = true
		return i, io.EOF
	}
	return n, err
}

type failed struct{ err error }

func (f *failed) Read([]byte) (int, error) { return 0, f.err }
