package sasl_test

// Whole exchanges of every mechanism: both sides against each other, with one
// octet changed anywhere, and against arbitrary octets.

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// fakeGSS is a security context that shares a key with its peer, in the shape
// of Kerberos: a token each, of which the second proves the acceptor.
type fakeGSS struct {
	key       []byte
	initiator bool
	target    string
	bindings  []byte
	peer      string
	step      int
	sent, got uint32
}

const kerberosUser = "ada@EXAMPLE.ORG"

func (f *fakeGSS) mac(parts ...[]byte) []byte {
	m := hmac.New(sha256.New, f.key)
	for _, p := range parts {
		binary.Write(m, binary.BigEndian, uint32(len(p)))
		m.Write(p)
	}
	return m.Sum(nil)
}

func (f *fakeGSS) Step(token []byte) ([]byte, bool, error) {
	f.step++
	switch {
	case f.initiator && f.step == 1:
		inner := append(f.mac([]byte("AP-REQ"), f.bindings), kerberosUser...)
		return sasl.AppendTokenHeader(nil, inner), false, nil
	case f.initiator && f.step == 2:
		if !hmac.Equal(token, f.mac([]byte("AP-REP"))) {
			return nil, false, errors.New("the acceptor is not proved")
		}
		return nil, true, nil
	case f.step == 1:
		inner, ok := sasl.CutTokenHeader(token)
		if !ok || len(inner) < sha256.Size || string(inner[sha256.Size:]) != kerberosUser || !hmac.Equal(inner[:sha256.Size], f.mac([]byte("AP-REQ"), f.bindings)) {
			return nil, false, errors.New("the ticket is not good")
		}
		f.peer = kerberosUser
		return f.mac([]byte("AP-REP")), true, nil
	}
	return nil, false, errors.New("a token too many")
}

func (f *fakeGSS) Wrap(msg []byte) ([]byte, error) {
	f.sent++
	return append(f.mac([]byte{byte(f.sent)}, msg), msg...), nil
}

func (f *fakeGSS) Unwrap(token []byte) ([]byte, error) {
	f.got++
	if len(token) < sha256.Size || !hmac.Equal(token[:sha256.Size], f.mac([]byte{byte(f.got)}, token[sha256.Size:])) {
		return nil, errors.New("the integrity is broken")
	}
	return token[sha256.Size:], nil
}

func (f *fakeGSS) Peer() string { return f.peer }

// fakeKDC gives contexts of both sides.
type fakeKDC struct{ key []byte }

func (k fakeKDC) Initiate(target string, bindings []byte) (sasl.GSSContext, error) {
	if target != "imap@mail.example.org" {
		return nil, errors.New("no ticket for " + target)
	}
	return &fakeGSS{key: k.key, initiator: true, target: target, bindings: bindings}, nil
}

func (k fakeKDC) Accept(service string, bindings []byte) (sasl.GSSContext, error) {
	return &fakeGSS{key: k.key, bindings: bindings}, nil
}

// A line of TLS 1.2, whose bindings are all there.
var bound = sasl.Line{
	Encrypted: true, Service: "imap", Host: "mail.example.org", Port: 993, Remote: "192.0.2.1:4711",
	Bindings:         sasl.Bindings{Exporter: []byte("exported"), Unique: []byte("finished"), EndPoint: []byte("certificate")},
	PeerCertificates: []*x509.Certificate{{Raw: []byte("ada's")}},
}

const thePassword = "correct horse battery staple"

// everything is a server that can check all there is, and a client that has
// all there is.
func everything(t testing.TB) (*sasl.Auth, *sasl.Credentials) {
	users := map[string]string{"ada": thePassword, "bob": "another"}
	a := &sasl.Auth{
		Password: passwords(users),
		Secret:   secrets(users),
		Token:    tokens(map[string]string{"token-of-ada": "ada"}),
		Certificate: func(_ context.Context, chain []*x509.Certificate) (string, error) {
			if string(chain[0].Raw) == "ada's" {
				return "ada", nil
			}
			return "", sasl.ErrFailed
		},
		Anonymous: func(_ context.Context, trace string) (string, error) { return "anybody", nil },
		GSSAPI:    fakeKDC{[]byte("session key")},
		Principal: func(_ context.Context, p string) (string, error) {
			if p == kerberosUser {
				return "ada", nil
			}
			return "", sasl.ErrFailed
		},
		Hostname: "mail.example.org", FakeKey: []byte("constant"), Iterations: 16,
	}
	a.SetNonce("servernonce")
	c := &sasl.Credentials{
		User: "ada", Password: thePassword, Token: always("token-of-ada"), Certificate: true,
		GSSAPI: fakeKDC{[]byte("session key")}, Anonymous: true, Trace: "ada@example.org", MinIterations: 16, MaxIterations: 32,
	}
	c.SetNonce("clientnonce")
	c.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return a, c
}

// message is one that may be changed on its way; toServer says which way.
type tamper func(n int, toServer bool, msg []byte) []byte

// converse runs an exchange as the protocols do and returns each side's
// verdict.
func converse(t testing.TB, a *sasl.Auth, c *sasl.Credentials, name string, line sasl.Line, change tamper) (id sasl.Identity, server, client error) {
	return converseLines(t, a, c, name, line, line, change)
}

func converseLines(t testing.TB, a *sasl.Auth, c *sasl.Credentials, name string, clientLine, serverLine sasl.Line, change tamper) (id sasl.Identity, server, client error) {
	if change == nil {
		change = func(_ int, _ bool, msg []byte) []byte { return msg }
	}
	s, err := a.Start(t.Context(), name, serverLine)
	if err != nil {
		return id, err, nil
	}
	m, err := c.Mechanism(t.Context(), name)
	if err != nil {
		return id, nil, err
	}
	clientLine.Offered = a.Mechanisms(serverLine)
	x, response, err := m.Start(clientLine)
	if err != nil {
		return id, nil, err
	}
	for n := 0; n < 20; n++ {
		if response != nil {
			response = change(n, true, response)
		}
		challenge, done, err := s.Next(response)
		if err != nil {
			require.False(t, done)
			require.Zero(t, s.Identity())
			return id, err, errors.New("refused by the server")
		}
		if done && challenge == nil {
			return s.Identity(), nil, x.Done()
		}
		challenge = change(n, false, challenge)
		if response, err = x.Next(challenge); err != nil {
			return id, errors.New("cancelled by the client"), err
		}
		if done {
			if len(response) > 0 {
				return id, errors.New("data behind the end"), x.Done()
			}
			return s.Identity(), nil, x.Done()
		}
	}
	require.FailNow(t, "no end", name)
	return id, nil, nil
}

func TestBothSidesOfAll(t *testing.T) {
	a, c := everything(t)
	offered := a.Mechanisms(bound)
	require.Equal(t, sasl.ServerMechanisms, offered, "everything is offered")
	for _, name := range offered {
		t.Run(name, func(t *testing.T) {
			id, server, client := converse(t, a, c, name, bound, nil)
			require.NoError(t, server)
			require.NoError(t, client)
			want := "ada"
			if name == "ANONYMOUS" {
				want = "anybody"
			}
			require.Equal(t, sasl.Identity{User: want, Mechanism: name}, id)
		})
	}
}

// authzids of the mechanisms that have them.
func TestAuthzidOfAll(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		a, c := everything(t)
		c.Authzid = "sha,red=box"
		c.User = "ada"
		m, err := c.Mechanism(t.Context(), name)
		if slices.Contains([]string{"LOGIN", "CRAM-MD5", "XOAUTH2"}, name) {
			require.ErrorIs(t, err, sasl.ErrMechanism, "%s can not tell it", name)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, name, m.Name())
		if name == "ANONYMOUS" {
			continue
		}
		_, server, _ := converse(t, a, c, name, bound, nil)
		require.ErrorIs(t, server, sasl.ErrNotAuthorized, name)
		a.Authorize = func(_ context.Context, user, authzid string) error {
			if user == "ada" && authzid == "sha,red=box" {
				return nil
			}
			return sasl.ErrNotAuthorized
		}
		id, server, client := converse(t, a, c, name, bound, nil)
		require.NoError(t, server, name)
		require.NoError(t, client, name)
		require.Equal(t, sasl.Identity{User: "ada", Authzid: "sha,red=box", Mechanism: name}, id)
	}
}

// Wrong credentials end in ErrFailed, unknown users too.
func TestWrongCredentials(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		if name == "ANONYMOUS" {
			continue
		}
		for _, wrong := range []func(a *sasl.Auth, c *sasl.Credentials){
			func(a *sasl.Auth, c *sasl.Credentials) {
				c.Password, c.Token, c.GSSAPI = "wrong", always("wrong"), fakeKDC{[]byte("wrong")}
				a.Certificate = func(context.Context, []*x509.Certificate) (string, error) { return "", sasl.ErrFailed }
			},
			func(a *sasl.Auth, c *sasl.Credentials) {
				c.User, c.Token = "mallory", always("mallory's")
				a.Principal = func(context.Context, string) (string, error) { return "", sasl.ErrFailed }
				a.Certificate = func(context.Context, []*x509.Certificate) (string, error) { return "", nil }
			},
		} {
			a, c := everything(t)
			wrong(a, c)
			id, server, client := converse(t, a, c, name, bound, nil)
			require.Error(t, server, name)
			require.Error(t, client, name)
			require.Zero(t, id)
			require.NotContains(t, server.Error()+client.Error(), "wrong", "no secret in an error")
			if name != "GSSAPI" && name[:3] != "GS2" {
				require.ErrorIs(t, server, sasl.ErrFailed, name)
			}
		}
	}
}

// mutations of an octet.
var mutations = []byte{0x01, 0x02, 0x10, 0x20, 0x40, 0x80, 0xff}

// What one changed octet may leave a success, and why:
//
//   - ANONYMOUS proves nothing: its trace is free text.
//   - EXTERNAL and GSSAPI carry the identity to act as. It is bound to nothing
//     in EXTERNAL (there it is empty, and nothing can be changed).
//   - LOGIN's prompts are free text that the client does not look at, and
//     OAUTHBEARER's host and port are claims that Auth.Token may check; a key
//     that is unknown must be ignored (RFC 7628 section 3.1).
//   - the scheme's name "Bearer" is case-insensitive, in XOAUTH2 too.
//   - DIGEST-MD5's directives have names that are case-insensitive and blanks
//     that do not count, and unknown ones must be ignored: the server's
//     charset and algorithm then go missing.
//   - SCRAM and GS2 have no exception.
func mayPass(name string, n int, toServer bool, before, after []byte) bool {
	switch name {
	case "ANONYMOUS":
		return toServer
	case "LOGIN":
		return !toServer
	case "OAUTHBEARER", "XOAUTH2":
		if bytes.EqualFold(before, after) {
			return true
		}
		auth := bytes.Index(before, []byte("auth="))
		same := len(before) == len(after) && bytes.Equal(before[auth:], after[auth:])
		return name == "OAUTHBEARER" && same && (bytes.HasPrefix(after, []byte("n,a=ada,\x01")) || bytes.HasPrefix(after, []byte("y,a=ada,\x01")))
	case "DIGEST-MD5":
		return digestEqual(before, after)
	}
	return false
}

// digestEqual reports whether what matters in a message of DIGEST-MD5 is the
// same in another.
func digestEqual(before, after []byte) bool {
	matters := []string{"username=", "nonce=", "nc=", "cnonce=", "digest-uri=", "response=", "rspauth=", "authzid="}
	a, b := bytes.ToLower(before), bytes.ToLower(after)
	for _, m := range matters {
		i, j := bytes.Index(a, []byte(m)), bytes.Index(b, []byte(m))
		if i < 0 && j < 0 {
			continue
		}
		if i < 0 || j < 0 {
			return false
		}
		end := bytes.IndexByte(a[i:], ',')
		if end < 0 {
			end = len(a) - i
		}
		if j+end > len(b) || !bytes.Equal(before[i+len(m):i+end], after[j+len(m):j+end]) {
			return false
		}
	}
	return true
}

// One octet changed in any message makes both sides' success impossible.
func TestOneOctetChanged(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		t.Run(name, func(t *testing.T) {
			passed := 0
			lengths := map[string]int{}
			a, c := everything(t)
			_, server, client := converse(t, a, c, name, bound, func(n int, toServer bool, msg []byte) []byte {
				lengths[fmt.Sprint(n, toServer)] = len(msg)
				return msg
			})
			require.NoError(t, server)
			require.NoError(t, client)
			for n := range 5 {
				for _, toServer := range []bool{true, false} {
					for at := range lengths[fmt.Sprint(n, toServer)] {
						for _, mutation := range mutations {
							var before, after []byte
							id, server, client := converse(t, a, c, name, bound, func(m int, to bool, msg []byte) []byte {
								if m != n || to != toServer || at >= len(msg) {
									return msg
								}
								before, after = msg, bytes.Clone(msg)
								after[at] ^= mutation
								return after
							})
							if server != nil || client != nil {
								continue
							}
							passed++
							require.True(t, mayPass(name, n, toServer, before, after), "octet %d of\n%q\n%q\n%v", at, before, after, id)
							if name != "ANONYMOUS" {
								require.Equal(t, "ada", id.Name())
							}
						}
					}
				}
			}
			t.Logf("%d changes did no harm", passed)
		})
	}
}

// A message that is lost, doubled or cut fails too.
func TestMessagesCut(t *testing.T) {
	for _, name := range sasl.ServerMechanisms {
		if name == "ANONYMOUS" || name == "LOGIN" {
			continue // free text
		}
		for n := range 4 {
			for _, toServer := range []bool{true, false} {
				for _, cut := range []func([]byte) []byte{
					func(m []byte) []byte { return m[:len(m)/2] },
					func(m []byte) []byte { return m[:len(m)-1] },
					func(m []byte) []byte { return append(bytes.Clone(m), m...) },
					func(m []byte) []byte { return append(bytes.Clone(m), 'x') },
				} {
					a, c := everything(t)
					changed := false
					_, server, client := converse(t, a, c, name, bound, func(k int, to bool, msg []byte) []byte {
						if k != n || to != toServer || len(msg) == 0 {
							return msg
						}
						changed = true
						return cut(bytes.Clone(msg))
					})
					if changed && name != "DIGEST-MD5" {
						require.False(t, server == nil && client == nil, "%s %d %t", name, n, toServer)
					}
				}
			}
		}
	}
}

// Success without the server's proof is none.
func TestServerMustProveItself(t *testing.T) {
	for _, name := range sasl.AllMechanisms {
		_, c := everything(t)
		c.Only = []string{name}
		line := bound
		line.Offered = []string{name}
		at, err := sasl.Begin(t.Context(), c, line)
		require.NoError(t, err, name)
		switch name {
		case "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "PLAIN", "ANONYMOUS":
			require.NoError(t, at.Done(), "%s proves the client alone", name)
		default:
			require.ErrorIs(t, at.Done(), sasl.ErrProtocol, name)
		}
	}
}

func FuzzServers(f *testing.F) {
	a, c := everything(f)
	for i, name := range sasl.ServerMechanisms {
		var sent [][]byte
		converse(f, a, c, name, bound, func(_ int, toServer bool, msg []byte) []byte {
			if toServer {
				sent = append(sent, msg)
			}
			return msg
		})
		sent = append(sent, nil, nil)
		f.Add(byte(i), sent[0], sent[1], []byte{}, uint16(0), byte(0))
		f.Add(byte(i), sent[0], sent[1], []byte("x"), uint16(9), byte(0x20))
	}
	f.Fuzz(func(t *testing.T, i byte, one, two, three []byte, at uint16, flip byte) {
		name := sasl.ServerMechanisms[int(i)%len(sasl.ServerMechanisms)]
		a.SetNonce(fmt.Sprintf("fresh%d", time.Now().UnixNano()))
		s, err := a.Start(t.Context(), name, bound)
		require.NoError(t, err)
		all := bytes.Join([][]byte{one, two, three}, nil)
		for _, msg := range [][]byte{one, two, three} {
			_, done, err := s.Next(msg)
			if err != nil {
				require.False(t, done)
				require.Zero(t, s.Identity())
				require.NotContains(t, err.Error(), thePassword)
				return
			}
			if !done {
				continue
			}
			switch name {
			case "ANONYMOUS", "EXTERNAL":
			case "PLAIN", "LOGIN":
				require.True(t, bytes.Contains(all, []byte(thePassword)) || bytes.Contains(all, []byte("another")))
			case "OAUTHBEARER", "XOAUTH2":
				require.True(t, bytes.Contains(all, []byte("token-of-ada")))
			case "GS2-KRB5", "GS2-KRB5-PLUS":
				// The fake Kerberos has no replay cache: the seed's token.
			default:
				require.Fail(t, "success without the secret", name)
			}
			return
		}
	})
}

func FuzzClients(f *testing.F) {
	a, c := everything(f)
	for i, name := range sasl.AllMechanisms {
		var sent [][]byte
		if slices.Contains(sasl.ServerMechanisms, name) {
			converse(f, a, c, name, bound, func(_ int, toServer bool, msg []byte) []byte {
				if !toServer {
					sent = append(sent, msg)
				}
				return msg
			})
		}
		sent = append(sent, nil, nil, nil)
		f.Add(byte(i), sent[0], sent[1], sent[2])
	}
	f.Add(byte(slices.Index(sasl.AllMechanisms, "NTLM")), ntlmChallenge, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, i byte, one, two, three []byte) {
		name := sasl.AllMechanisms[int(i)%len(sasl.AllMechanisms)]
		_, c := everything(t)
		c.SetNonce(fmt.Sprintf("fresh%d", time.Now().UnixNano()))
		c.GSSAPI = fakeKDC{[]byte(fmt.Sprint(time.Now().UnixNano()))}
		m, err := c.Mechanism(t.Context(), name)
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		for _, msg := range [][]byte{one, two, three} {
			response, err := x.Next(msg)
			if err != nil {
				require.NotContains(t, err.Error(), thePassword)
				return
			}
			require.NotNil(t, response, "an answer may be empty and is never nil")
			switch name {
			case "LOGIN", "CRAM-MD5", "NTLM":
				// These do not prove the server.
			default:
				require.Error(t, x.Done(), "success after what no server said")
			}
		}
	})
}
