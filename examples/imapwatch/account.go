package main

// The account, and connections to it.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

type account struct {
	user string
	addr string // host:port
	tls  imapclient.TLSMode
}

func parseAccount(text string) (account, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	a := account{}
	port := "143"
	switch strings.ToLower(scheme) {
	case "imaps":
		a.tls, port = imapclient.Implicit, "993"
	case "imap":
		a.tls = imapclient.Required
	case "imap+clear":
		a.tls = imapclient.Disabled
	default:
		return account{}, fmt.Errorf("%q is no account; it begins with imaps:// or imap://", text)
	}
	rest = strings.TrimSuffix(rest, "/")
	at := strings.LastIndexByte(rest, '@')
	if at <= 0 || at == len(rest)-1 || strings.ContainsRune(rest, '/') {
		return account{}, fmt.Errorf("%q is not like imaps://user@host/", text)
	}
	var err error
	if a.user, err = url.PathUnescape(rest[:at]); err != nil || strings.ContainsAny(a.user, "\x00\r\n") {
		return account{}, fmt.Errorf("%q: malformed user name", text)
	}
	host := rest[at+1:]
	if h, given, err := net.SplitHostPort(host); err == nil {
		host, port = h, given
	}
	a.addr = net.JoinHostPort(strings.Trim(host, "[]"), port)
	return a, nil
}

// options are how a connection is made.
func (c *config) options() (*imapclient.Options, error) {
	secret, ok := os.LookupEnv("IMAPWATCH_PASSWORD")
	if c.password != "" {
		b, err := os.ReadFile(c.password)
		if err != nil {
			return nil, err
		}
		secret, _, _ = strings.Cut(string(b), "\n")
		secret = strings.TrimSuffix(secret, "\r")
	} else if !ok {
		return nil, fmt.Errorf("no password: give a file, or set IMAPWATCH_PASSWORD")
	}
	credentials := &sasl.Credentials{User: c.account.user, Password: secret}
	if c.noBinding {
		credentials.Forbid = []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"}
	}
	o := &imapclient.Options{TLS: c.account.tls, Auth: credentials, AllowCleartext: c.account.tls == imapclient.Disabled}
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
	return o, nil
}

// dial connects, and does first what an earlier connection was lost in.
func (w *watcher) dial(ctx context.Context) (*imapclient.Client, error) {
	c, err := imapclient.Dial(ctx, w.config.account.addr, w.options)
	if err != nil {
		return nil, err
	}
	if len(w.pending) > 0 {
		if _, err = c.Examine(ctx, w.config.mailbox); err == nil {
			err = w.work(ctx, c)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}
