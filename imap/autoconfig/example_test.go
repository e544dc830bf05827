package autoconfig_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/mailwire/mailwire/imap/autoconfig"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

func ExamplePreset() {
	settings, ok := autoconfig.Preset("ann@gmail.com")
	if !ok {
		log.Fatal("not one of the large providers")
	}
	for _, p := range []autoconfig.Protocol{autoconfig.IMAP, autoconfig.POP3, autoconfig.Submission} {
		if server, ok := settings.Best(p); ok {
			fmt.Println(server)
		}
	}
	// Output:
	// imap imap.gmail.com:993, implicit TLS
	// pop3 pop.gmail.com:995, implicit TLS
	// submission smtp.gmail.com:465, implicit TLS
}

// From an address and a password to a connection.
func ExampleFinder() {
	ctx := context.Background()
	finder := &autoconfig.Finder{HTTP: http.DefaultClient, Directory: autoconfig.MozillaDirectory}
	settings, err := finder.Find(ctx, "ann@example.org")
	if err != nil {
		log.Fatal(err)
	}
	server, ok := settings.Best(autoconfig.IMAP)
	if !ok || settings.Confirm {
		log.Fatal("ask the user first")
	}
	options := &imapclient.Options{TLS: imapclient.Implicit, Auth: sasl.Plain("", server.User, "secret")}
	if server.Security == autoconfig.StartTLS {
		options.TLS = imapclient.Required
	}
	client, err := imapclient.Dial(ctx, server.Addr(), options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}
