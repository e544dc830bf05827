package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
)

var alpha = wire.NewClass("", [2]byte{'a', 'z'}, [2]byte{'A', 'Z'})

func TestClass(t *testing.T) {
	c := wire.NewClass("-_", [2]byte{'0', '9'}, [2]byte{0xfe, 0xff})
	n := 0
	for b := range 256 {
		if c[b] {
			n++
		}
	}
	require.Equal(t, 14, n)
	require.True(t, c.All("0-9\xff"))
	require.False(t, c.All(""))
	require.False(t, c.All("0a"))
	require.Equal(t, 2, c.Span([]byte("12a")))
	require.Equal(t, 2, c.Span([]byte("12")))
	require.False(t, c.Without("5")['5'])
	require.True(t, c['5'])
}

func TestFolding(t *testing.T) {
	require.True(t, wire.EqualFold("LAST", []byte("lAst")))
	require.False(t, wire.EqualFold("LAST", "LA\u017fT"), "U+017F folds to S in Unicode, not in a protocol")
	require.False(t, wire.EqualFold("K", "\u212a"))
	require.False(t, wire.EqualFold("[", "{"))
	require.Equal(t, "ABZ[É", wire.Upper("aBz[É"))
	require.Equal(t, "X", wire.Upper("X"))
	require.Equal(t, "abz[É", wire.Lower("aBZ[É"))
	require.Equal(t, "x", wire.Lower("x"))
}

func TestLexer(t *testing.T) {
	l := wire.NewLexer([]byte(`Fetch 12 (x)  end`), 100)
	require.True(t, l.Fold("FETCH"))
	require.False(t, l.Fold("SP"))
	require.True(t, l.ExpectSP())
	n, ok := l.Uint32()
	require.True(t, ok)
	require.EqualValues(t, 12, n)
	_, ok = l.Uint32()
	require.False(t, ok)
	require.NoError(t, l.Err())
	require.True(t, l.SP())
	require.True(t, l.ExpectByte('('))
	require.Equal(t, "x", string(l.ExpectTake(alpha, "a letter")))
	require.Nil(t, l.Take(alpha))
	c, ok := l.Peek()
	require.True(t, ok)
	require.Equal(t, byte(')'), c)
	require.True(t, l.Skip(1))
	require.Equal(t, 2, l.Spaces())
	pos := l.Pos()
	require.Equal(t, "end", string(l.Rest()))
	require.True(t, l.ExpectFold("END"))
	require.True(t, l.End())
	require.True(t, l.ExpectEnd())
	require.Equal(t, "end", string(l.Slice(pos, l.Pos())))
	l.Seek(pos)
	require.False(t, l.End())
	require.NoError(t, l.Err())
}

func TestLexerFirstFailureSticks(t *testing.T) {
	tests := []struct {
		name, in string
		run      func(*wire.Lexer)
		want     string
	}{
		{"byte", "ax", func(l *wire.Lexer) { l.ExpectByte('(') }, `syntax error at octet 7: expected ( at "ax"`},
		{"space", "", func(l *wire.Lexer) { l.ExpectSP() }, `syntax error at octet 7: expected a space, found the end`},
		{"word", "FETC", func(l *wire.Lexer) { l.ExpectFold("FETCH") }, `syntax error at octet 7: expected FETCH at "FETC"`},
		{"class", "1", func(l *wire.Lexer) { l.ExpectTake(alpha, "a letter") }, `syntax error at octet 7: expected a letter at "1"`},
		{"number", "x", func(l *wire.Lexer) { l.ExpectUint32() }, `syntax error at octet 7: expected a number at "x"`},
		{"number 64", "x", func(l *wire.Lexer) { l.ExpectUint64() }, `syntax error at octet 7: expected a number at "x"`},
		{"2^32", "4294967296", func(l *wire.Lexer) { l.Uint32() }, `syntax error at octet 7: expected a number below 2^32 at "4294967296"`},
		{"2^64", "18446744073709551616", func(l *wire.Lexer) { l.Uint64() }, `syntax error at octet 7: expected a number below 2^64 at "18446744073709551616"`},
		{"end", "xx", func(l *wire.Lexer) { l.ExpectEnd() }, `syntax error at octet 7: expected the end at "xx"`},
		{"skip", "xx", func(l *wire.Lexer) { l.Skip(3) }, `syntax error at octet 7: expected more octets at "xx"`},
		{"own message", "\xff\x00", func(l *wire.Lexer) { l.FailMsg("too deep") }, `syntax error at octet 7: too deep at "\xff\x00"`},
		{"near is short", strings.Repeat("y", 99), func(l *wire.Lexer) { l.Fail("x") }, `syntax error at octet 7: expected x at "` + strings.Repeat("y", 32) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := wire.NewLexer([]byte(tt.in), 7)
			tt.run(&l)
			require.EqualError(t, l.Err(), tt.want)
			l.Fail("something else")
			l.FailMsg("something else")
			require.EqualError(t, l.Err(), tt.want)
			require.False(t, l.Byte('a'))
			require.False(t, l.Fold(""))
			require.Nil(t, l.Take(alpha))
			require.False(t, l.End())
			require.False(t, l.Skip(0))
			_, ok := l.Peek()
			require.False(t, ok)
			_, ok = l.Uint64()
			require.False(t, ok)
		})
	}
}

func TestNumbersAtTheEdge(t *testing.T) {
	l := wire.NewLexer([]byte("4294967295 18446744073709551615 007"), 0)
	require.Equal(t, uint32(4294967295), l.ExpectUint32())
	l.SP()
	require.EqualValues(t, uint64(18446744073709551615), l.ExpectUint64())
	l.SP()
	require.EqualValues(t, 7, l.ExpectUint32())
	require.NoError(t, l.Err())
}

func TestErrorTexts(t *testing.T) {
	require.EqualError(t, &wire.LimitError{What: "line", Limit: 512, Offset: 9}, "line longer than the limit of 512 at octet 9")
}
