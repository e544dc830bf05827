package imapwire

// The codes of SEARCH's extensions, of NOTIFY, and of limits and progress.

import (
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

func (p *parser) undefinedFilterCode() imap.Code {
	return imap.CodeUndefinedFilter{Filter: p.astring()}
}

func (p *parser) noUpdateCode() imap.Code { return imap.CodeNoUpdate{Tag: p.astring()} }

func (p *parser) badEventCode() imap.Code {
	c := imap.CodeBadEvent{}
	p.laxList(func() { c.Events = append(c.Events, imap.NotifyEvent(p.atom()).Canonical()) })
	return c
}

func (p *parser) messageLimitCode() imap.Code {
	c := imap.CodeMessageLimit{Limit: p.number32()}
	if p.Spaces() > 0 && !p.End() {
		c.LastUID = imap.UID(p.number32())
	}
	return c
}

func (p *parser) inProgressCode() imap.Code {
	c := imap.CodeInProgress{}
	p.ExpectByte('(')
	if !p.tryNIL() {
		c.Tag = p.astring()
	}
	p.sp()
	c.Progress = p.numberOrNIL()
	p.sp()
	c.Goal = p.numberOrNIL()
	p.ExpectByte(')')
	return c
}

// numberOrNIL is a number, or -1 for NIL.
func (p *parser) numberOrNIL() int64 {
	if p.tryNIL() {
		return -1
	}
	return p.numberSize()
}

func appendInProgress(dst []byte, c imap.CodeInProgress) ([]byte, error) {
	var err error
	dst = append(dst, " ("...)
	if c.Tag == "" {
		dst = append(dst, "NIL"...)
	} else if dst, err = appendTagString(dst, c.Tag); err != nil {
		return dst, err
	}
	for _, n := range [...]int64{c.Progress, c.Goal} {
		if n < 0 {
			dst = append(dst, " NIL"...)
		} else {
			dst = strconv.AppendInt(append(dst, ' '), n, 10)
		}
	}
	return append(dst, ')'), nil
}

func appendBadEvent(dst []byte, c imap.CodeBadEvent) ([]byte, error) {
	var err error
	dst = append(dst, " ("...)
	for i, ev := range c.Events {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if dst, err = appendAtom(dst, string(ev)); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}
