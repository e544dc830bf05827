package report

// message/disposition-notification (RFC 8098, 3798, 2298) and message/global-disposition-notification (RFC 6533).

import (
	"strings"

	"github.com/mailwire/mailwire/mime"
)

// A DispositionNotification is the content of a message/disposition-notification.
type DispositionNotification struct {
	// ReportingUA is the name of the user agent, and its product behind a semicolon, as it stands.
	ReportingUA       string
	MDNGateway        Typed
	OriginalRecipient Typed
	FinalRecipient    Typed
	OriginalMessageID string // without angle brackets
	// ActionMode is "manual-action" or "automatic-action", SendingMode "mdn-sent-manually" or "mdn-sent-automatically", Type
	// "displayed", "deleted", "dispatched" or "processed", or "denied" or "failed" from RFC 2298 and 3798; all in lower case.
	ActionMode, SendingMode, Type string
	// Modifiers is what stands behind the type: "error", and whatever extensions there are, in lower case.
	Modifiers []string
	// Errors is the Error fields.
	Errors []string
	// Extensions is all other fields, in order, and those above that cannot be read or come again.
	Extensions []Field
}

// ParseDispositionNotification reads the content of a part, transfer encoding undone. What is missing or wrong costs that field.
func ParseDispositionNotification(b []byte) *DispositionNotification {
	d := &DispositionNotification{}
	fieldGroups(b, func(f Field, _ bool) {
		if !d.set(strings.ToLower(f.Name), f.Value) {
			d.Extensions = append(d.Extensions, f)
		}
	})
	return d
}

func (d *DispositionNotification) set(name, v string) bool {
	switch name {
	case "reporting-ua":
		return setText(&d.ReportingUA, v)
	case "mdn-gateway":
		return setTyped(&d.MDNGateway, v, "dns")
	case "original-recipient":
		return setTyped(&d.OriginalRecipient, v, "rfc822")
	case "final-recipient":
		return setTyped(&d.FinalRecipient, v, "rfc822")
	case "original-message-id":
		return setID(&d.OriginalMessageID, v)
	case "disposition":
		return d.disposition(v)
	case "error":
		if v == "" {
			return false
		}
		d.Errors = append(d.Errors, v)
		return true
	}
	return false
}

func setID(dst *string, v string) bool {
	ids := mime.ParseMessageIDs(v)
	if *dst != "" || len(ids) != 1 || !validID(ids[0]) {
		return false
	}
	*dst = ids[0]
	return true
}

// validID tells whether s may stand between angle brackets and be read back.
func validID(s string) bool {
	ids := mime.ParseMessageIDs("<" + s + ">")
	return len(ids) == 1 && ids[0] == s && clean(s) == s
}

// disposition reads "action-mode/sending-mode; type/modifier,modifier". RFC 2298's form without modes is read too.
func (d *DispositionNotification) disposition(v string) bool {
	if d.Type != "" {
		return false
	}
	modes, rest, found := strings.Cut(strings.ToLower(v), ";")
	if !found {
		modes, rest = "", modes
	}
	action, sending, _ := strings.Cut(modes, "/")
	action, sending = strings.Trim(action, " \t"), strings.Trim(sending, " \t")
	typ, list, _ := strings.Cut(rest, "/")
	typ = strings.Trim(typ, " \t")
	for _, s := range []string{action, sending, typ} {
		if s != "" && !isWord(s) {
			return false
		}
	}
	if typ == "" || (action == "") != (sending == "") {
		return false
	}
	var mods []string
	for m := range strings.SplitSeq(list, ",") {
		if m = strings.Trim(m, " \t"); m == "" {
			continue
		}
		if !isWord(m) {
			return false
		}
		mods = append(mods, m)
	}
	d.ActionMode, d.SendingMode, d.Type, d.Modifiers = action, sending, typ, mods
	return true
}

// isWord tells whether s is an atom without the mark that parts a disposition.
func isWord(s string) bool { return isAtom(s) && strings.IndexByte(s, '/') < 0 }

// AppendTo appends the content of the part. It is an error if a field that RFC 8098 asks for is missing, or if a value has CR, LF,
// NUL or what is not UTF-8.
func (d *DispositionNotification) AppendTo(dst []byte) ([]byte, error) {
	e := encoder{dst: dst}
	e.need(d.FinalRecipient.Value != "", "FinalRecipient")
	e.need(isWord(d.ActionMode) && isWord(d.SendingMode) && isWord(d.Type), "ActionMode, SendingMode or Type")
	e.optional("Reporting-UA", d.ReportingUA)
	e.typed("MDN-Gateway", d.MDNGateway, "dns")
	e.typed("Original-Recipient", d.OriginalRecipient, "rfc822")
	e.typed("Final-Recipient", d.FinalRecipient, "rfc822")
	if d.OriginalMessageID != "" {
		e.need(validID(d.OriginalMessageID), "a valid OriginalMessageID")
		e.field("Original-Message-ID", "<"+d.OriginalMessageID+">")
	}
	v := d.ActionMode + "/" + d.SendingMode + "; " + d.Type
	for i, m := range d.Modifiers {
		e.need(isWord(m), "a valid modifier")
		if i == 0 {
			v += "/" + m
		} else {
			v += ", " + m
		}
	}
	e.field("Disposition", strings.ToLower(v))
	for _, s := range d.Errors {
		e.field("Error", s)
	}
	e.extensions(d.Extensions)
	return e.done(dst)
}
