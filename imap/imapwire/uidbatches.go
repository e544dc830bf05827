package imapwire

// UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches).

import (
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// UIDBatches is UIDBATCHES: it asks for ranges of UIDs that hold Size messages
// each.
type UIDBatches struct {
	Size uint32
	// First and Last are which batches are wanted, counted from 1; zero where
	// all are.
	First, Last uint32
}

// UIDBatchesData is UIDBATCHES: the ranges, from the highest UIDs to the
// lowest, the higher end of each first.
type UIDBatchesData struct {
	Tag     string // of the command it answers
	Batches []imap.Range[imap.UID]
}

func (*UIDBatches) CommandName() string { return "UIDBATCHES" }
func (*UIDBatchesData) response()       {}

func (p *parser) uidBatches() Args {
	p.ExpectSP()
	c := &UIDBatches{Size: p.nzNumber()}
	if p.SP() {
		c.First = p.nzNumber()
		p.ExpectByte(':')
		c.Last = p.nzNumber()
	}
	return c
}

func (c *UIDBatches) encodeArgs(e *CommandEncoder) {
	e.lit(" ")
	e.nz(uint64(c.Size))
	if c.First != 0 || c.Last != 0 {
		e.lit(" ")
		e.nz(uint64(c.First))
		e.lit(":")
		e.nz(uint64(c.Last))
	}
}

func (p *parser) uidBatchesData() Response {
	r := &UIDBatchesData{}
	p.Spaces()
	if c, _ := p.Peek(); c == '(' {
		var x ESearchData
		p.correlator(&x)
		r.Tag = x.Tag
		p.Spaces()
	}
	if p.failed() || p.End() {
		return r
	}
	for {
		first := p.nzNumber()
		last := first
		if p.Byte(':') {
			last = p.nzNumber()
		}
		r.Batches = append(r.Batches, imap.Range[imap.UID]{First: imap.UID(first), Last: imap.UID(last)})
		if p.failed() || !p.Byte(',') {
			p.laxEnd()
			return r
		}
	}
}

func (r *UIDBatchesData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	dst = append(dst, "UIDBATCHES"...)
	var err error
	if r.Tag != "" {
		if dst, err = appendTagString(append(dst, " (TAG "...), r.Tag); err != nil {
			return dst, err
		}
		dst = append(dst, ')')
	}
	for i, b := range r.Batches {
		if b.First == 0 || b.Last == 0 {
			return dst, &badToken{"UID", "0"}
		}
		if i == 0 {
			dst = append(dst, ' ')
		} else {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(b.First), 10)
		if b.First != b.Last {
			dst = strconv.AppendUint(append(dst, ':'), uint64(b.Last), 10)
		}
	}
	return dst, nil
}
