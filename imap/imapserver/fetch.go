package imapserver

// FETCH.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/mime"
)

// seenChunk is how many messages are marked as seen before they are sent: the
// flags belong into the same response, and a client that leaves in the midst
// of many should not find them all read.
const seenChunk = 16

// fetchPlan is what a FETCH asks for.
type fetchPlan struct {
	items  []imap.FetchItem
	seen   bool // sets \Seen
	flags  bool // FLAGS is among the items
	header bool // the header is needed
	tree   bool // the parts are needed

	msg message // the one that is being sent
}

func planFetch(items []imap.FetchItem, uid bool) (*fetchPlan, error) {
	p := &fetchPlan{}
	if uid {
		p.items = append(p.items, imap.FetchUID)
	}
	for _, item := range items {
		switch i := item.(type) {
		case imap.FetchAtt:
			switch i {
			case imap.FetchUID:
				if uid {
					continue
				}
			case imap.FetchFlags:
				p.flags = true
			case imap.FetchInternalDate, imap.FetchSize:
			case imap.FetchEnvelope, imap.FetchRFC822Header:
				p.header = true
			case imap.FetchBody, imap.FetchBodyStructure:
				p.tree = true
			case imap.FetchRFC822:
				p.seen = true
			case imap.FetchRFC822Text:
				p.seen, p.header = true, true
			default:
				return nil, badf("Unknown FETCH item %s", string(i))
			}
		case *imap.BodySection:
			p.seen = p.seen || !i.Peek
			if len(i.Part) > 0 {
				p.tree = true
			} else if i.Specifier != imap.PartAll {
				p.header = true
			}
		default:
			return nil, badf("Unknown FETCH item")
		}
		p.items = append(p.items, item)
	}
	return p, nil
}

func (s *session) fetch(ctx context.Context, a *imapwire.Fetch) (result, error) {
	v := s.view
	if a.ChangedSince != nil || a.Vanished || len(a.Modifiers) > 0 {
		return result{}, badf("Unknown FETCH modifier")
	}
	spans, err := v.spans(a.Set)
	if err != nil {
		return result{}, err
	}
	p, err := planFetch(a.Items, a.ByUID())
	if err != nil {
		return result{}, err
	}
	p.msg.opts = s.mimeOptions()
	v.uidReplies = a.ByUID()
	defer func() { v.uidReplies = false }()
	got := 0
	if p.seen && !v.readOnly {
		for piece := range chunks(spans, seenChunk) {
			n, err := s.fetchSeen(ctx, p, piece)
			if got += n; err != nil {
				return result{}, err
			}
		}
	} else if len(spans) > 0 {
		for m, err := range v.mbox.Messages(ctx, v.set(spans)) {
			if err != nil {
				return result{}, err
			}
			seq := v.seq(m.UID)
			if seq == 0 {
				continue
			}
			ok, err := s.fetchOne(ctx, p, seq, m, false)
			if err != nil {
				return result{}, err
			}
			if ok {
				got++
			}
		}
	}
	if got < count(spans) && !a.ByUID() {
		// RFC 2180 section 4.1.2.
		return result{}, &imap.Error{Kind: imap.NO, Code: imap.CodeExpungeIssued, Text: "Some of the messages no longer exist"}
	}
	return result{}, nil
}

// fetchSeen sends a few messages whose bodies are asked for, and marks them as
// seen. It returns how many there were.
func (s *session) fetchSeen(ctx context.Context, p *fetchPlan, piece []span) (int, error) {
	v := s.view
	var list []imap.MessageInfo
	var unseen imap.UIDSet
	for m, err := range v.mbox.Messages(ctx, v.set(piece)) {
		if err != nil {
			return 0, err
		}
		if v.seq(m.UID) == 0 {
			continue
		}
		m := *m
		m.Flags = slices.Clone(m.Flags)
		list = append(list, m)
		if !imap.HasFlag(m.Flags, imap.FlagSeen) {
			unseen.Add(m.UID)
		}
	}
	if !unseen.Empty() {
		change := &imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen}}
		if _, err := v.mbox.Store(ctx, unseen, change); err != nil {
			return 0, err
		}
	}
	got := 0
	for i := range list {
		m := &list[i]
		changed := unseen.Contains(m.UID)
		if changed {
			m.Flags = append(m.Flags, imap.FlagSeen)
		}
		ok, err := s.fetchOne(ctx, p, v.seq(m.UID), m, changed)
		if err != nil {
			return got, err
		}
		if ok {
			got++
		}
	}
	return got, s.update(ctx, false, func(m *imap.MessageInfo) bool {
		for i := range list {
			if list[i].UID == m.UID {
				told := p.flags || unseen.Contains(m.UID)
				return !told || !sameFlags(m.Flags, list[i].Flags)
			}
		}
		return true
	})
}

// fetchOne sends the response for one message. ok is false where the message
// is gone; then nothing was sent.
func (s *session) fetchOne(ctx context.Context, p *fetchPlan, seq imap.SeqNum, info *imap.MessageInfo, tellFlags bool) (ok bool, err error) {
	if err := s.stopped(ctx); err != nil {
		return false, err
	}
	if p.flags || tellFlags {
		s.announce(info.Flags)
	}
	m := &p.msg
	*m = message{ctx: ctx, mbox: s.view.mbox, uid: info.UID, opts: p.msg.opts}
	defer m.close()
	// What can fail is done before the response begins.
	switch {
	case p.tree:
		err = m.tree()
	case p.header:
		err = m.header()
	case p.seen:
		err = m.open()
	}
	if err != nil {
		if errors.Is(err, ErrExpunged) {
			return false, nil
		}
		return false, err
	}
	s.enc.Begin(seq)
	s.begun = false
	for _, item := range p.items {
		switch i := item.(type) {
		case imap.FetchAtt:
			err = s.fetchAtt(m, info, i)
		case *imap.BodySection:
			err = s.fetchSection(m, i, i)
		}
		if err != nil {
			return false, &fatal{fmt.Errorf("message %d: %w", info.UID, err)}
		}
		// The client may ask for much many times.
		if len(s.enc.Buf) > 64<<10 {
			s.sendFetch()
			if err := s.stopped(ctx); err != nil {
				return false, err
			}
		}
	}
	if tellFlags && !p.flags {
		s.enc.Flags(info.Flags)
	}
	if err := s.enc.End(); err != nil {
		s.c.Log.Warn("a response that cannot be sent", "error", err)
		if s.begun {
			return false, &fatal{err}
		}
	}
	s.sendFetch()
	return true, nil
}

var (
	sectionAll    = &imap.BodySection{}
	sectionHeader = &imap.BodySection{Specifier: imap.PartHeader}
	sectionText   = &imap.BodySection{Specifier: imap.PartText}
)

func (s *session) fetchAtt(m *message, info *imap.MessageInfo, a imap.FetchAtt) error {
	switch a {
	case imap.FetchUID:
		s.enc.UID(info.UID)
	case imap.FetchFlags:
		s.enc.Flags(info.Flags)
	case imap.FetchInternalDate:
		s.enc.InternalDate(info.InternalDate)
	case imap.FetchSize:
		s.enc.Size(info.Size)
	case imap.FetchEnvelope:
		s.enc.Envelope(m.hdr.Envelope())
	case imap.FetchBody:
		s.enc.BodyStructure(m.root.BodyStructure(), false)
	case imap.FetchBodyStructure:
		s.enc.BodyStructure(m.root.BodyStructure(), true)
	case imap.FetchRFC822:
		return s.fetchSection(m, a, sectionAll)
	case imap.FetchRFC822Header:
		return s.fetchSection(m, a, sectionHeader)
	case imap.FetchRFC822Text:
		return s.fetchSection(m, a, sectionText)
	}
	return nil
}

// fetchSection sends a section under the name of item. The octets go straight
// from the content to the client.
func (s *session) fetchSection(m *message, item imap.FetchItem, b *imap.BodySection) error {
	sec, ok, err := m.section(b)
	if err != nil {
		return err
	}
	if !ok {
		s.enc.SectionNIL(item)
		return nil
	}
	sec.cut(b.Partial)
	if sec.isText {
		s.enc.SectionBytes(item, sec.text)
		return nil
	}
	if err := s.enc.Section(item, sec.Len()); err != nil {
		return err
	}
	s.sendFetch()
	return s.stream(m.content, sec.Range)
}

// stream sends octets of a content. Where they do not come the connection has
// to end: the client was told how many there are.
func (s *session) stream(c Content, r mime.Range) error {
	if s.werr != nil {
		return s.werr
	}
	defer s.c.MarkWrite(s.c.MarkWrite(netconn.Payload))
	n, err := s.c.ReadFrom(r.Reader(c))
	if err == nil && n < r.Len() {
		err = fmt.Errorf("content of %d octets ended early: %w", c.Size(), io.ErrUnexpectedEOF)
	}
	return err
}
