// Package autoconfig finds the servers of a mail account from its address: where
// its mail is read by IMAP or POP3, where it is submitted, how the line is
// encrypted and what the login is named.
//
// Preset knows the large providers, Parse reads Thunderbird's autoconfig
// documents, and a Finder asks in turn the presets, the domain's own web server,
// its SRV records (RFC 6186, RFC 8314), a directory such as Thunderbird's, and
// its MX records.
//
// Settings are what somebody says, not what is so: connect with TLS required, and
// see Settings.Confirm before a password is sent.
package autoconfig

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/smtp"
)

// Protocol is what a server speaks.
type Protocol uint8

// The protocols of an account.
const (
	IMAP Protocol = iota + 1
	POP3
	Submission // SMTP for a user's own mail (RFC 6409)
)

func (p Protocol) String() string {
	switch p {
	case IMAP:
		return "imap"
	case POP3:
		return "pop3"
	case Submission:
		return "submission"
	}
	return "Protocol(" + strconv.Itoa(int(p)) + ")"
}

// Security is how a connection is encrypted (RFC 8314).
type Security uint8

const (
	// ImplicitTLS begins with a handshake, on a port of its own.
	ImplicitTLS Security = iota + 1
	// StartTLS begins TLS by the protocol's command, which must succeed.
	StartTLS
	// Cleartext does not encrypt. RFC 8314 section 3 calls it obsolete.
	Cleartext
)

func (s Security) String() string {
	switch s {
	case ImplicitTLS:
		return "implicit TLS"
	case StartTLS:
		return "STARTTLS"
	case Cleartext:
		return "cleartext"
	}
	return "Security(" + strconv.Itoa(int(s)) + ")"
}

// Auth is a way to log in, in the words of Thunderbird's documents.
type Auth string

// The ways to log in.
const (
	AuthPassword  Auth = "password-cleartext" // by PLAIN, LOGIN or a protocol's own command, under TLS
	AuthEncrypted Auth = "password-encrypted" // by SCRAM, CRAM-MD5 or APOP
	AuthNTLM      Auth = "NTLM"
	AuthGSSAPI    Auth = "GSSAPI"
	AuthClientIP  Auth = "client-IP-address" // none asked for on this network
	AuthTLSCert   Auth = "TLS-client-cert"   // by EXTERNAL
	AuthOAuth2    Auth = "OAuth2"            // by OAUTHBEARER or XOAUTH2, see Settings.OAuth2
	AuthNone      Auth = "none"
)

// Server is one way to reach an account.
type Server struct {
	Protocol Protocol
	Host     string // of ASCII, a name or an IP address
	Port     uint16
	Security Security
	// User is the login name. It is empty where the document wants one that
	// the address does not tell.
	User string
	Auth []Auth // best first; empty where nothing was said
}

// Addr is "host:port", as a Dial function takes it.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port))) }

func (s Server) String() string {
	return fmt.Sprintf("%s %s, %s", s.Protocol, s.Addr(), s.Security)
}

// OAuth2 is where tokens come from (RFC 6749).
type OAuth2 struct {
	Issuer   string
	Scopes   []string
	AuthURL  string
	TokenURL string
}

// Source is who said what the settings are.
type Source string

// The sources, in the order in which a Finder asks them.
const (
	FromPreset    Source = "preset"    // this package's table, by the address's domain
	FromProvider  Source = "provider"  // a document on the domain's own web server
	FromSRV       Source = "srv"       // the domain's SRV records
	FromDirectory Source = "directory" // a directory's document for the domain
	FromMX        Source = "mx"        // the preset of the host that takes the domain's mail
	FromMXLookup  Source = "mx-lookup" // a directory's document for that host's domain
	FromDocument  Source = "document"  // Parse
)

// Settings are the servers of an account.
type Settings struct {
	Source Source
	Name   string // of the provider, for people; may be empty
	// Incoming and Outgoing are in the order of the source's preference.
	Incoming []Server
	Outgoing []Server
	OAuth2   *OAuth2 // nil where nothing was said
	// Note tells a person what has to be done first, such as making a password
	// for the program; may be empty.
	Note string
	// Confirm is set where a server's name came from DNS that nobody signed and
	// is not within the address's domain: a person has to agree before a
	// password is sent there (RFC 6186 section 6).
	Confirm bool
}

// Best is the server to use for p: the first with implicit TLS, else the first
// with STARTTLS (RFC 8314 section 3). Servers without encryption are never
// chosen.
func (s *Settings) Best(p Protocol) (Server, bool) {
	for _, security := range []Security{ImplicitTLS, StartTLS} {
		for _, list := range [][]Server{s.Incoming, s.Outgoing} {
			i := slices.IndexFunc(list, func(v Server) bool { return v.Protocol == p && v.Security == security })
			if i >= 0 {
				return list[i], true
			}
		}
	}
	return Server{}, false
}

// An AddressError is an address that no settings can be found for.
type AddressError struct {
	Address string
	Reason  string
}

func (e *AddressError) Error() string {
	return "autoconfig: address " + strconv.Quote(e.Address) + ": " + e.Reason
}

// address is a mailbox that settings are made for.
type address struct {
	full, local string
	domain      string // of ASCII, in lower case
}

func parseAddress(text string) (address, error) {
	at := strings.LastIndexByte(text, '@')
	if at <= 0 {
		return address{}, &AddressError{text, "expected local-part@domain"}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return address{}, &AddressError{text, "it holds a control character"}
	}
	domain, ok := hostName(text[at+1:])
	if !ok || !strings.Contains(domain, ".") || net.ParseIP(domain) != nil {
		return address{}, &AddressError{text, "the domain is not the full name of one"}
	}
	return address{full: text, local: text[:at], domain: domain}, nil
}

// hostName is the name of a host as DNS has it, in lower case and without a dot
// at its end, or an IP address.
func hostName(name string) (string, bool) {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if ip := net.ParseIP(name); ip != nil {
		return ip.String(), true
	}
	name, err := smtp.ASCIIDomain(name)
	if err != nil || name == "" || len(name) > 253 {
		return "", false
	}
	name = strings.ToLower(name)
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	return name, true
}

// within reports whether host is domain or below it.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
