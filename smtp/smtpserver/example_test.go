package smtpserver_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

type mailbox struct{ conn *smtpserver.Conn }

func (m *mailbox) Mail(context.Context, smtp.Path, *smtp.MailOptions) error { return nil }

func (m *mailbox) Rcpt(_ context.Context, to smtp.Path, _ *smtp.RcptOptions) error {
	_, known := m.conn.Identity()
	if to.Canonical().Domain != "example.org" && !known && !to.IsPostmaster() {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "relaying to <%s> denied", to)
	}
	return nil
}

func (m *mailbox) Data(_ context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	message, err := io.ReadAll(io.MultiReader(strings.NewReader(m.conn.Received(env, "")), r))
	if err != nil {
		return nil, err
	}
	fmt.Printf("from <%s>: %d octets\n", env.From, len(message))
	return nil, nil
}

func (m *mailbox) Reset(context.Context) {}
func (m *mailbox) Close() error          { return nil }

// A server that takes all mail and prints it.
func Example() {
	srv := &smtpserver.Server{
		Backend: smtpserver.MessageFunc(func(_ context.Context, env *smtp.Envelope, r io.Reader) error {
			message, err := io.ReadAll(r)
			fmt.Printf("%s: %q\n", env.From, message)
			return err
		}),
	}
	fmt.Println(srv.ListenAndServe("127.0.0.1:2525"))
}

// A server for one domain, with authentication for those who send elsewhere.
func ExampleSession() {
	srv := &smtpserver.Server{
		Backend: smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
			return &mailbox{conn: c}, nil
		}),
		Domain: "mx.example.org",
		Auth: &sasl.Auth{Password: func(_ context.Context, user, password string) error {
			if user != "tim" || password != "tanstaaf" {
				return sasl.ErrFailed
			}
			return nil
		}},
	}
	fmt.Println(srv.ListenAndServe("127.0.0.1:2525"))
}

// relaySession says what it hands on, and is offered it.
type relaySession struct{ mailbox }

func (relaySession) Capabilities() smtpserver.Capabilities {
	return smtpserver.Capabilities{DSN: true, Priority: true}
}

func ExampleCapable() {
	var s smtpserver.Session = &relaySession{}
	x := s.(smtpserver.Capable).Capabilities()
	fmt.Println(x.DSN, x.DeliverBy)
	// Output: true false
}
