package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// argsVariable makes the test's own executable the program.
const argsVariable = "BULKMAIL_TEST_ARGS"

func TestMain(m *testing.M) {
	if args := os.Getenv(argsVariable); args != "" {
		var list []string
		if err := json.Unmarshal([]byte(args), &list); err != nil {
			panic(err)
		}
		os.Args = append(os.Args[:1], list...)
		main()
		return
	}
	// Thousands of records are made to last here: in memory, where there is a
	// file system that has them there, nobody waits for a disk.
	if dir, err := os.MkdirTemp("/dev/shm", "bulkmail"); err == nil {
		os.Setenv("TMPDIR", dir)
		code := m.Run()
		os.RemoveAll(dir)
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// command is the program as a process.
func command(args ...string) *exec.Cmd {
	list, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), argsVariable+"="+string(list))
	return cmd
}

// in runs the program in this process.
func in(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return inContext(t.Context(), args...)
}

func inContext(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, log bytes.Buffer
	code = run(ctx, args, &out, &log)
	return out.String(), log.String(), code
}

// desk is a folder with what a person has.
type desk struct {
	t   testing.TB
	dir string
}

func newDesk(t testing.TB) *desk { return &desk{t, t.TempDir()} }

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name, text string) string {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(d.path(name), []byte(text), 0o600))
	return d.path(name)
}

func (d *desk) read(name string) string {
	d.t.Helper()
	data, err := os.ReadFile(d.path(name))
	require.NoError(d.t, err)
	return string(data)
}

const testTemplate = "Subject: News for {{.name}}\nTo: {{.name}}\n\nDear {{.name}},\n{{.UnsubscribeURL}}\n"

const testHead = `from = Example News <news@example.org>
return-path = bounces+{token}@example.org
unsubscribe-url = https://example.org/u?{token}
unsubscribe-mail = unsubscribe+{token}@example.org
hello = client.example.org
`

// config writes a configuration: testHead, further lines, and servers in the
// clear, each an address and lines of its own.
func (d *desk) config(more string, servers ...string) string {
	text := testHead + more
	for i, s := range servers {
		addr, lines, _ := strings.Cut(s, "\n")
		text += fmt.Sprintf("\n[server s%d]\naddr = %s\ntls = off\n%s\n", i+1, addr, lines)
	}
	return d.write("bulkmail.conf", text)
}

// list writes a list of n people.
func (d *desk) list(n int) string {
	var b strings.Builder
	b.WriteString("email,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,Person %d\n", person(i), i)
	}
	return d.write("list.csv", b.String())
}

func person(i int) string { return fmt.Sprintf("person%d@example.net", i) }

func (d *desk) state() string { return d.path("state") }

// sendArgs are those of the usual "send".
func (d *desk) sendArgs(more ...string) []string {
	return append([]string{"send", "-config", d.path("bulkmail.conf"), "-template", d.write("news.txt", testTemplate),
		"-list", d.path("list.csv"), "-state", d.state()}, more...)
}

// received is how often each address got a message.
func received(servers ...*smtptest.Server) map[string]int {
	got := map[string]int{}
	for _, s := range servers {
		for _, m := range s.Messages() {
			for _, r := range m.Envelope.To {
				got[r.Path.String()]++
			}
		}
	}
	return got
}

// everyone demands that n people got a message once each.
func everyone(t testing.TB, n int, got map[string]int) {
	t.Helper()
	require.Len(t, got, n)
	for i := range n {
		require.Equal(t, 1, got[person(i)], person(i))
	}
}

// attempt is what a fake server was given.
type attempt struct {
	server, to string
	at         time.Time
}

// fake stands in for the servers.
type fake struct {
	mu       sync.Mutex
	attempts []attempt
	// answer may refuse; nil takes everything.
	answer func(server, to string) error
	// took is called for what was taken, before the sender knows.
	took func(server, to string)
}

func (f *fake) deliver(server string) func(context.Context, *smtp.Envelope, []byte) (*smtp.Result, error) {
	return func(_ context.Context, env *smtp.Envelope, _ []byte) (*smtp.Result, error) {
		to := env.To[0].Path.String()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.attempts = append(f.attempts, attempt{server, to, time.Now()})
		if f.answer != nil {
			if err := f.answer(server, to); err != nil {
				return nil, err
			}
		}
		if f.took != nil {
			f.took(server, to)
		}
		return &smtp.Result{Reply: smtp.Reply{Code: 250, Lines: []string{"ok"}}}, nil
	}
}

// servers are the servers in the attempts, in order, and how many attempts
// each had in a row: "s1*3 s2*1". Those of one moment are sorted.
func (f *fake) servers() string {
	var parts []string
	slices.SortStableFunc(f.attempts, func(a, b attempt) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.server, b.server))
	})
	for i := 0; i < len(f.attempts); {
		j := i
		for j < len(f.attempts) && f.attempts[j].server == f.attempts[i].server {
			j++
		}
		parts = append(parts, fmt.Sprintf("%s*%d", f.attempts[i].server, j-i))
		i = j
	}
	return strings.Join(parts, " ")
}

// engine is a sender over fake servers.
type engine struct {
	*sender
	notes []string
	close func()
}

// begin makes a state with a campaign of n people, unless it is there, and a
// sender for it.
func (d *desk) begin(n int, f *fake) *engine {
	d.t.Helper()
	e, err := d.open(n, f)
	require.NoError(d.t, err)
	return e
}

func (d *desk) open(n int, f *fake) (*engine, error) {
	conf, err := loadConfig(d.path("bulkmail.conf"))
	if err != nil {
		return nil, err
	}
	s, err := openState(d.state(), true)
	if err != nil {
		return nil, err
	}
	if !s.has("news") {
		list, err := os.ReadFile(d.list(n))
		require.NoError(d.t, err)
		require.NoError(d.t, s.create("news", &content{settings: settings{Created: time.Now(), Config: conf.path}, template: []byte(testTemplate), list: list}))
	}
	c, err := s.open("news", conf)
	if err != nil {
		s.close()
		return nil, err
	}
	out, err := openSuppressions(s.path("suppressed"), conf.suppress)
	if err != nil {
		return nil, errors.Join(err, errors.New("suppressions"))
	}
	e := &engine{close: func() { c.close(); s.close() }}
	e.sender = &sender{conf: conf, state: s, campaigns: []*campaign{c}, suppressed: out, show: func(*sender) {},
		note: func(format string, args ...any) { e.notes = append(e.notes, fmt.Sprintf(format, args...)) }}
	for _, sc := range conf.servers {
		e.servers = append(e.servers, &outlet{serverConfig: sc, limiter: limiter{perHour: sc.perHour, perDay: sc.perDay}, deliver: f.deliver(sc.name)})
	}
	return e, e.prepare()
}

// run sends to the end.
func (e *engine) run(t testing.TB) error {
	t.Helper()
	defer e.close()
	return e.sender.run(t.Context())
}

func (e *engine) state(i int) *recipient { return e.campaigns[0].list.byKey[person(i)] }

// certificatePEM is the certificate of a server.
func certificatePEM(t testing.TB, addr string, config *tls.Config) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, config)
	require.NoError(t, err)
	defer c.Close()
	chain := c.ConnectionState().PeerCertificates
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[len(chain)-1].Raw}))
}

// watched is output in which a text is waited for.
type watched struct {
	mu   sync.Mutex
	text string
	b    bytes.Buffer
	seen chan struct{} // closed when the text has come
}

func newWatched(text string) *watched { return &watched{text: text, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := strings.Contains(w.b.String(), w.text)
	w.b.Write(p)
	if !had && strings.Contains(w.b.String(), w.text) {
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func tlsFor(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}
