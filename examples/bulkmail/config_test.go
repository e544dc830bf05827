package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("p w\r\n"), 0o600))
	c, err := parseConfig(filepath.Join(dir, "b.conf"), "\uFEFF"+`
from = "News, \"daily\"" <news@example.org>
retry = 1m 2h 3d
soft-bounces = 5 in 10d
stop-after = 0
suppress = a.txt
suppress = /b.txt
[server one]
  addr = [::1]:2525
  user = u
  password-file = pw
  per-hour = 5
  per-connection = 7
[server two]
  addr = b:465
  user = v
  password-env = BULKMAIL_TEST_PASSWORD
[mailbox m]
  protocol = pop3
  addr = c:995
  user = w
  password-env = X
  delete-after = 2d
`)
	require.NoError(t, err)
	assert.Equal(t, mailbox{`News, "daily"`, "news@example.org"}, c.from)
	assert.Equal(t, "news@example.org", c.returnPath)
	assert.Equal(t, []time.Duration{time.Minute, 2 * hour, 3 * day}, c.retry)
	assert.Equal(t, 5, c.softBounces)
	assert.Equal(t, 10*day, c.softBounceWindow)
	assert.Zero(t, c.stopAfter)
	assert.Equal(t, filepath.Join(dir, "a.txt"), c.suppress[0])
	assert.Equal(t, 5, c.servers[0].perHour)
	assert.Equal(t, 1, c.servers[0].connections)
	assert.Equal(t, 7, c.servers[0].perConnection)
	assert.Equal(t, 2*day, c.mailboxes[0].deleteAfter)
	p, err := c.servers[0].password()
	require.NoError(t, err)
	assert.Equal(t, "p w", p)
	t.Setenv("BULKMAIL_TEST_PASSWORD", "")
	_, err = c.servers[1].password()
	require.EqualError(t, err, "two: the environment variable BULKMAIL_TEST_PASSWORD is empty")
	t.Setenv("BULKMAIL_TEST_PASSWORD", "secret")
	p, err = c.servers[1].password()
	require.NoError(t, err)
	assert.Equal(t, "secret", p)
}

func TestConfigWrong(t *testing.T) {
	const from = "from = a@b.example\n"
	const server = "[server s]\naddr = a:1\n"
	for _, tt := range []struct{ text, want string }{
		{"", ": from is missing"},
		{from, ": no [server NAME]"},
		{"from = a\n", ":1: from: expected an address"},
		{"from\n", ":1: expected name = value"},
		{"from =\n", ":1: from has no value"},
		{from + from, ":2: a second from"},
		{"colour = red\n", ":1: colour: not known in this section"},
		{from + "[server s\n", ":2: expected [server NAME] or [mailbox NAME]"},
		{from + "[serve s]\n", ":2: [serve: expected server or mailbox"},
		{from + server + server, ":4: a second [server s]"},
		{from + "[server s]\n", ": [server s]: addr is missing"},
		{from + "[server s]\naddr = a\n", ":3: addr: a: expected host:port"},
		{from + server + "tls = ssl\n", ":4: tls: expected implicit, starttls, opportunistic or off"},
		{from + server + "password = x\n", ":4: password: is not written here: put it in a file and say password-file, or password-env"},
		{from + server + "user = x\n", ": [server s]: user without password-file or password-env"},
		{from + server + "password-env = x\n", ": [server s]: a password without user"},
		{from + server + "user = x\npassword-env = x\npassword-file = x\n", ": [server s]: password-file and password-env exclude each other"},
		{from + server + "user = x\npassword-env = x\ntls = off\n", ": [server s]: tls = off would show the password to whoever reads the line; cleartext-login = yes allows it"},
		{from + server + "per-hour = 0\n", `:4: per-hour: "0": expected a number from 1`},
		{from + server + "folder = x\n", ":4: folder: not known in this section"},
		{from + "retry = 5\n", `:2: retry: "5": expected a time such as 15m, 4h or 30d`},
		{from + "soft-bounces = 3\n", `:2: soft-bounces: expected such as "3 in 30d"`},
		{from + "return-path = b+{rcpt}@c.example\n" + server, ": return-path: expected one of {token} and {recipient}"},
		{from + "return-path = {token}+{recipient}@c.example\n" + server, ": return-path: expected one of {token} and {recipient}"},
		{from + "return-path = b@{token}.example\n" + server, ": return-path: {token} belongs before the at sign"},
		{from + "return-path = {recipient}@c.example\n" + server, ": return-path: {recipient} stands behind a plus sign at the end of the local part: bounces+{recipient}@example.org"},
		{from + "unsubscribe-url = http://x/{token}\n" + server, ": unsubscribe-url: expected an https address, without blanks, commas and angle brackets"},
		{from + "unsubscribe-url = https://x/\n" + server, ": unsubscribe-url: {token} is missing: who unsubscribes would not be known"},
		{from + "unsubscribe-mail = u@x.example\n" + server, ": unsubscribe-mail: {token} is missing: who unsubscribes would not be known"},
		{from + "list-id = News\n" + server, ": list-id: expected a name and an identifier: Example News <news.example.org>"},
		{from + server + "[mailbox m]\naddr = a:1\n", ": [mailbox m]: user is missing"},
		{from + server + "[mailbox m]\naddr = a:1\nuser = x\npassword-env = x\ndelete-after = 3d\n", ": [mailbox m]: delete-after is for pop3"},
		{"from = a\x01@b.example\n", ":1: from: a control character"},
	} {
		_, err := parseConfig("/b.conf", tt.text)
		if assert.Error(t, err, tt.text) {
			assert.Equal(t, "/b.conf"+tt.want, strings.ReplaceAll(err.Error(), `\`, "/"), tt.text)
		}
	}
}
