package imapwire

import (
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

// A literal in a place where only one reading of the octets is right.
func TestLiteralsInOddPlaces(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"header within quotes", "a LOGIN \"x {5}\r\nhello\r\nb NOOP\r\n", []string{"+", "a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"header in a tag", "{3}\r\nabc\r\nb NOOP\r\n", []string{"+", " BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"no octets", "a LOGIN {0}\r\n {0+}\r\n\r\n", []string{"+", `a &imapwire.Login{Username:"", Password:""}`, "EOF"}},
		{"leading zeros", "a LOGIN {0000000001}\r\nx {00+}\r\n\r\n", []string{"+", `a &imapwire.Login{Username:"x", Password:""}`, "EOF"}},
		{"a header that is none", "a LOGIN {1 }\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a sign", "a LOGIN {-1}\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a second header", "a LOGIN {1}{1}\r\nx\r\nb NOOP\r\n", []string{"+", "a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a literal of a header", "a LOGIN {4+}\r\n{5}\r {1+}\r\nx\r\nb NOOP\r\n", []string{`a &imapwire.Login{Username:"{5}\r", Password:"x"}`, "b &imapwire.Noop{}", "EOF"}},
		{"a command in a literal", "a LOGIN x {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n", []string{`a &imapwire.Login{Username:"x", Password:"b NOOP\r\n"}`, "c &imapwire.Noop{}", "EOF"}},
		{"NUL", "a LOGIN x {1+}\r\n\x00\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"NUL in a literal8", "a SELECT ~{1+}\r\n\x00\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"NUL in quotes", "a LOGIN x \"\x00\"\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"NUL in a word", "a LOGIN x y\x00\r\nb NOOP\r\n", []string{"a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a set", "a FETCH {1}\r\n1 FLAGS\r\nb NOOP\r\n", []string{"+", "a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a section", "a FETCH 1 BODY[{4}\r\nTEXT]\r\nb NOOP\r\n", []string{"+", "a BAD false", "b &imapwire.Noop{}", "EOF"}},
		{"a field's name", "a FETCH 1 BODY[HEADER.FIELDS ({4+}\r\nFrom)]\r\n", []string{`a &imapwire.Fetch{`, "EOF"}},
		{"2^63", "a LOGIN {9223372036854775808}\r\nb NOOP\r\n", []string{"a NO false", "b &imapwire.Noop{}", "EOF"}},
		{"2^64+1, without waiting", "a LOGIN {18446744073709551617+}\r\nb NOOP\r\n", []string{"a BYE true"}},
	} {
		log := served(strings.NewReader(tt.in), CommandLimits{})
		require.Len(t, log, len(tt.want), "%s: %q", tt.name, log)
		for i := range log {
			assert.True(t, strings.HasPrefix(log[i], tt.want[i]), "%s: %q", tt.name, log)
		}
	}
}

// Limits as large as they can be do not overflow.
func TestLargestLimits(t *testing.T) {
	const most = 1<<63 - 1
	log := served(strings.NewReader("a LOGIN {9223372036854775807+}\r\nx"), CommandLimits{Literal: most, Command: 1 << 20, Drain: 10})
	assert.Equal(t, []string{"a BYE true"}, log)
	c := responses(strings.NewReader("* LIST () \"/\" {9223372036854775807}\r\nx"), ResponseLimits{Literal: most, Response: 1 << 20, Drain: 10})
	_, err := c.Read()
	var pe *ParseError
	require.ErrorAs(t, err, &pe)
	assert.True(t, pe.Close)
}

func TestNumbersAtTheirLimits(t *testing.T) {
	for in, ok := range map[string]bool{
		"FETCH 4294967295 UID": true, "FETCH 4294967296 UID": false, "FETCH 0 UID": false, "FETCH 00 UID": false, "FETCH 1:0 UID": false,
		"FETCH *:4294967295,* UID": true, "FETCH 1:*: UID": false, "FETCH ** UID": false, "FETCH $,1 UID": false, "FETCH 1,$ UID": false, "FETCH $ UID": true,
		"FETCH 01 UID": true, "FETCH -1 UID": false, "FETCH 18446744073709551617 UID": false,
		"UID FETCH 1 UID (CHANGEDSINCE 9223372036854775807)": true, "UID FETCH 1 UID (CHANGEDSINCE 9223372036854775808)": false,
		"STORE 1 (UNCHANGEDSINCE 0) FLAGS a": true, "SEARCH LARGER 9223372036854775807": true, "SEARCH OLDER 4294967296": false, "SEARCH OLDER 0": false,
		"SELECT x (QRESYNC (1 1 1:*))": false, "SELECT x (QRESYNC (1 1 $))": false, "SELECT x (QRESYNC (1 1 1:5 (1:* 1:*)))": false, "SELECT x (QRESYNC (0 1))": false,
		"FETCH 1 BODY[]<9223372036854775807.9223372036854775807>": true, "FETCH 1 BODY[]<9223372036854775808.1>": false,
		"FETCH 1 BODY[2147483647]": true, "FETCH 1 BODY[2147483648]": false,
	} {
		_, err := ParseCommand([]byte("a "+in), nil)
		assert.Equal(t, ok, err == nil, "%s: %v", in, err)
	}
	for in, ok := range map[string]bool{
		"* 4294967295 EXISTS": true, "* 4294967296 EXISTS": false, "* VANISHED 1:*": false, "* VANISHED $": false, "* VANISHED 4294967295:1": true,
		"* SEARCH 4294967295": true, "* SEARCH 4294967296": false, "* SEARCH 99999999999": false, "* SEARCH 18446744073709551617": false,
		"* 1 FETCH (UID 4294967296)": false, "* 1 FETCH (MODSEQ (18446744073709551615))": true, "* 1 FETCH (RFC822.SIZE 9223372036854775807)": true,
		"* 1 FETCH (RFC822.SIZE 9.3e+99)": false, "* 1 FETCH (RFC822.SIZE 1e400)": false, "* 1 FETCH (UID 9e9)": false,
	} {
		_, err := ParseResponse([]byte(in), nil)
		assert.Equal(t, ok, err == nil, "%s: %v", in, err)
	}
	r, err := ParseResponse([]byte("* OK [COPYUID 1 1:* 2] x"), nil)
	require.NoError(t, err)
	assert.Equal(t, &StatusResponse{Cond: imap.OK, Code: imap.CodeRaw{Name: "COPYUID", Text: "1 1:* 2"}, Text: "x"}, r)
}

// RFC 7888: LITERAL- lets literals of up to 4096 octets go.
func TestLiteralMinusBorder(t *testing.T) {
	e := CommandEncoder{LiteralMinus: true}
	for n, waits := range map[int]int{4096: 0, 4097: 1} {
		out, err := e.Append(nil, "t", &Login{"joe", strings.Repeat("\xff", n)})
		require.NoError(t, err)
		assert.Len(t, e.Waits, waits)
		assert.Equal(t, waits == 0, strings.Contains(string(out), "{4096+}"))
	}
}

// A body structure of parts of five octets each costs fifty times as much
// memory as the server sent.
func TestManyParts(t *testing.T) {
	in := "* 1 FETCH (BODYSTRUCTURE (" + strings.Repeat("(NIL)", 400_000) + " \"mixed\"))"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseResponse([]byte(in), nil)
	runtime.ReadMemStats(&after)
	var se *SyntaxError
	require.ErrorAs(t, err, &se)
	assert.Contains(t, se.Msg, "too many parts")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))

	part := `("a" "b" NIL NIL NIL "7bit" 1)`
	_, err = ParseResponse([]byte("* 1 FETCH (BODYSTRUCTURE ("+strings.Repeat(part, 9_999)+" \"mixed\"))"), nil)
	require.NoError(t, err)
	_, err = ParseResponse([]byte("* 1 FETCH (BODYSTRUCTURE ("+part+part+" \"mixed\"))"), &ParseOptions{Parts: 2})
	require.Error(t, err)
	c := responses(strings.NewReader("* 1 FETCH (BODYSTRUCTURE ("+part+part+" \"mixed\"))\r\n* 2 FETCH (BODYSTRUCTURE ("+part+" \"mixed\"))\r\n"), ResponseLimits{Parts: 2})
	_, err = c.Read()
	require.ErrorAs(t, err, new(*ParseError))
	_, err = c.Read()
	require.NoError(t, err)
}

func TestManyOptions(t *testing.T) {
	for _, in := range []string{"LIST (%s) \"\" *", "LIST \"\" * RETURN (%s)", "SEARCH RETURN (%s) ALL", "FETCH 1 UID (%s)", "SORT (%s) UTF-8 ALL", "ESEARCH IN (selected (%s)) ALL"} {
		for n, ok := range map[int]bool{maxOptions: true, maxOptions + 1: false} {
			_, err := ParseCommand([]byte("a "+strings.Replace(in, "%s", strings.TrimSpace(strings.Repeat("X ", n)), 1)), nil)
			assert.Equal(t, ok, err == nil, "%s: %v", in, err)
		}
	}
}

// What a reader keeps between responses does not grow with what it was sent.
func TestReaderKeepsLittle(t *testing.T) {
	var in strings.Builder
	for i := range 300 {
		in.WriteString("* 1 FETCH (FLAGS (" + strings.Repeat("x", 20_000) + strconv.Itoa(i) + "))\r\n")
	}
	in.WriteString("* 1 FETCH (FLAGS (" + strings.Repeat("a ", 100_000) + ") BODY[] {100000}\r\n" + strings.Repeat("x", 100_000) + ")\r\n* 2 EXISTS\r\n")
	c := responses(strings.NewReader(in.String()), ResponseLimits{})
	for {
		if _, err := c.Read(); err != nil {
			require.Equal(t, io.EOF, err)
			break
		}
	}
	kept := 0
	for k := range c.names.m {
		kept += len(k)
	}
	assert.Less(t, kept, 256*maxInterned)
	assert.LessOrEqual(t, cap(c.fetch.Flags), maxKept)
	assert.LessOrEqual(t, cap(c.buf), bufKeep)
}

// I1, I2 and a response of which each literal makes the reader look at all
// that came before: the cost stays linear.
func TestManyLargeLiterals(t *testing.T) {
	const n = 300
	head := "* 1 FETCH (X (" + strings.Repeat("a ", 200_000)
	lit := "{33000}\r\n" + strings.Repeat("x", 33_000) + " "
	c := responses(strings.NewReader(head+strings.Repeat(lit, n)+"b))\r\n* 2 EXISTS\r\n"), ResponseLimits{})
	r, err := c.Read()
	require.NoError(t, err)
	assert.Len(t, r.(*FetchData).Extended, 1)
	r, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, &ExistsData{2}, r)

	c = responses(strings.NewReader("* X"+strings.Repeat(" {1}\r\na", 100_000)+"\r\n* 2 EXISTS\r\n"), ResponseLimits{})
	_, err = c.Read()
	require.NoError(t, err)
	r, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, &ExistsData{2}, r)
}

// Names that end in spaces are names.
func TestLiteralThatEndsInSpaces(t *testing.T) {
	c := responses(strings.NewReader("* LIST () \"/\" {3}\r\na  \r\n* LIST () \"/\" {1}\r\na  \r\n"), ResponseLimits{})
	r, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, list("a  ", '/'), r)
	r, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, list("a", '/'), r)
}

func TestFetchEncoderRefusesSizes(t *testing.T) {
	var e FetchEncoder
	e.Begin(1)
	require.Error(t, e.Section(&imap.BodySection{}, -1))
	require.Error(t, e.End())
	assert.Empty(t, e.Buf)
	e.Begin(1)
	require.Error(t, e.Section(&imap.BodySection{Partial: &imap.Partial{Offset: -1}}, 1))
	require.Error(t, e.End())
	e.Begin(1)
	e.Size(-1)
	require.NoError(t, e.End())
	assert.Equal(t, "* 1 FETCH (RFC822.SIZE 0)\r\n", string(e.Buf))
}

// No value makes an encoder write two lines, or a literal's header that it did
// not mean.
func TestEncodersStayInTheirLine(t *testing.T) {
	for _, bad := range []string{"a\r\nb NOOP", "a\nb", "a\rb", "a\x00b", "{5}", "a {5+}", "~{1}", "]", ")", "(", "\"", "\\", "é", "\xff", ""} {
		for _, r := range []Response{
			list(bad, '/'), &ListData{MailboxInfo: imap.MailboxInfo{Name: "x", OldName: bad, ChildInfo: []string{bad}}},
			&StatusData{imap.MailboxStatus{Name: bad, MailboxID: bad, Items: []imap.StatusItem{imap.StatusMailboxID}}},
			&FlagsData{[]imap.Flag{imap.Flag(bad)}}, &CapabilityData{imap.Capabilities{imap.Capability(bad)}},
			&IDData{[]imap.IDParam{{Name: bad, Value: bad}}}, &NamespaceData{imap.Namespaces{Other: []imap.Namespace{{Prefix: bad}}}},
			&ESearchData{Tag: bad}, &ESearchData{SearchResult: imap.SearchResult{Mailbox: bad}}, &UnknownData{bad},
			&FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{Subject: bad, From: []mime.Address{{Name: bad, Mailbox: bad, Host: bad}}}},
			&FetchData{Has: HasBodyStructure, BodyStructure: &mime.BodyStructure{Type: bad, Subtype: bad, ID: bad, Params: mime.Params{{Name: bad, Value: bad}}, Encoding: bad, Location: bad, Language: []string{bad}}},
			&FetchData{Has: HasGmailLabels | HasPreview | HasEmailID, GmailLabels: []string{bad}, Preview: bad, EmailID: bad},
			&FetchData{Extended: []imap.RawItem{{Name: bad, Value: bad}}},
			&StatusResponse{Tag: bad, Cond: imap.NO, Code: imap.CodeRaw{Name: bad, Text: bad}, Text: bad},
			&StatusResponse{Tag: "a", Cond: imap.NO, Code: imap.CodeUndefinedFilter{Filter: bad}, Text: bad},
			&Continuation{bad},
		} {
			out, err := AppendResponse(nil, r, nil)
			if err != nil {
				continue
			}
			c := responses(strings.NewReader(string(out)+"* 7 EXISTS\r\n"), ResponseLimits{})
			_, err = c.Read()
			var pe *ParseError
			require.True(t, err == nil || errors.As(err, &pe) && !pe.Close, "%q: %v", out, err)
			next, err := c.Read()
			require.NoError(t, err, "%q", out)
			require.Equal(t, &ExistsData{7}, next, "%q", out)
		}
		key := func(k imap.SearchKey) Args { return &Search{Criteria: imap.SearchCriteria{k}} }
		one := imap.SeqNums(1, 1)
		for _, a := range []Args{
			&Login{bad, bad}, &Authenticate{Mechanism: bad}, &Select{Mailbox: bad}, &Create{bad, []imap.MailboxAttr{imap.MailboxAttr(bad)}}, &Rename{bad, bad},
			&List{Reference: bad, Patterns: []string{bad}, Select: []string{bad}, Return: []ListReturn{{Name: "X", Value: bad}}}, &Lsub{bad, bad}, &XList{bad, bad},
			&List{Patterns: []string{"*"}, Return: []ListReturn{{Name: "METADATA", Entries: []string{bad}}}},
			&Status{bad, []imap.StatusItem{imap.StatusItem(bad)}}, &Enable{[]imap.Capability{imap.Capability(bad)}}, &ID{[]imap.IDParam{{Name: bad, Value: bad}}},
			key(imap.SearchText{Field: imap.SearchTo, Value: bad}), key(imap.SearchHeader{Name: bad, Value: bad}), key(imap.SearchFlag{Flag: imap.Flag(bad)}),
			key(imap.SearchFilter{Name: bad}), key(imap.SearchEmailID{ID: bad}), key(imap.SearchRaw{Text: bad}), key(imap.SearchModSeq{Entry: bad, Type: bad}),
			key(imap.SearchGmailRaw{Query: bad}), key(imap.SearchGmailLabel{Label: bad}), &Search{Charset: bad}, &Search{Return: []imap.SearchReturn{{Name: "X", Value: bad}}},
			&Fetch{Set: one, Items: []imap.FetchItem{imap.FetchAtt(bad)}}, &Fetch{Set: one, Items: []imap.FetchItem{imap.FetchUID}, Modifiers: []imap.RawItem{{Name: bad, Value: bad}}},
			&Fetch{Set: one, Items: []imap.FetchItem{&imap.BodySection{Specifier: imap.PartHeaderFields, Fields: []string{bad}}}},
			&Store{Set: one, Change: imap.FlagChange{Flags: []imap.Flag{imap.Flag(bad)}}}, &StoreLabels{Set: one, Labels: []string{bad}}, &Copy{one, bad},
			&Sort{Keys: []imap.SortKey{{Field: imap.SortField(bad)}}, Charset: bad}, &Thread{Algorithm: imap.ThreadAlgorithm(bad), Charset: bad}, &CancelUpdate{[]string{bad}},
			&ESearch{Sources: []imap.MailboxFilter{{Scope: imap.ScopeMailboxes, Mailboxes: []string{bad}}}, Scope: []imap.RawItem{{Name: bad, Value: bad}}},
			&Notify{&imap.NotifySpec{Groups: []imap.NotifyGroup{{Mailboxes: imap.MailboxFilter{Scope: imap.ScopeMailboxes, Mailboxes: []string{bad}}, Events: []imap.NotifyEvent{imap.NotifyEvent(bad)}}}}},
			&Unknown{Name: bad, Text: bad}, &Unknown{Name: "X", Text: bad},
		} {
			out, err := AppendCommand(nil, "t", a)
			if err != nil {
				continue
			}
			c := NewCommandReader(strings.NewReader(string(out)+"next NOOP\r\n"), CommandLimits{})
			_, err = c.Read()
			var pe *ParseError
			require.True(t, err == nil || errors.As(err, &pe) && !pe.Close, "%q: %v", out, err)
			next, err := c.Read()
			require.NoError(t, err, "%q", out)
			require.Equal(t, "next", next.Tag, "%q", out)
		}
	}
}
