// Messages in chunks (RFC 3030).

package smtpclient

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Chunking says when messages are sent by BDAT.
type Chunking uint8

const (
	// ChunkAuto uses BDAT for binary messages, and for short ones of known
	// length where it spares the wait for 354.
	ChunkAuto Chunking = iota
	// ChunkAlways uses BDAT wherever it is offered.
	ChunkAlways
	// ChunkNever uses it for binary messages alone.
	ChunkNever
)

const (
	chunkSize = 64 << 10
	// chunkAhead is the longest message that is sent before it is known
	// whether anyone may have it.
	chunkAhead = 32 << 10
	// chunksOpen is how many chunks may wait for their replies.
	chunksOpen = 4
)

var chunkBuffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// lineEnds makes every line end in CRLF, as the policy has it. It may be cut
// anywhere.
type lineEnds struct {
	policy wire.BarePolicy
	binary bool // nothing is changed
	cr     bool // the last octet was a CR, not written
	open   bool // the last line has no end yet
	n      int64
}

// append appends p to dst, which grows by at most twice p and one octet.
func (e *lineEnds) append(dst, p []byte) ([]byte, error) {
	if e.binary || e.policy == wire.BarePass {
		e.open = len(p) > 0 && p[len(p)-1] != '\n' || len(p) == 0 && e.open
		return append(dst, p...), nil
	}
	for len(p) > 0 {
		if e.cr {
			e.cr = false
			if p[0] == '\n' {
				dst, p, e.n = append(dst, "\r\n"...), p[1:], e.n+1
				e.open = false
				continue
			}
			if err := e.bare(-1, wire.ErrBareCR); err != nil {
				return dst, err
			}
			dst = append(dst, "\r\n"...)
		}
		i := lineEnd(p)
		e.open = i != 0
		if i < 0 {
			e.n += int64(len(p))
			return append(dst, p...), nil
		}
		dst = append(dst, p[:i]...)
		e.n += int64(i)
		if p[i] == '\n' {
			if err := e.bare(0, wire.ErrBareLF); err != nil {
				return dst, err
			}
			dst = append(dst, "\r\n"...)
		} else {
			e.cr = true
		}
		e.open = false
		p = p[i+1:]
		e.n++
	}
	return dst, nil
}

func (e *lineEnds) bare(off int64, kind error) error {
	if e.policy == wire.BareReject {
		return &wire.SyntaxError{Offset: e.n + off, Msg: kind.Error() + " in a body", Err: kind}
	}
	return nil
}

// lineEnd is the index of the first CR or LF of p, or -1.
func lineEnd(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i >= 0 {
		p = p[:i]
	}
	if j := bytes.IndexByte(p, '\r'); j >= 0 {
		return j
	}
	return i
}

// end is append of the end: the last line has one too, as in DATA.
func (e *lineEnds) end(dst []byte) ([]byte, error) {
	switch {
	case e.binary:
		return dst, nil
	case e.cr:
		if err := e.bare(-1, wire.ErrBareCR); err != nil {
			return dst, err
		}
	case !e.open:
		return dst, nil
	}
	e.cr, e.open = false, false
	return append(dst, "\r\n"...), nil
}

func (c *Client) lineEnds(body smtp.Body) lineEnds {
	if body == smtp.BodyBinaryMIME {
		return lineEnds{binary: true}
	}
	return lineEnds{policy: c.opts.BareLineEnds.policy()}
}

// chunks says whether a message is sent by BDAT.
func (c *Client) chunks(body smtp.Body) bool {
	return c.ext.Has("CHUNKING") && (body == smtp.BodyBinaryMIME || c.opts.Chunking == ChunkAlways)
}

// ahead is a whole message to be sent together with its envelope, nil where
// that is not worthwhile or not possible.
func (c *Client) ahead(env *smtp.Envelope, message io.Reader) ([]byte, error) {
	size, ok := sizeOf(message)
	if !ok || size > chunkAhead || c.opts.Chunking == ChunkNever || c.opts.LMTP ||
		!c.ext.Has("CHUNKING") || !c.ext.Has("PIPELINING") || len(env.To) > window-2 {
		return nil, nil
	}
	b := make([]byte, 0, size+512)
	in, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	e := c.lineEnds(env.Options.Body)
	if b, err = e.append(b, in); err == nil {
		b, err = e.end(b)
	}
	return b, err
}

// chunkWriter sends a message in chunks. A refusal ends it, and leaves a
// connection that can be used.
type chunkWriter struct {
	c       *Client
	ends    lineEnds
	buf     *[chunkSize]byte
	b       []byte
	open    int // chunks without a reply
	refused error
	err     error
}

func (c *Client) newChunkWriter(body smtp.Body) *chunkWriter {
	buf := chunkBuffers.Get().(*[chunkSize]byte)
	return &chunkWriter{c: c, ends: c.lineEnds(body), buf: buf, b: buf[:0]}
}

func (w *chunkWriter) release() {
	if w.buf != nil {
		chunkBuffers.Put(w.buf)
		w.buf, w.b = nil, nil
	}
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && w.err == nil {
		// Mended line ends may take twice the room.
		n := (chunkSize - len(w.b) - 2) / 2
		if n < chunkSize/32 {
			w.err = w.send(false)
			continue
		}
		n = min(n, len(p))
		w.b, w.err = w.ends.append(w.b, p[:n])
		p = p[n:]
	}
	if w.err != nil {
		return 0, w.err
	}
	return total, nil
}

// send sends a chunk.
func (w *chunkWriter) send(last bool) error {
	c := w.c
	if err := c.write(&smtpwire.Command{Verb: smtpwire.BDAT, Size: int64(len(w.b)), Last: last}); err != nil {
		return err
	}
	was := c.net.MarkWrite(netconn.Payload)
	_, err := c.net.Write(w.b)
	c.net.MarkWrite(was)
	if err != nil {
		if last {
			return &SentError{c.lastWords(err)}
		}
		return c.lastWords(err)
	}
	w.b = w.b[:0]
	if last {
		return w.replies(0)
	}
	w.open++
	most := chunksOpen
	if !c.ext.Has("PIPELINING") {
		most = 0
	}
	return w.replies(most)
}

// replies reads the replies to chunks until at most most are missing.
func (w *chunkWriter) replies(most int) error {
	for w.open > most && w.refused == nil {
		if err := w.reply(); err != nil {
			return err
		}
	}
	return w.refused
}

func (w *chunkWriter) reply() error {
	r, err := w.c.readReply("BDAT")
	if err != nil {
		return err
	}
	w.open--
	if w.refused == nil && (r.Code < 200 || r.Code > 299) {
		w.refused = refusal(&r, "BDAT")
	}
	return nil
}

// Close sends the last chunk and waits for the replies to all others.
func (w *chunkWriter) Close() error {
	if w.err == nil {
		w.b, w.err = w.ends.end(w.b)
	}
	if w.err == nil {
		w.err = w.send(true)
	}
	return w.err
}

// giveUp leaves the connection ready for the next message.
func (w *chunkWriter) giveUp() {
	for w.open > 0 && w.c.err == nil {
		if w.reply() != nil {
			return
		}
	}
	w.c.reset()
}

// reset gives a transaction up, or the connection.
func (c *Client) reset() {
	if c.err != nil {
		return
	}
	if r, err := c.command(&smtpwire.Command{Verb: smtpwire.RSET}); err == nil && !r.Positive() {
		c.fail(refusal(&r, "RSET"))
	}
}

var errPanicked = errors.New("smtpclient: message: its reader panicked")
