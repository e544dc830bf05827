package mime

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBaseSubject(t *testing.T) {
	for _, c := range []struct {
		s, base string
		reply   bool
	}{
		{"", "", false},
		{"hello", "hello", false},
		{"Re: hello", "hello", true},
		{"RE:hello", "hello", true},
		{"re : hello", "hello", true},
		{"Fw: hello", "hello", true},
		{"FWD: hello", "hello", true},
		{"Fwd : Re: hello", "hello", true},
		{"hello (fwd)", "hello", true},
		{"hello (fwd) (FWD)  ", "hello", true},
		{"hello(fwd)", "hello", true},
		{"[list] hello", "hello", false},
		{"[a][b] hello", "hello", false},
		{"[list] Re: hello", "hello", true},
		{"Re: [list] hello", "hello", true},
		{"Re[2]: hello", "hello", true},
		{"Re [2] : hello", "hello", true},
		{"[a] Re[b]: [c] Re: hello", "hello", true},
		{"[list]", "[list]", false},
		{"[a][b]", "[b]", false},
		{"[a] [b]  ", "[b]", false},
		{"Re: [list]", "[list]", true},
		{"[fwd: hello]", "hello", true},
		{"[Fwd: Re: [x] hello (fwd)]", "hello", true},
		{"[fwd: [fwd: hello]]", "hello", true},
		{"[fwd: hello", "[fwd: hello", false},
		{"[fwd:]", "", true},
		{"Re: [fwd: hello]", "hello", true},
		{"Re:", "", true},
		{"Re: Re: Re:", "", true},
		{"  a\t b \r\n  c ", "a b c", false},
		{"Regarding: hello", "Regarding: hello", false},
		{"Reply: x", "Reply: x", false},
		{"AW: hello", "AW: hello", false},
		{"Re hello", "Re hello", false},
		{"[a[b] hello", "[a[b] hello", false},
		{"[] hello", "hello", false},
		{"[a] hello [b]", "hello [b]", false},
		{"(fwd)", "", true},
		{"=?utf-8?Q?Re:_caf=C3=A9?=", "café", true},
		{"=?utf-8?B?UmU6IGhlbGxv?=", "hello", true},
		{"Re: =?iso-8859-1?Q?=5Blist=5D_caf=E9?= (fwd)", "café", true},
		{"[PATCH] Re: [x]", "[x]", true},
		{"[PATCH 1/2] Re:", "", true},
		{strings.Repeat("[a]", 50000) + "x", "x", false},
		{strings.Repeat("Re: ", 50000) + "x", "x", true},
		{strings.Repeat("[fwd:", 50000) + "x" + strings.Repeat("]", 50000), "x", true},
	} {
		base, reply := BaseSubject(c.s)
		assert.Equal(t, c.base, base, "%.60q", c.s)
		assert.Equal(t, c.reply, reply, "%.60q", c.s)
	}
	h := ParseHeader([]byte("Subject: Re:\r\n [list] hello\r\n (fwd)\r\n\r\n"))
	base, reply := h.BaseSubject()
	assert.Equal(t, "hello", base)
	assert.True(t, reply)
	base, reply = ParseHeader(nil).BaseSubject()
	assert.Equal(t, "", base)
	assert.False(t, reply)
}

// literalBaseSubject is RFC 5256 section 2.1 step by step.
func literalBaseSubject(s string) string {
	s = strings.NewReplacer("\t", " ").Replace(DecodeText(s))
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	blob := func(s string) (string, bool) {
		if !strings.HasPrefix(s, "[") {
			return s, false
		}
		n := strings.IndexAny(s[1:], "[]")
		if n < 0 || s[1+n] == '[' {
			return s, false
		}
		return strings.TrimLeft(s[n+2:], " "), true
	}
	leader := func(s string) (string, bool) {
		if strings.HasPrefix(s, " ") {
			return s[1:], true
		}
		t := s
		for ok := true; ok; t, ok = blob(t) {
		}
		l := strings.ToLower(t)
		switch {
		case strings.HasPrefix(l, "fwd"):
			t = t[3:]
		case strings.HasPrefix(l, "fw"), strings.HasPrefix(l, "re"):
			t = t[2:]
		default:
			return s, false
		}
		t, _ = blob(strings.TrimLeft(t, " "))
		if !strings.HasPrefix(t, ":") {
			return s, false
		}
		return t[1:], true
	}
	for {
		for {
			if strings.HasSuffix(s, " ") {
				s = s[:len(s)-1]
			} else if len(s) >= 5 && strings.EqualFold(s[len(s)-5:], "(fwd)") {
				s = s[:len(s)-5]
			} else {
				break
			}
		}
		for again := true; again; {
			again = false
			if t, ok := leader(s); ok {
				s, again = t, true
				continue
			}
			if t, ok := blob(s); ok && t != "" {
				s, again = t, true
			}
		}
		if len(s) >= 6 && strings.EqualFold(s[:5], "[fwd:") && strings.HasSuffix(s, "]") {
			s = s[5 : len(s)-1]
			continue
		}
		return s
	}
}

func FuzzBaseSubject(f *testing.F) {
	for _, s := range []string{"Re: [a] Fwd[b]: [fwd: x (fwd)]", "[a][b] re : (fwd)", "[fwd: [x]]", "=?utf-8?Q?Re:_=5Bx=5D?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 || strings.ContainsAny(s, "\r\n") {
			return
		}
		base, reply := BaseSubject(s)
		require.Equal(t, literalBaseSubject(s), base)
		if !strings.Contains(base, "=?") {
			again, r := BaseSubject(base)
			if !reply {
				require.Equal(t, base, again)
				require.False(t, r)
			}
		}
	})
}

func TestThreadReferences(t *testing.T) {
	for _, c := range []struct {
		header string
		want   []string
	}{
		{"", nil},
		{"References: <a@x> <b@y>\n <c@z>\n", []string{"a@x", "b@y", "c@z"}},
		{"References: <a@x><b@y> <a@x>\n", []string{"a@x", "b@y"}},
		{"References: <a@x> garbage <nonsense> <b@y>\n", []string{"a@x", "b@y"}},
		{"References: <>\nIn-Reply-To: <a@x> <b@y>\n", []string{"a@x"}},
		{"References: nothing\nIn-Reply-To: Your message of Monday <a@x>\n", []string{"a@x"}},
		{"In-Reply-To: joe@example.org's message of Monday\n", nil},
		{"In-Reply-To: <bad> <good@x>\n", []string{"good@x"}},
		{"References: <\"01KF8JCEOCBS0045PS\"@xxx.yyy.com> <01KF8JCEOCBS0045PS@xxx.yyy.com>\n", []string{"01KF8JCEOCBS0045PS@xxx.yyy.com"}},
		{"References: <a@x>\nReferences: <b@y>\n", []string{"a@x"}},
	} {
		assert.Equal(t, c.want, ParseHeader([]byte(c.header+"\n")).ThreadReferences(), c.header)
	}
	assert.Equal(t, "a@x", ParseHeader([]byte("Message-ID: <\"a\"@x>\n\n")).ThreadID())
	assert.Equal(t, "", ParseHeader([]byte("Message-ID: a\n\n")).ThreadID())
}

func TestNormalizeMessageID(t *testing.T) {
	for _, c := range []struct {
		id, want string
		ok       bool
	}{
		{"a@b", "a@b", true},
		{" <a@b> ", "a@b", true},
		{"A.b@C", "A.b@C", true},
		{`"a"@b`, "a@b", true},
		{`"a.b"@c`, "a.b@c", true},
		{`"a..b"@c`, `"a..b"@c`, true},
		{`"a b"@c`, `"a b"@c`, true},
		{`"a\b"@c`, "ab@c", true},
		{`"a\"b"@c`, `"a\"b"@c`, true},
		{`"a@b"@c`, `"a@b"@c`, true},
		{`""@c`, `""@c`, true},
		{"a@[1.2.3.4]", "a@[1.2.3.4]", true},
		{"a@b@c", "a@b@c", true},
		{"a", "a", false},
		{"@b", "@b", false},
		{"a@", "a@", false},
		{"", "", false},
	} {
		got, ok := NormalizeMessageID(c.id)
		assert.Equal(t, c.want, got, c.id)
		assert.Equal(t, c.ok, ok, c.id)
	}
}
