package main

// Where messages come from: files, standard input, and mbox files.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/mbox"
)

// program is one run.
type program struct {
	ctx    context.Context
	config *config
	stdin  io.Reader
	out    *bufio.Writer
	stderr io.Writer
	bar    *bar // nil for none
	saver  *saver
	shown  int
	failed bool // a message was reported that could not be read or saved
}

// message is one message and the tree of it. Its octets are in memory or in a
// file.
type message struct {
	name string
	io.ReaderAt
	size int64
	root *mime.Part
}

// errStop ends the run: the output is gone, or the user wants no more.
type errStop struct{ error }

func (e errStop) Unwrap() error { return e.error }

// fail reports what concerns one file alone.
func (p *program) fail(err error) {
	p.bar.clear()
	fmt.Fprintf(p.stderr, "mailparse: %s\n", clean(err.Error())) // names of files may be a sender's
	p.failed = true
}

// total is the size of the files together, in octets; 0 if it is not known.
func (p *program) total() int64 {
	n := int64(0)
	for _, f := range p.config.files {
		st, err := os.Stat(f)
		if err != nil || !st.Mode().IsRegular() {
			return 0
		}
		n += st.Size()
	}
	return n
}

func (p *program) all() error {
	if p.config.extract != "" {
		s, err := newSaver(p.config.extract)
		if err != nil {
			return err
		}
		defer s.close()
		p.saver = s
	}
	for _, name := range p.config.files {
		if err := p.file(name); err != nil {
			var stop errStop
			if errors.As(err, &stop) || p.ctx.Err() != nil {
				return err
			}
			p.fail(err)
		}
	}
	return nil
}

// file shows the message or messages of a file.
func (p *program) file(name string) error {
	r := io.Reader(nil)
	if name == "-" {
		in, w := io.Pipe()
		defer in.Close()
		// A Read that waits for a terminal knows of no context: it is left to itself.
		go func() {
			_, err := io.Copy(w, p.stdin)
			w.CloseWithError(err)
		}()
		defer context.AfterFunc(p.ctx, func() { in.CloseWithError(p.ctx.Err()) })()
		r = in
	} else {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if st.IsDir() {
			return fmt.Errorf("%s: is a folder; give the files in it", name)
		}
		if st.Mode().IsRegular() && !p.config.mbox {
			return p.message(name, f, st.Size())
		}
		r = f
		if st.Mode().IsRegular() { // with an io.ReaderAt the mbox reader can look ahead
			return p.mbox(name, f)
		}
	}
	if p.config.mbox {
		return p.mbox(name, r)
	}
	return p.stream(name, &reader{p, r})
}

func (p *program) mbox(name string, r io.Reader) error {
	n := 0
	for m, err := range mbox.NewReader(r, nil).Messages() {
		if err != nil {
			p.fail(fmt.Errorf("%s: %w", name, err))
			continue
		}
		n++
		if err := p.stream(fmt.Sprintf("%s#%d", name, n), &reader{p, m}); err != nil {
			var stop errStop
			if errors.As(err, &stop) || p.ctx.Err() != nil {
				return err
			}
			p.fail(err)
		}
	}
	return nil
}

// memory is how much of a message that comes as a stream is kept in memory;
// the rest goes to a temporary file.
const memory = 8 << 20

// stream shows a message that cannot be read twice.
func (p *program) stream(name string, r io.Reader) error {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, memory))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n < memory {
		return p.message(name, bytes.NewReader(b.Bytes()), n)
	}
	f, err := os.CreateTemp("", "mailparse-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err = io.Copy(f, io.MultiReader(&b, r))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.message(name, f, n)
}

// message shows one message.
func (p *program) message(name string, r io.ReaderAt, size int64) error {
	r = readerAt{p, r}
	root, err := mime.Parse(r, size, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m := &message{name, r, size, root}
	switch {
	case p.config.json:
		err = p.printJSON(m)
	case p.config.text:
		err = p.printText(m)
	case p.saver != nil:
		err = p.save(m)
	default:
		err = p.printTree(m)
	}
	p.shown++
	p.bar.add(size)
	return err
}

// reader and readerAt end with the user's patience, not with the file.
type reader struct {
	p *program
	r io.Reader
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.p.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

type readerAt struct {
	p *program
	r io.ReaderAt
}

func (r readerAt) ReadAt(b []byte, off int64) (int, error) {
	if err := r.p.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(b, off)
}

// write writes to the standard output, the loss of which ends the run.
func (p *program) write(b []byte) error {
	if err := p.ctx.Err(); err != nil {
		return errStop{err}
	}
	if _, err := p.out.Write(b); err != nil {
		return errStop{err}
	}
	return nil
}
