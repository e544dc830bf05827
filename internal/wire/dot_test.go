package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

// slowDot is RFC 5321 section 4.5.2 an octet at a time: the content of the
// body at in's front, where the rest begins, and whether a bare CR or LF was
// in it (content is then that of BarePass). end is -1 when the body has no
// end.
func slowDot(in []byte) (content []byte, end int, bare bool) {
	bol := true
	for i := 0; i < len(in); i++ {
		if bol && in[i] == '.' {
			if bytes.HasPrefix(in[i:], []byte(".\r\n")) {
				return content, i + 3, bare
			}
			bol = false
			continue
		}
		content = append(content, in[i])
		bol = false
		switch {
		case in[i] == '\n' && (i == 0 || in[i-1] != '\r'):
			bare = true
		case in[i] == '\n':
			bol = true
		case in[i] == '\r' && (i+1 == len(in) || in[i+1] != '\n'):
			bare = true
		}
	}
	return content, -1, bare
}

// normalise turns every bare CR and LF into CRLF.
func normalise(b []byte) []byte {
	s := strings.ReplaceAll(string(b), "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	return []byte(strings.ReplaceAll(s, "\n", "\r\n"))
}

const second = "MAIL FROM:<evil@example.org>\r\n"

// Everything that has been tried to end a message early (F1). Each is one
// body whose content holds the second transaction as text.
var fakes = map[string]string{
	"LF.LF": "\n.\n", "CR.CR": "\r.\r", "CR.LF": "\r.\n", "LF.CR": "\n.\r", "LF.CRLF": "\n.\r\n",
	"CRLF.LF": "\r\n.\n", "CR.CRLF": "\r.\r\n", "CRLF.CR": "\r\n.\r", "CRLF NUL.CRLF": "\r\n\x00.\r\n",
	"CRLF.NUL CRLF": "\r\n.\x00\r\n", "CRLF.CRCRLF": "\r\n.\r\r\n", "LFCR.CRLF": "\n\r.\r\n", "CRLF.space CRLF": "\r\n. \r\n",
}

func TestOnlyCRLFDotCRLFEnds(t *testing.T) {
	for name, fake := range fakes {
		in := "one" + fake + second + "\r\n.\r\nQUIT\r\n"
		content, end, bare := slowDot([]byte(in))
		require.Equal(t, "QUIT\r\n", in[end:], name)
		for cut, next := range schedules() {
			t.Run(name+"/"+cut, func(t *testing.T) {
				open := func(p wire.BarePolicy) (*wire.Reader, *wire.DotReader) {
					r := wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
					return r, r.DotBody(wire.DotOptions{Bare: p})
				}
				r, d := open(wire.BareReject)
				got, err := io.ReadAll(d)
				if bare {
					var syntax *wire.SyntaxError
					require.ErrorAs(t, err, &syntax)
					require.True(t, errors.Is(err, wire.ErrBareCR) || errors.Is(err, wire.ErrBareLF))
					require.True(t, bytes.HasPrefix(content, got))
				} else {
					require.NoError(t, err)
					require.Equal(t, string(content), string(got))
				}
				_, err = r.Line(0)
				if bare {
					require.Equal(t, wire.ErrUnread, err)
				}
				if bare {
					require.NoError(t, d.Drain(1000))
					rest, err := r.Line(0)
					require.NoError(t, err)
					require.Equal(t, "QUIT", string(rest))
				}

				r, d = open(wire.BarePass)
				got, err = io.ReadAll(d)
				require.NoError(t, err)
				require.Equal(t, string(content), string(got))
				rest, err := r.Line(0)
				require.NoError(t, err)
				require.Equal(t, "QUIT", string(rest))

				r, d = open(wire.BareNormalise)
				got, err = io.ReadAll(d)
				require.NoError(t, err)
				require.Equal(t, string(normalise(content)), string(got))
				rest, err = r.Line(0)
				require.NoError(t, err)
				require.Equal(t, "QUIT", string(rest))
			})
		}
	}
}

// A dot, a CR and an LF, and the body's end, slid over every place of the
// window (F3), the window filled in one piece and by the octet.
func TestSlide(t *testing.T) {
	for _, odd := range []string{".", "\r", "\n", "\r\n", "\r\n.", "\r\n..", "\r\n.\r\n", "\n.\r\n", "\r.\r\n", "\r\n.\r"} {
		for _, window := range []int{16, 64, 1024} {
			for at := range 2*window + 4 {
				in := []byte(strings.Repeat("a", at) + odd + "tail\r\n.\r\nQUIT\r\n")
				content, end, bare := slowDot(in)
				require.Positive(t, end)
				for _, policy := range []wire.BarePolicy{wire.BareReject, wire.BareNormalise, wire.BarePass} {
					r := wire.NewReader(&chunked{in, always(window)}, wire.Options{MinBuffer: window})
					d := r.DotBody(wire.DotOptions{Bare: policy})
					got, err := io.ReadAll(d)
					switch {
					case policy == wire.BareReject && bare:
						require.Error(t, err)
						require.NoError(t, d.Drain(1<<20))
					case policy == wire.BareNormalise:
						require.NoError(t, err)
						require.Equal(t, string(normalise(content)), string(got))
					default:
						require.NoError(t, err)
						require.Equal(t, string(content), string(got))
						require.EqualValues(t, len(content), d.Size())
					}
					require.EqualValues(t, end, r.Offset())
				}
			}
		}
	}
}

func TestDotBodies(t *testing.T) {
	long := strings.Repeat("l", 4096) + "."
	tests := []struct{ name, in, want string }{
		{"empty", ".\r\n", ""},
		{"one empty line", "\r\n.\r\n", "\r\n"},
		{"first line a stuffed dot", "..\r\n.\r\n", ".\r\n"},
		{"stuffed dots", "..a\r\n...b\r\n.\r\n", ".a\r\n..b\r\n"},
		{"a dot not stuffed is taken away", ".a\r\n.\r\n", "a\r\n"},
		{"a line of 4097 octets that ends in a dot", long + "\r\n.\r\n", long + "\r\n"},
		{"RFC 5321", "Blah blah blah...\r\n..etc. etc. etc.\r\n.\r\n", "Blah blah blah...\r\n.etc. etc. etc.\r\n"},
	}
	for _, tt := range tests {
		for name, next := range schedules() {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				d := wire.NewReader(&chunked{[]byte(tt.in), next}, wire.Options{}).DotBody(wire.DotOptions{})
				got, err := io.ReadAll(d)
				require.NoError(t, err)
				require.Equal(t, tt.want, string(got))
				d = wire.NewReader(&chunked{[]byte(tt.in), next}, wire.Options{}).DotBody(wire.DotOptions{})
				var w bytes.Buffer
				n, err := d.WriteTo(&w)
				require.NoError(t, err)
				require.EqualValues(t, len(tt.want), n)
				require.Equal(t, tt.want, w.String())
			})
		}
	}
}

func TestDotLFLines(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\n.\nrest":      "a\r\nb\r\n",
		"a\r\n.\r\nrest":     "a\r\n",
		"..x\n.\nrest":       ".x\r\n",
		"a\rb\n\n.\nrest":    "a\rb\r\n\r\n",
		".\nrest":            "",
		"x\r\r\n\r\n.\nrest": "x\r\r\n\r\n",
	} {
		for name, next := range schedules() {
			r := wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
			got, err := io.ReadAll(r.DotBody(wire.DotOptions{Bare: wire.BareLFLines}))
			require.NoError(t, err, "%q %s", in, name)
			require.Equal(t, want, string(got), "%q %s", in, name)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "rest", string(rest))
		}
	}
}

func TestDotCutShort(t *testing.T) {
	for _, in := range []string{"", "a", "a\r", "a\r\n", "a\r\n.", "a\r\n.\r", "."} {
		for _, p := range []wire.BarePolicy{wire.BareReject, wire.BareNormalise, wire.BarePass, wire.BareLFLines} {
			r := wire.NewReader(strings.NewReader(in), wire.Options{})
			d := r.DotBody(wire.DotOptions{Bare: p})
			_, err := io.ReadAll(d)
			require.Equal(t, io.ErrUnexpectedEOF, err, "%q", in)
			require.Equal(t, io.ErrUnexpectedEOF, d.Drain(10))
			_, err = r.Line(0)
			require.Equal(t, wire.ErrUnread, err)
		}
	}
}

func TestDotLimits(t *testing.T) {
	in := strings.Repeat("0123456789\r\n", 100) + ".\r\nQUIT\r\n"
	for name, next := range schedules() {
		t.Run(name, func(t *testing.T) {
			r := wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
			d := r.DotBody(wire.DotOptions{MaxSize: 1199})
			b, err := io.ReadAll(d)
			var over *wire.LimitError
			require.ErrorAs(t, err, &over)
			require.Equal(t, "body", over.What)
			require.LessOrEqual(t, len(b), 1199)
			require.NoError(t, d.Drain(1<<20))
			line, err := r.Line(0)
			require.NoError(t, err)
			require.Equal(t, "QUIT", string(line))

			r = wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
			b, err = io.ReadAll(r.DotBody(wire.DotOptions{MaxSize: 1200, MaxLine: 12}))
			require.NoError(t, err)
			require.Len(t, b, 1200)

			r = wire.NewReader(&chunked{[]byte(in), next}, wire.Options{})
			d = r.DotBody(wire.DotOptions{MaxLine: 11})
			_, err = io.ReadAll(d)
			require.ErrorAs(t, err, &over)
			require.Equal(t, "body line", over.What)
			require.NoError(t, d.Drain(1<<20))
			line, err = r.Line(0)
			require.NoError(t, err)
			require.Equal(t, "QUIT", string(line))
		})
	}
	r := wire.NewReader(strings.NewReader(in), wire.Options{})
	var over *wire.LimitError
	require.ErrorAs(t, r.DotBody(wire.DotOptions{}).Drain(100), &over)
}

// What leaves ends nowhere but at its end (F2), and comes back as it went in.
func TestDotWriter(t *testing.T) {
	bodies := []string{"", "\r\n", ".", ".\r\n", "a", "a\r\n", "..\r\n.a\r\n", "x\r\n.\r\ny", "a\r"}
	for _, fake := range fakes {
		bodies = append(bodies, "one"+fake+second, fake)
	}
	for _, body := range bodies {
		for name := range schedules() {
			for _, policy := range []wire.BarePolicy{wire.BareReject, wire.BareNormalise, wire.BarePass, wire.BareLFLines} {
				next := schedules()[name]
				var out bytes.Buffer
				w := wire.NewDotWriter(&out, policy)
				_, err := io.Copy(w, struct{ io.Reader }{&chunked{[]byte(body), next}})
				if err == nil {
					err = w.Close()
				}
				clean := bytes.Equal(normalise([]byte(body)), []byte(body))
				if policy == wire.BareReject && !clean {
					var syntax *wire.SyntaxError
					require.ErrorAs(t, err, &syntax, "%q", body)
					require.NotContains(t, out.String(), "\r\n.\r\n")
					continue
				}
				require.NoError(t, err)
				sent := out.String()
				require.True(t, strings.HasSuffix("\r\n"+sent, "\r\n.\r\n"))
				inner := strings.TrimSuffix(sent, ".\r\n")
				for _, eol := range []string{"\r", "\n", "\r\n"} {
					for _, line := range strings.Split(inner, eol) {
						require.NotEqual(t, ".", strings.Trim(line, "\r\n"), "%q in %q", body, sent)
					}
				}
				want := body
				if policy != wire.BarePass {
					want = string(normalise([]byte(body)))
				}
				if want != "" && !strings.HasSuffix(want, "\r\n") {
					want += "\r\n"
				}
				got, end, _ := slowDot([]byte(sent))
				require.Equal(t, len(sent), end, "%q", body)
				if policy != wire.BarePass || clean {
					require.Equal(t, want, string(got), "%q", body)
				}
				_, err = w.Write([]byte("late"))
				require.Equal(t, io.ErrClosedPipe, err)
				require.NoError(t, w.Close())
			}
		}
	}
}

// A body of bare CRs costs no more for being in one piece: what lies behind
// one of them is not searched anew for each. (It would take longer than a test
// may.)
func TestBareCRsAreLinear(t *testing.T) {
	for _, unit := range []string{"a\r", "\r\n\r"} {
		body := []byte(strings.Repeat(unit, 1<<18) + "\r\n")
		want := int64(len(normalise(body)))
		r := wire.NewReader(io.MultiReader(bytes.NewReader(body), strings.NewReader(".\r\n")), wire.Options{})
		n, err := io.Copy(io.Discard, r.DotBody(wire.DotOptions{Bare: wire.BareNormalise}))
		require.NoError(t, err)
		require.Equal(t, want, n, "%q", unit)
		for _, policy := range []wire.BarePolicy{wire.BareNormalise, wire.BarePass} {
			var sent count
			w := wire.NewDotWriter(&sent, policy)
			_, err = w.Write(body)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			if policy == wire.BareNormalise {
				require.EqualValues(t, want+3, sent, "%q", unit)
			}
		}
	}
}

type count int64

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}

// Bare CRs at every distance from each other and from the scan's end.
func TestBareCRsApart(t *testing.T) {
	for gap := range 300 {
		for _, tail := range []string{"", "\r\n", "\r\n.", ".\r\n"} {
			body := []byte("\r" + strings.Repeat("a", gap) + "\r" + tail + strings.Repeat("b", 40) + "\r\n..\r" + strings.Repeat("c", gap) + tail + "\r\n")
			in := append(append([]byte{}, body...), ".\r\n"...)
			content, end, _ := slowDot(in)
			require.Positive(t, end)
			got, err := io.ReadAll(wire.NewReader(bytes.NewReader(in), wire.Options{}).DotBody(wire.DotOptions{Bare: wire.BareNormalise}))
			require.NoError(t, err)
			require.Equal(t, string(normalise(content)), string(got))

			var out bytes.Buffer
			w := wire.NewDotWriter(&out, wire.BareNormalise)
			_, err = w.Write(body)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			got, err = io.ReadAll(wire.NewReader(&out, wire.Options{}).DotBody(wire.DotOptions{}))
			require.NoError(t, err)
			require.Equal(t, string(normalise(body)), string(got))
		}
	}
}

// What came in one piece with the stream's end is drained and read as ever.
func TestDrainBeforeTheEnd(t *testing.T) {
	r := wire.NewReader(iotest.DataErrReader(strings.NewReader("a\nb\r\n.\r\nQUIT\r\n")), wire.Options{})
	d := r.DotBody(wire.DotOptions{})
	_, err := io.ReadAll(d)
	require.ErrorIs(t, err, wire.ErrBareLF)
	require.NoError(t, d.Drain(100))
	line, err := r.Line(0)
	require.NoError(t, err)
	require.Equal(t, "QUIT", string(line))
	_, err = r.Line(0)
	require.Equal(t, io.EOF, err)
}

type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, io.ErrShortBuffer
	}
	return len(p), nil
}

func TestDotWriterErrorsStick(t *testing.T) {
	w := wire.NewDotWriter(&failing{3}, wire.BareReject)
	_, err := w.Write([]byte("four\r\n"))
	require.Equal(t, io.ErrShortBuffer, err)
	_, err = w.Write([]byte("x"))
	require.Equal(t, io.ErrShortBuffer, err)
	require.Equal(t, io.ErrShortBuffer, w.Close())
	_, err = wire.NewReader(strings.NewReader("a\r\n.\r\n"), wire.Options{}).DotBody(wire.DotOptions{}).WriteTo(&failing{1})
	require.Equal(t, io.ErrShortBuffer, err)
}

func FuzzDotReader(f *testing.F) {
	for _, fake := range fakes {
		f.Add([]byte("one" + fake + second + "\r\n.\r\nQUIT\r\n"))
	}
	f.Add([]byte("..a\r\n.b\r\n\r\n.\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		content, end, bare := slowDot(in)
		for name, next := range schedules() {
			for _, policy := range []wire.BarePolicy{wire.BareReject, wire.BareNormalise, wire.BarePass} {
				r := wire.NewReader(&chunked{in, next}, wire.Options{MinBuffer: 16})
				d := r.DotBody(wire.DotOptions{Bare: policy})
				got, err := io.ReadAll(d)
				switch {
				case policy == wire.BareReject && bare:
					require.Error(t, err)
					if end >= 0 {
						require.NoError(t, d.Drain(1<<40), name)
						require.EqualValues(t, end, r.Offset())
					}
				case end < 0:
					require.Equal(t, io.ErrUnexpectedEOF, err, name)
				default:
					want := content
					if policy == wire.BareNormalise {
						want = normalise(content)
					}
					require.NoError(t, err)
					require.Equal(t, string(want), string(got), name)
					require.EqualValues(t, len(want), d.Size())
					require.EqualValues(t, end, r.Offset())
				}
			}
			// LF lines: no panic, an end or an error.
			_, err := io.ReadAll(wire.NewReader(&chunked{in, next}, wire.Options{MinBuffer: 16}).DotBody(wire.DotOptions{Bare: wire.BareLFLines, MaxLine: 40, MaxSize: 500}))
			_ = err
		}
		if end >= 0 && !bare {
			// The standard library, on what both call a body.
			std, err := io.ReadAll(textproto.NewReader(bufio.NewReader(bytes.NewReader(in))).DotReader())
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(string(content), "\r\n", "\n"), string(std))
		}
	})
}

func FuzzDotWriter(f *testing.F) {
	for _, fake := range fakes {
		f.Add([]byte("one" + fake + second))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		want := normalise(body)
		if len(want) > 0 && !bytes.HasSuffix(want, []byte("\r\n")) {
			want = append(want, "\r\n"...)
		}
		var first []byte
		for name, next := range schedules() {
			var out bytes.Buffer
			w := wire.NewDotWriter(&out, wire.BareNormalise)
			_, err := io.Copy(w, struct{ io.Reader }{&chunked{body, next}})
			require.NoError(t, err)
			require.NoError(t, w.Close())
			if first == nil {
				first = out.Bytes()
			}
			require.Equal(t, string(first), out.String(), name)
			got, err := io.ReadAll(wire.NewReader(&out, wire.Options{}).DotBody(wire.DotOptions{}))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), name)
		}
		var std bytes.Buffer
		dw := textproto.NewWriter(bufio.NewWriter(&std)).DotWriter()
		_, err := dw.Write(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")))
		require.NoError(t, err)
		require.NoError(t, dw.Close())
		if len(want) > 0 {
			require.Equal(t, std.String(), string(first))
		}
	})
}

func TestDotLine(t *testing.T) {
	const body = "a\r\n..b\r\n\r\nlonger\r\nc\nd\r\n.x\r\n.\r\n"
	for name, next := range schedules() {
		for _, lf := range []bool{false, true} {
			policy, want := wire.BarePass, "a\r\n.b\r\n\r\nlonger\r\nc\nd\r\nx\r\n"
			if lf {
				policy, want = wire.BareLFLines, strings.ReplaceAll(want, "c\n", "c\r\n")
			}
			r := wire.NewReader(&chunked{[]byte(body), next}, wire.Options{MinBuffer: 16})
			d := r.DotBody(wire.DotOptions{Bare: policy})
			var got []byte
			for {
				b, err := d.Line(len("longer"))
				if err == io.EOF {
					break
				}
				switch err {
				case nil:
					b = append(bytes.Clone(b), "\r\n"...)
				case wire.ErrNoLine:
					b, err = d.Next()
				}
				require.NoError(t, err, name)
				got = append(got, b...)
			}
			require.Equal(t, want, string(got), name)
			require.EqualValues(t, len(body), r.Offset(), name)
			_, err := d.Next()
			require.Equal(t, io.EOF, err)
		}
	}
	for _, o := range []wire.DotOptions{{}, {Bare: wire.BarePass, MaxLine: 10}, {Bare: wire.BarePass, MaxSize: 10}} {
		_, err := wire.NewReader(strings.NewReader("a\r\n.\r\n"), wire.Options{}).DotBody(o).Line(100)
		require.Equal(t, wire.ErrNoLine, err)
	}
	d := wire.NewReader(strings.NewReader("ab"), wire.Options{}).DotBody(wire.DotOptions{Bare: wire.BarePass})
	_, err := d.Line(100)
	require.Equal(t, wire.ErrNoLine, err)
	b, err := d.Next()
	require.NoError(t, err)
	require.Equal(t, "ab", string(b))
	_, err = d.Next()
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

func TestDotNext(t *testing.T) {
	for name, next := range schedules() {
		r := wire.NewReader(&chunked{[]byte("..a\r\nb\nc\rd\r\n...\r\n.\r\nQUIT\r\n"), next}, wire.Options{MinBuffer: 16})
		d := r.DotBody(wire.DotOptions{Bare: wire.BarePass})
		var got []byte
		for {
			b, err := d.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, name)
			require.NotEmpty(t, b, name)
			got = append(got, b...)
		}
		require.Equal(t, ".a\r\nb\nc\rd\r\n..\r\n", string(got), name)
		line, err := r.Line(0)
		require.NoError(t, err)
		require.Equal(t, "QUIT", string(line))
	}
}
