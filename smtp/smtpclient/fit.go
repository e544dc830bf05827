// What a server offers against what a message needs: parameters, and messages
// made fit for servers that lack an extension.

package smtpclient

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// ExtensionError says that what was asked for needs an extension that the
// server does not offer. Trying the same server again will not help. It
// unwraps to the *smtp.Error that a relay answers or reports with.
type ExtensionError struct {
	// Extension is its keyword, such as "8BITMIME".
	Extension string
	// For is what needs it.
	For string
}

func (e *ExtensionError) Error() string {
	return "smtpclient: the server does not offer " + e.Extension + ", needed for " + e.For
}

// Unwrap is an *smtp.Error, permanent.
func (e *ExtensionError) Unwrap() error {
	code := smtp.EnhancedCode{5, 5, 4}
	switch e.Extension {
	case "SMTPUTF8":
		code = smtp.EnhancedCode{5, 6, 7} // RFC 6531 section 3.5
	case "8BITMIME", "BINARYMIME":
		code = smtp.EnhancedCode{5, 6, 3} // RFC 3463
	case "REQUIRETLS":
		code = smtp.EnhancedCode{5, 7, 30} // RFC 8689 section 4.2.1
	}
	return smtp.Errorf(554, code, "%s is not offered by the next server, needed for %s", e.Extension, e.For)
}

// optional says whether parameters of an extension are left out where it is
// not offered.
func (c *Client) optional(extension string) bool {
	for _, s := range c.opts.Optional {
		if wire.EqualFold(s, extension) {
			return true
		}
	}
	return false
}

// offer checks an extension whose parameters are used; drop leaves them out.
func (c *Client) offer(used bool, extension, what string, drop func()) error {
	if !used || c.ext.Has(extension) {
		return nil
	}
	if drop != nil && c.optional(extension) {
		drop()
		return nil
	}
	return &ExtensionError{Extension: extension, For: what}
}

// mailCommand is MAIL with the parameters that the server offers.
func (c *Client) mailCommand(from smtp.Path, o *smtp.MailOptions) (*smtpwire.Command, error) {
	cmd := &smtpwire.Command{Verb: smtpwire.MAIL, Path: from}
	if o != nil {
		cmd.Mail = *o
	}
	m := &cmd.Mail
	for _, err := range []error{
		c.offer(m.UTF8 || from.NeedsUTF8(), "SMTPUTF8", "an internationalized address or message", nil),
		c.offer(m.Body == smtp.Body8BitMIME, "8BITMIME", "a message that is not ASCII", nil),
		c.offer(m.Body == smtp.BodyBinaryMIME, "BINARYMIME", "a binary message", nil),
		c.offer(m.Body == smtp.BodyBinaryMIME, "CHUNKING", "a binary message", nil),
		c.offer(m.Return != 0 || m.EnvelopeID != "", "DSN", "RET and ENVID", func() { m.Return, m.EnvelopeID = 0, "" }),
		c.offer(m.By.Mode != 0, "DELIVERBY", "BY", func() { m.By = smtp.DeliverBy{} }),
		c.offer(m.HoldFor != 0 || !m.HoldUntil.IsZero(), "FUTURERELEASE", "HOLDFOR and HOLDUNTIL", func() {
			m.HoldFor, m.HoldUntil = 0, smtp.MailOptions{}.HoldUntil
		}),
		c.offer(m.Priority != 0, "MT-PRIORITY", "MT-PRIORITY", func() { m.Priority = 0 }),
		c.offer(m.RequireTLS, "REQUIRETLS", "REQUIRETLS", nil),
		c.offer(m.Track.Certifier != "", "MTRK", "MTRK", func() { m.Track = smtp.Tracking{} }),
		c.offer(m.Solicit != "", "NO-SOLICITING", "SOLICIT", func() { m.Solicit = "" }),
	} {
		if err != nil {
			return nil, err
		}
	}
	if len(m.Other) > 0 && !c.esmtp {
		return nil, &ExtensionError{Extension: "EHLO", For: "the parameter " + m.Other[0].Name}
	}
	m.UTF8 = m.UTF8 || from.NeedsUTF8()
	if m.Body == smtp.Body7Bit && !c.ext.Has("8BITMIME") {
		m.Body = smtp.BodyUnstated
	}
	if !c.ext.Has("AUTH") {
		m.Auth = nil
	}
	limit, ok := c.ext.Size()
	if limit > 0 && m.Size > limit {
		return nil, smtp.Errorf(552, smtp.EnhancedCode{5, 3, 4}, "message of %d octets is larger than the server's limit of %d", m.Size, limit)
	}
	if !ok {
		m.Size = 0
	}
	return cmd, check(cmd)
}

func (c *Client) rcptCommand(to smtp.Path, o *smtp.RcptOptions) (*smtpwire.Command, error) {
	cmd := &smtpwire.Command{Verb: smtpwire.RCPT, Path: to}
	if o != nil {
		cmd.Rcpt = *o
	}
	r := &cmd.Rcpt
	for _, err := range []error{
		c.offer(to.NeedsUTF8(), "SMTPUTF8", "an internationalized address", nil),
		c.offer(r.Notify != 0 || r.Original.Type != "", "DSN", "NOTIFY and ORCPT", func() {
			r.Notify, r.Original = 0, smtp.OriginalRecipient{}
		}),
	} {
		if err != nil {
			return nil, err
		}
	}
	if !r.ValidSince.IsZero() && !c.ext.Has("RRVS") && r.ValidAction != smtp.ValidContinue {
		if err := c.offer(true, "RRVS", "RRVS", func() {}); err != nil {
			return nil, err
		}
	}
	if !c.ext.Has("RRVS") {
		r.ValidSince, r.ValidAction = smtp.RcptOptions{}.ValidSince, 0
	}
	if len(r.Other) > 0 && !c.esmtp {
		return nil, &ExtensionError{Extension: "EHLO", For: "the parameter " + r.Other[0].Name}
	}
	return cmd, check(cmd)
}

// check says whether a command can be sent at all.
func check(cmd *smtpwire.Command) error {
	b, err := smtpwire.AppendCommand(nil, cmd)
	if err == nil && len(b) > cmd.Verb.MaxLine() {
		err = &smtpwire.EncodeError{Field: label(cmd), Reason: "the line is too long"}
	}
	return err
}

// sizeOf is the number of octets of a message, where it can be known.
func sizeOf(message io.Reader) (int64, bool) {
	if l, ok := message.(interface{ Len() int }); ok {
		return int64(l.Len()), true
	}
	if f, ok := message.(interface {
		io.Seeker
		Stat() (fs.FileInfo, error)
	}); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			at, err := f.Seek(0, io.SeekCurrent)
			return max(info.Size()-at, 0), err == nil
		}
	}
	return 0, false
}

// fit makes envelope and message such as the server takes, where RFC 6531 and
// RFC 6152 allow it: domains become A-labels, and with Options.Downgrade
// bodies are encoded.
func (c *Client) fit(env *smtp.Envelope, message io.Reader) (*smtp.Envelope, io.Reader, error) {
	fitted := *env
	env = &fitted
	if size, ok := sizeOf(message); ok && env.Options.Size == 0 {
		env.Options.Size = size
	}
	needed := env.NeedsUTF8()
	if needed && !c.ext.Has("SMTPUTF8") {
		if err := asciiDomains(env); err != nil {
			return nil, nil, err
		}
		if env.Options.UTF8 && message != nil {
			var ok bool
			var err error
			if message, ok, err = asciiHeader(message); err != nil {
				return nil, nil, err
			}
			if !ok {
				return nil, nil, &ExtensionError{Extension: "SMTPUTF8", For: "a header that is not ASCII"}
			}
		}
		env.Options.UTF8 = false
	}
	env.Options.UTF8 = env.Options.UTF8 || env.NeedsUTF8()
	b := env.Options.Body
	if c.opts.Downgrade && message != nil && (b == smtp.Body8BitMIME && !c.ext.Has("8BITMIME") ||
		b == smtp.BodyBinaryMIME && !(c.ext.Has("BINARYMIME") && c.ext.Has("CHUNKING"))) {
		return downgrade(env, message)
	}
	return env, message, nil
}

// asciiDomains turns domains to A-labels; local parts that are not ASCII have
// no such form.
func asciiDomains(env *smtp.Envelope) error {
	ascii := func(p *smtp.Path) error {
		domain, err := smtp.ASCIIDomain(p.Domain)
		if err == nil {
			p.Domain = domain
		}
		if err == nil && p.NeedsUTF8() {
			err = &ExtensionError{Extension: "SMTPUTF8", For: "an internationalized address"}
		}
		return err
	}
	if err := ascii(&env.From); err != nil {
		return err
	}
	to := make([]smtp.Recipient, len(env.To))
	copy(to, env.To)
	env.To = to
	for i := range to {
		if err := ascii(&to[i].Path); err != nil {
			return fmt.Errorf("recipient %d: %w", i, err)
		}
	}
	return nil
}

// maxHeader is how far a header is looked at.
const maxHeader = 64 << 10

// asciiHeader says whether a message's header is ASCII, as far as it can be
// seen, and returns the message from its beginning.
func asciiHeader(message io.Reader) (io.Reader, bool, error) {
	s, ok := message.(io.Seeker)
	if !ok {
		r := bufio.NewReaderSize(message, maxHeader)
		return r, peekASCII(r), nil
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, false, err
	}
	ok = peekASCII(bufio.NewReaderSize(message, maxHeader))
	_, err = s.Seek(at, io.SeekStart)
	return message, ok, err
}

func peekASCII(r *bufio.Reader) bool {
	for n := 512; ; n = min(2*n, maxHeader) {
		b, err := r.Peek(n)
		end := len(b)
		for _, blank := range []string{"\r\n\r\n", "\n\n"} {
			if i := bytes.Index(b, []byte(blank)); i >= 0 {
				end = min(end, i)
			}
		}
		for _, c := range b[:end] {
			if c >= 0x80 {
				return false
			}
		}
		if end < len(b) || err != nil {
			return true
		}
		if n == maxHeader {
			return false
		}
	}
}

// downgrade encodes the bodies of a message for a server of 7 bits.
func downgrade(env *smtp.Envelope, message io.Reader) (*smtp.Envelope, io.Reader, error) {
	lacks := &ExtensionError{Extension: "8BITMIME", For: "a message that is not ASCII"}
	m, ok := message.(io.ReaderAt)
	size, known := sizeOf(message)
	var from int64
	if s, ok := message.(io.Seeker); ok {
		at, err := s.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, nil, err
		}
		from = at
		if !known {
			end, err := s.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, nil, err
			}
			if _, err := s.Seek(at, io.SeekStart); err != nil {
				return nil, nil, err
			}
			size, known = end-at, true
		}
	}
	if !ok || !known {
		return nil, nil, fmt.Errorf("%w (and only an io.ReaderAt and io.Seeker can be encoded for it)", lacks)
	}
	m = io.NewSectionReader(m, from, size)
	p, err := mime.Parse(m, size, nil)
	if err != nil {
		return nil, nil, err
	}
	d, err := mime.Downgrade(m, p)
	if err != nil {
		return nil, nil, errors.Join(lacks, err)
	}
	if d.EightBitHeader() {
		return nil, nil, &ExtensionError{Extension: "SMTPUTF8", For: "a header that is not ASCII"}
	}
	env.Options.Body, env.Options.Size = smtp.BodyUnstated, d.Size()
	return env, d.Reader(), nil
}
