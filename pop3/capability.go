// Capabilities (RFC 2449).

package pop3

import (
	"strconv"
	"strings"
	"time"
)

// The capabilities' names.
const (
	CapTop            = "TOP"
	CapUser           = "USER"
	CapSASL           = "SASL"
	CapRespCodes      = "RESP-CODES"
	CapAuthRespCode   = "AUTH-RESP-CODE" // RFC 3206
	CapLoginDelay     = "LOGIN-DELAY"
	CapPipelining     = "PIPELINING"
	CapExpire         = "EXPIRE"
	CapUIDL           = "UIDL"
	CapSTLS           = "STLS" // RFC 2595
	CapUTF8           = "UTF8" // RFC 6856
	CapLang           = "LANG" // RFC 6856
	CapImplementation = "IMPLEMENTATION"
)

// Capability is a line of the answer to CAPA.
type Capability struct {
	// Name is the capability's tag; its ASCII case does not matter.
	Name string
	// Params are its parameters.
	Params []string
}

func (c Capability) String() string {
	return strings.Join(append([]string{c.Name}, c.Params...), " ")
}

// Capabilities are what a server offers, in its order.
type Capabilities []Capability

// Get returns the named capability.
func (c Capabilities) Get(name string) (Capability, bool) {
	for _, x := range c {
		if equalFold(x.Name, name) {
			return x, true
		}
	}
	return Capability{}, false
}

// Has reports whether the named capability is there.
func (c Capabilities) Has(name string) bool {
	_, ok := c.Get(name)
	return ok
}

// Mechanisms are the SASL mechanisms, in upper case and in the server's order.
func (c Capabilities) Mechanisms() []string {
	var names []string
	for _, x := range c {
		if equalFold(x.Name, CapSASL) {
			for _, p := range x.Params {
				names = append(names, upperASCII(p))
			}
		}
	}
	return names
}

func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, s)
}

// Implementation is how the server calls itself; empty where it does not say.
func (c Capabilities) Implementation() string {
	x, _ := c.Get(CapImplementation)
	return strings.Join(x.Params, " ")
}

// LoginDelay is the least time between two logins (RFC 2449 section 6.5).
// perUser says that another value may be announced after the login.
func (c Capabilities) LoginDelay() (d time.Duration, perUser, ok bool) {
	x, ok := c.Get(CapLoginDelay)
	if !ok || len(x.Params) == 0 {
		return 0, false, false
	}
	n, err := strconv.ParseUint(x.Params[0], 10, 31)
	if err != nil {
		return 0, false, false
	}
	return time.Duration(n) * time.Second, x.perUser(), true
}

// ExpireNever is a retention that has no end.
const ExpireNever = -1

// Expire is how many days messages stay on the server at least, or
// ExpireNever (RFC 2449 section 6.7). perUser says that another value may be
// announced after the login.
func (c Capabilities) Expire() (days int, perUser, ok bool) {
	x, ok := c.Get(CapExpire)
	if !ok || len(x.Params) == 0 {
		return 0, false, false
	}
	if equalFold(x.Params[0], "NEVER") {
		return ExpireNever, x.perUser(), true
	}
	n, err := strconv.ParseUint(x.Params[0], 10, 31)
	if err != nil {
		return 0, false, false
	}
	return int(n), x.perUser(), true
}

func (c Capability) perUser() bool { return len(c.Params) > 1 && equalFold(c.Params[1], "USER") }
