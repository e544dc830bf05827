package imapwire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

func frameOf(b []byte) []byte { return []byte(strings.TrimSuffix(string(b), "\r\n")) }

func TestCommandRoundTrip(t *testing.T) {
	for _, tt := range commands {
		out, err := AppendCommand([]byte("before"), "a1", tt.want)
		if !assert.NoError(t, err, tt.in) {
			continue
		}
		frame := frameOf(out[len("before"):])
		if tt.same {
			assert.Equal(t, "a1 "+tt.in, string(frame))
		}
		cmd, err := ParseCommand(frame, nil)
		if assert.NoError(t, err, "%s: %q", tt.in, frame) {
			assert.Equal(t, tt.want, cmd.Args, "%q", frame)
		}
	}
}

func TestCommandEncoderRefuses(t *testing.T) {
	one := imap.SeqNums(1, 1)
	deep := imap.SearchKey(imap.SearchAll{})
	for range 1000 {
		deep = imap.SearchNot{Key: deep}
	}
	search := func(k imap.SearchKey) Args { return &Search{Criteria: imap.SearchCriteria{k}} }
	for _, a := range []Args{
		nil,
		&Login{"a\x00b", "c"},
		&Authenticate{Mechanism: "PLAIN\r\nX"},
		&Enable{},
		&Enable{[]imap.Capability{"a b"}},
		&ID{[]imap.IDParam{{Name: "a\r\nb", Value: "c"}}},
		&ID{[]imap.IDParam{{Name: "a", Value: "\x00"}}},
		&Select{Mailbox: "a\r\nb"},
		&Select{Mailbox: "a\x00b"},
		&Select{Mailbox: "\xff"},
		&Create{Mailbox: "x", Uses: []imap.MailboxAttr{"\\a b"}},
		&List{},
		&List{Patterns: []string{"a", "b"}},
		&List{Patterns: []string{"a"}, Select: []string{"A\r\n"}},
		&Status{"x", nil},
		&Status{"x", []imap.StatusItem{"A)"}},
		&Append{Mailbox: "x", Options: imap.AppendOptions{Flags: []imap.Flag{"a b"}}},
		&Append{Mailbox: "x", Options: imap.AppendOptions{Size: -1}},
		&Fetch{Set: one},
		&Fetch{Items: []imap.FetchItem{imap.FetchUID}},
		&Fetch{Set: imap.SeqSet{}, Items: []imap.FetchItem{imap.FetchUID}},
		&Fetch{Set: one, Items: []imap.FetchItem{imap.FetchAtt("A\r\nB")}},
		&Fetch{Set: one, Items: []imap.FetchItem{&imap.BodySection{Specifier: "X"}}},
		&Fetch{Set: one, Items: []imap.FetchItem{&imap.BodySection{Specifier: imap.PartHeaderFields, Fields: []string{"a\r\nb"}}}},
		&Fetch{Set: one, Items: []imap.FetchItem{&imap.BodySection{Part: []int{0}}}},
		&Fetch{Set: one, Items: []imap.FetchItem{&imap.BodySection{Partial: &imap.Partial{}}}},
		&Store{Set: one, Change: imap.FlagChange{Flags: []imap.Flag{"a\r\n"}}},
		&Copy{one, "a\nb"},
		search(nil),
		search(deep),
		search(imap.SearchText{Field: "X\r\n", Value: "y"}),
		search(imap.SearchText{Field: imap.SearchTo, Value: "\x00"}),
		search(imap.SearchHeader{Name: "a\x00"}),
		search(imap.SearchFlag{Flag: "a b"}),
		search(imap.SearchFlag{Flag: `\Foo`}),
		search(imap.SearchDate{When: imap.SearchOn}),
		search(imap.SearchRaw{Text: "X\r\n"}),
		search(imap.SearchRaw{}),
		search(badKey{}),
		&Unknown{Name: "A B C\r"},
		&Unknown{Name: "X", Text: "\r\nY"},
		&Unknown{Name: "X", Text: "{5}"},
		&Unknown{Name: "X", Text: "{5+}"},
		&Unknown{Name: "X", Text: "{3}\r\nab"},
		&Unknown{Name: "X", Text: "{1}\r\n\x00"},
		&Unknown{Name: "X", Text: "{99999999999999999999}\r\n"},
		&Unknown{Name: "X", Text: "{1}\r\na {2}"},
		&Unknown{Name: "X", Text: "{1}\r\na\r\nY"},
		&Fetch{Set: one, Items: []imap.FetchItem{imap.FetchAtt("{5}")}},
		search(imap.SearchRaw{Text: "X ~{5}"}),
		search(imap.SearchRaw{Text: "X {" + strings.Repeat("0", 100) + "5}"}),
		search(endsKey{}),
	} {
		var e CommandEncoder
		out, err := e.Append([]byte("x"), "t", a)
		assert.Error(t, err, "%#v", a)
		assert.Equal(t, "x", string(out))
		assert.Empty(t, e.Waits)
	}
	for _, tag := range []string{"", "a b", "+", "*", "a\r\n"} {
		_, err := AppendCommand(nil, tag, &Noop{})
		assert.Error(t, err, tag)
	}
}

type badKey struct{}

func (badKey) SearchName() string                         { return "BAD" }
func (badKey) AppendSearchKey(dst []byte) ([]byte, error) { return append(dst, "BAD\r\n"...), nil }

type endsKey struct{ badKey }

func (endsKey) AppendSearchKey(dst []byte) ([]byte, error) { return append(dst, "X {7}"...), nil }

type goodKey struct{ badKey }

func (goodKey) AppendSearchKey(dst []byte) ([]byte, error) {
	return append(dst, "X-GM-RAW foo"...), nil
}

func TestCommandEncoderLiterals(t *testing.T) {
	long := strings.Repeat("x y ", 1250)
	e := CommandEncoder{}
	out, err := e.Append(nil, "t", &Login{"jö", long})
	require.NoError(t, err)
	require.Equal(t, "t LOGIN {3}\r\njö {5000}\r\n", string(out[:25]))
	assert.Equal(t, []int{13, 25}, e.Waits)

	e = CommandEncoder{LiteralMinus: true}
	out, err = e.Append(nil, "t", &Login{"jö", long})
	require.NoError(t, err)
	require.Equal(t, "t LOGIN {3+}\r\njö {5000}\r\n", string(out[:26]))
	assert.Equal(t, []int{26}, e.Waits)

	e = CommandEncoder{LiteralPlus: true}
	out, err = e.Append(nil, "t", &Append{Mailbox: "x", Options: imap.AppendOptions{Size: 1 << 40}})
	require.NoError(t, err)
	assert.Equal(t, "t APPEND x {1099511627776+}\r\n", string(out))
	assert.Empty(t, e.Waits)
	out, err = e.AppendNext(nil, &Append{Options: imap.AppendOptions{Size: 3, UTF8: true, Flags: []imap.Flag{imap.FlagSeen}}})
	require.NoError(t, err)
	assert.Equal(t, " (\\Seen) UTF8 (~{3+}\r\n", string(out))

	e = CommandEncoder{UTF8: true}
	out, err = e.Append(nil, "t", &Select{Mailbox: "日本"})
	require.NoError(t, err)
	assert.Equal(t, "t SELECT \"日本\"\r\n", string(out))

	out, err = AppendCommand(nil, "t", &Login{"joe", "é{5}"})
	require.NoError(t, err)
	assert.Equal(t, "t LOGIN joe {5}\r\né{5}\r\n", string(out))

	e = CommandEncoder{LiteralMinus: true}
	out, err = e.Append(nil, "t", &Unknown{Name: "X", Text: "{1}\r\na (~{2}\r\n\x00b)"})
	require.NoError(t, err)
	assert.Equal(t, "t X {1+}\r\na (~{2+}\r\n\x00b)\r\n", string(out))
	e = CommandEncoder{}
	_, err = e.Append(nil, "t", &Unknown{Name: "X", Text: "{1+}\r\na (~{2}\r\n\x00b)"})
	require.NoError(t, err)
	assert.Equal(t, []int{9, 18}, e.Waits)

	out, err = AppendCommand(nil, "t", &Search{Criteria: imap.SearchCriteria{goodKey{}}})
	require.NoError(t, err)
	assert.Equal(t, "t SEARCH X-GM-RAW foo\r\n", string(out))
}

func TestFetchPage(t *testing.T) {
	c := &Fetch{Modifiers: []imap.RawItem{{Name: "X"}, PageModifier(imap.PartialRange{First: -1, Last: -30})}}
	page, ok := c.Page()
	assert.True(t, ok)
	assert.Equal(t, imap.PartialRange{First: -1, Last: -30}, page)
	_, ok = (&Fetch{}).Page()
	assert.False(t, ok)
}
