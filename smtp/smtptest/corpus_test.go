package smtptest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// Real messages arrive as they were, but that every line ends in CRLF.
func TestCorpus(t *testing.T) {
	folder := testkit.Corpus(t)
	s := smtptest.NewUnstartedServer(t)
	s.Config.Limits.MaxNoops = -1
	s.Start()
	c, err := smtpclient.Dial(t.Context(), s.Addr, &smtpclient.Options{TLS: smtpclient.Disabled})
	require.NoError(t, err)
	env := envelope(t, "a@example.org", "b@example.org")
	env.Options.Body = smtp.Body8BitMIME
	n := 0
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		in, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.Clear()
		_, err = c.Send(t.Context(), env, bytes.NewReader(in))
		require.NoError(t, err, path)
		want := bytes.ReplaceAll(in, []byte("\r\n"), []byte("\n"))
		want = bytes.ReplaceAll(want, []byte("\r"), []byte("\n"))
		want = bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n"))
		if len(want) > 0 && !bytes.HasSuffix(want, []byte("\r\n")) {
			want = append(want, "\r\n"...)
		}
		require.True(t, bytes.Equal(want, s.Wait(1)[0].Data), path)
		n++
		return nil
	}))
	require.Greater(t, n, 300)
	require.NoError(t, c.Quit(t.Context()))
}
