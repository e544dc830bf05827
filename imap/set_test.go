package imap

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustUIDs(t testing.TB, s string) UIDSet {
	set, err := ParseUIDSet(s)
	require.NoError(t, err, s)
	return set
}

func TestParseSet(t *testing.T) {
	for _, s := range []string{"1", "*", "$", "1:*", "*:1", "4294967295", "1:4294967295", "4294967295:*", "2,4:7,9,12:*", "5:3"} {
		set, err := ParseUIDSet(s)
		require.NoError(t, err, s)
		assert.Equal(t, s, set.String())
		b, err := set.AppendText([]byte("x"))
		require.NoError(t, err)
		assert.Equal(t, "x"+s, string(b))
		seqs, err := ParseSeqSet(s)
		require.NoError(t, err)
		assert.Equal(t, s, seqs.String())
	}
	for _, s := range []string{"", ",", "1,", ",1", "0", "1:0", "4294967296", "99999999999999999999", "1:", ":1", "1:2:3", "a", "1 ", "$,1", "1,$", "-1", "**"} {
		_, err := ParseUIDSet(s)
		assert.Error(t, err, s)
	}
	_, err := UIDSet{}.AppendText(nil)
	require.Error(t, err)
	assert.Equal(t, "", UIDSet{}.String())
}

func TestSetAdd(t *testing.T) {
	s := UIDSetOf(1, 2, 3, 5, 4, 4294967294, 4294967295, 1)
	assert.Equal(t, "1:3,5,4,4294967294:4294967295,1", s.String())
	s.Add(Max)
	s.AddRange(7, Max)
	s.AddSet(UIDs(8, 9))
	assert.Equal(t, "1:3,5,4,4294967294:4294967295,1,*,7:*,8:9", s.String())
	assert.Equal(t, 8, s.NumRanges())
	c := s.Clone()
	c.Add(10)
	assert.NotEqual(t, s.String(), c.String())
	assert.True(t, s.Equal(s.Clone()))
	assert.False(t, s.Equal(c))
	assert.Equal(t, "3,2", SeqSetOf(3, 2).String())
	assert.Equal(t, "3:2", SeqNums(3, 2).String())
	assert.Len(t, slices.Collect(s.Ranges()), 8)
}

func TestSetContains(t *testing.T) {
	s := mustUIDs(t, "7:3,10,4294967295,20:*")
	for n, want := range map[UID]bool{0: false, 2: false, 3: true, 7: true, 8: false, 10: true, 19: false, 20: true, 4294967295: true} {
		assert.Equal(t, want, s.Contains(n), n)
	}
	assert.False(t, SavedUIDs().Contains(1))
	assert.True(t, SavedUIDs().Saved())
	assert.True(t, SavedSeqNums().Dynamic())
	assert.True(t, s.Dynamic())
	assert.False(t, UIDs(1, 2).Dynamic())
	assert.True(t, UIDSet{}.Empty())
	assert.False(t, SavedUIDs().Empty())
}

func TestSetResolve(t *testing.T) {
	for _, tt := range []struct {
		in      string
		largest UID
		want    string
	}{
		{"1:*", 10, "1:10"},
		{"*", 10, "10"},
		{"559:*", 500, "500:559"},
		{"*:559", 500, "500:559"},
		{"*", 0, ""},
		{"5,1:*", 0, "5"},
		{"9,1:3,2:5,6", 10, "1:6,9"},
		{"4294967295,1:4294967295", 10, "1:4294967295"},
		{"4294967294:4294967295,4294967295,1", 4294967295, "1,4294967294:4294967295"},
	} {
		s := mustUIDs(t, tt.in)
		assert.Equal(t, tt.want, s.Resolve(tt.largest).String(), tt.in)
		assert.Equal(t, tt.in, s.String(), "unchanged")
	}
	assert.EqualValues(t, int64(math.MaxUint32), mustUIDs(t, "1:4294967295,3:*").Count())
	assert.EqualValues(t, 5, mustUIDs(t, "1:3,2:5").Count())
}

func TestSetAllStops(t *testing.T) {
	assert.Equal(t, []UID{4294967294, 4294967295, 3}, slices.Collect(mustUIDs(t, "4294967294:4294967295,3").All()))
	assert.Equal(t, []UID{4294967295}, slices.Collect(mustUIDs(t, "*").All()))
	n := 0
	for range mustUIDs(t, "1:*").All() {
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 3, n)
}

func TestSetSpans(t *testing.T) {
	uids := []UID{2, 3, 5, 8, 13, 4294967295}
	for in, want := range map[string][]UID{
		"1:*":              uids,
		"*":                {4294967295},
		"1":                nil,
		"2:5":              {2, 3, 5},
		"13,2":             {2, 13},
		"4:9,6:14":         {5, 8, 13},
		"4294967295":       {4294967295},
		"9:12":             nil,
		"4294967294:1":     {2, 3, 5, 8, 13},
		"3:3,5:5,4,8,8,13": {3, 5, 8, 13},
	} {
		assert.Equal(t, want, mustUIDs(t, in).AppendIntersect(nil, uids), in)
	}
	assert.Empty(t, mustUIDs(t, "1:*").AppendIntersect(nil, nil))
	assert.Equal(t, []UID{5}, mustUIDs(t, "9:*").AppendIntersect(nil, []UID{5}), "the largest, though below 9")
	for lo, hi := range mustUIDs(t, "2,5,13").Spans(uids) {
		assert.Equal(t, []int{0, 1}, []int{lo, hi})
		break
	}
}

func TestSetAlgebra(t *testing.T) {
	for _, tt := range [][4]string{
		{"1:10", "3:5,9:20", "3:5,9:10", "1:2,6:8"},
		{"1:4294967295", "4294967295", "4294967295", "1:4294967294"},
		{"4294967295", "1:4294967295", "4294967295", ""},
		{"1,3,5", "2,4", "", "1,3,5"},
		{"5:7", "1:4,8:9", "", "5:7"},
		{"1:100", "1,50,100", "1,50,100", "2:49,51:99"},
	} {
		a, b := mustUIDs(t, tt[0]), mustUIDs(t, tt[1])
		assert.Equal(t, tt[2], a.Intersect(b).String(), tt)
		assert.Equal(t, tt[3], a.Subtract(b).String(), tt)
	}
}

func FuzzSet(f *testing.F) {
	f.Add("1:5,3", "2,4:*", uint32(7))
	f.Add("$", "*", uint32(0))
	f.Add("4294967295:1", "4294967295", uint32(4294967295))
	f.Fuzz(func(t *testing.T, a, b string, largest uint32) {
		x, err := ParseUIDSet(a)
		if err != nil {
			return
		}
		again, err := ParseUIDSet(x.String())
		require.NoError(t, err)
		require.True(t, x.Equal(again))
		y, err := ParseUIDSet(b)
		if err != nil || x.Saved() || y.Saved() {
			return
		}
		if largest != 0 {
			require.False(t, x.Resolve(UID(largest)).Dynamic())
		}
		x, y = x.Normalize(), y.Normalize()
		in, sub := x.Intersect(y), x.Subtract(y)
		require.Equal(t, x.Count(), in.Count()+sub.Count())
		for _, n := range []UID{1, 2, 3, 4, 5, UID(largest), 4294967294, 4294967295} {
			require.Equal(t, x.Contains(n) && y.Contains(n), in.Contains(n))
			require.Equal(t, x.Contains(n) && !y.Contains(n), sub.Contains(n))
		}
	})
}
