package imapwire

// Access control lists (RFC 4314).

import (
	"github.com/mailwire/mailwire/imap"
)

// SetACL is SETACL: it gives, adds or takes away rights of an identifier.
type SetACL struct {
	Mailbox    string
	Identifier string
	Change     imap.RightsChange
	Rights     imap.Rights
}

// The other commands of RFC 4314.
type (
	DeleteACL  struct{ Mailbox, Identifier string }
	GetACL     struct{ Mailbox string }
	ListRights struct{ Mailbox, Identifier string }
	MyRights   struct{ Mailbox string }
)

// ACLData is ACL: who has which rights in a mailbox.
type ACLData struct {
	Mailbox string
	Entries []imap.ACLEntry
}

// ListRightsData is LISTRIGHTS. Required are the rights that the identifier
// always has. Each of Optional are rights that can be given together alone.
type ListRightsData struct {
	Mailbox    string
	Identifier string
	Required   imap.Rights
	Optional   []imap.Rights
}

// MyRightsData is MYRIGHTS: the user's own rights. It answers LIST with RETURN
// (MYRIGHTS) too (RFC 8440).
type MyRightsData struct {
	Mailbox string
	Rights  imap.Rights
}

func (*SetACL) CommandName() string     { return "SETACL" }
func (*DeleteACL) CommandName() string  { return "DELETEACL" }
func (*GetACL) CommandName() string     { return "GETACL" }
func (*ListRights) CommandName() string { return "LISTRIGHTS" }
func (*MyRights) CommandName() string   { return "MYRIGHTS" }

func (*ACLData) response()        {}
func (*ListRightsData) response() {}
func (*MyRightsData) response()   {}

// spString is an astring with the space before it.
func (p *parser) spString() string {
	p.ExpectSP()
	return p.astring()
}

// rights are rights as a server has to take them: letters that are not
// lowercase are a mistake that the RFC wants refused.
func (p *parser) rights() imap.Rights {
	at := p.Pos()
	r := imap.Rights(p.astring())
	if !r.Valid() && !p.lax {
		p.Seek(at)
		p.Fail("rights of lowercase letters and digits")
	}
	return r
}

func (p *parser) setACL() Args {
	c := &SetACL{Mailbox: p.spMailbox(), Identifier: p.spString()}
	p.ExpectSP()
	at := p.Pos()
	s := p.astring()
	if s != "" {
		switch s[0] {
		case '+':
			c.Change, s = imap.RightsAdd, s[1:]
		case '-':
			c.Change, s = imap.RightsRemove, s[1:]
		}
	}
	if c.Rights = imap.Rights(s); !c.Rights.Valid() {
		p.Seek(at)
		p.Fail("rights of lowercase letters and digits")
	}
	return c
}

func (p *parser) deleteACL() Args { return &DeleteACL{p.spMailbox(), p.spString()} }

func (p *parser) getACL() Args { return &GetACL{p.spMailbox()} }

func (p *parser) listRights() Args { return &ListRights{p.spMailbox(), p.spString()} }

func (p *parser) myRights() Args { return &MyRights{p.spMailbox()} }

func (c *SetACL) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Mailbox)
	e.spString(c.Identifier)
	sign := ""
	switch c.Change {
	case imap.RightsAdd:
		sign = "+"
	case imap.RightsRemove:
		sign = "-"
	}
	if !c.Rights.Valid() {
		e.fail(&badToken{"set of rights", string(c.Rights)})
	}
	e.spString(sign + string(c.Rights))
}

func (c *DeleteACL) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Mailbox)
	e.spString(c.Identifier)
}

func (c *GetACL) encodeArgs(e *CommandEncoder) { e.spMailbox(c.Mailbox) }

func (c *ListRights) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Mailbox)
	e.spString(c.Identifier)
}

func (c *MyRights) encodeArgs(e *CommandEncoder) { e.spMailbox(c.Mailbox) }

func (p *parser) aclData() Response {
	r := &ACLData{Mailbox: p.spLaxMailbox()}
	for p.more() {
		p.room(len(r.Entries))
		x := imap.ACLEntry{Identifier: p.astring()}
		p.sp()
		x.Rights = p.rights()
		r.Entries = append(r.Entries, x)
	}
	return r
}

func (p *parser) listRightsData() Response {
	r := &ListRightsData{Mailbox: p.spLaxMailbox()}
	p.sp()
	r.Identifier = p.astring()
	p.sp()
	r.Required = p.rights()
	for p.more() {
		p.room(len(r.Optional))
		r.Optional = append(r.Optional, p.rights())
	}
	return r
}

func (p *parser) myRightsData() Response {
	r := &MyRightsData{Mailbox: p.spLaxMailbox()}
	p.sp()
	r.Rights = p.rights()
	p.laxEnd()
	return r
}

func (r *ACLData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst, err := appendName(append(dst, "ACL "...), r.Mailbox, o.UTF8)
	for i := 0; err == nil && i < len(r.Entries); i++ {
		if dst, err = appendAString(append(dst, ' '), r.Entries[i].Identifier); err == nil {
			dst, err = appendRights(append(dst, ' '), r.Entries[i].Rights)
		}
	}
	return dst, err
}

func (r *ListRightsData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst, err := appendName(append(dst, "LISTRIGHTS "...), r.Mailbox, o.UTF8)
	if err == nil {
		dst, err = appendAString(append(dst, ' '), r.Identifier)
	}
	if err == nil {
		dst, err = appendRights(append(dst, ' '), r.Required)
	}
	for i := 0; err == nil && i < len(r.Optional); i++ {
		dst, err = appendRights(append(dst, ' '), r.Optional[i])
	}
	return dst, err
}

func (r *MyRightsData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst, err := appendName(append(dst, "MYRIGHTS "...), r.Mailbox, o.UTF8)
	if err != nil {
		return dst, err
	}
	return appendRights(append(dst, ' '), r.Rights)
}

func appendRights(dst []byte, r imap.Rights) ([]byte, error) {
	if !r.Valid() {
		return dst, &badToken{"set of rights", string(r)}
	}
	return appendAString(dst, string(r))
}
