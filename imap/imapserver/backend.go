package imapserver

// The interfaces that a mail store implements.

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/sasl"
)

// Backend is a mail store. Its methods are called by many goroutines at once.
type Backend interface {
	// Open begins the session of a client that has proved to be id. Several
	// sessions of one user may be open at once. An error refuses the login:
	// an *imap.Error is told to the client, any other is logged and becomes
	// NO [UNAVAILABLE]. c is valid as long as the session.
	Open(ctx context.Context, id sasl.Identity, c *Conn) (Session, error)
}

// Session is one client's view of its account.
//
// All calls on a Session and on the Mailboxes it opened are serialised: no two
// run at the same time, and no method is called while an iterator of it is
// being ranged over, with one exception: while [Mailbox.Messages] is ranged
// over, [Mailbox.Content] of that Mailbox may be called. ctx ends with the
// connection at the latest.
//
// The consumer of an iterator may take long between two values, as long as a
// slow client does: hold no lock that others wait for while yielding.
//
// Names are UTF-8 and never empty; they do not end in the hierarchy delimiter.
// INBOX, alone or as the first component, arrives in capitals. All else about
// names is the Backend's to check.
//
// An *imap.Error from any method is told to the client as it is; any other
// error is logged and told as NO [SERVERBUG].
type Session interface {
	// Mailboxes yields every mailbox once, in any order; a list that begins
	// with INBOX makes some commands cheaper. Each has its Name, Delimiter
	// (the same for all that share a namespace) and Attrs:
	//
	//   - \Subscribed where subscribed. A name that is subscribed and does not
	//     exist is yielded with \NonExistent as well.
	//   - \Noselect for a name that exists and can hold children alone.
	//   - \Noinferiors where no child can be made.
	//   - \Marked, \Unmarked and special uses as known.
	//
	// \HasChildren and \HasNoChildren, and parents that are only implied by
	// the names of their children, are added by the server. INBOX must be
	// there. A value is the consumer's until the next is yielded.
	Mailboxes(ctx context.Context) iter.Seq2[*imap.MailboxInfo, error]

	// Mailbox opens a mailbox. Where there is none (or it is \Noselect) the
	// error is [imap.ErrNoMailbox]. Several may be open at once, of the same
	// name too.
	Mailbox(ctx context.Context, name string, mode OpenMode) (Mailbox, error)

	// Create makes a mailbox, and the parents it needs (RFC 3501 section
	// 6.3.3). UIDs of an earlier mailbox of that name must not come again
	// under the same UIDVALIDITY. o is not nil. The error for one that exists
	// is [imap.ErrMailboxExists].
	Create(ctx context.Context, name string, o *CreateOptions) error

	// Delete removes a mailbox with its messages, and not its children: a
	// mailbox that has some becomes \Noselect (or its name only implied), and
	// deleting one that is \Noselect is an error (RFC 3501 section 6.3.4).
	// It is never called for INBOX. Subscriptions stay.
	Delete(ctx context.Context, name string) error

	// Rename renames a mailbox and all its children, and makes the parents
	// that the new name needs. Renaming INBOX moves its messages into a new
	// mailbox and leaves INBOX, empty, and its children where they are (RFC
	// 3501 section 6.3.5). Subscriptions stay as they are. to is not from and
	// not below it.
	//
	// A Mailbox that is open goes with its new name, or returns
	// [imap.ErrNoMailbox] from then on: the one that is selected is then
	// opened again, and stays selected where its UIDVALIDITY is the same.
	Rename(ctx context.Context, from, to string) error

	// Subscribe and Unsubscribe change the list of subscriptions. Subscribing
	// twice, and unsubscribing what is not subscribed, is no error.
	Subscribe(ctx context.Context, name string) error
	Unsubscribe(ctx context.Context, name string) error

	// Close ends the session; every Mailbox was closed before. It is called
	// once, however the connection ended.
	Close() error
}

// OpenMode says what a mailbox is opened for.
type OpenMode uint8

const (
	// Access is for STATUS and APPEND: nothing is claimed as recent.
	Access OpenMode = iota
	// Examine is for EXAMINE: read-only, and nothing is claimed as recent.
	// The server calls no method that changes anything.
	Examine
	// Select is for SELECT: messages that are recent to nobody else become
	// recent to this Mailbox until it is closed.
	Select
)

func (m OpenMode) String() string {
	switch m {
	case Access:
		return "Access"
	case Examine:
		return "Examine"
	case Select:
		return "Select"
	}
	return "OpenMode"
}

// CreateOptions are options of CREATE.
type CreateOptions struct {
	// Uses are the special uses asked for (RFC 6154): at least one where the
	// command names them, and always some that [SpecialUser] returned.
	Uses []imap.MailboxAttr
}

// Mailbox is an open mailbox. Messages are known by their UIDs alone: sequence
// numbers, the moment a client is told of an expunge, ENVELOPE, BODYSTRUCTURE
// and SEARCH are the server's.
//
// Everything that happens to a mailbox (a message that comes, a change of
// flags, messages that go, whoever does it) gets a mod-sequence above all
// earlier ones. UIDs ascend too: when a message becomes visible, no message
// with a smaller UID becomes visible later.
//
// Sets that a Mailbox is given are ascending ranges that are apart, without
// "*" and "$". They may name UIDs that do not exist or not any more; those are
// skipped, which is no error.
type Mailbox interface {
	// Status is the mailbox as a whole. UIDValidity, UIDNext, Messages,
	// Recent, Unseen, HighestModSeq, Flags, PermanentFlags and ReadOnly must
	// be right; Deleted, Size, AppendLimit and MailboxID where the Backend
	// has them. Recent is the number of messages that are recent to this
	// Mailbox, or under Access to nobody yet. Flags are those in use or to be
	// offered; PermanentFlags holds [imap.FlagWildcard] where a client can
	// make keywords.
	//
	// Everything up to HighestModSeq shows in calls of Messages and Changes
	// that begin later. A mailbox in which nothing ever happened may have zero.
	Status(ctx context.Context) (*imap.MailboxStatus, error)

	// Messages yields what is known of each message of set, by ascending UID:
	// UID, Flags, InternalDate, Size and ModSeq. Flags hold \Recent where the
	// message is recent to this Mailbox; under Examine, where it would be to
	// one opened with Select. A message that comes, changes or goes meanwhile
	// may be yielded in either state, or not. A value is the consumer's until
	// the next is yielded, its Flags included.
	Messages(ctx context.Context, set imap.UIDSet) iter.Seq2[*imap.MessageInfo, error]

	// Content opens a message. For one that is gone the error is
	// [ErrExpunged]. What was opened stays readable until it is closed, even
	// when the message is expunged meanwhile.
	Content(ctx context.Context, uid imap.UID) (Content, error)

	// Append adds a message. r gives its octets, o.Size of them, and then
	// io.EOF. Any other error of r means that the message did not come
	// completely: Append then adds nothing and returns that error. When
	// Append returns nil the message is stored as safely as it will ever be.
	// o.InternalDate is set; o.Flags are without \Recent.
	Append(ctx context.Context, r io.Reader, o *imap.AppendOptions) (AppendResult, error)

	// Store changes the flags of the messages of set, as c.Apply says. Flags
	// that cannot be kept are left out quietly. Where c.UnchangedSince is not
	// nil, messages whose mod-sequence is above it stay as they are, and are
	// returned; test and change are one step. A message whose flags are
	// already so keeps its mod-sequence.
	Store(ctx context.Context, set imap.UIDSet, c *imap.FlagChange) (modified imap.UIDSet, err error)

	// Copy copies the messages of set, in ascending order, to the end of
	// another mailbox or the same, flags and internal dates included: all or
	// none. Where dest does not exist the error is [imap.ErrTryCreate] or
	// [imap.ErrNoMailbox]. In the result Source and Dest name equally many
	// messages, both ascending; a result of nil means that nothing was there
	// to be copied.
	Copy(ctx context.Context, set imap.UIDSet, dest string) (*imap.CopyResult, error)

	// Expunge removes those messages of set that have \Deleted.
	Expunge(ctx context.Context, set imap.UIDSet) error

	// Changes yields what happened after since, in any order. A message that
	// is new or changed is yielded once at least, in its present state or a
	// later one than since; what happened to a message that is gone may be
	// left out, and so may, or not, the UIDs of messages that came and went
	// since. A Backend that cannot tell a new message from a changed one
	// yields ChangeNew: the server knows which it had. ChangeVanished may name
	// UIDs that never were.
	//
	// When the iterator ends, everything up to the largest ModSeq that was
	// yielded must have been yielded; the next call begins there. Where the
	// history does not go back to since the error is [ErrHistoryLost]: the
	// server then compares with Messages. Where the mailbox has been deleted
	// the error is [imap.ErrNoMailbox]: the server ends the connection. A
	// value is the consumer's until the next is yielded.
	//
	// Changes is called after nearly every command. With nothing new it must
	// be cheap.
	Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[*imap.Change, error]

	// Wait blocks until something happened after since, or the mailbox was
	// deleted (nil), or ctx ends (its error). IDLE calls it: thousands may wait at once, so it should
	// neither poll quickly nor hold a lock. It may return nil too early.
	// While it runs no other method of the session is called.
	Wait(ctx context.Context, since imap.ModSeq) error

	// Close releases the Mailbox. It expunges nothing.
	Close() error
}

// Content is the octets of a message, with lines that end in CRLF. It is used
// by one goroutine at a time.
type Content interface {
	io.ReaderAt
	// Size is the number of octets; it equals [imap.MessageInfo].Size.
	Size() int64
	Close() error
}

// AppendResult says where a message was put (RFC 4315). A zero UID means that
// the client is not to be told.
type AppendResult struct {
	UIDValidity uint32
	UID         imap.UID
}

var (
	// ErrHistoryLost is returned by [Mailbox.Changes] where the history does
	// not go back far enough.
	ErrHistoryLost = errors.New("imapserver: the history does not go back that far")

	// ErrExpunged is returned by [Mailbox.Content] for a message that is gone.
	ErrExpunged = &imap.Error{Kind: imap.NO, Code: imap.CodeExpungeIssued, Text: "The message no longer exists"}
)

// Mover is a Session that can move messages: MOVE (RFC 6851) is offered.
type Mover interface {
	// Move is [Mailbox.Copy] and the removal of the originals as one step for
	// each message: at no time is one in neither mailbox, and none is in both
	// when it ends. from is a Mailbox of this session. The flag \Deleted plays
	// no part. An error may come after some messages were moved; the result
	// then names those.
	Move(ctx context.Context, from Mailbox, set imap.UIDSet, dest string) (*imap.CopyResult, error)
}

// SpecialUser is a Session that can give mailboxes special uses when they are
// made: CREATE-SPECIAL-USE (RFC 6154) is offered.
type SpecialUser interface {
	// SpecialUses are the uses that [Session.Create] can assign.
	SpecialUses() []imap.MailboxAttr
}

// Namespacer is a Session whose names have more than one root (RFC 2342).
// Without it all names are personal, and the prefix is empty.
type Namespacer interface {
	Namespaces(ctx context.Context) (*imap.Namespaces, error)
}

// Searcher is a Mailbox that can search by itself, with an index say.
type Searcher interface {
	// Search returns the messages of set that match criteria, which hold no
	// sequence numbers and no strings but UTF-8. [errors.ErrUnsupported]
	// leaves this search to the server. Text must match as SEARCH demands
	// it: any part of the decoded text, whatever the case.
	Search(ctx context.Context, set imap.UIDSet, criteria imap.SearchCriteria) (imap.UIDSet, error)
}
