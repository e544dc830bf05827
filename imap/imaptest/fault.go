package imaptest

// Faults: commands that are answered otherwise than by the server.

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what a command meets instead of being run, or before it.
type Fault struct {
	// Delay is a wait before everything else; the end of the connection ends
	// it.
	Delay time.Duration
	// Text is sent to the client as it stands, lines with their CRLF; "{tag}"
	// in it becomes the command's tag.
	Text string
	// Run lets the server run the command afterwards, and answer it.
	Run bool
	// Close closes the connection then.
	Close bool
}

// Next scripts what the next commands of a name meet, of all connections to Addr
// together: each fault is used once, in order. The name is in capitals, such as
// "SELECT" or "UID FETCH"; "" is any command. What comes after STARTTLS, and over
// TLSAddr, meets none.
//
//	s.Next("SELECT", imaptest.Fault{Text: "{tag} NO [INUSE] Locked\r\n"})
//	s.Next("UID FETCH", imaptest.Fault{Text: "* 1 FETCH (UID 1", Close: true})
func (s *Server) Next(command string, faults ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range faults {
		s.faults.list = append(s.faults.list, scripted{command, f})
	}
}

type scripted struct {
	command string
	fault   Fault
}

type faults struct {
	mu   sync.Mutex
	list []scripted
}

// take is the next fault for a command, which is used up.
func (f *faults) take(command string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.list {
		if s.command == command || s.command == "" {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
			return s.fault, true
		}
	}
	return Fault{}, false
}

// faultListener accepts connections that meet faults.
type faultListener struct {
	net.Listener
	faults *faults
}

func (l *faultListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultConn{Conn: c, r: bufio.NewReaderSize(c, 16<<10), faults: l.faults, closed: make(chan struct{})}, nil
}

// faultConn reads a client's commands line by line, and keeps from the server
// those that meet a fault.
type faultConn struct {
	net.Conn
	r       *bufio.Reader
	faults  *faults
	out     []byte // for the server
	partial []byte // of a line that a deadline cut off
	literal int64  // octets that are no line
	drop    bool   // the literal is not for the server
	within  bool   // the next line goes on with a command
	raw     bool   // TLS follows

	once   sync.Once
	closed chan struct{}
}

func (c *faultConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *faultConn) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.raw || c.literal > 0 {
			if c.literal > 0 && int64(len(p)) > c.literal {
				p = p[:c.literal]
			}
			n, err := c.r.Read(p)
			if c.literal > 0 {
				c.literal -= int64(n)
				if c.drop && n > 0 {
					continue
				}
			}
			return n, err
		}
		line, err := c.r.ReadSlice('\n')
		c.partial = append(c.partial, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, err
		}
		if err == nil {
			line := c.partial
			c.partial = nil
			if err := c.line(line); err != nil {
				return 0, err
			}
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// line looks at a whole line.
func (c *faultConn) line(line []byte) error {
	size, waits, more := literal(line)
	c.literal = size
	if c.within {
		if c.within = more; !c.drop {
			c.out = line
		}
		return nil
	}
	c.drop, c.within = false, more
	words := strings.Fields(strings.ToUpper(string(line)))
	if len(words) > 1 {
		name := words[1]
		if name == "UID" && len(words) > 2 {
			name += " " + words[2]
		}
		if f, ok := c.faults.take(name); ok {
			tag, _, _ := bytes.Cut(line, []byte(" "))
			if err := c.fault(f, string(tag)); err != nil {
				return err
			}
			if c.drop = !f.Run; c.drop {
				if waits { // refused, and not sent
					c.literal, c.within = 0, false
				}
				return nil
			}
		}
		c.raw = name == "STARTTLS"
	}
	c.out = line
	return nil
}

func (c *faultConn) fault(f Fault, tag string) error {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.closed:
			return net.ErrClosed
		}
	}
	if _, err := c.Conn.Write([]byte(strings.ReplaceAll(f.Text, "{tag}", tag))); err != nil {
		return err
	}
	if f.Close {
		_ = c.Conn.Close()
		return net.ErrClosed
	}
	return nil
}

// literal is the size of the literal that a line announces, and whether the
// client waits before it sends it.
func literal(line []byte) (size int64, waits, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return 0, false, false
	}
	digits, plus := bytes.CutSuffix(line[i+1:len(line)-1], []byte("+"))
	size, err := strconv.ParseInt(string(digits), 10, 62)
	return size, !plus, err == nil && size >= 0
}
