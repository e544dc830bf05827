package smtpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// able is a session that can do everything.
type able struct {
	session
	caps smtpserver.Capabilities
}

func (a *able) Capabilities() smtpserver.Capabilities { return a.caps }

func (a *able) Mail(ctx context.Context, from smtp.Path, o *smtp.MailOptions) error {
	a.b.note(fmt.Sprintf("%+v", *o))
	return a.session.Mail(ctx, from, o)
}

func (a *able) Rcpt(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error {
	a.b.note(fmt.Sprintf("%+v", *o))
	return a.session.Rcpt(ctx, to, o)
}

func (a *able) Etrn(_ context.Context, node string) (smtp.Reply, error) {
	switch node {
	case "bad.example":
		return smtp.Reply{}, smtp.Errorf(459, smtp.EnhancedCode{4, 7, 0}, "Node %s not allowed", node)
	case "idle.example":
		return smtp.Reply{Code: 251, Lines: []string{"OK, no messages waiting"}}, nil
	}
	return smtp.Reply{}, nil
}

func (a *able) FetchURL(_ context.Context, url string) (io.ReadCloser, error) {
	if url != "imap://x/ok" {
		return nil, errors.New("the secret of " + url)
	}
	return io.NopCloser(strings.NewReader("from the url\r\n")), nil
}

func (a *able) Command(_ context.Context, verb, arg string) (*smtp.Reply, error) {
	switch verb {
	case "XHELLO":
		return &smtp.Reply{Code: 250, Lines: []string{"hello\r\n" + arg}}, nil
	case "XBAD":
		return nil, smtp.Errorf(550, smtp.EnhancedCode{5, 5, 0}, "no")
	}
	return nil, nil
}

var everything = smtpserver.Capabilities{
	DSN: true, BinaryMIME: true, DeliverBy: true, MinDeliverBy: 60, FutureRelease: time.Hour, Priority: true, PriorityProfile: "MIXER",
	ValidSince: true, RequireTLS: true, Tracking: true, NoSoliciting: true, Solicit: "net.example:ADV", SessionLimits: true,
	Extra: []smtp.Extension{{Name: "XHELLO", Args: "a b"}},
}

func newAble(caps smtpserver.Capabilities) (*smtpserver.Server, *backend) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		return &able{session: session{b: b, c: c}, caps: caps}, nil
	}))
	srv.Auth = testAuth(true)
	return srv, b
}

// What EHLO offers is taken, and what it does not offer is refused.
func TestCapabilities(t *testing.T) {
	srv, _ := newAble(everything)
	srv.Limits.MaxMessages = 100
	l, _ := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nQUIT\r\n")
	require.Regexp(t, regexp.MustCompile(`(?m)^250-ENHANCEDSTATUSCODES\r
250-AUTH PLAIN LOGIN.*\r
250-BINARYMIME\r
250-DSN\r
250-DELIVERBY 60\r
250-FUTURERELEASE 3600 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\r
250-MT-PRIORITY MIXER\r
250-RRVS\r
250-MTRK\r
250-NO-SOLICITING net.example:ADV\r
250-LIMITS MAILMAX=100 RCPTMAX=2\r
250-ETRN\r
250 XHELLO a b\r
221 `), out)

	for _, tt := range []struct {
		param, name string
		caps        smtpserver.Capabilities
		seen        string
	}{
		{"RET=HDRS", "RET", smtpserver.Capabilities{DSN: true}, "Return:HDRS"},
		{"ENVID=x+2By", "ENVID", smtpserver.Capabilities{DSN: true}, "EnvelopeID:x+y"},
		{"BODY=BINARYMIME", "BODY=BINARYMIME", smtpserver.Capabilities{BinaryMIME: true}, "Body:BINARYMIME"},
		{"BY=120;R", "BY", smtpserver.Capabilities{DeliverBy: true}, "By:{Seconds:120 Mode:82"},
		{"HOLDFOR=60", "HOLDFOR", smtpserver.Capabilities{FutureRelease: time.Minute}, "HoldFor:60"},
		{"HOLDUNTIL=2026-01-01T00:00:00Z", "HOLDUNTIL", smtpserver.Capabilities{FutureRelease: time.Minute}, "HoldUntil:2026-01-01"},
		{"MT-PRIORITY=3", "MT-PRIORITY", smtpserver.Capabilities{Priority: true}, "Priority:3"},
		{"MTRK=abcd", "MTRK", smtpserver.Capabilities{Tracking: true}, "Certifier:abcd"},
		{"SOLICIT=a.b", "SOLICIT", smtpserver.Capabilities{NoSoliciting: true}, "Solicit:a.b"},
		{"REQUIRETLS", "REQUIRETLS", smtpserver.Capabilities{}, ""}, // needs TLS besides
	} {
		srv, _ := newAble(smtpserver.Capabilities{})
		l, _ := start(t, srv)
		out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example> "+tt.param+"\r\nQUIT\r\n")
		require.Contains(t, out, "\r\n555 5.5.4 MAIL parameter "+tt.name+" is not offered\r\n")
		if tt.seen == "" {
			continue
		}
		srv, b := newAble(tt.caps)
		l, stop := start(t, srv)
		out = exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example> "+tt.param+"\r\nHELO c\r\nMAIL FROM:<a@x.example> "+tt.param+"\r\nQUIT\r\n")
		require.Contains(t, out, "\r\n250 2.1.0 Sender OK\r\n")
		require.Contains(t, out, "\r\n555 5.5.4 Parameters need EHLO\r\n")
		stop()
		require.Contains(t, b.noted(), tt.seen)
	}
	for _, tt := range []struct{ param, name string }{
		{"NOTIFY=NEVER", "NOTIFY"}, {"ORCPT=rfc822;a@b", "ORCPT"}, {"RRVS=2014-04-03T23:01:00Z;R", "RRVS"},
	} {
		srv, _ := newAble(smtpserver.Capabilities{})
		l, _ := start(t, srv)
		out := exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example> "+tt.param+"\r\nQUIT\r\n")
		require.Contains(t, out, "\r\n555 5.5.4 RCPT parameter "+tt.name+" is not offered\r\n")
	}
	srv, b := newAble(everything)
	l, stop := start(t, srv)
	out = exchange(t, l, "EHLO c\r\nMAIL FROM:<a@x.example> BY=59;R\r\nMAIL FROM:<a@x.example> HOLDFOR=3601\r\nMAIL FROM:<a@x.example> HOLDUNTIL=9999-01-01T00:00:00Z\r\n"+
		"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d RRVS=2014-04-03T23:01:00Z;C\r\nQUIT\r\n")
	require.Contains(t, out, "\r\n501 5.5.4 BY wants 60 seconds at least\r\n501 5.5.4 Messages are held for 3600 seconds at most\r\n501 5.5.4 Messages are held for 3600 seconds at most\r\n")
	stop()
	require.Contains(t, b.noted(), "{Notify:10 Original:{Type:rfc822 Address:c@d} ValidSince:2014-04-03 23:01:00 +0000 UTC ValidAction:67")
}

func TestRequireTLSOffered(t *testing.T) {
	srv, b := newAble(everything)
	srv.TLSConfig = serverTLS()
	l, stop := start(t, srv)
	script, err := testkit.ParseScript("inline", []byte(`S: 220 <any>
C: EHLO c
S: 250-<any>
S: 250-PIPELINING
S: 250-SIZE 10000
S: 250-8BITMIME
S: 250-CHUNKING
S: 250-SMTPUTF8
S: 250-ENHANCEDSTATUSCODES
S: 250-STARTTLS
S: 250-AUTH <any>
S: 250-BINARYMIME
S: 250-DSN
S: 250-DELIVERBY 60
S: 250-FUTURERELEASE <any>
S: 250-MT-PRIORITY MIXER
S: 250-RRVS
S: 250-MTRK
S: 250-NO-SOLICITING <any>
S: 250-LIMITS RCPTMAX=2
S: 250-ETRN
S: 250 XHELLO a b
C: STARTTLS
S: 220 <any>
--- starttls ---
C: EHLO c
S: 250-<any>
S: 250-PIPELINING
S: 250-SIZE 10000
S: 250-8BITMIME
S: 250-CHUNKING
S: 250-SMTPUTF8
S: 250-ENHANCEDSTATUSCODES
S: 250-AUTH <any>
S: 250-BINARYMIME
S: 250-DSN
S: 250-DELIVERBY 60
S: 250-FUTURERELEASE <any>
S: 250-MT-PRIORITY MIXER
S: 250-RRVS
S: 250-REQUIRETLS
S: 250-MTRK
S: 250-NO-SOLICITING <any>
S: 250-LIMITS RCPTMAX=2
S: 250-ETRN
S: 250 XHELLO a b
C: MAIL FROM:<a@x.example> REQUIRETLS
S: 250 2.1.0 Sender OK
C: QUIT
S: 221 <any>
--- close ---
`))
	require.NoError(t, err)
	require.NoError(t, testkit.Player{Side: testkit.Client}.Play(dial(t, l), script))
	stop()
	require.Contains(t, b.noted(), "RequireTLS:true")
}

func TestOptionalCommands(t *testing.T) {
	srv, b := newAble(everything)
	l, stop := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nETRN x.example\r\nETRN bad.example\r\nETRN @idle.example\r\nETRN idle.example\r\n"+
		"XHELLO you there\r\nXBAD\r\nXOTHER\r\nTURN\r\nBURL imap://x/ok LAST\r\n"+
		"MAIL FROM:<a@x.example>\r\nETRN x.example\r\nRCPT TO:<b@x.example>\r\nBURL imap://x/ok LAST\r\nRSET\r\nXCLIENT ADDR=10.0.0.1\r\nXFORWARD ADDR=10.0.0.1\r\n"+
		"AUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\nEHLO c\r\n"+
		"MAIL FROM:<a@x.example>\r\nBURL imap://x/ok LAST\r\nRCPT TO:<b@x.example>\r\nBDAT 3\r\nx\r\nBURL imap://x/ok\r\nBURL /x\r\nBURL imap://x/ok\r\nBDAT 0 LAST\r\n"+
		"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBURL imap://x/secret LAST\r\n"+
		"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 3\r\nx\r\nBURL imap://x/secret LAST\r\n"+
		"MAIL FROM:<a@x.example> BODY=BINARYMIME\r\nRCPT TO:<b@x.example>\r\nDATA\r\nQUIT\r\n")
	require.Contains(t, out, "\r\n250 2.0.0 Queuing for node x.example started\r\n459 4.7.0 Node bad.example not allowed\r\n"+
		"250 2.0.0 Queuing for node @idle.example started\r\n251 2.0.0 OK, no messages waiting\r\n"+
		"250 2.0.0 hello you there\r\n550 5.5.0 no\r\n500 5.5.1 Command not recognized\r\n502 5.5.1 Command not implemented\r\n503 5.5.1 Need MAIL command\r\n"+
		"250 2.1.0 Sender OK\r\n503 5.5.1 ETRN is not permitted during a mail transaction\r\n250 2.1.5 Recipient OK\r\n554 5.7.0 BURL needs authentication\r\n250 2.0.0 OK\r\n"+
		"550 5.7.0 Not authorized to use XCLIENT\r\n550 5.7.0 Not authorized to use XFORWARD\r\n235 2.7.0 Authentication succeeded\r\n")
	_, out, _ = strings.Cut(out, "\r\n235 ")
	require.Contains(t, out, "\r\n250-BURL imap\r\n")
	require.Contains(t, out, "\r\n250 XHELLO a b\r\n250 2.1.0 Sender OK\r\n503 5.5.1 No valid recipients\r\n250 2.1.5 Recipient OK\r\n"+
		"250 2.0.0 3 octets received\r\n250 2.0.0 14 octets received\r\n501 5.5.4 BURL wants an absolute URL\r\n250 2.0.0 14 octets received\r\n250 2.0.0 queued as 1\r\n"+
		"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n554 5.6.6 URL resolution failed\r\n"+
		"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.0.0 3 octets received\r\n554 5.6.6 URL resolution failed\r\n"+
		"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n503 5.5.1 BINARYMIME comes by BDAT\r\n")
	stop()
	require.Equal(t, "x\r\nfrom the url\r\nfrom the url\r\n", b.got()[0].data)
	require.Len(t, b.got(), 1)
}

// Binary messages arrive as they are.
func TestBinaryMIME(t *testing.T) {
	srv, b := newAble(everything)
	srv.Limits.MaxTextLine = 10
	l, stop := start(t, srv)
	binary := "\x00\r\n.\r\n\n.\n\r\r\x00" + strings.Repeat("x", 100)
	out := exchange(t, l, fmt.Sprintf("EHLO c\r\nMAIL FROM:<a@x.example> BODY=BINARYMIME\r\nRCPT TO:<b@x.example>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%sQUIT\r\n", len(binary), binary, len(binary), binary))
	require.Contains(t, out, "250 2.0.0 queued as 1")
	stop()
	require.Equal(t, binary+binary, b.got()[0].data)
}

func TestLMTPChunks(t *testing.T) {
	b := &backend{}
	srv := newServer(b)
	srv.LMTP = true
	l, stop := start(t, srv)
	out := exchange(t, l, "LHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b>\r\nRCPT TO:<full>\r\nBDAT 3\r\nx\r\nBDAT 3 LAST\r\ny\r\n"+
		"MAIL FROM:<a@x.example>\r\nRCPT TO:<b>\r\nRCPT TO:<full>\r\nBDAT 10001 LAST\r\n"+strings.Repeat("x", 10001)+
		"MAIL FROM:<early@x.example>\r\nRCPT TO:<b>\r\nRCPT TO:<full>\r\nBDAT 3 LAST\r\nx\r\n"+
		"MAIL FROM:<early@x.example>\r\nRCPT TO:<b>\r\nRCPT TO:<full>\r\nBDAT 3\r\nx\r\nQUIT\r\n")
	start := "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
	large := "552 5.3.4 Message larger than the limit of 10000 octets\r\n"
	require.True(t, strings.HasSuffix(out, start+"250 2.0.0 3 octets received\r\n250 2.0.0 queued as 1\r\n452 4.2.2 mailbox full\r\n"+
		start+large+large+
		start+"450 4.7.1 come back later\r\n450 4.7.1 come back later\r\n"+
		start+"450 4.7.1 come back later\r\n221 2.0.0 mx.example.org closing the channel\r\n"), out)
	stop()
	require.Len(t, b.got(), 1)
}

var local = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

// seen answers VRFY with what the Conn knows of its client.
type seen struct{ session }

func (s *seen) Verify(context.Context, string) ([]string, error) {
	id, _ := s.c.Identity()
	return []string{fmt.Sprint(s.c.RemoteAddr(), " ", s.c.LocalAddr(), " name=", s.c.ClientName(), " helo=", s.c.HeloName(), " user=", id.User, " ", s.c.Forwarded())}, nil
}

func (s *seen) XClient(_ context.Context, attributes []smtp.Param) error {
	if attributes[0].Value == "10.6.6.6" {
		return smtp.Errorf(550, smtp.EnhancedCode{5, 7, 0}, "not for him")
	}
	return nil
}

func TestXClient(t *testing.T) {
	b := &backend{}
	srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		b.note("new")
		if c.RemoteAddr().String() == "10.9.9.9:25" {
			return nil, smtp.Errorf(554, smtp.EnhancedCode{5, 7, 1}, "listed")
		}
		return &seen{session{b: b, c: c}}, nil
	}))
	srv.TrustXClient = local
	srv.Auth = testAuth(true)
	l, stop := start(t, srv)
	out := exchange(t, l, "EHLO c\r\nXCLIENT ADDR=10.6.6.6\r\nXCLIENT ADDR=x\r\nXCLIENT PORT=65536\r\nXCLIENT FOO=x\r\n"+
		"XCLIENT NAME=spike.example.org ADDR=IPV6:2001:db8::1 PORT=1234 HELO=me+2Byou LOGIN=ada DESTADDR=198.51.100.9 DESTPORT=587\r\n"+
		"VRFY x\r\nEHLO d\r\nXFORWARD NAME=a ADDR=[UNAVAILABLE]\r\nXFORWARD NAME=b FOO=x\r\nXFORWARD NAME=b SOURCE=LOCAL\r\nVRFY x\r\n"+
		"MAIL FROM:<a@x.example>\r\nXCLIENT ADDR=10.0.0.1\r\nRSET\r\nVRFY x\r\n"+
		"XCLIENT ADDR=[UNAVAILABLE] LOGIN=[UNAVAILABLE] NAME=[TEMPUNAVAIL]\r\nVRFY x\r\n"+
		"XCLIENT ADDR=10.9.9.9 PORT=25\r\nNOOP\r\n")
	_, out, ok := strings.Cut(out, "\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n")
	require.True(t, ok)
	first, out, ok := strings.Cut(out, "\r\n250-mx.example.org greets d [IPv6:2001:db8::1]\r\n")
	require.True(t, ok)
	require.Equal(t, "550 5.7.0 not for him\r\n501 5.5.4 Malformed attribute ADDR\r\n501 5.5.4 Malformed attribute PORT\r\n501 5.5.4 Unknown attribute FOO\r\n"+
		"220 mx.example.org ESMTP ready\r\n250 2.1.5 [2001:db8::1]:1234 198.51.100.9:587 name=spike.example.org helo=me+you user=ada []", first)
	_, out, ok = strings.Cut(out, "\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n")
	require.True(t, ok)
	require.Equal(t, "250 2.0.0 OK\r\n501 5.5.4 Unknown attribute FOO\r\n250 2.0.0 OK\r\n"+
		"250 2.1.5 [2001:db8::1]:1234 198.51.100.9:587 name=spike.example.org helo=d user=ada [{NAME b} {ADDR [UNAVAILABLE]} {SOURCE LOCAL}]\r\n"+
		"250 2.1.0 Sender OK\r\n503 5.5.1 XCLIENT is not permitted during a mail transaction\r\n250 2.0.0 OK\r\n"+
		"250 2.1.5 [2001:db8::1]:1234 198.51.100.9:587 name=spike.example.org helo=d user=ada []\r\n"+
		"220 mx.example.org ESMTP ready\r\n250 2.1.5 192.0.2.1:40000 198.51.100.9:587 name= helo=d user= []\r\n"+
		"554 5.7.1 listed\r\n", strings.ReplaceAll(out, "192.0.2.1:40001", "192.0.2.1:40000"))
	stop()
	require.Equal(t, "new close new mail reset close new close new", b.noted())

	srv = newServer(&backend{})
	srv.TrustXClient = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	l, _ = start(t, srv)
	out = exchange(t, l, "EHLO c\r\nXCLIENT ADDR=10.0.0.1\r\nXCLIENT ADDR=10.0.0.1\r\nQUIT\r\n")
	require.NotContains(t, out, "250-XCLIENT")
	require.Contains(t, out, "550 5.7.0 Not authorized to use XCLIENT\r\n550 5.7.0 Not authorized to use XCLIENT\r\n")
}

func TestProxy(t *testing.T) {
	for _, tt := range []struct{ head, want string }{
		{"PROXY TCP4 198.51.100.1 198.51.100.2 7 25\r\n", "250 2.1.5 198.51.100.1:7 198.51.100.2:25 name="},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x01\xc6\x33\x64\x02\x00\x07\x00\x19", "250 2.1.5 198.51.100.1:7 198.51.100.2:25 name="},
		{"PROXY UNKNOWN\r\n", "250 2.1.5 192.0.2.1:"},
		{"EHLO evil\r\n", ""},
		{"PROXY TCP4 1\r\n", ""},
	} {
		b := &backend{}
		srv := newServer(smtpserver.BackendFunc(func(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
			return &seen{session{b: b, c: c}}, nil
		}))
		srv.TrustProxy = local
		srv.Limits.GreetDelay = time.Millisecond
		l, _ := start(t, srv)
		conn := dial(t, l)
		_, err := io.WriteString(conn, tt.head)
		require.NoError(t, err)
		if tt.want != "" {
			readGreeting(t, conn)
			_, err = io.WriteString(conn, "EHLO c\r\nVRFY x\r\nQUIT\r\n")
			require.NoError(t, err)
		}
		out, err := io.ReadAll(conn)
		require.NoError(t, err)
		if tt.want == "" {
			require.Empty(t, out)
		} else {
			require.Contains(t, string(out), tt.want)
		}
	}
	// From anywhere else it is no header.
	srv := newServer(&backend{})
	srv.TrustProxy = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	l, _ := start(t, srv)
	require.Contains(t, exchange(t, l, "PROXY TCP4 198.51.100.1 198.51.100.2 7 25\r\nQUIT\r\n"), "500 5.5.1 Command not recognized\r\n")
}

// No line of an answer to EHLO has more than 512 octets, whatever the client's
// name.
func TestLongNames(t *testing.T) {
	srv := newServer(&backend{})
	srv.Domain = strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	l, _ := start(t, srv)
	for line := range strings.SplitSeq(exchange(t, l, "EHLO "+strings.Repeat("x", 255)+"\r\nQUIT\r\n"), "\r\n") {
		require.LessOrEqual(t, len(line), 510)
	}
}
