package main

// The servers' connections.

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// The modes of TLS by their names in the configuration, Auto where it has none.
var (
	smtpTLS = map[string]smtpclient.TLSMode{"": smtpclient.Auto, "implicit": smtpclient.Implicit, "starttls": smtpclient.Required,
		"opportunistic": smtpclient.Opportunistic, "off": smtpclient.Disabled}
	imapTLS = map[string]imapclient.TLSMode{"": imapclient.Auto, "implicit": imapclient.Implicit, "starttls": imapclient.Required,
		"opportunistic": imapclient.Opportunistic, "off": imapclient.Disabled}
	pop3TLS = map[string]pop3client.TLSMode{"": pop3client.Auto, "implicit": pop3client.Implicit, "starttls": pop3client.Required,
		"opportunistic": pop3client.Opportunistic, "off": pop3client.Disabled}
)

// openOutlets makes the servers of a configuration ready. close says goodbye
// to them.
func openOutlets(c *config) (all []*outlet, close func(), err error) {
	var pools []*smtpclient.Pool
	for _, s := range c.servers {
		o := &smtpclient.Options{TLS: smtpTLS[s.tls], HelloName: c.hello, AllowCleartext: s.allowClear, Optional: []string{"DSN"}}
		if o.TLSConfig, err = s.tlsConfig(); err != nil {
			return nil, nil, fmt.Errorf("[server %s]: %w", s.name, err)
		}
		if s.user != "" {
			password, err := s.password()
			if err != nil {
				return nil, nil, fmt.Errorf("[server %s]: %w", s.name, err)
			}
			o.Auth = &sasl.Credentials{User: s.user, Password: password}
		}
		// The sender bounds the connections.
		pool := &smtpclient.Pool{MaxConns: -1, MaxMessages: s.perConnection}
		pools = append(pools, pool)
		all = append(all, &outlet{
			serverConfig: s,
			limiter:      limiter{perHour: s.perHour, perDay: s.perDay},
			deliver: func(ctx context.Context, env *smtp.Envelope, message []byte) (*smtp.Result, error) {
				return pool.Send(ctx, s.addr, env, bytes.NewReader(message), o)
			},
		})
	}
	return all, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, p := range pools {
			_ = p.Close(ctx)
		}
	}, nil
}
