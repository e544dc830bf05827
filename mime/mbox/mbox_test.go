package mbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corpusDir is where the real messages lie: beside the module's root.
func corpusDir(t testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of real messages beside the module")
	}
	return dir
}

var day = time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC)

type read struct {
	Sender, Body       string
	Offset, Start, End int64
	Length             int64
	Wrong              bool
}

func readAll(t testing.TB, r io.Reader, o *Options) ([]read, error) {
	t.Helper()
	var all []read
	for m, err := range NewReader(r, o).Messages() {
		if err != nil {
			return all, err
		}
		b, err := io.ReadAll(m)
		if err != nil {
			return all, err
		}
		all = append(all, read{m.Sender, string(b), m.Offset, m.Start, m.End(), m.ContentLength, m.WrongLength})
	}
	return all, nil
}

func bodies(l []read) []string {
	var s []string
	for _, m := range l {
		s = append(s, m.Body)
	}
	return s
}

// onlyReader hides that a reader can seek.
type onlyReader struct{ io.Reader }

func TestFromLine(t *testing.T) {
	utc := func(y, mo, d, h, mi, s int) time.Time { return time.Date(y, time.Month(mo), d, h, mi, s, 0, time.UTC) }
	for _, c := range []struct {
		line, sender string
		date         time.Time
		kind         fromKind
	}{
		{"From joe@example.org Thu Jan  1 00:00:01 1970", "joe@example.org", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe  Thu Jan  1 00:01 1970", "joe", utc(1970, 1, 1, 0, 1, 0), fromFull},
		{"From MAILER-DAEMON Fri Jul  8 12:08:34 2011", "MAILER-DAEMON", utc(2011, 7, 8, 12, 8, 34), fromFull},
		{"From joe Thu Jan 1 02:00:01 GMT 1970", "joe", utc(1970, 1, 1, 2, 0, 1), fromFull},
		{"From 1500@xxx Thu Jan 01 02:00:01 +0200 2015", "1500@xxx", utc(2015, 1, 1, 0, 0, 1), fromFull},
		{"From joe Thu Jan 1 02:00:01 1970 +0200", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe Thu Jan 1 02:00:01 1970 remote from host", "joe", utc(1970, 1, 1, 2, 0, 1), fromFull},
		{"From joe Thu, 1 Jan 1970 00:00:01 +0000", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe Thu, 1 Jan 1970 00:00:01 +0000 (UTC)", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe 1 Jan 1970 00:00:01", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe 2020-01-01T00:00:01Z", "joe", utc(2020, 1, 1, 0, 0, 1), fromFull},
		{"From joe Jan 1 00:00:01 1970", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe Thu Jan 1 00:00:01 MET DST 1999", "joe", utc(1998, 12, 31, 22, 0, 1), fromFull},
		{"From joe Thursday January 1 00:00:01 1970", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From  Thu Jan 1 00:00:01 1970", "", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From ???@??? Thu Jan 01 00:00:01 1970", "???@???", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From - Mon Jun  3 12:50:27 1996", "-", utc(1996, 6, 3, 12, 50, 27), fromFull},
		{`From "joe smith"@example.org Thu Jan 1 00:00:01 1970`, `"joe smith"@example.org`, utc(1970, 1, 1, 0, 0, 1), fromFull},
		{`From "Thu Jan 1 00:00:01 1970"@x Thu Jan 1 00:00:02 1970`, `"Thu Jan 1 00:00:01 1970"@x`, utc(1970, 1, 1, 0, 0, 2), fromFull},
		{"From joe smith Thu Jan 1 00:00:01 1970", "joe smith", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From joe Thu Jan 1 00:00:01 70\r", "joe", utc(1970, 1, 1, 0, 0, 1), fromFull},
		{"From -", "-", time.Time{}, fromWeak},
		{"From - ", "-", time.Time{}, fromWeak},
		{"From 1844347792267117879@xxx", "1844347792267117879@xxx", time.Time{}, fromWeak},
		{"From mailer-daemon", "mailer-daemon", time.Time{}, fromWeak},
		{"From <>", "<>", time.Time{}, fromWeak},
		{line: "From Russia with love"},
		{line: "From Russia"},
		{line: "From 12:30 on, the shop is closed"},
		{line: "From Monday to Friday, 9:00 to 17:00"},
		{line: "From monday the 3rd of june 2020 at 12:30 we meet"},
		{line: "From the desk of Jan 1 2020"},
		{line: "From: joe@example.org"},
		{line: "From"},
		{line: "From "},
		{line: "From me to you @ 12:30 in May"},
		{line: "from joe Thu Jan 1 00:00:01 1970"},
		{line: " From joe Thu Jan 1 00:00:01 1970"},
		{line: "From joe 99:99:99"},
		{line: `From "joe`},
	} {
		sender, date, kind := parseFromLine(strings.TrimRight(c.line, "\r\n"))
		assert.Equal(t, c.kind, kind, "%q", c.line)
		assert.Equal(t, c.sender, sender, "%q", c.line)
		assert.True(t, c.date.Equal(date), "%q: %v", c.line, date)
		s, d, ok := ParseFromLine(c.line)
		assert.Equal(t, c.kind != fromNone, ok)
		assert.Equal(t, sender, s)
		assert.Equal(t, date, d)
	}
}

func TestAppendFromLine(t *testing.T) {
	for _, c := range []struct {
		sender, want string
		date         time.Time
		err          string
	}{
		{"joe@example.org", "From joe@example.org Thu Feb 29 23:59:58 2024", day, ""},
		{"", "From MAILER-DAEMON Thu Feb 29 23:59:58 2024", day, ""},
		{"joe", "From joe Fri Mar  1 00:59:58 2024", day.Add(time.Hour + time.Millisecond), ""},
		{`"j o"@x`, `From "j o"@x Thu Feb 29 23:59:58 2024`, day, ""},
		{"zoë@example.org", "From zoë@example.org Fri Mar  1 01:59:58 2024", time.Date(2024, 2, 29, 23, 59, 58, 0,
			time.FixedZone("", -7200)), ""},
		{"joe smith", "", day, "blank"},
		{"joe\nFrom x", "", day, "control octet 0x0a"},
		{"joe\r", "", day, "control octet 0x0d"},
		{"a\x00b", "", day, "control octet 0x00"},
		{`"joe`, "", day, "quote"},
		{"joe", "", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "year 10000"},
	} {
		got, err := AppendFromLine([]byte("<"), c.sender, c.date)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			assert.Equal(t, "<", string(got))
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, "<"+c.want, string(got))
	}
}

func TestRead(t *testing.T) {
	const from = "From a@b Thu Feb 29 23:59:58 2024\n"
	for _, c := range []struct {
		name, in string
		variant  Variant
		want     []string
	}{
		{"empty", "", Auto, nil},
		{"blank lines alone", "\n\r\n\n", Auto, nil},
		{"one", from + "A: b\n\nc\n\n", Auto, []string{"A: b\n\nc\n"}},
		{"no blank line at the end", from + "A: b\n\nc\n", Auto, []string{"A: b\n\nc\n"}},
		{"no line ending at the end", from + "A: b\n\nc", Auto, []string{"A: b\n\nc"}},
		{"CRLF", "From a@b Thu Feb 29 23:59:58 2024\r\nA: b\r\n\r\nc\r\n\r\nFrom - \r\nd: e\r\n", Auto,
			[]string{"A: b\r\n\r\nc\r\n", "d: e\r\n"}},
		{"no blank line between", from + "A: b\n\nc\n" + from + "d", Auto, []string{"A: b\n\nc\n", "d"}},
		{"weak needs a blank line", from + "A: b\n\nc\nFrom x@y\nD: e\n\nFrom x@y\nD: e\n", Auto,
			[]string{"A: b\n\nc\nFrom x@y\nD: e\n", "D: e\n"}},
		{"weak needs a header", from + "A: b\n\nFrom x@y\nhe came\n", Auto, []string{"A: b\n\nFrom x@y\nhe came\n"}},
		{"Mozilla's needs none", from + "A: b\n\nc\nFrom - \nD: e\nFrom -\n\nFrom -\nhe came\n", Auto, []string{"A: b\n\nc\n",
			"D: e\nFrom -\n\nFrom -\nhe came\n"}},
		{"prose", from + "A: b\n\nFrom Russia with love\nYear: 1963\n\nFrom here on\n", Auto,
			[]string{"A: b\n\nFrom Russia with love\nYear: 1963\n\nFrom here on\n"}},
		{"BOM", "\xef\xbb\xbfFrom -\nA: b\n", Auto, []string{"A: b\n"}},
		{"blank lines before", "\n\nFrom -\nA: b\n", Auto, []string{"A: b\n"}},
		{"more blank lines", from + "A: b\n\nc\n\n\n\n" + from + "d\n", Auto, []string{"A: b\n\nc\n\n\n", "d\n"}},
		{"empty messages", from + from + "\n" + from + "\n\n" + from, Auto, []string{"", "", "\n", ""}},
		{"rd", from + ">From a\n\n>From b\n>>From c\n>Fromd\n>> From\n>>>\n>", MboxRD,
			[]string{"From a\n\nFrom b\n>From c\n>Fromd\n>> From\n>>>\n>"}},
		{"o", from + ">From a\n\n>From b\n>>From c\n>", MboxO, []string{"From a\n\nFrom b\n>>From c\n>"}},
		{"cl", from + "Content-Length: 16\n\n>From b\n>>From \n" + "\n" + from, MboxCL, []string{"\nFrom b\n>>From \n", ""}},
		{"cl2", from + "Content-Length: 59\nA: b\n\n>From b\n>>From c\n" + from + "abcdefg\n\n" + from, MboxCL2,
			[]string{"A: b\n\n>From b\n>>From c\n" + from + "abcdefg\n", ""}},
		{"cl2, length not first", from + "A: b\ncontent-LENGTH:  34 \n\n" + from + "\n" + from, MboxCL2,
			[]string{"A: b\ncontent-LENGTH:  34 \n\n" + from, ""}},
		{"cl2, too long", from + "A: b\nContent-Length: 35\n\nab\n\n" + from + "c\n", MboxCL2,
			[]string{"A: b\nContent-Length: 35\n\nab\n", "c\n"}},
		{"cl2, beyond the end", from + "A: b\nContent-Length: 3500\n\nab\n\n" + from + "c\n", MboxCL2,
			[]string{"A: b\nContent-Length: 3500\n\nab\n", "c\n"}},
		{"cl2, too short", from + "A: b\nContent-Length: 1\n\nab\n\n" + from + "c\n", MboxCL2,
			[]string{"A: b\nContent-Length: 1\n\nab\n", "c\n"}},
		{"cl2, no number", from + "A: b\nContent-Length: x\n\nab\n\n" + from + "c\n", MboxCL2,
			[]string{"A: b\nContent-Length: x\n\nab\n", "c\n"}},
		{"cl2, huge", from + "A: b\nContent-Length: 999999999999999999\n\nab\n\n" + from + "c\n", MboxCL2,
			[]string{"A: b\nContent-Length: 999999999999999999\n\nab\n", "c\n"}},
		{"cl2, missing", from + "A: b\n\nab\n\n" + from + "c\n", MboxCL2, []string{"A: b\n\nab\n", "c\n"}},
		{"cl2, to the end", from + "A: b\nContent-Length: 2\n\nab", MboxCL2, []string{"A: b\nContent-Length: 2\n\nab"}},
		{"auto finds cl2", from + "A: b\nContent-Length: 34\n\n" + from + "\n" + from, Auto,
			[]string{"A: b\nContent-Length: 34\n\n" + from, ""}},
		{"auto finds cl", from + "A: b\nContent-Length: 8\n\n>From a\n\n" + from, Auto,
			[]string{"A: b\nContent-Length: 8\n\nFrom a\n", ""}},
		{"auto finds rd", from + "A: b\n\n>From a\n\n" + from, Auto, []string{"A: b\n\nFrom a\n", ""}},
		{"a From_ line too long", from + "a\n\nFrom " + strings.Repeat("x", 1100) + "@y Thu Feb 29 23:59:58 2024\n", Auto,
			[]string{"a\n\nFrom " + strings.Repeat("x", 1100) + "@y Thu Feb 29 23:59:58 2024\n"}},
		{"many quotes", from + strings.Repeat(">", 70<<10) + "From x\n" + strings.Repeat(">", 70<<10) + "rom x\n", MboxRD,
			[]string{strings.Repeat(">", 70<<10-1) + "From x\n" + strings.Repeat(">", 70<<10) + "rom x\n"}},
	} {
		for _, how := range []struct {
			name string
			r    io.Reader
		}{
			{"file", strings.NewReader(c.in)},
			{"stream", onlyReader{strings.NewReader(c.in)}},
			{"octets", iotest.OneByteReader(strings.NewReader(c.in))},
			{"error with data", iotest.DataErrReader(strings.NewReader(c.in))},
		} {
			t.Run(c.name+"/"+how.name, func(t *testing.T) {
				got, err := readAll(t, how.r, &Options{Variant: c.variant})
				require.NoError(t, err)
				require.Equal(t, c.want, bodies(got))
			})
		}
	}
}

func TestReadJunk(t *testing.T) {
	in := "junk\nmore\n\nFrom -\nA: b\n\nFrom -\nC: d\n"
	var got []string
	var errs []error
	for m, err := range NewReader(strings.NewReader(in), nil).Messages() {
		if err != nil {
			require.Nil(t, m)
			errs = append(errs, err)
			continue
		}
		b, err := io.ReadAll(m)
		require.NoError(t, err)
		got = append(got, string(b))
	}
	assert.Equal(t, []string{"A: b\n", "C: d\n"}, got)
	assert.Equal(t, []error{&SyntaxError{0, "a From_ line expected; what stands before the first one is passed over"}}, errs)

	_, err := NewReader(strings.NewReader("\nno mbox"), nil).Next()
	require.EqualError(t, err, "mbox: at octet 0: a From_ line expected, and none is in the file")
}

func TestReadError(t *testing.T) {
	in := "From -\nA: b\n\nc\n\nFrom -\nC: d\n"
	broken := io.MultiReader(strings.NewReader(in), iotest.ErrReader(io.ErrClosedPipe))
	r := NewReader(broken, nil)
	m, err := r.Next()
	require.NoError(t, err)
	b, err := io.ReadAll(m)
	require.NoError(t, err)
	require.Equal(t, "A: b\n\nc\n", string(b))
	m, err = r.Next()
	require.NoError(t, err)
	b, err = io.ReadAll(m)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Equal(t, "C: d\n", string(b))
	_, err = r.Next()
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = r.Next()
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// A message is dead when the iteration has gone on, and breaking out loses none.
func TestIteration(t *testing.T) {
	in := "From -\nA: 1\n\nx\n\nFrom -\nA: 2\n\nFrom -\nA: 3\n"
	r := NewReader(strings.NewReader(in), nil)
	var first *Message
	for m, err := range r.Messages() {
		require.NoError(t, err)
		p := make([]byte, 2)
		_, err = io.ReadFull(m, p)
		require.NoError(t, err)
		require.EqualValues(t, -1, m.End())
		first = m
		break
	}
	var got []string
	for m, err := range r.Messages() {
		require.NoError(t, err)
		var b strings.Builder
		_, err := m.WriteTo(&b)
		require.NoError(t, err)
		got = append(got, b.String())
	}
	require.Equal(t, []string{"A: 2\n", "A: 3\n"}, got)
	n, err := first.Read(make([]byte, 10))
	require.Equal(t, 0, n)
	require.Equal(t, io.EOF, err)
	require.EqualValues(t, 15, first.End())
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
	require.Equal(t, MboxRD, r.Variant())
}

func TestWrite(t *testing.T) {
	const from = "From a@b Thu Feb 29 23:59:58 2024\n"
	const in = "From x\nA: b\n\nFrom c\n>From d\n>>From e\nFromf\n>\n"
	for _, c := range []struct {
		variant  Variant
		in, want string
	}{
		{MboxO, in, from + ">From x\nA: b\n\n>From c\n>From d\n>>From e\nFromf\n>\n\n"},
		{MboxRD, in, from + ">From x\nA: b\n\n>From c\n>>From d\n>>>From e\nFromf\n>\n\n"},
		{Auto, in, from + ">From x\nA: b\n\n>From c\n>>From d\n>>>From e\nFromf\n>\n\n"},
		{MboxCL, in, from + "Content-Length: 33\n>From x\nA: b\n\n>From c\n>From d\n>>From e\nFromf\n>\n\n"},
		{MboxCL2, in, from + "Content-Length: 32\n>From x\nA: b\n\nFrom c\n>From d\n>>From e\nFromf\n>\n\n"},
		{MboxRD, "", from + "\n"},
		{MboxCL2, "", from + "Content-Length: 0\n\n"},
		{MboxRD, "a", from + "a\n\n"},
		{MboxCL2, "a\n\nb", from + "Content-Length: 1\na\n\nb\n\n"},
		{MboxRD, "a\r\n\r\nb", strings.ReplaceAll(from, "\n", "\r\n") + "a\r\n\r\nb\r\n\r\n"},
		{MboxCL2, "a\r\n\r\nb", strings.ReplaceAll(from, "\n", "\r\n") + "Content-Length: 1\r\na\r\n\r\nb\r\n\r\n"},
	} {
		for _, m := range []io.Reader{strings.NewReader(c.in), onlyReader{strings.NewReader(c.in)},
			iotest.OneByteReader(strings.NewReader(c.in))} {
			var b bytes.Buffer
			require.NoError(t, NewWriter(&b, c.variant, Limits{}).WriteMessage("a@b", day, m))
			require.Equal(t, c.want, b.String(), "%v", c.variant)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, MboxCL2, Limits{Buffer: 4})
	require.ErrorIs(t, w.WriteMessage("a", day, onlyReader{strings.NewReader("12345")}), ErrTooLarge)
	require.ErrorContains(t, w.WriteMessage("a\nb", day, strings.NewReader("1")), "control octet")
	require.Empty(t, b.String())
	require.NoError(t, w.WriteMessage("a", day, onlyReader{strings.NewReader("1234")}))
	require.NoError(t, w.WriteMessage("a", day, strings.NewReader("12345")))
	require.ErrorIs(t, w.WriteMessage("a", day, &growing{}), io.ErrClosedPipe)

	w = NewWriter(&b, MboxCL2, Limits{})
	require.ErrorContains(t, w.WriteMessage("a", day, &changing{}), "when read again")
	require.ErrorContains(t, w.WriteMessage("a", day, strings.NewReader("")), "when read again")
}

// growing fails when it is read.
type growing struct{}

func (*growing) Read([]byte) (int, error)       { return 0, io.ErrClosedPipe }
func (*growing) Seek(int64, int) (int64, error) { return 0, nil }

// changing has one octet more whenever it is read again.
type changing struct {
	n, left int
}

func (c *changing) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	p[0] = '\n'
	return 1, nil
}

func (c *changing) Seek(int64, int) (int64, error) {
	c.n++
	c.left = c.n + 2
	return 0, nil
}

// eachMessage calls f with every file of the corpus, with LF and with CRLF.
func eachMessage(t testing.TB, f func(name string, b []byte)) {
	dir := corpusDir(t)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		f(name, b)
		lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		if !bytes.Equal(lf, b) {
			f(name+" (LF)", lf)
		}
		f(name+" (CRLF)", bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")))
		return nil
	})
	require.NoError(t, err)
}

// ended is what comes back for a message: with a line ending at its end.
func ended(b []byte) []byte {
	if len(b) == 0 || b[len(b)-1] == '\n' {
		return b
	}
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
		return append(bytes.Clone(b), '\r', '\n')
	}
	return append(bytes.Clone(b), '\n')
}

// hasBody tells that a message has a blank line, so that its body is counted and comes back as it is.
func hasBody(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\n")) || bytes.HasPrefix(b, []byte("\r\n")) || bytes.Contains(b,
		[]byte("\n\n")) || bytes.Contains(b, []byte("\n\r\n"))
}

func want(v Variant, b []byte) []byte {
	if v == MboxCL2 && hasBody(b) {
		return b
	}
	return ended(b)
}

// Every file of the corpus comes back from one mbox file that holds them all.
func TestCorpusRoundTrip(t *testing.T) {
	for _, v := range []Variant{MboxRD, MboxCL2} {
		var file bytes.Buffer
		w := NewWriter(&file, v, Limits{})
		var names []string
		var all [][]byte
		eachMessage(t, func(name string, b []byte) {
			names = append(names, name)
			all = append(all, b)
			require.NoError(t, w.WriteMessage(fmt.Sprintf("m%d@example.org", len(all)), day, bytes.NewReader(b)))
		})
		data := file.Bytes()
		for _, r := range []io.Reader{bytes.NewReader(data), onlyReader{bytes.NewReader(data)}} {
			i := 0
			for m, err := range NewReader(r, &Options{Variant: v}).Messages() {
				require.NoError(t, err)
				require.Less(t, i, len(all))
				require.Equal(t, fmt.Sprintf("m%d@example.org", i+1), m.Sender)
				require.True(t, day.Equal(m.Date))
				got, err := io.ReadAll(m)
				require.NoError(t, err)
				if !bytes.Equal(want(v, all[i]), got) {
					t.Fatalf("%v: %s differs", v, names[i])
				}
				again, err := io.ReadAll(OpenRange(bytes.NewReader(data), m.Start, m.End(), v))
				require.NoError(t, err)
				if !bytes.Equal(got, again) {
					t.Fatalf("%v: %s differs when reopened", v, names[i])
				}
				i++
			}
			require.Equal(t, len(all), i)
		}
	}
}

// The offsets that MimeKit has for its mbox files, and for the same files with CRLF.
func TestCorpusOffsets(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "mimekit", "mbox")
	for _, name := range []string{"content-length", "issue1189"} {
		file, err := os.ReadFile(filepath.Join(dir, name+".mbox.txt"))
		require.NoError(t, err)
		for _, form := range []string{"unix", "dos"} {
			var want []struct {
				MboxMarkerOffset, BeginOffset, HeadersEndOffset, EndOffset int64
			}
			b, err := os.ReadFile(filepath.Join(dir, name+"."+form+"-offsets.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &want))
			data := bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n"))
			if form == "dos" {
				data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
			}
			for _, v := range []Variant{Auto, MboxRD, MboxCL, MboxCL2} {
				got, err := readAll(t, bytes.NewReader(data), &Options{Variant: v, Raw: true})
				require.NoError(t, err)
				require.Equal(t, len(want), len(got), "%s %s %v", name, form, v)
				for i, m := range got {
					assert.Equal(t, want[i].MboxMarkerOffset, m.Offset, "%s %s %v %d", name, form, v, i)
					assert.Equal(t, want[i].BeginOffset, m.Start, "%s %s %v %d", name, form, v, i)
					end := want[i].EndOffset
					if n := m.End - end; n > 0 && m.End < int64(len(data)) && m.End == want[i+1].MboxMarkerOffset {
						// There is no blank line: for MimeKit the last line's own ending is the separator's, for us the message's.
						end += int64(eolLen(data[end:]))
					}
					assert.Equal(t, end, m.End, "%s %s %v %d", name, form, v, i)
					assert.Equal(t, string(data[m.Start:m.End]), m.Body)
				}
			}
		}
	}
}

func TestCorpusMessages(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "mimekit", "mbox")
	for _, c := range []struct {
		name string
		want int
	}{
		{"content-length", 29},
		{"issue1189", 4},
		{"simple", 3},
		{"unmunged", 2}, // "From Russia with love" is no From_ line
	} {
		data, err := os.ReadFile(filepath.Join(dir, c.name+".mbox.txt"))
		require.NoError(t, err)
		for _, v := range []Variant{Auto, MboxO, MboxRD, MboxCL, MboxCL2} {
			got, err := readAll(t, bytes.NewReader(data), &Options{Variant: v})
			require.NoError(t, err)
			assert.Equal(t, c.want, len(got), "%s %v", c.name, v)
			for _, m := range got {
				assert.Contains(t, m.Body[:min(len(m.Body), 2000)], "\nSubject: ")
			}
		}
	}
}

// A Content-Length beyond the window of a stream is believed; what it says is checked where it ends.
func TestLengthBeyondWindow(t *testing.T) {
	long := "A: b\nContent-Length: 20000\n\n" + strings.Repeat("From a@b Thu Feb 29 23:59:58 2024\n", 1000)[:19999] + "\n"
	in := "From -\n" + long + "\nFrom -\nC: d\n"
	o := &Options{Variant: MboxCL2, Limits: Limits{Window: 8 << 10}}
	for _, r := range []io.Reader{strings.NewReader(in), onlyReader{strings.NewReader(in)}} {
		got, err := readAll(t, r, o)
		require.NoError(t, err)
		require.Equal(t, []string{long, "C: d\n"}, bodies(got))
		require.False(t, got[0].Wrong)
	}
	wrong := strings.Replace(in, "20000", "19000", 1)
	got, err := readAll(t, onlyReader{strings.NewReader(wrong)}, o)
	require.NoError(t, err)
	require.True(t, got[0].Wrong)
	require.EqualValues(t, 19000, got[0].Length)
	require.Equal(t, "C: d\n", got[len(got)-1].Body)
}

// repeat reads s n times.
type repeat struct {
	s    string
	n, i int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	k := copy(p, r.s[r.i:])
	if r.i += k; r.i == len(r.s) {
		r.i = 0
		r.n--
	}
	return k, nil
}

// The memory does not grow with the file or a message.
func TestMemory(t *testing.T) {
	big := io.MultiReader(strings.NewReader("From -\nA: b\n\n"), &repeat{s: strings.Repeat(">From x\nline\n\n", 100), n: 2000})
	r := NewReader(big, nil)
	m, err := r.Next()
	require.NoError(t, err)
	buf := make([]byte, 32<<10)
	n := 0
	allocs := testing.AllocsPerRun(1, func() {
		for {
			k, err := m.Read(buf)
			n += k
			if err != nil {
				break
			}
		}
	})
	assert.Less(t, allocs, 10.0)
	assert.Greater(t, n, 2_000_000)
	assert.Len(t, r.buf, 64<<10)
}

func TestVariantString(t *testing.T) {
	assert.Equal(t, "auto mboxo mboxrd mboxcl mboxcl2 Variant(9)", fmt.Sprint(Auto, MboxO, MboxRD, MboxCL, MboxCL2, Variant(9)))
}
