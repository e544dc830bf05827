package imapwire

// FETCH responses to octets, item by item.

import (
	"strconv"
	"time"

	"github.com/mailwire/mailwire/imap"
)

// FetchEncoder writes FETCH responses item by item into Buf, which the caller
// sends and empties whenever it likes. It allocates nothing beside Buf's
// growth.
//
//	e.Begin(seq)
//	e.UID(uid)
//	e.Flags(flags)
//	e.Section(section, size) // then send Buf and size octets, and empty Buf
//	err := e.End()
//
// Errors stick until End, which returns the first and, where nothing of the
// response was sent, takes it back out of Buf.
type FetchEncoder struct {
	Buf []byte
	// UTF8 says that UTF8=ACCEPT is in force (RFC 6855).
	UTF8  bool
	start int
	open  bool
	sent  bool
	some  bool
	err   error
}

// Begin begins the response for the message seq.
func (e *FetchEncoder) Begin(seq imap.SeqNum) {
	e.start, e.open, e.sent, e.some, e.err = len(e.Buf), true, false, false, nil
	e.Buf = strconv.AppendUint(append(e.Buf, "* "...), uint64(seq), 10)
	e.Buf = append(e.Buf, " FETCH ("...)
}

// BeginUID begins the response UIDFETCH (RFC 9586) for the message uid.
func (e *FetchEncoder) BeginUID(uid imap.UID) {
	e.start, e.open, e.sent, e.some, e.err = len(e.Buf), true, false, false, nil
	e.Buf = strconv.AppendUint(append(e.Buf, "* "...), uint64(uid), 10)
	e.Buf = append(e.Buf, " UIDFETCH ("...)
}

// name appends the space between items and an item's name with its space.
func (e *FetchEncoder) name(s string) {
	if e.some {
		e.Buf = append(e.Buf, ' ')
	}
	e.some = true
	e.Buf = append(e.Buf, s...)
}

func (e *FetchEncoder) fail(err error) {
	if err != nil && e.err == nil {
		e.err = err
	}
}

// UID appends UID.
func (e *FetchEncoder) UID(u imap.UID) {
	e.name("UID ")
	e.Buf = strconv.AppendUint(e.Buf, uint64(u), 10)
}

// Flags appends FLAGS.
func (e *FetchEncoder) Flags(flags []imap.Flag) {
	e.name("FLAGS ")
	var err error
	e.Buf, err = appendFlags(e.Buf, flags)
	e.fail(err)
}

// InternalDate appends INTERNALDATE.
func (e *FetchEncoder) InternalDate(t time.Time) {
	e.name(`INTERNALDATE "`)
	e.Buf = append(imap.AppendDateTime(e.Buf, t), '"')
}

// Size appends RFC822.SIZE, in octets.
func (e *FetchEncoder) Size(n int64) {
	e.name("RFC822.SIZE ")
	e.Buf = strconv.AppendInt(e.Buf, max(0, n), 10)
}

// ModSeq appends MODSEQ (RFC 7162).
func (e *FetchEncoder) ModSeq(m imap.ModSeq) {
	e.name("MODSEQ (")
	e.Buf = append(strconv.AppendUint(e.Buf, uint64(m), 10), ')')
}

// Envelope appends ENVELOPE. NUL in it becomes "?".
func (e *FetchEncoder) Envelope(v *imap.Envelope) {
	e.name("ENVELOPE ")
	e.Buf = AppendEnvelope(e.Buf, v)
}

// BodyStructure appends BODYSTRUCTURE, or BODY, which has no extension data,
// where extended is false. NUL in it becomes "?".
func (e *FetchEncoder) BodyStructure(b *imap.BodyStructure, extended bool) {
	if extended {
		e.name("BODYSTRUCTURE ")
	} else {
		e.name("BODY ")
	}
	e.Buf = AppendBodyStructure(e.Buf, b, extended)
}

// Section appends the name of a section and the header of its literal of size
// octets. The caller sends Buf and those octets, and empties Buf.
//
// item is what the client asked for: a *[imap.BodySection], a
// *[imap.BinarySection], or [imap.FetchRFC822] and its like. Peek and the
// partial's count do not show in the answer. An item that cannot be written
// is an error that is returned at once: then no octets may follow.
func (e *FetchEncoder) Section(item imap.FetchItem, size int64) error {
	if size < 0 {
		err := &badToken{"size", strconv.FormatInt(size, 10)}
		e.fail(err)
		return err
	}
	if err := e.section(item); err != nil {
		return err
	}
	if b, ok := item.(*imap.BinarySection); ok && b != nil {
		e.Buf = append(e.Buf, '~')
	}
	e.Buf = AppendLiteralHeader(e.Buf, size)
	e.sent = true
	return nil
}

// SectionNIL appends a section that does not exist: NIL.
func (e *FetchEncoder) SectionNIL(item imap.FetchItem) {
	if e.section(item) == nil {
		e.Buf = append(e.Buf, "NIL"...)
	}
}

// SectionBytes appends a section with its octets, as a literal.
func (e *FetchEncoder) SectionBytes(item imap.FetchItem, b []byte) {
	sent := e.sent
	if e.Section(item, int64(len(b))) == nil {
		e.Buf = append(e.Buf, b...)
	}
	e.sent = sent
}

// BinarySize appends BINARY.SIZE[...] (RFC 3516), in octets.
func (e *FetchEncoder) BinarySize(item *imap.BinarySize, n int64) {
	if e.section(item) == nil {
		e.Buf = strconv.AppendInt(e.Buf, max(0, n), 10)
	}
}

// Raw appends an item as it stands on the wire.
func (e *FetchEncoder) Raw(item imap.RawItem) {
	from := len(e.Buf)
	some := e.some
	e.name("")
	var err error
	if e.Buf, err = appendRawValue(e.Buf, item.Name); err == nil {
		e.Buf, err = appendRawValue(append(e.Buf, ' '), item.Value)
	}
	if err != nil {
		e.Buf, e.some = e.Buf[:from], some
		e.fail(err)
	}
}

// section appends the name of a section, with a space behind it.
func (e *FetchEncoder) section(item imap.FetchItem) error {
	from := len(e.Buf)
	some := e.some
	e.name("")
	var err error
	e.Buf, err = appendSectionName(e.Buf, item)
	if err != nil {
		e.Buf, e.some = e.Buf[:from], some
		e.fail(err)
		return err
	}
	e.Buf = append(e.Buf, ' ')
	return nil
}

func appendSectionName(dst []byte, item imap.FetchItem) ([]byte, error) {
	var partial *imap.Partial
	var err error
	switch s := item.(type) {
	case *imap.BodySection:
		dst, err = s.AppendSection(append(dst, "BODY"...))
		partial = s.Partial
	case *imap.BinarySection:
		dst, err = (&imap.BinarySection{Part: s.Part}).AppendText(dst)
		partial = s.Partial
	case *imap.BinarySize:
		return s.AppendText(dst)
	case imap.FetchAtt:
		return appendAtom(dst, string(s))
	default:
		return dst, errEncode
	}
	if partial != nil && partial.Offset < 0 {
		return dst, &badToken{"partial", strconv.FormatInt(partial.Offset, 10)}
	}
	if partial != nil && err == nil {
		dst = strconv.AppendInt(append(dst, '<'), partial.Offset, 10)
		dst = append(dst, '>')
	}
	return dst, err
}

// EmailID appends EMAILID (RFC 8474).
func (e *FetchEncoder) EmailID(id string) { e.objectID("EMAILID ", id) }

// ThreadID appends THREADID (RFC 8474): NIL where id is empty.
func (e *FetchEncoder) ThreadID(id string) { e.objectID("THREADID ", id) }

func (e *FetchEncoder) objectID(name, id string) {
	e.name(name)
	if id == "" {
		e.Buf = append(e.Buf, "NIL"...)
		return
	}
	var err error
	if e.Buf, err = appendAtom(append(e.Buf, '('), id); err != nil {
		e.fail(err)
	}
	e.Buf = append(e.Buf, ')')
}

// SaveDate appends SAVEDATE (RFC 8514): NIL where t is zero.
func (e *FetchEncoder) SaveDate(t time.Time) {
	e.name("SAVEDATE ")
	if t.IsZero() {
		e.Buf = append(e.Buf, "NIL"...)
		return
	}
	e.Buf = append(imap.AppendDateTime(append(e.Buf, '"'), t), '"')
}

// Preview appends PREVIEW (RFC 8970).
func (e *FetchEncoder) Preview(text string) {
	e.name("PREVIEW ")
	e.Buf = appendText(e.Buf, text)
}

// PreviewNIL appends a PREVIEW that is not known.
func (e *FetchEncoder) PreviewNIL() { e.name("PREVIEW NIL") }

// GmailLabels appends X-GM-LABELS. A label that holds CR, LF or NUL, or is not
// UTF-8, is an error.
func (e *FetchEncoder) GmailLabels(labels []string) {
	e.name("X-GM-LABELS (")
	for i, l := range labels {
		if i > 0 {
			e.Buf = append(e.Buf, ' ')
		}
		if systemLabel(l) {
			e.Buf = append(e.Buf, l...)
			continue
		}
		var err error
		if !e.UTF8 {
			l, err = imap.EncodeUTF7(l)
		}
		if err == nil {
			e.Buf, err = appendAString(e.Buf, l)
		}
		e.fail(err)
	}
	e.Buf = append(e.Buf, ')')
}

// GmailMessageID appends X-GM-MSGID.
func (e *FetchEncoder) GmailMessageID(id uint64) {
	e.name("X-GM-MSGID ")
	e.Buf = strconv.AppendUint(e.Buf, id, 10)
}

// GmailThreadID appends X-GM-THRID.
func (e *FetchEncoder) GmailThreadID(id uint64) {
	e.name("X-GM-THRID ")
	e.Buf = strconv.AppendUint(e.Buf, id, 10)
}

// End ends the response. An error means that an item could not be written;
// where Section was called, the connection cannot go on, else the response is
// out of Buf again.
func (e *FetchEncoder) End() error {
	if e.err != nil && !e.sent && e.open {
		e.Buf = e.Buf[:min(e.start, len(e.Buf))]
	} else {
		e.Buf = append(e.Buf, ')', '\r', '\n')
	}
	e.open = false
	return e.err
}

// appendFetch appends a FetchData whose sections are in memory.
func (o *EncodeOptions) appendFetch(dst []byte, r *FetchData) ([]byte, error) {
	e := FetchEncoder{Buf: dst, UTF8: o.UTF8}
	has := func(f FetchFields) bool { return r.Has&f != 0 }
	if r.UIDFetch {
		e.BeginUID(r.UID)
	} else {
		e.Begin(r.Seq)
		if has(HasUID) {
			e.UID(r.UID)
		}
	}
	if has(HasFlags) {
		e.Flags(r.Flags)
	}
	if has(HasModSeq) {
		e.ModSeq(r.ModSeq)
	}
	if has(HasInternalDate) {
		e.InternalDate(r.InternalDate)
	}
	if has(HasSize) {
		e.Size(r.Size)
	}
	if has(HasEmailID) {
		e.EmailID(r.EmailID)
	}
	if has(HasThreadID) {
		e.ThreadID(r.ThreadID)
	}
	if has(HasSaveDate) {
		e.SaveDate(r.SaveDate)
	}
	if has(HasPreview) && r.PreviewNil {
		e.PreviewNIL()
	} else if has(HasPreview) {
		e.Preview(r.Preview)
	}
	if has(HasGmailLabels) {
		e.GmailLabels(r.GmailLabels)
	}
	if has(HasGmailMessageID) {
		e.GmailMessageID(r.GmailMessageID)
	}
	if has(HasGmailThreadID) {
		e.GmailThreadID(r.GmailThreadID)
	}
	if has(HasEnvelope) {
		e.Envelope(r.Envelope)
	}
	if has(HasBody) {
		e.BodyStructure(r.BodyStructure, false)
	}
	if has(HasBodyStructure) {
		e.BodyStructure(r.BodyStructure, true)
	}
	for i := range r.Extended {
		e.Raw(r.Extended[i])
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		if s.Stream != nil {
			e.fail(errEncode)
			continue
		}
		if b, ok := s.Item.(*imap.BinarySize); ok {
			e.BinarySize(b, s.Size)
		} else if s.Body == nil {
			e.SectionNIL(s.Item)
		} else {
			e.SectionBytes(s.Item, s.Body)
		}
	}
	return e.Buf, e.End()
}
