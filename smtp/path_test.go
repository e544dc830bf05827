package smtp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
)

func TestParsePath(t *testing.T) {
	tests := []struct{ in, local, domain string }{
		{"", "", ""},
		{"<>", "", ""},
		{"user@example.org", "user", "example.org"},
		{"<user@example.org>", "user", "example.org"},
		{"<Postmaster>", "Postmaster", ""},
		{"<user+tag!#$%&'*-/=?^_`{|}~@example.org>", "user+tag!#$%&'*-/=?^_`{|}~", "example.org"},
		{`<"john doe"@example.org>`, `"john doe"`, "example.org"},
		{`<"a\"b\\c>"@example.org>`, `"a\"b\\c>"`, "example.org"},
		{`<""@example.org>`, `""`, "example.org"},
		{`<"x@gmail.example x"@internal.example>`, `"x@gmail.example x"`, "internal.example"},
		{"<..double..dots..@docomo.example>", "..double..dots..", "docomo.example"},
		{"<a@[127.0.0.1]>", "a", "[127.0.0.1]"},
		{"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]"},
		{"<a@[ipv6:::ffff:192.0.2.1]>", "a", "[ipv6:::ffff:192.0.2.1]"},
		{"<a@[X-tag:some!thing]>", "a", "[X-tag:some!thing]"},
		{"<@one.example,@two.example:joe@three.example>", "joe", "three.example"},
		{"<@[IPv6:2001:db8::1],@two.example:joe@three.example>", "joe", "three.example"},
		{"<pål@exämple.org>", "pål", "exämple.org"},
		{`<"p å l"@例え.テスト>`, `"p å l"`, "例え.テスト"},
		{"<a@xn--n3h.example>", "a", "xn--n3h.example"},
		{"<a@1.2>", "a", "1.2"},
	}
	for _, tt := range tests {
		p, err := smtp.ParsePath(tt.in)
		require.NoError(t, err, tt.in)
		require.Equal(t, smtp.Path{Local: tt.local, Domain: tt.domain}, p, tt.in)
		require.NoError(t, p.Check(), tt.in)
		again, err := smtp.ParsePath(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	}
}

func TestParsePathRefuses(t *testing.T) {
	tests := []struct {
		in     string
		offset int
		reason string
	}{
		{"<", 1, "no closing angle bracket"},
		{"<a@b", 4, "no closing angle bracket"},
		{"@example.org", 0, "expected a local part"},
		{"a b@example.org", 1, "character that a local part has only when quoted"},
		{"a@", 2, "expected a domain"},
		{"a@b@c", 3, "character that no domain has"},
		{"a@b..c", 4, "empty label in a domain"},
		{"a@.b", 2, "empty label in a domain"},
		{"a@b.", 4, "empty label in a domain"},
		{"a@-b", 2, "hyphen at the start of a label"},
		{"a@b-.c", 4, "hyphen at the end of a label"},
		{"a@b-", 4, "hyphen at the end of a label"},
		{"a@b_c", 3, "character that no domain has"},
		{"a@b c", 3, "character that no domain has"},
		{"a\r\nRCPT", 1, "control character"},
		{"a\x00@b", 1, "control character"},
		{"\"a\nb\"@c", 2, "control character"},
		{"\"a\\\nb\"@c", 2, "a backslash quotes printable ASCII only"},
		{`"ab@c`, 5, "quoted local part has no end"},
		{`"a"b@c`, 3, "expected @"},
		{"a@[127.0.0.1", 12, "address literal without its end"},
		{"a@[127.0.0.256]", 3, "not an IPv4 address"},
		{"a@[::1]", 3, "malformed address literal"},
		{"a@[IPv6:fe80::1%eth0]", 8, "not an IPv6 address"},
		{"a@[IPv6:1.2.3.4]", 8, "not an IPv6 address"},
		{"a@[x-:y]", 4, "malformed tag of an address literal"},
		{"a@[x:y z]", 6, "character that no address literal has"},
		{"a\xff@b", 1, "not UTF-8"},
		{"a\u0085@b", 1, "not UTF-8"},
		{"a@b\xc3", 3, "not UTF-8"},
		{"<@a.example>", 1, "source route without a colon"},
		{"<@a.example:>", 12, "source route without a mailbox"},
		{"<@a.example,b@c:d@e>", 12, "malformed source route"},
		{"<@:d@e>", 1, "malformed source route"},
	}
	for _, tt := range tests {
		_, err := smtp.ParsePath(tt.in)
		var bad *smtp.PathError
		require.ErrorAs(t, err, &bad, tt.in)
		require.Equal(t, &smtp.PathError{Text: tt.in, Offset: tt.offset, Reason: tt.reason}, bad)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestPath(t *testing.T) {
	p, err := smtp.NewPath(`john "jd" doe`, "Example.ORG")
	require.NoError(t, err)
	require.Equal(t, smtp.Path{Local: `"john \"jd\" doe"`, Domain: "Example.ORG"}, p)
	require.Equal(t, `john "jd" doe`, p.Name())
	require.Equal(t, smtp.Path{Local: `"john \"jd\" doe"`, Domain: "example.org"}, p.Canonical())
	_, err = smtp.NewPath("a\r\nb", "example.org")
	require.Error(t, err)
	_, err = smtp.NewPath("a", "example.org\r\n")
	require.Error(t, err)

	// RFC 5321 section 4.1.2: "Joe\,Smith" is a single nine-character name.
	p = smtp.MustParsePath(`"Joe\,Smith"@example.org`)
	require.Equal(t, "Joe,Smith", p.Name())
	require.Equal(t, `"Joe,Smith"`, p.Canonical().Local)
	require.Equal(t, smtp.MustParsePath("joe@example.org"), smtp.MustParsePath(`"joe"@EXAMPLE.org`).Canonical())
	require.Equal(t, `".joe"`, smtp.MustParsePath(".joe@x").Canonical().Local)

	require.True(t, smtp.Null.IsNull())
	require.Equal(t, smtp.Null, smtp.Null.Canonical())
	require.False(t, smtp.Path{Local: `""`}.IsNull())
	for _, s := range []string{"Postmaster", "POSTMASTER@x.example", `"postmaster"@x.example`} {
		require.True(t, smtp.MustParsePath(s).IsPostmaster(), s)
	}
	require.False(t, smtp.MustParsePath("poſtmaster@x").IsPostmaster())
	require.True(t, smtp.MustParsePath("a@exämple.org").NeedsUTF8())
	require.False(t, smtp.MustParsePath("a@example.org").NeedsUTF8())
	require.Error(t, smtp.Path{Domain: "x"}.Check())
	require.Error(t, smtp.Path{Local: "a@b", Domain: "x"}.Check())
	require.Error(t, smtp.Path{Local: `"a"b`}.Check())
	require.Panics(t, func() { smtp.MustParsePath("@") })
}

func TestPathJSON(t *testing.T) {
	env, err := smtp.NewEnvelope("a@example.org", `"b c"@example.org`)
	require.NoError(t, err)
	b, err := json.Marshal(env)
	require.NoError(t, err)
	require.Contains(t, string(b), `"From":"a@example.org"`)
	var again smtp.Envelope
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, *env, again)
	require.Error(t, json.Unmarshal([]byte(`{"From":"@"}`), &again))
	_, err = json.Marshal(smtp.Path{Local: "\n"})
	require.Error(t, err)
}

func TestNewEnvelope(t *testing.T) {
	env, err := smtp.NewEnvelope("", "b@exämple.org")
	require.NoError(t, err)
	require.True(t, env.From.IsNull())
	require.True(t, env.Options.UTF8)
	require.True(t, env.NeedsUTF8())
	for _, to := range []string{"", "<>", "@x"} {
		_, err = smtp.NewEnvelope("a@x.example", "b@x.example", to)
		require.ErrorContains(t, err, "recipient 1: ")
	}
	_, err = smtp.NewEnvelope("@x")
	require.ErrorContains(t, err, "sender: ")
}

// Long and malformed paths cost no copies.
func TestParsePathAllocs(t *testing.T) {
	for _, s := range []string{
		strings.Repeat("a", 1<<18), "<" + strings.Repeat("@a,", 1<<16) + "@a:b@c>", "a@" + strings.Repeat("a.", 1<<17) + "a",
		`"` + strings.Repeat(`\"`, 1<<17) + `"@x`, "a@[" + strings.Repeat("a", 1<<18) + ":x]",
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(1, func() { _, _ = smtp.ParsePath(s) }), 3.0)
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<>", "<a@b>", `<"a b"@[IPv6:::1]>`, "<@a,@b:c@d>", "pål@é.x", "\"a\r\nRCPT TO:<x>\"@b", "<@[IPv6:::1]:a@b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := smtp.ParsePath(s)
		if err != nil {
			return
		}
		require.NoError(t, p.Check())
		require.False(t, strings.ContainsAny(p.String(), "\r\n\x00"))
		again, err := smtp.ParsePath("<" + p.String() + ">")
		require.NoError(t, err)
		require.Equal(t, p, again)
		c := p.Canonical()
		require.NoError(t, c.Check())
		require.Equal(t, c, c.Canonical())
		require.Equal(t, p.Name(), c.Name())
	})
}
