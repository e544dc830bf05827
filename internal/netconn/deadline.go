// Deadlines: the limits on a peer's silence and slowness, contexts, and the
// ways to interrupt a connection from another goroutine.

package netconn

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// The limits that a *TimeoutError is about, for errors.Is.
var (
	ErrIdleTimeout        = errors.New("idle timeout")
	ErrTooSlow            = errors.New("peer too slow")
	ErrWriteTimeout       = errors.New("write timeout")
	ErrTransactionTimeout = errors.New("transaction took too long")
	ErrHandshakeTimeout   = errors.New("TLS handshake took too long")
)

var (
	// ErrWoken is returned by WaitInput after Wake. It does not stick.
	ErrWoken = errors.New("netconn: woken")

	errLastWords = errors.New("no last words")
)

// TimeoutError is a limit in time that the peer passed.
type TimeoutError struct {
	// Kind is which limit: ErrIdleTimeout, ErrTooSlow, ErrWriteTimeout,
	// ErrTransactionTimeout or ErrHandshakeTimeout.
	Kind error
	// Limit is how long it is; zero for a transaction, whose limit is a
	// point in time.
	Limit time.Duration
	// Rate is the least rate in octets per second where the peer sent
	// slower than that.
	Rate int64
}

func (e *TimeoutError) Error() string {
	switch {
	case e.Kind == ErrIdleTimeout:
		return "idle timeout: nothing received for " + e.Limit.String()
	case e.Kind == ErrTooSlow && e.Rate > 0:
		return "peer too slow: under the least rate for " + e.Limit.String()
	case e.Kind == ErrTooSlow:
		return "peer too slow: one chunk not accepted within " + e.Limit.String()
	case e.Kind == ErrWriteTimeout:
		return "write timeout: nothing accepted by the peer for " + e.Limit.String()
	case e.Limit > 0:
		return e.Kind.Error() + ": more than " + e.Limit.String()
	}
	return e.Kind.Error()
}

// Unwrap is the Kind and os.ErrDeadlineExceeded.
func (e *TimeoutError) Unwrap() []error { return []error{e.Kind, os.ErrDeadlineExceeded} }

// Timeout makes it a net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is false: what was going on can not be taken up again.
func (e *TimeoutError) Temporary() bool { return false }

// InterruptError is a read or write that a watched context ended.
type InterruptError struct {
	// Err is the context's error, Cause its cause.
	Err, Cause error
}

func (e *InterruptError) Error() string { return "interrupted: " + e.Cause.Error() }

// Unwrap is the cause and the context's error.
func (e *InterruptError) Unwrap() []error { return []error{e.Cause, e.Err} }

// Timeout is whether the context's deadline passed.
func (e *InterruptError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// Temporary is false.
func (e *InterruptError) Temporary() bool { return false }

// limit is a point in time and what it means to pass it. The zero value is
// no limit.
type limit struct {
	at   time.Time
	kind error
	d    time.Duration
	rate int64
}

func (l *limit) nearer(m limit) {
	if l.at.IsZero() || m.at.Before(l.at) {
		*l = m
	}
}

func (l *limit) err() error {
	return &TimeoutError{Kind: l.kind, Limit: l.d, Rate: l.rate}
}

func (c *Conn) readLimit(now time.Time) limit {
	var l limit
	if d := c.opts.IdleTimeout; d > 0 {
		l = limit{at: now.Add(d), kind: ErrIdleTimeout, d: d}
	}
	if c.begun && c.opts.MinRate > 0 {
		l.nearer(limit{at: now.Add(c.budget), kind: ErrTooSlow, d: c.opts.Grace, rate: c.opts.MinRate})
	}
	if c.werr != nil {
		l.nearer(limit{at: now.Add(lastWords), kind: errLastWords, d: lastWords})
	}
	return c.withTransaction(l)
}

func (c *Conn) writeLimit(now time.Time) limit {
	var l limit
	if d := c.opts.WriteTimeout; d > 0 {
		l = limit{at: now.Add(d), kind: ErrWriteTimeout, d: d}
	}
	return c.withTransaction(l)
}

func (c *Conn) withTransaction(l limit) limit {
	if !c.transaction.IsZero() {
		l.nearer(limit{at: c.transaction, kind: ErrTransactionTimeout})
	}
	return l
}

// newExchange gives the peer new time: what is written now it has to answer.
func (c *Conn) newExchange() {
	c.begun, c.budget = false, c.opts.Grace
}

// progress notes that n octets came since start. A peer spends its budget by
// letting us wait, and earns it back at the least rate, never above Grace:
// what it sent quickly does not let it be slow later.
func (c *Conn) progress(n int, start time.Time) {
	if c.opts.MinRate == 0 {
		return
	}
	if c.begun {
		c.budget -= time.Since(start)
		c.budget += time.Duration(n) * time.Second / time.Duration(c.opts.MinRate)
		c.budget = min(c.budget, c.opts.Grace)
	}
	c.begun = c.begun || n > 0
}

// SetIdleTimeout changes Options.IdleTimeout from the next read on; zero or
// less is no limit.
func (c *Conn) SetIdleTimeout(d time.Duration) { c.opts.IdleTimeout = max(d, 0) }

// SetTransactionDeadline sets a point in time that no read or write may pass,
// from the next one on: ErrTransactionTimeout. The zero time takes it away.
func (c *Conn) SetTransactionDeadline(t time.Time) { c.transaction = t }

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// watch is one context that is watched.
type watch struct {
	c    *Conn
	ctx  context.Context
	done bool
}

func (w *watch) fire() {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.done {
		return
	}
	c.fired = append(c.fired, w)
	if !c.hijacked {
		_ = c.conn.SetDeadline(past)
	}
}

// Watch makes the end of ctx interrupt reads and writes at once, those that
// wait and those that follow, with an *InterruptError of its cause. The error
// sticks to the operation it ended: such a connection can only be closed.
//
// After stop, ctx can do nothing to the connection any more, however late it
// ends: where no operation was interrupted it goes on under its own limits.
// Watches nest. There is no goroutine, and no cost for a ctx that never ends.
func (c *Conn) Watch(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	w := &watch{c: c, ctx: ctx}
	unhook := func() bool { return true }
	if ctx.Err() != nil {
		w.fire()
	} else {
		unhook = context.AfterFunc(ctx, w.fire)
	}
	return func() {
		unhook()
		c.mu.Lock()
		defer c.mu.Unlock()
		w.done = true
		c.fired = slices.DeleteFunc(c.fired, func(f *watch) bool { return f == w })
	}
}

// InterruptRead makes the read that waits and all reads that follow fail with
// err, once what was already received is consumed. Writes go on: a server
// tells an idle client goodbye. It may be called from any goroutine.
func (c *Conn) InterruptRead(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted == nil {
		c.interrupted = err
	}
	if !c.hijacked {
		_ = c.conn.SetReadDeadline(past)
	}
}

// Wake makes the WaitInput that waits, or else the next one, return ErrWoken.
// It may be called from any goroutine.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.woken = true
	if c.waiting && !c.hijacked {
		_ = c.conn.SetReadDeadline(past)
	}
}

// WaitInput flushes and waits until there is input, an idle connection's wait:
// the peer has IdleTimeout for it. Unlike a read it can be left without harm:
// when ctx ends (*InterruptError) or Wake is called (ErrWoken) the connection
// is as good as before. Nothing is consumed.
func (c *Conn) WaitInput(ctx context.Context) error {
	if c.Buffered() > 0 {
		return nil
	}
	if c.rerr != nil {
		return c.rerr
	}
	c.traceInput()
	if err := c.flushBeforeRead(); err != nil {
		return err
	}
	stop := c.Watch(ctx)
	defer stop()
	c.newExchange()
	n, err := c.read(c.ahead[:], true)
	if n > 0 {
		c.aheadN = n
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	var i *InterruptError
	if err != ErrWoken && !errors.As(err, &i) {
		c.rerr = err
	}
	return err
}

// blocked is why no operation may go on. mu is held.
func (c *Conn) blocked() error {
	if c.hijacked {
		return ErrHijacked
	}
	if c.closed {
		return net.ErrClosed
	}
	if len(c.fired) > 0 {
		ctx := c.fired[0].ctx
		return &InterruptError{Err: ctx.Err(), Cause: context.Cause(ctx)}
	}
	return nil
}

func (c *Conn) blockedRead(waiting bool) error {
	if err := c.blocked(); err != nil {
		return err
	}
	if c.interrupted != nil {
		return c.interrupted
	}
	if waiting && c.woken {
		c.woken = false
		return ErrWoken
	}
	return nil
}

// armRead sets the deadline of a read, unless there is a reason not to begin
// it. Deadlines are set under mu alone, and those who interrupt leave their
// reason there first: neither can undo the other.
func (c *Conn) armRead(at time.Time, waiting bool) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.blockedRead(waiting); err != nil {
		return nil, err
	}
	c.waiting = waiting
	if c.tls != nil {
		// Reading TLS writes too: answers to key updates, alerts.
		return c.conn, c.conn.SetDeadline(at)
	}
	return c.conn, c.conn.SetReadDeadline(at)
}

func (c *Conn) disarmRead(err error, l limit, waiting bool) error {
	if err == nil && !waiting {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if why := c.blockedRead(waiting); why != nil {
		return why
	}
	return l.err()
}

func (c *Conn) armWrite(at time.Time) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.blocked(); err != nil {
		return nil, err
	}
	return c.conn, c.conn.SetWriteDeadline(at)
}

func (c *Conn) disarmWrite(err error, l limit) error {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.blocked(); why != nil {
		return why
	}
	return l.err()
}
