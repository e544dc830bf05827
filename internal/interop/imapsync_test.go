//go:build interop

package interop

// examples/imapsync as a process of its own: from Dovecot to Cyrus, from there to our
// server, and from there to a Maildir; 2,000 messages, or as many as
// MAILWIRE_IMAPSYNC_MESSAGES says.

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

var buildImapsync = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "imapsync")
	out, err := exec.Command("go", "build", "-o", path, "github.com/mailwire/mailwire/examples/imapsync").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building imapsync: %w\n%s", err, out)
	}
	return path, err
})

// imapsync runs the program, which is killed when ctx ends, and returns what it says.
func imapsync(t *testing.T, ctx context.Context, ca string, args ...string) (string, error) {
	t.Helper()
	path, err := buildImapsync()
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, path, append([]string{"-ca", ca, "-no-binding"}, args...)...)
	cmd.Env = append(os.Environ(), "IMAPSYNC_FROM_PASSWORD="+password, "IMAPSYNC_TO_PASSWORD="+password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// account is a digest for each message of an account, by folder. Names are given as path, which takes away what a server puts
// before them.
func account(t *testing.T, addr string, config *tls.Config, prefix string) map[string][]string {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), addr, &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: config, Auth: sasl.Plain("", "ada", password)})
	require.NoError(t, err)
	defer c.Close()
	var names []string
	for m, err := range c.List(t.Context(), "", "*") {
		require.NoError(t, err)
		if !m.Has(imap.AttrNoselect) {
			names = append(names, m.Name)
		}
	}
	out := map[string][]string{}
	for _, name := range names {
		st, err := c.Examine(t.Context(), name)
		require.NoError(t, err)
		if st.Messages == 0 {
			continue
		}
		var list []string
		body := &imap.BodySection{Peek: true}
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags, imap.FetchInternalDate, body) {
			require.NoError(t, err)
			r := m.Open(body)
			if r == nil {
				continue
			}
			h := sha256.New()
			_, err = io.Copy(h, r)
			require.NoError(t, err)
			var flags []string
			for _, f := range m.Flags {
				if !f.Equal(imap.FlagRecent) {
					flags = append(flags, strings.ToLower(string(f)))
				}
			}
			slices.Sort(flags)
			list = append(list, fmt.Sprintf("%x %s %v", h.Sum(nil)[:8], m.InternalDate.UTC().Format(time.DateTime), flags))
		}
		slices.Sort(list)
		out[strings.TrimPrefix(name, prefix)] = list
	}
	return out
}

func TestImapsync(t *testing.T) {
	n := 2_000
	if text := os.Getenv("MAILWIRE_IMAPSYNC_MESSAGES"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	from := startDovecot(t, `
mail_fsync = never
namespace inbox {
 mailbox Sent {
  special_use = \Sent
 }
}
`)
	to := startCyrus(t, "specialusealways: yes\n")
	own := start(t)

	// The files of a Maildir are written quicker than they are delivered.
	home := filepath.Join(from.dir, "home", "ada", "Maildir")
	for _, folder := range []string{"", ".Sent", ".Lists.Go & Co"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			require.NoError(t, os.MkdirAll(filepath.Join(home, strings.ReplaceAll(folder, "&", "&-"), sub), 0o777))
		}
	}
	begin := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	infos := []string{"", "S", "RS", "FS", "DS", "F"}
	folders := []string{"", "", "", ".Sent", ".Lists.Go &- Co"}
	for i := range n {
		id := fmt.Sprintf("Message-ID: <%d@example.test>\n", i)
		if i%50 == 0 {
			id = ""
		}
		at := begin.Add(time.Duration(i) * time.Hour)
		text := fmt.Sprintf("From: ada@example.test\nTo: bob@example.test\nDate: %s\nSubject: number %d\n%s\n%s", at.Format(time.RFC1123Z), i, id,
			strings.Repeat("A line of text, and another one.\n", i%60))
		path := filepath.Join(home, folders[i%len(folders)], "cur", fmt.Sprintf("%d.M%dP1.localhost:2,%s", at.Unix(), i, infos[i%len(infos)]))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	require.NoError(t, exec.Command("chown", "-R", "nobody:nogroup", filepath.Join(from.dir, "home")).Run())

	ca := filepath.Join(from.dir, "ca.pem")
	state := t.TempDir()
	took := func(what string, since time.Time) {
		t.Logf("%s: %d messages in %v", what, n, time.Since(since).Round(100*time.Millisecond))
	}

	// To Cyrus, killed twice on the way.
	args := []string{"-state", state, "imaps://ada@" + from.addr["imaps"], "imaps://ada@" + to.addr["imaps"]}
	since := time.Now()
	for i := range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(2+i)*time.Second)
		_, _ = imapsync(t, ctx, ca, args...)
		cancel()
	}
	out, err := imapsync(t, t.Context(), ca, args...)
	require.NoError(t, err, out)
	took("Dovecot to Cyrus", since)
	want := account(t, from.addr["imaps"], from.tls, "")
	require.Len(t, want, 3)
	require.Equal(t, want, account(t, to.addr["imaps"], to.tls, "INBOX/"))
	out, err = imapsync(t, t.Context(), ca, args...)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("0 messages copied (0 KB), %d were there\n", n), out)

	// From Cyrus to ours, and from ours to a Maildir.
	bundle := filepath.Join(state, "cas.pem")
	first, err := os.ReadFile(ca)
	require.NoError(t, err)
	second, err := os.ReadFile(own.cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(bundle, append(first, second...), 0o600))
	since = time.Now()
	out, err = imapsync(t, t.Context(), bundle, "-state", state, "imaps://ada@"+to.addr["imaps"], "imaps://ada@"+own.addr["imaps"])
	require.NoError(t, err, out)
	took("Cyrus to mailserver", since)
	files := map[string]int{}
	for _, f := range []string{"INBOX", "Sent", "Lists/Go & Co"} {
		files[f] = len(want[f])
	}
	got := map[string]int{}
	ownTLS := &tls.Config{InsecureSkipVerify: true} // of the test's own server
	stored := account(t, own.addr["imaps"], ownTLS, "")
	for name, list := range stored {
		got[name] = len(list)
	}
	require.Equal(t, files, got)
	require.Equal(t, want, stored)

	dir := filepath.Join(state, "Maildir")
	since = time.Now()
	out, err = imapsync(t, t.Context(), bundle, "-state", state, "imaps://ada@"+own.addr["imaps"], "maildir:"+dir)
	require.NoError(t, err, out)
	took("mailserver to a Maildir", since)
	all, err := filepath.Glob(filepath.Join(dir, ".Lists*", "cur", "*"))
	require.NoError(t, err)
	require.Len(t, all, len(want["Lists/Go & Co"]))
}
