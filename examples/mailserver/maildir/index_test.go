package maildir

// Indexes that are lost, damaged, cut off.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample makes an INBOX with all kinds of operations in its index.
func sample(t testing.TB) (*Store, []Message) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadWrite)
	for i := range 4 {
		appendText(t, f, fmt.Sprint(i), &AppendOptions{Keywords: []string{"Kept"}})
	}
	drop(t, f, "new/5.x", "5")
	refresh(t, f)
	require.NoError(t, err2(f.Remove(ctx, Range{2, 3})))
	require.NoError(t, err2(f.Store(ctx, []Range{{1, 1}}, FlagChange{Flags: Seen})))
	appendText(t, f, "last", nil)
	list := messages(t, f)
	require.Len(t, list, 4)
	f.Close()
	require.NoError(t, s.Close())
	return s, list
}

func checkRepaired(t *testing.T, root string, validity uint32, want []Message, what string) {
	t.Helper()
	s := openStore(t, root)
	defer s.Close()
	f := openFolder(t, s, Inbox, ReadOnly)
	defer f.Close()
	got := messages(t, f)
	require.Len(t, got, len(want), what)
	if f.UIDValidity() == validity {
		for i := range want {
			require.Equal(t, want[i].UID, got[i].UID, what)
			require.Equal(t, want[i].Flags, got[i].Flags, what)
			require.Equal(t, want[i].Keywords, got[i].Keywords, what)
		}
	} else {
		require.Greater(t, f.UIDValidity(), validity, what)
		for i := range got {
			require.EqualValues(t, i+1, got[i].UID, what)
		}
	}
	next := status(t, f).UIDNext
	require.Greater(t, next, got[len(got)-1].UID)
}

func TestDamagedIndex(t *testing.T) {
	s, want := sample(t)
	path := s.join(indexFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	validity, durable, err := parseHeader(good[:headerSize])
	require.NoError(t, err)
	require.EqualValues(t, 7, durable)
	require.NoError(t, os.Remove(path))
	checkRepaired(t, s.root, validity, want, "lost")
	for n := range good {
		require.NoError(t, os.WriteFile(path, good[:n], 0o600))
		checkRepaired(t, s.root, validity, want, fmt.Sprint("cut off at ", n))
		bad := bytes.Clone(good)
		bad[n] ^= 0x55
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		checkRepaired(t, s.root, validity, want, fmt.Sprint("damaged at ", n))
	}
	require.NoError(t, os.WriteFile(path, append(bytes.Clone(good), "rubbish at the end, and more of it"...), 0o600))
	checkRepaired(t, s.root, validity, want, "rubbish at the end")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, validity, mustHeader(t, after))
}

func mustHeader(t *testing.T, b []byte) uint32 {
	validity, _, err := parseHeader(b[:headerSize])
	require.NoError(t, err)
	return validity
}

// UIDs that were given out and are gone from a cut index come never again.
func TestUIDsAreNotReused(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	appendText(t, f, "a", nil)
	small, err := os.ReadFile(s.join(indexFile))
	require.NoError(t, err)
	appendText(t, f, "b", nil)
	require.NoError(t, err2(f.Remove(t.Context(), Range{2, 2})))
	validity := f.UIDValidity()
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(s.join(indexFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.join(indexFile), append(whole[:headerSize:headerSize], small[headerSize:]...), 0o600))
	f = openFolder(t, openStore(t, s.root), Inbox, ReadOnly)
	assert.Greater(t, f.UIDValidity(), validity)
}

func TestUIDValidityAscends(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	var last uint32
	for range 5 {
		require.NoError(t, s.Create(ctx, "a"))
		f := openFolder(t, s, "a", ReadOnly)
		assert.Greater(t, f.UIDValidity(), last)
		last = f.UIDValidity()
		require.NoError(t, os.Remove(f.b.join(indexFile)))
		_, err := f.Status(ctx)
		assert.ErrorIs(t, err, ErrReset)
		f = openFolder(t, s, "a", ReadOnly)
		assert.Greater(t, f.UIDValidity(), last)
		last = f.UIDValidity()
		require.NoError(t, s.Delete(ctx, "a"))
	}
	require.NoError(t, s.Create(ctx, "b"))
	b := openFolder(t, s, "b", ReadOnly)
	require.NoError(t, os.WriteFile(s.join(validityFile), []byte("rubbish"), 0o600))
	require.NoError(t, s.Create(ctx, "c"))
	assert.Greater(t, openFolder(t, s, "c", ReadOnly).UIDValidity(), b.UIDValidity())
}

func TestCompaction(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	other := openFolder(t, openStore(t, s.root), Inbox, ReadOnly)
	f := openFolder(t, s, Inbox, ReadOnly)
	for i := range 20 {
		appendText(t, f, fmt.Sprint(i), nil)
	}
	status(t, other)
	for i := range 400 {
		require.NoError(t, err2(f.Store(ctx, []Range{All}, FlagChange{Op: StoreOp(i % 2), Flags: Seen, Keywords: []string{fmt.Sprint("k", i%30)}})))
	}
	f.b.mu.Lock()
	small := f.b.end < 64<<10+2*f.b.snapshot+4096 && f.b.snapshot > 1000
	f.b.mu.Unlock()
	assert.True(t, small)
	assert.Equal(t, messages(t, f), messages(t, other))
	assert.Equal(t, messages(t, f), messages(t, openFolder(t, openStore(t, s.root), Inbox, ReadOnly)))
	assert.NoFileExists(t, s.join(indexFile+".tmp"))
}

// A state and what is read back of its snapshot say the same.
func TestSnapshot(t *testing.T) {
	s, _ := sample(t)
	f := openFolder(t, openStore(t, s.root), Inbox, ReadOnly)
	st := f.b.st
	var b bytes.Buffer
	n, err := st.writeSnapshot(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	got := newState(st.uidValidity)
	read, snapshot, err := got.replay(&b, n)
	require.NoError(t, err)
	assert.Equal(t, n, read)
	assert.Equal(t, n, snapshot)
	assert.Equal(t, st.gone, got.gone)
	assert.Equal(t, st.keywords, got.keywords)
	assert.Equal(t, st.uidNext, got.uidNext)
	assert.Equal(t, st.highest, got.highest)
	assert.Equal(t, st.firstRecent, got.firstRecent)
	assert.Equal(t, [3]int{st.unseen, st.deleted, len(st.msgs)}, [3]int{got.unseen, got.deleted, len(got.msgs)})
	for i := range st.msgs {
		a, b := st.msgs[i], got.msgs[i]
		assert.Equal(t, string(st.base(&a)), string(got.base(&b)))
		a.name, b.name = 0, 0
		assert.Equal(t, a, b)
		pos, ok := got.lookup(string(got.base(&got.msgs[i])))
		assert.True(t, ok)
		assert.Equal(t, i, pos)
	}
}

func FuzzIndex(f *testing.F) {
	s, _ := sample(f)
	good, err := os.ReadFile(s.join(indexFile))
	require.NoError(f, err)
	f.Add(good, true)
	f.Add(good[:headerSize+40], false)
	f.Fuzz(func(t *testing.T, b []byte, frame bool) {
		st := newState(1)
		if frame {
			// Past the checksums: operations of a frame.
			if err := st.frame(b); err != nil {
				require.ErrorIs(t, err, errDamaged)
			}
			st.sweep()
			return
		}
		path := filepath.Join(t.TempDir(), "i")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer file.Close()
		if _, _, _, _, err := readIndex(file); err != nil {
			require.ErrorIs(t, err, errDamaged)
		}
	})
}

// The table against a map.
func TestTable(t *testing.T) {
	st := newState(1)
	st.complete = true
	model := map[string]uint32{}
	apply := func(op []byte) {
		t.Helper()
		var f frames
		f.add(op)
		f.seal()
		_, _, err := st.replay(strings.NewReader(string(f.sealed)), int64(len(f.sealed)))
		require.NoError(t, err)
	}
	for i := range uint32(5000) {
		base := fmt.Sprintf("%d.name", i)
		apply(appendAdd(nil, &message{uid: i + 1, modseq: uint64(i), size: 3}, base, ""))
		model[base] = i + 1
		if i%3 != 0 {
			gone := fmt.Sprintf("%d.name", i/2)
			if uid, ok := model[gone]; ok {
				apply(appendOp(nil, opExpunge, uint64(uid), uint64(i)))
				delete(model, gone)
			}
		}
	}
	require.Len(t, st.msgs, len(model))
	assert.EqualValues(t, 3*len(model), st.size)
	for i := range 5000 {
		base := fmt.Sprintf("%d.name", i)
		pos, ok := st.lookup(base)
		uid, want := model[base]
		require.Equal(t, want, ok, base)
		if ok {
			require.Equal(t, uid, st.msgs[pos].uid)
		}
	}
	assert.Less(t, len(st.names), 3*len(st.msgs)*9+8192)
	err := st.frame(appendAdd(nil, &message{uid: 1}, "again", ""))
	assert.True(t, errors.Is(err, errDamaged))
}
