package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
)

func mail(from, subject, body string) string {
	return "From: " + from + "\r\nSubject: " + subject + "\r\nMessage-ID: <1@example.org>\r\n\r\n" + body + "\r\n"
}

// output waits for lines.
type output struct {
	mu   sync.Mutex
	cond *sync.Cond
	b    bytes.Buffer
}

func newOutput() *output {
	o := &output{}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cond.Broadcast()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// wait waits until text was written.
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	stop := context.AfterFunc(t.Context(), o.cond.Broadcast)
	defer stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !strings.Contains(o.b.String(), text) && t.Context().Err() == nil {
		o.cond.Wait()
	}
	require.Contains(t, o.b.String(), text)
}

// begin runs imapwatch until end is called, which returns its exit code.
func begin(t *testing.T, args ...string) (out, errOut *output, end func() int) {
	t.Helper()
	t.Setenv("IMAPWATCH_PASSWORD", imaptest.Password)
	out, errOut = newOutput(), newOutput()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, out, errOut) }()
	end = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { end() })
	return out, errOut, end
}

func deliver(t *testing.T, s *imaptest.Server, message string) imap.UID {
	t.Helper()
	uid, err := s.Memory.DeliverAt(imaptest.User, "INBOX", message, time.Date(2026, 9, 15, 8, 0, 1, 0, time.UTC))
	require.NoError(t, err)
	return uid
}

func account1(addr string) string { return "imap+clear://" + imaptest.User + "@" + addr + "/" }

func TestWatch(t *testing.T) {
	s := imaptest.NewServer(t)
	deliver(t, s, mail("old@example.org", "seen before", ""))
	dir := t.TempDir()
	state := filepath.Join(dir, "state")

	// With a state, what is there is told the first time, and once only.
	out, errOut, end := begin(t, "-state", state, "-all", account1(s.Addr))
	out.wait(t, "seen before\n")
	deliver(t, s, mail("=?utf-8?q?J=C3=B6rg?= <joerg@example.org>", "=?utf-8?q?Gr=C3=BC=C3=9Fe?= \x1b[31m\u202eevil", "hi"))
	out.wait(t, "2026-09-15 ")
	out.wait(t, "  Jörg  Grüße  [31mevil\n")
	require.Equal(t, exitInterrupted, end())
	require.Empty(t, errOut.String())

	// What came meanwhile is told too.
	deliver(t, s, mail("ann@example.org", "while away", ""))
	out, errOut, end = begin(t, "-state", state, account1(s.Addr))
	out.wait(t, "  ann@example.org  while away\n")
	require.Equal(t, exitInterrupted, end())
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Empty(t, errOut.String())
}

func TestCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is one of a Unix shell")
	}
	s := imaptest.NewServer(t)
	dir := t.TempDir()
	t.Setenv("DIR", dir)
	out, errOut, end := begin(t, "-state", filepath.Join(dir, "state"), "-run",
		`cat > "$DIR/$IMAPWATCH_UID" && echo "$IMAPWATCH_MAILBOX $IMAPWATCH_FROM $IMAPWATCH_SUBJECT" && test "$IMAPWATCH_UID" != 2`, account1(s.Addr))
	messages := []string{mail("a@example.org", "$(touch x); `id`", "one"), mail("b@example.org", "two", strings.Repeat("long\r\n", 50_000)), mail("c@example.org", "three", "")}
	for _, m := range messages {
		deliver(t, s, m)
	}
	out.wait(t, "  c@example.org  three\n")
	require.Equal(t, exitInterrupted, end())
	for i, name := range []string{"1", "2", "3"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, messages[i], string(b))
	}
	assert.Contains(t, out.String(), "INBOX a@example.org $(touch x); `id`\n")
	assert.Equal(t, "imapwatch: message 2: the command: exit status 1\n", errOut.String())
}

// relay passes connections on, until they are cut.
type relay struct {
	l     net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{l: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, a, b)
			r.mu.Unlock()
			for _, p := range [][2]net.Conn{{a, b}, {b, a}} {
				wg.Go(func() {
					buf := make([]byte, 4096)
					for {
						n, err := p[0].Read(buf)
						if n > 0 {
							_, _ = p[1].Write(buf[:n])
						}
						if err != nil {
							p[1].Close()
							return
						}
					}
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		wg.Wait()
	})
	return r
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// Nothing is missed where the line is cut.
func TestReconnects(t *testing.T) {
	s := imaptest.NewServer(t)
	r := newRelay(t, s.Addr)
	deliver(t, s, mail("a@example.org", "zero", ""))
	out, errOut, end := begin(t, "-state", filepath.Join(t.TempDir(), "state"), account1(r.l.Addr().String()))
	out.wait(t, "  zero\n")
	r.cut()
	deliver(t, s, mail("a@example.org", "one", ""))
	deliver(t, s, mail("a@example.org", "two", ""))
	out.wait(t, "  two\n")
	deliver(t, s, mail("a@example.org", "three", ""))
	out.wait(t, "  three\n")
	require.Equal(t, exitInterrupted, end())
	for _, subject := range []string{"zero", "one", "two", "three"} {
		require.Contains(t, out.String(), "  "+subject+"\n")
	}
	require.Contains(t, errOut.String(), "; connecting again in ")
}

func TestFails(t *testing.T) {
	s := imaptest.NewServer(t)
	t.Setenv("IMAPWATCH_PASSWORD", "wrong")
	var out, errOut bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{account1(s.Addr)}, &out, &errOut))
	require.Contains(t, errOut.String(), "imapwatch: ")
	require.NotContains(t, errOut.String(), "wrong")

	errOut.Reset()
	t.Setenv("IMAPWATCH_PASSWORD", imaptest.Password)
	require.Equal(t, exitFailed, run(t.Context(), []string{"-mailbox", "none", account1(s.Addr)}, &out, &errOut))
	require.Contains(t, errOut.String(), "imapwatch: ")
	require.Empty(t, out.String())
}

func TestArgs(t *testing.T) {
	for args, want := range map[string]string{
		"":                       "expected an ACCOUNT",
		"a b":                    "expected an ACCOUNT",
		"-x imaps://a@b":         "flag provided but not defined: -x",
		"ann@example.org":        "is no account",
		"imaps://example.org":    "is not like imaps://user@host/",
		"imaps://a@":             "is not like imaps://user@host/",
		"imaps://a%00@b":         "malformed user name",
		"-poll 0s imaps://a@b/":  "have to be longer than nothing",
		"-timeout x imaps://a@b": "invalid value",
	} {
		var out, errOut bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), strings.Fields(args), &out, &errOut), args)
		assert.Contains(t, errOut.String(), want)
		assert.Contains(t, errOut.String(), "Run imapwatch -h for help.")
	}
	var out, errOut bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &out, &errOut))
	require.Equal(t, usage, out.String())
	for text, want := range map[string]account{
		"imaps://ann@a.example@mail.example/": {"ann@a.example", "mail.example:993", imapclient.Implicit},
		"imap://ann@[::1]:1143":               {"ann", "[::1]:1143", imapclient.Required},
	} {
		got, err := parseAccount(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
