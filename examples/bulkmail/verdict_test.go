package main

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime/report"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

func TestJudge(t *testing.T) {
	refusal := func(code int, enhanced smtp.EnhancedCode, command string) error {
		return fmt.Errorf("x: %w", &smtp.Error{Code: code, EnhancedCode: enhanced, Message: "no", Command: command})
	}
	var none smtp.EnhancedCode
	for _, tt := range []struct {
		err  error
		want verdict
	}{
		{refusal(550, smtp.EnhancedCode{5, 1, 1}, "RCPT TO:<a@b>"), verdict{what: evFailed, text: "550 5.1.1 no (RCPT TO:<a@b>)", suppress: true}},
		{refusal(550, none, "RCPT TO:<a@b>"), verdict{what: evFailed, text: "550 no (RCPT TO:<a@b>)"}},
		{refusal(552, smtp.EnhancedCode{5, 2, 2}, "RCPT TO:<a@b>"), verdict{what: evFailed, text: "552 5.2.2 no (RCPT TO:<a@b>)"}},
		{refusal(554, smtp.EnhancedCode{5, 7, 1}, "DATA"), verdict{what: evFailed, text: "554 5.7.1 no (DATA)"}},
		{refusal(550, smtp.EnhancedCode{5, 1, 1}, "DATA"), verdict{what: evFailed, text: "550 5.1.1 no (DATA)"}},
		{refusal(450, none, "RCPT TO:<a@b>"), verdict{what: evRetry, text: "450 no (RCPT TO:<a@b>)"}},
		{refusal(451, none, "BDAT"), verdict{what: evRetry, text: "451 no (BDAT)"}},
		{refusal(421, none, "RCPT TO:<a@b>"), verdict{what: evVoid, fault: faultDown, text: "421 no (RCPT TO:<a@b>)"}},
		{refusal(421, none, "DATA"), verdict{what: evVoid, fault: faultDown, text: "421 no (DATA)"}},
		{refusal(451, none, "MAIL FROM:<a@b>"), verdict{what: evVoid, fault: faultDown, text: "451 no (MAIL FROM:<a@b>)"}},
		{refusal(550, none, "MAIL FROM:<a@b>"), verdict{what: evVoid, fault: faultAvoid, text: "550 no (MAIL FROM:<a@b>)"}},
		{refusal(535, none, "AUTH PLAIN"), verdict{what: evVoid, fault: faultOff, text: "535 no (AUTH PLAIN)"}},
		{refusal(454, none, "AUTH PLAIN"), verdict{what: evVoid, fault: faultDown, text: "454 no (AUTH PLAIN)"}},
		{refusal(530, none, "RCPT TO:<a@b>"), verdict{what: evVoid, fault: faultOff, text: "530 no (RCPT TO:<a@b>)"}},
		{refusal(554, none, "connect"), verdict{what: evVoid, fault: faultDown, text: "554 no (connect)"}},
		{&smtpclient.SentError{Err: io.ErrUnexpectedEOF}, verdict{what: evDoubt, fault: faultDown, text: (&smtpclient.SentError{Err: io.ErrUnexpectedEOF}).Error()}},
		{&smtpclient.ExtensionError{Extension: "SMTPUTF8", For: "x"}, verdict{what: evVoid, fault: faultAvoid, text: (&smtpclient.ExtensionError{Extension: "SMTPUTF8", For: "x"}).Error()}},
		{&smtpwire.EncodeError{}, verdict{what: evFailed, text: (&smtpwire.EncodeError{}).Error()}},
		{fmt.Errorf("%w: x", errCompose), verdict{what: evFailed, text: "the message can not be made: x"}},
		{smtpclient.ErrTLSRequired, verdict{what: evVoid, fault: faultOff, text: smtpclient.ErrTLSRequired.Error()}},
		{errors.New("timeout"), verdict{what: evVoid, fault: faultDown, text: "timeout"}},
	} {
		assert.Equal(t, tt.want, judge(nil, tt.err), "%v", tt.err)
	}
	res := &smtp.Result{Reply: smtp.Reply{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Lines: []string{"queued as 7"}}}
	assert.Equal(t, verdict{what: evSent, text: "250 2.0.0 queued as 7"}, judge(res, nil))
}

// What a message is sent with leads back to its recipient.
func TestSenderAddress(t *testing.T) {
	s := secret("0123456789abcdef")
	addresses := []string{"joe@example.net", "Joe.O'Neill+x@example.net", `"a b"@example.net`, "very.long.local.part.of.somebody@very.long.domain.of.somebody.example.net", "a=b@example.net", "ü@example.net"}
	for _, pattern := range []string{"bounces+{recipient}@example.org", "bounces+{token}@example.org", "{token}@bounces.example.org"} {
		c := &config{returnPath: pattern, from: mailbox{addr: "news@example.org"}}
		b := &bouncer{conf: c, secret: s, known: map[string]bool{}, folded: map[string]string{}, codes: map[string]string{}}
		for _, addr := range addresses {
			_, key, err := parseRecipient(addr)
			require.NoError(t, err)
			b.known[key] = true
			b.codes[s.token(useBounce, key)] = key
		}
		for _, addr := range addresses {
			path, key, err := parseRecipient(addr)
			require.NoError(t, err)
			from := c.sender(s, path.String(), key)
			p, err := smtp.ParsePath(from)
			require.NoError(t, err, from)
			require.LessOrEqual(t, len(p.Local), 64)
			require.False(t, p.NeedsUTF8())
			assert.Equal(t, key, b.verp([]string{"someone@example.com", from}), from)
		}
		assert.Empty(t, b.verp([]string{"bounces@example.org", "bounces+nobody=example.com@example.org", "bounces+x@example.org"}))
	}
	c := &config{returnPath: "bounces+{recipient}@example.org"}
	require.Equal(t, "bounces+joe=example.net@example.org", c.sender(s, "joe@example.net", "joe@example.net"))
	_, ok := report.ParseVERP("bounces+joe=example.net@example.org", "bounces@example.org")
	require.True(t, ok)
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	a, err := loadSecret(dir)
	require.NoError(t, err)
	b, err := loadSecret(dir)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Len(t, a, 32)
	require.NotEqual(t, a.token(useBounce, "x"), a.token(useUnsubscribe, "x"))
	require.NotEqual(t, a.token(useMessage, "a", "bc"), a.token(useMessage, "ab", "c"))
	d := &desk{t, dir}
	d.write("secret", "short\n")
	_, err = loadSecret(dir)
	require.ErrorContains(t, err, "expected 32 octets in hex digits")
}
