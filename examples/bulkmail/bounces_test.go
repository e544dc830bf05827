package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/report"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// dsn is a delivery report. id is the identifier of the message it returns.
func dsn(to, rcpt string, action report.Action, status report.Status, id string) string {
	var b bytes.Buffer
	m := &report.Message{
		From: "MAILER-DAEMON@mx.example.com", To: to, Subject: "Delivery Status Notification", Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		MessageID: "dsn@mx.example.com", Boundary: "=_b", Text: "It did not go well.\n",
		Returned: strings.NewReader("Message-ID: <" + id + ">\r\nSubject: News\r\n\r\n"), HeaderOnly: true, ReturnedASCII: true,
	}
	err := m.WriteDSN(&b, &report.DeliveryStatus{
		ReportingMTA: report.Typed{Type: "dns", Value: "mx.example.com"},
		Recipients: []report.RecipientStatus{{
			FinalRecipient: report.Typed{Type: "rfc822", Value: rcpt}, Action: action, Status: status,
			DiagnosticCode: report.Typed{Type: "smtp", Value: "reason"},
		}},
	})
	if err != nil {
		panic(err)
	}
	return b.String()
}

func complaint(to, from string) string {
	var b bytes.Buffer
	m := &report.Message{
		From: "fbl@isp.example", To: to, Subject: "Complaint", Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		MessageID: "arf@isp.example", Boundary: "=_b", Text: "Somebody calls it spam.\n",
		Returned: strings.NewReader("Subject: News\r\n\r\n"), HeaderOnly: true, ReturnedASCII: true,
	}
	if err := m.WriteARF(&b, &report.FeedbackReport{FeedbackType: "abuse", UserAgent: "x/1", Version: "1", OriginalMailFrom: from}); err != nil {
		panic(err)
	}
	return b.String()
}

// mailed is a state from which n people were sent a message, and what they got.
func mailed(t *testing.T, d *desk, n int) map[string]*smtptest.Message {
	t.Helper()
	s := smtptest.NewServer(t)
	text, err := os.ReadFile(d.path("bulkmail.conf"))
	require.NoError(t, err)
	d.write("bulkmail.conf", strings.Replace(string(text), "SMTP", s.Addr, 1))
	d.list(n)
	_, log, code := in(t, d.sendArgs()...)
	require.Zero(t, code, log)
	got := map[string]*smtptest.Message{}
	for _, m := range s.Messages() {
		got[m.Envelope.To[0].Path.String()] = m
	}
	require.Len(t, got, n)
	return got
}

func messageID(m *smtptest.Message) string {
	return mime.ParseBytes(m.Data, nil).Header.MessageIDs("Message-ID")[0]
}

// inbox is what comes back, in the order it comes.
func inbox(got map[string]*smtptest.Message) []string {
	from := func(i int) string { return got[person(i)].Envelope.From.String() }
	unsubscribe := ""
	for _, u := range mime.ParseBytes(got[person(9)].Data, nil).Header.Unsubscribe().URIs {
		if rest, ok := strings.CutPrefix(u.URI, "mailto:"); ok {
			unsubscribe, _, _ = strings.Cut(rest, "?")
		}
	}
	return []string{
		// 0: by VERP, whatever address it was forwarded to.
		dsn(from(0), "elsewhere@example.com", report.Failed, report.Status{5, 1, 1}, "x@y.example"),
		// 1: only delayed, twice.
		dsn(from(1), person(1), report.Delayed, report.Status{4, 4, 1}, messageID(got[person(1)])),
		dsn(from(1), person(1), report.Delayed, report.Status{5, 1, 1}, messageID(got[person(1)])),
		// 2: by the final recipient alone.
		dsn("news@example.org", person(2), report.Failed, report.Status{5, 1, 1}, "x@y.example"),
		// 3: by the message that came back.
		dsn("news@example.org", "x@z.example", report.Failed, report.Status{5, 2, 1}, messageID(got[person(3)])),
		// 4: a full mailbox.
		dsn(from(4), person(4), report.Failed, report.Status{5, 2, 2}, messageID(got[person(4)])),
		// 5: the message was refused, not the address.
		dsn(from(5), person(5), report.Failed, report.Status{5, 3, 4}, messageID(got[person(5)])),
		dsn(from(5), person(5), report.Failed, report.Status{5, 7, 1}, messageID(got[person(5)])),
		// 6: on holiday.
		"From: " + person(6) + "\r\nTo: " + from(6) + "\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday.\r\n",
		// 7: a letter.
		"From: " + person(7) + "\r\nTo: editors@example.org\r\nSubject: Well done\r\n\r\nMore of it.\r\n",
		// A long letter.
		"From: " + person(7) + "\r\nTo: editors@example.org\r\nSubject: All of it\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 90000),
		// 8: spam, he says.
		complaint("abuse@example.org", from(8)),
		// 9: no more.
		"From: " + person(9) + "\r\nTo: <" + strings.ToUpper(unsubscribe) + ">\r\nSubject: unsubscribe\r\nAuto-Submitted: auto-generated\r\n\r\n",
		// Somebody else's bounce.
		dsn("news@example.org", "stranger@example.com", report.Failed, report.Status{5, 1, 1}, "x@y.example"),
	}
}

const inboxSummary = "bulkmail: 14 read, 3 hard, 1 soft, 1 complaint, 1 unsubscribe, 2 delayed, 1 content, 1 sender, 4 other; 5 suppressed\n"

func checkSuppressed(t *testing.T, d *desk, who ...int) {
	t.Helper()
	s, err := openSuppressions(d.path("state/suppressed"), nil)
	require.NoError(t, err)
	for i := range 12 {
		want := false
		for _, w := range who {
			want = want || w == i
		}
		assert.Equal(t, want, s.has(person(i)), person(i))
	}
}

// The same mailbox over IMAP and POP3.
func TestBounces(t *testing.T) {
	for _, protocol := range []string{"imap", "pop3"} {
		t.Run(protocol, func(t *testing.T) {
			d := newDesk(t)
			d.write("password", "secret\n")
			var addr, pem string
			var deliver func(string)
			var left func() int
			if protocol == "imap" {
				s := imaptest.NewServer(t)
				addr = s.TLSAddr
				pem = certificatePEM(t, s.TLSAddr, tlsFor(s.Pool))
				n := 0
				deliver = func(m string) {
					_, err := s.Memory.Deliver(imaptest.User, "INBOX", m)
					require.NoError(t, err)
					n++
				}
				left = func() int { return n }
			} else {
				s := pop3test.NewServer(t)
				s.AddUser("user", "secret")
				addr = s.TLSAddr
				pem = certificatePEM(t, s.TLSAddr, s.ClientTLS())
				deliver = func(m string) { s.Deliver("user", m) }
				left = func() int { return len(s.Messages("user")) }
			}
			d.write("ca.pem", pem)
			d.config(fmt.Sprintf("soft-bounces = 3 in 30d\n[mailbox bounces]\nprotocol = %s\naddr = %s\ntls = implicit\nca = ca.pem\nuser = user\npassword-file = password\n", protocol, addr), "SMTP")
			got := mailed(t, d, 12)
			for _, m := range inbox(got) {
				deliver(m)
			}

			out, log, code := in(t, "bounces", "-state", d.state(), "-dry-run")
			require.Zero(t, code, log)
			require.Equal(t, strings.Replace(inboxSummary, " suppressed", " would be suppressed", 1), log)
			require.Contains(t, out, "hard, suppressed "+person(0)+" 5.1.1 ")
			checkSuppressed(t, d)

			_, log, code = in(t, "bounces", "-state", d.state())
			require.Zero(t, code, log)
			require.Equal(t, inboxSummary, log)
			checkSuppressed(t, d, 0, 2, 3, 8, 9)
			require.Equal(t, 14, left())

			// What was read is read no more.
			_, log, code = in(t, "bounces", "-state", d.state())
			require.Zero(t, code, log)
			require.Equal(t, "bulkmail: 0 read; 0 suppressed\n", log)

			// The same soft bounce again counts once; another campaign's counts.
			from := got[person(4)].Envelope.From.String()
			deliver(dsn(from, person(4), report.Failed, report.Status{5, 2, 2}, messageID(got[person(4)])))
			deliver(dsn(from, person(4), report.Failed, report.Status{5, 2, 2}, "another@example.org"))
			_, log, code = in(t, "bounces", "-state", d.state(), "-v")
			require.Zero(t, code, log)
			checkSuppressed(t, d, 0, 2, 3, 8, 9)
			deliver(dsn(from, person(4), report.Failed, report.Status{4, 2, 2}, "third@example.org"))
			_, log, code = in(t, "bounces", "-state", d.state())
			require.Zero(t, code, log)
			require.Equal(t, "bulkmail: 1 read, 1 soft; 1 suppressed\n", log)
			checkSuppressed(t, d, 0, 2, 3, 4, 8, 9)
			data, err := os.ReadFile(d.path("state/suppressed"))
			require.NoError(t, err)
			require.Contains(t, string(data), person(4)+"\tbounced 3 times: 4.2.2 ")

			// The next campaign leaves them out.
			_, log, code = in(t, d.sendArgs("-campaign", "next")...)
			require.Zero(t, code, log)
			require.Equal(t, "bulkmail: next: 6 of 12 sent, 6 suppressed\n", log)
		})
	}
}

// A crash between a suppression and its record does no harm.
func TestBouncesCrash(t *testing.T) {
	d := newDesk(t)
	d.config("soft-bounces = 2 in 30d\n", "SMTP")
	got := mailed(t, d, 12)
	s, err := lookState(d.state())
	require.NoError(t, err)
	s.secret, err = loadSecret(d.state())
	require.NoError(t, err)
	conf, err := loadConfig(d.path("bulkmail.conf"))
	require.NoError(t, err)
	open := func() *bouncer {
		b, err := s.openBouncer(conf, []string{"news"}, false)
		require.NoError(t, err)
		b.say = func(string, ...any) {}
		return b
	}
	messages := inbox(got)
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for how := range breakages {
		for i, m := range messages {
			source := fmt.Sprintf("test %d/%d", how, i)
			b := open()
			b.journal.f = &brokenFile{journalFile: b.journal.f, how: how}
			require.ErrorIs(t, b.take(source, []byte(m), at), errBroken)
			b.close()
			if b = open(); b.done[source].IsZero() {
				require.NoError(t, b.take(source, []byte(m), at))
			} else {
				require.Equal(t, breakSync, how)
			}
			b.close()
		}
	}
	checkSuppressed(t, d, 0, 2, 3, 8, 9)
	require.Equal(t, 5, strings.Count(d.read("state/suppressed"), "\n"))
}

// Soft bounces that lie far apart do not add up.
func TestSoftBounceWindow(t *testing.T) {
	b := &bouncer{conf: &config{softBounces: 3, softBounceWindow: 30 * day}, soft: map[string][]strike{}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		of   string
		days int
		want int
	}{{"a", 0, 1}, {"b", 20, 2}, {"b", 20, 2}, {"c", 40, 2}, {"d", 45, 3}, {"e", 200, 1}} {
		assert.Equal(t, tt.want, b.strike(bounceRecord{To: "x", Of: tt.of, When: start.Add(time.Duration(tt.days) * day)}), tt.of)
	}
}

// A mailbox that can not be read is an error, and the others are read.
func TestBouncesFailing(t *testing.T) {
	s := pop3test.NewServer(t)
	s.AddUser("user", "secret")
	d := newDesk(t)
	d.write("password", "secret\n")
	d.write("wrong", "wrong\n")
	mailbox := "protocol = pop3\naddr = " + s.Addr + "\ntls = off\ncleartext-login = yes\nuser = user\n"
	d.config("[mailbox a]\n"+mailbox+"password-file = wrong\n[mailbox b]\n"+mailbox+"password-file = password\n", "SMTP")
	got := mailed(t, d, 12)
	uid := s.Deliver("user", inbox(got)[0])
	s.Deliver("user", inbox(got)[3])
	s.FailMessage("user", uid, 100, fmt.Errorf("disk"))
	_, log, code := in(t, "bounces", "-state", d.state())
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "bulkmail: 0 read; 0 suppressed\nbulkmail: [mailbox a]: ")
	require.Contains(t, log, "\n[mailbox b]: ")
	s.FailMessage("user", uid, 0, nil)
	_, log, code = in(t, "bounces", "-state", d.state())
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "bulkmail: 2 read, 2 hard; 2 suppressed\n")
	checkSuppressed(t, d, 0, 2)
}
