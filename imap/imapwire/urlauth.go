package imapwire

// URLAUTH (RFC 4467), and the codes that carry URLs.

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// GenURLAuth is GENURLAUTH: it asks for the authorization of URLs.
type GenURLAuth struct{ Requests []URLAuthRequest }

// URLAuthRequest is a URL that ends in its access identifier, and the mechanism
// to authorize it by.
type URLAuthRequest struct {
	Rump      string
	Mechanism string // in capitals, such as "INTERNAL"
}

// ResetKey is RESETKEY: URLs that were authorized before are void; those of all
// mailboxes where Mailbox is empty.
type ResetKey struct {
	Mailbox    string
	Mechanisms []string // in capitals; empty for all
}

// URLFetch is URLFETCH: it asks for what authorized URLs lead to.
type URLFetch struct{ URLs []string }

// GenURLAuthData is GENURLAUTH: the URLs with their tokens.
type GenURLAuthData struct{ URLs []string }

// URLFetchData is URLFETCH: URLs and the octets that they lead to.
type URLFetchData struct {
	Items []URLFetchItem
	// More is set where the octets of the last item stream: what follows of
	// the response comes as another URLFetchData.
	More bool
}

// URLFetchItem is a URL and its octets.
type URLFetchItem struct {
	URL  string
	Body []byte // nil for NIL, which is any failure, and where the octets stream
	// Stream is the octets where they are more than the reader buffers. It is
	// valid until the next call on the reader, which drains it.
	Stream *Literal
	Size   int64 // octets
}

func (*GenURLAuth) CommandName() string { return "GENURLAUTH" }
func (*ResetKey) CommandName() string   { return "RESETKEY" }
func (*URLFetch) CommandName() string   { return "URLFETCH" }

func (*GenURLAuthData) response() {}
func (*URLFetchData) response()   {}

var classMechanism = wire.NewClass("-.", [2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'})

// spMechanism is a mechanism in capitals, with the space before it.
func (p *parser) spMechanism() string {
	p.ExpectSP()
	return wire.Upper(p.bytesStr(p.ExpectTake(classMechanism, "a mechanism")))
}

func (p *parser) genURLAuth() Args {
	c := &GenURLAuth{}
	for !p.failed() && (c.Requests == nil || !p.End()) {
		c.Requests = append(c.Requests, URLAuthRequest{p.spString(), p.spMechanism()})
	}
	return c
}

func (p *parser) resetKey() Args {
	c := &ResetKey{}
	if p.End() {
		return c
	}
	at := p.Pos()
	if c.Mailbox = p.spMailbox(); c.Mailbox == "" {
		p.Seek(at)
		p.Fail("a mailbox")
	}
	for !p.failed() && !p.End() {
		c.Mechanisms = append(c.Mechanisms, p.spMechanism())
	}
	return c
}

func (p *parser) urlFetch() Args {
	c := &URLFetch{URLs: p.strings()}
	if c.URLs == nil {
		p.Fail("a URL")
	}
	return c
}

func (e *CommandEncoder) spMechanism(s string) {
	if !classMechanism.All(s) {
		e.fail(&badToken{"mechanism", s})
	}
	e.lit(" " + s)
}

func (c *GenURLAuth) encodeArgs(e *CommandEncoder) {
	if len(c.Requests) == 0 {
		e.fail(errEncode)
	}
	for _, r := range c.Requests {
		e.spString(r.Rump)
		e.spMechanism(r.Mechanism)
	}
}

func (c *ResetKey) encodeArgs(e *CommandEncoder) {
	if c.Mailbox == "" {
		if len(c.Mechanisms) > 0 {
			e.fail(errEncode)
		}
		return
	}
	e.spMailbox(c.Mailbox)
	for _, m := range c.Mechanisms {
		e.spMechanism(m)
	}
}

func (c *URLFetch) encodeArgs(e *CommandEncoder) {
	if len(c.URLs) == 0 {
		e.fail(errEncode)
	}
	for _, u := range c.URLs {
		e.spString(u)
	}
}

func (p *parser) genURLAuthData() Response {
	r := &GenURLAuthData{}
	for p.more() {
		p.room(len(r.URLs))
		r.URLs = append(r.URLs, p.astring())
	}
	return r
}

func (p *parser) urlFetchData() Response {
	r := &URLFetchData{}
	for p.more() {
		p.room(len(r.Items))
		x := URLFetchItem{URL: p.astring()}
		p.sp()
		if h, ok := literalHeader(p.Rest()); ok && h.at == 0 && p.stream {
			x.Size = h.size
			p.Seek(len(p.frame))
			r.More = true
		} else if s, ok := p.nstring(); ok {
			x.Body, x.Size = []byte(s), int64(len(s))
		}
		r.Items = append(r.Items, x)
	}
	return r
}

// urlFetchLine reports whether line begins a URLFETCH response.
func urlFetchLine(line []byte) bool {
	const word = "* URLFETCH "
	line = trimResponse(line)
	return len(line) > len(word) && wire.EqualFold(line[:len(word)], word)
}

func (r *GenURLAuthData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	dst = append(dst, "GENURLAUTH"...)
	var err error
	for i := 0; err == nil && i < len(r.URLs); i++ {
		dst, err = appendAString(append(dst, ' '), r.URLs[i])
	}
	return dst, err
}

func (r *URLFetchData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	e := URLFetchEncoder{Buf: append(dst, "URLFETCH"...)}
	for i := range r.Items {
		x := &r.Items[i]
		if x.Stream != nil || x.Body == nil && x.Size > 0 {
			return dst, errEncode
		}
		if err := e.Item(x.URL, x.Body); err != nil {
			return dst, err
		}
	}
	return e.Buf, nil
}

// URLFetchEncoder writes a URLFETCH response item by item, for octets that
// stream:
//
//	e.Begin()
//	e.Stream(url, size)  // then e.Buf is written, and the octets behind it
//	e.End()
type URLFetchEncoder struct {
	// Buf is what was appended; the caller writes and empties it.
	Buf []byte
}

// Begin begins a response.
func (e *URLFetchEncoder) Begin() { e.Buf = append(e.Buf, "* URLFETCH"...) }

// Item appends a URL with its octets, NIL where they are nil.
func (e *URLFetchEncoder) Item(url string, body []byte) error {
	dst, err := e.url(url)
	if err == nil {
		e.Buf, err = appendBytes(dst, body)
	}
	return err
}

// Stream appends a URL and the header of a literal of size octets, which the
// caller writes behind Buf.
func (e *URLFetchEncoder) Stream(url string, size int64) error {
	if size < 0 {
		return errEncode
	}
	dst, err := e.url(url)
	if err == nil {
		e.Buf = AppendLiteralHeader(dst, size)
	}
	return err
}

// End ends the response.
func (e *URLFetchEncoder) End() { e.Buf = append(e.Buf, '\r', '\n') }

func (e *URLFetchEncoder) url(url string) ([]byte, error) {
	dst, err := appendAString(append(e.Buf, ' '), url)
	return append(dst, ' '), err
}

func (p *parser) mailboxIDCode() imap.Code {
	p.ExpectByte('(')
	c := imap.CodeMailboxID{ID: p.atom()}
	p.ExpectByte(')')
	return c
}

// maxCodeItems is how many URLs or mechanisms are read of a code: one with more
// stays as it came.
const maxCodeItems = 100

// referralCode is nil where a URL is not one of IMAP.
func (p *parser) referralCode() imap.Code {
	c := imap.CodeReferral{}
	for p.Spaces(); !p.End(); p.Spaces() {
		b := p.Take(classLaxName)
		if b == nil {
			return nil
		}
		u, err := imap.ParseURL(p.bytesStr(b))
		if err != nil || len(c.URLs) == maxCodeItems {
			return nil
		}
		c.URLs = append(c.URLs, *u)
	}
	return c
}

// badURLCode takes quotes away: they are in the examples of RFC 4469, and not in
// its grammar.
func (p *parser) badURLCode() imap.Code {
	at := p.Pos()
	if s, ok := p.tryQuoted(); ok && p.End() && s != "" {
		return imap.CodeBadURL{URL: s}
	}
	if p.failed() {
		return nil
	}
	p.Seek(at)
	return imap.CodeBadURL{URL: p.rest()}
}

func (p *parser) urlMechCode() imap.Code {
	p.ExpectFold("INTERNAL")
	c := imap.CodeURLMech{}
	for p.more() {
		if len(c.Mechanisms) == maxCodeItems {
			return nil
		}
		m := imap.URLMechanism{Name: wire.Upper(p.bytesStr(p.ExpectTake(classMechanism, "a mechanism")))}
		if p.Byte('=') {
			b, err := base64.StdEncoding.DecodeString(p.bytesStr(p.Take(classBase64)))
			if err != nil {
				return nil
			}
			m.Data = b
		}
		c.Mechanisms = append(c.Mechanisms, m)
	}
	return c
}

func appendReferral(dst []byte, c imap.CodeReferral) ([]byte, error) {
	if len(c.URLs) == 0 {
		return dst, errEncode
	}
	for i := range c.URLs {
		from := len(dst)
		var err error
		if dst, err = c.URLs[i].AppendText(append(dst, ' ')); err != nil {
			return dst, err
		}
		if bytes.IndexByte(dst[from:], ']') >= 0 {
			return dst, &badToken{"URL of a code", "an address in brackets"}
		}
	}
	return dst, nil
}

func appendBadURL(dst []byte, c imap.CodeBadURL) ([]byte, error) {
	if strings.ContainsAny(c.URL, `]"\`) {
		return dst, errEncode
	}
	if strings.Contains(c.URL, " ") && plain(c.URL) {
		return appendQuoted(append(dst, ' '), c.URL), nil
	}
	return appendRawValue(append(dst, ' '), c.URL)
}

func appendURLMech(dst []byte, c imap.CodeURLMech) ([]byte, error) {
	dst = append(dst, " INTERNAL"...)
	for _, m := range c.Mechanisms {
		if !classMechanism.All(m.Name) {
			return dst, &badToken{"mechanism", m.Name}
		}
		dst = append(append(dst, ' '), m.Name...)
		if m.Data != nil {
			dst = appendBase64(append(dst, '='), m.Data)
		}
	}
	return dst, nil
}
