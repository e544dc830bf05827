package main

// The INBOX as a POP3 maildrop.

import (
	"context"
	"errors"
	"fmt"
	"io"
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
}

func (d *maildrop) Messages(ctx context.Context) ([]pop3.Message, error) {
	var messages []pop3.Message
	for m, err := range d.inbox.Messages(ctx, maildir.All) {
		if err != nil {
			return nil, err
		}
		d.uids = append(d.uids, m.UID)
		messages = append(messages, pop3.Message{Size: m.Size, UID: fmt.Sprintf("%d.%d", d.inbox.UIDValidity(), m.UID)})
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

func (d *maildrop) Close() error {
	return errors.Join(d.inbox.Close(), d.lock.Close())
}

// popSizes are the sizes in POP3 of the messages in which they are not what
// the Maildir says: those with a CR alone, and those whose last line has no
// end. Each message is read once to know.
type popSizes struct {
	mu       sync.Mutex
	validity uint32
	known    uint32 // UIDs up to here have been read
	odd      map[uint32]int64
}

// correct corrects the sizes of messages, whose UIDs are uids.
func (s *popSizes) correct(ctx context.Context, inbox *maildir.Folder, uids []uint32, messages []pop3.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.validity != inbox.UIDValidity() {
		s.validity, s.known, s.odd = inbox.UIDValidity(), 0, map[uint32]int64{}
	}
	for i, uid := range uids {
		if uid > s.known {
			size, err := popSize(ctx, inbox, uid)
			if err != nil {
				return err
			}
			if size >= 0 && size != messages[i].Size {
				s.odd[uid] = size
			}
			s.known = uid
		}
		if size, ok := s.odd[uid]; ok {
			messages[i].Size = size
		}
	}
	return nil
}

// popSize is the octets of a message as RETR sends it; -1 where it is gone.
func popSize(ctx context.Context, inbox *maildir.Folder, uid uint32) (int64, error) {
	c, err := inbox.Content(ctx, uid)
	if errors.Is(err, maildir.ErrExpunged) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var sizer pop3.Sizer
	if _, err := io.Copy(&sizer, io.NewSectionReader(c, 0, c.Size())); err != nil {
		return 0, err
	}
	return sizer.Size(), nil
}
