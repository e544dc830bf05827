// Trace fields: Received and Return-Path.

package smtp

import (
	"net/netip"
	"strings"
	"time"
)

// Received is a trace field (RFC 5321 section 4.4).
type Received struct {
	// From is the name that the client gave in EHLO, whatever it is.
	From string
	// Addr is the client's address; the zero Addr where it has none.
	Addr netip.Addr
	// TLS describes the encryption, for people: "TLS 1.3, TLS_AES_128_GCM_SHA256".
	TLS string
	// By is the server's own name.
	By string
	// With is the protocol: SMTP, ESMTP, ESMTPSA, LMTP (RFC 3848, RFC 6531).
	With string
	// ID is the server's id of the message, an atom; left out when empty or
	// no atom.
	ID string
	// For is the one recipient; leave it null where there are more.
	For Path
	// Time is when the message came, in the zone it is to be shown in.
	Time time.Time
}

// AppendReceived appends the field to dst, folded, with its CRLF. What the
// client gave and the grammar has no room for is left out.
func AppendReceived(dst []byte, r *Received) []byte {
	literal := AddressLiteral(r.Addr)
	from := r.From
	if _, reason := checkDomain(from); reason != "" || len(from) > 255 {
		from = literal
	}
	dst = append(dst, "Received: from "...)
	if from == "" {
		from = "localhost"
	}
	dst = append(dst, from...)
	if literal != "" {
		dst = append(dst, " ("...)
		dst = append(dst, literal...)
		dst = append(dst, ')')
	}
	if r.TLS != "" {
		dst = append(dst, "\r\n\t("...)
		dst = appendComment(dst, r.TLS)
		dst = append(dst, ')')
	}
	by := r.By
	if _, reason := checkDomain(by); reason != "" {
		by = "localhost"
	}
	dst = append(dst, "\r\n\tby "...)
	dst = append(dst, by...)
	if dotAtom.All(r.With) {
		dst = append(dst, " with "...)
		dst = append(dst, r.With...)
	}
	if dotAtom.All(r.ID) {
		dst = append(dst, " id "...)
		dst = append(dst, r.ID...)
	}
	if !r.For.IsNull() && r.For.Check() == nil {
		dst = append(dst, "\r\n\tfor <"...)
		dst = append(dst, r.For.String()...)
		dst = append(dst, '>')
	}
	dst = append(dst, ";\r\n\t"...)
	dst = r.Time.AppendFormat(dst, "Mon, 2 Jan 2006 15:04:05 -0700")
	return append(dst, "\r\n"...)
}

// AppendReturnPath appends the field Return-Path that final delivery puts on
// top, with its CRLF. A path that is none becomes the null path.
func AppendReturnPath(dst []byte, from Path) []byte {
	dst = append(dst, "Return-Path: <"...)
	if from.Check() == nil {
		dst = append(dst, from.String()...)
	}
	return append(dst, ">\r\n"...)
}

// AddressLiteral is addr as an address literal: [192.0.2.1] or
// [IPv6:2001:db8::1]; empty for the zero Addr. A zone is dropped.
func AddressLiteral(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return ""
	case addr.Is4():
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.String() + "]"
}

func appendComment(dst []byte, s string) []byte {
	return append(dst, strings.Map(func(r rune) rune {
		if r == '(' || r == ')' || r == '\\' {
			return -1
		}
		return r
	}, CleanText(s))...)
}
