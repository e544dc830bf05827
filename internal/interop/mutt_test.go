//go:build interop

package interop

// mutt and neomutt, driven by keys pushed into them on a terminal: read one
// message, flag one, delete one, save one to a folder.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// flagsOf are the flags in the names of a folder's files, by subject.
func flagsOf(t *testing.T, s *server, user, folder string) map[string]string {
	t.Helper()
	base := s.maildir(user)
	if folder != "INBOX" {
		base = filepath.Join(base, "."+folder)
	}
	flags := map[string]string{}
	for _, sub := range []string{"new", "cur"} {
		files, err := filepath.Glob(filepath.Join(base, sub, "*"))
		require.NoError(t, err)
		for _, f := range files {
			data, err := os.ReadFile(f)
			require.NoError(t, err)
			_, after, ok := strings.Cut(string(data), "Subject: ")
			require.True(t, ok)
			subject, _, _ := strings.Cut(after, "\r\n")
			_, info, _ := strings.Cut(f, ":2,")
			flags[subject] = info
		}
	}
	return flags
}

func TestMutt(t *testing.T)    { testMutt(t, "mutt") }
func TestNeomutt(t *testing.T) { testMutt(t, "neomutt") }

func testMutt(t *testing.T, name string) {
	program(t, name)
	program(t, "script")
	for _, service := range []string{"imaps", "imap"} {
		t.Run(service, func(t *testing.T) {
			s := start(t)
			home := t.TempDir()
			text := func(subject string) string {
				return "From: bob@example.test\nTo: ada@example.test\nSubject: " + subject + "\n\nText.\n.\n"
			}
			for _, subject := range []string{"read me", "flag me", "delete me", "save me", "leave me"} {
				file := write(t, home, "letter", strings.ReplaceAll(text(subject), "\n", "\r\n"))
				must(t, home, "", "curl", "-sS", "--cacert", s.cert, "-T", file,
					"--mail-from", "bob@example.test", "--mail-rcpt", "ada@example.test", "smtp://"+s.addr["smtp"])
			}
			rc := write(t, home, "muttrc", fmt.Sprintf(`
set folder="%[1]s://localhost:%[2]s/"
set spoolfile="%[1]s://localhost:%[2]s/INBOX"
set imap_user="ada"
set imap_pass="%[3]s"
set certificate_file="%[4]s"
set ssl_starttls=yes ssl_force_tls=yes
set sort=mailbox-order
set quit=yes delete=yes move=no confirmcreate=no confirmappend=no mail_check=60 sleep_time=0
set record="" wait_key=no abort_key="\Cg"
unset mark_old
push "<first-entry><display-message><exit><limit>~s 'flag me'<enter><flag-message><limit>~s 'delete me'<enter><delete-message><limit>~s 'save me'<enter><save-message><kill-line>=Saved<enter><limit>all<enter><sync-mailbox><quit>"
`, service, s.port(service), password, s.cert))
			must(t, home, "", "script", "-qefc", name+" -n -F "+rc, "/dev/null")
			require.Equal(t, map[string]string{"read me": "S", "flag me": "F", "leave me": ""}, flagsOf(t, s, "ada", "INBOX"))
			saved := s.stored("ada", "Saved")
			require.Len(t, saved, 1)
			require.Equal(t, text("save me"), unix(sent(t, saved[0])))
		})
	}
}
