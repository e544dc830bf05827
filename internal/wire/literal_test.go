package wire_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

func TestLiteral(t *testing.T) {
	for name, next := range schedules() {
		t.Run(name, func(t *testing.T) {
			in := "x {5}\r\nab\r\nc tail\r\n{0}\r\n\r\n" + strings.Repeat("big", 40000) + "\r\nA LOGOUT\r\n"
			r := wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
			_, err := r.Line(0)
			require.NoError(t, err)
			l := r.Literal(5)
			require.EqualValues(t, 5, l.Size())
			_, err = r.Line(0)
			require.Equal(t, wire.ErrUnread, err, "a literal's octets are no command")
			b, err := io.ReadAll(l)
			require.NoError(t, err)
			require.Equal(t, "ab\r\nc", string(b))
			require.Zero(t, l.Remaining())
			line, err := r.Line(0)
			require.NoError(t, err)
			require.Equal(t, " tail", string(line))
			_, err = r.Line(0)
			require.NoError(t, err)
			b, err = io.ReadAll(r.Literal(0))
			require.NoError(t, err)
			require.Empty(t, b)
			_, err = r.Line(0)
			require.NoError(t, err)
			var w bytes.Buffer
			n, err := r.Literal(120000).WriteTo(&w)
			require.NoError(t, err)
			require.EqualValues(t, 120000, n)
			require.Equal(t, strings.Repeat("big", 40000), w.String())
			_, err = r.Line(0)
			require.NoError(t, err)
			line, err = r.Line(0)
			require.NoError(t, err)
			require.Equal(t, "A LOGOUT", string(line))
		})
	}
}

func TestLiteralDrain(t *testing.T) {
	r := wire.NewReader(strings.NewReader("A DELETE x\r\nB NOOP\r\n"), wire.Options{})
	l := r.Literal(12)
	var over *wire.LimitError
	require.ErrorAs(t, l.Drain(11), &over)
	require.EqualValues(t, 12, l.Remaining())
	require.NoError(t, l.Drain(12))
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "B NOOP", string(line))
}

func TestLiteralCutShort(t *testing.T) {
	r := wire.NewReader(strings.NewReader("abc"), wire.Options{})
	l := r.Literal(5)
	b, err := io.ReadAll(l)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, "abc", string(b))
	_, err = l.Read(make([]byte, 1))
	require.Equal(t, io.ErrUnexpectedEOF, err)
	_, err = r.Line(0)
	require.Error(t, err)
	_, err = wire.NewReader(strings.NewReader("abc"), wire.Options{}).Literal(5).WriteTo(io.Discard)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, io.ErrUnexpectedEOF, wire.NewReader(strings.NewReader("abc"), wire.Options{}).Literal(5).Drain(9))
}

func TestAppendLiteral(t *testing.T) {
	r := wire.NewReader(strings.NewReader("abcdefg rest\r\n"), wire.Options{})
	_, err := r.AppendLiteral(nil, 7, 6)
	var over *wire.LimitError
	require.ErrorAs(t, err, &over)
	b, err := r.AppendLiteral([]byte("x="), 7, 7)
	require.NoError(t, err)
	require.Equal(t, "x=abcdefg", string(b))
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, " rest", string(line))
	_, err = r.AppendLiteral(nil, 3, 3)
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

func TestNegativeLiteral(t *testing.T) {
	r := wire.NewReader(strings.NewReader("x\r\n"), wire.Options{})
	require.Panics(t, func() { r.Literal(-1) })
	require.Panics(t, func() { _, _ = r.AppendLiteral(nil, -1, 10) })
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "x", string(line))
}

// A literal of 4 GiB that is announced and does not come costs no memory.
func TestAnnouncedLiteralCostsNothing(t *testing.T) {
	var asked int
	r := wire.NewReader(readerFunc(func(p []byte) (int, error) {
		asked = max(asked, len(p))
		return 0, io.EOF
	}), wire.Options{})
	_, err := r.AppendLiteral(nil, 4294967295, 1<<40)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.LessOrEqual(t, asked, 1024)
}

func FuzzLiteral(f *testing.F) {
	f.Add([]byte("hello\r\nworld\r\n"), uint16(5))
	f.Fuzz(func(t *testing.T, in []byte, n uint16) {
		for _, next := range schedules() {
			r := wire.NewReader(&chunked{in, next}, wire.Options{MinBuffer: 16})
			b, err := r.AppendLiteral(nil, int64(n), 1<<20)
			want := in[:min(len(in), int(n))]
			require.Equal(t, string(want), string(b))
			if len(in) < int(n) {
				require.Equal(t, io.ErrUnexpectedEOF, err)
				continue
			}
			require.NoError(t, err)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, string(in[n:]), string(rest))
		}
	})
}
