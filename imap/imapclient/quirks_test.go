package imapclient_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// quirks are lines that real servers send. In a script they stand in the
// answer to a FETCH, between two good ones; read says whether the line gives a
// message, skip that it is told as one ParseError.
var quirks = []struct {
	who, line  string
	read, skip bool
}{
	{who: "Exchange: a code without * OK", line: `[COPYUID 55 31 6]`},
	{who: "Exchange: empty sets", line: `* OK [COPYUID 5  ] done`},
	{who: "Exchange: a bare disposition", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL "inline" NIL))`, read: true},
	{who: "Exchange: (NIL NIL) as disposition", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL (NIL NIL) NIL))`, read: true},
	{who: "Exchange: a part of NILs", line: `* 2 FETCH (UID 2 BODYSTRUCTURE (NIL NIL NIL NIL NIL "7BIT" 0 NIL NIL NIL NIL))`, read: true},
	{who: "Exchange: control octets in names", line: "* LIST () \"/\" a\x01b"},
	{who: "Exchange: STATUS with a space", line: `* STATUS Inbox (MESSAGES 1) `},
	{who: "Exchange: a strange code", line: `* OK [Error="x" AuthResult] x`},
	{who: "Exchange: an untagged line", line: `Server Unavailable.`},
	{who: "Exchange: a space between addresses", line: `* 2 FETCH (UID 2 ENVELOPE (NIL NIL ((NIL NIL "a" "x") (NIL NIL "b" "x")) NIL NIL NIL NIL NIL NIL NIL))`, read: true},
	{who: "Exchange: no mailbox, missing host", line: `* 2 FETCH (UID 2 ENVELOPE (NIL NIL ((NIL NIL NIL ".MISSING-HOST-NAME.")) NIL NIL NIL NIL NIL NIL NIL))`, read: true},
	{who: "Gmail: childless multiparts", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("ALTERNATIVE" ("BOUNDARY" "x") NIL NIL))`, read: true},
	{who: "Gmail: childless related", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("RELATED" NIL ("ATTACHMENT" NIL) NIL))`, read: true},
	{who: "Gmail: a subtype alone", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("ALTERNATIVE"))`, read: true},
	{who: "Gmail: message/rfc822 without envelope", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 3 NIL NIL NIL))`, read: true},
	{who: "Gmail: ] and space in flags", line: `* 2 FETCH (UID 2 FLAGS (\Seen a]b c d))`, read: true},
	{who: "Gmail: a code without text", line: `* OK [HIGHESTMODSEQ 12345]`},
	{who: "Yandex: BODY[2] without value", line: `* 2 FETCH (UID 2 BODY[2] )`, read: true},
	{who: "Mail.ru: a number in scientific notation", line: `* 2 FETCH (UID 2 RFC822.SIZE 9.3736e+06)`, read: true},
	{who: "iCloud: RFC822 missing", line: `* 2 FETCH (UID 2 RFC822)`, read: true},
	{who: "iCloud: quotes in a Message-ID", line: `* 2 FETCH (UID 2 ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL "<a"b@c>"))`, read: true},
	{who: "Zoho: a negative MODSEQ", line: `* 2 FETCH (UID 2 MODSEQ (-1))`, read: true},
	{who: "Domino: a nested ENVELOPE", line: `* 2 FETCH ((UID 2 ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)))`, read: true},
	{who: "Domino: a zero date", line: `* 2 FETCH (UID 2 INTERNALDATE "00-Jan-0000 00:00:00 +0000")`, read: true},
	{who: "SmarterMail: (NIL (...))", line: `* 2 FETCH (UID 2 BODYSTRUCTURE (NIL ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)))`, read: true},
	{who: "Courier: * 0 FETCH", line: `* 0 FETCH (FLAGS ())`, read: true},
	{who: "QQ: an ENVELOPE of 9", line: `* 2 FETCH (UID 2 ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL))`, read: true},
	{who: "163.com: four quotes", line: `* 2 FETCH (UID 2 ENVELOPE (NIL """" NIL NIL NIL NIL NIL NIL NIL NIL))`, read: true},
	{who: "Dovecot: a multipart with NIL for a part", line: `* 2 FETCH (UID 2 BODYSTRUCTURE (NIL "alternative" ("boundary" "x") NIL NIL))`, read: true},
	{who: "anyone: UIDNEXT 0", line: `* OK [UIDNEXT 0] x`},
	{who: "anyone: UIDVALIDITY 0", line: `* OK [UIDVALIDITY 0] x`},
	{who: "anyone: UNSEEN 0", line: `* OK [UNSEEN 0] x`},
	{who: "anyone: negative octets", line: `* 2 FETCH (UID 2 RFC822.SIZE -1)`, read: true},
	{who: "anyone: a NIL parameter", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("TEXT" "PLAIN" ("CHARSET" NIL) NIL NIL "7BIT" 1 1))`, read: true},
	{who: "anyone: no subtype", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("TEXT" NIL NIL NIL NIL "7BIT" 1 1))`, read: true},
	{who: "anyone: language (NIL)", line: `* 2 FETCH (UID 2 BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1 NIL NIL (NIL)))`, read: true},
	{who: "anyone: a bare continuation", line: `+`},
	{who: "anyone: leading NULs", line: "\x00\x00* 2 FETCH (UID 2 FLAGS ())", read: true},
	{who: "anyone: raw UTF-8 names", line: `* LIST () "/" "Entwürfe"`},
	{who: "anyone: a space before the line end", line: `* 2 FETCH (UID 2 FLAGS ()) `, read: true},
	{who: "anyone: two spaces", line: `* 2  FETCH  (UID  2  FLAGS  ())`, read: true},
	{who: "anyone: no space before (", line: `* 2 FETCH(UID 2 FLAGS())`, read: true},
	{who: "anyone: * SEARCH alone", line: `* SEARCH`},
	{who: "a literal one octet short", line: "* 2 FETCH (UID 2 BODY[1] {2}\r\nabc)", skip: true},
	{who: "not a response", line: `* 2 FETCH (FLAGS (`, skip: true},
	{who: "a huge number", line: `* 99999999999999999999 FETCH (FLAGS ())`, skip: true},
	{who: "an unknown item", line: `* 2 FETCH (UID 2 X-NEW (a (b "c")) FLAGS ())`, read: true},
	{who: "an unknown response", line: `* X-NEW a b (c`},
}

func TestQuirks(t *testing.T) {
	for _, q := range quirks {
		t.Run(q.who, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("C: {{a}} UID FETCH 1:* FLAGS\nS: * 1 FETCH (UID 1 FLAGS ())\nS: ")
			for _, c := range []byte(q.line) {
				switch {
				case c == '\\':
					b.WriteString(`\\`)
				case c == 0:
					b.WriteString(`\0`)
				case c == '\r':
					b.WriteString(`\r`)
				case c == '\n':
					b.WriteString(`\n`)
				case c < ' ':
					b.WriteString(`\x01`)
				default:
					b.WriteByte(c)
				}
			}
			b.WriteString("\nS: * 3 FETCH (UID 3 FLAGS ())\nS: {{a}} OK\nC: {{b}} NOOP\nS: {{b}} OK\n")
			c := offering(t, "", b.String())
			uids, bad := 0, 0
			for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchFlags) {
				var parse *imapwire.ParseError
				if errors.As(err, &parse) {
					require.False(t, parse.Close)
					require.NotEmpty(t, parse.Raw)
					bad++
					continue
				}
				require.NoError(t, err)
				if m.UID != 1 && m.UID != 3 {
					uids++
				}
			}
			want := 0
			if q.read {
				want = 1
			}
			if q.skip {
				require.LessOrEqual(t, bad, 2)
			} else {
				require.Zero(t, bad)
				require.Equal(t, want, uids)
			}
			require.NoError(t, c.Noop(t.Context()))
		})
	}
}

// What is wrong around the answer.
func TestQuirksOfSessions(t *testing.T) {
	ctx := t.Context()
	c := offering(t, "LITERAL + ENABLE CONDSTORE", `C: {{a}} NOOP
S: {{a}} OK done
S: {{a}} OK done
C: {{b}} CREATE x
S: {{b}} OK
C: {{b1}} LIST "" "a\\"b"
S: * LIST () "/" "x"\x20
S: {{b1}} OK
C: {{c}} SEARCH ALL
S: * SEARCH 1 2 3\x20
S: {{c}} OK
C: {{d}} SELECT INBOX
S: * 3 EXISTS
S: * OK [UIDNEXT 0]
S: * OK [UIDVALIDITY 0]
S: * OK [UNSEEN 0]
S: * OK [HIGHESTMODSEQ 12345]
S: {{d}} OK [READ-WRITE]
C: {{e}} UID SEARCH 4,2
S: {{e}} BAD descending
C: {{f}} UID COPY 31 x
S: [COPYUID 55 31 6]
S: {{f}} OK
C: {{g}} UID COPY 31 x
S: {{g}} OK [COPYUID 5  ] done
`)
	require.NoError(t, c.Noop(ctx))
	require.NoError(t, c.Create(ctx, "x"))
	names, err := collect(c.List(ctx, "", `a"b`), func(m *imap.MailboxInfo) string { return m.Name })
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, names)
	f, err := c.SearchWith(ctx, &imapclient.SearchOptions{SeqNums: true}, imap.SearchAll{})
	require.NoError(t, err)
	require.Equal(t, "1:3", f.SeqNums().String())
	s, err := c.Select(ctx, "INBOX")
	require.NoError(t, err)
	require.Zero(t, s.UIDNext)
	require.Equal(t, imap.ModSeq(12345), s.HighestModSeq)
	_, err = c.Search(ctx, imap.SearchSeqs{Set: imap.SeqSetOf(4, 2)})
	require.ErrorAs(t, err, new(*imap.Error))
	r, err := c.Copy(ctx, imap.UIDSetOf(31), "x")
	require.NoError(t, err)
	require.Equal(t, "6", r.Dest.String())
	r, err = c.Copy(ctx, imap.UIDSetOf(31), "x")
	require.NoError(t, err)
	require.True(t, r.Source.Empty())
}

// LIST with options that a server offers and does not know, or to which it says
// nothing.
func TestQuirksOfLists(t *testing.T) {
	c := offering(t, "LIST-EXTENDED LIST-STATUS SPECIAL-USE", `C: {{a}} LIST (SPECIAL-USE) "" *
S: {{a}} BAD no such option
C: {{b}} LIST "" *
S: * LIST (\\Sent) "/" Sent
S: * LIST () "/" INBOX
S: {{b}} OK
C: {{c}} LIST "" * RETURN (STATUS (MESSAGES))
S: {{c}} OK
C: {{d}} LIST "" *
S: * LIST () "/" INBOX
S: {{d}} OK
C: {{e}} STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 3)
S: {{e}} OK
`)
	l, err := c.ListWith(t.Context(), &imapclient.ListOptions{SpecialUse: true})
	require.NoError(t, err)
	require.Len(t, l, 1)
	require.Equal(t, "Sent", l[0].Name)
	l, err = c.ListWith(t.Context(), &imapclient.ListOptions{Status: []imap.StatusItem{imap.StatusMessages}})
	require.NoError(t, err)
	require.Equal(t, uint32(3), l[0].Status.Messages)
}
