package mime

// ENVELOPE (RFC 3501 section 7.4.2).

import (
	"bytes"
	"strings"
)

// EnvelopeField names the string members of an Envelope, as a set.
type EnvelopeField uint8

// The members that the wire can carry both as NIL and as "".
const (
	EnvelopeDate EnvelopeField = 1 << iota
	EnvelopeSubject
	EnvelopeInReplyTo
	EnvelopeMessageID
)

// An Envelope is the value of IMAP's ENVELOPE: the header's fields unfolded but not decoded. DecodeText, ParseDate,
// ParseMessageIDs and Address.DisplayName read its strings. The strings hold no CR, LF or NUL; octets over 127 are as in the
// message.
type Envelope struct {
	Date      string
	Subject   string
	From      []Address
	Sender    []Address // From, where the message has no Sender
	ReplyTo   []Address // From, where the message has no Reply-To
	To        []Address
	Cc        []Address
	Bcc       []Address
	InReplyTo string
	MessageID string
	// Empty has the string members whose field is in the header with an empty value: "" on the wire. An empty string that is
	// not in Empty is NIL.
	Empty EnvelopeField
}

const (
	envDate = iota
	envSubject
	envInReplyTo
	envMessageID
	envFrom
	envSender
	envReplyTo
	envTo
	envCc
	envBcc
	envMembers
)

// envelopeMember returns the member that a field is read into, or -1.
func envelopeMember(f *Field) int {
	n := f.raw[:f.name]
	switch len(n) {
	case 2:
		if equalFold(n, "to") {
			return envTo
		}
		if equalFold(n, "cc") {
			return envCc
		}
	case 3:
		if equalFold(n, "bcc") {
			return envBcc
		}
	case 4:
		if equalFold(n, "from") {
			return envFrom
		}
		if equalFold(n, "date") {
			return envDate
		}
	case 6:
		if equalFold(n, "sender") {
			return envSender
		}
	case 7:
		if equalFold(n, "subject") {
			return envSubject
		}
	case 8:
		if equalFold(n, "reply-to") {
			return envReplyTo
		}
	case 10:
		if equalFold(n, "message-id") {
			return envMessageID
		}
	case 11:
		if equalFold(n, "in-reply-to") {
			return envInReplyTo
		}
	}
	return -1
}

// Envelope returns the header's ENVELOPE. Of several fields of one name the first counts, but To, Cc and Bcc are put
// together. The result shares no memory with the header.
func (h Header) Envelope() *Envelope {
	type use struct {
		member   int
		from, to int // of the value: in h.raw, then in s
	}
	var usesArr [16]use
	uses := usesArr[:0]
	var have [envMembers]bool
	size := 0
	rest := bytes.TrimPrefix(h.raw, byteOrderMark)
	var f Field
	for {
		at := len(h.raw) - len(rest)
		if f, rest = cutField(rest); f.raw == nil {
			break
		}
		if f.name < 2 || f.name > 11 {
			continue
		}
		m := envelopeMember(&f)
		if m < 0 || have[m] && m < envTo {
			continue
		}
		have[m] = true
		from, to := valueBounds(f.raw, f.name)
		size += to - from
		uses = append(uses, use{m, at + from, at + to})
	}
	// All values go into one string, of which the members are parts.
	var sb strings.Builder
	sb.Grow(size)
	for i := range uses {
		u := &uses[i]
		v := h.raw[u.from:u.to]
		u.from = sb.Len()
		writeUnfolded(&sb, v)
		u.to = sb.Len()
	}
	s := sb.String()
	e := &Envelope{}
	limit := h.limits().Addresses
	slab := make([]Address, 0, 8)
	for m := envFrom; m < envMembers; m++ {
		first := len(slab)
		for _, u := range uses {
			if u.member == m {
				slab = appendAddresses(slab, s[u.from:u.to], first+limit)
			}
		}
		l := slab[first:len(slab):len(slab)]
		if len(l) == 0 {
			continue
		}
		switch m {
		case envFrom:
			e.From = l
		case envSender:
			e.Sender = l
		case envReplyTo:
			e.ReplyTo = l
		case envTo:
			e.To = l
		case envCc:
			e.Cc = l
		case envBcc:
			e.Bcc = l
		}
	}
	if e.Sender == nil {
		e.Sender = e.From
	}
	if e.ReplyTo == nil {
		e.ReplyTo = e.From
	}
	for _, u := range uses {
		v := s[u.from:u.to]
		var empty EnvelopeField
		switch u.member {
		case envDate:
			e.Date, empty = v, EnvelopeDate
		case envSubject:
			e.Subject, empty = v, EnvelopeSubject
		case envInReplyTo:
			e.InReplyTo, empty = v, EnvelopeInReplyTo
		case envMessageID:
			e.MessageID, empty = v, EnvelopeMessageID
		}
		if v == "" {
			e.Empty |= empty
		}
	}
	return e
}

// writeUnfolded is unfold for octets.
func writeUnfolded(b *strings.Builder, v []byte) {
	if bytes.IndexByte(v, 0) >= 0 {
		v = bytes.ReplaceAll(v, []byte{0}, []byte{'?'})
	}
	for {
		i := bytes.IndexByte(v, '\n')
		j := bytes.IndexByte(v[:max(i, 0)], '\r')
		if i < 0 {
			j = bytes.IndexByte(v, '\r')
		}
		if j >= 0 {
			i = j
		}
		if i < 0 {
			b.Write(v)
			return
		}
		b.Write(v[:i])
		v = v[i+1:]
	}
}
