package imapwire

// The commands, as values.

import (
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// Command is one command of a client.
type Command struct {
	Tag  string
	Args Args
	// Raw is the command as it came, without its last line end, and without
	// the message of an APPEND. It is borrowed until the next call on the
	// reader, and nil after LOGIN and AUTHENTICATE, which hold secrets.
	Raw []byte
}

// Args are a command's name and arguments: a pointer to one of the types of
// this package. A server dispatches with
//
//	switch a := cmd.Args.(type) {
//	case *imapwire.Login:
type Args interface {
	// CommandName is the command's first word or words in capitals, such as
	// "SELECT" or "UID FETCH".
	CommandName() string
}

// Commands without arguments.
type (
	Capability     struct{}
	Noop           struct{}
	Logout         struct{}
	StartTLS       struct{}
	Check          struct{}
	Close          struct{}
	Unselect       struct{} // RFC 3691
	Idle           struct{} // RFC 2177; the line DONE follows, see [CommandReader.ReadLine]
	Namespace      struct{} // RFC 2342
	Unauthenticate struct{} // RFC 8437
)

// Authenticate begins a SASL exchange (RFC 3501 section 6.2.2). Its further
// lines are read with [CommandReader.ReadLine] and [DecodeSASL].
type Authenticate struct {
	Mechanism string // in capitals
	// Initial is the initial response (RFC 4959), decoded: nil where there
	// was none, and empty but not nil where it was "=".
	Initial []byte
}

// Login is LOGIN.
type Login struct{ Username, Password string }

// Enable is ENABLE (RFC 5161).
type Enable struct{ Capabilities []imap.Capability }

// ID is ID (RFC 2971); no Params is NIL.
type ID struct{ Params []imap.IDParam }

// Select is SELECT, or EXAMINE with ReadOnly.
type Select struct {
	Mailbox   string
	ReadOnly  bool
	CondStore bool          // RFC 7162
	QResync   *imap.QResync // RFC 7162
}

// QResync is what SELECT has for QRESYNC.
type QResync = imap.QResync

// Create is CREATE. Uses are special uses (RFC 6154 section 3).
type Create struct {
	Mailbox string
	Uses    []imap.MailboxAttr
}

// Commands that name a mailbox and no more.
type (
	Delete      struct{ Mailbox string }
	Subscribe   struct{ Mailbox string }
	Unsubscribe struct{ Mailbox string }
)

// Rename is RENAME.
type Rename struct{ From, To string }

// List is LIST, with the options of RFC 5258.
type List struct {
	Reference string
	Patterns  []string
	// Select holds selection options in capitals, such as
	// [imap.ListSubscribed].
	Select []string
	// Return holds return options.
	Return []ListReturn
	// Extended is set where the command has the extended form: selection or
	// return options, though they may be empty, or patterns in parentheses.
	Extended bool
}

// ListReturn is a return option of LIST.
type ListReturn struct {
	Name string // in capitals, such as [imap.ListChildren]
	// Status is for STATUS (RFC 5819), and Entries is for METADATA (RFC 9590).
	Status  []imap.StatusItem
	Entries []string
	// Value is what is in the parentheses behind any other option.
	Value string
}

// Lsub is LSUB.
type Lsub struct{ Reference, Pattern string }

// Status is STATUS.
type Status struct {
	Mailbox string
	Items   []imap.StatusItem // in capitals
}

// Expunge is EXPUNGE, or UID EXPUNGE (RFC 4315) where UIDs is not empty.
type Expunge struct{ UIDs imap.UIDSet }

// Search is SEARCH, or UID SEARCH with UID.
type Search struct {
	UID bool
	// Charset is the charset of the strings in Criteria; empty where none was
	// named.
	Charset  string
	Criteria imap.SearchCriteria
	// Extended is set where there is RETURN (RFC 4731), though Return may be
	// empty, which means ALL.
	Extended bool
	Return   []imap.SearchReturn
}

// Fetch is FETCH, or UID FETCH where Set is an [imap.UIDSet].
type Fetch struct {
	Set   imap.NumSet
	Items []imap.FetchItem
	// ChangedSince and Vanished are RFC 7162's; nil where not given.
	ChangedSince *imap.ModSeq
	Vanished     bool
	// Modifiers are PARTIAL (see [Fetch.Page]) and those not known here.
	Modifiers []imap.RawItem
}

// PageModifier is the modifier PARTIAL (RFC 9394).
func PageModifier(r imap.PartialRange) imap.RawItem {
	return imap.RawItem{Name: imap.ReturnPartial, Value: r.String()}
}

// Page is the range of the modifier PARTIAL (RFC 9394); ok is false where there
// is none.
func (c *Fetch) Page() (page imap.PartialRange, ok bool) {
	for _, m := range c.Modifiers {
		if wire.EqualFold(m.Name, imap.ReturnPartial) {
			page, err := imap.ParsePartialRange(m.Value)
			return page, err == nil
		}
	}
	return page, false
}

// Store is STORE, or UID STORE where Set is an [imap.UIDSet].
type Store struct {
	Set    imap.NumSet
	Change imap.FlagChange
	Silent bool
}

// Copy is COPY, or UID COPY where Set is an [imap.UIDSet]. Move is MOVE (RFC
// 6851).
type (
	Copy struct {
		Set     imap.NumSet
		Mailbox string
	}
	Move struct {
		Set     imap.NumSet
		Mailbox string
	}
)

// Unknown is any other command.
type Unknown struct {
	Name string // in capitals; "UID" and the next word for a UID command
	// Text is what follows the name and a space, as it stands on the wire,
	// literals with their headers.
	Text string
}

func (*Capability) CommandName() string     { return "CAPABILITY" }
func (*Noop) CommandName() string           { return "NOOP" }
func (*Logout) CommandName() string         { return "LOGOUT" }
func (*StartTLS) CommandName() string       { return "STARTTLS" }
func (*Authenticate) CommandName() string   { return "AUTHENTICATE" }
func (*Login) CommandName() string          { return "LOGIN" }
func (*Enable) CommandName() string         { return "ENABLE" }
func (*ID) CommandName() string             { return "ID" }
func (*Create) CommandName() string         { return "CREATE" }
func (*Delete) CommandName() string         { return "DELETE" }
func (*Rename) CommandName() string         { return "RENAME" }
func (*Subscribe) CommandName() string      { return "SUBSCRIBE" }
func (*Unsubscribe) CommandName() string    { return "UNSUBSCRIBE" }
func (*List) CommandName() string           { return "LIST" }
func (*Lsub) CommandName() string           { return "LSUB" }
func (*Status) CommandName() string         { return "STATUS" }
func (*Check) CommandName() string          { return "CHECK" }
func (*Close) CommandName() string          { return "CLOSE" }
func (*Unselect) CommandName() string       { return "UNSELECT" }
func (*Idle) CommandName() string           { return "IDLE" }
func (*Namespace) CommandName() string      { return "NAMESPACE" }
func (*Unauthenticate) CommandName() string { return "UNAUTHENTICATE" }
func (c *Unknown) CommandName() string      { return c.Name }

func (c *Select) CommandName() string {
	if c.ReadOnly {
		return "EXAMINE"
	}
	return "SELECT"
}

func (c *Expunge) CommandName() string {
	if !c.UIDs.Empty() {
		return "UID EXPUNGE"
	}
	return "EXPUNGE"
}

func (c *Search) CommandName() string {
	if c.UID {
		return "UID SEARCH"
	}
	return "SEARCH"
}

func (c *Fetch) CommandName() string { return numbered(c.Set, "FETCH", "UID FETCH") }
func (c *Store) CommandName() string { return numbered(c.Set, "STORE", "UID STORE") }
func (c *Copy) CommandName() string  { return numbered(c.Set, "COPY", "UID COPY") }
func (c *Move) CommandName() string  { return numbered(c.Set, "MOVE", "UID MOVE") }

// ByUID reports whether the command is the UID form.
func (c *Fetch) ByUID() bool { return isUID(c.Set) }

// ByUID reports whether the command is the UID form.
func (c *Store) ByUID() bool { return isUID(c.Set) }

// ByUID reports whether the command is the UID form.
func (c *Copy) ByUID() bool { return isUID(c.Set) }

// ByUID reports whether the command is the UID form.
func (c *Move) ByUID() bool { return isUID(c.Set) }

func isUID(s imap.NumSet) bool {
	_, ok := s.(imap.UIDSet)
	return ok
}

func numbered(s imap.NumSet, plain, uid string) string {
	if isUID(s) {
		return uid
	}
	return plain
}
