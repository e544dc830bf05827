// Thunderbird's autoconfig documents, "config-v1.1.xml".

package autoconfig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// MaxDocument is how large a document may be, in octets.
const MaxDocument = 256 << 10

// maxServers bounds the servers read of one document.
const maxServers = 100

type clientConfig struct {
	XMLName   xml.Name      `xml:"clientConfig"`
	Providers []xmlProvider `xml:"emailProvider"`
	OAuth2    *xmlOAuth2    `xml:"oAuth2"`
}

type xmlProvider struct {
	ID       string      `xml:"id,attr"`
	Domains  []string    `xml:"domain"`
	Name     string      `xml:"displayName"`
	Incoming []xmlServer `xml:"incomingServer"`
	Outgoing []xmlServer `xml:"outgoingServer"`
	OAuth2   *xmlOAuth2  `xml:"oAuth2"`
}

type xmlServer struct {
	Type       string   `xml:"type,attr"`
	Host       string   `xml:"hostname"`
	Port       string   `xml:"port"`
	SocketType string   `xml:"socketType"`
	User       string   `xml:"username"`
	Auth       []string `xml:"authentication"`
}

type xmlOAuth2 struct {
	Issuer   string   `xml:"issuer"`
	Scopes   []string `xml:"scope"`
	AuthURL  string   `xml:"authURL"`
	TokenURL string   `xml:"tokenURL"`
}

// Parse reads an autoconfig document for an address, which its placeholders are
// filled from. Servers of other protocols, and those without a proper host, port
// or socket type, are left out; a document without any server is an error. A
// document that names several providers means the one with the address's domain,
// else the first.
//
// A server that is not encrypted is in the result, and never its Best.
func Parse(doc []byte, addr string) (*Settings, error) {
	a, err := parseAddress(addr)
	if err != nil {
		return nil, err
	}
	return parse(doc, a, FromDocument)
}

func parse(doc []byte, a address, from Source) (*Settings, error) {
	if len(doc) > MaxDocument {
		return nil, fmt.Errorf("autoconfig: document of more than %d octets", MaxDocument)
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return e.NewDecoder().Reader(r), nil
	}
	var c clientConfig
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("autoconfig: document, at octet %d: %w", d.InputOffset(), err)
	}
	if len(c.Providers) == 0 {
		return nil, errors.New("autoconfig: document without an emailProvider")
	}
	p := &c.Providers[0]
	for i := range c.Providers {
		if slices.ContainsFunc(c.Providers[i].Domains, func(d string) bool {
			name, ok := hostName(a.expand(d))
			return ok && name == a.domain
		}) {
			p = &c.Providers[i]
			break
		}
	}
	s := &Settings{Source: from, Name: strings.TrimSpace(a.expand(p.Name))}
	for _, v := range p.Incoming {
		if v, ok := v.server(a); ok && v.Protocol != Submission && len(s.Incoming) < maxServers {
			s.Incoming = append(s.Incoming, v)
		}
	}
	for _, v := range p.Outgoing {
		if v, ok := v.server(a); ok && v.Protocol == Submission && len(s.Outgoing) < maxServers {
			s.Outgoing = append(s.Outgoing, v)
		}
	}
	if len(s.Incoming) == 0 && len(s.Outgoing) == 0 {
		return nil, errors.New("autoconfig: document without a server that can be used")
	}
	if o := c.OAuth2; o != nil {
		s.OAuth2 = o.oauth2()
	} else if p.OAuth2 != nil {
		s.OAuth2 = p.OAuth2.oauth2()
	}
	return s, nil
}

func (x *xmlServer) server(a address) (Server, bool) {
	var v Server
	switch strings.ToLower(strings.TrimSpace(x.Type)) {
	case "imap":
		v.Protocol = IMAP
	case "pop3":
		v.Protocol = POP3
	case "smtp":
		v.Protocol = Submission
	default:
		return v, false
	}
	switch strings.ToUpper(strings.TrimSpace(x.SocketType)) {
	case "SSL", "TLS":
		v.Security = ImplicitTLS
	case "STARTTLS":
		v.Security = StartTLS
	case "PLAIN":
		v.Security = Cleartext
	default:
		return v, false
	}
	var ok bool
	if v.Host, ok = hostName(a.expand(x.Host)); !ok {
		return v, false
	}
	port, err := strconv.ParseUint(strings.TrimSpace(x.Port), 10, 16)
	if err != nil || port == 0 {
		return v, false
	}
	v.Port = uint16(port)
	v.User = a.full
	if t := strings.TrimSpace(x.User); t != "" {
		v.User = a.expand(t)
		// A placeholder of the document's own is for a person to fill in.
		if known := strings.NewReplacer(userAddress, "", userLocal, "", "%EMAILDOMAIN%", "").Replace(t); strings.Count(known, "%") > 1 {
			v.User = ""
		}
	}
	if strings.ContainsFunc(v.User, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return v, false
	}
	for _, name := range x.Auth {
		if auth := authNamed(strings.TrimSpace(name)); auth != "" && !slices.Contains(v.Auth, auth) {
			v.Auth = append(v.Auth, auth)
		}
	}
	return v, true
}

// authNamed knows the words of version 1.0 too.
func authNamed(name string) Auth {
	switch strings.ToLower(name) {
	case "plain", "password-cleartext":
		return AuthPassword
	case "secure", "password-encrypted":
		return AuthEncrypted
	}
	for _, a := range []Auth{AuthNTLM, AuthGSSAPI, AuthClientIP, AuthTLSCert, AuthOAuth2, AuthNone} {
		if strings.EqualFold(name, string(a)) {
			return a
		}
	}
	return ""
}

// oauth2 is nil where a URL is not https.
func (x *xmlOAuth2) oauth2() *OAuth2 {
	o := &OAuth2{
		Issuer: strings.TrimSpace(x.Issuer), AuthURL: strings.TrimSpace(x.AuthURL), TokenURL: strings.TrimSpace(x.TokenURL),
	}
	for _, s := range x.Scopes {
		o.Scopes = append(o.Scopes, strings.Fields(s)...)
	}
	for _, text := range []string{o.AuthURL, o.TokenURL} {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil
		}
	}
	return o
}
