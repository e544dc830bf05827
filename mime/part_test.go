package mime

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkStructure holds a BodyStructure to the grammar of RFC 3501, and the tree to its offsets.
func checkStructure(t testing.TB, b *BodyStructure, p *Part) {
	type frame struct {
		b *BodyStructure
		p *Part
	}
	todo := []frame{{b, p}}
	clean := func(s string) {
		require.NotContains(t, s, "\r")
		require.NotContains(t, s, "\n")
		require.NotContains(t, s, "\x00")
	}
	for len(todo) > 0 {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		b, p := f.b, f.p
		require.LessOrEqual(t, p.Start, p.BodyStart)
		require.LessOrEqual(t, p.BodyStart, p.End)
		require.NotEmpty(t, b.Type)
		require.NotEmpty(t, b.Subtype)
		for _, s := range []string{b.Type, b.Subtype, b.ID, b.Description, b.Encoding, b.MD5, b.Location} {
			clean(s)
		}
		for _, q := range b.Params {
			clean(q.Name)
			clean(q.Value)
		}
		if b.Disposition != nil {
			require.NotEmpty(t, b.Disposition.Type)
			for _, q := range b.Disposition.Params {
				clean(q.Name)
				clean(q.Value)
			}
		}
		if equalFold(b.Type, "multipart") {
			require.NotEmpty(t, b.Parts)
			require.Len(t, b.Parts, len(p.Children))
			for i := range b.Parts {
				require.GreaterOrEqual(t, p.Children[i].Start, p.BodyStart)
				require.LessOrEqual(t, p.Children[i].End, p.End)
				require.Same(t, p, p.Children[i].Parent)
				todo = append(todo, frame{b.Parts[i], p.Children[i]})
			}
			continue
		}
		require.Empty(t, b.Parts)
		require.NotEmpty(t, b.Encoding)
		if equalFold(b.Type, "message") && (equalFold(b.Subtype, "rfc822") || equalFold(b.Subtype, "global")) {
			require.NotNil(t, b.Body)
			require.NotNil(t, b.Envelope)
			require.Equal(t, p.BodyStart, p.Message.Start)
			require.Equal(t, p.End, p.Message.End)
			e := b.Envelope
			for _, s := range []string{e.Date, e.Subject, e.InReplyTo, e.MessageID} {
				clean(s)
			}
			for _, l := range [][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
				for _, a := range l {
					clean(a.Name + a.Route + a.Mailbox + a.Host)
				}
			}
			todo = append(todo, frame{b.Body, p.Message})
		} else {
			require.Nil(t, b.Body)
			require.Nil(t, b.Envelope)
		}
	}
}

// treeOf is the tree without what differs between memory and stream.
func treeOf(p *Part) (l []any) {
	todo := []*Part{p}
	for len(todo) > 0 {
		q := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		l = append(l, q.Start, q.BodyStart, q.End, q.Lines, len(q.Children), q.Message != nil, string(q.Header.Raw()), q.Defects)
		todo = append(todo, q.Children...)
		if q.Message != nil {
			todo = append(todo, q.Message)
		}
	}
	return l
}

func checkTree(t testing.TB, b []byte) {
	p := ParseBytes(b, nil)
	q, err := Parse(bytes.NewReader(b), int64(len(b)), nil)
	require.NoError(t, err)
	require.Equal(t, treeOf(p), treeOf(q))
	s := p.BodyStructure()
	checkStructure(t, s, p)
	require.Equal(t, s, q.BodyStructure())
	require.EqualValues(t, len(b), p.End)
	todo := []*Part{p}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], x.Children...)
		if x.Message != nil {
			todo = append(todo, x.Message)
		}
		require.EqualValues(t, bytes.Count(b[x.BodyStart:x.End], newline), x.Lines)
		require.True(t, bytes.HasPrefix(b[x.Start:x.BodyStart], x.Header.Raw()))
		// The fields are the header, put together.
		var h []byte
		for f := range x.Header.Fields() {
			h = append(h, f.Raw()...)
			_ = f.Text()
			_ = f.Addresses()
		}
		require.True(t, bytes.HasPrefix(x.Header.Raw(), h))
		require.LessOrEqual(t, len(x.Header.Raw())-len(h), 2)
		r, _ := x.Text(bytes.NewReader(b))
		_, err := io.Copy(io.Discard, r)
		require.NoError(t, err)
		_ = x.Filename()
		_ = x.Header.Envelope()
	}
}

func TestPartCorpus(t *testing.T) {
	eachMessage(t, func(name string, b []byte) { checkTree(t, b) })
}

func FuzzTree(f *testing.F) {
	f.Add([]byte(nested))
	f.Add([]byte(crlf(nested)))
	for _, h := range hostile {
		f.Add([]byte(h(5)))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkTree(t, b) })
}

// nested is RFC 3501's part numbering example, in flesh.
const nested = `From: "Terry Gray" <gray@cac.example>
To: imap@cac.example, Team: a@b.example, "C, D" <c@d.example>;
Subject: =?utf-8?q?summ=C3=A9?= of
 meeting
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
Message-Id: <B27397-0100000@cac.example>
In-Reply-To:
MIME-Version: 1.0
Content-Type: MULTIPART/MIXED; BOUNDARY="outer"
Content-Language: en, fr

preamble
--outer
Content-Type: TEXT/PLAIN; charset=us-ascii

one
--outer
Content-Type: application/octet-stream; name="x.bin"
Content-Transfer-Encoding: BASE64
Content-ID: <id@x>
Content-Description: some
 bytes
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: attachment; filename*=utf-8''%C3%A9.bin; size=3
Content-Location: http://x.example/
 y

AAEC
--outer
Content-Type: message/rfc822

From: sub@x.example
Subject:

Content-Type: x
MIME
--outer
Content-Type: message/rfc822

Date: Mon, 1 Jan 2001 00:00:00 +0000
From: who@x.example
Content-Type: multipart/alternative; boundary=inner

--inner

four one

--inner
Content-Type: multipart/mixed; boundary=deep

--deep
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<b>caf=E9</b>
--deep--
--inner--
--outer--
epilogue
`

func text(lines, octets int64, params ...Param) *BodyStructure {
	b := &BodyStructure{Type: "text", Subtype: "plain", Params: params, Encoding: "7bit", Octets: octets, Lines: lines}
	if params == nil {
		b.Params = Params{{"charset", "us-ascii"}}
	}
	return b
}

func TestNestedStructure(t *testing.T) {
	for _, eol := range []int64{1, 2} {
		m := nested
		if eol == 2 {
			m = crlf(nested)
		}
		p := ParseBytes([]byte(m), nil)
		require.Empty(t, p.Defects)
		b := p.BodyStructure()
		who := []Address{{Mailbox: "who", Host: "x.example"}}
		sub := []Address{{Mailbox: "sub", Host: "x.example"}}
		want := &BodyStructure{
			Type: "MULTIPART", Subtype: "MIXED", Params: Params{{"BOUNDARY", "outer"}}, Language: []string{"en", "fr"},
			Parts: []*BodyStructure{
				{Type: "TEXT", Subtype: "PLAIN", Params: Params{{"charset", "us-ascii"}}, Encoding: "7bit", Octets: 3},
				{Type: "application", Subtype: "octet-stream", Params: Params{{"name", "x.bin"}}, ID: "<id@x>", Description: "some bytes",
					Encoding: "BASE64", Octets: 4, MD5: "Q2hlY2sgSW50ZWdyaXR5IQ==", Location: "http://x.example/y",
					Disposition: &Disposition{"attachment", Params{{"filename*", "utf-8''%C3%A9.bin"}, {"size", "3"}}}},
				{Type: "message", Subtype: "rfc822", Encoding: "7bit", Octets: 46 + 4*eol, Lines: 4,
					Envelope: &Envelope{From: sub, Sender: sub, ReplyTo: sub, Empty: EnvelopeSubject},
					Body:     text(1, 19+eol)},
				{Type: "message", Subtype: "rfc822", Encoding: "7bit", Octets: 274 + 17*eol, Lines: 17,
					Envelope: &Envelope{Date: "Mon, 1 Jan 2001 00:00:00 +0000", From: who, Sender: who, ReplyTo: who},
					Body: &BodyStructure{Type: "multipart", Subtype: "alternative", Params: Params{{"boundary", "inner"}}, Parts: []*BodyStructure{
						text(1, 8+eol),
						{Type: "multipart", Subtype: "mixed", Params: Params{{"boundary", "deep"}}, Parts: []*BodyStructure{
							{Type: "text", Subtype: "html", Encoding: "quoted-printable", Octets: 13}}},
					}}},
			},
		}
		require.Equal(t, want, b)
		from := []Address{{Name: "Terry Gray", Mailbox: "gray", Host: "cac.example"}}
		require.Equal(t, &Envelope{
			Date: "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Subject: "=?utf-8?q?summ=C3=A9?= of meeting",
			From: from, Sender: from, ReplyTo: from,
			To: []Address{{Mailbox: "imap", Host: "cac.example"}, {Kind: AddressGroupStart, Mailbox: "Team"}, {Mailbox: "a", Host: "b.example"},
				{Name: "C, D", Mailbox: "c", Host: "d.example"}, {Kind: AddressGroupEnd}},
			MessageID: "<B27397-0100000@cac.example>", Empty: EnvelopeInReplyTo,
		}, p.Envelope())
		require.Equal(t, b.Parts[3].Envelope, p.Children[3].Message.Envelope())
	}
}

func TestSections(t *testing.T) {
	for _, conv := range []func(string) string{func(s string) string { return s }, crlf} {
		m := conv(nested)
		p := ParseBytes([]byte(m), nil)
		tests := []struct {
			path []int
			sec  Section
			want string
			ok   bool
		}{
			{nil, SectionBody, nested, true},
			{nil, SectionHeader, nested[:strings.Index(nested, "preamble")], true},
			{nil, SectionText, nested[strings.Index(nested, "preamble"):], true},
			{nil, SectionMIME, "", false},
			{[]int{1}, SectionBody, "one", true},
			{[]int{1}, SectionMIME, "Content-Type: TEXT/PLAIN; charset=us-ascii\n\n", true},
			{[]int{1}, SectionHeader, "", false},
			{[]int{1}, SectionText, "", false},
			{[]int{1, 1}, SectionBody, "", false},
			{[]int{0}, SectionBody, "", false},
			{[]int{-1}, SectionBody, "", false},
			{[]int{5}, SectionBody, "", false},
			{[]int{2}, SectionBody, "AAEC", true},
			{[]int{3}, SectionBody, "From: sub@x.example\nSubject:\n\nContent-Type: x\nMIME", true},
			{[]int{3}, SectionHeader, "From: sub@x.example\nSubject:\n\n", true},
			{[]int{3}, SectionText, "Content-Type: x\nMIME", true},
			{[]int{3}, SectionMIME, "Content-Type: message/rfc822\n\n", true},
			{[]int{3, 1}, SectionBody, "Content-Type: x\nMIME", true},
			{[]int{3, 1}, SectionMIME, "From: sub@x.example\nSubject:\n\n", true},
			{[]int{3, 1}, SectionHeader, "", false},
			{[]int{3, 2}, SectionBody, "", false},
			{[]int{3, 1, 1}, SectionBody, "", false},
			{[]int{4, 1}, SectionBody, "four one\n", true},
			{[]int{4, 1}, SectionMIME, "\n", true},
			{[]int{4, 2}, SectionMIME, "Content-Type: multipart/mixed; boundary=deep\n\n", true},
			{[]int{4, 2, 1}, SectionBody, "<b>caf=E9</b>", true},
			{[]int{4, 2, 1, 1}, SectionBody, "", false},
		}
		for _, tt := range tests {
			r, _, ok := p.Section(tt.path, tt.sec)
			require.Equal(t, tt.ok, ok, "%v %v", tt.path, tt.sec)
			if ok {
				got, err := io.ReadAll(r.Reader(strings.NewReader(m)))
				require.NoError(t, err)
				require.Equal(t, conv(tt.want), string(got), "%v %v", tt.path, tt.sec)
				require.EqualValues(t, len(got), r.Len())
			}
		}
		html := p.Find([]int{4, 2, 1})
		r, ok := html.Text(strings.NewReader(m))
		require.False(t, ok)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "<b>café</b>", string(got))
		bin, err := io.ReadAll(p.Find([]int{2}).Open(strings.NewReader(m)))
		require.NoError(t, err)
		require.Equal(t, []byte{0, 1, 2}, bin)
		require.Equal(t, "é.bin", p.Find([]int{2}).Filename())
	}
}

func TestSectionsOfLeaves(t *testing.T) {
	m := "Subject: x\n\nbody\n"
	p := ParseBytes([]byte(m), nil)
	require.Same(t, p, p.Find([]int{1}))
	require.Nil(t, p.Find([]int{2}))
	require.Nil(t, p.Find([]int{1, 1}))
	r, _, ok := p.Section([]int{1}, SectionMIME)
	require.True(t, ok)
	require.Equal(t, Range{0, 12}, r)

	m = "Content-Type: message/rfc822\n\nA: b\nContent-Type: message/rfc822\n\nC: d\n\nx"
	p = ParseBytes([]byte(m), nil)
	read := func(path []int, sec Section) string {
		r, _, ok := p.Section(path, sec)
		require.True(t, ok)
		return m[r.Start:r.End]
	}
	require.Equal(t, "A: b\nContent-Type: message/rfc822\n\nC: d\n\nx", read([]int{1}, SectionBody))
	require.Equal(t, "A: b\nContent-Type: message/rfc822\n\n", read([]int{1}, SectionHeader))
	require.Equal(t, "C: d\n\nx", read([]int{1, 1}, SectionBody))
	require.Equal(t, "C: d\n\n", read([]int{1, 1}, SectionHeader))
	require.Equal(t, "x", read([]int{1, 1, 1}, SectionBody))
	require.Nil(t, p.Find([]int{1, 1, 1, 1}))
}

func TestStructureOfOddMessages(t *testing.T) {
	us := Params{{"charset", "us-ascii"}}
	tests := []struct {
		name, in string
		want     *BodyStructure
	}{
		{"empty", "", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit"}},
		{"header only", "A: b\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit"}},
		{"blank line first", "\r\nA: b\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 6, Lines: 1}},
		{"no line ending", "A: b\r\n\r\nx", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 1}},
		{"explicit type without charset", "Content-Type: text/plain\r\n\r\nx\r\n", &BodyStructure{Type: "text", Subtype: "plain", Encoding: "7bit", Octets: 3, Lines: 1}},
		{"bad type", "Content-Type: nonsense\r\n\r\nx\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 3, Lines: 1}},
		{"multipart without boundary", "Content-Type: multipart/mixed\r\n\r\nx\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 3, Lines: 1}},
		{"multipart without parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 3, Lines: 1}},
		{"multipart closed at once", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit", Octets: 7, Lines: 1}},
		{"encoded message", "Content-Type: message/rfc822; x=y\r\nContent-Transfer-Encoding: base64\r\n\r\nQTo=\r\n", &BodyStructure{Type: "application", Subtype: "octet-stream", Encoding: "base64", Octets: 6}},
		{"binary", "Content-Type: image/png\r\nContent-Transfer-Encoding: (c) \"base64\"\r\nContent-Disposition: inline\r\n\r\nQTo=\r\n",
			&BodyStructure{Type: "image", Subtype: "png", Encoding: "base64", Octets: 6, Disposition: &Disposition{Type: "inline"}}},
		{"empty message within", "Content-Type: message/rfc822\r\n\r\n", &BodyStructure{Type: "message", Subtype: "rfc822", Encoding: "7bit",
			Envelope: &Envelope{}, Body: &BodyStructure{Type: "text", Subtype: "plain", Params: us, Encoding: "7bit"}}},
		{"digest", "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--\r\n",
			&BodyStructure{Type: "multipart", Subtype: "digest", Params: Params{{"boundary", "b"}}, Parts: []*BodyStructure{
				{Type: "message", Subtype: "rfc822", Encoding: "7bit", Octets: 15, Lines: 2, Envelope: &Envelope{Subject: "s"}, Body: text(0, 1)}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := ParseBytes([]byte(tt.in), nil)
			require.Equal(t, tt.want, p.BodyStructure())
			checkTree(t, []byte(tt.in))
		})
	}
}

// TestHeaderLimits: what lies beyond the limits is passed over, and the structure stands.
func TestHeaderLimits(t *testing.T) {
	o := &Options{Limits: Limits{HeaderFields: 2, HeaderSize: 100, TotalHeaderSize: 60}}
	m := "A: 1\nB: 2\nContent-Type: multipart/mixed; boundary=b\n\n--b\nC: " + strings.Repeat("x", 90) + "\n\none\n--b--\n"
	for _, p := range []*Part{ParseBytes([]byte(m), o), func() *Part { p, _ := Parse(strings.NewReader(m), int64(len(m)), o); return p }()} {
		require.Equal(t, "A: 1\nB: 2\n", string(p.Header.Raw()))
		require.Len(t, p.Children, 1)
		require.Empty(t, p.Children[0].Header.Raw())
		require.Equal(t, DefectLimitHeader, p.Defects[0].Code)
		require.Equal(t, "multipart", p.BodyStructure().Type)
	}
}
