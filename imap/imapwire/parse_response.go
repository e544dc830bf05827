package imapwire

// Responses from octets: RFC 3501 section 7, read as a client must: what real
// servers get wrong is in quirks.go.

import (
	"bytes"
	"math"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// ParseResponse parses one complete response without its last line end, its
// literals in it as they came. What is not known here is an *[UnknownData]. An
// error is a *[ParseError].
func ParseResponse(frame []byte, o *ParseOptions) (Response, error) {
	if o == nil {
		o = &ParseOptions{}
	}
	p := newResponseParser(frame, o)
	return p.response(nil)
}

func newResponseParser(frame []byte, o *ParseOptions) parser {
	frame = trimResponse(frame)
	p := newParser(frame, o.Offset)
	p.utf8, p.depth, p.budget, p.lax = o.UTF8, o.depth(), o.parts(), true
	return p
}

// response is a whole response; into is used for FETCH where it is not nil.
func (p *parser) response(into *FetchData) (Response, error) {
	name := ""
	r := p.responseKind(&name, into)
	if err := p.Err(); err != nil {
		return nil, &ParseError{Tag: frameTag(p.frame), Name: name, Raw: p.frame, Err: err}
	}
	return r, nil
}

func (p *parser) unknownData() Response {
	r := &UnknownData{Raw: p.str(0, len(p.frame))}
	p.Seek(len(p.frame))
	return r
}

func (p *parser) responseKind(name *string, into *FetchData) Response {
	switch c, _ := p.Peek(); c {
	case '+':
		p.Skip(1)
		p.SP()
		return &Continuation{Text: p.rest()}
	case '*':
		p.Skip(1)
	case '[':
		return p.bareCode()
	default:
		tag := p.Take(classTag)
		if tag == nil || !p.SP() {
			return p.unknownData()
		}
		r := &StatusResponse{Tag: p.str(0, len(tag))}
		if r.Cond = imap.ParseCondition(string(p.Take(classAtom))); r.Cond == 0 {
			return p.unknownData()
		}
		p.statusRest(r)
		return r
	}
	if p.Spaces() == 0 {
		return p.unknownData()
	}
	if c, _ := p.Peek(); classDigit[c] {
		return p.numbered(name, into)
	}
	word := p.Take(classAtom)
	if c := imap.ParseCondition(string(word)); c != 0 {
		r := &StatusResponse{Cond: c}
		p.statusRest(r)
		return r
	}
	kind := untagged(word)
	if kind == "" {
		kind = wire.Upper(string(word))
		if parse, ok := extensionResponses[kind]; ok {
			*name = kind
			return parse(p)
		}
		return p.unknownData()
	}
	*name = kind
	switch kind {
	case "CAPABILITY":
		return &CapabilityData{p.capabilities()}
	case "ENABLED":
		return &EnabledData{p.capabilities()}
	case "LIST", "LSUB", "XLIST":
		return p.listData(kind)
	case "STATUS":
		return p.statusData()
	case "SEARCH":
		return p.searchData()
	case "ESEARCH":
		return p.esearchData()
	case "FLAGS":
		p.sp()
		r := &FlagsData{p.laxFlags(nil)}
		p.laxEnd()
		return r
	case "VANISHED":
		r := &VanishedData{}
		p.sp()
		if r.Earlier = p.Fold("(EARLIER)"); r.Earlier {
			p.sp()
		}
		r.UIDs = p.knownUIDs()
		p.laxEnd()
		return r
	case "NAMESPACE":
		r := &NamespaceData{}
		r.Personal, r.Other, r.Shared = p.namespaces(), p.namespaces(), p.namespaces()
		p.laxEnd()
		return r
	case "ID":
		p.sp()
		r := &IDData{p.idParams()}
		p.laxEnd()
		return r
	}
	return p.unknownData()
}

// untagged is the name of a known untagged response, or nothing.
func untagged(word []byte) string {
	for _, s := range [...]string{"SEARCH", "LIST", "STATUS", "ESEARCH", "LSUB", "FLAGS", "CAPABILITY", "VANISHED", "ENABLED", "NAMESPACE", "ID", "XLIST"} {
		if wire.EqualFold(word, s) {
			return s
		}
	}
	return ""
}

// rest is everything to the end, as text.
func (p *parser) rest() string {
	s := p.str(p.Pos(), len(p.frame))
	p.Seek(len(p.frame))
	return s
}

// numbered is a response that begins with a number.
func (p *parser) numbered(name *string, into *FetchData) Response {
	n, _ := p.Uint32()
	p.sp()
	word := p.Take(classAtom)
	switch {
	case wire.EqualFold(word, "FETCH"):
		*name = "FETCH"
		if into == nil {
			into = &FetchData{}
		}
		into.Seq = imap.SeqNum(n)
		p.fetchData(into)
		return into
	case wire.EqualFold(word, "UIDFETCH"):
		*name = "UIDFETCH"
		if into == nil {
			into = &FetchData{}
		}
		into.UIDFetch, into.UID, into.Has = true, imap.UID(n), HasUID
		p.fetchData(into)
		return into
	case wire.EqualFold(word, "EXISTS"):
		p.laxEnd()
		return &ExistsData{n}
	case wire.EqualFold(word, "RECENT"):
		p.laxEnd()
		return &RecentData{n}
	case wire.EqualFold(word, "EXPUNGE"):
		p.laxEnd()
		return &ExpungeData{imap.SeqNum(n)}
	}
	if p.failed() {
		return nil
	}
	return p.unknownData()
}

// statusRest is the code and the text behind a condition.
func (p *parser) statusRest(r *StatusResponse) {
	p.Spaces()
	if c, ok := p.Peek(); ok && c == '[' {
		at := p.Pos()
		if r.Code = p.code(); r.Code == nil {
			p.Seek(at)
		}
		p.Spaces()
	}
	r.Text = p.rest()
}

// code is a response code in brackets, or nil where there is no end to it. Its
// arguments are read where they are known and right, else kept as they are.
func (p *parser) code() imap.Code {
	end := codeEnd(p.Rest())
	if end < 0 {
		return nil
	}
	from := p.Pos() + 1
	p.Seek(p.Pos() + end + 1)
	inner := p.frame[from : p.Pos()-1]
	n := bytes.IndexByte(inner, ' ')
	if n < 0 {
		n = len(inner)
	}
	name := wire.Upper(p.str(from, from+n))
	if name == "" {
		return nil
	}
	args := newParser(inner, 0)
	args.lax, args.utf8, args.depth = true, p.utf8, p.depth
	args.text = p.str(from, from+len(inner))
	args.Seek(n)
	c := args.codeArgs(name)
	args.Spaces()
	if c != nil && !args.failed() && args.End() {
		return c
	}
	return imap.CodeRaw{Name: name, Text: args.text[min(n+1, len(inner)):]}
}

// codeEnd is where the bracket that begins b ends: the first "]" outside
// quotes; where the quotes never end, the first one at all.
func codeEnd(b []byte) int {
	quoted := false
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i
		}
	}
	return bytes.IndexByte(b, ']')
}

// codeArgs reads the arguments of a code that is known; nil otherwise.
func (p *parser) codeArgs(name string) imap.Code {
	if p.End() {
		switch name {
		case imap.CodeCapabilityName, imap.CodePermanentName, imap.CodeAppendUIDName, imap.CodeCopyUIDName,
			imap.CodeModifiedName, imap.CodeUIDNext, imap.CodeUIDValidity, imap.CodeUnseen, imap.CodeHighestModSeq:
			return nil
		}
		return imap.CodeAtom(name)
	}
	p.Spaces()
	switch name {
	case imap.CodeUIDNext, imap.CodeUIDValidity, imap.CodeUnseen, imap.CodeHighestModSeq:
		return imap.CodeNumber{Name: name, N: p.number()}
	case imap.CodeCapabilityName:
		return imap.CodeCapability{Capabilities: p.capabilities()}
	case imap.CodePermanentName:
		return imap.CodePermanentFlags{Flags: p.laxFlags(nil)}
	case imap.CodeModifiedName:
		return imap.CodeModified{Set: p.bytesStr(p.ExpectTake(classSet, "a set"))}
	case string(imap.CodeBadCharset):
		c := imap.CodeCharsets{}
		p.laxList(func() { c.Charsets = append(c.Charsets, p.astring()) })
		return c
	case imap.CodeAppendUIDName:
		c := imap.CodeAppendUID{UIDValidity: p.number32()}
		p.sp()
		c.UIDs = p.knownUIDs()
		return c
	case imap.CodeCopyUIDName:
		c := imap.CodeCopyUID{}
		c.UIDValidity = p.number32()
		p.Spaces()
		if p.End() {
			return c // see quirks.go: emptySets
		}
		c.Source = p.knownUIDs()
		p.sp()
		c.Dest = p.knownUIDs()
		return c
	}
	if parse, ok := extensionCodes[name]; ok {
		return parse(p)
	}
	return nil
}

func (p *parser) capabilities() imap.Capabilities {
	var caps imap.Capabilities
	for p.Spaces(); !p.End() && !p.failed(); p.Spaces() {
		b := p.Take(classLaxAtom)
		if b == nil {
			p.Fail("a capability")
			break
		}
		if s := p.bytesStr(b); s != "+" || !literalPlus(caps) {
			caps = append(caps, imap.Capability(s))
		}
	}
	return caps
}

// listData is what is behind LIST, LSUB or XLIST.
func (p *parser) listData(kind string) Response {
	// A mailbox has few attributes: their room comes with it.
	own := &struct {
		ListData
		attrs [3]imap.MailboxAttr
	}{}
	r := &own.ListData
	r.Lsub, r.XList = kind == "LSUB", kind == "XLIST"
	p.sp()
	p.laxList(func() {
		b := p.ExpectTake(classLaxAtom, "an attribute")
		if r.Attrs == nil {
			r.Attrs = own.attrs[:0]
		}
		a := knownAttr(b)
		if a == "" {
			a = imap.MailboxAttr(p.bytesStr(b))
		}
		r.Attrs = append(r.Attrs, a)
	})
	p.sp()
	r.Delimiter = p.delimiter()
	p.sp()
	if r.Name = p.plainMailbox(); r.Name == "" {
		r.Name = p.laxMailbox()
	}
	if p.Spaces(); p.End() {
		return r
	}
	p.laxList(func() {
		tag := p.astring()
		p.sp()
		at := p.Pos()
		switch wire.Upper(tag) {
		case "CHILDINFO":
			p.laxList(func() { r.ChildInfo = append(r.ChildInfo, p.astring()) })
		case "OLDNAME":
			p.laxList(func() { r.OldName = p.mailbox() })
		default:
			p.skipValue()
			r.Extended = append(r.Extended, imap.RawItem{Name: tag, Value: p.str(at, p.Pos())})
		}
	})
	p.laxEnd()
	return r
}

// knownAttr is b without an allocation, where it is an attribute that servers
// send for most mailboxes; else nothing.
func knownAttr(b []byte) imap.MailboxAttr {
	switch string(b) {
	case string(imap.AttrHasNoChildren):
		return imap.AttrHasNoChildren
	case string(imap.AttrHasChildren):
		return imap.AttrHasChildren
	case string(imap.AttrUnmarked):
		return imap.AttrUnmarked
	case string(imap.AttrMarked):
		return imap.AttrMarked
	case string(imap.AttrNoinferiors):
		return imap.AttrNoinferiors
	case string(imap.AttrNoselect):
		return imap.AttrNoselect
	case string(imap.AttrSubscribed):
		return imap.AttrSubscribed
	}
	return ""
}

// classPlain is what needs no decoding in a name, classPlainAtom what needs no
// quotes either.
var (
	classPlain     = wire.NewClass("", [2]byte{' ', '~'}).Without(`&"\`)
	classPlainAtom = wire.NewClass("", [2]byte{'!', '~'}).Without(`&(){%*"\`)
)

// plainMailbox is a name of plain ASCII at the end of the frame, whose string
// is its own: the rest of the response need not be kept with it. It moves over
// nothing where the name is anything else.
func (p *parser) plainMailbox() string {
	b, class := p.Rest(), classPlainAtom
	if n := len(b); n > 1 && b[0] == '"' && b[n-1] == '"' {
		b, class = b[1:n-1], classPlain
	}
	if len(b) == 0 || p.failed() || p.utf8 || class.Span(b) < len(b) || imap.IsInbox(string(b)) {
		return ""
	}
	p.Seek(len(p.frame))
	return string(b)
}

// delimiter is a quoted character or NIL.
func (p *parser) delimiter() rune {
	if p.tryNIL() {
		return 0
	}
	if b := p.Rest(); len(b) > 2 && b[0] == '"' && b[2] == '"' && classQuoted[b[1]] && b[1] < 0x80 && !p.failed() {
		p.Skip(3)
		return rune(b[1])
	}
	s, ok := p.tryString()
	if !ok {
		p.Fail("a delimiter or NIL")
	}
	for _, r := range s {
		return r
	}
	return 0
}

func (p *parser) statusData() Response {
	r := &StatusData{}
	p.sp()
	r.Name = p.mailbox()
	p.sp()
	p.laxList(func() {
		item := imap.StatusItem(p.word())
		if p.failed() {
			return
		}
		p.sp()
		switch s := &r.MailboxStatus; item {
		case imap.StatusMessages:
			s.Messages = p.number32()
		case imap.StatusRecent:
			s.Recent = p.number32()
		case imap.StatusUIDNext:
			s.UIDNext = imap.UID(p.number32())
		case imap.StatusUIDValidity:
			s.UIDValidity = p.number32()
		case imap.StatusUnseen:
			s.Unseen = p.number32()
		case imap.StatusDeleted:
			s.Deleted = p.number32()
		case imap.StatusDeletedStorage:
			s.DeletedStorage = p.numberSize()
		case imap.StatusSize:
			s.Size = p.numberSize()
		case imap.StatusHighestModSeq:
			s.HighestModSeq = imap.ModSeq(p.number())
		case imap.StatusAppendLimit:
			if !p.tryNIL() {
				n := p.numberSize()
				s.AppendLimit = &n
			}
		case imap.StatusMailboxID:
			p.ExpectByte('(')
			s.MailboxID = p.atom()
			p.ExpectByte(')')
		default:
			s.Extended = append(s.Extended, imap.RawItem{Name: string(item), Value: p.raw()})
			return
		}
		r.Items = append(r.Items, item)
	})
	p.laxEnd()
	return r
}

// namespaces is one of the three parts of NAMESPACE, with the space before.
func (p *parser) namespaces() []imap.Namespace {
	var out []imap.Namespace
	p.sp()
	if p.tryNIL() {
		return nil
	}
	p.laxList(func() {
		n := imap.Namespace{}
		p.ExpectByte('(')
		n.Prefix = p.mailbox()
		p.sp()
		n.Delimiter = p.delimiter()
		for !p.failed() {
			p.Spaces()
			if p.Byte(')') {
				break
			}
			name := p.astring()
			p.sp()
			at := p.Pos()
			if wire.EqualFold(name, "TRANSLATION") && p.Byte('(') {
				n.Translation = p.mailbox()
				if p.Byte(')') && n.Translation != "" {
					continue
				}
				p.Seek(at)
				n.Translation = ""
			}
			n.Extended = append(n.Extended, imap.RawItem{Name: name, Value: p.raw()})
		}
		out = append(out, n)
	})
	return out
}

// number is a number, a server's mistakes forgiven: see quirks.go.
func (p *parser) number() uint64 { return p.laxNumber(math.MaxUint64) }

func (p *parser) number32() uint32 { return uint32(p.laxNumber(math.MaxUint32)) }

func (p *parser) numberSize() int64 { return int64(p.laxNumber(math.MaxInt64)) }
