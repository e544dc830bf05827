package smtp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
)

func TestASCIIDomain(t *testing.T) {
	for in, want := range map[string]string{
		"example.org":    "example.org",
		"Example.ORG":    "Example.ORG",
		"[192.0.2.1]":    "[192.0.2.1]",
		"bücher.example": "xn--bcher-kva.example",
		"BÜCHER.example": "xn--bcher-kva.example",
		"почта.рф":       "xn--80a1acny.xn--p1ai",
		"例え.テスト":         "xn--r8jz45g.xn--zckzah",
		"例え\u3002テスト":    "xn--r8jz45g.xn--zckzah",
		"mañana.com":     "xn--maana-pta.com",
		"münchen-ost.de": "xn--mnchen-ost-9db.de",
		"他们为什么不说中文.x":    "xn--ihqwcrb4cv8a8dqg056pqjye.x",
		"почемужеонинеговорятпорусски.x": "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l.x",
		"faß.de": "xn--fa-hia.de",
	} {
		got, err := smtp.ASCIIDomain(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"é..x", "é\xff", strings.Repeat("é", 64) + ".x", strings.Repeat("日本語", 21) + ".x", "\u3002é"} {
		_, err := smtp.ASCIIDomain(in)
		var pe *smtp.PathError
		require.ErrorAs(t, err, &pe, in)
	}
}

func FuzzASCIIDomain(f *testing.F) {
	f.Add("bücher.example")
	f.Add("\u00df.\u3002")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := smtp.ASCIIDomain(s)
		if err != nil {
			return
		}
		again, err := smtp.ASCIIDomain(a)
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}

func TestExtensionArguments(t *testing.T) {
	x := smtp.ParseExtensions([]string{"mx", "DELIVERBY 240", "FUTURERELEASE 86400 2026-12-31T23:59:59Z", "LIMITS MAILMAX=5 rcptmax=20 RCPTDOMAINMAX=1 FOO RCPTMAX=x MAILMAX=0"})
	by, ok := x.MinDeliverBy()
	require.True(t, ok)
	require.Equal(t, int64(240), by)
	hold, until, ok := x.FutureRelease()
	require.True(t, ok)
	require.Equal(t, int64(86400), hold)
	require.Equal(t, time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), until)
	require.Equal(t, smtp.SessionLimits{MailMax: 5, RcptMax: 20, RcptDomainMax: 1}, x.Limits())

	x = smtp.ParseExtensions([]string{"mx", "DELIVERBY", "FUTURERELEASE"})
	by, ok = x.MinDeliverBy()
	require.True(t, ok)
	require.Zero(t, by)
	_, until, ok = x.FutureRelease()
	require.True(t, ok)
	require.True(t, until.IsZero())
	_, ok = smtp.Extensions(nil).MinDeliverBy()
	require.False(t, ok)
	_, _, ok = smtp.Extensions(nil).FutureRelease()
	require.False(t, ok)
	require.Zero(t, smtp.Extensions(nil).Limits())
}
