package imapserver

// What a client does before it is logged in: CAPABILITY, ID, STARTTLS, LOGIN,
// AUTHENTICATE.

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/sasl"
)

func (s *session) line() sasl.Line { return saslline.Server(s.c.Conn, "imap", s.srv.tls) }

// capabilities is what the server can do in the present state.
func (s *session) capabilities() imap.Capabilities {
	caps := imap.Capabilities{imap.CapIMAP4rev1, imap.CapLiteralPlus, imap.CapID, imap.CapEnable}
	if s.sess == nil {
		caps = append(caps, imap.CapSASLIR)
		if s.canStartTLS() {
			caps = append(caps, imap.CapStartTLS)
		}
		for _, m := range s.srv.Auth.Mechanisms(s.line()) {
			caps = append(caps, imap.CapAuth(m))
		}
		if !s.srv.Auth.CanPassword(s.line()) {
			caps = append(caps, imap.CapLoginDisabled)
		}
		return caps
	}
	caps = append(caps, imap.CapIdle, imap.CapNamespace, imap.CapChildren, imap.CapUIDPlus, imap.CapUnselect,
		imap.CapListExtended, imap.CapListStatus, imap.CapSpecialUse)
	if u, ok := s.sess.(SpecialUser); ok && len(u.SpecialUses()) > 0 {
		caps = append(caps, imap.CapCreateSpecialUse)
	}
	if _, ok := s.sess.(Mover); ok {
		caps = append(caps, imap.CapMove)
	}
	return append(caps, imap.CapAppendLimit+imap.Capability("="+strconv.FormatInt(s.srv.Limits.Append, 10)))
}

func (s *session) idCommand(a *imapwire.ID) (result, error) {
	s.conn.clientID = slices.Clone(a.Params)
	s.put(&imapwire.IDData{Params: s.srv.ID})
	return result{}, nil
}

func (s *session) canStartTLS() bool { return s.srv.tls != nil && !s.c.IsTLS() }

// startTLS is STARTTLS. What came behind it in plaintext is never run: the
// connection ends.
func (s *session) startTLS(ctx context.Context, tag string) (result, error) {
	if !s.canStartTLS() {
		return result{}, badf("TLS is not available or active already")
	}
	if s.c.Buffered() > 0 {
		s.status(tag, imap.BAD, nil, "Octets behind STARTTLS")
		return result{}, s.bye(nil, "Octets behind STARTTLS")
	}
	s.status(tag, imap.OK, nil, "Begin TLS negotiation now")
	if err := s.c.StartTLS(ctx, s.srv.tls); err != nil {
		s.werr = err
		return result{}, &fatal{err}
	}
	s.conn.clientID = nil
	s.cmds = imapwire.NewCommandReader(s.c.Reader(), s.srv.Limits.preLogin())
	s.cmds.Continue = s.proceed
	return result{}, errAnswered
}

// errAnswered says that a command was answered already.
var errAnswered = errors.New("answered")

func (s *session) login(ctx context.Context, a *imapwire.Login) (result, error) {
	id, err := s.srv.Auth.CheckPassword(ctx, "LOGIN", s.line(), a.Username, a.Password)
	a.Password = ""
	if err != nil {
		return s.loginFailed(ctx, err)
	}
	return s.open(ctx, id)
}

// authenticate is AUTHENTICATE, with its lines of base64.
func (s *session) authenticate(ctx context.Context, a *imapwire.Authenticate) (result, error) {
	x, err := s.srv.Auth.Start(ctx, a.Mechanism, s.line())
	if err != nil {
		return s.loginFailed(ctx, err)
	}
	defer s.c.MarkRead(s.c.MarkRead(netconn.Secret))
	defer s.c.MarkWrite(s.c.MarkWrite(netconn.Secret))
	response := a.Initial
	for {
		challenge, done, err := x.Next(response)
		if err != nil {
			return s.loginFailed(ctx, err)
		}
		if done && challenge == nil {
			return s.open(ctx, x.Identity())
		}
		s.write(imapwire.AppendSASL(nil, challenge))
		line, err := s.cmds.ReadLine()
		if err != nil {
			if err = asFatal(err); !errors.As(err, new(*fatal)) {
				// It was read to its end: the command is what it breaks.
				err = badf("Line too long")
			}
			return result{}, err
		}
		if string(line) == "*" {
			return result{}, badf("AUTHENTICATE cancelled")
		}
		if response, err = imapwire.DecodeSASL(line); err != nil {
			return result{}, badf("Not base64")
		}
		if done {
			if len(response) > 0 {
				return result{}, badf("Expected an empty line")
			}
			return s.open(ctx, x.Identity())
		}
	}
}

// asFatal makes an error of the stream fatal, and leaves that of one line.
func asFatal(err error) error {
	var pe *imapwire.ParseError
	if errors.As(err, &pe) {
		return err
	}
	return &fatal{err}
}

// loginFailed answers an attempt that failed, late.
func (s *session) loginFailed(ctx context.Context, err error) (result, error) {
	answer := &imap.Error{Kind: imap.NO, Code: imap.CodeAuthenticationFailed, Text: "Authentication failed"}
	switch {
	case errors.Is(err, sasl.ErrFailed):
	case errors.Is(err, sasl.ErrNotAuthorized):
		answer = &imap.Error{Kind: imap.NO, Code: imap.CodeAuthorizationFailed, Text: "Not authorized"}
	case errors.Is(err, sasl.ErrEncryption):
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodePrivacyRequired, Text: "Encryption required"}
	case errors.Is(err, sasl.ErrMechanism):
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "Not an offered way to log in"}
	case errors.Is(err, sasl.ErrProtocol):
		return result{}, badf("Malformed response")
	case errors.Is(err, sasl.ErrTooMany):
		answer = &imap.Error{Kind: imap.NO, Code: imap.CodeUnavailable, Text: "Too many authentication attempts"}
	default:
		s.c.Log.Error("authentication", "error", err)
		answer = &imap.Error{Kind: imap.NO, Code: imap.CodeUnavailable, Text: "Temporary authentication failure"}
	}
	s.failures++
	if d := s.srv.Limits.FailureDelay; d > 0 {
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-s.srv.inner.Done():
		}
		t.Stop()
	}
	if l := s.srv.Limits.MaxAuthFailures; l > 0 && s.failures >= l {
		answer.Kind = imap.BYE
	}
	return result{}, answer
}

// open begins the session of the identity that was proved.
func (s *session) open(ctx context.Context, id sasl.Identity) (result, error) {
	sess, err := s.srv.Backend.Open(ctx, id, s.conn)
	if err != nil {
		var e *imap.Error
		if !errors.As(err, &e) {
			s.c.Log.Error("opening the session of the backend", "error", err)
			e = imap.ErrUnavailable
		}
		return result{}, e
	}
	s.sess, s.id = sess, id
	s.bad = 0
	s.c.SetTransactionDeadline(time.Time{})
	s.c.SetIdleTimeout(s.srv.Limits.IdleTimeout)
	s.cmds.SetLimits(s.srv.Limits.loggedIn())
	return result{imap.CodeCapability{Capabilities: s.capabilities()}, "Logged in"}, nil
}
