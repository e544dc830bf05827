package imap

// Response codes that carry URLs and identifiers of objects.

// Names of these codes.
const (
	CodeMailboxIDName = "MAILBOXID"
	CodeReferralName  = "REFERRAL"
	CodeBadURLName    = "BADURL"
	CodeURLMechName   = "URLMECH"
)

// CodeMailboxID is MAILBOXID: the identifier of a mailbox, in the answers to
// CREATE, SELECT and EXAMINE (RFC 8474). See [ValidObjectID].
type CodeMailboxID struct{ ID string }

// ValidObjectID reports whether id can be the identifier of a mailbox, a
// message or a thread: 1 to 255 letters, digits, "_" and "-" (RFC 8474 section
// 7).
func ValidObjectID(id string) bool {
	for i := range len(id) {
		if c := id[i]; !isAlnum(c) && c != '_' && c != '-' {
			return false
		}
	}
	return 1 <= len(id) && len(id) <= 255
}

// CodeReferral is REFERRAL: where the user's mail is, in the answer to a login
// (RFC 2221), or where a mailbox is (RFC 2193). A referral to what is no IMAP
// server is a [CodeRaw].
//
// A URL with an IPv6 address has brackets, for which a code has no room: it is
// not sent.
type CodeReferral struct{ URLs []URL }

// CodeBadURL is BADURL: which URL of CATENATE could not be resolved (RFC
// 4469), as the client wrote it.
type CodeBadURL struct{ URL string }

// CodeURLMech is URLMECH: the mechanisms of URLAUTH that a mailbox has, besides
// INTERNAL, which is always there (RFC 4467).
type CodeURLMech struct{ Mechanisms []URLMechanism }

// URLMechanism is a mechanism of URLAUTH and its data, nil where there is none.
type URLMechanism struct {
	Name string
	Data []byte
}

func (CodeMailboxID) CodeName() string { return CodeMailboxIDName }
func (CodeReferral) CodeName() string  { return CodeReferralName }
func (CodeBadURL) CodeName() string    { return CodeBadURLName }
func (CodeURLMech) CodeName() string   { return CodeURLMechName }
