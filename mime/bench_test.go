package mime

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// smallMessage is a text message of 3 KB with 20 fields.
func smallMessage() []byte {
	var b strings.Builder
	for i := range 6 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mail.example.com (Postfix) with ESMTPS id 4ABCDEF%d\r\n\tfor <user@example.com>; Mon, 1 Jan 2001 00:00:0%d +0000 (UTC)\r\n", i, i, i, i, i)
	}
	b.WriteString("From: \"Some Sender\" <sender@example.org>\r\nTo: User One <user@example.com>, other@example.com\r\nCc: Third Person <third@example.net>\r\n" +
		"Reply-To: list@example.org\r\nSubject: =?utf-8?q?A_small_message_about_caf=C3=A9s?= and other things\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n" +
		"Message-ID: <20010101000000.ABCDEF@example.org>\r\nIn-Reply-To: <previous@example.com>\r\nReferences: <first@example.com> <previous@example.com>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nUser-Agent: Example 1.0\r\nX-Spam-Status: No\r\n\r\n")
	for b.Len() < 3000 {
		b.WriteString("This is a line of text as people write them in their mails to others.\r\n")
	}
	return []byte(b.String())
}

// bigMessage has a base64 attachment of 2 MB.
func bigMessage() []byte {
	return []byte("From: a@b.example\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\ntext\r\n--=_b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 2<<20/78) + "--=_b--\r\n")
}

// newsMessage is a newsletter of 55 KB in quoted-printable.
func newsMessage() []byte {
	html := strings.Repeat("<td class=3D\"x\" style=3D\"font: 12px\">caf=C3=A9 and more text here=\r\n</td>\r\n", 600)
	return []byte("From: a@b.example\r\nContent-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n--=_alt\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext\r\n--=_alt\r\n" +
		"Content-Type: multipart/related; boundary=\"=_rel\"\r\n\r\n--=_rel\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		html + "\r\n--=_rel\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lGODlhAQABAAAAACw=\r\n--=_rel--\r\n\r\n--=_alt--\r\n")
}

var benchMessages = []struct {
	name string
	make func() []byte
}{{"small", smallMessage}, {"big", bigMessage}, {"news", newsMessage}}

// BenchmarkLines is the yardstick: finding the lines and nothing else.
func BenchmarkLines(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			msg := m.make()
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for p := msg; ; {
					i := bytes.IndexByte(p, '\n')
					if i < 0 {
						break
					}
					n++
					p = p[i+1:]
				}
			}
		})
	}
}

func BenchmarkStructure(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			msg := m.make()
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				ParseBytes(msg, nil)
			}
		})
	}
}

func BenchmarkScanner(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			msg := m.make()
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewScannerBytes(msg, nil)
				for {
					if _, err := s.Next(); err != nil {
						break
					}
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	msg := bigMessage()
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(bytes.NewReader(msg), int64(len(msg)), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	msg := smallMessage()
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		ParseBytes(msg, nil).Header.Envelope()
	}
}

func BenchmarkBodyStructure(b *testing.B) {
	msg := newsMessage()
	b.ReportAllocs()
	p := ParseBytes(msg, nil)
	for b.Loop() {
		p.BodyStructure()
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, m := range benchMessages[1:] {
		b.Run(m.name, func(b *testing.B) {
			msg := m.make()
			p := ParseBytes(msg, nil)
			for len(p.Children) > 1 {
				if m.name == "news" && len(p.Children[0].Children) == 0 && p.Parent != nil {
					p = p.Children[0]
				} else {
					p = p.Children[1]
				}
			}
			b.SetBytes(p.Octets())
			b.ReportAllocs()
			buf := make([]byte, 32<<10)
			r := bytes.NewReader(msg)
			for b.Loop() {
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, p.Open(r), buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
