// BDAT and BURL: a message that comes in chunks.

package smtpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// errGivenUp is what a Session reads of a message whose client gave it up
// between two chunks.
var errGivenUp = errors.New("smtpserver: the client gave the message up")

// chunkBuffers are for messages in chunks while they come.
var chunkBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// chunks is a message in chunks, as body reads it. Between two of them it
// answers the first and reads the command of the second.
type chunks struct {
	c   *Conn
	ctx context.Context
	b   *body

	chunk *wire.Literal // of BDAT
	url   io.ReadCloser // of BURL
	last  bool

	// size is what was announced so far, and for URLs what came of them.
	size int64
	from int64 // size before this chunk

	pool *[16 << 10]byte
	in   []byte // of the buffer, not yet looked at
	put  []byte // to deliver before in
	text textCheck
	end  error // of the message: io.EOF, or why there is no more
}

// begin starts a chunk: cmd is BDAT or BURL, whose size fits.
func (k *chunks) begin(cmd *smtpwire.Command) *smtp.Error {
	k.last = cmd.Last
	k.from = k.size
	if cmd.Verb == smtpwire.BURL {
		url, err := k.c.sess.(URLFetcher).FetchURL(k.ctx, cmd.Arg)
		if err != nil {
			k.c.logFailure(err)
			var own *smtp.Error
			if !errors.As(err, &own) {
				own = smtp.Errorf(554, smtp.EnhancedCode{5, 6, 6}, "URL resolution failed")
			}
			return own
		}
		k.url = url
		return nil
	}
	k.size += cmd.Size
	k.chunk = k.c.beginChunk(cmd.Size)
	return nil
}

// beginChunk takes the octets behind BDAT for what they are.
func (c *Conn) beginChunk(size int64) *wire.Literal {
	c.net.SetIdleTimeout(c.srv.lim.DataTimeout)
	c.chunkWas = c.net.MarkRead(netconn.Payload)
	return c.net.Reader().Literal(size)
}

func (c *Conn) endChunk() {
	c.net.MarkRead(c.chunkWas)
	c.net.SetIdleTimeout(c.srv.lim.CommandTimeout)
}

// skipChunk reads a chunk that is refused, and says why: r. The chunk must not
// run as commands, whatever is wrong with it. times is how often it is said.
func (c *Conn) skipChunk(size int64, r smtp.Reply, times int) error {
	if size < 0 {
		// Where it ends nobody knows.
		return c.violate(r.Code, r.EnhancedCode, r.Text())
	}
	chunk := c.beginChunk(size)
	err := chunk.Drain(c.drainLimit())
	var long *wire.LimitError
	if errors.As(err, &long) {
		return c.bye(&r)
	}
	if err != nil {
		return c.chunkBroken(err)
	}
	c.endChunk()
	for ; times > 1; times-- {
		if err := c.write(&r); err != nil {
			return err
		}
	}
	return c.sayError(r)
}

// answers is how many replies the end of a message gets.
func (c *Conn) answers(cmd *smtpwire.Command) int {
	if c.srv.LMTP && cmd.Last {
		return len(c.env.To)
	}
	return 1
}

func (c *Conn) chunkBroken(err error) error {
	if err == io.ErrUnexpectedEOF {
		return &violation{"connection closed by the client inside a message"}
	}
	return c.readFailed(err)
}

// tooMuch says whether a chunk of n octets is one too many.
func (k *chunks) tooMuch(n int64) *smtp.Error {
	if limit := k.c.srv.lim.MaxMessageSize; limit > 0 && n > limit-k.size {
		return tooLarge(limit)
	}
	return nil
}

// fill gets more of the message into in. The error is io.EOF at its end, an
// *smtp.Error for a rule, errGivenUp, or that of the connection, which is
// b.fail then.
func (k *chunks) fill() error {
	for {
		var n int
		var err error
		if k.pool == nil {
			k.pool = chunkBuffers.Get().(*[16 << 10]byte)
		}
		switch {
		case k.chunk != nil:
			n, err = k.chunk.Read(k.pool[:])
			if err != nil && err != io.EOF {
				return k.b.failed(err)
			}
		case k.url != nil:
			n, err = k.url.Read(k.pool[:])
			k.size += int64(n)
			if over := k.tooMuch(0); over != nil {
				return over
			}
			if err != nil && err != io.EOF {
				k.c.logFailure(err)
				return smtp.Errorf(554, smtp.EnhancedCode{5, 6, 6}, "URL resolution failed")
			}
		}
		if n > 0 {
			k.in = k.pool[:n]
			return nil
		}
		if err != io.EOF {
			continue
		}
		k.over()
		if k.last {
			return io.EOF
		}
		if err := k.next(); err != nil {
			return err
		}
	}
}

// over ends a chunk that was read to its end.
func (k *chunks) over() {
	if k.chunk != nil {
		k.c.endChunk()
		k.chunk = nil
	}
	if k.url != nil {
		if err := k.url.Close(); err != nil {
			k.c.logFailure(err)
		}
		k.url = nil
	}
}

// next answers the chunk that came and reads commands up to the next one.
func (k *chunks) next() error {
	c := k.c
	ended := func(err error) error {
		if err != nil {
			k.b.ended = true
			return k.b.failed(err)
		}
		return nil
	}
	if err := c.say(250, codeOK, fmt.Sprintf("%d octets received", k.size-k.from)); err != nil {
		return ended(err)
	}
	for {
		var cmd smtpwire.Command
		err := c.readCommand(&cmd)
		if err == errAnswered {
			continue
		}
		if err != nil {
			return ended(err)
		}
		switch bad := c.bad; {
		case bad != nil && cmd.Verb == smtpwire.BDAT:
			if err := ended(c.skipChunk(cmd.Size, bad.Reply(), 1)); err != nil {
				return err
			}
			k.b.said = true
			return &smtp.Error{Code: bad.Code, EnhancedCode: bad.EnhancedCode, Message: bad.Msg}
		case bad != nil:
			if err := ended(c.sayError(bad.Reply())); err != nil {
				return err
			}
			continue
		case cmd.Verb == smtpwire.BURL:
			if why := c.noBurl(); why != nil {
				if err := ended(c.sayError(why.Reply())); err != nil {
					return err
				}
				continue
			}
		}
		switch cmd.Verb {
		case smtpwire.BDAT, smtpwire.BURL:
			if over := k.tooMuch(cmd.Size); over != nil {
				if err := ended(c.skipChunk(cmd.Size, over.Reply(), c.answers(&cmd))); err != nil {
					return err
				}
				k.b.said = true
				return over
			}
			if r := k.begin(&cmd); r != nil {
				return r
			}
			return nil
		case smtpwire.RSET, smtpwire.QUIT, smtpwire.EHLO, smtpwire.HELO, smtpwire.LHLO:
			c.pending = &cmd
			return errGivenUp
		case smtpwire.NOOP:
			err = c.countNoop()
			if err == nil {
				err = c.noop(k.ctx, &cmd)
			}
		case smtpwire.DATA:
			// RFC 3030 section 2.
			if err = c.refuse(503, codeOrder, "DATA and BDAT exclude each other"); err == nil {
				err = c.afterData(err)
			}
		default:
			err = c.refuse(503, codeOrder, "A message is under way in chunks")
		}
		if err := ended(err); err != nil {
			return err
		}
	}
}

// piece returns content, borrowed until the next call.
func (k *chunks) piece() ([]byte, error) {
	for {
		if len(k.put) > 0 {
			b := k.put
			k.put = nil
			return b, nil
		}
		if k.end != nil {
			return nil, k.end
		}
		if len(k.in) == 0 {
			err := k.fill()
			if err == io.EOF {
				k.end = err
				if k.text.cr {
					if k.put, err = crlf, k.text.bare(); err != nil {
						k.put, k.end = nil, err
					}
				}
				continue
			}
			if err != nil {
				k.end = err
				return nil, err
			}
		}
		n, out, err := k.text.scan(k.in)
		k.in = k.in[n:]
		if err != nil {
			k.end = err
			return nil, err
		}
		if len(out) > 0 {
			return out, nil
		}
	}
}

func (k *chunks) Read(p []byte) (int, error) {
	b, err := k.piece()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	k.put = b[n:]
	return n, nil
}

func (k *chunks) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := k.piece()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// drain reads on: to the message's end where it was accepted, else to that of
// this chunk alone, whose sender learns of the refusal then.
func (k *chunks) drain(all bool) error {
	defer k.release()
	for all && k.end == nil {
		k.in = nil
		if err := k.fill(); err != nil {
			k.end = err
		}
	}
	if k.b.fail != nil {
		return k.b.fail
	}
	if k.chunk != nil {
		if err := k.chunk.Drain(k.c.drainLimit()); err != nil {
			return err
		}
	}
	k.over()
	return nil
}

// release gives the buffer back.
func (k *chunks) release() {
	if k.pool != nil {
		chunkBuffers.Put(k.pool)
		k.pool, k.in, k.put = nil, nil, nil
	}
	if k.url != nil {
		_ = k.url.Close()
		k.url = nil
	}
}

// whole says that all chunks came.
func (k *chunks) whole() bool { return k.last && k.chunk == nil }
