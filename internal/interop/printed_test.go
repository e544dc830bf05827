//go:build interop

package interop

// The commands that the server prints, pasted into a shell as they are.

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// printed is what the server printed when it was ready, with no -user: the
// line below each heading.
func printed(t *testing.T, out string) map[string]string {
	t.Helper()
	commands := map[string]string{}
	for _, line := range strings.Split(out, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			name, _, _ := strings.Cut(line, " ")
			switch name {
			case "swaks", "curl", "mutt":
				require.NotContains(t, commands, name, "printed twice")
				commands[name] = line
			}
		}
	}
	return commands
}

func TestPrintedCommands(t *testing.T) {
	for _, p := range []string{"swaks", "curl", "mutt", "script"} {
		program(t, p)
	}
	home := t.TempDir()
	args := []string{"-dir", filepath.Join(home, "my mail")}
	for _, s := range services {
		args = append(args, "-"+s, "127.0.0.1:0")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = home
	var log lockedBuffer
	cmd.Stderr = &log
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = w
	require.NoError(t, cmd.Start())
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		require.NoError(t, cmd.Wait(), log.String())
		r.Close()
	})
	var out strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "Ctrl-C") {
		n, err := r.Read(buf)
		require.NoError(t, err, log.String())
		out.Write(buf[:n])
	}
	require.Regexp(t, `(?m)^ready`, out.String())
	commands := printed(t, out.String())
	require.Len(t, commands, 3, out.String())

	require.Contains(t, must(t, home, "", "sh", "-c", commands["swaks"]), "250 2.0.0 stored")
	require.Contains(t, must(t, home, "", "sh", "-c", commands["curl"]), "This is a test mailing")
	// The same as typed by a person, who opens the message, and quits.
	mutt := strings.Replace(commands["mutt"], "mutt ", `mutt -e 'set quit=yes mail_check=60 sleep_time=0' -e 'push "<display-message><exit><flag-message><sync-mailbox><quit>"' `, 1)
	must(t, home, "", "script", "-qefc", mutt, "/dev/null")
	files, err := filepath.Glob(filepath.Join(home, "my mail", "mail", "demo", "Maildir", "cur", "*:2,FS"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	// And sends one.
	must(t, home, "Hello.\n", "sh", "-c", commands["mutt"]+" -s 'from mutt' demo@example.test")
	files, err = filepath.Glob(filepath.Join(home, "my mail", "mail", "demo", "Maildir", "new", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Contains(t, string(data), "Subject: from mutt\r\n")
}
