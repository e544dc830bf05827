package smtpclient

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

// What goes out in chunks is what goes out by DATA, whatever the pieces.
func FuzzLineEnds(f *testing.F) {
	for _, s := range []string{"", "a", "a\n", "a\r", "\r\n.\r\n", "\n.\n\r.\r", "\r\r\n\n\r"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		for _, policy := range []wire.BarePolicy{wire.BareReject, wire.BareNormalise, wire.BarePass} {
			e := lineEnds{policy: policy}
			var got []byte
			var err error
			for rest := in; len(rest) > 0 && err == nil; {
				n := min(len(rest), max(1, cut&15))
				got, err = e.append(got, rest[:n])
				rest = rest[n:]
			}
			if err == nil {
				got, err = e.end(got)
			}
			var dot bytes.Buffer
			w := wire.NewDotWriter(&dot, policy)
			_, dotErr := w.Write(in)
			if e := w.Close(); dotErr == nil {
				dotErr = e
			}
			require.Equal(t, dotErr == nil, err == nil, "%q", in)
			if err != nil {
				var a, b *wire.SyntaxError
				require.ErrorAs(t, err, &a)
				require.ErrorAs(t, dotErr, &b)
				require.Equal(t, b.Offset, a.Offset, "%q", in)
				require.Equal(t, b.Msg, a.Msg)
				continue
			}
			if policy == wire.BarePass {
				continue // DATA has more dots there, on purpose
			}
			want, err := io.ReadAll(wire.NewReader(&dot, wire.Options{}).DotBody(wire.DotOptions{}))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), "%q", in)
		}
	})
}
