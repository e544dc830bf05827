package main

// What is no mail at all, sent to every port.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

// clientHello is what a TLS client says first.
func clientHello(t *testing.T) []byte {
	near, far := net.Pipe()
	defer near.Close()
	go tls.Client(far, &tls.Config{ServerName: "example.test"}).HandshakeContext(t.Context())
	hello := make([]byte, 16<<10)
	n, err := near.Read(hello)
	require.NoError(t, err)
	return hello[:n]
}

func randomOctets(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// replies are the words that each protocol has for those who make no sense,
// and its greeting.
var replies = map[string]*regexp.Regexp{
	nameSMTP: regexp.MustCompile(`\A(220[ -][^\r\n]*\r\n)?([45]\d\d[ -][^\r\n]*\r\n)*\z`),
	nameIMAP: regexp.MustCompile(`\A\* OK [^\r\n]*\r\n((\S+|\*) (BAD|BYE|NO) [^\r\n]*\r\n)*\z`),
	namePOP3: regexp.MustCompile(`\A\+OK [^\r\n]*\r\n(-ERR [^\r\n]*\r\n)*\z`),
}

var refusal = regexp.MustCompile(`(?m)^([45]\d\d|\* (BYE|BAD)|-ERR) `)

// protocol is the service that the service is a variant of.
func protocol(service string) string {
	switch service {
	case nameSubmission, nameSubmissions, nameLMTP:
		return nameSMTP
	case nameIMAPS:
		return nameIMAP
	case namePOP3S:
		return namePOP3
	}
	return service
}

func overTLS(service string) bool { return strings.HasSuffix(service, "s") }

// gone is an error of a peer that closed.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// say sends what is to be sent, once the server has greeted unless early is
// set, reads until the server closes, and returns what it said. The server may
// close at any time.
func say(t *testing.T, c interface {
	net.Conn
	CloseWrite() error
}, early bool, send func(w io.Writer) error) string {
	t.Helper()
	var greeting strings.Builder
	for b := make([]byte, 1); !early && b[0] != '\n'; {
		_, err := c.Read(b)
		require.NoError(t, err)
		greeting.Write(b)
	}
	sent := make(chan error, 1)
	go func() {
		err := send(c)
		if err == nil {
			err = c.CloseWrite()
		}
		sent <- err
	}()
	said, err := io.ReadAll(c)
	if err != nil {
		require.True(t, gone(err), err)
	}
	if err := <-sent; err != nil {
		var closed *net.OpError
		require.True(t, gone(err) || errors.As(err, &closed), err)
	}
	return greeting.String() + string(said)
}

var longLine = bytes.Repeat([]byte("abcdefgh"), 8<<10)

// garbage is what is sent, and how many lines of the log it is worth on each
// port.
var garbage = []struct {
	name   string
	send   func(t *testing.T) func(w io.Writer) error
	logged map[string]int
}{
	{"random octets", func(*testing.T) func(io.Writer) error { return sending(randomOctets(64 << 10)) },
		map[string]int{nameSMTP: 1, nameIMAP: 1, namePOP3: 1}},
	{"TLS hello", func(t *testing.T) func(io.Writer) error { return sending(clientHello(t)) },
		map[string]int{nameSMTP: 1, nameIMAP: 1, namePOP3: 1}},
	{"HTTP", func(*testing.T) func(io.Writer) error {
		return sending([]byte("POST /login HTTP/1.1\r\nHost: example.test\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Length: 29\r\n\r\nuser=ada&password=open-sesame"))
	}, map[string]int{nameSMTP: 1, nameIMAP: 1, namePOP3: 1}},
	{"64 MB in a line", func(*testing.T) func(io.Writer) error {
		return func(w io.Writer) error {
			for range 64 << 20 / len(longLine) {
				if _, err := w.Write(longLine); err != nil {
					return err
				}
			}
			return nil
		}
	}, map[string]int{nameSMTP: 1, namePOP3: 1, nameIMAP: 1}},
	{"NULs", func(*testing.T) func(io.Writer) error { return sending(make([]byte, 4096)) }, nil},
	{"empty lines", func(*testing.T) func(io.Writer) error { return sending(bytes.Repeat([]byte("\r\n"), 4)) }, nil},
	{"nothing", func(*testing.T) func(io.Writer) error { return sending(nil) },
		map[string]int{nameSMTP: 0, nameIMAP: 0, namePOP3: 0}},
	{"half a command", func(*testing.T) func(io.Writer) error { return sending([]byte("AUTH PLAIN b3Blbi1zZXNhbWU")) }, nil},
}

func sending(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// logged are the lines of the log about a client.
func (s *testServer) logged(service string, addr net.Addr) (lines []string) {
	for line := range strings.Lines(s.log.String()) {
		// Two connections to different services may come from one port.
		if strings.Contains(line, " service="+service+" ") && strings.Contains(line, "remote="+addr.String()+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func fetchAll(t *testing.T, s *testServer, user string) map[imap.UID]string {
	t.Helper()
	byUID, _ := contents(t, s.imap(user), imap.Inbox)
	return byUID
}

func TestGarbage(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t))...)
	// Somebody is there all the time, and is served.
	other := s.imap("bob")
	pop := s.pop3("ada")
	mail := s.smtp(nameSMTP)
	type session struct {
		name    string
		service string
		addr    net.Addr
		logged  int // -1: one at most
	}
	var sessions []session
	for _, l := range defaultListeners {
		for _, g := range garbage {
			// A port of TLS gets it as it is, and within TLS; a port without
			// TLS after the greeting, and before.
			for _, plain := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s/plain=%v", l.name, g.name, plain)
				t.Run(name, func(t *testing.T) {
					send := g.send(t)
					var said string
					var addr net.Addr
					octets, _ := allocated(func() {
						raw := dialRaw(t, s.addr[l.name])
						addr = raw.LocalAddr()
						if overTLS(l.name) && !plain {
							c := tls.Client(raw, s.tls)
							require.NoError(t, c.HandshakeContext(t.Context()))
							said = say(t, c, false, send)
							raw.Close()
						} else {
							said = say(t, raw, plain, send)
						}
					})
					require.Less(t, octets, uint64(4<<20), "octets allocated")
					require.NotContains(t, said, "sesame")
					n, ok := g.logged[protocol(l.name)]
					switch {
					case overTLS(l.name) && plain:
						n = -1
						if g.name != "TLS hello" { // which is right there, and then ends
							require.LessOrEqual(t, len(said), 7, "an alert at most")
						}
					case !ok:
						n = -1
						fallthrough
					default:
						require.Regexp(t, replies[protocol(l.name)], said)
					}
					if n == 1 {
						require.Regexp(t, refusal, said)
					}
					sessions = append(sessions, session{name, l.name, addr, n})
					require.NoError(t, other.Noop(t.Context()))
					require.NoError(t, pop.Noop(t.Context()))
					_, err := mail.Send(t.Context(), envelope(t, "x@example.org", "ada@example.test"), strings.NewReader("Subject: meanwhile\r\n"))
					require.NoError(t, err)
				})
			}
		}
	}

	// And the server is as it was.
	_, err := s.smtp(nameSMTP).Send(t.Context(), envelope(t, "x@example.org", "bob@example.test"), strings.NewReader("Subject: after\r\n\r\nall\r\n"))
	require.NoError(t, err)
	require.Len(t, fetchAll(t, s, "ada"), len(sessions))
	byUID := fetchAll(t, s, "bob")
	require.Len(t, byUID, 1)
	delivered(t, byUID[1], "Subject: after\r\n\r\nall\r\n")
	s.stop()
	require.NoError(t, s.err)
	for _, c := range sessions {
		lines := s.logged(c.service, c.addr)
		require.LessOrEqual(t, len(lines), 1, "%s: %q", c.name, lines)
		if c.logged >= 0 {
			require.Len(t, lines, c.logged, c.name)
		}
	}
	for _, never := range []string{"goroutine", "stack", "panic", "sesame", "b3Blbi1zZXNhbWU", adaPassword, bobPassword} {
		require.NotContains(t, s.log.String(), never)
	}
}

// Who begins a command and falls silent does not hold up the end.
func TestEndWithHalfCommands(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t))...)
	half := map[string]string{nameSMTP: "EHLO half", nameIMAP: "a login ada {13+}\r\nlove", namePOP3: "USER ad"}
	conns := map[string]net.Conn{}
	for _, l := range defaultListeners {
		var c net.Conn = dialRaw(t, s.addr[l.name])
		if overTLS(l.name) {
			// One in the middle of the handshake as well.
			silent := dialRaw(t, s.addr[l.name])
			_, err := silent.Write(clientHello(t)[:100])
			require.NoError(t, err)
			conns[l.name+" handshake"] = silent
			c = tls.Client(c, s.tls)
		}
		k := &talker{t: t, c: c, r: bufio.NewReader(c)}
		k.line()
		_, err := io.WriteString(c, half[protocol(l.name)])
		require.NoError(t, err)
		conns[l.name] = c
	}
	idle := s.talk(nameIMAPS)
	idle.imap("LOGIN ada " + adaPassword)
	idle.imap("SELECT INBOX")
	_, err := io.WriteString(idle.c, "i IDLE\r\n")
	require.NoError(t, err)
	require.Equal(t, "+ ", string(idle.line()[:2]))
	conns["IDLE"] = idle.c

	s.end()
	for name, c := range conns {
		// Far less than the time that those get who are in the middle of a
		// message.
		require.NoError(t, c.SetReadDeadline(time.Now().Add(shutdownTime/2)))
		_, err := io.Copy(io.Discard, c)
		require.True(t, err == nil || gone(err), "%s: %v", name, err)
		c.Close()
	}
	<-s.ended
	require.NoError(t, s.err)
	require.NotContains(t, s.log.String(), "lovelace")
}
