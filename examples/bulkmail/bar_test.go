package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		c := &console{w: &b, bar: true}
		s := &sender{busy: 1, counts: counts{queued: 48}}
		c.show(s)
		require.Equal(t, "[                        ] 0/48", b.String())
		b.Reset()
		s.counts = counts{queued: 24, sent: 20, failed: 2, doubtful: 1, waiting: 1}
		c.show(s)
		require.Empty(t, b.String(), "not so soon again")
		time.Sleep(23 * time.Second)
		c.show(s)
		require.Equal(t, "\r\033[K[===========             ] 23/48, 2 failed, 1 in doubt, 1 again later, 25s left", b.String())
		b.Reset()
		c.note("server said %q \x1b[31m\r\n", "x")
		require.Equal(t, "\r\033[Kbulkmail: server said \"x\" ?[31m??\n", b.String())
		b.Reset()
		s.busy, s.until = 0, time.Now().Add(hour)
		c.show(s)
		require.Equal(t, "[===========             ] 23/48, 2 failed, 1 in doubt, 1 again later, goes on at "+s.until.Local().Format(time.TimeOnly), b.String())
		b.Reset()
		s.paused = true
		c.show(s)
		c.end()
		c.end()
		require.Equal(t, "\r\033[K[===========             ] 23/48, 2 failed, 1 in doubt, 1 again later, paused\n", b.String())
		b.Reset()
		(&console{w: &b}).show(s)
		require.Empty(t, b.String())
	})
	require.False(t, isTerminal(&bytes.Buffer{}))
}
