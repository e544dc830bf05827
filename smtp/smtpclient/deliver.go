// Delivery to the servers of the recipients' domains (RFC 5321 section 5).

package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// Resolver finds mail servers. *net.Resolver is one. Names are in ASCII and
// end in a dot, which keeps search domains away. A name that does not exist is
// a *net.DNSError with IsNotFound; other errors are temporary.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Policy is how the servers of a domain are talked to.
type Policy struct {
	// TLS is Opportunistic, Required or Disabled; Auto is Opportunistic.
	// Required verifies the certificate against the server's name,
	// Opportunistic verifies nothing (RFC 7435).
	TLS TLSMode
	// CleartextFallback goes on in cleartext, on a new connection, where the
	// handshake of Opportunistic TLS fails.
	CleartextFallback bool
	// Hosts, if not empty, are the names that servers must have, as those of
	// an STSPolicy.
	Hosts []string
}

// Deliverer delivers messages to the servers of the recipients' domains. The
// zero value is ready; HelloName should be set. It may be used by any number
// of goroutines; its fields must not change after the first call.
type Deliverer struct {
	// Options are those of the connections. TLS is as the Policy has it,
	// Auth must be nil.
	Options Options
	// Resolver finds servers; net.DefaultResolver when nil.
	Resolver Resolver
	// STS finds policies of MTA-STS; nil uses none. Policy comes first.
	STS *STS
	// Policy, if set, is how a domain's servers are talked to; nil leaves
	// that to STS, and after it to Opportunistic.
	Policy func(ctx context.Context, domain string) (*Policy, error)
	// Port is where servers listen; "25" when empty.
	Port string
	// MaxHosts bounds the addresses that are tried for a domain; 10 when
	// zero.
	MaxHosts int
}

// A host is one server to try.
type host struct {
	name string // without the final dot; empty for an address literal
	addr netip.Addr
}

// Deliver sends a message to each domain of its recipients, in their order,
// and tries the domain's servers until one has said what becomes of its
// recipients.
//
// The Result has a verdict for each recipient. Those with an error for which
// [Temporary] is true are to be tried again later, with an envelope of their
// own; the others failed for good, and the sender is told. Errors of replies
// are *smtp.Error; those of servers that can not be found have the codes of
// RFC 3463 and RFC 7505 too. The error is that of the first recipient, nil if
// anyone got the message.
//
// message is read once for each domain and server that wants it, from where it
// stands. A server that was sent the whole message and did not answer is not
// followed by another: its recipients are to be tried later.
func (d *Deliverer) Deliver(ctx context.Context, env *smtp.Envelope, message io.ReadSeeker) (*smtp.Result, error) {
	if len(env.To) == 0 {
		return nil, errors.New("smtpclient: the envelope has no recipients")
	}
	res := &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}
	start, err := message.Seek(0, io.SeekCurrent)
	if err != nil {
		return failed(env, err), err
	}
	for _, group := range byDomain(env) {
		err := context.Cause(ctx)
		if err == nil {
			_, err = message.Seek(start, io.SeekStart)
		}
		if err != nil {
			for _, i := range group {
				res.Recipients[i].Err = err
			}
			continue
		}
		d.domain(ctx, env, group, message, start, res)
	}
	if res.Accepted() > 0 {
		return res, nil
	}
	return res, res.Err()
}

// byDomain groups the indices of recipients, in the order of their domains.
func byDomain(env *smtp.Envelope) [][]int {
	var groups [][]int
	at := make(map[string]int)
	for i := range env.To {
		domain := wire.Lower(env.To[i].Path.Domain)
		g, ok := at[domain]
		if !ok {
			g = len(groups)
			at[domain] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// domain delivers to the recipients of one domain.
func (d *Deliverer) domain(ctx context.Context, env *smtp.Envelope, group []int, message io.ReadSeeker, start int64, res *smtp.Result) {
	part := &smtp.Envelope{From: env.From, Options: env.Options}
	for _, i := range group {
		part.To = append(part.To, env.To[i])
	}
	all := func(err error) {
		for _, i := range group {
			res.Recipients[i] = smtp.Verdict{Err: err}
		}
	}
	domain := part.To[0].Path.Domain
	policy, err := d.policy(ctx, domain, env.Options.RequireTLS)
	if err != nil {
		all(err)
		return
	}
	hosts, err := d.hosts(ctx, part.To[0].Path, policy)
	if err != nil {
		all(err)
		return
	}
	err = smtp.Errorf(451, smtp.EnhancedCode{4, 4, 1}, "no server of %s could be reached", domain)
	for _, h := range hosts {
		if _, e := message.Seek(start, io.SeekStart); e != nil {
			err = e
			break
		}
		r, e := d.host(ctx, h, policy, part, message)
		if r != nil {
			for j, i := range group {
				res.Recipients[i] = r.Recipients[j]
			}
			if res.Reply.Code == 0 || r.Accepted() > 0 {
				res.Reply = r.Reply
			}
			return
		}
		err = fmt.Errorf("%s: %w", h, e)
		if ctx.Err() != nil {
			break
		}
	}
	all(err)
}

func (h host) String() string {
	if h.name == "" {
		return smtp.AddressLiteral(h.addr)
	}
	return h.name + " [" + h.addr.String() + "]"
}

func (d *Deliverer) policy(ctx context.Context, domain string, requireTLS bool) (*Policy, error) {
	var p *Policy
	if d.Policy != nil {
		var err error
		if p, err = d.Policy(ctx, domain); err != nil {
			return nil, err
		}
	}
	if p == nil && d.STS != nil {
		sts, err := d.STS.Policy(ctx, domain)
		if err != nil {
			return nil, err
		}
		if sts != nil && sts.Mode == STSEnforce {
			p = &Policy{TLS: Required, Hosts: sts.MX}
		}
	}
	if p == nil {
		p = &Policy{}
	}
	own := *p
	if own.TLS == Auto {
		own.TLS = Opportunistic
	}
	if requireTLS {
		own.TLS = Required // RFC 8689 section 4.2.1
	}
	return &own, nil
}

// hosts are the servers of a domain, in the order to try them.
func (d *Deliverer) hosts(ctx context.Context, to smtp.Path, policy *Policy) ([]host, error) {
	domain, most := to.Domain, d.MaxHosts
	if most <= 0 {
		most = 10
	}
	if strings.HasPrefix(domain, "[") {
		return literalHost(domain)
	}
	name, err := smtp.ASCIIDomain(domain)
	if err != nil || name == "" {
		return nil, smtp.Errorf(550, smtp.EnhancedCode{5, 1, 2}, "no mail domain in <%s>", to)
	}
	r := d.Resolver
	if r == nil {
		r = net.DefaultResolver
	}
	names, err := d.mx(ctx, r, name)
	if err != nil {
		return nil, err
	}
	allowed := STSPolicy{MX: policy.Hosts}
	var hosts []host
	var failure error
	for _, n := range names {
		if len(policy.Hosts) > 0 && !allowed.Match(n) {
			failure = fmt.Errorf("%w: %w", ErrTLSRequired, smtp.Errorf(451, smtp.EnhancedCode{4, 7, 5}, "server %s is not among those of the domain's policy", n))
			continue
		}
		addrs, err := r.LookupNetIP(ctx, "ip", n+".")
		if err != nil {
			failure = lookupError(n, err)
			continue
		}
		for _, a := range addrs {
			if len(hosts) < most {
				hosts = append(hosts, host{n, a.Unmap()})
			}
		}
	}
	if len(hosts) > 0 {
		return hosts, nil
	}
	if failure == nil {
		failure = smtp.Errorf(550, smtp.EnhancedCode{5, 1, 2}, "no server for %s", domain)
	}
	return nil, failure
}

func literalHost(domain string) ([]host, error) {
	in := strings.Trim(domain, "[]")
	if len(in) > 5 && wire.EqualFold(in[:5], "IPv6:") {
		in = in[5:]
	}
	a, err := netip.ParseAddr(in)
	if err != nil {
		return nil, smtp.Errorf(550, smtp.EnhancedCode{5, 1, 2}, "not an address to send to: %s", domain)
	}
	return []host{{addr: a}}, nil
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func lookupError(name string, err error) error {
	if notFound(err) {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 2}, "domain or host %s not found", name)
	}
	return smtp.Errorf(451, smtp.EnhancedCode{4, 4, 3}, "lookup of %s failed: %s", name, err)
}

// mx are the names of a domain's servers: by preference, those of the same in
// any order; the domain itself where it has none.
func (d *Deliverer) mx(ctx context.Context, r Resolver, domain string) ([]string, error) {
	records, err := r.LookupMX(ctx, domain+".")
	if len(records) == 0 {
		if err != nil && !notFound(err) {
			return nil, lookupError(domain, err)
		}
		return []string{domain}, nil
	}
	mx := make([]*net.MX, 0, len(records))
	for _, m := range records {
		if name := strings.TrimSuffix(m.Host, "."); name != "" {
			mx = append(mx, &net.MX{Host: wire.Lower(name), Pref: m.Pref})
		}
	}
	if len(mx) == 0 {
		// RFC 7505.
		return nil, smtp.Errorf(556, smtp.EnhancedCode{5, 1, 10}, "domain %s takes no mail (null MX)", domain)
	}
	rand.Shuffle(len(mx), func(i, j int) { mx[i], mx[j] = mx[j], mx[i] })
	slices.SortStableFunc(mx, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var names []string
	for i, m := range mx {
		if d.Options.HelloName != "" && wire.EqualFold(m.Host, d.Options.HelloName) {
			// RFC 5321 section 5.1: this host and those behind it.
			mx = mx[:i]
			for len(mx) > 0 && mx[len(mx)-1].Pref == m.Pref {
				mx = mx[:len(mx)-1]
			}
			if names = names[:min(len(names), len(mx))]; len(names) == 0 {
				return nil, smtp.Errorf(554, smtp.EnhancedCode{5, 4, 6}, "mail for %s loops back to this host", domain)
			}
			break
		}
		names = append(names, m.Host)
	}
	return names, nil
}

// host tries one server. The Result is nil where another is to be tried: it
// could not be reached, or did not want to talk.
func (d *Deliverer) host(ctx context.Context, h host, policy *Policy, env *smtp.Envelope, message io.ReadSeeker) (*smtp.Result, error) {
	mode := policy.TLS
	c, err := d.dial(ctx, h, mode)
	if err != nil && mode == Opportunistic && policy.CleartextFallback && ctx.Err() == nil && isTLSError(err) {
		c, err = d.dial(ctx, h, Disabled)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	res, err := c.sendParts(ctx, env, message)
	if c.err == nil {
		_ = c.Quit(ctx)
		return res, err
	}
	var sent *SentError
	if errors.As(err, &sent) || res.Accepted() > 0 || ctx.Err() != nil {
		return res, err
	}
	// Lost or 421 before the message was sent.
	return nil, err
}

// sendParts is Send, in several transactions where the server takes fewer
// recipients in one (RFC 9422 section 3.2).
func (c *Client) sendParts(ctx context.Context, env *smtp.Envelope, message io.ReadSeeker) (*smtp.Result, error) {
	most := c.ext.Limits().RcptMax
	if most == 0 || len(env.To) <= most {
		return c.Send(ctx, env, message)
	}
	start, err := message.Seek(0, io.SeekCurrent)
	if err != nil {
		return failed(env, err), err
	}
	all := &smtp.Result{Recipients: make([]smtp.Verdict, 0, len(env.To))}
	var first error
	for len(all.Recipients) < len(env.To) {
		from := len(all.Recipients)
		part := &smtp.Envelope{From: env.From, Options: env.Options, To: env.To[from:min(from+most, len(env.To))]}
		_, err := message.Seek(start, io.SeekStart)
		res := failed(part, err)
		if err == nil {
			res, err = c.Send(ctx, part, message)
		}
		if all.Reply.Code == 0 || res.Accepted() > 0 {
			all.Reply = res.Reply
		}
		all.Recipients = append(all.Recipients, res.Recipients...)
		if first == nil {
			first = err
		}
	}
	if all.Accepted() > 0 {
		first = nil
	}
	return all, first
}

func (d *Deliverer) dial(ctx context.Context, h host, mode TLSMode) (*Client, error) {
	o := d.Options
	o.TLS = mode
	cfg := o.TLSConfig.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.ServerName = h.name
	if h.name == "" {
		cfg.ServerName = h.addr.String()
	}
	if mode == Opportunistic {
		// Cleartext would do: any certificate is better.
		cfg.InsecureSkipVerify = true
	}
	o.TLSConfig = cfg
	port := d.Port
	if port == "" {
		port = "25"
	}
	return Dial(ctx, net.JoinHostPort(h.addr.String(), port), &o)
}

// handshakeError is a failed handshake.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "smtpclient: STARTTLS: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func isTLSError(err error) bool {
	var h *handshakeError
	return errors.As(err, &h)
}
