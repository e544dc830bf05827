package tnef

// The structure: attributes, attachments, recipients, embedded messages.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
)

// ErrFormat says that the data does not begin as TNEF does.
var ErrFormat = errors.New("tnef: signature 78 9f 3e 22 expected at offset 0")

const signature = 0x223E9F78

// Limits bounds what Parse keeps in memory. Counts are of a message and all embedded in it together. A field that is zero or
// negative means the default. What is beyond a limit is passed over and reported as a Defect.
type Limits struct {
	Attributes  int   // Default 10000
	Attachments int   // Default 1000
	Recipients  int   // Default 5000
	Properties  int   // with those of recipients and attachments; of several values each counts. Default 50000
	ValueSize   int64 // octets of a string or binary value that is kept; longer ones have their range alone. Default 1 MiB
	TotalSize   int64 // octets of all values kept. Default 16 MiB
	Depth       int   // of embedded messages, the outermost being 1. Default 8
	Defects     int   // Default 100
}

// Options configures Parse. nil means the defaults.
type Options struct {
	Limits Limits
}

func (o *Options) limits() Limits {
	var l Limits
	if o != nil {
		l = o.Limits
	}
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Attributes, 10000)
	def(&l.Attachments, 1000)
	def(&l.Recipients, 5000)
	def(&l.Properties, 50000)
	def(&l.Depth, 8)
	def(&l.Defects, 100)
	if l.ValueSize <= 0 {
		l.ValueSize = 1 << 20
	}
	if l.TotalSize <= 0 {
		l.TotalSize = 16 << 20
	}
	return l
}

// DefectCode says what kind of fault was met.
type DefectCode uint8

// The faults that Parse reads over.
const (
	DefectTruncated  DefectCode = iota + 1 // the data ends within an attribute or a property
	DefectChecksum                         // an attribute's checksum does not agree
	DefectLevel                            // an attribute is neither of the message nor of an attachment; reading ends there
	DefectProperties                       // a list of properties cannot be followed to its end
	DefectLimit                            // there is more than a limit allows
	DefectEmbedded                         // an embedded message is not TNEF
	DefectTrailing                         // octets that are no attribute stand behind the last one
)

var defectText = [...]string{"", "data ends early", "checksum does not agree", "level is neither 1 nor 2", "properties cannot be read",
	"more than a limit allows", "embedded message is not TNEF", "octets behind the end"}

func (c DefectCode) String() string {
	if int(c) < len(defectText) {
		return defectText[c]
	}
	return fmt.Sprintf("defect %d", uint8(c))
}

// A Defect is a fault of the input that was read over.
type Defect struct {
	Code   DefectCode
	Offset int64 // in octets from the start of the outermost data
}

func (d Defect) String() string { return fmt.Sprintf("%s at offset %d", d.Code, d.Offset) }

// Tag is an attribute's identifier with its type.
type Tag uint32

// The attributes of MS-OXTNEF section 2.1.3.2 that Parse interprets.
const (
	TagOwner                   Tag = 0x00060000
	TagSentFor                 Tag = 0x00060001
	TagDelegate                Tag = 0x00060002
	TagDateStart               Tag = 0x00030006
	TagDateEnd                 Tag = 0x00030007
	TagAidOwner                Tag = 0x00040008
	TagRequestResponse         Tag = 0x00040009
	TagFrom                    Tag = 0x00008000
	TagSubject                 Tag = 0x00018004
	TagDateSent                Tag = 0x00038005
	TagDateReceived            Tag = 0x00038006
	TagMessageStatus           Tag = 0x00068007
	TagMessageClass            Tag = 0x00078008
	TagMessageID               Tag = 0x00018009
	TagParentID                Tag = 0x0001800A
	TagConversationID          Tag = 0x0001800B
	TagBody                    Tag = 0x0002800C
	TagPriority                Tag = 0x0004800D
	TagAttachData              Tag = 0x0006800F
	TagAttachTitle             Tag = 0x00018010
	TagAttachMetaFile          Tag = 0x00068011
	TagAttachCreateDate        Tag = 0x00038012
	TagAttachModifyDate        Tag = 0x00038013
	TagDateModified            Tag = 0x00038020
	TagAttachTransportFilename Tag = 0x00069001
	TagAttachRenderData        Tag = 0x00069002
	TagMessageProperties       Tag = 0x00069003
	TagRecipientTable          Tag = 0x00069004
	TagAttachment              Tag = 0x00069005
	TagVersion                 Tag = 0x00089006
	TagOEMCodepage             Tag = 0x00069007
	TagOriginalMessageClass    Tag = 0x00070600
)

// An Attribute is one attribute as it stands.
type Attribute struct {
	Level    uint8 // 1 of the message, 2 of an attachment
	Tag      Tag
	Range    mime.Range // of its data
	Checksum bool       // whether the checksum agrees
}

// A Message is what a TNEF stream, or a message embedded in one, holds. It reads from the source that it was parsed from.
type Message struct {
	Key         uint16
	Version     uint32
	Codepage    int // of strings that are not Unicode; 0 if it is not said
	Attributes  []Attribute
	Properties  Properties
	Recipients  []Recipient
	Attachments []*Attachment

	// What older attributes say, beside which Properties may say the same.
	Subject, Class, MessageID    string
	Sent, Received, Modified     time.Time
	FromName, FromType, FromAddr string // of the attribute From
	Priority                     int    // 1 high, 2 normal, 3 low; 0 if it is not said

	// Defects is set on the outermost message only.
	Defects []Defect

	src     io.ReaderAt
	body    *mime.Range // of TagBody
	charset string
}

// A Recipient is a row of the recipient table.
type Recipient struct {
	Properties Properties
}

// An Attachment is a file, or a message, of a Message.
type Attachment struct {
	// Title is the short name of the attribute, TransportName the name that a gateway gave.
	Title, TransportName string
	Created, Modified    time.Time
	// OLE tells an object from a file, and Position where in the text it stands; -1 for nowhere.
	OLE        bool
	Position   int32
	Properties Properties
	// Message is an embedded message.
	Message *Message

	src  io.ReaderAt
	data *mime.Range
}

type parser struct {
	src     io.ReaderAt
	lim     Limits
	left    Limits // what of the counts and of TotalSize may still be kept
	defects []Defect
	limited bool
}

func (p *parser) defect(c DefectCode, off int64) {
	if c == DefectLimit {
		if p.limited {
			return
		}
		p.limited = true
	}
	if len(p.defects) < p.lim.Defects {
		p.defects = append(p.defects, Defect{c, off})
	}
}

// Parse reads the structure of the size octets in r, which must stay readable as long as the Message is used. The error is r's, or
// ErrFormat.
func Parse(r io.ReaderAt, size int64, o *Options) (*Message, error) {
	l := o.limits()
	p := &parser{src: r, lim: l, left: l}
	m, err := p.message(mime.Range{Start: 0, End: size}, 1, "")
	if m != nil {
		m.Defects = p.defects
	}
	return m, err
}

// ParseBytes reads the structure of b, which must not change as long as the Message is used.
func ParseBytes(b []byte, o *Options) (*Message, error) {
	return Parse(bytes.NewReader(b), int64(len(b)), o)
}

// message reads the stream in the range.
func (p *parser) message(in mime.Range, depth int, charset string) (*Message, error) {
	c := newCursor(p.src, in)
	if c.u32() != signature || c.err != nil {
		if c.fail != nil {
			return nil, c.fail
		}
		return nil, ErrFormat
	}
	m := &Message{Key: c.u16(), src: p.src, charset: charset}
	var att *Attachment
	begun := false // att has been begun by its render data
	full := false  // there are too many attachments
	for first := true; c.left() > 0; first = false {
		start := c.off
		if c.left() < 9 {
			p.defect(DefectTrailing, start)
			break
		}
		a := Attribute{Level: c.u8(), Tag: Tag(c.u32())}
		size := int64(c.u32())
		if c.err != nil {
			break
		}
		if a.Level != 1 && a.Level != 2 {
			code := DefectLevel
			if !first {
				code = DefectTrailing
			}
			p.defect(code, start)
			break
		}
		if p.left.Attributes <= 0 {
			p.defect(DefectLimit, start)
			break
		}
		p.left.Attributes--
		a.Range = mime.Range{Start: c.off, End: c.off + size}
		if a.Range.End > in.End {
			p.defect(DefectTruncated, start)
			a.Range.End = in.End
		}
		sum := c.sum(a.Range.Len())
		if c.left() >= 2 {
			if a.Checksum = c.u16() == sum; !a.Checksum {
				p.defect(DefectChecksum, a.Range.End)
			}
		} else {
			c.skip(c.left())
			p.defect(DefectTruncated, a.Range.End)
		}
		if c.fail != nil {
			break
		}
		m.Attributes = append(m.Attributes, a)
		if a.Level == 2 {
			if a.Tag == TagAttachRenderData && (begun || att == nil) || att == nil {
				if p.left.Attachments <= 0 {
					p.defect(DefectLimit, start)
					full = true
				}
				p.left.Attachments--
				att = &Attachment{Position: -1, src: p.src}
				if !full {
					m.Attachments = append(m.Attachments, att)
				}
			}
			begun = begun || a.Tag == TagAttachRenderData
		}
		if full && a.Level == 2 {
			continue
		}
		if err := p.attribute(m, att, a, depth); err != nil {
			return m, err
		}
	}
	return m, c.fail
}

// attribute interprets one attribute.
func (p *parser) attribute(m *Message, att *Attachment, a Attribute, depth int) error {
	c := newCursor(p.src, a.Range)
	text := func() string {
		b := c.bytes(min(a.Range.Len(), p.lim.ValueSize, 64<<10))
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		return decode(b, m.charset)
	}
	switch a.Tag {
	case TagVersion:
		m.Version = c.u32()
	case TagOEMCodepage:
		m.Codepage = int(c.u32())
		m.charset = codepage(m.Codepage)
	case TagSubject:
		m.Subject = text()
	case TagMessageClass, TagOriginalMessageClass:
		if s := text(); m.Class == "" || a.Tag == TagMessageClass {
			m.Class = s
		}
	case TagMessageID:
		m.MessageID = text()
	case TagDateSent:
		m.Sent = c.date()
	case TagDateReceived:
		m.Received = c.date()
	case TagDateModified:
		m.Modified = c.date()
	case TagPriority:
		m.Priority = int(c.u16())
	case TagFrom:
		m.from(c.bytes(min(a.Range.Len(), 64<<10)))
	case TagBody:
		r := a.Range
		m.body = &r
	case TagMessageProperties:
		l, _ := p.properties(&c, m.charset)
		m.Properties = append(m.Properties, l...)
		m.unicode()
	case TagRecipientTable:
		n := c.u32()
		if c.err != nil {
			p.defect(DefectProperties, c.off)
		}
		for i := uint32(0); i < n && c.err == nil; i++ {
			if p.left.Recipients <= 0 || p.left.Properties <= 0 {
				p.defect(DefectLimit, c.off)
				break
			}
			p.left.Recipients--
			l, _ := p.properties(&c, m.charset)
			if len(l) > 0 {
				m.Recipients = append(m.Recipients, Recipient{l})
			}
		}
	}
	if att == nil || a.Level != 2 {
		return c.fail
	}
	switch a.Tag {
	case TagAttachRenderData:
		att.OLE = c.u16() == 2
		att.Position = int32(c.u32())
	case TagAttachTitle:
		att.Title = text()
	case TagAttachTransportFilename:
		att.TransportName = text()
	case TagAttachCreateDate:
		att.Created = c.date()
	case TagAttachModifyDate:
		att.Modified = c.date()
	case TagAttachData:
		r := a.Range
		att.data = &r
	case TagAttachment:
		l, object := p.properties(&c, m.charset)
		att.Properties = append(att.Properties, l...)
		if object.Len() > 0 && att.Message == nil {
			if depth >= p.lim.Depth {
				p.defect(DefectLimit, object.Start)
				return c.fail
			}
			e, err := p.message(object, depth+1, m.charset)
			switch {
			case err == ErrFormat:
				p.defect(DefectEmbedded, object.Start)
			case err != nil:
				return err
			default:
				att.Message = e
			}
		}
	}
	return c.fail
}

// unicode takes the code page of the message's properties for what comes behind them, if the attribute does not say one.
func (m *Message) unicode() {
	if m.charset == "" {
		if cp, ok := m.Properties.Int(PidMessageCodepage); ok {
			m.charset = codepage(int(cp))
		}
	}
}

// from reads a TRIPLES structure (MS-OXTNEF section 2.1.3.3.2).
func (m *Message) from(b []byte) {
	c := newCursor(bytes.NewReader(b), mime.Range{Start: 0, End: int64(len(b))})
	c.u16()
	c.u16()
	name, addr := int64(c.u16()), int64(c.u16())
	cut := func(n int64) string {
		s := c.bytes(min(n, c.left()))
		if i := bytes.IndexByte(s, 0); i >= 0 {
			s = s[:i]
		}
		return decode(s, m.charset)
	}
	m.FromName = cut(name)
	a := cut(addr)
	if t, rest, ok := strings.Cut(a, ":"); ok {
		m.FromType, a = t, rest
	}
	m.FromAddr = a
}

// All yields m and all messages embedded in it, in order.
func (m *Message) All() iter.Seq[*Message] {
	return func(yield func(*Message) bool) { m.all(yield) }
}

func (m *Message) all(yield func(*Message) bool) bool {
	if !yield(m) {
		return false
	}
	for _, a := range m.Attachments {
		if a.Message != nil && !a.Message.all(yield) {
			return false
		}
	}
	return true
}

// Name returns the display name of a recipient.
func (r Recipient) Name() string {
	s, _ := r.Properties.Text(PidDisplayName, PidTransmittableDisplayName)
	return s
}

// Address returns the Internet address of a recipient, or its address of another kind ("EX:/o=...") where it has none.
func (r Recipient) Address() string {
	if s, ok := r.Properties.Text(PidSMTPAddress); ok && s != "" {
		return s
	}
	s, _ := r.Properties.Text(PidEmailAddress)
	if t, ok := r.Properties.Text(PidAddressType); ok && t != "" && !strings.EqualFold(t, "SMTP") && s != "" {
		return t + ":" + s
	}
	return s
}

// Kind returns "To", "Cc", "Bcc", or "" for none of them (the originator has it).
func (r Recipient) Kind() string {
	n, _ := r.Properties.Int(PidRecipientType)
	switch n & 0xF {
	case 1:
		return "To"
	case 2:
		return "Cc"
	case 3:
		return "Bcc"
	}
	return ""
}

// Filename returns the attachment's name, the longest of those it has: it is the sender's text, and not safe as a path (see
// mime.SafeFilename). It is "" where there is none.
func (a *Attachment) Filename() string {
	if s, ok := a.Properties.Text(PidAttachLongFilename); ok && s != "" {
		return s
	}
	if a.TransportName != "" {
		return a.TransportName
	}
	if a.Title != "" {
		return a.Title
	}
	s, _ := a.Properties.Text(PidAttachFilename, PidDisplayName)
	return s
}

// ContentType returns the media type, or "".
func (a *Attachment) ContentType() string {
	s, _ := a.Properties.Text(PidAttachMIMETag)
	return s
}

// ContentID returns the Content-ID that HTML refers to the attachment by, without angle brackets, or "".
func (a *Attachment) ContentID() string {
	s, _ := a.Properties.Text(PidAttachContentID)
	return strings.Trim(s, "<> ")
}

// Hidden tells whether the attachment is not to be listed, as images within the text mostly are.
func (a *Attachment) Hidden() bool {
	if v, ok := a.Properties.Int(PidAttachmentHidden); ok && v != 0 {
		return true
	}
	v, _ := a.Properties.Int(PidAttachFlags)
	return v&4 != 0 // rendered in the body
}

// Size returns the octets of the data.
func (a *Attachment) Size() int64 { return a.Range().Len() }

// Range returns the octets of the source that are the attachment's data; of an embedded message, its TNEF.
func (a *Attachment) Range() mime.Range {
	if v := a.object(); v != nil && (a.data == nil || a.data.Len() == 0 || a.Message != nil) {
		return v.object()
	}
	if a.data != nil {
		return *a.data
	}
	return mime.Range{}
}

func (a *Attachment) object() *Value {
	if p := a.Properties.Get(PidAttachData); p != nil && len(p.Values) > 0 {
		return &p.Values[0]
	}
	return nil
}

// Open returns a reader of the data.
func (a *Attachment) Open() *io.SectionReader { return a.Range().Reader(a.src) }
