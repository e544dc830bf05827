package imap

// Flags, what STORE does to them, and mailbox attributes.

import "slices"

// Flag is a message flag: a system flag, which begins with a backslash, or a
// keyword. Flags are compared without regard to ASCII case; see [Flag.Equal].
type Flag string

// System flags (RFC 3501 section 2.3.2), and the wildcard of PERMANENTFLAGS
// that says a client may make new keywords.
const (
	FlagSeen     Flag = `\Seen`
	FlagAnswered Flag = `\Answered`
	FlagFlagged  Flag = `\Flagged`
	FlagDeleted  Flag = `\Deleted`
	FlagDraft    Flag = `\Draft`
	FlagRecent   Flag = `\Recent`
	FlagWildcard Flag = `\*`
)

// Keywords in common use (RFC 5788 and its registry, RFC 9051 section 2.3.2).
const (
	FlagForwarded       Flag = "$Forwarded"
	FlagMDNSent         Flag = "$MDNSent"
	FlagSubmitPending   Flag = "$SubmitPending"
	FlagSubmitted       Flag = "$Submitted"
	FlagJunk            Flag = "$Junk"
	FlagNotJunk         Flag = "$NotJunk"
	FlagPhishing        Flag = "$Phishing"
	FlagImportant       Flag = "$Important" // RFC 8457
	FlagHasAttachment   Flag = "$HasAttachment"
	FlagHasNoAttachment Flag = "$HasNoAttachment"
)

var systemFlags = [...]Flag{FlagSeen, FlagAnswered, FlagFlagged, FlagDeleted, FlagDraft, FlagRecent, FlagWildcard}

// System reports whether f begins with a backslash.
func (f Flag) System() bool { return len(f) > 0 && f[0] == '\\' }

// Equal reports whether f and o are the same flag.
func (f Flag) Equal(o Flag) bool { return equalFold(string(f), string(o)) }

// Canonical is f in the RFC's spelling where it is a system flag of RFC 3501,
// else f.
func (f Flag) Canonical() Flag {
	if f.System() {
		for _, s := range systemFlags {
			if f.Equal(s) {
				return s
			}
		}
	}
	return f
}

// Valid reports whether f can stand in a flag list: an atom, or a backslash
// and an atom, or "\*".
func (f Flag) Valid() bool {
	s := string(f)
	if f == FlagWildcard {
		return true
	}
	if f.System() {
		s = s[1:]
	}
	return isAtom(s)
}

// HasFlag reports whether f is among flags.
func HasFlag(flags []Flag, f Flag) bool { return slices.ContainsFunc(flags, f.Equal) }

// StoreAction is what STORE does with the flags it is given.
type StoreAction uint8

// The actions of STORE (RFC 3501 section 6.4.6): FLAGS, +FLAGS and -FLAGS.
const (
	StoreReplace StoreAction = iota
	StoreAdd
	StoreRemove
)

func (a StoreAction) String() string {
	switch a {
	case StoreAdd:
		return "+FLAGS"
	case StoreRemove:
		return "-FLAGS"
	}
	return "FLAGS"
}

// FlagChange is what STORE does to each message.
type FlagChange struct {
	Action StoreAction
	Flags  []Flag
	// UnchangedSince, where it is not nil, leaves alone the messages whose
	// mod-sequence is above it (RFC 7162 section 3.1.3).
	UnchangedSince *ModSeq
}

// Apply appends to dst the flags of a message that had the flags have. \Recent
// stays as it was: no client can change it. No flag comes twice.
func (c *FlagChange) Apply(dst, have []Flag) []Flag {
	from := len(dst)
	add := func(f Flag) {
		if !HasFlag(dst[from:], f) {
			dst = append(dst, f)
		}
	}
	for _, f := range have {
		keep := true
		switch {
		case f.Equal(FlagRecent):
		case c.Action == StoreReplace:
			keep = HasFlag(c.Flags, f)
		case c.Action == StoreRemove:
			keep = !HasFlag(c.Flags, f)
		}
		if keep {
			add(f)
		}
	}
	if c.Action != StoreRemove {
		for _, f := range c.Flags {
			if !f.Equal(FlagRecent) {
				add(f.Canonical())
			}
		}
	}
	return dst
}

// MailboxAttr is an attribute of a mailbox in LIST and LSUB, with its
// backslash. Attributes are compared without regard to ASCII case.
type MailboxAttr string

// Attributes of RFC 3501 section 7.2.2, RFC 5258 and RFC 3348.
const (
	AttrNoselect      MailboxAttr = `\Noselect`
	AttrNoinferiors   MailboxAttr = `\Noinferiors`
	AttrMarked        MailboxAttr = `\Marked`
	AttrUnmarked      MailboxAttr = `\Unmarked`
	AttrHasChildren   MailboxAttr = `\HasChildren`
	AttrHasNoChildren MailboxAttr = `\HasNoChildren`
	AttrNonExistent   MailboxAttr = `\NonExistent`
	AttrSubscribed    MailboxAttr = `\Subscribed`
	AttrRemote        MailboxAttr = `\Remote`
)

// Special uses (RFC 6154, RFC 8457).
const (
	AttrAll       MailboxAttr = `\All`
	AttrArchive   MailboxAttr = `\Archive`
	AttrDrafts    MailboxAttr = `\Drafts`
	AttrFlagged   MailboxAttr = `\Flagged`
	AttrJunk      MailboxAttr = `\Junk`
	AttrSent      MailboxAttr = `\Sent`
	AttrTrash     MailboxAttr = `\Trash`
	AttrImportant MailboxAttr = `\Important`
)

var specialUses = [...]MailboxAttr{AttrAll, AttrArchive, AttrDrafts, AttrFlagged, AttrJunk, AttrSent, AttrTrash, AttrImportant}

// Equal reports whether a and o are the same attribute.
func (a MailboxAttr) Equal(o MailboxAttr) bool { return equalFold(string(a), string(o)) }

// SpecialUse reports whether a is a special use of RFC 6154 or RFC 8457.
func (a MailboxAttr) SpecialUse() bool { return slices.ContainsFunc(specialUses[:], a.Equal) }

// Valid reports whether a can stand in a LIST response: a backslash and an
// atom.
func (a MailboxAttr) Valid() bool { return len(a) > 1 && a[0] == '\\' && isAtom(string(a[1:])) }

// HasAttr reports whether a is among attrs.
func HasAttr(attrs []MailboxAttr, a MailboxAttr) bool { return slices.ContainsFunc(attrs, a.Equal) }
