// Servers that say what a script has.

package pop3test

import (
	"net"
	"sync"
	"testing"

	"github.com/mailwire/mailwire/internal/testkit"
)

// Play starts a server on loopback that says what a script has to the clients
// that connect, one script for each in turn, and returns its address. It is
// for what no true server can be made to say. A client that does otherwise
// than the script fails the test, as do one too many, and scripts that are
// left at the test's end.
//
//	S: +OK ready            a line of the server's, sent with CRLF
//	C: USER ada             a line that the client must send
//	S~ +OK half a li\n      octets as they are, with \r \n \t \0 \xHH \\
//	--- close ---           the server closes
//	--- client close ---    the client must close
//
// "C: RETR <any>" matches any rest.
func Play(t testing.TB, scripts ...string) (addr string) {
	t.Helper()
	var parsed []*testkit.Script
	for _, text := range scripts {
		s, err := testkit.ParseScript("script", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	played := 0
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if played == len(parsed) {
				t.Error("pop3test: a client too many")
				_ = conn.Close()
				continue
			}
			s := parsed[played]
			played++
			wg.Go(func() {
				defer conn.Close()
				if err := (testkit.Player{Side: testkit.Server}).Play(conn, s); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
		if played < len(parsed) {
			t.Errorf("pop3test: %d of %d scripts were played", played, len(parsed))
		}
	})
	return l.Addr().String()
}
