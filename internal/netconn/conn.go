// Package netconn is one connection of a mail protocol, for clients and
// servers alike: a framing reader and a buffered writer over a net.Conn, with
// contexts turned into deadlines, limits on idle and slow peers, the upgrade
// to TLS, and a trace that shows no credentials.
//
// A Conn is used by one goroutine at a time. Only Close, Wake, InterruptRead,
// the addresses and the cancelling of a watched context may come from others.
package netconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mailwire/mailwire/internal/wire"
)

// Options are the limits of a Conn and its trace. A duration or rate of zero
// stands for the default, a negative one for no limit.
type Options struct {
	// Server says which side of the conversation this is.
	Server bool
	// Reader are the limits of the framing reader.
	Reader wire.Options
	// IdleTimeout is the longest wait for the next octets of the peer;
	// 5 minutes when zero.
	IdleTimeout time.Duration
	// MinRate is the slowest a peer may send once it has begun to, in octets
	// per second: 64 when zero on a server, no limit when zero on a client.
	// Only time spent waiting for the peer counts, and whatever is written
	// to the peer gives it new time to think.
	MinRate int64
	// Grace is how long a peer may stay under MinRate; 1 minute when zero.
	Grace time.Duration
	// WriteTimeout is how long the peer may take to accept one chunk of at
	// most 16 KiB; 1 minute when zero.
	WriteTimeout time.Duration
	// HandshakeTimeout bounds a TLS handshake; 30 seconds when zero.
	HandshakeTimeout time.Duration
	// Trace is called with every line sent and received, as [TraceWriter]
	// prints them. It is called by the goroutine that uses the Conn.
	Trace func(dir Direction, line []byte)
}

const (
	defaultIdleTimeout      = 5 * time.Minute
	defaultMinRate          = 64
	defaultGrace            = time.Minute
	defaultWriteTimeout     = time.Minute
	defaultHandshakeTimeout = 30 * time.Second

	// writeBuffer is also the largest chunk under one write deadline.
	writeBuffer = 16 << 10
	// lastWords is how long a peer that takes no more data may take to say
	// why.
	lastWords = 5 * time.Second
)

func (o *Options) setDefaults() {
	duration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(*d, 0)
	}
	duration(&o.IdleTimeout, defaultIdleTimeout)
	duration(&o.Grace, defaultGrace)
	duration(&o.WriteTimeout, defaultWriteTimeout)
	duration(&o.HandshakeTimeout, defaultHandshakeTimeout)
	if o.MinRate == 0 && o.Server {
		o.MinRate = defaultMinRate
	}
	o.MinRate = max(o.MinRate, 0)
}

// buffers holds output buffers: a connection has one only while it holds
// output that was not flushed.
var buffers = sync.Pool{New: func() any { return new([writeBuffer]byte) }}

// Conn is one connection. Input is read through Reader; output is buffered
// until Flush, until the buffer is full, or until the Reader needs more
// input: pipelined commands are answered in one write.
//
// Errors stick, those of reading apart from those of writing: after a failed
// write the peer's last words can still be read.
type Conn struct {
	opts  Options
	r     *wire.Reader
	trace *tracer

	out  *[writeBuffer]byte
	outN int
	werr error
	rerr error

	// What WaitInput read ahead of the Reader.
	ahead  [1]byte
	aheadN int

	// The peer's progress in this exchange: whether it began to send, and
	// how long it may still be waited for.
	begun  bool
	budget time.Duration

	transaction time.Time

	// mu guards what other goroutines reach: the connection's deadlines and
	// the reasons to interrupt it.
	mu          sync.Mutex
	raw         net.Conn  // the transport
	conn        net.Conn  // the transport, or the TLS connection over it
	tls         *tls.Conn // nil in plaintext
	fired       []*watch
	interrupted error // of reads
	waiting     bool
	woken       bool
	closed      bool
	closeErr    error
	hijacked    bool
}

var (
	// ErrHijacked is returned by a Conn that was handed over.
	ErrHijacked = errors.New("netconn: the connection was hijacked")
	errNegative = errors.New("netconn: reader returned a negative count")
)

// New returns a Conn over conn, which it owns from now on. conn may be a
// *tls.Conn, before or after its handshake.
func New(conn net.Conn, o Options) *Conn {
	o.setDefaults()
	c := &Conn{opts: o, raw: conn, conn: conn, budget: o.Grace}
	if t, ok := conn.(*tls.Conn); ok {
		c.tls, c.raw = t, t.NetConn()
	}
	c.r = wire.NewReader((*source)(c), o.Reader)
	if o.Trace != nil {
		c.trace = newTracer(o)
	}
	return c
}

// Reader is the framing reader of the input. It stays the same value for the
// connection's whole life.
func (c *Conn) Reader() *wire.Reader { return c.r }

// Server says which side of the conversation this is.
func (c *Conn) Server() bool { return c.opts.Server }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr is the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Buffered is the number of octets that were received and not consumed.
func (c *Conn) Buffered() int { return c.r.Buffered() + c.aheadN }

// source is what the Reader reads from.
type source Conn

func (s *source) Read(p []byte) (int, error) {
	c := (*Conn)(s)
	if len(p) == 0 {
		return 0, nil
	}
	c.traceInput()
	if c.aheadN > 0 {
		c.aheadN = 0
		p[0] = c.ahead[0]
		return 1, nil
	}
	if c.rerr != nil {
		return 0, c.rerr
	}
	if err := c.flushBeforeRead(); err != nil {
		c.rerr = err
		return 0, err
	}
	n, err := c.read(p, false)
	if err != nil {
		c.rerr = err
	}
	return n, err
}

// flushBeforeRead is Flush, but lets a read go on that may still find the
// peer's last words behind a failed write.
func (c *Conn) flushBeforeRead() error {
	err := c.Flush()
	if err == nil {
		return nil
	}
	var t *TimeoutError
	var i *InterruptError
	if errors.As(err, &t) || errors.As(err, &i) || errors.Is(err, ErrHijacked) || errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// read reads once from the connection, under the limits.
func (c *Conn) read(p []byte, waiting bool) (int, error) {
	start := time.Now()
	lim := c.readLimit(start)
	conn, err := c.armRead(lim.at, waiting)
	if err != nil {
		return 0, err
	}
	n, err := conn.Read(p)
	if n < 0 || n > len(p) {
		return 0, errNegative
	}
	c.progress(n, start)
	c.traceReceived(p[:n])
	err = c.disarmRead(err, lim, waiting)
	if err != nil && c.werr != nil && n == 0 {
		err = c.werr
	}
	return n, err
}

// Write adds p to the output. Large output streams through: what is held
// back is bounded.
func (c *Conn) Write(p []byte) (int, error) {
	c.traceWrite(p)
	return c.write(p)
}

// WriteString is Write.
func (c *Conn) WriteString(s string) (int, error) {
	if c.trace != nil || c.werr != nil || len(s) == 0 || len(s) > writeBuffer-c.outN {
		return c.Write([]byte(s))
	}
	c.newExchange()
	c.hold()
	c.outN += copy(c.out[c.outN:], s)
	return len(s), nil
}

// WriteSecret is Write of octets that a trace shows only the number of.
func (c *Conn) WriteSecret(p []byte) (int, error) {
	was := c.MarkWrite(Secret)
	n, err := c.Write(p)
	c.MarkWrite(was)
	return n, err
}

func (c *Conn) hold() {
	if c.out == nil {
		c.out = buffers.Get().(*[writeBuffer]byte)
	}
}

func (c *Conn) release() {
	if c.out != nil {
		clear(c.out[:c.outN])
		buffers.Put(c.out)
		c.out, c.outN = nil, 0
	}
}

func (c *Conn) write(p []byte) (int, error) {
	if c.werr != nil {
		return 0, c.werr
	}
	if len(p) == 0 {
		return 0, nil
	}
	c.newExchange()
	written := 0
	if len(p) > writeBuffer-c.outN && c.outN > 0 {
		written = copy(c.out[c.outN:], p)
		c.outN += written
		if err := c.flush(); err != nil {
			return written, err
		}
	}
	for len(p)-written >= writeBuffer {
		n, err := c.send(p[written : written+writeBuffer])
		written += n
		if err != nil {
			return written, err
		}
	}
	if written < len(p) {
		c.hold()
		n := copy(c.out[c.outN:], p[written:])
		c.outN += n
		written += n
	}
	return written, nil
}

// ReadFrom writes all of src, through the output buffer. A failure of src
// leaves the connection usable.
func (c *Conn) ReadFrom(src io.Reader) (int64, error) {
	// A buffer of its own: src may read from this connection, which flushes.
	buf := buffers.Get().(*[writeBuffer]byte)
	defer buffers.Put(buf)
	var total int64
	for empty := 0; empty < 100; empty++ {
		n, err := src.Read(buf[:])
		if n < 0 || n > len(buf) {
			return total, errNegative
		}
		if n > 0 {
			empty = 0
			n, err := c.Write(buf[:n])
			total += int64(n)
			if err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, io.ErrNoProgress
}

// AvailableBuffer is an empty slice to append output to and hand to Write at
// once; it spares a copy where the output fits.
func (c *Conn) AvailableBuffer() []byte {
	if c.werr != nil {
		return nil
	}
	c.hold()
	return c.out[c.outN:c.outN]
}

// Flush sends what was written. The Reader does it before it waits for input,
// which is all that a server needs; a client flushes before it reads a reply,
// which may be buffered already where the server speaks out of turn.
func (c *Conn) Flush() error {
	if c.werr != nil {
		return c.werr
	}
	if c.outN == 0 {
		c.release()
		return nil
	}
	return c.flush()
}

func (c *Conn) flush() error {
	_, err := c.send(c.out[:c.outN])
	c.release()
	return err
}

// send writes one chunk to the connection.
func (c *Conn) send(p []byte) (int, error) {
	c.traceInput()
	lim := c.writeLimit(time.Now())
	conn, err := c.armWrite(lim.at)
	n := 0
	if err == nil {
		n, err = conn.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if n > 0 && lim.kind == ErrWriteTimeout {
			lim.kind = ErrTooSlow
		}
		err = c.disarmWrite(err, lim)
	}
	c.traceSent(err)
	if err != nil {
		c.werr = err
		c.release()
	}
	return n, err
}
