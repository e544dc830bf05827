package main

// The INBOX as a POP3 maildrop.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/mailwire/mailwire/examples/mailserver/maildir"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// maildrops is the pop3server.Backend.
type maildrops struct{ *mailserver }

func (b *maildrops) Open(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
	m, err := b.store.account(b.accounts.login(id.Name()))
	if err != nil {
		return nil, err
	}
	lock, err := m.LockPOP3()
	if errors.Is(err, maildir.ErrInUse) {
		return nil, pop3.ErrInUse
	}
	if err != nil {
		return nil, err
	}
	inbox, err := m.Folder(ctx, maildir.Inbox, maildir.ReadOnly)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &maildrop{mailbox: m, inbox: inbox, lock: lock}, nil
}

// maildrop is the pop3server.Maildrop.
type maildrop struct {
	*mailbox
	inbox *maildir.Folder
	lock  *maildir.Lock
	uids  []uint32
	seen  []bool // by index: retrieved in this session
}

func (d *maildrop) Messages(ctx context.Context) ([]pop3.Message, error) {
	var messages []pop3.Message
	for m, err := range d.inbox.Messages(ctx, maildir.All) {
		if err != nil {
			return nil, err
		}
		d.uids = append(d.uids, m.UID)
		messages = append(messages, pop3.Message{Size: m.Size, UID: fmt.Sprintf("%d.%d", d.inbox.UIDValidity(), m.UID), Received: m.Date})
	}
	return messages, d.sizes.correct(ctx, d.inbox, d.uids, messages)
}

func (d *maildrop) Open(ctx context.Context, i int) (io.ReadCloser, error) {
	c, err := d.inbox.Content(ctx, d.uids[i])
	if errors.Is(err, maildir.ErrExpunged) {
		return nil, &pop3.Error{Code: pop3.CodeSysTemp, Message: "another program removed the message"}
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(c, 0, c.Size()), c}, nil
}

func (d *maildrop) Commit(ctx context.Context, deleted []int) error {
	ranges := make([]maildir.Range, 0, len(deleted))
	for _, i := range deleted {
		ranges = append(ranges, maildir.Range{First: d.uids[i], Last: d.uids[i]})
	}
	if len(ranges) == 0 {
		return nil
	}
	_, err := d.inbox.Remove(ctx, ranges...)
	return err
}

// Seen is kept until the session's end: each change of flags waits for the
// disk.
func (d *maildrop) Seen(_ context.Context, i int) error {
	if d.seen == nil {
		d.seen = make([]bool, len(d.uids))
	}
	d.seen[i] = true
	return nil
}

func (d *maildrop) storeSeen() error {
	var ranges []maildir.Range
	for i, seen := range d.seen {
		if seen {
			ranges = append(ranges, maildir.Range{First: d.uids[i], Last: d.uids[i]})
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	_, err := d.inbox.Store(context.Background(), ranges, maildir.FlagChange{Op: maildir.Add, Flags: maildir.Seen})
	return err
}

func (d *maildrop) Close() error {
	return errors.Join(d.storeSeen(), d.inbox.Close(), d.lock.Close())
}

// popSizes are the sizes in POP3 of the messages in which they are not what
// the Maildir says: those with a CR alone, and those whose last line has no
// end. Each message is read once to know, and what was found kept in a file:
// the UIDVALIDITY and the last UID read, and a line with UID and size for each
// of those messages, and "end". A file that is lost costs the reading again.
type popSizes struct {
	path string

	mu       sync.Mutex
	loaded   bool
	validity uint32
	known    uint32 // UIDs up to here have been read
	unsaved  int    // messages read since the file was written
	odd      map[uint32]int64
}

// saveAfter is after how many messages the file is written. To read fewer
// again is no effort.
const saveAfter = 100

// correct corrects the sizes of messages, whose UIDs are uids.
func (s *popSizes) correct(ctx context.Context, inbox *maildir.Folder, uids []uint32, messages []pop3.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded {
		s.loaded = true
		s.load()
	}
	if s.validity != inbox.UIDValidity() {
		s.validity, s.known, s.odd = inbox.UIDValidity(), 0, map[uint32]int64{}
	}
	var buf []byte
	for i, uid := range uids {
		if uid > s.known {
			if buf == nil {
				buf = make([]byte, 32<<10)
			}
			size, err := popSize(ctx, inbox, uid, buf)
			if err != nil {
				return err
			}
			if size >= 0 && size != messages[i].Size {
				s.odd[uid] = size
			}
			s.known = uid
			s.unsaved++
		}
		if size, ok := s.odd[uid]; ok {
			messages[i].Size = size
		}
	}
	if s.unsaved < saveAfter {
		return nil
	}
	// Without the file, a full disk say, the next process reads them again.
	if s.save(uids) == nil {
		s.unsaved = 0
	}
	return nil
}

// load reads the file. One that does not make sense is none.
func (s *popSizes) load() {
	kept, err := os.ReadFile(s.path)
	text, whole := strings.CutSuffix(string(kept), "end\n")
	if err != nil || !whole {
		return
	}
	var validity, known uint32
	odd := map[uint32]int64{}
	for line := range strings.Lines(text) {
		if known == 0 {
			_, err = fmt.Sscanf(line, "%d %d\n", &validity, &known)
		} else {
			var uid uint32
			var size int64
			_, err = fmt.Sscanf(line, "%d %d\n", &uid, &size)
			odd[uid] = size
		}
		if err != nil {
			return
		}
	}
	s.validity, s.known, s.odd = validity, known, odd
}

// save writes the file, for the messages that there still are.
func (s *popSizes) save(uids []uint32) error {
	b := fmt.Appendf(nil, "%d %d\n", s.validity, s.known)
	for _, uid := range uids {
		if size, ok := s.odd[uid]; ok {
			b = fmt.Appendf(b, "%d %d\n", uid, size)
		}
	}
	return writeFile(s.path, append(b, "end\n"...), 0o600)
}

// popSize is the octets of a message as RETR sends it; -1 where it is gone.
func popSize(ctx context.Context, inbox *maildir.Folder, uid uint32, buf []byte) (int64, error) {
	c, err := inbox.Content(ctx, uid)
	if errors.Is(err, maildir.ErrExpunged) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var sizer pop3.Sizer
	for at := int64(0); at < c.Size(); {
		n, err := c.ReadAt(buf[:min(int64(len(buf)), c.Size()-at)], at)
		sizer.Write(buf[:n])
		at += int64(n)
		if err != nil && at < c.Size() {
			return 0, err
		}
	}
	return sizer.Size(), nil
}
