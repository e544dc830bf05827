package imapwire

// APPEND and REPLACE, whose messages stream: several messages in one command
// (RFC 3502), messages composed of parts (RFC 4469), literal8 (RFC 3516), UTF8
// (RFC 6855).

import (
	"errors"
	"io"
	"strconv"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// Append is APPEND, or one further message of it (RFC 3502).
//
// The octets of messages are not part of the value: a server reads them from
// Message, or from the Text of a part, and goes on with [CommandReader.More]; a
// client writes them behind the encoded command, and goes on with
// [CommandEncoder.AppendNext] or [CommandEncoder.AppendEnd].
type Append struct {
	Mailbox string // empty in what More returns
	Options imap.AppendOptions
	// Message is the message when the command was read by a [CommandReader]:
	// nil where there are Parts.
	Message *Literal
	// Parts compose the message (RFC 4469). A text is the last of them, since
	// its octets follow; the parts behind it come with Continued.
	Parts []CatenatePart
	// Continued says that the parts belong to the message before.
	Continued bool
	// Next is the next message, where it begins in the same line: what is
	// before it has no octets that stream. A [CommandReader] gives it by More
	// instead.
	Next *Append
}

// CatenatePart is a part of a message that is composed: the octets to which a
// URL leads, or a text.
type CatenatePart struct {
	URL string // empty for a text
	// Size is the number of octets of a text.
	Size   int64
	Binary bool // a literal8 (RFC 3516)
	UTF8   bool // in "UTF8 (...)" (RFC 6855)
	// Text is the octets, when the command was read by a [CommandReader].
	Text *Literal
}

// Replace is REPLACE, or UID REPLACE where UID is not zero (RFC 8508): the
// message takes the place of another. It is one message, without a Next.
type Replace struct {
	// Seq is the message that goes; [imap.Max] is "*".
	Seq imap.SeqNum
	UID imap.UID
	Append
}

func (*Append) CommandName() string { return "APPEND" }

func (c *Replace) CommandName() string {
	if c.UID != 0 {
		return "UID REPLACE"
	}
	return "REPLACE"
}

// appendOf is the Append in a command, or nil.
func appendOf(a Args) *Append {
	switch a := a.(type) {
	case *Append:
		return a
	case *Replace:
		return &a.Append
	}
	return nil
}

// last is the message that ends the frame.
func (c *Append) last() *Append {
	for c.Next != nil {
		c = c.Next
	}
	return c
}

// text is the text that ends the parts, or nil.
func (c *Append) text() *CatenatePart {
	if n := len(c.Parts); n > 0 && c.Parts[n-1].URL == "" {
		return &c.Parts[n-1]
	}
	return nil
}

// streams reports whether the octets of a literal follow.
func (c *Append) streams() bool { return !c.Continued && c.Parts == nil || c.text() != nil }

func (p *parser) appendCommand() Args {
	c := &Append{Mailbox: p.spMailbox()}
	p.messages(c)
	return c
}

func (p *parser) replace() Args {
	c := &Replace{}
	p.ExpectSP()
	if !p.Byte('*') {
		c.Seq = imap.SeqNum(p.nzNumber())
	}
	return p.replacement(c)
}

func (p *parser) uidReplace() Args {
	c := &Replace{}
	p.ExpectSP()
	c.UID = imap.UID(p.nzNumber())
	return p.replacement(c)
}

func (p *parser) replacement(c *Replace) Args {
	c.Mailbox = p.spMailbox()
	p.messages(&c.Append)
	if c.Next != nil {
		p.FailMsg("REPLACE takes one message")
	}
	return c
}

// messages are append-messages to the end of the frame, each with the space
// before it: the first is c, the others hang on it.
func (p *parser) messages(c *Append) {
	for {
		p.ExpectSP()
		p.appendMessage(c)
		if p.failed() || p.End() {
			return
		}
		c.Next = &Append{}
		c = c.Next
	}
}

// appendMessage is append-message; a literal's header ends the frame.
func (p *parser) appendMessage(c *Append) {
	o := &c.Options
	if b, ok := p.Peek(); ok && b == '(' {
		o.Flags = p.flagList()
		p.ExpectSP()
	}
	if b, ok := p.Peek(); ok && b == '"' {
		at := p.Pos()
		s, _ := p.tryQuoted()
		t, err := imap.ParseDateTime(s)
		if err != nil {
			p.Seek(at)
			p.Fail(`a date-time such as "17-Jul-1996 02:44:25 -0700"`)
		}
		o.InternalDate = t
		p.ExpectSP()
	}
	if p.Fold("CATENATE (") {
		p.catenatePart(c)
		p.parts(c)
		return
	}
	o.UTF8 = p.Fold("UTF8 (")
	if h, ok := p.header("the message as a literal"); ok {
		o.Binary, o.Size = h.binary, h.size
	}
}

// header is a literal's header at the frame's end.
func (p *parser) header(what string) (header, bool) {
	h, ok := literalHeader(p.Rest())
	if !ok || h.at != 0 {
		p.Fail(what)
		return h, false
	}
	p.Seek(len(p.frame))
	return h, !p.failed()
}

// catenatePart is cat-part.
func (p *parser) catenatePart(c *Append) {
	if p.Fold("URL ") {
		at := p.Pos()
		u := p.astring()
		if u == "" {
			p.Seek(at)
			p.Fail("a URL")
		}
		c.Parts = append(c.Parts, CatenatePart{URL: u})
		return
	}
	x := CatenatePart{UTF8: p.Fold("UTF8 (")}
	if !x.UTF8 && !p.Fold("TEXT ") {
		p.Fail("URL or TEXT")
		return
	}
	if h, ok := p.header("a text as a literal"); ok {
		x.Binary, x.Size = h.binary, h.size
	}
	c.Parts = append(c.Parts, x)
}

// parts are the parts behind one, up to the parenthesis or to a text.
func (p *parser) parts(c *Append) {
	for !p.failed() && c.text() == nil && !p.Byte(')') {
		p.ExpectSP()
		p.catenatePart(c)
	}
}

// continued is what follows the octets of a literal: nil where that is the end
// of the command.
func (p *parser) continued(inUTF8, inList bool) *Append {
	if inUTF8 {
		p.ExpectByte(')')
	}
	c := &Append{Continued: true}
	if inList && !p.Byte(')') {
		p.ExpectSP()
		p.catenatePart(c)
		p.parts(c)
	}
	if !p.failed() && !p.End() {
		c.Next = &Append{}
		p.messages(c.Next)
	}
	if c.Parts == nil {
		return c.Next
	}
	return c
}

func (c *Append) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Mailbox)
	e.messages(c)
}

func (c *Replace) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	switch {
	case c.UID != 0:
		e.num(uint64(c.UID))
	case c.Seq == imap.Max:
		e.lit("*")
	default:
		e.num(uint64(c.Seq))
	}
	if c.Next != nil {
		e.fail(errOrder)
	}
	c.Append.encodeArgs(e)
}

// AppendNext appends what comes behind the octets of a literal: further parts
// of the message, where a is Continued, or the next message (RFC 3502). As
// [CommandEncoder.Append] it ends with the header of the next literal that
// streams, or, if there is none, with the command's end. Waits is as after
// Append.
func (e *CommandEncoder) AppendNext(dst []byte, a *Append) ([]byte, error) {
	from := len(dst)
	was := *e
	e.Waits, e.dst, e.err = e.Waits[:0], dst, nil
	if !e.streams {
		e.fail(errOrder)
	}
	e.closeLiteral()
	if !a.Continued {
		e.closeList()
	}
	e.messages(a)
	out, err := e.end(from)
	if err != nil {
		e.streams, e.inList, e.inUTF8 = was.streams, was.inList, was.inUTF8
	}
	return out, err
}

// AppendEnd appends what ends a command behind the octets of a literal.
func (e *CommandEncoder) AppendEnd(dst []byte) []byte {
	e.dst = dst
	e.closeLiteral()
	e.closeList()
	dst, e.dst = e.dst, nil
	return append(dst, '\r', '\n')
}

var errOrder = errors.New("imap: the pieces of an APPEND are not in order")

func (e *CommandEncoder) closeLiteral() {
	if e.inUTF8 {
		e.lit(")")
	}
	e.streams, e.inUTF8 = false, false
}

func (e *CommandEncoder) closeList() {
	if e.inList {
		e.lit(")")
	}
	e.inList = false
}

func (e *CommandEncoder) messages(a *Append) {
	for first := true; a != nil; a, first = a.Next, false {
		if e.streams || a.Continued && !(first && e.inList) {
			e.fail(errOrder)
			return
		}
		e.message(a)
	}
}

// message appends one message, or further parts of it.
func (e *CommandEncoder) message(a *Append) {
	o := &a.Options
	if !a.Continued {
		if o.Flags != nil {
			e.lit(" ")
			e.flags(o.Flags)
		}
		if !o.InternalDate.IsZero() {
			e.lit(` "`)
			e.dst = imap.AppendDateTime(e.dst, o.InternalDate)
			e.lit(`"`)
		}
		if a.Parts == nil {
			e.lit(" ")
			e.literal(o.Size, o.Binary, o.UTF8)
			return
		}
		e.lit(" CATENATE (")
		e.inList = true
	}
	if len(a.Parts) == 0 {
		e.fail(errOrder)
	}
	for i := range a.Parts {
		x := &a.Parts[i]
		if e.streams {
			e.fail(errOrder)
			return
		}
		if i > 0 || a.Continued {
			e.lit(" ")
		}
		switch {
		case x.URL != "":
			e.lit("URL ")
			e.astring(x.URL)
		default:
			if !x.UTF8 {
				e.lit("TEXT ")
			}
			e.literal(x.Size, x.Binary, x.UTF8)
		}
	}
	if !e.streams {
		e.closeList()
	}
}

// literal appends the header of a literal that streams.
func (e *CommandEncoder) literal(size int64, binary, utf8 bool) {
	if utf8 {
		e.lit("UTF8 (")
	}
	if binary || utf8 {
		e.lit("~")
	}
	e.header(size)
	e.streams, e.inUTF8 = true, utf8
}

// Literal is a literal that streams: it reads exactly Size octets, then io.EOF.
// The first Read asks the client for the octets where it waits to be asked. A
// stream that ends sooner is io.ErrUnexpectedEOF.
type Literal struct {
	size    int64
	sync    bool
	binary  bool
	started bool
	proceed func() error
	r       *wire.Reader
	lit     *wire.Literal
	err     error
}

// Size is the number of octets announced.
func (l *Literal) Size() int64 { return l.size }

// Binary reports whether it is a literal8 (RFC 3516).
func (l *Literal) Binary() bool { return l.binary }

// Sync reports whether the client waits for a continuation before it sends the
// octets. A proxy that passes the command on must then wait too.
func (l *Literal) Sync() bool { return l.sync }

func (l *Literal) start() error {
	if l.started || l.err != nil {
		return l.err
	}
	if l.sync && l.proceed != nil {
		if l.err = l.proceed(); l.err != nil {
			return l.err
		}
	}
	l.started = true
	l.lit = l.r.Literal(l.size)
	return nil
}

// Read reads the next octets.
func (l *Literal) Read(p []byte) (int, error) {
	if err := l.start(); err != nil {
		return 0, err
	}
	return l.lit.Read(p)
}

// WriteTo writes what is left to w, without a copy between.
func (l *Literal) WriteTo(w io.Writer) (int64, error) {
	if err := l.start(); err != nil {
		return 0, err
	}
	return l.lit.WriteTo(w)
}

// pieces is where a reader is in an APPEND.
type pieces struct {
	tag    string
	name   string   // of the command
	msg    *Literal // that was not finished
	inUTF8 bool     // it is in the parentheses of UTF8
	inList bool     // it is in those of CATENATE
	single bool     // the command is REPLACE
	used   int64    // octets of the message's texts before
	next   *Append  // what More returns next
}

// beginsMessage reports whether the literal whose header ends the buffer, the
// n-th of the command, is a message or a text of APPEND or REPLACE.
func (c *CommandReader) beginsMessage(n, start int) bool {
	p := newParser(c.buf, 0)
	p.Take(classTag)
	if !p.SP() {
		return false
	}
	uid := p.Fold("UID ")
	switch {
	case p.Fold("REPLACE "):
		p.Take(classSet)
		p.SP()
	case uid || !p.Fold("APPEND "):
		return false
	}
	if n > 1 {
		// The mailbox is behind; any literal that is not a URL streams, or is
		// wrong.
		return !urlLiteral(c.buf[start:])
	}
	p.astring()
	var a Append
	p.messages(&a)
	return !p.failed() && a.last().streams()
}

// urlLiteral reports whether the header that ends line is that of a URL in
// CATENATE.
func urlLiteral(line []byte) bool {
	h, _ := literalHeader(line)
	const word = "URL "
	return h.at >= len(word) && wire.EqualFold(line[h.at-len(word):h.at], word)
}

// complete is a command whose frame is whole, with no literal behind it.
func (c *CommandReader) complete(frame []byte, offset int64) (*Command, error) {
	cmd, err := c.parse(frame, offset)
	if err != nil {
		return nil, err
	}
	if a := appendOf(cmd.Args); a != nil {
		if a.last().streams() {
			return nil, &ParseError{Tag: cmd.Tag, Name: cmd.Args.CommandName(), Raw: cmd.Raw, Err: errNoMessage}
		}
		c.pieces = pieces{tag: cmd.Tag, next: a.Next}
		a.Next = nil
	}
	return cmd, nil
}

var errNoMessage = errors.New("APPEND without a message")

// message is the command that the buffer holds up to the header of a literal
// that streams.
func (c *CommandReader) message(offset int64, h header) (*Command, error) {
	cmd, err := c.parse(c.buf, offset)
	if err != nil {
		pe := err.(*ParseError)
		if h.sync {
			return nil, pe
		}
		return nil, c.discard(pe, h, c.limits.Drain)
	}
	_, single := cmd.Args.(*Replace)
	c.pieces = pieces{tag: cmd.Tag, name: cmd.Args.CommandName(), single: single}
	a := appendOf(cmd.Args)
	if err := c.open(a, h); err != nil {
		return nil, err
	}
	c.pieces.next, a.Next = a.Next, nil
	return cmd, nil
}

// open makes the literal of h a stream, in the last of the messages that begin
// with a.
func (c *CommandReader) open(a *Append, h header) error {
	s := &c.pieces
	last := a.last()
	if !last.Continued {
		s.used = 0
	}
	if h.overflow || h.size > c.limits.Append-s.used {
		pe := c.tooBig(&wire.LimitError{What: "message", Limit: c.limits.Append, Offset: c.r.Offset()})
		if h.sync {
			return pe
		}
		return c.discard(pe, h, c.limits.Drain)
	}
	s.used += h.size
	s.msg = &Literal{size: h.size, sync: h.sync, binary: h.binary, proceed: c.proceed, r: c.r}
	if text := last.text(); text != nil {
		s.inList, s.inUTF8 = true, text.UTF8
		text.Text = s.msg
	} else {
		s.inList, s.inUTF8 = false, last.Options.UTF8
		last.Message = s.msg
	}
	return nil
}

func (c *CommandReader) tooBig(err error) *ParseError {
	return &ParseError{Tag: c.pieces.tag, Name: c.pieces.name, Err: err,
		Answer: &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: "Message too big"}}
}

// More goes on in an APPEND or REPLACE: it must be called when a message or a
// text was read, before the message counts as whole. It returns nil at the
// command's end, further parts of the message, with Continued set (RFC 4469), or
// the next message (RFC 3502), which says that the one before is whole. A
// *[ParseError] means that the command was bad behind what was read: nothing of
// it may be kept.
//
// What was not read of a literal is drained, at most the Drain limit.
func (c *CommandReader) More() (*Append, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.raw = nil
	if a := c.pieces.next; a != nil {
		c.pieces.next, a.Next = a.Next, nil
		return a, nil
	}
	if c.pieces.msg == nil {
		return nil, nil
	}
	a, err := c.finish(false)
	if a != nil {
		c.pieces.next, a.Next = a.Next, nil
	}
	return a, err
}

// finish leaves the open literal behind. With discard the command was answered,
// and what else is in it is thrown away.
func (c *CommandReader) finish(discard bool) (*Append, error) {
	s := &c.pieces
	m := s.msg
	s.msg = nil
	if m.err != nil {
		c.err = m.err
		return nil, c.err
	}
	if !m.started && m.sync {
		// The client was never asked, and the answer to the command tells it
		// not to send.
		return nil, nil
	}
	if !m.started {
		m.started = true
		m.lit = c.r.Literal(m.size)
	}
	if err := m.lit.Drain(c.limits.Drain); err != nil {
		if _, ok := err.(*wire.LimitError); ok {
			pe := c.tooBig(err)
			pe.Close = true
			c.err = errClosed
			return nil, pe
		}
		c.err = err
		return nil, err
	}
	offset := c.r.Offset()
	line, err := c.line()
	if err != nil {
		return nil, c.lineError(err, s.tag, line, true)
	}
	h, more := literalHeader(line)
	if discard {
		if more && !h.sync {
			pe := &ParseError{Tag: s.tag, Name: s.name, Err: errClosed}
			if err := c.discard(pe, h, c.limits.Drain); err != error(pe) || pe.Close {
				return nil, err
			}
		}
		return nil, nil
	}
	c.buf = append(c.buf[:0], line...)
	streams := false
	if more {
		h, streams, err = c.gather(s.tag, h, func(_, start int) bool { return !urlLiteral(c.buf[start:]) })
		if err != nil {
			return nil, err
		}
	}
	c.raw = c.buf
	p := newParser(c.buf, offset)
	p.depth = c.limits.Depth
	a := p.continued(s.inUTF8, s.inList)
	if a != nil && s.single && (!a.Continued || a.Next != nil) {
		p.FailMsg("REPLACE takes one message")
	}
	if p.ExpectEnd(); !p.failed() && (a != nil && a.last().streams()) != streams {
		p.Fail("the message as a literal")
	}
	if p.failed() {
		pe := &ParseError{Tag: s.tag, Name: s.name, Raw: c.buf, Err: p.Err()}
		if streams && !h.sync {
			return nil, c.discard(pe, h, c.limits.Drain)
		}
		return nil, pe
	}
	if streams {
		if err := c.open(a, h); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// String names a part for people.
func (x CatenatePart) String() string {
	if x.URL != "" {
		return "URL " + x.URL
	}
	return "TEXT of " + strconv.FormatInt(x.Size, 10) + " octets"
}
