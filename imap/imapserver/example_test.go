package imapserver_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
)

// A server over mail in memory.
func Example() {
	store := imaptest.NewMemory()
	store.AddUser("alice", "secret")
	server := &imapserver.Server{Backend: store, Auth: store.Auth()}
	log.Fatal(server.ListenAndServe("127.0.0.1:1143"))
}

// A server is shut down as package net/http's is.
func ExampleServer_Shutdown() {
	store := imaptest.NewMemory()
	server := &imapserver.Server{Backend: store, Auth: store.Auth(), Greeting: "example.org"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()

	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	lines.Scan()
	fmt.Println(lines.Text())

	stopped := make(chan error)
	go func() { stopped <- server.Shutdown(context.Background()) }()
	lines.Scan()
	fmt.Println(lines.Text())
	conn.Close()
	fmt.Println(<-stopped, <-done == imapserver.ErrServerClosed)
	// Output:
	// * OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE SASL-IR AUTH=PLAIN AUTH=LOGIN] example.org
	// * BYE [UNAVAILABLE] Server is shutting down
	// <nil> true
}
