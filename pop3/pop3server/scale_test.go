package pop3server_test

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

func manyMessages(n int) *fake {
	list := make([]pop3.Message, n)
	for i := range list {
		list[i] = pop3.Message{Size: int64(i), UID: "0000001a4f3c2b9d." + strconv.Itoa(i)}
	}
	return &fake{messages: func() ([]pop3.Message, error) { return list, nil }}
}

// listings logs in and asks for both listings, a number of times.
func listings(tb testing.TB, s *pop3server.Server, times int) (octets int64) {
	l := testkit.NewListener()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	conn, err := l.Dial(context.Background())
	require.NoError(tb, err)
	_, err = io.WriteString(conn, "USER a\r\nPASS b\r\n"+strings.Repeat("LIST\r\nUIDL\r\n", times)+"QUIT\r\n")
	require.NoError(tb, err)
	octets, err = io.Copy(io.Discard, conn)
	require.NoError(tb, err)
	_ = conn.Close()
	_ = l.Close()
	<-done
	return octets
}

func TestManyMessages(t *testing.T) {
	f := manyMessages(100000)
	once := func(times int) (octets int64, allocs float64) {
		allocs = testing.AllocsPerRun(1, func() {
			octets = listings(t, &pop3server.Server{Backend: f, Auth: anyone()}, times)
		})
		return octets, allocs
	}
	one, few := once(1)
	five, more := once(5)
	assert.Greater(t, one, int64(100000*40))
	assert.Greater(t, five, 4*one)
	// Of 800,000 lines none has an allocation; the pipe has, for each write.
	assert.Less(t, more-few, 10000.0)
}

// Topper is asked for the top, and cut to it.
func TestTopper(t *testing.T) {
	asked := []int{}
	backend := pop3server.BackendFunc(func(context.Context, sasl.Identity) (pop3server.Maildrop, error) {
		return topper{fakeDrop{&fake{}}, &asked}, nil
	})
	s := start(t, &pop3server.Server{Backend: backend, Auth: anyone()})
	s.play(fakeLogin + "C: TOP 2 1\nS: +OK <any>\nS: A: b\nS:\nS: x\nS: .\nC: TOP 1 0\nS: +OK <any>\nS: A: b\nS:\nS: .\n")
	s.stop()
	assert.Equal(t, []int{1, 1, 0, 0}, asked)
}

type topper struct {
	fakeDrop
	asked *[]int
}

func (t topper) Top(_ context.Context, i, lines int) (io.ReadCloser, error) {
	*t.asked = append(*t.asked, i, lines)
	return io.NopCloser(strings.NewReader("A: b\n\nx\ny\nz\n")), nil
}

func BenchmarkListings100k(b *testing.B) {
	f := manyMessages(100000)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(listings(b, &pop3server.Server{Backend: f, Auth: anyone()}, 5))
	}
}

func BenchmarkRetr10MB(b *testing.B) {
	wire.SetPoison(false)
	body := strings.Repeat(strings.Repeat("x", 74)+"\r\n", 10<<20/76)
	f := &fake{content: func(int) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }}
	srv := &pop3server.Server{Backend: f, Auth: anyone()}
	l := testkit.NewListener()
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	conn, err := l.Dial(context.Background())
	require.NoError(b, err)
	r := bufio.NewReader(conn)
	_, err = io.WriteString(conn, "USER a\r\nPASS b\r\n")
	require.NoError(b, err)
	for range 3 {
		_, err = r.ReadString('\n')
		require.NoError(b, err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_, err = io.WriteString(conn, "RETR 1\r\n")
		require.NoError(b, err)
		_, err = io.CopyN(io.Discard, r, int64(len("+OK 7 octets\r\n"+body+".\r\n")))
		require.NoError(b, err)
	}
	_ = conn.Close()
	_ = srv.Close()
	<-done
}
