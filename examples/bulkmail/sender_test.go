package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

var (
	errTemporary = &smtp.Error{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "later", Command: "RCPT TO:<x>"}
	errPermanent = &smtp.Error{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?", Command: "RCPT TO:<x>"}
	errNetwork   = errors.New("connection refused")
)

func once(got []attempt) map[string]int {
	m := map[string]int{}
	for _, a := range got {
		m[a.to]++
	}
	return m
}

// When a server's limit is reached the next goes on; when all are, it waits.
func TestLimitsSwitchServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1\nper-hour = 3", "b:1\nper-hour = 2\nper-day = 3")
		f := &fake{}
		start := time.Now()
		e := d.begin(20, f)
		require.NoError(t, e.run(t))
		everyone(t, 20, once(f.attempts))
		// Hours 0 to 5: of b only three a day.
		assert.Equal(t, "s1*3 s2*2 s1*3 s2*1 s1*11", f.servers())
		for i, h := range []int{0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5} {
			assert.Equal(t, time.Duration(h)*time.Hour, f.attempts[i].at.Sub(start), "message %d", i)
		}
		assert.Regexp(t, `^waiting until [0-9: -]+: s1 has reached its limit, s2 has reached its limit$`, e.notes[0])
		assert.Equal(t, counts{sent: 20}, e.counts)
	})
}

// Limits hold from one process to the next, and over campaigns.
func TestLimitsSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1\nper-hour = 3\nper-day = 7")
		f := &fake{}
		e := d.begin(10, f)
		e.once = true
		require.ErrorIs(t, e.run(t), errLeft)
		require.Len(t, f.attempts, 3)

		time.Sleep(59 * time.Minute)
		e = d.begin(0, f)
		e.once = true
		require.ErrorIs(t, e.run(t), errLeft)
		require.Len(t, f.attempts, 3, "an hour is not over")

		// Another campaign of the same state does not get more.
		s, err := openState(d.state(), false)
		require.NoError(t, err)
		require.NoError(t, s.create("more", &content{settings: settings{Created: time.Now()}, template: []byte("Subject: x\n\nx\n"), list: []byte("email\nx@example.com\n")}))
		uses, err := s.loadUses(time.Now())
		require.NoError(t, err)
		require.Len(t, uses["s1"], 3)
		s.close()

		time.Sleep(time.Minute)
		e = d.begin(0, f)
		e.once = true
		require.ErrorIs(t, e.run(t), errLeft)
		require.Len(t, f.attempts, 6)

		time.Sleep(time.Hour)
		e = d.begin(0, f)
		e.once = true
		require.ErrorIs(t, e.run(t), errLeft)
		require.Len(t, f.attempts, 7, "seven a day")

		// What is left goes on by itself.
		start := f.attempts[0].at
		require.NoError(t, d.begin(0, f).run(t))
		everyone(t, 10, once(f.attempts))
		assert.Equal(t, 24*time.Hour, f.attempts[7].at.Sub(start))
	})
}

// Mixed verdicts, each recorded as what it is.
func TestVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("retry = 5m 1h\n", "a:1")
		seen := map[string]int{}
		f := &fake{answer: func(_, to string) error {
			seen[to]++
			switch to {
			case person(1):
				return errPermanent
			case person(2): // greylisted
				if seen[to] == 1 {
					return errTemporary
				}
			case person(3):
				return errTemporary
			case person(4):
				return &smtpclient.SentError{Err: errNetwork}
			}
			return nil
		}}
		start := time.Now()
		e := d.begin(7, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, counts{sent: 4, failed: 2, doubtful: 1}, e.counts)
		assert.Equal(t, failed, e.state(1).state)
		assert.Equal(t, "550 5.1.1 who? (RCPT TO:<x>)", e.state(1).reply)
		assert.Equal(t, sent, e.state(2).state)
		assert.Equal(t, failed, e.state(3).state)
		assert.Equal(t, "given up after 3 attempts: 451 4.2.1 later (RCPT TO:<x>)", e.state(3).reply)
		assert.Equal(t, doubtful, e.state(4).state)
		var times []time.Duration
		for _, a := range f.attempts {
			if a.to == person(3) {
				times = append(times, a.at.Sub(start))
			}
		}
		assert.Equal(t, []time.Duration{0, 5 * time.Minute, 65 * time.Minute}, times)
		// The address that does not exist is out of every campaign.
		assert.True(t, e.suppressed.has(person(1)))
		assert.False(t, e.suppressed.has(person(3)))

		// Nothing of it is sent again but on request.
		n := len(f.attempts)
		require.NoError(t, d.begin(0, f).run(t))
		require.Len(t, f.attempts, n)
		e = d.begin(0, f)
		require.NoError(t, e.campaigns[0].requeue([]status{doubtful}))
		e.counts, e.fresh = counts{}, nil
		require.NoError(t, e.prepare())
		f.answer = nil
		require.NoError(t, e.run(t))
		require.Len(t, f.attempts, n+1)
		assert.Equal(t, person(4), f.attempts[n].to)
	})
}

// A server that fails says nothing of a recipient: the next takes over, and
// the first is tried again later.
func TestServerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1\nper-hour = 100", "b:1\nper-hour = 4")
		f := &fake{}
		f.answer = func(server, to string) error {
			if server == "s1" && len(f.attempts) < 7 {
				return errNetwork
			}
			return nil
		}
		e := d.begin(10, f)
		require.NoError(t, e.run(t))
		// s1 fails; s2 has its limit of four; s1 fails after a minute, and
		// works two minutes later.
		assert.Equal(t, "s1*1 s2*4 s1*7", f.servers())
		assert.Equal(t, counts{sent: 10}, e.counts)
		// What s1 did not take is not counted against it.
		now := time.Now()
		assert.Equal(t, 6, e.servers[0].used(now, hour))
		assert.Equal(t, 4, e.servers[1].used(now, hour))
	})
}

func TestServerOff(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"login", &smtp.Error{Code: 535, Message: "no", Command: "AUTH PLAIN"}},
		{"login wanted", &smtp.Error{Code: 530, Message: "log in", Command: "MAIL FROM:<x>"}},
		{"no TLS", fmt.Errorf("smtp: %w", smtpclient.ErrTLSRequired)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				d.config("", "a:1", "b:1")
				f := &fake{answer: func(server, _ string) error {
					if server == "s1" {
						return tt.err
					}
					return nil
				}}
				e := d.begin(5, f)
				require.NoError(t, e.run(t))
				assert.Equal(t, "s1*1 s2*5", f.servers())
				assert.Contains(t, e.notes[0], "server s1 is not used any more")

				// Where no server is left, everybody stays queued.
				d = newDesk(t)
				d.config("", "a:1")
				e = d.begin(5, f)
				require.ErrorIs(t, e.run(t), errNoServer)
				assert.Equal(t, counts{queued: 5}, e.counts)
			})
		})
	}
}

// What one server can not take goes to the next, and fails where none can.
func TestServerAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1", "b:1")
		f := &fake{answer: func(server, to string) error {
			if to == person(1) && server == "s1" || to == person(2) {
				return &smtpclient.ExtensionError{Extension: "SMTPUTF8", For: "an address"}
			}
			return nil
		}}
		e := d.begin(4, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, counts{sent: 3, failed: 1}, e.counts)
		assert.Equal(t, failed, e.state(2).state)
		assert.Contains(t, e.state(2).reply, "no server takes it: ")
	})
}

// Refusals in a row look like a mistake of the sender's.
func TestStopAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("stop-after = 4\n", "a:1\nconnections = 2")
		f := &fake{answer: func(_, to string) error {
			return &smtp.Error{Code: 554, Message: "spam", Command: "DATA"}
		}}
		e := d.begin(50, f)
		err := e.run(t)
		require.ErrorContains(t, err, "4 refusals in a row, the last: 554 spam (DATA)")
		assert.LessOrEqual(t, e.counts[failed], 6, "four, and what was in flight")
		assert.Equal(t, 50, e.counts[failed]+e.counts[queued])
		assert.False(t, e.suppressed.has(person(0)), "that was not the address's fault")

		// Every other one is no such row.
		d = newDesk(t)
		d.config("stop-after = 2\n", "a:1")
		f = &fake{}
		f.answer = func(string, string) error {
			if len(f.attempts)%2 == 0 {
				return errPermanent
			}
			return nil
		}
		e = d.begin(10, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, counts{sent: 5, failed: 5}, e.counts)
	})
}

// A server that refuses everybody for now is left alone for a while.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1", "b:1")
		f := &fake{answer: func(server, _ string) error {
			if server == "s1" {
				return errTemporary
			}
			return nil
		}}
		e := d.begin(20, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, "s1*5 s2*20", f.servers(), "another server has another mind")
		assert.Equal(t, counts{sent: 20}, e.counts)
	})
}

// A message that every server breaks down on ends as failed, and the others
// get theirs.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("retry = 1h 2h\n", "a:1", "b:1")
		f := &fake{answer: func(_, to string) error {
			if to == person(0) {
				return &smtp.Error{Code: 421, Message: "oops", Command: "DATA"}
			}
			return nil
		}}
		e := d.begin(10, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, counts{sent: 9, failed: 1}, e.counts)
		assert.Len(t, f.attempts, 9+voidMost+3)
	})
}

// Pause and resume, as another process does it.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1")
		f := &fake{}
		var s *state
		f.took = func(_, to string) {
			if to == person(2) {
				assert.NoError(t, s.pause())
			}
		}
		e := d.begin(6, f)
		s = e.sender.state
		done := make(chan error)
		go func() { done <- e.run(t) }()
		time.Sleep(10 * time.Minute)
		require.Len(t, f.attempts, 3)
		require.NoError(t, s.unpause())
		require.NoError(t, <-done)
		everyone(t, 6, once(f.attempts))
		assert.Equal(t, []string{"paused: bulkmail resume goes on", "going on"}, e.notes)

		// One that begins in a pause waits, or ends with -once.
		d = newDesk(t)
		d.config("", "a:1")
		f.attempts = nil
		f.took = nil
		e = d.begin(6, f)
		require.NoError(t, e.sender.state.pause())
		e.once = true
		require.ErrorIs(t, e.run(t), errLeft)
		require.Empty(t, f.attempts)
	})
}

// Ctrl-C settles what is in flight and leaves the rest.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1\nconnections = 3")
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("interrupted")
		f := &fake{}
		f.took = func(_, to string) { cancel(why) }
		e := d.begin(10, f)
		require.ErrorIs(t, e.sender.run(ctx), why)
		e.close()
		assert.Equal(t, counts{sent: 3, queued: 7}, e.counts)
		require.NoError(t, d.begin(0, f).run(t))
		everyone(t, 10, once(f.attempts))

		// One that waits for its limits ends at once.
		d = newDesk(t)
		d.config("", "a:1\nper-hour = 1")
		ctx, cancel = context.WithCancelCause(t.Context())
		e = d.begin(2, &fake{})
		start := time.Now()
		go func() { time.Sleep(time.Minute); cancel(why) }()
		require.ErrorIs(t, e.sender.run(ctx), why)
		e.close()
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

// Who is suppressed while messages are sent gets none.
func TestSuppressedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.config("", "a:1")
		f := &fake{}
		f.took = func(_, to string) {
			if to == person(1) {
				other, err := openSuppressions(d.path("state/suppressed"), nil)
				assert.NoError(t, err)
				assert.NoError(t, other.add(person(3), "by hand", time.Now()))
			}
		}
		e := d.begin(5, f)
		require.NoError(t, e.run(t))
		assert.Equal(t, counts{sent: 4, suppressed: 1}, e.counts)
		assert.Equal(t, suppressed, e.state(3).state)
		assert.NotContains(t, once(f.attempts), person(3))
	})
}
