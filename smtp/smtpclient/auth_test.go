package smtpclient_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// Success that the server did not prove its right to say is none.
func TestUnprovedSuccess(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	digest := b64([]byte(`realm="x",nonce="n",qop="auth",algorithm=md5-sess,charset=utf-8`))
	for mechanism, text := range map[string]string{
		"SCRAM-SHA-256": "C: AUTH SCRAM-SHA-256 {{first=[A-Za-z0-9+/=]+}}\nS: 235 ok\n--- client close ---\n",
		"DIGEST-MD5":    "C: AUTH DIGEST-MD5\nS: 334 " + digest + "\nC: {{re:[A-Za-z0-9+/=]+}}\nS: 235 ok\n--- client close ---\n",
		"CRAM-MD5":      "C: AUTH CRAM-MD5\nS: 235 ok\n--- client close ---\n",
		"NTLM":          "C: AUTH NTLM {{first=[A-Za-z0-9+/=]+}}\nS: 235 ok\n--- client close ---\n",
	} {
		t.Run(mechanism, func(t *testing.T) {
			o := options()
			o.Auth = &sasl.Credentials{User: "tim", Password: "tanstaaf", Only: []string{mechanism}}
			_, err := connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH "+mechanism+"\n"+text, o)
			require.ErrorIs(t, err, sasl.ErrProtocol)
		})
	}
	// A wrong proof, and a cancelled exchange that is called a success.
	o := options()
	o.Auth = &sasl.Credentials{User: "tim", Password: "tanstaaf"}
	_, err := connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH DIGEST-MD5\nC: AUTH DIGEST-MD5\nS: 334 "+digest+
		"\nC: {{re:[A-Za-z0-9+/=]+}}\nS: 334 "+b64([]byte("rspauth=00000000000000000000000000000000"))+"\nC: *\nS: 235 ok\n--- client close ---\n", o)
	require.ErrorIs(t, err, sasl.ErrFailed)
	// What is not base64 is not taken for a challenge.
	_, err = connect(t, "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 AUTH CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 <1@x>\nC: *\nS: 501 cancelled\n--- client close ---\n", o)
	require.ErrorIs(t, err, sasl.ErrProtocol)
}
