package imapclient

// Several connections for one account.

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/sasl"
)

// ErrPoolClosed is a call on a Pool after Close.
var ErrPoolClosed = errors.New("imapclient: the pool is closed")

// Pool lends connections of one account to any number of goroutines. Its fields
// may not change while a call is going on. A connection is lent again only
// where Addr and Options hold the same credentials, TLS settings and functions
// as when it was opened, and is closed otherwise: it is never shared between
// credentials or servers. What Options point to, such as a *tls.Config, must not
// change.
type Pool struct {
	// Addr and Options are those of Dial. Options.Auth logs in.
	Addr    string
	Options *Options
	// MaxConns is the greatest number of connections; more calls wait. 4 when
	// zero: many servers allow ten at most for all the programs of an account.
	MaxConns int
	// IdleTimeout is how long a connection is kept that nobody uses; 5 minutes
	// when zero.
	IdleTimeout time.Duration

	once   sync.Once
	slots  chan struct{}
	mu     sync.Mutex
	idle   []*pooled
	closed bool
}

// pooled is a connection, and what it was opened with.
type pooled struct {
	c      *Client
	addr   string
	opts   Options
	expiry *time.Timer
}

// Do runs f with a connection on which the mailbox is selected, or with any
// where mailbox is empty, and returns f's error. The connection is f's alone
// until it returns; a kept one is first seen to be alive. f may select another
// mailbox.
func (p *Pool) Do(ctx context.Context, mailbox string, f func(c *Client) error) error {
	return p.lend(ctx, mailbox, false, f)
}

// View is Do with the mailbox opened read-only.
func (p *Pool) View(ctx context.Context, mailbox string, f func(c *Client) error) error {
	return p.lend(ctx, mailbox, true, f)
}

func (p *Pool) lend(ctx context.Context, mailbox string, readOnly bool, f func(c *Client) error) error {
	p.once.Do(func() {
		n := p.MaxConns
		if n <= 0 {
			n = 4
		}
		p.slots = make(chan struct{}, n)
	})
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	x, err := p.take(ctx, mailbox, readOnly)
	if err != nil {
		return err
	}
	whole := false
	defer func() {
		if !whole { // a panic in f: what is going on there is not known
			x.c.Close()
			return
		}
		p.put(x)
	}()
	err = f(x.c)
	whole = true
	return err
}

// take is a connection that is alive, with the mailbox.
func (p *Pool) take(ctx context.Context, mailbox string, readOnly bool) (*pooled, error) {
	for {
		x, err := p.kept(mailbox, readOnly)
		if err != nil {
			return nil, err
		}
		kept := x != nil
		if !kept {
			x = &pooled{addr: p.Addr}
			if p.Options != nil {
				x.opts = *p.Options
			}
			if x.c, err = Dial(ctx, p.Addr, p.Options); err != nil {
				return nil, err
			}
		}
		switch {
		case mailbox != "" && !x.has(mailbox, readOnly):
			_, err = x.c.SelectWith(ctx, mailbox, &SelectOptions{ReadOnly: readOnly})
		case kept:
			err = x.c.Noop(ctx)
		}
		switch {
		case err == nil:
			return x, nil
		case !x.c.Closed(): // a refusal
			p.put(x)
			return nil, err
		case !kept || ctx.Err() != nil:
			x.c.Close()
			return nil, err
		}
		x.c.Close() // it was gone: another
	}
}

func (x *pooled) has(mailbox string, readOnly bool) bool {
	s := x.c.Mailbox()
	return s != nil && canonical(s.Name) == canonical(mailbox) && s.ReadOnly == readOnly
}

// kept is a connection that was kept, best one with the mailbox, or nil.
func (p *Pool) kept(mailbox string, readOnly bool) (*pooled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrPoolClosed
	}
	p.idle = slices.DeleteFunc(p.idle, func(x *pooled) bool {
		if p.same(x) {
			return false
		}
		if x.expiry.Stop() {
			x.c.Close()
		}
		return true
	})
	for len(p.idle) > 0 {
		i := slices.IndexFunc(p.idle, func(x *pooled) bool { return x.has(mailbox, readOnly) })
		if i < 0 {
			i = len(p.idle) - 1
		}
		x := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		if x.expiry.Stop() {
			return x, nil
		}
	}
	return nil, nil
}

// same says whether a connection is what the Pool would open now.
func (p *Pool) same(x *pooled) bool {
	var b Options
	if p.Options != nil {
		b = *p.Options
	}
	a := &x.opts
	return x.addr == p.Addr && sameAuth(a.Auth, b.Auth) && a.TLS == b.TLS && a.TLSConfig == b.TLSConfig &&
		a.AllowCleartext == b.AllowCleartext && a.UTF8 == b.UTF8 && a.Compress == b.Compress && slices.Equal(a.ID, b.ID) &&
		sameFunc(a.DialContext, b.DialContext) && sameEvents(a.OnEvent, b.OnEvent)
}

// sameAuth compares what can be compared.
func sameAuth(a, b sasl.Mechanism) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && t.Comparable() && a == b
}

func sameFunc(a, b func(context.Context, string, string) (net.Conn, error)) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

func sameEvents(a, b func(*Event)) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// put keeps a connection, or ends it.
func (p *Pool) put(x *pooled) {
	d := p.IdleTimeout
	if d <= 0 {
		d = 5 * time.Minute
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || x.c.Closed() || x.c.busy.Load() {
		x.c.Close()
		return
	}
	x.expiry = time.AfterFunc(d, func() {
		p.mu.Lock()
		p.idle = slices.DeleteFunc(p.idle, func(y *pooled) bool { return y == x })
		p.mu.Unlock()
		x.c.Close()
	})
	p.idle = append(p.idle, x)
}

// Idle is the number of connections that are kept and not lent.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// Close logs out on all connections that are not lent; those that are, are
// closed when they come back. ctx bounds the goodbyes.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	var err error
	for _, x := range idle {
		if !x.expiry.Stop() {
			continue
		}
		var said *imap.Error
		if e := x.c.Logout(ctx); e != nil && !errors.As(e, &said) && err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		x.c.Close()
	}
	return err
}
