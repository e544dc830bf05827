//go:build interop

package interop

// Postfix as a server and a client, with a configuration and a queue of its own.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// postfix is a running Postfix.
type postfix struct {
	dir  string
	addr string // of its SMTP server
}

// startPostfix starts a server that ends with the test. main are further lines of main.cf, services of master.cf.
func startPostfix(t *testing.T, main []string, services ...string) *postfix {
	t.Helper()
	p := newPostfix(t)
	p.start(t, main, services...)
	return p
}

// newPostfix is one that has a folder, and is not started.
func newPostfix(t *testing.T) *postfix {
	t.Helper()
	needRoot(t, "postfix")
	program(t, "postfix")
	return &postfix{dir: openDir(t)}
}

// config is the folder of its configuration.
func (p *postfix) config() string { return filepath.Join(p.dir, "etc") }

func (p *postfix) start(t *testing.T, main []string, services ...string) {
	t.Helper()
	daemons := "/usr/lib/postfix/sbin"
	if _, err := os.Stat(daemons); err != nil {
		t.Skip("postfix's daemons are not in " + daemons)
	}
	cert, key, ca := keyPair(t, p.dir, "localhost", "127.0.0.1")
	require.NoError(t, os.Chmod(ca, 0o644))
	port := freePort(t)
	p.addr = fmt.Sprintf("localhost:%d", port)
	for _, name := range []string{"queue", "data"} {
		require.NoError(t, os.Mkdir(filepath.Join(p.dir, name), 0o755))
	}
	require.NoError(t, exec.Command("chown", "postfix", filepath.Join(p.dir, "data")).Run())
	config := p.config()
	write(t, config, "main.cf", strings.Join(append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + p.dir + "/queue",
		"data_directory = " + p.dir + "/data",
		"daemon_directory = " + daemons,
		"command_directory = /usr/sbin",
		"meta_directory = /etc/postfix",
		"shlib_directory = /usr/lib/postfix",
		"maillog_file = " + p.dir + "/mail.log",
		"maillog_file_prefixes = " + p.dir,
		"myhostname = mx.example.test",
		"mydestination =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		"alias_maps =",
		"alias_database =",
		"local_recipient_maps =",
		"disable_dns_lookups = yes",
		"smtp_host_lookup = native",
		"smtpd_tls_security_level = may",
		"smtpd_tls_cert_file = " + cert,
		"smtpd_tls_key_file = " + key,
		"smtp_tls_CAfile = " + ca,
		"smtpd_peername_lookup = no",
	}, main...), "\n")+"\n")
	master := fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n", port)
	for _, line := range []string{
		"pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
		"rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
		"verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp", "relay unix - - n - - smtp", "showq unix n - n - - showq", "error unix - - n - - error",
		"retry unix - - n - - error", "discard unix - - n - - discard", "local unix - n n - - local", "virtual unix - n n - - virtual",
		"lmtp unix - - n - - lmtp", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd",
	} {
		services = append(services, line)
	}
	master += strings.Join(services, "\n") + "\n"
	write(t, config, "master.cf", master)
	for _, name := range []string{config, filepath.Join(config, "main.cf"), filepath.Join(config, "master.cf")} {
		require.NoError(t, os.Chmod(name, 0o755))
	}
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(p.dir, "mail.log"))
		return string(text)
	}
	out, err := exec.Command("postfix", "-c", config, "start").CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, log())
	t.Cleanup(func() {
		if out, err := exec.Command("postfix", "-c", config, "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix did not end: %v\n%s", err, out)
		}
		if t.Failed() {
			lines := strings.Split(log(), "\n")
			t.Logf("postfix's log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	listening(t, "tcp", p.addr, log)
}
