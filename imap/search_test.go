package imap

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPartialRange(t *testing.T) {
	for _, tt := range []struct {
		in     string
		n      int
		lo, hi int
	}{
		{"1:10", 100, 0, 10},
		{"10:1", 100, 0, 10},
		{"91:110", 100, 90, 100},
		{"101:110", 100, 100, 100},
		{"-1:-10", 100, 90, 100},
		{"-10:-1", 100, 90, 100},
		{"-95:-105", 100, 0, 6},
		{"-101:-105", 100, 0, 0},
		{"1:4294967295", 3, 0, 3},
		{"-1:-4294967295", 3, 0, 3},
		{"4294967295:4294967295", 3, 3, 3},
		{"1:1", 0, 0, 0},
		{"-1:-1", 0, 0, 0},
	} {
		r, err := ParsePartialRange(tt.in)
		if !assert.NoError(t, err, tt.in) {
			continue
		}
		assert.Equal(t, tt.in, r.String())
		text, err := r.AppendText([]byte("x"))
		assert.NoError(t, err)
		assert.Equal(t, "x"+tt.in, string(text))
		lo, hi := r.Bounds(tt.n)
		assert.Equal(t, [2]int{tt.lo, tt.hi}, [2]int{lo, hi}, tt.in)
	}
	for _, in := range []string{"", ":", "1", "1:", ":1", "0:1", "1:0", "1:-1", "-1:1", "1:*", "4294967296:1", "-4294967296:-1", "+1:2", "--1:-1", "-0:-0", "1:2:3", " 1:2", "18446744073709551617:1"} {
		_, err := ParsePartialRange(in)
		assert.Error(t, err, in)
	}
	for _, r := range []PartialRange{{}, {1, -1}, {math.MinInt64, math.MinInt64}, {math.MaxInt64, 1}} {
		_, err := r.AppendText(nil)
		assert.Error(t, err)
		lo, hi := r.Bounds(5)
		assert.Equal(t, 0, hi-lo)
	}
}

func TestSearchReturnPage(t *testing.T) {
	page, ok := ReturnPage(PartialRange{-1, -100}).Page()
	assert.True(t, ok)
	assert.Equal(t, PartialRange{-1, -100}, page)
	_, ok = SearchReturn{Name: ReturnCount}.Page()
	assert.False(t, ok)
	_, ok = SearchReturn{Name: "PARTIAL", Value: "x"}.Page()
	assert.False(t, ok)
}

func TestThreadAll(t *testing.T) {
	type node struct {
		depth int
		num   uint32
	}
	th := &Thread{Children: []*Thread{{Num: 1, Children: []*Thread{{Num: 2}, nil, {Num: 3, Children: []*Thread{{Num: 4}}}}}, {Num: 5}}}
	var got []node
	for d, n := range th.All() {
		got = append(got, node{d, n.Num})
	}
	assert.Equal(t, []node{{0, 0}, {1, 1}, {2, 2}, {2, 3}, {3, 4}, {1, 5}}, got)
	for d := range th.All() {
		if d == 2 {
			break
		}
	}

	deep := &Thread{Num: 1}
	for i := range 1_000_000 {
		deep = &Thread{Num: uint32(i + 2), Children: []*Thread{deep}}
	}
	last := 0
	for d := range deep.All() {
		last = d
	}
	assert.Equal(t, 1_000_000, last)
}

func TestNotifySpec(t *testing.T) {
	both := []NotifyEvent{EventMessageNew, "messageexpunge"}
	one := func(scope MailboxScope, events ...NotifyEvent) NotifyGroup {
		return NotifyGroup{Mailboxes: MailboxFilter{Scope: scope}, Events: events}
	}
	for _, g := range [][]NotifyGroup{
		{one(ScopeSelected, both...), one(ScopePersonal, append(both, EventFlagChange, EventMailboxName)...)},
		{one(ScopePersonal, EventMailboxName)},
		{one(ScopeSelectedDelayed)},
	} {
		assert.NoError(t, (&NotifySpec{Groups: g}).Validate())
	}
	fetch := one(ScopePersonal, both...)
	fetch.Fetch = []FetchItem{FetchUID}
	for _, g := range [][]NotifyGroup{
		nil,
		{one(ScopeSelected, both...), one(ScopeSelectedDelayed, both...)},
		{one(ScopeSubtreeOne, both...)},
		{one(ScopePersonal, EventMessageNew)},
		{one(ScopePersonal, EventMessageExpunge)},
		{one(ScopePersonal, EventFlagChange)},
		{one(ScopeSelected, EventMailboxName)},
		{fetch},
	} {
		assert.Error(t, (&NotifySpec{Groups: g}).Validate())
	}
	assert.Equal(t, EventMessageNew, NotifyEvent("MESSAGENEW").Canonical())
	assert.Equal(t, NotifyEvent("x"), NotifyEvent("x").Canonical())
	assert.True(t, ScopeMailboxes.Named() && ScopeSubtree.Named() && !ScopePersonal.Named())
}

func TestSortKey(t *testing.T) {
	assert.Equal(t, "REVERSE DATE", SortKey{SortDate, true}.String())
	assert.Equal(t, "SIZE", SortKey{Field: SortSize}.String())
}

func TestSearchResultSets(t *testing.T) {
	r := &SearchResult{All: UIDs(1, 2)}
	assert.Equal(t, "1:2", r.UIDs().String())
	assert.True(t, r.SeqNums().Empty())
	r = &SearchResult{All: SeqNums(1, 2)}
	assert.Equal(t, "1:2", r.SeqNums().String())
	assert.True(t, r.UIDs().Empty())
}

func TestCapabilityNumber(t *testing.T) {
	caps := Capabilities{"MESSAGELIMIT=x", "messagelimit=1000", CapThread(ThreadReferences)}
	n, ok := caps.Number(CapMessageLimitKey)
	assert.True(t, ok)
	assert.EqualValues(t, 1000, n)
	_, ok = caps.Number(CapSaveLimitKey)
	assert.False(t, ok)
	assert.True(t, caps.Has("THREAD=REFERENCES"))
}

func TestCodeNames(t *testing.T) {
	for name, c := range map[string]Code{
		"UNDEFINED-FILTER": CodeUndefinedFilter{}, "NOUPDATE": CodeNoUpdate{}, "BADEVENT": CodeBadEvent{},
		"MESSAGELIMIT": CodeMessageLimit{}, "INPROGRESS": CodeInProgress{},
	} {
		assert.Equal(t, name, c.CodeName())
	}
	assert.Equal(t, "INPROGRESS", CodeInProgressAtom.CodeName())
}

// A pattern longer than a name costs nothing.
func TestListPatternLonger(t *testing.T) {
	p := CompileList("", strings.Repeat("a%*", 100_000), '/')
	for range 10_000 {
		assert.False(t, p.Match("Archive/2020"))
	}
	assert.True(t, CompileList("", "a%*b%*", '/').Match("ab"))
	assert.True(t, CompileList("a", "b", '/').Match("ab"))
	assert.False(t, CompileList("a", "b", '/').Match("a"))
	assert.True(t, CompileList("", "*", '/').Match(""))
	assert.True(t, CompileList("", "inbox%", '/').Match("INBOX"))
	assert.True(t, CompileList("", "é%", 'é').Match("é"))
}
