package pop3client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
)

// Fetch all messages and delete them from the server.
func ExampleDial() {
	ctx := context.Background()
	c, err := pop3client.Dial(ctx, "pop.example.org:995", &pop3client.Options{Auth: sasl.Plain("", "ada", "secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	stat, err := c.Stat(ctx)
	for n := 1; n <= stat.Count && err == nil; n++ {
		var m *pop3client.Message
		if m, err = c.Retrieve(ctx, n); err == nil {
			if _, err = io.Copy(os.Stdout, m); err == nil {
				err = c.Delete(ctx, n)
			}
		}
	}
	if err == nil {
		err = c.Quit(ctx) // now they are deleted
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Fetch all messages, asking for the next before the last has come, and delete
// those that could be saved.
func ExampleClient_RetrieveAll() {
	ctx := context.Background()
	c, err := pop3client.Dial(ctx, "pop.example.org:995", &pop3client.Options{Auth: &sasl.Credentials{User: "ada", Password: "secret"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var saved []int
	for m, err := range c.RetrieveAll(ctx) {
		if err == nil {
			_, err = io.Copy(os.Stdout, m)
		}
		if err != nil {
			log.Print(err)
			continue
		}
		saved = append(saved, m.Number)
	}
	if err := c.DeleteAll(ctx, saved...); err != nil {
		log.Print(err)
	}
	if err := c.Quit(ctx); err != nil {
		log.Fatal(err) // some may be there still
	}
}

// See which messages were not seen before; Leave does more of it.
func ExampleClient_UIDL() {
	seen := map[string]bool{}
	ctx := context.Background()
	c, err := pop3client.Dial(ctx, "pop.example.org:110", &pop3client.Options{User: "ada", Password: "secret"})
	switch {
	case errors.Is(err, pop3.ErrInUse):
		log.Fatal("somebody else reads it just now")
	case err != nil:
		log.Fatal(err)
	}
	defer c.Quit(ctx)
	for m, err := range c.UIDL(ctx) {
		if err == nil && !seen[m.UID] {
			fmt.Println("new:", m.Number, m.UID)
		}
	}
}
