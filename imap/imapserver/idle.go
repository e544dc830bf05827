package imapserver

// IDLE (RFC 2177).

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
)

// idle pushes what happens in the selected mailbox until the client says DONE.
// While the client is waited for, a goroutine waits in the Backend; it has
// returned before anything else is asked of the Backend.
func (s *session) idle(ctx context.Context) error {
	if s.view != nil {
		if err := s.update(ctx, true, nil); err != nil {
			return err
		}
	}
	s.write(imapwire.AppendContinuation(nil, "idling"))
	// The client's time to say something is not begun anew by what is pushed
	// to it.
	limit := s.srv.Limits.IdleTimeout
	end := time.Now().Add(limit)
	defer s.c.SetIdleTimeout(limit)
	pause := time.Duration(0)
	for {
		if err := s.flush(); err != nil {
			return &fatal{err}
		}
		if limit > 0 {
			s.c.SetIdleTimeout(max(time.Until(end), time.Nanosecond))
		}
		changed, err := s.idleWait(ctx, pause)
		if isBye(err) {
			return err
		}
		if err != nil {
			return &fatal{err}
		}
		if !changed {
			break
		}
		advanced, err := s.idleUpdate(ctx)
		if err != nil {
			return err
		}
		// A Backend that says too early that there is something is not asked
		// again at once.
		if pause = 0; !advanced {
			pause = idlePause
		}
	}
	line, err := s.cmds.ReadLine()
	if err != nil {
		return asFatal(err)
	}
	if !strings.EqualFold(strings.TrimRight(string(line), " "), "DONE") {
		return badf("Expected DONE")
	}
	return nil
}

const idlePause = time.Second

// idleUpdate tells what Wait announced. advanced is false where there was
// nothing. What happened may be nothing to tell of, a message that came and
// went: then Status says how far the mailbox is.
func (s *session) idleUpdate(ctx context.Context) (advanced bool, err error) {
	before := s.view.modseq
	if err := s.update(ctx, true, nil); err != nil || s.view.modseq > before {
		return true, err
	}
	st, err := s.view.mbox.Status(ctx)
	if err != nil {
		return false, s.viewError(err)
	}
	if err := s.update(ctx, true, nil); err != nil {
		return false, err
	}
	s.view.modseq = max(s.view.modseq, st.HighestModSeq)
	return s.view.modseq > before, nil
}

// idleWait waits for input, or until the mailbox changed, which it is asked
// after a pause.
func (s *session) idleWait(ctx context.Context, pause time.Duration) (changed bool, err error) {
	s.c.SetState(serve.StateIdle)
	defer s.c.SetState(serve.StateActive)
	if s.view == nil {
		return false, s.waitInput(ctx)
	}
	if pause > 0 {
		pctx, cancel := context.WithTimeout(ctx, pause)
		err := s.waitInput(pctx)
		cancel()
		var i *netconn.InterruptError
		if !errors.As(err, &i) || ctx.Err() != nil {
			return false, err
		}
	}
	wctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	mbox, since := s.view.mbox, s.view.modseq
	go func() {
		var err error
		defer func() {
			if v := recover(); v != nil {
				err = &panicked{v}
			}
			if err == nil || wctx.Err() == nil {
				s.c.Wake()
			}
			done <- err
		}()
		err = mbox.Wait(wctx, since)
	}()
	inputErr := s.c.WaitInput(ctx)
	cancel()
	waitErr := <-done
	var p *panicked
	if errors.As(waitErr, &p) {
		panic(p.value)
	}
	if inputErr == nil {
		return false, nil
	}
	if inputErr != netconn.ErrWoken {
		return false, inputErr
	}
	if waitErr != nil && !errors.Is(waitErr, context.Canceled) {
		var e *imap.Error
		if !errors.As(waitErr, &e) {
			s.c.Log.Error("backend", "command", "IDLE", "error", waitErr)
			return false, &imap.Error{Kind: imap.BYE, Code: imap.CodeUnavailable, Text: "Internal error"}
		}
	}
	return true, nil
}

// waitInput waits for input alone. A Wait that is over may have woken the
// connection when nobody listened any more.
func (s *session) waitInput(ctx context.Context) error {
	for {
		if err := s.c.WaitInput(ctx); err != netconn.ErrWoken {
			return err
		}
	}
}

// panicked carries a panic of the Backend to the session's own goroutine.
type panicked struct{ value any }

func (p *panicked) Error() string { return "panic in Wait" }
