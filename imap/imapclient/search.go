package imapclient

// Searches: SEARCH, SORT, THREAD, and of several mailboxes.

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Search returns the UIDs of the messages that match all the keys, ascending
// where the server sorts them, as all do. Strings in the keys are UTF-8. Keys
// of extensions that the server does not offer are an *ExtensionError.
func (c *Client) Search(ctx context.Context, keys ...imap.SearchKey) ([]imap.UID, error) {
	args := &imapwire.Search{UID: true, Criteria: keys}
	var err error
	if args.Charset, err = c.needKeys(ctx, keys); err != nil {
		return nil, err
	}
	var uids []imap.UID
	_, err = c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		switch r := r.(type) {
		case *imapwire.SearchData:
			uids = appendUIDs(uids, r.Nums)
		case *imapwire.ESearchData:
			if r.Tag != "" && r.Tag != c.running {
				return false, nil
			}
			var err error
			uids, err = c.expand(uids, r.UIDs())
			return true, err
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return uids, nil
}

func appendUIDs(uids []imap.UID, nums []uint32) []imap.UID {
	if uids == nil && len(nums) > 0 {
		uids = make([]imap.UID, 0, len(nums))
	}
	for _, n := range nums {
		uids = append(uids, imap.UID(n))
	}
	return uids
}

// maxExpand is how many numbers of a set become a slice: a few octets can name
// four thousand million, and a server can claim a mailbox of as many.
const maxExpand = 1 << 24

// expand appends the numbers of a set, of which there can not be more than the
// mailbox has messages.
func (c *Client) expand(uids []imap.UID, set imap.UIDSet) ([]imap.UID, error) {
	n := set.Count()
	if c.selected != nil && n > int64(c.selected.Messages) {
		return uids, fmt.Errorf("%w: a set of %d messages, of %d", ErrProtocol, n, c.selected.Messages)
	}
	if n > maxExpand {
		return uids, fmt.Errorf("imapclient: a set of %d messages is too large for a slice: SearchSet has it as it is", n)
	}
	for u := range set.All() {
		uids = append(uids, u)
	}
	return uids, nil
}

// SearchSet is Search whose result is a set, which a server with ESEARCH (RFC
// 4731) sends as one: large results are small.
func (c *Client) SearchSet(ctx context.Context, keys ...imap.SearchKey) (imap.UIDSet, error) {
	r, err := c.SearchWith(ctx, &SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnAll}}}, keys...)
	if err != nil {
		return imap.UIDSet{}, err
	}
	return r.UIDs(), nil
}

// SearchOptions are what a search is to tell.
type SearchOptions struct {
	// Return is what is asked for, ALL where empty (RFC 4731): from a server
	// without ESEARCH, MIN, MAX, COUNT and ALL are computed here. SAVE (RFC
	// 5182) keeps the result for imap.SavedUIDs; PARTIAL is a page of it (RFC
	// 9394); UPDATE has it kept up to date by events (RFC 5267).
	Return []imap.SearchReturn
	// SeqNums asks for sequence numbers instead of UIDs.
	SeqNums bool
}

// Found is what a search found.
type Found struct {
	imap.SearchResult
	// Tag names the search in events of kind EventSearch, and for
	// CancelUpdate.
	Tag string
	// NoUpdate says that UPDATE was asked for and refused.
	NoUpdate bool
}

// SearchWith is Search with options. o may be nil.
func (c *Client) SearchWith(ctx context.Context, o *SearchOptions, keys ...imap.SearchKey) (*Found, error) {
	if o == nil {
		o = &SearchOptions{}
	}
	charset, err := c.needKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	extended, err := c.needReturn(ctx, imap.CapESearch, imap.CapContextSearch, o.Return)
	if err != nil {
		return nil, err
	}
	args := &imapwire.Search{UID: !o.SeqNums, Charset: charset, Criteria: keys, Extended: extended}
	if extended {
		args.Return = o.Return
	}
	return c.find(ctx, args, !o.SeqNums)
}

// SortWith is Sort with options. o may be nil.
func (c *Client) SortWith(ctx context.Context, o *SearchOptions, order []imap.SortKey, keys ...imap.SearchKey) (*Found, error) {
	if o == nil {
		o = &SearchOptions{}
	}
	if err := c.needSort(ctx, order); err != nil {
		return nil, err
	}
	if _, err := c.needKeys(ctx, keys); err != nil {
		return nil, err
	}
	extended, err := c.needReturn(ctx, imap.CapESort, imap.CapContextSort, o.Return)
	if err != nil {
		return nil, err
	}
	args := &imapwire.Sort{UID: !o.SeqNums, Keys: order, Criteria: all(keys), Extended: extended}
	if extended {
		args.Return = o.Return
	}
	return c.find(ctx, args, !o.SeqNums)
}

// Sort returns the UIDs of the messages that match all the keys, in an order
// (RFC 5256).
func (c *Client) Sort(ctx context.Context, order []imap.SortKey, keys ...imap.SearchKey) ([]imap.UID, error) {
	if err := c.needSort(ctx, order); err != nil {
		return nil, err
	}
	if _, err := c.needKeys(ctx, keys); err != nil {
		return nil, err
	}
	var uids []imap.UID
	_, err := c.run(ctx, &imapwire.Sort{UID: true, Keys: order, Criteria: all(keys)}, func(r imapwire.Response) (bool, error) {
		s, ok := r.(*imapwire.SortData)
		if ok {
			uids = appendUIDs(uids, s.Nums)
		}
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	return uids, nil
}

// Thread returns the messages that match all the keys as trees, of UIDs (RFC
// 5256).
func (c *Client) Thread(ctx context.Context, a imap.ThreadAlgorithm, keys ...imap.SearchKey) ([]*imap.Thread, error) {
	if err := c.need(ctx, imap.CapThread(a), "THREAD"); err != nil {
		return nil, err
	}
	if _, err := c.needKeys(ctx, keys); err != nil {
		return nil, err
	}
	var threads []*imap.Thread
	_, err := c.run(ctx, &imapwire.Thread{UID: true, Algorithm: a, Criteria: all(keys)}, func(r imapwire.Response) (bool, error) {
		t, ok := r.(*imapwire.ThreadData)
		if ok {
			threads = append(threads, t.Threads...)
		}
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	return threads, nil
}

// MultiSearch searches several mailboxes at once (RFC 7377), and returns one
// result for each in which something was found.
func (c *Client) MultiSearch(ctx context.Context, sources []imap.MailboxFilter, ask []imap.SearchReturn, keys ...imap.SearchKey) ([]*imap.SearchResult, error) {
	if err := c.need(ctx, imap.CapMultiSearch, "ESEARCH"); err != nil {
		return nil, err
	}
	charset, err := c.needKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	args := &imapwire.ESearch{Sources: sources, Charset: charset, Criteria: all(keys), Extended: len(ask) > 0, Return: ask}
	var results []*imap.SearchResult
	_, err = c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		e, ok := r.(*imapwire.ESearchData)
		if !ok || e.Tag != "" && e.Tag != c.running {
			return false, nil
		}
		results = append(results, &e.SearchResult)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// CancelUpdate ends the updates of results, by Found.Tag (RFC 5267 section
// 4.3.5).
func (c *Client) CancelUpdate(ctx context.Context, tags ...string) error {
	if _, err := c.Capabilities(ctx); err != nil {
		return err
	}
	if !c.offers(imap.CapContextSearch) && !c.offers(imap.CapContextSort) {
		return &ExtensionError{Extension: string(imap.CapContextSearch), For: "CANCELUPDATE"}
	}
	return c.Do(ctx, &imapwire.CancelUpdate{Tags: tags}, nil)
}

// SearchPages is Search in pieces of size UIDs, ascending: with PARTIAL (RFC
// 9394) or CONTEXT=SEARCH (RFC 5267) the server sends no more than are asked
// for. What comes or goes between two pages may be missed or told twice.
func (c *Client) SearchPages(ctx context.Context, size int, keys ...imap.SearchKey) iter.Seq2[[]imap.UID, error] {
	return func(yield func([]imap.UID, error) bool) {
		partial, err := c.has(ctx, imap.CapPartial)
		if err != nil {
			yield(nil, err)
			return
		}
		if size < 1 {
			size = 1000
		}
		if !partial && !c.offers(imap.CapContextSearch) {
			uids, err := c.Search(ctx, keys...)
			if err != nil {
				yield(nil, err)
			}
			for len(uids) > 0 {
				n := min(size, len(uids))
				if !yield(uids[:n:n], nil) {
					return
				}
				uids = uids[n:]
			}
			return
		}
		for first := int64(1); ; first += int64(size) {
			r := imap.PartialRange{First: first, Last: first + int64(size) - 1}
			found, err := c.SearchWith(ctx, &SearchOptions{Return: []imap.SearchReturn{imap.ReturnPage(r)}}, keys...)
			if err != nil {
				yield(nil, err)
				return
			}
			if found.Partial == nil || found.Partial.Set == nil {
				return
			}
			set, _ := found.Partial.Set.(imap.UIDSet)
			if set.Count() > int64(size) {
				yield(nil, fmt.Errorf("%w: a page of %d messages where %d were asked for", ErrProtocol, set.Count(), size))
				return
			}
			var uids []imap.UID
			for u := range set.All() {
				uids = append(uids, u)
			}
			if !yield(uids, nil) || len(uids) < size {
				return
			}
		}
	}
}

// find runs a search, and takes its answer in whichever form it comes: some
// servers answer SEARCH where ESEARCH was asked.
func (c *Client) find(ctx context.Context, args imapwire.Args, uid bool) (*Found, error) {
	f := &Found{}
	f.UID = uid
	plain := func(nums []uint32, modseq imap.ModSeq) {
		f.ModSeq = max(f.ModSeq, modseq)
		f.Count, f.HasCount = f.Count+uint32(len(nums)), true
		for _, n := range nums {
			if f.Min == 0 || n < f.Min {
				f.Min = n
			}
			f.Max = max(f.Max, n)
		}
		if uid {
			s := f.UIDs()
			s.Add(appendUIDs(nil, nums)...)
			f.All = s
			return
		}
		s := f.SeqNums()
		for _, n := range nums {
			s.Add(imap.SeqNum(n))
		}
		f.All = s
	}
	_, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		switch r := r.(type) {
		case *imapwire.SearchData:
			plain(r.Nums, r.ModSeq)
		case *imapwire.SortData:
			plain(r.Nums, r.ModSeq)
			if len(r.Nums) > 0 { // of SORT, the first and the last
				f.Min, f.Max = r.Nums[0], r.Nums[len(r.Nums)-1]
			}
		case *imapwire.ESearchData:
			if r.Tag != "" && r.Tag != c.running || len(r.Changes) > 0 {
				return false, nil
			}
			f.SearchResult = r.SearchResult
		case *imapwire.StatusResponse:
			_, f.NoUpdate = r.Code.(imap.CodeNoUpdate)
			return f.NoUpdate, nil
		default:
			return false, nil
		}
		return true, nil
	})
	f.Tag = c.last
	if err != nil {
		return nil, err
	}
	return f, nil
}

// all is keys, or ALL where there are none.
func all(keys []imap.SearchKey) imap.SearchCriteria {
	if len(keys) == 0 {
		return imap.SearchCriteria{imap.SearchAll{}}
	}
	return keys
}

// needReturn checks what a search is to tell, and reports whether it must be
// asked in the extended form.
func (c *Client) needReturn(ctx context.Context, extended, context imap.Capability, ask []imap.SearchReturn) (bool, error) {
	if len(ask) == 0 {
		return false, nil
	}
	if _, err := c.Capabilities(ctx); err != nil {
		return false, err
	}
	computed := !c.offers(extended)
	for _, r := range ask {
		x := imap.Capability("")
		switch strings.ToUpper(r.Name) {
		case imap.ReturnMin, imap.ReturnMax, imap.ReturnAll, imap.ReturnCount:
			continue
		case imap.ReturnSave:
			x = imap.CapSearchRes
		case imap.ReturnPartial:
			if c.offers(context) {
				x = context
			} else {
				x = imap.CapPartial
			}
		case imap.ReturnUpdate, imap.ReturnContext:
			x = context
		case imap.ReturnRelevancy:
			x = imap.CapSearchFuzzy
		default:
			x = extended
		}
		if !c.offers(x) {
			return false, &ExtensionError{Extension: string(x), For: "RETURN " + r.Name}
		}
		computed = false
	}
	return !computed, nil
}

func (c *Client) needSort(ctx context.Context, order []imap.SortKey) error {
	if err := c.need(ctx, imap.CapSort, "SORT"); err != nil {
		return err
	}
	for _, k := range order {
		switch k.Field {
		case imap.SortDisplayFrom, imap.SortDisplayTo:
			if err := c.need(ctx, imap.CapSortDisplay, "SORT "+string(k.Field)); err != nil {
				return err
			}
		case imap.SortRelevancy:
			if err := c.need(ctx, imap.CapSearchFuzzy, "SORT "+string(k.Field)); err != nil {
				return err
			}
		}
	}
	return nil
}

// needKeys checks the keys of a search, and returns the charset to name.
func (c *Client) needKeys(ctx context.Context, keys []imap.SearchKey) (charset string, err error) {
	walk(keys, func(k imap.SearchKey) {
		if err != nil {
			return
		}
		for _, s := range searchStrings(k) {
			if !isASCII(s) {
				charset = "UTF-8"
			}
			if err = oneLine(s); err != nil {
				return
			}
		}
		if x := keyNeeds(k); x != "" {
			err = c.need(ctx, x, "SEARCH "+k.SearchName())
		}
	})
	if c.enabled.Has(imap.CapUTF8Accept) {
		charset = "" // RFC 6855 section 3: it must not be named
	}
	return charset, err
}

// walk calls f with every key in keys.
func walk(keys []imap.SearchKey, f func(imap.SearchKey)) {
	for _, k := range keys {
		f(k)
		switch k := k.(type) {
		case imap.SearchNot:
			walk([]imap.SearchKey{k.Key}, f)
		case imap.SearchOr:
			walk([]imap.SearchKey{k.A, k.B}, f)
		case imap.SearchFuzzy:
			walk([]imap.SearchKey{k.Key}, f)
		case imap.SearchCriteria:
			walk(k, f)
		}
	}
}

// searchStrings are the texts that a key searches for.
func searchStrings(k imap.SearchKey) []string {
	switch k := k.(type) {
	case imap.SearchText:
		return []string{k.Value}
	case imap.SearchHeader:
		return []string{k.Name, k.Value}
	case imap.SearchGmailRaw:
		return []string{k.Query}
	case imap.SearchGmailLabel:
		return []string{k.Label}
	case imap.SearchFilter:
		return []string{k.Name}
	}
	return nil
}

// keyNeeds is the extension that a key is of, or nothing.
func keyNeeds(k imap.SearchKey) imap.Capability {
	switch k := k.(type) {
	case imap.SearchOlder, imap.SearchYounger:
		return imap.CapWithin
	case imap.SearchFuzzy:
		return imap.CapSearchFuzzy
	case imap.SearchModSeq:
		return imap.CapCondStore
	case imap.SearchEmailID, imap.SearchThreadID:
		return imap.CapObjectID
	case imap.SearchSaveDateSupported:
		return imap.CapSaveDate
	case imap.SearchDate:
		switch k.When {
		case imap.SearchSavedBefore, imap.SearchSavedOn, imap.SearchSavedSince:
			return imap.CapSaveDate
		}
	case imap.SearchFilter:
		return imap.CapFilters
	case imap.SearchGmailLabel, imap.SearchGmailRaw, imap.SearchGmailMessageID, imap.SearchGmailThreadID:
		return imap.CapGmail
	case imap.SearchUIDs:
		if k.Set.Saved() {
			return imap.CapSearchRes
		}
	case imap.SearchSeqs:
		if k.Set.Saved() {
			return imap.CapSearchRes
		}
	}
	return ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
