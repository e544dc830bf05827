package imap

// Message numbers and the sets of them that commands name: ranges as written,
// never expanded.

import (
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// UID is a message's unique identifier in its mailbox (RFC 3501 section
// 2.3.1.1). Zero is no message.
type UID uint32

// SeqNum is a message's sequence number (RFC 3501 section 2.3.1.2). Zero is no
// message.
type SeqNum uint32

// ModSeq is a modification sequence (RFC 7162): at most 63 bits, zero where
// the mailbox keeps none.
type ModSeq uint64

// Max stands for "*" where a number of a set is given: the largest number in
// use. It is zero, which is never a message's number, so that 4294967295
// stays a number like any other.
const Max = 0

// Number is what a set holds.
type Number interface{ UID | SeqNum }

// Range is the numbers from First to Last, in either order, both included.
// Max in either place is "*".
type Range[N Number] struct{ First, Last N }

// Set is a set of message numbers as a list of ranges in the order they were
// added. The zero value is the empty set. Like slices, copies share what they
// hold: after an Add, use the set that was added to, or [Set.Clone] first.
type Set[N Number] struct {
	ranges []Range[N]
	saved  bool
}

// UIDSet is a set of UIDs. SeqSet is a set of sequence numbers. They are
// different types, so that one is never taken for the other.
type (
	UIDSet = Set[UID]
	SeqSet = Set[SeqNum]
)

// NumSet is a [UIDSet] or a [SeqSet], and nothing else.
type NumSet interface {
	// AppendText appends the set as it stands in a command.
	AppendText(dst []byte) ([]byte, error)
	String() string
	// Empty reports whether the set names nothing.
	Empty() bool
	// Dynamic reports whether the set depends on the mailbox: "*" or "$".
	Dynamic() bool
	numSet()
}

func (Set[N]) numSet() {}

// UIDs is the set of the UIDs from first to last; [Max] is "*".
func UIDs(first, last UID) UIDSet { return UIDSet{ranges: []Range[UID]{{first, last}}} }

// SeqNums is the set of the sequence numbers from first to last; [Max] is "*".
func SeqNums(first, last SeqNum) SeqSet { return SeqSet{ranges: []Range[SeqNum]{{first, last}}} }

// UIDSetOf is the set of the given UIDs, in that order.
func UIDSetOf(uids ...UID) UIDSet {
	var s UIDSet
	s.Add(uids...)
	return s
}

// SeqSetOf is the set of the given sequence numbers, in that order.
func SeqSetOf(nums ...SeqNum) SeqSet {
	var s SeqSet
	s.Add(nums...)
	return s
}

// SavedUIDs is "$", the result that SEARCH saved (RFC 5182), as UIDs.
func SavedUIDs() UIDSet { return UIDSet{saved: true} }

// SavedSeqNums is "$" as sequence numbers.
func SavedSeqNums() SeqSet { return SeqSet{saved: true} }

// Saved reports whether the set is "$".
func (s Set[N]) Saved() bool { return s.saved }

// Empty reports whether the set names nothing.
func (s Set[N]) Empty() bool { return len(s.ranges) == 0 && !s.saved }

// Dynamic reports whether the set depends on the mailbox: "*" or "$".
func (s Set[N]) Dynamic() bool {
	if s.saved {
		return true
	}
	for _, r := range s.ranges {
		if r.First == Max || r.Last == Max {
			return true
		}
	}
	return false
}

// NumRanges is the number of ranges the set is written with.
func (s Set[N]) NumRanges() int { return len(s.ranges) }

// Ranges yields the ranges in the order they were added, as they were given.
func (s Set[N]) Ranges() iter.Seq[Range[N]] { return slices.Values(s.ranges) }

// Add adds single numbers, in order. A number that follows the last range's
// end lengthens that range.
func (s *Set[N]) Add(nums ...N) {
	for _, n := range nums {
		s.add(n, n)
	}
}

// AddRange adds the numbers from first to last.
func (s *Set[N]) AddRange(first, last N) { s.add(first, last) }

// AddSet adds the ranges of o. The set "$" cannot be added to another.
func (s *Set[N]) AddSet(o Set[N]) {
	for _, r := range o.ranges {
		s.add(r.First, r.Last)
	}
}

func (s *Set[N]) add(first, last N) {
	s.saved = false
	if k := len(s.ranges); k > 0 && first != Max && last != Max && first <= last {
		p := &s.ranges[k-1]
		if p.First != Max && p.Last != Max && p.First <= p.Last && p.Last != math.MaxUint32 && p.Last+1 == first {
			p.Last = last
			return
		}
	}
	s.ranges = append(s.ranges, Range[N]{first, last})
}

// Clone is a set that shares nothing with s.
func (s Set[N]) Clone() Set[N] { return Set[N]{ranges: slices.Clone(s.ranges), saved: s.saved} }

// ends is the range in ascending order, with Max as the largest number there
// can be. A range of "*" alone begins and ends there.
func (r Range[N]) ends() (lo, hi N) {
	lo, hi = r.First, r.Last
	if lo == Max {
		lo = math.MaxUint32
	}
	if hi == Max {
		hi = math.MaxUint32
	}
	if lo > hi {
		lo, hi = hi, lo
	}
	return lo, hi
}

// Contains reports whether n is in the set, taking "*" for 4294967295: "7:*"
// contains every number from 7 on. What "*" names in a mailbox is known
// after [Set.Resolve] alone. Cost: the number of ranges.
func (s Set[N]) Contains(n N) bool {
	if n == Max {
		return false
	}
	for _, r := range s.ranges {
		if lo, hi := r.ends(); lo <= n && n <= hi {
			return true
		}
	}
	return false
}

// Count is how many numbers the set names, those named twice counted once,
// and "*" taken for 4294967295.
func (s Set[N]) Count() int64 {
	var n int64
	for _, r := range s.Normalize().ranges {
		n += int64(r.Last) - int64(r.First) + 1
	}
	return n
}

// Resolve is the set with "*" replaced by largest, the largest number in use,
// in ascending order, merged. In an empty mailbox (largest zero) a range that
// mentions "*" names nothing. As RFC 3501 section 6.4.8 says, "559:*" names
// the largest number even where that is below 559.
func (s Set[N]) Resolve(largest N) Set[N] {
	out := make([]Range[N], 0, len(s.ranges))
	for _, r := range s.ranges {
		if r.First == Max {
			r.First = largest
		}
		if r.Last == Max {
			r.Last = largest
		}
		if r.First == 0 || r.Last == 0 {
			continue
		}
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First
		}
		out = append(out, r)
	}
	return Set[N]{ranges: merge(out)}
}

// Normalize is the set in ascending order, merged, with "*" taken for
// 4294967295.
func (s Set[N]) Normalize() Set[N] { return s.Resolve(math.MaxUint32) }

// merge sorts ascending ranges and joins those that touch, in place.
func merge[N Number](rs []Range[N]) []Range[N] {
	byFirst := func(a, b Range[N]) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(rs, byFirst) {
		slices.SortFunc(rs, byFirst)
	}
	out := rs[:0]
	for _, r := range rs {
		if k := len(out); k > 0 && (out[k-1].Last == math.MaxUint32 || r.First <= out[k-1].Last+1) {
			out[k-1].Last = max(out[k-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// All yields every number of the set, range by range in the order written,
// "*" taken for 4294967295. A set of a few octets can name four thousand
// million numbers: bound the set first.
func (s Set[N]) All() iter.Seq[N] {
	return func(yield func(N) bool) {
		for _, r := range s.ranges {
			for lo, hi := r.ends(); ; lo++ {
				if !yield(lo) {
					return
				}
				if lo == hi {
					break
				}
			}
		}
	}
}

// Spans yields, ascending and apart, the index ranges [lo, hi) of sorted whose
// numbers are in the set. sorted must be strictly ascending; "*" is its last
// number. Cost: the ranges times the logarithm of len(sorted).
func (s Set[N]) Spans(sorted []N) iter.Seq2[int, int] {
	return func(yield func(lo, hi int) bool) {
		if len(sorted) == 0 {
			return
		}
		from := 0
		for _, r := range s.Resolve(sorted[len(sorted)-1]).ranges {
			lo, _ := slices.BinarySearch(sorted[from:], r.First)
			lo += from
			hi, found := slices.BinarySearch(sorted[lo:], r.Last)
			hi += lo
			if found {
				hi++
			}
			from = hi
			if lo < hi && !yield(lo, hi) {
				return
			}
		}
	}
}

// AppendIntersect appends to dst the numbers of sorted that are in the set,
// ascending. sorted must be strictly ascending; "*" is its last number.
func (s Set[N]) AppendIntersect(dst, sorted []N) []N {
	for lo, hi := range s.Spans(sorted) {
		dst = append(dst, sorted[lo:hi]...)
	}
	return dst
}

// Intersect is the set of what both sets name, ascending, "*" taken for
// 4294967295.
func (s Set[N]) Intersect(o Set[N]) Set[N] {
	a, b := s.Normalize().ranges, o.Normalize().ranges
	var out Set[N]
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].First, b[0].First), min(a[0].Last, b[0].Last); lo <= hi {
			out.ranges = append(out.ranges, Range[N]{lo, hi})
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// Subtract is the set of what s names and o does not, ascending, "*" taken for
// 4294967295.
func (s Set[N]) Subtract(o Set[N]) Set[N] {
	a, b := s.Normalize().ranges, o.Normalize().ranges
	var out Set[N]
	for _, r := range a {
		for len(b) > 0 && b[0].Last < r.First {
			b = b[1:]
		}
		lo, rest := r.First, true
		for _, x := range b {
			if x.First > r.Last {
				break
			}
			if lo < x.First {
				out.ranges = append(out.ranges, Range[N]{lo, x.First - 1})
			}
			if x.Last >= r.Last {
				rest = false
				break
			}
			lo = x.Last + 1
		}
		if rest {
			out.ranges = append(out.ranges, Range[N]{lo, r.Last})
		}
	}
	return out
}

var errEmptySet = errors.New("imap: an empty set has no text")

// AppendText appends the set as RFC 3501 writes it: "1,3:5,9:*", or "$".
// The empty set is an error.
func (s Set[N]) AppendText(dst []byte) ([]byte, error) {
	if s.Empty() {
		return dst, errEmptySet
	}
	return s.append(dst), nil
}

func (s Set[N]) append(dst []byte) []byte {
	if s.saved {
		return append(dst, '$')
	}
	for i, r := range s.ranges {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNum(dst, r.First)
		if r.First != r.Last {
			dst = append(dst, ':')
			dst = appendNum(dst, r.Last)
		}
	}
	return dst
}

func appendNum[N Number](dst []byte, n N) []byte {
	if n == Max {
		return append(dst, '*')
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// String is the set as written in a command; empty for the empty set.
func (s Set[N]) String() string { return string(s.append(nil)) }

// Equal reports whether both sets are written alike.
func (s Set[N]) Equal(o Set[N]) bool { return s.saved == o.saved && slices.Equal(s.ranges, o.ranges) }

// ParseUIDSet reads a uid-set such as "1,3:5,9:*" or "$".
func ParseUIDSet(text string) (UIDSet, error) { return parseSet[UID](text) }

// ParseSeqSet reads a sequence-set such as "1,3:5,9:*" or "$".
func ParseSeqSet(text string) (SeqSet, error) { return parseSet[SeqNum](text) }

func parseSet[N Number](text string) (Set[N], error) {
	if text == "$" {
		return Set[N]{saved: true}, nil
	}
	s := Set[N]{ranges: make([]Range[N], 0, 1+strings.Count(text, ","))}
	for i := 0; ; i++ {
		first, n, err := parseNum[N](text, i)
		if err != nil {
			return Set[N]{}, err
		}
		i += n
		last := first
		if i < len(text) && text[i] == ':' {
			if last, n, err = parseNum[N](text, i+1); err != nil {
				return Set[N]{}, err
			}
			i += 1 + n
		}
		s.ranges = append(s.ranges, Range[N]{first, last})
		if i == len(text) {
			return s, nil
		}
		if text[i] != ',' {
			return Set[N]{}, &setError{i, "expected a comma"}
		}
	}
}

type setError struct {
	at  int
	msg string
}

func (e *setError) Error() string {
	return "imap: set: " + e.msg + " at octet " + strconv.Itoa(e.at)
}

func parseNum[N Number](text string, i int) (N, int, error) {
	if i < len(text) && text[i] == '*' {
		return Max, 1, nil
	}
	var v uint64
	n := 0
	for ; i+n < len(text) && '0' <= text[i+n] && text[i+n] <= '9'; n++ {
		if v = v*10 + uint64(text[i+n]-'0'); v > math.MaxUint32 {
			return 0, 0, &setError{i, "number above 4294967295"}
		}
	}
	if n == 0 {
		return 0, 0, &setError{i, "expected a number or *"}
	}
	if v == 0 {
		return 0, 0, &setError{i, "expected a number above zero"}
	}
	return N(v), n, nil
}
