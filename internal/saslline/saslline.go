// Package saslline tells SASL of a connection, for the clients and servers of
// all protocols.
package saslline

import (
	"crypto/tls"
	"net"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/sasl/sasltls"
)

// Client is a client's line to the service of the server that config names.
// offered are the server's mechanisms.
func Client(c *netconn.Conn, service string, config *tls.Config, offered []string, allowCleartext bool) sasl.Line {
	var line sasl.Line
	if state, ok := c.TLSState(); ok {
		line = sasltls.Client(state)
	}
	line.Service, line.AllowCleartext = service, allowCleartext
	if line.Offered = offered; offered == nil {
		line.Offered = []string{}
	}
	if config != nil {
		line.Host = config.ServerName
	}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		line.Port = a.Port
	}
	return line
}

// Server is a server's line, of a connection that was made with config if it
// is encrypted.
func Server(c *netconn.Conn, service string, config *tls.Config) sasl.Line {
	var line sasl.Line
	if state, ok := c.TLSState(); ok {
		line = sasltls.Server(state, sasltls.Certificate(config))
	}
	line.Service = service
	if a := c.RemoteAddr(); a != nil {
		line.Remote = a.String()
	}
	return line
}
