package sasl

import "time"

// What tests see of the inside: fixed nonces and times.

func (c *Credentials) SetNonce(s string)     { c.nonce = func() string { return s } }
func (c *Credentials) SetTime(t time.Time)   { c.now = func() time.Time { return t } }
func (c *Credentials) SetNTLMNonce(b []byte) { c.NTLM.clientChallenge = b }
func (a *Auth) SetNonce(s string)            { a.nonce = func() string { return s } }

// SetCRAMChallenge makes the exchange send a challenge.
func SetCRAMChallenge(s Server, challenge string) {
	s.(*examined).Server.(*cramServer).challenge = challenge
}

var (
	MD4               = md4
	NTOWFv2           = ntowfv2
	NTLMv2Response    = ntlmV2
	AppendTokenHeader = appendTokenHeader
	CutTokenHeader    = cutTokenHeader
	AllMechanisms     = allMechanisms
	ServerMechanisms  = serverMechanisms
)

// NTLMv1Response is the response to a challenge with the flags.
func NTLMv1Response(password string, ess bool, server, client []byte) (lm, nt []byte) {
	ch := &ntlmChallenge{nonce: server}
	if ess {
		ch.flags = ntlmESS
	}
	return ntlmV1(password, ch, client)
}
