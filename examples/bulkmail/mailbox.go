package main

// Reading the mailboxes that bounces come to. Messages are left there.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
)

// maxBounce is how many octets of a message are looked at. What a report says
// is at its beginning.
const maxBounce = 4 << 20

// maxDrain is how much more of a message POP3 has to throw away to get to the
// next.
const maxDrain = 1 << 30

// read takes the new messages of a mailbox.
func (b *bouncer) read(ctx context.Context, m *mailboxConfig) error {
	password, err := m.password()
	if err != nil {
		return err
	}
	if m.protocol == "pop3" {
		return b.readPOP3(ctx, m, password)
	}
	return b.readIMAP(ctx, m, password)
}

func (b *bouncer) readIMAP(ctx context.Context, m *mailboxConfig, password string) error {
	o := &imapclient.Options{TLS: imapTLS[m.tls], AllowCleartext: m.allowClear, Auth: &sasl.Credentials{User: m.user, Password: password}}
	var err error
	if o.TLSConfig, err = m.tlsConfig(); err != nil {
		return err
	}
	c, err := imapclient.Dial(ctx, m.addr, o)
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Examine(ctx, m.folder)
	if err != nil {
		return err
	}
	prefix := fmt.Sprintf("imap %s %s %s %d/", m.addr, m.user, m.folder, status.UIDValidity)
	last := b.last(prefix)
	uids, err := c.Search(ctx, imap.SearchUIDs{Set: imap.UIDs(last+1, imap.Max)})
	if err != nil {
		return err
	}
	section := &imap.BodySection{Peek: true, Partial: &imap.Partial{Count: maxBounce}}
	for _, uid := range uids {
		if uid <= last { // "n:*" has the last message, whatever n is
			continue
		}
		var text []byte
		found := false
		for x, err := range c.Fetch(ctx, imap.UIDSetOf(uid), imap.FetchUID, section) {
			if err != nil {
				return err
			}
			if r := x.Open(section); r != nil {
				data, err := io.ReadAll(io.LimitReader(r, maxBounce))
				if err != nil {
					return err
				}
				text, found = data, true
			}
		}
		if !found {
			continue // expunged meanwhile
		}
		if err := b.take(prefix+strconv.FormatUint(uint64(uid), 10), text, time.Now()); err != nil {
			return err
		}
	}
	return c.Logout(ctx)
}

// last is the highest UID of a mailbox that was dealt with.
func (b *bouncer) last(prefix string) (last imap.UID) {
	for source := range b.done {
		if s, ok := strings.CutPrefix(source, prefix); ok {
			if n, err := strconv.ParseUint(s, 10, 32); err == nil {
				last = max(last, imap.UID(n))
			}
		}
	}
	return last
}

func (b *bouncer) readPOP3(ctx context.Context, m *mailboxConfig, password string) error {
	o := &pop3client.Options{TLS: pop3TLS[m.tls], AllowCleartext: m.allowClear, User: m.user, Password: password,
		MaxDrain: maxDrain}
	var err error
	if o.TLSConfig, err = m.tlsConfig(); err != nil {
		return err
	}
	c, err := pop3client.Dial(ctx, m.addr, o)
	if err != nil {
		return err
	}
	defer c.Close()
	seen := &seenBounces{b, fmt.Sprintf("pop3 %s %s ", m.addr, m.user)}
	leave := &pop3client.Leave{Store: seen, KeepFor: m.deleteAfter}
	plan, err := leave.Plan(ctx, c)
	if err != nil {
		return err
	}
	if numbers := plan.Numbers(); len(numbers) > 0 {
		for x, err := range c.RetrieveAll(ctx, numbers...) {
			if err != nil {
				return err
			}
			text, err := io.ReadAll(io.LimitReader(x, maxBounce))
			if err == nil {
				err = x.Close()
			}
			if err != nil {
				return err
			}
			if err := b.take(seen.prefix+plan.UID(x.Number), text, time.Now()); err != nil {
				return err
			}
		}
	}
	if !b.dry {
		if err := leave.Finish(ctx, c, plan); err != nil {
			return err
		}
	}
	return c.Quit(ctx)
}

// seenBounces is the journal of bounces as the memory of a maildrop.
type seenBounces struct {
	*bouncer
	prefix string
}

func (s *seenBounces) Seen(context.Context) (map[string]time.Time, error) {
	seen := map[string]time.Time{}
	for source, at := range s.done {
		if uid, ok := strings.CutPrefix(source, s.prefix); ok {
			seen[uid] = at
		}
	}
	return seen, nil
}

// Add is not called: take records a message and what it means together.
func (s *seenBounces) Add(context.Context, string, time.Time) error { return errors.ErrUnsupported }

// Forget forgets nothing: what was bounced counts on when it is no longer on
// the server.
func (s *seenBounces) Forget(context.Context, []string) error { return nil }
