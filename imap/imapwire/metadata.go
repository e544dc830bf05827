package imapwire

// Annotations (RFC 5464).

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
)

// GetMetadata is GETMETADATA; an empty Mailbox is the server.
type GetMetadata struct {
	Mailbox string
	Entries []string
	// MaxSize leaves longer values out, in octets; nil where not given.
	MaxSize *int64
	Depth   imap.MetadataDepth // empty where not given
	// Options are those not known here.
	Options []imap.RawItem
}

// SetMetadata is SETMETADATA; an empty Mailbox is the server.
type SetMetadata struct {
	Mailbox string
	Entries []imap.MetadataEntry
}

// MetadataData is METADATA: entries with their values, or the names alone of
// entries that changed. It answers LIST with RETURN (METADATA ...) too (RFC
// 9590).
type MetadataData struct {
	Mailbox string
	Entries []imap.MetadataEntry
	Names   []string
}

func (*GetMetadata) CommandName() string { return "GETMETADATA" }
func (*SetMetadata) CommandName() string { return "SETMETADATA" }

func (*MetadataData) response() {}

// getMetadata takes the options before the mailbox, as the grammar has them,
// and behind it, as the examples of RFC 5464 section 4.2 and several clients
// do.
func (p *parser) getMetadata() Args {
	c := &GetMetadata{}
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		p.metadataOptions(c)
		p.ExpectSP()
	}
	c.Mailbox = p.mailbox()
	p.ExpectSP()
	if b, ok := p.Peek(); ok && b == '(' {
		at := p.Pos()
		if p.Skip(1); p.metadataOption() {
			p.Seek(at)
			p.metadataOptions(c)
			p.ExpectSP()
		} else {
			p.Seek(at)
		}
	}
	if b, ok := p.Peek(); ok && b == '(' {
		p.list(func() { c.Entries = append(c.Entries, p.astring()) })
	} else {
		c.Entries = append(c.Entries, p.astring())
	}
	if c.Entries == nil {
		p.Fail("an entry")
	}
	return c
}

// metadataOption reports whether an option is in front: entries begin with a
// slash.
func (p *parser) metadataOption() bool {
	c, ok := p.Peek()
	return ok && c != '/' && c != '"' && c != '{' && c != ')'
}

func (p *parser) metadataOptions(c *GetMetadata) {
	p.options(func() {
		name := p.word()
		switch name {
		case "MAXSIZE":
			p.ExpectSP()
			n := p.number64()
			c.MaxSize = &n
		case "DEPTH":
			p.ExpectSP()
			at := p.Pos()
			switch c.Depth = imap.MetadataDepth(strings.ToLower(p.word())); c.Depth {
			case imap.DepthZero, imap.DepthOne, imap.DepthInfinity:
			default:
				p.Seek(at)
				p.Fail("0, 1 or infinity")
			}
		default:
			c.Options = append(c.Options, imap.RawItem{Name: name, Value: p.optionText()})
		}
	})
}

// optionText is a value of any kind, with the space before it, or nothing:
// what follows is then a space and a word. RFC 4466's tagged-ext-val makes it
// a number, a set or parentheses.
func (p *parser) optionText() string {
	at := p.Pos()
	if p.SP() {
		if c, ok := p.Peek(); ok && (c == '(' || classSet[c]) {
			return p.raw()
		}
		p.Seek(at)
	}
	return ""
}

func (p *parser) setMetadata() Args {
	c := &SetMetadata{Mailbox: p.spMailbox()}
	p.ExpectSP()
	p.list(func() { c.Entries = append(c.Entries, p.metadataEntry(p.ExpectSP)) })
	if c.Entries == nil {
		p.Fail("an entry")
	}
	return c
}

// metadataEntry is a name and a value, with space between.
func (p *parser) metadataEntry(space func() bool) imap.MetadataEntry {
	x := imap.MetadataEntry{Name: p.astring()}
	space()
	if p.tryNIL() {
		return x
	}
	if s, ok := p.tryString(); ok {
		x.Value = []byte(s)
		return x
	}
	if p.lax {
		// Values of words and numbers stand without quotes.
		if b := p.Take(classLaxAtom); b != nil {
			x.Value = bytes.Clone(b)
			return x
		}
	}
	p.Fail("a string or NIL")
	return x
}

func (c *GetMetadata) encodeArgs(e *CommandEncoder) {
	if c.MaxSize != nil || c.Depth != "" || len(c.Options) > 0 {
		e.lit(" (")
		sep := ""
		if c.MaxSize != nil {
			e.lit("MAXSIZE ")
			e.size(*c.MaxSize)
			sep = " "
		}
		if c.Depth != "" {
			e.lit(sep + "DEPTH ")
			e.atom(string(c.Depth))
			sep = " "
		}
		for _, o := range c.Options {
			e.lit(sep)
			e.atom(o.Name)
			if o.Value != "" {
				e.lit(" ")
				e.raw(o.Value)
			}
			sep = " "
		}
		e.lit(")")
	}
	e.spMailbox(c.Mailbox)
	e.lit(" ")
	switch len(c.Entries) {
	case 0:
		e.fail(errEncode)
	case 1:
		e.entryName(c.Entries[0])
	default:
		e.list(len(c.Entries), func(i int) { e.entryName(c.Entries[i]) })
	}
}

func (e *CommandEncoder) entryName(name string) {
	if !metadataName(name) {
		e.fail(&badToken{"metadata entry", name})
	}
	e.astring(name)
}

// metadataName reports whether a peer takes name for an entry and not for an
// option.
func metadataName(name string) bool {
	return strings.HasPrefix(name, "/") && plain(name) && !strings.ContainsAny(name, "*%")
}

func (c *SetMetadata) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Mailbox)
	e.lit(" ")
	if len(c.Entries) == 0 {
		e.fail(errEncode)
	}
	e.list(len(c.Entries), func(i int) {
		x := &c.Entries[i]
		e.entryName(x.Name)
		e.lit(" ")
		switch {
		case x.Value == nil:
			e.lit("NIL")
		case bytes.IndexByte(x.Value, 0) >= 0:
			e.lit("~")
			e.header(int64(len(x.Value)))
			e.dst = append(e.dst, x.Value...)
		default:
			e.string(string(x.Value))
		}
	})
}

func (p *parser) metadataData() Response {
	r := &MetadataData{Mailbox: p.spLaxMailbox()}
	p.sp()
	if c, ok := p.Peek(); ok && c == '(' {
		p.laxList(func() {
			p.room(len(r.Entries))
			r.Entries = append(r.Entries, p.metadataEntry(func() bool { p.sp(); return true }))
		})
		p.laxEnd()
		return r
	}
	r.Names = append(r.Names, p.astring())
	for p.more() {
		p.room(len(r.Names))
		r.Names = append(r.Names, p.astring())
	}
	return r
}

func (r *MetadataData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst, err := appendName(append(dst, "METADATA "...), r.Mailbox, o.UTF8)
	if err != nil {
		return dst, err
	}
	if len(r.Entries) == 0 {
		if len(r.Names) == 0 {
			return dst, errEncode
		}
		for _, name := range r.Names {
			if !metadataName(name) {
				return dst, &badToken{"metadata entry", name}
			}
			if dst, err = appendAString(append(dst, ' '), name); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	if len(r.Names) > 0 {
		return dst, errEncode
	}
	dst = append(dst, " ("...)
	for i := range r.Entries {
		x := &r.Entries[i]
		if i > 0 {
			dst = append(dst, ' ')
		}
		if !metadataName(x.Name) {
			return dst, &badToken{"metadata entry", x.Name}
		}
		if dst, err = appendAString(dst, x.Name); err != nil {
			return dst, err
		}
		dst = append(dst, ' ')
		if dst, err = appendBytes(dst, x.Value); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// appendBytes appends b as a server sends any octets: NIL for nil, a literal8
// where they hold NUL, else a string.
func appendBytes(dst, b []byte) ([]byte, error) {
	switch {
	case b == nil:
		return append(dst, "NIL"...), nil
	case bytes.IndexByte(b, 0) >= 0:
		return append(AppendLiteralHeader(append(dst, '~'), int64(len(b))), b...), nil
	}
	return AppendString(dst, string(b))
}

func (p *parser) metadataCode() imap.Code {
	c := imap.CodeMetadata{Reason: p.word()}
	switch c.Reason {
	case imap.MetadataLongEntries, imap.MetadataMaxSize:
		p.sp()
		c.N = p.numberSize()
	case imap.MetadataTooMany, imap.MetadataNoPrivate:
	default:
		return nil
	}
	return c
}

func appendMetadataCode(dst []byte, c imap.CodeMetadata) ([]byte, error) {
	dst, err := appendAtom(append(dst, ' '), c.Reason)
	if err == nil && (c.Reason == imap.MetadataLongEntries || c.Reason == imap.MetadataMaxSize) {
		dst = strconv.AppendInt(append(dst, ' '), max(0, c.N), 10)
	}
	return dst, err
}
