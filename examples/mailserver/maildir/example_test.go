package maildir_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/mailwire/mailwire/examples/mailserver/maildir"
)

func Example() {
	dir, err := os.MkdirTemp("", "maildir")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	store, err := maildir.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.Deliver(ctx, strings.NewReader("Subject: hello\r\n\r\nHi.\r\n")); err != nil {
		log.Fatal(err)
	}

	inbox, err := store.Folder(ctx, maildir.Inbox, maildir.ReadWrite)
	if err != nil {
		log.Fatal(err)
	}
	defer inbox.Close()
	if _, err := inbox.Store(ctx, []maildir.Range{maildir.All}, maildir.FlagChange{Op: maildir.Add, Flags: maildir.Seen}); err != nil {
		log.Fatal(err)
	}
	for m, err := range inbox.Messages(ctx, maildir.All) {
		if err != nil {
			log.Fatal(err)
		}
		c, err := inbox.Content(ctx, m.UID)
		if err != nil {
			log.Fatal(err)
		}
		b, _ := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		c.Close()
		fmt.Printf("%d %s %d octets\n%s", m.UID, m.Flags, m.Size, strings.ReplaceAll(string(b), "\r\n", "\n"))
	}
	// Output:
	// 1 S 23 octets
	// Subject: hello
	//
	// Hi.
}

func ExampleFolder_Copy() {
	dir, err := os.MkdirTemp("", "maildir")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := maildir.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.Create(ctx, "Archive/2024"); err != nil {
		log.Fatal(err)
	}
	inbox, err := store.Folder(ctx, maildir.Inbox, maildir.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer inbox.Close()
	for range 3 {
		if _, err := inbox.Append(ctx, strings.NewReader("\r\n"), nil); err != nil {
			log.Fatal(err)
		}
	}
	c, err := inbox.Copy(ctx, []maildir.Range{{First: 2, Last: 3}}, "Archive/2024")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Source, c.Dest)
	// Output: [2 3] [1 2]
}
