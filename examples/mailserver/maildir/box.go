package maildir

// A folder as this process knows it: the state that its index and directories
// had, and how that is brought up to date and changed.

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// box is shared by all handles that a Store has on a folder.
type box struct {
	store *Store
	name  string
	path  string
	refs  int // of store.mu

	// sem is held by who changes the folder, together with the lock file. What
	// mu guards is written by its holder alone, who so may read it without mu.
	sem chan struct{}

	mu       sync.Mutex
	st       *state   // nil before the first load
	file     *os.File // the index
	end      int64    // octets of file that are in st
	snapshot int64    // octets of file up to the end of its snapshot
	durable  uint32   // UIDs below are on disk
	verifyAt [2]time.Time
	scanCost [2]time.Duration
	closed   bool
	views    map[uint64][]string // keyword lists by mask

	wake    chan struct{} // closed when something happened
	waiters int
	poller  context.Context
	stop    context.CancelFunc // ends the poller
	poke    chan struct{}      // of another box on the same folder
	failed  error              // of the poller
	syncLog group
}

var dirNames = [2]string{"new", "cur"}

func newBox(s *Store, name, path string) *box {
	b := &box{store: s, name: name, path: path, sem: make(chan struct{}, 1), wake: make(chan struct{}), poke: make(chan struct{}, 1)}
	hub.add(b)
	return b
}

// close forgets everything. No handle may be left.
func (b *box) close() {
	hub.remove(b)
	b.sem <- struct{}{}
	defer func() { <-b.sem }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.forget()
}

func (b *box) forget() {
	if b.file != nil {
		b.file.Close()
	}
	b.file, b.st, b.end = nil, nil, 0
	b.views = nil
}

// loaded reports whether the state can be used. mu is held.
func (b *box) loaded() bool { return b.st != nil && b.file != nil }

func (b *box) join(elem ...string) string {
	return filepath.Join(append([]string{b.path}, elem...)...)
}

// gone turns the error of a missing directory into ErrNoFolder.
func (b *box) gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(b.join("cur")); errors.Is(e, fs.ErrNotExist) {
			return fmt.Errorf("maildir: folder %q in %s: %w", b.name, b.path, ErrNoFolder)
		}
	}
	return err
}

func modTime(path string) (int64, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return fi.ModTime().UnixNano(), nil
}

// current reports whether nothing happened to the folder since it was read.
func (b *box) current() bool {
	b.mu.Lock()
	if !b.loaded() {
		b.mu.Unlock()
		return false
	}
	file, end, times, verify := b.file, b.end, b.st.times, b.verifyAt
	b.mu.Unlock()
	for i := range dirNames {
		if !verify[i].IsZero() && !time.Now().Before(verify[i]) {
			return false
		}
		if t, err := modTime(b.join(dirNames[i])); err != nil || t != times[i] {
			return false
		}
	}
	fi, err := os.Stat(b.join(indexFile))
	if err != nil || fi.Size() != end {
		return false
	}
	have, err := file.Stat()
	return err == nil && os.SameFile(fi, have)
}

// refresh brings the state up to date, from the directories even if they seem
// unchanged where full is set, and makes its UIDs durable.
func (b *box) refresh(ctx context.Context, full bool) error {
	if full || !b.current() {
		if err := b.update(ctx, full, nil); err != nil {
			return err
		}
	}
	return b.reveal(ctx)
}

// reveal makes the UIDs of the state durable, so that they can be told.
func (b *box) reveal(ctx context.Context) error {
	for {
		b.mu.Lock()
		if !b.loaded() {
			b.mu.Unlock()
			return b.refresh(ctx, false)
		}
		ok := b.durable >= b.st.uidNext
		b.mu.Unlock()
		if ok {
			return nil
		}
		if err := b.syncLog.do(b.makeDurable); err != nil {
			return fmt.Errorf("maildir: sync %s: %w", b.join(indexFile), err)
		}
	}
}

func (b *box) makeDurable() error {
	b.mu.Lock()
	if !b.loaded() {
		b.mu.Unlock()
		return nil
	}
	file, next, validity := b.file, b.st.uidNext, b.st.uidValidity
	b.mu.Unlock()
	err := file.Sync()
	if err == nil {
		_, err = file.WriteAt(durableField(validity, next), durableAt)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != file {
		return nil // replaced meanwhile by one that was synced
	}
	if err == nil {
		b.durable = max(b.durable, next)
	}
	return err
}

// update takes the lock, brings the state up to date, and calls change, which
// may be nil.
func (b *box) update(ctx context.Context, full bool, change func(*tx) error) error {
	select {
	case b.sem <- struct{}{}:
		defer func() { <-b.sem }()
	default:
		select {
		case b.sem <- struct{}{}:
			defer func() { <-b.sem }()
		case <-ctx.Done():
			return fmt.Errorf("maildir: folder %q: %w", b.name, context.Cause(ctx))
		}
	}
	l, err := lock(ctx, b.join(lockFile))
	if err != nil {
		return b.gone(err)
	}
	defer l.unlock()
	return b.updateLocked(ctx, full, change)
}

func (b *box) updateLocked(ctx context.Context, full bool, change func(*tx) error) error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return fmt.Errorf("maildir: folder %q: %w", b.name, ErrClosed)
	}
	before := b.mark()
	defer func() {
		if b.mark() != before {
			b.wakeAll()
			hub.notify(b)
		}
	}()
	if err := b.catchUp(ctx); err != nil {
		return b.gone(err)
	}
	t := &tx{b: b, ctx: ctx}
	if err := b.look(t, full); err != nil {
		return b.gone(err)
	}
	if err := t.commit(); err != nil {
		return err
	}
	if change == nil {
		return nil
	}
	t = &tx{b: b, ctx: ctx}
	err := change(t)
	if cerr := t.commit(); err == nil {
		err = cerr
	}
	return err
}

type mark struct {
	validity uint32
	highest  uint64
}

func (b *box) mark() mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.st == nil {
		return mark{}
	}
	return mark{b.st.uidValidity, b.st.highest}
}

// catchUp reads what other processes wrote to the index.
func (b *box) catchUp(ctx context.Context) error {
	path := b.join(indexFile)
	fi, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("maildir: index: %w", err)
	}
	if b.st != nil && err == nil && fi.Size() >= b.end {
		if have, err := b.file.Stat(); err == nil && os.SameFile(have, fi) {
			if fi.Size() == b.end {
				return nil
			}
			if b.readTail(fi.Size()) == nil {
				return nil
			}
		}
	}
	b.mu.Lock()
	b.forget()
	b.mu.Unlock()
	if err == nil {
		err = b.load(path)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errDamaged) {
			return fmt.Errorf("maildir: index %s: %w", path, err)
		}
		b.store.log("maildir: the index is made again", path, err)
	}
	return b.rebuild(ctx)
}

func (b *box) readTail(size int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, _, err := b.st.replay(bufio.NewReaderSize(io.NewSectionReader(b.file, b.end, size-b.end), 64<<10), size-b.end)
	b.end += n
	b.views = nil
	if errors.Is(err, errTorn) {
		if err = b.file.Truncate(b.end); err == nil {
			b.st.certain = [2]bool{}
		}
	}
	if err != nil {
		return err
	}
	var field [8]byte
	if _, err := b.file.ReadAt(field[:], durableAt); err != nil {
		return err
	}
	durable, ok := readDurable(field[:], b.st.uidValidity)
	if !ok || durable > b.st.uidNext {
		return errDamaged
	}
	b.durable = max(b.durable, durable)
	b.plan(false)
	return nil
}

// load reads the index. The error wraps errDamaged where it has to be made
// again.
func (b *box) load(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	st, end, snapshot, durable, err := readIndex(f)
	if err != nil {
		f.Close()
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.st, b.file, b.end, b.snapshot, b.durable = st, f, end, snapshot, durable
	b.plan(true)
	b.store.cleanTmp(b.path)
	return nil
}

func readIndex(f *os.File) (st *state, end, snapshot int64, durable uint32, err error) {
	fail := func(err error) (*state, int64, int64, uint32, error) { return nil, 0, 0, 0, err }
	fi, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	r := bufio.NewReaderSize(f, 256<<10)
	var head [headerSize]byte
	if fi.Size() < headerSize {
		return fail(fmt.Errorf("%w: %d octets, the header alone has %d", errDamaged, fi.Size(), headerSize))
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fail(err)
	}
	validity, durable, err := parseHeader(head[:])
	if err != nil {
		return fail(err)
	}
	st = newState(validity)
	st.room = fi.Size()
	n, snapshot, err := st.replay(r, fi.Size()-headerSize)
	end = headerSize + n
	if err != nil && !errors.Is(err, errTorn) {
		return fail(err)
	}
	if !st.complete {
		return fail(fmt.Errorf("%w: the snapshot ends at octet %d", errDamaged, end))
	}
	if st.uidNext < durable {
		return fail(fmt.Errorf("%w: ends at octet %d with UID %d to come, but UIDs below %d were given out", errDamaged, end, st.uidNext, durable))
	}
	if st.uidNext >= maxUIDNext-1<<16 {
		return fail(fmt.Errorf("%w: UIDs are used up", errDamaged))
	}
	if err != nil {
		if err := f.Truncate(end); err != nil {
			return fail(err)
		}
		st.certain = [2]bool{}
	}
	return st, end, headerSize + snapshot, durable, nil
}

// rebuild makes a new index from the directories.
func (b *box) rebuild(ctx context.Context) error {
	for _, d := range []string{"tmp", "new", "cur"} {
		if _, err := os.Stat(b.path); err != nil {
			return err
		}
		if err := os.Mkdir(b.join(d), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("maildir: %w", err)
		}
	}
	b.store.cleanTmp(b.path)
	validity, err := b.store.nextUIDValidity(ctx)
	if err != nil {
		return err
	}
	st := newState(validity)
	st.complete = true
	st.highest = uint64(time.Now().UnixMicro())
	st.ringFloor = st.highest
	if st.keywords, err = readKeywords(b.join(keywordsFile)); err != nil {
		return err
	}
	b.mu.Lock()
	b.st = st
	b.mu.Unlock()
	t := &tx{b: b, ctx: ctx, unwritten: true}
	err = b.look(t, true)
	if err == nil {
		err = t.commit()
	}
	if err == nil {
		b.mu.Lock()
		st.firstRecent = st.uidNext
		for i := len(st.msgs) - 1; i >= 0 && st.msgs[i].bits&inCur == 0; i-- {
			st.firstRecent = st.msgs[i].uid
		}
		b.mu.Unlock()
		err = b.compact()
	}
	if err != nil {
		b.mu.Lock()
		b.forget()
		b.mu.Unlock()
	}
	return err
}

// compact replaces the index by a snapshot.
func (b *box) compact() (err error) {
	path, temporary := b.join(indexFile), b.join(indexFile+".tmp")
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("maildir: write the index: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temporary)
			err = fmt.Errorf("maildir: write the index %s: %w", path, err)
		}
	}()
	var generation [4]byte
	rand.Read(generation[:])
	if _, err = f.Write(makeHeader(b.st.uidValidity, binary.BigEndian.Uint32(generation[:]), b.st.uidNext)); err != nil {
		return err
	}
	n, err := b.st.writeSnapshot(f)
	if err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if runtime.GOOS == "windows" {
		// Files that are open cannot be renamed or replaced there.
		f.Close()
		if b.file != nil {
			b.file.Close()
			b.file = nil
		}
		if err = os.Rename(temporary, path); err == nil {
			f, err = os.OpenFile(path, os.O_RDWR, 0)
		}
	} else {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return err
	}
	if b.file != nil {
		b.file.Close()
	}
	b.file, b.end, b.snapshot, b.durable = f, headerSize+n, headerSize+n, b.st.uidNext
	if err := syncDir(b.path); err != nil {
		b.durable = 0
		b.store.log("maildir: the index may be lost with power", path, err)
	}
	return nil
}

// tx is a change of a folder by the holder of its lock.
type tx struct {
	b         *box
	ctx       context.Context
	f         frames
	touched   [2]bool // directories this change renames in
	looked    [2]bool // directories this change has read: when, and whether certain
	times     [2]int64
	certain   [2]bool
	unwritten bool   // the index is written by compact
	uids      uint32 // UIDs given out and not committed
	seq       uint64
	full      bool  // there is no room for another keyword
	err       error // of a write: what was to be written is lost
}

// modseq is the mod-sequence of everything in the change.
func (t *tx) modseq() uint64 {
	if t.seq == 0 {
		t.seq = max(t.b.st.highest+1, uint64(time.Now().UnixMicro()))
	}
	return t.seq
}

// add gives a message the next UID. Its file is where m.bits says, or is on
// the way there.
func (t *tx) add(m message, base, odd string) uint32 {
	m.uid = t.b.st.uidNext + t.uids
	t.uids++
	m.modseq = t.modseq()
	t.f.add(appendAdd(t.f.op(), &m, base, odd))
	return m.uid
}

func (t *tx) expunge(uid uint32) {
	t.f.add(appendOp(t.f.op(), opExpunge, uint64(uid), t.modseq()))
}

// setFlags tells that a message has flags, a place and an info. m is a copy
// of what is in the table.
func (t *tx) setFlags(m message, odd string) {
	t.f.add(appendFlags(t.f.op(), &m, odd))
}

// commit writes the change, and what it did to the directories.
func (t *tx) commit() error {
	b := t.b
	times, certain := b.st.times, b.st.certain
	for i := range dirNames {
		if t.looked[i] {
			times[i], certain[i] = t.times[i], t.certain[i]
		}
		if t.touched[i] {
			if now, err := modTime(b.join(dirNames[i])); err == nil {
				times[i], certain[i] = now, false
			}
		}
	}
	if times != b.st.times || certain != b.st.certain {
		t.f.add(appendSync(t.f.op(), times, certain))
	}
	t.touched, t.looked = [2]bool{}, [2]bool{}
	return t.write()
}

// write puts the operations into the index and does them.
func (t *tx) write() error {
	b := t.b
	t.f.seal()
	data := t.f.sealed
	t.f.sealed, t.uids, t.seq = nil, 0, 0
	if len(data) == 0 || t.err != nil {
		return t.err
	}
	if !t.unwritten {
		if _, err := b.file.WriteAt(data, b.end); err != nil {
			b.file.Truncate(b.end)
			t.err = fmt.Errorf("maildir: write the index: %w", err)
			return t.err
		}
	}
	b.mu.Lock()
	if !t.unwritten {
		b.end += int64(len(data))
	}
	_, _, err := b.st.replay(strings.NewReader(string(data)), int64(len(data)))
	b.views = nil
	b.plan(false)
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("maildir: index of %s: own operations: %w", b.path, err)
	}
	if !t.unwritten && b.end > 64<<10+2*b.snapshot {
		if err := b.compact(); err != nil {
			b.store.log("maildir: the index stays long", b.path, err)
		}
	}
	return nil
}

// keywordMask is the mask of keywords. Where create is set those that are new
// get a place as long as there is one.
func (t *tx) keywordMask(keywords []string, create bool) (mask uint64, err error) {
	b := t.b
	names := b.st.keywords
	var made uint64
	for _, k := range keywords {
		slot := slices.IndexFunc(names[:], func(h string) bool { return strings.EqualFold(h, k) })
		if slot < 0 {
			if !create || t.full {
				continue
			}
			free := b.st.freeKeywords(&names) &^ mask
			if free == 0 {
				t.full = true
				continue
			}
			slot = bits.TrailingZeros64(free)
			names[slot] = k
			made |= 1 << slot
		}
		mask |= 1 << slot
	}
	if made == 0 {
		return mask, nil
	}
	if made&namedMask != 0 {
		if err := writeKeywords(b.path, b.join(keywordsFile), &names); err != nil {
			return 0, err
		}
	}
	for m := made; m != 0; m &= m - 1 {
		slot := bits.TrailingZeros64(m)
		t.f.add(appendKeyword(t.f.op(), slot, names[slot]))
	}
	return mask, t.write()
}

// freeKeywords are the places whose keyword no message has: of those that
// have none in names, or else of all.
func (s *state) freeKeywords(names *[MaxKeywords]string) uint64 {
	var used, unnamed uint64
	for i := range s.msgs {
		used |= s.msgs[i].keywords
	}
	for i, k := range names {
		if k == "" {
			unnamed |= 1 << i
		}
	}
	if free := unnamed &^ used; free != 0 {
		return free
	}
	return ^used
}
