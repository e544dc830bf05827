package pop3_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3"
)

func ExampleRefer() {
	err := pop3.Refer(pop3.Referral{User: "ada", Host: "pop2.example.org"})
	fmt.Println(err)
	r, ok := err.Referral()
	fmt.Println(r.User, r.Host, r.Port, ok)
	// Output:
	// pop3: -ERR [REFERRAL/ada@pop2.example.org] Try this server instead
	// ada pop2.example.org 0 true
}

func TestReferral(t *testing.T) {
	for code, want := range map[pop3.Code]pop3.Referral{
		"REFERRAL/pop2.example.org":          {Host: "pop2.example.org"},
		"REFERRAL/ada@pop2.example.org":      {User: "ada", Host: "pop2.example.org"},
		"REFERRAL/a@b.example@h:995":         {User: "a@b.example", Host: "h", Port: 995},
		"REFERRAL/a%2Fb%5D%20%C3%B6@h:995":   {User: "a/b] ö", Host: "h", Port: 995},
		"REFERRAL/a%5Bb@%5B2001:db8::1%5D:1": {User: "a[b", Host: "2001:db8::1", Port: 1},
		"REFERRAL/%5B::1%5D":                 {Host: "::1"},
	} {
		r, ok := code.Referral()
		require.True(t, ok, code)
		assert.Equal(t, want, r, code)
		assert.Equal(t, code, r.Code())
		assert.True(t, r.Code().Valid(), code)
	}
	r, ok := pop3.Code("referral/h").Referral()
	assert.True(t, ok)
	assert.Equal(t, "h", r.Host)
	for _, code := range []pop3.Code{"", "REFERRAL", "REFERRAL/", "REFERRALS/h", "REFERRAL/u@", "REFERRAL/h:0", "REFERRAL/h:65536", "REFERRAL/h:x",
		"REFERRAL/%zz", "REFERRAL/%4", "REFERRAL/%5Bh", "REFERRAL/%5Bh%5Dx", "REFERRAL/a%0D%0A@h", "REFERRAL/h%0D", "IN-USE/h", pop3.Code("REFERRAL/" + strings.Repeat("h", 256))} {
		_, ok := code.Referral()
		assert.False(t, ok, code)
	}
	for _, r := range []pop3.Referral{{}, {Host: "a b"}, {Host: "a]"}, {Host: "a\r\n"}, {Host: "h", Port: -1}, {Host: "h", Port: 65536}, {Host: "h", User: strings.Repeat("u", 256)}} {
		assert.Empty(t, r.Code())
	}
}

func FuzzReferral(f *testing.F) {
	f.Add("ada", "pop.example.org", 110)
	f.Add("a/[]%@b", "::1", 0)
	f.Fuzz(func(t *testing.T, user, host string, port int) {
		r := pop3.Referral{User: user, Host: host, Port: port}
		if code := r.Code(); code != "" {
			again, ok := code.Referral()
			if !code.Valid() || !strings.ContainsFunc(user, func(c rune) bool { return c < ' ' || c == 0x7f }) && (!ok || again != r) {
				t.Fatalf("%+v: %q, again %+v, %v", r, code, again, ok)
			}
		}
		if again, ok := pop3.Code(host).Referral(); ok && again.Code() == "" && len(again.User) <= 255 {
			t.Fatalf("%q: %+v", host, again)
		}
	})
}

func TestTimestamp(t *testing.T) {
	for text, want := range map[string]string{
		"POP3 server ready <1896.697170952@dbc.mtview.ca.us>": "<1896.697170952@dbc.mtview.ca.us>",
		"<a@b> <c@d>": "<a@b>",
	} {
		got, ok := pop3.Timestamp(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, got)
	}
	// Without the form of an address the text may be anything: a server that
	// chooses it freely learns more of the secret (RFC 6151).
	for _, text := range []string{"", "ready", "<", "<>", "<a>", "<@>", "<a@>", "<@b>", "<a b@c>", "<a@b", "<a\xff@b>", "<<a@b>", "> <"} {
		_, ok := pop3.Timestamp(text)
		assert.False(t, ok, text)
	}
}
