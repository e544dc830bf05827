package imapclient

// Answers as iterators.

import (
	"context"
	"iter"

	"github.com/mailwire/mailwire/imap/imapwire"
)

// stream runs a command as an iterator of the responses that pick picks.
// Breaking out of it drains the rest of the answer, up to Options.MaxDrain.
func stream[T any](c *Client, ctx context.Context, args imapwire.Args, pick func(imapwire.Response) *T) iter.Seq2[*T, error] {
	return streamTo(c, ctx, args, pick, func(_ *imapwire.StatusResponse, err error) error { return err })
}

// streamTo is stream whose verdict is end's.
func streamTo[T any](c *Client, ctx context.Context, args imapwire.Args, pick func(imapwire.Response) *T, end func(*imapwire.StatusResponse, error) error) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		a, err := c.ask(ctx, args)
		if err != nil {
			yield(nil, err)
			return
		}
		defer a.drop() // a panic in the loop's body: the rest of the answer is unread
		for {
			r, done, err := a.next()
			if done {
				// The next command may be sent from where the error is seen.
				a.close()
				s, _ := r.(*imapwire.StatusResponse)
				if err = end(s, err); err != nil {
					yield(nil, err)
				}
				return
			}
			var v *T
			if err == nil {
				if v = pick(r); v == nil {
					c.unasked(r)
					continue
				}
			}
			if !yield(v, err) {
				a.close()
				return
			}
		}
	}
}
