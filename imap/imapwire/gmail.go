package imapwire

// Gmail's extension X-GM-EXT-1: labels, and XLIST, the older SPECIAL-USE.

import (
	"github.com/mailwire/mailwire/imap"
)

// StoreLabels is STORE of X-GM-LABELS, or UID STORE where Set is an
// [imap.UIDSet].
type StoreLabels struct {
	Set    imap.NumSet
	Action imap.StoreAction
	// Labels are UTF-8; a system label has its backslash.
	Labels []string
	Silent bool
	// UnchangedSince is as in [imap.FlagChange].
	UnchangedSince *imap.ModSeq
}

// XList is XLIST: LIST with special uses in its answers.
type XList struct{ Reference, Pattern string }

func (c *StoreLabels) CommandName() string { return numbered(c.Set, "STORE", "UID STORE") }
func (*XList) CommandName() string         { return "XLIST" }

// ByUID reports whether the command is the UID form.
func (c *StoreLabels) ByUID() bool { return isUID(c.Set) }

// storeLabels is what is behind X-GM-LABELS in STORE.
func (p *parser) storeLabels(s *Store) Args {
	c := &StoreLabels{Set: s.Set, Action: s.Change.Action, UnchangedSince: s.Change.UnchangedSince}
	c.Silent = p.Fold(".SILENT")
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		p.list(func() { c.Labels = append(c.Labels, p.gmailLabel()) })
		return c
	}
	for {
		c.Labels = append(c.Labels, p.gmailLabel())
		if p.failed() || !p.SP() {
			return c
		}
	}
}

func (p *parser) xlist() Args {
	ref := p.spMailbox()
	p.ExpectSP()
	return &XList{Reference: ref, Pattern: p.pattern()}
}

// gmailLabel is a label: a system label as it is, or a string in modified
// UTF-7.
func (p *parser) gmailLabel() string {
	start := p.Pos()
	if p.Byte('\\') {
		p.ExpectTake(classAtom, "a label")
		return p.str(start, p.Pos())
	}
	return p.labelText(p.astring())
}

// laxGmailLabel is a label in a response, where an atom may hold anything.
func (p *parser) laxGmailLabel() string {
	s, _ := p.laxString()
	return p.labelText(s)
}

// labelText is a label decoded, where it can be.
func (p *parser) labelText(s string) string {
	if p.failed() || p.utf8 || !ascii(s) {
		return s
	}
	name, err := imap.DecodeUTF7(s)
	if err != nil {
		return s
	}
	return name
}

func (c *StoreLabels) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	e.set(c.Set)
	if c.UnchangedSince != nil {
		e.lit(" (UNCHANGEDSINCE ")
		e.num(uint64(*c.UnchangedSince))
		e.lit(")")
	}
	e.lit([...]string{" X-GM-LABELS", " +X-GM-LABELS", " -X-GM-LABELS"}[min(c.Action, imap.StoreRemove)])
	if c.Silent {
		e.lit(".SILENT")
	}
	e.lit(" ")
	e.list(len(c.Labels), func(i int) { e.gmailLabel(c.Labels[i]) })
}

// systemLabel reports whether s is a label that stands as it is.
func systemLabel(s string) bool {
	return len(s) > 1 && s[0] == '\\' && classAtom.All(s[1:])
}

func (e *CommandEncoder) gmailLabel(s string) {
	if systemLabel(s) {
		e.lit(s)
		return
	}
	if !e.UTF8 {
		var err error
		if s, err = imap.EncodeUTF7(s); err != nil {
			e.fail(err)
			return
		}
	}
	e.astring(s)
}

func (c *XList) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	e.mailbox(c.Reference)
	e.lit(" ")
	e.pattern(c.Pattern, classList)
}
