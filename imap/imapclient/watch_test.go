package imapclient_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/internal/testkit"
)

var waits = map[string]string{
	"NOTIFY": "ENABLE QRESYNC IDLE NOTIFY",
	"IDLE":   "CONDSTORE IDLE",
	"NOOP":   "",
}

// Fifty connections that break, at any octet, while things happen: nothing is
// lost.
func TestWatchLosesNothing(t *testing.T) {
	for name, caps := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, caps)
				f.add(20)
				r, cuts := rand.New(rand.NewPCG(3, 4)), rand.New(rand.NewPCG(5, 6))
				broken := errors.New("the line is cut")
				lost := 0
				var dials atomic.Int64
				dial := func(ctx context.Context) (*imapclient.Client, error) {
					dials.Add(1)
					conn, err := f.dial(ctx)
					if err != nil {
						return nil, err
					}
					var c net.Conn = conn
					if dials.Load() <= 60 {
						c = testkit.FailConn(conn, int64(200+cuts.IntN(3000)), -1, broken)
					}
					return imapclient.New(ctx, c, clear)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					for range 300 {
						time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
						f.random(r)
					}
					for dials.Load() <= 60 {
						time.Sleep(5 * time.Second)
						f.random(r)
					}
					time.Sleep(20 * time.Minute)
					cancel()
				}()
				k := make(known)
				o := &imapclient.WatchOptions{MaxBackoff: 5 * time.Second, Poll: 5 * time.Second, OnLost: func(error, time.Duration) { lost++ }}
				for ch, err := range imapclient.Watch(ctx, dial, "INBOX", &imapclient.MemoryCache{}, o) {
					require.NoError(t, err)
					k.take(t, ch)
				}
				require.GreaterOrEqual(t, lost, 50)
				require.True(t, maps.Equal(f.truth(), k))
				waited := map[string]string{"NOTIFY": "NOTIFY", "IDLE": "IDLE", "NOOP": "NOOP"}[name]
				f.mu.Lock()
				require.True(t, slices.Contains(f.commands, waited))
				f.mu.Unlock()
			})
		})
	}
}

// With no cache, what is there already is not told.
func TestWatchFromNowOn(t *testing.T) {
	for name, caps := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, caps)
				f.add(5)
				conn, err := f.dial(t.Context())
				require.NoError(t, err)
				c, err := imapclient.New(t.Context(), conn, clear)
				require.NoError(t, err)
				defer c.Close()
				go func() {
					time.Sleep(3 * time.Hour)
					f.add(1, imap.FlagFlagged)
					time.Sleep(time.Hour)
					f.flag(2, imap.FlagSeen)
					time.Sleep(time.Hour)
					f.remove(1)
				}()
				var got []imap.ChangeKind
				begin := time.Now()
				for ch, err := range c.Watch(t.Context(), "INBOX", nil) {
					require.NoError(t, err)
					got = append(got, ch.Kind)
					require.NoError(t, c.Noop(t.Context()), "the connection rests")
					if ch.Kind == imap.ChangeVanished {
						break
					}
				}
				require.Equal(t, []imap.ChangeKind{imap.ChangeNew, imap.ChangeFlags, imap.ChangeVanished}, got)
				require.LessOrEqual(t, time.Since(begin), 5*time.Hour+time.Minute)
				require.NoError(t, c.Noop(t.Context()))
			})
		})
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	for name, caps := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, caps)
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
				defer cancel()
				begin := time.Now()
				w := &imapclient.Watcher{Mailbox: "INBOX", Dial: func(ctx context.Context) (*imapclient.Client, error) {
					conn, err := f.dial(ctx)
					if err != nil {
						return nil, err
					}
					return imapclient.New(ctx, conn, clear)
				}}
				for range w.Changes(ctx) {
					t.Fatal("nothing happens")
				}
				require.Equal(t, 90*time.Minute, time.Since(begin))
				require.Nil(t, w.Client())
				f.sessions.Wait()
			})
		})
	}
}

// What a new connection does not help against is yielded, and tried again by a
// loop that goes on; what it helps against is not.
func TestWatchErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "IDLE")
		f.add(1)
		refused := &imap.Error{Kind: imap.NO, Code: imap.CodeAuthenticationFailed, Text: "no"}
		answers := []error{errors.New("no route"), refused, imapclient.ErrTLSRequired, imap.ErrUnavailable, nil}
		var waits []time.Duration
		dial := func(ctx context.Context) (*imapclient.Client, error) {
			err := answers[0]
			answers = answers[1:]
			if err != nil {
				return nil, err
			}
			conn, err := f.dial(ctx)
			if err != nil {
				return nil, err
			}
			return imapclient.New(ctx, conn, clear)
		}
		var got []error
		o := &imapclient.WatchOptions{OnLost: func(_ error, wait time.Duration) { waits = append(waits, wait) }}
		for ch, err := range imapclient.Watch(t.Context(), dial, "INBOX", &imapclient.MemoryCache{}, o) {
			if err == nil {
				require.Equal(t, imap.ChangeNew, ch.Kind)
				break
			}
			got = append(got, err)
		}
		require.Equal(t, []error{refused, imapclient.ErrTLSRequired}, got)
		require.Len(t, waits, 4)
		for i, w := range waits {
			require.LessOrEqual(t, w, time.Second<<i)
			require.GreaterOrEqual(t, w, time.Second<<i/2)
		}
		f.sessions.Wait()
	})
	full := errors.New("the disk is full")
	f := newFake(t, "")
	for _, err := range connect(t, f).Watch(t.Context(), "INBOX", &brokenCache{save: full}) {
		require.ErrorIs(t, err, full)
	}
}

// NOTIFY that the server gives up, and IDLE that it refuses.
func TestWatchFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := offering(t, "NOTIFY IDLE", `C: {{a}} NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))
S: {{a}} OK
C: {{b}} SELECT INBOX
S: * 0 EXISTS
S: * OK [UIDVALIDITY 7]
S: {{b}} OK
C: {{n}} NOOP
S: {{n}} OK
S: * OK [NOTIFICATIONOVERFLOW] too much
C: {{c}} SELECT INBOX
S: * 0 EXISTS
S: * OK [UIDVALIDITY 7]
S: {{c}} OK
C: {{d}} IDLE
S: {{d}} NO not now
C: {{e}} NOOP
S: * 1 EXISTS
S: {{e}} OK
C: {{f}} SELECT INBOX
S: * 1 EXISTS
S: * OK [UIDVALIDITY 7]
S: {{f}} OK
C: {{g}} UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 1 FETCH (UID 4 FLAGS () RFC822.SIZE 1)
S: {{g}} OK
C: {{h}} LOGOUT
S: * BYE
S: {{h}} OK
`)
		n := 0
		dial := func(context.Context) (*imapclient.Client, error) { return c, nil }
		for ch, err := range imapclient.Watch(t.Context(), dial, "INBOX", nil, &imapclient.WatchOptions{Poll: time.Second}) {
			require.NoError(t, err)
			require.Equal(t, imap.UID(4), ch.Message.UID)
			n++
			break
		}
		require.Equal(t, 1, n)
		c.Close()
	})
}
