package imap

// What FETCH asks for, and what a mailbox tells of its messages.

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// FetchItem is one thing that FETCH asks for: a [FetchAtt], a *[BodySection], a
// *[BinarySection], a *[BinarySize], or a type of the caller's own.
type FetchItem interface {
	// AppendText appends the item as it stands in a FETCH command.
	AppendText(dst []byte) ([]byte, error)
}

// FetchAtt is a FETCH item with no arguments. Any other text is sent as it
// is, so that items unknown here can be asked for.
type FetchAtt string

// Items of RFC 3501 section 6.4.5 and of the extensions.
const (
	FetchUID           FetchAtt = "UID"
	FetchFlags         FetchAtt = "FLAGS"
	FetchInternalDate  FetchAtt = "INTERNALDATE"
	FetchSize          FetchAtt = "RFC822.SIZE"
	FetchEnvelope      FetchAtt = "ENVELOPE"
	FetchBody          FetchAtt = "BODY"          // BODYSTRUCTURE without its extension data
	FetchBodyStructure FetchAtt = "BODYSTRUCTURE" // with it
	FetchRFC822        FetchAtt = "RFC822"        // BODY[], named otherwise in the answer
	FetchRFC822Header  FetchAtt = "RFC822.HEADER" // BODY.PEEK[HEADER]
	FetchRFC822Text    FetchAtt = "RFC822.TEXT"   // BODY[TEXT]

	FetchModSeq      FetchAtt = "MODSEQ"         // RFC 7162
	FetchEmailID     FetchAtt = "EMAILID"        // RFC 8474
	FetchThreadID    FetchAtt = "THREADID"       // RFC 8474
	FetchSaveDate    FetchAtt = "SAVEDATE"       // RFC 8514
	FetchPreview     FetchAtt = "PREVIEW"        // RFC 8970
	FetchPreviewLazy FetchAtt = "PREVIEW (LAZY)" // RFC 8970

	FetchGmailLabels    FetchAtt = "X-GM-LABELS"
	FetchGmailMessageID FetchAtt = "X-GM-MSGID"
	FetchGmailThreadID  FetchAtt = "X-GM-THRID"
)

// Macros: each stands alone in a FETCH command. A command that was read holds
// the items instead.
const (
	FetchMacroAll  FetchAtt = "ALL"
	FetchMacroFast FetchAtt = "FAST"
	FetchMacroFull FetchAtt = "FULL"
)

// ExpandMacro is the items that a macro stands for (RFC 3501 section 6.4.5);
// nil for what is no macro.
func ExpandMacro(a FetchAtt) []FetchItem {
	items := []FetchItem{FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope, FetchBody}
	switch upperASCII(string(a)) {
	case "FAST":
		return items[:3:3]
	case "ALL":
		return items[:4:4]
	case "FULL":
		return items
	}
	return nil
}

var errFetchItem = errors.New("imap: a FETCH item holds an octet that the grammar has no room for")

// AppendText appends the item's name.
func (a FetchAtt) AppendText(dst []byte) ([]byte, error) {
	if a == "" {
		return dst, errFetchItem
	}
	for i := range len(a) {
		if a[i] < ' ' || a[i] > '~' {
			return dst, errFetchItem
		}
	}
	return append(dst, a...), nil
}

// PartSpecifier is what BODY[...] takes of a part.
type PartSpecifier string

// The specifiers of RFC 3501 section 6.4.5.
const (
	PartAll             PartSpecifier = ""
	PartHeader          PartSpecifier = "HEADER"
	PartHeaderFields    PartSpecifier = "HEADER.FIELDS"
	PartHeaderFieldsNot PartSpecifier = "HEADER.FIELDS.NOT"
	PartText            PartSpecifier = "TEXT"
	PartMIME            PartSpecifier = "MIME"
)

// Partial is the piece <Offset.Count> of a section, in octets. In an answer
// Count is -1: the answer tells where the piece begins alone.
type Partial struct{ Offset, Count int64 }

// BodySection is BODY[...] or BODY.PEEK[...] in a FETCH, and BODY[...] in its
// answer.
type BodySection struct {
	// Part is the path to the part, counted from 1; empty for the message.
	Part      []int
	Specifier PartSpecifier
	// Fields are the names for HEADER.FIELDS and HEADER.FIELDS.NOT.
	Fields  []string
	Partial *Partial
	// Peek leaves \Seen as it is. Answers never have it.
	Peek bool
}

// AppendText appends the section as it stands in a FETCH command, such as
// "BODY.PEEK[1.HEADER.FIELDS (From)]<0.100>".
func (s *BodySection) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, "BODY"...)
	if s.Peek {
		dst = append(dst, ".PEEK"...)
	}
	dst, err := s.AppendSection(dst)
	if err != nil {
		return dst, err
	}
	return appendPartial(dst, s.Partial)
}

// AppendSection appends what is in brackets, brackets included.
func (s *BodySection) AppendSection(dst []byte) ([]byte, error) {
	dst = append(dst, '[')
	dst, err := appendPart(dst, s.Part)
	if err != nil {
		return dst, err
	}
	if s.Specifier != PartAll {
		if len(s.Part) > 0 {
			dst = append(dst, '.')
		}
		switch s.Specifier {
		case PartMIME:
			if len(s.Part) == 0 {
				return dst, errors.New("imap: a MIME section needs a part")
			}
		case PartHeader, PartText, PartHeaderFields, PartHeaderFieldsNot:
		default:
			return dst, errors.New("imap: unknown section " + strconv.Quote(string(s.Specifier)))
		}
		dst = append(dst, s.Specifier...)
	}
	if s.Specifier == PartHeaderFields || s.Specifier == PartHeaderFieldsNot {
		if len(s.Fields) == 0 {
			return dst, errors.New("imap: HEADER.FIELDS names no field")
		}
		dst = append(dst, " ("...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ' ')
			}
			if dst, err = appendFieldName(dst, f); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ')')
	}
	return append(dst, ']'), nil
}

// appendFieldName appends a header field name as an atom, or quoted.
func appendFieldName(dst []byte, name string) ([]byte, error) {
	if isAtom(name) && !equalFold(name, "NIL") {
		return append(dst, name...), nil
	}
	dst = append(dst, '"')
	for i := range len(name) {
		c := name[i]
		if c < ' ' || c > '~' {
			return dst, errFetchItem
		}
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"'), nil
}

func appendPart(dst []byte, part []int) ([]byte, error) {
	for i, n := range part {
		if n < 1 {
			return dst, errors.New("imap: parts are counted from 1")
		}
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	return dst, nil
}

func appendPartial(dst []byte, p *Partial) ([]byte, error) {
	if p == nil {
		return dst, nil
	}
	if p.Offset < 0 {
		return dst, errors.New("imap: a partial begins below zero")
	}
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, p.Offset, 10)
	if p.Count >= 0 {
		if p.Count == 0 {
			return dst, errors.New("imap: a partial of no octets")
		}
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, p.Count, 10)
	}
	return append(dst, '>'), nil
}

var errSection = errors.New("imap: not a section such as 1.2.HEADER")

// ParseBodySection reads what stands in BODY[...], such as "1.2.MIME" or
// "HEADER.FIELDS (From To)", the section of a URL for instance. The empty text is
// the message.
func ParseBodySection(text string) (*BodySection, error) {
	s := &BodySection{}
	rest := text
	for rest != "" && isDigit(rest[0]) {
		n, err := 0, error(nil)
		word, after, more := strings.Cut(rest, ".")
		if n, err = strconv.Atoi(word); err != nil || n < 1 || n > 1<<31-1 || len(s.Part) == 100 || more && after == "" {
			return nil, errSection
		}
		s.Part = append(s.Part, n)
		rest = after
	}
	word, fields, hasFields := strings.Cut(rest, " ")
	s.Specifier = PartSpecifier(upperASCII(word))
	switch s.Specifier {
	case PartAll, PartHeader, PartText:
	case PartMIME:
		if s.Part == nil {
			return nil, errSection
		}
	case PartHeaderFields, PartHeaderFieldsNot:
		if len(fields) < 3 || fields[0] != '(' || fields[len(fields)-1] != ')' {
			return nil, errSection
		}
		for f := range strings.SplitSeq(fields[1:len(fields)-1], " ") {
			if n := len(f); n >= 2 && f[0] == '"' && f[n-1] == '"' {
				f = f[1 : n-1]
			}
			if !isAtom(f) {
				return nil, errSection
			}
			s.Fields = append(s.Fields, f)
		}
		return s, nil
	default:
		return nil, errSection
	}
	if hasFields {
		return nil, errSection
	}
	return s, nil
}

// BinarySection is BINARY[...] or BINARY.PEEK[...]: a part with its transfer
// encoding taken away (RFC 3516).
type BinarySection struct {
	Part    []int
	Partial *Partial
	Peek    bool
}

// AppendText appends the section as it stands in a FETCH command.
func (s *BinarySection) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, "BINARY"...)
	if s.Peek {
		dst = append(dst, ".PEEK"...)
	}
	dst = append(dst, '[')
	dst, err := appendPart(dst, s.Part)
	if err != nil {
		return dst, err
	}
	return appendPartial(append(dst, ']'), s.Partial)
}

// BinarySize is BINARY.SIZE[...]: the size of the decoded part in octets.
type BinarySize struct{ Part []int }

// AppendText appends the item as it stands in a FETCH command.
func (s *BinarySize) AppendText(dst []byte) ([]byte, error) {
	dst, err := appendPart(append(dst, "BINARY.SIZE["...), s.Part)
	return append(dst, ']'), err
}

// MessageInfo is what a mailbox keeps of a message beside its content.
type MessageInfo struct {
	UID          UID
	Flags        []Flag
	InternalDate time.Time
	Size         int64 // RFC822.SIZE in octets, lines ended by CRLF
	ModSeq       ModSeq
	SaveDate     time.Time // zero where not kept (RFC 8514)
	EmailID      string    // RFC 8474
	ThreadID     string    // RFC 8474
}

// AppendOptions come with a message that is appended.
type AppendOptions struct {
	Flags []Flag
	// InternalDate is zero where the client gave none: it is then the time
	// of arrival.
	InternalDate time.Time
	// Size is the number of octets announced.
	Size int64
	// Binary is a literal8 (RFC 3516): the message may hold NUL.
	Binary bool
	// UTF8 is a message sent as UTF8 (RFC 6855): its header may hold UTF-8.
	UTF8 bool
}

// CopyResult says what COPY or MOVE made (RFC 4315): the n-th UID of Source
// became the n-th of Dest. Both are empty where the client was not told.
type CopyResult struct {
	UIDValidity uint32 // of the destination
	Source      UIDSet
	Dest        UIDSet
}

// ChangeKind says what happened to a message.
type ChangeKind uint8

// The kinds of [Change].
const (
	// ChangeNew is a message that came: Message is complete.
	ChangeNew ChangeKind = iota + 1
	// ChangeFlags is a message whose flags or mod-sequence changed: of
	// Message, UID, Flags and ModSeq are set.
	ChangeFlags
	// ChangeVanished is messages that went: Vanished names them.
	ChangeVanished
)

func (k ChangeKind) String() string {
	switch k {
	case ChangeNew:
		return "new"
	case ChangeFlags:
		return "flags"
	case ChangeVanished:
		return "vanished"
	}
	return "ChangeKind(" + strconv.Itoa(int(k)) + ")"
}

// Change is one thing that happened in a mailbox.
type Change struct {
	Kind     ChangeKind
	ModSeq   ModSeq // that the change was given
	Message  MessageInfo
	Vanished UIDSet
}
