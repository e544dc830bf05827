// What a test has the server do next.

package smtptest

import (
	"context"
	"time"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// Phase is a point in a session at which the server can be made to answer
// otherwise.
type Phase uint8

// The phases.
const (
	Connect Phase = iota // before the greeting
	Helo                 // HELO, EHLO, LHLO
	Mail
	Rcpt
	Data // the message has come, its verdict has not
	phases
)

// Answer is what the server does instead of accepting, or before it.
type Answer struct {
	// Delay is a wait before the answer; the end of the connection or of
	// the test ends it.
	Delay time.Duration
	// Err refuses; see smtpserver.Session for errors. Code 421 closes the
	// connection too.
	Err error
	// Close closes the connection without an answer.
	Close bool
}

// Next scripts the next answers of a phase, of all connections together: each
// is used once, in order, and then all is accepted again.
func (s *Server) Next(p Phase, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[p] = append(s.next[p], answers...)
}

// play does what the script says of a phase.
func (s *Server) play(ctx context.Context, c *smtpserver.Conn, p Phase) error {
	s.mu.Lock()
	var a Answer
	if l := s.next[p]; len(l) > 0 {
		a, s.next[p] = l[0], l[1:]
	}
	s.mu.Unlock()
	if a.Delay > 0 {
		t := time.NewTimer(a.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if a.Close {
		if conn, _, err := c.Hijack(); err == nil {
			_ = conn.Close()
		}
		return smtp.Errorf(421, smtp.EnhancedCode{4, 3, 0}, "closed by the test")
	}
	return a.Err
}
