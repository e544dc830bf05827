package mime

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeText(t *testing.T) {
	tests := []struct{ in, want string }{
		// RFC 2047 section 8, with and without parentheses.
		{"=?US-ASCII?Q?Keith_Moore?=", "Keith Moore"},
		{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"},
		{"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "If you can read this you understand the example."},
		{"=?ISO-8859-1?Q?Olle_J=E4rnefors?=", "Olle Järnefors"},
		{"=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?=", "Patrik Fältström"},
		{"=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "םולש ןב ילטפנ"},
		{"(=?ISO-8859-1?Q?a?=)", "(a)"},
		{"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
		// RFC 2231 section 5: language.
		{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
		// Either case, names of charsets.
		{"=?utf-8?q?caf=c3=a9?=", "café"},
		{"=?UTF-8?B?Y2Fmw6k=?=", "café"},
		{"=?utf8?b?Y2Fmw6k=?=", "café"},
		{"=?windows-1252?Q?=80=93?=", "€“"},
		{"=?cp1252?Q?=80?=", "€"},
		{"=?iso-8859-1?Q?=80?=", "€"},
		{"=?iso-8859-15?Q?=A4?=", "€"},
		{"=?windows-1251?B?z/Do4uXy?=", "Привет"},
		{"=?cp-1251?B?z/Do4uXy?=", "Привет"},
		{"=?koi8-r?B?8NLJ18XU?=", "Привет"},
		{"=?KOI8-U?Q?=A4?=", "є"},
		{"=?iso-8859-5?Q?=BF=E0?=", "Пр"},
		{"=?cp866?Q?=8F=E0?=", "Пр"},
		{"=?ibm850?Q?=82?=", "é"},
		{"=?cp437?Q?=82?=", "é"},
		{"=?macintosh?Q?=8E?=", "é"},
		{"=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"},
		{"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= =?ISO-2022-JP?B?GyRCOGwbKEI=?=", "日本語"},
		{"=?shift_jis?B?k/qWew==?=", "日本"},
		{"=?euc-jp?B?xvzL3A==?=", "日本"},
		{"=?gb2312?B?1tDOxA==?=", "中文"},
		{"=?GBK?Q?=D6=D0?=", "中"},
		{"=?gb18030?B?1tDOxA==?=", "中文"},
		{"=?HZ-GB-2312?Q?~{VPND~}?=", "中文"},
		{"=?big5?B?pKSk5Q==?=", "中文"},
		{"=?euc-kr?B?x9G9ug==?=", "한스"},
		{"=?ks_c_5601-1987?B?x9G9ug==?=", "한스"},
		{"=?tis-620?B?ocA=?=", "กภ"},
		{"=?iso-8859-7?Q?=E1=E2?=", "αβ"},
		{"=?windows-1253?Q?=E1?=", "α"},
		{"=?iso-8859-9?Q?=FD?=", "ı"},
		{"=?windows-1255?Q?=F9?=", "ש"},
		{"=?windows-1256?Q?=C8?=", "ب"},
		{"=?iso-8859-2?Q?=B1?=", "ą"},
		{"=?windows-1250?Q?=B9?=", "ą"},
		{"=?windows-1257?Q?=E0?=", "ą"},
		{"=?utf-7?Q?Hi_Mom_+Jjo-!?=", "Hi Mom ☺!"},
		{"=?unicode-1-1-utf-7?Q?A+ImIDkQ.?=", "A≢Α."},
		{"=?utf-7?q?+ZeVnLIqe-?=", "日本語"},
		{"=?utf-7?q?1_+-_1?=", "1 + 1"},
		{"=?iso-2022-kr?B?GyQpQw5HUTFbDyBh?=", "한글 a"},
		{"=?iso-2022-kr?B?GyQpQw5HUQ8=?= =?iso-2022-kr?B?DjFbDw==?=", "한글"},
		{"=?iso-2022-kr?B?GyQpQw5H?=", "\uFFFD"},
		{"=?utf-32?B?AAAAYQAB9gA=?=", "a😀"},
		{"=?utf-16?B?/v8AYQBi?=", "ab"},
		{"=?utf-16le?B?YQBiAA==?=", "ab"},
		{"=?maccyrillic?q?=8F?=", "П"},
		{"=?viscii?Q?=E1?=", "á"},
		{"=?windows-874?Q?=A1?=", "ก"},
		{"=?iso-8859-16?Q?=A1?=", "Ą"},
		{"=?windows-31j?B?k/qWew==?=", "日本"},
		{"=?ISO-2022-JP?B?GyRCRnxL?= =?ISO-2022-JP?B?XDhsGyhC?=", "日本語"},
		{"=?UTF-8?Q?=F0=9F=98?= =?UTF-8?Q?=80?=", "😀"},
		{"=?utf-8?q?=C3?=x=?utf-8?q?=A9?=", "\uFFFDx\uFFFD"},
		{"=?big5?B?pKQ?= =?big5?B?pOU=?=", "中文"},
		{"=?utf-7?q?+2D3eAA-?=", "😀"},
		{"=?utf-7?q?+ZeU?= =?utf-7?q?+Zyw-?=", "日本"},
		// A character split over words.
		{"=?utf-8?b?5pel5pw=?= =?utf-8?b?rOiqng==?=", "日本語"},
		{"=?utf-8?Q?=E6=97?=\n =?utf-8?Q?=A5?=", "日"},
		{"=?utf-8?q?=C3?= =?UTF-8?b?qQ==?=", "é"},
		{"=?gb2312?B?1g==?= =?gb2312?B?0A==?=", "中"},
		// Faults.
		{"=?utf-8?B?Y2Fmw6k?=", "café"},
		{"=?utf-8?B?Y2Fm w6k=?=", "café"},
		{"=?utf-8?B?Y!2F*mw6k=?=", "café"},
		{"=?utf-8?B?YQ==Yg==?=", "ab"},
		{"=?utf-8?Q?a b c?=", "a b c"},
		{"=?utf-8?Q?what?ever?=", "what?ever"},
		{"=?utf-8?Q?=?=", "="},
		{"=?utf-8?Q?=4?=", "=4"},
		{"=?utf-8?Q?=ZZ?=", "=ZZ"},
		{"=?utf-8?Q??=", ""},
		{"=?utf-8?B??=", ""},
		{"\"=?utf-8?Q?caf=C3=A9?=\" x", "\"café\" x"},
		{"a=?utf-8?Q?b?=c", "abc"},
		{"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"},
		{"=?x-no-such?Q?caf=C3=A9?=", "café"},
		{"=?x-no-such?Q?caf=E9?=", "café"},
		{"=?us-ascii?Q?caf=C3=A9?=", "café"},
		{"=?utf-8?Q?=FF?=", "\uFFFD"},
		{"=?utf-8?Q?a=00b?=", "a\uFFFDb"},
		{"=?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x"},
		{"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
		{"=?utf-8?Q?abc", "=?utf-8?Q?abc"},
		{"=?utf-8?Q?abc =?utf-8?Q?def?=", "=?utf-8?Q?abc def"},
		{"=??Q?abc?=", "=??Q?abc?="},
		{"=?=?utf-8?Q?a?=", "=?a"},
		{"=? ?=", "=? ?="},
		{"a\x00b", "a\uFFFDb"},
		// Text without encoded-words.
		{"", ""},
		{"plain", "plain"},
		{"folded\r\n text\n\tmore", "folded text\tmore"},
		{"café", "café"},
		{"caf\xe9", "café"},
		{"caf\xe9 =?utf-8?q?=C3=A9?=", "café é"},
	}
	require.GreaterOrEqual(t, len(tests), 60)
	for _, tt := range tests {
		assert.Equal(t, tt.want, DecodeText(tt.in), "%q", tt.in)
	}
}

func TestDecodeTextLinear(t *testing.T) {
	for _, s := range []string{"=?", "=?u?q?", "=?u?q?x", "=?u?q?x ?", "=?u?b?x", "=?u?q?x?=", "=?u?q?=E9?= ", "=?u?q?a?b"} {
		n := 128 << 10 / len(s)
		one := allocated(func() { DecodeText(strings.Repeat(s, n)) })
		two := allocated(func() { DecodeText(strings.Repeat(s, 2*n)) })
		require.LessOrEqual(t, float64(two), 2.5*float64(one)+64<<10, "%q", s)
	}
}

func TestCharsetReader(t *testing.T) {
	tests := []struct {
		charset, in, want string
		ok                bool
	}{
		{"utf-8", "caf\xc3\xa9", "café", true},
		{"utf-8", "caf\xe9", "caf\uFFFD", true},
		{"iso-8859-1", "caf\xe9", "café", true},
		{"iso-2022-jp", "\x1b$B$\"\x1b(B", "あ", true},
		{"utf-7", "Hi +Jjo-", "Hi ☺", true},
		{"iso-2022-kr", "\x1b$)C\x0eGQ1[\x0f a\x0eGQ\nGQ\x1b", "한글 a한\nGQ\uFFFD", true},
		{"utf-32be", "\x00\x00\x00a", "a", true},
		{"utf-7", "+2D0-x", "\uFFFDx", true},
		{"utf-7", "+2D0", "\uFFFD", true},
		{"utf-7", "\xff+\xff", "\uFFFD\uFFFD", true},
		{"utf-16", "\xfe\xff\x00a", "a", true},
		{"utf-16le", "a\x00", "a", true},
		{"", "caf\xe9 é", "café é", false},
		{"us-ascii", "caf\xc3\xa9", "café", false},
		{"no-such-charset", "\xc3", "Ã", false},
	}
	for _, tt := range tests {
		for _, f := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			r, ok := CharsetReader(f(strings.NewReader(tt.in)), tt.charset)
			require.Equal(t, tt.ok, ok, tt.charset)
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(b), "%s %q", tt.charset, tt.in)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?=C3=A9?= x", "=?iso-2022-jp?B?GyRCJCIbKEI=?=", "=?utf-7?q?+2D3eAA-?=", "=?hz?q?~{VP~}?=", "=?u?q?a?b?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := DecodeText(s)
		require.True(t, utf8.ValidString(got))
		require.False(t, strings.ContainsAny(got, "\r\n\x00"))
	})
}

func TestDecoder(t *testing.T) {
	tests := []struct{ enc, in, want string }{
		{"base64", "YWJj", "abc"},
		{"BASE64", "YW\r\nJj\r\n", "abc"},
		{"base64", "YW!J j-", "abc"},
		{"base64", "YQ==YmM=", "abc"},
		{"base64", "YWI", "ab"},
		{"base64", "Y", ""},
		{"base64", "", ""},
		{"Quoted-Printable", "caf=C3=A9", "café"},
		{"quoted-printable", "caf=c3=a9", "café"},
		{"quoted-printable", "a=\r\nb=\nc", "abc"},
		{"quoted-printable", "a= \t\r\nb", "ab"},
		{"quoted-printable", "a \t\r\nb \nc ", "a\r\nb\nc"},
		{"quoted-printable", "a  b", "a  b"},
		{"quoted-printable", "a\rb", "a\rb"},
		{"quoted-printable", "a \rb", "a \rb"},
		{"quoted-printable", "=", ""},
		{"quoted-printable", "a=", "a"},
		{"quoted-printable", "=4", "=4"},
		{"quoted-printable", "=Z1", "=Z1"},
		{"quoted-printable", "=\r", "=\r"},
		{"quoted-printable", "=\rx", "=\rx"},
		{"quoted-printable", "==41", "=A"},
		{"quoted-printable", "= x", "= x"},
		{"7bit", "a=41", "a=41"},
		{"8bit", "\xff", "\xff"},
		{"binary", "\x00\r\n", "\x00\r\n"},
		{"x-unknown", "YQ==", "YQ=="},
		{"", "x", "x"},
		{"(comment) \"base64\"", "YQ==", "a"},
		{"base64;", "YQ==", "a"},
	}
	for _, tt := range tests {
		for _, f := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
			b, err := io.ReadAll(NewDecoder(f(strings.NewReader(tt.in)), tt.enc))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(b), "%s %q", tt.enc, tt.in)
			b, err = io.ReadAll(iotest.OneByteReader(NewDecoder(strings.NewReader(tt.in), tt.enc)))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(b), "%s %q", tt.enc, tt.in)
		}
	}
	long := strings.Repeat(" ", 10000) + "x" + strings.Repeat("\t", 3000) + "y"
	b, err := io.ReadAll(NewDecoder(strings.NewReader(long), "quoted-printable"))
	require.NoError(t, err)
	require.Equal(t, long, string(b))
	fits, over := strings.Repeat("\t", qpMaxBlanks), strings.Repeat("\t", qpMaxBlanks+1)
	for _, tt := range []struct{ in, want string }{
		{"a" + fits + "\r\nb", "a\r\nb"},
		{"a" + fits + "\n", "a\n"},
		{"a" + fits, "a"},
		{"a" + fits + "b", "a" + fits + "b"},
		{"a" + over + "\r\nb", "a" + over + "\r\nb"},
		{"a" + over + fits + over, "a" + over + fits + over},
		{"a" + over + "b" + fits + "\nc \n", "a" + over + "b\nc\n"},
		{"a=" + fits[1:] + "\r\nb", "ab"},
		{"a=" + over[1:] + "\r\nb", "a=\r\nb"},
		{"a=" + over + "\r\nb", "a=" + over + "\r\nb"},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)), iotest.HalfReader(strings.NewReader(tt.in))} {
			b, err := io.ReadAll(iotest.OneByteReader(NewDecoder(r, "quoted-printable")))
			require.NoError(t, err)
			require.Equal(t, len(tt.want), len(b))
			require.Equal(t, tt.want, string(b))
		}
	}
	_, err = io.ReadAll(NewDecoder(iotest.ErrReader(io.ErrUnexpectedEOF), "quoted-printable"))
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

func FuzzDecoder(f *testing.F) {
	f.Add("a= \r\n=C3=A9 \n", 3)
	f.Add("YWJj\nYQ=", 1)
	f.Add("\x9b"+strings.Repeat("\t", 1800), 1)
	f.Add("a="+strings.Repeat(" ", 1023)+"\r\n", 1)
	f.Fuzz(func(t *testing.T, s string, n int) {
		for _, enc := range []string{"quoted-printable", "base64"} {
			want, err := io.ReadAll(NewDecoder(strings.NewReader(s), enc))
			require.NoError(t, err)
			require.LessOrEqual(t, len(want), len(s))
			got, err := io.ReadAll(NewDecoder(iotest.OneByteReader(strings.NewReader(s)), enc))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%s: %d octets whole, %d octet by octet", enc, len(want), len(got))
			got, err = io.ReadAll(iotest.OneByteReader(NewDecoder(iotest.HalfReader(strings.NewReader(s)), enc)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%s: %d octets whole, %d in halves", enc, len(want), len(got))
		}
	})
}
