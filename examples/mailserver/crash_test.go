//go:build unix

package main

// The server is killed in the middle of its work, many times. What it said it
// had is there afterwards.

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// roundsVariable is how often the server is killed, where the default is not
// enough.
const roundsVariable = "MAILSERVER_TEST_ROUNDS"

func killings(t *testing.T, byDefault int) int {
	if s := os.Getenv(roundsVariable); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		return n
	}
	return byDefault
}

// crashMessage is a message that follows from its id, octet by octet. Sizes
// go from one write of the server's to many.
func crashMessage(id string) string {
	if text, ok := crashMessages.Load(id); ok {
		return text.(string)
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	lines := r.IntN(30)
	if r.IntN(8) == 0 {
		lines = 2000
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Subject: %s\r\nFrom: ada@example.test\r\n\r\n", id)
	for n := range lines {
		if r.IntN(5) == 0 {
			b.WriteByte('.')
		}
		fmt.Fprintf(&b, "%d %016x%016x of %s\r\n", n, r.Uint64(), r.Uint64(), id)
	}
	fmt.Fprintf(&b, "the end of %s\r\n", id)
	crashMessages.Store(id, b.String())
	return b.String()
}

// crashMessages are those made so far, by id: each is compared many times.
var crashMessages sync.Map

// idOf finds the id in a message and demands that it is whole. Those that came
// by SMTP have the server's fields before them.
func idOf(t testing.TB, text string) string {
	t.Helper()
	_, rest, _ := strings.Cut("\r\n"+text, "\r\nSubject: ")
	id, _, ok := strings.Cut(rest, "\r\n")
	require.True(t, ok, "no message that was sent: %q", text)
	want := crashMessage(id)
	if text != want {
		require.True(t, strings.HasSuffix(text, want), "half a message, of %s: %d octets %q", id, len(text), text)
		require.Regexp(t, traceHead, strings.TrimSuffix(text, want))
		require.True(t, strings.HasPrefix(id, "smtp") || strings.HasPrefix(id, "lmtp"))
	}
	return id
}

// ledger is what the clients were told.
type ledger struct {
	mu           sync.Mutex
	acknowledged map[string]map[string]bool   // by user: ids
	named        map[string]map[string]string // by user: UID to id
	acks         int
	killAt       int
	kill         func()
}

func newLedger() *ledger {
	return &ledger{
		acknowledged: map[string]map[string]bool{"ada": {}, "bob": {}},
		named:        map[string]map[string]string{"ada": {}, "bob": {}},
	}
}

// ack records that the server took a message; uid is empty where it gave none.
func (l *ledger) ack(user, id, uid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged[user][id] = true
	if uid != "" {
		l.named[user][uid] = id
	}
	if l.acks++; l.acks == l.killAt {
		go l.kill()
	}
}

func (l *ledger) killAfter(acks int, kill func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks, l.killAt, l.kill = 0, acks, kill
}

// check demands that everything in the ledger is there, whole and once.
func (l *ledger) check(t *testing.T, user string, byUID map[imap.UID]string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := map[string]string{} // id to UID
	for uid, text := range byUID {
		id := idOf(t, text)
		require.NotContains(t, now, id, "%s has it twice", user)
		now[id] = fmt.Sprint(uid)
		if was := l.named[user][fmt.Sprint(uid)]; was != "" {
			require.Equal(t, was, id, "UID %d of %s names another message", uid, user)
		}
		l.named[user][fmt.Sprint(uid)] = id
	}
	for id := range l.acknowledged[user] {
		require.Contains(t, now, id, "it was acknowledged and %s does not have it", user)
	}
	for uid, id := range l.named[user] {
		require.Equal(t, uid, now[id], "the UID of %s changed", id)
	}
}

// checkFiles demands that what is visible on disk is whole, before anybody
// repairs anything.
func checkFiles(t *testing.T, dir, user string) {
	t.Helper()
	for _, d := range []string{"new", "cur"} {
		path := filepath.Join(dir, "mail", user, "Maildir", d)
		entries, err := os.ReadDir(path)
		require.NoError(t, err)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(path, e.Name()))
			require.NoError(t, err)
			idOf(t, string(text))
		}
	}
}

func TestKilledUnderLoad(t *testing.T) {
	// All that came is read again each time: not for ever into one folder.
	for left := killings(t, 20); left > 0; left -= 25 {
		killUnderLoad(t, min(left, 25))
	}
}

func killUnderLoad(t *testing.T, rounds int) {
	dir := memoryDir(t)
	args := serverArgs(dir)
	l := newLedger()
	validity := map[string]uint32{}
	s := startProcess(t, dir, args...)
	for round := range rounds {
		l.killAfter(1+rand.IntN(80), func() {
			// The acknowledgements are all read in the same moment of a
			// session; a little later another may be in any.
			spin(rand.N(2 * time.Millisecond))
			s.cmd.Process.Kill()
		})
		var clients sync.WaitGroup
		for n, client := range []func(*testing.T, *testServer, *ledger, string){
			sendLoad, sendLoad, lmtpLoad, appendLoad, appendLoad, readLoad,
		} {
			clients.Go(func() { client(t, s, l, fmt.Sprintf("%d.%d", round, n)) })
		}
		clients.Wait()
		s.kill()
		if t.Failed() {
			return
		}
		for _, user := range []string{"ada", "bob"} {
			checkFiles(t, dir, user)
		}

		s = startProcess(t, dir, args...)
		for _, user := range []string{"ada", "bob"} {
			c := s.imap(user)
			byUID, v := contents(t, c, imap.Inbox)
			if validity[user] != 0 {
				require.Equal(t, validity[user], v, "UIDVALIDITY")
			}
			validity[user] = v
			l.check(t, user, byUID)
			require.NoError(t, c.Logout(t.Context()))
		}
	}
	t.Logf("acknowledged: ada %d, bob %d", len(l.acknowledged["ada"]), len(l.acknowledged["bob"]))
	require.NotEmpty(t, l.acknowledged["bob"])
	s.end()
	<-s.ended
	require.NoError(t, s.err, &s.log)
}

func spin(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
	}
}

// sendLoad delivers to two recipients at a time until the server is gone.
func sendLoad(t *testing.T, s *testServer, l *ledger, name string) {
	loadSMTP(t, s, l, nameSMTP, name)
}

func lmtpLoad(t *testing.T, s *testServer, l *ledger, name string) {
	loadSMTP(t, s, l, nameLMTP, name)
}

func loadSMTP(t *testing.T, s *testServer, l *ledger, service, name string) {
	ctx := t.Context()
	c, err := smtpclient.Dial(ctx, s.addr[service], &smtpclient.Options{TLS: smtpclient.Disabled, LMTP: service == nameLMTP, HelloName: "test.example"})
	if err != nil {
		return
	}
	defer c.Close()
	env := envelope(t, "ada@example.test", "ada@example.test", "bob@example.test")
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s.%s.%d", service, name, n)
		r, err := c.Send(ctx, env, strings.NewReader(crashMessage(id)))
		if err != nil {
			return
		}
		for i, user := range []string{"ada", "bob"} {
			if r.Recipients[i].Err == nil {
				l.ack(user, id, "")
			} else {
				// Nothing is refused here: the end came between two verdicts.
				return
			}
		}
	}
}

// appendLoad appends until the server is gone.
func appendLoad(t *testing.T, s *testServer, l *ledger, name string) {
	ctx := t.Context()
	c, err := imapclient.Dial(ctx, s.addr[nameIMAPS], s.imapOptions("ada"))
	if err != nil {
		return
	}
	defer c.Close()
	for n := 0; ; n++ {
		id := fmt.Sprintf("append.%s.%d", name, n)
		o := &imap.AppendOptions{}
		if n%2 == 0 {
			o.Flags = []imap.Flag{imap.FlagSeen, "$Label1"}
		}
		code, err := c.Append(ctx, imap.Inbox, strings.NewReader(crashMessage(id)), o)
		if err != nil {
			return
		}
		l.ack("ada", id, code.UIDs.String())
	}
}

// readLoad reads what comes, until the server is gone: nothing is ever seen in
// half, and what a UID names is seen once and for all.
func readLoad(t *testing.T, s *testServer, l *ledger, _ string) {
	ctx := t.Context()
	c, err := imapclient.Dial(ctx, s.addr[nameIMAPS], s.imapOptions("bob"))
	if err != nil {
		return
	}
	defer c.Close()
	status, err := c.Select(ctx, imap.Inbox)
	if err != nil {
		return
	}
	next := status.UIDNext
	for {
		found := map[imap.UID][]byte{}
		var uid imap.UID
		var failed error
		for m, err := range c.Fetch(ctx, imap.UIDs(next, imap.Max), imap.FetchUID, wholeMessage) {
			if failed = err; err != nil {
				break
			}
			if m.UID != 0 {
				uid = m.UID
			}
			buf := make([]byte, 4096)
			for r := m.Open(wholeMessage); r != nil && failed == nil; {
				n, err := r.Read(buf)
				found[uid] = append(found[uid], buf[:n]...)
				if err != nil {
					break
				}
			}
			if !m.More && uid >= next {
				l.sawUID(t, "bob", uid, found[uid])
			}
		}
		for uid := range found {
			next = max(next, uid+1)
		}
		if failed != nil || c.Noop(ctx) != nil {
			return
		}
	}
}

// sawUID records what a reader saw.
func (l *ledger) sawUID(t *testing.T, user string, uid imap.UID, text []byte) {
	_, rest, _ := strings.Cut("\r\n"+string(text), "\r\nSubject: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	if !strings.HasSuffix(string(text), crashMessage(id)) {
		t.Errorf("a reader saw half a message: UID %d, %q", uid, text)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.named[user][fmt.Sprint(uid)]; was != "" && was != id {
		t.Errorf("UID %d was %s and is %s", uid, was, id)
	}
	l.named[user][fmt.Sprint(uid)] = id
}

// TestKilledWhileFiling kills the server while messages are moved to and fro,
// flagged and expunged.
func TestKilledWhileFiling(t *testing.T) {
	const movers, each = 3, 8
	dir := memoryDir(t)
	args := serverArgs(dir)
	s := startProcess(t, dir, args...)
	ctx := t.Context()
	c := s.imap("ada")
	require.NoError(t, c.Create(ctx, "Archive"))
	put := func(id string) {
		_, err := c.Append(ctx, imap.Inbox, strings.NewReader(crashMessage(id)), nil)
		require.NoError(t, err)
	}
	for m := range movers {
		for n := range each {
			put(fmt.Sprintf("move.%d.%d", m, n))
		}
	}
	flagged := map[string]bool{} // what the server said OK to last
	for n := range each {
		put(fmt.Sprintf("flag.%d", n))
	}
	require.NoError(t, c.Logout(ctx))

	for round := range killings(t, 6) {
		c := s.imap("ada")
		removeLeft(t, c)
		for n := range 40 {
			_, err := c.Append(ctx, imap.Inbox, strings.NewReader(crashMessage(fmt.Sprintf("expunge.%d.%d", round, n))), nil)
			require.NoError(t, err)
		}
		at := locate(t, c)
		var mu sync.Mutex
		done, killAt := 0, 1+rand.IntN(40)
		told := func() {
			mu.Lock()
			defer mu.Unlock()
			if done++; done == killAt {
				go func() {
					spin(rand.N(2 * time.Millisecond))
					s.cmd.Process.Kill()
				}()
			}
		}
		expunged := map[string]bool{}
		unsure := map[string]bool{} // flags that the server did not live to answer
		var clients sync.WaitGroup
		for m := range movers {
			clients.Go(func() { moveLoad(ctx, s, fmt.Sprintf("move.%d.", m), told) })
		}
		clients.Go(func() {
			flagLoad(ctx, s, at, "flag.", func(id string, on, ok bool) {
				mu.Lock()
				flagged[id], unsure[id] = on, !ok
				mu.Unlock()
				if ok {
					told()
				}
			})
		})
		clients.Go(func() {
			expungeLoad(ctx, s, at, fmt.Sprintf("expunge.%d.", round), func(id string) {
				mu.Lock()
				expunged[id] = true
				mu.Unlock()
				told()
			})
		})
		clients.Wait()
		s.kill()

		s = startProcess(t, dir, args...)
		c = s.imap("ada")
		after := locate(t, c)
		for m := range movers {
			for n := range each {
				require.Len(t, after[fmt.Sprintf("move.%d.%d", m, n)], 1, "round %d: a moved message is in one folder", round)
			}
		}
		for id := range at {
			require.LessOrEqual(t, len(after[id]), 1, id)
		}
		for id := range expunged {
			require.Empty(t, after[id], "%s was expunged", id)
		}
		for n := range each {
			id := fmt.Sprintf("flag.%d", n)
			require.Len(t, after[id], 1)
			if !unsure[id] {
				require.Equal(t, flagged[id], after[id][0].flagged, "round %d: the flag of %s", round, id)
			}
			flagged[id] = after[id][0].flagged
		}
		require.NoError(t, c.Logout(ctx))
	}
	s.end()
	<-s.ended
	require.NoError(t, s.err, &s.log)
}

// removeLeft removes what an earlier round should have expunged and did not
// come to.
func removeLeft(t *testing.T, c *imapclient.Client) {
	t.Helper()
	_, err := c.Select(t.Context(), imap.Inbox)
	require.NoError(t, err)
	left, err := c.Search(t.Context(), imap.SearchHeader{Name: "Subject", Value: "expunge."})
	require.NoError(t, err)
	if len(left) > 0 {
		set := imap.UIDSetOf(left...)
		require.NoError(t, c.Store(t.Context(), set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
		require.NoError(t, c.Expunge(t.Context(), set))
	}
}

// place is where a message is.
type place struct {
	mailbox string
	uid     imap.UID
	flagged bool
}

// locate finds all messages in all folders, and demands that they are whole.
func locate(t *testing.T, c *imapclient.Client) map[string][]place {
	t.Helper()
	at := map[string][]place{}
	for _, mailbox := range []string{imap.Inbox, "Archive"} {
		byUID, _ := contents(t, c, mailbox)
		flagged, err := c.Search(t.Context(), imap.SearchFlag{Flag: imap.FlagFlagged})
		require.NoError(t, err)
		is := map[imap.UID]bool{}
		for _, uid := range flagged {
			is[uid] = true
		}
		for uid, text := range byUID {
			id := idOf(t, text)
			at[id] = append(at[id], place{mailbox, uid, is[uid]})
		}
	}
	return at
}

// moveLoad moves messages whose ids begin with prefix to the other folder, a
// few at a time, until the server is gone.
func moveLoad(ctx context.Context, s *testServer, prefix string, told func()) {
	c, err := imapclient.Dial(ctx, s.addr[nameIMAPS], s.imapOptions("ada"))
	if err != nil {
		return
	}
	defer c.Close()
	from, to := imap.Inbox, "Archive"
	for {
		if _, err := c.Select(ctx, from); err != nil {
			return
		}
		uids, err := c.Search(ctx, imap.SearchHeader{Name: "Subject", Value: prefix})
		if err != nil {
			return
		}
		for len(uids) > 0 {
			n := min(len(uids), 3)
			if c.Move(ctx, imap.UIDSetOf(uids[:n]...), to) != nil {
				return
			}
			uids = uids[n:]
			told()
		}
		from, to = to, from
	}
}

// flagLoad sets and takes \Flagged. tell is told of each STORE before it is
// sent and when it was answered.
func flagLoad(ctx context.Context, s *testServer, at map[string][]place, prefix string, tell func(id string, on, ok bool)) {
	c, err := imapclient.Dial(ctx, s.addr[nameIMAPS], s.imapOptions("ada"))
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Select(ctx, imap.Inbox); err != nil {
		return
	}
	for n := 0; ; n++ {
		for id, where := range at {
			if !strings.HasPrefix(id, prefix) {
				continue
			}
			change := imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagFlagged}}
			if n%2 == 1 {
				change.Action = imap.StoreRemove
			}
			tell(id, n%2 == 0, false)
			if c.Store(ctx, imap.UIDSetOf(where[0].uid), change) != nil {
				return
			}
			tell(id, n%2 == 0, true)
		}
	}
}

// expungeLoad deletes messages until the server is gone, or they are.
func expungeLoad(ctx context.Context, s *testServer, at map[string][]place, prefix string, gone func(id string)) {
	c, err := imapclient.Dial(ctx, s.addr[nameIMAPS], s.imapOptions("ada"))
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Select(ctx, imap.Inbox); err != nil {
		return
	}
	for id, where := range at {
		if !strings.HasPrefix(id, prefix) {
			continue
		}
		set := imap.UIDSetOf(where[0].uid)
		if c.Store(ctx, set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}) != nil || c.Expunge(ctx, set) != nil {
			return
		}
		gone(id)
	}
}
