package smtptest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// A test of a program that sends mail.
func ExampleNewServer() {
	test := func(t *testing.T) {
		s := smtptest.NewServer(t)

		// What is tested would do this.
		env, _ := smtp.NewEnvelope("app@example.org", "user@example.org")
		_, _ = smtpclient.Send(context.Background(), s.Addr, env, strings.NewReader("Subject: Welcome\n\nHello!\n"),
			&smtpclient.Options{TLSConfig: s.ClientTLS()})

		m := s.Wait(1)[0]
		if m.Envelope.To[0].Path.String() != "user@example.org" {
			t.Errorf("sent to %v", m.Envelope.To)
		}
	}
	fmt.Printf("%T\n", test)
	// Output: func(*testing.T)
}
