//go:build interop

package interop

// Servers whose Debian packages exclude each other: .ci/run unpacks them into
// a cache folder, and a test lays that over /usr in a namespace of its own, with
// its own /etc beside them, so that they see what they see when installed.

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// unpacked is the folder of a server's packages.
func unpacked(t *testing.T, name string) string {
	t.Helper()
	return cached(t, name, "usr")
}

// cached is a folder that .ci/run made, with what has to be in it.
func cached(t *testing.T, name, inside string) string {
	t.Helper()
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		require.NoError(t, err)
		base = filepath.Join(home, ".cache")
	}
	dir := filepath.Join(base, "mailwire", name)
	if _, err := os.Stat(filepath.Join(dir, inside)); err != nil {
		if os.Getenv("MAILWIRE_INTEROP") == "required" {
			require.FailNow(t, dir+" is not there: .ci/run makes it")
		}
		t.Skip(dir + " is not there: .ci/run makes it")
	}
	return dir
}

// startIsolated runs a shell script as the first process of a namespace in which
// /usr has the unpacked packages and /etc the files of dir/etc too, and /run is
// empty; /etc and /run can be written to. All of its processes end with the
// test. The result is what they print.
func startIsolated(t *testing.T, packages, dir, script string) *lockedBuffer {
	t.Helper()
	for _, name := range []string{"etc", "etc.upper", "etc.work"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	setup := `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t overlay overlay -o "lowerdir=$packages/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$dir/etc:/etc,upperdir=$dir/etc.upper,workdir=$dir/etc.work" /etc
mount -t tmpfs -o mode=755 tmpfs /run
ldconfig
`
	cmd := exec.Command("/bin/sh", "-c", setup+script)
	cmd.Env = append(os.Environ(), "packages="+packages, "dir="+dir, "LC_ALL=C.UTF-8")
	cmd.Dir = "/"
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Start()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("namespaces are not permitted here: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		// With its first process a namespace's others end.
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			lines := strings.Split(log.String(), "\n")
			t.Logf("the server's log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	return log
}

// withAccount is a file of /etc, passwd or group, with a line more.
func withAccount(t *testing.T, dir, file, line string) {
	t.Helper()
	data, err := os.ReadFile("/etc/" + file)
	require.NoError(t, err)
	write(t, dir, "etc/"+file, string(data)+line+"\n")
	require.NoError(t, os.Chmod(filepath.Join(dir, "etc", file), 0o644))
}
