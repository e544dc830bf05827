//go:build unix

package maildir

// A process is killed in the middle of deliveries, many times.

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const victimVariable = "MAILDIR_TEST_VICTIM"

func TestMain(m *testing.M) {
	if root := os.Getenv(victimVariable); root != "" {
		victim(root)
		return
	}
	os.Exit(m.Run())
}

// crashText is a message that tells whether it is whole.
func crashText(id string) string {
	return "Subject: " + id + "\r\n\r\n" + strings.Repeat(id+"\r\n", 400) + "end\r\n"
}

// victim delivers, appends, copies and flags until it is killed, and prints
// what was acknowledged.
func victim(root string) {
	ctx := context.Background()
	s, err := Open(root, quiet)
	if err != nil {
		panic(err)
	}
	f, err := s.Folder(ctx, Inbox, ReadWrite)
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	for worker := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, n)
				if worker < 2 {
					err = s.Deliver(ctx, strings.NewReader(crashText(id)))
					if err == nil {
						say("delivered %s", id)
					}
					continue
				}
				uid, err := f.Append(ctx, strings.NewReader(crashText(id)), &AppendOptions{Flags: Seen})
				if err == nil {
					say("appended %s %d %d", id, f.UIDValidity(), uid)
				}
				if n%4 == 0 {
					f.Store(ctx, []Range{{uid, uid}}, FlagChange{Flags: Flagged, Keywords: []string{"k"}})
				}
			}
		}()
	}
	select {}
}

func TestKilled(t *testing.T) {
	root := filepath.Join(t.TempDir(), "m")
	acknowledged := map[string]string{} // id to UIDVALIDITY and UID, if known
	shown := map[string]string{}        // the same the other way round
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimVariable+"="+root)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(20+rand.IntN(180))*time.Millisecond, func() { cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			switch {
			case len(words) == 2 && words[0] == "delivered":
				acknowledged[words[1]] = ""
			case len(words) == 4 && words[0] == "appended":
				acknowledged[words[1]] = words[2] + " " + words[3]
				assert.Empty(t, shown[words[2]+" "+words[3]])
				shown[words[2]+" "+words[3]] = words[1]
			}
		}
		timer.Stop()
		cmd.Process.Kill()
		cmd.Wait()

		f := openFolder(t, openStore(t, root), Inbox, []Mode{ReadOnly, ReadWrite}[round%2])
		seen := map[string]bool{}
		for _, m := range messages(t, f) {
			got := text(t, f, m.UID)
			id := strings.TrimPrefix(got[:strings.IndexByte(got, '\r')], "Subject: ")
			require.Equal(t, crashText(id), got, "a message that is not whole")
			require.EqualValues(t, len(got), m.Size)
			require.False(t, seen[id], "%s came twice", id)
			seen[id] = true
			at := fmt.Sprintf("%d %d", f.UIDValidity(), m.UID)
			if was := acknowledged[id]; was != "" {
				require.Equal(t, was, at, "the UID of %s changed", id)
			}
			if was := shown[at]; was != "" {
				require.Equal(t, was, id, "UID %s is another message", at)
			}
			shown[at] = id
			if _, ok := acknowledged[id]; ok {
				acknowledged[id] = at
			}
		}
		for id := range acknowledged {
			require.True(t, seen[id], "%s was acknowledged and is lost", id)
		}
	}
	require.NotEmpty(t, acknowledged)
	t.Logf("%d messages acknowledged", len(acknowledged))
}
