package mime

// A message in one line (RFC 8970).

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PreviewOptions configures a preview. nil means the defaults.
type PreviewOptions struct {
	// Characters is how long the preview may be, in Unicode characters. Default 200, at most 256 (RFC 8970 section 3.3).
	Characters int
	// Octets is how much may be read of the message's bodies (by the function Preview: of the message). Default 64 KiB.
	Octets int64
	// Quotes keeps quoted text and signatures. By default they are left out where there is anything else.
	Quotes bool
}

func (o *PreviewOptions) values() (chars int, octets int64, quotes bool) {
	chars, octets = 200, 64<<10
	if o != nil {
		if o.Characters > 0 {
			chars = min(o.Characters, 256)
		}
		if o.Octets > 0 {
			octets = o.Octets
		}
		quotes = o.Quotes
	}
	return
}

// Preview returns the preview of the message in r, of which it reads a bounded prefix: see PreviewOptions.Octets. The error is r's;
// io.EOF is none.
func Preview(r io.Reader, o *PreviewOptions) (string, error) {
	_, octets, _ := o.values()
	b, err := io.ReadAll(io.LimitReader(r, octets))
	if err != nil {
		return "", err
	}
	return ParseBytes(b, nil).Preview(bytes.NewReader(b), o)
}

// Preview returns the beginning of the message's text on one line, as RFC 8970 asks: UTF-8 of at most 200 characters, none cut,
// runs of blanks made one and control and invisible characters left out, from the parts that Body gives as text, never from
// attachments. Quoted text, the line that introduces it, and signatures are passed over, unless nothing else is found. It is
// empty where there is no text, or an enciphered message. p is a message or a part of it, m the message that p was parsed
// from, of which a bounded amount is read. The error is m's.
func (p *Part) Preview(m io.ReaderAt, o *PreviewOptions) (string, error) {
	chars, octets, quotes := o.values()
	budget := &budgetReaderAt{m: m, left: octets}
	v := previewer{limit: chars, quotes: quotes}
	for i, q := range p.Body().Text {
		if i == previewParts || budget.left <= 0 {
			break
		}
		ct := q.ContentType()
		var r io.Reader
		if isHTML(ct) {
			r = NewHTMLReader(q.utf8Reader(budget, ct), &HTMLOptions{Hidden: true, NoImages: true})
		} else if r = q.textReader(budget, &TextOptions{}); r == nil {
			continue
		}
		if v.read(r) {
			break
		}
		v.endPart()
	}
	if budget.err != nil {
		return "", budget.err
	}
	return v.result(), nil
}

// previewParts is how many parts of a message are looked into.
const previewParts = 64

// budgetReaderAt gives no more than so many octets; what is beyond is the end. It remembers m's error, for text readers may have
// more to say before they report it.
type budgetReaderAt struct {
	m    io.ReaderAt
	left int64
	err  error
}

func (b *budgetReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	cut := int64(len(p)) > b.left
	if cut {
		p = p[:b.left]
	}
	n, err := b.m.ReadAt(p, off)
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	if err == nil && cut {
		err = io.EOF
	}
	return n, err
}

const (
	// previewLine is the longest line that may introduce a quotation.
	previewLine = 300
	// previewHeld is how much of a line is looked at before its text is taken.
	previewHeld = 1200
)

// previewer takes text line by line and keeps what is new in it.
type previewer struct {
	limit  int
	quotes bool
	own    previewText // what the author wrote
	all    previewText // with the quotations
	line   []byte      // the current line, or what of it is not taken yet
	mid    bool        // the line's beginning has been taken
	old    bool        // and is a quotation's
	held   [][]byte    // lines that may introduce a quotation
	sig    bool        // behind a signature separator
	block  previewBlock
}

// previewBlock is what stands in a text that is not for the eye.
type previewBlock uint8

const (
	previewNone   previewBlock = iota
	previewUU                  // a uuencoded file
	previewYEnc                // a yEnc file
	previewPGP                 // armour, up to its end
	previewHashes              // the headers of a cleartext signature, up to the blank line
)

type previewText struct {
	b     []byte
	n     int // characters
	space bool
}

// read takes r to its end, or until the preview is full.
func (v *previewer) read(r io.Reader) bool {
	var buf [1024]byte
	for {
		n, err := r.Read(buf[:])
		for _, c := range buf[:n] {
			if c == '\n' || c == '\r' {
				v.endLine()
			} else if v.line = append(v.line, c); len(v.line) >= previewHeld {
				v.overflow()
			}
			if v.own.n >= v.limit {
				return true
			}
		}
		if err != nil {
			v.endLine()
			return v.own.n >= v.limit
		}
	}
}

// overflow takes what there is of a long line, up to a character's end.
func (v *previewer) overflow() {
	n := len(v.line)
	for i := n - 1; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(v.line[i]) {
			if !utf8.FullRune(v.line[i:]) {
				n = i
			}
			break
		}
	}
	if !v.mid {
		v.old = !v.quotes && (v.sig || v.line[0] == '>')
		if !v.old {
			v.release()
		}
	}
	v.take(v.line[:n])
	v.mid = true
	v.line = append(v.line[:0], v.line[n:]...)
}

// take takes a piece of a long line.
func (v *previewer) take(b []byte) {
	if v.block != previewNone {
		return
	}
	v.all.add(b, v.limit, !v.mid)
	if !v.old {
		v.own.add(b, v.limit, !v.mid)
	}
}

// inBlock tells whether a line belongs to a block that is not for the eye.
func (v *previewer) inBlock(l []byte) bool {
	switch v.block {
	case previewUU:
		if _, ok := uuLine(l); ok {
			return true
		}
		v.block = previewNone
		if string(bytes.TrimRight(l, " \t")) == "end" {
			return true
		}
	case previewYEnc:
		if bytes.HasPrefix(l, []byte("=yend")) {
			v.block = previewNone
		}
		return true
	case previewPGP:
		if bytes.HasPrefix(l, []byte("-----END PGP ")) {
			v.block = previewNone
		}
		return true
	case previewHashes:
		if len(bytes.TrimSpace(l)) == 0 {
			v.block = previewNone
		}
		return true
	}
	if _, _, ok := uuBegin(l); ok {
		v.block = previewUU
	} else if _, ok := yencBegin(l); ok {
		v.block = previewYEnc
	} else if k, _ := pgpBegin(l); k == EmbeddedPGPSigned {
		v.block = previewHashes
	} else if k != 0 {
		v.block = previewPGP
	}
	return v.block != previewNone
}

func (v *previewer) endPart() {
	v.release()
	v.sig, v.block = false, previewNone
	v.own.space, v.all.space = true, true
}

func (v *previewer) release() {
	for _, l := range v.held {
		v.own.add(l, v.limit, true)
	}
	v.held = v.held[:0]
}

func (v *previewer) endLine() {
	l := v.line
	v.line = v.line[:0]
	if v.mid {
		v.take(l)
		v.mid = false
		return
	}
	if v.inBlock(l) {
		return
	}
	if string(l) == "-- " || string(l) == "--" {
		v.sig = true
	}
	t := bytes.TrimSpace(l)
	v.all.add(t, v.limit, true)
	switch {
	case v.quotes:
		v.own.add(t, v.limit, true)
		return
	case v.sig || len(t) == 0:
		return
	case t[0] == '>' || isOriginalMark(t):
		v.held = v.held[:0]
		if t[0] != '>' {
			v.sig = true // all that follows is the message replied to
		}
		return
	}
	// "On ... wrote:" may take two lines; it is known by the quotation behind it.
	if bytes.HasSuffix(t, []byte(":")) && len(t) <= previewLine {
		v.held = append(v.held, bytes.Clone(t))
		if len(v.held) > 2 {
			v.own.add(v.held[0], v.limit, true)
			v.held = v.held[1:]
		}
		return
	}
	if len(v.held) == 0 && len(t) <= previewLine && beginsAttribution(t) {
		v.held = append(v.held, bytes.Clone(t))
		return
	}
	v.release()
	v.own.add(t, v.limit, true)
}

// beginsAttribution tells whether a line may be the first of the two that introduce a quotation.
func beginsAttribution(t []byte) bool {
	for _, p := range [...]string{"On ", "Le ", "Am ", "El ", "Il ", "Em ", "Op "} {
		if bytes.HasPrefix(t, []byte(p)) && bytes.ContainsAny(t, "0123456789") {
			return true
		}
	}
	return false
}

// isOriginalMark tells the line behind which Outlook and its like put the message replied to.
func isOriginalMark(t []byte) bool {
	s, ok := bytes.CutPrefix(t, []byte("-----"))
	if !ok {
		return len(t) >= 10 && len(bytes.Trim(t, "_")) == 0
	}
	s, ok = bytes.CutSuffix(s, []byte("-----"))
	if !ok {
		return false
	}
	switch strings.ToLower(strings.Trim(string(s), "- ")) {
	case "original message", "ursprüngliche nachricht", "message d'origine", "mensaje original", "messaggio originale",
		"oorspronkelijk bericht", "mensagem original", "исходное сообщение":
		return true
	}
	return false
}

// add adds text; fresh is set at a line's beginning.
func (t *previewText) add(b []byte, limit int, fresh bool) {
	if fresh && len(b) > 0 {
		t.space = true
	}
	for len(b) > 0 && t.n < limit {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case unicode.IsSpace(r):
			t.space = true
			continue
		case unicode.IsControl(r) || invisible(r):
			continue
		}
		if t.space && len(t.b) > 0 {
			if t.n+1 >= limit {
				t.n = limit
				return
			}
			t.b = append(t.b, ' ')
			t.n++
		}
		t.space = false
		t.b = utf8.AppendRune(t.b, r)
		t.n++
	}
}

// invisible tells the characters that newsletters fill their preheader with, and those that turn text around.
func invisible(r rune) bool {
	switch {
	case r == 0x00AD, r == 0x034F, r == 0x061C, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x180E, r == 0x2800, r == 0x3164, r == 0xFEFF, r == 0xFFA0:
		return true
	case 0x200B <= r && r <= 0x200C, 0x200E <= r && r <= 0x200F, 0x202A <= r && r <= 0x202E, 0x2060 <= r && r <= 0x206F:
		return true
	}
	return false
}

func (v *previewer) result() string {
	v.release()
	if len(v.own.b) > 0 {
		return string(v.own.b)
	}
	return string(v.all.b)
}
