package smtpclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// dials plays one script to each connection, in order, and says where they
// went.
type dials struct {
	t       testing.TB
	mu      sync.Mutex
	scripts []string
	to      []string
}

func (d *dials) DialContext(_ context.Context, _, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = append(d.to, addr)
	if len(d.scripts) == 0 {
		return nil, errors.New("connection refused")
	}
	s := d.scripts[0]
	d.scripts = d.scripts[1:]
	if s == "" {
		return nil, errors.New("connection refused")
	}
	return testkit.PlayServer(d.t, parse(d.t, s), testkit.Player{Side: testkit.Server}), nil
}

func (d *dials) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.to)
}

const (
	sent = envelopeOK + "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 queued\n"
	rset = "C: RSET\nS: 250 ok\n"
)

func TestPool(t *testing.T) {
	send := func(p *smtpclient.Pool, o *smtpclient.Options, m io.Reader) error {
		_, err := p.Send(t.Context(), "mx.example:25", envelope(t, "a@x.example", "b@x.example"), m, o)
		return err
	}
	hi := func() io.Reader { return unknownLength("hi") }
	with := func(d *dials, scripts ...string) *smtpclient.Options {
		*d = dials{t: t, scripts: scripts}
		o := options()
		o.DialContext = d.DialContext
		return o
	}
	var d dials

	// RSET between; QUIT at the end.
	var p smtpclient.Pool
	o := with(&d, hello+sent+rset+sent+quit)
	require.NoError(t, send(&p, o, hi()))
	require.Equal(t, 1, p.Idle())
	require.NoError(t, send(&p, o, hi()))
	require.NoError(t, p.Close(t.Context()))
	require.Equal(t, 1, d.count())
	require.ErrorIs(t, send(&p, o, hi()), smtpclient.ErrPoolClosed)

	// Stale before RSET; 421 to RSET; closed or 421 at MAIL.
	for _, end := range []string{"--- close ---\n", "C: RSET\nS: 421 bye\n--- close ---\n", "C: RSET\n--- close ---\n",
		rset + envelopeOK + "C: DATA\nS: 421 bye\n--- close ---\n", rset + envelopeOK + "C: DATA\n--- close ---\n"} {
		p := smtpclient.Pool{}
		o := with(&d, hello+sent+end, hello+sent+quit)
		require.NoError(t, send(&p, o, hi()))
		require.NoError(t, send(&p, o, hi()), end)
		require.Equal(t, 2, d.count())
		require.NoError(t, p.Close(t.Context()))
	}
	// Once only, and not once the message was sent.
	p = smtpclient.Pool{}
	o = with(&d, hello+sent+"--- close ---\n", hello+"C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@x.example>\nC: DATA\nS: 421 bye\n--- close ---\n")
	require.NoError(t, send(&p, o, hi()))
	require.EqualError(t, send(&p, o, hi()), "smtp: MAIL FROM:<a@x.example>: 421 bye")
	require.Equal(t, 2, d.count())
	p = smtpclient.Pool{}
	o = with(&d, hello+sent+rset+envelopeOK+"C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\n--- close ---\n", hello+sent+quit)
	require.NoError(t, send(&p, o, hi()))
	var unknown *smtpclient.SentError
	require.ErrorAs(t, send(&p, o, hi()), &unknown)
	require.Equal(t, 1, d.count())

	// Chunks that were sent ahead: a message that can be read again.
	chunking := offers("PIPELINING", "CHUNKING")
	chunk := envelopeOK + "C: BDAT 4 LAST\nC: hi\n"
	p = smtpclient.Pool{}
	o = with(&d, chunking+chunk+"S: 250 ok\nS: 250 ok\nS: 250 ok\n"+rset+chunk+"S: 421 bye\n--- close ---\n", chunking+chunk+"S: 250 ok\nS: 250 ok\nS: 250 ok\n"+quit)
	require.NoError(t, send(&p, o, strings.NewReader("hi")))
	require.NoError(t, send(&p, o, strings.NewReader("hi")))
	require.NoError(t, p.Close(t.Context()))
	require.Equal(t, 2, d.count())

	// So many messages and no more.
	p = smtpclient.Pool{MaxMessages: 1}
	o = with(&d, hello+sent+quit, hello+sent+quit)
	require.NoError(t, send(&p, o, hi()))
	require.NoError(t, send(&p, o, hi()))
	require.Zero(t, p.Idle())
	require.Equal(t, 2, d.count())

	// A refusal costs the message alone; a dial that fails is told.
	p = smtpclient.Pool{}
	o = with(&d, hello+envelopeOK+"C: DATA\nS: 550 no\nS: 503 no\nS: 503 no\n"+rset+sent+quit)
	require.EqualError(t, send(&p, o, hi()), "smtp: MAIL FROM:<a@x.example>: 550 no")
	require.NoError(t, send(&p, o, hi()))
	require.NoError(t, p.Close(t.Context()))
	require.ErrorContains(t, send(&smtpclient.Pool{}, with(&d), hi()), "connection refused")
}

// Never shared between credentials, TLS settings, names or hosts.
func TestPoolDoesNotShare(t *testing.T) {
	auth := offers("PIPELINING", "AUTH PLAIN")
	ada := "C: AUTH PLAIN AGFkYQB4\nS: 235 ok\n"
	eve := "C: AUTH PLAIN AGV2ZQB4\nS: 235 ok\n"
	for name, change := range map[string]func(o *smtpclient.Options){
		"credentials": func(o *smtpclient.Options) { o.Auth = sasl.Plain("", "eve", "x") },
		"none":        func(o *smtpclient.Options) { o.Auth = nil },
		"config":      func(o *smtpclient.Options) { o.TLSConfig = &tls.Config{} },
		"mode":        func(o *smtpclient.Options) { o.TLS = smtpclient.Opportunistic },
		"cleartext":   func(o *smtpclient.Options) { o.AllowCleartext = false },
	} {
		for _, copied := range []bool{false, true} {
			second := ada
			switch name {
			case "credentials":
				second = eve
			case "none", "cleartext":
				second = ""
			}
			if name == "cleartext" {
				second = "--- client close ---\n"
			} else {
				second += sent + quit
			}
			d := &dials{t: t, scripts: []string{auth + ada + sent + "--- client close ---\n", auth + second}}
			if copied {
				d.scripts[0] = auth + ada + sent + quit
			}
			o := options()
			o.DialContext, o.Auth, o.AllowCleartext = d.DialContext, sasl.Plain("", "ada", "x"), true
			var p smtpclient.Pool
			env := envelope(t, "a@x.example", "b@x.example")
			_, err := p.Send(t.Context(), "mx.example:25", env, unknownLength("hi"), o)
			require.NoError(t, err, name)
			if copied {
				other := *o
				o = &other
			}
			change(o)
			_, err = p.Send(t.Context(), "mx.example:25", env, unknownLength("hi"), o)
			if name == "cleartext" {
				require.ErrorIs(t, err, smtpclient.ErrCleartextAuth)
			} else {
				require.NoError(t, err, name)
			}
			require.NoError(t, p.Close(t.Context()))
			require.Equal(t, 2, d.count())
		}
	}
	d := &dials{t: t, scripts: []string{hello + sent + quit, hello + sent + quit}}
	o := options()
	o.DialContext = d.DialContext
	var p smtpclient.Pool
	for _, addr := range []string{"a.example:25", "b.example:25"} {
		_, err := p.Send(t.Context(), addr, envelope(t, "a@x.example", "b@x.example"), unknownLength("hi"), o)
		require.NoError(t, err)
	}
	require.NoError(t, p.Close(t.Context()))
	require.Equal(t, []string{"a.example:25", "b.example:25"}, d.to)
}

// Idle connections are closed, and no more than MaxConns are open.
func TestPoolTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dials{t: t, scripts: []string{hello + sent + "--- client close ---\n"}}
		o := options()
		o.DialContext = d.DialContext
		p := smtpclient.Pool{IdleTimeout: 5 * time.Second}
		_, err := p.Send(t.Context(), "a:25", envelope(t, "a@x.example", "b@x.example"), unknownLength("hi"), o)
		require.NoError(t, err)
		time.Sleep(4 * time.Second)
		require.Equal(t, 1, p.Idle())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Zero(t, p.Idle())
		require.NoError(t, p.Close(t.Context()))

		d = &dials{t: t, scripts: []string{hello + envelopeOK + "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 queued\n" + rset + sent + quit}}
		o.DialContext = d.DialContext
		p = smtpclient.Pool{MaxConns: 1}
		block, release := io.Pipe()
		done := make(chan error, 2)
		send := func(m io.Reader) {
			_, err := p.Send(t.Context(), "a:25", envelope(t, "a@x.example", "b@x.example"), m, o)
			done <- err
		}
		go send(block)
		synctest.Wait()
		go send(unknownLength("hi"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Send(ctx, "a:25", envelope(t, "a@x.example", "b@x.example"), unknownLength("hi"), o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, _ = io.WriteString(release, "hi")
		release.Close()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.NoError(t, p.Close(t.Context()))
		require.Equal(t, 1, d.count())
	})
}
