// MTA-STS (RFC 8461): the policies by which domains require TLS.

package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// STSMode is what a policy asks for.
type STSMode uint8

// The modes (RFC 8461 section 5).
const (
	STSNone STSMode = iota
	STSTesting
	STSEnforce
)

func (m STSMode) String() string {
	switch m {
	case STSEnforce:
		return "enforce"
	case STSTesting:
		return "testing"
	}
	return "none"
}

// STSPolicy is a domain's policy.
type STSPolicy struct {
	Mode STSMode
	// MX are the names that its hosts may have: "mx.example.org", or
	// "*.example.org" for any one label in its place.
	MX []string
	// MaxAge is for how long it counts, in seconds; at most 31557600.
	MaxAge int64
}

const (
	maxSTSPolicy = 64 << 10
	maxSTSAge    = 31557600
	maxSTSHosts  = 1000
)

// ParseSTSPolicy reads a policy (RFC 8461 section 3.2). Fields that are not
// known are passed over, of those given twice the first counts.
func ParseSTSPolicy(text []byte) (*STSPolicy, error) {
	if len(text) > maxSTSPolicy {
		return nil, errors.New("smtpclient: MTA-STS policy of more than 64 KiB")
	}
	p := &STSPolicy{MaxAge: -1}
	var version, mode string
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.Trim(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		bad := func(what string) error { return fmt.Errorf("smtpclient: MTA-STS policy: line %d: %s", i+1, what) }
		if !ok {
			return nil, bad("expected name: value")
		}
		name, value = strings.TrimRight(name, " \t"), strings.Trim(value, " \t")
		switch {
		case version == "" && name != "version":
			return nil, bad("expected version")
		case name == "version" && version == "":
			if version = value; version != "STSv1" {
				return nil, bad("version is not STSv1")
			}
		case name == "mode" && mode == "":
			mode = value
			switch value {
			case "enforce":
				p.Mode = STSEnforce
			case "testing":
				p.Mode = STSTesting
			case "none":
			default:
				return nil, bad("unknown mode")
			}
		case name == "max_age" && p.MaxAge < 0:
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || len(value) > 10 {
				return nil, bad("max_age is no number of seconds")
			}
			p.MaxAge = min(int64(n), maxSTSAge)
		case name == "mx":
			host := strings.TrimPrefix(value, "*.")
			if _, err := smtp.ParseDomain(host); err != nil || strings.HasPrefix(host, "[") || len(p.MX) == maxSTSHosts {
				return nil, bad("malformed mx")
			}
			p.MX = append(p.MX, wire.Lower(value))
		}
	}
	switch {
	case version == "":
		return nil, errors.New("smtpclient: MTA-STS policy: it is empty")
	case mode == "" || p.MaxAge < 0:
		return nil, errors.New("smtpclient: MTA-STS policy: it has no mode or no max_age")
	case p.Mode != STSNone && len(p.MX) == 0:
		return nil, errors.New("smtpclient: MTA-STS policy: it names no mx")
	}
	return p, nil
}

// Match reports whether host is among those of the policy (RFC 8461 section
// 4.1).
func (p *STSPolicy) Match(host string) bool {
	host = wire.Lower(strings.TrimSuffix(host, "."))
	for _, mx := range p.MX {
		if suffix, ok := strings.CutPrefix(mx, "*"); ok {
			if label, rest, ok := strings.Cut(host, "."); ok && label != "" && "."+rest == suffix {
				return true
			}
		} else if host == mx {
			return true
		}
	}
	return false
}

// stsRecord is the id in the answer to the query of a domain's TXT records
// (RFC 8461 section 3.1); empty where there is no one record of MTA-STS.
func stsRecord(txt []string) string {
	id, n := "", 0
	for _, t := range txt {
		if !strings.HasPrefix(t, "v=STSv1;") && !strings.HasPrefix(t, "v=STSv1 ") && t != "v=STSv1" {
			continue
		}
		n++
		for field := range strings.SplitSeq(t, ";") {
			if name, value, ok := strings.Cut(strings.Trim(field, " \t"), "="); ok && name == "id" {
				id = value
			}
		}
	}
	if n != 1 || len(id) > 32 {
		return ""
	}
	return id
}

// STS finds the policies of domains and keeps them. It may be used by any
// number of goroutines.
type STS struct {
	// LookupTXT finds TXT records; that of net.DefaultResolver when nil.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	// Fetch gets the policy file at an https URL, as [FetchSTS] of
	// http.DefaultClient does when nil.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// MaxDomains bounds what is kept; 10000 when zero.
	MaxDomains int

	mu    sync.Mutex
	cache map[string]stsEntry
}

type stsEntry struct {
	id      string
	policy  *STSPolicy
	expires time.Time
	checked time.Time // when the record was last looked at
}

// stsRecheck is how long a policy counts without another look at the record,
// and how long a fetch that failed is not tried again.
const stsRecheck = 5 * time.Minute

// Policy is a domain's policy, nil if it has none. A policy that was found
// before counts until its age is over, also where the record or the file can
// not be had any more (RFC 8461 section 5.1): an attacker who suppresses them
// gains nothing. The error is nil then.
func (s *STS) Policy(ctx context.Context, domain string) (*STSPolicy, error) {
	domain, err := smtp.ASCIIDomain(domain)
	if err != nil || strings.HasPrefix(domain, "[") {
		return nil, err
	}
	domain = wire.Lower(domain)
	now := time.Now()
	s.mu.Lock()
	have := s.cache[domain]
	s.mu.Unlock()
	if have.policy != nil && !now.Before(have.expires) {
		have.policy, have.id = nil, ""
	}
	if !have.checked.IsZero() && now.Sub(have.checked) < stsRecheck {
		return have.policy, nil
	}
	have.checked = now
	lookup := s.LookupTXT
	if lookup == nil {
		lookup = net.DefaultResolver.LookupTXT
	}
	txt, err := lookup(ctx, "_mta-sts."+domain)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if id := stsRecord(txt); err == nil && id != "" && (id != have.id || have.policy == nil) {
		p, err := s.fetch(ctx, domain)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			have.id, have.policy, have.expires = id, p, now.Add(time.Duration(p.MaxAge)*time.Second)
		}
	}
	s.keep(domain, have)
	return have.policy, nil
}

func (s *STS) fetch(ctx context.Context, domain string) (*STSPolicy, error) {
	get := s.Fetch
	if get == nil {
		get = FetchSTS(http.DefaultClient)
	}
	// RFC 8461 section 3.3: a minute is enough.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text, err := get(ctx, "https://mta-sts."+domain+"/.well-known/mta-sts.txt")
	if err != nil {
		return nil, err
	}
	return ParseSTSPolicy(text)
}

func (s *STS) keep(domain string, e stsEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil {
		s.cache = make(map[string]stsEntry)
	}
	most := s.MaxDomains
	if most <= 0 {
		most = 10000
	}
	if _, ok := s.cache[domain]; !ok && len(s.cache) >= most {
		// Those without a policy first, they cost the least to find again.
		drop := ""
		for d, e := range s.cache {
			if drop = d; e.policy == nil {
				break
			}
		}
		delete(s.cache, drop)
	}
	s.cache[domain] = e
}

// FetchSTS makes an STS.Fetch of an HTTP client: it follows no redirects, and
// takes 200 and text/plain of 64 KiB at most (RFC 8461 section 3.3). The
// client's transport must verify certificates.
func FetchSTS(client *http.Client) func(ctx context.Context, url string) ([]byte, error) {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, url string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := own.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("smtpclient: %s: %s", url, resp.Status)
		}
		if typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || typ != "text/plain" {
			return nil, fmt.Errorf("smtpclient: %s: not text/plain", url)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxSTSPolicy+1))
		if err == nil && len(text) > maxSTSPolicy {
			err = fmt.Errorf("smtpclient: %s: more than 64 KiB", url)
		}
		return text, err
	}
}
