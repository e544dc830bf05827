// Messages that lie elsewhere: by URL in an IMAP server, or waiting for a node.

package smtpclient

import (
	"context"
	"errors"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Burl is Data for a message that the server fetches itself, from an IMAP server
// that it trusts, by a URL with URLAUTH (RFC 4468): a message is forwarded without
// coming here. The error is an *ExtensionError where BURL is not offered; servers
// offer it to those who authenticated.
func (c *Client) Burl(ctx context.Context, url string) (*smtp.Result, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := c.offer(true, "BURL", "a message by its URL", nil); err != nil {
		return nil, err
	}
	if c.accepted == 0 {
		return nil, errors.New("smtpclient: BURL: no recipient was accepted")
	}
	if err := c.unasked("BURL"); err != nil {
		return nil, err
	}
	if err := c.write(&smtpwire.Command{Verb: smtpwire.BURL, Arg: url, Last: true}); err != nil {
		return nil, err
	}
	n := c.accepted
	c.accepted = 0
	return c.verdicts("BURL", n)
}

// Etrn asks the server to deliver what waits for node (RFC 1985): a domain, one
// with "@" before it for those below it too, or "#" and the name of a queue. The
// reply's code is 250 where delivery began or 251 to 253, which say what waits.
// The error is an *ExtensionError where ETRN is not offered.
func (c *Client) Etrn(ctx context.Context, node string) (smtp.Reply, error) {
	if err := c.offer(true, "ETRN", "messages that wait", nil); err != nil {
		return smtp.Reply{}, err
	}
	return c.run(ctx, &smtpwire.Command{Verb: smtpwire.ETRN, Arg: node})
}
