package smtpserver_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// endFakes are what some server somewhere takes for the end of a message.
var endFakes = []string{
	"\n.\n", "\r.\r", "\r.\n", "\n.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r",
	"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\r\n",
}

// A message that holds a fake end and a whole second transaction is one
// message or none, under every policy and cut.
func TestSmuggling(t *testing.T) {
	const second = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nsecond\r\n.\r\n"
	for _, fake := range endFakes {
		bare := bytes.ContainsAny(bytes.ReplaceAll([]byte(fake), []byte("\r\n"), nil), "\r\n")
		for _, policy := range []smtpserver.BareLineEnds{smtpserver.BareReject, smtpserver.BareNormalise, smtpserver.BarePass} {
			for _, lmtp := range []bool{false, true} {
				for _, cut := range []testkit.Chunks{nil, testkit.OneByOne(), testkit.Random(1, 7)} {
					b := &backend{}
					srv := newServer(b)
					srv.BareLineEnds, srv.LMTP = policy, lmtp
					l, stop := start(t, srv)
					hello := "EHLO c\r\n"
					if lmtp {
						hello = "LHLO c\r\n"
					}
					conn := dial(t, l)
					readGreeting(t, conn)
					c := testkit.ChunkConn(conn, nil, cut)
					_, err := io.WriteString(c, hello+"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nfirst"+fake+second+"QUIT\r\n")
					require.NoError(t, err)
					out, err := io.ReadAll(c)
					require.NoError(t, err)
					stop()
					what := fmt.Sprintf("%q policy %d:\n%s", fake, policy, out)
					require.Equal(t, "mail rcpt data reset close", b.noted(), what)
					require.Equal(t, 1, bytes.Count(out, []byte("354 ")), what)
					require.True(t, bytes.HasSuffix(out, []byte("\r\n221 2.0.0 mx.example.org closing the channel\r\n")), what)
					if bare && policy == smtpserver.BareReject {
						require.Empty(t, b.got(), what)
						require.Equal(t, 1, bytes.Count(out, []byte("\r\n550 5.6.0 ")), what)
						continue
					}
					require.Len(t, b.got(), 1, what)
					data := b.got()[0].data
					require.Contains(t, data, "victim@x.example", what)
					require.Contains(t, data, "second\r\n", what)
					if policy == smtpserver.BareNormalise {
						require.False(t, strings.ContainsAny(strings.ReplaceAll(data, "\r\n", ""), "\r\n"), what)
					}
				}
			}
		}
	}
}

// Command lines that do not end in CRLF end the connection: another server
// may have seen other commands in them.
func TestBareLineEndInCommand(t *testing.T) {
	for _, input := range []string{
		"EHLO c\nMAIL FROM:<a@x.example>\r\n",
		"EHLO c\r\nNOOP\nMAIL FROM:<a@x.example>\r\n",
		"EHLO c\r\nNOOP\rMAIL FROM:<a@x.example>\r\n",
		"EHLO c\r\nMAIL FROM:<\"a\nRCPT TO:<b\"@x.example>\r\n",
	} {
		b := &backend{}
		l, stop := start(t, newServer(b))
		out := exchange(t, l, input)
		stop()
		require.True(t, strings.HasSuffix(out, "500 5.5.2 Lines must end in CRLF\r\n"), out)
		require.Equal(t, "close", b.noted())
	}
}

// Plaintext behind STARTTLS is never answered inside TLS.
func TestInjectionBehindSTARTTLS(t *testing.T) {
	srv := newServer(&backend{})
	srv.TLSConfig = serverTLS()
	l, _ := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nSTARTTLS\r\nNOOP\r\n")
	require.True(t, strings.HasSuffix(out, "\r\n554 5.5.1 Input behind STARTTLS\r\n"), out)

	conn := dial(t, l)
	readGreeting(t, conn)
	var got []byte
	for _, part := range []string{"EHLO c\r\nSTARTTLS\r\n", "NOOP\r\nQUIT\r\n"} {
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
		for b := make([]byte, 512); !bytes.Contains(got, []byte("\r\n220 ")); {
			n, err := conn.Read(b)
			require.NoError(t, err)
			got = append(got, b[:n]...)
		}
	}
	rest, _ := io.ReadAll(conn)
	require.NotContains(t, string(rest), "250")
	require.NotContains(t, string(rest), "221")
}

// After a handshake that failed nothing is said in cleartext.
func TestHandshakeFails(t *testing.T) {
	srv := newServer(&backend{})
	srv.TLSConfig = serverTLS()
	l, _ := start(t, srv)
	conn := dial(t, l)
	readGreeting(t, conn)
	script, err := testkit.ParseScript("x", []byte("C: EHLO c\nS: 250-<any>\nS: 250-PIPELINING\nS: 250-SIZE 10000\nS: 250-8BITMIME\nS: 250-CHUNKING\nS: 250-SMTPUTF8\nS: 250-ENHANCEDSTATUSCODES\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 <any>\n"))
	require.NoError(t, err)
	require.NoError(t, testkit.Player{Side: testkit.Client}.Play(conn, script))
	err = tls.Client(conn, &tls.Config{ServerName: "other.example"}).HandshakeContext(t.Context())
	require.Error(t, err)
	_, _ = io.WriteString(conn, "NOOP\r\n")
	rest, _ := io.ReadAll(conn)
	require.NotContains(t, string(rest), "250")
}

func TestEarlyTalker(t *testing.T) {
	for _, tt := range []struct{ input, want string }{
		{"EHLO c\r\n", "554 5.5.1 Client spoke before the greeting\r\n"},
		{"\x16\x03\x01\x02\x00\x01\x00", "554 5.5.1 This is a plaintext port, TLS begins by STARTTLS\r\n"},
	} {
		b := &backend{}
		srv := newServer(b)
		srv.Limits.GreetDelay = time.Hour
		l, stop := start(t, srv)
		conn := dial(t, l)
		_, err := io.WriteString(conn, tt.input)
		require.NoError(t, err)
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, tt.want, string(out))
		stop()
		require.Equal(t, "close", b.noted())
	}
}

// Other protocols on the port get a clear answer and the end.
func TestOtherProtocols(t *testing.T) {
	l, _ := start(t, newServer(&backend{}))
	http := "554 5.5.1 This is not an HTTP server\r\n"
	for input, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                  http,
		"POST / HTTP/1.1\r\n\r\nEHLO c\r\nMAIL FROM:<a@x.example>\r\n":       http,
		"CONNECT x:25 HTTP/1.0\r\n\r\n":                                      http,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nEHLO c\r\nQUIT\r\n": "554 5.5.1 This is a plaintext port, TLS begins by STARTTLS\r\n",
		"BDAT 25 LAST\r\nMAIL FROM:<a@x.example>\r\nQUIT\r\n":                "503 5.5.1 Send EHLO first\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"\r\n\x00\x01\r\nQUIT\r\n":                                           "500 5.5.2 expected a command\r\n500 5.5.2 expected a command\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"NOOP \x00\r\nQUIT\r\n":                                              "500 5.5.2 control character in a command\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"XYZZY\r\nQUIT\r\n":                                                  "500 5.5.1 Command not recognized\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"NOOP " + strings.Repeat("x", 506) + "\r\nQUIT\r\n":                  "500 5.5.2 Command line longer than 512 octets\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"NOOP " + strings.Repeat("x", 505) + "\r\nQUIT\r\n":                  "250 2.0.0 OK\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"NOOP " + strings.Repeat("x", 100000) + "\r\nQUIT\r\n":               "500 5.5.2 Line longer than 2584 octets\r\n221 2.0.0 mx.example.org closing the channel\r\n",
		"\u017fTARTTLS\r\nHE\u017fO\r\nQUIT\r\n":                             "500 5.5.2 expected a command\r\n500 5.5.2 expected a command\r\n221 2.0.0 mx.example.org closing the channel\r\n",
	} {
		require.Equal(t, want, exchange(t, l, input), "%.60q", input)
	}
}

// 64 MB without a line end are not read to their end.
func TestNoLineEnd(t *testing.T) {
	l, _ := start(t, newServer(&backend{}))
	conn := dial(t, l)
	readGreeting(t, conn)
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	var err error
	for range 1000 {
		if _, err = conn.Write(chunk); err != nil {
			break
		}
	}
	require.Error(t, err)
	require.Less(t, conn.Sent(), int64(4<<20))
}

func TestRandomOctets(t *testing.T) {
	for seed := range uint64(20) {
		b := &backend{}
		srv := newServer(b)
		srv.TLSConfig, srv.Auth = serverTLS(), testAuth(true)
		l, stop := start(t, srv)
		rnd := rand.New(rand.NewPCG(seed, 1))
		input := []byte("EHLO c\r\n")
		words := []string{"MAIL FROM:<", "RCPT TO:", "DATA\r\n", "AUTH PLAIN", "\r\n.\r\n", "\r\n", ">", "<", "\"", "@", "STARTTLS", " ", "RSET\r\n"}
		for len(input) < 20000 {
			if rnd.IntN(2) == 0 {
				input = append(input, words[rnd.IntN(len(words))]...)
			} else {
				for range rnd.IntN(20) {
					input = append(input, byte(rnd.Uint32()))
				}
			}
		}
		conn := dial(t, l)
		done := make(chan []byte)
		go func() {
			out, _ := io.ReadAll(conn)
			done <- out
		}()
		_, _ = conn.Write(input)
		_ = conn.CloseWrite()
		for _, line := range bytes.SplitAfter(<-done, []byte("\r\n")) {
			require.False(t, len(line) > 0 && (line[0] < '2' || line[0] > '5'), "%q", line)
		}
		stop()
		require.Empty(t, b.got())
	}
}

// A connection that breaks inside a message ends there: what came of it is
// not a message, and never commands.
func TestBrokenInData(t *testing.T) {
	const head = "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
	const rest = "QUIT\r\nMAIL FROM:<evil@x.example>\r\n"
	for n := 0; n <= len(rest); n += 3 {
		b := &backend{}
		srv := newServer(b)
		l, stop := start(t, srv)
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, head+rest[:n])
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		out, _ := io.ReadAll(conn)
		stop()
		require.Equal(t, "mail rcpt data close", b.noted())
		require.Empty(t, b.got())
		require.True(t, bytes.HasSuffix(out, []byte("\r\n354 End data with <CR><LF>.<CR><LF>\r\n")), "%s", out)
	}
}

// Past MaxDrain a message that is refused costs the connection.
func TestMaxDrain(t *testing.T) {
	b := &backend{}
	srv := newServer(b)
	srv.Limits.MaxDrain = 50000
	l, stop := start(t, srv)
	conn := dial(t, l)
	readGreeting(t, conn)
	_, err := io.WriteString(conn, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
	require.NoError(t, err)
	line := []byte(strings.Repeat("x", 998) + "\r\n")
	for range 5000 {
		if _, err = conn.Write(line); err != nil {
			break
		}
	}
	out, _ := io.ReadAll(conn)
	require.True(t, bytes.HasSuffix(out, []byte("\r\n552 5.3.4 Message larger than the limit of 10000 octets\r\n")), "%s", out)
	stop()
	require.Equal(t, "mail rcpt data close", b.noted())
}

func TestMaxTextLine(t *testing.T) {
	b := &backend{}
	srv := newServer(b)
	srv.Limits.MaxTextLine = 1000
	l, _ := start(t, srv)
	for n, want := range map[int]string{998: "250 2.0.0 queued as 1", 999: "550 5.6.0 Message has a line longer than the limit of 1000 octets"} {
		out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"+strings.Repeat("x", n)+"\r\n.\r\nQUIT\r\n")
		require.Contains(t, out, "\r\n"+want+"\r\n221 ")
	}
}

func TestTooMany(t *testing.T) {
	const bye = "221 2.0.0 mx.example.org closing the channel\r\n"
	tests := []struct {
		name   string
		change func(*smtpserver.Server)
		input  string
		want   string // the end of what is said
	}{
		{"errors", func(s *smtpserver.Server) { s.Limits.MaxErrors = 3 },
			strings.Repeat("XYZZY\r\n", 5), "500 5.5.1 Command not recognized\r\n421 4.7.0 Too many errors\r\n"},
		{"refused recipients", func(s *smtpserver.Server) { s.Limits.MaxErrors, s.Limits.MaxBadRecipients = 2, 3 },
			"EHLO c\r\nMAIL FROM:<a@x.example>\r\n" + strings.Repeat("RCPT TO:<nobody@x.example>\r\n", 5),
			"550 5.1.1 no such user here\r\n421 4.7.0 Too many bad recipients\r\n"},
		{"recipients over the limit", func(s *smtpserver.Server) { s.Limits.MaxErrors = 3 },
			"EHLO c\r\nMAIL FROM:<a@x.example>\r\n" + strings.Repeat("RCPT TO:<b@x.example>\r\n", 4) + "DATA\r\nhi\r\n.\r\nQUIT\r\n",
			"250 2.0.0 queued as 1\r\n" + bye},
		{"many recipients over the limit", func(s *smtpserver.Server) { s.Limits.MaxErrors = 3 },
			"EHLO c\r\nMAIL FROM:<a@x.example>\r\n" + strings.Repeat("RCPT TO:<b@x.example>\r\n", 50) + "DATA\r\nhi\r\n.\r\nQUIT\r\n",
			"452 4.5.3 More than 2 recipients\r\n421 4.7.0 Too many errors\r\n"},
		{"messages", func(s *smtpserver.Server) { s.Limits.MaxMessages = 1 },
			"EHLO c\r\n" + strings.Repeat("MAIL FROM:<a@x.example>\r\nRSET\r\n", 3), "250 2.0.0 OK\r\n421 4.7.0 More than 1 messages on one connection\r\n"},
		{"chunks refused", func(s *smtpserver.Server) { s.Limits.MaxErrors = 3 },
			"EHLO c\r\n" + strings.Repeat("BDAT 6\r\nRSET\r\n", 50), "503 5.5.1 Need MAIL command\r\n421 4.7.0 Too many errors\r\n"},
		{"errors forgiven", func(s *smtpserver.Server) { s.Limits.MaxErrors = 3 },
			"XYZZY\r\nXYZZY\r\nEHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n.\r\nXYZZY\r\nXYZZY\r\nQUIT\r\n", bye},
		{"noops", func(s *smtpserver.Server) { s.Limits.MaxNoops = 3 },
			"NOOP\r\nRSET\r\nVRFY x\r\nNOOP\r\nNOOP\r\n", "252 2.0.0 Cannot verify, but will take a message and try to deliver it\r\n421 4.7.0 Too many commands without use\r\n"},
		{"authentications", func(s *smtpserver.Server) { s.Limits.MaxAuthFailures = 2; s.Auth = testAuth(true) },
			"EHLO c\r\n" + strings.Repeat("AUTH PLAIN AHRpbQB3cm9uZw==\r\n", 3),
			"535 5.7.8 Authentication credentials invalid\r\n535 5.7.8 Authentication credentials invalid\r\n421 4.7.0 Too many failed authentications\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(&backend{})
			tt.change(srv)
			l, _ := start(t, srv)
			out := exchange(t, l, tt.input)
			require.True(t, strings.HasSuffix(out, "\r\n"+tt.want) || out == tt.want, out)
		})
	}
}

// An authentication line may have 12288 octets and no more, and costs no
// more than itself.
func TestAuthLine(t *testing.T) {
	srv := newServer(&backend{})
	srv.Auth = testAuth(true)
	l, _ := start(t, srv)
	long := "AUTH PLAIN " + strings.Repeat("A", 12288-13)
	out := exchange(t, l, "EHLO c\r\n"+long+"\r\n"+long+"A\r\nAUTH PLAIN\r\n"+strings.Repeat("A", 20000)+"\r\nAUTH LOGIN\r\n"+strings.Repeat("A", 8192)+"\r\n*\r\nQUIT\r\n")
	require.True(t, strings.HasSuffix(out, "\r\n501 5.5.2 initial response is not base64\r\n"+
		"500 5.5.2 Line longer than 12288 octets\r\n334 \r\n500 5.5.6 Authentication exchange line longer than 12288 octets\r\n"+
		"334 VXNlcm5hbWU6\r\n501 5.5.2 Malformed authentication message\r\n500 5.5.2 expected a command\r\n221 2.0.0 mx.example.org closing the channel\r\n"), out)
}

// A message behind a DATA that was refused does not run as commands.
func TestInputBehindRefusedData(t *testing.T) {
	for _, head := range []string{
		"EHLO c\r\n",
		"EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<nobody@x.example>\r\n",
		"EHLO c\r\nMAIL FROM:<early@x.example>\r\nRCPT TO:<b@x.example>\r\n",
	} {
		b := &backend{}
		l, stop := start(t, newServer(b))
		out := exchange(t, l, head+"DATA\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nx\r\n.\r\n")
		stop()
		require.True(t, strings.HasSuffix(out, "\r\n421 4.7.0 Input behind a refused DATA\r\n"), out)
		require.LessOrEqual(t, strings.Count(b.noted(), "mail"), 1)
		require.Empty(t, b.got())
	}
}

// Commands that come together are answered together.
func TestOneFlush(t *testing.T) {
	srv := newServer(&backend{})
	l := testkit.NewListener()
	counted := &countingListener{Listener: l}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(counted) }()
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nNOOP\r\nDATA\r\nhi\r\n.\r\nNOOP\r\nQUIT\r\n")
	require.Contains(t, out, "\r\n250 2.0.0 queued as 1\r\n250 2.0.0 OK\r\n221 ")
	require.NoError(t, srv.Close())
	<-done
	require.NoError(t, srv.Shutdown(t.Context()))
	// The greeting, all up to 354, the rest.
	require.Equal(t, int32(3), counted.writes.Load())
}

type countingListener struct {
	net.Listener
	writes atomic.Int32
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{conn, l}, nil
}

func (c countingConn) Write(p []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(p)
}

// A panic in the backend ends one connection.
func TestPanic(t *testing.T) {
	b := &backend{}
	l, stop := start(t, newServer(b))
	other := dial(t, l)
	readGreeting(t, other)
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<panic@x.example>\r\nNOOP\r\n")
	require.True(t, strings.HasSuffix(out, "\r\n250 ENHANCEDSTATUSCODES\r\n") || out == "", out)
	_, err := io.WriteString(other, "QUIT\r\n")
	require.NoError(t, err)
	rest, err := io.ReadAll(other)
	require.NoError(t, err)
	require.Equal(t, "221 2.0.0 mx.example.org closing the channel\r\n", string(rest))
	stop()
	require.Equal(t, "mail close close", b.noted())
}

// lockedBuffer is a trace that is read when the server is gone.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestTraceHasNoSecrets(t *testing.T) {
	trace := &lockedBuffer{}
	srv := newServer(&backend{})
	srv.Auth, srv.Trace = testAuth(true), trace
	l, stop := start(t, srv)
	exchange(t, l, "EHLO c\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nthe text\r\n.\r\nQUIT\r\n")
	exchange(t, l, "EHLO c\r\nAUTH LOGIN\r\ndGlt\r\ndGFuc3RhYWY=\r\nQUIT\r\n")
	stop()
	s := trace.b.String()
	require.Contains(t, s, "C: MAIL FROM:<a@x.example>\n")
	require.Contains(t, s, "S: 235 2.7.0 Authentication succeeded\n")
	for _, secret := range []string{"AHRpbQB0YW5zdGFhZg", "dGFuc3RhYWY", "tanstaaf", "the text"} {
		require.NotContains(t, s, secret)
	}
}

var errTest = errors.New("the disk is full")

// What a failing transport does to a session is the end of it.
func TestFailingConn(t *testing.T) {
	const input = "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n"
	for n := int64(0); n < int64(len(input)); n += 5 {
		b := &backend{}
		srv := newServer(b)
		l := testkit.NewListener()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(failing{l, n}) }()
		conn := dial(t, l)
		_, _ = io.WriteString(conn, input)
		_ = conn.CloseWrite()
		_, _ = io.ReadAll(conn)
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, smtpserver.ErrServerClosed)
		require.NoError(t, srv.Shutdown(t.Context()))
		if n < int64(strings.Index(input, "\r\n.\r\n")) {
			require.Empty(t, b.got(), n)
		}
	}
}

// A client that is gone before it is answered is worth no line in the log,
// unless it had mail under way.
func TestGoneClientsAreNotLogged(t *testing.T) {
	gone := &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	for input, logged := range map[string]bool{
		"BAD\r\nBAD\r\nBAD\r\nBAD\r\n": false,
		"QUIT\r\n":                     false,
		"EHLO c\r\nMAIL FROM:<a@x.example>\r\nBAD\r\nBAD\r\nBAD\r\nBAD\r\n": true,
	} {
		var log bytes.Buffer
		srv := newServer(&backend{})
		srv.Logger = slog.New(slog.NewTextHandler(&log, nil))
		srv.Limits.SoftErrors, srv.Limits.ErrorDelay = 1, time.Nanosecond
		l := testkit.NewListener()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(deaf{l, gone}) }()
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, input)
		require.NoError(t, err)
		_, _ = io.ReadAll(conn)
		require.NoError(t, srv.Shutdown(t.Context()))
		require.ErrorIs(t, <-done, smtpserver.ErrServerClosed)
		require.Equal(t, logged, strings.Contains(log.String(), "level=WARN"), "%q: %s", input, log.String())
	}
}

// deaf are connections that take a greeting and no more.
type deaf struct {
	net.Listener
	err error
}

func (d deaf) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return testkit.FailConn(conn, -1, int64(len("220 mx.example.org ESMTP ready\r\n")), d.err), nil
}

type failing struct {
	net.Listener
	after int64
}

func (f failing) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return testkit.FailConn(conn, f.after, -1, errTest), nil
}
