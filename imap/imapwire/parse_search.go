package imapwire

// SEARCH, FETCH and STORE arguments from octets.

import (
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

func (p *parser) search(uid bool) Args {
	c := &Search{UID: uid}
	p.ExpectSP()
	if p.Fold("RETURN ") {
		c.Extended = true
		c.Return = p.searchReturn()
	}
	c.Charset, c.Criteria = p.searchProgram()
	return c
}

// searchReturn is the options behind RETURN, with the space behind them.
func (p *parser) searchReturn() (out []imap.SearchReturn) {
	p.options(func() {
		r := imap.SearchReturn{Name: p.word()}
		switch r.Name {
		case imap.ReturnPartial:
			p.ExpectSP()
			r.Value = p.partialRange().String()
		case imap.ReturnUpdate:
			r.Value = p.updateItems()
		default:
			r.Value = p.optionValue()
		}
		out = append(out, r)
	})
	p.ExpectSP()
	return out
}

// updateItems is what is to be fetched of each message that comes into a result
// (RFC 5465 section 8), or nothing.
func (p *parser) updateItems() string {
	at := p.Pos()
	if !p.SP() {
		return ""
	}
	if c, _ := p.Peek(); c != '(' {
		p.Seek(at)
		return ""
	}
	at = p.Pos()
	some := false
	p.list(func() { p.fetchItem(); some = true })
	if !some {
		p.Fail("a FETCH item")
	}
	return p.str(at, p.Pos())
}

var classRange = wire.NewClass(":-", [2]byte{'0', '9'})

// partialRange is a range such as "1:10" or "-1:-10".
func (p *parser) partialRange() imap.PartialRange {
	at := p.Pos()
	r, err := imap.ParsePartialRange(p.bytesStr(p.ExpectTake(classRange, `a range such as "1:10" or "-1:-10"`)))
	if err != nil {
		p.Seek(at)
		p.Fail(`a range such as "1:10" or "-1:-10"`)
	}
	return r
}

// searchProgram is everything behind the options of SEARCH.
func (p *parser) searchProgram() (charset string, keys imap.SearchCriteria) {
	if p.Fold("CHARSET ") {
		charset = p.astring()
		p.ExpectSP()
	}
	return charset, p.searchKeys()
}

// searchKeys is all search keys up to the end.
func (p *parser) searchKeys() (keys imap.SearchCriteria) {
	for {
		keys = p.searchKey(keys, p.depth)
		if p.failed() || p.End() {
			return keys
		}
		p.ExpectSP()
	}
}

var flagKeys = map[string]imap.SearchFlag{
	"ANSWERED": {Flag: imap.FlagAnswered}, "UNANSWERED": {Flag: imap.FlagAnswered, Unset: true},
	"DELETED": {Flag: imap.FlagDeleted}, "UNDELETED": {Flag: imap.FlagDeleted, Unset: true},
	"DRAFT": {Flag: imap.FlagDraft}, "UNDRAFT": {Flag: imap.FlagDraft, Unset: true},
	"FLAGGED": {Flag: imap.FlagFlagged}, "UNFLAGGED": {Flag: imap.FlagFlagged, Unset: true},
	"RECENT": {Flag: imap.FlagRecent}, "OLD": {Flag: imap.FlagRecent, Unset: true},
	"SEEN": {Flag: imap.FlagSeen}, "UNSEEN": {Flag: imap.FlagSeen, Unset: true},
}

// one is a single search key: where a word stands for two, both as a list.
func (p *parser) oneKey(depth int) imap.SearchKey {
	keys := p.searchKey(nil, depth)
	if len(keys) == 1 {
		return keys[0]
	}
	return keys
}

// searchKey appends one search key to dst.
func (p *parser) searchKey(dst imap.SearchCriteria, depth int) imap.SearchCriteria {
	if depth == 0 {
		p.FailMsg("search keys nested too deep")
		return dst
	}
	c, ok := p.Peek()
	if !ok {
		p.Fail("a search key")
		return dst
	}
	switch {
	case c == '(':
		p.Skip(1)
		list := imap.SearchCriteria{}
		for {
			list = p.searchKey(list, depth-1)
			if p.failed() {
				return dst
			}
			if p.Byte(')') {
				return append(dst, list)
			}
			p.ExpectSP()
		}
	case c == '*' || c == '$' || '0' <= c && c <= '9':
		return append(dst, imap.SearchSeqs{Set: p.seqSet()})
	}
	at := p.Pos()
	name := p.word()
	if p.failed() {
		return dst
	}
	if f, ok := flagKeys[name]; ok {
		return append(dst, f)
	}
	switch name {
	case "ALL":
		return append(dst, imap.SearchAll{})
	case "NEW":
		return append(dst, flagKeys["RECENT"], flagKeys["UNSEEN"])
	case "SAVEDATESUPPORTED":
		return append(dst, imap.SearchSaveDateSupported{})
	}
	key := p.searchArgs(name, at, depth)
	if p.failed() {
		return dst
	}
	return append(dst, key)
}

// searchArgs is a key that has arguments; its name stands at octet at.
func (p *parser) searchArgs(name string, at, depth int) imap.SearchKey {
	switch name {
	case "OR", "NOT", "FUZZY", "KEYWORD", "UNKEYWORD", "UID", "BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO",
		"HEADER", "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE",
		"LARGER", "SMALLER", "OLDER", "YOUNGER", "MODSEQ", "EMAILID", "THREADID", "FILTER",
		"UIDAFTER", "UIDBEFORE", "X-GM-RAW", "X-GM-LABELS", "X-GM-MSGID", "X-GM-THRID":
		p.ExpectSP()
	default:
		return p.rawKey(at)
	}
	switch name {
	case "OR":
		a := p.oneKey(depth - 1)
		p.ExpectSP()
		return imap.SearchOr{A: a, B: p.oneKey(depth - 1)}
	case "NOT":
		return imap.SearchNot{Key: p.oneKey(depth - 1)}
	case "FUZZY":
		return imap.SearchFuzzy{Key: p.oneKey(depth - 1)}
	case "KEYWORD", "UNKEYWORD":
		return imap.SearchFlag{Flag: imap.Flag(p.atom()), Unset: name[0] == 'U'}
	case "UID":
		return imap.SearchUIDs{Set: p.uidSet()}
	case "BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO":
		return imap.SearchText{Field: imap.SearchField(name), Value: p.astring()}
	case "HEADER":
		field := p.astring()
		p.ExpectSP()
		return imap.SearchHeader{Name: field, Value: p.astring()}
	case "LARGER":
		return imap.SearchLarger{Size: p.number64()}
	case "SMALLER":
		return imap.SearchSmaller{Size: p.number64()}
	case "OLDER":
		return imap.SearchOlder{Seconds: p.nzNumber()}
	case "YOUNGER":
		return imap.SearchYounger{Seconds: p.nzNumber()}
	case "EMAILID":
		return imap.SearchEmailID{ID: p.astring()}
	case "THREADID":
		return imap.SearchThreadID{ID: p.astring()}
	case "FILTER":
		return imap.SearchFilter{Name: p.astring()}
	case "UIDAFTER":
		return imap.SearchUIDAfter{UID: imap.UID(p.nzNumber())}
	case "UIDBEFORE":
		return imap.SearchUIDBefore{UID: imap.UID(p.nzNumber())}
	case "X-GM-RAW":
		return imap.SearchGmailRaw{Query: p.astring()}
	case "X-GM-LABELS":
		return imap.SearchGmailLabel{Label: p.gmailLabel()}
	case "X-GM-MSGID":
		return imap.SearchGmailMessageID{ID: p.ExpectUint64()}
	case "X-GM-THRID":
		return imap.SearchGmailThreadID{ID: p.ExpectUint64()}
	case "MODSEQ":
		var k imap.SearchModSeq
		if c, ok := p.Peek(); ok && c == '"' {
			k.Entry, _ = p.tryQuoted()
			p.ExpectSP()
			k.Type = p.atom()
			p.ExpectSP()
		}
		k.ModSeq = p.modSeq()
		return k
	}
	return imap.SearchDate{When: imap.SearchWhen(name), Date: p.date()}
}

// rawKey is a key that is not known here, whose name stands at octet at, and
// everything behind it to the end of its list.
func (p *parser) rawKey(at int) imap.SearchKey {
	for !p.failed() {
		if c, ok := p.Peek(); !ok || c == ')' {
			break
		}
		p.ExpectSP()
		p.skipValue()
	}
	return imap.SearchRaw{Text: p.str(at, p.Pos())}
}

func (p *parser) fetch(uid bool) Args {
	p.ExpectSP()
	c := &Fetch{Set: p.numSet(uid)}
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		p.list(func() { c.Items = append(c.Items, p.fetchItem()) })
		if c.Items == nil {
			p.Fail("a FETCH item")
		}
	} else {
		item := p.fetchItem()
		if a, ok := item.(imap.FetchAtt); ok {
			c.Items = imap.ExpandMacro(a)
		}
		if c.Items == nil {
			c.Items = []imap.FetchItem{item}
		}
	}
	if !p.SP() {
		return c
	}
	p.options(func() {
		switch name := p.word(); name {
		case "CHANGEDSINCE":
			p.ExpectSP()
			n := p.modSeq()
			c.ChangedSince = &n
		case "VANISHED":
			c.Vanished = true
		case imap.ReturnPartial:
			p.ExpectSP()
			c.Modifiers = append(c.Modifiers, imap.RawItem{Name: name, Value: p.partialRange().String()})
		default:
			m := imap.RawItem{Name: name}
			at := p.Pos()
			if p.SP() {
				if b, ok := p.Peek(); ok && (b == '(' || b == '-' || classDigit[b]) {
					m.Value = p.raw()
				} else {
					p.Seek(at)
				}
			}
			c.Modifiers = append(c.Modifiers, m)
		}
	})
	return c
}

// classItem is an atom up to the bracket of a section.
var classItem = classAtom.Without("[<>")

func (p *parser) fetchItem() imap.FetchItem {
	at := p.Pos()
	b := p.ExpectTake(classItem, "a FETCH item")
	if p.failed() {
		return imap.FetchAtt("")
	}
	name := wire.Upper(p.bytesStr(b))
	if name == "PREVIEW" {
		here := p.Pos()
		if p.Fold(" (LAZY)") {
			return imap.FetchPreviewLazy
		}
		p.Seek(here)
	}
	if !p.Byte('[') {
		return imap.FetchAtt(name)
	}
	peek := false
	switch name {
	case "BODY.PEEK", "BINARY.PEEK":
		peek = true
	case "BODY", "BINARY", "BINARY.SIZE":
	default:
		p.Seek(at)
		p.Fail("a FETCH item known here")
		return imap.FetchAtt("")
	}
	if name[1] == 'I' {
		part := p.part()
		p.ExpectByte(']')
		if name == "BINARY.SIZE" {
			return &imap.BinarySize{Part: part}
		}
		return &imap.BinarySection{Part: part, Peek: peek, Partial: p.partial(true)}
	}
	s := p.section()
	s.Peek = peek
	s.Partial = p.partial(true)
	return s
}

// maxParts bounds the length of a path to a part.
const maxParts = 100

// part is the numbers of a section, and the dot behind them where a word
// follows.
func (p *parser) part() []int {
	var part []int
	for {
		if c, ok := p.Peek(); !ok || !classDigit[c] {
			return part
		}
		n := p.nzNumber()
		if n > 1<<31-1 {
			p.FailMsg("part number too large")
		}
		if len(part) == maxParts {
			p.FailMsg("part nested too deep")
		}
		if p.failed() {
			return nil
		}
		part = append(part, int(n))
		if !p.Byte('.') {
			return part
		}
	}
}

// section is what is behind "[", with the "]".
func (p *parser) section() *imap.BodySection {
	s := &imap.BodySection{Part: p.part()}
	if p.Byte(']') {
		if n := p.Pos(); n >= 2 && p.frame[n-2] == '.' {
			p.Seek(n - 1)
			p.Fail("a section")
		}
		return s
	}
	if n := p.Pos(); len(s.Part) > 0 && p.frame[n-1] != '.' {
		p.Fail("a dot or ]")
	}
	at := p.Pos()
	switch spec := imap.PartSpecifier(wire.Upper(p.bytesStr(p.Take(classItem)))); spec {
	case imap.PartHeader, imap.PartText:
		s.Specifier = spec
	case imap.PartMIME:
		if s.Specifier = spec; len(s.Part) == 0 {
			p.Seek(at)
			p.Fail("a part before MIME")
		}
	case imap.PartHeaderFields, imap.PartHeaderFieldsNot:
		s.Specifier = spec
		p.ExpectSP()
		p.list(func() { s.Fields = append(s.Fields, p.fieldName()) })
		if s.Fields == nil {
			p.Fail("a field's name")
		}
	default:
		p.Seek(at)
		p.Fail("a section")
	}
	p.ExpectByte(']')
	return s
}

var classField = wire.NewClass("", [2]byte{' ', '~'})

// fieldName is a header field's name, which cannot hold anything but printable
// ASCII.
func (p *parser) fieldName() string {
	at := p.Pos()
	name := p.astring()
	if !p.failed() && name != "" && !classField.All(name) {
		p.Seek(at)
		p.Fail("a header field's name")
	}
	return name
}

// partial is "<offset.count>" in a command, "<offset>" in an answer.
func (p *parser) partial(command bool) *imap.Partial {
	if !p.Byte('<') {
		return nil
	}
	s := &imap.Partial{Offset: p.number64(), Count: -1}
	if command {
		p.ExpectByte('.')
		at := p.Pos()
		if s.Count = p.number64(); s.Count == 0 {
			p.Seek(at)
			p.Fail("a number above zero")
		}
	}
	p.ExpectByte('>')
	return s
}

func (p *parser) store(uid bool) Args {
	p.ExpectSP()
	c := &Store{Set: p.numSet(uid)}
	p.ExpectSP()
	if p.Byte('(') {
		p.ExpectFold("UNCHANGEDSINCE ")
		n := p.modSeq()
		c.Change.UnchangedSince = &n
		p.ExpectByte(')')
		p.ExpectSP()
	}
	if p.Byte('+') {
		c.Change.Action = imap.StoreAdd
	} else if p.Byte('-') {
		c.Change.Action = imap.StoreRemove
	}
	if p.Fold("X-GM-LABELS") {
		return p.storeLabels(c)
	}
	p.ExpectFold("FLAGS")
	c.Silent = p.Fold(".SILENT")
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		c.Change.Flags = p.flagList()
		return c
	}
	for {
		c.Change.Flags = append(c.Change.Flags, p.flag())
		if p.failed() || !p.SP() {
			return c
		}
	}
}
