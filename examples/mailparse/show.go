package main

// A message as JSON, as a tree for a person, and as text.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mailwire/mailwire/mime"
)

type jsonMessage struct {
	File      string        `json:"file"`
	Subject   string        `json:"subject"`
	From      []jsonAddress `json:"from"`
	To        []jsonAddress `json:"to"`
	Date      string        `json:"date"`
	MessageID string        `json:"message_id"`
	Parts     []jsonPart    `json:"parts"`
	Defects   []string      `json:"defects"`
}

type jsonAddress struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

type jsonPart struct {
	Type          string `json:"type"`
	Charset       string `json:"charset"`
	Encoding      string `json:"encoding"`
	Filename      string `json:"filename"`
	Octets        int64  `json:"octets"`
	DecodedOctets int64  `json:"decoded_octets"`
	SHA256        string `json:"sha256"`
}

// addresses leaves out the marks of groups.
func addresses(l []mime.Address) []jsonAddress {
	out := []jsonAddress{}
	for _, a := range l {
		if a.Kind == mime.AddressMailbox {
			out = append(out, jsonAddress{a.DisplayName(), strings.ToValidUTF8(a.Addr(), "\uFFFD")})
		}
	}
	return out
}

func messageID(h mime.Header) string {
	if ids := h.MessageIDs("Message-ID"); len(ids) > 0 {
		return strings.ToValidUTF8(ids[0], "\uFFFD")
	}
	return ""
}

// charset is what the part says itself.
func charset(p *mime.Part) string {
	if !p.Header.Has("Content-Type") {
		return ""
	}
	cs, _ := p.ContentType().Params.Get("charset")
	return strings.ToLower(cs)
}

func encoding(p *mime.Part) string {
	return strings.ToValidUTF8(strings.ToLower(p.Encoding()), "\uFFFD")
}

func mediaType(p *mime.Part) string {
	return strings.ToValidUTF8(p.ContentType().MediaType(), "\uFFFD")
}

func (p *program) printJSON(m *message) error {
	h := m.root.Header
	j := jsonMessage{
		File: m.name, Subject: h.Text("Subject"), From: addresses(h.Addresses("From")), To: addresses(h.Addresses("To")),
		MessageID: messageID(h), Parts: []jsonPart{}, Defects: []string{},
	}
	if d, err := h.Date("Date"); err == nil {
		j.Date = d.Format(time.RFC3339)
	}
	sum := sha256.New()
	for l := range m.root.Leaves() {
		sum.Reset()
		n, err := io.Copy(sum, l.Decoded(m))
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		j.Parts = append(j.Parts, jsonPart{
			Type: mediaType(l), Charset: charset(l), Encoding: encoding(l), Filename: l.Filename(), Octets: l.Octets(),
			DecodedOctets: n, SHA256: hex.EncodeToString(sum.Sum(nil)),
		})
	}
	for _, d := range m.root.Defects {
		j.Defects = append(j.Defects, d.String())
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(j); err != nil {
		return err
	}
	return p.write([]byte(b.String()))
}

// obeyed tells whether a terminal obeys r instead of showing it: controls, and
// the marks that turn the direction of writing.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || 0x202A <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069
}

// clean makes text from the message fit for one line of a terminal: what would
// move the cursor, change colours or turn the direction of writing is gone.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case obeyed(r), r == utf8.RuneError, r == 0x2028, r == 0x2029:
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func (p *program) printTree(m *message) error {
	var b strings.Builder
	if p.shown > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %s\n", clean(m.name), plural(m.size, "octet"))
	h := m.root.Header
	for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
		v := ""
		switch name {
		case "Subject":
			v = h.Text(name)
		case "Date":
			f, ok := h.Get(name)
			if !ok {
				break
			}
			if d, err := f.Date(); err == nil {
				v = d.Format("Mon, 2 Jan 2006 15:04:05 -0700")
			} else {
				v = f.Text() + " (not a date)"
			}
		default:
			v = people(h.Addresses(name))
		}
		if v != "" {
			fmt.Fprintf(&b, "  %-9s%s\n", name+":", clean(v))
		}
	}
	if id := messageID(h); id != "" {
		fmt.Fprintf(&b, "  %-9s%s\n", "ID:", clean(id))
	}
	if err := tree(&b, m, m.root, "  ", "  "); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	for i, d := range m.root.Defects {
		if i == 0 {
			b.WriteString("  faults:\n")
		}
		if i == maxShown {
			fmt.Fprintf(&b, "    and %d more\n", len(m.root.Defects)-i)
			break
		}
		fmt.Fprintf(&b, "    %s\n", d)
		if d.Code == mime.DefectUnixFrom && !p.config.mbox {
			b.WriteString("    (if the file holds several messages, use -mbox)\n")
		}
	}
	return p.write([]byte(b.String()))
}

// maxShown bounds how many addresses or faults a person is shown.
const maxShown = 20

func people(l []mime.Address) string {
	var b strings.Builder
	sep := ""
	for i, a := range l {
		if i == maxShown {
			fmt.Fprintf(&b, "%sand %d more", sep, len(l)-i)
			break
		}
		name, addr := a.DisplayName(), a.Addr()
		if a.Kind == mime.AddressGroupEnd {
			b.WriteByte(';')
			continue
		}
		b.WriteString(sep)
		sep = ", "
		if strings.ContainsAny(name, ",;:<>@") {
			name = `"` + name + `"`
		}
		switch {
		case a.Kind == mime.AddressGroupStart:
			b.WriteString(name + ":")
			sep = " "
		case name == "":
			b.WriteString(addr)
		case addr == "":
			b.WriteString(name)
		default:
			b.WriteString(name + " <" + addr + ">")
		}
	}
	return b.String()
}

// tree writes a part and all below it, which are no deeper than
// mime.Limits.Depth.
func tree(b *strings.Builder, m *message, p *mime.Part, first, rest string) error {
	b.WriteString(first + clean(mediaType(p)))
	if cs := charset(p); cs != "" {
		b.WriteString(" " + clean(cs))
	}
	if n := p.Filename(); n != "" {
		fmt.Fprintf(b, " %q", clean(n))
	}
	switch {
	case p.Message != nil:
		if s := p.Message.Header.Text("Subject"); s != "" {
			fmt.Fprintf(b, " %q", clean(s))
		}
		b.WriteByte('\n')
		return tree(b, m, p.Message, rest+"└─ ", rest+"   ")
	case len(p.Children) == 0:
		n, err := p.DecodedSize(m)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, " (%s", plural(n, "octet"))
		if e := encoding(p); n != p.Octets() {
			fmt.Fprintf(b, ", %s", clean(e))
		}
		b.WriteString(")")
	}
	b.WriteByte('\n')
	for i, c := range p.Children {
		mark, line := "├─ ", "│  "
		if i == len(p.Children)-1 {
			mark, line = "└─ ", "   "
		}
		if err := tree(b, m, c, rest+mark, rest+line); err != nil {
			return err
		}
	}
	return nil
}

// plural writes 1234567 octets as "1,234,567 octets".
func plural(n int64, unit string) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if n != 1 {
		unit += "s"
	}
	return s + " " + unit
}

func (p *program) printText(m *message) error {
	if p.shown > 0 {
		if err := p.write([]byte("\n----\n\n")); err != nil {
			return err
		}
	}
	w := &textWriter{p: p}
	if _, err := io.Copy(w, m.root.Body().TextReader(m, nil)); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return w.end()
}

// textWriter passes UTF-8 with U+FFFD for what a terminal would obey, and LF at
// the end of every line.
type textWriter struct {
	p    *program
	rest [utf8.UTFMax]byte // of a character cut in two
	n    int
	last rune
	buf  []byte
}

func (w *textWriter) Write(b []byte) (int, error) {
	in := append(w.rest[:w.n:w.n], b...)
	w.n = 0
	out := w.buf[:0]
	for len(in) > 0 {
		if !utf8.FullRune(in) {
			w.n = copy(w.rest[:], in)
			break
		}
		r, n := utf8.DecodeRune(in)
		in = in[n:]
		switch {
		case r == '\r':
			continue
		case r != '\n' && r != '\t' && obeyed(r):
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
		w.last = r
	}
	w.buf = out
	if err := w.p.write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *textWriter) end() error {
	if w.last != '\n' && w.last != 0 {
		return w.p.write([]byte{'\n'})
	}
	return nil
}
