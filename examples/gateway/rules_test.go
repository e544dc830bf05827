package main

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
)

func TestGlob(t *testing.T) {
	for _, x := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*.exe", "a.exe.exe", true}, {"*.exe", "a.exe.txt", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"**a**", "bab", true},
		{"*a*b*c*", "xxaxxbxxcxx", true}, {"*a*b*c*", "xxaxxcxxbxx", false},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 1000), false},
	} {
		require.Equal(t, x.want, glob(x.pattern, x.s), "%q %q", x.pattern, x.s)
	}
}

func TestBadRules(t *testing.T) {
	for line, want := range map[string]string{
		"drop":                     `unknown action "drop"`,
		"tag":                      "tag: expected the text",
		`tag "[a`:                  "is not closed",
		"add yes":                  `expected a field in quotes`,
		`add "a b: c"`:             "",
		"redirect nobody":          `"nobody" is not an address with a domain`,
		"redirect a@@b":            "",
		`reject "250 ok"`:          `"250" is no reply code`,
		`reject "421 bye"`:         `"421" is no reply code`,
		`reject "550 4.7.1 later"`: "reject: the codes 550 and 4.7.1 contradict each other",
		"reject from":              `"from" is no condition`,
		"reject from=":             "from= is empty",
		"reject form=x":            `unknown condition "form"`,
		"reject client=10.0.0":     "neither an address nor a network",
		"reject size=10X":          "is no size",
		"reject spam=much":         "is no score",
		"reject spam=NaN":          "is no score",
		`reject command=" "`:       "expected a program",
		"reject header:=x":         `"" is no name of a header field`,
		"reject from=a\x01b":       "control character at column 14",
	} {
		_, err := parseRules("rules", "# a comment\n\naccept\n"+line+"\n")
		require.ErrorContains(t, err, "rules:4: ", line)
		require.ErrorContains(t, err, want, line)
	}
	_, err := loadRules("/does/not/exist")
	require.ErrorContains(t, err, "/does/not/exist")
}

// judge gives a message to the rules as a session does, and returns what
// becomes of it.
func judge(t *testing.T, rs *rules, from, to, message string) string {
	t.Helper()
	f := facts{client: netip.MustParseAddr("192.0.2.1"), from: from, to: to}
	path, err := smtp.ParsePath(to)
	require.NoError(t, err)
	target, err := rs.recipient(&f, path)
	if err != nil {
		return "early " + err.Error()
	}
	var said []string
	if target != path {
		said = append(said, "early to "+target.String())
	}
	header, rest, whole, err := readHeader(iotest.OneByteReader(strings.NewReader(message)))
	require.NoError(t, err)
	require.True(t, whole)
	h := mime.ParseHeader(header)
	f.header = &h
	d, err := rs.decide(&f)
	require.NoError(t, err)
	body := io.Reader(strings.NewReader(message[len(header):]))
	require.True(t, strings.HasPrefix(message[len(header):], string(rest)))
	if d.spool || len(d.watch) > 0 {
		out, err := io.ReadAll(inspect(rs, &f, d.watch, header, body))
		if err != nil {
			return "stream " + err.Error()
		}
		require.Equal(t, message[len(header):], string(out))
		require.Equal(t, int64(len(message)), f.size)
		if d.spool {
			said = append(said, "spool")
			f.spam = func() (verdict, error) { return verdict{scanned: true, spam: true, score: 7.5}, nil }
			f.command = func(argv []string) (bool, error) { return argv[0] == "true", nil }
			d, err = rs.decide(&f)
			require.NoError(t, err)
			require.False(t, d.spool)
		}
	}
	for _, r := range append(d.edits, d.redirect, d.final) {
		if r != nil {
			said = append(said, r.text)
		}
	}
	return strings.Join(said, "; ")
}

func TestRules(t *testing.T) {
	const plain = "Subject: =?utf-8?Q?Viagr=61?=\r\n\r\nhello\r\n"
	const exe = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\n" +
		"Content-Type: Application/Octet-Stream\r\nContent-Disposition: attachment;\r\n filename*=utf-8''Run%2EEXE\r\n\r\nMZ\r\n--b--\r\n"
	const part = "Content-Type: multipart/mixed; boundary=b"
	deep := strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 200)
	many := part + "\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 10001)
	long := part + strings.Repeat("b", 300<<10)
	const refused = "stream smtp: 550 5.7.1 refused by a rule of this gateway"
	const opaque = "stream smtp: 554 5.6.0 the message has too many parts, or nested too deep, to look for attachments"
	for _, x := range []struct{ rules, from, to, message, want string }{
		{"", "a@x.example", "b@y.example", plain, ""},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", deep, opaque},
		{"tag x attachment=*.exe", "a@x.example", "b@z.example", many, opaque},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", part + "\r\n\r\n--b\r\n" + long + "\r\n\r\n", opaque},
		{"reject size=100M", "a@x.example", "b@z.example", deep + many, ""},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", "Content-Disposition: inline; filename=a.txt\r\nContent-Disposition: attachment; filename=a.txt; FILENAME=\"a.exe. \"\r\n\r\n", refused},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", "Content-Type: text/plain\r\nContent-Type: ; name=a.exe\r\n\r\n", refused},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", "Content-Type: a/b; name*0=a.e;\r\n name*1=xe\r\n\r\n", refused},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", "Content-Type: a/b; filename=\"=?utf-8?Q?a=2Eexe?=\"\r\n\r\n", refused},
		{"reject attachment=text/plain", "a@x.example", "b@z.example", "Subject: x\r\n\r\n", refused},
		{"reject from=*@X.example", "a@x.example", "b@y.example", plain, "early smtp: 550 5.7.1 refused by a rule of this gateway"},
		{"reject from=<>", "<>", "b@y.example", plain, "early smtp: 550 5.7.1 refused by a rule of this gateway"},
		{"reject !to=*@y.example,*@z.example", "a@x.example", "b@z.example", plain, ""},
		{"accept client=192.0.2.0/24\nreject", "a@x.example", "b@z.example", plain, "accept client=192.0.2.0/24"},
		{"accept client=::/0,192.0.2.2\nreject header:subject=*", "a@x.example", "b@z.example", plain, "reject header:subject=*"},
		{"redirect c@x.example to=b@*\nreject from=a@x.example", "a@x.example", "b@z.example", plain, "early smtp: 550 5.7.1 refused by a rule of this gateway"},
		{"redirect c@x.example to=b@*\nredirect d@x.example", "a@x.example", "b@z.example", plain, "early to c@x.example"},
		{"accept header:x=1\nredirect c@x.example to=b@*", "a@x.example", "b@z.example", plain, "redirect c@x.example to=b@*"},
		{"tag [a] header:subject=*viagra*\nadd X:y\nquarantine from=a@*\nadd X:z", "a@x.example", "b@z.example", plain,
			"tag [a] header:subject=*viagra*; add X:y; quarantine from=a@*"},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", exe, "stream smtp: 550 5.7.1 refused by a rule of this gateway"},
		{"reject attachment=*.exe", "a@x.example", "b@z.example", plain, ""},
		{"reject !attachment=*.exe", "a@x.example", "b@z.example", plain, "stream smtp: 550 5.7.1 refused by a rule of this gateway"},
		{"reject !attachment=*.exe", "a@x.example", "b@z.example", exe, ""},
		{"reject attachment=application/octet-* header:subject=*", "a@x.example", "b@z.example", exe, ""},
		{"tag [exe] attachment=application/octet-*", "a@x.example", "b@z.example", exe, "spool; tag [exe] attachment=application/octet-*"},
		{`reject "552 large" size=100`, "a@x.example", "b@z.example", exe, "stream smtp: 552 5.7.1 large"},
		{"reject size=1K\nadd X:y !size=50", "a@x.example", "b@z.example", plain, "spool; add X:y !size=50"},
		{"quarantine spam=7.5\nreject", "a@x.example", "b@z.example", plain, "spool; quarantine spam=7.5"},
		{"quarantine spam=7.5", "a@x.example", "b@z.example", plain, "spool; quarantine spam=7.5"},
		{"quarantine spam=7.6\ntag S spam", "a@x.example", "b@z.example", plain, "spool; tag S spam"},
		{"tag S spam from=c@*", "a@x.example", "b@z.example", plain, ""},
		{`reject command="true -"`, "a@x.example", "b@z.example", plain, `spool; reject command="true -"`},
		{"reject command=false", "a@x.example", "b@z.example", plain, "spool"},
	} {
		rs, err := parseRules("rules", x.rules)
		require.NoError(t, err, x.rules)
		require.Equal(t, x.want, judge(t, rs, x.from, x.to, x.message), "%s %.100q", x.rules, x.message)
	}
}

func TestLikeness(t *testing.T) {
	rs, err := parseRules("rules", "reject to=bad@*\ntag [a] to=a@*\nredirect x@example.org to=c@*")
	require.NoError(t, err)
	like := func(to string) string { return rs.likeness(&facts{to: to}) }
	require.NotEqual(t, like("a@x"), like("b@x"))
	require.Equal(t, like("b@x"), like("c@x"))
}

func TestEdited(t *testing.T) {
	rs, err := parseRules("rules", "tag [größer]\nadd \"X-Seen: yes\"")
	require.NoError(t, err)
	in := "From: a@x.example\r\nSUBJECT:  a\r\n  folded =?utf-8?Q?=E2=82=AC?=\r\nX-Odd :  kept  \r\n\r\n"
	out, err := edited([]byte(in), rs.list, false)
	require.NoError(t, err)
	h := mime.ParseHeader(out)
	require.Equal(t, "[größer] a  folded €", h.Text("Subject"))
	require.True(t, strings.HasPrefix(string(out), "From: a@x.example\r\nSubject: "))
	require.True(t, strings.HasSuffix(string(out), "X-Odd :  kept  \r\nX-Seen: yes\r\n\r\n"), "%q", out)
	again, err := edited(out, rs.list[:1], false)
	require.NoError(t, err)
	require.Equal(t, out, again)
	out, err = edited([]byte("\r\n"), rs.list[1:], false)
	require.NoError(t, err)
	require.Equal(t, "X-Seen: yes\r\n\r\n", string(out))
}

func TestReadHeader(t *testing.T) {
	big := "A: " + strings.Repeat("x", maxHeader)
	for _, x := range []struct {
		in, header string
		whole      bool
	}{
		{"", "", true}, {"\r\nbody", "\r\n", true}, {"A: b\r\n\r\nbody", "A: b\r\n\r\n", true}, {"A: b\r\n", "A: b\r\n", true}, {big, "", false},
	} {
		for _, r := range []io.Reader{strings.NewReader(x.in), iotest.OneByteReader(strings.NewReader(x.in)), iotest.DataErrReader(strings.NewReader(x.in))} {
			header, rest, whole, err := readHeader(r)
			require.NoError(t, err)
			require.Equal(t, x.whole, whole)
			if whole {
				require.Equal(t, x.header, string(header))
			}
			left, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, x.in, string(bytes.Join([][]byte{header, rest, left}, nil)))
		}
	}
}
