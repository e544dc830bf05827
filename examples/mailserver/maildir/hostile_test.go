package maildir

// What stands in the way of an ordinary course: names that are too long,
// disks that are full, keywords without end.

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A name that has no room for flags does not keep the folder shut.
func TestNameWithoutRoom(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadOnly)
	drop(t, f, "new/1."+strings.Repeat("x", 252), "a\r\n")
	drop(t, f, "new/2.short", "b\r\n")
	refresh(t, f)
	w := openFolder(t, s, Inbox, ReadWrite)
	assert.Equal(t, []uint32{1, 2}, uids(t, w))
	assert.Equal(t, 2, status(t, w).Recent)
	assert.Equal(t, "a\r\n", text(t, w, 1))
	assert.Equal(t, []string{"2.short" + suffix(0, 0, "")}, files(t, w.b.join("cur")))
	assert.Len(t, files(t, w.b.join("new")), 1)
}

// A lock that another process keeps holds nobody after the wait is over.
func TestWaitWhileLocked(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadWrite)
	since := status(t, f).HighestModSeq
	l, err := tryLock(f.b.join(lockFile))
	require.NoError(t, err)
	defer l.unlock()
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- f.Wait(ctx, since) }()
	for polls := false; !polls; runtime.Gosched() {
		f.b.mu.Lock()
		polls = f.b.waiters > 0
		f.b.mu.Unlock()
	}
	drop(t, f, "new/1.x", "x")
	for len(f.b.sem) == 0 {
		runtime.Gosched() // the poller waits for the lock
	}
	cancel()
	<-waited
	f.b.sem <- struct{}{} // nobody has it any more
	<-f.b.sem
}

// Keywords are looked up once, not for each message.
func TestStoreManyKeywords(t *testing.T) {
	s := newStore(t)
	f := openFolder(t, s, Inbox, ReadWrite)
	appendText(t, f, "a", nil)
	appendText(t, f, "b", nil)
	var keywords []string
	for i := range MaxKeywords + 10 {
		keywords = append(keywords, fmt.Sprintf("k%d", i))
	}
	_, err := f.Store(t.Context(), []Range{All}, FlagChange{Op: Add, Keywords: keywords})
	require.NoError(t, err)
	for _, m := range messages(t, f) {
		assert.Equal(t, keywords[:MaxKeywords], m.Keywords)
	}
}

// A Move whose end does not fit on the disk names no UIDs that were not
// given.
func TestMoveIndexFails(t *testing.T) {
	s := newStore(t)
	require.NoError(t, s.Create(t.Context(), "dest"))
	f := openFolder(t, s, Inbox, ReadWrite)
	to := openFolder(t, s, "dest", ReadOnly)
	appendText(t, f, "a", nil)
	// The index of the destination cannot be written.
	to.b.mu.Lock()
	file := to.b.file
	ro, err := os.Open(file.Name())
	require.NoError(t, err)
	to.b.file = ro
	to.b.mu.Unlock()
	c, err := f.Move(t.Context(), []Range{All}, "dest")
	require.Error(t, err)
	assert.Empty(t, c.Source)
	assert.Empty(t, c.Dest)
	to.b.mu.Lock()
	to.b.file = file
	to.b.mu.Unlock()
	ro.Close()
	refresh(t, to)
	assert.Equal(t, []uint32{1}, uids(t, to), "the message is in one of them")
	refresh(t, f)
	assert.Empty(t, uids(t, f))
}
