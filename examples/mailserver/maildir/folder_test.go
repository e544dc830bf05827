package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppend(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	date := time.Unix(1234567890, 0)
	assert.EqualValues(t, 1, appendText(t, f, "a\r\n", nil))
	assert.EqualValues(t, 2, appendText(t, f, "b\n", &AppendOptions{Flags: Seen | Draft | 0x80, Keywords: []string{"$One", "two"}, Date: date}))
	m := messages(t, f)
	require.Len(t, m, 2)
	assert.Equal(t, Flags(0), m[0].Flags)
	assert.EqualValues(t, 3, m[0].Size)
	assert.WithinDuration(t, time.Now(), m[0].Date, time.Minute)
	assert.Equal(t, Seen|Draft, m[1].Flags)
	assert.Equal(t, []string{"$One", "two"}, m[1].Keywords)
	assert.True(t, date.Equal(m[1].Date))
	assert.EqualValues(t, 3, m[1].Size)
	assert.Equal(t, "b\r\n", text(t, f, 2))
	in, cur := files(t, s.join("new")), files(t, s.join("cur"))
	require.Len(t, in, 1)
	require.Len(t, cur, 1)
	assert.True(t, strings.HasSuffix(in[0], ".test,S=3,W=3"), in[0])
	assert.True(t, strings.HasSuffix(cur[0], fmt.Sprintf(".test,S=2,W=3%c2,DSab", separator)), cur[0])

	broken := errors.New("the peer went")
	_, err := f.Append(ctx, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), nil)
	assert.ErrorIs(t, err, broken)
	assert.ErrorIs(t, s.Deliver(ctx, iotest.ErrReader(broken)), broken)
	_, err = f.Append(ctx, strings.NewReader("x"), &AppendOptions{Keywords: []string{"a b"}})
	assert.ErrorIs(t, err, ErrKeyword)
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err = f.Append(done, strings.NewReader(strings.Repeat("x", 1<<20)), nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Len(t, messages(t, f), 2)
	assert.Empty(t, files(t, s.join("tmp")))
}

func TestRecent(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	require.NoError(t, s.Deliver(ctx, strings.NewReader("1")))
	watch := openFolder(t, s, Inbox, ReadOnly)
	assert.Equal(t, 1, status(t, watch).Recent)
	assert.True(t, messages(t, watch)[0].Recent)
	first := openFolder(t, s, Inbox, ReadWrite)
	assert.Equal(t, 1, status(t, first).Recent)
	assert.Empty(t, files(t, s.join("new")))
	assert.Equal(t, 0, status(t, watch).Recent)
	second := openFolder(t, openStore(t, s.root), Inbox, ReadWrite)
	assert.Equal(t, 0, status(t, second).Recent)
	require.NoError(t, s.Deliver(ctx, strings.NewReader("2")))
	appendText(t, watch, "3", &AppendOptions{Flags: Seen})
	assert.Equal(t, 2, status(t, second).Recent)
	assert.Equal(t, 1, status(t, first).Recent)
	var recent []bool
	for _, m := range append(messages(t, first), messages(t, second)...) {
		recent = append(recent, m.Recent)
	}
	assert.Equal(t, []bool{true, false, false, false, true, true}, recent)
	_, err := second.Remove(ctx, Range{2, 2})
	require.NoError(t, err)
	assert.Equal(t, 1, status(t, second).Recent)
}

func TestStore(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	for i := range 4 {
		appendText(t, f, fmt.Sprint(i), nil)
	}
	st := status(t, f)
	assert.Equal(t, 4, st.Unseen)
	assert.EqualValues(t, 1, st.FirstUnseen)
	store := func(op StoreOp, flags Flags, keywords []string, ranges ...Range) {
		t.Helper()
		_, err := f.Store(ctx, ranges, FlagChange{Op: op, Flags: flags, Keywords: keywords})
		require.NoError(t, err)
	}
	store(Add, Seen, []string{"Work"}, Range{1, 2}, Range{4, 9})
	changed, _ := changes(t, f, st.HighestModSeq)
	assert.Equal(t, []uint32{1, 2, 4}, changed)
	st = status(t, f)
	assert.Equal(t, 1, st.Unseen)
	assert.EqualValues(t, 3, st.FirstUnseen)
	assert.Equal(t, []string{"Work"}, st.Keywords)
	store(Add, Seen, []string{"WORK"}, Range{1, 2})
	store(Remove, 0, []string{"Never"}, All)
	assert.Equal(t, st, status(t, f))
	store(Remove, 0, []string{"work"}, Range{1, 1})
	store(Replace, Flagged|Passed, []string{"Play"}, Range{2, 2})
	m := messages(t, f)
	assert.Empty(t, m[0].Keywords)
	assert.Equal(t, Seen, m[0].Flags)
	assert.Equal(t, Flagged|Passed, m[1].Flags)
	assert.Equal(t, []string{"Play"}, m[1].Keywords)
	assert.Equal(t, []string{"Work"}, m[3].Keywords)

	since := m[3].ModSeq
	modified, err := f.Store(ctx, []Range{All}, FlagChange{Op: Add, Flags: Deleted, UnchangedSince: &since})
	require.NoError(t, err)
	assert.Equal(t, []uint32{1, 2}, modified)
	assert.Equal(t, 2, status(t, f).Deleted)
	gone, err := f.Expunge(ctx, Range{1, 3})
	require.NoError(t, err)
	assert.Equal(t, []uint32{3}, gone)
	assert.Equal(t, []uint32{1, 2, 4}, uids(t, f))
	_, err = f.Content(ctx, 3)
	assert.ErrorIs(t, err, ErrExpunged)
	size, err := f.Size(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 3, size)

	// All of it is in the names of the files.
	other := openFolder(t, openStore(t, s.root), Inbox, ReadOnly)
	assert.Equal(t, messages(t, f), messages(t, other))
}

func TestKeywords(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	appendText(t, f, "x", nil)
	var all []string
	for i := range MaxKeywords {
		all = append(all, fmt.Sprintf("k%02d", i))
	}
	_, err := f.Store(ctx, []Range{All}, FlagChange{Keywords: append(all, "more", "evenmore")})
	require.NoError(t, err)
	st := status(t, f)
	assert.Equal(t, all, st.Keywords)
	assert.False(t, st.KeywordRoom)
	assert.Equal(t, all, messages(t, f)[0].Keywords)
	assert.Equal(t, all, messages(t, openFolder(t, openStore(t, s.root), Inbox, ReadOnly))[0].Keywords)

	// What no message has makes room.
	_, err = f.Store(ctx, []Range{All}, FlagChange{Op: Remove, Keywords: []string{"k03", "k40"}})
	require.NoError(t, err)
	assert.True(t, status(t, f).KeywordRoom)
	_, err = f.Store(ctx, []Range{All}, FlagChange{Keywords: []string{"more"}})
	require.NoError(t, err)
	assert.Equal(t, "more", messages(t, f)[0].Keywords[3])

	// Those with letters survive the index.
	require.NoError(t, os.Remove(s.join(indexFile)))
	again := openFolder(t, openStore(t, s.root), Inbox, ReadOnly)
	want := append([]string{}, all[:26]...)
	want[3] = "more"
	assert.Equal(t, want, messages(t, again)[0].Keywords)
	for _, k := range []string{"", "a b", `\x`, "a]", "a(", "ä", "x*", strings.Repeat("k", 200)} {
		_, err := again.Store(ctx, []Range{All}, FlagChange{Keywords: []string{k}})
		assert.ErrorIs(t, err, ErrKeyword, k)
	}
}

func TestCopyAndMove(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	require.NoError(t, s.Create(ctx, "dest"))
	f, d := openFolder(t, s, Inbox, ReadOnly), openFolder(t, s, "dest", ReadOnly)
	date := time.Unix(1e9, 0)
	for i := range 5 {
		appendText(t, f, fmt.Sprintf("%d\n", i), &AppendOptions{Flags: Flags(i), Keywords: []string{fmt.Sprintf("k%d", i)}, Date: date})
	}
	appendText(t, d, "before", &AppendOptions{Keywords: []string{"other"}})
	c, err := f.Copy(ctx, []Range{{2, 3}, {5, 5}}, "dest")
	require.NoError(t, err)
	assert.Equal(t, &Copied{d.UIDValidity(), []uint32{2, 3, 5}, []uint32{2, 3, 4}}, c)
	m := messages(t, d)
	require.Len(t, m, 4)
	assert.Equal(t, Flags(4), m[3].Flags)
	assert.Equal(t, []string{"k4"}, m[3].Keywords)
	assert.True(t, date.Equal(m[3].Date))
	assert.Equal(t, "4\r\n", text(t, d, 4))
	assert.Len(t, messages(t, f), 5)
	c, err = f.Copy(ctx, []Range{{1, 1}}, "inbox")
	require.NoError(t, err)
	assert.Equal(t, []uint32{6}, c.Dest)

	since, dsince := status(t, f).HighestModSeq, status(t, d).HighestModSeq
	c, err = f.Move(ctx, []Range{{1, 2}}, "dest")
	require.NoError(t, err)
	assert.Equal(t, &Copied{d.UIDValidity(), []uint32{1, 2}, []uint32{5, 6}}, c)
	_, gone := changes(t, f, since)
	assert.Equal(t, []uint32{1, 2}, gone)
	came, _ := changes(t, d, dsince)
	assert.Equal(t, []uint32{5, 6}, came)
	c, err = d.Move(ctx, []Range{{6, 6}}, "INBOX")
	require.NoError(t, err)
	assert.Equal(t, []uint32{7}, c.Dest)
	c, err = f.Move(ctx, []Range{{3, 3}}, "INBOX")
	require.NoError(t, err)
	assert.Equal(t, []uint32{8}, c.Dest)
	assert.Equal(t, []uint32{4, 5, 6, 7, 8}, uids(t, f))
	assert.Equal(t, "2\r\n", text(t, f, 8))
	c, err = f.Copy(ctx, []Range{{100, 200}}, "dest")
	require.NoError(t, err)
	assert.Empty(t, c.Dest)
	_, err = f.Copy(ctx, []Range{All}, "none")
	assert.ErrorIs(t, err, ErrNoFolder)
	_, err = f.Move(ctx, []Range{All}, "none")
	assert.ErrorIs(t, err, ErrNoFolder)

	// A copy of which a part fails is none.
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		before := uids(t, d)
		require.NoError(t, os.Chmod(d.b.join("tmp"), 0o500))
		_, err = f.Copy(ctx, []Range{All}, "dest")
		require.Error(t, err)
		require.NoError(t, os.Chmod(d.b.join("tmp"), 0o700))
		assert.Equal(t, before, uids(t, d))
	}
	assert.Empty(t, files(t, d.b.join("tmp")))
}

func TestMovesBothWays(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	require.NoError(t, s.Create(ctx, "b"))
	a, b := openFolder(t, s, Inbox, ReadOnly), openFolder(t, openStore(t, s.root), "b", ReadOnly)
	for i := range 20 {
		appendText(t, a, fmt.Sprint(i), nil)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 10 {
				_, err := a.Move(ctx, []Range{All}, "b")
				assert.NoError(t, err)
			}
		})
		wg.Go(func() {
			for range 10 {
				_, err := b.Move(ctx, []Range{All}, "INBOX")
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, f := range []*Folder{a, b} {
		refresh(t, f)
		for _, u := range uids(t, f) {
			seen[text(t, f, u)] = true
		}
	}
	assert.Len(t, seen, 20)
	assert.Equal(t, 20, len(uids(t, a))+len(uids(t, b)))
}

func TestChanges(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	var marks []uint64
	for i := range 3 {
		appendText(t, f, fmt.Sprint(i), nil)
		marks = append(marks, status(t, f).HighestModSeq)
	}
	_, err := f.Remove(ctx, Range{2, 2})
	require.NoError(t, err)
	for _, f := range []*Folder{f, openFolder(t, openStore(t, s.root), Inbox, ReadOnly)} {
		changed, gone := changes(t, f, marks[0])
		assert.Equal(t, []uint32{3}, changed)
		assert.Equal(t, []uint32{2}, gone)
		changed, gone = changes(t, f, 0)
		assert.Equal(t, []uint32{1, 3}, changed)
		assert.Equal(t, []uint32{2}, gone)
		changed, gone = changes(t, f, status(t, f).HighestModSeq)
		assert.Empty(t, changed)
		assert.Empty(t, gone)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	st := newState(1)
	st.complete = true
	var f frames
	for i := range uint64(3 * maxTombs) {
		f.add(appendOp(f.op(), opExpunge, i+1, i+1))
	}
	f.seal()
	_, _, err := st.replay(strings.NewReader(string(f.sealed)), int64(len(f.sealed)))
	require.NoError(t, err)
	assert.Less(t, len(st.gone), 2*maxTombs)
	assert.EqualValues(t, 2*maxTombs, st.floor)
	assert.LessOrEqual(t, len(st.ring), 2*maxRing)
	assert.Equal(t, st.ring[0].modseq, st.ringFloor+1)

	s := newStore(t)
	folder := openFolder(t, s, Inbox, ReadOnly)
	folder.b.mu.Lock()
	folder.b.st.floor = folder.b.st.highest
	folder.b.st.highest++
	folder.b.mu.Unlock()
	for _, err := range folder.Changes(t.Context(), 5) {
		assert.ErrorIs(t, err, ErrHistoryLost)
	}
}

func TestWait(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	other := openStore(t, s.root)
	f := openFolder(t, s, Inbox, ReadWrite)
	g := openFolder(t, other, Inbox, ReadOnly)
	for name, act := range map[string]func(){
		"own handle":       func() { appendText(t, f, "x", nil) },
		"another store":    func() { appendText(t, g, "x", nil) },
		"delivery":         func() { require.NoError(t, other.Deliver(ctx, strings.NewReader("x"))) },
		"outside delivery": func() { drop(t, f, "new/"+uniqueName("out"), "x") },
		"outside flags": func() {
			require.NoError(t, err2(f.Store(ctx, []Range{{1, 1}}, FlagChange{Op: Remove, Flags: Seen})))
			name := files(t, s.join("cur"))[0]
			rename(t, f, "cur/"+name, "cur/"+name+"S")
		},
		"outside removal": func() { require.NoError(t, os.Remove(s.join("cur", files(t, s.join("cur"))[0]))) },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "own handle" && len(messages(t, f)) == 0 {
				appendText(t, f, "first", &AppendOptions{Flags: Flagged})
			}
			since := status(t, f).HighestModSeq
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { assert.NoError(t, f.Wait(ctx, since)) })
			}
			act()
			wg.Wait()
			assert.Greater(t, status(t, f).HighestModSeq, since)
		})
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	assert.ErrorIs(t, f.Wait(done, 1<<62), context.Canceled)
	assert.NoError(t, f.Wait(ctx, 0))
}

func err2[T any](_ T, err error) error { return err }

// Two Stores share nothing but the tree, as two processes do.
func TestTwoStores(t *testing.T) {
	ctx := t.Context()
	root := filepath.Join(t.TempDir(), "m")
	const each = 30
	var wg sync.WaitGroup
	var mu sync.Mutex
	given := map[uint32]string{}
	for n := range 4 {
		f := openFolder(t, openStore(t, root), Inbox, []Mode{ReadOnly, ReadWrite}[n%2])
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d %d", n, i)
				uid, err := f.Append(ctx, strings.NewReader(text), nil)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				assert.Empty(t, given[uid])
				given[uid] = text
				mu.Unlock()
				_, err = f.Store(ctx, []Range{{1, uid}}, FlagChange{Op: StoreOp(i % 2), Flags: Seen, Keywords: []string{fmt.Sprintf("k%d", n)}})
				assert.NoError(t, err)
				if i%5 == 0 {
					_, err = f.Remove(ctx, Range{uid, uid})
					assert.NoError(t, err)
					mu.Lock()
					given[uid] = "gone"
					mu.Unlock()
				}
				var last uint32
				for m, err := range f.Messages(ctx, All) {
					assert.NoError(t, err)
					assert.Greater(t, m.UID, last)
					last = m.UID
				}
			}
		})
	}
	wg.Wait()
	assert.Len(t, given, 4*each)
	for range 2 {
		f := openFolder(t, openStore(t, root), Inbox, ReadOnly)
		left := 0
		for uid, want := range given {
			if want == "gone" {
				_, err := f.Content(ctx, uid)
				assert.ErrorIs(t, err, ErrExpunged)
				continue
			}
			left++
			assert.Equal(t, want, text(t, f, uid))
		}
		assert.Len(t, messages(t, f), left)
	}
}

func TestConcurrentDeliveries(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadWrite)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 10 {
				assert.NoError(t, s.Deliver(ctx, strings.NewReader(fmt.Sprintf("%d %d", n, i))))
				_, err := f.Status(ctx)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 80, status(t, f).Messages)
	assert.Equal(t, 80, status(t, f).Recent)
	assert.EqualValues(t, 81, status(t, f).UIDNext)
}

func TestGroup(t *testing.T) {
	var g group
	var mu sync.Mutex
	started, rounds := 0, 0
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			mu.Lock()
			before := started
			mu.Unlock()
			err := g.do(func() error {
				mu.Lock()
				started++
				rounds++
				mu.Unlock()
				runtime.Gosched()
				return io.ErrNoProgress
			})
			assert.Equal(t, io.ErrNoProgress, err)
			mu.Lock()
			assert.Greater(t, started, before)
			mu.Unlock()
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, rounds, 50)
}
