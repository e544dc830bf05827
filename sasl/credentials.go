// A client's credentials, and the choice of a mechanism by them.

package sasl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Credentials are all that a client has to log in with. [Begin] chooses the
// strongest mechanism that the server offers and that they suffice for, in
// this order:
//
//	EXTERNAL                                        Certificate
//	GS2-KRB5-PLUS, GSSAPI, GS2-KRB5                 GSSAPI
//	OAUTHBEARER, XOAUTH2                            Token
//	SCRAM-*-PLUS, SCRAM-* with SHA-512, -256, -1    User and Password
//	DIGEST-MD5, CRAM-MD5                            User and Password
//	NTLM on a clear line                            User and Password
//	PLAIN, LOGIN                                    User and Password
//	NTLM on an encrypted line                       User and Password
//	ANONYMOUS                                       Anonymous
//
// What shows the secret to whoever reads the line, from OAUTHBEARER to LOGIN,
// is chosen on an encrypted line only, or with Line.AllowCleartext. NTLM
// comes last under TLS because who gets its messages can guess the password
// and pass them on to another server.
//
// A *Credentials is a [Mechanism] so that it can be given wherever a client
// takes one; it must not be changed then any more.
type Credentials struct {
	// User is the user's name; for NTLM DOMAIN\user too.
	User     string
	Password string
	// Authzid is the identity to act as; empty for the user's own. CRAM-MD5,
	// LOGIN, NTLM and XOAUTH2 can not tell it and are not chosen with one.
	Authzid string

	// Token returns an OAuth 2.0 access token. It is called with the token
	// that the server has just refused, to be given another, or with "" for
	// the one that is at hand. Its ctx is that of the login. It may be
	// called by many goroutines at once.
	Token func(ctx context.Context, stale string) (token string, err error)

	// Certificate says that TLS showed the server a certificate that tells
	// who the client is.
	Certificate bool

	// GSSAPI gives Kerberos contexts.
	GSSAPI GSSInitiator

	// Anonymous lets ANONYMOUS be chosen, with Trace for the server's log:
	// empty, or an e-mail address or other text.
	Anonymous bool
	Trace     string

	// NTLM are options of that mechanism.
	NTLM NTLM

	// Realm is DIGEST-MD5's, for a server that has more than one.
	Realm string

	// Only, unless empty, names the mechanisms that may be chosen; Forbid
	// those that may not. With a single name in Only, it is used even if the
	// protocol does not tell what is offered.
	//
	// A server that offers a -PLUS form and refuses each login by it is not
	// asked again without: that is what somebody between the two ends would
	// bring about. Cyrus 3.6 is such a server under TLS 1.3, where it knows no
	// binding; Forbid is for it.
	Only, Forbid []string

	// Binding is the channel binding to use (BindExporter and so on); by
	// default the one of the connection's version of TLS.
	Binding string

	// MinIterations and MaxIterations bound the iteration count that a
	// server may ask for in SCRAM: DefaultMinIterations and
	// DefaultMaxIterations when zero.
	MinIterations, MaxIterations int

	// For tests; nil for random nonces and the time of day.
	nonce func() string
	now   func() time.Time
}

func (c *Credentials) newNonce() string {
	if c.nonce != nil {
		return c.nonce()
	}
	return nonceText()
}

func (c *Credentials) time() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

// Name is empty: no mechanism is chosen yet.
func (c *Credentials) Name() string { return "" }

// Cleartext is false: what is chosen is bound by Line.AllowCleartext.
func (c *Credentials) Cleartext() bool { return false }

// Start always fails with ErrMechanism: no mechanism is chosen yet, which
// [Begin] does.
func (c *Credentials) Start(Line) (Exchange, []byte, error) {
	return nil, nil, fmt.Errorf("%w: none is chosen: Credentials are for sasl.Begin", ErrMechanism)
}

// Mechanism is the named mechanism with these credentials, for a protocol that
// has a way of its own to choose. Forbid and Only do not count. For
// OAUTHBEARER and XOAUTH2 it calls Token. The error is ErrMechanism if the
// name is unknown or the credentials do not suffice.
func (c *Credentials) Mechanism(ctx context.Context, name string) (Mechanism, error) {
	name = strings.ToUpper(name)
	if !slices.Contains(allMechanisms, name) || !c.suffice(name) {
		return nil, fmt.Errorf("%w: %s", ErrMechanism, clip(name))
	}
	return c.make(ctx, name, "")
}

func (c *Credentials) make(ctx context.Context, name, stale string) (Mechanism, error) {
	if hash, plus, ok := scramName(name); ok {
		m := &scram{hash: hash, plus: plus, creds: c, minIter: c.MinIterations, maxIt: c.MaxIterations}
		if m.minIter == 0 {
			m.minIter = DefaultMinIterations
		}
		if m.maxIt == 0 {
			m.maxIt = DefaultMaxIterations
		}
		return m, nil
	}
	switch name {
	case "OAUTHBEARER", "XOAUTH2":
		token, err := c.Token(ctx, stale)
		if err != nil {
			return nil, fmt.Errorf("sasl: %s: no token: %w", name, err)
		}
		return &bearer{name: name, creds: c, token: token}, nil
	case "GSSAPI":
		return &gssapi{c}, nil
	case "GS2-KRB5":
		return &gs2krb5{creds: c}, nil
	case "GS2-KRB5-PLUS":
		return &gs2krb5{creds: c, plus: true}, nil
	case "EXTERNAL":
		return &external{c.Authzid}, nil
	case "ANONYMOUS":
		return &anonymous{c.Trace}, nil
	case "DIGEST-MD5":
		return &digest{c}, nil
	case "CRAM-MD5":
		return &cram{c.User, c.Password}, nil
	case "NTLM":
		return &ntlm{c}, nil
	case "LOGIN":
		return Login(c.User, c.Password), nil
	}
	return Plain(c.Authzid, c.User, c.Password), nil
}

// allMechanisms are those that clients speak, the strongest first. NTLM is
// moved by the choice.
var allMechanisms = []string{
	"EXTERNAL", "GS2-KRB5-PLUS", "GSSAPI", "GS2-KRB5", "OAUTHBEARER", "XOAUTH2",
	"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
	"DIGEST-MD5", "CRAM-MD5", "NTLM", "PLAIN", "LOGIN", "ANONYMOUS",
}

func scramName(name string) (h Hash, plus, ok bool) {
	rest, ok := strings.CutPrefix(name, "SCRAM-")
	rest, plus = strings.CutSuffix(rest, "-PLUS")
	h = Hash(rest)
	return h, plus, ok && h.new() != nil
}

// suffice reports whether the credentials hold what the mechanism needs.
func (c *Credentials) suffice(name string) bool {
	switch name {
	case "EXTERNAL":
		return c.Certificate
	case "GS2-KRB5-PLUS", "GS2-KRB5", "GSSAPI":
		return c.GSSAPI != nil
	case "OAUTHBEARER":
		return c.Token != nil
	case "XOAUTH2":
		return c.Token != nil && c.User != "" && c.Authzid == ""
	case "ANONYMOUS":
		return c.Anonymous
	}
	if c.User == "" || c.Password == "" {
		return false
	}
	switch name {
	case "LOGIN", "CRAM-MD5", "NTLM":
		return c.Authzid == ""
	}
	return true
}

func fold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// choose returns the names that may be used, the strongest first.
func (c *Credentials) choose(line *Line) ([]string, error) {
	var names []string
	cleartext := false
	for _, name := range allMechanisms {
		switch {
		case line.Offered == nil && len(c.Only) != 1, line.Offered != nil && !fold(line.Offered, name):
			continue
		case len(c.Only) > 0 && !fold(c.Only, name), fold(c.Forbid, name), !c.suffice(name):
			continue
		case strings.HasSuffix(name, "-PLUS") && !c.canBind(line):
			continue
		case showsSecret(name) && !line.Encrypted && !line.AllowCleartext:
			cleartext = true
			continue
		}
		names = append(names, name)
	}
	if i := slices.Index(names, "NTLM"); i >= 0 && line.Encrypted {
		names = slices.Delete(names, i, i+1)
		last := len(names)
		if last > 0 && names[last-1] == "ANONYMOUS" {
			last--
		}
		names = slices.Insert(names, last, "NTLM")
	}
	switch {
	case len(names) > 0:
		return names, nil
	case cleartext:
		return nil, ErrEncryption
	}
	return nil, fmt.Errorf("%w: none of those offered suits the credentials: %s", ErrMechanism, offerText(line.Offered))
}

func (c *Credentials) canBind(line *Line) bool {
	if c.Binding != "" {
		return len(line.Bindings.Get(c.Binding)) > 0
	}
	return line.Bindings.any()
}

func showsSecret(name string) bool {
	switch name {
	case "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2":
		return true
	}
	return false
}

// offerText shows what a server said it offers, without what is no name.
func offerText(offered []string) string {
	var names []string
	for _, n := range offered {
		if n != "" && len(n) <= 20 && isPlainASCII(n) && len(names) < 20 {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// Attempt is one exchange of a client, together with what is to be done if it
// fails.
type Attempt struct {
	// Mechanism is the mechanism's name.
	Mechanism string
	// Initial is the initial response; nil if there is none.
	Initial []byte

	x     Exchange
	m     Mechanism
	creds *Credentials // if they have chosen m
	line  Line
	again bool
}

// Begin begins a client's exchange by m: a mechanism, which it checks to be
// offered and allowed on the line, or a *Credentials, from which it chooses
// one. If those can not be put into the messages of one mechanism, such as a
// password that SASLprep forbids, it takes the next.
//
// The error is ErrMechanism (by errors.Is) if nothing suits, ErrEncryption if
// what suits would show the secret, or that of the credentials. ctx is handed
// to Credentials.Token.
func Begin(ctx context.Context, m Mechanism, line Line) (*Attempt, error) {
	c, ok := m.(*Credentials)
	if !ok {
		switch {
		case m.Cleartext() && !line.Encrypted && !line.AllowCleartext:
			return nil, ErrEncryption
		case line.Offered != nil && !fold(line.Offered, m.Name()):
			return nil, fmt.Errorf("%w: %s: the server offers %s", ErrMechanism, m.Name(), offerText(line.Offered))
		}
		return begin(m, nil, line)
	}
	names, err := c.choose(&line)
	if err != nil {
		return nil, err
	}
	var first error
	for _, name := range names {
		m, err := c.make(ctx, name, "")
		if err == nil {
			var a *Attempt
			if a, err = begin(m, c, line); err == nil {
				return a, nil
			}
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func begin(m Mechanism, c *Credentials, line Line) (*Attempt, error) {
	x, initial, err := m.Start(line)
	if err != nil {
		return nil, err
	}
	return &Attempt{Mechanism: m.Name(), Initial: initial, x: x, m: m, creds: c, line: line}, nil
}

// Next is the Exchange's.
func (a *Attempt) Next(challenge []byte) ([]byte, error) { return a.x.Next(challenge) }

// Done is the Exchange's.
func (a *Attempt) Done() error { return a.x.Done() }

// Again is called with the server's refusal of the exchange. If another may
// succeed, because the server refused a token and Credentials.Token has a new
// one, it returns that, once. Else it returns nil and the refusal, together
// with what the mechanism itself told of it, such as a *BearerError.
func (a *Attempt) Again(ctx context.Context, refused error) (*Attempt, error) {
	var told *BearerError
	b, isBearer := a.m.(*bearer)
	if x, ok := a.x.(*bearerExchange); ok {
		told = x.told
	}
	if told != nil {
		refused = fmt.Errorf("%w: %w", refused, told)
	}
	if !isBearer || a.creds == nil || a.again || told != nil && told.Status == "insufficient_scope" {
		return nil, refused
	}
	m, err := a.creds.make(ctx, b.name, b.token)
	if err != nil {
		return nil, errors.Join(refused, err)
	}
	if m.(*bearer).token == b.token {
		return nil, refused
	}
	next, err := begin(m, a.creds, a.line)
	if err != nil {
		return nil, errors.Join(refused, err)
	}
	next.again = true
	return next, nil
}

// cleanAuthzid checks an identity to act as.
func cleanAuthzid(mechanism, authzid string) error {
	if strings.IndexByte(authzid, 0) >= 0 || !utf8.ValidString(authzid) {
		return fmt.Errorf("sasl: %s: the authorization identity holds NUL or is not UTF-8", mechanism)
	}
	return nil
}
