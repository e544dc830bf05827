package imapclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/internal/testkit"
)

// offering is a client of a scripted server that greets with capabilities.
func offering(t *testing.T, caps, text string) *imapclient.Client {
	t.Helper()
	return with(t, clear, caps, text)
}

func with(t *testing.T, o *imapclient.Options, caps, text string) *imapclient.Client {
	t.Helper()
	s, err := testkit.ParseScript(t.Name(), []byte("S: * OK [CAPABILITY IMAP4rev1 "+caps+"] ready\n"+text))
	require.NoError(t, err)
	conn := testkit.PlayServer(t, s, testkit.Player{})
	c, err := imapclient.New(t.Context(), conn, o)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func modseq(n imap.ModSeq) *imap.ModSeq { return &n }

// collect is what an iterator yields, up to its first error.
func collect[T, U any](seq func(func(*T, error) bool), f func(*T) U) (all []U, err error) {
	for v, e := range seq {
		if e != nil {
			return all, e
		}
		all = append(all, f(v))
	}
	return all, nil
}

// Every call that needs an extension: what it sends and makes of the answer,
// and that it sends nothing to a server that does not offer it.
var extensionCalls = []struct {
	name, caps, text string
	call             func(ctx context.Context, c *imapclient.Client) (any, error)
	want             any
}{
	{"ID", "ID", "C: {{a}} ID (\"name\" \"mailwire\")\nS: * ID (\"name\" \"Cyrus\" \"vendor\" NIL)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.ID(ctx, imap.IDParam{Name: "name", Value: "mailwire"})
		}, []imap.IDParam{{Name: "name", Value: "Cyrus"}, {Name: "vendor"}}},
	{"ID, nothing said", "ID", "C: {{a}} ID NIL\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.ID(ctx) }, []imap.IDParam(nil)},
	{"NAMESPACE", "NAMESPACE", "C: {{a}} NAMESPACE\nS: * NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")) NIL\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.Namespaces(ctx) },
		&imap.Namespaces{Personal: []imap.Namespace{{Delimiter: '/'}}, Other: []imap.Namespace{{Prefix: "~", Delimiter: '/'}}}},
	{"NAMESPACE of rev2", "IMAP4rev2", "C: {{a}} NAMESPACE\nS: * NAMESPACE ((\"\" \"/\")) NIL NIL\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.Namespaces(ctx) },
		&imap.Namespaces{Personal: []imap.Namespace{{Delimiter: '/'}}}},
	{"LANGUAGE", "LANGUAGE", "C: {{a}} LANGUAGE de en\nS: * LANGUAGE (de)\nS: {{a}} OK gut\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.Language(ctx, "de", "en") }, []string{"de"}},
	{"COMPARATOR", "I18NLEVEL=2", "C: {{a}} COMPARATOR i;unicode-casemap\nS: * COMPARATOR i;unicode-casemap (i;unicode-casemap)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			active, matching, err := c.Comparator(ctx, "i;unicode-casemap")
			return append([]string{active}, matching...), err
		}, []string{"i;unicode-casemap", "i;unicode-casemap"}},
	{"JMAPACCESS", "JMAPACCESS", "C: {{a}} GETJMAPACCESS\nS: * JMAPACCESS \"https://x.example/jmap\"\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.JMAPAccess(ctx) }, "https://x.example/jmap"},
	{"GETACL", "ACL", "C: {{a}} GETACL INBOX\nS: * ACL INBOX Fred rwipslxetad\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.ACL(ctx, "INBOX") },
		[]imap.ACLEntry{{Identifier: "Fred", Rights: "rwipslxetad"}}},
	{"SETACL", "ACL", "C: {{a}} SETACL INBOX Fred +lr\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.SetACL(ctx, "INBOX", "Fred", imap.RightsAdd, "lr")
		}, nil},
	{"DELETEACL", "ACL", "C: {{a}} DELETEACL INBOX Fred\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.DeleteACL(ctx, "INBOX", "Fred")
		}, nil},
	{"LISTRIGHTS", "ACL", "C: {{a}} LISTRIGHTS ~/Mail smith\nS: * LISTRIGHTS ~/Mail smith la r swicdkxte\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			required, optional, err := c.ListRights(ctx, "~/Mail", "smith")
			return append([]imap.Rights{required}, optional...), err
		}, []imap.Rights{"la", "r", "swicdkxte"}},
	{"MYRIGHTS", "ACL", "C: {{a}} MYRIGHTS INBOX\nS: * MYRIGHTS INBOX rwiptsldaex\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.MyRights(ctx, "INBOX") }, imap.Rights("rwiptsldaex")},
	{"GETQUOTA", "QUOTA", "C: {{a}} GETQUOTA \"\"\nS: * QUOTA \"\" (STORAGE 10 512)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.Quota(ctx, "") },
		&imap.Quota{Resources: []imap.QuotaUsage{{Resource: imap.QuotaStorage, Usage: 10, Limit: 512}}}},
	{"GETQUOTAROOT", "QUOTA", "C: {{a}} GETQUOTAROOT INBOX\nS: * QUOTAROOT INBOX \"\"\nS: * QUOTA \"\" (STORAGE 10 512)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.MailboxQuota(ctx, "INBOX") },
		[]imap.Quota{{Resources: []imap.QuotaUsage{{Resource: imap.QuotaStorage, Usage: 10, Limit: 512}}}}},
	{"SETQUOTA", "QUOTA", "C: {{a}} SETQUOTA \"\" (STORAGE 512)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.SetQuota(ctx, "", imap.QuotaLimit{Resource: imap.QuotaStorage, Limit: 512})
		}, nil},
	{"GETMETADATA", "METADATA", "C: {{a}} GETMETADATA (DEPTH 1) INBOX /shared/comment\nS: * METADATA INBOX (/shared/comment \"Shared comment\")\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.Metadata(ctx, "INBOX", &imapclient.MetadataOptions{Depth: imap.DepthOne}, "/shared/comment")
		}, []imap.MetadataEntry{{Name: "/shared/comment", Value: []byte("Shared comment")}}},
	{"GETMETADATA of the server", "METADATA-SERVER", "C: {{a}} GETMETADATA \"\" /shared/comment\nS: * METADATA \"\" (/shared/comment \"x\")\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.Metadata(ctx, "", nil, "/shared/comment")
		}, []imap.MetadataEntry{{Name: "/shared/comment", Value: []byte("x")}}},
	{"SETMETADATA", "METADATA", "C: {{a}} SETMETADATA INBOX (/private/comment NIL)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.SetMetadata(ctx, "INBOX", imap.MetadataEntry{Name: "/private/comment"})
		}, nil},
	{"NOTIFY", "NOTIFY", "C: {{a}} NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.Notify(ctx, &imap.NotifySpec{Groups: []imap.NotifyGroup{{
				Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSelected},
				Events:    []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge, imap.EventFlagChange},
			}}})
		}, nil},
	{"UNAUTHENTICATE", "UNAUTHENTICATE", "C: {{a}} UNAUTHENTICATE\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return nil, c.Unauthenticate(ctx) }, nil},
	{"ENABLE", "ENABLE CONDSTORE UTF8=ACCEPT", "C: {{a}} ENABLE CONDSTORE\nS: * ENABLED CONDSTORE\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return c.Enable(ctx, imap.CapCondStore) },
		imap.Capabilities{imap.CapCondStore}},
	{"ENABLE without ENABLED (iCloud)", "ENABLE QRESYNC", "C: {{a}} ENABLE QRESYNC\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			_, err := c.Enable(ctx, imap.CapQResync)
			return c.Enabled(imap.CapQResync) && c.Enabled(imap.CapCondStore), err
		}, true},
	{"UTF8=ACCEPT", "ENABLE UTF8=ACCEPT", "C: {{a}} ENABLE UTF8=ACCEPT\nS: * ENABLED UTF8=ACCEPT\nS: {{a}} OK done\nC: {{b}} CREATE \"Entwürfe\"\nS: {{b}} OK done\n" +
		"C: {{c}} UID SEARCH SUBJECT \"ü\"\nS: * SEARCH\nS: {{c}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			if _, err := c.Enable(ctx, imap.CapUTF8Accept); err != nil {
				return nil, err
			}
			if err := c.Create(ctx, "Entwürfe"); err != nil {
				return nil, err
			}
			return c.Search(ctx, imap.SearchText{Field: imap.SearchSubject, Value: "ü"})
		}, []imap.UID(nil)},
	{"UNSELECT", "UNSELECT", "C: {{a}} UNSELECT\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) { return nil, c.Unselect(ctx) }, nil},
	{"CREATE with a use", "CREATE-SPECIAL-USE", "C: {{a}} CREATE Sent (USE (\\\\Sent))\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.Create(ctx, "Sent", imap.AttrSent)
		}, nil},
	{"STATUS of extensions", "STATUS=SIZE CONDSTORE OBJECTID", "C: {{a}} STATUS INBOX (SIZE HIGHESTMODSEQ MAILBOXID)\nS: * STATUS INBOX (SIZE 44421 HIGHESTMODSEQ 7 MAILBOXID (F1) )\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			s, err := c.Status(ctx, "INBOX", "SIZE", "HIGHESTMODSEQ", "MAILBOXID")
			if err != nil {
				return nil, err
			}
			return []any{s.Size, s.HighestModSeq, s.MailboxID}, nil
		}, []any{int64(44421), imap.ModSeq(7), "F1"}},
	{"XLIST", "XLIST", "C: {{a}} XLIST \"\" *\nS: * XLIST (\\\\HasNoChildren \\\\Inbox) \"/\" \"Eingang\"\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return collect(c.XList(ctx, "", "*"), func(m *imap.MailboxInfo) string { return m.Name })
		}, []string{"Eingang"}},
	{"RLIST", "MAILBOX-REFERRALS", "C: {{a}} RLIST \"\" *\nS: * LIST () \"/\" Remote\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return collect(c.RemoteList(ctx, "", "*"), func(m *imap.MailboxInfo) string { return m.Name })
		}, []string{"Remote"}},
	{"LIST-EXTENDED", "LIST-EXTENDED", "C: {{a}} LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (% x) RETURN (CHILDREN)\nS: * LIST (\\\\Subscribed) \"/\" \"Foo\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			l, err := c.ListWith(ctx, &imapclient.ListOptions{Patterns: []string{"%", "x"}, Subscribed: true, Remote: true, RecursiveMatch: true, ReturnChildren: true})
			if err != nil {
				return nil, err
			}
			return l[0].ChildInfo, nil
		}, []string{"SUBSCRIBED"}},
	{"LIST-STATUS and its like", "LIST-EXTENDED LIST-STATUS SPECIAL-USE LIST-MYRIGHTS LIST-METADATA",
		"C: {{a}} LIST (SPECIAL-USE) \"\" * RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment))\n" +
			"S: * LIST (\\\\Sent) \"/\" Sent\nS: * STATUS Sent (MESSAGES 3)\nS: * MYRIGHTS Sent lr\nS: * METADATA Sent (/shared/comment x)\nS: * LIST (\\\\Noselect) \"/\" x\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			l, err := c.ListWith(ctx, &imapclient.ListOptions{SpecialUse: true, ReturnSpecialUse: true, ReturnSubscribed: true, Status: []imap.StatusItem{imap.StatusMessages}, MyRights: true, Metadata: []string{"/shared/comment"}})
			if err != nil || len(l) != 2 || l[1].Status != nil {
				return nil, errors.Join(err, errors.New("x"))
			}
			return []any{l[0].Status.Messages, l[0].Rights, l[0].Metadata[0].Name}, nil
		}, []any{uint32(3), imap.Rights("lr"), "/shared/comment"}},
	{"CONDSTORE in SELECT", "CONDSTORE", "C: {{a}} SELECT INBOX (CONDSTORE)\nS: * 172 EXISTS\nS: * OK [HIGHESTMODSEQ 715194045007]\nS: {{a}} OK [READ-ONLY] done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			s, err := c.SelectWith(ctx, "INBOX", &imapclient.SelectOptions{CondStore: true})
			if err != nil {
				return nil, err
			}
			return []any{s.Messages, s.HighestModSeq, s.ReadOnly}, nil
		}, []any{uint32(172), imap.ModSeq(715194045007), true}},
	{"QRESYNC in SELECT", "ENABLE QRESYNC", "C: {{a}} ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: {{a}} OK done\n" +
		"C: {{b}} SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))\nS: * OK [CLOSED]\nS: * 100 EXISTS\nS: * OK [UIDVALIDITY 67890007] x\n" +
		"S: * VANISHED (EARLIER) 41,43:116\nS: * 49 FETCH (UID 117 FLAGS (\\\\Seen) MODSEQ (90060115194045001))\nS: {{b}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			known, _ := imap.ParseUIDSet("41,43:211,214:541")
			var got []any
			s, err := c.SelectWith(ctx, "INBOX", &imapclient.SelectOptions{
				QResync:  &imap.QResync{UIDValidity: 67890007, ModSeq: 20050715194045000, KnownUIDs: known},
				Changed:  func(m *imapclient.Message) { got = append(got, m.UID) },
				Vanished: func(u imap.UIDSet) { got = append(got, u.String()) },
			})
			if err != nil {
				return nil, err
			}
			return append(got, s.Messages), nil
		}, []any{"41,43:116", imap.UID(117), uint32(100)}},
	{"CHANGEDSINCE and VANISHED", "ENABLE QRESYNC", "C: {{a}} ENABLE QRESYNC\nS: {{a}} OK done\nC: {{b}} UID FETCH 300:500 FLAGS (CHANGEDSINCE 12345 VANISHED)\n" +
		"S: * VANISHED (EARLIER) 300:310,405,411\nS: * 1 FETCH (UID 404 MODSEQ (65402) FLAGS (\\\\Seen))\nS: {{b}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			var gone string
			uids, err := collect(c.FetchWith(ctx, imap.UIDs(300, 500), &imapclient.FetchOptions{ChangedSince: modseq(12345), Vanished: func(u imap.UIDSet) { gone = u.String() }}, imap.FetchFlags),
				func(m *imapclient.Message) imap.UID { return m.UID })
			return []any{gone, uids}, err
		}, []any{"300:310,405,411", []imap.UID{404}}},
	{"items of extensions", "CONDSTORE OBJECTID SAVEDATE PREVIEW X-GM-EXT-1", "C: {{a}} UID FETCH 1 (MODSEQ EMAILID THREADID SAVEDATE PREVIEW X-GM-LABELS X-GM-MSGID)\n" +
		"S: * 1 FETCH (UID 1 MODSEQ (9) EMAILID (M6) THREADID NIL SAVEDATE NIL PREVIEW \"Hi\" X-GM-LABELS (\\\\Inbox) X-GM-MSGID 7)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return collect(c.Fetch(ctx, imap.UIDs(1, 1), imap.FetchModSeq, imap.FetchEmailID, imap.FetchThreadID, imap.FetchSaveDate, imap.FetchPreview, imap.FetchGmailLabels, imap.FetchGmailMessageID),
				func(m *imapclient.Message) any { return []any{m.ModSeq, m.EmailID, m.ThreadID, m.Preview} })
		}, []any{[]any{imap.ModSeq(9), "M6", "", "Hi"}}},
	{"STORE UNCHANGEDSINCE", "CONDSTORE", "C: {{a}} UID STORE 5,7,9 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\\\\Deleted)\nS: * 5 FETCH (UID 5 MODSEQ (320162350))\nS: {{a}} OK [MODIFIED 7,9] failed\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			set, _ := imap.ParseUIDSet("5,7,9")
			err := c.Store(ctx, set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}, UnchangedSince: modseq(320162338)})
			var left *imapclient.ModifiedError
			if !errors.As(err, &left) {
				return nil, err
			}
			return left.Set.String() + " " + left.Error(), nil
		}, "7,9 imapclient: changed meanwhile: 7,9"},
	{"STORE that tells", "CONDSTORE", "C: {{a}} STORE 5,7 (UNCHANGEDSINCE 3) +FLAGS (\\\\Deleted)\nS: * 5 FETCH (MODSEQ (4) FLAGS (\\\\Deleted))\nS: {{a}} NO [MODIFIED 7] failed\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			set, _ := imap.ParseSeqSet("5,7")
			all, err := collect(c.StoreFlags(ctx, set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}, UnchangedSince: modseq(3)}),
				func(m *imapclient.Message) imap.ModSeq { return m.ModSeq })
			var left *imapclient.ModifiedError
			if !errors.As(err, &left) {
				return nil, err
			}
			return []any{all, left.Set.String()}, nil
		}, []any{[]imap.ModSeq{4}, "7"}},
	{"Gmail's labels", "X-GM-EXT-1", "C: {{a}} UID STORE 1 +X-GM-LABELS.SILENT (foo)\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.StoreLabels(ctx, imap.UIDs(1, 1), imap.StoreAdd, "foo")
		}, nil},
	{"MOVE", "MOVE", "C: {{a}} UID MOVE 42:69 foo\nS: * OK [COPYUID 432432 42:69 1202:1229]\nS: * 22 EXPUNGE\nS: {{a}} OK Done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			r, err := c.MoveWith(ctx, imap.UIDs(42, 69), "foo", nil)
			if err != nil {
				return nil, err
			}
			return r.Source.String() + " " + r.Dest.String(), nil
		}, "42:69 1202:1229"},
	{"UID EXPUNGE", "UIDPLUS", "C: {{a}} UID EXPUNGE 3000:3002\nS: * 3 EXPUNGE\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.Expunge(ctx, imap.UIDs(3000, 3002))
		}, nil},
	{"WITHIN", "WITHIN", "C: {{a}} UID SEARCH UNSEEN YOUNGER 259200\nS: * SEARCH 4 8\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.Search(ctx, imap.SearchFlag{Flag: imap.FlagSeen, Unset: true}, imap.SearchYounger{Seconds: 259200})
		}, []imap.UID{4, 8}},
	{"ESEARCH", "ESEARCH", "C: {{a}} UID SEARCH RETURN (ALL) FLAGGED\nS: * ESEARCH (TAG \"{{a}}\") UID ALL 2,10:11\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			s, err := c.SearchSet(ctx, imap.SearchFlag{Flag: imap.FlagFlagged})
			return s.String(), err
		}, "2,10:11"},
	{"SEARCHRES", "ESEARCH SEARCHRES", "C: {{a}} UID SEARCH RETURN (SAVE) FLAGGED\nS: {{a}} OK done\nC: {{b}} UID SEARCH UID $ SEEN\nS: * SEARCH 2\nS: {{b}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			if _, err := c.SearchWith(ctx, &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnSave}}}, imap.SearchFlag{Flag: imap.FlagFlagged}); err != nil {
				return nil, err
			}
			return c.Search(ctx, imap.SearchUIDs{Set: imap.SavedUIDs()}, imap.SearchFlag{Flag: imap.FlagSeen})
		}, []imap.UID{2}},
	{"SORT", "SORT", "C: {{a}} UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL\nS: * SORT 5 3 4\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.Sort(ctx, []imap.SortKey{{Field: imap.SortSubject}, {Field: imap.SortDate, Reverse: true}})
		}, []imap.UID{5, 3, 4}},
	{"SORT=DISPLAY", "SORT SORT=DISPLAY", "C: {{a}} UID SORT (DISPLAYFROM) UTF-8 ALL\nS: * SORT 5 3 4\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.Sort(ctx, []imap.SortKey{{Field: imap.SortDisplayFrom}})
		}, []imap.UID{5, 3, 4}},
	{"ESORT", "SORT ESORT", "C: {{a}} UID SORT RETURN (MIN COUNT) (ARRIVAL) UTF-8 ALL\nS: * ESEARCH (TAG \"{{a}}\") UID MIN 7 COUNT 3\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			f, err := c.SortWith(ctx, &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnMin}, {Name: imap.ReturnCount}}}, []imap.SortKey{{Field: imap.SortArrival}})
			if err != nil {
				return nil, err
			}
			return []any{f.Min, f.Count, f.Tag != ""}, nil
		}, []any{uint32(7), uint32(3), true}},
	{"THREAD", "THREAD=REFERENCES", "C: {{a}} UID THREAD REFERENCES UTF-8 ALL\nS: * THREAD (2)(3 6 (4 23)(44 7 96))\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			threads, err := c.Thread(ctx, imap.ThreadReferences)
			n := 0
			for _, th := range threads {
				for range th.All() {
					n++
				}
			}
			return n, err
		}, 8},
	{"MULTISEARCH", "MULTISEARCH", "C: {{a}} ESEARCH IN (MAILBOXES (folder1 folder2)) UNSEEN\n" +
		"S: * ESEARCH (TAG \"{{a}}\" MAILBOX \"folder1\" UIDVALIDITY 1) UID ALL 4001,4003\nS: * ESEARCH (TAG \"{{a}}\" MAILBOX folder2 UIDVALIDITY 2) UID ALL 5\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			all, err := c.MultiSearch(ctx, []imap.MailboxFilter{{Scope: imap.ScopeMailboxes, Mailboxes: []string{"folder1", "folder2"}}}, nil, imap.SearchFlag{Flag: imap.FlagSeen, Unset: true})
			var got []string
			for _, r := range all {
				got = append(got, r.Mailbox+" "+r.UIDs().String())
			}
			return got, err
		}, []string{"folder1 4001,4003", "folder2 5"}},
	{"CONTEXT", "ESEARCH CONTEXT=SEARCH", "C: {{a}} UID SEARCH RETURN (UPDATE COUNT) UNSEEN\nS: * OK [NOUPDATE \"{{a}}\"] too much\nS: * ESEARCH (TAG \"{{a}}\") UID COUNT 3\nS: {{a}} OK done\nC: {{b}} CANCELUPDATE \"x\"\nS: {{b}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			f, err := c.SearchWith(ctx, &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnUpdate}, {Name: imap.ReturnCount}}}, imap.SearchFlag{Flag: imap.FlagSeen, Unset: true})
			if err != nil {
				return nil, err
			}
			return []any{f.NoUpdate, f.Count}, c.CancelUpdate(ctx, "x")
		}, []any{true, uint32(3)}},
	{"REPLACE", "REPLACE LITERAL+", "C: {{a}} UID REPLACE 7 Drafts (\\\\Draft) {3+}\nC: new\nS: * OK [APPENDUID 1 8] x\nS: * 7 EXPUNGE\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			_, err := c.Replace(ctx, 7, "Drafts", strings.NewReader("new"), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft}})
			return nil, err
		}, nil},
	{"CATENATE", "CATENATE LITERAL+", "C: {{a}} APPEND Drafts (\\\\Seen) CATENATE (URL /Drafts;UID=20/;section=HEADER TEXT {3+}\nC: abc URL /x;UID=1)\nS: {{a}} OK [APPENDUID 3 4] done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			u, err := c.AppendParts(ctx, "Drafts", []imapclient.Part{
				{URL: "/Drafts;UID=20/;section=HEADER"}, {Body: strings.NewReader("abc")}, {URL: "/x;UID=1"},
			}, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
			if err != nil {
				return nil, err
			}
			return u.UIDs.String(), nil
		}, "4"},
	{"a message with NUL", "BINARY LITERAL+", "C: {{a}} APPEND INBOX ~{2+}\nC: \\0x\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			_, err := c.Append(ctx, "INBOX", strings.NewReader("\x00x"), &imap.AppendOptions{Binary: true})
			return nil, err
		}, nil},
	{"GENURLAUTH", "URLAUTH", "C: {{a}} GENURLAUTH imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred INTERNAL\n" +
		"S: * GENURLAUTH \"imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred:internal:91354a473744909de610943775f92038\"\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return c.GenURLAuth(ctx, "INTERNAL", "imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred")
		}, []string{"imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred:internal:91354a473744909de610943775f92038"}},
	{"RESETKEY", "URLAUTH", "C: {{a}} RESETKEY INBOX INTERNAL\nS: {{a}} OK [URLMECH INTERNAL] done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			return nil, c.ResetKey(ctx, "INBOX", "INTERNAL")
		}, nil},
	{"URLFETCH", "URLAUTH", "C: {{a}} URLFETCH imap://x/1 imap://x/2\nS: * URLFETCH \"imap://x/1\" {4}\nS: Si\nS:  \"imap://x/2\" NIL\nS: {{a}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			var got []string
			for u, err := range c.FetchURLs(ctx, "imap://x/1", "imap://x/2") {
				if err != nil {
					return nil, err
				}
				if u.Body == nil {
					got = append(got, u.URL+" not there")
					continue
				}
				b, err := io.ReadAll(u.Body)
				if err != nil {
					return nil, err
				}
				got = append(got, u.URL+" "+string(b))
			}
			return got, nil
		}, []string{"imap://x/1 Si\r\n", "imap://x/2 not there"}},
	{"IDLE refused", "IDLE", "C: {{a}} IDLE\nS: {{a}} NO not now\nC: {{b}} NOOP\nS: {{b}} OK done\n",
		func(ctx context.Context, c *imapclient.Client) (any, error) {
			for _, err := range c.Idle(ctx) {
				var said *imap.Error
				if errors.As(err, &said) {
					return "refused", c.Noop(ctx)
				}
				return nil, err
			}
			return nil, nil
		}, "refused"},
}

func TestExtensions(t *testing.T) {
	for _, tt := range extensionCalls {
		t.Run(tt.name, func(t *testing.T) {
			c := offering(t, tt.caps, tt.text)
			got, err := tt.call(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestExtensionsNotOffered(t *testing.T) {
	for _, tt := range extensionCalls {
		switch tt.name {
		case "ESEARCH": // told from a plain SEARCH
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			c := offering(t, "", "--- client close ---\n")
			_, err := tt.call(t.Context(), c)
			var ext *imapclient.ExtensionError
			require.ErrorAs(t, err, &ext)
			require.Contains(t, ext.Error(), ext.Extension)
			c.Close()
		})
	}
}

// A server without UIDPLUS, SORT and the like is not asked, and the calls that
// can do without do.
func TestDoingWithout(t *testing.T) {
	ctx := t.Context()
	c := offering(t, "LITERAL+", `C: {{a}} UID SEARCH FLAGGED
S: * SEARCH 2 11 10 (MODSEQ 9)
S: {{a}} OK done
C: {{b}} LIST "" *
S: * LIST () "/" INBOX
S: * LIST (\\Noselect) "/" x
S: {{b}} OK done
C: {{c}} STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 2)
S: {{c}} OK done
C: {{d}} UID SEARCH ALL
S: * SEARCH 1 2 3
S: {{d}} OK done
C: {{e}} APPEND INBOX {1+}
C: a
S: {{e}} OK [APPENDUID 1 1] done
C: {{f}} APPEND INBOX {1+}
C: b
S: {{f}} NO [OVERQUOTA] full
C: {{g}} LSUB "" *
S: * LIST () "/" other
S: * LSUB () "/" INBOX
S: {{g}} OK done
C: {{h}} CHECK
S: {{h}} OK done
C: {{i}} CLOSE
S: {{i}} OK done
C: {{j}} SEARCH FLAGGED
S: * SEARCH 3
S: {{j}} OK done
`)
	f, err := c.SearchWith(ctx, &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnMin}, {Name: imap.ReturnAll}, {Name: imap.ReturnCount}}}, imap.SearchFlag{Flag: imap.FlagFlagged})
	require.NoError(t, err)
	require.Equal(t, []any{uint32(2), uint32(11), uint32(3), imap.ModSeq(9)}, []any{f.Min, f.Max, f.Count, f.ModSeq})
	l, err := c.ListWith(ctx, &imapclient.ListOptions{Status: []imap.StatusItem{imap.StatusMessages}})
	require.NoError(t, err)
	require.Equal(t, uint32(2), l[0].Status.Messages)
	require.Nil(t, l[1].Status)
	var pages [][]imap.UID
	for page, err := range c.SearchPages(ctx, 2, imap.SearchAll{}) {
		require.NoError(t, err)
		pages = append(pages, page)
	}
	require.Equal(t, [][]imap.UID{{1, 2}, {3}}, pages)
	u, err := c.AppendAll(ctx, "INBOX", imapclient.AppendMessage{Body: strings.NewReader("a")}, imapclient.AppendMessage{Body: strings.NewReader("b")})
	require.ErrorIs(t, err, imap.ErrOverQuota)
	require.Equal(t, "1", u.UIDs.String())
	names, err := collect(c.Lsub(ctx, "", "*"), func(m *imap.MailboxInfo) string { return m.Name })
	require.NoError(t, err)
	require.Equal(t, []string{"INBOX"}, names)
	require.NoError(t, c.Check(ctx))
	require.NoError(t, c.CloseMailbox(ctx))
	f, err = c.SearchWith(ctx, &imapclient.SearchOptions{SeqNums: true}, imap.SearchFlag{Flag: imap.FlagFlagged})
	require.NoError(t, err)
	require.Equal(t, "3", f.SeqNums().String())
}

func TestPages(t *testing.T) {
	c := offering(t, "ESEARCH PARTIAL", `C: {{a}} UID SEARCH RETURN (PARTIAL 1:2) ALL
S: * ESEARCH (TAG "{{a}}") UID PARTIAL (1:2 4,9)
S: {{a}} OK done
C: {{b}} UID SEARCH RETURN (PARTIAL 3:4) ALL
S: * ESEARCH (TAG "{{b}}") UID PARTIAL (3:4 10)
S: {{b}} OK done
C: {{c}} UID SEARCH RETURN (PARTIAL 1:2) ALL
S: * ESEARCH (TAG "{{c}}") UID PARTIAL (1:2 1:4294967295)
S: {{c}} OK done
`)
	var pages [][]imap.UID
	for page, err := range c.SearchPages(t.Context(), 2, imap.SearchAll{}) {
		require.NoError(t, err)
		pages = append(pages, page)
	}
	require.Equal(t, [][]imap.UID{{4, 9}, {10}}, pages)
	for _, err := range c.SearchPages(t.Context(), 2, imap.SearchAll{}) {
		require.ErrorIs(t, err, imapclient.ErrProtocol)
	}
}

func TestMultiAppend(t *testing.T) {
	c := offering(t, "MULTIAPPEND APPENDLIMIT=5", `C: {{a}} APPEND Saved (\\Seen) {3}
S: + go
C~ one
C:  {4}
S: + go
C: four
S: {{a}} OK [APPENDUID 1 7:8] done
C: {{b}} APPEND Saved {3}
S: + go
C~ one
C:  {4}
S: {{b}} NO [TRYCREATE] no
C: {{c}} NOOP
S: {{c}} OK
`)
	ctx := t.Context()
	two := func() []imapclient.AppendMessage {
		return []imapclient.AppendMessage{{Body: strings.NewReader("one")}, {Body: strings.NewReader("four")}}
	}
	m := two()
	m[0].Options.Flags = []imap.Flag{imap.FlagSeen}
	u, err := c.AppendAll(ctx, "Saved", m...)
	require.NoError(t, err)
	require.Equal(t, "7:8", u.UIDs.String())
	_, err = c.AppendAll(ctx, "Saved", two()...)
	require.ErrorIs(t, err, imap.ErrTryCreate)
	_, err = c.Append(ctx, "Saved", strings.NewReader("sixsix"), nil)
	require.ErrorIs(t, err, imap.ErrTooBig)
	_, err = c.Append(ctx, "Saved", strings.NewReader("x"), &imap.AppendOptions{UTF8: true})
	require.ErrorAs(t, err, new(*imapclient.ExtensionError))
	_, err = c.AppendAll(ctx, "Saved")
	require.NoError(t, err)
	require.NoError(t, c.Noop(ctx))
}

// MOVE without MOVE: in sequence, and no message is marked before its copy is
// there.
func TestMoveFallback(t *testing.T) {
	ctx := t.Context()
	fallback := &imapclient.MoveOptions{Fallback: true}
	c := offering(t, "UIDPLUS", `C: {{a}} UID COPY 4,7 Done
S: {{a}} OK [COPYUID 1 4,7 1:2] done
C: {{b}} UID STORE 4,7 +FLAGS.SILENT (\\Deleted)
S: {{b}} OK done
C: {{c}} UID EXPUNGE 4,7
S: {{c}} OK done
C: {{d}} UID COPY 4 Done
S: {{d}} NO [OVERQUOTA] full
C: {{e}} UID COPY 4 Done
S: {{e}} OK [COPYUID 1 4 3] done
C: {{f}} UID STORE 4 +FLAGS.SILENT (\\Deleted)
S: {{f}} NO no
C: {{g}} UID SEARCH UID 4:*
S: * SEARCH 4 9
S: {{g}} OK
C: {{h}} UID COPY 4,9 Done
S: {{h}} NO no
`)
	r, err := c.MoveWith(ctx, imap.UIDSetOf(4, 7), "Done", fallback)
	require.NoError(t, err)
	require.Equal(t, "1:2", r.Dest.String())
	_, err = c.MoveWith(ctx, imap.UIDSetOf(4), "Done", fallback)
	require.ErrorIs(t, err, imap.ErrOverQuota)
	r, err = c.MoveWith(ctx, imap.UIDSetOf(4), "Done", fallback)
	require.Error(t, err)
	require.Equal(t, "3", r.Dest.String(), "it is in both")
	_, err = c.MoveWith(ctx, imap.UIDs(4, imap.Max), "Done", fallback)
	require.Error(t, err)
	for _, set := range []imap.NumSet{imap.SeqNums(1, 1), imap.UIDs(1, 1)} {
		require.ErrorAs(t, c.Move(ctx, set, "Done"), new(*imapclient.ExtensionError))
	}
	_, err = c.MoveWith(ctx, imap.SeqNums(1, 1), "Done", fallback)
	require.ErrorAs(t, err, new(*imapclient.ExtensionError))

	c = offering(t, "", "--- client close ---\n")
	_, err = c.MoveWith(ctx, imap.UIDs(1, 1), "Done", fallback)
	require.ErrorAs(t, err, new(*imapclient.ExtensionError), "without UIDPLUS other messages would go too")
	c.Close()
}

func TestReferrals(t *testing.T) {
	ctx := t.Context()
	c := offering(t, "LOGIN-REFERRALS", `C: {{a}} LOGIN MIKE PASSWORD
S: {{a}} NO [REFERRAL imap://MIKE@SERVER2/] Specified user is invalid on this server.
C: {{b}} CAPABILITY
S: * CAPABILITY IMAP4rev1
S: {{b}} OK
C: {{c}} LOGIN MATTHEW PASSWORD
S: {{c}} OK [REFERRAL imap://MATTHEW@SERVER2/] Specified user's personal mailboxes located on Server2
C: {{d}} SELECT REMOTE
S: {{d}} NO [REFERRAL IMAP://user;AUTH=*@SERVER2/REMOTE IMAP://SERVER3/REMOTE] Remote mailbox.
`)
	var to *imapclient.ReferralError
	err := c.Login(ctx, "MIKE", "PASSWORD")
	require.ErrorAs(t, err, &to)
	require.Equal(t, []string{"imap://MIKE@SERVER2/"}, to.URLs)
	require.ErrorAs(t, err, new(*imap.Error))
	require.Empty(t, c.Referral())
	require.NoError(t, c.Login(ctx, "MATTHEW", "PASSWORD"))
	require.Equal(t, "imap://MATTHEW@SERVER2/", c.Referral())
	require.True(t, c.Authenticated())
	_, err = c.Select(ctx, "REMOTE")
	require.ErrorAs(t, err, &to)
	require.Len(t, to.URLs, 2)
	require.ErrorContains(t, err, "SERVER3")
}

func TestMessageLimit(t *testing.T) {
	c := offering(t, "UIDPLUS MESSAGELIMIT=1000", `C: {{a}} UID COPY 1:* X
S: {{a}} OK [MESSAGELIMIT 1000 23221] done in part
C: {{b}} UID FETCH 1:* FLAGS
S: * 1 FETCH (UID 4 FLAGS ())
S: {{b}} OK [MESSAGELIMIT 1000 23221] done in part
`)
	_, err := c.Copy(t.Context(), imap.UIDs(1, imap.Max), "X")
	var limit *imapclient.MessageLimitError
	require.ErrorAs(t, err, &limit)
	require.Equal(t, imapclient.MessageLimitError{Limit: 1000, LastUID: 23221}, *limit)
	require.ErrorContains(t, err, "23221")
	n, err := collect(c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchFlags), func(m *imapclient.Message) imap.UID { return m.UID })
	require.ErrorAs(t, err, &limit)
	require.Equal(t, []imap.UID{4}, n)
}

func TestMetadataTooLong(t *testing.T) {
	size := int64(10)
	c := offering(t, "METADATA", `C: {{a}} GETMETADATA (MAXSIZE 10) INBOX /shared/comment
S: * METADATA "INBOX" (/shared/comment "x")
S: {{a}} OK [METADATA LONGENTRIES 2199] done
`)
	found, err := c.Metadata(t.Context(), "INBOX", &imapclient.MetadataOptions{MaxSize: &size}, "/shared/comment")
	require.Len(t, found, 1)
	var said *imap.Error
	require.ErrorAs(t, err, &said)
	require.Equal(t, imap.CodeMetadata{Reason: imap.MetadataLongEntries, N: 2199}, said.Code)
}

// What Options ask for behind the login.
func TestWelcome(t *testing.T) {
	o := *clear
	o.ID, o.UTF8 = []imap.IDParam{{Name: "name", Value: "x"}}, true
	c := with(t, &o, "AUTH=PLAIN", `C: {{a}} LOGIN ada x
S: {{a}} OK [CAPABILITY IMAP4rev1 ID ENABLE UTF8=ONLY] done
C: {{b}} ID ("name" "x")
S: {{b}} OK
C: {{c}} ENABLE UTF8=ACCEPT
S: * ENABLED UTF8=ACCEPT
S: {{c}} OK
`)
	require.NoError(t, c.Login(t.Context(), "ada", "x"))
	require.True(t, c.Enabled(imap.CapUTF8Accept))
}

// What a server of rev2 alone sends and takes as names.
func TestRev2Names(t *testing.T) {
	s, err := testkit.ParseScript("rev2", []byte("S: * OK [CAPABILITY IMAP4rev2] ready\nC: {{a}} LIST \"\" *\nS: * LIST () \"/\" \"Entwürfe & mehr\"\nS: {{a}} OK\nC: {{b}} CREATE \"Grüße\"\nS: {{b}} OK\n"))
	require.NoError(t, err)
	var conn net.Conn = testkit.PlayServer(t, s, testkit.Player{})
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	names, err := collect(c.List(t.Context(), "", "*"), func(m *imap.MailboxInfo) string { return m.Name })
	require.NoError(t, err)
	require.Equal(t, []string{"Entwürfe & mehr"}, names)
	require.NoError(t, c.Create(t.Context(), "Grüße"))
	c.Close()
}

func TestParts(t *testing.T) {
	ctx := t.Context()
	structure := `(("TEXT" "PLAIN" ("CHARSET" "iso-8859-1") NIL NIL "QUOTED-PRINTABLE" 9 1 NIL NIL NIL)("APPLICATION" "PDF" NIL NIL NIL "BASE64" 8 NIL NIL NIL)` +
		`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 30 (NIL "Inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 2 1 NIL NIL NIL) 3 NIL NIL NIL) "MIXED" NIL NIL NIL)`
	open := func(tag, section string) string {
		return "C: {{" + tag + "}} UID FETCH 7 BODYSTRUCTURE\nS: * 1 FETCH (UID 7 BODYSTRUCTURE " + structure + ")\nS: {{" + tag + "}} OK\nC: {{" + tag + "2}} UID FETCH 7 " + section + "\n"
	}
	c := offering(t, "", open("a", "BODY.PEEK[1]")+"S: * 2 FETCH (FLAGS ())\nS: * 1 FETCH (UID 7 BODY[1] {9}\nS: Gr=FC=DFe)\nS: {{a2}} OK\n"+
		open("b", "BODY.PEEK[2]")+"S: * 1 FETCH (UID 7 BODY[2] \"JVBERg==\")\nS: {{b2}} OK\n"+
		open("c", "BODY.PEEK[3.1]")+"S: * 1 FETCH (UID 7 BODY[3.1] \"hi\")\nS: {{c2}} OK\n"+
		open("d", "BODY.PEEK[2]")+"S: {{d2}} OK\n"+
		"C: {{e}} UID FETCH 7 BODYSTRUCTURE\nS: * 1 FETCH (UID 7 BODYSTRUCTURE "+structure+")\nS: {{e}} OK\n"+
		"C: {{f}} UID FETCH 8 BODYSTRUCTURE\nS: {{f}} OK\n"+
		"C: {{g}} UID FETCH 7 BODY.PEEK[HEADER]\nS: * 1 FETCH (UID 7 BODY[HEADER] {15}\nS: Subject: Hello\nS: )\nS: {{g}} OK\n"+
		"C: {{h}} UID FETCH 7 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\nS: * 1 FETCH (UID 7 FLAGS () RFC822.SIZE 3)\nS: {{h}} OK\n"+
		"C: {{i}} UID FETCH 7 BODYSTRUCTURE\nS: * 1 FETCH (UID 7 BODYSTRUCTURE (\nS: {{i}} OK\n")
	p, err := c.OpenPart(ctx, 7, []int{1})
	require.NoError(t, err)
	require.ErrorIs(t, c.Noop(ctx), imapclient.ErrBusy)
	text, err := io.ReadAll(p.Text())
	require.NoError(t, err)
	require.Equal(t, "Grüße", string(text))
	require.NoError(t, p.Close())
	_, err = p.Read(make([]byte, 1))
	require.Error(t, err)
	for _, want := range []struct {
		path, text string
	}{{"2", "%PDF"}, {"3.1", "hi"}} {
		path, err := imapclient.ParsePart(want.path)
		require.NoError(t, err)
		p, err := c.OpenPart(ctx, 7, path)
		require.NoError(t, err)
		b, err := io.ReadAll(p)
		require.NoError(t, err)
		require.Equal(t, want.text, string(b))
		require.NoError(t, p.Close())
	}
	_, err = c.OpenPart(ctx, 7, []int{2})
	require.ErrorIs(t, err, imapclient.ErrNotFound, "expunged meanwhile")
	_, err = c.OpenPart(ctx, 7, []int{9})
	require.ErrorIs(t, err, imapclient.ErrNotFound)
	_, err = c.Structure(ctx, 8)
	require.ErrorIs(t, err, imapclient.ErrNotFound)
	_, err = c.Structure(ctx, 0)
	require.ErrorIs(t, err, imapclient.ErrNotFound)
	h, err := c.Header(ctx, 7)
	require.NoError(t, err)
	require.Equal(t, "Hello", h.Text("Subject"))
	sizes, err := collect(c.Overview(ctx, imap.UIDs(7, 7)), func(m *imapclient.Message) int64 { return m.Size })
	require.NoError(t, err)
	require.Equal(t, []int64{3}, sizes)
	_, err = c.Structure(ctx, 7)
	require.Error(t, err)
	require.NotErrorIs(t, err, imapclient.ErrNotFound)
	for _, bad := range []string{"0", "1.", ".", "-1", "+1", "01", "a", "99999999999999999999"} {
		_, err := imapclient.ParsePart(bad)
		require.Error(t, err, bad)
	}
}

func TestBinaryParts(t *testing.T) {
	structure := `("APPLICATION" "PDF" NIL NIL NIL "BASE64" 8 NIL NIL NIL)`
	ask := "UID FETCH 7 BODYSTRUCTURE\nS: * 1 FETCH (UID 7 BODYSTRUCTURE " + structure + ")\nS: "
	c := offering(t, "BINARY", "C: {{a}} "+ask+"{{a}} OK\nC: {{b}} UID FETCH 7 BINARY.PEEK[1]\nS: * 1 FETCH (UID 7 BINARY[1] ~{5}\nS: %P\\0DF)\nS: {{b}} OK\n"+
		"C: {{c}} "+ask+"{{c}} OK\nC: {{d}} UID FETCH 7 BINARY.PEEK[1]\nS: {{d}} NO [UNKNOWN-CTE] no\nC: {{e}} UID FETCH 7 BODY.PEEK[1]\nS: * 1 FETCH (UID 7 BODY[1] \"JVBERg==\")\nS: {{e}} OK\n"+
		"C: {{f}} "+ask+"{{f}} OK\nC: {{g}} UID FETCH 7 BODY.PEEK[]\nS: * 1 FETCH (UID 7 BODY[] \"whole\")\nS: {{g}} OK\n")
	for _, want := range []string{"%P\x00DF", "%PDF"} {
		p, err := c.OpenPart(t.Context(), 7, []int{1})
		require.NoError(t, err)
		b, err := io.ReadAll(p)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
		require.NoError(t, p.Close())
	}
	p, err := c.OpenPart(t.Context(), 7, nil)
	require.NoError(t, err)
	b, err := io.ReadAll(p)
	require.NoError(t, err)
	require.Equal(t, "whole", string(b))
	require.NoError(t, p.Close())
}

func TestFindPart(t *testing.T) {
	leaf := func(s string) *imap.BodyStructure { return &imap.BodyStructure{Type: "text", Subtype: s} }
	embedded := func(b *imap.BodyStructure) *imap.BodyStructure {
		return &imap.BodyStructure{Type: "message", Subtype: "rfc822", Body: b}
	}
	multi := func(parts ...*imap.BodyStructure) *imap.BodyStructure {
		return &imap.BodyStructure{Type: "multipart", Subtype: "mixed", Parts: parts}
	}
	// The example of RFC 3501 section 6.4.5.
	tree := multi(leaf("1"), leaf("2"), embedded(multi(leaf("3.1"), leaf("3.2"))), multi(leaf("4.1"), embedded(multi(leaf("4.2.1"), multi(leaf("4.2.2.1"), leaf("4.2.2.2"))))), embedded(leaf("5.1")))
	for _, name := range []string{"1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2", "5.1"} {
		path, err := imapclient.ParsePart(name)
		require.NoError(t, err)
		got := imapclient.FindPart(tree, path)
		require.NotNil(t, got, name)
		require.Equal(t, name, got.Subtype)
	}
	for _, name := range []string{"6", "1.1", "3.3", "5.2", "5.1.1", "4.2.2.1.1"} {
		path, err := imapclient.ParsePart(name)
		require.NoError(t, err)
		require.Nil(t, imapclient.FindPart(tree, path), name)
	}
	require.Equal(t, tree, imapclient.FindPart(tree, nil))
	require.Equal(t, "x", imapclient.FindPart(leaf("x"), []int{1}).Subtype)
	require.Equal(t, "rfc822", imapclient.FindPart(embedded(leaf("x")), []int{1}).Subtype)
	require.Equal(t, "x", imapclient.FindPart(embedded(leaf("x")), []int{1, 1}).Subtype)
	require.Nil(t, imapclient.FindPart(nil, []int{1}))
}
