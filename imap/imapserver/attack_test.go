package imapserver_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/internal/testkit"
)

// What hostile peers send, and how the conversation ends. The server goes on.
func TestAttacks(t *testing.T) {
	random := make([]byte, 4096)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for _, test := range []struct {
		name, input string
		want        string // the last line
	}{
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "* BYE This is IMAP"},
		{"HTTP POST with commands", "POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nt LOGIN user secret\r\n", "* BYE This is IMAP"},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "* BYE This is IMAP"},
		{"random octets", string(random), "* BYE This is IMAP"},
		{"STARTTLS in one write", "t STARTTLS\r\nu NOOP\r\n", "* BYE Octets behind STARTTLS"},
		{"bad commands", strings.Repeat("t\r\n", 100), "* BYE [CLIENTBUG] Too many bad commands"},
		{"commands before login", strings.Repeat("t NOOP\r\n", 200), "* BYE Too many commands before login"},
		{"large literal before login", "t LOGIN {99999999+}\r\nu NOOP\r\n", "* BYE [TOOBIG] literal too big"},
		{"literal without end", "t LOGIN {4294967295999999999999+}\r\nu NOOP\r\n", "* BYE [TOOBIG] literal too big"},
		{"APPEND before login", "t APPEND INBOX {99999999+}\r\nu NOOP\r\n", "* BYE [TOOBIG] Message too big"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, nil)
				c := f.client(t)
				c.send(test.input)
				lines := strings.Split(strings.TrimSuffix(c.end(), "\r\n"), "\r\n")
				assert.Equal(t, test.want, lines[len(lines)-1])
				for _, l := range lines {
					assert.NotContains(t, l, "u OK", "what is behind must not run")
				}
				f.login(t).ok("NOOP")
			})
		})
	}
}

// What costs one command alone.
func TestRefusals(t *testing.T) {
	f := start(t, nil)
	c := f.client(t)
	for _, test := range []struct{ input, want string }{
		// The octets of a literal that is refused are read over.
		{"t LOGIN {5000+}\r\n" + strings.Repeat("u NOOP\r\n", 625) + "\r\n", "NO [TOOBIG] literal too big"},
		{"t LOGIN {5000}\r\n", "NO [TOOBIG] literal too big"},
		{"t LOGIN {4294967295}\r\n", "NO [TOOBIG] literal too big"},
		{"t LOGIN" + strings.Repeat(" {1+}\r\nx", 50) + "\r\n", "NO [TOOBIG] too many literals"},
	} {
		c.send(test.input)
		assert.Equal(t, []string{test.want}, c.tagged())
	}
	c.ok("LOGIN user secret")
	c.ok("SELECT INBOX")
	for _, test := range []struct{ input, want string }{
		{"t SEARCH " + strings.Repeat("NOT ", 10_000) + "ALL\r\n", "BAD "},
		{"t SEARCH " + strings.Repeat("OR ", 10_000) + "\r\n", "BAD "},
		{"t SEARCH " + strings.Repeat("(", 10_000) + "\r\n", "BAD "},
		{"t SEARCH " + strings.Repeat("NOT ", 90) + "ALL\r\n", "OK "},
		{"t UID FETCH 1:4294967295,4294967295 FLAGS\r\n", "OK "},
		{"t UID EXPUNGE 1:4294967295\r\n", "OK "},
		{"t FETCH 1 BODY[" + strings.Repeat("1.", 5000) + "1]\r\n", "BAD "},
		{"t LIST \"\" " + strings.Repeat("*a", 7) + "*b\r\n", "OK "},
	} {
		c.send(test.input)
		lines := c.tagged()
		assert.True(t, strings.HasPrefix(lines[len(lines)-1], test.want), "%.40q: %q", test.input, lines)
	}
	c.ok("NOOP")
	c.send("t NOOP " + strings.Repeat("(", 100_000) + "\r\n")
	assert.Contains(t, c.end(), "[TOOBIG] Line too long")
}

// A line without end costs a bounded amount of memory.
func TestEndlessLine(t *testing.T) {
	f := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = f.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	junk := []byte(strings.Repeat("x", 1<<16))
	sent := 0
	cost := allocates(func() {
		for ; sent < 64<<20; sent += len(junk) {
			if _, err := conn.Write(junk); err != nil {
				break
			}
		}
	})
	assert.Less(t, cost, int64(1<<20))
	assert.Less(t, sent, 64<<20, "the server hung up")
}

// STARTTLS in a write of its own, with more plaintext before the handshake,
// answers nothing of it.
func TestStartTLSInjection(t *testing.T) {
	f := start(t, nil)
	c := f.client(t)
	c.ok("STARTTLS")
	c.send("u LOGIN user secret\r\n")
	assert.NotContains(t, c.end(), "u ")
}

// A client that does not read is dropped, and costs no more than buffers.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startMany(t, 100_000, 1<<30)
		c := f.login(t, "SELECT INBOX")
		began := time.Now()
		c.send("t FETCH 1 BODY.PEEK[]\r\n")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		_, err := io.Copy(io.Discard, c.r)
		require.NoError(t, err)
		assert.InDelta(t, 2*time.Minute, time.Since(began), float64(time.Second))
		sent := c.Conn.(*testkit.PipeConn)
		_, err = sent.Write([]byte("u NOOP\r\n"))
		assert.Error(t, err)
	})
}

// A client that trickles a command is dropped.
func TestTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		c := f.login(t)
		began := time.Now()
		go func() {
			for {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}()
		assert.Equal(t, "* BYE Too slow\r\n", c.end())
		assert.Less(t, time.Since(began), 5*time.Minute)
		time.Sleep(time.Minute)
	})
}

// Every way to cut the input gives the same answers.
func TestChunks(t *testing.T) {
	input := "t LOGIN {4+}\r\nuser {6}\r\nsecret\r\nt APPEND INBOX (\\Seen) {12+}\r\nSubject: x\r\n\r\n" +
		"t SELECT INBOX\r\nt FETCH 1 (FLAGS BODY[])\r\nt IDLE\r\nDONE\r\nt FROB\r\nt LOGOUT\r\n"
	run := func(chunks testkit.Chunks) string {
		f := start(t, nil)
		conn := testkit.ChunkConn(f.dial(t), nil, chunks)
		_, err := io.WriteString(conn, input)
		require.NoError(t, err)
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		return string(out)
	}
	want := run(nil)
	assert.Contains(t, want, "t OK LOGOUT completed")
	for seed := range uint64(5) {
		assert.Equal(t, want, run(testkit.Random(seed, 7)))
	}
	assert.Equal(t, want, run(testkit.OneByOne()))
}

func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"t NOOP\r\n", "t LOGIN user secret\r\nt SELECT INBOX\r\nt FETCH 1:* (FLAGS BODY[1.MIME]<1.2>)\r\n",
		"t LOGIN user secret\r\nt SELECT INBOX\r\nt SEARCH OR BODY x NOT (TEXT y)\r\nt STORE 1 FLAGS (a)\r\nt EXPUNGE\r\nt IDLE\r\nDONE\r\n",
		"t LOGIN user secret\r\nt APPEND INBOX {3+}\r\nabc\r\nt LIST \"\" %\r\nt COPY 1 INBOX\r\nt UID MOVE 1 INBOX\r\n",
	} {
		f.Add([]byte(s))
	}
	srv := start(f, func(s *imapserver.Server) { s.Limits.MaxConnsPerAddr = -1 })
	srv.deliver(f, 3)
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := srv.dial(t)
		go func() {
			_, _ = conn.Write(input)
			_ = conn.(*testkit.PipeConn).CloseWrite()
		}()
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		for l := range strings.Lines(string(out)) {
			require.True(t, strings.HasSuffix(l, "\n"), "%q", l)
		}
		_ = conn.Close()
	})
}
