//go:build interop

package interop

// SASL: GNU SASL's gsasl, which speaks lines of base64 on its standard input
// and output in both roles, and SMTP and IMAP as a client.

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

const saslHost = "mail.example.test"

// talker is a program that is talked to in lines.
type talker struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // of its standard output; closed at its end
	mu    sync.Mutex
	log   strings.Builder
}

func talk(t *testing.T, env []string, name string, args ...string) *talker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	p := &talker{t: t, cmd: exec.CommandContext(ctx, program(t, name), args...), lines: make(chan string, 1000)}
	p.cmd.Env = append(append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8"), env...)
	// Without a terminal the programs read passwords from standard input.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stderr := &lockedBuffer{}
	p.cmd.Stderr = stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		s := bufio.NewScanner(out)
		for s.Scan() {
			p.note("< " + s.Text())
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		p.in.Close()
		cancel()
		<-read
		p.cmd.Wait()
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%s %q\n%s\n%s", name, args, p.log.String(), stderr)
		}
	})
	return p
}

func (p *talker) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.WriteString(line + "\n")
}

// line is the next line of the program.
func (p *talker) line() (string, bool) {
	select {
	case l, ok := <-p.lines:
		return l, ok
	case <-time.After(20 * time.Second):
		p.t.Error("the program says nothing")
		return "", false
	}
}

// until is the next line with the prefix, without it.
func (p *talker) until(prefix string) (string, bool) {
	for {
		l, ok := p.line()
		if !ok {
			return "", false
		}
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			return rest, true
		}
	}
}

func (p *talker) say(line string) {
	p.note("> " + line)
	io.WriteString(p.in, line+"\n") // an error shows as the program's end
}

// end closes the input and reports whether the program ends well.
func (p *talker) end() error {
	p.in.Close()
	for range p.lines {
	}
	return p.cmd.Wait()
}

func b64(p []byte) string { return base64.StdEncoding.EncodeToString(p) }

func unb64(t *testing.T, s string) []byte {
	p, err := base64.StdEncoding.DecodeString(s)
	require.NoError(t, err, "%q", s)
	return append([]byte{}, p...)
}

// saslAuth is a server that knows user, with pencil.
func saslAuth() *sasl.Auth {
	return &sasl.Auth{
		Secret: func(_ context.Context, user string) (string, error) {
			if user == "user" || user == "Üser" {
				return "pencil", nil
			}
			return "", sasl.ErrFailed
		},
		Anonymous: func(context.Context, string) (string, error) { return "anybody", nil },
		Hostname:  saslHost,
	}
}

func saslLine(service string) sasl.Line {
	return sasl.Line{Encrypted: true, Service: service, Host: saslHost}
}

var gsaslMechanisms = []string{
	"PLAIN", "LOGIN", "ANONYMOUS", "CRAM-MD5", "DIGEST-MD5",
	"SCRAM-SHA-1", "SCRAM-SHA-256",
}

func gsaslArgs(role, mechanism, user, password string) []string {
	return []string{
		role, "--mechanism=" + mechanism, "--authentication-id=" + user, "--password=" + password,
		"--service=imap", "--hostname=" + saslHost, "--realm=" + saslHost, "--anonymous-token=trace", "--quality-of-protection=qop-auth", "--no-cb",
	}
}

// Our server, gsasl's client.
func TestSASLServerWithGsasl(t *testing.T) {
	program(t, "gsasl")
	for _, mechanism := range gsaslMechanisms {
		for _, tt := range []struct{ name, user, password string }{
			{"right", "user", "pencil"}, {"right, not ASCII", "Üser", "pencil"}, {"wrong password", "user", "pen"}, {"unknown user", "nobody", "pencil"},
		} {
			if mechanism == "DIGEST-MD5" && tt.user == "Üser" {
				continue // its client hashes UTF-8 where RFC 2831 section 2.1.2.1 asks for ISO 8859-1
			}
			t.Run(mechanism+" "+tt.name, func(t *testing.T) {
				p := talk(t, nil, "gsasl", gsaslArgs("--client", mechanism, tt.user, tt.password)...)
				id, err := serveTalker(t, p, mechanism, saslLine("imap"), func(first bool) (string, bool) {
					l, ok := p.line()
					if ok && first && l == mechanism {
						l, ok = p.line()
					}
					return l, ok
				}, p.say, mechanism == "LOGIN" || mechanism == "CRAM-MD5" || mechanism == "DIGEST-MD5")
				if strings.HasPrefix(tt.name, "right") || mechanism == "ANONYMOUS" {
					require.NoError(t, err)
					want := tt.user
					if mechanism == "ANONYMOUS" {
						want = "anybody"
					}
					require.Equal(t, sasl.Identity{User: want, Mechanism: mechanism}, id)
					p.say("")
					require.NoError(t, p.end())
					return
				}
				require.ErrorIs(t, err, sasl.ErrFailed)
			})
		}
	}
}

// serveTalker runs our server against a program's messages.
func serveTalker(t *testing.T, p *talker, mechanism string, line sasl.Line, read func(first bool) (string, bool), say func(string), serverFirst bool) (sasl.Identity, error) {
	x, err := saslAuth().Start(t.Context(), mechanism, line)
	require.NoError(t, err)
	l, ok := read(true)
	require.True(t, ok, "the program ended")
	if serverFirst {
		challenge, _, err := x.Next(nil)
		require.NoError(t, err)
		if l == "" { // GNU SASL's LOGIN gives the name without being asked
			say(b64(challenge))
			l, ok = read(false)
			require.True(t, ok, "the program ended")
		}
	}
	response := unb64(t, l)
	for {
		challenge, done, err := x.Next(response)
		if err != nil {
			return sasl.Identity{}, err
		}
		if done && challenge == nil {
			return x.Identity(), nil
		}
		say(b64(challenge))
		l, ok := read(false)
		if done && (!ok || l == "") {
			return x.Identity(), nil
		}
		if !ok {
			return sasl.Identity{}, errors.New("the program gave up")
		}
		response = unb64(t, l)
		require.False(t, done)
	}
}

// Our client, gsasl's server.
func TestSASLClientWithGsasl(t *testing.T) {
	program(t, "gsasl")
	for _, mechanism := range gsaslMechanisms {
		if mechanism == "ANONYMOUS" {
			continue // the program lets nobody in by it
		}
		for _, tt := range []struct{ name, user, password string }{
			{"right", "user", "pencil"}, {"right, not ASCII", "Üser", "pencil"}, {"wrong password", "user", "pen"},
		} {
			if mechanism == "DIGEST-MD5" && tt.user == "Üser" {
				continue // as above
			}
			t.Run(mechanism+" "+tt.name, func(t *testing.T) {
				p := talk(t, nil, "gsasl", gsaslArgs("--server", mechanism, tt.user, "pencil")...)
				c := &sasl.Credentials{User: tt.user, Password: tt.password, Anonymous: true, Trace: "trace", Only: []string{mechanism}}
				line := saslLine("imap")
				line.Offered = []string{mechanism}
				x, err := sasl.Begin(t.Context(), c, line)
				require.NoError(t, err)
				err = clientTalker(t, p, x, mechanism)
				p.say("")
				end := p.end()
				if strings.HasPrefix(tt.name, "right") || mechanism == "ANONYMOUS" {
					require.NoError(t, err)
					require.NoError(t, x.Done())
					require.NoError(t, end)
					return
				}
				require.True(t, err != nil || end != nil, "a wrong password is not taken")
			})
		}
	}
}

func clientTalker(t *testing.T, p *talker, x *sasl.Attempt, mechanism string) error {
	initial := x.Initial
	for first := true; ; first = false {
		l, ok := p.line()
		if ok && first && l == mechanism {
			l, ok = p.line()
		}
		if !ok {
			return errors.New("the program gave up")
		}
		response := initial
		if initial == nil {
			var err error
			if response, err = x.Next(unb64(t, l)); err != nil {
				return err
			}
		} else {
			require.Empty(t, l, "a challenge before the initial response")
		}
		initial = nil
		p.say(b64(response))
		if x.Done() == nil {
			return nil
		}
	}
}

// Keys that gsasl derives are ours.
func TestScramKeysOfGsasl(t *testing.T) {
	program(t, "gsasl")
	for h, name := range map[sasl.Hash]string{sasl.SHA1: "SCRAM-SHA-1", sasl.SHA256: "SCRAM-SHA-256"} {
		for _, password := range []string{"pencil", "Übung macht"} {
			out := must(t, t.TempDir(), "", "gsasl", "--mkpasswd", "--mechanism="+name, "--password="+password, "--iteration-count=5000", "--salt=W22ZaJ0SNY7soEsUEjb6gQ==")
			k, err := sasl.NewScramKeys(h, password, unb64(t, "W22ZaJ0SNY7soEsUEjb6gQ=="), 5000)
			require.NoError(t, err)
			require.Equal(t, "{"+name+"}5000,W22ZaJ0SNY7soEsUEjb6gQ==,"+b64(k.StoredKey)+","+b64(k.ServerKey), strings.TrimSpace(out))
		}
	}
}

// gsasl as a client of our IMAP and SMTP servers, over TLS, with its channel bound.
func TestGsaslOverTLS(t *testing.T) {
	program(t, "gsasl")
	dir := t.TempDir()
	_, _, ca := keyPair(t, dir, "localhost", "127.0.0.1")
	server, _ := testkit.TLS("localhost", "127.0.0.1")
	store := imaptest.NewMemory()
	store.AddUser("user", "")
	seen := make(chan string, 100)
	auth := saslAuth()
	auth.After = func(_ context.Context, c sasl.Claim, err error) {
		if err == nil {
			seen <- c.Mechanism
		}
	}
	mailServer := &imapserver.Server{Backend: store, Auth: auth, TLSConfig: server}
	relay := &smtpserver.Server{Backend: &recorder{}, Auth: auth, TLSConfig: server}
	serve := func(serve func(net.Listener) error, stop func() error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- serve(l) }()
		t.Cleanup(func() {
			stop()
			<-done
		})
		return "localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	addr := map[string]string{"--imap": serve(mailServer.Serve, mailServer.Close), "--smtp": serve(relay.Serve, relay.Close)}
	for _, protocol := range []string{"--imap", "--smtp"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"} {
			for _, priority := range []string{"NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2"} {
				t.Run(strings.Join([]string{protocol, mechanism, priority}, " "), func(t *testing.T) {
					args := []string{protocol, "--connect=" + addr[protocol], "--x509-ca-file=" + ca, "--priority=" + priority, "--mechanism=" + mechanism,
						"--authentication-id=user", "--realm=" + saslHost, "--hostname=" + saslHost, "--quality-of-protection=qop-auth"}
					if !strings.HasSuffix(mechanism, "-PLUS") {
						args = append(args, "--no-cb")
					}
					out := must(t, dir, "", "gsasl", append(args, "--password=pencil")...)
					select {
					case got := <-seen:
						require.Equal(t, mechanism, got)
					default:
						require.Fail(t, "nobody logged in", out)
					}
					run(t, dir, "", "gsasl", append(args, "--password=pen")...)
					require.Empty(t, seen, "a wrong password is taken")
				})
			}
		}
	}
}
