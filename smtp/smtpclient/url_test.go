package smtpclient_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

const forwarded = "imap://harry@gryffindor.example/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038"

func TestBurl(t *testing.T) {
	path := func(s string) smtp.Path {
		p, err := smtp.ParsePath(s)
		require.NoError(t, err)
		return p
	}
	open := func(script string) *smtpclient.Client {
		c, err := connect(t, script+quit, options())
		require.NoError(t, err)
		return c
	}
	const begun = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\n"

	c := open(offers("BURL imap") + begun + "C: BURL " + forwarded + " LAST\nS: 250 queued\n" +
		begun + "C: BURL imap://x/y LAST\nS: 554 5.6.6 IMAP URL resolution failed\n")
	_, err := c.Burl(t.Context(), forwarded)
	require.EqualError(t, err, "smtpclient: BURL: no recipient was accepted")
	require.NoError(t, c.Mail(t.Context(), path("a@x.example"), nil))
	require.NoError(t, c.Rcpt(t.Context(), path("b@x.example"), nil))
	res, err := c.Burl(t.Context(), forwarded)
	require.NoError(t, err)
	require.Equal(t, 1, res.Accepted())
	require.Equal(t, "queued", res.Reply.Text())

	require.NoError(t, c.Mail(t.Context(), path("a@x.example"), nil))
	require.NoError(t, c.Rcpt(t.Context(), path("b@x.example"), nil))
	// What can not be sent costs nothing.
	_, err = c.Burl(t.Context(), "imap://x/y LAST\r\nDATA")
	var encode *smtpwire.EncodeError
	require.ErrorAs(t, err, &encode)
	res, err = c.Burl(t.Context(), "imap://x/y")
	require.EqualError(t, err, "smtp: BURL: 554 5.6.6 IMAP URL resolution failed")
	require.Zero(t, res.Accepted())
	require.NoError(t, c.Quit(t.Context()))

	c = open(offers("SIZE") + begun)
	require.NoError(t, c.Mail(t.Context(), path("a@x.example"), nil))
	require.NoError(t, c.Rcpt(t.Context(), path("b@x.example"), nil))
	_, err = c.Burl(t.Context(), forwarded)
	var missing *smtpclient.ExtensionError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "BURL", missing.Extension)
	require.NoError(t, c.Quit(t.Context()))

	// A connection lost behind LAST may have delivered the message.
	c, err = connect(t, offers("BURL")+begun+"C: BURL imap://x/y LAST\n", options())
	require.NoError(t, err)
	require.NoError(t, c.Mail(t.Context(), path("a@x.example"), nil))
	require.NoError(t, c.Rcpt(t.Context(), path("b@x.example"), nil))
	_, err = c.Burl(t.Context(), "imap://x/y")
	var sent *smtpclient.SentError
	require.ErrorAs(t, err, &sent)
}

func TestEtrn(t *testing.T) {
	c, err := connect(t, offers("ETRN")+"C: ETRN @x.example\nS: 253 OK, 14 pending messages for node @x.example started\n"+
		"C: ETRN y.example\nS: 459 Node y.example not allowed: no\n"+quit, options())
	require.NoError(t, err)
	r, err := c.Etrn(t.Context(), "@x.example")
	require.NoError(t, err)
	require.Equal(t, 253, r.Code)
	r, err = c.Etrn(t.Context(), "y.example")
	require.EqualError(t, err, "smtp: ETRN: 459 Node y.example not allowed: no")
	require.True(t, smtpclient.Temporary(err))
	require.Equal(t, 459, r.Code)
	_, err = c.Etrn(t.Context(), "x\r\nQUIT")
	require.Error(t, err)
	require.NoError(t, c.Quit(t.Context()))

	c, err = connect(t, offers("SIZE")+quit, options())
	require.NoError(t, err)
	_, err = c.Etrn(t.Context(), "x.example")
	var missing *smtpclient.ExtensionError
	require.ErrorAs(t, err, &missing)
	require.NoError(t, c.Quit(t.Context()))
}
