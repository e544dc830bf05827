package imap

// What NOTIFY asks for (RFC 5465), and the mailboxes that it and the ESEARCH
// command (RFC 7377) speak of.

import "errors"

// MailboxScope says which mailboxes a [MailboxFilter] means.
type MailboxScope string

// The scopes of RFC 5465 section 6 and RFC 7377 section 2.2. SELECTED-DELAYED
// is NOTIFY's alone, SUBTREE-ONE is ESEARCH's.
const (
	ScopeSelected        MailboxScope = "SELECTED"
	ScopeSelectedDelayed MailboxScope = "SELECTED-DELAYED"
	ScopeInboxes         MailboxScope = "INBOXES" // where new mail may be delivered
	ScopePersonal        MailboxScope = "PERSONAL"
	ScopeSubscribed      MailboxScope = "SUBSCRIBED"
	ScopeSubtree         MailboxScope = "SUBTREE"     // the mailboxes named and all below
	ScopeSubtreeOne      MailboxScope = "SUBTREE-ONE" // the mailboxes named and one level below
	ScopeMailboxes       MailboxScope = "MAILBOXES"   // the mailboxes named
)

// Named reports whether mailboxes are named behind the scope.
func (s MailboxScope) Named() bool {
	return s == ScopeSubtree || s == ScopeSubtreeOne || s == ScopeMailboxes
}

// MailboxFilter is a choice of mailboxes.
type MailboxFilter struct {
	Scope MailboxScope
	// Mailboxes are those named, UTF-8, where Scope names them.
	Mailboxes []string
}

// NotifyEvent is an event of RFC 5465 section 5. Events are compared without
// regard to ASCII case.
type NotifyEvent string

// The events.
const (
	EventMessageNew            NotifyEvent = "MessageNew"
	EventMessageExpunge        NotifyEvent = "MessageExpunge"
	EventFlagChange            NotifyEvent = "FlagChange"
	EventAnnotationChange      NotifyEvent = "AnnotationChange"
	EventMailboxName           NotifyEvent = "MailboxName"
	EventSubscriptionChange    NotifyEvent = "SubscriptionChange"
	EventMailboxMetadataChange NotifyEvent = "MailboxMetadataChange"
	EventServerMetadataChange  NotifyEvent = "ServerMetadataChange"
)

var notifyEvents = [...]NotifyEvent{
	EventMessageNew, EventMessageExpunge, EventFlagChange, EventAnnotationChange,
	EventMailboxName, EventSubscriptionChange, EventMailboxMetadataChange, EventServerMetadataChange,
}

// Equal reports whether e and o are the same event.
func (e NotifyEvent) Equal(o NotifyEvent) bool { return equalFold(string(e), string(o)) }

// Canonical is e in the RFC's spelling where it is one of RFC 5465, else e.
func (e NotifyEvent) Canonical() NotifyEvent {
	for _, k := range notifyEvents {
		if e.Equal(k) {
			return k
		}
	}
	return e
}

// NotifyGroup is events and the mailboxes they are asked of. A mailbox that
// several groups choose is the first one's.
type NotifyGroup struct {
	Mailboxes MailboxFilter
	// Events are those asked for; none at all is NONE.
	Events []NotifyEvent
	// Fetch is what the server is to tell of each new message, for the
	// selected mailbox alone.
	Fetch []FetchItem
}

// Has reports whether the group asks for e.
func (g *NotifyGroup) Has(e NotifyEvent) bool {
	for _, x := range g.Events {
		if x.Equal(e) {
			return true
		}
	}
	return false
}

// NotifySpec is what NOTIFY SET asks for.
type NotifySpec struct {
	// Status asks for a STATUS response for each mailbox at once.
	Status bool
	Groups []NotifyGroup
}

// Validate reports what RFC 5465 section 5 and 6 forbids: MessageNew without
// MessageExpunge or the other way round, FlagChange without both, events of
// mailboxes and items to fetch in the wrong group, two groups for the selected
// mailbox, no group, SUBTREE-ONE.
func (s *NotifySpec) Validate() error {
	if len(s.Groups) == 0 {
		return errors.New("imap: NOTIFY SET names no events")
	}
	selected := false
	for i := range s.Groups {
		g := &s.Groups[i]
		isSelected := g.Mailboxes.Scope == ScopeSelected || g.Mailboxes.Scope == ScopeSelectedDelayed
		if isSelected && selected {
			return errors.New("imap: NOTIFY names the selected mailbox twice")
		}
		selected = selected || isSelected
		arrived, expunged := g.Has(EventMessageNew), g.Has(EventMessageExpunge)
		switch {
		case g.Mailboxes.Scope == ScopeSubtreeOne:
			return errors.New("imap: NOTIFY has no SUBTREE-ONE")
		case arrived != expunged:
			return errors.New("imap: NOTIFY needs MessageNew and MessageExpunge together")
		case !arrived && (g.Has(EventFlagChange) || g.Has(EventAnnotationChange)):
			return errors.New("imap: NOTIFY needs MessageNew and MessageExpunge with FlagChange and AnnotationChange")
		case len(g.Fetch) > 0 && (!isSelected || !arrived):
			return errors.New("imap: NOTIFY fetches new messages of the selected mailbox alone")
		case isSelected && (g.Has(EventMailboxName) || g.Has(EventSubscriptionChange) || g.Has(EventMailboxMetadataChange) || g.Has(EventServerMetadataChange)):
			return errors.New("imap: NOTIFY has message events alone for the selected mailbox")
		}
	}
	return nil
}
