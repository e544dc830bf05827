package pop3client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	testkit.Main(m)
}

func script(t testing.TB, text string) *testkit.Script {
	t.Helper()
	s, err := testkit.ParseScript("script", []byte(text))
	require.NoError(t, err)
	return s
}

var plaintext = pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true, NoCapa: true}

// connect connects to a server that plays text.
func connect(t testing.TB, text string, o pop3client.Options) (*pop3client.Client, error) {
	t.Helper()
	return pop3client.NewClient(t.Context(), testkit.PlayServer(t, script(t, text), testkit.Player{}), &o)
}

// open is connect to a server that greets, with commands then as in text.
func open(t testing.TB, text string) *pop3client.Client {
	t.Helper()
	c, err := connect(t, "S: +OK ready\n"+text, plaintext)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSession(t *testing.T) {
	for name, cut := range map[string]testkit.Chunks{"whole": nil, "octets": testkit.OneByOne()} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := testkit.LoadScripts(t, "testdata/session.txt")[0]
			conn := testkit.PlayServer(t, s, testkit.Player{Cut: cut})
			c, err := pop3client.NewClient(ctx, conn, &pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true, Auth: sasl.Plain("", "mrose", "secret")})
			require.NoError(t, err)
			assert.Equal(t, "POP3 ready <1896.697170952@dbc.mtview.ca.us>", c.Greeting())
			assert.True(t, c.LoggedIn())
			assert.Equal(t, pop3.Capabilities{{Name: "EXPIRE", Params: []string{"60"}}}, c.Capabilities())
			assert.NotNil(t, c.RemoteAddr())
			_, ok := c.TLS()
			assert.False(t, ok)

			stat, err := c.Stat(ctx)
			require.NoError(t, err)
			assert.Equal(t, pop3.Stat{Count: 2, Size: 320}, stat)
			var sizes []pop3.ScanListing
			for l, err := range c.List(ctx) {
				require.NoError(t, err)
				sizes = append(sizes, l)
			}
			assert.Equal(t, []pop3.ScanListing{{Number: 1, Size: 120}, {Number: 2, Size: 200}}, sizes)
			size, err := c.Size(ctx, 2)
			require.NoError(t, err)
			assert.EqualValues(t, 200, size)
			var uids []pop3.UIDListing
			for l, err := range c.UIDL(ctx) {
				require.NoError(t, err)
				uids = append(uids, l)
			}
			assert.Equal(t, []pop3.UIDListing{{Number: 1, UID: "whqtswO00WBw418f9t5JxYwZ"}, {Number: 2, UID: "QhdPYR:00WBw1Ph7x7"}}, uids)
			uid, err := c.UID(ctx, 2)
			require.NoError(t, err)
			assert.Equal(t, "QhdPYR:00WBw1Ph7x7", uid)

			m, err := c.Retrieve(ctx, 1)
			require.NoError(t, err)
			assert.EqualValues(t, 120, m.Size)
			data, err := io.ReadAll(m)
			require.NoError(t, err)
			assert.Equal(t, "Subject: x\r\n\r\n.dot\r\n..\r\n", string(data))
			m, err = c.Top(ctx, 1, 0)
			require.NoError(t, err)
			assert.EqualValues(t, -1, m.Size)
			var b bytes.Buffer
			n, err := m.WriteTo(&b)
			require.NoError(t, err)
			assert.Equal(t, "Subject: x\r\n\r\n", b.String())
			assert.EqualValues(t, b.Len(), n)
			n, err = m.WriteTo(&b)
			require.NoError(t, err)
			assert.Zero(t, n)
			require.NoError(t, m.Close())

			require.NoError(t, c.Delete(ctx, 1))
			require.NoError(t, c.Reset(ctx))
			last, err := c.Last(ctx)
			require.NoError(t, err)
			assert.Equal(t, 1, last)
			require.NoError(t, c.Noop(ctx))
			var refused *pop3.Error
			require.ErrorAs(t, c.Delete(ctx, 3), &refused)
			assert.Equal(t, &pop3.Error{Code: pop3.CodeSysPerm, Message: "no such message", Command: "DELE 3"}, refused)
			r, err := c.Do(ctx, &pop3wire.Command{Verb: "xtnd", Arg: "XLST Subject"})
			require.NoError(t, err)
			assert.Equal(t, pop3wire.Reply{Text: "yes"}, r)
			_, err = c.Do(ctx, &pop3wire.Command{Verb: "retr", Number: 1})
			require.Error(t, err)
			_, err = c.Do(ctx, &pop3wire.Command{Verb: pop3wire.LIST})
			require.Error(t, err)
			require.NoError(t, c.Delete(ctx, 2))
			require.ErrorAs(t, c.Quit(ctx), &refused)
			assert.True(t, refused.Temporary())
			assert.ErrorIs(t, c.Noop(ctx), pop3client.ErrClosed)
		})
	}
}

// TestServer is our client against our server, in all TLS modes.
func TestServer(t *testing.T) {
	s := pop3test.NewServer(t)
	s.AddUser("ada", "secret")
	ctx := t.Context()
	for _, test := range []struct {
		name, addr string
		o          pop3client.Options
		tls        bool
	}{
		{"implicit", s.TLSAddr, pop3client.Options{TLS: pop3client.Implicit}, true},
		{"default", s.Addr, pop3client.Options{}, true},
		{"required", s.Addr, pop3client.Options{TLS: pop3client.Required}, true},
		{"opportunistic", s.Addr, pop3client.Options{TLS: pop3client.Opportunistic}, true},
		{"disabled", s.Addr, pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := "Subject: x\r\n\r\n.\r\n..two\r\nend\r\n"
			uid := s.Deliver("ada", want)
			o := test.o
			o.TLSConfig, o.User, o.Password = s.ClientTLS(), "ada", "secret"
			c, err := pop3client.Dial(ctx, test.addr, &o)
			require.NoError(t, err)
			state, ok := c.TLS()
			assert.Equal(t, test.tls, ok)
			assert.Equal(t, test.tls, state.HandshakeComplete)
			assert.Equal(t, "mailwire", c.Capabilities().Implementation())
			assert.False(t, test.tls && c.Capabilities().Has("STLS"))
			for l, err := range c.UIDL(ctx) {
				require.NoError(t, err)
				assert.Equal(t, pop3.UIDListing{Number: 1, UID: uid}, l)
			}
			m, err := c.Retrieve(ctx, 1)
			require.NoError(t, err)
			data, err := io.ReadAll(m)
			require.NoError(t, err)
			assert.Equal(t, want, string(data))
			assert.EqualValues(t, len(want), m.Size)
			require.NoError(t, c.Delete(ctx, 1))
			require.NoError(t, c.Quit(ctx))
			assert.Empty(t, s.Messages("ada"))
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		_, err := pop3client.Dial(ctx, s.TLSAddr, &pop3client.Options{TLS: pop3client.Implicit, TLSConfig: s.ClientTLS(), User: "ada", Password: "wrong"})
		require.ErrorIs(t, err, pop3.ErrAuth)
		assert.NotContains(t, err.Error(), "wrong")
	})
	t.Run("in use", func(t *testing.T) {
		o := &pop3client.Options{TLSConfig: s.ClientTLS(), Auth: sasl.Login("ada", "secret")}
		c, err := pop3client.Dial(ctx, s.Addr, o)
		require.NoError(t, err)
		_, err = pop3client.Dial(ctx, s.Addr, o)
		require.ErrorIs(t, err, pop3.ErrInUse)
		require.NoError(t, c.Quit(ctx))
	})
	t.Run("untrusted", func(t *testing.T) {
		_, err := pop3client.Dial(ctx, s.Addr, &pop3client.Options{User: "ada", Password: "secret"})
		require.ErrorContains(t, err, "certificate")
	})
}

func TestDialErrors(t *testing.T) {
	_, err := pop3client.Dial(t.Context(), "nowhere", nil)
	require.Error(t, err)
	down := errors.New("down")
	_, err = pop3client.Dial(t.Context(), "pop.example.org:995", &pop3client.Options{DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		assert.Equal(t, "tcp", network)
		assert.Equal(t, "pop.example.org:995", addr)
		return nil, down
	}})
	require.ErrorIs(t, err, down)
}

// S3: what an attacker on the way may do about TLS.
func TestTLSRequired(t *testing.T) {
	for name, text := range map[string]string{
		"stripped":   "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: .\n--- client close ---\n",
		"no CAPA":    "S: +OK\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR\n--- client close ---\n",
		"refused":    "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: -ERR no\n--- client close ---\n",
		"unknown":    "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: OK go\n--- client close ---\n",
		"continue":   "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: + go\n--- client close ---\n",
		"behind":     "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK\nS: +OK\nS: PLAIN\nS: .\n--- client close ---\n",
		"unasked":    "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nS: +OK\n--- client close ---\n",
		"plaintext":  "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK\n--- flush ---\nS: +OK Capability list follows\nS: SASL PLAIN\nS: .\n",
		"greets bad": "S: -ERR [SYS/TEMP] later\n--- client close ---\n",
		"greets +":   "S: +\n--- client close ---\n",
		"no POP3":    "S: 220 smtp ready\n--- client close ---\n",
		"closes":     "--- close ---\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, server := testkit.Pipe()
			done := make(chan struct{})
			var sent bytes.Buffer
			go func() {
				defer close(done)
				tee := &teeConn{server, &sent}
				_ = testkit.Player{Side: testkit.Server, Timeout: 2 * time.Second}.Play(tee, script(t, text))
				_ = server.Close()
			}()
			_, clientTLS := testkit.TLS()
			c, err := pop3client.NewClient(t.Context(), conn, &pop3client.Options{TLSConfig: clientTLS, User: "ada", Password: "hunter2"})
			require.Error(t, err)
			assert.Nil(t, c)
			<-done
			assert.NotContains(t, sent.String(), "hunter2")
			assert.NotContains(t, sent.String(), "ada")
			assert.NotContains(t, sent.String(), "AUTH")
		})
	}
}

// teeConn keeps what is read.
type teeConn struct {
	net.Conn
	b *bytes.Buffer
}

func (c *teeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.b.Write(p[:n])
	return n, err
}

func TestOpportunistic(t *testing.T) {
	_, clientTLS := testkit.TLS()
	o := pop3client.Options{TLS: pop3client.Opportunistic, TLSConfig: clientTLS, User: "ada", Password: "secret"}
	_, err := connect(t, "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: -ERR\n--- client close ---\n", o)
	require.ErrorIs(t, err, pop3client.ErrCleartextAuth)
	o.User = ""
	c, err := connect(t, "S: +OK\nC: CAPA\nS: -ERR\n--- client close ---\n", o)
	require.NoError(t, err)
	require.ErrorIs(t, c.Login(t.Context(), "ada", "secret"), pop3client.ErrCleartextAuth)
	require.ErrorIs(t, c.Auth(t.Context(), sasl.Plain("", "ada", "secret")), pop3client.ErrCleartextAuth)
	require.NoError(t, c.Close())
	// What CAPA said in cleartext is forgotten.
	c, err = connect(t, "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: X-EVIL\nS: .\nC: STLS\nS: +OK\n--- starttls ---\nC: CAPA\nS: +OK\nS: UIDL\nS: .\n--- client close ---\n", o)
	require.NoError(t, err)
	assert.Equal(t, pop3.Capabilities{{Name: "UIDL"}}, c.Capabilities())
	require.NoError(t, c.Close())
}

func TestImplicitTLSConn(t *testing.T) {
	s := pop3test.NewServer(t)
	conn, err := tls.Dial("tcp", s.TLSAddr, s.ClientTLS())
	require.NoError(t, err)
	c, err := pop3client.NewClient(t.Context(), conn, nil)
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))
}

func TestAuth(t *testing.T) {
	ctx := t.Context()
	start := "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN LOGIN EXTERNAL\nS: .\n"
	o := pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true}
	plain := sasl.Plain("", "ada", "secret")
	external := &sasl.Credentials{Certificate: true, Only: []string{"EXTERNAL"}}
	for _, test := range []struct {
		name, text string
		m          sasl.Mechanism
		check      func(error)
	}{
		{"refused", "C: AUTH PLAIN AGFkYQBzZWNyZXQ=\nS: -ERR [AUTH] no\n", plain, func(err error) {
			require.ErrorIs(t, err, pop3.ErrAuth)
			require.EqualError(t, err, "pop3: AUTH PLAIN: -ERR [AUTH] no")
		}},
		{"not offered", "", named{"CRAM-MD5"}, func(err error) { require.ErrorIs(t, err, sasl.ErrMechanism) }},
		{"login", "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: YWRh\nS: + UGFzc3dvcmQ6\nC: c2VjcmV0\nS: +OK\nC: CAPA\nS: -ERR\n", sasl.Login("ada", "secret"), func(err error) { require.NoError(t, err) }},
		{"quirk: bare plus", "C: AUTH LOGIN\nS: +\nC: YWRh\nS: +\nC: c2VjcmV0\nS: +OK\nC: CAPA\nS: -ERR\n", sasl.Login("ada", "secret"), func(err error) { require.NoError(t, err) }},
		{"quirk: text", "C: AUTH LOGIN\nS: + Your name, please\nC: YWRh\nS: + Go on.\nC: c2VjcmV0\nS: +OK\nC: CAPA\nS: -ERR\n", sasl.Login("ada", "secret"), func(err error) { require.NoError(t, err) }},
		{"quirk: +OK", "C: AUTH LOGIN\nS: +OK\nC: YWRh\nS: + \nC: c2VjcmV0\nS: +OK\nC: CAPA\nS: -ERR\n", sasl.Login("ada", "secret"), func(err error) { require.NoError(t, err) }},
		{"success too soon", "C: AUTH LOGIN\nS: + \nC: YWRh\nS: +OK\n--- client close ---\n", sasl.Login("ada", "secret"), func(err error) { require.ErrorIs(t, err, sasl.ErrProtocol) }},
		{"a challenge too many", "C: AUTH PLAIN AGFkYQBzZWNyZXQ=\nS: + eA==\nC: *\nS: -ERR\n", plain, func(err error) { require.ErrorIs(t, err, sasl.ErrProtocol) }},
		{"cancelled and good", "C: AUTH PLAIN AGFkYQBzZWNyZXQ=\nS: + eA==\nC: *\nS: +OK\n--- client close ---\n", plain, func(err error) { require.ErrorIs(t, err, sasl.ErrProtocol) }},
		{"bad base64", "C: AUTH LOGIN\nS: + e===\nC: *\nS: -ERR\n", sasl.Login("ada", "secret"), func(err error) {
			var bad *pop3wire.ParseError
			require.ErrorAs(t, err, &bad)
		}},
		{"quirk: an empty initial response asked for again", "C: AUTH EXTERNAL =\nS: + \nC: \nS: +OK\nC: CAPA\nS: -ERR\n", external, func(err error) { require.NoError(t, err) }},
		{"an empty initial response asked for too often", "C: AUTH EXTERNAL =\nS: + \nC: \nS: + \nC: *\nS: -ERR\n", external, func(err error) { require.ErrorIs(t, err, sasl.ErrProtocol) }},
		{"long", "C: AUTH PLAIN\nS: + \nC: {{re:[A-Za-z0-9+/=]{400,}}}\nS: +OK\nC: CAPA\nS: -ERR\n", sasl.Plain("", "ada", strings.Repeat("x", 300)), func(err error) { require.NoError(t, err) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := connect(t, start+test.text, o)
			require.NoError(t, err)
			test.check(c.Auth(ctx, test.m))
			require.NoError(t, c.Close())
		})
	}
}

type named struct{ name string }

func (n named) Name() string    { return n.name }
func (n named) Cleartext() bool { return false }
func (n named) Start(sasl.Line) (sasl.Exchange, []byte, error) {
	return nil, nil, errors.New("not to be started")
}

func TestLogin(t *testing.T) {
	c := open(t, "C: USER ada\nS: +OK\nC: PASS a b \nS: -ERR [LOGIN-DELAY] wait\nC: USER bob\nS: -ERR who\n")
	err := c.Login(t.Context(), "ada", "a b ")
	require.ErrorIs(t, err, pop3.ErrLoginDelay)
	require.EqualError(t, err, "pop3: PASS: -ERR [LOGIN-DELAY] wait")
	require.EqualError(t, c.Login(t.Context(), "bob", "x"), "pop3: USER: -ERR who")
	assert.False(t, c.LoggedIn())
}

// F4: nothing of a bad argument is sent.
func TestInjection(t *testing.T) {
	ctx := t.Context()
	for _, bad := range []string{"a\r\nDELE 1", "a\n", "a\r", "a\x00b"} {
		c := open(t, "C: NOOP\nS: +OK\n")
		var e *pop3wire.EncodeError
		require.ErrorAs(t, c.Login(ctx, bad, "x"), &e)
		require.ErrorAs(t, c.Login(ctx, "x", bad), &e)
		_, err := c.Do(ctx, &pop3wire.Command{Verb: pop3wire.Verb(bad)})
		require.ErrorAs(t, err, &e)
		_, err = c.Do(ctx, &pop3wire.Command{Verb: "XFOO", Arg: bad})
		require.ErrorAs(t, err, &e)
		_, err = c.Do(ctx, &pop3wire.Command{Verb: pop3wire.LANG, Arg: bad})
		require.ErrorAs(t, err, &e)
		for _, n := range []int{0, -1} {
			require.ErrorAs(t, c.Delete(ctx, n), &e)
			_, err = c.Retrieve(ctx, n)
			require.ErrorAs(t, err, &e)
			_, err = c.UID(ctx, n)
			require.ErrorAs(t, err, &e)
			_, err = c.Size(ctx, n)
			require.ErrorAs(t, err, &e)
		}
		_, err = c.Top(ctx, 1, -1)
		require.ErrorAs(t, err, &e)
		require.NoError(t, c.Noop(ctx), "nothing was sent, the connection is good")
	}
}

func TestBusy(t *testing.T) {
	ctx := t.Context()
	c := open(t, "C: RETR 1\nS: +OK\nS: a\nS: b\nS: .\nC: LIST\nS: +OK\nS: 1 1\nS: 2 2\nS: .\nC: NOOP\nS: +OK\n")
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	require.ErrorIs(t, c.Noop(ctx), pop3client.ErrBusy)
	_, err = c.Retrieve(ctx, 2)
	require.ErrorIs(t, err, pop3client.ErrBusy)
	for _, err := range c.List(ctx) {
		require.ErrorIs(t, err, pop3client.ErrBusy)
	}
	require.ErrorIs(t, c.Quit(ctx), pop3client.ErrBusy)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err = m.Read(make([]byte, 1))
	require.Error(t, err)
	for _, err := range c.List(ctx) {
		require.NoError(t, err)
		require.ErrorIs(t, c.Noop(ctx), pop3client.ErrBusy)
		break
	}
	require.NoError(t, c.Noop(ctx))
}

// F3: a dot, CR and LF slid over every boundary, the terminator cut anywhere.
func TestRetrieveBoundaries(t *testing.T) {
	for _, tail := range []string{".", "\r\n..\r\nx", "\r\n...", "\r", "\n.\n", ".\r\n"} {
		for _, at := range []int{0, 1, 2, 1022, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 16383, 32767, 32768} {
			var b bytes.Buffer
			body := strings.Repeat("x", at) + tail
			want := body + "\r\n"
			stuffed := strings.ReplaceAll("\r\n"+want, "\r\n.", "\r\n..")[2:]
			b.WriteString("+OK\r\n" + stuffed + ".\r\n")
			for _, cut := range []testkit.Chunks{testkit.Sizes(1 << 20), testkit.Random(uint64(at), 7)} {
				conn := answers("+OK ready\r\n", b.String(), "+OK\r\n")
				for i, r := range conn.answers {
					conn.answers[i] = testkit.ChunkReader(r, cut)
				}
				c, err := pop3client.NewClient(t.Context(), conn, &plaintext)
				require.NoError(t, err)
				m, err := c.Retrieve(t.Context(), 1)
				require.NoError(t, err)
				got, err := io.ReadAll(m)
				require.NoError(t, err)
				require.Equal(t, want, string(got), "%q at %d", tail, at)
				require.NoError(t, c.Noop(t.Context()), "in sync")
			}
		}
	}
}

// canned is a connection that says each of its answers once something was
// written since the one before.
type canned struct {
	net.Conn
	answers []io.Reader
	written bool
}

func (c *canned) Read(p []byte) (int, error) {
	for len(c.answers) > 0 {
		n, err := c.answers[0].Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		if !c.written {
			break
		}
		c.written = false
		c.answers = c.answers[1:]
	}
	return 0, io.EOF
}

func answers(texts ...string) *canned {
	c := &canned{}
	for _, s := range texts {
		c.answers = append(c.answers, strings.NewReader(s))
	}
	return c
}

func (c *canned) Write(p []byte) (int, error) {
	c.written = true
	return len(p), nil
}
func (c *canned) Close() error                     { return nil }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// F1: what is no end of a message.
func TestFalseEnds(t *testing.T) {
	for _, fake := range []string{"\n.\n", "\r.\r", "\r.\n", "\n.\r", "\n.\r\n", "\r.\r\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\r\n"} {
		c := open(t, "C: RETR 1\nS~ +OK\\r\\n"+strings.NewReplacer("\r", `\r`, "\n", `\n`, "\x00", `\0`).Replace("a"+fake+"+OK fake\r\n.\r\n")+"\nC: NOOP\nS: +OK true\n")
		m, err := c.Retrieve(t.Context(), 1)
		require.NoError(t, err)
		got, err := io.ReadAll(m)
		require.NoError(t, err)
		want := "a" + fake + "+OK fake\r\n"
		want = strings.ReplaceAll(want, "\r\n.", "\r\n")
		require.Equal(t, want, string(got))
		require.NoError(t, c.Noop(t.Context()))
	}
}

// A server that ends its lines with LF alone, as its greeting shows.
func TestLFServer(t *testing.T) {
	ctx := t.Context()
	c, err := connect(t, `
S~ +OK ready\n
C: STAT
S~ +OK 1 20\n
C: UIDL
S~ +OK\n1 x\n2 y\n.\n
C: RETR 1
S~ +OK\nSubject: x\n\n..a\r\n.\n
C: NOOP
S~ +OK\n
`, plaintext)
	require.NoError(t, err)
	_, err = c.Stat(ctx)
	require.NoError(t, err)
	n := 0
	for l, err := range c.UIDL(ctx) {
		require.NoError(t, err)
		n += l.Number
	}
	assert.Equal(t, 3, n)
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.NoError(t, err)
	assert.Equal(t, "Subject: x\r\n\r\n.a\r\n", string(data))
	require.NoError(t, c.Noop(ctx))
	require.NoError(t, c.Close())
}

// Lines of LF in a greeting that anybody may have sent say nothing of the
// server within TLS.
func TestLFGreetingBeforeTLS(t *testing.T) {
	ctx := t.Context()
	_, clientTLS := testkit.TLS()
	c, err := connect(t, `
S~ +OK ready\n
C: CAPA
S~ +OK\nSTLS\n.\n
C: STLS
S~ +OK\n
--- starttls ---
C: CAPA
S: +OK
S: UIDL
S: .
C: RETR 1
S~ +OK\r\na\n.\n+OK injected\r\n.\r\n
C: NOOP
S: +OK
`, pop3client.Options{TLSConfig: clientTLS})
	require.NoError(t, err)
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.NoError(t, err)
	assert.Equal(t, "a\n.\n+OK injected\r\n", string(data))
	require.NoError(t, c.Noop(ctx))
	require.NoError(t, c.Close())
}

func TestQuirks(t *testing.T) {
	ctx := t.Context()
	c := open(t, `
C: STAT
S: +OK 3 -2147483601
C: LIST
S: +OK
S: 1   120
S:  2	-5
S: garbage
S: 4 9999999999999999999999
S: 5
S: .
C: UIDL
S: +OK
S: 1   `+strings.Repeat("u", 80)+`
S: 3 caf\xc3\xa9 \x20
S: x
S: .
C: UIDL 3
S: +OK 0001abc
C: UIDL 4
S: +OK 5 abc
C: DELE 1
S: +OK
S:
C: NOOP
S: +ok
C: DELE 2
S: +OK
--- flush ---
S:
C: NOOP
S: +OKfine
`)
	stat, err := c.Stat(ctx)
	require.NoError(t, err)
	assert.Equal(t, pop3.Stat{Count: 3, Size: -1}, stat)
	var got []pop3.ScanListing
	bad := 0
	for l, err := range c.List(ctx) {
		if err != nil {
			var p *pop3wire.ParseError
			require.ErrorAs(t, err, &p)
			bad++
			continue
		}
		got = append(got, l)
	}
	assert.Equal(t, []pop3.ScanListing{{Number: 1, Size: 120}, {Number: 2, Size: -1}, {Number: 4, Size: -1}}, got)
	assert.Equal(t, 2, bad)
	var uids []pop3.UIDListing
	bad = 0
	for l, err := range c.UIDL(ctx) {
		if err != nil {
			bad++
			continue
		}
		uids = append(uids, l)
	}
	assert.Equal(t, []pop3.UIDListing{{Number: 1, UID: strings.Repeat("u", 80)}, {Number: 3, UID: "caf\xc3\xa9"}}, uids)
	assert.Equal(t, 1, bad)
	uid, err := c.UID(ctx, 3)
	require.NoError(t, err)
	assert.Equal(t, "0001abc", uid)
	_, err = c.UID(ctx, 4)
	require.Error(t, err)
	require.NoError(t, c.Delete(ctx, 1))
	require.NoError(t, c.Noop(ctx))
	require.NoError(t, c.Delete(ctx, 2))
	require.NoError(t, c.Noop(ctx))
}

// A server that closes the connection on CAPA.
func TestCapaCloses(t *testing.T) {
	scripts := []string{"S: +OK\nC: CAPA\n--- close ---\n", "S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK\n--- client close ---\n"}
	n := 0
	c, err := pop3client.Dial(t.Context(), "pop.example.org:110", &pop3client.Options{
		TLS: pop3client.Disabled, AllowCleartext: true, User: "a", Password: "b",
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			n++
			return testkit.PlayServer(t, script(t, scripts[n-1]), testkit.Player{}), nil
		},
	})
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	require.NoError(t, c.Close())
}

func TestQuit(t *testing.T) {
	ctx := t.Context()
	require.NoError(t, open(t, "C: QUIT\nS: +OK\n--- client close ---\n").Quit(ctx))
	require.NoError(t, open(t, "C: QUIT\n--- close ---\n").Quit(ctx), "nothing was to be removed")
	c := open(t, "C: DELE 1\nS: +OK\nC: QUIT\n--- close ---\n")
	require.NoError(t, c.Delete(ctx, 1))
	require.ErrorIs(t, c.Quit(ctx), io.ErrUnexpectedEOF)
}

func TestServerSaysGoodbye(t *testing.T) {
	c := open(t, "C: NOOP\nS: +OK\nS: -ERR [SYS/TEMP] Server shutting down\n--- close ---\n")
	require.NoError(t, c.Noop(t.Context()))
	var e *pop3.Error
	_, err := c.Stat(t.Context())
	require.ErrorAs(t, err, &e)
	assert.Equal(t, pop3.CodeSysTemp, e.Code)
	require.ErrorIs(t, c.Noop(t.Context()), pop3client.ErrClosed)
}

func TestTruncatedMessage(t *testing.T) {
	c := open(t, "C: RETR 1\nS: +OK 100 octets\nS: half\n--- close ---\n")
	m, err := c.Retrieve(t.Context(), 1)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, "half\r\n", string(data))
	_, err = m.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, m.Close())
	require.ErrorIs(t, c.Noop(t.Context()), pop3client.ErrClosed)
}

func TestTruncatedListing(t *testing.T) {
	c := open(t, "C: UIDL\nS: +OK\nS: 1 a\n--- close ---\n")
	var last error
	n := 0
	for _, err := range c.UIDL(t.Context()) {
		n++
		last = err
	}
	assert.Equal(t, 2, n)
	require.ErrorIs(t, last, io.ErrUnexpectedEOF)
}

// What is left unread is drained within a bound.
func TestAbandon(t *testing.T) {
	ctx := t.Context()
	body := strings.Repeat("S: a line of the message\n", 1000)
	c := open(t, "C: RETR 1\nS: +OK\n"+body+"S: .\nC: NOOP\nS: +OK\n")
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	_, err = m.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, c.Noop(ctx))

	o := plaintext
	o.MaxDrain = 1000
	c, err = connect(t, "S: +OK\nC: RETR 1\nS: +OK\n"+body+"S: .\n", o)
	require.NoError(t, err)
	m, err = c.Retrieve(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.ErrorIs(t, c.Noop(ctx), pop3client.ErrClosed)
}

func TestWriterFails(t *testing.T) {
	ctx := t.Context()
	c := open(t, "C: RETR 1\nS: +OK\nS: a\nS: .\nC: NOOP\nS: +OK\n")
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	full := errors.New("disk full")
	_, err = m.WriteTo(writerFunc(func([]byte) (int, error) { return 0, full }))
	require.ErrorIs(t, err, full)
	require.NoError(t, m.Close())
	require.NoError(t, c.Noop(ctx), "the connection is good")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := testkit.Pipe()
		go func() {
			_ = testkit.Player{Side: testkit.Server}.Play(server, script(t, "S: +OK\nC: RETR 1\nS: +OK\nS~ half a mess\n"))
		}()
		c, err := pop3client.NewClient(t.Context(), conn, &plaintext)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m, err := c.Retrieve(ctx, 1)
		require.NoError(t, err)
		begin := time.Now()
		_, err = io.ReadAll(m)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(begin))
		require.ErrorIs(t, c.Noop(t.Context()), pop3client.ErrClosed)
		_ = server.Close()
	})
	// A context that has ended already does no harm.
	c := open(t, "C: NOOP\nS: +OK\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Noop(ctx), context.Canceled)
	require.NoError(t, c.Noop(t.Context()))
}

func TestCommandTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := testkit.Pipe()
		go func() { _, _ = io.WriteString(server, "+OK\r\n") }()
		o := plaintext
		o.CommandTimeout = time.Hour
		c, err := pop3client.NewClient(t.Context(), conn, &o)
		require.NoError(t, err)
		begin := time.Now()
		var ne net.Error
		require.ErrorAs(t, c.Noop(t.Context()), &ne)
		assert.True(t, ne.Timeout())
		assert.Equal(t, time.Hour, time.Since(begin))
		_ = server.Close()
	})
}

func TestHugeReplies(t *testing.T) {
	for name, text := range map[string][2]string{
		"greeting": {"+OK ", "x"}, "blank lines": {"", "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := &canned{answers: []io.Reader{strings.NewReader(text[0]), endless(text[1])}, written: true}
			_, err := pop3client.NewClient(t.Context(), conn, &plaintext)
			require.Error(t, err)
		})
	}
	o := plaintext
	o.NoCapa = false
	conn := &canned{answers: []io.Reader{strings.NewReader("+OK\r\n"), io.MultiReader(strings.NewReader("+OK\r\n"), endless("X\r\n"))}}
	_, err := pop3client.NewClient(t.Context(), conn, &o)
	require.ErrorContains(t, err, "more than 1000 capabilities")
}

// One line that is too long costs itself, one without an end the connection.
func TestLongListing(t *testing.T) {
	c := open(t, "C: UIDL\nS: +OK\nS: 1 a\nS: 2 {{repeat:9000:x}}\nS: 3 c\nS: .\nC: NOOP\nS: +OK\n")
	var got []string
	for l, err := range c.UIDL(t.Context()) {
		if err != nil {
			l.UID = "error"
		}
		got = append(got, l.UID)
	}
	assert.Equal(t, []string{"a", "error", "c"}, got)
	require.NoError(t, c.Noop(t.Context()))

	c, err := pop3client.NewClient(t.Context(), &canned{answers: []io.Reader{strings.NewReader("+OK\r\n"),
		io.MultiReader(strings.NewReader("+OK\r\n"), endless("x"))}}, &plaintext)
	require.NoError(t, err)
	n := 0
	for _, err := range c.UIDL(t.Context()) {
		require.Error(t, err)
		n++
	}
	assert.Equal(t, 2, n)
	require.ErrorIs(t, c.Noop(t.Context()), pop3client.ErrClosed)
}

type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for len(p)-n >= len(e) {
		n += copy(p[n:], e)
	}
	return n, nil
}

func TestTrace(t *testing.T) {
	var trace bytes.Buffer
	o := plaintext
	o.Trace = &trace
	o.User, o.Password = "ada", "sesame open"
	c, err := connect(t, "S: +OK\nC: USER ada\nS: +OK\nC: PASS sesame open\nS: +OK\nC: RETR 1\nS: +OK\nS: private\nS: .\nC: QUIT\nS: +OK\n--- client close ---\n", o)
	require.NoError(t, err)
	m, err := c.Retrieve(t.Context(), 1)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, m)
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))
	assert.NotContains(t, trace.String(), "sesame")
	assert.NotContains(t, trace.String(), "private")
	assert.Contains(t, trace.String(), "C: RETR 1\nS: +OK\nS: <12 octets>\nC: QUIT\nS: +OK\n")
}

// A hundred thousand listings take a few allocations.
func TestListingAllocations(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("+OK\r\n")
	for i := range 100000 {
		b.Write(mustUID(t, i+1))
	}
	b.WriteString(".\r\n")
	var sum int64
	allocs := testing.AllocsPerRun(2, func() {
		conn := &canned{answers: []io.Reader{strings.NewReader("+OK\r\n"), bytes.NewReader(b.Bytes())}}
		c, err := pop3client.NewClient(context.Background(), conn, &plaintext)
		if err != nil {
			t.Fatal(err)
		}
		sum = 0
		for l, err := range c.UIDL(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			sum += int64(l.Number)
		}
	})
	assert.EqualValues(t, int64(100000*100001/2), sum)
	assert.Less(t, allocs, 60.0, "with those of the connection")
}

func mustUID(t testing.TB, n int) []byte {
	b, err := pop3wire.AppendUIDListing(nil, pop3.UIDListing{Number: n, UID: "0000001a4f3c2b" + strings.Repeat("x", n%10)})
	require.NoError(t, err)
	return b
}

func TestModeNames(t *testing.T) {
	assert.Equal(t, "Auto Implicit Required Opportunistic Disabled TLSMode(9)", strings.Join([]string{
		pop3client.Auto.String(), pop3client.Implicit.String(), pop3client.Required.String(),
		pop3client.Opportunistic.String(), pop3client.Disabled.String(), pop3client.TLSMode(9).String(),
	}, " "))
}

func BenchmarkRetrieve(b *testing.B) {
	wire.SetPoison(false)
	body := strings.Repeat(strings.Repeat("x", 74)+"\r\n", 10<<20/76)
	reply := "+OK\r\n" + body + ".\r\n"
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := pop3client.NewClient(context.Background(), answers("+OK\r\n", reply), &plaintext)
		require.NoError(b, err)
		m, err := c.Retrieve(context.Background(), 1)
		require.NoError(b, err)
		n, err := m.WriteTo(io.Discard)
		require.NoError(b, err)
		require.EqualValues(b, len(body), n)
	}
}

func BenchmarkUIDL100k(b *testing.B) {
	wire.SetPoison(false)
	var list bytes.Buffer
	list.WriteString("+OK\r\n")
	for i := range 100000 {
		list.Write(mustUID(b, i+1))
	}
	list.WriteString(".\r\n")
	b.SetBytes(int64(list.Len()))
	b.ReportAllocs()
	for b.Loop() {
		c, err := pop3client.NewClient(context.Background(), answers("+OK\r\n", list.String()), &plaintext)
		require.NoError(b, err)
		for _, err := range c.UIDL(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
