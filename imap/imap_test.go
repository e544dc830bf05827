package imap

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	assert.True(t, FlagSeen.Equal(`\SEEN`))
	assert.False(t, Flag("LAſT").Equal("LAST"), "folding is ASCII")
	assert.Equal(t, FlagSeen, Flag(`\sEEN`).Canonical())
	assert.Equal(t, Flag("junk"), Flag("junk").Canonical())
	assert.Equal(t, Flag(`\foo`), Flag(`\foo`).Canonical())
	for f, want := range map[Flag]bool{FlagSeen: true, "$Junk": true, FlagWildcard: true, `\Foo`: true, "": false, `\`: false,
		"a b": false, "a(": false, "a]": false, "a\r": false, "é": false, `a\b`: false, `\*x`: false} {
		assert.Equal(t, want, f.Valid(), string(f))
	}
	assert.True(t, HasFlag([]Flag{"a", `\seen`}, FlagSeen))
	assert.False(t, HasFlag(nil, FlagSeen))
}

func TestFlagChange(t *testing.T) {
	have := []Flag{FlagSeen, FlagRecent, "a"}
	for _, tt := range []struct {
		action StoreAction
		flags  []Flag
		want   []Flag
	}{
		{StoreAdd, []Flag{`\SEEN`, `\deleted`, "b", "B", FlagRecent}, []Flag{FlagSeen, FlagRecent, "a", FlagDeleted, "b"}},
		{StoreRemove, []Flag{`\seen`, "A", FlagRecent}, []Flag{FlagRecent}},
		{StoreReplace, []Flag{FlagDraft, "a"}, []Flag{FlagRecent, "a", FlagDraft}},
		{StoreReplace, nil, []Flag{FlagRecent}},
	} {
		c := FlagChange{Action: tt.action, Flags: tt.flags}
		assert.Equal(t, tt.want, c.Apply(nil, have), tt.action.String())
	}
	assert.Equal(t, []Flag{"x", "y"}, (&FlagChange{Action: StoreAdd, Flags: []Flag{"y"}}).Apply([]Flag{"x"}, nil))
	assert.Equal(t, "FLAGS +FLAGS -FLAGS", fmt.Sprint(StoreReplace, " ", StoreAdd, " ", StoreRemove))
}

func TestMailboxAttr(t *testing.T) {
	assert.True(t, AttrSent.Equal(`\SENT`))
	assert.True(t, AttrSent.SpecialUse())
	assert.False(t, AttrNoselect.SpecialUse())
	assert.True(t, AttrSent.Valid())
	for _, a := range []MailboxAttr{"", `\`, "Sent", `\a b`} {
		assert.False(t, a.Valid(), string(a))
	}
	assert.True(t, (&MailboxInfo{Attrs: []MailboxAttr{`\marked`}}).Has(AttrMarked))
	assert.True(t, (&MailboxStatus{Items: []StatusItem{"messages"}}).Has(StatusMessages))
	assert.False(t, (&MailboxStatus{}).Has(StatusMessages))
}

func TestMailboxNames(t *testing.T) {
	assert.True(t, IsInbox("iNbOx"))
	for in, want := range map[string]string{"inbox": "INBOX", "Inbox/a": "INBOX/a", "inbox.a": "inbox.a", "inboxes": "inboxes", "a": "a", "": ""} {
		assert.Equal(t, want, CanonicalMailbox(in, '/'), in)
	}
	assert.Equal(t, "inbox/a", CanonicalMailbox("inbox/a", 0))
	assert.Equal(t, "a/b", ParentMailbox("a/b/c", '/'))
	assert.Equal(t, "", ParentMailbox("a", '/'))
	assert.Equal(t, "", ParentMailbox("a/b", 0))
}

func TestUTF7(t *testing.T) {
	for plain, enc := range map[string]string{
		"":                           "",
		"INBOX":                      "INBOX",
		"~peter/mail/台北/日本語":         "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		"R&D":                        "R&-D",
		"&&":                         "&-&-",
		"é":                          "&AOk-",
		"aé-b":                       "a&AOk--b",
		"😀":                          "&2D3eAA-",
		"Entwürfe":                   "Entw&APw-rfe",
		"\x01":                       "&AAE-",
		"日&本":                        "&ZeU-&-&Zyw-",
		strings.Repeat("日", 3) + "a": "&ZeVl5WXl-a",
	} {
		got, err := EncodeUTF7(plain)
		require.NoError(t, err)
		assert.Equal(t, enc, got)
		got, err = DecodeUTF7(enc)
		require.NoError(t, err, enc)
		assert.Equal(t, plain, got)
	}
	for _, bad := range []string{"&", "&AOk", "&AO-", "&AOl-", "&!-", "&AGE-", "&AOk-&AOk-", "é", "a\x00", "&2D0-", "&3gA-", "&2D0AYQ-", "&AAA-", "&AA0-", "&A-", "&AOkA-"} {
		_, err := DecodeUTF7(bad)
		assert.ErrorIs(t, err, ErrMailboxName, bad)
	}
	for _, bad := range []string{"\xff", "a\x00", "a\r", "a\n", "\xed\xa0\x80"} {
		_, err := EncodeUTF7(bad)
		assert.ErrorIs(t, err, ErrMailboxName, bad)
	}
}

func FuzzUTF7(f *testing.F) {
	for _, s := range []string{"", "&U,BTFw-", "&", "&-", "a&AOk-b", "日本語", "&2D3eAA-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if plain, err := DecodeUTF7(s); err == nil {
			again, err := EncodeUTF7(plain)
			require.NoError(t, err)
			require.Equal(t, s, again, "one name has one encoding")
		}
		if enc, err := EncodeUTF7(s); err == nil {
			plain, err := DecodeUTF7(enc)
			require.NoError(t, err, enc)
			require.Equal(t, s, plain)
		}
	})
}

func TestMatchList(t *testing.T) {
	for _, tt := range []struct {
		ref, pattern, name string
		delim              rune
		want               bool
	}{
		{"", "*", "a/b/c", '/', true},
		{"", "%", "a/b", '/', false},
		{"", "%", "a", '/', true},
		{"", "%/%", "a/b", '/', true},
		{"", "%/%", "a/b/c", '/', false},
		{"", "*%", "a/b/c", '/', true},
		{"", "%*", "a/b/c", '/', true},
		{"", "a%", "a", '/', true},
		{"", "a%b", "a/b", '/', false},
		{"", "a%b", "a/b", 0, true},
		{"", "a*c", "a/b/c", '/', true},
		{"", "a*c", "a/b/d", '/', false},
		{"#news.", "comp.%", "#news.comp.mail", '.', true},
		{"", "inbox", "INBOX", '/', true},
		{"", "iNb%", "INBOX", '/', true},
		{"", "inbox/%", "INBOX/a", '/', true},
		{"", "inbox/A", "INBOX/a", '/', false},
		{"", "inboxes", "INBOXES", '/', false},
		{"", "", "", '/', true},
		{"", "", "a", '/', false},
		{"", "%", "", '/', true},
		{"", "日*", "日本", '/', true},
		{"", "a→%", "a→b", '→', true},
		{"", "a%", "a→b", '→', false},
		{"", "a*", "a→b", '→', true},
		{"", "a→%", "a→b→c", '→', false},
	} {
		assert.Equal(t, tt.want, MatchList(tt.ref, tt.pattern, tt.name, tt.delim), "%q %q %q", tt.ref, tt.pattern, tt.name)
	}
	// ATTACKS I5, and far beyond it: a matcher that backtracks never returns.
	assert.False(t, MatchList("", strings.Repeat("*a", 7)+"*b", strings.Repeat("a", 60), '/'))
	assert.False(t, MatchList("", strings.Repeat("*a%a", 500)+"*b", strings.Repeat("a", 5000), '/'))
	assert.True(t, MatchList("", strings.Repeat("%a", 100)+"*", strings.Repeat("a", 5000), '/'))
}

// naive is LIST's rule by definition, for short strings.
func naive(p, s string) bool {
	if p == "" {
		return s == ""
	}
	switch p[0] {
	case '*', '%':
		for i := 0; ; i++ {
			if naive(p[1:], s[i:]) {
				return true
			}
			if i == len(s) || p[0] == '%' && s[i] == '/' {
				return false
			}
		}
	}
	return s != "" && s[0] == p[0] && naive(p[1:], s[1:])
}

func FuzzMatchList(f *testing.F) {
	f.Add("*a%b", "xa/b")
	f.Add("%/%*", "a/b/c")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 8 || len(s) > 10 || len(s) >= 5 && equalFold(s[:5], Inbox) {
			return
		}
		require.Equal(t, naive(p, s), MatchList("", p, s, '/'), "%q %q", p, s)
	})
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"17-Jul-1996 02:44:25 -0700": "17-Jul-1996 02:44:25 -0700",
		" 7-feb-1994 21:52:25 +0000": " 7-Feb-1994 21:52:25 +0000",
		"7-Feb-1994 21:52:25 +0530":  " 7-Feb-1994 21:52:25 +0530",
		"07-FEB-1994 21:52:25 -0015": " 7-Feb-1994 21:52:25 -0015",
		"31-Dec-2016 23:59:60 +0000": " 1-Jan-2017 00:00:00 +0000",
		"29-Feb-2000 00:00:00 +1400": "29-Feb-2000 00:00:00 +1400",
	} {
		got, err := ParseDateTime(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, string(AppendDateTime(nil, got)), in)
	}
	for _, bad := range []string{"", "17-Jul-1996", "31-Feb-2000 00:00:00 +0000", "1-Jan-2000 24:00:00 +0000", "1-Jan-2000 00:60:00 +0000", "1-Jan-2000 00:00:61 +0000",
		"1-Jan-2000 00:00:00 0000", "1-Jan-2000 00:00:00 +00", "1-Foo-2000 00:00:00 +0000", "001-Jan-2000 00:00:00 +0000", "00-Jan-0000 00:00:00 +0000", "1-Jan-2000 00:00:00 +0060", "x"} {
		_, err := ParseDateTime(bad)
		assert.Error(t, err, bad)
	}
	d, err := ParseDate("1-Feb-1994")
	require.NoError(t, err)
	assert.Equal(t, Date{1994, time.February, 1}, d)
	assert.Equal(t, "1-Feb-1994", d.String())
	for _, bad := range []string{"", "1-Feb-94", "30-Feb-1994", "1-Feb-1994 ", "1 Feb 1994", "0-Feb-1994"} {
		_, err := ParseDate(bad)
		assert.Error(t, err, bad)
	}
	assert.Equal(t, Date{1994, 2, 1}, DateOf(time.Date(1994, 2, 1, 23, 0, 0, 0, time.FixedZone("", -8*3600))))
	assert.Negative(t, d.Compare(Date{1994, 2, 2}))
	assert.Negative(t, d.Compare(Date{1994, 3, 1}))
	assert.Positive(t, d.Compare(Date{1993, 12, 31}))
	assert.Zero(t, d.Compare(d))
	assert.Equal(t, time.Date(1994, 2, 1, 0, 0, 0, 0, time.UTC), d.Time(time.UTC))
	for _, bad := range []Date{{}, {2000, 13, 1}, {2001, 2, 29}, {10000, 1, 1}, {2000, 1, 32}} {
		assert.False(t, bad.Valid())
	}
	assert.Len(t, AppendDateTime(nil, time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)), 26)
	assert.Len(t, AppendDateTime(nil, time.Date(123456, 1, 1, 0, 0, 0, 0, time.UTC)), 26)
}

func TestFetchItems(t *testing.T) {
	for want, item := range map[string]FetchItem{
		"UID":            FetchUID,
		"PREVIEW (LAZY)": FetchPreviewLazy,
		"BODY[]":         &BodySection{},
		"BODY.PEEK[1.2.HEADER.FIELDS (From \"a\\\"b\")]<0.100>": &BodySection{Part: []int{1, 2}, Specifier: PartHeaderFields,
			Fields: []string{"From", `a"b`}, Peek: true, Partial: &Partial{0, 100}},
		"BODY[1.MIME]":                  &BodySection{Part: []int{1}, Specifier: PartMIME},
		"BODY[TEXT]<5>":                 &BodySection{Specifier: PartText, Partial: &Partial{5, -1}},
		"BINARY.PEEK[1.2]<3.4>":         &BinarySection{Part: []int{1, 2}, Partial: &Partial{3, 4}, Peek: true},
		"BINARY.SIZE[3]":                &BinarySize{Part: []int{3}},
		"BODY[HEADER.FIELDS (\"NIL\")]": &BodySection{Specifier: PartHeaderFields, Fields: []string{"NIL"}},
	} {
		b, err := item.AppendText(nil)
		require.NoError(t, err)
		assert.Equal(t, want, string(b))
	}
	for _, item := range []FetchItem{FetchAtt(""), FetchAtt("A\r\n"), &BodySection{Specifier: PartMIME}, &BodySection{Specifier: "FOO"},
		&BodySection{Part: []int{-1}}, &BodySection{Specifier: PartHeaderFields}, &BodySection{Specifier: PartHeaderFieldsNot, Fields: []string{"a\r\n"}},
		&BodySection{Specifier: PartHeaderFields, Fields: []string{"é"}}, &BodySection{Partial: &Partial{-1, 1}}, &BinarySize{Part: []int{0}}, &BinarySection{Partial: &Partial{0, 0}}} {
		_, err := item.AppendText(nil)
		assert.Error(t, err)
	}
	assert.Equal(t, []FetchItem{FetchFlags, FetchInternalDate, FetchSize}, ExpandMacro("fast"))
	assert.Len(t, ExpandMacro(FetchMacroAll), 4)
	assert.Len(t, ExpandMacro(FetchMacroFull), 5)
	assert.Nil(t, ExpandMacro(FetchUID))
}

func TestSearchNames(t *testing.T) {
	for want, k := range map[string]SearchKey{
		"SEEN": SearchFlag{Flag: `\seen`}, "UNSEEN": SearchFlag{Flag: FlagSeen, Unset: true}, "OLD": SearchFlag{Flag: FlagRecent, Unset: true},
		"KEYWORD": SearchFlag{Flag: "x"}, "UNKEYWORD": SearchFlag{Flag: "x", Unset: true}, "X-GM-RAW": SearchRaw{"X-GM-RAW foo"}, "X": SearchRaw{"X"},
		"SUBJECT": SearchText{Field: SearchSubject}, "SINCE": SearchDate{When: SearchSince}, "ALL": SearchAll{}, "NOT": SearchNot{},
	} {
		assert.Equal(t, want, k.SearchName())
	}
}

func TestConditionsAndErrors(t *testing.T) {
	for c := OK; c <= PREAUTH; c++ {
		assert.Equal(t, c, ParseCondition(strings.ToLower(c.String())))
	}
	assert.Zero(t, ParseCondition("MAYBE"))
	assert.Equal(t, "Condition(9)", Condition(9).String())

	err := fmt.Errorf("store: %w", &Error{Code: CodeTryCreate, Text: "a\r\nb"})
	assert.ErrorIs(t, err, ErrTryCreate)
	assert.NotErrorIs(t, err, ErrNoMailbox)
	assert.Equal(t, `store: imap: NO [TRYCREATE] a\r\nb`, err.Error())
	assert.Equal(t, CodeTryCreate, AsError(err).Code)
	e := AsError(errors.New("open /home/joe: permission denied"))
	assert.Equal(t, &Error{NO, CodeServerBug, "Internal error"}, e)
	assert.False(t, (&Error{}).Is(errors.New("x")))
	assert.Equal(t, "imap: BAD", (&Error{Kind: BAD}).Error())

	assert.Equal(t, "UIDNEXT", CodeNumber{Name: "uidnext"}.CodeName())
	assert.Equal(t, "X-Y", CodeRaw{Name: "x-y"}.CodeName())
	for _, c := range []Code{CodeCapability{}, CodePermanentFlags{}, CodeCharsets{}, CodeAppendUID{}, CodeCopyUID{}, CodeModified{}, CodeAlert} {
		assert.NotEmpty(t, c.CodeName())
	}
	for k, want := range map[ChangeKind]string{ChangeNew: "new", ChangeFlags: "flags", ChangeVanished: "vanished", 9: "ChangeKind(9)"} {
		assert.Equal(t, want, k.String())
	}
}

func TestCapabilities(t *testing.T) {
	s := Capabilities{"imap4REV1", "AUTH=PLAIN", "auth=SCRAM-SHA-256", "APPENDLIMIT=5", "AUTH"}
	assert.True(t, s.Has(CapIMAP4rev1))
	assert.False(t, s.Has(CapIdle))
	assert.True(t, s.Has(CapAuth("plain")))
	assert.Equal(t, []string{"PLAIN", "SCRAM-SHA-256"}, s.Values("AUTH"))
	assert.Equal(t, []string{"5"}, s.Values("appendlimit"))
	assert.Empty(t, s.Values("X"))
}
