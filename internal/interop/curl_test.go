//go:build interop

package interop

// Reading and appending with curl, over IMAP and POP3, with STARTTLS and
// implicit TLS.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCurl(t *testing.T) {
	program(t, "curl")
	s := start(t)
	home := t.TempDir()
	curl := func(t *testing.T, args ...string) string {
		t.Helper()
		return must(t, home, "", "curl", append([]string{"-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:" + password}, args...)...)
	}
	var letters []string
	for i := range 3 {
		m := strings.Replace(letter, "Subject: ", fmt.Sprintf("Subject: number %d, ", i+1), 1)
		letters = append(letters, m)
	}
	file := func(i int) string { return write(t, home, fmt.Sprintf("letter%d", i), letters[i]) }

	imaps, imap := "imaps://"+s.addr["imaps"], "imap://"+s.addr["imap"]
	t.Run("append", func(t *testing.T) {
		curl(t, "-T", file(0), imaps+"/INBOX")
		curl(t, "-T", file(1), imap+"/INBOX")
		curl(t, "-T", file(2), imap+"/INBOX")
		require.Equal(t, letters, s.stored("ada", "INBOX"))
	})
	for _, base := range []string{imaps, imap} {
		t.Run("list", func(t *testing.T) {
			require.Contains(t, curl(t, base+"/"), `"/" INBOX`)
		})
		t.Run("fetch by UID", func(t *testing.T) {
			for i, m := range letters {
				require.Equal(t, m, curl(t, fmt.Sprintf("%s/INBOX;UID=%d", base, i+1)))
			}
			header, _, _ := strings.Cut(letters[1], "\r\n\r\n")
			require.Equal(t, header+"\r\n\r\n", curl(t, base+"/INBOX;UID=2;SECTION=HEADER"))
		})
		t.Run("fetch by number", func(t *testing.T) {
			require.Equal(t, letters[2], curl(t, base+"/INBOX;MAILINDEX=3"))
		})
		t.Run("search", func(t *testing.T) {
			require.Equal(t, "* SEARCH 2\r\n", curl(t, base+"/INBOX?SUBJECT%20%22number%202%22"))
			require.Equal(t, "* SEARCH 1 2 3\r\n", curl(t, base+"/INBOX?ALL"))
		})
		t.Run("any command", func(t *testing.T) {
			require.Contains(t, curl(t, "-X", "STATUS INBOX (MESSAGES UIDNEXT)", base+"/"), "* STATUS INBOX (MESSAGES 3 UIDNEXT 4)")
		})
	}
	for _, base := range []string{"pop3s://" + s.addr["pop3s"], "pop3://" + s.addr["pop3"]} {
		t.Run("pop3 list", func(t *testing.T) {
			var want strings.Builder
			for i, m := range letters {
				fmt.Fprintf(&want, "%d %d\r\n", i+1, len(m))
			}
			require.Equal(t, want.String(), curl(t, base+"/"))
		})
		t.Run("pop3 retrieve", func(t *testing.T) {
			for i, m := range letters {
				require.Equal(t, m, curl(t, fmt.Sprintf("%s/%d", base, i+1)))
			}
		})
		t.Run("pop3 commands", func(t *testing.T) {
			require.Len(t, strings.Split(strings.TrimSpace(curl(t, "-X", "UIDL", base+"/")), "\r\n"), 3)
			header, body, _ := strings.Cut(letters[0], "\r\n\r\n")
			first, _, _ := strings.Cut(body, "\r\n")
			require.Equal(t, header+"\r\n\r\n"+first+"\r\n", curl(t, "-X", "TOP 1 1", base+"/"))
		})
	}
	t.Run("pop3 delete", func(t *testing.T) {
		curl(t, "-X", "DELE 2", "-I", "pop3s://"+s.addr["pop3s"]+"/")
		// curl does not wait for the answer to QUIT: the next session does,
		// for the lock.
		require.Eventually(t, func() bool {
			return run(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:"+password, "pop3s://"+s.addr["pop3s"]+"/").code == 0
		}, time.Minute, 50*time.Millisecond)
		require.Equal(t, []string{letters[0], letters[2]}, s.stored("ada", "INBOX"))
	})
	t.Run("wrong password", func(t *testing.T) {
		for _, url := range []string{imaps + "/", imap + "/", "pop3s://" + s.addr["pop3s"] + "/", "pop3://" + s.addr["pop3"] + "/"} {
			r := run(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:wrong", url)
			require.Equal(t, 67, r.code, "%s: %s", url, r.out)
		}
	})
}
