package main

// How far it is, on a terminal.

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

const barEvery = 100 * time.Millisecond

// console is where a person is told of what happens: lines, and below them on
// a terminal the bar.
type console struct {
	mu     sync.Mutex
	w      io.Writer
	bar    bool
	drawn  bool
	next   time.Time
	start  time.Time
	before int // settled at the start
}

// note prints a line.
func (c *console) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?' // a server's reply is no command to a terminal
		}
		return r
	}, fmt.Sprintf(format, args...))
	fmt.Fprintf(c.w, "bulkmail: %s\n", line)
}

// show draws the bar, a few times a second at most, and whenever it is about
// to wait.
func (c *console) show(s *sender) {
	if !c.bar {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	total, left := s.counts.total(), s.counts.left()
	if c.start.IsZero() {
		c.start, c.before = now, total-left
	}
	idle := s.busy == 0
	if now.Before(c.next) && !idle && left > 0 {
		return
	}
	c.next = now.Add(barEvery)
	c.clear()
	c.drawn = true
	io.WriteString(c.w, c.line(s, now, total, left))
}

const barWidth = 24

func (c *console) line(s *sender, now time.Time, total, left int) string {
	done := total - left
	full := barWidth
	if total > 0 {
		full = barWidth * done / total
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%s%s] %d/%d", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, total)
	for _, x := range []struct {
		n    int
		name string
	}{{s.counts[failed], "failed"}, {s.counts[doubtful], "in doubt"}, {s.counts[waiting], "again later"}} {
		if x.n > 0 {
			fmt.Fprintf(&b, ", %d %s", x.n, x.name)
		}
	}
	switch {
	case s.paused:
		b.WriteString(", paused")
	case s.busy == 0 && s.until.After(now):
		fmt.Fprintf(&b, ", goes on at %s", s.until.Local().Format(time.TimeOnly))
	case done-c.before >= 10:
		rest := now.Sub(c.start) / time.Duration(done-c.before) * time.Duration(left)
		fmt.Fprintf(&b, ", %s left", rest.Round(time.Second))
	}
	return b.String()
}

func (c *console) clear() {
	if c.drawn {
		c.drawn = false
		io.WriteString(c.w, "\r\033[K")
	}
}

func (c *console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drawn {
		c.drawn = false
		io.WriteString(c.w, "\n")
	}
}
