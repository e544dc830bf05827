package main

// The progress of long work, on a terminal.

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// bar shows how much of the work is done once it takes long. A nil bar shows
// nothing.
type bar struct {
	w           io.Writer
	total, done int64 // octets
	of, n       int   // messages
	next        time.Time
	drawn       bool
	now         func() time.Time
}

const (
	barAfter = time.Second
	barEvery = 100 * time.Millisecond
)

func newBar(w io.Writer, of int, total int64, now func() time.Time) *bar {
	return &bar{w: w, of: of, total: total, now: now, next: now().Add(barAfter)}
}

// add tells that a message of so many octets is done.
func (b *bar) add(octets int64) {
	if b == nil {
		return
	}
	b.done += octets
	b.n++
	now := b.now()
	if now.Before(b.next) {
		return
	}
	b.next = now.Add(barEvery)
	b.clear()
	b.drawn = true
	const width = 30
	share := min(float64(b.done)/float64(max(b.total, 1)), 1)
	full := int(share * width)
	fmt.Fprintf(b.w, "[%s%s] %3.0f%%, %d of %d messages", strings.Repeat("=", full), strings.Repeat(" ", width-full), 100*share, b.n, b.of)
}

// clear takes the bar away before something else is printed.
func (b *bar) clear() {
	if b == nil || !b.drawn {
		return
	}
	b.drawn = false
	fmt.Fprint(b.w, "\r\033[K")
}

func (b *bar) end() { b.clear() }
