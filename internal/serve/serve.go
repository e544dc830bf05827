// Package serve is the accept loop that every server of this module shares:
// any number of listeners, limits on connections, a Shutdown as net/http's,
// and sessions that can fail without harm to others.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
)

// ErrServerClosed is returned by Serve after Shutdown or Close. The read of an
// idle session fails with it when the server shuts down: the session says
// goodbye in its protocol's words and returns.
var ErrServerClosed = errors.New("serve: the server was shut down")

const (
	defaultMaxConns     = 10000
	defaultMaxPerAddr   = 100
	defaultCloseTimeout = 2 * time.Second

	// maxRefusals bounds those who are told why they are refused at a time;
	// beyond it they are not told.
	maxRefusals    = 64
	refusalTimeout = 2 * time.Second
)

// Server accepts connections and runs a session on each. Its fields must not
// change after the first Serve.
type Server struct {
	// Handler runs one session, in a goroutine of its own, and returns when
	// it is over; the connection is flushed and closed then, unless it was
	// hijacked. ctx ends with the session, at the latest. An error is what
	// ended the session abnormally, for one line in the log; EOF, shut down
	// and closed connections are not logged.
	Handler func(ctx context.Context, s *Session) error

	// Conn are the options of each connection. Server is set.
	Conn netconn.Options
	// Trace, if set, gets every line of every conversation, one Write for
	// each, with the peer's address before it and without credentials.
	Trace io.Writer

	// MaxConns is the greatest number of connections at a time; 10000 when
	// zero, no limit when negative.
	MaxConns int
	// MaxConnsPerAddr is the greatest number of them from one IPv4 address or
	// one IPv6 /64; 100 when zero, no limit when negative. Connections
	// without an IP address (Unix sockets) are not limited.
	MaxConnsPerAddr int
	// Refusal is what a refused peer is told, a whole line with its CRLF; err
	// is ErrTooManyConns, ErrTooManyFromAddr or ErrServerClosed. It is not
	// told on listeners of implicit TLS.
	Refusal func(err error) []byte

	// CloseTimeout is how long the close of a connection waits for its peer
	// to take the last reply; 2 seconds when zero, no wait when negative.
	CloseTimeout time.Duration

	// Logger gets one line for each session that ended abnormally, and those
	// of accept errors and panics; slog.Default when nil.
	Logger *slog.Logger
	// BaseContext, if set, is the context that those of the sessions of l are
	// derived from.
	BaseContext func(l net.Listener) context.Context

	traceMu sync.Mutex

	mu        sync.Mutex
	listeners map[*net.Listener]struct{}
	sessions  map[*Session]struct{}
	perAddr   map[addrKey]int
	closing   bool          // Shutdown or Close was called
	done      chan struct{} // closed with closing
	empty     chan struct{} // closed when the last connection is gone; made by Shutdown
	refusing  map[net.Conn]struct{}
	ids       atomic.Uint64
}

// Why a connection was refused.
var (
	ErrTooManyConns    = errors.New("too many connections")
	ErrTooManyFromAddr = errors.New("too many connections from this address")
)

// State is what a session is doing.
type State int32

const (
	// StateNew: connected, in the TLS handshake. Shutdown ends it.
	StateNew State = iota
	// StateActive: in the middle of something; Shutdown waits for it. A
	// session is active from the call of the Handler until it says otherwise.
	StateActive
	// StateIdle: waiting for the next command. Shutdown ends it.
	StateIdle
)

// Session is one connection and its place in the server.
type Session struct {
	*netconn.Conn
	// ID is unique in the server, from 1.
	ID uint64
	// Log has the attributes of the session: its id and the remote address.
	Log *slog.Logger

	srv    *Server
	raw    net.Conn
	key    addrKey
	state  State // guarded by srv.mu
	cancel context.CancelFunc
}

// SetState says what the session is doing. Idle while the server shuts down,
// its next read fails with ErrServerClosed, at once where it waits already;
// input that was received before is served first.
func (s *Session) SetState(st State) {
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.state = st
	if st != StateActive && s.srv.closing {
		s.InterruptRead(ErrServerClosed)
	}
}

// Done is closed when the server begins to shut down.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doneLocked()
}

func (s *Server) doneLocked() chan struct{} {
	if s.done == nil {
		s.done = make(chan struct{})
	}
	return s.done
}

// ConnCount is the number of connections.
func (s *Server) ConnCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

// Serve accepts connections on l until the server is shut down, and closes l
// before it returns. The error is never nil; after Shutdown or Close it is
// ErrServerClosed. A listener of package crypto/tls makes connections whose
// handshake is done before the Handler runs, in their own goroutine.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, nil) }

// ServeTLS is Serve with implicit TLS (RFC 8314 section 3). cfg is not changed.
func (s *Server) ServeTLS(l net.Listener, cfg *tls.Config) error {
	if cfg == nil {
		_ = l.Close()
		return errors.New("serve: no TLS configuration")
	}
	return s.serve(l, netconn.TLSConfig(cfg))
}

func (s *Server) serve(l net.Listener, cfg *tls.Config) error {
	l = &onceListener{Listener: l}
	defer l.Close()
	if !s.trackListener(&l) {
		return ErrServerClosed
	}
	defer s.forgetListener(&l)

	base := context.Background()
	if s.BaseContext != nil {
		base = s.BaseContext(l.(*onceListener).Listener)
	}
	var delay time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			delay = 0
			s.accepted(base, conn, cfg)
			continue
		}
		select {
		case <-s.Done():
			return ErrServerClosed
		default:
		}
		if ne, ok := err.(net.Error); !ok || !ne.Temporary() { //nolint:staticcheck // as net/http: accept errors such as EMFILE pass
			return err
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.logger().Warn("accept failed, trying again", "error", err, "delay", delay)
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-s.Done():
			t.Stop()
			return ErrServerClosed
		}
	}
}

// tracer writes to Trace, for all connections.
type tracer Server

func (t *tracer) Write(line []byte) (int, error) {
	t.traceMu.Lock()
	defer t.traceMu.Unlock()
	return t.Trace.Write(line)
}

// accepted starts the session of conn, or refuses it. It does not block.
func (s *Server) accepted(base context.Context, conn net.Conn, cfg *tls.Config) {
	_, isTLS := conn.(*tls.Conn)
	o := s.Conn
	o.Server = true
	if s.Trace != nil {
		o.Trace = netconn.TraceWriter((*tracer)(s), conn.RemoteAddr().String()+" ")
	}
	n := &Session{srv: s, raw: conn, key: keyOf(conn.RemoteAddr())}
	s.mu.Lock()
	if err := s.admit(n.key); err != nil {
		tell := s.Refusal != nil && cfg == nil && !isTLS && len(s.refusing) < maxRefusals
		if tell {
			if s.refusing == nil {
				s.refusing = make(map[net.Conn]struct{})
			}
			s.refusing[conn] = struct{}{}
		}
		s.mu.Unlock()
		s.logger().Info("connection refused", "remote", addr(conn), "error", err)
		if tell {
			go s.refuse(conn, err)
		} else {
			_ = conn.Close()
		}
		return
	}
	ctx, cancel := context.WithCancel(base)
	n.cancel = cancel
	n.ID = s.ids.Add(1)
	n.Conn = netconn.New(conn, o)
	n.Log = s.logger().With("session", n.ID, "remote", addr(conn))
	if s.sessions == nil {
		s.sessions = make(map[*Session]struct{})
	}
	s.sessions[n] = struct{}{}
	if n.key.ok {
		if s.perAddr == nil {
			s.perAddr = make(map[addrKey]int)
		}
		s.perAddr[n.key]++
	}
	s.mu.Unlock()
	go s.run(ctx, n, cfg)
}

// admit is why one more connection is refused. mu is held.
func (s *Server) admit(k addrKey) error {
	limit := func(n, def int) int {
		if n == 0 {
			return def
		}
		return n
	}
	if s.closing {
		return ErrServerClosed
	}
	if n := limit(s.MaxConns, defaultMaxConns); n > 0 && len(s.sessions) >= n {
		return ErrTooManyConns
	}
	if n := limit(s.MaxConnsPerAddr, defaultMaxPerAddr); n > 0 && k.ok && s.perAddr[k] >= n {
		return ErrTooManyFromAddr
	}
	return nil
}

func (s *Server) refuse(conn net.Conn, why error) {
	defer func() {
		if v := recover(); v != nil {
			s.logger().Error("panic in the refusal", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		_ = conn.Close()
		s.mu.Lock()
		delete(s.refusing, conn)
		s.gone()
		s.mu.Unlock()
	}()
	c := netconn.New(conn, netconn.Options{Server: true})
	c.SetTransactionDeadline(time.Now().Add(refusalTimeout))
	_, _ = c.Write(s.Refusal(why))
	_ = c.CloseGracefully(refusalTimeout)
}

// run is the goroutine of one session.
func (s *Server) run(ctx context.Context, n *Session, cfg *tls.Config) {
	defer s.forget(n)
	defer n.cancel()
	defer func() {
		if !n.Hijacked() {
			_ = n.Close()
		}
	}()
	err := s.handle(ctx, n, cfg)
	if !ordinary(err) {
		n.Log.Warn("session ended", "error", err)
	}
}

// errPanicked: the panic was logged already.
var errPanicked = errors.New("panic in the session")

func (s *Server) handle(ctx context.Context, n *Session, cfg *tls.Config) (err error) {
	defer func() {
		if v := recover(); v != nil {
			n.Log.Error("panic in the session", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	if cfg != nil {
		err = n.StartTLS(ctx, cfg)
	} else {
		err = n.Handshake(ctx)
	}
	if err != nil {
		return err
	}
	n.SetState(StateActive)
	if err = s.Handler(ctx, n); n.Hijacked() {
		return err
	}
	// Shutdown gives the peer the time to take the last reply.
	n.SetState(StateActive)
	wait := s.CloseTimeout
	if wait == 0 {
		wait = defaultCloseTimeout
	}
	// The end of the session is announced before the wait for its peer.
	n.cancel()
	if closeErr := n.CloseGracefully(wait); closeErr != nil {
		// A peer that did not wait for the last words: clients do it all day.
		n.Log.Debug("closing", "error", closeErr)
	}
	return err
}

// ordinary are the ends of a session that nobody needs to hear of.
func ordinary(err error) bool {
	return err == nil || err == errPanicked || errors.Is(err, io.EOF) || errors.Is(err, ErrServerClosed) || errors.Is(err, net.ErrClosed)
}

func (s *Server) forget(n *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
	if n.key.ok {
		if s.perAddr[n.key]--; s.perAddr[n.key] <= 0 {
			delete(s.perAddr, n.key)
		}
	}
	s.gone()
}

// gone tells Shutdown when the last connection is gone. mu is held.
func (s *Server) gone() {
	if s.empty != nil && len(s.sessions)+len(s.refusing) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// Shutdown closes the listeners, ends idle sessions (see Session.SetState) and
// waits until the last session is over, or ctx: then the error is ctx's, the
// sessions go on, and Close would end them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	err := s.closeListeners()
	for n := range s.sessions {
		if n.state != StateActive {
			n.InterruptRead(ErrServerClosed)
		}
	}
	if len(s.sessions)+len(s.refusing) == 0 {
		s.mu.Unlock()
		return err
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the listeners and all connections at once, and cancels the
// contexts of the sessions. It does not wait for them.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.closeListeners()
	for n := range s.sessions {
		n.cancel()
		_ = n.Conn.Close()
		if n.Hijacked() {
			_ = n.raw.Close()
		}
	}
	for conn := range s.refusing {
		_ = conn.Close()
	}
	return err
}

func (s *Server) closeListeners() error {
	if !s.closing {
		s.closing = true
		close(s.doneLocked())
	}
	var err error
	for l := range s.listeners {
		if e := (*l).Close(); e != nil && err == nil {
			err = e
		}
	}
	return err
}

func (s *Server) trackListener(l *net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[*net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) forgetListener(l *net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// onceListener is a listener that may be closed twice.
type onceListener struct {
	net.Listener
	once sync.Once
	err  error
}

func (l *onceListener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}
