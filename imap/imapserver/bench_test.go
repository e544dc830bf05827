package imapserver_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/imap/imapserver"
)

// BenchmarkFetchFlags is FETCH 1:* (UID FLAGS) of 100,000 messages over the
// loopback.
func BenchmarkFetchFlags(b *testing.B) {
	const n = 100_000
	c := startMany(b, n, 1000).overTCP(b)
	c.ok("SELECT INBOX")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(c.discard("FETCH 1:* (UID FLAGS)"))
	}
}

// BenchmarkFetchBody is a body of 64 MiB.
func BenchmarkFetchBody(b *testing.B) {
	c := startMany(b, 1, 64<<20).overTCP(b)
	c.ok("SELECT INBOX")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(c.discard("FETCH 1 BODY.PEEK[]"))
	}
}

// BenchmarkIdle is what 1000 clients in IDLE keep, with the ends of their
// connections.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	f := start(b, func(s *imapserver.Server) { s.Limits.MaxConnsPerAddr = -1 })
	f.deliver(b, 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = f.login(b, "SELECT INBOX")
		clients[i].send("t IDLE\r\n")
		clients[i].line()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		f.deliver(b, 1)
		for _, c := range clients {
			for !strings.HasSuffix(c.line(), " EXISTS") {
			}
		}
	}
	b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/n, "B/client")
}
