package smtpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// A chunk is content, whatever it looks like: ends of messages, commands, BDAT.
func TestSmugglingInChunks(t *testing.T) {
	for _, fake := range append([]string{"\r\n.\r\n", "\r\nBDAT 0 LAST\r\nRSET\r\n"}, endFakes...) {
		const second = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nsecond\r\n.\r\n"
		content := "first" + fake + second
		bare := bytes.ContainsAny(bytes.ReplaceAll([]byte(fake), []byte("\r\n"), nil), "\r\n")
		for _, policy := range []smtpserver.BareLineEnds{smtpserver.BareReject, smtpserver.BareNormalise, smtpserver.BarePass} {
			for _, size := range []int{len(content), 7, 1} {
				for _, cut := range []testkit.Chunks{testkit.Random(1, 7), testkit.Random(2, 1000)} {
					b := &backend{}
					srv := newServer(b)
					srv.BareLineEnds = policy
					srv.Limits.MaxErrors = -1
					l, stop := start(t, srv)
					var in strings.Builder
					in.WriteString("EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\n")
					for i := 0; i < len(content); i += size {
						part := content[i:min(i+size, len(content))]
						last := ""
						if i+size >= len(content) {
							last = " LAST"
						}
						fmt.Fprintf(&in, "BDAT %d%s\r\n%s", len(part), last, part)
					}
					in.WriteString("QUIT\r\n")
					conn := dial(t, l)
					readGreeting(t, conn)
					c := testkit.ChunkConn(conn, nil, cut)
					_, err := io.WriteString(c, in.String())
					require.NoError(t, err)
					out, err := io.ReadAll(c)
					require.NoError(t, err)
					stop()
					what := fmt.Sprintf("%q policy %d size %d:\n%s", fake, policy, size, out)
					require.Equal(t, "mail rcpt data reset close", b.noted(), what)
					require.True(t, bytes.HasSuffix(out, []byte("\r\n221 2.0.0 mx.example.org closing the channel\r\n")), what)
					if bare && policy == smtpserver.BareReject {
						require.Empty(t, b.got(), what)
						require.Contains(t, string(out), "\r\n550 5.6.0 ", what)
						continue
					}
					require.Len(t, b.got(), 1, what)
					if !bare || policy == smtpserver.BarePass {
						require.Equal(t, content, b.got()[0].data, what)
					}
				}
			}
		}
	}
}

// A connection that breaks inside or between chunks leaves no message.
func TestBrokenInChunks(t *testing.T) {
	const head = "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 6\r\nRSET\r\n"
	const rest = "BDAT 40 LAST\r\nQUIT\r\nMAIL FROM:<evil@x.example>\r\n"
	for n := 0; n <= len(rest); n += 3 {
		b := &backend{}
		l, stop := start(t, newServer(b))
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, head+rest[:n])
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		out, _ := io.ReadAll(conn)
		stop()
		require.Equal(t, "mail rcpt data close", b.noted())
		require.Empty(t, b.got())
		require.True(t, bytes.HasSuffix(out, []byte("\r\n250 2.0.0 6 octets received\r\n")), "%s", out)
	}
}

// The size of a chunk is a promise that costs nothing.
func TestHugeChunks(t *testing.T) {
	for _, size := range []string{"9223372036854775807", "18446744073709551616", "4294967296", "300000000"} {
		for _, max := range []int64{10000, -1} {
			b := &backend{}
			srv := newServer(b)
			srv.Limits.MaxMessageSize = max
			l, stop := start(t, srv)
			conn := dial(t, l)
			readGreeting(t, conn)
			_, err := io.WriteString(conn, "EHLO c\r\nBDAT "+size+"\r\nRSET\r\n")
			require.NoError(t, err)
			out, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(out), "\r\n503 5.5.1 Need MAIL command\r\n"), "%s", out)

			conn = dial(t, l)
			readGreeting(t, conn)
			_, err = io.WriteString(conn, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 2\r\n\r\nBDAT "+size+" LAST\r\nRSET\r\n")
			require.NoError(t, err)
			require.NoError(t, conn.CloseWrite())
			out, _ = io.ReadAll(conn)
			if max > 0 {
				require.True(t, strings.HasSuffix(string(out), "\r\n552 5.3.4 Message larger than the limit of 10000 octets\r\n"), "%s", out)
			}
			stop()
			require.Empty(t, b.got())
		}
	}
}

// A backend that copies gets what one that reads gets.
func TestChunksCopied(t *testing.T) {
	var got bytes.Buffer
	failed := errors.New("full")
	srv := newServer(smtpserver.MessageFunc(func(_ context.Context, env *smtp.Envelope, r io.Reader) error {
		if env.From.Local == "full" {
			_, err := io.Copy(failingWriter{failed}, r)
			if !errors.Is(err, failed) {
				return nil
			}
			return smtp.Errorf(452, smtp.EnhancedCode{4, 3, 1}, "%s", err)
		}
		_, err := io.Copy(&got, r)
		return err
	}))
	srv.BareLineEnds = smtpserver.BareNormalise
	l, stop := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 3\r\na\nbBDAT 0\r\nBDAT 4\r\n\r\r\ncBDAT 2 LAST\r\n.\r"+
		"MAIL FROM:<full@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 6\r\nabcdefRSET\r\nQUIT\r\n")
	require.Contains(t, out, "250 2.0.0 Message accepted\r\n")
	require.Contains(t, out, "452 4.3.1 full\r\n250 2.0.0 OK\r\n221 ")
	stop()
	require.Equal(t, "a\r\nb\r\n\r\nc.\r\n", got.String())
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }
