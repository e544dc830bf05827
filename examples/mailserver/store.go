package main

// The Maildir trees of all users, opened once each and shared by all sessions.

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/mailwire/mailwire/examples/mailserver/maildir"
)

type store struct {
	root string

	mu   sync.Mutex
	open map[string]*mailbox
}

// mailbox is one user's mail.
type mailbox struct {
	*maildir.Store
	sizes popSizes
}

func openStore(root string) *store { return &store{root: root, open: map[string]*mailbox{}} }

// account is a user's mail; it is made when it is asked for first.
func (s *store) account(user string) (*mailbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.open[user]; m != nil {
		return m, nil
	}
	tree, err := maildir.Open(filepath.Join(s.root, user, "Maildir"), nil)
	if err != nil {
		return nil, fmt.Errorf("mail of %s: %w", user, err)
	}
	s.open[user] = &mailbox{Store: tree, sizes: popSizes{path: filepath.Join(s.root, user, "pop3-sizes")}}
	return s.open[user], nil
}

// deliver puts a message into the INBOX of each of the users. It is on disk
// when deliver returns. The errors are in the order of users; err is set where
// the message could not be read.
func (s *store) deliver(ctx context.Context, r io.Reader, users ...string) (each []error, err error) {
	each = make([]error, len(users))
	boxes := make([]*mailbox, len(users))
	var first *mailbox
	for i, user := range users {
		if boxes[i], each[i] = s.account(user); each[i] == nil && first == nil {
			first = boxes[i]
		}
	}
	if first == nil {
		return each, nil
	}
	if len(users) == 1 {
		return each, first.Deliver(ctx, r)
	}
	spool, err := first.Spool(ctx, r)
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	for i, b := range boxes {
		if each[i] == nil {
			each[i] = spool.Deliver(ctx, b.Store)
		}
	}
	return each, nil
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.open {
		m.Close()
	}
}
