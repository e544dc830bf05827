package imapwire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

func init() {
	all := imap.SearchCriteria{imap.SearchAll{}}
	commands = append(commands, []commandCase{
		{"SORT (SUBJECT REVERSE DATE) UTF-8 ALL", &Sort{Keys: []imap.SortKey{{Field: imap.SortSubject}, {Field: imap.SortDate, Reverse: true}}, Charset: "UTF-8", Criteria: all}, true},
		{"UID SORT RETURN (ALL PARTIAL -1:-10 UPDATE CONTEXT) (reverse displayfrom) \"us-ascii\" TO x", &Sort{UID: true, Extended: true,
			Return: []imap.SearchReturn{{Name: "ALL"}, {Name: "PARTIAL", Value: "-1:-10"}, {Name: "UPDATE"}, {Name: "CONTEXT"}},
			Keys:   []imap.SortKey{{Field: imap.SortDisplayFrom, Reverse: true}}, Charset: "us-ascii",
			Criteria: imap.SearchCriteria{imap.SearchText{Field: imap.SearchTo, Value: "x"}}}, false},
		{"SORT RETURN () (ARRIVAL) UTF-8 ALL", &Sort{Extended: true, Keys: []imap.SortKey{{Field: imap.SortArrival}}, Charset: "UTF-8", Criteria: all}, true},
		{"THREAD references UTF-8 SINCE 5-Mar-2000", &Thread{Algorithm: imap.ThreadReferences, Charset: "UTF-8",
			Criteria: imap.SearchCriteria{imap.SearchDate{When: imap.SearchSince, Date: imap.Date{Year: 2000, Month: 3, Day: 5}}}}, false},
		{"UID THREAD ORDEREDSUBJECT US-ASCII ALL", &Thread{UID: true, Algorithm: imap.ThreadOrderedSubject, Charset: "US-ASCII", Criteria: all}, true},
		{`ESEARCH IN (mailboxes "folder1" subtree (a "b c") personal selected) RETURN (COUNT) CHARSET UTF-8 ALL`, &ESearch{
			Sources: []imap.MailboxFilter{{Scope: imap.ScopeMailboxes, Mailboxes: []string{"folder1"}}, {Scope: imap.ScopeSubtree, Mailboxes: []string{"a", "b c"}},
				{Scope: imap.ScopePersonal}, {Scope: imap.ScopeSelected}},
			Charset: "UTF-8", Extended: true, Return: []imap.SearchReturn{{Name: "COUNT"}}, Criteria: all}, false},
		{"ESEARCH IN (SUBTREE-ONE a (X Y (1 2) Z 1)) ALL", &ESearch{Sources: []imap.MailboxFilter{{Scope: imap.ScopeSubtreeOne, Mailboxes: []string{"a"}}},
			Scope: []imap.RawItem{{Name: "X"}, {Name: "Y", Value: "(1 2)"}, {Name: "Z", Value: "1"}}, Criteria: all}, true},
		{"ESEARCH ALL", &ESearch{Criteria: all}, true},
		{`CANCELUPDATE "B01" "B02"`, &CancelUpdate{Tags: []string{"B01", "B02"}}, true},
		{"NOTIFY NONE", &Notify{}, true},
		{"NOTIFY SET STATUS (SELECTED-DELAYED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge FlagChange)) (INBOXES (MessageNew MessageExpunge)) (SUBTREE (a b) NONE) (MAILBOXES c (MailboxName SubscriptionChange X-Foo))",
			&Notify{&imap.NotifySpec{Status: true, Groups: []imap.NotifyGroup{
				{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSelectedDelayed}, Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge, imap.EventFlagChange},
					Fetch: []imap.FetchItem{imap.FetchUID, &imap.BodySection{Specifier: imap.PartHeaderFields, Fields: []string{"From"}, Peek: true}}},
				{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeInboxes}, Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge}},
				{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSubtree, Mailboxes: []string{"a", "b"}}},
				{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeMailboxes, Mailboxes: []string{"c"}}, Events: []imap.NotifyEvent{imap.EventMailboxName, imap.EventSubscriptionChange, "X-Foo"}}}}}, true},
		{"NOTIFY SET (selected MessageNew (uid) MessageExpunge) (personal none)", &Notify{&imap.NotifySpec{Groups: []imap.NotifyGroup{
			{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSelected}, Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge}, Fetch: []imap.FetchItem{imap.FetchUID}},
			{Mailboxes: imap.MailboxFilter{Scope: imap.ScopePersonal}}}}}, false},
		{"SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (To)])) ALL", &Search{Extended: true, Criteria: all,
			Return: []imap.SearchReturn{{Name: "COUNT"}, {Name: "UPDATE", Value: "(UID BODY[HEADER.FIELDS (To)])"}}}, true},
		{"notify set (personal (messagenew messageexpunge))", &Notify{&imap.NotifySpec{Groups: []imap.NotifyGroup{
			{Mailboxes: imap.MailboxFilter{Scope: imap.ScopePersonal}, Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge}}}}}, false},
		{`STORE 1,3 +X-GM-LABELS (foo \Starred "a b" &AOk-)`, &StoreLabels{Set: imap.SeqSetOf(1, 3), Action: imap.StoreAdd, Labels: []string{"foo", `\Starred`, "a b", "é"}}, true},
		{`UID STORE 1 (UNCHANGEDSINCE 7) -x-gm-labels.silent "\\Inbox"`, &StoreLabels{Set: imap.UIDs(1, 1), Action: imap.StoreRemove, Silent: true,
			Labels: []string{`\Inbox`}, UnchangedSince: ptr(imap.ModSeq(7))}, false},
		{"STORE 1 X-GM-LABELS ()", &StoreLabels{Set: imap.SeqNums(1, 1)}, true},
		{"UIDBATCHES 2000", &UIDBatches{Size: 2000}, true},
		{"UIDBATCHES 2000 10:20", &UIDBatches{Size: 2000, First: 10, Last: 20}, true},
		{`XLIST "" *`, &XList{"", "*"}, true},
		{"SEARCH UIDAFTER 25000 UIDBEFORE 4294967295 X-GM-RAW \"has:attachment in:x\" X-GM-LABELS \\Inbox X-GM-LABELS &AOk- X-GM-MSGID 1278455344230334865 X-GM-THRID 18446744073709551615",
			&Search{Criteria: imap.SearchCriteria{imap.SearchUIDAfter{UID: 25000}, imap.SearchUIDBefore{UID: 4294967295},
				imap.SearchGmailRaw{Query: "has:attachment in:x"}, imap.SearchGmailLabel{Label: `\Inbox`}, imap.SearchGmailLabel{Label: "é"},
				imap.SearchGmailMessageID{ID: 1278455344230334865}, imap.SearchGmailThreadID{ID: 18446744073709551615}}}, true},
		{"SEARCH SEEN FOO (a b) \"c\" 1", &Search{Criteria: imap.SearchCriteria{imap.SearchFlag{Flag: imap.FlagSeen}, imap.SearchRaw{Text: "FOO (a b) \"c\" 1"}}}, true},
		{"SEARCH (FOO x) SEEN", &Search{Criteria: imap.SearchCriteria{imap.SearchCriteria{imap.SearchRaw{Text: "FOO x"}}, imap.SearchFlag{Flag: imap.FlagSeen}}}, true},
		{"UID SEARCH RETURN (SAVE COUNT) OR NOT UID $ $", &Search{UID: true, Extended: true, Return: []imap.SearchReturn{{Name: "SAVE"}, {Name: "COUNT"}},
			Criteria: imap.SearchCriteria{imap.SearchOr{A: imap.SearchNot{Key: imap.SearchUIDs{Set: imap.SavedUIDs()}}, B: imap.SearchSeqs{Set: imap.SavedSeqNums()}}}}, true},
		{"UID FETCH $ FLAGS (PARTIAL 400:300)", &Fetch{Set: imap.SavedUIDs(), Items: []imap.FetchItem{imap.FetchFlags},
			Modifiers: []imap.RawItem{{Name: "PARTIAL", Value: "400:300"}}}, true},
	}...)
}

func TestSearchCommandsRefused(t *testing.T) {
	for _, in := range []string{
		"SORT", "SORT ()", "SORT () UTF-8 ALL", "SORT (REVERSE) UTF-8 ALL", "SORT (DATE) UTF-8", "SORT (DATE) ALL", "SORT RETURN (MIN) UTF-8 ALL",
		"THREAD", "THREAD X", "THREAD X UTF-8", "UID THREAD X UTF-8 ",
		"ESEARCH", "ESEARCH IN () ALL", "ESEARCH IN (foo) ALL", "ESEARCH IN (mailboxes ()) ALL", "ESEARCH IN (personal ALL", "ESEARCH IN (selected)",
		"CANCELUPDATE", "CANCELUPDATE x", `CANCELUPDATE "a" `,
		"NOTIFY", "NOTIFY FOO", "NOTIFY SET", "NOTIFY SET STATUS", "NOTIFY SET (personal)", "NOTIFY SET (personal ())", "NOTIFY SET (personal FOO ",
		"NOTIFY SET (selected (MessageExpunge (UID)))", "NOTIFY SET (selected (MessageNew () MessageExpunge))", "NOTIFY SET (selected (MessageNew (UID) (UID)))", "NOTIFY NONE x",
		"UIDBATCHES", "UIDBATCHES 0", "UIDBATCHES 5 1", "UIDBATCHES 5 0:1", "UIDBATCHES 5 1:*", "UIDBATCHES 5 1:2 ",
		"STORE 1 X-GM-LABELS", "STORE 1 X-GM-LABELS (", "XLIST", "XLIST x",
		"SEARCH RETURN (PARTIAL) ALL", "SEARCH RETURN (PARTIAL 1) ALL", "SEARCH RETURN (PARTIAL 0:1) ALL", "SEARCH RETURN (PARTIAL 1:-1) ALL", "SEARCH RETURN (PARTIAL 1:4294967296) ALL",
		"SEARCH RETURN (PARTIAL --1:-1) ALL", "FETCH 1 UID (PARTIAL 1:*)", "SEARCH UIDAFTER 0", "SEARCH X-GM-MSGID x", "SEARCH X-GM-MSGID 18446744073709551616", "SEARCH OR FOO x SEEN", "SEARCH (FOO",
	} {
		_, err := ParseCommand([]byte("a "+in), nil)
		var pe *ParseError
		if assert.ErrorAs(t, err, &pe, in) {
			assert.Equal(t, "a", pe.Tag)
		}
	}
}

func TestSearchCommandEncoderRefuses(t *testing.T) {
	key := []imap.SortKey{{Field: imap.SortDate}}
	group := func(g imap.NotifyGroup) Args { return &Notify{&imap.NotifySpec{Groups: []imap.NotifyGroup{g}}} }
	inbox := imap.MailboxFilter{Scope: imap.ScopeInboxes}
	for _, a := range []Args{
		&Sort{},
		&Sort{Keys: []imap.SortKey{{Field: "A B"}}},
		&Sort{Keys: key, Charset: "\x00"},
		&Sort{Keys: key, Return: []imap.SearchReturn{{Name: "A)"}}},
		&Sort{Keys: key, Return: []imap.SearchReturn{{Name: "A", Value: "\r\n"}}},
		&Thread{},
		&Thread{Algorithm: "X", Criteria: imap.SearchCriteria{nil}},
		&ESearch{Scope: []imap.RawItem{{Name: "X"}}},
		&ESearch{Sources: []imap.MailboxFilter{{Scope: imap.ScopeMailboxes}}},
		&ESearch{Sources: []imap.MailboxFilter{{Scope: imap.ScopeInboxes, Mailboxes: []string{"x"}}}},
		&ESearch{Sources: []imap.MailboxFilter{{Scope: "a b"}}},
		&CancelUpdate{},
		&CancelUpdate{[]string{"a b"}},
		&CancelUpdate{[]string{"a\r\n"}},
		&Notify{&imap.NotifySpec{}},
		group(imap.NotifyGroup{Mailboxes: inbox, Events: []imap.NotifyEvent{"MessageNew"}}),
		group(imap.NotifyGroup{Mailboxes: inbox, Events: []imap.NotifyEvent{"a b"}}),
		&StoreLabels{Set: imap.SeqNums(1, 1), Labels: []string{"a\r\n"}},
		&StoreLabels{Labels: []string{"a"}},
		&UIDBatches{},
		&UIDBatches{Size: 1, Last: 3},
		&XList{"a\r\n", "*"},
		&Search{Criteria: imap.SearchCriteria{imap.SearchUIDAfter{}}},
		&Search{Criteria: imap.SearchCriteria{imap.SearchGmailRaw{Query: "\x00"}}},
	} {
		out, err := AppendCommand([]byte("x"), "t", a)
		assert.Error(t, err, "%#v", a)
		assert.Equal(t, "x", string(out))
	}
}

func TestCharsetIsSent(t *testing.T) {
	out, err := AppendCommand(nil, "t", &Sort{Keys: []imap.SortKey{{Field: imap.SortDate}}})
	require.NoError(t, err)
	assert.Equal(t, "t SORT (DATE) UTF-8 ALL\r\n", string(out))
	out, err = AppendCommand(nil, "t", &Thread{UID: true, Algorithm: imap.ThreadRefs})
	require.NoError(t, err)
	assert.Equal(t, "t UID THREAD REFS UTF-8 ALL\r\n", string(out))
}

// I6 for what searches.
func TestSearchFamilyDepth(t *testing.T) {
	for _, head := range []string{"SEARCH ", "SORT (DATE) UTF-8 ", "THREAD X UTF-8 ", "ESEARCH ", "ESEARCH IN (selected (X ", "SEARCH FOO "} {
		for _, unit := range []string{"(", "NOT ", "OR ", "FUZZY "} {
			_, err := ParseCommand([]byte("a "+head+strings.Repeat(unit, 100_000)), nil)
			require.Error(t, err, head+unit)
		}
	}
}
