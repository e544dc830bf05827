package imapclient

// What is known of mailboxes, kept in memory and in files.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mailwire/mailwire/imap"
)

// MemoryCache is a Cache that is gone with the process. The zero value is ready;
// it may be used by any number of goroutines.
type MemoryCache struct {
	mu     sync.Mutex
	states map[string]*MailboxState
}

// Load is what was saved last.
func (c *MemoryCache) Load(_ context.Context, mailbox string) (*MailboxState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[canonical(mailbox)], nil
}

// Save keeps a state.
func (c *MemoryCache) Save(_ context.Context, mailbox string, s *MailboxState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = make(map[string]*MailboxState)
	}
	c.states[canonical(mailbox)] = &MailboxState{UIDValidity: s.UIDValidity, ModSeq: s.ModSeq, Messages: slices.Clone(s.Messages)}
	return nil
}

// FileCache is a Cache in a folder, one file for each mailbox of one account.
// A file is replaced whole: a crash leaves the old or the new one. A damaged one
// is ErrCache, and costs no more than telling all messages anew.
type FileCache struct {
	// Dir is the folder; it is made where there is none.
	Dir string
}

// path is a file's name: mailboxes' names do not fit all file systems.
func (c *FileCache) path(mailbox string) string {
	sum := sha256.Sum256([]byte(canonical(mailbox)))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:16])+".mailbox")
}

// Load reads what was saved last.
func (c *FileCache) Load(_ context.Context, mailbox string) (*MailboxState, error) {
	b, err := os.ReadFile(c.path(mailbox))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("imapclient: %w", err)
	}
	name, s, err := decodeState(b)
	if err == nil && name != canonical(mailbox) {
		err = ErrCache
	}
	return s, err
}

// Save writes a state, and returns when it is on the disk.
func (c *FileCache) Save(_ context.Context, mailbox string, s *MailboxState) error {
	if err := c.save(c.path(mailbox), appendState(nil, canonical(mailbox), s)); err != nil {
		return fmt.Errorf("imapclient: %w", err)
	}
	return nil
}

func (c *FileCache) save(path string, b []byte) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.Dir, "new-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if d, err := os.Open(c.Dir); err == nil {
		_ = d.Sync() // not all systems can
		_ = d.Close()
	}
	return nil
}

// A file: the magic, then varints: the length of the mailbox's name and the
// name, UIDVALIDITY, mod-sequence, the number of lists of flags, each a number
// of flags and each of these a length and its octets, the number of messages,
// each the distance from the UID before and its list's number; at the end the
// CRC-32 of all before, in four octets.
const stateMagic = "mailwire imap state 1\n"

func appendState(dst []byte, name string, s *MailboxState) []byte {
	from := len(dst)
	str := func(t string) {
		dst = binary.AppendUvarint(dst, uint64(len(t)))
		dst = append(dst, t...)
	}
	dst = append(dst, stateMagic...)
	str(name)
	dst = binary.AppendUvarint(dst, uint64(s.UIDValidity))
	dst = binary.AppendUvarint(dst, uint64(s.ModSeq))
	numbers := make(map[string]uint64)
	var lists [][]imap.Flag
	of := make([]uint64, len(s.Messages))
	var key strings.Builder
	for i := range s.Messages {
		key.Reset()
		for _, f := range s.Messages[i].Flags {
			key.WriteString(string(f))
			key.WriteByte(0)
		}
		n, ok := numbers[key.String()]
		if !ok {
			n = uint64(len(lists))
			numbers[key.String()] = n
			lists = append(lists, s.Messages[i].Flags)
		}
		of[i] = n
	}
	dst = binary.AppendUvarint(dst, uint64(len(lists)))
	for _, l := range lists {
		dst = binary.AppendUvarint(dst, uint64(len(l)))
		for _, f := range l {
			str(string(f))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.Messages)))
	last := imap.UID(0)
	for i := range s.Messages {
		dst = binary.AppendUvarint(dst, uint64(s.Messages[i].UID-last))
		dst = binary.AppendUvarint(dst, of[i])
		last = s.Messages[i].UID
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
}

// stateReader reads a file; the first failure sticks.
type stateReader struct {
	b   []byte
	bad bool
}

// number is a number of at most limit.
func (r *stateReader) number(limit uint64) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count is how many things of at least one octet follow.
func (r *stateReader) count() int { return int(r.number(uint64(len(r.b)))) }

func (r *stateReader) str() string {
	n := r.count()
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func decodeState(b []byte) (name string, s *MailboxState, err error) {
	n := len(b) - 4
	if n < 0 || !bytes.HasPrefix(b, []byte(stateMagic)) || crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return "", nil, ErrCache
	}
	r := &stateReader{b: b[len(stateMagic):n]}
	name = r.str()
	s = &MailboxState{UIDValidity: uint32(r.number(1<<32 - 1)), ModSeq: imap.ModSeq(r.number(1<<64 - 1))}
	var lists [][]imap.Flag
	for range r.count() {
		l := []imap.Flag{}
		for range r.count() {
			l = append(l, imap.Flag(r.str()))
			if r.bad {
				break
			}
		}
		lists = append(lists, l)
		if r.bad {
			return "", nil, ErrCache
		}
	}
	messages := r.count()
	s.Messages = make([]MessageState, 0, messages)
	last := uint64(0)
	for range messages {
		d := r.number(1<<32 - 1)
		list := r.number(1 << 62)
		if last += d; r.bad || d == 0 || last > 1<<32-1 || list >= uint64(len(lists)) {
			return "", nil, ErrCache
		}
		s.Messages = append(s.Messages, MessageState{UID: imap.UID(last), Flags: lists[list]})
	}
	if r.bad || len(r.b) > 0 {
		return "", nil, ErrCache
	}
	return name, s, nil
}
