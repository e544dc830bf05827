// How values that hold secrets are printed.

package sasl

import (
	"fmt"
	"io"
)

// String shows no secret.
func (c Credentials) String() string { return "sasl.Credentials(" + c.User + ")" }

// GoString shows no secret.
func (c Credentials) GoString() string { return c.String() }

// Format shows no secret, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// String shows no secret.
func (a Auth) String() string { return "sasl.Auth" }

// GoString shows no secret.
func (a Auth) GoString() string { return a.String() }

// Format shows no secret, whatever the verb.
func (a Auth) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// String shows no key.
func (k ScramKeys) String() string {
	return fmt.Sprintf("sasl.ScramKeys(%s, %d iterations)", clip(string(k.Hash)), k.Iterations)
}

// GoString shows no key.
func (k ScramKeys) GoString() string { return k.String() }

// Format shows no key, whatever the verb.
func (k ScramKeys) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// String shows no token.
func (t BearerToken) String() string { return fmt.Sprintf("sasl.BearerToken(%q)", clip(t.User)) }

// GoString shows no token.
func (t BearerToken) GoString() string { return t.String() }

// Format shows no token, whatever the verb.
func (t BearerToken) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String shows the mechanism alone.
func (a Attempt) String() string { return "sasl.Attempt(" + a.Mechanism + ")" }

// GoString shows the mechanism alone.
func (a Attempt) GoString() string { return a.String() }

// Format shows the mechanism alone, whatever the verb.
func (a Attempt) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// Mechanisms and exchanges show nothing but a name: they hold the credentials,
// and some print them under a verb that does not suit, even through a pointer.

func hide(f fmt.State, name string) { io.WriteString(f, "sasl: "+name) }

func (m *plain) Format(f fmt.State, _ rune)   { hide(f, m.Name()) }
func (m *login) Format(f fmt.State, _ rune)   { hide(f, m.Name()) }
func (m *cram) Format(f fmt.State, _ rune)    { hide(f, m.Name()) }
func (m *bearer) Format(f fmt.State, _ rune)  { hide(f, m.Name()) }
func (m *scram) Format(f fmt.State, _ rune)   { hide(f, m.Name()) }
func (m *digest) Format(f fmt.State, _ rune)  { hide(f, m.Name()) }
func (m *ntlm) Format(f fmt.State, _ rune)    { hide(f, m.Name()) }
func (m *gssapi) Format(f fmt.State, _ rune)  { hide(f, m.Name()) }
func (m *gs2krb5) Format(f fmt.State, _ rune) { hide(f, m.Name()) }

func (x *loginExchange) Format(f fmt.State, _ rune)  { hide(f, x.l.Name()) }
func (x *cramExchange) Format(f fmt.State, _ rune)   { hide(f, x.c.Name()) }
func (x *bearerExchange) Format(f fmt.State, _ rune) { hide(f, x.b.Name()) }
func (x *scramExchange) Format(f fmt.State, _ rune)  { hide(f, x.m.Name()) }
func (x *digestExchange) Format(f fmt.State, _ rune) { hide(f, "DIGEST-MD5") }
func (x *ntlmExchange) Format(f fmt.State, _ rune)   { hide(f, "NTLM") }
func (s *examined) Format(f fmt.State, _ rune)       { hide(f, s.e.claim.Mechanism) }
