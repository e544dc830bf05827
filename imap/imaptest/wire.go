package imaptest

// The part of the suite that goes over the wire: several clients change one
// mailbox at random, and each must end up knowing what there is.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/sasl"
)

// wireSteps is how many commands the clients give together.
const wireSteps = 400

func testWire(t *testing.T, b imapserver.Backend) {
	srv := &imapserver.Server{
		Backend: b,
		Auth:    &sasl.Auth{AllowCleartext: true, Password: func(context.Context, string, string) error { return nil }},
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	defer func() {
		_ = srv.Close()
		<-done
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	rnd := rand.New(rand.NewPCG(3501, 9051))
	clients := make([]*wireClient, 3)
	for i := range clients {
		clients[i] = dialWire(t, l.Addr().String())
		clients[i].command("SELECT INBOX")
	}
	move := strings.Contains(strings.Join(clients[0].command("CAPABILITY"), " "), " MOVE")
	clients[0].command("CREATE suite")
	for step := range wireSteps {
		clients[rnd.IntN(len(clients))].step(rnd, step, move)
		if t.Failed() {
			return
		}
	}
	for _, c := range clients {
		c.command("NOOP")
	}
	// What each client knows is what a new one sees.
	fresh := dialWire(t, l.Addr().String())
	fresh.command("EXAMINE INBOX")
	fresh.fetchAll()
	for i, c := range clients {
		if len(c.list) != len(fresh.list) {
			t.Fatalf("client %d knows of %d messages, and there are %d", i, len(c.list), len(fresh.list))
		}
		for k, want := range fresh.list {
			got := c.list[k]
			if got.uid != 0 && got.uid != want.uid {
				t.Fatalf("client %d: message %d has the UID %d, not %d", i, k+1, got.uid, want.uid)
			}
			if got.told && got.flags != want.flags {
				t.Fatalf("client %d: message %d has the flags %q, not %q", i, k+1, got.flags, want.flags)
			}
		}
	}
}

// wireMessage is what a client knows of a message.
type wireMessage struct {
	uid   imap.UID
	flags string
	told  bool // of its flags
}

type wireClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	list []wireMessage
	tag  int
	// steady: no EXPUNGE may come now.
	steady bool
}

func dialWire(t *testing.T, addr string) *wireClient {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.line()
	c.command(`LOGIN "` + User + `" x`)
	return c
}

// line is one line of a response, with the literals in it.
func (c *wireClient) line() string {
	_ = c.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var all string
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("reading: %v", err)
		}
		l = strings.TrimSuffix(l, "\r\n")
		all += l
		i := strings.LastIndexByte(l, '{')
		if !strings.HasSuffix(l, "}") || i < 0 {
			return all
		}
		n, err := strconv.Atoi(l[i+1 : len(l)-1])
		if err != nil {
			return all
		}
		if _, err := io.CopyN(io.Discard, c.r, int64(n)); err != nil {
			c.t.Fatalf("reading a literal: %v", err)
		}
	}
}

// command runs a command, which may be answered NO with EXPUNGEISSUED, and
// takes in what is told meanwhile.
func (c *wireClient) command(text string) []string {
	c.tag++
	tag := "w" + strconv.Itoa(c.tag)
	if _, err := io.WriteString(c.conn, tag+" "+text+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for {
		l := c.line()
		lines = append(lines, l)
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") && !strings.Contains(rest, "[EXPUNGEISSUED]") {
				c.t.Errorf("%.60s: %s", text, rest)
			}
			return lines
		}
		c.untagged(l)
	}
}

func (c *wireClient) untagged(l string) {
	var n int
	var word string
	if k, _ := fmt.Sscanf(l, "* %d %s", &n, &word); k < 2 {
		return
	}
	switch word {
	case "EXISTS":
		if n < len(c.list) {
			c.t.Errorf("%s, with %d messages known", l, len(c.list))
			return
		}
		for len(c.list) < n {
			c.list = append(c.list, wireMessage{})
		}
	case "EXPUNGE":
		if n < 1 || n > len(c.list) || c.steady {
			c.t.Errorf("%s, with %d messages known", l, len(c.list))
			return
		}
		c.list = slices.Delete(c.list, n-1, n)
	case "FETCH":
		if n < 1 || n > len(c.list) {
			c.t.Errorf("%s, with %d messages known", l, len(c.list))
			return
		}
		m := &c.list[n-1]
		if i := strings.Index(l, "UID "); i >= 0 {
			var uid imap.UID
			_, _ = fmt.Sscanf(l[i:], "UID %d", &uid)
			if m.uid != 0 && m.uid != uid {
				c.t.Errorf("%s, and it was %d", l, m.uid)
			}
			m.uid = uid
		}
		if i := strings.Index(l, "FLAGS ("); i >= 0 {
			text, _, _ := strings.Cut(l[i+len("FLAGS ("):], ")")
			var list []imap.Flag
			for _, f := range strings.Fields(text) {
				list = append(list, imap.Flag(f))
			}
			m.flags, m.told = flags(list), true
		}
	}
}

func (c *wireClient) fetchAll() {
	if len(c.list) > 0 {
		c.command("FETCH 1:* (UID FLAGS)")
	}
}

// step does one thing at random.
func (c *wireClient) step(rnd *rand.Rand, step int, move bool) {
	pick := func() int { return 1 + rnd.IntN(len(c.list)) }
	op := rnd.IntN(14)
	if len(c.list) < 3 {
		op = 0
	}
	flag := []string{`\Seen`, `\Flagged`, `\Answered`, `\Deleted`}[rnd.IntN(4)]
	sign := []string{"", "+", "-"}[rnd.IntN(3)]
	steady := func(command string) {
		c.steady = true
		c.command(command)
		c.steady = false
	}
	switch op {
	case 0, 1, 2:
		body := fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", step)
		c.command(fmt.Sprintf("APPEND INBOX (%s) {%d+}\r\n%s", flag, len(body), body))
	case 3:
		steady(fmt.Sprintf("STORE %d %sFLAGS (%s)", pick(), sign, flag))
	case 4:
		// What is silent the client works out by itself; here it asks.
		n := pick()
		steady(fmt.Sprintf("STORE %d %sFLAGS.SILENT (%s)", n, sign, flag))
		c.list[n-1].told = false
		steady(fmt.Sprintf("FETCH %d FLAGS", n))
	case 5:
		c.command(fmt.Sprintf("UID STORE 1:* %sFLAGS (%s)", sign, flag))
	case 6:
		steady(fmt.Sprintf("FETCH %d:%d (UID FLAGS)", pick(), pick()))
	case 7:
		steady(fmt.Sprintf("FETCH %d (BODY[TEXT])", pick()))
	case 8:
		c.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
	case 9:
		steady("SEARCH OR DELETED SUBJECT 1")
	case 10:
		c.command("EXPUNGE")
	case 11:
		c.command(fmt.Sprintf("COPY %d INBOX", pick()))
	case 12:
		c.command("NOOP")
	case 13:
		if move {
			c.command(fmt.Sprintf("MOVE %d suite", pick()))
		}
	}
}
