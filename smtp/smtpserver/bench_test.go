package smtpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// serveTCP serves what throws messages away, on loopback.
func serveTCP(b *testing.B) string {
	srv := newServer(smtpserver.MessageFunc(func(_ context.Context, _ *smtp.Envelope, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}))
	srv.Limits.MaxMessageSize, srv.Limits.MaxConns, srv.Limits.MaxConnsPerAddr = 64<<20, -1, -1
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close(); <-done; _ = srv.Shutdown(context.Background()) })
	return l.Addr().String()
}

// BenchmarkMessage is one session that sends one message after another, by
// DATA and in one chunk, each transaction in two writes and in one.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{1 << 10, 10 << 10, 1 << 20} {
		body := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), size/78)
		for _, bdat := range []bool{false, true} {
			name := fmt.Sprintf("data/%d", size)
			if bdat {
				name = fmt.Sprintf("bdat/%d", size)
			}
			b.Run(name, func(b *testing.B) {
				conn, err := net.Dial("tcp", serveTCP(b))
				require.NoError(b, err)
				defer conn.Close()
				r := bufio.NewReader(conn)
				expect := func(code string) {
					for {
						line, err := r.ReadSlice('\n')
						if err != nil || string(line[:3]) != code {
							b.Fatalf("%s %v", line, err)
						}
						if line[3] == ' ' {
							return
						}
					}
				}
				expect("220")
				_, _ = io.WriteString(conn, "EHLO c\r\n")
				expect("250")
				head := []byte("MAIL FROM:<someone@example.org> BODY=8BITMIME\r\nRCPT TO:<someone.else@example.com>\r\n")
				text := append(bytes.Clone(body), ".\r\n"...)
				if bdat {
					text = nil
					head = append(append(head, fmt.Sprintf("BDAT %d LAST\r\n", len(body))...), body...)
				} else {
					head = append(head, "DATA\r\n"...)
				}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					_, _ = conn.Write(head)
					expect("250")
					expect("250")
					if !bdat {
						expect("354")
						_, _ = conn.Write(text)
					}
					expect("250")
				}
			})
		}
	}
}

// BenchmarkIdle is the memory of a connection that said EHLO and waits, its
// client's not counted.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	addr := serveTCP(b)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := make([]net.Conn, n)
		buf := make([]byte, 512)
		for i := range conns {
			c, err := net.Dial("tcp", addr)
			require.NoError(b, err)
			_, err = c.Read(buf)
			require.NoError(b, err)
			_, _ = io.WriteString(c, "EHLO c\r\n")
			_, err = c.Read(buf)
			require.NoError(b, err)
			conns[i] = c
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "heap-B/conn")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stack-B/conn")
		for _, c := range conns {
			c.Close()
		}
	}
}
