package imapwire

// Commands from octets: RFC 3501 section 6 and the extensions' arguments.

import (
	"bytes"
	"encoding/base64"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// ParseOptions change how a frame is parsed.
type ParseOptions struct {
	// UTF8 says that UTF8=ACCEPT is in force: names are UTF-8, not modified
	// UTF-7 (RFC 6855).
	UTF8 bool
	// Depth is how deep search keys and lists may nest; [DefaultDepth] when
	// zero.
	Depth int
	// Parts is how many parts body structures may have; [DefaultParts] when
	// zero.
	Parts int
	// Offset is added to the offsets of errors.
	Offset int64
}

// DefaultDepth is how deep search keys, lists and body structures may nest.
const DefaultDepth = 100

// DefaultParts is how many parts the body structures of one response may have.
const DefaultParts = 10_000

func (o *ParseOptions) parts() int {
	if o.Parts <= 0 {
		return DefaultParts
	}
	return o.Parts
}

func (o *ParseOptions) depth() int {
	if o.Depth <= 0 {
		return DefaultDepth
	}
	return o.Depth
}

// ParseCommand parses one complete command without its last line end, its
// literals in it as they came: "{5}" CRLF and five octets. For APPEND and
// REPLACE the frame ends with the header of the message's literal; neither CRLF
// nor message follow. An error is a *[ParseError] with the tag where one could be read.
func ParseCommand(frame []byte, o *ParseOptions) (*Command, error) {
	if o == nil {
		o = &ParseOptions{}
	}
	tag := frameTag(frame)
	p := newParser(frame, o.Offset)
	p.utf8, p.depth = o.UTF8, o.depth()
	cmd := &Command{Raw: frame}
	cmd.Tag = p.bytesStr(p.ExpectTake(classTag, "a tag"))
	p.ExpectSP()
	nameAt := p.Pos()
	name := p.word()
	if name == "UID" && !p.failed() {
		p.ExpectSP()
		if name = p.word(); !p.failed() {
			cmd.Args = p.uidCommand(name, nameAt)
		}
	} else if !p.failed() {
		cmd.Args = p.command(name)
	}
	secret := name == "LOGIN" || name == "AUTHENTICATE"
	if cmd.Args != nil {
		p.ExpectEnd()
	}
	if err := p.Err(); err != nil {
		se := err.(*wire.SyntaxError)
		pe := &ParseError{Tag: tag, Name: name, Err: se, Raw: frame}
		if secret {
			se.Near, pe.Raw = nil, nil
		}
		return nil, pe
	}
	if secret {
		cmd.Raw = nil
	}
	return cmd, nil
}

// frameTag is the tag at a frame's front, or nothing where none can be told.
func frameTag(frame []byte) string {
	n := classTag.Span(frame)
	if n == 0 || n < len(frame) && frame[n] != ' ' && frame[n] != '\r' {
		return ""
	}
	return string(frame[:n])
}

func (p *parser) uidCommand(name string, at int) Args {
	switch name {
	case "FETCH":
		return p.fetch(true)
	case "STORE":
		return p.store(true)
	case "COPY":
		set, box := p.setAndMailbox(true)
		return &Copy{Set: set, Mailbox: box}
	case "MOVE":
		set, box := p.setAndMailbox(true)
		return &Move{Set: set, Mailbox: box}
	case "SEARCH":
		return p.search(true)
	case "EXPUNGE":
		p.ExpectSP()
		return &Expunge{UIDs: p.uidSet()}
	}
	if parse, ok := extensionCommands["UID "+name]; ok {
		return parse(p)
	}
	return p.unknown("UID " + name)
}

func (p *parser) command(name string) Args {
	switch name {
	case "CAPABILITY":
		return &Capability{}
	case "NOOP":
		return &Noop{}
	case "LOGOUT":
		return &Logout{}
	case "STARTTLS":
		return &StartTLS{}
	case "CHECK":
		return &Check{}
	case "CLOSE":
		return &Close{}
	case "UNSELECT":
		return &Unselect{}
	case "EXPUNGE":
		return &Expunge{}
	case "IDLE":
		return &Idle{}
	case "NAMESPACE":
		return &Namespace{}
	case "UNAUTHENTICATE":
		return &Unauthenticate{}
	case "FETCH":
		return p.fetch(false)
	case "STORE":
		return p.store(false)
	case "SEARCH":
		return p.search(false)
	case "COPY":
		set, box := p.setAndMailbox(false)
		return &Copy{Set: set, Mailbox: box}
	case "MOVE":
		set, box := p.setAndMailbox(false)
		return &Move{Set: set, Mailbox: box}
	case "LOGIN":
		p.ExpectSP()
		user := p.astring()
		p.ExpectSP()
		return &Login{Username: user, Password: p.astring()}
	case "AUTHENTICATE":
		return p.authenticate()
	case "SELECT", "EXAMINE":
		return p.selectCommand(name == "EXAMINE")
	case "CREATE":
		return p.create()
	case "DELETE":
		return &Delete{Mailbox: p.spMailbox()}
	case "SUBSCRIBE":
		return &Subscribe{Mailbox: p.spMailbox()}
	case "UNSUBSCRIBE":
		return &Unsubscribe{Mailbox: p.spMailbox()}
	case "RENAME":
		from := p.spMailbox()
		return &Rename{From: from, To: p.spMailbox()}
	case "LIST":
		return p.listCommand()
	case "LSUB":
		ref := p.spMailbox()
		p.ExpectSP()
		return &Lsub{Reference: ref, Pattern: p.pattern()}
	case "STATUS":
		box := p.spMailbox()
		p.ExpectSP()
		return &Status{Mailbox: box, Items: p.statusItems()}
	case "ENABLE":
		return p.enable()
	case "ID":
		return p.id()
	}
	if parse, ok := extensionCommands[name]; ok {
		return parse(p)
	}
	return p.unknown(name)
}

// unknown keeps a command that is not known here.
func (p *parser) unknown(name string) Args {
	c := &Unknown{Name: name}
	if p.SP() {
		c.Text = p.str(p.Pos(), len(p.frame))
		p.Seek(len(p.frame))
	}
	return c
}

func (p *parser) spMailbox() string {
	p.ExpectSP()
	return p.mailbox()
}

func (p *parser) setAndMailbox(uid bool) (imap.NumSet, string) {
	p.ExpectSP()
	set := p.numSet(uid)
	return set, p.spMailbox()
}

func (p *parser) authenticate() Args {
	p.ExpectSP()
	c := &Authenticate{Mechanism: p.word()}
	// Dovecot's client ends the line in a space where it has no initial response.
	if p.SP() && !p.End() {
		text := p.ExpectTake(classBase64, "base64 or =")
		var err error
		if c.Initial, err = DecodeSASL(text); err != nil {
			p.FailMsg("invalid base64")
		}
		if c.Initial == nil {
			c.Initial = []byte{}
		}
	}
	return c
}

// DecodeSASL decodes a line of a SASL exchange: base64, or "=" for an initial
// response of no octets (RFC 4959). The line "*" cancels an exchange and is
// for the caller to see before.
func DecodeSASL(line []byte) ([]byte, error) {
	if len(line) == 1 && line[0] == '=' {
		return []byte{}, nil
	}
	dst := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(dst, line)
	if err != nil || bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		return nil, errBase64
	}
	return dst[:n], nil
}

func (p *parser) selectCommand(readOnly bool) Args {
	c := &Select{Mailbox: p.spMailbox(), ReadOnly: readOnly}
	if !p.SP() {
		return c
	}
	p.list(func() {
		switch at := p.Pos(); p.word() {
		case "CONDSTORE":
			c.CondStore = true
		case "QRESYNC":
			p.ExpectSP()
			p.ExpectByte('(')
			q := &QResync{UIDValidity: p.nzNumber()}
			p.ExpectSP()
			q.ModSeq = p.modSeq()
			if p.SP() {
				if b, ok := p.Peek(); ok && b != '(' {
					q.KnownUIDs = p.knownUIDs()
					if !p.SP() {
						p.ExpectByte(')')
						c.QResync = q
						return
					}
				}
				p.ExpectByte('(')
				q.SeqMatch, _ = p.foundSet(false).(imap.SeqSet)
				p.ExpectSP()
				q.UIDMatch = p.knownUIDs()
				p.ExpectByte(')')
			}
			p.ExpectByte(')')
			c.QResync = q
		default:
			p.Seek(at)
			p.Fail("a SELECT parameter known here")
		}
	})
	return c
}

func (p *parser) create() Args {
	c := &Create{Mailbox: p.spMailbox()}
	if !p.SP() {
		return c
	}
	p.list(func() {
		p.ExpectFold("USE")
		p.ExpectSP()
		p.list(func() {
			start := p.Pos()
			p.ExpectByte('\\')
			p.ExpectTake(classAtom, "a special use")
			c.Uses = append(c.Uses, imap.MailboxAttr(p.str(start, p.Pos())))
		})
	})
	return c
}

func (p *parser) pattern() string {
	start := p.Pos()
	return p.decodeName(start, p.listMailbox())
}

func (p *parser) listCommand() Args {
	c := &List{}
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		c.Extended = true
		p.options(func() { c.Select = append(c.Select, p.option()) })
		p.ExpectSP()
	}
	c.Reference = p.mailbox()
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		c.Extended = true
		p.list(func() { c.Patterns = append(c.Patterns, p.pattern()) })
	} else {
		c.Patterns = append(c.Patterns, p.pattern())
	}
	if p.SP() {
		c.Extended = true
		p.ExpectFold("RETURN")
		p.ExpectSP()
		p.options(func() {
			r := ListReturn{Name: p.word()}
			switch r.Name {
			case imap.ListStatus:
				p.ExpectSP()
				r.Status = p.statusItems()
			case imap.ListMetadata:
				p.ExpectSP()
				p.list(func() { r.Entries = append(r.Entries, p.astring()) })
				if r.Entries == nil {
					p.Fail("an entry")
				}
			default:
				r.Value = p.optionValue()
			}
			c.Return = append(c.Return, r)
		})
	}
	return c
}

// option is a selection option with its value, if it has one, behind it.
func (p *parser) option() string {
	name := p.word()
	if v := p.optionValue(); v != "" {
		return name + " " + v
	}
	return name
}

// optionValue is " (...)" without the space, or nothing.
func (p *parser) optionValue() string {
	at := p.Pos()
	if p.SP() {
		if b, ok := p.Peek(); ok && b == '(' {
			return p.raw()
		}
		p.Seek(at)
	}
	return ""
}

func (p *parser) statusItems() []imap.StatusItem {
	var items []imap.StatusItem
	p.list(func() { items = append(items, imap.StatusItem(p.word())) })
	if items == nil {
		p.Fail("a STATUS item")
	}
	return items
}

func (p *parser) enable() Args {
	c := &Enable{}
	for {
		p.ExpectSP()
		c.Capabilities = append(c.Capabilities, imap.Capability(p.atom()))
		if p.failed() || p.End() {
			return c
		}
	}
}

// idParams is "(" name value ... ")" or NIL.
func (p *parser) idParams() []imap.IDParam {
	if p.tryNIL() {
		return nil
	}
	var params []imap.IDParam
	p.list(func() {
		name := p.stringOr(classAString, "a field's name")
		p.ExpectSP()
		value, _ := p.nstring()
		if len(params) >= maxIDParams && !p.lax {
			p.FailMsg("more than 30 fields")
		}
		params = append(params, imap.IDParam{Name: name, Value: value})
	})
	return params
}

// The bounds of RFC 2971 section 3.3: fields, and octets of a field's name. A
// value has at most 1024 octets, as any quoted string here.
const (
	maxIDParams = 30
	maxIDName   = 30
)

func (p *parser) id() Args {
	p.ExpectSP()
	return &ID{Params: p.idParams()}
}
