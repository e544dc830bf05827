package imapwire

// SORT and THREAD (RFC 5256), ESEARCH of several mailboxes (RFC 7377) and
// CANCELUPDATE (RFC 5267).

import (
	"github.com/mailwire/mailwire/imap"
)

// Sort is SORT, or UID SORT with UID.
type Sort struct {
	UID  bool
	Keys []imap.SortKey
	// Charset is the charset of the strings in Criteria. The grammar demands
	// one: UTF-8 is sent for none.
	Charset  string
	Criteria imap.SearchCriteria
	// Extended is set where there is RETURN (RFC 5267), though Return may be
	// empty, which means ALL.
	Extended bool
	Return   []imap.SearchReturn
}

// Thread is THREAD, or UID THREAD with UID. Charset is as in [Sort].
type Thread struct {
	UID       bool
	Algorithm imap.ThreadAlgorithm // in capitals
	Charset   string
	Criteria  imap.SearchCriteria
}

// ESearch is ESEARCH, which searches several mailboxes.
type ESearch struct {
	// Sources are the mailboxes; where there are none, the selected one.
	Sources []imap.MailboxFilter
	// Scope holds scope options, of which RFC 7377 defines none.
	Scope    []imap.RawItem
	Charset  string
	Criteria imap.SearchCriteria
	Extended bool
	Return   []imap.SearchReturn
}

// CancelUpdate is CANCELUPDATE: the results of the commands with these tags
// need no updates.
type CancelUpdate struct{ Tags []string }

func (c *Sort) CommandName() string {
	if c.UID {
		return "UID SORT"
	}
	return "SORT"
}

func (c *Thread) CommandName() string {
	if c.UID {
		return "UID THREAD"
	}
	return "THREAD"
}

func (*ESearch) CommandName() string      { return "ESEARCH" }
func (*CancelUpdate) CommandName() string { return "CANCELUPDATE" }

func (p *parser) cancelUpdate() Args {
	c := &CancelUpdate{}
	for {
		p.ExpectSP()
		tag, ok := p.tryQuoted()
		if !ok {
			p.Fail("a tag in quotes")
		}
		c.Tags = append(c.Tags, tag)
		if p.failed() || p.End() {
			return c
		}
	}
}

func (p *parser) sort(uid bool) Args {
	c := &Sort{UID: uid}
	p.ExpectSP()
	if p.Fold("RETURN ") {
		c.Extended = true
		c.Return = p.searchReturn()
	}
	p.options(func() {
		var k imap.SortKey
		word := p.word()
		if word == "REVERSE" {
			k.Reverse = true
			p.ExpectSP()
			word = p.word()
		}
		k.Field = imap.SortField(word)
		c.Keys = append(c.Keys, k)
	})
	if c.Keys == nil {
		p.Fail("a sort key")
	}
	p.ExpectSP()
	c.Charset = p.astring()
	p.ExpectSP()
	c.Criteria = p.searchKeys()
	return c
}

func (p *parser) thread(uid bool) Args {
	c := &Thread{UID: uid}
	p.ExpectSP()
	c.Algorithm = imap.ThreadAlgorithm(p.word())
	p.ExpectSP()
	c.Charset = p.astring()
	p.ExpectSP()
	c.Criteria = p.searchKeys()
	return c
}

func (p *parser) esearch() Args {
	c := &ESearch{}
	p.ExpectSP()
	if p.Fold("IN (") {
		for {
			c.Sources = append(c.Sources, p.mailboxFilter())
			if p.failed() || !p.SP() {
				break
			}
			if b, ok := p.Peek(); ok && b == '(' {
				p.options(func() {
					x := imap.RawItem{Name: p.word()}
					if at := p.Pos(); p.SP() {
						if b, ok := p.Peek(); ok && (b == '(' || classDigit[b]) {
							x.Value = p.raw()
						} else {
							p.Seek(at)
						}
					}
					c.Scope = append(c.Scope, x)
				})
				break
			}
		}
		p.ExpectByte(')')
		p.ExpectSP()
	}
	if p.Fold("RETURN ") {
		c.Extended = true
		c.Return = p.searchReturn()
	}
	c.Charset, c.Criteria = p.searchProgram()
	return c
}

func (c *Sort) encodeArgs(e *CommandEncoder) {
	e.searchReturn(c.Extended, c.Return)
	if len(c.Keys) == 0 {
		e.fail(errEncode)
	}
	e.lit(" ")
	e.list(len(c.Keys), func(i int) {
		if c.Keys[i].Reverse {
			e.lit("REVERSE ")
		}
		e.atom(string(c.Keys[i].Field))
	})
	e.charset(c.Charset)
	e.searchKeys(c.Criteria)
}

func (c *Thread) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	e.atom(string(c.Algorithm))
	e.charset(c.Charset)
	e.searchKeys(c.Criteria)
}

// charset appends a charset where one must stand.
func (e *CommandEncoder) charset(s string) {
	if s == "" {
		s = "UTF-8"
	}
	e.lit(" ")
	e.astring(s)
}

func (c *ESearch) encodeArgs(e *CommandEncoder) {
	if len(c.Sources) > 0 {
		e.lit(" IN (")
		for i := range c.Sources {
			if i > 0 {
				e.lit(" ")
			}
			e.mailboxFilter(&c.Sources[i])
		}
		if len(c.Scope) > 0 {
			e.lit(" ")
			e.list(len(c.Scope), func(i int) {
				e.atom(c.Scope[i].Name)
				if v := c.Scope[i].Value; v != "" {
					e.lit(" ")
					e.raw(v)
				}
			})
		}
		e.lit(")")
	} else if len(c.Scope) > 0 {
		e.fail(errEncode)
	}
	e.searchReturn(c.Extended, c.Return)
	if c.Charset != "" {
		e.lit(" CHARSET ")
		e.astring(c.Charset)
	}
	e.searchKeys(c.Criteria)
}

func (c *CancelUpdate) encodeArgs(e *CommandEncoder) {
	if len(c.Tags) == 0 {
		e.fail(errEncode)
	}
	for _, tag := range c.Tags {
		if !classTag.All(tag) {
			e.fail(&badToken{"tag", tag})
			return
		}
		e.lit(" ")
		e.dst = appendQuoted(e.dst, tag)
	}
}
