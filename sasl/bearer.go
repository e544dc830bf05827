// OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's), the client's
// side and the messages.

package sasl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// BearerError is a server's word on a token that it refuses (RFC 7628 section
// 3.2.2). Auth.Token may return one to have it told to the client, whose
// login fails with it.
type BearerError struct {
	// Status is "invalid_token", "insufficient_scope" or another code of the
	// OAuth registry; in XOAUTH2 the code of an HTTP response.
	Status string `json:"status"`
	// Schemes are the kinds of token taken, such as "bearer".
	Schemes string `json:"schemes,omitempty"`
	// Scope is a scope that the token needs.
	Scope string `json:"scope,omitempty"`
	// Configuration is the address of an OpenID Provider Configuration.
	Configuration string `json:"openid-configuration,omitempty"`
}

func (e *BearerError) Error() string {
	s := fmt.Sprintf("the token was refused: %q", clip(e.Status))
	if e.Scope != "" {
		s += fmt.Sprintf(", needed scope %q", clip(e.Scope))
	}
	return s
}

// Is makes a refused token ErrFailed.
func (e *BearerError) Is(target error) bool { return target == ErrFailed }

type bearer struct {
	name  string // OAUTHBEARER or XOAUTH2
	creds *Credentials
	token string
}

func (b *bearer) Name() string    { return b.name }
func (b *bearer) Cleartext() bool { return true }

func (b *bearer) Start(line Line) (Exchange, []byte, error) {
	user := b.creds.User
	if b.creds.Authzid != "" {
		user = b.creds.Authzid
	}
	switch {
	case !isToken(b.token):
		return nil, nil, fmt.Errorf("sasl: %s: the token is empty or not of printable characters", b.name)
	case strings.ContainsAny(user, "\x00\x01\r\n") || !utf8.ValidString(user):
		return nil, nil, fmt.Errorf("sasl: %s: the user name holds control characters or is not UTF-8", b.name)
	case strings.ContainsAny(line.Host, "\x00\x01\r\n"):
		return nil, nil, fmt.Errorf("sasl: %s: the host name holds control characters", b.name)
	}
	x := &bearerExchange{b: b}
	if b.name == "XOAUTH2" {
		if user == "" {
			return nil, nil, fmt.Errorf("sasl: XOAUTH2: the user name is empty")
		}
		return x, []byte("user=" + user + "\x01auth=Bearer " + b.token + "\x01\x01"), nil
	}
	msg := (&gs2{flag: 'n', authzid: user}).append(nil)
	msg = append(msg, 1)
	if line.Host != "" {
		msg = append(append(append(msg, "host="...), line.Host...), 1)
	}
	if line.Port != 0 {
		msg = append(strconv.AppendInt(append(msg, "port="...), int64(line.Port), 10), 1)
	}
	msg = append(append(msg, "auth=Bearer "...), b.token...)
	return x, append(msg, 1, 1), nil
}

// isToken reports whether s can stand in a message: RFC 6750's b64token and
// whatever else is printable.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

type bearerExchange struct {
	b    *bearer
	told *BearerError
}

// Next takes the server's error, the one challenge that there is.
func (x *bearerExchange) Next(challenge []byte) ([]byte, error) {
	if x.told != nil || len(challenge) > maxChallenge {
		return nil, fmt.Errorf("%w: %s: a challenge that is too long or the second", ErrProtocol, x.b.name)
	}
	x.told = new(BearerError)
	// What is no JSON tells nothing, and is an error all the same.
	if json.Unmarshal(challenge, x.told) != nil {
		*x.told = BearerError{}
	}
	if x.b.name == "XOAUTH2" {
		return []byte{}, nil
	}
	return []byte{1}, nil
}

func (x *bearerExchange) Done() error {
	if x.told != nil {
		return fmt.Errorf("%w: %s: success after an error", ErrProtocol, x.b.name)
	}
	return nil
}

// BearerToken is what a client presents.
type BearerToken struct {
	Token string
	// User is whom the client wants to be; empty if it does not say. It is
	// no more than a claim.
	User string
	// Host and Port are where the client believes to have connected to;
	// empty and 0 if it does not say.
	Host string
	Port int
}

type bearerServer struct {
	name  string
	check func(t BearerToken) (Identity, error)
	// refuse is what to tell of a message that has no token.
	refused error
	asked   bool
	id      Identity
}

func (s *bearerServer) Identity() Identity { return s.id }

func (s *bearerServer) Next(response []byte) ([]byte, bool, error) {
	if s.refused != nil {
		// RFC 7628 section 3.2.3: whatever the client says to the error.
		return nil, false, s.refused
	}
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	if len(response) > maxChallenge {
		return nil, false, s.bad("the message is too long")
	}
	parse := parseXOAuth2
	if s.name == "OAUTHBEARER" {
		parse = parseOAuthBearer
	}
	t, err := parse(string(response))
	if err != nil {
		return nil, false, s.bad(err.Error())
	}
	id, err := s.check(t)
	if err == nil {
		s.id = id
		return nil, true, nil
	}
	return s.fail(err)
}

func (s *bearerServer) bad(what string) error {
	return fmt.Errorf("%w: %s: %s", ErrProtocol, s.name, what)
}

// fail sends the error to the client before the exchange fails by it.
func (s *bearerServer) fail(err error) ([]byte, bool, error) {
	tell, ok := err.(*BearerError)
	switch {
	case ok:
		s.refused = fmt.Errorf("%w: %w", ErrFailed, tell)
	case err == ErrFailed:
		tell, s.refused = &BearerError{Status: "invalid_token", Schemes: "bearer"}, ErrFailed
	default:
		return nil, false, err
	}
	if s.name == "XOAUTH2" && tell.Status == "invalid_token" {
		// Google's form, which clients look for.
		c := *tell
		c.Status = "401"
		tell = &c
	}
	challenge, err := json.Marshal(tell)
	return challenge, false, err
}

func parseXOAuth2(msg string) (t BearerToken, err error) {
	parts := strings.Split(msg, "\x01")
	if len(parts) != 4 || parts[2] != "" || parts[3] != "" {
		return t, syntaxError("expected user= ^A auth= ^A ^A")
	}
	user, ok := strings.CutPrefix(parts[0], "user=")
	auth, ok2 := strings.CutPrefix(parts[1], "auth=")
	if !ok || !ok2 || user == "" || len(user) > maxPlain || !isName(user) {
		return t, syntaxError("expected user= ^A auth= ^A ^A")
	}
	t.User = user
	t.Token, err = parseBearer(auth)
	return t, err
}

func isName(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func parseBearer(auth string) (string, error) {
	if auth == "" {
		return "", nil // a question for the scope (RFC 7628 section 4.3)
	}
	scheme, token, ok := strings.Cut(auth, " ")
	token = strings.TrimLeft(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !isToken(token) {
		return "", syntaxError("expected Bearer and a token")
	}
	return token, nil
}

func parseOAuthBearer(msg string) (t BearerToken, err error) {
	g, rest, err := parseGS2([]byte(msg))
	if err != nil || g.nonstd || g.flag == 'p' {
		return t, syntaxError("expected a GS2 header with n or y")
	}
	t.User = g.authzid
	pairs := strings.Split(string(rest), "\x01")
	n := len(pairs)
	if n < 3 || pairs[0] != "" || pairs[n-1] != "" || pairs[n-2] != "" {
		return t, syntaxError("expected ^A, pairs that each end in ^A, ^A")
	}
	seen := map[string]bool{}
	auth, found := "", false
	for _, pair := range pairs[1 : n-2] {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !isKey(key) || seen[key] {
			return t, syntaxError("expected key=value, each key once")
		}
		seen[key] = true
		switch key {
		case "auth":
			auth, found = value, true
		case "host":
			t.Host = value
		case "port":
			if t.Port, err = parseCount(value); err != nil || t.Port > 65535 {
				return t, syntaxError("expected a port number")
			}
		}
	}
	if !found {
		return t, syntaxError("expected auth=")
	}
	if !isName(t.Host) {
		return t, syntaxError("expected a host name")
	}
	t.Token, err = parseBearer(auth)
	return t, err
}

func isKey(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) || s[i] <= '9' {
			return false
		}
	}
	return s != ""
}
