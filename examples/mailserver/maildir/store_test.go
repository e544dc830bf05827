package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func list(t *testing.T, s *Store) map[string]FolderInfo {
	t.Helper()
	all, err := s.Folders(t.Context())
	require.NoError(t, err)
	require.Equal(t, Inbox, all[0].Name)
	m := map[string]FolderInfo{}
	for _, f := range all {
		m[f.Name] = f
	}
	require.Len(t, m, len(all))
	return m
}

func TestFolders(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	assert.Equal(t, map[string]FolderInfo{"INBOX": {Name: "INBOX", Exists: true}}, list(t, s))
	require.NoError(t, s.Create(ctx, "a/b/c"))
	require.NoError(t, s.Create(ctx, "a"))
	require.NoError(t, s.Subscribe(ctx, "a/b"))
	require.NoError(t, s.Subscribe(ctx, "not there"))
	require.NoError(t, s.Subscribe(ctx, "a/b"))
	assert.Equal(t, map[string]FolderInfo{
		"INBOX":     {Name: "INBOX", Exists: true},
		"a":         {Name: "a", Exists: true, HasChildren: true},
		"a/b":       {Name: "a/b", HasChildren: true, Subscribed: true},
		"a/b/c":     {Name: "a/b/c", Exists: true},
		"not there": {Name: "not there", Subscribed: true},
	}, list(t, s))
	require.NoError(t, s.Unsubscribe(ctx, "a/b"))
	require.NoError(t, s.Unsubscribe(ctx, "never was"))
	names, err := s.Subscriptions(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"not there"}, names)

	assert.ErrorIs(t, s.Create(ctx, "a"), ErrExists)
	assert.ErrorIs(t, s.Create(ctx, "inbox"), ErrExists)
	assert.ErrorIs(t, s.Create(ctx, "x//y"), ErrName)
	assert.ErrorIs(t, s.Subscribe(ctx, "x\ny"), ErrName)
	_, err = s.Folder(ctx, "a/b", ReadOnly)
	assert.ErrorIs(t, err, ErrNoFolder)

	require.NoError(t, s.Delete(ctx, "a"))
	assert.ErrorIs(t, s.Delete(ctx, "a"), ErrHasChildren)
	assert.ErrorIs(t, s.Delete(ctx, "a/b"), ErrHasChildren)
	assert.ErrorIs(t, s.Delete(ctx, "inbox"), ErrName)
	assert.ErrorIs(t, s.Delete(ctx, "z"), ErrNoFolder)
	assert.False(t, list(t, s)["a"].Exists)
	require.NoError(t, s.Delete(ctx, "a/b/c"))
	assert.Len(t, list(t, s), 2)
	for _, name := range files(t, s.root) {
		assert.False(t, strings.HasPrefix(name, "."), name)
	}
}

func TestDeletedFolderThatIsOpen(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	require.NoError(t, s.Create(ctx, "a"))
	f := openFolder(t, s, "a", ReadWrite)
	appendText(t, f, "x", nil)
	c, err := f.Content(ctx, 1)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, s.Delete(ctx, "a"))
	_, err = f.Status(ctx)
	assert.ErrorIs(t, err, ErrNoFolder)
	_, err = f.Append(ctx, strings.NewReader("y"), nil)
	assert.ErrorIs(t, err, ErrNoFolder)
	assert.ErrorIs(t, f.Wait(ctx, 1<<62), ErrNoFolder)
	p := make([]byte, 1)
	_, err = c.ReadAt(p, 0)
	assert.NoError(t, err)

	require.NoError(t, s.Create(ctx, "a"))
	_, err = f.Status(ctx)
	assert.ErrorIs(t, err, ErrReset)
	assert.ErrorIs(t, err, ErrNoFolder)
	again := openFolder(t, s, "a", ReadWrite)
	assert.Greater(t, again.UIDValidity(), f.UIDValidity())
	assert.Empty(t, messages(t, again))
	for _, err := range f.Messages(ctx, All) {
		assert.ErrorIs(t, err, ErrReset)
	}
}

func TestRename(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for _, n := range []string{"a", "a/b", "a/b/c", "ab", "x/y"} {
		require.NoError(t, s.Create(ctx, n))
	}
	f := openFolder(t, s, "a/b", ReadOnly)
	appendText(t, f, "one", nil)
	assert.ErrorIs(t, s.Rename(ctx, "a", "ab"), ErrExists)
	assert.ErrorIs(t, s.Rename(ctx, "a", "a"), ErrExists)
	assert.ErrorIs(t, s.Rename(ctx, "a", "inbox"), ErrExists)
	assert.ErrorIs(t, s.Rename(ctx, "a", "a/d"), ErrName)
	assert.ErrorIs(t, s.Rename(ctx, "nope", "d"), ErrNoFolder)
	assert.ErrorIs(t, s.Rename(ctx, "a", strings.Repeat("n", 238)), ErrName)
	require.NoError(t, s.Rename(ctx, "a", "new/place"))
	require.NoError(t, s.Rename(ctx, "x", "z"))
	have := list(t, s)
	for _, n := range []string{"new/place", "new/place/b", "new/place/b/c", "ab", "z/y"} {
		assert.True(t, have[n].Exists, n)
	}
	assert.NotContains(t, have, "a")
	assert.NotContains(t, have, "x")
	_, err := f.Status(ctx)
	assert.ErrorIs(t, err, ErrNoFolder)
	g := openFolder(t, s, "new/place/b", ReadOnly)
	assert.Equal(t, f.UIDValidity(), g.UIDValidity())
	assert.Equal(t, "one", text(t, g, 1))
}

func TestRenameInbox(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	inbox := openFolder(t, s, Inbox, ReadWrite)
	require.NoError(t, s.Create(ctx, "INBOX/child"))
	date := time.Unix(1e9, 0)
	appendText(t, inbox, "one", &AppendOptions{Flags: Seen, Keywords: []string{"Work"}, Date: date})
	require.NoError(t, s.Deliver(ctx, strings.NewReader("two")))
	since := status(t, inbox).HighestModSeq
	require.NoError(t, s.Rename(ctx, "INBOX", "old/mail"))
	_, gone := changes(t, inbox, since)
	assert.Equal(t, []uint32{1, 2}, gone)
	assert.Equal(t, 0, status(t, inbox).Messages)
	old := openFolder(t, s, "old/mail", ReadOnly)
	m := messages(t, old)
	require.Len(t, m, 2)
	assert.Equal(t, Seen, m[0].Flags)
	assert.Equal(t, []string{"Work"}, m[0].Keywords)
	assert.True(t, date.Equal(m[0].Date))
	assert.Equal(t, "two", text(t, old, 2))
	assert.True(t, list(t, s)["INBOX/child"].Exists)
	assert.EqualValues(t, 3, appendText(t, inbox, "three", nil))
	assert.ErrorIs(t, s.Rename(ctx, "INBOX", "old/mail"), ErrExists)
}

func TestPOP3Lock(t *testing.T) {
	root := filepath.Join(t.TempDir(), "m")
	a, b := openStore(t, root), openStore(t, root)
	l, err := a.LockPOP3()
	require.NoError(t, err)
	_, err = b.LockPOP3()
	assert.ErrorIs(t, err, ErrInUse)
	_, err = a.LockPOP3()
	assert.ErrorIs(t, err, ErrInUse)
	require.NoError(t, l.Close())
	l, err = b.LockPOP3()
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestExistenceLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "held")
	l, err := tryExistence(path)
	require.NoError(t, err)
	_, err = tryExistence(path)
	assert.ErrorIs(t, err, errLocked)
	require.NoError(t, l.unlock())
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	old := time.Now().Add(-2 * staleAfter)
	require.NoError(t, os.Chtimes(path, old, old))
	_, err = tryExistence(path)
	assert.ErrorIs(t, err, errLocked)
	l, err = tryExistence(path)
	require.NoError(t, err)
	require.NoError(t, l.unlock())
	assert.NoFileExists(t, path)
}

func TestLeftInTmp(t *testing.T) {
	root := filepath.Join(t.TempDir(), "m")
	s := openStore(t, root)
	old := time.Now().Add(-37 * time.Hour)
	put := func(name string, date time.Time) string {
		path := s.join("tmp", name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, date, date))
		return path
	}
	stale := put("1000.M1P1Q1.h", old)
	young := put("1001.M1P1Q1.h", time.Now())
	appending := put(uniqueName("h"), old)
	openStore(t, root)
	assert.NoFileExists(t, stale)
	assert.FileExists(t, young)
	assert.FileExists(t, appending)
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "x"), nil)
	assert.ErrorContains(t, err, file)
	s := newStore(t)
	require.NoError(t, s.Close())
	_, err = s.Folder(t.Context(), Inbox, ReadOnly)
	assert.ErrorIs(t, err, ErrClosed)
}

func TestSpool(t *testing.T) {
	ctx := t.Context()
	a, b, c := newStore(t), newStore(t), newStore(t)
	open := openFolder(t, b, Inbox, ReadOnly)
	p, err := a.Spool(ctx, strings.NewReader("to all\n"))
	require.NoError(t, err)
	assert.EqualValues(t, 8, p.Size())
	for _, s := range []*Store{a, b, c, c} {
		require.NoError(t, p.Deliver(ctx, s))
	}
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	assert.Empty(t, files(t, a.join("tmp")))
	assert.Equal(t, "to all\r\n", text(t, open, 1))
	assert.Equal(t, []uint32{1, 2}, uids(t, openFolder(t, c, Inbox, ReadOnly)))
	require.Error(t, p.Deliver(ctx, a))
}

func TestCopyWhereLinksFail(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "none", "to")
	require.NoError(t, os.WriteFile(from, []byte("x"), 0o600))
	assert.ErrorIs(t, linkOrCopy(from, to, filepath.Join(dir, "t")), os.ErrNotExist)
	assert.NoFileExists(t, filepath.Join(dir, "t"))
}

// A delivery does not depend on the index.
func TestDeliveryWithoutIndex(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	require.NoError(t, os.Remove(s.join(lockFile)))
	require.NoError(t, os.Mkdir(s.join(lockFile), 0o700))
	require.NoError(t, s.Deliver(ctx, strings.NewReader("x")))
	_, err := f.Append(ctx, strings.NewReader("y"), nil)
	assert.ErrorContains(t, err, lockFile)
	require.NoError(t, os.Remove(s.join(lockFile)))
	refresh(t, f)
	assert.Equal(t, []uint32{1}, uids(t, f))
	assert.Equal(t, "x", text(t, f, 1))
}

func TestIdleFolders(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for i := range 10 {
		name := strings.Repeat("f", i+1)
		require.NoError(t, s.Create(ctx, name))
		f := openFolder(t, s, name, ReadOnly)
		g := openFolder(t, s, name, ReadOnly)
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		appendText(t, g, "x", nil)
		require.NoError(t, g.Close())
		_, err := g.Status(ctx)
		assert.ErrorIs(t, err, ErrClosed)
	}
	assert.Len(t, s.boxes, 4)
	assert.Len(t, s.unused, 4)
	f := openFolder(t, s, "f", ReadOnly)
	last := openFolder(t, s, strings.Repeat("f", 10), ReadOnly)
	assert.Equal(t, "x", text(t, f, 1))
	assert.Equal(t, "x", text(t, last, 1))
	assert.Len(t, s.unused, 3)
	require.NoError(t, s.Close())
	_, err := f.Status(ctx)
	assert.ErrorIs(t, err, ErrClosed)
	require.NoError(t, f.Close())
	hub.mu.Lock()
	defer hub.mu.Unlock()
	assert.NotContains(t, hub.boxes, s.join(".f"))
}

// A folder keeps its UIDs and its history under another name; what was open
// under the old one is gone.
func TestRenameKeepsHistory(t *testing.T) {
	s := newStore(t)
	require.NoError(t, s.Create(t.Context(), "a/b"))
	f := openFolder(t, s, "a/b", ReadWrite)
	appendText(t, f, "one", nil)
	before := status(t, f)
	require.NoError(t, s.Rename(t.Context(), "a", "c"))
	_, err := f.Status(t.Context())
	require.ErrorIs(t, err, ErrNoFolder)
	g := openFolder(t, s, "c/b", ReadWrite)
	assert.Equal(t, before.UIDValidity, g.UIDValidity())
	uid := appendText(t, g, "two", nil)
	changed, expunged := changes(t, g, before.HighestModSeq)
	assert.Equal(t, []uint32{uid}, changed)
	assert.Empty(t, expunged)
}
