package imapwire

// FETCH, ENVELOPE and BODYSTRUCTURE from octets.

import (
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
)

// maxInterned is the longest string that is kept, in octets.
const maxInterned = 64

// interner keeps the strings that come again and again: keywords.
type interner struct{ m map[string]string }

func (n *interner) get(b []byte) string {
	if s, ok := n.m[string(b)]; ok {
		return s
	}
	if n.m == nil || len(n.m) >= 256 {
		n.m = make(map[string]string)
	}
	s := string(b)
	if len(s) <= maxInterned {
		n.m[s] = s
	}
	return s
}

// maxKept is the longest slice that is kept from one response to the next.
const maxKept = 1000

// reset empties a FetchData and keeps its slices' memory.
func (f *FetchData) reset() {
	if max(cap(f.Flags), cap(f.Sections), cap(f.Extended), cap(f.GmailLabels)) > maxKept {
		*f = FetchData{}
		return
	}
	if f.Has&^(HasUID|HasFlags|HasSize|HasModSeq) == 0 && len(f.Sections)+len(f.Extended)+len(f.GmailLabels) == 0 && !f.More {
		f.Seq, f.UIDFetch, f.Has, f.UID, f.Size, f.ModSeq, f.Flags = 0, false, 0, 0, 0, 0, f.Flags[:0]
		return
	}
	*f = FetchData{Flags: f.Flags[:0], Sections: f.Sections[:0], Extended: f.Extended[:0], GmailLabels: f.GmailLabels[:0]}
}

// fetchData is what is behind "FETCH".
func (p *parser) fetchData(f *FetchData) {
	p.inFetch = true
	p.sp()
	p.ExpectByte('(')
	// Domino sends the list twice in parentheses.
	nested := p.Byte('(')
	for !p.failed() {
		p.Spaces()
		if p.Byte(')') {
			break
		}
		p.fetchAtt(f)
		if f.More {
			return
		}
	}
	if nested {
		p.Spaces()
		p.Byte(')')
	}
	p.laxEnd()
}

// knownItem is an item's name in one spelling, or nothing.
func knownItem(b []byte) imap.FetchAtt {
	switch imap.FetchAtt(b) { // in the spelling of nearly all servers
	case imap.FetchUID:
		return imap.FetchUID
	case imap.FetchFlags:
		return imap.FetchFlags
	case imap.FetchModSeq:
		return imap.FetchModSeq
	case imap.FetchSize:
		return imap.FetchSize
	case imap.FetchInternalDate:
		return imap.FetchInternalDate
	case imap.FetchEnvelope:
		return imap.FetchEnvelope
	case imap.FetchBodyStructure:
		return imap.FetchBodyStructure
	}
	for _, a := range [...]imap.FetchAtt{
		imap.FetchUID, imap.FetchFlags, imap.FetchEnvelope, imap.FetchInternalDate, imap.FetchSize,
		imap.FetchBodyStructure, imap.FetchBody, imap.FetchModSeq, imap.FetchRFC822, imap.FetchRFC822Header,
		imap.FetchRFC822Text, imap.FetchEmailID, imap.FetchThreadID, imap.FetchSaveDate, imap.FetchPreview,
		imap.FetchGmailLabels, imap.FetchGmailMessageID, imap.FetchGmailThreadID,
	} {
		if wire.EqualFold(b, string(a)) {
			return a
		}
	}
	return ""
}

func (p *parser) fetchAtt(f *FetchData) {
	at := p.Pos()
	name := p.Take(classItem)
	if name == nil {
		p.Fail("a FETCH item")
		return
	}
	if p.Byte('[') {
		p.bracketAtt(f, at, name)
		return
	}
	item := knownItem(name)
	spaces := p.Spaces()
	switch c, ok := p.Peek(); {
	case item != "" && ok && c == ')': // see quirks.go: emptySection
		if item == imap.FetchRFC822 || item == imap.FetchRFC822Header || item == imap.FetchRFC822Text {
			f.Sections = append(f.Sections, SectionData{Item: item})
		}
		return
	case spaces == 0 && (!ok || c != '(' && c != ')'):
		p.Fail("a space")
		return
	}
	switch item {
	case imap.FetchUID:
		f.UID = imap.UID(p.number32())
		f.Has |= HasUID
	case imap.FetchFlags:
		f.Flags = p.laxFlags(f.Flags[:0])
		f.Has |= HasFlags
	case imap.FetchInternalDate:
		from := p.Pos()
		s, _ := p.nstring()
		if s, ok := laxDate(s); ok {
			if t, err := imap.ParseDateTime(s); err == nil {
				f.InternalDate = t
				f.Has |= HasInternalDate
				break
			}
		}
		f.Extended = append(f.Extended, imap.RawItem{Name: string(item), Value: p.str(from, p.Pos())})
	case imap.FetchSize:
		f.Size = p.numberSize()
		f.Has |= HasSize
	case imap.FetchModSeq:
		if p.Byte('(') {
			f.ModSeq = imap.ModSeq(p.number())
			p.ExpectByte(')')
		} else {
			f.ModSeq = imap.ModSeq(p.number())
		}
		f.Has |= HasModSeq
	case imap.FetchEnvelope:
		f.Envelope = p.envelope()
		f.Has |= HasEnvelope
	case imap.FetchBody:
		f.BodyStructure = p.body(p.depth)
		f.Has |= HasBody
	case imap.FetchBodyStructure:
		f.BodyStructure = p.body(p.depth)
		f.Has |= HasBodyStructure
	case imap.FetchRFC822, imap.FetchRFC822Header, imap.FetchRFC822Text:
		p.sectionValue(f, SectionData{Item: item})
	case imap.FetchEmailID:
		f.EmailID = p.objectID()
		f.Has |= HasEmailID
	case imap.FetchThreadID:
		f.ThreadID = p.objectID()
		f.Has |= HasThreadID
	case imap.FetchSaveDate:
		if !p.tryNIL() {
			s, _ := p.tryQuoted()
			t, err := imap.ParseDateTime(s)
			if err != nil {
				p.Fail("a date-time")
			}
			f.SaveDate = t
		}
		f.Has |= HasSaveDate
	case imap.FetchPreview:
		s, ok := p.nstring()
		f.Preview, f.PreviewNil = s, !ok
		f.Has |= HasPreview
	case imap.FetchGmailLabels:
		f.GmailLabels = f.GmailLabels[:0]
		p.laxList(func() { f.GmailLabels = append(f.GmailLabels, p.laxGmailLabel()) })
		f.Has |= HasGmailLabels
	case imap.FetchGmailMessageID:
		f.GmailMessageID = p.number()
		f.Has |= HasGmailMessageID
	case imap.FetchGmailThreadID:
		f.GmailThreadID = p.number()
		f.Has |= HasGmailThreadID
	default:
		from := p.Pos()
		p.skipValue()
		if !p.failed() {
			f.Extended = append(f.Extended, imap.RawItem{Name: p.str(at, at+len(name)), Value: p.str(from, p.Pos())})
		}
	}
}

func (p *parser) objectID() string {
	if p.tryNIL() {
		return ""
	}
	p.ExpectByte('(')
	s := p.atom()
	p.ExpectByte(')')
	return s
}

// bracketAtt is an item with a bracket behind its name, which begins at at. A
// section that is not known here is kept as it is.
func (p *parser) bracketAtt(f *FetchData, at int, name []byte) {
	var s SectionData
	bracket := p.Lexer
	switch {
	case wire.EqualFold(name, "BODY"):
		sec := p.section()
		sec.Partial = p.partial(false)
		s.Item = sec
	case wire.EqualFold(name, "BINARY"):
		sec := &imap.BinarySection{Part: p.part()}
		p.ExpectByte(']')
		sec.Partial = p.partial(false)
		s.Item = sec
	case wire.EqualFold(name, "BINARY.SIZE"):
		s.Item = &imap.BinarySize{Part: p.part()}
		p.ExpectByte(']')
	}
	if s.Item == nil || p.failed() {
		p.Lexer = bracket
		p.rawAtt(f, at)
		return
	}
	if _, ok := s.Item.(*imap.BinarySize); ok {
		p.sp()
		s.Size = p.numberSize()
		f.Sections = append(f.Sections, s)
		return
	}
	if p.emptySection() {
		f.Sections = append(f.Sections, s)
		return
	}
	p.sp()
	p.sectionValue(f, s)
}

// rawAtt is an item whose bracket is open and whose name begins at at.
func (p *parser) rawAtt(f *FetchData, at int) {
	for !p.Byte(']') {
		if !p.Skip(1) {
			return
		}
	}
	end := p.Pos()
	p.sp()
	from := p.Pos()
	p.skipValue()
	if !p.failed() {
		f.Extended = append(f.Extended, imap.RawItem{Name: p.str(at, end), Value: p.str(from, p.Pos())})
	}
}

// sectionValue is the octets of a section.
func (p *parser) sectionValue(f *FetchData, s SectionData) {
	switch c, _ := p.Peek(); {
	case p.tryNIL():
	case c == '{' || c == '~':
		if h, ok := literalHeader(p.Rest()); ok && h.at == 0 && p.stream {
			s.Size = h.size
			f.More = true
			p.Seek(len(p.frame))
			break
		}
		b, ok := p.tryLiteral()
		if !ok {
			p.Fail("a literal")
			return
		}
		s.Body, s.Size = b[:len(b):len(b)], int64(len(b))
	default:
		q, ok := p.tryQuoted()
		if !ok {
			p.Fail("a string or NIL")
			return
		}
		s.Body, s.Size = []byte(q), int64(len(q))
	}
	f.Sections = append(f.Sections, s)
}

// laxString is a string or NIL, a server's atom forgiven.
func (p *parser) laxString() (string, bool) {
	if c, _ := p.Peek(); c == '"' {
		return p.tryQuoted()
	}
	if p.tryNIL() {
		return "", false
	}
	if s, ok := p.tryString(); ok {
		return s, true
	}
	if b := p.Take(classLaxAtom); b != nil {
		return p.bytesStr(b), true
	}
	p.Fail("a string or NIL")
	return "", false
}

// listEnd moves over ")", spaces before it included.
func (p *parser) listEnd() bool {
	p.Spaces()
	return p.Byte(')')
}

// envelope is ENVELOPE. QQ sends nine fields: those missing at the end are
// absent.
func (p *parser) envelope() *mime.Envelope {
	e := &mime.Envelope{}
	if p.tryNIL() {
		return e
	}
	p.ExpectByte('(')
	member := func(s *string, bit mime.EnvelopeField) bool {
		v, ok := p.laxString()
		if *s = v; ok && v == "" {
			e.Empty |= bit
		}
		return !p.listEnd() && !p.failed()
	}
	if p.listEnd() {
		return e
	}
	if member(&e.Date, mime.EnvelopeDate) && member(&e.Subject, mime.EnvelopeSubject) && p.addressLists(e) &&
		member(&e.InReplyTo, mime.EnvelopeInReplyTo) && member(&e.MessageID, mime.EnvelopeMessageID) {
		for !p.failed() && !p.listEnd() {
			p.skipValue()
		}
	}
	return e
}

// addressLists is the six lists of an envelope, which share their memory. It
// reports whether more follows.
func (p *parser) addressLists(e *mime.Envelope) (more bool) {
	all := p.lists()
	all.addresses = all.addresses[:0]
	lists := [...]*[]mime.Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc}
	var ends [len(lists)]int
	more = true
	for i := range lists {
		if more {
			p.addresses()
			more = !p.listEnd() && !p.failed()
		}
		ends[i] = len(all.addresses)
	}
	if len(all.addresses) == 0 {
		return more
	}
	kept := append(make([]mime.Address, 0, len(all.addresses)), all.addresses...)
	clear(all.addresses)
	from := 0
	for i, list := range lists {
		if ends[i] > from {
			*list = kept[from:ends[i]:ends[i]]
		}
		from = ends[i]
	}
	return more
}

// addresses appends a list of addresses to the parser's scratch.
func (p *parser) addresses() {
	if p.tryNIL() {
		return
	}
	// Absent lists as "" have been seen.
	if c, ok := p.Peek(); ok && c == '"' {
		p.tryQuoted()
		return
	}
	p.ExpectByte('(')
	group := false
	for !p.failed() && !p.listEnd() {
		at := p.Pos()
		p.address(&group)
		if p.Pos() == at {
			p.Fail("an item or )")
		}
	}
}

// address appends one address; group says that a group is open.
func (p *parser) address(group *bool) {
	if p.tryNIL() {
		return
	}
	p.ExpectByte('(')
	var f [4]string
	var has [4]bool
	for i := range f {
		if i > 0 && p.listEnd() {
			break
		}
		f[i], has[i] = p.laxString()
		if i == 3 {
			for !p.failed() && !p.listEnd() {
				p.skipValue()
			}
		}
	}
	a := mime.Address{Name: f[0], Route: f[1], Mailbox: f[2], Host: f[3]}
	switch {
	case !has[0] && !has[1] && !has[3] && has[2]:
		a.Kind = mime.AddressGroupStart
		*group = true
	case !has[0] && !has[1] && !has[2] && !has[3] && *group:
		a.Kind = mime.AddressGroupEnd
		*group = false
	}
	p.scratch.addresses = append(p.scratch.addresses, a)
}

// fields is how many values, counted up to six, are in front of the cursor
// before the parenthesis that ends their list. The cursor stays.
func (p *parser) fields() int {
	at := p.Pos()
	n := 0
	for n < 6 && !p.failed() && !p.listEnd() {
		p.skipValue()
		n++
	}
	p.Seek(at)
	return n
}

// partOctets is about how long the description of one part is.
const partOctets = 150

// left is how many octets are in front of the cursor.
func (p *parser) left() int { return len(p.frame) - p.Pos() }

// body is BODY or BODYSTRUCTURE. What servers make of a multipart without
// parts is read as one.
func (p *parser) body(depth int) *mime.BodyStructure {
	b := &p.bodies.take(1, p.left()/partOctets)[0]
	if depth == 0 {
		p.FailMsg("body structure nested too deep")
		return b
	}
	if p.budget--; p.budget < 0 {
		p.FailMsg("body structure of too many parts")
		return b
	}
	if p.tryNIL() || !p.ExpectByte('(') {
		return b
	}
	p.Spaces()
	if c, _ := p.Peek(); c == '(' {
		p.multipart(b, depth)
		return b
	}
	at := p.Pos()
	if p.tryNIL() {
		p.Spaces()
		c, _ := p.Peek()
		// SmarterMail: "(NIL (...". Dovecot: (NIL "alternative" (...) NIL NIL NIL).
		// A part of which nothing is known has more fields.
		if c == '(' || p.fields() < 6 {
			p.multipart(b, depth)
			return b
		}
	}
	p.Seek(at)
	// Gmail and Yandex: ("ALTERNATIVE" ("BOUNDARY" "x") NIL NIL). A part has two
	// strings at its front.
	if b.Type, _ = p.laxString(); p.Spaces() == 0 || !p.quoted() {
		b.Type = ""
		if p.Seek(at); p.fields() < 6 {
			p.multipart(b, depth)
			return b
		}
	}
	p.Seek(at)
	p.singlePart(b, depth)
	return b
}

func (p *parser) multipart(b *mime.BodyStructure, depth int) {
	b.Type = "multipart"
	open := p.lists()
	from := len(open.parts)
	for !p.failed() {
		p.Spaces()
		if c, _ := p.Peek(); c == '(' {
			part := p.body(depth - 1)
			open.parts = append(open.parts, part)
		} else if !p.tryNIL() {
			break
		}
	}
	b.Parts = p.children.keep(open.parts[from:], p.left()/partOctets)
	clear(open.parts[from:])
	open.parts = open.parts[:from]
	if p.listEnd() {
		return
	}
	b.Subtype, _ = p.laxString()
	if p.listEnd() {
		return
	}
	b.Params = p.paramList()
	if p.listEnd() {
		return
	}
	p.extension(b)
}

// singlePart is a body that is no multipart.
func (p *parser) singlePart(b *mime.BodyStructure, depth int) {
	b.Type, _ = p.laxString()
	p.sp()
	b.Subtype, _ = p.laxString()
	if p.listEnd() {
		return
	}
	b.Params = p.paramList()
	for _, s := range [...]*string{&b.ID, &b.Description, &b.Encoding} {
		if p.listEnd() {
			return
		}
		*s, _ = p.laxString()
	}
	if p.listEnd() {
		return
	}
	if !p.tryNIL() {
		b.Octets = p.numberSize()
	}
	if p.listEnd() {
		return
	}
	switch {
	case isMessage(b.Type, b.Subtype):
		// Gmail leaves out the envelope of an attached message it could not
		// read.
		if c, _ := p.Peek(); c != '(' {
			break
		}
		b.Envelope = p.envelope()
		if p.listEnd() {
			return
		}
		b.Body = p.body(depth - 1)
		if p.listEnd() {
			return
		}
		p.lines(b)
	case wire.EqualFold(b.Type, "text"):
		p.lines(b)
	}
	if p.listEnd() || p.failed() {
		return
	}
	b.MD5, _ = p.laxString()
	if p.listEnd() {
		return
	}
	p.extension(b)
}

// lines is the number of lines, which some leave out.
func (p *parser) lines(b *mime.BodyStructure) {
	if c, ok := p.Peek(); ok && (classDigit[c] || c == '-') {
		b.Lines = p.numberSize()
	}
}

// extension is disposition, language and location, and what is behind them,
// up to the end of the body.
func (p *parser) extension(b *mime.BodyStructure) {
	b.Disposition = p.disposition()
	if p.listEnd() || p.failed() {
		return
	}
	if c, _ := p.Peek(); c == '(' {
		p.laxList(func() {
			if s, ok := p.laxString(); ok {
				b.Language = append(b.Language, s)
			}
		})
	} else if s, ok := p.laxString(); ok {
		b.Language = []string{s}
	}
	if p.listEnd() || p.failed() {
		return
	}
	b.Location, _ = p.laxString()
	for !p.failed() && !p.listEnd() {
		p.skipValue()
	}
}

// disposition is ("inline" (...)), or as Exchange sends it "inline" or
// (NIL NIL).
func (p *parser) disposition() *mime.Disposition {
	if p.tryNIL() {
		return nil
	}
	d := &p.dispositions.take(1, p.left()/partOctets)[0]
	if !p.Byte('(') {
		d.Type, _ = p.laxString()
		return d
	}
	var ok bool
	if d.Type, ok = p.laxString(); !p.listEnd() {
		d.Params = p.paramList()
		for !p.failed() && !p.listEnd() {
			p.skipValue()
		}
	}
	if !ok && d.Params == nil {
		return nil
	}
	return d
}

// paramList is ("name" "value" ...) or NIL; a value may be NIL.
func (p *parser) paramList() mime.Params {
	if p.tryNIL() {
		return nil
	}
	if c, _ := p.Peek(); c != '(' {
		p.laxString()
		return nil
	}
	p.Skip(1)
	list := p.lists().params[:0]
	for !p.failed() && !p.listEnd() {
		at := p.Pos()
		name, _ := p.laxString()
		p.sp()
		value := ""
		if c, _ := p.Peek(); c != ')' {
			value, _ = p.laxString()
		}
		list = append(list, mime.Param{Name: name, Value: value})
		if p.Pos() == at {
			p.Fail("a parameter or )")
		}
	}
	p.scratch.params = list
	kept := p.params.keep(list, len(list)+2*p.left()/partOctets)
	clear(list)
	return kept
}

// quoted reports whether a quoted string is in front of the cursor.
func (p *parser) quoted() bool {
	c, _ := p.Peek()
	return c == '"'
}
