// The upgrade to TLS.

package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
)

// ErrBufferedPlaintext is returned by StartTLS when the peer sent more in
// plaintext behind the command that asks for TLS: somebody may have put it
// there (RFC 3207 section 6, RFC 9051 section 6.2.1).
var ErrBufferedPlaintext = errors.New("plaintext received behind the command that begins TLS")

// ErrAlreadyTLS is returned by StartTLS on a connection that is encrypted.
var ErrAlreadyTLS = errors.New("TLS is active already")

// TLSConfig is cfg with this module's defaults, TLS 1.2 at least, as a copy.
// A server makes it once and hands it to every connection, which then share
// the keys of session tickets. nil stands for an empty configuration.
func TLSConfig(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	return cfg
}

// IsTLS says whether the connection is encrypted.
func (c *Conn) IsTLS() bool { return c.tls != nil }

// TLSState is the state of TLS, if there is any.
func (c *Conn) TLSState() (tls.ConnectionState, bool) {
	if c.tls == nil {
		return tls.ConnectionState{}, false
	}
	return c.tls.ConnectionState(), true
}

// StartTLS flushes the output and makes the connection a TLS connection, as a
// server where Options.Server is set. cfg is not changed; see [TLSConfig].
//
// It refuses with ErrBufferedPlaintext when input is buffered: a server that
// wants to say so asks Buffered before it answers the command. After any
// error but ErrAlreadyTLS the connection is closed, nothing of the plaintext
// can be read, and nothing that was not flushed is sent: there is no way back.
//
// The end of ctx and Options.HandshakeTimeout end the handshake.
func (c *Conn) StartTLS(ctx context.Context, cfg *tls.Config) error {
	if c.tls != nil {
		return ErrAlreadyTLS
	}
	c.traceInput()
	if c.Buffered() > 0 {
		return c.failTLS(ErrBufferedPlaintext)
	}
	if c.opts.Server && cfg == nil {
		return c.failTLS(errors.New("no TLS configuration"))
	}
	if cfg == nil || cfg.MinVersion == 0 {
		cfg = TLSConfig(cfg)
	}
	if err := c.Flush(); err != nil {
		return c.failTLS(err)
	}
	if c.rerr != nil {
		return c.failTLS(c.rerr)
	}
	var t *tls.Conn
	if c.opts.Server {
		t = tls.Server(c.raw, cfg)
	} else {
		t = tls.Client(c.raw, cfg)
	}
	c.mu.Lock()
	c.tls, c.conn = t, t
	c.mu.Unlock()
	c.r.Reset((*source)(c))
	c.traceReset()
	return c.Handshake(ctx)
}

// Handshake makes sure that the TLS handshake is done, of a Conn made from a
// *tls.Conn. Without TLS it does nothing.
func (c *Conn) Handshake(ctx context.Context) error {
	if c.tls == nil || c.tls.ConnectionState().HandshakeComplete {
		return nil
	}
	if d := c.opts.HandshakeTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, &TimeoutError{Kind: ErrHandshakeTimeout, Limit: d})
		defer cancel()
	}
	lim := c.withTransaction(limit{})
	conn, err := c.armRead(lim.at, false)
	if err == nil {
		stop := c.Watch(ctx)
		err = conn.(*tls.Conn).HandshakeContext(ctx)
		err = c.disarmRead(err, lim, false)
		stop()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = &InterruptError{Err: ctx.Err(), Cause: context.Cause(ctx)}
			if t, ok := context.Cause(ctx).(*TimeoutError); ok {
				err = t
			}
		}
		return c.failTLS(fmt.Errorf("TLS handshake: %w", err))
	}
	c.newExchange()
	c.traceTLS()
	return nil
}

// failTLS ends the connection for good.
func (c *Conn) failTLS(err error) error {
	c.rerr, c.werr = err, err
	c.aheadN = 0
	c.release()
	c.r.Reset((*source)(c))
	c.traceReset()
	c.traceEvent("TLS failed: " + err.Error())
	_ = c.Close()
	return err
}

// handshakeDone is whether a graceful end of TLS can be sent.
func (c *Conn) handshakeDone() bool {
	return c.tls != nil && c.tls.ConnectionState().HandshakeComplete
}
