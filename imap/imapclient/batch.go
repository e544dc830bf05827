package imapclient

// Several commands in one write.

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

// Batch is commands that are sent in one write, without waiting for the answer
// to each (RFC 3501 section 5.5): a list of them costs one round trip.
//
// The RFC forbids what would be ambiguous, and Run refuses it: commands that
// change what another one reads or changes, two commands whose answers can not
// be told apart, sequence numbers, and whatever changes the connection or its
// mailbox. Commands that go together are, for instance, STATUS of many mailboxes;
// a FETCH and a SEARCH by UID; STORE, COPY and MOVE of UIDs of which no two name
// the same; SUBSCRIBE, CREATE or DELETE of many.
type Batch struct {
	c     *Client
	items []batchItem
}

type batchItem struct {
	args imapwire.Args
	on   func(imapwire.Response) error
	plan batchPlan
	tag  string
	done bool
}

// batchPlan is what a command answers and touches.
type batchPlan struct {
	answer string // kind of its untagged answers; empty for none
	reads  bool   // messages, or mailboxes where names is set
	writes bool
	names  bool
	set    imap.UIDSet // of messages written
	name   string      // of the mailbox written or asked for
}

// maxBatch is the most octets of a batch: what a server must be able to hold
// while it does not read, since it may be waiting for its answers to be read.
const maxBatch = 16 << 10

// Batch begins a batch.
func (c *Client) Batch() *Batch { return &Batch{c: c} }

// Add adds a command. on is given its answers, as Do gives them, and may be nil.
func (b *Batch) Add(args imapwire.Args, on func(imapwire.Response) error) {
	b.items = append(b.items, batchItem{args: args, on: on})
}

// errAmbiguous is the reason of most refusals.
var errAmbiguous = errors.New("it would be ambiguous (RFC 3501 section 5.5)")

// Run sends the commands and returns the verdict of each, in their order: nil,
// or an *imap.Error. The second error is that of all: a batch that is refused,
// of which nothing is sent, or a connection that is lost. The Batch is empty
// then. Extensions are not checked, as Do does not.
func (b *Batch) Run(ctx context.Context) ([]error, error) {
	items := b.items
	b.items = nil
	for i := range items {
		var err error
		if items[i].plan, err = planOf(items[i].args); err != nil {
			return nil, fmt.Errorf("imapclient: command %d of a batch: %w", i+1, err)
		}
		for j := range i {
			if clash(&items[i].plan, &items[j].plan) {
				return nil, fmt.Errorf("imapclient: %s with %s in a batch: %w", items[i].args.CommandName(), items[j].args.CommandName(), errAmbiguous)
			}
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	c := b.c
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []byte
	for i := range items {
		items[i].tag = c.tag()
		if out, err = c.enc.Append(out, items[i].tag, items[i].args); err != nil {
			return nil, err
		}
		if len(c.enc.Waits) > 0 {
			return nil, fmt.Errorf("imapclient: %s in a batch: %w", items[i].args.CommandName(), &ExtensionError{Extension: string(imap.CapLiteralPlus), For: "a literal in a batch"})
		}
	}
	if len(out) > maxBatch {
		return nil, fmt.Errorf("imapclient: a batch of %d octets; %d are the most", len(out), maxBatch)
	}
	if _, err = c.conn.Write(out); err == nil {
		err = c.conn.Flush()
	}
	if err != nil {
		return nil, c.unsent(err)
	}
	return c.collect(items)
}

// collect reads the answers.
func (c *Client) collect(items []batchItem) ([]error, error) {
	verdicts := make([]error, len(items))
	for left := len(items); left > 0; {
		r, err := c.read()
		if c.err != nil {
			return nil, err
		}
		if err != nil {
			continue // one response that does not parse
		}
		if s, ok := r.(*imapwire.StatusResponse); ok && (s.Tag != "" || s.Cond == imap.BAD && c.inPlace()) {
			i := 0
			for i < len(items) && (items[i].done || s.Tag != "" && items[i].tag != s.Tag) {
				i++
			}
			switch {
			case i < len(items):
				items[i].done, verdicts[i], c.last = true, c.verdict(s), items[i].tag
				left--
			case s.Tag != c.last:
				return nil, c.ended(fmt.Errorf("%w: an answer to the command %q, which was not sent", ErrProtocol, s.Tag))
			}
			continue
		}
		kind := answerKind(r)
		taken := false
		for i := range items {
			p := &items[i]
			if p.on != nil && !p.done && kind != "" && p.plan.answer == kind {
				taken = true
				if err := p.on(r); err != nil {
					return nil, c.ended(err)
				}
				break
			}
		}
		if !taken {
			c.unasked(r)
		}
	}
	return verdicts, nil
}

// answerKind is what batchPlan.answer is of an answer.
func answerKind(r imapwire.Response) string {
	switch r := r.(type) {
	case *imapwire.FetchData:
		return "FETCH"
	case *imapwire.SearchData, *imapwire.ESearchData:
		return "SEARCH"
	case *imapwire.ListData:
		if r.Lsub {
			return "LSUB"
		}
		return "LIST"
	case *imapwire.StatusData:
		return "STATUS " + canonical(r.Name)
	}
	return ""
}

// planOf is what a command answers and touches; an error where it has no place
// in a batch.
func planOf(args imapwire.Args) (p batchPlan, err error) {
	written := func(set imap.NumSet) {
		uids, ok := set.(imap.UIDSet)
		if !ok || uids.Empty() || uids.Dynamic() {
			err = fmt.Errorf("%s without UIDs: %w", args.CommandName(), errAmbiguous)
		}
		p.writes, p.set = true, uids
	}
	name := func(mailbox string) { p.names, p.writes, p.name = true, true, canonical(mailbox) }
	switch a := args.(type) {
	case *imapwire.Fetch:
		if _, ok := a.Set.(imap.UIDSet); !ok {
			return p, fmt.Errorf("FETCH by sequence numbers: %w", errAmbiguous)
		}
		p.answer, p.reads = "FETCH", true
		for _, item := range a.Items {
			if s, ok := item.(*imap.BodySection); ok && !s.Peek {
				written(a.Set) // it sets \Seen
			}
		}
	case *imapwire.Search:
		if !a.UID {
			return p, fmt.Errorf("SEARCH for sequence numbers: %w", errAmbiguous)
		}
		walk(a.Criteria, func(k imap.SearchKey) {
			if _, ok := k.(imap.SearchSeqs); ok {
				err = fmt.Errorf("SEARCH by sequence numbers: %w", errAmbiguous)
			}
		})
		p.answer, p.reads = "SEARCH", true
	case *imapwire.Status:
		p.answer, p.reads, p.names, p.name = "STATUS "+canonical(a.Mailbox), true, true, canonical(a.Mailbox)
	case *imapwire.List:
		p.answer, p.reads, p.names = "LIST", true, true
	case *imapwire.Lsub:
		p.answer, p.reads, p.names = "LSUB", true, true
	case *imapwire.Store:
		written(a.Set)
		if !a.Silent {
			p.answer = "FETCH"
		}
	case *imapwire.Copy:
		written(a.Set)
	case *imapwire.Move:
		written(a.Set)
	case *imapwire.Expunge:
		written(a.UIDs)
	case *imapwire.Create:
		name(a.Mailbox)
	case *imapwire.Delete:
		name(a.Mailbox)
	case *imapwire.Subscribe:
		name(a.Mailbox)
	case *imapwire.Unsubscribe:
		name(a.Mailbox)
	case *imapwire.Noop:
	default:
		err = fmt.Errorf("%s has no place there", args.CommandName())
	}
	return p, err
}

// clash reports whether two commands may not go together.
func clash(a, b *batchPlan) bool {
	switch {
	case a.answer != "" && a.answer == b.answer:
		return true
	case !a.writes && !b.writes:
		return false
	case a.writes && b.writes && a.names && b.names:
		return a.name == b.name
	case a.writes && b.writes && !a.names && !b.names:
		return !a.set.Intersect(b.set).Empty()
	}
	// One writes what the other may tell of, in whichever domain.
	return true
}
