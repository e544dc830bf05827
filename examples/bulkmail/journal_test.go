package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readAll(t testing.TB, path string) (all []record, whole int64) {
	t.Helper()
	whole, err := readJournal(path, func(r record) error { all = append(all, r); return nil })
	require.NoError(t, err)
	return all, whole
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	batches := [][]record{
		{{Time: at, What: evIntent, To: "joe@example.net", Server: "main"}},
		{
			{Time: at.Add(time.Second), What: evRetry, To: "joe@example.net", Server: "main", Until: at.Add(hour), Reply: "451 \"later\"\n"},
			{Time: at, What: evIntent, To: "ève@example.net", Server: "main"},
		},
		{{Time: at, What: evSent, To: "ève@example.net", Reply: "250 ok"}},
	}
	j, err := openJournal(path, 0)
	require.NoError(t, err)
	var want []record
	ends := []int64{0}
	for _, b := range batches {
		require.NoError(t, appendRecords(j, b...))
		want = append(want, b...)
		st, err := os.Stat(path)
		require.NoError(t, err)
		ends = append(ends, st.Size())
	}
	require.NoError(t, appendRecords[record](j))
	require.NoError(t, j.close())
	got, whole := readAll(t, path)
	require.Equal(t, want, got)
	require.Equal(t, ends[3], whole)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, `9ab18161 [{"t":"2026-03-01T12:00:00Z","e":"intent","to":"joe@example.net","server":"main"}]`+"\n", string(text[:ends[1]]))

	// However much of the last batch is there, those before it count, and a
	// new one follows them.
	more := record{Time: at, What: evVoid, To: "joe@example.net"}
	for size := range ends[3] {
		require.NoError(t, os.WriteFile(path, text[:size], 0o600))
		n := 0
		for n < 3 && ends[n+1] <= size {
			n++
		}
		got, whole := readAll(t, path)
		require.Equal(t, ends[n], whole, "%d octets", size)
		j, err := openJournal(path, whole)
		require.NoError(t, err)
		require.NoError(t, appendRecords(j, more))
		require.NoError(t, j.close())
		again, _ := readAll(t, path)
		require.Equal(t, append(got, more), again, "%d octets", size)
	}
	// A file system may have made room for the last batch and not filled it.
	torn := append([]byte(nil), text...)
	for i := ends[2]; i < ends[3]-1; i++ {
		torn[i] = 0
	}
	require.NoError(t, os.WriteFile(path, torn, 0o600))
	_, whole = readAll(t, path)
	require.Equal(t, ends[2], whole)
	require.NoError(t, os.Remove(path))
	got, whole = readAll(t, path)
	require.Empty(t, got)
	require.Zero(t, whole)
}

// What is damaged before the end is never passed over: it may say that
// somebody has got the message.
func TestJournalDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path, 0)
	require.NoError(t, err)
	require.NoError(t, appendRecords(j, record{What: evIntent, To: "a@b.example"}))
	require.NoError(t, appendRecords(j, record{What: evSent, To: "a@b.example"}))
	require.NoError(t, j.close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range text[:len(text)/2-1] {
		bad := append([]byte(nil), text...)
		bad[i] ^= 1
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, err := readJournal(path, func(record) error { return nil })
		require.ErrorContains(t, err, path+":1: damaged at offset 0: ", "octet %d", i)
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = readJournal(path, func(record) error { return errors.New("who is that?") })
	require.EqualError(t, err, path+":1: who is that?")
}

// brokenFile fails from its n-th write on.
type brokenFile struct {
	journalFile
	left  int
	how   breakage
	broke bool
}

type breakage int

const (
	breakBefore breakage = iota // nothing of the batch is written
	breakHalf                   // half of it
	breakSync                   // all of it, and it is not known whether it is on the disk
	breakages
)

var errBroken = errors.New("no space left on device")

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.broke {
		return 0, errors.New("written to after a failure")
	}
	if f.left--; f.left >= 0 {
		return f.journalFile.Write(p)
	}
	n := 0
	switch f.how {
	case breakSync:
		return f.journalFile.Write(p)
	case breakHalf:
		n, _ = f.journalFile.Write(p[:len(p)/2])
	}
	f.broke = true
	return n, errBroken
}

func (f *brokenFile) Sync() error {
	if f.left < 0 {
		f.broke = true
		return errBroken
	}
	return f.journalFile.Sync()
}

func TestJournalFails(t *testing.T) {
	for how := range breakages {
		path := filepath.Join(t.TempDir(), "journal")
		j, err := openJournal(path, 0)
		require.NoError(t, err)
		j.f = &brokenFile{journalFile: j.f, left: 1, how: how}
		require.NoError(t, appendRecords(j, record{What: evIntent, To: "a"}))
		require.ErrorIs(t, appendRecords(j, record{What: evSent, To: "a"}), errBroken)
		// What a half of a line is followed by would be lost.
		require.ErrorIs(t, appendRecords(j, record{What: evIntent, To: "b"}), errBroken)
		require.NoError(t, j.close())
		got, _ := readAll(t, path)
		assert.Len(t, got, map[breakage]int{breakBefore: 1, breakHalf: 1, breakSync: 2}[how])
	}
}

func FuzzJournal(f *testing.F) {
	path := filepath.Join(f.TempDir(), "journal")
	j, err := openJournal(path, 0)
	require.NoError(f, err)
	require.NoError(f, appendRecords(j, record{What: evIntent, To: "a@b.example"}))
	require.NoError(f, appendRecords(j, record{What: evSent, To: "a@b.example"}, record{What: evIntent, To: "c@d.example"}))
	require.NoError(f, j.close())
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("00000000 \n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		var all []record
		whole, err := readJournal(path, func(r record) error { all = append(all, r); return nil })
		if err != nil {
			return
		}
		require.LessOrEqual(t, whole, int64(len(text)))
		j, err := openJournal(path, whole)
		require.NoError(t, err)
		more := record{What: evVoid, To: "x@y.example"}
		require.NoError(t, appendRecords(j, more))
		require.NoError(t, j.close())
		again, _ := readAll(t, path)
		require.Equal(t, append(all, more), again)
	})
}
