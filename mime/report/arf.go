package report

// message/feedback-report: ARF (RFC 5965), authentication failures (RFC 6591), source ports (RFC 6692).

import (
	"strconv"
	"strings"
	"time"
)

// A FeedbackReport is the content of a message/feedback-report.
type FeedbackReport struct {
	FeedbackType string // "abuse", "fraud", "virus", "not-spam", "opt-out", "auth-failure", …, in lower case
	UserAgent    string
	Version      string

	OriginalEnvelopeID string
	OriginalMailFrom   string   // without angle brackets; "<>" for the empty path
	OriginalRcptTo     []string // without angle brackets
	ArrivalDate        time.Time
	ReportingMTA       Typed
	SourceIP           string
	SourcePort         int // 0 if there is none
	Incidents          int // 0 if it is not said, which means 1

	AuthenticationResults []string
	ReportedDomains       []string
	ReportedURIs          []string

	// Of the type auth-failure (RFC 6591).
	AuthFailure             string
	DeliveryResult          string
	IdentityAlignment       string
	DKIMDomain              string
	DKIMIdentity            string
	DKIMSelector            string
	DKIMADSPDNS             string
	DKIMCanonicalizedHeader string
	DKIMCanonicalizedBody   string
	SPFDNS                  string

	// Extensions is all other fields, in order, and those above that cannot be read or come again.
	Extensions []Field
}

// ParseFeedbackReport reads the content of a part, transfer encoding undone. What is missing or wrong costs that field.
func ParseFeedbackReport(b []byte) *FeedbackReport {
	d := &FeedbackReport{}
	fieldGroups(b, func(f Field, _ bool) {
		if !d.set(strings.ToLower(f.Name), f.Value) {
			d.Extensions = append(d.Extensions, f)
		}
	})
	return d
}

// texts is the fields that are text and may stand once, in the order in which they are written.
func (d *FeedbackReport) texts() []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"User-Agent", &d.UserAgent}, {"Version", &d.Version}, {"Original-Envelope-Id", &d.OriginalEnvelopeID},
		{"Source-IP", &d.SourceIP}, {"Auth-Failure", &d.AuthFailure}, {"Delivery-Result", &d.DeliveryResult},
		{"Identity-Alignment", &d.IdentityAlignment}, {"DKIM-Domain", &d.DKIMDomain}, {"DKIM-Identity", &d.DKIMIdentity},
		{"DKIM-Selector", &d.DKIMSelector}, {"DKIM-ADSP-DNS", &d.DKIMADSPDNS},
		{"DKIM-Canonicalized-Header", &d.DKIMCanonicalizedHeader}, {"DKIM-Canonicalized-Body", &d.DKIMCanonicalizedBody},
		{"SPF-DNS", &d.SPFDNS},
	}
}

func (d *FeedbackReport) set(name, v string) bool {
	switch name {
	case "feedback-type":
		if v = strings.ToLower(v); !isAtom(v) {
			return false
		}
		return setText(&d.FeedbackType, v)
	case "original-mail-from":
		p, ok := parsePath(v)
		return ok && setText(&d.OriginalMailFrom, p)
	case "original-rcpt-to":
		p, ok := parsePath(v)
		if !ok || p == "<>" {
			return false
		}
		d.OriginalRcptTo = append(d.OriginalRcptTo, p)
		return true
	case "arrival-date", "received-date":
		return setDate(&d.ArrivalDate, v)
	case "reporting-mta":
		return setTyped(&d.ReportingMTA, v, "dns")
	case "source-port":
		return setNumber(&d.SourcePort, v, 65535)
	case "incidents":
		return setNumber(&d.Incidents, v, 1<<31-1)
	case "authentication-results":
		return addText(&d.AuthenticationResults, v)
	case "reported-domain":
		return addText(&d.ReportedDomains, v)
	case "reported-uri":
		return addText(&d.ReportedURIs, v)
	}
	for _, t := range d.texts() {
		if strings.EqualFold(t.name, name) {
			return setText(t.value, v)
		}
	}
	return false
}

func addText(dst *[]string, v string) bool {
	if v == "" {
		return false
	}
	*dst = append(*dst, v)
	return true
}

func setNumber(dst *int, v string, limit int) bool {
	n, err := strconv.ParseUint(v, 10, 31)
	if *dst != 0 || err != nil || n == 0 || n > uint64(limit) {
		return false
	}
	*dst = int(n)
	return true
}

// parsePath reads a path with or without angle brackets.
func parsePath(v string) (string, bool) {
	if v == "<>" {
		return v, true
	}
	if len(v) > 1 && v[0] == '<' && v[len(v)-1] == '>' {
		v = strings.Trim(v[1:len(v)-1], " \t")
	}
	return v, v != "" && !strings.ContainsAny(v, "<>")
}

func (e *encoder) path(name, v string) {
	if v == "" {
		return
	}
	if v != "<>" {
		e.need(!strings.ContainsAny(v, "<>"), name+" without angle brackets")
		v = "<" + v + ">"
	}
	e.field(name, v)
}

// AppendTo appends the content of the part. It is an error if a field that RFC 5965 asks for is missing, or if a value has CR, LF,
// NUL or what is not UTF-8.
func (d *FeedbackReport) AppendTo(dst []byte) ([]byte, error) {
	e := encoder{dst: dst}
	e.need(isAtom(d.FeedbackType), "FeedbackType")
	e.need(d.UserAgent != "", "UserAgent")
	e.need(d.Version != "", "Version")
	e.field("Feedback-Type", strings.ToLower(d.FeedbackType))
	for _, t := range d.texts() {
		e.optional(t.name, *t.value)
	}
	e.path("Original-Mail-From", d.OriginalMailFrom)
	for _, r := range d.OriginalRcptTo {
		e.need(r != "" && r != "<>", "an address in OriginalRcptTo")
		e.path("Original-Rcpt-To", r)
	}
	e.date("Arrival-Date", d.ArrivalDate)
	e.typed("Reporting-MTA", d.ReportingMTA, "dns")
	if e.need(d.SourcePort >= 0 && d.SourcePort <= 65535, "a valid SourcePort"); d.SourcePort > 0 {
		e.field("Source-Port", strconv.Itoa(d.SourcePort))
	}
	if e.need(d.Incidents >= 0, "a valid number of Incidents"); d.Incidents > 0 {
		e.field("Incidents", strconv.Itoa(d.Incidents))
	}
	for _, s := range d.AuthenticationResults {
		e.field("Authentication-Results", s)
	}
	for _, s := range d.ReportedDomains {
		e.field("Reported-Domain", s)
	}
	for _, s := range d.ReportedURIs {
		e.field("Reported-URI", s)
	}
	e.extensions(d.Extensions)
	return e.done(dst)
}
