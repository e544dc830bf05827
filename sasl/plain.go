package sasl

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxPlain bounds each part of a PLAIN message, in octets. RFC 4616 section 2
// bids servers take 255 at least.
const maxPlain = 1024

// Plain returns the mechanism PLAIN (RFC 4616). authzid is the identity to
// act as, empty for the user's own.
func Plain(authzid, user, password string) Mechanism {
	return &plain{authzid, user, password}
}

type plain struct{ authzid, user, password string }

func (p *plain) Name() string    { return "PLAIN" }
func (p *plain) Cleartext() bool { return true }

func (p *plain) Start(Line) (Exchange, []byte, error) {
	if err := clean("PLAIN", p.user, p.password); err != nil {
		return nil, nil, err
	}
	if strings.IndexByte(p.authzid, 0) >= 0 || !utf8.ValidString(p.authzid) {
		return nil, nil, fmt.Errorf("sasl: PLAIN: the authorization identity holds NUL or is not UTF-8")
	}
	return oneStep{}, []byte(p.authzid + "\x00" + p.user + "\x00" + p.password), nil
}

// clean checks credentials that go out as they are.
func clean(mechanism, user, password string) error {
	switch {
	case user == "":
		return fmt.Errorf("sasl: %s: the user name is empty", mechanism)
	case strings.IndexByte(user, 0) >= 0 || !utf8.ValidString(user):
		return fmt.Errorf("sasl: %s: the user name holds NUL or is not UTF-8", mechanism)
	case strings.IndexByte(password, 0) >= 0 || !utf8.ValidString(password):
		return fmt.Errorf("sasl: %s: the password holds NUL or is not UTF-8", mechanism)
	}
	return nil
}

// oneStep is the rest of an exchange whose initial response said all.
type oneStep struct{}

func (oneStep) Next([]byte) ([]byte, error) {
	return nil, fmt.Errorf("%w: a challenge after the last message", ErrProtocol)
}
func (oneStep) Done() error { return nil }

type plainServer struct {
	check passwordCheck
	asked bool
	id    Identity
}

func (s *plainServer) Identity() Identity { return s.id }

func (s *plainServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, fmt.Errorf("%w: PLAIN wants authzid NUL user NUL password", ErrProtocol)
	}
	for _, p := range parts {
		if len(p) > maxPlain || !utf8.Valid(p) {
			return nil, false, fmt.Errorf("%w: PLAIN: a part is not UTF-8 or longer than %d octets", ErrProtocol, maxPlain)
		}
	}
	id, err := s.check(string(parts[0]), string(parts[1]), string(parts[2]))
	if err != nil {
		return nil, false, err
	}
	s.id = id
	return nil, true, nil
}
