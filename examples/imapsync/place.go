package main

// FROM and TO: what they are, and connections to them.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

type placeKind uint8

const (
	placeIMAP placeKind = iota
	placeMaildir
	placeMbox
)

// place is FROM or TO.
type place struct {
	kind placeKind
	path string // of a Maildir or of mbox files
	user string
	addr string // host:port
	tls  imapclient.TLSMode
}

func (p place) String() string {
	switch p.kind {
	case placeMaildir:
		return "maildir:" + p.path
	case placeMbox:
		return "mbox:" + p.path
	}
	return p.user + " at " + p.addr
}

func parsePlace(text string) (place, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok {
		return place{}, fmt.Errorf("%q is no place; it begins with imaps:, imap:, maildir: or mbox:", text)
	}
	p := place{}
	port := "143"
	switch strings.ToLower(scheme) {
	case "maildir", "mbox":
		if p.kind = placeMaildir; strings.EqualFold(scheme, "mbox") {
			p.kind = placeMbox
		}
		if p.path = rest; rest == "" {
			return place{}, fmt.Errorf("%q names no folder", text)
		}
		return p, nil
	case "imaps":
		p.tls, port = imapclient.Implicit, "993"
	case "imap":
		p.tls = imapclient.Required
	case "imap+clear":
		p.tls = imapclient.Disabled
	default:
		return place{}, fmt.Errorf("%q is no place; it begins with imaps:, imap:, maildir: or mbox:", text)
	}
	rest, ok = strings.CutPrefix(rest, "//")
	rest = strings.TrimSuffix(rest, "/")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at <= 0 || strings.ContainsRune(rest, '/') {
		return place{}, fmt.Errorf("%q is not like imaps://user@host/", text)
	}
	var err error
	if p.user, err = url.PathUnescape(rest[:at]); err != nil || strings.ContainsAny(p.user, "\x00\r\n") {
		return place{}, fmt.Errorf("%q: malformed user name", text)
	}
	host := rest[at+1:]
	if h, given, err := net.SplitHostPort(host); err == nil {
		host, port = h, given
	}
	if host == "" {
		return place{}, fmt.Errorf("%q names no host", text)
	}
	p.addr = net.JoinHostPort(strings.Trim(host, "[]"), port)
	return p, nil
}

// password is the first line of a file, or a variable of the environment.
func password(file, variable string) (string, error) {
	if file == "" {
		if p, ok := os.LookupEnv(variable); ok {
			return p, nil
		}
		return "", fmt.Errorf("no password: give a file, or set %s", variable)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// account is a connection to an IMAP account, and what is known of it.
type account struct {
	*imapclient.Client
	caps   imap.Capabilities
	prefix string // of the user's own folders
}

func (c *config) connect(ctx context.Context, p place, passwordFile, variable string) (*account, error) {
	secret, err := password(passwordFile, variable)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	credentials := &sasl.Credentials{User: p.user, Password: secret}
	if c.noBinding {
		credentials.Forbid = []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"}
	}
	o := &imapclient.Options{
		TLS:  p.tls,
		Auth: credentials,
		// The mode says so: imap+clear.
		AllowCleartext: p.tls == imapclient.Disabled,
	}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", c.ca)
		}
		o.TLSConfig = &tls.Config{RootCAs: pool}
	}
	client, err := imapclient.Dial(ctx, p.addr, o)
	if refused(err) && !c.noBinding && p.tls != imapclient.Disabled {
		return nil, fmt.Errorf("%v: %w (if the password is right, try -no-binding)", p, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	a := &account{Client: client}
	if err := a.learn(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	return a, nil
}

// learn asks what the server can do and where the user's folders are.
func (a *account) learn(ctx context.Context) error {
	var err error
	if a.caps, err = a.Capabilities(ctx); err != nil {
		return err
	}
	if a.caps.Has(imap.CapNamespace) {
		if a.prefix, err = personalPrefix(ctx, a.Client); err != nil {
			return err
		}
	}
	return nil
}

// refused reports whether err is the server's no, after which the connection
// goes on.
func refused(err error) bool {
	var e *imap.Error
	return errors.As(err, &e) && e.Kind == imap.NO
}
