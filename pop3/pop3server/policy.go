// What users are held to: LOGIN-DELAY and EXPIRE (RFC 2449 sections 6.5, 6.7).

package pop3server

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/sasl"
)

// Policy is what users are held to. The zero value holds them to nothing.
type Policy struct {
	// LoginDelay is the least time between two logins of a user, rounded up
	// to seconds; zero for none. A login before that is refused with
	// pop3.ErrLoginDelay. The times are kept in memory.
	LoginDelay time.Duration
	// Expires says that ExpireDays counts.
	Expires bool
	// ExpireDays is how many days a message stays, by Message.Received:
	// those that are older are removed by the next QUIT. At 0 those that
	// RETR has sent are, in the same session: mail can not be left on the
	// server. pop3.ExpireNever announces that none is ever removed.
	ExpireDays int
}

const day = 24 * time.Hour

func (p *Policy) delay() time.Duration {
	return (p.LoginDelay + time.Second - 1) / time.Second * time.Second
}

// announcePolicy adds the policy to the capabilities, before the login with
// the word that a user's own may differ.
func (c *Conn) announcePolicy(caps pop3.Capabilities) pop3.Capabilities {
	p := &c.srv.Policy
	var user []string
	switch {
	case c.policy != nil:
		p = c.policy
	case c.srv.PolicyFor != nil:
		user = []string{"USER"}
	}
	if d := p.delay(); d > 0 {
		caps = append(caps, pop3.Capability{Name: pop3.CapLoginDelay, Params: append([]string{strconv.FormatInt(int64(d/time.Second), 10)}, user...)})
	}
	if p.Expires {
		days := "NEVER"
		if p.ExpireDays >= 0 {
			days = strconv.Itoa(p.ExpireDays)
		}
		caps = append(caps, pop3.Capability{Name: pop3.CapExpire, Params: append([]string{days}, user...)})
	}
	return caps
}

// admit finds the policy of id, and refuses a login that comes too early.
func (c *Conn) admit(ctx context.Context, id sasl.Identity) error {
	p := c.srv.Policy
	if c.srv.PolicyFor != nil {
		p = c.srv.PolicyFor(ctx, id)
	}
	if d := p.delay(); d > 0 && c.srv.logins.within(id.Name(), time.Now()) {
		return pop3.ErrLoginDelay
	}
	c.policy = &p
	return nil
}

// loggedIn notes a login that succeeded.
func (c *Conn) loggedIn(id sasl.Identity) {
	if d := c.policy.delay(); d > 0 {
		c.srv.logins.note(id.Name(), d, time.Now())
	}
}

// expired says which messages QUIT removes unasked; nil for none.
func (c *Conn) expired() func(i int) bool {
	p, d := c.policy, c.drop
	switch {
	case !p.Expires || p.ExpireDays < 0:
		return nil
	case p.ExpireDays == 0:
		return func(i int) bool { return d.sent != nil && d.sent[i] }
	}
	now := time.Now()
	return func(i int) bool {
		at := d.messages[i].Received
		return !at.IsZero() && now.Sub(at)/day >= time.Duration(p.ExpireDays)
	}
}

// retrieved notes that RETR has sent a message.
func (c *Conn) retrieved(ctx context.Context, i int) {
	d := c.drop
	if d.sent == nil {
		d.sent = make([]bool, len(d.messages))
	}
	d.sent[i] = true
	if s, ok := d.Maildrop.(Seener); ok {
		if err := s.Seen(ctx, i); err != nil {
			c.net.Log.Warn("marking a message as seen failed", "message", i+1, "error", err)
		}
	}
}

// lastLogins are the times until which users must wait.
type lastLogins struct {
	mu    sync.Mutex
	until map[string]time.Time
	sweep int // how many there may be before those of the past are removed
}

func (l *lastLogins) within(user string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.until[user])
}

func (l *lastLogins) note(user string, d time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = make(map[string]time.Time)
	}
	if l.sweep = max(l.sweep, 1024); len(l.until) >= l.sweep {
		for u, t := range l.until {
			if !now.Before(t) {
				delete(l.until, u)
			}
		}
		l.sweep = 2 * len(l.until)
	}
	l.until[user] = now.Add(d)
}
