package pop3server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	testkit.Main(m)
}

// server is a server on a listener in memory.
type server struct {
	*pop3server.Server
	t    testing.TB
	l    *testkit.Listener
	done chan struct{}
	log  *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves s until stop, which the test's end does too.
func start(t testing.TB, s *pop3server.Server) *server {
	x := &server{Server: s, t: t, l: testkit.NewListener(), done: make(chan struct{}), log: &lockedBuffer{}}
	if s.Domain == "" {
		s.Domain = "pop.example.test"
	}
	if s.Limits.ErrorDelay == 0 {
		s.Limits.ErrorDelay = -1
	}
	s.Logger = slog.New(slog.NewTextHandler(x.log, nil))
	go func() {
		defer close(x.done)
		_ = s.Serve(x.l)
	}()
	t.Cleanup(x.stop)
	return x
}

func (s *server) stop() {
	_ = s.Close()
	<-s.done
	_ = s.Shutdown(context.Background())
}

func (s *server) dial() *testkit.PipeConn {
	s.t.Helper()
	conn, err := s.l.Dial(context.Background())
	require.NoError(s.t, err)
	return conn
}

// play plays the client's side of a script given as text.
func (s *server) play(text string) {
	s.t.Helper()
	conn := s.dial()
	s.playOn(conn, text)
	_ = conn.Close()
}

func (s *server) playOn(conn net.Conn, text string) {
	s.t.Helper()
	script, err := testkit.ParseScript("script", []byte(text))
	require.NoError(s.t, err)
	require.NoError(s.t, testkit.Player{}.Play(conn, script))
}

var letters = []string{
	"Subject: one\n\nfirst\n.dot\n.\n..x\nlast",
	"Subject: two\r\n\r\na\rb\nc\r\nd\r\n",
	"Subject: header alone!",
}

func newBackend() *pop3test.Backend {
	b := &pop3test.Backend{}
	b.AddUser("mrose", "tan staaf")
	for _, m := range letters {
		b.Deliver("mrose", m)
	}
	return b
}

func newServer(b *pop3test.Backend) *pop3server.Server {
	return &pop3server.Server{Backend: b, Auth: &sasl.Auth{Password: b.CheckPassword, AllowCleartext: true}}
}

const login = `
S: +OK pop.example.test POP3 ready
C: USER mrose
S: +OK Send PASS
C: PASS tan staaf
S: +OK Maildrop has <any>
`

func TestTranscripts(t *testing.T) {
	for _, script := range testkit.LoadScripts(t, "testdata/*.txt") {
		for name, cut := range map[string]testkit.Chunks{"whole": nil, "octets": testkit.OneByOne()} {
			t.Run(script.Name+"/"+name, func(t *testing.T) {
				b := newBackend()
				srv := newServer(b)
				srv.Limits.MaxErrors = -1
				srv.Limits.MaxAuthFailures = -1
				if strings.Contains(script.Name, "capa") {
					srv.Auth.AllowCleartext = false
					srv.TLSConfig, _ = testkit.TLS()
				}
				s := start(t, srv)
				conn := s.dial()
				require.NoError(t, testkit.Player{Cut: cut}.Play(conn, script))
				_ = conn.Close()
				s.stop()
				assert.NotContains(t, s.log.String(), "level=ERROR")
				assert.False(t, b.Locked("mrose"))
			})
		}
	}
}

func TestDeleteNeedsQuit(t *testing.T) {
	b := newBackend()
	s := start(t, newServer(b))
	s.play(login + "C: DELE 1\nS: +OK <any>\n--- client close ---\n")
	s.stop()
	assert.Equal(t, letters, b.Messages("mrose"))

	s = start(t, newServer(b))
	s.play(login + "C: DELE 1\nS: +OK <any>\nC: DELE 3\nS: +OK <any>\nC: QUIT\nS: +OK Bye\n--- close ---\n")
	assert.Equal(t, letters[1:2], b.Messages("mrose"))
	// The lock was gone before the reply: the next login finds it so.
	s.play(login)
}

func TestLock(t *testing.T) {
	b := newBackend()
	s := start(t, newServer(b))
	first := s.dial()
	s.playOn(first, login)
	s.play(`
S: +OK <any>
C: USER mrose
S: +OK Send PASS
C: PASS tan staaf
S: -ERR [IN-USE] Maildrop is in use by another session
C: AUTH PLAIN AG1yb3NlAHRhbiBzdGFhZg==
S: -ERR [IN-USE] <any>
`)
	s.playOn(first, "C: QUIT\nS: +OK Bye\n")
	s.play(login)
}

// fake is a backend whose maildrop does what a test wants.
type fake struct {
	open     func() error
	messages func() ([]pop3.Message, error)
	content  func(i int) (io.ReadCloser, error)
	commit   func(deleted []int) error

	mu     sync.Mutex
	closed int
}

func (f *fake) Open(context.Context, sasl.Identity) (pop3server.Maildrop, error) {
	if f.open != nil {
		if err := f.open(); err != nil {
			return nil, err
		}
	}
	return fakeDrop{f}, nil
}

func (f *fake) closes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

type fakeDrop struct{ f *fake }

func (d fakeDrop) Messages(context.Context) ([]pop3.Message, error) {
	if d.f.messages == nil {
		return []pop3.Message{{Size: 7, UID: "a"}, {Size: 7, UID: "b"}}, nil
	}
	return d.f.messages()
}

func (d fakeDrop) Open(_ context.Context, i int) (io.ReadCloser, error) {
	if d.f.content == nil {
		return io.NopCloser(strings.NewReader("A: b\r\n")), nil
	}
	return d.f.content(i)
}

func (d fakeDrop) Commit(_ context.Context, deleted []int) error {
	if d.f.commit == nil {
		return nil
	}
	return d.f.commit(deleted)
}

func (d fakeDrop) Close() error {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	d.f.closed++
	return nil
}

func anyone() *sasl.Auth {
	return &sasl.Auth{AllowCleartext: true, Password: func(context.Context, string, string) error { return nil }}
}

func TestBackendErrors(t *testing.T) {
	secret := errors.New("secret\r\n-ERR injected")
	for _, test := range []struct {
		name string
		f    *fake
		text string
	}{
		{"open", &fake{open: func() error { return secret }}, "-ERR [SYS/TEMP] Local error in processing"},
		{"open, permanent", &fake{open: func() error { return pop3.Errorf(pop3.CodeSysPerm, "No\r\n.\r\nway\x00 \xff") }}, "-ERR [SYS/PERM] No . way ?"},
		{"open, delay", &fake{open: func() error { return pop3.ErrLoginDelay }}, "-ERR [LOGIN-DELAY] <any>"},
		{"open, bad code", &fake{open: func() error { return pop3.Errorf("A]\r\nB", "[X] y") }}, "-ERR (X] y"},
		{"open, no text", &fake{open: func() error { return &pop3.Error{Code: "X"} }}, "-ERR [X] Refused"},
		{"open, long", &fake{open: func() error { return pop3.Errorf("", "%s", strings.Repeat("x", 5000)) }}, "-ERR {{re:x{490,505}}}"},
		{"messages", &fake{messages: func() ([]pop3.Message, error) { return nil, secret }}, "-ERR [SYS/TEMP] Local error in processing"},
		{"size", &fake{messages: func() ([]pop3.Message, error) { return []pop3.Message{{Size: -1, UID: "a"}}, nil }}, "-ERR [SYS/TEMP] Local error in processing"},
		{"sizes", &fake{messages: func() ([]pop3.Message, error) {
			return []pop3.Message{{Size: 1 << 62, UID: "a"}, {Size: 1 << 62, UID: "b"}}, nil
		}}, "-ERR [SYS/TEMP] Local error in processing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, &pop3server.Server{Backend: test.f, Auth: anyone()})
			s.play("S: +OK <any>\nC: USER a\nS: +OK <any>\nC: PASS b\nS: " + test.text + "\nC: STAT\nS: -ERR Log in first\nC: QUIT\nS: +OK Bye\n--- close ---\n")
			s.stop()
			want := 0
			if test.f.open == nil {
				want = 1
			}
			assert.Equal(t, want, test.f.closes())
		})
	}
}

const fakeLogin = "S: +OK <any>\nC: USER a\nS: +OK <any>\nC: PASS b\nS: +OK <any>\n"

func TestCommit(t *testing.T) {
	var got [][]int
	f := &fake{commit: func(d []int) error {
		got = append(got, d)
		if len(d) == 2 {
			return pop3.Errorf(pop3.CodeSysTemp, "some messages were not removed")
		}
		return nil
	}}
	s := start(t, &pop3server.Server{Backend: f, Auth: anyone()})
	s.play(fakeLogin + "C: DELE 2\nS: +OK <any>\nC: DELE 1\nS: +OK <any>\nC: QUIT\nS: -ERR [SYS/TEMP] some messages were not removed\n--- close ---\n")
	s.play(fakeLogin + "C: DELE 2\nS: +OK <any>\nC: QUIT\nS: +OK Bye\n--- close ---\n")
	s.play(fakeLogin + "C: DELE 2\nS: +OK <any>\nC: RSET\nS: +OK <any>\nC: QUIT\nS: +OK Bye\n--- close ---\n")
	s.play(fakeLogin + "C: DELE 2\nS: +OK <any>\n--- client close ---\n")
	s.stop()
	assert.Equal(t, [][]int{{0, 1}, {1}, nil}, got)
	assert.Equal(t, 4, f.closes())
}

func TestOpenFails(t *testing.T) {
	f := &fake{content: func(i int) (io.ReadCloser, error) {
		switch i {
		case 0:
			return nil, errors.New("disk")
		default:
			return io.NopCloser(io.MultiReader(strings.NewReader(""), failing{})), nil
		}
	}}
	s := start(t, &pop3server.Server{Backend: f, Auth: anyone()})
	s.play(fakeLogin + `
C: RETR 1
S: -ERR [SYS/TEMP] Local error in processing
C: TOP 1 1
S: -ERR [SYS/TEMP] Local error in processing
C: RETR 2
S: -ERR [SYS/TEMP] Local error in processing
C: TOP 2 1
S: -ERR [SYS/TEMP] Local error in processing
C: NOOP
S: +OK
`)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestReadErrorInMidMessage(t *testing.T) {
	for _, begin := range []string{"A: b\r\n\r\nhalf", "A: b\r\n\r\n.", "A: b\r\n\r\nhalf\r\n", strings.Repeat("long line\n", 100000)} {
		f := &fake{content: func(int) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(begin), failing{})), nil
		}}
		s := start(t, &pop3server.Server{Backend: f, Auth: anyone()})
		conn := s.dial()
		_, err := io.WriteString(conn, "USER a\r\nPASS b\r\nRETR 1\r\nNOOP\r\n")
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(got), "+OK 7 octets\r\n")
		assert.NotContains(t, string(got), "\r\n.\r\n")
		assert.NotContains(t, body, "+OK")
		assert.Equal(t, strings.Count(begin, "long line\n"), strings.Count(body, "long line\r\n"))
		_ = conn.Close()
		s.stop()
		assert.Contains(t, s.log.String(), "disk on fire")
		assert.Equal(t, 1, f.closes())
	}
}

func TestPanic(t *testing.T) {
	f := &fake{content: func(int) (io.ReadCloser, error) { panic("at the disco") }}
	s := start(t, &pop3server.Server{Backend: f, Auth: anyone()})
	other := s.dial()
	s.playOn(other, fakeLogin)
	s.play(fakeLogin + "C: RETR 1\n--- close ---\n")
	s.playOn(other, "C: NOOP\nS: +OK\n")
	_ = other.Close()
	s.stop()
	assert.Contains(t, s.log.String(), "at the disco")
	assert.Equal(t, 2, f.closes())
}

func TestUIDs(t *testing.T) {
	long := strings.Repeat("x", 71)
	list := []pop3.Message{{UID: "good"}, {UID: long}, {UID: "has space"}, {UID: ""}, {UID: ""}, {UID: "twice"}, {UID: "twice"}, {UID: "caf\xc3\xa9"}, {UID: "a\r\n.\r\n"}}
	f := &fake{messages: func() ([]pop3.Message, error) { return list, nil }}
	s := start(t, &pop3server.Server{Backend: f, Auth: anyone()})
	session := func() []string {
		conn := s.dial()
		s.playOn(conn, fakeLogin+"C: UIDL\nC: QUIT\n")
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		_ = conn.Close()
		lines := strings.Split(string(out), "\r\n")
		require.Len(t, lines, len(list)+4, out)
		var uids []string
		for _, l := range lines[1 : len(list)+1] {
			_, uid, _ := strings.Cut(l, " ")
			require.True(t, pop3.ValidUID(uid), uid)
			require.NotContains(t, uids, uid)
			uids = append(uids, uid)
		}
		return uids
	}
	first, second := session(), session()
	for _, i := range []int{0, 1, 2, 7, 8} {
		assert.Equal(t, first[i], second[i], "the same in every session")
	}
	assert.Equal(t, "good", first[0])
	for _, i := range []int{3, 4, 5, 6} {
		assert.NotEqual(t, first[i], second[i], "never taken for one seen before")
	}
	s.stop()
	assert.Contains(t, s.log.String(), "messages=8")
}

func TestRequireTLS(t *testing.T) {
	b := newBackend()
	srv := newServer(b)
	srv.RequireTLS = true
	srv.TLSConfig, _ = testkit.TLS()
	s := start(t, srv)
	s.play(`
S: +OK <any>
C: CAPA
S: +OK <any>
S: TOP
S: UIDL
S: RESP-CODES
S: PIPELINING
S: AUTH-RESP-CODE
S: STLS
S: UTF8
S: IMPLEMENTATION mailwire
S: .
C: USER mrose
S: -ERR [AUTH] Encryption required, send STLS first
C: AUTH PLAIN AG1yb3NlAHRhbiBzdGFhZg==
S: -ERR [AUTH] Encryption required, send STLS first
C: STLS
S: +OK <any>
--- starttls ---
C: USER mrose
S: +OK <any>
C: PASS tan staaf
S: +OK <any>
`)
}

func TestNoAuth(t *testing.T) {
	s := start(t, &pop3server.Server{Backend: &fake{}})
	s.play(`
S: +OK <any>
C: CAPA
S: +OK <any>
S: TOP
S: UIDL
S: RESP-CODES
S: PIPELINING
S: AUTH-RESP-CODE
S: UTF8
S: IMPLEMENTATION mailwire
S: .
C: STLS
S: -ERR STLS is not offered
C: USER a
S: -ERR [AUTH] USER is not offered
C: PASS a
S: -ERR [AUTH] PASS is not offered
C: AUTH PLAIN AGEAYg==
S: -ERR [AUTH] Authentication mechanism is not offered
`)
}

func TestImplicitTLS(t *testing.T) {
	b := newBackend()
	srv := newServer(b)
	srv.Auth.AllowCleartext = false
	serverTLS, clientTLS := testkit.TLS()
	srv.TLSConfig = serverTLS
	srv.Limits.ErrorDelay = -1
	srv.Logger = slog.New(slog.DiscardHandler)
	srv.Domain = "pop.example.test"
	l := testkit.NewListener()
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(l) }()
	conn, err := l.Dial(t.Context())
	require.NoError(t, err)
	script, err := testkit.ParseScript("script", []byte(login+"C: QUIT\nS: +OK Bye\n--- close ---\n"))
	require.NoError(t, err)
	require.NoError(t, testkit.Player{}.Play(tls.Client(conn, clientTLS), script))
	_ = conn.Close()
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorIs(t, <-done, pop3server.ErrServerClosed)
}

func TestConnFrom(t *testing.T) {
	var seen *pop3server.Conn
	b := newBackend()
	srv := newServer(b)
	srv.Auth.Password = func(ctx context.Context, user, password string) error {
		c, ok := pop3server.ConnFrom(ctx)
		require.True(t, ok)
		_, known := c.Identity()
		assert.False(t, known)
		assert.Equal(t, pop3.Authorization, c.State())
		return b.CheckPassword(ctx, user, password)
	}
	srv.Backend = pop3server.BackendFunc(func(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
		seen, _ = pop3server.ConnFrom(ctx)
		got, _ := seen.Identity()
		assert.Equal(t, sasl.Identity{User: "mrose", Mechanism: "USER"}, id)
		assert.Equal(t, id, got)
		assert.Equal(t, "192.0.2.1", seen.RemoteAddr().(*net.TCPAddr).IP.String())
		assert.NotNil(t, seen.LocalAddr())
		assert.NotNil(t, seen.Logger())
		assert.Same(t, srv, seen.Server())
		assert.EqualValues(t, 1, seen.ID())
		_, isTLS := seen.TLS()
		assert.False(t, isTLS)
		return b.Open(ctx, id)
	})
	s := start(t, srv)
	s.play(login)
	require.NotNil(t, seen)
	_, ok := pop3server.ConnFrom(context.Background())
	assert.False(t, ok)
}

func TestTraceWithoutCredentials(t *testing.T) {
	trace := &lockedBuffer{}
	b := newBackend()
	srv := newServer(b)
	srv.Trace = trace
	s := start(t, srv)
	s.play(login + "C: RETR 2\nS: +OK <any>\nS: Subject: two\nS:\nS: a\nS: b\nS: c\nS: d\nS: .\nC: QUIT\nS: +OK Bye\n--- close ---\n")
	s.play("S: +OK <any>\nC: AUTH PLAIN\nS: + \nC: AG1yb3NlAHRhbiBzdGFhZg==\nS: +OK <any>\n")
	s.stop()
	out := trace.String()
	assert.NotContains(t, out, "tan staaf")
	assert.NotContains(t, out, "AG1yb3Nl")
	assert.NotContains(t, out, "Subject")
	assert.Contains(t, out, "192.0.2.1:40001 C: USER mrose\n")
	assert.Contains(t, out, "S: +OK 28 octets\n")
	assert.NotContains(t, s.log.String(), "tan staaf")
}

func TestNoBackend(t *testing.T) {
	l := testkit.NewListener()
	assert.ErrorContains(t, (&pop3server.Server{}).Serve(l), "Backend")
	assert.ErrorContains(t, (&pop3server.Server{}).ServeTLS(testkit.NewListener()), "Backend")
	assert.Error(t, (&pop3server.Server{Backend: &fake{}}).ServeTLS(testkit.NewListener()), "no TLS configuration")
	assert.Error(t, (&pop3server.Server{Backend: &fake{}}).ListenAndServe("nonsense"))
	assert.Error(t, (&pop3server.Server{Backend: &fake{}}).ListenAndServeTLS("nonsense"))
}

func TestHijack(t *testing.T) {
	done := make(chan error, 1)
	srv := &pop3server.Server{Auth: anyone(), Backend: pop3server.BackendFunc(func(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
		c, _ := pop3server.ConnFrom(ctx)
		conn, r, err := c.Hijack()
		go func() {
			_, _ = io.WriteString(conn, "+OK elsewhere\r\n")
			b, _ := io.ReadAll(r)
			assert.Equal(t, "STAT\r\nQUIT\r\n", string(b))
			done <- conn.Close()
		}()
		return nil, err
	})}
	s := start(t, srv)
	assert.Equal(t, greeting+"+OK Send PASS\r\n+OK elsewhere\r\n", s.exchange("USER a\r\nPASS b\r\nSTAT\r\nQUIT\r\n"))
	require.NoError(t, <-done)
	s.stop()
	assert.Empty(t, s.log.String())
}
