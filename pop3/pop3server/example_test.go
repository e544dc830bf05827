package pop3server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

const letter = "Subject: hello\r\n\r\nHello.\r\n"

// hello is a maildrop with one letter that can not be deleted.
type hello struct{}

func (hello) Messages(context.Context) ([]pop3.Message, error) {
	return []pop3.Message{{Size: int64(len(letter)), UID: "hello"}}, nil
}
func (hello) Open(context.Context, int) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(letter)), nil
}
func (hello) Commit(context.Context, []int) error { return nil }
func (hello) Close() error                        { return nil }

func ExampleServer() {
	srv := &pop3server.Server{
		Domain: "pop.example.org",
		Backend: pop3server.BackendFunc(func(_ context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
			return hello{}, nil
		}),
		Auth: &sasl.Auth{
			Password:       func(_ context.Context, user, password string) error { return nil },
			AllowCleartext: true, // better: TLSConfig, and leave this out
		},
	}
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	go srv.Serve(l)
	defer srv.Close()

	conn, _ := net.Dial("tcp", l.Addr().String())
	fmt.Fprint(conn, "USER ada\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n")
	for s := bufio.NewScanner(conn); s.Scan(); {
		fmt.Println(s.Text())
	}
	conn.Close()
	// Output:
	// +OK pop.example.org POP3 ready
	// +OK Send PASS
	// +OK Maildrop has 1 messages (26 octets)
	// +OK 26 octets
	// Subject: hello
	//
	// Hello.
	// .
	// +OK Bye
}
