package main

// The rows of POP3. No peer in Go can do the work: the yardstick of each is a
// client or server of a few lines over net/textproto.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

func init() {
	uidl := func(short bool) (contender, []contender, error) {
		n := share(100_000, short)
		var b bytes.Buffer
		b.WriteString("+OK\r\n")
		for i := range n {
			fmt.Fprintf(&b, "%d %016x.%d\r\n", i+1, 0x1a4f3c2b9d*(i+1), i)
		}
		b.WriteString(".\r\n")
		return pop3Contenders(float64(n), b.Bytes(), popUIDL, textUIDL)
	}
	list := func(short bool) (contender, []contender, error) { return listContenders(share(100_000, short)) }
	rows = append(rows,
		row{name: "pop3.uidl.100k", unit: "lines/s", contenders: uidl},
		row{name: "pop3.uidl.100k.allocs", unit: "allocations", less: true, measure: allAllocations, contenders: uidl},
		row{name: "pop3.retr.10MB", unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			body := popText(short)
			return pop3Contenders(float64(len(body))/1e6, []byte("+OK\r\n"+body+".\r\n"), popRETR, textRETR)
		}},
		row{name: "pop3.retr.1000x5k", unit: "messages/s", contenders: delayedContenders},
		row{name: "pop3.server.retr.10MB", unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			body := popText(short)
			return sessionContenders(float64(len(body))/1e6, newMaildrop(1, body), "RETR 1")
		}},
		row{name: "pop3.server.list.100k", unit: "ms/listing", less: true, measure: milliseconds, contenders: list},
		row{name: "pop3.server.list.100k.allocs", unit: "allocations", less: true, measure: allAllocations, contenders: list},
	)
}

// allAllocations are those of a run, of all goroutines, where another was
// before it: pools have what they lend.
func allAllocations(c contender) float64 {
	c.amount = 1
	_, _ = c.run()
	return allocations(c)
}

// milliseconds is how long a run takes.
func milliseconds(c contender) float64 { return 1e3 * c.amount / perSecond(c) }

func popText(short bool) string {
	return strings.Repeat(strings.Repeat("x", 74)+"\r\n", share(10<<20/76, short))
}

// canned is a connection that greets, and has one answer for whatever is sent.
type canned struct {
	deadEnd
	answer, rest []byte
}

var cannedGreeting = []byte("+OK\r\n")

// again is the connection before its greeting.
func (c *canned) again() net.Conn {
	c.rest = cannedGreeting
	return c
}

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

func pop3Contenders(amount float64, answer []byte, ours func(*pop3client.Client) (tally, error), text func(*textproto.Conn) (tally, error)) (contender, []contender, error) {
	conn := &canned{answer: answer}
	return contender{name: "ours", amount: amount, run: func() (tally, error) {
			c, err := pop3client.NewClient(context.Background(), conn.again(), &pop3client.Options{TLS: pop3client.Disabled, NoCapa: true})
			if err != nil {
				return tally{}, err
			}
			return ours(c)
		}}, []contender{{name: "textproto", amount: amount, run: func() (tally, error) {
			c := textproto.NewConn(conn.again())
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

// maildrop has messages that are all the same.
type maildrop struct {
	messages []pop3.Message
	text     string
}

func newMaildrop(n int, text string) *maildrop {
	d := &maildrop{messages: make([]pop3.Message, n), text: text}
	for i := range d.messages {
		d.messages[i] = pop3.Message{Size: int64(len(text)), UID: strconv.Itoa(i)}
	}
	return d
}

func (d *maildrop) Messages(context.Context) ([]pop3.Message, error) { return d.messages, nil }
func (d *maildrop) Open(context.Context, int) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(d.text)), nil
}
func (d *maildrop) Commit(context.Context, []int) error                              { return nil }
func (d *maildrop) Close() error                                                     { return nil }
func (d *maildrop) open(context.Context, sasl.Identity) (pop3server.Maildrop, error) { return d, nil }

func popServer(d *maildrop) *pop3server.Server {
	return &pop3server.Server{
		Backend: pop3server.BackendFunc(d.open), Domain: "server.example",
		Auth: &sasl.Auth{AllowCleartext: true, Password: func(context.Context, string, string) error { return nil }},
	}
}

func listContenders(n int) (contender, []contender, error) {
	d := newMaildrop(n, "")
	for i := range d.messages {
		d.messages[i].Size = int64(i) * 100
	}
	return sessionContenders(1, d, "LIST")
}

// sessionContenders are servers with a session that is logged in, over a pipe
// in memory. A run is one command, the answer to which is read to its end, and
// its lines counted.
func sessionContenders(amount float64, d *maildrop, command string) (contender, []contender, error) {
	of := func(name string, serve func(net.Conn)) contender {
		client, server := net.Pipe()
		go serve(timeless{server})
		buf, tail := make([]byte, 64<<10), make([]byte, 0, 16)
		say := func(line string, end string) (n tally, err error) {
			if line != "" {
				if _, err = io.WriteString(client, line+"\r\n"); err != nil {
					return n, err
				}
			}
			tail = tail[:0]
			for string(tail) != end {
				k, err := client.Read(buf)
				if err != nil {
					return n, err
				}
				n.parts += int64(bytes.Count(buf[:k], []byte{'\n'}))
				tail = append(tail, buf[max(0, k-len(end)):k]...)
				tail = append(tail[:0], tail[max(0, len(tail)-len(end)):]...)
			}
			return n, nil
		}
		loggedIn := false
		return contender{name: name, amount: amount, run: func() (tally, error) {
			if !loggedIn {
				for _, line := range []string{"", "USER a", "PASS b"} {
					if _, err := say(line, "\r\n"); err != nil {
						return tally{}, err
					}
				}
				loggedIn = true
			}
			return say(command, "\r\n.\r\n")
		}}
	}
	ours := of("ours", func(conn net.Conn) { _ = popServer(d).Serve(&oneListener{conn: conn}) })
	return ours, []contender{of("textproto", func(conn net.Conn) { textServer(conn, d) })}, nil
}

// timeless has no deadlines, for which a pipe would allocate.
type timeless struct{ net.Conn }

func (timeless) SetDeadline(time.Time) error      { return nil }
func (timeless) SetReadDeadline(time.Time) error  { return nil }
func (timeless) SetWriteDeadline(time.Time) error { return nil }

func textServer(conn net.Conn, d *maildrop) {
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
			for i, m := range d.messages {
				fmt.Fprintf(w, "%d %d\n", i+1, m.Size)
			}
			_ = w.Close()
		case "RETR 1":
			w := c.DotWriter()
			_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{strings.NewReader(d.text)}, make([]byte, 32<<10))
			_ = w.Close()
		}
	}
}

// oneListener has one connection, and no end.
type oneListener struct {
	conn net.Conn
	had  bool
}

func (l *oneListener) Accept() (net.Conn, error) {
	if !l.had {
		l.had = true
		return l.conn, nil
	}
	select {}
}

func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }
