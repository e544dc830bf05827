package imapclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/sasl"
)

func TestPool(t *testing.T) {
	ctx := t.Context()
	s := imaptest.NewServer(t)
	var dials, conns atomic.Int64
	p := &imapclient.Pool{Addr: s.TLSAddr, MaxConns: 3, Options: &imapclient.Options{
		TLS: imapclient.Implicit, TLSConfig: &tls.Config{RootCAs: s.Pool}, Auth: sasl.Plain("", imaptest.User, imaptest.Password),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			err := p.Do(ctx, "INBOX", func(c *imapclient.Client) error {
				if n := conns.Add(1); n > 3 {
					return errors.New("too many")
				}
				defer conns.Add(-1)
				_, err := c.Append(ctx, "INBOX", strings.NewReader("Subject: x\r\n\r\nx\r\n"), nil)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, dials.Load(), int64(3))
	n := p.Idle()
	require.Positive(t, n)
	was := dials.Load()
	require.NoError(t, p.View(ctx, "inbox", func(c *imapclient.Client) error {
		require.True(t, c.Mailbox().ReadOnly)
		require.Equal(t, uint32(12), c.Mailbox().Messages)
		return nil
	}))
	require.NoError(t, p.Do(ctx, "", func(c *imapclient.Client) error { return c.Noop(ctx) }))
	require.Equal(t, was, dials.Load())

	// One that is gone is replaced; a refusal costs none.
	var dead *imapclient.Client
	require.NoError(t, p.Do(ctx, "INBOX", func(c *imapclient.Client) error { dead = c; return nil }))
	dead.Close()
	require.NoError(t, p.Do(ctx, "INBOX", func(c *imapclient.Client) error { return c.Noop(ctx) }))
	require.ErrorIs(t, p.Do(ctx, "nowhere", nil), imap.ErrNoMailbox)
	require.Panics(t, func() { _ = p.Do(ctx, "INBOX", func(*imapclient.Client) error { panic("x") }) })
	require.NoError(t, p.Do(ctx, "INBOX", func(c *imapclient.Client) error { return c.Noop(ctx) }))

	// Other credentials, other settings: nothing is shared.
	for _, change := range []func(o *imapclient.Options){
		func(o *imapclient.Options) { o.Auth = sasl.Plain("", "other", "x") },
		func(o *imapclient.Options) { o.TLSConfig = &tls.Config{} },
	} {
		o := *p.Options
		right := p.Options
		p.Options = &o
		change(&o)
		require.Error(t, p.Do(ctx, "INBOX", func(*imapclient.Client) error { return nil }))
		require.Zero(t, p.Idle())
		p.Options = right
		require.NoError(t, p.Do(ctx, "INBOX", func(*imapclient.Client) error { return nil }))
	}
	addr := p.Addr
	p.Addr = "127.0.0.1:1"
	require.Error(t, p.Do(ctx, "INBOX", func(*imapclient.Client) error { return nil }))
	p.Addr = addr
	require.NoError(t, p.Do(ctx, "INBOX", func(*imapclient.Client) error { return nil }))

	require.NoError(t, p.Close(ctx))
	require.Zero(t, p.Idle())
	require.ErrorIs(t, p.Do(ctx, "INBOX", nil), imapclient.ErrPoolClosed)
}

// A call that waits for a connection ends with its context, and connections
// that nobody wants are closed.
func TestPoolWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "")
		p := &imapclient.Pool{Addr: "x:143", MaxConns: 1, IdleTimeout: time.Minute, Options: &imapclient.Options{
			TLS: imapclient.Disabled, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx) },
		}}
		require.NoError(t, p.Do(t.Context(), "INBOX", func(*imapclient.Client) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, p.Do(ctx, "INBOX", nil), context.DeadlineExceeded)
			return nil
		}))
		require.Equal(t, 1, p.Idle())
		time.Sleep(2 * time.Minute)
		require.Zero(t, p.Idle())
		f.sessions.Wait()
		require.NoError(t, p.Close(t.Context()))
	})
}
