package netconn_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true, IdleTimeout: time.Minute})
		start := time.Now()
		go func() {
			time.Sleep(50 * time.Second)
			send(t, client, "A\r\n")
		}()
		assert.Equal(t, "A", line(t, c))
		_, err := c.Reader().Line(0)
		assert.Equal(t, 110*time.Second, time.Since(start))
		var te *netconn.TimeoutError
		require.ErrorAs(t, err, &te)
		assert.Equal(t, netconn.TimeoutError{Kind: netconn.ErrIdleTimeout, Limit: time.Minute}, *te)
		assert.ErrorIs(t, err, netconn.ErrIdleTimeout)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.True(t, te.Timeout())
		assert.EqualError(t, err, "idle timeout: nothing received for 1m0s")
		_, err = c.WriteString("421 idle\r\n")
		require.NoError(t, err)
		require.NoError(t, c.Flush(), "a server tells the idle client goodbye")
	})
}

// Slowloris: an octet a second passes every idle limit.
func TestTooSlow(t *testing.T) {
	tests := map[string]struct {
		interval time.Duration
		cut      time.Duration // from the first octet; 0: never
	}{
		"an octet a minute":       {time.Minute, 30 * time.Second},
		"an octet a second":       {time.Second, 31 * time.Second},
		"an octet each 10 ms":     {10 * time.Millisecond, 0},
		"somewhat under the rate": {25 * time.Millisecond, 50 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t, netconn.Options{Server: true, IdleTimeout: 5 * time.Minute, MinRate: 100, Grace: 30 * time.Second})
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = testkit.SlowWriter(client, tt.interval).Write([]byte(strings.Repeat("x", 3000) + "\r\n"))
				}()
				start := time.Now()
				_, err := c.Reader().Line(0)
				took := time.Since(start)
				_ = c.Close()
				<-done
				if tt.cut == 0 {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, netconn.ErrTooSlow)
				assert.EqualError(t, err, "peer too slow: under the least rate for 30s")
				assert.InDelta(t, (tt.interval + tt.cut).Seconds(), took.Seconds(), 1.01)
			})
		})
	}
}

// What a peer sent quickly does not buy it the time to be slow.
func TestTooSlowAfterBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true, IdleTimeout: 5 * time.Minute, MinRate: 100, Grace: 30 * time.Second})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.WriteString(client, strings.Repeat("x", 1<<20))
			_, _ = testkit.SlowWriter(client, time.Second).Write(make([]byte, 1000))
		}()
		start := time.Now()
		_, err := io.Copy(io.Discard, c.Reader().Literal(1<<30))
		assert.ErrorIs(t, err, netconn.ErrTooSlow)
		assert.InDelta(t, 30, time.Since(start).Seconds(), 1.01)
		_ = client.Close()
		<-done
	})
}

// Time that the server itself takes does not count against the peer.
func TestSlowBackendIsNotASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true, MinRate: 100, Grace: 10 * time.Second})
		for range 10 {
			send(t, client, strings.Repeat("x", 1000))
			_, err := io.ReadFull(c.Reader(), make([]byte, 1000))
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
	})
}

// A conversation of small commands with pauses is not slow.
func TestPausesBetweenCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true})
		go func() {
			for range 100 {
				time.Sleep(4 * time.Minute)
				_, _ = io.WriteString(client, "NOOP\r\n")
			}
		}()
		for i := range 100 {
			if i%10 == 0 {
				require.NoError(t, c.WaitInput(t.Context()))
			}
			assert.Equal(t, "NOOP", line(t, c))
			// Each kind of write begins a new exchange.
			if i%3 == 0 {
				send(t, c, "+OK\r\n")
			} else {
				_, err := c.Write([]byte("+OK\r\n"))
				require.NoError(t, err)
			}
		}
	})
}

func TestTransactionDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true})
		c.SetTransactionDeadline(time.Now().Add(100 * time.Second))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = testkit.SlowWriter(client, 10*time.Millisecond).Write(make([]byte, 20_000))
		}()
		start := time.Now()
		_, err := io.Copy(io.Discard, c.Reader().Literal(1<<20))
		assert.ErrorIs(t, err, netconn.ErrTransactionTimeout)
		assert.Equal(t, 100*time.Second, time.Since(start))
		c.SetTransactionDeadline(time.Time{})
		send(t, c, "421 too long\r\n")
		assert.NoError(t, c.Flush())
		_ = client.Close()
		<-done
	})
}

func TestWatchCancelsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t, netconn.Options{})
		cause := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := c.Watch(ctx)
		defer stop()
		go func() {
			time.Sleep(time.Second)
			cancel(cause)
		}()
		start := time.Now()
		_, err := c.Reader().Line(0)
		assert.Equal(t, time.Second, time.Since(start))
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, context.Canceled)
		assert.EqualError(t, err, "interrupted: the user left")
	})
}

func TestWatchDeadlineCancelsWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testkit.PipeSize(10)
		defer client.Close()
		c := netconn.New(server, netconn.Options{})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		defer c.Watch(ctx)()
		start := time.Now()
		_, err := c.Write(make([]byte, 100_000))
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		var ie *netconn.InterruptError
		require.ErrorAs(t, err, &ie)
		assert.True(t, ie.Timeout())
	})
}

func TestWatchEndedBefore(t *testing.T) {
	c, _ := pair(t, netconn.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stop := c.Watch(ctx)
	_, err := c.Write(make([]byte, 100_000))
	assert.ErrorIs(t, err, context.Canceled)
	stop()
}

// A cancel after stop, or one that interrupted nothing, leaves no trace.
func TestWatchStopped(t *testing.T) {
	c, client := pair(t, netconn.Options{})
	for i := range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		outer := c.Watch(t.Context())
		stop := c.Watch(ctx)
		if i%2 == 0 {
			go cancel()
		} else {
			cancel()
		}
		stop()
		send(t, client, "x\r\n")
		assert.Equal(t, "x", line(t, c))
		send(t, c, "y")
		require.NoError(t, c.Flush())
		assert.Equal(t, "y", receive(t, client, 1))
		outer()
		cancel()
	}
}

func TestWatchesNest(t *testing.T) {
	c, client := pair(t, netconn.Options{})
	outer, cancelOuter := context.WithCancel(t.Context())
	defer cancelOuter()
	inner, cancelInner := context.WithCancel(t.Context())
	stopOuter, stopInner := c.Watch(outer), c.Watch(inner)
	cancelInner()
	stopInner()
	send(t, client, "x\r\n")
	assert.Equal(t, "x", line(t, c))
	cancelOuter()
	_, err := c.Reader().Line(0)
	assert.ErrorIs(t, err, context.Canceled)
	stopOuter()
}

func TestWaitInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true, IdleTimeout: 30 * time.Minute})
		// Left by a context, again and again, with output flushed first.
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			send(t, c, "+ idling\r\n")
			assert.ErrorIs(t, c.WaitInput(ctx), context.DeadlineExceeded)
			cancel()
			assert.Equal(t, "+ idling\r\n", receive(t, client, 10))
		}
		// Woken while it waits, and before.
		go func() {
			time.Sleep(time.Minute)
			c.Wake()
		}()
		assert.Equal(t, netconn.ErrWoken, c.WaitInput(t.Context()))
		c.Wake()
		c.Wake()
		assert.Equal(t, netconn.ErrWoken, c.WaitInput(t.Context()))
		// Input is not lost and not consumed.
		go func() {
			time.Sleep(time.Minute)
			send(t, client, "DONE\r\nNOOP\r\n")
		}()
		require.NoError(t, c.WaitInput(t.Context()))
		require.NoError(t, c.WaitInput(t.Context()))
		assert.Positive(t, c.Buffered())
		assert.Equal(t, "DONE", line(t, c))
		require.NoError(t, c.WaitInput(t.Context()))
		assert.Equal(t, "NOOP", line(t, c))
		// A Wake does not disturb a read.
		c.Wake()
		go func() {
			time.Sleep(time.Second)
			c.Wake()
			time.Sleep(time.Second)
			send(t, client, "LAST\r\n")
		}()
		assert.Equal(t, "LAST", line(t, c))
		assert.Equal(t, netconn.ErrWoken, c.WaitInput(t.Context()))
		assert.ErrorIs(t, c.WaitInput(t.Context()), netconn.ErrIdleTimeout)
		assert.ErrorIs(t, c.WaitInput(t.Context()), netconn.ErrIdleTimeout)
	})
}

func TestWaitInputUnderTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := tlsPair(t, netconn.Options{Server: true, IdleTimeout: 30 * time.Minute})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			assert.ErrorIs(t, c.WaitInput(ctx), context.DeadlineExceeded)
			cancel()
			c.Wake()
			assert.Equal(t, netconn.ErrWoken, c.WaitInput(t.Context()))
		}
		go func() {
			time.Sleep(time.Minute)
			_, _ = io.WriteString(client, "DONE\r\n")
		}()
		require.NoError(t, c.WaitInput(t.Context()))
		assert.Equal(t, "DONE", line(t, c))
		send(t, c, "OK\r\n")
		require.NoError(t, c.Flush())
		assert.Equal(t, "OK\r\n", receive(t, client, 4))
	})
}

func TestInterruptRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true})
		send(t, client, "A\r\nB\r\n")
		assert.Equal(t, "A", line(t, c))
		c.InterruptRead(errFault)
		assert.Equal(t, "B", line(t, c), "what was received is served")
		_, err := c.Reader().Line(0)
		assert.Equal(t, errFault, err)
		send(t, c, "421 bye\r\n")
		require.NoError(t, c.Flush())
		assert.Equal(t, "421 bye\r\n", receive(t, client, 9))

		c, _ = pair(t, netconn.Options{Server: true})
		go func() {
			time.Sleep(time.Second)
			c.InterruptRead(errFault)
		}()
		assert.Equal(t, errFault, c.WaitInput(t.Context()))
	})
}

// F7: after a timeout in a literal nothing of the rest can be read.
func TestTimeoutInLiteral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t, netconn.Options{Server: true, IdleTimeout: time.Minute})
		send(t, client, "0123")
		lit := c.Reader().Literal(10)
		_, err := io.ReadAll(lit)
		require.ErrorIs(t, err, netconn.ErrIdleTimeout)
		send(t, client, "456789\r\nDELE 1\r\n")
		_, err = io.ReadAll(lit)
		assert.ErrorIs(t, err, netconn.ErrIdleTimeout)
		_, err = c.Reader().Read(make([]byte, 10))
		assert.ErrorIs(t, err, netconn.ErrIdleTimeout)
		assert.ErrorIs(t, c.WaitInput(t.Context()), netconn.ErrIdleTimeout)
	})
}
