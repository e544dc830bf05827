package main

// The server as the tests run it: in this process, and as a process of its
// own, which is the test binary run once more.

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// argsVariable holds the arguments of a test binary that is to be the server.
const argsVariable = "MAILSERVER_TEST_ARGS"

func TestMain(m *testing.M) {
	if args := os.Getenv(argsVariable); args != "" {
		var list []string
		if err := json.Unmarshal([]byte(args), &list); err != nil {
			panic(err)
		}
		os.Args = append(os.Args[:1], list...)
		main()
		return
	}
	os.Exit(m.Run())
}

// patience is for what takes milliseconds, unless it never comes.
const patience = 20 * time.Second

// watched is output that can be waited for.
type watched struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed by a Write; nil where nobody waits
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
	return w.b.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// await waits until text was written, or ended is closed.
func (w *watched) await(text string, ended <-chan struct{}) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		w.mu.Lock()
		if bytes.Contains(w.b.Bytes(), []byte(text)) {
			w.mu.Unlock()
			return true
		}
		if w.more == nil {
			w.more = make(chan struct{})
		}
		more := w.more
		w.mu.Unlock()
		select {
		case <-more:
		case <-ended:
			return strings.Contains(w.String(), text)
		case <-late.C:
			return false
		}
	}
}

const (
	adaPassword = "lovelace-1815"
	bobPassword = "babbage-1791"
)

// serverArgs are the arguments of a server in dir, with all services on free
// ports and the users ada and bob. Their passwords are kept in dir already,
// hashed with less effort than is right elsewhere: there are many logins here.
func serverArgs(dir string, more ...string) []string {
	users := filepath.Join(dir, "users")
	if _, err := os.Stat(users); err != nil {
		var lines []byte
		for name, password := range passwords {
			hash, err := pbkdf2.Key(sha256.New, password, []byte(name), 1, hashLen)
			if err != nil {
				panic(err)
			}
			lines = fmt.Appendf(lines, "%s:1:%s:%s\n", name, base64.StdEncoding.EncodeToString([]byte(name)), base64.StdEncoding.EncodeToString(hash))
		}
		if err := os.WriteFile(users, lines, 0o600); err != nil {
			panic(err)
		}
	}
	args := []string{"-dir", dir, "-user", "ada:" + adaPassword, "-user", "bob:" + bobPassword}
	for _, l := range defaultListeners {
		args = append(args, "-"+l.name, "127.0.0.1:0")
	}
	return append(args, more...)
}

// memoryDir is in memory where that is easy: much is synced here.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mailserver-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// testServer is a server that runs.
type testServer struct {
	t        testing.TB
	dir      string
	addr     map[string]string // by service
	out, log watched
	end      func()        // as Ctrl-C does
	ended    chan struct{} // when it is over
	err      error         // of run, or of the process
	cmd      *exec.Cmd     // nil in this process
	tls      *tls.Config   // of clients
}

// startServer runs a server in this process until the test ends.
func startServer(t testing.TB, args ...string) *testServer {
	t.Helper()
	c, err := parseArgs(args, io.Discard)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &testServer{t: t, dir: c.dir, end: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = run(ctx, c, &s.out, &s.log)
	}()
	t.Cleanup(s.stop)
	s.ready()
	return s
}

// command is a server as a process of its own, not started.
func command(args ...string) *exec.Cmd {
	list, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), argsVariable+"="+string(list))
	return cmd
}

// startProcess runs a server in a process of its own until the test ends.
func startProcess(t testing.TB, dir string, args ...string) *testServer {
	t.Helper()
	s := &testServer{t: t, dir: dir, ended: make(chan struct{}), cmd: command(args...)}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.log
	require.NoError(t, s.cmd.Start())
	s.end = func() { s.cmd.Process.Signal(os.Interrupt) }
	go func() {
		defer close(s.ended)
		s.err = s.cmd.Wait()
	}()
	t.Cleanup(s.kill)
	s.ready()
	return s
}

func (s *testServer) kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

// stop ends a server of this process.
func (s *testServer) stop() {
	s.end()
	<-s.ended
}

var listening = regexp.MustCompile(`(?m)^  (\w+) +(\S+:\d+)  +\S`)

func (s *testServer) ready() {
	s.t.Helper()
	require.True(s.t, s.out.await("Ctrl-C ends it.\n", s.ended), "not ready: %s%s", &s.out, &s.log)
	s.addr = map[string]string{}
	for _, m := range listening.FindAllStringSubmatch(s.out.String(), -1) {
		s.addr[m[1]] = m[2]
	}
	pem, err := os.ReadFile(filepath.Join(s.dir, "cert.pem"))
	require.NoError(s.t, err)
	pool := x509.NewCertPool()
	require.True(s.t, pool.AppendCertsFromPEM(pem))
	s.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

var passwords = map[string]string{"ada": adaPassword, "bob": bobPassword}

func (s *testServer) imapOptions(user string) *imapclient.Options {
	return &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: s.tls, Auth: sasl.Plain("", user, passwords[user])}
}

func (s *testServer) imap(user string) *imapclient.Client {
	s.t.Helper()
	c, err := imapclient.Dial(s.t.Context(), s.addr[nameIMAPS], s.imapOptions(user))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *testServer) pop3(user string) *pop3client.Client {
	s.t.Helper()
	c, err := pop3client.Dial(s.t.Context(), s.addr[namePOP3S], &pop3client.Options{
		TLS: pop3client.Implicit, TLSConfig: s.tls, User: user, Password: passwords[user],
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// smtp connects to the ports without login, smtp and lmtp.
func (s *testServer) smtp(service string) *smtpclient.Client {
	s.t.Helper()
	c, err := smtpclient.Dial(s.t.Context(), s.addr[service], &smtpclient.Options{TLS: smtpclient.Disabled, LMTP: service == nameLMTP, HelloName: "test.example"})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *testServer) submission(user string) *smtpclient.Client {
	s.t.Helper()
	c, err := smtpclient.Dial(s.t.Context(), s.addr[nameSubmission], &smtpclient.Options{
		TLS: smtpclient.Required, TLSConfig: s.tls, HelloName: "test.example", Auth: sasl.Plain("", user, passwords[user]),
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

func envelope(t testing.TB, from string, to ...string) *smtp.Envelope {
	t.Helper()
	env, err := smtp.NewEnvelope(from, to...)
	require.NoError(t, err)
	return env
}

var wholeMessage = &imap.BodySection{Peek: true}

// contents are the messages of a mailbox, by UID.
func contents(t testing.TB, c *imapclient.Client, mailbox string) (byUID map[imap.UID]string, validity uint32) {
	t.Helper()
	status, err := c.Examine(t.Context(), mailbox)
	require.NoError(t, err)
	return fetchFrom(t, c, 1), status.UIDValidity
}

// fetchFrom reads the messages of the selected mailbox from a UID on.
func fetchFrom(t testing.TB, c *imapclient.Client, first imap.UID) map[imap.UID]string {
	t.Helper()
	uids, parts := map[imap.SeqNum]imap.UID{}, map[imap.SeqNum][]byte{}
	for m, err := range c.Fetch(t.Context(), imap.UIDs(first, imap.Max), imap.FetchUID, wholeMessage) {
		require.NoError(t, err)
		if m.UID != 0 {
			uids[m.Seq] = m.UID
		}
		if r := m.Open(wholeMessage); r != nil {
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			parts[m.Seq] = append(parts[m.Seq], b...)
		}
	}
	byUID := map[imap.UID]string{}
	for seq, text := range parts {
		require.NotContains(t, byUID, uids[seq], "a UID came twice")
		byUID[uids[seq]] = string(text)
	}
	return byUID
}

// traceHead is what the server puts before a message that comes by SMTP.
var traceHead = regexp.MustCompile(`\AReturn-Path: <[^<>\r\n]*>\r\nReceived: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*\z`)

// delivered is a message without what the server put before it.
func delivered(t testing.TB, text, sent string) {
	t.Helper()
	require.True(t, strings.HasSuffix(text, sent), "delivered as %q", text)
	require.Regexp(t, traceHead, strings.TrimSuffix(text, sent))
}

// dialRaw is a connection without a client's manners.
func dialRaw(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn)
}
