//go:build interop

package interop

// examples/gateway as a process of its own, between a client and a server of
// the test's: with SpamAssassin's spamd, over TLS, and with a gigabyte.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

var buildGateway = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "gateway")
	out, err := exec.Command("go", "build", "-o", path, "github.com/mailwire/mailwire/examples/gateway").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return path, err
})

// gateway is a running gateway.
type gateway struct {
	addr map[string]string // by service: smtp, smtps, status
	pid  int
	log  *lockedBuffer
}

// startGateway runs one until the test ends, which Ctrl-C then does.
func startGateway(t *testing.T, upstream, rules string, args ...string) *gateway {
	t.Helper()
	path, err := buildGateway()
	require.NoError(t, err)
	file := write(t, t.TempDir(), "rules", rules)
	all := []string{"-listen", "127.0.0.1:0", "-status", "127.0.0.1:0", "-domain", "gateway.example.test", "-upstream", upstream, "-rules", file}
	cmd := exec.Command(path, append(all, args...)...)
	g := &gateway{addr: map[string]string{}, log: &lockedBuffer{}}
	cmd.Stderr = g.log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	g.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway did not end cleanly: %v", err)
		}
		timer.Stop()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", g.log)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C ends it") {
		f := strings.Fields(lines.Text())
		g.addr[f[0]] = f[1]
	}
	require.Len(t, g.addr, 2+strings.Count(strings.Join(args, " "), "-listen-tls"), g.log.String())
	return g
}

// counter is a number of the gateway's page.
func (g *gateway) counter(t *testing.T, name string) int64 {
	t.Helper()
	r, err := http.Get("http://" + g.addr["status"])
	require.NoError(t, err)
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^gateway_` + name + ` (\d+)$`).FindSubmatch(page)
	require.NotNil(t, m, "%s: %s", name, page)
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return n
}

var clientOptions = &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example.test"}

// sendTo sends to bob, and returns the verdict.
func sendTo(t *testing.T, addr string, message io.Reader, o *smtpclient.Options) error {
	t.Helper()
	e, err := smtp.NewEnvelope("ada@example.test", "bob@example.test")
	require.NoError(t, err)
	_, err = smtpclient.Send(t.Context(), addr, e, message, o)
	return err
}

// traced is a message without the one trace field that was put before it.
func traced(t *testing.T, data []byte) string {
	t.Helper()
	require.True(t, bytes.HasPrefix(data, []byte("Received: ")), "%.200q", data)
	rest := string(data)
	for first := true; first || strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t"); first = false {
		_, rest, _ = strings.Cut(rest, "\r\n")
	}
	return rest
}

// startSpamd starts SpamAssassin's daemon without anything of the network, on
// TCP and on a Unix socket.
func startSpamd(t *testing.T) (addr, socket string) {
	t.Helper()
	needRoot(t, "spamd")
	path := program(t, "spamd")
	dir := openDir(t)
	require.NoError(t, os.Chmod(dir, 0o777))
	plugins := ""
	for _, name := range []string{"Check", "BodyEval", "HeaderEval", "HTMLEval", "MIMEEval", "MIMEHeader", "RelayEval", "URIEval"} {
		plugins += "loadplugin Mail::SpamAssassin::Plugin::" + name + "\n"
	}
	write(t, dir, "site/init.pre", plugins)
	write(t, dir, "site/local.cf", "use_bayes 0\nbody INTEROP_TAGGED /a rule of the test/\nscore INTEROP_TAGGED 7\n")
	require.NoError(t, os.Chmod(filepath.Join(dir, "site"), 0o755))
	for _, name := range []string{"local.cf", "init.pre"} {
		require.NoError(t, os.Chmod(filepath.Join(dir, "site", name), 0o644))
	}
	port := freePort(t)
	socket = filepath.Join(dir, "socket")
	cmd := exec.Command(path, "--local", "--nouser-config", "--username=nobody", "--helper-home-dir="+dir, "--siteconfigpath="+filepath.Join(dir, "site"),
		"--configpath=/usr/share/spamassassin", "--max-children=1", "--syslog=stderr", "--allowed-ips=127.0.0.1",
		fmt.Sprintf("--listen=127.0.0.1:%d", port), "--listen="+socket)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if t.Failed() {
			t.Logf("spamd's log:\n%s", log)
		}
	})
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	listening(t, "tcp", addr, log.String)
	return addr, socket
}

// gtube is the line that every SpamAssassin takes for spam.
const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"

func TestGatewaySpamd(t *testing.T) {
	tcp, socket := startSpamd(t)
	up := smtptest.NewServer(t)
	const rules = "reject \"550 5.7.1 this is spam\" spam=900\ntag [SPAM] spam\n"
	header, _, _ := strings.Cut(letter, "\r\n\r\n")
	header += "\r\n\r\n"
	for _, addr := range []string{tcp, socket} {
		up.Clear()
		g := startGateway(t, up.Addr, rules, "-spamd", addr)
		err := sendTo(t, g.addr["smtp"], strings.NewReader(header+gtube), clientOptions)
		require.ErrorContains(t, err, "550 5.7.1 this is spam")
		require.Empty(t, up.Messages())
		require.NoError(t, sendTo(t, g.addr["smtp"], strings.NewReader(header+"This fits a rule of the test.\r\n"), clientOptions))
		require.NoError(t, sendTo(t, g.addr["smtp"], strings.NewReader(letter), clientOptions))
		got := up.Wait(2)
		require.Equal(t, strings.Replace(header, "Subject: dots", "Subject: [SPAM] dots", 1)+"This fits a rule of the test.\r\n", traced(t, got[0].Data))
		require.Equal(t, letter, traced(t, got[1].Data))
		require.Equal(t, int64(2), g.counter(t, "relayed_total"))
		require.Equal(t, int64(1), g.counter(t, "rejected_total"))
	}
	// Without spamd nothing is passed and nothing lost.
	g := startGateway(t, up.Addr, rules, "-spamd", filepath.Join(t.TempDir(), "none"))
	err := sendTo(t, g.addr["smtp"], strings.NewReader(letter), clientOptions)
	require.ErrorContains(t, err, "451 4.3.0")
	require.True(t, smtpclient.Temporary(err))
	require.Len(t, up.Messages(), 2)
}

// STARTTLS and implicit TLS to the gateway, STARTTLS from it.
func TestGatewayTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := keyPair(t, dir, "localhost", "127.0.0.1")
	server, client := testkit.TLS("localhost", "127.0.0.1")
	up := smtptest.NewUnstartedServer(t)
	up.Config.TLSConfig, up.Config.RequireTLS = server, true
	up.Start()
	g := startGateway(t, up.Addr, "", "-cert", cert, "-key", key, "-listen-tls", "127.0.0.1:0",
		"-upstream-tls", "required", "-upstream-ca", ca, "-upstream-name", "localhost")
	for service, mode := range map[string]smtpclient.TLSMode{"smtp": smtpclient.Required, "smtps": smtpclient.Implicit} {
		require.NoError(t, sendTo(t, g.addr[service], strings.NewReader(letter), &smtpclient.Options{TLS: mode, TLSConfig: client, HelloName: "client.example.test"}))
	}
	for _, m := range up.Wait(2) {
		require.True(t, m.TLS)
		require.Contains(t, string(m.Data), " with ESMTPS ")
		require.Equal(t, letter, traced(t, m.Data))
	}
	// A certificate of another name is not believed.
	g = startGateway(t, up.Addr, "", "-upstream-tls", "required", "-upstream-ca", ca, "-upstream-name", "other.example")
	require.ErrorContains(t, sendTo(t, g.addr["smtp"], strings.NewReader(letter), clientOptions), "451 4.4.2")
	require.Len(t, up.Messages(), 2)
}

// repeated yields n times a line, and keeps no more than that.
type repeated struct {
	line string
	n    int64
	rest string
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && (r.n > 0 || r.rest != "") {
		if r.rest == "" {
			r.rest = r.line
			r.n--
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A gigabyte passes in less than 8 MiB, whether rules look into it or not.
func TestGatewayGigabyte(t *testing.T) {
	const size = 1 << 30
	line := strings.Repeat("0123456789abcdef", 4) + ".line of it\r\n"
	var g *gateway
	var octets, most int64
	up := &smtpserver.Server{Domain: "upstream.example.test", Limits: smtpserver.Limits{MaxMessageSize: -1},
		Backend: smtpserver.MessageFunc(func(_ context.Context, _ *smtp.Envelope, r io.Reader) error {
			buf := make([]byte, 64<<10)
			next := int64(0)
			octets, most = 0, 0
			for {
				n, err := r.Read(buf)
				if octets += int64(n); octets >= next {
					next += 16 << 20
					most = max(most, g.counter(t, "memory_octets"))
				}
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
			}
		})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- up.Serve(l) }()
	defer func() {
		_ = up.Close()
		<-served
	}()
	const header = "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
	for _, rules := range []string{"tag [x] header:subject=large\n", "reject attachment=*.exe\n"} {
		g = startGateway(t, l.Addr().String(), rules, "-max-size", "2G")
		lines := int64(size) / int64(len(line))
		start := time.Now()
		require.NoError(t, sendTo(t, g.addr["smtp"], io.MultiReader(strings.NewReader(header), &repeated{line: line, n: lines}), clientOptions))
		require.Greater(t, octets, lines*int64(len(line)))
		require.Equal(t, lines*int64(len(line))+int64(len(header)), g.counter(t, "relayed_octets_total"))
		resident := "unknown"
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid)); err == nil {
			if m := regexp.MustCompile(`VmHWM:\s+(\d+ kB)`).FindSubmatch(status); m != nil {
				resident = string(m[1])
			}
		}
		t.Logf("%s%.1f s, %d KiB of heap and stacks at most, resident at most %s", rules, time.Since(start).Seconds(), most>>10, resident)
		require.Less(t, most, int64(8<<20))
	}
}

// The program's manners: help, refusals of what is wrong, and its exit codes.
func TestGatewayManners(t *testing.T) {
	path, err := buildGateway()
	require.NoError(t, err)
	home := t.TempDir()
	r := run(t, home, "", path, "-h")
	require.Zero(t, r.code)
	require.Contains(t, r.out, "usage: gateway -upstream ADDR")
	for _, args := range [][]string{{}, {"-no-such-flag"}, {"-upstream", "127.0.0.1:25", "-rules", "/does/not/exist"}} {
		r = run(t, home, "", path, args...)
		require.Equal(t, 2, r.code, "%q: %s", args, r.out)
		require.Contains(t, r.out, "Run gateway -h for help.")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r = run(t, home, "", path, "-upstream", "127.0.0.1:25", "-listen", l.Addr().String())
	require.Equal(t, 1, r.code, r.out)
}

// Postfix behind the gateway hears who the client is, by XCLIENT and by the
// PROXY protocol, and refuses what it would refuse that client.
func TestGatewayPostfix(t *testing.T) {
	b := startPeer(t)
	ports := map[string]string{"xclient": fmt.Sprint(freePort(t)), "proxy": fmt.Sprint(freePort(t))}
	startPostfix(t, []string{
		"smtpd_relay_restrictions = permit_mynetworks, reject", "mynetworks = 127.0.0.0/8, 192.0.2.7/32", "smtpd_recipient_restrictions = check_recipient_access inline:{ nobody@=REJECT }",
		"transport_maps = inline:{ { plain.test = smtp:[localhost]:" + b.port + " } }",
	},
		"127.0.0.1:"+ports["xclient"]+" inet n - n - - smtpd -o smtpd_authorized_xclient_hosts=127.0.0.0/8",
		"127.0.0.1:"+ports["proxy"]+" inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy")
	for how, port := range ports {
		t.Run(how, func(t *testing.T) {
			g := startGateway(t, "127.0.0.1:"+port, "tag [x]\n", "-tell", how, "-trust", "127.0.0.0/8")
			c, err := smtpclient.Dial(t.Context(), g.addr["smtp"], clientOptions)
			require.NoError(t, err)
			require.NoError(t, c.XClient(t.Context(), smtp.Param{Name: "ADDR", Value: "192.0.2.7"}))
			res, err := c.Send(t.Context(), envelope(t, "ada@plain.test", "bob@plain.test", "nobody@plain.test"), strings.NewReader(letter))
			require.NoError(t, err)
			require.NoError(t, res.Recipients[0].Err)
			require.ErrorContains(t, res.Recipients[1].Err, "554 5.7.1 <nobody@plain.test>: Recipient address rejected")
			got := b.one(t)
			require.Equal(t, strings.Replace(letter, "Subject: dots", "Subject: [x] dots", 1), untraced(got.Data))
			first, _, _ := strings.Cut(string(got.Data), ";")
			require.Contains(t, first, "from client.example.test (")
			require.Contains(t, first, "by mx.example.test (Postfix)")
			require.Contains(t, first, "[192.0.2.7]")
			require.NoError(t, c.XClient(t.Context(), smtp.Param{Name: "ADDR", Value: "192.0.2.8"}))
			_, err = c.Send(t.Context(), envelope(t, "ada@plain.test", "bob@plain.test"), strings.NewReader(letter))
			require.ErrorContains(t, err, "554 5.7.1")
			require.NoError(t, c.Quit(t.Context()))
			require.Empty(t, b.Messages())
		})
	}
}

// Dovecot's LMTP server behind the gateway, which listens for SMTP or LMTP.
func TestGatewayDovecot(t *testing.T) {
	users := write(t, openDir(t), "users", "ada:{PLAIN}x\nbob:{PLAIN}x\n")
	require.NoError(t, os.Chmod(users, 0o644))
	d := startDovecot(t, "passdb {\n driver = passwd-file\n args = username_format=%n "+users+"\n}\n")
	send := func(t *testing.T, g *gateway, service string, lmtp bool) []smtp.Verdict {
		t.Helper()
		o := *clientOptions
		o.LMTP = lmtp
		res, err := smtpclient.Send(t.Context(), g.addr[service], envelope(t, "ada@example.org", "nobody@example.test", "ada@example.test", "bob@example.test"),
			strings.NewReader(letter), &o)
		require.NoError(t, err)
		require.ErrorContains(t, res.Recipients[0].Err, "550 5.1.1 <nobody@example.test> User doesn't exist")
		require.NoError(t, res.Recipients[1].Err)
		return res.Recipients
	}
	g := startGateway(t, d.addr["lmtp"], "", "-upstream-lmtp")
	require.ErrorContains(t, send(t, g, "smtp", false)[2].Err, "452 4.5.3 one recipient at a time")
	g = startGateway(t, d.addr["lmtp"], "", "-upstream-lmtp", "-listen-lmtp")
	require.NoError(t, send(t, g, "lmtp", true)[2].Err)
	require.Equal(t, []string{letter, letter}, d.inbox(t, "ada"))
	require.Equal(t, []string{letter}, d.inbox(t, "bob"))
}
