// Messages and what is listed of them.

package pop3

import (
	"bytes"
	"fmt"
	"time"
)

// Message is a message of a maildrop, as a server's backend describes it.
type Message struct {
	// Size is the number of octets that RETR sends, dots not counted: every
	// line end is CRLF, and the last line has one (RFC 1939 section 11). A
	// message that is stored otherwise is larger here than on disk; a Sizer
	// counts it.
	Size int64
	// UID is the message's unique-id (RFC 1939 section 7): 1 to 70 octets
	// 0x21 to 0x7E that no other message of the maildrop has or will have,
	// the same in every session.
	UID string
	// Received is when the message came; the zero time where that is not
	// known. A server that announces EXPIRE goes by it.
	Received time.Time
	// UTF8 says that its header holds UTF-8 (RFC 6532). A server gives it in
	// UTF-8 mode alone, and otherwise refuses it with CodeUTF8 (RFC 6856).
	UTF8 bool
}

// MaxUID is the longest unique-id in octets.
const MaxUID = 70

// ValidUID reports whether s can be a unique-id.
func ValidUID(s string) bool {
	if len(s) == 0 || len(s) > MaxUID {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Stat is a drop listing, the answer to STAT.
type Stat struct {
	// Count is the number of messages that are not marked as deleted.
	Count int
	// Size is their size in octets together; -1 where the server gave no
	// number that can be one.
	Size int64
}

// ScanListing is a line of the answer to LIST.
type ScanListing struct {
	// Number is the message's number in this session, from 1.
	Number int
	// Size is the message's size in octets. Many servers only estimate it:
	// nothing may be framed by it. It is -1 where the server gave no number
	// that can be one.
	Size int64
}

// UIDListing is a line of the answer to UIDL.
type UIDListing struct {
	// Number is the message's number in this session, from 1.
	Number int
	// UID is the unique-id, as the server gave it.
	UID string
}

// Sizer counts the octets of a message as POP3 sends it: each CR and LF that
// stands alone counts as CRLF, and a last line without an end as if it had
// one. Write the stored message to it, cut anywhere. The zero value is ready.
type Sizer struct {
	size  int64
	last  byte
	began bool
}

var (
	cr   = []byte{'\r'}
	lf   = []byte{'\n'}
	crlf = []byte{'\r', '\n'}
)

// Write counts p. It never fails.
func (s *Sizer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	pairs := bytes.Count(p, crlf)
	alone := bytes.Count(p, cr) + bytes.Count(p, lf) - 2*pairs
	s.size += int64(len(p) + alone)
	if s.began && s.last == '\r' && p[0] == '\n' {
		// The pair was cut: both were counted as alone.
		s.size -= 2
	}
	s.began, s.last = true, p[len(p)-1]
	return len(p), nil
}

// Size is the number of octets.
func (s *Sizer) Size() int64 {
	if s.began && s.last != '\n' && s.last != '\r' {
		return s.size + 2
	}
	return s.size
}

// State is a state of a session (RFC 1939 section 3).
type State uint8

const (
	// Authorization is from the greeting to the login.
	Authorization State = iota
	// Transaction is from the login to QUIT: the maildrop is locked.
	Transaction
	// Update is after QUIT: the messages marked as deleted are removed.
	Update
)

func (s State) String() string {
	switch s {
	case Authorization:
		return "AUTHORIZATION"
	case Transaction:
		return "TRANSACTION"
	case Update:
		return "UPDATE"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}
