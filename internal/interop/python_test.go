//go:build interop

package interop

// Python's smtplib, imaplib and poplib, driven by testdata/python.py, which
// checks each answer itself.

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPython(t *testing.T) {
	program(t, "python3")
	s := start(t)
	script, err := os.ReadFile("testdata/python.py")
	require.NoError(t, err)
	args := []string{"-", s.cert, password}
	for _, name := range services {
		args = append(args, s.addr[name])
	}
	out := must(t, t.TempDir(), string(script), "python3", args...)
	require.Contains(t, out, "all checks passed")
}
