package tnef

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func le16(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
func le32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
func le64(v uint64) []byte {
	return binary.LittleEndian.AppendUint64(nil, v)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func attr(level byte, tag Tag, data []byte) []byte {
	sum := 0
	for _, b := range data {
		sum += int(b)
	}
	return cat([]byte{level}, le32(int(tag)), le32(len(data)), data, le16(sum))
}

func stream(attrs ...[]byte) []byte {
	return cat(le32(signature), le16(0x1234), cat(attrs...))
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

func fixed(t Type, id ID, v []byte) []byte { return cat(le16(int(t)), le16(int(id)), padded(v)) }

func variable(t Type, id ID, values ...[]byte) []byte {
	b := cat(le16(int(t)), le16(int(id)), le32(len(values)))
	for _, v := range values {
		b = cat(b, le32(len(v)), padded(bytes.Clone(v)))
	}
	return b
}

func props(l ...[]byte) []byte { return cat(le32(len(l)), cat(l...)) }

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = append(b, le16(int(u))...)
	}
	return b
}

func z(s string) []byte { return []byte(s + "\x00") }

func TestParse(t *testing.T) {
	when := []byte{0xE8, 7, 5, 0, 17, 0, 13, 0, 14, 0, 15, 0, 5, 0}
	set := GUID{1, 2, 3}
	b := stream(
		attr(1, TagVersion, le32(0x00010000)),
		attr(1, TagOEMCodepage, cat(le32(1251), le32(0))),
		attr(1, TagMessageClass, z("IPM.Note")),
		attr(1, TagSubject, z("\xcf\xf0\xe8\xe2\xe5\xf2")),
		attr(1, TagMessageID, z("ABC")),
		attr(1, TagDateSent, when),
		attr(1, TagDateReceived, make([]byte, 14)),
		attr(1, TagPriority, le16(1)),
		attr(1, TagFrom, cat(le16(4), le16(20), le16(4), le16(14), z("Joe"), z("SMTP:joe@x.yz"))),
		attr(1, TagBody, z("\xf2\xe5\xea\xf1\xf2")),
		attr(1, TagRecipientTable, cat(le32(2),
			props(variable(TypeUnicode, PidDisplayName, wide("Jané")), variable(TypeString8, PidEmailAddress, z("jane@x.yz")), fixed(TypeInt32, PidRecipientType, le32(1))),
			props(variable(TypeString8, PidAddressType, z("EX")), variable(TypeString8, PidEmailAddress, z("/o=x")), variable(TypeString8, PidSMTPAddress, z("bob@x.yz")), fixed(TypeInt32, PidRecipientType, le32(3))))),
		attr(1, TagMessageProperties, props(
			fixed(TypeInt16, 1, le16(-2)), fixed(TypeInt32, 2, le32(-3)), fixed(TypeFloat32, 3, le32(0x3FC00000)), fixed(TypeFloat64, 4, le64(0x3FF8000000000000)),
			fixed(TypeCurrency, 5, le64(12345)), fixed(TypeBool, 6, le16(1)), fixed(TypeInt64, 7, le64(1<<40)), fixed(TypeTime, 8, le64(133604432560000000)),
			fixed(TypeGUID, 9, set[:]), variable(TypeBinary, 10, []byte{1, 2, 3, 4, 5}), variable(TypeString8, 11, z("\xe0")), variable(TypeUnicode, 12, wide("漢𝄞")),
			fixed(TypeNull, 13, nil), fixed(TypeError, 14, le32(5)), fixed(TypeAppTime, 15, le64(0x4000000000000000)),
			cat(le16(int(TypeInt16|typeMultiple)), le16(16), le32(3), padded(le16(1)), padded(le16(2)), padded(le16(3))),
			variable(TypeUnicode|typeMultiple, 17, wide("a"), wide("bc")),
			cat(le16(int(TypeInt32)), le16(0x8001), set[:], le32(0), le32(77), le32(9)),
			cat(le16(int(TypeInt32)), le16(0x8002), set[:], le32(1), le32(8), wide("abc"), le32(10)),
		)),
		attr(2, TagAttachRenderData, cat(le16(1), le32(-1), le16(32), le16(32), le32(0))),
		attr(2, TagAttachTitle, z("SHORT~1.TXT")),
		attr(2, TagAttachModifyDate, when),
		attr(2, TagAttachData, []byte("hello")),
		attr(2, TagAttachment, props(variable(TypeUnicode, PidAttachLongFilename, wide("a long name.txt")), variable(TypeString8, PidAttachMIMETag, z("text/plain")), variable(TypeString8, PidAttachContentID, z("<id@x>")), fixed(TypeBool, PidAttachmentHidden, le16(1)))),
		attr(2, TagAttachRenderData, cat(le16(2), le32(7), le16(32), le16(32), le32(0))),
		attr(2, TagAttachment, props(variable(TypeObject, PidAttachData, cat(iidMessage[:], stream(attr(1, TagSubject, z("inner"))))))),
		attr(2, TagAttachRenderData, cat(le16(1), le32(-1), le16(32), le16(32), le32(0))),
		attr(2, TagAttachTransportFilename, z("transport")),
		attr(2, TagAttachment, props(variable(TypeBinary, PidAttachData, []byte("from property")))),
	)
	m, err := ParseBytes(b, nil)
	require.NoError(t, err)
	assert.Empty(t, m.Defects)
	assert.Equal(t, uint16(0x1234), m.Key)
	assert.Equal(t, uint32(0x10000), m.Version)
	assert.Equal(t, 1251, m.Codepage)
	assert.Equal(t, "IPM.Note", m.Class)
	assert.Equal(t, "Привет", m.Subject)
	assert.Equal(t, "ABC", m.MessageID)
	date := time.Date(2024, 5, 17, 13, 14, 15, 0, time.UTC)
	assert.Equal(t, date, m.Sent)
	assert.True(t, m.Received.IsZero())
	assert.Equal(t, 1, m.Priority)
	assert.Equal(t, []string{"Joe", "SMTP", "joe@x.yz"}, []string{m.FromName, m.FromType, m.FromAddr})
	r, ok := m.Text()
	require.True(t, ok)
	s, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "текст", string(s))

	require.Len(t, m.Recipients, 2)
	assert.Equal(t, []string{"Jané", "jane@x.yz", "To"}, []string{m.Recipients[0].Name(), m.Recipients[0].Address(), m.Recipients[0].Kind()})
	assert.Equal(t, []string{"", "bob@x.yz", "Bcc"}, []string{m.Recipients[1].Name(), m.Recipients[1].Address(), m.Recipients[1].Kind()})

	values := func(id ID) (l []any) {
		for _, v := range m.Properties.Get(id).Values {
			l = append(l, v.Any)
		}
		return l
	}
	for id, want := range map[ID][]any{
		1: {int16(-2)}, 2: {int32(-3)}, 3: {float32(1.5)}, 4: {1.5}, 5: {int64(12345)}, 6: {true}, 7: {int64(1 << 40)},
		8: {time.Date(2024, 5, 17, 18, 14, 16, 0, time.UTC)}, 9: {set}, 10: {[]byte{1, 2, 3, 4, 5}}, 11: {"а"}, 12: {"漢𝄞"},
		14: {int32(5)}, 15: {2.0}, 16: {int16(1), int16(2), int16(3)}, 17: {"a", "bc"}, 0x8001: {int32(9)}, 0x8002: {int32(10)},
	} {
		assert.Equal(t, want, values(id), "%#x", id)
	}
	assert.Equal(t, []any{nil}, values(13))
	assert.Equal(t, ID(0x8001), m.Properties.GetNamed(Name{Set: set, Number: 77}).ID)
	assert.Equal(t, ID(0x8002), m.Properties.GetNamed(Name{Set: set, Text: "abc"}).ID)
	assert.Nil(t, m.Properties.GetNamed(Name{Set: set}))
	assert.Nil(t, m.Properties.Get(99))
	n, ok := m.Properties.Int(6)
	assert.Equal(t, int64(1), n)
	assert.True(t, ok)
	_, ok = m.Properties.Int(12)
	assert.False(t, ok)
	_, ok = m.Properties.Time(8)
	assert.True(t, ok)
	raw, err := io.ReadAll(m.Properties.Get(10).Values[0].Open())
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 2, 3, 4, 5}, raw)

	require.Len(t, m.Attachments, 3)
	data := func(a *Attachment) string {
		b, err := io.ReadAll(a.Open())
		require.NoError(t, err)
		return string(b)
	}
	a := m.Attachments[0]
	assert.Equal(t, []string{"a long name.txt", "SHORT~1.TXT", "text/plain", "id@x", "hello"}, []string{a.Filename(), a.Title, a.ContentType(), a.ContentID(), data(a)})
	assert.True(t, a.Hidden())
	assert.Equal(t, int64(5), a.Size())
	assert.Equal(t, date, a.Modified)
	assert.Equal(t, int32(-1), a.Position)
	a = m.Attachments[1]
	assert.True(t, a.OLE)
	assert.Equal(t, int32(7), a.Position)
	require.NotNil(t, a.Message)
	assert.Equal(t, "inner", a.Message.Subject)
	assert.False(t, a.Hidden())
	a = m.Attachments[2]
	assert.Equal(t, []string{"transport", "from property"}, []string{a.Filename(), data(a)})
	count := 0
	for range m.All() {
		count++
	}
	assert.Equal(t, 2, count)
	for range m.All() {
		break
	}
	assert.Equal(t, "00030201-0000-0000-0000-000000000000", GUID{1, 2, 3}.String())

	// Cut anywhere, it reads as far as it goes.
	for i := 4; i < len(b); i += 3 {
		m, err := ParseBytes(b[:i], nil)
		require.NoError(t, err)
		read(t, m)
		require.LessOrEqual(t, len(m.Attachments), 3)
	}
	for i := range 4 {
		_, err := ParseBytes(b[:i], nil)
		require.ErrorIs(t, err, ErrFormat)
	}
	boom := errors.New("boom")
	_, err = Parse(failing{b, 100, boom}, int64(len(b)), nil)
	require.ErrorIs(t, err, boom)
	_, err = Parse(failing{b, 0, boom}, int64(len(b)), nil)
	require.ErrorIs(t, err, boom)
	_, err = Parse(bytes.NewReader(b), int64(len(b))+100, nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type failing struct {
	b   []byte
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.at {
		return copy(p, f.b[off:]), nil
	}
	return 0, f.err
}

func TestDefects(t *testing.T) {
	bad := attr(1, TagSubject, z("x"))
	bad[len(bad)-1] ^= 0xFF
	for _, c := range []struct {
		name string
		b    []byte
		o    *Options
		want []DefectCode
	}{
		{"good", stream(attr(1, TagSubject, z("x"))), nil, nil},
		{"checksum", stream(bad), nil, []DefectCode{DefectChecksum}},
		{"level", stream([]byte{9}, make([]byte, 20)), nil, []DefectCode{DefectLevel}},
		{"octets behind", stream(attr(1, TagSubject, z("x")), []byte{0, 0, 0}), nil, []DefectCode{DefectTrailing}},
		{"octets behind that are many", stream(attr(1, TagSubject, z("x")), make([]byte, 100)), nil, []DefectCode{DefectTrailing}},
		{"cut", stream(attr(1, TagSubject, make([]byte, 100)))[:50], nil, []DefectCode{DefectTruncated, DefectTruncated}},
		{"unknown type", stream(attr(1, TagMessageProperties, props(fixed(0x77, 1, nil)))), nil, []DefectCode{DefectProperties}},
		{"too many said", stream(attr(1, TagMessageProperties, cat(le32(1<<30), fixed(TypeInt32, 1, le32(1))))), nil, []DefectCode{DefectProperties}},
		{"too many values said", stream(attr(1, TagMessageProperties, props(cat(le16(int(TypeInt32|typeMultiple)), le16(1), le32(-1), le32(1))))), nil, []DefectCode{DefectProperties}},
		{"value too long", stream(attr(1, TagMessageProperties, props(cat(le16(int(TypeBinary)), le16(1), le32(1), le32(1<<30))))), nil, []DefectCode{DefectProperties}},
		{"recipients said", stream(attr(1, TagRecipientTable, le32(-1))), nil, []DefectCode{DefectProperties}},
		{"embedded", stream(attr(2, TagAttachment, props(variable(TypeObject, PidAttachData, cat(iidMessage[:], []byte("no TNEF")))))), nil, []DefectCode{DefectEmbedded}},
		{"attachments", stream(attr(2, TagAttachRenderData, nil), attr(2, TagAttachRenderData, nil), attr(2, TagAttachRenderData, nil)), &Options{Limits{Attachments: 2}}, []DefectCode{DefectLimit}},
		{"attributes", stream(attr(1, TagSubject, nil), attr(1, TagSubject, nil)), &Options{Limits{Attributes: 1}}, []DefectCode{DefectLimit}},
		{"properties", stream(attr(1, TagMessageProperties, props(fixed(TypeInt32, 1, le32(1)), fixed(TypeInt32, 1, le32(1))))), &Options{Limits{Properties: 1}}, []DefectCode{DefectLimit}},
		{"values", stream(attr(1, TagMessageProperties, props(variable(TypeUnicode|typeMultiple, 17, wide("a"), wide("bc"))))), &Options{Limits{Properties: 1}}, []DefectCode{DefectLimit}},
		{"value size", stream(attr(1, TagMessageProperties, props(variable(TypeUnicode, 17, wide("abcdef")), variable(TypeBinary, 18, wide("abcdef"))))), &Options{Limits{ValueSize: 5}}, []DefectCode{DefectLimit}},
		{"total size", stream(attr(1, TagMessageProperties, props(variable(TypeBinary, 17, wide("abc")), variable(TypeBinary, 18, wide("abc"))))), &Options{Limits{TotalSize: 10}}, []DefectCode{DefectLimit}},
		{"recipients", stream(attr(1, TagRecipientTable, cat(le32(2), props(fixed(TypeInt32, 1, le32(1))), props(fixed(TypeInt32, 1, le32(1)))))), &Options{Limits{Recipients: 1}}, []DefectCode{DefectLimit}},
		{"defects", stream(bad, bad, bad), &Options{Limits{Defects: 2}}, []DefectCode{DefectChecksum, DefectChecksum}},
	} {
		m, err := ParseBytes(c.b, c.o)
		require.NoError(t, err, c.name)
		var got []DefectCode
		for _, d := range m.Defects {
			got = append(got, d.Code)
		}
		assert.Equal(t, c.want, got, "%s: %v", c.name, m.Defects)
		read(t, m)
	}
	assert.Equal(t, "checksum does not agree at offset 7", Defect{DefectChecksum, 7}.String())
	assert.Equal(t, "defect 99", DefectCode(99).String())

	deep := stream(attr(1, TagSubject, z("x")))
	for range 20 {
		deep = stream(attr(2, TagAttachment, props(variable(TypeObject, PidAttachData, cat(iidMessage[:], deep)))))
	}
	m, err := ParseBytes(deep, nil)
	require.NoError(t, err)
	n := 0
	for range m.All() {
		n++
	}
	assert.Equal(t, 8, n)
	require.Len(t, m.Defects, 1)
	assert.Equal(t, DefectLimit, m.Defects[0].Code)
}

func TestLongValueStreams(t *testing.T) {
	html := strings.Repeat("<p>word ", 1<<16)
	m, err := ParseBytes(stream(attr(1, TagMessageProperties, props(variable(TypeBinary, PidBodyHTML, []byte(html)), fixed(TypeInt32, PidInternetCodepage, le32(65001))))), &Options{Limits{ValueSize: 100}})
	require.NoError(t, err)
	assert.Nil(t, m.Properties.Get(PidBodyHTML).Values[0].Any)
	r, ok := m.HTML()
	require.True(t, ok)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, html, string(b))
}

func TestCodepage(t *testing.T) {
	for n, want := range map[int]string{0: "", 874: "windows-874", 932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 1200: "utf-16le", 1201: "utf-16be", 1250: "windows-1250",
		1258: "windows-1258", 10000: "macintosh", 10007: "x-mac-cyrillic", 20127: "", 20866: "koi8-r", 21866: "koi8-u", 28591: "iso-8859-1", 28605: "iso-8859-15", 38598: "iso-8859-8",
		50220: "iso-2022-jp", 51932: "euc-jp", 51936: "gb2312", 51949: "euc-kr", 52936: "hz-gb-2312", 54936: "gb18030", 65000: "utf-7", 65001: "utf-8", 850: "ibm850", 99999: ""} {
		assert.Equal(t, want, codepage(n), n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(stream(attr(1, TagOEMCodepage, le64(1251)), attr(1, TagMessageProperties, props(fixed(TypeInt16, 1, le16(2)), variable(TypeUnicode|typeMultiple, 17, wide("a"), wide("bc"))))))
	f.Add(stream(attr(2, TagAttachRenderData, nil), attr(2, TagAttachment, props(variable(TypeObject, PidAttachData, cat(iidMessage[:], stream(attr(1, TagBody, z("inner")))))))))
	f.Add(stream(attr(1, TagRecipientTable, cat(le32(1), props(fixed(TypeInt32, PidRecipientType, le32(1)))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseBytes(b, nil)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			return
		}
		read(t, m)
		again, err := Parse(onlyAt{bytes.NewReader(b)}, int64(len(b)), nil)
		require.NoError(t, err)
		require.Equal(t, len(m.Attachments), len(again.Attachments))
		require.Equal(t, m.Defects, again.Defects)
	})
}

type onlyAt struct{ io.ReaderAt }
