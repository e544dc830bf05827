package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// start serves p on loopback.
func start(t testing.TB, p *proxy, change ...func(*pop3server.Server)) string {
	t.Helper()
	p.cleartext = true
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	s := p.server()
	s.Logger, s.Domain = p.log, "proxy.example.test"
	s.Limits.ErrorDelay, s.Limits.MaxConnsPerAddr = -1, -1
	s.TrustXClient = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	for _, f := range change {
		f(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		require.ErrorIs(t, <-done, pop3server.ErrServerClosed)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
	})
	return l.Addr().String()
}

func dial(t testing.TB, addr, user, password string) (*pop3client.Client, error) {
	c, err := pop3client.Dial(t.Context(), addr, &pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true, User: user, Password: password})
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func TestProxy(t *testing.T) {
	ctx := t.Context()
	one, two := pop3test.NewServer(t), pop3test.NewServer(t)
	big := strings.Repeat("a line\r\n.dot\r\n", 50000)
	one.AddUser("ada", "secret")
	one.Deliver("ada", "Subject: ada\r\n\r\n"+big)
	two.AddUser("bob@example.com", "hunter2")
	two.Deliver("bob@example.com", "Subject: bob\r\n")
	rs, err := loadRoutes(file(t, "# routes\nada "+one.Addr+" name=localhost\n\n@Example.com "+two.Addr+" clear\n"))
	require.NoError(t, err)
	rs[0].tls = one.ClientTLS() // STLS
	addr := start(t, &proxy{routes: rs})

	c, err := dial(t, addr, "ada", "secret")
	require.NoError(t, err)
	require.True(t, one.Locked("ada"))
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.NoError(t, err)
	require.Equal(t, "Subject: ada\r\n\r\n"+big, string(data))
	require.NoError(t, c.Delete(ctx, 1))
	require.NoError(t, c.Quit(ctx))
	require.Empty(t, one.Messages("ada"))

	c, err = dial(t, addr, "bob@example.com", "hunter2")
	require.NoError(t, err)
	_, err = dial(t, addr, "bob@example.com", "hunter2")
	require.ErrorIs(t, err, pop3.ErrInUse, "the server's own words")
	// A client that is gone frees the maildrop.
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return !two.Locked("bob@example.com") }, 10*time.Second, time.Millisecond)

	for _, x := range [][2]string{{"ada", "wrong"}, {"nobody", "x"}, {"@example.com", "x"}, {"eve@example.com", "x"}} {
		_, err = dial(t, addr, x[0], x[1])
		require.ErrorIs(t, err, pop3.ErrAuth)
	}
	one.Close()
	_, err = dial(t, addr, "ada", "secret")
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pop3.CodeSysTemp, refused.Code)
}

// TLS on both sides, of a session with more than one record of it.
func TestTLSBothSides(t *testing.T) {
	ctx := t.Context()
	srv := pop3test.NewServer(t)
	srv.AddUser("ada", "secret")
	want := "Subject: x\r\n\r\n" + strings.Repeat("a line of the message\r\n", 20000)
	for range 5 {
		srv.Deliver("ada", want)
	}
	addr := start(t, &proxy{routes: routes{{name: "ada", addr: srv.Addr, tls: srv.ClientTLS()}}}, func(s *pop3server.Server) {
		s.TLSConfig, s.RequireTLS = srv.Config.TLSConfig, true
	})
	c, err := pop3client.Dial(ctx, addr, &pop3client.Options{TLSConfig: srv.ClientTLS(), User: "ada", Password: "secret"})
	require.NoError(t, err)
	n := 0
	for m, err := range c.RetrieveAll(ctx) {
		require.NoError(t, err)
		data, err := io.ReadAll(m)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
		n++
	}
	require.Equal(t, 5, n)
	require.NoError(t, c.Quit(ctx))
	_, err = dial(t, addr, "ada", "secret")
	require.ErrorIs(t, err, pop3.ErrAuth, "not without TLS")
}

// Passwords are checked here, and the master logs in as the user.
func TestMaster(t *testing.T) {
	b := &pop3test.Backend{}
	b.AddUser("ada", "unused")
	srv := pop3test.NewUnstartedServer(t)
	srv.Config.Backend = b
	srv.Config.Auth = &sasl.Auth{
		AllowCleartext: true,
		Password: func(_ context.Context, user, password string) error {
			if user != "master" || password != "key" {
				return sasl.ErrFailed
			}
			return nil
		},
		Authorize: func(context.Context, string, string) error { return nil },
	}
	srv.Start()
	rs, err := loadRoutes(file(t, "* "+srv.Addr+" clear master="+file(t, "master:key\n")+"\n"))
	require.NoError(t, err)
	users, err := loadUsers(file(t, "ada:secret\n"))
	require.NoError(t, err)
	addr := start(t, &proxy{routes: rs, users: users})
	c, err := dial(t, addr, "ada", "secret")
	require.NoError(t, err)
	require.True(t, b.Locked("ada"))
	require.NoError(t, c.Quit(t.Context()))
	for _, x := range [][2]string{{"ada", "key"}, {"master", "key"}, {"eve", ""}, {"eve", "x"}} {
		_, err = dial(t, addr, x[0], x[1])
		require.Error(t, err)
	}
	rs[0].masterPassword = "changed"
	_, err = dial(t, addr, "ada", "secret")
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pop3.CodeSysPerm, refused.Code)
}

// The server hears of the client's address, if it wants to.
func TestXClient(t *testing.T) {
	srv := pop3test.NewUnstartedServer(t)
	srv.Config.TrustXClient = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	var heard []pop3.Attribute
	srv.Config.Backend = pop3server.BackendFunc(func(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
		c, _ := pop3server.ConnFrom(ctx)
		heard = c.XClient()
		return srv.Backend.Open(ctx, id)
	})
	srv.Start()
	srv.AddUser("ada", "secret")
	rs, err := loadRoutes(file(t, "* "+srv.Addr+" clear xclient\n"))
	require.NoError(t, err)
	conn, err := net.Dial("tcp", start(t, &proxy{routes: rs}))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "USER ada\r\nPASS secret\r\nQUIT\r\n")
	require.NoError(t, err)
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "+OK proxy.example.test POP3 ready\r\n+OK Send PASS\r\n+OK Logged in\r\n+OK Bye\r\n", string(out))
	local := conn.LocalAddr().(*net.TCPAddr)
	require.Equal(t, []pop3.Attribute{{Name: "SESSION", Value: "1"}, {Name: "TTL", Value: "5"}, {Name: "ADDR", Value: "127.0.0.1"}, {Name: "PORT", Value: fmt.Sprint(local.Port)}}, heard)
}

// A login that Open never takes is closed with its connection.
func TestAuthzid(t *testing.T) {
	srv := pop3test.NewServer(t)
	srv.AddUser("ada", "secret")
	rs, err := loadRoutes(file(t, "* "+srv.Addr+" clear\n"))
	require.NoError(t, err)
	addr := start(t, &proxy{routes: rs})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	// "eve\0ada\0secret"
	_, err = io.WriteString(conn, "AUTH PLAIN ZXZlAGFkYQBzZWNyZXQ=\r\nQUIT\r\n")
	require.NoError(t, err)
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(out), "-ERR [AUTH] Authentication failed\r\n")
	require.Eventually(t, func() bool { return !srv.Locked("ada") }, 10*time.Second, time.Millisecond)
}

func TestUTF8(t *testing.T) {
	addr := pop3test.Play(t, "S: +OK\nC: CAPA\nS: -ERR\nC: USER ada\nS: +OK\nC: PASS secret\nS: +OK\n--- client close ---\n")
	p := &proxy{routes: routes{{name: "*", addr: addr, clear: true}}}
	c, err := pop3client.Dial(t.Context(), start(t, p), &pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true, User: "ada", Password: "secret", UTF8: true})
	require.Nil(t, c)
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pop3.CodeSysPerm, refused.Code)
}

func TestFiles(t *testing.T) {
	for text, want := range map[string]string{
		"": "no routes", "ada\n": ":1: expected a name and a server", "ada host\n": "missing port", "# x\nada h:1 tls\n": ":2: unknown option",
		"ada h:1 ca=/nonexistent\n": "no such file", "ada h:1 ca=" + file(t, "x") + "\n": "no certificate", "ada h:1 master=" + file(t, "x") + "\n": "expected name:password",
		"ada h:1 master=" + file(t, "") + "\n": "expected name:password",
	} {
		_, err := loadRoutes(file(t, text))
		require.ErrorContains(t, err, want, text)
	}
	for _, text := range []string{"ada\n", "ada:\n", ":x\n"} {
		_, err := loadUsers(file(t, text))
		require.ErrorContains(t, err, "name:password")
	}
	rs, err := loadRoutes(file(t, "ada h:995\n@example.com h:110 name=x\n* z:110\n"))
	require.NoError(t, err)
	require.Equal(t, "h", rs.find("ada").tls.ServerName)
	require.Equal(t, "x", rs.find("bob@EXAMPLE.com").tls.ServerName)
	require.Equal(t, "z:110", rs.find("bob@badexample.com").addr)
	require.Nil(t, rs[:2].find("bob"))
}

// The program, as its user sees it.
func TestRun(t *testing.T) {
	routes := file(t, "* 127.0.0.1:1 clear\n")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "usage: mailproxy"},
		{nil, 2, "-routes is missing"},
		{[]string{"-x"}, 2, "not defined"},
		{[]string{"x"}, 2, "unexpected argument"},
		{[]string{"-routes", "/nonexistent"}, 2, "no such file"},
		{[]string{"-routes", routes, "-cert", "x"}, 2, "go together"},
		{[]string{"-routes", routes, "-cert", "x", "-key", "y"}, 2, "no such file"},
		{[]string{"-routes", routes, "-pop3s", ":0"}, 2, "needs -cert"},
		{[]string{"-routes", routes, "-users", "/nonexistent"}, 2, "no such file"},
		{[]string{"-routes", routes, "-users", file(t, "a:b\n")}, 2, "needs master= for *"},
		{[]string{"-routes", routes, "-trust", "x"}, 2, "invalid value"},
		{[]string{"-routes", routes, "-pop3", "off"}, 1, "no address"},
		{[]string{"-routes", routes, "-pop3", "nonsense"}, 1, "missing port"},
	} {
		var out, log bytes.Buffer
		code := run(t.Context(), test.args, &out, &log)
		require.Equal(t, test.code, code, test.args)
		require.Contains(t, out.String()+log.String(), test.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"-routes", routes, "-pop3", "127.0.0.1:0", "-cleartext"}, w, &log) }()
	line := make([]byte, 100)
	n, err := r.Read(line)
	require.NoError(t, err)
	addr, ok := strings.CutPrefix(strings.TrimSpace(string(line[:n])), "pop3 ")
	require.True(t, ok)
	_, err = dial(t, addr, "ada", "secret")
	var refused *pop3.Error
	require.True(t, errors.As(err, &refused), err)
	cancel()
	require.Zero(t, <-done)
	require.NotContains(t, log.String(), "secret")
}

// idle opens n sessions and returns the memory that they hold, the clients'
// and servers' ends left out as far as plain connections have none.
func idle(tb testing.TB, n int) (perSession uint64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	accepted := make(chan net.Conn, n)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// All that a server says to a client that does not ask.
			_, _ = io.WriteString(conn, "+OK\r\n")
			buf := make([]byte, 64)
			for _, answer := range []string{"-ERR\r\n", "+OK\r\n", "+OK\r\n"} {
				_, _ = conn.Read(buf)
				_, _ = io.WriteString(conn, answer)
			}
			accepted <- conn
		}
	}()
	addr := start(tb, &proxy{routes: routes{{name: "*", addr: l.Addr().String(), clear: true}}})
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := memory()
	clients := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
		for range len(clients) {
			_ = (<-accepted).Close()
		}
	}()
	const hello = "+OK proxy.example.test POP3 ready\r\n+OK Send PASS\r\n+OK Logged in\r\n"
	got := make([]byte, len(hello))
	for range n {
		c, err := net.Dial("tcp", addr)
		require.NoError(tb, err)
		clients = append(clients, c)
		_, err = io.WriteString(c, "USER ada\r\nPASS secret\r\n")
		require.NoError(tb, err)
		_, err = io.ReadFull(c, got)
		require.NoError(tb, err)
		require.Equal(tb, hello, string(got))
	}
	return (memory() - before) / uint64(n)
}

// An idle session costs less than one large buffer.
func TestIdleMemory(t *testing.T) {
	per := idle(t, 50)
	t.Logf("%d octets a session", per)
	require.Less(t, per, uint64(64<<10))
}
