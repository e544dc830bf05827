package imap

// Pages of a result (RFC 9394).

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// PartialRange is a page of a result: "1:100" counts from the first, "-1:-100"
// from the last. Both ends are included, and have the same sign; either may be
// the larger.
type PartialRange struct{ First, Last int64 }

// Valid reports whether the range can be written: both ends from 1 to
// 4294967295, or both below zero as far.
func (r PartialRange) Valid() bool {
	in := func(n int64) bool { return 1 <= n && n <= math.MaxUint32 }
	return in(r.First) && in(r.Last) || in(-r.First) && in(-r.Last)
}

// Bounds is the part [lo, hi) of a result of n messages that the range is. It
// is empty where the result is too short.
func (r PartialRange) Bounds(n int) (lo, hi int) {
	first, last := min(r.First, r.Last), max(r.First, r.Last)
	if !r.Valid() {
		return 0, 0
	}
	if first < 0 {
		first, last = int64(n)+1+first, int64(n)+1+last
	}
	lo = int(min(max(first, 1), int64(n)+1)) - 1
	hi = int(max(min(last, int64(n)), 0))
	return min(lo, hi), hi
}

// AppendText appends the range as it stands on the wire.
func (r PartialRange) AppendText(dst []byte) ([]byte, error) {
	if !r.Valid() {
		return dst, errPartial
	}
	dst = strconv.AppendInt(dst, r.First, 10)
	return strconv.AppendInt(append(dst, ':'), r.Last, 10), nil
}

// String is the range as it stands on the wire.
func (r PartialRange) String() string {
	return strconv.FormatInt(r.First, 10) + ":" + strconv.FormatInt(r.Last, 10)
}

var errPartial = errors.New(`imap: not a range such as "1:100" or "-1:-100"`)

// ParsePartialRange reads a range such as "1:100" or "-1:-100".
func ParsePartialRange(text string) (PartialRange, error) {
	a, b, ok := strings.Cut(text, ":")
	first, ok1 := parsePartialEnd(a)
	last, ok2 := parsePartialEnd(b)
	r := PartialRange{first, last}
	if !ok || !ok1 || !ok2 || !r.Valid() {
		return PartialRange{}, errPartial
	}
	return r, nil
}

func parsePartialEnd(s string) (int64, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if negative {
		return -int64(n), err == nil
	}
	return int64(n), err == nil
}
