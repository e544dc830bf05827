package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeSpamd answers each connection, having checked what it was asked.
func fakeSpamd(t *testing.T, network, addr, answer string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			line, _ := r.ReadString('\n')
			length, _ := r.ReadString('\n')
			blank, _ := r.ReadString('\n')
			body, _ := io.ReadAll(r)
			if line == "CHECK SPAMC/1.5\r\n" && length == fmt.Sprintf("Content-length: %d\r\n", len(body)) && blank == "\r\n" {
				io.WriteString(c, answer)
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

func TestSpamd(t *testing.T) {
	const message = "Subject: x\r\n\r\nbody\r\n"
	ask := func(addr string) (verdict, error) {
		return spamd(t.Context(), addr, strings.NewReader(message), int64(len(message)), 10*time.Second)
	}
	for _, x := range []struct {
		answer string
		want   verdict
		err    string
	}{
		{"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: True ; 15.5 / 5.0\r\n\r\n", verdict{true, true, 15.5}, ""},
		{"SPAMD/1.5 0 EX_OK\r\nspam: False ; -1.1 / 5.0\r\n\r\nmore", verdict{true, false, -1.1}, ""},
		{"SPAMD/1.1 76 Bad header line: x\r\n", verdict{}, "spamd: refused"},
		{"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15.5 / 5.0\r\n", verdict{}, "breaks off"},
		{"SPAMD/1.1 0 EX_OK\r\n\r\n", verdict{}, "without a verdict"},
		{"SPAMD/1.1 0 EX_OK\r\nSpam: True\r\n\r\n", verdict{}, `answered "Spam: True"`},
		{"HTTP/1.0 200 OK\r\n\r\n", verdict{}, "answered"},
		{"", verdict{}, "no answer"},
		{"SPAMD/1.1 0 EX_OK\r\nX: " + strings.Repeat("x", 2*maxSpamReply), verdict{}, "breaks off"},
	} {
		v, err := ask(fakeSpamd(t, "tcp", "127.0.0.1:0", x.answer))
		require.Equal(t, x.want, v)
		if x.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, x.err)
		}
	}
	if runtime.GOOS != "windows" {
		v, err := ask(fakeSpamd(t, "unix", filepath.Join(t.TempDir(), "s"), "SPAMD/1.1 0 EX_OK\r\nSpam: Yes ; 6 / 5\r\n\r\n"))
		require.NoError(t, err)
		require.Equal(t, verdict{true, true, 6}, v)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = spamd(t.Context(), l.Addr().String(), strings.NewReader(message), int64(len(message)), time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestMain is also the program of TestCommand.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "judge" {
		data, _ := io.ReadAll(os.Stdin)
		switch {
		case strings.Contains(string(data), "virus"):
			os.Exit(1)
		case strings.Contains(string(data), "broken"):
			fmt.Fprintln(os.Stderr, "no database")
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestCommand(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	judge := func(message string) (bool, error) {
		return runCommand(t.Context(), []string{program, "judge"}, strings.NewReader(message), time.Minute)
	}
	yes, err := judge("a virus")
	require.NoError(t, err)
	require.True(t, yes)
	yes, err = judge("nothing")
	require.NoError(t, err)
	require.False(t, yes)
	_, err = judge("broken")
	require.ErrorContains(t, err, "no database")
	_, err = runCommand(t.Context(), []string{"/does/not/exist"}, strings.NewReader(""), time.Minute)
	require.Error(t, err)
}
