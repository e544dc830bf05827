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
	total, done int64
	messages    int
	next        time.Time // when to draw again
	drawn       bool
	now         func() time.Time
}

const (
	barAfter = time.Second
	barEvery = 100 * time.Millisecond
)

func newBar(w io.Writer, total int64) *bar {
	return &bar{w: w, total: total, now: time.Now, next: time.Now().Add(barAfter)}
}

// add tells that n more octets are done.
func (b *bar) add(n int64) {
	if b == nil {
		return
	}
	b.done += n
	b.messages++
	now := b.now()
	if now.Before(b.next) {
		return
	}
	b.next = now.Add(barEvery)
	b.clear()
	b.drawn = true
	if b.total <= 0 {
		fmt.Fprintf(b.w, "%d messages, %d MB", b.messages, b.done>>20)
		return
	}
	const width = 30
	share := min(float64(b.done)/float64(b.total), 1)
	full := int(share * width)
	fmt.Fprintf(b.w, "[%s%s] %3.0f%%, %d messages", strings.Repeat("=", full), strings.Repeat(" ", width-full), 100*share, b.messages)
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
