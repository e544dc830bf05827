package sasltls_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/sasl/sasltls"
)

// handshake returns the states of both ends.
func handshake(t testing.TB, server, client *tls.Config) (s, c tls.ConnectionState) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	ts, tc := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error, 1)
	go func() {
		err := ts.HandshakeContext(t.Context())
		if err == nil {
			_, err = ts.Write([]byte("x")) // with the session's tickets
		}
		done <- err
	}()
	require.NoError(t, tc.HandshakeContext(t.Context()))
	_, err := tc.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, <-done)
	return ts.ConnectionState(), tc.ConnectionState()
}

func TestBindings(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, resumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s resumed=%t", tls.VersionName(version), resumed), func(t *testing.T) {
				server, client := testkit.TLS("mail.example.test")
				server.MinVersion, server.MaxVersion = version, version
				client.ServerName = "mail.example.test"
				if resumed {
					client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					handshake(t, server, client)
				}
				ss, cs := handshake(t, server, client)
				require.Equal(t, resumed, ss.DidResume)
				own := sasltls.Certificate(server)
				require.NotNil(t, own)
				s, c := sasltls.Server(ss, own), sasltls.Client(cs)
				require.True(t, s.Encrypted && c.Encrypted)
				require.Equal(t, s.Bindings, c.Bindings, "both ends have the same")
				require.Len(t, s.Bindings.Exporter, 32)
				sum := sha256.Sum256(own.Raw)
				require.Equal(t, sum[:], s.Bindings.EndPoint)
				if version == tls.VersionTLS13 {
					require.Nil(t, s.Bindings.Unique, "RFC 9266 section 3: not of TLS 1.3")
				} else {
					require.Len(t, s.Bindings.Unique, 12)
				}
				require.Nil(t, s.PeerCertificates)

				// Another connection has others, but for the certificate's.
				ss, _ = handshake(t, server, client)
				other := sasltls.Server(ss, nil)
				require.NotEqual(t, s.Bindings.Exporter, other.Bindings.Exporter)
				require.Nil(t, other.Bindings.EndPoint)
			})
		}
	}
	require.Equal(t, sasl.Line{Encrypted: true}, sasltls.Client(tls.ConnectionState{}), "before the handshake")
}

// A client's certificate counts where TLS has verified it.
func TestPeerCertificates(t *testing.T) {
	cert := testkit.Certificate("ada")
	for mode, counts := range map[tls.ClientAuthType]bool{
		tls.NoClientCert: false, tls.RequestClientCert: false, tls.RequireAnyClientCert: false,
		tls.VerifyClientCertIfGiven: true, tls.RequireAndVerifyClientCert: true,
	} {
		server, client := testkit.TLS("mail.example.test")
		client.ServerName = "mail.example.test"
		client.Certificates = []tls.Certificate{cert}
		server.ClientAuth, server.ClientCAs = mode, testkit.Authority()
		ss, _ := handshake(t, server, client)
		line := sasltls.Server(ss, nil)
		if !counts {
			require.Empty(t, line.PeerCertificates, mode)
			continue
		}
		require.NotEmpty(t, line.PeerCertificates, mode)
		require.Equal(t, cert.Certificate[0], line.PeerCertificates[0].Raw)
	}
}

func TestCertificate(t *testing.T) {
	cert := testkit.Certificate("mail.example.test")
	bare := tls.Certificate{Certificate: cert.Certificate, PrivateKey: cert.PrivateKey}
	for name, config := range map[string]*tls.Config{
		"none": nil, "empty": {}, "two": {Certificates: []tls.Certificate{cert, cert}},
		"a function":        {Certificates: []tls.Certificate{cert}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }},
		"another's":         {Certificates: []tls.Certificate{cert}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }},
		"not a certificate": {Certificates: []tls.Certificate{{Certificate: [][]byte{{1}}}}},
		"no certificate":    {Certificates: []tls.Certificate{{}}},
	} {
		require.Nil(t, sasltls.Certificate(config), name)
	}
	for _, c := range []tls.Certificate{cert, bare} {
		require.Equal(t, cert.Certificate[0], sasltls.Certificate(&tls.Config{Certificates: []tls.Certificate{c}}).Raw)
	}
}

// RFC 5929 section 4.1.
func TestEndPoint(t *testing.T) {
	raw := []byte("a certificate")
	s256, s384, s512 := sha256.Sum256(raw), sha512.Sum384(raw), sha512.Sum512(raw)
	for algorithm, want := range map[x509.SignatureAlgorithm][]byte{
		x509.MD5WithRSA: s256[:], x509.SHA1WithRSA: s256[:], x509.ECDSAWithSHA1: s256[:], x509.SHA256WithRSA: s256[:],
		x509.SHA256WithRSAPSS: s256[:], x509.ECDSAWithSHA256: s256[:], x509.SHA384WithRSA: s384[:], x509.ECDSAWithSHA384: s384[:],
		x509.SHA384WithRSAPSS: s384[:], x509.SHA512WithRSA: s512[:], x509.ECDSAWithSHA512: s512[:], x509.SHA512WithRSAPSS: s512[:],
		x509.PureEd25519: nil, x509.UnknownSignatureAlgorithm: nil,
	} {
		require.Equal(t, want, sasltls.EndPoint(&x509.Certificate{Raw: raw, SignatureAlgorithm: algorithm}), algorithm)
	}
}

// A login by SCRAM whose channel is bound, by each binding.
func TestScramPlus(t *testing.T) {
	auth := &sasl.Auth{Secret: func(_ context.Context, user string) (string, error) {
		if user == "ada" {
			return "lovelace", nil
		}
		return "", sasl.ErrFailed
	}}
	for _, binding := range []string{"", sasl.BindExporter, sasl.BindUnique, sasl.BindEndPoint} {
		server, client := testkit.TLS("mail.example.test")
		server.MaxVersion = tls.VersionTLS12
		ss, cs := handshake(t, server, client)
		serverLine, clientLine := sasltls.Server(ss, sasltls.Certificate(server)), sasltls.Client(cs)
		clientLine.Offered = auth.Mechanisms(serverLine)
		login := func(clientLine sasl.Line) error {
			x, err := sasl.Begin(t.Context(), &sasl.Credentials{User: "ada", Password: "lovelace", Binding: binding}, clientLine)
			require.NoError(t, err)
			require.Equal(t, "SCRAM-SHA-512-PLUS", x.Mechanism)
			s, err := auth.Start(t.Context(), x.Mechanism, serverLine)
			require.NoError(t, err)
			challenge, _, err := s.Next(x.Initial)
			require.NoError(t, err)
			response, err := x.Next(challenge)
			require.NoError(t, err)
			challenge, done, err := s.Next(response)
			if err != nil {
				return err
			}
			require.True(t, done)
			_, err = x.Next(challenge)
			require.NoError(t, err)
			return x.Done()
		}
		require.NoError(t, login(clientLine))

		// Somebody between them has two connections.
		_, cs = handshake(t, server, client)
		between := sasltls.Client(cs)
		between.Offered, between.Bindings.EndPoint = clientLine.Offered, []byte("another certificate")
		require.ErrorIs(t, login(between), sasl.ErrFailed, binding)
	}
}

func ExampleClient() {
	login := func(ctx context.Context, conn *tls.Conn, offered []string) (*sasl.Attempt, error) {
		line := sasltls.Client(conn.ConnectionState())
		line.Service, line.Host, line.Offered = "sieve", "mail.example.org", offered
		return sasl.Begin(ctx, &sasl.Credentials{User: "ada", Password: "lovelace"}, line)
	}
	_ = login
}

func ExampleServer() {
	config := &tls.Config{} // with one certificate
	start := func(ctx context.Context, conn *tls.Conn, auth *sasl.Auth, mechanism string) (sasl.Server, error) {
		line := sasltls.Server(conn.ConnectionState(), sasltls.Certificate(config))
		line.Service, line.Remote = "sieve", conn.RemoteAddr().String()
		return auth.Start(ctx, mechanism, line)
	}
	_ = start
}
