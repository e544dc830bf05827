package report

// Writing whole reports: multipart/report (RFC 6522) with a text, the part for machines, and what is returned.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	stdmime "mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

// A Message is what a report has besides its part for machines. What it writes depends on nothing but its fields: the same values
// make the same octets.
type Message struct {
	// From and To are written as header values. They must be ASCII, with encoded-words where names need them, unless the part for
	// machines has other characters: then the report is of RFC 6533's form, and they may be UTF-8.
	From, To string
	// Subject is text in UTF-8; it is encoded where need be.
	Subject string
	Date    time.Time
	// MessageID is without angle brackets.
	MessageID string
	// Boundary is the delimiter of the parts, of at most 70 characters that need no quotes in MIME. A report that is about to be
	// written behind a text or returned message in which it occurs is an error.
	Boundary string
	// Text is for a person to read, in UTF-8, its lines ending in LF or CRLF.
	Text string
	// Returned is the message that the report is about, or nil. It is copied, its lone LFs made CRLF.
	Returned io.Reader
	// HeaderOnly returns no more of it than its header.
	HeaderOnly bool
	// ReturnedASCII says that all of Returned, or of its header with HeaderOnly, is ASCII, so that the report needs no 8-bit transport.
	ReturnedASCII bool
	// ReturnedUTF8 says that its header is UTF-8 (RFC 6532).
	ReturnedUTF8 bool
	// Fields is further fields of the report's own header. They must be ASCII.
	Fields []Field
}

// ErrBoundary tells that Message.Boundary occurs in the text or the returned message.
var ErrBoundary = errors.New("report: the boundary occurs in the report's content")

// WriteDSN writes a delivery status notification to w. It has Auto-Submitted: auto-replied, and is to be sent with an empty
// return path (RFC 3464 section 2). Values that would break the message are an error before anything is written; ErrBoundary and
// errors of w and Returned leave a part of it written.
func (m *Message) WriteDSN(w io.Writer, d *DeliveryStatus) error {
	b, err := d.AppendTo(nil)
	if err != nil {
		return err
	}
	return m.write(w, "delivery-status", "message/delivery-status", "message/global-delivery-status", b)
}

// WriteMDN writes a message disposition notification, as WriteDSN does.
func (m *Message) WriteMDN(w io.Writer, d *DispositionNotification) error {
	b, err := d.AppendTo(nil)
	if err != nil {
		return err
	}
	return m.write(w, "disposition-notification", "message/disposition-notification", "message/global-disposition-notification", b)
}

// WriteARF writes an abuse report, as WriteDSN does. RFC 5965 has no form for fields that are not ASCII, and requires the message
// or its header to be returned; both are errors.
func (m *Message) WriteARF(w io.Writer, d *FeedbackReport) error {
	b, err := d.AppendTo(nil)
	if err != nil {
		return err
	}
	if !isASCII(string(b)) {
		return errors.New("report: a feedback report must be ASCII")
	}
	if m.Returned == nil {
		return errors.New("report: a feedback report needs the message that it is about")
	}
	return m.write(w, "feedback-report", "message/feedback-report", "", b)
}

func (m *Message) write(w io.Writer, reportType, ascii, global string, machine []byte) error {
	utf := !isASCII(string(machine))
	if err := m.check(utf); err != nil {
		return err
	}
	text, textEncoding := m.text()
	e := encoder{}
	e.field("From", m.From)
	e.field("To", m.To)
	e.field("Subject", encodeSubject(m.Subject))
	e.date("Date", m.Date)
	e.field("Message-ID", "<"+m.MessageID+">")
	if reportType != "feedback-report" {
		e.field("Auto-Submitted", "auto-replied")
	}
	e.extensions(m.Fields)
	e.field("MIME-Version", "1.0")
	e.field("Content-Type", "multipart/report; report-type="+reportType+`; boundary="`+m.Boundary+`"`)
	if utf || m.Returned != nil && !m.ReturnedASCII {
		e.field("Content-Transfer-Encoding", "8bit")
	}
	e.blank()
	c := bodyCopier{w: w, mark: []byte("--" + m.Boundary), lineStart: true}
	delimiter := "--" + m.Boundary + "\r\n"

	charset := "us-ascii"
	if !isASCII(m.Text) {
		charset = "utf-8"
	}
	e.raw(delimiter)
	e.field("Content-Type", "text/plain; charset="+charset)
	if textEncoding != "" {
		e.field("Content-Transfer-Encoding", textEncoding)
	}
	e.blank()
	if e.err != nil {
		return e.err
	}
	if bytes.Contains(machine, c.mark) {
		return ErrBoundary
	}
	if _, err := w.Write(e.dst); err != nil {
		return err
	}
	if err := c.copy(strings.NewReader(text)); err != nil {
		return err
	}

	e = encoder{}
	e.raw("\r\n" + delimiter)
	if utf {
		e.field("Content-Type", global)
		e.field("Content-Transfer-Encoding", "8bit")
	} else {
		e.field("Content-Type", ascii)
	}
	e.blank()
	e.raw(string(machine))
	if m.Returned != nil {
		e.raw("\r\n" + delimiter)
		switch {
		case m.HeaderOnly && m.ReturnedUTF8:
			e.field("Content-Type", "message/global-headers")
		case m.HeaderOnly:
			e.field("Content-Type", "text/rfc822-headers")
		case m.ReturnedUTF8:
			e.field("Content-Type", "message/global")
		default:
			e.field("Content-Type", "message/rfc822")
		}
		if !m.ReturnedASCII {
			e.field("Content-Transfer-Encoding", "8bit")
		}
		e.blank()
	}
	if e.err != nil {
		return e.err
	}
	if _, err := w.Write(e.dst); err != nil {
		return err
	}
	if m.Returned != nil {
		c = bodyCopier{w: w, mark: c.mark, lineStart: true, header: m.HeaderOnly, ascii: m.ReturnedASCII}
		if err := c.copy(m.Returned); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\r\n--"+m.Boundary+"--\r\n")
	return err
}

func (e *encoder) raw(s string) {
	if e.err == nil {
		e.dst = append(e.dst, s...)
	}
}

func (m *Message) check(utf bool) error {
	for _, f := range []Field{{"From", m.From}, {"To", m.To}, {"Message-ID", m.MessageID}} {
		if strings.Trim(f.Value, " \t") == "" {
			return fmt.Errorf("report: %s is missing", f.Name)
		}
		if !utf && !isASCII(f.Value) {
			return fmt.Errorf("report: %s is not ASCII", f.Name)
		}
	}
	if !validID(m.MessageID) {
		return errors.New("report: MessageID is no message identifier")
	}
	if m.Date.IsZero() {
		return errors.New("report: Date is missing")
	}
	if err := checkValue("Subject", m.Subject); err != nil {
		return err
	}
	if i := strings.IndexByte(m.Text, 0); i >= 0 {
		return fmt.Errorf("report: Text has NUL at octet %d", i)
	}
	if strings.ToValidUTF8(m.Text, "") != m.Text {
		return errors.New("report: Text is not UTF-8")
	}
	for _, f := range m.Fields {
		if !isASCII(f.Value) {
			return fmt.Errorf("report: %s is not ASCII", f.Name)
		}
		switch strings.ToLower(f.Name) {
		case "from", "to", "subject", "date", "message-id", "mime-version", "auto-submitted", "content-type", "content-transfer-encoding":
			return fmt.Errorf("report: %s among the further fields", f.Name)
		}
	}
	return checkBoundary(m.Boundary)
}

// checkBoundary holds the boundary to RFC 2046 section 5.1.1.
func checkBoundary(s string) error {
	if s == "" || len(s) > 70 || s[len(s)-1] == ' ' {
		return errors.New("report: Boundary must be of 1 to 70 characters, the last no blank")
	}
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && strings.IndexByte("'()+_,-./:=? ", s[i]) < 0 {
			return fmt.Errorf("report: the octet 0x%02x in Boundary", s[i])
		}
	}
	return nil
}

// encodeSubject is the subject as a header value: as it stands, or as encoded-words.
func encodeSubject(s string) string {
	if isASCII(s) && !strings.Contains(s, "=?") && plainText(s) {
		return s
	}
	return stdmime.BEncoding.Encode("utf-8", s)
}

// plainText tells whether s can stand in a header as it is: no controls, and no word too long to be folded.
func plainText(s string) bool {
	word := 0
	for i := 0; i < len(s); i++ {
		if word++; s[i] == ' ' {
			word = 0
		}
		if s[i] < ' ' || s[i] == 0x7f || word > 900 {
			return false
		}
	}
	return true
}

// text returns the text as it is written, and its transfer encoding.
func (m *Message) text() (text, encoding string) {
	long := 0
	for l := range strings.SplitSeq(m.Text, "\n") {
		long = max(long, len(l))
	}
	if isASCII(m.Text) && long <= lineHard && !strings.Contains(strings.ReplaceAll(m.Text, "\r\n", ""),
		"\r") && !strings.Contains(m.Text, "--"+m.Boundary) {
		return m.Text, ""
	}
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, m.Text)
	_ = w.Close()
	return b.String(), "quoted-printable"
}

// A bodyCopier copies a part's content with CRLF, and sees to it that no delimiter is in it.
type bodyCopier struct {
	w         io.Writer
	mark      []byte
	lineStart bool
	header    bool // ends with the header
	ascii     bool // is to be ASCII
	cr        bool
	match     int // octets of mark that the line begins with; -1 for none
	in, out   []byte
}

// ErrNotASCII tells that Message.Returned is not what ReturnedASCII says.
var ErrNotASCII = errors.New("report: the returned message is not ASCII")

func (c *bodyCopier) copy(r io.Reader) error {
	if c.in == nil {
		c.in = make([]byte, 16<<10)
	}
	for stuck := 0; ; {
		n, err := r.Read(c.in)
		done, bad := c.convert(c.in[:n])
		if len(c.out) > 0 {
			if _, err := c.w.Write(c.out); err != nil {
				return err
			}
		}
		switch {
		case bad != nil:
			return bad
		case done || err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if stuck++; n > 0 {
			stuck = 0
		} else if stuck == 100 {
			return io.ErrNoProgress
		}
	}
}

// convert fills out with the octets of b that may be written; done tells that the header has ended.
func (c *bodyCopier) convert(b []byte) (done bool, err error) {
	c.out = c.out[:0]
	for _, o := range b {
		if c.ascii && o >= 0x80 {
			return false, ErrNotASCII
		}
		if c.lineStart {
			c.match = 0
			if c.header && o == '\n' {
				return true, nil
			}
			// The CR of a blank line waits for its LF.
			if c.header && o == '\r' {
				c.lineStart, c.cr, c.match = false, true, -2
				continue
			}
		}
		if c.match == -2 {
			if o == '\n' {
				return true, nil
			}
			c.out = append(c.out, '\r')
			c.match = 0
		}
		if c.match >= 0 {
			if o == c.mark[c.match] {
				if c.match++; c.match == len(c.mark) {
					// The octets before this one may be written already; alone they delimit nothing.
					return false, ErrBoundary
				}
			} else {
				c.match = -1
			}
		}
		if o == '\n' && !c.cr {
			c.out = append(c.out, '\r')
		}
		c.out = append(c.out, o)
		c.cr = o == '\r'
		// Some readers end lines at a lone CR.
		if c.lineStart = o == '\n'; o == '\r' {
			c.match = 0
		}
	}
	return false, nil
}
