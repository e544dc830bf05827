package imapclient_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
)

// canned is a connection on which every command has the same answer, without a
// goroutine.
type canned struct {
	net.Conn
	answer []byte
	out    bytes.Reader
	end    []byte
	tail   bytes.Reader
}

func newCanned(answer []byte) *canned {
	c := &canned{answer: answer}
	c.out.Reset([]byte("* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n"))
	return c
}

func (c *canned) Write(p []byte) (int, error) {
	tag, _, _ := bytes.Cut(p, []byte(" "))
	c.end = append(append(c.end[:0], tag...), " OK done\r\n"...)
	c.out.Reset(c.answer)
	c.tail.Reset(c.end)
	return len(p), nil
}

func (c *canned) Read(p []byte) (int, error) {
	if n, err := c.out.Read(p); err == nil {
		return n, nil
	}
	return c.tail.Read(p)
}

func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }

func cannedClient(t testing.TB, line func(i int) string, n int) *imapclient.Client {
	t.Helper()
	var b bytes.Buffer
	for i := 1; i <= n; i++ {
		b.WriteString(line(i) + "\r\n")
	}
	c, err := imapclient.New(t.Context(), newCanned(b.Bytes()), clear)
	require.NoError(t, err)
	return c
}

func flagsLine(i int) string {
	return fmt.Sprintf(`* %d FETCH (UID %d FLAGS (\Seen $Forwarded work))`, i, i)
}

func envelopeLine(i int) string {
	return fmt.Sprintf(`* %d FETCH (UID %d ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes %d" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>"))`, i, i, i)
}

func fetchAll(t testing.TB, c *imapclient.Client, items ...imap.FetchItem) (n int) {
	for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), items...) {
		if err != nil || m.UID == 0 {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAllocations(t *testing.T) {
	const n = 1000
	c := cannedClient(t, flagsLine, n)
	per := testing.AllocsPerRun(5, func() { require.Equal(t, n, fetchAll(t, c, imap.FetchFlags)) })
	require.LessOrEqual(t, per/n, 0.1, "a message with its flags")
	c = cannedClient(t, envelopeLine, n)
	per = testing.AllocsPerRun(5, func() { require.Equal(t, n, fetchAll(t, c, imap.FetchEnvelope)) })
	require.LessOrEqual(t, per/n, 6.0, "a message with its envelope")

	var numbers []byte
	numbers = append(numbers, "* SEARCH"...)
	for i := 1; i <= 100_000; i++ {
		numbers = strconv.AppendInt(append(numbers, ' '), int64(i), 10)
	}
	c = cannedClient(t, func(int) string { return string(numbers) }, 1)
	per = testing.AllocsPerRun(5, func() {
		uids, err := c.Search(t.Context(), imap.SearchAll{})
		if err != nil || len(uids) != 100_000 {
			t.Fatal(len(uids), err)
		}
	})
	require.LessOrEqual(t, per, 60.0, "a search")
}

// A message of 10 MB goes through little memory.
func TestLiteralStreams(t *testing.T) {
	const size = 10 << 20
	whole := &imap.BodySection{Peek: true}
	c := cannedClient(t, func(int) string {
		return "* 1 FETCH (UID 1 BODY[] {" + strconv.Itoa(size) + "}\r\n" + string(bytes.Repeat([]byte("x"), size)) + ")"
	}, 1)
	read := func() {
		var n int64
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1, 1), whole) {
			if err != nil {
				t.Fatal(err)
			}
			if r := m.Open(whole); r != nil {
				k, err := io.Copy(io.Discard, r)
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}
		require.Equal(t, int64(size), n)
	}
	read()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<10))
}

func BenchmarkFetchFlags(b *testing.B) {
	c := cannedClient(b, flagsLine, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		fetchAll(b, c, imap.FetchFlags)
	}
}

func BenchmarkFetchEnvelope(b *testing.B) {
	c := cannedClient(b, envelopeLine, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		fetchAll(b, c, imap.FetchEnvelope)
	}
}
