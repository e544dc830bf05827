package mime

// What hostile peers send. Cost is counted as octets allocated against octets received, and as octets read; n and 2n are compared.
// The inputs are long enough that a quadratic reader would not come to an end.

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// growth requires that f costs for make(2n) at most 2.5 times what it costs for make(n), and no more than per octets an octet.
func growth(t *testing.T, n, per int, make func(n int) string, f func(string)) {
	t.Helper()
	small, large := make(n), make(2*n)
	a := allocated(func() { f(small) })
	b := allocated(func() { f(large) })
	require.LessOrEqual(t, float64(b), 2.5*float64(a)+128<<10, "%d octets for %d, %d for %d", a, len(small), b, len(large))
	require.Less(t, b, uint64(per*len(large)+1<<20), "octets allocated")
}

// countedReaderAt counts what is read.
type countedReaderAt struct {
	io.ReaderAt
	n int64
}

func (c *countedReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, off)
	c.n += int64(n)
	return n, err
}

// describeAll is what a server does with a message: parse it from storage, describe it, make its envelope.
func describeAll(t *testing.T, m string) *Part {
	r := &countedReaderAt{ReaderAt: strings.NewReader(m)}
	p, err := Parse(r, int64(len(m)), nil)
	require.NoError(t, err)
	require.EqualValues(t, len(m), r.n, "a message is read once")
	require.EqualValues(t, len(m), p.End)
	require.NotNil(t, p.BodyStructure())
	require.NotNil(t, p.Envelope())
	return p
}

func codes(p *Part) map[DefectCode]int {
	m := map[DefectCode]int{}
	for _, d := range p.Defects {
		m[d.Code]++
	}
	return m
}

func deepest(p *Part) int {
	d := 0
	for q := range p.All() {
		n := 0
		for r := q; r != nil; r = r.Parent {
			n++
		}
		d = max(d, n)
	}
	return d
}

func TestHostileM1(t *testing.T) {
	for _, name := range []string{"nested multiparts, unterminated", "nested multiparts, terminated"} {
		t.Run(name, func(t *testing.T) {
			p := describeAll(t, hostile[name](10_000))
			require.Equal(t, 100, deepest(p))
			require.Equal(t, 1, codes(p)[DefectLimitDepth])
			growth(t, 10_000, 20, hostile[name], func(m string) { describeAll(t, m) })
		})
	}
	p := ParseBytes([]byte(hostile["nested multiparts, terminated"](50)), &Options{Limits: Limits{Depth: 7}})
	require.Equal(t, 7, deepest(p))
}

func TestHostileM2(t *testing.T) {
	for name, f := range map[string]func(n int) string{
		"empty parts": hostile["empty parts"],
		"empty parts with headers' ends": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n", n)
		},
		"parts of one octet": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := describeAll(t, f(1_000_000))
			n := 0
			for range p.All() {
				n++
			}
			require.Equal(t, 10_000, n)
			require.Equal(t, 1, codes(p)[DefectLimitParts])
			growth(t, 200_000, 20, f, func(m string) { describeAll(t, m) })
		})
	}
}

func TestHostileM3(t *testing.T) {
	f := hostile["nested messages"]
	p := describeAll(t, f(10_000))
	require.Equal(t, 100, deepest(p))
	require.Equal(t, 1, codes(p)[DefectLimitDepth])
	growth(t, 10_000, 20, f, func(m string) { describeAll(t, m) })
}

func TestHostileM4(t *testing.T) {
	t.Run("500,000 address fields", func(t *testing.T) {
		f := hostile["address fields"]
		p := describeAll(t, f(500_000))
		n := 0
		for range p.Header.Fields() {
			n++
		}
		require.Equal(t, 5000, n)
		require.Len(t, p.Envelope().To, 5000)
		require.Equal(t, 1, codes(p)[DefectLimitHeader])
		growth(t, 250_000, 20, f, func(m string) { describeAll(t, m) })
	})
	t.Run("one field of 11 MB", func(t *testing.T) {
		f := func(n int) string { return "To: " + strings.Repeat("a@b.example,", n) + "\n\nx" }
		p := describeAll(t, f(11<<20/12))
		require.Equal(t, 1, codes(p)[DefectLimitField])
		require.LessOrEqual(t, len(p.Header.Raw()), defaultLimits.HeaderSize)
		require.LessOrEqual(t, len(p.Envelope().To), defaultAddresses)
		growth(t, 500_000, 20, f, func(m string) { describeAll(t, m) })
		growth(t, 100_000, 20, f, func(m string) {
			require.Len(t, ParseHeader([]byte(m)).Addresses("To"), defaultAddresses)
		})
	})
	t.Run("a million names of fields", func(t *testing.T) {
		f := hostile["distinct fields"]
		p := describeAll(t, f(1_000_000))
		require.LessOrEqual(t, len(p.Header.Raw()), defaultLimits.HeaderSize)
		require.Equal(t, 1, codes(p)[DefectLimitHeader])
		growth(t, 400_000, 20, f, func(m string) { describeAll(t, m) })
	})
	t.Run("20,000 RFC 2231 sections", func(t *testing.T) {
		f := hostile["2231 sections"]
		p := describeAll(t, f(20_000))
		require.LessOrEqual(t, len(p.ContentType().Params), defaultParameters)
		growth(t, 20_000, 20, f, func(m string) { describeAll(t, m).Filename() })
	})
	t.Run("headers of many parts", func(t *testing.T) {
		part := "--b\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\n", 100) + "\n"
		f := func(n int) string {
			return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat(part, n)
		}
		p := describeAll(t, f(300))
		total := 0
		for q := range p.All() {
			total += len(q.Header.Raw())
		}
		require.LessOrEqual(t, total, defaultLimits.TotalHeaderSize)
	})
	t.Run("a line of 8 MB that begins like a delimiter", func(t *testing.T) {
		f := func(n int) string {
			return "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--" + strings.Repeat("b", n) + "\n--b--\n"
		}
		require.EqualValues(t, 8<<20+2, describeAll(t, f(8<<20)).Children[0].Octets())
	})
}

func TestHostileM5(t *testing.T) {
	for _, tt := range []struct{ encoding, unit string }{
		{"quoted-printable", "=\r"}, {"quoted-printable", "=Z1"}, {"quoted-printable", "="}, {"quoted-printable", " "}, {"quoted-printable", "=\t"}, {"quoted-printable", "=\r\n"},
		{"base64", "QQ=="}, {"base64", "="}, {"base64", "!"}, {"base64", "QUFB"}, {"base64", "\xff"}, {"base64", "Q=\n"},
	} {
		// 64 MB without a newline, and less of what is slow.
		n := int64(4 << 20)
		if tt.unit == "QUFB" || tt.unit == "=Z1" {
			n = 64 << 20
		}
		size := int64(0)
		got := allocated(func() {
			r := NewDecoder(&endless{line: tt.unit, n: n}, tt.encoding)
			var err error
			size, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 32<<10))
			require.NoError(t, err)
		})
		require.LessOrEqual(t, size, n+4)
		require.Less(t, got, uint64(1<<20), "%q", tt.unit)
	}
	for _, tt := range []struct{ encoding, in, want string }{
		{"quoted-printable", "a=\rb", "a=\rb"}, {"quoted-printable", "a=Z1b", "a=Z1b"}, {"quoted-printable", "a=", "a"}, {"quoted-printable", "a=\n", "a"}, {"quoted-printable", "=3", "=3"},
		{"base64", "QQ==QUE=", "AAA"}, {"base64", "QU!F\x00B", "AAA"}, {"base64", "QUF", "AA"}, {"base64", "Q", ""}, {"base64", "====", ""},
	} {
		b, err := io.ReadAll(NewDecoder(strings.NewReader(tt.in), tt.encoding))
		require.NoError(t, err)
		require.Equal(t, tt.want, string(b), "%q", tt.in)
	}
}

func TestHostileM6(t *testing.T) {
	m := "Content-Type: multipart/mixed; boundary=a; boundary=\"b\"\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n--a\n\n1\n--b\n\n2\n--a--\n"
	p := describeAll(t, m)
	require.Equal(t, map[DefectCode]int{DefectConflictingBoundary: 1, DefectDuplicateField: 2}, codes(p))
	require.Len(t, p.Children, 1)
	// The other readings.
	var types, encodings []string
	for f := range p.Header.All("Content-Type") {
		types = append(types, f.Unfolded())
	}
	for f := range p.Header.All("Content-Transfer-Encoding") {
		encodings = append(encodings, f.Unfolded())
	}
	require.Equal(t, []string{"multipart/mixed; boundary=a; boundary=\"b\"", "text/html; charset=utf-8"}, types)
	require.Equal(t, []string{"7bit", "base64"}, encodings)
	require.Equal(t, Params{{"boundary", "a"}, {"boundary", "b"}}, p.ContentType().Params)

	for _, boundary := range []string{"\"\"", "", "\" \""} {
		m := "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--\n\nx\n----\n"
		p := describeAll(t, m)
		require.Equal(t, 1, codes(p)[DefectMissingBoundary], "%q", boundary)
		require.Empty(t, p.Children)
		require.EqualValues(t, len(m)-strings.Index(m, "\n\n")-2, p.Octets())
	}
	p = describeAll(t, "Content-Type: multipart/mixed; boundary=\"a \\\"b\\\" (c); d\"\n\n--a \"b\" (c); d\n\nx\n--a \"b\" (c); d--\n")
	require.Empty(t, p.Defects)
	require.Len(t, p.Children, 1)
	p = describeAll(t, "Content-Type: multipart/mixed; boundary=a; boundary=a\n\n--a\n\n1\n--a--\n")
	require.Empty(t, p.Defects, "twice the same is no conflict")
}

func TestHostileA1(t *testing.T) {
	for in, want := range map[string]string{
		"=?utf-8?q?a=40evil.example?=@b.example":                   "=?utf-8?q?a=40evil.example?=@b.example",
		"<=?utf-8?q?a=40evil.example=3E?=@b.example>":              "=?utf-8?q?a=40evil.example=3E?=@b.example",
		"<a@=?utf-8?q?evil.example=3E?=>":                          "a@=?utf-8?q?evil.example=3E?=",
		"=?utf-8?q?=3Ca=40evil.example=3E=2C?= <c@d.example>":      "c@d.example",
		"\"=?utf-8?q?=22_=3Ca=40evil.example=3E?=\" <c@d.example>": "c@d.example",
	} {
		l := ParseAddressList(in)
		require.Len(t, l, 1, in)
		require.Equal(t, want, l[0].Addr(), in)
	}
	l := ParseAddressList("=?utf-8?q?a=00b?= <c@d.example>, =?utf-8?b?AGEN?= <c@d.example>, \"a\x00b\" <c\x00c@d.example>")
	require.Len(t, l, 3)
	require.Equal(t, "a\uFFFDb", l[0].DisplayName())
	require.Equal(t, "\uFFFDa ", l[1].DisplayName())
	require.Equal(t, "a?b", l[2].DisplayName())
	for _, a := range l {
		require.NotContains(t, a.Name+a.Mailbox+a.Host+a.DisplayName(), "\x00")
	}
}

func TestHostileA2A3(t *testing.T) {
	for in, want := range map[string]string{
		"a (<b@evil.example>) <c@d.example>":         "c@d.example",
		"a (<b@evil.example>, x) <c@d.example>":      "c@d.example",
		"\"<b@evil.example>,\" <c@d.example>":        "c@d.example",
		"b@evil.example (x) <c@d.example>":           "c@d.example",
		"<c@d.example> (<b@evil.example>)":           "c@d.example",
		"\"a\\\" <b@evil.example>\" <c@d.example>":   "c@d.example",
		"a (\\) <b@evil.example>) <c@d.example>":     "c@d.example",
		"\"x@gmail.example x\"@internal.example":     "\"x@gmail.example x\"@internal.example",
		"<\"x@gmail.example x\"@internal.example>":   "\"x@gmail.example x\"@internal.example",
		"\"x@gmail.example> x\"@internal.example":    "\"x@gmail.example> x\"@internal.example",
		"<\"x@gmail.example>,<\"@internal.example>":  "\"x@gmail.example>,<\"@internal.example",
		"\"x@gmail.example\".\"y\"@internal.example": "\"x@gmail.example\".\"y\"@internal.example",
		"(x@gmail.example)y@internal.example":        "y@internal.example",
		"y(x@gmail.example)@internal.example":        "y@internal.example",
		"y@(x@gmail.example)internal.example":        "y@internal.example",
	} {
		l := ParseAddressList(in)
		require.Len(t, l, 1, "%q: %v", in, l)
		require.Equal(t, want, l[0].Addr(), "%q", in)
	}
	require.Equal(t, "internal.example", ParseAddressList("\"x@gmail.example x\"@internal.example")[0].Host)
}

func TestHostileA4(t *testing.T) {
	n := 128 << 10
	for name, f := range map[string]func(n int) string{
		"domain literal":   func(n int) string { return "a@[" + strings.Repeat("a", n) + "]" },
		"nested comments":  func(n int) string { return strings.Repeat("(", n) + strings.Repeat(")", n) + " a@b" },
		"open comments":    func(n int) string { return strings.Repeat("(", n) + " a@b" },
		"atoms":            func(n int) string { return strings.Repeat("a ", n) },
		"atoms and commas": func(n int) string { return strings.Repeat("a,", n) + "b <c@d>" },
		"cut names":        func(n int) string { return strings.Repeat("a,b <c@d>,", n/8) },
		"encoded-words":    func(n int) string { return strings.Repeat("=?", n) },
		"ids":              func(n int) string { return strings.Repeat("<\"(", n) },
		"quoted strings":   func(n int) string { return strings.Repeat("\"a\" ", n) + "<a@b>" },
		"backslashes":      func(n int) string { return "\"" + strings.Repeat("\\", n) },
	} {
		t.Run(name, func(t *testing.T) {
			growth(t, n, 60, f, func(s string) {
				for _, a := range ParseAddressList(s) {
					_ = a.DisplayName()
				}
			})
			growth(t, n, 40, f, func(s string) { DecodeText(s) })
			growth(t, n, 120, f, func(s string) { ParseMessageIDs(s) })
			growth(t, n, 40, f, func(s string) { _, _ = ParseDate(s) })
			growth(t, n, 40, f, func(s string) { ParseContentType("a/b; c=" + s) })
		})
	}
}

// storage is a message of size octets that is made as it is read.
type storage struct{ head, line string }

func (s storage) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(s.head)) {
		n = copy(b, s.head[off:])
	}
	for n < len(b) {
		n += copy(b[n:], s.line[(off+int64(n)-int64(len(s.head)))%int64(len(s.line)):])
	}
	return n, nil
}

// TestStream64MB: whatever the size of a message, to list it and to decode its body takes less than 1 MB.
func TestStream64MB(t *testing.T) {
	size := int64(64 << 20)
	for _, line := range []string{strings.Repeat("QUFB", 19) + "\r\n", "--b\r", strings.Repeat("A", 1000), "\n"} {
		s := storage{"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n", line}
		got := allocated(func() {
			p, err := Parse(s, size, nil)
			require.NoError(t, err)
			require.Len(t, p.Children, 1)
			r, ok := p.Children[0].Text(s)
			require.True(t, ok)
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 32<<10))
			require.NoError(t, err)
			require.LessOrEqual(t, n, size)
			p.BodyStructure()
		})
		require.Less(t, got, uint64(1<<20), "%.5q", line)
		size = 4 << 20 // of what is slow
	}
}

// TestLimitFields: every limit is one's own to set.
func TestLimitFields(t *testing.T) {
	m := []byte("A: 1\nTo: a@b, c@d\nContent-Type: multipart/mixed; x=1; y=2; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b--\n")
	parse := func(l Limits) *Part { return ParseBytes(m, &Options{Limits: l}) }
	require.Equal(t, 1, codes(parse(Limits{Depth: 1}))[DefectLimitDepth])
	require.Equal(t, 1, codes(parse(Limits{Parts: 2}))[DefectLimitParts])
	require.Equal(t, 1, codes(parse(Limits{FieldSize: 20}))[DefectLimitField])
	require.Equal(t, 1, codes(parse(Limits{HeaderSize: 10}))[DefectLimitHeader])
	require.Equal(t, 1, codes(parse(Limits{HeaderFields: 1}))[DefectLimitHeader])
	require.Equal(t, 1, codes(parse(Limits{TotalHeaderSize: 10}))[DefectLimitHeader])
	require.Len(t, parse(Limits{Parameters: 2}).ContentType().Params, 2)
	require.Len(t, parse(Limits{Addresses: 1}).Envelope().To, 1)
	require.Len(t, parse(Limits{BoundaryLine: 4}).Children, 2)
	bad := ParseBytes([]byte(strings.Repeat("junk\nA: b\n", 50)), &Options{Limits: Limits{Defects: 3}})
	require.Len(t, bad.Defects, 3)
	var o *Options
	require.Equal(t, &defaultLimits, o.limits())
	require.Equal(t, 100, o.limits().Depth)
	require.Equal(t, 10_000, o.limits().Parts)
	require.True(t, bytes.HasPrefix([]byte(fmt.Sprint(bad.Defects[0])), []byte("header line is not a field")))
}
