package smtpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// A server that offers what lines say.
func offers(lines ...string) string {
	s := "S: 220 mx\nC: EHLO c\nS: 250-mx\n"
	for i, l := range lines {
		if i < len(lines)-1 {
			s += "S: 250-" + l + "\n"
		} else {
			s += "S: 250 " + l + "\n"
		}
	}
	return s
}

const envelopeOK = "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@x.example>\n"

// unknownLength hides the length of a message.
func unknownLength(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func TestChunks(t *testing.T) {
	long := strings.Repeat("x", 40000)
	for _, tt := range []struct {
		name, script, message string
		change                func(o *smtpclient.Options, env *smtp.Envelope)
		err                   string
	}{
		{name: "all in one write, lines mended", message: "hi\n.\rx\r\n",
			script: offers("PIPELINING", "SIZE", "CHUNKING") + "C: MAIL FROM:<a@x.example> SIZE=10\nC: RCPT TO:<b@x.example>\nC: BDAT 10 LAST\nC: hi\nC: .\nC: x\nS: 250 ok\nS: 250 ok\nS: 250 queued\n"},
		{name: "octets beyond ASCII are told", message: "\xe4",
			script: offers("PIPELINING", "8BITMIME", "CHUNKING") + "C: MAIL FROM:<a@x.example> BODY=8BITMIME\nC: RCPT TO:<b@x.example>\nC: BDAT 3 LAST\nC: \\xe4\nS: 250 ok\nS: 250 ok\nS: 250 queued\n"},
		{name: "not without PIPELINING", message: "hi", script: offers("CHUNKING") + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"},
		{name: "never", message: "hi", change: func(o *smtpclient.Options, _ *smtp.Envelope) { o.Chunking = smtpclient.ChunkNever },
			script: offers("PIPELINING", "CHUNKING") + envelopeOK + "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"},
		{name: "sender refused", message: "hi",
			script: offers("PIPELINING", "CHUNKING") + envelopeOK + "C: BDAT 4 LAST\nC: hi\nS: 550 no\nS: 503 no\nS: 503 no\n", err: "smtp: MAIL FROM:<a@x.example>: 550 no"},
		{name: "recipient refused", message: "hi",
			script: offers("PIPELINING", "CHUNKING") + envelopeOK + "C: BDAT 4 LAST\nC: hi\nS: 250 ok\nS: 550 no\nS: 503 no\nC: RSET\nS: 250 ok\n", err: "smtp: RCPT TO:<b@x.example>: 550 no"},
		{name: "message refused", message: "hi",
			script: offers("PIPELINING", "CHUNKING") + envelopeOK + "C: BDAT 4 LAST\nC: hi\nS: 250 ok\nS: 250 ok\nS: 452 full\nC: RSET\nS: 250 ok\n", err: "smtp: BDAT: 452 full"},
		{name: "always, long", message: long + "\n" + long, change: func(o *smtpclient.Options, _ *smtp.Envelope) { o.Chunking = smtpclient.ChunkAlways },
			script: offers("CHUNKING") + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\n" +
				"C: BDAT 63486\nC: " + long + "\nC~ " + long[:63486-40002] + "\nS: 250 ok\nC: BDAT 16518 LAST\nC: " + long[:16516] + "\nS: 250 ok\n"},
		{name: "always, refused early", message: long + "\n" + long, change: func(o *smtpclient.Options, _ *smtp.Envelope) { o.Chunking = smtpclient.ChunkAlways },
			script: offers("CHUNKING") + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\n" +
				"C: BDAT 63486\nC: " + long + "\nC~ " + long[:63486-40002] + "\nS: 552 5.3.4 too large\nC: RSET\nS: 250 ok\n", err: "smtp: BDAT: 552 5.3.4 too large"},
		{name: "binary", message: "\x00\n.\r", change: func(_ *smtpclient.Options, env *smtp.Envelope) { env.Options.Body = smtp.BodyBinaryMIME },
			script: offers("CHUNKING", "BINARYMIME") + "C: MAIL FROM:<a@x.example> BODY=BINARYMIME\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: BDAT 4 LAST\nC~ \\0\\n.\\r\nS: 250 ok\n"},
		{name: "bare line ends refused", message: "a\nb", change: func(o *smtpclient.Options, _ *smtp.Envelope) {
			o.Chunking, o.BareLineEnds = smtpclient.ChunkAlways, smtpclient.BareReject
		}, script: offers("CHUNKING") + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: RSET\nS: 250 ok\n",
			err: "smtpclient: message: syntax error at octet 1: LF without CR in a body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, env := options(), envelope(t, "a@x.example", "b@x.example")
			message := unknownLength(tt.message)
			if tt.change != nil {
				tt.change(o, env)
			}
			if o.Chunking == smtpclient.ChunkAuto && env.Options.Body == 0 {
				message = strings.NewReader(tt.message)
			}
			c, err := connect(t, tt.script+"C: NOOP\nS: 250 ok\n"+quit, o)
			require.NoError(t, err)
			res, err := c.Send(t.Context(), env, message)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				require.Equal(t, err, res.Recipients[0].Err)
			} else {
				require.NoError(t, err)
				require.Equal(t, 1, res.Accepted())
			}
			require.NoError(t, c.Noop(t.Context()))
			require.NoError(t, c.Quit(t.Context()))
		})
	}
}

// A message whose reader fails between chunks costs the message alone.
func TestChunksReaderFails(t *testing.T) {
	o := options()
	o.Chunking = smtpclient.ChunkAlways
	c, err := connect(t, offers("CHUNKING")+"C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: NOOP\nS: 250 ok\n"+quit, o)
	require.NoError(t, err)
	broken := errors.New("disk")
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), io.MultiReader(strings.NewReader("x"), failingReader{broken}))
	require.ErrorIs(t, err, broken)
	require.NoError(t, c.Noop(t.Context()))
	require.NoError(t, c.Quit(t.Context()))
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// Every parameter is sent where its extension is offered, an error where it is
// not, and left out where it is optional.
func TestParameters(t *testing.T) {
	at := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, tt := range []struct {
		extension, mail, rcpt string
		set                   func(m *smtp.MailOptions, r *smtp.RcptOptions)
	}{
		{"DSN", " RET=HDRS ENVID=x", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.Return, m.EnvelopeID = smtp.ReturnHeaders, "x" }},
		{"DSN", "", " NOTIFY=NEVER ORCPT=rfc822;a@b", func(_ *smtp.MailOptions, r *smtp.RcptOptions) {
			r.Notify, r.Original = smtp.NotifyNever, smtp.OriginalRecipient{Type: "rfc822", Address: "a@b"}
		}},
		{"DELIVERBY", " BY=60;N", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) {
			m.By = smtp.DeliverBy{Seconds: 60, Mode: smtp.DeliverNotify}
		}},
		{"FUTURERELEASE", " HOLDFOR=60", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.HoldFor = 60 }},
		{"FUTURERELEASE", " HOLDUNTIL=2026-12-31T23:59:59Z", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.HoldUntil = at }},
		{"MT-PRIORITY", " MT-PRIORITY=-4", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.Priority = -4 }},
		{"MTRK", " MTRK=abc", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.Track.Certifier = "abc" }},
		{"NO-SOLICITING", " SOLICIT=a.b", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.Solicit = "a.b" }},
		{"RRVS", "", " RRVS=2026-12-31T23:59:59Z;R", func(_ *smtp.MailOptions, r *smtp.RcptOptions) {
			r.ValidSince, r.ValidAction = at, smtp.ValidReject
		}},
		{"REQUIRETLS", " REQUIRETLS", "", func(m *smtp.MailOptions, _ *smtp.RcptOptions) { m.RequireTLS = true }},
	} {
		env := envelope(t, "a@x.example", "b@x.example")
		tt.set(&env.Options, &env.To[0].Options)
		body := "C: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"
		script := func(mail, rcpt string) string {
			return "C: MAIL FROM:<a@x.example>" + mail + "\nS: 250 ok\nC: RCPT TO:<b@x.example>" + rcpt + "\nS: 250 ok\n" + body
		}
		send := func(script string, o *smtpclient.Options) error {
			c, err := connect(t, script+quit, o)
			require.NoError(t, err)
			_, err = c.Send(t.Context(), env, unknownLength("hi"))
			require.NoError(t, c.Quit(t.Context()))
			return err
		}
		require.NoError(t, send(offers(tt.extension)+script(tt.mail, tt.rcpt), options()))
		var lacks *smtpclient.ExtensionError
		err := send(offers("X"), options())
		require.ErrorAs(t, err, &lacks)
		require.Equal(t, tt.extension, lacks.Extension)
		require.False(t, smtpclient.Temporary(err))
		o := options()
		o.Optional = []string{strings.ToLower(tt.extension)}
		if tt.extension == "REQUIRETLS" {
			require.ErrorAs(t, send(offers("X"), o), &lacks)
			continue
		}
		require.NoError(t, send(offers("X")+script("", ""), o))
	}
	// RFC 7293 section 3: C goes on without.
	env := envelope(t, "a@x.example", "b@x.example")
	env.To[0].Options = smtp.RcptOptions{ValidSince: at, ValidAction: smtp.ValidContinue}
	c, err := connect(t, plain+"C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"+quit, options())
	require.NoError(t, err)
	_, err = c.Send(t.Context(), env, unknownLength("hi"))
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))
}

// RFC 6531 and RFC 6152: what servers without the extensions get.
func TestDowngrade(t *testing.T) {
	send := func(script string, o *smtpclient.Options, env *smtp.Envelope, m io.Reader) error {
		c, err := connect(t, script+quit, o)
		require.NoError(t, err)
		_, err = c.Send(t.Context(), env, m)
		require.NoError(t, c.Quit(t.Context()))
		return err
	}
	ascii := "C: MAIL FROM:<a@xn--bcher-kva.example>\nS: 250 ok\nC: RCPT TO:<b@xn--80a1acny.xn--p1ai>\nS: 250 ok\nC: DATA\nS: 354 go\nC: Subject: x\nC:\nC: hi\nC: .\nS: 250 ok\n"
	require.NoError(t, send(plain+ascii, options(), envelope(t, "a@bücher.example", "b@почта.рф"), unknownLength("Subject: x\r\n\r\nhi")))
	code := func(err error) smtp.EnhancedCode {
		var own *smtp.Error
		require.ErrorAs(t, err, &own)
		require.True(t, own.Permanent())
		return own.EnhancedCode
	}
	require.Equal(t, smtp.EnhancedCode{5, 6, 7}, code(send(plain, options(), envelope(t, "å@x.example", "b@x.example"), unknownLength("hi"))))
	require.Equal(t, smtp.EnhancedCode{5, 6, 7}, code(send(plain, options(), envelope(t, "a@x.example", "å@x.example"), unknownLength("hi"))))
	require.Equal(t, smtp.EnhancedCode{5, 6, 7}, code(send(plain, options(), envelope(t, "a@bücher.example", "b@x.example"), unknownLength("Subject: å\r\n\r\nhi"))))
	require.NoError(t, send(offers("SMTPUTF8")+"C: MAIL FROM:<a@bücher.example> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n",
		options(), envelope(t, "a@bücher.example", "b@x.example"), unknownLength("hi")))

	env := envelope(t, "a@x.example", "b@x.example")
	env.Options.Body = smtp.Body8BitMIME
	message := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nThe message says pål and no more.\r\n"
	require.Equal(t, smtp.EnhancedCode{5, 6, 3}, code(send(plain, options(), env, strings.NewReader(message))))
	o := options()
	o.Downgrade = true
	encoded := "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\n" +
		"C: MIME-Version: 1.0\nC: Content-Type: text/plain; charset=utf-8\nC: Content-Transfer-Encoding: quoted-printable\nC:\nC: The message says p=C3=A5l and no more.\nC: .\nS: 250 ok\n"
	require.NoError(t, send(plain+encoded, o, env, strings.NewReader(message)))
	skipped := strings.NewReader("skip" + message)
	_, _ = skipped.Seek(4, io.SeekStart)
	require.NoError(t, send(plain+encoded, o, env, skipped))
	require.NoError(t, send(plain+encoded, o, env, io.NewSectionReader(strings.NewReader("skip"+message), 4, int64(len(message)))))
	require.Equal(t, smtp.EnhancedCode{5, 6, 3}, code(send(plain, o, env, unknownLength(message))))
	require.Equal(t, smtp.EnhancedCode{5, 6, 7}, code(send(plain, o, env, strings.NewReader("Subject: å\r\n"+message))))
	env.Options.Body = smtp.BodyBinaryMIME
	require.NoError(t, send(plain+encoded, o, env, strings.NewReader(message)))
	env = envelope(t, "a@x.example", "b@bücher.example")
	env.Options.Body = smtp.Body8BitMIME
	require.NoError(t, send(plain+strings.Replace(encoded, "b@x.example", "b@xn--bcher-kva.example", 1), o, env, strings.NewReader(message)))
}

func TestBegin(t *testing.T) {
	open := "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<no@x.example>\nC: RCPT TO:<b@x.example>\nS: 250 ok\nS: 550 no\nS: 250 ok\n"
	env := envelope(t, "a@x.example", "no@x.example", "b@x.example")
	start := func(script string, o *smtpclient.Options) (*smtpclient.Client, *smtpclient.Transaction) {
		c, err := connect(t, script, o)
		require.NoError(t, err)
		x, err := c.Begin(t.Context(), env)
		require.NoError(t, err)
		require.Equal(t, []bool{false, true}, []bool{x.Result().Recipients[0].Err == nil, x.Result().Recipients[1].Err == nil})
		require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrBusy)
		return c, x
	}
	c, x := start(hello+open+"C: DATA\nS: 354 go\nC: hi\nC: ..\nC: there\nC: .\nS: 250 queued\n"+quit, options())
	_, err := io.WriteString(x, "hi\r\n.\r")
	require.NoError(t, err)
	n, err := x.ReadFrom(unknownLength("\nthere"))
	require.NoError(t, err)
	require.Equal(t, int64(6), n)
	res, err := x.Commit()
	require.NoError(t, err)
	require.Equal(t, 1, res.Accepted())
	require.Equal(t, []string{"queued"}, res.Recipients[1].Reply.Lines)
	_, err = x.Write([]byte("x"))
	require.ErrorIs(t, err, smtpclient.ErrTransactionOver)
	_, err = x.Commit()
	require.ErrorIs(t, err, smtpclient.ErrTransactionOver)
	x.Abort()
	require.NoError(t, c.Quit(t.Context()))

	// Given up before the message: the connection goes on. Within DATA it can not.
	c, x = start(hello+open+"C: RSET\nS: 250 ok\n"+quit, options())
	x.Abort()
	require.NoError(t, c.Quit(t.Context()))
	c, x = start(hello+open+"C: DATA\nS: 354 go\n--- client close ---\n", options())
	_, err = io.WriteString(x, "hi\r\n")
	require.NoError(t, err)
	x.Abort()
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)

	// In chunks it can.
	o := options()
	o.Chunking = smtpclient.ChunkAlways
	c, x = start(offers("PIPELINING", "CHUNKING")+open+"C: RSET\nS: 250 ok\n"+quit, o)
	_, err = io.WriteString(x, "hi\r\n")
	require.NoError(t, err)
	x.Abort()
	require.NoError(t, c.Quit(t.Context()))
	c, x = start(offers("PIPELINING", "CHUNKING")+open+"C: BDAT 4 LAST\nC: hi\nS: 250 ok\n"+quit, o)
	_, err = io.WriteString(x, "hi\r\n")
	require.NoError(t, err)
	_, err = x.Commit()
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))

	// DATA refused, nobody accepted, nothing to be sent.
	c, x = start(hello+open+"C: DATA\nS: 451 later\nC: RSET\nS: 250 ok\n"+quit, options())
	require.EqualError(t, x.Open(), "smtp: DATA: 451 later")
	require.EqualError(t, x.Result().Recipients[1].Err, "smtp: DATA: 451 later")
	require.NoError(t, c.Quit(t.Context()))
	c, err = connect(t, hello+"C: MAIL FROM:<a@x.example>\nC: RCPT TO:<no@x.example>\nC: RCPT TO:<b@x.example>\nS: 250 ok\nS: 550 no\nS: 450 no\nC: RSET\nS: 250 ok\n"+quit, options())
	require.NoError(t, err)
	x, err = c.Begin(t.Context(), env)
	require.EqualError(t, err, "smtp: RCPT TO:<no@x.example>: 550 no")
	require.EqualError(t, x.Result().Recipients[1].Err, "smtp: RCPT TO:<b@x.example>: 450 no")
	_, err = x.Write([]byte("x"))
	require.ErrorIs(t, err, smtpclient.ErrTransactionOver)
	x, err = c.Begin(t.Context(), &smtp.Envelope{})
	require.Error(t, err)
	require.Nil(t, x)
	require.NoError(t, c.Quit(t.Context()))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Begin's context is the transaction's.
func TestBeginCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := options()
	// What is traced was sent.
	o.Trace = writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("DATA")) {
			cancel()
		}
		return len(line), nil
	})
	c, err := connect(t, hello+envelopeOK+"S: 250 ok\nS: 250 ok\nC: DATA\n--- client close ---\n", o)
	require.NoError(t, err)
	x, err := c.Begin(ctx, envelope(t, "a@x.example", "b@x.example"))
	require.NoError(t, err)
	_, err = io.WriteString(x, "x")
	require.ErrorIs(t, err, context.Canceled)
	_, err = x.Commit()
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, c.Noop(t.Context()), smtpclient.ErrClosed)
}

// 5000 recipients pass through small buffers, whether the server answers each
// command at once or none before it read all it can.
func TestPipelineDoesNotBlock(t *testing.T) {
	const n = 5000
	to := make([]string, n)
	for i := range to {
		to[i] = fmt.Sprintf("recipient-number-%d@long.domain.example.org", i)
	}
	env := envelope(t, "a@x.example", to...)
	for _, lazy := range []bool{false, true} {
		client, server := testkit.PipeSize(32 << 10)
		done := make(chan error, 1)
		go func() { done <- answer(server, lazy) }()
		c, err := smtpclient.NewClient(t.Context(), client, options())
		require.NoError(t, err)
		res, err := c.Send(t.Context(), env, unknownLength("hi"))
		require.NoError(t, err)
		require.Equal(t, n, res.Accepted())
		require.NoError(t, c.Quit(t.Context()))
		require.NoError(t, <-done)
	}
}

// answer is a server that says 250 to everything: at once, or when nothing
// more comes.
func answer(conn net.Conn, lazy bool) error {
	defer conn.Close()
	_, err := io.WriteString(conn, "220 mx\r\n")
	in := make([]byte, 0, 64<<10)
	var out bytes.Buffer
	body := false
	for err == nil {
		var n int
		n, err = conn.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		for {
			i := bytes.Index(in, []byte("\r\n"))
			if i < 0 {
				break
			}
			line := string(in[:i])
			in = in[:copy(in, in[i+2:])]
			switch {
			case body && line != ".":
				continue
			case body:
				body = false
				out.WriteString("250 queued\r\n")
			case strings.HasPrefix(line, "EHLO"):
				out.WriteString("250-mx\r\n250 PIPELINING\r\n")
			case line == "DATA":
				body = true
				out.WriteString("354 go\r\n")
			case line == "QUIT":
				out.WriteString("221 bye\r\n")
			default:
				out.WriteString("250 2.1.5 Recipient accepted, thank you very much\r\n")
			}
			if !lazy {
				_, _ = out.WriteTo(conn)
			}
		}
		_, _ = out.WriteTo(conn)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func TestTemporary(t *testing.T) {
	for err, want := range map[error]bool{
		errors.New("network"):                     true,
		smtp.Errorf(450, smtp.EnhancedCode{}, ""): true,
		smtp.Errorf(550, smtp.EnhancedCode{}, ""): false,
		&smtpclient.ExtensionError{}:              false,
		&smtpwire.EncodeError{}:                   false,
		&smtp.PathError{}:                         false,
		smtpclient.ErrTLSRequired:                 true,
		fmt.Errorf("%w: %w", smtpclient.ErrTLSRequired, smtp.Errorf(550, smtp.EnhancedCode{}, "")): true,
		&smtpclient.SentError{Err: io.ErrUnexpectedEOF}:                                            true,
		sasl.ErrMechanism: true,
	} {
		require.Equal(t, want, smtpclient.Temporary(err), "%v", err)
	}
	require.False(t, smtpclient.Temporary(nil))
}

// 421 to an offered STARTTLS is no lack of TLS where TLS is not required.
func TestOpportunistic421(t *testing.T) {
	o := options()
	o.TLS = smtpclient.Opportunistic
	_, err := connect(t, offers("STARTTLS")+"C: STARTTLS\nS: 421 busy\n--- client close ---\n", o)
	require.EqualError(t, err, "smtp: STARTTLS: 421 busy")
	require.NotErrorIs(t, err, smtpclient.ErrTLSRequired)
}

// The size of a file is told, from where it stands.
func TestFileSize(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "m"))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("skiphi\r\n")
	require.NoError(t, err)
	_, err = f.Seek(4, io.SeekStart)
	require.NoError(t, err)
	c, err := connect(t, hello+"C: MAIL FROM:<a@x.example> SIZE=4\nC: RCPT TO:<b@x.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n"+quit, options())
	require.NoError(t, err)
	_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), f)
	require.NoError(t, err)
	require.NoError(t, c.Quit(t.Context()))
}

// BenchmarkSend is messages of 1 KB over one connection in memory, whose
// server answers at once.
func BenchmarkSend(b *testing.B) {
	message := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), 13)
	client, server := testkit.Pipe()
	done := make(chan error, 1)
	go func() { done <- answer(server, true) }()
	c, err := smtpclient.NewClient(b.Context(), client, options())
	require.NoError(b, err)
	env := envelope(b, "a@x.example", "b@x.example")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(b.Context(), env, bytes.NewReader(message)); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.Quit(b.Context())
	<-done
}

// A refusal of one of several chunks under way leaves the connection in step.
func TestChunksRefusedUnderWay(t *testing.T) {
	client, server := testkit.Pipe()
	done := make(chan int, 1)
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		chunks := 0
		_, _ = io.WriteString(server, "220 mx\r\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				done <- chunks
				return
			}
			reply := "250 ok"
			var n int
			switch _, err := fmt.Sscanf(line, "BDAT %d", &n); {
			case err == nil:
				_, _ = r.Discard(n)
				reply = "503 no"
				if chunks++; chunks == 1 {
					reply = "552 5.3.4 too large"
				}
			case strings.HasPrefix(line, "EHLO"):
				reply = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING"
			case strings.HasPrefix(line, "QUIT"):
				reply = "221 bye"
			}
			_, _ = io.WriteString(server, reply+"\r\n")
		}
	}()
	o := options()
	o.Chunking = smtpclient.ChunkAlways
	c, err := smtpclient.NewClient(t.Context(), client, o)
	require.NoError(t, err)
	for range 2 {
		_, err = c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), unknownLength(strings.Repeat("x", 1<<20)))
		require.Error(t, err)
		require.NoError(t, c.Noop(t.Context()))
	}
	require.NoError(t, c.Quit(t.Context()))
	require.Greater(t, <-done, 8)
}
