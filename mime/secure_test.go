package mime

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecurity(t *testing.T) {
	signed := func(params string, parts ...string) string {
		return strings.Replace(multi("signed", "S", parts...), "boundary=", params+"boundary=", 1)
	}
	for _, c := range []struct {
		name, msg       string
		kind            SecurityKind
		protocol, mical string
		smime           string
		signed, sig     string
		control, data   string
		encrypted       bool
	}{
		{"PGP", signed(`micalg=PGP-SHA256; protocol="Application/PGP-Signature"; `, leaf("text/plain", "t"), leaf("application/pgp-signature", "s")),
			SecurityPGPSigned, "application/pgp-signature", "pgp-sha256", "", "t", "s", "", "", false},
		{"S/MIME", signed(`micalg="sha-256, sha-512"; protocol="application/pkcs7-signature"; `, leaf("text/plain", "t"), leaf("application/pkcs7-signature", "s")),
			SecuritySMIMESigned, "application/pkcs7-signature", "sha-256,sha-512", "", "t", "s", "", "", false},
		{"without protocol", signed("", leaf("text/plain", "t"), leaf("application/x-pkcs7-signature", "s")),
			SecuritySMIMESigned, "application/x-pkcs7-signature", "", "", "t", "s", "", "", false},
		{"another", signed("protocol=x/y; ", leaf("text/plain", "t"), leaf("x/y", "s")), SecurityMultipartSigned, "x/y", "", "", "t", "s", "", "", false},
		{"signature missing", signed("protocol=application/pgp-signature; ", leaf("text/plain", "t")), SecurityPGPSigned, "application/pgp-signature", "", "", "t", "", "", "", false},
		{"encrypted", strings.Replace(multi("encrypted", "E", leaf("application/pgp-encrypted", "v"), leaf("application/octet-stream", "d")), "boundary=", "protocol=\"application/pgp-encrypted\"; boundary=", 1),
			SecurityPGPEncrypted, "application/pgp-encrypted", "", "", "", "", "v", "d", true},
		{"encrypted otherwise", multi("encrypted", "E", leaf("application/x-own", "v")), SecurityMultipartEncrypted, "application/x-own", "", "", "", "", "v", "", true},
		{"enveloped", leaf("application/pkcs7-mime; smime-type=Enveloped-Data; name=smime.p7m", "x"), SecuritySMIME, "application/pkcs7-mime", "", "enveloped-data", "", "", "", "x", true},
		{"auth-enveloped", leaf("application/pkcs7-mime; smime-type=authEnveloped-data", "x"), SecuritySMIME, "application/pkcs7-mime", "", "authenveloped-data", "", "", "", "x", true},
		{"opaque", leaf("application/x-pkcs7-mime; smime-type=signed-data", "x"), SecuritySMIME, "application/x-pkcs7-mime", "", "signed-data", "", "", "", "x", false},
		{"certificates", leaf("application/pkcs7-mime; name=smime.p7c", "x"), SecuritySMIME, "application/pkcs7-mime", "", "certs-only", "", "", "", "x", false},
		{"compressed", leaf("application/pkcs7-mime", "x", "Content-Disposition: attachment; filename=smime.p7z\n"), SecuritySMIME, "application/pkcs7-mime", "", "compressed-data", "", "", "", "x", false},
		{"type lost", leaf("application/octet-stream; name=SMIME.P7M", "x"), SecuritySMIME, "application/pkcs7-mime", "", "", "", "", "", "x", false},
		{"keys", leaf("application/pgp-keys", "x"), SecurityPGPKeys, "application/pgp-keys", "", "", "", "", "", "x", false},
		{"old PGP", leaf("application/pgp", "x"), SecurityPGPInline, "application/pgp", "", "", "", "", "", "x", false},
		{"text", leaf("text/plain", "x"), 0, "", "", "", "", "", "", "", false},
		{"octets", leaf("application/octet-stream; name=a.bin", "x"), 0, "", "", "", "", "", "", "", false},
	} {
		s, ok := ParseBytes([]byte(c.msg), nil).Security()
		assert.Equal(t, c.kind != 0, ok, c.name)
		assert.Equal(t, c.kind, s.Kind, c.name)
		assert.Equal(t, c.protocol, s.Protocol, c.name)
		assert.Equal(t, c.mical, strings.Join(s.MICAlg, ","), c.name)
		assert.Equal(t, c.smime, s.SMIMEType, c.name)
		id := func(p *Part) string {
			if p == nil {
				return ""
			}
			return p.ContentID()
		}
		assert.Equal(t, []string{c.signed, c.sig, c.control, c.data}, []string{id(s.Signed), id(s.Signature), id(s.Control), id(s.Data)}, c.name)
		assert.Equal(t, c.encrypted, s.Encrypted(), c.name)
	}
	assert.Equal(t, "S/MIME", SecuritySMIME.String())
	assert.Equal(t, "SecurityKind(99)", SecurityKind(99).String())
}

func TestSignedReader(t *testing.T) {
	inner := "Content-Type: multipart/mixed; boundary=i\r\n\r\npre\r\n--i\r\n\r\ntext  \r\n\r\n--i--\r\nepilogue\r\n"
	msg := "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\r\n\r\nignored\r\n--b\r\n" + inner + "\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n"
	for _, m := range []string{msg, strings.ReplaceAll(msg, "\r\n", "\n")} {
		s, ok := ParseBytes([]byte(m), nil).Security()
		require.True(t, ok)
		assert.Equal(t, inner, readText(t, s.SignedReader(strings.NewReader(m))))
		assert.Equal(t, inner, readText(t, iotest.OneByteReader(s.SignedReader(strings.NewReader(m)))))
	}
	assert.Equal(t, "", readText(t, (&Security{}).SignedReader(strings.NewReader(""))))
	for in, out := range map[string]string{"a\rb\n\nc\r\n\r\r\nd\r": "a\rb\r\n\r\nc\r\n\r\r\nd\r", "": ""} {
		assert.Equal(t, out, readText(t, &crlfReader{r: strings.NewReader(in)}))
		b, err := io.ReadAll(iotest.OneByteReader(&crlfReader{r: iotest.OneByteReader(strings.NewReader(in))}))
		assert.NoError(t, err)
		assert.Equal(t, out, string(b))
	}
}
