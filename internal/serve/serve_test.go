package serve_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/testkit"
)

// logs is a slog.Logger and what it wrote, without times.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// echo answers each line with itself, and says goodbye.
func echo(ctx context.Context, s *serve.Session) error {
	_, _ = s.WriteString("hello\r\n")
	for {
		s.SetState(serve.StateIdle)
		l, err := s.Reader().Line(0)
		s.SetState(serve.StateActive)
		if errors.Is(err, serve.ErrServerClosed) {
			_, _ = s.WriteString("421 bye\r\n")
			return err
		}
		if err != nil {
			return err
		}
		switch string(l) {
		case "QUIT":
			_, _ = s.WriteString("221 bye\r\n")
			return nil
		case "PANIC":
			panic("secret internals")
		case "GOEXIT":
			runtime.Goexit()
		case "FAIL":
			return errors.New("it failed")
		}
		_, _ = s.Write(append(append(s.AvailableBuffer(), l...), "\r\n"...))
	}
}

type running struct {
	*serve.Server
	l    *testkit.Listener
	logs *logs
	err  chan error
}

func start(t *testing.T, s *serve.Server) *running {
	t.Helper()
	r := &running{Server: s, l: testkit.NewListener(), logs: &logs{}, err: make(chan error, 1)}
	if s.Handler == nil {
		s.Handler = echo
	}
	s.Logger = r.logs.logger()
	go func() { r.err <- s.Serve(r.l) }()
	t.Cleanup(func() { _ = s.Close() })
	return r
}

func (r *running) dial(t *testing.T) *testkit.PipeConn {
	t.Helper()
	c, err := r.l.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c io.ReadWriter, s, want string) {
	t.Helper()
	_, err := io.WriteString(c, s)
	require.NoError(t, err)
	b := make([]byte, len(want))
	n, err := io.ReadFull(c, b)
	require.NoError(t, err, "%q", b[:n])
	assert.Equal(t, want, string(b))
}

func rest(t *testing.T, c io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	return string(b)
}

func TestSessionAndShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{})
		c := r.dial(t)
		say(t, c, "A\r\nB\r\n", "hello\r\nA\r\nB\r\n")
		say(t, c, "QUIT\r\n", "221 bye\r\n")
		assert.Empty(t, rest(t, c))
		_ = c.Close()
		require.NoError(t, r.Shutdown(t.Context()))
		assert.Equal(t, serve.ErrServerClosed, <-r.err)
		assert.Empty(t, r.logs.String())
		assert.Equal(t, serve.ErrServerClosed, r.Serve(testkit.NewListener()))
	})
}

func TestShutdownEndsIdleSessionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{})
		var cs []*testkit.PipeConn
		for range 20 {
			c := r.dial(t)
			say(t, c, "", "hello\r\n")
			cs = append(cs, c)
		}
		synctest.Wait()
		assert.Equal(t, 20, r.ConnCount())
		began := time.Now()
		done := make(chan error)
		go func() { done <- r.Shutdown(context.Background()) }()
		for _, c := range cs {
			assert.Equal(t, "421 bye\r\n", rest(t, c))
			_ = c.Close()
		}
		require.NoError(t, <-done)
		assert.Zero(t, time.Since(began))
		assert.Zero(t, r.ConnCount())
		assert.Empty(t, r.logs.String())
	})
}

func TestShutdownWaitsForActiveSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		r := start(t, &serve.Server{Handler: func(ctx context.Context, s *serve.Session) error {
			_, err := s.Reader().Line(0)
			if err != nil {
				return err
			}
			<-busy
			_, _ = s.WriteString("250 done\r\n")
			s.SetState(serve.StateIdle)
			_, err = s.Reader().Line(0)
			_, _ = s.WriteString("421 bye\r\n")
			return err
		}})
		c := r.dial(t)
		_, _ = io.WriteString(c, "work\r\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, r.Shutdown(ctx))
		select {
		case <-r.Done():
		default:
			assert.Fail(t, "Done is not closed")
		}
		close(busy)
		assert.Equal(t, "250 done\r\n421 bye\r\n", rest(t, c))
		_ = c.Close()
		require.NoError(t, r.Shutdown(context.Background()))
	})
}

// A session that was idle when its Handler returned is not cut off while its
// peer takes the last reply.
func TestShutdownInTheCloseOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{CloseTimeout: 3 * time.Second, Handler: func(ctx context.Context, s *serve.Session) error {
			s.SetState(serve.StateIdle)
			_, err := s.WriteString("421 idle\r\n")
			return err
		}})
		c := r.dial(t)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, "421 idle\r\n", rest(t, c))
		_ = c.Close()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		r := start(t, &serve.Server{Handler: func(ctx context.Context, s *serve.Session) error {
			<-ctx.Done()
			_, err := s.Reader().Line(0)
			assert.ErrorIs(t, err, net.ErrClosed)
			close(ended)
			return err
		}})
		c := r.dial(t)
		synctest.Wait()
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		<-ended
		assert.Empty(t, rest(t, c))
		require.NoError(t, r.Shutdown(t.Context()))
		assert.Empty(t, r.logs.String())
	})
}

func TestPanicEndsOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{})
		bad, gone, good := r.dial(t), r.dial(t), r.dial(t)
		say(t, good, "", "hello\r\n")
		say(t, bad, "", "hello\r\n")
		say(t, gone, "", "hello\r\n")
		_, _ = io.WriteString(bad, "PANIC\r\n")
		assert.Empty(t, rest(t, bad), "nothing of the panic reaches the peer")
		_, _ = io.WriteString(gone, "GOEXIT\r\n")
		assert.Empty(t, rest(t, gone))
		say(t, good, "A\r\n", "A\r\n")
		synctest.Wait()
		assert.Equal(t, 1, r.ConnCount())
		log := r.logs.String()
		assert.Equal(t, 1, strings.Count(log, "\n"))
		assert.Contains(t, log, `level=ERROR msg="panic in the session" session=1 remote=192.0.2.1:40001 panic="secret internals"`)
		assert.Contains(t, log, "serve_test.echo")
	})
}

func TestOneLogLineForAnAbnormalEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{Conn: netconn.Options{IdleTimeout: time.Minute}})
		for _, how := range []string{"FAIL\r\n", "half a comm", "", "idle"} {
			c := r.dial(t)
			say(t, c, "", "hello\r\n")
			if how == "idle" {
				rest(t, c)
				_ = c.Close()
				synctest.Wait()
				continue
			}
			_, _ = io.WriteString(c, how)
			_ = c.CloseWrite()
			rest(t, c)
			_ = c.Close()
			synctest.Wait() // the log is in the order of the ends
		}
		assert.Equal(t, `level=WARN msg="session ended" session=1 remote=192.0.2.1:40001 error="it failed"
level=WARN msg="session ended" session=2 remote=192.0.2.1:40002 error="unexpected EOF"
level=WARN msg="session ended" session=4 remote=192.0.2.1:40004 error="idle timeout: nothing received for 1m0s"
`, r.logs.String())
	})
}

func TestLimits(t *testing.T) {
	refusal := func(err error) []byte { return []byte("421 " + err.Error() + "\r\n") }
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{MaxConns: 4, MaxConnsPerAddr: 2, Refusal: refusal})
		dial := func(ip string) (*testkit.PipeConn, string) {
			c, err := r.l.DialFrom(t.Context(), net.ParseIP(ip))
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			b := make([]byte, 100)
			n, _ := c.Read(b)
			return c, string(b[:n])
		}
		const perAddr, total = "421 too many connections from this address\r\n", "421 too many connections\r\n"
		for _, tt := range []struct{ ip, want string }{
			{"2001:db8:0:1::1", "hello\r\n"},
			{"2001:db8:0:1:ffff::2", "hello\r\n"},
			{"2001:db8:0:1::3", perAddr},
			{"2001:db8:0:2::1", "hello\r\n"},
			{"192.0.2.7", "hello\r\n"},
			{"192.0.2.8", total},
		} {
			_, got := dial(tt.ip)
			assert.Equal(t, tt.want, got, tt.ip)
		}
		assert.Equal(t, 4, r.ConnCount())
		assert.Equal(t, 2, strings.Count(r.logs.String(), "connection refused"))
		require.NoError(t, r.Close())
		require.NoError(t, r.Shutdown(t.Context()))
	})
	synctest.Test(t, func(t *testing.T) {
		// A place is free again as soon as its session is over.
		r := start(t, &serve.Server{MaxConnsPerAddr: 1, Refusal: refusal})
		for range 3 {
			c := r.dial(t)
			say(t, c, "QUIT\r\n", "hello\r\n221 bye\r\n")
			_ = c.Close()
			synctest.Wait()
		}
		r.dial(t)
		c := r.dial(t)
		assert.Equal(t, "421 too many connections from this address\r\n", rest(t, c))
		_ = c.Close()
	})
}

// Peers that do not take their refusal hold up neither the accept loop nor
// Shutdown, and their number is bounded.
func TestRefusalDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{MaxConns: 1, MaxConnsPerAddr: -1, Refusal: func(err error) []byte {
			return bytes.Repeat([]byte("x"), 1<<20)
		}})
		first := r.dial(t)
		say(t, first, "", "hello\r\n")
		before := runtime.NumGoroutine()
		began := time.Now()
		for range 1000 {
			r.dial(t)
		}
		assert.Zero(t, time.Since(began))
		assert.LessOrEqual(t, runtime.NumGoroutine()-before, 70)
		say(t, first, "QUIT\r\n", "221 bye\r\n")
		_ = first.Close()
		require.NoError(t, r.Shutdown(t.Context()))
		assert.LessOrEqual(t, time.Since(began), 4*time.Second)
	})
}

func TestRefusalPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &serve.Server{MaxConns: 1, Refusal: func(err error) []byte { panic("no words") }})
		say(t, r.dial(t), "", "hello\r\n")
		assert.Empty(t, rest(t, r.dial(t)))
		assert.Contains(t, r.logs.String(), `panic="no words"`)
	})
}

func TestImplicitTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, cli := testkit.TLS()
		r := start(t, &serve.Server{Conn: netconn.Options{HandshakeTimeout: 10 * time.Second}})
		implicit, wrapped := testkit.NewListener(), testkit.NewListener()
		go func() { r.err <- r.ServeTLS(implicit, srv) }()
		go func() { r.err <- r.Serve(tls.NewListener(wrapped, srv)) }()
		synctest.Wait()
		for _, l := range []*testkit.Listener{implicit, wrapped} {
			raw, err := l.Dial(t.Context())
			require.NoError(t, err)
			c := tls.Client(raw, cli)
			say(t, c, "A\r\nQUIT\r\n", "hello\r\nA\r\n221 bye\r\n")
			assert.Empty(t, rest(t, c))
			_ = c.Close()

			// Plaintext, and silence, on a port of implicit TLS.
			raw, err = l.Dial(t.Context())
			require.NoError(t, err)
			_, _ = io.WriteString(raw, "EHLO x\r\n")
			_, _ = io.ReadAll(raw)
			_ = raw.Close()
			raw, err = l.Dial(t.Context())
			require.NoError(t, err)
			began := time.Now()
			assert.Empty(t, rest(t, raw))
			assert.Equal(t, 10*time.Second, time.Since(began))
			_ = raw.Close()
		}
		synctest.Wait()
		assert.Equal(t, 4, strings.Count(r.logs.String(), "\n"))
		assert.Contains(t, r.logs.String(), `msg="session ended" session=2 remote=192.0.2.1:40002 error="TLS handshake: tls: first record does not look like a TLS handshake"`)
		assert.Contains(t, r.logs.String(), `error="TLS handshake: TLS handshake took too long: more than 10s"`)

		// Shutdown does not wait for a handshake.
		raw, err := implicit.Dial(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		assert.Zero(t, time.Since(began))
		_ = raw.Close()
		for range 3 {
			assert.Equal(t, serve.ErrServerClosed, <-r.err)
		}
		assert.EqualError(t, r.ServeTLS(testkit.NewListener(), nil), "serve: no TLS configuration")
	})
}

func TestHijackedConnectionStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn, 1)
		r := start(t, &serve.Server{Handler: func(ctx context.Context, s *serve.Session) error {
			conn, _, err := s.Hijack()
			conns <- conn
			return err
		}})
		c := r.dial(t)
		conn := <-conns
		synctest.Wait()
		assert.Zero(t, r.ConnCount())
		require.NoError(t, r.Shutdown(t.Context()))
		_, _ = io.WriteString(conn, "mine")
		say(t, c, "", "mine")
		_ = conn.Close()
	})
}

// panicking is a trace that fails as badly as it can.
type panicking struct{}

func (*panicking) Write(line []byte) (int, error) { panic("traced " + string(line)) }

func TestContexts(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		ctxs := make(chan context.Context, 1)
		s := &serve.Server{
			BaseContext: func(l net.Listener) context.Context { return context.WithValue(context.Background(), key{}, l) },
			Trace:       &panicking{},
			Handler: func(ctx context.Context, s *serve.Session) error {
				assert.NoError(t, ctx.Err())
				assert.True(t, s.Server())
				ctxs <- ctx
				_, _ = s.WriteString("x\r\n")
				return s.Flush()
			},
		}
		r := start(t, s)
		rest(t, r.dial(t))
		ctx := <-ctxs
		<-ctx.Done()
		assert.Equal(t, net.Listener(r.l), ctx.Value(key{}))
		synctest.Wait()
		assert.Contains(t, r.logs.String(), "traced 192.0.2.1:40001")
	})
}

// failing is a listener of accept errors.
type failing struct {
	net.Listener
	errs []error
}

type temporary struct{ error }

func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return f.Listener.Accept()
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tooMany := temporary{errors.New("too many open files")}
		log := &logs{}
		s := &serve.Server{Handler: echo, Logger: log.logger()}
		began := time.Now()
		fatal := errors.New("no such socket")
		assert.Equal(t, fatal, s.Serve(&failing{testkit.NewListener(), []error{tooMany, tooMany, tooMany, fatal}}))
		assert.Equal(t, 35*time.Millisecond, time.Since(began))
		assert.Equal(t, 3, strings.Count(log.String(), `msg="accept failed, trying again" error="too many open files"`))
		// Shutdown ends the wait.
		done := make(chan error)
		errs := make([]error, 100)
		for i := range errs {
			errs[i] = tooMany
		}
		go func() { done <- s.Serve(&failing{testkit.NewListener(), errs}) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, s.Close())
		assert.Equal(t, serve.ErrServerClosed, <-done)
	})
}

// Many listeners and clients at once over real sockets, while it shuts down.
func TestManyListenersOverTCP(t *testing.T) {
	s := &serve.Server{Handler: echo, Logger: (&logs{}).logger()}
	var wg, greeted sync.WaitGroup
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		wg.Go(func() { assert.Equal(t, serve.ErrServerClosed, s.Serve(l)) })
		for range 10 {
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			greeted.Add(1)
			wg.Go(func() {
				defer conn.Close()
				say(t, conn, "A\r\n", "hello\r\nA\r\n")
				greeted.Done()
				b, _ := io.ReadAll(conn)
				assert.Equal(t, "421 bye\r\n", string(b))
			})
		}
	}
	greeted.Wait()
	require.NoError(t, s.Shutdown(t.Context()))
	wg.Wait()
}
