//go:build interop

package interop

// Dovecot as a server, with a configuration folder of its own.

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// dovecot is a running Dovecot with the users ada and bob, and accounts that tests name as they like in name@example.test with
// the same password.
type dovecot struct {
	dir  string
	addr map[string]string // by service: imap, imaps, pop3, pop3s, lmtp, auth (a unix socket's path)
	tls  *tls.Config       // for clients
	log  func() string
}

const tokenKey = "a key that only the tests and the server know"

// bearer is a JSON web token that the server takes for a user's.
func bearer(user string, expires time.Time) string {
	enc := base64.RawURLEncoding.EncodeToString
	body := enc([]byte(`{"alg":"HS256","typ":"JWT","kid":"default"}`)) + "." +
		enc(fmt.Appendf(nil, `{"sub":%q,"exp":%d,"iat":%d,"nbf":1}`, user, expires.Unix(), time.Now().Add(-time.Minute).Unix()))
	mac := hmac.New(sha256.New, []byte(tokenKey))
	mac.Write([]byte(body))
	return body + "." + enc(mac.Sum(nil))
}

// needRoot skips what only root can start.
func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip(what + " is started by root alone")
	}
}

// freePort is a port of the loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// keyPair writes a certificate for localhost and its key, and that of the authority that made it.
func keyPair(t *testing.T, dir string, names ...string) (cert, key, ca string) {
	t.Helper()
	pair := testkit.Certificate(names...)
	var chain []byte
	for _, der := range pair.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	cert = write(t, dir, names[0]+".cert.pem", string(chain))
	key = write(t, dir, names[0]+".key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	ca = write(t, dir, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testkit.AuthorityCertificate().Raw})))
	return cert, key, ca
}

// listening waits until something accepts connections at an address.
func listening(t *testing.T, network, addr string, log func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.DialTimeout(network, addr, time.Second)
		if err == nil {
			c.Close()
			return
		}
		require.True(t, time.Now().Before(deadline), "nothing listens on %s: %v\n%s", addr, err, log())
		time.Sleep(20 * time.Millisecond)
	}
}

// openDir is a folder of the test that other users can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mailwire-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startDovecot starts a server that ends with the test. extra is added to its configuration.
func startDovecot(t *testing.T, extra string) *dovecot {
	t.Helper()
	needRoot(t, "dovecot")
	path := program(t, "dovecot")
	d := &dovecot{dir: openDir(t), addr: map[string]string{}}
	cert, key, ca := keyPair(t, d.dir, "localhost", "127.0.0.1")
	_, d.tls = testkit.TLS("localhost")
	write(t, d.dir, "users", "ada:{PLAIN}"+password+"\nbob:{PLAIN}"+password+"\n")
	write(t, d.dir, "keys/default/HS256/default", base64.StdEncoding.EncodeToString([]byte(tokenKey)))
	write(t, d.dir, "oauth2.conf", "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix="+d.dir+"/keys/\n"+
		"username_attribute = sub\n")
	for _, name := range []string{"keys", "keys/default", "keys/default/HS256"} {
		require.NoError(t, os.Chmod(filepath.Join(d.dir, name), 0o755))
	}
	for _, name := range []string{"keys/default/HS256/default", "users", "oauth2.conf"} {
		require.NoError(t, os.Chmod(filepath.Join(d.dir, name), 0o644))
	}
	home := filepath.Join(d.dir, "home")
	require.NoError(t, os.Mkdir(home, 0o777))
	require.NoError(t, os.Chmod(home, 0o777))
	port := map[string]int{}
	for _, s := range []string{"imap", "imaps", "pop3", "pop3s", "lmtp"} {
		port[s] = freePort(t)
		d.addr[s] = fmt.Sprintf("localhost:%d", port[s])
	}
	d.addr["auth"] = filepath.Join(d.dir, "run", "auth-postfix")
	listener := func(name string, more string) string {
		return fmt.Sprintf(" inet_listener %s {\n  address = 127.0.0.1\n  port = %d\n %s}\n", name, port[name], more)
	}
	conf := write(t, d.dir, "dovecot.conf", `
base_dir = `+d.dir+`/run
state_dir = `+d.dir+`/state
log_path = `+d.dir+`/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <`+cert+`
ssl_key = <`+key+`
ssl_ca = <`+ca+`
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
disable_plaintext_auth = yes
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer external anonymous apop
auth_realms = localhost
auth_failure_delay = 0
auth_verbose = yes
auth_anonymous_username = bob
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 1000
passdb {
 driver = oauth2
 mechanisms = xoauth2 oauthbearer
 args = `+d.dir+`/oauth2.conf
}
passdb {
 driver = static
 mechanisms = external
 args = nopassword=y
}
passdb {
 driver = passwd-file
 mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 apop
 args = username_format=%n `+d.dir+`/users
}
userdb {
 driver = static
 args = uid=nobody gid=nogroup home=`+d.dir+`/home/%n
}
service imap-login {
`+listener("imap", "")+listener("imaps", " ssl = yes\n")+`
}
service pop3-login {
`+listener("pop3", "")+listener("pop3s", " ssl = yes\n")+`
}
service lmtp {
`+listener("lmtp", "")+`
}
service anvil {
 # no penalty for addresses from which logins fail
 unix_listener anvil-auth-penalty {
  mode = 0
 }
}
service auth {
 unix_listener auth-postfix {
  mode = 0666
 }
}
namespace inbox {
 inbox = yes
 separator = /
}
`+extra)
	cmd := exec.Command(path, "-F", "-c", conf)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	stderr := &lockedBuffer{}
	cmd.Stderr, cmd.Stdout = stderr, stderr
	require.NoError(t, cmd.Start())
	d.log = func() string {
		text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
		return stderr.String() + string(text)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		if t.Failed() {
			lines := strings.Split(d.log(), "\n")
			t.Logf("dovecot's log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	for _, s := range []string{"imap", "pop3"} {
		listening(t, "tcp", d.addr[s], d.log)
	}
	return d
}
