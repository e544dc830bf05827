package imapserver

// One message, read no further than what is asked of it.

import (
	"context"
	"io"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

// message is a message of the selected mailbox whose content is opened when it
// is needed.
type message struct {
	ctx     context.Context
	mbox    Mailbox
	uid     imap.UID
	opts    *mime.Options
	content Content

	root      *mime.Part // the tree, where it was needed
	hdr       mime.Header
	bodyStart int64
	hasHeader bool
}

func (s *session) mimeOptions() *mime.Options {
	l := &s.srv.Limits
	return &mime.Options{Limits: mime.Limits{Parts: l.Parts, Depth: l.PartDepth}}
}

func (m *message) open() error {
	if m.content != nil {
		return nil
	}
	var err error
	m.content, err = m.mbox.Content(m.ctx, m.uid)
	return err
}

func (m *message) close() {
	if m.content != nil {
		_ = m.content.Close()
		m.content = nil
	}
}

// tree reads the whole message.
func (m *message) tree() error {
	if m.root != nil {
		return nil
	}
	if err := m.open(); err != nil {
		return err
	}
	root, err := mime.Parse(m.content, m.content.Size(), m.opts)
	if err != nil {
		return err
	}
	m.root, m.hdr, m.bodyStart, m.hasHeader = root, root.Header, root.BodyStart, true
	return nil
}

// maxHeader bounds what is kept of a header that is read alone, as
// mime.Limits.HeaderSize does for a tree.
const maxHeader = 1 << 20

// header reads the message's header alone.
func (m *message) header() error {
	if m.hasHeader {
		return nil
	}
	if err := m.open(); err != nil {
		return err
	}
	sc := mime.NewScanner(io.NewSectionReader(m.content, 0, m.content.Size()), m.opts)
	var raw []byte
	full := false
	for {
		t, err := sc.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if len(raw)+len(t.Raw) > maxHeader {
			full = true
		}
		if !full {
			raw = append(raw, t.Raw...)
		}
		if t.Kind == mime.KindHeaderEnd {
			m.bodyStart = t.Offset + int64(len(t.Raw))
			break
		}
	}
	m.hdr, m.hasHeader = mime.ParseHeader(raw), true
	return nil
}

// section is what BODY[...] names: octets of the message, or text that was
// made from it. ok is false where there is no such part.
type section struct {
	mime.Range
	text   []byte
	isText bool
}

func (m *message) section(b *imap.BodySection) (sec section, ok bool, err error) {
	fields := b.Specifier == imap.PartHeaderFields || b.Specifier == imap.PartHeaderFieldsNot
	if len(b.Part) == 0 {
		if b.Specifier == imap.PartAll {
			if err := m.open(); err != nil {
				return sec, false, err
			}
			return section{Range: mime.Range{End: m.content.Size()}}, true, nil
		}
		if err := m.header(); err != nil {
			return sec, false, err
		}
		switch {
		case fields:
			text := m.hdr.AppendFields(nil, b.Fields, b.Specifier == imap.PartHeaderFieldsNot)
			return section{text: text, isText: true}, true, nil
		case b.Specifier == imap.PartHeader:
			return section{Range: mime.Range{End: m.bodyStart}}, true, nil
		case b.Specifier == imap.PartText:
			return section{Range: mime.Range{Start: m.bodyStart, End: m.content.Size()}}, true, nil
		}
		return sec, false, nil
	}
	if err := m.tree(); err != nil {
		return sec, false, err
	}
	spec := mime.SectionBody
	switch b.Specifier {
	case imap.PartText:
		spec = mime.SectionText
	case imap.PartMIME:
		spec = mime.SectionMIME
	case imap.PartHeader, imap.PartHeaderFields, imap.PartHeaderFieldsNot:
		spec = mime.SectionHeader
	}
	r, of, ok := m.root.Section(b.Part, spec)
	if !ok {
		return sec, false, nil
	}
	if fields {
		text := of.Header.AppendFields(nil, b.Fields, b.Specifier == imap.PartHeaderFieldsNot)
		return section{text: text, isText: true}, true, nil
	}
	return section{Range: r}, true, nil
}

// cut takes the piece that a partial fetch asks for (RFC 3501 section 6.4.5).
func (s *section) cut(p *imap.Partial) {
	if p == nil {
		return
	}
	size := s.Len()
	if s.isText {
		size = int64(len(s.text))
	}
	from := min(p.Offset, size)
	n := min(p.Count, size-from)
	if s.isText {
		s.text = s.text[from : from+n]
		return
	}
	s.Start += from
	s.End = s.Start + n
}
