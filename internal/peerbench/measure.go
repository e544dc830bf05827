package main

// Rows, and how they are measured.

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A row is one kind of work. Files add their rows to rows in init.
type row struct {
	name, unit string
	less       bool // less is better
	// contenders makes the corpus; short asks for a tenth of it.
	contenders func(short bool) (ours contender, peers []contender, err error)
	// measure returns a contender's figure of one run; nil times the run.
	measure func(contender) float64
}

var rows []row

// A tally is what has to come out the same, for the work to be the same.
type tally struct{ parts, octets, addresses int64 }

type contender struct {
	name      string
	amount    float64 // units of work in a run
	yardstick bool    // does less than the others by intent
	run       func() (tally, error)
	figure    func() float64 // its figure of one run, where row.measure can not tell
}

func check(ours contender, peers []contender) error {
	want, err := ours.run()
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	for _, p := range peers {
		got, err := p.run()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if got != want && !p.yardstick {
			return fmt.Errorf("%s does other work: %+v, ours %+v", p.name, got, want)
		}
	}
	return nil
}

// rounds is how often each contender is measured. minRound is how long a
// measurement of time is, at least.
const (
	rounds   = 5
	minRound = 60 * time.Millisecond
)

type figure struct{ ours, peer float64 }

// measure takes ours and each peer in turns and returns the medians.
func measure(r row, ours contender, peers []contender) []figure {
	once := func(c contender) float64 {
		// Nobody's time has the garbage of another in it.
		runtime.GC()
		switch {
		case c.figure != nil:
			return c.figure()
		case r.measure != nil:
			return r.measure(c)
		}
		return perSecond(c)
	}
	var out []figure
	for _, p := range peers {
		var a, b []float64
		for range rounds {
			a = append(a, once(ours))
			b = append(b, once(p))
		}
		out = append(out, figure{median(a), median(b)})
	}
	return out
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// perSecond returns the units of work done in a second.
func perSecond(c contender) float64 {
	n := 0
	start := time.Now()
	for {
		c.run() // its error would have shown in check
		n++
		if d := time.Since(start); d >= minRound {
			return c.amount * float64(n) / d.Seconds()
		}
	}
}
