package main

// Folders: which, and where to.

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// folder is one of FROM.
type folder struct {
	name  string   // in FROM
	parts []string // without the prefix of the user's folders; INBOX is one
	use   imap.MailboxAttr
	// validity is the UIDVALIDITY in FROM, known once the folder was opened.
	validity uint32
}

func personalPrefix(ctx context.Context, c *imapclient.Client) (string, error) {
	prefix := ""
	err := c.Do(ctx, &imapwire.Namespace{}, func(r imapwire.Response) error {
		if n, ok := r.(*imapwire.NamespaceData); ok && len(n.Personal) > 0 {
			prefix = n.Personal[0].Prefix
		}
		return nil
	})
	if refused(err) {
		err = nil
	}
	return prefix, err
}

// list is the folders of an account that hold messages.
func (a *account) list(ctx context.Context) ([]*imap.MailboxInfo, error) {
	var all []*imap.MailboxInfo
	for m, err := range a.List(ctx, "", "*") {
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// folders are those to copy, INBOX first.
func (s *syncer) folders(ctx context.Context) ([]*folder, error) {
	all, err := s.from.list(ctx)
	if err != nil {
		return nil, err
	}
	subscribed := map[string]bool{}
	if s.config.subscribed {
		if err := s.from.Do(ctx, &imapwire.Lsub{Pattern: "*"}, func(r imapwire.Response) error {
			if l, ok := r.(*imapwire.ListData); ok && l.Lsub {
				subscribed[l.Name] = true
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	var out []*folder
	for _, m := range all {
		switch {
		case m.Has(imap.AttrNoselect), m.Has(imap.AttrNonExistent):
		case m.Has(imap.AttrAll), m.Has(imap.AttrFlagged), m.Has(imap.AttrImportant):
			// Views of messages that other folders hold.
			if !slices.Contains(s.config.folders, m.Name) {
				continue
			}
			fallthrough
		default:
			if s.config.wanted(m) && (!s.config.subscribed || subscribed[m.Name] || imap.IsInbox(m.Name)) {
				out = append(out, newFolder(m, s.from.prefix))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *folder) int {
		switch x, y := imap.IsInbox(a.name), imap.IsInbox(b.name); {
		case x == y:
			return strings.Compare(a.name, b.name)
		case x:
			return -1
		}
		return 1
	})
	return out, nil
}

func (c *config) wanted(m *imap.MailboxInfo) bool {
	match := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return imap.MatchList("", p, m.Name, m.Delimiter) })
	}
	return (len(c.folders) == 0 || match(c.folders)) && !match(c.exclude)
}

func newFolder(m *imap.MailboxInfo, prefix string) *folder {
	f := &folder{name: m.Name}
	for _, a := range m.Attrs {
		if a.SpecialUse() {
			f.use = a
		}
	}
	if imap.IsInbox(m.Name) {
		f.parts = []string{imap.Inbox}
		return f
	}
	name := m.Name
	if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
		name = rest
	}
	f.parts = []string{name}
	if m.Delimiter != 0 {
		f.parts = strings.Split(name, string(m.Delimiter))
	}
	return f
}

// destName is the name of a folder in another account. What stands for a level
// there, and not here, becomes "_".
func (f *folder) destName(prefix string, delimiter rune) (string, error) {
	if len(f.parts) == 1 && f.parts[0] == imap.Inbox {
		return imap.Inbox, nil
	}
	if delimiter == 0 {
		return prefix + strings.Join(f.parts, "_"), nil
	}
	parts := make([]string, len(f.parts))
	for i, p := range f.parts {
		if p == "" {
			return "", fmt.Errorf("folder %q has a level without a name", f.name)
		}
		parts[i] = strings.ReplaceAll(p, string(delimiter), "_")
	}
	return prefix + strings.Join(parts, string(delimiter)), nil
}

// fileParts are the levels as names of files.
func (f *folder) fileParts(forbidden string) ([]string, error) {
	var parts []string
	for _, p := range f.parts {
		p = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:`+forbidden, r) {
				return '_'
			}
			return r
		}, p)
		if p == "" || strings.Trim(p, ".") == "" || len(p) > 200 {
			return nil, fmt.Errorf("folder %q can be no name of a file", f.name)
		}
		parts = append(parts, p)
	}
	return parts, nil
}
