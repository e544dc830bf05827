package mime

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// downgraded returns the outcome of Downgrade by both roads.
func downgraded(t testing.TB, msg string) (string, *Downgraded, error) {
	t.Helper()
	d, err := Downgrade(strings.NewReader(msg), ParseBytes([]byte(msg), nil))
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	n, err := d.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, d.Size(), n)
	require.EqualValues(t, b.Len(), n)
	r, err := io.ReadAll(iotest.OneByteReader(d.Reader()))
	require.NoError(t, err)
	require.Equal(t, b.String(), string(r))
	require.Equal(t, d.Changed(), b.String() != msg)
	return b.String(), d, nil
}

func TestDowngrade(t *testing.T) {
	long := strings.Repeat("x", 999)
	for _, c := range []struct{ name, msg, want string }{
		{"nothing", "A: b\n\nbody\n", ""},
		{"label alone", "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\nbody\n", ""},
		{"empty", "", ""},
		{"text", "MIME-Version: 1.0\nX: y\nContent-Transfer-Encoding: 8bit\nContent-Type: text/plain; charset=utf-8\n\nun café \nau lait\n",
			"MIME-Version: 1.0\nX: y\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\nun caf=C3=A9=20\nau lait\n"},
		{"text mostly 8-bit", "MIME-Version: 1.0\n\nПривет\n", "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n0J/RgNC40LLQtdGCDQo=\n"},
		{"no MIME", "A: b\n\nun café au lait", "A: b\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nun caf=C3=A9 au lait"},
		{"two labels", "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nContent-transfer-encoding: binary\n\nun café au lait\n",
			"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\nun caf=C3=A9 au lait\n"},
		{"long line", "MIME-Version: 1.0\n\n" + long + "\n", "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n" +
			strings.Repeat(strings.Repeat("x", 75)+"=\n", 13) + strings.Repeat("x", 24) + "\n"},
		{"binary", "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: binary\n\n\x89PNG\n\x00",
			"MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORwoA\n"},
		{"junk in quoted-printable", "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\nun caf\xc3\xa9 =3D =E9=\nx\n",
			"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\nun caf=C3=A9 =3D =E9x\n"},
		{"junk in base64", "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nYW\xe9Jj\n", "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nYWJj\n"},
		{"multipart", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npreambulé\n" +
			"--b\n\nun café au lait\n--b \nContent-Type: image/gif\nContent-Transfer-Encoding: binary\n\nGIF\xff\n--b\nContent-Transfer-Encoding: 8bit\n\nplain\n--b--\népilogue\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\npreambul??\n" +
				"--b\nContent-Transfer-Encoding: quoted-printable\n\nun caf=C3=A9 au lait\n--b \nContent-Type: image/gif\nContent-Transfer-Encoding: base64\n\nR0lG/w==\n--b\nContent-Transfer-Encoding: 8bit\n\nplain\n--b--\n??pilogue\n"},
		{"message", "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n\nun café au lait\n",
			"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: x\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nun caf=C3=A9 au lait\n"},
		{"no blank line", "Content-Type: message/rfc822\nMIME-Version: 1.0\nun café au lait\n",
			"Content-Type: message/rfc822\nMIME-Version: 1.0\n\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nun caf=C3=A9 au lait\n"},
		{"signed and clean", "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\n\n" + long + "\n--b\n\nsig\n--b--\n", ""},
	} {
		for _, eol := range []string{"\n", "\r\n"} {
			want := c.want
			if want == "" {
				want = c.msg
			}
			if eol == "\r\n" && c.name == "binary" {
				continue
			}
			got, d, err := downgraded(t, strings.ReplaceAll(c.msg, "\n", eol))
			require.NoError(t, err, c.name)
			require.Equal(t, strings.ReplaceAll(want, "\n", eol), got, c.name)
			require.False(t, d.EightBitHeader())
		}
	}
	_, d, err := downgraded(t, "Subject: é\n\nbody\n")
	require.NoError(t, err)
	require.True(t, d.EightBitHeader())
	require.False(t, d.Changed())
}

func TestDowngradeRefuses(t *testing.T) {
	for _, c := range []struct{ msg, want string }{
		{"Content-Type: multipart/signed; boundary=b\n\n--b\n\nun café\n--b\n\nsig\n--b--\n", "mime: 8-bit body at offset 49: signed or encrypted content can not be encoded anew"},
		{"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/encrypted; boundary=b\n\né\n--b\n\nx\n--b--\n--a--\n",
			"mime: 8-bit octets from offset 94 on: signed or encrypted content can not be encoded anew"},
		{"Content-Type: message/partial\n\né\n", "mime: 8-bit body of message/partial at offset 31 has no 7-bit form"},
		{"Content-Type: multipart/mixed; boundary=b\n\né\n", "mime: 8-bit body of multipart/mixed at offset 43 has no 7-bit form"},
		{"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\né\n", "mime: 8-bit body of message/rfc822 at offset 64 has no 7-bit form"},
		{"Content-Type: multipart/mixed; boundary=é\n\n--é\n\nx\n--é--\n", "mime: 8-bit boundary in the multipart at offset 0"},
	} {
		_, _, err := downgraded(t, c.msg)
		require.EqualError(t, err, c.want)
		if strings.Contains(c.want, "signed") {
			require.ErrorIs(t, err, ErrSigned)
		}
	}
	msg := "A: b\nC: d\nE: f\n\né\n"
	_, err := Downgrade(strings.NewReader(msg), ParseBytes([]byte(msg), &Options{Limits: Limits{HeaderFields: 1}}))
	require.ErrorIs(t, err, ErrHeaderLimit)
	msg = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\né\n--b--\n"
	_, err = Downgrade(strings.NewReader(msg), ParseBytes([]byte(msg), &Options{Limits: Limits{Parts: 2}}))
	require.ErrorContains(t, err, "in parts beyond the limit")
	_, err = Downgrade(iotest0{}, ParseBytes([]byte(msg), nil))
	require.ErrorIs(t, err, errFull)
}

// iotest0 is an io.ReaderAt that fails.
type iotest0 struct{}

func (iotest0) ReadAt([]byte, int64) (int, error) { return 0, errFull }

// checkDowngrade holds a message that was downgraded to the message: the same tree, the same content, and no octet over 127
// but in headers.
func checkDowngrade(t testing.TB, name string, msg []byte) {
	p := ParseBytes(msg, nil)
	d, err := Downgrade(bytes.NewReader(msg), p)
	if err != nil {
		return
	}
	var b bytes.Buffer
	n, err := d.WriteTo(&b)
	require.NoError(t, err, name)
	require.Equal(t, d.Size(), n)
	out := b.Bytes()
	if !d.Changed() {
		require.True(t, bytes.Equal(msg, out), name)
	}
	q := ParseBytes(out, nil)
	canonical := func(r io.Reader) string {
		c, err := io.ReadAll(r)
		require.NoError(t, err)
		if bytes.Contains(msg, []byte("\r\r\n")) {
			// Once its line ending is another, a CR before it looks like a part of it.
			return strings.ReplaceAll(string(c), "\r", "")
		}
		return strings.ReplaceAll(string(c), "\r\n", "\n")
	}
	var same func(p, q *Part)
	same = func(p, q *Part) {
		require.Len(t, q.Children, len(p.Children), name)
		require.Equal(t, p.Message != nil, q.Message != nil, name)
		require.Equal(t, p.ContentType(), q.ContentType(), name)
		switch {
		case p.Message != nil:
			same(p.Message, q.Message)
		case len(p.Children) > 0:
			for i := range p.Children {
				same(p.Children[i], q.Children[i])
			}
		default:
			require.Equal(t, canonical(p.Open(bytes.NewReader(msg))), canonical(q.Open(bytes.NewReader(out))), name)
			require.False(t, slices.ContainsFunc(out[q.BodyStart:q.End], func(c byte) bool { return c > 127 }), name)
		}
	}
	same(p, q)
}

func TestDowngradeCorpus(t *testing.T) {
	corpus(t, func(name string, msg []byte) {
		if len(msg) < 1<<20 { // larger ones are mbox files: one body
			checkDowngrade(t, name, msg)
		}
	})
}

// Bodies are not held in memory, and what a message of many parts costs grows with their number.
func TestDowngradeCost(t *testing.T) {
	cost := func(msg string) float64 {
		src := strings.NewReader(msg)
		p, err := Parse(src, src.Size(), nil)
		require.NoError(t, err)
		var d *Downgraded
		n := allocated(func() {
			d, err = Downgrade(src, p)
			require.NoError(t, err)
			_, err = d.WriteTo(io.Discard)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, d.Reader())
			require.NoError(t, err)
		})
		require.True(t, d.Changed())
		return float64(n)
	}
	require.Less(t, cost("A: b\n\n"+strings.Repeat("caf\xe9 ", 1<<20)), float64(256<<10))
	parts := func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n" + strings.Repeat("\n--b\n\n\xe9", n) + "\n--b--\n"
	}
	require.LessOrEqual(t, cost(parts(4000))/cost(parts(2000)), 2.5)
	nested := func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n) + "A: b\n\n\xe9" }
	require.LessOrEqual(t, cost(nested(80))/cost(nested(40)), 2.5)
}

func FuzzDowngrade(f *testing.F) {
	for _, s := range []string{
		"", "\xff", "A: b\n\ncaf\xc3\xa9", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\xe9\n--b--\n\xe9",
		"Content-Type: message/rfc822\n\nContent-Transfer-Encoding: 8bit\n\n\xe9\r\n", "Content-Type: multipart/signed; boundary=b\n\n--b\n\n\xe9",
		"Content-Type: image/x\r\n\r\n\xe9\r\n", "Content-Transfer-Encoding: base64\n\n\xe9YQ==", "Content-Transfer-Encoding: quoted-printable\n\n\xe9=\r\n \x00",
	} {
		f.Add([]byte(s))
	}
	f.Add([]byte("Content-Type: message/rfc822\n\xe9"))
	f.Add([]byte("A: b\nC\x7fd: 8bit\n\n\xe9"))
	f.Add([]byte("Content-Transfer-Encoding: quoted-printable\nC\x7fd: 8bit\n\n\xe9"))
	f.Add([]byte("ent-e/\xff\xff\xff\x80\n\xe9Type: image/x\r\n\r\r\n\n"))
	f.Fuzz(func(t *testing.T, msg []byte) { checkDowngrade(t, "", msg) })
}
