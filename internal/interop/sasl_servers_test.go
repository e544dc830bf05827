//go:build interop

package interop

// Each SASL mechanism that Dovecot and Postfix have, through their protocols: Dovecot as a server of IMAP, POP3 and, behind
// Postfix, of SMTP; Postfix as a client of our own server.

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// saslCase is one mechanism with right and wrong credentials.
type saslCase struct {
	mechanism    string
	right, wrong *sasl.Credentials // wrong is nil where nothing can be
	cleartext    bool              // shows the secret
	certificate  bool              // in TLS
}

func saslCases(mechanisms ...string) []saslCase {
	var cases []saslCase
	for _, m := range mechanisms {
		only := []string{m}
		c := saslCase{
			mechanism: m,
			right:     &sasl.Credentials{User: "ada", Password: password, Only: only},
			wrong:     &sasl.Credentials{User: "ada", Password: password + "?", Only: only},
		}
		switch m {
		case "PLAIN", "LOGIN":
			c.cleartext = true
		case "XOAUTH2", "OAUTHBEARER":
			c.cleartext = true
			token := func(expires time.Duration) func(context.Context, string) (string, error) {
				return func(context.Context, string) (string, error) { return bearer("ada", time.Now().Add(expires)), nil }
			}
			c.right = &sasl.Credentials{User: "ada", Token: token(time.Hour), Only: only}
			c.wrong = &sasl.Credentials{User: "ada", Token: token(-time.Hour), Only: only}
		case "EXTERNAL":
			c.certificate = true
			c.right, c.wrong = &sasl.Credentials{Certificate: true, Only: only}, nil
		case "ANONYMOUS":
			c.right, c.wrong = &sasl.Credentials{Anonymous: true, Trace: "ada@example.test", Only: only}, nil
		}
		cases = append(cases, c)
	}
	return cases
}

// clientTLS is the configuration for a case, with ada's certificate where it takes one.
func (c *saslCase) clientTLS(base *tls.Config) *tls.Config {
	config := base.Clone()
	if c.certificate {
		config.Certificates = []tls.Certificate{testkit.Certificate("ada")}
	}
	return config
}

var dovecotMechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS"}

func TestDovecotSASL(t *testing.T) {
	d := startDovecot(t, "")
	for _, c := range saslCases(dovecotMechanisms...) {
		t.Run(c.mechanism, func(t *testing.T) {
			imapLogin := func(addr string, mode imapclient.TLSMode, creds *sasl.Credentials) error {
				cl, err := imapclient.Dial(t.Context(), addr, &imapclient.Options{TLS: mode, TLSConfig: c.clientTLS(d.tls), Auth: creds})
				if err != nil {
					return err
				}
				defer cl.Close()
				if _, err := cl.Select(t.Context(), "INBOX"); err != nil {
					return err
				}
				return cl.Logout(t.Context())
			}
			popLogin := func(addr string, mode pop3client.TLSMode, creds *sasl.Credentials) error {
				cl, err := pop3client.Dial(t.Context(), addr, &pop3client.Options{TLS: mode, TLSConfig: c.clientTLS(d.tls), Auth: creds})
				if err != nil {
					return err
				}
				defer cl.Close()
				if _, err := cl.Stat(t.Context()); err != nil {
					return err
				}
				return cl.Quit(t.Context())
			}
			assert.NoError(t, imapLogin(d.addr["imap"], imapclient.Required, c.right))
			assert.NoError(t, imapLogin(d.addr["imaps"], imapclient.Implicit, c.right))
			assert.NoError(t, popLogin(d.addr["pop3"], pop3client.Required, c.right))
			assert.NoError(t, popLogin(d.addr["pop3s"], pop3client.Implicit, c.right))
			if !c.certificate {
				err := imapLogin(d.addr["imap"], imapclient.Disabled, c.right)
				if c.cleartext {
					assert.Error(t, err, "the secret was shown")
				} else {
					assert.NoError(t, err)
				}
				assert.Equal(t, c.cleartext, popLogin(d.addr["pop3"], pop3client.Disabled, c.right) != nil)
			}
			if c.wrong != nil {
				err := imapLogin(d.addr["imaps"], imapclient.Implicit, c.wrong)
				var no *imap.Error
				if assert.ErrorAs(t, err, &no) {
					assert.Equal(t, imap.NO, no.Kind)
				}
				err = popLogin(d.addr["pop3s"], pop3client.Implicit, c.wrong)
				var refused *pop3.Error
				assert.ErrorAs(t, err, &refused)
			}
		})
	}
}

// The strongest of what a server offers, when nothing is said.
func TestDovecotChoice(t *testing.T) {
	d := startDovecot(t, "")
	trace := &lockedBuffer{}
	c, err := imapclient.Dial(t.Context(), d.addr["imaps"], &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: d.tls, Trace: trace,
		Auth: &sasl.Credentials{User: "ada", Password: password}})
	require.NoError(t, err)
	require.NoError(t, c.Logout(t.Context()))
	assert.Contains(t, d.log(), "user=<ada>, method=SCRAM-SHA-256")
	assert.NotContains(t, trace.String(), password)
}

// sendThrough sends a message from ada.
func sendThrough(t *testing.T, addr, to string, o *smtpclient.Options) error {
	e, err := smtp.NewEnvelope("ada@example.test", to)
	require.NoError(t, err)
	res, err := smtpclient.Send(t.Context(), addr, e, strings.NewReader("Subject: x\r\n\r\nx\r\n"), o)
	if err != nil {
		return err
	}
	return res.Recipients[0].Err
}

// Postfix's server, whose SASL is Dovecot's.
func TestPostfixServerSASL(t *testing.T) {
	d := startDovecot(t, "")
	p := startPostfix(t, []string{"smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", "smtpd_sasl_path = " + d.addr["auth"],
		"smtpd_sasl_security_options = noanonymous, noplaintext", "smtpd_sasl_tls_security_options = noanonymous", "smtpd_delay_reject = no",
		"smtpd_tls_auth_only = no", "smtpd_client_restrictions =", "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"default_transport = discard", "relay_transport = discard"})
	sendEachWay(t, p.addr, d.tls, "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")
}

// Postfix's server, whose SASL is Cyrus'.
func TestPostfixCyrusServerSASL(t *testing.T) {
	p := newPostfix(t)
	dir := openDir(t)
	db := filepath.Join(dir, "sasldb2")
	must(t, dir, password, "saslpasswd2", "-f", db, "-p", "-c", "-u", "mx.example.test", "ada")
	conf := write(t, p.config(), "sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\nmech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512\n")
	require.NoError(t, os.Chmod(conf, 0o644))
	require.NoError(t, os.Chmod(filepath.Dir(conf), 0o755))
	must(t, dir, "", "chown", "postfix", dir, db)
	p.start(t, []string{"smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = cyrus", "smtpd_sasl_path = smtpd",
		"smtpd_sasl_local_domain = mx.example.test", "smtpd_sasl_security_options = noanonymous, noplaintext", "smtpd_sasl_tls_security_options = noanonymous",
		"smtpd_delay_reject = no", "smtpd_client_restrictions =", "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"default_transport = discard", "relay_transport = discard"})
	_, client := testkit.TLS("localhost")
	sendEachWay(t, p.addr, client, "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
}

// sendEachWay sends by a server that relays for those who logged in.
func sendEachWay(t *testing.T, addr string, config *tls.Config, mechanisms ...string) {
	for _, c := range saslCases(mechanisms...) {
		t.Run(c.mechanism, func(t *testing.T) {
			send := func(mode smtpclient.TLSMode, creds *sasl.Credentials) error {
				o := &smtpclient.Options{TLS: mode, TLSConfig: c.clientTLS(config), HelloName: "client.example.test"}
				if creds != nil {
					o.Auth = creds
				}
				return sendThrough(t, addr, "bob@example.org", o)
			}
			assert.NoError(t, send(smtpclient.Required, c.right))
			switch {
			case c.certificate:
			case c.cleartext:
				assert.Error(t, send(smtpclient.Disabled, c.right))
			default:
				assert.NoError(t, send(smtpclient.Disabled, c.right))
			}
			if c.wrong == nil {
				return
			}
			var refused *smtp.Error
			if assert.ErrorAs(t, send(smtpclient.Required, c.wrong), &refused) {
				assert.Equal(t, 535, refused.Code)
			}
			assert.Error(t, send(smtpclient.Required, nil), "it relays for anybody")
		})
	}
}

// recorder keeps who sent what.
type recorder struct {
	got chan string // the user and the mechanism
}

func (r *recorder) NewSession(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	return &recording{r, c}, nil
}

type recording struct {
	r *recorder
	c *smtpserver.Conn
}

func (s *recording) Mail(context.Context, smtp.Path, *smtp.MailOptions) error {
	if _, ok := s.c.Identity(); !ok {
		return &smtp.Error{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	return nil
}

func (s *recording) Rcpt(context.Context, smtp.Path, *smtp.RcptOptions) error { return nil }
func (s *recording) Reset(context.Context)                                    {}
func (s *recording) Close() error                                             { return nil }

func (s *recording) Data(_ context.Context, _ *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	id, _ := s.c.Identity()
	s.r.got <- id.User + " " + id.Mechanism
	return nil, nil
}

// Postfix's client, whose SASL is Cyrus', with each mechanism that it has.
func TestPostfixClientSASL(t *testing.T) {
	r := &recorder{got: make(chan string, 100)}
	server, _ := testkit.TLS("localhost", "127.0.0.1")
	srv := &smtpserver.Server{
		Backend: r, TLSConfig: server,
		Auth: &sasl.Auth{
			Hostname: "localhost",
			Secret: func(_ context.Context, user string) (string, error) {
				if user, _, _ := strings.Cut(user, "@"); user == "ada" {
					return password, nil
				}
				return "", sasl.ErrFailed
			},
			Authorize: func(_ context.Context, user, authzid string) error { return nil },
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	port := l.Addr().(*net.TCPAddr).Port
	mechanisms := []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	logins := write(t, openDir(t), "logins", fmt.Sprintf("[localhost]:%d ada:%s\n", port, password))
	// One transport for each mechanism, by the recipient's domain.
	var routes, services []string
	for _, m := range mechanisms {
		name := "by-" + strings.ToLower(m)
		routes = append(routes, fmt.Sprintf("{%s.test = %s:[localhost]:%d}", name, name, port))
		services = append(services, name+" unix - - n - - smtp -o smtp_sasl_mechanism_filter="+strings.ToLower(m))
	}
	p := startPostfix(t, []string{"smtp_sasl_auth_enable = yes", "smtp_sasl_password_maps = texthash:" + logins,
		"smtp_sasl_security_options = noanonymous", "smtp_tls_security_level = secure", "smtpd_relay_restrictions = permit_mynetworks, reject",
		"transport_maps = inline:{ " + strings.Join(routes, ", ") + " }"}, services...)
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			_, client := testkit.TLS("localhost")
			require.NoError(t, sendThrough(t, p.addr, "bob@by-"+strings.ToLower(mechanism)+".test", &smtpclient.Options{TLSConfig: client, HelloName: "client.example.test"}))
			select {
			case got := <-r.got:
				user, m, _ := strings.Cut(got, " ")
				assert.Equal(t, "ada", strings.TrimSuffix(user, "@localhost"))
				assert.Equal(t, mechanism, m)
			case <-time.After(30 * time.Second):
				t.Error("Postfix did not send the message")
			}
		})
	}
}

// Dovecot as a client: its imapc storage, by doveadm, with each mechanism that it has.
func TestDovecotClientSASL(t *testing.T) {
	needRoot(t, "doveadm")
	program(t, "doveadm")
	dir := openDir(t)
	_, _, ca := keyPair(t, dir, "localhost", "127.0.0.1")
	require.NoError(t, os.Chmod(ca, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "home"), 0o777))
	require.NoError(t, os.Chmod(filepath.Join(dir, "home"), 0o777))
	store := imaptest.NewMemory()
	store.AddUser("ada", "")
	require.NoError(t, store.Create("ada", "Letters"))
	seen := make(chan string, 100)
	config, _ := testkit.TLS("localhost", "127.0.0.1")
	srv := &imapserver.Server{Backend: store, TLSConfig: config, Auth: &sasl.Auth{
		Secret: func(_ context.Context, user string) (string, error) {
			if user == "ada" {
				return password, nil
			}
			return "", sasl.ErrFailed
		},
		Token: func(_ context.Context, token sasl.BearerToken) (string, error) {
			if token.Token == "a-token" {
				return token.User, nil
			}
			return "", sasl.ErrFailed
		},
		After: func(_ context.Context, c sasl.Claim, err error) {
			if err == nil {
				seen <- c.Mechanism
			}
		},
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	conf := write(t, dir, "dovecot.conf", `
base_dir = `+dir+`/run
log_path = `+dir+`/log
ssl_client_ca_file = `+ca+`
first_valid_uid = 1
first_valid_gid = 1
mail_uid = nobody
mail_gid = nogroup
mail_home = `+dir+`/home/%u
mail_location = imapc:`+dir+`/home/%u/imapc
imapc_host = 127.0.0.1
imapc_port = `+fmt.Sprint(l.Addr().(*net.TCPAddr).Port)+`
imapc_ssl = starttls
imapc_user = ada
namespace inbox {
 inbox = yes
 separator = /
}
`)
	for _, mechanism := range []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"} {
		t.Run(mechanism, func(t *testing.T) {
			list := func(password string) result {
				return run(t, dir, "", "env", "USER=ada", "doveadm", "-c", conf, "-o", "imapc_sasl_mechanisms="+strings.ToLower(mechanism), "-o", "imapc_password="+password, "mailbox", "list")
			}
			secret := password
			if mechanism == "XOAUTH2" || mechanism == "OAUTHBEARER" {
				secret = "a-token"
			}
			r := list(secret)
			require.Zero(t, r.code, r.out)
			require.Contains(t, r.out, "Letters")
			require.Equal(t, mechanism, <-seen)
			require.NotZero(t, list("another").code)
			require.Empty(t, seen)
		})
	}
}
