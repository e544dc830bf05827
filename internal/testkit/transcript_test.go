package testkit_test

import (
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

// concrete is what one side says for a script with wildcards.
func concrete(t *testing.T, s string) *testkit.Script {
	t.Helper()
	r := strings.NewReplacer("{{stamp=[0-9.]+@[a-z.]+}}", "1.2@mail.test", "<any>", "3", "{{re:[0-9]+ [0-9]+}}", "3 300",
		"+OK 1 {{uid}}", "+OK 1 u-77", "TR {{uid}}", "TR u-77", "{{stamp}}", "1.2@mail.test")
	script, err := testkit.ParseScript("concrete", []byte(r.Replace(s)))
	require.NoError(t, err)
	return script
}

func TestTranscriptBothDirections(t *testing.T) {
	script := testkit.LoadScripts(t, "testdata/*.txt")[0]
	text, err := os.ReadFile("testdata/pop3.txt")
	require.NoError(t, err)
	for _, cut := range []func() testkit.Chunks{
		func() testkit.Chunks { return nil },
		testkit.OneByOne,
		func() testkit.Chunks { return testkit.Random(7, 5) },
	} {
		var delivered atomic.Int32
		p := testkit.Player{Cut: cut(), Do: map[string]func(){"deliver": func() { delivered.Add(1) }}}
		conn := testkit.PlayServer(t, concrete(t, string(text)), p)
		p.Side, p.Cut = testkit.Client, cut()
		assert.NoError(t, p.Play(conn, script))
		require.NoError(t, conn.Close())

		testkit.PlayClient(t, script, p, func(conn net.Conn) {
			p := p
			p.Side, p.Cut = testkit.Server, cut()
			assert.NoError(t, p.Play(conn, concrete(t, string(text))))
		})
		assert.EqualValues(t, 4, delivered.Load())
	}
}

func TestTranscriptErrors(t *testing.T) {
	tests := []struct {
		name, script, sent, want string
	}{
		{"other line", "S: +OK\nC: QUIT\nS: +OK bye", "+OK\r\n-ERR\r\n", "f:3: expected \"+OK bye\"\n got \"-ERR\""},
		{"no CRLF", "S: +OK", "+OK\n", "f:1: expected \"+OK\" with CRLF\n got \"+OK\\n\""},
		{"the end too soon", "\n# x\nS: +OK", "+O", "f:3: expected \"+OK\"\n got \"+O\" and then: EOF"},
		{"wildcard", "S: * {{re:[0-9]+}} EXISTS", "* x EXISTS\r\n", "f:1: expected \"* {{re:[0-9]+}} EXISTS\"\n got \"* x EXISTS\""},
		{"variable", "S: {{a}}\nS: {{a}}", "1\r\n2\r\n", "f:2: expected \"1\"\n got \"2\""},
		{"variable twice", "S: {{a}} {{a}}", "1 2\r\n", `f:1: variable "a" is "1" and "2" in one line`},
		{"raw", "S~ abc", "abx", "f:1: expected \"abc\"\n got \"abx\""},
		{"raw end", "S~ abc", "ab", "f:1: expected \"abc\"\n got \"ab\" and then: unexpected EOF"},
		{"raw wildcard", "S~ <any>", "ab", "f:1: a wildcard in a text without a line end"},
		{"no end", "--- close ---", "* BYE\r\n", "f:1: expected the end of the connection, got \"* BYE\\r\\n\""},
		{"unset", "C: {{uid}}", "", `f:1: variable "uid" has no value yet`},
		{"sent wildcard", "C: {{re:x}}", "", "f:1: a wildcard in a line that is sent"},
		{"no function", "--- do nothing ---", "", `f:1: no function "nothing" in Player.Do`},
		{"no TLS", "S: +OK\n--- starttls ---", "+OK\r\n+OK\r\n", "f:2: expected the TLS handshake, got plaintext \"+OK\\r\\n\""},
		{"groups", "S: {{re:(a|b)}} {{x=(c)(d)}}\nS: {{x}}", "b cd\r\nc\r\n", "f:2: expected \"cd\"\n got \"c\""},
		{"braces", `S: {{re:[a-z]{2}}}`, "abc\r\n", "f:1: expected \"{{re:[a-z]{2}}}\"\n got \"abc\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := testkit.ParseScript("f", []byte(tt.script))
			require.NoError(t, err)
			client, server := testkit.Pipe()
			_, _ = io.WriteString(server, tt.sent)
			_ = server.CloseWrite()
			assert.EqualError(t, testkit.Player{}.Play(client, s), tt.want)
			_ = client.Close()
		})
	}
}

func TestTranscriptHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := testkit.ParseScript("f", []byte("S: +OK"))
		require.NoError(t, err)
		client, server := testkit.Pipe()
		_, _ = io.WriteString(server, "+O")
		began := time.Now()
		assert.EqualError(t, testkit.Player{Timeout: time.Minute}.Play(client, s), "f:1: expected \"+OK\"\n got \"+O\" and then: i/o timeout")
		assert.Equal(t, time.Minute, time.Since(began))

		s, err = testkit.ParseScript("f", []byte("--- close ---"))
		require.NoError(t, err)
		client, _ = testkit.Pipe()
		assert.EqualError(t, testkit.Player{}.Play(client, s), "f:1: expected the end of the connection: i/o timeout")
	})
}

func TestParseScriptErrors(t *testing.T) {
	for script, want := range map[string]string{
		"\nX: a":            `f:2: expected C:, S:, C~, S~, C<<, S<<, #, or ---, got "X: a"`,
		"--- what ---":      `f:1: unknown directive "--- what ---"`,
		"C: a\nS<< END\nx":  `f:2: the block has no end "END"`,
		`C: \q`:             `f:1: unknown escape at "\\q"; there are \r \n \t \0 \\ \xNN`,
		"S: {{a":            "f:1: {{ without }}",
		"S: {{re:(}}":       "f:1: error parsing regexp: missing closing ): `(`",
		"C: {{repeat:x:y}}": "f:1: bad count in {{repeat:x:y}}",
	} {
		_, err := testkit.ParseScript("f", []byte(script))
		assert.EqualError(t, err, want)
	}
}
