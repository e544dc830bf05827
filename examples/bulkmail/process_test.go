package main

// The program as a process, killed at many moments.

import (
	"bytes"
	"encoding/csv"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// process is the program at work.
type process struct {
	cmd  *exec.Cmd
	log  *watched
	done chan struct{}
	once sync.Once
}

func startProcess(t *testing.T, log *watched, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(args...), log: log, done: make(chan struct{})}
	p.cmd.Stderr = log
	require.NoError(t, p.cmd.Start())
	go func() { p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	return p
}

// kill ends it at once, and returns when it is no more.
func (p *process) kill() {
	p.once.Do(func() { p.cmd.Process.Kill() })
	<-p.done
}

func (p *process) code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// killer kills the process in a phase of the n-th message from now.
type killer struct {
	mu    sync.Mutex
	phase smtptest.Phase
	n     int
	p     *process
}

func (k *killer) at(phase smtptest.Phase) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.p == nil || phase != k.phase {
		return nil
	}
	if k.n--; k.n <= 0 {
		k.p.kill()
		k.p = nil
	}
	return nil
}

func TestKilled(t *testing.T) {
	const n = 60
	k := &killer{}
	s := smtptest.NewUnstartedServer(t)
	s.Mail = func(smtp.Path) error { return k.at(smtptest.Mail) }
	s.Rcpt = func(smtp.Path) error { return k.at(smtptest.Rcpt) }
	s.Data = func(*smtptest.Message) error { return k.at(smtptest.Data) }
	s.Start()
	d := newDesk(t)
	const connections = 2
	d.config("", s.Addr+"\nconnections = 2")
	d.list(n)
	args := d.sendArgs()
	kills := 0
	for _, m := range []struct {
		phase smtptest.Phase
		n     int
	}{{smtptest.Mail, 1}, {smtptest.Data, 1}, {smtptest.Data, 5}, {smtptest.Rcpt, 4}, {smtptest.Mail, 9}, {smtptest.Data, 2}, {smtptest.Data, 7}} {
		k.mu.Lock()
		p := startProcess(t, newWatched("?"), args...)
		k.phase, k.n, k.p = m.phase, m.n, p
		k.mu.Unlock()
		if runtime.GOOS == "windows" {
			require.Equal(t, 1, p.code(), p.log.String())
		} else {
			require.Equal(t, -1, p.code(), "it ended by itself: %s", p.log)
		}
		kills++
		args = []string{"resume", "-state", d.state()}
	}
	p := startProcess(t, newWatched("?"), args...)
	require.Equal(t, exitPartly, p.code(), p.log.String())
	require.Contains(t, p.log.String(), "in doubt, and not sent again without -retry doubtful")

	doubtful := d.listed("doubtful")
	require.NotEmpty(t, doubtful)
	require.LessOrEqual(t, len(doubtful), connections*kills)
	got := received(s)
	for i := range n {
		who := person(i)
		require.LessOrEqual(t, got[who], 1, "%s got it twice", who)
		if got[who] == 0 {
			require.Contains(t, doubtful, who, "%s is lost", who)
		}
	}
	require.Len(t, d.listed("sent"), n-len(doubtful))
	for who := range d.listed("sent") {
		require.Equal(t, 1, got[who])
	}

	p = startProcess(t, newWatched("?"), "resume", "-state", d.state(), "-retry", "doubtful")
	require.Zero(t, p.code(), p.log.String())
	after := received(s)
	require.Len(t, after, n)
	for who, count := range after {
		if doubtful[who] {
			require.Equal(t, got[who]+1, count)
		} else {
			require.Equal(t, 1, count)
		}
	}
	// A message that is sent again is the same for its reader.
	ids := map[string]string{}
	for _, m := range s.Messages() {
		head, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
		_, id, ok := strings.Cut(string(head), "\r\nMessage-ID: ")
		require.True(t, ok)
		id, _, _ = strings.Cut(id, "\r\n")
		who := m.Envelope.To[0].Path.String()
		if ids[who] == "" {
			ids[who] = id
		}
		require.Equal(t, ids[who], id)
	}
}

// listed is the recipients in a state, by status.
func (d *desk) listed(which string) map[string]bool {
	var out, log bytes.Buffer
	require.Zero(d.t, run(d.t.Context(), []string{"status", "-state", d.state(), "-list", which}, &out, &log), log.String())
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(d.t, err)
	all := map[string]bool{}
	for _, row := range rows {
		all[row[1]] = true
	}
	return all
}

// Two processes: the second is refused, and Ctrl-C ends the first cleanly.
func TestProcess(t *testing.T) {
	s := smtptest.NewUnstartedServer(t)
	reached, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	s.Data = func(*smtptest.Message) error {
		first.Do(func() { close(reached); <-release })
		return nil
	}
	s.Start()
	d := newDesk(t)
	d.config("", s.Addr)
	d.list(20)
	log := newWatched("ending when what is in flight is settled")
	p := startProcess(t, log, d.sendArgs()...)
	<-reached
	second := startProcess(t, newWatched("?"), "resume", "-state", d.state())
	require.Equal(t, exitBusy, second.code(), second.log.String())
	require.Len(t, d.listed("in-flight"), 1)
	if runtime.GOOS == "windows" {
		close(release)
		require.Zero(t, p.code(), log.String())
	} else {
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		<-log.seen
		close(release)
		require.Equal(t, exitInterrupted, p.code(), log.String())
		require.True(t, strings.HasSuffix(log.String(), "bulkmail: news: 1 of 20 sent, 19 queued\nbulkmail: interrupted\n"), log.String())
	}
	out, err := command("resume", "-state", d.state()).CombinedOutput()
	var exit *exec.ExitError
	require.False(t, errors.As(err, &exit), "%s", out)
	everyone(t, 20, received(s))
}
