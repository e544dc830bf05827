// Parameters of MAIL and RCPT.

package smtpwire

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// param is the next parameter, checked against RFC 5321 section 4.1.2.
type param struct {
	name, value string
	at, from    int // where it and its value begin
}

func (p *argParser) param() (q param, ok bool, err error) {
	p.spaces()
	if p.pos == len(p.s) {
		return q, false, nil
	}
	q.at = p.pos
	s := p.word()
	var has bool
	q.name, q.value, has = strings.Cut(s, "=")
	q.from = p.pos - len(q.value)
	if !isKeyword(q.name) {
		return q, false, p.fail(q.at, codeArgs, "malformed parameter")
	}
	if has && !isParamValue(q.value) {
		return q, false, p.fail(q.from, codeArgs, "malformed parameter value")
	}
	return q, true, nil
}

// decoded is the parameter's value, which is xtext.
func (p *argParser) decoded(q *param, skip int) (string, bool) {
	return p.xtext(q.from+skip, q.from+len(q.value))
}

func isKeyword(s string) bool {
	for i := range len(s) {
		if !isVerbChar(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

func isParamValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '=' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// The parameters that have fields.
const (
	paramSize = iota
	paramBody
	paramUTF8
	paramAuth
	paramRet
	paramEnvID
	paramBy
	paramHoldFor
	paramHoldUntil
	paramPriority
	paramRequireTLS
	paramTrack
	paramSolicit
	mailParams

	paramNotify = iota - mailParams - 1
	paramOrcpt
	paramValid
	rcptParams
)

var (
	mailNames = [mailParams]string{"SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID", "BY", "HOLDFOR", "HOLDUNTIL",
		"MT-PRIORITY", "REQUIRETLS", "MTRK", "SOLICIT"}
	rcptNames = [rcptParams]string{"NOTIFY", "ORCPT", "RRVS"}
)

func known(names []string, name string) int {
	for i, n := range names {
		if wire.EqualFold(n, name) {
			return i
		}
	}
	return -1
}

// mailRest backs what not every MAIL has, in one allocation.
type mailRest struct {
	auth  smtp.Path
	other [4]smtp.Param
}

func (p *argParser) mailParams(o *smtp.MailOptions) error {
	var seen uint
	var rest *mailRest
	for {
		q, ok, err := p.param()
		if err != nil || !ok {
			return err
		}
		i := known(mailNames[:], q.name)
		if rest == nil && (i < 0 || i == paramAuth) {
			rest = new(mailRest)
		}
		if i < 0 {
			if o.Other == nil {
				o.Other = rest.other[:0]
			}
			o.Other = append(o.Other, smtp.Param{Name: q.name, Value: q.value})
			continue
		}
		if seen&(1<<i) != 0 {
			return p.fail(q.at, codeArgs, "parameter given twice")
		}
		seen |= 1 << i
		if seen&(1<<paramHoldFor) != 0 && seen&(1<<paramHoldUntil) != 0 {
			return p.fail(q.at, codeArgs, "HOLDFOR and HOLDUNTIL exclude each other")
		}
		if i == paramAuth {
			o.Auth = &rest.auth
		}
		if wants := p.mailParam(o, i, &q); wants != "" {
			return p.fail(q.at, codeArgs, mailNames[i]+wants)
		}
	}
}

// mailParam sets the field of the i-th parameter, or says what it wants.
func (p *argParser) mailParam(o *smtp.MailOptions, i int, q *param) string {
	ok, wants := true, ""
	switch i {
	case paramSize:
		o.Size, ok = parseSize(q.value)
		wants = " wants a number of octets"
	case paramBody:
		wants = " wants 7BIT, 8BITMIME or BINARYMIME"
		for b := smtp.Body7Bit; ; b++ {
			if s := b.String(); s == "" {
				ok = false
			} else if !wire.EqualFold(q.value, s) {
				continue
			}
			o.Body = b
			break
		}
	case paramUTF8:
		o.UTF8, ok = true, q.value == ""
		wants = " has no value"
	case paramAuth:
		*o.Auth, ok = p.authParam(q)
		wants = " wants a mailbox as xtext, or <>"
	case paramRet:
		wants = " wants FULL or HDRS"
		switch {
		case wire.EqualFold(q.value, "FULL"):
			o.Return = smtp.ReturnFull
		case wire.EqualFold(q.value, "HDRS"):
			o.Return = smtp.ReturnHeaders
		default:
			ok = false
		}
	case paramEnvID:
		o.EnvelopeID, ok = p.decoded(q, 0)
		ok = ok && isEnvelopeID(o.EnvelopeID)
		wants = " wants xtext of at most 100 printable characters"
	case paramBy:
		o.By, ok = parseBy(q.value)
		wants = " wants seconds, a semicolon, N or R, and perhaps T"
	case paramHoldFor:
		o.HoldFor, ok = parseDigits(q.value, 9)
		ok = ok && o.HoldFor > 0
		wants = " wants seconds"
	case paramHoldUntil:
		o.HoldUntil, ok = parseTime(q.value)
		wants = " wants a date and time"
	case paramPriority:
		o.Priority, ok = parsePriority(q.value)
		wants = " wants a number from -9 to 9"
	case paramRequireTLS:
		o.RequireTLS, ok = true, q.value == ""
		wants = " has no value"
	case paramTrack:
		o.Track, ok = parseTrack(q.value)
		wants = " wants a certifier in base64, and perhaps a colon and seconds"
	case paramSolicit:
		o.Solicit, ok = q.value, isSolicit(q.value)
		wants = " wants keywords"
	}
	if ok {
		return ""
	}
	return wants
}

func (p *argParser) rcptParams(o *smtp.RcptOptions) error {
	var seen uint
	for {
		q, ok, err := p.param()
		if err != nil || !ok {
			return err
		}
		i := known(rcptNames[:], q.name)
		if i < 0 {
			if o.Other == nil {
				o.Other = make([]smtp.Param, 0, 4)
			}
			o.Other = append(o.Other, smtp.Param{Name: q.name, Value: q.value})
			continue
		}
		if seen&(1<<i) != 0 {
			return p.fail(q.at, codeArgs, "parameter given twice")
		}
		seen |= 1 << i
		if wants := p.rcptParam(o, i, &q); wants != "" {
			return p.fail(q.at, codeArgs, rcptNames[i]+wants)
		}
	}
}

func (p *argParser) rcptParam(o *smtp.RcptOptions, i int, q *param) string {
	ok, wants := true, ""
	switch i {
	case paramNotify:
		o.Notify, ok = parseNotify(q.value)
		wants = " wants NEVER, or some of SUCCESS, FAILURE and DELAY"
	case paramOrcpt:
		typ, _, _ := strings.Cut(q.value, ";")
		address := ""
		if len(typ) < len(q.value) {
			address, ok = p.decoded(q, len(typ)+1)
		}
		ok = ok && isAddressType(typ) && isOriginalAddress(address)
		o.Original = smtp.OriginalRecipient{Type: typ, Address: address}
		wants = " wants an address type, a semicolon and xtext"
	case paramValid:
		at, action, has := strings.Cut(q.value, ";")
		o.ValidSince, ok = parseTime(at)
		wants = " wants a date and time, and perhaps a semicolon and C or R"
		switch {
		case !has:
		case wire.EqualFold(action, "C"):
			o.ValidAction = smtp.ValidContinue
		case wire.EqualFold(action, "R"):
			o.ValidAction = smtp.ValidReject
		default:
			ok = false
		}
	}
	if ok {
		return ""
	}
	return wants
}

// parseSize reads a size (RFC 1870 section 5: up to 20 digits). What an int64
// does not hold is the largest.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > math.MaxInt64/10 {
			n = math.MaxInt64
			continue
		}
		n = min(n*10+uint64(c-'0'), math.MaxInt64)
	}
	return int64(n), true
}

// parseDigits reads a number of at most most digits.
func parseDigits(s string, most int) (n int64, ok bool) {
	if s == "" || len(s) > most {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// authParam reads the value of AUTH= (RFC 4954 section 5).
func (p *argParser) authParam(q *param) (smtp.Path, bool) {
	if q.value == "<>" {
		return smtp.Null, true
	}
	s, ok := p.decoded(q, 0)
	if !ok || s == "" || s[0] == '<' {
		return smtp.Path{}, false
	}
	path, err := smtp.ParsePath(s)
	return path, err == nil
}

// parseBy reads the value of BY (RFC 2852 section 4).
func parseBy(s string) (by smtp.DeliverBy, ok bool) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	digits, mode, _ := strings.Cut(s, ";")
	if by.Seconds, ok = parseDigits(digits, 9); !ok {
		return by, false
	}
	if negative {
		by.Seconds = -by.Seconds
	}
	if mode == "" || len(mode) > 2 || len(mode) == 2 && mode[1]|0x20 != 't' {
		return by, false
	}
	by.Trace = len(mode) == 2
	switch mode[0] | 0x20 {
	case 'n':
		by.Mode = smtp.DeliverNotify
	case 'r':
		by.Mode = smtp.DeliverReturn
	}
	return by, isBy(by)
}

// isBy: a message that is to be returned in time has time left.
func isBy(by smtp.DeliverBy) bool {
	return (by.Mode == smtp.DeliverNotify || by.Mode == smtp.DeliverReturn && by.Seconds > 0) &&
		by.Seconds > -1e9 && by.Seconds < 1e9
}

// parseTime reads a date-time of RFC 3339 in whole seconds.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || len(s) > 40 {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, wire.Upper(s))
	if err != nil {
		return time.Time{}, false
	}
	t = t.UTC().Truncate(time.Second)
	return t, isTime(t)
}

// isTime: four digits of year, and not the zero time, which stands for none.
func isTime(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && y >= 0 && y <= 9999 && t.Nanosecond() == 0
}

func parsePriority(s string) (int, bool) {
	digit := strings.TrimPrefix(s, "-")
	n, ok := parseDigits(digit, 1)
	if len(digit) < len(s) {
		n = -n
		ok = ok && n != 0
	}
	return int(n), ok
}

// parseTrack reads the value of MTRK (RFC 3885 section 4.1).
func parseTrack(s string) (t smtp.Tracking, ok bool) {
	certifier, timeout, has := strings.Cut(s, ":")
	t.Certifier = certifier
	if has {
		if t.Timeout, ok = parseDigits(timeout, 9); !ok || t.Timeout == 0 {
			return t, false
		}
	}
	return t, isCertifier(certifier)
}

func isCertifier(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isVerbChar(c) && c != '+' && c != '/' || c == '-' {
			return false
		}
	}
	return s != "" && len(s) <= 60
}

// isSolicit checks a list of solicitation class keywords (RFC 3865 section
// 2.1): names of domains the wrong way round, with more behind a colon.
func isSolicit(s string) bool {
	if s == "" || len(s) > 1000 || strings.HasPrefix(s, ",") || strings.HasSuffix(s, ",") || strings.Contains(s, ",,") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isVerbChar(c) && c != '.' && c != ':' && c != '_' && c != ',' {
			return false
		}
	}
	return true
}

func parseNotify(value string) (smtp.Notify, bool) {
	if wire.EqualFold(value, "NEVER") {
		return smtp.NotifyNever, true
	}
	var n smtp.Notify
	for word := range strings.SplitSeq(value, ",") {
		bit := smtp.Notify(0)
		switch {
		case wire.EqualFold(word, "SUCCESS"):
			bit = smtp.NotifySuccess
		case wire.EqualFold(word, "FAILURE"):
			bit = smtp.NotifyFailure
		case wire.EqualFold(word, "DELAY"):
			bit = smtp.NotifyDelay
		}
		if bit == 0 || n&bit != 0 {
			return 0, false
		}
		n |= bit
	}
	return n, true
}

func isEnvelopeID(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

func isAddressType(s string) bool {
	for i := range len(s) {
		if !isVerbChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// isOriginalAddress: RFC 3461 has printable ASCII, RFC 6533 UTF-8 beyond.
func isOriginalAddress(s string) bool {
	return s != "" && controlAt(s) < 0 && utf8.ValidString(s)
}

func appendMailParams(dst []byte, o *smtp.MailOptions) ([]byte, error) {
	if o.Size < 0 {
		return nil, &EncodeError{"SIZE", "it is negative"}
	}
	if o.Size > 0 {
		dst = strconv.AppendInt(append(dst, " SIZE="...), o.Size, 10)
	}
	if o.Body != smtp.BodyUnstated {
		s := o.Body.String()
		if s == "" {
			return nil, &EncodeError{"BODY", "unknown value"}
		}
		dst = append(append(dst, " BODY="...), s...)
	}
	if o.UTF8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	if o.Auth != nil {
		if err := o.Auth.Check(); err != nil {
			return nil, &EncodeError{"AUTH", "not a mailbox"}
		}
		dst = append(dst, " AUTH="...)
		if o.Auth.IsNull() {
			dst = append(dst, "<>"...)
		} else {
			dst = AppendXtext(dst, o.Auth.String())
		}
	}
	if o.Return != smtp.ReturnUnstated {
		s := o.Return.String()
		if s == "" {
			return nil, &EncodeError{"RET", "unknown value"}
		}
		dst = append(append(dst, " RET="...), s...)
	}
	if o.EnvelopeID != "" {
		if !isEnvelopeID(o.EnvelopeID) {
			return nil, &EncodeError{"ENVID", "not at most 100 printable ASCII characters"}
		}
		dst = AppendXtext(append(dst, " ENVID="...), o.EnvelopeID)
	}
	dst, err := appendFuture(dst, o)
	if err != nil {
		return nil, err
	}
	return appendOther(dst, o.Other, mailNames[:])
}

// appendFuture appends the parameters that say when and how a message is to
// be delivered.
func appendFuture(dst []byte, o *smtp.MailOptions) ([]byte, error) {
	if by := o.By; by != (smtp.DeliverBy{}) {
		if !isBy(by) {
			return nil, &EncodeError{"BY", "no time left, or unknown mode"}
		}
		dst = strconv.AppendInt(append(dst, " BY="...), by.Seconds, 10)
		dst = append(dst, ';', byte(by.Mode))
		if by.Trace {
			dst = append(dst, 'T')
		}
	}
	if n := o.HoldFor; n != 0 {
		if n < 0 || n >= 1e9 || !o.HoldUntil.IsZero() {
			return nil, &EncodeError{"HOLDFOR", "out of range, or together with HOLDUNTIL"}
		}
		dst = strconv.AppendInt(append(dst, " HOLDFOR="...), n, 10)
	}
	if t := o.HoldUntil; !t.IsZero() {
		if !isTime(t) {
			return nil, &EncodeError{"HOLDUNTIL", "no time in whole seconds of a year of four digits"}
		}
		dst = t.UTC().AppendFormat(append(dst, " HOLDUNTIL="...), time.RFC3339)
	}
	if n := o.Priority; n != 0 {
		if n < -9 || n > 9 {
			return nil, &EncodeError{"MT-PRIORITY", "not from -9 to 9"}
		}
		dst = strconv.AppendInt(append(dst, " MT-PRIORITY="...), int64(n), 10)
	}
	if o.RequireTLS {
		dst = append(dst, " REQUIRETLS"...)
	}
	if t := o.Track; t != (smtp.Tracking{}) {
		if !isCertifier(t.Certifier) || t.Timeout < 0 || t.Timeout >= 1e9 {
			return nil, &EncodeError{"MTRK", "malformed certifier or timeout out of range"}
		}
		dst = append(append(dst, " MTRK="...), t.Certifier...)
		if t.Timeout > 0 {
			dst = strconv.AppendInt(append(dst, ':'), t.Timeout, 10)
		}
	}
	if o.Solicit != "" {
		if !isSolicit(o.Solicit) {
			return nil, &EncodeError{"SOLICIT", "malformed keywords"}
		}
		dst = append(append(dst, " SOLICIT="...), o.Solicit...)
	}
	return dst, nil
}

func appendRcptParams(dst []byte, o *smtp.RcptOptions) ([]byte, error) {
	if n := o.Notify; n != 0 {
		if n&smtp.NotifyNever != 0 && n != smtp.NotifyNever || n >= smtp.NotifyDelay<<1 {
			return nil, &EncodeError{"NOTIFY", "NEVER stands alone"}
		}
		dst = append(dst, " NOTIFY="...)
		for i, word := range [...]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"} {
			if n&(1<<i) == 0 {
				continue
			}
			if dst[len(dst)-1] != '=' {
				dst = append(dst, ',')
			}
			dst = append(dst, word...)
		}
	}
	if r := o.Original; r.Type != "" || r.Address != "" {
		if !isAddressType(r.Type) || !isOriginalAddress(r.Address) {
			return nil, &EncodeError{"ORCPT", "malformed type or address"}
		}
		dst = append(append(append(dst, " ORCPT="...), r.Type...), ';')
		dst = AppendXtext(dst, r.Address)
	}
	if t := o.ValidSince; !t.IsZero() || o.ValidAction != 0 {
		a := o.ValidAction
		if !isTime(t) || a != smtp.ValidUnstated && a != smtp.ValidContinue && a != smtp.ValidReject {
			return nil, &EncodeError{"RRVS", "no time in whole seconds of a year of four digits, or unknown action"}
		}
		dst = t.UTC().AppendFormat(append(dst, " RRVS="...), time.RFC3339)
		if a != 0 {
			dst = append(dst, ';', byte(a))
		}
	}
	return appendOther(dst, o.Other, rcptNames[:])
}

// appendOther appends parameters; those that have a field are typed there.
func appendOther(dst []byte, other []smtp.Param, typed []string) ([]byte, error) {
	for _, p := range other {
		if !isKeyword(p.Name) {
			return nil, &EncodeError{"a parameter", "its name is no keyword"}
		}
		if known(typed, p.Name) >= 0 {
			return nil, &EncodeError{"a parameter", p.Name + " has a field of its own"}
		}
		dst = append(append(dst, ' '), p.Name...)
		if p.Value == "" {
			continue
		}
		if !isParamValue(p.Value) {
			return nil, &EncodeError{"the parameter " + p.Name, "its value is not of the grammar"}
		}
		dst = append(append(dst, '='), p.Value...)
	}
	return dst, nil
}
