package imapwire

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

func searchResponses(t testing.TB) []responseCase {
	seqs := func(s string) imap.NumSet {
		set, err := imap.ParseSeqSet(s)
		require.NoError(t, err)
		return set
	}
	uids := func(s string) imap.NumSet { return uidSet(t, s) }
	esearch := func(tag string, r imap.SearchResult) Response { return &ESearchData{tag, r} }
	th := func(num uint32, children ...*imap.Thread) *imap.Thread {
		return &imap.Thread{Num: num, Children: children}
	}
	status := func(code imap.Code) Response { return &StatusResponse{Cond: imap.OK, Code: code, Text: "x"} }
	xlist := list("[Gmail]", '/', `\HasChildren`, `\Noselect`)
	xlist.XList = true
	date := time.Date(1996, 7, 17, 2, 44, 25, 0, time.FixedZone("", -7*3600))
	return []responseCase{
		{`* ESEARCH (TAG "A282") MIN 2 COUNT 3`, esearch("A282", imap.SearchResult{Min: 2, Count: 3, HasCount: true}), true},
		{`* ESEARCH`, esearch("", imap.SearchResult{}), true},
		{`* ESEARCH (TAG "A283") UID`, esearch("A283", imap.SearchResult{UID: true}), true},
		{`* ESEARCH (TAG "A283") COUNT 0`, esearch("A283", imap.SearchResult{HasCount: true}), true},
		{`* ESEARCH (TAG "A283") UID MAX 4294967295 ALL 2,10:11 MODSEQ 9 X-FOO (1:10 2)`, esearch("A283", imap.SearchResult{UID: true, Max: 4294967295, All: uids("2,10:11"), ModSeq: 9,
			Extended: []imap.RawItem{{Name: "X-FOO", Value: "(1:10 2)"}}}), true},
		{`* ESEARCH ALL 5,3,4,1`, esearch("", imap.SearchResult{All: seqs("5,3,4,1")}), true},
		{`* ESEARCH (TAG a) ALL 2 UID COUNT 1`, esearch("a", imap.SearchResult{UID: true, All: uids("2"), Count: 1, HasCount: true}), false},
		{`* ESEARCH (TAG "A01") UID PARTIAL (-1:-100 200:250,252:300)`, esearch("A01", imap.SearchResult{UID: true,
			Partial: &imap.PartialResult{Range: imap.PartialRange{First: -1, Last: -100}, Set: uids("200:250,252:300")}}), true},
		{`* ESEARCH (TAG "A01") PARTIAL (1:100 NIL)`, esearch("A01", imap.SearchResult{Partial: &imap.PartialResult{Range: imap.PartialRange{First: 1, Last: 100}}}), true},
		{`* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769 5 7) REMOVEFROM (1 9) ADDTO (2 4)`, esearch("B01", imap.SearchResult{UID: true, Changes: []imap.SearchChange{
			{Set: uids("32768:32769")}, {Position: 5, Set: uids("7")}, {Remove: true, Position: 1, Set: uids("9")}, {Position: 2, Set: uids("4")}}}), true},
		{`* ESEARCH (TAG "B1") ALL 1,5,10 RELEVANCY (4 99 42)`, esearch("B1", imap.SearchResult{All: seqs("1,5,10"), Relevancy: []uint8{4, 99, 42}}), true},
		{`* ESEARCH (TAG "tag1" MAILBOX folder2/ban&AOk- UIDVALIDITY 503) UID ALL 3002,4004`, esearch("tag1", imap.SearchResult{
			UID: true, Mailbox: "folder2/bané", UIDValidity: 503, All: uids("3002,4004")}), true},
		{`* ESEARCH (mailbox "a b" tag "x" foo (1))  UID  MIN 1`, esearch("x", imap.SearchResult{UID: true, Mailbox: "a b", Min: 1}), false},

		{"* SORT 5 3 4 1 2", &SortData{Nums: []uint32{5, 3, 4, 1, 2}}, true},
		{"* SORT", &SortData{}, true},
		{"* SORT 5 3 (MODSEQ 917162500)", &SortData{Nums: []uint32{5, 3}, ModSeq: 917162500}, true},

		{"* THREAD", &ThreadData{}, true},
		{"* THREAD (2)(3 6 (4 23)(44 7 96))", &ThreadData{[]*imap.Thread{th(2), th(3, th(6, th(4, th(23)), th(44, th(7, th(96)))))}}, true},
		{"* THREAD ((3)(5))", &ThreadData{[]*imap.Thread{th(0, th(3), th(5))}}, true},
		{"* THREAD (1 ((2)(3))(4))", &ThreadData{[]*imap.Thread{th(1, th(0, th(2), th(3)), th(4))}}, true},
		{"* thread  ( 1  (2 ) ) (4294967295)", &ThreadData{[]*imap.Thread{th(1, th(2)), th(4294967295)}}, false},

		{`* XLIST (\HasChildren \Noselect) "/" [Gmail]`, xlist, true},
		{`* 25900 UIDFETCH (FLAGS (\Seen) MODSEQ (5))`, &FetchData{UIDFetch: true, UID: 25900, Has: HasUID | HasFlags | HasModSeq, Flags: []imap.Flag{imap.FlagSeen}, ModSeq: 5}, true},
		{"* 3 UIDFETCH (BODY[] {1}\r\nx)", &FetchData{UIDFetch: true, UID: 3, Has: HasUID, Sections: []SectionData{{Item: &imap.BodySection{}, Body: []byte("x"), Size: 1}}}, true},
		{`* 1 FETCH (X-GM-LABELS (\Inbox \Sent Important "Muy Importante" caf&AOk- "a\"b" "NIL") X-GM-MSGID 1278455344230334865 X-GM-THRID 18446744073709551615)`,
			&FetchData{Seq: 1, Has: HasGmailLabels | HasGmailMessageID | HasGmailThreadID,
				GmailLabels: []string{`\Inbox`, `\Sent`, "Important", "Muy Importante", "café", `a"b`, "NIL"}, GmailMessageID: 1278455344230334865, GmailThreadID: 18446744073709551615}, true},
		{`* 1 FETCH (X-GM-LABELS ("\\Inbox" [x]) SAVEDATE "17-Jul-1996 02:44:25 -0700" THREADID (T1))`,
			&FetchData{Seq: 1, Has: HasGmailLabels | HasSaveDate | HasThreadID, GmailLabels: []string{`\Inbox`, "[x]"}, SaveDate: date, ThreadID: "T1"}, false},

		{"* OK [UNDEFINED-FILTER on-the-road] x", status(imap.CodeUndefinedFilter{Filter: "on-the-road"}), true},
		{`* OK [NOUPDATE "B02"] x`, status(imap.CodeNoUpdate{Tag: "B02"}), true},
		{"* OK [BADEVENT (MessageNew messageexpunge X)] x", status(imap.CodeBadEvent{Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge, "X"}}), false},
		{"* OK [MESSAGELIMIT 1000 23221] x", status(imap.CodeMessageLimit{Limit: 1000, LastUID: 23221}), true},
		{"* OK [MESSAGELIMIT 1000] x", status(imap.CodeMessageLimit{Limit: 1000}), true},
		{`* OK [INPROGRESS ("A001" 454 1000)] x`, status(imap.CodeInProgress{Tag: "A001", Progress: 454, Goal: 1000}), true},
		{"* OK [INPROGRESS (NIL NIL NIL)] x", status(imap.CodeInProgress{Progress: -1, Goal: -1}), true},
		{"* OK [INPROGRESS] x", status(imap.CodeInProgressAtom), true},
		{"* OK [INPROGRESS x] x", status(imap.CodeRaw{Name: "INPROGRESS", Text: "x"}), true},
		{"* OK [NOTIFICATIONOVERFLOW] x", status(imap.CodeNotificationOver), true},
		{"* NO [UIDREQUIRED] x", &StatusResponse{Cond: imap.NO, Code: imap.CodeUIDRequired, Text: "x"}, true},
		{"* OK [NOMODSEQ] x", status(imap.CodeNoModSeq), true},
		{"* OK [CLOSED] x", status(imap.CodeClosed), true},

		{`* UIDBATCHES (TAG "A143") 215295:99696,99695:20351,7`, &UIDBatchesData{Tag: "A143", Batches: []imap.Range[imap.UID]{{First: 215295, Last: 99696}, {First: 99695, Last: 20351}, {First: 7, Last: 7}}}, true},
		{`* UIDBATCHES 2:1`, &UIDBatchesData{Batches: []imap.Range[imap.UID]{{First: 2, Last: 1}}}, true},
		{`* UIDBATCHES (TAG "A143")`, &UIDBatchesData{Tag: "A143"}, true},
	}
}

func TestSearchResponsesRefused(t *testing.T) {
	for _, in := range []string{
		"* ESEARCH (TAG", "* ESEARCH (TAG a", "* ESEARCH MIN", "* ESEARCH MIN x", "* ESEARCH COUNT 4294967296", "* ESEARCH ALL", "* ESEARCH ALL *", "* ESEARCH ALL $", "* ESEARCH ALL 0",
		"* ESEARCH PARTIAL 1:2 3", "* ESEARCH PARTIAL (1:2)", "* ESEARCH PARTIAL (1:-2 3)", "* ESEARCH ADDTO (1)", "* ESEARCH ADDTO 1 2", "* ESEARCH RELEVANCY (101)", "* ESEARCH FOO",
		"* SORT x", "* SORT 4294967296", "* SORT 1 (MODSEQ", "* SORT 1 (X 1)",
		"* THREAD x", "* THREAD 1", "* THREAD ()", "* THREAD (1", "* THREAD (1))", "* THREAD (0)", "* THREAD (4294967296)", "* THREAD (1 ())", "* THREAD ((1)", "* THREAD (a)",
		"* UIDBATCHES (TAG x) 1:0", "* UIDBATCHES (TAG x) 1:", "* UIDBATCHES 1,", "* UIDBATCHES x", "* UIDBATCHES 1:*",
		"* 1 UIDFETCH", "* 1 UIDFETCH (", "* 1 FETCH (X-GM-MSGID x)", "* 1 FETCH (X-GM-THRID 18446744073709551616)", "* 1 FETCH (X-GM-LABELS x)",
	} {
		_, err := ParseResponse([]byte(in), nil)
		var pe *ParseError
		assert.ErrorAs(t, err, &pe, in)
	}
}

func TestSearchResponseEncoderRefuses(t *testing.T) {
	result := func(r imap.SearchResult) Response { return &ESearchData{SearchResult: r} }
	one := imap.UIDs(1, 1)
	for _, r := range []Response{
		&ESearchData{Tag: "a b"},
		result(imap.SearchResult{All: one}),
		result(imap.SearchResult{UID: true, All: imap.SeqNums(1, 1)}),
		result(imap.SearchResult{UID: true, All: imap.UIDSet{}}),
		result(imap.SearchResult{UID: true, All: imap.UIDs(1, imap.Max)}),
		result(imap.SearchResult{UID: true, Partial: &imap.PartialResult{Set: one}}),
		result(imap.SearchResult{Partial: &imap.PartialResult{Range: imap.PartialRange{First: 1, Last: 2}, Set: one}}),
		result(imap.SearchResult{UID: true, Changes: []imap.SearchChange{{}}}),
		result(imap.SearchResult{Mailbox: "a\r\n"}),
		result(imap.SearchResult{Extended: []imap.RawItem{{Name: "X"}}}),
		&ThreadData{[]*imap.Thread{nil}},
		&ThreadData{[]*imap.Thread{{}}},
		&ThreadData{[]*imap.Thread{{Num: 1, Children: []*imap.Thread{nil}}}},
		&UIDBatchesData{Tag: "a\""},
		&UIDBatchesData{Batches: []imap.Range[imap.UID]{{First: 1}}},
		&FetchData{Has: HasGmailLabels, GmailLabels: []string{"a\r\n"}},
		&FetchData{Has: HasGmailLabels, GmailLabels: []string{"\xff"}},
	} {
		out, err := AppendResponse([]byte("x"), r, nil)
		assert.Error(t, err, "%#v", r)
		assert.Equal(t, "x", string(out))
	}
	for _, c := range []imap.Code{imap.CodeUndefinedFilter{Filter: "a b"}, imap.CodeNoUpdate{Tag: "\""}, imap.CodeBadEvent{Events: []imap.NotifyEvent{"a b"}}, imap.CodeInProgress{Tag: "a b"}} {
		assert.Equal(t, "* OK x\r\n", string(AppendStatus(nil, "", imap.OK, c, "x")))
	}
}

// A message that is not there and stands alone above another is not written.
func TestThreadIsWrittenWithoutIdleNodes(t *testing.T) {
	idle := &imap.Thread{Children: []*imap.Thread{{Num: 1, Children: []*imap.Thread{{Children: []*imap.Thread{{Num: 2}, {Num: 3}}}}}}}
	out, err := AppendResponse(nil, &ThreadData{[]*imap.Thread{idle}}, nil)
	require.NoError(t, err)
	assert.Equal(t, "* THREAD (1 (2)(3))\r\n", string(out))
}

// I8 and I6 for THREAD: a chain of a million answers, and lists a million deep.
func TestThreadDepth(t *testing.T) {
	chain := "* THREAD (" + strings.TrimSuffix(strings.Repeat("7 ", 1_000_000), " ") + ")"
	r, err := ParseResponse([]byte(chain), nil)
	require.NoError(t, err)
	out, err := AppendResponse(nil, r, nil)
	require.NoError(t, err)
	require.True(t, chain+"\r\n" == string(out))

	nested := func(n int) string {
		return "* THREAD " + strings.Repeat("(1 (2)", n-1) + "(1)" + strings.Repeat(")", n-1)
	}
	r, err = ParseResponse([]byte(nested(10_000)), nil)
	require.NoError(t, err)
	out, err = AppendResponse(nil, r, nil)
	require.NoError(t, err)
	require.True(t, nested(10_000)+"\r\n" == string(out))
	for _, in := range []string{nested(10_001), "* THREAD " + strings.Repeat("(", 1_000_000), "* THREAD " + strings.Repeat("((1)", 1_000_000)} {
		_, err = ParseResponse([]byte(in), nil)
		require.Error(t, err)
	}
}

// RFC 6855: labels and names are UTF-8 then.
func TestSearchUTF8(t *testing.T) {
	for _, r := range []Response{
		&FetchData{Seq: 1, Has: HasGmailLabels, GmailLabels: []string{"é", "&AOk-", "R&D"}},
		&ESearchData{SearchResult: imap.SearchResult{Mailbox: "é&AOk-", UIDValidity: 1}},
	} {
		out, err := AppendResponse(nil, r, &EncodeOptions{UTF8: true})
		require.NoError(t, err)
		assert.Contains(t, string(out), "é")
		got, err := ParseResponse(frameOf(out), &ParseOptions{UTF8: true})
		require.NoError(t, err)
		assert.Equal(t, r, got)
	}
	e := CommandEncoder{UTF8: true}
	a := &StoreLabels{Set: imap.SeqNums(1, 1), Labels: []string{"é", "&AOk-"}}
	out, err := e.Append(nil, "t", a)
	require.NoError(t, err)
	cmd, err := ParseCommand(frameOf(out), &ParseOptions{UTF8: true})
	require.NoError(t, err)
	assert.Equal(t, a, cmd.Args)
}

func TestUIDFetchStreams(t *testing.T) {
	body := strings.Repeat("x", 100)
	c := responses(strings.NewReader("* 7 UIDFETCH (BODY[1] {100}\r\n"+body+" FLAGS (\\Seen) BODY[2] {3}\r\nabc)\r\n* 3 UIDFETCH (FLAGS ())\r\n* 4 FETCH (UID 1)\r\n"), ResponseLimits{Buffer: 50})
	r, err := c.Read()
	require.NoError(t, err)
	f := r.(*FetchData)
	assert.True(t, f.More && f.UIDFetch)
	assert.EqualValues(t, 7, f.UID)
	b, err := io.ReadAll(f.Sections[0].Stream)
	require.NoError(t, err)
	assert.Equal(t, body, string(b))
	r, err = c.Read()
	require.NoError(t, err)
	f = r.(*FetchData)
	assert.True(t, !f.More && f.UIDFetch)
	assert.EqualValues(t, 7, f.UID)
	assert.Equal(t, "abc", string(f.Sections[0].Body))
	r, err = c.Read()
	require.NoError(t, err)
	assert.EqualValues(t, 3, r.(*FetchData).UID)
	r, err = c.Read()
	require.NoError(t, err)
	assert.False(t, r.(*FetchData).UIDFetch)
}
