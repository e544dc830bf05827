package main

// Servers, and the passwords for them.

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
)

// endpoint is FROM or TO.
type endpoint struct {
	protocol string // "pop3" or "imap"
	implicit bool   // TLS from the start
	user     string
	host     string
	port     string
	mailbox  string // of IMAP
}

func (e *endpoint) addr() string { return net.JoinHostPort(e.host, e.port) }

func (e *endpoint) String() string {
	s := e.user + "@" + e.addr()
	if e.mailbox != "" {
		s += "/" + e.mailbox
	}
	return s
}

func parseEndpoint(s, protocol string) (*endpoint, error) {
	e := &endpoint{protocol: protocol}
	wrong := func(what string) (*endpoint, error) {
		return nil, fmt.Errorf("%q %s: it should be like %ss://ada@mail.example.org", s, what, protocol)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return wrong("has no " + protocol + "s:// or " + protocol + ":// before it")
	}
	switch strings.ToLower(scheme) {
	case protocol:
		e.port = map[string]string{"pop3": "110", "imap": "143"}[protocol]
	case protocol + "s":
		e.implicit, e.port = true, map[string]string{"pop3": "995", "imap": "993"}[protocol]
	default:
		return wrong("is not for " + strings.ToUpper(protocol))
	}
	host, path, _ := strings.Cut(rest, "/")
	// A user's name may have an @ in it, a host's may not.
	at := strings.LastIndexByte(host, '@')
	if at <= 0 {
		return wrong("names no user")
	}
	user, err := url.PathUnescape(host[:at])
	if err != nil || strings.ContainsAny(user, "\x00\r\n") {
		return wrong("has a user that is not written as in a URL")
	}
	if user, _, ok := strings.Cut(user, ":"); ok {
		return nil, fmt.Errorf("a password does not belong into the arguments (of user %q), where all see it: use a file, the environment or the prompt", user)
	}
	e.user, host = user, host[at+1:]
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, e.port = h, p
	}
	if e.host = strings.Trim(host, "[]"); e.host == "" || e.port == "" {
		return wrong("names no host")
	}
	mailbox, err := url.PathUnescape(path)
	switch {
	case err != nil:
		return wrong("has a mailbox that is not written as in a URL")
	case protocol == "pop3" && path != "":
		return wrong("has a mailbox, and POP3 has none")
	case protocol == "imap" && mailbox == "":
		mailbox = "INBOX"
	}
	e.mailbox = mailbox
	return e, nil
}

// defaultJournal is where the journal of two endpoints is.
func defaultJournal(from, to *endpoint) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	name := url.PathEscape(from.String() + " " + to.String())
	if len(name) > 150 {
		name = fmt.Sprintf("%s-%x", name[:100], sha256.Sum256([]byte(name)))
	}
	return filepath.Join(dir, "pop3toimap", name+".journal"), nil
}

// secret is a password.
func secret(ctx context.Context, e *endpoint, file, variable string, prompt io.Writer) (string, error) {
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(data), "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return "", fmt.Errorf("%s: the first line is empty", file)
		}
		return line, nil
	}
	if s := os.Getenv(variable); s != "" {
		return s, nil
	}
	if !isTerminal(os.Stdin) {
		return "", fmt.Errorf("no password for %s: set %s, or give a file", e, variable)
	}
	return ask(ctx, e, variable, prompt)
}

// ask asks on the terminal, which does not show what is typed.
func ask(ctx context.Context, e *endpoint, variable string, prompt io.Writer) (string, error) {
	stty := func(arg string) error {
		cmd := exec.Command("stty", arg)
		cmd.Stdin = os.Stdin
		return cmd.Run()
	}
	if err := stty("-echo"); err != nil {
		return "", fmt.Errorf("the terminal can not hide a password here: set %s, or give a file", variable)
	}
	fmt.Fprintf(prompt, "Password of %s at %s: ", e.user, e.host)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := readLine(os.Stdin)
		typed <- answer{line, err}
	}()
	var a answer
	select {
	case a = <-typed:
	case <-ctx.Done():
		// The goroutine waits for a line until the program ends, which is now.
		a.err = context.Cause(ctx)
	}
	fmt.Fprintln(prompt)
	if err := stty("echo"); a.err == nil {
		a.err = err
	}
	return a.line, a.err
}

// readLine reads a line, and nothing behind it: that is the next password.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		switch {
		case n > 0 && one[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case n > 0:
			line = append(line, one[0])
		case err != nil:
			return "", err
		}
	}
}

// trust is the configuration of TLS with more authorities.
func trust(ca string) (*tls.Config, error) {
	if ca == "" {
		return nil, nil
	}
	data, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: no certificate in PEM", ca)
	}
	return &tls.Config{RootCAs: pool}, nil
}

func credentials(e *endpoint, password, mechanism string) *sasl.Credentials {
	c := &sasl.Credentials{User: e.user, Password: password}
	if mechanism != "" {
		c.Only = []string{strings.ToUpper(mechanism)}
	}
	return c
}

func (p *program) dialPOP3(ctx context.Context, password string, config *tls.Config) (*pop3client.Client, error) {
	o := &pop3client.Options{TLS: pop3client.Required, TLSConfig: config}
	plain := strings.EqualFold(p.fromMechanism, "USER")
	switch {
	case p.fromMechanism == "":
		o.User, o.Password = p.from.user, password
	case !plain:
		o.Auth = credentials(p.from, password, p.fromMechanism)
	}
	switch {
	case p.from.implicit:
		o.TLS = pop3client.Implicit
	case p.cleartext:
		o.TLS, o.AllowCleartext = pop3client.Disabled, true
	}
	c, err := pop3client.Dial(ctx, p.from.addr(), o)
	if err == nil && plain {
		if err = c.Login(ctx, p.from.user, password); err != nil {
			c.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.from, err)
	}
	return c, nil
}

func (p *program) dialIMAP(ctx context.Context, password string, config *tls.Config) (*imapclient.Client, error) {
	o := &imapclient.Options{TLS: imapclient.Required, TLSConfig: config, Auth: credentials(p.to, password, p.toMechanism), DialContext: p.dial}
	switch {
	case p.to.implicit:
		o.TLS = imapclient.Implicit
	case p.cleartext:
		o.TLS, o.AllowCleartext = imapclient.Disabled, true
	}
	c, err := imapclient.Dial(ctx, p.to.addr(), o)
	if errors.Is(err, sasl.ErrMechanism) && p.toMechanism == "" {
		// A server that knows LOGIN alone.
		o.Auth = nil
		if c, err = imapclient.Dial(ctx, p.to.addr(), o); err == nil {
			if err = c.Login(ctx, p.to.user, password); err != nil {
				c.Close()
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.to, err)
	}
	return c, nil
}
