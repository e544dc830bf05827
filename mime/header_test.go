package mime

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const someHeader = "Received: from a\r\n\tby b\r\nReceived: from c\r\nSubject : =?utf-8?q?caf=C3=A9?=\r\n  au lait \r\njunk\r\nTo: a@b.example\r\nto: c@d.example\r\n" +
	"Date: 1 Jan 2001 00:00 EST\r\nReferences: <a@b>\r\n <c@d>\r\nContent-Type: text/html;\r\n charset=utf-8\r\nContent-Disposition: inline; filename=x\r\nEmpty:\r\n\r\nbody"

func TestHeader(t *testing.T) {
	h := ParseHeader([]byte(someHeader))
	require.Equal(t, someHeader[:len(someHeader)-4], string(h.Raw()))
	var names []string
	for f := range h.Fields() {
		names = append(names, f.Name())
	}
	require.Equal(t, []string{"Received", "Received", "Subject", "", "To", "to", "Date", "References", "Content-Type", "Content-Disposition", "Empty"}, names)
	for range h.Fields() {
		break
	}
	require.Equal(t, "café  au lait", h.Text("SUBJECT"))
	require.Equal(t, "", h.Text("none"))
	require.True(t, h.Has("Empty"))
	require.False(t, h.Has("Empt"))
	require.Equal(t, "a@b.example | c@d.example", showList(h.Addresses("To")))
	require.Nil(t, h.Addresses("Cc"))
	d, err := h.Date("Date")
	require.NoError(t, err)
	require.Equal(t, "2001-01-01T00:00:00-05:00", d.Format(time.RFC3339))
	_, err = h.Date("none")
	require.Error(t, err)
	require.Equal(t, []string{"a@b", "c@d"}, h.MessageIDs("References"))
	require.Equal(t, ContentType{"text", "html", Params{{"charset", "utf-8"}}}, h.ContentType())
	disp, ok := h.Disposition()
	require.True(t, ok)
	require.Equal(t, Disposition{"inline", Params{{"filename", "x"}}}, disp)
	f, ok := h.Get("Subject")
	require.True(t, ok)
	require.Equal(t, "Subject : =?utf-8?q?caf=C3=A9?=\r\n  au lait \r\n", string(f.Raw()))
	require.Equal(t, "=?utf-8?q?caf=C3=A9?=\r\n  au lait", string(f.Value()))
	require.Equal(t, "=?utf-8?q?caf=C3=A9?=  au lait", f.Unfolded())
	f, _ = h.Get("To")
	require.Equal(t, "a@b.example", showList(f.Addresses()))
	n := 0
	for range h.All("received") {
		n++
	}
	require.Equal(t, 2, n)

	var zero Header
	require.Equal(t, defaultContentType(), zero.ContentType())
	_, ok = zero.Disposition()
	require.False(t, ok)
	require.Equal(t, "", Field{}.Name())
	require.Equal(t, "", Field{}.Text())
	require.False(t, Field{}.Is(""))
	require.Equal(t, "A: b\n", string(ParseHeader([]byte("A: b\nno field")).Raw()))
	require.Equal(t, "\n", string(ParseHeader([]byte("\nA: b\n")).Raw()))
}

func TestAppendFields(t *testing.T) {
	h := ParseHeader([]byte(someHeader))
	many := []string{"a", "b", "c", "d", "e", "f", "g", "h", "TO"}
	tests := []struct {
		in    Header
		names []string
		not   bool
		want  string
	}{
		{h, []string{"TO", "Received"}, false, "Received: from a\r\n\tby b\r\nReceived: from c\r\nTo: a@b.example\r\nto: c@d.example\r\n\r\n"},
		{h, many, false, "To: a@b.example\r\nto: c@d.example\r\n\r\n"},
		{h, []string{"subject"}, false, "Subject : =?utf-8?q?caf=C3=A9?=\r\n  au lait \r\n\r\n"},
		{h, []string{"nothing"}, false, "\r\n"},
		{h, []string{"Received", "Subject", "Date", "References", "Content-Type", "Content-Disposition", "Empty"}, true, "junk\r\nTo: a@b.example\r\nto: c@d.example\r\n\r\n"},
		{ParseHeader([]byte("A: b\nC: d\n\n")), []string{"a"}, false, "A: b\n\n"},
		{ParseHeader([]byte("A: b\nC: d")), []string{"a"}, true, "C: d\n\n"},
		{ParseHeader([]byte("A: b")), []string{"a"}, false, "A: b\r\n\r\n"},
		{Header{}, []string{"a"}, true, "\r\n"},
		{ParseHeader([]byte("\ufeffA: b\nC: d\n\n")), []string{"a"}, false, "A: b\n\n"},
		{ParseHeader([]byte("\ufeffA: b\nC: d\n\n")), []string{"a"}, true, "C: d\n\n"},
	}
	for _, tt := range tests {
		assert.Equal(t, "x"+tt.want, string(tt.in.AppendFields([]byte("x"), tt.names, tt.not)), "%v %v", tt.names, tt.not)
	}
}

func TestEnvelope(t *testing.T) {
	a := func(s string) []Address { return []Address{{Mailbox: s, Host: "x"}} }
	tests := []struct {
		in   string
		want Envelope
	}{
		{"", Envelope{}},
		{"Subject: \r\nDate:\r\nMessage-ID:\r\nIn-Reply-To:\r\n\r\n", Envelope{Empty: EnvelopeDate | EnvelopeSubject | EnvelopeInReplyTo | EnvelopeMessageID}},
		{"From: a@x\nSender: b@x\nReply-To: c@x\nTo: d@x\nCc: e@x\nBcc: f@x\n\n", Envelope{From: a("a"), Sender: a("b"), ReplyTo: a("c"), To: a("d"), Cc: a("e"), Bcc: a("f")}},
		{"From: a@x\nSender:\nReply-To: ,\n\n", Envelope{From: a("a"), Sender: a("a"), ReplyTo: a("a")}},
		{"From: a@x\nFrom: b@x\nTo: a@x\nTo: b@x\nSubject: 1\nSubject: 2\n\n", Envelope{From: a("a"), Sender: a("a"), ReplyTo: a("a"), To: append(a("a"), a("b")...), Subject: "1"}},
		{"\ufeffSubject: a\n\n", Envelope{Subject: "a"}},
		{"Subject: a\r\n b\x00\xff\r\n\r\n", Envelope{Subject: "a b?\xff"}},
		{"From: \"=?utf-8?q?=C3=A9?=\" <@r.x:a@x>\n\n", func() Envelope {
			l := []Address{{Name: "=?utf-8?q?=C3=A9?=", Route: "@r.x", Mailbox: "a", Host: "x"}}
			return Envelope{From: l, Sender: l, ReplyTo: l}
		}()},
		{"To: undisclosed-recipients:;\n\n", Envelope{To: []Address{{Kind: AddressGroupStart, Mailbox: "undisclosed-recipients"}, {Kind: AddressGroupEnd}}}},
	}
	for _, tt := range tests {
		assert.Equal(t, &tt.want, ParseHeader([]byte(tt.in)).Envelope(), "%q", tt.in)
	}
	p := ParseBytes([]byte("To: "+strings.Repeat("a@b, ", 100)+"\n\n"), &Options{Limits: Limits{Addresses: 10}})
	require.Len(t, p.Header.Envelope().To, 10)
}

// TestEnvelopeAllocs bounds what reading and describing a usual message costs.
func TestEnvelopeAllocs(t *testing.T) {
	m := smallMessage()
	n := testing.AllocsPerRun(100, func() { ParseBytes(m, nil).Header.Envelope() })
	require.LessOrEqual(t, n, 6.0)
}

func TestNames(t *testing.T) {
	require.Equal(t, "Boundary", KindBoundary.String())
	require.Equal(t, "Kind?", Kind(200).String())
	require.Equal(t, "header too long at offset 7", Defect{DefectLimitHeader, 7}.String())
	require.Equal(t, "defect 200", DefectCode(200).String())
	for c := DefectUnixFrom; c <= DefectLimitHeader; c++ {
		require.NotContains(t, c.String(), fmt.Sprint("defect ", uint8(c)))
	}
}
