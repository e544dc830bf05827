package pop3client_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3/pop3client"
)

// FuzzClient lets a server say anything, octet by octet and in pieces: the
// client comes to an end. What it makes of it may differ: words that come
// before they are asked for are an error when they are seen.
func FuzzClient(f *testing.F) {
	for _, s := range []string{
		"+OK ready <a@b>\r\n+OK\r\nPIPELINING\r\nSASL PLAIN\r\n.\r\n+OK 2 320\r\n+OK\r\n1 120\r\n2 200\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n+OK\r\nA: b\r\n\r\n..\r\n.\r\n-ERR [SYS/TEMP] x\r\n+OK\r\nen x\r\n.\r\n+OK\r\na\r\nb\r\nc\r\nd\r\ne\r\n.\r\n+OK\r\n",
		"+OK\n-ERR\n+OK 1 1\n+OK\n1 1\n.\n+OK\n1 x\n.\n+OK\nx\n.\n+OK\n.\n",
		"-ERR [IN-USE] no\r\n", "+OK\r\n+OK\r\n", "+OK\r\n-ERR\r\n+OK 1 -1\r\n\r\n\r\n+OK\r\n1\r\n.\r\n", "+OK [XCLIENT] x\r\n-ERR\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		for _, cut := range []testkit.Chunks{nil, testkit.OneByOne(), testkit.Random(seed, 3)} {
			ctx := context.Background()
			conn := answers(string(input))
			if cut != nil {
				conn.answers[0] = testkit.ChunkReader(strings.NewReader(string(input)), cut)
			}
			o := plaintext
			o.NoCapa = false
			c, err := pop3client.NewClient(ctx, &never{conn}, &o)
			if err != nil {
				continue
			}
			size := 0
			for m, err := range c.RetrieveAll(ctx) {
				if err == nil {
					data, _ := io.ReadAll(m)
					size += len(data)
				}
			}
			for l, err := range c.UIDL(ctx) {
				if err == nil {
					size += len(l.UID)
				}
			}
			for l, err := range c.Languages(ctx) {
				if err == nil {
					size += len(l.Tag)
				}
			}
			_, _ = c.Envelope(ctx, 1)
			if size > 2*len(input) { // line ends of LF become CRLF
				t.Fatalf("%d octets of %d", size, len(input))
			}
		}
	})
}

// never is a connection whose writes go nowhere.
type never struct{ *canned }

func (n *never) Write(p []byte) (int, error) { return len(p), nil }
