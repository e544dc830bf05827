package main

// The rules: a file read from top to bottom. A condition is known to hold,
// known not to hold, or not known yet, since a message comes in pieces: the
// envelope, the header, the body.

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
)

// truth is what is known of a condition.
type truth uint8

const (
	no truth = iota
	unknown
	yes
)

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

// kind is what a condition looks at, in the order in which it costs more.
type kind uint8

const (
	isClient kind = iota
	isFrom
	isTo
	isHeader
	isAttachment
	isSize
	isSpam
	isCommand
)

type condition struct {
	kind   kind
	not    bool
	globs  []string // lower case
	nets   []netip.Prefix
	field  string
	size   int64
	score  float64 // spam; negative for spamd's own threshold
	argv   []string
	source string
}

type action uint8

const (
	accept action = iota
	reject
	quarantine
	redirect
	tag
	add
)

type rule struct {
	where  string // file:line
	text   string
	action action
	when   []*condition // cheap ones first

	refusal *smtp.Error     // reject
	field   mime.FieldValue // add
	tag     string
	to      smtp.Path // redirect

	// early rules are decided for each recipient when it is named.
	early bool
	hits  atomic.Int64
}

func (r *rule) envelopeOnly() bool {
	return len(r.when) == 0 || r.when[len(r.when)-1].kind < isHeader
}

// final rules end the reading of the file.
func (r *rule) final() bool { return r.action <= quarantine }

type rules struct {
	list        []*rule
	barrier     int // the first rule that envelopes can not see past
	attachments []*condition
	spam        bool
	quarantine  bool
}

func loadRules(path string) (*rules, error) {
	if path == "" {
		return &rules{}, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseRules(path, string(data))
}

func parseRules(path, text string) (*rules, error) {
	rs := &rules{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		r.where, r.text = fmt.Sprintf("%s:%d", path, n), line
		rs.list = append(rs.list, r)
	}
	rs.barrier = len(rs.list)
	for i, r := range rs.list {
		if rs.barrier == len(rs.list) && !r.envelopeOnly() && (r.action == accept || r.action == quarantine) {
			rs.barrier = i
		}
		r.early = i < rs.barrier && r.envelopeOnly() && (r.action == reject || r.action == redirect)
		rs.quarantine = rs.quarantine || r.action == quarantine
		for _, c := range r.when {
			if c.kind == isAttachment {
				rs.attachments = append(rs.attachments, c)
			}
			rs.spam = rs.spam || c.kind == isSpam
		}
	}
	return rs, nil
}

// words splits a line at blanks outside quotes. A backslash in quotes takes
// the next character as it is.
func words(line string) (list []string, err error) {
	var w strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			w.WriteByte(line[i])
		case c == '"':
			quoted, inWord = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
			if inWord {
				list, inWord = append(list, w.String()), false
				w.Reset()
			}
		case c < ' ' || c == 0x7f:
			return nil, fmt.Errorf("a control character at column %d", i+1)
		default:
			inWord = true
			w.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New(`a quote (") is not closed`)
	}
	if inWord {
		list = append(list, w.String())
	}
	return list, nil
}

func parseRule(line string) (*rule, error) {
	w, err := words(line)
	if err != nil {
		return nil, err
	}
	r := &rule{}
	verb, rest := w[0], w[1:]
	argument := func(what string) (string, error) {
		if len(rest) == 0 {
			return "", fmt.Errorf("%s: expected %s", verb, what)
		}
		s := rest[0]
		rest = rest[1:]
		return s, nil
	}
	switch verb {
	case "accept":
		r.action = accept
	case "quarantine":
		r.action = quarantine
	case "reject":
		r.action = reject
		text := "550 5.7.1 refused by a rule of this gateway"
		if len(rest) > 0 && len(rest[0]) > 0 && rest[0][0] >= '0' && rest[0][0] <= '9' {
			text, rest = rest[0], rest[1:]
		}
		r.refusal, err = parseRefusal(text)
	case "redirect":
		r.action = redirect
		var s string
		if s, err = argument("an address"); err == nil {
			if r.to, err = smtp.ParsePath(s); err == nil && r.to.Domain == "" {
				err = fmt.Errorf("redirect: %q is not an address with a domain", s)
			}
		}
	case "tag":
		r.action = tag
		if r.tag, err = argument("the text to put before the subject"); err == nil {
			_, err = mime.AppendField(nil, mime.TextField("Subject", r.tag), false)
		}
	case "add":
		r.action = add
		var s string
		if s, err = argument(`a field in quotes, "Name: value"`); err == nil {
			name, value, ok := strings.Cut(s, ":")
			if !ok {
				return nil, fmt.Errorf(`add: expected a field in quotes, "Name: value", found %q`, s)
			}
			r.field = mime.TextField(name, strings.TrimSpace(value))
			_, err = mime.AppendField(nil, r.field, false)
		}
	default:
		return nil, fmt.Errorf("unknown action %q: expected accept, reject, tag, add, redirect or quarantine", verb)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range rest {
		c, err := parseCondition(s)
		if err != nil {
			return nil, err
		}
		r.when = append(r.when, c)
	}
	slices.SortStableFunc(r.when, func(a, b *condition) int { return int(a.kind) - int(b.kind) })
	return r, nil
}

// parseRefusal reads "550 5.7.1 text", the enhanced code optional.
func parseRefusal(s string) (*smtp.Error, error) {
	code, text, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(code)
	if err != nil || n < 400 || n > 599 || n == 421 {
		return nil, fmt.Errorf("reject: %q is no reply code from 400 to 599 (nor 421)", code)
	}
	e := &smtp.Error{Code: n, Message: text}
	first, more, _ := strings.Cut(text, " ")
	if x, ok := smtp.ParseEnhancedCode(first); ok {
		e.EnhancedCode, e.Message = x, more
	} else {
		e.EnhancedCode = smtp.EnhancedCode{n / 100, 7, 1}
	}
	if e.EnhancedCode[0] != n/100 {
		return nil, fmt.Errorf("reject: the codes %d and %s contradict each other", n, e.EnhancedCode)
	}
	if e.Message == "" {
		e.Message = "refused by a rule of this gateway"
	}
	return e, nil
}

func parseCondition(s string) (*condition, error) {
	c := &condition{source: s}
	rest, not := strings.CutPrefix(s, "!")
	c.not = not
	name, value, valued := strings.Cut(rest, "=")
	if !valued && name != "spam" {
		return nil, fmt.Errorf("%q is no condition: expected name=value", s)
	}
	if valued && value == "" {
		return nil, fmt.Errorf("%s= is empty", name)
	}
	globs := func(k kind) {
		c.kind = k
		for g := range strings.SplitSeq(strings.ToLower(value), ",") {
			c.globs = append(c.globs, g)
		}
	}
	var err error
	switch field, isField := strings.CutPrefix(name, "header:"); {
	case isField:
		if c.field = field; field == "" || strings.ContainsAny(field, " \t:") {
			return nil, fmt.Errorf("%q is no name of a header field", field)
		}
		c.kind, c.globs = isHeader, []string{strings.ToLower(value)}
	case name == "from":
		globs(isFrom)
	case name == "to":
		globs(isTo)
	case name == "attachment":
		globs(isAttachment)
	case name == "client":
		c.kind = isClient
		for p := range strings.SplitSeq(value, ",") {
			prefix, err := netip.ParsePrefix(p)
			if err != nil {
				addr, err := netip.ParseAddr(p)
				if err != nil {
					return nil, fmt.Errorf("client: %q is neither an address nor a network such as 192.0.2.0/24", p)
				}
				prefix = netip.PrefixFrom(addr, addr.BitLen())
			}
			c.nets = append(c.nets, prefix)
		}
	case name == "size":
		c.kind = isSize
		c.size, err = parseSize(value)
	case name == "spam":
		c.kind, c.score = isSpam, -1
		if valued {
			if c.score, err = strconv.ParseFloat(value, 64); err != nil || !(c.score >= 0) {
				err = fmt.Errorf("spam: %q is no score", value)
			}
		}
	case name == "command":
		c.kind = isCommand
		if c.argv = strings.Fields(value); len(c.argv) == 0 {
			err = errors.New("command: expected a program")
		}
	default:
		err = fmt.Errorf("unknown condition %q: expected client, from, to, header:NAME, attachment, size, spam or command", name)
	}
	return c, err
}

// parseSize reads a number of octets: 100, 64K, 10M, 2G.
func parseSize(s string) (int64, error) {
	unit := int64(1)
	if i := len(s) - 1; i > 0 {
		switch s[i] {
		case 'k', 'K':
			unit, s = 1<<10, s[:i]
		case 'm', 'M':
			unit, s = 1<<20, s[:i]
		case 'g', 'G':
			unit, s = 1<<30, s[:i]
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, fmt.Errorf("%q is no size such as 100, 64K, 10M or 2G", s)
	}
	return n * unit, nil
}

// glob reports whether s, in lower case, is as pattern says: * stands for any
// characters, ? for any one octet. Its cost is at most the product of the
// lengths.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func (c *condition) matches(s string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(c.globs, func(g string) bool { return glob(g, s) })
}

// attached reports whether a part is among the condition's: globs with a
// slash are media types, others names of files.
func (c *condition) attached(mediaType, name string) bool {
	mediaType, name = strings.ToLower(mediaType), strings.ToLower(name)
	return slices.ContainsFunc(c.globs, func(g string) bool {
		if strings.Contains(g, "/") {
			return glob(g, mediaType)
		}
		return name != "" && glob(g, name)
	})
}

// facts are what is known of a message so far.
type facts struct {
	client   netip.Addr
	from, to string // null paths are <>
	header   *mime.Header
	size     int64
	seen     map[*condition]bool // attachments
	complete bool                // the body is known to its end

	// The hooks; nil until the message is in a file.
	spam    func() (verdict, error)
	command func(argv []string) (bool, error)
}

func pathText(p smtp.Path) string {
	if p.IsNull() {
		return "<>"
	}
	return p.Canonical().String()
}

func (c *condition) holds(f *facts) (t truth, err error) {
	switch c.kind {
	case isClient:
		t = known(slices.ContainsFunc(c.nets, func(p netip.Prefix) bool { return p.Contains(f.client) }))
	case isFrom:
		t = known(c.matches(f.from))
	case isTo:
		t = known(c.matches(f.to))
	case isHeader:
		if f.header == nil {
			return unknown, nil
		}
		for field := range f.header.All(c.field) {
			if t = known(c.matches(field.Text())); t == yes {
				break
			}
		}
	case isAttachment:
		if t = known(f.seen[c]); t == no && !f.complete {
			return unknown, nil
		}
	case isSize:
		if t = known(f.size >= c.size); t == no && !f.complete {
			return unknown, nil
		}
	case isSpam:
		if f.spam == nil {
			return unknown, nil
		}
		v, err := f.spam()
		if err != nil {
			return no, err
		}
		t = known(c.score < 0 && v.spam || c.score >= 0 && v.scanned && v.score >= c.score)
	case isCommand:
		if f.command == nil {
			return unknown, nil
		}
		b, err := f.command(c.argv)
		if err != nil {
			return no, err
		}
		t = known(b)
	}
	if c.not {
		t = yes - t
	}
	return t, nil
}

// holds is what is known of all conditions together.
func (r *rule) holds(f *facts) (truth, error) {
	t := yes
	for _, c := range r.when {
		x, err := c.holds(f)
		if err != nil || x == no {
			return no, err
		}
		t = min(t, x)
		if t == unknown && c.kind >= isSpam {
			break
		}
	}
	return t, nil
}

// bodyHolds is holds of a rule whose other conditions are known to hold.
func (r *rule) bodyHolds(f *facts) bool {
	for _, c := range r.when {
		if c.kind < isAttachment {
			continue
		}
		if t, _ := c.holds(f); t != yes {
			return false
		}
	}
	return true
}

// recipient applies the early rules: the error refuses the recipient, the
// path is where its mail goes.
func (rs *rules) recipient(f *facts, to smtp.Path) (smtp.Path, error) {
	var moved *rule
loop:
	for _, r := range rs.list[:rs.barrier] {
		if !r.envelopeOnly() {
			continue
		}
		if t, _ := r.holds(f); t != yes {
			continue
		}
		switch r.action {
		case accept, quarantine:
			break loop
		case reject:
			r.hits.Add(1)
			return to, r.refusal
		case redirect:
			if moved == nil {
				moved = r
			}
		}
	}
	if moved != nil {
		moved.hits.Add(1)
		return moved.to, nil
	}
	return to, nil
}

// likeness is what the conditions on recipients say of one, for the rules
// that act on whole messages. Recipients that differ in it can not share a
// message.
func (rs *rules) likeness(f *facts) string {
	var b []byte
	for _, r := range rs.list {
		if r.early {
			continue
		}
		for _, c := range r.when {
			if c.kind == isTo {
				t, _ := c.holds(f)
				b = append(b, byte(t))
			}
		}
	}
	return string(b)
}

// decision is what the rules say of a message.
type decision struct {
	final    *rule // the rule that ended it, nil for none
	redirect *rule
	edits    []*rule
	// watch are the rules that refuse, of which the body will tell.
	watch []*rule
	// spool: the body must be known before anything is done.
	spool bool
}

func (rs *rules) decide(f *facts) (d decision, err error) {
	for _, r := range rs.list {
		if r.early {
			continue
		}
		t, err := r.holds(f)
		if err != nil {
			return d, err
		}
		switch {
		case t == no:
		case t == unknown && r.action == reject && r.when[len(r.when)-1].kind < isSpam:
			d.watch = append(d.watch, r)
		case t == unknown:
			d.spool = true
			return d, nil
		case r.final():
			d.final = r
			return d, nil
		case r.action == redirect:
			if d.redirect == nil {
				d.redirect = r
			}
		default:
			d.edits = append(d.edits, r)
		}
	}
	return d, nil
}

// count counts the rules that a decision followed.
func (d *decision) count() {
	for _, r := range d.edits {
		r.hits.Add(1)
	}
	for _, r := range []*rule{d.final, d.redirect} {
		if r != nil {
			r.hits.Add(1)
		}
	}
}
