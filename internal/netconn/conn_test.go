package netconn_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

// pair is a server's Conn and the peer it talks to.
func pair(t testing.TB, o netconn.Options) (*netconn.Conn, *testkit.PipeConn) {
	t.Helper()
	client, server := testkit.Pipe()
	c := netconn.New(server, o)
	t.Cleanup(func() { _ = c.Close(); _ = client.Close() })
	return c, client
}

func send(t testing.TB, w io.Writer, s string) {
	t.Helper()
	_, err := io.WriteString(w, s)
	require.NoError(t, err)
}

func line(t testing.TB, c *netconn.Conn) string {
	t.Helper()
	b, err := c.Reader().Line(0)
	require.NoError(t, err)
	return string(b)
}

func receive(t testing.TB, r io.Reader, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	require.NoError(t, err)
	return string(b)
}

func TestOneFlushWhenNoInputWaits(t *testing.T) {
	client, server := testkit.Pipe()
	counted := &countWrites{Conn: server}
	c := netconn.New(counted, netconn.Options{Server: true})
	defer c.Close()
	defer client.Close()
	send(t, client, "A\r\nB\r\nC\r\n")
	for _, want := range []string{"A", "B", "C"} {
		assert.Equal(t, want, line(t, c))
		_, err := c.WriteString("+OK " + want + "\r\n")
		require.NoError(t, err)
		assert.Zero(t, counted.n, "flushed before the input was used up")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Reader().Line(0)
	}()
	assert.Equal(t, "+OK A\r\n+OK B\r\n+OK C\r\n", receive(t, client, 21))
	_ = client.Close()
	<-done
	assert.Equal(t, 1, counted.n)
}

type countWrites struct {
	net.Conn
	n int
}

func (c *countWrites) Write(p []byte) (int, error) { c.n++; return c.Conn.Write(p) }

func TestWriteSizes(t *testing.T) {
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 100_000} {
		for _, how := range []string{"Write", "WriteString", "ReadFrom", "AvailableBuffer"} {
			client, server := testkit.Pipe()
			c := netconn.New(server, netconn.Options{})
			want := "first\r\n" + strings.Repeat("0123456789", n/10+1)[:n]
			got := make(chan string)
			go func() {
				b, _ := io.ReadAll(client)
				got <- string(b)
			}()
			_, err := c.Write([]byte(want[:7]))
			require.NoError(t, err)
			body := want[7:]
			var wrote int64
			switch how {
			case "Write":
				var k int
				k, err = c.Write([]byte(body))
				wrote = int64(k)
			case "WriteString":
				var k int
				k, err = c.WriteString(body)
				wrote = int64(k)
			case "ReadFrom":
				wrote, err = c.ReadFrom(testkit.ChunkReader(strings.NewReader(body), testkit.Random(1, 30000)))
			case "AvailableBuffer":
				var k int
				k, err = c.Write(append(c.AvailableBuffer(), body...))
				wrote = int64(k)
			}
			require.NoError(t, err, how)
			assert.EqualValues(t, n, wrote, how)
			require.NoError(t, c.CloseGracefully(0))
			assert.Equal(t, want, <-got, "%s of %d octets", how, n)
			_ = client.Close()
		}
	}
}

func TestReadFromSourceFails(t *testing.T) {
	c, client := pair(t, netconn.Options{})
	n, err := c.ReadFrom(io.MultiReader(strings.NewReader("abc"), errReader{}))
	assert.EqualValues(t, 3, n)
	assert.ErrorIs(t, err, errFault)
	send(t, c, "def")
	require.NoError(t, c.Flush())
	assert.Equal(t, "abcdef", receive(t, client, 6))
}

func TestReadFromOwnInput(t *testing.T) {
	c, client := pair(t, netconn.Options{})
	body := strings.Repeat("x", 50_000)
	go func() { _, _ = io.WriteString(client, "go\r\n"+body) }()
	assert.Equal(t, "go", line(t, c))
	send(t, c, "> ")
	n, err := io.Copy(c, c.Reader().Literal(50_000))
	require.NoError(t, err)
	require.EqualValues(t, 50_000, n)
	require.NoError(t, c.Flush())
	assert.Equal(t, "> "+body, receive(t, client, 50_002))
}

var errFault = errors.New("fault")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errFault }

func TestErrorsStick(t *testing.T) {
	client, server := testkit.Pipe()
	defer client.Close()
	c := netconn.New(testkit.FailConn(server, 3, 5, errFault), netconn.Options{})
	defer c.Close()
	send(t, client, "ab\r\n")
	for range 2 {
		_, err := c.Reader().Line(0)
		assert.ErrorIs(t, err, errFault)
	}
	send(t, c, "0123456789")
	for range 2 {
		assert.ErrorIs(t, c.Flush(), errFault)
		_, err := c.Write([]byte("more"))
		assert.ErrorIs(t, err, errFault)
	}
	assert.Equal(t, "01234", receive(t, client, 5))
}

// The peer refuses a body in mid-stream, says why and closes.
func TestLastWordsBehindFailedWrite(t *testing.T) {
	client, server := testkit.Pipe()
	c := netconn.New(testkit.FailConn(client, -1, 0, errFault), netconn.Options{})
	defer c.Close()
	send(t, server, "421 too much\r\n")
	_ = server.Close()
	send(t, c, "DATA\r\n")
	assert.Equal(t, "421 too much", line(t, c))
	_, err := c.Reader().Line(0)
	assert.ErrorIs(t, err, errFault, "the write error is what ended the connection")
}

func TestLastWordsAreNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testkit.Pipe()
		defer server.Close()
		c := netconn.New(testkit.FailConn(client, -1, 0, errFault), netconn.Options{IdleTimeout: time.Hour})
		defer c.Close()
		send(t, c, "DATA\r\n")
		start := time.Now()
		_, err := c.Reader().Line(0)
		assert.ErrorIs(t, err, errFault)
		assert.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestHijack(t *testing.T) {
	c, client := pair(t, netconn.Options{IdleTimeout: time.Minute})
	send(t, client, "PROXY\r\nbuffered ")
	assert.Equal(t, "PROXY", line(t, c))
	send(t, c, "ok\r\n")
	conn, r, err := c.Hijack()
	require.NoError(t, err)
	assert.True(t, c.Hijacked())
	assert.Equal(t, "ok\r\n", receive(t, client, 4))
	send(t, client, "later")
	assert.Equal(t, "buffered later", receive(t, r, 14))
	require.NoError(t, c.Close())
	c.InterruptRead(errFault)
	c.Wake()
	send(t, conn, "still open")
	assert.Equal(t, "still open", receive(t, client, 10))
	_, err = c.Write([]byte("x"))
	assert.ErrorIs(t, err, netconn.ErrHijacked)
	_, err = c.Reader().Line(0)
	assert.ErrorIs(t, err, netconn.ErrHijacked)
	assert.Zero(t, c.Buffered())
	_, _, err = c.Hijack()
	assert.ErrorIs(t, err, netconn.ErrHijacked)
}

func TestCloseTwice(t *testing.T) {
	c, client := pair(t, netconn.Options{})
	send(t, c, "lost: not flushed")
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	b, err := io.ReadAll(client)
	require.NoError(t, err)
	assert.Empty(t, b)
	_, err = c.Reader().Line(0)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestCloseInterruptsRead(t *testing.T) {
	c, _ := pair(t, netconn.Options{})
	done := make(chan error)
	go func() {
		_, err := c.Reader().Line(0)
		done <- err
	}()
	_ = c.Close()
	assert.ErrorIs(t, <-done, net.ErrClosed)
}

func TestCloseGracefullyDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true})
		send(t, client, strings.Repeat("NOOP\r\n", 1000))
		send(t, c, "221 bye\r\n")
		done := make(chan error)
		go func() { done <- c.CloseGracefully(2 * time.Second) }()
		b, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Equal(t, "221 bye\r\n", string(b))
		start := time.Now()
		_ = client.Close()
		require.NoError(t, <-done)
		assert.Zero(t, time.Since(start), "the peer's close ends the wait")
	})
}

// The last reply to an interrupted session is not lost either.
func TestCloseGracefullyAfterInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true})
		c.InterruptRead(errFault)
		_, err := c.Reader().Line(0)
		require.Equal(t, errFault, err)
		send(t, c, "421 bye\r\n")
		done := make(chan error)
		go func() { done <- c.CloseGracefully(time.Minute) }()
		send(t, client, strings.Repeat("NOOP\r\n", 1000))
		b, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Equal(t, "421 bye\r\n", string(b))
		synctest.Wait()
		_, err = client.Write([]byte("still taken"))
		require.NoError(t, err)
		_ = client.Close()
		require.NoError(t, <-done)
	})
}

func TestCloseGracefullyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t, netconn.Options{Server: true})
		send(t, c, "221 bye\r\n")
		start := time.Now()
		require.NoError(t, c.CloseGracefully(2*time.Second))
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

// A real socket closed with input unread is reset, and the reply is lost
// without the graceful close.
func TestCloseGracefullyOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c := netconn.New(conn, netconn.Options{Server: true})
		_, _ = c.Reader().Line(0)
		_, _ = c.WriteString("554 no\r\n")
		_ = c.CloseGracefully(5 * time.Second)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	send(t, conn, "GET / HTTP/1.0\r\n"+strings.Repeat("x", 100_000))
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "554 no\r\n", string(b))
}

// F9: a client that pipelines and never reads.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testkit.PipeSize(1000)
		defer client.Close()
		c := netconn.New(server, netconn.Options{Server: true, WriteTimeout: 30 * time.Second})
		defer c.Close()
		start := time.Now()
		n, err := c.Write(bytes.Repeat([]byte("x"), 1<<20))
		assert.ErrorIs(t, err, netconn.ErrTooSlow)
		assert.Equal(t, 1000, n)
		assert.Equal(t, 30*time.Second, time.Since(start))
		_, err = c.Write([]byte("x"))
		assert.ErrorIs(t, err, netconn.ErrTooSlow)
		_, err = c.Reader().Line(0)
		assert.ErrorIs(t, err, netconn.ErrTooSlow, "nothing of the rest runs")
	})
}

func TestIdleMemory(t *testing.T) {
	const conns = 200
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	cs := make([]*netconn.Conn, conns)
	ns := make([]quietConn, conns)
	before := heap()
	for i := range cs {
		ns[i].in = strings.Repeat("x", 40_000) + "\r\n"
		cs[i] = netconn.New(&ns[i], netconn.Options{Server: true})
		line(t, cs[i])
		_, err := cs[i].Write(make([]byte, 20_000))
		require.NoError(t, err)
		_, err = cs[i].Reader().Line(0)
		require.ErrorIs(t, err, io.EOF)
		ns[i].in = ""
	}
	each := (int64(heap()) - int64(before)) / conns
	assert.Less(t, each, int64(4096), "octets of heap for an idle connection")
	runtime.KeepAlive(cs)
}

// quietConn gives its input, then EOF, and takes any output.
type quietConn struct {
	net.Conn
	in string
}

func (q *quietConn) Read(p []byte) (int, error) {
	if q.in == "" {
		return 0, io.EOF
	}
	n := copy(p, q.in)
	q.in = q.in[n:]
	return n, nil
}
func (q *quietConn) Write(p []byte) (int, error)      { return len(p), nil }
func (q *quietConn) Close() error                     { return nil }
func (q *quietConn) SetDeadline(time.Time) error      { return nil }
func (q *quietConn) SetReadDeadline(time.Time) error  { return nil }
func (q *quietConn) SetWriteDeadline(time.Time) error { return nil }

// endless answers every read with the same line.
type endless struct{ quietConn }

func (e *endless) Read(p []byte) (int, error) { return copy(p, "NOOP\r\n"), nil }

func BenchmarkCommandAndReply(b *testing.B) {
	c := netconn.New(&endless{}, netconn.Options{Server: true})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Reader().Line(0); err != nil {
			b.Fatal(err)
		}
		_, _ = c.Write(append(c.AvailableBuffer(), "250 OK\r\n"...))
	}
}

func BenchmarkIdleConn(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c := netconn.New(&endless{}, netconn.Options{Server: true})
		_, _ = c.Reader().Line(0)
		_, _ = c.WriteString("250 OK\r\n")
		_ = c.Flush()
	}
}
