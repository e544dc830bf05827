//go:build interop

package interop

// Postfix's smtp-source and smtp-sink: load for our server and our client, and
// a server with less than others or that breaks off.

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

func TestSmtpSource(t *testing.T) {
	program(t, "smtp-source")
	var messages, recipients, octets atomic.Int64
	counting := smtpserver.MessageFunc(func(_ context.Context, env *smtp.Envelope, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		if err == nil {
			messages.Add(1)
			recipients.Add(int64(len(env.To)))
			octets.Add(n)
		}
		return err
	})
	for _, lmtp := range []bool{false, true} {
		s := &smtpserver.Server{Backend: counting, Domain: "localhost", LMTP: lmtp}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		for _, x := range []struct {
			name                                 string
			args                                 []string
			sessions, messages, recipients, size int
		}{
			{"a connection each", nil, 20, 2000, 1, 4000},
			{"kept connections", []string{"-d"}, 20, 4000, 1, 1000},
			{"recipients", []string{"-d"}, 10, 500, 50, 1000},
			{"1 MB", []string{"-d"}, 10, 200, 1, 1 << 20},
		} {
			t.Run(fmt.Sprintf("LMTP %t, %s", lmtp, x.name), func(t *testing.T) {
				messages.Store(0)
				recipients.Store(0)
				octets.Store(0)
				args := append([]string{"-s", fmt.Sprint(x.sessions), "-m", fmt.Sprint(x.messages), "-r", fmt.Sprint(x.recipients), "-l", fmt.Sprint(x.size),
					"-f", "ada@example.test", "-t", "bob@example.test"}, x.args...)
				if lmtp {
					args = append(args, "-L")
				}
				start := time.Now()
				must(t, t.TempDir(), "", "smtp-source", append(args, l.Addr().String())...)
				t.Logf("%.0f messages a second", float64(x.messages)/time.Since(start).Seconds())
				require.Equal(t, int64(x.messages), messages.Load())
				require.Equal(t, int64(x.messages*x.recipients), recipients.Load())
				require.GreaterOrEqual(t, octets.Load(), int64(x.messages)*int64(x.size))
			})
		}
		require.NoError(t, s.Close())
		<-served
	}
}

// startSink starts smtp-sink until the test ends. said is what it prints.
func startSink(t *testing.T, args ...string) (addr string, said func() string) {
	t.Helper()
	path := program(t, "smtp-sink")
	addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	if os.Getuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	cmd := exec.Command(path, append(args, addr, "100")...)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	listening(t, "tcp", addr, log.String)
	return addr, log.String
}

func TestSmtpSink(t *testing.T) {
	const senders, each = 10, 50
	for _, x := range []struct {
		name     string
		args     []string
		lmtp     bool
		chunking smtpclient.Chunking
	}{
		{name: "all extensions"}, {name: "no pipelining", args: []string{"-p"}}, {name: "HELO", args: []string{"-e"}},
		{name: "LMTP", args: []string{"-L"}, lmtp: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			addr, said := startSink(t, append(x.args, "-c")...)
			pool := &smtpclient.Pool{MaxConns: 5}
			o := &smtpclient.Options{TLS: smtpclient.Disabled, HelloName: "client.example.test", LMTP: x.lmtp}
			var all sync.WaitGroup
			for range senders {
				all.Go(func() {
					for range each {
						e, err := smtp.NewEnvelope("ada@example.test", "bob@example.test", "eve@example.test")
						if assert.NoError(t, err) {
							res, err := pool.Send(t.Context(), addr, e, strings.NewReader(strings.Repeat(".x\r\n", 1000)), o)
							if assert.NoError(t, err) {
								assert.Equal(t, 2, res.Accepted())
							}
						}
					}
				})
			}
			all.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			require.NoError(t, pool.Close(ctx))
			require.Eventually(t, func() bool { return strings.Contains(said(), fmt.Sprintf("mesg=%d", senders*each)) }, 10*time.Second, 10*time.Millisecond)
		})
	}
	t.Run("what arrives", func(t *testing.T) {
		dir := openDir(t)
		require.NoError(t, os.Chmod(dir, 0o777))
		addr, _ := startSink(t, "-D", filepath.Join(dir, "dump"))
		require.NoError(t, sendTo(t, addr, strings.NewReader(letter), clientOptions))
		var dump string
		require.Eventually(t, func() bool {
			data, _ := os.ReadFile(filepath.Join(dir, "dump"))
			dump = string(data)
			return strings.Contains(dump, unix(letter))
		}, 10*time.Second, 10*time.Millisecond)
		require.Contains(t, dump, "X-Mail-Args: <ada@example.test>")
		require.Contains(t, dump, "X-Rcpt-Args: <bob@example.test>")
	})
	for _, x := range []struct {
		args      []string
		temporary bool
	}{
		{[]string{"-f", "mail"}, false}, {[]string{"-r", "mail"}, true}, {[]string{"-f", "rcpt"}, false}, {[]string{"-r", "rcpt"}, true},
		{[]string{"-f", "data"}, false}, {[]string{"-r", "data"}, true}, {[]string{"-f", "."}, false}, {[]string{"-r", "."}, true},
		{[]string{"-q", "ehlo"}, true}, {[]string{"-q", "mail"}, true}, {[]string{"-q", "rcpt"}, true}, {[]string{"-q", "data"}, true}, {[]string{"-q", "."}, true},
		{[]string{"-f", "connect"}, false}, {[]string{"-q", "connect"}, true},
	} {
		t.Run(strings.Join(x.args, " "), func(t *testing.T) {
			addr, _ := startSink(t, x.args...)
			err := sendTo(t, addr, strings.NewReader(letter), clientOptions)
			require.Error(t, err)
			require.Equal(t, x.temporary, smtpclient.Temporary(err), err)
		})
	}
}
