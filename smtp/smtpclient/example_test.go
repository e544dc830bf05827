package smtpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// Submission of one message.
func ExampleSend() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	env, err := smtp.NewEnvelope("me@example.org", "you@example.net", "she@example.com")
	if err != nil {
		log.Fatal(err)
	}
	message := strings.NewReader("From: me@example.org\nSubject: Hello\n\nHow are you?\n")
	res, err := smtpclient.Send(ctx, "mail.example.org:587", env, message, &smtpclient.Options{Auth: sasl.Plain("", "me", "secret")})
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range res.Recipients {
		fmt.Println(env.To[i].Path, r.Err)
	}
}

// Several messages over one connection.
func ExampleClient() {
	ctx := context.Background()
	c, err := smtpclient.Dial(ctx, "mail.example.org:465", &smtpclient.Options{Auth: sasl.Plain("", "me", "secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, to := range []string{"you@example.net", "she@example.com"} {
		env, err := smtp.NewEnvelope("me@example.org", to)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := c.Send(ctx, env, strings.NewReader("Subject: Hello\n\nHow are you?\n")); err != nil {
			log.Print(err)
		}
	}
	_ = c.Quit(ctx)
}

// Messages to one server over connections that are kept.
func ExamplePool() {
	ctx := context.Background()
	o := &smtpclient.Options{Auth: sasl.Plain("", "me", "secret")}
	var pool smtpclient.Pool
	defer pool.Close(ctx)
	for _, to := range []string{"you@example.net", "she@example.com"} {
		env, err := smtp.NewEnvelope("me@example.org", to)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := pool.Send(ctx, "mail.example.org:587", env, strings.NewReader("Subject: Hello\n\nHow are you?\n"), o); err != nil {
			log.Print(err)
		}
	}
}

// What a queue does with a message.
func ExampleDeliverer() {
	d := &smtpclient.Deliverer{
		Options: smtpclient.Options{HelloName: "mail.example.org"},
		STS:     &smtpclient.STS{},
	}
	env, err := smtp.NewEnvelope("me@example.org", "you@example.net", "she@example.com")
	if err != nil {
		log.Fatal(err)
	}
	res, _ := d.Deliver(context.Background(), env, strings.NewReader("Subject: Hello\n\nHow are you?\n"))
	for i, r := range res.Recipients {
		switch to := env.To[i].Path; {
		case r.Err == nil:
			fmt.Println(to, "delivered:", r.Reply.Text())
		case smtpclient.Temporary(r.Err):
			fmt.Println(to, "later:", r.Err)
		default:
			fmt.Println(to, "returned:", r.Err)
		}
	}
}

// A relay that hands octets on as they come.
func ExampleClient_Begin() {
	relay := func(ctx context.Context, c *smtpclient.Client, env *smtp.Envelope, message io.Reader) (*smtp.Result, error) {
		t, err := c.Begin(ctx, env) // what upstream says of each recipient
		if err != nil {
			return nil, err
		}
		if err := t.Open(); err != nil { // upstream wants no message
			return nil, err
		}
		if _, err := io.Copy(t, message); err != nil {
			t.Abort()
			return nil, err
		}
		return t.Commit()
	}
	fmt.Printf("%T\n", relay != nil)
	// Output: bool
}

func ExampleParseSTSPolicy() {
	p, err := smtpclient.ParseSTSPolicy([]byte("version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 604800\n"))
	fmt.Println(p.Mode, p.Match("mx1.example.net"), p.Match("mx.example.org"), err)
	// Output: enforce true false <nil>
}
