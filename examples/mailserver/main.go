// Mailserver is one account store and one Maildir tree on disk, served over
// SMTP, submission, LMTP, IMAP and POP3. It is what mailwire's servers look
// like from outside: everything here is done with the public packages.
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
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C does not wait.
	context.AfterFunc(ctx, stop)
	c, err := parseArgs(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mailserver: %v\nRun mailserver -h for help.\n", err)
		os.Exit(exitUsage)
	}
	if err := run(ctx, c, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "mailserver: %v\n", err)
		os.Exit(exitFailed)
	}
}

// mailserver is what all services share.
type mailserver struct {
	config   *config
	accounts *accounts
	store    *store
	log      *slog.Logger
	trace    io.Writer // nil without -v
	tls      *tls.Config
}

// service is a server of any protocol on its listener.
type service struct {
	listener
	net   net.Listener
	serve func(net.Listener) error
	shutdownCloser
}

type shutdownCloser interface {
	Shutdown(context.Context) error
	Close() error
}

// shutdownTime is how long sessions in the middle of something may take after
// Ctrl-C.
const shutdownTime = 10 * time.Second

// run serves until ctx ends.
func run(ctx context.Context, c *config, stdout, stderr io.Writer) error {
	m, login, certFile, err := open(c, stderr)
	if err != nil {
		return err
	}
	defer m.store.close()
	services, err := m.listen()
	if err != nil {
		return err
	}
	failed := make(chan error, len(services))
	for _, s := range services {
		go func() { failed <- fmt.Errorf("%s: %w", s.name, s.serve(s.net)) }()
	}
	printReady(stdout, c, services, login, certFile)

	select {
	case <-ctx.Done():
		fmt.Fprintln(stderr, "mailserver: ending")
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	done := make(chan struct{}, len(services))
	for _, s := range services {
		go func() {
			if s.Shutdown(end) != nil {
				s.Close()
			}
			done <- struct{}{}
		}()
	}
	for range services {
		<-done
	}
	return err
}

// open makes everything that the services need. login is a user and password
// to show.
func open(c *config, stderr io.Writer) (m *mailserver, login user, certFile string, err error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, login, "", err
	}
	m = &mailserver{config: c, log: slog.New(slog.NewTextHandler(stderr, nil))}
	if c.verbose {
		m.trace = stderr
	}
	if m.accounts, err = openAccounts(filepath.Join(c.dir, "users"), c.domains); err != nil {
		return nil, login, "", err
	}
	for _, u := range c.users {
		if err := m.accounts.set(u.name, u.password); err != nil {
			return nil, login, "", err
		}
	}
	if len(c.users) > 0 {
		login = c.users[0]
	} else {
		login.name = "demo"
		if login.password, err = m.accounts.demo(); err != nil {
			return nil, login, "", err
		}
	}
	cert, certFile, err := loadCertificate(c.cert, c.key, c.dir, c.domains)
	if err != nil {
		return nil, login, "", err
	}
	m.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	m.store = openStore(filepath.Join(c.dir, "mail"))
	return m, login, certFile, nil
}

// listen opens all listeners, or none.
func (m *mailserver) listen() (services []*service, err error) {
	defer func() {
		if err != nil {
			for _, s := range services {
				s.net.Close()
			}
		}
	}()
	for _, l := range m.config.listeners {
		s := m.service(l)
		if s.net, err = net.Listen("tcp", l.addr); err != nil {
			return services, fmt.Errorf("-%s: %w", l.name, err)
		}
		services = append(services, s)
	}
	return services, nil
}

// service makes the server for a listener.
func (m *mailserver) service(l listener) *service {
	s := &service{listener: l}
	auth := &sasl.Auth{Password: m.accounts.check}
	log := m.log.With("service", l.name)
	var trace io.Writer
	if m.trace != nil {
		trace = &prefixed{m.trace, fmt.Sprintf("%-11s ", l.name)}
	}
	switch l.name {
	case nameSMTP, nameLMTP, nameSubmission, nameSubmissions:
		submission := l.name == nameSubmission || l.name == nameSubmissions
		server := &smtpserver.Server{
			Backend: &intake{mailserver: m, submission: submission, lmtp: l.name == nameLMTP},
			Domain:  m.config.domains[0], LMTP: l.name == nameLMTP, TLSConfig: m.tls, Logger: log, Trace: trace,
		}
		if submission {
			server.Auth, server.RequireAuth = auth, true
			// Programs of users send files with the line ends of their system.
			server.BareLineEnds = smtpserver.BareNormalise
		}
		s.shutdownCloser, s.serve = server, server.Serve
		if l.name == nameSubmissions {
			s.serve = server.ServeTLS
		}
	case nameIMAP, nameIMAPS:
		server := &imapserver.Server{Backend: &mailboxes{m}, Auth: auth, TLSConfig: m.tls, Logger: log, Trace: trace}
		s.shutdownCloser, s.serve = server, server.Serve
		if l.name == nameIMAPS {
			s.serve = server.ServeTLS
		}
	case namePOP3, namePOP3S:
		server := &pop3server.Server{Backend: &maildrops{m}, Auth: auth, TLSConfig: m.tls, Logger: log, Trace: trace}
		s.shutdownCloser, s.serve = server, server.Serve
		if l.name == namePOP3S {
			s.serve = server.ServeTLS
		}
	}
	return s
}

// prefixed puts the service before each line of a trace, which comes as one
// Write.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p *prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// printReady says what is served, and what to paste to try it.
func printReady(w io.Writer, c *config, services []*service, login user, certFile string) {
	fmt.Fprintf(w, "ready: mail for %s, kept in %s\n\n", strings.Join(c.domains, ", "), c.dir)
	addr := map[string]string{}
	for _, s := range services {
		a := s.net.Addr().(*net.TCPAddr)
		if a.IP.IsUnspecified() {
			a.IP = net.IPv4(127, 0, 0, 1)
		}
		addr[s.name] = a.String()
		fmt.Fprintf(w, "  %-12s %-21s  %s\n", s.name, s.net.Addr(), s.usage)
	}
	fmt.Fprintf(w, "\nlog in as %s with the password %s\n", login.name, login.password)
	self := login.name + "@" + c.domains[0]
	if a := addr[nameSubmission]; a != "" {
		fmt.Fprintf(w, "\nsend:\n  swaks --server %s --tls --auth PLAIN --auth-user %s --auth-password %s --from %s --to %s\n",
			a, login.name, quote(login.password), self, self)
	}
	if a := addr[nameIMAPS]; a != "" {
		fmt.Fprintf(w, "\nread:\n  curl --cacert %s --user %s 'imaps://%s/INBOX;MAILINDEX=*'\n",
			quote(certFile), quote(login.name+":"+login.password), a)
		settings := fmt.Sprintf(`set folder="imaps://%s/" spoolfile="=INBOX" record="=Sent" imap_user="%s" imap_pass="%s" certificate_file="%s" from="%s"`,
			a, login.name, login.password, certFile, self)
		if a := addr[nameSubmissions]; a != "" {
			settings += fmt.Sprintf(` smtp_url="smtps://%s@%s/" smtp_pass="%s"`, login.name, a, login.password)
		}
		fmt.Fprintf(w, "\nor both:\n  mutt -n -F /dev/null -e %s\n", quote(settings))
	}
	fmt.Fprintf(w, "\nCtrl-C ends it.\n")
}

// quote quotes for a shell, where that is needed.
func quote(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+=,", r) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}
