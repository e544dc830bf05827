package krb5

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailwire/mailwire/sasl"
)

// Acceptor takes contexts with the keys of a service. It is a sasl.GSSAcceptor.
type Acceptor struct {
	Keytab *keytab.Keytab
	// MaxSkew is by how much a client's clock may differ, 5 minutes when zero.
	MaxSkew time.Duration
}

// Accept begins a context; the ticket must be for the named service.
func (a *Acceptor) Accept(name string, bindings []byte) (sasl.GSSContext, error) {
	if a.Keytab == nil {
		return nil, errors.New("krb5: no keytab")
	}
	skew := a.MaxSkew
	if skew <= 0 {
		skew = 5 * time.Minute
	}
	return &acceptorContext{settings: service.NewSettings(a.Keytab, service.MaxClockSkew(skew), service.DecodePAC(false)), service: name, bindings: bindings}, nil
}

type acceptorContext struct {
	settings *service.Settings
	service  string
	bindings []byte
	tried    bool
	channel  *channel
	peer     string
}

func (c *acceptorContext) Peer() string { return c.peer }

func (c *acceptorContext) Step(token []byte) ([]byte, bool, error) {
	if c.tried {
		return nil, false, errToken
	}
	c.tried = true
	id, msg, err := unframe(token)
	if err != nil || id != tokenAPReq {
		return nil, false, errToken
	}
	var req messages.APReq
	if err := req.Unmarshal(msg); err != nil {
		return nil, false, errToken
	}
	if names := req.Ticket.SName.NameString; c.service != "" && (len(names) != 2 || !strings.EqualFold(names[0], c.service)) {
		return nil, false, fmt.Errorf("krb5: a ticket for %q, not for the service %q", req.Ticket.SName.PrincipalNameString(), c.service)
	}
	ok, _, err := service.VerifyAPREQ(&req, c.settings)
	if err != nil {
		return nil, false, fmt.Errorf("krb5: %w", err)
	}
	ticket, auth := &req.Ticket.DecryptedEncPart, &req.Authenticator
	if !ok || auth.CRealm != ticket.CRealm {
		return nil, false, errors.New("krb5: the authenticator is not of the ticket")
	}
	sum := auth.Cksum.Checksum
	if auth.Cksum.CksumType != chksumtype.GSSAPI || len(sum) < 24 || binary.LittleEndian.Uint32(sum) != 16 {
		return nil, false, errToken
	}
	if want := bindingsHash(c.bindings); c.bindings != nil && !hmac.Equal(sum[4:20], want[:]) {
		return nil, false, errors.New("krb5: the channel bindings differ")
	}
	key := ticket.Key
	if len(auth.SubKey.KeyValue) > 0 {
		key = auth.SubKey
	}
	if err := supported(key); err != nil {
		return nil, false, err
	}
	c.peer = ticket.CName.PrincipalNameString() + "@" + ticket.CRealm
	ch := &channel{key: key, acceptor: true, recvSeq: uint64(uint32(auth.SeqNumber)), sendSeq: uint64(uint32(auth.SeqNumber))}
	if binary.LittleEndian.Uint32(sum[20:])&flagMutual == 0 {
		c.channel = ch
		return nil, true, nil
	}
	out, err := c.reply(&req)
	if err != nil {
		return nil, false, err
	}
	c.channel = ch
	return out, true, nil
}

// reply makes AP-REP (RFC 4120 section 5.5.2). Its sequence number is the initiator's, which is random.
func (c *acceptorContext) reply(req *messages.APReq) ([]byte, error) {
	plain, err := asn1.Marshal(struct {
		CTime          time.Time `asn1:"generalized,explicit,tag:0"`
		Cusec          int       `asn1:"explicit,tag:1"`
		SequenceNumber int64     `asn1:"optional,explicit,tag:3"`
	}{req.Authenticator.CTime.UTC().Truncate(time.Second), req.Authenticator.Cusec, req.Authenticator.SeqNumber})
	if err != nil {
		return nil, err
	}
	session := req.Ticket.DecryptedEncPart.Key
	part, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(struct {
		PVNO    int                 `asn1:"explicit,tag:0"`
		MsgType int                 `asn1:"explicit,tag:1"`
		EncPart types.EncryptedData `asn1:"explicit,tag:2"`
	}{iana.PVNO, msgtype.KRB_AP_REP, part})
	if err != nil {
		return nil, err
	}
	return frame(tokenAPRep, asn1tools.AddASNAppTag(der, asnAppTag.APREP)), nil
}

func (c *acceptorContext) Wrap(msg []byte) ([]byte, error) {
	if c.channel == nil {
		return nil, errNotEstablished
	}
	return c.channel.wrap(msg)
}

func (c *acceptorContext) Unwrap(token []byte) ([]byte, error) {
	if c.channel == nil {
		return nil, errNotEstablished
	}
	return c.channel.unwrap(token)
}
