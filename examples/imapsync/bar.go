package main

// The progress, on a terminal.

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

// bar shows how much is done. A nil bar shows nothing.
type bar struct {
	w           io.Writer
	total, done int
	octets      int64
	folder      string
	next        time.Time // when to draw again
	drawn       bool
}

const barEvery = 100 * time.Millisecond

func newBar(w io.Writer) *bar { return &bar{w: w} }

// add tells that n messages are done, in which octets were copied.
func (b *bar) add(n int, octets int64) {
	if b == nil {
		return
	}
	b.done += n
	b.octets += octets
	now := time.Now()
	if now.Before(b.next) {
		return
	}
	b.next = now.Add(barEvery)
	const width = 24
	full := width
	if b.total > 0 {
		full = min(b.done, b.total) * width / b.total
	}
	b.clear()
	b.drawn = true
	fmt.Fprintf(b.w, "[%s%s] %d of %d, %d MB, %.40s", strings.Repeat("=", full), strings.Repeat(" ", width-full),
		b.done, b.total, b.octets>>20, b.folder)
}

// clear takes the bar away before something else is printed.
func (b *bar) clear() {
	if b == nil || !b.drawn {
		return
	}
	b.drawn = false
	fmt.Fprint(b.w, "\r\033[K")
}
