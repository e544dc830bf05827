package mime

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var (
	encodedWord  = regexp.MustCompile(`=\?[^? ]+\?[qQbB]\?[^? ]*\?=`)
	quotedString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// checkFolded holds a written field to RFC 5322 and RFC 2047: its lines, and that it is one field for our own parser.
func checkFolded(t testing.TB, b []byte, name string, utf8OK bool) Field {
	t.Helper()
	require.True(t, bytes.HasSuffix(b, lineCRLF), "%q", b)
	lines := strings.Split(strings.TrimSuffix(string(b), "\r\n"), "\r\n")
	for i, l := range lines {
		require.NotContains(t, l, "\r", "%q", b)
		require.NotContains(t, l, "\n", "%q", b)
		require.NotContains(t, l, "\x00", "%q", b)
		require.LessOrEqual(t, len(l), 998, "%q", b)
		if utf8OK {
			require.True(t, utf8.ValidString(l), "%q", b)
		} else {
			for _, c := range []byte(l) {
				require.Less(t, c, byte(128), "%q", b)
			}
		}
		if i > 0 {
			require.Contains(t, " \t", l[:1], "%q", b)
			require.NotEmpty(t, strings.Trim(l, " \t"), "%q", b)
		}
		// A quoted local part may look like an encoded-word, and is none.
		words := encodedWord.FindAllString(quotedString.ReplaceAllString(l, `""`), -1)
		for _, w := range words {
			require.LessOrEqual(t, len(w), 75, "%q", b)
		}
		if len(words) > 0 {
			require.LessOrEqual(t, len(l), 76, "%q", b)
		}
	}
	h := ParseHeader(append(bytes.Clone(b), "\r\n"...))
	n := 0
	var field Field
	for f := range h.Fields() {
		n++
		field = f
	}
	require.Equal(t, 1, n, "%q", b)
	require.Equal(t, name, field.Name(), "%q", b)
	require.Equal(t, string(b), string(field.Raw()))
	return field
}

func TestTextField(t *testing.T) {
	a60 := strings.Repeat("a", 60)
	for _, c := range []struct{ text, want string }{
		{"", "S:\r\n"},
		{"Hello", "S: Hello\r\n"},
		{"a\tb  c", "S: a\tb  c\r\n"},
		{a60 + " " + a60, "S: " + a60 + "\r\n " + a60 + "\r\n"},
		{a60 + "\t" + a60, "S: " + a60 + "\r\n\t" + a60 + "\r\n"},
		{"https://" + a60 + a60, "S: https://" + a60 + a60 + "\r\n"},
		{"x https://" + a60 + a60 + " y", "S: x\r\n https://" + a60 + a60 + "\r\n y\r\n"},
		{"café", "S: =?utf-8?b?Y2Fmw6k=?=\r\n"},
		{"the café au lait", "S: the =?utf-8?b?Y2Fmw6k=?= au lait\r\n"},
		{"one café  two é three", "S: one =?utf-8?b?Y2Fmw6k=?=  two =?utf-8?b?w6k=?= three\r\n"},
		{"é é", "S: =?utf-8?b?w6kgw6k=?=\r\n"},
		{"é b é", "S: =?utf-8?b?w6k=?= b =?utf-8?b?w6k=?=\r\n"},
		{"Привет мир", "S: =?utf-8?b?0J/RgNC40LLQtdGCINC80LjRgA==?=\r\n"},
		{"=?utf-8?q?not_encoded?=", "S: =?utf-8?b?PT91dGYtOD9xP25vdF9lbmNvZGVkPz0=?=\r\n"},
		{"a=?b", "S: =?utf-8?q?a=3D=3Fb?=\r\n"},
		{" lead", "S: =?utf-8?q?_lead?=\r\n"},
		{"trail ", "S: =?utf-8?q?trail_?=\r\n"},
		{"two trail\t", "S: two =?utf-8?q?trail=09?=\r\n"},
		{"  ", "S: =?utf-8?q?__?=\r\n"},
		{"esc \x1b[0m", "S: esc =?utf-8?q?=1B[0m?=\r\n"},
		{"del \x7f", "S: del =?utf-8?q?=7F?=\r\n"},
		{"a" + strings.Repeat(" ", 17) + "b", "S: a =?utf-8?q?________________b?=\r\n"},
		{"?_é=", "S: =?utf-8?b?P1/DqT0=?=\r\n"},
		// A character of four octets is never split.
		{strings.Repeat("😀", 20), "S: =?utf-8?b?8J+YgPCfmIDwn5iA8J+YgPCfmIDwn5iA8J+YgPCfmIDwn5iA8J+YgPCfmIA=?=\r\n =?utf-8?b?8J+YgPCfmIDwn5iA8J+YgPCfmIDwn5iA8J+YgPCfmIDwn5iA?=\r\n"},
	} {
		b, err := AppendField([]byte("x"), TextField("S", c.text), false)
		require.NoError(t, err, "%q", c.text)
		require.Equal(t, "x"+c.want, string(b))
		f := checkFolded(t, b[1:], "S", false)
		require.Equal(t, c.text, f.Text())
	}
}

func TestTextFieldUTF8(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"the café au lait", "S: the café au lait\r\n"},
		{"=?é", "S: =?utf-8?b?PT/DqQ==?=\r\n"},
		{strings.Repeat("é", 30) + " " + strings.Repeat("é", 30), "S: " + strings.Repeat("é", 30) + "\r\n " + strings.Repeat("é", 30) + "\r\n"},
	} {
		b, err := AppendField(nil, TextField("S", c.text), true)
		require.NoError(t, err)
		require.Equal(t, c.want, string(b))
		require.Equal(t, c.text, checkFolded(t, b, "S", true).Text())
	}
}

// What no field can hold is refused, with the place of the fault, and dst stays as it was.
func TestFieldRefuses(t *testing.T) {
	long := strings.Repeat("a", 1000)
	ok := Address{Mailbox: "a", Host: "b.example"}
	for _, c := range []struct {
		v    FieldValue
		want string
	}{
		{TextField("", "x"), `mime: "" field: a field needs a name`},
		{TextField("A B", "x"), `mime: "A B" field: octet 0x20 in the name at octet 1`},
		{TextField("A:", "x"), `mime: "A:" field: octet 0x3a in the name at octet 1`},
		{TextField("A\r\nB", "x"), `mime: "A\r\nB" field: octet 0x0d in the name at octet 1`},
		{TextField("É", "x"), `mime: "É" field: octet 0xc3 in the name at octet 0`},
		{TextField(strings.Repeat("a", 77), "x"), `mime: "` + strings.Repeat("a", 77) + `" field: name longer than 76 octets at octet 76`},
		{FieldValue{}, `mime: "" field: no value`},
		{TextField("S", "a\rb"), `mime: "S" field: CR in the value at octet 1`},
		{TextField("S", "a\r\nBcc: x@y"), `mime: "S" field: CR in the value at octet 1`},
		{TextField("S", "ab\n"), `mime: "S" field: LF in the value at octet 2`},
		{TextField("S", "\x00"), `mime: "S" field: NUL in the value at octet 0`},
		{TextField("S", "é\xff"), `mime: "S" field: invalid UTF-8 at octet 2`},
		{TextField("S", "\xed\xa0\x80"), `mime: "S" field: invalid UTF-8 at octet 0`}, // a lone surrogate
		{StructuredField("S", "a\nb"), `mime: "S" field: LF in the value at octet 1`},
		{StructuredField("S", "é"), `mime: "S" field: octet 0xc3 in the value at octet 0`},
		{StructuredField("S", "\x7f"), `mime: "S" field: octet 0x7f in the value at octet 0`},
		{StructuredField("S", long), `mime: "S" field: a word of 1001 octets fits in no line`},
		{MessageIDField("S"), `mime: "S" field: no message identifier`},
		{MessageIDField("S", ""), `mime: "S" field: empty message identifier`},
		{MessageIDField("S", "<>"), `mime: "S" field: empty message identifier`},
		{MessageIDField("S", "a b"), `mime: "S" field: octet 0x20 in a message identifier at octet 1`},
		{MessageIDField("S", "a@b> <c@d"), `mime: "S" field: octet 0x3e in a message identifier at octet 3`},
		{MessageIDField("S", "a\r\nb"), `mime: "S" field: CR in the value at octet 1`},
		{MessageIDField("S", "é@x"), `mime: "S" field: octet 0xc3 in a message identifier at octet 0`},
		{MessageIDField("S", long), `mime: "S" field: a message identifier of 1000 octets fits in no line`},
		{DateField("S", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), `mime: "S" field: year 10000 has no room in a date`},
		{AddressField("S"), `mime: "S" field: no address`},
		{AddressField("S", ok, Address{}), `mime: "S" field: address 2: no local part`},
		{AddressField("S", Address{Mailbox: "root"}), `mime: "S" field: address 1: no domain behind "root"`},
		{AddressField("S", Address{Mailbox: "a", Host: "b c"}), `mime: "S" field: address 1: "b c" is no domain`},
		{AddressField("S", Address{Mailbox: "a", Host: "b>, <c@d"}), `mime: "S" field: address 1: "b>, <c@d" is no domain`},
		{AddressField("S", Address{Mailbox: "a", Host: ".b"}), `mime: "S" field: address 1: ".b" is no domain`},
		{AddressField("S", Address{Mailbox: "a", Host: "b..c"}), `mime: "S" field: address 1: "b..c" is no domain`},
		{AddressField("S", Address{Mailbox: "a", Host: "b."}), `mime: "S" field: address 1: "b." is no domain`},
		{AddressField("S", Address{Mailbox: "a", Host: "[1.2.3.4"}), `mime: "S" field: address 1: "[1.2.3.4" is no domain literal`},
		{AddressField("S", Address{Mailbox: "a", Host: "[>, <b@c]"}), `mime: "S" field: address 1: "[>, <b@c]" is no domain literal`},
		{AddressField("S", Address{Mailbox: "a", Host: "[]"}), `mime: "S" field: address 1: "[]" is no domain literal`},
		{AddressField("S", Address{Mailbox: "é", Host: "b"}), `mime: "S" field: address 1: "é" needs UTF-8 headers at octet 0`},
		{AddressField("S", Address{Mailbox: "a", Host: "bé"}), `mime: "S" field: address 1: "bé" needs UTF-8 headers at octet 1`},
		{AddressField("S", Address{Mailbox: "\"a\r\nBcc: x\"", Host: "b"}), `mime: "S" field: address 1: CR in the value at octet 2`},
		{AddressField("S", Address{Mailbox: "a\tb", Host: "b"}), `mime: "S" field: address 1: octet 0x09 in "a\tb" at octet 1`},
		{AddressField("S", Address{Name: "x\ny", Mailbox: "a", Host: "b"}), `mime: "S" field: octet 0x0a in a display name at octet 1`},
		{AddressField("S", Address{Name: "\x00", Mailbox: "a", Host: "b"}), `mime: "S" field: octet 0x00 in a display name at octet 0`},
		{AddressField("S", Address{Mailbox: long, Host: "b"}), `mime: "S" field: address 1: an address of 1002 octets fits in no line`},
		{AddressField("S", Address{Kind: AddressGroupStart, Mailbox: "g"}), `mime: "S" field: a group is not ended`},
		{AddressField("S", Address{Kind: AddressGroupEnd}), `mime: "S" field: address 1 ends no group`},
		{AddressField("S", Address{Kind: AddressGroupStart, Mailbox: " "}, Address{Kind: AddressGroupEnd}), `mime: "S" field: address 1 begins a group without a name`},
		{AddressField("S", Address{Kind: AddressGroupStart, Mailbox: "g"}, Address{Kind: AddressGroupStart, Mailbox: "h"}), `mime: "S" field: address 2 begins a group within a group`},
		{AddressField("To", Address{Mailbox: "a", Host: "=?x?q?y?'"}), `mime: "To" field: address 1: "=?x?q?y?'" is no domain`},
		{ParamField("S", "", nil), `mime: "S" field: no value before the parameters`},
		{ParamField("S", strings.Repeat("x", 1000), nil), `mime: "S" field: a value of 1000 octets fits in no line`},
		{ParamField("S", "text/", nil), `mime: "S" field: octet 0x2f in the value at octet 4`},
		{ParamField("S", "a;b", nil), `mime: "S" field: octet 0x3b in the value at octet 1`},
		{ParamField("S", "é", nil), `mime: "S" field: octet 0xc3 in the value at octet 0`},
		{ParamField("S", "a", Params{{"", "x"}}), `mime: "S" field: a parameter without a name`},
		{ParamField("S", "a", Params{{"a b", "x"}}), `mime: "S" field: octet 0x20 in the parameter name "a b" at octet 1`},
		{ParamField("S", "a", Params{{"n", "x\r\ny"}}), `mime: "S" field: octet 0x0d in parameter n at octet 1`},
		{ParamField("S", "a", Params{{strings.Repeat("n", 39), "x"}}), `mime: "S" field: a parameter name longer than 38 octets`},
		{ParamField("S", "a", Params{{"n", strings.Repeat("x", 40000)}}), `mime: "S" field: the value of parameter n is too long`},
		{RawField([]byte("no field")), `mime: "" field: no field name and colon at the start`},
		{RawField([]byte("S: a\r\nBcc: b\r\n")), `mime: "S" field: a second field or the header's end at octet 6`},
		{RawField([]byte("S: a\r\n\r\n")), `mime: "S" field: a second field or the header's end at octet 6`},
		{RawField([]byte("S: a\r\n \r\n b")), `mime: "S" field: a line of blanks at octet 6`},
		{RawField([]byte("S: a\rb\r\n")), `mime: "S" field: octet 0x0d at octet 4`},
		{RawField([]byte("S: a\x00\r\n")), `mime: "S" field: octet 0x00 at octet 4`},
		{RawField([]byte("S: " + long)), `mime: "S" field: a line of 1003 octets at octet 0`},
	} {
		b, err := AppendField([]byte("dst"), c.v, false)
		require.EqualError(t, err, c.want)
		require.Equal(t, "dst", string(b))
		var e *FieldError
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.v.Name(), e.Field)
	}
}

func TestAddressField(t *testing.T) {
	l60 := strings.Repeat("l", 60)
	for _, c := range []struct {
		list []Address
		want string
	}{
		{[]Address{{Mailbox: "a", Host: "b.c"}}, "To: a@b.c\r\n"},
		{[]Address{NewAddress("Ann", "a@b.c")}, "To: Ann <a@b.c>\r\n"},
		{[]Address{NewAddress("Ann O'Neil-Smith", "a@b.c")}, "To: Ann O'Neil-Smith <a@b.c>\r\n"},
		{[]Address{NewAddress("Doe, J.", "a@b.c")}, "To: \"Doe, J.\" <a@b.c>\r\n"},
		{[]Address{NewAddress(`say "hi" \o/`, "a@b.c")}, "To: \"say \\\"hi\\\" \\\\o/\" <a@b.c>\r\n"},
		{[]Address{NewAddress("a  b", "a@b.c")}, "To: \"a  b\" <a@b.c>\r\n"},
		{[]Address{NewAddress("a@b.c", "x@y")}, "To: \"a@b.c\" <x@y>\r\n"},
		{[]Address{NewAddress("<x>", "x@y")}, "To: \"<x>\" <x@y>\r\n"},
		{[]Address{NewAddress("a(b)", "x@y")}, "To: \"a(b)\" <x@y>\r\n"},
		{[]Address{NewAddress(" a", "x@y")}, "To: =?utf-8?q?_a?= <x@y>\r\n"},
		{[]Address{NewAddress("a\tb", "x@y")}, "To: =?utf-8?b?YQli?= <x@y>\r\n"},
		{[]Address{NewAddress("René", "x@y")}, "To: =?utf-8?b?UmVuw6k=?= <x@y>\r\n"},
		{[]Address{NewAddress("Юрий", "x@y")}, "To: =?utf-8?b?0K7RgNC40Lk=?= <x@y>\r\n"},
		{[]Address{NewAddress("=?utf-8?q?x?=", "x@y")}, "To: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <x@y>\r\n"},
		// A name that was read is decoded and encoded again.
		{ParseAddressList("=?iso-8859-1?q?Andr=E9?= <a@b>"), "To: =?utf-8?b?QW5kcsOp?= <a@b>\r\n"},
		{[]Address{NewAddress("", "john doe@x")}, "To: \"john doe\"@x\r\n"},
		{[]Address{NewAddress("", `"john doe"@x`)}, "To: \"john doe\"@x\r\n"},
		{[]Address{NewAddress("", `a..b@x`)}, "To: \"a..b\"@x\r\n"},
		{[]Address{NewAddress("", `"x" <evil@y>, "@x`)}, "To: \"\\\"x\\\" <evil@y>, \\\"\"@x\r\n"},
		{[]Address{NewAddress("", "a@[192.0.2.1]")}, "To: a@[192.0.2.1]\r\n"},
		{[]Address{NewAddress("", "a@[IPv6:2001:db8::1]")}, "To: a@[IPv6:2001:db8::1]\r\n"},
		{[]Address{{Route: "@r", Mailbox: "a", Host: "b"}}, "To: a@b\r\n"},
		{[]Address{NewAddress("", l60+"@x"), NewAddress("", "b@x"), NewAddress("", l60+"@y")}, "To: " + l60 + "@x, b@x,\r\n " + l60 + "@y\r\n"},
		{ParseAddressList("undisclosed-recipients:;"), "To: undisclosed-recipients:;\r\n"},
		{ParseAddressList("Team A: a@b, C <c@d>;, x@y"), "To: Team A: a@b, C <c@d>;, x@y\r\n"},
		{ParseAddressList(strings.Repeat("é", 23) + ":;, x@y"), "To: =?utf-8?b?" + strings.Repeat("w6nDqcOp", 7) + "?=\r\n =?utf-8?b?w6nDqQ==?=:;, x@y\r\n"},
		{ParseAddressList("=?utf-8?q?=C3=A9?=:;"), "To: =?utf-8?b?w6k=?=:;\r\n"},
		{[]Address{NewAddress("", strings.Repeat("l", 75)+"@x"), NewAddress("", "b@y")}, "To: " + strings.Repeat("l", 75) + "@x,\r\n b@y\r\n"},
	} {
		b, err := AppendField(nil, AddressField("To", c.list...), false)
		require.NoError(t, err)
		require.Equal(t, c.want, string(b))
		sameAddresses(t, c.list, checkFolded(t, b, "To", false).Addresses(), b)
	}
	b, err := AppendField(nil, AddressField("To", NewAddress("Юрий", "юрий@пример.рф"), NewAddress("é, è", "a@b")), true)
	require.NoError(t, err)
	require.Equal(t, "To: Юрий <юрий@пример.рф>, \"é, è\" <a@b>\r\n", string(b))
}

// sameAddresses holds what was read to what was written: names decoded, local parts without quotes.
func sameAddresses(t testing.TB, want, got []Address, raw []byte) {
	require.Len(t, got, len(want), "%q", raw)
	for i, w := range want {
		g := got[i]
		require.Equal(t, w.Kind, g.Kind, "%q", raw)
		require.Equal(t, w.DisplayName(), g.DisplayName(), "%q", raw)
		if w.Kind != AddressMailbox {
			continue
		}
		require.Equal(t, unquotedLocal(w.Mailbox), unquotedLocal(g.Mailbox), "%q", raw)
		require.Equal(t, w.Host, g.Host, "%q", raw)
	}
}

func unquotedLocal(s string) string {
	if !isQuoted(s) {
		return s
	}
	return regexp.MustCompile(`(?s)\\(.)`).ReplaceAllString(s[1:len(s)-1], "$1")
}

func TestNewAddress(t *testing.T) {
	for _, name := range []string{"", "x", "=?utf-8?q?x?=", "=?utf-8?b?" + strings.Repeat("QUFB", 40) + "?= é", "é =?"} {
		a := NewAddress(name, "a@b@c")
		require.Equal(t, name, a.DisplayName())
		require.Equal(t, "a@b", a.Mailbox)
		require.Equal(t, "c", a.Host)
	}
	require.Equal(t, Address{Mailbox: "root"}, NewAddress("", "root"))
}

func TestParamField(t *testing.T) {
	x70 := strings.Repeat("x", 70)
	for _, c := range []struct {
		name, value, want string
	}{
		{"filename", "a.txt", "; filename=a.txt"},
		{"filename", "", "; filename=\"\""},
		{"filename", "a b.txt", "; filename=\"a b.txt\""},
		{"filename", " a ", "; filename=\" a \""},
		{"filename", `a"b\c`, `; filename="a\"b\\c"`},
		{"filename", `C:\temp\new.txt`, `; filename="C:\\temp\\new.txt"`},
		{"filename", "../../etc/passwd", "; filename=\"../../etc/passwd\""},
		{"filename", "a;b=c", "; filename=\"a;b=c\""},
		{"filename", "naïve.txt", "; filename*=utf-8''na%C3%AFve.txt"},
		{"filename", "a\x01b\x7f", "; filename*=utf-8''a%01b%7F"},
		{"filename", "tab\there", "; filename*=utf-8''tab%09here"},
		{"filename", "=?utf-8?q?x?=", "; filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D"},
		{"filename", "100%'*", "; filename=100%'*"},
		{"filename", "é100%'*", "; filename*=utf-8''%C3%A9100%25%27%2A"},
		{"name", x70, ";\r\n name=" + x70},
		{"name", x70 + "yz", ";\r\n name*0=\"" + x70[:67] + "\";\r\n name*1=\"xxxyz\""},
	} {
		b, err := AppendField(nil, FieldValue{name: "Content-Disposition", value: func(f *folder) error {
			f.token(" ", "attachment")
			return f.param(c.name, c.value)
		}}, false)
		require.NoError(t, err)
		want := "Content-Disposition: attachment" + c.want + "\r\n"
		require.Equal(t, want, string(b))
		d, ok := ParseDisposition(string(checkFolded(t, b, "Content-Disposition", false).Value()))
		require.True(t, ok)
		v, ok := d.Params.Get(c.name)
		require.True(t, ok)
		require.Equal(t, c.value, v)
	}

	// What was read is written with its decoded values, each parameter once.
	d, _ := ParseDisposition("attachment; filename*0*=iso-8859-1''%E9; filename*1=\"b c\"; size=3; FILENAME=x; SIZE=4")
	b, err := AppendField(nil, ParamField("Content-Disposition", "attachment", d.Params), false)
	require.NoError(t, err)
	require.Equal(t, "Content-Disposition: attachment; filename*=utf-8''%C3%A9b%20c; size=3\r\n", string(b))
	b, err = AppendField(nil, ParamField("Content-Type", "text/plain", Params{{"name", "é ü"}}), true)
	require.NoError(t, err)
	require.Equal(t, "Content-Type: text/plain; name=\"é ü\"\r\n", string(b))
	checkFolded(t, b, "Content-Type", true)
}

func TestOtherFields(t *testing.T) {
	id := strings.Repeat("i", 60) + "@x"
	zone := time.FixedZone("", -(3*3600 + 30*60))
	for _, c := range []struct {
		v    FieldValue
		want string
	}{
		{MessageIDField("References", "a@b", "<c@d>", id), "References: <a@b> <c@d>\r\n <" + id + ">\r\n"},
		{MessageIDField("Message-ID", id+id), "Message-ID: <" + id + id + ">\r\n"},
		{MessageIDField("Message-ID", id+"123456789"), "Message-ID:\r\n <" + id + "123456789>\r\n"},
		{DateField("Date", time.Date(2001, 2, 3, 4, 5, 6, 7, zone)), "Date: Sat, 03 Feb 2001 04:05:06 -0330\r\n"},
		{StructuredField("Auto-Submitted", " auto-replied\t"), "Auto-Submitted: auto-replied\r\n"},
		{StructuredField("X", ""), "X:\r\n"},
		{StructuredField("Received", "from a.example (a.example [192.0.2.1]) by b.example with ESMTP id 4711; Thu, 1 Jan 1970 00:00:00 +0000"),
			"Received: from a.example (a.example [192.0.2.1]) by b.example with ESMTP id\r\n 4711; Thu, 1 Jan 1970 00:00:00 +0000\r\n"},
		{StructuredField("List-Unsubscribe", "<mailto:x@y>, <https://"+strings.Repeat("u", 70)+">"), "List-Unsubscribe: <mailto:x@y>,\r\n <https://" + strings.Repeat("u", 70) + ">\r\n"},
		{RawField([]byte("X: a\n\tb")), "X: a\r\n\tb\r\n"},
		{RawField([]byte("X-Y:\r\n \xff\r\n")), "X-Y:\r\n \xff\r\n"},
	} {
		b, err := AppendField(nil, c.v, false)
		require.NoError(t, err)
		require.Equal(t, c.want, string(b))
	}
	d, err := ParseDate("Sat, 03 Feb 2001 04:05:06 -0330")
	require.NoError(t, err)
	require.True(t, d.Equal(time.Date(2001, 2, 3, 4, 5, 6, 0, zone)))
}

func FuzzTextField(f *testing.F) {
	for _, s := range []string{"", "Hello", "café", "a  b", "=?utf-8?q?x?=", " x ", "😀😀😀😀😀😀😀😀😀😀😀😀😀😀", "\xff", "a\r\nb", "\t\t", "é é é =?",
		strings.Repeat("a", 1200), strings.Repeat("é ", 300), "a" + strings.Repeat(" ", 90) + "b", "x\u0300\u2028\u0085", "\xed\xa0\x80", "\x1b\x7f"} {
		f.Add("Subject", s, true)
		f.Add("X-A-Very-Long-Name-For-A-Field-That-Is-Hardly-Ever-Seen-In-The-Wild-At-All", s, false)
	}
	f.Fuzz(func(t *testing.T, name, text string, utf8OK bool) {
		b, err := AppendField(nil, TextField(name, text), utf8OK)
		if err != nil {
			require.Empty(t, b)
			require.True(t, checkName(name) != nil || checkText(text) != nil)
			return
		}
		field := checkFolded(t, b, name, utf8OK)
		require.Equal(t, text, field.Text(), "%q", b)
		again, err := AppendField(nil, RawField(b), utf8OK)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
	})
}

func FuzzAddressField(f *testing.F) {
	for _, s := range []string{"", "Ann", "Doe, J.", `a"b\`, "René", "=?utf-8?q?x?=", "a\tb", " ", "(x)", "<a@b>", strings.Repeat("é", 100), strings.Repeat("w ", 90),
		"\xff\xfe", "a\r\nBcc: x@y", "\x00", strings.Repeat("z", 200)} {
		f.Add(s, "a", "b.example", "Team", true)
		f.Add(s, "john doe", "[192.0.2.1]", s, false)
		f.Add("x", s, "b", "y", true)
		f.Add("x", "a", s, "y", true)
	}
	f.Add("x", "a", "[,]", "y", true)
	f.Add("\xe5", " ", "=?00000?B?0?'", "0", true)
	f.Add("\xd60", "=?00000?B?0?=", "0", "\"", true)
	f.Fuzz(func(t *testing.T, name, local, host, group string, utf8OK bool) {
		a := Address{Name: name, Mailbox: local, Host: host}
		for _, list := range [][]Address{
			{a}, {a, a, {Mailbox: "x", Host: "y"}, a},
			{{Kind: AddressGroupStart, Mailbox: group}, a, a, {Kind: AddressGroupEnd}, a},
			{{Kind: AddressGroupStart, Mailbox: group}, {Kind: AddressGroupEnd}},
		} {
			b, err := AppendField(nil, AddressField("To", list...), utf8OK)
			if err != nil {
				require.Empty(t, b)
				continue
			}
			got := checkFolded(t, b, "To", utf8OK).Addresses()
			sameAddresses(t, list, got, b)
			again, err := AppendField(nil, AddressField("To", got...), utf8OK)
			require.NoError(t, err)
			sameAddresses(t, list, ParseHeader(again).Addresses("To"), again)
		}
	})
}

func FuzzParamField(f *testing.F) {
	for _, s := range []string{"", "a.txt", "a b", "naïve", `q"\`, "=?utf-8?q?x?=", "\x01", strings.Repeat("x", 300), strings.Repeat("é", 300), "a\r\nb", "%41", "''", "\\n"} {
		f.Add("filename", s, true)
		f.Add("n", s, false)
	}
	f.Fuzz(func(t *testing.T, name, value string, utf8OK bool) {
		v := FieldValue{name: "Content-Type", value: func(f *folder) error {
			f.keep = 1
			f.token(" ", "text/plain")
			if err := f.param(name, value); err != nil {
				return err
			}
			return f.param("z", "end")
		}}
		b, err := AppendField(nil, v, utf8OK)
		if err != nil || strings.EqualFold(name, "z") {
			return
		}
		field := checkFolded(t, b, "Content-Type", utf8OK)
		for _, l := range strings.Split(string(b), "\r\n") {
			require.LessOrEqual(t, len(l), 78, "%q", b)
		}
		ct, ok := ParseContentType(string(field.Value()))
		require.True(t, ok)
		got, ok := ct.Params.Get(strings.ToLower(name))
		require.True(t, ok, "%q", b)
		require.Equal(t, value, got, "%q", b)
		got, _ = ct.Params.Get("z")
		require.Equal(t, "end", got, "%q", b)
		again, err := AppendField(nil, ParamField("Content-Type", "text/plain", ct.Params), utf8OK)
		require.NoError(t, err)
		ct = ParseHeader(again).ContentType()
		got, _ = ct.Params.Get(strings.ToLower(name))
		require.Equal(t, value, got, "%q", again)
	})
}

func FuzzMessageIDField(f *testing.F) {
	f.Add("a@b", "<c@d>")
	f.Add("a b", "")
	f.Add(strings.Repeat("x", 90), "\"q\"@[x]")
	f.Add("\"@", "c@d")
	f.Add("(@", "c@d")
	f.Add("a\\", "c@d")
	f.Fuzz(func(t *testing.T, a, b string) {
		out, err := AppendField(nil, MessageIDField("References", a, b, a), false)
		if err != nil {
			return
		}
		require.Equal(t, []string{bareID(a), bareID(b), bareID(a)}, checkFolded(t, out, "References", false).MessageIDs(), "%q", out)
	})
}

// Whatever the octets, a raw field is one field or refused, and nothing of it is lost.
func FuzzRawField(f *testing.F) {
	for _, s := range []string{"A: b", "A: b\r\n c\r\n", "A:\n\tb\n", "A: b\r\nB: c", "A : b", ":", "A: \r\n x", "A: b\r"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := AppendField(nil, RawField(raw), false)
		if err != nil {
			return
		}
		n := 0
		for field := range ParseHeader(append(bytes.Clone(b), "\r\n"...)).Fields() {
			n++
			require.Equal(t, string(b), string(field.Raw()))
		}
		require.Equal(t, 1, n, "%q", b)
		require.Equal(t, strings.ReplaceAll(strings.TrimRight(string(raw), "\r\n"), "\r\n", "\n"),
			strings.ReplaceAll(strings.TrimRight(string(b), "\r\n"), "\r\n", "\n"))
	})
}

// What a field costs grows with its length, not faster.
func TestFieldCost(t *testing.T) {
	for _, value := range []func(n int) FieldValue{
		func(n int) FieldValue { return TextField("S", strings.Repeat("é ", n)) },
		func(n int) FieldValue { return TextField("S", strings.Repeat("=?", n)) },
		func(n int) FieldValue { return TextField("S", strings.Repeat("a ", n)) },
		func(n int) FieldValue { return TextField("S", strings.Repeat(" ", n)) },
		func(n int) FieldValue {
			return AddressField("S", Address{Name: strings.Repeat("é ", n), Mailbox: "a", Host: "b"})
		},
	} {
		octets := func(n int) float64 {
			v := value(n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			mustField(t, v)
			runtime.ReadMemStats(&after)
			return float64(after.TotalAlloc - before.TotalAlloc)
		}
		require.LessOrEqual(t, octets(80000)/octets(40000), 2.5)
	}
}

func mustField(t testing.TB, v FieldValue) []byte {
	b, err := AppendField(nil, v, false)
	require.NoError(t, err)
	return b
}

func BenchmarkAppendField(b *testing.B) {
	list := ParseAddressList("Ann Example <ann@example.org>, \"Doe, J.\" <j@example.com>, =?utf-8?q?Ren=C3=A9?= <r@example.net>")
	for _, c := range []struct {
		name string
		v    FieldValue
	}{
		{"ascii", TextField("Subject", "A plain subject of some words, as most of them are, and not too short")},
		{"encoded", TextField("Subject", "Привет, мир, это тема письма, которая не помещается в одну строку")},
		{"addresses", AddressField("To", list...)},
		{"param", ParamField("Content-Type", "text/plain", Params{{"charset", "utf-8"}})},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = AppendField(dst[:0], c.v, false)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

// What stands for one parameter is put together whatever stands between, and the cost grows with the number alone.
func TestParamFieldNames(t *testing.T) {
	got, err := AppendField(nil, ParamField("S", "a", Params{{"n*1", "b"}, {"m", "1"}, {"N*0", "a"}, {"M", "2"}}), false)
	require.NoError(t, err)
	require.Equal(t, "S: a; n=ab; m=1\r\n", string(got))
	got, err = AppendField(nil, ParamField("S", "a", Params{{"s", "1"}, {"\u017f*", "x"}, {"K", "2"}, {"\u212a", "x"}}), false)
	require.NoError(t, err)
	require.Equal(t, "S: a; s=1; K=2\r\n", string(got))
	growth(t, 100_000, 400, func(n int) string { return strings.Repeat("x", n) }, func(s string) {
		p := make(Params, len(s))
		for i := range p {
			p[i] = Param{fmt.Sprint("p", i), "v"}
		}
		_, err := AppendField(nil, ParamField("S", "a", p), false)
		require.NoError(t, err)
	})
}
