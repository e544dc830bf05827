package smtpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// hooked is a session with every optional interface.
type hooked struct{ session }

func (h *hooked) Helo(_ context.Context, name string) error {
	if name == "bad" {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "not you")
	}
	return nil
}

func (h *hooked) Authenticated(_ context.Context, id sasl.Identity) error {
	if h.c.RemoteAddr() == nil || id.User != "tim" {
		return errors.New("who?")
	}
	return smtp.Errorf(535, smtp.EnhancedCode{5, 7, 8}, "not today, %s", id.User)
}

func (h *hooked) Verify(_ context.Context, name string) ([]string, error) {
	if name != "tim" {
		return nil, smtp.Errorf(553, smtp.EnhancedCode{5, 1, 4}, "ambiguous")
	}
	return []string{"Tim <tim@x.example>\r\n250 injected"}, nil
}

func (h *hooked) Expand(context.Context, string) ([]string, error) {
	return []string{"<a@x.example>", "<b@x.example>"}, nil
}

func TestHooks(t *testing.T) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		return &hooked{session{b: b, c: c}}, nil
	}))
	srv.Auth = testAuth(true)
	l, _ := start(t, srv)
	out := exchange(t, l, "EHLO bad\r\nMAIL FROM:<a@x.example>\r\nEHLO good\r\nEHLO bad\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n"+
		"VRFY tim\r\nVRFY tom\r\nEXPN list\r\nQUIT\r\n")
	require.Equal(t, "550 5.7.1 not you\r\n"+
		"503 5.5.1 Send EHLO first\r\n"+
		"250-mx.example.org greets good [192.0.2.1]\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN\r\n"+
		"550 5.7.1 not you\r\n"+
		"535 5.7.8 not today, tim\r\n"+
		"250 2.1.5 Tim <tim@x.example> 250 injected\r\n"+
		"553 5.1.4 ambiguous\r\n"+
		"250-2.1.5 <a@x.example>\r\n250 2.1.5 <b@x.example>\r\n"+
		"221 2.0.0 mx.example.org closing the channel\r\n", out)
}

// whoami answers VRFY with what the Conn knows.
type whoami struct{ session }

func (w *whoami) Verify(context.Context, string) ([]string, error) {
	id, ok := w.c.Identity()
	_, encrypted := w.c.TLS()
	if ok != (id.User != "") || w.c.ID() == 0 || w.c.Logger() == nil || w.c.LocalAddr() == nil || w.c.Server().Domain != "mx.example.org" {
		return nil, errors.New("inconsistent")
	}
	s := w.c.HeloName() + " " + id.User + " " + w.c.Protocol()
	if encrypted {
		s += " encrypted"
	}
	return []string{s}, nil
}

func TestConn(t *testing.T) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		if c.HeloName() != "" {
			return nil, errors.New("a name before EHLO")
		}
		return &whoami{session{b: b, c: c}}, nil
	}))
	srv.TLSConfig, srv.Auth = serverTLS(), testAuth(true)
	l, _ := start(t, srv)
	script, err := testkit.ParseScript("inline", []byte(`S: 220 <any>
C: HELO a
S: 250 <any>
C: VRFY x
S: 250 2.1.5 a SMTP
C: EHLO b
S: 250-<any>
S: 250-PIPELINING
S: 250-SIZE 10000
S: 250-8BITMIME
S: 250-CHUNKING
S: 250-SMTPUTF8
S: 250-ENHANCEDSTATUSCODES
S: 250-STARTTLS
S: 250 AUTH PLAIN LOGIN
C: VRFY x
S: 250 2.1.5 b ESMTP
C: STARTTLS
S: 220 <any>
--- starttls ---
C: VRFY x
S: 250 2.1.5 SMTP encrypted
C: EHLO c
S: 250-<any>
S: 250-PIPELINING
S: 250-SIZE 10000
S: 250-8BITMIME
S: 250-CHUNKING
S: 250-SMTPUTF8
S: 250-ENHANCEDSTATUSCODES
S: 250 AUTH PLAIN LOGIN
C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==
S: 235 <any>
C: MAIL FROM:<a@x.example> SMTPUTF8
S: 250 <any>
C: VRFY x
S: 250 2.1.5 c tim UTF8SMTPSA encrypted
C: QUIT
S: 221 <any>
--- close ---
`))
	require.NoError(t, err)
	require.NoError(t, testkit.Player{Side: testkit.Client}.Play(dial(t, l), script))
}

// tracer puts a trace field on top of what it keeps.
type tracer struct{ session }

func (s *tracer) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	return s.session.Data(ctx, env, io.MultiReader(strings.NewReader(s.c.Received(env, "4Xyz")), r))
}

func TestReceived(t *testing.T) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		return &tracer{session{b: b, c: c}}, nil
	}))
	l, stop := start(t, srv)
	exchange(t, l, "EHLO client.example.org\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n")
	stop()
	require.Regexp(t, regexp.MustCompile(`^Received: from client\.example\.org \(\[192\.0\.2\.1\]\)\r\n`+
		`\tby mx\.example\.org with ESMTP id 4Xyz\r\n\tfor <b@x\.example>;\r\n`+
		`\t[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} [-+][0-9]{4}\r\nhi\r\n$`), b.got()[0].data)
}

// recorder notes what passes it.
type recorder struct {
	smtpserver.Session
	name string
	b    *backend
}

func (r recorder) Mail(ctx context.Context, from smtp.Path, o *smtp.MailOptions) error {
	r.b.note(r.name)
	return r.Session.Mail(ctx, from, o)
}

func TestMiddleware(t *testing.T) {
	b := &backend{}
	srv := newServer(b)
	for _, name := range []string{"outer", "inner"} {
		srv.Middleware = append(srv.Middleware, func(s smtpserver.Session) smtpserver.Session { return recorder{s, name, b} })
	}
	l, stop := start(t, srv)
	exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nQUIT\r\n")
	stop()
	require.Equal(t, "outer inner mail close", b.noted())
}

func TestRefusedConnections(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{smtp.Errorf(554, smtp.EnhancedCode{5, 7, 1}, "listed in\r\n a blocklist"), "554 5.7.1 listed in a blocklist\r\n"},
		{smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "not you"), "554 5.7.1 not you\r\n"},
		{smtp.Errorf(450, smtp.EnhancedCode{4, 7, 0}, "later"), "421 4.7.0 later\r\n"},
		{errors.New("secret"), "421 4.3.0 Local error in processing\r\n"},
	} {
		srv := newServer(smtpserver.BackendFunc(func(context.Context, *smtpserver.Conn) (smtpserver.Session, error) { return nil, tt.err }))
		l, _ := start(t, srv)
		out, err := io.ReadAll(dial(t, l))
		require.NoError(t, err)
		require.Equal(t, tt.want, string(out))
	}

	srv := newServer(&backend{})
	srv.Limits.MaxConnsPerAddr = 1
	l, _ := start(t, srv)
	readGreeting(t, dial(t, l))
	out, err := io.ReadAll(dial(t, l))
	require.NoError(t, err)
	require.Equal(t, "421 4.7.0 mx.example.org too many connections from this address\r\n", string(out))
}

// hijacker takes the connection at the first MAIL.
type hijacker struct {
	session
	conn chan net.Conn
	in   chan io.Reader
}

func (h *hijacker) Mail(context.Context, smtp.Path, *smtp.MailOptions) error {
	conn, in, err := h.c.Hijack()
	if err != nil {
		return err
	}
	h.conn <- conn
	h.in <- in
	return nil
}

func TestHijack(t *testing.T) {
	b := &backend{}
	h := &hijacker{conn: make(chan net.Conn, 1), in: make(chan io.Reader, 1)}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		h.session = session{b: b, c: c}
		return h, nil
	}))
	l, stop := start(t, srv)
	client := dial(t, l)
	readGreeting(t, client)
	_, err := io.WriteString(client, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\n")
	require.NoError(t, err)
	conn, in := <-h.conn, bufio.NewReader(<-h.in)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "RCPT TO:<b@x.example>\r\n", line)
	_, err = io.WriteString(conn, "999 mine\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	out, err := io.ReadAll(client)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(out), "\r\n250 ENHANCEDSTATUSCODES\r\n999 mine\r\n"), "%s", out)
	stop()
	require.Equal(t, "close", b.noted())
}

// late keeps the reader of a message beyond its time.
type late struct {
	session
	r io.Reader
}

func (s *late) Data(_ context.Context, _ *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	s.r = r
	_, err := io.Copy(io.Discard, r)
	return nil, err
}

func (s *late) Reset(context.Context) {
	_, err := s.r.Read(make([]byte, 10))
	s.b.note(err.Error())
}

func TestReaderAfterData(t *testing.T) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		return &late{session: session{b: b, c: c}}, nil
	}))
	l, stop := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n")
	require.Contains(t, out, "\r\n250 2.0.0 Message accepted\r\n221 ")
	stop()
	require.Equal(t, "mail rcpt smtpserver: read of a message after Data returned close", b.noted())
}

func TestListenAndServe(t *testing.T) {
	require.EqualError(t, (&smtpserver.Server{}).Serve(testkit.NewListener()), "smtpserver: Server.Backend is not set")
	require.EqualError(t, (&smtpserver.Server{}).ServeTLS(testkit.NewListener()), "smtpserver: Server.Backend is not set")
	srv := newServer(&backend{})
	require.Error(t, srv.ListenAndServe("256.0.0.1:0"))
	require.Error(t, srv.ListenAndServeTLS("256.0.0.1:0"))
	require.Error(t, srv.ListenAndServeTLS("127.0.0.1:0")) // no TLSConfig
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorIs(t, srv.ListenAndServe("127.0.0.1:0"), smtpserver.ErrServerClosed)
}

func TestMessageFunc(t *testing.T) {
	var from, text string
	srv := newServer(smtpserver.MessageFunc(func(_ context.Context, env *smtp.Envelope, r io.Reader) error {
		b, err := io.ReadAll(r)
		from, text = env.From.String(), string(b)
		return err
	}))
	l, stop := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhi\r\n.\r\nRSET\r\nQUIT\r\n")
	stop()
	require.Contains(t, out, "\r\n250 2.0.0 Message accepted\r\n")
	require.Equal(t, "a@x.example", from)
	require.Equal(t, "hi\r\n", text)
}
