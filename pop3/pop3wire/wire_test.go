package pop3wire

import (
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

func TestCommands(t *testing.T) {
	for _, test := range []struct {
		line string
		want Command
		out  string // what is encoded, where it differs from the line
	}{
		{"USER mrose", Command{Verb: USER, Arg: "mrose"}, ""},
		{"user mrose", Command{Verb: USER, Arg: "mrose"}, "USER mrose"},
		{"USER john smith@example.org", Command{Verb: USER, Arg: "john smith@example.org"}, ""},
		{"USER j\xc3\xb6rg", Command{Verb: USER, Arg: "jörg"}, ""},
		{"PASS tan staaf", Command{Verb: PASS, Arg: "tan staaf"}, ""},
		{"PASS  \t x \xff", Command{Verb: PASS, Arg: " \t x \xff"}, ""},
		{"APOP mrose c4c9334bac560ecc979e58001b3e22fb", Command{Verb: APOP, Arg: "mrose", Digest: "c4c9334bac560ecc979e58001b3e22fb"}, ""},
		{"APOP a b c4c9334bac560ecc979e58001b3e22fb", Command{Verb: APOP, Arg: "a b", Digest: "c4c9334bac560ecc979e58001b3e22fb"}, ""},
		{"STAT", Command{Verb: STAT}, ""},
		{"stat  ", Command{Verb: STAT}, "STAT"},
		{"LIST", Command{Verb: LIST}, ""},
		{"LIST ", Command{Verb: LIST}, "LIST"},
		{"LIST 1", Command{Verb: LIST, Number: 1}, ""},
		{"UIDL 007", Command{Verb: UIDL, Number: 7}, "UIDL 7"},
		{"RETR  12 ", Command{Verb: RETR, Number: 12}, "RETR 12"},
		{"DELE 2147483647", Command{Verb: DELE, Number: math.MaxInt32}, ""},
		{"DELE 99999999999999999999", Command{Verb: DELE, Number: math.MaxInt32}, "DELE 2147483647"},
		{"TOP 1 0", Command{Verb: TOP, Number: 1}, ""},
		{"TOP 1 99999999999", Command{Verb: TOP, Number: 1, Lines: math.MaxInt32}, "TOP 1 2147483647"},
		{"AUTH", Command{Verb: AUTH}, ""},
		{"AUTH plain", Command{Verb: AUTH, Arg: "PLAIN"}, "AUTH PLAIN"},
		{"AUTH PLAIN =", Command{Verb: AUTH, Arg: "PLAIN", Initial: []byte{}}, ""},
		{"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", Command{Verb: AUTH, Arg: "PLAIN", Initial: []byte("test\x00test\x00test")}, ""},
		{"CAPA", Command{Verb: CAPA}, ""},
		{"LANG", Command{Verb: LANG}, ""},
		{"LANG en-GB", Command{Verb: LANG, Arg: "en-GB"}, ""},
		{"UTF8", Command{Verb: UTF8}, ""},
		{"LAST", Command{Verb: LAST}, ""},
		{"NOOP", Command{Verb: NOOP}, ""},
		{"QUIT", Command{Verb: QUIT}, ""},
		{"RSET", Command{Verb: RSET}, ""},
		{"STLS", Command{Verb: STLS}, ""},
		{"xtnd XLST  From", Command{Verb: "XTND", Arg: "XLST  From"}, "XTND XLST  From"},
		{"*env 1", Command{Verb: ENV, Number: 1}, "*ENV 1"},
		{"xclient addr=192.0.2.1 PORT=5 SESSION=", Command{Verb: XCLIENT, Attributes: []pop3.Attribute{{Name: "ADDR", Value: "192.0.2.1"}, {Name: "PORT", Value: "5"}, {Name: "SESSION"}}}, "XCLIENT ADDR=192.0.2.1 PORT=5 SESSION="},
	} {
		c, err := ParseCommand([]byte(test.line))
		require.NoError(t, err, test.line)
		assert.Equal(t, test.want, c, test.line)
		out := test.out
		if out == "" {
			out = test.line
		}
		b, err := AppendCommand([]byte("x"), &c)
		require.NoError(t, err, test.line)
		assert.Equal(t, "x"+out+"\r\n", string(b))
	}
}

func TestBadCommands(t *testing.T) {
	for _, test := range []struct {
		line string
		verb Verb
		err  string
	}{
		{"", "", "expected a command at octet 0 of the line"},
		{" USER x", "", "expected a command at octet 0 of the line"},
		{"USER\tx", "", "expected a command at octet 4 of the line"},
		{"\x16\x03\x01", "", "expected a command at octet 0 of the line"},
		{"\xc5\xbfTAT", "", "expected a command at octet 0 of the line"},
		{"USER", USER, "expected a name at octet 4 of the line"},
		{"USER ", USER, "expected a name at octet 4 of the line"},
		{"USER a\x00", USER, "expected a name without control characters at octet 5 of the line"},
		{"USER a\rb", USER, "expected a name without control characters at octet 5 of the line"},
		{"USER \xff", USER, "expected a name without control characters at octet 5 of the line"},
		{"PASS", PASS, "expected a password at octet 4 of the line"},
		{"PASS a\rb", PASS, "expected a password without control characters at octet 5 of the line"},
		{"APOP mrose 12", APOP, "expected a name and a digest of 32 hexadecimal digits at octet 5 of the line"},
		{"STAT x", STAT, "expected the end of the line at octet 4 of the line"},
		{"LIST 0", LIST, "expected a message number at octet 6 of the line"},
		{"LIST -1", LIST, "expected a message number at octet 5 of the line"},
		{"LIST 1 2", LIST, "expected the end of the line at octet 6 of the line"},
		{"RETR", RETR, "expected a message number at octet 4 of the line"},
		{"RETR 1a", RETR, "expected a message number at octet 6 of the line"},
		{"RETR 1\x00", RETR, "expected the end of the line at octet 6 of the line"},
		{"TOP 1", TOP, "expected a number of lines at octet 5 of the line"},
		{"TOP 1 -1", TOP, "expected a number of lines at octet 6 of the line"},
		{"AUTH PL*AIN", AUTH, "expected the name of a mechanism at octet 5 of the line"},
		{"AUTH PLAIN x", AUTH, "expected an initial response in base64 at octet 11 of the line"},
		{"AUTH PLAIN AAA=BBB", AUTH, "expected an initial response in base64 at octet 11 of the line"},
		{"*ENV 0", ENV, "expected a message number at octet 6 of the line"},
		{"XCLIENT", XCLIENT, "expected an attribute at octet 7 of the line"},
		{"XCLIENT ADDR", XCLIENT, "expected an attribute at octet 8 of the line"},
		{"XCLIENT A=1 =x", XCLIENT, "expected an attribute at octet 12 of the line"},
		{"XCLIENT" + strings.Repeat(" A=1", 65), XCLIENT, "expected an attribute at octet 264 of the line"},
		{"AUTH PLAIN = x", AUTH, "expected the end of the line at octet 12 of the line"},
	} {
		c, err := ParseCommand([]byte(test.line))
		require.EqualError(t, err, "pop3: "+test.err, test.line)
		assert.Equal(t, Command{Verb: test.verb}, c)
	}
}

func TestCommandsThatCanNotBeSent(t *testing.T) {
	for _, c := range []Command{
		{}, {Verb: "A B"}, {Verb: "A\r\nB"}, {Verb: "AVERYLONGKEYWORDINDEED"},
		{Verb: USER}, {Verb: USER, Arg: "a\r\nb"}, {Verb: USER, Arg: "\xff"}, {Verb: USER, Arg: "a\x00"},
		{Verb: PASS}, {Verb: PASS, Arg: "a\nb"}, {Verb: PASS, Arg: strings.Repeat("x", 5000)},
		{Verb: APOP, Arg: "a"}, {Verb: APOP, Arg: "a\n", Digest: strings.Repeat("a", 32)},
		{Verb: AUTH, Arg: "A B"}, {Verb: AUTH, Initial: []byte("x")},
		{Verb: LANG, Arg: "a b"}, {Verb: "XFOO", Arg: "a\r"}, {Verb: "XFOO", Arg: strings.Repeat("x", 255)},
		{Verb: LIST, Number: -1}, {Verb: ENV}, {Verb: XCLIENT}, {Verb: XCLIENT, Attributes: []pop3.Attribute{{Name: "A", Value: "b c"}}},
		{Verb: XCLIENT, Attributes: []pop3.Attribute{{Name: "A=", Value: "b"}}}, {Verb: XCLIENT, Attributes: []pop3.Attribute{{Name: "A", Value: "b\r\nQUIT"}}},
		{Verb: RETR}, {Verb: DELE}, {Verb: TOP, Number: 1, Lines: -1},
	} {
		b, err := AppendCommand([]byte("x"), &c)
		var e *EncodeError
		require.ErrorAs(t, err, &e, "%+v", c)
		assert.Equal(t, "x", string(b))
		assert.Contains(t, e.Error(), "cannot send")
	}
}

func TestCommandString(t *testing.T) {
	for want, c := range map[string]Command{
		"USER": {Verb: USER, Arg: "ada"}, "PASS": {Verb: PASS, Arg: "secret"}, "APOP": {Verb: APOP, Arg: "ada", Digest: "x"},
		"AUTH PLAIN": {Verb: AUTH, Arg: "PLAIN", Initial: []byte("x")}, "TOP 1 0": {Verb: TOP, Number: 1}, "LIST": {Verb: LIST}, "UIDL 2": {Verb: UIDL, Number: 2},
	} {
		assert.Equal(t, want, c.String())
	}
}

func TestReplies(t *testing.T) {
	for _, test := range []struct {
		line string
		want Reply
		out  string
	}{
		{"+OK", Reply{}, ""},
		{"+OK ", Reply{}, "+OK"},
		{"-ERR", Reply{Status: ERR}, ""},
		{"+OK POP3 ready <1896.697170952@x>", Reply{Text: "POP3 ready <1896.697170952@x>"}, ""},
		{"-ERR [IN-USE] Do you have another session?", Reply{Status: ERR, Code: "IN-USE", Text: "Do you have another session?"}, ""},
		{"-ERR [SYS/TEMP]", Reply{Status: ERR, Code: "SYS/TEMP"}, ""},
		{"-ERR [AUTH]x", Reply{Status: ERR, Code: "AUTH", Text: "x"}, "-ERR [AUTH] x"},
		{"-ERR [not a code] x", Reply{Status: ERR, Text: "[not a code] x"}, ""},
		{"-ERR [] x", Reply{Status: ERR, Text: "[] x"}, ""},
		{"-ERR [open", Reply{Status: ERR, Text: "[open"}, ""},
		{"+OK  two  spaces ", Reply{Text: " two  spaces "}, ""},
		{"+ok fine", Reply{Text: "fine"}, "+OK fine"},
		{"+OKfine", Reply{Text: "fine"}, "+OK fine"},
		{"-Err \xff", Reply{Status: ERR, Text: "\xff"}, "-ERR \xff"},
		{"+ dGVzdA==", Reply{Status: Continue, Text: "dGVzdA=="}, ""},
		{"+ [X] y", Reply{Status: Continue, Text: "[X] y"}, ""},
		{"+ ", Reply{Status: Continue}, ""},
		{"+", Reply{Status: Continue}, "+ "},
	} {
		r, err := ParseReply([]byte(test.line))
		require.NoError(t, err, test.line)
		assert.Equal(t, test.want, r, test.line)
		out := test.out
		if out == "" {
			out = test.line
		}
		b, err := AppendReply([]byte("x"), &r)
		require.NoError(t, err, test.line)
		assert.Equal(t, "x"+out+"\r\n", string(b))
	}
	for _, line := range []string{"", "OK", "+O", "-ER", "+x", "* OK", "220 ready", "+OK a\x00", " +OK"} {
		_, err := ParseReply([]byte(line))
		var e *ParseError
		require.ErrorAs(t, err, &e, line)
		assert.Equal(t, line, string(e.Raw))
	}
	for _, r := range []Reply{{Status: 7}, {Code: "a b"}, {Code: "a]"}, {Code: "a//b"}, {Status: Continue, Code: "A"}, {Text: "a\r\n-ERR"}, {Text: "\x00"}, {Text: "[X] y"}} {
		b, err := AppendReply([]byte("x"), &r)
		require.Error(t, err)
		assert.Equal(t, "x", string(b))
	}
	r := Reply{Status: ERR, Code: "AUTH", Text: "no"}
	assert.Equal(t, "-ERR [AUTH] no", r.String())
	assert.Equal(t, &pop3.Error{Code: "AUTH", Message: "no", Command: "PASS"}, r.Err("PASS"))
	assert.NoError(t, (&Reply{}).Err("PASS"))
	assert.Equal(t, "+OK -ERR + Status(3)", OK.String()+" "+ERR.String()+" "+Continue.String()+" "+Status(3).String())
}

func TestStatAndLast(t *testing.T) {
	b, err := AppendStat(nil, pop3.Stat{Count: 2, Size: 320})
	require.NoError(t, err)
	assert.Equal(t, "+OK 2 320\r\n", string(b))
	_, err = AppendStat(nil, pop3.Stat{Count: -1})
	require.Error(t, err)
	for text, want := range map[string]pop3.Stat{
		"2 320": {Count: 2, Size: 320}, "0 0": {}, " 2  320 messages": {Count: 2, Size: 320},
		"2 -1": {Count: 2, Size: -1}, "1 9223372036854775807": {Count: 1, Size: math.MaxInt64}, "1 9223372036854775808": {Count: 1, Size: -1},
	} {
		s, err := ParseStat(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, s, text)
	}
	for _, text := range []string{"", "x", "2", "2 ", "2 x", "-1 2", "2147483648 1", "1 2x", "12"} {
		_, err := ParseStat(text)
		require.Error(t, err, text)
	}
	for text, want := range map[string]int{"0": 0, " 7 is it": 7} {
		n, err := ParseLast(text)
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	for _, text := range []string{"", "x", "1x"} {
		_, err := ParseLast(text)
		require.Error(t, err)
	}
}

func TestListings(t *testing.T) {
	b, err := AppendScanListing(nil, pop3.ScanListing{Number: 1, Size: math.MaxInt64})
	require.NoError(t, err)
	assert.Equal(t, "1 9223372036854775807\r\n", string(b))
	for _, l := range []pop3.ScanListing{{Number: 0, Size: 1}, {Number: 1, Size: -1}} {
		_, err := AppendScanListing(nil, l)
		require.Error(t, err)
	}
	b, err = AppendUIDListing(nil, pop3.UIDListing{Number: 1, UID: "a!~"})
	require.NoError(t, err)
	assert.Equal(t, "1 a!~\r\n", string(b))
	for _, l := range []pop3.UIDListing{{Number: 0, UID: "a"}, {Number: 1}, {Number: 1, UID: "a b"}, {Number: 1, UID: "a\r\n.\r\n"}, {Number: 1, UID: strings.Repeat("x", 71)}} {
		_, err := AppendUIDListing(nil, l)
		require.Error(t, err)
	}
	var p UIDParser
	for line, want := range map[string]pop3.UIDListing{
		"1 a": {Number: 1, UID: "a"}, " 2 \t b c ": {Number: 2, UID: "b c"}, "3 \xff": {Number: 3, UID: "\xff"},
	} {
		l, err := p.Parse([]byte(line))
		require.NoError(t, err, line)
		assert.Equal(t, want, l, line)
	}
	for _, line := range []string{"", "1", "1 ", "0 a", "x y", "1a b", "99999999999 a"} {
		_, err := p.Parse([]byte(line))
		require.Error(t, err, line)
	}
	l, err := ParseUID("2 b", 2)
	require.NoError(t, err)
	assert.Equal(t, pop3.UIDListing{Number: 2, UID: "b"}, l)
	_, err = ParseUID("3 b", 2)
	require.Error(t, err)
	_, err = ParseUID("", 2)
	require.Error(t, err)
}

// The strings of one parser must not run into each other.
func TestUIDParserKeepsStrings(t *testing.T) {
	var p UIDParser
	var got []string
	line := make([]byte, 0, 100)
	for i := range 50000 {
		line, _ = AppendUIDListing(line[:0], pop3.UIDListing{Number: i + 1, UID: strings.Repeat(string(rune('a'+i%26)), 1+i%70)})
		l, err := p.Parse(line[:len(line)-2])
		require.NoError(t, err)
		got = append(got, l.UID)
	}
	for i, s := range got {
		require.Equal(t, strings.Repeat(string(rune('a'+i%26)), 1+i%70), s)
	}
}

func TestCapabilities(t *testing.T) {
	for _, test := range []struct {
		line string
		want pop3.Capability
		out  string
	}{
		{"TOP", pop3.Capability{Name: "TOP"}, ""},
		{"sasl PLAIN  LOGIN ", pop3.Capability{Name: "SASL", Params: []string{"PLAIN", "LOGIN"}}, "SASL PLAIN LOGIN"},
		{"IMPLEMENTATION Shlemazle-Plotz-v302", pop3.Capability{Name: "IMPLEMENTATION", Params: []string{"Shlemazle-Plotz-v302"}}, ""},
		{"LOGIN-DELAY=900", pop3.Capability{Name: "LOGIN-DELAY", Params: []string{"900"}}, "LOGIN-DELAY 900"},
		{"SASL=PLAIN LOGIN", pop3.Capability{Name: "SASL", Params: []string{"PLAIN", "LOGIN"}}, "SASL PLAIN LOGIN"},
		{"X=", pop3.Capability{Name: "X"}, "X"},
	} {
		c, err := ParseCapability([]byte(test.line))
		require.NoError(t, err, test.line)
		assert.Equal(t, test.want, c)
		out := test.out
		if out == "" {
			out = test.line
		}
		b, err := AppendCapability([]byte("x"), c)
		require.NoError(t, err)
		assert.Equal(t, "x"+out+"\r\n", string(b))
	}
	for _, line := range []string{"", "  ", "a.b", "=x", "caf\xc3\xa9", "X a\x00"} {
		_, err := ParseCapability([]byte(line))
		require.Error(t, err, line)
	}
	for _, c := range []pop3.Capability{{}, {Name: "A B"}, {Name: "A=B"}, {Name: "A", Params: []string{""}}, {Name: "A", Params: []string{"b\r\n"}}, {Name: "A", Params: []string{strings.Repeat("x", 600)}}} {
		_, err := AppendCapability(nil, c)
		require.Error(t, err)
	}
}

func TestAuthExchange(t *testing.T) {
	assert.Equal(t, "+ \r\n", string(AppendChallenge(nil, nil)))
	assert.Equal(t, "+ VXNlcm5hbWU6\r\n", string(AppendChallenge(nil, []byte("Username:"))))
	assert.Equal(t, "\r\n", string(AppendAuthResponse(nil, nil)))
	assert.Equal(t, "YWRh\r\n", string(AppendAuthResponse(nil, []byte("ada"))))
	assert.Equal(t, "*\r\n", string(AppendAuthCancel(nil)))
	r, err := ParseAuthResponse([]byte("YWRh"))
	require.NoError(t, err)
	assert.Equal(t, "ada", string(r))
	r, err = ParseAuthResponse(nil)
	require.NoError(t, err)
	assert.Equal(t, []byte{}, r)
	_, err = ParseAuthResponse([]byte("*"))
	require.ErrorIs(t, err, ErrAuthCancelled)
	for _, bad := range []string{"=", "=AAA", "AAA=BBB", "YWR", "YW R", "YWR\r", "**", "YWF="} {
		_, err = ParseAuthResponse([]byte(bad))
		var e *ParseError
		require.ErrorAs(t, err, &e, bad)
		assert.NotContains(t, err.Error(), bad)
	}
	for text, want := range map[string]string{"": "", "eA==": "x", "Go ahead": "", "Password:": ""} {
		c, err := ParseChallenge(&Reply{Status: Continue, Text: text})
		require.NoError(t, err, text)
		assert.Equal(t, want, string(c))
	}
	_, err = ParseChallenge(&Reply{Status: Continue, Text: "e==="})
	require.Error(t, err)
	assert.True(t, NoContinuation(&Reply{}, 0))
	assert.False(t, NoContinuation(&Reply{}, 1))
	assert.False(t, NoContinuation(&Reply{Status: ERR}, 0))
}

func readLines(t testing.TB, l *Lines) []string {
	var got []string
	for {
		line, err := l.Next()
		if err == io.EOF {
			return got
		}
		require.NoError(t, err)
		got = append(got, string(line))
	}
}

func TestLines(t *testing.T) {
	r := wire.NewReader(strings.NewReader("1 a\r\n..\r\n...x\r\n\r\nbare\n.\r\ny\r\n.\r\n.\r\n+OK\r\n"), wire.Options{Lines: wire.LineLF})
	l := NewLines(r, false)
	_, err := r.Line(0)
	require.ErrorIs(t, err, wire.ErrUnread)
	assert.Equal(t, []string{"1 a", ".", "..x", "", "bare", ".", "y"}, readLines(t, l))
	require.NoError(t, l.Err(), "the end is no error that sticks")
	assert.Nil(t, readLines(t, NewLines(r, false)), "an empty listing")
	line, err := r.Line(0)
	require.NoError(t, err)
	assert.Equal(t, "+OK", string(line))

	r = wire.NewReader(strings.NewReader("1 a\n2 b\r\n.\n+OK\n"), wire.Options{Lines: wire.LineLF})
	assert.Equal(t, []string{"1 a", "2 b"}, readLines(t, NewLines(r, true)))
	r = wire.NewReader(strings.NewReader("1 a\r\n2 b\r\n.\r\n+OK\n"), wire.Options{})
	l = NewLines(r, false)
	_, err = l.Next()
	require.NoError(t, err)
	require.NoError(t, l.Drain(100))
}

// A line that is too long costs itself alone, wherever it is cut, and its
// error says where it began.
func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, size := range []int{1, 100, 5000, 1 << 20} {
		for _, line := range []string{long, long + long, long[1:]} {
			r := wire.NewReader(pieces{strings.NewReader("1 a\r\n" + line + "\r\n2 b\r\n.\r\n"), size}, wire.Options{})
			l := NewLines(r, false)
			first, err := l.Next()
			require.NoError(t, err)
			assert.Equal(t, "1 a", string(first))
			_, err = l.Next()
			assert.Equal(t, &wire.LimitError{What: "line", Limit: maxLine, Offset: 5}, err)
			require.NoError(t, l.Err())
			second, err := l.Next()
			require.NoError(t, err)
			assert.Equal(t, "2 b", string(second))
			_, err = l.Next()
			assert.Equal(t, io.EOF, err)
		}
		r := wire.NewReader(pieces{strings.NewReader(long[2:] + "\r\n.\r\n"), size}, wire.Options{})
		line, err := NewLines(r, false).Next()
		require.NoError(t, err)
		assert.Equal(t, long[2:], string(line))
	}
	r := wire.NewReader(strings.NewReader(strings.Repeat("x", 2*maxSkip)), wire.Options{})
	l := NewLines(r, false)
	_, err := l.Next()
	require.Error(t, err)
	_, err = l.Next()
	require.ErrorContains(t, err, "line")
	assert.Equal(t, err, l.Err())
	_, err = NewLines(wire.NewReader(strings.NewReader("1 a"), wire.Options{}), false).Next()
	assert.Equal(t, io.ErrUnexpectedEOF, err)
}

func TestPutDecimal(t *testing.T) {
	b := make([]byte, maxDigits)
	for v := range uint64(20000) {
		require.Equal(t, strconv.FormatUint(v, 10), string(b[:putDecimal(b, v)]))
		require.Equal(t, strconv.FormatUint(10000*v, 10), string(b[:putDecimal(b, 10000*v)]))
	}
	for v := uint64(1); ; v *= 10 {
		for _, x := range []uint64{v - 1, v, v + 1, 9*v/5 + 1} {
			assert.Equal(t, strconv.FormatUint(x, 10), string(b[:putDecimal(b, x)]))
		}
		if v > math.MaxUint64/10 {
			break
		}
	}
	assert.Equal(t, strconv.FormatUint(math.MaxUint64, 10), string(b[:putDecimal(b, math.MaxUint64)]))
}

func TestListingAllocations(t *testing.T) {
	const n = 100000
	scan, uids := make([]byte, 0, 4<<20), make([]byte, 0, 8<<20)
	encode := testing.AllocsPerRun(2, func() {
		scan, uids = scan[:0], uids[:0]
		for i := range n {
			scan, _ = AppendScanListing(scan, pop3.ScanListing{Number: i + 1, Size: int64(i) * 1000})
			uids, _ = AppendUIDListing(uids, pop3.UIDListing{Number: i + 1, UID: "0000001a4f3c2b9d"})
		}
		scan, uids = append(scan, ".\r\n"...), append(uids, ".\r\n"...)
	})
	assert.LessOrEqual(t, encode, 1.0)
	var sum int64
	decode := testing.AllocsPerRun(2, func() {
		r := wire.NewReader(strings.NewReader(string(scan)), wire.Options{})
		for l := NewLines(r, false); ; {
			line, err := l.Next()
			if err == io.EOF {
				break
			}
			x, err := ParseScanListing(line)
			if err != nil {
				t.Fatal(err)
			}
			sum += x.Size
		}
		r = wire.NewReader(strings.NewReader(string(uids)), wire.Options{})
		var p UIDParser
		for l := NewLines(r, false); ; {
			line, err := l.Next()
			if err == io.EOF {
				break
			}
			if _, err := p.Parse(line); err != nil {
				t.Fatal(err)
			}
		}
	})
	assert.LessOrEqual(t, decode, 50.0)
	assert.EqualValues(t, int64(3*1000*(n-1)*(n/2)), sum)
}
