package imapwire

// The server's framer: commands as lines with literals, each end known before
// the grammar runs.

import (
	"errors"
	"io"
	"math"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// header is a literal's header, "{5}", "{5+}" or "~{5}".
type header struct {
	at       int // where in the line
	size     int64
	sync     bool // the sender waits for a continuation
	binary   bool
	overflow bool // the size is beyond 63 bits
}

// literalHeader finds the header that ends line.
func literalHeader(line []byte) (h header, ok bool) {
	i := len(line) - 1
	if i < 2 || line[i] != '}' {
		return h, false
	}
	h.sync = true
	// "{5-}" is in no RFC; a peer that sends it goes on without waiting.
	if i--; line[i] == '+' || line[i] == '-' {
		h.sync = false
		i--
	}
	end := i
	for i >= 0 && classDigit[line[i]] {
		i--
	}
	if i == end || i < 0 || line[i] != '{' {
		return h, false
	}
	for _, c := range line[i+1 : end+1] {
		d := int64(c - '0')
		if h.size > (math.MaxInt64-d)/10 {
			h.overflow, h.size = true, math.MaxInt64
			break
		}
		h.size = h.size*10 + d
	}
	if i > 0 && line[i-1] == '~' {
		h.binary = true
		i--
	}
	h.at = i
	return h, true
}

// CommandLimits bound what one command may cost. A zero field has the default
// of [DefaultCommandLimits].
type CommandLimits struct {
	Line     int   // octets of one line of a command, line end included
	Command  int   // octets of a whole command that is buffered, literals included
	Literal  int64 // octets of one literal that is buffered
	Literals int   // literals in one command
	Append   int64 // octets that stream of one message of APPEND
	// Drain is how many octets of what was refused are read and thrown away
	// to reach the next command. Beyond that the connection must close.
	Drain int64
	Depth int // how deep search keys and lists nest
}

// DefaultCommandLimits are the limits for a client that has logged in.
func DefaultCommandLimits() CommandLimits {
	return CommandLimits{
		Line: 64 << 10, Command: 1 << 20, Literal: 512 << 10, Literals: 1000,
		Append: 64 << 20, Drain: 1 << 20, Depth: DefaultDepth,
	}
}

// PreAuthCommandLimits are the limits for a client that has not.
func PreAuthCommandLimits() CommandLimits {
	return CommandLimits{
		// A line has to hold the 12288 octets that SASL's messages may have.
		Line: 13 << 10, Command: 16 << 10, Literal: 4 << 10, Literals: 8,
		Append: 1, Drain: 64 << 10, Depth: 10,
	}
}

func (l CommandLimits) withDefaults() CommandLimits {
	d := DefaultCommandLimits()
	if l.Line <= 0 {
		l.Line = d.Line
	}
	if l.Command <= 0 {
		l.Command = d.Command
	}
	if l.Literal <= 0 {
		l.Literal = d.Literal
	}
	if l.Literals <= 0 {
		l.Literals = d.Literals
	}
	if l.Append <= 0 {
		l.Append = d.Append
	}
	if l.Drain <= 0 {
		l.Drain = d.Drain
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	return l
}

// CommandReader reads a client's commands. It is the server's half.
type CommandReader struct {
	// Continue is called where the client waits for a continuation before it
	// sends a literal: it sends [AppendContinuation] and flushes. Its error is
	// returned as it is.
	Continue func() error
	// UTF8 says that UTF8=ACCEPT is in force (RFC 6855).
	UTF8 bool

	r      *wire.Reader
	limits CommandLimits
	buf    []byte
	raw    []byte
	pieces pieces // of an APPEND that was not finished
	bin    [64]byte
	err    error // the stream cannot be read on
}

// bufKeep is the largest buffer kept between commands, in octets.
const bufKeep = 16 << 10

// NewCommandReader returns a reader of the commands in r. It reads lines that
// end in LF alone as well, as most servers do. It buffers, and may take more
// from r than the commands it returned.
func NewCommandReader(r io.Reader, limits CommandLimits) *CommandReader {
	return &CommandReader{r: framer(r), limits: limits.withDefaults()}
}

// framer is r as a wire.Reader: r itself where it is one.
func framer(r io.Reader) *wire.Reader {
	w, ok := r.(*wire.Reader)
	if !ok {
		w = wire.NewReader(r, wire.Options{})
	}
	w.SetLines(wire.LineLF)
	return w
}

// SetLimits changes the limits from the next command on, such as after LOGIN.
func (c *CommandReader) SetLimits(l CommandLimits) { c.limits = l.withDefaults() }

// Buffered is how many octets arrived that belong to what comes next. A server
// flushes its answers where it is zero, and refuses STARTTLS where it is not.
func (c *CommandReader) Buffered() int { return c.r.Buffered() }

var errClosed = errors.New("imap: the stream cannot be read on behind what was refused")

// Read reads the next command. What is left of an APPEND's message is drained
// first.
//
// An error that is a *[ParseError] is to be answered with its Response; unless
// it says Close, Read can be called again. Every other error is the stream's
// and final: io.EOF at its end between commands.
//
// The command's strings are its own; its Raw and Message are the reader's
// until the next call.
func (c *CommandReader) Read() (*Command, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.raw = nil
	c.pieces.next = nil
	if c.pieces.msg != nil {
		if _, err := c.finish(true); err != nil {
			return nil, err
		}
	}
	return c.command()
}

// Raw is what the last call of Read, ReadLine or More took, as it came, without
// its last line end; the literals that are no message are in it. Where a
// message follows, Raw ends with its header: "{5}". Together with the messages a
// command can thus be passed on as it came. It is borrowed until the next call,
// and holds the password of a LOGIN. It is nil where a command was refused before
// it was read whole, and where More returned what had been read before.
func (c *CommandReader) Raw() []byte { return c.raw }

// Stream is the message, or the text of one, that the last call of Read or More
// left open; nil where there is none.
func (c *CommandReader) Stream() *Literal { return c.pieces.msg }

// ReadLine reads one line that is no command: DONE, or a client's part of a
// SASL exchange. The line is borrowed until the next call and has no line end.
func (c *CommandReader) ReadLine() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.raw = nil
	line, err := c.line()
	if err != nil {
		return nil, c.lineError(err, "", line, false)
	}
	c.raw = line
	return line, nil
}

// line reads one line of at most the Line limit. The Reader is asked for more,
// a power of two as its windows are, so that the tag of a line that is too long
// can be told; it is returned with the LimitError.
func (c *CommandReader) line() ([]byte, error) {
	ask := 32 << 10
	for ask < c.limits.Line {
		ask *= 2
	}
	at := c.r.Offset()
	line, err := c.r.Line(ask)
	if err == nil && len(line)+2 > c.limits.Line {
		return line, &wire.LimitError{What: "line", Limit: int64(c.limits.Line), Offset: at}
	}
	return line, err
}

// lineError is what an error of line means in a command with the given tag: a
// line that is too long costs the command, if its end was seen; a literal that
// it announces without waiting is thrown away. within is set in the middle of a
// command.
func (c *CommandReader) lineError(err error, tag string, line []byte, within bool) error {
	var le *wire.LimitError
	if !errors.As(err, &le) {
		if err == io.EOF && within {
			err = io.ErrUnexpectedEOF
		}
		c.err = err
		return err
	}
	pe := &ParseError{Tag: tag, Err: err, Answer: &imap.Error{Kind: imap.BAD, Code: imap.CodeTooBig, Text: "Line too long"}}
	if line == nil {
		if b, _ := c.r.Peek(min(c.r.Buffered(), 64)); tag == "" && le.Offset == c.r.Offset() {
			pe.Tag = frameTag(b)
		}
		pe.Close = true
		c.err = errClosed
		return pe
	}
	if h, more := literalHeader(line); more && !h.sync {
		return c.discard(pe, h, c.limits.Drain)
	}
	return pe
}

func (c *CommandReader) command() (*Command, error) {
	if cap(c.buf) > bufKeep {
		c.buf = nil
	}
	offset := c.r.Offset()
	line, err := c.line()
	if err != nil {
		return nil, c.lineError(err, frameTag(line), line, false)
	}
	h, more := literalHeader(line)
	if !more {
		c.pieces = pieces{}
		return c.complete(line, offset)
	}
	tag := frameTag(line)
	c.buf = append(c.buf[:0], line...)
	c.pieces = pieces{tag: tag}
	h, streams, err := c.gather(tag, h, c.beginsMessage)
	if err != nil {
		return nil, err
	}
	if streams {
		return c.message(offset, h)
	}
	return c.complete(c.buf, offset)
}

// gather completes the frame of which the buffer holds the first line, which
// ends in the header h: literals and the lines behind them are added. It stops
// where the buffer ends in the header of a literal that streams.
func (c *CommandReader) gather(tag string, h header, streams func(n, start int) bool) (header, bool, error) {
	start := 0 // of the line that ends the buffer
	for n := 1; ; n++ {
		if streams(n, start) {
			return h, true, nil
		}
		if err := c.literal(tag, h, n); err != nil {
			return h, false, err
		}
		start = len(c.buf)
		line, err := c.line()
		if err != nil {
			return h, false, c.lineError(err, tag, line, true)
		}
		if len(c.buf)+len(line) > c.limits.Command {
			return h, false, c.refuseLine(tag, line)
		}
		c.buf = append(c.buf, line...)
		var more bool
		if h, more = literalHeader(c.buf[start:]); !more {
			return h, false, nil
		}
	}
}

func (c *CommandReader) parse(frame []byte, offset int64) (*Command, error) {
	c.raw = frame
	return ParseCommand(frame, &ParseOptions{UTF8: c.UTF8, Depth: c.limits.Depth, Offset: offset})
}

// literal reads the literal of h, whose header ends the buffer, into the
// buffer, with the CRLF between.
func (c *CommandReader) literal(tag string, h header, n int) error {
	var what string
	switch {
	case n > c.limits.Literals:
		what = "too many literals"
	case h.size > c.limits.Literal:
		what = "literal too big"
	case h.size > int64(c.limits.Command-len(c.buf)-2):
		what = "command too big"
	}
	if what != "" {
		return c.refuse(tag, h, what)
	}
	if h.sync {
		if err := c.proceed(); err != nil {
			return err
		}
	}
	c.buf = append(c.buf, '\r', '\n')
	var err error
	c.buf, err = c.r.AppendLiteral(c.buf, h.size, h.size)
	return err
}

func (c *CommandReader) proceed() error {
	if c.Continue == nil {
		return nil
	}
	return c.Continue()
}

// refuse answers for a literal that is not taken. The octets of one that the
// client sends without waiting are thrown away, and the command's rest with
// them, or the stream ends here.
func (c *CommandReader) refuse(tag string, h header, what string) error {
	pe := &ParseError{
		Tag:    tag,
		Answer: &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: what},
		Err:    &wire.LimitError{What: what + ": literal", Limit: c.limits.Literal, Offset: c.r.Offset()},
	}
	if h.sync {
		return pe
	}
	return c.discard(pe, h, c.limits.Drain)
}

// refuseLine refuses a command that the line made too big.
func (c *CommandReader) refuseLine(tag string, line []byte) error {
	pe := &ParseError{
		Tag:    tag,
		Answer: &imap.Error{Kind: imap.NO, Code: imap.CodeTooBig, Text: "command too big"},
		Err:    &wire.LimitError{What: "command", Limit: int64(c.limits.Command), Offset: c.r.Offset()},
	}
	if h, more := literalHeader(line); more && !h.sync {
		return c.discard(pe, h, c.limits.Drain)
	}
	return pe
}

// discard throws away the literal of h and what follows of its command. A
// literal that the client waits with ends the command: it gets pe instead of
// the continuation.
func (c *CommandReader) discard(pe *ParseError, h header, budget int64) error {
	for {
		if h.overflow || h.size > budget {
			pe.Close = true
			c.err = errClosed
			return pe
		}
		budget -= h.size
		if err := drain(c.r, h.size, &c.bin); err != nil {
			c.err = err
			return err
		}
		line, err := c.line()
		if err != nil && line == nil {
			var le *wire.LimitError
			if errors.As(err, &le) {
				pe.Close = true
				c.err = errClosed
				return pe
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			c.err = err
			return err
		}
		budget -= int64(len(line)) + 2
		var more bool
		if h, more = literalHeader(line); !more || h.sync {
			return pe
		}
	}
}

// drain throws a literal away. Of small ones there may be very many: they must
// cost no allocation each.
func drain(r *wire.Reader, size int64, bin *[64]byte) error {
	if size <= int64(len(bin)) {
		_, err := r.AppendLiteral(bin[:0], size, size)
		return err
	}
	return r.Literal(size).Drain(size)
}
