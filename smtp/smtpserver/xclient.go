// XCLIENT and XFORWARD of Postfix, and trusted networks.

package smtpserver

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// xclient is what a trusted client says of whom it speaks for.
type xclient struct {
	addr, dest netip.AddrPort
	name       string
}

func among(nets []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// trusted says whether the peer itself may say for whom it speaks.
func (c *Conn) trusted() bool {
	if len(c.srv.TrustXClient) == 0 {
		return false
	}
	a, err := netip.ParseAddrPort(c.net.RemoteAddr().String())
	return err == nil && among(c.srv.TrustXClient, a.Addr())
}

func (c *Conn) xclient(ctx context.Context, cmd *smtpwire.Command) error {
	if !c.trusted() {
		return c.refuse(550, codePolicy5, "Not authorized to use XCLIENT")
	}
	now := *c.client
	helo, identity := c.helo, c.identity
	for _, a := range cmd.Attributes {
		value, given := a.Value, a.Value != "" && a.Value != "[UNAVAILABLE]" && a.Value != "[TEMPUNAVAIL]"
		if !given {
			value = ""
		}
		ok := true
		switch a.Name {
		case "ADDR":
			now.addr, ok = withAddr(now.addr, value)
		case "PORT":
			now.addr, ok = withPort(now.addr, value)
		case "DESTADDR":
			now.dest, ok = withAddr(now.dest, value)
		case "DESTPORT":
			now.dest, ok = withPort(now.dest, value)
		case "NAME":
			now.name = smtp.CleanText(value)
		case "HELO":
			helo = value
		case "LOGIN":
			identity = nil
			if given {
				identity = &sasl.Identity{User: value, Mechanism: "XCLIENT"}
			}
		case "PROTO", "REVERSE_NAME":
		default:
			return c.refuse(501, codeParam, "Unknown attribute "+a.Name)
		}
		if !ok {
			return c.refuse(501, codeParam, "Malformed attribute "+a.Name)
		}
	}
	if h, ok := c.sess.(XClientHandler); ok {
		if err := h.XClient(ctx, cmd.Attributes); err != nil {
			return c.refuseErr(err)
		}
	}
	c.closeSession()
	c.client, c.helo, c.identity = &now, helo, identity
	c.state, c.esmtp, c.forward = stateConnected, false, nil
	c.caps = &noCapabilities
	if err := c.meet(ctx); err != nil {
		return err
	}
	return c.sayGreeting()
}

// withAddr is a with another address; an empty value takes it away. An address
// comes before its port.
func withAddr(a netip.AddrPort, value string) (netip.AddrPort, bool) {
	if value == "" {
		return netip.AddrPort{}, true
	}
	if len(value) > 5 && wire.EqualFold(value[:5], "IPV6:") {
		value = value[5:]
	}
	ip, err := netip.ParseAddr(value)
	if err != nil || ip.Zone() != "" {
		return a, false
	}
	return netip.AddrPortFrom(ip.Unmap(), a.Port()), true
}

func withPort(a netip.AddrPort, value string) (netip.AddrPort, bool) {
	if value == "" {
		return netip.AddrPortFrom(a.Addr(), 0), true
	}
	n, err := strconv.ParseUint(value, 10, 16)
	return netip.AddrPortFrom(a.Addr(), uint16(n)), err == nil
}

func (c *Conn) xforward(_ context.Context, cmd *smtpwire.Command) error {
	if !c.trusted() {
		return c.refuse(550, codePolicy5, "Not authorized to use XFORWARD")
	}
	for _, a := range cmd.Attributes {
		if !strings.Contains(" NAME ADDR PORT PROTO HELO IDENT SOURCE ", " "+a.Name+" ") {
			return c.refuse(501, codeParam, "Unknown attribute "+a.Name)
		}
	}
next:
	for _, a := range cmd.Attributes {
		for i := range c.forward {
			if c.forward[i].Name == a.Name {
				c.forward[i] = a
				continue next
			}
		}
		c.forward = append(c.forward, a)
	}
	return c.say(250, codeOK, "OK")
}
