package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
)

func addSamples(f *testing.F) {
	files, err := filepath.Glob("testdata/samples/*.eml")
	require.NoError(f, err)
	for _, n := range files {
		b, err := os.ReadFile(n)
		require.NoError(f, err)
		f.Add(b)
	}
}

// sameTimes makes dates comparable: zones of one offset are written alike.
func sameTimes(l ...*time.Time) {
	for _, t := range l {
		if !t.IsZero() {
			*t = t.UTC()
		}
	}
}

func sameDelivery(d *DeliveryStatus) *DeliveryStatus {
	sameTimes(&d.ArrivalDate)
	for i := range d.Recipients {
		sameTimes(&d.Recipients[i].LastAttemptDate, &d.Recipients[i].WillRetryUntil)
	}
	return d
}

// FuzzParse holds that any message is read without harm, alike from any source, and within the limits.
func FuzzParse(f *testing.F) {
	addSamples(f)
	f.Add([]byte("Return-Path: <>\nFrom: mailer-daemon@x\n\n<a@b>: 550 5.1.1 no\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := &Options{Limits: Limits{Recipients: 5}}
		r := ParseBytes(b, o)
		require.LessOrEqual(t, len(r.Recipients), 5)
		for i := range r.Recipients {
			x := &r.Recipients[i]
			require.NotContains(t, x.Diagnostic, "\n")
			require.NotContains(t, x.Diagnostic, "\r")
			_ = x.Advice()
			if r.Kind == Bounce {
				require.NotEmpty(t, x.Address)
				require.NotEmpty(t, x.Action)
				require.NotZero(t, x.Status.Class())
			}
		}
		if r.Kind != Bounce {
			require.Empty(t, r.System)
		} else {
			require.NotEmpty(t, r.System)
			require.NotEmpty(t, r.Recipients)
		}
		m, err := mime.Parse(bytes.NewReader(b), int64(len(b)), nil)
		require.NoError(t, err)
		again, err := Parse(m, bytes.NewReader(b), o)
		require.NoError(t, err)
		require.Equal(t, r.Kind, again.Kind)
		require.Equal(t, r.Recipients, again.Recipients)
		require.Equal(t, r.OriginalMessageID, again.OriginalMessageID)
	})
}

// FuzzParts holds that what is read of a part for machines, and can be written, is read again as it was.
func FuzzParts(f *testing.F) {
	for _, s := range []string{
		"Reporting-MTA: dns; a\nArrival-Date: Mon, 4 Mar 2024 10:00:05 +0100\n\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\nX: y\n\nFinal-Recipient: utf-8; \\x{EB}@b\nAction: Delayed (x)\nStatus: 4.0.0\n z\n",
		"Final-Recipient: rfc822; a@b\nDisposition: a/b; c/d, e\nOriginal-Message-ID: <a@b>\nError: x\n",
		"Feedback-Type: abuse\nUser-Agent: a\nVersion: 1\nOriginal-Mail-From: <>\nOriginal-Rcpt-To: <a@b>\nSource-Port: 1\nReported-Domain: a\n",
		"Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822;\nFinal-Recipient: x\nAction: failed\nStatus: 5.1.1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := ParseDeliveryStatus(b)
		if out, err := d.AppendTo(nil); err == nil {
			require.Equal(t, sameDelivery(d), sameDelivery(ParseDeliveryStatus(out)), "%q", out)
		}
		n := ParseDispositionNotification(b)
		if out, err := n.AppendTo(nil); err == nil {
			require.Equal(t, n, ParseDispositionNotification(out), "%q", out)
		}
		a := ParseFeedbackReport(b)
		if out, err := a.AppendTo(nil); err == nil {
			again := ParseFeedbackReport(out)
			sameTimes(&a.ArrivalDate, &again.ArrivalDate)
			require.Equal(t, a, again, "%q", out)
		}
	})
}

// FuzzWrite holds that any report that is written is read as what it is, with no field that was not given, however it is read.
func FuzzWrite(f *testing.F) {
	f.Add("Undelivered", "text\n", "a@b", "550 no", "Message-ID: <o@x>\n\nbody\n", true)
	f.Add("é\u2028", "a\r\nb\xc3\xa9", "\u00e9@b", "x \t y", "\r\n\r\n--b", false)
	f.Fuzz(func(t *testing.T, subject, text, rcpt, diagnostic, returned string, header bool) {
		d := sampleStatus()
		d.Recipients[0].FinalRecipient = Typed{"utf-8", rcpt}
		d.Recipients[0].DiagnosticCode = Typed{"smtp", diagnostic}
		build := func(one bool) (string, error) {
			m := sample()
			m.Subject, m.Text, m.HeaderOnly, m.ReturnedASCII = subject, text, header, false
			m.Returned = strings.NewReader(returned)
			if one {
				m.Returned = iotest.OneByteReader(m.Returned)
			}
			var b bytes.Buffer
			err := m.WriteDSN(&b, d)
			return b.String(), err
		}
		out, err := build(false)
		chunked, err2 := build(true)
		require.Equal(t, err, err2)
		if err != nil {
			return
		}
		require.Equal(t, out, chunked)
		p := mime.ParseBytes([]byte(out), nil)
		require.Len(t, p.Children, 3)
		fields := 0
		for range p.Header.Fields() {
			fields++
		}
		require.LessOrEqual(t, fields, 9)
		for l := range strings.SplitSeq(out[:p.Children[2].BodyStart], "\n") {
			require.True(t, l == "" || strings.HasSuffix(l, "\r"), "%q", l)
			require.LessOrEqual(t, len(l), 999)
		}
		r := ParseBytes([]byte(out), nil)
		require.Equal(t, DSN, r.Kind)
		require.Len(t, r.Delivery.Recipients, 1)
		require.Empty(t, r.Delivery.Extensions)
		want := strings.Trim(rcpt, " \t")
		if want != "" {
			require.Equal(t, want, r.Delivery.Recipients[0].FinalRecipient.Value)
		}
	})
}

// FuzzSmall holds the small codecs.
func FuzzSmall(f *testing.F) {
	for _, s := range []string{"a+b=c@d", "\x00\xff", `zo\x{EB}`, "5.1.1", "550 5.1.1 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := ParseXtext(string(AppendXtext(nil, s)))
		require.NoError(t, err)
		require.Equal(t, s, x)
		_, _ = ParseXtext(s)
		if st, ok := ParseStatus(s); ok {
			again, ok := ParseStatus(st.String())
			require.True(t, ok)
			require.Equal(t, st, again)
		}
		for _, typ := range []string{"rfc822", "utf-8"} {
			if b, err := AppendORCPT(nil, Typed{typ, s}); err == nil {
				again, err := ParseORCPT(string(b))
				require.NoError(t, err)
				require.Equal(t, Typed{typ, s}, again)
			}
		}
		if a, err := ParseORCPT(s); err == nil {
			if b, err := AppendORCPT(nil, a); err == nil {
				again, err := ParseORCPT(string(b))
				require.NoError(t, err)
				require.Equal(t, a, again)
			}
		}
		if b, err := AppendVERP(nil, "bounces@example.org", s); err == nil {
			got, ok := ParseVERP(string(b), "bounces@example.org")
			if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
				require.True(t, ok)
				require.Equal(t, s, got)
			}
		}
		ParseVERP(s, "b@example.org")
		addr, _, rest, ok := addressLine(s)
		if ok {
			require.True(t, looksLikeAddress(addr))
			require.LessOrEqual(t, len(rest), len(s))
		}
		findHost(s)
		htmlText(s)
		findReply(s)
	})
}
