package imapwire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

func ptr[T any](v T) *T { return &v }

type commandCase struct {
	in   string
	want Args
	same bool
}

// commands are frames and what they mean. Each is also encoded and parsed
// again by TestCommandRoundTrip; same says that the encoding is the frame.
var commands = append(slices.Concat(accountCommands, appendCommands), []commandCase{
	{"CAPABILITY", &Capability{}, true},
	{"noop", &Noop{}, false},
	{"LOGOUT", &Logout{}, true},
	{"STARTTLS", &StartTLS{}, true},
	{"CHECK", &Check{}, true},
	{"CLOSE", &Close{}, true},
	{"UNSELECT", &Unselect{}, true},
	{"IDLE", &Idle{}, true},
	{"NAMESPACE", &Namespace{}, true},
	{"UNAUTHENTICATE", &Unauthenticate{}, true},
	{"EXPUNGE", &Expunge{}, true},
	{"UID EXPUNGE 3:5,7", &Expunge{UIDs: func() imap.UIDSet { s := imap.UIDs(3, 5); s.Add(7); return s }()}, true},
	{"LOGIN SMITH SESAME", &Login{"SMITH", "SESAME"}, true},
	{`LOGIN "a\"b\\c" ""`, &Login{`a"b\c`, ""}, true},
	{"LOGIN {3}\r\nfoo {3+}\r\nb\r\n", &Login{"foo", "b\r\n"}, false},
	{"LOGIN a] b", &Login{"a]", "b"}, true},
	{"LOGIN NIL nil", &Login{"NIL", "nil"}, false},
	{"AUTHENTICATE gssapi", &Authenticate{Mechanism: "GSSAPI"}, false},
	{"AUTHENTICATE LOGIN ", &Authenticate{Mechanism: "LOGIN"}, false}, // Dovecot's imapc
	{"AUTHENTICATE PLAIN =", &Authenticate{Mechanism: "PLAIN", Initial: []byte{}}, true},
	{"AUTHENTICATE PLAIN AGEAYg==", &Authenticate{Mechanism: "PLAIN", Initial: []byte("\x00a\x00b")}, true},
	{"ENABLE CONDSTORE X-GOOD", &Enable{[]imap.Capability{"CONDSTORE", "X-GOOD"}}, true},
	{"ID NIL", &ID{}, true},
	{`ID ("name" "sodr" "vendor" NIL)`, &ID{[]imap.IDParam{{Name: "name", Value: "sodr"}, {Name: "vendor"}}}, true},
	{"SELECT inbox", &Select{Mailbox: "INBOX"}, false},
	{"EXAMINE blurdybloop", &Select{Mailbox: "blurdybloop", ReadOnly: true}, true},
	{"SELECT ~peter/mail/&U,BTFw-/&ZeVnLIqe-", &Select{Mailbox: "~peter/mail/台北/日本語"}, true},
	{"SELECT mail (CONDSTORE)", &Select{Mailbox: "mail", CondStore: true}, true},
	{"SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))", &Select{Mailbox: "INBOX", QResync: &QResync{
		UIDValidity: 67890007, ModSeq: 20050715194045000,
		KnownUIDs: func() imap.UIDSet { s := imap.UIDSetOf(41); s.AddRange(43, 211); s.AddRange(214, 541); return s }()}}, true},
	{"SELECT INBOX (QRESYNC (1 2 1:9 (1,3 4,9)))", &Select{Mailbox: "INBOX", QResync: &QResync{
		UIDValidity: 1, ModSeq: 2, KnownUIDs: imap.UIDs(1, 9), SeqMatch: imap.SeqSetOf(1, 3), UIDMatch: imap.UIDSetOf(4, 9)}}, true},
	{"SELECT INBOX (QRESYNC (1 2 (1,3 4,9)))", &Select{Mailbox: "INBOX", QResync: &QResync{
		UIDValidity: 1, ModSeq: 2, SeqMatch: imap.SeqSetOf(1, 3), UIDMatch: imap.UIDSetOf(4, 9)}}, true},
	{"CREATE owatagusiam/", &Create{Mailbox: "owatagusiam/"}, true},
	{`CREATE MySpecial (USE (\Drafts \Sent))`, &Create{Mailbox: "MySpecial", Uses: []imap.MailboxAttr{imap.AttrDrafts, imap.AttrSent}}, true},
	{"DELETE blurdybloop", &Delete{"blurdybloop"}, true},
	{`RENAME "a b" &AOk-`, &Rename{"a b", "é"}, true},
	{"SUBSCRIBE #news.comp.mail.mime", &Subscribe{"#news.comp.mail.mime"}, true},
	{"UNSUBSCRIBE #news.comp.mail.mime", &Unsubscribe{"#news.comp.mail.mime"}, true},
	{`LIST "" *`, &List{Patterns: []string{"*"}}, true},
	{`LIST #news. %`, &List{Reference: "#news.", Patterns: []string{"%"}}, true},
	{`LIST "" ""`, &List{Patterns: []string{""}}, true},
	{`LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX "a b*") RETURN (CHILDREN STATUS (MESSAGES UNSEEN))`, &List{
		Extended: true, Select: []string{"SUBSCRIBED", "RECURSIVEMATCH"}, Patterns: []string{"INBOX", "a b*"},
		Return: []ListReturn{{Name: "CHILDREN"}, {Name: "STATUS", Status: []imap.StatusItem{"MESSAGES", "UNSEEN"}}}}, true},
	{`LIST (SPECIAL-USE) "" *`, &List{Extended: true, Select: []string{"SPECIAL-USE"}, Patterns: []string{"*"}}, false},
	{`LIST (REMOTE X-Y (a)) "" % RETURN (METADATA (/shared/vendor "x y") MYRIGHTS SPECIAL-USE SUBSCRIBED X-Y (1 (2)))`, &List{Extended: true, Patterns: []string{"%"},
		Select: []string{imap.ListRemote, "X-Y (a)"},
		Return: []ListReturn{{Name: "METADATA", Entries: []string{"/shared/vendor", "x y"}}, {Name: imap.ListMyRights}, {Name: imap.ListSpecialUse}, {Name: imap.ListSubscribed}, {Name: "X-Y", Value: "(1 (2))"}}}, true},
	{`LSUB #news. comp.mail.*`, &Lsub{"#news.", "comp.mail.*"}, true},
	{"STATUS blurdybloop (UIDNEXT messages)", &Status{"blurdybloop", []imap.StatusItem{"UIDNEXT", "MESSAGES"}}, false},
	{`APPEND saved-messages (\Seen) {310}`, &Append{Mailbox: "saved-messages",
		Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Size: 310}}, true},
	{`APPEND INBOX () " 7-Feb-1994 21:52:25 -0800" ~{0+}`, &Append{Mailbox: "INBOX",
		Options: imap.AppendOptions{Flags: []imap.Flag{}, Binary: true,
			InternalDate: time.Date(1994, 2, 7, 21, 52, 25, 0, time.FixedZone("", -8*3600))}}, false},
	{`APPEND "a b" {5}`, &Append{Mailbox: "a b", Options: imap.AppendOptions{Size: 5}}, true},
	{"SEARCH ALL", &Search{Criteria: imap.SearchCriteria{imap.SearchAll{}}}, true},
	{`SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"`, &Search{Criteria: imap.SearchCriteria{
		imap.SearchFlag{Flag: imap.FlagFlagged},
		imap.SearchDate{When: imap.SearchSince, Date: imap.Date{Year: 1994, Month: 2, Day: 1}},
		imap.SearchNot{Key: imap.SearchText{Field: imap.SearchFrom, Value: "Smith"}}}}, false},
	{"SEARCH CHARSET UTF-8 TEXT {6+}\r\n\xd0\xb4\xd0\xb0\xd0\xb6", &Search{Charset: "UTF-8", Criteria: imap.SearchCriteria{
		imap.SearchText{Field: imap.SearchAnyText, Value: "даж"}}}, false},
	{"UID SEARCH UID 1:* NEW", &Search{UID: true, Criteria: imap.SearchCriteria{
		imap.SearchUIDs{Set: imap.UIDs(1, imap.Max)}, imap.SearchFlag{Flag: imap.FlagRecent}, imap.SearchFlag{Flag: imap.FlagSeen, Unset: true}}}, false},
	{"SEARCH OR (UNSEEN OLD) (2,4:7 KEYWORD a) UNKEYWORD b", &Search{Criteria: imap.SearchCriteria{
		imap.SearchOr{
			A: imap.SearchCriteria{imap.SearchFlag{Flag: imap.FlagSeen, Unset: true}, imap.SearchFlag{Flag: imap.FlagRecent, Unset: true}},
			B: imap.SearchCriteria{imap.SearchSeqs{Set: func() imap.SeqSet { s := imap.SeqSetOf(2); s.AddRange(4, 7); return s }()}, imap.SearchFlag{Flag: "a"}}},
		imap.SearchFlag{Flag: "b", Unset: true}}}, true},
	{"SEARCH RETURN (MIN COUNT PARTIAL 1:10) DELETED LARGER 4294967296 SMALLER 3", &Search{Extended: true,
		Return:   []imap.SearchReturn{{Name: "MIN"}, {Name: "COUNT"}, {Name: "PARTIAL", Value: "1:10"}},
		Criteria: imap.SearchCriteria{imap.SearchFlag{Flag: imap.FlagDeleted}, imap.SearchLarger{Size: 1 << 32}, imap.SearchSmaller{Size: 3}}}, true},
	{"SEARCH RETURN () $", &Search{Extended: true, Criteria: imap.SearchCriteria{imap.SearchSeqs{Set: imap.SavedSeqNums()}}}, true},
	{`SEARCH HEADER Message-ID "<a@b>" HEADER X "" BCC b BODY b CC c SUBJECT s TO t`, &Search{Criteria: imap.SearchCriteria{
		imap.SearchHeader{Name: "Message-ID", Value: "<a@b>"}, imap.SearchHeader{Name: "X"},
		imap.SearchText{Field: imap.SearchBCC, Value: "b"}, imap.SearchText{Field: imap.SearchBody, Value: "b"},
		imap.SearchText{Field: imap.SearchCC, Value: "c"}, imap.SearchText{Field: imap.SearchSubject, Value: "s"},
		imap.SearchText{Field: imap.SearchTo, Value: "t"}}}, false},
	{`SEARCH BEFORE "1-Jan-2000" ON 02-Jan-2000 SENTBEFORE 3-Jan-2000 SENTON 4-Jan-2000 SENTSINCE 5-Jan-2000`, &Search{Criteria: imap.SearchCriteria{
		imap.SearchDate{When: imap.SearchBefore, Date: imap.Date{Year: 2000, Month: 1, Day: 1}},
		imap.SearchDate{When: imap.SearchOn, Date: imap.Date{Year: 2000, Month: 1, Day: 2}},
		imap.SearchDate{When: imap.SearchSentBefore, Date: imap.Date{Year: 2000, Month: 1, Day: 3}},
		imap.SearchDate{When: imap.SearchSentOn, Date: imap.Date{Year: 2000, Month: 1, Day: 4}},
		imap.SearchDate{When: imap.SearchSentSince, Date: imap.Date{Year: 2000, Month: 1, Day: 5}}}}, false},
	{"SEARCH ANSWERED DELETED DRAFT FLAGGED RECENT SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED", &Search{Criteria: imap.SearchCriteria{
		imap.SearchFlag{Flag: imap.FlagAnswered}, imap.SearchFlag{Flag: imap.FlagDeleted}, imap.SearchFlag{Flag: imap.FlagDraft},
		imap.SearchFlag{Flag: imap.FlagFlagged}, imap.SearchFlag{Flag: imap.FlagRecent}, imap.SearchFlag{Flag: imap.FlagSeen},
		imap.SearchFlag{Flag: imap.FlagAnswered, Unset: true}, imap.SearchFlag{Flag: imap.FlagDeleted, Unset: true},
		imap.SearchFlag{Flag: imap.FlagDraft, Unset: true}, imap.SearchFlag{Flag: imap.FlagFlagged, Unset: true}}}, true},
	{`SEARCH OLDER 5 YOUNGER 6 MODSEQ "/flags/\\draft" all 620162338 MODSEQ 7 EMAILID M1 THREADID T1 FUZZY SUBJECT x FILTER f SAVEDATESUPPORTED SAVEDON 1-Jan-2000`,
		&Search{Criteria: imap.SearchCriteria{
			imap.SearchOlder{Seconds: 5}, imap.SearchYounger{Seconds: 6},
			imap.SearchModSeq{ModSeq: 620162338, Entry: `/flags/\draft`, Type: "all"}, imap.SearchModSeq{ModSeq: 7},
			imap.SearchEmailID{ID: "M1"}, imap.SearchThreadID{ID: "T1"},
			imap.SearchFuzzy{Key: imap.SearchText{Field: imap.SearchSubject, Value: "x"}}, imap.SearchFilter{Name: "f"},
			imap.SearchSaveDateSupported{}, imap.SearchDate{When: imap.SearchSavedOn, Date: imap.Date{Year: 2000, Month: 1, Day: 1}}}}, false},
	{"FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])", &Fetch{Set: imap.SeqNums(2, 4), Items: []imap.FetchItem{
		imap.FetchFlags, &imap.BodySection{Specifier: imap.PartHeaderFields, Fields: []string{"DATE", "FROM"}}}}, true},
	{"FETCH * fast", &Fetch{Set: imap.SeqNums(imap.Max, imap.Max), Items: imap.ExpandMacro("FAST")}, false},
	{"FETCH 1 ALL", &Fetch{Set: imap.SeqNums(1, 1), Items: imap.ExpandMacro("ALL")}, false},
	{"UID FETCH 1:* FULL", &Fetch{Set: imap.UIDs(1, imap.Max), Items: imap.ExpandMacro("FULL")}, false},
	{"FETCH 1 BODY.PEEK[4.2.2.1.HEADER.FIELDS.NOT (To)]<0.100>", &Fetch{Set: imap.SeqNums(1, 1), Items: []imap.FetchItem{
		&imap.BodySection{Part: []int{4, 2, 2, 1}, Specifier: imap.PartHeaderFieldsNot, Fields: []string{"To"}, Peek: true, Partial: &imap.Partial{Offset: 0, Count: 100}}}}, true},
	{"FETCH 1 (BODY[] BODY[TEXT] BODY[HEADER] BODY[1] BODY[1.MIME] BODY BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.SIZE RFC822.TEXT ENVELOPE UID INTERNALDATE)",
		&Fetch{Set: imap.SeqNums(1, 1), Items: []imap.FetchItem{&imap.BodySection{}, &imap.BodySection{Specifier: imap.PartText},
			&imap.BodySection{Specifier: imap.PartHeader}, &imap.BodySection{Part: []int{1}}, &imap.BodySection{Part: []int{1}, Specifier: imap.PartMIME},
			imap.FetchBody, imap.FetchBodyStructure, imap.FetchRFC822, imap.FetchRFC822Header, imap.FetchSize, imap.FetchRFC822Text,
			imap.FetchEnvelope, imap.FetchUID, imap.FetchInternalDate}}, true},
	{"UID FETCH 1 (BINARY.PEEK[1.2]<5.6> BINARY[] BINARY.SIZE[3] PREVIEW (LAZY) X-GM-LABELS) (CHANGEDSINCE 12345 VANISHED PARTIAL -1:-30)",
		&Fetch{Set: imap.UIDs(1, 1), ChangedSince: ptr(imap.ModSeq(12345)), Vanished: true, Modifiers: []imap.RawItem{{Name: "PARTIAL", Value: "-1:-30"}},
			Items: []imap.FetchItem{&imap.BinarySection{Part: []int{1, 2}, Peek: true, Partial: &imap.Partial{Offset: 5, Count: 6}},
				&imap.BinarySection{}, &imap.BinarySize{Part: []int{3}}, imap.FetchPreviewLazy, imap.FetchGmailLabels}}, true},
	{`STORE 2:4 +FLAGS (\Deleted)`, &Store{Set: imap.SeqNums(2, 4), Change: imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}}, true},
	{`UID STORE 1 -flags.silent \seen $Junk`, &Store{Set: imap.UIDs(1, 1), Silent: true, Change: imap.FlagChange{Action: imap.StoreRemove, Flags: []imap.Flag{imap.FlagSeen, "$Junk"}}}, false},
	{`STORE 1 (UNCHANGEDSINCE 320162338) FLAGS.SILENT ()`, &Store{Set: imap.SeqNums(1, 1), Silent: true, Change: imap.FlagChange{UnchangedSince: ptr(imap.ModSeq(320162338)), Flags: []imap.Flag{}}}, true},
	{"COPY 2:4 MEETING", &Copy{imap.SeqNums(2, 4), "MEETING"}, true},
	{"UID COPY 4294967295 INBOX", &Copy{imap.UIDs(4294967295, 4294967295), "INBOX"}, true},
	{"MOVE 1 Trash", &Move{imap.SeqNums(1, 1), "Trash"}, true},
	{"UID MOVE 42:69 foo", &Move{imap.UIDs(42, 69), "foo"}, true},
	{"XYZZY", &Unknown{Name: "XYZZY"}, true},
	{"XQUOTA \"x\"", &Unknown{Name: "XQUOTA", Text: `"x"`}, true},
	{"XYZZY {3}\r\na\r\n ~{2}\r\n\x00\x01", &Unknown{Name: "XYZZY", Text: "{3}\r\na\r\n ~{2}\r\n\x00\x01"}, true},
	{"UID XYZZY (a) b", &Unknown{Name: "UID XYZZY", Text: "(a) b"}, true},
}...)

func TestParseCommand(t *testing.T) {
	for _, tt := range commands {
		cmd, err := ParseCommand([]byte("a1 "+tt.in), nil)
		if !assert.NoError(t, err, tt.in) {
			continue
		}
		assert.Equal(t, "a1", cmd.Tag, tt.in)
		assert.Equal(t, tt.want, cmd.Args, tt.in)
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for _, tt := range []struct {
		in, tag string
		at      int64
	}{
		{"", "", 0},
		{" ", "", 0},
		{"+ NOOP", "", 0},
		{"a", "a", 1},
		{"a ", "a", 2},
		{"a NOOP ", "a", 6},
		{"a  NOOP", "a", 2},
		{"a NOOP\x00", "a", 6},
		{"a UID", "a", 5},
		{"a UID NOOP x\x00", "a", -1},
		{"a LOGIN x", "a", 9},
		{"a LOGIN x y z", "a", 11},
		{`a LOGIN "x y`, "a", 12},
		{`a LOGIN "x\y" z`, "a", 11},
		{"a LOGIN {5}\r\nabc x", "a", -1},
		{"a LOGIN \"x\r\ny\" z", "a", 10},
		{"a SELECT &AG", "a", 9},
		{"a SELECT a&AGE-", "a", 9},
		{"a SELECT x (FOO)", "a", 12},
		{"a FETCH 0 FLAGS", "a", 8},
		{"a FETCH 4294967296 FLAGS", "a", 8},
		{"a FETCH 1:2:3 FLAGS", "a", 8},
		{"a FETCH 1, FLAGS", "a", 8},
		{"a FETCH 1 ()", "a", 12},
		{"a FETCH 1 (FLAGS", "a", 16},
		{"a FETCH 1 BODY[0]", "a", 15},
		{"a FETCH 1 BODY[1.]", "a", 17},
		{"a FETCH 1 BODY[1TEXT]", "a", 16},
		{"a FETCH 1 BODY[MIME]", "a", 15},
		{"a FETCH 1 BODY[HEADER.FIELDS ()]", "a", 31},
		{"a FETCH 1 BODY[]<0>", "a", 18},
		{"a FETCH 1 BODY[]<0.0>", "a", 19},
		{"a FETCH 1 BODY[]<99999999999999999999.1>", "a", -1},
		{"a FETCH 1 XBODY[]", "a", 10},
		{"a STORE 1 FLAG x", "a", 10},
		{"a SEARCH", "a", 8},
		{"a SEARCH ", "a", 9},
		{"a SEARCH FOO ", "a", 13},
		{"a SEARCH FOO (x", "a", 15},
		{"a SEARCH ALL ", "a", 13},
		{"a SEARCH ()", "a", 10},
		{"a SEARCH NOT", "a", 12},
		{"a SEARCH ON 31-Feb-2000", "a", 12},
		{"a SEARCH LARGER 9223372036854775808", "a", 16},
		{"a STATUS x ()", "a", 13},
		{"a LIST \"\" % RETURN (METADATA ())", "a", -1},
		{"a LIST \"\" % RETURN (METADATA x)", "a", -1},
		{"a APPEND x", "a", 10},
		{"a APPEND x (\\Seen) foo", "a", 19},
		{`a APPEND x "1-Jan-2000" {3}`, "a", 11},
		{"a ENABLE", "a", 8},
		{"a AUTHENTICATE PLAIN !", "a", 21},
		{"a AUTHENTICATE PLAIN A", "a", 22},
	} {
		_, err := ParseCommand([]byte(tt.in), nil)
		var pe *ParseError
		if tt.in == "a UID NOOP x\x00" {
			assert.NoError(t, err, "an unknown command is kept as it is")
			continue
		}
		if !assert.ErrorAs(t, err, &pe, "%q", tt.in) {
			continue
		}
		assert.Equal(t, tt.tag, pe.Tag, "%q", tt.in)
		assert.Equal(t, imap.BAD, pe.Response().Kind)
		var se *wire.SyntaxError
		require.ErrorAs(t, err, &se)
		if tt.at >= 0 {
			assert.Equal(t, tt.at, se.Offset, "%q: %v", tt.in, err)
		}
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	for _, in := range []string{"a LOGIN joe \"hunter2", "a LOGIN joe hunter2 hunter2", "a AUTHENTICATE PLAIN hunter2!"} {
		_, err := ParseCommand([]byte(in), nil)
		var pe *ParseError
		require.ErrorAs(t, err, &pe)
		assert.Nil(t, pe.Raw)
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, pe.Response().Text, "hunter2")
	}
	cmd, err := ParseCommand([]byte("a LOGIN joe hunter2"), nil)
	require.NoError(t, err)
	assert.Nil(t, cmd.Raw)
}

func TestIDFields(t *testing.T) {
	fields := func(n int) string { return "(" + strings.TrimSuffix(strings.Repeat(`"a" "b" `, n), " ") + ")" }
	_, err := ParseCommand([]byte("a ID "+fields(30)), nil)
	require.NoError(t, err)
	_, err = ParseCommand([]byte("a ID "+fields(31)), nil)
	require.Error(t, err)
	r, err := ParseResponse([]byte("* ID "+fields(40)), nil)
	require.NoError(t, err)
	assert.Len(t, r.(*IDData).Params, 40)
}
