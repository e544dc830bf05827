package mime

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// appendYEnc encodes data, for tests.
func appendYEnc(data []byte) []byte {
	var b []byte
	n := 0
	for _, c := range data {
		if c += 42; c == 0 || c == '\n' || c == '\r' || c == '=' || n == 0 && c == '.' {
			b = append(b, '=', c+64)
			n++
		} else {
			b = append(b, c)
		}
		if n++; n >= 128 {
			b = append(b, "\r\n"...)
			n = 0
		}
	}
	return append(b, "\r\n"...)
}

func TestYEncReader(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	enc := string(appendYEnc(all))
	const crc = "29058c73"
	require.Equal(t, uint32(0x29058c73), crc32.ChecksumIEEE(all))
	for _, c := range []struct {
		in  string
		out []byte
		h   YEnc
		r   YEncResult
	}{
		{"text\r\n=ybegin line=128 size=256 name=all of it.bin\r\n" + enc + "=yend size=256 crc32=" + crc + "\r\nmore", all,
			YEnc{Name: "all of it.bin", Line: 128, Size: 256, Range: Range{0, 256}},
			YEncResult{Complete: true, Octets: 256, Size: 256, CRC32: 0x29058c73, SizeMatches: true, CRCMatches: true, FileCRC32: 0x29058c73, HasFileCRC32: true}},
		{"=ybegin line=128 size=256 name=\"x\"\n" + strings.ReplaceAll(enc, "\r\n", "\n") + "=yend size=256 crc32=00000000", all,
			YEnc{Name: "x", Line: 128, Size: 256, Range: Range{0, 256}},
			YEncResult{Complete: true, Octets: 256, Size: 256, CRC32: 0x29058c73, SizeMatches: true, HasFileCRC32: true}},
		{"=ybegin part=2 total=3 line=128 size=1000 name=x\r\n=ypart begin=257 end=512\r\n" + enc + "=yend size=256 part=2 pcrc32=FFFFFFFF" + crc + " crc32=12345678\r\n", all,
			YEnc{Name: "x", Line: 128, Size: 1000, Part: 2, Total: 3, Range: Range{256, 512}},
			YEncResult{Complete: true, Octets: 256, Size: 256, CRC32: 0x29058c73, SizeMatches: true, CRCMatches: true, FileCRC32: 0x12345678, HasFileCRC32: true}},
		{"=ybegin line=128 size=256 name=x\r\n" + enc, all,
			YEnc{Name: "x", Line: 128, Size: 256, Range: Range{0, 256}},
			YEncResult{Octets: 256, Size: -1, CRC32: 0x29058c73, SizeMatches: true, CRCMatches: true}},
		{"=ybegin line=128 size=9 name=x\r\n" + enc + "=yend size=9\r\n", all,
			YEnc{Name: "x", Line: 128, Size: 9, Range: Range{0, 9}},
			YEncResult{Complete: true, Octets: 256, Size: 9, CRC32: 0x29058c73, CRCMatches: true}},
		{"= not yet\n=ybegi no\n=ybegin line=1 name=nosize\nwords", []byte{}, YEnc{}, YEncResult{Size: -1, SizeMatches: true, CRCMatches: true}},
	} {
		y := NewYEncReader(strings.NewReader(c.in))
		b, err := io.ReadAll(y)
		assert.NoError(t, err)
		assert.Equal(t, c.out, b)
		assert.Equal(t, c.h, y.Header())
		assert.Equal(t, c.r, y.Result())

		y = NewYEncReader(iotest.OneByteReader(strings.NewReader(c.in)))
		b, err = io.ReadAll(iotest.OneByteReader(y))
		assert.NoError(t, err)
		assert.Equal(t, c.out, b)
		assert.Equal(t, c.r, y.Result())
	}
	boom := errors.New("boom")
	_, err := io.ReadAll(NewYEncReader(io.MultiReader(strings.NewReader("=ybegin line=1 size=3 name=x\nab"), iotest.ErrReader(boom))))
	assert.ErrorIs(t, err, boom)
}

func TestYEncCorpus(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "mimekit", "yenc")
	picture, err := os.ReadFile(filepath.Join(dir, "joystick.jpg"))
	require.NoError(t, err)
	joined := make([]byte, len(picture))
	for _, name := range []string{"00000020.ntx", "00000021.ntx"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		y := NewYEncReader(bytes.NewReader(b))
		part, err := io.ReadAll(y)
		require.NoError(t, err)
		r := y.Result()
		assert.True(t, r.Complete && r.SizeMatches && r.CRCMatches, "%s %+v", name, r)
		assert.Equal(t, "joystick.jpg", y.Header().Name)
		copy(joined[y.Header().Range.Start:], part)
	}
	assert.True(t, bytes.Equal(picture, joined))
	var texts [][]byte
	for _, name := range []string{"simple.msg", "state-changes.ntx"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		y := NewYEncReader(bytes.NewReader(b))
		text, err := io.ReadAll(y)
		require.NoError(t, err)
		r := y.Result()
		assert.True(t, r.Complete && r.SizeMatches && r.CRCMatches, "%s %+v", name, r)
		assert.Equal(t, uint32(0xded29f4f), r.CRC32)
		texts = append(texts, text)
	}
	assert.Equal(t, texts[0], texts[1])
	assert.Len(t, texts[0], 584)
}

func FuzzYEnc(f *testing.F) {
	f.Add([]byte("x\n=ybegin part=1 line=128 size=3 name=x\r\n=ypart begin=1 end=3\r\na=}c\r\n=yend size=3 pcrc32=1\r\n"), byte(3))
	f.Add([]byte("=ybegin line=1 size=1 name=x\n=\n=y\n=ybegin line=1 size=1 name=x\n"), byte(7))
	f.Fuzz(func(t *testing.T, b []byte, seed byte) {
		y := NewYEncReader(bytes.NewReader(b))
		want, err := io.ReadAll(y)
		require.NoError(t, err)
		z := NewYEncReader(&chunks{string(b), seed})
		got, err := io.ReadAll(&chunked{z, seed})
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, y.Result(), z.Result())
		require.Equal(t, y.Header(), z.Header())

		msg := append([]byte("=ybegin line=128 size=0 name=f\r\n"), appendYEnc(b)...)
		got, err = io.ReadAll(NewYEncReader(bytes.NewReader(append(msg, "=yend size=0\r\n"...))))
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, got))
	})
}
