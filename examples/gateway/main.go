// Gateway is a filtering SMTP gateway: it stands in front of a mail server,
// applies the rules of a file, and passes each message on while it comes. It
// has no queue: the client hears what the server behind says.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

const usage = `Gateway filters mail on its way to a server, by rules in a file.

usage: gateway -upstream ADDR [-rules FILE] [flags]

A message is passed on while it comes, in little memory, and the client hears
what the server behind ("upstream") says of the sender, of each recipient and
of the message. Nothing is queued and nothing is accepted that upstream does
not accept, but what a rule puts into the quarantine. Where upstream breaks
off, the client is told to try again.

  -listen ADDR      take mail here (127.0.0.1:2525), with STARTTLS if there is
                    a certificate; off for none
  -listen-tls ADDR  take mail here with TLS from the start (off)
  -listen-lmtp      speak LMTP to clients
  -cert FILE, -key FILE
                    the certificate and its key, in PEM
  -domain NAME      this gateway's name (the host's)
  -upstream ADDR    host:port, or the path of a Unix socket
  -upstream-lmtp    speak LMTP to upstream. A client of SMTP then may name one
                    recipient a message, for SMTP can not say of two what LMTP
                    says.
  -upstream-tls MODE
                    auto, required (STARTTLS), implicit, opportunistic (nothing
                    is verified) or disabled. auto is disabled to a loopback
                    address or a socket, implicit to port 465, else required.
  -upstream-ca FILE the authorities to trust for upstream, in PEM
  -upstream-name N  the name in upstream's certificate
  -tell HOW         tell upstream who the client is: xclient, proxy (the PROXY
                    protocol, version 2) or off (off). EHLO then has the
                    client's name too.
  -trust PREFIX     take XCLIENT from these networks (may be repeated)
  -trust-proxy PREFIX
                    expect the PROXY protocol from these networks (may be
                    repeated)
  -rules FILE       the rules; see below
  -check            read the rules, say whether they are right, and end
  -quarantine DIR   the folder of the rule quarantine
  -tmp DIR          where messages wait that must be known to their end before
                    anything is done (the system's folder)
  -spamd ADDR       SpamAssassin's spamd, host:port or a Unix socket
                    (127.0.0.1:783)
  -spamd-max SIZE   the largest message it is asked about (512K)
  -hook-timeout D   the longest wait for spamd or a command (2m)
  -max-size SIZE    the largest message (100M)
  -status ADDR      counters, as a page for people and Prometheus (off)
  -v                show the conversations, without messages and passwords

Without -tell, upstream sees this gateway as the client. If upstream relays
for this gateway's address, have a rule like the first one here:

  # action and its text        conditions, all of which must hold
  reject "550 5.7.1 no relay"  !to=*@example.org,*@example.net
  accept                       client=10.0.0.0/8
  reject                       attachment=*.exe,*.scr,application/x-msdownload
  reject "552 too large"       size=20M
  reject "550 5.7.1 virus"     command="clamdscan --no-summary -"
  quarantine                   spam=10
  tag "[SPAM]"                 spam
  tag "[external]"             !from=*@example.org
  add "X-Filtered: yes"
  redirect help@example.org    to=support@example.org
  redirect abuse@example.org   header:Subject="*abuse report*"

Actions, from the top of the file to its end:
  reject [CODE ...] refuse the recipient or message and end; a CODE of 4xx has
                    the client try again
  accept            pass the message on and end
  quarantine        keep the message in the folder, tell the client it was
                    accepted, and end
  tag TEXT          put TEXT before the subject, unless it is there
  add "NAME: VALUE" add a field to the header
  redirect ADDRESS  send to ADDRESS in place of the recipient: the first counts

Conditions; each with ! before it for the contrary. PATTERNS are several with
commas between them, * is any characters, ? is one, case is all the same:
  client=NETWORKS   the client's address
  from=PATTERNS     the sender; <> is that of delivery reports
  to=PATTERNS       the recipient. Recipients for whom different rules apply do
                    not share a message: the client is told to send it again.
  header:NAME=PATTERN
                    a field of the header, decoded
  attachment=PATTERNS
                    a part by its file's name, or by its type where there is a
                    slash; what is packed into archives is not looked at, and
                    more than 10000 parts or 100 levels of them are refused
  size=SIZE         that large or larger: 100, 64K, 10M, 2G
  spam, spam=SCORE  spamd says that it is spam; its score is that or more
  command=PROGRAM   the program gets the message and exits with 1. 0 is the
                    contrary; after any other code the client is told to try
                    again. No shell is involved.

A message waits in a temporary file only where spamd, a command or a rule that
does not refuse needs its body. Rules that refuse by attachment or size look
while the message passes, and break off upstream if they must.

It exits with 0 after Ctrl-C or SIGTERM, 1 if it can not listen, 2 if the flags
or files are wrong.
`

const (
	exitFailed = 1
	exitUsage  = 2
)

// grace is how long sessions may take to end after the first signal.
const grace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C does not wait.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type prefixes []netip.Prefix

func (p *prefixes) String() string { return fmt.Sprint(*p) }

func (p *prefixes) Set(s string) error {
	x, err := netip.ParsePrefix(s)
	*p = append(*p, x)
	return err
}

// size is a flag of octets.
type size int64

func (n *size) String() string { return fmt.Sprint(int64(*n)) }

func (n *size) Set(s string) error {
	x, err := parseSize(s)
	*n = size(x)
	return err
}

// config is what the flags say.
type config struct {
	listen, listenTLS, status             string
	cert, key, domain                     string
	upstreamTLS, upstreamCA, upstreamName string
	tell, rules                           string
	listenLMTP, check, verbose            bool
	trust, trustProxy                     prefixes
	spamMax, maxSize                      size
}

// run is the program. It says where it listens on out.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	c := &config{spamMax: 512 << 10, maxSize: 100 << 20}
	g := &gateway{}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:2525", "")
	flags.StringVar(&c.listenTLS, "listen-tls", "off", "")
	flags.BoolVar(&c.listenLMTP, "listen-lmtp", false, "")
	flags.StringVar(&c.cert, "cert", "", "")
	flags.StringVar(&c.key, "key", "", "")
	flags.StringVar(&c.domain, "domain", "", "")
	flags.StringVar(&g.upstream, "upstream", "", "")
	flags.BoolVar(&g.options.LMTP, "upstream-lmtp", false, "")
	flags.StringVar(&c.upstreamTLS, "upstream-tls", "auto", "")
	flags.StringVar(&c.upstreamCA, "upstream-ca", "", "")
	flags.StringVar(&c.upstreamName, "upstream-name", "", "")
	flags.StringVar(&c.tell, "tell", "off", "")
	flags.Var(&c.trust, "trust", "")
	flags.Var(&c.trustProxy, "trust-proxy", "")
	flags.StringVar(&c.rules, "rules", "", "")
	flags.BoolVar(&c.check, "check", false, "")
	flags.StringVar(&g.quarantine, "quarantine", "", "")
	flags.StringVar(&g.tmp, "tmp", "", "")
	flags.StringVar(&g.spamd, "spamd", "127.0.0.1:783", "")
	flags.Var(&c.spamMax, "spamd-max", "")
	flags.DurationVar(&g.hookTime, "hook-timeout", 2*time.Minute, "")
	flags.Var(&c.maxSize, "max-size", "")
	flags.StringVar(&c.status, "status", "off", "")
	flags.BoolVar(&c.verbose, "v", false, "")
	wrong := func(err error) int {
		fmt.Fprintf(log, "gateway: %v\nRun gateway -h for help.\n", err)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return 0
	case err != nil:
		return wrong(err)
	case flags.NArg() > 0:
		return wrong(fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	g.log = slog.New(slog.NewTextHandler(log, nil))
	g.lmtp, g.spamMax = c.listenLMTP, int64(c.spamMax)
	var err error
	if g.rules, err = loadRules(c.rules); err != nil {
		return wrong(err)
	}
	if c.check {
		fmt.Fprintf(out, "%d rules\n", len(g.rules.list))
		return 0
	}
	server, err := c.server(g, log)
	if err != nil {
		return wrong(err)
	}
	return serve(ctx, c, g, server, out, log)
}

// server checks the flags and makes the server.
func (c *config) server(g *gateway, log io.Writer) (*smtpserver.Server, error) {
	switch {
	case g.upstream == "":
		return nil, errors.New("-upstream is missing")
	case (c.cert == "") != (c.key == ""):
		return nil, errors.New("-cert and -key go together")
	case c.listenTLS != "off" && c.cert == "":
		return nil, errors.New("-listen-tls needs -cert and -key")
	case c.listen == "off" && c.listenTLS == "off":
		return nil, errors.New("there is no address to listen on")
	case g.rules.quarantine && g.quarantine == "":
		return nil, fmt.Errorf("%s: a rule needs -quarantine", c.rules)
	case c.maxSize == 0 || g.hookTime <= 0:
		return nil, errors.New("-max-size and -hook-timeout must be more than 0")
	}
	if g.quarantine != "" {
		if err := os.MkdirAll(g.quarantine, 0o700); err != nil {
			return nil, err
		}
	}
	s := &smtpserver.Server{
		Backend: g, Domain: c.domain, LMTP: c.listenLMTP, Logger: g.log,
		TrustXClient: c.trust, TrustProxy: c.trustProxy,
		Limits: smtpserver.Limits{MaxMessageSize: int64(c.maxSize)},
	}
	o := &g.options
	o.HelloName = c.domain
	o.DialContext = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	o.TLSConfig = &tls.Config{ServerName: c.upstreamName, MinVersion: tls.VersionTLS12}
	if c.verbose {
		s.Trace, o.Trace = log, &prefixed{log}
	}
	host := ""
	if !strings.Contains(g.upstream, "/") {
		var port string
		var err error
		if host, port, err = net.SplitHostPort(g.upstream); err != nil {
			return nil, fmt.Errorf("-upstream: %w", err)
		}
		if port == "" {
			return nil, errors.New("-upstream: expected host:port")
		}
	}
	switch c.upstreamTLS {
	case "auto":
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			o.TLS = smtpclient.Disabled
		}
	case "required":
		o.TLS = smtpclient.Required
	case "implicit":
		o.TLS = smtpclient.Implicit
	case "opportunistic":
		o.TLS = smtpclient.Opportunistic
		// An attacker who can show a false certificate can as well take
		// STARTTLS away (RFC 7435).
		o.TLSConfig.InsecureSkipVerify = true
	case "disabled":
		o.TLS = smtpclient.Disabled
	default:
		return nil, fmt.Errorf("-upstream-tls: unknown mode %q", c.upstreamTLS)
	}
	if c.upstreamCA != "" {
		pem, err := os.ReadFile(c.upstreamCA)
		if err != nil {
			return nil, err
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.upstreamCA)
		}
	}
	switch c.tell {
	case "xclient":
		g.xclient = true
	case "proxy":
		g.proxy = true
	case "off":
	default:
		return nil, fmt.Errorf("-tell: expected xclient, proxy or off, found %q", c.tell)
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, err
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return s, nil
}

// prefixed tells upstream's conversation from the client's in a trace.
type prefixed struct{ w io.Writer }

func (p *prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte("upstream "), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func serve(ctx context.Context, c *config, g *gateway, server *smtpserver.Server, out, log io.Writer) int {
	failed := func(err error) int {
		fmt.Fprintf(log, "gateway: %v\n", err)
		return exitFailed
	}
	page := &http.Server{Handler: g, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	defer page.Close()
	defer server.Close()
	name := "smtp"
	if c.listenLMTP {
		name = "lmtp"
	}
	services := []struct {
		name, addr string
		serve      func(net.Listener) error
	}{{name, c.listen, server.Serve}, {name + "s", c.listenTLS, server.ServeTLS}, {"status", c.status, page.Serve}}
	done := make(chan error, len(services))
	for _, x := range services {
		if x.addr == "off" {
			continue
		}
		l, err := net.Listen("tcp", x.addr)
		if err != nil {
			return failed(err)
		}
		fmt.Fprintf(out, "%s %s\n", x.name, l.Addr())
		go func() { done <- x.serve(l) }()
	}
	fmt.Fprintf(out, "%d rules, upstream %s; Ctrl-C ends it\n", len(g.rules.list), g.upstream)
	select {
	case err := <-done:
		return failed(err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		g.log.Warn("sessions were broken off", "error", err)
		_ = server.Close()
	}
	return 0
}
