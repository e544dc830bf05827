package report

// Status codes (RFC 3463), actions, and what a sender of many messages makes of them.

import (
	"strconv"
	"strings"
)

// A Status is an enhanced mail system status code (RFC 3463): class, subject, detail. The zero value is none.
type Status [3]int

// Class returns the first number: 2 for success, 4 for a persistent transient failure, 5 for a permanent one, 0 for none.
func (s Status) Class() int { return s[0] }

// IsZero tells whether there is no status.
func (s Status) IsZero() bool { return s == Status{} }

// String returns the code as in "5.1.1", or "" for the zero value.
func (s Status) String() string {
	if s.IsZero() {
		return ""
	}
	return string(s.appendTo(nil))
}

func (s Status) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(s[0]), 10)
	dst = strconv.AppendInt(append(dst, '.'), int64(s[1]), 10)
	return strconv.AppendInt(append(dst, '.'), int64(s[2]), 10)
}

func (s Status) valid() bool {
	return (s[0] == 2 || s[0] == 4 || s[0] == 5) && s[1] >= 0 && s[1] <= 999 && s[2] >= 0 && s[2] <= 999
}

// ParseStatus reads a code at the beginning of s; a blank or a comment may follow it.
func ParseStatus(s string) (Status, bool) {
	s = strings.TrimLeft(s, " \t")
	st, n := statusAt(s)
	if n == 0 || n < len(s) && s[n] != ' ' && s[n] != '\t' && s[n] != '(' {
		return Status{}, false
	}
	return st, true
}

// statusAt reads a code at the very beginning of s and returns its length, 0 if there is none.
func statusAt(s string) (st Status, n int) {
	for k := range st {
		if k > 0 {
			if n >= len(s) || s[n] != '.' {
				return Status{}, 0
			}
			n++
		}
		d := n
		for n < len(s) && n-d < 4 && s[n] >= '0' && s[n] <= '9' {
			st[k] = st[k]*10 + int(s[n]-'0')
			n++
		}
		if n == d || n-d > 3 || k == 0 && n-d > 1 {
			return Status{}, 0
		}
	}
	// 5.1.1.1 is no status, nor is 5.1.1a; a full stop may end a sentence.
	if n < len(s) && (isAlnum(s[n]) || s[n] == '.' && n+1 < len(s) && isAlnum(s[n+1])) || !st.valid() {
		return Status{}, 0
	}
	return st, n
}

func isAlnum(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// An Action is what a reporting system has done (RFC 3464 section 2.3.3), in lower case.
type Action string

// The actions of RFC 3464.
const (
	Failed    Action = "failed"    // could not be delivered, and no more is tried
	Delayed   Action = "delayed"   // not yet delivered, and more is tried
	Delivered Action = "delivered" // delivered
	Relayed   Action = "relayed"   // given to a system that may not report
	Expanded  Action = "expanded"  // delivered, and sent on to more recipients
)

// Permanent tells whether the message will not be delivered, and another to the same recipient is not likely to be: the action is
// failed, with a permanent status. A message that failed because it was too long in the queue is not permanent.
func (r *Recipient) Permanent() bool {
	return r.Action == Failed && r.Status[0] == 5 && r.Status != Status{5, 4, 7}
}

// Temporary tells whether a later message may well be delivered: the action is delayed, or failed for a transient reason.
func (r *Recipient) Temporary() bool {
	return r.Action == Delayed || r.Action == Failed && !r.Permanent()
}

// An Advice is what to do about a recipient.
type Advice uint8

// The advices, for one who sends many messages.
const (
	AdviceNone     Advice = iota // nothing: it was delivered, or nothing is known
	AdviceWait                   // nothing yet: the report system still tries
	AdviceRetry                  // send again later, and give up if it goes on
	AdviceSuppress               // send no more to the address: it does not exist, or is closed
	AdviceContent                // the message was refused, not the address: its size, its content, its form
	AdviceSender                 // the sender was refused: policy, reputation, authentication
)

func (a Advice) String() string {
	switch a {
	case AdviceNone:
		return "none"
	case AdviceWait:
		return "wait"
	case AdviceRetry:
		return "retry"
	case AdviceSuppress:
		return "suppress"
	case AdviceContent:
		return "content"
	case AdviceSender:
		return "sender"
	}
	return "Advice(" + strconv.Itoa(int(a)) + ")"
}

// Advice returns what the status suggests (RFC 3463, RFC 7505, RFC 7372). It is a suggestion: systems use codes loosely, and one
// report alone may be wrong.
func (r *Recipient) Advice() Advice {
	switch r.Action {
	case Failed:
	case Delayed:
		return AdviceWait
	default:
		return AdviceNone
	}
	if !r.Permanent() {
		return AdviceRetry
	}
	switch r.Status[1] {
	case 1: // addresses
		switch r.Status[2] {
		case 7, 8: // the sender's
			return AdviceSender
		case 9:
			return AdviceContent
		}
		return AdviceSuppress
	case 2: // mailbox
		switch r.Status[2] {
		case 1, 6: // disabled, or no longer there
			return AdviceSuppress
		case 3:
			return AdviceContent
		}
		return AdviceRetry
	case 3: // the receiving system
		if r.Status[2] == 4 {
			return AdviceContent
		}
		return AdviceRetry
	case 4: // network
		if r.Status[2] == 4 {
			return AdviceSuppress
		}
		return AdviceRetry
	case 6:
		return AdviceContent
	case 5, 7:
		if r.Status == (Status{5, 7, 13}) || r.Status == (Status{5, 7, 17}) {
			return AdviceSuppress // the mailbox is disabled, or has another owner
		}
		return AdviceSender
	}
	return AdviceRetry
}
