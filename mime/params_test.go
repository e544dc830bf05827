package mime

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func showParams(l Params) string {
	var b strings.Builder
	for _, p := range l {
		fmt.Fprintf(&b, ";%s=%s", p.Name, p.Value)
	}
	return b.String()
}

func TestParseContentType(t *testing.T) {
	tests := []struct{ in, want string }{
		{"text/plain", "text/plain"},
		{"TEXT/Plain", "TEXT/Plain"},
		{"text/plain; charset=us-ascii", "text/plain;charset=us-ascii"},
		{"text/plain; charset=us-ascii (Plain text)", "text/plain;charset=us-ascii"},
		{"text/plain; charset=\"us-ascii\"", "text/plain;charset=us-ascii"},
		{"text/plain;charset=\"utf-8\";format=flowed", "text/plain;charset=utf-8;format=flowed"},
		{"text/plain ; charset = utf-8", "text/plain;charset=utf-8"},
		{" text / plain", "text/plain"},
		{"text/plain;", "text/plain"},
		{"text/plain;;; charset=x;;", "text/plain;charset=x"},
		{"text/plain charset=x", "text/plain;charset=x"},
		{"text/plain; charset=x format=flowed", "text/plain;charset=x;format=flowed"},
		{"text/plain, charset=x", "text/plain;charset=x"},
		{"(c) text/plain (d); (e) charset (f) = (g) x (h)", "text/plain;charset=x"},
		{"text/plain;\r\n\tcharset=x", "text/plain;charset=x"},
		{"multipart/mixed; boundary=\"a b\"", "multipart/mixed;boundary=a b"},
		{"multipart/mixed; boundary=\"a\\\"b\\\\\"", "multipart/mixed;boundary=a\"b\\"},
		{"multipart/mixed; boundary=a=b/c:d?e", "multipart/mixed;boundary=a=b/c:d?e"},
		{"multipart/mixed; boundary=----=_NextPart_000", "multipart/mixed;boundary=----=_NextPart_000"},
		{"multipart/mixed; boundary=\"unclosed; x=y", "multipart/mixed;boundary=unclosed;x=y"},
		{"multipart/mixed; boundary=\"\"", "multipart/mixed;boundary="},
		{"multipart/mixed; boundary=", "multipart/mixed;boundary="},
		{"multipart/mixed; boundary=; x=y", "multipart/mixed;boundary=;x=y"},
		{"multipart/mixed; boundary", "multipart/mixed"},
		{"multipart/mixed; boundary; x=y", "multipart/mixed;x=y"},
		{"multipart/mixed; =x; y=z", "multipart/mixed;y=z"},
		{"multipart/related; type=\"text/html\"; start=\"<a@b>\"", "multipart/related;type=text/html;start=<a@b>"},
		{"application/x; name=a b c.txt", "application/x;name=a b c.txt"},
		{"application/x; name=a b c.txt; x=y", "application/x;name=a b c.txt;x=y"},
		{"application/x; name=\"C:\\dir\\file.txt\"", "application/x;name=C:\\dir\\file.txt"},
		{"application/x; name=\"a\r\n b\"", "application/x;name=a b"},
		{"application/x; name=\"a;b\"", "application/x;name=a;b"},
		{"application/x; name=\"caf\xc3\xa9\"", "application/x;name=café"},
		{"application/x; name==?utf-8?q?a?=", "application/x;name==?utf-8?q?a?="},
		{"application/x; name*0*=utf-8''a; name*1=b", "application/x;name*0*=utf-8''a;name*1=b"},
		{"message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"x.example/a\"", "message/external-body;access-type=URL;URL*0=ftp://;URL*1=x.example/a"},
		{"application/x-stuff;\r\n title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"",
			"application/x-stuff;title*0*=us-ascii'en'This%20is%20even%20more%20;title*1*=%2A%2A%2Afun%2A%2A%2A%20;title*2=isn't it!"},
		{"text", "text/plain"},
		{"text/", "text/plain"},
		{"text; charset=x", "text/plain;charset=x"},
		{"multipart; boundary=x", "multipart/mixed;boundary=x"},
		{"\"text/html\"; charset=x", "text/html;charset=x"},
		{"text/html/xml; a=b", "text/html;a=b"},
		{"text/x-\xff", "text/x-\xff"},
		{"", "!"},
		{" ", "!"},
		{"nonsense", "!"},
		{"some words here", "!"},
		{"/plain", "!"},
		{"; charset=x", "!"},
		{"image", "!"},
		{"(comment only)", "!"},
		{"=?utf-8?q?text/plain?=", "!"},
		{"application/pdf; name=\"a\x00b\"", "application/pdf;name=a?b"},
		{"application/pdf; name=\"a\\\\b\"", "application/pdf;name=a\\b"},
		{"text/plain; charset='utf-8'", "text/plain;charset='utf-8'"},
		{"text/plain; charset=\"utf-8", "text/plain;charset=utf-8"},
		{"text/plain; charset=utf-8\"", "text/plain;charset=utf-8\""},
		{"multipart/mixed; boundary=\"foo\r\n bar\"", "multipart/mixed;boundary=foo bar"},
		{"multipart/mixed;;\r\n\tBoundary=\"=_ _= 1(2)\"", "multipart/mixed;Boundary==_ _= 1(2)"},
		{"multipart/mixed\r\n\tboundary=\"b\"", "multipart/mixed;boundary=b"},
		{"text/plain>", "text/plain"},
		{"application/pdf name=\"x.pdf\"; name=\"x.pdf\"", "application/pdf;name=x.pdf;name=x.pdf"},
		{"text/plain; charset=\"a\"b; c=d", "text/plain;charset=a;c=d"},
	}
	require.GreaterOrEqual(t, len(tests), 60)
	for _, tt := range tests {
		ct, ok := ParseContentType(tt.in)
		got := "!"
		if ok {
			got = ct.Type + "/" + ct.Subtype + showParams(ct.Params)
		}
		assert.Equal(t, tt.want, got, "%q", tt.in)
	}
	ct, _ := ParseContentType("Text/HTML")
	require.Equal(t, "text/html", ct.MediaType())
	require.True(t, ct.Is("text", "html"))
	require.True(t, ct.Is("text", ""))
	require.False(t, ct.Is("text", "plain"))
}

func TestFilenames(t *testing.T) {
	tests := []struct{ in, want string }{
		{"attachment; filename=a.txt", "a.txt"},
		{"attachment; filename=\"a b.txt\"", "a b.txt"},
		{"attachment; FILENAME=\"a.txt\"", "a.txt"},
		{"attachment; filename=a b.txt", "a b.txt"},
		{"attachment; filename=a.txt; size=3", "a.txt"},
		{"attachment; filename=report (1).pdf", "report (1).pdf"},
		{"attachment; filename=report (1).pdf; size=3", "report (1).pdf"},
		{"attachment; filename=report (1) final.pdf; size=3", "report (1) final.pdf"},
		{"attachment; filename=report.pdf (a comment); size=3", "report.pdf"},
		{"attachment; filename=report.pdf (a comment) size=3", "report.pdf"},
		{"attachment; filename=report(1).pdf", "report(1).pdf"},
		{"attachment; filename=\"report (1).pdf\"", "report (1).pdf"},
		{"attachment; filename=a (b", "a"},
		{"attachment; size=3; filename=a.txt", "a.txt"},
		{"attachment; filename=\"a;b.txt\"", "a;b.txt"},
		{"attachment; filename=\"a\\\"b.txt\"", "a\"b.txt"},
		{"attachment; filename=\"C:\\temp\\x.txt\"", "C:\\temp\\x.txt"},
		{"attachment; filename*=utf-8''caf%C3%A9.txt", "café.txt"},
		{"attachment; filename*=UTF-8'fr'caf%c3%a9.txt", "café.txt"},
		{"attachment; filename*=iso-8859-1''caf%E9.txt", "café.txt"},
		{"attachment; filename*=\"utf-8''caf%C3%A9.txt\"", "café.txt"},
		{"attachment; filename*=caf%C3%A9.txt", "café.txt"},
		{"attachment; filename*=''caf%C3%A9.txt", "café.txt"},
		{"attachment; filename=\"cafe.txt\"; filename*=utf-8''caf%C3%A9.txt", "café.txt"},
		{"attachment; filename*=utf-8''100%25%zz", "100%%zz"},
		{"attachment; filename*=koi8-r''%F0%D2", "Пр"},
		{"attachment; filename*0=a; filename*1=b.txt", "ab.txt"},
		{"attachment; filename*1=b.txt; filename*0=a", "ab.txt"},
		{"attachment; filename*0*=utf-8''caf%C3; filename*1*=%A9.txt", "café.txt"},
		{"attachment; filename*0*=utf-8''caf%C3%A9; filename*1=\"%20.txt\"", "café%20.txt"},
		{"attachment; filename*0=\"a%20\"; filename*1*=%20b", "a%20 b"},
		{"attachment; filename*0=a; filename*2=c", "a"},
		{"attachment; filename*1=a; filename*2=b", "ab"},
		{"attachment; filename*0=a; filename*0=x; filename*1=b", "ab"},
		{"attachment; filename*2=c; filename=x.txt", "x.txt"},
		{"attachment; filename*x=c; filename=x.txt", "x.txt"},
		{"attachment; filename*00=a; filename*01=b", "ab"},
		{"attachment; filename*999999999999=a; filename=b", "b"},
		{"attachment; filename*0=a; filename*1=b; filename*2=c; filename*3=d; filename*4=e; filename*5=f; filename*6=g; filename*7=h; filename*8=i; filename*9=j; filename*10=k", "abcdefghijk"},
		{"attachment; filename=\"=?utf-8?q?caf=C3=A9.txt?=\"", "café.txt"},
		{"attachment; filename==?utf-8?B?Y2Fmw6kudHh0?=", "café.txt"},
		{"attachment; filename=\"=?utf-8?q?caf?=\r\n =?utf-8?q?=C3=A9.txt?=\"", "café.txt"},
		{"attachment; filename=\"=?iso-8859-1?q?caf=E9?=.txt\"", "café.txt"},
		{"attachment; filename*0=\"=?utf-8?q?caf=C3\"; filename*1=\"=A9?=\"", "café"},
		{"attachment; filename=\"caf\xe9.txt\"", "café.txt"},
		{"attachment; filename=café.txt", "café.txt"},
		{"attachment; filename=\"a\r\n b.txt\"", "a b.txt"},
		{"attachment; filename=\"a\x00b.txt\"", "a?b.txt"},
		{"attachment; filename*=utf-8''a%00b%0D%0A", "a\uFFFDb  "},
		{"attachment; filename=\"unclosed.txt", "unclosed.txt"},
		{"attachment filename=x.txt", "x.txt"},
		{"filename=x.txt", "x.txt"},
		{"\"attachment\"; filename=x.txt", "x.txt"},
		{"attachment; filename=\"../../etc/passwd\"", "../../etc/passwd"},
		{"attachment; filename=\"\"", ""},
		{"attachment", ""},
	}
	require.GreaterOrEqual(t, len(tests), 40)
	for _, tt := range tests {
		d, ok := ParseDisposition(tt.in)
		require.True(t, ok, "%q", tt.in)
		require.Equal(t, "attachment", d.Type)
		got, _ := d.Params.Get("filename")
		assert.Equal(t, tt.want, got, "%q", tt.in)
	}
	for _, s := range []string{"", " ", ";", "\"\"", "(x)"} {
		_, ok := ParseDisposition(s)
		require.False(t, ok, "%q", s)
	}
	v, ok := Params{{"A", "b"}}.Raw("a")
	require.True(t, ok)
	require.Equal(t, "b", v)
	_, ok = Params{{"A", "b"}}.Raw("x")
	require.False(t, ok)
	_, ok = Params{{"A", "b"}}.Get("x")
	require.False(t, ok)
}

func TestPartFilename(t *testing.T) {
	for in, want := range map[string]string{
		"Content-Type: x/y; name=a\nContent-Disposition: attachment; filename=b\n\n": "b",
		"Content-Type: x/y; name=a\nContent-Disposition: attachment\n\n":             "a",
		"Content-Type: x/y; name*=utf-8''%C3%A9\n\n":                                 "é",
		"Content-Type: x/y\n\n": "",
	} {
		require.Equal(t, want, ParseBytes([]byte(in), nil).Filename())
	}
}

func TestParamsLinear(t *testing.T) {
	for _, f := range []func(n int) string{
		func(n int) string { return "a/b" + strings.Repeat(";a=\"", n) },
		func(n int) string { return "a/b; c=" + strings.Repeat("x ", n) },
		func(n int) string { return "a/b; c=" + strings.Repeat("x=y ", n) },
		func(n int) string { return "a/b" + strings.Repeat("(", n) },
		func(n int) string { return "a/b" + strings.Repeat("; c=d", n) },
		func(n int) string { return "a/b" + strings.Repeat(" =", n) },
		func(n int) string { return "a/b; c=" + strings.Repeat(" ", n) + "d" },
	} {
		one := allocated(func() { ParseContentType(f(64 << 10)) })
		two := allocated(func() { ParseContentType(f(128 << 10)) })
		require.LessOrEqual(t, float64(two), 2.5*float64(one)+1<<20)
		ct, _ := ParseContentType(f(64 << 10))
		require.LessOrEqual(t, len(ct.Params), defaultParameters)
	}
}

func TestParseMessageIDs(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"<a@b>", []string{"a@b"}},
		{"<a@b> <c@d>", []string{"a@b", "c@d"}},
		{"<a@b><c@d>", []string{"a@b", "c@d"}},
		{"<a@b>,\r\n <c@d>", []string{"a@b", "c@d"}},
		{"Message of today <a@b> from x", []string{"a@b"}},
		{"<a\r\n @b>", []string{"a@b"}},
		{"< a@b >", []string{"a@b"}},
		{"<a@b", []string{"a@b"}},
		{"<a@b <c@d>", []string{"a@b", "c@d"}},
		{"<>", nil},
		{"", nil},
		{"a@b c@d", []string{"a@b", "c@d"}},
		{"a@b>", []string{"a@b"}},
		{"<\"a b\"@c>", []string{"\"ab\"@c"}},
		{"<\"a>b\"@c> <d@e>", []string{"\"a>b\"@c", "d@e"}},
		{"<\"a@b> <\"c\"@d>", []string{"\"a@b", "\"c\"@d"}},
		{"<a@b> (was <x@y>)", []string{"a@b"}},
		{"(<x@y> (<z@w>)) <a@b>", []string{"a@b"}},
		{"(unclosed <a@b> (c <d@e>)", []string{"a@b", "d@e"}},
		{"<a@[1.2.3.4]>", []string{"a@[1.2.3.4]"}},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, ParseMessageIDs(tt.in), "%q", tt.in)
	}
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{"text/plain; charset=x", "a/b; c*0*=utf-8''%41; c*1=b", "a/b; c=\"d\\\"", "attachment; filename=a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		check := func(l Params) {
			for _, p := range l {
				require.NotEmpty(t, p.Name)
				require.False(t, strings.ContainsAny(p.Name+p.Value, "\r\n\x00"), "%q", p)
				name, _, _ := strings.Cut(p.Name, "*")
				v, _ := l.Get(name)
				require.True(t, utf8.ValidString(v))
				require.False(t, strings.ContainsAny(v, "\r\n\x00"))
			}
		}
		if ct, ok := ParseContentType(s); ok {
			check(ct.Params)
		}
		if d, ok := ParseDisposition(s); ok {
			check(d.Params)
		}
	})
}
