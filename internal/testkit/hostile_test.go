package testkit_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

func TestHostile(t *testing.T) {
	conn, h := testkit.HostileServer(t, 100, func(h *testkit.Hostile) {
		h.Say("* OK hi\r\n")
		h.Answer("{tag} OK {tag}\r\n")
		h.Repeat("ab\r\n", 10_001)
		assert.Equal(t, "a2 STARTTLS", h.ReadLine())
		h.Say("{tag} OK go\r\n")
		h.StartTLS()
		h.Answer("{tag} OK in TLS\r\n")
		h.Repeat("x\r\n", -1)
		assert.True(t, h.Gone())
		assert.Empty(t, h.ReadLine())
		h.Say("x")
		h.Slowly("x", time.Hour)
		h.StartTLS()
		h.Stall()
	})
	r := bufio.NewReader(conn)
	line := func() string {
		s, err := r.ReadString('\n')
		require.NoError(t, err)
		return s
	}
	require.Equal(t, "* OK hi\r\n", line())
	_, err := io.WriteString(conn, "a1 NOOP\r\n")
	require.NoError(t, err)
	require.Equal(t, "a1 OK a1\r\n", line())
	for range 10_001 {
		require.Equal(t, "ab\r\n", line())
	}
	_, err = io.WriteString(conn, "a2 STARTTLS\r\n")
	require.NoError(t, err)
	require.Equal(t, "a2 OK go\r\n", line())
	_, cfg := testkit.TLS()
	tc := tls.Client(conn, cfg)
	_, err = io.WriteString(tc, "a3 NOOP\r\n")
	require.NoError(t, err)
	r = bufio.NewReader(tc)
	require.Equal(t, "a3 OK in TLS\r\n", line())
	require.Equal(t, "x\r\n", line())
	require.True(t, strings.HasPrefix(h.Received(), "a1 NOOP\r\na2 STARTTLS\r\n"), "%q", h.Received())
	require.True(t, strings.HasSuffix(h.Received(), "a3 NOOP\r\n"))
	require.NoError(t, conn.Close())
}

func TestHostileIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		conn, _ := testkit.HostileServer(t, 0, func(h *testkit.Hostile) {
			h.Slowly("abc", time.Minute)
			h.Deaf(time.Hour)
		})
		b, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "abc", string(b))
		assert.Equal(t, time.Hour+3*time.Minute, time.Since(begin))
	})
}

// Every attack ends when its client has gone.
func TestIMAPAttacksEnd(t *testing.T) {
	for _, a := range testkit.IMAPAttacks() {
		t.Run(a.ID+" "+a.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, _ := testkit.HostileServer(t, 0, a.Serve)
				// Some are over before they are spoken to.
				_, _ = io.WriteString(conn, "a1 NOOP\r\n")
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
				_, _ = conn.Read(make([]byte, 10))
				require.NoError(t, conn.Close())
			})
		})
	}
}
