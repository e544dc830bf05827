//go:build interop

package interop

// imapclient against Dovecot, Cyrus and Courier: what each of them advertises is
// tried, by a table, so that nothing that they advertise goes untried.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/sasl"
)

// surface is a connection to a server, with the mailbox box selected, in which
// are the three messages of surfaceMail.
type surface struct {
	*imapclient.Client
	t    *testing.T
	caps imap.Capabilities
	box  string
	// dial makes another connection of the same account, before the login.
	dial func(auth sasl.Mechanism) *imapclient.Client
	uids []imap.UID
}

func (s *surface) ctx() context.Context { return s.t.Context() }

var surfaceMail = []string{
	"From: Ada <ada@example.test>\r\nTo: bob@example.test\r\nSubject: plans\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\n" +
		"Message-ID: <1@example.test>\r\n\r\nWe meet at noon.\r\n",
	"From: Bob <bob@example.test>\r\nTo: ada@example.test\r\nSubject: Re: plans\r\nDate: Mon, 01 Jun 2026 11:00:00 +0000\r\n" +
		"Message-ID: <2@example.test>\r\nIn-Reply-To: <1@example.test>\r\nReferences: <1@example.test>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BCn\r\n--b\r\nContent-Type: application/octet-stream; name=x.bin\r\n" +
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.bin\r\n\r\nAAECAw==\r\n--b--\r\n",
	"From: Carol <carol@example.test>\r\nTo: ada@example.test\r\nSubject: another matter\r\nDate: Tue, 02 Jun 2026 09:00:00 +0000\r\n" +
		"Message-ID: <3@example.test>\r\n\r\n" + strings.Repeat("Something longer. ", 100) + "\r\n",
}

// tried is what is done for a capability. Those that are advertised before the
// login, or are a part of another, name the test that shows them.
var tried = map[imap.Capability]func(s *surface){
	"IMAP4rev1": func(s *surface) {
		seen := 0
		for m, err := range s.Overview(s.ctx(), imap.UIDs(1, imap.Max)) {
			require.NoError(s.t, err)
			require.Contains(s.t, []string{"plans", "Re: plans", "another matter"}, m.Envelope.Subject)
			seen++
		}
		require.Equal(s.t, 3, seen)
		structure, err := s.Structure(s.ctx(), s.uids[1])
		require.NoError(s.t, err)
		require.Len(s.t, structure.Parts, 2)
		part, err := s.OpenPart(s.ctx(), s.uids[1], []int{1})
		require.NoError(s.t, err)
		text, err := io.ReadAll(part)
		require.NoError(s.t, err)
		require.NoError(s.t, part.Close())
		require.Equal(s.t, "grün", strings.TrimRight(string(text), "\r\n"))
		header, err := s.Header(s.ctx(), s.uids[0])
		require.NoError(s.t, err)
		id, ok := header.Get("Message-ID")
		require.True(s.t, ok)
		require.Equal(s.t, []string{"1@example.test"}, id.MessageIDs())
		found, err := s.Search(s.ctx(), imap.SearchHeader{Name: "Subject", Value: "plans"})
		require.NoError(s.t, err)
		require.Equal(s.t, s.uids[:2], found)
		for m, err := range s.StoreFlags(s.ctx(), imap.UIDSetOf(s.uids[0]), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagFlagged}}) {
			require.NoError(s.t, err)
			require.True(s.t, imap.HasFlag(m.Flags, imap.FlagFlagged))
		}
		require.NoError(s.t, s.Noop(s.ctx()))
		require.NoError(s.t, s.Check(s.ctx()))
		body := &imap.BodySection{Peek: true, Partial: &imap.Partial{Offset: 6, Count: 3}}
		for m, err := range s.Fetch(s.ctx(), imap.UIDSetOf(s.uids[0]), body) {
			require.NoError(s.t, err)
			text, err := io.ReadAll(m.Open(body))
			require.NoError(s.t, err)
			require.Equal(s.t, "Ada", string(text))
		}
	},
	imap.CapLiteralPlus:  nil, // every APPEND above
	imap.CapLiteralMinus: nil,
	imap.CapSASLIR:       nil, // the login
	imap.CapUIDPlus: func(s *surface) {
		code, err := s.Append(s.ctx(), s.box, strings.NewReader(surfaceMail[0]), nil)
		require.NoError(s.t, err)
		require.NotNil(s.t, code)
		require.EqualValues(s.t, 1, code.UIDs.Count())
		result, err := s.Copy(s.ctx(), code.UIDs, s.box)
		require.NoError(s.t, err)
		if result == nil || result.Dest.Empty() {
			// Courier does not say where a copy went, nor tell of it before it is
			// asked.
			require.NoError(s.t, s.Noop(s.ctx()))
			found, err := s.Search(s.ctx(), imap.SearchAll{})
			require.NoError(s.t, err)
			result = &imap.CopyResult{Source: code.UIDs, Dest: imap.UIDSetOf(found[len(found)-1])}
		}
		require.True(s.t, code.UIDs.Equal(result.Source))
		require.NoError(s.t, s.Store(s.ctx(), imap.UIDs(1, imap.Max), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
		code.UIDs.AddSet(result.Dest)
		require.NoError(s.t, s.Expunge(s.ctx(), code.UIDs))
		require.NoError(s.t, s.Store(s.ctx(), imap.UIDs(1, imap.Max), imap.FlagChange{Action: imap.StoreRemove, Flags: []imap.Flag{imap.FlagDeleted}}))
		left, err := s.Search(s.ctx(), imap.SearchAll{})
		require.NoError(s.t, err)
		require.Equal(s.t, s.uids, left)
	},
	imap.CapMove: func(s *surface) {
		code, err := s.Append(s.ctx(), s.box, strings.NewReader(surfaceMail[0]), nil)
		require.NoError(s.t, err)
		other := s.box + "-moved"
		require.NoError(s.t, s.Create(s.ctx(), other))
		result, err := s.MoveWith(s.ctx(), code.UIDs, other, nil)
		require.NoError(s.t, err)
		require.EqualValues(s.t, 1, result.Dest.Count())
		st, err := s.Status(s.ctx(), other, imap.StatusMessages)
		require.NoError(s.t, err)
		require.EqualValues(s.t, 1, st.Messages)
		require.NoError(s.t, s.Delete(s.ctx(), other))
	},
	imap.CapUnselect: func(s *surface) {
		require.NoError(s.t, s.Unselect(s.ctx()))
		_, err := s.Select(s.ctx(), s.box)
		require.NoError(s.t, err)
	},
	imap.CapIdle: func(s *surface) {
		other := s.dial(sasl.Plain("", "ada", password))
		defer other.Close()
		ctx, cancel := context.WithTimeout(s.ctx(), time.Minute)
		defer cancel()
		appended := make(chan error, 1)
		var code *imap.CodeAppendUID
		go func() {
			var err error
			code, err = other.Append(ctx, s.box, strings.NewReader(surfaceMail[0]), nil)
			appended <- err
		}()
		for e, err := range s.Idle(ctx) {
			require.NoError(s.t, err)
			if e.Kind == imapclient.EventExists && e.Messages == 4 {
				cancel()
			}
		}
		require.NoError(s.t, <-appended)
		s.remove(code.UIDs)
	},
	imap.CapID: func(s *surface) {
		params, err := s.ID(s.ctx(), imap.IDParam{Name: "name", Value: "mailwire"})
		require.NoError(s.t, err)
		s.t.Log("ID:", params)
	},
	imap.CapEnable: func(s *surface) {
		// What is not offered is not asked for.
		_, err := s.Enable(s.ctx(), "X-NOT-KNOWN")
		var missing *imapclient.ExtensionError
		require.ErrorAs(s.t, err, &missing)
		if s.caps.Has(imap.CapCondStore) {
			enabled, err := s.Enable(s.ctx(), imap.CapCondStore)
			require.NoError(s.t, err)
			require.True(s.t, enabled.Has(imap.CapCondStore))
		}
	},
	imap.CapNamespace: func(s *surface) {
		n, err := s.Namespaces(s.ctx())
		require.NoError(s.t, err)
		require.NotEmpty(s.t, n.Personal)
	},
	imap.CapChildren: func(s *surface) {
		seen := false
		for m, err := range s.List(s.ctx(), "", "*") {
			require.NoError(s.t, err)
			seen = seen || m.Has(imap.AttrHasNoChildren) || m.Has(imap.AttrHasChildren)
		}
		require.True(s.t, seen)
	},
	imap.CapSort: func(s *surface) {
		order := []imap.SortKey{{Field: imap.SortDate, Reverse: true}}
		uids, err := s.Sort(s.ctx(), order, imap.SearchAll{})
		require.NoError(s.t, err)
		require.Equal(s.t, []imap.UID{s.uids[2], s.uids[1], s.uids[0]}, uids)
	},
	imap.CapSortDisplay: func(s *surface) {
		uids, err := s.Sort(s.ctx(), []imap.SortKey{{Field: imap.SortDisplayFrom}}, imap.SearchAll{})
		require.NoError(s.t, err)
		require.Equal(s.t, s.uids, uids)
	},
	imap.CapESort: func(s *surface) {
		found, err := s.SortWith(s.ctx(), &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnMax}, {Name: imap.ReturnCount}}},
			[]imap.SortKey{{Field: imap.SortDate, Reverse: true}}, imap.SearchAll{})
		require.NoError(s.t, err)
		require.EqualValues(s.t, 3, found.Count)
	},
	"THREAD=REFERENCES":     func(s *surface) { s.threads(imap.ThreadReferences) },
	"THREAD=ORDEREDSUBJECT": func(s *surface) { s.threads(imap.ThreadOrderedSubject) },
	"THREAD=REFS":           func(s *surface) { s.threads("REFS") },
	imap.CapESearch: func(s *surface) {
		found, err := s.SearchWith(s.ctx(), &imapclient.SearchOptions{Return: []imap.SearchReturn{
			{Name: imap.ReturnMin}, {Name: imap.ReturnMax}, {Name: imap.ReturnCount}, {Name: imap.ReturnAll}}}, imap.SearchAll{})
		require.NoError(s.t, err)
		require.EqualValues(s.t, 3, found.Count)
		require.EqualValues(s.t, s.uids[0], found.Min)
		require.EqualValues(s.t, s.uids[2], found.Max)
	},
	imap.CapSearchRes: func(s *surface) {
		_, err := s.SearchWith(s.ctx(), &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnSave}}}, imap.SearchText{Field: imap.SearchSubject, Value: "plans"})
		require.NoError(s.t, err)
		n := 0
		for m, err := range s.Fetch(s.ctx(), imap.SavedUIDs(), imap.FetchUID) {
			require.NoError(s.t, err)
			require.Contains(s.t, s.uids[:2], m.UID)
			n++
		}
		require.Equal(s.t, 2, n)
	},
	imap.CapWithin: func(s *surface) {
		uids, err := s.Search(s.ctx(), imap.SearchYounger{Seconds: 100000})
		require.NoError(s.t, err)
		require.Equal(s.t, s.uids, uids)
	},
	imap.CapContextSearch: func(s *surface) {
		found, err := s.SearchWith(s.ctx(), &imapclient.SearchOptions{Return: []imap.SearchReturn{{Name: imap.ReturnUpdate}}}, imap.SearchAll{})
		require.NoError(s.t, err)
		if !found.NoUpdate {
			require.NoError(s.t, s.CancelUpdate(s.ctx(), found.Tag))
		}
	},
	imap.CapPartial: func(s *surface) { s.pages() },
	imap.CapSearchFuzzy: func(s *surface) {
		_, err := s.Search(s.ctx(), imap.SearchFuzzy{Key: imap.SearchText{Field: imap.SearchSubject, Value: "plan"}})
		require.NoError(s.t, err)
	},
	imap.CapMultiSearch: func(s *surface) {
		found, err := s.MultiSearch(s.ctx(), []imap.MailboxFilter{{Scope: imap.ScopeMailboxes, Mailboxes: []string{s.box}}},
			[]imap.SearchReturn{{Name: imap.ReturnCount}}, imap.SearchAll{})
		require.NoError(s.t, err)
		require.Len(s.t, found, 1)
	},
	imap.CapListExtended: func(s *surface) {
		require.NoError(s.t, s.Subscribe(s.ctx(), s.box))
		list, err := s.ListWith(s.ctx(), &imapclient.ListOptions{Subscribed: true, ReturnChildren: true})
		require.NoError(s.t, err)
		require.True(s.t, slices.ContainsFunc(list, func(e *imapclient.ListEntry) bool { return e.Name == s.box }))
		require.NoError(s.t, s.Unsubscribe(s.ctx(), s.box))
	},
	imap.CapListStatus: func(s *surface) { s.listed(&imapclient.ListOptions{Status: []imap.StatusItem{imap.StatusMessages}}) },
	imap.CapListMyRights: func(s *surface) {
		require.NotEmpty(s.t, s.listed(&imapclient.ListOptions{MyRights: true}).Rights)
	},
	imap.CapListMetadata: func(s *surface) { s.listed(&imapclient.ListOptions{Metadata: []string{"/private/comment"}}) },
	imap.CapSpecialUse:   func(s *surface) { s.listed(&imapclient.ListOptions{ReturnSpecialUse: true}) },
	imap.CapCreateSpecialUse: func(s *surface) {
		name := s.box + "-drafts"
		require.NoError(s.t, s.Create(s.ctx(), name, imap.AttrDrafts))
		list, err := s.ListWith(s.ctx(), &imapclient.ListOptions{SpecialUse: true})
		require.NoError(s.t, err)
		require.True(s.t, slices.ContainsFunc(list, func(e *imapclient.ListEntry) bool { return e.Name == name && e.Has(imap.AttrDrafts) }))
		// Cyrus protects it.
		if err := s.Delete(s.ctx(), name); !refused(err) {
			require.NoError(s.t, err)
		}
	},
	imap.CapStatusSize: func(s *surface) {
		st, err := s.Status(s.ctx(), s.box, imap.StatusSize)
		require.NoError(s.t, err)
		require.EqualValues(s.t, len(strings.Join(surfaceMail, "")), st.Size)
	},
	imap.CapCondStore: func(s *surface) {
		st, err := s.SelectWith(s.ctx(), s.box, &imapclient.SelectOptions{CondStore: true})
		require.NoError(s.t, err)
		require.NotZero(s.t, st.HighestModSeq)
		since := st.HighestModSeq
		require.NoError(s.t, s.Store(s.ctx(), imap.UIDSetOf(s.uids[1]), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagAnswered}}))
		n := 0
		for m, err := range s.FetchWith(s.ctx(), imap.UIDs(1, imap.Max), &imapclient.FetchOptions{ChangedSince: &since}, imap.FetchUID, imap.FetchFlags) {
			require.NoError(s.t, err)
			if m.UID == s.uids[1] && m.ModSeq > since {
				n++
			}
		}
		require.Positive(s.t, n)
		// Somebody was there before.
		var modified *imapclient.ModifiedError
		err = s.Store(s.ctx(), imap.UIDSetOf(s.uids[1]), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDraft}, UnchangedSince: &since})
		require.ErrorAs(s.t, err, &modified)
	},
	imap.CapQResync: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		enabled, err := c.Enable(s.ctx(), imap.CapQResync)
		require.NoError(s.t, err)
		require.True(s.t, enabled.Has(imap.CapQResync))
		st, err := c.Select(s.ctx(), s.box)
		require.NoError(s.t, err)
		require.NoError(s.t, c.Unselect(s.ctx()))
		code, err := s.Append(s.ctx(), s.box, strings.NewReader(surfaceMail[0]), nil)
		require.NoError(s.t, err)
		s.remove(code.UIDs)
		var changed []imap.UID
		require.NoError(s.t, s.Store(s.ctx(), imap.UIDSetOf(s.uids[2]), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen}}))
		known := imap.UIDs(1, imap.Max).Resolve(s.uids[2])
		_, err = c.SelectWith(s.ctx(), s.box, &imapclient.SelectOptions{
			QResync: &imap.QResync{UIDValidity: st.UIDValidity, ModSeq: st.HighestModSeq, KnownUIDs: known},
			Changed: func(m *imapclient.Message) { changed = append(changed, m.UID) },
		})
		require.NoError(s.t, err)
		require.Contains(s.t, changed, s.uids[2])
	},
	imap.CapACL: func(s *surface) {
		rights, err := s.MyRights(s.ctx(), s.box)
		require.NoError(s.t, err)
		require.Contains(s.t, string(rights), "l")
		require.NoError(s.t, s.SetACL(s.ctx(), s.box, "bob", imap.RightsReplace, "lrs"))
		acl, err := s.ACL(s.ctx(), s.box)
		require.NoError(s.t, err)
		require.True(s.t, slices.ContainsFunc(acl, func(e imap.ACLEntry) bool {
			return strings.HasPrefix(e.Identifier, "bob") || strings.HasSuffix(e.Identifier, "bob")
		}), "%v", acl)
		_, _, err = s.ListRights(s.ctx(), s.box, "bob")
		require.NoError(s.t, err)
		require.NoError(s.t, s.DeleteACL(s.ctx(), s.box, "bob"))
	},
	imap.CapQuota: func(s *surface) {
		quotas, err := s.MailboxQuota(s.ctx(), s.box)
		if refused(err) { // Cyrus, where there is none
			s.t.Log("QUOTA:", err)
			return
		}
		require.NoError(s.t, err)
		for _, q := range quotas {
			if _, err := s.Quota(s.ctx(), q.Root); !refused(err) {
				require.NoError(s.t, err)
			}
		}
	},
	imap.CapMetadata: func(s *surface) {
		entry := imap.MetadataEntry{Name: "/private/comment", Value: []byte("a note\r\nof two lines")}
		require.NoError(s.t, s.SetMetadata(s.ctx(), s.box, entry))
		got, err := s.Metadata(s.ctx(), s.box, nil, entry.Name)
		require.NoError(s.t, err)
		require.Equal(s.t, []imap.MetadataEntry{entry}, got)
		entry.Value = nil
		require.NoError(s.t, s.SetMetadata(s.ctx(), s.box, entry))
	},
	imap.CapMultiAppend: func(s *surface) {
		code, err := s.AppendAll(s.ctx(), s.box, imapclient.AppendMessage{Body: strings.NewReader(surfaceMail[0])},
			imapclient.AppendMessage{Body: strings.NewReader(surfaceMail[1]), Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}}})
		require.NoError(s.t, err)
		require.EqualValues(s.t, 2, code.UIDs.Count())
		s.remove(code.UIDs)
	},
	imap.CapCatenate: func(s *surface) {
		code, err := s.AppendParts(s.ctx(), s.box, []imapclient.Part{
			{Body: strings.NewReader("Subject: put together\r\n\r\n")},
			{URL: fmt.Sprintf("/%s/;UID=%d/;SECTION=TEXT", s.box, s.uids[0])},
		}, nil)
		require.NoError(s.t, err)
		body := &imap.BodySection{Peek: true}
		for m, err := range s.Fetch(s.ctx(), code.UIDs, body) {
			require.NoError(s.t, err)
			text, err := io.ReadAll(m.Open(body))
			require.NoError(s.t, err)
			require.Equal(s.t, "Subject: put together\r\n\r\nWe meet at noon.\r\n", string(text))
		}
		s.remove(code.UIDs)
	},
	imap.CapReplace: func(s *surface) {
		code, err := s.Append(s.ctx(), s.box, strings.NewReader(surfaceMail[0]), nil)
		require.NoError(s.t, err)
		for uid := range code.UIDs.All() {
			code, err = s.Replace(s.ctx(), uid, s.box, strings.NewReader(surfaceMail[2]), nil)
			require.NoError(s.t, err)
		}
		s.remove(code.UIDs)
	},
	imap.CapBinary: func(s *surface) {
		item := &imap.BinarySection{Part: []int{2}, Peek: true}
		size := &imap.BinarySize{Part: []int{2}}
		for m, err := range s.Fetch(s.ctx(), imap.UIDSetOf(s.uids[1]), item, size) {
			require.NoError(s.t, err)
			body, err := io.ReadAll(m.Open(item))
			require.NoError(s.t, err)
			require.Equal(s.t, "\x00\x01\x02\x03", string(body))
		}
	},
	"URLAUTH": func(s *surface) {
		urls, err := s.GenURLAuth(s.ctx(), "INTERNAL", fmt.Sprintf("imap://ada@localhost/%s/;UID=%d;URLAUTH=anonymous", s.box, s.uids[0]))
		if refused(err) {
			s.t.Log("URLAUTH:", err)
			return
		}
		require.NoError(s.t, err)
		for c, err := range s.FetchURLs(s.ctx(), urls...) {
			require.NoError(s.t, err)
			require.NotNil(s.t, c)
		}
	},
	imap.CapCompressDeflate: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		require.NoError(s.t, c.Compress(s.ctx()))
		_, err := c.Select(s.ctx(), s.box)
		require.NoError(s.t, err)
		n := 0
		for m, err := range c.Overview(s.ctx(), imap.UIDs(1, imap.Max)) {
			require.NoError(s.t, err)
			require.NotNil(s.t, m.Envelope)
			n++
		}
		require.Equal(s.t, 3, n)
	},
	imap.CapNotify: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		require.NoError(s.t, c.Notify(s.ctx(), &imap.NotifySpec{Groups: []imap.NotifyGroup{{
			Mailboxes: imap.MailboxFilter{Scope: imap.ScopePersonal}, Events: []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge},
		}}}))
		require.NoError(s.t, c.Notify(s.ctx(), nil))
	},
	imap.CapObjectID: func(s *surface) {
		st, err := s.Status(s.ctx(), s.box, imap.StatusMailboxID)
		require.NoError(s.t, err)
		require.NotEmpty(s.t, st.MailboxID)
		s.fetched(func(m *imapclient.Message) { require.NotEmpty(s.t, m.EmailID) }, imap.FetchEmailID, imap.FetchThreadID)
	},
	imap.CapSaveDate: func(s *surface) {
		s.fetched(func(m *imapclient.Message) { require.False(s.t, m.SaveDate.IsZero()) }, imap.FetchSaveDate)
	},
	imap.CapPreview: func(s *surface) {
		s.fetched(func(m *imapclient.Message) {
			require.NotZero(s.t, m.Has&imapwire.HasPreview)
			if m.UID == s.uids[0] && !m.PreviewNil {
				require.Contains(s.t, m.Preview, "We meet at noon.")
			}
		}, imap.FetchPreview)
	},
	imap.CapUTF8Accept: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		enabled, err := c.Enable(s.ctx(), imap.CapUTF8Accept)
		require.NoError(s.t, err)
		require.True(s.t, enabled.Has(imap.CapUTF8Accept))
		_, err = c.Select(s.ctx(), s.box)
		require.NoError(s.t, err)
	},
	imap.CapUnauthenticate: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		require.NoError(s.t, c.Unauthenticate(s.ctx()))
		require.NoError(s.t, c.Authenticate(s.ctx(), sasl.Plain("", "ada", password)))
	},
	imap.CapLanguage: func(s *surface) {
		_, err := s.Language(s.ctx())
		require.NoError(s.t, err)
	},
	imap.CapUIDOnly: func(s *surface) {
		c := s.dial(sasl.Plain("", "ada", password))
		defer c.Close()
		_, err := c.Enable(s.ctx(), imap.CapUIDOnly)
		require.NoError(s.t, err)
		_, err = c.Select(s.ctx(), s.box)
		require.NoError(s.t, err)
		n := 0
		for m, err := range c.Fetch(s.ctx(), imap.UIDs(1, imap.Max), imap.FetchFlags) {
			require.NoError(s.t, err)
			require.Contains(s.t, s.uids, m.UID)
			n++
		}
		require.Equal(s.t, 3, n)
	},
	imap.CapXList: func(s *surface) {
		n := 0
		for _, err := range s.XList(s.ctx(), "", "*") {
			require.NoError(s.t, err)
			n++
		}
		require.Positive(s.t, n)
	},
	imap.CapJMAPAccess: func(s *surface) {
		_, err := s.JMAPAccess(s.ctx())
		require.NoError(s.t, err)
	},
}

// notTried are capabilities that nothing of a client's follows from, or that
// FEATURES has no room for.
var notTried = map[string]string{
	"AUTH=":                 "the logins of sasl_servers_test.go",
	"RIGHTS=":               "which rights there are, in ACL",
	"QUOTA=":                "which resources there are, in QUOTA",
	"QUOTASET":              "for administrators",
	"APPENDLIMIT":           "a number",
	"I18NLEVEL=":            "how strings are compared",
	"URL-PARTIAL":           "a form of URLs in CATENATE",
	"URLAUTH=BINARY":        "a draft",
	"LOGIN-REFERRALS":       "neither server refers",
	"MAILBOX-REFERRALS":     "neither server refers",
	"SNIPPET=":              "an older form of PREVIEW",
	"PREVIEW=":              "an older form of PREVIEW",
	"ANNOTATE-EXPERIMENT-1": "not wanted",
	"DIGEST=":               "Cyrus' own",
	"SORT=MODSEQ":           "Cyrus' own",
	"SORT=UID":              "Cyrus' own",
	"X":                     "a server's own",
	"STATUS=":               "items of STATUS",
	"LOGINDISABLED":         "before TLS",
	"STARTTLS":              "before TLS",
	"THREAD=":               "in SORT and THREAD",
	"ACL2=":                 "Courier's own",
	"NO_ATOMIC_RENAME":      "Cyrus' own",
	"SCAN":                  "Cyrus' own",
	"KEYWORDS":              "Courier's own",
	"IMAP4REV2":             "what it adds is in the other capabilities",
	"MESSAGELIMIT=":         "a number",
	"SAVELIMIT=":            "a number",
	"UIDBATCHES":            "a draft",
	"METADATA-SERVER":       "METADATA without a mailbox",
	"INPROGRESS":            "told by the server",
	"CONTEXT=SORT":          "CONTEXT=SEARCH, with SORT",
	"FILTERS":               "no filters are set up",
	"IMAPSIEVE=":            "for scripts",
}

func refused(err error) bool {
	var e *imap.Error
	return errors.As(err, &e) && e.Kind == imap.NO
}

func (s *surface) remove(set imap.UIDSet) {
	s.t.Helper()
	require.NoError(s.t, s.Noop(s.ctx()))
	require.NoError(s.t, s.Store(s.ctx(), set, imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	require.NoError(s.t, s.Expunge(s.ctx(), set))
}

func (s *surface) threads(a imap.ThreadAlgorithm) {
	threads, err := s.Thread(s.ctx(), a, imap.SearchAll{})
	require.NoError(s.t, err)
	require.Len(s.t, threads, 2)
}

func (s *surface) pages() {
	var all []imap.UID
	for page, err := range s.SearchPages(s.ctx(), 2, imap.SearchAll{}) {
		require.NoError(s.t, err)
		all = append(all, page...)
	}
	require.Equal(s.t, s.uids, all)
}

func (s *surface) listed(o *imapclient.ListOptions) *imapclient.ListEntry {
	s.t.Helper()
	list, err := s.ListWith(s.ctx(), o)
	require.NoError(s.t, err)
	i := slices.IndexFunc(list, func(e *imapclient.ListEntry) bool { return e.Name == s.box })
	require.GreaterOrEqual(s.t, i, 0)
	if len(o.Status) > 0 {
		require.NotNil(s.t, list[i].Status)
		require.EqualValues(s.t, 3, list[i].Status.Messages)
	}
	return list[i]
}

func (s *surface) fetched(on func(*imapclient.Message), items ...imap.FetchItem) {
	s.t.Helper()
	n := 0
	for m, err := range s.Fetch(s.ctx(), imap.UIDs(1, imap.Max), append([]imap.FetchItem{imap.FetchUID}, items...)...) {
		require.NoError(s.t, err)
		on(m)
		n++
	}
	require.Equal(s.t, 3, n)
}

func testSurface(t *testing.T, addr, name string, config *tls.Config) {
	dial := func(auth sasl.Mechanism) *imapclient.Client {
		c, err := imapclient.Dial(t.Context(), addr, &imapclient.Options{TLS: imapclient.Implicit, TLSConfig: config, Auth: auth})
		require.NoError(t, err)
		return c
	}
	c := dial(sasl.Plain("", "ada", password))
	defer c.Close()
	caps, err := c.Capabilities(t.Context())
	require.NoError(t, err)
	t.Log(caps)
	box := name
	if caps.Has(imap.CapNamespace) {
		n, err := c.Namespaces(t.Context())
		require.NoError(t, err)
		box = n.Personal[0].Prefix + name
	}
	require.NoError(t, c.Create(t.Context(), box))
	for _, m := range surfaceMail {
		_, err := c.Append(t.Context(), box, strings.NewReader(m), nil)
		require.NoError(t, err)
	}
	_, err = c.Select(t.Context(), box)
	require.NoError(t, err)
	uids, err := c.Search(t.Context(), imap.SearchAll{})
	require.NoError(t, err)
	require.Len(t, uids, 3)

	without := slices.Sorted(maps.Keys(notTried))
	for _, capability := range caps {
		try, ok := tried[capability]
		for known, f := range tried {
			if known.Equal(capability) {
				try, ok = f, true
			}
		}
		if !ok {
			upper := strings.ToUpper(string(capability))
			if !slices.ContainsFunc(without, func(p string) bool { return strings.HasPrefix(upper, p) }) {
				t.Errorf("%s is advertised and goes untried", capability)
			}
			continue
		}
		if try != nil {
			t.Run(string(capability), func(t *testing.T) {
				c := dial(sasl.Plain("", "ada", password))
				defer c.Close()
				_, err := c.Select(t.Context(), box)
				require.NoError(t, err)
				try(&surface{Client: c, t: t, caps: caps, box: box, dial: dial, uids: uids})
			})
		}
	}
	require.NoError(t, c.CloseMailbox(t.Context()))
	require.NoError(t, c.Delete(t.Context(), box))
	require.NoError(t, c.Logout(t.Context()))
}

func TestIMAPClientDovecot(t *testing.T) {
	d := startDovecot(t, `
mail_plugins = acl quota zlib
mail_attribute_dict = file:%h/attributes
protocol imap {
 mail_plugins = acl quota zlib imap_acl imap_quota imap_zlib
 imap_metadata = yes
 imap_urlauth_host = localhost
}
plugin {
 acl = vfile
 quota = count:User quota
 quota_rule = *:storage=1G
 quota_vsizes = yes
}
namespace inbox {
 mailbox Drafts {
  special_use = \Drafts
 }
}
`)
	testSurface(t, d.addr["imaps"], "Surface", d.tls)
}

func TestIMAPClientCyrus(t *testing.T) {
	c := startCyrus(t, "imapidlepoll: 1\nspecialusealways: yes\nimapidresponse: yes\nconversations: yes\n")
	testSurface(t, c.addr["imaps"], "Surface", c.tls)
}

func TestIMAPClientCourier(t *testing.T) {
	c := startCourier(t, "IMAP_IDLE_TIMEOUT=1")
	testSurface(t, c.addr["imaps"], "Surface", c.tls)
}
