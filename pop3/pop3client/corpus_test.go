package pop3client_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3test"
)

// canonical is what line-end canonicalisation makes of a message: each CR and
// LF that stands alone is CRLF, and the last line has an end.
func canonical(s []byte) []byte {
	s = bytes.ReplaceAll(s, []byte("\r\n"), []byte("\n"))
	s = bytes.ReplaceAll(s, []byte("\r"), []byte("\n"))
	if len(s) > 0 && s[len(s)-1] != '\n' {
		s = append(s, '\n')
	}
	return bytes.ReplaceAll(s, []byte("\n"), []byte("\r\n"))
}

// Real messages come back as they were but for their line ends, with the size
// that was said.
func TestCorpus(t *testing.T) {
	ctx := t.Context()
	srv := pop3test.NewServer(t)
	srv.AddUser("ada", "secret")
	var want [][]byte
	err := filepath.WalkDir(testkit.Corpus(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && len(data) < 1<<20 {
			srv.Deliver("ada", string(data))
			want = append(want, canonical(data))
		}
		return err
	})
	require.NoError(t, err)
	c, err := pop3client.Dial(ctx, srv.Addr, &pop3client.Options{TLSConfig: srv.ClientTLS(), User: "ada", Password: "secret"})
	require.NoError(t, err)
	for l, err := range c.List(ctx) {
		require.NoError(t, err)
		require.EqualValues(t, len(want[l.Number-1]), l.Size)
	}
	for i, w := range want {
		m, err := c.Retrieve(ctx, i+1)
		require.NoError(t, err)
		got, err := io.ReadAll(m)
		require.NoError(t, err)
		require.True(t, bytes.Equal(w, got), "message %d", i+1)
		require.EqualValues(t, len(w), m.Size)
	}
	assert.Greater(t, len(want), 300)
	require.NoError(t, c.Quit(ctx))
}
