package mime

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSafeFilename(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"report.pdf", "report.pdf"},
		{"naïve café 漢字.txt", "naïve café 漢字.txt"},
		{"", "unnamed"},
		{".", "unnamed"},
		{"..", "unnamed"},
		{"/", "unnamed"},
		{"../../etc/passwd", "passwd"},
		{`..\..\windows\system32\cmd.exe`, "cmd.exe"},
		{`C:\Users\me\a.doc`, "a.doc"},
		{"a/", "a"},
		{"/etc/", "etc"},
		{".bashrc", "bashrc"},
		{"...a", "a"},
		{"a. . ", "a"},
		{"a:stream", "a_stream"},
		{`a<b>c"d|e?f*g`, "a_b_c_d_e_f_g"},
		{"a\x00b\nc\rd\te", "abcde"},
		{"a  \u00a0 b", "a b"},
		{"exe\u202Egpj.scr", "exegpj.scr"},
		{"a\u200bb\ufeff", "ab"},
		{"CON", "_CON"},
		{"con.txt", "_con.txt"},
		{"Aux .c", "_Aux .c"},
		{"COM1", "_COM1"},
		{"lpt9.log", "_lpt9.log"},
		{"COM¹", "_COM¹"},
		{"COM", "COM"},
		{"COM10", "COM10"},
		{"console.txt", "console.txt"},
		{"-rf", "_rf"},
		{"~root", "_root"},
		{"a\xffb", "a_b"},
		{strings.Repeat("x", 300) + ".tar", strings.Repeat("x", 176) + ".tar"},
		{strings.Repeat("漢", 100) + ".txt", strings.Repeat("漢", 58) + ".txt"},
		{strings.Repeat("x", 300), strings.Repeat("x", 180)},
		{"a." + strings.Repeat("x", 300), "a." + strings.Repeat("x", 178)},
	} {
		assert.Equal(t, c.want, SafeFilename(c.name), "%q", c.name)
	}
}

func FuzzSafeFilename(f *testing.F) {
	for _, s := range []string{"../../a", `C:\con`, "a\x00\u202e.", strings.Repeat("漢.", 200), ".-~", "\xff/..\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := SafeFilename(s)
		require.NotEmpty(t, n)
		require.LessOrEqual(t, len(n), SafeNameSize)
		require.True(t, utf8.ValidString(n))
		require.NotContains(t, ".-~ ", n[:1])
		require.NotContains(t, ". ", n[len(n)-1:])
		require.False(t, strings.ContainsAny(n, "/\\:*?\"<>|\x00\n\r\t"))
		require.Equal(t, n, SafeFilename(n))
	})
}

func TestPartSafeFilename(t *testing.T) {
	msg := multi("mixed", "M",
		leaf("text/plain", "a"),
		leaf("image/jpeg; name=\"../x.jpg\"", "b"),
		leaf("application/pdf", "c", "Content-Disposition: attachment; filename*=utf-8''%2F..%2Fna%C3%AFve.pdf\n"),
		leaf("application/octet-stream", "d", "Content-Disposition: attachment; filename=\"=?utf-8?Q?caf=C3=A9.bin?=\"; name=no\n"),
		"Content-Type: message/rfc822\n\nSubject: Re: what/ever?\n\nbody",
		"Content-Type: message/rfc822\n\n"+leaf("text/html", "e"),
		leaf("text/x-own; name=\"..\"", "f"),
		leaf("x/y", "g"))
	p := ParseBytes([]byte(msg), nil)
	var got []string
	for _, c := range p.Children {
		got = append(got, c.SafeFilename())
	}
	assert.Equal(t, []string{"part-1.txt", "x.jpg", "naïve.pdf", "café.bin", "Re_ what_ever_.eml", "part-6.eml", "part-7.txt", "part-8.bin"}, got)
	assert.Equal(t, "part-1.html", ParseBytes([]byte(leaf("text/html", "e")), nil).SafeFilename())
	assert.Equal(t, "part-6-1.html", p.Children[5].Message.SafeFilename())
}

func TestEMLName(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"Subject: Offer\nDate: Fri, 17 May 2024 23:30:00 -0800\n\n", "2024-05-17 Offer.eml"},
		{"Subject: =?utf-8?Q?caf=C3=A9/bar?=\n\n", "café_bar.eml"},
		{"Subject: ../../etc\n\n", "_.._etc.eml"},
		{"Subject: ...\nDate: x\n\n", "message.eml"},
		{"\n", "message.eml"},
		{"Subject: ends.\n\n", "ends.eml"},
		{"Subject: " + strings.Repeat("long ", 1000) + "\n\n", strings.Repeat("long ", 35) + "l.eml"},
	} {
		assert.Equal(t, c.want, EMLName(ParseHeader([]byte(c.header))), c.header[:min(len(c.header), 60)])
	}
}

func TestMaildirName(t *testing.T) {
	for _, c := range []struct {
		name string
		want MaildirName
		ok   bool
		out  string
	}{
		{"1700000000.M1P2.host", MaildirName{"1700000000.M1P2.host", -1, -1, "", false}, true, ""},
		{"1700000000.M1P2.host,S=100,W=104:2,FS", MaildirName{"1700000000.M1P2.host,S=100,W=104", 100, 104, "FS", true}, true, ""},
		{"1.2.h:2,", MaildirName{"1.2.h", -1, -1, "", true}, true, ""},
		{"1.2.h:2,SRSba", MaildirName{"1.2.h", -1, -1, "RSab", true}, true, "1.2.h:2,RSab"},
		{"1.2.h;2,S", MaildirName{"1.2.h", -1, -1, "S", true}, true, "1.2.h:2,S"},
		{"1.2.h!2,S", MaildirName{"1.2.h", -1, -1, "S", true}, true, "1.2.h:2,S"},
		{"1.2.h:2,S,more", MaildirName{"1.2.h", -1, -1, "S", true}, true, "1.2.h:2,S"},
		{"1.2.h,S=x,W=-1:2,S", MaildirName{"1.2.h,S=x,W=-1", -1, -1, "S", true}, true, ""},
		{"1.2.h,S=99999999999999999999", MaildirName{"1.2.h,S=99999999999999999999", -1, -1, "", false}, true, ""},
		{"a!b", MaildirName{"a!b", -1, -1, "", false}, true, ""},
		{"1.2.h:1,x", MaildirName{}, false, ""},
		{":2,S", MaildirName{}, false, ""},
		{".hidden", MaildirName{}, false, ""},
		{"a/b", MaildirName{}, false, ""},
		{"", MaildirName{}, false, ""},
	} {
		n, ok := ParseMaildirName(c.name)
		assert.Equal(t, c.ok, ok, c.name)
		assert.Equal(t, c.want, n, c.name)
		if ok {
			out := c.out
			if out == "" {
				out = c.name
			}
			assert.Equal(t, out, n.String(), c.name)
		}
	}
	n := MaildirName{Unique: "1.2.h", Flags: "SF"}
	assert.Equal(t, "1.2.h:2,FS", n.String())
	assert.True(t, n.Has('S'))
	assert.False(t, n.Has('T'))
}
