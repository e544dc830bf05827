package mime

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// result reads an Edit by every road and holds them to each other.
func result(t testing.TB, e *Edit) string {
	t.Helper()
	var b bytes.Buffer
	n, err := e.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	require.Equal(t, e.Size(), n)
	one, err := io.ReadAll(iotest.OneByteReader(e.Reader()))
	require.NoError(t, err)
	require.Equal(t, b.String(), string(one))
	return b.String()
}

func edit(t testing.TB, msg string) *Edit {
	t.Helper()
	r := strings.NewReader(msg)
	e, err := NewEdit(r, ParseBytes([]byte(msg), nil))
	require.NoError(t, err)
	return e
}

func TestEdit(t *testing.T) {
	const msg = "From x\nA:1\nB : 2\n  more\nnot a field\na: 3\nC: 4\n\nbody\n"
	for _, c := range []struct {
		name string
		do   func(e *Edit) error
		want string
	}{
		{"nothing", func(e *Edit) error { return nil }, msg},
		{"prepend", func(e *Edit) error { return e.Prepend(TextField("X", "é")) }, "From x\nX: =?utf-8?b?w6k=?=\n" + msg[7:]},
		{"append", func(e *Edit) error { return e.Append(TextField("X", "y")) }, strings.Replace(msg, "C: 4\n", "C: 4\nX: y\n", 1)},
		{"set", func(e *Edit) error { return e.Set(TextField("a", "y")) }, "From x\na: y\nB : 2\n  more\nnot a field\nC: 4\n\nbody\n"},
		{"set new", func(e *Edit) error { return e.Set(TextField("D", "y")) }, strings.Replace(msg, "C: 4\n", "C: 4\nD: y\n", 1)},
		{"set folded", func(e *Edit) error { return e.Set(RawField([]byte("B:\r\n\tz\r\n"))) }, strings.Replace(msg, "B : 2\n  more\n", "B:\n\tz\n", 1)},
		{"replace", func(e *Edit) error { return e.Replace(4, TextField("D", "y")) }, strings.Replace(msg, "a: 3", "D: y", 1)},
		{"delete", func(e *Edit) error {
			require.Equal(t, 2, e.Delete("A"))
			require.Equal(t, 0, e.Delete("none"))
			return nil
		}, "From x\nB : 2\n  more\nnot a field\nC: 4\n\nbody\n"},
		{"delete at", func(e *Edit) error { e.DeleteAt(3); return nil }, strings.Replace(msg, "not a field\n", "", 1)},
		{"refused", func(e *Edit) error {
			for _, v := range []FieldValue{TextField("X", "a\r\nBcc: b"), TextField("X Y", "")} {
				require.Error(t, e.Prepend(v))
				require.Error(t, e.Append(v))
				require.Error(t, e.Set(v))
				require.Error(t, e.Replace(0, v))
			}
			return nil
		}, msg},
		{"several", func(e *Edit) error {
			require.NoError(t, e.Prepend(StructuredField("R", "1")))
			require.NoError(t, e.Prepend(StructuredField("R", "2")))
			e.Delete("c")
			require.Equal(t, "2", string(must(e.Header().Get("R")).Value()))
			return e.Append(StructuredField("Z", "3"))
		}, "From x\nR: 2\nR: 1\nA:1\nB : 2\n  more\nnot a field\na: 3\nZ: 3\n\nbody\n"},
	} {
		for _, eol := range []string{"\n", "\r\n"} {
			e := edit(t, strings.ReplaceAll(msg, "\n", eol))
			require.NoError(t, c.do(e), c.name)
			require.Equal(t, strings.ReplaceAll(c.want, "\n", eol), result(t, e), c.name)
		}
	}
}

func must(f Field, ok bool) Field {
	if !ok {
		panic("no field")
	}
	return f
}

func TestEditEdges(t *testing.T) {
	for _, c := range []struct{ msg, prepended, appended string }{
		{"", "X: y\r\n", "X: y\r\n"},
		{"\r\n", "X: y\r\n\r\n", "X: y\r\n\r\n"},
		{"\nbody", "X: y\n\nbody", "X: y\n\nbody"},
		{"A: b", "X: y\r\nA: b", "A: b\r\nX: y\r\n"},
		{"A: b\n", "X: y\nA: b\n", "A: b\nX: y\n"},
		{"A: b\n\n", "X: y\nA: b\n\n", "A: b\nX: y\n\n"},
		{" A: b\r\nE: f\r\n", " A: b\r\nX: y\r\nE: f\r\n", " A: b\r\nE: f\r\nX: y\r\n"},
		{"A: b\r\nno field\r\n", "X: y\r\nA: b\r\nno field\r\n", "A: b\r\nX: y\r\nno field\r\n"},
		// A body without header and blank line needs one to stay a body.
		{"just text\r\n", "X: y\r\n\r\njust text\r\n", "X: y\r\n\r\njust text\r\n"},
	} {
		e := edit(t, c.msg)
		require.NoError(t, e.Prepend(TextField("X", "y")))
		require.Equal(t, c.prepended, result(t, e), "%q", c.msg)
		e = edit(t, c.msg)
		require.NoError(t, e.Append(TextField("X", "y")))
		require.Equal(t, c.appended, result(t, e), "%q", c.msg)
	}
	e := edit(t, "A: b\r\n\r\n")
	e.UTF8 = true
	require.NoError(t, e.Append(TextField("X", "é")))
	require.Equal(t, "A: b\r\nX: é\r\n\r\n", result(t, e))
}

// The header of a part is edited like that of the message.
func TestEditPart(t *testing.T) {
	msg := "Content-Type: multipart/mixed; boundary=b\n\n--b\nA: 1\n\none\n--b\nB: 2\n\ntwo\n--b--\n"
	p := ParseBytes([]byte(msg), nil)
	e, err := NewEdit(strings.NewReader(msg), p.Children[1])
	require.NoError(t, err)
	require.NoError(t, e.Set(StructuredField("B", "3")))
	require.NoError(t, e.Append(StructuredField("C", "4")))
	require.Equal(t, strings.Replace(msg, "B: 2\n", "B: 3\nC: 4\n", 1), result(t, e))
}

func TestEditLimit(t *testing.T) {
	msg := "A: b\r\nC: d\r\nE: f\r\n\r\n"
	p := ParseBytes([]byte(msg), &Options{Limits: Limits{HeaderFields: 2}})
	_, err := NewEdit(strings.NewReader(msg), p)
	require.ErrorIs(t, err, ErrHeaderLimit)
}

func TestEditReadAt(t *testing.T) {
	msg := "Content-Type: multipart/mixed; boundary=b\n\n--b\nA: 1\n\none\n--b--\n"
	p := ParseBytes([]byte(msg), nil)
	e, err := NewEdit(strings.NewReader(msg), p.Children[0])
	require.NoError(t, err)
	require.NoError(t, e.Append(StructuredField("B", "2")))
	want := result(t, e)
	for off := range len(want) + 2 {
		for n := range len(want) + 3 - off {
			b := make([]byte, n)
			k, err := e.ReadAt(b, int64(off))
			require.Equal(t, want[min(off, len(want)):min(off+n, len(want))], string(b[:k]))
			if k < n {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
		}
	}
	_, err = e.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)

	// A message that has become shorter is no end of the file.
	for _, n := range []int{10, 60} {
		e, err = NewEdit(strings.NewReader(msg[:n]), p.Children[0])
		require.NoError(t, err)
		_, err = io.ReadAll(e.Reader())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// A part that begins where the message ends, in its delimiter line, gets its header in lines of its own.
func TestEditCutDelimiter(t *testing.T) {
	msg := "Content-Type: multipart/mixed; boundary=x\n\n--x"
	p := ParseBytes([]byte(msg), nil)
	require.Len(t, p.Children, 1)
	e, err := NewEdit(strings.NewReader(msg), p.Children[0])
	require.NoError(t, err)
	require.NoError(t, e.Append(TextField("A", "b")))
	b, err := io.ReadAll(e.Reader())
	require.NoError(t, err)
	require.Equal(t, msg+"\nA: b\n", string(b))
}

// corpus yields every file of the corpus, as it is, with LF and with CRLF.
func corpus(t *testing.T, f func(name string, msg []byte)) {
	root := testkit.Corpus(t)
	n := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		name, _ := filepath.Rel(root, path)
		f(name, b)
		lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		f(name+" (LF)", lf)
		f(name+" (CRLF)", bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")))
		return nil
	}))
	require.Greater(t, n, 400)
}

// What was read and not changed is written octet by octet; what was changed and changed back, too.
func TestUnchangedCorpus(t *testing.T) {
	corpus(t, func(name string, msg []byte) {
		p := ParseBytes(msg, nil)
		src := bytes.NewReader(msg)
		todo := []*Part{p}
		for len(todo) > 0 {
			q := todo[0]
			todo = append(todo[1:], q.Children...)
			if q.Message != nil {
				todo = append(todo, q.Message)
			}
			e, err := NewEdit(src, q)
			if err == ErrHeaderLimit {
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, int64(len(msg)), e.Size(), name)
			e.changed = true // as after a change undone
			if q == p {
				var b bytes.Buffer
				_, err = e.WriteTo(&b)
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(msg, b.Bytes()), name)
			}
			require.True(t, bytes.Equal(msg[q.Start:q.BodyStart], e.head()), name)
			if len(todo) > 50 {
				break
			}
		}

		// One field more: the rest stands as it did.
		e, err := NewEdit(src, p)
		if err == ErrHeaderLimit {
			return
		}
		require.NoError(t, err, name)
		require.NoError(t, e.Prepend(TextField("X-First", "1")))
		require.NoError(t, e.Append(TextField("X-Last", "2")))
		edited, err := io.ReadAll(e.Reader())
		require.NoError(t, err)
		q := ParseBytes(edited, nil)
		first, ok := q.Header.Get("X-First")
		require.True(t, ok, name)
		require.Equal(t, "1", first.Text())
		last, ok := q.Header.Get("X-Last")
		require.True(t, ok, name)
		require.Equal(t, "2", last.Text())
		require.True(t, bytes.Equal(msg[p.BodyStart:], edited[q.BodyStart:]), name)
		back, err := NewEdit(bytes.NewReader(edited), q)
		require.NoError(t, err)
		require.Equal(t, 1, back.Delete("X-First"))
		require.Equal(t, 1, back.Delete("X-Last"))
		var b bytes.Buffer
		_, err = back.WriteTo(&b)
		require.NoError(t, err)
		if added := b.Len() - len(msg); added > 0 { // the ending of the header's last line, or the blank line, was missing
			require.LessOrEqual(t, added, 2, name)
			return
		}
		require.True(t, bytes.Equal(msg, b.Bytes()), name)
	})
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte("A: b\nB: c\n\nbody"), "X", "y", uint8(0))
	f.Add([]byte("From x\r\nA:\r\n b\r\n"), "A", "é", uint8(1))
	f.Add([]byte("body"), "A", "é", uint8(2))
	f.Add([]byte("From x\xff\xff\x7f\xff\r\n b"), "A", "é", uint8(1))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n--b\n\nx\n--b--"), "A", "é", uint8(3))
	f.Fuzz(func(t *testing.T, msg []byte, name, text string, op uint8) {
		p := ParseBytes(msg, nil)
		e, err := NewEdit(bytes.NewReader(msg), p)
		if err != nil {
			return
		}
		require.Equal(t, string(msg), result(t, e))
		v := TextField(name, text)
		switch op % 3 {
		case 0:
			err = e.Prepend(v)
		case 1:
			err = e.Append(v)
		case 2:
			err = e.Set(v)
		}
		out := []byte(result(t, e))
		if err != nil {
			require.Equal(t, string(msg), string(out))
			return
		}
		require.Equal(t, string(e.Header().Raw()), string(out[:len(e.Header().Raw())]))
		require.Equal(t, string(msg[p.BodyStart:]), string(out[len(e.Header().Raw()):]))
		found := false
		for f := range ParseBytes(out, nil).Header.All(strings.ToLower(name)) {
			found = found || f.Text() == text
		}
		require.True(t, found, "%q", out)
	})
}

func BenchmarkEdit(b *testing.B) {
	msg := bigMessage()
	p := ParseBytes(msg, nil)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		e, _ := NewEdit(bytes.NewReader(msg), p)
		_ = e.Prepend(StructuredField("Received", "from a.example by b.example; Thu, 1 Jan 1970 00:00:00 +0000"))
		if _, err := e.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
