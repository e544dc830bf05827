// The ends of a connection: closed, closed gracefully, handed over.

package netconn

import (
	"bytes"
	"io"
	"net"
	"time"
)

// drainMax is how much a peer may still send into a graceful close.
const drainMax = 1 << 20

// Close closes the connection at once, without a flush and without a TLS
// closure alert. It may be called from any goroutine, any number of times,
// and interrupts what is going on. It does nothing after Hijack.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.hijacked {
		return c.closeErr
	}
	c.closed = true
	c.closeErr = c.raw.Close()
	return c.closeErr
}

// CloseGracefully flushes, says that nothing more will come (TLS closure
// alert, FIN), waits until the peer closes too or the limit is over, and
// closes. What the peer sends meanwhile is thrown away: closed with input
// unread, the system would reset the connection, and the last reply be lost.
//
// A limit of zero does not wait. The error is that of the flush.
func (c *Conn) CloseGracefully(limit time.Duration) error {
	err := c.Flush()
	c.traceInput()
	c.traceEnd()
	if err == nil {
		err = c.finish(limit)
	}
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	c.release()
	return err
}

type closeWriter interface{ CloseWrite() error }

func (c *Conn) finish(wait time.Duration) error {
	if c.handshakeDone() {
		if _, err := c.armWrite(time.Now().Add(max(wait, time.Second))); err != nil {
			return err
		}
		// A peer that has gone already does not need the alert.
		_ = c.tls.CloseWrite()
	}
	w, ok := c.raw.(closeWriter)
	if wait <= 0 || !ok || c.rerr == io.EOF || w.CloseWrite() != nil {
		return nil
	}
	// Not armRead: an interrupted session too has its last reply taken.
	c.mu.Lock()
	err := c.blocked()
	if err == nil {
		err = c.raw.SetReadDeadline(time.Now().Add(wait))
	}
	c.mu.Unlock()
	if err != nil {
		return nil
	}
	buf := buffers.Get().(*[writeBuffer]byte)
	defer buffers.Put(buf)
	for total := 0; total < drainMax; {
		n, err := c.raw.Read(buf[:])
		if total += n; err != nil {
			break
		}
	}
	return nil
}

// Hijacked says whether the connection was handed over.
func (c *Conn) Hijacked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hijacked
}

// Hijack flushes and hands the connection over, without deadlines; the
// connection is the caller's to close. The reader gives what was received and
// not consumed, then what the connection gives. The Conn fails from now on
// with ErrHijacked, and its Close does nothing.
func (c *Conn) Hijack() (net.Conn, io.Reader, error) {
	if err := c.Flush(); err != nil {
		return nil, nil, err
	}
	c.traceInput()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.blocked(); err != nil {
		return nil, nil, err
	}
	var buffered []byte
	if n := c.r.Buffered(); n > 0 {
		b, _ := c.r.Peek(n)
		buffered = append(buffered, b...)
	}
	buffered = append(buffered, c.ahead[:c.aheadN]...)
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	c.hijacked, c.aheadN = true, 0
	c.rerr, c.werr = ErrHijacked, ErrHijacked
	c.r.Reset((*source)(c))
	c.traceReset()
	return c.conn, io.MultiReader(bytes.NewReader(buffered), c.conn), nil
}
