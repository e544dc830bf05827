package smtpwire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// parseReply reads the first reply of text, whose lines end in CRLF or LF.
func parseReply(text string, cut testkit.Chunks) (smtp.Reply, error) {
	if cut == nil {
		cut = testkit.Sizes(1 << 20)
	}
	src := wire.NewReader(testkit.ChunkReader(strings.NewReader(text), cut), wire.Options{Lines: wire.LineLF})
	var p smtpwire.ReplyParser
	for {
		line, err := src.Line(0)
		if err != nil {
			return smtp.Reply{}, err
		}
		r, done, err := p.Line(line)
		if err != nil || done {
			return r, err
		}
	}
}

// Replies as they are written canonically; both directions.
func TestReplies(t *testing.T) {
	for text, want := range map[string]smtp.Reply{
		"250 OK\r\n":                 {Code: 250, Lines: []string{"OK"}},
		"250\r\n":                    {Code: 250, Lines: []string{""}},
		"250-\r\n250\r\n":            {Code: 250, Lines: []string{"", ""}},
		"550 5.1.1 no such user\r\n": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Lines: []string{"no such user"}},
		"250 2.0.0\r\n":              {Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Lines: []string{""}},
		"250-2.1.5 a\r\n250-2.1.5 b\r\n250 2.1.5 c\r\n": {Code: 250, EnhancedCode: smtp.EnhancedCode{2, 1, 5}, Lines: []string{"a", "b", "c"}},
		"354 go\r\n": {Code: 354, Lines: []string{"go"}},
		"250-mx\r\n250-SIZE 1000\r\n250 8BITMIME\r\n": {Code: 250, Lines: []string{"mx", "SIZE 1000", "8BITMIME"}},
		"421 4.3.2 p\u00e5l\r\n":                      {Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Lines: []string{"pål"}},
		"599 5.999.999 x\r\n":                         {Code: 599, EnhancedCode: smtp.EnhancedCode{5, 999, 999}, Lines: []string{"x"}},
	} {
		out, err := smtpwire.AppendReply([]byte("x"), &want)
		require.NoError(t, err, text)
		require.Equal(t, "x"+text, string(out))
		got, err := parseReply(text, testkit.OneByOne())
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	out, err := smtpwire.AppendReply(nil, &smtp.Reply{Code: 250})
	require.NoError(t, err)
	require.Equal(t, "250\r\n", string(out))
}

// What real servers send.
func TestReplyQuirks(t *testing.T) {
	for text, want := range map[string]smtp.Reply{
		"220-mx\n250 ok\n":         {Code: 250, Lines: []string{"mx", "ok"}}, // codes differ: the last counts
		"250ok\r\n":                {Code: 250, Lines: []string{"ok"}},       // no space
		"250\tok\r\n":              {Code: 250, Lines: []string{"ok"}},       // a tab
		"250-2.1.0 a\r\n250 b\r\n": {Code: 250, EnhancedCode: smtp.EnhancedCode{2, 1, 0}, Lines: []string{"a", "b"}},
		"550-a\r\n550 5.1.1 b\r\n": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Lines: []string{"a", "b"}},
		"550-5.1.1 a\r\n250 b\r\n": {Code: 250, Lines: []string{"a", "b"}},  // an enhanced code of another class
		"550 4.1.1 a\r\n":          {Code: 550, Lines: []string{"4.1.1 a"}}, // likewise
		"550 5.1.1a\r\n":           {Code: 550, Lines: []string{"5.1.1a"}},
		"550 5.1\r\n":              {Code: 550, Lines: []string{"5.1"}},
		"354\r\n":                  {Code: 354, Lines: []string{""}},
		"220 \xe4\xff\r\n":         {Code: 220, Lines: []string{"\xe4\xff"}},
	} {
		got, err := parseReply(text, nil)
		require.NoError(t, err, text)
		require.Equal(t, want, got, "%q", text)
	}
}

func TestReplyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\r\n":                           "smtp: expected a reply code at octet 0 of the line",
		"25\r\n":                         "smtp: expected a reply code at octet 0 of the line",
		"2x0 a\r\n":                      "smtp: expected a reply code at octet 1 of the line",
		"2500 a\r\n":                     "smtp: reply code of more than three digits at octet 3 of the line",
		"199 a\r\n":                      "smtp: reply code out of range at octet 0 of the line",
		"600 a\r\n":                      "smtp: reply code out of range at octet 0 of the line",
		"250-a\r\nb\r\n":                 "smtp: expected a reply code at octet 0 of the line",
		strings.Repeat("250-a\r\n", 513): "smtp: reply longer than the limit at octet 0 of the line",
		strings.Repeat("250-"+strings.Repeat("a", 1000)+"\r\n", 200): "smtp: reply longer than the limit at octet 0 of the line",
	} {
		_, err := parseReply(text, nil)
		require.EqualError(t, err, want)
	}
	p := smtpwire.ReplyParser{MaxLines: 1}
	_, _, err := p.Line([]byte("250-a"))
	require.NoError(t, err)
	_, _, err = p.Line([]byte("250 a"))
	require.Error(t, err)

	for _, r := range []smtp.Reply{
		{Code: 199}, {Code: 600}, {Code: 250, Lines: []string{"a\r\n250 b"}}, {Code: 250, Lines: []string{"a", "b\x00"}}, {Code: 250, Lines: []string{"a\tb"}},
		{Code: 250, EnhancedCode: smtp.EnhancedCode{5, 0, 0}}, {Code: 354, EnhancedCode: smtp.EnhancedCode{3, 0, 0}}, {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1000, 0}},
	} {
		out, err := smtpwire.AppendReply([]byte("x"), &r)
		require.Error(t, err, r)
		require.Equal(t, "x", string(out))
	}
}

func TestChallenges(t *testing.T) {
	require.Equal(t, "334 \r\n", string(smtpwire.AppendChallenge(nil, nil)))
	require.Equal(t, "334 VXNlcm5hbWU6\r\n", string(smtpwire.AppendChallenge(nil, []byte("Username:"))))
	for text, want := range map[string]string{"": "", "VXNlcm5hbWU6": "Username:", "=": "", " VXNlcm5hbWU6 ": "Username:"} {
		got, ok := smtpwire.ParseChallenge(&smtp.Reply{Code: 334, Lines: []string{text}})
		require.True(t, ok)
		require.Equal(t, want, string(got))
	}
	got, ok := smtpwire.ParseChallenge(&smtp.Reply{Code: 334, Lines: []string{"Username:"}})
	require.False(t, ok)
	require.Equal(t, "Username:", string(got))
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 OK\r\n", "250-a\r\n250 2.0.0 b\r\n", "220-a\n250 b\n", "354", "550 5.1.1\r\n", "250-\r\n250-\r\n250\r\n", "250 2.0.0 2.0.0 x\r\n"} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		r, err := parseReply(string(text), nil)
		cut, cutErr := parseReply(string(text), testkit.Random(seed, 3))
		require.Equal(t, err, cutErr)
		require.Equal(t, r, cut)
		if err != nil {
			return
		}
		out, err := smtpwire.AppendReply(nil, &r)
		if err != nil {
			return // a control character, or a code of the 3yz class
		}
		require.Equal(t, len(r.Lines), bytes.Count(out, []byte("\r\n")))
		again, err := parseReply(string(out), testkit.OneByOne())
		require.NoError(t, err)
		// Where codes differ, an enhanced code of the last one's class may
		// have stood in another line's text.
		if code := fmt.Sprint(r.Code); len(r.Lines) == bytes.Count(append([]byte("\n"), text...), []byte("\n"+code)) {
			require.Equal(t, r, again)
		}
		out, err = smtpwire.AppendReply(nil, &again)
		require.NoError(t, err)
		third, err := parseReply(string(out), nil)
		require.NoError(t, err)
		require.Equal(t, again, third)
	})
}

// FuzzReplyValue: what a server says of any error is what a client reads.
func FuzzReplyValue(f *testing.F) {
	f.Add(550, 5, 1, 1, "no such user\r\n250 OK")
	f.Add(421, 0, 0, 0, "")
	f.Fuzz(func(t *testing.T, code, class, subject, detail int, text string) {
		want := (&smtp.Error{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: text}).Reply()
		out, err := smtpwire.AppendReply(nil, &want)
		require.NoError(t, err)
		require.Equal(t, len(want.Lines), bytes.Count(out, []byte("\n")))
		for line := range bytes.SplitAfterSeq(out, []byte("\n")) {
			require.LessOrEqual(t, len(line), smtpwire.MaxReplyLine)
		}
		got, err := parseReply(string(out), testkit.OneByOne())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func ExampleParseCommand() {
	c, err := smtpwire.ParseCommand([]byte("MAIL FROM:<a@example.org> SIZE=1000"))
	fmt.Println(c.Verb, c.Path, c.Mail.Size, err)
	_, err = smtpwire.ParseCommand([]byte("MAIL FROM:<a@example.org> SIZE=big"))
	fmt.Println(err)
	// Output:
	// MAIL a@example.org 1000 <nil>
	// smtp: SIZE wants a number of octets at octet 26 of the line
}
