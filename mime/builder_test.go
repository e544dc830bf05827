package mime

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// zeroes is randomness for tests.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// fixed returns m with what is random made the same each time.
func fixed(m *Message) *Message {
	if m.From == nil {
		m.From = []Address{NewAddress("", "a@b.example")}
	}
	m.Now = func() time.Time { return time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC) }
	m.Rand = zeroes{}
	return m
}

// written returns the message by every road.
func written(t testing.TB, m *Message) string {
	t.Helper()
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	r, err := m.Reader()
	if errors.Is(err, ErrConsumed) {
		return b.String()
	}
	require.NoError(t, err)
	again, err := io.ReadAll(r)
	if !errors.Is(err, ErrConsumed) {
		require.NoError(t, err)
		require.Equal(t, b.String(), string(again))
	}
	return b.String()
}

// outline returns the media types of a tree, with encodings and file names.
func outline(p *Part) string {
	s := p.ContentType().MediaType()
	if p.Header.Has("Content-Transfer-Encoding") {
		s += " " + p.Encoding()
	}
	if d, ok := p.Header.Disposition(); ok {
		s += " " + d.Type
	}
	if n := p.Filename(); n != "" {
		s += " " + n
	}
	var in []string
	for _, c := range p.Children {
		in = append(in, outline(c))
	}
	if p.Message != nil {
		in = append(in, outline(p.Message))
	}
	if len(in) > 0 {
		s += "(" + strings.Join(in, ", ") + ")"
	}
	return s
}

// The whole of a message, as testdata/builder.eml has it.
func TestMessageGolden(t *testing.T) {
	m := fixed(&Message{
		From:       []Address{NewAddress("René Dupont", "rene@example.org"), NewAddress("", "ann@example.org")},
		Sender:     NewAddress("Office", "office@example.org"),
		ReplyTo:    []Address{NewAddress("", "list@example.org")},
		To:         ParseAddressList(`"Doe, John" <john@example.com>, Team: a@example.com, Zoë <z@example.com>;`),
		Cc:         []Address{NewAddress("", "cc@example.com")},
		Bcc:        []Address{NewAddress("", "secret@example.com")},
		Subject:    "L’été: invitation",
		InReplyTo:  []string{"<1@example.com>"},
		References: []string{"<0@example.com>", "1@example.com"},
		Extra:      []FieldValue{TextField("X-Mailer", "mailwire"), StructuredField("Auto-Submitted", "auto-generated")},
		Text:       "Hello,\n\nun café?\n",
		HTML:       "<p>Hello, <img src=\"cid:logo@example.org\"> un café?\n",
		Calendar:   &Calendar{Method: "REQUEST", Data: "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"},
		Inline:     []Attachment{{Name: "logo.png", ContentID: "logo@example.org", Content: strings.NewReader("\x89PNG")}},
		Attachments: []Attachment{
			{Name: "отчёт.pdf", Description: "The report, à lire", Content: strings.NewReader("%PDF-1.7\n")},
			{Name: "notes.txt", Content: strings.NewReader("one\r\ntwo\r\n")},
			{Type: "message/rfc822", Content: strings.NewReader("Subject: inner\n\nplain\n")},
		},
	})
	got := written(t, m)
	testkit.Golden(t, filepath.Join("testdata", "builder.eml"), []byte(got))
	require.Equal(t, []string{"john@example.com", "a@example.com", "z@example.com", "cc@example.com", "secret@example.com"}, m.Recipients())
	require.Equal(t, "office@example.org", m.ReversePath())
	require.NotContains(t, got, "secret")
	require.Equal(t, "multipart/mixed(multipart/alternative(text/plain quoted-printable, multipart/related(text/html quoted-printable, image/png base64 inline logo.png), "+
		"text/calendar 7bit), application/ics 7bit attachment invite.ics, application/pdf base64 attachment отчёт.pdf, text/plain 7bit attachment notes.txt, "+
		"message/rfc822 7bit attachment(text/plain))", outline(ParseBytes([]byte(got), nil)))
	require.Empty(t, ParseBytes([]byte(got), nil).Defects)
}

func TestMessageStructure(t *testing.T) {
	file := func(name, content string) Attachment {
		return Attachment{Name: name, Content: strings.NewReader(content)}
	}
	stream := func(name, content string) Attachment {
		return Attachment{Name: name, Content: io.MultiReader(strings.NewReader(content))}
	}
	cafe := "un café au lait\r\n"
	for _, c := range []struct {
		m    Message
		want string
	}{
		{Message{}, "text/plain 7bit"},
		{Message{Text: "x"}, "text/plain 7bit"},
		{Message{Text: cafe}, "text/plain quoted-printable"},
		{Message{Text: cafe, EightBit: true}, "text/plain 8bit"},
		{Message{Text: "Привет"}, "text/plain base64"},
		{Message{Text: "some words\rof old"}, "text/plain quoted-printable"},
		{Message{HTML: "x"}, "text/html 7bit"},
		{Message{Text: "x", HTML: "y"}, "multipart/alternative(text/plain 7bit, text/html 7bit)"},
		{Message{Text: cafe, HTML: "y", EightBit: true}, "multipart/alternative 8bit(text/plain 8bit, text/html 7bit)"},
		{Message{Inline: []Attachment{file("a.gif", "")}}, "multipart/mixed(image/gif base64 inline a.gif)"},
		{Message{Text: "x", Inline: []Attachment{file("a.gif", "")}}, "multipart/mixed(text/plain 7bit, image/gif base64 inline a.gif)"},
		{Message{Attachments: []Attachment{file("A.ZIP", ""), file("x.unknown", ""), {}}}, "multipart/mixed(application/zip base64 attachment A.ZIP, application/octet-stream base64 attachment x.unknown, application/octet-stream base64 attachment)"},
		{Message{Calendar: &Calendar{Method: "REPLY", Data: "x", Name: "r.ics"}}, "multipart/mixed(text/calendar 7bit, application/ics 7bit attachment r.ics)"},
		{Message{Text: "x", Attachments: []Attachment{file("a.csv", "a\r\n"), file("b.csv", "a\n"), file("c.csv", cafe), stream("d.csv", cafe), file("e.csv", "\x00")}},
			"multipart/mixed(text/plain 7bit, text/csv 7bit attachment a.csv, text/csv base64 attachment b.csv, text/csv quoted-printable attachment c.csv, text/csv quoted-printable attachment d.csv, text/csv base64 attachment e.csv)"},
		{Message{Text: "x", EightBit: true, Attachments: []Attachment{file("c.csv", cafe), stream("d.csv", strings.Repeat("a\r\n", 10000))}},
			"multipart/mixed 8bit(text/plain 7bit, text/csv 8bit attachment c.csv, text/csv base64 attachment d.csv)"},
		{Message{Attachments: []Attachment{file("m.eml", "Subject: x\n\n"+cafe)}}, "multipart/mixed(message/rfc822 7bit attachment m.eml(text/plain quoted-printable))"},
		{Message{EightBit: true, Attachments: []Attachment{file("m.eml", "Subject: x\n\n"+cafe)}}, "multipart/mixed 8bit(message/rfc822 8bit attachment m.eml(text/plain))"},
		{Message{Attachments: []Attachment{{Type: "text/plain; charset=koi8-r; name=\"x y\"", Content: strings.NewReader("a")}}}, "multipart/mixed(text/plain 7bit attachment x y)"},
	} {
		s := written(t, fixed(&c.m))
		p := ParseBytes([]byte(s), nil)
		require.Equal(t, c.want, outline(p), "%s", s)
		require.Empty(t, p.Defects, "%s", s)
		require.True(t, strings.HasSuffix(s, "\r\n"))
		require.NotContains(t, strings.ReplaceAll(s, "\r\n", ""), "\n")
		if !c.m.EightBit {
			require.True(t, plainASCII(strings.ReplaceAll(s, "\r\n", "")))
		}
	}
}

// Content is what it was, octet by octet, whatever carries it; text has CRLF.
func TestMessageContent(t *testing.T) {
	contents := []string{"", "a", "a\n", "a\r\n", "\r\n", "a\r", "a\r\n\r\n", "--=_m00000000000000000000000000000000\r\n", "\x00\xff\n", strings.Repeat("é \r\n", 9000), strings.Repeat("x", 5000)}
	for _, eightBit := range []bool{false, true} {
		for _, c := range contents {
			for _, typ := range []string{"text/plain", "application/octet-stream"} {
				m := fixed(&Message{EightBit: eightBit, Attachments: []Attachment{
					{Type: typ, Content: strings.NewReader(c)}, {Type: typ, Content: iotest.OneByteReader(strings.NewReader(c))},
				}})
				m.Rand = nil
				src := written(t, m)
				p := ParseBytes([]byte(src), nil)
				require.Len(t, p.Children, 2)
				for _, q := range p.Children {
					b, err := io.ReadAll(q.Open(strings.NewReader(src)))
					require.NoError(t, err)
					require.Equal(t, c, string(b))
				}
			}
			if strings.Contains(c, "\xff") {
				continue
			}
			src := written(t, fixed(&Message{EightBit: eightBit, Text: c, HTML: c + "x"}))
			p := ParseBytes([]byte(src), nil)
			want := strings.ReplaceAll(strings.ReplaceAll(c, "\r\n", "\n"), "\n", "\r\n")
			for _, q := range p.Children {
				b, err := io.ReadAll(q.Open(strings.NewReader(src)))
				require.NoError(t, err)
				require.Contains(t, []string{want, want + "x"}, string(b))
			}
		}
	}
}

func TestMessageDefaults(t *testing.T) {
	m := &Message{From: []Address{NewAddress("", "a@b.example")}}
	s := written(t, m)
	require.WithinDuration(t, time.Now(), m.Date, time.Hour)
	require.Regexp(t, `^[0-9a-f]{32}@b\.example$`, m.MessageID)
	p := ParseBytes([]byte(s), nil)
	require.Equal(t, []string{m.MessageID}, p.Header.MessageIDs("message-id"))
	d, err := p.Header.Date("date")
	require.NoError(t, err)
	require.Equal(t, m.Date.Unix(), d.Unix())
	require.Equal(t, "1.0", string(must(p.Header.Get("mime-version")).Value()))

	other := &Message{From: m.From, Domain: "mx.example", Sender: NewAddress("", "c@d.example")}
	written(t, other)
	require.True(t, strings.HasSuffix(other.MessageID, "@mx.example"))
	require.NotEqual(t, m.MessageID[:32], other.MessageID[:32])
	other = &Message{From: m.From, Sender: NewAddress("", "c@d.example")}
	written(t, other)
	require.True(t, strings.HasSuffix(other.MessageID, "@d.example"))

	_, err = (&Message{From: m.From, Rand: iotest.ErrReader(errFull)}).WriteTo(io.Discard)
	require.ErrorIs(t, err, errFull)
}

func TestMessageUTF8(t *testing.T) {
	m := fixed(&Message{UTF8: true, From: []Address{NewAddress("Юрий", "юрий@пример.рф")}, Subject: "Привет",
		Attachments: []Attachment{{Name: "é.txt", Description: "é", Content: strings.NewReader("x")}}})
	require.True(t, m.NeedsUTF8())
	s := written(t, m)
	require.Contains(t, s, "\r\nFrom: Юрий <юрий@пример.рф>\r\nSubject: Привет\r\n")
	require.Contains(t, s, "; filename=\"é.txt\"\r\n")
	require.Contains(t, s, "\r\nContent-Description: é\r\n")
	require.Equal(t, "юрий@пример.рф", m.ReversePath())
	m.UTF8 = false
	_, err := m.WriteTo(io.Discard)
	require.EqualError(t, err, `mime: "From" field: address 1: "юрий" needs UTF-8 headers at octet 0`)
	require.False(t, (&Message{From: []Address{NewAddress("Юрий", "a@b")}}).NeedsUTF8())
}

// Nothing is written of a message that is refused.
func TestMessageRefuses(t *testing.T) {
	from := []Address{NewAddress("", "a@b.example")}
	for _, c := range []struct {
		m    Message
		want string
	}{
		{Message{}, `mime: "From" field: no author`},
		{Message{From: append(from, from...)}, `mime: "Sender" field: needed with several authors (RFC 5322 section 3.6.2)`},
		{Message{From: from, Subject: "a\r\nBcc: x@y"}, `mime: "Subject" field: CR in the value at octet 1`},
		{Message{From: from, Subject: "a\nb"}, `mime: "Subject" field: LF in the value at octet 1`},
		{Message{From: from, To: []Address{NewAddress("x\r\ny", "a@b")}}, `mime: "To" field: octet 0x0d in a display name at octet 1`},
		{Message{From: from, Cc: []Address{NewAddress("", "a@b>\r\nX: y")}}, `mime: "Cc" field: address 1: CR in the value at octet 2`},
		{Message{From: from, Bcc: []Address{NewAddress("", "a b")}}, `mime: "Bcc" field: address 1: no domain behind "a b"`},
		{Message{From: from, MessageID: "a@b>\r\n"}, `mime: "Message-ID" field: CR in the value at octet 4`},
		{Message{From: from, Domain: "x y"}, `mime: "Message-ID" field: octet 0x20 in a message identifier at octet 34`},
		{Message{From: from, References: []string{"a", "b c"}}, `mime: "References" field: octet 0x20 in a message identifier at octet 1`},
		{Message{From: from, InReplyTo: []string{""}}, `mime: "In-Reply-To" field: empty message identifier`},
		{Message{From: from, Extra: []FieldValue{TextField("bCC", "x@y")}}, `mime: "bCC" field: is written from another member, or never`},
		{Message{From: from, Extra: []FieldValue{RawField([]byte("Resent-Bcc: x@y"))}}, `mime: "Resent-Bcc" field: is written from another member, or never`},
		{Message{From: from, Extra: []FieldValue{TextField("X\r\nY", "")}}, `mime: "X\r\nY" field: octet 0x0d in the name at octet 1`},
		{Message{From: from, Text: "ab\xff"}, `mime: Text is not UTF-8 at octet 2`},
		{Message{From: from, HTML: "\xed\xa0\x80"}, `mime: HTML is not UTF-8 at octet 0`},
		{Message{From: from, Calendar: &Calendar{Data: "x"}}, `mime: "Content-Type" field: a calendar needs its method`},
		{Message{From: from, Calendar: &Calendar{Method: "a\r\nb", Data: "x"}}, `mime: "Content-Type" field: octet 0x0d in parameter method at octet 1`},
		{Message{From: from, Attachments: []Attachment{{Name: "a\r\nX: y"}}}, `mime: "Content-Disposition" field: CR in the value of parameter filename at octet 1`},
		{Message{From: from, Attachments: []Attachment{{Name: "\xff"}}}, `mime: "Content-Disposition" field: invalid UTF-8 of parameter filename at octet 0`},
		{Message{From: from, Attachments: []Attachment{{Type: "multipart/mixed"}}}, `mime: "Content-Type" field: "multipart/mixed" is no media type of an attachment`},
		{Message{From: from, Attachments: []Attachment{{Type: "x"}}}, `mime: "Content-Type" field: "x" is no media type of an attachment`},
		{Message{From: from, Attachments: []Attachment{{ContentID: "a b"}}}, `mime: "Content-ID" field: octet 0x20 in a message identifier at octet 1`},
		{Message{From: from, Attachments: []Attachment{{Description: "\x00"}}}, `mime: "Content-Description" field: NUL in the value at octet 0`},
		{Message{From: from, Attachments: []Attachment{{Extra: []FieldValue{TextField("Content-Type", "x")}}}}, `mime: "Content-Type" field: is written from another member, or never`},
		{Message{From: from, HTML: "x", Inline: []Attachment{{Name: "i"}}}, `mime: "Content-ID" field: missing for inline attachment "i"`},
		{Message{From: from, Attachments: []Attachment{{Name: "m.eml", Content: io.MultiReader()}}}, `mime: attachment "m.eml": a message must be an io.ReaderAt with a Size`},
		{Message{From: from, Attachments: []Attachment{{Name: "m.eml", Content: strings.NewReader("Subject: é\n\n")}}}, `mime: attachment "m.eml": its header is 8-bit, and 8bit is not allowed`},
		{Message{From: from, Attachments: []Attachment{{Name: "m.eml", Content: strings.NewReader("Content-Type: multipart/signed; boundary=b\n\n--b\n\né\n--b--\n")}}},
			`mime: attachment "m.eml": mime: 8-bit body at offset 49: signed or encrypted content can not be encoded anew`},
		{Message{From: from, Date: time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)}, `mime: "Date" field: year 1800 has no room in a date`},
		{Message{From: from, Attachments: []Attachment{{Name: "x.txt", Content: iotest.ErrReader(errFull)}}}, `mime: attachment "x.txt": full`},
	} {
		m := c.m
		m.Rand = zeroes{}
		n, err := m.WriteTo(&failingWriter{})
		require.EqualError(t, err, c.want)
		require.Zero(t, n)
		_, err = m.Reader()
		require.Error(t, err)
	}
}

// A media type is read as one and spelled anew, so that nothing else of it is written.
func TestMessageTypeInjection(t *testing.T) {
	for _, typ := range []string{"image/png\r\nX-Evil: y", "image/png; a=\"b\r\nX-Evil: y\"", "image/png; a=b\nX-Evil: y; c=\x00", "image/png; a*=utf-8''%0D%0AX-Evil:%20y"} {
		m := fixed(&Message{Attachments: []Attachment{{Type: typ, Content: strings.NewReader("x")}}})
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			require.Zero(t, b.Len())
			continue
		}
		n := 0
		for f := range ParseBytes(b.Bytes(), nil).Children[0].Header.Fields() {
			require.NotEqual(t, "X-Evil", f.Name())
			n++
		}
		require.Equal(t, 3, n, "%s", b.String())
	}
}

// Content that can be read again is; other content once, and then the message is refused.
func TestMessageTwice(t *testing.T) {
	m := fixed(&Message{Attachments: []Attachment{{Name: "a", Content: strings.NewReader("abc")}}})
	require.Equal(t, written(t, m), written(t, m))
	for _, name := range []string{"a.bin", "a.txt"} {
		m = fixed(&Message{Attachments: []Attachment{{Name: name, Content: io.MultiReader(strings.NewReader("abc"))}}})
		_, err := m.WriteTo(io.Discard)
		require.NoError(t, err)
		n, err := m.WriteTo(io.Discard)
		require.ErrorIs(t, err, ErrConsumed)
		require.Zero(t, n)
	}
}

// shrinking is content that has become shorter than its Size.
type shrinking struct{ *strings.Reader }

func (shrinking) Size() int64 { return 100 }

func TestMessageContentErrors(t *testing.T) {
	for _, c := range []Attachment{
		{Name: "a.bin", Content: shrinking{strings.NewReader("abc")}},
		{Name: "a.bin", Content: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errFull))},
	} {
		m := fixed(&Message{Text: "x", Attachments: []Attachment{c}})
		n, err := m.WriteTo(io.Discard)
		require.ErrorContains(t, err, `mime: attachment "a.bin": `)
		require.Positive(t, n)
	}
	m := fixed(&Message{Text: strings.Repeat("x\n", 50000)})
	_, err := m.WriteTo(&failingWriter{room: 50000})
	require.ErrorIs(t, err, errFull)
}

// An attachment costs the memory of the buffers, whatever its size.
func TestMessageMemory(t *testing.T) {
	const size = 4 << 20
	for _, name := range []string{"big.bin", "big.txt"} {
		m := fixed(&Message{Text: "x", Attachments: []Attachment{{Name: name, Content: &repeat{s: "some text\n", n: size}}}})
		h := sha256.New()
		var n int64
		require.Less(t, allocated(func() {
			var err error
			n, err = m.WriteTo(h)
			require.NoError(t, err)
		}), uint64(256<<10))
		require.Greater(t, n, int64(size))
	}
}

// repeat is a reader of s again and again, n octets in all.
type repeat struct {
	s  string
	n  int
	at int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.n)
	for i := range n {
		p[i] = r.s[r.at]
		if r.at++; r.at == len(r.s) {
			r.at = 0
		}
	}
	r.n -= n
	return n, nil
}

func TestRecipients(t *testing.T) {
	m := &Message{To: ParseAddressList("A <a@B.example>, g: x@y, a@b.EXAMPLE;, g2:;"), Cc: ParseAddressList("x@Y, A@b.example"), Bcc: []Address{NewAddress("", "john doe@x")}}
	require.Equal(t, []string{"a@B.example", "x@y", "A@b.example", `"john doe"@x`}, m.Recipients())
	require.Equal(t, "", m.ReversePath())
	m.From = ParseAddressList("g: f@x;")
	require.Equal(t, "f@x", m.ReversePath())
}

// Whatever the values, what is written is one message with these values, or nothing is.
func FuzzMessage(f *testing.F) {
	f.Add("Subject", "Ann", "a@b.example", "text\n", "a.txt", []byte("content"), "text/plain", byte(0))
	f.Add("=?x?q?y?=", "é, ü", "\"a b\"@c", "é\r\n.\r\nFrom x", "../é\x01", []byte("\xff\x00\r"), "", byte(1))
	f.Add("a\r\nBcc: x", "a\nb", "a@b\r\n", "--=_", "a\"\\;", []byte("--=_m00000000000000000000000000000000--\r\n"), "image/png; a=b", byte(2))
	f.Add("x", "", "a@b", "", "m.eml", []byte("Content-Type: multipart/mixed; boundary=\"=_m00\"\n\n--=_m00\n\n\xe9"), "message/rfc822", byte(3))
	f.Add("0", "", "a@y", "", "m.enl", []byte("Content-Type: mult\x80ipar\x00@mixed; boundary=\"=_m00\"\n\n--=_m00\n\n\xe9"), "message/rfc822", byte('\''))
	f.Fuzz(func(t *testing.T, subject, name, addr, text, file string, content []byte, typ string, options byte) {
		m := &Message{
			From: []Address{NewAddress(name, addr)}, Subject: subject, Text: text, HTML: text, Extra: []FieldValue{TextField("X-Extra", name)},
			Attachments: []Attachment{{Name: file, Type: typ, Description: subject, Content: bytes.NewReader(content)}},
			UTF8:        options&1 != 0, EightBit: options&2 != 0, Date: time.Unix(1e9, 0), MessageID: "id@x",
		}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			require.Zero(t, b.Len(), "%v", err)
			return
		}
		src := b.Bytes()
		r, err := m.Reader()
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(r, src))
		p := ParseBytes(src, nil)
		h := p.Header
		n := 0
		for range h.Fields() {
			n++
		}
		want := 6
		if subject != "" {
			want++
		}
		if h.Has("Content-Transfer-Encoding") {
			want++
		}
		require.Equal(t, want, n, "%q", src)
		require.Equal(t, subject, h.Text("Subject"))
		require.Equal(t, name, h.Text("X-Extra"))
		sameAddresses(t, m.From, h.Addresses("From"), src)
		require.Equal(t, name, h.Addresses("From")[0].DisplayName())
		file0 := p.Children[len(p.Children)-1]
		require.Equal(t, file, file0.Filename())
		require.Equal(t, subject, file0.Header.Text("Content-Description"))
		if text != "" {
			body := p.Children[0].Children[0]
			got, err := io.ReadAll(body.Open(bytes.NewReader(src)))
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"), string(got))
		}
		if !file0.ContentType().Is("message", "") {
			got, err := io.ReadAll(file0.Open(bytes.NewReader(src)))
			require.NoError(t, err)
			require.Equal(t, string(content), string(got))
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 2<<20/16)
	for _, c := range []struct {
		name  string
		files []Attachment
	}{{"text", nil}, {"attachment", []Attachment{{Name: "a.pdf", Content: bytes.NewReader(file)}}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := fixed(&Message{
					To: []Address{NewAddress("René", "rene@example.org")}, Subject: "A subject of a few words", Text: "Hello,\n\nun café?\n", Attachments: c.files,
				})
				n, err := m.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
	}
}
