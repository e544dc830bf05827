package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
)

var when = time.Date(2024, 3, 4, 10, 0, 5, 0, time.FixedZone("", 3600))

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestParseDeliveryStatus(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     DeliveryStatus
	}{
		{"empty", "", DeliveryStatus{}},
		{"all fields", `Original-Envelope-Id: QQ314159
Reporting-MTA: dns; mail.example.com
DSN-Gateway: x400; gw
Received-From-MTA: dns; client.example.com
Arrival-Date: Mon, 4 Mar 2024 10:00:05 +0100
X-Queue: 1 (one)

Original-Recipient: rfc822;a@example.org
Final-Recipient: RFC822;b@example.org
Action: FAILED (really)
Status: 5.1.1 (unknown)
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1
 no; such user
Localized-Diagnostic: de; unbekannt
Last-Attempt-Date: Mon, 4 Mar 2024 10:00:05 +0100
Final-Log-ID: log1
Will-Retry-Until: Mon, 4 Mar 2024 10:00:05 +0100
X-Display-Name: B
x-display-name: C
`, DeliveryStatus{
			OriginalEnvelopeID: "QQ314159", ReportingMTA: Typed{"dns", "mail.example.com"}, DSNGateway: Typed{"x400", "gw"},
			ReceivedFromMTA: Typed{"dns", "client.example.com"},
			ArrivalDate:     when, Extensions: []Field{{"X-Queue", "1 (one)"}},
			Recipients: []RecipientStatus{{
				OriginalRecipient: Typed{"rfc822", "a@example.org"}, FinalRecipient: Typed{"RFC822", "b@example.org"},
				Action: Failed, Status: Status{5, 1, 1},
				RemoteMTA: Typed{"dns", "mx.example.org"}, DiagnosticCode: Typed{"smtp", "550 5.1.1 no; such user"},
				LocalizedDiagnostics: []Typed{{"de", "unbekannt"}},
				LastAttemptDate:      when, FinalLogID: "log1", WillRetryUntil: when, Extensions: []Field{{"X-Display-Name", "B"},
					{"x-display-name", "C"}},
			}},
		}},
		{"no types, bad values",
			"Reporting-MTA: mail.example.com\nArrival-Date: yesterday\n\nFinal-Recipient: <a@example.org>\nAction: failed\nStatus: 5.1\nStatus: 5.1.1\nRemote-MTA: dns;\n",
			DeliveryStatus{
				ReportingMTA: Typed{"dns", "mail.example.com"}, Extensions: []Field{{"Arrival-Date", "yesterday"}},
				Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "<a@example.org>"}, Action: Failed, Status: Status{5,
					1, 1}, Extensions: []Field{{"Status", "5.1"}, {"Remote-MTA", "dns;"}}}},
			}},
		{"no blank lines", "Reporting-MTA: dns; m\nFinal-Recipient: rfc822; a@b\nAction: failed\nFinal-Recipient: rfc822; c@d\nAction: delayed\n",
			DeliveryStatus{
				ReportingMTA: Typed{"dns", "m"},
				Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "a@b"}, Action: Failed},
					{FinalRecipient: Typed{"rfc822", "c@d"}, Action: Delayed}},
			}},
		{"too many blank lines",
			"\n\nReporting-MTA: dns; m\n \n\nAction: failed\nFinal-Recipient: rfc822; a@b\n\n\nDiagnostic-Code: x; y\n\n\nFinal-Recipient: rfc822; c@d\nAction: delayed\n\n\n",
			DeliveryStatus{
				ReportingMTA: Typed{"dns", "m"},
				Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "a@b"}, Action: Failed, DiagnosticCode: Typed{"x",
					"y"}}, {FinalRecipient: Typed{"rfc822", "c@d"}, Action: Delayed}},
			}},
		{"junk", "what\nReporting-MTA: dns; m\nis this\n\n???\nFinal-Recipient: rfc822; a@b\n: x\nAction: failed", DeliveryStatus{
			ReportingMTA: Typed{"dns", "m"}, Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "a@b"}, Action: Failed}},
		}},
		{"octets that are no UTF-8", "Reporting-MTA: dns; m\xff\x00n\n", DeliveryStatus{ReportingMTA: Typed{"dns", "m\ufffd?n"}}},
		{"recipients encoded",
			"Reporting-MTA: dns; m\nContent-Transfer-Encoding: base64\n\nRmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFAYgpBY3Rpb246IGZhaWxlZAo=\n",
			DeliveryStatus{
				ReportingMTA: Typed{"dns", "m"}, Extensions: []Field{{"Content-Transfer-Encoding", "base64"}},
				Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "a@b"}, Action: Failed}},
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, in := range []string{c.in, crlf(c.in)} {
				got := ParseDeliveryStatus([]byte(in))
				for i := range got.Recipients {
					r := &got.Recipients[i]
					for _, d := range []*time.Time{&r.LastAttemptDate, &r.WillRetryUntil} {
						if d.Equal(when) {
							*d = when
						}
					}
				}
				if got.ArrivalDate.Equal(when) {
					got.ArrivalDate = when
				}
				require.Equal(t, &c.want, got)
			}
		})
	}
}

func TestAppendDeliveryStatus(t *testing.T) {
	ok := func() *DeliveryStatus {
		return &DeliveryStatus{
			OriginalEnvelopeID: "id", ReportingMTA: Typed{"", "mail.example.com"}, ArrivalDate: when, Extensions: []Field{{"X-A", " b "}},
			Recipients: []RecipientStatus{
				{OriginalRecipient: Typed{"rfc822", "a@b"}, FinalRecipient: Typed{"", "a@b"}, Action: Failed, Status: Status{5,
					1, 1}, RemoteMTA: Typed{Value: "mx"},
					DiagnosticCode: Typed{"smtp", "550 5.1.1 " + strings.Repeat("word ", 20)}},
				{FinalRecipient: Typed{"utf-8", "zoë@example.org"}, Action: Delayed, Status: Status{4, 4, 1},
					LocalizedDiagnostics: []Typed{{"de", "später"}}, FinalLogID: "x", WillRetryUntil: when},
			},
		}
	}
	b, err := ok().AppendTo([]byte("<"))
	require.NoError(t, err)
	require.Equal(t, "<"+crlf(`Original-Envelope-Id: id
Reporting-MTA: dns; mail.example.com
Arrival-Date: Mon, 4 Mar 2024 10:00:05 +0100
X-A: b

Original-Recipient: rfc822; a@b
Final-Recipient: rfc822; a@b
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx
Diagnostic-Code: smtp; 550 5.1.1 word word word word word word word word word
 word word word word word word word word word word word

Final-Recipient: utf-8; zoë@example.org
Action: delayed
Status: 4.4.1
Localized-Diagnostic: de; später
Final-Log-Id: x
Will-Retry-Until: Mon, 4 Mar 2024 10:00:05 +0100
`), string(b))

	for _, c := range []struct {
		name string
		edit func(d *DeliveryStatus)
		err  string
	}{
		{"no MTA", func(d *DeliveryStatus) { d.ReportingMTA = Typed{} }, "ReportingMTA is missing"},
		{"no recipient", func(d *DeliveryStatus) { d.Recipients = nil }, "a recipient is missing"},
		{"no final recipient", func(d *DeliveryStatus) { d.Recipients[0].FinalRecipient = Typed{} }, "FinalRecipient is missing"},
		{"no action", func(d *DeliveryStatus) { d.Recipients[0].Action = "" }, "Action is missing"},
		{"no status", func(d *DeliveryStatus) { d.Recipients[0].Status = Status{} }, "Status is missing"},
		{"bad status", func(d *DeliveryStatus) { d.Recipients[0].Status = Status{5, 1000, 0} }, "Status is missing"},
		{"CR", func(d *DeliveryStatus) { d.Recipients[0].DiagnosticCode.Value = "a\rb" }, "Diagnostic-Code has the octet 0x0d"},
		{"LF", func(d *DeliveryStatus) { d.OriginalEnvelopeID = "a\nBcc: x" }, "Original-Envelope-Id has the octet 0x0a at 1"},
		{"NUL", func(d *DeliveryStatus) { d.Extensions[0].Value = "\x00" }, "X-A has the octet 0x00"},
		{"bad UTF-8", func(d *DeliveryStatus) { d.Extensions[0].Value = "\xff" }, "X-A is not UTF-8"},
		{"bad name", func(d *DeliveryStatus) { d.Extensions[0].Name = "X: y\r\nZ" }, "is no field name"},
		{"bad type", func(d *DeliveryStatus) { d.ReportingMTA.Type = "a b" }, `Reporting-MTA has "a b" for a type`},
		{"bad action", func(d *DeliveryStatus) { d.Recipients[0].Action = "a\nb" }, "Action is missing"},
		{"bad language", func(d *DeliveryStatus) { d.Recipients[1].LocalizedDiagnostics[0].Type = "" }, "language"},
		{"long word", func(d *DeliveryStatus) { d.Extensions[0].Value = strings.Repeat("x", 1000) }, "without a blank to fold at"},
		{"year", func(d *DeliveryStatus) { d.ArrivalDate = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) }, "year 20000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := ok()
			c.edit(d)
			b, err := d.AppendTo([]byte("<"))
			require.ErrorContains(t, err, c.err)
			require.Equal(t, "<", string(b))
		})
	}
}

func TestDispositionNotification(t *testing.T) {
	for _, c := range []struct {
		in   string
		want DispositionNotification
		out  string
	}{
		{`Reporting-UA: joes-pc.cs.example.com; Foomail 97.1
MDN-Gateway: smtp; gw.example.com
Original-Recipient: rfc822;Joe_Recipient@example.com
Final-Recipient: rfc822;Joe_Recipient@example.com
Original-Message-ID: <199509192301.23456@example.org>
Disposition: manual-action/MDN-sent-manually; displayed/Error , x-foo
Error: one
Error: two
Failure: old
`, DispositionNotification{
			ReportingUA: "joes-pc.cs.example.com; Foomail 97.1", MDNGateway: Typed{"smtp", "gw.example.com"},
			OriginalRecipient: Typed{"rfc822", "Joe_Recipient@example.com"}, FinalRecipient: Typed{"rfc822",
				"Joe_Recipient@example.com"},
			OriginalMessageID: "199509192301.23456@example.org", ActionMode: "manual-action", SendingMode: "mdn-sent-manually",
			Type: "displayed", Modifiers: []string{"error", "x-foo"},
			Errors: []string{"one", "two"}, Extensions: []Field{{"Failure", "old"}},
		}, `Reporting-UA: joes-pc.cs.example.com; Foomail 97.1
MDN-Gateway: smtp; gw.example.com
Original-Recipient: rfc822; Joe_Recipient@example.com
Final-Recipient: rfc822; Joe_Recipient@example.com
Original-Message-ID: <199509192301.23456@example.org>
Disposition: manual-action/mdn-sent-manually; displayed/error, x-foo
Error: one
Error: two
Failure: old
`},
		{"Final-Recipient: a@b\nDisposition: displayed\n", DispositionNotification{FinalRecipient: Typed{"rfc822", "a@b"},
			Type: "displayed"}, ""},
		{"Disposition: a/b; \nDisposition: a; c\nDisposition: a b/c; d\nOriginal-Message-ID: nothing <a@b> <c@d>\nError:\n",
			DispositionNotification{
				Extensions: []Field{{"Disposition", "a/b;"}, {"Disposition", "a; c"}, {"Disposition", "a b/c; d"},
					{"Original-Message-ID", "nothing <a@b> <c@d>"}, {"Error", ""}},
			}, ""},
	} {
		got := ParseDispositionNotification([]byte(c.in))
		require.Equal(t, &c.want, got)
		b, err := got.AppendTo(nil)
		if c.out == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, crlf(c.out), string(b))
	}
	for _, d := range []DispositionNotification{
		{},
		{FinalRecipient: Typed{"rfc822", "a@b"}},
		{FinalRecipient: Typed{"rfc822", "a@b"}, ActionMode: "a/b", SendingMode: "c", Type: "d"},
		{FinalRecipient: Typed{"rfc822", "a@b"}, ActionMode: "a", SendingMode: "c", Type: "d", OriginalMessageID: "a@b>\r\nX: <"},
		{FinalRecipient: Typed{"rfc822", "a@b"}, ActionMode: "a", SendingMode: "c", Type: "d", Modifiers: []string{"a,b"}},
		{FinalRecipient: Typed{"rfc822", "a@b"}, ActionMode: "a", SendingMode: "c", Type: "d", Errors: []string{"a\nb"}},
	} {
		_, err := d.AppendTo(nil)
		require.Error(t, err, "%+v", d)
	}
}

func TestFeedbackReport(t *testing.T) {
	in := `Feedback-Type: Abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>
Original-Rcpt-To: <user@example.com>
Original-Rcpt-To: other@example.com
Received-Date: Mon, 4 Mar 2024 10:00:05 +0100
Source-IP: 192.0.2.2
Source-Port: 1234
Incidents: 2
Authentication-Results: mail.example.com;
               spf=fail
Reported-Domain: example.net
Reported-Domain: example.org
Reported-Uri: http://example.net/earn_money.html
Reporting-MTA: dns; mail.example.com
Auth-Failure: dkim
Delivery-Result: spam
Identity-Alignment: dkim
DKIM-Domain: example.net
DKIM-Identity: @example.net
DKIM-Selector: s
DKIM-ADSP-DNS: x
DKIM-Canonicalized-Header: aaa=
DKIM-Canonicalized-Body: bbb=
SPF-DNS: txt : example.net : v=spf1
Removal-Recipient: user@example.com
Source-Port: 99999
Version: 2
`
	want := &FeedbackReport{
		FeedbackType: "abuse", UserAgent: "SomeGenerator/1.0", Version: "1", OriginalMailFrom: "somespammer@example.net",
		OriginalRcptTo: []string{"user@example.com", "other@example.com"},
		SourceIP:       "192.0.2.2", SourcePort: 1234, Incidents: 2, AuthenticationResults: []string{"mail.example.com;               spf=fail"},
		ReportedDomains: []string{"example.net", "example.org"}, ReportedURIs: []string{"http://example.net/earn_money.html"},
		ReportingMTA: Typed{"dns", "mail.example.com"},
		AuthFailure:  "dkim", DeliveryResult: "spam", IdentityAlignment: "dkim", DKIMDomain: "example.net",
		DKIMIdentity: "@example.net", DKIMSelector: "s", DKIMADSPDNS: "x",
		DKIMCanonicalizedHeader: "aaa=", DKIMCanonicalizedBody: "bbb=", SPFDNS: "txt : example.net : v=spf1",
		Extensions: []Field{{"Removal-Recipient", "user@example.com"}, {"Source-Port", "99999"}, {"Version", "2"}},
	}
	got := ParseFeedbackReport([]byte(in))
	require.True(t, got.ArrivalDate.Equal(when))
	got.ArrivalDate = time.Time{}
	require.Equal(t, want, got)
	b, err := got.AppendTo(nil)
	require.NoError(t, err)
	require.Equal(t, want, ParseFeedbackReport(b))
	require.Contains(t, string(b),
		"\r\nOriginal-Mail-From: <somespammer@example.net>\r\nOriginal-Rcpt-To: <user@example.com>\r\nOriginal-Rcpt-To: <other@example.com>\r\n")

	require.Equal(t, "<>", ParseFeedbackReport([]byte("Original-Mail-From: <>\n")).OriginalMailFrom)
	for _, d := range []FeedbackReport{
		{},
		{FeedbackType: "abuse", UserAgent: "a"},
		{FeedbackType: "a b", UserAgent: "a", Version: "1"},
		{FeedbackType: "abuse", UserAgent: "a\r\nb", Version: "1"},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", OriginalMailFrom: "a>b"},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", OriginalRcptTo: []string{""}},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", SourcePort: -1},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", SourcePort: 1 << 16},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", Incidents: -1},
		{FeedbackType: "abuse", UserAgent: "a", Version: "1", ReportedURIs: []string{"a\nb"}},
	} {
		_, err := d.AppendTo(nil)
		require.Error(t, err, "%+v", d)
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Status
	}{
		{"5.1.1", Status{5, 1, 1}}, {" 4.4.1 (timed out)", Status{4, 4, 1}}, {"2.0.0(x)", Status{2, 0, 0}}, {"5.999.999",
			Status{5, 999, 999}}, {"4.7.500 busy", Status{4, 7, 500}}, {"5.1.1.", Status{}},
		{"", Status{}}, {"5", Status{}}, {"5.1", Status{}}, {"5.1.", Status{}}, {"3.1.1", Status{}}, {"5.1000.1", Status{}},
		{"5.1.1000", Status{}}, {"5.1.1.1", Status{}}, {"5.1.1x", Status{}}, {"55.1.1", Status{}}, {"5.-1.1", Status{}},
	} {
		got, ok := ParseStatus(c.in)
		assert.Equal(t, c.want, got, "%q", c.in)
		assert.Equal(t, !c.want.IsZero(), ok, "%q", c.in)
	}
	assert.Equal(t, "5.1.10", Status{5, 1, 10}.String())
	assert.Equal(t, "", Status{}.String())
	assert.Equal(t, 4, Status{4, 0, 0}.Class())
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		action    Action
		status    Status
		permanent bool
		temporary bool
		advice    Advice
	}{
		{Failed, Status{5, 1, 1}, true, false, AdviceSuppress},
		{Failed, Status{5, 1, 8}, true, false, AdviceSender},
		{Failed, Status{5, 1, 9}, true, false, AdviceContent},
		{Failed, Status{5, 2, 1}, true, false, AdviceSuppress},
		{Failed, Status{5, 2, 2}, true, false, AdviceRetry},
		{Failed, Status{5, 2, 3}, true, false, AdviceContent},
		{Failed, Status{5, 3, 0}, true, false, AdviceRetry},
		{Failed, Status{5, 3, 4}, true, false, AdviceContent},
		{Failed, Status{5, 4, 4}, true, false, AdviceSuppress},
		{Failed, Status{5, 4, 6}, true, false, AdviceRetry},
		{Failed, Status{5, 4, 7}, false, true, AdviceRetry},
		{Failed, Status{5, 6, 1}, true, false, AdviceContent},
		{Failed, Status{5, 7, 1}, true, false, AdviceSender},
		{Failed, Status{5, 7, 13}, true, false, AdviceSuppress},
		{Failed, Status{5, 0, 0}, true, false, AdviceRetry},
		{Failed, Status{4, 4, 1}, false, true, AdviceRetry},
		{Delayed, Status{4, 4, 1}, false, true, AdviceWait},
		{Delivered, Status{2, 0, 0}, false, false, AdviceNone},
		{Relayed, Status{2, 0, 0}, false, false, AdviceNone},
		{Expanded, Status{2, 0, 0}, false, false, AdviceNone},
	} {
		r := Recipient{Action: c.action, Status: c.status}
		assert.Equal(t, c.permanent, r.Permanent(), "%+v", c)
		assert.Equal(t, c.temporary, r.Temporary(), "%+v", c)
		assert.Equal(t, c.advice, r.Advice(), "%+v", c)
	}
	assert.Equal(t, "none wait retry suppress content sender Advice(9)", fmt.Sprint(AdviceNone, AdviceWait, AdviceRetry,
		AdviceSuppress, AdviceContent, AdviceSender, Advice(9)))
	assert.Equal(t, "none DSN MDN ARF bounce auto-reply Kind(9)", fmt.Sprint(None, DSN, MDN, ARF, Bounce, AutoReply, Kind(9)))
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		in   Typed
		want string
	}{
		{Typed{"rfc822", "a@b"}, "a@b"},
		{Typed{"rfc822", "<a@b>"}, "a@b"},
		{Typed{"rfc822", "Joe <a@b>"}, "a@b"},
		{Typed{"rfc822", "a@b (comment)"}, "a@b"},
		{Typed{"rfc822", `"a <b"@c`}, `"a <b"@c`},
		{Typed{"utf-8", `zo\x{EB}@x`}, "zoë@x"},
		{Typed{"UTF-8", `\x{43F}\x{1F600}@x`}, "п😀@x"},
		{Typed{"rfc822", `zo\x{EB}@x`}, `zo\x{EB}@x`},
		{Typed{"utf-8", `a\x{zz}\x{}\x{D800}\x{110000}\x{0A}\x{7F}\x{EB`}, `a\x{zz}\x{}\x{D800}\x{110000}\x{0A}\x{7F}\x{EB`},
	} {
		assert.Equal(t, c.want, c.in.Address(), "%v", c.in)
	}
	assert.Equal(t, "dns; x", Typed{"dns", "x"}.String())
	assert.Equal(t, "x", Typed{"", "x"}.String())
}

func TestXtext(t *testing.T) {
	for _, c := range []struct{ plain, xtext string }{
		{"", ""}, {"a@b", "a@b"}, {"a+b=c@d", "a+2Bb+3Dc@d"}, {"a b", "a+20b"}, {"ä\r\n\x00", "+C3+A4+0D+0A+00"},
	} {
		assert.Equal(t, "<"+c.xtext, string(AppendXtext([]byte("<"), c.plain)))
		got, err := ParseXtext(c.xtext)
		require.NoError(t, err)
		assert.Equal(t, c.plain, got)
	}
	for _, s := range []string{"a b", "a=b", "a+", "a+2", "a+2b", "a+GG", "ä", "\n", "+20 ", "+20="} {
		_, err := ParseXtext(s)
		assert.Error(t, err, "%q", s)
	}
}

func TestORCPT(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Typed
	}{
		{"rfc822;a@b", Typed{"rfc822", "a@b"}},
		{"rfc822;a+2Bc@b", Typed{"rfc822", "a+c@b"}},
		{`utf-8;zo\x{EB}@b`, Typed{"utf-8", "zoë@b"}},
		{`utf-8;a\x{2B}\x{3D}\x{20}\x{5C}@b`, Typed{"utf-8", `a+= \@b`}},
		{`utf-8;zoë@b`, Typed{"utf-8", "zoë@b"}},
	} {
		got, err := ParseORCPT(c.in)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
		b, err := AppendORCPT(nil, got)
		require.NoError(t, err)
		again, err := ParseORCPT(string(b))
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
	b, err := AppendORCPT([]byte("ORCPT="), Typed{"utf-8", "zoë +@b"})
	require.NoError(t, err)
	assert.Equal(t, `ORCPT=utf-8;zo\x{EB}\x{20}\x{2B}@b`, string(b))
	for _, s := range []string{"", "a@b", "rfc822;", ";a@b", "rfc822;a b", "rfc822;a+0Ab", "utf-8;\xff", "a b;c"} {
		_, err := ParseORCPT(s)
		assert.Error(t, err, "%q", s)
	}
	for _, a := range []Typed{{}, {"rfc822", ""}, {"", "a"}, {"rfc822", "ä@b"}, {"rfc822", "a\r\nb"}, {"utf-8", "\xff"},
		{"utf-8", "a\x01b"}} {
		_, err := AppendORCPT(nil, a)
		assert.Error(t, err, "%v", a)
	}
}

func TestVERP(t *testing.T) {
	for _, c := range []struct{ sender, rcpt, want string }{
		{"bounces@example.org", "joe@example.net", "bounces+joe=example.net@example.org"},
		{"b@example.org", "joe+tag=x@example.net", "b+joe+2Btag+3Dx=example.net@example.org"},
		{"b@example.org", `"a b"@example.net`, "b++22a+20b+22=example.net@example.org"},
		{"b@example.org", ".a..b.@example.net", "b++2Ea.+2Eb+2E=example.net@example.org"},
	} {
		b, err := AppendVERP([]byte("<"), c.sender, c.rcpt)
		require.NoError(t, err)
		assert.Equal(t, "<"+c.want, string(b))
		got, ok := ParseVERP(c.want, c.sender)
		assert.True(t, ok)
		assert.Equal(t, c.rcpt, got)
	}
	got, ok := ParseVERP("Bounces+Joe=example.net@EXAMPLE.org", "bounces@example.org")
	assert.True(t, ok)
	assert.Equal(t, "Joe@example.net", got)
	for _, a := range []string{"", "b", "b@example.org", "b+@example.org", "b+x@example.org", "b+=y@example.org",
		"b+x=@example.org", "b+x=y@example.com", "c+x=y@example.org", "b+x+0D+0A=y@example.org", "b+x=y z@example.org",
		"b+x+40evil.example=y@example.org", "b+x+3E+3Ca=y@example.org", "b+a+20b=y@example.org", "b+x+FF=y@example.org", "b++22a+22b+22=y@example.org"} {
		_, ok := ParseVERP(a, "b@example.org")
		assert.False(t, ok, "%q", a)
	}
	for _, c := range [][2]string{{"", "a@b"}, {"a@b", ""}, {"a@b", "c"}, {"a@", "c@d"}, {`"a"@b`, "c@d"}, {"a@b", "c@[192.0.2.1]"}, {"a@b", "c@d@e"}, {"a@b", "c d@e"}, {"a@b", "c\r\nd@e"}, {"a@b", strings.Repeat("x", 60) + "@example.org"}} {
		_, err := AppendVERP(nil, c[0], c[1])
		assert.Error(t, err, "%q", c)
	}
}

func sample() *Message {
	return &Message{
		From: "Mail System <mailer-daemon@example.com>", To: "<joe@example.com>", Subject: "Undelivered", Date: when,
		MessageID: "r1@example.com", Boundary: "b1",
		Text: "It failed.\n", Returned: strings.NewReader("Message-ID: <o1@example.com>\nSubject: x\n\nbody"), ReturnedASCII: true,
	}
}

func sampleStatus() *DeliveryStatus {
	return &DeliveryStatus{ReportingMTA: Typed{"dns", "mail.example.com"},
		Recipients: []RecipientStatus{{FinalRecipient: Typed{"rfc822", "a@example.org"}, Action: Failed, Status: Status{5, 1, 1}}}}
}

func TestWriteDSN(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().WriteDSN(&b, sampleStatus()))
	require.Equal(t, crlf(`From: Mail System <mailer-daemon@example.com>
To: <joe@example.com>
Subject: Undelivered
Date: Mon, 4 Mar 2024 10:00:05 +0100
Message-ID: <r1@example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

It failed.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; a@example.org
Action: failed
Status: 5.1.1

--b1
Content-Type: message/rfc822

Message-ID: <o1@example.com>
Subject: x

body
--b1--
`), b.String())
	r := ParseBytes(b.Bytes(), nil)
	require.Equal(t, DSN, r.Kind)
	require.Equal(t, sampleStatus(), r.Delivery)
	require.Equal(t, "o1@example.com", r.OriginalMessageID)
	require.Equal(t, "x", r.OriginalHeader.Text("Subject"))
}

func TestWriteDSNForms(t *testing.T) {
	m := sample()
	m.HeaderOnly, m.ReturnedASCII, m.ReturnedUTF8 = true, false, true
	m.Subject, m.Text = "Zoë's mail", "Für Zoë\r\n"
	m.Returned = strings.NewReader("Message-ID: <o1@example.com>\r\nSubject: é\r\n\r\nbody")
	m.Fields = []Field{{"X-Loop", "1"}}
	d := sampleStatus()
	d.Recipients[0].FinalRecipient = Typed{"utf-8", "zoë@example.org"}
	var b bytes.Buffer
	require.NoError(t, m.WriteDSN(&b, d))
	require.Equal(t, crlf(`From: Mail System <mailer-daemon@example.com>
To: <joe@example.com>
Subject: =?utf-8?b?Wm/DqydzIG1haWw=?=
Date: Mon, 4 Mar 2024 10:00:05 +0100
Message-ID: <r1@example.com>
Auto-Submitted: auto-replied
X-Loop: 1
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"
Content-Transfer-Encoding: 8bit

--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

F=C3=BCr Zo=C3=AB

--b1
Content-Type: message/global-delivery-status
Content-Transfer-Encoding: 8bit

Reporting-MTA: dns; mail.example.com

Final-Recipient: utf-8; zoë@example.org
Action: failed
Status: 5.1.1

--b1
Content-Type: message/global-headers
Content-Transfer-Encoding: 8bit

Message-ID: <o1@example.com>
Subject: é

--b1--
`), b.String())
	r := ParseBytes(b.Bytes(), nil)
	require.Equal(t, "zoë@example.org", r.Recipients[0].Address)
	require.Equal(t, "o1@example.com", r.OriginalMessageID)

	m = sample()
	m.Returned = nil
	b.Reset()
	require.NoError(t, m.WriteDSN(&b, sampleStatus()))
	require.True(t, strings.HasSuffix(b.String(), "\r\nStatus: 5.1.1\r\n\r\n--b1--\r\n"))
}

func TestWriteMDNAndARF(t *testing.T) {
	var b bytes.Buffer
	mdn := &DispositionNotification{FinalRecipient: Typed{"rfc822", "a@b"}, ActionMode: "manual-action",
		SendingMode: "mdn-sent-manually", Type: "displayed", OriginalMessageID: "o2@example.com"}
	require.NoError(t, sample().WriteMDN(&b, mdn))
	r := ParseBytes(b.Bytes(), nil)
	require.Equal(t, MDN, r.Kind)
	require.Equal(t, mdn, r.Disposition)
	require.Equal(t, "o2@example.com", r.OriginalMessageID)

	b.Reset()
	arf := &FeedbackReport{FeedbackType: "abuse", UserAgent: "x", Version: "1", SourceIP: "192.0.2.1"}
	m := sample()
	m.HeaderOnly = true
	require.NoError(t, m.WriteARF(&b, arf))
	require.NotContains(t, b.String(), "Auto-Submitted")
	r = ParseBytes(b.Bytes(), nil)
	require.Equal(t, ARF, r.Kind)
	require.Equal(t, arf, r.Feedback)
	require.Equal(t, "o1@example.com", r.OriginalMessageID)

	m.Returned = nil
	require.ErrorContains(t, m.WriteARF(&b, arf), "needs the message")
	arf.UserAgent = "ä"
	require.ErrorContains(t, sample().WriteARF(&b, arf), "must be ASCII")
	require.Error(t, sample().WriteARF(&b, &FeedbackReport{}))
	require.Error(t, sample().WriteMDN(&b, &DispositionNotification{}))
	require.Error(t, sample().WriteDSN(&b, &DeliveryStatus{}))
}

func TestWriteRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(m *Message)
		err  string
	}{
		{"From", func(m *Message) { m.From = "a\r\nBcc: b" }, "From has the octet 0x0d"},
		{"no From", func(m *Message) { m.From = " " }, "From is missing"},
		{"To", func(m *Message) { m.To = "a\nb" }, "To has the octet 0x0a"},
		{"8-bit To", func(m *Message) { m.To = "ä@b" }, "To is not ASCII"},
		{"Subject", func(m *Message) { m.Subject = "a\nb" }, "Subject has the octet 0x0a"},
		{"Message-ID", func(m *Message) { m.MessageID = "a> <b" }, "no message identifier"},
		{"no Message-ID", func(m *Message) { m.MessageID = "" }, "Message-ID is missing"},
		{"no Date", func(m *Message) { m.Date = time.Time{} }, "Date is missing"},
		{"boundary", func(m *Message) { m.Boundary = `a"` }, "in Boundary"},
		{"no boundary", func(m *Message) { m.Boundary = "" }, "Boundary must be"},
		{"long boundary", func(m *Message) { m.Boundary = strings.Repeat("x", 71) }, "Boundary must be"},
		{"NUL", func(m *Message) { m.Text = "\x00" }, "Text has NUL"},
		{"text", func(m *Message) { m.Text = "\xff" }, "Text is not UTF-8"},
		{"field", func(m *Message) { m.Fields = []Field{{"X", "a\nb"}} }, "X has the octet"},
		{"8-bit field", func(m *Message) { m.Fields = []Field{{"X", "ä"}} }, "X is not ASCII"},
		{"second From", func(m *Message) { m.Fields = []Field{{"from", "a"}} }, "further fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			m := sample()
			c.edit(m)
			require.ErrorContains(t, m.WriteDSN(&b, sampleStatus()), c.err)
			require.Empty(t, b.String())
		})
	}
	for _, c := range []struct {
		name string
		edit func(m *Message)
		err  error
	}{
		{"delimiter in text", func(m *Message) { m.Text = "a\n--b1--\n" }, ErrBoundary},
		{"delimiter", func(m *Message) { m.Returned = strings.NewReader("a: b\n\n--b1\nx") }, ErrBoundary},
		{"delimiter at the end", func(m *Message) { m.Returned = strings.NewReader("a: b\n\n--b1") }, ErrBoundary},
		{"delimiter at the beginning", func(m *Message) { m.Returned = strings.NewReader("--b1") }, ErrBoundary},
		{"delimiter behind CR", func(m *Message) { m.Returned = strings.NewReader("a\r--b1") }, ErrBoundary},
		{"not ASCII", func(m *Message) { m.Returned = strings.NewReader("ä") }, ErrNotASCII},
		{"reader", func(m *Message) { m.Returned = iotest.ErrReader(io.ErrClosedPipe) }, io.ErrClosedPipe},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, one := range []bool{false, true} {
				m := sample()
				c.edit(m)
				if one {
					m.Returned = iotest.OneByteReader(m.Returned)
				}
				require.ErrorIs(t, m.WriteDSN(io.Discard, sampleStatus()), c.err)
			}
		})
	}
	for n := range 5 {
		m := sample()
		require.ErrorIs(t, m.WriteDSN(&failing{n}, sampleStatus()), errFull)
	}
}

var errFull = errors.New("full")

// failing takes n writes.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestParseError(t *testing.T) {
	b := []byte("Return-Path: <>\nFrom: mailer-daemon@x\nSubject: failure notice\n\nhello\n")
	r, err := Parse(mime.ParseBytes(b, nil), errAt{}, nil)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NotNil(t, r)
}

type errAt struct{}

func (errAt) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: mailer-daemon@x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n")
	for i := range 100 {
		fmt.Fprintf(&b, "Final-Recipient: rfc822; a%d@b\nAction: failed\n\n", i)
	}
	b.WriteString("--b--\n")
	r := ParseBytes([]byte(b.String()), &Options{Limits: Limits{Recipients: 10}})
	require.Len(t, r.Recipients, 10)
	require.Len(t, r.Delivery.Recipients, 100)
	r = ParseBytes([]byte(b.String()), &Options{Limits: Limits{Status: 500}})
	require.Less(t, len(r.Delivery.Recipients), 15)

	b.Reset()
	b.WriteString("From: mailer-daemon@x\n\nHi. This is the qmail-send program at x.\nto the following addresses.\n\n")
	for i := range 100 {
		fmt.Fprintf(&b, "<a%d@b>:\nno (#5.1.1)\n\n", i)
	}
	r = ParseBytes([]byte(b.String()), &Options{Limits: Limits{Recipients: 10}})
	require.Len(t, r.Recipients, 10)
	r = ParseBytes([]byte(b.String()), &Options{Limits: Limits{Text: 500}})
	require.Less(t, len(r.Recipients), 30)
	r = ParseBytes([]byte(b.String()), nil)
	require.Len(t, r.Recipients, 100)
}
