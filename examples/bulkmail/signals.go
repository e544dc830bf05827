//go:build unix || windows

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endSignals end the program cleanly: Ctrl-C, a shutdown, and a terminal that
// is closed.
func endSignals() []os.Signal {
	// Whoever read what it says may go: that is no reason to leave a message
	// in doubt.
	signal.Ignore(syscall.SIGPIPE)
	end := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		end = append(end, syscall.SIGHUP)
	}
	return end
}
