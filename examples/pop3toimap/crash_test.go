package main

// The end of the program at each point where it makes a difference. Whatever
// happened, no message is lost, none is there twice, and none is deleted before
// it is written down as stored.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imaptest"
)

// TestMain runs the program itself where a test asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("POP3TOIMAP_TEST_CHILD") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, func(p *program) { p.settle = 150 * time.Millisecond }))
	}
	// Where there is a folder in memory, what is flushed there costs nothing.
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		os.Setenv("TMPDIR", "/dev/shm")
	}
	os.Exit(m.Run())
}

var errCrash = errors.New("crash")

// crashMessages are hard to tell apart: two that are the same, one that
// differs in its header alone, one without a Message-ID.
func crashMessages() []string {
	return []string{mail(1), mail(1), strings.Replace(mail(1), "Subject: 1", "Subject: 2", 1), "Subject: none\r\n\r\nx\r\n"}
}

// check is what holds at any time.
func (w *world) check(messages []string) {
	w.t.Helper()
	left, texts := w.left(), w.texts()
	count := map[string]int{}
	for _, m := range messages {
		count[m]++
	}
	for _, m := range texts {
		count[m]--
		require.GreaterOrEqual(w.t, count[m], 0, "stored twice: %q", m)
	}
	for _, m := range left {
		count[m]--
	}
	for m, n := range count {
		require.LessOrEqual(w.t, n, 0, "lost: %q", m)
	}
	// What is gone is in the journal as stored.
	j := &journal{path: w.journal, entries: map[string]entry{}}
	j.head = w.heading()
	if _, err := j.read(); err == nil {
		n := 0
		for _, e := range j.entries {
			if e.State == appended || e.State == deleted {
				n++
			}
		}
		require.GreaterOrEqual(w.t, n, len(messages)-len(left))
	}
}

func (w *world) heading() heading {
	from, err := parseEndpoint("pop3://ada@"+w.popAddr, "pop3")
	require.NoError(w.t, err)
	to, err := parseEndpoint("imap://user@"+w.imapAddr+"/Old%20mail", "imap")
	require.NoError(w.t, err)
	return heading{1, from.String(), to.String()}
}

// finish runs it to its end.
func (w *world) finish(messages []string) {
	w.t.Helper()
	w.change = nil
	w.must()
	require.Empty(w.t, w.left())
	require.Equal(w.t, sorted(messages...), w.texts())
	w.must()
	require.True(w.t, strings.HasPrefix(w.out, "0 stored, 0 were already, 0 deleted"), w.out)
}

var crashWorlds = []struct {
	name  string
	make  func(*world)
	every int // so many steps
}{
	{"plain", func(*world) {}, 1},
	{"without UIDPLUS", (*world).withoutUIDPlus, 2},
	{"without UIDL", func(w *world) { w.withUIDL("-ERR\r\n") }, 3},
}

func TestCrashAtEachStep(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, kind := range crashWorlds {
		t.Run(kind.name, func(t *testing.T) {
			messages := crashMessages()
			for k := 1; ; k += kind.every {
				w := newWorld(t, messages...)
				kind.make(w)
				crash := func(at int) (where string) {
					n := 0
					w.change = func(p *program) {
						p.step = func(s string) error {
							if n++; n == at {
								where = s
								return errCrash
							}
							return nil
						}
					}
					w.run()
					w.check(messages)
					return where
				}
				if crash(k) == "" {
					require.Greater(t, k, 4*len(messages), "steps")
					break
				}
				// And once more, some steps further.
				crash(1 + rng.IntN(10))
				w.finish(messages)
			}
		})
	}
}

// The power fails while the journal is written: any part of a record may be on
// the disk.
func TestCrashInEachWrite(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	messages := crashMessages()
	for k := 1; ; k++ {
		done := true
		for _, part := range []float64{rng.Float64(), 0.999} {
			w := newWorld(t, messages...)
			n := 0
			w.change = func(p *program) {
				p.written = func(b []byte) ([]byte, error) {
					if n++; n == k {
						done = false
						return b[:int(part*float64(len(b)))], errCrash
					}
					return b, nil
				}
			}
			w.run()
			w.check(messages)
			w.finish(messages)
		}
		if done {
			require.Greater(t, k, 2*len(messages))
			return
		}
	}
}

// cutConn ends after some octets have been written.
type cutConn struct {
	net.Conn
	left *atomic.Int64
}

func (c *cutConn) Write(p []byte) (int, error) {
	n := c.left.Add(-int64(len(p)))
	if n < 0 {
		w, _ := c.Conn.Write(p[:max(0, int64(len(p))+n)])
		c.Conn.Close()
		return w, errCrash
	}
	return c.Conn.Write(p)
}

// The line to the IMAP server breaks behind any octet: in an APPEND that the
// server has whole, or not.
func TestCrashInEachAppend(t *testing.T) {
	t.Parallel()
	messages := crashMessages()[1:]
	rng := rand.New(rand.NewPCG(5, 6))
	for cut := int64(0); ; cut += 1 + rng.Int64N(100) {
		w := newWorld(t, messages...)
		var left atomic.Int64
		left.Store(cut)
		w.change = func(p *program) {
			p.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				var d net.Dialer
				c, err := d.DialContext(ctx, network, addr)
				return &cutConn{c, &left}, err
			}
		}
		code := w.run()
		w.check(messages)
		w.settle = 50 * time.Millisecond
		w.finish(messages)
		if code == 0 {
			require.Greater(t, cut, int64(len(strings.Join(messages, ""))))
			return
		}
	}
}

// What is looked for is found though the server added a field, and another
// message with its Message-ID is not taken for it.
func TestLookFor(t *testing.T) {
	for text, found := range map[string]bool{
		"X-Added: x\r\n" + mail(1): true,
		mail(1):                    true,
		strings.Replace(mail(1), "\r\n.dots", "\r\nx", 1): false,
		strings.Replace(mail(1), "<1@", "<2@", 1):         false, // of the same size
	} {
		w := newWorld(t, mail(1))
		w.change = func(p *program) {
			p.step = func(where string) error {
				if where == "behind the intent" {
					return errCrash
				}
				return nil
			}
		}
		require.Equal(t, exitFailed, w.run())
		require.Len(t, w.left(), 1)
		_, err := w.imap.Memory.Deliver(imaptest.User, "Old mail", text)
		require.NoError(t, err)
		w.change = nil
		w.must("-n")
		require.Contains(t, w.out, "1 of them would be looked for in the mailbox first")
		w.must("-v")
		if found {
			require.Equal(t, "message 1 is stored already, with the UID 1\n0 stored, 1 were already, 1 deleted, 0 failed\n", w.out)
			require.Equal(t, []string{text}, w.texts())
		} else {
			require.Contains(t, w.out, "1 stored, 0 were already, 1 deleted, 0 failed\n")
			require.Equal(t, sorted(text, mail(1)), w.texts())
		}
		require.Empty(t, w.left())
	}
}

// The program is killed at any time, again and again, until it once gets to
// its end.
func TestKilled(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	messages := crashMessages()
	for i := range 20 {
		messages = append(messages, mail(i+10))
	}
	messages = append(messages, "Message-ID: <big@example.test>\r\n\r\n"+strings.Repeat("a line of a large message\r\n", 80_000))
	w := newWorld(t, messages...)
	killed, limit := 0, float64(20*time.Millisecond)
	for try := 0; ; try++ {
		require.Less(t, try, 200, "it gets nowhere: %s", w.log)
		cmd := exec.Command(exe, w.args()...)
		cmd.Env = append(os.Environ(), "POP3TOIMAP_TEST_CHILD=1")
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		require.NoError(t, cmd.Start())
		// Later and later: also a slow machine gets to the end.
		limit *= 1.15
		timer := time.AfterFunc(time.Duration(rng.Float64()*limit), func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		w.log = out.String()
		if err == nil {
			break
		}
		if !cmd.ProcessState.Exited() {
			killed++
		}
		w.check(messages)
	}
	t.Logf("killed %d times", killed)
	require.Positive(t, killed)
	w.now = time.Now()
	w.finish(messages)
}

func TestJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := dir + "/sub/journal"
	head := heading{1, "a", "b"}
	j, err := openJournal(path, head, false)
	require.NoError(t, err)
	_, err = openJournal(path, head, false)
	require.ErrorContains(t, err, "another pop3toimap is at work")
	require.NoError(t, j.add(entry{Key: "x\n\u00ff", State: intended, At: 1, Digest: "d", Size: 3, MessageID: "<é>", Validity: 4, Next: 5}))
	require.NoError(t, j.add(entry{Key: "x\n\u00ff", State: appended, At: 2, Validity: 4, UID: 7}, entry{Key: "y", State: intended, At: 3}))
	want := j.entries
	require.Equal(t, entry{Key: "x\n\u00ff", State: appended, At: 2, Digest: "d", Size: 3, MessageID: "<é>", Validity: 4, Next: 5, UID: 7}, want["x\n\u00ff"])
	j.close()
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	reopen := func(data []byte) (*journal, error) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return openJournal(path, head, false)
	}
	_, err = openJournal(path, heading{1, "a", "c"}, false)
	require.ErrorContains(t, err, "is the journal of a to b")
	// Cut short at any octet, with or without rubbish behind.
	starts := []int{0}
	for i, b := range whole {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	for n := 0; n < len(whole); n += 7 {
		for _, rubbish := range []string{"", "\x00\x00", "\x00\n"} {
			if rubbish == "\x00\n" && n < starts[1] {
				continue
			}
			j, err := reopen(append(slices.Clone(whole[:n]), rubbish...))
			require.NoError(t, err, "%d %q", n, rubbish)
			lines := 0
			for _, s := range starts[1:] {
				if n >= s {
					lines++
				}
			}
			switch lines {
			case 0, 1:
				require.Empty(t, j.entries)
			case 2:
				require.Equal(t, intended, j.entries["x\n\u00ff"].State)
			case 3:
				require.Equal(t, appended, j.entries["x\n\u00ff"].State)
			}
			require.NoError(t, j.add(entry{Key: "z", State: intended}))
			j.close()
			j, err = openJournal(path, head, true)
			require.NoError(t, err)
			require.Contains(t, j.entries, "z")
			j.close()
		}
	}
	// Damage in its middle is no crash.
	for n := range starts[2] {
		bad := slices.Clone(whole)
		bad[n] ^= 1
		_, err := reopen(bad)
		require.Error(t, err, "octet %d", n)
	}
}

func TestJournalForgets(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/journal"
	head := heading{1, "a", "b"}
	j, err := openJournal(path, head, false)
	require.NoError(t, err)
	var entries []entry
	listed := map[string]bool{}
	for i := range 3000 {
		key := fmt.Sprint("uid ", i)
		entries = append(entries, entry{Key: key, State: appended, At: int64(i)})
		if i%10 == 0 {
			listed[key] = true
		}
	}
	entries[1].State = intended
	require.NoError(t, j.add(entries...))
	require.NoError(t, j.forget(listed, time.UnixMilli(100)))
	require.Len(t, j.entries, 3000, "not worth the while")
	require.NoError(t, j.forget(listed, time.UnixMilli(2990)))
	want := len(listed) + 1 + 9
	require.Len(t, j.entries, want)
	require.NoError(t, j.add(entry{Key: "new", State: intended}))
	j.close()
	j, err = openJournal(path, head, false)
	require.NoError(t, err)
	defer j.close()
	require.Len(t, j.entries, want+1)
	require.Contains(t, j.entries, "uid 1")
}
