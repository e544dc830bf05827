package imapwire

// ENVELOPE and BODYSTRUCTURE to octets (RFC 3501 section 7.4.2).

import (
	"strconv"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
)

// AppendEnvelope appends an envelope. NUL in it becomes "?"; nil is an
// envelope of NILs.
func AppendEnvelope(dst []byte, v *mime.Envelope) []byte {
	if v == nil {
		v = &mime.Envelope{}
	}
	dst = append(dst, '(')
	dst = appendMember(dst, v.Date, v.Empty&mime.EnvelopeDate != 0)
	dst = append(dst, ' ')
	dst = appendMember(dst, v.Subject, v.Empty&mime.EnvelopeSubject != 0)
	for _, list := range [...][]mime.Address{v.From, v.Sender, v.ReplyTo, v.To, v.Cc, v.Bcc} {
		dst = append(dst, ' ')
		dst = appendAddresses(dst, list)
	}
	dst = append(dst, ' ')
	dst = appendMember(dst, v.InReplyTo, v.Empty&mime.EnvelopeInReplyTo != 0)
	dst = append(dst, ' ')
	dst = appendMember(dst, v.MessageID, v.Empty&mime.EnvelopeMessageID != 0)
	return append(dst, ')')
}

// appendMember appends s; the empty string is NIL unless present.
func appendMember(dst []byte, s string, present bool) []byte {
	if s == "" && !present {
		return append(dst, "NIL"...)
	}
	return appendText(dst, s)
}

func appendAddresses(dst []byte, list []mime.Address) []byte {
	if len(list) == 0 {
		return append(dst, "NIL"...)
	}
	dst = append(dst, '(')
	for i := range list {
		a := &list[i]
		dst = append(dst, '(')
		switch a.Kind {
		case mime.AddressGroupStart:
			dst = append(dst, "NIL NIL "...)
			dst = appendText(dst, a.Mailbox)
			dst = append(dst, " NIL)"...)
			continue
		case mime.AddressGroupEnd:
			dst = append(dst, "NIL NIL NIL NIL)"...)
			continue
		}
		dst = appendMember(dst, a.Name, false)
		dst = append(dst, ' ')
		dst = appendMember(dst, a.Route, false)
		dst = append(dst, ' ')
		// NIL for the mailbox ends a group and NIL for the host begins one, so
		// an address that lacks either has "" there.
		dst = appendText(dst, a.Mailbox)
		dst = append(dst, ' ')
		dst = appendText(dst, a.Host)
		dst = append(dst, ')')
	}
	return append(dst, ')')
}

// AppendBodyStructure appends a body structure: BODYSTRUCTURE, or BODY, which
// has no extension data, where extended is false. NUL in it becomes "?". What
// is nested deeper than [DefaultDepth] is described as application/octet-stream.
func AppendBodyStructure(dst []byte, b *mime.BodyStructure, extended bool) []byte {
	return appendBody(dst, b, extended, 0)
}

func appendBody(dst []byte, b *mime.BodyStructure, extended bool, depth int) []byte {
	if b == nil || depth > DefaultDepth {
		return append(dst, `("application" "octet-stream" NIL NIL NIL "binary" 0)`...)
	}
	multi := wire.EqualFold(b.Type, "multipart") || len(b.Parts) > 0
	dst = append(dst, '(')
	switch {
	case multi && len(b.Parts) == 0:
		// RFC 3501 has no multipart without a part.
		dst = append(dst, `("text" "plain" NIL NIL NIL "7bit" 0 0) `...)
		dst = appendText(dst, b.Subtype)
	case multi:
		for _, p := range b.Parts {
			dst = appendBody(dst, p, extended, depth+1)
		}
		dst = append(dst, ' ')
		dst = appendText(dst, b.Subtype)
	default:
		dst = appendPart(dst, b, extended, depth)
	}
	if extended {
		dst = append(dst, ' ')
		if multi {
			dst = appendParams(dst, b.Params)
		} else {
			dst = appendMember(dst, b.MD5, false)
		}
		dst = append(dst, ' ')
		if d := b.Disposition; d != nil {
			dst = append(dst, '(')
			dst = appendText(dst, d.Type)
			dst = append(dst, ' ')
			dst = append(appendParams(dst, d.Params), ')')
		} else {
			dst = append(dst, "NIL"...)
		}
		dst = append(dst, ' ')
		switch len(b.Language) {
		case 0:
			dst = append(dst, "NIL"...)
		case 1:
			dst = appendText(dst, b.Language[0])
		default:
			dst = append(dst, '(')
			for i, l := range b.Language {
				if i > 0 {
					dst = append(dst, ' ')
				}
				dst = appendText(dst, l)
			}
			dst = append(dst, ')')
		}
		dst = append(dst, ' ')
		dst = appendMember(dst, b.Location, false)
	}
	return append(dst, ')')
}

// appendPart appends what is not a multipart, up to its extension data.
func appendPart(dst []byte, b *mime.BodyStructure, extended bool, depth int) []byte {
	typ, sub := b.Type, b.Subtype
	message := b.Body != nil
	if message && !isMessage(typ, sub) {
		typ, sub = "message", "rfc822"
	} else if !message && isMessage(typ, sub) {
		typ, sub = "application", "octet-stream"
	}
	dst = appendText(dst, typ)
	dst = append(dst, ' ')
	dst = appendText(dst, sub)
	dst = append(dst, ' ')
	dst = appendParams(dst, b.Params)
	dst = append(dst, ' ')
	dst = appendMember(dst, b.ID, false)
	dst = append(dst, ' ')
	dst = appendMember(dst, b.Description, false)
	dst = append(dst, ' ')
	if b.Encoding == "" {
		dst = append(dst, `"7bit"`...)
	} else {
		dst = appendText(dst, b.Encoding)
	}
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, max(0, b.Octets), 10)
	if message {
		dst = append(dst, ' ')
		dst = AppendEnvelope(dst, b.Envelope)
		dst = append(dst, ' ')
		dst = appendBody(dst, b.Body, extended, depth+1)
	}
	if message || wire.EqualFold(typ, "text") {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, max(0, b.Lines), 10)
	}
	return dst
}

func isMessage(typ, sub string) bool {
	return wire.EqualFold(typ, "message") && (wire.EqualFold(sub, "rfc822") || wire.EqualFold(sub, "global"))
}

func appendParams(dst []byte, params mime.Params) []byte {
	if len(params) == 0 {
		return append(dst, "NIL"...)
	}
	dst = append(dst, '(')
	for i := range params {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendText(dst, params[i].Name)
		dst = append(dst, ' ')
		dst = appendText(dst, params[i].Value)
	}
	return append(dst, ')')
}
