package imapwire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

// gen makes values of a fuzzer's octets: zero when they are used up.
type gen struct{ data []byte }

func (g *gen) byte() byte {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return b
}

// n is a number from 0 to k-1.
func (g *gen) n(k int) int { return int(g.byte()) % k }

func (g *gen) bool() bool { return g.byte()&1 != 0 }

func (g *gen) num() uint32 {
	switch g.n(4) {
	case 0:
		return 4294967295
	case 1:
		return uint32(g.byte())<<8 | uint32(g.byte())
	}
	return uint32(g.byte())
}

func (g *gen) nz() uint32 { return max(1, g.num()) }

func (g *gen) str() string {
	n := min(g.n(12), len(g.data))
	s := string(g.data[:n])
	g.data = g.data[n:]
	return s
}

func (g *gen) word() string {
	return [...]string{"X-A", "b", "$Junk", "a]", "UTF-8", "x.y", "7", "NIL"}[g.n(8)]
}

func (g *gen) uids(star bool) (s imap.UIDSet) {
	if star && g.n(8) == 0 {
		return imap.SavedUIDs()
	}
	for range 1 + g.n(4) {
		first, last := g.nz(), g.nz()
		if star && g.n(4) == 0 {
			last = imap.Max
		}
		s.AddRange(imap.UID(first), imap.UID(last))
	}
	return s
}

func (g *gen) set(uid, star bool) imap.NumSet {
	u := g.uids(star)
	if uid {
		return u
	}
	if u.Saved() {
		return imap.SavedSeqNums()
	}
	var s imap.SeqSet
	for r := range u.Ranges() {
		s.AddRange(imap.SeqNum(r.First), imap.SeqNum(r.Last))
	}
	return s
}

func (g *gen) page() imap.PartialRange {
	r := imap.PartialRange{First: int64(g.nz()), Last: int64(g.nz())}
	if g.bool() {
		r.First, r.Last = -r.First, -r.Last
	}
	return r
}

func (g *gen) returns() (extended bool, out []imap.SearchReturn) {
	for range g.n(4) {
		switch g.n(4) {
		case 0:
			out = append(out, imap.ReturnPage(g.page()))
		case 1:
			out = append(out, imap.SearchReturn{Name: "X-A", Value: "(a (b))"})
		default:
			out = append(out, imap.SearchReturn{Name: imap.ReturnCount})
		}
	}
	return len(out) > 0 || g.bool(), out
}

func (g *gen) key(depth int) imap.SearchKey {
	k := g.n(26)
	if depth == 0 && k < 4 {
		k += 4
	}
	switch k {
	case 0:
		return imap.SearchOr{A: g.key(depth - 1), B: g.key(depth - 1)}
	case 1:
		return imap.SearchNot{Key: g.key(depth - 1)}
	case 2:
		return imap.SearchFuzzy{Key: g.key(depth - 1)}
	case 3:
		return g.criteria(depth - 1)
	case 4:
		return imap.SearchFlag{Flag: [...]imap.Flag{imap.FlagSeen, imap.FlagRecent, imap.Flag(g.word())}[g.n(3)], Unset: g.bool()}
	case 5:
		s, _ := g.set(false, true).(imap.SeqSet)
		return imap.SearchSeqs{Set: s}
	case 6:
		return imap.SearchUIDs{Set: g.uids(true)}
	case 7:
		return imap.SearchText{Field: imap.SearchSubject, Value: g.str()}
	case 8:
		return imap.SearchHeader{Name: g.str(), Value: g.str()}
	case 9:
		return imap.SearchDate{When: [...]imap.SearchWhen{imap.SearchOn, imap.SearchSavedSince}[g.n(2)], Date: imap.Date{Year: 1 + int(g.byte())*39, Month: time.Month(1 + g.n(12)), Day: 1 + g.n(28)}}
	case 10:
		return imap.SearchLarger{Size: int64(g.num())}
	case 11:
		return imap.SearchOlder{Seconds: g.nz()}
	case 12:
		m := imap.SearchModSeq{ModSeq: imap.ModSeq(g.num())}
		if g.bool() {
			m.Entry, m.Type = "/flags/"+g.word(), "all"
		}
		return m
	case 13:
		return imap.SearchEmailID{ID: g.str()}
	case 14:
		return imap.SearchFilter{Name: g.word()}
	case 15:
		return imap.SearchUIDAfter{UID: imap.UID(g.nz())}
	case 16:
		return imap.SearchUIDBefore{UID: imap.UID(g.nz())}
	case 17:
		return imap.SearchGmailRaw{Query: g.str()}
	case 18:
		return imap.SearchGmailLabel{Label: [...]string{`\Inbox`, "é", g.str()}[g.n(3)]}
	case 19:
		return imap.SearchGmailMessageID{ID: uint64(g.num()) << 32}
	case 20:
		return imap.SearchSaveDateSupported{}
	case 21:
		return imap.SearchThreadID{ID: g.str()}
	case 22:
		return imap.SearchYounger{Seconds: g.nz()}
	case 23:
		return imap.SearchSmaller{Size: int64(g.num())}
	}
	return imap.SearchAll{}
}

func (g *gen) criteria(depth int) imap.SearchCriteria {
	c := imap.SearchCriteria{g.key(depth)}
	for range g.n(3) {
		c = append(c, g.key(depth))
	}
	return c
}

func (g *gen) filter() imap.MailboxFilter {
	if g.bool() {
		return imap.MailboxFilter{Scope: [...]imap.MailboxScope{imap.ScopePersonal, imap.ScopeSelected, imap.ScopeInboxes}[g.n(3)]}
	}
	f := imap.MailboxFilter{Scope: [...]imap.MailboxScope{imap.ScopeMailboxes, imap.ScopeSubtree, imap.ScopeSubtreeOne}[g.n(3)], Mailboxes: []string{g.str()}}
	for range g.n(3) {
		f.Mailboxes = append(f.Mailboxes, g.str())
	}
	return f
}

func (g *gen) command() Args {
	switch g.n(9) {
	case 0:
		c := &Search{UID: g.bool(), Criteria: g.criteria(4)}
		c.Extended, c.Return = g.returns()
		if g.bool() {
			c.Charset = g.word()
		}
		return c
	case 1:
		c := &Sort{UID: g.bool(), Charset: g.word(), Criteria: g.criteria(4), Keys: []imap.SortKey{{Field: imap.SortDate}}}
		for range g.n(3) {
			c.Keys = append(c.Keys, imap.SortKey{Field: imap.SortDisplayFrom, Reverse: g.bool()})
		}
		c.Extended, c.Return = g.returns()
		return c
	case 2:
		return &Thread{UID: g.bool(), Algorithm: imap.ThreadRefs, Charset: g.word(), Criteria: g.criteria(4)}
	case 3:
		c := &ESearch{Criteria: g.criteria(4)}
		for range g.n(4) {
			c.Sources = append(c.Sources, g.filter())
		}
		if len(c.Sources) > 0 && g.bool() {
			c.Scope = []imap.RawItem{{Name: "X"}, {Name: "Y", Value: "(1 (2))"}}
		}
		c.Extended, c.Return = g.returns()
		return c
	case 4:
		s := &imap.NotifySpec{Status: g.bool()}
		for range 1 + g.n(3) {
			x := imap.NotifyGroup{Mailboxes: g.filter()}
			if g.bool() {
				x.Events = []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge}
			}
			if x.Events != nil && x.Mailboxes.Scope == imap.ScopeSelected && g.bool() {
				x.Fetch = []imap.FetchItem{imap.FetchUID, &imap.BodySection{Peek: true, Specifier: imap.PartHeader}}
			}
			s.Groups = append(s.Groups, x)
		}
		return &Notify{s}
	case 5:
		c := &StoreLabels{Set: g.set(g.bool(), true), Action: imap.StoreAction(g.n(3)), Silent: g.bool()}
		for range g.n(4) {
			c.Labels = append(c.Labels, g.str())
		}
		return c
	case 6:
		c := &UIDBatches{Size: g.nz()}
		if g.bool() {
			c.First, c.Last = g.nz(), g.nz()
		}
		return c
	case 7:
		c := &List{Reference: g.str(), Patterns: []string{g.str()}}
		if c.Extended = g.bool(); c.Extended {
			c.Patterns = append(c.Patterns, g.str())
			c.Select = []string{imap.ListRemote, imap.ListRecursiveMatch}
			c.Return = []ListReturn{{Name: imap.ListStatus, Status: []imap.StatusItem{imap.StatusSize}}, {Name: imap.ListMetadata, Entries: []string{g.str()}}}
		}
		return c
	}
	return &Fetch{Set: g.set(g.bool(), true), Items: []imap.FetchItem{imap.FetchFlags, imap.FetchGmailLabels}, Modifiers: []imap.RawItem{PageModifier(g.page())}}
}

// thread makes a tree as the wire has it: a message that is not there has two
// children at least, and is not the only child of one that is.
func (g *gen) thread(depth int) *imap.Thread {
	t := &imap.Thread{Num: g.nz()}
	kids := g.n(4)
	if depth == 0 {
		kids = 0
	}
	if kids > 1 && g.n(3) == 0 {
		t.Num = 0
	}
	for range kids {
		t.Children = append(t.Children, g.thread(depth-1))
	}
	if kids == 1 && t.Children[0].Num == 0 {
		t.Children[0].Num = 1
	}
	return t
}

func (g *gen) response() Response {
	switch g.n(5) {
	case 0:
		r := &ThreadData{}
		for range g.n(4) {
			r.Threads = append(r.Threads, g.thread(6))
		}
		return r
	case 1:
		r := &ESearchData{}
		r.UID = g.bool()
		if g.bool() {
			r.Tag = "a1"
		}
		if g.bool() {
			r.Mailbox, r.UIDValidity = g.str(), g.num()
		}
		r.Min, r.Max, r.ModSeq = g.num(), g.num(), imap.ModSeq(g.num())
		if r.HasCount = g.bool(); r.HasCount {
			r.Count = g.num()
		}
		if g.bool() {
			r.All = g.set(r.UID, false)
		}
		if g.bool() {
			r.Partial = &imap.PartialResult{Range: g.page()}
			if g.bool() {
				r.Partial.Set = g.set(r.UID, false)
			}
		}
		for range g.n(4) {
			r.Changes = append(r.Changes, imap.SearchChange{Remove: g.bool(), Position: g.num(), Set: g.set(r.UID, false)})
		}
		for range g.n(4) {
			r.Relevancy = append(r.Relevancy, uint8(g.n(101)))
		}
		return r
	case 2:
		r := &UIDBatchesData{Tag: "x"}
		for range g.n(4) {
			r.Batches = append(r.Batches, imap.Range[imap.UID]{First: imap.UID(g.nz()), Last: imap.UID(g.nz())})
		}
		return r
	case 3:
		r := &SortData{ModSeq: imap.ModSeq(g.num())}
		for range g.n(8) {
			r.Nums = append(r.Nums, g.num())
		}
		return r
	}
	r := &FetchData{UIDFetch: g.bool(), Has: HasUID | HasGmailLabels | HasGmailMessageID, UID: imap.UID(g.nz()), GmailMessageID: uint64(g.num()) << 31}
	if !r.UIDFetch {
		r.Seq = imap.SeqNum(g.nz())
	}
	for range g.n(4) {
		r.GmailLabels = append(r.GmailLabels, g.str())
	}
	return r
}

// FuzzValues makes commands and responses, writes them, and reads them again:
// what is read is what was written.
func FuzzValues(f *testing.F) {
	for i := range 9 {
		f.Add([]byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25})
		f.Add([]byte{byte(i), 255, 3, 255, 0, 255, 7, 1, 'a', 0xc3, 0xa9, '"', '\\', '{', 255, 3, 1, 1, 1, 0, 0, 9, 9})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := (&gen{data}).command()
		if out, err := AppendCommand(nil, "t", a); err == nil {
			cmd, err := ParseCommand(frameOf(out), nil)
			require.NoError(t, err, "%q", out)
			again, err := AppendCommand(nil, "t", cmd.Args)
			require.NoError(t, err, "%q", out)
			require.Equal(t, string(out), string(again))
			if len(out) < 1000 {
				require.Equal(t, a, cmd.Args, "%q", out)
			}
		}
		r := (&gen{data}).response()
		if out, err := AppendResponse(nil, r, nil); err == nil {
			got, err := ParseResponse(frameOf(out), nil)
			require.NoError(t, err, "%q", out)
			require.Equal(t, r, fresh(got), "%q", out)
		}
	})
}
