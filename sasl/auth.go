// How a server authenticates.

package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Auth is how a server authenticates, whatever the protocol: fill in what it
// can check, and the mechanisms offered follow. A nil Auth and one with no
// check set offer nothing.
//
//	Password       PLAIN, LOGIN
//	ScramKeys      SCRAM-*, SCRAM-*-PLUS, PLAIN, LOGIN
//	Secret         SCRAM-*, SCRAM-*-PLUS, DIGEST-MD5, CRAM-MD5, APOP, PLAIN, LOGIN
//	DigestKey      DIGEST-MD5
//	Token          OAUTHBEARER, XOAUTH2
//	Certificate    EXTERNAL, if the client showed a certificate
//	GSSAPI         GSSAPI, GS2-KRB5, GS2-KRB5-PLUS
//	Anonymous      ANONYMOUS
//
// Those that show the secret (PLAIN, LOGIN, OAUTHBEARER, XOAUTH2) are offered
// on an encrypted line only, or with AllowCleartext; those with -PLUS where
// the line has channel bindings.
//
// Each function may be called by many goroutines at once; its ctx ends with
// the connection. Each returns ErrFailed for a user who is not known or who
// lacks what was asked for, and any other error for a fault of its own, which
// is reported as temporary. An error that is nil means what the function is
// named for, so none may return nil for the unknown.
type Auth struct {
	// Password checks a user's password. It returns nil if it is right, and
	// ErrFailed if the user is not known or the password is wrong, which
	// should cost the same: check a password of nobody's for the unknown.
	// Without it passwords are checked against ScramKeys, else Secret, which
	// sees to that itself.
	Password func(ctx context.Context, user, password string) error

	// ScramKeys looks up a user's keys for SCRAM with the hash. For an
	// unknown user the exchange goes on with keys that no password fits.
	ScramKeys func(ctx context.Context, user string, h Hash) (*ScramKeys, error)

	// Hashes are those that SCRAM is offered with, in any order. By default
	// SHA256 with ScramKeys, and all with Secret alone. All users should have
	// keys of all of them: a client picks one before it says who it is.
	Hashes []Hash

	// Secret looks up a user's password as it is.
	Secret func(ctx context.Context, user string) (secret string, err error)

	// DigestKey looks up what DigestKey made of a user's name, Realm and
	// password.
	DigestKey func(ctx context.Context, user, realm string) ([16]byte, error)

	// Token checks an OAuth 2.0 access token and returns whose it is. It
	// returns ErrFailed, or a *BearerError to tell the client more.
	Token func(ctx context.Context, t BearerToken) (user string, err error)

	// TokenHint is what the client is told with a token that Token refuses
	// by ErrFailed: the scope and the place to get one from.
	TokenHint BearerError

	// Certificate returns whom a client's certificate stands for. chain is
	// what TLS verified, never empty.
	Certificate func(ctx context.Context, chain []*x509.Certificate) (user string, err error)

	// GSSAPI accepts Kerberos contexts.
	GSSAPI GSSAcceptor
	// Principal returns the user of a Kerberos principal; without it the
	// principal is the user's name.
	Principal func(ctx context.Context, principal string) (user string, err error)

	// Anonymous lets anybody in, as the user it returns. trace is what the
	// client says of itself.
	Anonymous func(ctx context.Context, trace string) (user string, err error)

	// Authorize says whether user, who has proved to be that, may act as
	// authzid, which is another: nil or ErrNotAuthorized. Without it no user
	// may act as another.
	Authorize func(ctx context.Context, user, authzid string) error

	// Before is called before a user's credentials are looked at, for
	// limits on users and peers. An error, such as ErrTooMany, ends the
	// exchange. Claim.User is what the client claims, and empty where the
	// mechanism does not say it in advance.
	Before func(ctx context.Context, c Claim) error
	// After is called once with the outcome of each check that Before let
	// pass, nil for success, after a malformed message and a panic too. An
	// exchange that the client gives up has none.
	After func(ctx context.Context, c Claim, err error)

	// AllowCleartext offers mechanisms that show the secret on a line that
	// is not encrypted too.
	AllowCleartext bool

	// Only, unless empty, names the mechanisms that may be offered; Forbid
	// those that may not.
	Only, Forbid []string

	// Hostname is the server's name, in CRAM-MD5's challenge; a client of
	// DIGEST-MD5 must name it, if it is set.
	Hostname string
	// Realm is DIGEST-MD5's; Hostname if it is empty.
	Realm string

	// Iterations are those of the keys that Secret's passwords are made into,
	// and that unknown users seem to have; 4096 when zero. Set it to the
	// count of the stored keys.
	Iterations int

	// FakeKey makes the salts that unknown users seem to have: any secret
	// octets that stay the same. By default it is random, and another in
	// each process, which shows to who asks two of them.
	FakeKey []byte

	nonce func() string // for tests
}

// Claim is what a client says of itself in one attempt to log in.
type Claim struct {
	// User is what the client claims to be, and for Auth.After what it was
	// found to be where that is known.
	User      string
	Mechanism string
	// Remote is Line.Remote.
	Remote string
}

// serverMechanisms are those that servers speak, in the order of the offer.
var serverMechanisms = []string{
	"EXTERNAL", "GS2-KRB5-PLUS", "GSSAPI", "GS2-KRB5",
	"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
	"OAUTHBEARER", "XOAUTH2", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "ANONYMOUS",
}

// Mechanisms returns the names of the mechanisms offered on line, the
// strongest first.
func (a *Auth) Mechanisms(line Line) []string {
	var names []string
	for _, name := range serverMechanisms {
		if a.offers(name, &line) == nil {
			names = append(names, name)
		}
	}
	return names
}

// offers is nil, ErrMechanism or ErrEncryption.
func (a *Auth) offers(name string, line *Line) error {
	switch {
	case a == nil || !slices.Contains(serverMechanisms, name) || !a.can(name, line):
		return ErrMechanism
	case len(a.Only) > 0 && !fold(a.Only, name) || fold(a.Forbid, name):
		return ErrMechanism
	case showsSecret(name) && !line.Encrypted && !a.AllowCleartext:
		return ErrEncryption
	}
	return nil
}

// can reports whether the checks that the mechanism needs are there.
func (a *Auth) can(name string, line *Line) bool {
	if h, plus, ok := scramName(name); ok {
		return slices.Contains(a.hashes(), h) && (!plus || line.Bindings.any())
	}
	switch name {
	case "EXTERNAL":
		return a.Certificate != nil && len(line.PeerCertificates) > 0
	case "GSSAPI", "GS2-KRB5":
		return a.GSSAPI != nil
	case "GS2-KRB5-PLUS":
		return a.GSSAPI != nil && line.Bindings.any()
	case "OAUTHBEARER", "XOAUTH2":
		return a.Token != nil
	case "DIGEST-MD5":
		return a.Secret != nil || a.DigestKey != nil
	case "CRAM-MD5":
		return a.Secret != nil
	case "ANONYMOUS":
		return a.Anonymous != nil
	}
	return a.Password != nil || a.ScramKeys != nil || a.Secret != nil
}

func (a *Auth) hashes() []Hash {
	switch {
	case a.ScramKeys == nil && a.Secret == nil:
		return nil
	case len(a.Hashes) > 0:
		return a.Hashes
	case a.ScramKeys != nil:
		return []Hash{SHA256}
	}
	return hashes
}

// CanPassword reports whether a name and a password are taken as they are on
// line: by PLAIN or LOGIN, POP3's USER and PASS, IMAP's LOGIN.
func (a *Auth) CanPassword(line Line) bool {
	return a.offers("PLAIN", &line) == nil || a.offers("LOGIN", &line) == nil
}

// CanAPOP reports whether POP3's APOP is taken: with Secret, unless Only or
// Forbid rule out "APOP".
func (a *Auth) CanAPOP() bool {
	return a != nil && a.Secret != nil && (len(a.Only) == 0 || fold(a.Only, "APOP")) && !fold(a.Forbid, "APOP")
}

// NeedsEncryption reports whether more is offered once line is encrypted,
// other than by what TLS itself brings, bindings and certificates.
func (a *Auth) NeedsEncryption(line Line) bool {
	return slices.ContainsFunc(serverMechanisms, func(name string) bool { return a.offers(name, &line) == ErrEncryption })
}

// Start begins an exchange of the named mechanism. The error is ErrMechanism
// or ErrEncryption.
func (a *Auth) Start(ctx context.Context, mechanism string, line Line) (Server, error) {
	name := asciiUpper(mechanism)
	if err := a.offers(name, &line); err != nil {
		return nil, err
	}
	e := &exam{a: a, ctx: ctx, claim: Claim{Mechanism: name, Remote: line.Remote}}
	return &examined{e.server(name, line), e}, nil
}

// server is that of a mechanism that is offered.
func (e *exam) server(name string, line Line) Server {
	a := e.a
	if h, plus, ok := scramName(name); ok {
		return &scramServer{
			hash: h, plus: plus, plusOffered: a.offersPlus("SCRAM-", &line), line: line, nonce: a.newNonce, grant: e.finish,
			keys: func(user string) (*ScramKeys, bool, error) {
				if err := e.before(user); err != nil {
					return nil, false, err
				}
				return a.scramKeys(e.ctx, user, h)
			},
		}
	}
	switch name {
	case "EXTERNAL":
		return &externalServer{check: func(authzid string) (Identity, error) { return e.certificate(line.PeerCertificates, authzid) }}
	case "ANONYMOUS":
		return &anonymousServer{check: e.anonymous}
	case "OAUTHBEARER", "XOAUTH2":
		return &bearerServer{name: name, check: e.token}
	case "CRAM-MD5":
		return &cramServer{challenge: cramChallenge(a.newNonce(), a.Hostname), verify: e.secret}
	case "DIGEST-MD5":
		realm := a.Realm
		if realm == "" {
			realm = a.Hostname
		}
		return &digestServer{nonce: a.newNonce(), realm: realm, service: line.Service, host: a.Hostname, verify: e.digest}
	case "GSSAPI":
		return &gssapiServer{check: e.principal, accept: func() (GSSContext, error) {
			if err := e.before(""); err != nil {
				return nil, err
			}
			return a.GSSAPI.Accept(line.Service, nil)
		}}
	case "GS2-KRB5", "GS2-KRB5-PLUS":
		return &gs2Server{
			plus: name == "GS2-KRB5-PLUS", plusOffered: a.offersPlus("GS2-", &line), line: line, check: e.principal,
			accept: func(bindings []byte) (GSSContext, error) {
				if err := e.before(""); err != nil {
					return nil, err
				}
				return a.GSSAPI.Accept(line.Service, bindings)
			},
		}
	case "LOGIN":
		return &loginServer{check: e.password}
	}
	return &plainServer{check: e.password}
}

// asciiUpper leaves what is not ASCII alone: no mechanism has it.
func asciiUpper(s string) string {
	if !isPlainASCII(s) {
		return s
	}
	return strings.ToUpper(s)
}

// offersPlus reports whether a client that knows the family's channel binding
// was shown it.
func (a *Auth) offersPlus(family string, line *Line) bool {
	return slices.ContainsFunc(serverMechanisms, func(name string) bool {
		return strings.HasPrefix(name, family) && strings.HasSuffix(name, "-PLUS") && a.offers(name, line) == nil
	})
}

func (a *Auth) newNonce() string {
	if a.nonce != nil {
		return a.nonce()
	}
	return nonceText()
}

// CheckPassword authenticates by a name and a password given as they are,
// for POP3's USER and PASS and IMAP's LOGIN; via names the command. The error
// is as Server.Next's, or ErrMechanism or ErrEncryption.
func (a *Auth) CheckPassword(ctx context.Context, via string, line Line, user, password string) (id Identity, err error) {
	if !a.CanPassword(line) {
		if a.NeedsEncryption(line) {
			return Identity{}, ErrEncryption
		}
		return Identity{}, ErrMechanism
	}
	e := &exam{a: a, ctx: ctx, claim: Claim{Mechanism: via, Remote: line.Remote}}
	defer e.settle(&err)()
	return e.password("", user, password)
}

// CheckAPOP authenticates by POP3's APOP (RFC 1939 section 7): timestamp is
// the one of the greeting with its angle brackets, digest what the client
// sent. The error is as Server.Next's, or ErrMechanism.
func (a *Auth) CheckAPOP(ctx context.Context, line Line, timestamp, user, digest string) (id Identity, err error) {
	if !a.CanAPOP() {
		return Identity{}, ErrMechanism
	}
	e := &exam{a: a, ctx: ctx, claim: Claim{Mechanism: "APOP", Remote: line.Remote}}
	defer e.settle(&err)()
	return e.secret(user, func(secret string) bool {
		sum := md5.Sum([]byte(timestamp + secret))
		return hmac.Equal([]byte(strings.ToLower(digest)), hex.AppendEncode(nil, sum[:]))
	})
}

type passwordCheck func(authzid, user, password string) (Identity, error)

// exam is one login being checked.
type exam struct {
	a     *Auth
	ctx   context.Context
	claim Claim
	// open is set between Auth.Before and Auth.After.
	open bool
}

// examined sees to it that a check that began ends, however the exchange
// fails.
type examined struct {
	Server
	e *exam
}

func (s *examined) Next(response []byte) (challenge []byte, done bool, err error) {
	defer s.e.settle(&err)()
	return s.Server.Next(response)
}

// errPanicked is what Auth.After is told of a check that panicked.
var errPanicked = errors.New("sasl: a function of Auth panicked")

// settle returns what is to be deferred: it tells Auth.After of a check that
// ended by err, or by a panic, and was not told of yet.
func (e *exam) settle(err *error) func() {
	*err = errPanicked // until a return sets it
	return func() {
		if *err != nil {
			e.after(*err)
		}
	}
}

func (e *exam) after(err error) {
	if !e.open {
		return
	}
	e.open = false
	if e.a.After != nil {
		e.a.After(e.ctx, e.claim, err)
	}
}

func (e *exam) before(user string) error {
	e.claim.User = user
	if e.a.Before != nil {
		if err := e.a.Before(e.ctx, e.claim); err != nil {
			return err
		}
	}
	e.open = true
	return nil
}

// finish ends the check of a user: with err, or as authzid if that may be.
func (e *exam) finish(user, authzid string, err error) (Identity, error) {
	e.claim.User = user
	id := Identity{User: user, Mechanism: e.claim.Mechanism}
	if err == nil && user == "" {
		err = ErrFailed
	}
	if err == nil && authzid != "" && authzid != user {
		id.Authzid = authzid
		if e.a.Authorize == nil {
			err = ErrNotAuthorized
		} else {
			err = e.a.Authorize(e.ctx, user, authzid)
		}
	}
	e.after(err)
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

func (e *exam) password(authzid, user, password string) (Identity, error) {
	if user == "" || password == "" {
		return Identity{}, ErrFailed
	}
	if err := e.before(user); err != nil {
		return Identity{}, err
	}
	name, err := e.a.checkPassword(e.ctx, user, password)
	return e.finish(name, authzid, err)
}

// checkPassword returns the name that the user is known by.
func (a *Auth) checkPassword(ctx context.Context, user, password string) (string, error) {
	if a.Password != nil {
		return user, a.Password(ctx, user, password)
	}
	if a.ScramKeys == nil {
		secret, known, err := a.secret(ctx, user)
		if err == nil && (subtle.ConstantTimeCompare([]byte(secret), []byte(password)) == 0 || !known) {
			err = ErrFailed
		}
		return user, err
	}
	// As in SCRAM, for the same users.
	name, err := saslPrep(user, true)
	if err != nil || name == "" {
		return user, ErrFailed
	}
	k, known, err := a.scramKeys(ctx, name, a.hashes()[0])
	if err == nil && (!k.Verify(password) || !known) {
		err = ErrFailed
	}
	return name, err
}

// fakeKey is FakeKey of an Auth that has none.
var fakeKey = sync.OnceValue(func() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
})

// fake is what an unknown user seems to have: the same each time.
func (a *Auth) fake(what, user string) []byte {
	key := a.FakeKey
	if len(key) == 0 {
		key = fakeKey()
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(what + "\x00" + user))
	return m.Sum(nil)
}

// scramKeys are the user's; what nobody has if the user is not known.
func (a *Auth) scramKeys(ctx context.Context, user string, h Hash) (k *ScramKeys, known bool, err error) {
	iterations := a.Iterations
	if iterations == 0 {
		iterations = defaultIterations
	}
	salt := a.fake("salt "+string(h), user)[:saltSize]
	if a.ScramKeys == nil {
		secret, known, err := a.secret(ctx, user)
		if err != nil {
			return nil, false, err
		}
		if k, err = NewScramKeys(h, secret, salt, iterations); err == nil {
			return k, known, nil
		}
		// A secret that SASLprep does not take is none for SCRAM.
		k, err = NewScramKeys(h, "unusable", salt, iterations)
		return k, false, err
	}
	k, err = a.ScramKeys(ctx, user, h)
	switch {
	case err == nil && k == nil, errors.Is(err, ErrFailed):
		nobody := slices.Repeat(a.fake("key", user), 2)[:h.size()]
		return &ScramKeys{Hash: h, Iterations: iterations, Salt: salt, StoredKey: nobody, ServerKey: nobody}, false, nil
	case err != nil:
		return nil, false, err
	case k.Hash != h:
		return nil, false, fmt.Errorf("sasl: Auth.ScramKeys returned keys of %s, not %s", k.Hash, h)
	}
	return k, true, k.check()
}

// secret is the user's; what nobody has if the user is not known.
func (a *Auth) secret(ctx context.Context, user string) (secret string, known bool, err error) {
	secret, err = a.Secret(ctx, user)
	if errors.Is(err, ErrFailed) || err == nil && secret == "" {
		return hex.EncodeToString(a.fake("secret", user)), false, nil
	}
	return secret, err == nil, err
}

func (e *exam) secret(user string, good func(secret string) bool) (Identity, error) {
	if err := e.before(user); err != nil {
		return Identity{}, err
	}
	secret, known, err := e.a.secret(e.ctx, user)
	if err == nil && (!good(secret) || !known) {
		err = ErrFailed
	}
	return e.finish(user, "", err)
}

func (e *exam) digest(user, authzid, realm string, good func(key [16]byte) bool) (Identity, error) {
	if err := e.before(user); err != nil {
		return Identity{}, err
	}
	var key [16]byte
	known := true
	var err error
	if e.a.DigestKey != nil {
		key, err = e.a.DigestKey(e.ctx, user, realm)
		if errors.Is(err, ErrFailed) {
			known, err = false, nil
			copy(key[:], e.a.fake("digest", user))
		}
	} else {
		var secret string
		secret, known, err = e.a.secret(e.ctx, user)
		key = DigestKey(user, realm, secret)
	}
	if err == nil && (!good(key) || !known) {
		err = ErrFailed
	}
	return e.finish(user, authzid, err)
}

func (e *exam) token(t BearerToken) (Identity, error) {
	if err := e.before(t.User); err != nil {
		return Identity{}, err
	}
	user, err := "", error(ErrFailed)
	if t.Token != "" {
		user, err = e.a.Token(e.ctx, t)
	}
	var told *BearerError
	if errors.As(err, &told) {
		err = told
	} else if errors.Is(err, ErrFailed) {
		hint := e.a.TokenHint
		if hint.Status == "" {
			hint.Status = "invalid_token"
		}
		err = &hint
	}
	if user == "" {
		user = t.User
		if err == nil {
			err = ErrFailed
		}
	}
	return e.finish(user, t.User, err)
}

func (e *exam) certificate(chain []*x509.Certificate, authzid string) (Identity, error) {
	if err := e.before(""); err != nil {
		return Identity{}, err
	}
	user, err := e.a.Certificate(e.ctx, chain)
	return e.finish(user, authzid, err)
}

func (e *exam) anonymous(trace string) (Identity, error) {
	if err := e.before(""); err != nil {
		return Identity{}, err
	}
	user, err := e.a.Anonymous(e.ctx, trace)
	return e.finish(user, "", err)
}

func (e *exam) principal(principal, authzid string) (Identity, error) {
	user, err := principal, error(nil)
	if e.a.Principal != nil {
		user, err = e.a.Principal(e.ctx, principal)
	}
	return e.finish(user, authzid, err)
}
