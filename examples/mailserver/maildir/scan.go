package maildir

// Reading the directories: what others did to the messages of a folder.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// A directory may change again without another modification time as long
	// as the clock of the file system does not tick: after a scan or a change
	// of our own it is read once more when that is over.
	tick       = 100 * time.Millisecond
	coarseTick = 2100 * time.Millisecond // where times are whole seconds
	verifyIn   = 500 * time.Millisecond
	// verifyCost bounds the share of time that goes into reading again what
	// we ourselves changed.
	verifyCost = 20
)

func window(modTime int64) time.Duration {
	if modTime%int64(time.Second) == 0 {
		return coarseTick
	}
	return tick
}

// plan decides when directories are to be read although they seem unchanged.
// The state has just been changed, or, if fresh is set, loaded. It is called
// with mu held.
func (b *box) plan(fresh bool) {
	for i := range dirNames {
		switch {
		case b.st.certain[i]:
			b.verifyAt[i] = time.Time{}
		case fresh:
			b.verifyAt[i] = time.Unix(1, 0)
		case b.verifyAt[i].IsZero():
			b.verifyAt[i] = time.Now().Add(max(verifyIn, verifyCost*b.scanCost[i]))
		}
	}
}

type found struct {
	dir  int
	info string
}

// sight is what was seen in the directories.
type sight struct {
	st    *state
	seen  []uint64      // by position: where the state has it
	moved map[int]found // by position: somewhere else
	fresh map[string]found
}

func (v *sight) has(i int) bool { return v.seen[i/64]&(1<<(i%64)) != 0 }

// read lists a directory.
func (v *sight) read(path string, dir int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			v.add(name, dir)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("maildir: read %s: %w", path, err)
		}
	}
}

func (v *sight) add(name string, dir int) {
	if name[0] == '.' {
		return
	}
	base, info := splitName(name)
	i, ok := v.st.lookup(base)
	if !ok {
		if had, ok := v.fresh[base]; base != "" && (!ok || had.dir < dir) {
			v.fresh[strings.Clone(base)] = found{dir, strings.Clone(info)}
		}
		return
	}
	m := &v.st.msgs[i]
	if int(m.bits&inCur) == dir && v.sameInfo(m, info) {
		v.seen[i/64] |= 1 << (i % 64)
		delete(v.moved, i)
	} else if !v.has(i) {
		v.moved[i] = found{dir, strings.Clone(info)}
	}
}

// sameInfo is v.st.info(m) == info without the string.
func (v *sight) sameInfo(m *message, info string) bool {
	if m.bits&oddInfo != 0 {
		return v.st.odd[m.uid] == info
	}
	if m.bits&inCur == 0 {
		return info == ""
	}
	if len(info) < 3 || info[0] != separator || info[1] != '2' || info[2] != ',' {
		return false
	}
	var buf [40]byte
	return string(appendLetters(buf[:0], m.flags, m.keywords)) == info[3:]
}

// missing reports whether a message that should be in one of dirs was not
// seen anywhere.
func (v *sight) missing(dirs [2]bool) []int {
	var gone []int
	for i := range v.st.msgs {
		if v.has(i) || !dirs[v.st.msgs[i].bits&inCur] {
			continue
		}
		if _, ok := v.moved[i]; !ok {
			gone = append(gone, i)
		}
	}
	return gone
}

// look reads the directories that changed, or all if full is set, and records
// what is new in t.
func (b *box) look(t *tx, full bool) error {
	var dirs [2]bool
	var times [2]int64
	start := time.Now()
	for i := range dirNames {
		now, err := modTime(b.join(dirNames[i]))
		if err != nil {
			return fmt.Errorf("maildir: %w", err)
		}
		times[i] = now
		verify := b.verifyAt[i]
		dirs[i] = full || now != b.st.times[i] || !verify.IsZero() && !start.Before(verify)
	}
	if dirs == [2]bool{} {
		return nil
	}
	v := &sight{st: b.st, seen: make([]uint64, (len(b.st.msgs)+63)/64), moved: make(map[int]found), fresh: make(map[string]found)}
	read := func() error {
		for i := range dirNames {
			if !dirs[i] {
				continue
			}
			begin := time.Now()
			if err := v.read(b.join(dirNames[i]), i); err != nil {
				return err
			}
			b.scanCost[i] = time.Since(begin)
		}
		return nil
	}
	asked := dirs
	if err := read(); err != nil {
		return err
	}
	// A file that is renamed while its directory is read may be missed. What
	// two readings of both directories do not have is gone.
	gone := v.missing(asked)
	whole := 0
	if dirs == [2]bool{true, true} {
		whole = 1
	}
	for len(gone) > 0 && whole < 2 {
		dirs = [2]bool{true, true}
		if err := read(); err != nil {
			return err
		}
		whole++
		gone = v.missing(asked)
	}
	for _, i := range gone {
		t.expunge(b.st.msgs[i].uid)
	}
	for i, f := range v.moved {
		t.relocate(b.st.msgs[i], f)
	}
	raced, err := b.addFresh(t, v.fresh)
	if err != nil {
		return err
	}
	for i := range dirNames {
		if !asked[i] {
			continue
		}
		now, err := modTime(b.join(dirNames[i]))
		if err != nil {
			return fmt.Errorf("maildir: %w", err)
		}
		certain := start.Sub(time.Unix(0, times[i])) > window(times[i])
		if raced || now != times[i] {
			continue // the next look sees another time
		}
		b.mu.Lock()
		b.verifyAt[i] = time.Time{}
		if !certain {
			b.verifyAt[i] = time.Now().Add(max(window(times[i]), verifyCost*b.scanCost[i]))
		}
		b.mu.Unlock()
		t.times[i], t.certain[i], t.looked[i] = times[i], certain, true
	}
	return nil
}

// relocate records that a message is at another place or has another info. m
// is a copy.
func (t *tx) relocate(m message, f found) {
	flags, keywords, _ := parseInfo(f.info)
	keywords |= m.keywords &^ namedMask
	if flags != m.flags || keywords != m.keywords {
		m.flags, m.keywords, m.modseq = flags, keywords, t.modseq()
	}
	odd := m.place(f)
	t.setFlags(m, odd)
}

// place sets the bits of a message for where it was found.
func (m *message) place(f found) (odd string) {
	m.bits = 0
	want := ""
	if f.dir == 1 {
		m.bits = inCur
		want = suffix(m.flags, m.keywords, "")
	}
	if f.info != want {
		m.bits |= oddInfo
		return f.info
	}
	return ""
}

// addFresh gives UIDs to messages, by the order of their delivery. It reports
// whether one was renamed meanwhile.
func (b *box) addFresh(t *tx, fresh map[string]found) (raced bool, err error) {
	type candidate struct {
		order order
		base  string
	}
	list := make([]candidate, 0, len(fresh))
	for base := range fresh {
		list = append(list, candidate{orderOf(base), base})
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if c := a.order.compare(b.order); c != 0 {
			return c
		}
		return strings.Compare(a.base, b.base)
	})
	for _, c := range list {
		f := fresh[c.base]
		fi, err := os.Lstat(b.join(dirNames[f.dir], c.base+f.info))
		if errors.Is(err, fs.ErrNotExist) {
			raced = true
			continue
		}
		if err != nil {
			return raced, fmt.Errorf("maildir: %w", err)
		}
		if fi.Mode()&fs.ModeSymlink != 0 {
			if fi, err = os.Stat(b.join(dirNames[f.dir], c.base+f.info)); err != nil {
				continue
			}
		}
		if !fi.Mode().IsRegular() {
			continue
		}
		m := message{date: fi.ModTime().Unix(), size: -1}
		m.flags, m.keywords, _ = parseInfo(f.info)
		if size, wire := sizesOf(c.base); size == fi.Size() && wire >= size {
			m.size = wire
		}
		odd := m.place(f)
		t.add(m, c.base, odd)
	}
	return raced, nil
}
