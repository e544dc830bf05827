package pop3server_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// say sends lines one at a time and returns the answers' first lines, the
// greeting first.
func (s *server) say(lines ...string) []string {
	s.t.Helper()
	out := s.exchange(strings.Join(lines, "\r\n") + "\r\n")
	return strings.Split(strings.TrimSuffix(out, "\r\n"), "\r\n")
}

func TestAPOP(t *testing.T) {
	b := newBackend()
	auth := &sasl.Auth{Secret: func(_ context.Context, user string) (string, error) {
		if user != "mrose" {
			return "", sasl.ErrFailed
		}
		return "tanstaaf", nil
	}}
	s := start(t, &pop3server.Server{Backend: b, Auth: auth})
	try := func(user, secret string) string {
		conn := s.dial()
		defer conn.Close()
		line := make([]byte, 200)
		n, err := conn.Read(line)
		require.NoError(t, err)
		greeting, ok := strings.CutPrefix(string(line[:n]), "+OK pop.example.test POP3 ready ")
		require.True(t, ok, string(line[:n]))
		stamp, ok := pop3.Timestamp(greeting)
		require.True(t, ok)
		require.True(t, strings.HasSuffix(stamp, "@pop.example.test>"))
		sum := md5.Sum([]byte(stamp + secret))
		_, err = io.WriteString(conn, "APOP "+user+" "+hex.EncodeToString(sum[:])+"\r\nQUIT\r\n")
		require.NoError(t, err)
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		return string(out)
	}
	assert.Equal(t, "+OK Maildrop has 3 messages (95 octets)\r\n+OK Bye\r\n", try("mrose", "tanstaaf"))
	for _, x := range [][2]string{{"mrose", "x"}, {"nobody", "tanstaaf"}} {
		assert.Equal(t, "-ERR [AUTH] Authentication failed\r\n+OK Bye\r\n", try(x[0], x[1]))
	}
	// A name that can not be in a timestamp.
	s = start(t, &pop3server.Server{Backend: b, Auth: auth, Domain: "My <Server>"})
	_, ok := pop3.Timestamp(strings.TrimPrefix(s.say("QUIT")[0], "+OK My <Server> POP3 ready "))
	assert.True(t, ok)
	// Not without secrets, and not before TLS where that is required.
	assert.Equal(t, "-ERR [AUTH] APOP is not offered", start(t, newServer(b)).say("APOP a " + strings.Repeat("0", 32))[1])
	s = start(t, &pop3server.Server{Backend: b, Auth: auth, RequireTLS: true})
	assert.Equal(t, "-ERR [AUTH] Encryption required, send STLS first", s.say("APOP a " + strings.Repeat("0", 32))[1])
}

func TestTooManyAttempts(t *testing.T) {
	srv := newServer(newBackend())
	srv.Auth.Before = func(context.Context, sasl.Claim) error { return sasl.ErrTooMany }
	assert.Equal(t, "-ERR [SYS/TEMP] Too many authentication attempts", start(t, srv).say("USER a", "PASS b")[2])
}

func TestReferral(t *testing.T) {
	to := pop3.Referral{User: strings.Repeat("ada/", 20), Host: "pop2.example.org", Port: 995}
	s := start(t, &pop3server.Server{Auth: anyone(), Backend: &fake{open: func() error { return pop3.Refer(to) }}})
	line := s.say("USER a", "PASS b")[2]
	assert.Equal(t, "-ERR ["+string(to.Code())+"] Try this server instead", line)
}

func TestUTF8(t *testing.T) {
	f := &fake{messages: func() ([]pop3.Message, error) {
		return []pop3.Message{{Size: 7, UID: "a"}, {Size: 7, UID: "b", UTF8: true}}, nil
	}}
	srv := &pop3server.Server{Backend: f, Auth: anyone()}
	srv.TLSConfig, _ = testkit.TLS()
	s := start(t, srv)
	s.play(fakeLogin + `
C: RETR 1
S: +OK <any>
S: A: b
S: .
C: RETR 2
S: -ERR [UTF8] Message 2 has a header in UTF-8, which needs UTF8
C: TOP 2 0
S: -ERR [UTF8] <any>
C: LIST
S: +OK <any>
S: 1 7
S: 2 7
S: .
C: UTF8
S: -ERR UTF8 is not permitted after the login
`)
	s.play(`
S: +OK <any>
C: UTF8
S: +OK UTF8 enabled
C: STLS
S: -ERR STLS is not permitted after UTF8
C: USER a
S: +OK <any>
C: PASS b
S: +OK <any>
C: RETR 2
S: +OK <any>
S: A: b
S: .
`)
}

func TestLang(t *testing.T) {
	srv := &pop3server.Server{Backend: &fake{}, Auth: anyone()}
	srv.Languages = []pop3.Language{{Tag: "en", Name: "English"}, {Tag: "de-AT", Name: "Österreichisch"}}
	srv.Translate = func(tag, text string) string {
		assert.Equal(t, "de-AT", tag)
		switch text {
		case "Language changed":
			return "Servus\r\n."
		case "Unknown command":
			return "[Kenn i nit] ü" + strings.Repeat("ü", 300)
		}
		return ""
	}
	s := start(t, srv)
	s.play(`
S: +OK <any>
C: LANG
S: +OK Language listing follows
S: en English
S: de-AT Österreichisch
S: .
C: LANG MUL
S: -ERR No such language
C: LANG DE
S: +OK de-AT Servus  .
C: XXXX
S: -ERR {{re:.Kenn i nit. [ü]{200,}}}
C: USER a
S: +OK Send PASS
C: LANG d
S: -ERR No such language
C: LANG *
S: +OK en Language changed
C: LANG de-at-1901
S: -ERR No such language
`)
	assert.Contains(t, s.exchange("CAPA\r\n"), "\r\nLANG\r\n")
	assert.Equal(t, "-ERR LANG is not offered", start(t, &pop3server.Server{Backend: &fake{}}).say("LANG")[1])
	s = start(t, &pop3server.Server{Backend: &fake{}, Languages: []pop3.Language{{Tag: "a b"}}})
	assert.Equal(t, "-ERR [SYS/PERM] The languages can not be listed", s.say("LANG")[1])
}

func TestLoginDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.AddUser("slow", "x")
		srv := newServer(b)
		srv.Policy.LoginDelay = 89500 * time.Millisecond
		srv.PolicyFor = func(_ context.Context, id sasl.Identity) pop3server.Policy {
			if id.Name() == "slow" {
				return pop3server.Policy{LoginDelay: time.Hour, Expires: true, ExpireDays: pop3.ExpireNever}
			}
			return srv.Policy
		}
		s := start(t, srv)
		try := func(user, password string) string { return s.say("USER "+user, "PASS "+password, "QUIT")[2] }
		assert.Contains(t, s.exchange("CAPA\r\n"), "\r\nLOGIN-DELAY 90 USER\r\n")
		assert.Contains(t, s.exchange("USER slow\r\nPASS x\r\nCAPA\r\n"), "\r\nLOGIN-DELAY 3600\r\nEXPIRE NEVER\r\n")
		assert.Contains(t, try("mrose", "tan staaf"), "+OK")
		assert.Equal(t, "-ERR [LOGIN-DELAY] Last login is too recent, try again later", try("mrose", "tan staaf"))
		assert.Equal(t, "-ERR [AUTH] Authentication failed", try("mrose", "wrong"), "nobody else learns of it")
		time.Sleep(89 * time.Second)
		assert.Contains(t, try("mrose", "tan staaf"), "[LOGIN-DELAY]")
		time.Sleep(time.Second)
		assert.Contains(t, try("mrose", "tan staaf"), "+OK")
		assert.Contains(t, try("slow", "x"), "[LOGIN-DELAY]")
		s.stop()
	})
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]int
		now := time.Now()
		f := &fake{
			messages: func() ([]pop3.Message, error) {
				return []pop3.Message{{UID: "a", Received: now.Add(-60 * 24 * time.Hour)}, {UID: "b", Received: now.Add(-59 * 24 * time.Hour)}, {UID: "c"}, {UID: "d"}}, nil
			},
			commit: func(d []int) error { got = append(got, d); return nil },
		}
		session := func(p pop3server.Policy, text string) {
			s := start(t, &pop3server.Server{Backend: f, Auth: anyone(), Policy: p})
			s.play(fakeLogin + text)
			s.stop()
		}
		const retr = "C: RETR 2\nS: +OK <any>\nS: A: b\nS: .\nC: RETR 4\nS: +OK <any>\nS: A: b\nS: .\nC: TOP 3 0\nS: +OK <any>\nS: A: b\nS: .\n"
		const quit = "C: QUIT\nS: +OK Bye\n--- close ---\n"
		session(pop3server.Policy{}, retr+quit)
		session(pop3server.Policy{Expires: true, ExpireDays: 60}, retr+"C: DELE 3\nS: +OK <any>\n"+quit)
		session(pop3server.Policy{Expires: true, ExpireDays: 60}, "--- client close ---\n")
		session(pop3server.Policy{Expires: true}, retr+"C: RSET\nS: +OK <any>\n"+quit)
		session(pop3server.Policy{Expires: true}, quit)
		session(pop3server.Policy{Expires: true, ExpireDays: pop3.ExpireNever}, retr+quit)
		assert.Equal(t, [][]int{nil, {0, 2}, {1, 3}, nil, nil}, got)
		s := start(t, &pop3server.Server{Backend: f, Auth: anyone(), Policy: pop3server.Policy{Expires: true}})
		assert.Contains(t, s.exchange("CAPA\r\n"), "\r\nEXPIRE 0\r\n")
		s.stop()
	})
}

// more is a maildrop with all that is optional.
type more struct {
	fakeDrop
	seen *[]int
}

func (m more) Seen(_ context.Context, i int) error {
	*m.seen = append(*m.seen, i)
	return errors.New("disk full")
}

func (m more) Envelope(_ context.Context, i int) (*pop3.Envelope, error) {
	switch i {
	case 0:
		return &pop3.Envelope{Info: [3]string{"host.example"}, From: "from@example.org", To: []string{"to@host.example"}}, nil
	case 1:
		return &pop3.Envelope{}, nil
	case 2:
		return nil, nil
	}
	return nil, pop3.Errorf("", "No envelope")
}

func TestSeenAndEnvelope(t *testing.T) {
	var seen []int
	f := &fake{messages: func() ([]pop3.Message, error) {
		return []pop3.Message{{UID: "a"}, {UID: "b"}, {UID: "c"}, {UID: "d"}}, nil
	}}
	s := start(t, &pop3server.Server{Auth: anyone(), Backend: pop3server.BackendFunc(func(context.Context, sasl.Identity) (pop3server.Maildrop, error) {
		return more{fakeDrop{f}, &seen}, nil
	})})
	s.play(fakeLogin + `
C: *ENV 1
S: +OK Envelope follows
S: host.example
S:
S:
S: from@example.org
S: to@host.example
S: .
C: *env 2
S: -ERR [SYS/TEMP] Local error in processing
C: *ENV 3
S: -ERR [SYS/TEMP] Local error in processing
C: *ENV 4
S: -ERR No envelope
C: *ENV 5
S: -ERR No such message, there are 4
C: RETR 3
S: +OK <any>
S: A: b
S: .
C: TOP 1 0
S: +OK <any>
S: A: b
S: .
C: RETR 9
S: -ERR <any>
`)
	s.stop()
	assert.Equal(t, []int{2}, seen)
	assert.Contains(t, s.log.String(), "disk full")
	s = start(t, &pop3server.Server{Auth: anyone(), Backend: &fake{}})
	s.play("S: +OK <any>\nC: *ENV 1\nS: -ERR Log in first\nC: USER a\nS: +OK <any>\nC: PASS b\nS: +OK <any>\nC: *ENV 1\nS: -ERR Unknown command\n")
}

// KPOP: a ticket comes before the greeting.
func TestConnect(t *testing.T) {
	trace := &lockedBuffer{}
	srv := &pop3server.Server{Backend: newBackend(), Trace: trace}
	srv.Connect = func(_ context.Context, c *pop3server.Conn, rw io.ReadWriter) (*sasl.Identity, error) {
		ticket := make([]byte, 6)
		if _, err := io.ReadFull(rw, ticket); err != nil {
			return nil, err
		}
		if string(ticket) != "TICKET" {
			return nil, pop3.ErrAuth
		}
		assert.NotNil(t, c.RemoteAddr())
		_, err := io.WriteString(rw, "WELCOME")
		return &sasl.Identity{User: "mrose", Mechanism: "KPOP"}, err
	}
	s := start(t, srv)
	const welcome = "WELCOME" + greeting
	assert.Equal(t, welcome+"+OK Send PASS\r\n+OK Maildrop has 3 messages (95 octets)\r\n+OK Bye\r\n", s.exchange("TICKETUSER mrose\r\nPASS anything\r\nQUIT\r\n"))
	assert.Equal(t, welcome+"+OK Send PASS\r\n-ERR [AUTH] Authentication failed\r\n+OK Bye\r\n", s.exchange("TICKETUSER ada\r\nPASS x\r\nQUIT\r\n"))
	assert.Equal(t, "-ERR [AUTH] Authentication failed\r\n", s.exchange("FORGEDUSER mrose\r\n"))
	s.stop()
	assert.NotContains(t, trace.String(), "TICKET")

	srv = &pop3server.Server{Backend: newBackend(), Auth: &sasl.Auth{Authorize: func(_ context.Context, user, authzid string) error {
		if user == "root" && authzid == "mrose" {
			return nil
		}
		return sasl.ErrNotAuthorized
	}}, Connect: func(context.Context, *pop3server.Conn, io.ReadWriter) (*sasl.Identity, error) {
		return &sasl.Identity{User: "root"}, nil
	}}
	s = start(t, srv)
	assert.Contains(t, s.exchange("USER mrose\r\nPASS x\r\n"), "+OK Maildrop has 3")
	assert.Contains(t, s.exchange("USER ada\r\nPASS x\r\n"), "-ERR [AUTH]")
	// Nobody has authenticated, and the server takes no passwords.
	srv = &pop3server.Server{Backend: newBackend(), Connect: func(context.Context, *pop3server.Conn, io.ReadWriter) (*sasl.Identity, error) { return nil, nil }}
	assert.Contains(t, start(t, srv).exchange("USER mrose\r\nPASS x\r\n"), "-ERR [AUTH] USER is not offered")
}

func TestXClient(t *testing.T) {
	var addr string
	var attrs []pop3.Attribute
	srv := newServer(newBackend())
	srv.TrustXClient = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	srv.Auth.Before = func(_ context.Context, c sasl.Claim) error {
		addr = c.Remote
		return nil
	}
	srv.Backend = pop3server.BackendFunc(func(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
		c, _ := pop3server.ConnFrom(ctx)
		attrs = c.XClient()
		assert.Equal(t, addr, c.RemoteAddr().String())
		return fakeDrop{&fake{}}, nil
	})
	s := start(t, srv)
	assert.Equal(t, []string{"+OK [XCLIENT] pop.example.test POP3 ready", "+OK Send PASS", "-ERR Malformed attribute ADDR", "-ERR Malformed attribute PORT",
		"-ERR XCLIENT: expected an attribute", "+OK Updated", "-ERR Send USER first", "+OK Updated", "+OK Send PASS", "+OK Maildrop has 2 messages (14 octets)",
		"-ERR XCLIENT is not permitted after the login"},
		s.say("USER mrose", "XCLIENT ADDR=x", "XCLIENT PORT=65536", "XCLIENT x", "XCLIENT ADDR=198.51.100.7 PORT=5 TTL=3", "PASS tan staaf", "XCLIENT ADDR=IPV6:2001:db8::7 SESSION=abc", "USER mrose", "PASS tan staaf", "XCLIENT TTL=1"))
	assert.Equal(t, "[2001:db8::7]:5", addr)
	assert.Equal(t, []pop3.Attribute{{Name: "PORT", Value: "5"}, {Name: "TTL", Value: "3"}, {Name: "ADDR", Value: "IPV6:2001:db8::7"}, {Name: "SESSION", Value: "abc"}}, attrs)

	srv = newServer(newBackend())
	srv.TrustXClient = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	assert.Equal(t, []string{strings.TrimSuffix(greeting, "\r\n"), "-ERR Not authorized to use XCLIENT"}, start(t, srv).say("XCLIENT ADDR=198.51.100.7"))
}

func TestProxyHeader(t *testing.T) {
	srv := newServer(newBackend())
	srv.TrustProxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	addr := ""
	srv.Auth.Before = func(_ context.Context, c sasl.Claim) error {
		addr = c.Remote
		return nil
	}
	s := start(t, srv)
	assert.Contains(t, s.exchange("PROXY TCP4 198.51.100.7 192.0.2.2 1234 110\r\nUSER mrose\r\nPASS tan staaf\r\n"), greeting+"+OK Send PASS\r\n+OK Maildrop")
	assert.Equal(t, "198.51.100.7:1234", addr)
	assert.Empty(t, s.exchange("USER mrose\r\n"))
}

// SDPS: the login name is handed over whole.
func TestWholeNames(t *testing.T) {
	for _, name := range []string{"user@host", "user+host", "a b@c", "jörg@example.org"} {
		var got string
		s := start(t, &pop3server.Server{Auth: anyone(), Backend: pop3server.BackendFunc(func(_ context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
			got = id.Name()
			return fakeDrop{&fake{}}, nil
		})})
		s.say("USER "+name, "PASS x", "QUIT")
		assert.Equal(t, name, got)
	}
}
