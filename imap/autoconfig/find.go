// Asking the network.

package autoconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrNotFound is an address of which nobody knows the servers. What each source
// said is wrapped beside it.
var ErrNotFound = errors.New("autoconfig: no settings found")

// MozillaDirectory is Thunderbird's directory, for Finder.Directory.
const MozillaDirectory = "https://autoconfig.thunderbird.net/v1.1/"

// Resolver is the part of a *net.Resolver that a Finder needs.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

// Finder finds the settings of addresses. The zero value asks the presets and
// DNS. It may be used by any number of goroutines.
//
// The host names that it connects to come from the address. A service that looks
// up addresses of strangers gives it an HTTP client whose dialer refuses networks
// that are not public.
type Finder struct {
	// HTTP fetches documents, by https alone and through no redirection to
	// anything else; nil asks no web server. The address is told to the
	// domain's own servers, as Thunderbird does.
	HTTP *http.Client
	// Directory is the beginning of the URL of a directory's documents, to
	// which a domain is appended, such as MozillaDirectory; empty asks none.
	// It is told the domain, not the address.
	Directory string
	// Resolver asks DNS; net.DefaultResolver where nil.
	Resolver Resolver
	// NoPresets leaves out this package's table.
	NoPresets bool
	// Timeout is for each question to the network; 10 seconds where zero.
	Timeout time.Duration
}

// Find is the settings of an address, from the first source that has any: see
// Source for their order. Where none has, the error is ErrNotFound. When ctx
// ends, Find ends with its cause.
func (f *Finder) Find(ctx context.Context, addr string) (*Settings, error) {
	a, err := parseAddress(addr)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, source := range []func(context.Context, address) (*Settings, error){
		f.preset, f.provider, f.srv, f.directory, f.mx,
	} {
		s, err := source(ctx, a)
		if err == nil && s != nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return nil, errors.Join(append([]error{ErrNotFound}, failed...)...)
}

func (f *Finder) preset(_ context.Context, a address) (*Settings, error) {
	if f.NoPresets {
		return nil, nil
	}
	s, _ := preset(a)
	return s, nil
}

func (f *Finder) provider(ctx context.Context, a address) (*Settings, error) {
	if f.HTTP == nil {
		return nil, nil
	}
	var failed []error
	for _, u := range []string{
		"https://autoconfig." + a.domain + "/mail/config-v1.1.xml?emailaddress=" + url.QueryEscape(a.full),
		"https://" + a.domain + "/.well-known/autoconfig/mail/config-v1.1.xml",
	} {
		s, err := f.fetch(ctx, u, a, FromProvider)
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

func (f *Finder) directory(ctx context.Context, a address) (*Settings, error) {
	if f.HTTP == nil || f.Directory == "" {
		return nil, nil
	}
	return f.fetch(ctx, f.Directory+url.PathEscape(a.domain), a, FromDirectory)
}

func (f *Finder) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(f.Timeout, 10*time.Second))
}

// maxRedirects is how many redirections a document may be behind.
const maxRedirects = 5

func (f *Finder) fetch(ctx context.Context, u string, a address, from Source) (*Settings, error) {
	ctx, cancel := f.timeout(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("autoconfig: %w", err)
	}
	if request.URL.Scheme != "https" {
		return nil, fmt.Errorf("autoconfig: %s is not https", u)
	}
	client := *f.HTTP
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https":
			return errors.New("redirected to what is not https")
		case f.HTTP.CheckRedirect != nil:
			return f.HTTP.CheckRedirect(r, via)
		case len(via) > maxRedirects:
			return fmt.Errorf("redirected more than %d times", maxRedirects)
		}
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("autoconfig: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("autoconfig: %s: %s", u, response.Status)
	}
	doc, err := io.ReadAll(io.LimitReader(response.Body, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("autoconfig: %s: %w", u, err)
	}
	s, err := parse(doc, a, from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	return s, nil
}

// services are the names of RFC 6186 section 3 and RFC 8314 section 5.1.
var services = []struct {
	name     string
	protocol Protocol
	security Security
}{
	{"imaps", IMAP, ImplicitTLS},
	{"imap", IMAP, StartTLS},
	{"pop3s", POP3, ImplicitTLS},
	{"pop3", POP3, StartTLS},
	{"submissions", Submission, ImplicitTLS},
	{"submission", Submission, StartTLS},
}

// srv reads the SRV records of the domain. Those of one protocol are in the order
// of their priorities, implicit TLS first where they are the same.
func (f *Finder) srv(ctx context.Context, a address) (*Settings, error) {
	type record struct {
		Server
		priority uint16
	}
	var found []record
	var failed []error
	s := &Settings{Source: FromSRV}
	for _, service := range services {
		query, cancel := f.timeout(ctx)
		_, records, err := f.resolver().LookupSRV(query, service.name, "tcp", a.domain)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			var dns *net.DNSError
			if !errors.As(err, &dns) || !dns.IsNotFound {
				failed = append(failed, fmt.Errorf("autoconfig: %w", err))
			}
		}
		// Records beside an error are those that were well formed.
		for _, r := range records {
			host, ok := hostName(r.Target)
			// The target "." says that there is no such service.
			if !ok || net.ParseIP(host) != nil || r.Port == 0 || len(found) == maxServers {
				continue
			}
			found = append(found, record{Server{
				Protocol: service.protocol, Host: host, Port: r.Port, Security: service.security, User: a.full,
			}, r.Priority})
			if !within(host, a.domain) {
				s.Confirm = true
			}
		}
	}
	slices.SortStableFunc(found, func(x, y record) int { return cmp.Compare(x.priority, y.priority) })
	for _, r := range found {
		if r.Protocol == Submission {
			s.Outgoing = append(s.Outgoing, r.Server)
		} else {
			s.Incoming = append(s.Incoming, r.Server)
		}
	}
	if len(found) == 0 {
		return nil, errors.Join(failed...)
	}
	return s, nil
}

func (f *Finder) resolver() Resolver {
	if f.Resolver != nil {
		return f.Resolver
	}
	return net.DefaultResolver
}

// mx asks who takes the domain's mail, and for that one's settings.
func (f *Finder) mx(ctx context.Context, a address) (*Settings, error) {
	query, cancel := f.timeout(ctx)
	records, err := f.resolver().LookupMX(query, a.domain)
	cancel()
	if len(records) == 0 {
		var dns *net.DNSError
		if err == nil || errors.As(err, &dns) && dns.IsNotFound {
			return nil, nil
		}
		return nil, fmt.Errorf("autoconfig: %w", err)
	}
	best := slices.MinFunc(records, func(x, y *net.MX) int { return cmp.Compare(x.Pref, y.Pref) })
	host, ok := hostName(best.Host)
	if !ok {
		return nil, nil
	}
	if !f.NoPresets {
		if s, ok := presetMX(a, host); ok {
			s.Confirm = true
			return s, nil
		}
	}
	if f.HTTP == nil || f.Directory == "" || net.ParseIP(host) != nil {
		return nil, nil
	}
	// Which labels are the registered domain's, no rule of DNS tells: the
	// directory is asked for the domains above the host, the longest first.
	var failed []error
	for range 3 {
		_, above, ok := strings.Cut(host, ".")
		if !ok || !strings.Contains(above, ".") {
			break
		}
		host = above
		if within(a.domain, host) {
			break
		}
		s, err := f.fetch(ctx, f.Directory+url.PathEscape(host), a, FromMXLookup)
		if err == nil {
			s.Confirm = true
			return s, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}
