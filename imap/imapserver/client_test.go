package imapserver_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client is a client that sends what it is told and reads lines.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

// client connects and reads the greeting.
func (f *fixture) client(t testing.TB) *client {
	c := &client{t: t, Conn: f.dial(t)}
	c.r = bufio.NewReader(c.Conn)
	require.Contains(t, c.line(), "* OK ")
	return c
}

// login is a client that has logged in and selected INBOX.
func (f *fixture) login(t testing.TB, commands ...string) *client {
	c := f.client(t)
	c.ok("LOGIN user secret")
	for _, cmd := range commands {
		c.ok(cmd)
	}
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	_, err := io.WriteString(c, s)
	require.NoError(c.t, err)
}

func (c *client) line() string {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(time.Hour)))
	s, err := c.r.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(s, "\r\n")
}

// cmd sends a command and returns the lines up to the tagged one. It does not
// know literals.
func (c *client) cmd(command string) []string {
	c.t.Helper()
	c.send("t " + command + "\r\n")
	return c.tagged()
}

func (c *client) tagged() []string {
	c.t.Helper()
	var lines []string
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, "t "); ok {
			return append(lines, rest)
		}
		lines = append(lines, l)
	}
}

// ok is cmd for what must succeed; it returns the untagged lines.
func (c *client) ok(command string) []string {
	c.t.Helper()
	lines := c.cmd(command)
	last := lines[len(lines)-1]
	require.True(c.t, strings.HasPrefix(last, "OK "), "%s: %q", command, lines)
	return lines[:len(lines)-1]
}

// end reads to the end of the connection and returns what came.
func (c *client) end() string {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(time.Hour)))
	b, err := io.ReadAll(c.r)
	require.NoError(c.t, err)
	return string(b)
}
