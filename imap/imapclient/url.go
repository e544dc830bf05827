package imapclient

// URLAUTH (RFC 4467): messages for others, by URL.

import (
	"bytes"
	"context"
	"io"
	"iter"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// GenURLAuth authorizes URLs by a mechanism such as "INTERNAL": those who have
// what it returns, and are who the URL's access identifier says, can fetch what
// it leads to (RFC 4467 section 7).
func (c *Client) GenURLAuth(ctx context.Context, mechanism string, rumps ...string) ([]string, error) {
	args := &imapwire.GenURLAuth{}
	for _, s := range rumps {
		args.Requests = append(args.Requests, imapwire.URLAuthRequest{Rump: s, Mechanism: mechanism})
	}
	d, err := question[imapwire.GenURLAuthData](c, ctx, imap.CapURLAuth, args, true)
	if d == nil {
		return nil, err
	}
	return d.URLs, nil
}

// ResetKey makes URLs void that were authorized before: of a mailbox, or of all
// where it is empty; by these mechanisms, or by all.
func (c *Client) ResetKey(ctx context.Context, mailbox string, mechanisms ...string) error {
	return c.order(ctx, imap.CapURLAuth, &imapwire.ResetKey{Mailbox: mailbox, Mechanisms: mechanisms})
}

// URLContent is what a URL leads to. It is valid until the next one is asked
// for.
type URLContent struct {
	URL string
	// Body is nil where the URL leads to nothing, or may not be used. It can
	// be read once.
	Body io.Reader
	Size int64 // octets
}

// FetchURLs yields what authorized URLs lead to. No mailbox need be selected.
func (c *Client) FetchURLs(ctx context.Context, urls ...string) iter.Seq2[*URLContent, error] {
	return func(yield func(*URLContent, error) bool) {
		if err := c.need(ctx, imap.CapURLAuth, "URLFETCH"); err != nil {
			yield(nil, err)
			return
		}
		answers := stream(c, ctx, &imapwire.URLFetch{URLs: urls}, func(r imapwire.Response) *imapwire.URLFetchData {
			d, _ := r.(*imapwire.URLFetchData)
			return d
		})
		for d, err := range answers {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			for i := range d.Items {
				item := &d.Items[i]
				u := &URLContent{URL: item.URL, Size: item.Size}
				switch {
				case item.Stream != nil:
					u.Body = item.Stream
				case item.Body != nil:
					u.Body = bytes.NewReader(item.Body)
				}
				if !yield(u, nil) {
					return
				}
			}
		}
	}
}
