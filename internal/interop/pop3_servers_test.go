//go:build interop

package interop

// Our POP3 client against Dovecot, Courier and Cyrus: each form of login and
// TLS, and every command, with messages that are hard to carry.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
)

// popServer is a server of another's with the users ada and bob.
type popServer struct {
	name      string
	addr      map[string]string // pop3, pop3s
	tls       *tls.Config
	fill      func(t *testing.T, user string, messages []string)
	clear     []string // the mechanisms that it offers in cleartext
	encrypted []string // and in TLS
	apop      bool     // it does APOP
	bare      bool     // it does AUTH without an argument
	userClear bool     // it takes USER and PASS in cleartext
	after     []string // capabilities after the login
	auth      bool     // it says [AUTH] when it refuses a password
	locks     bool     // a maildrop that is open is [IN-USE]
	slow      bool     // it takes its time to refuse a password
}

// hardMessages have what is hard to carry: dots, long lines, octets beyond
// ASCII, no body, a header alone, much of it.
func hardMessages() []string {
	const header = "From: bob@example.test\r\nTo: ada@example.test\r\nSubject: "
	messages := []string{
		"plain\r\n\r\nText.\r\n",
		"dots\r\n\r\n.\r\n..\r\n.x\r\n...\r\nx.\r\n.\r\n",
		"no body\r\n\r\n",
		"empty lines\r\n\r\n\r\n\r\n.\r\n\r\n\r\n",
		"a long line\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\n." + strings.Repeat("y", 4096) + ".\r\n",
		"octets\r\n\r\nUTF-8: \u00e9 \u4e2d; Latin-1: \xe9\xff\r\n\x01\x7f\r\n",
		"much\r\n\r\n" + strings.Repeat(".a line that begins with a dot and has seventy octets and some more\r\n", 20_000),
	}
	for i := range 60 {
		messages = append(messages, fmt.Sprintf("one of many, %d\r\n\r\n%s", i, strings.Repeat(fmt.Sprintf(".line of %d\r\n", i), i*i)))
	}
	for i, m := range messages {
		messages[i] = header + m
	}
	return messages
}

// intoMaildir writes messages with the line ends of Unix, in their order.
func intoMaildir(t *testing.T, maildir string, messages []string) {
	t.Helper()
	for _, sub := range []string{"", "new", "cur", "tmp"} {
		dir := filepath.Join(maildir, sub)
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.Chown(dir, 65534, 65534))
	}
	require.NoError(t, os.Chown(filepath.Dir(maildir), 65534, 65534))
	for i, m := range messages {
		path := filepath.Join(maildir, "new", fmt.Sprintf("%d.M%dP1.host", 1_700_000_000+i, i))
		require.NoError(t, os.WriteFile(path, []byte(unix(m)), 0o644))
		require.NoError(t, os.Chown(path, 65534, 65534))
	}
}

func popDovecot(t *testing.T, extra string) *popServer {
	d := startDovecot(t, "protocol pop3 {\n pop3_lock_session = yes\n pop3_enable_last = yes\n}\n"+extra)
	return &popServer{
		name: "Dovecot", addr: d.addr, tls: d.tls,
		fill: func(t *testing.T, user string, messages []string) {
			intoMaildir(t, filepath.Join(d.dir, "home", user, "Maildir"), messages)
		},
		clear: []string{"CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "ANONYMOUS"},
		// An address of this machine is as good as TLS to Dovecot.
		encrypted: dovecotMechanisms, apop: true, bare: true, userClear: true,
		after: []string{pop3.CapTop, pop3.CapUIDL, pop3.CapRespCodes, pop3.CapPipelining, pop3.CapAuthRespCode},
		auth:  true, locks: true,
	}
}

func popCourier(t *testing.T) *popServer {
	c := startCourier(t, "POP3_TLS_REQUIRED=0")
	return &popServer{
		name: "Courier", addr: c.addr, tls: c.tls,
		fill: func(t *testing.T, user string, messages []string) { intoMaildir(t, c.maildir(user), messages) },
		// Courier offers PLAIN and LOGIN in cleartext too: those are for the
		// test of USER and PASS.
		clear: []string{"CRAM-MD5"}, encrypted: []string{"PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL"}, userClear: true, slow: true,
		after: []string{pop3.CapTop, pop3.CapUIDL, pop3.CapUser, pop3.CapPipelining, pop3.CapUTF8},
	}
}

func popCyrus(t *testing.T, extra string) *popServer {
	c := startCyrus(t, extra)
	return &popServer{
		name: "Cyrus", addr: c.addr, tls: c.tls,
		fill: func(t *testing.T, user string, messages []string) {
			t.Helper()
			cl, err := imapclient.Dial(t.Context(), c.addr["imaps"], &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: c.tls, Auth: sasl.Plain("", user, password)})
			require.NoError(t, err)
			for _, m := range messages {
				_, err := cl.Append(t.Context(), "INBOX", strings.NewReader(m), nil)
				require.NoError(t, err, "%.100q", m)
			}
			require.NoError(t, cl.Logout(t.Context()))
		},
		clear:     []string{"CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"},
		encrypted: []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}, apop: true, bare: true,
		after: []string{pop3.CapTop, pop3.CapUIDL, pop3.CapRespCodes, pop3.CapPipelining, pop3.CapAuthRespCode, pop3.CapExpire},
		auth:  true, locks: false,
	}
}

func TestPOP3Dovecot(t *testing.T) { testPOP3Server(t, popDovecot(t, "")) }
func TestPOP3Courier(t *testing.T) { testPOP3Server(t, popCourier(t)) }
func TestPOP3Cyrus(t *testing.T)   { testPOP3Server(t, popCyrus(t, "")) }

// forms are the ways to set up a connection.
var popForms = []struct {
	name, service string
	mode          pop3client.TLSMode
}{
	{"clear", "pop3", pop3client.Disabled},
	{"STLS", "pop3", pop3client.Required},
	{"opportunistic", "pop3", pop3client.Opportunistic},
	{"implicit", "pop3s", pop3client.Implicit},
}

// dial connects without a login, or with that of o.
func (p *popServer) dial(t *testing.T, service string, o *pop3client.Options) (*pop3client.Client, error) {
	t.Helper()
	if o.TLSConfig == nil {
		o.TLSConfig = p.tls
	}
	c, err := pop3client.Dial(t.Context(), p.addr[service], o)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func (p *popServer) open(t *testing.T, user string) *pop3client.Client {
	t.Helper()
	c, err := p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, Auth: sasl.Plain("", user, password)})
	require.NoError(t, err)
	return c
}

func testPOP3Server(t *testing.T, p *popServer) {
	messages := hardMessages()
	p.fill(t, "ada", messages)
	t.Run("login", func(t *testing.T) { p.testLogin(t, len(messages)) })
	t.Run("read", func(t *testing.T) { p.testRead(t, messages) })
	t.Run("delete", func(t *testing.T) { p.testDelete(t, messages) })
	t.Run("in use", func(t *testing.T) {
		c := p.open(t, "ada")
		_, err := p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, Auth: sasl.Plain("", "ada", password)})
		if p.locks {
			require.ErrorIs(t, err, pop3.ErrInUse)
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, c.Quit(t.Context()))
		require.NoError(t, p.open(t, "ada").Quit(t.Context()))
	})
}

func (p *popServer) testLogin(t *testing.T, count int) {
	for _, form := range popForms {
		t.Run(form.name, func(t *testing.T) {
			login := func(t *testing.T, o *pop3client.Options, by func(*pop3client.Client) error) error {
				o.TLS = form.mode
				c, err := p.dial(t, form.service, o)
				if err != nil {
					return err
				}
				defer c.Close()
				_, encrypted := c.TLS()
				require.Equal(t, form.mode != pop3client.Disabled, encrypted)
				if by != nil {
					require.Equal(t, !encrypted, c.Capabilities().Has(pop3.CapSTLS))
					if err := by(c); err != nil {
						return err
					}
				}
				for _, name := range p.after {
					require.True(t, c.Capabilities().Has(name), "%s after the login: %v", name, c.Capabilities())
				}
				if _, err := c.Stat(t.Context()); err != nil {
					return err
				}
				return c.Quit(t.Context())
			}
			user := func(secret string) func(*pop3client.Client) error {
				return func(c *pop3client.Client) error { return c.Login(t.Context(), "ada", secret) }
			}
			apop := func(secret string) func(*pop3client.Client) error {
				return func(c *pop3client.Client) error { return c.APOP(t.Context(), "ada", secret) }
			}
			// A wrong password costs seconds: in one form alone.
			refused := func(t *testing.T, o *pop3client.Options, by func(*pop3client.Client) error) {
				t.Helper()
				if form.mode != pop3client.Required {
					return
				}
				err := login(t, o, by)
				var e *pop3.Error
				require.ErrorAs(t, err, &e)
				if p.auth {
					require.ErrorIs(t, err, pop3.ErrAuth)
				}
				require.NotContains(t, err.Error(), "wrong one")
			}
			t.Run("USER", func(t *testing.T) {
				if form.mode == pop3client.Disabled {
					require.ErrorIs(t, login(t, &pop3client.Options{}, user(password)), pop3client.ErrCleartextAuth)
					err := login(t, &pop3client.Options{AllowCleartext: true}, user(password))
					if p.userClear {
						require.NoError(t, err)
					} else {
						var e *pop3.Error
						require.ErrorAs(t, err, &e)
					}
					return
				}
				require.NoError(t, login(t, &pop3client.Options{}, user(password)))
				refused(t, &pop3client.Options{}, user("wrong one"))
			})
			t.Run("APOP", func(t *testing.T) {
				if !p.apop {
					require.ErrorIs(t, login(t, &pop3client.Options{}, apop(password)), pop3client.ErrNoAPOP)
					return
				}
				require.NoError(t, login(t, &pop3client.Options{}, apop(password)))
				refused(t, &pop3client.Options{}, apop("wrong one"))
			})
			mechanisms := p.encrypted
			if form.mode == pop3client.Disabled {
				mechanisms = p.clear
			}
			for _, c := range saslCases(mechanisms...) {
				t.Run(c.mechanism, func(t *testing.T) {
					require.NoError(t, login(t, &pop3client.Options{Auth: c.right, TLSConfig: c.clientTLS(p.tls)}, nil))
					if c.wrong != nil && !p.slow {
						refused(t, &pop3client.Options{Auth: c.wrong}, nil)
					}
				})
			}
			t.Run("AUTH without an argument", func(t *testing.T) {
				c, err := p.dial(t, form.service, &pop3client.Options{TLS: form.mode})
				require.NoError(t, err)
				offered := c.Capabilities().Mechanisms()
				for _, m := range mechanisms {
					if m == "EXTERNAL" && !slices.Contains(offered, m) {
						continue // offered to those who have shown a certificate
					}
					require.Contains(t, offered, m)
				}
				said, err := c.Mechanisms(t.Context())
				if !p.bare {
					var e *pop3.Error
					require.ErrorAs(t, err, &e)
					require.NoError(t, c.Quit(t.Context()))
					return
				}
				require.NoError(t, err)
				slices.Sort(offered)
				slices.Sort(said)
				require.Equal(t, offered, said)
				require.NoError(t, c.Quit(t.Context()))
			})
		})
	}
	c := p.open(t, "ada")
	s, err := c.Stat(t.Context())
	require.NoError(t, err)
	require.Equal(t, count, s.Count)
	require.NoError(t, c.Quit(t.Context()))
}

func readAll(t *testing.T, m *pop3client.Message, err error) string {
	t.Helper()
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.NoError(t, err)
	return string(data)
}

// listing is what LIST says, by number.
func listing(t *testing.T, c *pop3client.Client) map[int]int64 {
	t.Helper()
	sizes := map[int]int64{}
	for l, err := range c.List(t.Context()) {
		require.NoError(t, err)
		sizes[l.Number] = l.Size
	}
	return sizes
}

func (p *popServer) testRead(t *testing.T, messages []string) {
	ctx := t.Context()
	for _, window := range []int{1, 0} {
		t.Run(fmt.Sprintf("window %d", window), func(t *testing.T) {
			c, err := p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, Auth: sasl.Plain("", "ada", password), Window: window})
			require.NoError(t, err)
			stat, err := c.Stat(ctx)
			require.NoError(t, err)
			var total int64
			for n, size := range listing(t, c) {
				assert.EqualValues(t, len(messages[n-1]), size, "message %d", n)
				total += size
			}
			require.Equal(t, stat.Size, total)
			uids := map[string]int{}
			for l, err := range c.UIDL(ctx) {
				require.NoError(t, err)
				require.NotContains(t, uids, l.UID)
				require.True(t, pop3.ValidUID(l.UID))
				uids[strings.Clone(l.UID)] = l.Number
			}
			require.Len(t, uids, len(messages))
			for l, err := range c.UIDs(ctx, 3, 1) {
				require.NoError(t, err)
				require.Equal(t, l.Number, uids[l.UID])
			}
			uid, err := c.UID(ctx, 2)
			require.NoError(t, err)
			require.Equal(t, 2, uids[uid])
			size, err := c.Size(ctx, 2)
			require.NoError(t, err)
			require.EqualValues(t, len(messages[1]), size)
			n := 0
			for m, err := range c.RetrieveAll(ctx) {
				got := readAll(t, m, err)
				require.Equal(t, n+1, m.Number)
				require.True(t, messages[n] == got, "message %d is not as it was: %d octets of %d, %.300q", n+1, len(got), len(messages[n]), got)
				n++
			}
			require.Equal(t, len(messages), n)
			for n, m := range messages[:8] {
				got, err := c.Retrieve(ctx, n+1)
				require.True(t, m == readAll(t, got, err))
				header, body, _ := strings.Cut(m, "\r\n\r\n")
				top := func(lines int) string {
					m, err := c.Top(ctx, n+1, lines)
					return readAll(t, m, err)
				}
				require.Equal(t, header+"\r\n\r\n", top(0))
				first := strings.SplitAfterN(body, "\r\n", 3)
				require.True(t, header+"\r\n\r\n"+strings.Join(first[:min(2, len(first))], "") == top(2))
			}
			// A message left in its middle, a loop that ends early, a number too many.
			m, err := c.Retrieve(ctx, 5)
			require.NoError(t, err)
			_, err = io.ReadFull(m, make([]byte, 100))
			require.NoError(t, err)
			require.NoError(t, m.Close())
			for m, err := range c.RetrieveAll(ctx, 1, 2, 3, 4) {
				require.NoError(t, err)
				if m.Number == 2 {
					break
				}
			}
			var refused *pop3.Error
			var seen []int
			for m, err := range c.RetrieveAll(ctx, 1, len(messages)+1, 2) {
				if err != nil {
					require.ErrorAs(t, err, &refused)
					continue
				}
				seen = append(seen, m.Number)
			}
			require.Equal(t, []int{1, 2}, seen)
			require.NotNil(t, refused)
			_, err = c.UID(ctx, len(messages)+1)
			require.ErrorAs(t, err, &refused)
			require.NoError(t, c.Noop(ctx))
			require.NoError(t, c.Quit(ctx))
		})
	}
}

func (p *popServer) testDelete(t *testing.T, messages []string) {
	ctx := t.Context()
	c := p.open(t, "ada")
	require.NoError(t, c.Delete(ctx, 2))
	require.NotContains(t, listing(t, c), 2)
	var refused *pop3.Error
	_, err := c.Retrieve(ctx, 2)
	require.ErrorAs(t, err, &refused)
	require.ErrorAs(t, c.Delete(ctx, 2), &refused)
	require.NoError(t, c.Reset(ctx))
	require.Contains(t, listing(t, c), 2)
	require.NoError(t, c.DeleteAll(ctx, 1, 2))
	// Without QUIT nothing goes.
	require.NoError(t, c.Close())
	c = p.reopen(t, "ada")
	require.Len(t, listing(t, c), len(messages))
	err = c.DeleteAll(ctx, 2, len(messages)+1, 4)
	require.ErrorAs(t, err, &refused)
	require.NoError(t, c.Quit(ctx))
	c = p.reopen(t, "ada")
	require.Len(t, listing(t, c), len(messages)-2)
	for n, i := range []int{0, 2, 4} {
		m, err := c.Retrieve(ctx, n+1)
		require.True(t, messages[i] == readAll(t, m, err))
	}
	require.NoError(t, c.Quit(ctx))
}

// reopen opens a maildrop whose lock goes when the server has seen the
// connection's end.
func (p *popServer) reopen(t *testing.T, user string) *pop3client.Client {
	t.Helper()
	var c *pop3client.Client
	require.Eventually(t, func() bool {
		var err error
		c, err = p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, Auth: sasl.Plain("", user, password)})
		if !errors.Is(err, pop3.ErrInUse) {
			require.NoError(t, err)
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return c
}

// What only Dovecot has: LAST, and XCLIENT for proxies.
func TestPOP3DovecotExtensions(t *testing.T) {
	ctx := t.Context()
	trace := &lockedBuffer{}
	d := startDovecot(t, "login_trusted_networks = 127.0.0.0/8\nprotocol pop3 {\n pop3_enable_last = yes\n}\n")
	intoMaildir(t, filepath.Join(d.dir, "home", "ada", "Maildir"), hardMessages()[:3])
	for _, mode := range []pop3client.TLSMode{pop3client.Required, pop3client.Implicit} {
		service := map[pop3client.TLSMode]string{pop3client.Required: "pop3", pop3client.Implicit: "pop3s"}[mode]
		c, err := pop3client.Dial(ctx, d.addr[service], &pop3client.Options{
			TLS: mode, TLSConfig: d.tls, User: "ada", Password: password, Trace: trace,
			XClient: []pop3.Attribute{{Name: "ADDR", Value: "192.0.2.7"}, {Name: "PORT", Value: "4711"}},
		})
		require.NoError(t, err)
		_, err = c.Last(ctx)
		require.NoError(t, err)
		m, err := c.Retrieve(ctx, 2)
		readAll(t, m, err)
		n, err := c.Last(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, c.Quit(ctx))
	}
	require.Equal(t, 2, strings.Count(d.log(), "rip=192.0.2.7"), "the client that the proxy speaks for")
	require.NotContains(t, trace.String(), password)
}

// Cyrus lets nobody log in twice within a time, if asked to.
func TestPOP3CyrusLoginDelay(t *testing.T) {
	p := popCyrus(t, "popminpoll: 1\n")
	p.fill(t, "ada", hardMessages()[:1])
	c := p.open(t, "ada")
	delay, _, ok := c.Capabilities().LoginDelay()
	require.True(t, ok)
	require.Equal(t, time.Minute, delay)
	require.NoError(t, c.Quit(t.Context()))
	_, err := p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, Auth: sasl.Plain("", "ada", password)})
	require.ErrorIs(t, err, pop3.ErrLoginDelay)
}

// Cyrus binds SCRAM to TLS 1.2 alone, and offers it in TLS 1.3 too, where it
// refuses the binding that there is.
func TestPOP3CyrusBinding(t *testing.T) {
	p := popCyrus(t, "")
	p.fill(t, "ada", hardMessages()[:1])
	login := func(version uint16, name string) error {
		config := p.tls.Clone()
		config.MaxVersion = version
		c, err := p.dial(t, "pop3s", &pop3client.Options{TLS: pop3client.Implicit, TLSConfig: config,
			Auth: &sasl.Credentials{User: "ada", Password: password, Only: []string{name}}})
		if err != nil {
			return err
		}
		return c.Quit(t.Context())
	}
	for _, name := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		require.NoError(t, login(tls.VersionTLS12, name+"-PLUS"))
		require.NoError(t, login(tls.VersionTLS13, name))
		require.ErrorIs(t, login(tls.VersionTLS13, name+"-PLUS"), pop3.ErrAuth)
	}
}

// Names and headers of UTF-8, with Courier.
func TestPOP3CourierUTF8(t *testing.T) {
	ctx := t.Context()
	p := popCourier(t)
	m := "From: bob@example.test\r\nSubject: \u00e9t\u00e9 \u4e2d\r\n\r\nText.\r\n"
	p.fill(t, "ada", []string{m})
	for _, form := range popForms {
		c, err := p.dial(t, form.service, &pop3client.Options{TLS: form.mode, UTF8: true, Auth: &sasl.Credentials{User: "ada", Password: password, Only: []string{"CRAM-MD5"}}})
		require.NoError(t, err)
		require.True(t, c.UTF8Enabled())
		got, err := c.Retrieve(ctx, 1)
		require.Equal(t, m, readAll(t, got, err))
		require.NoError(t, c.Quit(ctx))
	}
	// Without it Courier wraps what has a header of UTF-8 in another message.
	c := p.open(t, "ada")
	require.False(t, c.UTF8Enabled())
	got, err := c.Retrieve(ctx, 1)
	require.Contains(t, readAll(t, got, err), m)
	require.NoError(t, c.Quit(ctx))
}
