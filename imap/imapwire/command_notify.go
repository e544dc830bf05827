package imapwire

// NOTIFY (RFC 5465), and the filters of mailboxes that ESEARCH has as well.

import (
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// Notify is NOTIFY SET with Spec, or NOTIFY NONE where Spec is nil. What was
// read may be against the rules: see [imap.NotifySpec.Validate].
type Notify struct{ Spec *imap.NotifySpec }

func (*Notify) CommandName() string { return "NOTIFY" }

func (p *parser) notify() Args {
	p.ExpectSP()
	at := p.Pos()
	switch p.word() {
	case "NONE":
		return &Notify{}
	case "SET":
	default:
		p.Seek(at)
		p.Fail("SET or NONE")
	}
	s := &imap.NotifySpec{}
	p.ExpectSP()
	if p.Fold("STATUS ") {
		s.Status = true
	}
	for {
		s.Groups = append(s.Groups, p.notifyGroup())
		if p.failed() || p.End() {
			return &Notify{s}
		}
		p.ExpectSP()
	}
}

func (p *parser) notifyGroup() (g imap.NotifyGroup) {
	p.ExpectByte('(')
	g.Mailboxes = p.mailboxFilter()
	p.ExpectSP()
	if c, _ := p.Peek(); c == '(' {
		p.list(func() { p.notifyEvent(&g) })
		if g.Events == nil {
			p.Fail("an event")
		}
		p.ExpectByte(')')
		return g
	}
	// RFC 5465's examples leave out the parentheses that its grammar has.
	for {
		p.notifyEvent(&g)
		if p.failed() || p.Byte(')') {
			break
		}
		p.ExpectSP()
	}
	if len(g.Events) == 1 && g.Events[0].Equal("NONE") {
		g.Events = nil
	}
	return g
}

// notifyEvent is an event, or the items to fetch that stand behind MessageNew.
func (p *parser) notifyEvent(g *imap.NotifyGroup) {
	if c, _ := p.Peek(); c == '(' && len(g.Events) > 0 && g.Events[len(g.Events)-1] == imap.EventMessageNew && g.Fetch == nil {
		p.list(func() { g.Fetch = append(g.Fetch, p.fetchItem()) })
		if g.Fetch == nil {
			p.Fail("a FETCH item")
		}
		return
	}
	g.Events = append(g.Events, imap.NotifyEvent(p.atom()).Canonical())
}

// mailboxFilter is filter-mailboxes.
func (p *parser) mailboxFilter() imap.MailboxFilter {
	at := p.Pos()
	f := imap.MailboxFilter{Scope: imap.MailboxScope(p.word())}
	switch f.Scope {
	case imap.ScopeSelected, imap.ScopeSelectedDelayed, imap.ScopeInboxes, imap.ScopePersonal, imap.ScopeSubscribed:
	case imap.ScopeSubtree, imap.ScopeSubtreeOne, imap.ScopeMailboxes:
		p.ExpectSP()
		if c, ok := p.Peek(); !ok || c != '(' {
			f.Mailboxes = []string{p.mailbox()}
			break
		}
		p.list(func() { f.Mailboxes = append(f.Mailboxes, p.mailbox()) })
		if f.Mailboxes == nil {
			p.Fail("a mailbox")
		}
	default:
		p.Seek(at)
		p.Fail("a filter of mailboxes")
	}
	return f
}

func (e *CommandEncoder) mailboxFilter(f *imap.MailboxFilter) {
	scope := imap.MailboxScope(wire.Upper(string(f.Scope)))
	if scope.Named() != (len(f.Mailboxes) > 0) {
		e.fail(&badToken{"filter of these mailboxes", string(f.Scope)})
	}
	e.atom(string(scope))
	switch len(f.Mailboxes) {
	case 0:
	case 1:
		e.lit(" ")
		e.mailbox(f.Mailboxes[0])
	default:
		e.lit(" ")
		e.list(len(f.Mailboxes), func(i int) { e.mailbox(f.Mailboxes[i]) })
	}
}

func (c *Notify) encodeArgs(e *CommandEncoder) {
	if c.Spec == nil {
		e.lit(" NONE")
		return
	}
	e.fail(c.Spec.Validate())
	e.lit(" SET")
	if c.Spec.Status {
		e.lit(" STATUS")
	}
	for i := range c.Spec.Groups {
		g := &c.Spec.Groups[i]
		e.lit(" (")
		e.mailboxFilter(&g.Mailboxes)
		if len(g.Events) == 0 {
			e.lit(" NONE)")
			continue
		}
		e.lit(" ")
		e.list(len(g.Events), func(i int) {
			e.atom(string(g.Events[i]))
			if g.Events[i].Equal(imap.EventMessageNew) && len(g.Fetch) > 0 {
				e.lit(" ")
				e.fetchItems(g.Fetch)
			}
		})
		e.lit(")")
	}
}
