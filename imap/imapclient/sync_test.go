package imapclient_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imaptest"
)

// known is a mailbox as one who is told of changes has it.
type known map[imap.UID]string

func (k known) take(t *testing.T, ch *imap.Change) {
	t.Helper()
	m := &ch.Message
	switch ch.Kind {
	case imap.ChangeNew:
		require.NotContains(t, k, m.UID)
		k[m.UID] = flagText(m.Flags)
	case imap.ChangeFlags:
		require.Contains(t, k, m.UID)
		require.NotEqual(t, k[m.UID], flagText(m.Flags))
		k[m.UID] = flagText(m.Flags)
	case imap.ChangeVanished:
		for u := range k {
			if ch.Vanished.Contains(u) {
				delete(k, u)
			}
		}
	}
}

func connect(t *testing.T, f *fake) *imapclient.Client {
	t.Helper()
	conn, err := f.dial(t.Context())
	require.NoError(t, err)
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

var abilities = map[string]string{
	"QRESYNC":   "ENABLE CONDSTORE QRESYNC IDLE",
	"CONDSTORE": "CONDSTORE IDLE",
	"neither":   "IDLE",
}

// Whatever the server can do, what is told is what happened.
func TestSync(t *testing.T) {
	for name, caps := range abilities {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, caps)
			r := rand.New(rand.NewPCG(1, 2))
			cache := &imapclient.FileCache{Dir: filepath.Join(t.TempDir(), "state")}
			k := make(known)
			c := connect(t, f)
			for round := range 60 {
				if round%7 == 6 {
					require.NoError(t, c.Logout(t.Context()))
					c = connect(t, f)
				}
				for range r.IntN(8) {
					f.random(r)
				}
				if round == 30 {
					f.change(func() { f.validity++; f.gone = nil })
				}
				for ch, err := range c.Sync(t.Context(), "INBOX", cache) {
					require.NoError(t, err)
					if ch.Kind == imap.ChangeNew {
						require.Equal(t, int64(ch.Message.UID), ch.Message.Size)
						require.Equal(t, int64(ch.Message.UID), ch.Message.InternalDate.Unix())
					}
					k.take(t, ch)
					require.NoError(t, c.Noop(t.Context()), "no command is going on")
				}
				require.True(t, maps.Equal(f.truth(), k), "round %d", round)
			}
			for range c.Sync(t.Context(), "INBOX", cache) {
				t.Fatal("nothing happened")
			}
		})
	}
}

// What a mode costs when nothing happened.
func TestSyncCommands(t *testing.T) {
	for name, want := range map[string][]string{
		"QRESYNC":   {"ENABLE", "SELECT"},
		"CONDSTORE": {"SELECT", "UID FETCH"},
		"neither":   {"SELECT", "UID FETCH", "UID FETCH"},
	} {
		f := newFake(t, abilities[name])
		f.add(10)
		cache := &imapclient.MemoryCache{}
		for range connect(t, f).Sync(t.Context(), "INBOX", cache) {
		}
		f.commands = nil
		for range connect(t, f).Sync(t.Context(), "inbox", cache) {
			t.Fatal("nothing happened")
		}
		require.Equal(t, want, f.commands, name)
	}
}

// A loop that is left is told the rest the next time, and that what it was told
// is gone.
func TestSyncLeft(t *testing.T) {
	f := newFake(t, "")
	f.add(3)
	cache := &imapclient.MemoryCache{}
	c := connect(t, f)
	for ch := range c.Sync(t.Context(), "INBOX", cache) {
		if ch.Message.UID == 2 {
			break
		}
	}
	s, err := cache.Load(t.Context(), "INBOX")
	require.NoError(t, err)
	require.Len(t, s.Messages, 1)
	f.remove(1)
	require.Panics(t, func() {
		for range c.Sync(t.Context(), "INBOX", cache) {
			panic("x")
		}
	})
	n := 0
	for _, err := range c.Sync(t.Context(), "INBOX", cache) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 3, n, "one vanished, two are new")
}

// A damaged file costs telling all anew, and what was known is void.
func TestSyncDamagedCache(t *testing.T) {
	f := newFake(t, "")
	f.add(2)
	dir := t.TempDir()
	cache := &imapclient.FileCache{Dir: dir}
	c := connect(t, f)
	for range c.Sync(t.Context(), "INBOX", cache) {
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for cut := range len(whole) {
		require.NoError(t, os.WriteFile(files[0], whole[:cut], 0o600))
		_, err := cache.Load(t.Context(), "INBOX")
		require.ErrorIs(t, err, imapclient.ErrCache)
		flipped := append([]byte{}, whole...)
		flipped[cut] ^= 0x40
		require.NoError(t, os.WriteFile(files[0], flipped, 0o600))
		_, err = cache.Load(t.Context(), "INBOX")
		require.ErrorIs(t, err, imapclient.ErrCache)
	}
	var kinds []string
	for ch, err := range c.Sync(t.Context(), "INBOX", cache) {
		require.NoError(t, err)
		kinds = append(kinds, ch.Kind.String()+" "+ch.Vanished.String())
	}
	require.Len(t, kinds, 3)
	require.Contains(t, kinds[0], "1:4294967295")
	s, err := cache.Load(t.Context(), "Inbox")
	require.NoError(t, err)
	require.Len(t, s.Messages, 2)
	s, err = cache.Load(t.Context(), "other")
	require.NoError(t, err)
	require.Nil(t, s)
	_, err = (&imapclient.FileCache{Dir: files[0]}).Load(t.Context(), "x")
	_ = err // where a folder is a file, systems differ
	require.Error(t, (&imapclient.FileCache{Dir: files[0]}).Save(t.Context(), "x", s0()))
}

func s0() *imapclient.MailboxState { return &imapclient.MailboxState{} }

type brokenCache struct {
	imapclient.MemoryCache
	load, save error
}

func (b *brokenCache) Load(ctx context.Context, mailbox string) (*imapclient.MailboxState, error) {
	if b.load != nil {
		return nil, b.load
	}
	return b.MemoryCache.Load(ctx, mailbox)
}

func (b *brokenCache) Save(ctx context.Context, mailbox string, s *imapclient.MailboxState) error {
	if b.save != nil {
		return b.save
	}
	return b.MemoryCache.Save(ctx, mailbox, s)
}

func TestSyncCacheFails(t *testing.T) {
	full := errors.New("the disk is full")
	c := connect(t, newFake(t, ""))
	for _, cache := range []*brokenCache{{load: full}, {save: full}} {
		n := 0
		for _, err := range c.Sync(t.Context(), "INBOX", cache) {
			require.ErrorIs(t, err, full)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// A server that offers QRESYNC and does not know it, one whose numbers do not
// agree, and one of whose answers some do not parse.
func TestSyncOddServers(t *testing.T) {
	cache := &imapclient.MemoryCache{}
	require.NoError(t, cache.Save(t.Context(), "INBOX", &imapclient.MailboxState{UIDValidity: 7, ModSeq: 5, Messages: []imapclient.MessageState{{UID: 1}, {UID: 2}, {UID: 3}}}))
	c := offering(t, "ENABLE QRESYNC", `C: {{a}} ENABLE QRESYNC
S: {{a}} OK
C: {{b}} SELECT INBOX (QRESYNC (7 5 1:3))
S: {{b}} BAD what
C: {{c}} SELECT INBOX (CONDSTORE)
S: {{c}} BAD what
C: {{d}} SELECT INBOX
S: * 3 EXISTS
S: * OK [UIDVALIDITY 7]
S: {{d}} OK
C: {{e}} UID FETCH 1:3 (UID FLAGS)
S: * 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))
S: * 2 FETCH (UID 3 FLAGS ((
S: {{e}} OK
C: {{f}} UID FETCH 4:* (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 2 FETCH (UID 3 FLAGS () RFC822.SIZE 1)
S: * 3 FETCH (UID 9 ((
S: {{f}} OK
C: {{g}} UID SEARCH ALL
S: {{g}} BAD no
`)
	var got []string
	var last error
	for ch, err := range c.Sync(t.Context(), "INBOX", cache) {
		if last = err; err == nil {
			got = append(got, fmt.Sprint(ch.Kind, ch.Message.UID, ch.Message.Flags, ch.Vanished))
		}
	}
	require.Error(t, last)
	require.Len(t, got, 1)
	require.NoError(t, cache.Save(t.Context(), "INBOX", &imapclient.MailboxState{UIDValidity: 7, ModSeq: 5, Messages: []imapclient.MessageState{{UID: 1}, {UID: 2}, {UID: 3}}}))

	c = offering(t, "", `C: {{d}} SELECT INBOX
S: * 3 EXISTS
S: * OK [UIDVALIDITY 7]
S: {{d}} OK
C: {{e}} UID FETCH 1:3 (UID FLAGS)
S: * 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))
S: * 2 FETCH (UID 3 FLAGS ((
S: {{e}} OK
C: {{f}} UID FETCH 4:* (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 2 FETCH (UID 3 FLAGS () RFC822.SIZE 1)
S: * 3 FETCH (UID 9 ((
S: {{f}} OK
C: {{g}} UID SEARCH ALL
S: * SEARCH 1 3 9
S: {{g}} OK
C: {{h}} UID FETCH 9 (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 3 FETCH (UID 9 ((
S: {{h}} OK
C: {{i}} UID FETCH 9 (UID FLAGS)
S: * 3 FETCH (UID 9 FLAGS (x))
S: {{i}} OK
`)
	got = nil
	for ch, err := range c.Sync(t.Context(), "INBOX", cache) {
		require.NoError(t, err)
		got = append(got, fmt.Sprint(ch.Kind, ch.Message.UID, ch.Message.Flags, ch.Vanished))
	}
	require.Len(t, got, 3)
	require.Contains(t, strings.Join(got, "; "), "new 9 [x]")
	s, err := cache.Load(t.Context(), "INBOX")
	require.NoError(t, err)
	require.Len(t, s.Messages, 3)

	c = offering(t, "", "C: {{a}} SELECT INBOX\nS: {{a}} NO [NONEXISTENT] no\n")
	for _, err := range c.Sync(t.Context(), "INBOX", cache) {
		require.ErrorIs(t, err, imap.ErrNoMailbox)
	}
}

// Against the server of this module.
func TestSyncServer(t *testing.T) {
	s := imaptest.NewServer(t)
	c := dial(t, s, true)
	cache := &imapclient.MemoryCache{}
	k := make(known)
	sync := func(want int) {
		t.Helper()
		for ch, err := range c.Sync(t.Context(), "INBOX", cache) {
			require.NoError(t, err)
			k.take(t, ch)
		}
		require.Len(t, k, want)
	}
	sync(0)
	for range 3 {
		_, err := s.Memory.Deliver(imaptest.User, "INBOX", "Subject: x\r\n\r\nx\r\n")
		require.NoError(t, err)
	}
	sync(3)
	require.NoError(t, c.Store(t.Context(), imap.UIDs(2, 2), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	sync(3)
	require.Equal(t, `\Deleted`, k[2])
	require.NoError(t, c.Expunge(t.Context(), imap.UIDSet{}))
	sync(2)
}

// A saved state is read as it was, whatever it holds.
func FuzzState(f *testing.F) {
	f.Add([]byte("mailwire imap state 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, s, err := imapclient.DecodeState(b)
		if err != nil {
			require.ErrorIs(t, err, imapclient.ErrCache)
			// Whole files of the same octets must be read or refused too.
			name, s, err = imapclient.DecodeState(imapclient.Sealed(b))
			if err != nil {
				return
			}
		}
		again, s2, err := imapclient.DecodeState(imapclient.AppendState(nil, name, s))
		require.NoError(t, err)
		require.Equal(t, name, again)
		require.Equal(t, s, s2)
	})
}
