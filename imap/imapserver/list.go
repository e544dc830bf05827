package imapserver

// LIST with its extensions (RFC 5258, RFC 5819, RFC 6154), and LSUB.

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// folder is a name of the account: a mailbox, or one that is only implied by
// the names of its children or of subscriptions.
type folder struct {
	imap.MailboxInfo
	exists     bool
	subscribed bool
	children   bool // some child exists
	// below: a name below it is subscribed; so is not the name itself
	// necessarily.
	below bool
}

// folders is all names, parents before their children, in the order in which
// the Backend yielded them.
func (s *session) folders(ctx context.Context) ([]*folder, error) {
	var list []*folder
	index := make(map[string]*folder)
	get := func(name string, delim rune) *folder {
		f := index[name]
		if f == nil {
			f = &folder{MailboxInfo: imap.MailboxInfo{Name: name, Delimiter: delim}}
			index[name] = f
			list = append(list, f)
		}
		return f
	}
	var parents func(info *imap.MailboxInfo, exists, subscribed bool)
	parents = func(info *imap.MailboxInfo, exists, subscribed bool) {
		if info.Delimiter == 0 {
			return
		}
		d := string(info.Delimiter)
		for i := 0; ; {
			n := strings.Index(info.Name[i:], d)
			if n < 0 {
				return
			}
			if i += n; i > 0 {
				p := get(info.Name[:i], info.Delimiter)
				p.children = p.children || exists
				p.below = p.below || subscribed
			}
			i += len(d)
		}
	}
	for info, err := range s.sess.Mailboxes(ctx) {
		if err != nil {
			return nil, err
		}
		if info.Name == "" {
			continue
		}
		exists := !info.Has(imap.AttrNonExistent)
		subscribed := info.Has(imap.AttrSubscribed)
		parents(info, exists, subscribed)
		f := get(info.Name, info.Delimiter)
		f.exists, f.subscribed = exists, subscribed
		f.Attrs = slices.Clone(info.Attrs)
	}
	return list, nil
}

// delimiter is the hierarchy delimiter: that of the first mailbox, which
// INBOX should be.
func (s *session) delimiter(ctx context.Context) (rune, error) {
	if s.delim == nil {
		var d rune
		for info, err := range s.sess.Mailboxes(ctx) {
			if err != nil {
				return 0, err
			}
			d = info.Delimiter
			break
		}
		s.delim = &d
	}
	return *s.delim, nil
}

// base is the attributes that LIST always tells.
func (f *folder) base() []imap.MailboxAttr {
	var attrs []imap.MailboxAttr
	for _, a := range f.Attrs {
		switch {
		case a.Equal(imap.AttrSubscribed), a.Equal(imap.AttrNonExistent), a.Equal(imap.AttrHasChildren), a.Equal(imap.AttrHasNoChildren):
		default:
			attrs = append(attrs, a)
		}
	}
	if !f.exists {
		attrs = append(attrs, imap.AttrNonExistent)
		if !imap.HasAttr(attrs, imap.AttrNoselect) {
			attrs = append(attrs, imap.AttrNoselect)
		}
	}
	switch {
	case f.children:
		attrs = append(attrs, imap.AttrHasChildren)
	case !imap.HasAttr(attrs, imap.AttrNoinferiors):
		attrs = append(attrs, imap.AttrHasNoChildren)
	}
	return attrs
}

func (f *folder) specialUse() bool {
	return slices.ContainsFunc(f.Attrs, imap.MailboxAttr.SpecialUse)
}

// listOptions are the options of LIST.
type listOptions struct {
	subscribed, specialUse, recursive bool // selection
	tellSubscribed                    bool
	status                            []imap.StatusItem
}

func parseListOptions(a *imapwire.List) (o listOptions, err error) {
	for _, name := range a.Select {
		switch name {
		case "SUBSCRIBED":
			o.subscribed, o.tellSubscribed = true, true
		case "SPECIAL-USE":
			o.specialUse = true
		case "RECURSIVEMATCH":
			o.recursive = true
		case "REMOTE":
		default:
			return o, badf("Unknown LIST selection option")
		}
	}
	if o.recursive && !o.subscribed && !o.specialUse {
		return o, badf("RECURSIVEMATCH needs another selection option")
	}
	for _, r := range a.Return {
		switch {
		case r.Value != "":
			return o, badf("Unknown LIST return option")
		case r.Name == "SUBSCRIBED":
			o.tellSubscribed = true
		case r.Name == "CHILDREN", r.Name == "SPECIAL-USE":
		case r.Name == "STATUS":
			if err := checkStatusItems(r.Status); err != nil {
				return o, err
			}
			o.status = r.Status
		default:
			return o, badf("Unknown LIST return option")
		}
	}
	return o, nil
}

func (s *session) list(ctx context.Context, a *imapwire.List) error {
	o, err := parseListOptions(a)
	if err != nil {
		return err
	}
	if !a.Extended && len(a.Patterns) == 1 && a.Patterns[0] == "" {
		return s.listRoot(ctx, a.Reference, false)
	}
	folders, err := s.folders(ctx)
	if err != nil {
		return err
	}
	match := matcher(a.Reference, a.Patterns)
	var withUse map[string]bool
	if o.recursive && o.specialUse {
		withUse = usedBelow(folders)
	}
	for _, f := range folders {
		if !match(f) {
			continue
		}
		selected := f.exists || f.children
		var childInfo []string
		if o.subscribed || o.specialUse {
			// What is selected need not exist (RFC 5258 section 3.1).
			selected = (!o.subscribed || f.subscribed) && (!o.specialUse || f.specialUse())
			if o.recursive && o.subscribed && f.below {
				childInfo = append(childInfo, "SUBSCRIBED")
			}
			if o.recursive && withUse[f.Name] {
				childInfo = append(childInfo, "SPECIAL-USE")
			}
		}
		if !selected && childInfo == nil {
			continue
		}
		d := &imapwire.ListData{MailboxInfo: f.MailboxInfo}
		d.Attrs, d.ChildInfo = f.base(), childInfo
		if o.tellSubscribed && f.subscribed {
			d.Attrs = append(d.Attrs, imap.AttrSubscribed)
		}
		s.put(d)
		if o.status != nil && selected && f.exists && !imap.HasAttr(d.Attrs, imap.AttrNoselect) {
			if err := s.sendStatus(ctx, f.Name, o.status); err != nil {
				// The mailbox may have gone since (RFC 5819 section 2).
				var e *imap.Error
				if !errors.As(err, &e) {
					return err
				}
			}
		}
		if err := s.stopped(ctx); err != nil {
			return err
		}
	}
	return nil
}

// usedBelow is the names below which there is a special use.
func usedBelow(folders []*folder) map[string]bool {
	m := make(map[string]bool)
	for _, f := range folders {
		if !f.specialUse() {
			continue
		}
		for p := imap.ParentMailbox(f.Name, f.Delimiter); p != "" && !m[p]; p = imap.ParentMailbox(p, f.Delimiter) {
			m[p] = true
		}
	}
	return m
}

// matcher matches names with patterns; names of different namespaces may have
// different delimiters.
func matcher(reference string, patterns []string) func(*folder) bool {
	compiled := make(map[rune][]*imap.ListPattern)
	return func(f *folder) bool {
		list, ok := compiled[f.Delimiter]
		if !ok {
			for _, p := range patterns {
				list = append(list, imap.CompileList(reference, p, f.Delimiter))
			}
			compiled[f.Delimiter] = list
		}
		return slices.ContainsFunc(list, func(p *imap.ListPattern) bool { return p.Match(f.Name) })
	}
}

// listRoot answers an empty pattern: the delimiter, and the root of the
// reference (RFC 3501 section 6.3.8).
func (s *session) listRoot(ctx context.Context, reference string, lsub bool) error {
	d, err := s.delimiter(ctx)
	if err != nil {
		return err
	}
	root := ""
	if d != 0 && strings.HasPrefix(reference, "#") {
		if i := strings.IndexRune(reference, d); i >= 0 {
			root = reference[:i+len(string(d))]
		}
	}
	s.put(&imapwire.ListData{
		MailboxInfo: imap.MailboxInfo{Name: root, Delimiter: d, Attrs: []imap.MailboxAttr{imap.AttrNoselect}},
		Lsub:        lsub,
	})
	return nil
}

// lsub is LSUB: the subscribed names. With "%" a name that does not match
// stands for itself as its parent, \Noselect (RFC 3501 section 6.3.9).
func (s *session) lsub(ctx context.Context, a *imapwire.Lsub) error {
	if a.Pattern == "" {
		return s.listRoot(ctx, a.Reference, true)
	}
	folders, err := s.folders(ctx)
	if err != nil {
		return err
	}
	match := matcher(a.Reference, []string{a.Pattern})
	// With "*" at its end a pattern matches the children themselves.
	parents := strings.HasSuffix(a.Pattern, "%")
	for _, f := range folders {
		if !f.subscribed && !(parents && f.below) || !match(f) {
			continue
		}
		d := &imapwire.ListData{MailboxInfo: f.MailboxInfo, Lsub: true}
		if d.Attrs = f.base(); !f.exists {
			d.Attrs = nil
		}
		if !f.subscribed {
			d.Attrs = []imap.MailboxAttr{imap.AttrNoselect}
		}
		s.put(d)
	}
	return nil
}
