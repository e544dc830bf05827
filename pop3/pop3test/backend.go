package pop3test

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"sync"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// Backend keeps maildrops in memory. The zero value is ready, without users.
// Its methods may be called at any time, by many goroutines at once.
type Backend struct {
	mu    sync.Mutex
	users map[string]*account
	last  int // the number in the last unique-id
}

type account struct {
	password string
	locked   bool
	messages []message

	openErr, commitErr error
}

type message struct {
	uid  string
	data []byte

	err   error // what reading it fails with
	after int   // octets
}

// FailLogin makes logins of a user fail with err behind the password, such as
// pop3.ErrInUse, from now on; a nil error mends it.
func (b *Backend) FailLogin(user string, err error) {
	b.account(user, func(a *account) { a.openErr = err })
}

// FailQuit makes the removal of a user's messages fail with err from now on:
// none is removed. A nil error mends it.
func (b *Backend) FailQuit(user string, err error) {
	b.account(user, func(a *account) { a.commitErr = err })
}

// FailMessage makes reading the message with a unique-id fail with err behind
// its first octets: the server refuses it at 0, and else closes the connection
// in its middle. Sessions that are open do not see it. A nil error mends it.
func (b *Backend) FailMessage(user, uid string, octets int, err error) {
	b.account(user, func(a *account) {
		for i := range a.messages {
			if a.messages[i].uid == uid {
				a.messages[i].err, a.messages[i].after = err, octets
				return
			}
		}
		panic("pop3test: no message " + uid)
	})
}

func (b *Backend) account(user string, f func(*account)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.users[user]
	if a == nil {
		panic("pop3test: no user " + user)
	}
	f(a)
}

// AddUser makes an empty maildrop, or changes the password of one there is.
func (b *Backend) AddUser(name, password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.users[name]; a != nil {
		a.password = password
		return
	}
	if b.users == nil {
		b.users = make(map[string]*account)
	}
	b.users[name] = &account{password: password}
}

// Deliver adds a message at the end of a user's maildrop and returns its
// unique-id. A session that is open does not see it. It panics where there is
// no such user.
func (b *Backend) Deliver(user, text string) (uid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.users[user]
	if a == nil {
		panic("pop3test: no user " + user)
	}
	b.last++
	uid = fmt.Sprintf("uid-%d", b.last)
	a.messages = append(a.messages, message{uid: uid, data: []byte(text)})
	return uid
}

// Messages are the messages in a user's maildrop, as they were delivered.
func (b *Backend) Messages(user string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	if a := b.users[user]; a != nil {
		for _, m := range a.messages {
			list = append(list, string(m.data))
		}
	}
	return list
}

// Locked reports whether a session has a user's maildrop open.
func (b *Backend) Locked(user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.users[user]
	return a != nil && a.locked
}

// CheckPassword is for the Password of a sasl.Auth.
func (b *Backend) CheckPassword(_ context.Context, user, password string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	want := ""
	a := b.users[user]
	if a != nil {
		want = a.password
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 || a == nil {
		return sasl.ErrFailed
	}
	return nil
}

// Open opens a user's maildrop, for pop3server.
func (b *Backend) Open(_ context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.users[id.Name()]
	switch {
	case a == nil:
		return nil, pop3.Errorf(pop3.CodeSysPerm, "There is no maildrop")
	case a.openErr != nil:
		return nil, a.openErr
	case a.locked:
		return nil, pop3.ErrInUse
	}
	a.locked = true
	return &maildrop{b: b, a: a, messages: append([]message{}, a.messages...)}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type maildrop struct {
	b        *Backend
	a        *account
	messages []message
}

func (m *maildrop) Messages(context.Context) ([]pop3.Message, error) {
	list := make([]pop3.Message, len(m.messages))
	for i, x := range m.messages {
		var s pop3.Sizer
		_, _ = s.Write(x.data)
		list[i] = pop3.Message{Size: s.Size(), UID: x.uid}
	}
	return list, nil
}

func (m *maildrop) Open(_ context.Context, i int) (io.ReadCloser, error) {
	x := &m.messages[i]
	if x.err == nil {
		return io.NopCloser(bytes.NewReader(x.data)), nil
	}
	head := x.data[:min(max(x.after, 0), len(x.data))]
	return io.NopCloser(io.MultiReader(bytes.NewReader(head), failing{x.err})), nil
}

func (m *maildrop) Commit(_ context.Context, deleted []int) error {
	gone := make(map[string]bool, len(deleted))
	for _, i := range deleted {
		gone[m.messages[i].uid] = true
	}
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	if err := m.a.commitErr; err != nil {
		return err
	}
	var kept []message
	for _, x := range m.a.messages {
		if !gone[x.uid] {
			kept = append(kept, x)
		}
	}
	m.a.messages = kept
	return nil
}

func (m *maildrop) Close() error {
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	m.a.locked = false
	return nil
}
