package main

// Mailboxes with many messages, seen from outside.

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill makes n messages in ada's INBOX as another program would have
// delivered them: sizes are not in the names where bare is set.
func fill(t testing.TB, dir string, n int, bare bool) {
	t.Helper()
	root := filepath.Join(dir, "mail", "ada", "Maildir")
	for _, d := range []string{"tmp", "new", "cur"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, d), 0o700))
	}
	separator := ":"
	if runtime.GOOS == "windows" {
		separator = ";"
	}
	for i := range n {
		text := fmt.Sprintf("Subject: %d\r\nFrom: bob@example.test\r\n\r\nhello\r\n", i)
		name := fmt.Sprintf("%d.M%06dP4242Q%d.mail.example.org", 1700000000+i/10, i%1000000, i)
		if !bare {
			name += fmt.Sprintf(",S=%d,W=%d", len(text), len(text))
		}
		name += separator + "2," + []string{"", "S", "RS"}[i%3]
		require.NoError(t, os.WriteFile(filepath.Join(root, "cur", name), []byte(text), 0o600))
	}
}

// talker speaks IMAP or POP3 and counts what comes, without keeping it: what
// it allocates itself is next to nothing.
type talker struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
	n int
}

func (s *testServer) talk(service string) *talker {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.addr[service], s.tls)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	k := &talker{t: s.t, c: c, r: bufio.NewReaderSize(c, 64<<10)}
	k.line()
	return k
}

func (k *talker) line() []byte {
	line, err := k.r.ReadSlice('\n')
	require.NoError(k.t, err)
	return line
}

// imap sends a command and returns the number of untagged lines.
func (k *talker) imap(command string) (lines int) {
	k.n++
	tag := fmt.Sprintf("a%d ", k.n)
	_, err := io.WriteString(k.c, tag+command+"\r\n")
	require.NoError(k.t, err)
	for {
		// The answer to SEARCH is one line, longer than any buffer.
		line, err := k.r.ReadSlice('\n')
		for err == bufio.ErrBufferFull {
			_, err = k.r.ReadSlice('\n')
		}
		require.NoError(k.t, err)
		if strings.HasPrefix(string(line[:min(len(line), 10)]), tag) {
			require.Contains(k.t, string(line), "OK", command)
			return lines
		}
		lines++
	}
}

// pop3 sends a command, whose response has many lines where many is set.
func (k *talker) pop3(command string, many bool) (lines int) {
	_, err := io.WriteString(k.c, command+"\r\n")
	require.NoError(k.t, err)
	require.Equal(k.t, byte('+'), k.line()[0], command)
	for many {
		if string(k.line()) == ".\r\n" {
			break
		}
		lines++
	}
	return lines
}

// allocated is what f allocated.
func allocated(f func()) (octets, objects uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// Twice the messages take about twice the work, of the first SELECT of all and
// of what every program asks for next.
func TestCostIsLinear(t *testing.T) {
	type cost struct{ octets, objects uint64 }
	measure := func(n int) map[string]cost {
		dir := memoryDir(t)
		fill(t, dir, n, false)
		s := startServer(t, serverArgs(dir)...)
		k := s.talk(nameIMAPS)
		k.imap("LOGIN ada " + adaPassword)
		costs := map[string]cost{}
		count := func(what string, f func()) {
			octets, objects := allocated(f)
			costs[what] = cost{octets, objects}
		}
		count("first SELECT", func() { k.imap("SELECT INBOX") })
		count("FETCH", func() { require.Equal(t, n, k.imap("FETCH 1:* (UID FLAGS)")) })
		count("SEARCH", func() { require.Equal(t, 1, k.imap("UID SEARCH ALL")) })
		count("SELECT", func() { k.imap("SELECT INBOX") })
		p := s.talk(namePOP3S)
		p.pop3("USER ada", false)
		count("POP3 login", func() { p.pop3("PASS "+adaPassword, false) })
		count("UIDL", func() { require.Equal(t, n, p.pop3("UIDL", true)) })
		return costs
	}
	small, large := measure(2000), measure(4000)
	for what, c := range large {
		was := small[what]
		// What does not depend on the number of messages changes a little:
		// buffers that were in a pool, or not.
		const octets, objects = 512 << 10, 500
		require.LessOrEqual(t, float64(c.octets), 2.5*float64(was.octets)+octets, "octets of %s, %d before", what, was.octets)
		require.LessOrEqual(t, float64(c.objects), 2.5*float64(was.objects)+objects, "objects of %s, %d before", what, was.objects)
	}
}

// peak is the most memory that this process ever had, in octets; 0 where that
// is not known.
func peak() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n << 10
		}
	}
	return 0
}

// BenchmarkScale tells what a large INBOX costs, step by step. Run it with
// -benchtime 1x -v.
func BenchmarkScale(b *testing.B) {
	for _, bare := range []bool{false, true} {
		for _, n := range []int{50_000, 100_000} {
			b.Run(fmt.Sprintf("%d/sizes-known=%v", n, !bare), func(b *testing.B) {
				for b.Loop() {
					scale(b, n, bare)
				}
			})
		}
	}
}

func scale(b *testing.B, n int, bare bool) {
	dir := memoryDir(b)
	fill(b, dir, n, bare)
	start := func() (context.CancelFunc, *testServer) {
		s := startServer(b, serverArgs(dir)...)
		return s.stop, s
	}
	step := func(what string, f func()) {
		begin := time.Now()
		octets, objects := allocated(f)
		d := time.Since(begin)
		b.Logf("%-34s %8.1f ms %9.2f MB in %8d objects", what, d.Seconds()*1000, float64(octets)/1e6, objects)
	}
	imapSteps := func(s *testServer, cold string) {
		k := s.talk(nameIMAPS)
		k.imap("LOGIN ada " + adaPassword)
		step("SELECT, "+cold, func() { k.imap("SELECT INBOX") })
		step("SELECT again", func() { k.imap("SELECT INBOX") })
		step("FETCH 1:* (UID FLAGS)", func() { require.Equal(b, n, k.imap("FETCH 1:* (UID FLAGS)")) })
		step("FETCH 1:* FAST", func() { require.Equal(b, n, k.imap("FETCH 1:* FAST")) })
		step("UID SEARCH ALL", func() { k.imap("UID SEARCH ALL") })
		step("UID SEARCH UNSEEN", func() { k.imap("UID SEARCH UNSEEN") })
		step("NOOP", func() { k.imap("NOOP") })
		step("STORE 1 +FLAGS, NOOP", func() { k.imap(`STORE 1 +FLAGS.SILENT (\Flagged)`); k.imap("NOOP") })
		k.imap("UNSELECT")
		step("STATUS", func() {
			k.imap("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)")
		})
	}
	pop3Steps := func(s *testServer, cold string) {
		p := s.talk(namePOP3S)
		p.pop3("USER ada", false)
		step("POP3 login, "+cold, func() { p.pop3("PASS "+adaPassword, false) })
		step("LIST", func() { require.Equal(b, n, p.pop3("LIST", true)) })
		step("UIDL", func() { require.Equal(b, n, p.pop3("UIDL", true)) })
		p.pop3("QUIT", false)
	}
	stop, s := start()
	imapSteps(s, "no index")
	pop3Steps(s, "first")
	pop3Steps(s, "again")
	stop()
	stop, s = start()
	k := s.talk(nameIMAPS)
	k.imap("LOGIN ada " + adaPassword)
	step("STATUS, new process", func() { k.imap("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)") })
	stop()
	stop, s = start()
	imapSteps(s, "new process")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.Logf("%-34s %8.1f MB; peak of the process, tests included, %.1f MB", "heap in use", float64(m.HeapInuse)/1e6, float64(peak())/1e6)
	b.ReportMetric(float64(m.HeapInuse)/float64(n), "B/message")
	stop()
	stop, s = start()
	pop3Steps(s, "new process")
	stop()
}
