// Mailproxy stands in front of POP3 servers: it takes logins, finds the user's
// server in a file, logs in there, and from then on passes octets both ways
// without looking at them.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mailwire/mailwire/pop3/pop3server"
)

const usage = `Mailproxy passes POP3 sessions on to other servers, by the user's name.

usage: mailproxy -routes FILE [flags]

  -routes FILE   where users' maildrops are; see below
  -pop3 ADDR     listen on ADDR, with STLS if there is a certificate
                 (127.0.0.1:1110); off for none
  -pop3s ADDR    listen on ADDR with TLS from the start (off)
  -cert FILE, -key FILE
                 the certificate and its key, in PEM
  -users FILE    check passwords here: a line "name:password" for each user.
                 Servers are then logged in to with the route's master
                 password. Without it passwords are passed on.
  -cleartext     take passwords over lines that are not encrypted
  -trust PREFIX  take XCLIENT from these networks (may be repeated)
  -v             show the conversations up to the login, without passwords

A line of the routes is a name, a server and options:

  ada           pop1.example.org:995
  @example.com  10.0.0.2:110    clear xclient
  *             pop2.example.org:110  ca=/etc/pop2.pem

The name is a user's, a domain's or * for all others; the first line that
matches counts. TLS is used from the start on port 995 and by STLS elsewhere.
  clear         no TLS to this server, and passwords in cleartext
  name=HOST     the name in the server's certificate
  ca=FILE       the authorities to trust for it, in PEM
  xclient       tell the server the client's address, where it takes XCLIENT
  master=FILE   "name:password" that may log in as any user, by SASL PLAIN;
                for -users

It exits with 0 after Ctrl-C or SIGTERM, 1 if it can not listen, 2 if the flags
or files are wrong.
`

const (
	exitFailed = 1
	exitUsage  = 2
)

// grace is how long sessions may take to end after the first signal.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type prefixes []netip.Prefix

func (p *prefixes) String() string { return fmt.Sprint(*p) }

func (p *prefixes) Set(s string) error {
	x, err := netip.ParsePrefix(s)
	*p = append(*p, x)
	return err
}

// run is the program. It says where it listens on out.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	flags := flag.NewFlagSet("mailproxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	routesFile := flags.String("routes", "", "")
	addr := flags.String("pop3", "127.0.0.1:1110", "")
	addrTLS := flags.String("pop3s", "off", "")
	cert, key := flags.String("cert", "", ""), flags.String("key", "", "")
	users := flags.String("users", "", "")
	cleartext := flags.Bool("cleartext", false, "")
	verbose := flags.Bool("v", false, "")
	var trust prefixes
	flags.Var(&trust, "trust", "")
	wrong := func(err error) int {
		fmt.Fprintf(log, "mailproxy: %v\n", err)
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
	case *routesFile == "":
		return wrong(errors.New("-routes is missing"))
	case (*cert == "") != (*key == ""):
		return wrong(errors.New("-cert and -key go together"))
	case *addrTLS != "off" && *cert == "":
		return wrong(errors.New("-pop3s needs -cert and -key"))
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	p := &proxy{log: logger, cleartext: *cleartext}
	var err error
	if p.routes, err = loadRoutes(*routesFile); err != nil {
		return wrong(err)
	}
	if *users != "" {
		if p.users, err = loadUsers(*users); err != nil {
			return wrong(err)
		}
		if r := p.routes.withoutMaster(); r != nil {
			return wrong(fmt.Errorf("%s: -users needs master= for %s", *routesFile, r.name))
		}
	}
	server := p.server()
	server.TrustXClient, server.Logger = trust, logger
	if *verbose {
		server.Trace = log
	}
	if *cert != "" {
		c, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return wrong(err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{c}}
	}
	return serve(ctx, server, *addr, *addrTLS, out, log)
}

func serve(ctx context.Context, server *pop3server.Server, addr, addrTLS string, out, log io.Writer) int {
	failed := func(err error) int {
		fmt.Fprintf(log, "mailproxy: %v\n", err)
		return exitFailed
	}
	done := make(chan error, 2)
	running := 0
	defer server.Close()
	for _, x := range []struct {
		name, addr string
		serve      func(net.Listener) error
	}{{"pop3", addr, server.Serve}, {"pop3s", addrTLS, server.ServeTLS}} {
		if x.addr == "off" {
			continue
		}
		l, err := net.Listen("tcp", x.addr)
		if err != nil {
			return failed(err)
		}
		fmt.Fprintf(out, "%s %s\n", x.name, l.Addr())
		running++
		go func() { done <- x.serve(l) }()
	}
	if running == 0 {
		return failed(errors.New("no address to listen on"))
	}
	select {
	case err := <-done:
		return failed(err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		// Sessions that are passed on end with their connections.
		_ = server.Close()
	}
	return 0
}

// readLines calls f with the lines of a file that are no comments.
func readLines(path string, f func(line string) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return nil
}
