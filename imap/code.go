package imap

// Conditions, response codes and errors.

import (
	"errors"
	"strconv"
)

// Condition is the first word of a status response (RFC 3501 section 7.1).
type Condition uint8

// The conditions.
const (
	OK Condition = iota + 1
	NO
	BAD
	BYE
	PREAUTH
)

var conditions = [...]string{OK: "OK", NO: "NO", BAD: "BAD", BYE: "BYE", PREAUTH: "PREAUTH"}

func (c Condition) String() string {
	if c >= OK && c <= PREAUTH {
		return conditions[c]
	}
	return "Condition(" + strconv.Itoa(int(c)) + ")"
}

// ParseCondition is the condition that word names, whatever its case, or zero.
func ParseCondition(word string) Condition {
	for c := OK; c <= PREAUTH; c++ {
		if equalFold(word, conditions[c]) {
			return c
		}
	}
	return 0
}

// Code is a response code: what stands in brackets before a status response's
// text. Codes without arguments are a [CodeAtom], so that they compare with
// ==; those with arguments have types of their own; any other is a [CodeRaw].
type Code interface {
	// CodeName is the code's first word in capitals.
	CodeName() string
}

// CodeAtom is a code without arguments, or the name of one.
type CodeAtom string

// Codes of RFC 3501 section 7.1 and RFC 5530, and of the extensions.
const (
	CodeAlert      CodeAtom = "ALERT"
	CodeParse      CodeAtom = "PARSE"
	CodeReadOnly   CodeAtom = "READ-ONLY"
	CodeReadWrite  CodeAtom = "READ-WRITE"
	CodeTryCreate  CodeAtom = "TRYCREATE"
	CodeBadCharset CodeAtom = "BADCHARSET" // also with a list: CodeCharsets

	CodeUnavailable          CodeAtom = "UNAVAILABLE"
	CodeAuthenticationFailed CodeAtom = "AUTHENTICATIONFAILED"
	CodeAuthorizationFailed  CodeAtom = "AUTHORIZATIONFAILED"
	CodeExpired              CodeAtom = "EXPIRED"
	CodePrivacyRequired      CodeAtom = "PRIVACYREQUIRED"
	CodeContactAdmin         CodeAtom = "CONTACTADMIN"
	CodeNoPerm               CodeAtom = "NOPERM"
	CodeInUse                CodeAtom = "INUSE"
	CodeExpungeIssued        CodeAtom = "EXPUNGEISSUED"
	CodeCorruption           CodeAtom = "CORRUPTION"
	CodeServerBug            CodeAtom = "SERVERBUG"
	CodeClientBug            CodeAtom = "CLIENTBUG"
	CodeCannot               CodeAtom = "CANNOT"
	CodeLimit                CodeAtom = "LIMIT"
	CodeOverQuota            CodeAtom = "OVERQUOTA"
	CodeAlreadyExists        CodeAtom = "ALREADYEXISTS"
	CodeNonExistent          CodeAtom = "NONEXISTENT"

	CodeUIDNotSticky      CodeAtom = "UIDNOTSTICKY"      // RFC 4315
	CodeNoModSeq          CodeAtom = "NOMODSEQ"          // RFC 7162
	CodeClosed            CodeAtom = "CLOSED"            // RFC 7162
	CodeNotSaved          CodeAtom = "NOTSAVED"          // RFC 5182
	CodeHasChildren       CodeAtom = "HASCHILDREN"       // RFC 9051
	CodeUnknownCTE        CodeAtom = "UNKNOWN-CTE"       // RFC 3516
	CodeTooBig            CodeAtom = "TOOBIG"            // RFC 4469
	CodeUseAttr           CodeAtom = "USEATTR"           // RFC 6154
	CodeCompressionActive CodeAtom = "COMPRESSIONACTIVE" // RFC 4978
	CodeNotificationOver  CodeAtom = "NOTIFICATIONOVERFLOW"
	CodeUIDRequired       CodeAtom = "UIDREQUIRED"   // RFC 9586
	CodeBadComparator     CodeAtom = "BADCOMPARATOR" // RFC 5255
	CodeNewName           CodeAtom = "NEWNAME"       // RFC 2060, obsolete
)

// Names of codes that carry arguments: the first four are those of [CodeNumber].
const (
	CodeUIDNext        = "UIDNEXT"
	CodeUIDValidity    = "UIDVALIDITY"
	CodeUnseen         = "UNSEEN"
	CodeHighestModSeq  = "HIGHESTMODSEQ"
	CodeModifiedName   = "MODIFIED"
	CodeCapabilityName = "CAPABILITY"
	CodePermanentName  = "PERMANENTFLAGS"
	CodeAppendUIDName  = "APPENDUID"
	CodeCopyUIDName    = "COPYUID"
)

// CodeNumber is a code with one number: UIDNEXT, UIDVALIDITY, UNSEEN,
// HIGHESTMODSEQ.
type CodeNumber struct {
	Name string
	N    uint64
}

// CodeCapability is CAPABILITY with its list.
type CodeCapability struct{ Capabilities Capabilities }

// CodePermanentFlags is PERMANENTFLAGS with its list, which may be empty.
type CodePermanentFlags struct{ Flags []Flag }

// CodeCharsets is BADCHARSET with the charsets that the server knows.
type CodeCharsets struct{ Charsets []string }

// CodeAppendUID is APPENDUID (RFC 4315): the UIDs that messages were given.
type CodeAppendUID struct {
	UIDValidity uint32
	UIDs        UIDSet
}

// CodeCopyUID is COPYUID (RFC 4315).
type CodeCopyUID struct{ CopyResult }

// CodeModified is MODIFIED (RFC 7162): messages that a conditional STORE left
// alone. Set is a UIDSet in the answer to a UID STORE, and a SeqSet otherwise;
// here it is its text, to be read by [ParseUIDSet] or [ParseSeqSet].
type CodeModified struct{ Set string }

// CodeRaw is any other code with arguments. Text is what stands behind the name,
// as it stands on the wire.
type CodeRaw struct{ Name, Text string }

func (c CodeAtom) CodeName() string         { return upperASCII(string(c)) }
func (c CodeNumber) CodeName() string       { return upperASCII(c.Name) }
func (CodeCapability) CodeName() string     { return CodeCapabilityName }
func (CodePermanentFlags) CodeName() string { return CodePermanentName }
func (CodeCharsets) CodeName() string       { return string(CodeBadCharset) }
func (CodeAppendUID) CodeName() string      { return CodeAppendUIDName }
func (CodeCopyUID) CodeName() string        { return CodeCopyUIDName }
func (CodeModified) CodeName() string       { return CodeModifiedName }
func (c CodeRaw) CodeName() string          { return upperASCII(c.Name) }

// Error is what a server answers where it does not do what was asked: the
// condition, a code or nil, and a text for people. A Backend returns one to
// say which; the client returns one when it reads one.
type Error struct {
	// Kind is NO, BAD or BYE; a zero Kind is NO.
	Kind Condition
	Code Code
	Text string
}

func (e *Error) Error() string {
	s := "imap: " + e.kind().String()
	if e.Code != nil {
		s += " [" + e.Code.CodeName() + "]"
	}
	if e.Text != "" {
		quoted := strconv.QuoteToASCII(e.Text)
		s += " " + quoted[1:len(quoted)-1]
	}
	return s
}

// Is reports whether target is an *Error of the same kind and the same code;
// the text does not count. errors.Is(err, imap.ErrNoMailbox) is thus true for
// every NO with NONEXISTENT.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok {
		return false
	}
	return e.kind() == t.kind() && codeName(e.Code) == codeName(t.Code)
}

func (e *Error) kind() Condition {
	if e.Kind == 0 {
		return NO
	}
	return e.Kind
}

func codeName(c Code) string {
	if c == nil {
		return ""
	}
	return c.CodeName()
}

// Errors that Backends return most.
var (
	ErrNoMailbox     = &Error{NO, CodeNonExistent, "No such mailbox"}
	ErrMailboxExists = &Error{NO, CodeAlreadyExists, "Mailbox already exists"}
	ErrTryCreate     = &Error{NO, CodeTryCreate, "No such mailbox"}
	ErrNoPerm        = &Error{NO, CodeNoPerm, "Permission denied"}
	ErrOverQuota     = &Error{NO, CodeOverQuota, "Quota exceeded"}
	ErrTooBig        = &Error{NO, CodeTooBig, "Message too big"}
	ErrReadOnly      = &Error{NO, CodeReadOnly, "Mailbox is read-only"}
	ErrInUse         = &Error{NO, CodeInUse, "Mailbox is in use"}
	ErrUnavailable   = &Error{NO, CodeUnavailable, "Temporarily unavailable"}
	ErrCannot        = &Error{NO, CodeCannot, "Not possible here"}
)

// AsError is err as an *Error: the one it wraps, or NO with SERVERBUG and a
// text that tells nothing of err.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{NO, CodeServerBug, "Internal error"}
}
