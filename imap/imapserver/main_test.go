package imapserver_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// fixture is a server over connections in memory.
type fixture struct {
	*imapserver.Server
	Memory *imaptest.Memory
	l      *testkit.Listener
}

// day is the internal date of the fixture's messages.
var day = time.Date(1996, 7, 17, 2, 44, 25, 0, time.FixedZone("", -7*3600))

// start runs a server until the test ends. Call it within a synctest bubble
// where there is one.
func start(t testing.TB, configure func(*imapserver.Server)) *fixture {
	m := imaptest.NewMemory()
	m.AddUser("user", "secret")
	m.AddUser("other", "secret")
	serverTLS, _ := testkit.TLS()
	f := &fixture{Memory: m, l: testkit.NewListener(), Server: &imapserver.Server{
		Backend: m, Auth: m.Auth(), TLSConfig: serverTLS,
		Logger: slog.New(slog.DiscardHandler),
		Limits: imapserver.Limits{FailureDelay: -1, Append: 1 << 20},
	}}
	if configure != nil {
		configure(f.Server)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Serve(f.l)
	}()
	t.Cleanup(func() {
		_ = f.Close()
		<-done
		require.NoError(t, f.Shutdown(context.Background()))
	})
	return f
}

func (f *fixture) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := f.l.Dial(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// deliver adds n messages, numbered from 1, to the user's INBOX.
func (f *fixture) deliver(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		_, err := f.Memory.DeliverAt("user", "INBOX", message(i+1), day)
		require.NoError(t, err)
	}
}

func message(n int) string {
	return "From: a@example.org\r\nSubject: message " + string(rune('0'+n%10)) + "\r\n\r\nbody\r\n"
}

// TestTranscripts plays testdata/*.txt, each to a server of its own.
func TestTranscripts(t *testing.T) {
	for _, s := range testkit.LoadScripts(t, filepath.Join("testdata", "*.txt")) {
		name := strings.TrimSuffix(filepath.Base(s.Name), ".txt")
		t.Run(name, func(t *testing.T) { play(t, s, nil) })
		t.Run(name+" cut", func(t *testing.T) { play(t, s, testkit.Random(uint64(len(name)), 5)) })
	}
}

func play(t *testing.T, s *testkit.Script, cut testkit.Chunks) {
	t.Parallel()
	f := start(t, nil)
	p := testkit.Player{Timeout: 5 * time.Second, Cut: cut, Do: map[string]func(){
		"deliver":       func() { f.deliver(t, 1) },
		"deliver three": func() { f.deliver(t, 3) },
		"samples":       func() { samples(t, f.Memory) },
		"folders": func() {
			for _, name := range []string{"Archive/2023", "Archive/2024", "Entwürfe", "foo/bar/baz"} {
				require.NoError(t, f.Memory.Create("user", name))
			}
			require.NoError(t, f.Memory.Create("user", "Sent", imap.AttrSent))
		},
	}}
	require.NoError(t, p.Play(f.dial(t), s))
}
