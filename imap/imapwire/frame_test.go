package imapwire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// served is everything a server would see of in: one line for each command,
// error and continuation, with the message of an APPEND read.
func served(src io.Reader, limits CommandLimits) (log []string) {
	c := NewCommandReader(wire.NewReader(src, wire.Options{}), limits)
	say := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	c.Continue = func() error { say("+"); return nil }
	for range 100_000 {
		cmd, err := c.Read()
		var pe *ParseError
		switch {
		case errors.As(err, &pe):
			r := pe.Response()
			say("%s %s %v", pe.Tag, r.Kind, pe.Close)
			if pe.Close {
				return log
			}
			continue
		case err != nil:
			say("%v", err)
			return log
		}
		a := appendOf(cmd.Args)
		if a == nil {
			say("%s %#v", cmd.Tag, cmd.Args)
			continue
		}
		for a != nil {
			for i := range a.Parts {
				x := &a.Parts[i]
				if x.Text == nil {
					say("%s %v", cmd.Tag, *x)
					continue
				}
				b, err := io.ReadAll(x.Text)
				say("%s TEXT %q %v", cmd.Tag, b, err)
			}
			if a.Message != nil {
				b, err := io.ReadAll(a.Message)
				say("%s %s %s %v %q %v", cmd.Tag, cmd.Args.CommandName(), a.Mailbox, a.Options.Flags, b, err)
			}
			if a, err = c.More(); err != nil {
				say("%s more: %v", cmd.Tag, errors.As(err, &pe))
			}
		}
	}
	return log
}

func TestCommandReader(t *testing.T) {
	small := CommandLimits{Line: 64, Command: 100, Literal: 10, Literals: 3, Append: 20, Drain: 50}
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"plain", "a NOOP\r\nb CHECK\r\n", []string{"a &imapwire.Noop{}", "b &imapwire.Check{}", "EOF"}},
		{"lone LF", "a NOOP\nb CHECK\n", []string{"a &imapwire.Noop{}", "b &imapwire.Check{}", "EOF"}},
		{"bad grammar costs one command", "a FOO(\r\nb NOOP\r\n\r\n( x\r\nc NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", " BAD false", " BAD false", "c &imapwire.Noop{}", "EOF"}},
		{"cut", "a NOOP", []string{"unexpected EOF"}},
		{"synchronising literals", "a LOGIN {1}\r\nx {2}\r\nyz\r\nb NOOP\r\n", []string{"+", "+", `a &imapwire.Login{Username:"x", Password:"yz"}`, "b &imapwire.Noop{}", "EOF"}},
		{"literals without waiting", "a LOGIN {1+}\r\nx {2-}\r\nyz\r\nb NOOP\r\n", []string{`a &imapwire.Login{Username:"x", Password:"yz"}`, "b &imapwire.Noop{}", "EOF"}},
		{"a literal with lines in it", "a LOGIN {5+}\r\n\r\nb\r\n {0+}\r\n\r\n", []string{`a &imapwire.Login{Username:"\r\nb\r\n", Password:""}`, "EOF"}},
		{"cut in a literal", "a LOGIN {5+}\r\nab", []string{"unexpected EOF"}},
		{"cut behind a literal", "a LOGIN {2+}\r\nab", []string{"unexpected EOF"}},
		{"a refused synchronising literal is not sent", "a LOGIN {11}\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"F6: a refused literal's octets never run", "a LOGIN {11+}\r\nx NOOP\r\nabc y\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"F6: nor those of the literals behind it", "a LOGIN {11+}\r\nx NOOP\r\nabc {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"a synchronising literal behind a refused one", "a LOGIN {11+}\r\nx NOOP\r\nabc {8}\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"too much to drain", "a LOGIN {51+}\r\nb NOOP\r\n", []string{"a BYE true"}},
		{"a composed message", "a APPEND x CATENATE (URL \"/a\" TEXT {3+}\r\nabc URL {2+}\r\n/b TEXT {2}\r\nde URL /c)\r\nb NOOP\r\n",
			[]string{"a URL /a", `a TEXT "abc" <nil>`, "a URL /b", "+", `a TEXT "de" <nil>`, "a URL /c", "b &imapwire.Noop{}", "EOF"}},
		{"a message composed of URLs alone", "a APPEND x CATENATE (URL /a URL /b)\r\nb NOOP\r\n", []string{"a URL /a", "a URL /b", "b &imapwire.Noop{}", "EOF"}},
		{"several composed messages in a line", "a APPEND x CATENATE (URL /a) (\\Seen) CATENATE (URL /b) {1+}\r\nx CATENATE (URL /c) {1+}\r\ny\r\nb NOOP\r\n",
			[]string{"a URL /a", "a URL /b", `a APPEND  [] "x" <nil>`, "a URL /c", `a APPEND  [] "y" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"a composed message and another", "a APPEND x CATENATE (TEXT {1+}\r\na) (\\Seen) {1+}\r\nb\r\nb NOOP\r\n",
			[]string{`a TEXT "a" <nil>`, `a APPEND  [\Seen] "b" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"UTF8 in a composed message", "a APPEND x CATENATE (UTF8 (~{1+}\r\na) TEXT ~{1+}\r\nb)\r\nb NOOP\r\n",
			[]string{`a TEXT "a" <nil>`, `a TEXT "b" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"a composed message that does not end", "a APPEND x CATENATE (TEXT {1+}\r\na\r\nb NOOP\r\n", []string{`a TEXT "a" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"bad grammar behind a text", "a APPEND x CATENATE (TEXT {1+}\r\na TEXT x) {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n", []string{`a TEXT "a" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"bad grammar before a text", "a APPEND x CATENATE (FOO TEXT {8+}\r\nx NOOP\r\n)\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"bad grammar behind a literal", "a APPEND {1+}\r\nx CATENATE (FOO TEXT {8+}\r\nx NOOP\r\n)\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a composed message of too many octets", "a APPEND x CATENATE (TEXT {15+}\r\n123456789012345 TEXT {6}\r\nb NOOP\r\n", []string{`a TEXT "123456789012345" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"each message has its own limit", "a APPEND x {15+}\r\n123456789012345 {6+}\r\n123456\r\nb NOOP\r\n", []string{`a APPEND x [] "123456789012345" <nil>`, `a APPEND  [] "123456" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"replace", "a REPLACE 4 x (\\Seen) {3+}\r\nabc\r\nb UID REPLACE 5 y ~{1}\r\n\x00\r\nb NOOP\r\n",
			[]string{`a REPLACE x [\Seen] "abc" <nil>`, "+", `b UID REPLACE y [] "\x00" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"replace by two", "a REPLACE 4 x {1+}\r\na {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n", []string{`a REPLACE x [] "a" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"replace of a set", "a REPLACE 4:5 x {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"replace composed", "a REPLACE * x CATENATE (TEXT {1+}\r\na URL /b)\r\nb NOOP\r\n", []string{`a TEXT "a" <nil>`, "a URL /b", "b &imapwire.Noop{}", "EOF"}},
		{"I1: huge", "a LOGIN {4294967295+}\r\n", []string{"a BYE true"}},
		{"I1: huge and synchronising", "a LOGIN {4294967295}\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"I7: beyond 64 bits", "a LOGIN {99999999999999999999999}\r\na LOGIN {99999999999999999999999+}\r\n", []string{"a NO false", "a BYE true"}},
		{"too many literals", "a X {1+}\r\na {1+}\r\na {1+}\r\na {1+}\r\na {1+}\r\na\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"too large in total", "a X {10+}\r\n" + strings.Repeat("aaaaaaaaaa"+strings.Repeat("b", 40)+" {9+}\r\n", 2) + "a\r\nb NOOP\r\nc NOOP\r\n", []string{"a NO false", "c &imapwire.Noop{}", "EOF"}},
		{"a long line that announces octets", "a " + strings.Repeat("x", 100) + " {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n", []string{"a BAD false", "c &imapwire.Noop{}", "EOF"}},
		{"an endless line", "a " + strings.Repeat("x", 40_000) + "\r\nb NOOP\r\n", []string{"a BYE true"}},
		{"a long line behind a literal", "a X {1+}\r\na" + strings.Repeat("x", 100) + "\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a long line", "a " + strings.Repeat("x", 100) + "\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"no literal in the middle", "a LOGIN {5} x\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"braces in quotes at the end are framed all the same", "a LOGIN \"x{3+}\r\nabc\" y\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"append", "a APPEND x {5}\r\na\r\nb\n\r\nb NOOP\r\n", []string{"+", `a APPEND x [] "a\r\nb\n" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"append without waiting", "a APPEND {1+}\r\nx (\\Seen) ~{5+}\r\nhello\r\nb NOOP\r\n", []string{`a APPEND x [\Seen] "hello" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"append of nothing", "a APPEND x {0+}\r\n\r\n", []string{`a APPEND x [] "" <nil>`, "EOF"}},
		{"append, too big, waits", "a APPEND x {21}\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"append, too big", "a APPEND x {21+}\r\nx NOOP\r\nx NOOP\r\n12345\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"append, cut", "a APPEND x {5+}\r\nab", []string{`a APPEND x [] "ab" unexpected EOF`, "a more: false", "unexpected EOF"}},
		{"append, cut behind", "a APPEND x {2+}\r\nab", []string{`a APPEND x [] "ab" <nil>`, "a more: false", "unexpected EOF"}},
		{"append, junk behind", "a APPEND x {2+}\r\nab junk {8+}\r\nc NOOP\r\n\r\nb NOOP\r\n", []string{`a APPEND x [] "ab" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"multiappend", "a APPEND x {1+}\r\na (\\Seen) {2+}\r\nbc\r\nb NOOP\r\n", []string{`a APPEND x [] "a" <nil>`, `a APPEND  [\Seen] "bc" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"append in UTF8", "a APPEND x UTF8 (~{2+}\r\nbc)\r\nb NOOP\r\n", []string{`a APPEND x [] "bc" <nil>`, "b &imapwire.Noop{}", "EOF"}},
		{"append in UTF8, not closed", "a APPEND x UTF8 (~{2+}\r\nbc\r\nb NOOP\r\n", []string{`a APPEND x [] "bc" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"append without a message", "a APPEND x\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"append, bad options", "a APPEND x (\\Seen {8+}\r\nc NOOP\r\n\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"append, bad name", "a APPEND &AG {8+}\r\nc NOOP\r\n\r\nb APPEND &AG {8}\r\nc NOOP\r\n", []string{"a BAD false", "b BAD false", "c &imapwire.Noop{}", "EOF"}},
		{"append, second too big", "a APPEND x {1+}\r\na {21+}\r\nx NOOP\r\nx NOOP\r\n12345\r\nb NOOP\r\n", []string{`a APPEND x [] "a" <nil>`, "a more: true", "b &imapwire.Noop{}", "EOF"}},
		{"cut where octets are thrown away", "a LOGIN {11+}\r\nx", []string{"unexpected EOF"}},
		{"cut behind octets thrown away", "a LOGIN {11+}\r\nx NOOP\r\nabc", []string{"unexpected EOF"}},
		{"endless line behind octets thrown away", "a LOGIN {11+}\r\nx NOOP\r\nabc" + strings.Repeat("x", 40_000) + "\r\n", []string{"a BYE true"}},
		{"bare CR", "a NO\rOP\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, served(strings.NewReader(tt.in), small))
			assert.Equal(t, tt.want, served(iotest.OneByteReader(strings.NewReader(tt.in)), small), "one octet at a time")
			assert.Equal(t, tt.want, served(iotest.DataErrReader(iotest.HalfReader(strings.NewReader(tt.in))), small))
		})
	}
}

func reader(in string, l CommandLimits) *CommandReader {
	return NewCommandReader(wire.NewReader(strings.NewReader(in), wire.Options{}), l)
}

func TestAppendThatIsRefused(t *testing.T) {
	// The server answers before it reads: a client that waits never sends.
	c := reader("a APPEND x {5}\r\nb NOOP\r\n", CommandLimits{})
	c.Continue = func() error { t.Fatal("asked for the octets"); return nil }
	cmd, err := c.Read()
	require.NoError(t, err)
	assert.EqualValues(t, 5, cmd.Args.(*Append).Message.Size())
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)

	// A client that does not wait has sent: its octets are thrown away.
	c = reader("a APPEND x {8+}\r\nc NOOP\r\n (\\Seen) {8+}\r\nd NOOP\r\n\r\nb NOOP\r\n", CommandLimits{})
	_, err = c.Read()
	require.NoError(t, err)
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)

	// More than the limit for that ends the stream.
	c = reader("a APPEND x {8+}\r\nc NOOP\r\n\r\nb NOOP\r\n", CommandLimits{Drain: 7})
	_, err = c.Read()
	require.NoError(t, err)
	_, err = c.Read()
	var pe *ParseError
	require.ErrorAs(t, err, &pe)
	assert.True(t, pe.Close)
	assert.Equal(t, imap.BYE, pe.Response().Kind)
	_, err = c.Read()
	require.Error(t, err)
	_, err = c.More()
	require.Error(t, err)
	_, err = c.ReadLine()
	require.Error(t, err)
}

func TestAppendStopsWithTheContinuation(t *testing.T) {
	broken := errors.New("broken pipe")
	c := reader("a APPEND x {5}\r\nabcde\r\nb NOOP\r\n", CommandLimits{})
	c.Continue = func() error { return broken }
	cmd, err := c.Read()
	require.NoError(t, err)
	m := cmd.Args.(*Append).Message
	_, err = m.WriteTo(io.Discard)
	require.ErrorIs(t, err, broken)
	_, err = c.Read()
	require.ErrorIs(t, err, broken)
}

func TestReadLine(t *testing.T) {
	c := reader("a IDLE\r\nDONE\r\nb NOOP\r\n"+strings.Repeat("x", 99)+"\r\nc NOOP\r\n", CommandLimits{Line: 20})
	cmd, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, &Idle{}, cmd.Args)
	line, err := c.ReadLine()
	require.NoError(t, err)
	assert.Equal(t, "DONE", string(line))
	// QUIRKS: commands pipelined right behind DONE.
	assert.Positive(t, c.Buffered())
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)
	_, err = c.ReadLine()
	var pe *ParseError
	require.ErrorAs(t, err, &pe)
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "c", cmd.Tag)
	b, err := DecodeSASL([]byte("AGE="))
	require.NoError(t, err)
	assert.Equal(t, "\x00a", string(b))
	b, err = DecodeSASL([]byte("="))
	require.NoError(t, err)
	assert.Empty(t, b)
	for _, bad := range []string{"A", "AGE", "*", "AGE=\r", "AG E="} {
		_, err = DecodeSASL([]byte(bad))
		require.Error(t, err, bad)
	}
}

// endless is an endless source, which counts what was read of it.
type endless struct {
	head string
	b    byte
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = e.b
	}
	e.n += len(p)
	return len(p), nil
}

func TestPreAuthLimits(t *testing.T) {
	for _, head := range []string{
		"a LOGIN \"",  // I4: a quoted string of 64 MB
		"a NOOP ((((", // I3
		"",
	} {
		src := &endless{head: head, b: '('}
		c := NewCommandReader(wire.NewReader(src, wire.Options{}), PreAuthCommandLimits())
		_, err := c.Read()
		var pe *ParseError
		require.ErrorAs(t, err, &pe)
		if head != "" {
			assert.Equal(t, "a", pe.Tag)
		}
		assert.Less(t, src.n, 64<<10)
		_, err = c.Read()
		require.Error(t, err)
		require.False(t, errors.As(err, new(*ParseError)), "the stream must end: %v", err)
		assert.Less(t, src.n, 4<<20)
	}
}

// I1: memory grows with what arrives, not with what is announced.
func TestAnnouncedLiteralTakesNoMemory(t *testing.T) {
	limits := CommandLimits{Literal: 1 << 30, Command: 1 << 30}
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := reader("a LOGIN {536870912+}\r\nabc", limits).Read(); err != io.ErrUnexpectedEOF {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	assert.Less(t, allocated, int64(64<<10))
}

// I2: the octets copied for many literals grow as their number.
func TestManyLiteralsAreLinear(t *testing.T) {
	cost := func(n int, head string) int64 {
		in := head + strings.Repeat("{1+}\r\na ", n) + "\r\n"
		limits := CommandLimits{Literals: 1 << 30, Command: 1 << 30}
		var before, after = new(runtimeStats), new(runtimeStats)
		before.read()
		c := reader(in, limits)
		c.Read()
		after.read()
		return int64(after.bytes - before.bytes)
	}
	for _, head := range []string{"a X ", "a APPEND ", "a APPEND x ", "a SEARCH OR TEXT "} {
		one, two := cost(50_000, head), cost(100_000, head)
		assert.LessOrEqual(t, float64(two), 2.5*float64(one), head)
	}
	// Within the default limits they are refused, and the stream goes on.
	in := "a X " + strings.Repeat("{1+}\r\na ", 100_000) + "\r\nb NOOP\r\n"
	log := served(strings.NewReader(in), CommandLimits{Drain: 4 << 20})
	assert.Equal(t, []string{"a NO false", "b &imapwire.Noop{}", "EOF"}, log)
}

// I6: search keys nested a million deep.
func TestSearchDepth(t *testing.T) {
	for _, unit := range []string{"NOT ", "OR ", "(", "FUZZY ", "OR ALL ", "(ALL "} {
		_, err := ParseCommand([]byte("a SEARCH "+strings.Repeat(unit, 1_000_000)), nil)
		var pe *ParseError
		require.ErrorAs(t, err, &pe)
		assert.Contains(t, err.Error(), "too deep", unit)
	}
	in := "a SEARCH " + strings.Repeat("(", DefaultDepth-1) + "ALL" + strings.Repeat(")", DefaultDepth-1)
	_, err := ParseCommand([]byte(in), nil)
	require.NoError(t, err)
	_, err = ParseCommand([]byte("a X "+strings.Repeat("(", 1_000_000)), nil)
	require.NoError(t, err, "what is not known is not parsed")
	_, err = ParseCommand([]byte("a FETCH 1 BODY["+strings.Repeat("1.", 100_000)+"1]"), nil)
	require.Error(t, err)
	_, err = ParseCommand([]byte("a LIST (X "+strings.Repeat("(", 1_000_000)), nil)
	require.Error(t, err)
}

func TestAppendStreams(t *testing.T) {
	const size = 128 << 20
	src := io.MultiReader(strings.NewReader(fmt.Sprintf("a APPEND x {%d+}\r\n", size)), io.LimitReader(&endless{b: 'x'}, size), strings.NewReader("\r\nb NOOP\r\n"))
	c := NewCommandReader(wire.NewReader(src, wire.Options{}), CommandLimits{Append: size})
	cmd, err := c.Read()
	require.NoError(t, err)
	var before, after = new(runtimeStats), new(runtimeStats)
	before.read()
	n, err := io.Copy(io.Discard, cmd.Args.(*Append).Message)
	after.read()
	require.NoError(t, err)
	assert.EqualValues(t, size, n)
	assert.Less(t, after.bytes-before.bytes, uint64(1<<20))
	more, err := c.More()
	require.NoError(t, err)
	assert.Nil(t, more)
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)
}

func TestCommandRaw(t *testing.T) {
	c := reader("a SELECT {1+}\r\nx\r\nb LOGIN u p\r\n", CommandLimits{})
	cmd, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, "a SELECT {1+}\r\nx", string(cmd.Raw))
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Nil(t, cmd.Raw)
}

func TestSetLimits(t *testing.T) {
	c := NewCommandReader(strings.NewReader("a NOOP12345\r\na NOOP12345\r\n"), CommandLimits{Line: 10})
	_, err := c.Read()
	var le *LimitError
	require.ErrorAs(t, err, &le)
	assert.EqualValues(t, 10, le.Limit)
	c.SetLimits(CommandLimits{Line: 20})
	cmd, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, "NOOP12345", cmd.Args.CommandName())
}

func TestByUID(t *testing.T) {
	for _, s := range []imap.NumSet{imap.SeqNums(1, 2), imap.UIDs(1, 2)} {
		_, uid := s.(imap.UIDSet)
		for _, a := range []interface {
			Args
			ByUID() bool
		}{&Fetch{Set: s}, &Store{Set: s}, &Copy{Set: s}, &Move{Set: s}} {
			assert.Equal(t, uid, a.ByUID())
			assert.Equal(t, uid, strings.HasPrefix(a.CommandName(), "UID "))
		}
	}
}

func TestResponseReaderRaw(t *testing.T) {
	c := NewResponseReader(strings.NewReader("* LIST () \"/\" {1}\r\nx\r\nA1 NO [CANNOT] x\r\n"), ResponseLimits{})
	_, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, "* LIST () \"/\" {1}\r\nx", string(c.Raw()))
	assert.Positive(t, c.Buffered())
	r, err := c.Read()
	require.NoError(t, err)
	assert.ErrorIs(t, r.(*StatusResponse).Err(), imap.ErrCannot)
	assert.NoError(t, (&StatusResponse{Cond: imap.OK}).Err())
	assert.EqualError(t, &badToken{"flag", "a\r\n"}, `imap: "a\r\n" cannot be a flag`)
}
