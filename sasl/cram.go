// CRAM-MD5 (RFC 2195).

package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxChallenge bounds the challenges and responses of mechanisms that have no
// bound of their own, in octets.
const maxChallenge = 12288

type cram struct{ user, password string }

func (c *cram) Name() string    { return "CRAM-MD5" }
func (c *cram) Cleartext() bool { return false }

func (c *cram) Start(Line) (Exchange, []byte, error) {
	if err := clean("CRAM-MD5", c.user, c.password); err != nil {
		return nil, nil, err
	}
	return &cramExchange{c: c}, nil, nil
}

type cramExchange struct {
	c    *cram
	done bool
}

func (x *cramExchange) Next(challenge []byte) ([]byte, error) {
	if x.done || len(challenge) == 0 || len(challenge) > maxChallenge {
		return nil, fmt.Errorf("%w: CRAM-MD5: a challenge that is empty, too long or the second", ErrProtocol)
	}
	x.done = true
	return append([]byte(x.c.user+" "), cramDigest(x.c.password, challenge)...), nil
}

func (x *cramExchange) Done() error {
	if !x.done {
		return fmt.Errorf("%w: CRAM-MD5: success without a challenge", ErrProtocol)
	}
	return nil
}

func cramDigest(secret string, challenge []byte) []byte {
	m := hmac.New(md5.New, []byte(secret))
	m.Write(challenge)
	return hex.AppendEncode(nil, m.Sum(nil))
}

type cramServer struct {
	challenge string
	verify    func(user string, good func(secret string) bool) (Identity, error)
	asked     bool
	id        Identity
}

func (s *cramServer) Identity() Identity { return s.id }

func (s *cramServer) Next(response []byte) ([]byte, bool, error) {
	if !s.asked {
		if len(response) > 0 {
			return nil, false, fmt.Errorf("%w: CRAM-MD5 has no initial response", ErrProtocol)
		}
		s.asked = true
		return []byte(s.challenge), false, nil
	}
	at := bytes.LastIndexByte(response, ' ')
	if s.challenge == "" || at < 1 || at > maxPlain || !utf8.Valid(response) || bytes.IndexByte(response, 0) >= 0 {
		return nil, false, fmt.Errorf("%w: CRAM-MD5: expected user SP digest", ErrProtocol)
	}
	challenge := s.challenge
	s.challenge = ""
	id, err := s.verify(string(response[:at]), func(secret string) bool {
		return hmac.Equal(response[at+1:], cramDigest(secret, []byte(challenge)))
	})
	if err != nil {
		return nil, false, err
	}
	s.id = id
	return nil, true, nil
}

// cramChallenge is a msg-id that comes once.
func cramChallenge(nonce, host string) string {
	if host == "" {
		host = "localhost"
	}
	// The client's HMAC needs no more than uniqueness; RFC 2195 asks for the
	// form of a message identifier.
	nonce = strings.NewReplacer("+", "-", "/", "_", "=", "", ">", "", "<", "", "@", "").Replace(nonce)
	return "<" + nonce + "@" + host + ">"
}
