package mime_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
)

func ExampleMessage() {
	m := &mime.Message{
		From:    []mime.Address{mime.NewAddress("Zoë Example", "zoe@example.org")},
		To:      mime.ParseAddressList("Ann <ann@example.com>, team@example.com"),
		Bcc:     []mime.Address{mime.NewAddress("", "archive@example.org")},
		Subject: "The report",
		Text:    "Here it is.\n",
		HTML:    `<p>Here it is. <img src="cid:logo@example.org">`,
		Inline:  []mime.Attachment{{Name: "logo.png", ContentID: "logo@example.org", Content: strings.NewReader("\x89PNG")}},
		Attachments: []mime.Attachment{
			{Name: "report.pdf", Content: strings.NewReader("%PDF-1.7")},
		},
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println("from", m.ReversePath(), "to", m.Recipients())
	for _, p := range mime.ParseBytes(b.Bytes(), nil).Children {
		fmt.Printf("%s %q\n", p.ContentType().MediaType(), p.Filename())
	}
	// Output:
	// from zoe@example.org to [ann@example.com team@example.com archive@example.org]
	// multipart/alternative ""
	// application/pdf "report.pdf"
}

// With its date and identifier given, a simple message is the same each time.
func ExampleMessage_WriteTo() {
	m := &mime.Message{
		From:      []mime.Address{mime.NewAddress("", "robot@example.org")},
		To:        []mime.Address{mime.NewAddress("Łukasz", "lukasz@example.com")},
		Subject:   "Backup finished",
		Date:      time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		MessageID: "backup-42@example.org",
		Extra:     []mime.FieldValue{mime.StructuredField("Auto-Submitted", "auto-generated")},
		Text:      "All is well.\n",
	}
	_, err := m.WriteTo(crlfStripper{os.Stdout})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Date: Fri, 02 Jan 2026 03:04:05 +0000
	// From: robot@example.org
	// To: =?utf-8?q?=C5=81ukasz?= <lukasz@example.com>
	// Subject: Backup finished
	// Message-ID: <backup-42@example.org>
	// Auto-Submitted: auto-generated
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=utf-8
	// Content-Transfer-Encoding: 7bit
	//
	// All is well.
}

// crlfStripper makes lines readable on a terminal.
type crlfStripper struct{ w io.Writer }

func (c crlfStripper) Write(p []byte) (int, error) {
	_, err := c.w.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return len(p), err
}

func ExampleMessage_reply() {
	received := mime.ParseHeader([]byte("From: =?iso-8859-1?q?Andr=E9?= <andre@example.com>\r\nSubject: Lunch?\r\nMessage-ID: <1@example.com>\r\n\r\n"))
	m := &mime.Message{
		From:       []mime.Address{mime.NewAddress("", "me@example.org")},
		To:         received.Addresses("From"),
		Subject:    "Re: " + received.Text("Subject"),
		InReplyTo:  received.MessageIDs("Message-ID"),
		References: append(received.MessageIDs("References"), received.MessageIDs("Message-ID")...),
		Text:       "Yes!\n",
	}
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	h := mime.ParseHeader(b.Bytes())
	fmt.Println(h.Addresses("To")[0].DisplayName(), h.MessageIDs("References"), err)
	// Output: André [1@example.com] <nil>
}

func ExampleMessage_calendar() {
	m := &mime.Message{
		From:     []mime.Address{mime.NewAddress("", "me@example.org")},
		To:       []mime.Address{mime.NewAddress("", "you@example.org")},
		Subject:  "Meeting",
		Text:     "Shall we meet?\n",
		Calendar: &mime.Calendar{Method: "REQUEST", Data: "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"},
	}
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	p := mime.ParseBytes(b.Bytes(), nil)
	invitation := p.Children[0].Children[1].ContentType()
	method, _ := invitation.Params.Get("method")
	fmt.Println(invitation.MediaType(), method, p.Children[1].Filename(), err)
	// Output: text/calendar REQUEST invite.ics <nil>
}

func ExampleAppendField() {
	b, err := mime.AppendField(nil, mime.TextField("Subject", "naïve\r\nBcc: victim@example.com"), false)
	fmt.Printf("%q %v\n", b, err)
	b, err = mime.AppendField(nil, mime.AddressField("To", mime.NewAddress("Doe, J.", "j@example.org")), false)
	fmt.Printf("%q %v\n", b, err)
	// Output:
	// "" mime: "Subject" field: CR in the value at octet 6
	// "To: \"Doe, J.\" <j@example.org>\r\n" <nil>
}

func ExampleEdit() {
	const message = "Received: from a\nSubject: Hi\nX-Spam: no\n\nHello.\n"
	src := strings.NewReader(message)
	p, err := mime.Parse(src, src.Size(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := mime.NewEdit(src, p)
	if err == nil {
		err = e.Set(mime.TextField("Subject", "[list] Hi"))
	}
	if err == nil {
		err = e.Prepend(mime.StructuredField("Received", "from b by c; Thu, 1 Jan 1970 00:00:00 +0000"))
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Delete("X-Spam")
	_, _ = e.WriteTo(os.Stdout)
	// Output:
	// Received: from b by c; Thu, 1 Jan 1970 00:00:00 +0000
	// Received: from a
	// Subject: [list] Hi
	//
	// Hello.
}

func ExampleDowngrade() {
	const message = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nUn café au lait.\n"
	src := strings.NewReader(message)
	p, err := mime.Parse(src, src.Size(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := mime.Downgrade(src, p)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = d.WriteTo(os.Stdout)
	// Output:
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=utf-8
	// Content-Transfer-Encoding: quoted-printable
	//
	// Un caf=C3=A9 au lait.
}

func ExampleNewEncoder() {
	w, err := mime.NewEncoder(os.Stdout, "quoted-printable", true)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(w, "1 + 1 = deux, café compris")
	_ = w.Close()
	// Output: 1 + 1 =3D deux, caf=C3=A9 compris
}

func ExampleTransferEncoding() {
	fmt.Println(mime.TransferEncoding([]byte("plain text\n"), true, false))
	fmt.Println(mime.TransferEncoding([]byte("un café au lait\n"), true, false))
	fmt.Println(mime.TransferEncoding([]byte("Привет\n"), true, false))
	fmt.Println(mime.TransferEncoding([]byte("Привет\n"), true, true))
	// Output:
	// 7bit
	// quoted-printable
	// base64
	// 8bit
}

func ExampleNewCanonicalBody() {
	h := sha256.New()
	_, err := io.Copy(h, mime.NewCanonicalBody(strings.NewReader("Hello,  world \n\n\n"), mime.Relaxed, -1))
	fmt.Println(base64.StdEncoding.EncodeToString(h.Sum(nil)), err)
	b, _ := io.ReadAll(mime.NewCanonicalBody(strings.NewReader("Hello,  world \n\n\n"), mime.Relaxed, -1))
	fmt.Printf("%q\n", b)
	// Output:
	// cB6ALrLhcxEGyMNgOHzmnBvmRnPCW/u3ebZUqdCiHkQ= <nil>
	// "Hello, world\r\n"
}

func ExampleAppendCanonicalHeader() {
	h := mime.ParseHeader([]byte("SUBJect:  A \r\n  folded  subject\r\nFrom: a@b\r\n\r\n"))
	fmt.Printf("%q\n", mime.AppendCanonicalHeader(nil, h, []string{"From", "Subject", "Subject"}, mime.Relaxed))
	// Output: "from:a@b\r\nsubject:A folded subject\r\n"
}
