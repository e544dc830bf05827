package netconn_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

// tlsPair is a server's Conn after its handshake, and the client.
func tlsPair(t testing.TB, o netconn.Options) (*netconn.Conn, *tls.Conn) {
	t.Helper()
	srv, cli := testkit.TLS("mail.example.test")
	c, raw := pair(t, o)
	client := tls.Client(raw, cli)
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	require.NoError(t, c.StartTLS(t.Context(), srv))
	require.NoError(t, <-done)
	return c, client
}

func TestStartTLS(t *testing.T) {
	srv, cli := testkit.TLS("mail.example.test")
	srv.MinVersion, cli.MinVersion = 0, 0
	rawClient, rawServer := testkit.Pipe()
	s := netconn.New(rawServer, netconn.Options{Server: true})
	c := netconn.New(rawClient, netconn.Options{})
	defer s.Close()
	defer c.Close()
	done := make(chan error)
	go func() {
		_, _ = s.Reader().Line(0)
		_, _ = s.WriteString("220 go\r\n")
		done <- s.StartTLS(context.Background(), srv)
	}()
	send(t, c, "STARTTLS\r\n")
	assert.Equal(t, "220 go", line(t, c))
	assert.False(t, c.IsTLS())
	_, ok := c.TLSState()
	assert.False(t, ok)
	require.NoError(t, c.StartTLS(t.Context(), cli))
	require.NoError(t, <-done)
	assert.True(t, c.IsTLS())
	state, ok := c.TLSState()
	assert.True(t, ok)
	assert.EqualValues(t, tls.VersionTLS13, state.Version)
	assert.Zero(t, srv.MinVersion, "the caller's configuration is not changed")
	assert.Zero(t, cli.MinVersion)
	assert.Equal(t, netconn.ErrAlreadyTLS, c.StartTLS(t.Context(), cli))

	send(t, c, "EHLO a\r\n")
	require.NoError(t, c.Flush())
	assert.Equal(t, "EHLO a", line(t, s))
	send(t, s, "250 ok\r\n")
	go func() { done <- s.CloseGracefully(time.Second) }()
	assert.Equal(t, "250 ok", line(t, c))
	_, err := c.Reader().Line(0)
	assert.Equal(t, io.EOF, err, "the end is authenticated")
	require.NoError(t, c.CloseGracefully(0))
	require.NoError(t, <-done)
}

func TestTLSConfig(t *testing.T) {
	assert.EqualValues(t, tls.VersionTLS12, netconn.TLSConfig(nil).MinVersion)
	assert.EqualValues(t, tls.VersionTLS13, netconn.TLSConfig(&tls.Config{MinVersion: tls.VersionTLS13}).MinVersion)
}

// S1, S2: plaintext behind the command, in the same write, on both sides.
func TestStartTLSRefusesBufferedPlaintext(t *testing.T) {
	for name, tt := range map[string]struct {
		server bool
		sent   string
	}{
		"POP3 server": {true, "STLS\r\nCAPA\r\n"},
		"SMTP server": {true, "STARTTLS\r\nNOOP\r\n"},
		"IMAP server": {true, "A STARTTLS\r\nB NOOP\r\n"},
		"POP3 client": {false, "+OK\r\n+OK\r\nPLAIN\r\n.\r\n"},
		"SMTP client": {false, "220 go\r\n250-x\r\n250 AUTH LOGIN\r\n"},
		"IMAP client": {false, "A OK\r\n* CAPABILITY AUTH=PLAIN\r\n"},
		"one octet":   {false, "+OK\r\n+"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := testkit.TLS()
			c, peer := pair(t, netconn.Options{Server: tt.server})
			send(t, peer, tt.sent)
			line(t, c)
			send(t, c, "never sent")
			assert.Equal(t, netconn.ErrBufferedPlaintext, c.StartTLS(t.Context(), srv))
			assert.Zero(t, c.Buffered())
			_, err := c.Reader().Line(0)
			assert.Equal(t, netconn.ErrBufferedPlaintext, err)
			assert.Equal(t, netconn.ErrBufferedPlaintext, c.WaitInput(t.Context()))
			_, err = c.Write([]byte("x"))
			assert.Equal(t, netconn.ErrBufferedPlaintext, err)
			b, err := io.ReadAll(peer)
			require.NoError(t, err, "the connection ends")
			assert.Empty(t, b)
		})
	}
}

// S1, S6: plaintext in place of the handshake: it fails, and the connection
// with it.
func TestStartTLSPlaintextInHandshake(t *testing.T) {
	for _, server := range []bool{true, false} {
		srv, _ := testkit.TLS()
		srv.ServerName = "x"
		c, peer := pair(t, netconn.Options{Server: server})
		send(t, peer, "NOOP\r\nNOOP\r\nNOOP\r\n")
		err := c.StartTLS(t.Context(), srv)
		require.ErrorContains(t, err, "TLS handshake")
		_, rerr := c.Reader().Line(0)
		assert.Equal(t, err, rerr)
		_, werr := c.Write([]byte("x"))
		assert.Equal(t, err, werr)
		got, _ := io.ReadAll(peer)
		assert.NotContains(t, string(got), "NOOP")
		assert.ErrorIs(t, c.WaitInput(t.Context()), err)
	}
}

func TestStartTLSWrongName(t *testing.T) {
	srv, cli := testkit.TLS("mail.example.test")
	cli.ServerName = "other.example.test"
	c, raw := pair(t, netconn.Options{})
	done := make(chan error)
	go func() { done <- tls.Server(raw, srv).Handshake() }()
	err := c.StartTLS(t.Context(), cli)
	var ce *tls.CertificateVerificationError
	require.ErrorAs(t, err, &ce)
	assert.Error(t, <-done)
	_, err = c.WriteString("AUTH PLAIN secret\r\n")
	assert.ErrorAs(t, err, &ce)
}

func TestStartTLSWithoutConfig(t *testing.T) {
	c, _ := pair(t, netconn.Options{Server: true})
	assert.EqualError(t, c.StartTLS(t.Context(), nil), "no TLS configuration")
}

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := testkit.TLS()
		c, _ := pair(t, netconn.Options{Server: true, HandshakeTimeout: 10 * time.Second})
		start := time.Now()
		err := c.StartTLS(t.Context(), srv)
		assert.ErrorIs(t, err, netconn.ErrHandshakeTimeout)
		assert.EqualError(t, err, "TLS handshake: TLS handshake took too long: more than 10s")
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestHandshakeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := testkit.TLS()
		c, peer := pair(t, netconn.Options{Server: true})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		assert.ErrorIs(t, c.StartTLS(ctx, srv), context.DeadlineExceeded)
		_, err := io.ReadAll(peer)
		assert.NoError(t, err)
	})
}

func TestHandshakeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := testkit.TLS()
		c, _ := pair(t, netconn.Options{Server: true})
		go func() {
			time.Sleep(time.Second)
			c.InterruptRead(errFault)
		}()
		assert.ErrorIs(t, c.StartTLS(t.Context(), srv), errFault)
	})
}

func TestNewOverTLSConn(t *testing.T) {
	srv, cli := testkit.TLS()
	rawClient, rawServer := testkit.Pipe()
	defer rawServer.Close()
	server := tls.Server(rawServer, srv)
	done := make(chan error)
	go func() {
		_, err := io.WriteString(server, "* OK\r\n")
		done <- err
	}()
	c := netconn.New(tls.Client(rawClient, cli), netconn.Options{})
	defer c.Close()
	require.NoError(t, c.Handshake(t.Context()))
	require.NoError(t, c.Handshake(t.Context()))
	assert.True(t, c.IsTLS())
	assert.Equal(t, "* OK", line(t, c))
	require.NoError(t, <-done)
	assert.Equal(t, netconn.ErrAlreadyTLS, c.StartTLS(t.Context(), cli))
	assert.IsType(t, &net.TCPAddr{}, c.RemoteAddr())
	assert.IsType(t, &net.TCPAddr{}, c.LocalAddr())
}
