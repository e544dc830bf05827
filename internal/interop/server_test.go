//go:build interop

package interop

// The server under test: examples/mailserver as a process of its own, on free
// ports of the loopback.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var binary string // of examples/mailserver

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mailwire-interop-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "mailserver")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/mailwire/mailwire/examples/mailserver").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const (
	domain   = "example.test"
	password = "correct horse battery"
)

var services = []string{"smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s"}

// server is a running mailserver with the users ada and bob.
type server struct {
	t    *testing.T
	dir  string
	cert string
	addr map[string]string // by service
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a server in a folder of its own until the test ends.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

func startIn(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	all := []string{"-dir", dir, "-domain", domain, "-user", "ada:" + password, "-user", "bob:" + password}
	for _, s := range services {
		all = append(all, "-"+s, "127.0.0.1:0")
	}
	s := &server{
		t: t, dir: dir, cert: filepath.Join(dir, "cert.pem"), addr: map[string]string{},
		log: &lockedBuffer{}, done: make(chan struct{}),
	}
	s.cmd = exec.Command(binary, append(all, args...)...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ready := make(chan error, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(out)
		seen := false
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			switch {
			case strings.HasPrefix(lines.Text(), "ready"):
				seen = true
			case seen && len(f) > 1 && slices.Contains(services, f[0]):
				s.addr[f[0]] = f[1]
			}
			if seen && len(s.addr) == len(services) {
				select {
				case ready <- nil:
				default:
				}
			}
		}
		select {
		case ready <- errors.New("the server ended before it was ready"):
		default:
		}
	}()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log)
		}
	})
	select {
	case err := <-ready:
		require.NoError(t, err, s.log.String())
	case <-time.After(time.Minute):
		require.FailNow(t, "the server is not ready after a minute")
	}
	return s
}

// stop ends the server as Ctrl-C does, and sees it end cleanly.
func (s *server) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	s.cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(30*time.Second, func() { s.cmd.Process.Kill() })
	<-s.done
	err := s.cmd.Wait()
	timer.Stop()
	if err != nil {
		s.t.Errorf("the server did not end cleanly: %v\n%s", err, s.log)
	}
}

func (s *server) host(service string) string {
	host, _, _ := strings.Cut(s.addr[service], ":")
	return host
}

func (s *server) port(service string) string {
	_, port, _ := strings.Cut(s.addr[service], ":")
	return port
}

// maildir is the user's tree.
func (s *server) maildir(user string) string { return filepath.Join(s.dir, "mail", user, "Maildir") }

// stored are the messages in a folder of a user as they lie on disk, in order
// of their names.
func (s *server) stored(user, folder string) []string {
	s.t.Helper()
	base := s.maildir(user)
	if folder != "INBOX" {
		base = filepath.Join(base, "."+folder)
	}
	var files []string
	for _, sub := range []string{"new", "cur"} {
		found, err := filepath.Glob(filepath.Join(base, sub, "*"))
		require.NoError(s.t, err)
		files = append(files, found...)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	var messages []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(s.t, err)
		messages = append(messages, string(data))
	}
	return messages
}

// sent is a message that came by SMTP without what the server put before it:
// a Return-Path and a Received field.
func sent(t *testing.T, stored string) string {
	t.Helper()
	rest := stored
	for _, field := range []string{"Return-Path: ", "Received: "} {
		require.True(t, strings.HasPrefix(rest, field), "no %sin %.200q", field, stored)
		for {
			_, after, ok := strings.Cut(rest, "\r\n")
			require.True(t, ok)
			rest = after
			if !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, "\t") {
				break
			}
		}
	}
	return rest
}

// program skips the test when a program is not installed.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("MAILWIRE_INTEROP") == "required" {
			require.FailNow(t, name+" is not installed")
		}
		t.Skip(name + " is not installed")
	}
	return path
}

// result is how a program ended.
type result struct {
	out  string // standard output and error
	code int
}

// run runs a program with a home folder of its own, for two minutes at most.
func run(t *testing.T, home, stdin, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8", "TERM=xterm", "PYTHONWARNINGS=ignore")
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err(), "%s %q did not end:\n%s", name, args, out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err, "%s %q\n%s", name, args, out)
	}
	return result{string(out), cmd.ProcessState.ExitCode()}
}

// must is run for a program that has to succeed; it returns its output.
func must(t *testing.T, home, stdin, name string, args ...string) string {
	t.Helper()
	r := run(t, home, stdin, name, args...)
	require.Zero(t, r.code, "%s %q:\n%s", name, args, r.out)
	return r.out
}

// write makes a file in a folder, for its owner alone, and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// corpus is the folder of real messages.
func corpus(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "corpus"))
	require.NoError(t, err)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpus of real messages is not beside this checkout")
	}
	return dir
}
