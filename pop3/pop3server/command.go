// The TRANSACTION state.

package pop3server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

func (c *Conn) stat(context.Context, *pop3wire.Command) error {
	b, err := pop3wire.AppendStat(c.net.AvailableBuffer(), pop3.Stat{Count: c.drop.count, Size: c.drop.size})
	if err != nil {
		return err
	}
	_, err = c.net.Write(b)
	return err
}

func (c *Conn) list(_ context.Context, cmd *pop3wire.Command) error {
	return c.listing(cmd.Number, func(b []byte, i int) ([]byte, error) {
		return pop3wire.AppendScanListing(b, pop3.ScanListing{Number: i + 1, Size: c.drop.messages[i].Size})
	})
}

func (c *Conn) uidl(_ context.Context, cmd *pop3wire.Command) error {
	return c.listing(cmd.Number, func(b []byte, i int) ([]byte, error) {
		return pop3wire.AppendUIDListing(b, pop3.UIDListing{Number: i + 1, UID: c.drop.messages[i].UID})
	})
}

// listing answers LIST and UIDL, of message n or, where that is zero, of all.
func (c *Conn) listing(n int, appendLine func(b []byte, i int) ([]byte, error)) error {
	if n > 0 {
		i, refusal := c.drop.message(n)
		if refusal != nil {
			return c.refuseErr(refusal)
		}
		b, err := appendLine(append(c.net.AvailableBuffer(), "+OK "...), i)
		if err != nil {
			return err
		}
		_, err = c.net.Write(b)
		return err
	}
	if err := c.ok(strconv.Itoa(c.drop.count) + " messages (" + strconv.FormatInt(c.drop.size, 10) + " octets)"); err != nil {
		return err
	}
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	b := buf[:0]
	for i := range c.drop.messages {
		if c.drop.deleted[i] {
			continue
		}
		var err error
		if b, err = appendLine(b, i); err != nil {
			return err
		}
		if len(b) > copyBuffer-2*pop3.MaxUID {
			if _, err := c.net.Write(b); err != nil {
				return err
			}
			b = buf[:0]
		}
	}
	_, err := c.net.Write(append(b, ".\r\n"...))
	return err
}

const copyBuffer = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

func (c *Conn) retr(ctx context.Context, cmd *pop3wire.Command) error {
	i, refusal := c.content(cmd.Number)
	if refusal != nil {
		return c.refuseErr(refusal)
	}
	r, err := c.drop.Open(ctx, i)
	if err != nil || r == nil {
		return c.refuseErr(noReader(err))
	}
	sent, err := c.send(i, r, r, strconv.FormatInt(c.drop.messages[i].Size, 10)+" octets")
	if sent {
		c.drop.access(i)
		c.retrieved(ctx, i)
	}
	return err
}

func noReader(err error) error {
	if err == nil {
		err = errors.New("pop3server: the backend opened no message")
	}
	return err
}

func (c *Conn) top(ctx context.Context, cmd *pop3wire.Command) error {
	i, refusal := c.content(cmd.Number)
	if refusal != nil {
		return c.refuseErr(refusal)
	}
	open := func() (io.ReadCloser, error) { return c.drop.Open(ctx, i) }
	if t, ok := c.drop.Maildrop.(Topper); ok {
		open = func() (io.ReadCloser, error) { return t.Top(ctx, i, cmd.Lines) }
	}
	r, err := open()
	if err != nil || r == nil {
		return c.refuseErr(noReader(err))
	}
	_, err = c.send(i, r, newTopReader(r, cmd.Lines), "Top of message follows")
	return err
}

// send sends a message, or its top, and closes it. The first read comes before
// the answer: where it fails, the command is refused. A later failure closes
// the connection, without an end of the message.
func (c *Conn) send(i int, closer io.Closer, r io.Reader, text string) (sent bool, err error) {
	defer func() {
		if err := closer.Close(); err != nil {
			c.net.Log.Warn("closing a message failed", "message", i+1, "error", err)
		}
	}()
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	n, rerr := read(r, buf[:])
	if n == 0 && rerr != nil && rerr != io.EOF {
		return false, c.refuseErr(rerr)
	}
	if err := c.ok(text); err != nil {
		return false, err
	}
	was := c.net.MarkWrite(netconn.Payload)
	w := wire.NewDotWriter(c.net, wire.BareNormalise)
	for {
		if _, err := w.Write(buf[:n]); err != nil {
			return false, err
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return false, c.broken(i, rerr)
		}
		n, rerr = read(r, buf[:])
	}
	// Its last line end and the dot belong to the message in a trace.
	if err := w.Close(); err != nil {
		return false, err
	}
	c.net.MarkWrite(was)
	c.progress()
	return true, nil
}

// read reads until something came or the reader failed.
func read(r io.Reader, p []byte) (int, error) {
	for range 100 {
		n, err := r.Read(p)
		if n < 0 || n > len(p) {
			return 0, errors.New("pop3server: the backend's reader returned an impossible count")
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// broken closes the connection in the middle of a message.
func (c *Conn) broken(i int, err error) error {
	_ = c.net.Flush()
	_ = c.net.Close()
	return fmt.Errorf("reading message %d failed: %w", i+1, err)
}

func (c *Conn) dele(_ context.Context, cmd *pop3wire.Command) error {
	i, refusal := c.drop.message(cmd.Number)
	if refusal != nil {
		return c.refuseErr(refusal)
	}
	c.drop.mark(i)
	c.drop.access(i)
	c.progress()
	return c.ok("Message " + strconv.Itoa(i+1) + " is marked as deleted")
}

// last runs LAST (RFC 1460, not in RFC 1939).
func (c *Conn) last(context.Context, *pop3wire.Command) error {
	return c.ok(strconv.Itoa(c.drop.accessed))
}

func (c *Conn) rset(context.Context, *pop3wire.Command) error {
	c.drop.unmark()
	return c.ok(c.drop.summary())
}

func (c *Conn) noop(context.Context, *pop3wire.Command) error { return c.ok("") }

// quit runs QUIT: the UPDATE state, if there was a TRANSACTION state.
func (c *Conn) quit(ctx context.Context, _ *pop3wire.Command) error {
	if c.state == pop3.Authorization {
		return c.bye(pop3wire.OK, "", "Bye")
	}
	c.state = pop3.Update
	if err := c.drop.Commit(ctx, c.drop.leaving(c.expired())); err != nil {
		code, text := c.clean(err)
		return c.bye(pop3wire.ERR, code, text)
	}
	// The lock is gone when the client hears so.
	c.closeDrop()
	return c.bye(pop3wire.OK, "", "Bye")
}
