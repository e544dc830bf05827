package report

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for _, n := range []string{"exim-failed", "postfix-dsn", "m365-failed-html", "none-quoted-bounce"} {
		m, err := os.ReadFile("testdata/samples/" + n + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(n, func(b *testing.B) {
			b.SetBytes(int64(len(m)))
			b.ReportAllocs()
			for b.Loop() {
				ParseBytes(m, nil)
			}
		})
	}
}

// hostile is messages whose cost would be more than linear in a careless reader.
func hostile(n int) map[string]string {
	const bounce = "Return-Path: <>\nFrom: mailer-daemon@x\nX-Failed-Recipients: z@z\nSubject: returned mail\n\n"
	const dsn = "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
	var many strings.Builder
	for i := range n / 20 {
		many.WriteString("<a" + strconv.Itoa(i) + "@b>\n")
	}
	return map[string]string{
		"transcript": bounce + "----- The following addresses had permanent fatal errors -----\n" + many.String() + "\n----- Transcript of session follows -----\n" + strings.Repeat("550\n",
			n/4),
		"shared":     bounce + "This is the qmail-send program\n\n" + many.String() + strings.Repeat("x\n", n/2),
		"recipients": bounce + strings.Repeat("<a@b>: 550 5.1.1 x\n", n/20),
		"codes":      bounce + "<a@b>: " + strings.Repeat("550 ", n/4),
		"hosts":      bounce + "<a@b>: 550 " + strings.Repeat("host by ", n/8),
		"one line":   bounce + strings.Repeat("<", n),
		"blanks":     bounce + strings.Repeat(" ", n) + "<a@b>",
		"phrases": bounce + strings.Repeat("the following address(es) failed:\n",
			n/34) + "this message was created automatically by mail delivery software",
		"html":          "Content-Type: text/html\n" + bounce + strings.Repeat("<b><!--", n/7),
		"html comments": "Content-Type: text/html\n" + bounce + strings.Repeat("<p>&amp;", n/8),
		"status junk":   dsn + strings.Repeat("x\n", n/2),
		"status groups": dsn + strings.Repeat("Final-Recipient: x\n\n", n/20),
		"status fields": dsn + strings.Repeat("A: b\n", n/5),
		"status folded": dsn + "A: b\n" + strings.Repeat(" c\n", n/3),
		"status xtext":  dsn + "Final-Recipient: utf-8; " + strings.Repeat(`\x{`, n/3),
		"subject":       "Subject: " + strings.Repeat("auto ", n/5) + "\n\n",
		"from":          "From: " + strings.Repeat("<", n) + "\n\n",
		"failed":        "X-Failed-Recipients: " + strings.Repeat("a@b, ", n/5) + "\n\nx\n",
	}
}

func BenchmarkHostile(b *testing.B) {
	for name := range hostile(0) {
		for _, n := range []int{64 << 10, 128 << 10} {
			m := []byte(hostile(n)[name])
			b.Run(name+"/"+strconv.Itoa(n>>10)+"K", func(b *testing.B) {
				b.SetBytes(int64(len(m)))
				for b.Loop() {
					ParseBytes(m, nil)
				}
			})
		}
	}
}

// TestHostile holds that such messages are read to an end.
func TestHostile(t *testing.T) {
	for name, m := range hostile(64 << 10) {
		t.Run(name, func(t *testing.T) {
			ParseBytes([]byte(m), nil)
		})
	}
}
