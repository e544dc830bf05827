package main

// The rows of POP3. No peer in Go can do the work: the yardstick of each is a
// client or server of a few lines over net/textproto.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

func init() {
	rows = append(rows,
		row{name: "pop3.uidl.100k", unit: "listings/s", contenders: func(short bool) (contender, []contender, error) {
			n := 100_000
			if short {
				n = 10_000
			}
			var b bytes.Buffer
			b.WriteString("+OK\r\n")
			for i := range n {
				fmt.Fprintf(&b, "%d %016x.%d\r\n", i+1, 0x1a4f3c2b9d*(i+1), i)
			}
			b.WriteString(".\r\n")
			return pop3Contenders(float64(n), b.Bytes(), popUIDL, textUIDL)
		}},
		row{name: "pop3.retr.10MB", unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			lines := 10 << 20 / 76
			if short {
				lines /= 10
			}
			body := strings.Repeat(strings.Repeat("x", 74)+"\r\n", lines)
			return pop3Contenders(float64(len(body))/1e6, []byte("+OK\r\n"+body+".\r\n"), popRETR, textRETR)
		}},
		row{name: "pop3.server.list.100k", unit: "listings/s", contenders: func(short bool) (contender, []contender, error) {
			n := 100_000
			if short {
				n = 10_000
			}
			return listContenders(n)
		}},
	)
}

// canned is a connection that greets, and has one answer for whatever is sent.
type canned struct {
	greeting, answer, rest []byte
}

func newCanned(answer []byte) *canned { return &canned{rest: []byte("+OK\r\n"), answer: answer} }

func (c *canned) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error) {
	c.rest = c.answer
	return len(p), nil
}

func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

func pop3Contenders(amount float64, answer []byte, ours func(*pop3client.Client) (tally, error), text func(*textproto.Conn) (tally, error)) (contender, []contender, error) {
	return contender{name: "ours", amount: amount, run: func() (tally, error) {
			c, err := pop3client.NewClient(context.Background(), newCanned(answer), &pop3client.Options{TLS: pop3client.Disabled, NoCapa: true})
			if err != nil {
				return tally{}, err
			}
			return ours(c)
		}}, []contender{{name: "textproto", amount: amount, run: func() (tally, error) {
			c := textproto.NewConn(newCanned(answer))
			if _, err := c.ReadLine(); err != nil {
				return tally{}, err
			}
			return text(c)
		}}}, nil
}

func popUIDL(c *pop3client.Client) (n tally, err error) {
	for l, err := range c.UIDL(context.Background()) {
		if err != nil {
			return n, err
		}
		n.parts += int64(l.Number)
		n.octets += int64(len(l.UID))
	}
	return n, nil
}

func textUIDL(c *textproto.Conn) (n tally, err error) {
	if err := c.PrintfLine("UIDL"); err != nil {
		return n, err
	}
	if _, err := c.ReadLine(); err != nil {
		return n, err
	}
	lines, err := c.ReadDotLines()
	for _, line := range lines {
		f := strings.Fields(line)
		number, err := strconv.Atoi(f[0])
		if err != nil {
			return n, err
		}
		n.parts += int64(number)
		n.octets += int64(len(f[1]))
	}
	return n, err
}

func popRETR(c *pop3client.Client) (n tally, err error) {
	m, err := c.Retrieve(context.Background(), 1)
	if err != nil {
		return n, err
	}
	n.octets, err = drain(m)
	return n, err
}

func textRETR(c *textproto.Conn) (n tally, err error) {
	if err := c.PrintfLine("RETR 1"); err != nil {
		return n, err
	}
	if _, err := c.ReadLine(); err != nil {
		return n, err
	}
	// Its lines end in LF: what was taken away counts too.
	var lines lineCounter
	n.octets, err = io.CopyBuffer(&lines, struct{ io.Reader }{c.DotReader()}, copyBuffer)
	n.octets += int64(lines)
	return n, err
}

type lineCounter int64

func (l *lineCounter) Write(p []byte) (int, error) {
	*l += lineCounter(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// listDrop is a maildrop of messages that are only listed.
type listDrop []pop3.Message

func (d listDrop) Messages(context.Context) ([]pop3.Message, error)                 { return d, nil }
func (d listDrop) Open(context.Context, int) (io.ReadCloser, error)                 { return nil, io.EOF }
func (d listDrop) Commit(context.Context, []int) error                              { return nil }
func (d listDrop) Close() error                                                     { return nil }
func (d listDrop) open(context.Context, sasl.Identity) (pop3server.Maildrop, error) { return d, nil }

// listings is how often a session lists: its login is a small part.
const listings = 20

// listContenders are servers that list n messages, to a client that reads
// all of it over a pipe in memory.
func listContenders(n int) (contender, []contender, error) {
	d := make(listDrop, n)
	for i := range d {
		d[i] = pop3.Message{Size: int64(i) * 100, UID: strconv.Itoa(i)}
	}
	script := "USER a\r\nPASS b\r\n" + strings.Repeat("LIST\r\n", listings) + "QUIT\r\n"
	ours := func() (tally, error) {
		srv := &pop3server.Server{
			Backend: pop3server.BackendFunc(d.open), Domain: "a",
			Auth: &sasl.Auth{AllowCleartext: true, Password: func(context.Context, string, string) error { return nil }},
		}
		return listed(script, func(conn net.Conn) {
			_ = srv.Serve(&oneListener{conn: conn})
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = srv.Shutdown(ctx)
		})
	}
	text := func() (tally, error) { return listed(script, func(conn net.Conn) { textServer(conn, d) }) }
	amount := float64(n * listings)
	return contender{name: "ours", amount: amount, run: ours}, []contender{{name: "textproto", amount: amount, run: text}}, nil
}

// listed plays script to a server and counts the lines that it says.
func listed(script string, serve func(net.Conn)) (n tally, err error) {
	client, server := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { serve(server) })
	wg.Go(func() { _, _ = io.WriteString(client, script) })
	buf := make([]byte, 64<<10)
	for err == nil {
		var k int
		k, err = client.Read(buf)
		n.parts += int64(bytes.Count(buf[:k], []byte{'\n'}))
	}
	_ = client.Close()
	wg.Wait()
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func textServer(conn net.Conn, d listDrop) {
	defer conn.Close()
	c := textproto.NewConn(conn)
	_ = c.PrintfLine("+OK")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		_ = c.PrintfLine("+OK")
		switch line {
		case "LIST":
			w := c.DotWriter()
			for i, m := range d {
				fmt.Fprintf(w, "%d %d\n", i+1, m.Size)
			}
			_ = w.Close()
		case "QUIT":
			return
		}
	}
}

// oneListener has one connection, and ends when that is closed.
type oneListener struct {
	conn net.Conn
	done chan struct{} // closed with the connection
}

func (l *oneListener) Accept() (net.Conn, error) {
	if l.done != nil {
		<-l.done
		return nil, io.EOF
	}
	l.done = make(chan struct{})
	return &bufferedConn{Conn: l.conn, r: bufio.NewReader(l.conn), done: l.done}, nil
}

func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

type bufferedConn struct {
	net.Conn
	r    *bufio.Reader
	once sync.Once
	done chan struct{}
}

func (c *bufferedConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
