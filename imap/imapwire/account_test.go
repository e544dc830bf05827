package imapwire

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

var accountCommands = []commandCase{
	{`ID ("os" "x\\y")`, &ID{[]imap.IDParam{{Name: "os", Value: `x\y`}}}, true},
	{"COMPRESS DEFLATE", &Compress{"DEFLATE"}, true},
	{"compress deflate", &Compress{"DEFLATE"}, false},
	{"LANGUAGE", &Language{}, true},

	{`LANGUAGE DE FR-CA "*"`, &Language{[]string{"DE", "FR-CA", "*"}}, true},
	{"COMPARATOR", &Comparator{}, true},
	{`COMPARATOR "cz;*" i;basic`, &Comparator{[]string{"cz;*", "i;basic"}}, true},
	{"GETJMAPACCESS", &GetJMAPAccess{}, true},
	{`RLIST "" %`, &RList{"", "%"}, true},
	{`RLSUB #shared/ *`, &RLsub{"#shared/", "*"}, true},

	{`GENURLAUTH imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred INTERNAL`, &GenURLAuth{[]URLAuthRequest{
		{"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred", "INTERNAL"}}}, true},
	{`GENURLAUTH "imap://a/b c" internal d X-1.2`, &GenURLAuth{[]URLAuthRequest{{"imap://a/b c", "INTERNAL"}, {"d", "X-1.2"}}}, false},
	{"RESETKEY", &ResetKey{}, true},
	{"RESETKEY INBOX", &ResetKey{Mailbox: "INBOX"}, true},
	{"RESETKEY INBOX INTERNAL XSAMPLE", &ResetKey{"INBOX", []string{"INTERNAL", "XSAMPLE"}}, true},
	{"URLFETCH imap://a/b/;UID=1 c", &URLFetch{[]string{"imap://a/b/;UID=1", "c"}}, true},

	{"SETACL INBOX joe lr", &SetACL{Mailbox: "INBOX", Identifier: "joe", Rights: "lr"}, true},
	{"SETACL INBOX joe +lr", &SetACL{Mailbox: "INBOX", Identifier: "joe", Change: imap.RightsAdd, Rights: "lr"}, true},
	{"SETACL INBOX -joe -lr", &SetACL{Mailbox: "INBOX", Identifier: "-joe", Change: imap.RightsRemove, Rights: "lr"}, true},
	{`SETACL INBOX "joe x" ""`, &SetACL{Mailbox: "INBOX", Identifier: "joe x"}, true},
	{"SETACL &U,BTFw- {2}\r\n\xc3\xa9 {1}\r\nl", &SetACL{Mailbox: "台北", Identifier: "é", Rights: "l"}, false},
	{"DELETEACL INBOX Fred", &DeleteACL{"INBOX", "Fred"}, true},
	{"GETACL INBOX", &GetACL{"INBOX"}, true},
	{"LISTRIGHTS ~/Mail/saved smith", &ListRights{"~/Mail/saved", "smith"}, true},
	{"MYRIGHTS INBOX", &MyRights{"INBOX"}, true},

	{`GETQUOTA ""`, &GetQuota{""}, true},
	{"GETQUOTA !partition/sda4", &GetQuota{"!partition/sda4"}, true},
	{"GETQUOTAROOT INBOX", &GetQuotaRoot{"INBOX"}, true},
	{`SETQUOTA "" (STORAGE 512)`, &SetQuota{"", []imap.QuotaLimit{{Resource: imap.QuotaStorage, Limit: 512}}}, true},
	{`SETQUOTA x (STORAGE 512 MESSAGE 9223372036854775807)`, &SetQuota{"x", []imap.QuotaLimit{
		{Resource: imap.QuotaStorage, Limit: 512}, {Resource: imap.QuotaMessage, Limit: 1<<63 - 1}}}, true},
	{"SETQUOTA x ()", &SetQuota{Root: "x"}, true},

	{`GETMETADATA "" /shared/comment`, &GetMetadata{Entries: []string{"/shared/comment"}}, true},
	{"GETMETADATA INBOX (/shared/comment /private/comment)", &GetMetadata{Mailbox: "INBOX", Entries: []string{"/shared/comment", "/private/comment"}}, true},
	{"GETMETADATA (MAXSIZE 1024 DEPTH infinity) INBOX (/shared/comment /private/x)", &GetMetadata{Mailbox: "INBOX",
		MaxSize: ptr(int64(1024)), Depth: imap.DepthInfinity, Entries: []string{"/shared/comment", "/private/x"}}, true},
	{"GETMETADATA INBOX (MAXSIZE 1024) (/shared/comment)", &GetMetadata{Mailbox: "INBOX", MaxSize: ptr(int64(1024)), Entries: []string{"/shared/comment"}}, false},
	{"GETMETADATA INBOX (depth 1) /shared/comment", &GetMetadata{Mailbox: "INBOX", Depth: imap.DepthOne, Entries: []string{"/shared/comment"}}, false},
	{"GETMETADATA (DEPTH 0 X-A X-B (c d)) INBOX /shared/a", &GetMetadata{Mailbox: "INBOX", Depth: imap.DepthZero,
		Options: []imap.RawItem{{Name: "X-A"}, {Name: "X-B", Value: "(c d)"}}, Entries: []string{"/shared/a"}}, true},
	{`GETMETADATA INBOX ("/shared/comment")`, &GetMetadata{Mailbox: "INBOX", Entries: []string{"/shared/comment"}}, false},
	{`SETMETADATA INBOX (/private/comment "My comment" /shared/comment NIL)`, &SetMetadata{"INBOX", []imap.MetadataEntry{
		{Name: "/private/comment", Value: []byte("My comment")}, {Name: "/shared/comment"}}}, true},
	{"SETMETADATA \"\" (/private/x ~{3}\r\na\x00b)", &SetMetadata{"", []imap.MetadataEntry{{Name: "/private/x", Value: []byte("a\x00b")}}}, true},
	{"SETMETADATA \"\" (/private/x {3}\r\na\r\n)", &SetMetadata{"", []imap.MetadataEntry{{Name: "/private/x", Value: []byte("a\r\n")}}}, true},
	{`SETMETADATA "" (/private/x "")`, &SetMetadata{"", []imap.MetadataEntry{{Name: "/private/x", Value: []byte{}}}}, true},
}

func accountResponses(testing.TB) []responseCase {
	code := func(c imap.Code) Response { return &StatusResponse{Tag: "a", Cond: imap.NO, Code: c, Text: "x"} }
	return []responseCase{
		{`* NAMESPACE (("" "/" "TRANSLATION" ("&AMg-/")))(("Other Users/" "/" "TRANSLATION" ("Andere Ben&APw-tzer/") "X" (1))) NIL`, &NamespaceData{imap.Namespaces{
			Personal: []imap.Namespace{{Delimiter: '/', Translation: "È/"}},
			Other:    []imap.Namespace{{Prefix: "Other Users/", Delimiter: '/', Translation: "Andere Benützer/", Extended: []imap.RawItem{{Name: "X", Value: "(1)"}}}}}}, false},
		{`* NAMESPACE (("" NIL "TRANSLATION" ("a" "b"))) NIL NIL`, &NamespaceData{imap.Namespaces{
			Personal: []imap.Namespace{{Extended: []imap.RawItem{{Name: "TRANSLATION", Value: `("a" "b")`}}}}}}, true},
		{`* LANGUAGE ("DE")`, &LanguageData{[]string{"DE"}}, true},
		{`* LANGUAGE (EN DE i-default)`, &LanguageData{[]string{"EN", "DE", "i-default"}}, false},
		{`* COMPARATOR "i;basic"`, &ComparatorData{Active: "i;basic"}, true},
		{`* COMPARATOR "i;basic" ("i;basic" "i;octet")`, &ComparatorData{"i;basic", []string{"i;basic", "i;octet"}}, true},
		{`* JMAPACCESS "https://example.com/.s/[jmap]"`, &JMAPAccessData{"https://example.com/.s/[jmap]"}, true},

		{"* GENURLAUTH imap://a/b;urlauth=anonymous:internal:91354a473744909de610943775f92038 c", &GenURLAuthData{[]string{
			"imap://a/b;urlauth=anonymous:internal:91354a473744909de610943775f92038", "c"}}, true},
		{"* GENURLAUTH", &GenURLAuthData{}, true},
		{"* URLFETCH a {3}\r\nx\r\n b NIL c \"\" d ~{1}\r\n\x00", &URLFetchData{Items: []URLFetchItem{
			{URL: "a", Body: []byte("x\r\n"), Size: 3}, {URL: "b"}, {URL: "c", Body: []byte{}}, {URL: "d", Body: []byte{0}, Size: 1}}}, true},
		{"* URLFETCH", &URLFetchData{}, true},
		{"a OK [MAILBOXID (F2212ea87-6097-4256-9d51-71338625)] x", &StatusResponse{Tag: "a", Cond: imap.OK, Code: imap.CodeMailboxID{ID: "F2212ea87-6097-4256-9d51-71338625"}, Text: "x"}, true},
		{"a NO [REFERRAL imap://user;AUTH=*@SERVER2/] x", code(imap.CodeReferral{URLs: []imap.URL{{Host: "SERVER2", User: "user", AuthType: "*"}}}), true},
		{"a NO [REFERRAL imap://a/b/c imap://d/b/c] x", code(imap.CodeReferral{URLs: []imap.URL{{Host: "a", Mailbox: "b/c"}, {Host: "d", Mailbox: "b/c"}}}), true},
		{"a NO [REFERRAL imap://a/b http://c/] x", code(imap.CodeRaw{Name: "REFERRAL", Text: "imap://a/b http://c/"}), true},
		{"a NO [REFERRAL] x", code(imap.CodeAtom("REFERRAL")), true},
		{"a NO [BADURL /INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9] x", code(imap.CodeBadURL{URL: "/INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9"}), true},
		{"a NO [BADURL a b] x", code(imap.CodeBadURL{URL: "a b"}), false},
		{`a NO [BADURL "a b"] x`, code(imap.CodeBadURL{URL: "a b"}), true},

		{"a NO [URLMECH INTERNAL XSAMPLE=P34OKhO7VEkCbsiYY8rGEg== Y Z=] x", code(imap.CodeURLMech{Mechanisms: []imap.URLMechanism{
			{Name: "XSAMPLE", Data: []byte("\x3f\x7e\x0e\x2a\x13\xbb\x54\x49\x02\x6e\xc8\x98\x63\xca\xc6\x12")}, {Name: "Y"}, {Name: "Z", Data: []byte{}}}}), true},
		{"a NO [URLMECH INTERNAL] x", code(imap.CodeURLMech{}), true},
		{"a NO [URLMECH OTHER] x", code(imap.CodeRaw{Name: "URLMECH", Text: "OTHER"}), true},
		{"a NO [BADCOMPARATOR] x", code(imap.CodeBadComparator), true},
		{"a NO [TOOBIG] x", code(imap.CodeTooBig), true},

		{"* ACL INBOX Fred rwipslda", &ACLData{"INBOX", []imap.ACLEntry{{Identifier: "Fred", Rights: "rwipslda"}}}, true},
		{`* ACL INBOX Fred rwipsldexta Chris lrswi "group:a b" ""`, &ACLData{"INBOX", []imap.ACLEntry{
			{Identifier: "Fred", Rights: "rwipsldexta"}, {Identifier: "Chris", Rights: "lrswi"}, {Identifier: "group:a b"}}}, true},
		{"* ACL INBOX", &ACLData{Mailbox: "INBOX"}, true},
		{`* ACL "INBOX"  Fred "lr" `, &ACLData{"INBOX", []imap.ACLEntry{{Identifier: "Fred", Rights: "lr"}}}, false},
		{"* LISTRIGHTS ~/Mail/saved smith la r swicdkxte", &ListRightsData{"~/Mail/saved", "smith", "la", []imap.Rights{"r", "swicdkxte"}}, true},
		{`* LISTRIGHTS archive.imap anyone "" l r s w i p k x t e c d a 0 1`, &ListRightsData{"archive.imap", "anyone", "",
			[]imap.Rights{"l", "r", "s", "w", "i", "p", "k", "x", "t", "e", "c", "d", "a", "0", "1"}}, true},
		{"* MYRIGHTS INBOX rwiptsldaex", &MyRightsData{"INBOX", "rwiptsldaex"}, true},

		{`* QUOTA "" (STORAGE 10 512)`, &QuotaData{imap.Quota{Resources: []imap.QuotaUsage{{Resource: imap.QuotaStorage, Usage: 10, Limit: 512}}}}, true},
		{`* QUOTA "a b" (STORAGE 10 512 MESSAGE 4 9223372036854775807)`, &QuotaData{imap.Quota{Root: "a b", Resources: []imap.QuotaUsage{
			{Resource: imap.QuotaStorage, Usage: 10, Limit: 512}, {Resource: imap.QuotaMessage, Usage: 4, Limit: 1<<63 - 1}}}}, true},
		{`* QUOTA x ()`, &QuotaData{imap.Quota{Root: "x"}}, true},
		{`* QUOTA x (STORAGE -1 1.5e+03)`, &QuotaData{imap.Quota{Root: "x", Resources: []imap.QuotaUsage{{Resource: imap.QuotaStorage, Limit: 1500}}}}, false},
		{`* QUOTAROOT INBOX ""`, &QuotaRootData{"INBOX", []string{""}}, true},
		{`* QUOTAROOT comp.mail.mime`, &QuotaRootData{Mailbox: "comp.mail.mime"}, true},
		{`* QUOTAROOT INBOX "User quota" !p`, &QuotaRootData{"INBOX", []string{"User quota", "!p"}}, true},

		{`* METADATA INBOX (/private/comment "My own comment" /shared/x NIL)`, &MetadataData{Mailbox: "INBOX", Entries: []imap.MetadataEntry{
			{Name: "/private/comment", Value: []byte("My own comment")}, {Name: "/shared/x"}}}, true},
		{`* METADATA "" /shared/comment`, &MetadataData{Names: []string{"/shared/comment"}}, true},
		{"* METADATA INBOX /shared/comment /private/comment", &MetadataData{Mailbox: "INBOX", Names: []string{"/shared/comment", "/private/comment"}}, true},
		{"* METADATA \"\" (/shared/x ~{3}\r\na\x00b /shared/y {2}\r\n\xc3\xa9)", &MetadataData{Entries: []imap.MetadataEntry{
			{Name: "/shared/x", Value: []byte("a\x00b")}, {Name: "/shared/y", Value: []byte("é")}}}, true},
		{"* METADATA INBOX (/shared/x yes)", &MetadataData{Mailbox: "INBOX", Entries: []imap.MetadataEntry{{Name: "/shared/x", Value: []byte("yes")}}}, false},
		{"a NO [METADATA LONGENTRIES 2199] x", code(imap.CodeMetadata{Reason: imap.MetadataLongEntries, N: 2199}), true},
		{"a NO [METADATA MAXSIZE 1024] x", code(imap.CodeMetadata{Reason: imap.MetadataMaxSize, N: 1024}), true},
		{"a NO [METADATA TOOMANY] x", code(imap.CodeMetadata{Reason: imap.MetadataTooMany}), true},
		{"a NO [METADATA NOPRIVATE] x", code(imap.CodeMetadata{Reason: imap.MetadataNoPrivate}), true},
		{"a NO [METADATA OTHER 5] x", code(imap.CodeRaw{Name: "METADATA", Text: "OTHER 5"}), true},
	}
}

func TestAccountCommandsRefuse(t *testing.T) {
	for _, in := range []string{
		"GENURLAUTH", "GENURLAUTH a", "GENURLAUTH a b c", "GENURLAUTH a b_c", "RESETKEY \"\"", "RESETKEY a (b)", "URLFETCH", "URLFETCH ",
		"COMPRESS", "COMPRESS a b", "LANGUAGE ", "LANGUAGE (a)", "LANGUAGE DE *", "GETJMAPACCESS x", "RLIST a",
		"SETACL INBOX joe LR", "SETACL INBOX joe l r", "SETACL INBOX joe", "SETACL INBOX joe +-l", "GETACL", "GETACL a b", "DELETEACL a", "MYRIGHTS",
		"GETQUOTA", "SETQUOTA x STORAGE 5", "SETQUOTA x (STORAGE)", "SETQUOTA x (STORAGE -1)", "SETQUOTA x (STORAGE 9223372036854775808)", "SETQUOTA x (STORAGE 1 )",
		"GETMETADATA INBOX", "GETMETADATA INBOX ()", "GETMETADATA (DEPTH 2) INBOX /a", "GETMETADATA (MAXSIZE x) INBOX /a", "GETMETADATA () INBOX",
		"SETMETADATA INBOX", "SETMETADATA INBOX ()", "SETMETADATA INBOX (/a)", "SETMETADATA INBOX (/a b)", "SETMETADATA INBOX /a NIL",
	} {
		_, err := ParseCommand([]byte("a1 "+in), nil)
		var pe *ParseError
		if assert.ErrorAs(t, err, &pe, in) {
			assert.Equal(t, "a1", pe.Tag)
		}
	}
}

func TestAccountEncodersRefuse(t *testing.T) {
	for _, a := range []Args{
		&GenURLAuth{}, &GenURLAuth{[]URLAuthRequest{{"\x00", "A"}}}, &GenURLAuth{[]URLAuthRequest{{"a", "A B"}}}, &ResetKey{"", []string{"A"}}, &ResetKey{"a", []string{""}},
		&URLFetch{}, &URLFetch{[]string{"\x00"}},
		&ID{make([]imap.IDParam, 31)}, &ID{[]imap.IDParam{{Name: "a234567890123456789012345678901"}}}, &ID{[]imap.IDParam{{Name: "a", Value: strings.Repeat("x", 1025)}}},
		&Compress{"A B"}, &Compress{}, &Language{[]string{"\x00"}}, &RList{"", "a\r\n"},
		&SetACL{Mailbox: "x", Identifier: "y", Rights: "L"}, &SetACL{Mailbox: "x", Identifier: "\x00", Rights: "l"},
		&DeleteACL{"a\r\n", "b"}, &GetACL{"\x00"}, &MyRights{"\xff"}, &GetQuota{"\x00"}, &GetQuotaRoot{"a\nb"},
		&SetQuota{"x", []imap.QuotaLimit{{Resource: "A B"}}}, &SetQuota{"x", []imap.QuotaLimit{{Resource: "A", Limit: -1}}},
		&GetMetadata{Mailbox: "x"}, &GetMetadata{Mailbox: "x", Entries: []string{"a"}}, &GetMetadata{Mailbox: "x", Entries: []string{"/a*"}},
		&GetMetadata{Mailbox: "x", Entries: []string{"/a"}, MaxSize: ptr(int64(-1))}, &GetMetadata{Mailbox: "x", Entries: []string{"/a"}, Depth: "1)"},
		&SetMetadata{Mailbox: "x"}, &SetMetadata{"x", []imap.MetadataEntry{{Name: "/a\r\n"}}},
	} {
		out, err := AppendCommand([]byte("x"), "t", a)
		assert.Error(t, err, "%#v", a)
		assert.Equal(t, "x", string(out))
	}
	for _, r := range []Response{
		&GenURLAuthData{[]string{"\x00"}}, &URLFetchData{Items: []URLFetchItem{{URL: "\x00"}}}, &URLFetchData{Items: []URLFetchItem{{URL: "a", Size: 3}}},
		&URLFetchData{Items: []URLFetchItem{{URL: "a", Stream: &Literal{}}}},
		&LanguageData{}, &LanguageData{[]string{"\x00"}}, &ComparatorData{Active: "\x00"}, &ComparatorData{Active: "a", Matching: []string{"\x00"}},
		&JMAPAccessData{"a\r\n"}, &ACLData{"a\r\n", nil}, &ACLData{"a", []imap.ACLEntry{{Identifier: "\x00"}}}, &ACLData{"a", []imap.ACLEntry{{Identifier: "b", Rights: "A"}}},
		&ListRightsData{"a", "\x00", "", nil}, &ListRightsData{"a", "b", "C", nil}, &ListRightsData{"a", "b", "c", []imap.Rights{" "}}, &MyRightsData{"\x00", ""}, &MyRightsData{"a", "\r"},
		&QuotaData{imap.Quota{Root: "\x00"}}, &QuotaData{imap.Quota{Resources: []imap.QuotaUsage{{Resource: "a b"}}}}, &QuotaRootData{"a\r", nil}, &QuotaRootData{"a", []string{"\x00"}},
		&MetadataData{Mailbox: "x"}, &MetadataData{Mailbox: "x", Names: []string{"a b"}}, &MetadataData{Mailbox: "x", Entries: []imap.MetadataEntry{{Name: "\r\n"}}},
		&MetadataData{Mailbox: "x", Names: []string{"/a"}, Entries: []imap.MetadataEntry{{Name: "/b"}}},
	} {
		out, err := AppendResponse([]byte("x"), r, nil)
		assert.Error(t, err, "%#v", r)
		assert.Equal(t, "x", string(out))
	}
}

// A literal8 and what a client must wait with, in the middle of a command.
func TestMetadataLiteralWaits(t *testing.T) {
	var e CommandEncoder
	out, err := e.Append(nil, "a", &SetMetadata{"", []imap.MetadataEntry{{Name: "/private/x", Value: []byte("a\x00b")}, {Name: "/private/y", Value: []byte("\r\n")}}})
	require.NoError(t, err)
	assert.Equal(t, "a SETMETADATA \"\" (/private/x ~{3}\r\na\x00b /private/y {2}\r\n\r\n)\r\n", string(out))
	assert.Equal(t, []int{35, 55}, e.Waits)
}

func TestIsDone(t *testing.T) {
	for line, want := range map[string]bool{"DONE": true, "done": true, "DONE ": true, "DON": false, "DONE x": false, "": false} {
		assert.Equal(t, want, IsDone([]byte(line)), line)
	}
	assert.Equal(t, "xDONE\r\n", string(AppendDone([]byte("x"))))
}

// RFC 6855: names are quoted UTF-8, in both directions.
func TestUTF8Accept(t *testing.T) {
	o := &EncodeOptions{UTF8: true}
	for _, r := range []Response{
		list("日本", '/'), list("a b", '/'), &ACLData{Mailbox: "é"}, &MetadataData{Mailbox: "é", Names: []string{"/a"}},
		&NamespaceData{imap.Namespaces{Personal: []imap.Namespace{{Prefix: "é/", Delimiter: '/', Translation: "è/"}}}},
	} {
		out, err := AppendResponse(nil, r, o)
		require.NoError(t, err)
		assert.NotContains(t, string(out), "{")
		again, err := ParseResponse(frameOf(out), &ParseOptions{UTF8: true})
		require.NoError(t, err, "%s", out)
		assert.Equal(t, r, again)
	}
	out, err := AppendResponse(nil, list("日本", '/'), o)
	require.NoError(t, err)
	assert.Equal(t, "* LIST () \"/\" \"日本\"\r\n", string(out))
	for _, name := range []string{"a\r\nb", "a\x00"} {
		_, err = AppendResponse(nil, list(name, '/'), o)
		assert.Error(t, err)
	}
	e := CommandEncoder{UTF8: true}
	out, err = e.Append(nil, "t", &SetACL{Mailbox: "é", Identifier: "ü", Rights: "l"})
	require.NoError(t, err)
	assert.Equal(t, "t SETACL \"é\" \"ü\" l\r\n", string(out))
	assert.Empty(t, e.Waits)
	cmd, err := ParseCommand(frameOf(out), &ParseOptions{UTF8: true})
	require.NoError(t, err)
	assert.Equal(t, &SetACL{Mailbox: "é", Identifier: "ü", Rights: "l"}, cmd.Args)
	_, err = ParseCommand([]byte("t DELETEACL INBOX \"\xff\""), &ParseOptions{UTF8: true})
	assert.ErrorContains(t, err, "not UTF-8")
	_, err = ParseCommand([]byte("t DELETEACL INBOX \"\xff\""), nil)
	assert.NoError(t, err, "as it always was")
}

// RFC 5255 section 3.5: texts in the language that was chosen.
func TestUTF8Text(t *testing.T) {
	r := &StatusResponse{Tag: "a", Cond: imap.NO, Text: "Schlüssel\r\n\xff\u0085 [x]"}
	out, err := AppendResponse(nil, r, &EncodeOptions{UTF8Text: true})
	require.NoError(t, err)
	assert.Equal(t, "a NO Schlüssel ?? [x]\r\n", string(out))
	out, err = AppendResponse(nil, r, nil)
	require.NoError(t, err)
	assert.Equal(t, "a NO Schl?ssel ?? [x]\r\n", string(out))
	for n := range 5 {
		r.Text = strings.Repeat("x", maxText-n) + "日本"
		out, err = AppendResponse(nil, r, &EncodeOptions{UTF8Text: true})
		require.NoError(t, err)
		assert.True(t, utf8.Valid(out))
	}
}

// Lists of entries of a few octets do not become many times as much memory.
func TestAccountListsAreBounded(t *testing.T) {
	for head, item := range map[string]string{
		"* ACL x": " a b", "* LISTRIGHTS x y z": " a", "* QUOTAROOT x": " a", "* QUOTA x (A 1 2": " A 1 2", "* METADATA x (/a b": " /a b", "* METADATA x /a": " /b",
		"* LANGUAGE (a": " b", "* COMPARATOR a (b": " c", "* GENURLAUTH": " a", "* URLFETCH": " a NIL",
	} {
		tail := ""
		if strings.Contains(head, "(") {
			tail = ")"
		}
		_, err := ParseResponse([]byte(head+strings.Repeat(item, 1000)+tail), nil)
		require.NoError(t, err, head)
		_, err = ParseResponse([]byte(head+strings.Repeat(item, 200_000)+tail), nil)
		assert.ErrorContains(t, err, "items", head)
	}
	for head, item := range map[string]string{"REFERRAL": " imap://a/", "URLMECH INTERNAL": " A"} {
		r, err := ParseResponse([]byte("a NO ["+head+strings.Repeat(item, 101)+"] x"), nil)
		require.NoError(t, err)
		assert.IsType(t, imap.CodeRaw{}, r.(*StatusResponse).Code)
	}
}
