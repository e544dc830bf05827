package main

// The program as its user sees it, with servers that are real.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}} {
		out, log, code := in(t, args...)
		require.Zero(t, code)
		require.Empty(t, log)
		require.Equal(t, usage, out)
	}
	for name := range commands {
		out, log, code := in(t, name, "-h")
		require.Zero(t, code, name)
		require.Empty(t, log)
		require.True(t, strings.HasPrefix(out, "usage: bulkmail "+name+" "), out)
		again, _, _ := in(t, "help", name)
		require.Equal(t, out, again)
	}
	// The configuration that is shown is one.
	out, _, code := in(t, "help", "config")
	require.Zero(t, code)
	c, err := parseConfig("/etc/bulkmail.conf", out)
	require.NoError(t, err)
	require.Len(t, c.servers, 2)
	require.Len(t, c.mailboxes, 1)
	require.Equal(t, "/etc/main.password", filepath.ToSlash(c.servers[0].passwordFile))
}

func TestWrongArguments(t *testing.T) {
	d := newDesk(t)
	d.config("", "127.0.0.1:1")
	d.list(2)
	good := d.sendArgs()
	state := newDesk(t)
	state.config("", "127.0.0.1:1")
	state.begin(1, &fake{}).close()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "no command\nRun bulkmail -h for help."},
		{[]string{"sned"}, "\"sned\" is no command\nRun bulkmail -h for help."},
		{[]string{"help", "x"}, "no help on \"x\"\nRun bulkmail -h for help."},
		{[]string{"send", "-x"}, "send: flag provided but not defined: -x\nRun bulkmail send -h for help."},
		{good[:7], "send: -state is missing\nRun bulkmail send -h for help."},
		{good[:5], "send: -list is missing\nRun bulkmail send -h for help."},
		{append(good, "x"), "send: unexpected argument \"x\"\nRun bulkmail send -h for help."},
		{append(good, "-campaign", "../x"), `campaign "../x": expected letters, digits, dots, - and _; -campaign gives it a name`},
		{append(good, "-first", "2"), "send: -first is for -dry-run"},
		{append(good, "-column", "Mail"), d.path("list.csv") + ":1: there is no column Mail"},
		{append(good, "-attach", "missing"), "open missing: no such file or directory"},
		{[]string{"status", "-state", d.path("nowhere")}, d.path("nowhere") + ` is no state of bulkmail: "bulkmail send" makes one`},
		{[]string{"resume", "-state", state.state(), "-retry", "all"}, "-retry all: expected doubtful, failed or both with a comma"},
		{[]string{"resume", "-state", state.state(), "-campaign", "x"}, "there is no campaign x in " + state.state()},
		{[]string{"status", "-state", state.state(), "-list", "x"}, "-list x: expected one of queued, waiting, in-flight, sent, failed, doubtful, suppressed"},
		{[]string{"bounces", "-state", state.state()}, state.path("bulkmail.conf") + ": no [mailbox NAME]"},
		{[]string{"suppress", "-state", state.state()}, "suppress: whom? Addresses, domains or codes\nRun bulkmail suppress -h for help."},
		{[]string{"suppress", "-state", state.state(), "abc"}, "abc: no address, and nobody's code"},
	} {
		out, log, code := in(t, tt.args...)
		assert.Equal(t, exitUsage, code, tt.args)
		assert.Empty(t, out)
		assert.Equal(t, "bulkmail: "+tt.want+"\n", log)
	}
	require.NoDirExists(t, d.state(), "nothing was made")
}

// A thousand people, over two servers and several connections.
func TestSend(t *testing.T) {
	const n = 1000
	a, b := smtptest.NewServer(t), smtptest.NewServer(t)
	d := newDesk(t)
	d.config("", a.Addr+"\nper-day = 600\nconnections = 4\nper-connection = 50", b.Addr+"\nconnections = 2")
	d.list(n)
	out, log, code := in(t, d.sendArgs()...)
	require.Zero(t, code, log)
	require.Empty(t, out)
	require.Equal(t, "bulkmail: news: 1000 of 1000 sent\n", log)
	everyone(t, n, received(a, b))
	require.Len(t, a.Messages(), 600)
	ids := map[string]bool{}
	for _, m := range append(a.Messages(), b.Messages()...) {
		h := mime.ParseBytes(m.Data, nil).Header
		to := m.Envelope.To[0].Path.String()
		require.Equal(t, to, h.Addresses("To")[0].Addr())
		require.Regexp(t, `^bounces\+[a-z2-7]{24}@example\.org$`, m.Envelope.From.String())
		require.Equal(t, "client.example.org", m.Helo)
		id := h.MessageIDs("Message-ID")[0]
		require.False(t, ids[id])
		ids[id] = true
		u := h.Unsubscribe()
		require.NotEmpty(t, u.OneClick)
	}

	// Done is done.
	_, log, code = in(t, d.sendArgs()...)
	require.Zero(t, code)
	require.Equal(t, "bulkmail: news: 1000 of 1000 sent\n", log)
	_, log, code = in(t, "resume", "-state", d.state())
	require.Zero(t, code)
	require.Equal(t, "bulkmail: nothing is left to send\n", log)
	require.Len(t, received(a, b), n)

	out, _, code = in(t, "status", "-state", d.state())
	require.Zero(t, code)
	require.Regexp(t, `^nobody is sending
campaign news: 1000 of 1000 sent
server s1: 600 in the last hour, 600 of 600 in the last day, free from [0-9: -]+
server s2: 400 in the last hour, 400 in the last day
$`, out)
	out, _, code = in(t, "status", "-state", d.state(), "-json")
	require.Zero(t, code)
	var report statusReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, map[string]int{"sent": 1000}, report.Campaigns[0].States)
	out, _, code = in(t, "status", "-state", d.state(), "-list", "sent")
	require.Zero(t, code)
	require.Equal(t, n, strings.Count(out, "\n"))
	require.Regexp(t, `(?m)^news,person7@example.net,sent,20[0-9TZ:-]+,s[12],250 `, out)
}

// A login, TLS, refusals, and what the exit code and status say of them.
func TestSendMixed(t *testing.T) {
	s := smtptest.NewUnstartedServer(t)
	s.Users = map[string]string{"news": "secret"}
	s.Rcpt = func(to smtp.Path) error {
		switch to.String() {
		case person(1):
			return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
		case person(2):
			return smtp.Errorf(450, smtp.EnhancedCode{4, 2, 0}, "busy \x1b[31m")
		}
		return nil
	}
	s.Start()
	d := newDesk(t)
	d.write("ca.pem", certificatePEM(t, s.TLSAddr, s.ClientTLS()))
	d.write("password", "secret\n")
	text := fmt.Sprintf("%s\n[server s1]\naddr = %s\ntls = implicit\nca = ca.pem\nuser = news\npassword-file = password\n", testHead, s.TLSAddr)
	d.write("bulkmail.conf", text)
	d.list(4)
	_, log, code := in(t, d.sendArgs("-once")...)
	require.Equal(t, exitLeft, code)
	require.Equal(t, `bulkmail: person1@example.net: 550 5.1.1 no such user (RCPT TO:<person1@example.net>)
bulkmail: news: 2 of 4 sent, 1 to be tried again, 1 failed
bulkmail: some are left for later
`, log)
	for _, m := range s.Messages() {
		require.True(t, m.TLS)
		require.Equal(t, "news", m.User)
	}
	out, _, _ := in(t, "status", "-state", d.state(), "-list", "failed")
	require.Regexp(t, `^news,person1@example.net,failed,[^,]+,s1,550 5.1.1 no such user \(RCPT TO:<person1@example.net>\)\n$`, out)
	suppressed, err := os.ReadFile(d.path("state/suppressed"))
	require.NoError(t, err)
	require.Regexp(t, "^person1@example.net\trefused: 550 5.1.1 no such user [^\t]+\t20[0-9TZ:-]+\n$", string(suppressed))

	// Mended, it goes on.
	s.Rcpt = nil
	require.NoError(t, os.Remove(d.path("state/suppressed")))
	_, log, code = in(t, "resume", "-state", d.state(), "-retry", "failed", "-once")
	require.Equal(t, exitLeft, code, log)
	require.Len(t, received(s), 3)

	// The wrong password is nobody's failure, and never shown.
	d2 := newDesk(t)
	d2.write("ca.pem", certificatePEM(t, s.TLSAddr, s.ClientTLS()))
	d2.write("password", "wrong\n")
	d2.write("bulkmail.conf", text)
	d2.list(4)
	_, log, code = in(t, d2.sendArgs()...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "server s1 is not used any more: 535 ")
	require.Contains(t, log, "bulkmail: news: 0 of 4 sent, 4 queued\nbulkmail: no server can be used\n")
	require.NotContains(t, log, "wrong\n")
}

// A list with faults is not sent to; they are told with their lines.
func TestSendChecks(t *testing.T) {
	s := smtptest.NewServer(t)
	d := newDesk(t)
	d.config("", s.Addr)
	d.write("list.csv", "name,email\nJoe,joe@example.net\nBad,joe example.net\n\"E\nve\",eve@example.com\nNo one,\nTwice,joe@EXAMPLE.net\nShort\n")
	_, log, code := in(t, d.sendArgs()...)
	require.Equal(t, exitUsage, code)
	list := d.path("list.csv")
	assert.Contains(t, log, list+":3: ")
	assert.Contains(t, log, list+":6: no address\n")
	assert.Contains(t, log, list+":8: 1 columns, expected 2\n")
	assert.Contains(t, log, list+": 3 lines are wrong; nothing was sent. Mend them, or leave them out with -skip-invalid\n")
	require.NoDirExists(t, d.state())

	// Eve's name has a line break, which no header can hold.
	_, log, code = in(t, d.sendArgs("-skip-invalid")...)
	require.Equal(t, exitUsage, code)
	assert.Contains(t, log, list+":4: mime: ")
	assert.Contains(t, log, list+": 1 messages can not be made; nothing was sent\n")
	require.Empty(t, s.Messages())

	d.write("list.csv", "name,email\nJoe,joe@example.net\nBad,joe example.net\nTwice,joe@EXAMPLE.net\nCase,JOE@example.net\n")
	_, log, code = in(t, d.sendArgs("-skip-invalid")...)
	require.Zero(t, code, log)
	assert.Contains(t, log, list+": 1 lines have an address that came before, and count once\n")
	require.Equal(t, map[string]int{"joe@example.net": 1, "JOE@example.net": 1}, received(s))

	// The same name for something else is refused.
	d.write("list.csv", "name,email\nEve,eve@example.com\n")
	_, log, code = in(t, d.sendArgs("-skip-invalid")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, log, "the campaign news was begun with another template, list or files")
	_, log, code = in(t, d.sendArgs("-campaign", "news2")...)
	require.Zero(t, code, log)
	require.Len(t, received(s), 3)
}

func TestSuppress(t *testing.T) {
	s := smtptest.NewServer(t)
	d := newDesk(t)
	never := d.write("never.txt", "# these never\n@Example.COM\n\nperson0@example.net\tasked for it\n")
	d.config("suppress = never.txt\n", s.Addr)
	d.write("list.csv", "email,name\n"+person(0)+",\n"+person(1)+",\nx@example.com,\ny@sub.example.com,\n"+person(2)+",\n")
	dry, log, code := in(t, d.sendArgs("-dry-run", "-")...)
	require.Zero(t, code, log)
	require.Equal(t, 3, strings.Count(dry, "RCPT TO:"))
	require.NoDirExists(t, d.state())

	_, log, code = in(t, d.sendArgs()...)
	require.Zero(t, code, log)
	require.Contains(t, log, "news: 3 of 5 sent, 2 suppressed\n")
	require.Equal(t, map[string]int{person(1): 1, "y@sub.example.com": 1, person(2): 1}, received(s))

	// The code of an unsubscribe link is as good as the address.
	link := ""
	for _, m := range s.Messages() {
		if m.Envelope.To[0].Path.String() == person(1) {
			link = mime.ParseBytes(m.Data, nil).Header.Unsubscribe().URIs[0].URI
		}
	}
	_, code1, ok := strings.Cut(link, "?")
	require.True(t, ok, link)
	out, log, code := in(t, "suppress", "-state", d.state(), "-reason", "web\tform", strings.ToUpper(code1), "Person2@Example.Net", "@EXAMPLE.org")
	require.Zero(t, code, log)
	require.Equal(t, person(1)+"\nPerson2@example.net\n@example.org\n", out)
	data, err := os.ReadFile(d.path("state/suppressed"))
	require.NoError(t, err)
	require.Contains(t, string(data), person(1)+"\tweb form\t")
	_, log, code = in(t, d.sendArgs("-campaign", "second")...)
	require.Zero(t, code, log)
	require.Contains(t, log, "second: 2 of 5 sent, 3 suppressed\n")

	require.NoError(t, os.WriteFile(never, []byte("a@b.example\nno address\n"), 0o600))
	_, log, code = in(t, d.sendArgs("-campaign", "third")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, log, never+":2: ")
}

// A second process is refused while the first holds the state.
func TestLocked(t *testing.T) {
	d := newDesk(t)
	d.config("", "127.0.0.1:1")
	e := d.begin(2, &fake{})
	defer e.close()
	_, log, code := in(t, "resume", "-state", d.state())
	require.Equal(t, exitBusy, code)
	require.Equal(t, "bulkmail: "+d.state()+": another bulkmail is at work there\n", log)
	out, _, code := in(t, "status", "-state", d.state())
	require.Zero(t, code)
	require.True(t, strings.HasPrefix(out, "a process is sending\n"), out)
}

// Pause, seen from outside, and what a process that begins in it does.
func TestPauseCommand(t *testing.T) {
	s := smtptest.NewServer(t)
	d := newDesk(t)
	d.config("", s.Addr)
	d.begin(3, &fake{}).close()
	_, log, code := in(t, "pause", "-state", d.state())
	require.Zero(t, code)
	require.Equal(t, "bulkmail: nobody is sending; whoever begins will wait for \"bulkmail resume\"\n", log)
	out, _, _ := in(t, "status", "-state", d.state())
	require.True(t, strings.HasPrefix(out, "paused, and nobody is sending\n"), out)
	_, log, code = in(t, d.sendArgs("-once")...)
	require.Equal(t, exitLeft, code, log)
	require.Contains(t, log, "paused: bulkmail resume goes on")
	require.Empty(t, s.Messages())

	// A process that waits in the pause is woken.
	woken, waits := make(chan int), newWatched("paused: bulkmail resume goes on")
	go func() { woken <- run(t.Context(), d.sendArgs(), io.Discard, waits) }()
	<-waits.seen
	_, log, code = in(t, "resume", "-state", d.state())
	require.Zero(t, code)
	require.Equal(t, "bulkmail: the process that is sending goes on\n", log)
	require.Zero(t, <-woken)
	everyone(t, 3, received(s))
}

// Several campaigns are resumed together, unless their configurations differ.
func TestResumeSeveral(t *testing.T) {
	s := smtptest.NewServer(t)
	d := newDesk(t)
	conf := d.config("", s.Addr)
	e := d.begin(3, &fake{})
	list, err := os.ReadFile(d.path("list.csv"))
	require.NoError(t, err)
	create := func(name, conf string) {
		require.NoError(t, e.sender.state.create(name, &content{settings: settings{Created: time.Now(), Config: conf}, template: []byte(testTemplate), list: list}))
	}
	create("more", conf)
	// What a crash left of another.
	require.NoError(t, os.MkdirAll(d.path("state/campaigns/.new/files/x"), 0o700))
	e.close()
	_, log, code := in(t, "resume", "-state", d.state())
	require.Zero(t, code, log)
	require.Equal(t, "bulkmail: news: 3 of 3 sent\nbulkmail: more: 3 of 3 sent\n", log)
	require.Equal(t, map[string]int{person(0): 2, person(1): 2, person(2): 2}, received(s))

	create("c", conf)
	create("d", d.write("other.conf", "from = x@y.example\n[server s1]\ntls = off\naddr = "+s.Addr))
	_, log, code = in(t, "resume", "-state", d.state())
	require.Equal(t, exitUsage, code)
	require.Equal(t, "bulkmail: the campaigns c, d have different configurations: resume one by one with -campaign\n", log)
	_, log, code = in(t, "resume", "-state", d.state(), "-campaign", "d")
	require.Zero(t, code, log)
	require.Equal(t, "x@y.example", s.Messages()[6].Envelope.From.String())
}

func TestDryRun(t *testing.T) {
	d := newDesk(t)
	d.config("", "127.0.0.1:1")
	d.list(5)
	dest := d.path("out")
	_, log, code := in(t, d.sendArgs("-dry-run", dest, "-first", "2", "-attach", d.write("a.txt", "hello"))...)
	require.Zero(t, code, log)
	files, err := os.ReadDir(dest)
	require.NoError(t, err)
	require.Len(t, files, 2)
	data, err := os.ReadFile(filepath.Join(dest, "000002.eml"))
	require.NoError(t, err)
	require.Equal(t, person(1), mime.ParseBytes(data, nil).Header.Addresses("To")[0].Addr())
	require.Contains(t, string(data), "filename=a.txt")
	require.NoDirExists(t, d.state())
}
