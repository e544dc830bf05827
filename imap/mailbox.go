package imap

// Mailbox names, what LIST and STATUS say of a mailbox, and namespaces.

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Inbox is the one name every account has. It is compared without regard to
// case (RFC 3501 section 5.1).
const Inbox = "INBOX"

// IsInbox reports whether name is INBOX in any case.
func IsInbox(name string) bool { return equalFold(name, Inbox) }

// CanonicalMailbox is name with INBOX, where it is the whole name or, with a
// delimiter, its first component, in capitals. delim is zero where the
// hierarchy is flat.
func CanonicalMailbox(name string, delim rune) string {
	if len(name) < len(Inbox) || !equalFold(name[:len(Inbox)], Inbox) {
		return name
	}
	rest := name[len(Inbox):]
	if rest == "" || delim != 0 && strings.HasPrefix(rest, string(delim)) {
		return Inbox + rest
	}
	return name
}

// ParentMailbox is the name above name in the hierarchy, empty at the top.
func ParentMailbox(name string, delim rune) string {
	if delim == 0 {
		return ""
	}
	return name[:max(0, strings.LastIndex(name, string(delim)))]
}

// MailboxInfo is what LIST says of a mailbox.
type MailboxInfo struct {
	Name string // UTF-8
	// Delimiter separates the levels of the name; zero where the hierarchy
	// is flat.
	Delimiter rune
	// Attrs holds attributes and special uses, with \Subscribed for a
	// mailbox that is subscribed (RFC 5258).
	Attrs []MailboxAttr
	// ChildInfo holds the selection options a child matched, such as
	// SUBSCRIBED (RFC 5258 section 4).
	ChildInfo []string
	// OldName is the name before a rename, or the name that was asked for
	// and is another form of Name (RFC 5465, RFC 9051).
	OldName string
	// Extended holds the other extended data items as they came.
	Extended []RawItem
}

// Has reports whether the mailbox has the attribute a.
func (m *MailboxInfo) Has(a MailboxAttr) bool { return HasAttr(m.Attrs, a) }

// RawItem is a name and the text of its value as it stands on the wire, for
// what this package does not know.
type RawItem struct{ Name, Value string }

// StatusItem is what STATUS is asked for.
type StatusItem string

// Items of STATUS: RFC 3501 section 6.3.10 and its extensions.
const (
	StatusMessages       StatusItem = "MESSAGES"
	StatusRecent         StatusItem = "RECENT"
	StatusUIDNext        StatusItem = "UIDNEXT"
	StatusUIDValidity    StatusItem = "UIDVALIDITY"
	StatusUnseen         StatusItem = "UNSEEN"
	StatusDeleted        StatusItem = "DELETED"         // RFC 9051, RFC 9208
	StatusDeletedStorage StatusItem = "DELETED-STORAGE" // RFC 9208
	StatusSize           StatusItem = "SIZE"            // RFC 8438
	StatusHighestModSeq  StatusItem = "HIGHESTMODSEQ"   // RFC 7162
	StatusAppendLimit    StatusItem = "APPENDLIMIT"     // RFC 7889
	StatusMailboxID      StatusItem = "MAILBOXID"       // RFC 8474
)

// Equal reports whether i and o are the same item.
func (i StatusItem) Equal(o StatusItem) bool { return equalFold(string(i), string(o)) }

// MailboxStatus is what is known of a mailbox as a whole. A Backend fills what
// it keeps; a response that was read fills what Items names.
type MailboxStatus struct {
	Name        string // UTF-8
	Messages    uint32
	Recent      uint32
	UIDNext     UID
	UIDValidity uint32
	Unseen      uint32 // how many messages lack \Seen
	Deleted     uint32 // how many messages have \Deleted
	// DeletedStorage is the octets that expunging would free, in units of
	// 1024.
	DeletedStorage int64
	Size           int64 // sum of the messages' sizes in octets
	HighestModSeq  ModSeq
	// AppendLimit is the largest message that APPEND takes, in octets; nil
	// where there is no limit (RFC 7889).
	AppendLimit *int64
	MailboxID   string // RFC 8474

	// Flags and PermanentFlags are for SELECT: the flags in use, and those a
	// client can change, [FlagWildcard] among them where it can make new ones.
	Flags          []Flag
	PermanentFlags []Flag
	ReadOnly       bool

	// Items are those a STATUS response held, in its order.
	Items []StatusItem
	// Extended holds the items not known here.
	Extended []RawItem
}

// Has reports whether a response held item.
func (s *MailboxStatus) Has(item StatusItem) bool {
	for _, i := range s.Items {
		if i.Equal(item) {
			return true
		}
	}
	return false
}

// Namespace is one part of the mailbox names of an account (RFC 2342).
type Namespace struct {
	Prefix    string // UTF-8, with its delimiter, or empty
	Delimiter rune   // zero where the hierarchy is flat
	// Translation is the prefix in the language that LANGUAGE chose, UTF-8,
	// for people; empty where not given (RFC 5255 section 3.4).
	Translation string
	// Extended holds extensions as they stand on the wire.
	Extended []RawItem
}

// Namespaces are all parts: the user's own, other users', and shared.
type Namespaces struct{ Personal, Other, Shared []Namespace }

// IDParam is one field of ID (RFC 2971), such as "name" and "mailwire". An
// empty Value is NIL.
type IDParam struct{ Name, Value string }

// ErrMailboxName is a name that is not valid modified UTF-7 (when decoding)
// or not valid UTF-8 or holds NUL, CR or LF (when encoding).
var ErrMailboxName = errors.New("imap: invalid mailbox name")

const utf7Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,"

var utf7Value = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(utf7Alphabet) {
		t[utf7Alphabet[i]] = uint8(i)
	}
	return t
}()

func plainUTF7(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '&' {
			return false
		}
	}
	return true
}

// AppendUTF7 appends the UTF-8 name in modified UTF-7 (RFC 3501 section
// 5.1.3). A name that is not UTF-8, or holds NUL, CR or LF, is
// [ErrMailboxName].
func AppendUTF7(dst []byte, name string) ([]byte, error) {
	if plainUTF7(name) {
		return append(dst, name...), nil
	}
	if !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n") {
		return dst, ErrMailboxName
	}
	var acc uint32
	var bits uint
	shifted := false
	unit := func(u uint16) {
		acc = acc<<16 | uint32(u)
		for bits += 16; bits >= 6; {
			bits -= 6
			dst = append(dst, utf7Alphabet[acc>>bits&0x3f])
		}
		acc &= 1<<bits - 1
	}
	end := func() {
		if bits > 0 {
			dst = append(dst, utf7Alphabet[acc<<(6-bits)&0x3f])
		}
		dst = append(dst, '-')
		shifted, acc, bits = false, 0, 0
	}
	for _, r := range name {
		if ' ' <= r && r <= '~' {
			if shifted {
				end()
			}
			dst = append(dst, byte(r))
			if r == '&' {
				dst = append(dst, '-')
			}
			continue
		}
		if !shifted {
			dst = append(dst, '&')
			shifted = true
		}
		if r > 0xffff {
			hi, lo := utf16.EncodeRune(r)
			unit(uint16(hi))
			unit(uint16(lo))
		} else {
			unit(uint16(r))
		}
	}
	if shifted {
		end()
	}
	return dst, nil
}

// EncodeUTF7 is [AppendUTF7] to a string.
func EncodeUTF7(name string) (string, error) {
	if plainUTF7(name) {
		return name, nil
	}
	b, err := AppendUTF7(nil, name)
	return string(b), err
}

// DecodeUTF7 is the UTF-8 form of a name in modified UTF-7. What the RFC
// forbids is [ErrMailboxName]: octets outside printable ASCII, shifts not
// ended or empty, encoded printable ASCII, padding bits set, lone surrogates.
// One name has thus one encoding, and two names never become one.
func DecodeUTF7(text string) (string, error) {
	if plainUTF7(text) {
		return text, nil
	}
	dst := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c > '~' {
			return "", ErrMailboxName
		}
		if c != '&' {
			dst = append(dst, c)
			continue
		}
		n := strings.IndexByte(text[i:], '-')
		if n < 0 {
			return "", ErrMailboxName
		}
		if n == 1 {
			dst = append(dst, '&')
			i++
			continue
		}
		var ok bool
		if dst, ok = decodeShift(dst, text[i+1:i+n]); !ok {
			return "", ErrMailboxName
		}
		i += n
		// A shift that could have gone on is a second spelling.
		if i+1 < len(text) && text[i+1] == '&' && i+2 < len(text) && text[i+2] != '-' {
			return "", ErrMailboxName
		}
	}
	return string(dst), nil
}

func decodeShift(dst []byte, b64 string) ([]byte, bool) {
	var acc uint32
	var bits uint
	var high rune
	for i := range len(b64) {
		v := utf7Value[b64[i]]
		if v == 0xff {
			return dst, false
		}
		acc = acc<<6 | uint32(v)
		if bits += 6; bits < 16 {
			continue
		}
		bits -= 16
		r := rune(acc >> bits & 0xffff)
		acc &= 1<<bits - 1
		switch {
		case high != 0:
			if r = utf16.DecodeRune(high, r); r == utf8.RuneError {
				return dst, false
			}
			high = 0
		case 0xd800 <= r && r < 0xdc00:
			high = r
			continue
		case utf16.IsSurrogate(r), ' ' <= r && r <= '~', r == 0, r == '\r', r == '\n':
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, high == 0 && bits < 6 && acc == 0
}
