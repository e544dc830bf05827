package smtp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
)

func TestEnhancedCode(t *testing.T) {
	c, ok := smtp.ParseEnhancedCode("5.1.10")
	require.True(t, ok)
	require.Equal(t, smtp.EnhancedCode{5, 1, 10}, c)
	require.Equal(t, "5.1.10", c.String())
	for _, s := range []string{"", "5", "5.1", "5.1.", "5.1.1.1", "3.1.1", "5.1.1000", "5.-1.1", "5.1.x", "..", "55.1.1"} {
		_, ok := smtp.ParseEnhancedCode(s)
		require.False(t, ok, s)
	}
	require.Equal(t, "", smtp.EnhancedCode{}.String())
	require.True(t, smtp.EnhancedCode{}.IsZero())
	require.False(t, smtp.EnhancedCode{2, 1000, 0}.Valid())
}

// Whatever a backend puts in, one clean reply comes out.
func TestErrorReply(t *testing.T) {
	long := strings.Repeat("word ", 200)
	tests := []struct {
		name string
		in   smtp.Error
		want smtp.Reply
	}{
		{"as it is", smtp.Error{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"},
			smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Lines: []string{"no such user"}}},
		{"injection", smtp.Error{Code: 550, Message: "no\r\n250 OK\x00\x7f\x1b[2J\tnaïve \xff\xfe "},
			smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 0, 0}, Lines: []string{"no 250 OK [2J na?ve ??"}}},
		{"no code", smtp.Error{Message: "x"},
			smtp.Reply{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Lines: []string{"x"}}},
		{"code of success", smtp.Error{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 1, 0}, Message: "x"},
			smtp.Reply{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 1, 0}, Lines: []string{"x"}}},
		{"class contradicts", smtp.Error{Code: 450, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "x"},
			smtp.Reply{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Lines: []string{"x"}}},
		{"no enhanced code at all", smtp.Error{Code: 550, EnhancedCode: smtp.EnhancedCode{9, -1, 1}, Message: "x"},
			smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 0, 0}, Lines: []string{"x"}}},
		{"no text", smtp.Error{Code: 550, Message: "\r\n"},
			smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 0, 0}, Lines: []string{"Refused"}}},
		{"long", smtp.Error{Code: 550, Message: long},
			smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 0, 0}, Lines: []string{
				strings.TrimSpace(long[:480]), strings.TrimSpace(long[480:960]), strings.TrimSpace(long[960:])}}},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, tt.in.Reply(), tt.name)
	}
	huge := (&smtp.Error{Code: 550, Message: strings.Repeat("x", 1<<20)}).Reply()
	require.Len(t, huge.Lines, 10)
}

func TestErrors(t *testing.T) {
	e := smtp.Errorf(450, smtp.EnhancedCode{4, 7, 1}, "try %s", "later\r\nplease")
	require.EqualError(t, e, "smtp: 450 4.7.1 try later please")
	e.Command = "MAIL FROM:<a@b>"
	require.EqualError(t, e, "smtp: MAIL FROM:<a@b>: 450 4.7.1 try later please")
	require.True(t, e.Temporary())
	require.False(t, e.Permanent())

	require.Nil(t, smtp.AsError(nil))
	require.Same(t, e, smtp.AsError(fmt.Errorf("wrapped: %w", e)))
	require.Equal(t, &smtp.Error{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Local error in processing"}, smtp.AsError(errors.New("secret")))

	r := smtp.Reply{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Lines: []string{"one", "two"}}
	require.Equal(t, "550 5.1.1 one two", r.String())
	require.Equal(t, "one\ntwo", r.Text())
	require.True(t, r.Permanent())
	require.False(t, r.Temporary())
	require.Equal(t, &smtp.Error{Code: 550, EnhancedCode: r.EnhancedCode, Message: "one\ntwo", Command: "RCPT"}, r.Err("RCPT"))
	ok := smtp.Reply{Code: 354}
	require.NoError(t, ok.Err("DATA"))
	require.True(t, ok.Positive())
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ok": "ok", " a  b ": "a b", "a\r\n\r\nb": "a b", "\t": "", "ü": "?", "a\u2028b": "a?b", "\x80": "?",
	} {
		require.Equal(t, want, smtp.CleanText(in), "%q", in)
	}
}

func TestResult(t *testing.T) {
	failure := errors.New("full")
	r := smtp.Result{Recipients: []smtp.Verdict{{}, {Err: failure}, {}}}
	require.Equal(t, 2, r.Accepted())
	require.Equal(t, failure, r.Err())
	require.NoError(t, (&smtp.Result{}).Err())
}

func TestExtensions(t *testing.T) {
	x := smtp.ParseExtensions([]string{
		"mx greets you", "pipelining", "SIZE 35882577", "AUTH=LOGIN PLAIN", "AUTH LOGIN CRAM-MD5", "auth Plain",
		"X-FOO  bar baz ", "", "!!", "STARTTLS=1", "8BITMIME",
	})
	require.Equal(t, smtp.Extensions{
		{Name: "PIPELINING"}, {Name: "SIZE", Args: "35882577"}, {Name: "AUTH", Args: "LOGIN PLAIN"},
		{Name: "AUTH", Args: "LOGIN CRAM-MD5"}, {Name: "AUTH", Args: "Plain"}, {Name: "X-FOO", Args: "bar baz"}, {Name: "8BITMIME"},
	}, x)
	require.True(t, x.Has("PIPELINING"))
	require.False(t, x.Has("STARTTLS"))
	require.Equal(t, []string{"LOGIN", "PLAIN", "CRAM-MD5"}, x.Mechanisms())
	size, ok := x.Size()
	require.True(t, ok)
	require.Equal(t, int64(35882577), size)
	for _, args := range []string{"", "x", "99999999999999999999", "-1"} {
		size, ok = smtp.Extensions{{Name: "SIZE", Args: args}}.Size()
		require.True(t, ok)
		require.Zero(t, size, args)
	}
	_, ok = smtp.Extensions{}.Size()
	require.False(t, ok)
	require.Nil(t, smtp.ParseExtensions([]string{"mx"}))
	require.Nil(t, smtp.ParseExtensions(nil))
}

func TestReceived(t *testing.T) {
	at := time.Date(2026, 11, 5, 4, 3, 2, 0, time.FixedZone("", -3*3600))
	tests := []struct {
		in   smtp.Received
		want string
	}{
		{smtp.Received{From: "c.example.org", Addr: netip.MustParseAddr("192.0.2.1"), By: "mx.example.org", With: "ESMTPSA", ID: "4Xyz",
			TLS: "TLS 1.3, TLS_AES_128_GCM_SHA256", For: smtp.MustParsePath(`"b c"@example.org`), Time: at},
			"Received: from c.example.org ([192.0.2.1])\r\n\t(TLS 1.3, TLS_AES_128_GCM_SHA256)\r\n" +
				"\tby mx.example.org with ESMTPSA id 4Xyz\r\n\tfor <\"b c\"@example.org>;\r\n\tThu, 5 Nov 2026 04:03:02 -0300\r\n"},
		{smtp.Received{From: "evil) by x;\r\nX: y", Addr: netip.MustParseAddr("2001:db8::1%eth0"), By: "mx.example.org", With: "E SMTP", ID: "a b",
			TLS: "a)b\r\n", For: smtp.Path{Local: "a\r\n", Domain: "b"}, Time: at},
			"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\t(ab)\r\n\tby mx.example.org;\r\n\tThu, 5 Nov 2026 04:03:02 -0300\r\n"},
		{smtp.Received{By: "\r\n", Time: at}, "Received: from localhost\r\n\tby localhost;\r\n\tThu, 5 Nov 2026 04:03:02 -0300\r\n"},
		{smtp.Received{From: "[192.0.2.9]", Addr: netip.MustParseAddr("::ffff:192.0.2.1"), By: "mx", Time: at},
			"Received: from [192.0.2.9] ([192.0.2.1])\r\n\tby mx;\r\n\tThu, 5 Nov 2026 04:03:02 -0300\r\n"},
	}
	for _, tt := range tests {
		require.Equal(t, "x"+tt.want, string(smtp.AppendReceived([]byte("x"), &tt.in)))
	}
	require.Equal(t, "Return-Path: <>\r\n", string(smtp.AppendReturnPath(nil, smtp.Null)))
	require.Equal(t, "Return-Path: <a@b>\r\n", string(smtp.AppendReturnPath(nil, smtp.MustParsePath("a@b"))))
	require.Equal(t, "Return-Path: <>\r\n", string(smtp.AppendReturnPath(nil, smtp.Path{Local: "a\r\n", Domain: "b"})))
	require.Equal(t, "", smtp.AddressLiteral(netip.Addr{}))
}

func TestNames(t *testing.T) {
	require.Equal(t, []string{"", "7BIT", "8BITMIME", "BINARYMIME", ""},
		[]string{smtp.BodyUnstated.String(), smtp.Body7Bit.String(), smtp.Body8BitMIME.String(), smtp.BodyBinaryMIME.String(), smtp.Body(9).String()})
	require.Equal(t, []string{"", "FULL", "HDRS"}, []string{smtp.ReturnUnstated.String(), smtp.ReturnFull.String(), smtp.ReturnHeaders.String()})
	d, err := smtp.ParseDomain("[192.0.2.1]")
	require.NoError(t, err)
	require.Equal(t, "[192.0.2.1]", d)
	_, err = smtp.ParseDomain("a b")
	require.Error(t, err)
}

func ExampleParsePath() {
	p, err := smtp.ParsePath(`<"John Doe"@Example.ORG>`)
	fmt.Println(p.Name(), p.Domain, p.Canonical(), err)
	_, err = smtp.ParsePath("<john doe@example.org>")
	fmt.Println(err)
	// Output:
	// John Doe Example.ORG "John Doe"@example.org <nil>
	// smtp: character that a local part has only when quoted at octet 5 of path "<john doe@example.org>"
}

// What a server's backend returns to refuse.
func ExampleErrorf() {
	err := smtp.Errorf(452, smtp.EnhancedCode{4, 2, 2}, "mailbox of %s is full", "tim")
	r := err.Reply()
	fmt.Println(r.String(), err.Temporary())
	// Output: 452 4.2.2 mailbox of tim is full true
}
