package imapserver

// One session: its states, its loop, and the answers to commands.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
)

// session is one connection. Its state is told by what is set: sess once
// authenticated, view once selected.
type session struct {
	srv   *Server
	c     *serve.Session
	conn  *Conn
	cmds  *imapwire.CommandReader
	id    sasl.Identity
	sess  Session
	view  *view
	enc   imapwire.FetchEncoder
	begun bool  // some of the FETCH response that enc has open was sent
	delim *rune // the hierarchy delimiter, once asked for

	commands, bad, failures int
	logout                  bool
	werr                    error
}

// result is what a command that succeeded says.
type result struct {
	code imap.Code
	text string
}

// errEnd ends the session; what there is to say was said.
var errEnd = errors.New("end of the session")

// fatal is an error after which the stream cannot go on.
type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }

func badf(format string, args ...any) error {
	return &imap.Error{Kind: imap.BAD, Text: fmt.Sprintf(format, args...)}
}

func (srv *Server) handle(ctx context.Context, c *serve.Session) error {
	s := &session{srv: srv, c: c, conn: &Conn{c: c}}
	s.cmds = imapwire.NewCommandReader(c.Reader(), srv.Limits.preLogin())
	s.cmds.Continue = s.proceed
	defer s.close()
	if d := srv.Limits.LoginTimeout; d > 0 {
		c.SetTransactionDeadline(time.Now().Add(d))
	}
	err := s.serve(ctx)
	if err == errEnd {
		err = nil
	}
	return err
}

// proceed asks for a literal.
func (s *session) proceed() error {
	s.write(imapwire.AppendContinuation(nil, "Go ahead"))
	return s.flush()
}

func (s *session) close() {
	s.closeView()
	if s.sess != nil {
		sess := s.sess
		s.sess = nil
		if err := sess.Close(); err != nil {
			s.c.Log.Warn("closing the session of the backend", "error", err)
		}
	}
}

func (s *session) serve(ctx context.Context) error {
	greeting := s.srv.Greeting
	if greeting == "" {
		greeting = "IMAP4rev1 server ready"
	}
	s.status("", imap.OK, imap.CodeCapability{Capabilities: s.capabilities()}, greeting)
	if err := s.firstOctet(ctx); err != nil {
		return s.ended(err)
	}
	for {
		s.c.SetState(serve.StateIdle)
		cmd, err := s.cmds.Read()
		s.c.SetState(serve.StateActive)
		if err != nil {
			var pe *imapwire.ParseError
			if !errors.As(err, &pe) {
				return s.ended(err)
			}
			if err := s.refused(pe); err != nil {
				return err
			}
		} else if err := s.command(ctx, cmd); err != nil {
			return s.ended(err)
		}
		if s.werr != nil {
			return s.werr
		}
		if s.logout {
			return nil
		}
		if err := s.countCommand(); err != nil {
			return err
		}
	}
}

// firstOctet ends the connection of a client that speaks something else, TLS
// most of all, which sends no line.
func (s *session) firstOctet(ctx context.Context) error {
	s.c.SetState(serve.StateIdle)
	defer s.c.SetState(serve.StateActive)
	if err := s.c.WaitInput(ctx); err != nil {
		return err
	}
	b, err := s.c.Reader().Peek(1)
	if err != nil {
		return err
	}
	if (b[0] < ' ' || b[0] >= 0x7f) && b[0] != '\r' && b[0] != '\n' {
		return s.bye(nil, "This is IMAP")
	}
	return nil
}

// bye says goodbye and ends the session, for a reason that is worth a line in
// the log.
func (s *session) bye(code imap.Code, text string) error {
	s.c.Log.Info("session closed", "reason", text)
	return s.goodbye(code, text)
}

func (s *session) goodbye(code imap.Code, text string) error {
	s.status("", imap.BYE, code, text)
	_ = s.flush()
	return errEnd
}

// ended says goodbye where the error of a read leaves room for it.
func (s *session) ended(err error) error {
	var t *netconn.TimeoutError
	switch {
	case err == errEnd:
	case errors.Is(err, serve.ErrServerClosed):
		_ = s.goodbye(imap.CodeUnavailable, "Server is shutting down")
	case errors.As(err, &t) && s.werr == nil && t.Kind != netconn.ErrWriteTimeout:
		s.c.SetTransactionDeadline(time.Now().Add(5 * time.Second))
		if s.sess != nil && t.Kind != netconn.ErrTooSlow {
			return s.goodbye(nil, "Autologout; idle for too long")
		}
		_ = s.goodbye(nil, "Too slow")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.EOF
	}
	return err
}

// countCommand ends the session of a client that only makes work.
func (s *session) countCommand() error {
	if l := s.srv.Limits.MaxErrors; l > 0 && s.bad > l {
		return s.bye(imap.CodeClientBug, "Too many bad commands")
	}
	if s.sess == nil {
		s.commands++
		if l := s.srv.Limits.CommandsBeforeLogin; l > 0 && s.commands > l {
			return s.bye(nil, "Too many commands before login")
		}
	}
	return nil
}

// refused answers a command that did not parse.
func (s *session) refused(pe *imapwire.ParseError) error {
	s.bad++
	if s.sess == nil && isHTTP(pe.Tag) {
		return s.bye(nil, "This is IMAP")
	}
	e := pe.Response()
	// What a client gets wrong before it is logged in may be its password.
	var syntax *wire.SyntaxError
	if s.sess == nil && pe.Answer == nil && errors.As(pe.Err, &syntax) {
		without := *syntax
		without.Near = nil
		e.Text = without.Error()
	}
	s.write(imapwire.AppendError(nil, pe.Tag, e))
	if pe.Close || e.Kind == imap.BYE {
		_ = s.flush()
		s.c.Log.Info("session closed", "reason", e.Text)
		return errEnd
	}
	return nil
}

// isHTTP reports whether a tag is a method of HTTP: somebody's browser, made
// to talk to us (cross-protocol attacks).
func isHTTP(tag string) bool {
	switch tag {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI":
		return true
	}
	return false
}

// command runs one command and answers it. An error ends the session.
func (s *session) command(ctx context.Context, cmd *imapwire.Command) error {
	res, err := s.run(ctx, cmd)
	var f *fatal
	if err == errEnd || errors.As(err, &f) {
		return err
	}
	if err == errAnswered {
		return nil
	}
	if err == nil {
		s.bad = min(s.bad, s.badFloor())
		if res.text == "" {
			res.text = cmd.Args.CommandName() + " completed"
		}
		s.status(cmd.Tag, imap.OK, res.code, res.text)
		return nil
	}
	if pe := (*imapwire.ParseError)(nil); errors.As(err, &pe) {
		return s.refused(pe)
	}
	e := s.backendError(err, cmd.Args.CommandName())
	switch e.Kind {
	case imap.BAD:
		s.bad++
		if s.sess == nil && isHTTP(cmd.Tag) {
			return s.bye(nil, "This is IMAP")
		}
	case imap.BYE:
		return s.bye(e.Code, e.Text)
	}
	s.write(imapwire.AppendError(nil, cmd.Tag, e))
	return nil
}

// badFloor is what a good command leaves of the count of bad ones: after login
// nothing, before it all.
func (s *session) badFloor() int {
	if s.sess != nil {
		return 0
	}
	return s.bad
}

// backendError is err as the client hears it; what it does not hear is logged.
func (s *session) backendError(err error, command string) *imap.Error {
	var e *imap.Error
	if errors.As(err, &e) {
		return e
	}
	s.c.Log.Error("backend", "command", command, "error", err)
	return imap.AsError(err)
}

var (
	errNotNow      = &imap.Error{Kind: imap.BAD, Text: "Not in this state"}
	errUnknown     = &imap.Error{Kind: imap.BAD, Text: "Unknown command"}
	errNoneSaved   = &imap.Error{Kind: imap.BAD, Text: "No saved search result here"}
	errReadOnly    = imap.ErrReadOnly
	errAlreadyAuth = &imap.Error{Kind: imap.BAD, Text: "Already logged in"}
)

func (s *session) run(ctx context.Context, cmd *imapwire.Command) (result, error) {
	switch a := cmd.Args.(type) {
	case *imapwire.Capability:
		s.put(&imapwire.CapabilityData{Capabilities: s.capabilities()})
		return result{}, nil
	case *imapwire.Noop:
		return result{}, s.news(ctx)
	case *imapwire.Logout:
		s.logout = true
		s.status("", imap.BYE, nil, "Logging out")
		return result{}, nil
	case *imapwire.ID:
		return s.idCommand(a)
	}
	if s.sess == nil {
		switch a := cmd.Args.(type) {
		case *imapwire.StartTLS:
			return s.startTLS(ctx, cmd.Tag)
		case *imapwire.Authenticate:
			return s.authenticate(ctx, a)
		case *imapwire.Login:
			return s.login(ctx, a)
		case *imapwire.Unknown:
			return result{}, errUnknown
		}
		return result{}, errNotNow
	}
	switch a := cmd.Args.(type) {
	case *imapwire.StartTLS, *imapwire.Authenticate, *imapwire.Login:
		return result{}, errAlreadyAuth
	case *imapwire.Select:
		return s.selectMailbox(ctx, a)
	case *imapwire.Append:
		res, err := s.append(ctx, a)
		return s.updated(ctx, res, err, true)
	case *imapwire.Status:
		err := s.statusCommand(ctx, a)
		return s.updated(ctx, result{}, err, true)
	case *imapwire.List:
		return s.updated(ctx, result{}, s.list(ctx, a), true)
	case *imapwire.Lsub:
		return s.updated(ctx, result{}, s.lsub(ctx, a), true)
	case *imapwire.Create:
		return s.updated(ctx, result{}, s.create(ctx, a), true)
	case *imapwire.Delete:
		return s.updated(ctx, result{}, s.delete(ctx, a), true)
	case *imapwire.Rename:
		return s.updated(ctx, result{}, s.rename(ctx, a), true)
	case *imapwire.Subscribe:
		return s.updated(ctx, result{}, s.subscribe(ctx, a.Mailbox, true), true)
	case *imapwire.Unsubscribe:
		return s.updated(ctx, result{}, s.subscribe(ctx, a.Mailbox, false), true)
	case *imapwire.Namespace:
		return s.updated(ctx, result{}, s.namespace(ctx), true)
	case *imapwire.Enable:
		s.put(&imapwire.EnabledData{})
		return result{}, nil
	case *imapwire.Idle:
		return result{}, s.idle(ctx)
	case *imapwire.Unknown:
		return result{}, errUnknown
	case *imapwire.Unauthenticate:
		return result{}, errUnknown
	}
	if s.view == nil {
		return result{}, errNotNow
	}
	switch a := cmd.Args.(type) {
	case *imapwire.Check:
		return result{}, s.news(ctx)
	case *imapwire.Close:
		return result{}, s.closeMailbox(ctx)
	case *imapwire.Unselect:
		s.closeView()
		return result{}, nil
	case *imapwire.Expunge:
		return s.updated(ctx, result{}, s.expunge(ctx, a), true)
	case *imapwire.Search:
		res, err := s.search(ctx, a)
		return s.updated(ctx, res, err, a.UID)
	case *imapwire.Fetch:
		res, err := s.fetch(ctx, a)
		return s.updated(ctx, res, err, a.ByUID())
	case *imapwire.Store:
		res, err := s.store(ctx, a)
		return s.updated(ctx, res, err, a.ByUID())
	case *imapwire.Copy:
		res, err := s.copy(ctx, a)
		return s.updated(ctx, res, err, true)
	case *imapwire.Move:
		return s.move(ctx, a)
	}
	return result{}, errUnknown
}

// news is update for a command that is there for nothing else.
func (s *session) news(ctx context.Context) error {
	if s.view == nil {
		return nil
	}
	return s.update(ctx, true, nil)
}

// updated tells the client what happened in the selected mailbox, and passes
// on the result of the command. A BAD command changed nothing and waits for
// nothing. Where it is not known what happened, what the command did is done
// all the same.
func (s *session) updated(ctx context.Context, res result, err error, expunge bool) (result, error) {
	var e *imap.Error
	var f *fatal
	if s.view == nil || errors.As(err, &f) || errors.As(err, &e) && e.Kind == imap.BAD {
		return res, err
	}
	if uerr := s.update(ctx, expunge, nil); uerr != nil {
		if isBye(uerr) {
			return res, uerr
		}
		s.backendError(uerr, "update")
	}
	return res, err
}

func isBye(err error) bool {
	var e *imap.Error
	return errors.As(err, &e) && e.Kind == imap.BYE
}

// write sends octets; an error sticks and ends the session after the command.
func (s *session) write(b []byte) {
	if s.werr == nil {
		_, s.werr = s.c.Write(b)
	}
}

// stopped is why a long command should not go on.
func (s *session) stopped(ctx context.Context) error {
	if s.werr != nil {
		return &fatal{s.werr}
	}
	if err := ctx.Err(); err != nil {
		return &fatal{err}
	}
	return nil
}

func (s *session) flush() error {
	if s.werr == nil {
		s.werr = s.c.Flush()
	}
	return s.werr
}

// status sends a status response.
func (s *session) status(tag string, cond imap.Condition, code imap.Code, text string) {
	if s.werr == nil {
		s.write(imapwire.AppendStatus(s.c.AvailableBuffer(), tag, cond, code, text))
	}
}

// put sends an untagged response. What the grammar has no room for, a
// Backend's odd name say, is logged and left out.
func (s *session) put(r imapwire.Response) {
	if s.werr != nil {
		return
	}
	b, err := imapwire.AppendResponse(s.c.AvailableBuffer(), r, nil)
	if err != nil {
		s.c.Log.Warn("a response that cannot be sent", "error", err)
		return
	}
	s.write(b)
}
