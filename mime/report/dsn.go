package report

// message/delivery-status (RFC 3464) and message/global-delivery-status (RFC 6533).

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
)

// A DeliveryStatus is the content of a message/delivery-status or message/global-delivery-status.
type DeliveryStatus struct {
	OriginalEnvelopeID string // SMTP's ENVID, decoded
	ReportingMTA       Typed
	DSNGateway         Typed
	ReceivedFromMTA    Typed
	ArrivalDate        time.Time // zero if there is none
	// Extensions is all other fields about the message, in order, and those above that cannot be read or come again.
	Extensions []Field
	Recipients []RecipientStatus
}

// A RecipientStatus is a group of fields about one recipient (RFC 3464 section 2.3).
type RecipientStatus struct {
	OriginalRecipient    Typed
	FinalRecipient       Typed
	Action               Action
	Status               Status
	RemoteMTA            Typed
	DiagnosticCode       Typed
	LocalizedDiagnostics []Typed // Type is the language (RFC 6533 section 4.1)
	LastAttemptDate      time.Time
	FinalLogID           string
	WillRetryUntil       time.Time
	// Extensions is all other fields about the recipient, in order, and those above that cannot be read or come again.
	Extensions []Field
}

// setTyped, setDate and setText fill a field that is still empty; false means that the field is an extension.
func setTyped(dst *Typed, v, def string) bool {
	if dst.Value != "" {
		return false
	}
	t, ok := parseTyped(v, def)
	if ok {
		*dst = t
	}
	return ok
}

func setDate(dst *time.Time, v string) bool {
	if !dst.IsZero() {
		return false
	}
	d, err := mime.ParseDate(v)
	// What AppendTo could not write is kept as it stands.
	if err != nil || d.IsZero() || d.Nanosecond() != 0 || d.Year() < 1 || d.Year() > 9999 {
		return false
	}
	*dst = d
	return true
}

func setText(dst *string, v string) bool {
	if *dst != "" || v == "" {
		return false
	}
	*dst = v
	return true
}

// ParseDeliveryStatus reads the content of a part, transfer encoding undone. What is missing or wrong costs that field. Blank lines
// may be missing, be several, or stand where they do not belong: a group goes on where no second recipient begins.
func ParseDeliveryStatus(b []byte) *DeliveryStatus {
	d := parseDeliveryStatus(b)
	if len(d.Recipients) > 0 {
		return d
	}
	// A filter of Proofpoint encodes the recipients' groups, and says so behind the fields about the message.
	for _, f := range d.Extensions {
		if !strings.EqualFold(f.Name, "Content-Transfer-Encoding") {
			continue
		}
		i := bytes.Index(b, []byte("\n\n"))
		if j := bytes.Index(b, []byte("\n\r\n")); j >= 0 && (i < 0 || j < i) {
			i = j
		}
		if i < 0 {
			break
		}
		rest, _ := io.ReadAll(mime.NewDecoder(bytes.NewReader(b[i+1:]), f.Value))
		if e := parseDeliveryStatus(rest); len(e.Recipients) > 0 {
			d.Recipients = e.Recipients
		}
		break
	}
	return d
}

func parseDeliveryStatus(b []byte) *DeliveryStatus {
	d := &DeliveryStatus{}
	var r *RecipientStatus
	seen, group := false, false // seen: the group at hand names its recipient
	fieldGroups(b, func(f Field, first bool) {
		name := strings.ToLower(f.Name)
		if first {
			group = true
		}
		switch name {
		case "original-recipient", "final-recipient", "action", "status":
			again := r != nil && name == "final-recipient" && r.FinalRecipient.Value != "" && hasValue(f.Value)
			if r == nil || group && seen || again {
				d.Recipients = append(d.Recipients, RecipientStatus{})
				r = &d.Recipients[len(d.Recipients)-1]
				seen = false
			}
			seen = seen || name != "status"
			group = false
		}
		if r == nil {
			if !d.set(name, f.Value) {
				d.Extensions = append(d.Extensions, f)
			}
			return
		}
		if !r.set(name, f.Value) {
			r.Extensions = append(r.Extensions, f)
		}
	})
	return d
}

func hasValue(v string) bool {
	_, ok := parseTyped(v, "")
	return ok
}

func (d *DeliveryStatus) set(name, v string) bool {
	switch name {
	case "original-envelope-id":
		return setText(&d.OriginalEnvelopeID, v)
	case "reporting-mta":
		return setTyped(&d.ReportingMTA, v, "dns")
	case "dsn-gateway":
		return setTyped(&d.DSNGateway, v, "dns")
	case "received-from-mta":
		return setTyped(&d.ReceivedFromMTA, v, "dns")
	case "arrival-date":
		return setDate(&d.ArrivalDate, v)
	}
	return false
}

func (r *RecipientStatus) set(name, v string) bool {
	switch name {
	case "original-recipient":
		return setTyped(&r.OriginalRecipient, v, "rfc822")
	case "final-recipient":
		return setTyped(&r.FinalRecipient, v, "rfc822")
	case "action":
		w, _, _ := strings.Cut(v, "(")
		w = strings.ToLower(strings.Trim(w, " \t"))
		if r.Action != "" || !isAtom(w) {
			return false
		}
		r.Action = Action(w)
		return true
	case "status":
		s, ok := ParseStatus(v)
		if !r.Status.IsZero() || !ok {
			return false
		}
		r.Status = s
		return true
	case "remote-mta":
		return setTyped(&r.RemoteMTA, v, "dns")
	case "diagnostic-code":
		return setTyped(&r.DiagnosticCode, v, "smtp")
	case "localized-diagnostic":
		t, ok := parseTyped(v, "")
		if ok = ok && t.Type != ""; ok {
			r.LocalizedDiagnostics = append(r.LocalizedDiagnostics, t)
		}
		return ok
	case "last-attempt-date":
		return setDate(&r.LastAttemptDate, v)
	case "final-log-id":
		return setText(&r.FinalLogID, v)
	case "will-retry-until":
		return setDate(&r.WillRetryUntil, v)
	}
	return false
}

// AppendTo appends the content of the part. It is an error if a field that RFC 3464 asks for is missing, or if a value has CR, LF,
// NUL or what is not UTF-8.
func (d *DeliveryStatus) AppendTo(dst []byte) ([]byte, error) {
	e := encoder{dst: dst}
	e.need(d.ReportingMTA.Value != "", "ReportingMTA")
	e.need(len(d.Recipients) > 0, "a recipient")
	e.optional("Original-Envelope-Id", d.OriginalEnvelopeID)
	e.typed("Reporting-MTA", d.ReportingMTA, "dns")
	e.typed("DSN-Gateway", d.DSNGateway, "dns")
	e.typed("Received-From-MTA", d.ReceivedFromMTA, "dns")
	e.date("Arrival-Date", d.ArrivalDate)
	e.extensions(d.Extensions)
	for i := range d.Recipients {
		e.blank()
		r := &d.Recipients[i]
		e.need(r.FinalRecipient.Value != "", "FinalRecipient")
		e.need(isAtom(string(r.Action)), "Action")
		e.need(r.Status.valid(), "Status")
		e.typed("Original-Recipient", r.OriginalRecipient, "rfc822")
		e.typed("Final-Recipient", r.FinalRecipient, "rfc822")
		e.field("Action", strings.ToLower(string(r.Action)))
		e.field("Status", r.Status.String())
		e.typed("Remote-MTA", r.RemoteMTA, "dns")
		e.typed("Diagnostic-Code", r.DiagnosticCode, "smtp")
		for _, l := range r.LocalizedDiagnostics {
			e.need(l.Type != "" && l.Value != "", "the language or text of a localized diagnostic")
			e.typed("Localized-Diagnostic", l, "")
		}
		e.date("Last-Attempt-Date", r.LastAttemptDate)
		e.optional("Final-Log-Id", r.FinalLogID)
		e.date("Will-Retry-Until", r.WillRetryUntil)
		e.extensions(r.Extensions)
	}
	return e.done(dst)
}

// dateLayout is RFC 5322's.
const dateLayout = "Mon, 2 Jan 2006 15:04:05 -0700"

func (e *encoder) date(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	if y := t.Year(); e.err == nil && (y < 1 || y > 9999) {
		e.err = fmt.Errorf("report: year %d in %s", y, name)
	}
	e.field(name, t.Format(dateLayout))
}

// recipients is the groups as verdicts.
func (d *DeliveryStatus) recipients(limit int) []Recipient {
	l := make([]Recipient, 0, min(len(d.Recipients), limit))
	for i := range d.Recipients {
		if len(l) == limit {
			break
		}
		s := &d.Recipients[i]
		r := Recipient{
			Address:    s.FinalRecipient.Address(),
			Original:   s.OriginalRecipient.Address(),
			Action:     s.Action,
			Status:     s.Status,
			Diagnostic: oneLine(s.DiagnosticCode.Value),
			RemoteMTA:  hostName(s.RemoteMTA.Value),
		}
		if r.Address == "" {
			r.Address = r.Original
		}
		if r.Status.IsZero() {
			// Zoho puts the reply in the status' place.
			for _, f := range s.Extensions {
				if strings.EqualFold(f.Name, "Status") {
					r.Reply = replyAt(f.Value)
				}
			}
		}
		if r.RemoteMTA == "" {
			r.RemoteMTA = oneLine(s.RemoteMTA.Value)
		}
		r.complete()
		l = append(l, r)
	}
	return l
}
