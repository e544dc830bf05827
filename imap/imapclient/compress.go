package imapclient

// COMPRESS=DEFLATE (RFC 4978).

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Compress compresses the connection in both directions from here on. What the
// server sends counts against the limits as it is uncompressed.
func (c *Client) Compress(ctx context.Context) error {
	if err := c.need(ctx, imap.CapCompressDeflate, "COMPRESS"); err != nil {
		return err
	}
	if c.deflated {
		return errors.New("imapclient: the connection is compressed already")
	}
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	tag, err := c.encode(&imapwire.Compress{Mechanism: "DEFLATE"})
	if err != nil {
		return err
	}
	if err := c.send(tag, false); err != nil {
		return err
	}
	if _, err := c.finish(tag, nil); err != nil {
		return err
	}
	state := c.tlsState()
	conn, r, err := c.conn.Hijack()
	if err != nil {
		return c.ended(fmt.Errorf("imapclient: COMPRESS: %w", err))
	}
	c.tls, c.deflated = state, true
	c.attach(newDeflateConn(conn, r))
	return nil
}

// window is how much of what was sent DEFLATE refers to.
const window = 32 << 10

// deflateConn is a connection of which both directions are compressed.
type deflateConn struct {
	net.Conn
	w  *flate.Writer
	in syncReader
	r  io.ReadCloser
	// seen are the last octets that were read, at most twice the window.
	seen []byte
}

func newDeflateConn(conn net.Conn, r io.Reader) *deflateConn {
	d := &deflateConn{Conn: conn, seen: make([]byte, 0, 2*window)}
	d.w, _ = flate.NewWriter(conn, flate.DefaultCompression)
	d.in.r = bufio.NewReader(r)
	d.r = flate.NewReader(&d.in)
	return d
}

// Write compresses p, and sends it whole: all of it can be read at the other
// end.
func (d *deflateConn) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err == nil {
		err = d.w.Flush()
	}
	return n, err
}

// Read reads what was sent, uncompressed.
func (d *deflateConn) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.keep(p[:n])
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && d.in.flushed() {
		// A wait that was ended where the peer had sent all it had. The
		// decompressor can not go on after an error, but a new one can where
		// it stood: at a whole octet, with what was sent as its dictionary.
		if e := d.r.(flate.Resetter).Reset(&d.in, d.seen[max(0, len(d.seen)-window):]); e != nil {
			return 0, e
		}
	}
	return 0, err
}

func (d *deflateConn) keep(p []byte) {
	if len(p) > window {
		p = p[len(p)-window:]
	}
	if len(d.seen)+len(p) > cap(d.seen) {
		n := copy(d.seen, d.seen[len(d.seen)-window:])
		d.seen = d.seen[:n]
	}
	d.seen = append(d.seen, p...)
}

// syncReader remembers whether what was read ends in the empty block that a
// flush sends.
type syncReader struct {
	r    *bufio.Reader
	last uint32
	any  bool
}

func (s *syncReader) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.last, s.any = s.last<<8|uint32(b), true
	}
	return b, err
}

func (s *syncReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for _, b := range p[:n] {
		s.last, s.any = s.last<<8|uint32(b), true
	}
	return n, err
}

func (s *syncReader) flushed() bool { return !s.any || s.last == 0x0000ffff }
