package smtpserver_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// untilClosed reads all and says how long that took.
func untilClosed(t testing.TB, conn io.Reader) (string, time.Duration) {
	begin := time.Now()
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(out), time.Since(begin)
}

func TestTimeouts(t *testing.T) {
	const envelope = "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\n"
	tests := []struct {
		name, input string
		after       time.Duration
		want        string
		calls       string
	}{
		{"silence", "", 5 * time.Minute, "421 4.4.2 mx.example.org timeout, closing the channel\r\n", "close"},
		{"half a command", "EHL", time.Minute, "421 4.4.2 mx.example.org timeout, closing the channel\r\n", "close"},
		{"in a transaction", envelope, 5 * time.Minute, "250 2.1.5 Recipient OK\r\n421 4.4.2 mx.example.org timeout, closing the channel\r\n", "mail rcpt close"},
		{"in a message", envelope + "DATA\r\nMAIL FROM:<c@x.example>\r\n", 3 * time.Minute, "354 End data with <CR><LF>.<CR><LF>\r\n421 4.4.2 mx.example.org timeout, closing the channel\r\n", "mail rcpt data close"},
		{"in a chunk", envelope + "BDAT 100\r\nRSET\r\nMAIL FROM:<c@x.example>\r\n", 3 * time.Minute, "250 2.1.5 Recipient OK\r\n421 4.4.2 mx.example.org timeout, closing the channel\r\n", "mail rcpt data close"},
		{"between chunks", envelope + "BDAT 6\r\nRSET\r\n", 5 * time.Minute, "250 2.0.0 6 octets received\r\n421 4.4.2 mx.example.org timeout, closing the channel\r\n", "mail rcpt data close"},
		{"in a refused chunk", "BDAT 100\r\nNOOP\r\n", time.Minute, "421 4.4.2 mx.example.org timeout, closing the channel\r\n", "close"},
		{"before a message", envelope + "DATA\r\n", 3 * time.Minute, "354 End data with <CR><LF>.<CR><LF>\r\n421 4.4.2 mx.example.org timeout, closing the channel\r\n", "mail rcpt data close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{}
				l, stop := start(t, newServer(b))
				conn := dial(t, l)
				readGreeting(t, conn)
				_, err := io.WriteString(conn, tt.input)
				require.NoError(t, err)
				out, took := untilClosed(t, conn)
				require.True(t, strings.HasSuffix(out, tt.want), out)
				require.Equal(t, tt.after, took.Round(time.Second))
				stop()
				require.Equal(t, tt.calls, b.noted())
				require.Empty(t, b.got())
			})
		})
	}
}

// One octet a minute is too slow, and so is a transaction without end.
func TestSlowloris(t *testing.T) {
	slow := func(t *testing.T, interval time.Duration, limits func(*smtpserver.Limits)) (string, time.Duration) {
		b := &backend{}
		srv := newServer(b)
		limits(&srv.Limits)
		l, stop := start(t, srv)
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
		require.NoError(t, err)
		var writer sync.WaitGroup
		writer.Go(func() { _, _ = io.WriteString(testkit.SlowWriter(conn, interval), strings.Repeat("x", 5000)) })
		out, took := untilClosed(t, conn)
		_ = conn.Close()
		writer.Wait()
		stop()
		require.Empty(t, b.got())
		return out, took
	}
	synctest.Test(t, func(t *testing.T) {
		out, took := slow(t, time.Second, func(*smtpserver.Limits) {})
		require.Contains(t, out, "\r\n421 4.4.2 ")
		require.Less(t, took, 2*time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		out, took := slow(t, time.Second, func(l *smtpserver.Limits) { l.MinRate, l.TransactionTimeout = -1, 10*time.Minute })
		require.Contains(t, out, "\r\n421 4.4.2 ")
		require.Equal(t, 10*time.Minute, took.Round(time.Second))
	})
}

// A client that pipelines and does not read is not waited for, nor kept in
// memory.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(&backend{})
		srv.Limits.MaxNoops = -1
		l, stop := start(t, srv)
		conn := dial(t, l)
		readGreeting(t, conn)
		begin := time.Now()
		var err error
		for err == nil {
			_, err = io.WriteString(conn, strings.Repeat("NOOP\r\n", 1000))
		}
		require.Less(t, conn.Sent(), int64(1<<20))
		require.LessOrEqual(t, time.Since(begin), 3*time.Minute)
		stop()
	})
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(&backend{})
		srv.Auth = testAuth(true)
		srv.Limits = smtpserver.Limits{GreetDelay: time.Minute}
		l, _ := start(t, srv)
		begin := time.Now()
		conn := dial(t, l)
		readGreeting(t, conn)
		require.Equal(t, time.Minute, time.Since(begin))

		// The sixth error is the first that is late; the 20th is the last.
		_, err := io.WriteString(conn, strings.Repeat("XYZZY\r\n", 30))
		require.NoError(t, err)
		out, took := untilClosed(t, conn)
		require.Equal(t, 20, strings.Count(out, "500 5.5.1 "))
		require.Equal(t, 15*time.Second, took.Round(time.Second))

		conn = dial(t, l)
		readGreeting(t, conn)
		_, err = io.WriteString(conn, "EHLO c\r\n"+strings.Repeat("AUTH PLAIN AHRpbQB3cm9uZw==\r\n", 4))
		require.NoError(t, err)
		out, took = untilClosed(t, conn)
		require.Equal(t, 3, strings.Count(out, "535 5.7.8 "))
		require.Equal(t, 3*time.Second, took.Round(time.Second))
	})
}

// Shutdown ends an idle session at once and one in a transaction when that
// is over.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{started: make(chan struct{}), release: make(chan struct{})}
		srv := newServer(b)
		l, _ := start(t, srv)
		idle, busy := dial(t, l), dial(t, l)
		readGreeting(t, idle)
		readGreeting(t, busy)
		_, err := io.WriteString(busy, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
		require.NoError(t, err)
		<-b.started
		begin := time.Now()
		done := make(chan error)
		go func() { done <- srv.Shutdown(context.Background()) }()
		out, err := io.ReadAll(idle)
		require.NoError(t, err)
		require.Equal(t, "421 4.3.2 mx.example.org shutting down\r\n", string(out))
		_ = idle.Close()
		require.Less(t, time.Since(begin), 3*time.Second)
		_, err = io.WriteString(busy, "hi\r\n.\r\n")
		require.NoError(t, err)
		b.release <- struct{}{}
		out, err = io.ReadAll(busy)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(out), "\r\n250 2.0.0 queued as 1\r\n421 4.3.2 mx.example.org shutting down\r\n"), "%s", out)
		_ = busy.Close()
		require.NoError(t, <-done)
		require.Len(t, b.got(), 1)
		require.ErrorIs(t, srv.Serve(testkit.NewListener()), smtpserver.ErrServerClosed)
	})
}

// A client that was asked for its password and does not answer is idle.
func TestShutdownWithinAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(&backend{})
		srv.Auth = testAuth(true)
		l, _ := start(t, srv)
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, "EHLO c\r\nAUTH LOGIN\r\n")
		require.NoError(t, err)
		synctest.Wait()
		begin := time.Now()
		done := make(chan error)
		go func() { done <- srv.Shutdown(context.Background()) }()
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(out), "\r\n334 VXNlcm5hbWU6\r\n421 4.3.2 mx.example.org shutting down\r\n"), "%s", out)
		_ = conn.Close()
		require.Less(t, time.Since(begin), 3*time.Second)
		require.NoError(t, <-done)
	})
}

// A deadline that passes while the backend works does not eat the reply.
func TestSlowBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{release: make(chan struct{})}
		srv := newServer(b)
		srv.Limits.TransactionTimeout = time.Minute
		l, _ := start(t, srv)
		conn := dial(t, l)
		readGreeting(t, conn)
		_, err := io.WriteString(conn, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n")
		require.NoError(t, err)
		time.Sleep(time.Hour)
		b.release <- struct{}{}
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(out), "\r\n250 2.0.0 queued as 1\r\n221 ")
	})
}
