package imaptest_test

import (
	"context"
	"fmt"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/sasl"
)

// The store is an ordinary Backend, which can be used without a server too.
func ExampleMemory() {
	m := imaptest.NewMemory()
	m.AddUser("alice", "secret")
	_, _ = m.Deliver("alice", "INBOX", "Subject: hello\r\n\r\nworld\r\n", imap.FlagFlagged)

	ctx := context.Background()
	session, _ := m.Open(ctx, sasl.Identity{User: "alice"}, nil)
	inbox, _ := session.Mailbox(ctx, "INBOX", imapserver.Examine)
	for info, err := range inbox.Messages(ctx, imap.UIDs(1, 100)) {
		fmt.Println(info.UID, info.Flags, info.Size, err)
	}
	// Output:
	// 1 [\Flagged \Recent] 25 <nil>
}
