//go:build interop

package interop

// Cyrus as a server, IMAP, POP3 and LMTP, with a configuration folder of its own.

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// cyrus is a running Cyrus with the users ada and bob, whose INBOX is made when they log in to IMAP first or when mail comes, and
// the administrator cyrus.
type cyrus struct {
	dir  string
	addr map[string]string // by service: imap, imaps, pop3, pop3s, lmtp
	tls  *tls.Config       // for clients
	log  func() string
}

// startCyrus starts a server that ends with the test. extra is added to its configuration. It refuses passwords in cleartext
// unless extra has "allowplaintext: yes".
func startCyrus(t *testing.T, extra string) *cyrus {
	t.Helper()
	needRoot(t, "cyrus")
	program(t, "saslpasswd2")
	packages := unpacked(t, "cyrus")
	c := &cyrus{dir: openDir(t), addr: map[string]string{}}
	_, c.tls = testkit.TLS("localhost")
	cert, key, ca := keyPair(t, c.dir, "localhost", "127.0.0.1")
	withAccount(t, c.dir, "passwd", "cyrus:x:65001:65001::/var/lib/cyrus:/usr/sbin/nologin")
	withAccount(t, c.dir, "group", "cyrus:x:65001:")
	sasldb := filepath.Join(c.dir, "sasldb2")
	for _, user := range []string{"ada", "bob", "cyrus"} {
		cmd := exec.Command("saslpasswd2", "-p", "-c", "-f", sasldb, "-u", "localhost", user)
		cmd.Stdin = strings.NewReader(password)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	write(t, c.dir, "etc/imapd.conf", `
servername: localhost
configdirectory: `+c.dir+`/lib
defaultpartition: default
partition-default: `+c.dir+`/spool
admins: cyrus
altnamespace: no
unixhierarchysep: yes
autocreate_quota: 0
autocreate_post: yes
createonpost: yes
allowplaintext: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: `+sasldb+`
sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 EXTERNAL
defaultdomain: localhost
loginrealms: localhost
failedloginpause: 0
maxlogins_per_user: 1000
tls_server_cert: `+cert+`
tls_server_key: `+key+`
tls_client_ca_file: `+ca+`
tls_session_timeout: 0
syslog_prefix: cyrus
`+extra)
	services := ""
	for _, s := range []struct{ name, command string }{
		{"imap", "imapd"}, {"imaps", "imapd -s"}, {"pop3", "pop3d"}, {"pop3s", "pop3d -s"}, {"lmtp", "lmtpd -a"},
	} {
		port := freePort(t)
		c.addr[s.name] = fmt.Sprintf("localhost:%d", port)
		services += fmt.Sprintf("  %s cmd=\"/usr/lib/cyrus/bin/%s\" listen=\"127.0.0.1:%d\" proto=\"tcp4\" prefork=0 maxchild=300\n", s.name, s.command, port)
	}
	write(t, c.dir, "etc/cyrus.conf", "START {\n  recover cmd=\"/usr/lib/cyrus/bin/ctl_cyrusdb -r\"\n}\nSERVICES {\n"+services+
		"}\nEVENTS {\n  checkpoint cmd=\"/usr/lib/cyrus/bin/ctl_cyrusdb -c\" period=30\n}\n")
	for _, name := range []string{"etc/imapd.conf", "etc/cyrus.conf", "localhost.cert.pem", "ca.pem"} {
		require.NoError(t, os.Chmod(filepath.Join(c.dir, name), 0o644))
	}
	for _, name := range []string{"lib", "lib/db", "lib/socket", "lib/proc", "lib/lock", "lib/log", "lib/user", "lib/quota", "spool", "spool/stage."} {
		require.NoError(t, os.MkdirAll(filepath.Join(c.dir, name), 0o755))
		require.NoError(t, os.Chown(filepath.Join(c.dir, name), 65001, 65001))
	}
	for _, name := range []string{sasldb, key} {
		require.NoError(t, os.Chown(name, 65001, 65001))
	}
	printed := startIsolated(t, packages, c.dir, `
mount -t tmpfs tmpfs /dev/shm
exec /usr/lib/cyrus/bin/master -D -M /etc/cyrus.conf -C /etc/imapd.conf
`)
	c.log = printed.String
	for _, s := range []string{"pop3", "pop3s", "imap", "imaps", "lmtp"} {
		listening(t, "tcp", c.addr[s], c.log)
	}
	return c
}
