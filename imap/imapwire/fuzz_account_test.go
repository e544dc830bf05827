package imapwire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
)

func (g *gen) strs() (list []string) {
	for range g.n(4) {
		list = append(list, g.str())
	}
	return list
}

func (g *gen) rights() imap.Rights {
	return [...]imap.Rights{"", "lr", "lrswipkxtea", "0", imap.Rights(g.str())}[g.n(5)]
}

func (g *gen) bytes() []byte {
	if g.n(4) == 0 {
		return nil
	}
	return []byte(g.str())
}

func (g *gen) entries() (list []imap.MetadataEntry) {
	for range g.n(4) {
		list = append(list, imap.MetadataEntry{Name: "/" + g.str(), Value: g.bytes()})
	}
	return list
}

func (g *gen) parts(text bool) (list []CatenatePart) {
	for range g.n(3) {
		list = append(list, CatenatePart{URL: g.str() + "x"})
	}
	if text || list == nil {
		utf8 := g.bool()
		list = append(list, CatenatePart{Size: int64(g.num()), UTF8: utf8, Binary: utf8 || g.bool()})
	}
	return list
}

func (g *gen) append(depth int) (a Append) {
	if g.bool() {
		a.Options.Flags = []imap.Flag{imap.FlagSeen, imap.Flag(g.word())}
	}
	if g.bool() {
		a.Options.InternalDate = time.Unix(int64(g.num()), 0).UTC()
	}
	if g.bool() {
		a.Options.Size = int64(g.num())
		a.Options.UTF8 = g.bool()
		a.Options.Binary = a.Options.UTF8 || g.bool()
		return a
	}
	if a.Parts = g.parts(g.bool()); a.text() == nil && depth > 0 && g.bool() {
		next := g.append(depth - 1)
		a.Next = &next
	}
	return a
}

func (g *gen) accountCommand() Args {
	switch g.n(16) {
	case 0:
		return &SetACL{g.str(), g.str(), imap.RightsChange(g.n(3)), g.rights()}
	case 1:
		return &DeleteACL{g.str(), g.str()}
	case 2:
		return &ListRights{g.str(), g.str()}
	case 3:
		return &GetQuota{g.str()}
	case 4:
		c := &SetQuota{Root: g.str()}
		for range g.n(3) {
			c.Limits = append(c.Limits, imap.QuotaLimit{Resource: imap.QuotaStorage, Limit: int64(g.num()) << 20})
		}
		return c
	case 5:
		c := &GetMetadata{Mailbox: g.str(), Entries: []string{"/" + g.str()}}
		if g.bool() {
			n := int64(g.num())
			c.MaxSize = &n
		}
		c.Depth = [...]imap.MetadataDepth{"", imap.DepthZero, imap.DepthOne, imap.DepthInfinity}[g.n(4)]
		if g.bool() {
			c.Entries = append(c.Entries, "/a")
		}
		return c
	case 6:
		return &SetMetadata{g.str(), g.entries()}
	case 7:
		return &Language{g.strs()}
	case 8:
		return &Comparator{g.strs()}
	case 9:
		return &RList{g.str(), g.str()}
	case 10:
		return &GenURLAuth{[]URLAuthRequest{{g.str(), "INTERNAL"}, {g.str(), "X-1.A"}}}
	case 11:
		return &URLFetch{g.strs()}
	case 12:
		return &ResetKey{"x" + g.str(), []string{"INTERNAL"}}
	case 13:
		c := &Replace{Append: g.append(0)}
		if c.Mailbox = g.str(); g.bool() {
			c.UID = imap.UID(g.nz())
		} else {
			c.Seq = imap.SeqNum(g.num())
		}
		return c
	}
	c := g.append(3)
	c.Mailbox = g.str()
	return &c
}

func (g *gen) code() imap.Code {
	switch g.n(6) {
	case 0:
		return imap.CodeMailboxID{ID: g.word()}
	case 1:
		c := imap.CodeReferral{}
		for range 1 + g.n(2) {
			u := imap.URL{Host: "h", User: g.str(), Mailbox: g.str(), UIDValidity: g.num()}
			if g.bool() {
				u.UID, u.Section = imap.UID(g.nz()), g.str()
			}
			c.URLs = append(c.URLs, u)
		}
		return c
	case 2:
		return imap.CodeBadURL{URL: g.str()}
	case 3:
		return imap.CodeURLMech{Mechanisms: []imap.URLMechanism{{Name: "X", Data: g.bytes()}, {Name: "Y"}}}
	case 4:
		return imap.CodeMetadata{Reason: imap.MetadataLongEntries, N: int64(g.num())}
	}
	return imap.CodeMetadata{Reason: imap.MetadataTooMany}
}

func (g *gen) accountResponse() Response {
	switch g.n(12) {
	case 0:
		r := &ACLData{Mailbox: g.str()}
		for range g.n(3) {
			r.Entries = append(r.Entries, imap.ACLEntry{Identifier: g.str(), Rights: g.rights()})
		}
		return r
	case 1:
		return &ListRightsData{g.str(), g.str(), g.rights(), []imap.Rights{g.rights(), g.rights()}}
	case 2:
		return &MyRightsData{g.str(), g.rights()}
	case 3:
		r := &QuotaData{imap.Quota{Root: g.str()}}
		for range g.n(3) {
			r.Resources = append(r.Resources, imap.QuotaUsage{Resource: imap.QuotaMessage, Usage: int64(g.num()), Limit: int64(g.num()) << 30})
		}
		return r
	case 4:
		return &QuotaRootData{g.str(), g.strs()}
	case 5:
		return &MetadataData{Mailbox: g.str(), Entries: g.entries()}
	case 6:
		return &MetadataData{Mailbox: g.str(), Names: []string{"/" + g.str(), "/b"}}
	case 7:
		return &LanguageData{g.strs()}
	case 8:
		return &ComparatorData{g.str(), g.strs()}
	case 9:
		r := &URLFetchData{}
		for range g.n(4) {
			x := URLFetchItem{URL: g.str(), Body: g.bytes()}
			x.Size = int64(len(x.Body))
			r.Items = append(r.Items, x)
		}
		return r
	case 10:
		return &NamespaceData{imap.Namespaces{Personal: []imap.Namespace{{Prefix: g.str(), Delimiter: '/', Translation: g.str()}}, Shared: []imap.Namespace{{Prefix: g.str()}}}}
	}
	return &StatusResponse{Tag: "a", Cond: imap.NO, Code: g.code(), Text: "x"}
}

// FuzzAccountValues is FuzzValues of what concerns accounts and of APPEND.
func FuzzAccountValues(f *testing.F) {
	for i := range 16 {
		f.Add([]byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}, false)
		f.Add([]byte{byte(i), 5, 'a', 0xc3, 0xa9, '"', '\\', 3, 'x', 0, 'y', 7, 1, 2, '{', 255, 3, 1, 1, 1, 0, 0, 9, 9}, true)
		f.Add([]byte{byte(i), 2, 'a', 'b', 2, 'c', 'd', 2, 'e', 'f', 2, 'g', 'h', 1, 1, 1, 0, 1, 1, 1}, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, utf8 bool) {
		a := (&gen{data}).accountCommand()
		e := CommandEncoder{UTF8: utf8}
		if out, err := e.Append(nil, "t", a); err == nil {
			cmd, err := ParseCommand(frameOf(out), &ParseOptions{UTF8: utf8})
			require.NoError(t, err, "%q", out)
			require.Equal(t, canonical(a), canonical(cmd.Args), "%q", out)
			again, err := e.Append(nil, "t", cmd.Args)
			require.NoError(t, err, "%q", out)
			require.Equal(t, string(out), string(again))
		}
		r := (&gen{data}).accountResponse()
		if out, err := AppendResponse(nil, r, &EncodeOptions{UTF8: utf8}); err == nil {
			got, err := ParseResponse(frameOf(out), &ParseOptions{UTF8: utf8})
			require.NoError(t, err, "%q", out)
			if s, ok := r.(*StatusResponse); ok {
				if g, ok := got.(*StatusResponse); ok && g.Code == nil {
					s.Code = nil // one that cannot be written is left out
				}
			}
			require.Equal(t, canonicalData(r), canonicalData(got), "%q", out)
		}
	})
}

// inbox is a name as it is read: INBOX is in capitals.
func inbox(s *string) {
	if imap.IsInbox(*s) {
		*s = imap.Inbox
	}
}

func canonical(a Args) Args {
	switch a := a.(type) {
	case *SetACL:
		inbox(&a.Mailbox)
	case *DeleteACL:
		inbox(&a.Mailbox)
	case *ListRights:
		inbox(&a.Mailbox)
	case *GetMetadata:
		inbox(&a.Mailbox)
	case *SetMetadata:
		inbox(&a.Mailbox)
	case *RList:
		inbox(&a.Reference)
		inbox(&a.Pattern)
	case *Append:
		inbox(&a.Mailbox)
	case *Replace:
		inbox(&a.Mailbox)
	}
	return a
}

func canonicalData(r Response) Response {
	switch r := r.(type) {
	case *ACLData:
		inbox(&r.Mailbox)
	case *ListRightsData:
		inbox(&r.Mailbox)
	case *MyRightsData:
		inbox(&r.Mailbox)
	case *QuotaRootData:
		inbox(&r.Mailbox)
	case *MetadataData:
		inbox(&r.Mailbox)
	case *NamespaceData:
		for _, list := range [...][]imap.Namespace{r.Personal, r.Shared} {
			for i := range list {
				inbox(&list[i].Prefix)
				inbox(&list[i].Translation)
			}
		}
	}
	return r
}
