package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestList(t *testing.T) {
	for _, tt := range []struct {
		name, text, column string
		want               []string // keys, and problems as "line: text"
	}{
		{"commas", "email,name\na@b.example,A\n", "", []string{"a@b.example"}},
		{"semicolons, as spreadsheets write them", "\uFEFFName;E-Mail\r\n\"A; B\";a@b.example\r\n", "", []string{"a@b.example"}},
		{"tabs", "EMAIL\tname\na@b.example\tA, B\n", "", []string{"a@b.example"}},
		{"column", "to,email\na@b.example,x\n", "to", []string{"a@b.example"}},
		{"duplicates", "email\nA@B.example\nA@b.EXAMPLE\na@b.example\n\"\"\"A\"\"@b.example\"\n", "", []string{"A@b.example", "a@b.example"}},
		{"other scripts", "email\nx@BÜCHER.example\nx@xn--bcher-kva.example\nbücher@b.example\n", "", []string{"x@xn--bcher-kva.example", "bücher@b.example"}},
		{"wrong", "email,n\n\"a\nb\",\nx,1\n,\na@b.example\nok@b.example,\n@b.example,\na@b..example,\nx@y.example,\xff\n", "",
			[]string{"ok@b.example", "2:", "4:", "5: no address", "6: 1 columns, expected 2", "8:", "9:", "10: column n is not UTF-8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := readList("l", []byte(tt.text), tt.column)
			require.NoError(t, err)
			var got []string
			for _, r := range l.recipients {
				got = append(got, r.key)
			}
			for i, p := range l.problems {
				want := tt.want[len(got)+i]
				assert.True(t, strings.HasPrefix(problemText(p), want), "%s, expected %s", problemText(p), want)
			}
			assert.Len(t, l.problems, len(tt.want)-len(got))
			assert.Equal(t, tt.want[:len(got)], got)
		})
	}
	for text, want := range map[string]string{
		"":                         "l: the file is empty",
		"a,b\n":                    "l:1: no column is named email; the first line names the columns, and -column says which has the addresses",
		"email,\n":                 "l:1: column 2 has no name",
		"email,email\n":            "l:1: two columns are named email",
		"email,Recipient\n":        "l:1: a column can not be named Recipient: templates have something else by that name",
		"email\n\"a\n":             "l: parse error on line 2, column 4: extraneous or missing \" in quoted-field",
		"\xff\xfee\x00m\x00\n\x00": "l: the file is in UTF-16; save it as CSV in UTF-8",
	} {
		_, err := readList("l", []byte(text), "")
		assert.EqualError(t, err, want)
	}
}

func problemText(p problem) string { return fmt.Sprintf("%d: %v", p.line, p.err) }

func TestSuppressions(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "suppressed")
	s, err := openSuppressions(own, nil)
	require.NoError(t, err)
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, s.add("a@b.example", "one\ttwo\nthree", at))
	require.NoError(t, s.add("a@b.example", "again", at))
	d := &desk{t, dir}
	require.Equal(t, "a@b.example\tone two three\t2026-03-01T00:00:00Z\n", d.read("suppressed"))

	// Somebody edits it and forgets the last line end.
	d.write("suppressed", d.read("suppressed")+"X@Y.Example")
	require.False(t, s.has("X@y.example"))
	require.NoError(t, s.add("c@d.example", "x", at))
	require.Equal(t, "a@b.example\tone two three\t2026-03-01T00:00:00Z\nX@Y.Example\nc@d.example\tx\t2026-03-01T00:00:00Z\n", d.read("suppressed"))
	s.refresh()
	for key, want := range map[string]bool{"a@b.example": true, "X@y.example": true, "x@y.example": false, "c@d.example": true, "d@d.example": false} {
		assert.Equal(t, want, s.has(key), key)
	}
	_, err = openSuppressions(own, []string{filepath.Join(dir, "missing")})
	require.ErrorContains(t, err, "missing")
}

func TestLimiter(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	l := &limiter{perHour: 2, perDay: 3}
	require.Equal(t, start, l.free(start))
	l.take(start)
	l.take(at(10 * time.Minute))
	require.Equal(t, at(hour), l.free(at(20*time.Minute)))
	require.Equal(t, at(hour), l.free(at(hour)))
	l.giveBack(at(10 * time.Minute))
	require.Equal(t, at(20*time.Minute), l.free(at(20*time.Minute)))
	l.take(at(2 * hour))
	l.take(at(3 * hour))
	require.Equal(t, at(day), l.free(at(5*hour)))
	require.Equal(t, 3, l.used(at(5*hour), day))
	require.Equal(t, 1, l.used(at(3*hour+30*time.Minute), hour))
	// The clock is set back: it never gives more.
	l.take(at(hour))
	require.Equal(t, at(3*hour), l.uses[3])
	require.Equal(t, at(26*hour), l.free(at(day)))
	require.Equal(t, start, (&limiter{}).free(start))
}

// What the journals say of servers: attempts that came to nothing count for
// nothing, those in flight do, and times in the future are now.
func TestLoadUses(t *testing.T) {
	d := newDesk(t)
	d.config("", "a:1")
	e := d.begin(4, &fake{})
	now := time.Now().UTC().Round(0)
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	require.NoError(t, appendRecords(e.campaigns[0].journal,
		record{Time: at(30 * hour), What: evIntent, To: person(0), Server: "a"},
		record{Time: at(30 * hour), What: evRetry, To: person(0), Server: "a"},
		record{Time: at(20 * hour), What: evIntent, To: person(0), Server: "b"},
		record{Time: at(19 * hour), What: evSent, To: person(0), Server: "b"},
		record{Time: at(5 * hour), What: evIntent, To: person(1), Server: "a"},
		record{Time: at(4 * hour), What: evVoid, To: person(1), Server: "a"},
		record{Time: at(3 * hour), What: evIntent, To: person(1), Server: "b"},
		record{Time: at(-9 * hour), What: evIntent, To: person(2), Server: "a"},
		record{Time: at(2 * hour), What: evIntent, To: person(3), Server: "c"},
		record{Time: at(2 * hour), What: evVoid, To: person(3), Server: "c"},
		record{Time: at(hour), What: evSuppressed, To: person(3)},
	))
	e.close()
	uses, err := e.sender.state.loadUses(now)
	require.NoError(t, err)
	require.Equal(t, map[string][]time.Time{"a": {now}, "b": {at(20 * hour), at(3 * hour)}}, uses)
}
