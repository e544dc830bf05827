package maildir

// The folders of an account.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	// ErrNoFolder is wrapped where there is no folder of a name, and where
	// one that was open is gone.
	ErrNoFolder = errors.New("no such folder")
	// ErrExists is wrapped where there is a folder of that name.
	ErrExists = errors.New("the folder exists")
	// ErrHasChildren is wrapped where a name is deleted that is no folder and
	// has children: RFC 3501 section 6.3.4.
	ErrHasChildren = errors.New("not a folder, and has children")
	// ErrInUse is wrapped where another session has the POP3 lock.
	ErrInUse = errors.New("the account is in use by another session")
	// ErrClosed is wrapped where a Store or Folder has been closed.
	ErrClosed = errors.New("closed")
)

const (
	accountLock       = "mailwire-account.lock"
	pop3Lock          = "mailwire-pop3.lock"
	validityFile      = "mailwire-uidvalidity"
	subscriptionsFile = "mailwire-subscriptions"

	tmpAge = 36 * time.Hour
)

// Options for [Open]. The zero value has the defaults.
type Options struct {
	// Host is the last part of the names of new messages; the default is
	// os.Hostname.
	Host string
	// Poll is how often a folder in which somebody waits is looked at for
	// changes by others; the default is half a second.
	Poll time.Duration
	// Idle is the number of folders whose state stays in memory when no
	// handle is open (about 120 octets a message); the default is 4, negative
	// is none.
	Idle int
	// Logger is told of what was repaired. The default is slog.Default.
	Logger *slog.Logger
}

// Store is the mail of one account. Its methods are safe for concurrent use.
// One Store for all sessions of the account saves memory; several, in one
// process or more, work as well.
type Store struct {
	root   string
	host   string
	poll   time.Duration
	idle   int
	logger *slog.Logger

	mu     sync.Mutex
	boxes  map[string]*box
	unused []*box // without handles, the oldest first
	closed bool

	groups sync.Map // of *group, by directory
}

// Open opens the account whose mail is in the directory root, and makes it if
// there is none. o may be nil.
func Open(root string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("maildir: open %s: %w", root, err)
	}
	s := &Store{root: root, host: o.Host, poll: o.Poll, idle: o.Idle, logger: o.Logger, boxes: make(map[string]*box)}
	if s.host == "" {
		s.host, _ = os.Hostname()
	}
	s.host = cleanHost(s.host)
	if s.poll <= 0 {
		s.poll = 500 * time.Millisecond
	}
	if s.idle == 0 {
		s.idle = 4
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	for _, d := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
			return nil, fmt.Errorf("maildir: open %s: %w", root, err)
		}
	}
	// A real path makes the Stores on one tree know each other.
	if real, err := filepath.EvalSymlinks(root); err == nil {
		s.root = real
	}
	s.cleanTmp(s.root)
	s.cleanRoot()
	return s, nil
}

// Close forgets what is in memory. Folders that are open must not be used any
// more.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, b := range s.boxes {
		b.close()
	}
	clear(s.boxes)
	s.unused = nil
	return nil
}

func (s *Store) log(what, path string, err error) {
	s.logger.Warn(what, "path", path, "error", err)
}

func (s *Store) join(elem ...string) string {
	return filepath.Join(append([]string{s.root}, elem...)...)
}

// cleanTmp removes what was left in tmp for 36 hours (maildir(5)). The date
// of a file that is being appended may be an old one, its name is not.
func (s *Store) cleanTmp(path string) {
	dir := filepath.Join(path, "tmp")
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	limit := time.Now().Add(-tmpAge)
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			sec, _, _ := strings.Cut(name, ".")
			if n, err := strconv.ParseInt(sec, 10, 64); err == nil && n > limit.Unix() {
				continue
			}
			file := filepath.Join(dir, name)
			if fi, err := os.Lstat(file); err == nil && fi.Mode().IsRegular() && fi.ModTime().Before(limit) {
				os.Remove(file)
			}
		}
		if err != nil {
			return
		}
	}
}

// cleanRoot removes folders that were not made or removed to the end.
func (s *Store) cleanRoot() {
	entries, _ := os.ReadDir(s.root)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporaryPrefix) {
			if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > tmpAge {
				os.RemoveAll(s.join(e.Name()))
			}
		}
	}
}

// nextUIDValidity is above all that were given out before in the account.
func (s *Store) nextUIDValidity(ctx context.Context) (uint32, error) {
	path := s.join(validityFile)
	l, err := lock(ctx, path+".lock")
	if err != nil {
		return 0, err
	}
	defer l.unlock()
	next := uint32(time.Now().Unix())
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("maildir: %w", err)
	}
	if last, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32); err == nil {
		next = max(next, uint32(last)+1)
	} else {
		next = max(next, s.greatestUIDValidity()+1)
	}
	return next, writeFile(s.root, path, fmt.Appendf(nil, "%d\n", next))
}

// greatestUIDValidity is what the headers of all indexes say.
func (s *Store) greatestUIDValidity() (greatest uint32) {
	dirs, err := s.dirs()
	if err != nil {
		return 0
	}
	for _, d := range append(dirs, "") {
		f, err := os.Open(s.join(d, indexFile))
		if err != nil {
			continue
		}
		var h [headerSize]byte
		if _, err := f.ReadAt(h[:], 0); err == nil && string(h[:8]) == indexMagic {
			if v := binary.BigEndian.Uint32(h[8:]); v < 1<<32-1<<16 {
				greatest = max(greatest, v)
			}
		}
		f.Close()
	}
	return greatest
}

// dirs are the directories of folders, INBOX left out.
func (s *Store) dirs() ([]string, error) {
	d, err := os.Open(s.root)
	if err != nil {
		return nil, fmt.Errorf("maildir: list folders: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("maildir: list folders in %s: %w", s.root, err)
	}
	dirs := names[:0]
	for _, n := range names {
		if _, ok := nameOfDir(n); ok && s.exists(n) {
			dirs = append(dirs, n)
		}
	}
	slices.Sort(dirs)
	return dirs, nil
}

func (s *Store) exists(dir string) bool {
	fi, err := os.Stat(s.join(dir, "cur"))
	return err == nil && fi.IsDir()
}

// FolderInfo is what is known of a name.
type FolderInfo struct {
	Name string
	// Exists is false for a name that has children and is no folder itself,
	// and for one that is subscribed alone.
	Exists      bool
	HasChildren bool
	Subscribed  bool
}

// Folders lists INBOX, the folders, the names that are implied by their
// children, and what is subscribed, sorted by name, INBOX first. Directories
// whose names are not as this package writes them are left out.
func (s *Store) Folders(ctx context.Context) ([]FolderInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dirs, err := s.dirs()
	if err != nil {
		return nil, err
	}
	subscribed, err := s.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*FolderInfo{}
	at := func(name string) *FolderInfo {
		if all[name] == nil {
			all[name] = &FolderInfo{Name: name}
		}
		return all[name]
	}
	at(Inbox).Exists = true
	for _, d := range dirs {
		name, _ := nameOfDir(d)
		at(name).Exists = true
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			at(name[:i]).HasChildren = true
		}
	}
	for _, name := range subscribed {
		at(name).Subscribed = true
	}
	list := make([]FolderInfo, 0, len(all))
	for _, f := range all {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b FolderInfo) int {
		if (a.Name == Inbox) != (b.Name == Inbox) {
			if a.Name == Inbox {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list, nil
}

// account runs f while no other process makes, renames or removes folders.
func (s *Store) account(ctx context.Context, f func() error) error {
	l, err := lock(ctx, s.join(accountLock))
	if err != nil {
		return err
	}
	defer l.unlock()
	return f()
}

// Create makes a folder. Parents need not exist; they are then names that
// only have children.
func (s *Store) Create(ctx context.Context, name string) error {
	dir, name, err := dirOfName(name)
	if err != nil {
		return err
	}
	return s.account(ctx, func() error { return s.create(ctx, dir, name) })
}

func (s *Store) create(ctx context.Context, dir, name string) error {
	if dir == "" || s.exists(dir) {
		return fmt.Errorf("maildir: create %q: %w", name, ErrExists)
	}
	temporary := temporaryPrefix + uniqueName(s.host)
	err := os.Mkdir(s.join(temporary), 0o700)
	for _, d := range []string{"tmp", "new", "cur"} {
		if err == nil {
			err = os.Mkdir(s.join(temporary, d), 0o700)
		}
	}
	if err == nil {
		err = writeFile(s.join(temporary), s.join(temporary, "maildirfolder"), nil)
	}
	if err == nil {
		b := newBox(s, name, s.join(temporary))
		err = b.update(ctx, false, nil)
		b.close()
	}
	if err == nil {
		// Where a directory without cur is in the way, this fails.
		os.Remove(s.join(dir))
		err = os.Rename(s.join(temporary), s.join(dir))
	}
	if err == nil {
		err = syncDir(s.root)
	}
	if err != nil {
		os.RemoveAll(s.join(temporary))
		return fmt.Errorf("maildir: create %q: %w", name, err)
	}
	return nil
}

// Delete removes a folder with its messages. Its children stay. INBOX cannot
// be deleted. The subscription stays.
func (s *Store) Delete(ctx context.Context, name string) error {
	dir, name, err := dirOfName(name)
	if err != nil {
		return err
	}
	if dir == "" {
		return fmt.Errorf("maildir: delete %q: %w: it is always there", name, ErrName)
	}
	return s.account(ctx, func() error {
		if !s.exists(dir) {
			children, err := s.below(dir)
			if err == nil && len(children) > 0 {
				err = ErrHasChildren
			} else if err == nil {
				err = ErrNoFolder
			}
			return fmt.Errorf("maildir: delete %q: %w", name, err)
		}
		away := s.join(temporaryPrefix + uniqueName(s.host))
		if err := os.Rename(s.join(dir), away); err != nil {
			return fmt.Errorf("maildir: delete %q: %w", name, err)
		}
		s.drop(dir)
		if err := syncDir(s.root); err != nil {
			return err
		}
		if err := os.RemoveAll(away); err != nil {
			s.log("maildir: a deleted folder is not all removed", away, err)
		}
		return nil
	})
}

// below are the directories of the folders below one.
func (s *Store) below(dir string) ([]string, error) {
	dirs, err := s.dirs()
	return slices.DeleteFunc(dirs, func(d string) bool { return !strings.HasPrefix(d, dir+".") }), err
}

// Rename gives a folder and all its children other names. Renaming INBOX
// makes a folder and moves the messages there; its children stay (RFC 3501
// section 6.3.5). Subscriptions stay as they are.
func (s *Store) Rename(ctx context.Context, from, to string) error {
	fromDir, from, err := dirOfName(from)
	if err != nil {
		return err
	}
	toDir, to, err := dirOfName(to)
	if err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("maildir: rename %q to %q: %w", from, to, err) }
	if toDir == fromDir || toDir == "" {
		return fail(ErrExists)
	}
	if fromDir != "" && strings.HasPrefix(toDir, fromDir+".") {
		return fail(fmt.Errorf("%w: it is below itself", ErrName))
	}
	if fromDir == "" {
		return s.renameInbox(ctx, toDir, to)
	}
	return s.account(ctx, func() error {
		dirs, err := s.below(fromDir)
		if err != nil {
			return fail(err)
		}
		if s.exists(fromDir) {
			dirs = append(dirs, fromDir)
		}
		if len(dirs) == 0 {
			return fail(ErrNoFolder)
		}
		if s.exists(toDir) {
			return fail(ErrExists)
		}
		for _, d := range dirs {
			target := toDir + d[len(fromDir):]
			if len(target) > maxDirName {
				return fail(fmt.Errorf("%w: %.40q... takes %d octets on disk, of at most %d", ErrName, target, len(target), maxDirName))
			}
			if s.exists(target) {
				return fail(fmt.Errorf("%s: %w", target, ErrExists))
			}
		}
		for i, d := range dirs {
			target := s.join(toDir + d[len(fromDir):])
			os.Remove(target)
			if err := os.Rename(s.join(d), target); err != nil {
				for _, d := range dirs[:i] {
					os.Rename(s.join(toDir+d[len(fromDir):]), s.join(d))
				}
				return fail(err)
			}
			s.drop(d)
		}
		return syncDir(s.root)
	})
}

func (s *Store) renameInbox(ctx context.Context, toDir, to string) error {
	if err := s.account(ctx, func() error { return s.create(ctx, toDir, to) }); err != nil {
		return err
	}
	inbox, err := s.Folder(ctx, Inbox, ReadOnly)
	if err != nil {
		return err
	}
	defer inbox.Close()
	_, err = inbox.Move(ctx, []Range{{1, 1<<32 - 1}}, to)
	return err
}

// drop forgets the state of a folder whose directory has been renamed.
func (s *Store) drop(dir string) {
	s.mu.Lock()
	b := s.boxes[dir]
	delete(s.boxes, dir)
	if b != nil && b.refs == 0 {
		s.unused = slices.DeleteFunc(s.unused, func(u *box) bool { return u == b })
		b.close()
	}
	s.mu.Unlock()
	hub.notifyPath(s.join(dir), nil)
}

// Subscriptions are the names that are subscribed, sorted. They need not
// exist.
func (s *Store) Subscriptions(ctx context.Context) ([]string, error) {
	lines, err := readLines(s.join(subscriptionsFile))
	if err != nil {
		return nil, err
	}
	names := lines[:0]
	for _, l := range lines {
		if name, err := cleanName(l); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Subscribe adds a name to the subscriptions. It need not exist.
func (s *Store) Subscribe(ctx context.Context, name string) error {
	return s.subscribe(ctx, name, true)
}

// Unsubscribe takes a name away from the subscriptions.
func (s *Store) Unsubscribe(ctx context.Context, name string) error {
	return s.subscribe(ctx, name, false)
}

func (s *Store) subscribe(ctx context.Context, name string, on bool) error {
	_, name, err := dirOfName(name)
	if err != nil {
		return err
	}
	return s.account(ctx, func() error {
		names, err := s.Subscriptions(ctx)
		if err != nil {
			return err
		}
		i, have := slices.BinarySearch(names, name)
		switch {
		case have == on:
			return nil
		case on:
			names = slices.Insert(names, i, name)
		default:
			names = slices.Delete(names, i, i+1)
		}
		var content []byte
		for _, n := range names {
			content = append(append(content, n...), '\n')
		}
		return writeFile(s.root, s.join(subscriptionsFile), content)
	})
}

// Lock is a lock that is held until it is closed.
type Lock struct{ l *fileLock }

// Close ends the lock.
func (l *Lock) Close() error { return l.l.unlock() }

// LockPOP3 takes the lock that one POP3 session has on the account (RFC 1939
// section 4), in whatever process. It does not wait: the error wraps ErrInUse
// where another has it. It keeps out nothing but its like.
func (s *Store) LockPOP3() (*Lock, error) {
	l, err := tryLock(s.join(pop3Lock))
	if errors.Is(err, errLocked) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("maildir: POP3 lock of %s: %w", s.root, err)
	}
	return &Lock{l}, nil
}

// acquire returns the box of a folder for another handle.
func (s *Store) acquire(dir, name string) (*box, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("maildir: %s: %w", s.root, ErrClosed)
	}
	b := s.boxes[dir]
	if b == nil {
		b = newBox(s, name, s.join(dir))
		s.boxes[dir] = b
	} else if b.refs == 0 {
		s.unused = slices.DeleteFunc(s.unused, func(u *box) bool { return u == b })
	}
	b.refs++
	return b, nil
}

// known is acquire for a folder whose state is in memory, nil otherwise.
func (s *Store) known(dir string) *box {
	s.mu.Lock()
	have := s.boxes[dir] != nil
	s.mu.Unlock()
	if !have {
		return nil
	}
	b, err := s.acquire(dir, Inbox)
	if err != nil {
		return nil
	}
	return b
}

func (s *Store) release(b *box, dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.refs--; b.refs > 0 {
		return
	}
	if s.boxes[dir] != b {
		b.close() // dropped, or the Store was closed
		return
	}
	s.unused = append(s.unused, b)
	for len(s.unused) > max(s.idle, 0) {
		old := s.unused[0]
		s.unused = slices.Delete(s.unused, 0, 1)
		for d, o := range s.boxes {
			if o == old {
				delete(s.boxes, d)
			}
		}
		old.close()
	}
}
