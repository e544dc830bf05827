package imap

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const urlToken = "91354a473744909de610943775f92038"

var urls = []struct {
	in   string
	want URL
	same bool // in is how it is written
}{
	{"imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
		URL{Host: "minbari.example.org", Mailbox: "gray-council", UIDValidity: 385759045, UID: 20, Partial: &Partial{0, 1024}}, true},
	{"imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97", URL{Host: "psicorp.example.org", Mailbox: "~peter/日本語/台北"}, true},
	{"imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
		URL{Host: "minbari.example.org", AuthType: "GSSAPI", Mailbox: "gray-council", UID: 20, Section: "1.2"}, false},
	{"imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows",
		URL{Host: "minbari.example.org", AuthType: "*", Mailbox: "gray council", Search: "SUBJECT shadows"}, true},
	{"imap://john;AUTH=*@minbari.example.org/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D%0D%0A%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%D0%B0",
		URL{Host: "minbari.example.org", User: "john", AuthType: "*", Mailbox: "babylon5/personel", Search: "charset UTF-8 SUBJECT {14+}\r\nИванова"}, true},
	{"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:" + urlToken,
		URL{Host: "example.com", User: "joe", Mailbox: "INBOX", UID: 20, Section: "1.2",
			URLAuth: &URLAuth{AccessSubmit, "fred", "INTERNAL", urlToken}}, false},
	{"imap://joe@example.com/INBOX/;UID=20;EXPIRE=2010-02-03T04:05:06.5+01:00;URLAUTH=user+f%40x",
		URL{Host: "example.com", User: "joe", Mailbox: "INBOX", UID: 20, Expire: time.Date(2010, 2, 3, 4, 5, 6, 5e8, time.FixedZone("", 3600)),
			URLAuth: &URLAuth{Access: AccessUser, User: "f@x"}}, true},
	{"imap://example.com/INBOX/;UID=20;URLAUTH=anonymous", URL{Host: "example.com", Mailbox: "INBOX", UID: 20, URLAuth: &URLAuth{Access: AccessAnonymous}}, true},
	{"imap://example.com/INBOX/;UID=20;URLAUTH=authuser:X-1.A:" + urlToken, URL{Host: "example.com", Mailbox: "INBOX", UID: 20,
		URLAuth: &URLAuth{Access: AccessAuthUser, Mechanism: "X-1.A", Token: urlToken}}, true},
	{"imap://a", URL{Host: "a"}, false},
	{"IMAP://a:1143/", URL{Host: "a", Port: 1143}, false},
	{"imap://a:/", URL{Host: "a"}, false},
	{"imaps://a:993/x", URL{Secure: true, Host: "a", Port: 993, Mailbox: "x"}, true},
	{"//a/x", URL{Host: "a", Mailbox: "x"}, false},
	{"imap://user;AUTH=*@SERVER2/", URL{Host: "SERVER2", User: "user", AuthType: "*"}, true},
	{"imap://[2001:db8::1]:143/x", URL{Host: "2001:db8::1", Port: 143, Mailbox: "x"}, true},
	{"imap://m%C3%BCller.example/x", URL{Host: "müller.example", Mailbox: "x"}, true},
	{"imap://a%3Ab;AUTH=X%3BY@h/", URL{Host: "h", User: "a:b", AuthType: "X;Y"}, true},
	{"/", URL{}, true},
	{"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", URL{Mailbox: "Drafts", UIDValidity: 385759045, UID: 20, Section: "HEADER"}, false},
	{"/foo;UIDVALIDITY=3", URL{Mailbox: "foo", UIDValidity: 3}, true},
	{"/foo;UIDVALIDITY=3?ALL", URL{Mailbox: "foo", UIDValidity: 3, Search: "ALL"}, true},
	{"/a%2F/;UID=1", URL{Mailbox: "a/", UID: 1}, false},
	{"/a//;UID=1", URL{Mailbox: "a/", UID: 1}, true},
	{"/%2Fa", URL{Mailbox: "/a"}, true},
	{"/%2E/a/%2E%2E", URL{Mailbox: "./a/.."}, true},
	{"/a/;UID=1/;SECTION=HEADER.FIELDS%20(a%20b)/;PARTIAL=7", URL{Mailbox: "a", UID: 1, Section: "HEADER.FIELDS (a b)", Partial: &Partial{7, -1}}, true},
	{"/a%3F%3B%25%23%22", URL{Mailbox: `a?;%#"`}, true},
}

func TestParseURL(t *testing.T) {
	for _, tt := range urls {
		u, err := ParseURL(tt.in)
		if !assert.NoError(t, err, tt.in) {
			continue
		}
		assert.Equal(t, tt.want.Expire.UnixNano(), u.Expire.UnixNano(), tt.in)
		got := *u
		got.Expire = tt.want.Expire
		assert.Equal(t, tt.want, got, tt.in)
		out, err := u.AppendText([]byte("x"))
		require.NoError(t, err)
		if tt.same {
			assert.Equal(t, "x"+tt.in, string(out))
		}
		again, err := ParseURL(u.String())
		if assert.NoError(t, err, "%s", out) {
			assert.Equal(t, u, again)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for in, at := range map[string]int{
		"": 0, "http://a/": 0, "imap:": 0, "foo": 0, ";UID=20": 0,
		"imap://": 7, "imap://@a/": 7, "imap://a b/": 8, "imap://a:0/": 9, "imap://a:65536/": 9, "imap://a:x/": 9,
		"imap://u:secret@a/": 8, "imap://u;AUTH=@a/": 14, "imap://u;X=1@a/": 8, "imap://u;AUTH=%2A@a/": 17, "imap://[::g]/": 8, "imap://[1.2]/": 8,
		"imap://a/x%": 10, "imap://a/x%0": 10, "imap://a/x%0g": 10, "imap://a/x%00": 10, "imap://a/x%0D%0A": 10, "imap://a/\x7f": 9, "imap://a/é": 9, "imap://a/%FF": 9,
		"imap://a%2Fb/": 7, "imap://a/?ALL": 9, "imap://a/x?": 11, "imap://a/x?%00": 11,
		"imap://a/x;UIDVALIDITY=0": 23, "imap://a/x;UIDVALIDITY=4294967296": 23, "imap://a/x;UIDVALIDITY=1;UID=2": 24, "imap://a/;UIDVALIDITY=1": 9,
		"imap://a/x;UID=1": 10, "imap://a/x/;UID=0": 16, "imap://a/x/;UID=": 16, "imap://a//;UID=1/;FOO=1": 16, "imap://a/x/;SECTION=1": 11,
		"imap://a/x/;UID=1/;SECTION=": 27, "imap://a/x/;UID=1/;SECTION=/": 27, "imap://a/x/;UID=1/;SECTION=1/": 28, "imap://a/x/;UID=1/;PARTIAL=1.0": 29, "imap://a/x/;UID=1/;PARTIAL=x": 27,
		"imap://a/x/;UID=1/;PARTIAL=9223372036854775808": 27, "imap://a/x/;UID=1;EXPIRE=2010": 25, "imap://a/x/;UID=1;EXPIRE=2010-02-03T04:05:06Z": 45,
		"imap://a/x/;UID=1;URLAUTH=": 26, "imap://a/x/;UID=1;URLAUTH=user+": 31, "imap://a/x/;UID=1;URLAUTH=anonymous:": 36, "imap://a/x/;UID=1;URLAUTH=anonymous:a": 37,
		"imap://a/x/;UID=1;URLAUTH=anonymous:a:12": 38, "imap://a/x/;UID=1;URLAUTH=anonymousx": 35, "imap://a/x/;UID=1;URLAUTH=anonymous:a:" + urlToken + "g": 38, "imap://a/x#y": 10,
	} {
		_, err := ParseURL(in)
		var ue *URLError
		if assert.ErrorAs(t, err, &ue, in) {
			if at >= 0 && !(in == "imap://a//;UID=1/;FOO=1") {
				assert.Equal(t, at, ue.Offset, "%s: %v", in, err)
			}
			assert.NotContains(t, err.Error(), "secret")
		}
	}
}

func TestAppendURLRefuses(t *testing.T) {
	msg := func(f func(u *URL)) URL {
		u := URL{Host: "h", Mailbox: "m", UID: 1}
		f(&u)
		return u
	}
	for _, u := range []URL{
		{Port: 1}, {User: "u"}, {AuthType: "*"}, {Secure: true}, {Host: "a/b"}, {Host: "a:b/c"}, {Host: "a", Port: -1}, {Host: "a", Port: 65536}, {Host: "a\r\n"}, {Host: "a", User: "\n"},
		{Host: "a", UID: 1}, {Host: "a", Search: "x"}, {Host: "a", UIDValidity: 1}, {Mailbox: "a\r\n"}, {Mailbox: "\xff"}, {Mailbox: "a\x00"}, {Mailbox: "a", Search: "\x00"},
		{Mailbox: "a", Section: "1"}, {Mailbox: "a", Partial: &Partial{0, 1}}, {Mailbox: "a", URLAuth: &URLAuth{Access: AccessAnonymous}},
		msg(func(u *URL) { u.Search = "x" }), msg(func(u *URL) { u.Partial = &Partial{-1, 1} }), msg(func(u *URL) { u.Partial = &Partial{} }), msg(func(u *URL) { u.Expire = time.Unix(0, 0) }),
		msg(func(u *URL) { u.URLAuth = &URLAuth{} }), msg(func(u *URL) { u.URLAuth = &URLAuth{Access: AccessUser} }), msg(func(u *URL) { u.URLAuth = &URLAuth{Access: AccessAnonymous, User: "x"} }),
		msg(func(u *URL) { u.URLAuth = &URLAuth{Access: AccessAnonymous, Mechanism: "X"} }), msg(func(u *URL) { u.URLAuth = &URLAuth{Access: AccessAnonymous, Mechanism: "X:", Token: urlToken} }),
		msg(func(u *URL) {
			u.Expire, u.URLAuth = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), &URLAuth{Access: AccessAnonymous}
		}),
	} {
		out, err := u.AppendText([]byte("x"))
		var ue *URLError
		assert.ErrorAs(t, err, &ue, "%+v", u)
		assert.Equal(t, "x", string(out))
		assert.Empty(t, u.String())
	}
}

func TestResolveURL(t *testing.T) {
	for _, tt := range []struct{ base, ref, want string }{
		{"imap://h/a/b/;UID=1/;SECTION=2", ";section=1.4", "imap://h/a/b/;UID=1/;SECTION=1.4"},
		{"imap://h/a/b/;UID=1/;SECTION=2/;PARTIAL=1.2", ";UID=20", "imap://h/a/b/;UID=20"},
		{"imap://h/a/b/;UID=1/;SECTION=2/;PARTIAL=1.2", ";PARTIAL=5.6", "imap://h/a/b/;UID=1/;SECTION=2/;PARTIAL=5.6"},
		{"imap://h/a;UIDVALIDITY=3", ";UID=20/;SECTION=1", "imap://h/a;UIDVALIDITY=3/;UID=20/;SECTION=1"},
		{"imap://u;AUTH=*@h:2/a?ALL", "/foo/;UID=20/..", "imap://u;AUTH=*@h:2/foo"},
		{"imap://h/a/;UID=1", "/b/../c?ALL", "imap://h/c?ALL"},
		{"imap://h/a", "?ALL", "imap://h/a?ALL"},
		{"imap://h/a/b", "c/;UID=3", "imap://h/a/c/;UID=3"},
		{"imap://h/a/b", "../c", "imap://h/c"},
		{"imap://h/a/b", "../../../c/.", "imap://h/c"},
		{"imap://h/a/;UID=1", "..;UIDVALIDITY=385759045/;UID=20", "imap://h/a/%2E%2E;UIDVALIDITY=385759045/;UID=20"},
		{"imaps://h/a", "//g/b", "imaps://g/b"},
		{"imaps://h/a", "imap://g/b", "imap://g/b"},
		{"imap://h/a/;UID=1;URLAUTH=anonymous", "", "imap://h/a/;UID=1;URLAUTH=anonymous"},
		{"imap://h/a/;UID=1;URLAUTH=anonymous", ";SECTION=1", "imap://h/a/;UID=1/;SECTION=1"},
		{"/a/b", "c", "/a/c"},
		{"imap://h", "c", "imap://h/c"},
	} {
		u, err := ParseURL(tt.base)
		require.NoError(t, err)
		got, err := u.Resolve(tt.ref)
		if assert.NoError(t, err, "%s + %s", tt.base, tt.ref) {
			assert.Equal(t, tt.want, got.String(), "%s + %s", tt.base, tt.ref)
		}
		assert.Equal(t, tt.base, strings.TrimSuffix(u.String(), "/"), "the base is left alone")
	}
	u, err := ParseURL("imap://h/a")
	require.NoError(t, err)
	for _, ref := range []string{"http://x", ";FOO=1", ";SECTION=1", ";UID=0", "a%", "mailto:a"} {
		_, err := u.Resolve(ref)
		assert.Error(t, err, ref)
	}
	_, err = (&URL{Port: 1}).Resolve("a")
	assert.Error(t, err)
	_, err = (&URL{Port: 1}).Resolve(";UID=1")
	assert.Error(t, err)
}

func TestSplitURLAuth(t *testing.T) {
	rump, mech, token, ok := SplitURLAuth("imap://joe@example.com/INBOX/;uid=20;urlauth=user+f%3A:internal:" + urlToken)
	assert.True(t, ok)
	assert.Equal(t, "imap://joe@example.com/INBOX/;uid=20;urlauth=user+f%3A", rump)
	assert.Equal(t, "INTERNAL", mech)
	assert.Equal(t, urlToken, token)
	for _, in := range []string{"", "a:b", "imap://x/;urlauth=anonymous", urlToken, ":" + urlToken, "a::" + urlToken, "a:b c:" + urlToken} {
		_, _, _, ok := SplitURLAuth(in)
		assert.False(t, ok, in)
	}
}

func TestParseBodySection(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want *BodySection
	}{
		{"", &BodySection{}},
		{"1.2", &BodySection{Part: []int{1, 2}}},
		{"header", &BodySection{Specifier: PartHeader}},
		{"1.TEXT", &BodySection{Part: []int{1}, Specifier: PartText}},
		{"3.1.MIME", &BodySection{Part: []int{3, 1}, Specifier: PartMIME}},
		{`HEADER.FIELDS (From "To")`, &BodySection{Specifier: PartHeaderFields, Fields: []string{"From", "To"}}},
		{"1.HEADER.FIELDS.NOT (A)", &BodySection{Part: []int{1}, Specifier: PartHeaderFieldsNot, Fields: []string{"A"}}},
		{"MIME", nil}, {"0", nil}, {"1.", nil}, {"1..2", nil}, {"1.x", nil}, {"TEXT x", nil}, {"HEADER.FIELDS", nil}, {"HEADER.FIELDS ()", nil},
		{"HEADER.FIELDS (a  b)", nil}, {"99999999999", nil}, {strings.Repeat("1.", 100) + "1", nil}, {"1 2", nil}, {"1.2 ", nil},
	} {
		s, err := ParseBodySection(tt.in)
		if tt.want == nil {
			assert.Error(t, err, tt.in)
			continue
		}
		if assert.NoError(t, err, tt.in) {
			assert.Equal(t, tt.want, s)
			_, err := s.AppendText(nil)
			assert.NoError(t, err)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, tt := range urls {
		f.Add(tt.in, ";UID=3")
	}
	f.Add("imap://h/a/b", "../c/./;UID=1")
	f.Add("/foo/;UID=20/..", "?ALL")
	f.Fuzz(func(t *testing.T, in, ref string) {
		u, err := ParseURL(in)
		if err != nil {
			return
		}
		out, err := u.AppendText(nil)
		require.NoError(t, err, "%q", in)
		again, err := ParseURL(string(out))
		require.NoError(t, err, "%q became %q", in, out)
		require.Equal(t, string(out), again.String())
		again.Expire, u.Expire = time.Time{}, time.Time{}
		require.Equal(t, u, again)
		if v, err := u.Resolve(ref); err == nil {
			require.NotEmpty(t, v.String())
			require.Equal(t, u.Host == "" && v.Host == "", v.Host == "")
		}
	})
}
