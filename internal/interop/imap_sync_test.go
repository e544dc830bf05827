//go:build interop

package interop

// Sync and Watch against Dovecot, Cyrus and Courier, while others change the
// mailbox; 10 seconds each, or as long as MAILWIRE_SYNC_TIME says.

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/sasl"
)

func syncTime(t *testing.T) time.Duration {
	d := 10 * time.Second
	if text := os.Getenv("MAILWIRE_SYNC_TIME"); text != "" {
		var err error
		d, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	return d
}

func dialAda(ctx context.Context, addr string, config *tls.Config) (*imapclient.Client, error) {
	return imapclient.Dial(ctx, addr, &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: config, Auth: sasl.Plain("", "ada", password)})
}

// meddle changes a mailbox at random until ctx ends: it appends, sets and takes away flags, and expunges. It says how many messages
// it added.
func meddle(ctx context.Context, c *imapclient.Client, box string, seed uint64) (appended int, err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	flags := []imap.Flag{imap.FlagSeen, imap.FlagFlagged, imap.FlagAnswered, imap.FlagDraft, "keyword"}
	// The end of ctx is looked at between commands alone: each is done or not.
	whole := context.WithoutCancel(ctx)
	if _, err := c.Select(whole, box); err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		uids, err := c.Search(whole, imap.SearchAll{})
		if err != nil {
			return appended, err
		}
		switch n := r.IntN(10); {
		case n < 3 || len(uids) == 0:
			m := fmt.Sprintf("Subject: %d of %d\r\n\r\ntext\r\n", appended, seed)
			if _, err := c.Append(whole, box, strings.NewReader(m), nil); err != nil {
				return appended, err
			}
			appended++
		case n < 9:
			set := imap.UIDSetOf(uids[r.IntN(len(uids))], uids[r.IntN(len(uids))])
			action := imap.StoreAdd
			if n > 6 {
				action = imap.StoreRemove
			}
			err := c.Store(whole, set, imap.FlagChange{Action: action, Flags: []imap.Flag{flags[r.IntN(len(flags))]}})
			if err != nil && !refused(err) { // a message may be gone
				return appended, err
			}
		default:
			set := imap.UIDSetOf(uids[r.IntN(len(uids))])
			err := c.Store(whole, set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}})
			if err == nil {
				err = c.Expunge(whole, set)
			}
			if err != nil && !refused(err) {
				return appended, err
			}
		}
	}
	return appended, nil
}

// truth is the flags of all messages.
func truth(t *testing.T, c *imapclient.Client, box string) map[imap.UID]string {
	t.Helper()
	st, err := c.Examine(t.Context(), box)
	require.NoError(t, err)
	out := map[imap.UID]string{}
	if st.Messages == 0 {
		return out
	}
	for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags) {
		require.NoError(t, err)
		out[m.UID] = flagWords(m.Flags)
	}
	return out
}

func flagWords(flags []imap.Flag) string {
	var words []string
	for _, f := range flags {
		if !f.Equal(imap.FlagRecent) {
			words = append(words, strings.ToLower(string(f)))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// apply does to a picture of a mailbox what a change says.
func apply(have map[imap.UID]string, change *imap.Change) {
	switch change.Kind {
	case imap.ChangeVanished:
		for uid := range have {
			if change.Vanished.Contains(uid) {
				delete(have, uid)
			}
		}
	default:
		have[change.Message.UID] = flagWords(change.Message.Flags)
	}
}

// testSync keeps a picture of a mailbox by Sync while two others change it, over connections that come and go, and compares it with
// the truth in the end.
func testSync(t *testing.T, addr, box string, config *tls.Config) {
	connect := func() *imapclient.Client {
		c, err := dialAda(t.Context(), addr, config)
		require.NoError(t, err)
		return c
	}
	c := connect()
	require.NoError(t, c.Create(t.Context(), box))
	ctx, cancel := context.WithTimeout(t.Context(), syncTime(t))
	defer cancel()
	var others sync.WaitGroup
	failed := make(chan error, 2)
	for seed := range uint64(2) {
		o := connect()
		defer o.Close()
		others.Go(func() {
			_, err := meddle(ctx, o, box, seed)
			failed <- err
		})
	}
	cache := &imapclient.FileCache{Dir: t.TempDir()}
	have := map[imap.UID]string{}
	rounds, changes := 0, 0
	look := func() {
		for change, err := range c.Sync(t.Context(), box, cache) {
			require.NoError(t, err)
			apply(have, change)
			changes++
		}
		if rounds++; rounds%5 == 0 {
			c.Close()
			c = connect()
		}
	}
	for ctx.Err() == nil {
		look()
	}
	others.Wait()
	for range 2 {
		require.NoError(t, <-failed)
	}
	look()
	c.Close()
	c = connect()
	defer c.Close()
	want := truth(t, c, box)
	require.Equal(t, want, have)
	st, err := cache.Load(t.Context(), box)
	require.NoError(t, err)
	cached := map[imap.UID]string{}
	for _, m := range st.Messages {
		cached[m.UID] = flagWords(m.Flags)
	}
	require.Equal(t, want, cached)
	t.Logf("%d messages at the end, %d changes seen in %d rounds", len(want), changes, rounds)
	require.Positive(t, changes)
}

// cutter passes connections on to a server, and cuts them when it is told.
type cutter struct {
	addr  string
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	c := &cutter{addr: "localhost:" + port, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			c.mu.Lock()
			c.conns[a], c.conns[b] = true, true
			c.mu.Unlock()
			for _, p := range [][2]net.Conn{{a, b}, {b, a}} {
				all.Go(func() {
					buf := make([]byte, 16<<10)
					for {
						n, err := p[0].Read(buf)
						if n > 0 {
							if _, err := p[1].Write(buf[:n]); err != nil {
								return
							}
						}
						if err != nil {
							p[1].Close()
							return
						}
					}
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		all.Wait()
	})
	return c
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
}

// testWatch watches a mailbox over a line that is cut 50 times while another changes it.
func testWatch(t *testing.T, addr, box string, config *tls.Config) {
	c, err := dialAda(t.Context(), addr, config)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Create(t.Context(), box))
	line := startCutter(t, strings.Replace(addr, "localhost", "127.0.0.1", 1))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	have := map[imap.UID]string{}
	lost := 0
	seen := sync.NewCond(&mu)
	var watching sync.WaitGroup
	var failure error
	watching.Go(func() {
		dial := func(ctx context.Context) (*imapclient.Client, error) { return dialAda(ctx, line.addr, config) }
		o := &imapclient.WatchOptions{MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, Poll: 200 * time.Millisecond,
			OnLost: func(error, time.Duration) {
				mu.Lock()
				lost++
				mu.Unlock()
			}}
		for change, err := range imapclient.Watch(ctx, dial, box, &imapclient.MemoryCache{}, o) {
			mu.Lock()
			if err != nil {
				failure = err
			} else {
				apply(have, change)
			}
			seen.Broadcast()
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	_, err = c.Select(t.Context(), box)
	require.NoError(t, err)
	for i := range 50 {
		m := fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i)
		code, err := c.Append(t.Context(), box, strings.NewReader(m), nil)
		require.NoError(t, err)
		require.NoError(t, c.Noop(t.Context()))
		uids, err := c.Search(t.Context(), imap.SearchAll{})
		require.NoError(t, err)
		require.NoError(t, c.Store(t.Context(), imap.UIDSetOf(uids[i%len(uids)]), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen}}))
		if i%5 == 4 {
			gone := imap.UIDSetOf(uids[0])
			require.NoError(t, c.Store(t.Context(), gone, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
			require.NoError(t, c.Expunge(t.Context(), gone))
		}
		// Each cut comes when the one before was got over: the newest message was seen.
		newest := uids[len(uids)-1]
		if code != nil {
			for u := range code.UIDs.All() {
				newest = u
			}
		}
		mu.Lock()
		for have[newest] == "" && failure == nil {
			if _, ok := have[newest]; ok {
				break
			}
			seen.Wait()
		}
		mu.Unlock()
		line.cut()
	}
	want := truth(t, c, box)
	mu.Lock()
	for deadline := time.Now().Add(time.Minute); !equalMaps(want, have) && failure == nil && time.Now().Before(deadline); {
		wake := time.AfterFunc(time.Second, seen.Broadcast)
		seen.Wait()
		wake.Stop()
	}
	got, times, err := have, lost, failure
	mu.Unlock()
	cancel()
	watching.Wait()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.GreaterOrEqual(t, times, 40)
}

func equalMaps(a, b map[imap.UID]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}

func TestIMAPSyncDovecot(t *testing.T) {
	d := startDovecot(t, "mail_fsync = never\n")
	t.Run("sync", func(t *testing.T) { testSync(t, d.addr["imaps"], "Synced", d.tls) })
	t.Run("watch", func(t *testing.T) { testWatch(t, d.addr["imaps"], "Watched", d.tls) })
}

func TestIMAPSyncCyrus(t *testing.T) {
	c := startCyrus(t, "imapidlepoll: 1\n")
	t.Run("sync", func(t *testing.T) { testSync(t, c.addr["imaps"], "INBOX/Synced", c.tls) })
	t.Run("watch", func(t *testing.T) { testWatch(t, c.addr["imaps"], "INBOX/Watched", c.tls) })
}

func TestIMAPSyncCourier(t *testing.T) {
	c := startCourier(t, "IMAP_IDLE_TIMEOUT=1", "IMAP_KEYWORDS=1")
	t.Run("sync", func(t *testing.T) { testSync(t, c.addr["imaps"], "INBOX.Synced", c.tls) })
	t.Run("watch", func(t *testing.T) { testWatch(t, c.addr["imaps"], "INBOX.Watched", c.tls) })
}
