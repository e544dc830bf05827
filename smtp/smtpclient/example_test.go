package smtpclient_test

import (
	"context"
	"fmt"
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
