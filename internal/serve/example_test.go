package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/testkit"
)

// A session says when it waits for a command, and goodbye when the server
// shuts down meanwhile.
func ExampleServer() {
	ready := make(chan struct{})
	s := &serve.Server{Handler: func(ctx context.Context, s *serve.Session) error {
		_, _ = s.WriteString("220 ready\r\n")
		s.SetState(serve.StateIdle)
		close(ready)
		_, err := s.Reader().Line(512)
		if errors.Is(err, serve.ErrServerClosed) {
			_, _ = s.WriteString("421 closing\r\n")
		}
		return err
	}}
	l := testkit.NewListener()
	served := make(chan error)
	go func() { served <- s.Serve(l) }()

	client, _ := l.Dial(context.Background())
	<-ready
	go s.Shutdown(context.Background())
	said, _ := io.ReadAll(client)
	_ = client.Close()
	fmt.Printf("%q\n%v\n", said, <-served)
	// Output:
	// "220 ready\r\n421 closing\r\n"
	// serve: the server was shut down
}
