package mime

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlowedReader(t *testing.T) {
	for _, c := range []struct {
		in, out string
		delSp   bool
	}{
		{"", "", false},
		{"fixed\r\nfixed\r\n", "fixed\nfixed\n", false},
		{"one \r\ntwo \r\nthree\r\nfour\r\n", "one two three\nfour\n", false},
		{"one \ntwo", "one two", false},
		{"one \r\n", "one", false},
		{"a \r\nb\r\n", "ab\n", true},
		{"a  \r\nb\r\n", "a b\n", true},
		{"> q \r\n> r\r\n", "> q r\n", false},
		{">> q \r\n> r\r\n", "> > q\n> r\n", false},
		{"> q \r\ntext\r\n", "> q\ntext\n", false},
		{">\r\n>>\r\n", ">\n> >\n", false},
		{" > not a quote\r\n From here\r\n  indented\r\n", "> not a quote\nFrom here\n indented\n", false},
		{">> quote\r\n> > stuffed\r\n", "> > quote\n> > stuffed\n", false},
		{"text \r\n-- \r\nme\r\n", "text\n-- \nme\n", false},
		{"-- \r\nme \r\nyou\r\n", "-- \nme you\n", false},
		{"> -- \r\n> me\r\n", "> -- \n> me\n", false},
		{"--\r\n-\r\n-- x\r\n--- \r\ny", "--\n-\n-- x\n--- y", false},
		{"a \r\n\r\nb\r\n", "a\nb\n", false},
		{"a\r\n\r\nb\r\n", "a\n\nb\n", false},
		{"  \r\nb\r\n", " b\n", false},
		{" \r\nb\r\n", "\nb\n", false},
		{"a\rb\r\n", "a\rb\n", false},
		{"a\r", "a\r", false},
		{"-- ", "-- ", false},
		{">", ">", false},
		{"漢 \r\n字\r\n", "漢字\n", true},
	} {
		b, err := io.ReadAll(NewFlowedReader(strings.NewReader(c.in), c.delSp))
		assert.NoError(t, err)
		assert.Equal(t, c.out, string(b), "%q", c.in)
		b, err = io.ReadAll(iotest.OneByteReader(NewFlowedReader(iotest.OneByteReader(strings.NewReader(c.in)), c.delSp)))
		assert.NoError(t, err)
		assert.Equal(t, c.out, string(b), "%q", c.in)
	}
	boom := errors.New("boom")
	_, err := io.ReadAll(NewFlowedReader(iotest.ErrReader(boom), false))
	assert.ErrorIs(t, err, boom)
}

func TestAppendFlowed(t *testing.T) {
	long := "The quick brown fox jumps over the lazy dog, and then again it jumps over the lazy dog, and once more."
	for _, c := range []struct {
		in, out string
		o       *FlowedOptions
	}{
		{"", "", nil},
		{"a", "a\r\n", nil},
		{"a\n\nb\r\n", "a\r\n\r\nb\r\n", nil},
		{"trailing  \nnext\n", "trailing\r\nnext\r\n", nil},
		{long, "The quick brown fox jumps over the lazy dog, and then again it jumps \r\nover the lazy dog, and once more.\r\n", nil},
		{"> " + long[:80], "> The quick brown fox jumps over the lazy dog, and then again it jumps \r\n> over the la\r\n", nil},
		{">> a\n> > b\n", ">> a\r\n>> b\r\n", nil},
		{" indented\nFrom me\n", "  indented\r\n From me\r\n", nil},
		{"-- \nme\n", "-- \r\nme\r\n", nil},
		{"> -- \n", "> -- \r\n", nil},
		{">\n", ">\r\n", nil},
		{"aaaa bbbb cccc dddd eeee ffff", "aaaa bbbb cccc dddd \r\neeee ffff\r\n", &FlowedOptions{Width: 20}},
		{"aaaa bbbb cccc dddd eeee ffff", "aaaa bbbb cccc dddd  \r\neeee ffff\r\n", &FlowedOptions{Width: 20, DelSp: true}},
		{strings.Repeat("x", 200), strings.Repeat("x", 200) + "\r\n", nil},
		{strings.Repeat("漢", 20), strings.Repeat("漢", 10) + " \r\n" + strings.Repeat("漢", 10) + "\r\n", &FlowedOptions{Width: 20, DelSp: true}},
		{"aaaaaaaaaaaaaaaaa -- bbbbbbbb", "aaaaaaaaaaaaaaaaa -- \r\nbbbbbbbb\r\n", &FlowedOptions{Width: 20}},
	} {
		assert.Equal(t, c.out, string(AppendFlowed(nil, c.in, c.o)), "%q", c.in)
	}
	for line := range strings.SplitSeq(string(AppendFlowed(nil, strings.Repeat(long+" ", 50), nil)), "\r\n") {
		assert.LessOrEqual(t, len(line), 78)
	}
}

func FuzzFlowed(f *testing.F) {
	for _, s := range []string{"one \r\ntwo\r\n> q \r\n>> r\r\n-- \r\nme", " > x \n  y\n--\n-- \n", "a \n\n>\n", "漢字 \n", "> -- -- -- -- -- -- --"} {
		f.Add(s, byte(5))
	}
	f.Fuzz(func(t *testing.T, s string, seed byte) {
		if len(s) > 5000 {
			return
		}
		delSp := seed&1 != 0
		want, err := io.ReadAll(NewFlowedReader(strings.NewReader(s), delSp))
		require.NoError(t, err)
		got, err := io.ReadAll(&chunked{NewFlowedReader(&chunks{s, seed}, delSp), seed})
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))

		// What is written reads back as the same paragraphs.
		o := &FlowedOptions{Width: 20 + int(seed)%60, DelSp: delSp}
		read := func(b []byte) string {
			out, err := io.ReadAll(NewFlowedReader(strings.NewReader(string(b)), delSp))
			require.NoError(t, err)
			return string(out)
		}
		one := AppendFlowed(nil, s, o)
		two := AppendFlowed(nil, read(one), o)
		if !strings.Contains(s, "\r") {
			require.Equal(t, string(one), string(two))
		}
	})
}
