// SCRAM, the server's side.

package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

type scramServer struct {
	hash        Hash
	plus        bool
	plusOffered bool
	line        Line
	// keys are those of a user, fake if there is no such user.
	keys  func(user string) (k *ScramKeys, known bool, err error)
	grant func(user, authzid string, err error) (Identity, error)
	nonce func() string

	step                  int
	user, authzid         string
	k                     *ScramKeys
	known                 bool
	serverNonce           string
	cbind                 []byte
	bare, serverFirstText string
	id                    Identity
}

func (s *scramServer) Identity() Identity { return s.id }

func (s *scramServer) bad(what string) error { return fmt.Errorf("%w: SCRAM: %s", ErrProtocol, what) }

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	if len(response) > maxScram {
		return nil, false, s.bad("the message is too long")
	}
	s.step++
	switch s.step {
	case 1:
		if response == nil {
			s.step = 0
			return []byte{}, false, nil
		}
		challenge, err := s.first(response)
		return challenge, false, err
	case 2:
		return s.final(string(response))
	}
	return nil, false, s.bad("a message after the last")
}

func (s *scramServer) first(msg []byte) ([]byte, error) {
	g, rest, err := parseGS2(msg)
	if err != nil {
		return nil, err
	}
	if g.nonstd {
		return nil, s.bad("expected n, y or p=")
	}
	data, err := g.check(&s.line, s.plus, s.plusOffered)
	if err != nil {
		return nil, err
	}
	s.cbind = append(bytes.Clone(msg[:len(msg)-len(rest)]), data...)
	s.bare = string(rest)
	parts := strings.SplitN(s.bare, ",", 3)
	if len(parts) < 2 || len(parts) == 3 && !validExtensions(parts[2]) {
		return nil, s.bad("expected n= and r=")
	}
	name, ok := strings.CutPrefix(parts[0], "n=")
	nonce, ok2 := strings.CutPrefix(parts[1], "r=")
	if !ok || !ok2 || !isNonce(nonce) {
		return nil, s.bad("expected n= and r=")
	}
	if name, err = parseName(name); err != nil {
		return nil, err
	}
	if s.user, err = saslPrep(name, true); err != nil || s.user == "" {
		return nil, s.bad("the user name is not of SASLprep")
	}
	s.authzid = g.authzid
	if s.k, s.known, err = s.keys(s.user); err != nil {
		return nil, err
	}
	s.serverNonce = nonce + s.nonce()
	s.serverFirstText = fmt.Sprintf("r=%s,s=%s,i=%d", s.serverNonce, base64.StdEncoding.EncodeToString(s.k.Salt), s.k.Iterations)
	return []byte(s.serverFirstText), nil
}

func (s *scramServer) final(msg string) ([]byte, bool, error) {
	at := strings.LastIndex(msg, ",p=")
	if at < 0 {
		return nil, false, s.bad("expected p=")
	}
	without := msg[:at]
	proof, err := decode64(msg[at+3:])
	if err != nil || len(proof) != s.hash.size() {
		return nil, false, s.bad("expected a proof in base64")
	}
	parts := strings.SplitN(without, ",", 3)
	if len(parts) < 2 || len(parts) == 3 && !validExtensions(parts[2]) {
		return nil, false, s.bad("expected c= and r=")
	}
	c, ok := strings.CutPrefix(parts[0], "c=")
	if !ok {
		return nil, false, s.bad("expected c=")
	}
	cbind, err := decode64(c)
	if err != nil {
		return nil, false, s.bad("the channel binding is not base64")
	}
	good := subtle.ConstantTimeCompare(cbind, s.cbind) & subtle.ConstantTimeCompare([]byte(parts[1]), []byte("r="+s.serverNonce))
	authMessage := s.bare + "," + s.serverFirstText + "," + without
	clientKey := mac(s.hash, s.k.StoredKey, authMessage)
	for i := range clientKey {
		clientKey[i] ^= proof[i]
	}
	signature := mac(s.hash, s.k.ServerKey, authMessage)
	if !hmac.Equal(sum(s.hash, clientKey), s.k.StoredKey) {
		good = 0
	}
	if good == 0 || !s.known {
		err = ErrFailed
	}
	if s.id, err = s.grant(s.user, s.authzid, err); err != nil {
		return nil, false, err
	}
	return base64.StdEncoding.AppendEncode([]byte("v="), signature), true, nil
}
