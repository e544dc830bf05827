package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// start serves a gateway to upstream on loopback.
func start(t *testing.T, upstream, rules string, change ...func(*gateway, *smtpserver.Server)) (addr string, g *gateway) {
	t.Helper()
	rs, err := parseRules("rules", rules)
	require.NoError(t, err)
	g = &gateway{upstream: upstream, rules: rs, log: slog.New(slog.DiscardHandler), tmp: t.TempDir(),
		quarantine: t.TempDir(), spamMax: 1 << 20, hookTime: 10 * time.Second}
	g.options.TLS, g.options.HelloName = smtpclient.Disabled, "gateway.example.test"
	s := &smtpserver.Server{Backend: g, Domain: "gateway.example.test", Logger: g.log}
	s.Limits.ErrorDelay = -1
	for _, f := range change {
		f(g, s)
	}
	g.lmtp = s.LMTP
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		require.ErrorIs(t, <-done, smtpserver.ErrServerClosed)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		left, err := os.ReadDir(g.tmp)
		require.NoError(t, err)
		require.Empty(t, left, "files of messages are gone")
	})
	return l.Addr().String(), g
}

var plainOptions = &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example.test"}

func send(t *testing.T, addr, message string, to ...string) (*smtp.Result, error) {
	t.Helper()
	env, err := smtp.NewEnvelope("ada@example.org", to...)
	require.NoError(t, err)
	return smtpclient.Send(t.Context(), addr, env, strings.NewReader(message), plainOptions)
}

func code(t *testing.T, err error) int {
	t.Helper()
	var e *smtp.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

// behind is a message as upstream has it, without the gateway's trace field.
func behind(t *testing.T, m *smtptest.Message) string {
	t.Helper()
	require.True(t, bytes.HasPrefix(m.Data, []byte("Received: from client.example.test")), "%q", m.Data)
	rest := string(m.Data)
	for first := true; first || rest[0] == ' ' || rest[0] == '\t'; first = false {
		_, rest, _ = strings.Cut(rest, "\r\n")
	}
	return rest
}

const letter = "From: ada@example.org\r\nSUBJECT :  odd   but kept\r\n\r\n.dot\r\n\x80\xff bytes\r\n"

func TestRelay(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, g := start(t, up.Addr, "")
	res, err := send(t, addr, letter, "bob@example.net", "carol@example.net")
	require.NoError(t, err)
	require.Equal(t, 2, res.Accepted())
	m := up.Wait(1)[0]
	require.Equal(t, letter, behind(t, m))
	require.Equal(t, "gateway.example.test", m.Helo)
	require.Len(t, m.Envelope.To, 2)

	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.Body.String(), "# TYPE gateway_relayed_total counter\ngateway_relayed_total 1\n")
	require.Contains(t, w.Body.String(), fmt.Sprintf("gateway_relayed_octets_total %d\n", len(letter)))
}

// What upstream refuses is refused, with its words.
func TestUpstreamRefuses(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, g := start(t, up.Addr, "tag [x]")
	no := smtptest.Answer{Err: smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")}
	later := smtptest.Answer{Err: smtp.Errorf(452, smtp.EnhancedCode{4, 2, 2}, "the box is full")}

	up.Next(smtptest.Mail, no)
	_, err := send(t, addr, letter, "bob@example.net")
	require.Equal(t, 550, code(t, err))

	up.Next(smtptest.Rcpt, no, smtptest.Answer{}, later)
	res, err := send(t, addr, letter, "a@example.net", "b@example.net", "c@example.net")
	require.NoError(t, err)
	require.ErrorContains(t, res.Recipients[0].Err, "no such user here")
	require.NoError(t, res.Recipients[1].Err)
	require.Equal(t, 452, code(t, res.Recipients[2].Err))
	require.Equal(t, "b@example.net", up.Wait(1)[0].Envelope.To[0].Path.String())

	up.Next(smtptest.Data, smtptest.Answer{Err: smtp.Errorf(554, smtp.EnhancedCode{5, 6, 0}, "not this one")})
	_, err = send(t, addr, letter, "b@example.net")
	require.ErrorContains(t, err, "not this one")
	require.Equal(t, 554, code(t, err))
	require.Len(t, up.Messages(), 1)
	require.Equal(t, int64(3), g.count.refused.Load())
}

// Upstream that breaks off is a temporary failure wherever it does.
func TestUpstreamBreaksOff(t *testing.T) {
	for _, p := range []smtptest.Phase{smtptest.Connect, smtptest.Helo, smtptest.Rcpt, smtptest.Data} {
		up := smtptest.NewServer(t)
		addr, _ := start(t, up.Addr, "")
		gone := smtptest.Answer{Close: true}
		up.Next(p, gone, gone, gone, gone)
		_, err := send(t, addr, letter, "bob@example.net")
		require.Error(t, err)
		require.True(t, smtpclient.Temporary(err), "%v: %v", p, err)
		require.Empty(t, up.Messages())
	}
	addr, _ := start(t, "127.0.0.1:1", "")
	_, err := send(t, addr, letter, "bob@example.net")
	require.Equal(t, 451, code(t, err))
}

// upstream is a server of the test's own on loopback.
func upstream(t *testing.T, s *smtpserver.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Domain, s.Logger = "upstream.example.test", slog.New(slog.DiscardHandler)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// breaker closes the connection in the middle of a message.
type breaker struct {
	smtpserver.Session
	conn *smtpserver.Conn
}

func (b *breaker) Data(_ context.Context, _ *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	if _, err := io.CopyN(io.Discard, r, 100<<10); err != nil {
		return nil, err
	}
	c, _, err := b.conn.Hijack()
	if err == nil {
		_ = c.Close()
	}
	return nil, errors.New("broken off")
}

func TestUpstreamBreaksOffInsideMessage(t *testing.T) {
	accept := smtpserver.MessageFunc(func(context.Context, *smtp.Envelope, io.Reader) error { return nil })
	up := upstream(t, &smtpserver.Server{Backend: smtpserver.BackendFunc(func(ctx context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		s, err := accept.NewSession(ctx, c)
		return &breaker{s, c}, err
	})})
	for _, rules := range []string{"", "reject attachment=*.exe"} {
		addr, g := start(t, up, rules)
		_, err := send(t, addr, letter+strings.Repeat("a line of a long message\r\n", 100000), "bob@example.net")
		require.Equal(t, 451, code(t, err))
		require.Zero(t, g.count.relayed.Load())
	}
}

// A client that breaks off leaves nothing upstream, and other sessions go on.
func TestClientBreaksOff(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, g := start(t, up.Addr, "")
	c, err := smtpclient.Dial(t.Context(), addr, plainOptions)
	require.NoError(t, err)
	env, err := smtp.NewEnvelope("ada@example.org", "bob@example.net")
	require.NoError(t, err)
	x, err := c.Begin(t.Context(), env)
	require.NoError(t, err)
	_, err = x.Write([]byte(letter + strings.Repeat("x\r\n", 50000)))
	require.NoError(t, err)
	x.Abort()
	require.Eventually(t, func() bool { return g.count.sessions.Load() == 0 }, 10*time.Second, time.Millisecond)
	_, err = send(t, addr, letter, "bob@example.net")
	require.NoError(t, err)
	require.Len(t, up.Messages(), 1)
}

func TestRulesEndToEnd(t *testing.T) {
	exe := "Subject: x\r\nContent-Type: application/zip; name=\"Run.exe\"\r\n\r\n" + strings.Repeat("UEsDBA==\r\n", 20000)
	spam := fakeSpamd(t, "tcp", "127.0.0.1:0", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 8.0 / 5.0\r\n\r\n")
	for _, x := range []struct {
		rules, message string
		to             []string
		code           int    // 0: accepted
		want           string // what upstream has
		rcpt           string
	}{
		{"reject \"553 5.1.3 no\" to=bob@*", letter, []string{"bob@example.net"}, 553, "", ""},
		{"reject header:subject=\"odd*\"", letter, []string{"bob@example.net"}, 550, "", ""},
		{"reject attachment=*.exe", exe, []string{"bob@example.net"}, 550, "", ""},
		{"reject attachment=*.exe", letter, []string{"bob@example.net"}, 0, letter, "bob@example.net"},
		{"tag [zip] attachment=application/zip", exe, []string{"bob@example.net"}, 0, "Subject: [zip] x" + exe[len("Subject: x"):], "bob@example.net"},
		{"redirect eve@example.org to=BOB@example.net", letter, []string{"bob@EXAMPLE.net"}, 0, letter, "eve@example.org"},
		{"redirect eve@example.org header:from=ada*", letter, []string{"bob@example.net"}, 0, letter, "eve@example.org"},
		{"reject \"550 5.7.1 spam\" spam=8", letter, []string{"bob@example.net"}, 550, "", ""},
		{"reject spam=8.5\nadd \"X-Spam: yes\" spam", "A: b\r\n\r\nx\r\n", []string{"bob@example.net"}, 0, "A: b\r\nX-Spam: yes\r\n\r\nx\r\n", "bob@example.net"},
		{"reject command=/does/not/exist", letter, []string{"bob@example.net"}, 451, "", ""},
		{"", strings.Repeat("Received: x\r\n", maxHops) + "\r\n", []string{"bob@example.net"}, 554, "", ""},
		{"add X:y", "A: " + strings.Repeat("x ", maxHeader) + "\r\n\r\n", []string{"bob@example.net"}, 552, "", ""},
	} {
		up := smtptest.NewServer(t)
		addr, g := start(t, up.Addr, x.rules, func(g *gateway, _ *smtpserver.Server) { g.spamd = spam })
		_, err := send(t, addr, x.message, x.to...)
		if x.code != 0 {
			require.Equal(t, x.code, code(t, err), x.rules)
			require.Empty(t, up.Messages(), x.rules)
			require.Zero(t, g.count.relayed.Load())
			continue
		}
		require.NoError(t, err, x.rules)
		m := up.Wait(1)[0]
		require.Equal(t, x.want, behind(t, m), x.rules)
		require.Equal(t, x.rcpt, m.Envelope.To[0].Path.String())
		if x.rules == "redirect eve@example.org header:from=ada*" {
			up.Next(smtptest.Rcpt, smtptest.Answer{}, smtptest.Answer{Err: smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no eve")})
			_, err := send(t, addr, x.message, x.to...)
			require.ErrorContains(t, err, "no eve")
		}
	}
}

func TestQuarantine(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, g := start(t, up.Addr, "reject attachment=*.exe\nquarantine header:subject=*odd*\n")
	_, err := send(t, addr, letter, "bob@example.net")
	require.NoError(t, err)
	require.Empty(t, up.Messages())
	names, err := filepath.Glob(filepath.Join(g.quarantine, "*"))
	require.NoError(t, err)
	require.Len(t, names, 2)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	require.True(t, bytes.HasSuffix(data, []byte("\r\n"+letter)))
	about, err := os.ReadFile(names[1])
	require.NoError(t, err)
	var q quarantined
	require.NoError(t, json.Unmarshal(about, &q))
	require.Equal(t, quarantined{From: "ada@example.org", To: []string{"bob@example.net"}, Client: "127.0.0.1", Rule: "rules:2"}, q)

	_, err = send(t, addr, "Subject: odd\r\nContent-Type: x/y; name=a.exe\r\n\r\n", "bob@example.net")
	require.Equal(t, 550, code(t, err), "the rule above it")
	again, err := filepath.Glob(filepath.Join(g.quarantine, "*"))
	require.NoError(t, err)
	require.Equal(t, names, again, "and nothing stays of it")

	g.quarantine = filepath.Join(g.quarantine, "gone")
	_, err = send(t, addr, letter, "bob@example.net")
	require.Equal(t, 451, code(t, err))
}

// Recipients for whom different rules apply do not share a message.
func TestRecipientsApart(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, _ := start(t, up.Addr, "tag [b] to=b@*\n")
	res, err := send(t, addr, letter, "a@example.net", "b@example.net", "c@example.net")
	require.NoError(t, err)
	require.NoError(t, res.Recipients[0].Err)
	require.Equal(t, 452, code(t, res.Recipients[1].Err))
	require.NoError(t, res.Recipients[2].Err)
	require.Equal(t, letter, behind(t, up.Wait(1)[0]))
}

func TestLMTP(t *testing.T) {
	up := smtptest.NewUnstartedServer(t)
	up.Config.LMTP = true
	up.Start()
	lmtp := func(g *gateway, _ *smtpserver.Server) { g.options.LMTP = true }
	addr, _ := start(t, up.Addr, "", lmtp)
	res, err := send(t, addr, letter, "a@example.net", "b@example.net")
	require.NoError(t, err)
	require.NoError(t, res.Recipients[0].Err)
	require.Equal(t, 452, code(t, res.Recipients[1].Err), "SMTP has one answer")

	addr, _ = start(t, up.Addr, "", lmtp, func(_ *gateway, s *smtpserver.Server) { s.LMTP = true })
	o := *plainOptions
	o.LMTP = true
	env, err := smtp.NewEnvelope("ada@example.org", "a@example.net", "b@example.net")
	require.NoError(t, err)
	res, err = smtpclient.Send(t.Context(), addr, env, strings.NewReader(letter), &o)
	require.NoError(t, err)
	require.Equal(t, 2, res.Accepted())
}

func TestTell(t *testing.T) {
	for _, how := range []string{"xclient", "proxy"} {
		seen, helo := make(chan string, 4), make(chan string, 4)
		s := &smtpserver.Server{Backend: smtpserver.BackendFunc(func(ctx context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			seen <- host
			return smtpserver.MessageFunc(func(context.Context, *smtp.Envelope, io.Reader) error {
				helo <- c.HeloName()
				return nil
			}).NewSession(ctx, c)
		})}
		loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		if how == "proxy" {
			s.TrustProxy = loopback
		} else {
			s.TrustXClient = loopback
		}
		addr, _ := start(t, upstream(t, s), "", func(g *gateway, s *smtpserver.Server) {
			g.xclient, g.proxy = how == "xclient", how == "proxy"
			s.TrustXClient = loopback
		})
		c, err := smtpclient.Dial(t.Context(), addr, plainOptions)
		require.NoError(t, err)
		for _, client := range []string{"192.0.2.7", "2001:db8::7"} {
			named := client
			if strings.Contains(client, ":") {
				named = "IPV6:" + client
			}
			require.NoError(t, c.XClient(t.Context(), smtp.Param{Name: "ADDR", Value: named}))
			env, err := smtp.NewEnvelope("ada@example.org", "a@example.net")
			require.NoError(t, err)
			_, err = c.Send(t.Context(), env, strings.NewReader(letter))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return len(seen) > 0 && <-seen == client }, 10*time.Second, time.Millisecond, how)
			require.Equal(t, "client.example.test", <-helo)
		}
		require.NoError(t, c.Quit(t.Context()))
	}
}

// lines yields a message of any size without keeping it.
type lines struct{ left int64 }

var line = []byte(strings.Repeat("0123456789abcdef", 4) + "line of it\r\n")

func (l *lines) Read(p []byte) (n int, err error) {
	for n+len(line) <= len(p) && l.left > 0 {
		n += copy(p[n:], line)
		l.left -= int64(len(line))
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestMemory(t *testing.T) {
	const size = 64 << 20
	const header = "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
	message := func() io.Reader { return io.MultiReader(strings.NewReader(header), &lines{left: size}) }
	var peak, octets atomic.Int64
	var sum []byte
	up := upstream(t, &smtpserver.Server{Limits: smtpserver.Limits{MaxMessageSize: -1},
		Backend: smtpserver.MessageFunc(func(_ context.Context, _ *smtp.Envelope, r io.Reader) error {
			h := sha256.New()
			buf := make([]byte, 32<<10)
			next, n := int64(0), int64(0)
			for {
				k, err := r.Read(buf)
				h.Write(buf[:k])
				if n += int64(k); n >= next {
					next += 4 << 20
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak.Store(max(peak.Load(), int64(m.HeapInuse+m.StackInuse)))
				}
				if err == io.EOF {
					octets.Store(n)
					sum = h.Sum(nil)
					return nil
				}
				if err != nil {
					return err
				}
			}
		})})
	for _, rules := range []string{"reject header:subject=small", "reject attachment=*.exe"} {
		addr, _ := start(t, up, rules, func(_ *gateway, s *smtpserver.Server) { s.Limits.MaxMessageSize = -1 })
		peak.Store(0)
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		env, err := smtp.NewEnvelope("ada@example.org", "bob@example.net")
		require.NoError(t, err)
		_, err = smtpclient.Send(t.Context(), addr, env, message(), plainOptions)
		require.NoError(t, err)
		grown := peak.Load() - int64(before.HeapInuse+before.StackInuse)
		t.Logf("%s: %d KiB for all three programs", rules, grown>>10)
		require.Less(t, grown, int64(8<<20), rules)
		require.Greater(t, octets.Load(), int64(size))
		require.NotEmpty(t, sum)
	}
}

func TestProgram(t *testing.T) {
	run := func(args ...string) (int, string, string) {
		var out, log bytes.Buffer
		return run(t.Context(), args, &out, &log), out.String(), log.String()
	}
	status, out, _ := run("-h")
	require.Zero(t, status)
	require.Contains(t, out, "usage: gateway")
	path := filepath.Join(t.TempDir(), "rules")
	_, example, _ := strings.Cut(usage, "conditions, all of which must hold\n")
	example, _, _ = strings.Cut(example, "\n\n")
	require.NoError(t, os.WriteFile(path, []byte(example), 0o600))
	status, out, log := run("-rules", path, "-check")
	require.Zero(t, status, log)
	require.Equal(t, "11 rules\n", out)
	require.NoError(t, os.WriteFile(path, []byte("accept\nrejct\n"), 0o600))
	status, _, log = run("-rules", path, "-check")
	require.Equal(t, exitUsage, status)
	require.Contains(t, log, path+`:2: unknown action "rejct"`)
	for _, args := range [][]string{{}, {"x"}, {"-upstream", "x"}, {"-upstream", "h:1", "-tell", "x"}, {"-upstream", "h:1", "-cert", "x"},
		{"-upstream", "h:1", "-upstream-tls", "x"}, {"-upstream", "h:1", "-listen", "off"}, {"-upstream", "h:1", "-max-size", "x"},
		{"-upstream", "h:1", "-trust", "x"}, {"-upstream", "h:1", "-rules", "/does/not/exist"}, {"-upstream", "h:1", "-upstream-ca", path}} {
		status, _, log := run(args...)
		require.Equal(t, exitUsage, status, "%v", args)
		require.Contains(t, log, "gateway: ")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	status, _, _ = run("-upstream", "127.0.0.1:1", "-listen", l.Addr().String())
	require.Equal(t, exitFailed, status)
}

// The whole program, until its context ends.
func TestRun(t *testing.T) {
	up := smtptest.NewServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan int, 1)
	var log bytes.Buffer
	go func() {
		done <- run(ctx, []string{"-upstream", up.Addr, "-listen", "127.0.0.1:0", "-status", "127.0.0.1:0", "-v"}, w, &log)
		w.Close()
	}()
	var addr string
	_, err := fmt.Fscanf(r, "smtp %s\n", &addr)
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_, err = send(t, addr, letter, "bob@example.net")
	require.NoError(t, err)
	require.Equal(t, letter, behind(t, up.Wait(1)[0]))
	cancel()
	require.Zero(t, <-done)
	require.Contains(t, log.String(), "upstream ")
}

// TLS on both sides, by STARTTLS.
func TestTLS(t *testing.T) {
	up := smtptest.NewServer(t)
	addr, _ := start(t, up.Addr, "", func(g *gateway, s *smtpserver.Server) {
		g.options.TLS, g.options.TLSConfig = smtpclient.Required, up.ClientTLS()
		s.TLSConfig = up.Config.TLSConfig
	})
	env, err := smtp.NewEnvelope("ada@example.org", "bob@example.net")
	require.NoError(t, err)
	o := &smtpclient.Options{TLS: smtpclient.Required, TLSConfig: up.ClientTLS(), HelloName: "client.example.test"}
	_, err = smtpclient.Send(t.Context(), addr, env, strings.NewReader(letter), o)
	require.NoError(t, err)
	m := up.Wait(1)[0]
	require.True(t, m.TLS)
	require.Equal(t, letter, behind(t, m))

	addr, _ = start(t, up.Addr, "", func(g *gateway, _ *smtpserver.Server) { g.options.TLS = smtpclient.Required })
	_, err = send(t, addr, letter, "bob@example.net")
	require.Equal(t, 451, code(t, err), "upstream's certificate is not trusted")
}
