package mime

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// The message of RFC 6376 section 3.4.5.
const canonExample = "A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"

func TestCanonicalExample(t *testing.T) {
	for _, eol := range []string{"\r\n", "\n"} {
		msg := []byte(strings.ReplaceAll(canonExample, "\r\n", eol))
		p := ParseBytes(msg, nil)
		names := []string{"A", "B"}
		require.Equal(t, "a:X\r\nb:Y Z\r\n", string(AppendCanonicalHeader(nil, p.Header, names, Relaxed)))
		require.Equal(t, "A: X\r\nB : Y\t\r\n\tZ  \r\n", string(AppendCanonicalHeader(nil, p.Header, names, Simple)))
		require.Equal(t, " C\r\nD E\r\n", canonBody(t, p.Raw(bytes.NewReader(msg)), Relaxed, -1))
		require.Equal(t, " C \r\nD \t E\r\n", canonBody(t, p.Raw(bytes.NewReader(msg)), Simple, -1))
	}
}

func canonBody(t testing.TB, r io.Reader, c Canonicalization, limit int64) string {
	b, err := io.ReadAll(NewCanonicalBody(r, c, limit))
	require.NoError(t, err)
	return string(b)
}

func TestCanonicalBody(t *testing.T) {
	for _, c := range []struct{ in, simple, relaxed string }{
		{"", "\r\n", ""},
		{"\r\n", "\r\n", ""},
		{"\r\n\r\n\r\n", "\r\n", ""},
		{"a", "a\r\n", "a\r\n"},
		{"a\r\n", "a\r\n", "a\r\n"},
		{"a\r\n\r\n\r\n", "a\r\n", "a\r\n"},
		{"a\n\nb\n\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
		{"\r\na", "\r\na\r\n", "\r\na\r\n"},
		{" ", " \r\n", ""},
		{" \t\r\n \r\n", " \t\r\n \r\n", ""},
		{"a \t b \r\n", "a \t b \r\n", "a b\r\n"},
		{" a", " a\r\n", " a\r\n"},
		{"a\r\n \r\n\r\n", "a\r\n \r\n", "a\r\n"},
		{"a \rb", "a \rb\r\n", "a \rb\r\n"},
		{"a\r", "a\r\r\n", "a\r\r\n"},
		{"a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n"},
		{"a\r\r\n", "a\r\r\n", "a\r\r\n"},
		{"\x00é\xff", "\x00é\xff\r\n", "\x00é\xff\r\n"},
	} {
		require.Equal(t, c.simple, canonBody(t, strings.NewReader(c.in), Simple, -1), "%q", c.in)
		require.Equal(t, c.relaxed, canonBody(t, strings.NewReader(c.in), Relaxed, -1), "%q", c.in)
		require.Equal(t, c.simple, canonBody(t, iotest.OneByteReader(strings.NewReader(c.in)), Simple, -1), "%q", c.in)
		require.Equal(t, c.relaxed, canonBody(t, iotest.DataErrReader(strings.NewReader(c.in)), Relaxed, -1), "%q", c.in)
		for n := range len(c.simple) + 1 {
			require.Equal(t, c.simple[:n], canonBody(t, strings.NewReader(c.in), Simple, int64(n)))
		}
	}
	_, err := io.ReadAll(NewCanonicalBody(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(errFull)), Relaxed, -1))
	require.ErrorIs(t, err, errFull)
}

// The hashes of an empty body in RFC 6376 sections 3.4.3 and 3.4.4.
func TestCanonicalEmptyBody(t *testing.T) {
	for _, c := range []struct {
		h    hash.Hash
		c    Canonicalization
		want string
	}{
		{sha1.New(), Simple, "uoq1oCgLlTqpdDX/iUbLy7J1Wic="},
		{sha256.New(), Simple, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="},
		{sha1.New(), Relaxed, "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
		{sha256.New(), Relaxed, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
	} {
		_, err := io.Copy(c.h, NewCanonicalBody(strings.NewReader(""), c.c, -1))
		require.NoError(t, err)
		require.Equal(t, c.want, base64.StdEncoding.EncodeToString(c.h.Sum(nil)))
	}
	require.Equal(t, "simple", Simple.String())
	require.Equal(t, "relaxed", Relaxed.String())
}

// Fields are taken from the bottom up, and names that stand too often add nothing (RFC 6376 section 5.4.2).
func TestCanonicalHeaderSelection(t *testing.T) {
	h := ParseHeader([]byte("Received: one\r\nX-A: x\r\nreceived: two\r\nRECEIVED: three\r\nno field\r\nEmpty:\r\nLast: l"))
	for _, c := range []struct {
		names string
		want  string
	}{
		{"received", "received:three\r\n"},
		{"Received:received", "received:three\r\nreceived:two\r\n"},
		{"received: x-a :received:received:received:X-A", "received:three\r\nx-a:x\r\nreceived:two\r\nreceived:one\r\n"},
		{"none", ""},
		{"empty:last", "empty:\r\nlast:l\r\n"},
	} {
		require.Equal(t, c.want, string(AppendCanonicalHeader(nil, h, strings.Split(c.names, ":"), Relaxed)))
	}
	require.Equal(t, "pre-RECEIVED: three\r\nLast: l\r\n", string(AppendCanonicalHeader([]byte("pre-"), h, []string{"received", "last"}, Simple)))
}

func TestCanonicalSignature(t *testing.T) {
	for _, c := range []struct{ in, simple, relaxed string }{
		{"DKIM-Signature: v=1; b=abc\r\n", "DKIM-Signature: v=1; b=", "dkim-signature:v=1; b="},
		{"DKIM-Signature: v=1; b = a\r\n bc ; bh=x=\r\n", "DKIM-Signature: v=1; b =; bh=x=", "dkim-signature:v=1; b =; bh=x="},
		{"DKIM-Signature: b=x;bh=y;\n\tc=b\n", "DKIM-Signature: b=;bh=y;\r\n\tc=b", "dkim-signature:b=;bh=y; c=b"},
		{"DKIM-Signature: v=1\r\n", "DKIM-Signature: v=1", "dkim-signature:v=1"},
		{"DKIM-Signature:\r\n", "DKIM-Signature:", "dkim-signature:"},
		{"DKIM-Signature: b=", "DKIM-Signature: b=", "dkim-signature:b="},
	} {
		f, ok := ParseHeader([]byte(c.in)).Get("dkim-signature")
		require.True(t, ok)
		require.Equal(t, c.simple, string(AppendCanonicalSignature(nil, f, Simple)))
		require.Equal(t, c.relaxed, string(AppendCanonicalSignature(nil, f, Relaxed)))
	}
}

func tags(s string) map[string]string {
	m := make(map[string]string)
	for _, t := range strings.Split(s, ";") {
		if n, v, ok := strings.Cut(t, "="); ok {
			m[strings.TrimSpace(n)] = strings.TrimSpace(v)
		}
	}
	return m
}

func publicKey(t *testing.T, file string) crypto.PublicKey {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	require.NotNil(t, block)
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	return k
}

// verifyDKIM checks every signature of the message: its body hash, and where key knows the selector, the signature itself.
func verifyDKIM(t *testing.T, msg []byte, key func(domain, selector string) crypto.PublicKey) (hashes, signatures int) {
	p := ParseBytes(msg, nil)
	for f := range p.Header.All("DKIM-Signature") {
		s := tags(f.Unfolded())
		hc, bc, _ := strings.Cut(s["c"], "/")
		canon := map[string]Canonicalization{"relaxed": Relaxed}
		alg := crypto.SHA256
		if strings.HasSuffix(s["a"], "sha1") {
			alg = crypto.SHA1
		}
		limit := int64(-1)
		if l, ok := s["l"]; ok {
			var err error
			limit, err = strconv.ParseInt(l, 10, 64)
			require.NoError(t, err)
		}
		h := alg.New()
		_, err := io.Copy(h, NewCanonicalBody(p.Raw(bytes.NewReader(msg)), canon[bc], limit))
		require.NoError(t, err)
		strip := strings.NewReplacer(" ", "", "\t", "")
		require.Equal(t, strip.Replace(s["bh"]), base64.StdEncoding.EncodeToString(h.Sum(nil)), "body hash of %s", s["d"])
		hashes++

		k := key(s["d"], s["s"])
		if k == nil {
			continue
		}
		data := AppendCanonicalHeader(nil, p.Header, strings.Split(s["h"], ":"), canon[hc])
		data = AppendCanonicalSignature(data, f, canon[hc])
		h = alg.New()
		h.Write(data)
		sig, err := base64.StdEncoding.DecodeString(strip.Replace(s["b"]))
		require.NoError(t, err)
		switch k := k.(type) {
		case *rsa.PublicKey:
			require.NoError(t, rsa.VerifyPKCS1v15(k, alg, h.Sum(nil), sig), "signature of %s", s["s"])
		case ed25519.PublicKey:
			require.True(t, ed25519.Verify(k, h.Sum(nil), sig), "signature of %s", s["s"])
		}
		signatures++
	}
	return hashes, signatures
}

// Real signatures, with the line endings that the mail had and with those of a file.
func TestDKIMCorpus(t *testing.T) {
	dir := filepath.Join(testkit.Corpus(t), "mimekit", "dkim")
	gmail := publicKey(t, filepath.Join(dir, "gmail.pub"))
	// RFC 8463 appendix A.2.
	ed, err := base64.StdEncoding.DecodeString("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	require.NoError(t, err)
	der, err := base64.StdEncoding.DecodeString("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
		"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB")
	require.NoError(t, err)
	football, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	key := func(domain, selector string) crypto.PublicKey {
		switch {
		case domain == "gmail.com" && selector == "20120113":
			return gmail
		case domain == "football.example.com" && selector == "brisbane":
			return ed25519.PublicKey(ed)
		case domain == "football.example.com" && selector == "test":
			return football
		}
		return nil
	}
	for _, c := range []struct {
		file               string
		hashes, signatures int
	}{
		{"gmail.msg", 1, 1},
		{"related.msg", 1, 1},
		{"multipart-no-end-boundary.msg", 1, 1},
		{"rfc8463-example.msg", 2, 2},
	} {
		msg, err := os.ReadFile(filepath.Join(dir, c.file))
		require.NoError(t, err)
		lf := bytes.ReplaceAll(msg, []byte("\r\n"), []byte("\n"))
		for _, m := range [][]byte{msg, lf, bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))} {
			hashes, signatures := verifyDKIM(t, m, key)
			require.Equal(t, c.hashes, hashes, c.file)
			require.Equal(t, c.signatures, signatures, c.file)
		}
	}
}

var (
	trailingWSP = regexp.MustCompile(`[ \t]+(\r\n|$)`)
	manyWSP     = regexp.MustCompile(`[ \t]+`)
	lastLines   = regexp.MustCompile(`(\r\n)*$`)
)

// naiveCanonical is RFC 6376 section 3.4 word for word, over a body in memory.
func naiveCanonical(body string, c Canonicalization) string {
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\n", "\r\n")
	if c == Relaxed {
		body = trailingWSP.ReplaceAllString(body, "$1")
		body = manyWSP.ReplaceAllString(body, " ")
	}
	body = body[:lastLines.FindStringIndex(body)[0]]
	if body == "" && c == Relaxed {
		return ""
	}
	return body + "\r\n"
}

func FuzzCanonicalBody(f *testing.F) {
	for _, s := range []string{"", "\r\n", "a \t b\r\n\r\n", "a\n\nb", " \r\n", "\r\r\n", "a\r \n", strings.Repeat("\r\n", 9000) + "x"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, body string, n int) {
		n = 1 + (n&0x7fffffff)%5000
		for _, c := range []Canonicalization{Simple, Relaxed} {
			want := naiveCanonical(body, c)
			require.Equal(t, want, canonBody(t, strings.NewReader(body), c, -1))
			require.Equal(t, want, canonBody(t, &pieces{[]byte(body), n}, c, -1))
			// It is canonical already.
			require.Equal(t, want, canonBody(t, strings.NewReader(want), c, -1))
		}
	})
}

// pieces is a reader that yields n octets at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

func FuzzCanonicalHeader(f *testing.F) {
	f.Add([]byte(canonExample), "a:b")
	f.Add([]byte("A:b\r\n\r\n"), "")
	f.Fuzz(func(t *testing.T, raw []byte, names string) {
		h := ParseHeader(raw)
		for field := range h.Fields() {
			if field.Name() == "" {
				continue
			}
			one := AppendCanonicalField(nil, field, Relaxed)
			// The canonical form is its own, and one line.
			again, ok := ParseHeader(one).Get(strings.ToLower(field.Name()))
			if ok {
				require.Equal(t, string(one), string(AppendCanonicalField(nil, again, Relaxed)))
			}
			require.Equal(t, 1, bytes.Count(one, []byte("\n")))
			AppendCanonicalSignature(nil, field, Relaxed)
			AppendCanonicalSignature(nil, field, Simple)
		}
		AppendCanonicalHeader(nil, h, strings.Split(names, ":"), Relaxed)
	})
}

// What is held back does not grow with the body.
func TestCanonicalBodyMemory(t *testing.T) {
	r := NewCanonicalBody(io.MultiReader(&repeat{s: "\r\n", n: 8 << 20}, &repeat{s: " ", n: 8 << 20}, strings.NewReader("x")), Relaxed, -1)
	h := sha256.New()
	var n int64
	require.Less(t, allocated(func() {
		var err error
		n, err = io.Copy(h, r)
		require.NoError(t, err)
	}), uint64(256<<10))
	require.EqualValues(t, 8<<20+len(" x\r\n"), n)
}

func BenchmarkCanonicalBody(b *testing.B) {
	body := []byte(strings.Repeat("A line of text with a café in it,  and a bit more than that = fine. \r\n", 15000))
	for _, c := range []Canonicalization{Simple, Relaxed} {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = io.Copy(io.Discard, NewCanonicalBody(bytes.NewReader(body), c, -1))
			}
		})
	}
}
