// Envelopes: senders, recipients, the options of MAIL and RCPT, and results.

package smtp

import (
	"fmt"
	"time"
)

// Body says what octets a message holds (RFC 6152, RFC 3030).
type Body uint8

// The values of BODY=.
const (
	BodyUnstated   Body = iota // no BODY parameter, taken as 7BIT
	Body7Bit                   // lines of ASCII
	Body8BitMIME               // lines of any octets but NUL
	BodyBinaryMIME             // any octets; only in chunks
)

func (b Body) String() string {
	switch b {
	case Body7Bit:
		return "7BIT"
	case Body8BitMIME:
		return "8BITMIME"
	case BodyBinaryMIME:
		return "BINARYMIME"
	}
	return ""
}

// Return says how much of a message a delivery report brings back (RFC 3461
// section 4.3).
type Return uint8

// The values of RET=.
const (
	ReturnUnstated Return = iota
	ReturnFull
	ReturnHeaders
)

func (r Return) String() string {
	switch r {
	case ReturnFull:
		return "FULL"
	case ReturnHeaders:
		return "HDRS"
	}
	return ""
}

// Notify is the set of events that a sender wants delivery reports of (RFC
// 3461 section 4.1). Zero leaves it to the server.
type Notify uint8

// The values of NOTIFY=. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// OriginalRecipient is the address a recipient had at first (RFC 3461 section
// 4.2).
type OriginalRecipient struct {
	// Type is the address type, such as rfc822 or utf-8.
	Type string
	// Address is the address, decoded.
	Address string
}

// DeliverMode says what becomes of a message that can not be delivered in time
// (RFC 2852 section 4).
type DeliverMode byte

// The values of by-mode.
const (
	DeliverUnstated DeliverMode = 0
	DeliverNotify   DeliverMode = 'N' // it goes on, and the sender is told
	DeliverReturn   DeliverMode = 'R' // it is returned
)

// DeliverBy is the parameter BY (RFC 2852). There is none where Mode is zero.
type DeliverBy struct {
	// Seconds is the time left, of at most nine digits: negative when it is
	// over, which only DeliverNotify may be.
	Seconds int64
	Mode    DeliverMode
	// Trace asks for a report of the message's way.
	Trace bool
}

// Tracking is the parameter MTRK (RFC 3885). There is none where Certifier is
// empty.
type Tracking struct {
	// Certifier is the hash of a secret, in base64 without padding.
	Certifier string
	// Timeout is for how long the message is to be tracked, in seconds; zero
	// where it is not said.
	Timeout int64
}

// ValidAction says what becomes of RRVS where the next server does not know it
// (RFC 7293 section 3).
type ValidAction byte

// The actions of RRVS.
const (
	ValidUnstated ValidAction = 0
	ValidContinue ValidAction = 'C' // deliver without
	ValidReject   ValidAction = 'R' // do not deliver
)

// Param is a parameter of MAIL or RCPT that has no field of its own, and an
// attribute of XCLIENT and XFORWARD.
type Param struct {
	// Name is the keyword, as it was written.
	Name string
	// Value is as written; empty for a keyword alone.
	Value string
}

// MailOptions are the parameters of MAIL.
type MailOptions struct {
	// Size is the message's size in octets as the client declares it (RFC
	// 1870); zero when it does not.
	Size int64
	// Body is what octets the message holds.
	Body Body
	// UTF8 says that envelope or message need SMTPUTF8 (RFC 6531).
	UTF8 bool
	// Auth is who submitted the message at first, as a trusted client says
	// (RFC 4954 section 5): nil when it does not say, the null path when it
	// does not know.
	Auth *Path
	// Return is RET of RFC 3461.
	Return Return
	// EnvelopeID is ENVID of RFC 3461, decoded; at most 100 printable ASCII
	// characters.
	EnvelopeID string
	// By is BY of RFC 2852.
	By DeliverBy
	// HoldFor is HOLDFOR of RFC 4865: how long the server is to keep the
	// message back, in seconds of at most nine digits; zero for not at all.
	HoldFor int64
	// HoldUntil is HOLDUNTIL of RFC 4865, in whole seconds; the zero time is
	// none. It excludes HoldFor.
	HoldUntil time.Time
	// Priority is MT-PRIORITY of RFC 6710, from -9 to 9; zero is that of
	// every message and not said.
	Priority int
	// RequireTLS is REQUIRETLS of RFC 8689.
	RequireTLS bool
	// Track is MTRK of RFC 3885.
	Track Tracking
	// Solicit is SOLICIT of RFC 3865: keywords with commas between them.
	Solicit string
	// Other are the parameters without a field, in order.
	Other []Param
}

// RcptOptions are the parameters of RCPT.
type RcptOptions struct {
	// Notify is NOTIFY of RFC 3461.
	Notify Notify
	// Original is ORCPT of RFC 3461; its Type is empty when there is none.
	Original OriginalRecipient
	// ValidSince is RRVS of RFC 7293, in whole seconds: since when the
	// mailbox must have had the same owner. The zero time is none.
	ValidSince time.Time
	// ValidAction goes with ValidSince.
	ValidAction ValidAction
	// Other are the parameters without a field, in order.
	Other []Param
}

// Recipient is one recipient of an envelope.
type Recipient struct {
	Path    Path
	Options RcptOptions
}

// Envelope is a message's sender and recipients.
type Envelope struct {
	From    Path
	Options MailOptions
	To      []Recipient
}

// NewEnvelope makes the envelope of a message from addresses as ParsePath
// reads them. from may be empty: the null path. SMTPUTF8 is set where an
// address needs it.
func NewEnvelope(from string, to ...string) (*Envelope, error) {
	f, err := ParsePath(from)
	if err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	e := &Envelope{From: f, To: make([]Recipient, len(to))}
	for i, s := range to {
		p, err := ParsePath(s)
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i, err)
		}
		if p.IsNull() {
			return nil, fmt.Errorf("recipient %d: %w", i, &PathError{Text: s, Reason: "the null path receives nothing"})
		}
		e.To[i].Path = p
	}
	e.Options.UTF8 = e.NeedsUTF8()
	return e, nil
}

// NeedsUTF8 reports whether a path of the envelope has non-ASCII characters.
func (e *Envelope) NeedsUTF8() bool {
	if e.From.NeedsUTF8() {
		return true
	}
	for i := range e.To {
		if e.To[i].Path.NeedsUTF8() {
			return true
		}
	}
	return false
}

// Verdict is what became of one recipient.
type Verdict struct {
	// Err is nil for a recipient that the message was accepted for.
	Err error
	// Reply is what was said. A server's backend may leave it zero, for a
	// text of the server's.
	Reply Reply
}

// Result is what became of a message.
type Result struct {
	// Reply is the answer to the message as a whole. A server's backend may
	// leave it zero or set Lines, to say a queue id for instance.
	Reply Reply
	// Recipients has one verdict for each recipient of the envelope, in its
	// order. A server's backend may leave it nil: all are accepted.
	Recipients []Verdict
}

// Accepted is the number of recipients that the message was accepted for.
func (r *Result) Accepted() int {
	n := 0
	for i := range r.Recipients {
		if r.Recipients[i].Err == nil {
			n++
		}
	}
	return n
}

// Err is nil if every recipient was accepted, else the first verdict's error
// that was not nil.
func (r *Result) Err() error {
	for i := range r.Recipients {
		if err := r.Recipients[i].Err; err != nil {
			return err
		}
	}
	return nil
}
