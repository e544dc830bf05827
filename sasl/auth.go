package sasl

import (
	"context"
	"strings"
)

// Auth is how a server authenticates, whatever the protocol. A nil Auth and
// one with no check set offer nothing.
type Auth struct {
	// Password checks a user's password. It returns nil if it is right,
	// ErrFailed if the user is not known or the password is wrong, which
	// should cost the same, and any other error for a fault of its own,
	// which is reported as temporary. It may be called by many goroutines
	// at once; ctx ends with the connection.
	Password func(ctx context.Context, user, password string) error

	// Authorize says whether user, who has proved to be that, may act as
	// authzid, which is another: nil or ErrNotAuthorized. Without it no user
	// may act as another.
	Authorize func(ctx context.Context, user, authzid string) error

	// AllowCleartext offers mechanisms that show the secret on a line that
	// is not encrypted too.
	AllowCleartext bool
}

// Mechanisms returns the names of the mechanisms offered on line, the
// strongest first.
func (a *Auth) Mechanisms(line Line) []string {
	if a.CanPassword(line) {
		return []string{"PLAIN", "LOGIN"}
	}
	return nil
}

// CanPassword reports whether a name and a password are taken as they are on
// line: by PLAIN and LOGIN, POP3's USER and PASS, IMAP's LOGIN.
func (a *Auth) CanPassword(line Line) bool {
	return a != nil && a.Password != nil && (line.Encrypted || a.AllowCleartext)
}

// NeedsEncryption reports whether more is offered once line is encrypted.
func (a *Auth) NeedsEncryption(line Line) bool {
	return a != nil && a.Password != nil && !line.Encrypted && !a.AllowCleartext
}

// Start begins an exchange of the named mechanism. The error is ErrMechanism
// or ErrEncryption.
func (a *Auth) Start(ctx context.Context, mechanism string, line Line) (Server, error) {
	plain := strings.EqualFold(mechanism, "PLAIN")
	login := strings.EqualFold(mechanism, "LOGIN")
	switch {
	case !plain && !login, a == nil, a.Password == nil:
		return nil, ErrMechanism
	case !a.CanPassword(line):
		return nil, ErrEncryption
	case plain:
		return &plainServer{check: a.check(ctx, "PLAIN")}, nil
	}
	return &loginServer{check: a.check(ctx, "LOGIN")}, nil
}

// CheckPassword authenticates by a name and a password given as they are,
// for POP3's USER and PASS and IMAP's LOGIN; via names the command. The error
// is as Server.Next's, or ErrMechanism or ErrEncryption.
func (a *Auth) CheckPassword(ctx context.Context, via string, line Line, user, password string) (Identity, error) {
	if a == nil || a.Password == nil {
		return Identity{}, ErrMechanism
	}
	if !a.CanPassword(line) {
		return Identity{}, ErrEncryption
	}
	return a.check(ctx, via)("", user, password)
}

type passwordCheck func(authzid, user, password string) (Identity, error)

func (a *Auth) check(ctx context.Context, mechanism string) passwordCheck {
	return func(authzid, user, password string) (Identity, error) {
		if user == "" || password == "" {
			return Identity{}, ErrFailed
		}
		if err := a.Password(ctx, user, password); err != nil {
			return Identity{}, err
		}
		id := Identity{User: user, Mechanism: mechanism}
		if authzid == "" || authzid == user {
			return id, nil
		}
		if a.Authorize == nil {
			return Identity{}, ErrNotAuthorized
		}
		if err := a.Authorize(ctx, user, authzid); err != nil {
			return Identity{}, err
		}
		id.Authzid = authzid
		return id, nil
	}
}
