package imapwire

// The message of an APPEND, which streams.

import (
	"io"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

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

// appendMessage is the APPEND that the buffer holds up to its message.
func (c *CommandReader) appendMessage(tag string, offset int64, h header) (*Command, error) {
	cmd, err := c.parse(c.buf, offset)
	if err != nil {
		pe := err.(*ParseError)
		if h.sync {
			return nil, pe
		}
		return nil, c.discard(pe, h, c.limits.Drain)
	}
	a := cmd.Args.(*Append)
	if a.Message, err = c.openMessage(tag, h, a.Options.UTF8); err != nil {
		return nil, err
	}
	return cmd, nil
}

func (c *CommandReader) openMessage(tag string, h header, inUTF8 bool) (*Literal, error) {
	if h.size > c.limits.Append || h.overflow {
		pe := &ParseError{
			Tag: tag, Name: "APPEND",
			Answer: &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: "Message too big"},
			Err:    &wire.LimitError{What: "message", Limit: c.limits.Append, Offset: c.r.Offset()},
		}
		if h.sync {
			return nil, pe
		}
		return nil, c.discard(pe, h, c.limits.Drain)
	}
	c.msg = &Literal{size: h.size, sync: h.sync, binary: h.binary, proceed: c.proceed, r: c.r}
	c.tag, c.utf8ap = tag, inUTF8
	return c.msg, nil
}

// More ends the message of an APPEND: it must be called when the message was
// read, before the message counts as whole. It returns nil at the command's
// end, and the next message's options and octets where the client sent several
// (RFC 3502). A *[ParseError] means that the command was bad behind the
// message: nothing of it may be kept.
//
// What was not read of the message is drained, at most the Drain limit.
func (c *CommandReader) More() (*Append, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.msg == nil {
		return nil, nil
	}
	return c.finish(false)
}

// finish leaves the open message behind. With discard the command was
// answered, and what else is in it is thrown away.
func (c *CommandReader) finish(discard bool) (*Append, error) {
	m := c.msg
	c.msg = nil
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
			err = &ParseError{Tag: c.tag, Name: "APPEND", Close: true, Err: err,
				Answer: &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: "Message too big"}}
			c.err = errClosed
			return nil, err
		}
		c.err = err
		return nil, err
	}
	offset := c.r.Offset()
	line, err := c.line()
	if err != nil {
		return nil, c.lineError(err, c.tag, line, true)
	}
	open := c.utf8ap
	if open && len(line) > 0 && line[0] == ')' {
		line, open = line[1:], false
		offset++
	}
	if len(line) == 0 && (!open || discard) {
		return nil, nil
	}
	c.buf = append(c.buf[:0], line...)
	h, more := literalHeader(c.buf)
	p := newParser(c.buf, offset)
	p.depth = c.limits.Depth
	next := &Append{}
	if open {
		p.Fail(")")
	}
	p.ExpectSP()
	p.appendMessage(&next.Options)
	if discard || p.failed() {
		pe := &ParseError{Tag: c.tag, Name: "APPEND", Err: p.Err()}
		if more && !h.sync {
			if err := c.discard(pe, h, c.limits.Drain); err != error(pe) || pe.Close {
				return nil, err
			}
		}
		if discard {
			return nil, nil
		}
		return nil, pe
	}
	if next.Message, err = c.openMessage(c.tag, h, next.Options.UTF8); err != nil {
		return nil, err
	}
	return next, nil
}
