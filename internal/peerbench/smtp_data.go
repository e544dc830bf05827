package main

// The rows of SMTP's DATA: how fast its octets are read and written.
//
// Reading is done by whole server sessions, for go-smtp does not export its
// reader: the same client plays the same script to both over a connection in
// memory. Textproto has the reader alone. Writing is done by whole clients. All
// that is received or sent is compared octet by octet before anything is timed.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

func init() {
	for _, width := range []int{76, 998} {
		rows = append(rows,
			row{name: fmt.Sprintf("smtp.data.read.%d", width), unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
				return readContenders(dataText(width, share(10<<20, short)))
			}},
			row{name: fmt.Sprintf("smtp.data.write.%d", width), unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
				return writeContenders(dataText(width, share(10<<20, short)))
			}},
		)
	}
}

// dataText is a message of about size octets whose lines have width octets,
// some of which begin with a dot.
func dataText(width, size int) []byte {
	b := []byte("Subject: a\r\n\r\n")
	for i := 0; len(b) < size; i++ {
		first := "x"
		if i%100 == 99 {
			first = "."
		}
		b = append(b, first+strings.Repeat("y", width-1)+"\r\n"...)
	}
	return b
}

// stuffed is what a message is in DATA.
func stuffed(text []byte) []byte {
	return append(bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n..")), ".\r\n"...)
}

// deadEnd is what connections in memory have in common.
type deadEnd struct{}

func (deadEnd) Close() error                     { return nil }
func (deadEnd) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (deadEnd) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (deadEnd) SetDeadline(time.Time) error      { return nil }
func (deadEnd) SetReadDeadline(time.Time) error  { return nil }
func (deadEnd) SetWriteDeadline(time.Time) error { return nil }

// replyCounter counts the replies that a server writes.
type replyCounter struct {
	column  int
	last    bool // the line is the last of its reply
	replies int
}

func (r *replyCounter) count(p []byte) {
	for _, c := range p {
		r.column++
		if r.column == 4 {
			r.last = c == ' '
		}
		if c == '\n' {
			if r.last {
				r.replies++
			}
			r.column = 0
		}
	}
}

// scripted is a connection to a server: its client says the next piece of the
// script behind each reply.
type scripted struct {
	deadEnd
	replyCounter
	script [][]byte
	rest   []byte
	closed chan struct{}
}

func newScripted(text []byte) *scripted {
	return &scripted{closed: make(chan struct{}), script: [][]byte{
		[]byte("EHLO client.example\r\n"), []byte("MAIL FROM:<a@example.org>\r\n"), []byte("RCPT TO:<b@example.com>\r\n"), []byte("DATA\r\n"), text, []byte("QUIT\r\n"), nil,
	}}
}

func (s *scripted) Write(p []byte) (int, error) {
	s.count(p)
	return len(p), nil
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.replies == 0 || len(s.script) == 0 {
			return 0, io.EOF
		}
		s.replies--
		s.rest, s.script = s.script[0], s.script[1:]
		if s.rest == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *scripted) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// one is a listener that has one connection, and ends with it.
type one struct {
	conn *scripted
	had  bool
}

func (l *one) Accept() (net.Conn, error) {
	if !l.had {
		l.had = true
		return l.conn, nil
	}
	<-l.conn.closed
	return nil, net.ErrClosed
}

func (l *one) Close() error   { return nil }
func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

const maxMessage = 64 << 20

// oursTo is our server, which hands messages to each.
func oursTo(each func(io.Reader) error) *smtpserver.Server {
	return &smtpserver.Server{
		Domain:  "server.example",
		Backend: smtpserver.MessageFunc(func(_ context.Context, _ *smtp.Envelope, r io.Reader) error { return each(r) }),
		// GreetDelay waits for clients that talk too soon, which go-smtp does not.
		Limits: smtpserver.Limits{MaxMessageSize: maxMessage, MaxConns: -1, MaxConnsPerAddr: -1, GreetDelay: -1},
	}
}

type gosmtpSession struct{ each func(io.Reader) error }

func (s gosmtpSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s gosmtpSession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s gosmtpSession) Data(r io.Reader) error                 { return s.each(r) }
func (s gosmtpSession) Reset()                                 {}
func (s gosmtpSession) Logout() error                          { return nil }

// gosmtpTo is go-smtp's server, which hands messages to each.
func gosmtpTo(each func(io.Reader) error) *gosmtp.Server {
	s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return gosmtpSession{each}, nil }))
	s.Domain = "server.example"
	s.MaxMessageBytes = maxMessage
	// As ours has by default.
	s.ReadTimeout, s.WriteTimeout = 5*time.Minute, time.Minute
	s.EnableSMTPUTF8 = true
	return s
}

// readContenders read text, w to which they copy it.
func readContenders(text []byte) (contender, []contender, error) {
	script := stuffed(text)
	var to io.Writer
	each := func(n *tally) func(io.Reader) error {
		return func(r io.Reader) error {
			k, err := io.Copy(to, r)
			n.parts++
			n.octets += k
			return err
		}
	}
	ours := func() (n tally, err error) {
		srv := oursTo(each(&n))
		_ = srv.Serve(&one{conn: newScripted(script)})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return n, srv.Shutdown(ctx)
	}
	peer := func() (n tally, err error) {
		_ = gosmtpTo(each(&n)).Serve(&one{conn: newScripted(script)})
		return n, nil
	}
	text2 := func() (n tally, err error) {
		// Its lines end in LF: what was taken away is counted, or put back.
		r := textproto.NewReader(bufio.NewReader(bytes.NewReader(script))).DotReader()
		n.parts = 1
		if to != io.Discard {
			b, err := io.ReadAll(r)
			if err == nil {
				_, err = to.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
			}
			n.octets = int64(len(text))
			return n, err
		}
		var lines lineCounter
		n.octets, err = io.CopyBuffer(&lines, struct{ io.Reader }{r}, copyBuffer)
		n.octets += int64(lines)
		return n, err
	}
	amount := float64(len(text)) / 1e6
	c := []contender{{name: "ours", amount: amount, run: ours}, {name: "go-smtp", amount: amount, run: peer}, {name: "textproto", amount: amount, run: text2}}
	for _, c := range c {
		var got bytes.Buffer
		to = &got
		if _, err := c.run(); err != nil || !bytes.Equal(got.Bytes(), text) {
			return contender{}, nil, fmt.Errorf("%s read %d octets of %d, or others: %v", c.name, got.Len(), len(text), err)
		}
	}
	to = io.Discard
	return c[0], c[1:], nil
}

// answering is a connection to a client: it answers each line that is no
// message, and counts the octets of messages or keeps them.
type answering struct {
	deadEnd
	answers []byte
	in      bool   // a message is what comes
	tail    []byte // the last octets of what came of it
	octets  int64
	keep    io.Writer // nil for none
}

func newAnswering(keep io.Writer) *answering {
	return &answering{answers: []byte("220 server.example ESMTP\r\n"), keep: keep}
}

func (a *answering) Read(p []byte) (int, error) {
	if len(a.answers) == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.answers)
	a.answers = a.answers[n:]
	return n, nil
}

var dataEnd = []byte("\r\n.\r\n")

func (a *answering) Write(p []byte) (int, error) {
	if !a.in {
		for line := range bytes.Lines(p) {
			switch string(line[:4]) {
			case "EHLO":
				a.answers = append(a.answers, "250-server.example\r\n250 PIPELINING\r\n"...)
			case "DATA":
				a.answers = append(a.answers, "354 go on\r\n"...)
				a.in = true
			default:
				a.answers = append(a.answers, "250 2.0.0 OK\r\n"...)
			}
		}
		return len(p), nil
	}
	a.octets += int64(len(p))
	if a.keep != nil {
		_, _ = a.keep.Write(p)
	}
	a.tail = append(a.tail, p[max(0, len(p)-len(dataEnd)):]...)
	a.tail = a.tail[max(0, len(a.tail)-len(dataEnd)):]
	if bytes.Equal(a.tail, dataEnd) {
		a.in = false
		a.answers = append(a.answers, "250 2.0.0 OK\r\n"...)
	}
	return len(p), nil
}

var errNotSent = errors.New("the message was not sent")

// writeContenders write text.
func writeContenders(text []byte) (contender, []contender, error) {
	var keep io.Writer
	env := &smtp.Envelope{From: smtp.MustParsePath("a@example.org"), To: []smtp.Recipient{{Path: smtp.MustParsePath("b@example.com")}}}
	// A reader and no more, as a message that comes from elsewhere is.
	reader := func() io.Reader { return struct{ io.Reader }{bytes.NewReader(text)} }
	result := func(a *answering, err error) (tally, error) {
		if err == nil && (a.in || a.octets == 0) {
			err = errNotSent
		}
		return tally{parts: 1, octets: a.octets}, err
	}
	ours := func() (tally, error) {
		a := newAnswering(keep)
		ctx := context.Background()
		c, err := smtpclient.NewClient(ctx, a, &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example"})
		if err == nil {
			_, err = c.Send(ctx, env, reader())
		}
		return result(a, err)
	}
	peer := func() (tally, error) {
		a := newAnswering(keep)
		return result(a, gosmtp.NewClient(a).SendMail("a@example.org", []string{"b@example.com"}, reader()))
	}
	text2 := func() (tally, error) {
		a := newAnswering(keep)
		a.in = true
		b := bufio.NewWriter(a)
		w := textproto.NewWriter(b).DotWriter()
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, reader(), copyBuffer)
		if err == nil {
			err = w.Close()
		}
		return result(a, err)
	}
	amount := float64(len(text)) / 1e6
	c := []contender{{name: "ours", amount: amount, run: ours}, {name: "textproto", amount: amount, run: text2}, {name: "go-smtp", amount: amount, run: peer}}
	want := stuffed(text)
	for _, c := range c {
		var got bytes.Buffer
		keep = &got
		if _, err := c.run(); err != nil || !bytes.Equal(got.Bytes(), want) {
			return contender{}, nil, fmt.Errorf("%s wrote %d octets of %d, or others: %v", c.name, got.Len(), len(want), err)
		}
	}
	keep = nil
	return c[0], c[1:], nil
}
