package netconn_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/testkit"
)

// traced plays lines against a traced server Conn: those of the client are
// consumed one by one, those of the server written.
func traced(t *testing.T, script ...string) string {
	t.Helper()
	var out bytes.Buffer
	c, client := pair(t, netconn.Options{Server: true, Trace: netconn.TraceWriter(&out, "")})
	for _, l := range script {
		if text, ok := strings.CutPrefix(l, "C: "); ok {
			send(t, client, text+"\r\n")
			line(t, c)
			continue
		}
		send(t, c, strings.TrimPrefix(l, "S: ")+"\r\n")
		require.NoError(t, c.Flush())
	}
	require.NoError(t, c.CloseGracefully(0))
	return out.String()
}

func TestTraceRedactsCredentials(t *testing.T) {
	tests := []struct {
		name   string
		script []string
		want   string
	}{
		{"POP3", []string{"S: +OK", "C: USER joe", "S: +OK", "C: pass hunter2 x", "S: -ERR", "C: APOP joe c4c9334bac560ecc979e58001b3e22fb", "S: +OK"},
			"S: +OK\nC: USER joe\nS: +OK\nC: pass <redacted 9 octets>\nS: -ERR\nC: APOP <redacted 36 octets>\nS: +OK\n"},
		{"SMTP initial response", []string{"C: AUTH PLAIN AGpvZQBodW50ZXIy", "S: 235 ok", "C: MAIL FROM:<a@b>", "S: 250 ok"},
			"C: AUTH PLAIN <redacted 16 octets>\nS: 235 ok\nC: MAIL FROM:<a@b>\nS: 250 ok\n"},
		{"tabs", []string{"C: \tAUTH\tPLAIN\tAGpvZQBodW50ZXIy", "S: 500 no", "C:  \tPASS hunter2", "S: 500 no"},
			"C: \\x09AUTH\\x09PLAIN\\x09<redacted 16 octets>\nS: 500 no\nC:  \\x09PASS <redacted 7 octets>\nS: 500 no\n"},
		{"SMTP exchange", []string{"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: am9l", "S: 334 UGFzc3dvcmQ6", "C: aHVudGVyMg==", "S: 535 no", "C: QUIT"},
			"C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: <redacted 4 octets>\nS: 334 UGFzc3dvcmQ6\nC: <redacted 12 octets>\nS: 535 no\nC: QUIT\n"},
		{"IMAP LOGIN", []string{`C: a1 login joe "hunter 2"`, "S: a1 NO", "C: a2 NOOP"},
			"C: a1 login <redacted 14 octets>\nS: a1 NO\nC: a2 NOOP\n"},
		{"IMAP LOGIN with literals", []string{"C: a1 LOGIN {3}", "S: + go", "C: joe {7}", "S: + go", "C: hunter2", "S: a1 OK", "C: a2 NOOP"},
			"C: a1 LOGIN <redacted 3 octets>\nS: + go\nC: <redacted 3 octets>\nC: <redacted 4 octets>\nS: + go\nC: <redacted 7 octets>\nC: <redacted 0 octets>\nS: a1 OK\nC: a2 NOOP\n"},
		{"IMAP LOGIN with LITERAL+", []string{"C: a1 LOGIN joe {9+}", "C: a LOGIN b", "S: a1 OK", "C: hunter2 NOOP"},
			"C: a1 LOGIN <redacted 8 octets>\nC: <redacted 9 octets>\nC: <redacted 0 octets>\nS: a1 OK\nC: hunter2 NOOP\n"},
		{"IMAP AUTHENTICATE", []string{"C: a1 AUTHENTICATE PLAIN", "S: +", "C: AGpvZQBodW50ZXIy", "S: a1 OK", "C: a2 NOOP"},
			"C: a1 AUTHENTICATE PLAIN\nS: +\nC: <redacted 16 octets>\nS: a1 OK\nC: a2 NOOP\n"},
		{"cancelled", []string{"C: AUTH PLAIN", "S: + ", "C: *", "S: -ERR", "C: QUIT"},
			"C: AUTH PLAIN\nS: + \nC: *\nS: -ERR\nC: QUIT\n"},
		{"endless line", []string{"C: PASS " + strings.Repeat("x", 2000), "C: yyy", "S: -ERR", "C: QUIT"},
			"C: PASS <redacted 1997 octets>\nC: <redacted 3 octets>\nS: -ERR\nC: QUIT\n"},
		{"long line", []string{"C: NOOP " + strings.Repeat("x", 1100)},
			"C: NOOP " + strings.Repeat("x", 1019) + "<and 83 octets>\n"},
		{"a terminal's escapes", []string{"C: \x1b[2J\xff é\x7f"}, "C: \\x1b[2J\\xff é\\x7f\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := traced(t, tt.script...)
			if tt.name == "endless line" {
				assert.NotContains(t, got, "xxx")
				assert.NotContains(t, got, "yyy")
				assert.Contains(t, got, "C: QUIT\n")
				return
			}
			if tt.name == "long line" {
				assert.Less(t, len(got), 1100)
				assert.Contains(t, got, "octets>\n")
				return
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestTraceMarks(t *testing.T) {
	for _, server := range []bool{true, false} {
		var out bytes.Buffer
		c, peer := pair(t, netconn.Options{Server: server, Trace: netconn.TraceWriter(&out, "7 ")})
		send(t, peer, "A\r\nsecret\r\nB\r\n0123456789C\r\nunread")
		line(t, c)
		assert.Equal(t, netconn.Plain, c.MarkRead(netconn.Secret))
		line(t, c)
		assert.Equal(t, netconn.Secret, c.MarkRead(netconn.Plain))
		line(t, c)
		c.MarkRead(netconn.Payload)
		_, err := io.Copy(io.Discard, c.Reader().Literal(10))
		require.NoError(t, err)
		c.MarkRead(netconn.Plain)
		line(t, c)
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		send(t, c, "x ")
		_, err = c.WriteSecret([]byte("hunter2"))
		require.NoError(t, err)
		send(t, c, "\r\n")
		c.MarkWrite(netconn.Payload)
		send(t, c, strings.Repeat("y", 100_000))
		c.MarkWrite(netconn.Plain)
		send(t, c, "end\r\n")
		require.NoError(t, c.CloseGracefully(0))
		p, o := "7 C: ", "7 S: "
		if !server {
			p, o = o, p
		}
		assert.Equal(t, p+"A\n"+p+"<redacted 8 octets>\n"+p+"B\n"+p+"<10 octets>\n"+p+"C\n"+
			o+"x \n"+o+"<redacted 7 octets>\n"+o+"\n"+o+"<100000 octets>\n"+o+"end\n", out.String())
	}
}

// The order of a trace is the order on the wire, for any chunking.
func TestTraceOrderUnderChunking(t *testing.T) {
	var want string
	for i, cut := range []testkit.Chunks{nil, testkit.OneByOne(), testkit.Random(1, 7)} {
		var out bytes.Buffer
		client, server := testkit.Pipe()
		c := netconn.New(testkit.ChunkConn(server, cut, nil), netconn.Options{Server: true, Trace: netconn.TraceWriter(&out, "")})
		send(t, client, "A LOGIN joe {6+}\r\nsecret\r\nB NOOP\r\nC LOGOUT\r\n")
		assert.Equal(t, "A LOGIN joe {6+}", line(t, c))
		_, err := io.ReadAll(c.Reader().Literal(6))
		require.NoError(t, err)
		assert.Empty(t, line(t, c))
		for _, l := range []string{"B NOOP", "C LOGOUT"} {
			assert.Equal(t, l, line(t, c))
		}
		send(t, c, "A OK\r\nB OK\r\n* BYE\r\n")
		require.NoError(t, c.CloseGracefully(0))
		if i == 0 {
			want = out.String()
			assert.Equal(t, "C: A LOGIN <redacted 8 octets>\nC: <redacted 6 octets>\nC: <redacted 0 octets>\nC: B NOOP\nC: C LOGOUT\n"+
				"S: A OK\nS: B OK\nS: * BYE\n", want)
		}
		assert.Equal(t, want, out.String())
		_ = client.Close()
	}
}

// The same on the side of a client, whose trace is of what it writes.
func TestClientTraceRedactsCredentials(t *testing.T) {
	var out bytes.Buffer
	c, server := pair(t, netconn.Options{Trace: netconn.TraceWriter(&out, "")})
	send(t, server, "220 hi\r\n")
	line(t, c)
	for _, x := range [][2]string{
		{"AUTH PLAIN AGpvZQBodW50ZXIy", "535 no"}, {"AUTH LOGIN", "334 VXNlcm5hbWU6"}, {"am9l", "334 UGFzc3dvcmQ6"},
		{"aHVudGVyMg==", "235 ok"}, {"a LOGIN joe {7+}\r\nhunter2", "a OK"}, {"NOOP", "250 ok"},
	} {
		// Cut anywhere.
		for _, b := range []byte(x[0] + "\r\n") {
			_, err := c.Write([]byte{b})
			require.NoError(t, err)
		}
		send(t, server, x[1]+"\r\n")
		line(t, c)
	}
	require.NoError(t, c.CloseGracefully(0))
	assert.Equal(t, `S: 220 hi
C: AUTH PLAIN <redacted 16 octets>
S: 535 no
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: <redacted 4 octets>
S: 334 UGFzc3dvcmQ6
C: <redacted 12 octets>
S: 235 ok
C: a LOGIN <redacted 8 octets>
C: <redacted 7 octets>
C: <redacted 0 octets>
S: a OK
C: NOOP
S: 250 ok
`, out.String())
}

func TestTraceEvents(t *testing.T) {
	var out bytes.Buffer
	o := netconn.Options{Server: true, Trace: netconn.TraceWriter(&out, "")}
	c, _ := tlsPair(t, o)
	assert.Equal(t, "*: TLS 1.3 TLS_AES_128_GCM_SHA256\n", out.String())
	_ = c.Close()

	out.Reset()
	c, peer := pair(t, o)
	send(t, peer, "STLS\r\nPASS hunter2\r\n")
	line(t, c)
	srv, _ := testkit.TLS()
	require.Error(t, c.StartTLS(t.Context(), srv))
	assert.Equal(t, "C: STLS\n*: 14 octets of input thrown away\n*: TLS failed: plaintext received behind the command that begins TLS\n", out.String())

	out.Reset()
	client, server := testkit.Pipe()
	defer client.Close()
	c = netconn.New(testkit.FailConn(server, -1, 2, errFault), o)
	defer c.Close()
	send(t, c, "+OK\r\n")
	require.Error(t, c.Flush())
	assert.Equal(t, "S: +OK\n*: not all of it was sent: fault\n", out.String())
	assert.Equal(t, "C", netconn.FromClient.String())
}
