package maildir

// Small files and directories, written so that a crash leaves the old or the
// new.

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

const (
	lockFile     = "mailwire.lock"
	keywordsFile = "mailwire-keywords"
)

// syncDir makes the names in a directory durable. Windows has no such call.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("maildir: sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("maildir: sync directory %s: %w", path, err)
	}
	return nil
}

// writeFile replaces a file in the directory dir.
func writeFile(dir, path string, content []byte) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("maildir: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
		return fmt.Errorf("maildir: write %s: %w", path, err)
	}
	return syncDir(dir)
}

// readLines reads a file of lines; one that does not exist is empty.
func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("maildir: %w", err)
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		if s.Text() != "" {
			lines = append(lines, s.Text())
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("maildir: read %s: %w", path, err)
	}
	return lines, nil
}

// readKeywords reads what writeKeywords wrote. Lines that make no sense are
// skipped: the letters then stay without a name.
func readKeywords(path string) (k [MaxKeywords]string, err error) {
	lines, err := readLines(path)
	for _, l := range lines {
		number, name, _ := strings.Cut(l, " ")
		if n, err := strconv.Atoi(number); err == nil && 0 <= n && n < named && checkKeyword(name) == nil {
			k[n] = name
		}
	}
	return k, err
}

func writeKeywords(dir, path string, k *[MaxKeywords]string) error {
	var b []byte
	for i, name := range k[:named] {
		if name != "" {
			b = fmt.Appendf(b, "%d %s\n", i, name)
		}
	}
	return writeFile(dir, path, b)
}

// group lets calls that come while one runs share the next one.
type group struct {
	mu      sync.Mutex
	running *round
	next    *round
}

type round struct {
	done chan struct{}
	err  error
}

// do runs f, or waits for one that somebody else begins after this call.
func (g *group) do(f func() error) error {
	g.mu.Lock()
	if g.running != nil {
		before, mine := g.running, g.next
		if mine != nil {
			g.mu.Unlock()
			<-mine.done
			return mine.err
		}
		mine = &round{done: make(chan struct{})}
		g.next = mine
		g.mu.Unlock()
		<-before.done
		g.mu.Lock()
		g.running, g.next = mine, nil
		g.mu.Unlock()
		return g.run(mine, f)
	}
	mine := &round{done: make(chan struct{})}
	g.running = mine
	g.mu.Unlock()
	return g.run(mine, f)
}

func (g *group) run(r *round, f func() error) error {
	r.err = f()
	g.mu.Lock()
	if g.next == nil {
		g.running = nil
	}
	g.mu.Unlock()
	close(r.done)
	return r.err
}
