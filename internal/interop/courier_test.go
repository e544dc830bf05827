//go:build interop

package interop

// Courier as a server, IMAP and POP3, with a configuration folder of its own.

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// courier is a running Courier with the users ada and bob.
type courier struct {
	dir  string
	addr map[string]string // by service: imap, imaps, pop3, pop3s
	tls  *tls.Config       // for clients
	log  *lockedBuffer
}

// maildir is a user's Maildir.
func (c *courier) maildir(user string) string { return filepath.Join(c.dir, "home", user, "Maildir") }

// startCourier starts a server that ends with the test. env are lines, "NAME=value", for its settings. It refuses passwords in
// cleartext unless one of them is POP3_TLS_REQUIRED=0 or IMAP_TLS_REQUIRED=0.
func startCourier(t *testing.T, env ...string) *courier {
	t.Helper()
	needRoot(t, "courier")
	packages := unpacked(t, "courier")
	c := &courier{dir: openDir(t), addr: map[string]string{}}
	_, c.tls = testkit.TLS("localhost")
	cert, key, ca := keyPair(t, c.dir, "localhost", "127.0.0.1")
	certText, err := os.ReadFile(cert)
	require.NoError(t, err)
	keyText, err := os.ReadFile(key)
	require.NoError(t, err)
	pem := write(t, c.dir, "both.pem", string(keyText)+string(certText))
	require.NoError(t, os.Chmod(pem, 0o644))
	require.NoError(t, os.Chmod(ca, 0o644))
	withAccount(t, c.dir, "passwd", "courier:x:65000:65000::/var/lib/courier:/usr/sbin/nologin")
	withAccount(t, c.dir, "group", "courier:x:65000:")
	write(t, c.dir, "etc/courier/authdaemonrc", `authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=5
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
`)
	write(t, c.dir, "etc/courier/shared/index", "")
	for _, dir := range []string{"etc/courier", "etc/courier/shared"} {
		require.NoError(t, os.Chmod(filepath.Join(c.dir, dir), 0o755))
	}
	users := ""
	for _, user := range []string{"ada", "bob"} {
		home := filepath.Join(c.dir, "home", user)
		for _, sub := range []string{"new", "cur", "tmp"} {
			require.NoError(t, os.MkdirAll(filepath.Join(home, "Maildir", sub), 0o777))
		}
		for _, sub := range []string{"", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"} {
			require.NoError(t, os.Chown(filepath.Join(home, sub), 65534, 65534))
		}
		users += user + "\thome=" + home + "|uid=65534|gid=65534|systempw=@SYSTEMPW@|hmac-md5pw=@HMACMD5@|hmac-sha1pw=@HMACSHA1@|hmac-sha256pw=@HMACSHA256@\n"
	}
	write(t, c.dir, "etc/courier/userdb", users)
	settings := append([]string{
		"TLS_CERTFILE=" + pem, "TLS_TRUSTCERTS=" + ca, "TLS_VERIFYPEER=PEER", "TLS_EXTERNAL=CN",
		"COURIERTLS=/usr/bin/couriertls",
		`POP3AUTH=PLAIN LOGIN CRAM-MD5 CRAM-SHA1 CRAM-SHA256`, `POP3AUTH_TLS=PLAIN LOGIN CRAM-MD5 CRAM-SHA1 CRAM-SHA256`,
		"POP3_PROXY=0", "POP3_TLS_REQUIRED=1", "POP3_STARTTLS=YES", "MIME_UNICODE_MESSAGE_TYPE=message/global",
		"IMAP_CAPABILITY=IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA ACL ACL2=UNION IDLE " +
			"AUTH=CRAM-MD5 AUTH=CRAM-SHA1 AUTH=CRAM-SHA256",
		"IMAP_CAPABILITY_TLS=IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA ACL ACL2=UNION IDLE " +
			"AUTH=PLAIN AUTH=CRAM-MD5 AUTH=CRAM-SHA1 AUTH=CRAM-SHA256",
		"IMAP_KEYWORDS=1", "IMAP_ACL=1", "IMAP_IDLE_TIMEOUT=60", "IMAP_MAILBOX_SANITY_CHECK=0", "IMAP_UMASK=022", "IMAP_USELOCKS=1",
		"IMAP_SHAREDINDEXFILE=/etc/courier/shared/index", "IMAP_TRASHFOLDERNAME=Trash", "SENDMAIL=/bin/false",
		"IMAP_STARTTLS=YES", "IMAP_TLS_REQUIRED=1",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
	}, env...)
	var exports strings.Builder
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		fmt.Fprintf(&exports, "export %s='%s'\n", name, value)
	}
	tcpd := func(service, env, rest string) string {
		port := freePort(t)
		c.addr[service] = fmt.Sprintf("localhost:%d", port)
		return fmt.Sprintf("%s couriertcpd -address=127.0.0.1 -maxprocs=100 -maxperip=100 -nodnslookup -noidentlookup %d %s &\n", env, port, rest)
	}
	const pop3 = "/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir"
	const imap = "/usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir"
	const tlsd = "/usr/bin/couriertls -server -tcpd -user=courier "
	script := exports.String() + `
mkdir -p /run/courier/authdaemon
chown -R courier:courier /run/courier
userdb=/etc/courier/userdb
for x in SYSTEMPW:-md5 HMACMD5:-hmac-md5 HMACSHA1:-hmac-sha1 HMACSHA256:-hmac-sha256; do
	value=$(printf '%s\n%s\n' '` + password + `' '` + password + `' | userdbpw ${x#*:})
	sed -i "s|@${x%:*}@|$value|" $userdb
done
chmod 600 $userdb
makeuserdb
/usr/lib/courier/courier-authlib/authdaemond &
while [ ! -S /run/courier/authdaemon/socket ]; do sleep 0.02; done
` +
		tcpd("pop3", "", pop3) +
		tcpd("pop3s", "POP3_TLS=1 POP3_STARTTLS=NO POP3_TLS_REQUIRED=0", tlsd+pop3) +
		tcpd("imap", "", imap) +
		tcpd("imaps", "IMAP_TLS=1 IMAP_STARTTLS=NO IMAP_TLS_REQUIRED=0", tlsd+imap) + "wait\n"
	c.log = startIsolated(t, packages, c.dir, script)
	for _, s := range []string{"pop3", "pop3s", "imap", "imaps"} {
		listening(t, "tcp", c.addr[s], c.log.String)
	}
	return c
}
