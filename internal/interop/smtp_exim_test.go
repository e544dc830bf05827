//go:build interop

package interop

// Exim as a server and a client, unpacked beside Postfix, with a configuration
// and a spool of its own.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// eximConfig are parts of a configuration.
type eximConfig struct{ main, rcpt, routers, transports, authenticators string }

// startExim starts a server that ends with the test.
func startExim(t *testing.T, c eximConfig) *mta {
	t.Helper()
	needRoot(t, "exim")
	packages := cached(t, "exim4", "usr/sbin/exim4")
	dir := openDir(t)
	withAccount(t, dir, "passwd", "Debian-exim:x:65001:65001::/nonexistent:/usr/sbin/nologin")
	withAccount(t, dir, "group", "Debian-exim:x:65001:")
	cert, key, ca := keyPair(t, dir, "localhost", "127.0.0.1")
	for _, name := range []string{cert, key, ca} {
		require.NoError(t, os.Chmod(name, 0o644))
	}
	m := newMTA(t)
	conf := write(t, dir, "etc/exim4/exim4.conf", `
primary_hostname = mx.example.test
spool_directory = `+dir+`/spool
pid_file_path = `+dir+`/spool/exim.pid
log_file_path = `+dir+`/spool/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = `+fmt.Sprintf("%s : %s : %s", m.port["smtp"], m.port["smtps"], m.port["small"])+`
tls_on_connect_ports = `+m.port["smtps"]+`
tls_advertise_hosts = *
tls_certificate = `+cert+`
tls_privatekey = `+key+`
tls_try_verify_hosts = *
tls_verify_certificates = `+ca+`
message_size_limit = ${if eq{$received_port}{`+m.port["small"]+`}{2000}{70M}}
auth_advertise_hosts = *
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
dns_dnssec_ok = 0
host_lookup =
keep_environment =
rfc1413_query_timeout = 0s
recipients_max = 0
smtp_accept_max_nonmail = 1000
smtp_accept_queue_per_connection = 0
smtp_enforce_sync = true
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
acl_smtp_mail = accept
`+c.main+`
begin acl
rcpt:
  deny local_parts = nobody
       message = 550 5.1.1 no such user here
  defer local_parts = full
       message = 452 4.2.2 the mailbox is full
`+c.rcpt+`
  accept
begin routers
`+c.routers+`
begin transports
`+c.transports+`
begin retry
* * F,1h,1m
begin authenticators
`+c.authenticators)
	for _, name := range []string{conf, filepath.Dir(conf), filepath.Dir(filepath.Dir(conf))} {
		require.NoError(t, os.Chmod(name, 0o755))
	}
	require.NoError(t, os.Chmod(conf, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "spool"), 0o755))
	require.NoError(t, exec.Command("chown", "65001:65001", filepath.Join(dir, "spool")).Run())
	log := startIsolated(t, packages, dir, "exec /usr/sbin/exim4 -bdf\n")
	m.log = func() string {
		text := log.String()
		for _, name := range []string{"mainlog", "paniclog", "rejectlog"} {
			data, _ := os.ReadFile(filepath.Join(dir, "spool", name))
			text += string(data)
		}
		return text
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("exim's log:\n%s", m.log())
		}
	})
	for _, addr := range m.addr {
		listening(t, "tcp", addr, m.log)
	}
	return m
}

const smtpTransport = `
  driver = smtp
  hosts = localhost
  gethostbyname
  allow_localhost
  max_rcpt = 0
  hosts_try_dane = :
`

func TestEximRelay(t *testing.T) {
	b := startBehind(t)
	routers, transports := "", ""
	for name, more := range map[string]string{
		"plain":    "port = " + b.peer.port + "\n  hosts_avoid_tls = *\n",
		"may":      "port = " + b.peer.port + "\n  tls_try_verify_hosts = :\n",
		"encrypt":  "port = " + b.peer.port + "\n  hosts_require_tls = *\n  tls_try_verify_hosts = :\n",
		"secure":   "port = " + b.peer.port + "\n  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = " + b.peer.ca + "\n",
		"implicit": "port = " + b.peer.tlsPort + "\n  protocol = smtps\n  tls_verify_hosts = *\n  tls_verify_certificates = " + b.peer.ca + "\n",
		"small":    "port = " + b.small.port + "\n  hosts_avoid_tls = *\n  size_addition = 0\n",
		"lmtp":     "port = " + b.lmtp.port + "\n  protocol = lmtp\n  hosts_avoid_tls = *\n",
	} {
		routers += name + ":\n  driver = accept\n  domains = " + name + ".test\n  transport = " + name + "\n"
		transports += name + ":" + smtpTransport + "  " + more
	}
	m := startExim(t, eximConfig{transports: transports, routers: routers})
	m.losesCR = true
	testRelay(t, m, b)
}

// eximName is a name in Exim's configuration.
func eximName(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// Exim's server: its own mechanisms, and Dovecot's that it asks for the rest.
func TestEximServerSASL(t *testing.T) {
	d := startDovecot(t, "")
	authenticators := `
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{ada}{` + password + `}fail}
  server_set_id = $auth1
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = ${if def:tls_in_peerdn}
  server_param2 = ${certextract{subject,CN}{$tls_in_peercert}}
  server_condition = ${if eq{$auth2}{ada}}
  server_set_id = $auth2
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{ada}}{eq{$auth3}{` + password + `}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_prompts = <| Username: | Password:
  server_condition = ${if and{{eq{$auth1}{ada}}{eq{$auth2}{` + password + `}}}}
  server_set_id = $auth1
`
	for _, name := range []string{"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"} {
		authenticators += eximName(name) + ":\n  driver = dovecot\n  public_name = " + name + "\n  server_socket = " + d.addr["auth"] + "\n  server_set_id = $auth1\n"
	}
	m := startExim(t, eximConfig{authenticators: authenticators,
		rcpt:       "deny !authenticated = *\n",
		routers:    "all:\n  driver = accept\n  transport = discard\n",
		transports: "discard:\n  driver = appendfile\n  file = /dev/null\n  user = nobody\n",
	})
	sendEachWay(t, m.addr["smtp"], d.tls, "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL")
}

// Exim's client with each mechanism that it has, to our server.
func TestEximClientSASL(t *testing.T) {
	p := startPeer(t, func(s *smtptest.Server) { s.Config.RequireAuth = true })
	mechanisms := []string{"plain", "login", "cram-md5", "external"}
	routers, transports := "", ""
	for _, name := range mechanisms {
		routers += eximName(name) + ":\n  driver = accept\n  domains = " + name + ".test\n  transport = " + eximName(name) + "\n"
		transports += eximName(name) + ":" + smtpTransport + "  port = " + p.port + "\n  hosts_require_tls = *\n  hosts_require_auth = *\n  tls_verify_hosts = *\n  tls_verify_certificates = " + p.ca + "\n"
		if name == "external" {
			transports += "  tls_certificate = " + p.cert + "\n  tls_privatekey = " + p.key + "\n"
		}
	}
	for _, name := range []string{p.cert, p.key} {
		require.NoError(t, os.Chmod(name, 0o644))
	}
	condition := func(name string) string { return "  client_condition = ${if eq{$transport_name}{" + name + "}}\n" }
	m := startExim(t, eximConfig{routers: routers, transports: transports, authenticators: "plain:\n  driver = plaintext\n  public_name = PLAIN\n  client_send = ^ada^" + password + "\n" + condition("plain") +
		"login:\n  driver = plaintext\n  public_name = LOGIN\n  client_send = : ada : " + password + "\n" + condition("login") +
		"cram:\n  driver = cram_md5\n  public_name = CRAM-MD5\n  client_name = ada\n  client_secret = " + password + "\n" + condition("cram_md5") +
		"external:\n  driver = external\n  public_name = EXTERNAL\n  client_send = ada\n" + condition("external")})
	for _, name := range mechanisms {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, sendThrough(t, m.addr["smtp"], "bob@"+name+".test", relayOptions(smtpclient.Required, smtpclient.ChunkAuto)))
			got := p.one(t)
			require.True(t, got.TLS)
			require.Equal(t, "ada", got.User)
			require.Equal(t, strings.ToUpper(name), p.mechanism())
		})
	}
}
