package main

// Attachments saved as files.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailwire/mailwire/mime"
)

// saver writes files in one folder and nowhere else: os.Root follows no link
// and no path out of it.
type saver struct {
	dir  string
	root *os.Root
	next map[string]int // the number for the next file of a name
}

func newSaver(dir string) (*saver, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &saver{dir: dir, root: r, next: map[string]int{}}, nil
}

func (s *saver) close() { s.root.Close() }

// maxSameName is how many files of one name a folder takes.
const maxSameName = 100_000

// create makes a file that was not there, numbered if the name is taken.
func (s *saver) create(name string) (*os.File, string, error) {
	ext := filepath.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	key := strings.ToLower(name)
	for n := max(s.next[key], 1); n <= maxSameName; n++ {
		s.next[key] = n + 1
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		f, err := s.root.OpenFile(try, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return f, try, err
		}
	}
	return nil, "", fmt.Errorf("%s: too many files of this name", name)
}

// save saves the attachments and inline files of a message.
func (p *program) save(m *message) error {
	for part := range m.root.Body().Files() {
		if err := p.saveOne(m, part); err != nil {
			var stop errStop
			if errors.As(err, &stop) || p.ctx.Err() != nil {
				return err
			}
			p.fail(fmt.Errorf("%s: %w", m.name, err))
		}
	}
	return nil
}

func (p *program) saveOne(m *message, part *mime.Part) error {
	f, name, err := p.saver.create(part.SafeFilename())
	if err != nil {
		return err
	}
	n, err := io.Copy(f, part.Decoded(m))
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		p.saver.root.Remove(name) // half a file is worse than none
		return err
	}
	p.bar.clear()
	if err := p.write([]byte(fmt.Sprintf("%s (%s)\n", filepath.Join(p.saver.dir, name), plural(n, "octet")))); err != nil || p.bar == nil {
		return err
	}
	return p.out.Flush()
}
