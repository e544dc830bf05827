// Package testkit is for this module's own tests: connections in memory,
// faulty and chunked ones, certificates, C:/S: transcripts in both
// directions, a goroutine leak check, golden files, and the corpus.
package testkit

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how much one direction of a Pipe holds.
const pipeBuffer = 64 << 10

// PipeConn is one end of a Pipe.
type PipeConn struct {
	in, out       *half
	local, remote net.Addr
}

// Pipe returns the two ends of a connection in memory: as a TCP connection it
// buffers (64 KiB in each direction), knows deadlines and half-close, and can
// be closed twice. All its waits are durable in a testing/synctest bubble,
// whose clock its deadlines use.
func Pipe() (client, server *PipeConn) { return PipeSize(pipeBuffer) }

// PipeSize is Pipe with room for size octets in each direction, which lets a
// test fill it.
func PipeSize(size int) (client, server *PipeConn) {
	ca := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}
	sa := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 25}
	return pipe(size, ca, sa)
}

func pipe(size int, ca, sa net.Addr) (client, server *PipeConn) {
	up, down := newHalf(size), newHalf(size)
	return &PipeConn{in: down, out: up, local: ca, remote: sa},
		&PipeConn{in: up, out: down, local: sa, remote: ca}
}

// half is one direction.
type half struct {
	mu    sync.Mutex
	cond  sync.Cond
	buf   []byte
	mem   []byte // that buf is in, from its start
	size  int
	eof   bool // the writer closed its side
	gone  bool // the reader closed: writes fail
	shut  bool // this reader is closed: reads fail
	rd    deadline
	wd    deadline
	total int64
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHalf(size int) *half {
	h := &half{size: size}
	h.cond.L = &h.mu
	return h
}

func (h *half) set(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() {
		if wait := time.Until(t); wait > 0 {
			d.timer = time.AfterFunc(wait, func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.cond.Broadcast()
			})
		}
	}
	h.cond.Broadcast()
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.shut:
			return 0, net.ErrClosed
		case h.rd.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			h.buf = h.buf[n:]
			h.cond.Broadcast()
			return n, nil
		case h.eof:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

var errBrokenPipe = errors.New("broken pipe")

func (h *half) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	written := 0
	for {
		switch {
		case h.eof:
			return written, net.ErrClosed
		case h.gone:
			return written, errBrokenPipe
		case h.wd.passed():
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		}
		if n := min(h.size-len(h.buf), len(p)-written); n > 0 {
			h.append(p[written : written+n])
			written += n
			h.total += int64(n)
			h.cond.Broadcast()
			continue
		}
		h.cond.Wait()
	}
}

// append adds b behind buf, in memory of at most twice the size: what was read
// makes room at most once for as many octets written.
func (h *half) append(b []byte) {
	if need := len(h.buf) + len(b); need > cap(h.buf) {
		if need > cap(h.mem)/2 {
			h.mem = make([]byte, 0, min(2*h.size, 4*need))
		}
		h.buf = append(h.mem, h.buf...)
	}
	h.buf = append(h.buf, b...)
}

func (h *half) update(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.cond.Broadcast()
}

func (c *PipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *PipeConn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. What the peer did not yet read it can read.
func (c *PipeConn) Close() error {
	c.in.update(func() { c.in.shut, c.in.gone, c.in.buf = true, true, nil })
	c.out.update(func() { c.out.eof = true })
	_ = c.SetDeadline(time.Time{})
	return nil
}

// CloseWrite ends the direction to the peer.
func (c *PipeConn) CloseWrite() error {
	c.out.update(func() { c.out.eof = true })
	return nil
}

// Sent is the number of octets written to this end so far.
func (c *PipeConn) Sent() int64 {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.total
}

func (c *PipeConn) LocalAddr() net.Addr  { return c.local }
func (c *PipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *PipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *PipeConn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.rd, t)
	return nil
}

func (c *PipeConn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.wd, t)
	return nil
}

// Listener is a net.Listener in memory.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	port int
}

// NewListener returns a Listener.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{}), port: 40000}
}

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is a made-up address.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 25} }

// Dial connects to l, from 192.0.2.1.
func (l *Listener) Dial(ctx context.Context) (*PipeConn, error) {
	return l.DialFrom(ctx, net.IPv4(192, 0, 2, 1))
}

// DialFrom connects to l from an address of the test's choice.
func (l *Listener) DialFrom(ctx context.Context, ip net.IP) (*PipeConn, error) {
	l.mu.Lock()
	l.port++
	port := l.port
	l.mu.Unlock()
	c, s := pipe(pipeBuffer, &net.TCPAddr{IP: ip, Port: port}, l.Addr())
	select {
	case l.conns <- s:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
