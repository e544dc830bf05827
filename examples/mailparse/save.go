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
	"github.com/mailwire/mailwire/mime/tnef"
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

// save saves the attachments and inline files of a message, and the files
// that stand in its text (uuencode, yEnc) and in a winmail.dat (TNEF).
func (p *program) save(m *message) error {
	body := m.root.Body()
	for part := range body.Files() {
		name, err := p.saveFile(part.SafeFilename(), part.Decoded(m))
		if err == nil && isTNEF(part) {
			err = p.saveTNEF(name)
		}
		if err := p.saved(m, err); err != nil {
			return err
		}
	}
	for _, part := range body.Text {
		if e := encoding(part); e != "7bit" && e != "8bit" && e != "binary" || !part.ContentType().Is("text", "plain") {
			continue
		}
		text := part.Raw(m)
		for e, err := range mime.FindEmbedded(text) {
			if err == nil && (e.Kind == mime.EmbeddedUU || e.Kind == mime.EmbeddedYEnc) {
				_, err = p.saveFile(mime.SafeFilename(e.Name), e.Open(text))
			}
			if err := p.saved(m, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// saved reports what went wrong with one file, and returns it if it ends the
// run.
func (p *program) saved(m *message, err error) error {
	var stop errStop
	switch {
	case err == nil:
	case errors.As(err, &stop), p.ctx.Err() != nil:
		return err
	default:
		p.fail(fmt.Errorf("%s: %w", m.name, err))
	}
	return nil
}

func isTNEF(p *mime.Part) bool {
	t := p.ContentType()
	return t.Is("application", "ms-tnef") || t.Is("application", "vnd.ms-tnef")
}

// saveTNEF saves what is in the file that was just saved.
func (p *program) saveTNEF(name string) error {
	f, err := p.saver.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	t, err := tnef.Parse(readerAt{p, f}, st.Size(), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for todo := []*tnef.Message{t}; len(todo) > 0; todo = todo[1:] {
		for _, a := range todo[0].Attachments {
			if a.Message != nil {
				todo = append(todo, a.Message)
				continue
			}
			if _, err := p.saveFile(mime.SafeFilename(a.Filename()), a.Open()); err != nil {
				return err
			}
		}
	}
	return nil
}

// saveFile saves one file under the name, or the next that is free.
func (p *program) saveFile(name string, r io.Reader) (string, error) {
	f, name, err := p.saver.create(name)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(f, &reader{p, r})
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		p.saver.root.Remove(name) // half a file is worse than none
		return "", err
	}
	p.bar.clear()
	if err := p.write([]byte(fmt.Sprintf("%s (%s)\n", filepath.Join(p.saver.dir, name), plural(n, "octet")))); err != nil || p.bar == nil {
		return name, err
	}
	return name, p.out.Flush()
}
