package maildir

// The octets of a message.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
)

// Content is a message with lines that end in CRLF. It stays readable until it
// is closed, also when the message is expunged. It is safe for concurrent use.
type Content struct {
	file *os.File
	size int64
	text []byte // of a short message that had to be converted
	long *converter
}

// Size is the number of octets.
func (c *Content) Size() int64 { return c.size }

// ReadAt implements [io.ReaderAt].
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("maildir: read at %d", off)
	case c.long != nil:
		return c.long.ReadAt(p, off)
	case c.file == nil:
		if off >= int64(len(c.text)) {
			return 0, io.EOF
		}
		n := copy(p, c.text[off:])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	}
	return c.file.ReadAt(p, off)
}

// Close releases the message.
func (c *Content) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// open opens the file of a message.
func (f *Folder) open(ctx context.Context, uid uint32) (*os.File, message, error) {
	for round := 0; ; round++ {
		if err := f.lock(); err != nil {
			return nil, message{}, err
		}
		i, ok := f.b.st.find(uid)
		if !ok {
			f.b.mu.Unlock()
			return nil, message{}, fmt.Errorf("maildir: message %d of %q: %w", uid, f.name, ErrExpunged)
		}
		m := f.b.st.msgs[i]
		dir, name := f.b.st.fileName(&m)
		f.b.mu.Unlock()
		file, err := os.Open(f.b.join(dir, name))
		if err == nil {
			return file, m, nil
		}
		if !isGone(err) || round == rounds {
			return nil, m, fmt.Errorf("maildir: message %d of %q: %w", uid, f.name, err)
		}
		if err := f.b.refresh(ctx, true); err != nil {
			return nil, m, err
		}
	}
}

// Content opens a message. The error wraps ErrExpunged where it is gone.
func (f *Folder) Content(ctx context.Context, uid uint32) (*Content, error) {
	file, m, err := f.open(ctx, uid)
	if err != nil {
		return nil, err
	}
	c, err := newContent(file, m.size)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("maildir: message %d of %q: %w", uid, f.name, err)
	}
	if c.size != m.size {
		err := f.update(ctx, func(t *tx) error {
			if _, ok := f.b.st.find(uid); ok {
				t.f.add(appendOp(t.f.op(), opSize, uint64(uid), uint64(c.size)))
			}
			return nil
		})
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// newContent takes over a file. size is what is believed to be the size with
// CRLF line ends, or -1. One that is the size of the file says that there is
// nothing to convert.
func newContent(file *os.File, size int64) (*Content, error) {
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size() == size {
		return &Content{file: file, size: size}, nil
	}
	if fi.Size() <= convertStep {
		raw, err := io.ReadAll(io.NewSectionReader(file, 0, fi.Size()))
		if err != nil {
			return nil, err
		}
		text := toCRLF(make([]byte, 0, len(raw)+bytes.Count(raw, []byte("\n"))), raw, new(bool))
		file.Close()
		return &Content{text: text, size: int64(len(text))}, nil
	}
	v, err := newConverter(file)
	if err != nil {
		return nil, err
	}
	if v.size == fi.Size() {
		return &Content{file: file, size: v.size}, nil
	}
	return &Content{file: file, size: v.size, long: v}, nil
}

// toCRLF appends b with bare LFs as CRLF. cr is whether a CR came before b,
// and then whether b ends in one.
func toCRLF(dst, b []byte, cr *bool) []byte {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			*cr = b[len(b)-1] == '\r'
			return append(dst, b...)
		}
		after := *cr
		if i > 0 {
			after = b[i-1] == '\r'
		}
		dst = append(dst, b[:i]...)
		if !after {
			dst = append(dst, '\r')
		}
		dst = append(dst, '\n')
		*cr = false
		b = b[i+1:]
	}
	return dst
}

const convertStep = 64 << 10

// converter shows a file with bare LFs as one with CRLFs. It knows where each
// 64 KiB of the file begin in what it shows.
type converter struct {
	file   io.ReaderAt
	raw    int64
	size   int64
	starts []int64 // of steps of the file
	cr     []bool  // whether the octet before is a CR

	mu   sync.Mutex
	step int // that text is of, -1 for none
	text []byte
	buf  []byte
}

func newConverter(file *os.File) (*converter, error) {
	v := &converter{file: file, step: -1, buf: make([]byte, convertStep)}
	var c counter
	for {
		n, err := file.ReadAt(v.buf, c.size)
		if n > 0 {
			v.starts = append(v.starts, c.wire)
			v.cr = append(v.cr, c.cr)
			c.count(v.buf[:n])
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	v.raw, v.size = c.size, c.wire
	return v, nil
}

// ReadAt implements [io.ReaderAt].
func (v *converter) ReadAt(p []byte, off int64) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n < len(p) {
		if off >= v.size {
			return n, io.EOF
		}
		step := sort.Search(len(v.starts), func(i int) bool { return v.starts[i] > off }) - 1
		if step != v.step {
			if err := v.load(step); err != nil {
				return n, err
			}
		}
		k := copy(p[n:], v.text[off-v.starts[step]:])
		if k == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n += k
		off += int64(k)
	}
	return n, nil
}

func (v *converter) load(step int) error {
	at := int64(step) * convertStep
	b := v.buf[:min(convertStep, v.raw-at)]
	v.step = -1
	if n, err := v.file.ReadAt(b, at); n < len(b) {
		return err
	}
	cr := v.cr[step]
	v.text = toCRLF(v.text[:0], b, &cr)
	v.step = step
	return nil
}
