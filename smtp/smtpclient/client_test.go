package smtpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	testkit.Main(m)
}

func parse(t testing.TB, text string) *testkit.Script {
	s, err := testkit.ParseScript("inline", []byte(text))
	require.NoError(t, err)
	return s
}

// options are those of the tests: no TLS, no waits.
func options() *smtpclient.Options {
	return &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "c"}
}

// connect plays the server's side of a script to a new Client.
func connect(t testing.TB, script string, o *smtpclient.Options) (*smtpclient.Client, error) {
	return smtpclient.NewClient(t.Context(), testkit.PlayServer(t, parse(t, script), testkit.Player{Side: testkit.Server}), o)
}

func envelope(t testing.TB, from string, to ...string) *smtp.Envelope {
	env, err := smtp.NewEnvelope(from, to...)
	require.NoError(t, err)
	return env
}

// A server that offers PIPELINING.
const hello = "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-PIPELINING\nS: 250-SIZE 1000\nS: 250 8BITMIME\n"

// A server that offers nothing.
const plain = "S: 220 mx\nC: EHLO c\nS: 250 mx\n"

const quit = "C: QUIT\nS: 221 bye\n--- close ---\n"

// The scripts that our server is tested with too.
func TestTranscripts(t *testing.T) {
	run := map[string]func(t *testing.T, c *smtpclient.Client){
		"send.txt": func(t *testing.T, c *smtpclient.Client) {
			env := envelope(t, "a@example.org", "b@example.org", "nobody@example.org", `"c d"@example.org`)
			env.Options.Body = smtp.Body8BitMIME
			env.Options.Size = 28
			res, err := c.Send(t.Context(), env, io.MultiReader(strings.NewReader("Subject: x\n\n.\r\n.dot\npål")))
			require.NoError(t, err)
			require.Equal(t, 2, res.Accepted())
			require.EqualError(t, res.Recipients[1].Err, "smtp: RCPT TO:<nobody@example.org>: 550 5.1.1 no such user here")
			require.Equal(t, []string{"queued as 1"}, res.Recipients[2].Reply.Lines)
			require.NoError(t, c.Noop(t.Context()))
		},
		"submit.txt": func(t *testing.T, c *smtpclient.Client) {
			_, encrypted := c.TLS()
			require.True(t, encrypted)
			require.True(t, c.Authenticated())
			env := envelope(t, "a@example.org", "nobody@example.org")
			res, err := c.Send(t.Context(), env, io.MultiReader())
			require.EqualError(t, err, "smtp: RCPT TO:<nobody@example.org>: 550 5.1.1 no such user here")
			require.Equal(t, err, res.Recipients[0].Err)
			_, err = c.Send(t.Context(), envelope(t, "a@example.org", "b@example.org"), io.MultiReader(strings.NewReader("hi\r\n")))
			require.NoError(t, err)
		},
		"lmtp.txt": func(t *testing.T, c *smtpclient.Client) {
			res, err := c.Send(t.Context(), envelope(t, "", "full", "nobody", "b"), io.MultiReader(strings.NewReader("hi\r\n")))
			require.NoError(t, err)
			require.EqualError(t, res.Recipients[0].Err, "smtp: DATA: 452 4.2.2 mailbox full")
			require.EqualError(t, res.Recipients[1].Err, "smtp: RCPT TO:<nobody>: 550 5.1.1 no such user here")
			require.NoError(t, res.Recipients[2].Err)
			require.Equal(t, 1, res.Accepted())
		},
	}
	for _, script := range testkit.LoadScripts(t, "../testdata/*.txt") {
		name := filepath.Base(script.Name)
		for _, cut := range []testkit.Chunks{nil, testkit.OneByOne()} {
			t.Run(name, func(t *testing.T) {
				o := &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example.org"}
				switch name {
				case "submit.txt":
					_, o.TLSConfig = testkit.TLS()
					o.TLS, o.Auth = smtpclient.Required, sasl.Login("tim", "tanstaaf")
				case "lmtp.txt":
					o.LMTP = true
				}
				conn := testkit.PlayServer(t, script, testkit.Player{Side: testkit.Server, Cut: cut})
				c, err := smtpclient.NewClient(t.Context(), conn, o)
				require.NoError(t, err)
				require.NotNil(t, run[name], name)
				run[name](t, c)
				require.NoError(t, c.Quit(t.Context()))
				require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
			})
		}
	}
}

// What real servers send (QUIRKS), each a conversation that works.
func TestQuirks(t *testing.T) {
	send := "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"
	tests := []struct{ name, script string }{
		{"codes of a reply differ", "S: 220-mx\nS: 220 mx\nC: EHLO c\nS: 220-mx\nS: 250 8BITMIME\n" + send + quit},
		{"no text", "S: 220\nC: EHLO c\nS: 250\nC: MAIL FROM:<a@x.example>\nS: 250\nC: RCPT TO:<b@x.example>\nS: 250\nC: DATA\nS: 354\nC: hi\nC: .\nS: 250\n" + quit},
		{"empty continuation", "S: 220-\nS: 220 \nC: EHLO c\nS: 250-\nS: 250-\nS: 250 \n" + send + quit},
		{"no space", "S: 220mx\nC: EHLO c\nS: 250-mx\nS: 250 8BITMIME\n" + send + quit},
		{"bare LF", "S~ 220 mx\\n\nC: EHLO c\nS~ 250-mx\\n250 8BITMIME\\n\nC: MAIL FROM:<a@x.example>\nS~ 250 ok\\n\nC: RCPT TO:<b@x.example>\nS~ 250 ok\\n\nC: DATA\nS~ 354 go\\n\nC: hi\nC: .\nS~ 250 ok\\n\n" + quit},
		{"EHLO refused", "S: 220 mx\nC: EHLO c\nS: 502 what?\nC: HELO c\nS: 250 mx\n" + send + quit},
		{"EHLO refused with 550", "S: 220 mx\nC: EHLO c\nS: 550 no\nC: HELO c\nS: 250 mx\n" + send + quit},
		{"long banner", "S: {{repeat:99:220-welcome to our server\\r\\n}}220 mx\nC: EHLO c\nS: 250 mx\n" + send + quit},
		{"enhanced codes on some lines", "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 ENHANCEDSTATUSCODES\nC: MAIL FROM:<a@x.example>\nS: 250-2.1.0 ok\nS: 250 fine\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 2.0.0\n" + quit},
		{"QUIT answered by closing", plain + send + "C: QUIT\n--- close ---\n"},
		{"QUIT answered by 421", plain + send + "C: QUIT\nS: 421 bye\n--- close ---\n"},
		{"SIZE without a number", "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 SIZE\nC: MAIL FROM:<a@x.example> SIZE=4\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n" + quit},
		{"lower-case keywords", "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-pipelining\nS: 250 size 1000\nC: MAIL FROM:<a@x.example> SIZE=4\nC: RCPT TO:<b@x.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n" + quit},
		{"text that is not ASCII", "S: 220 \\xe4\\xff\nC: EHLO c\nS: 250 \\xe4\n" + send + quit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := strings.ReplaceAll(tt.script, "{{repeat:99:220-welcome to our server\\r\\n}}220 mx", strings.Repeat("220-welcome to our server\nS: ", 99)+"220 mx")
			c, err := connect(t, script, options())
			require.NoError(t, err)
			res, err := c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), strings.NewReader("hi\r\n"))
			require.NoError(t, err)
			require.Equal(t, 1, res.Accepted())
			require.NoError(t, c.Quit(t.Context()))
		})
	}
}

func TestAuthQuirks(t *testing.T) {
	o := options()
	o.AllowCleartext = true
	const dialogue = "C: AUTH LOGIN\nS: 334 Username:\nC: dGlt\nS: 334\nC: dGFuc3RhYWY=\nS: 235 ok\n" + quit
	for _, offer := range []string{
		"S: 250-mx\nS: 250 AUTH=LOGIN PLAIN\n",
		"S: 250-mx\nS: 250-AUTH GSSAPI\nS: 250-auth login plain\nS: 250 AUTH=LOGIN PLAIN\n",
		"S: 250-mx\nS: 250-AUTH NTLM\nS: 250 AUTH=LOGIN\n",
	} {
		o.Auth = sasl.Login("tim", "tanstaaf")
		c, err := connect(t, "S: 220 mx\nC: EHLO c\n"+offer+dialogue, o)
		require.NoError(t, err, offer)
		require.NoError(t, c.Quit(t.Context()))
	}
}

func TestAuth(t *testing.T) {
	const mx = "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH PLAIN LOGIN\n"
	allow := func(m sasl.Mechanism) *smtpclient.Options {
		o := options()
		o.Auth, o.AllowCleartext = m, true
		return o
	}
	// Refused before a credential leaves.
	o := allow(sasl.Plain("", "tim", "tanstaaf"))
	o.AllowCleartext = false
	_, err := connect(t, mx+"--- client close ---\n", o)
	require.ErrorIs(t, err, smtpclient.ErrCleartextAuth)
	_, err = connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH LOGIN\n--- client close ---\n", allow(sasl.Plain("", "tim", "tanstaaf")))
	require.ErrorIs(t, err, sasl.ErrMechanism)
	_, err = connect(t, mx+"--- client close ---\n", allow(sasl.Plain("", "tim\x00", "x")))
	require.ErrorContains(t, err, "NUL")
	require.NotErrorIs(t, err, io.EOF)

	_, err = connect(t, mx+"C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 535 5.7.8 no\n--- client close ---\n", allow(sasl.Plain("", "tim", "tanstaaf")))
	require.EqualError(t, err, "smtp: AUTH PLAIN: 535 5.7.8 no")
	// A challenge that the mechanism has no answer to.
	_, err = connect(t, mx+"C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 334 eA==\nC: *\nS: 501 cancelled\n--- client close ---\n", allow(sasl.Plain("", "tim", "tanstaaf")))
	require.ErrorIs(t, err, sasl.ErrProtocol)
	// Success before the password was asked for is none.
	_, err = connect(t, mx+"C: AUTH LOGIN\nS: 235 ok\n--- client close ---\n", allow(sasl.Login("tim", "tanstaaf")))
	require.ErrorIs(t, err, sasl.ErrProtocol)
	// Another 2yz is not the word.
	_, err = connect(t, mx+"C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 250 ok\n--- client close ---\n", allow(sasl.Plain("", "tim", "tanstaaf")))
	require.EqualError(t, err, "smtpclient: AUTH PLAIN: unexpected reply 250 ok")

	var trace bytes.Buffer
	o = allow(sasl.Plain("", "tim", "tanstaaf"))
	o.Trace = &trace
	c, err := connect(t, mx+"C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok\n"+quit, o)
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))
	require.Contains(t, trace.String(), "S: 235 ok\n")
	require.NotContains(t, trace.String(), "AHRpbQB0YW5zdGFhZg")
}

// Authentication after the set-up, and a name that nobody chose.
func TestAuthLater(t *testing.T) {
	c, err := connect(t, "S: 220 mx\nC: EHLO {{name=[A-Za-z0-9.:\\[\\]-]+}}\nS: 250-mx\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334\nC: dGlt\nS: 334\nC: eA==\nS: 535 no\n"+
		"C: AUTH LOGIN\nS: 334\nC: dGlt\nS: 421 enough\n--- client close ---\n", &smtpclient.Options{TLS: smtpclient.Disabled, AllowCleartext: true})
	require.NoError(t, err)
	require.EqualError(t, c.Auth(t.Context(), sasl.Login("tim", "x")), "smtp: AUTH LOGIN: 535 no")
	require.False(t, c.Authenticated())
	require.EqualError(t, c.Auth(t.Context(), sasl.Login("tim", "x")), "smtp: AUTH LOGIN: 421 enough")
	require.ErrorIs(t, c.Auth(t.Context(), sasl.Login("tim", "x")), smtpclient.ErrClosed)
}

// What a man in the middle can say before TLS changes nothing.
func TestTLS(t *testing.T) {
	_, config := testkit.TLS()
	with := func(m smtpclient.TLSMode) *smtpclient.Options {
		return &smtpclient.Options{TLS: m, TLSConfig: config, HelloName: "c", Auth: sasl.Plain("", "tim", "tanstaaf")}
	}
	const offer = "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 STARTTLS\n"
	const inside = "--- starttls ---\nC: EHLO c\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok\n" + quit

	c, err := connect(t, offer+"C: STARTTLS\nS: 220 go\n"+inside, with(smtpclient.Required))
	require.NoError(t, err)
	require.False(t, c.Extensions().Has("STARTTLS"))
	require.NoError(t, c.Quit(t.Context()))

	c, err = connect(t, offer+"C: STARTTLS\nS: 220 go\n"+inside, with(smtpclient.Opportunistic))
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))

	// Stripped, refused, unknown.
	for _, script := range []string{
		"S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH PLAIN\n--- client close ---\n",
		"S: 220 mx\nC: EHLO c\nS: 502 no\nC: HELO c\nS: 250 mx\n--- client close ---\n",
		offer + "C: STARTTLS\nS: 454 4.7.0 not now\n--- client close ---\n",
		offer + "C: STARTTLS\nS: 502 what\n--- client close ---\n",
		offer + "C: STARTTLS\nS: 250 sure\n--- client close ---\n",
	} {
		_, err := connect(t, script, with(smtpclient.Required))
		require.ErrorIs(t, err, smtpclient.ErrTLSRequired, script)
	}
	_, err = connect(t, offer+"C: STARTTLS\nS: 454 4.7.0 not now\n--- client close ---\n", with(smtpclient.Opportunistic))
	require.ErrorIs(t, err, smtpclient.ErrCleartextAuth)
	o := with(smtpclient.Opportunistic)
	o.Auth = nil
	c, err = connect(t, offer+"C: STARTTLS\nS: 454 4.7.0 not now\n"+quit, o)
	require.NoError(t, err)
	_, encrypted := c.TLS()
	require.False(t, encrypted)
	require.NoError(t, c.Quit(t.Context()))

	// Replies put behind the 220, to be read inside TLS.
	for _, m := range []smtpclient.TLSMode{smtpclient.Required, smtpclient.Opportunistic} {
		_, err = connect(t, offer+"C: STARTTLS\nS: 220 go\nS: 250-x\nS: 250 AUTH LOGIN\n--- client close ---\n", with(m))
		require.ErrorContains(t, err, "plaintext received behind the command that begins TLS")
	}

	// A certificate for another name ends the connection, in every mode.
	for _, m := range []smtpclient.TLSMode{smtpclient.Required, smtpclient.Opportunistic} {
		serverConfig, _ := testkit.TLS("other.example")
		client, server := testkit.Pipe()
		done := make(chan error, 1)
		go func() {
			s, err := testkit.ParseScript("inline", []byte(offer+"C: STARTTLS\nS: 220 go\n--- starttls ---\nC: EHLO c\n"))
			if err == nil {
				err = testkit.Player{Side: testkit.Server, TLS: serverConfig}.Play(server, s)
			}
			_ = server.Close()
			done <- err
		}()
		_, err = smtpclient.NewClient(t.Context(), client, with(m))
		require.ErrorContains(t, err, "TLS handshake")
		require.Error(t, <-done)
	}
}

// A server that answers before it is asked could answer anything.
func TestUnaskedReplies(t *testing.T) {
	c, err := connect(t, plain+"C: NOOP\nS: 250 ok\nS: 250 and one more\n--- client close ---\n", options())
	require.NoError(t, err)
	require.NoError(t, c.Noop(t.Context()))
	require.EqualError(t, c.Noop(t.Context()), "smtpclient: NOOP: the server spoke without being asked: 250 and one more")
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)

	c, err = connect(t, plain+"C: NOOP\nS: 250 ok\nS: 421 4.4.2 idle for too long\n--- client close ---\n", options())
	require.NoError(t, err)
	require.NoError(t, c.Noop(t.Context()))
	var refused *smtp.Error
	require.ErrorAs(t, c.Noop(t.Context()), &refused)
	require.Equal(t, 421, refused.Code)
	require.True(t, refused.Temporary())
}

func TestBadReplies(t *testing.T) {
	for _, script := range []string{
		"S: hello\n", "S: 2x0 hello\n", "S: 2200 hello\n", "S: 99 hello\n", "S: 650 hello\n", "S: 250 hello\n", "S: 354 go\n", "S: \n",
		"S: 554 5.7.1 go away\n", "S: 421 later\n",
		"S: " + strings.Repeat("x", 10000) + "\n",
	} {
		_, err := connect(t, script+"--- client close ---\n", options())
		require.Error(t, err, script)
	}
	// What a server says does not reach a terminal as it is.
	for _, script := range []string{"S: 354 \\x1b[2J\n", "S: 220 mx\nC: EHLO c\nS: 354 \\x1b[2J\n"} {
		_, err := connect(t, script+"--- client close ---\n", options())
		require.ErrorContains(t, err, "354 [2J")
	}
	_, err := connect(t, "--- close ---\n", options())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = connect(t, "S~ 220 m\n--- close ---\n", options())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// CR, LF and NUL are refused in every argument, before an octet is written.
func TestInjection(t *testing.T) {
	const evil = "x\r\nRCPT TO:<evil@x.example>"
	for _, bad := range []string{evil, "\n", "\r", "\x00", "a\x7f"} {
		for _, o := range []*smtpclient.Options{
			{TLS: smtpclient.Disabled, HelloName: "c" + bad},
		} {
			_, err := connect(t, "S: 220 mx\n--- client close ---\n", o)
			var encode *smtpwire.EncodeError
			require.ErrorAs(t, err, &encode)
		}
		c, err := connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-PIPELINING\nS: 250-DSN\nS: 250-SMTPUTF8\nS: 250-AUTH PLAIN\nS: 250 X\n"+quit, options())
		require.NoError(t, err)
		good := smtp.MustParsePath("a@x.example")
		quoted := smtp.Path{Local: `"` + bad + `"`, Domain: "x.example"}
		mail := map[string]*smtp.MailOptions{
			"envid": {EnvelopeID: bad},
			"auth":  {Auth: &quoted},
			"name":  {Other: []smtp.Param{{Name: "X" + bad, Value: "1"}}},
			"value": {Other: []smtp.Param{{Name: "X", Value: "1" + bad}}},
		}
		for name, o := range mail {
			require.Error(t, c.Mail(t.Context(), good, o), name)
		}
		for _, p := range []smtp.Path{quoted, {Local: bad, Domain: "x.example"}, {Local: "a", Domain: bad}, {Local: "a", Domain: "[" + bad + "]"}, {Local: "a>" + bad, Domain: "b"}} {
			require.Error(t, c.Mail(t.Context(), p, nil))
			require.Error(t, c.Rcpt(t.Context(), p, nil))
			env := &smtp.Envelope{From: good, To: []smtp.Recipient{{Path: good}, {Path: p}}}
			res, err := c.Send(t.Context(), env, strings.NewReader("x"))
			require.Error(t, err)
			require.Len(t, res.Recipients, 2)
			require.Equal(t, 0, res.Accepted())
		}
		require.Error(t, c.Rcpt(t.Context(), good, &smtp.RcptOptions{Original: smtp.OriginalRecipient{Type: "rfc822" + bad, Address: "a"}}))
		require.Error(t, c.Rcpt(t.Context(), good, &smtp.RcptOptions{Original: smtp.OriginalRecipient{Type: "rfc822", Address: "a" + bad}}))
		_, err = c.Verify(t.Context(), "a"+bad)
		require.Error(t, err)
		_, err = c.Do(t.Context(), &smtpwire.Command{Verb: "XFOO", Arg: "a" + bad})
		require.Error(t, err)
		_, err = c.Do(t.Context(), &smtpwire.Command{Verb: smtpwire.Verb("X" + bad)})
		require.Error(t, err)
		require.NoError(t, c.Quit(t.Context()))
	}
}

// However a message fakes its end, what leaves has one end.
func TestBodyCannotEndEarly(t *testing.T) {
	for _, fake := range []string{"\n.\n", "\r.\r", "\r.\n", "\n.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r\n.\r\n", "\r\n.\r\r\n", ".\r\n"} {
		for _, policy := range []smtpclient.BareLineEnds{smtpclient.BareNormalise, smtpclient.BareReject, smtpclient.BarePass} {
			client, server := testkit.Pipe()
			body := make(chan string, 1)
			go func() { body <- takeMessage(server) }()
			o := options()
			o.BareLineEnds = policy
			c, err := smtpclient.NewClient(t.Context(), client, o)
			require.NoError(t, err)
			_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), strings.NewReader("x"+fake+"MAIL FROM:<evil@x.example>\r\n"))
			require.NoError(t, c.Close())
			sent := <-body
			bare := strings.ContainsAny(strings.ReplaceAll(fake, "\r\n", ""), "\r\n")
			if bare && policy == smtpclient.BareReject {
				require.Error(t, err)
				require.NotContains(t, sent, "\r\n.\r\n")
			} else {
				require.NoError(t, err)
				require.Equal(t, 1, strings.Count(sent, "\r\n.\r\n"))
				require.True(t, strings.HasSuffix(sent, "MAIL FROM:<evil@x.example>\r\n.\r\n"), "%q", sent)
			}
			for _, end := range []string{"\n.\n", "\r.\r", "\r.\n", "\n.\r"} {
				require.NotContains(t, strings.TrimSuffix(sent, "\r\n.\r\n"), end, "%q %d", fake, policy)
			}
		}
	}
}

// takeMessage is a server that takes one message: it returns what came behind
// DATA.
func takeMessage(conn net.Conn) string {
	defer conn.Close()
	_, _ = io.WriteString(conn, "220 mx\r\n")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "no DATA"
		}
		if line == "DATA\r\n" {
			break
		}
		_, _ = io.WriteString(conn, "250 ok\r\n")
	}
	_, _ = io.WriteString(conn, "354 go\r\n")
	var body []byte
	for {
		b, err := in.ReadByte()
		if err != nil {
			return string(body)
		}
		if body = append(body, b); bytes.HasSuffix(body, []byte("\r\n.\r\n")) {
			_, _ = io.WriteString(conn, "250 ok\r\n")
		}
	}
}

// countingConn counts the writes.
type countingConn struct {
	net.Conn
	writes atomic.Int32
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestPipeliningIsOneWrite(t *testing.T) {
	script := parse(t, hello+"C: MAIL FROM:<a@x.example> SIZE=2\nC: RCPT TO:<b@x.example>\nC: RCPT TO:<c@x.example>\nC: DATA\n"+
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"+quit)
	conn := &countingConn{Conn: testkit.PlayServer(t, script, testkit.Player{Side: testkit.Server})}
	c, err := smtpclient.NewClient(t.Context(), conn, options())
	require.NoError(t, err)
	conn.writes.Store(0)
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example", "c@x.example"), strings.NewReader("hi"))
	require.NoError(t, err)
	require.Equal(t, int32(2), conn.writes.Load())
	require.NoError(t, c.Quit(t.Context()))
}

func TestSend(t *testing.T) {
	mail := "C: MAIL FROM:<a@x.example> SIZE=2\nC: RCPT TO:<b@x.example>\nC: RCPT TO:<c@x.example>\nC: DATA\n"
	tests := []struct {
		name, script string
		err          string    // of Send
		verdicts     [2]string // of the recipients
	}{
		{"MAIL refused", hello + mail + "S: 550 5.7.1 no\nS: 503 x\nS: 503 x\nS: 503 x\n" + quit,
			"smtp: MAIL FROM:<a@x.example>: 550 5.7.1 no", [2]string{"smtp: MAIL FROM:<a@x.example>: 550 5.7.1 no", "smtp: MAIL FROM:<a@x.example>: 550 5.7.1 no"}},
		{"all recipients refused", hello + mail + "S: 250 ok\nS: 550 b\nS: 450 c\nS: 554 no valid recipients\nC: RSET\nS: 250 ok\n" + quit,
			"smtp: RCPT TO:<b@x.example>: 550 b", [2]string{"smtp: RCPT TO:<b@x.example>: 550 b", "smtp: RCPT TO:<c@x.example>: 450 c"}},
		{"354 for nobody", hello + mail + "S: 250 ok\nS: 550 b\nS: 450 c\nS: 354 go\nC: .\nS: 554 nobody\nC: RSET\nS: 250 ok\n" + quit,
			"smtp: RCPT TO:<b@x.example>: 550 b", [2]string{"smtp: RCPT TO:<b@x.example>: 550 b", "smtp: RCPT TO:<c@x.example>: 450 c"}},
		{"354 in spite of MAIL", hello + mail + "S: 550 no\nS: 550 b\nS: 450 c\nS: 354 go\nC: .\nS: 554 nobody\n" + quit,
			"smtp: MAIL FROM:<a@x.example>: 550 no", [2]string{"smtp: MAIL FROM:<a@x.example>: 550 no", "smtp: MAIL FROM:<a@x.example>: 550 no"}},
		{"DATA refused", hello + mail + "S: 250 ok\nS: 250 ok\nS: 450 c\nS: 451 4.3.0 disk full\nC: RSET\nS: 250 ok\n" + quit,
			"smtp: DATA: 451 4.3.0 disk full", [2]string{"smtp: DATA: 451 4.3.0 disk full", "smtp: RCPT TO:<c@x.example>: 450 c"}},
		{"message refused", hello + mail + "S: 250 ok\nS: 250 ok\nS: 450 c\nS: 354 go\nC: hi\nC: .\nS: 554-5.6.0 a virus\nS: 554 5.6.0 was found\n" + quit,
			"smtp: DATA: 554 5.6.0 a virus was found", [2]string{"smtp: DATA: 554 5.6.0 a virus was found", "smtp: RCPT TO:<c@x.example>: 450 c"}},
		{"one by one", plain + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 550 b\nC: RCPT TO:<c@x.example>\nS: 251 will forward\nC: DATA\nS: 354\nC: hi\nC: .\nS: 250 ok\n" + quit,
			"", [2]string{"smtp: RCPT TO:<b@x.example>: 550 b", ""}},
		{"one by one, nobody", plain + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 550 b\nC: RCPT TO:<c@x.example>\nS: 550 c\nC: RSET\nS: 250 ok\n" + quit,
			"smtp: RCPT TO:<b@x.example>: 550 b", [2]string{"smtp: RCPT TO:<b@x.example>: 550 b", "smtp: RCPT TO:<c@x.example>: 550 c"}},
		{"one by one, MAIL refused", plain + "C: MAIL FROM:<a@x.example>\nS: 450 4.7.1 later\n" + quit,
			"smtp: MAIL FROM:<a@x.example>: 450 4.7.1 later", [2]string{"smtp: MAIL FROM:<a@x.example>: 450 4.7.1 later", "smtp: MAIL FROM:<a@x.example>: 450 4.7.1 later"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := connect(t, tt.script, options())
			require.NoError(t, err)
			res, err := c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example", "c@x.example"), strings.NewReader("hi"))
			if tt.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.err)
			}
			for i, want := range tt.verdicts {
				if want == "" {
					require.NoError(t, res.Recipients[i].Err)
				} else {
					require.EqualError(t, res.Recipients[i].Err, want)
				}
			}
			require.NoError(t, c.Quit(t.Context()))
		})
	}
}

// A server that refuses the sender and takes the rest is not sent an empty
// message for whom it took.
func TestNoEmptyMessage(t *testing.T) {
	c, err := connect(t, hello+"C: MAIL FROM:<a@x.example> SIZE=2\nC: RCPT TO:<b@x.example>\nC: DATA\nS: 550 no\nS: 250 ok\nS: 354 go\n--- client close ---\n", options())
	require.NoError(t, err)
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), strings.NewReader("hi"))
	require.EqualError(t, err, "smtp: MAIL FROM:<a@x.example>: 550 no")
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
}

// Quit ends nobody else's call.
func TestQuitWhileBusy(t *testing.T) {
	client, server := testkit.Pipe()
	asked, answer := make(chan struct{}), make(chan struct{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer server.Close()
		in := bufio.NewReader(server)
		for i, s := range []string{"220 mx\r\n", "250 mx\r\n", "250 ok\r\n"} {
			if i > 0 {
				_, _ = in.ReadString('\n')
			}
			if i == 2 {
				close(asked)
				<-answer
			}
			_, _ = io.WriteString(server, s)
		}
	}()
	c, err := smtpclient.NewClient(t.Context(), client, options())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- c.Noop(t.Context()) }()
	<-asked
	require.ErrorIs(t, c.Quit(t.Context()), smtpclient.ErrBusy)
	close(answer)
	require.NoError(t, <-done)
	require.NoError(t, c.Close())
	<-served
}

// 421 and broken connections wherever they may come.
func TestServerGoesAway(t *testing.T) {
	steps := []string{
		"C: MAIL FROM:<a@x.example>\n", "S: 250 ok\nC: RCPT TO:<b@x.example>\n", "S: 250 ok\nC: RCPT TO:<c@x.example>\n",
		"S: 250 ok\nC: DATA\n", "S: 354 go\nC: hi\nC: .\n",
	}
	for i := range steps {
		for _, end := range []string{"S: 421 4.3.2 going down\n--- client close ---\n", "--- close ---\n"} {
			c, err := connect(t, plain+strings.Join(steps[:i+1], "")+end, options())
			require.NoError(t, err)
			res, err := c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example", "c@x.example"), strings.NewReader("hi"))
			require.Error(t, err)
			require.Equal(t, 0, res.Accepted())
			var refused *smtp.Error
			require.Equal(t, strings.HasPrefix(end, "S"), errors.As(err, &refused), err)
			require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
		}
	}

	// LMTP: the verdicts that came stand.
	o := options()
	o.LMTP = true
	c, err := connect(t, "S: 220 mx\nC: LHLO c\nS: 250 mx\n"+strings.Join(steps, "")+"S: 250 ok\n--- close ---\n", o)
	require.NoError(t, err)
	res, err := c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example", "c@x.example"), strings.NewReader("hi"))
	require.NoError(t, err)
	require.NoError(t, res.Recipients[0].Err)
	require.ErrorIs(t, res.Recipients[1].Err, io.ErrUnexpectedEOF)
	// Nobody got it.
	for _, end := range []string{"--- close ---\n", "S: 421 4.3.2 going down\n--- client close ---\n"} {
		c, err = connect(t, "S: 220 mx\nC: LHLO c\nS: 250 mx\n"+strings.Join(steps, "")+"S: 452 4.2.2 full\n"+end, o)
		require.NoError(t, err)
		res, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example", "c@x.example"), strings.NewReader("hi"))
		require.EqualError(t, err, "smtp: DATA: 452 4.2.2 full")
		require.Equal(t, err, res.Recipients[0].Err)
		require.Error(t, res.Recipients[1].Err)
	}
}

// A server that refuses in the middle of the message is heard.
func TestRefusedInTheMiddle(t *testing.T) {
	c, err := connect(t, plain+"C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nS: 552 5.3.4 too large\n--- close ---\n", options())
	require.NoError(t, err)
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), io.LimitReader(zeros{}, 10<<20))
	require.EqualError(t, err, "smtp: DATA: 552 5.3.4 too large")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A message that can not be read to its end is not sent by halves.
func TestFailingMessage(t *testing.T) {
	c, err := connect(t, plain+"C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\n--- client close ---\n", options())
	require.NoError(t, err)
	failure := errors.New("disk error")
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), io.MultiReader(strings.NewReader("hi"), failing{failure}))
	require.ErrorIs(t, err, failure)
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
}

// Nor is one whose reader panics: what comes next is no part of it.
func TestPanickingMessage(t *testing.T) {
	c, err := connect(t, plain+"C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\n--- client close ---\n", options())
	require.NoError(t, err)
	require.Panics(t, func() {
		_, _ = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), io.MultiReader(strings.NewReader("hi"), panicking{}))
	})
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a reader's fault") }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestExtensionsNeeded(t *testing.T) {
	c, err := connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 SIZE 100\nC: MAIL FROM:<a@x.example>\nS: 250 ok\n"+quit, options())
	require.NoError(t, err)
	good := smtp.MustParsePath("a@x.example")
	needs := func(extension string, err error) {
		t.Helper()
		var missing *smtpclient.ExtensionError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, extension, missing.Extension)
		require.Contains(t, err.Error(), "the server does not offer "+extension)
	}
	needs("SMTPUTF8", c.Mail(t.Context(), smtp.MustParsePath("pål@x.example"), nil))
	needs("SMTPUTF8", c.Mail(t.Context(), good, &smtp.MailOptions{UTF8: true}))
	needs("8BITMIME", c.Mail(t.Context(), good, &smtp.MailOptions{Body: smtp.Body8BitMIME}))
	needs("BINARYMIME", c.Mail(t.Context(), good, &smtp.MailOptions{Body: smtp.BodyBinaryMIME}))
	needs("DSN", c.Mail(t.Context(), good, &smtp.MailOptions{EnvelopeID: "x"}))
	needs("SMTPUTF8", c.Rcpt(t.Context(), smtp.MustParsePath("pål@x.example"), nil))
	needs("DSN", c.Rcpt(t.Context(), good, &smtp.RcptOptions{Notify: smtp.NotifyNever}))
	err = c.Mail(t.Context(), good, &smtp.MailOptions{Size: 101})
	require.EqualError(t, err, "smtp: 552 5.3.4 message of 101 octets is larger than the server's limit of 100")
	require.NoError(t, c.Mail(t.Context(), good, &smtp.MailOptions{Body: smtp.Body7Bit, Auth: &smtp.Null}))
	require.NoError(t, c.Quit(t.Context()))
}

func TestCommands(t *testing.T) {
	c, err := connect(t, plain+"C: VRFY tim\nS: 252 perhaps\nC: VRFY tom\nS: 550 no\nC: XFOO bar\nS: 599 what\n"+
		"C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: RSET\nS: 250 ok\n"+
		"C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354\nC: hi\nC: .\nS: 250 2.0.0 id=7\n"+quit, options())
	require.NoError(t, err)
	require.Equal(t, 220, c.Greeting().Code)
	require.NotNil(t, c.RemoteAddr())
	r, err := c.Verify(t.Context(), "tim")
	require.NoError(t, err)
	require.Equal(t, 252, r.Code)
	_, err = c.Verify(t.Context(), "tom")
	require.EqualError(t, err, "smtp: VRFY: 550 no")
	r, err = c.Do(t.Context(), &smtpwire.Command{Verb: "XFOO", Arg: "bar"})
	require.NoError(t, err)
	require.Equal(t, 599, r.Code)
	for _, verb := range []smtpwire.Verb{smtpwire.DATA, "data", "Starttls", "bdat", "ehlo", "quit"} {
		_, err = c.Do(t.Context(), &smtpwire.Command{Verb: verb, Arg: "x"})
		require.ErrorContains(t, err, "is not sent by Do", verb)
	}
	// To nobody there is nothing to send.
	_, err = c.Data(t.Context(), strings.NewReader("hi\n"))
	require.ErrorContains(t, err, "no recipient")
	b := smtp.MustParsePath("b@x.example")
	require.NoError(t, c.Mail(t.Context(), smtp.Null, nil))
	require.NoError(t, c.Rcpt(t.Context(), b, nil))
	require.NoError(t, c.Reset(t.Context()))
	require.NoError(t, c.Mail(t.Context(), smtp.Null, nil))
	require.NoError(t, c.Rcpt(t.Context(), b, nil))
	res, err := c.Data(t.Context(), strings.NewReader("hi\n"))
	require.NoError(t, err)
	require.Len(t, res.Recipients, 1)
	require.Equal(t, []string{"id=7"}, res.Reply.Lines)
	require.NoError(t, c.Quit(t.Context()))
}

func TestTimeoutsAndContexts(t *testing.T) {
	// silent is a server that answers EHLO and says no more.
	silent := func(t *testing.T, says ...string) (*smtpclient.Client, error) {
		client, server := testkit.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		go func() {
			in := bufio.NewReader(server)
			for i, s := range says {
				if i > 0 {
					_, _ = in.ReadString('\n')
				}
				_, _ = io.WriteString(server, s)
			}
		}()
		return smtpclient.NewClient(t.Context(), client, options())
	}
	elapsed := func(t *testing.T, want time.Duration, f func() error) {
		t.Helper()
		begin := time.Now()
		require.Error(t, f())
		require.Equal(t, want, time.Since(begin))
	}
	synctest.Test(t, func(t *testing.T) {
		elapsed(t, 5*time.Minute, func() error { _, err := silent(t); return err })
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := silent(t, "220 mx\r\n", "250 mx\r\n")
		require.NoError(t, err)
		elapsed(t, 5*time.Minute, func() error { return c.Noop(t.Context()) })
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := silent(t, "220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		elapsed(t, time.Minute, func() error {
			_, err := c.Send(ctx, envelope(t, "a@x.example", "b@x.example"), strings.NewReader("hi"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			return err
		})
		require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := silent(t, "220 mx\r\n", "250 mx\r\n")
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- c.Noop(t.Context()) }()
		synctest.Wait()
		require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrBusy)
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-done, smtpclient.ErrClosed)
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := silent(t, "220 mx\r\n", "250 mx\r\n")
		require.NoError(t, err)
		elapsed(t, 30*time.Second, func() error { return c.Quit(t.Context()) })
	})
	// The reply to a message may take 10 minutes.
	synctest.Test(t, func(t *testing.T) {
		script := parse(t, plain+"C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354\nC: hi\nC: .\n--- client close ---\n")
		c, err := smtpclient.NewClient(t.Context(), testkit.PlayServer(t, script, testkit.Player{Side: testkit.Server, Timeout: time.Hour}), options())
		require.NoError(t, err)
		elapsed(t, 10*time.Minute, func() error {
			_, err := c.Send(t.Context(), envelope(t, "", "b@x.example"), strings.NewReader("hi"))
			return err
		})
	})
	// A context that is over already costs nothing.
	c, err := connect(t, plain+quit, options())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Noop(ctx), context.Canceled)
	require.NoError(t, c.Quit(t.Context()))
}

func TestDial(t *testing.T) {
	_, err := smtpclient.Dial(t.Context(), "no-port", nil)
	require.Error(t, err)
	var network, address string
	failure := errors.New("no route")
	o := &smtpclient.Options{DialContext: func(_ context.Context, n, a string) (net.Conn, error) {
		network, address = n, a
		return nil, failure
	}}
	for addr, want := range map[string]string{"mx.example.org:25": "tcp", "/run/lmtp": "unix", "[::1]:25": "tcp"} {
		_, err = smtpclient.Dial(t.Context(), addr, o)
		require.ErrorIs(t, err, failure)
		require.Equal(t, want, network)
		require.Equal(t, addr, address)
	}
	for m := smtpclient.Auto; m <= smtpclient.Disabled; m++ {
		require.NotContains(t, m.String(), "TLSMode")
	}
}

// More recipients than the window holds.
func TestManyRecipients(t *testing.T) {
	var script strings.Builder
	script.WriteString(hello)
	var to []string
	script.WriteString("C: MAIL FROM:<a@x.example> SIZE=2\n")
	open := 1
	reply := func() {
		script.WriteString(strings.Repeat("S: 250 ok\n", open))
		open = 0
	}
	for range 350 {
		to = append(to, "b@x.example")
		script.WriteString("C: RCPT TO:<b@x.example>\n")
		if open++; open == 100 {
			reply()
		}
	}
	script.WriteString("C: DATA\n")
	reply()
	script.WriteString("S: 354 go\nC: hi\nC: .\nS: 250 ok\n" + quit)
	c, err := connect(t, script.String(), options())
	require.NoError(t, err)
	res, err := c.Send(t.Context(), envelope(t, "a@x.example", to...), strings.NewReader("hi"))
	require.NoError(t, err)
	require.Equal(t, 350, res.Accepted())
	require.NoError(t, c.Quit(t.Context()))
}
