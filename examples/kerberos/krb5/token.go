package krb5

// The tokens of the Kerberos 5 mechanism: RFC 2743 section 3.1, RFC 4121 sections 4.1 and 4.2.6.2.

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Token identifiers.
const (
	tokenAPReq = 0x0100
	tokenAPRep = 0x0200
	tokenError = 0x0300
	tokenWrap  = 0x0504
)

// mechOID is the DER of 1.2.840.113554.1.2.2.
var mechOID = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

var errToken = errors.New("krb5: malformed token")

// frame puts the header of RFC 2743 section 3.1 and an identifier in front of a message.
func frame(id uint16, msg []byte) []byte {
	n := len(mechOID) + 2 + len(msg)
	out := []byte{0x60}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	out = append(out, mechOID...)
	out = binary.BigEndian.AppendUint16(out, id)
	return append(out, msg...)
}

// unframe is the identifier and the message of a token with a header.
func unframe(token []byte) (id uint16, msg []byte, err error) {
	for _, n := range []int{2, 3, 4, 5} { // octets of tag and length
		at := n + len(mechOID) + 2
		if len(token) < at {
			break
		}
		id, msg = binary.BigEndian.Uint16(token[at-2:]), token[at:]
		if bytes.Equal(frame(id, msg)[:at], token[:at]) {
			return id, msg, nil
		}
	}
	return 0, nil, errToken
}

// bindingsHash is the Bnd field of the authenticator's checksum (RFC 4121 section 4.1.1.2), with no addresses.
func bindingsHash(data []byte) [16]byte {
	b := make([]byte, 16, 20+len(data))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return md5.Sum(append(b, data...))
}

// Context flags, RFC 4121 section 4.1.1.1.
const (
	flagMutual   = 2
	flagReplay   = 4
	flagSequence = 8
	flagInteg    = 32
)

// Flags and key usages of Wrap tokens, RFC 4121 sections 2 and 4.2.2.
const (
	sentByAcceptor = 1
	sealed         = 2
	acceptorSubkey = 4

	usageAcceptorSeal  = 22
	usageInitiatorSeal = 24
)

// channel is what an established context protects its messages with.
type channel struct {
	key      types.EncryptionKey
	acceptor bool // this side
	subkey   bool // key is the acceptor's
	sendSeq  uint64
	recvSeq  uint64
}

func usage(acceptor bool) uint32 {
	if acceptor {
		return usageAcceptorSeal
	}
	return usageInitiatorSeal
}

func (c *channel) flags(acceptor bool) byte {
	var f byte
	if acceptor {
		f |= sentByAcceptor
	}
	if c.subkey {
		f |= acceptorSubkey
	}
	return f
}

// wrapHeader is a Wrap token's first 16 octets. EC and RRC are zero in what the checksum covers.
func wrapHeader(flags byte, ec uint16, seq uint64) []byte {
	h := binary.BigEndian.AppendUint16(nil, tokenWrap)
	h = append(h, flags, 0xff)
	h = binary.BigEndian.AppendUint16(h, ec)
	h = append(h, 0, 0)
	return binary.BigEndian.AppendUint64(h, seq)
}

// wrap makes a Wrap token without confidentiality: header, message, checksum.
func (c *channel) wrap(msg []byte) ([]byte, error) {
	e, err := crypto.GetEtype(c.key.KeyType)
	if err != nil {
		return nil, err
	}
	flags := c.flags(c.acceptor)
	covered := append(bytes.Clone(msg), wrapHeader(flags, 0, c.sendSeq)...)
	sum, err := e.GetChecksumHash(c.key.KeyValue, covered, usage(c.acceptor))
	if err != nil {
		return nil, err
	}
	out := wrapHeader(flags, uint16(len(sum)), c.sendSeq)
	c.sendSeq++
	return append(append(out, msg...), sum...), nil
}

// unwrap checks a Wrap token of the peer and returns its message.
func (c *channel) unwrap(token []byte) ([]byte, error) {
	if len(token) < 16 || binary.BigEndian.Uint16(token) != tokenWrap || token[3] != 0xff {
		return nil, errToken
	}
	flags, seq := token[2], binary.BigEndian.Uint64(token[8:])
	switch {
	case flags&sealed != 0:
		return nil, errors.New("krb5: a sealed message, and none was agreed on")
	case flags != c.flags(!c.acceptor):
		return nil, errors.New("krb5: a message of the wrong direction or key")
	case seq != c.recvSeq:
		return nil, errors.New("krb5: a message out of sequence")
	}
	body, ec := bytes.Clone(token[16:]), int(binary.BigEndian.Uint16(token[4:]))
	if len(body) == 0 || ec > len(body) {
		return nil, errToken
	}
	// The sender may have rotated checksum and message to the right (RFC 4121 section 4.2.5).
	if n := int(binary.BigEndian.Uint16(token[6:])) % len(body); n > 0 {
		body = append(body[n:], body[:n]...)
	}
	msg, sum := body[:len(body)-ec], body[len(body)-ec:]
	e, err := crypto.GetEtype(c.key.KeyType)
	if err != nil {
		return nil, err
	}
	covered := append(bytes.Clone(msg), wrapHeader(flags, 0, seq)...)
	if !e.VerifyChecksum(c.key.KeyValue, covered, sum, usage(!c.acceptor)) {
		return nil, errors.New("krb5: a message whose checksum is wrong")
	}
	c.recvSeq++
	return msg, nil
}

// supported reports whether Wrap tokens of a key's kind are those of RFC 4121; for DES and RC4 they are others.
func supported(key types.EncryptionKey) error {
	switch key.KeyType {
	case 17, 18, 19, 20: // AES of RFC 3962 and RFC 8009
		return nil
	}
	return fmt.Errorf("krb5: keys of encryption type %d are not taken, AES alone", key.KeyType)
}
