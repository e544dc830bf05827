package pop3client_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

// Collect new mail, and leave it on the server for a week.
func ExampleLeave() {
	ctx := context.Background()
	c, err := pop3client.Dial(ctx, "pop.example.org:995", &pop3client.Options{Auth: sasl.Plain("", "ada", "secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	store := &pop3client.FileStore{Path: "seen"}
	defer store.Close()
	l := &pop3client.Leave{Store: store, KeepFor: 7 * 24 * time.Hour}
	plan, err := l.Plan(ctx, c)
	if err != nil {
		log.Fatal(err)
	}
	if numbers := plan.Numbers(); len(numbers) > 0 {
		for m, err := range c.RetrieveAll(ctx, numbers...) {
			if err == nil {
				_, err = io.Copy(os.Stdout, m)
			}
			if err == nil {
				err = l.Done(ctx, plan.UID(m.Number))
			}
			if err != nil {
				log.Print(err)
				break
			}
		}
	}
	if err := l.Finish(ctx, c, plan); err != nil {
		log.Fatal(err)
	}
	if err := c.Quit(ctx); err != nil {
		log.Fatal(err)
	}
}

func TestLeave(t *testing.T) {
	ctx := t.Context()
	s := pop3test.NewServer(t)
	s.AddUser("ada", "secret")
	store := &pop3client.FileStore{Path: filepath.Join(t.TempDir(), "seen")}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Unix(1000000, 0)
	l := &pop3client.Leave{Store: store, KeepFor: time.Hour, Now: func() time.Time { return now }}
	session := func(crash bool) (fetched, expired int) {
		c, err := pop3client.Dial(ctx, s.TLSAddr, &pop3client.Options{TLS: pop3client.Implicit, TLSConfig: s.ClientTLS(), User: "ada", Password: "secret"})
		require.NoError(t, err)
		defer c.Close()
		p, err := l.Plan(ctx, c)
		require.NoError(t, err)
		for _, n := range p.Numbers() {
			require.NoError(t, l.Done(ctx, p.UID(n)))
			if crash {
				return len(p.New), len(p.Expired)
			}
		}
		require.NoError(t, l.Finish(ctx, c, p))
		require.NoError(t, c.Quit(ctx))
		return len(p.New), len(p.Expired)
	}
	check := func(wantNew, wantExpired int) {
		t.Helper()
		n, e := session(false)
		assert.Equal(t, []int{wantNew, wantExpired}, []int{n, e})
	}
	s.Deliver("ada", "a\n")
	s.Deliver("ada", "b\n")
	n, _ := session(true)
	assert.Equal(t, 2, n)
	require.Eventually(t, func() bool { return !s.Locked("ada") }, 10*time.Second, time.Millisecond)
	check(1, 0)
	check(0, 0)
	now = now.Add(59 * time.Minute)
	s.Deliver("ada", "c\n")
	check(1, 0)
	now = now.Add(time.Minute)
	check(0, 2)
	assert.Equal(t, []string{"c\n"}, s.Messages("ada"))
	check(0, 0)
	seen, err := store.Seen(ctx)
	require.NoError(t, err)
	assert.Len(t, seen, 1, "what is gone is forgotten")
	require.Error(t, l.Done(ctx, ""))
}

// A listing that is not whole is no reason to forget or to fetch anything.
func TestLeaveBadListing(t *testing.T) {
	store := &pop3client.FileStore{Path: filepath.Join(t.TempDir(), "seen")}
	l := &pop3client.Leave{Store: store}
	for _, text := range []string{"C: UIDL\nS: -ERR no\n", "C: UIDL\nS: +OK\nS: 1 a\nS: 2\nS: 3 c\nS: .\n", "C: UIDL\nS: +OK\nS: 1 a\n--- close ---\n"} {
		p, err := l.Plan(t.Context(), open(t, text))
		require.Error(t, err)
		assert.Nil(t, p)
	}
}

func TestFileStore(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "seen")
	store := &pop3client.FileStore{Path: path}
	seen, err := store.Seen(ctx)
	require.NoError(t, err)
	assert.Empty(t, seen)
	at := time.Unix(1234567890, 0)
	want := map[string]time.Time{}
	for _, uid := range []string{"plain", "with space", "\"quote", "caf\xc3\xa9", "\xff\r\n", "#", strings.Repeat("\x80", 8192)} {
		require.NoError(t, store.Add(ctx, uid, at))
		want[uid] = at
	}
	require.Error(t, store.Add(ctx, "", at))
	require.Error(t, store.Add(ctx, strings.Repeat("x", 8193), at))
	read := func() map[string]time.Time {
		t.Helper()
		seen, err := (&pop3client.FileStore{Path: path}).Seen(ctx)
		require.NoError(t, err)
		return seen
	}
	assert.Equal(t, want, read())
	require.NoError(t, store.Close())
	require.NoError(t, store.Close())

	// Cut short anywhere, it has what is whole, and can be added to.
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	head := len(whole) - strings.LastIndexByte(string(whole[:len(whole)-1]), '\n')
	for cut := 1; cut < head; cut += 997 {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		assert.Len(t, read(), len(want)-1, cut)
		require.NoError(t, store.Add(ctx, "next", at))
		assert.Contains(t, read(), "next")
		assert.Len(t, read(), len(want), cut)
		require.NoError(t, store.Close())
	}
	require.NoError(t, store.Forget(ctx, []string{"plain", "with space", "unknown"}))
	assert.Len(t, read(), len(want)-2)
	require.NoError(t, store.Add(ctx, "after", at))
	assert.Contains(t, read(), "after")
	require.NoError(t, store.Close())

	for i, bad := range []string{"x y\n", "1\n", "1 \n", "1 \"x\n", strings.Repeat("x", 70000) + "\n"} {
		require.NoError(t, os.WriteFile(path, []byte("# a comment\n\n"+bad), 0o600))
		_, err := store.Seen(ctx)
		require.ErrorContains(t, err, fmt.Sprint("line ", 3), i)
	}
	_, err = (&pop3client.FileStore{Path: filepath.Dir(path)}).Seen(ctx)
	require.Error(t, err)
	require.Error(t, (&pop3client.FileStore{Path: filepath.Dir(path)}).Add(ctx, "x", at))
	var _ pop3client.SeenStore = store
}
