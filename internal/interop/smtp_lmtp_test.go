//go:build interop

package interop

// Dovecot's LMTP server as what our client delivers to.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// inbox are a user's messages as Dovecot keeps them, without what it puts
// before them.
func (d *dovecot) inbox(t *testing.T, user string) (messages []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(d.dir, "home", user, "Maildir", "new", "*"))
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		messages = append(messages, untraced([]byte(strings.ReplaceAll(string(data), "\n", "\r\n"))))
	}
	return messages
}

// Recipients that are not there, recipients that have no room left, with DATA
// and in chunks, within TLS and without.
func TestDovecotLMTP(t *testing.T) {
	users := write(t, openDir(t), "users", "ada:{PLAIN}x\nbob:{PLAIN}x\neve:{PLAIN}x\n")
	require.NoError(t, os.Chmod(users, 0o644))
	d := startDovecot(t, `
passdb {
 driver = passwd-file
 args = username_format=%n `+users+`
}
protocol lmtp {
 mail_plugins = quota
}
plugin {
 quota = maildir:User quota
 quota_rule = *:storage=60M
}
`)
	dial := func(t *testing.T, mode smtpclient.TLSMode, chunking smtpclient.Chunking) *smtpclient.Client {
		t.Helper()
		o := relayOptions(mode, chunking)
		o.TLSConfig, o.LMTP = d.tls, true
		c, err := smtpclient.Dial(t.Context(), d.addr["lmtp"], o)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	to := func(names ...string) *smtp.Envelope {
		for i := range names {
			names[i] += "@example.test"
		}
		return envelope(t, "ada@example.org", names...)
	}
	n := 0
	for _, mode := range []smtpclient.TLSMode{smtpclient.Disabled, smtpclient.Required} {
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
			t.Run(fmt.Sprintf("TLS %d, chunking %d", mode, chunking), func(t *testing.T) {
				c := dial(t, mode, chunking)
				for range 2 {
					res, err := c.Send(t.Context(), to("ada", "nobody", "bob"), strings.NewReader(letter))
					require.NoError(t, err)
					require.NoError(t, res.Recipients[0].Err)
					require.ErrorContains(t, res.Recipients[1].Err, "550 5.1.1")
					require.NoError(t, res.Recipients[2].Err)
					n++
				}
				_, err := c.Send(t.Context(), to("nobody", "nothing"), strings.NewReader(letter))
				require.ErrorContains(t, err, "550 5.1.1")
				require.NoError(t, c.Quit(t.Context()))
				for _, user := range []string{"ada", "bob"} {
					got := d.inbox(t, user)
					require.Len(t, got, n)
					for _, m := range got {
						require.Equal(t, letter, m)
					}
				}
			})
		}
	}
	t.Run("50 MB, and no room for them", func(t *testing.T) {
		c := dial(t, smtpclient.Disabled, smtpclient.ChunkAuto)
		_, err := c.Send(t.Context(), to("eve"), large())
		require.NoError(t, err)
		require.Equal(t, largeSum(), sum(strings.NewReader(d.inbox(t, "eve")[0])))
		middling := letter + strings.Repeat(largeLine, 20<<20/len(largeLine))
		res, err := c.Send(t.Context(), to("ada", "eve", "bob"), strings.NewReader(middling))
		require.NoError(t, err)
		require.NoError(t, res.Recipients[0].Err)
		require.ErrorContains(t, res.Recipients[1].Err, "552 5.2.2")
		require.NoError(t, res.Recipients[2].Err)
		require.Len(t, d.inbox(t, "eve"), 1)
		require.Contains(t, d.inbox(t, "bob"), middling)
		require.NoError(t, c.Quit(t.Context()))
	})
}
