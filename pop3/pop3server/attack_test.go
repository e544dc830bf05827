package pop3server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// exchange sends input in one write, and returns all that the server says
// until it closes.
func (s *server) exchange(input string) string {
	s.t.Helper()
	conn := s.dial()
	defer conn.Close()
	go func() {
		_, _ = io.WriteString(conn, input)
		_ = conn.CloseWrite()
	}()
	out, err := io.ReadAll(conn)
	require.NoError(s.t, err)
	return string(out)
}

const greeting = "+OK pop.example.test POP3 ready\r\n"

// S1: input behind STLS, in one write and in two.
func TestInputBehindSTLS(t *testing.T) {
	srv := newServer(newBackend())
	srv.TLSConfig, _ = testkit.TLS()
	s := start(t, srv)
	for _, behind := range []string{"CAPA\r\n", "CA", "\r\n"} {
		assert.Equal(t, greeting+"-ERR Input behind STLS\r\n", s.exchange("STLS\r\n"+behind))
	}
	conn := s.dial()
	defer conn.Close()
	s.playOn(conn, "S: +OK <any>\nC: STLS\nS: +OK Begin TLS negotiation\n")
	_, err := io.WriteString(conn, "CAPA\r\n")
	require.NoError(t, err)
	out, _ := io.ReadAll(conn)
	assert.NotContains(t, string(out), "TOP")
	assert.NotContains(t, string(out), "+OK")
}

// F5: what is pipelined behind AUTH and PASS runs in its turn.
func TestPipelinedLogin(t *testing.T) {
	s := start(t, newServer(newBackend()))
	assert.Equal(t, greeting+"+OK Maildrop has 3 messages (95 octets)\r\n+OK 3 95\r\n+OK Bye\r\n",
		s.exchange("AUTH PLAIN AG1yb3NlAHRhbiBzdGFhZg==\r\nSTAT\r\nQUIT\r\n"))
}

func TestNotPOP3(t *testing.T) {
	s := start(t, newServer(newBackend()))
	for _, test := range []struct{ name, input, want string }{
		{"GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "-ERR This is not an HTTP server\r\n"},
		{"POST", "POST / HTTP/1.1\r\nUSER mrose\r\n", "-ERR This is not an HTTP server\r\n"},
		{"CONNECT", "CONNECT x:25 HTTP/1.0\r\n\r\n", "-ERR This is not an HTTP server\r\n"},
		{"HTTP 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "-ERR This is not an HTTP server\r\n"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "-ERR This is a plaintext port, TLS begins by STLS\r\n"},
		{"binary", "\x00\x01\x02\xff\r\nQUIT\r\n", "-ERR This is a POP3 server\r\n"},
		{"tab", "USER\tmrose\r\n", "-ERR This is a POP3 server\r\n"},
		{"SSH", "SSH-2.0-x\r\n", "-ERR Unknown command\r\n"},
		{"half a command", "USE", ""},
		{"nothing", "", ""},
		{"LF", "USER mrose\nPASS tan staaf\nQUIT\n", "+OK Send PASS\r\n+OK Maildrop has 3 messages (95 octets)\r\n+OK Bye\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, greeting+test.want, s.exchange(test.input))
		})
	}
}

// TestEndless: 64 MB without a newline, and noise.
func TestEndless(t *testing.T) {
	s := start(t, newServer(newBackend()))
	flood := func(first string, chunk func() []byte) string {
		conn := s.dial()
		defer conn.Close()
		stopped := make(chan int64)
		go func() {
			n, err := io.WriteString(conn, first)
			total := int64(n)
			for total < 64<<20 && err == nil {
				n, err = conn.Write(chunk())
				total += int64(n)
			}
			stopped <- total
		}()
		out, _ := io.ReadAll(conn)
		_ = conn.Close()
		assert.Less(t, <-stopped, int64(4<<20))
		return string(out)
	}
	letters := bytes.Repeat([]byte{'x'}, 64<<10)
	assert.Equal(t, greeting+"-ERR Line longer than 12288 octets\r\n", flood("", func() []byte { return letters }))
	assert.Equal(t, greeting+"+OK Send PASS\r\n+OK Maildrop has 3 messages (95 octets)\r\n-ERR Line longer than 255 octets\r\n-ERR Too much input\r\n",
		flood("USER mrose\r\nPASS tan staaf\r\n", func() []byte { return letters }))
	assert.Equal(t, greeting+"+ VXNlcm5hbWU6\r\n-ERR Authentication exchange line longer than 12288 octets\r\n",
		flood("AUTH LOGIN\r\n", func() []byte { return letters }))
	r := rand.New(rand.NewPCG(1, 2))
	noise := func() []byte {
		b := make([]byte, 64<<10)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[0] |= 0x80
		return b
	}
	assert.Contains(t, flood("\x80", noise), "-ERR This is a POP3 server")
}

func TestLongLines(t *testing.T) {
	s := start(t, newServer(newBackend()))
	s.play(login + `
C: LIST {{repeat:300: }}
S: -ERR Line longer than 255 octets
C: {{repeat:2000:x}}
S: -ERR Line longer than 255 octets
C: NOOP
S: +OK
`)
	s.play("S: +OK <any>\nC: USER {{repeat:5000:x}}\nS: -ERR Command line longer than 4096 octets\nC: CAPA {{repeat:255: }}\nS: -ERR Command line longer than 255 octets\n")
}

func TestTooManyErrors(t *testing.T) {
	s := start(t, newServer(newBackend()))
	out := s.exchange(strings.Repeat("BOGUS\r\n", 100))
	assert.Equal(t, greeting+strings.Repeat("-ERR Unknown command\r\n", 19)+"-ERR Unknown command; too many errors\r\n", out)
	// What succeeds on a message is forgiven.
	batch := strings.Repeat("LIST 9\r\n", 15) + "RETR 3\r\n"
	out = s.exchange("USER mrose\r\nPASS tan staaf\r\n" + strings.Repeat(batch, 3) + "QUIT\r\n")
	assert.Equal(t, 45, strings.Count(out, "-ERR No such"))
	assert.True(t, strings.HasSuffix(out, "+OK Bye\r\n"))
}

func TestTooManyNoops(t *testing.T) {
	srv := newServer(newBackend())
	srv.Limits.MaxNoops = 10
	s := start(t, srv)
	out := s.exchange("USER mrose\r\nPASS tan staaf\r\n" + strings.Repeat("NOOP\r\n", 100))
	assert.Equal(t, 12+1, strings.Count(out, "+OK"))
	assert.True(t, strings.HasSuffix(out, "-ERR Too many commands without use\r\n"))
}

func TestTooManyAuthFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(newBackend())
		srv.Limits.ErrorDelay = time.Second
		s := start(t, srv)
		begin := time.Now()
		out := s.exchange("AUTH PLAIN AGEAYg==\r\nUSER x\r\nPASS y\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN AGEAYg==\r\nQUIT\r\n")
		assert.Equal(t, greeting+"-ERR [AUTH] Authentication failed\r\n+OK Send PASS\r\n-ERR [AUTH] Authentication failed\r\n"+
			"-ERR [AUTH] Authentication failed; too many failures\r\n", out)
		assert.Equal(t, 3*time.Second, time.Since(begin))
		s.stop()
	})
}

func TestErrorsAreAnsweredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(newBackend())
		srv.Limits.ErrorDelay = 2 * time.Second
		s := start(t, srv)
		begin := time.Now()
		s.exchange(strings.Repeat("BOGUS\r\n", 7))
		assert.Equal(t, 4*time.Second, time.Since(begin))
		s.stop()
	})
}

func TestTemporaryAuthFailure(t *testing.T) {
	srv := newServer(newBackend())
	srv.Auth.Password = func(context.Context, string, string) error { return errors.New("LDAP tan staaf") }
	s := start(t, srv)
	assert.Equal(t, greeting+"-ERR [SYS/TEMP] Temporary authentication failure\r\n+OK Bye\r\n", s.exchange("AUTH PLAIN AGEAYg==\r\nQUIT\r\n"))
}

func TestAutologout(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits pop3server.Limits
		play   string
		want   time.Duration
	}{
		{"after the login", pop3server.Limits{}, login + "C: DELE 1\nS: +OK <any>\n", 10 * time.Minute},
		{"no less", pop3server.Limits{IdleTimeout: time.Second}, login, 10 * time.Minute},
		{"more", pop3server.Limits{IdleTimeout: time.Hour}, login, time.Hour},
		{"before the login", pop3server.Limits{IdleTimeout: time.Hour}, "S: +OK <any>\n", 10 * time.Minute},
		{"login timeout", pop3server.Limits{LoginTimeout: time.Minute}, "S: +OK <any>\nC: USER x\nS: +OK <any>\n", time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				srv := newServer(b)
				srv.Limits = test.limits
				s := start(t, srv)
				conn := s.dial()
				s.playOn(conn, test.play)
				begin := time.Now()
				_ = conn.SetDeadline(time.Time{})
				// RFC 1939 section 3: no response, and nothing removed.
				out, err := io.ReadAll(conn)
				require.NoError(t, err)
				assert.Empty(t, string(out))
				assert.Equal(t, test.want, time.Since(begin))
				_ = conn.Close()
				s.stop()
				assert.Len(t, b.Messages("mrose"), 3)
				assert.False(t, b.Locked("mrose"))
			})
		})
	}
}

func TestActiveSessionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newServer(newBackend()))
		conn := s.dial()
		s.playOn(conn, login)
		for range 5 {
			time.Sleep(9 * time.Minute)
			s.playOn(conn, "C: NOOP\nS: +OK\n")
		}
		_ = conn.Close()
		s.stop()
	})
}

func TestSlowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newServer(newBackend()))
		conn := s.dial()
		s.playOn(conn, login)
		_ = conn.SetDeadline(time.Time{})
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = testkit.SlowWriter(conn, 20*time.Second).Write([]byte("NOOP     \r\n")) })
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Empty(t, string(out))
		assert.Less(t, time.Since(begin), 3*time.Minute)
		_ = conn.Close()
		wg.Wait()
		s.stop()
	})
}

// F9: a client that pipelines and does not read.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.Deliver("mrose", strings.Repeat("a long message\r\n", 10000))
		s := start(t, newServer(b))
		conn := s.dial()
		defer conn.Close()
		_, err := io.WriteString(conn, "USER mrose\r\nPASS tan staaf\r\n"+strings.Repeat("RETR 4\r\n", 1000))
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		assert.False(t, b.Locked("mrose"), "the session is over")
		s.stop()
		assert.Contains(t, s.log.String(), "peer too slow")
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		s := start(t, newServer(b))
		fresh, open, inAuth := s.dial(), s.dial(), s.dial()
		s.playOn(inAuth, "S: +OK <any>\nC: AUTH PLAIN\nS: +\\x20\n")
		s.playOn(fresh, "S: +OK <any>\n")
		s.playOn(open, login+"C: DELE 1\nS: +OK <any>\n")
		// They close when they hear of it.
		done := make(chan string, 3)
		for _, conn := range []net.Conn{fresh, open, inAuth} {
			_ = conn.SetDeadline(time.Time{})
			go func() {
				out, _ := io.ReadAll(conn)
				_ = conn.Close()
				done <- string(out)
			}()
		}
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, s.Shutdown(t.Context()))
		assert.Zero(t, time.Since(begin))
		for range 3 {
			assert.Equal(t, "-ERR [SYS/TEMP] Server shutting down\r\n", <-done)
		}
		assert.Len(t, b.Messages("mrose"), 3)
		assert.False(t, b.Locked("mrose"))
		s.stop()
	})
}

func TestTooManyConnections(t *testing.T) {
	srv := newServer(newBackend())
	srv.Limits.MaxConnsPerAddr = 1
	s := start(t, srv)
	first := s.dial()
	defer first.Close()
	s.playOn(first, "S: +OK <any>\n")
	s.play("S: -ERR [SYS/TEMP] too many connections from this address\n--- close ---\n")
}

// countListener counts the writes of the server.
type countListener struct {
	*testkit.Listener
	writes atomic.Int64
}

type countConn struct {
	net.Conn
	l *countListener
}

func (c countConn) Write(p []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(p)
}

func (l *countListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countConn{conn, l}, nil
}

func TestOneFlushForPipelinedCommands(t *testing.T) {
	l := &countListener{Listener: testkit.NewListener()}
	srv := newServer(newBackend())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	conn, err := l.Dial(t.Context())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "USER mrose\r\nPASS tan staaf\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nNOOP\r\nQUIT\r\n")
	require.NoError(t, err)
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(out), "+OK Bye\r\n"))
	assert.LessOrEqual(t, l.writes.Load(), int64(2), "the greeting, and all the rest")
	_ = conn.Close()
	require.NoError(t, srv.Shutdown(t.Context()))
	<-done
}

// Case folding is ASCII only: U+212A is no K, U+017F no S.
func TestCaseFolding(t *testing.T) {
	s := start(t, &pop3server.Server{Backend: &fake{}, Auth: &sasl.Auth{AllowCleartext: true, Password: func(context.Context, string, string) error { return nil }}})
	s.play("S: +OK <any>\nC: uSeR a\nS: +OK <any>\nC: pAsS b\nS: +OK <any>\nC: \xc5\xbfTAT\nS: -ERR Expected a command\nC: sTaT\nS: +OK 2 14\n")
}
