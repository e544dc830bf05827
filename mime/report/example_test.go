package report_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/report"
)

const bounce = `Return-Path: <>
From: Mail Delivery System <Mailer-Daemon@mail.example.com>
X-Failed-Recipients: joe@example.org
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  joe@example.org
    SMTP error from remote mail server after RCPT TO:<joe@example.org>:
    host mx.example.org [192.0.2.25]: 550 5.1.1 User unknown

------ This is a copy of the message, including all the headers. ------

Message-ID: <1234@example.com>
Subject: Hello
`

func ExampleParse() {
	src := strings.NewReader(bounce)
	m, err := mime.Parse(src, src.Size(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := report.Parse(m, src, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Kind, r.System, r.OriginalMessageID)
	for _, x := range r.Recipients {
		fmt.Println(x.Address, x.Action, x.Status, x.RemoteMTA, x.Advice())
	}
	// Output:
	// bounce exim 1234@example.com
	// joe@example.org failed 5.1.1 mx.example.org suppress
}

func ExampleParseBytes() {
	r := report.ParseBytes([]byte("From: joe@example.org\nSubject: Automatic reply: Hello\n\nI am away.\n"), nil)
	fmt.Println(r.Kind)
	// Output: auto-reply
}

func ExampleMessage_WriteDSN() {
	d := &report.DeliveryStatus{
		ReportingMTA: report.Typed{Type: "dns", Value: "mail.example.com"},
		Recipients: []report.RecipientStatus{{
			FinalRecipient: report.Typed{Type: "rfc822", Value: "joe@example.org"},
			Action:         report.Failed,
			Status:         report.Status{5, 1, 1},
			DiagnosticCode: report.Typed{Type: "smtp", Value: "550 5.1.1 User unknown"},
		}},
	}
	m := &report.Message{
		From: "Mail Delivery System <mailer-daemon@mail.example.com>", To: "<ann@example.com>", Subject: "Undelivered mail",
		Date: time.Date(2024, 3, 4, 10, 0, 0, 0, time.UTC), MessageID: "r1@mail.example.com", Boundary: "r1",
		Text:     "Your message could not be delivered to joe@example.org.\n",
		Returned: strings.NewReader("Message-ID: <1234@example.com>\nSubject: Hello\n\nHello Joe\n"), ReturnedASCII: true, HeaderOnly: true,
	}
	var b strings.Builder
	if err := m.WriteDSN(&b, d); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.ReplaceAll(b.String(), "\r\n", "\n"))
	// Output:
	// From: Mail Delivery System <mailer-daemon@mail.example.com>
	// To: <ann@example.com>
	// Subject: Undelivered mail
	// Date: Mon, 4 Mar 2024 10:00:00 +0000
	// Message-ID: <r1@mail.example.com>
	// Auto-Submitted: auto-replied
	// MIME-Version: 1.0
	// Content-Type: multipart/report; report-type=delivery-status; boundary="r1"
	//
	// --r1
	// Content-Type: text/plain; charset=us-ascii
	//
	// Your message could not be delivered to joe@example.org.
	//
	// --r1
	// Content-Type: message/delivery-status
	//
	// Reporting-MTA: dns; mail.example.com
	//
	// Final-Recipient: rfc822; joe@example.org
	// Action: failed
	// Status: 5.1.1
	// Diagnostic-Code: smtp; 550 5.1.1 User unknown
	//
	// --r1
	// Content-Type: text/rfc822-headers
	//
	// Message-ID: <1234@example.com>
	// Subject: Hello
	//
	// --r1--
}

func ExampleDispositionNotification() {
	d := report.ParseDispositionNotification([]byte("Final-Recipient: rfc822; joe@example.org\nOriginal-Message-ID: <1234@example.com>\n" +
		"Disposition: manual-action/MDN-sent-manually; displayed\n"))
	fmt.Println(d.FinalRecipient.Address(), d.Type, d.OriginalMessageID)
	b, err := d.AppendTo(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.ReplaceAll(string(b), "\r\n", "\n"))
	// Output:
	// joe@example.org displayed 1234@example.com
	// Final-Recipient: rfc822; joe@example.org
	// Original-Message-ID: <1234@example.com>
	// Disposition: manual-action/mdn-sent-manually; displayed
}

func ExampleFeedbackReport() {
	f := report.ParseFeedbackReport([]byte("Feedback-Type: abuse\nUser-Agent: Loop/1.0\nVersion: 1\nOriginal-Rcpt-To: <joe@example.org>\nSource-IP: 192.0.2.1\n"))
	fmt.Println(f.FeedbackType, f.OriginalRcptTo, f.SourceIP)
	// Output: abuse [joe@example.org] 192.0.2.1
}

func ExampleDeliveryStatus() {
	d := report.ParseDeliveryStatus([]byte("Reporting-MTA: dns; mail.example.com\n\nFinal-Recipient: rfc822; joe@example.org\nAction: delayed\nStatus: 4.4.1\nX-Queue: 7\n"))
	for _, r := range d.Recipients {
		fmt.Println(r.FinalRecipient.Address(), r.Action, r.Status, r.Extensions)
	}
	// Output: joe@example.org delayed 4.4.1 [{X-Queue 7}]
}

func ExampleParseORCPT() {
	t, err := report.ParseORCPT("rfc822;joe+2Btag@example.org")
	fmt.Println(t, err)
	// Output: rfc822; joe+tag@example.org <nil>
}

func ExampleAppendVERP() {
	b, err := report.AppendVERP(nil, "bounces@example.com", "joe@example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(b))
	fmt.Println(report.ParseVERP(string(b), "bounces@example.com"))
	// Output:
	// bounces+joe=example.org@example.com
	// joe@example.org true
}

func ExampleRecipient_Permanent() {
	for _, r := range []report.Recipient{
		{Action: report.Failed, Status: report.Status{5, 1, 1}},
		{Action: report.Failed, Status: report.Status{4, 4, 7}},
		{Action: report.Delayed, Status: report.Status{4, 2, 0}},
	} {
		fmt.Fprintln(os.Stdout, r.Permanent(), r.Temporary(), r.Advice())
	}
	// Output:
	// true false suppress
	// false true retry
	// false true wait
}
