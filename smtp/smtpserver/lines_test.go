package smtpserver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
)

// lines runs a textCheck over pieces.
func lines(policy BareLineEnds, max int, pieces ...[]byte) (string, error) {
	t := textCheck{policy: policy, max: max}
	var out []byte
	for _, p := range pieces {
		for len(p) > 0 {
			n, b, err := t.scan(p)
			if err != nil {
				return string(out), err
			}
			out = append(out, b...)
			p = p[n:]
		}
	}
	if t.cr {
		if err := t.bare(); err != nil {
			return string(out), err
		}
		out = append(out, crlf...)
	}
	return string(out), nil
}

// A message in chunks and one by DATA are the same, whatever is wrong with
// their lines.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "a\r\n", "a\nb\r\n", "a\rb\r\n", "\r\r\n\n", "\r", "a\r\nb\r", "\n\n\n\r\r\r", strings.Repeat("x\n", 100)} {
		f.Add([]byte(s), uint64(len(s)), 0)
		f.Add([]byte(s), uint64(len(s)), 4)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, max int) {
		if max < 0 || max > 100 {
			max = 0
		}
		for _, policy := range []BareLineEnds{BareReject, BareNormalise, BarePass} {
			whole, wholeErr := lines(policy, max, in)
			var pieces [][]byte
			r := testkit.ChunkReader(bytes.NewReader(in), testkit.Random(seed, 4))
			for {
				b := make([]byte, 10)
				n, err := r.Read(b)
				pieces = append(pieces, b[:n])
				if err != nil {
					break
				}
			}
			got, err := lines(policy, max, pieces...)
			require.Equal(t, wholeErr == nil, err == nil)
			if err == nil {
				require.Equal(t, whole, got)
			}
			// By DATA the last line has an end.
			if len(in) > 0 && !bytes.HasSuffix(in, []byte("\r\n")) || max > 0 {
				continue
			}
			stuffed := bytes.ReplaceAll(append([]byte("\r\n"), in...), []byte("\r\n."), []byte("\r\n.."))[2:]
			d := wire.NewReader(bytes.NewReader(append(stuffed, ".\r\n"...)), wire.Options{}).DotBody(wire.DotOptions{Bare: policy.policy()})
			var want bytes.Buffer
			_, dotErr := d.WriteTo(&want)
			require.Equal(t, dotErr == nil, wholeErr == nil, "%q", in)
			if dotErr == nil {
				require.Equal(t, want.String(), whole)
			}
		}
	})
}

// The cost is linear, also of nothing but bare CRs or LFs.
func TestLinesAreLinear(t *testing.T) {
	for _, unit := range []string{"\r", "\n", "\n\r", "x\n", "\rx", "\r\n"} {
		steps := func(n int) int {
			check := textCheck{policy: BareNormalise}
			in := bytes.Repeat([]byte(unit), n)
			looked := 0
			for len(in) > 0 {
				span := len(in)
				if check.span > 0 {
					span = min(span, check.span)
				}
				n, _, _ := check.scan(in[:min(len(in), 16<<10)])
				looked += min(span, 16<<10)
				in = in[n:]
			}
			return looked
		}
		require.LessOrEqual(t, steps(40000), 5*steps(10000)+1000, "%q", unit)
	}
}
