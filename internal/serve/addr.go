// Addresses, as connections are counted by them and as they are logged.

package serve

import (
	"net"
	"net/netip"
)

// addrKey is what connections are counted by: an IPv4 address or an IPv6 /64,
// which is what one customer has.
type addrKey struct {
	prefix netip.Prefix
	ok     bool
}

func keyOf(a net.Addr) addrKey {
	var ip netip.Addr
	switch a := a.(type) {
	case nil:
		return addrKey{}
	case *net.TCPAddr:
		ip, _ = netip.AddrFromSlice(a.IP)
	default:
		ap, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return addrKey{}
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return addrKey{p, err == nil}
}

func addr(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
