package main

// The work: list, store, delete.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
)

// settle is how long after an intent the mailbox is looked at: a server may
// still be at work on what came before its client was killed.
const settle = 10 * time.Second

// remember is how long the journal keeps what the POP3 server has no longer.
const remember = 30 * 24 * time.Hour

// program is one run.
type program struct {
	*config
	out, log io.Writer
	now      func() time.Time
	settle   time.Duration
	// dial, if set, connects to the IMAP server.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// step, if set, is called where a crash would make a difference; its error
	// ends the run there. written is the journal's.
	step    func(where string) error
	written func([]byte) ([]byte, error)

	bar     *bar
	journal *journal
	pop     *pop3client.Client
	imap    *imapclient.Client
	// To connect to IMAP again.
	tls        *tls.Config
	imapSecret string
	// next and validity are the mailbox's: what comes has UIDs from next on. A
	// next of 0 has to be asked for.
	next, validity uint32
	missing        bool  // the mailbox, in a dry run
	limit          int64 // of the server, to a message's octets; 0 for none said
	lost           int   // how many connections in a row ended in an APPEND

	messages []message
	// copies counts the messages of one digest that came by in this run.
	copies map[string]int

	stored, found, removed, failed int
}

// message is one of the maildrop.
type message struct {
	number int
	size   int64
	uid    string // empty where it says nothing: there is none, or several have it
	key    string // empty until the message was read
}

func (p *program) at(where string) error {
	if p.step == nil {
		return nil
	}
	return p.step(where)
}

// say prints a line for -v.
func (p *program) say(format string, args ...any) {
	if p.verbose {
		p.bar.clear()
		fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// fail reports a message that could not be dealt with.
func (p *program) fail(format string, args ...any) {
	p.failed++
	p.bar.clear()
	fmt.Fprintf(p.log, "pop3toimap: "+format+"\n", args...)
}

func (p *program) run(ctx context.Context) error {
	var err error
	if p.tls, err = trust(p.ca); err != nil {
		return err
	}
	popSecret, err := secret(ctx, p.from, p.fromSecret, "POP3_PASSWORD", p.log)
	if err != nil {
		return err
	}
	p.imapSecret, err = secret(ctx, p.to, p.toSecret, "IMAP_PASSWORD", p.log)
	if err != nil {
		return err
	}
	p.journal, err = openJournal(p.config.journal, heading{1, p.from.String(), p.to.String()}, p.dryRun)
	if err != nil {
		return err
	}
	defer p.journal.close()
	p.journal.written = p.written
	if p.imap, err = p.dialIMAP(ctx, p.imapSecret, p.tls); err != nil {
		return err
	}
	defer func() { p.imap.Close() }()
	if err := p.openMailbox(ctx); err != nil {
		return err
	}
	if p.pop, err = p.dialPOP3(ctx, popSecret, p.tls); err != nil {
		return err
	}
	defer p.pop.Close()
	if err := p.list(ctx); err != nil {
		return err
	}
	if p.dryRun {
		p.tell()
		return p.pop.Quit(ctx)
	}
	listed := map[string]bool{}
	for _, m := range p.messages {
		listed[m.key] = true
	}
	if err := p.journal.forget(listed, p.now().Add(-remember)); err != nil {
		return err
	}
	if err := p.resolve(ctx); err != nil {
		return err
	}
	if err := p.copyAll(ctx); err != nil {
		return err
	}
	if err := p.deleteOld(ctx); err != nil {
		return err
	}
	// The connection is of no use any more, and all is said.
	_ = p.imap.Logout(ctx)
	p.bar.clear()
	fmt.Fprintf(p.out, "%d stored, %d were already, %d deleted, %d failed\n", p.stored, p.found, p.removed, p.failed)
	return nil
}

// openMailbox sees that there is a mailbox.
func (p *program) openMailbox(ctx context.Context) error {
	caps, err := p.imap.Capabilities(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", p.to, err)
	}
	if n, ok := caps.Number("APPENDLIMIT"); ok && n <= math.MaxInt64 {
		p.limit = int64(n)
	}
	err = p.status(ctx)
	var no *imap.Error
	if !errors.As(err, &no) || no.Kind == imap.BYE {
		return err
	}
	if p.dryRun {
		p.missing = true
		return nil
	}
	if e := p.imap.Create(ctx, p.to.mailbox); e != nil {
		return fmt.Errorf("%s: %w; and it can not be made: %w", p.to, err, e)
	}
	return p.status(ctx)
}

// status asks for what the next message's UID will be.
func (p *program) status(ctx context.Context) error {
	s, err := p.imap.Status(ctx, p.to.mailbox, imap.StatusUIDNext, imap.StatusUIDValidity)
	if err != nil {
		return fmt.Errorf("%s: %w", p.to, err)
	}
	p.next, p.validity = uint32(s.UIDNext), s.UIDValidity
	return nil
}

// list lists the maildrop.
func (p *program) list(ctx context.Context) error {
	index := map[int]int{}
	for l, err := range p.pop.List(ctx) {
		if err != nil {
			return fmt.Errorf("%s: %w", p.from, err)
		}
		if _, ok := index[l.Number]; ok {
			return fmt.Errorf("%s: message %d is listed twice", p.from, l.Number)
		}
		index[l.Number] = len(p.messages)
		p.messages = append(p.messages, message{number: l.Number, size: l.Size})
	}
	count := map[string]int{}
	for l, err := range p.pop.UIDL(ctx) {
		var refused *pop3.Error
		if errors.As(err, &refused) && len(count) == 0 {
			break // a server without unique-ids
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.from, err)
		}
		if i, ok := index[l.Number]; ok && l.UID != "" {
			uid := strings.Clone(l.UID)
			p.messages[i].uid = uid
			count[uid]++
		}
	}
	// What was once not unique is not trusted any more.
	for key := range p.journal.entries {
		if rest, ok := strings.CutPrefix(key, "content "); ok {
			if uid, err := strconv.QuotedPrefix(rest); err == nil {
				if uid, err = strconv.Unquote(uid); err == nil {
					count[uid] += 2
				}
			}
		}
	}
	for i := range p.messages {
		if m := &p.messages[i]; m.uid != "" && count[m.uid] == 1 {
			m.key = "uid " + strconv.QuoteToASCII(m.uid)
		}
	}
	return nil
}

// identify finds the key of a message that only its content tells apart from
// others: UIDs that are not unique, and servers that have none.
func (p *program) identify(m *message, s *spool) {
	if m.key != "" {
		return
	}
	sum := s.sum()
	// A unique-id that was so when the message was stored.
	if e, ok := p.journal.entries["uid "+strconv.QuoteToASCII(m.uid)]; ok && e.Digest == sum {
		m.key = e.Key
		return
	}
	name := strconv.QuoteToASCII(m.uid) + " " + sum
	if p.copies == nil {
		p.copies = map[string]int{}
	}
	m.key = fmt.Sprintf("content %s %d", name, p.copies[name])
	p.copies[name]++
}

// known reports whether the message needs no storing.
func (p *program) known(m *message) bool {
	if m.key == "" {
		return false
	}
	switch e := p.journal.entries[m.key]; e.State {
	case appended:
		return true
	case deleted:
		// The server was to delete it and did not. What only has the same
		// content is another.
		return strings.HasPrefix(m.key, "uid ")
	}
	return false
}

// tell says what there is to do.
func (p *program) tell() {
	var fresh, unknown, doubt int
	var size int64
	for i := range p.messages {
		m := &p.messages[i]
		switch {
		case p.known(m):
		case m.key == "":
			unknown++
		default:
			if e, ok := p.journal.entries[m.key]; ok && e.State == intended {
				doubt++
			}
			fresh++
			size += m.size
			p.say("message %d (%d octets) would be stored", m.number, m.size)
		}
	}
	if p.missing {
		fmt.Fprintf(p.out, "the mailbox %s would be made\n", p.to.mailbox)
	}
	fmt.Fprintf(p.out, "%d of %d messages (%d octets) would be stored\n", fresh, len(p.messages), size)
	if doubt > 0 {
		fmt.Fprintf(p.out, "%d of them would be looked for in the mailbox first\n", doubt)
	}
	if unknown > 0 {
		fmt.Fprintf(p.out, "%d have no unique-id: they would be read, and stored if they are new\n", unknown)
	}
	gone := len(p.expired())
	if !p.keep && p.deleteAfter < 0 {
		gone += fresh
	}
	fmt.Fprintf(p.out, "%d would be deleted from %s\n", gone, p.from.host)
	fmt.Fprintf(p.out, "the journal is %s\n", p.config.journal)
}

// resolve finds out of the message that was being stored when a run ended
// whether it is. There is one at most: nothing else is stored before that is
// known.
func (p *program) resolve(ctx context.Context) error {
	unread := false // of those that content tells apart
	for key, e := range p.journal.entries {
		unread = unread || e.State == intended && strings.HasPrefix(key, "content ")
	}
	var numbers []int
	index := map[int]*message{}
	for i := range p.messages {
		m := &p.messages[i]
		if p.journal.entries[m.key].State == intended || m.key == "" && unread {
			numbers = append(numbers, m.number)
			index[m.number] = m
		}
	}
	return p.retrieve(ctx, numbers, func(number int, r io.Reader) error {
		m := index[number]
		s, err := p.read(m, r)
		if err != nil {
			return err
		}
		defer s.close()
		e := p.journal.entries[m.key]
		if e.State != intended {
			return nil
		}
		return p.decide(ctx, m, &e, s)
	})
}

// retrieve calls f with messages; those that the server refuses are failures.
func (p *program) retrieve(ctx context.Context, numbers []int, f func(int, io.Reader) error) error {
	if len(numbers) == 0 {
		return nil
	}
	for r, err := range p.pop.RetrieveAll(ctx, numbers...) {
		var no *pop3.Error
		if errors.As(err, &no) {
			p.fail("%s: %v", p.from.host, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.from, err)
		}
		if err := f(r.Number, r); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) read(m *message, r io.Reader) (*spool, error) {
	s, err := spoolMessage(r)
	if err != nil {
		return nil, fmt.Errorf("%s: message %d: %w", p.from, m.number, err)
	}
	p.identify(m, s)
	return s, nil
}

// decide looks for a message that may be stored, and writes down what it
// finds.
func (p *program) decide(ctx context.Context, m *message, e *entry, s *spool) error {
	uid, validity, err := p.find(ctx, e, s)
	if err != nil {
		return fmt.Errorf("%s: looking for message %d: %w", p.to, m.number, err)
	}
	if uid == 0 {
		return p.journal.add(entry{Key: m.key, State: refused, At: p.now().UnixMilli()})
	}
	p.found++
	p.say("message %d is stored already, with the UID %d", m.number, uid)
	return p.record(m, validity, uint32(uid))
}

// copyAll stores what is not stored.
func (p *program) copyAll(ctx context.Context) error {
	// What was in vain before comes last: it may end the connection again.
	var numbers, late []int
	var size int64
	index := map[int]*message{}
	for i := range p.messages {
		m := &p.messages[i]
		switch {
		case p.known(m):
			continue
		case p.journal.entries[m.key].State == refused:
			late = append(late, m.number)
		default:
			numbers = append(numbers, m.number)
		}
		index[m.number] = m
		size += m.size
	}
	if isTerminal(p.log) {
		p.bar = newBar(p.log, len(index), size, p.now)
	}
	return p.retrieve(ctx, append(numbers, late...), func(number int, r io.Reader) error {
		m := index[number]
		s, err := p.read(m, r)
		if err != nil {
			return err
		}
		defer s.close()
		if !p.known(m) {
			err = p.store(ctx, m, s)
		}
		p.bar.add(m.size)
		return err
	})
}

// store appends a message, with its intent before and its end behind.
func (p *program) store(ctx context.Context, m *message, s *spool) error {
	if p.next == 0 {
		// A server that does not tell leaves a zero, which is a search of the
		// whole mailbox at worst.
		if err := p.status(ctx); err != nil {
			return err
		}
	}
	if p.limit > 0 && s.size > p.limit {
		p.fail("message %d has %d octets, and %s takes %d", m.number, s.size, p.to.host, p.limit)
		return nil
	}
	if err := p.at("before the intent"); err != nil {
		return err
	}
	e := entry{Key: m.key, State: intended, At: p.now().UnixMilli(), Digest: s.sum(), Size: s.size, MessageID: s.messageID(),
		Validity: p.validity, Next: p.next}
	err := p.journal.add(e)
	if err == nil {
		err = p.at("behind the intent")
	}
	if err != nil {
		return err
	}
	body, err := s.reader()
	if err != nil {
		return err
	}
	o := &imap.AppendOptions{Size: s.size, InternalDate: s.date(p.date, p.now())}
	if p.seen {
		o.Flags = []imap.Flag{imap.FlagSeen}
	}
	code, err := p.imap.Append(ctx, p.to.mailbox, body, o)
	var no *imap.Error
	if errors.As(err, &no) && no.Kind != imap.BYE {
		p.fail("%s refuses message %d: %v", p.to.host, m.number, err)
		return p.journal.add(entry{Key: m.key, State: refused, At: p.now().UnixMilli()})
	}
	if err != nil {
		return p.again(ctx, m, &e, s, fmt.Errorf("%s: message %d: %w", p.to, m.number, err))
	}
	p.lost = 0
	if err := p.at("behind the append"); err != nil {
		return err
	}
	var uid uint32
	p.next = 0
	if code != nil {
		if code.UIDs.Count() == 1 {
			for u := range code.UIDs.All() {
				uid = uint32(u)
			}
		}
		p.validity = code.UIDValidity
		if uid != 0 && uid+1 != 0 {
			p.next = uid + 1
		}
	}
	p.stored++
	p.say("message %d (%d octets) stored", m.number, s.size)
	return p.record(m, p.validity, uid)
}

// maxLost is how many connections in a row may end in an APPEND.
const maxLost = 3

// again goes on behind a connection that ended in an APPEND for why.
func (p *program) again(ctx context.Context, m *message, e *entry, s *spool, why error) error {
	if p.lost++; p.lost > maxLost || ctx.Err() != nil {
		return why
	}
	p.imap.Close()
	c, err := p.dialIMAP(ctx, p.imapSecret, p.tls)
	if err != nil {
		return errors.Join(why, err)
	}
	p.imap, p.next = c, 0
	if err := p.decide(ctx, m, e, s); err != nil {
		return err
	}
	if !p.known(m) {
		p.fail("%v", why)
	}
	return nil
}

// record writes down that a message is stored.
func (p *program) record(m *message, validity, uid uint32) error {
	err := p.journal.add(entry{Key: m.key, State: appended, At: p.now().UnixMilli(), Validity: validity, UID: uid})
	if err != nil {
		return err
	}
	return p.at("behind the record")
}

// find looks for a message that may or may not have been stored.
func (p *program) find(ctx context.Context, e *entry, s *spool) (imap.UID, uint32, error) {
	if wait := time.UnixMilli(e.At).Add(p.settle).Sub(p.now()); wait > 0 {
		select {
		case <-time.After(min(wait, p.settle)):
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
	}
	status, err := p.imap.Examine(ctx, p.to.mailbox)
	if err != nil {
		return 0, 0, err
	}
	defer p.imap.Unselect(ctx) // without it, the server is as quiet
	first := imap.UID(1)
	if e.Next != 0 && e.Validity == status.UIDValidity {
		first = imap.UID(e.Next)
	}
	taken := map[uint32]bool{}
	for _, o := range p.journal.entries {
		if o.UID != 0 && o.Validity == status.UIDValidity {
			taken[o.UID] = true
		}
	}
	behind := imap.SearchUIDs{Set: imap.UIDs(first, imap.Max)}
	searches := [][]imap.SearchKey{{behind, imap.SearchLarger{Size: max(s.size-1, 0)}, imap.SearchSmaller{Size: s.size + 1}}}
	id := s.messageID()
	if id != "" {
		searches = slices.Insert(searches, 0, []imap.SearchKey{behind, imap.SearchHeader{Name: "Message-ID", Value: id}})
	}
	like := imap.UID(0) // the same but for its header
	seen := map[imap.UID]bool{}
	for i, keys := range searches {
		uids, err := p.imap.Search(ctx, keys...)
		var no *imap.Error
		if errors.As(err, &no) && no.Kind != imap.BYE && i+1 < len(searches) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		for _, uid := range uids {
			if uid < first || taken[uint32(uid)] || seen[uid] {
				continue
			}
			seen[uid] = true
			d, err := p.digest(ctx, uid)
			switch {
			case err != nil:
				return 0, 0, err
			case d.sum() == s.sum():
				return uid, status.UIDValidity, nil
			case like == 0 && id != "" && i == 0 && d.bodySum() == s.bodySum():
				// Some servers add fields of theirs.
				like = uid
			}
		}
	}
	return like, status.UIDValidity, nil
}

// digest reads a stored message.
func (p *program) digest(ctx context.Context, uid imap.UID) (*digest, error) {
	all := &imap.BodySection{Peek: true}
	d := newDigest()
	for m, err := range p.imap.Fetch(ctx, imap.UIDSetOf(uid), imap.FetchUID, all) {
		if err != nil {
			return nil, err
		}
		if r := m.Open(all); r != nil {
			if _, err := io.Copy(d, r); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// expired are the messages to delete now: those of which the journal says that
// they are stored.
func (p *program) expired() []*message {
	var old []*message
	if p.keep {
		return nil
	}
	for i := range p.messages {
		m := &p.messages[i]
		if !p.known(m) {
			continue
		}
		stored := time.UnixMilli(p.journal.entries[m.key].At)
		if p.deleteAfter < 0 || p.now().Sub(stored) >= time.Duration(p.deleteAfter)*24*time.Hour {
			old = append(old, m)
		}
	}
	return old
}

// deleteOld deletes them. Only QUIT does it, and what it did is written down.
func (p *program) deleteOld(ctx context.Context) error {
	var done []entry
	var numbers []int
	old := p.expired()
	for _, m := range old {
		numbers = append(numbers, m.number)
	}
	if err := p.at("before the deletion"); err != nil {
		return err
	}
	if err := p.pop.DeleteAll(ctx, numbers...); err != nil {
		p.fail("%s: %v", p.from.host, err)
	}
	left := map[int]bool{}
	if p.failed > 0 {
		for l, err := range p.pop.List(ctx) {
			if err != nil {
				return fmt.Errorf("%s: %w", p.from, err)
			}
			left[l.Number] = true
		}
	}
	for _, m := range old {
		if !left[m.number] {
			done = append(done, entry{Key: m.key, State: deleted, At: p.now().UnixMilli()})
		}
	}
	if err := p.at("before QUIT"); err != nil {
		return err
	}
	if err := p.pop.Quit(ctx); err != nil {
		return fmt.Errorf("%s may not have deleted what it was told to: %w", p.from, err)
	}
	if err := p.at("behind QUIT"); err != nil {
		return err
	}
	p.removed = len(done)
	if len(done) == 0 {
		return nil
	}
	if err := p.journal.add(done...); err != nil {
		return err
	}
	return p.at("at the end")
}
