// Pool: connections kept for the next message.

package smtpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
)

// Pool sends messages over connections that it keeps. The zero value is ready.
// It may be used by any number of goroutines; its fields must not change after
// the first call.
//
// A connection is used again only for the same address and the same *Options,
// as long as these hold the same credentials, TLS settings and names as when
// it was opened: it is never shared between credentials. What Options point
// to, such as a *tls.Config, must not change.
type Pool struct {
	// MaxConns is the greatest number of connections to one address with
	// one *Options; more wait. 4 when zero, no limit when negative.
	MaxConns int
	// MaxMessages is how many messages go over one connection; 100 when
	// zero, no limit when negative. A server's own limit (RFC 9422) counts
	// where it is lower.
	MaxMessages int
	// IdleTimeout is how long a connection is kept without work; 30 seconds
	// when zero: many servers wait no longer.
	IdleTimeout time.Duration

	mu     sync.Mutex
	places map[place]*destination
	closed bool
}

// ErrPoolClosed is returned by a Pool after Close.
var ErrPoolClosed = errors.New("smtpclient: the pool is closed")

type place struct {
	addr string
	o    *Options
}

type destination struct {
	idle  []*pooled
	slots chan struct{} // nil without a limit
	users int
}

// pooled is a connection, and what it was opened with.
type pooled struct {
	c        *Client
	opts     Options
	messages int
	expiry   *time.Timer
}

// same says whether a connection that was opened with a serves b too.
func same(a, b *Options) bool {
	return sameAuth(a.Auth, b.Auth) && a.TLS == b.TLS && a.TLSConfig == b.TLSConfig && a.AllowCleartext == b.AllowCleartext &&
		a.LMTP == b.LMTP && a.HelloName == b.HelloName && a.BareLineEnds == b.BareLineEnds && a.Chunking == b.Chunking &&
		a.Downgrade == b.Downgrade && sameProxy(a.Proxy, b.Proxy) && slices.Equal(a.Optional, b.Optional) && sameFunc(a.DialContext, b.DialContext)
}

// sameAuth compares what can be compared.
func sameAuth(a, b sasl.Mechanism) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && t.Comparable() && a == b
}

// sameProxy: a connection speaks for one client.
func sameProxy(a, b *ProxyHeader) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameFunc(a, b func(context.Context, string, string) (net.Conn, error)) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

func (p *Pool) limit(n, def int) int {
	if n == 0 {
		return def
	}
	return max(n, 0)
}

// Send sends one message, as [Client.Send] does, over a connection of the Pool
// or a new one. o may be nil.
//
// Where a kept connection turns out to be gone, or says 421, before it took
// any of the message, the message is sent once more over a new one. A message
// that was read from is then read again if it is an io.Seeker; otherwise the
// error is returned.
func (p *Pool) Send(ctx context.Context, addr string, env *smtp.Envelope, message io.Reader, o *Options) (*smtp.Result, error) {
	d, done, err := p.enter(ctx, place{addr, o})
	if err != nil {
		return failed(env, err), err
	}
	defer done()
	m, err := newRewinder(message)
	if err != nil {
		return failed(env, err), err
	}
	for try := 0; ; try++ {
		x, kept := p.take(d, o, try > 0)
		if kept && x.c.Reset(ctx) != nil {
			// Stale: closed meanwhile.
			x.c.Close()
			kept = false
			if err := context.Cause(ctx); err != nil {
				return failed(env, err), err
			}
			x = nil
		}
		if !kept {
			c, err := Dial(ctx, addr, o)
			if err != nil {
				return failed(env, err), err
			}
			x = &pooled{c: c}
			if o != nil {
				x.opts = *o
				if o.Proxy != nil {
					proxy := *o.Proxy
					x.opts.Proxy = &proxy
				}
			}
		}
		res, err := x.c.Send(ctx, env, m.reader())
		x.messages++
		lost := x.c.lost()
		p.put(ctx, d, x)
		if err == nil || !kept || !lost || try > 0 || context.Cause(ctx) != nil || res.Accepted() > 0 || !before(res, err) || !m.rewind() {
			return res, err
		}
	}
}

// lost says that the connection ended.
func (c *Client) lost() bool { return c.err != nil }

// before says that a connection ended before it could take the message: what
// came of a message that was sent to its end is not known.
func before(res *smtp.Result, err error) bool {
	var sent *SentError
	return !errors.As(err, &sent) && res.Reply.Code == 0
}

// enter waits for room at a destination.
func (p *Pool) enter(ctx context.Context, at place) (*destination, func(), error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nil, ErrPoolClosed
	}
	d := p.places[at]
	if d == nil {
		d = &destination{}
		if n := p.limit(p.MaxConns, 4); n > 0 {
			d.slots = make(chan struct{}, n)
		}
		if p.places == nil {
			p.places = make(map[place]*destination)
		}
		p.places[at] = d
	}
	d.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if d.users--; d.users == 0 && len(d.idle) == 0 {
			delete(p.places, at)
		}
	}
	if d.slots == nil {
		return d, leave, nil
	}
	select {
	case d.slots <- struct{}{}:
		return d, func() { <-d.slots; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, nil, context.Cause(ctx)
	}
}

// take is a kept connection that serves o, the one used last.
func (p *Pool) take(d *destination, o *Options, fresh bool) (*pooled, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var now Options
	if o != nil {
		now = *o
	}
	for !fresh && len(d.idle) > 0 {
		x := d.idle[len(d.idle)-1]
		d.idle = d.idle[:len(d.idle)-1]
		if !x.expiry.Stop() {
			continue // about to be closed
		}
		if same(&x.opts, &now) {
			return x, true
		}
		x.c.Close()
	}
	return nil, false
}

// put keeps a connection, or ends it.
func (p *Pool) put(ctx context.Context, d *destination, x *pooled) {
	if x.c.lost() {
		x.c.Close()
		return
	}
	idle := p.IdleTimeout
	if idle <= 0 {
		idle = 30 * time.Second
	}
	p.mu.Lock()
	most := p.limit(p.MaxMessages, 100)
	if n := x.c.ext.Limits().MailMax; n > 0 && (most == 0 || n < most) {
		most = n
	}
	if p.closed || most > 0 && x.messages >= most {
		p.mu.Unlock()
		_ = x.c.Quit(ctx)
		return
	}
	defer p.mu.Unlock()
	x.expiry = time.AfterFunc(idle, func() {
		p.mu.Lock()
		d.idle = slices.DeleteFunc(d.idle, func(y *pooled) bool { return y == x })
		p.mu.Unlock()
		x.c.Close()
	})
	d.idle = append(d.idle, x)
}

// Close says QUIT on all idle connections, and closes them. Those in use are
// closed when their message is sent. ctx bounds the goodbyes.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	var idle []*pooled
	for _, d := range p.places {
		for _, x := range d.idle {
			if x.expiry.Stop() {
				idle = append(idle, x)
			}
		}
		d.idle = nil
	}
	p.mu.Unlock()
	for _, x := range idle {
		_ = x.c.Quit(ctx)
	}
	return nil
}

// Idle is the number of connections that are kept without work.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, d := range p.places {
		n += len(d.idle)
	}
	return n
}

// rewinder is a message that may be sent again.
type rewinder struct {
	r       io.Reader
	seek    io.Seeker
	from    int64
	touched bool
}

func newRewinder(r io.Reader) (*rewinder, error) {
	m := &rewinder{r: r}
	if s, ok := r.(io.Seeker); ok {
		from, err := s.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		m.seek, m.from = s, from
	}
	return m, nil
}

// reader is the message: itself where it can be set back, else one that tells
// whether it was read.
func (m *rewinder) reader() io.Reader {
	if m.seek != nil {
		return m.r
	}
	return touchReader{m}
}

func (m *rewinder) rewind() bool {
	if m.seek == nil {
		return !m.touched
	}
	_, err := m.seek.Seek(m.from, io.SeekStart)
	return err == nil
}

type touchReader struct{ m *rewinder }

func (t touchReader) Read(p []byte) (int, error) {
	t.m.touched = true
	return t.m.r.Read(p)
}
