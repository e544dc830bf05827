package smtpserver_test

import (
	"context"
	"fmt"
	"io"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// printer is a backend that prints each message.
type printer struct{}

func (printer) NewSession(context.Context, *smtpserver.Conn) (smtpserver.Session, error) {
	return printer{}, nil
}
func (printer) Mail(context.Context, smtp.Path, *smtp.MailOptions) error { return nil }
func (printer) Rcpt(context.Context, smtp.Path, *smtp.RcptOptions) error { return nil }
func (printer) Data(_ context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	message, err := io.ReadAll(r)
	fmt.Printf("%s: %q\n", env.From, message)
	return nil, err
}
func (printer) Reset(context.Context) {}
func (printer) Close() error          { return nil }

// A server that takes all mail and prints it.
func Example() {
	srv := &smtpserver.Server{Backend: printer{}}
	fmt.Println(srv.ListenAndServe("127.0.0.1:2525"))
}
