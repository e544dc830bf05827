package testkit_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

func TestPipeBuffersAndCloses(t *testing.T) {
	a, b := testkit.PipeSize(4)
	n, err := a.Write([]byte("abcd"))
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	done := make(chan error)
	go func() {
		_, err := a.Write([]byte("efgh"))
		_ = a.CloseWrite()
		done <- err
	}()
	got, err := io.ReadAll(iotest.OneByteReader(b))
	require.NoError(t, err)
	require.NoError(t, <-done)
	assert.Equal(t, "abcdefgh", string(got))
	assert.EqualValues(t, 8, a.Sent())
	_, err = b.Write([]byte("back"))
	require.NoError(t, err, "the other direction is open")
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	got, err = io.ReadAll(a)
	require.NoError(t, err)
	assert.Equal(t, "back", string(got))
	_, err = b.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = b.Write([]byte("x"))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Write([]byte("x"))
	assert.Error(t, err)
	assert.Equal(t, a.LocalAddr(), b.RemoteAddr())
	assert.Equal(t, b.LocalAddr(), a.RemoteAddr())
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := testkit.PipeSize(4)
		began := time.Now()
		require.NoError(t, a.SetDeadline(began.Add(time.Second)))
		_, err := a.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
		_, err = a.Write(make([]byte, 5))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, a.SetDeadline(time.Time{}))
		n, err := a.Write([]byte("ab"))
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		// Set while it waits.
		go func() {
			time.Sleep(time.Second)
			_ = a.SetWriteDeadline(time.Unix(1, 0))
		}()
		n, err = a.Write([]byte("cdef"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 2, n)
		got := make([]byte, 10)
		n, err = b.Read(got)
		require.NoError(t, err)
		assert.Equal(t, "abcd", string(got[:n]))
	})
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testkit.NewListener()
		go func() {
			c, err := l.Accept()
			if assert.NoError(t, err) {
				_, _ = io.WriteString(c, c.RemoteAddr().String())
				_ = c.Close()
			}
		}()
		c, err := l.DialFrom(t.Context(), net.ParseIP("2001:db8::1"))
		require.NoError(t, err)
		b, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Equal(t, "[2001:db8::1]:40001", string(b))
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		_, err = l.Accept()
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = l.Dial(t.Context())
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

type sizes struct {
	net.Conn
	w []int
}

func (s *sizes) Write(p []byte) (int, error) { s.w = append(s.w, len(p)); return s.Conn.Write(p) }

func TestChunks(t *testing.T) {
	a, b := testkit.Pipe()
	s := &sizes{Conn: a}
	c := testkit.ChunkConn(s, testkit.Sizes(2, 3), testkit.Sizes(1, 2))
	n, err := c.Write([]byte("abcdefg"))
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	assert.Equal(t, []int{1, 2, 1, 2, 1}, s.w)
	_, _ = b.Write([]byte("0123456"))
	_ = b.CloseWrite()
	var got []string
	for {
		p := make([]byte, 10)
		n, err := c.Read(p)
		if err != nil {
			break
		}
		got = append(got, string(p[:n]))
	}
	assert.Equal(t, []string{"01", "234", "56"}, got)

	first, second := testkit.Random(3, 9), testkit.Random(3, 9)
	for range 100 {
		n := first()
		assert.Equal(t, n, second())
		assert.True(t, n >= 1 && n <= 9)
	}
	assert.NoError(t, iotest.TestReader(testkit.ChunkReader(strings.NewReader("abc"), testkit.OneByOne()), []byte("abc")))
}

func TestFailConn(t *testing.T) {
	fault := errors.New("fault")
	a, b := testkit.Pipe()
	c := testkit.FailConn(a, 3, 5, fault)
	_, _ = b.Write([]byte("abcdef"))
	got, err := io.ReadAll(c)
	assert.Equal(t, fault, err)
	assert.Equal(t, "abc", string(got))
	n, err := c.Write([]byte("abc"))
	assert.NoError(t, err)
	assert.Equal(t, 3, n)
	n, err = c.Write([]byte("defg"))
	assert.Equal(t, fault, err)
	assert.Equal(t, 2, n)
	_, err = c.Write([]byte("x"))
	assert.Equal(t, fault, err)
	_ = a.Close()
	got, err = io.ReadAll(b)
	assert.NoError(t, err)
	assert.Equal(t, "abcde", string(got))
}

func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		began := time.Now()
		n, err := testkit.SlowWriter(&b, time.Minute).Write([]byte("slow"))
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		assert.Equal(t, "slow", b.String())
		assert.Equal(t, 4*time.Minute, time.Since(began))
	})
}

func TestTLS(t *testing.T) {
	srv, cli := testkit.TLS("a.test", "192.0.2.1")
	again, _ := testkit.TLS("a.test", "192.0.2.1")
	assert.Equal(t, srv.Certificates[0].Certificate, again.Certificates[0].Certificate)
	for name, ok := range map[string]bool{"a.test": true, "192.0.2.1": true, "b.test": false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := testkit.Pipe()
			cfg := cli.Clone()
			cfg.ServerName = name
			done := make(chan error)
			go func() { done <- tls.Server(b, srv).Handshake() }()
			err := tls.Client(a, cfg).Handshake()
			assert.Equal(t, ok, err == nil, "%s: %v", name, err)
			assert.Equal(t, ok, <-done == nil)
		})
	}
	assert.Equal(t, testkit.Authority(), cli.RootCAs)
}

// recorder is a testing.TB that notes what fails.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(f string, a ...any) { r.said += f }

func TestGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden")
	require.NoError(t, os.WriteFile(path, []byte("a\nb\n"), 0o644))
	testkit.Golden(t, path, []byte("a\nb\n"))
	for _, got := range []string{"a\nc\n", "a\n", "a\nb\nc", ""} {
		r := &recorder{TB: t}
		testkit.Golden(r, path, []byte(got))
		assert.Contains(t, r.said, "differs at octet", got)
	}
}

func TestModuleRootAndCorpus(t *testing.T) {
	_, err := os.Stat(filepath.Join(testkit.ModuleRoot(t), "internal", "testkit"))
	assert.NoError(t, err)
	_, err = os.Stat(filepath.Join(testkit.Corpus(t), "README.md"))
	assert.NoError(t, err)
}

func TestLeaked(t *testing.T) {
	stop := make(chan struct{})
	started := make(chan struct{})
	go func() {
		close(started)
		<-stop
	}()
	<-started
	// Goroutines of the tests before may be about to end.
	left := slices.DeleteFunc(testkit.Leaked(0), func(stack string) bool { return !strings.Contains(stack, "TestLeaked") })
	require.Len(t, left, 1)
	close(stop)
	assert.Empty(t, testkit.Leaked(5*time.Second))
}
