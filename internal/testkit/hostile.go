// Servers that mean harm, for the tests of clients.

package testkit

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Hostile is the server's end of a connection, for a function that says what no
// honest server says. A write or read that fails is remembered, and all that
// come behind it do nothing: a function runs to its end, whatever the client did,
// and looks at Gone where it says something without end.
type Hostile struct {
	// Tag is the first word of the line that ReadLine returned last.
	Tag  string
	conn net.Conn
	r    *bufio.Reader
	err  error

	mu       sync.Mutex
	received bytes.Buffer
}

// HostileServer begins serve at the server's end of a Pipe with room for size
// octets in each direction (that of Pipe when zero), and returns the client's
// end. At the end of the test the client's end is closed, and serve is waited
// for.
func HostileServer(t testing.TB, size int, serve func(h *Hostile)) (client *PipeConn, h *Hostile) {
	t.Helper()
	if size == 0 {
		size = pipeBuffer
	}
	client, server := PipeSize(size)
	h = &Hostile{}
	h.use(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		serve(h)
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-done
	})
	return client, h
}

func (h *Hostile) use(conn net.Conn) {
	h.conn = conn
	h.r = bufio.NewReader(io.TeeReader(conn, h))
}

// Write keeps what was received: see Received.
func (h *Hostile) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received.Write(p)
}

// Received is all that the client sent so far, under TLS what was in it. It may
// be called from any goroutine.
func (h *Hostile) Received() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received.String()
}

// Gone reports whether the client has closed, or anything else failed.
func (h *Hostile) Gone() bool { return h.err != nil }

// ReadLine reads the client's next line, without its CRLF, and sets Tag; empty
// where the client is gone.
func (h *Hostile) ReadLine() string {
	if h.err != nil {
		return ""
	}
	line, err := h.r.ReadString('\n')
	if err != nil {
		h.err = err
		return ""
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	h.Tag, _, _ = strings.Cut(line, " ")
	return line
}

// Say sends text in one write, with Tag for each {tag} in it. Nothing is added.
func (h *Hostile) Say(text string) {
	if h.err == nil {
		_, h.err = io.WriteString(h.conn, strings.ReplaceAll(text, "{tag}", h.Tag))
	}
}

// Answer reads a line and says text.
func (h *Hostile) Answer(text string) {
	h.ReadLine()
	h.Say(text)
}

// Repeat says text n times; for ever where n is negative, until the client is
// gone.
func (h *Hostile) Repeat(text string, n int) {
	many := max(1, 4096/max(1, len(text)))
	block := bytes.Repeat([]byte(text), many)
	for n != 0 && h.err == nil {
		k := many
		if n > 0 {
			k = min(n, many)
			n -= k
		}
		_, h.err = h.conn.Write(block[:k*len(text)])
	}
}

// Slowly says text an octet each interval.
func (h *Hostile) Slowly(text string, interval time.Duration) {
	if h.err == nil {
		_, h.err = io.WriteString(SlowWriter(h.conn, interval), text)
	}
}

// Stall says and reads nothing until the client closes, and reads then what is
// left.
func (h *Hostile) Stall() {
	for h.err == nil {
		_, h.err = h.r.Discard(1)
	}
}

// Deaf reads nothing for d.
func (h *Hostile) Deaf(d time.Duration) { time.Sleep(d) }

// StartTLS begins the handshake, with testkit's certificate, and goes on in TLS.
func (h *Hostile) StartTLS() {
	if h.err != nil {
		return
	}
	server, _ := TLS()
	conn := tls.Server(h.conn, server)
	if h.err = conn.Handshake(); h.err == nil {
		h.use(conn)
	}
}

// Attack is one thing that a hostile server does.
type Attack struct {
	ID   string // the row of ATTACKS.md
	Name string
	// Do is what the client is to do when it meets the server; each protocol
	// has its own words for it.
	Do    string
	Serve func(h *Hostile)
	// Survives says that the client must be able to go on: the one response is
	// an error or harmless, and the command behind it gets its answer. Else the
	// connection must end with an error.
	Survives bool
}
