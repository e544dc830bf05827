package smtptest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func envelope(t testing.TB, from string, to ...string) *smtp.Envelope {
	env, err := smtp.NewEnvelope(from, to...)
	require.NoError(t, err)
	return env
}

func TestKeepsWhatItWasSent(t *testing.T) {
	s := smtptest.NewUnstartedServer(t)
	s.Users = map[string]string{"tim": "tanstaaf"}
	s.Start()
	env := envelope(t, "a@example.org", "b@example.org", `"c d"@example.org`)
	for _, addr := range []string{s.Addr, s.TLSAddr} {
		o := &smtpclient.Options{TLSConfig: s.ClientTLS(), Auth: sasl.Plain("", "tim", "tanstaaf"), HelloName: "me.example.org"}
		if addr == s.TLSAddr {
			o.TLS = smtpclient.Implicit
		}
		res, err := smtpclient.Send(t.Context(), addr, env, strings.NewReader("Subject: x\n\n.\nhi\n"), o)
		require.NoError(t, err)
		require.Equal(t, 2, res.Accepted())
	}
	for _, m := range s.Wait(2) {
		require.Equal(t, "Subject: x\r\n\r\n.\r\nhi\r\n", string(m.Data))
		require.Equal(t, env.From, m.Envelope.From)
		require.Equal(t, env.To, m.Envelope.To)
		require.Equal(t, "me.example.org", m.Helo)
		require.Equal(t, "tim", m.User)
		require.True(t, m.TLS)
	}
	s.Clear()
	require.Empty(t, s.Messages())

	_, err := smtpclient.Send(t.Context(), s.Addr, env, strings.NewReader("x"),
		&smtpclient.Options{TLSConfig: s.ClientTLS(), Auth: sasl.Plain("", "tim", "wrong")})
	var refused *smtp.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 535, refused.Code)
	require.NotContains(t, err.Error(), "wrong")
}

func TestRefusals(t *testing.T) {
	s := smtptest.NewUnstartedServer(t)
	s.Mail = func(from smtp.Path) error {
		if from.Local == "spam" {
			return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 1}, "no spam")
		}
		return nil
	}
	s.Rcpt = func(to smtp.Path) error {
		if to.Local == "nobody" {
			return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
		}
		return nil
	}
	s.Data = func(m *smtptest.Message) error {
		if strings.Contains(string(m.Data), "virus") {
			return errors.New("scanner away")
		}
		return nil
	}
	s.Start()
	o := &smtpclient.Options{TLS: smtpclient.Disabled}
	send := func(from, text string, to ...string) (*smtp.Result, error) {
		return smtpclient.Send(t.Context(), s.Addr, envelope(t, from, to...), strings.NewReader(text), o)
	}
	_, err := send("spam@x.example", "x", "b@x.example")
	require.EqualError(t, err, "smtp: MAIL FROM:<spam@x.example>: 550 5.7.1 no spam")
	res, err := send("a@x.example", "x", "nobody@x.example", "b@x.example")
	require.NoError(t, err)
	require.EqualError(t, res.Recipients[0].Err, "smtp: RCPT TO:<nobody@x.example>: 550 5.1.1 no such user")
	require.NoError(t, res.Recipients[1].Err)
	_, err = send("a@x.example", "virus", "b@x.example")
	require.EqualError(t, err, "smtp: DATA: 451 4.3.0 Local error in processing")
	require.Len(t, s.Wait(1), 1)
}
