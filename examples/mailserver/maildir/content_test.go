package maildir

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canonical is the plain definition of what Content shows.
func canonical(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func TestCanonical(t *testing.T) {
	for _, s := range []string{"", "\n", "\r", "\r\n", "\n\n", "\r\r\n", "\n\r", "a\nb\r\nc\rd", "a\r\r\nb\n", "no end"} {
		for split := range len(s) + 1 {
			var c counter
			c.count([]byte(s[:split]))
			c.count([]byte(s[split:]))
			assert.EqualValues(t, len(s), c.size)
			assert.EqualValues(t, len(canonical(s)), c.wire, "%q at %d", s, split)
			var cr bool
			got := toCRLF(nil, []byte(s[:split]), &cr)
			got = toCRLF(got, []byte(s[split:]), &cr)
			assert.Equal(t, canonical(s), string(got), "%q at %d", s, split)
		}
		size, wire, err := count(iotest.OneByteReader(strings.NewReader(s)))
		require.NoError(t, err)
		assert.Equal(t, [2]int64{int64(len(s)), int64(len(canonical(s)))}, [2]int64{size, wire})
	}
	_, _, err := count(iotest.ErrReader(io.ErrNoProgress))
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

func contentOf(t *testing.T, text string, size int64) *Content {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	c, err := newContent(f, size)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestContent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 3*convertStep+77)
	for i := range long {
		long[i] = "ab\r\n"[r.IntN(4)]
	}
	// A CRLF over the end of a step, and a bare LF at the start of one.
	copy(long[convertStep-1:], "\r\n")
	copy(long[2*convertStep-1:], "x\n")
	for _, s := range []string{"", "a\nb\n", "a\r\nb\r\n", string(long), strings.Repeat("x\r\n", convertStep), strings.Repeat("y\n", 2*convertStep)} {
		want := canonical(s)
		for _, size := range []int64{-1, int64(len(want)), 1 << 40} {
			c := contentOf(t, s, size)
			require.EqualValues(t, len(want), c.Size())
			got, err := io.ReadAll(io.NewSectionReader(c, 0, 1<<40))
			require.NoError(t, err)
			require.True(t, want == string(got))
			for range 200 {
				off := r.Int64N(int64(len(want)) + 1)
				p := make([]byte, r.IntN(2000))
				n, err := c.ReadAt(p, off)
				exp := want[off:]
				if len(p) > len(exp) {
					require.ErrorIs(t, err, io.EOF)
				} else {
					exp = exp[:len(p)]
				}
				require.True(t, bytes.Equal([]byte(exp), p[:n]))
			}
			_, err = c.ReadAt(make([]byte, 1), -1)
			require.Error(t, err)
			_, err = c.ReadAt(make([]byte, 1), int64(len(want)))
			require.ErrorIs(t, err, io.EOF)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("a\nb\r\n\r", uint8(2))
	f.Fuzz(func(t *testing.T, s string, at uint8) {
		cut := min(int(at), len(s))
		var cr bool
		got := toCRLF(toCRLF(nil, []byte(s[:cut]), &cr), []byte(s[cut:]), &cr)
		require.Equal(t, canonical(s), string(got))
	})
}
