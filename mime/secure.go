package mime

// PGP and S/MIME structures recognised: RFC 1847, RFC 3156, RFC 8551, and PGP blocks within text. Nothing is verified or
// deciphered here; the octets to do it with are given.

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// SecurityKind is a way of signing or enciphering.
type SecurityKind uint8

// The ways that Part.Security recognises.
const (
	SecurityMultipartSigned    SecurityKind = iota + 1 // multipart/signed of another protocol than the two below
	SecurityPGPSigned                                  // multipart/signed, RFC 3156 section 5
	SecuritySMIMESigned                                // multipart/signed, RFC 8551 section 3.5.3
	SecurityMultipartEncrypted                         // multipart/encrypted of another protocol than PGP
	SecurityPGPEncrypted                               // multipart/encrypted, RFC 3156 section 4
	SecuritySMIME                                      // application/pkcs7-mime, RFC 8551 section 3.2; SMIMEType says which
	SecurityPGPKeys                                    // application/pgp-keys, RFC 3156 section 7
	SecurityPGPInline                                  // text that has PGP blocks; by its media type alone (application/pgp)
)

var securityNames = [...]string{"", "multipart/signed", "PGP signed", "S/MIME signed", "multipart/encrypted", "PGP encrypted", "S/MIME", "PGP keys", "PGP inline"}

func (k SecurityKind) String() string {
	if int(k) < len(securityNames) {
		return securityNames[k]
	}
	return "SecurityKind(" + strconv.Itoa(int(k)) + ")"
}

// Security describes a signed or enciphered part.
type Security struct {
	Kind SecurityKind
	// Protocol is the protocol parameter, in lower case; of a single part its media type.
	Protocol string
	// MICAlg is the micalg parameter's algorithms, in lower case ("pgp-sha256", "sha-256"). It is what the sender says: the
	// signature itself is to be believed.
	MICAlg []string
	// SMIMEType is the smime-type parameter in lower case: enveloped-data, signed-data, certs-only, compressed-data,
	// authEnveloped-data (as "authenveloped-data"); guessed from the file name where it is missing (RFC 8551 section 3.2.1).
	SMIMEType string

	// Signed is the part that is signed and Signature the part with its signature; nil where they are missing. See SignedReader.
	Signed, Signature *Part
	// Control is the part that says "Version: 1" of multipart/encrypted, and Data the part with the enciphered octets (of
	// SecuritySMIME and SecurityPGPKeys, the part itself).
	Control, Data *Part
}

// Security tells whether p itself is a signed or enciphered structure, and which. Parts that stand in it are not looked at: use
// All to find them. Structures whose type is right and whose parts are not as they should be are recognised, with nil for
// what is missing; a verifier must take them as not verified.
func (p *Part) Security() (s Security, ok bool) {
	ct := p.ContentType()
	param := func(name string) string {
		v, _ := ct.Params.Get(name)
		return strings.ToLower(strings.TrimSpace(v))
	}
	switch mt := ct.MediaType(); mt {
	case "multipart/signed":
		s = Security{Kind: SecurityMultipartSigned, Protocol: param("protocol")}
		for _, a := range strings.Split(param("micalg"), ",") {
			if a = strings.TrimSpace(a); a != "" {
				s.MICAlg = append(s.MICAlg, a)
			}
		}
		if len(p.Children) > 0 {
			s.Signed = p.Children[0]
		}
		if len(p.Children) > 1 {
			s.Signature = p.Children[1]
			if s.Protocol == "" {
				s.Protocol = s.Signature.ContentType().MediaType()
			}
		}
		switch s.Protocol {
		case "application/pgp-signature":
			s.Kind = SecurityPGPSigned
		case "application/pkcs7-signature", "application/x-pkcs7-signature":
			s.Kind = SecuritySMIMESigned
		}
		return s, true
	case "multipart/encrypted":
		s = Security{Kind: SecurityMultipartEncrypted, Protocol: param("protocol")}
		if len(p.Children) > 0 {
			s.Control = p.Children[0]
			if s.Protocol == "" {
				s.Protocol = s.Control.ContentType().MediaType()
			}
		}
		if len(p.Children) > 1 {
			s.Data = p.Children[1]
		}
		if s.Protocol == "application/pgp-encrypted" {
			s.Kind = SecurityPGPEncrypted
		}
		return s, true
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		s = Security{Kind: SecuritySMIME, Protocol: mt, SMIMEType: param("smime-type"), Data: p}
		if s.SMIMEType == "" {
			switch name := strings.ToLower(p.Filename()); {
			case strings.HasSuffix(name, ".p7c"):
				s.SMIMEType = "certs-only"
			case strings.HasSuffix(name, ".p7z"):
				s.SMIMEType = "compressed-data"
			case strings.HasSuffix(name, ".p7s"):
				s.SMIMEType = "signed-data"
			}
		}
		return s, true
	case "application/pgp-keys":
		return Security{Kind: SecurityPGPKeys, Protocol: mt, Data: p}, true
	case "application/pgp":
		return Security{Kind: SecurityPGPInline, Protocol: mt, Data: p}, true
	case "application/octet-stream":
		// Gateways that take the type away leave the name (RFC 8551 section 3.2.1).
		switch name := strings.ToLower(p.Filename()); {
		case strings.HasSuffix(name, ".p7m"):
			return Security{Kind: SecuritySMIME, Protocol: "application/pkcs7-mime", Data: p}, true
		}
	}
	return Security{}, false
}

// Encrypted tells whether the structure hides its content.
func (s *Security) Encrypted() bool {
	switch s.Kind {
	case SecurityMultipartEncrypted, SecurityPGPEncrypted:
		return true
	case SecuritySMIME:
		return s.SMIMEType == "enveloped-data" || s.SMIMEType == "authenveloped-data"
	}
	return false
}

// SignedReader returns a reader of exactly the octets that the signature of a multipart/signed is of: header and body of its
// first part as they stand, with line endings made CRLF (RFC 1847 section 2.1, RFC 3156 section 5), without the line ending before the
// delimiter. m holds the message. It is empty where there is no such part.
func (s *Security) SignedReader(m io.ReaderAt) io.Reader {
	if s.Signed == nil {
		return bytes.NewReader(nil)
	}
	return &crlfReader{r: s.Signed.Whole().Reader(m)}
}

// crlfReader makes each LF that has no CR before it CRLF. A lone CR passes.
type crlfReader struct {
	r    io.Reader
	in   [4096]byte
	i, n int
	cr   bool
	lf   bool // an LF is due behind the CR that was added
	err  error
}

func (c *crlfReader) Read(p []byte) (int, error) {
	out := 0
	for out < len(p) {
		if c.lf {
			c.lf, c.cr = false, false
			p[out] = '\n'
			out++
			continue
		}
		if c.i == c.n {
			if out > 0 {
				break
			}
			if c.err != nil {
				return 0, c.err
			}
			c.n, c.err = c.r.Read(c.in[:])
			c.i = 0
			continue
		}
		b := c.in[c.i]
		c.i++
		if b == '\n' && !c.cr {
			b = '\r'
			c.lf = true
		}
		c.cr = b == '\r'
		p[out] = b
		out++
	}
	return out, nil
}

// pgpBegin reads "-----BEGIN PGP name-----". kind is 0 if the line is none.
func pgpBegin(line []byte) (kind EmbeddedKind, name string) {
	s, ok := bytes.CutPrefix(line, []byte("-----BEGIN PGP "))
	if !ok {
		return 0, ""
	}
	s, ok = bytes.CutSuffix(bytes.TrimRight(s, " \t"), []byte("-----"))
	if !ok || len(s) == 0 || len(s) > 60 {
		return 0, ""
	}
	for _, c := range s {
		if c < ' ' || c > '~' {
			return 0, ""
		}
	}
	name = string(s)
	switch {
	case name == "MESSAGE" || strings.HasPrefix(name, "MESSAGE, PART "):
		return EmbeddedPGPMessage, name
	case name == "SIGNED MESSAGE":
		return EmbeddedPGPSigned, name
	case name == "SIGNATURE":
		return EmbeddedPGPSignature, name
	case name == "PUBLIC KEY BLOCK":
		return EmbeddedPGPPublicKey, name
	case name == "PRIVATE KEY BLOCK" || name == "SECRET KEY BLOCK":
		return EmbeddedPGPPrivateKey, name
	}
	return EmbeddedPGPOther, name
}
