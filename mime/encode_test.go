package mime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// encodeAll writes content through an encoder in pieces of n octets.
func encodeAll(content []byte, encoding string, text bool, n int) ([]byte, error) {
	var out bytes.Buffer
	w, err := NewEncoder(&out, encoding, text)
	if err != nil {
		return nil, err
	}
	for len(content) > 0 {
		k := min(n, len(content))
		if _, err := w.Write(content[:k]); err != nil {
			return out.Bytes(), err
		}
		content = content[k:]
	}
	err = w.Close()
	return out.Bytes(), err
}

func TestEncoder(t *testing.T) {
	x74, x75, x76 := strings.Repeat("x", 74), strings.Repeat("x", 75), strings.Repeat("x", 76)
	for _, c := range []struct {
		encoding  string
		text      bool
		in, want  string
		wantError string
	}{
		{"7bit", true, "a\nb\r\nc", "a\r\nb\r\nc", ""},
		{"7BIT", false, "a\r\nb", "a\r\nb", ""},
		{"7bit", true, "\n\n", "\r\n\r\n", ""},
		{"7bit", false, "a\nb", "", "mime: 7bit content: LF alone at offset 1"},
		{"7bit", true, "a\rb", "a", "mime: 7bit content: CR alone at offset 1"},
		{"7bit", true, "ab\r", "ab", "mime: 7bit content: CR alone at offset 2"},
		{"7bit", true, "\r\r\n", "", "mime: 7bit content: CR alone at offset 0"},
		{"7bit", true, "a\x00", "", "mime: 7bit content: NUL at offset 1"},
		{"7bit", true, "é", "", "mime: 7bit content: an octet over 127 at offset 0"},
		{"8bit", true, "é\n", "é\r\n", ""},
		{"7bit", true, strings.Repeat("x", 998) + "\r\n", strings.Repeat("x", 998) + "\r\n", ""},
		{"8bit", true, strings.Repeat("x", 999), "", "mime: 8bit content: a line of more than 998 octets at offset 998"},
		{"binary", false, "a\nb\x00\xff\r", "a\nb\x00\xff\r", ""},
		{"binary", true, "a\nb\r\nc\r\r\n", "a\r\nb\r\nc\r\r\n", ""},
		{"base64", false, "", "", ""},
		{"base64", false, "a\n", "YQo=\r\n", ""},
		{"base64", true, "a\n", "YQ0K\r\n", ""},
		{"Base64", false, strings.Repeat("a", 58), strings.Repeat("YWFh", 19) + "\r\nYQ==\r\n", ""},
		{"quoted-printable", true, "", "", ""},
		{"quoted-printable", true, "café = 1\n", "caf=C3=A9 =3D 1\r\n", ""},
		{"quoted-printable", true, "a \nb\t\r\nc ", "a=20\r\nb=09\r\nc=20", ""},
		{"quoted-printable", true, "a  b", "a  b", ""},
		{"quoted-printable", true, "a\rb\r\r\nc\r", "a=0Db=0D\r\nc=0D", ""},
		{"quoted-printable", true, "\x00\x7f\x1b~", "=00=7F=1B~", ""},
		{"quoted-printable", false, "a\nb\r\n", "a=0Ab=0D=0A", ""},
		{"quoted-printable", false, "a ", "a=20", ""},
		{"quoted-printable", true, x76 + "\n", x76 + "\r\n", ""},
		{"quoted-printable", true, x76 + "x\n", x75 + "=\r\nxx\r\n", ""},
		{"quoted-printable", true, x76, x76, ""},
		{"quoted-printable", true, x75 + " \n", x75 + "=\r\n=20\r\n", ""},
		{"quoted-printable", true, x74 + "é", x74 + "=\r\n=C3=A9", ""},
		{"quoted-printable", true, x76[:72] + "=\n", x76[:72] + "=3D\r\n", ""},
		{"quoted-printable", true, x76[:73] + "=\n", x76[:73] + "=3D\r\n", ""},
		{"quoted-printable", true, x76[:74] + "=\n", x76[:74] + "=\r\n=3D\r\n", ""},
		{"quoted-printable", false, x76[:73] + "=\n", x76[:73] + "=\r\n=3D=0A", ""},
	} {
		for _, n := range []int{1, 2, 3, 7, 75, 1 << 20} {
			got, err := encodeAll([]byte(c.in), c.encoding, c.text, n)
			if c.wantError != "" {
				require.EqualError(t, err, c.wantError, "%q in pieces of %d", c.in, n)
				var e *ContentError
				require.ErrorAs(t, err, &e)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(got), "%q in pieces of %d", c.in, n)
		}
	}
	_, err := NewEncoder(io.Discard, "uuencode", true)
	require.EqualError(t, err, `mime: no transfer encoding "uuencode"`)
}

type failingWriter struct{ room int }

var errFull = fmt.Errorf("full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An error of the writer behind an encoder is returned, at the latest by Close.
func TestEncoderWriteError(t *testing.T) {
	for _, encoding := range []string{"7bit", "8bit", "binary", "quoted-printable", "base64"} {
		for _, text := range []bool{false, true} {
			w, err := NewEncoder(&failingWriter{room: 100}, encoding, text)
			require.NoError(t, err)
			for range 10000 {
				if _, err = w.Write([]byte("some text\r\n")); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, errFull, encoding)
			if encoding != "binary" || text {
				require.ErrorIs(t, w.Close(), errFull, encoding)
			}
		}
	}
}

func TestTransferEncoding(t *testing.T) {
	l998 := strings.Repeat("x", 998)
	for _, c := range []struct {
		in             string
		text, eightBit bool
		want           string
	}{
		{"", true, false, "7bit"},
		{"Hello\n", true, false, "7bit"},
		{"Hello\r\n", false, false, "7bit"},
		{"Hello\n", false, false, "base64"},
		{"\x1b$B!!\x1b(B", true, false, "7bit"}, // ISO-2022-JP
		{l998 + "\r\n" + l998, true, false, "7bit"},
		{l998 + "x", true, false, "quoted-printable"},
		{l998 + "x\n", true, true, "quoted-printable"},
		{"café\n", true, true, "8bit"},
		{"a café au lait\n", true, false, "quoted-printable"},
		{"Привет мир\n", true, false, "base64"},
		{"Привет мир\n", true, true, "8bit"},
		{"caf\xe9 au lait\r\n", false, false, "quoted-printable"},
		{"caf\xe9 au lait\n", false, false, "base64"},
		{"a\x00b", true, true, "base64"},
		{"some words\rof old", true, true, "quoted-printable"},
		{"some words\rof old", false, true, "base64"},
		{"ends in CR\r", true, true, "quoted-printable"},
		{"===========", true, false, "7bit"},
	} {
		require.Equal(t, c.want, TransferEncoding([]byte(c.in), c.text, c.eightBit), "%q", c.in)
	}
}

// What is encoded reads back, by our decoder and by the standard library's; in any pieces; in lines of 76 octets.
func FuzzEncoder(f *testing.F) {
	for _, s := range []string{"", "a\n", "a \n", "café\r\n", "a\rb", "\r\n\r\n", strings.Repeat("=", 90), strings.Repeat(" ", 90) + "\n", strings.Repeat("x", 75) + " \r", "\x00\xff"} {
		f.Add([]byte(s), 3, true)
		f.Add([]byte(s), 1, false)
	}
	f.Fuzz(func(t *testing.T, content []byte, n int, text bool) {
		n = 1 + (n&0x7fffffff)%100
		want := content
		if text {
			want = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		}
		for _, encoding := range []string{"quoted-printable", "base64", "binary", "8bit", "7bit"} {
			whole, err := encodeAll(content, encoding, text, len(content)+1)
			pieces, perr := encodeAll(content, encoding, text, n)
			if err != nil {
				require.Equal(t, err, perr)
				continue
			}
			require.NoError(t, perr)
			require.Equal(t, string(whole), string(pieces))
			if encoding != "binary" {
				require.NotContains(t, strings.ReplaceAll(string(whole), "\r\n", ""), "\n")
			}
			switch encoding {
			case "quoted-printable":
				for _, l := range bytes.Split(whole, lineCRLF) {
					require.LessOrEqual(t, len(l), 76)
					require.Equal(t, len(bytes.TrimRight(l, " \t")), len(l))
				}
				std, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(whole)))
				require.NoError(t, err)
				require.Equal(t, string(want), string(std))
			case "base64":
				require.Equal(t, base64.StdEncoding.EncodeToString(want), strings.ReplaceAll(string(whole), "\r\n", ""))
			}
			got, err := io.ReadAll(NewDecoder(bytes.NewReader(whole), encoding))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), "%s %q", encoding, whole)
		}
		// The encoding that is chosen can carry the content.
		for _, eightBit := range []bool{false, true} {
			e := TransferEncoding(content, text, eightBit)
			out, err := encodeAll(content, e, text || e == "quoted-printable", n)
			require.NoError(t, err, "%s", e)
			got, err := io.ReadAll(NewDecoder(bytes.NewReader(out), e))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
	})
}

func BenchmarkEncoder(b *testing.B) {
	prose := []byte(strings.Repeat("A line of text with a café in it, and a bit more than that = fine.\r\n", 15000))
	binary := bytes.Repeat([]byte("\x00\x01\x02\xfd\xfe\xff abc\n"), 100000)
	for _, c := range []struct {
		encoding string
		text     bool
		content  []byte
	}{{"8bit", true, prose}, {"quoted-printable", true, prose}, {"quoted-printable", false, binary}, {"base64", true, prose}, {"base64", false, binary}} {
		b.Run(fmt.Sprintf("%s/text=%v", c.encoding, c.text), func(b *testing.B) {
			b.SetBytes(int64(len(c.content)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewEncoder(io.Discard, c.encoding, c.text)
				if err == nil {
					_, err = w.Write(c.content)
				}
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("stdlib quotedprintable", func(b *testing.B) {
		b.SetBytes(int64(len(prose)))
		b.ReportAllocs()
		for b.Loop() {
			w := quotedprintable.NewWriter(io.Discard)
			_, _ = w.Write(prose)
			_ = w.Close()
		}
	})
}

func BenchmarkTransferEncoding(b *testing.B) {
	prose := []byte(strings.Repeat("A line of text with a café in it, and a bit more than that = fine.\r\n", 15000))
	b.SetBytes(int64(len(prose)))
	b.ReportAllocs()
	for b.Loop() {
		TransferEncoding(prose, true, false)
	}
}
