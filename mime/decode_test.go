package mime

// The decoders compared with slower ones that look at each octet.

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

// slowQP is quoted-printable octet by octet: what qpReader has to equal.
type slowQP struct {
	r    io.Reader
	in   [4096]byte
	i, n int
	err  error
	eof  bool
	kept bool
}

func (q *slowQP) fill() {
	n := copy(q.in[:], q.in[q.i:q.n])
	q.i, q.n = 0, n
	for empty := 0; q.n < len(q.in); {
		m, err := q.r.Read(q.in[q.n:])
		q.n += m
		if err == nil && m == 0 {
			if empty++; empty == 100 {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			q.eof, q.err = true, err
			return
		}
		if m > 0 {
			return
		}
	}
}

func (q *slowQP) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	out := 0
	for out < len(p) {
		if q.i == q.n {
			if q.eof {
				break
			}
			if out > 0 {
				return out, nil
			}
			q.fill()
			continue
		}
		if q.kept {
			for out < len(p) && q.i < q.n && (q.in[q.i] == ' ' || q.in[q.i] == '\t') {
				p[out] = q.in[q.i]
				out++
				q.i++
			}
			q.kept = out == len(p) || q.i == q.n
			continue
		}
		// What needs no look beyond the next two octets.
		in, i := q.in[q.i:q.n], 0
	fast:
		for out < len(p) && i < len(in) {
			c := in[i]
			switch {
			case !qpSpecial[c]:
			case i+2 >= len(in):
				break fast
			case c == '=':
				h, l := unhexTable[in[i+1]], unhexTable[in[i+2]]
				if h|l >= 16 {
					break fast
				}
				c = h<<4 | l
				i += 2
			case qpBlank[in[i+1]]:
				break fast
			}
			p[out] = c
			out++
			i++
		}
		q.i += i
		if out == len(p) || q.i == q.n {
			continue
		}
		c := q.in[q.i]
		// An escape or a run of blanks: what it means depends on what follows.
		j := q.i + 1
		for j < q.n && j-q.i <= qpMaxBlanks && (q.in[j] == ' ' || q.in[j] == '\t') {
			j++
		}
		if !q.eof && q.n-j < 2 && j-q.i <= qpMaxBlanks {
			q.fill()
			continue
		}
		rest := q.in[j:q.n]
		eol := 0
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			eol = 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			eol = 2
		}
		if c == '=' {
			switch {
			case j-q.i > qpMaxBlanks:
				p[out] = c
				out++
				q.i++
			case eol > 0:
				q.i = j + eol
			case len(rest) == 0: // at the end: a soft line break
				q.i = j
			case j == q.i+1 && len(rest) > 1 && unhex(rest[0]) >= 0 && unhex(rest[1]) >= 0:
				p[out] = byte(unhex(rest[0])<<4 | unhex(rest[1]))
				out++
				q.i += 3
			default:
				p[out] = c
				out++
				q.i++
			}
			continue
		}
		if j-q.i <= qpMaxBlanks && (eol > 0 || len(rest) == 0) {
			q.i = j // trailing blanks
			continue
		}
		q.kept = true
	}
	if out == 0 {
		return 0, q.err
	}
	return out, nil
}

// cut gives its input in pieces of the sizes that next returns.
type cut struct {
	b    []byte
	next func() int
	err  error // behind the input; nil is io.EOF
}

func (p *cut) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.next())], p.b)
	p.b = p.b[n:]
	return n, nil
}

var sizedBuffer [9001]byte

// readSized reads all of r with buffers of the sizes that next returns, with a mark behind each that has to stay.
func readSized(t testing.TB, r io.Reader, next func() int) ([]byte, error) {
	var out []byte
	buf := sizedBuffer[:]
	for {
		k := next()
		buf[k] = 0xa5
		n, err := r.Read(buf[:k])
		if n > k || buf[k] != 0xa5 {
			require.Fail(t, "written beyond the buffer")
		}
		out = append(out, buf[:n]...)
		if err != nil {
			require.Zero(t, n)
			return out, err
		}
	}
}

// sizes returns sources of sizes: small ones, those of lines and windows, and changing ones.
func sizes(seed uint64) []func() int {
	rnd := func(n int) func() int {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		return func() int { return 1 + r.IntN(n) }
	}
	fixed := func(n int) func() int { return func() int { return n } }
	return []func() int{fixed(1), rnd(3), fixed(7), rnd(20), fixed(78), rnd(200), fixed(4096), rnd(9000), fixed(9000)}
}

// sameDecoded checks that got decodes in as want does, whatever the sizes of reads on both sides.
func sameDecoded(t testing.TB, in []byte, seed uint64, got, want func(io.Reader) io.Reader) {
	fail := error(nil)
	if seed&1 != 0 {
		fail = io.ErrUnexpectedEOF
	}
	w, wantErr := io.ReadAll(want(&cut{in, func() int { return 9000 }, fail}))
	chunks, buffers := sizes(seed), sizes(seed+1)
	for i, chunk := range chunks {
		k := (i*5 + int(seed%9)) % len(buffers)
		if len(in) > 3000 && (i < 2 || k < 2) {
			continue
		}
		g, err := readSized(t, got(&cut{in, chunk, fail}), buffers[k])
		if err == io.EOF {
			err = nil
		}
		require.Equal(t, wantErr, err)
		if !bytes.Equal(w, g) {
			require.Equal(t, string(w), string(g), "reads %d, buffers %d; %q", i, k, in)
		}
	}
}

func sameQP(t testing.TB, in []byte, seed uint64) {
	sameDecoded(t, in, seed, func(r io.Reader) io.Reader { return NewDecoder(r, "quoted-printable") }, func(r io.Reader) io.Reader { return &slowQP{r: r} })
}

func sameBase64(t testing.TB, in []byte, seed uint64) {
	sameDecoded(t, in, seed, func(r io.Reader) io.Reader { return NewDecoder(r, "base64") }, func(r io.Reader) io.Reader { return wire.NewBase64Reader(r) })
}

var qpSeeds = []string{
	"", "=", "==", "===\r\n", "=3D", "=3d=3D=\r\n", "a=3", "a=\r", "a=\rb", "a= \t\r\nb", "a \r\n", "a \r\r\n", "a \n", "a \rb", " \r\n", " ", "\t", "\r\n", "\n\n", "\r", "= ", "= x", "=\t=\n", "=Z1",
	"=C3=A9=E2=82=AC=\r\n", "=3D =3D\t\r\n", "=20 \r\n", "=20\r\n", "a=\n  \n", "a =\nb", "1234567=\r\n", "12345678=3D", "1234567=3D", "123456=3", "\xff\xfe=FF\x00", "a\r\n\r\n\r\nb",
	"a" + strings.Repeat(" ", 600) + "\r\nb", "a" + strings.Repeat(" ", qpMaxBlanks) + "\r\nb", "a" + strings.Repeat(" ", qpMaxBlanks+1) + "\r\nb", "a=" + strings.Repeat("\t", qpMaxBlanks-1) + "\r\nb", "a=" + strings.Repeat(" ", qpMaxBlanks) + "\nb",
	strings.Repeat(" ", 5000) + "=3D" + strings.Repeat(" ", 5000) + "\n", strings.Repeat("= ", 3000), strings.Repeat(" =\n", 2000), strings.Repeat("x", 5000) + " \r\n=3D",
}

func TestQuotedPrintableEqualsSlow(t *testing.T) {
	for _, s := range qpSeeds {
		for seed := range uint64(18) {
			sameQP(t, []byte(s), seed)
		}
	}
	// Each of the edges at each place in a word, and around the end of the window.
	for _, edge := range []string{"=3D", "=\r\n", "=\n", "= \r\n", " \r\n", "\t\n", "\r", "=\r", "=3", "==", "= x", "\r\n", "  x"} {
		for n := range 18 {
			sameQP(t, []byte(strings.Repeat("x", n)+edge+strings.Repeat("y", 17-n)), uint64(n))
		}
		for n := 4096 - 14; n <= 4096; n++ {
			in := []byte(strings.Repeat("x", n) + edge + "tail of it\r\n")
			want, err := io.ReadAll(&slowQP{r: bytes.NewReader(in)})
			require.NoError(t, err)
			got, err := io.ReadAll(NewDecoder(bytes.NewReader(in), "quoted-printable"))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
	}
}

var base64Seeds = func() []string {
	line := strings.Repeat("QUJDREVG", 10)
	seeds := []string{"", "=", "Q", "QQ", "QQ==", "QQ==QUE=", "Q\r\nQ=\n=", "Q===Zm9v", "QU!FB", "\xffQUFB", "QUFB\r", "QUFB\n\n\rQUFB", "QU\r\nFB"}
	for n := 70; n <= 80; n++ {
		l := line[:n]
		seeds = append(seeds, strings.Repeat(l+"\r\n", 3), strings.Repeat(l+"\n", 3), l+"\r"+l+"\r\n", l+"==\r\n"+l)
	}
	// An octet that is not of the alphabet at each place of a line and of what is around it.
	for n := range 80 {
		for _, c := range []string{"=", "-", "\x00", "\x80", "\r", "\n", " ", "=="} {
			l := strings.Repeat(line[:76]+"\r\n", 2)
			seeds = append(seeds, l[:n]+c+l[n+1:], l[:n]+c+l[n:])
		}
	}
	return append(seeds, strings.Repeat(line[:76]+"\r\n", 120), "x"+strings.Repeat(line[:76]+"\r\n", 60), strings.Repeat(line[:64]+"\n", 80))
}()

func TestBase64EqualsSlow(t *testing.T) {
	for i, s := range base64Seeds {
		sameBase64(t, []byte(s), uint64(i))
	}
	// Each octet, in each place of eight.
	for c := range 256 {
		for n := range 8 {
			in := []byte("QUJDREVGR0hJSktM")
			in[n] = byte(c)
			want, err := io.ReadAll(wire.NewBase64Reader(bytes.NewReader(in)))
			require.NoError(t, err)
			got, err := io.ReadAll(NewDecoder(bytes.NewReader(in), "base64"))
			require.NoError(t, err)
			require.Equal(t, want, got, "%q", in)
		}
	}
}

func TestDecoderErrors(t *testing.T) {
	for _, encoding := range []string{"base64", "quoted-printable"} {
		got, err := io.ReadAll(NewDecoder(io.MultiReader(strings.NewReader("Zm9vYg"), iotest.ErrReader(io.ErrUnexpectedEOF)), encoding))
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Equal(t, map[string]string{"base64": "foo", "quoted-printable": "Zm9vYg"}[encoding], string(got))
		_, err = NewDecoder(stuck{}, encoding).Read(make([]byte, 8))
		require.Equal(t, io.ErrNoProgress, err)
		n, err := NewDecoder(strings.NewReader("x"), encoding).Read(nil)
		require.Zero(t, n)
		require.NoError(t, err)
	}
}

func FuzzDecoders(f *testing.F) {
	for _, s := range qpSeeds {
		f.Add([]byte(s), uint64(1))
	}
	for i := 0; i < len(base64Seeds); i += 60 {
		f.Add([]byte(base64Seeds[i]), uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		sameQP(t, in, seed)
		sameBase64(t, in, seed)
	})
}
