package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/examples/kerberos/krb5"
	"github.com/mailwire/mailwire/sasl"
)

// kdc is a realm EXAMPLE.ORG of its own: MIT's KDC, with the user ada and the service imap/localhost.
type kdc struct {
	dir  string
	conf string // krb5.conf
}

func (k *kdc) file(name string) string { return filepath.Join(k.dir, name) }

// env is the environment of a program that is to use the realm.
func (k *kdc) env() []string {
	return append(os.Environ(), "KRB5_CONFIG="+k.conf, "KRB5_KDC_PROFILE="+k.file("kdc.conf"), "KRB5CCNAME=FILE:"+k.file("ccache"),
		"KRB5_KTNAME=FILE:"+k.file("imap.keytab"), "KRB5RCACHETYPE=none")
}

// newKDC starts a KDC that ends with the test.
func newKDC(t *testing.T) *kdc {
	for _, name := range []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("MAILWIRE_INTEROP") == "required" {
				t.Fatalf("%s is not installed (krb5-kdc, krb5-admin-server, krb5-user)", name)
			}
			t.Skipf("%s is not installed (krb5-kdc, krb5-admin-server, krb5-user)", name)
		}
	}
	k := &kdc{dir: t.TempDir()}
	k.conf = k.file("krb5.conf")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(k.file(name), []byte(text), 0o600))
	}
	write("krb5.conf", fmt.Sprintf(`[libdefaults]
 default_realm = EXAMPLE.ORG
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 default_tkt_enctypes = aes256-cts-hmac-sha1-96
 default_tgs_enctypes = aes256-cts-hmac-sha1-96
[realms]
 EXAMPLE.ORG = {
  kdc = 127.0.0.1:%d
 }
[domain_realm]
 localhost = EXAMPLE.ORG
`, port))
	write("kdc.conf", fmt.Sprintf(`[kdcdefaults]
 kdc_listen = 127.0.0.1:%d
 kdc_tcp_listen = 127.0.0.1:%d
[realms]
 EXAMPLE.ORG = {
  database_name = %s
  key_stash_file = %s
  acl_file = %s
 }
[logging]
 kdc = FILE:%s
`, port, port, k.file("principal"), k.file("stash"), k.file("kadm5.acl"), k.file("kdc.log")))
	k.run(t, "", "kdb5_util", "create", "-s", "-r", "EXAMPLE.ORG", "-P", "master")
	for _, q := range []string{
		"addprinc -pw secret ada", "addprinc -randkey bob", "addprinc -randkey imap/localhost", "addprinc -randkey smtp/localhost",
		"ktadd -k " + k.file("imap.keytab") + " imap/localhost", "ktadd -k " + k.file("bob.keytab") + " bob",
	} {
		k.run(t, "", "kadmin.local", "-r", "EXAMPLE.ORG", "-q", q)
	}
	cmd := exec.Command("krb5kdc", "-n", "-r", "EXAMPLE.ORG", "-P", k.file("pid"))
	cmd.Env = k.env()
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = cmd.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	// It says so when it listens.
	for in := bufio.NewScanner(out); ; {
		if !in.Scan() {
			log, _ := os.ReadFile(k.file("kdc.log"))
			t.Fatalf("krb5kdc ended: %s", log)
		}
		if strings.Contains(in.Text(), "starting...") {
			go io.Copy(io.Discard, out)
			break
		}
	}
	k.run(t, "secret\n", "kinit", "ada")
	return k
}

func (k *kdc) run(t *testing.T, stdin, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdin = k.env(), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, args, out)
	return string(out)
}

func (k *kdc) client(t *testing.T) *client.Client {
	c, err := config.Load(k.conf)
	require.NoError(t, err)
	cl := client.NewWithPassword("ada", "EXAMPLE.ORG", "secret", c, client.DisablePAFXFAST(true))
	t.Cleanup(cl.Destroy)
	return cl
}

func (k *kdc) acceptor(t *testing.T) *krb5.Acceptor {
	kt, err := keytab.Load(k.file("imap.keytab"))
	require.NoError(t, err)
	return &krb5.Acceptor{Keytab: kt}
}

// exchange runs a client against a server, and counts the server's challenges.
func exchange(t *testing.T, c *sasl.Credentials, cl sasl.Line, a *sasl.Auth, mechanism string, sl sasl.Line) (sasl.Identity, error) {
	x, err := sasl.Begin(t.Context(), c, cl)
	if err != nil {
		return sasl.Identity{}, err
	}
	require.Equal(t, mechanism, x.Mechanism)
	s, err := a.Start(t.Context(), mechanism, sl)
	if err != nil {
		return sasl.Identity{}, err
	}
	response := x.Initial
	for range 10 {
		challenge, done, err := s.Next(response)
		if err != nil {
			return sasl.Identity{}, err
		}
		if done {
			if challenge != nil {
				if _, err := x.Next(challenge); err != nil {
					return sasl.Identity{}, err
				}
			}
			return s.Identity(), x.Done()
		}
		if response, err = x.Next(challenge); err != nil {
			return sasl.Identity{}, err
		}
	}
	t.Fatal("the exchange does not end")
	return sasl.Identity{}, nil
}

func TestExchanges(t *testing.T) {
	k := newKDC(t)
	initiator, acceptor := &krb5.Initiator{Client: k.client(t)}, k.acceptor(t)
	bound := func(b string) sasl.Line {
		return sasl.Line{Encrypted: true, Service: "imap", Host: "localhost", Bindings: sasl.Bindings{Exporter: []byte(b)}}
	}
	clear := sasl.Line{Service: "imap", Host: "localhost"}
	all := []string{"GSSAPI", "GS2-KRB5", "GS2-KRB5-PLUS"}
	other := clear
	other.Service = "smtp"
	tests := []struct {
		name           string
		mechanism      string
		client, server sasl.Line
		authzid        string
		fails          bool
	}{
		{"GSSAPI", "GSSAPI", clear, clear, "", false},
		{"GS2-KRB5", "GS2-KRB5", clear, clear, "", false},
		{"GS2-KRB5-PLUS", "GS2-KRB5-PLUS", bound("x"), bound("x"), "", false},
		{"as another", "GSSAPI", clear, clear, "list", false},
		{"as another", "GS2-KRB5", clear, clear, "list", false},
		{"as a forbidden one", "GSSAPI", clear, clear, "root", true},
		{"as a forbidden one", "GS2-KRB5", clear, clear, "root", true},
		{"another channel", "GS2-KRB5-PLUS", bound("x"), bound("y"), "", true},
		{"another service", "GSSAPI", other, clear, "", true},
		{"another service", "GS2-KRB5", other, clear, "", true},
	}
	auth := &sasl.Auth{
		GSSAPI: acceptor,
		Principal: func(_ context.Context, p string) (string, error) {
			name, ok := strings.CutSuffix(p, "@EXAMPLE.ORG")
			if !ok {
				return "", sasl.ErrFailed
			}
			return name, nil
		},
		Authorize: func(_ context.Context, user, authzid string) error {
			if user == "ada" && authzid == "list" {
				return nil
			}
			return sasl.ErrNotAuthorized
		},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.mechanism, func(t *testing.T) {
			cl := tt.client
			cl.Offered = all
			id, err := exchange(t, &sasl.Credentials{GSSAPI: initiator, Authzid: tt.authzid, Only: []string{tt.mechanism}}, cl, auth, tt.mechanism, tt.server)
			if tt.fails {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "ada", id.User)
			assert.Equal(t, tt.authzid, id.Authzid)
		})
	}
	_, err := initiator.Initiate("pop@localhost", nil)
	require.ErrorContains(t, err, "KDC_ERR_S_PRINCIPAL_UNKNOWN")
	_, err = initiator.Initiate("localhost", nil)
	require.ErrorContains(t, err, "service@host")
}

// An established context, message by message and octet by octet.
func TestContexts(t *testing.T) {
	k := newKDC(t)
	initiator, acceptor := &krb5.Initiator{Client: k.client(t)}, k.acceptor(t)
	establish := func() (i, a sasl.GSSContext, request, reply []byte) {
		i, err := initiator.Initiate("imap@LOCALHOST", nil)
		require.NoError(t, err)
		a, err = acceptor.Accept("imap", nil)
		require.NoError(t, err)
		_, err = i.Wrap([]byte("too early"))
		require.ErrorContains(t, err, "not established")
		_, err = a.Unwrap([]byte("too early"))
		require.ErrorContains(t, err, "not established")
		request, done, err := i.Step(nil)
		require.NoError(t, err)
		require.False(t, done)
		reply, done, err = a.Step(request)
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, "ada@EXAMPLE.ORG", a.Peer())
		return i, a, request, reply
	}
	i, a, request, reply := establish()
	out, done, err := i.Step(reply)
	require.NoError(t, err)
	require.True(t, done)
	require.Empty(t, out)
	for n, msg := range []string{"one", "", "three"} {
		for _, dir := range [][2]sasl.GSSContext{{i, a}, {a, i}} {
			token, err := dir[0].Wrap([]byte(msg))
			require.NoError(t, err)
			_, err = dir[0].Unwrap(token)
			require.Error(t, err, "a message came back to its sender")
			for at := range token {
				if at == 6 || at == 7 {
					continue // the rotation, which counts modulo the length
				}
				bad := bytes.Clone(token)
				bad[at] ^= 0x40
				_, err = dir[1].Unwrap(bad)
				require.Error(t, err, "octet %d changed", at)
				_, err = dir[1].Unwrap(token[:at])
				require.Error(t, err, "%d octets of it", at)
			}
			got, err := dir[1].Unwrap(rotate(token, n*5))
			require.NoError(t, err)
			require.Equal(t, msg, string(got))
			_, err = dir[1].Unwrap(token)
			require.ErrorContains(t, err, "sequence", "the same message twice")
		}
	}

	again, err := acceptor.Accept("imap", nil)
	require.NoError(t, err)
	_, _, err = again.Step(request)
	require.Error(t, err, "the same request twice")
	_, _, err = again.Step(request)
	require.Error(t, err)
	for at := 0; at < len(request); at += 7 {
		a, err := acceptor.Accept("imap", nil)
		require.NoError(t, err)
		_, done, err := a.Step(request[:at])
		require.Error(t, err)
		require.False(t, done)
	}
	i, _, _, reply = establish()
	other, _, _, _ := establish()
	_, done, err = other.Step(reply)
	require.Error(t, err, "the reply to another's request")
	require.False(t, done)
	// The proof is what is encrypted, at the end: a confounder, a time and a checksum.
	for at := len(reply) - 50; at < len(reply); at++ {
		bad := bytes.Clone(reply)
		bad[at] ^= 1
		_, done, err := i.Step(bad)
		require.ErrorContains(t, err, "does not have the service's key", "octet %d of the reply changed", at)
		require.False(t, done)
	}
	_, done, err = i.Step(reply)
	require.NoError(t, err)
	require.True(t, done)
}

// rotate turns a Wrap token's message and checksum to the right.
func rotate(token []byte, n int) []byte {
	out, body := bytes.Clone(token), token[16:]
	out[6], out[7] = byte(n>>8), byte(n)
	n %= len(body)
	copy(out[16:], body[len(body)-n:])
	copy(out[16+n:], body[:len(body)-n])
	return out
}

// GNU SASL over MIT's library, as each side: an exchange in base64 lines.
func TestGNUSASL(t *testing.T) {
	if _, err := exec.LookPath("gsasl"); err != nil {
		if os.Getenv("MAILWIRE_INTEROP") == "required" {
			t.Fatal("gsasl is not installed")
		}
		t.Skip("gsasl is not installed")
	}
	k := newKDC(t)
	line := sasl.Line{Service: "imap", Host: "localhost", Offered: []string{"GSSAPI", "GS2-KRB5"}}
	auth := &sasl.Auth{GSSAPI: k.acceptor(t), Principal: func(_ context.Context, principal string) (string, error) {
		return strings.TrimSuffix(principal, "@EXAMPLE.ORG"), nil
	}}
	for _, mechanism := range line.Offered {
		t.Run(mechanism+" client", func(t *testing.T) {
			p := k.gsasl(t, "--client", mechanism)
			s, err := auth.Start(t.Context(), mechanism, line)
			require.NoError(t, err)
			challenge, done, err := []byte(nil), false, error(nil)
			for range 10 {
				response := p.read()
				challenge, done, err = s.Next(response)
				require.NoError(t, err)
				if done {
					break
				}
				p.write(challenge)
			}
			require.True(t, done)
			require.Equal(t, "ada", s.Identity().User)
			p.write(challenge)
			p.end()
		})
		t.Run(mechanism+" server", func(t *testing.T) {
			p := k.gsasl(t, "--server", mechanism)
			x, err := sasl.Begin(t.Context(), &sasl.Credentials{GSSAPI: &krb5.Initiator{Client: k.client(t)}, Authzid: "ada", Only: []string{mechanism}}, line)
			require.NoError(t, err)
			p.read() // it begins with an empty challenge
			p.write(x.Initial)
			if mechanism == "GS2-KRB5" {
				p.agree()
			}
			for range 10 {
				if x.Done() == nil {
					break
				}
				response, err := x.Next(p.read())
				require.NoError(t, err)
				if x.Done() == nil && mechanism == "GS2-KRB5" {
					break
				}
				p.write(response)
			}
			require.NoError(t, x.Done())
			if mechanism == "GSSAPI" {
				p.agree()
			}
			p.end()
		})
	}
}

type gsasl struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	err *bytes.Buffer
}

func (k *kdc) gsasl(t *testing.T, role, mechanism string) *gsasl {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "gsasl", role, "--mechanism", mechanism, "--service", "imap", "--hostname", "localhost",
		"--authentication-id", "ada", "--authorization-id", "ada", "--no-cb", "--quiet")
	cmd.Env = k.env()
	p := &gsasl{t: t, cmd: cmd, err: &bytes.Buffer{}}
	cmd.Stderr = p.err
	var err error
	p.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewScanner(out)
	require.NoError(t, cmd.Start())
	return p
}

func (p *gsasl) read() []byte {
	for p.out.Scan() {
		_, text, asked := strings.Cut(p.out.Text(), "(y/n) ")
		if !asked {
			text = p.out.Text()
		}
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return b
		}
	}
	p.t.Fatalf("gsasl ended: %s", p.err)
	return nil
}

func (p *gsasl) write(b []byte) {
	_, err := fmt.Fprintln(p.in, base64.StdEncoding.EncodeToString(b))
	require.NoError(p.t, err)
}

// agree answers a server's question whether the principal may act as the user.
func (p *gsasl) agree() {
	_, err := fmt.Fprintln(p.in, "y")
	require.NoError(p.t, err)
}

func (p *gsasl) end() {
	fmt.Fprintln(p.in)
	p.in.Close()
	for p.out.Scan() {
	}
	require.NoError(p.t, p.cmd.Wait(), "gsasl: %s", p.err)
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	at chan struct{} // closed with the first line
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() == 0 && len(p) > 0 {
		close(b.at)
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The two commands against each other.
func TestProgram(t *testing.T) {
	k := newKDC(t)
	cert, key := certificate(t)
	ctx, cancel := context.WithCancel(t.Context())
	served, out := make(chan int, 1), &buffer{at: make(chan struct{})}
	var fault bytes.Buffer
	go func() {
		served <- run(ctx, []string{"serve", "-keytab", k.file("imap.keytab"), "-listen", "127.0.0.1:0", "-cert", cert, "-key", key}, out, &fault)
	}()
	select {
	case <-out.at:
	case code := <-served:
		t.Fatalf("serve ended with %d: %s", code, &fault)
	}
	words := strings.Fields(out.String())
	require.Equal(t, "imap/localhost@EXAMPLE.ORG", words[len(words)-1])
	_, port, err := net.SplitHostPort(strings.TrimSuffix(words[2], ","))
	require.NoError(t, err)
	login := []string{"login", "-config", k.conf, "-ca", cert}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{append(login, "-cache", k.file("ccache"), "localhost:"+port), 0, "logged in as ada@EXAMPLE.ORG\nINBOX\n"},
		{append(login, "-cache", k.file("ccache"), "-mechanism", "GS2-KRB5-PLUS", "localhost:"+port), 0, "logged in as ada@EXAMPLE.ORG\nINBOX\n"},
		{append(login, "-cache", k.file("ccache"), "-mechanism", "GSSAPI", "localhost:"+port), 0, "logged in as ada@EXAMPLE.ORG\nINBOX\n"},
		{append(login, "-keytab", k.file("bob.keytab"), "-principal", "bob@EXAMPLE.ORG", "localhost:"+port), 0, "logged in as bob@EXAMPLE.ORG\nINBOX\n"},
		{append(login, "-cache", k.file("ccache"), "-as", "bob@EXAMPLE.ORG", "localhost:"+port), exitFailed, ""},
		{append(login, "-cache", k.file("ccache"), "127.0.0.1:"+port), exitFailed, ""}, // no ticket for that name
		{append(login, "-cache", k.file("nothing"), "localhost:"+port), exitFailed, ""},
		{append(login, "-keytab", k.file("bob.keytab"), "localhost:"+port), exitUsage, ""},
		{[]string{"login"}, exitUsage, ""},
		{[]string{"login", "-nonsense"}, exitUsage, ""},
		{[]string{"serve", "nonsense"}, exitUsage, ""},
		{[]string{"serve", "-keytab", k.file("nothing")}, exitFailed, ""},
		{nil, exitUsage, ""},
		{[]string{"-h"}, 0, usage},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), tt.args, &stdout, &stderr)
		assert.Equal(t, tt.code, code, "%s: %s", tt.args, &stderr)
		assert.Equal(t, tt.want, stdout.String(), "%s", tt.args)
		assert.Equal(t, tt.code == 0, stderr.Len() == 0, "%s: %s", tt.args, &stderr)
	}
	var help bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"login", "-h"}, &help, io.Discard))
	require.Contains(t, help.String(), "-keytab file")
	cancel()
	require.Zero(t, <-served)
}

// certificate writes a certificate for localhost and its key.
func certificate(t *testing.T) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return cert, key
}
