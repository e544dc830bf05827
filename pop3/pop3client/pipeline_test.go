package pop3client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// piped is open to a server that says it does PIPELINING.
func piped(t testing.TB, window int, text string) *pop3client.Client {
	t.Helper()
	o := plaintext
	o.NoCapa, o.Window = false, window
	c, err := connect(t, "S: +OK ready\nC: CAPA\nS: +OK\nS: PIPELINING\nS: .\n"+text, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func readAll(t testing.TB, c *pop3client.Client, numbers ...int) (got []string) {
	t.Helper()
	for m, err := range c.RetrieveAll(t.Context(), numbers...) {
		var refused *pop3.Error
		if errors.As(err, &refused) {
			got = append(got, refused.Command+" refused")
			continue
		}
		require.NoError(t, err)
		data, err := io.ReadAll(m)
		require.NoError(t, err)
		got = append(got, fmt.Sprint(m.Number, " ", string(data)))
	}
	return got
}

func TestRetrieveAll(t *testing.T) {
	// Half a window is sent as soon as half of one was answered.
	c := piped(t, 4, `
C: LIST
S: +OK
S: 1 10
S: 3 10
S: garbage
S: 4 10
S: 5 10
S: 6 10
S: 7 10
S: .
C: RETR 1
C: RETR 3
C: RETR 4
C: RETR 5
S: +OK
S: one
S: .
S: -ERR [SYS/TEMP] not now
C: RETR 6
C: RETR 7
S: +OK
S: ..
S: .
S: +OK
S: .
S: +OK
S: six
S: .
S: +OK
S: seven
S: .
C: NOOP
S: +OK
`)
	assert.Equal(t, []string{"1 one\r\n", "RETR 3 refused", "4 .\r\n", "5 ", "6 six\r\n", "7 seven\r\n"}, readAll(t, c))
	require.NoError(t, c.Noop(t.Context()))

	// Where the server can not, one at a time.
	c = open(t, "C: RETR 2\nS: +OK\nS: two\nS: .\nC: RETR 1\nS: -ERR\nC: RETR 3\nS: +OK\nS: .\nC: NOOP\nS: +OK\n")
	assert.Equal(t, []string{"2 two\r\n", "RETR 1 refused", "3 "}, readAll(t, c, 2, 1, 3))
	require.NoError(t, c.Noop(t.Context()))

	c = open(t, "C: LIST\nS: +OK\nS: .\nC: LIST\nS: -ERR no\nC: NOOP\nS: +OK\n")
	assert.Empty(t, readAll(t, c))
	assert.Equal(t, []string{"LIST refused"}, readAll(t, c))
	// Nothing is sent of what can not be sent.
	for _, n := range []int{0, -1} {
		for m, err := range c.RetrieveAll(t.Context(), 1, n) {
			assert.Nil(t, m)
			var e *pop3wire.EncodeError
			require.ErrorAs(t, err, &e)
		}
	}
	require.NoError(t, c.Noop(t.Context()))
}

func TestTopAll(t *testing.T) {
	c := piped(t, 0, "C: TOP 1 2\nC: TOP 2 2\nS: +OK\nS: A: b\nS: .\nS: +OK\nS: C: d\nS: .\n")
	var got []string
	for m, err := range c.TopAll(t.Context(), 2, 1, 2) {
		require.NoError(t, err)
		data, err := io.ReadAll(m)
		require.NoError(t, err)
		got = append(got, string(data))
	}
	assert.Equal(t, []string{"A: b\r\n", "C: d\r\n"}, got)
}

// What a loop leaves is read up to a limit: the connection is in sync, or
// closed.
func TestRetrieveAllAbandoned(t *testing.T) {
	ctx := t.Context()
	text := "C: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\nS: one\nS: +OK not\nS: .\nS: -ERR\nS: +OK\n" + strings.Repeat("S: a line of ten\n", 100) + "S: .\n"
	c := piped(t, 0, text+"C: NOOP\nS: +OK\n")
	for m, err := range c.RetrieveAll(ctx, 1, 2, 3) {
		require.NoError(t, err)
		require.ErrorIs(t, c.Noop(ctx), pop3client.ErrBusy)
		require.Equal(t, 1, m.Number)
		break
	}
	require.NoError(t, c.Noop(ctx))

	o := plaintext
	o.NoCapa, o.MaxDrain = false, 500
	c, err := connect(t, "S: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: .\n"+text, o)
	require.NoError(t, err)
	for range c.RetrieveAll(ctx, 1, 2, 3) {
		break
	}
	require.ErrorIs(t, c.Noop(ctx), pop3client.ErrClosed)

	// Unread ones are skipped, and no longer to be read.
	c = piped(t, 0, text+"C: NOOP\nS: +OK\n")
	var kept []*pop3client.Message
	for m, err := range c.RetrieveAll(ctx, 1, 2, 3) {
		if err == nil {
			kept = append(kept, m)
		}
	}
	require.Len(t, kept, 2)
	_, err = kept[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, pop3client.ErrClosed)
	require.NoError(t, c.Noop(ctx))
}

func TestPipelineBreaks(t *testing.T) {
	ctx := t.Context()
	c := piped(t, 0, "C: RETR 1\nC: RETR 2\nS: +OK\nS: half\n--- close ---\n")
	var errs []error
	for m, err := range c.RetrieveAll(ctx, 1, 2) {
		if err == nil {
			_, err = io.ReadAll(m)
		}
		errs = append(errs, err)
	}
	require.Len(t, errs, 2, "the message's, and the end")
	require.ErrorIs(t, errs[0], io.ErrUnexpectedEOF)
	require.ErrorIs(t, errs[1], io.ErrUnexpectedEOF)
	// Broken out of there it is over.
	c = piped(t, 0, "C: RETR 1\nC: RETR 2\nS: +OK\nS: half\n--- close ---\n")
	for range c.RetrieveAll(ctx, 1, 2) {
		break
	}
	c = piped(t, 0, "C: RETR 1\nC: RETR 2\nS: +OK\nS: .\n--- close ---\n")
	for range c.RetrieveAll(ctx, 1, 2) {
		break
	}
	require.ErrorIs(t, c.Noop(ctx), pop3client.ErrClosed)
	// A panic in the loop leaves nothing that is taken for an answer.
	c = piped(t, 0, "C: RETR 1\nC: RETR 2\nS: +OK\nS: .\nS: +OK\nS: +OK\nS: .\n")
	assert.Panics(t, func() {
		for range c.RetrieveAll(ctx, 1, 2) {
			panic("at the disco")
		}
	})
	require.ErrorIs(t, c.Noop(ctx), pop3client.ErrClosed)
}

func TestDeleteAllAndUIDs(t *testing.T) {
	ctx := t.Context()
	c := piped(t, 0, `
C: UIDL 1
C: UIDL 2
C: UIDL 4
S: +OK 1 aaa
S: +OK bbb
S: +OK 5 ccc
C: DELE 1
C: DELE 2
C: DELE 3
S: +OK
S: -ERR gone
S: +OK
C: UIDL 1
C: UIDL 2
S: -ERR
S: +OK 2 x
C: QUIT
--- close ---
`)
	var uids []string
	for l, err := range c.UIDs(ctx, 1, 2, 4) {
		uids = append(uids, fmt.Sprintf("%d %s %v", l.Number, l.UID, err != nil))
	}
	assert.Equal(t, []string{"1 aaa false", "2 bbb false", "0  true"}, uids)
	err := c.DeleteAll(ctx, 1, 2, 3)
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "DELE 2", refused.Command)
	require.NoError(t, c.DeleteAll(ctx))
	for _, err := range c.UIDs(ctx, 1, 2) {
		require.ErrorAs(t, err, &refused)
		break
	}
	require.ErrorIs(t, c.Quit(ctx), io.ErrUnexpectedEOF, "something was to be removed")
}

// latency is a connection whose peer hears and is heard late.
type latency struct {
	net.Conn
	delay time.Duration
	mu    sync.Mutex
	queue chan packet
}

type packet struct {
	at   time.Time
	data []byte
}

func newLatency(conn net.Conn, delay time.Duration) *latency {
	l := &latency{Conn: conn, delay: delay, queue: make(chan packet, 1<<16)}
	go func() {
		for p := range l.queue {
			time.Sleep(time.Until(p.at))
			_, _ = conn.Write(p.data)
		}
	}()
	return l
}

func (l *latency) Write(p []byte) (int, error) {
	l.queue <- packet{time.Now().Add(l.delay), append([]byte{}, p...)}
	return len(p), nil
}

// A thousand messages over a line of 20 ms take a twentieth of the time that
// they take one by one.
func TestRetrieveAllLatency(t *testing.T) {
	const n = 1000
	took := func(t *testing.T, capa string) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			conn, server := testkit.Pipe()
			late := newLatency(conn, 20*time.Millisecond)
			defer close(late.queue)
			go func() {
				r := wire.NewReader(server, wire.Options{})
				_, _ = io.WriteString(server, "+OK\r\n")
				for {
					line, err := r.Line(0)
					switch {
					case err != nil:
						return
					case string(line) == "CAPA":
						_, _ = io.WriteString(server, "+OK\r\n"+capa+".\r\n")
					default:
						_, _ = io.WriteString(server, "+OK\r\n"+strings.Repeat("x", 5000)+"\r\n.\r\n")
					}
				}
			}()
			o := plaintext
			o.NoCapa = false
			c, err := pop3client.NewClient(t.Context(), late, &o)
			require.NoError(t, err)
			numbers := make([]int, n)
			for i := range numbers {
				numbers[i] = i + 1
			}
			begin, got := time.Now(), 0
			for m, err := range c.RetrieveAll(t.Context(), numbers...) {
				require.NoError(t, err)
				size, err := io.Copy(io.Discard, m)
				require.NoError(t, err)
				require.EqualValues(t, 5002, size)
				got++
			}
			d = time.Since(begin)
			assert.Equal(t, n, got)
			_ = c.Close()
			_ = server.Close()
		})
		return d
	}
	slow, quick := took(t, ""), took(t, "PIPELINING\r\n")
	assert.Equal(t, n*20*time.Millisecond, slow)
	assert.LessOrEqual(t, quick, slow/20)
}

func TestPipelineContext(t *testing.T) {
	c := piped(t, 0, "C: RETR 1\nC: RETR 2\nS: +OK\nS: .\n--- client close ---\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range c.RetrieveAll(ctx, 1, 2) {
		if n++; n == 1 {
			require.NoError(t, err)
			cancel()
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, 2, n)
}
