package imaptest_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestMemory(t *testing.T) {
	imaptest.TestBackend(t, func(t *testing.T) imapserver.Backend {
		m := imaptest.NewMemory()
		m.AddUser(imaptest.User, imaptest.Password)
		return m
	})
}

// With next to no history the server compares mailboxes.
func TestMemoryForgetful(t *testing.T) {
	imaptest.TestBackend(t, func(t *testing.T) imapserver.Backend {
		m := imaptest.NewMemory()
		m.History = 3
		m.AddUser(imaptest.User, imaptest.Password)
		return m
	})
}

func talk(t *testing.T, conn net.Conn, input string) string {
	t.Helper()
	defer conn.Close()
	_, err := io.WriteString(conn, input)
	require.NoError(t, err)
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(b)
}

func TestNewServer(t *testing.T) {
	s := imaptest.NewServer(t, nil, func(s *imapserver.Server) { s.Greeting = "hello" })
	uid, err := s.Memory.Deliver(imaptest.User, "inbox", "Subject: x\r\n\r\n", imap.FlagSeen)
	require.NoError(t, err)
	assert.EqualValues(t, 1, uid)
	_, err = s.Memory.Deliver(imaptest.User, "nowhere", "")
	assert.ErrorIs(t, err, imap.ErrNoMailbox)
	_, err = s.Memory.Deliver("nobody", "INBOX", "")
	assert.Error(t, err)
	require.NoError(t, s.Memory.Create(imaptest.User, "a/b", imap.AttrSent))

	const input = "a LOGIN user secret\r\nb LIST \"\" *\r\nc STATUS INBOX (MESSAGES UNSEEN)\r\nd LOGOUT\r\n"
	plain, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	out := talk(t, plain, input)
	assert.Contains(t, out, "] hello\r\n")
	assert.Contains(t, out, "* LIST (\\Sent \\HasNoChildren) \"/\" a/b\r\n")
	assert.Contains(t, out, "* STATUS INBOX (MESSAGES 1 UNSEEN 0)\r\n")
	for _, name := range []string{"localhost", "127.0.0.1"} {
		c, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{RootCAs: s.Pool, ServerName: name})
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(talk(t, c, input), "d OK LOGOUT completed\r\n"))
	}
}
