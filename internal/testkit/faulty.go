// Connections and readers that cut, delay and fail.

package testkit

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Chunks gives the size of each next piece, in octets, at least 1.
type Chunks func() int

// OneByOne cuts into single octets.
func OneByOne() Chunks { return Sizes(1) }

// Sizes cuts into pieces of these sizes, over and over.
func Sizes(sizes ...int) Chunks {
	i := 0
	return func() int {
		n := sizes[i%len(sizes)]
		i++
		return max(n, 1)
	}
}

// Random cuts into pieces of 1 to most octets, the same for the same seed.
func Random(seed uint64, most int) Chunks {
	r := rand.New(rand.NewPCG(seed, 0))
	return func() int { return 1 + r.IntN(most) }
}

// ChunkReader reads from r in pieces.
func ChunkReader(r io.Reader, c Chunks) io.Reader { return &chunkReader{r, c} }

type chunkReader struct {
	r io.Reader
	c Chunks
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return c.r.Read(p[:min(len(p), c.c())])
}

// ChunkConn reads from and writes to conn in pieces; a nil Chunks leaves its
// direction whole.
func ChunkConn(conn net.Conn, read, write Chunks) net.Conn {
	c := &chunkConn{Conn: conn, r: conn, write: write}
	if read != nil {
		c.r = ChunkReader(conn, read)
	}
	return c
}

type chunkConn struct {
	net.Conn
	r     io.Reader
	write Chunks
}

func (c *chunkConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *chunkConn) Write(p []byte) (int, error) {
	if c.write == nil {
		return c.Conn.Write(p)
	}
	total := 0
	for total < len(p) {
		n, err := c.Conn.Write(p[total:min(len(p), total+c.write())])
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

func (c *chunkConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// FailConn is conn that fails with err after reads octets were read, or writes
// were written; a negative number never fails. The failing call carries the
// octets up to there.
func FailConn(conn net.Conn, reads, writes int64, err error) net.Conn {
	return &failConn{Conn: conn, reads: reads, writes: writes, err: err}
}

type failConn struct {
	net.Conn
	mu            sync.Mutex
	reads, writes int64
	err           error
}

func (c *failConn) take(left *int64, n int) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *left < 0 || int64(n) <= *left {
		return n, false
	}
	return int(*left), true
}

func (c *failConn) used(left *int64, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *left > 0 {
		*left -= int64(n)
	}
}

func (c *failConn) Read(p []byte) (int, error) {
	n, _ := c.take(&c.reads, len(p))
	if n == 0 && len(p) > 0 {
		return 0, c.err
	}
	n, err := c.Conn.Read(p[:n])
	c.used(&c.reads, n)
	return n, err
}

func (c *failConn) Write(p []byte) (int, error) {
	n, fail := c.take(&c.writes, len(p))
	if n > 0 || !fail {
		var err error
		n, err = c.Conn.Write(p[:n])
		c.used(&c.writes, n)
		if err != nil {
			return n, err
		}
	}
	if fail {
		return n, c.err
	}
	return n, nil
}

func (c *failConn) CloseWrite() error { return closeWrite(c.Conn) }

// SlowWriter writes to w one octet each interval: a Slowloris. In a
// testing/synctest bubble that takes no time.
func SlowWriter(w io.Writer, interval time.Duration) io.Writer { return &slowWriter{w, interval} }

type slowWriter struct {
	w        io.Writer
	interval time.Duration
}

func (s *slowWriter) Write(p []byte) (int, error) {
	for i := range p {
		time.Sleep(s.interval)
		if _, err := s.w.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}
