package maildir

// What the tests share.

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var quiet = &Options{Host: "test", Poll: 5 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}

func openStore(t testing.TB, root string) *Store {
	t.Helper()
	s, err := Open(root, quiet)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(tempDir(t), "mail"))
}

// tempDir is in memory where that is easy: most tests sync a lot.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "maildir")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openFolder(t testing.TB, s *Store, name string, mode Mode) *Folder {
	t.Helper()
	f, err := s.Folder(t.Context(), name, mode)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func appendText(t testing.TB, f *Folder, text string, o *AppendOptions) uint32 {
	t.Helper()
	uid, err := f.Append(t.Context(), strings.NewReader(text), o)
	require.NoError(t, err)
	return uid
}

func messages(t testing.TB, f *Folder, ranges ...Range) []Message {
	t.Helper()
	if ranges == nil {
		ranges = []Range{All}
	}
	var list []Message
	for m, err := range f.Messages(t.Context(), ranges...) {
		require.NoError(t, err)
		list = append(list, m)
	}
	return list
}

func uids(t testing.TB, f *Folder) []uint32 {
	t.Helper()
	list := []uint32{}
	for _, m := range messages(t, f) {
		list = append(list, m.UID)
	}
	return list
}

func text(t testing.TB, f *Folder, uid uint32) string {
	t.Helper()
	c, err := f.Content(t.Context(), uid)
	require.NoError(t, err)
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()+1))
	require.NoError(t, err)
	require.EqualValues(t, c.Size(), len(b))
	return string(b)
}

func changes(t testing.TB, f *Folder, since uint64) (changed, expunged []uint32) {
	t.Helper()
	for c, err := range f.Changes(t.Context(), since) {
		require.NoError(t, err)
		require.Greater(t, c.ModSeq, since)
		if c.Expunged {
			expunged = append(expunged, c.UID)
		} else {
			changed = append(changed, c.UID)
		}
	}
	return changed, expunged
}

func status(t testing.TB, f *Folder) Status {
	t.Helper()
	s, err := f.Status(t.Context())
	require.NoError(t, err)
	return s
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// drop puts a file where an outside agent would.
func drop(t testing.TB, f *Folder, place, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.b.join(place), []byte(text), 0o600))
}

func rename(t testing.TB, f *Folder, from, to string) {
	t.Helper()
	require.NoError(t, os.Rename(f.b.join(from), f.b.join(to)))
}

// refresh is for changes within a tick of our own.
func refresh(t testing.TB, f *Folder) {
	t.Helper()
	require.NoError(t, f.Refresh(t.Context()))
}
