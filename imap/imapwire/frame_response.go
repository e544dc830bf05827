package imapwire

// The client's framer: responses as lines with literals.

import (
	"errors"
	"io"
	"strconv"

	"github.com/mailwire/mailwire/internal/wire"
)

// ResponseLimits bound what one response may cost a client. A zero field has
// the default of [DefaultResponseLimits].
type ResponseLimits struct {
	Line     int   // octets of one line of a response, line end included
	Response int   // octets of a whole response that is buffered
	Literal  int64 // octets of one literal that is buffered and is no section
	Buffer   int64 // octets of a section above which it streams
	Literals int   // literals in one response
	Drain    int64 // octets read and thrown away to stay in sync
	Depth    int   // how deep lists and body structures nest
	Parts    int   // parts in the body structures of one response
}

// DefaultResponseLimits are the limits for a server that is not distrusted
// more than any other.
func DefaultResponseLimits() ResponseLimits {
	return ResponseLimits{
		Line: 8 << 20, Response: 32 << 20, Literal: 1 << 20, Buffer: 32 << 10,
		Literals: 100_000, Drain: 64 << 20, Depth: DefaultDepth, Parts: DefaultParts,
	}
}

func (l ResponseLimits) withDefaults() ResponseLimits {
	d := DefaultResponseLimits()
	if l.Line <= 0 {
		l.Line = d.Line
	}
	if l.Response <= 0 {
		l.Response = d.Response
	}
	if l.Literal <= 0 {
		l.Literal = d.Literal
	}
	if l.Buffer <= 0 {
		l.Buffer = d.Buffer
	}
	if l.Literals <= 0 {
		l.Literals = d.Literals
	}
	if l.Drain <= 0 {
		l.Drain = d.Drain
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Parts <= 0 {
		l.Parts = d.Parts
	}
	return l
}

// ResponseReader reads a server's responses. It is the client's half.
type ResponseReader struct {
	// UTF8 says that UTF8=ACCEPT is in force (RFC 6855).
	UTF8 bool

	r      *wire.Reader
	limits ResponseLimits
	buf    []byte
	raw    []byte
	msg    *Literal // what streams
	// begin is how the response in which it stands began, to be put before the
	// rest; made is how many octets of the buffer are that.
	begin []byte
	made  int
	bin   [64]byte
	fetch FetchData
	p     parser
	names interner
	err   error
}

// NewResponseReader returns a reader of the responses in r. It reads lines
// that end in LF alone as well. It buffers, and may take more from r than the
// responses it returned.
func NewResponseReader(r io.Reader, limits ResponseLimits) *ResponseReader {
	return &ResponseReader{r: framer(r), limits: limits.withDefaults()}
}

// Buffered is how many octets arrived that belong to what comes next. Before a
// TLS handshake there must be none.
func (c *ResponseReader) Buffered() int { return c.r.Buffered() }

// Raw is the last response as it came, without its last line end. Where the
// octets of a literal stream, it ends with the literal's header, and the Raw of
// the next Read is what comes behind the octets: a response can thus be passed on
// as it came. An empty line behind a literal that was announced too short is left
// out. It is borrowed until the next call of Read, and nil where a response was
// refused before it was read whole.
func (c *ResponseReader) Raw() []byte { return c.raw }

// Stream is the literal that the last Read left open; nil where there is none.
func (c *ResponseReader) Stream() *Literal { return c.msg }

// Read reads the next response. A section that streams is drained first.
//
// A *[FetchData] is the reader's, with its slices and section bodies, until
// the next call; strings, envelopes and body structures are the caller's. All
// other responses are the caller's.
//
// An error that is a *[ParseError] cost one response; unless it says Close, Read
// can be called again. Every other error is the stream's and final: io.EOF at
// its end between responses.
func (c *ResponseReader) Read() (Response, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.raw = nil
	offset := c.r.Offset()
	if c.msg != nil {
		if err := c.endStream(); err != nil {
			return nil, err
		}
		line, err := c.line()
		if err == nil && len(trimResponse(line)) == 0 && fetchLine(c.begin) {
			line, err = c.line() // see quirks.go: fetchLine
		}
		if err != nil {
			return nil, err
		}
		c.made = len(c.begin)
		c.buf = append(append(c.buf[:0], c.begin...), line...)
		return c.response(offset)
	}
	c.made = 0
	if cap(c.buf) > bufKeep {
		c.buf = nil
	}
	line, err := c.r.Line(c.limits.Line)
	if err != nil {
		return nil, c.lineError(err, false)
	}
	if _, more := literalHeader(line); !more || statusText(line) {
		return c.parse(line, offset, false)
	}
	c.buf = append(c.buf[:0], line...)
	return c.response(offset)
}

// endStream leaves the section that streams behind.
func (c *ResponseReader) endStream() error {
	m := c.msg
	c.msg = nil
	if err := m.start(); err != nil {
		c.err = err
		return err
	}
	if err := m.lit.Drain(c.limits.Drain); err != nil {
		c.err = err
		return err
	}
	return nil
}

// line is a line in the middle of a response.
func (c *ResponseReader) line() ([]byte, error) {
	line, err := c.r.Line(c.limits.Line)
	if err != nil {
		return nil, c.lineError(err, true)
	}
	return line, nil
}

// lineError is what an error of a line means. Behind a line whose end was not
// seen may stand a literal, a message's text say, which must not be read as
// responses.
func (c *ResponseReader) lineError(err error, within bool) error {
	var le *wire.LimitError
	if errors.As(err, &le) {
		c.err = errClosed
		return &ParseError{Err: err, Close: true}
	}
	if err == io.EOF && within {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return err
}

// maxTries is how many large literals of one response are looked at for a
// section: each look reads what is before it.
const maxTries = 8

// response is the response of which the buffer holds the first line.
func (c *ResponseReader) response(offset int64) (Response, error) {
	fetch := fetchLine(c.buf)
	start, tries := 0, 0
	for n := 1; ; n++ {
		h, more := literalHeader(c.buf[start:])
		if !more {
			break
		}
		if h.size > c.limits.Buffer && !h.overflow && tries < maxTries && (fetch || urlFetchLine(c.buf)) {
			tries++
			r, err := c.parse(c.buf, offset, true)
			if err == nil && c.stream(r, h) {
				return r, nil
			}
		}
		if n > c.limits.Literals || h.size > c.limits.Literal || h.size > int64(c.limits.Response-len(c.buf)) {
			return nil, c.skip(h)
		}
		c.buf = append(c.buf, '\r', '\n')
		var err error
		if c.buf, err = c.r.AppendLiteral(c.buf, h.size, h.size); err != nil {
			c.err = err
			return nil, err
		}
		line, err := c.line()
		if err == nil && fetch && len(trimResponse(line)) == 0 {
			line, err = c.line() // see quirks.go: fetchLine
		}
		if err != nil {
			return nil, err
		}
		if len(c.buf)+len(line) > c.limits.Response {
			return nil, c.tooBig(line)
		}
		start = len(c.buf)
		c.buf = append(c.buf, line...)
	}
	return c.parse(c.buf, offset, false)
}

// stream makes the literal of h a stream, and reports whether it is one.
func (c *ResponseReader) stream(r Response, h header) bool {
	m := &Literal{size: h.size, binary: h.binary, r: c.r}
	switch r := r.(type) {
	case *FetchData:
		if !r.More {
			return false
		}
		r.Sections[len(r.Sections)-1].Stream = m
		c.begin = append(c.begin[:0], "* "...)
		if r.UIDFetch {
			c.begin = append(strconv.AppendUint(c.begin, uint64(r.UID), 10), " UIDFETCH ("...)
		} else {
			c.begin = append(strconv.AppendUint(c.begin, uint64(r.Seq), 10), " FETCH ("...)
		}
	case *URLFetchData:
		if !r.More {
			return false
		}
		r.Items[len(r.Items)-1].Stream = m
		c.begin = append(c.begin[:0], "* URLFETCH"...)
	default:
		return false
	}
	c.msg = m
	return true
}

func (c *ResponseReader) tooBig(line []byte) error {
	if h, more := literalHeader(line); more {
		return c.skip(h)
	}
	return &ParseError{Raw: c.raw, Err: &wire.LimitError{What: "response", Limit: int64(c.limits.Response), Offset: c.r.Offset()}}
}

// skip throws away the rest of a response from the literal of h on.
func (c *ResponseReader) skip(h header) error {
	c.raw = nil
	pe := &ParseError{Err: &wire.LimitError{What: "literal", Limit: c.limits.Literal, Offset: c.r.Offset()}}
	budget := c.limits.Drain
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
		if err != nil {
			return err
		}
		var more bool
		if h, more = literalHeader(line); !more {
			return pe
		}
		budget -= int64(len(line))
	}
}

func (c *ResponseReader) parse(frame []byte, offset int64, stream bool) (Response, error) {
	// The parser is the reader's: one for each response would be an allocation
	// for each.
	p := &c.p
	p.begin(trimResponse(frame), offset)
	p.utf8, p.depth, p.budget, p.lax = c.UTF8, c.limits.Depth, c.limits.Parts, true
	p.stream, p.names = stream, &c.names
	c.fetch.reset()
	r, err := p.response(&c.fetch)
	c.raw = frame[c.made:]
	return r, err
}
