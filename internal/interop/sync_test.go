//go:build interop

package interop

// Two-way synchronisation of a whole account: mbsync and offlineimap. Each
// runs twice, and the second run does nothing.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fill puts messages into INBOX and into two folders of ada's.
func fill(t *testing.T, s *server, home string) {
	t.Helper()
	for _, folder := range []string{"Work", "Work/Old"} {
		must(t, home, "", "curl", "-sS", "--cacert", s.cert, "-u", "ada:"+password, "-X", `CREATE "`+folder+`"`, "imaps://"+s.addr["imaps"]+"/")
	}
	for i, folder := range []string{"INBOX", "INBOX", "Work", "Work/Old"} {
		file := write(t, home, "letter", fmt.Sprintf("From: bob@example.test\r\nTo: ada@example.test\r\nMessage-ID: <%d@example.test>\r\nSubject: number %d\r\n\r\nText.\r\n", i, i))
		must(t, home, "", "curl", "-sS", "--cacert", s.cert, "-u", "ada:"+password, "-T", file, "imaps://"+s.addr["imaps"]+"/"+strings.ReplaceAll(folder, "/", "%2F"))
	}
}

// tree is every message file below dir with its time, and its content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sub := filepath.Base(filepath.Dir(p))
		if sub != "new" && sub != "cur" {
			return nil
		}
		data, err := os.ReadFile(p)
		info, _ := d.Info()
		files[p+" "+info.ModTime().String()] = string(data)
		return err
	})
	require.NoError(t, err)
	return files
}

// subjects are those of the messages below dir, sorted as a set.
func subjects(files map[string]string) map[string]bool {
	set := map[string]bool{}
	for _, data := range files {
		_, after, _ := strings.Cut(data, "Subject: ")
		subject, _, _ := strings.Cut(after, "\n")
		set[strings.TrimSuffix(subject, "\r")] = true
	}
	return set
}

// contents are the messages below dir, sorted, with lines that end in LF and
// without the field that mbsync puts into what it uploads.
func contents(files map[string]string) []string {
	var all []string
	for _, data := range files {
		all = append(all, tuid.ReplaceAllString(unix(data), ""))
	}
	slices.Sort(all)
	return all
}

var tuid = regexp.MustCompile(`(?m)^X-TUID: .*\n`)

func all(n int) map[string]bool {
	set := map[string]bool{}
	for i := range n {
		set[fmt.Sprintf("number %d", i)] = true
	}
	return set
}

func TestMbsync(t *testing.T) {
	program(t, "mbsync")
	for _, kind := range []struct{ name, service, ssl string }{{"implicit TLS", "imaps", "IMAPS"}, {"STARTTLS", "imap", "STARTTLS"}} {
		t.Run(kind.name, func(t *testing.T) {
			s := start(t)
			home := t.TempDir()
			fill(t, s, home)
			local := filepath.Join(home, "Mail")
			require.NoError(t, os.Mkdir(local, 0o700))
			rc := write(t, home, "mbsyncrc", fmt.Sprintf(`
IMAPAccount server
Host localhost
Port %s
User ada
Pass "%s"
SSLType %s
SystemCertificates no
CertificateFile %s

IMAPStore far
Account server

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`, s.port(kind.service), password, kind.ssl, s.cert, local, local))
			sync := func() string { return must(t, home, "", "mbsync", "-c", rc, "-V", "all") }
			sync()
			require.Equal(t, all(4), subjects(tree(t, local)))

			// Something of either side: a new message and a flag near, a new message far.
			first, err := filepath.Glob(filepath.Join(local, "INBOX", "cur", "*"))
			if err != nil || len(first) == 0 {
				first, err = filepath.Glob(filepath.Join(local, "INBOX", "new", "*"))
			}
			require.NoError(t, err)
			require.NotEmpty(t, first)
			name, _, _ := strings.Cut(filepath.Base(first[0]), ":")
			require.NoError(t, os.Rename(first[0], filepath.Join(local, "INBOX", "cur", name+":2,FS")))
			write(t, filepath.Join(local, "Work", "new"), "1.local.client", "From: ada@example.test\nSubject: number 4\n\nText.\n")
			file := write(t, home, "letter", "From: bob@example.test\r\nTo: ada@example.test\r\nSubject: number 5\r\n\r\nText.\r\n")
			must(t, home, "", "curl", "-sS", "--cacert", s.cert, "-u", "ada:"+password, "-T", file, "imaps://"+s.addr["imaps"]+"/INBOX")
			sync()
			require.Equal(t, all(6), subjects(tree(t, local)))
			require.Equal(t, contents(tree(t, local)), contents(tree(t, s.maildir("ada"))))
			flagged := 0
			for _, flags := range flagsOf(t, s, "ada", "INBOX") {
				if flags == "FS" {
					flagged++
				}
			}
			require.Equal(t, 1, flagged)

			near, far := tree(t, local), tree(t, s.maildir("ada"))
			sync()
			require.Equal(t, near, tree(t, local), "a run with nothing to do changed the client's side")
			require.Equal(t, far, tree(t, s.maildir("ada")), "a run with nothing to do changed the server's side")
		})
	}
}

func TestOfflineIMAP(t *testing.T) {
	program(t, "offlineimap")
	s := start(t)
	home := t.TempDir()
	fill(t, s, home)
	local := filepath.Join(home, "Mail")
	rc := write(t, home, "offlineimaprc", fmt.Sprintf(`
[general]
accounts = test
metadata = %[1]s/meta

[Account test]
localrepository = local
remoterepository = remote

[Repository local]
type = Maildir
localfolders = %[2]s

[Repository remote]
type = IMAP
remotehost = localhost
remoteport = %[3]s
remoteuser = ada
remotepass = %[4]s
ssl = yes
sslcacertfile = %[5]s
`, home, local, s.port("imaps"), password, s.cert))
	sync := func() { must(t, home, "", "offlineimap", "-c", rc, "-o", "-u", "basic") }
	sync()
	require.Equal(t, all(4), subjects(tree(t, local)))
	write(t, filepath.Join(local, "INBOX", "new"), "1.local.client", "From: ada@example.test\nSubject: number 4\n\nText.\n")
	sync()
	require.Equal(t, all(5), subjects(tree(t, s.maildir("ada"))))
	require.Equal(t, contents(tree(t, local)), contents(tree(t, s.maildir("ada"))))
	near, far := tree(t, local), tree(t, s.maildir("ada"))
	sync()
	require.Equal(t, near, tree(t, local), "a run with nothing to do changed the client's side")
	require.Equal(t, far, tree(t, s.maildir("ada")), "a run with nothing to do changed the server's side")
}
