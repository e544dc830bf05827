package main

// Mail coming in: SMTP from other servers, submission from the users, LMTP
// from a server in front. Mail for the users goes into their INBOX; mail of
// users for other domains goes to the relay, live: the users are told what it
// says.

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// intake is the smtpserver.Backend of one kind of listener.
type intake struct {
	*mailserver
	// submission takes mail from users who logged in, for anybody.
	submission bool
	// lmtp takes recipients without a domain too.
	lmtp bool
}

func (b *intake) NewSession(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	return &transaction{intake: b, conn: c}, nil
}

// transaction is the smtpserver.Session.
type transaction struct {
	*intake
	conn *smtpserver.Conn

	from    smtp.Path
	options *smtp.MailOptions
	users   []string           // one for each recipient, empty for the relay's
	relayed *smtpclient.Client // where a recipient is the relay's
}

func (t *transaction) Mail(_ context.Context, from smtp.Path, o *smtp.MailOptions) error {
	t.from, t.options = from, o
	return nil
}

func (t *transaction) Rcpt(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error {
	user, err := t.accounts.recipient(to.Name(), to.Domain)
	if err != nil && t.lmtp && to.Domain == "" {
		user, err = t.accounts.recipient(to.Name(), t.config.domains[0])
	}
	switch {
	case err == nil:
		t.users = append(t.users, user)
		return nil
	case errors.Is(err, errNoSuchBox):
		return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "%s: %v", to, err)
	}
	if _, ok := t.conn.Identity(); !t.submission || !ok {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "%s: %v, and relaying is for its users", to, err)
	}
	if t.config.relay == "" {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "%s: %v, and it has no relay", to, err)
	}
	if err := t.relay(ctx, to, o); err != nil {
		return err
	}
	t.users = append(t.users, "")
	return nil
}

// relay asks the relay to take a recipient.
func (t *transaction) relay(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error {
	if t.relayed == nil {
		// As between mail servers that know nothing of each other (RFC 3207
		// section 4.1): encrypted where that can be had, whoever it is.
		options := &smtpclient.Options{
			TLS: smtpclient.Opportunistic, TLSConfig: &tls.Config{InsecureSkipVerify: true},
			HelloName: t.config.domains[0], Trace: t.trace,
		}
		if host, _, _ := net.SplitHostPort(t.config.relay); isLoopback(host) {
			options.TLS = smtpclient.Disabled
		}
		c, err := smtpclient.Dial(ctx, t.config.relay, options)
		if err != nil {
			return t.relayFailed(err)
		}
		if err := c.Mail(ctx, t.from, t.options); err != nil {
			c.Close()
			return t.relayFailed(err)
		}
		t.relayed = c
	}
	if err := t.relayed.Rcpt(ctx, to, o); err != nil {
		return t.relayFailed(err)
	}
	return nil
}

// relayFailed is what the user is told: the relay's own words where it had
// some.
func (t *transaction) relayFailed(err error) error {
	var said *smtp.Error
	if errors.As(err, &said) {
		return said
	}
	var missing *smtpclient.ExtensionError
	if errors.As(err, &missing) {
		code := smtp.EnhancedCode{5, 6, 3} // a conversion would be needed
		if missing.Extension == "SMTPUTF8" {
			code = smtp.EnhancedCode{5, 6, 7}
		}
		return smtp.Errorf(554, code, "the relay does not offer %s", missing.Extension)
	}
	t.log.Warn("relay", "relay", t.config.relay, "error", err)
	return smtp.Errorf(451, smtp.EnhancedCode{4, 4, 1}, "the relay cannot be reached")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Data stores the message for every local recipient and hands it to the relay.
// It is in stable storage when Data returns.
func (t *transaction) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	id := strings.ToLower(rand.Text()[:12])
	received := t.conn.Received(env, id)
	head := string(smtp.AppendReturnPath(nil, t.from)) + received
	result := &smtp.Result{Reply: smtp.Reply{Lines: []string{"stored as " + id}}}
	if t.relayed != nil {
		// The relay comes first: when it refuses, the mail goes to nobody, and
		// the user who sends it again sends it to nobody twice.
		spool, err := os.CreateTemp(t.config.dir, ".spool-*")
		if err != nil {
			return nil, err
		}
		defer os.Remove(spool.Name())
		defer spool.Close()
		size, err := io.Copy(spool, r)
		if err != nil {
			return nil, err
		}
		message := io.MultiReader(strings.NewReader(received), io.NewSectionReader(spool, 0, size))
		if _, err := t.relayed.Data(ctx, message); err != nil {
			return nil, t.relayFailed(err)
		}
		r = io.NewSectionReader(spool, 0, size)
	}
	var users []string // each once
	for _, user := range t.users {
		if user != "" && !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	if len(users) == 0 {
		return result, nil
	}
	each, err := t.store.deliver(ctx, io.MultiReader(strings.NewReader(head), r), users...)
	if err != nil {
		return nil, err
	}
	result.Recipients = make([]smtp.Verdict, len(t.users))
	for i, user := range t.users {
		n := slices.Index(users, user)
		if n < 0 || each[n] == nil {
			continue
		}
		t.log.Error("delivery", "user", user, "error", each[n])
		if !t.lmtp {
			// One answer for all: to be sent again is better than lost.
			return nil, each[n]
		}
		result.Recipients[i].Err = each[n]
	}
	return result, nil
}

func (t *transaction) Reset(context.Context) {
	if t.relayed != nil {
		t.relayed.Close()
	}
	t.users, t.relayed = nil, nil
}

func (t *transaction) Close() error {
	t.Reset(context.Background())
	return nil
}
