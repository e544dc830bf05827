// GSSAPI (RFC 4752) and GS2-KRB5 (RFC 5801), over contexts that a Kerberos
// library outside of this module gives.

package sasl

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// GSSInitiator begins Kerberos contexts for a client: it holds its tickets or
// knows where they are. It may be called by many goroutines at once.
type GSSInitiator interface {
	// Initiate returns a new context towards the host-based service target,
	// such as "imap@mail.example.org", for mutual authentication with
	// integrity and sequence detection. If bindings is not nil, it is the
	// application data of the channel bindings to put into the context (RFC
	// 2743 section 1.1.6, RFC 4121 section 4.1.1.2), with the addresses
	// empty.
	Initiate(target string, bindings []byte) (GSSContext, error)
}

// GSSAcceptor begins Kerberos contexts for a server: it holds its keys. It may
// be called by many goroutines at once.
type GSSAcceptor interface {
	// Accept returns a new context of the service, such as "imap"; empty for
	// any whose key it has. If bindings is not nil, the context must fail
	// unless the initiator bound it to the same application data.
	Accept(service string, bindings []byte) (GSSContext, error)
}

// GSSContext is one security context of the Kerberos 5 mechanism (RFC 2743,
// RFC 4121), of either side, used by one goroutine. Nothing closes it.
type GSSContext interface {
	// Step takes the peer's token, nil for an initiator's first step, and
	// returns the token to send, empty if there is none. The initial token
	// has the header of RFC 2743 section 3.1. done says that the context is
	// established: for an initiator that the acceptor has proved itself too.
	Step(token []byte) (out []byte, done bool, err error)
	// Wrap is GSS_Wrap with conf_flag false.
	Wrap(msg []byte) ([]byte, error)
	// Unwrap is GSS_Unwrap. It fails for a message whose integrity or
	// sequence is broken.
	Unwrap(token []byte) ([]byte, error)
	// Peer is the initiator's principal, such as "ada@EXAMPLE.ORG", for an
	// acceptor whose context is established.
	Peer() string
}

func gssTarget(line *Line) (string, error) {
	if line.Service == "" || line.Host == "" {
		return "", fmt.Errorf("sasl: GSSAPI: the service or the host is not known")
	}
	return line.Service + "@" + line.Host, nil
}

// The layers of RFC 4752 section 3.3.
const gssNoLayer = 1

type gssapi struct{ creds *Credentials }

func (g *gssapi) Name() string    { return "GSSAPI" }
func (g *gssapi) Cleartext() bool { return false }

func (g *gssapi) Start(line Line) (Exchange, []byte, error) {
	if err := cleanAuthzid("GSSAPI", g.creds.Authzid); err != nil {
		return nil, nil, err
	}
	target, err := gssTarget(&line)
	if err != nil {
		return nil, nil, err
	}
	ctx, err := g.creds.GSSAPI.Initiate(target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: GSSAPI: %w", err)
	}
	token, done, err := ctx.Step(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: GSSAPI: %w", err)
	}
	return &gssapiExchange{ctx: ctx, authzid: g.creds.Authzid, established: done}, append([]byte{}, token...), nil
}

type gssapiExchange struct {
	ctx                    GSSContext
	authzid                string
	established, completed bool
}

func (x *gssapiExchange) Next(challenge []byte) ([]byte, error) {
	if x.completed || len(challenge) > maxChallenge {
		x.completed = false
		return nil, fmt.Errorf("%w: GSSAPI: a challenge that is too long or behind the last", ErrProtocol)
	}
	if !x.established {
		out, done, err := x.ctx.Step(challenge)
		if err != nil {
			return nil, fmt.Errorf("sasl: GSSAPI: %w", err)
		}
		x.established = done
		return append([]byte{}, out...), nil
	}
	offer, err := x.ctx.Unwrap(challenge)
	switch {
	case err != nil:
		return nil, fmt.Errorf("sasl: GSSAPI: %w", err)
	case len(offer) != 4:
		return nil, fmt.Errorf("%w: GSSAPI: expected 4 octets of security layers", ErrProtocol)
	case offer[0]&gssNoLayer == 0:
		return nil, fmt.Errorf("%w: GSSAPI: the server insists on a security layer", ErrProtocol)
	}
	out, err := x.ctx.Wrap(append([]byte{gssNoLayer, 0, 0, 0}, x.authzid...))
	if err != nil {
		return nil, fmt.Errorf("sasl: GSSAPI: %w", err)
	}
	x.completed = true
	return out, nil
}

func (x *gssapiExchange) Done() error {
	if !x.completed {
		return fmt.Errorf("%w: GSSAPI: success without the server's proof", ErrProtocol)
	}
	return nil
}

type gssapiServer struct {
	accept               func() (GSSContext, error)
	check                func(principal, authzid string) (Identity, error)
	ctx                  GSSContext
	established, offered bool
	asked                bool
	rounds               int
	id                   Identity
}

// maxRounds bounds the tokens that a context may take.
const maxRounds = 10

func (s *gssapiServer) Identity() Identity { return s.id }

func (s *gssapiServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	s.asked = true
	s.rounds++
	if len(response) > maxChallenge || s.rounds > maxRounds {
		return nil, false, fmt.Errorf("%w: GSSAPI: a message too long or too many", ErrProtocol)
	}
	switch {
	case s.offered:
		return s.finish(response)
	case s.established:
		if len(response) > 0 {
			return nil, false, fmt.Errorf("%w: GSSAPI: expected an empty message", ErrProtocol)
		}
		return s.offer()
	}
	if s.ctx == nil {
		var err error
		if s.ctx, err = s.accept(); err != nil {
			return nil, false, err
		}
	}
	out, done, err := s.ctx.Step(response)
	if err != nil {
		return nil, false, fmt.Errorf("%w: GSSAPI: %w", ErrFailed, err)
	}
	s.established = done
	if done && len(out) == 0 {
		return s.offer()
	}
	return append([]byte{}, out...), false, nil
}

func (s *gssapiServer) offer() ([]byte, bool, error) {
	out, err := s.ctx.Wrap([]byte{gssNoLayer, 0, 0, 0})
	s.offered = true
	return out, false, err
}

func (s *gssapiServer) finish(response []byte) ([]byte, bool, error) {
	msg, err := s.ctx.Unwrap(response)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("%w: GSSAPI: %w", ErrFailed, err)
	case len(msg) < 4 || !bytes.Equal(msg[:4], []byte{gssNoLayer, 0, 0, 0}):
		return nil, false, fmt.Errorf("%w: GSSAPI: expected no security layer", ErrProtocol)
	case len(msg) > 4+maxPlain || !utf8.Valid(msg[4:]) || bytes.IndexByte(msg[4:], 0) >= 0:
		return nil, false, fmt.Errorf("%w: GSSAPI: an authorization identity that is too long or not UTF-8", ErrProtocol)
	}
	if s.id, err = s.check(s.ctx.Peer(), string(msg[4:])); err != nil {
		return nil, false, err
	}
	s.offered, s.rounds = false, maxRounds
	return nil, true, nil
}

// krb5OID is the DER of 1.2.840.113554.1.2.2.
var krb5OID = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

// appendTokenHeader puts the header of RFC 2743 section 3.1 in front of an
// inner token.
func appendTokenHeader(dst, inner []byte) []byte {
	n := len(krb5OID) + len(inner)
	dst = append(dst, 0x60)
	switch {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n < 0x100:
		dst = append(dst, 0x81, byte(n))
	case n < 0x10000:
		dst = append(dst, 0x82, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(append(dst, krb5OID...), inner...)
}

// cutTokenHeader is the inner token; ok is false if the token has no header of
// Kerberos.
func cutTokenHeader(token []byte) (inner []byte, ok bool) {
	for _, size := range []int{2, 3, 4, 5} {
		if at := size + len(krb5OID); len(token) >= at && bytes.Equal(appendTokenHeader(nil, token[at:])[:at], token[:at]) {
			return token[at:], true
		}
	}
	return nil, false
}

type gs2krb5 struct {
	creds *Credentials
	plus  bool
}

func (g *gs2krb5) Name() string {
	if g.plus {
		return "GS2-KRB5-PLUS"
	}
	return "GS2-KRB5"
}

func (g *gs2krb5) Cleartext() bool { return false }

func (g *gs2krb5) Start(line Line) (Exchange, []byte, error) {
	if err := cleanAuthzid("GS2-KRB5", g.creds.Authzid); err != nil {
		return nil, nil, err
	}
	target, err := gssTarget(&line)
	if err != nil {
		return nil, nil, err
	}
	h, data, err := clientGS2(&line, g.Name(), g.plus, g.creds.Binding, g.creds.Authzid)
	if err != nil {
		return nil, nil, err
	}
	header := h.append(nil)
	ctx, err := g.creds.GSSAPI.Initiate(target, append(bytes.Clone(header), data...))
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: GS2-KRB5: %w", err)
	}
	token, done, err := ctx.Step(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: GS2-KRB5: %w", err)
	}
	inner, ok := cutTokenHeader(token)
	if !ok {
		header, inner = append([]byte("F,"), header...), token
	}
	return &gs2Exchange{ctx: ctx, done: done}, append(header, inner...), nil
}

type gs2Exchange struct {
	ctx  GSSContext
	done bool
}

func (x *gs2Exchange) Next(challenge []byte) ([]byte, error) {
	if x.done || len(challenge) > maxChallenge {
		x.done = false
		return nil, fmt.Errorf("%w: GS2-KRB5: a challenge that is too long or behind the last", ErrProtocol)
	}
	out, done, err := x.ctx.Step(challenge)
	if err != nil {
		return nil, fmt.Errorf("sasl: GS2-KRB5: %w", err)
	}
	x.done = done
	return append([]byte{}, out...), nil
}

func (x *gs2Exchange) Done() error {
	if !x.done {
		return fmt.Errorf("%w: GS2-KRB5: success without the server's proof", ErrProtocol)
	}
	return nil
}

type gs2Server struct {
	plus, plusOffered bool
	line              Line
	accept            func(bindings []byte) (GSSContext, error)
	check             func(principal, authzid string) (Identity, error)
	ctx               GSSContext
	asked, over       bool
	authzid           string
	rounds            int
	id                Identity
}

func (s *gs2Server) Identity() Identity { return s.id }

func (s *gs2Server) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	s.asked = true
	s.rounds++
	if len(response) > maxChallenge || s.rounds > maxRounds || s.over {
		return nil, false, fmt.Errorf("%w: GS2-KRB5: a message too long or too many", ErrProtocol)
	}
	if s.ctx == nil {
		g, inner, err := parseGS2(response)
		if err != nil {
			return nil, false, err
		}
		data, err := g.check(&s.line, s.plus, s.plusOffered)
		if err != nil {
			return nil, false, err
		}
		s.authzid = g.authzid
		header := bytes.TrimPrefix(response[:len(response)-len(inner)], []byte("F,"))
		if s.ctx, err = s.accept(append(bytes.Clone(header), data...)); err != nil {
			return nil, false, err
		}
		response = inner
		if !g.nonstd {
			response = appendTokenHeader(nil, inner)
		}
	}
	out, done, err := s.ctx.Step(response)
	if err != nil {
		return nil, false, fmt.Errorf("%w: GS2-KRB5: %w", ErrFailed, err)
	}
	if !done {
		return append([]byte{}, out...), false, nil
	}
	s.over = true
	if s.id, err = s.check(s.ctx.Peer(), s.authzid); err != nil {
		return nil, false, err
	}
	if len(out) == 0 {
		return nil, true, nil
	}
	return out, true, nil
}
