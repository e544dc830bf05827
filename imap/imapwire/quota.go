package imapwire

// Quotas (RFC 9208, RFC 2087).

import (
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// The commands of RFC 9208 that read.
type (
	GetQuota     struct{ Root string }
	GetQuotaRoot struct{ Mailbox string }
)

// SetQuota is SETQUOTA: the limits replace those that the root had.
type SetQuota struct {
	Root   string
	Limits []imap.QuotaLimit
}

// QuotaData is QUOTA. QuotaRootData is QUOTAROOT.
type (
	QuotaData     struct{ imap.Quota }
	QuotaRootData struct {
		Mailbox string
		Roots   []string
	}
)

func (*GetQuota) CommandName() string     { return "GETQUOTA" }
func (*GetQuotaRoot) CommandName() string { return "GETQUOTAROOT" }
func (*SetQuota) CommandName() string     { return "SETQUOTA" }

func (*QuotaData) response()     {}
func (*QuotaRootData) response() {}

func (p *parser) getQuota() Args { return &GetQuota{p.spString()} }

func (p *parser) getQuotaRoot() Args { return &GetQuotaRoot{p.spMailbox()} }

func (p *parser) setQuota() Args {
	c := &SetQuota{Root: p.spString()}
	p.ExpectSP()
	p.list(func() {
		l := imap.QuotaLimit{Resource: imap.QuotaResource(p.word())}
		p.ExpectSP()
		l.Limit = p.number64()
		c.Limits = append(c.Limits, l)
	})
	return c
}

func (c *GetQuota) encodeArgs(e *CommandEncoder) { e.spString(c.Root) }

func (c *GetQuotaRoot) encodeArgs(e *CommandEncoder) { e.spMailbox(c.Mailbox) }

func (c *SetQuota) encodeArgs(e *CommandEncoder) {
	e.spString(c.Root)
	e.lit(" ")
	e.list(len(c.Limits), func(i int) {
		e.atom(string(c.Limits[i].Resource))
		e.lit(" ")
		e.size(c.Limits[i].Limit)
	})
}

func (p *parser) quotaData() Response {
	r := &QuotaData{}
	p.sp()
	r.Root = p.astring()
	// Courier sends a root without limits as `* QUOTA "ROOT"`.
	if p.Spaces(); p.End() {
		return r
	}
	p.laxList(func() {
		p.room(len(r.Resources))
		u := imap.QuotaUsage{Resource: imap.QuotaResource(p.word())}
		p.sp()
		u.Usage = p.numberSize()
		p.sp()
		u.Limit = p.numberSize()
		r.Resources = append(r.Resources, u)
	})
	p.laxEnd()
	return r
}

func (p *parser) quotaRootData() Response {
	r := &QuotaRootData{Mailbox: p.spLaxMailbox()}
	for p.more() {
		p.room(len(r.Roots))
		r.Roots = append(r.Roots, p.astring())
	}
	return r
}

func (r *QuotaData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	dst, err := appendAString(append(dst, "QUOTA "...), r.Root)
	if err != nil {
		return dst, err
	}
	dst = append(dst, " ("...)
	for i, u := range r.Resources {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if dst, err = appendAtom(dst, string(u.Resource)); err != nil {
			return dst, err
		}
		dst = strconv.AppendInt(append(dst, ' '), max(0, u.Usage), 10)
		dst = strconv.AppendInt(append(dst, ' '), max(0, u.Limit), 10)
	}
	return append(dst, ')'), nil
}

func (r *QuotaRootData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst, err := appendName(append(dst, "QUOTAROOT "...), r.Mailbox, o.UTF8)
	for i := 0; err == nil && i < len(r.Roots); i++ {
		dst, err = appendAString(append(dst, ' '), r.Roots[i])
	}
	return dst, err
}
