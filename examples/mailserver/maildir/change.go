package maildir

// Flags, expunges, copies and moves.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// isGone reports whether an error says that a file is not there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// rounds is how often something is tried that an outsider disturbs.
const rounds = 5

var errRaced = errors.New("files are renamed by another program all the time")

// move renames the file of a message to what flags and keywords demand. m is
// a copy of what is in the table.
func (t *tx) move(m *message, flags Flags, keywords uint64, modseq uint64) error {
	st := t.b.st
	dir, name := st.fileName(m)
	info := st.info(m)
	_, _, extra := parseInfo(info)
	changed := *m
	changed.flags, changed.keywords, changed.modseq = flags, keywords, modseq
	to := found{1, suffix(flags, keywords, extra)}
	odd := changed.place(to)
	target := strings.TrimSuffix(name, info) + to.info
	if dir != "cur" || name != target {
		t.touched[1] = true
		if dir == "new" {
			t.touched[0] = true
		}
		if err := os.Rename(t.b.join(dir, name), t.b.join("cur", target)); err != nil {
			return fmt.Errorf("maildir: change flags: %w", err)
		}
	}
	t.setFlags(changed, odd)
	return nil
}

// StoreOp is how flags are changed.
type StoreOp uint8

const (
	Add StoreOp = iota
	Remove
	Replace
)

// FlagChange is a change of flags.
type FlagChange struct {
	Op       StoreOp
	Flags    Flags
	Keywords []string
	// UnchangedSince, where it is not nil, leaves messages alone whose
	// mod-sequence is greater.
	UnchangedSince *uint64
}

// Store changes the flags of the messages in ranges, which ascend. modified
// are the UIDs of those that UnchangedSince left alone. A message that has
// these flags already keeps its mod-sequence. Keywords for which there is no
// room are left out.
func (f *Folder) Store(ctx context.Context, ranges []Range, c FlagChange) (modified []uint32, err error) {
	for _, k := range c.Keywords {
		if err := checkKeyword(k); err != nil {
			return nil, err
		}
	}
	var known *tx // has mask
	var mask uint64
	err = f.edit(ctx, ranges, func(t *tx, m message) error {
		if c.UnchangedSince != nil && m.modseq > *c.UnchangedSince {
			modified = append(modified, m.uid)
			return nil
		}
		if t != known {
			var err error
			if mask, err = t.keywordMask(c.Keywords, c.Op != Remove); err != nil {
				return err
			}
			known = t
		}
		flags, keywords := m.flags, m.keywords
		switch c.Op {
		case Add:
			flags, keywords = flags|c.Flags&allFlags, keywords|mask
		case Remove:
			flags, keywords = flags&^c.Flags, keywords&^mask
		case Replace:
			flags, keywords = c.Flags&allFlags, mask
		}
		if flags == m.flags && keywords == m.keywords {
			return nil
		}
		return t.move(&m, flags, keywords, t.modseq())
	})
	return modified, f.told(ctx, err)
}

// told makes the UIDs durable that a change returns.
func (f *Folder) told(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return f.b.reveal(ctx)
}

// edit calls change for the messages in ranges, in one step; change gets a
// copy. A message whose file is not where it should be is tried again after
// another look.
func (f *Folder) edit(ctx context.Context, ranges []Range, change func(*tx, message) error) error {
	for range rounds {
		var again []Range
		err := f.update(ctx, func(t *tx) error {
			for _, r := range ranges {
				for i := f.b.st.search(r.First); i < len(f.b.st.msgs) && f.b.st.msgs[i].uid <= r.Last; i++ {
					if err := context.Cause(ctx); err != nil {
						return err
					}
					uid := f.b.st.msgs[i].uid
					err := change(t, f.b.st.msgs[i])
					if isGone(err) {
						again = append(again, Range{uid, uid})
						continue
					}
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil || len(again) == 0 {
			return err
		}
		ranges = again
		if err := f.b.refresh(ctx, true); err != nil {
			return err
		}
	}
	return fmt.Errorf("maildir: folder %q: %w", f.name, errRaced)
}

// Expunge removes those messages in ranges, which ascend, that have Deleted.
func (f *Folder) Expunge(ctx context.Context, ranges ...Range) (uids []uint32, err error) {
	return f.remove(ctx, ranges, Deleted)
}

// Remove removes the messages in ranges, which ascend, whatever their flags.
func (f *Folder) Remove(ctx context.Context, ranges ...Range) (uids []uint32, err error) {
	return f.remove(ctx, ranges, 0)
}

func (f *Folder) remove(ctx context.Context, ranges []Range, with Flags) (uids []uint32, err error) {
	err = f.edit(ctx, ranges, func(t *tx, m message) error {
		if m.flags&with != with {
			return nil
		}
		dir, name := f.b.st.fileName(&m)
		if err := os.Remove(f.b.join(dir, name)); err != nil {
			return fmt.Errorf("maildir: expunge: %w", err)
		}
		t.touched[m.bits&inCur] = true
		t.expunge(m.uid)
		uids = append(uids, m.uid)
		return nil
	})
	return uids, f.told(ctx, err)
}

// Copied says what became of messages: Source[i] of the one folder is Dest[i]
// of the other. Both ascend.
type Copied struct {
	UIDValidity uint32 // of the other folder
	Source      []uint32
	Dest        []uint32
}

// incoming is a message on its way into a folder.
type incoming struct {
	from     message
	path     string // of the file
	info     string
	base     string // in the folder it comes to
	keywords []string
}

// outgoing are the messages of ranges with their files.
func (f *Folder) outgoing(ranges []Range) (list []*incoming, err error) {
	if err := f.lock(); err != nil {
		return nil, err
	}
	defer f.b.mu.Unlock()
	st := f.b.st
	for _, r := range ranges {
		for i := st.search(r.First); i < len(st.msgs) && st.msgs[i].uid <= r.Last; i++ {
			m := &st.msgs[i]
			dir, name := st.fileName(m)
			base := string(st.base(m))
			size, wire := sizesOf(base)
			in := &incoming{from: *m, path: f.b.join(dir, name), info: st.info(m), base: uniqueName(f.store.host), keywords: f.b.keywordList(m.keywords)}
			if size >= 0 && wire >= 0 {
				in.base = withSizes(in.base, size, wire)
			}
			list = append(list, in)
		}
	}
	return list, nil
}

// place is where in a folder the message comes to, and how it is recorded.
func (in *incoming) place(t *tx) (m message, where found, odd string, err error) {
	mask, err := t.keywordMask(in.keywords, true)
	if err != nil {
		return m, where, "", err
	}
	m = message{flags: in.from.flags, keywords: mask, date: in.from.date, size: in.from.size}
	if m.flags != 0 || m.keywords != 0 {
		where = found{1, suffix(m.flags, m.keywords, "")}
	}
	odd = m.place(where)
	return m, where, odd, nil
}

// Copy copies the messages in ranges, which ascend, to the end of another
// folder of the Store, or of the same: all or, with an error, none. They keep
// flags and dates. The copy is another link to the same file where the file
// system can. When it returns nil the copies are on disk.
func (f *Folder) Copy(ctx context.Context, ranges []Range, dest string) (*Copied, error) {
	to, err := f.store.Folder(ctx, dest, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	for range rounds {
		if err := f.refresh(ctx); err != nil {
			return nil, err
		}
		list, err := f.outgoing(ranges)
		if err != nil {
			return nil, err
		}
		c, err := f.copyTo(ctx, list, to)
		if !isGone(err) {
			return c, f.told(ctx, err)
		}
		if err := f.b.refresh(ctx, true); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("maildir: copy from %q: %w", f.name, errRaced)
}

func (f *Folder) copyTo(ctx context.Context, list []*incoming, to *Folder) (c *Copied, err error) {
	c = &Copied{UIDValidity: to.validity}
	// First into tmp: what can fail has failed before anything is visible.
	var waiting []string
	defer func() {
		for _, path := range waiting {
			os.Remove(path)
		}
	}()
	for _, in := range list {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		path := to.b.join("tmp", in.base)
		if err := linkOrCopy(in.path, path, path+".copy"); err != nil {
			return nil, fmt.Errorf("maildir: copy to %q: %w", to.name, err)
		}
		waiting = append(waiting, path)
	}
	var used [2]bool
	err = to.update(ctx, func(t *tx) (err error) {
		var files []string
		defer func() {
			if err != nil {
				for _, file := range files {
					os.Remove(file)
				}
				t.f, t.uids = frames{}, 0
				c.Source, c.Dest = nil, nil
			}
		}()
		for i, in := range list {
			m, where, odd, err := in.place(t)
			if err != nil {
				return err
			}
			file := to.b.join(dirNames[where.dir], in.base+where.info)
			if err := os.Rename(waiting[i], file); err != nil {
				return fmt.Errorf("maildir: copy to %q: %w", to.name, err)
			}
			t.touched[where.dir], used[where.dir] = true, true
			files = append(files, file)
			c.Source = append(c.Source, in.from.uid)
			c.Dest = append(c.Dest, t.add(m, in.base, odd))
		}
		return t.commit()
	})
	if err != nil {
		return nil, err
	}
	return c, to.settle(ctx, used)
}

// settle makes what came into the directories durable, and its UIDs.
func (f *Folder) settle(ctx context.Context, used [2]bool) error {
	for i := range dirNames {
		if used[i] {
			if err := f.store.syncDir(f.b.join(dirNames[i])); err != nil {
				return err
			}
		}
	}
	return f.b.reveal(ctx)
}

// Move moves the messages in ranges, which ascend, to the end of another
// folder of the Store, or of the same: by renaming, so that each is always in
// one of them. Deleted plays no part. An error may come after some were moved;
// the result names those.
func (f *Folder) Move(ctx context.Context, ranges []Range, dest string) (*Copied, error) {
	to, err := f.store.Folder(ctx, dest, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	c := &Copied{UIDValidity: to.validity}
	var used [2]bool
	for round := 0; ; round++ {
		again, err := f.moveTo(ctx, ranges, to, c, &used)
		if serr := to.settle(ctx, used); err == nil {
			err = serr
		}
		if err != nil || len(again) == 0 {
			return c, f.told(ctx, err)
		}
		if round == rounds {
			return c, fmt.Errorf("maildir: move from %q: %w", f.name, errRaced)
		}
		ranges = again
		if err := f.b.refresh(ctx, true); err != nil {
			return c, err
		}
	}
}

func (f *Folder) moveTo(ctx context.Context, ranges []Range, to *Folder, c *Copied, used *[2]bool) (again []Range, err error) {
	both := func(change func(source, dest *tx) error) error {
		switch {
		case f.b == to.b:
			return f.update(ctx, func(t *tx) error { return change(t, t) })
		case f.b.path < to.b.path:
			return f.update(ctx, func(s *tx) error {
				return to.update(ctx, func(d *tx) error { return change(s, d) })
			})
		}
		return to.update(ctx, func(d *tx) error {
			return f.update(ctx, func(s *tx) error { return change(s, d) })
		})
	}
	err = both(func(s, d *tx) (err error) {
		var source, dest []uint32
		defer func() {
			// UIDs that did not get into the index are nobody's.
			if cerr := d.commit(); cerr == nil {
				c.Source, c.Dest = append(c.Source, source...), append(c.Dest, dest...)
			} else if err == nil {
				err = cerr
			}
		}()
		list, err := f.outgoing(ranges)
		if err != nil {
			return err
		}
		for _, in := range list {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			m, where, odd, err := in.place(d)
			if err != nil {
				return err
			}
			err = os.Rename(in.path, to.b.join(dirNames[where.dir], in.base+where.info))
			if isGone(err) {
				again = append(again, Range{in.from.uid, in.from.uid})
				continue
			}
			if err != nil {
				return fmt.Errorf("maildir: move to %q: %w", to.name, err)
			}
			s.touched[in.from.bits&inCur] = true
			d.touched[where.dir], used[where.dir] = true, true
			s.expunge(in.from.uid)
			source = append(source, in.from.uid)
			dest = append(dest, d.add(m, in.base, odd))
		}
		return nil
	})
	return again, err
}
