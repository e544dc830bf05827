package imapwire

// Small extensions of the session: COMPRESS, LANGUAGE, COMPARATOR, JMAPACCESS,
// and the end of IDLE.

import (
	"github.com/mailwire/mailwire/internal/wire"
)

// Compress is COMPRESS (RFC 4978); the one mechanism there is is "DEFLATE".
type Compress struct{ Mechanism string }

// Language is LANGUAGE (RFC 5255): language ranges in order of preference, or
// none to ask what there is.
type Language struct{ Ranges []string }

// Comparator is COMPARATOR (RFC 5255): collations in order of preference, or
// none to ask which is active.
type Comparator struct{ Orders []string }

// GetJMAPAccess is GETJMAPACCESS (RFC 9698).
type GetJMAPAccess struct{}

// LanguageData is LANGUAGE: the language in use, or those there are.
type LanguageData struct{ Tags []string }

// ComparatorData is COMPARATOR: the active collation, and those that matched.
type ComparatorData struct {
	Active   string
	Matching []string
}

// JMAPAccessData is JMAPACCESS: where the same mail is to be had by JMAP.
type JMAPAccessData struct{ URL string }

func (*Compress) CommandName() string      { return "COMPRESS" }
func (*Language) CommandName() string      { return "LANGUAGE" }
func (*Comparator) CommandName() string    { return "COMPARATOR" }
func (*GetJMAPAccess) CommandName() string { return "GETJMAPACCESS" }

func (*LanguageData) response()   {}
func (*ComparatorData) response() {}
func (*JMAPAccessData) response() {}

// IsDone reports whether a line, as [CommandReader.ReadLine] returns it, ends
// IDLE (RFC 2177).
func IsDone(line []byte) bool {
	for len(line) > 0 && line[len(line)-1] == ' ' {
		line = line[:len(line)-1]
	}
	return wire.EqualFold(line, "DONE")
}

// AppendDone appends the line that ends IDLE.
func AppendDone(dst []byte) []byte { return append(dst, "DONE\r\n"...) }

func (p *parser) compress() Args {
	p.ExpectSP()
	return &Compress{p.word()}
}

// strings are any number of strings, each with a space before it.
func (p *parser) strings() (list []string) {
	for !p.failed() && !p.End() {
		list = append(list, p.spString())
	}
	return list
}

func (p *parser) language() Args { return &Language{p.strings()} }

func (p *parser) comparator() Args { return &Comparator{p.strings()} }

func (p *parser) getJMAPAccess() Args { return &GetJMAPAccess{} }

func (c *Compress) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	e.atom(c.Mechanism)
}

func (c *Language) encodeArgs(e *CommandEncoder) {
	for _, s := range c.Ranges {
		e.spString(s)
	}
}

func (c *Comparator) encodeArgs(e *CommandEncoder) {
	for _, s := range c.Orders {
		e.spString(s)
	}
}

func (*GetJMAPAccess) encodeArgs(*CommandEncoder) {}

func (p *parser) languageData() Response {
	r := &LanguageData{}
	p.sp()
	p.laxList(func() {
		p.room(len(r.Tags))
		r.Tags = append(r.Tags, p.astring())
	})
	p.laxEnd()
	return r
}

func (p *parser) comparatorData() Response {
	r := &ComparatorData{}
	p.sp()
	r.Active = p.astring()
	if p.more() {
		p.laxList(func() {
			p.room(len(r.Matching))
			r.Matching = append(r.Matching, p.astring())
		})
		p.laxEnd()
	}
	return r
}

func (p *parser) jmapAccessData() Response {
	p.sp()
	r := &JMAPAccessData{p.astring()}
	p.laxEnd()
	return r
}

func (r *LanguageData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	if len(r.Tags) == 0 {
		return dst, errEncode
	}
	return appendStrings(append(dst, "LANGUAGE "...), r.Tags)
}

func (r *ComparatorData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	dst, err := AppendString(append(dst, "COMPARATOR "...), r.Active)
	if err != nil || len(r.Matching) == 0 {
		return dst, err
	}
	return appendStrings(append(dst, ' '), r.Matching)
}

func (r *JMAPAccessData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	if !quotable(r.URL) {
		return dst, &badToken{"URL", r.URL}
	}
	return appendQuoted(append(dst, "JMAPACCESS "...), r.URL), nil
}

// appendStrings appends strings in parentheses.
func appendStrings(dst []byte, list []string) ([]byte, error) {
	dst = append(dst, '(')
	var err error
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if dst, err = AppendString(dst, s); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// RList is RLIST and RLsub is RLSUB (RFC 2193): LIST and LSUB by which a
// server names mailboxes of other servers too, for a client that follows
// referrals.
type (
	RList struct{ Reference, Pattern string }
	RLsub struct{ Reference, Pattern string }
)

func (*RList) CommandName() string { return "RLIST" }
func (*RLsub) CommandName() string { return "RLSUB" }

func (p *parser) referencePattern() (ref, pattern string) {
	ref = p.spMailbox()
	p.ExpectSP()
	return ref, p.pattern()
}

func (p *parser) rlist() Args {
	ref, pattern := p.referencePattern()
	return &RList{ref, pattern}
}

func (p *parser) rlsub() Args {
	ref, pattern := p.referencePattern()
	return &RLsub{ref, pattern}
}

func (c *RList) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Reference)
	e.lit(" ")
	e.pattern(c.Pattern, classList)
}

func (c *RLsub) encodeArgs(e *CommandEncoder) {
	e.spMailbox(c.Reference)
	e.lit(" ")
	e.pattern(c.Pattern, classList)
}
