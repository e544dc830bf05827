package sasl

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Login returns the mechanism LOGIN (draft-murchison-sasl-login), which is
// obsolete and all that some servers have.
func Login(user, password string) Mechanism { return &login{user, password} }

type login struct{ user, password string }

func (l *login) Name() string    { return "LOGIN" }
func (l *login) Cleartext() bool { return true }

func (l *login) Start(Line) (Exchange, []byte, error) {
	if err := clean("LOGIN", l.user, l.password); err != nil {
		return nil, nil, err
	}
	return &loginExchange{l: *l}, nil, nil
}

type loginExchange struct {
	l    login
	step int
}

// Next answers by the order of the challenges: their texts differ from server
// to server.
func (x *loginExchange) Next([]byte) ([]byte, error) {
	x.step++
	switch x.step {
	case 1:
		return []byte(x.l.user), nil
	case 2:
		return []byte(x.l.password), nil
	}
	return nil, fmt.Errorf("%w: LOGIN: a third challenge", ErrProtocol)
}

func (x *loginExchange) Done() error {
	if x.step < 2 {
		return fmt.Errorf("%w: LOGIN: success before the password was asked for", ErrProtocol)
	}
	return nil
}

type loginServer struct {
	check   passwordCheck
	started bool
	user    []byte
	id      Identity
}

func (s *loginServer) Identity() Identity { return s.id }

func (s *loginServer) Next(response []byte) ([]byte, bool, error) {
	if !s.started {
		s.started = true
		if response == nil {
			return []byte("Username:"), false, nil
		}
	}
	if len(response) > maxPlain || !utf8.Valid(response) || bytes.IndexByte(response, 0) >= 0 {
		return nil, false, fmt.Errorf("%w: LOGIN: a part holds NUL, is not UTF-8 or is longer than %d octets", ErrProtocol, maxPlain)
	}
	if s.user == nil {
		s.user = append([]byte{}, response...)
		return []byte("Password:"), false, nil
	}
	id, err := s.check("", string(s.user), string(response))
	if err != nil {
		return nil, false, err
	}
	s.id = id
	return nil, true, nil
}
