// Package report reads and writes the messages that mail systems send about messages: delivery status notifications (RFC 3464,
// RFC 6533), message disposition notifications (RFC 8098) and abuse reports (RFC 5965, 6591, 6692). It also recognises bounces that
// follow no standard, and tells them from vacation notes and other automatic replies.
//
// Parse takes any message and says what it is; nothing in it is believed further than to be reported. ParseDeliveryStatus,
// ParseDispositionNotification and ParseFeedbackReport read the machine's part alone, AppendTo writes it, and Message puts it
// into a whole multipart/report message.
//
// # What is what
//
//   - A message with a part for machines is a DSN, an MDN or an ARF report, if it is a multipart/report or comes from a mail system.
//     Reports within an embedded message, as when a bounce is forwarded, do not count.
//   - A bounce without such a part must come from a mail system (an empty Return-Path, a sender such as MAILER-DAEMON, or
//     X-Failed-Recipients) and be laid out as a known system does it, or name a recipient with an SMTP reply. A message of a
//     mailing list is none.
//   - An automatic reply says so in Auto-Submitted (RFC 3834), in one of the fields that stood in for it, or in a subject that
//     mail programs make. An empty Return-Path is not enough.
package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/mailwire/mailwire/mime"
)

// A Kind is what a message is.
type Kind uint8

// The kinds of messages.
const (
	None      Kind = iota // no report
	DSN                   // a delivery status notification (RFC 3464): Report.Delivery
	MDN                   // a message disposition notification (RFC 8098): Report.Disposition
	ARF                   // an abuse report (RFC 5965): Report.Feedback
	Bounce                // a delivery report that follows no standard
	AutoReply             // a vacation note or another automatic answer (RFC 3834)
)

func (k Kind) String() string {
	switch k {
	case None:
		return "none"
	case DSN:
		return "DSN"
	case MDN:
		return "MDN"
	case ARF:
		return "ARF"
	case Bounce:
		return "bounce"
	case AutoReply:
		return "auto-reply"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// A Report is what a message says about another one.
type Report struct {
	Kind Kind
	// System is whose layout a bounce has: "exim", "qmail", "postfix", "sendmail", "exchange", "microsoft365", "iis", "gmail",
	// "yahoo", "mail.ru", "yandex", "ses", "domino", "ironport", "dma", or "generic". It is empty for all other kinds.
	System string
	// Recipients is the verdicts of a DSN or a bounce, in order; an address may come twice. Those of a DSN whose part for machines
	// names none are from its text.
	Recipients []Recipient
	// OriginalMessageID is the Message-ID, without angle brackets, of the message that the report is about, or "".
	OriginalMessageID string
	// Original is the part with the returned message (message/rfc822, whose Message is set) or its header (text/rfc822-headers);
	// nil if there is none. OriginalHeader is its header, which may also have been found in the text.
	Original       *mime.Part
	OriginalHeader mime.Header

	Delivery    *DeliveryStatus          // of a DSN
	Disposition *DispositionNotification // of an MDN
	Feedback    *FeedbackReport          // of an ARF report
}

// A Recipient is what has become of the message for one recipient.
type Recipient struct {
	// Address is the recipient that failed, or whatever Action says, without angle brackets, in UTF-8.
	Address string
	// Original is the address that the sender gave, if the report names it; else "".
	Original string
	Action   Action
	// Status is the report's status code, or one derived from the SMTP reply or the text; at least its class is set.
	Status Status
	// Reply is the SMTP reply code in the diagnostic, or 0.
	Reply int
	// Diagnostic is what the remote system or the reporting one gave as reason, on one line.
	Diagnostic string
	// RemoteMTA is the host that refused the message, if it is named: a name, or an address without brackets.
	RemoteMTA string
}

// Limits bounds what Parse reads of a message. A field that is zero or negative means the default.
type Limits struct {
	// Status is how many octets of a part for machines are read. Default 1 MiB.
	Status int
	// Text is how many octets of the text are looked at. Default 64 KiB.
	Text int
	// Header is how many octets of a returned header are read. Default 256 KiB.
	Header int
	// Recipients is how many recipients are returned. Default 1000.
	Recipients int
}

func (l Limits) defaults() Limits {
	set := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&l.Status, 1<<20)
	set(&l.Text, 64<<10)
	set(&l.Header, 256<<10)
	set(&l.Recipients, 1000)
	return l
}

// Options configures Parse. nil means the defaults.
type Options struct {
	Limits Limits
}

// ParseBytes is Parse for a whole message in memory.
func ParseBytes(b []byte, o *Options) *Report {
	r, _ := Parse(mime.ParseBytes(b, nil), bytes.NewReader(b), o)
	return r
}

// Parse says what the message m, whose octets are in src, is, and reads it. A message that is no report has the kind None; a bad
// one is read as far as it can be. The error is src's alone, and the Report is never nil. Cost is linear in the size of what the
// limits let be read.
func Parse(m *mime.Part, src io.ReaderAt, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	p := parser{src: src, lim: o.Limits.defaults(), msg: m}
	r := &Report{}
	err := p.parse(r)
	return r, err
}

type parser struct {
	src  io.ReaderAt
	lim  Limits
	msg  *mime.Part
	from sender
}

func (p *parser) parse(r *Report) error {
	p.from = senderOf(p.msg.Header)
	machine := findMachine(p.msg, 0)
	if machine != nil && (p.msg.ContentType().Is("multipart", "report") || p.from.system() || machine == p.msg || p.inReport(machine)) {
		return p.machine(r, machine)
	}
	if p.from.list {
		return nil
	}
	if p.from.system() {
		found, err := p.bounce(r)
		if found || err != nil {
			return err
		}
	}
	if autoReply(p.msg.Header, p.from) {
		r.Kind = AutoReply
		if ids := p.msg.Header.MessageIDs("In-Reply-To"); len(ids) > 0 {
			r.OriginalMessageID = ids[0]
		} else if ids := p.msg.Header.MessageIDs("References"); len(ids) > 0 {
			r.OriginalMessageID = ids[len(ids)-1]
		}
	}
	return nil
}

// maxNesting is how deep multiparts are searched for a report's parts: reports stand at the top, or in what a list or a virus
// scanner has put around them.
const maxNesting = 4

// findMachine finds the part for machines, outside embedded messages.
func findMachine(p *mime.Part, depth int) *mime.Part {
	switch machineKind(p) {
	case None:
	default:
		return p
	}
	if depth == maxNesting {
		return nil
	}
	for _, c := range p.Children {
		if f := findMachine(c, depth+1); f != nil {
			return f
		}
	}
	return nil
}

// inReport tells whether a multipart/report is around the part.
func (p *parser) inReport(m *mime.Part) bool {
	for m = m.Parent; m != nil; m = m.Parent {
		if m.ContentType().Is("multipart", "report") {
			return true
		}
	}
	return false
}

func machineKind(p *mime.Part) Kind {
	if len(p.Children) > 0 {
		return None
	}
	switch p.ContentType().MediaType() {
	case "message/delivery-status", "message/global-delivery-status":
		return DSN
	case "message/disposition-notification", "message/global-disposition-notification":
		return MDN
	case "message/feedback-report":
		return ARF
	}
	return None
}

// body reads at most n octets of the decoded body.
func (p *parser) body(part *mime.Part, n int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(part.Open(p.src), int64(n)))
}

func (p *parser) machine(r *Report, part *mime.Part) error {
	b, err := p.body(part, p.lim.Status)
	r.Kind = machineKind(part)
	switch r.Kind {
	case DSN:
		r.Delivery = ParseDeliveryStatus(b)
		r.Recipients = r.Delivery.recipients(p.lim.Recipients)
	case MDN:
		r.Disposition = ParseDispositionNotification(b)
	case ARF:
		r.Feedback = ParseFeedbackReport(b)
	}
	if err != nil {
		return err
	}
	if err := p.original(r, part); err != nil {
		return err
	}
	if r.Kind == DSN && len(r.Recipients) == 0 && p.from.system() {
		// Google sends an empty part for machines where it has refused a message itself; the text tells more.
		text := &Report{}
		if _, err := p.bounce(text); err != nil {
			return err
		}
		r.Recipients = text.Recipients
	}
	if r.Disposition != nil && r.Disposition.OriginalMessageID != "" {
		r.OriginalMessageID = r.Disposition.OriginalMessageID
	}
	return nil
}

// original finds the returned message or header, behind the part for machines or in a bounce anywhere.
func (p *parser) original(r *Report, machine *mime.Part) error {
	o := findOriginal(p.msg, 0)
	if o == nil {
		return nil
	}
	r.Original = o
	if o.Message != nil {
		r.OriginalHeader = o.Message.Header
	} else {
		b, err := p.body(o, p.lim.Header)
		r.OriginalHeader = mime.ParseHeader(b)
		if err != nil {
			return err
		}
	}
	r.OriginalMessageID = messageID(r.OriginalHeader)
	return nil
}

func messageID(h mime.Header) string {
	if ids := h.MessageIDs("Message-ID"); len(ids) > 0 {
		return ids[0]
	}
	// Exchange and some lists put their own in its place.
	for _, name := range []string{"X-Original-Message-ID", "Resent-Message-ID"} {
		if ids := h.MessageIDs(name); len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

func findOriginal(p *mime.Part, depth int) *mime.Part {
	if p.Parent != nil || p.Message != nil {
		switch p.ContentType().MediaType() {
		case "message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers", "text/rfc822-headers",
			"text/rfc822-header", "message/partial":
			return p
		}
	}
	if depth == maxNesting {
		return nil
	}
	for _, c := range p.Children {
		if f := findOriginal(c, depth+1); f != nil {
			return f
		}
	}
	return nil
}

// oneLine puts text on one line: runs of blanks, line endings and controls become one blank.
func oneLine(s string) string {
	var b strings.Builder
	blank := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c == 0x7f {
			blank = b.Len() > 0
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteByte(c)
	}
	return b.String()
}
