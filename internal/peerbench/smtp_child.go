package main

// Servers and the load on them, each in a process of its own: peerbench runs
// itself with a word that its users have no need of.

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// child is the first argument of such a process.
const childWord = "child"

// runChild is the main of such a process: "serve NAME" or "load ADDR SESSIONS
// MESSAGES SIZE [idle]".
func runChild(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serveChild(args[1])
	case len(args) >= 5 && args[0] == "load":
		var n [3]int
		for i := range n {
			var err error
			if n[i], err = strconv.Atoi(args[2+i]); err != nil {
				return err
			}
		}
		return loadChild(args[1], n[0], n[1], n[2], len(args) == 6)
	}
	return errors.New("a child without a task")
}

// stat is what a server says of itself.
type stat struct {
	Messages, Octets int64
	CPU              time.Duration
	// Memory is what the process has from the system, its garbage given
	// back: heap, stacks and what the runtime needs for them. What is
	// resident depends on which pages were touched by chance.
	Memory int64
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveChild serves, says its address, and what became of it for each line that
// it reads.
func serveChild(name string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var messages, octets atomic.Int64
	each := func(r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		octets.Add(n)
		messages.Add(1)
		return err
	}
	switch name {
	case "ours":
		go func() { _ = oursTo(each).Serve(l) }()
	case "go-smtp":
		go func() { _ = gosmtpTo(each).Serve(l) }()
	default:
		return fmt.Errorf("no server %q", name)
	}
	fmt.Println(l.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		s := stat{Messages: messages.Load(), Octets: octets.Load(), CPU: cpuTime()}
		if in.Text() == "memory" {
			// Pools let go what was not used since the last time.
			runtime.GC()
			runtime.GC()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			s.Memory = int64(m.Sys - m.HeapReleased)
		}
		if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// loadChild opens sessions, has each send its messages, and says how long that
// took. Envelopes are pipelined, as mail servers send them, and messages wait
// for 354. Idle, the sessions then stay until it reads the end of its input.
func loadChild(addr string, sessions, messages, size int, idle bool) error {
	text := stuffed(dataText(76, size))
	clients := make([]*loadClient, sessions)
	for i := range clients {
		c, err := newLoadClient(addr)
		if err != nil {
			return err
		}
		clients[i] = c
	}
	start := time.Now()
	var wg sync.WaitGroup
	failed := make(chan error, sessions)
	for _, c := range clients {
		wg.Go(func() {
			for range messages {
				if err := c.send(text); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println(took.Nanoseconds())
	if idle {
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	for _, c := range clients {
		_, _ = io.WriteString(c.conn, "QUIT\r\n")
		_ = c.conn.Close()
	}
	return nil
}

type loadClient struct {
	conn net.Conn
	in   [1024]byte
	replyCounter
}

func newLoadClient(addr string) (*loadClient, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &loadClient{conn: conn}
	if err := c.await(1); err != nil {
		return nil, err
	}
	_, _ = io.WriteString(conn, "EHLO client.example\r\n")
	return c, c.await(1)
}

// await reads n replies, the last of which is positive.
func (c *loadClient) await(n int) error {
	for c.replies < n {
		k, err := c.conn.Read(c.in[:])
		if err != nil {
			return err
		}
		c.count(c.in[:k])
		// Refusals begin with 4 or 5: no line of the servers here does else.
		if c.in[0] > '3' {
			return fmt.Errorf("refused: %s", c.in[:k])
		}
	}
	c.replies -= n
	return nil
}

var envelopeLines = []byte("MAIL FROM:<someone@example.org>\r\nRCPT TO:<someone.else@example.com>\r\nDATA\r\n")

func (c *loadClient) send(text []byte) error {
	if _, err := c.conn.Write(envelopeLines); err != nil {
		return err
	}
	if err := c.await(3); err != nil {
		return err
	}
	if _, err := c.conn.Write(text); err != nil {
		return err
	}
	return c.await(1)
}

// process is a child that runs.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
}

func start(name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p, p.cmd.Start()
}

func startSelf(args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(self, append([]string{childWord}, args...)...)
}

func (p *process) line() (string, error) {
	s, err := p.out.ReadString('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimSpace(s), err
}

// ask has a server say what became of it.
func (p *process) ask(what string) (s stat, err error) {
	if _, err = io.WriteString(p.in, what+"\n"); err != nil {
		return s, err
	}
	line, err := p.line()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(line), &s)
}

// end closes the child's input and waits for it.
func (p *process) end() error {
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	return p.cmd.Wait()
}

// serve starts a server: one of ours, or smtp-sink.
func serve(name string) (*process, error) {
	if name == "smtp-sink" {
		return serveSink()
	}
	p, err := startSelf("serve", name)
	if err != nil {
		return nil, err
	}
	p.addr, err = p.line()
	return p, err
}

// sinkProgram is Postfix's smtp-sink, empty where it is not installed.
func sinkProgram() string {
	for _, name := range []string{"smtp-sink", "/usr/sbin/smtp-sink", "/usr/lib/postfix/sbin/smtp-sink"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// serveSink starts smtp-sink, which wants to be told its port.
func serveSink() (*process, error) {
	var err error
	for range 5 {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		addr := l.Addr().String()
		_ = l.Close()
		var p *process
		args := []string{"inet:" + addr, "128"}
		if os.Geteuid() == 0 {
			args = append([]string{"-u", "nobody"}, args...)
		}
		if p, err = start(sinkProgram(), args...); err != nil {
			return nil, err
		}
		p.addr = addr
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			var conn net.Conn
			if conn, err = net.Dial("tcp", addr); err == nil {
				_ = conn.Close()
				return p, nil
			}
		}
		_ = p.cmd.Process.Kill()
		_ = p.end()
	}
	return nil, fmt.Errorf("smtp-sink: %w", err)
}

// stop ends a server, and says what CPU it had from its start.
func (p *process) stop() time.Duration {
	if p.cmd.Args[0] == sinkProgram() {
		// It knows no other end.
		_ = p.cmd.Process.Kill()
	}
	_ = p.end()
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// work is what a load made of a server.
type work struct {
	tally
	took, cpu time.Duration
	memory    int64 // a session's, idle
}

// load puts a load on a server. Where that says so, what it got is counted.
func load(name string, sessions, messages, size int, idle bool) (w work, err error) {
	srv, err := serve(name)
	if err != nil {
		return w, err
	}
	running := true
	defer func() {
		if running {
			srv.stop()
		}
	}()
	sink := name == "smtp-sink"
	ask := func() (s stat, err error) {
		if sink {
			return s, nil
		}
		if idle {
			return srv.ask("memory")
		}
		return srv.ask("count")
	}
	before, err := ask()
	if err != nil {
		return w, err
	}
	args := []string{"load", srv.addr, strconv.Itoa(sessions), strconv.Itoa(messages), strconv.Itoa(size)}
	if idle {
		args = append(args, "idle")
	}
	client, err := startSelf(args...)
	if err != nil {
		return w, err
	}
	defer func() {
		if e := client.end(); e != nil && err == nil {
			err = e
		}
	}()
	line, err := client.line()
	if err != nil {
		return w, err
	}
	ns, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return w, err
	}
	w.took = time.Duration(ns)
	after, err := ask()
	if err != nil {
		return w, err
	}
	w.parts, w.octets = after.Messages-before.Messages, after.Octets-before.Octets
	w.cpu = after.CPU - before.CPU
	w.memory = (after.Memory - before.Memory) / int64(sessions)
	if sink {
		running = false
		w.cpu = srv.stop()
		w.parts = int64(sessions * messages)
	}
	return w, nil
}
