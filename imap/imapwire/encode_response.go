package imapwire

// Untagged responses to octets.

import (
	"encoding/base64"
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// EncodeOptions change how values are written.
type EncodeOptions struct {
	// UTF8 says that UTF8=ACCEPT is in force: mailbox names are sent as UTF-8
	// (RFC 6855).
	UTF8 bool
	// UTF8Text says that the client chose a language by LANGUAGE: texts for
	// people are sent as UTF-8 (RFC 5255 section 3.5). Else what is not ASCII
	// becomes "?" in them.
	UTF8Text bool
}

// AppendResponse appends a response with its line end. o may be nil. A value
// that the grammar has no room for is an error, and nothing is appended.
//
// A FetchData's sections that stream cannot be written so: see
// [FetchEncoder].
func AppendResponse(dst []byte, r Response, o *EncodeOptions) ([]byte, error) {
	if o == nil {
		o = &EncodeOptions{}
	}
	from := len(dst)
	dst, err := o.appendResponse(dst, r)
	if err != nil {
		return dst[:from], err
	}
	return dst, nil
}

func (o *EncodeOptions) appendResponse(dst []byte, r Response) ([]byte, error) {
	var err error
	switch r := r.(type) {
	case *StatusResponse:
		return appendStatus(dst, r.Tag, r.Cond, r.Code, r.Text, o.UTF8Text), nil
	case *Continuation:
		return AppendContinuation(dst, r.Text), nil
	case *CapabilityData:
		dst, err = appendCapabilities(append(dst, "* CAPABILITY"...), r.Capabilities)
	case *EnabledData:
		dst, err = appendCapabilities(append(dst, "* ENABLED"...), r.Capabilities)
	case *ListData:
		dst, err = o.appendList(dst, r)
	case *StatusData:
		dst, err = o.appendStatusData(dst, &r.MailboxStatus)
	case *FlagsData:
		dst, err = appendFlags(append(dst, "* FLAGS "...), r.Flags)
	case *ExistsData:
		return appendCount(dst, r.Count, " EXISTS\r\n"), nil
	case *RecentData:
		return appendCount(dst, r.Count, " RECENT\r\n"), nil
	case *ExpungeData:
		return appendCount(dst, uint32(r.Seq), " EXPUNGE\r\n"), nil
	case *VanishedData:
		dst = append(dst, "* VANISHED "...)
		if r.Earlier {
			dst = append(dst, "(EARLIER) "...)
		}
		if r.UIDs.Dynamic() {
			return dst, &badToken{"set of known UIDs", r.UIDs.String()}
		}
		dst, err = r.UIDs.AppendText(dst)
	case *NamespaceData:
		dst = append(dst, "* NAMESPACE"...)
		for _, list := range [...][]imap.Namespace{r.Personal, r.Other, r.Shared} {
			if dst, err = o.appendNamespaces(append(dst, ' '), list); err != nil {
				return dst, err
			}
		}
	case *IDData:
		dst, err = appendID(append(dst, "* ID "...), r.Params)
	case *FetchData:
		return o.appendFetch(dst, r)
	case *UnknownData:
		dst, err = appendWire(dst, r.Raw)
	case responseEncoder:
		dst, err = r.appendData(append(dst, "* "...), o)
	default:
		return dst, errEncode
	}
	return append(dst, '\r', '\n'), err
}

func appendCount(dst []byte, n uint32, word string) []byte {
	dst = strconv.AppendUint(append(dst, "* "...), uint64(n), 10)
	return append(dst, word...)
}

func appendCapabilities(dst []byte, caps imap.Capabilities) ([]byte, error) {
	var err error
	for _, c := range caps {
		if dst, err = appendAtom(append(dst, ' '), string(c)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (o *EncodeOptions) appendList(dst []byte, r *ListData) ([]byte, error) {
	switch {
	case r.Lsub:
		dst = append(dst, "* LSUB ("...)
	case r.XList:
		dst = append(dst, "* XLIST ("...)
	default:
		dst = append(dst, "* LIST ("...)
	}
	for i, a := range r.Attrs {
		if !a.Valid() {
			return dst, &badToken{"mailbox attribute", string(a)}
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, a...)
	}
	dst = append(dst, ") "...)
	dst = appendDelimiter(dst, r.Delimiter)
	dst, err := appendName(append(dst, ' '), r.Name, o.UTF8)
	if err != nil || len(r.ChildInfo) == 0 && r.OldName == "" && len(r.Extended) == 0 {
		return dst, err
	}
	dst = append(dst, " ("...)
	sep := ""
	if len(r.ChildInfo) > 0 {
		dst = append(dst, `"CHILDINFO" (`...)
		for i, c := range r.ChildInfo {
			if i > 0 {
				dst = append(dst, ' ')
			}
			if !quotable(c) {
				return dst, errEncode
			}
			dst = appendQuoted(dst, c)
		}
		dst = append(dst, ')')
		sep = " "
	}
	if r.OldName != "" {
		dst = append(append(dst, sep...), `"OLDNAME" (`...)
		if dst, err = appendName(dst, r.OldName, o.UTF8); err != nil {
			return dst, err
		}
		dst = append(dst, ')')
		sep = " "
	}
	for _, x := range r.Extended {
		dst = append(dst, sep...)
		if !quotable(x.Name) {
			return dst, errEncode
		}
		dst = append(appendQuoted(dst, x.Name), ' ')
		if dst, err = appendRawValue(dst, x.Value); err != nil {
			return dst, err
		}
		sep = " "
	}
	return append(dst, ')'), nil
}

func (o *EncodeOptions) appendStatusData(dst []byte, s *imap.MailboxStatus) ([]byte, error) {
	dst, err := appendName(append(dst, "* STATUS "...), s.Name, o.UTF8)
	if err != nil {
		return dst, err
	}
	dst = append(dst, " ("...)
	sep := ""
	for _, item := range s.Items {
		dst = append(dst, sep...)
		if dst, err = appendAtom(dst, string(item)); err != nil {
			return dst, err
		}
		dst = append(dst, ' ')
		sep = " "
		if n, ok := statusNumber(s, item); ok {
			dst = strconv.AppendUint(dst, n, 10)
			continue
		}
		switch {
		case item.Equal(imap.StatusAppendLimit):
			if s.AppendLimit == nil {
				dst = append(dst, "NIL"...)
			} else {
				dst = strconv.AppendInt(dst, max(0, *s.AppendLimit), 10)
			}
		case item.Equal(imap.StatusMailboxID):
			dst = append(dst, '(')
			if dst, err = appendAtom(dst, s.MailboxID); err != nil {
				return dst, err
			}
			dst = append(dst, ')')
		default:
			return dst, &badToken{"STATUS item that has a value", string(item)}
		}
	}
	for _, x := range s.Extended {
		dst = append(dst, sep...)
		if dst, err = appendAtom(dst, x.Name); err != nil {
			return dst, err
		}
		if dst, err = appendRawValue(append(dst, ' '), x.Value); err != nil {
			return dst, err
		}
		sep = " "
	}
	return append(dst, ')'), nil
}

// statusNumber is the value of an item that is a number.
func statusNumber(s *imap.MailboxStatus, item imap.StatusItem) (uint64, bool) {
	switch {
	case item.Equal(imap.StatusMessages):
		return uint64(s.Messages), true
	case item.Equal(imap.StatusRecent):
		return uint64(s.Recent), true
	case item.Equal(imap.StatusUIDNext):
		return uint64(s.UIDNext), true
	case item.Equal(imap.StatusUIDValidity):
		return uint64(s.UIDValidity), true
	case item.Equal(imap.StatusUnseen):
		return uint64(s.Unseen), true
	case item.Equal(imap.StatusDeleted):
		return uint64(s.Deleted), true
	case item.Equal(imap.StatusDeletedStorage):
		return uint64(max(0, s.DeletedStorage)), true
	case item.Equal(imap.StatusSize):
		return uint64(max(0, s.Size)), true
	case item.Equal(imap.StatusHighestModSeq):
		return uint64(s.HighestModSeq), true
	}
	return 0, false
}

func (o *EncodeOptions) appendNamespaces(dst []byte, list []imap.Namespace) ([]byte, error) {
	if len(list) == 0 {
		return append(dst, "NIL"...), nil
	}
	dst = append(dst, '(')
	for _, n := range list {
		var err error
		if dst, err = o.appendPrefix(append(dst, '('), n.Prefix); err != nil {
			return dst, err
		}
		dst = appendDelimiter(append(dst, ' '), n.Delimiter)
		if n.Translation != "" {
			if dst, err = o.appendPrefix(append(dst, ` "TRANSLATION" (`...), n.Translation); err != nil {
				return dst, err
			}
			dst = append(dst, ')')
		}
		for _, x := range n.Extended {
			if !quotable(x.Name) {
				return dst, errEncode
			}
			dst = append(appendQuoted(append(dst, ' '), x.Name), ' ')
			if dst, err = appendRawValue(dst, x.Value); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ')')
	}
	return append(dst, ')'), nil
}

// appendPrefix appends a name, or the beginning of one, as a string.
func (o *EncodeOptions) appendPrefix(dst []byte, name string) ([]byte, error) {
	if o.UTF8 {
		return appendUTF8Name(dst, name)
	}
	name, err := imap.EncodeUTF7(name)
	if err != nil {
		return dst, err
	}
	return AppendString(dst, name)
}

// appendID appends the fields of ID, or NIL.
func appendID(dst []byte, params []imap.IDParam) ([]byte, error) {
	if len(params) == 0 {
		return append(dst, "NIL"...), nil
	}
	dst = append(dst, '(')
	if len(params) > maxIDParams {
		return dst, &badToken{"list for ID", strconv.Itoa(len(params)) + " fields"}
	}
	for i, f := range params {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if !quotable(f.Name) || !quotable(f.Value) || len(f.Name) > maxIDName {
			return dst, &badToken{"field of ID", f.Name}
		}
		dst = append(appendQuoted(dst, f.Name), ' ')
		if f.Value == "" {
			dst = append(dst, "NIL"...)
		} else {
			dst = appendQuoted(dst, f.Value)
		}
	}
	return append(dst, ')'), nil
}

func appendBase64(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }
