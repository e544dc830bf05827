package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	os.Exit(m.Run())
}

// lines reads everything and notes each line or error.
func lines(r *wire.Reader, limit int) []string {
	var got []string
	for len(got) < 1000 {
		line, err := r.Line(limit)
		if err == nil {
			got = append(got, fmt.Sprintf("%q @%d", line, r.Offset()))
			continue
		}
		got = append(got, err.Error())
		var syntax *wire.SyntaxError
		var over *wire.LimitError
		if !errors.As(err, &syntax) && !errors.As(err, &over) || r.Err() != nil {
			break
		}
	}
	return got
}

func TestLine(t *testing.T) {
	tests := []struct {
		name, in string
		mode     wire.LineMode
		limit    int
		want     []string
	}{
		{"none", "", wire.LineCRLF, 0, []string{"EOF"}},
		{"lines", "a\r\n\r\nbc\r\n", wire.LineCRLF, 0, []string{`"a" @3`, `"" @5`, `"bc" @9`, "EOF"}},
		{"cut short", "a\r\nbc", wire.LineCRLF, 0, []string{`"a" @3`, "unexpected EOF"}},
		{"cut between CR and LF", "a\r", wire.LineCRLF, 0, []string{"unexpected EOF"}},
		{"bare LF", "ab\ncd\r\n", wire.LineCRLF, 0, []string{
			"syntax error at octet 2: line ends in LF without CR, expected CRLF", `"cd" @7`, "EOF"}},
		{"bare LF first", "\ncd\r\n", wire.LineCRLF, 0, []string{
			"syntax error at octet 0: line ends in LF without CR, expected CRLF", `"cd" @5`, "EOF"}},
		{"bare CR", "a\rb\r\ncd\r\n", wire.LineCRLF, 0, []string{
			"syntax error at octet 1: CR without LF in a line", `"cd" @9`, "EOF"}},
		{"CR CRLF", "a\r\r\ncd\r\n", wire.LineCRLF, 0, []string{
			"syntax error at octet 1: CR without LF in a line", `"cd" @8`, "EOF"}},
		{"LF mode", "a\nb\r\n\nc\rd\n", wire.LineLF, 0, []string{`"a" @2`, `"b" @5`, `"" @6`, `"c\rd" @10`, "EOF"}},
		{"at the limit", "abc\r\nabcd\r\nx\r\n", wire.LineCRLF, 5, []string{
			`"abc" @5`, "line longer than the limit of 5 at octet 5", `"x" @14`, "EOF"}},
		{"far over the limit", strings.Repeat("z", 9000) + "\r\nx\r\n", wire.LineCRLF, 100, []string{
			"line longer than the limit of 100 at octet 0", `"x" @9005`, "EOF"}},
		{"over the limit and cut short", strings.Repeat("z", 200), wire.LineCRLF, 100, []string{
			"line longer than the limit of 100 at octet 0", "unexpected EOF"}},
	}
	for _, tt := range tests {
		for name, next := range schedules() {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				r := wire.NewReader(&chunked{[]byte(tt.in), next}, wire.Options{Lines: tt.mode})
				require.Equal(t, tt.want, lines(r, tt.limit))
			})
		}
	}
}

func TestLineErrorsHaveKinds(t *testing.T) {
	r := wire.NewReader(strings.NewReader("a\nb\rc\r\n"), wire.Options{})
	_, err := r.Line(0)
	require.ErrorIs(t, err, wire.ErrBareLF)
	_, err = r.Line(0)
	require.ErrorIs(t, err, wire.ErrBareCR)
	var syntax *wire.SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.EqualValues(t, 3, syntax.Offset)
}

// A line without an end costs memory up to the limit, and is skipped up to a
// bound; past it the Reader is done for.
func TestEndlessLine(t *testing.T) {
	var read int64
	endless := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = 'A'
		}
		read += int64(len(p))
		return len(p), nil
	})
	r := wire.NewReader(endless, wire.Options{MaxSkip: 1 << 20})
	_, err := r.Line(512)
	var over *wire.LimitError
	require.ErrorAs(t, err, &over)
	require.LessOrEqual(t, read, int64(1024))
	_, err = r.Line(512)
	require.ErrorAs(t, err, &over)
	require.Equal(t, err, r.Err())
	require.LessOrEqual(t, read, int64(1<<20+64<<10))
	_, again := r.Line(512)
	require.Equal(t, err, again)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadErrorsStick(t *testing.T) {
	boom := errors.New("boom")
	r := wire.NewReader(io.MultiReader(strings.NewReader("a\r\nb"), iotest.ErrReader(boom), strings.NewReader("\r\n")), wire.Options{})
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "a", string(line))
	for range 2 {
		_, err = r.Line(0)
		require.Equal(t, boom, err)
	}
	require.Equal(t, boom, r.Err())

	r = wire.NewReader(readerFunc(func([]byte) (int, error) { return 0, nil }), wire.Options{})
	_, err = r.Line(0)
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func TestLastLineComesWithTheError(t *testing.T) {
	r := wire.NewReader(iotest.DataErrReader(strings.NewReader("a\r\nb\r\n")), wire.Options{})
	require.Equal(t, []string{`"a" @3`, `"b" @6`, "EOF"}, lines(r, 0))
}

func TestPeekAndRead(t *testing.T) {
	for name, next := range schedules() {
		t.Run(name, func(t *testing.T) {
			r := wire.NewReader(&chunked{[]byte("PROXY x\r\nhello world"), next}, wire.Options{})
			b, err := r.Peek(6)
			require.NoError(t, err)
			require.Equal(t, "PROXY ", string(b))
			require.EqualValues(t, 0, r.Offset())
			_, err = r.Line(0)
			require.NoError(t, err)
			b, err = r.Peek(100)
			require.Equal(t, io.EOF, err)
			require.Equal(t, "hello world", string(b))
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "hello world", string(rest))
			require.EqualValues(t, 20, r.Offset())
		})
	}
}

func TestReset(t *testing.T) {
	r := wire.NewReader(strings.NewReader("secret\r\nleft"), wire.Options{})
	_, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, 4, r.Buffered())
	r.Reset(strings.NewReader("new\r\n"))
	require.Zero(t, r.Buffered())
	require.Zero(t, r.Offset())
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "new", string(line))
}

func TestSetLines(t *testing.T) {
	r := wire.NewReader(strings.NewReader("a\nb\n"), wire.Options{})
	_, err := r.Line(0)
	require.ErrorIs(t, err, wire.ErrBareLF)
	r.SetLines(wire.LineLF)
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "b", string(line))
}

// The window grows for a long line and a body, and is small again for the
// next wait.
func TestIdleWindowIsSmall(t *testing.T) {
	in := strings.Repeat("x", 50000) + "\r\n" + strings.Repeat("y", 500000) + "\r\n.\r\n" + "QUIT\r\n"
	sizes := []int{}
	src := strings.NewReader(in)
	r := wire.NewReader(readerFunc(func(p []byte) (int, error) {
		sizes = append(sizes, len(p))
		return src.Read(p)
	}), wire.Options{MinBuffer: 512})
	_, err := r.Line(0)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r.DotBody(wire.DotOptions{}))
	require.NoError(t, err)
	require.EqualValues(t, 500002, n)
	_, err = r.Line(0)
	require.NoError(t, err)
	require.Equal(t, 512, sizes[0])
	_, err = r.Line(0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, 512, sizes[len(sizes)-1])
}

// Lent bytes are overwritten once the loan ends, here and wherever SetPoison
// is on.
func TestBorrowedBytesEnd(t *testing.T) {
	r := wire.NewReader(strings.NewReader("one\r\ntwo\r\n"), wire.Options{})
	one, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "one", string(one))
	_, err = r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "\xdb\xdb\xdb", string(one))
}

func TestLinesDoNotAllocate(t *testing.T) {
	in := bytes.Repeat([]byte("NOOP and some more words\r\n"), 1000)
	src := bytes.NewReader(in)
	r := wire.NewReader(src, wire.Options{})
	allocs := testing.AllocsPerRun(10, func() {
		src.Reset(in)
		r.Reset(src)
		for {
			if _, err := r.Line(0); err != nil {
				break
			}
		}
	})
	require.LessOrEqual(t, allocs, 2.0)
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("a\r\nb\nc\rd\r\n\x00\r\n"), false, uint8(0))
	f.Add([]byte(strings.Repeat("a", 300)+"\r\nx\r\n"), true, uint8(100))
	f.Fuzz(func(t *testing.T, in []byte, lf bool, limit uint8) {
		mode := wire.LineCRLF
		if lf {
			mode = wire.LineLF
		}
		run := func(next func() int) []string {
			return lines(wire.NewReader(&chunked{in, next}, wire.Options{Lines: mode, MinBuffer: 16, MaxSkip: 1 << 30}), int(limit))
		}
		want := run(always(1 << 30))
		for name, next := range schedules() {
			require.Equal(t, want, run(next), name)
		}
		if limit == 0 && lf {
			var whole []byte
			r := wire.NewReader(bytes.NewReader(in), wire.Options{Lines: mode})
			n := 0
			for {
				line, err := r.Line(1 << 30)
				if err != nil {
					break
				}
				n++
				whole = append(append(whole, line...), '\n')
			}
			require.Equal(t, bytes.Count(in, []byte("\n")), n)
			end := bytes.LastIndexByte(in, '\n') + 1
			require.Equal(t, strings.ReplaceAll(string(in[:end]), "\r\n", "\n"), string(whole))
		}
	})
}
