package main

// Limits per hour and per day, counted in windows that slide, from what the
// journals say.

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// limiter counts what one server was given.
type limiter struct {
	perHour, perDay int         // zero for no limit
	uses            []time.Time // of the last day, ascending
}

// free is when the server may be given a message: now or later.
func (l *limiter) free(now time.Time) time.Time {
	for len(l.uses) > 0 && !l.uses[0].Add(day).After(now) {
		l.uses = l.uses[1:]
	}
	at := now
	for _, w := range []struct {
		n      int
		window time.Duration
	}{{l.perHour, hour}, {l.perDay, day}} {
		if w.n > 0 && len(l.uses) >= w.n {
			if t := l.uses[len(l.uses)-w.n].Add(w.window); t.After(at) {
				at = t
			}
		}
	}
	return at
}

// take counts a message.
func (l *limiter) take(now time.Time) {
	if n := len(l.uses); n > 0 && l.uses[n-1].After(now) {
		now = l.uses[n-1] // the clock was set back
	}
	l.uses = append(l.uses, now)
}

// giveBack takes one back that the server was not given after all.
func (l *limiter) giveBack(at time.Time) {
	for i := len(l.uses) - 1; i >= 0; i-- {
		if !l.uses[i].After(at) {
			l.uses = slices.Delete(l.uses, i, i+1)
			return
		}
	}
}

// used is how many are counted in a window.
func (l *limiter) used(now time.Time, window time.Duration) int {
	i, _ := slices.BinarySearchFunc(l.uses, now.Add(-window), func(t, from time.Time) int {
		if t.After(from) {
			return 1
		}
		return -1
	})
	return len(l.uses) - i
}

// loadUses returns, by server, what all campaigns of a state have given it
// during the last day. Times in the future, from when the clock was wrong, are
// now.
func (s *state) loadUses(now time.Time) (map[string][]time.Time, error) {
	names, err := s.campaigns()
	if err != nil {
		return nil, err
	}
	all := map[string][]time.Time{}
	for _, name := range names {
		path := filepath.Join(s.path("campaigns", name), "journal")
		// What was not written to for two days says nothing of the last one.
		if st, err := os.Stat(path); err == nil && st.ModTime().Before(now.Add(-2*day)) {
			continue
		}
		open := map[string]record{}
		_, err := readJournal(path, func(r record) error {
			switch r.What {
			case evIntent:
				open[r.To] = r
			case evVoid:
				delete(open, r.To)
			case evSent, evRetry, evFailed, evDoubt:
				if use, ok := open[r.To]; ok {
					all[use.Server] = append(all[use.Server], use.Time)
					delete(open, r.To)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, use := range open {
			all[use.Server] = append(all[use.Server], use.Time)
		}
	}
	for server, uses := range all {
		kept := uses[:0]
		for _, t := range uses {
			if t.After(now) {
				t = now
			}
			if t.Add(day).After(now) {
				kept = append(kept, t)
			}
		}
		slices.SortFunc(kept, time.Time.Compare)
		all[server] = kept
	}
	return all, nil
}
