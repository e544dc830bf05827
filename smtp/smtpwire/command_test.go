package smtpwire_test

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

func path(s string) smtp.Path { return smtp.MustParsePath(s) }

// Lines as they are written canonically; both directions.
var canonical = []struct {
	line string
	cmd  smtpwire.Command
}{
	{"EHLO client.example.org", smtpwire.Command{Verb: smtpwire.EHLO, Arg: "client.example.org"}},
	{"HELO [192.0.2.1]", smtpwire.Command{Verb: smtpwire.HELO, Arg: "[192.0.2.1]"}},
	{"LHLO my_host", smtpwire.Command{Verb: smtpwire.LHLO, Arg: "my_host"}},
	{"MAIL FROM:<>", smtpwire.Command{Verb: smtpwire.MAIL}},
	{"MAIL FROM:<a@example.org>", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@example.org")}},
	{`MAIL FROM:<"a b> SIZE=1"@[IPv6:::1]>`, smtpwire.Command{Verb: smtpwire.MAIL, Path: path(`"a b> SIZE=1"@[IPv6:::1]`)}},
	{"MAIL FROM:<a@example.org> SIZE=500000 BODY=8BITMIME", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@example.org"),
		Mail: smtp.MailOptions{Size: 500000, Body: smtp.Body8BitMIME}}},
	{"MAIL FROM:<pål@example.org> SMTPUTF8 X=é", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("pål@example.org"),
		Mail: smtp.MailOptions{UTF8: true, Other: []smtp.Param{{Name: "X", Value: "é"}}}}},
	// RFC 4954 section 5.
	{"MAIL FROM:<e=mc2@example.com> AUTH=e+3Dmc2@example.com", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("e=mc2@example.com"),
		Mail: smtp.MailOptions{Auth: ptr(path("e=mc2@example.com"))}}},
	{"MAIL FROM:<john@example.org> AUTH=<>", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("john@example.org"), Mail: smtp.MailOptions{Auth: &smtp.Path{}}}},
	// RFC 3461 section 10.
	{"MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("Alice@Example.ORG"),
		Mail: smtp.MailOptions{Return: smtp.ReturnHeaders, EnvelopeID: "QQ314159"}}},
	{"MAIL FROM:<a@b> RET=FULL ENVID=a+2Bb+3Dc+20d", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@b"),
		Mail: smtp.MailOptions{Return: smtp.ReturnFull, EnvelopeID: "a+b=c d"}}},
	{"RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM", smtpwire.Command{Verb: smtpwire.RCPT, Path: path("Bob@Example.COM"),
		Rcpt: smtp.RcptOptions{Notify: smtp.NotifySuccess, Original: smtp.OriginalRecipient{Type: "rfc822", Address: "Bob@Example.COM"}}}},
	{"RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY", smtpwire.Command{Verb: smtpwire.RCPT, Path: path("a@b"),
		Rcpt: smtp.RcptOptions{Notify: smtp.NotifySuccess | smtp.NotifyFailure | smtp.NotifyDelay}}},
	{"RCPT TO:<a@b> NOTIFY=NEVER RRVS=2014-04-03T23:01:00Z FOO", smtpwire.Command{Verb: smtpwire.RCPT, Path: path("a@b"),
		Rcpt: smtp.RcptOptions{Notify: smtp.NotifyNever, ValidSince: time.Date(2014, 4, 3, 23, 1, 0, 0, time.UTC), Other: []smtp.Param{{Name: "FOO"}}}}},
	{"RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z;C", smtpwire.Command{Verb: smtpwire.RCPT, Path: path("a@b"),
		Rcpt: smtp.RcptOptions{ValidSince: time.Date(2014, 4, 3, 23, 1, 0, 0, time.UTC), ValidAction: smtp.ValidContinue}}},
	// RFC 2852 section 4.
	{"MAIL FROM:<a@b> BY=120;R", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@b"), Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: 120, Mode: smtp.DeliverReturn}}}},
	{"MAIL FROM:<a@b> BY=-100;NT", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@b"), Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: -100, Mode: smtp.DeliverNotify, Trace: true}}}},
	{"MAIL FROM:<a@b> HOLDFOR=86400 MT-PRIORITY=-3 REQUIRETLS", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@b"), Mail: smtp.MailOptions{HoldFor: 86400, Priority: -3, RequireTLS: true}}},
	{"MAIL FROM:<a@b> HOLDUNTIL=2026-12-31T23:59:59Z MTRK=YWJjZGVmZ2gK:600 SOLICIT=net.example:ADV,org.example:ADV:ADLT", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a@b"),
		Mail: smtp.MailOptions{HoldUntil: time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), Track: smtp.Tracking{Certifier: "YWJjZGVmZ2gK", Timeout: 600}, Solicit: "net.example:ADV,org.example:ADV:ADLT"}}},
	{"MAIL FROM:<a+20b@c> AUTH=x+2By@z ENVID=+2B+2B X=+41", smtpwire.Command{Verb: smtpwire.MAIL, Path: path("a+20b@c"),
		Mail: smtp.MailOptions{Auth: ptr(path("x+y@z")), EnvelopeID: "++", Other: []smtp.Param{{Name: "X", Value: "+41"}}}}},
	{"BDAT 86 LAST", smtpwire.Command{Verb: smtpwire.BDAT, Size: 86, Last: true}},
	{"BDAT 0", smtpwire.Command{Verb: smtpwire.BDAT}},
	// RFC 4468 section 3.3.
	{"BURL imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038 LAST", smtpwire.Command{Verb: smtpwire.BURL, Last: true,
		Arg: "imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038"}},
	{"BURL x:y", smtpwire.Command{Verb: smtpwire.BURL, Arg: "x:y"}},
	{"ETRN example.com", smtpwire.Command{Verb: smtpwire.ETRN, Arg: "example.com"}},
	{"ETRN @example.com", smtpwire.Command{Verb: smtpwire.ETRN, Arg: "@example.com"}},
	{"XCLIENT NAME=spike.example.org ADDR=168.100.189.2 LOGIN= HELO=a+2Bb", smtpwire.Command{Verb: smtpwire.XCLIENT,
		Attributes: []smtp.Param{{Name: "NAME", Value: "spike.example.org"}, {Name: "ADDR", Value: "168.100.189.2"}, {Name: "LOGIN"}, {Name: "HELO", Value: "a+b"}}}},
	{"XFORWARD NAME=[UNAVAILABLE] SOURCE=REMOTE", smtpwire.Command{Verb: smtpwire.XFORWARD, Attributes: []smtp.Param{{Name: "NAME", Value: "[UNAVAILABLE]"}, {Name: "SOURCE", Value: "REMOTE"}}}},
	{"RCPT TO:<Postmaster>", smtpwire.Command{Verb: smtpwire.RCPT, Path: path("Postmaster")}},
	{"DATA", smtpwire.Command{Verb: smtpwire.DATA}},
	{"RSET", smtpwire.Command{Verb: smtpwire.RSET}},
	{"QUIT", smtpwire.Command{Verb: smtpwire.QUIT}},
	{"STARTTLS", smtpwire.Command{Verb: smtpwire.STARTTLS}},
	{"NOOP", smtpwire.Command{Verb: smtpwire.NOOP}},
	{"NOOP are you there", smtpwire.Command{Verb: smtpwire.NOOP, Arg: "are you there"}},
	{"HELP MAIL", smtpwire.Command{Verb: smtpwire.HELP, Arg: "MAIL"}},
	{"VRFY Jones", smtpwire.Command{Verb: smtpwire.VRFY, Arg: "Jones"}},
	{"EXPN Example-People", smtpwire.Command{Verb: smtpwire.EXPN, Arg: "Example-People"}},
	{"AUTH LOGIN", smtpwire.Command{Verb: smtpwire.AUTH, Arg: "LOGIN"}},
	{"AUTH PLAIN AHRpbQB0YW5zdGFhZg==", smtpwire.Command{Verb: smtpwire.AUTH, Arg: "PLAIN", Initial: []byte("\x00tim\x00tanstaaf")}},
	{"AUTH SCRAM-SHA-256-PLUS =", smtpwire.Command{Verb: smtpwire.AUTH, Arg: "SCRAM-SHA-256-PLUS", Initial: []byte{}}},
}

func ptr[T any](v T) *T { return &v }

func TestCommands(t *testing.T) {
	for _, tt := range canonical {
		cmd, err := smtpwire.ParseCommand([]byte(tt.line))
		require.NoError(t, err, tt.line)
		require.Equal(t, tt.cmd, cmd, tt.line)
		out, err := smtpwire.AppendCommand([]byte("x"), &tt.cmd)
		require.NoError(t, err, tt.line)
		require.Equal(t, "x"+tt.line+"\r\n", string(out))
	}
}

// What is understood beyond what is written.
func TestParseCommandTolerates(t *testing.T) {
	for line, want := range map[string]string{
		"mail from:<a@b>":                       "MAIL FROM:<a@b>",
		"MAIL FROM: <a@b>  SIZE=1   ":           "MAIL FROM:<a@b> SIZE=1",
		"MAIL FROM:a@b SIZE=1":                  "MAIL FROM:<a@b> SIZE=1",
		`RCPT TO:"a b"@c`:                       `RCPT TO:<"a b"@c>`,
		"RCPT TO:<@x.example:a@b>":              "RCPT TO:<a@b>",
		"quit \t ":                              "QUIT",
		"MAIL FROM:<> size=0":                   "MAIL FROM:<>",
		"MAIL FROM:<> body=7bit ret=full":       "MAIL FROM:<> BODY=7BIT RET=FULL",
		"MAIL FROM:<> BODY=BINARYMIME smtputf8": "MAIL FROM:<> BODY=BINARYMIME SMTPUTF8",
		"RCPT TO:<a@b> notify=delay,success":    "RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY",
		"RCPT TO:<a@b> ORCPT=utf-8;p+c3+A5l@b":  "RCPT TO:<a@b> ORCPT=utf-8;p+C3+A5l@b",
		"auth plain =":                          "AUTH PLAIN =",
		"EHLO  c":                               "EHLO c",
		"xfoo  bar":                             "XFOO bar",
	} {
		cmd, err := smtpwire.ParseCommand([]byte(line))
		require.NoError(t, err, line)
		out, err := smtpwire.AppendCommand(nil, &cmd)
		require.NoError(t, err, line)
		require.Equal(t, want+"\r\n", string(out))
	}
}

func TestParseCommandRefuses(t *testing.T) {
	tests := []struct {
		line   string
		code   int
		offset int
		msg    string
	}{
		{"", 500, 0, "expected a command"},
		{" NOOP", 500, 0, "expected a command"},
		{"NO/OP", 500, 0, "expected a command"},
		{"NOOP\x00", 500, 0, "expected a command"},
		{"NOOP a\x00b", 500, 6, "control character in a command"},
		{"NOOP a\tb", 500, 6, "control character in a command"},
		{"NOOP \xff", 501, 5, "not UTF-8"},
		{"EHLO", 501, 4, "expected the client's name"},
		{"EHLO a b", 501, 6, "character that no name has"},
		{"EHLO " + strings.Repeat("a", 256), 501, 260, "name longer than 255 octets"},
		{"MAIL", 501, 4, `expected "FROM:"`},
		{"MAIL TO:<a@b>", 501, 5, `expected "FROM:"`},
		{"MAIL FROM:", 501, 10, "expected a path in angle brackets"},
		{"MAIL FROM:<a@b", 501, 10, "expected a path in angle brackets"},
		{"MAIL FROM:<a@b>SIZE=1", 501, 15, "expected a space behind the path"},
		{"MAIL FROM:<a b@c>", 501, 12, "character that a local part has only when quoted"},
		{"MAIL FROM:<a@b> SIZE", 501, 16, "SIZE wants a number of octets"},
		{"MAIL FROM:<a@b> SIZE=-1", 501, 16, "SIZE wants a number of octets"},
		{"MAIL FROM:<a@b> SIZE=1 SIZE=2", 501, 23, "parameter given twice"},
		{"MAIL FROM:<a@b> BODY=x", 501, 16, "BODY wants 7BIT, 8BITMIME or BINARYMIME"},
		{"MAIL FROM:<a@b> SMTPUTF8=1", 501, 16, "SMTPUTF8 has no value"},
		{"MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8", 501, 25, "parameter given twice"},
		{"MAIL FROM:<a@b> AUTH=+3", 501, 16, "AUTH wants a mailbox as xtext, or <>"},
		{"MAIL FROM:<a@b> AUTH=@", 501, 16, "AUTH wants a mailbox as xtext, or <>"},
		{"MAIL FROM:<a@b> AUTH", 501, 16, "AUTH wants a mailbox as xtext, or <>"},
		{"MAIL FROM:<a@b> RET=SOME", 501, 16, "RET wants FULL or HDRS"},
		{"MAIL FROM:<a@b> ENVID=" + strings.Repeat("a", 101), 501, 16, "ENVID wants xtext of at most 100 printable characters"},
		{"MAIL FROM:<a@b> ENVID=+0D+0A", 501, 16, "ENVID wants xtext of at most 100 printable characters"},
		{"MAIL FROM:<a@b> =1", 501, 16, "malformed parameter"},
		{"MAIL FROM:<a@b> -X", 501, 16, "malformed parameter"},
		{"MAIL FROM:<a@b> X=", 501, 18, "malformed parameter value"},
		{"MAIL FROM:<a@b> X=a=b", 501, 18, "malformed parameter value"},
		{"RCPT TO:<>", 501, 8, "the null path receives nothing"},
		{"RCPT FROM:<a@b>", 501, 5, `expected "TO:"`},
		{"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", 501, 14, "NOTIFY wants NEVER, or some of SUCCESS, FAILURE and DELAY"},
		{"RCPT TO:<a@b> NOTIFY=DELAY,DELAY", 501, 14, "NOTIFY wants NEVER, or some of SUCCESS, FAILURE and DELAY"},
		{"RCPT TO:<a@b> ORCPT=rfc822", 501, 14, "ORCPT wants an address type, a semicolon and xtext"},
		{"RCPT TO:<a@b> ORCPT=rfc822;+0A", 501, 14, "ORCPT wants an address type, a semicolon and xtext"},
		{"DATA now", 501, 5, "argument where the command has none"},
		{"VRFY", 501, 4, "expected an argument"},
		{"ETRN ", 501, 4, "expected an argument"},
		{"MAIL FROM:<a@b> BY=1", 501, 16, "BY wants seconds, a semicolon, N or R, and perhaps T"},
		{"MAIL FROM:<a@b> BY=0;R", 501, 16, "BY wants seconds, a semicolon, N or R, and perhaps T"},
		{"MAIL FROM:<a@b> BY=1234567890;N", 501, 16, "BY wants seconds, a semicolon, N or R, and perhaps T"},
		{"MAIL FROM:<a@b> BY=1;NTT", 501, 16, "BY wants seconds, a semicolon, N or R, and perhaps T"},
		{"MAIL FROM:<a@b> HOLDFOR=0", 501, 16, "HOLDFOR wants seconds"},
		{"MAIL FROM:<a@b> HOLDFOR=5 HOLDUNTIL=2026-12-31T23:59:59Z", 501, 26, "HOLDFOR and HOLDUNTIL exclude each other"},
		{"MAIL FROM:<a@b> HOLDUNTIL=tomorrow", 501, 16, "HOLDUNTIL wants a date and time"},
		{"MAIL FROM:<a@b> HOLDUNTIL=0001-01-01T00:00:00Z", 501, 16, "HOLDUNTIL wants a date and time"},
		{"MAIL FROM:<a@b> MT-PRIORITY=10", 501, 16, "MT-PRIORITY wants a number from -9 to 9"},
		{"MAIL FROM:<a@b> MT-PRIORITY=-0", 501, 16, "MT-PRIORITY wants a number from -9 to 9"},
		{"MAIL FROM:<a@b> REQUIRETLS=1", 501, 16, "REQUIRETLS has no value"},
		{"MAIL FROM:<a@b> MTRK=a:0", 501, 16, "MTRK wants a certifier in base64, and perhaps a colon and seconds"},
		{"MAIL FROM:<a@b> SOLICIT=a,,b", 501, 16, "SOLICIT wants keywords"},
		{"RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z;X", 501, 14, "RRVS wants a date and time, and perhaps a semicolon and C or R"},
		{"BDAT 1 FIRST", 501, 7, `expected "LAST" or the end`},
		{"BDAT one", 501, 5, "BDAT wants a number of octets"},
		{"BURL /x", 501, 5, "BURL wants an absolute URL"},
		{"BURL imap://x LAST LAST", 501, 18, `expected "LAST" or the end`},
		{"XCLIENT", 501, 7, "expected an attribute"},
		{"XCLIENT ADDR", 501, 8, "expected name=value"},
		{"XCLIENT ADDR=+0D", 501, 13, "attribute value is not xtext"},
		{"XFORWARD ADDR=a=b", 501, 14, "attribute value is not xtext"},
		{"AUTH", 501, 4, "expected the name of a mechanism"},
		{"AUTH PL@IN", 501, 5, "expected the name of a mechanism"},
		{"AUTH PLAIN secret!", 501, 11, "initial response is not base64"},
		{"AUTH PLAIN c2VjcmV0 c2VjcmV0", 501, 11, "initial response is not base64"},
	}
	for _, tt := range tests {
		cmd, err := smtpwire.ParseCommand([]byte(tt.line))
		var bad *smtpwire.ParseError
		require.ErrorAs(t, err, &bad, tt.line)
		require.Equal(t, tt.msg, bad.Msg, tt.line)
		require.Equal(t, tt.code, bad.Code, tt.line)
		require.Equal(t, tt.offset, bad.Offset, tt.line)
		require.NotContains(t, err.Error(), "secret")
		r := bad.Reply()
		_, err = smtpwire.AppendReply(nil, &r)
		require.NoError(t, err)
		require.Nil(t, cmd.Initial)
	}
	cmd, err := smtpwire.ParseCommand([]byte("MAIL FROM:<> SIZE=18446744073709551616"))
	require.NoError(t, err)
	require.Equal(t, int64(math.MaxInt64), cmd.Mail.Size)
}

func TestAppendCommandRefuses(t *testing.T) {
	for _, bad := range []string{"\r\n", "\n", "\r", "\x00", "\x7f"} {
		for name, cmd := range map[string]smtpwire.Command{
			"verb":       {Verb: smtpwire.Verb("NOOP" + bad)},
			"helo":       {Verb: smtpwire.EHLO, Arg: "a" + bad},
			"noop":       {Verb: smtpwire.NOOP, Arg: "a" + bad + "b"},
			"vrfy":       {Verb: smtpwire.VRFY, Arg: bad},
			"unknown":    {Verb: "XFOO", Arg: "a" + bad},
			"mechanism":  {Verb: smtpwire.AUTH, Arg: "PLAIN" + bad},
			"local":      {Verb: smtpwire.MAIL, Path: smtp.Path{Local: "a" + bad, Domain: "b"}},
			"quoted":     {Verb: smtpwire.RCPT, Path: smtp.Path{Local: `"a` + bad + `"`, Domain: "b"}},
			"domain":     {Verb: smtpwire.RCPT, Path: smtp.Path{Local: "a", Domain: "b" + bad}},
			"literal":    {Verb: smtpwire.RCPT, Path: smtp.Path{Local: "a", Domain: "[x:" + bad + "]"}},
			"auth":       {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Auth: &smtp.Path{Local: bad}}},
			"envid":      {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{EnvelopeID: "a" + bad}},
			"param":      {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Other: []smtp.Param{{Name: "X" + bad}}}},
			"value":      {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Other: []smtp.Param{{Name: "X", Value: "a" + bad}}}},
			"solicit":    {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Solicit: "a" + bad}},
			"mtrk":       {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Track: smtp.Tracking{Certifier: "a" + bad}}},
			"burl":       {Verb: smtpwire.BURL, Arg: "imap://a" + bad},
			"etrn":       {Verb: smtpwire.ETRN, Arg: "@a" + bad},
			"attribute":  {Verb: smtpwire.XCLIENT, Attributes: []smtp.Param{{Name: "ADDR" + bad}}},
			"its value":  {Verb: smtpwire.XFORWARD, Attributes: []smtp.Param{{Name: "ADDR", Value: bad}}},
			"orcpt type": {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Original: smtp.OriginalRecipient{Type: "x" + bad, Address: "a"}}},
			"orcpt":      {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Original: smtp.OriginalRecipient{Type: "x", Address: "a" + bad}}},
		} {
			out, err := smtpwire.AppendCommand([]byte("before"), &cmd)
			var refused *smtpwire.EncodeError
			require.ErrorAs(t, err, &refused, "%s %q", name, bad)
			require.Equal(t, "before", string(out))
			require.NotContains(t, err.Error(), bad)
		}
	}
	for name, cmd := range map[string]smtpwire.Command{
		"no verb":      {},
		"empty helo":   {Verb: smtpwire.HELO},
		"space":        {Verb: smtpwire.EHLO, Arg: "a b"},
		"null rcpt":    {Verb: smtpwire.RCPT},
		"negative":     {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Size: -1}},
		"body":         {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Body: 9}},
		"ret":          {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Return: 9}},
		"notify":       {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Notify: smtp.NotifyNever | smtp.NotifyDelay}},
		"notify bit":   {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Notify: 16}},
		"typed":        {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Other: []smtp.Param{{Name: "size", Value: "1"}}}},
		"equals":       {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Other: []smtp.Param{{Name: "X", Value: "a=b"}}}},
		"space value":  {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Other: []smtp.Param{{Name: "X", Value: "a b"}}}},
		"vrfy nothing": {Verb: smtpwire.VRFY},
		"etrn nothing": {Verb: smtpwire.ETRN},
		"chunk":        {Verb: smtpwire.BDAT, Size: -1},
		"relative url": {Verb: smtpwire.BURL, Arg: "/a"},
		"no attribute": {Verb: smtpwire.XCLIENT},
		"by":           {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: -1, Mode: smtp.DeliverReturn}}},
		"by mode":      {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: 1, Mode: '\r'}}},
		"by far":       {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: 1e9, Mode: smtp.DeliverNotify}}},
		"hold":         {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{HoldFor: -1}},
		"hold both":    {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{HoldFor: 1, HoldUntil: time.Unix(1e9, 0)}},
		"hold year":    {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{HoldUntil: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"priority":     {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Priority: 10}},
		"track":        {Verb: smtpwire.MAIL, Mail: smtp.MailOptions{Track: smtp.Tracking{Timeout: 1}}},
		"rrvs":         {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{ValidAction: smtp.ValidReject}},
		"rrvs action":  {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{ValidSince: time.Unix(1e9, 0), ValidAction: ' '}},
		"typed later":  {Verb: smtpwire.RCPT, Path: path("a@b"), Rcpt: smtp.RcptOptions{Other: []smtp.Param{{Name: "rrvs", Value: "1"}}}},
		"spaces":       {Verb: smtpwire.NOOP, Arg: " a"},
		"mechanism":    {Verb: smtpwire.AUTH, Arg: strings.Repeat("A", 21)},
	} {
		_, err := smtpwire.AppendCommand(nil, &cmd)
		require.Error(t, err, name)
	}
}

// A command costs two allocations at most.
func TestParseCommandAllocs(t *testing.T) {
	for _, tt := range canonical {
		verb, rest, _ := strings.Cut(tt.line, " ")
		for _, line := range [][]byte{[]byte(tt.line), []byte(strings.ToLower(verb) + " " + rest)} {
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = smtpwire.ParseCommand(line) }), 2.0, "%s", line)
		}
	}
}

// What follows a bad BDAT is no command: its size is known where it can be.
func TestChunkSizes(t *testing.T) {
	for line, want := range map[string]int64{
		"BDAT 86 LAST": 86, "bdat 86 last ": 86, "BDAT 86 FIRST": 86, "BDAT 86LAST": -1, "BDAT": -1, "BDAT -1": -1, "BDAT +1": -1,
		"BDAT x": -1, "BDAT 18446744073709551616": math.MaxInt64, "BDAT 99999999999999999999": math.MaxInt64, "BDAT 999999999999999999999": -1,
	} {
		cmd, _ := smtpwire.ParseCommand([]byte(line))
		require.Equal(t, smtpwire.BDAT, cmd.Verb)
		require.Equal(t, want, cmd.Size, line)
	}
}

func TestAuthResponses(t *testing.T) {
	for _, b := range [][]byte{{}, []byte("x"), []byte("\x00\xff\r\n")} {
		line := smtpwire.AppendAuthResponse(nil, b)
		got, err := smtpwire.ParseAuthResponse(line[:len(line)-2])
		require.NoError(t, err)
		require.Equal(t, b, got)
	}
	got, err := smtpwire.ParseAuthResponse([]byte("="))
	require.NoError(t, err)
	require.Equal(t, []byte{}, got)
	_, err = smtpwire.ParseAuthResponse([]byte("*"))
	require.ErrorIs(t, err, smtpwire.ErrAuthCancelled)
	require.Equal(t, "*\r\n", string(smtpwire.AppendAuthCancel(nil)))
	_, err = smtpwire.ParseAuthResponse([]byte("secret!"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestXtext(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "a+b=c d": "a+2Bb+3Dc+20d", "\r\n": "+0D+0A", "é": "+C3+A9"} {
		require.Equal(t, want, string(smtpwire.AppendXtext(nil, in)))
		got, ok := smtpwire.ParseXtext(want)
		require.True(t, ok)
		require.Equal(t, in, got)
	}
	for _, bad := range []string{"+", "+4", "+4g", "+g4", "a=b", "+20="} {
		_, ok := smtpwire.ParseXtext(bad)
		require.False(t, ok, bad)
	}
}

func TestMaxLine(t *testing.T) {
	require.Equal(t, 512, smtpwire.NOOP.MaxLine())
	require.Equal(t, 12288, smtpwire.AUTH.MaxLine())
	require.GreaterOrEqual(t, smtpwire.MAIL.MaxLine(), 512+26+17+10+500+117)
	require.GreaterOrEqual(t, smtpwire.RCPT.MaxLine(), 512+528)
}

// FuzzCommand: no panic; parse, encode, parse gives the same; what is encoded
// is one line; and the same whatever pieces the line comes in.
func FuzzCommand(f *testing.F) {
	for _, tt := range canonical {
		f.Add([]byte(tt.line))
	}
	for _, s := range []string{"MAIL FROM:<@a,@b:c@d> SIZE=1", "RCPT TO:<\"a\r\nRCPT TO:<x>\"@b>", "AUTH PLAIN ====", "MAIL FROM:<a@b> X==", "EHLO \xff", "HE\u017fO x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := smtpwire.ParseCommand(line)
		if err != nil {
			var bad *smtpwire.ParseError
			require.True(t, errors.As(err, &bad))
			require.LessOrEqual(t, bad.Offset, len(line))
			r := bad.Reply()
			_, err = smtpwire.AppendReply(nil, &r)
			require.NoError(t, err)
			return
		}
		out, err := smtpwire.AppendCommand(nil, &cmd)
		require.NoError(t, err)
		require.Equal(t, "\r\n", string(out[len(out)-2:]))
		require.False(t, strings.ContainsAny(string(out[:len(out)-2]), "\r\n\x00"))
		again, err := smtpwire.ParseCommand(out[:len(out)-2])
		require.NoError(t, err)
		require.Equal(t, cmd, again)
		for _, cut := range []testkit.Chunks{testkit.OneByOne(), testkit.Random(uint64(len(line)), 5)} {
			r := wire.NewReader(testkit.ChunkReader(strings.NewReader(string(out)+string(out)), cut), wire.Options{})
			for range 2 {
				l, err := r.Line(0)
				require.NoError(t, err)
				piecewise, err := smtpwire.ParseCommand(l)
				require.NoError(t, err)
				require.Equal(t, cmd, piecewise)
			}
			_, err := r.Line(0)
			require.Equal(t, io.EOF, err)
		}
	})
}

// FuzzCommandValue: what is encoded parses to the same value.
func FuzzCommandValue(f *testing.F) {
	f.Add("a b", "example.org", int64(5), true, "id+1", "X", "y", []byte("\x00u\x00p"))
	f.Add("+", "x", int64('N'), true, "+2B", "Ab", "imap://a", []byte{})
	f.Add("\r\nRCPT", "[IPv6:::1]", int64(-1), false, "\r\n", "SIZE", "=", []byte(nil))
	f.Fuzz(func(t *testing.T, name, domain string, size int64, utf8 bool, id, param, value string, initial []byte) {
		p, _ := smtp.NewPath(name, domain)
		other := []smtp.Param{{Name: param, Value: value}}
		for _, cmd := range []smtpwire.Command{
			{Verb: smtpwire.MAIL, Path: p, Mail: smtp.MailOptions{Size: size, UTF8: utf8, EnvelopeID: id, Auth: &p, Body: smtp.Body(size % 4), Other: other}},
			{Verb: smtpwire.RCPT, Path: p, Rcpt: smtp.RcptOptions{Notify: smtp.Notify(size % 16), Original: smtp.OriginalRecipient{Type: param, Address: id}, Other: other}},
			{Verb: smtpwire.AUTH, Arg: strings.ToUpper(param), Initial: initial},
			{Verb: smtpwire.NOOP, Arg: value},
			{Verb: smtpwire.MAIL, Path: p, Mail: smtp.MailOptions{By: smtp.DeliverBy{Seconds: size, Mode: smtp.DeliverMode(size), Trace: utf8}, HoldFor: size,
				Priority: int(size), RequireTLS: utf8, Track: smtp.Tracking{Certifier: param, Timeout: size}, Solicit: value}},
			{Verb: smtpwire.MAIL, Path: p, Mail: smtp.MailOptions{HoldUntil: time.Unix(size, 0).UTC()}},
			{Verb: smtpwire.RCPT, Path: p, Rcpt: smtp.RcptOptions{ValidSince: time.Unix(size, 0).UTC(), ValidAction: smtp.ValidAction(size)}},
			{Verb: smtpwire.BDAT, Size: size, Last: utf8},
			{Verb: smtpwire.BURL, Arg: value, Last: utf8},
			{Verb: smtpwire.ETRN, Arg: domain},
			{Verb: smtpwire.XCLIENT, Attributes: []smtp.Param{{Name: strings.ToUpper(param), Value: name}, {Name: "X", Value: id}}},
			{Verb: smtpwire.EHLO, Arg: domain},
		} {
			out, err := smtpwire.AppendCommand(nil, &cmd)
			if err != nil {
				require.Empty(t, out)
				continue
			}
			got, err := smtpwire.ParseCommand(out[:len(out)-2])
			require.NoError(t, err, "%q", out)
			require.Equal(t, cmd, got)
		}
	})
}

func BenchmarkParseCommand(b *testing.B) {
	line := []byte("MAIL FROM:<someone@example.org> SIZE=500000 BODY=8BITMIME")
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		_, _ = smtpwire.ParseCommand(line)
	}
}
