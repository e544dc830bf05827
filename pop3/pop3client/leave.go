// Messages that are left on the server: which are new, and which have been
// there for long enough.

package pop3client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailwire/mailwire/pop3"
)

// SeenStore remembers the unique-ids of one maildrop that were dealt with.
type SeenStore interface {
	// Seen returns each with the time it was added.
	Seen(ctx context.Context) (map[string]time.Time, error)
	// Add adds one. It is kept for good when Add returns.
	Add(ctx context.Context, uid string, at time.Time) error
	// Forget forgets some. What is lost of that by a crash does no harm.
	Forget(ctx context.Context, uids []string) error
}

// Leave collects mail and leaves it on the server, for others or for a time:
//
//	l := &pop3client.Leave{Store: store, KeepFor: 7 * 24 * time.Hour}
//	plan, err := l.Plan(ctx, c)
//	for m, err := range c.RetrieveAll(ctx, plan.Numbers()...) {
//		…                                   // save it, then:
//		err = l.Done(ctx, plan.UID(m.Number))
//	}
//	err = l.Finish(ctx, c, plan)
//	err = c.Quit(ctx)
//
// A message is new until Done was called with its unique-id, whatever crashed
// before. RetrieveAll of no numbers retrieves all: call it if there are some.
type Leave struct {
	// Store has what was seen.
	Store SeenStore
	// KeepFor is how long a message stays on the server once it was seen;
	// zero for ever.
	KeepFor time.Duration
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

func (l *Leave) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// Plan is what there is to do about a maildrop.
type Plan struct {
	// New are the messages that were not seen.
	New []pop3.UIDListing
	// Expired are those that were seen KeepFor ago or earlier.
	Expired []pop3.UIDListing

	uids map[int]string
	gone []string
}

// Numbers are the numbers of the new messages.
func (p *Plan) Numbers() []int { return numbersOf(p.New) }

func numbersOf(list []pop3.UIDListing) []int {
	numbers := make([]int, len(list))
	for i, l := range list {
		numbers[i] = l.Number
	}
	return numbers
}

// UID is the unique-id of message n; empty if it has none.
func (p *Plan) UID(n int) string { return p.uids[n] }

// Plan lists the maildrop and compares it with what was seen. A listing that
// is not whole or has lines that are none is an error: a message that is not
// seen in it is not taken for one that is gone.
func (l *Leave) Plan(ctx context.Context, c *Client) (*Plan, error) {
	seen, err := l.Store.Seen(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{uids: map[int]string{}}
	listed := map[string]bool{}
	now := l.now()
	for m, err := range c.UIDL(ctx) {
		if err != nil {
			return nil, err
		}
		listed[m.UID], p.uids[m.Number] = true, m.UID
		at, ok := seen[m.UID]
		switch {
		case !ok:
			p.New = append(p.New, m)
		case l.KeepFor > 0 && now.Sub(at) >= l.KeepFor:
			p.Expired = append(p.Expired, m)
		}
	}
	for uid := range seen {
		if !listed[uid] {
			p.gone = append(p.gone, uid)
		}
	}
	slices.Sort(p.gone)
	return p, nil
}

// Done notes that the message of a unique-id has been dealt with.
func (l *Leave) Done(ctx context.Context, uid string) error {
	if uid == "" {
		return errors.New("pop3client: a message without a unique-id can not be remembered")
	}
	return l.Store.Add(ctx, uid, l.now())
}

// Finish marks the expired messages as deleted, and forgets those that are no
// longer on the server. Expired ones are forgotten by a later Plan, once they
// are gone: Quit has to remove them first.
func (l *Leave) Finish(ctx context.Context, c *Client, p *Plan) error {
	if err := c.DeleteAll(ctx, numbersOf(p.Expired)...); err != nil {
		return err
	}
	if len(p.gone) == 0 {
		return nil
	}
	return l.Store.Forget(ctx, p.gone)
}

// FileStore is a SeenStore in a file, for one maildrop and one process at a
// time: a line for each unique-id, added at its end and flushed to the disk. A
// line that a crash cut short is left out. The file is made by the first Add.
type FileStore struct {
	// Path is the file's.
	Path string

	mu   sync.Mutex
	file *os.File
}

const (
	seenHeader  = "# unique-ids seen, with the time in seconds since 1970\n"
	maxSeenLine = 64 << 10
)

// Seen reads the file. It is empty where there is none.
func (s *FileStore) Seen(ctx context.Context) (map[string]time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(ctx)
}

func (s *FileStore) load(ctx context.Context) (map[string]time.Time, error) {
	seen := map[string]time.Time{}
	f, err := os.Open(s.Path)
	if errors.Is(err, os.ErrNotExist) {
		return seen, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxSeenLine)
	for n := 1; ; n++ {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		b, err := r.ReadSlice('\n')
		if err == io.EOF { // what is behind the last line end was cut short
			return seen, nil
		}
		if err != nil {
			return nil, fmt.Errorf("pop3client: %s: line %d: %w", s.Path, n, err)
		}
		line := string(bytes.TrimRight(b, "\r\n"))
		if line == "" || line[0] == '#' {
			continue
		}
		uid, at, ok := seenLine(line)
		if !ok {
			return nil, fmt.Errorf("pop3client: %s: line %d is not a time and a unique-id", s.Path, n)
		}
		seen[uid] = at
	}
}

func seenLine(line string) (uid string, at time.Time, ok bool) {
	word, uid, ok := strings.Cut(line, " ")
	sec, err := strconv.ParseInt(word, 10, 64)
	if !ok || err != nil || uid == "" {
		return "", time.Time{}, false
	}
	if uid[0] == '"' {
		if uid, err = strconv.Unquote(uid); err != nil {
			return "", time.Time{}, false
		}
	}
	return uid, time.Unix(sec, 0), true
}

func appendSeen(b []byte, uid string, at time.Time) []byte {
	b = append(strconv.AppendInt(b, at.Unix(), 10), ' ')
	if pop3.ValidUID(uid) && uid[0] != '"' {
		b = append(b, uid...)
	} else {
		b = strconv.AppendQuoteToASCII(b, uid)
	}
	return append(b, '\n')
}

// Add adds a unique-id to the file.
func (s *FileStore) Add(_ context.Context, uid string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uid == "" || len(uid) > maxSeenLine/8 {
		return errors.New("pop3client: a unique-id that is empty or too long can not be kept")
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	_, err := s.file.Write(appendSeen(nil, uid, at))
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		// The next Add begins with what the file has then.
		_ = s.close()
	}
	return err
}

func (s *FileStore) open() error {
	f, err := os.OpenFile(s.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		_, err = f.WriteString(seenHeader)
	} else if err == nil {
		var last [1]byte
		_, err = f.ReadAt(last[:], info.Size()-1)
		if err == nil && last[0] != '\n' {
			err = dropTorn(f, info.Size())
		}
	}
	if err != nil {
		f.Close()
		return err
	}
	s.file = f
	return nil
}

// dropTorn cuts off a last line that a crash cut short: with an end it might
// read as another unique-id.
func dropTorn(f *os.File, size int64) error {
	from := max(0, size-maxSeenLine)
	b := make([]byte, size-from)
	if _, err := f.ReadAt(b, from); err != nil {
		return err
	}
	return f.Truncate(from + int64(bytes.LastIndexByte(b, '\n')+1))
}

// Forget writes the file anew without some.
func (s *FileStore) Forget(ctx context.Context, uids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, err := s.load(ctx)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		delete(seen, uid)
	}
	kept := make([]string, 0, len(seen))
	for uid := range seen {
		kept = append(kept, uid)
	}
	slices.Sort(kept)
	b := []byte(seenHeader)
	for _, uid := range kept {
		b = appendSeen(b, uid, seen[uid])
	}
	if err := s.close(); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.Path), filepath.Base(s.Path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.Path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Close closes the file. The FileStore may be used again.
func (s *FileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.close()
}

func (s *FileStore) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
