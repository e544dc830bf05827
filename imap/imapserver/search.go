package imapserver

// SEARCH: the keys made ready, cheap ones first, and the run over the mailbox.

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/mime"
)

// cost is what a key needs to be decided.
type cost uint8

const (
	costNumbers cost = iota // the UID alone
	costInfo                // what the mailbox keeps of the message
	costHeader              // the message's header
	costBody                // all of the message
)

// candidate is the message that is looked at.
type candidate struct {
	uid  imap.UID
	info *imap.MessageInfo // nil while costNumbers is all there is to decide
	msg  *message
}

// searchNode is a key made ready.
type searchNode struct {
	cost  cost
	match func(c *candidate) (bool, error)
}

func (s *session) search(ctx context.Context, a *imapwire.Search) (result, error) {
	v := s.view
	if a.Extended {
		return result{}, badf("Unknown search option RETURN")
	}
	criteria, err := decodeCriteria(a.Charset, a.Criteria)
	if err != nil {
		return result{}, err
	}
	root, err := s.compileAll(criteria)
	if err != nil {
		return result{}, err
	}
	spans := s.candidates(criteria)
	if found, ok, err := s.backendSearch(ctx, spans, criteria); ok || err != nil {
		if err != nil {
			return result{}, err
		}
		var out []span
		for _, sp := range spans {
			for lo, hi := range found.Spans(v.uids[sp.lo:sp.hi]) {
				out = append(out, span{sp.lo + lo, sp.lo + hi})
			}
		}
		spans, root = out, searchNode{match: func(*candidate) (bool, error) { return true, nil }}
	}

	// The response streams: it is one line, and its end is sent whatever
	// happens.
	buf := append(make([]byte, 0, 4096+16), "* SEARCH"...)
	hit := func(i int) {
		n := uint64(i + 1)
		if a.UID {
			n = uint64(v.uids[i])
		}
		buf = strconv.AppendUint(append(buf, ' '), n, 10)
		if len(buf) >= 4096 {
			s.write(buf)
			buf = buf[:0]
		}
	}
	err = s.runSearch(ctx, root, spans, hit)
	s.write(append(buf, '\r', '\n'))
	return result{}, err
}

func (s *session) runSearch(ctx context.Context, root searchNode, spans []span, hit func(i int)) error {
	v := s.view
	if root.cost == costNumbers {
		var c candidate
		for _, sp := range spans {
			for i := sp.lo; i < sp.hi; i++ {
				c.uid = v.uids[i]
				ok, err := root.match(&c)
				if err != nil {
					return err
				}
				if ok {
					hit(i)
				}
			}
		}
		return nil
	}
	if len(spans) == 0 {
		return nil
	}
	msg := message{ctx: ctx, mbox: v.mbox, opts: s.mimeOptions()}
	c := candidate{msg: &msg}
	for info, err := range v.mbox.Messages(ctx, v.set(spans)) {
		if err != nil {
			return err
		}
		seq := v.seq(info.UID)
		if seq == 0 {
			continue
		}
		if err := s.stopped(ctx); err != nil {
			return err
		}
		msg = message{ctx: ctx, mbox: v.mbox, uid: info.UID, opts: msg.opts}
		c.uid, c.info = info.UID, info
		ok, err := root.match(&c)
		msg.close()
		if errors.Is(err, ErrExpunged) {
			continue
		}
		if err != nil {
			return err
		}
		if ok {
			hit(int(seq) - 1)
		}
	}
	return nil
}

// candidates narrows the mailbox by the sets at the top of criteria, all of
// which a message must be in.
func (s *session) candidates(criteria imap.SearchCriteria) []span {
	v := s.view
	if len(v.uids) == 0 {
		return nil
	}
	set := imap.UIDs(1, v.last())
	for _, k := range criteria {
		switch k := k.(type) {
		case imap.SearchUIDs:
			set = set.Intersect(k.Set.Resolve(v.last()))
		case imap.SearchSeqs:
			set = set.Intersect(v.uidsOf(k.Set))
		}
	}
	set = set.Subtract(v.gone)
	var spans []span
	for lo, hi := range set.Spans(v.uids) {
		spans = append(spans, span{lo, hi})
	}
	return spans
}

// uidsOf is the messages that a set of sequence numbers names; in a search
// numbers that there are not match nothing.
func (v *view) uidsOf(set imap.SeqSet) imap.UIDSet {
	var out imap.UIDSet
	n := imap.SeqNum(len(v.uids))
	for r := range set.Resolve(n).Ranges() {
		if r.First <= n {
			out.AddRange(v.uids[r.First-1], v.uids[min(r.Last, n)-1])
		}
	}
	return out
}

// backendSearch asks a Backend that searches by itself.
func (s *session) backendSearch(ctx context.Context, spans []span, criteria imap.SearchCriteria) (imap.UIDSet, bool, error) {
	b, ok := s.view.mbox.(Searcher)
	if !ok || len(spans) == 0 {
		return imap.UIDSet{}, false, nil
	}
	found, err := b.Search(ctx, s.view.set(spans), s.view.byUID(criteria).(imap.SearchCriteria))
	if errors.Is(err, errors.ErrUnsupported) {
		return imap.UIDSet{}, false, nil
	}
	return found, true, err
}

// byUID is a key with UIDs in place of sequence numbers and of "*".
func (v *view) byUID(k imap.SearchKey) imap.SearchKey {
	switch k := k.(type) {
	case imap.SearchCriteria:
		out := make(imap.SearchCriteria, len(k))
		for i := range k {
			out[i] = v.byUID(k[i])
		}
		return out
	case imap.SearchOr:
		return imap.SearchOr{A: v.byUID(k.A), B: v.byUID(k.B)}
	case imap.SearchNot:
		return imap.SearchNot{Key: v.byUID(k.Key)}
	case imap.SearchSeqs:
		return imap.SearchUIDs{Set: v.uidsOf(k.Set)}
	case imap.SearchUIDs:
		return imap.SearchUIDs{Set: k.Set.Resolve(v.last())}
	}
	return k
}

func (s *session) compileAll(list imap.SearchCriteria) (searchNode, error) {
	nodes := make([]searchNode, 0, len(list))
	var most cost
	for _, k := range list {
		n, err := s.compile(k)
		if err != nil {
			return n, err
		}
		most = max(most, n.cost)
		nodes = append(nodes, n)
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	byCost(nodes)
	return searchNode{most, func(c *candidate) (bool, error) {
		for i := range nodes {
			if ok, err := nodes[i].match(c); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}}, nil
}

func byCost(nodes []searchNode) {
	slices.SortStableFunc(nodes, func(a, b searchNode) int { return int(a.cost) - int(b.cost) })
}

// compile makes one key ready. The depth of keys is bounded where they are
// parsed.
func (s *session) compile(key imap.SearchKey) (searchNode, error) {
	v := s.view
	info := func(f func(m *imap.MessageInfo) bool) (searchNode, error) {
		return searchNode{costInfo, func(c *candidate) (bool, error) { return f(c.info), nil }}, nil
	}
	numbers := func(set imap.UIDSet) (searchNode, error) {
		set = set.Resolve(v.last())
		ranges := slices.Collect(set.Ranges())
		return searchNode{costNumbers, func(c *candidate) (bool, error) { return inRanges(ranges, c.uid), nil }}, nil
	}
	switch k := key.(type) {
	case imap.SearchCriteria:
		return s.compileAll(k)
	case imap.SearchAll:
		return searchNode{costNumbers, func(*candidate) (bool, error) { return true, nil }}, nil
	case imap.SearchNot:
		n, err := s.compile(k.Key)
		return searchNode{n.cost, func(c *candidate) (bool, error) {
			ok, err := n.match(c)
			return !ok && err == nil, err
		}}, err
	case imap.SearchOr:
		a, err := s.compile(k.A)
		if err != nil {
			return a, err
		}
		b, err := s.compile(k.B)
		if err != nil {
			return b, err
		}
		nodes := []searchNode{a, b}
		byCost(nodes)
		return searchNode{nodes[1].cost, func(c *candidate) (bool, error) {
			if ok, err := nodes[0].match(c); ok || err != nil {
				return ok, err
			}
			return nodes[1].match(c)
		}}, nil
	case imap.SearchSeqs:
		if k.Set.Saved() {
			return searchNode{}, errNoneSaved
		}
		return numbers(v.uidsOf(k.Set))
	case imap.SearchUIDs:
		if k.Set.Saved() {
			return searchNode{}, errNoneSaved
		}
		return numbers(k.Set)
	case imap.SearchFlag:
		return info(func(m *imap.MessageInfo) bool { return imap.HasFlag(m.Flags, k.Flag) != k.Unset })
	case imap.SearchLarger:
		return info(func(m *imap.MessageInfo) bool { return m.Size > k.Size })
	case imap.SearchSmaller:
		return info(func(m *imap.MessageInfo) bool { return m.Size < k.Size })
	case imap.SearchDate:
		return compileDate(k)
	case imap.SearchHeader:
		return compileHeader(k.Name, k.Value), nil
	case imap.SearchText:
		switch k.Field {
		case imap.SearchBody, imap.SearchAnyText:
			return compileText(k), nil
		}
		return compileHeader(string(k.Field), k.Value), nil
	}
	return searchNode{}, badf("Unknown search key %s", key.SearchName())
}

// inRanges reports whether uid is in ranges, which ascend.
func inRanges(ranges []imap.Range[imap.UID], uid imap.UID) bool {
	_, ok := slices.BinarySearchFunc(ranges, uid, func(r imap.Range[imap.UID], u imap.UID) int {
		switch {
		case r.Last < u:
			return -1
		case r.First > u:
			return 1
		}
		return 0
	})
	return ok
}

func compileDate(k imap.SearchDate) (searchNode, error) {
	var when func(d imap.Date) bool
	switch k.When {
	case imap.SearchBefore, imap.SearchSentBefore:
		when = func(d imap.Date) bool { return d.Compare(k.Date) < 0 }
	case imap.SearchOn, imap.SearchSentOn:
		when = func(d imap.Date) bool { return d.Compare(k.Date) == 0 }
	case imap.SearchSince, imap.SearchSentSince:
		when = func(d imap.Date) bool { return d.Compare(k.Date) >= 0 }
	default:
		return searchNode{}, badf("Unknown search key %s", string(k.When))
	}
	if !strings.HasPrefix(string(k.When), "SENT") {
		return searchNode{costInfo, func(c *candidate) (bool, error) { return when(imap.DateOf(c.info.InternalDate)), nil }}, nil
	}
	return searchNode{costHeader, func(c *candidate) (bool, error) {
		if err := c.msg.header(); err != nil {
			return false, err
		}
		t, err := c.msg.hdr.Date("Date")
		return err == nil && !t.Equal(time.Time{}) && when(imap.DateOf(t)), nil
	}}, nil
}

// compileHeader matches the decoded text of a field.
func compileHeader(name, value string) searchNode {
	p := newPattern(value)
	return searchNode{costHeader, func(c *candidate) (bool, error) {
		if err := c.msg.header(); err != nil {
			return false, err
		}
		for f := range c.msg.hdr.All(name) {
			if p.empty() || p.inString(f.Text()) {
				return true, nil
			}
		}
		return false, nil
	}}
}

// decodeCriteria is the criteria with strings in UTF-8.
func decodeCriteria(charset string, criteria imap.SearchCriteria) (imap.SearchCriteria, error) {
	decode := func(s string) (string, error) {
		if !utf8.ValidString(s) {
			return "", badf("A search string is not in the charset")
		}
		return s, nil
	}
	switch strings.ToUpper(charset) {
	case "", "UTF-8", "US-ASCII", "UTF8", "ASCII":
	default:
		if _, ok := mime.CharsetReader(strings.NewReader(""), charset); !ok {
			return nil, &imap.Error{
				Kind: imap.NO, Code: imap.CodeCharsets{Charsets: []string{"US-ASCII", "UTF-8"}}, Text: "Unknown charset",
			}
		}
		decode = func(s string) (string, error) {
			r, _ := mime.CharsetReader(strings.NewReader(s), charset)
			b, err := io.ReadAll(r)
			if err != nil || !utf8.Valid(b) {
				return "", badf("A search string is not in the charset")
			}
			return string(b), nil
		}
	}
	k, err := decodeKey(criteria, decode)
	if err != nil {
		return nil, err
	}
	return k.(imap.SearchCriteria), nil
}

func decodeKey(key imap.SearchKey, decode func(string) (string, error)) (imap.SearchKey, error) {
	var err error
	switch k := key.(type) {
	case imap.SearchCriteria:
		out := make(imap.SearchCriteria, len(k))
		for i := range k {
			if out[i], err = decodeKey(k[i], decode); err != nil {
				return nil, err
			}
		}
		return out, nil
	case imap.SearchOr:
		if k.A, err = decodeKey(k.A, decode); err == nil {
			k.B, err = decodeKey(k.B, decode)
		}
		return k, err
	case imap.SearchNot:
		k.Key, err = decodeKey(k.Key, decode)
		return k, err
	case imap.SearchText:
		k.Value, err = decode(k.Value)
		return k, err
	case imap.SearchHeader:
		k.Value, err = decode(k.Value)
		return k, err
	}
	return key, nil
}
