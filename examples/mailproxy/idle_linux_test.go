package main

// The memory of the whole program with many idle sessions, in a process of
// its own:
//
//	go test -run '^$' -bench Idle10000 -benchtime 1x ./examples/mailproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3/pop3test"
)

// TestMain runs the program itself where a benchmark asks for it, until its
// input ends. Each line of input collects its garbage and is answered by what
// the heap and the stacks hold.
func TestMain(m *testing.M) {
	if os.Getenv("MAILPROXY_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			runtime.GC()
			debug.FreeOSMemory()
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			fmt.Println("holds", s.HeapAlloc+s.StackInuse)
		}
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// openFiles raises the limit of open files as far as that goes, for this
// process and those it starts, and returns it.
func openFiles(tb testing.TB, want uint64) uint64 {
	var l syscall.Rlimit
	require.NoError(tb, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l))
	if l.Max < want {
		// Only root may.
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: want}) == nil {
			return want
		}
	}
	l.Cur = l.Max
	require.NoError(tb, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l))
	return l.Max
}

// child is the program.
type child struct {
	tb    testing.TB
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
	addr  map[string]string
}

func startChild(tb testing.TB, services int, args ...string) *child {
	exe, err := os.Executable()
	require.NoError(tb, err)
	c := &child{tb: tb, cmd: exec.Command(exe, args...), addr: map[string]string{}}
	c.cmd.Env = append(os.Environ(), "MAILPROXY_TEST_CHILD=1")
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, c.cmd.Start())
	tb.Cleanup(func() {
		_ = in.Close()
		_ = c.cmd.Wait()
	})
	c.in, c.lines = in, bufio.NewScanner(out)
	for range services {
		require.True(tb, c.lines.Scan())
		name, addr, _ := strings.Cut(c.lines.Text(), " ")
		c.addr[name] = addr
	}
	return c
}

// memory is what it holds without garbage, and what it takes of the machine.
func (c *child) memory() (holds, resident float64) {
	_, err := io.WriteString(c.in, "\n")
	require.NoError(c.tb, err)
	require.True(c.tb, c.lines.Scan())
	holds, err = strconv.ParseFloat(strings.TrimPrefix(c.lines.Text(), "holds "), 64)
	require.NoError(c.tb, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(c.tb, err)
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rss, &resident)
	require.NoError(c.tb, err)
	return holds, resident * 1024
}

// listenIdle is a server that lets anybody in and then says nothing. With a
// configuration it has STLS.
func listenIdle(tb testing.TB, config *tls.Config) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var conns sync.Map
	tb.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, nil)
			go func() {
				_, _ = io.WriteString(c, "+OK\r\n")
				c, offered := c, config != nil
				buf := make([]byte, 64)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					switch command := string(buf[:n]); {
					case command == "CAPA\r\n" && offered:
						_, _ = io.WriteString(c, "+OK\r\nSTLS\r\n.\r\n")
					case command == "CAPA\r\n":
						_, _ = io.WriteString(c, "-ERR\r\n")
					default:
						_, _ = io.WriteString(c, "+OK\r\n")
						if command == "STLS\r\n" {
							c, offered = tls.Server(c, config), false
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkIdle10000 reports the memory of 10,000 sessions that are passed on
// and idle, or of as many as the limit of open files allows: each has two
// connections in the program.
func BenchmarkIdle10000(b *testing.B) {
	b.Run("clear", func(b *testing.B) { benchmarkIdle(b, false) })
	b.Run("TLS on both sides", func(b *testing.B) { benchmarkIdle(b, true) })
}

func benchmarkIdle(b *testing.B, secure bool) {
	const spare = 200
	n := 10_000
	if files := openFiles(b, 2*10_000+spare); files < 2*10_000+spare {
		n = int(files-spare) / 2
	}
	dir := b.TempDir()
	save := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(b, os.WriteFile(path, data, 0o600))
		return path
	}
	args := []string{"-pop3", "127.0.0.1:0", "-cleartext"}
	var config, clientTLS *tls.Config
	options, service := "clear", "pop3"
	if secure {
		// The certificate of a server for tests does for all.
		s := pop3test.NewServer(b)
		clientTLS, config, service = s.ClientTLS(), s.Config.TLSConfig, "pop3s"
		var chain []byte
		for _, der := range config.Certificates[0].Certificate {
			chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		der, err := x509.MarshalPKCS8PrivateKey(config.Certificates[0].PrivateKey)
		require.NoError(b, err)
		cert := save("cert.pem", chain)
		args = []string{"-pop3", "off", "-pop3s", "127.0.0.1:0", "-cert", cert, "-key", save("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
		options = "name=localhost ca=" + cert
	}
	p := startChild(b, 1, append(args, "-routes", save("routes", []byte("* "+listenIdle(b, config)+" "+options+"\n")))...)
	for b.Loop() {
		holds, resident := p.memory()
		clients := make([]net.Conn, n)
		var wg sync.WaitGroup
		const dialers = 8
		for d := range dialers {
			wg.Go(func() {
				for i := d; i < n; i += dialers {
					clients[i] = login(b, p.addr[service], i, clientTLS)
				}
			})
		}
		wg.Wait()
		if b.Failed() {
			return
		}
		h, r := p.memory()
		b.ReportMetric(float64(n), "sessions")
		b.ReportMetric((h-holds)/float64(n), "heap-octets/session")
		b.ReportMetric((r-resident)/float64(n), "resident-octets/session")
		b.ReportMetric(r/(1<<20), "resident-MiB")
		for _, c := range clients {
			_ = c.Close()
		}
	}
}

// login opens session i. Few come from one address: the program counts.
func login(tb testing.TB, addr string, i int, config *tls.Config) net.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/50>>8), byte(i/50))}, Timeout: time.Minute}
	c, err := d.Dial("tcp", addr)
	if err == nil && config != nil {
		c = tls.Client(c, config)
	}
	if err == nil {
		_, err = io.WriteString(c, "USER ada\r\nPASS secret\r\n")
	}
	var got string
	if err == nil {
		r := bufio.NewReaderSize(c, 128)
		for range 3 {
			var line string
			if line, err = r.ReadString('\n'); err != nil {
				break
			}
			got += line
		}
	}
	if err != nil || strings.Count(got, "+OK") != 3 {
		tb.Errorf("session %d: %q, %v", i, got, err)
	}
	return c
}
