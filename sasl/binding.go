// Channel bindings, and the GS2 header that says which is used.

package sasl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bindings are the channel bindings of a TLS connection, each nil if the
// connection does not have it.
type Bindings struct {
	// Exporter is tls-exporter (RFC 9266).
	Exporter []byte
	// Unique is tls-unique (RFC 5929 section 3), of TLS 1.2 and older.
	Unique []byte
	// EndPoint is tls-server-end-point (RFC 5929 section 4): a hash of the
	// server's certificate.
	EndPoint []byte
}

// The registered names of the channel bindings.
const (
	BindExporter = "tls-exporter"
	BindUnique   = "tls-unique"
	BindEndPoint = "tls-server-end-point"
)

// Get is the data of the binding of a registered name; nil if there is none.
func (b *Bindings) Get(name string) []byte {
	switch name {
	case BindExporter:
		return b.Exporter
	case BindUnique:
		return b.Unique
	case BindEndPoint:
		return b.EndPoint
	}
	return nil
}

func (b *Bindings) any() bool {
	return len(b.Exporter) > 0 || len(b.Unique) > 0 || len(b.EndPoint) > 0
}

// best is the binding that a client uses: that of the TLS version (RFC 9266
// section 3, RFC 5802 section 6.1), else what there is.
func (b *Bindings) best() (name string, data []byte) {
	for _, name := range []string{BindUnique, BindExporter, BindEndPoint} {
		if data := b.Get(name); len(data) > 0 {
			return name, data
		}
	}
	return "", nil
}

// gs2 is a GS2 header (RFC 5801 section 4).
type gs2 struct {
	nonstd  bool
	flag    byte   // 'n', 'y' or 'p'
	binding string // with 'p'
	authzid string
}

// append adds the header, without the F that the data to bind leaves out.
func (g *gs2) append(dst []byte) []byte {
	dst = append(dst, g.flag)
	if g.flag == 'p' {
		dst = append(append(dst, '='), g.binding...)
	}
	dst = append(dst, ',')
	if g.authzid != "" {
		dst = appendName(append(dst, "a="...), g.authzid)
	}
	return append(dst, ',')
}

// clientGS2 is a client's header for the named mechanism, which binds the
// channel if plus, with the data of the binding. force is the binding to use, if any.
func clientGS2(line *Line, name string, plus bool, force, authzid string) (*gs2, []byte, error) {
	g := &gs2{flag: 'n', authzid: authzid}
	if !plus {
		// A client that could and is offered none says so. The flag 'y' would
		// be wrong from one that was not told what is offered. Another
		// mechanism's -PLUS does not count: whoever took this one's out of
		// the offer could have put that in.
		if line.Bindings.any() && line.Offered != nil && !fold(line.Offered, name+"-PLUS") {
			g.flag = 'y'
		}
		return g, nil, nil
	}
	binding, data := line.Bindings.best()
	if force != "" {
		binding, data = force, line.Bindings.Get(force)
	}
	if len(data) == 0 {
		return nil, nil, fmt.Errorf("%w: the connection has no channel binding %s", ErrMechanism, binding)
	}
	g.flag, g.binding = 'p', binding
	return g, data, nil
}

// parseGS2 takes the header off a message.
func parseGS2(msg []byte) (g *gs2, rest []byte, err error) {
	s := string(msg)
	g = &gs2{}
	s, g.nonstd = strings.CutPrefix(s, "F,")
	flag, s, ok := strings.Cut(s, ",")
	authzid, s, ok2 := strings.Cut(s, ",")
	switch {
	case !ok || !ok2:
		return nil, nil, fmt.Errorf("%w: no GS2 header", ErrProtocol)
	case flag == "n" || flag == "y":
		g.flag = flag[0]
	case strings.HasPrefix(flag, "p=") && isBindingName(flag[2:]):
		g.flag, g.binding = 'p', flag[2:]
	default:
		return nil, nil, fmt.Errorf("%w: GS2 header: expected n, y or p=", ErrProtocol)
	}
	if authzid != "" {
		name, ok := strings.CutPrefix(authzid, "a=")
		if !ok {
			return nil, nil, fmt.Errorf("%w: GS2 header: expected a=", ErrProtocol)
		}
		if g.authzid, err = parseName(name); err != nil {
			return nil, nil, err
		}
	}
	return g, []byte(s), nil
}

// check is a server's verdict on a client's header, and the data of the
// binding that it uses.
func (g *gs2) check(line *Line, plus, plusOffered bool) ([]byte, error) {
	switch {
	case plus != (g.flag == 'p'):
		return nil, fmt.Errorf("%w: the channel binding flag is not of the mechanism", ErrProtocol)
	case g.flag == 'y' && plusOffered:
		// RFC 5802 section 6: somebody took -PLUS out of the offer.
		return nil, fmt.Errorf("%w: the client was not shown the offer of channel binding", ErrFailed)
	case g.flag != 'p':
		return nil, nil
	}
	data := line.Bindings.Get(g.binding)
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: the channel binding type is not supported", ErrFailed)
	}
	return data, nil
}

func isBindingName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// appendName adds a saslname (RFC 5802 section 7).
func appendName(dst []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case ',':
			dst = append(dst, "=2C"...)
		case '=':
			dst = append(dst, "=3D"...)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

func parseName(s string) (string, error) {
	bad := fmt.Errorf("%w: a name is empty, not UTF-8, or not escaped", ErrProtocol)
	if s == "" || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return "", bad
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "=")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return "", bad
		}
		s = after[2:]
	}
}
