package smtptest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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
	require.EqualError(t, err, "smtp: BDAT: 451 4.3.0 Local error in processing")
	require.Len(t, s.Wait(1), 1)
}

func TestNext(t *testing.T) {
	s := smtptest.NewServer(t)
	o := &smtpclient.Options{TLSConfig: s.ClientTLS()}
	refuse := func(text string) smtptest.Answer {
		return smtptest.Answer{Err: smtp.Errorf(450, smtp.EnhancedCode{4, 7, 0}, "%s", text)}
	}
	s.Next(smtptest.Connect, refuse("at connect"))
	s.Next(smtptest.Helo, refuse("at helo"))
	s.Next(smtptest.Mail, refuse("at mail"), smtptest.Answer{Close: true})
	s.Next(smtptest.Rcpt, smtptest.Answer{Delay: time.Millisecond}, refuse("at rcpt"))
	s.Next(smtptest.Data, refuse("at data"))
	send := func() error {
		res, err := smtpclient.Send(t.Context(), s.Addr, envelope(t, "a@example.org", "b@example.org", "c@example.org"), strings.NewReader("hi"), o)
		if err == nil {
			err = res.Err()
		}
		return err
	}
	require.EqualError(t, send(), "smtp: connect: 421 4.7.0 at connect")
	require.ErrorContains(t, send(), "450 4.7.0 at helo")
	require.ErrorContains(t, send(), "450 4.7.0 at mail")
	require.ErrorContains(t, send(), "EOF")
	require.EqualError(t, send(), "smtp: BDAT: 450 4.7.0 at data")
	require.NoError(t, send())
	m := s.Wait(1)
	require.Equal(t, "hi\r\n", string(m[0].Data))
	s.Next(smtptest.Data, smtptest.Answer{Delay: time.Hour}) // the end of the test ends it
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := smtpclient.Send(ctx, s.Addr, envelope(t, "a@example.org", "b@example.org"), strings.NewReader("hi"), o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Client and server speak every parameter with each other, by DATA and in
// chunks, in SMTP and LMTP.
func TestEveryParameter(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		s := smtptest.NewUnstartedServer(t)
		s.Config.LMTP = lmtp
		s.Start()
		env := envelope(t, "å@example.org", "b@example.org", "c@example.org")
		env.Options.Return, env.Options.EnvelopeID, env.Options.By = smtp.ReturnFull, "a=b+c", smtp.DeliverBy{Seconds: 60, Mode: smtp.DeliverReturn, Trace: true}
		env.Options.HoldFor, env.Options.Priority, env.Options.RequireTLS = 60, 5, true
		env.Options.Track, env.Options.Solicit = smtp.Tracking{Certifier: "abc", Timeout: 5}, "net.example:ADV"
		env.To[0].Options = smtp.RcptOptions{Notify: smtp.NotifySuccess | smtp.NotifyDelay, Original: smtp.OriginalRecipient{Type: "rfc822", Address: "x y@z"},
			ValidSince: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), ValidAction: smtp.ValidReject}
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAuto, smtpclient.ChunkAlways} {
			for _, body := range []smtp.Body{smtp.BodyUnstated, smtp.Body8BitMIME, smtp.BodyBinaryMIME} {
				s.Clear()
				env.Options.Body = body
				text := strings.Repeat("line of text \xe4\r\n", 10000)
				_, err := smtpclient.Send(t.Context(), s.Addr, env, strings.NewReader(text), &smtpclient.Options{TLSConfig: s.ClientTLS(), Chunking: chunking, LMTP: lmtp})
				require.NoError(t, err)
				m := s.Wait(1)[0]
				want := *env
				want.Options.Size = int64(len(text))
				require.Equal(t, want, m.Envelope)
				require.Equal(t, text, string(m.Data))
			}
		}
	}
}
