// Package krb5 gives package sasl its Kerberos contexts, with the tickets and keys of github.com/jcmturner/gokrb5.
//
// Keys are AES's alone. Credentials are not delegated and messages are not sealed, since SASL is used under TLS.
package krb5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailwire/mailwire/sasl"
)

// Initiator begins contexts with the tickets of Client. It is a sasl.GSSInitiator.
type Initiator struct {
	Client *client.Client
}

// Initiate gets a ticket for the service from the KDC, unless Client has one.
func (i *Initiator) Initiate(target string, bindings []byte) (sasl.GSSContext, error) {
	service, host, ok := strings.Cut(target, "@")
	if !ok || service == "" || host == "" {
		return nil, fmt.Errorf("krb5: %q is no service@host", target)
	}
	ticket, key, err := i.Client.GetServiceTicket(service + "/" + strings.ToLower(host))
	if err != nil {
		return nil, err
	}
	if err := supported(key); err != nil {
		return nil, err
	}
	return &initiatorContext{client: i.Client, ticket: ticket, session: key, bindings: bindings}, nil
}

type initiatorContext struct {
	client   *client.Client
	ticket   messages.Ticket
	session  types.EncryptionKey
	bindings []byte
	auth     types.Authenticator
	asked    bool
	channel  *channel
}

func (c *initiatorContext) Peer() string {
	return c.client.Credentials.CName().PrincipalNameString() + "@" + c.client.Credentials.Realm()
}

func (c *initiatorContext) Step(token []byte) ([]byte, bool, error) {
	switch {
	case !c.asked:
		c.asked = true
		out, err := c.request()
		return out, false, err
	case c.channel != nil:
		return nil, false, errToken
	}
	id, msg, err := unframe(token)
	if err != nil {
		return nil, false, err
	}
	switch id {
	case tokenAPRep:
		if err := c.reply(msg); err != nil {
			return nil, false, err
		}
		return nil, true, nil
	case tokenError:
		var e messages.KRBError
		if err := e.Unmarshal(msg); err != nil {
			return nil, false, errToken
		}
		return nil, false, fmt.Errorf("krb5: the server refuses: %w", e)
	}
	return nil, false, errToken
}

// request is the initial token (RFC 4121 section 4.1): AP-REQ, with mutual authentication asked for.
func (c *initiatorContext) request() ([]byte, error) {
	creds := c.client.Credentials
	auth, err := types.NewAuthenticator(creds.Domain(), creds.CName())
	if err != nil {
		return nil, err
	}
	e, err := crypto.GetEtype(c.session.KeyType)
	if err != nil {
		return nil, err
	}
	if err := auth.GenerateSeqNumberAndSubKey(c.session.KeyType, e.GetKeyByteSize()); err != nil {
		return nil, err
	}
	sum := binary.LittleEndian.AppendUint32(nil, 16)
	if c.bindings != nil {
		h := bindingsHash(c.bindings)
		sum = append(sum, h[:]...)
	} else {
		sum = append(sum, make([]byte, 16)...)
	}
	sum = binary.LittleEndian.AppendUint32(sum, flagMutual|flagReplay|flagSequence|flagInteg)
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := messages.NewAPReq(c.ticket, c.session, auth)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	der, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	c.auth = auth
	return frame(tokenAPReq, der), nil
}

// reply checks AP-REP, by which the acceptor proves to have the service's key (RFC 4120 section 3.2.5).
func (c *initiatorContext) reply(der []byte) error {
	var rep messages.APRep
	if err := rep.Unmarshal(der); err != nil {
		return errToken
	}
	plain, err := crypto.DecryptEncPart(rep.EncPart, c.session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return errors.New("krb5: the server does not have the service's key")
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		return errToken
	}
	if part.CTime.Unix() != c.auth.CTime.Unix() || part.Cusec != c.auth.Cusec {
		return errors.New("krb5: the server's reply is to another request")
	}
	ch := &channel{key: c.auth.SubKey, sendSeq: uint64(uint32(c.auth.SeqNumber)), recvSeq: uint64(uint32(part.SequenceNumber))}
	if len(part.Subkey.KeyValue) > 0 {
		ch.key, ch.subkey = part.Subkey, true
	}
	if err := supported(ch.key); err != nil {
		return err
	}
	c.channel = ch
	return nil
}

func (c *initiatorContext) Wrap(msg []byte) ([]byte, error) {
	if c.channel == nil {
		return nil, errNotEstablished
	}
	return c.channel.wrap(msg)
}

func (c *initiatorContext) Unwrap(token []byte) ([]byte, error) {
	if c.channel == nil {
		return nil, errNotEstablished
	}
	return c.channel.unwrap(token)
}

var errNotEstablished = errors.New("krb5: the context is not established")
