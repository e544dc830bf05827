package imapwire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

func uidSet(t testing.TB, s string) imap.UIDSet {
	set, err := imap.ParseUIDSet(s)
	require.NoError(t, err)
	return set
}

func list(name string, delim rune, attrs ...imap.MailboxAttr) *ListData {
	return &ListData{MailboxInfo: imap.MailboxInfo{Name: name, Delimiter: delim, Attrs: attrs}}
}

type responseCase struct {
	in   string
	want Response
	same bool // the encoding of want is in
}

func responseCases(t testing.TB) []responseCase {
	gray := mime.Address{Name: "Terry Gray", Mailbox: "gray", Host: "cac.washington.edu"}
	minutes := mime.Address{Mailbox: "minutes", Host: "CNRI.Reston.VA.US"}
	klensin := mime.Address{Name: "John Klensin", Mailbox: "KLENSIN", Host: "MIT.EDU"}
	env := &mime.Envelope{Date: "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Subject: "IMAP4rev1 WG mtg summary and minutes",
		From: []mime.Address{gray}, Sender: []mime.Address{gray}, ReplyTo: []mime.Address{gray},
		To:        []mime.Address{{Mailbox: "imap", Host: "cac.washington.edu"}},
		Cc:        []mime.Address{minutes, klensin},
		MessageID: "<B27397-0100000@cac.washington.edu>"}
	text := &mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Params: mime.Params{{Name: "CHARSET", Value: "US-ASCII"}}, Encoding: "7BIT", Octets: 3028, Lines: 92}
	date := time.Date(1996, 7, 17, 2, 44, 25, 0, time.FixedZone("", -7*3600))
	return append(append(accountResponses(t), searchResponses(t)...), []responseCase{
		{"* OK IMAP4rev1 server ready", &StatusResponse{Cond: imap.OK, Text: "IMAP4rev1 server ready"}, true},
		{"* PREAUTH hello", &StatusResponse{Cond: imap.PREAUTH, Text: "hello"}, true},
		{"* BYE Autologout; idle for too long", &StatusResponse{Cond: imap.BYE, Text: "Autologout; idle for too long"}, true},
		{"a047 NO APPEND failed: {3}", &StatusResponse{Tag: "a047", Cond: imap.NO, Text: "APPEND failed: {3}"}, true},
		{"A1 bad Unknown", &StatusResponse{Tag: "A1", Cond: imap.BAD, Text: "Unknown"}, false},
		{"* OK [ALERT] System shutdown in 10 minutes", &StatusResponse{Cond: imap.OK, Code: imap.CodeAlert, Text: "System shutdown in 10 minutes"}, true},
		{"* OK [UIDVALIDITY 3857529045] UIDs valid", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "UIDVALIDITY", N: 3857529045}, Text: "UIDs valid"}, true},
		{"* OK [HIGHESTMODSEQ 12345]", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "HIGHESTMODSEQ", N: 12345}}, false},
		{`* OK [PERMANENTFLAGS (\Deleted \Seen \*)] Limited`, &StatusResponse{Cond: imap.OK,
			Code: imap.CodePermanentFlags{Flags: []imap.Flag{imap.FlagDeleted, imap.FlagSeen, imap.FlagWildcard}}, Text: "Limited"}, true},
		{"* OK [PERMANENTFLAGS ()] x", &StatusResponse{Cond: imap.OK, Code: imap.CodePermanentFlags{Flags: []imap.Flag{}}, Text: "x"}, true},
		{"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] x", &StatusResponse{Cond: imap.OK, Code: imap.CodeCapability{Capabilities: imap.Capabilities{"IMAP4rev1", "AUTH=PLAIN"}}, Text: "x"}, true},
		{"A5 NO [BADCHARSET (UTF-8 US-ASCII)] x", &StatusResponse{Tag: "A5", Cond: imap.NO, Code: imap.CodeCharsets{Charsets: []string{"UTF-8", "US-ASCII"}}, Text: "x"}, true},
		{"A5 NO [BADCHARSET] x", &StatusResponse{Tag: "A5", Cond: imap.NO, Code: imap.CodeBadCharset, Text: "x"}, true},
		{"A003 OK [APPENDUID 38505 3955] APPEND completed", &StatusResponse{Tag: "A003", Cond: imap.OK, Code: imap.CodeAppendUID{UIDValidity: 38505, UIDs: uidSet(t, "3955")}, Text: "APPEND completed"}, true},
		{"A004 OK [COPYUID 38505 304,319:320 3956:3958] Done", &StatusResponse{Tag: "A004", Cond: imap.OK,
			Code: imap.CodeCopyUID{CopyResult: imap.CopyResult{UIDValidity: 38505, Source: uidSet(t, "304,319:320"), Dest: uidSet(t, "3956:3958")}}, Text: "Done"}, true},
		{"d OK [MODIFIED 7,9] x", &StatusResponse{Tag: "d", Cond: imap.OK, Code: imap.CodeModified{Set: "7,9"}, Text: "x"}, true},
		{`A NO [X "a]b"] x`, &StatusResponse{Tag: "A", Cond: imap.NO, Code: imap.CodeRaw{Name: "X", Text: `"a]b"`}, Text: "x"}, true},
		{"+ idling", &Continuation{"idling"}, true},
		{"+ AGEAYg==", &Continuation{"AGEAYg=="}, true},
		{"+", &Continuation{}, false},
		{"+ ", &Continuation{}, false},
		{"* CAPABILITY IMAP4rev1 STARTTLS AUTH=GSSAPI", &CapabilityData{imap.Capabilities{"IMAP4rev1", "STARTTLS", "AUTH=GSSAPI"}}, true},
		{"* CAPABILITY IMAP4rev1 LITERAL + IDLE", &CapabilityData{imap.Capabilities{"IMAP4rev1", "LITERAL+", "IDLE"}}, false},
		{"* ENABLED CONDSTORE", &EnabledData{imap.Capabilities{"CONDSTORE"}}, true},
		{"* ENABLED", &EnabledData{}, true},
		{`* LIST (\Noselect) "/" ~/Mail/foo`, list("~/Mail/foo", '/', imap.AttrNoselect), true},
		{`* LIST () NIL inbox`, list("INBOX", 0), false},
		{`* LIST (\HasNoChildren \Sent) "\\" "a b"`, list("a b", '\\', imap.AttrHasNoChildren, imap.AttrSent), true},
		{"* LIST () \"/\" {5}\r\na\"b\\c", list(`a"b\c`, '/'), false},
		{`* LIST () "/" &U,BTFw-`, list("台北", '/'), true},
		{`* LIST () "/" "台北"`, list("台北", '/'), false},
		{`* LIST () "/" 台北`, list("台北", '/'), false},
		{`* LIST () "/" R&D`, list("R&D", '/'), false},
		{`* LSUB () "." #news.comp.mail.misc`, func() Response { l := list("#news.comp.mail.misc", '.'); l.Lsub = true; return l }(), true},
		{`* LIST (\NonExistent) "/" Foo ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" (Bar) "X" (a (b)))`, func() Response {
			l := list("Foo", '/', imap.AttrNonExistent)
			l.ChildInfo, l.OldName, l.Extended = []string{"SUBSCRIBED"}, "Bar", []imap.RawItem{{Name: "X", Value: "(a (b))"}}
			return l
		}(), true},
		{"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)", &StatusData{imap.MailboxStatus{Name: "blurdybloop", Messages: 231, UIDNext: 44292,
			Items: []imap.StatusItem{"MESSAGES", "UIDNEXT"}}}, true},
		{"* STATUS x (RECENT 1 UNSEEN 2 UIDVALIDITY 3 DELETED 4 SIZE 5 HIGHESTMODSEQ 6 APPENDLIMIT NIL MAILBOXID (F1) DELETED-STORAGE 7 X-Y (1 2))", &StatusData{imap.MailboxStatus{Name: "x",
			Recent: 1, Unseen: 2, UIDValidity: 3, Deleted: 4, Size: 5, HighestModSeq: 6, MailboxID: "F1", DeletedStorage: 7,
			Items:    []imap.StatusItem{"RECENT", "UNSEEN", "UIDVALIDITY", "DELETED", "SIZE", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE"},
			Extended: []imap.RawItem{{Name: "X-Y", Value: "(1 2)"}}}}, true},
		{"* STATUS x (APPENDLIMIT 5)", &StatusData{imap.MailboxStatus{Name: "x", AppendLimit: ptr(int64(5)), Items: []imap.StatusItem{"APPENDLIMIT"}}}, true},
		{"* STATUS Inbox (MESSAGES 1) ", &StatusData{imap.MailboxStatus{Name: "INBOX", Messages: 1, Items: []imap.StatusItem{"MESSAGES"}}}, false},
		{"* SEARCH 2 3 6", &SearchData{Nums: []uint32{2, 3, 6}}, true},
		{"* SEARCH", &SearchData{}, true},
		{"* SEARCH 2 5 (MODSEQ 917162500)", &SearchData{Nums: []uint32{2, 5}, ModSeq: 917162500}, true},
		{`* FLAGS (\Answered \Flagged $Junk)`, &FlagsData{[]imap.Flag{imap.FlagAnswered, imap.FlagFlagged, "$Junk"}}, true},
		{"* FLAGS ()", &FlagsData{[]imap.Flag{}}, true},
		{"* 23 EXISTS", &ExistsData{23}, true},
		{"* 5 RECENT", &RecentData{5}, true},
		{"* 44 EXPUNGE", &ExpungeData{44}, true},
		{"* VANISHED 405,407:4294967295", &VanishedData{UIDs: uidSet(t, "405,407:4294967295")}, true},
		{"* VANISHED (EARLIER) 41", &VanishedData{Earlier: true, UIDs: uidSet(t, "41")}, true},
		{`* NAMESPACE (("" "/")) NIL NIL`, &NamespaceData{imap.Namespaces{Personal: []imap.Namespace{{Delimiter: '/'}}}}, true},
		{`* NAMESPACE (("" "/")("#mh/" "/" "X-PARAM" ("FLAG1" "FLAG2"))) (("~" "/")) (("#shared/" NIL))`, &NamespaceData{imap.Namespaces{
			Personal: []imap.Namespace{{Delimiter: '/'}, {Prefix: "#mh/", Delimiter: '/', Extended: []imap.RawItem{{Name: "X-PARAM", Value: `("FLAG1" "FLAG2")`}}}},
			Other:    []imap.Namespace{{Prefix: "~", Delimiter: '/'}}, Shared: []imap.Namespace{{Prefix: "#shared/"}}}}, true},
		{"* ID NIL", &IDData{}, true},
		{`* ID ("name" "Cyrus" "os" NIL)`, &IDData{[]imap.IDParam{{Name: "name", Value: "Cyrus"}, {Name: "os"}}}, true},
		{"* XQUOTA \"\" (STORAGE 10 512)", &UnknownData{`* XQUOTA "" (STORAGE 10 512)`}, true},
		{"* 5 FOO", &UnknownData{"* 5 FOO"}, true},
		{"* FOO {3}\r\na\r\n (b)", &UnknownData{"* FOO {3}\r\na\r\n (b)"}, true},
		{"Server Unavailable.", &UnknownData{"Server Unavailable."}, true},
		{`* 12 FETCH (UID 4827313 FLAGS (\Seen))`, &FetchData{Seq: 12, Has: HasUID | HasFlags, UID: 4827313, Flags: []imap.Flag{imap.FlagSeen}}, true},
		{`* 12 FETCH (MODSEQ (65402) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4286 EMAILID (M1) THREADID NIL SAVEDATE NIL PREVIEW "x")`,
			&FetchData{Seq: 12, Has: HasModSeq | HasInternalDate | HasSize | HasEmailID | HasThreadID | HasSaveDate | HasPreview,
				ModSeq: 65402, InternalDate: date, Size: 4286, EmailID: "M1", Preview: "x"}, true},
		{`* 12 FETCH (PREVIEW NIL)`, &FetchData{Seq: 12, Has: HasPreview, PreviewNil: true}, true},
		{`* 12 FETCH (ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>"))`,
			&FetchData{Seq: 12, Has: HasEnvelope, Envelope: env}, true},
		{`* 1 FETCH (ENVELOPE ("" NIL NIL NIL NIL ((NIL NIL "team" NIL)("A" NIL "a" "b")(NIL NIL NIL NIL)) NIL NIL "" NIL))`,
			&FetchData{Seq: 1, Has: HasEnvelope, Envelope: &mime.Envelope{Empty: mime.EnvelopeDate | mime.EnvelopeInReplyTo,
				To: []mime.Address{{Kind: mime.AddressGroupStart, Mailbox: "team"}, {Name: "A", Mailbox: "a", Host: "b"}, {Kind: mime.AddressGroupEnd}}}}, true},
		{`* 12 FETCH (BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92))`, &FetchData{Seq: 12, Has: HasBody, BodyStructure: text}, true},
		{`* 12 FETCH (BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92 NIL NIL NIL NIL)("MESSAGE" "RFC822" NIL "<i>" "d" "7BIT" 10 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ("APPLICATION" "PDF" NIL NIL NIL "BASE64" 4 "md5" ("inline" ("filename" "x")) ("en" "de") "http://x/") 3 NIL ("attachment" NIL) "en" NIL) "MIXED" ("BOUNDARY" "b") NIL NIL NIL))`,
			&FetchData{Seq: 12, Has: HasBodyStructure, BodyStructure: &mime.BodyStructure{Type: "multipart", Subtype: "MIXED", Params: mime.Params{{Name: "BOUNDARY", Value: "b"}},
				Parts: []*mime.BodyStructure{text, {Type: "MESSAGE", Subtype: "RFC822", ID: "<i>", Description: "d", Encoding: "7BIT", Octets: 10, Lines: 3,
					Envelope: &mime.Envelope{Subject: "s"}, Disposition: &mime.Disposition{Type: "attachment"}, Language: []string{"en"},
					Body: &mime.BodyStructure{Type: "APPLICATION", Subtype: "PDF", Encoding: "BASE64", Octets: 4, MD5: "md5",
						Disposition: &mime.Disposition{Type: "inline", Params: mime.Params{{Name: "filename", Value: "x"}}}, Language: []string{"en", "de"}, Location: "http://x/"}}}}}, true},
		{"* 12 FETCH (BODY[HEADER] {5}\r\nab\r\nc UID 3)", &FetchData{Seq: 12, Has: HasUID, UID: 3,
			Sections: []SectionData{{Item: &imap.BodySection{Specifier: imap.PartHeader}, Body: []byte("ab\r\nc"), Size: 5}}}, false},
		{"* 12 FETCH (BODY[1.2.HEADER.FIELDS (A \"B c\")]<7> {0}\r\n BODY[2] NIL BINARY[3]<1> ~{2}\r\n\x00\x01 BINARY.SIZE[3] 9 RFC822 {1}\r\nx)", &FetchData{Seq: 12,
			Sections: []SectionData{
				{Item: &imap.BodySection{Part: []int{1, 2}, Specifier: imap.PartHeaderFields, Fields: []string{"A", "B c"}, Partial: &imap.Partial{Offset: 7, Count: -1}}, Body: []byte{}},
				{Item: &imap.BodySection{Part: []int{2}}},
				{Item: &imap.BinarySection{Part: []int{3}, Partial: &imap.Partial{Offset: 1, Count: -1}}, Body: []byte{0, 1}, Size: 2},
				{Item: &imap.BinarySize{Part: []int{3}}, Size: 9},
				{Item: imap.FetchRFC822, Body: []byte("x"), Size: 1}}}, true},
		{`* 12 FETCH (BODY[1.FOO] "abc" BINARY[x] NIL BODY[HEADER.FIELDS] {1}` + "\r\na UID 3)", &FetchData{Seq: 12, Has: HasUID, UID: 3, Extended: []imap.RawItem{
			{Name: "BODY[1.FOO]", Value: `"abc"`}, {Name: "BINARY[x]", Value: "NIL"}, {Name: "BODY[HEADER.FIELDS]", Value: "{1}\r\na"}}}, false},
		{`* 12 FETCH (BODY[TEXT] "abc" X-LABELS (\Inbox "a b") ANNOTATION[1] (x))`, &FetchData{Seq: 12,
			Sections: []SectionData{{Item: &imap.BodySection{Specifier: imap.PartText}, Body: []byte("abc"), Size: 3}},
			Extended: []imap.RawItem{{Name: "X-LABELS", Value: `(\Inbox "a b")`}, {Name: "ANNOTATION[1]", Value: "(x)"}}}, false},
	}...)
}

func TestParseResponse(t *testing.T) {
	for _, tt := range responseCases(t) {
		r, err := ParseResponse([]byte(tt.in), nil)
		if assert.NoError(t, err, tt.in) {
			assert.Equal(t, tt.want, r, "%s", tt.in)
		}
	}
}

func TestResponseRoundTrip(t *testing.T) {
	for _, tt := range responseCases(t) {
		out, err := AppendResponse([]byte("x"), tt.want, nil)
		if !assert.NoError(t, err, tt.in) {
			continue
		}
		frame := frameOf(out[1:])
		if tt.same {
			assert.Equal(t, tt.in, string(frame))
		}
		r, err := ParseResponse(frame, nil)
		if !assert.NoError(t, err, "%q", frame) {
			continue
		}
		again, err := AppendResponse([]byte("x"), r, nil)
		require.NoError(t, err)
		assert.Equal(t, string(out), string(again))
	}
}

func TestParseResponseErrors(t *testing.T) {
	for _, in := range []string{
		"* LIST", "* LIST (", "* LIST () \"/\"", "* STATUS x", "* STATUS x (MESSAGES)", "* STATUS x (MESSAGES 4294967296)",
		"* SEARCH x", "* SEARCH 4294967296", "* FLAGS", "* VANISHED", "* VANISHED 0", "* NAMESPACE NIL", "* ID x",
		"* 1 FETCH", "* 1 FETCH (", "* 1 FETCH (UID", "* 1 FETCH (UID x)", "* 1 FETCH (ENVELOPE (", "* 1 FETCH (FLAGS (a)) x",
		"* 1 FETCH (BODY[ {1}\r\nx)", "* 1 FETCH (BODY[] {9}\r\nx)", "* 99999999999999999999 EXISTS", "* 1 EXISTS 2",
		"* 1 FETCH (MODSEQ (18446744073709551616))", "* 1 FETCH (RFC822.SIZE 9223372036854775808)",
	} {
		_, err := ParseResponse([]byte(in), nil)
		var pe *ParseError
		if assert.ErrorAs(t, err, &pe, in) {
			assert.Equal(t, in, string(pe.Raw))
		}
	}
}

func TestAppendStatusIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		tag  string
		cond imap.Condition
		code imap.Code
		text string
		want string
	}{
		{"a", imap.OK, nil, "done", "a OK done\r\n"},
		{"", imap.BYE, nil, "", "* BYE Done\r\n"},
		{"a", imap.NO, nil, "disk\r\n* BYE x\r\n\x00\x7f\ttab", "a NO disk * BYE x    tab\r\n"},
		{"a", imap.NO, nil, "kein Plätz \xff", "a NO kein Pl?tz ?\r\n"},
		{"a", imap.NO, nil, "[ALERT] x", "a NO (ALERT] x\r\n"},
		{"a", imap.NO, imap.CodeCannot, "[x]", "a NO [CANNOT] [x]\r\n"},
		{"a", imap.OK, imap.CodeAtom("A B"), "x", "a OK x\r\n"},
		{"a", imap.OK, imap.CodeRaw{Name: "X", Text: "y\r\nz"}, "x", "a OK x\r\n"},
		{"a", imap.OK, imap.CodeRaw{Name: "X", Text: "y]z"}, "x", "a OK x\r\n"},
		{"a", imap.OK, imap.CodeAppendUID{UIDValidity: 1}, "x", "a OK x\r\n"},
		{"a", imap.OK, imap.CodeModified{Set: "1] y"}, "x", "a OK x\r\n"},
		{"a", imap.OK, imap.CodeModified{}, "x", "a OK x\r\n"},
		{"a\r\nb", imap.OK, nil, "x", "* OK x\r\n"},
		{"a", 0, nil, "x", "a NO x\r\n"},
	} {
		assert.Equal(t, "-"+tt.want, string(AppendStatus([]byte("-"), tt.tag, tt.cond, tt.code, tt.text)))
	}
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'x'
	}
	assert.Len(t, AppendStatus(nil, "a", imap.NO, nil, string(long)), len("a NO \r\n")+maxText)
	assert.Equal(t, "+ \r\n", string(AppendSASL(nil, nil)))
	assert.Equal(t, "+ AGE=\r\n", string(AppendSASL(nil, []byte("\x00a"))))
	assert.Equal(t, "AGE=\r\n", string(AppendSASLLine(nil, []byte("\x00a"))))
	assert.Equal(t, "+ Ready\r\n", string(AppendContinuation(nil, "Ready")))
	assert.Equal(t, "a NO [TRYCREATE] No such mailbox\r\n", string(AppendError(nil, "a", imap.ErrTryCreate)))
	assert.Equal(t, "* BYE x\r\n", string(AppendError(nil, "a", &imap.Error{Kind: imap.BYE, Text: "x"})))
	assert.Equal(t, "a BAD x\r\n", string(AppendError(nil, "a", &imap.Error{Kind: imap.BAD, Text: "x"})))
}

func TestAppendResponseRefuses(t *testing.T) {
	for _, r := range []Response{
		&CapabilityData{imap.Capabilities{"A B"}},
		list("a\r\nb", '/'), list("\xff", '/'), list("x", '/', "Noselect"), list("x", '/', "\\a\r\n"),
		&StatusData{imap.MailboxStatus{Name: "x", Items: []imap.StatusItem{"FOO"}}},
		&StatusData{imap.MailboxStatus{Name: "x\x00"}},
		&FlagsData{[]imap.Flag{"a b"}}, &FlagsData{[]imap.Flag{""}}, &FlagsData{[]imap.Flag{"a\r\n"}},
		&VanishedData{}, &VanishedData{UIDs: imap.UIDs(1, imap.Max)},
		&IDData{[]imap.IDParam{{Name: "a\r"}}},
		&UnknownData{"* X\r\n* Y"},
		&ESearchData{Tag: "a b"},
		&NamespaceData{imap.Namespaces{Personal: []imap.Namespace{{Prefix: "a\n"}}}},
		&FetchData{Seq: 1, Has: HasFlags, Flags: []imap.Flag{"a)"}},
		&FetchData{Seq: 1, Has: HasEmailID, EmailID: "a b"},
		&FetchData{Seq: 1, Extended: []imap.RawItem{{Name: "X", Value: "\r\n"}}},
		&FetchData{Seq: 1, Extended: []imap.RawItem{{Name: "X"}}}, &FetchData{Seq: 1, Extended: []imap.RawItem{{Value: "x"}}},
		&FetchData{Seq: 1, Sections: []SectionData{{Item: &imap.BodySection{Specifier: "\r\n"}, Body: []byte{}}}},
	} {
		out, err := AppendResponse([]byte("x"), r, nil)
		assert.Error(t, err, "%#v", r)
		assert.Equal(t, "x", string(out))
	}
}

func TestEncoderReplacesNUL(t *testing.T) {
	out := AppendEnvelope(nil, &mime.Envelope{Subject: "a\x00b", From: []mime.Address{{Name: "\r\nX", Mailbox: "é", Host: ""}}})
	assert.Equal(t, "(NIL \"a?b\" (({3}\r\n\r\nX NIL {2}\r\né \"\")) NIL NIL NIL NIL NIL NIL NIL)", string(out))
	out = AppendBodyStructure(nil, &mime.BodyStructure{Type: "multipart", Subtype: "x"}, false)
	assert.Equal(t, `(("text" "plain" NIL NIL NIL "7bit" 0 0) "x")`, string(out))
	assert.Equal(t, `("application" "octet-stream" NIL NIL NIL "binary" 0)`, string(AppendBodyStructure(nil, nil, false)))
	deep := &mime.BodyStructure{Type: "text"}
	for range 100_000 {
		deep = &mime.BodyStructure{Type: "multipart", Subtype: "mixed", Parts: []*mime.BodyStructure{deep}}
	}
	assert.Less(t, len(AppendBodyStructure(nil, deep, true)), 10_000)
}

func TestUTF8Mode(t *testing.T) {
	out, err := AppendResponse(nil, list("日", '/'), &EncodeOptions{UTF8: true})
	require.NoError(t, err)
	assert.Equal(t, "* LIST () \"/\" \"日\"\r\n", string(out))
	r, err := ParseResponse(frameOf(out), &ParseOptions{UTF8: true})
	require.NoError(t, err)
	assert.Equal(t, list("日", '/'), r)
	cmd, err := ParseCommand([]byte("a SELECT \"&日\""), &ParseOptions{UTF8: true})
	require.NoError(t, err)
	assert.Equal(t, &Select{Mailbox: "&日"}, cmd.Args)
}

func TestFetchEncoder(t *testing.T) {
	var e FetchEncoder
	e.Begin(7)
	e.UID(1)
	require.NoError(t, e.Section(&imap.BodySection{Part: []int{1}, Peek: true, Partial: &imap.Partial{Offset: 3, Count: 10}}, 5))
	e.Buf = append(e.Buf, "hello"...)
	e.Size(3)
	require.NoError(t, e.End())
	assert.Equal(t, "* 7 FETCH (UID 1 BODY[1]<3> {5}\r\nhello RFC822.SIZE 3)\r\n", string(e.Buf))

	e.Buf = append(e.Buf[:0], "before"...)
	e.Begin(8)
	e.Flags([]imap.Flag{"bad flag"})
	e.UID(2)
	require.Error(t, e.End())
	assert.Equal(t, "before", string(e.Buf))

	e.Begin(9)
	require.NoError(t, e.Section(imap.FetchRFC822, 1))
	e.Buf = append(e.Buf, 'x')
	require.Error(t, e.Section(imap.FetchAtt("a b"), 1))
	require.Error(t, e.End())
	assert.Equal(t, "before* 9 FETCH (RFC822 {1}\r\nx)\r\n", string(e.Buf), "what was sent must stay")

	e = FetchEncoder{}
	e.Begin(1)
	e.SectionNIL(&imap.BodySection{})
	e.SectionBytes(&imap.BinarySection{Part: []int{2}}, []byte{0})
	e.BinarySize(&imap.BinarySize{Part: []int{2}}, 4)
	e.PreviewNIL()
	e.SaveDate(time.Time{})
	e.ThreadID("")
	e.Raw(imap.RawItem{Name: "X", Value: "()"})
	require.NoError(t, e.End())
	assert.Equal(t, "* 1 FETCH (BODY[] NIL BINARY[2] ~{1}\r\n\x00 BINARY.SIZE[2] 4 PREVIEW NIL SAVEDATE NIL THREADID NIL X ())\r\n", string(e.Buf))
}

func TestFetchEncoderAllocatesNothing(t *testing.T) {
	e := FetchEncoder{Buf: make([]byte, 0, 4096)}
	flags := []imap.Flag{imap.FlagSeen, imap.FlagAnswered, "$Junk"}
	env := &mime.Envelope{Subject: "hello", From: []mime.Address{{Name: "a", Mailbox: "b", Host: "c"}}}
	date := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	n := testing.AllocsPerRun(100, func() {
		e.Buf = e.Buf[:0]
		e.Begin(4294967295)
		e.UID(4294967295)
		e.Flags(flags)
		e.InternalDate(date)
		e.Size(1 << 40)
		e.ModSeq(1 << 60)
		e.Envelope(env)
		if e.End() != nil {
			t.Fail()
		}
	})
	assert.Zero(t, n)
}

// What is read the short way is what is read the long way.
func TestListNames(t *testing.T) {
	for in, name := range map[string]string{
		`a`: "a", `"a"`: "a", `"a b"`: "a b", `""`: "", `"a\"b"`: `a"b`, `a&AOk-`: "aé", `"&AOk-"`: "é", `"&-"`: "&", `inbox`: "INBOX", `"InBox"`: "INBOX",
		`a]`: "a]", `a"b`: `a"b`, `"é"`: "é", `a%`: "a%", `NIL`: "NIL", `a `: "a", `"a" `: "a", `"a" ("X" (b))`: "a", `a ("X" "b")`: "a",
	} {
		r, err := ParseResponse([]byte(`* LIST (\Sent) "/" `+in), nil)
		if assert.NoError(t, err, in) {
			assert.Equal(t, name, r.(*ListData).Name, in)
			assert.Equal(t, []imap.MailboxAttr{imap.AttrSent}, r.(*ListData).Attrs)
		}
	}
	for _, in := range []string{`"a`, `"`, `"a"b`, `"a\"`, `a b`} {
		_, err := ParseResponse([]byte(`* LIST () "/" `+in), nil)
		assert.Error(t, err, in)
	}
	for in, d := range map[string]rune{`"/"`: '/', `"\\"`: '\\', `"\""`: '"', `NIL`: 0, `""`: 0, `"."`: '.', `"é"`: 'é', `"//"`: '/'} {
		r, err := ParseResponse([]byte("* LIST () "+in+" x"), nil)
		if assert.NoError(t, err, in) {
			assert.Equal(t, d, r.(*ListData).Delimiter, in)
		}
	}
}
