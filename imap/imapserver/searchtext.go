package imapserver

// Text as SEARCH compares it: decoded, whatever the case, anywhere.

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

// pattern finds a string whatever the case, in time linear in the text (Knuth,
// Morris, Pratt over folded runes).
type pattern struct {
	runes []rune
	fail  []int
}

func newPattern(s string) *pattern {
	p := &pattern{}
	for _, r := range s {
		p.runes = append(p.runes, fold(r))
	}
	p.fail = make([]int, len(p.runes))
	for i, k := 1, 0; i < len(p.runes); i++ {
		for k > 0 && p.runes[i] != p.runes[k] {
			k = p.fail[k-1]
		}
		if p.runes[i] == p.runes[k] {
			k++
		}
		p.fail[i] = k
	}
	return p
}

// fold is the least of the runes that differ from r in case alone.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

func (p *pattern) empty() bool { return len(p.runes) == 0 }

// step is the state behind one more rune; found when it is len(p.runes).
func (p *pattern) step(state int, r rune) int {
	r = fold(r)
	for state > 0 && p.runes[state] != r {
		state = p.fail[state-1]
	}
	if p.runes[state] == r {
		state++
	}
	return state
}

func (p *pattern) inString(s string) bool {
	if p.empty() {
		return true
	}
	state := 0
	for _, r := range s {
		if state = p.step(state, r); state == len(p.runes) {
			return true
		}
	}
	return false
}

// inReader reads text until it is found.
func (p *pattern) inReader(r io.Reader) (bool, error) {
	if p.empty() {
		return true, nil
	}
	br := bufio.NewReaderSize(r, 16<<10)
	state := 0
	for {
		c, _, err := br.ReadRune()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if state = p.step(state, c); state == len(p.runes) {
			return true, nil
		}
	}
}

// compileText matches BODY and TEXT.
func compileText(k imap.SearchText) searchNode {
	p := newPattern(k.Value)
	return searchNode{costBody, func(c *candidate) (bool, error) {
		if p.empty() {
			return true, nil
		}
		m := c.msg
		if k.Field == imap.SearchAnyText {
			if err := m.header(); err != nil {
				return false, err
			}
			if p.inHeader(m.hdr) {
				return true, nil
			}
		}
		if err := m.tree(); err != nil {
			return false, err
		}
		return p.inPart(m, m.root, k.Field == imap.SearchAnyText)
	}}
}

func (p *pattern) inHeader(h mime.Header) bool {
	for f := range h.Fields() {
		if p.inString(f.Name() + ": " + f.Text()) {
			return true
		}
	}
	return false
}

// inPart looks through the text below part: bodies of type text, decoded, and
// the headers of messages within the message.
func (p *pattern) inPart(m *message, part *mime.Part, headers bool) (bool, error) {
	// The tree's depth is bounded where it is made.
	for _, child := range part.Children {
		if headers && p.inHeader(child.Header) {
			return true, nil
		}
		if ok, err := p.inPart(m, child, headers); ok || err != nil {
			return ok, err
		}
	}
	if part.Message != nil {
		if p.inHeader(part.Message.Header) {
			return true, nil
		}
		return p.inPart(m, part.Message, headers)
	}
	if len(part.Children) > 0 {
		return false, nil
	}
	ct := part.ContentType()
	if !strings.EqualFold(ct.Type, "text") && !strings.EqualFold(ct.Type, "multipart") {
		return false, nil
	}
	r, _ := part.Text(m.content)
	return p.inReader(r)
}
