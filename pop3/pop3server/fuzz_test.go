package pop3server_test

import (
	"io"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3/pop3server"
)

// FuzzSession sends anything to a server, in one piece and in pieces: it says
// the same, in lines, and the maildrop is closed.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"USER a\r\nPASS b\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nRSET\r\nLAST\r\nNOOP\r\nQUIT\r\n",
		"AUTH PLAIN AGEAYg==\r\nDELE 1\r\n", "AUTH LOGIN\r\nYQ==\r\nYg==\r\nQUIT\r\n", "AUTH PLAIN\r\n*\r\nAUTH\r\nCAPA\r\n",
		"GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01", "CAPA\r\n\x16", "STLS\r\nCAPA\r\n", "USER a\nPASS b\n" + strings.Repeat("x", 300) + "\nQUIT", "\x00\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		fk := &fake{}
		srv := &pop3server.Server{Backend: fk, Auth: anyone()}
		s := start(t, srv)
		run := func(cut testkit.Chunks) string {
			conn := s.dial()
			defer conn.Close()
			go func() {
				_, _ = testkit.ChunkConn(conn, nil, cut).Write(input)
				_ = conn.CloseWrite()
			}()
			out, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		whole, pieces := run(nil), run(testkit.Random(seed, 5))
		if whole != pieces {
			t.Fatalf("in one piece: %q\nin pieces: %q", whole, pieces)
		}
		if !strings.HasSuffix(whole, "\r\n") || strings.Contains(strings.ReplaceAll(whole, "\r\n", ""), "\n") {
			t.Fatalf("no lines: %q", whole)
		}
		s.stop()
		if strings.Contains(s.log.String(), "panic") {
			t.Fatal(s.log.String())
		}
	})
}
