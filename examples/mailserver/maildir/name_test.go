package maildir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFolderNames(t *testing.T) {
	for _, c := range []struct{ name, dir, clean string }{
		{"inbox", "", "INBOX"},
		{"InBox/a", ".INBOX.a", "INBOX/a"},
		{"Inboxes", ".Inboxes", "Inboxes"},
		{"Sent", ".Sent", "Sent"},
		{"Archive/2024", ".Archive.2024", "Archive/2024"},
		{"a.b", ".a&AC4-b", "a.b"},
		{"..", ".&AC4ALg-", ".."},
		{"../../etc", ".&AC4ALg-.&AC4ALg-.etc", "../../etc"},
		{"R&D", ".R&-D", "R&D"},
		{"&", ".&-", "&"},
		{"Entwürfe", ".Entw&APw-rfe", "Entwürfe"},
		{"~peter/mail/台北/日本語", ".~peter.mail.&U,BTFw-.&ZeVnLIqe-", "~peter/mail/台北/日本語"},
		{"😀", ".&2D3eAA-", "😀"},
		{"cur", ".cur", "cur"},
	} {
		dir, clean, err := dirOfName(c.name)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.dir, dir)
		assert.Equal(t, c.clean, clean)
		if dir != "" {
			back, ok := nameOfDir(dir)
			assert.True(t, ok, dir)
			assert.Equal(t, c.clean, back)
		}
	}
	for _, name := range []string{
		"", "/", "a//b", "/a", "a/", "a\x00b", "a\nb", "\x7f", "a\xffb", "\u0085", "\u2028",
		strings.Repeat("a", 240), strings.Repeat("ä", 100), strings.Repeat("a/", 200) + "a",
	} {
		_, _, err := dirOfName(name)
		assert.ErrorIs(t, err, ErrName, "%q", name)
	}
	for _, dir := range []string{"", ".", "..", "...", "a", ".a.", ".INBOX", ".inbox", ".a..b", ".&", ".&AGE-", ".ä", ".&2D0-", ".a\x01", "..mailwire-x", ".&!-", ".&AGEA-"} {
		_, ok := nameOfDir(dir)
		assert.False(t, ok, "%q", dir)
	}
}

func FuzzFolderName(f *testing.F) {
	for _, s := range []string{"INBOX", "a/b", "../x", "&&.ü", "😀\x00", ".&AC4-", ".Entw&APw-rfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, ok := nameOfDir(s); ok {
			dir, clean, err := dirOfName(name)
			require.NoError(t, err)
			require.Equal(t, s, dir)
			require.Equal(t, name, clean)
		}
		dir, clean, err := dirOfName(s)
		if err != nil {
			return
		}
		require.NotContains(t, dir, "/")
		require.NotContains(t, dir, "\x00")
		require.NotContains(t, dir, "..")
		require.LessOrEqual(t, len(dir), maxDirName)
		if dir != "" {
			back, ok := nameOfDir(dir)
			require.True(t, ok)
			require.Equal(t, clean, back)
		}
	})
}

func TestFlagNames(t *testing.T) {
	for _, c := range []struct {
		info     string
		flags    Flags
		keywords uint64
		extra    string
	}{
		{"", 0, 0, ""},
		{":2,", 0, 0, ""},
		{":2,S", Seen, 0, ""},
		{":2,DFPRST", allFlags, 0, ""},
		{":2,TSaz", Seen | Deleted, 1 | 1<<25, ""},
		{":2,SXX9", Seen, 0, "X9"},
		{":1,S", 0, 0, ""},
		{":2", 0, 0, ""},
	} {
		info := strings.Replace(c.info, ":", string(separator), 1)
		flags, keywords, extra := parseInfo(info)
		assert.Equal(t, c.flags, flags, c.info)
		assert.Equal(t, c.keywords, keywords, c.info)
		assert.Equal(t, c.extra, extra, c.info)
	}
	assert.Equal(t, string(separator)+"2,FSbX", suffix(Seen|Flagged, 2|1<<40, "X"))
	assert.Equal(t, "DFPRST", allFlags.String())
}

func TestUniqueNames(t *testing.T) {
	a, b := uniqueName("h"), uniqueName("h")
	assert.NotEqual(t, a, b)
	assert.NotContains(t, a, "/")
	assert.Equal(t, -1, orderOf(a).compare(orderOf(b)))
	size, wire := sizesOf(withSizes(a, 7, 9))
	assert.Equal(t, [2]int64{7, 9}, [2]int64{size, wire})
	for _, n := range []string{"1.x", "1.x,S=", "1.x,S=-1,W=x", "1.x,S=99999999999999999999"} {
		size, wire = sizesOf(n)
		assert.Equal(t, [2]int64{-1, -1}, [2]int64{size, wire}, n)
	}
	assert.Equal(t, order{17, 5, 3}, orderOf("17.Rabc1M5P9Q3.host,S=4"))
	assert.Equal(t, order{17, 5, 3}, orderOf("17.M5P9Q3.host"))
	assert.Equal(t, order{17}, orderOf("17.234_1.host"))
	assert.Equal(t, order{}, orderOf("x"))
	assert.Equal(t, "localhost", cleanHost(""))
	assert.Len(t, cleanHost(strings.Repeat("a", 300)), maxHost)
	assert.NotContains(t, cleanHost("a/b:c,d e\x00"), ",")
}
