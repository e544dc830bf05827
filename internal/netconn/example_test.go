package netconn_test

import (
	"fmt"
	"io"
	"os"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

// A client's exchange under a trace, which does not show the password. A
// client flushes by itself: only so is it sure that what it reads next came
// after its command.
func ExampleConn() {
	conn, server := testkit.Pipe()
	_, _ = io.WriteString(server, "+OK ready\r\n+OK logged in\r\n")

	c := netconn.New(conn, netconn.Options{Trace: netconn.TraceWriter(os.Stdout, "")})
	_, _ = c.Reader().Line(512)
	_, _ = c.WriteString("PASS hunter2\r\n")
	_ = c.Flush()
	reply, err := c.Reader().Line(512)
	fmt.Printf("%s %v\n", reply, err)
	_ = c.CloseGracefully(0)
	// Output:
	// S: +OK ready
	// C: PASS <redacted 7 octets>
	// +OK logged in <nil>
	// S: +OK logged in
}
