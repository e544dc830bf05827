package main

// A delay line, and the row of a client behind one.

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// latency is how long an octet is under way from one end to the other.
const latency = 20 * time.Millisecond

// delayed is one end of a connection whose octets take their time. A write does
// not wait for it: octets are under way while more are written.
type delayed struct {
	deadEnd
	in, out *delayLine
	rest    []byte
}

type delayLine struct {
	flights chan flight
	closed  chan struct{} // by either end
	once    *atomic.Bool
}

type flight struct {
	at   time.Time
	data []byte
}

// delayPipe is both ends of a connection of the given latency.
func delayPipe() (a, b *delayed) {
	closed, once := make(chan struct{}), new(atomic.Bool)
	line := func() *delayLine {
		return &delayLine{flights: make(chan flight, 4096), closed: closed, once: once}
	}
	x, y := line(), line()
	return &delayed{in: x, out: y}, &delayed{in: y, out: x}
}

func (d *delayed) Write(p []byte) (int, error) {
	select {
	case <-d.out.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case d.out.flights <- flight{time.Now().Add(latency), bytes.Clone(p)}:
		return len(p), nil
	case <-d.out.closed:
		return 0, net.ErrClosed
	}
}

func (d *delayed) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		var f flight
		select {
		case f = <-d.in.flights:
		default:
			select {
			case f = <-d.in.flights:
			case <-d.in.closed:
				return 0, io.EOF
			}
		}
		if wait := time.Until(f.at); wait > 0 {
			time.Sleep(wait)
		}
		d.rest = f.data
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// Close drops what is under way to the other end, which has read by then what
// it has to.
func (d *delayed) Close() error {
	if d.in.once.CompareAndSwap(false, true) {
		close(d.in.closed)
	}
	return nil
}

// delayListener listens for delayed connections.
type delayListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newDelayListener() *delayListener {
	return &delayListener{make(chan net.Conn), make(chan struct{})}
}

func (l *delayListener) dial() net.Conn {
	a, b := delayPipe()
	l.conns <- b
	return a
}

func (l *delayListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *delayListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *delayListener) Addr() net.Addr { return &net.TCPAddr{} }

func init() {
	rows = append(rows, row{name: "smtp.client.pipelined", unit: "messages/s", contenders: clientContenders})
}

// clientContenders send messages of 5 KB to the same server, one behind the
// other on one connection. What the server got has to be the same. The
// connection is set up before the first, and not measured.
func clientContenders(short bool) (contender, []contender, error) {
	messages := 20
	if short {
		messages = 4
	}
	text := dataText(76, 5000)
	var got atomic.Int64
	srv := oursTo(func(r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		got.Add(n)
		return err
	})
	l := newDelayListener()
	go func() { _ = srv.Serve(l) }()

	var c *smtpclient.Client
	ctx := context.Background()
	env := &smtp.Envelope{From: smtp.MustParsePath("a@example.org"), To: []smtp.Recipient{{Path: smtp.MustParsePath("b@example.com")}}}
	ours := func() (err error) {
		if c == nil {
			c, err = smtpclient.NewClient(ctx, l.dial(), &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example"})
		}
		if err == nil {
			_, err = c.Send(ctx, env, bytes.NewReader(text))
		}
		return err
	}
	var p *gosmtp.Client
	peer := func() error {
		if p == nil {
			p = gosmtp.NewClient(l.dial())
		}
		return p.SendMail("a@example.org", []string{"b@example.com"}, bytes.NewReader(text))
	}
	of := func(name string, send func() error) contender {
		return contender{name: name, amount: float64(messages), run: func() (n tally, err error) {
			before := got.Load()
			for range messages {
				if err := send(); err != nil {
					return n, err
				}
				n.parts++
			}
			n.octets = got.Load() - before
			return n, nil
		}}
	}
	return of("ours", ours), []contender{of("go-smtp", peer)}, nil
}
