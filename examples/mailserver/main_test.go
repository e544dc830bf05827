package main

// The program as its user sees it.

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// alone runs the program to its end.
func alone(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(args...)
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	out, log, code := alone(t, "-h")
	require.Zero(t, code)
	require.Empty(t, log)
	require.True(t, strings.HasPrefix(out, usage), out)

	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-imapz", "x"}, "flag provided but not defined: -imapz"},
		{[]string{"-imap", "143"}, "-imap 143: expected host:port or off"},
		{[]string{"-user", "ada"}, `invalid value "ada" for flag -user: expected name:password`},
		{[]string{"-user", "ada+mail:x"}, `invalid value "ada+mail:x" for flag -user: "ada+mail" is no user name here: letters a to z, digits, and inside it also . - _`},
		{[]string{"x"}, `unexpected argument "x"`},
	} {
		out, log, code := alone(t, append([]string{"-dir", dir}, tt.args...)...)
		require.Equal(t, exitUsage, code)
		require.Empty(t, out)
		require.Equal(t, "mailserver: "+tt.want+"\nRun mailserver -h for help.\n", log)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	out, log, code = alone(t, serverArgs(dir, "-pop3", addr)...)
	require.Equal(t, exitFailed, code)
	require.Empty(t, out, "not ready")
	require.Regexp(t, `^mailserver: -pop3: listen tcp `+addr+`: [^\n]+\n$`, log)

	out, log, code = alone(t, serverArgs(dir, "-cert", "missing.pem", "-key", "missing.key")...)
	require.Equal(t, exitFailed, code)
	require.Empty(t, out)
	require.Regexp(t, `^mailserver: certificate: open missing.pem: [^\n]+\n$`, log)
}

func TestReady(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, serverArgs(dir, "-smtp", "off", "-domain", "a.example", "-domain", "b.example")...)
	require.True(t, strings.HasPrefix(s.out.String(), "ready: mail for a.example, b.example, kept in "+dir+"\n"), &s.out)
	require.Len(t, s.addr, len(defaultListeners)-1)
	for name, addr := range s.addr {
		_, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		require.NotEqual(t, "0", port)
		dialRaw(t, addr).Close()
		require.Contains(t, s.out.String(), addr, name)
	}
	require.Contains(t, s.out.String(), "log in as ada with the password "+adaPassword+"\n")
	for _, command := range []string{"swaks --server " + s.addr[nameSubmission], "curl --cacert ", "imaps://" + s.addr[nameIMAPS], "mutt -n "} {
		require.Contains(t, s.out.String(), command)
	}
	s.stop()
	require.NoError(t, s.err)
	require.Contains(t, s.log.String(), "mailserver: ending\n")

	// Another time the accounts and the certificate are there.
	before, err := os.ReadFile(s.dir + "/cert.pem")
	require.NoError(t, err)
	s = startServer(t, "-dir", dir, "-smtp", "off", "-submission", "off", "-submissions", "off", "-lmtp", "off",
		"-imap", "off", "-imaps", "localhost:0", "-pop3", "off", "-pop3s", "off")
	after, err := os.ReadFile(s.dir + "/cert.pem")
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	require.Contains(t, s.out.String(), "log in as demo with the password ")
	require.NoError(t, s.imap("ada").Noop(t.Context()))
}

// Ctrl-C ends it, with sessions that do nothing.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send Ctrl-C to another there")
	}
	dir := t.TempDir()
	s := startProcess(t, dir, serverArgs(dir)...)
	c, p, m := s.imap("ada"), s.pop3("ada"), s.smtp(nameLMTP)
	idle := idling(s)
	s.end()
	<-s.ended
	require.NoError(t, s.err, "exit code 0")
	require.Equal(t, "mailserver: ending\n", s.log.String())
	rest, err := io.ReadAll(idle.r)
	require.NoError(t, err)
	require.Regexp(t, `^\* BYE [^\r\n]+\r\n$`, string(rest))
	require.Error(t, c.Noop(t.Context()))
	require.Error(t, p.Noop(t.Context()))
	require.Error(t, m.Noop(t.Context()))
}

// The first Ctrl-C waits for who is in the middle of a message, the second for
// nobody.
func TestInterruptTwice(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send Ctrl-C to another there")
	}
	dir := t.TempDir()
	s := startProcess(t, dir, serverArgs(dir)...)
	k := &talker{t: t, c: dialRaw(t, s.addr[nameLMTP])}
	k.r = bufio.NewReader(k.c)
	k.line()
	_, err := io.WriteString(k.c, "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ada>\r\nDATA\r\n")
	require.NoError(t, err)
	for string(k.line()[:3]) != "354" {
	}
	s.end()
	require.True(t, s.log.await("mailserver: ending\n", s.ended), &s.log)
	// It takes a moment until the signal does what it does elsewhere.
	for again := true; again; {
		s.end()
		select {
		case <-s.ended:
			again = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	require.Error(t, s.err)
	require.NotContains(t, s.log.String(), "goroutine")
}

// idling is a session of ada's in IDLE.
func idling(s *testServer) *talker {
	s.t.Helper()
	k := s.talk(nameIMAPS)
	k.imap("LOGIN ada " + adaPassword)
	k.imap("SELECT INBOX")
	_, err := io.WriteString(k.c, "i IDLE\r\n")
	require.NoError(s.t, err)
	require.Equal(s.t, "+ ", string(k.line()[:2]))
	return k
}

// Two servers on one folder see each other's mail.
func TestTwoServers(t *testing.T) {
	dir := memoryDir(t)
	one, two := startProcess(t, dir, serverArgs(dir)...), startServer(t, serverArgs(dir)...)
	for _, s := range []struct{ reader, writer *testServer }{{one, two}, {two, one}} {
		idle := idling(s.reader)
		_, err := s.writer.smtp(nameSMTP).Send(t.Context(), envelope(t, "x@example.org", "ada@example.test"), strings.NewReader("Subject: x\r\n"))
		require.NoError(t, err)
		// Nobody waits longer for mail that is there.
		require.NoError(t, idle.c.SetReadDeadline(time.Now().Add(2*time.Second)))
		require.Regexp(t, `^\* [12] EXISTS\r\n$`, string(idle.line()))
	}
	a, va := contents(t, one.imap("ada"), imap.Inbox)
	b, vb := contents(t, two.imap("ada"), imap.Inbox)
	require.Len(t, a, 2)
	require.Equal(t, a, b)
	require.Equal(t, va, vb)

	// What one expunges is gone for the other, and its POP3 sessions keep
	// each other out.
	c := one.imap("ada")
	_, err := c.Select(t.Context(), imap.Inbox)
	require.NoError(t, err)
	require.NoError(t, c.Store(t.Context(), imap.UIDs(1, 1), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	require.NoError(t, c.Expunge(t.Context(), imap.UIDs(1, 1)))
	b, _ = contents(t, two.imap("ada"), imap.Inbox)
	require.Len(t, b, 1)
	require.Contains(t, b, imap.UID(2))
	p := one.pop3("ada")
	_, err = pop3client.Dial(t.Context(), two.addr[namePOP3S], &pop3client.Options{
		TLS: pop3client.Implicit, TLSConfig: two.tls, User: "ada", Password: adaPassword,
	})
	var in *pop3.Error
	require.ErrorAs(t, err, &in)
	require.Equal(t, pop3.CodeInUse, in.Code)
	require.NoError(t, p.Quit(t.Context()))
	two.pop3("ada")
}

// What -v prints has no password in any of the ways that they are sent, and
// says the service.
func TestTraceHoldsNoPassword(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t), "-v")...)
	ctx := t.Context()
	for _, m := range []sasl.Mechanism{sasl.Plain("", "ada", adaPassword), sasl.Login("ada", adaPassword)} {
		i, err := imapclient.Dial(ctx, s.addr[nameIMAP], &imapclient.Options{TLS: imapclient.Required, TLSConfig: s.tls, Auth: m})
		require.NoError(t, err)
		require.NoError(t, i.Logout(ctx))
		p, err := pop3client.Dial(ctx, s.addr[namePOP3], &pop3client.Options{TLS: pop3client.Required, TLSConfig: s.tls, Auth: m})
		require.NoError(t, err)
		require.NoError(t, p.Quit(ctx))
		c, err := smtpclient.Dial(ctx, s.addr[nameSubmissions], &smtpclient.Options{TLS: smtpclient.Implicit, TLSConfig: s.tls, Auth: m})
		require.NoError(t, err)
		_, err = c.Send(ctx, envelope(t, "ada@example.test", "bob@example.test"), strings.NewReader("Subject: secret\r\n\r\nthe body\r\n"))
		require.NoError(t, err)
		require.NoError(t, c.Quit(ctx))
	}
	k := s.talk(nameIMAPS)
	k.imap("LOGIN ada " + adaPassword)
	k.imap(`LOGOUT`)
	k.c.Close()
	k = s.talk(nameIMAPS)
	k.imap(fmt.Sprintf("LOGIN ada {%d+}\r\n%s", len(adaPassword), adaPassword))
	k.imap(`LOGOUT`)
	k.c.Close()
	p := s.talk(namePOP3S)
	p.pop3("USER ada", false)
	p.pop3("PASS "+adaPassword, false)
	p.pop3("QUIT", false)
	p.c.Close()
	// One that is refused, in the clear.
	raw := dialRaw(t, s.addr[nameIMAP])
	_, err := io.WriteString(raw, "a LOGIN ada "+adaPassword+"\r\nb LOGOUT\r\n")
	require.NoError(t, err)
	said, err := io.ReadAll(raw)
	require.NoError(t, err)
	require.Contains(t, string(said), "PRIVACYREQUIRED")
	raw.Close()
	s.stop()
	log := s.log.String()
	for _, secret := range []string{
		adaPassword, "the body", base64.StdEncoding.EncodeToString([]byte(adaPassword)),
		base64.StdEncoding.EncodeToString([]byte("\x00ada\x00" + adaPassword)),
	} {
		require.NotContains(t, log, secret)
	}
	for _, want := range []string{"imap ", "imaps ", "pop3 ", "pop3s ", "submissions "} {
		require.Contains(t, log, "\n"+want)
	}
}

// refused is a refusal of the server's.
func refused(t *testing.T, err error, code int, enhanced smtp.EnhancedCode) {
	t.Helper()
	var said *smtp.Error
	require.ErrorAs(t, err, &said)
	require.Equal(t, code, said.Code, err)
	require.Equal(t, enhanced, said.EnhancedCode, err)
}

const relayed = "Subject: out\r\n\r\n..dots and a .\r\n.\r\nlast\r\n"

func TestRelay(t *testing.T) {
	relay := smtptest.NewUnstartedServer(t)
	var refuse atomic.Bool
	relay.Rcpt = func(to smtp.Path) error {
		if to.Local == "nobody" {
			return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "nobody of that name")
		}
		return nil
	}
	relay.Data = func(*smtptest.Message) error {
		if refuse.Load() {
			return smtp.Errorf(554, smtp.EnhancedCode{5, 7, 0}, "not such a letter")
		}
		return nil
	}
	relay.Start()
	s := startServer(t, serverArgs(memoryDir(t), "-relay", relay.Addr)...)
	ctx := t.Context()
	c := s.submission("ada")

	// To one there, and to one here.
	env := envelope(t, "ada@example.test", "carol@elsewhere.example", "bob@example.test")
	r, err := c.Send(ctx, env, strings.NewReader(relayed))
	require.NoError(t, err)
	require.NoError(t, r.Err())
	got := relay.Wait(1)[0]
	require.Equal(t, "ada@example.test", got.Envelope.From.String())
	require.Len(t, got.Envelope.To, 1)
	require.Equal(t, "carol@elsewhere.example", got.Envelope.To[0].Path.String())
	require.Equal(t, "example.test", got.Helo)
	require.True(t, strings.HasSuffix(string(got.Data), relayed))
	require.Regexp(t, `\AReceived: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*\z`, strings.TrimSuffix(string(got.Data), relayed))
	inbox := fetchAll(t, s, "bob")
	require.Len(t, inbox, 1)
	delivered(t, inbox[1], relayed)

	// A recipient that the relay refuses: the user is told which, and the
	// others get it.
	env = envelope(t, "ada@example.test", "nobody@elsewhere.example", "carol@elsewhere.example")
	r, err = c.Send(ctx, env, strings.NewReader(relayed))
	require.NoError(t, err)
	refused(t, r.Recipients[0].Err, 550, smtp.EnhancedCode{5, 1, 1})
	require.Contains(t, r.Recipients[0].Err.Error(), "nobody of that name")
	require.NoError(t, r.Recipients[1].Err)
	require.Len(t, relay.Wait(2)[1].Envelope.To, 1)

	// A message that it refuses: nobody has it.
	refuse.Store(true)
	env = envelope(t, "ada@example.test", "bob@example.test", "carol@elsewhere.example")
	_, err = c.Send(ctx, env, strings.NewReader(relayed))
	refused(t, err, 554, smtp.EnhancedCode{5, 7, 0})
	require.Contains(t, err.Error(), "not such a letter")
	require.Len(t, fetchAll(t, s, "bob"), 1)
	require.Len(t, relay.Messages(), 2)

	// The next goes.
	refuse.Store(false)
	_, err = c.Send(ctx, envelope(t, "ada@example.test", "carol@elsewhere.example"), strings.NewReader(relayed))
	require.NoError(t, err)
	relay.Wait(3)

	// One that is not there: try again later.
	relay.Close()
	_, err = c.Send(ctx, envelope(t, "ada@example.test", "carol@elsewhere.example"), strings.NewReader(relayed))
	refused(t, err, 451, smtp.EnhancedCode{4, 4, 1})
	spool, err := filepath.Glob(filepath.Join(s.dir, ".spool-*"))
	require.NoError(t, err)
	require.Empty(t, spool)

	// Nobody relays who did not log in.
	for _, service := range []string{nameSMTP, nameLMTP} {
		_, err := s.smtp(service).Send(ctx, envelope(t, "ada@example.test", "carol@elsewhere.example"), strings.NewReader(relayed))
		refused(t, err, 550, smtp.EnhancedCode{5, 7, 1})
	}
	anonymous, err := smtpclient.Dial(ctx, s.addr[nameSubmission], &smtpclient.Options{TLS: smtpclient.Required, TLSConfig: s.tls})
	require.NoError(t, err)
	defer anonymous.Close()
	_, err = anonymous.Send(ctx, envelope(t, "ada@example.test", "carol@elsewhere.example"), strings.NewReader(relayed))
	refused(t, err, 530, smtp.EnhancedCode{5, 7, 0})
}

// What the relay cannot do will not work later either.
func TestRelayWithoutExtensions(t *testing.T) {
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer relay.Close()
	go func() {
		for {
			c, err := relay.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			io.WriteString(c, "220 old\r\n")
			r.ReadString('\n')
			io.WriteString(c, "250 old\r\n")
			r.ReadString('\n')
			c.Close()
		}
	}()
	s := startServer(t, serverArgs(memoryDir(t), "-relay", relay.Addr().String())...)
	env := envelope(t, "ada@example.test", "carol@elsewhere.example")
	env.Options.Body = smtp.Body8BitMIME
	_, err = s.submission("ada").Send(t.Context(), env, strings.NewReader("Subject: x\r\n\r\n\xe4\r\n"))
	refused(t, err, 554, smtp.EnhancedCode{5, 6, 3})
	require.Contains(t, err.Error(), "8BITMIME")
	env = envelope(t, "ada@example.test", "käthe@elsewhere.example")
	_, err = s.submission("ada").Send(t.Context(), env, strings.NewReader("Subject: x\r\n"))
	refused(t, err, 554, smtp.EnhancedCode{5, 6, 7})
	require.NotContains(t, s.log.String(), "relay")
}

func TestNoRelay(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t))...)
	_, err := s.submission("ada").Send(t.Context(), envelope(t, "ada@example.test", "carol@elsewhere.example"), strings.NewReader(relayed))
	refused(t, err, 550, smtp.EnhancedCode{5, 7, 1})
}

func TestRecipientsOfTheServer(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t), "-user", "Grace:Hopper-1906", "-domain", "A.example", "-domain", "b.example")...)
	passwords := map[string]string{"GRACE@b.example": "Hopper-1906", "grace": "Hopper-1906", "Grace@A.EXAMPLE": "Hopper-1906"}
	ctx := t.Context()
	c := s.smtp(nameSMTP)
	for _, to := range []string{"grace@a.example", "GRACE@B.Example", `"grace"@a.example`} {
		_, err := c.Send(ctx, envelope(t, "", to), strings.NewReader("Subject: "+to+"\r\n"))
		require.NoError(t, err, to)
	}
	for user, password := range passwords {
		i, err := imapclient.Dial(ctx, s.addr[nameIMAPS], &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: s.tls, Auth: sasl.Plain("", user, password)})
		require.NoError(t, err, user)
		status, err := i.Select(ctx, imap.Inbox)
		require.NoError(t, err)
		require.EqualValues(t, 3, status.Messages)
		require.NoError(t, i.Logout(ctx))
	}

	// The postmaster is the first of the users; the same user twice in one
	// envelope gets one.
	_, err := c.Send(ctx, envelope(t, "x@example.org", "postmaster", "postmaster@b.example", "ada@a.example"), strings.NewReader("Subject: help\r\n"))
	require.NoError(t, err)
	require.Len(t, fetchAll(t, s, "ada"), 1)

	for to, code := range map[string]smtp.EnhancedCode{
		"grace+tag@a.example": {5, 1, 1}, "nobody@b.example": {5, 1, 1}, "ada@example.test": {5, 7, 1}, `"../ada"@a.example`: {5, 1, 1},
	} {
		_, err := c.Send(ctx, envelope(t, "x@example.org", to), strings.NewReader("Subject: x\r\n"))
		refused(t, err, 550, code)
	}
	// LMTP takes users without a domain.
	l := s.smtp(nameLMTP)
	env := envelope(t, "x@example.org", "bob", "nobody", "Grace")
	r, err := l.Send(ctx, env, strings.NewReader("Subject: x\r\n"))
	require.NoError(t, err)
	require.NoError(t, r.Recipients[0].Err)
	refused(t, r.Recipients[1].Err, 550, smtp.EnhancedCode{5, 1, 1})
	require.NoError(t, r.Recipients[2].Err)
}
