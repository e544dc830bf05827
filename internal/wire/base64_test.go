package wire_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

func TestBase64Reader(t *testing.T) {
	tests := []struct {
		name, in, want string
		junk           int64
	}{
		{"RFC 4648", "Zm9vYmFy", "foobar", 0},
		{"one pad", "Zm9vYmE=", "fooba", 0},
		{"two pads", "Zm9vYg==", "foob", 0},
		{"empty", "", "", 0},
		{"lines", "Zm9v\r\nYmFy\r\n", "foobar", 0},
		{"a break in a quantum", "Zm9vY\r\nmFy", "foobar", 0},
		{"no padding", "Zm9vYg", "foob", 0},
		{"no padding of one", "Zm9vYmE", "fooba", 0},
		{"padding in mid-stream", "Zm9vYg==Zm9vYmFy", "foobfoobar", 0},
		{"too much padding", "Zm9vYg=====", "foob", 0},
		{"padding alone", "====", "", 0},
		{"junk", "Zm9!v-YmF\x00y", "foobar", 3},
		{"one character left", "Zm9vY", "foo", 1},
		{"one character, then padding", "Y===Zm9v", "foo", 1},
		{"8-bit", "\xff\xfeZm9v", "foo", 2},
	}
	for _, tt := range tests {
		for name, next := range schedules() {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				b := wire.NewBase64Reader(&chunked{[]byte(tt.in), next})
				got, err := io.ReadAll(b)
				require.NoError(t, err)
				require.Equal(t, tt.want, string(got))
				require.Equal(t, tt.junk, b.Junk())
				got, err = io.ReadAll(iotest.OneByteReader(wire.NewBase64Reader(strings.NewReader(tt.in))))
				require.NoError(t, err)
				require.Equal(t, tt.want, string(got))
			})
		}
	}
}

func TestBase64ReadError(t *testing.T) {
	b := wire.NewBase64Reader(io.MultiReader(strings.NewReader("Zm9vYg"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	got, err := io.ReadAll(b)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, "foo", string(got))
}

func TestBase64Writer(t *testing.T) {
	for n := range 400 {
		data := bytes.Repeat([]byte{0, 1, 0xfe, 'x', '\n'}, 80)[:n]
		var out bytes.Buffer
		w := wire.NewBase64Writer(&out)
		_, err := io.Copy(w, struct{ io.Reader }{&chunked{data, random(uint64(n), 90)}})
		require.NoError(t, err)
		require.NoError(t, w.Close())
		var want strings.Builder
		for rest := base64.StdEncoding.EncodeToString(data); rest != ""; {
			line := rest[:min(76, len(rest))]
			want.WriteString(line + "\r\n")
			rest = rest[len(line):]
		}
		require.Equal(t, want.String(), out.String())
	}
	w := wire.NewBase64Writer(&failing{10})
	_, err := w.Write(make([]byte, 100000))
	require.Equal(t, io.ErrShortBuffer, err)
	require.Equal(t, io.ErrShortBuffer, w.Close())
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("Zm9vYg==Zm9vYmFy"))
	f.Add([]byte("Z-m9!vY\r\n=mFy"))
	f.Fuzz(func(t *testing.T, in []byte) {
		decode := func(next func() int) string {
			got, err := io.ReadAll(wire.NewBase64Reader(&chunked{in, next}))
			require.NoError(t, err)
			return string(got)
		}
		want := decode(always(1 << 30))
		for name, next := range schedules() {
			require.Equal(t, want, decode(next), name)
		}
		if std, err := base64.StdEncoding.DecodeString(string(in)); err == nil {
			require.Equal(t, string(std), want)
		}
		var out bytes.Buffer
		w := wire.NewBase64Writer(&out)
		_, err := w.Write(in)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		back, err := io.ReadAll(wire.NewBase64Reader(&out))
		require.NoError(t, err)
		require.Equal(t, string(in), string(back))
	})
}

// A source that gives nothing for ever is an error, not an endless loop.
func TestBase64NoProgress(t *testing.T) {
	r := wire.NewBase64Reader(readerFunc(func([]byte) (int, error) { return 0, nil }))
	_, err := r.Read(make([]byte, 8))
	require.ErrorIs(t, err, io.ErrNoProgress)
}
