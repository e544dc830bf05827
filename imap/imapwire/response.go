package imapwire

// The responses, as values.

import (
	"time"

	"github.com/mailwire/mailwire/imap"
)

// Response is one response of a server: a pointer to one of the types of this
// package.
type Response interface{ response() }

// StatusResponse is OK, NO, BAD, BYE or PREAUTH: tagged, untagged, or the
// greeting.
type StatusResponse struct {
	Tag  string // empty where untagged
	Cond imap.Condition
	Code imap.Code // nil where there is none
	// Text is for people. What cannot stand on one line is replaced when it is
	// sent.
	Text string
}

// Err is nil for OK and PREAUTH, else the response as an error.
func (r *StatusResponse) Err() error {
	if r.Cond == imap.OK || r.Cond == imap.PREAUTH {
		return nil
	}
	return &imap.Error{Kind: r.Cond, Code: r.Code, Text: r.Text}
}

// Continuation is a "+" line. Text is what stands behind it: words, or base64
// in a SASL exchange (see [DecodeSASL]).
type Continuation struct{ Text string }

// CapabilityData is CAPABILITY. EnabledData is ENABLED (RFC 5161).
type (
	CapabilityData struct{ Capabilities imap.Capabilities }
	EnabledData    struct{ Capabilities imap.Capabilities }
)

// ListData is LIST, or LSUB, or Gmail's XLIST.
type ListData struct {
	imap.MailboxInfo
	Lsub  bool
	XList bool
}

// StatusData is STATUS; what it holds is in Items, in that order.
type StatusData struct{ imap.MailboxStatus }

// FlagsData is FLAGS.
type FlagsData struct{ Flags []imap.Flag }

// ExistsData, RecentData and ExpungeData are the responses that are a number
// and a word.
type (
	ExistsData  struct{ Count uint32 }
	RecentData  struct{ Count uint32 }
	ExpungeData struct{ Seq imap.SeqNum }
)

// VanishedData is VANISHED (RFC 7162).
type VanishedData struct {
	Earlier bool
	UIDs    imap.UIDSet
}

// NamespaceData is NAMESPACE (RFC 2342).
type NamespaceData struct{ imap.Namespaces }

// IDData is ID (RFC 2971).
type IDData struct{ Params []imap.IDParam }

// UnknownData is an untagged response that is not known here. Raw is the whole
// response without its last line end, as it stands on the wire.
type UnknownData struct{ Raw string }

// FetchFields says which fields of a [FetchData] were there.
type FetchFields uint32

// The fields of [FetchData].
const (
	HasUID FetchFields = 1 << iota
	HasFlags
	HasInternalDate
	HasSize
	HasEnvelope
	HasBody          // BodyStructure, without extension data
	HasBodyStructure // BodyStructure, with it
	HasModSeq
	HasEmailID
	HasThreadID
	HasSaveDate
	HasPreview
	HasGmailLabels
	HasGmailMessageID
	HasGmailThreadID
)

// FetchData is FETCH, or UIDFETCH. One message's data may come in several.
type FetchData struct {
	Seq imap.SeqNum // zero in UIDFETCH
	// UIDFetch is UIDFETCH (RFC 9586), which names the message by UID.
	UIDFetch      bool
	Has           FetchFields
	UID           imap.UID
	Flags         []imap.Flag
	InternalDate  time.Time
	Size          int64
	Envelope      *imap.Envelope
	BodyStructure *imap.BodyStructure
	ModSeq        imap.ModSeq
	EmailID       string
	ThreadID      string    // empty with HasThreadID: NIL
	SaveDate      time.Time // zero with HasSaveDate: NIL
	Preview       string
	PreviewNil    bool
	// What Gmail keeps (X-GM-EXT-1): labels in UTF-8, a system label with its
	// backslash, and its identifiers.
	GmailLabels    []string
	GmailMessageID uint64
	GmailThreadID  uint64

	Sections []SectionData
	// Extended holds items that are not known here, as they stand on the wire.
	Extended []imap.RawItem
	// More is set where a section's body streams: what follows of the response
	// comes as another FetchData of the same Seq.
	More bool
}

// SectionData is BODY[...], BINARY[...], BINARY.SIZE[...] or one of the RFC822
// items with its octets.
type SectionData struct {
	// Item is a *[imap.BodySection], a *[imap.BinarySection], a
	// *[imap.BinarySize], or [imap.FetchRFC822] and its like.
	Item imap.FetchItem
	// Body is the octets; nil for NIL and where they stream. Read from a
	// frame, it is part of the frame.
	Body []byte
	// Stream is the octets where they are more than the reader buffers. It is
	// valid until the next call on the reader, which drains it.
	Stream *Literal
	// Size is the number of octets, or what BINARY.SIZE tells.
	Size int64
}

func (*StatusResponse) response() {}
func (*Continuation) response()   {}
func (*CapabilityData) response() {}
func (*EnabledData) response()    {}
func (*ListData) response()       {}
func (*StatusData) response()     {}
func (*FlagsData) response()      {}
func (*ExistsData) response()     {}
func (*RecentData) response()     {}
func (*ExpungeData) response()    {}
func (*VanishedData) response()   {}
func (*NamespaceData) response()  {}
func (*IDData) response()         {}
func (*UnknownData) response()    {}
func (*FetchData) response()      {}
