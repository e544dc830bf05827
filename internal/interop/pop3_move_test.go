//go:build interop

package interop

// examples/pop3toimap between real servers.

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

// inMailbox are the messages in a mailbox, by a connection that reads alone.
func inMailbox(t *testing.T, addr string, o *imapclient.Options, mailbox string) []string {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), addr, o)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Examine(t.Context(), mailbox)
	require.NoError(t, err)
	var all []string
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchUID, body) {
		require.NoError(t, err)
		if r := m.Open(body); r != nil {
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			all = append(all, string(data))
		}
	}
	require.NoError(t, c.Logout(t.Context()))
	return all
}

// testMove moves ada's maildrop at one server into a mailbox of bob's at
// another. The program is killed in its middle once.
func testMove(t *testing.T, from *popServer, imapAddr string, o *imapclient.Options, ca, mailbox string, flags ...string) {
	messages := hardMessages()
	from.fill(t, "ada", messages)
	home := t.TempDir()
	program := filepath.Join(home, "pop3toimap")
	out, err := exec.Command("go", "build", "-o", program, "github.com/mailwire/mailwire/examples/pop3toimap").CombinedOutput()
	require.NoError(t, err, "%s", out)
	command := func(more ...string) *exec.Cmd {
		cmd := exec.Command(program, append(slices.Concat(flags, more), "-v", "-ca", ca, "-journal", filepath.Join(home, "journal"),
			"pop3://ada@"+from.addr["pop3"], "imaps://bob@"+imapAddr+"/"+strings.ReplaceAll(mailbox, "/", "%2F"))...)
		cmd.Env = append(os.Environ(), "POP3_PASSWORD="+password, "IMAP_PASSWORD="+password)
		return cmd
	}
	must := func(more ...string) string {
		out, err := command(more...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Contains(t, must("-n"), "67 of 67 messages")
	cmd := command()
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(pipe)
	for n := 0; n < 20 && lines.Scan(); n++ {
		require.Contains(t, lines.Text(), "stored")
	}
	cmd.Process.Kill()
	cmd.Wait()
	require.Contains(t, must(), "67 deleted, 0 failed\n")
	want := slices.Clone(messages)
	got := inMailbox(t, imapAddr, o, mailbox)
	slices.Sort(want)
	slices.Sort(got)
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, want[i] == got[i], "%.200q\n%.200q", want[i], got[i])
	}
	c := from.reopen(t, "ada")
	stat, err := c.Stat(t.Context())
	require.NoError(t, err)
	require.Zero(t, stat.Count)
	require.NoError(t, c.Quit(t.Context()))
	require.Contains(t, must(), "0 stored, 0 were already, 0 deleted, 0 failed\n")
}

func TestMoveDovecotToDovecot(t *testing.T) {
	d := startDovecot(t, "")
	p := &popServer{addr: d.addr, tls: d.tls, fill: func(t *testing.T, user string, messages []string) {
		intoMaildir(t, filepath.Join(d.dir, "home", user, "Maildir"), messages)
	}}
	o := &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: d.tls, Auth: sasl.Plain("", "bob", password)}
	testMove(t, p, d.addr["imaps"], o, filepath.Join(d.dir, "ca.pem"), "Archive/Old mail")
}

func TestMoveCourierToCyrus(t *testing.T) {
	from, to := popCourier(t), startCyrus(t, "")
	o := &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: to.tls, Auth: sasl.Plain("", "bob", password)}
	testMove(t, from, to.addr["imaps"], o, filepath.Join(to.dir, "ca.pem"), "INBOX",
		"-to-mechanism", "SCRAM-SHA-256") // see TestPOP3CyrusBinding
}
