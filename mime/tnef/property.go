package tnef

// MAPI properties (MS-OXTNEF section 2.1.3.4, MS-OXCDATA section 2.11).

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/mailwire/mailwire/mime"
)

// Type is the type of a property's values.
type Type uint16

// The types of MS-OXCDATA section 2.11.1, with the Go type of a Value of it.
const (
	TypeUnspecified Type = 0x0000 // nil
	TypeNull        Type = 0x0001 // nil
	TypeInt16       Type = 0x0002 // int16
	TypeInt32       Type = 0x0003 // int32
	TypeFloat32     Type = 0x0004 // float32
	TypeFloat64     Type = 0x0005 // float64
	TypeCurrency    Type = 0x0006 // int64, in ten-thousandths
	TypeAppTime     Type = 0x0007 // float64, in days since 1899-12-30
	TypeError       Type = 0x000A // int32
	TypeBool        Type = 0x000B // bool
	TypeObject      Type = 0x000D // []byte, behind the interface identifier; nil for an embedded message
	TypeInt64       Type = 0x0014 // int64
	TypeString8     Type = 0x001E // string, in UTF-8
	TypeUnicode     Type = 0x001F // string, in UTF-8
	TypeTime        Type = 0x0040 // time.Time, UTC
	TypeGUID        Type = 0x0048 // GUID
	TypeBinary      Type = 0x0102 // []byte

	typeMultiple Type = 0x1000
)

// A GUID is a globally unique identifier in its octets' order in the data.
type GUID [16]byte

func (g GUID) String() string {
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", binary.LittleEndian.Uint32(g[:]), binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// iidMessage marks an object that is an embedded message (MS-OXTNEF section 2.1.3.4).
var iidMessage = GUID{0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}

// ID is a property's identifier.
type ID uint16

// Identifiers of use with mail (MS-OXPROPS).
const (
	PidMessageClass             ID = 0x001A
	PidImportance               ID = 0x0017
	PidSubject                  ID = 0x0037
	PidClientSubmitTime         ID = 0x0039
	PidSubjectPrefix            ID = 0x003D
	PidConversationTopic        ID = 0x0070
	PidTransportMessageHeaders  ID = 0x007D
	PidSenderName               ID = 0x0C1A
	PidSenderAddressType        ID = 0x0C1E
	PidSenderEmailAddress       ID = 0x0C1F
	PidRecipientType            ID = 0x0C15
	PidMessageDeliveryTime      ID = 0x0E06
	PidNormalizedSubject        ID = 0x0E1D
	PidAttachSize               ID = 0x0E20
	PidBody                     ID = 0x1000
	PidRTFCompressed            ID = 0x1009
	PidBodyHTML                 ID = 0x1013
	PidInternetMessageID        ID = 0x1035
	PidInternetReferences       ID = 0x1039
	PidInReplyToID              ID = 0x1042
	PidDisplayName              ID = 0x3001
	PidAddressType              ID = 0x3002
	PidEmailAddress             ID = 0x3003
	PidCreationTime             ID = 0x3007
	PidLastModificationTime     ID = 0x3008
	PidAttachData               ID = 0x3701
	PidAttachEncoding           ID = 0x3702
	PidAttachExtension          ID = 0x3703
	PidAttachFilename           ID = 0x3704
	PidAttachMethod             ID = 0x3705
	PidAttachLongFilename       ID = 0x3707
	PidAttachRendering          ID = 0x3709
	PidAttachMIMETag            ID = 0x370E
	PidAttachContentID          ID = 0x3712
	PidAttachContentLocation    ID = 0x3713
	PidAttachFlags              ID = 0x3714
	PidSMTPAddress              ID = 0x39FE
	PidTransmittableDisplayName ID = 0x3A20
	PidInternetCodepage         ID = 0x3FDE
	PidMessageCodepage          ID = 0x3FFD
	PidSenderSMTPAddress        ID = 0x5D01
	PidAttachmentHidden         ID = 0x7FFE
)

// A Property is a MAPI property.
type Property struct {
	ID   ID
	Type Type // without the mark of several values
	// Multiple tells a property that may have several values from one that has one.
	Multiple bool
	// Name is set where ID is 0x8000 or more.
	Name   *Name
	Values []Value
}

// A Name is the name of a named property: a string, or a number where Text is "".
type Name struct {
	Set    GUID
	Number uint32
	Text   string
}

// A Value is one value of a property.
type Value struct {
	// Any is the value in the Go type that its Type says; nil where it is longer than the limits.
	Any any
	// Range is the octets of the value in the source.
	Range mime.Range

	src io.ReaderAt
	obj bool
}

// Open returns a reader of the value's octets as they stand; of an object, those behind its interface identifier.
func (v *Value) Open() *io.SectionReader { return v.object().Reader(v.src) }

func (v *Value) object() mime.Range {
	r := v.Range
	if v.obj {
		r.Start = min(r.Start+16, r.End)
	}
	return r
}

// Properties is a list of properties, in order.
type Properties []Property

// Get returns the first property of the identifier, or nil. Named properties are found by GetNamed.
func (l Properties) Get(id ID) *Property {
	for i := range l {
		if l[i].ID == id {
			return &l[i]
		}
	}
	return nil
}

// GetNamed returns the first property of the name, or nil.
func (l Properties) GetNamed(n Name) *Property {
	for i := range l {
		if l[i].Name != nil && *l[i].Name == n {
			return &l[i]
		}
	}
	return nil
}

// Text returns the first string that one of the properties has, in the order of ids.
func (l Properties) Text(ids ...ID) (string, bool) {
	for _, id := range ids {
		for i := range l {
			if l[i].ID != id {
				continue
			}
			for _, v := range l[i].Values {
				if s, ok := v.Any.(string); ok {
					return s, true
				}
			}
		}
	}
	return "", false
}

// Int returns the value of a property of an integer type; a bool is 0 or 1.
func (l Properties) Int(id ID) (int64, bool) {
	if p := l.Get(id); p != nil && len(p.Values) > 0 {
		switch v := p.Values[0].Any.(type) {
		case int16:
			return int64(v), true
		case int32:
			return int64(v), true
		case int64:
			return v, true
		case bool:
			if v {
				return 1, true
			}
			return 0, true
		}
	}
	return 0, false
}

// Time returns the value of a property that is a time.
func (l Properties) Time(id ID) (time.Time, bool) {
	if p := l.Get(id); p != nil && len(p.Values) > 0 {
		t, ok := p.Values[0].Any.(time.Time)
		return t, ok
	}
	return time.Time{}, false
}

// size is the octets of a value of fixed size, and whether its size is fixed.
func (t Type) size() (int64, bool) {
	switch t {
	case TypeUnspecified, TypeNull:
		return 0, true
	case TypeInt16, TypeBool:
		return 2, true
	case TypeInt32, TypeFloat32, TypeError:
		return 4, true
	case TypeFloat64, TypeCurrency, TypeAppTime, TypeInt64, TypeTime:
		return 8, true
	case TypeGUID:
		return 16, true
	}
	return 0, false
}

func (t Type) known() bool {
	_, fixed := t.size()
	return fixed || t == TypeString8 || t == TypeUnicode || t == TypeBinary || t == TypeObject
}

// properties reads a list of properties. object is the data of an embedded message, if there is one.
func (p *parser) properties(c *cursor, charset string) (l Properties, object mime.Range) {
	n := c.u32()
	for i := uint32(0); i < n && c.err == nil; i++ {
		start := c.off
		t := Type(c.u16())
		prop := Property{ID: ID(c.u16())}
		prop.Multiple = t&typeMultiple != 0
		prop.Type = t &^ typeMultiple
		if c.err != nil {
			break
		}
		if !prop.Type.known() {
			p.defect(DefectProperties, start)
			c.err = io.ErrUnexpectedEOF
			return l, object
		}
		if p.left.Properties <= 0 {
			p.defect(DefectLimit, start)
			c.err = io.ErrUnexpectedEOF
			return l, object
		}
		p.left.Properties--
		if prop.ID >= 0x8000 {
			prop.Name = &Name{}
			copy(prop.Name.Set[:], c.bytes(16))
			if c.u32() == 0 {
				prop.Name.Number = c.u32()
			} else {
				size := int64(c.u32())
				b := p.keep(c, size)
				c.skip(size - int64(len(b)) + pad(size))
				prop.Name.Text = utf16Text(b)
			}
		}
		size, fixed := prop.Type.size()
		count := uint32(1)
		if prop.Multiple || !fixed {
			count = c.u32()
		}
		// A value takes four octets at least, but one of no octets, of which one is enough.
		count = uint32(min(int64(count), c.left()/4+1))
		if fixed && size == 0 {
			count = min(count, 1)
		}
		for j := uint32(0); j < count && c.err == nil; j++ {
			if !fixed {
				size = int64(c.u32())
			}
			v := Value{Range: mime.Range{Start: c.off, End: c.off + size}, src: p.src, obj: prop.Type == TypeObject}
			cut := v.Range.End > c.end
			if cut {
				v.Range.End = c.end
			}
			next := v.Range.End + pad(size)
			if c.err != nil {
				break
			}
			if j > 0 && p.left.Properties <= 0 {
				p.defect(DefectLimit, c.off)
			} else {
				if j > 0 {
					p.left.Properties--
				}
				var emb bool
				v.Any, emb = p.value(c, prop.Type, v.Range.Len(), charset)
				if emb && prop.ID == PidAttachData && object.Len() == 0 {
					object = v.object()
				}
				prop.Values = append(prop.Values, v)
			}
			switch {
			case c.fail != nil:
			case cut:
				c.err = io.ErrUnexpectedEOF
			case next > c.end && j+1 == count && i+1 == n: // the last padding may be missing
				c.off, c.err = c.end, nil
			default:
				c.skip(next - c.off)
			}
		}
		l = append(l, prop)
	}
	if c.err != nil {
		p.defect(DefectProperties, c.off)
	}
	return l, object
}

func pad(n int64) int64 { return -n & 3 }

// keep returns the next n octets if the limits allow to keep them.
func (p *parser) keep(c *cursor, n int64) []byte {
	if n > p.lim.ValueSize || n > p.left.TotalSize {
		p.defect(DefectLimit, c.off)
		return nil
	}
	b := c.bytes(n)
	p.left.TotalSize -= int64(len(b))
	return b
}

// value reads a value of n octets. embedded tells the data of an embedded message.
func (p *parser) value(c *cursor, t Type, n int64, charset string) (v any, embedded bool) {
	switch t {
	case TypeInt16:
		return int16(c.u16()), false
	case TypeBool:
		return c.u16() != 0, false
	case TypeInt32, TypeError:
		return int32(c.u32()), false
	case TypeFloat32:
		return math.Float32frombits(c.u32()), false
	case TypeFloat64, TypeAppTime:
		return math.Float64frombits(c.u64()), false
	case TypeCurrency, TypeInt64:
		return int64(c.u64()), false
	case TypeTime:
		return fileTime(c.u64()), false
	case TypeGUID:
		var g GUID
		copy(g[:], c.bytes(16))
		return g, false
	case TypeObject:
		if n < 16 {
			return nil, false
		}
		var g GUID
		copy(g[:], c.bytes(16))
		if g == iidMessage {
			return nil, true
		}
		n -= 16
		fallthrough
	case TypeBinary:
		if b := p.keep(c, n); b != nil {
			return b, false
		}
		return nil, false
	case TypeString8, TypeUnicode:
		if n > p.lim.ValueSize || n > p.left.TotalSize {
			p.defect(DefectLimit, c.off)
			return nil, false
		}
		b := p.keep(c, n)
		if t == TypeUnicode {
			return utf16Text(b), false
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		return decode(b, charset), false
	}
	return nil, false
}

// fileTime is 100-nanosecond intervals since 1601.
func fileTime(v uint64) time.Time {
	if v == 0 || v > 1<<62 {
		return time.Time{}
	}
	const epoch = 11644473600 // seconds from 1601 to 1970
	return time.Unix(int64(v/1e7)-epoch, int64(v%1e7)*100).UTC()
}
