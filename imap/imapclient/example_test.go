package imapclient_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

func dialExample(ctx context.Context) (*imapclient.Client, error) {
	return imapclient.Dial(ctx, "mail.example.org:993", &imapclient.Options{Auth: sasl.Plain("", "ada", "secret")})
}

// New mail as it comes, over whatever happens to the connection. The state is
// kept in a folder, so that a program that starts anew is told what it missed.
func ExampleWatcher() {
	ctx := context.Background()
	w := &imapclient.Watcher{
		Dial:    dialExample,
		Mailbox: "INBOX",
		Cache:   &imapclient.FileCache{Dir: "state"},
		Options: imapclient.WatchOptions{OnLost: func(err error, wait time.Duration) {
			fmt.Println("no connection:", err, "next try in", wait)
		}},
	}
	for ch, err := range w.Changes(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if ch.Kind != imap.ChangeNew {
			continue
		}
		h, err := w.Client().Header(ctx, ch.Message.UID)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("new mail:", h.Text("Subject"))
	}
}

// What happened in a mailbox since the last time.
func ExampleClient_Sync() {
	ctx := context.Background()
	c, err := dialExample(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for ch, err := range c.Sync(ctx, "INBOX", &imapclient.FileCache{Dir: "state"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch ch.Kind {
		case imap.ChangeVanished:
			fmt.Println("gone:", ch.Vanished)
		case imap.ChangeFlags:
			fmt.Println("flags of", ch.Message.UID, "are now", ch.Message.Flags)
		case imap.ChangeNew:
			fmt.Println("new:", ch.Message.UID, ch.Message.Size, "octets")
		}
	}
}

// The first attachment of a message, decoded, into a file.
func ExampleClient_OpenPart() {
	save := func(ctx context.Context, c *imapclient.Client, uid imap.UID) error {
		path, err := imapclient.ParsePart("2")
		if err != nil {
			return err
		}
		p, err := c.OpenPart(ctx, uid, path)
		if err != nil {
			return err
		}
		defer p.Close()
		fmt.Println(p.Structure.Type, p.Structure.Subtype)
		f, err := os.Create("attachment")
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(f, p)
		return err
	}
	_ = save
}

// A message put into a mailbox, and moved on.
func ExampleClient_Append() {
	ctx := context.Background()
	c, err := dialExample(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	message := strings.NewReader("Subject: Hello\r\n\r\nHello!\r\n")
	at, err := c.Append(ctx, "Drafts", message, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if at == nil {
		return // the server does not tell where it is
	}
	if _, err := c.Select(ctx, "Drafts"); err != nil {
		fmt.Println(err)
		return
	}
	moved, err := c.MoveWith(ctx, at.UIDs, "Archive", &imapclient.MoveOptions{Fallback: true})
	fmt.Println(moved, err)
}
