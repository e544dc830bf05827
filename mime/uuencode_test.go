package mime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const uuCat = "begin 644 cat.txt\n#0V%T\n`\nend\n"

func TestUUReader(t *testing.T) {
	text := "#0V%T\n"
	for _, c := range []struct {
		in, out, name string
		mode          int
		complete      bool
	}{
		{uuCat, "Cat", "cat.txt", 0o644, true},
		{crlf(uuCat), "Cat", "cat.txt", 0o644, true},
		{"Dear all,\n\nhere it is\n" + uuCat + "Bye\n#0V%T\n", "Cat", "cat.txt", 0o644, true},
		{"begin 0755 a name with blanks  \n" + text + "end", "Cat", "a name with blanks", 0o755, true},
		{"begin 644 \"q.txt\"\n" + text + "`\nend\n", "Cat", "q.txt", 0o644, true},
		{"begin 644 x\n" + text, "Cat", "x", 0o644, false},
		{"begin 644 x\n" + text + "\n" + text + " \nend\n", "CatCat", "x", 0o644, true},
		{"begin 644 x\n" + text + "this is no data, though it has lower case\n" + text, "Cat", "x", 0o644, false},
		{text + "`\nend\n", "Cat", "", 0, false},
		{"begin 644 x\n#    \nend\n", "\x00\x00\x00", "x", 0o644, true}, // a blank for zero
		{"begin 644 x\n#\nend\n", "\x00\x00\x00", "x", 0o644, true},     // and cut from the line's end
		{"begin 644 x\n#````\nend\n", "\x00\x00\x00", "x", 0o644, true},
		{"begin 644 x\n#0V%TX\nend\n", "Cat", "x", 0o644, true}, // a checksum character
		{"begin 644 x\n!0P\nend\n", "C", "x", 0o644, true},      // no padding
		{"begin 644 x\n!0P``\nend\n", "C", "x", 0o644, true},
		{"begin the day\nbegin 99 x\nbegin 644\n", "", "", 0, false},
		{"Nothing at all, but words.\n", "", "", 0, false},
		{"", "", "", 0, false},
		{strings.Repeat("x", 10000) + "\n" + uuCat, "Cat", "cat.txt", 0o644, true},
	} {
		u := NewUUReader(iotest.HalfReader(strings.NewReader(c.in)))
		b, err := io.ReadAll(iotest.OneByteReader(u))
		assert.NoError(t, err)
		assert.Equal(t, c.out, string(b), "%.80q", c.in)
		name, mode := u.Name()
		assert.Equal(t, c.name, name)
		assert.Equal(t, c.mode, mode)
		assert.Equal(t, c.complete, u.Complete(), "%.80q", c.in)
	}
	boom := errors.New("boom")
	b, err := io.ReadAll(NewUUReader(io.MultiReader(strings.NewReader("begin 644 x\n#0V%T\n"), iotest.ErrReader(boom))))
	assert.ErrorIs(t, err, boom)
	assert.Equal(t, "Cat", string(b))
}

func TestAppendUU(t *testing.T) {
	assert.Equal(t, crlf(uuCat), string(AppendUU(nil, "cat.txt", 0o644, []byte("Cat"))))
	assert.Equal(t, "begin 007 a b\r\n`\r\nend\r\n", string(AppendUU(nil, "a\r\n b", 7, nil)))
	assert.Equal(t, "begin 600 data\r\n`\r\nend\r\n", string(AppendUU(nil, " \r", 0o600, nil)))
}

func FuzzUU(f *testing.F) {
	f.Add([]byte(uuCat), byte(1))
	f.Add([]byte("#0V%T\n`\nend"), byte(9))
	f.Add([]byte("begin 644 x\n#0V%T \r\n\r\n!0P"), byte(9))
	f.Fuzz(func(t *testing.T, b []byte, seed byte) {
		want, err := io.ReadAll(NewUUReader(bytes.NewReader(b)))
		require.NoError(t, err)
		got, err := io.ReadAll(&chunked{NewUUReader(&chunks{string(b), seed}), seed})
		require.NoError(t, err)
		require.Equal(t, want, got)

		u := NewUUReader(bytes.NewReader(AppendUU(nil, "f", 0o644, b)))
		got, err = io.ReadAll(u)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, got))
		require.True(t, u.Complete())

		last := int64(0)
		for e, err := range FindEmbedded(&chunks{string(b), seed}) {
			require.NoError(t, err)
			require.LessOrEqual(t, last, e.Range.Start)
			require.LessOrEqual(t, e.Range.Start, e.Range.End)
			require.LessOrEqual(t, e.Range.End, int64(len(b)))
			last = e.Range.End
			n, err := io.Copy(io.Discard, e.Open(bytes.NewReader(b)))
			require.NoError(t, err)
			if e.Kind == EmbeddedUU {
				require.Equal(t, e.Size, n)
			}
		}
	})
}

func TestFindEmbedded(t *testing.T) {
	armour := func(name string) string {
		return "-----BEGIN PGP " + name + "-----\nVersion: x\n\nabc\n=abcd\n-----END PGP " + name + "-----\n"
	}
	signed := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -----BEGIN PGP MESSAGE-----\nhi\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
	yenc := "=ybegin part=1 total=2 line=128 size=100 name=a b.bin\n=ypart begin=1 end=3\nabc\n=yend size=3 part=1 pcrc32=0\n"
	text := "Hi\n" + uuCat + "and\n" + yenc + signed + "x\n" + armour("MESSAGE") + armour("PUBLIC KEY BLOCK") + armour("PRIVATE KEY BLOCK") +
		armour("SIGNATURE") + armour("ARMORED FILE") + "-----BEGIN PGP MESSAGE-----\nunfinished\nbegin 600 last\n#0V%T\n"
	for _, s := range []string{text, crlf(text)} {
		m := strings.NewReader(s)
		type row struct {
			Kind        EmbeddedKind
			Name        string
			Size        int64
			Part, Total int
			Complete    bool
		}
		var got []row
		var bodies []string
		for e, err := range FindEmbedded(m) {
			require.NoError(t, err)
			got = append(got, row{e.Kind, e.Name, e.Size, e.Part, e.Total, e.Complete})
			b, err := io.ReadAll(e.Range.Reader(m))
			require.NoError(t, err)
			bodies = append(bodies, strings.ReplaceAll(string(b), "\r\n", "\n"))
		}
		assert.Equal(t, []row{
			{EmbeddedUU, "cat.txt", 3, 0, 0, true},
			{EmbeddedYEnc, "a b.bin", 3, 1, 2, true},
			{EmbeddedPGPSigned, "", 0, 0, 0, true},
			{EmbeddedPGPMessage, "", 0, 0, 0, true},
			{EmbeddedPGPPublicKey, "", 0, 0, 0, true},
			{EmbeddedPGPPrivateKey, "", 0, 0, 0, true},
			{EmbeddedPGPSignature, "", 0, 0, 0, true},
			{EmbeddedPGPOther, "ARMORED FILE", 0, 0, 0, true},
			{EmbeddedPGPMessage, "", 0, 0, 0, false},
		}, got)
		assert.Equal(t, uuCat, bodies[0])
		assert.Equal(t, yenc, bodies[1])
		assert.Equal(t, signed, bodies[2])
		assert.Equal(t, armour("MESSAGE"), bodies[3])
	}
	for e, err := range FindEmbedded(strings.NewReader(uuCat)) {
		require.NoError(t, err)
		b, err := io.ReadAll(e.Open(strings.NewReader(uuCat)))
		require.NoError(t, err)
		assert.Equal(t, "Cat", string(b))
		assert.Equal(t, 0o644, e.Mode)
		break
	}
	boom := errors.New("boom")
	var last error
	for _, err := range FindEmbedded(io.MultiReader(strings.NewReader("x\n"), iotest.ErrReader(boom))) {
		last = err
	}
	assert.ErrorIs(t, last, boom)
	assert.Equal(t, "uuencode", EmbeddedUU.String())
	assert.Equal(t, "EmbeddedKind(99)", EmbeddedKind(99).String())
}
