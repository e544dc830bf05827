// The goroutine leak check.

package testkit

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of a package, from its TestMain, and fails it when
// goroutines are left at the end.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := Leaked(5 * time.Second); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines leaked:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// Leaked returns the stacks of the goroutines that are still there after the
// wait and belong neither to the runtime nor to package testing.
func Leaked(wait time.Duration) []string {
	end := time.Now().Add(wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := goroutines()
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		time.Sleep(pause)
	}
}

func goroutines() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var left []string
	for i, g := range strings.Split(strings.TrimSpace(string(buf)), "\n\n") {
		// The first is the one that asks.
		if i > 0 && !known(g) {
			left = append(left, g)
		}
	}
	return left
}

func known(stack string) bool {
	for _, s := range []string{
		"testing.(*M).", "testing.RunTests", "testing.(*T).Run(", "testing.tRunner.func1",
		"testing.runFuzz", "testing.(*F).", "internal/fuzz.", "runtime/pprof.", "runtime/trace.",
		"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM",
		"runtime.ReadTrace", "runtime.goexit0", "runtime.goexit1(",
	} {
		if strings.Contains(stack, s) {
			return true
		}
	}
	return false
}
