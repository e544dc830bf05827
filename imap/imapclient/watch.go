package imapclient

// Watching a mailbox for as long as it takes.

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
)

// WatchOptions are how a mailbox is watched. nil stands for the zero value.
type WatchOptions struct {
	// Poll is how often a server without IDLE and NOTIFY is asked; a minute
	// when zero.
	Poll time.Duration
	// Renew is how long the watch waits for the server at most before it asks,
	// also to see whether it is there still; 28 minutes when zero, which no
	// server may cut off (RFC 2177 section 3). Networks that forget silent
	// connections want less.
	Renew time.Duration
	// MinBackoff and MaxBackoff are the first and the longest wait before a
	// lost connection is made anew; the wait doubles, less up to a half by
	// chance. A second and five minutes when zero.
	MinBackoff, MaxBackoff time.Duration
	// OnLost, if set, is called with why a connection was lost, or could not
	// be made, and how long the watch waits before the next.
	OnLost func(err error, wait time.Duration)
}

// Watch yields what happens in a mailbox, as [Client.Sync] does, from what the
// cache has on; with a nil cache, from now on. It goes on until the loop ends or
// the context does, which ends it without an error. It waits by NOTIFY (RFC
// 5465), else by IDLE (RFC 2177), else it asks from time to time.
//
// dial makes a connection that is logged in; it is asked anew when one was
// lost, after a wait that grows. What happened in between is told then: no
// change is lost, while one may be told twice when the connection went before
// the state was saved.
//
// Errors that a new connection does not help against are yielded: a login or
// mailbox that the server refuses, a certificate that is not trusted, a cache
// that fails. A loop that goes on nevertheless has it tried again, after the
// wait.
//
// During the loop's body the connection rests: [Watcher] gives it to the body.
func Watch(ctx context.Context, dial func(ctx context.Context) (*Client, error), mailbox string, cache Cache, o *WatchOptions) iter.Seq2[*imap.Change, error] {
	w := &Watcher{Dial: dial, Mailbox: mailbox, Cache: cache}
	if o != nil {
		w.Options = *o
	}
	return w.Changes(ctx)
}

// Watcher is Watch with its parts to be seen.
type Watcher struct {
	Dial    func(ctx context.Context) (*Client, error)
	Mailbox string
	Cache   Cache
	Options WatchOptions

	c *Client
}

// Client is the connection with the mailbox selected, for the loop's body, to
// fetch what it is told of. It is nil while there is none. Another mailbox must
// not be selected on it.
func (w *Watcher) Client() *Client { return w.c }

// Changes is Watch. One iteration at a time may go on.
func (w *Watcher) Changes(ctx context.Context) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		r := &watching{w: w, ctx: ctx, yield: yield, cache: w.Cache, quiet: w.Cache == nil}
		if r.cache == nil {
			r.cache = &MemoryCache{}
		}
		defer r.leave()
		r.run()
	}
}

// Watch is the function Watch on this connection alone: when it is lost, that
// is yielded and the end.
func (c *Client) Watch(ctx context.Context, mailbox string, cache Cache) iter.Seq2[*imap.Change, error] {
	return func(yield func(*imap.Change, error) bool) {
		w := &Watcher{Mailbox: mailbox, Cache: cache, c: c}
		r := &watching{w: w, ctx: ctx, yield: yield, cache: cache, quiet: cache == nil}
		if r.cache == nil {
			r.cache = &MemoryCache{}
		}
		if err := r.session(); err != nil && ctx.Err() == nil && !r.stopped {
			yield(nil, err)
		}
	}
}

// watching is one iteration.
type watching struct {
	w        *Watcher
	ctx      context.Context
	yield    func(*imap.Change, error) bool
	cache    Cache
	quiet    bool // what there is already is not told
	stopped  bool
	failures int
}

func or(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// run makes connections until the end.
func (r *watching) run() {
	for r.ctx.Err() == nil && !r.stopped {
		c, err := r.w.Dial(r.ctx)
		if err == nil {
			r.w.c = c
			err = r.session()
			r.leave()
		}
		if r.ctx.Err() != nil || r.stopped {
			return
		}
		r.failures++
		if lasting(err) && !r.yield(nil, err) {
			return
		}
		wait := r.backoff()
		if f := r.w.Options.OnLost; f != nil {
			f(err, wait)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-r.ctx.Done():
			t.Stop()
			return
		}
	}
}

// backoff is how long to wait after so many failures.
func (r *watching) backoff() time.Duration {
	o := &r.w.Options
	d, most := or(o.MinBackoff, time.Second), or(o.MaxBackoff, 5*time.Minute)
	for i := 1; i < r.failures && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d - rand.N(d/2+1)
}

// lasting reports whether err is one that a new connection does not help
// against.
func lasting(err error) bool {
	var said *imap.Error
	switch {
	case errors.As(err, &said):
		if said.Kind == imap.BYE {
			return false
		}
		switch said.Code {
		case imap.CodeUnavailable, imap.CodeInUse, imap.CodeLimit, imap.CodeServerBug:
			return false
		}
		return true
	case errors.Is(err, ErrTLSRequired), errors.Is(err, ErrCleartextAuth), errors.As(err, new(*ExtensionError)):
		return true
	}
	var cache *cacheError
	return errors.As(err, &cache)
}

// cacheError is an error of the cache, apart from those of the connection.
type cacheError struct{ err error }

func (e *cacheError) Error() string { return e.err.Error() }
func (e *cacheError) Unwrap() error { return e.err }

// watchedCache marks the errors of a cache.
type watchedCache struct{ Cache }

func (c watchedCache) Load(ctx context.Context, mailbox string) (*MailboxState, error) {
	s, err := c.Cache.Load(ctx, mailbox)
	if err != nil {
		err = &cacheError{err}
	}
	return s, err
}

func (c watchedCache) Save(ctx context.Context, mailbox string, s *MailboxState) error {
	if err := c.Cache.Save(ctx, mailbox, s); err != nil {
		return &cacheError{err}
	}
	return nil
}

// leave ends the connection that this watch made, in good order where that does
// not take long.
func (r *watching) leave() {
	c := r.w.c
	if c == nil {
		return
	}
	r.w.c = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 2*time.Second)
	defer cancel()
	if err := c.Logout(ctx); err != nil {
		c.Close()
	}
}

// session watches on one connection until it is lost.
func (r *watching) session() error {
	c := r.w.c
	notify, err := r.notify()
	if err != nil {
		return err
	}
	for {
		if err := r.sync(); err != nil || r.stopped {
			return err
		}
		r.failures = 0
		if c.changes == 0 {
			switch {
			case notify:
				// Dovecot 2.3 looks for changes from the end of SELECT on, and tells
				// nobody of one between what SELECT told and then: it is asked once.
				err = r.ask()
				if err == nil && c.changes == 0 {
					err = c.waitUnasked(r.ctx, or(r.w.Options.Renew, renewIdle))
				}
				if err == errOverflow {
					notify, err = false, nil
				}
			case c.offers(imap.CapIdle):
				err = r.idle()
			default:
				err = r.poll()
			}
		}
		if err == nil {
			err = context.Cause(r.ctx)
		}
		if err != nil {
			return err
		}
	}
}

// notify asks for the events of the selected mailbox, where it can.
func (r *watching) notify() (bool, error) {
	c := r.w.c
	ok, err := c.has(r.ctx, imap.CapNotify)
	if !ok || err != nil {
		return false, err
	}
	err = c.Notify(r.ctx, &imap.NotifySpec{Groups: []imap.NotifyGroup{{
		Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSelected},
		Events:    []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge, imap.EventFlagChange},
	}}})
	if err != nil && c.Closed() {
		return false, err
	}
	return err == nil, nil
}

// sync tells what happened.
func (r *watching) sync() error {
	for ch, err := range r.w.c.Sync(r.ctx, r.w.Mailbox, watchedCache{r.cache}) {
		if err != nil {
			return err
		}
		if !r.quiet && !r.yield(ch, nil) {
			r.stopped = true
			return nil
		}
	}
	r.quiet = false
	return nil
}

// ask asks what is new. errOverflow says that NOTIFY is off.
func (r *watching) ask() error {
	over := false
	err := r.w.c.Do(r.ctx, &imapwire.Noop{}, func(resp imapwire.Response) error {
		s, ok := resp.(*imapwire.StatusResponse)
		over = over || ok && s.Code == imap.CodeNotificationOver
		return nil
	})
	if err == nil && over {
		err = errOverflow
	}
	return err
}

// idle waits by IDLE until something happens or the time is over.
func (r *watching) idle() error {
	var failed error
	c := r.w.c
	ctx, cancel := context.WithTimeout(r.ctx, or(r.w.Options.Renew, renewIdle))
	defer cancel()
	for _, err := range c.Idle(ctx) {
		if err != nil && (c.Closed() || !errors.As(err, new(*imapwire.ParseError))) {
			failed = err
			break
		}
		if c.changes > 0 || err != nil {
			break
		}
	}
	if failed != nil && !c.Closed() && errors.As(failed, new(*imap.Error)) {
		return r.poll() // IDLE is refused
	}
	return failed
}

// poll asks from time to time until something happened.
func (r *watching) poll() error {
	every := or(r.w.Options.Poll, time.Minute)
	for spent := time.Duration(0); spent < or(r.w.Options.Renew, renewIdle); spent += every {
		t := time.NewTimer(every)
		select {
		case <-t.C:
		case <-r.ctx.Done():
			t.Stop()
			return context.Cause(r.ctx)
		}
		if err := r.w.c.Noop(r.ctx); err != nil {
			return err
		}
		if r.w.c.changes > 0 {
			return nil
		}
	}
	return nil
}

// waitUnasked reads what the server says without a command, with NOTIFY, until
// that is about the selected mailbox; when the time is over it asks whether the
// server is there.
func (c *Client) waitUnasked(ctx context.Context, renew time.Duration) error {
	leave, err := c.enter(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, renew)
	defer cancel()
	err = c.unaskedUntil(ctx, wait)
	leave()
	if err == nil && wait.Err() != nil && ctx.Err() == nil {
		err = c.Noop(ctx)
	}
	return err
}

func (c *Client) unaskedUntil(parent, ctx context.Context) error {
	defer c.conn.SetIdleTimeout(c.idleTimeout())
	for c.changes == 0 {
		if c.conn.Buffered() == 0 {
			c.conn.SetIdleTimeout(-1)
			err := c.conn.WaitInput(ctx)
			c.conn.SetIdleTimeout(c.idleTimeout())
			var i *netconn.InterruptError
			if errors.As(err, &i) && ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return c.failed(err)
			}
		}
		stop := c.conn.Watch(parent)
		r, done, err := c.next("")
		stop()
		if done {
			if err == nil {
				err = c.ended(ErrProtocol)
			}
			return err
		}
		if err != nil {
			return nil // what does not parse may be anything
		}
		if s, ok := r.(*imapwire.StatusResponse); ok && s.Code == imap.CodeNotificationOver {
			c.unasked(r)
			return errOverflow
		}
		c.unasked(r)
	}
	return nil
}

// errOverflow: too much happened, and NOTIFY is off now (RFC 5465 section 5.8).
var errOverflow = errors.New("imapclient: the server gave NOTIFY up")
