package imapserver

// APPEND.

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
)

// appendReader reads the message of an APPEND. The last octets are given out
// when the command's end has been read and is right: a Backend that stores a
// message never stores that of half a command.
type appendReader struct {
	s    *session
	msg  *imapwire.Literal
	left int64
	err  error // of the stream, or what the client did wrong
}

var errMultiAppend = &imap.Error{Kind: imap.BAD, Text: "One message at a time"}

func (r *appendReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	was := r.s.c.MarkRead(netconn.Payload)
	n, err := r.msg.Read(p)
	r.s.c.MarkRead(was)
	if r.left -= int64(n); r.left == 0 {
		var more *imapwire.Append
		if more, err = r.s.cmds.More(); err == nil && more != nil {
			err = errMultiAppend
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		r.err = err
		return 0, err
	}
	return n, nil
}

func (s *session) append(ctx context.Context, a *imapwire.Append) (result, error) {
	o := a.Options
	switch {
	case a.Parts != nil:
		return result{}, badf("CATENATE is not supported")
	case a.Next != nil:
		return result{}, errMultiAppend
	case o.Binary:
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodeUnknownCTE, Text: "BINARY is not supported"}
	case o.UTF8:
		return result{}, badf("UTF8 is not enabled")
	case o.Size == 0:
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodeCannot, Text: "A message has at least one octet"}
	}
	if err := s.fewFlags(o.Flags); err != nil {
		return result{}, err
	}
	flags := make([]imap.Flag, 0, len(o.Flags))
	for _, f := range o.Flags {
		if f = f.Canonical(); f != imap.FlagRecent && f != imap.FlagWildcard && !imap.HasFlag(flags, f) {
			flags = append(flags, f)
		}
	}
	o.Flags = flags
	if o.InternalDate.IsZero() {
		o.InternalDate = time.Now()
	}
	name, err := s.name(ctx, a.Mailbox)
	if err != nil {
		return result{}, tryCreate(err)
	}
	mbox, err := s.sess.Mailbox(ctx, name, Access)
	if err != nil {
		return result{}, tryCreate(err)
	}
	defer mbox.Close()
	r := &appendReader{s: s, msg: a.Message, left: o.Size}
	res, err := mbox.Append(ctx, r, &o)
	if r.err != nil {
		// The stream failed, whatever the Backend says of it.
		var e *imap.Error
		if errors.As(r.err, &e) {
			return result{}, e
		}
		return result{}, asFatal(r.err)
	}
	if err != nil {
		return result{}, tryCreate(err)
	}
	if r.left > 0 {
		return result{}, errors.New("the backend's Append returned before the message's end")
	}
	var code imap.Code
	if res.UID != 0 && res.UIDValidity != 0 {
		code = imap.CodeAppendUID{UIDValidity: res.UIDValidity, UIDs: imap.UIDSetOf(res.UID)}
	}
	return result{code, "APPEND completed"}, nil
}
