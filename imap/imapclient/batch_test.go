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

func TestBatch(t *testing.T) {
	c := offering(t, "", `C: {{a}} STATUS a (MESSAGES)
C: {{b}} STATUS b (MESSAGES)
C: {{c}} UID SEARCH ALL
S: * STATUS b (MESSAGES 2)
S: * STATUS a (MESSAGES 1)
S: {{b}} OK
S: * SEARCH 4 5
S: * STATUS other (MESSAGES 1)
S: {{c}} OK
S: {{a}} NO gone
C: {{d}} UID STORE 1:3 +FLAGS.SILENT (\\Seen)
C: {{e}} UID COPY 4:5 x
S: {{d}} OK
S: {{e}} OK
S: {{e}} OK
C: {{f}} NOOP
S: {{f}} OK
`)
	ctx := t.Context()
	counts := map[string]uint32{}
	status := func(r imapwire.Response) error {
		s := r.(*imapwire.StatusData)
		counts[s.Name] = s.Messages
		return nil
	}
	b := c.Batch()
	for _, m := range []string{"a", "b"} {
		b.Add(&imapwire.Status{Mailbox: m, Items: []imap.StatusItem{imap.StatusMessages}}, status)
	}
	var found []uint32
	b.Add(&imapwire.Search{UID: true, Criteria: imap.SearchCriteria{imap.SearchAll{}}}, func(r imapwire.Response) error {
		found = r.(*imapwire.SearchData).Nums
		return nil
	})
	verdicts, err := b.Run(ctx)
	require.NoError(t, err)
	require.Error(t, verdicts[0])
	require.Equal(t, []error{nil, nil}, verdicts[1:])
	require.Equal(t, map[string]uint32{"a": 1, "b": 2}, counts)
	require.Equal(t, []uint32{4, 5}, found)

	add := imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen}}
	b.Add(&imapwire.Store{Set: imap.UIDs(1, 3), Change: add, Silent: true}, nil)
	b.Add(&imapwire.Copy{Set: imap.UIDs(4, 5), Mailbox: "x"}, nil)
	verdicts, err = b.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, []error{nil, nil}, verdicts)
	require.NoError(t, c.Noop(ctx))
	verdicts, err = b.Run(ctx)
	require.NoError(t, err)
	require.Empty(t, verdicts)
}

func TestBatchRefuses(t *testing.T) {
	c := offering(t, "", "--- client close ---\n")
	store := func(first, last imap.UID, silent bool) imapwire.Args {
		return &imapwire.Store{Set: imap.UIDs(first, last), Change: imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{"x"}}, Silent: silent}
	}
	flags := &imapwire.Fetch{Set: imap.UIDs(1, 9), Items: []imap.FetchItem{imap.FetchFlags}}
	search := &imapwire.Search{UID: true, Criteria: imap.SearchCriteria{imap.SearchAll{}}}
	for name, cmds := range map[string][]imapwire.Args{
		"two sets that meet":    {store(1, 3, true), store(3, 4, true)},
		"an open set":           {store(1, imap.Max, true)},
		"two that answer":       {store(1, 3, false), store(4, 5, false)},
		"reading the written":   {store(1, 3, true), flags},
		"searching it":          {search, store(1, 3, true)},
		"counting it":           {store(1, 3, true), &imapwire.Status{Mailbox: "x", Items: []imap.StatusItem{imap.StatusMessages}}},
		"two searches":          {search, search},
		"sequence numbers":      {&imapwire.Fetch{Set: imap.SeqNums(1, 3), Items: []imap.FetchItem{imap.FetchFlags}}},
		"searched numbers":      {&imapwire.Search{}},
		"numbers in a search":   {&imapwire.Search{UID: true, Criteria: imap.SearchCriteria{imap.SearchNot{Key: imap.SearchSeqs{Set: imap.SeqNums(1, 2)}}}}},
		"EXPUNGE of all":        {&imapwire.Expunge{}},
		"one mailbox twice":     {&imapwire.Create{Mailbox: "inbox"}, &imapwire.Delete{Mailbox: "INBOX"}},
		"a list of the made":    {&imapwire.Create{Mailbox: "x"}, &imapwire.List{Patterns: []string{"*"}}},
		"SELECT":                {&imapwire.Select{Mailbox: "x"}},
		"LOGIN":                 {&imapwire.Login{Username: "a", Password: "b"}},
		"APPEND":                {&imapwire.Append{Mailbox: "x"}},
		"a literal":             {&imapwire.Search{UID: true, Criteria: imap.SearchCriteria{imap.SearchText{Field: imap.SearchBody, Value: "a\r\nb"}}}},
		"a CRLF":                {&imapwire.Create{Mailbox: "x\r\ny"}},
		"more than it can hold": {&imapwire.Create{Mailbox: strings.Repeat("x", 17000)}},
	} {
		b := c.Batch()
		for _, cmd := range cmds {
			b.Add(cmd, nil)
		}
		_, err := b.Run(t.Context())
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "EOF", name)
	}
	c.Close()
}

func TestBatchLost(t *testing.T) {
	c := offering(t, "", "C: {{a}} CREATE x\nC: {{b}} CREATE y\nS: {{a}} OK\n--- close ---\n")
	b := c.Batch()
	b.Add(&imapwire.Create{Mailbox: "x"}, nil)
	b.Add(&imapwire.Create{Mailbox: "y"}, nil)
	_, err := b.Run(t.Context())
	require.Error(t, err)
	require.ErrorIs(t, c.Noop(t.Context()), imapclient.ErrClosed)

	stop := errors.New("stop")
	c = offering(t, "", "C: {{a}} LIST \"\" *\nS: * LIST () NIL x\n--- client close ---\n")
	b = c.Batch()
	b.Add(&imapwire.List{Patterns: []string{"*"}}, func(imapwire.Response) error { return stop })
	_, err = b.Run(t.Context())
	require.ErrorIs(t, err, stop)
}
