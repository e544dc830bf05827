package maildir

// Other programs change the tree.

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func colon(s string) string { return strings.ReplaceAll(s, ":", string(separator)) }

func TestOutsideDelivery(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadWrite)
	drop(t, f, "new/20.second", "From: b\n\nx\n")
	drop(t, f, "new/10.first", "From: a\r\n\r\n")
	drop(t, f, "cur/"+colon("30.third:2,FSb"), "three")
	drop(t, f, "cur/40.bare", "four")
	drop(t, f, "new/.hidden", "")
	require.NoError(t, os.Mkdir(f.b.join("new/50.dir"), 0o700))
	refresh(t, f)
	m := messages(t, f)
	require.Len(t, m, 4)
	assert.EqualValues(t, 11, m[0].Size)
	assert.EqualValues(t, 14, m[1].Size, "bare LFs count as CRLF")
	assert.Equal(t, "From: b\r\n\r\nx\r\n", text(t, f, 2))
	assert.Equal(t, Flagged|Seen, m[2].Flags)
	assert.Empty(t, m[2].Keywords, "a letter that has no name yet")
	assert.Equal(t, Flags(0), m[3].Flags)
	size, err := f.Size(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 11+14+5+4, size)
	assert.Contains(t, files(t, s.join("cur")), colon("10.first:2,"))

	// An unnamed letter is not given to a new keyword, nor lost.
	_, err = f.Store(ctx, []Range{{3, 4}}, FlagChange{Keywords: []string{"A", "B"}})
	require.NoError(t, err)
	assert.Contains(t, files(t, s.join("cur")), colon("30.third:2,FSabc"))
	assert.Contains(t, files(t, s.join("cur")), colon("40.bare:2,ac"))
}

func TestOutsideChanges(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	for i := range 5 {
		drop(t, f, fmt.Sprintf("new/%d.m", i+1), fmt.Sprint(i+1))
	}
	refresh(t, f)
	before := messages(t, f)
	since := status(t, f).HighestModSeq
	rename(t, f, "new/1.m", colon("cur/1.m:2,"))
	rename(t, f, "new/2.m", colon("cur/2.m:2,RS"))
	rename(t, f, "new/3.m", colon("cur/3.m:2,SXY"))
	require.NoError(t, os.Remove(f.b.join("new/4.m")))
	refresh(t, f)
	changed, gone := changes(t, f, since)
	assert.Equal(t, []uint32{2, 3}, changed, "moving to cur changes no flag")
	assert.Equal(t, []uint32{4}, gone)
	m := messages(t, f)
	require.Len(t, m, 4)
	assert.Equal(t, before[0], m[0])
	assert.Equal(t, Answered|Seen, m[1].Flags)

	// Letters we do not know stay.
	_, err := f.Store(ctx, []Range{All}, FlagChange{Op: Replace, Flags: Flagged})
	require.NoError(t, err)
	assert.Equal(t, []string{colon("1.m:2,F"), colon("2.m:2,F"), colon("3.m:2,FXY"), colon("5.m:2,F")}, files(t, s.join("cur")))

	// The same under our feet: nobody told us.
	require.NoError(t, os.Chtimes(s.join("cur"), time.Unix(5, 0), time.Unix(5, 0)))
	refresh(t, f)
	rename(t, f, colon("cur/1.m:2,F"), colon("cur/1.m:2,FS"))
	require.NoError(t, os.Chtimes(s.join("cur"), time.Unix(5, 0), time.Unix(5, 0)))
	assert.Equal(t, "1", text(t, f, 1))
	rename(t, f, colon("cur/1.m:2,FS"), colon("cur/1.m:2,S"))
	_, err = f.Store(ctx, []Range{{1, 1}}, FlagChange{Flags: Draft})
	require.NoError(t, err)
	assert.Contains(t, files(t, s.join("cur")), colon("1.m:2,DS"))
	require.NoError(t, os.Remove(f.b.join(colon("cur/2.m:2,F"))))
	_, err = f.Content(ctx, 2)
	assert.ErrorIs(t, err, ErrExpunged)
	require.NoError(t, os.Remove(f.b.join(colon("cur/3.m:2,FXY"))))
	got, err := f.Remove(ctx, Range{3, 5})
	require.NoError(t, err)
	assert.Equal(t, []uint32{5}, got)
	rename(t, f, colon("cur/1.m:2,DS"), colon("cur/1.m:2,DST"))
	require.NoError(t, s.Create(ctx, "to"))
	c, err := f.Copy(ctx, []Range{All}, "to")
	require.NoError(t, err)
	assert.Equal(t, []uint32{1}, c.Source)
	rename(t, f, colon("cur/1.m:2,DST"), colon("cur/1.m:2,D"))
	c, err = f.Move(ctx, []Range{All}, "to")
	require.NoError(t, err)
	assert.Equal(t, []uint32{2}, c.Dest)
}

// A name in new and cur at once is one message.
func TestSameNameTwice(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	drop(t, f, "new/1.m", "x")
	drop(t, f, colon("cur/1.m:2,S"), "x")
	refresh(t, f)
	assert.Equal(t, []uint32{1}, uids(t, f))
	require.NoError(t, os.Remove(f.b.join("new/1.m")))
	refresh(t, f)
	m := messages(t, f)
	require.Len(t, m, 1)
	assert.Equal(t, Seen, m[0].Flags)
}

// Nothing is read when nothing happened: a file that came without a trace in
// the time of its directory is not seen until the time changes.
func TestDirectoryTimes(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	old := time.Unix(1000000000, 0)
	for _, d := range dirNames {
		require.NoError(t, os.Chtimes(s.join(d), old, old))
	}
	refresh(t, f)
	require.True(t, f.b.current())
	drop(t, f, "new/1.m", "x")
	require.NoError(t, os.Chtimes(s.join("new"), old, old))
	assert.Empty(t, uids(t, f))
	require.NoError(t, os.Chtimes(s.join("new"), old, old.Add(time.Nanosecond)))
	assert.Equal(t, []uint32{1}, uids(t, f))

	// A time that is young is not trusted.
	now := time.Now()
	require.NoError(t, os.Chtimes(s.join("new"), now, now))
	refresh(t, f)
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	assert.False(t, f.b.st.certain[0])
	assert.False(t, f.b.verifyAt[0].IsZero())
	assert.True(t, f.b.st.certain[1])
}

func TestWrongSizeInName(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	drop(t, f, "new/1.m,S=4,W=9", "a\nb\n")
	drop(t, f, "new/2.m,S=9,W=9", "a\nb\n")
	refresh(t, f)
	assert.Equal(t, "a\r\nb\r\n", text(t, f, 1))
	for _, m := range messages(t, f) {
		assert.EqualValues(t, 6, m.Size)
	}
}

// While files are renamed all the time, no message is taken for gone, and all
// can be read.
func TestRenamedWhileRead(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	f, g := openFolder(t, s, Inbox, ReadOnly), openFolder(t, openStore(t, s.root), Inbox, ReadWrite)
	const n = 300
	for i := range n {
		drop(t, f, colon(fmt.Sprintf("cur/%d.m:2,", i+1)), fmt.Sprint(i+1))
	}
	refresh(t, f)
	since := status(t, f).HighestModSeq
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		info := make([]string, n)
		for i := range info {
			info[i] = "2,"
		}
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			i := k * 7 % n
			from, to := info[i], []string{"2,", "2,S", "2,FS"}[k%3]
			base := fmt.Sprintf("cur/%d.m:", i+1)
			if os.Rename(f.b.join(colon(base+from)), f.b.join(colon(base+to))) == nil {
				info[i] = to
			}
		}
	}()
	for round := range 30 {
		for _, h := range []*Folder{f, g} {
			require.NoError(t, h.Refresh(ctx))
			_, gone := changes(t, h, since)
			require.Empty(t, gone)
			uid := uint32(round*9 + 1)
			require.Equal(t, fmt.Sprint(uid), text(t, h, uid))
		}
	}
	close(stop)
	<-done
	refresh(t, f)
	want := map[string]bool{}
	for _, name := range files(t, s.join("cur")) {
		want[name] = true
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	require.Len(t, f.b.st.msgs, n)
	for i := range f.b.st.msgs {
		_, name := f.b.st.fileName(&f.b.st.msgs[i])
		assert.True(t, want[name], name)
	}
}
