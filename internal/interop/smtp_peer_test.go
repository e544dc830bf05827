//go:build interop

package interop

// Our SMTP server with everything that it offers, in the test's own process,
// as other programs' clients find it.

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// peer keeps what it is sent. It refuses recipients whose names begin with
// "nobody" for good and with "full" for now; those that begin with "late" it
// takes, and says at the end of the message that it does not.
type peer struct {
	*smtptest.Server
	port, tlsPort string
	// Files of ada's certificate and key, and of the authority that made it
	// and the server's.
	cert, key, ca string
	trace         *lockedBuffer

	mu         sync.Mutex
	mechanisms []string // of successful logins
}

func startPeer(t *testing.T, change ...func(*smtptest.Server)) *peer {
	t.Helper()
	p := &peer{Server: smtptest.NewUnstartedServer(t), trace: &lockedBuffer{}}
	dir := openDir(t)
	p.cert, p.key, p.ca = keyPair(t, dir, "ada")
	require.NoError(t, os.Chmod(p.ca, 0o644))
	p.Timeout = time.Minute
	p.Rcpt = func(to smtp.Path) error {
		switch {
		case strings.HasPrefix(to.Local, "nobody"):
			return smtp.Errorf(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")
		case strings.HasPrefix(to.Local, "full"):
			return smtp.Errorf(452, smtp.EnhancedCode{4, 2, 2}, "the mailbox is full")
		}
		return nil
	}
	c := p.Config
	c.Middleware = []smtpserver.Middleware{func(s smtpserver.Session) smtpserver.Session { return &late{s, p.Server} }}
	c.TLSConfig, _ = testkit.TLS("localhost", "127.0.0.1")
	c.TLSConfig.ClientAuth, c.TLSConfig.ClientCAs = tls.VerifyClientCertIfGiven, testkit.Authority()
	c.Trace = p.trace
	c.Auth = &sasl.Auth{
		Hostname: "localhost",
		Secret: func(_ context.Context, user string) (string, error) {
			if user, _, _ := strings.Cut(user, "@"); user == "ada" {
				return password, nil
			}
			return "", sasl.ErrFailed
		},
		Token: func(_ context.Context, x sasl.BearerToken) (string, error) {
			if x.Token == token {
				return "ada", nil
			}
			return "", sasl.ErrFailed
		},
		Certificate: func(_ context.Context, chain []*x509.Certificate) (string, error) {
			return chain[0].Subject.CommonName, nil
		},
		Authorize: func(context.Context, string, string) error { return nil },
		After: func(_ context.Context, claim sasl.Claim, err error) {
			if err == nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.mechanisms = append(p.mechanisms, claim.Mechanism)
			}
		},
	}
	for _, f := range change {
		f(p.Server)
	}
	p.Start()
	_, p.port, _ = net.SplitHostPort(p.Addr)
	_, p.tlsPort, _ = net.SplitHostPort(p.TLSAddr)
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(p.trace.String(), "\n")
			t.Logf("our server's conversations:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	return p
}

const token = "a-token-that-is-right"

// mechanism is that of the last login.
func (p *peer) mechanism() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mechanisms) == 0 {
		return ""
	}
	return p.mechanisms[len(p.mechanisms)-1]
}

// one is the only message that came since the last Clear.
func (p *peer) one(t *testing.T) *smtptest.Message {
	t.Helper()
	got := p.Wait(1)
	require.Len(t, got, 1)
	p.Clear()
	return got[0]
}

// late refuses single recipients after the message.
type late struct {
	smtpserver.Session
	s *smtptest.Server
}

func (l *late) Capabilities() smtpserver.Capabilities { return l.s.Capabilities }

func (l *late) Helo(ctx context.Context, name string) error {
	return l.Session.(smtpserver.HeloHandler).Helo(ctx, name)
}

func (l *late) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	res, err := l.Session.Data(ctx, env, r)
	if err != nil {
		return res, err
	}
	res = &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}
	for i, to := range env.To {
		if strings.HasPrefix(to.Path.Local, "late") {
			res.Recipients[i].Err = smtp.Errorf(552, smtp.EnhancedCode{5, 2, 2}, "the mailbox became full")
		}
	}
	return res, nil
}

// addresses are a message's recipients.
func addresses(m *smtptest.Message) (list []string) {
	for _, to := range m.Envelope.To {
		list = append(list, to.Path.String())
	}
	return list
}

// untraced is a message without the fields that servers put before it.
func untraced(data []byte) string {
	_, rest, _ := strings.Cut("\r\n"+string(data), "\r\nDate: Fri, 21 Nov 1997")
	return "Date: Fri, 21 Nov 1997" + rest
}

const (
	largeLine  = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ........\r\n"
	largeLines = 50 << 20 / len(largeLine)
)

// large is a message of 50 MB.
func large() io.Reader {
	header, _, _ := strings.Cut(letter, "\r\n\r\n")
	return io.MultiReader(strings.NewReader(header+"\r\n\r\n"), &repeated{line: "." + largeLine, n: 1}, &repeated{line: largeLine, n: int64(largeLines)})
}

var largeSum = sync.OnceValue(func() string { return sum(large()) })

func sum(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d octets, %x, %v", n, h.Sum(nil), err)
}

// manyRecipients are 1000 addresses.
func manyRecipients(domain string) (list []string) {
	for i := range 1000 {
		list = append(list, fmt.Sprintf("user%04d@%s", i, domain))
	}
	return list
}
