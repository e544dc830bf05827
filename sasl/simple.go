// EXTERNAL (RFC 4422 appendix A) and ANONYMOUS (RFC 4505).

package sasl

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

type external struct{ authzid string }

func (e *external) Name() string    { return "EXTERNAL" }
func (e *external) Cleartext() bool { return false }

func (e *external) Start(Line) (Exchange, []byte, error) {
	if err := cleanAuthzid("EXTERNAL", e.authzid); err != nil {
		return nil, nil, err
	}
	return oneStep{}, []byte(e.authzid), nil
}

type externalServer struct {
	check func(authzid string) (Identity, error)
	asked bool
	id    Identity
}

func (s *externalServer) Identity() Identity { return s.id }

func (s *externalServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	if len(response) > maxPlain || !utf8.Valid(response) || bytes.IndexByte(response, 0) >= 0 {
		return nil, false, fmt.Errorf("%w: EXTERNAL: the identity holds NUL, is not UTF-8 or is longer than %d octets", ErrProtocol, maxPlain)
	}
	id, err := s.check(string(response))
	if err != nil {
		return nil, false, err
	}
	s.id = id
	return nil, true, nil
}

// maxTrace bounds ANONYMOUS's trace information, in characters (RFC 4505
// section 2).
const maxTrace = 255

type anonymous struct{ trace string }

func (a *anonymous) Name() string    { return "ANONYMOUS" }
func (a *anonymous) Cleartext() bool { return false }

func (a *anonymous) Start(Line) (Exchange, []byte, error) {
	if !isTrace(a.trace) {
		return nil, nil, fmt.Errorf("sasl: ANONYMOUS: the trace holds control characters, is not UTF-8 or is longer than %d characters", maxTrace)
	}
	return oneStep{}, []byte(a.trace), nil
}

func isTrace(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxTrace {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

type anonymousServer struct {
	check func(trace string) (Identity, error)
	asked bool
	id    Identity
}

func (s *anonymousServer) Identity() Identity { return s.id }

func (s *anonymousServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	if !isTrace(string(response)) {
		return nil, false, fmt.Errorf("%w: ANONYMOUS: the trace holds control characters, is not UTF-8 or is longer than %d characters", ErrProtocol, maxTrace)
	}
	id, err := s.check(string(response))
	if err != nil {
		return nil, false, err
	}
	s.id = id
	return nil, true, nil
}
