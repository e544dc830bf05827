package testkit_test

import (
	"fmt"
	"io"

	"github.com/mailwire/mailwire/internal/testkit"
)

// The client's side of a script, played to a server that answers wrongly.
func ExamplePlayer() {
	script, _ := testkit.ParseScript("testdata/noop.txt", []byte("S: 220 <any>\nC: NOOP\nS: 250 {{re:.+}}\n"))
	client, server := testkit.Pipe()
	_, _ = io.WriteString(server, "220 mail.example.test\r\n500 what?\r\n")
	fmt.Println(testkit.Player{Side: testkit.Client}.Play(client, script))
	// Output:
	// testdata/noop.txt:3: expected "250 {{re:.+}}"
	//  got "500 what?"
}
