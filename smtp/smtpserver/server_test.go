package smtpserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	testkit.Main(m)
}

// message is what a session accepted.
type message struct {
	env  smtp.Envelope
	data string
	with string
}

// backend keeps messages and notes calls. The local parts of paths say what
// becomes of them.
type backend struct {
	mu       sync.Mutex
	messages []message
	calls    []string
	conns    []*smtpserver.Conn
	started  chan struct{} // if set, gets a value when Data begins
	release  chan struct{} // if set, Data waits for it before it returns
}

func (b *backend) note(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
}

func (b *backend) got() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]message{}, b.messages...)
}

func (b *backend) noted() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.calls, " ")
}

func (b *backend) NewSession(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	b.mu.Lock()
	b.conns = append(b.conns, c)
	b.mu.Unlock()
	return &session{b: b, c: c}, nil
}

type session struct {
	b *backend
	c *smtpserver.Conn
}

func (s *session) Mail(_ context.Context, from smtp.Path, _ *smtp.MailOptions) error {
	s.b.note("mail")
	switch from.Local {
	case "refused":
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "sender refused")
	case "dirty":
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "no\r\n250 injected\x00\x1b \u00e9\n")
	case "bye":
		return smtp.Errorf(421, smtp.EnhancedCode{4, 3, 2}, "going down")
	case "panic":
		panic("a backend's fault")
	}
	return nil
}

func (s *session) Rcpt(_ context.Context, to smtp.Path, _ *smtp.RcptOptions) error {
	s.b.note("rcpt")
	if to.Local == "nobody" {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")
	}
	return nil
}

func (s *session) Data(_ context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	s.b.note("data")
	switch env.From.Local {
	case "early":
		return nil, smtp.Errorf(450, smtp.EnhancedCode{4, 7, 1}, "come back later")
	case "blind":
		return nil, nil
	case "middle":
		_, err := r.Read(make([]byte, 1))
		return nil, errors.Join(err, errors.New("disk /dev/sda1 is full"))
	}
	if s.b.started != nil {
		s.b.started <- struct{}{}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if s.b.release != nil {
		<-s.b.release
	}
	res := &smtp.Result{Reply: smtp.Reply{Lines: []string{"queued as 1"}}}
	for i := range env.To {
		v := smtp.Verdict{}
		switch env.To[i].Path.Local {
		case "full":
			v.Err = smtp.Errorf(452, smtp.EnhancedCode{4, 2, 2}, "mailbox full")
		case "never":
			v.Err = smtp.Errorf(550, smtp.EnhancedCode{5, 2, 1}, "mailbox disabled")
		case "broken":
			v.Err = errors.New("database is away")
		case "gone":
			v.Err = smtp.Errorf(421, smtp.EnhancedCode{4, 3, 2}, "gone for today")
		}
		res.Recipients = append(res.Recipients, v)
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.messages = append(s.b.messages, message{env: *env, data: string(data), with: s.c.Protocol()})
	return res, nil
}

func (s *session) Reset(context.Context) { s.b.note("reset") }
func (s *session) Close() error          { s.b.note("close"); return nil }

func testAuth(cleartext bool) *sasl.Auth {
	return &sasl.Auth{AllowCleartext: cleartext, Password: func(_ context.Context, user, password string) error {
		switch {
		case user == "broken":
			return errors.New("database is away")
		case user == "tim" && password == "tanstaaf":
			return nil
		}
		return sasl.ErrFailed
	}}
}

// newServer is a server over b with small limits and no delays.
func newServer(b smtpserver.Backend) *smtpserver.Server {
	return &smtpserver.Server{
		Backend: b,
		Domain:  "mx.example.org",
		Limits:  smtpserver.Limits{MaxMessageSize: 10000, MaxRecipients: 2, ErrorDelay: -1, GreetDelay: -1, MaxErrors: 100},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

func serverTLS() *tls.Config {
	cfg, _ := testkit.TLS("localhost")
	return cfg
}

// start serves srv in memory and returns what dials it. The server is gone
// when the returned stop returns.
func start(t testing.TB, srv *smtpserver.Server) (l *testkit.Listener, stop func()) {
	l = testkit.NewListener()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = srv.Close()
			assert.ErrorIs(t, <-done, smtpserver.ErrServerClosed)
			assert.NoError(t, srv.Shutdown(context.Background()))
		})
	}
	t.Cleanup(stop)
	return l, stop
}

func dial(t testing.TB, l *testkit.Listener) *testkit.PipeConn {
	conn, err := l.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange writes input as one write and returns all that the server says
// until it closes.
func exchange(t testing.TB, l *testkit.Listener, input string) string {
	conn := dial(t, l)
	readGreeting(t, conn)
	_, err := io.WriteString(conn, input)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(out)
}

func readGreeting(t testing.TB, conn net.Conn) {
	var line []byte
	for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, b[0]) {
		_, err := conn.Read(b)
		require.NoError(t, err)
	}
	require.Equal(t, "220 ", string(line[:4]))
}

// The transcripts, whole and in single octets.
func TestTranscripts(t *testing.T) {
	change := map[string]func(*smtpserver.Server){
		"starttls.txt":   func(s *smtpserver.Server) { s.TLSConfig, s.Auth = serverTLS(), testAuth(false) },
		"authtls.txt":    func(s *smtpserver.Server) { s.TLSConfig, s.Auth = serverTLS(), testAuth(true) },
		"auth.txt":       func(s *smtpserver.Server) { s.Auth, s.RequireAuth, s.Limits.MaxAuthFailures = testAuth(true), true, -1 },
		"requiretls.txt": func(s *smtpserver.Server) { s.TLSConfig, s.RequireTLS = serverTLS(), true },
		"lmtp.txt":       func(s *smtpserver.Server) { s.LMTP, s.Limits.MaxRecipients = true, 0 },
	}
	both := map[string]func(*smtpserver.Server){
		"submit.txt": func(s *smtpserver.Server) { s.TLSConfig, s.Auth = serverTLS(), testAuth(false) },
		"lmtp.txt":   change["lmtp.txt"],
	}
	play := func(folder string, change map[string]func(*smtpserver.Server)) {
		for _, script := range testkit.LoadScripts(t, folder+"/*.txt") {
			for _, cut := range []struct {
				name   string
				chunks testkit.Chunks
			}{{"whole", nil}, {"octets", testkit.OneByOne()}} {
				t.Run(filepath.Base(script.Name)+"/"+cut.name, func(t *testing.T) {
					srv := newServer(&backend{})
					if f := change[filepath.Base(script.Name)]; f != nil {
						f(srv)
					}
					l, _ := start(t, srv)
					require.NoError(t, testkit.Player{Side: testkit.Client, Cut: cut.chunks}.Play(dial(t, l), script))
				})
			}
		}
	}
	play("testdata", change)
	// Those that the client is tested with too.
	play("../testdata", both)
}

// Every Mail that succeeded is followed by one Reset, or by the end.
func TestSessionCalls(t *testing.T) {
	b := &backend{}
	l, stop := start(t, newServer(b))
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<refused@x.example>\r\nRSET\r\n"+
		"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nRSET\r\n"+
		"MAIL FROM:<a@x.example>\r\nEHLO d\r\nMAIL FROM:<a@x.example>\r\nQUIT\r\n")
	require.Equal(t, 1, strings.Count(out, "\r\n354 "))
	stop()
	require.Equal(t, "mail mail rcpt data reset mail reset mail close", b.noted())
	m := b.got()
	require.Len(t, m, 1)
	require.Equal(t, "hi\r\n", m[0].data)
	require.Equal(t, "ESMTP", m[0].with)
	require.Equal(t, smtp.MustParsePath("a@x.example"), m[0].env.From)
	require.Equal(t, []smtp.Recipient{{Path: smtp.MustParsePath("b@x.example")}}, m[0].env.To)
}
