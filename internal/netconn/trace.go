// The trace: what was sent and received, line by line, without secrets.

package netconn

import (
	"bytes"
	"crypto/tls"
	"io"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Direction says who spoke a line of a trace.
type Direction uint8

const (
	// FromClient is a line that the client sent, on either side's trace.
	FromClient Direction = iota
	// FromServer is a line that the server sent.
	FromServer
	// Event is no line but something that happened: TLS began, a failure.
	Event
)

// String is "C", "S" or "*".
func (d Direction) String() string {
	switch d {
	case FromClient:
		return "C"
	case FromServer:
		return "S"
	}
	return "*"
}

// Span says how a trace shows a run of octets.
type Span uint8

const (
	// Plain: line by line. Lines that hold credentials by their first words
	// (AUTH, AUTHENTICATE, LOGIN, PASS, APOP), with their literals and the
	// client's answers within a SASL exchange, are redacted nevertheless.
	Plain Span = iota
	// Secret: "<redacted 12 octets>".
	Secret
	// Payload: "<1234 octets>".
	Payload
)

// MarkRead says how a trace shows what is consumed from the Reader from now
// on. It returns how it was.
func (c *Conn) MarkRead(s Span) (was Span) {
	if c.trace == nil {
		return Plain
	}
	c.traceInput()
	return c.trace.in.mark(s)
}

// MarkWrite says how a trace shows what is written from now on. It returns
// how it was.
func (c *Conn) MarkWrite(s Span) (was Span) {
	if c.trace == nil {
		return Plain
	}
	return c.trace.out.mark(s)
}

// TraceWriter returns a Trace that prints one line for each on w, prefix and
// "C: " or "S: " before it, with control octets escaped. It may serve several
// connections at once.
func TraceWriter(w io.Writer, prefix string) func(Direction, []byte) {
	var mu sync.Mutex
	var buf []byte
	return func(d Direction, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		buf = append(buf[:0], prefix...)
		buf = append(buf, d.String()...)
		buf = append(buf, ": "...)
		buf = append(appendPrintable(buf, line), '\n')
		_, _ = w.Write(buf)
	}
}

// appendPrintable escapes what could act on a terminal or is no UTF-8.
func appendPrintable(dst, line []byte) []byte {
	const hex = "0123456789abcdef"
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, b := range line[:n] {
				dst = append(dst, '\\', 'x', hex[b>>4], hex[b&15])
			}
		} else {
			dst = append(dst, line[:n]...)
		}
		line = line[n:]
	}
	return dst
}

const (
	// maxTraceLine is how much of one line is shown.
	maxTraceLine = 1024
	// maxHeld bounds the lines that wait for a flush.
	maxHeld = 64 << 10
)

// tracer cuts both streams into lines. Input is shown when it is consumed,
// for only then its marks are known; output when it was sent.
type tracer struct {
	emit    func(Direction, []byte)
	in, out stream

	raw      []byte // received, not consumed
	consumed int64  // offset of raw in the Reader's stream

	held     []heldLine // written, not sent
	heldSize int
	dropped  int
}

type heldLine struct {
	d    Direction
	line []byte
}

func newTracer(o Options) *tracer {
	t := &tracer{emit: o.Trace}
	client, server := &t.in, &t.out
	if !o.Server {
		client, server = server, client
	}
	client.peer, server.peer = server, client
	client.dir, server.dir = FromClient, FromServer
	t.in.emit = t.emit
	t.out.emit = t.hold
	return t
}

func (t *tracer) hold(d Direction, line []byte) {
	if t.heldSize += len(line); t.heldSize > maxHeld {
		t.dropped++
		return
	}
	t.held = append(t.held, heldLine{d, bytes.Clone(line)})
}

func (c *Conn) traceReceived(p []byte) {
	if c.trace != nil && len(p) > 0 {
		c.trace.raw = append(c.trace.raw, p...)
	}
}

// traceInput shows what was consumed since.
func (c *Conn) traceInput() {
	t := c.trace
	if t == nil {
		return
	}
	if n := int(c.r.Offset() - t.consumed); n > 0 {
		n = min(n, len(t.raw))
		t.in.feed(t.raw[:n])
		t.consumed += int64(n)
		if n == len(t.raw) {
			t.raw = nil
		} else {
			t.raw = append(t.raw[:0], t.raw[n:]...)
		}
	}
}

func (c *Conn) traceWrite(p []byte) {
	if c.trace != nil && c.werr == nil {
		c.traceInput()
		c.trace.out.feed(p)
	}
}

// traceSent shows what was written before.
func (c *Conn) traceSent(err error) {
	t := c.trace
	if t == nil {
		return
	}
	for _, h := range t.held {
		t.emit(h.d, h.line)
	}
	if t.dropped > 0 {
		t.emit(Event, []byte("and "+strconv.Itoa(t.dropped)+" lines more"))
	}
	t.held, t.heldSize, t.dropped = nil, 0, 0
	if err != nil {
		c.traceEvent("not all of it was sent: " + err.Error())
	}
}

// traceReset begins again with an empty Reader.
func (c *Conn) traceReset() {
	t := c.trace
	if t == nil {
		return
	}
	c.traceSent(nil)
	if len(t.raw) > 0 {
		c.traceEvent(strconv.Itoa(len(t.raw)) + " octets of input thrown away")
	}
	t.raw, t.consumed = nil, 0
}

func (c *Conn) traceEvent(s string) {
	if c.trace != nil {
		c.trace.emit(Event, []byte(s))
	}
}

func (c *Conn) traceTLS() {
	if c.trace != nil {
		s := c.tls.ConnectionState()
		c.traceEvent(tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite))
	}
}

// traceEnd shows what has no line end.
func (c *Conn) traceEnd() {
	if t := c.trace; t != nil {
		t.in.end()
		t.out.end()
		c.traceSent(nil)
	}
}

// stream is one direction of a trace.
type stream struct {
	dir  Direction
	emit func(Direction, []byte)
	peer *stream

	span  Span
	count int64 // octets of the span that is not Plain

	line []byte // the beginning of the unfinished line
	size int64  // and its whole length

	literal int64 // octets of a secret literal to come
	rest    bool  // what follows up to the line's end is secret
	hush    bool  // everything is secret until the peer speaks
	sasl    bool  // a SASL exchange: the client's lines are secret
}

func (s *stream) mark(m Span) Span {
	was := s.span
	if m != was {
		s.end()
		s.span = m
	}
	return was
}

// end shows the unfinished line or the span.
func (s *stream) end() {
	if s.span != Plain {
		if s.count > 0 {
			s.emit(s.dir, s.summary())
		}
		s.count = 0
		return
	}
	if s.size > 0 {
		s.endLine()
	}
}

func (s *stream) summary() []byte {
	b := []byte("<")
	if s.span == Secret {
		b = []byte("<redacted ")
	}
	return append(strconv.AppendInt(b, s.count, 10), " octets>"...)
}

func (s *stream) feed(p []byte) {
	if s.peer.hush && len(p) > 0 {
		s.peer.end()
		s.peer.hush = false
	}
	if s.span != Plain {
		s.count += int64(len(p))
		return
	}
	for len(p) > 0 {
		if s.literal > 0 {
			n := int(min(s.literal, int64(len(p))))
			s.literal -= int64(n)
			s.size += int64(n)
			if s.literal == 0 {
				s.emit(s.dir, redacted(nil, s.size))
				s.size, s.rest = 0, true
			}
			p = p[n:]
			continue
		}
		line := p
		i := bytes.IndexByte(p, '\n')
		if i >= 0 {
			line = p[:i+1]
		}
		s.size += int64(len(line))
		s.line = append(s.line, line[:min(len(line), max(0, maxTraceLine+2-len(s.line)))]...)
		p = p[len(line):]
		if i >= 0 {
			s.endLine()
		}
	}
}

func redacted(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, "<redacted "...), n, 10), " octets>"...)
}

func (s *stream) endLine() {
	line, size := s.line, s.size
	s.line, s.size = s.line[:0], 0
	if s.literal > 0 {
		s.emit(s.dir, redacted(nil, size))
		s.literal = 0
		return
	}
	whole := int64(len(line)) == size
	if whole {
		line = bytes.TrimSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		size = int64(len(line))
	}
	from := -1
	switch {
	case s.dir == FromServer:
		s.serverLine(line)
	case s.rest || s.hush, s.sasl && string(line) != "*":
		from = 0
	default:
		from, s.sasl = secretFrom(line)
	}
	s.rest = false
	if from < 0 {
		if len(line) > maxTraceLine {
			line = line[:maxTraceLine]
		}
		if hidden := size - int64(len(line)); hidden > 0 {
			line = append(strconv.AppendInt(append(line, "<and "...), hidden, 10), " octets>"...)
		}
		s.emit(s.dir, line)
		return
	}
	if !whole {
		s.hush = true
	} else if n, ok := literalAt(line); ok {
		s.literal, s.rest = n, n == 0
	}
	if secret := size - int64(from); secret > 0 || from == 0 {
		line = redacted(line[:from:from], secret)
	}
	s.emit(s.dir, line)
}

// serverLine ends the SASL exchange with the first line that asks for no more.
func (s *stream) serverLine(line []byte) {
	more := bytes.HasPrefix(line, []byte("334")) ||
		len(line) > 0 && line[0] == '+' && (len(line) == 1 || line[1] == ' ')
	if !more && !bytes.HasPrefix(line, []byte("* ")) {
		s.peer.sasl = false
	}
}

// secretFrom is where the credentials in a client's line begin, or -1, and
// whether a SASL exchange follows. The command may have a tag before it.
func secretFrom(line []byte) (from int, sasl bool) {
	at := 0
	for range 2 {
		for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
			at++
		}
		end := wordEnd(line, at)
		switch {
		case isWord(line[at:end], "PASS"), isWord(line[at:end], "LOGIN"), isWord(line[at:end], "APOP"):
			return min(end+1, len(line)), false
		case isWord(line[at:end], "AUTH"), isWord(line[at:end], "AUTHENTICATE"):
			for end < len(line) && (line[end] == ' ' || line[end] == '\t') {
				end++
			}
			end = wordEnd(line, end)
			if end >= len(line) {
				return -1, true
			}
			return end + 1, true
		}
		at = end
	}
	return -1, false
}

func wordEnd(line []byte, at int) int {
	for at < len(line) && line[at] != ' ' && line[at] != '\t' {
		at++
	}
	return at
}

func isWord(b []byte, upper string) bool {
	return len(b) == len(upper) && bytes.EqualFold(b, []byte(upper))
}

// literalAt is the count of the IMAP literal that line announces at its end.
func literalAt(line []byte) (int64, bool) {
	b, ok := bytes.CutSuffix(line, []byte("}"))
	if !ok {
		return 0, false
	}
	b = bytes.TrimSuffix(b, []byte("+"))
	i := bytes.LastIndexByte(b, '{')
	if i < 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b[i+1:]), 10, 64)
	return n, err == nil && n >= 0
}
