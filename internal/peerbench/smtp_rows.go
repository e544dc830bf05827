package main

// The rows of SMTP servers: their rate, their CPU for a message, and what an
// idle connection has of memory. The same load comes from a process of its own,
// and what the servers say that they got has to be the same. Smtp-sink, which
// only throws away and can not say what it got, is there where it is installed.

import (
	"fmt"
	"math"
)

const loadSessions = 20

func init() {
	for _, c := range []struct {
		name                    string
		size, messages, inShort int // messages of each session
	}{
		{"1k", 1 << 10, 1000, 200},
		{"10k", 10 << 10, 500, 100},
		{"1M", 1 << 20, 20, 3},
	} {
		name := "smtp.server." + c.name
		all := func(short bool, figure func(work) float64) (contender, []contender, error) {
			messages := c.messages
			if short {
				messages = c.inShort
			}
			return serverContenders(loadSessions, messages, c.size, false, figure)
		}
		rows = append(rows,
			row{name: name, unit: "messages/s", contenders: func(short bool) (contender, []contender, error) {
				return all(short, func(w work) float64 { return float64(w.parts) / w.took.Seconds() })
			}},
			row{name: name + ".cpu", unit: "µs of CPU/message", less: true, contenders: func(short bool) (contender, []contender, error) {
				return all(short, func(w work) float64 { return float64(w.cpu.Microseconds()) / float64(w.parts) })
			}},
		)
	}
	rows = append(rows, row{name: "smtp.idle", unit: "KB/connection", less: true, contenders: func(short bool) (contender, []contender, error) {
		n := 5000
		if short {
			n = 1000
		}
		// Each sent a message before: what that took is given back, or not.
		return serverContenders(n, 1, 1<<10, true, func(w work) float64 { return float64(w.memory) / 1024 })
	}})
}

// serverContenders are servers under load. In a check they get a small one.
func serverContenders(sessions, messages, size int, idle bool, figure func(work) float64) (contender, []contender, error) {
	of := func(name string) contender {
		return contender{
			name: name,
			run: func() (tally, error) {
				w, err := load(name, 2, 2, size, false)
				if err == nil && w.parts != 4 {
					err = fmt.Errorf("%d messages of 4 arrived", w.parts)
				}
				return w.tally, err
			},
			figure: func() float64 {
				w, err := load(name, sessions, messages, size, idle)
				if err != nil || w.parts != int64(sessions*messages) {
					return math.NaN()
				}
				return figure(w)
			},
		}
	}
	peers := []contender{of("go-smtp")}
	if sinkProgram() != "" && !idle {
		sink := of("smtp-sink")
		sink.yardstick = true
		peers = append(peers, sink)
	}
	return of("ours"), peers, nil
}
