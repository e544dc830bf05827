package imapwire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

// What is wrong in ways that no server is named for, and read all the same.
func TestLaxForms(t *testing.T) {
	status := func(code imap.Code, text string) Response {
		return &StatusResponse{Cond: imap.OK, Code: code, Text: text}
	}
	fetch := func(f FetchData) Response { f.Seq = 1; return &f }
	address := []mime.Address{{Mailbox: "a", Host: "b"}}
	text := &mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1}
	for in, want := range map[string]Response{
		"* OK [FOO":                           status(nil, "[FOO"),
		"* OK [] x":                           status(nil, "[] x"),
		`* OK [X "a] b`:                       status(imap.CodeRaw{Name: "X", Text: `"a`}, "b"),
		`* OK [X "a\"]b"] c`:                  status(imap.CodeRaw{Name: "X", Text: `"a\"]b"`}, "c"),
		"* OK [UIDNEXT] x":                    status(imap.CodeRaw{Name: "UIDNEXT"}, "x"),
		"* OK [UIDNEXT x] y":                  status(imap.CodeRaw{Name: "UIDNEXT", Text: "x"}, "y"),
		"* OK [CAPABILITY (] x":               status(imap.CodeRaw{Name: "CAPABILITY", Text: "("}, "x"),
		"[FOO":                                &UnknownData{"[FOO"},
		"*FOO":                                &UnknownData{"*FOO"},
		"* 1":                                 nil,
		"* CAPABILITY IMAP4rev1 (":            nil,
		"* CAPABILITY LITERAL + + X":          &CapabilityData{imap.Capabilities{"LITERAL+", "+", "X"}},
		`* LIST (\Unmarked \Noinferiors) . x`: nil,
		`* LIST (\Unmarked \Noinferiors) "." NILS`: list("NILS", '.', imap.AttrUnmarked, imap.AttrNoinferiors),
		"* LIST () \"/\" \"a\xffb\"":               list("a\xffb", '/'),
		`* STATUS NILLY (MESSAGES 1 X "y")`: &StatusData{imap.MailboxStatus{Name: "NILLY", Messages: 1, Items: []imap.StatusItem{"MESSAGES"},
			Extended: []imap.RawItem{{Name: "X", Value: `"y"`}}}},
		`* FLAGS ("a b" \* c)`:           &FlagsData{[]imap.Flag{"a b", imap.FlagWildcard, "c"}},
		"* FLAGS (a (b))":                nil,
		"* ID (\"a\x00b\" \"c\")":        &IDData{[]imap.IDParam{{Name: "ab", Value: "c"}}},
		"* 1 FETCH (MODSEQ 5)":           fetch(FetchData{Has: HasModSeq, ModSeq: 5}),
		`* 1 FETCH (SAVEDATE "x")`:       nil,
		"* 1 FETCH (BODY[] x)":           nil,
		"* 1 FETCH (X ~a Y ~)":           fetch(FetchData{Extended: []imap.RawItem{{Name: "X", Value: "~a"}, {Name: "Y", Value: "~"}}}),
		"* 1 FETCH (X (a (b)) Y (a(b)))": fetch(FetchData{Extended: []imap.RawItem{{Name: "X", Value: "(a (b))"}, {Name: "Y", Value: "(a(b))"}}}),
		"* 1 FETCH (ENVELOPE NIL)":       fetch(FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{}}),
		"* 1 FETCH (ENVELOPE ())":        fetch(FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{}}),
		`* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL "<m>" "x" (y)))`:              fetch(FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{MessageID: "<m>"}}),
		`* 1 FETCH (ENVELOPE (NIL NIL "" ((NIL NIL "a" "b" "c" (d))) NIL NIL NIL NIL NIL NIL))`: fetch(FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{Sender: address}}),
		`* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL)) NIL NIL NIL NIL NIL NIL NIL))`:                fetch(FetchData{Has: HasEnvelope, Envelope: &mime.Envelope{From: []mime.Address{{}}}}),
		`* 1 FETCH (ENVELOPE (NIL NIL (x) NIL NIL NIL NIL NIL NIL NIL))`:                        nil,
		"* 1 FETCH (BODY NIL)": fetch(FetchData{Has: HasBody, BodyStructure: &mime.BodyStructure{}}),
		"* 1 FETCH (BODY x)":   nil,
		`* 1 FETCH (BODY (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)))`: fetch(FetchData{Has: HasBody, BodyStructure: &mime.BodyStructure{Type: "multipart", Parts: []*mime.BodyStructure{text}}}),
		`* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT"))`:       fetch(FetchData{Has: HasBody, BodyStructure: &mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT"}}),
		`* 1 FETCH (BODY ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)))`: fetch(FetchData{Has: HasBody, BodyStructure: &mime.BodyStructure{
			Type: "MESSAGE", Subtype: "RFC822", Encoding: "7BIT", Octets: 1, Envelope: &mime.Envelope{}}}),
		`* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" ("a") NIL NIL "7BIT" 1 1 NIL ("inline" "x" 1) NIL NIL "more" (things)))`: fetch(FetchData{Has: HasBodyStructure, BodyStructure: &mime.BodyStructure{
			Type: "TEXT", Subtype: "PLAIN", Params: mime.Params{{Name: "a"}}, Encoding: "7BIT", Octets: 1, Lines: 1, Disposition: &mime.Disposition{Type: "inline"}}}),
		`* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" ((x)) NIL NIL "7BIT" 1 1))`: nil,
	} {
		r, err := ParseResponse([]byte(in), nil)
		if want == nil {
			assert.ErrorAs(t, err, new(*ParseError), in)
			continue
		}
		if assert.NoError(t, err, in) {
			assert.Equal(t, want, r, in)
		}
	}
}

type ownCommand struct{ args string }

func (ownCommand) CommandName() string                     { return "XOWN" }
func (c ownCommand) AppendArgs(dst []byte) ([]byte, error) { return append(dst, c.args...), nil }

type nameless struct{}

func (nameless) CommandName() string { return "X" }

// A command of the caller's own.
func TestOwnCommand(t *testing.T) {
	out, err := AppendCommand(nil, "t", ownCommand{" (a b)"})
	require.NoError(t, err)
	assert.Equal(t, "t XOWN (a b)\r\n", string(out))
	for _, a := range []Args{ownCommand{"\r\n"}, ownCommand{" {5}"}, nameless{}} {
		_, err = AppendCommand(nil, "t", a)
		assert.Error(t, err)
	}
	assert.True(t, (&StoreLabels{Set: imap.UIDs(1, 1)}).ByUID())
}

// What is empty where the grammar has something.
func TestEmptyValues(t *testing.T) {
	out, err := AppendCommand(nil, "t", &Search{Criteria: imap.SearchCriteria{imap.SearchNot{Key: imap.SearchCriteria{}}}})
	require.NoError(t, err)
	assert.Equal(t, "t SEARCH NOT ALL\r\n", string(out))
	for _, a := range []Args{
		&Fetch{Set: imap.SeqNums(1, 1), Items: []imap.FetchItem{nil}},
		&Sort{}, &Search{Criteria: imap.SearchCriteria{imap.SearchKey(nil)}},
	} {
		_, err = AppendCommand(nil, "t", a)
		assert.Error(t, err)
	}
	out, err = AppendCommand(nil, "t", &Select{Mailbox: "x", CondStore: true, QResync: &imap.QResync{UIDValidity: 1, ModSeq: 2}})
	require.NoError(t, err)
	assert.Equal(t, "t SELECT x (CONDSTORE QRESYNC (1 2))\r\n", string(out))
	for _, in := range []string{"SEARCH RETURN (UPDATE ()) ALL", "FETCH 1 BODY[HEADER.FIELDS (\"a\x01\")]"} {
		_, err = ParseCommand([]byte("a "+in), nil)
		assert.Error(t, err, in)
	}
	// A response too large behind a literal: thrown away, whatever follows.
	c := responses(strings.NewReader("* X {1}\r\na"+strings.Repeat("b", 90)+"{2}\r\ncc\r\n* 4 EXISTS\r\n"), ResponseLimits{Line: 200, Response: 50})
	_, err = c.Read()
	require.ErrorAs(t, err, new(*ParseError))
	r, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, &ExistsData{4}, r)
}
