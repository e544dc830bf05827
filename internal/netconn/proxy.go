// The PROXY protocol, versions 1 and 2: what a proxy in front of a server says
// of the client.

package netconn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ProxyHeader is what a proxy says of a connection.
type ProxyHeader struct {
	// Source is the client's address and Destination the one it connected
	// to. They are invalid where the proxy speaks for itself (LOCAL, a check
	// of its own) or does not know (UNKNOWN): the connection's own count.
	Source, Destination netip.AddrPort
}

// ErrProxyHeader is matched (errors.Is) by the error of a connection whose
// beginning is no header of the PROXY protocol.
var ErrProxyHeader = errors.New("malformed PROXY header")

func badProxy(what string) error { return fmt.Errorf("%w: %s", ErrProxyHeader, what) }

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	maxProxyV1     = 107
	// maxProxyV2 bounds addresses and what may follow them (certificates'
	// names, ids).
	maxProxyV2 = 4096
)

// ReadProxyHeader reads a header from r, and nothing behind it.
func ReadProxyHeader(r io.Reader) (ProxyHeader, error) {
	var buf [maxProxyV1]byte
	// No header is shorter than the signature of version 2.
	b := buf[:len(proxySignature)]
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return ProxyHeader{}, err
	}
	if b[0] != 'P' && b[0] != '\r' {
		return ProxyHeader{}, badProxy("no signature")
	}
	if _, err := io.ReadFull(r, b[1:]); err != nil {
		return ProxyHeader{}, noEOF(err)
	}
	if string(b) == proxySignature {
		return readProxyV2(r)
	}
	if !bytes.HasPrefix(b, []byte("PROXY ")) {
		return ProxyHeader{}, badProxy("no signature")
	}
	for !bytes.HasSuffix(b, []byte("\n")) {
		n := len(b)
		if n == maxProxyV1 {
			return ProxyHeader{}, badProxy("line longer than 107 octets")
		}
		b = b[:n+1]
		if _, err := io.ReadFull(r, b[n:]); err != nil {
			return ProxyHeader{}, noEOF(err)
		}
	}
	line, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok {
		return ProxyHeader{}, badProxy("line does not end in CRLF")
	}
	return parseProxyV1(line)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func parseProxyV1(line string) (ProxyHeader, error) {
	f := strings.Split(line, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return ProxyHeader{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return ProxyHeader{}, badProxy("expected TCP4, TCP6 or UNKNOWN, two addresses and two ports")
	}
	var h ProxyHeader
	for i, to := range []*netip.AddrPort{&h.Source, &h.Destination} {
		a, err := netip.ParseAddr(f[2+i])
		if err != nil || a.Is4() != (f[1] == "TCP4") || a.Zone() != "" {
			return ProxyHeader{}, badProxy("address is not of its family")
		}
		port, ok := proxyPort(f[4+i])
		if !ok {
			return ProxyHeader{}, badProxy("port out of range")
		}
		*to = netip.AddrPortFrom(a.Unmap(), port)
	}
	return h, nil
}

func proxyPort(s string) (uint16, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
		if n > 65535 || i > 4 {
			return 0, false
		}
	}
	return uint16(n), s != "" && (s[0] != '0' || len(s) == 1)
}

func readProxyV2(r io.Reader) (ProxyHeader, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return ProxyHeader{}, noEOF(err)
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	if head[0]>>4 != 2 {
		return ProxyHeader{}, badProxy("version is not 2")
	}
	if n > maxProxyV2 {
		return ProxyHeader{}, badProxy("longer than 4096 octets")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return ProxyHeader{}, noEOF(err)
	}
	switch head[0] & 15 {
	case 0:
		return ProxyHeader{}, nil // LOCAL
	case 1:
	default:
		return ProxyHeader{}, badProxy("unknown command")
	}
	size := 0
	switch head[1] {
	case 0x11:
		size = 4
	case 0x21:
		size = 16
	default:
		return ProxyHeader{}, nil // no address of TCP
	}
	if n < 2*size+4 {
		return ProxyHeader{}, badProxy("too short for its addresses")
	}
	var h ProxyHeader
	for i, to := range []*netip.AddrPort{&h.Source, &h.Destination} {
		a, _ := netip.AddrFromSlice(b[i*size : (i+1)*size])
		*to = netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[2*size+2*i:]))
	}
	return h, nil
}

// AppendProxyHeader appends h in version 2. Without valid addresses of one
// family it is LOCAL.
func AppendProxyHeader(dst []byte, h ProxyHeader) []byte {
	src, to := h.Source.Addr().Unmap(), h.Destination.Addr().Unmap()
	dst = append(dst, proxySignature...)
	if !src.IsValid() || !to.IsValid() {
		return append(dst, 0x20, 0, 0, 0)
	}
	family, size := byte(0x11), 4
	if src.Is6() || to.Is6() {
		family, size = 0x21, 16
	}
	dst = append(dst, 0x21, family, 0, byte(2*size+4))
	for _, a := range []netip.Addr{src, to} {
		if size == 4 {
			b := a.As4()
			dst = append(dst, b[:]...)
		} else {
			b := a.As16()
			dst = append(dst, b[:]...)
		}
	}
	dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
	return binary.BigEndian.AppendUint16(dst, h.Destination.Port())
}

// ProxyListener makes the connections of l begin with a PROXY header where
// trusted says so of the peer's address; others are as they were. The header
// is read, within 10 seconds, by [Conn.ReadProxy] or by the first Read, under TLS too;
// from then on the addresses are those of the header.
func ProxyListener(l net.Listener, trusted func(netip.Addr) bool) net.Listener {
	return &proxyListener{l, trusted}
}

type proxyListener struct {
	net.Listener
	trusted func(netip.Addr) bool
}

func (l *proxyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, perr := netip.ParseAddrPort(c.RemoteAddr().String())
	if perr != nil || !l.trusted(peer.Addr().Unmap()) {
		return c, nil
	}
	return &proxyConn{Conn: c}, nil
}

// proxyTimeout is how long a proxy may take for its header.
const proxyTimeout = 10 * time.Second

type proxyConn struct {
	net.Conn
	once sync.Once
	head atomic.Pointer[ProxyHeader]
	err  error
}

func (c *proxyConn) header() error {
	c.once.Do(func() {
		h, err := ReadProxyHeader(c.Conn)
		if err != nil {
			c.err = fmt.Errorf("PROXY: %w", noEOF(err))
			return
		}
		c.head.Store(&h)
	})
	return c.err
}

func (c *proxyConn) Read(p []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *proxyConn) RemoteAddr() net.Addr {
	if h := c.head.Load(); h != nil && h.Source.IsValid() {
		return net.TCPAddrFromAddrPort(h.Source)
	}
	return c.Conn.RemoteAddr()
}

func (c *proxyConn) LocalAddr() net.Addr {
	if h := c.head.Load(); h != nil && h.Destination.IsValid() {
		return net.TCPAddrFromAddrPort(h.Destination)
	}
	return c.Conn.LocalAddr()
}

func (c *proxyConn) CloseWrite() error {
	if w, ok := c.Conn.(closeWriter); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadProxy reads the PROXY header of a connection of a [ProxyListener]; of
// others it reads nothing. It comes before all other input. An error, that of
// a malformed header too, leaves a connection that can only be closed.
func (c *Conn) ReadProxy(ctx context.Context) error {
	p, ok := c.raw.(*proxyConn)
	if !ok {
		return nil
	}
	lim := c.withTransaction(limit{at: time.Now().Add(proxyTimeout), kind: ErrIdleTimeout, d: proxyTimeout})
	stop := c.Watch(ctx)
	defer stop()
	if _, err := c.armRead(lim.at, false); err != nil {
		return err
	}
	return c.disarmRead(p.header(), lim, false)
}
