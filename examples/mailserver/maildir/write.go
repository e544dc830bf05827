package maildir

// How messages come: into tmp, and from there into new or cur.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// counter counts octets, and those it takes to end lines in CRLF.
type counter struct {
	size, wire int64
	cr         bool
}

func (c *counter) count(b []byte) {
	c.size += int64(len(b))
	c.wire += int64(len(b))
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if i > 0 && b[i-1] != '\r' || i == 0 && !c.cr {
			c.wire++
		}
		c.cr = false
		b = b[i+1:]
	}
	if len(b) > 0 {
		c.cr = b[len(b)-1] == '\r'
	}
}

// buffers are what messages are read and written through.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// count reads r to its end.
func count(r io.Reader) (size, wire int64, err error) {
	var c counter
	b := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(b)
	buf := b[:]
	for {
		n, err := r.Read(buf)
		c.count(buf[:n])
		if errors.Is(err, io.EOF) {
			return c.size, c.wire, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// spooled is a complete message in tmp.
type spooled struct {
	path string
	base string // of its name in new or cur
	wire int64
	date time.Time
}

// spool writes a message into the tmp of a folder and syncs it. The date may
// be zero: now.
func (s *Store) spool(ctx context.Context, dir string, r io.Reader, date time.Time) (m *spooled, err error) {
	name := uniqueName(s.host)
	path := filepath.Join(dir, "tmp", name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("maildir: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(path)
		}
	}()
	var c counter
	b := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(b)
	buf := b[:]
	for {
		n, rerr := r.Read(buf)
		c.count(buf[:n])
		if _, err := f.Write(buf[:n]); err != nil {
			return nil, fmt.Errorf("maildir: %w", err)
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return nil, rerr
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("maildir: write %s: %w", path, context.Cause(ctx))
		}
	}
	if date.IsZero() {
		date = time.Now()
	} else if err := os.Chtimes(path, date, date); err != nil {
		return nil, fmt.Errorf("maildir: set the date: %w", err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("maildir: sync %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("maildir: %w", err)
	}
	return &spooled{path, withSizes(name, c.size, c.wire), c.wire, date}, nil
}

func (s *Store) syncDir(path string) error {
	g, ok := s.groups.Load(path)
	if !ok {
		g, _ = s.groups.LoadOrStore(path, new(group))
	}
	return g.(*group).do(func() error { return syncDir(path) })
}

// AppendOptions are what a message is appended with.
type AppendOptions struct {
	Flags    Flags
	Keywords []string
	// Date is the internal date, in seconds; zero is now.
	Date time.Time
}

// Append adds a message. r is read to io.EOF; any other error of r is
// returned, and nothing is added. When Append returns nil the message is on
// disk, and so is its UID. o may be nil.
func (f *Folder) Append(ctx context.Context, r io.Reader, o *AppendOptions) (uid uint32, err error) {
	if o == nil {
		o = &AppendOptions{}
	}
	for _, k := range o.Keywords {
		if err := checkKeyword(k); err != nil {
			return 0, err
		}
	}
	if err := f.lock(); err != nil {
		return 0, err
	}
	f.b.mu.Unlock()
	sp, err := f.store.spool(ctx, f.b.path, r, o.Date)
	if err != nil {
		return 0, f.b.gone(err)
	}
	defer os.Remove(sp.path)
	dir := ""
	err = f.update(ctx, func(t *tx) error {
		mask, err := t.keywordMask(o.Keywords, true)
		if err != nil {
			return err
		}
		m := message{flags: o.Flags & allFlags, keywords: mask, date: sp.date.Unix(), size: sp.wire}
		where := found{}
		if m.flags != 0 || m.keywords != 0 {
			where = found{1, suffix(m.flags, m.keywords, "")}
		}
		odd := m.place(where)
		dir = dirNames[where.dir]
		file := f.b.join(dir, sp.base+where.info)
		if err := os.Rename(sp.path, file); err != nil {
			return fmt.Errorf("maildir: append to %q: %w", f.name, err)
		}
		t.touched[where.dir] = true
		uid = t.add(m, sp.base, odd)
		if err := t.commit(); err != nil {
			os.Remove(file)
			return err
		}
		return nil
	})
	if err != nil {
		return 0, f.b.gone(err)
	}
	if err := f.store.syncDir(f.b.join(dir)); err != nil {
		return 0, err
	}
	return uid, f.b.reveal(ctx)
}

// Deliver adds a message to INBOX. r is read to io.EOF; any other error of r
// is returned, and nothing is added. When it returns nil the message is on
// disk.
func (s *Store) Deliver(ctx context.Context, r io.Reader) error {
	sp, err := s.spool(ctx, s.root, r, time.Time{})
	if err != nil {
		return err
	}
	defer os.Remove(sp.path)
	return s.deliver(ctx, sp, func(to string) error { return os.Rename(sp.path, to) })
}

// deliver brings a message to its place in new, by put, and makes it durable.
func (s *Store) deliver(ctx context.Context, sp *spooled, put func(to string) error) error {
	done := false
	place := func() error {
		err := put(s.join("new", sp.base))
		done = err == nil
		return err
	}
	if b := s.known(""); b != nil {
		err := b.update(ctx, false, func(t *tx) error {
			if err := place(); err != nil {
				return err
			}
			t.touched[0] = true
			m := message{date: sp.date.Unix(), size: sp.wire}
			t.add(m, sp.base, "")
			return nil
		})
		s.release(b, "")
		if err != nil && ctx.Err() != nil && !done {
			return err
		}
		if err != nil && done {
			// The next look at new finds it.
			s.log("maildir: a delivery is not in the index yet", s.root, err)
		}
	}
	if !done {
		if err := place(); err != nil {
			return fmt.Errorf("maildir: deliver to %s: %w", s.root, err)
		}
		hub.notifyPath(s.root, nil)
	}
	return s.syncDir(s.join("new"))
}

// Spool is a complete message that waits to be delivered to one or more
// accounts.
type Spool struct {
	s  *Store
	sp *spooled
}

// Spool reads a message from r to io.EOF, for [Spool.Deliver]. Any other
// error of r is returned. The message is kept in the tmp of this account.
func (s *Store) Spool(ctx context.Context, r io.Reader) (*Spool, error) {
	sp, err := s.spool(ctx, s.root, r, time.Time{})
	if err != nil {
		return nil, err
	}
	return &Spool{s, sp}, nil
}

// Size is the octets of the message with CRLF line ends.
func (p *Spool) Size() int64 { return p.sp.wire }

// Deliver adds the message to the INBOX of an account: as another link to the
// same file where the file system can, which then all accounts share. When it
// returns nil the message is on disk. Deliveries to several accounts may run
// at once.
func (p *Spool) Deliver(ctx context.Context, to *Store) error {
	sp := *p.sp
	size, wire := sizesOf(p.sp.base)
	name := uniqueName(to.host)
	sp.base = withSizes(name, size, wire)
	return to.deliver(ctx, &sp, func(file string) error {
		return linkOrCopy(p.sp.path, file, to.join("tmp", name))
	})
}

// Close removes the waiting message. What was delivered stays.
func (p *Spool) Close() error {
	err := os.Remove(p.sp.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// linkOrCopy makes to have what from has, at once, and as durable as from.
func linkOrCopy(from, to, temporary string) (err error) {
	err = os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	_, err = io.Copy(dst, src)
	if err == nil {
		err = os.Chtimes(temporary, fi.ModTime(), fi.ModTime())
	}
	if err == nil {
		err = dst.Sync()
	}
	if e := dst.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary, to)
}
