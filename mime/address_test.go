package mime

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// showList writes a list as text: name|route|mailbox|host, groups as {name ... }.
func showList(l []Address) string {
	var out []string
	for _, a := range l {
		switch a.Kind {
		case AddressGroupStart:
			out = append(out, "{"+a.Mailbox)
		case AddressGroupEnd:
			out = append(out, "}")
		default:
			s := a.Mailbox + "@" + a.Host
			if a.Route != "" {
				s = a.Route + ":" + s
			}
			if a.Name != "" {
				s = a.Name + " <" + s + ">"
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, " | ")
}

func TestParseAddressList(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{" \t\r\n", ""},
		{"a@b.example", "a@b.example"},
		{"<a@b.example>", "a@b.example"},
		{"A <a@b.example>", "A <a@b.example>"},
		{"A B<a@b.example>", "A B <a@b.example>"},
		{"\"A B\" <a@b.example>", "A B <a@b.example>"},
		{"a@b.example, c@d.example", "a@b.example | c@d.example"},
		// RFC 5322 appendix A.
		{"John Doe <jdoe@machine.example>", "John Doe <jdoe@machine.example>"},
		{"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>"},
		{"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>", "Mary Smith <mary@x.test> | jdoe@example.org | Who? <one@y.test>"},
		{"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", "boss@nil.test | Giant; \"Big\" Box <sysservices@example.net>"},
		{"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", "{A Group | Ed Jones <c@a.test> | joe@where.test | John <jdoe@one.test> | }"},
		{"Undisclosed recipients:;", "{Undisclosed recipients | }"},
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete <pete@silly.test>"},
		{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
			"{A Group | Chris Jones <c@public.example> | joe@example.org | John <jdoe@one.test> | }"},
		{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients | }"},
		{"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>"},
		{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", "Mary Smith <@node.test:mary@example.net> | jdoe@test.example"},
		{"John Doe <jdoe@machine(comment).  example>", "John Doe <jdoe@machine.example>"},
		// RFC 822 appendix A.
		{"Alfred E. Newman <Newman@BBN-TENEXA>", "Alfred E. Newman <Newman@BBN-TENEXA>"},
		{"Wilt . Chamberlain@NBA.US", "Wilt.Chamberlain@NBA.US"},
		{"\"Full Name\"@Domain", "\"Full Name\"@Domain"},
		{"Important folk: Tom Softwood <Balsa@Tree.Root>, \"Sam Irving\"@Other-Host;", "{Important folk | Tom Softwood <Balsa@Tree.Root> | \"Sam Irving\"@Other-Host | }"},
		// Names from comments.
		{"a@b.example (A B)", "A B <a@b.example>"},
		{"a@b.example (A \\(x\\) B)", "A (x) B <a@b.example>"},
		{"a@b.example (A (x) B)", "A (x) B <a@b.example>"},
		{"<a@b.example> (A B)", "A B <a@b.example>"},
		{"(A B) a@b.example", "A B <a@b.example>"},
		{"a@b.example (), c@d.example (C)", "a@b.example | C <c@d.example>"},
		{"root (Charlie Root)", "Charlie Root <root@>"},
		// No address.
		{"root", "root@"},
		{"\"Whole Name\"", "Whole Name <@>"},
		{"Some One", "Some One <@>"},
		{"<>", ""},
		{"a@b.example, <>, c@d.example", "a@b.example | c@d.example"},
		{"undisclosed-recipients: <>;", "{undisclosed-recipients | }"},
		{"MAILER-DAEMON <>", "MAILER-DAEMON <@>"},
		{"<root>", "root@"},
		{"A <root>", "A <root@>"},
		{"@", ""},
		{"a@", "a@"},
		{"@b", "@b"},
		// Lists written wrongly.
		{"a@b.example;c@d.example", "a@b.example | c@d.example"},
		{"a@b.example; c@d.example;", "a@b.example | c@d.example"},
		{",,a@b.example,,", "a@b.example"},
		{"A <a@b.example> B <c@d.example>", "A <a@b.example> | B <c@d.example>"},
		{"<a@b.example> <c@d.example>", "a@b.example | c@d.example"},
		{"A <a@b.example> junk, c@d.example", "A <a@b.example> | c@d.example"},
		{"<a@b.example", "a@b.example"},
		{"A <a@b.example, C <c@d.example>", "A <a@b.example> | C <c@d.example>"},
		{"<<a@b.example>>", "a@b.example"},
		{"a@b.example>", "a@b.example"},
		{"A a@b.example>, c@d.example", "A <a@b.example> | c@d.example"},
		{"< a@b.example >", "a@b.example"},
		{"<a @ b.example>", "a@b.example"},
		{"<a b@c.example>", "a b@c.example"},
		{"a@b.example <a@b.example>", "a@b.example <a@b.example>"},
		{"a@x.example, bad (bad) bad, C <c@d.example>", "a@x.example | bad bad <@> | C <c@d.example>"},
		{"a@x.example, bad bad bad, c@d.example", "a@x.example | bad bad bad <@> | c@d.example"},
		{"a@@b.example, c@d.example", "a@@b.example | c@d.example"},
		{"a@b@c.example", "a@b@c.example"},
		{"A B a@b.example", "A B <a@b.example>"},
		{"a@b.example A B, c@d.example", "a@b.example | c@d.example"},
		// A name that a comma has cut.
		{"Doe, John <j@d.example>", "Doe, John <j@d.example>"},
		{"Doe,John <j@d.example>, a@b.example", "Doe,John <j@d.example> | a@b.example"},
		{"Doe, John, Jr. <j@d.example>", "Doe, John, Jr. <j@d.example>"},
		{"van der Doe, John <j@d.example>, Roe, Jane <r@d.example>", "van der Doe, John <j@d.example> | Roe, Jane <r@d.example>"},
		{"a@b.example, Doe, John <j@d.example>", "a@b.example | Doe, John <j@d.example>"},
		{"=?utf-8?q?D=C3=B6e?=, John <j@d.example>", "=?utf-8?q?D=C3=B6e?=, John <j@d.example>"},
		{"G: Doe, John <j@d.example>;", "{G | Doe, John <j@d.example> | }"},
		{"Doe, \"John\" <j@d.example>", "Doe@ | John <j@d.example>"},
		{"\"Doe\", John <j@d.example>", "Doe <@> | John <j@d.example>"},
		{"root (Charlie Root), John <j@d.example>", "Charlie Root <root@> | John <j@d.example>"},
		{"one, two, three, John <j@d.example>", "one@ | two@ | three@ | John <j@d.example>"},
		{"Doe,, John <j@d.example>", "Doe@ | John <j@d.example>"},
		{"Doe; John <j@d.example>", "Doe@ | John <j@d.example>"},
		{"Doe, <j@d.example>", "Doe@ | j@d.example"},
		{"Doe, John <>", "Doe@ | John <@>"},
		{"Doe, John <root>", "Doe@ | John <root@>"},
		{"Doe, a@b.example", "Doe@ | a@b.example"},
		{"Doe, a@b.example, John <j@d.example>", "Doe@ | a@b.example | John <j@d.example>"},
		{"\"Doe, John\" <j@d.example>", "Doe, John <j@d.example>"},
		{"\"A\" \"B\" <a@b.example>", "A B <a@b.example>"},
		{"\"A\"B <a@b.example>", "AB <a@b.example>"},
		{"\"A <a@b.example>, c@d.example", "A <a@b.example> | c@d.example"},
		{"A (x <a@b.example>, c@d.example", "A (x <a@b.example> | c@d.example"},
		{"A) <a@b.example>", "A) <a@b.example>"},
		{"'A B' <a@b.example>", "'A B' <a@b.example>"},
		{"[A] B <a@b.example>", "[A] B <a@b.example>"},
		{"A.B. <a@b.example>", "A.B. <a@b.example>"},
		{"A/B=C <a@b.example>", "A/B=C <a@b.example>"},
		{"G: a@b.example", "{G | a@b.example | }"},
		{"G: a@b.example; c@d.example", "{G | a@b.example | } | c@d.example"},
		{"G: H: a@b.example;;", "{G | } | {H | a@b.example | }"},
		{"G:;, H:;", "{G | } | {H | }"},
		{"\"G 1\": a@b.example;", "{G 1 | a@b.example | }"},
		// Local parts and domains.
		{"\"a b\"@c.example", "\"a b\"@c.example"},
		{"\"a\\\"b\"@c.example", "\"a\\\"b\"@c.example"},
		{"\"a\".b@c.example", "\"a\".b@c.example"},
		{"a.\"b c\".d@e.example", "a.\"b c\".d@e.example"},
		{"\"a@b\"@c.example", "\"a@b\"@c.example"},
		{"<\"a@b\"@c.example>", "\"a@b\"@c.example"},
		{"a..b@c.example", "a..b@c.example"},
		{".a.@c.example", ".a.@c.example"},
		{"a+b=c/d@e.example", "a+b=c/d@e.example"},
		{"a@[192.0.2.1]", "a@[192.0.2.1]"},
		{"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
		{"a@[IPv6:2001:db8::1], b@c.example", "a@[IPv6:2001:db8::1] | b@c.example"},
		{"a@[192.0.2.1, b@c.example", "a@[192.0.2.1 | b@c.example"},
		{"a@b.example.", "a@b.example."},
		{"<@a.example,@b.example:c@d.example>", "@a.example,@b.example:c@d.example"},
		{"<@a.example, @b.example : c@d.example>", "@a.example,@b.example:c@d.example"},
		{"<@a.example>, b@c.example", "@a.example | b@c.example"},
		{"/S=Doe/C=US/@gw.example", "/S=Doe/C=US/@gw.example"},
		{"host!user@d.example", "host!user@d.example"},
		{"\":", "{ | }"},
		{"\"<", ""},
		{"a@b.example c@d.example", "a@b.example | c@d.example"},
		{"a@b.example\r\n c@d.example (C), e@f.example", "a@b.example | C <c@d.example> | e@f.example"},
		{"A a@b.example B c@d.example", "A <a@b.example> | c@d.example"},
		{"a@b. example c@d.example", "a@b.example | c@d.example"},
		{"a@b .example", "a@b.example"},
		{"mailto:a@b.example", "a@b.example"},
		{"MAILTO:a@b.example, c@d.example", "a@b.example | c@d.example"},
		{"A <mailto:a@b.example>", "A <a@b.example>"},
		{"Mailto: a@b.example;", "{Mailto | a@b.example | }"},
		{"'a@b.example'", "a@b.example"},
		{"'a@b.example' <'a@b.example'>", "'a@b.example' <a@b.example>"},
		{"'a@b.example', 'c'@d.example", "a@b.example | 'c'@d.example"},
		{"[a@b.example]", "a@b.example"},
		{"o'neil@b.example", "o'neil@b.example"},
		{"'@'", "'@'"},
		// 8-bit and encoded.
		{"José <jose@例え.example>", "José <jose@例え.example>"},
		{"Jos\xe9 <jose@x.example>", "Jos\xe9 <jose@x.example>"},
		{"用户@例え.example", "用户@例え.example"},
		{"=?utf-8?q?A=2C_B?= <a@b.example>", "=?utf-8?q?A=2C_B?= <a@b.example>"},
		{"=?utf-8?q?a=40b=2Eexample?=", "=?utf-8?q?a=40b=2Eexample?=@"},
		{"=?utf-8?q?a?=@b.example", "=?utf-8?q?a?=@b.example"},
		{"\"=?utf-8?q?A?=\" <a@b.example>", "=?utf-8?q?A?= <a@b.example>"},
		{"A\r\n B <a@b.example>", "A B <a@b.example>"},
		{"\"A\r\n B\" <a@b.example>", "A B <a@b.example>"},
		{"A\x00B <a@b.example>", "A?B <a@b.example>"},
		{"a\r\n.b@c.example", "a.b@c.example"},
		// Addresses made to be read in two ways.
		{"a (<b@evil.example>) <c@d.example>", "a <c@d.example>"},
		{"\"x@gmail.example x\"@internal.example", "\"x@gmail.example x\"@internal.example"},
		{"\"<b@evil.example>\" <c@d.example>", "<b@evil.example> <c@d.example>"},
		{"b@evil.example <c@d.example>", "b@evil.example <c@d.example>"},
		{"\"b@evil.example\" <c@d.example>", "b@evil.example <c@d.example>"},
	}
	require.GreaterOrEqual(t, len(tests), 80)
	for _, tt := range tests {
		got := ParseAddressList(tt.in)
		assert.Equal(t, tt.want, showList(got), "%q", tt.in)
	}
}

func TestAddressMethods(t *testing.T) {
	l := ParseAddressList("=?utf-8?q?caf=C3=A9?= <a@b.example>, \"=?utf-8?q?a=00b?=\" <root>, =?utf-8?q?G=C3=A9?=: x@y;")
	require.Len(t, l, 5)
	require.Equal(t, "café", l[0].DisplayName())
	require.Equal(t, "a@b.example", l[0].Addr())
	require.Equal(t, "a\uFFFDb", l[1].DisplayName())
	require.Equal(t, "root", l[1].Addr())
	require.Equal(t, "Gé", l[2].DisplayName())
	require.Equal(t, "", l[2].Addr())
	require.Equal(t, "", l[4].Addr())
}

func TestAddressLinear(t *testing.T) {
	n := 256 << 10
	for _, f := range []func(n int) string{
		func(n int) string { return "a@[" + strings.Repeat("a", n) + "]" },
		func(n int) string { return "a@[" + strings.Repeat("a", n) },
		func(n int) string { return strings.Repeat("(", n) + strings.Repeat(")", n) + "a@b" },
		func(n int) string { return strings.Repeat("(", n) },
		func(n int) string { return strings.Repeat("(a", n) },
		func(n int) string { return strings.Repeat("a ", n) },
		func(n int) string { return strings.Repeat("a ", n) + "<a@b>" },
		func(n int) string { return strings.Repeat("a.", n) + "@b" },
		func(n int) string { return strings.Repeat("\"", n) },
		func(n int) string { return strings.Repeat("\"\\", n) },
		func(n int) string { return strings.Repeat("<", n) },
		func(n int) string { return strings.Repeat("a<", n) },
		func(n int) string { return strings.Repeat("<@", n) },
		func(n int) string { return strings.Repeat("@a,", n) },
		func(n int) string { return "<" + strings.Repeat("@a,", n) },
		func(n int) string { return strings.Repeat("<@a,", n) },
		func(n int) string { return strings.Repeat("a@b>", n) },
		func(n int) string { return "<a@b>" + strings.Repeat(" x", n) },
		func(n int) string { return strings.Repeat("a:", n) },
		func(n int) string { return strings.Repeat(":", n) },
		func(n int) string { return strings.Repeat("a@[", n) },
		func(n int) string { return "a@" + strings.Repeat("b (c).", n) },
		func(n int) string { return "a@" + strings.Repeat("[b].", n) },
	} {
		one := allocated(func() { ParseAddressList(f(n / 2)) })
		two := allocated(func() { ParseAddressList(f(n)) })
		require.LessOrEqual(t, float64(two), 2.5*float64(one)+1<<20, "%.10q", f(10))
		require.LessOrEqual(t, len(ParseAddressList(f(n))), defaultAddresses+1)
	}
}

func FuzzAddressList(f *testing.F) {
	for _, s := range []string{"A <a@b>, c@d (x), G: e@f;", "\"A\\\"\" <@r:a@[1]>", "a (b <c@d", "<a@b <c@d>", "=?u?q?a?= <b@c>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := ParseAddressList(s)
		open := false
		for _, a := range l {
			all := a.Name + a.Route + a.Mailbox + a.Host
			require.False(t, strings.ContainsAny(all, "\r\n\x00"), "%q", fmt.Sprint(l))
			switch a.Kind {
			case AddressGroupStart:
				require.False(t, open)
				open = true
			case AddressGroupEnd:
				require.True(t, open)
				open = false
			}
			_ = a.DisplayName()
		}
		require.False(t, open)
	})
}
