package netconn_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

const v2 = "0d0a0d0a000d0a515549540a"

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestReadProxyHeader(t *testing.T) {
	for _, tt := range []struct{ in, source, dest string }{
		{"PROXY TCP4 255.255.255.255 192.0.2.1 65535 25\r\n", "255.255.255.255:65535", "192.0.2.1:25"},
		{"PROXY TCP6 2001:db8::1 ::1 1 0\r\n", "[2001:db8::1]:1", "[::1]:0"},
		{"PROXY UNKNOWN\r\n", "", ""},
		{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "", ""},
		{unhex(v2 + "21 11 000c c6336401 c0000201 9c40 0019"), "198.51.100.1:40000", "192.0.2.1:25"},
		{unhex(v2 + "21 11 0010 c6336401 c0000201 9c40 0019 04000100"), "198.51.100.1:40000", "192.0.2.1:25"},
		{unhex(v2 + "21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 9c40 0019"), "[2001:db8::1]:40000", "[::1]:25"},
		{unhex(v2 + "20 00 0000"), "", ""},
		{unhex(v2 + "21 31 0001 00"), "", ""},
	} {
		for _, cut := range []testkit.Chunks{testkit.Random(1, 50), testkit.OneByOne()} {
			r := testkit.ChunkReader(strings.NewReader(tt.in+"rest"), cut)
			h, err := netconn.ReadProxyHeader(r)
			require.NoError(t, err, "%q", tt.in)
			if tt.source == "" {
				require.Equal(t, netconn.ProxyHeader{}, h)
			} else {
				require.Equal(t, tt.source, h.Source.String())
				require.Equal(t, tt.dest, h.Destination.String())
			}
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "rest", string(rest))
		}
	}
	for _, in := range []string{
		"EHLO x\r\n", "P", "PROXY", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\nX",
		"PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", "PROXY  " + strings.Repeat("x", 200), "PROXYTCP4 1.2.3.4 ",
		"\r\n\r\n\x00\r\nQUIT\r" + strings.Repeat("\x00", 20), unhex(v2), unhex(v2 + "11 11 0000"), unhex(v2 + "22 11 0000"),
		unhex(v2 + "21 11 0004 00000000"), unhex(v2 + "21 11 ffff"), unhex(v2 + "21 11 000c 00"),
	} {
		_, err := netconn.ReadProxyHeader(strings.NewReader(in))
		require.Error(t, err, "%q", in)
	}
}

func TestAppendProxyHeader(t *testing.T) {
	for _, addrs := range [][2]string{{"198.51.100.1:40000", "192.0.2.1:25"}, {"[2001:db8::1]:1", "[::1]:65535"}} {
		h := netconn.ProxyHeader{Source: netip.MustParseAddrPort(addrs[0]), Destination: netip.MustParseAddrPort(addrs[1])}
		got, err := netconn.ReadProxyHeader(bytes.NewReader(netconn.AppendProxyHeader(nil, h)))
		require.NoError(t, err)
		require.Equal(t, h, got)
	}
	require.Equal(t, unhex(v2+"21 11 000c c6336401 c0000201 9c40 0019"), string(netconn.AppendProxyHeader(nil,
		netconn.ProxyHeader{Source: netip.MustParseAddrPort("198.51.100.1:40000"), Destination: netip.MustParseAddrPort("192.0.2.1:25")})))
	require.Equal(t, unhex(v2+"20 00 0000"), string(netconn.AppendProxyHeader(nil, netconn.ProxyHeader{})))
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nx"))
	f.Add([]byte(unhex(v2 + "21 11 000c c6336401 c0000201 9c40 0019")))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := bytes.NewReader(in)
		h, err := netconn.ReadProxyHeader(whole)
		pieces := bytes.NewReader(in)
		h2, err2 := netconn.ReadProxyHeader(testkit.ChunkReader(pieces, testkit.OneByOne()))
		require.Equal(t, h, h2)
		require.Equal(t, err, err2)
		require.Equal(t, h.Source.IsValid(), h.Destination.IsValid())
		if err == nil {
			again, err := netconn.ReadProxyHeader(bytes.NewReader(netconn.AppendProxyHeader(nil, h)))
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
	})
}

// one is a listener of one connection.
type one struct {
	net.Listener
	c net.Conn
}

func (l one) Accept() (net.Conn, error) { return l.c, nil }

func accept(t *testing.T, trusted bool) (*netconn.Conn, *testkit.PipeConn) {
	client, server := testkit.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	c, err := netconn.ProxyListener(one{c: server}, func(a netip.Addr) bool {
		return trusted && a == netip.MustParseAddr("192.0.2.1")
	}).Accept()
	require.NoError(t, err)
	n := netconn.New(c, netconn.Options{Server: true})
	t.Cleanup(func() { _ = n.Close() })
	return n, client
}

func TestProxyListener(t *testing.T) {
	n, client := accept(t, true)
	require.Equal(t, "192.0.2.1:40000", n.RemoteAddr().String())
	_, err := io.WriteString(client, "PROXY TCP4 198.51.100.1 198.51.100.2 7 25\r\nEHLO x\r\n")
	require.NoError(t, err)
	require.NoError(t, n.ReadProxy(t.Context()))
	require.Equal(t, "198.51.100.1:7", n.RemoteAddr().String())
	require.Equal(t, "198.51.100.2:25", n.LocalAddr().String())
	line, err := n.Reader().Line(0)
	require.NoError(t, err)
	require.Equal(t, "EHLO x", string(line))
	require.NoError(t, n.CloseGracefully(0))

	// Nobody else may say who he is.
	n, client = accept(t, false)
	_, err = io.WriteString(client, "PROXY TCP4 198.51.100.1 198.51.100.2 7 25\r\n")
	require.NoError(t, err)
	require.NoError(t, n.ReadProxy(t.Context()))
	line, err = n.Reader().Line(0)
	require.NoError(t, err)
	require.Equal(t, "PROXY TCP4 198.51.100.1 198.51.100.2 7 25", string(line))
	require.Equal(t, "192.0.2.1:40000", n.RemoteAddr().String())

	n, client = accept(t, true)
	_, err = io.WriteString(client, "EHLO x\r\n")
	require.NoError(t, err)
	require.ErrorIs(t, n.ReadProxy(t.Context()), netconn.ErrProxyHeader)
	_, err = n.Reader().Line(0)
	require.ErrorIs(t, err, netconn.ErrProxyHeader)
}

func TestProxyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := accept(t, true)
		_, err := io.WriteString(client, "PROXY ")
		require.NoError(t, err)
		require.ErrorIs(t, n.ReadProxy(t.Context()), os.ErrDeadlineExceeded)
		n, _ = accept(t, true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, n.ReadProxy(ctx), context.Canceled)
	})
}
