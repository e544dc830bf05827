package imaptest

// The mail store in memory: accounts and sessions.

import (
	"context"
	"crypto/subtle"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/sasl"
)

// Memory is a mail store in memory: a complete [imapserver.Backend]. It is for
// any number of goroutines. The hierarchy delimiter is "/".
type Memory struct {
	// History is how many changes each mailbox remembers, 10000 when zero.
	// Set it before use.
	History int

	mu       sync.Mutex
	accounts map[string]*account
}

// NewMemory returns a store without accounts.
func NewMemory() *Memory { return &Memory{accounts: make(map[string]*account)} }

// AddUser makes an account with an empty INBOX, or changes the password of one.
func (m *Memory) AddUser(user, password string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.accounts[user]; a != nil {
		a.password = password
		return
	}
	a := &account{store: m, password: password, boxes: make(map[string]*box), subscribed: make(map[string]bool)}
	a.create(imap.Inbox)
	m.accounts[user] = a
}

// Auth checks the passwords of the accounts, on any line.
func (m *Memory) Auth() *sasl.Auth {
	return &sasl.Auth{AllowCleartext: true, Password: func(_ context.Context, user, password string) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		a := m.accounts[user]
		if a == nil || subtle.ConstantTimeCompare([]byte(a.password), []byte(password)) == 0 {
			return sasl.ErrFailed
		}
		return nil
	}}
}

// Open begins a session.
func (m *Memory) Open(_ context.Context, id sasl.Identity, _ *imapserver.Conn) (imapserver.Session, error) {
	a, err := m.account(id.Name())
	if err != nil {
		return nil, err
	}
	return &session{a}, nil
}

var errNoUser = errors.New("imaptest: no such user")

func (m *Memory) account(user string) (*account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.accounts[user]; a != nil {
		return a, nil
	}
	return nil, errNoUser
}

// Create makes a mailbox, as a user's CREATE does.
func (m *Memory) Create(user, mailbox string, uses ...imap.MailboxAttr) error {
	a, err := m.account(user)
	if err != nil {
		return err
	}
	return (&session{a}).Create(context.Background(), mailbox, &imapserver.CreateOptions{Uses: uses})
}

// Deliver adds a message as a delivery does: sessions learn of it at once.
// Lines should end in CRLF.
func (m *Memory) Deliver(user, mailbox, message string, flags ...imap.Flag) (imap.UID, error) {
	return m.DeliverAt(user, mailbox, message, time.Now(), flags...)
}

// DeliverAt is Deliver with an internal date.
func (m *Memory) DeliverAt(user, mailbox, message string, date time.Time, flags ...imap.Flag) (imap.UID, error) {
	a, err := m.account(user)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boxes[imap.CanonicalMailbox(mailbox, '/')]
	if b == nil {
		return 0, imap.ErrNoMailbox
	}
	return b.add(&stored{flags: cleanFlags(flags), date: date, body: []byte(message)}), nil
}

// account is one user's mail. Its lock is that of all its mailboxes.
type account struct {
	store    *Memory
	password string

	mu         sync.Mutex
	boxes      map[string]*box
	names      []string // of boxes, in the order in which they were made
	subscribed map[string]bool
	validity   uint32
}

func (a *account) create(name string) *box {
	a.validity++
	b := &box{account: a, name: name, validity: a.validity, next: 1, changed: make(chan struct{})}
	if b.history = a.store.History; b.history <= 0 {
		b.history = 10000
	}
	a.boxes[name] = b
	a.names = append(a.names, name)
	return b
}

func (a *account) forget(name string) {
	delete(a.boxes, name)
	a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == name })
}

func (a *account) hasChildren(name string) bool {
	return slices.ContainsFunc(a.names, func(n string) bool { return strings.HasPrefix(n, name+"/") })
}

// session is one client's view of an account. It moves messages, and sets
// special uses.
type session struct{ a *account }

var (
	_ imapserver.Mover       = (*session)(nil)
	_ imapserver.SpecialUser = (*session)(nil)
)

func (s *session) Close() error { return nil }

func (s *session) SpecialUses() []imap.MailboxAttr {
	return []imap.MailboxAttr{imap.AttrArchive, imap.AttrDrafts, imap.AttrJunk, imap.AttrSent, imap.AttrTrash}
}

func (s *session) Mailboxes(context.Context) iter.Seq2[*imap.MailboxInfo, error] {
	return func(yield func(*imap.MailboxInfo, error) bool) {
		var list []*imap.MailboxInfo
		s.a.mu.Lock()
		for _, name := range s.a.names {
			info := &imap.MailboxInfo{Name: name, Delimiter: '/', Attrs: slices.Clone(s.a.boxes[name].uses)}
			if s.a.subscribed[name] {
				info.Attrs = append(info.Attrs, imap.AttrSubscribed)
			}
			list = append(list, info)
		}
		var gone []string
		for name := range s.a.subscribed {
			if s.a.boxes[name] == nil {
				gone = append(gone, name)
			}
		}
		s.a.mu.Unlock()
		slices.Sort(gone)
		for _, name := range gone {
			list = append(list, &imap.MailboxInfo{
				Name: name, Delimiter: '/', Attrs: []imap.MailboxAttr{imap.AttrNonExistent, imap.AttrSubscribed},
			})
		}
		for _, info := range list {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *session) Mailbox(_ context.Context, name string, mode imapserver.OpenMode) (imapserver.Mailbox, error) {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	b := s.a.boxes[name]
	if b == nil {
		return nil, imap.ErrNoMailbox
	}
	return &mailbox{box: b, mode: mode, seen: b.claimed}, nil
}

func (s *session) Create(_ context.Context, name string, o *imapserver.CreateOptions) error {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	if s.a.boxes[name] != nil {
		return imap.ErrMailboxExists
	}
	s.createParents(name)
	s.a.create(name).uses = slices.Clone(o.Uses)
	return nil
}

func (s *session) createParents(name string) {
	for i := range name {
		if name[i] == '/' && s.a.boxes[name[:i]] == nil {
			s.a.create(name[:i])
		}
	}
}

func (s *session) Delete(_ context.Context, name string) error {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	b := s.a.boxes[name]
	if b == nil {
		if s.a.hasChildren(name) {
			return &imap.Error{Code: imap.CodeCannot, Text: "The name has children alone"}
		}
		return imap.ErrNoMailbox
	}
	s.a.forget(name)
	b.deleted = true
	b.notify()
	return nil
}

func (s *session) Rename(_ context.Context, from, to string) error {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	b := s.a.boxes[from]
	if b == nil && !s.a.hasChildren(from) {
		return imap.ErrNoMailbox
	}
	if s.a.boxes[to] != nil {
		return imap.ErrMailboxExists
	}
	if from == imap.Inbox {
		s.createParents(to)
		dest := s.a.create(to)
		for _, m := range slices.Clone(b.messages) {
			dest.add(&stored{flags: m.flags, date: m.date, body: m.body})
		}
		b.remove(func(*stored) bool { return true })
		return nil
	}
	var moved []string
	for _, name := range s.a.names {
		if name == from || strings.HasPrefix(name, from+"/") {
			if target := to + name[len(from):]; s.a.boxes[target] != nil {
				return imap.ErrMailboxExists
			}
			moved = append(moved, name)
		}
	}
	s.createParents(to)
	for _, name := range moved {
		b := s.a.boxes[name]
		s.a.forget(name)
		b.name = to + name[len(from):]
		s.a.boxes[b.name] = b
		s.a.names = append(s.a.names, b.name)
	}
	return nil
}

func (s *session) Subscribe(_ context.Context, name string) error {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	s.a.subscribed[name] = true
	return nil
}

func (s *session) Unsubscribe(_ context.Context, name string) error {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	delete(s.a.subscribed, name)
	return nil
}

func (s *session) Move(_ context.Context, from imapserver.Mailbox, set imap.UIDSet, dest string) (*imap.CopyResult, error) {
	b := from.(*mailbox).box
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	r, err := b.copy(set, dest)
	if err == nil && r != nil {
		b.remove(func(m *stored) bool { return r.Source.Contains(m.uid) })
	}
	return r, err
}
