package imapwire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
)

// quirks are what real servers send. Behind each the next response is read.
var quirks = []struct {
	who, in string
	want    Response // nil where it is one ParseError
}{
	{"Exchange", "[COPYUID 55 31 6]", &StatusResponse{Cond: imap.OK, Code: imap.CodeCopyUID{CopyResult: imap.CopyResult{
		UIDValidity: 55, Source: imap.UIDSetOf(31), Dest: imap.UIDSetOf(6)}}}},
	{"Exchange", "* OK [COPYUID 5  ] done", &StatusResponse{Cond: imap.OK, Code: imap.CodeCopyUID{CopyResult: imap.CopyResult{UIDValidity: 5}}, Text: "done"}},
	{"Exchange", `* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL "inline" NIL NIL))`,
		structure(&mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1, Disposition: &mime.Disposition{Type: "inline"}})},
	{"Exchange", `* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL (NIL NIL) NIL NIL))`,
		structure(&mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1})},
	{"Exchange", `* 1 FETCH (BODYSTRUCTURE (NIL NIL NIL NIL NIL "7BIT" 0 NIL NIL NIL NIL))`,
		structure(&mime.BodyStructure{Encoding: "7BIT"})},
	{"Exchange", "* LIST () \"/\" a\x01b", list("a\x01b", '/')},
	{"Exchange", "* STATUS Inbox (MESSAGES 1) ", &StatusData{imap.MailboxStatus{Name: "INBOX", Messages: 1, Items: []imap.StatusItem{"MESSAGES"}}}},
	{"Exchange", `A1 NO [Error="x y]" AuthResultFromPopImapEnd=0] LOGIN failed.`, &StatusResponse{Tag: "A1", Cond: imap.NO,
		Code: imap.CodeRaw{Name: `ERROR="X`, Text: `y]" AuthResultFromPopImapEnd=0`}, Text: "LOGIN failed."}},
	{"Exchange", "Server Unavailable.", &UnknownData{"Server Unavailable."}},
	{"Exchange", `* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL "a" "b") ("N" NIL NIL ".MISSING-HOST-NAME.")) NIL NIL NIL NIL NIL NIL NIL))`,
		envelope(&mime.Envelope{From: []mime.Address{{Mailbox: "a", Host: "b"}, {Name: "N", Host: ".MISSING-HOST-NAME."}}})},
	{"Gmail", `* 1 FETCH (BODYSTRUCTURE ("ALTERNATIVE" ("BOUNDARY" "x") NIL NIL))`,
		structure(&mime.BodyStructure{Type: "multipart", Subtype: "ALTERNATIVE", Params: mime.Params{{Name: "BOUNDARY", Value: "x"}}})},
	{"Gmail", `* 1 FETCH (BODYSTRUCTURE (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)("RELATED" NIL ("ATTACHMENT" NIL) NIL) "MIXED"))`,
		structure(&mime.BodyStructure{Type: "multipart", Subtype: "MIXED", Parts: []*mime.BodyStructure{
			{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1},
			{Type: "multipart", Subtype: "RELATED", Disposition: &mime.Disposition{Type: "ATTACHMENT"}}}})},
	{"Gmail, Yandex", `* 1 FETCH (BODY ("ALTERNATIVE"))`, &FetchData{Seq: 1, Has: HasBody, BodyStructure: &mime.BodyStructure{Type: "multipart", Subtype: "ALTERNATIVE"}}},
	{"Gmail", `* 1 FETCH (BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1234 NIL ("ATTACHMENT" NIL) NIL))`,
		structure(&mime.BodyStructure{Type: "MESSAGE", Subtype: "RFC822", Encoding: "7BIT", Octets: 1234, Disposition: &mime.Disposition{Type: "ATTACHMENT"}})},
	{"Gmail", `* 1 FETCH (FLAGS (\Seen a] [x y) UID 3)`, &FetchData{Seq: 1, Has: HasFlags | HasUID, UID: 3, Flags: []imap.Flag{imap.FlagSeen, "a]", "[x", "y"}}},
	{"Gmail", "* OK [HIGHESTMODSEQ 12345]", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "HIGHESTMODSEQ", N: 12345}}},
	{"Gmail: name and mailbox swapped", `* 1 FETCH (ENVELOPE (NIL NIL (("joe" NIL "Joe Doe" "b")) NIL NIL NIL NIL NIL NIL NIL))`,
		envelope(&mime.Envelope{From: []mime.Address{{Name: "joe", Mailbox: "Joe Doe", Host: "b"}}})},
	{"Gmail: a system label in quotes", `* 1 FETCH (X-GM-LABELS ("\\Important" foo] "&AOk-" "R&D"))`,
		&FetchData{Seq: 1, Has: HasGmailLabels, GmailLabels: []string{`\Important`, "foo]", "é", "R&D"}}},
	{"Yandex", "* 1 FETCH (UID 2 BODY[2] )", &FetchData{Seq: 1, Has: HasUID, UID: 2, Sections: []SectionData{{Item: &imap.BodySection{Part: []int{2}}}}}},
	{"Yandex: childless", `* 1 FETCH (BODYSTRUCTURE ("MIXED" ("BOUNDARY" "x") NIL NIL NIL))`,
		structure(&mime.BodyStructure{Type: "multipart", Subtype: "MIXED", Params: mime.Params{{Name: "BOUNDARY", Value: "x"}}})},
	{"iCloud", "* 1 FETCH (UID 2 RFC822 )", &FetchData{Seq: 1, Has: HasUID, UID: 2, Sections: []SectionData{{Item: imap.FetchRFC822}}}},
	{"Mail.ru", "* 1 FETCH (RFC822.SIZE 9.3736e+06)", &FetchData{Seq: 1, Has: HasSize, Size: 9373600}},
	{"iCloud", `* 1 FETCH (ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL "<a"b@c>"))`, envelope(&mime.Envelope{Subject: "s", MessageID: `<a"b@c>`})},
	{"Zoho", "* 1 FETCH (MODSEQ (-1))", &FetchData{Seq: 1, Has: HasModSeq}},
	{"Domino", "* 1 FETCH ((ENVELOPE (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)))", envelope(&mime.Envelope{Subject: "s"})},
	{"Domino", `* 1 FETCH (INTERNALDATE "00-Jan-0000 00:00:00 +0000" UID 4)`, &FetchData{Seq: 1, Has: HasUID, UID: 4,
		Extended: []imap.RawItem{{Name: "INTERNALDATE", Value: `"00-Jan-0000 00:00:00 +0000"`}}}},
	{"SmarterMail", `* 1 FETCH (BODYSTRUCTURE (NIL ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1) "MIXED"))`,
		structure(&mime.BodyStructure{Type: "multipart", Subtype: "MIXED", Parts: []*mime.BodyStructure{{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1}}})},
	{"SmarterMail", `* 1 FETCH (ENVELOPE (NIL "s" (NIL (NIL NIL "a" "b")) NIL NIL NIL NIL NIL NIL NIL))`,
		envelope(&mime.Envelope{Subject: "s", From: []mime.Address{{Mailbox: "a", Host: "b"}}})},
	{"Courier", "* 0 FETCH (UID 1)", &FetchData{Has: HasUID, UID: 1}},
	{"QQ", `* 1 FETCH (ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL "<r>"))`, envelope(&mime.Envelope{Subject: "s", InReplyTo: "<r>"})},
	{"163.com", `* 1 FETCH (ENVELOPE (NIL """" NIL NIL NIL NIL NIL NIL NIL NIL))`, envelope(&mime.Envelope{Subject: `""`})},
	{"Dovecot", `* 1 FETCH (BODYSTRUCTURE (NIL "alternative" ("boundary" "x") NIL NIL NIL))`,
		structure(&mime.BodyStructure{Type: "multipart", Subtype: "alternative", Params: mime.Params{{Name: "boundary", Value: "x"}}})},
	{"Dovecot", `* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL "MAILER" "MISSING_DOMAIN")) NIL NIL NIL NIL NIL NIL NIL))`,
		envelope(&mime.Envelope{From: []mime.Address{{Mailbox: "MAILER", Host: "MISSING_DOMAIN"}}})},
	{"anyone", "* OK [UIDNEXT 0] x", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "UIDNEXT"}, Text: "x"}},
	{"anyone", "* OK [UIDVALIDITY 0] x", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "UIDVALIDITY"}, Text: "x"}},
	{"anyone", "* OK [UNSEEN 0] x", &StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: "UNSEEN"}, Text: "x"}},
	{"anyone", "* CAPABILITY IMAP4rev1 LITERAL +", &CapabilityData{imap.Capabilities{"IMAP4rev1", "LITERAL+"}}},
	{"anyone: count short by one", "* 1 FETCH (BODY[] {4}\r\nabc\r\n UID 3)", &FetchData{Seq: 1, Has: HasUID, UID: 3, Sections: []SectionData{{Item: &imap.BodySection{}, Body: []byte("abc\r"), Size: 4}}}},
	{"anyone: count short by two", "* 1 FETCH (BODY[] {3}\r\nabc\r\n)", &FetchData{Seq: 1, Sections: []SectionData{{Item: &imap.BodySection{}, Body: []byte("abc"), Size: 3}}}},
	{"anyone", `* 1 FETCH (BODY ("IMAGE" "GIF" NIL NIL NIL "7BIT" -1))`, &FetchData{Seq: 1, Has: HasBody, BodyStructure: &mime.BodyStructure{Type: "IMAGE", Subtype: "GIF", Encoding: "7BIT"}}},
	{"anyone", `* 1 FETCH (BODY ("TEXT" NIL ("CHARSET" NIL) NIL NIL "7BIT" 1 2))`, &FetchData{Seq: 1, Has: HasBody, BodyStructure: &mime.BodyStructure{
		Type: "TEXT", Params: mime.Params{{Name: "CHARSET"}}, Encoding: "7BIT", Octets: 1, Lines: 2}}},
	{"anyone", `* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL NIL (NIL) NIL))`,
		structure(&mime.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Octets: 1, Lines: 1})},
	{"anyone", "+", &Continuation{}},
	{"Courier", `* QUOTA "ROOT"`, &QuotaData{imap.Quota{Root: "ROOT"}}},
	{"anyone", "* SORT ", &SortData{}},
	{"anyone", "* THREAD ", &ThreadData{}},
	{"anyone", "* ESEARCH (TAG x)  UID ", &ESearchData{"x", imap.SearchResult{UID: true}}},
	{"anyone: a tag that is an atom", "* ESEARCH (TAG x) ALL 1:2", &ESearchData{"x", imap.SearchResult{All: imap.SeqNums(1, 2)}}},
	{"anyone: a space before CRLF", "* VANISHED (EARLIER) 1 ", &VanishedData{Earlier: true, UIDs: imap.UIDSetOf(1)}},
	{"anyone", "\x00\x00* 1 EXISTS", &ExistsData{1}},
	{"anyone", "* SEARCH 1 2", &SearchData{Nums: []uint32{1, 2}}},
	{"anyone", "* SEARCH ", &SearchData{}},
	{"anyone", "* SEARCH", &SearchData{}},
	{"anyone", `* LIST (\HasNoChildren) "/" "Entwürfe"`, list("Entwürfe", '/', imap.AttrHasNoChildren)},
	{"anyone", "* 3 EXISTS ", &ExistsData{3}},
	{"anyone: lone LF", "* 3 EXISTS\n* 4 EXISTS", &ExistsData{3}},
	{"anyone", "* 1 FETCH (UID 1  FLAGS  (\\Seen))", &FetchData{Seq: 1, Has: HasUID | HasFlags, UID: 1, Flags: []imap.Flag{imap.FlagSeen}}},
	{"anyone", "* 1 FETCH(FLAGS(\\Seen)UID 1)", &FetchData{Seq: 1, Has: HasUID | HasFlags, UID: 1, Flags: []imap.Flag{imap.FlagSeen}}},
	{"anyone", "* BAD oops", &StatusResponse{Cond: imap.BAD, Text: "oops"}},
	{"anyone: a text that looks like a literal", "* OK welcome {5}", &StatusResponse{Cond: imap.OK, Text: "welcome {5}"}},
	{"nobody can read", "* 1 FETCH (ENVELOPE (", nil},
	{"nobody can read", "* STATUS x (MESSAGES", nil},
	{"nobody can read", "* LIST ({3}\r\nabc", nil},
}

func structure(b *mime.BodyStructure) Response {
	return &FetchData{Seq: 1, Has: HasBodyStructure, BodyStructure: b}
}

func envelope(e *mime.Envelope) Response { return &FetchData{Seq: 1, Has: HasEnvelope, Envelope: e} }

func responses(src io.Reader, l ResponseLimits) *ResponseReader {
	return NewResponseReader(wire.NewReader(src, wire.Options{}), l)
}

// fresh makes a FetchData that was reused equal to one that was not.
func fresh(r Response) Response {
	if f, ok := r.(*FetchData); ok {
		if len(f.Sections) == 0 {
			f.Sections = nil
		}
		if len(f.Extended) == 0 {
			f.Extended = nil
		}
		if len(f.Flags) == 0 && f.Has&HasFlags == 0 {
			f.Flags = nil
		}
	}
	return r
}

func TestQuirks(t *testing.T) {
	for _, tt := range quirks {
		in := tt.in + "\r\n* 4 EXISTS\r\nA9 OK done\r\n"
		for _, src := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			c := responses(src, ResponseLimits{})
			r, err := c.Read()
			if tt.want == nil {
				var pe *ParseError
				require.ErrorAs(t, err, &pe, "%s: %q", tt.who, tt.in)
				require.False(t, pe.Close)
			} else {
				require.NoError(t, err, "%s: %q", tt.who, tt.in)
				assert.Equal(t, tt.want, fresh(r), "%s: %q", tt.who, tt.in)
			}
			r, err = c.Read()
			require.NoError(t, err)
			assert.Equal(t, &ExistsData{4}, r, "%s: %q", tt.who, tt.in)
			if r, err = c.Read(); err == nil {
				_, ok := r.(*ExistsData)
				assert.True(t, ok || r.(*StatusResponse).Tag == "A9")
			}
		}
	}
}

func TestResponseReaderStreams(t *testing.T) {
	body := strings.Repeat("0123456789", 10_000)
	in := "* 7 FETCH (UID 5 BODY[] {100000}\r\n" + body + " FLAGS (\\Seen) BODY[1] {3}\r\nabc BODY[2] {100000}\r\n" + body + ")\r\n* 8 EXISTS\r\n"
	for _, drain := range []bool{false, true} {
		c := responses(iotest.HalfReader(strings.NewReader(in)), ResponseLimits{Buffer: 99_999})
		r, err := c.Read()
		require.NoError(t, err)
		f := r.(*FetchData)
		assert.True(t, f.More)
		assert.EqualValues(t, 5, f.UID)
		require.Len(t, f.Sections, 1)
		assert.EqualValues(t, 100_000, f.Sections[0].Size)
		if !drain {
			b, err := io.ReadAll(f.Sections[0].Stream)
			require.NoError(t, err)
			assert.Equal(t, body, string(b))
		}
		r, err = c.Read()
		require.NoError(t, err)
		f = r.(*FetchData)
		assert.EqualValues(t, 7, f.Seq)
		assert.True(t, f.More)
		assert.Equal(t, HasFlags, f.Has)
		require.Len(t, f.Sections, 2)
		assert.Equal(t, "abc", string(f.Sections[0].Body))
		r, err = c.Read()
		require.NoError(t, err)
		f = r.(*FetchData)
		assert.False(t, f.More)
		assert.Zero(t, f.Has)
		r, err = c.Read()
		require.NoError(t, err)
		assert.Equal(t, &ExistsData{8}, r)
		_, err = c.Read()
		assert.Equal(t, io.EOF, err)
	}
}

func TestResponseReaderLimits(t *testing.T) {
	small := ResponseLimits{Line: 100, Response: 300, Literal: 20, Buffer: 50, Literals: 3, Drain: 400}
	for _, tt := range []struct {
		name, in string
		close    bool
	}{
		{"literal", "* LIST () \"/\" {21}\r\nxxxxxxxxxxxxxxxxxxxxx\r\n", false},
		{"literal of an envelope", "* 1 FETCH (ENVELOPE (NIL {60}\r\n" + strings.Repeat("x", 60) + " NIL))\r\n", false},
		{"number of literals", "* X {1}\r\na {1}\r\na {1}\r\na {1}\r\na {1}\r\na\r\n", false},
		{"response", "* X {20}\r\n" + strings.Repeat("x", 20) + strings.Repeat("y", 90) + " {20}\r\n" + strings.Repeat("x", 20) + strings.Repeat("y", 90) + " {20}\r\n" + strings.Repeat("x", 20) + strings.Repeat("y", 90) + "\r\n", false},
		{"line", "* X " + strings.Repeat("x", 100) + "\r\n", true},
		{"line behind a literal", "* X {1}\r\na" + strings.Repeat("x", 100) + "\r\n", true},
		{"line behind a refused literal", "* X {21}\r\n" + strings.Repeat("x", 150) + "\r\n", true},
		{"I1", "* LIST () \"/\" {4294967295}\r\n", true},
		{"I7", "* 1 FETCH (BODY[] {99999999999999999999}\r\n", true},
		{"stream beyond 64 bits", "* 1 FETCH (FLAGS ({401}\r\n", true},
	} {
		c := responses(strings.NewReader(tt.in+"* 4 EXISTS\r\n"), small)
		_, err := c.Read()
		var pe *ParseError
		require.ErrorAs(t, err, &pe, tt.name)
		assert.Equal(t, tt.close, pe.Close, tt.name)
		r, err := c.Read()
		if tt.close {
			require.Error(t, err)
			assert.False(t, errors.As(err, new(*ParseError)))
			continue
		}
		require.NoError(t, err, tt.name)
		assert.Equal(t, &ExistsData{4}, r, tt.name)
	}
	for _, cut := range []string{"* 4 EX", "* LIST () \"/\" {5}\r\nab", "* LIST () \"/\" {2}\r\nab", "* 1 FETCH (BODY[] {60}\r\nab", "* 1 FETCH (BODY[] {2}\r\nab"} {
		c := responses(strings.NewReader(cut), small)
		_, err := c.Read()
		if err == nil {
			_, err = c.Read()
		}
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, cut)
	}
}

// I6 for the client: body structures and lists nested a million deep.
func TestResponseDepth(t *testing.T) {
	for _, head := range []string{"* 1 FETCH (BODYSTRUCTURE ", "* 1 FETCH (X ", "* 1 FETCH (ENVELOPE ", "* STATUS x (Y ", "* LIST () \"/\" x (y ", "* 1 FETCH (FLAGS "} {
		_, err := ParseResponse([]byte(head+strings.Repeat("(", 1_000_000)), nil)
		var pe *ParseError
		require.ErrorAs(t, err, &pe, head)
	}
	rfc822 := strings.Repeat(`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) `, 200_000)
	_, err := ParseResponse([]byte("* 1 FETCH (BODYSTRUCTURE "+rfc822), nil)
	require.Error(t, err)
}

// However a FETCH is spaced, its sections stream.
func TestFetchLine(t *testing.T) {
	for in, want := range map[string]bool{
		"* 1 FETCH (BODY[] {9}": true, "\x00* 12  fetch(BODY[] {9}": true, "* 1 UIDFETCH (": true, "*  FETCH (": true,
		"* 1 FETCHED (": false, "* 1FETCH (": false, "* 1 FETCH": false, "1 FETCH (": false, "* LIST () x": false, "*": false, "": false,
	} {
		assert.Equal(t, want, fetchLine([]byte(in)), in)
	}
	c := responses(strings.NewReader("* 1  FETCH(BODY[] {60}\r\n"+strings.Repeat("x", 60)+")\r\n* 4 EXISTS\r\n"), ResponseLimits{Buffer: 50, Literal: 50})
	r, err := c.Read()
	require.NoError(t, err)
	assert.True(t, r.(*FetchData).More)
}

// Exchange repeats a tagged OK; Yandex says BYE without end.
func TestRepeatedLines(t *testing.T) {
	c := responses(strings.NewReader("A1 OK done\r\nA1 OK done\r\n"+strings.Repeat("* BYE x\r\n", 10_000)), ResponseLimits{})
	for range 2 {
		r, err := c.Read()
		require.NoError(t, err)
		assert.Equal(t, "A1", r.(*StatusResponse).Tag)
	}
	n := 0
	for {
		r, err := c.Read()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Equal(t, imap.BYE, r.(*StatusResponse).Cond)
		n++
	}
	assert.Equal(t, 10_000, n)
}

// A client that pipelines: commands right behind DONE.
func TestPipelinedBehindDone(t *testing.T) {
	for _, src := range []io.Reader{strings.NewReader("a IDLE\r\nDONE\r\nb NOOP\r\n"), iotest.OneByteReader(strings.NewReader("a IDLE\nDONE\nb NOOP\n"))} {
		c := NewCommandReader(src, CommandLimits{})
		cmd, err := c.Read()
		require.NoError(t, err)
		assert.Equal(t, &Idle{}, cmd.Args)
		line, err := c.ReadLine()
		require.NoError(t, err)
		assert.Equal(t, "DONE", string(line))
		cmd, err = c.Read()
		require.NoError(t, err)
		assert.Equal(t, &Noop{}, cmd.Args)
	}
}
