package report

// Bounces that follow no standard: recipients and what stands with them, read line by line.

import (
	"slices"
	"strings"
)

// bounce reads a bounce without a part for machines; false means that the message is none.
func (p *parser) bounce(r *Report) (bool, error) {
	n, err := p.notice()
	if n == nil {
		return false, err
	}
	x := extractor{n: n, limit: p.lim.Recipients, index: map[string]int{}, warn: delay(n, p.from)}
	name := ""
	for i := range systems {
		if s := &systems[i]; s.matches(n, p.from) {
			if x.run(s); len(x.list) > 0 {
				name = s.name
				break
			}
			x.reset()
			if name == "" && len(p.from.failed) > 0 {
				name = s.name
			}
		}
	}
	switch {
	case len(x.list) > 0:
	case len(p.from.failed) > 0 && (name != "" || p.from.daemon || p.from.bounceSubject()):
		if name == "" {
			name = "generic"
		}
		x.generic()
		x.only(p.from.failed)
	case (p.from.daemon || p.from.bounceSubject()) && !autoSubject(p.from.subject):
		name = "generic"
		x.generic()
	}
	l := x.recipients(name == "generic" && len(p.from.failed) == 0)
	if len(l) == 0 {
		return false, nil
	}
	r.Kind, r.System, r.Recipients = Bounce, name, l
	if err := p.original(r, nil); err != nil {
		return true, err
	}
	if r.Original == nil {
		r.OriginalHeader = n.header()
		r.OriginalMessageID = messageID(r.OriginalHeader)
	}
	if r.OriginalMessageID == "" {
		r.OriginalMessageID = n.messageID()
	}
	return true, nil
}

// An extractor collects recipients.
type extractor struct {
	n     *notice
	warn  bool // the notice says that more is tried
	limit int
	list  []*found
	index map[string]int // by address in lower case
	// block collects the lines that come, for the recipients named one below the other with no text between.
	block  *block
	shared []*found // those recipients
	fresh  bool     // no line has come since the last of them
	indent int      // of the line that named it
	// last is the recipient whose text was read last, and what it said.
	last        *found
	lastVerdict *verdict
}

// found is a recipient, and the text that stands with it.
type found struct {
	addr, original string
	action         Action
	host           string
	blocks         []*block
	own            *block // of a transcript
}

// A block is paragraphs, which several recipients may share.
type block struct {
	text []string
	size int
}

// maxText is how many octets of text are kept in a block, and looked at for one recipient.
const maxText = 4000

func (b *block) add(s string, paragraph bool) {
	if s == "" || b.size > maxText {
		return
	}
	b.size += len(s)
	if paragraph || len(b.text) == 0 {
		b.text = append(b.text, s)
	} else {
		b.text[len(b.text)-1] += " " + s
	}
}

// note adds a line to what is the recipient's alone.
func (f *found) note(s string) {
	if f.own == nil {
		f.own = &block{}
		f.blocks = append(f.blocks, f.own)
	}
	f.own.add(s, true)
}

func (f *found) text() []string {
	if len(f.blocks) == 1 {
		return f.blocks[0].text
	}
	var l []string
	size := 0
	for _, b := range f.blocks {
		if size += b.size; len(l) > 0 && size > maxText {
			break
		}
		l = append(l, b.text...)
	}
	return l
}

func (x *extractor) reset() {
	x.list, x.shared, x.block = nil, nil, nil
	clear(x.index)
}

// run reads the notice as a system lays it out.
func (x *extractor) run(s *system) {
	type region struct {
		at, line int
		rest     string // of the line at, for a phrase that the recipient follows in the same line
		action   Action
	}
	var regions []region
	flat := x.n.flat
	for _, sec := range s.sections {
		for i := 0; len(regions) < 100; {
			k := strings.Index(flat[i:], sec.phrase)
			if k < 0 {
				break
			}
			end := i + k + len(sec.phrase)
			regions = append(regions, region{at: end, line: x.n.lineAt(end-1) + 1, action: sec.action})
			i = end
		}
	}
	for _, sec := range s.inline {
		if k := strings.Index(flat, sec.phrase); k >= 0 {
			end := k + len(sec.phrase)
			rest := flat[end:]
			if addr, _, ok := leadingAddress(strings.TrimLeft(rest[:min(len(rest), 400)], " ")); ok {
				regions = append(regions, region{at: end, line: x.n.lineAt(end-1) + 1, rest: addr, action: sec.action})
			}
		}
	}
	slices.SortStableFunc(regions, func(a, b region) int { return a.at - b.at })
	action := Failed
	for i, r := range regions {
		if r.action != "" {
			action = r.action
		}
		if x.warn && action == Failed {
			action = Delayed
		}
		to := len(x.n.lines)
		if i+1 < len(regions) {
			to = min(to, max(r.line, regions[i+1].line))
			if regions[i+1].rest == "" && to > r.line {
				to-- // the next phrase's own line
			}
		}
		if r.rest != "" {
			x.start(x.asWritten(r.rest), "", action)
		}
		from := min(r.line, to)
		if s.name == "sendmail" && r.action == "" {
			x.transcript(x.n.lines[from:to], action)
			continue
		}
		x.lines(from, to, action)
	}
}

// generic reads the notice of an unknown system.
func (x *extractor) generic() {
	action := Failed
	if x.warn {
		action = Delayed
	}
	x.lines(0, len(x.n.lines), action)
}

// only keeps the recipients of X-Failed-Recipients, and takes the whole text for those that the text does not name.
func (x *extractor) only(failed []string) {
	action := Failed
	if x.warn {
		action = Delayed
	}
	all := x.index
	list := x.list
	x.index = map[string]int{}
	x.reset()
	rest := &block{}
	for _, l := range paragraphs(x.n.lines) {
		rest.add(l, true)
	}
	for _, a := range failed {
		if i, ok := all[strings.ToLower(a)]; ok {
			x.index[strings.ToLower(a)] = len(x.list)
			x.list = append(x.list, list[i])
			continue
		}
		if f := x.start(a, "", action); f != nil {
			f.blocks = []*block{rest}
		}
	}
}

// paragraphs joins lines between blank ones, up to maxText octets.
func paragraphs(lines []string) []string {
	var l []string
	open, size := false, 0
	for _, s := range lines {
		if size += len(s) + 1; size > maxText {
			break
		}
		switch {
		case s == "":
			open = false
		case open:
			l[len(l)-1] += " " + s
		default:
			l = append(l, s)
			open = true
		}
	}
	return l
}

// asWritten finds an address, taken from flat, in the lines, for its letters' case.
func (x *extractor) asWritten(addr string) string {
	for _, l := range x.n.lines {
		low := strings.ToLower(l)
		if i := strings.Index(low, addr); i >= 0 && len(low) == len(l) {
			return l[i : i+len(addr)]
		}
	}
	return addr
}

// start begins a recipient, or goes back to one that the notice named before.
func (x *extractor) start(addr, original string, action Action) *found {
	key := strings.ToLower(addr)
	if !x.fresh || x.block == nil {
		x.block, x.shared = &block{}, nil
	}
	x.fresh = true
	var f *found
	if i, ok := x.index[key]; ok {
		f = x.list[i]
		if f.original == "" {
			f.original = original
		}
	} else {
		if len(x.list) >= x.limit {
			return nil
		}
		f = &found{addr: addr, original: original, action: action}
		x.index[key] = len(x.list)
		x.list = append(x.list, f)
	}
	if n := len(f.blocks); n == 0 || f.blocks[n-1] != x.block {
		f.blocks = append(f.blocks, x.block)
	}
	x.shared = append(x.shared, f)
	return f
}

// introductions is lines, in lower case, that say no more than that the reason follows.
var introductions = map[string]bool{
	"the response was:": true, "the response from the remote server was:": true,
	"the error that the other server returned was:": true, "because:": true, "remote host said:": true,
	"the reason for the problem:": true, "reason:": true, "error:": true, "was undeliverable.": true,
}

// breaks is beginnings of lines, in lower case, that are no part of the reply in the line before.
var breaks = []string{"giving up on ", "i'm not going to try again", "i'm not giving up"}

// lines reads a section: lines with a recipient, and those that belong to it.
func (x *extractor) lines(from, to int, action Action) {
	paragraph, hidden := true, false
	for i := from; i < to; i++ {
		l := x.n.lines[i]
		if l == "" {
			paragraph = true
			continue
		}
		if strings.HasPrefix(l, "-----") {
			break
		}
		// Exim may keep the address to itself; the one that it came from stands for it.
		if hidden = hidden || l == "an undisclosed address"; l == "an undisclosed address" {
			continue
		}
		if origin, ok := cutOrigin(l); ok && hidden {
			hidden = false
			x.start(origin, "", action)
			continue
		} else if ok && x.block != nil {
			if n := len(x.shared); n > 0 && x.shared[n-1].original == "" {
				x.shared[n-1].original = origin
			}
			continue
		}
		// Within a paragraph a recipient's own lines are indented.
		if strings.HasPrefix(l, "pipe to |") {
			continue // the address follows
		}
		if paragraph || x.fresh || x.n.indents[i] <= x.indent || x.block == nil || strings.HasPrefix(l, "generated by ") {
			if addr, original, rest, ok := addressLine(l); ok {
				x.indent = x.n.indents[i]
				paragraph = false
				if rest != "" {
					x.fresh = false // what stands in its line is its own
				}
				x.start(addr, original, action)
				if rest != "" {
					x.block.add(rest, true)
					x.fresh = false
				}
				continue
			}
		}
		low := strings.ToLower(l)
		if strings.HasPrefix(low, "subject:") || strings.HasPrefix(low, "sent:") {
			continue
		}
		if introductions[low] {
			paragraph = true
			continue
		}
		x.fresh = false
		if x.block == nil {
			continue
		}
		if hostName(l) == l && len(x.shared) == 1 && x.shared[0].host == "" {
			x.shared[0].host = l
			continue
		}
		x.block.add(l, paragraph || prefixAny(low, breaks))
		paragraph = false
	}
}

// cutOrigin reads the note that tells of which address the recipient came.
func cutOrigin(l string) (string, bool) {
	low := strings.ToLower(l)
	for _, p := range []string{"(generated from ", "(ultimately generated from ", "(expanded from: ", "(expanded from "} {
		if strings.HasPrefix(low, p) {
			addr, _, ok := leadingAddress(strings.TrimLeft(l[len(p):], " "))
			return addr, ok
		}
	}
	return "", false
}

// transcript reads sendmail's: "... while talking to host.:", ">>> command", "<<< reply", and lines of its own.
func (x *extractor) transcript(lines []string, action Action) {
	host := ""
	var asked *found
	common := &block{} // lines that name no recipient
	defer func() {
		if common.text == nil {
			return
		}
		x.last = nil
		var without []*found
		for _, f := range x.list {
			if x.verdict(f).reply == 0 {
				without = append(without, f)
			}
		}
		for _, f := range without {
			f.blocks = append(f.blocks, common)
		}
		x.last = nil
	}()
	for _, l := range lines {
		low := strings.ToLower(l)
		switch {
		case l == "":
			continue
		case strings.HasPrefix(l, "-----"):
			return
		case strings.Contains(low, "while talking to "):
			host = findHost(l)
			asked = nil
			continue
		case strings.HasPrefix(l, ">>>"):
			asked = nil
			if i := strings.Index(low, "to:"); i >= 0 {
				if addr, _, ok := leadingAddress(strings.TrimLeft(l[i+3:], " ")); ok {
					if k, ok := x.index[strings.ToLower(addr)]; ok {
						asked = x.list[k]
					} else if len(x.index) == 0 {
						asked = x.start(addr, "", action)
					}
				}
			}
			continue
		}
		l = strings.TrimPrefix(l, "<<< ")
		f := asked
		body := l
		if replyAt(l) != 0 {
			body = strings.TrimLeft(l[3:], " -")
			if _, n := statusAt(body); n > 0 {
				body = strings.TrimLeft(body[n:], " ")
			}
		}
		if addr, _, ok := leadingAddress(body); ok {
			if k, ok := x.index[strings.ToLower(addr)]; ok {
				f = x.list[k]
			} else if len(x.list) == 0 || strings.Contains(body, "...") && replyAt(l) != 0 && len(x.list) == 0 {
				f = x.start(addr, "", action)
			}
		}
		add := func(s string) { common.add(s, true) }
		if f != nil {
			add = f.note
		}
		add(l)
		if host != "" {
			add("while talking to " + host)
		}
	}
}

// recipients makes verdicts of what was found. With evident, one without an SMTP reply, a status or a known reason does not count,
// and one whose reply or status is of success, without a reason beside it, was delivered.
func (x *extractor) recipients(evident bool) []Recipient {
	var l []Recipient
	x.last = nil
	for _, f := range x.list {
		r := Recipient{Address: f.addr, Original: f.original, Action: f.action, RemoteMTA: f.host}
		v := x.verdict(f)
		if evident && !v.evident {
			continue
		}
		r.Diagnostic = v.diagnostic
		if r.RemoteMTA == "" {
			r.RemoteMTA = v.host
		}
		r.complete()
		if evident && r.Status[0] == 2 && !v.known {
			r.Action = Delivered
		}
		if r.Action == Failed && r.Status[0] == 2 || r.Action == Delayed && r.Status[0] != 4 {
			// The code is of another step of the delivery.
			r.Status = Status{map[Action]int{Failed: 5, Delayed: 4}[r.Action], r.Status[1], r.Status[2]}
		}
		l = append(l, r)
	}
	return l
}

// A verdict is what a text says.
type verdict struct {
	diagnostic, host string
	reply            int
	known            bool // it has a known reason
	evident          bool // it has one, or a reply or a status
}

// verdict reads the text of f. Recipients that share their text, as those of one list do, share what is read.
func (x *extractor) verdict(f *found) *verdict {
	if x.last != nil && slices.Equal(x.last.blocks, f.blocks) {
		return x.lastVerdict
	}
	text := f.text()
	v := &verdict{diagnostic: pick(text)}
	for _, t := range text {
		if v.host = findHost(t); v.host != "" {
			break
		}
	}
	at, code := findReply(v.diagnostic)
	_, _, v.known = reason(v.diagnostic)
	v.evident = code != 0 || v.known || !findStatus(v.diagnostic).IsZero()
	if code != 0 {
		v.diagnostic = trimDiagnostic(v.diagnostic[at:])
	}
	v.reply = code
	x.last, x.lastVerdict = f, v
	return v
}

// pick returns the paragraph that says why: with an SMTP reply, else with a status code, else with a known reason, else the first.
func pick(text []string) string {
	for _, t := range text {
		if _, code := findReply(t); code >= 400 {
			return oneLine(t)
		}
	}
	for _, t := range text {
		if _, code := findReply(t); code != 0 {
			return oneLine(t)
		}
	}
	for _, t := range text {
		if !findStatus(t).IsZero() {
			return oneLine(t)
		}
	}
	for _, t := range text {
		if _, _, ok := reason(t); ok {
			return oneLine(t)
		}
	}
	if len(text) > 0 {
		return oneLine(text[0])
	}
	return ""
}

// trimDiagnostic removes the marks that systems put around a reply.
func trimDiagnostic(s string) string {
	s = strings.TrimRight(s, " #")
	s = strings.TrimSuffix(s, "SMTP")
	s = strings.TrimRight(s, " #")
	for _, q := range []string{"'", `"`} {
		if strings.HasSuffix(s, q) && strings.Count(s, q)%2 == 1 {
			s = s[:len(s)-1]
		}
	}
	for _, q := range []string{"()", "<>"} {
		if s != "" && s[len(s)-1] == q[1] && strings.Count(s, q[:1]) < strings.Count(s, q[1:]) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// datePrefixes is what Exchange, in one language or another, puts between a recipient and the date.
var datePrefixes = []string{"on ", "am ", "le ", "el ", "il ", "em "}

// addressLine reads a line that names a recipient: alone, in angle brackets, behind a name, or before a colon or dots and a
// diagnostic.
func addressLine(l string) (addr, original, rest string, ok bool) {
	l = strings.TrimLeft(l, "*-•·' \t")
	if strings.HasPrefix(l, `"`) {
		if _, _, ok := leadingAddress(l); !ok {
			l = l[1:]
		}
	}
	if p, found := strings.CutPrefix(l, "generated by "); found {
		l = p
	}
	if addr, rest, ok = leadingAddress(l); ok {
		rest = strings.TrimLeft(rest, "'\" \t")
		if o, found := strings.CutPrefix(rest, "(expanded from"); found {
			o = strings.TrimLeft(o, ": ")
			if a, r, ok := leadingAddress(o); ok {
				original = a
				rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(r, " "), ")"), " ")
			}
		}
		switch {
		case rest == "", rest == ".", rest == ",", rest == ";":
			return addr, original, "", true
		case strings.HasPrefix(rest, "..."):
			return addr, original, strings.TrimLeft(rest, ". "), true
		case rest[0] == ',': // Zoho
			if _, code := findReply(rest); code != 0 {
				return addr, original, strings.TrimLeft(rest, ", "), true
			}
			return "", "", "", false
		case rest[0] == ':':
			return addr, original, strings.TrimLeft(rest, ": "), true
		case rest[0] == '(':
			return addr, original, rest, true
		case prefixAny(rest, datePrefixes) && strings.IndexByte(rest, ':') > 0:
			return addr, original, "", true
		case rest[0] == '<' && strings.HasSuffix(rest, ">"): // joe@example.org<mailto:joe@example.org>
			return addr, original, "", true
		case strings.HasPrefix(rest, "#") || replyAt(rest) != 0:
			return addr, original, rest, true
		case strings.HasPrefix(rest, "- "):
			return addr, original, rest[2:], true
		}
		return "", "", "", false
	}
	// Name (addr), Name <addr>, Name<mailto:addr>.
	if n := len(l); n > 2 && n < 400 && (l[n-1] == ')' || l[n-1] == '>') {
		open := byte('(')
		if l[n-1] == '>' {
			open = '<'
		}
		if i := strings.LastIndexByte(l, open); i > 0 {
			a := strings.TrimPrefix(l[i+1:n-1], "mailto:")
			name := l[:i]
			if looksLikeAddress(a) && len(name) < 100 && !strings.ContainsAny(name,
				":;.<>") && replyAt(name) == 0 && len(strings.Fields(name)) <= 6 {
				return a, "", "", true
			}
		}
	}
	return "", "", "", false
}

// leadingAddress reads an address at the beginning of s, in angle brackets or not.
func leadingAddress(s string) (addr, rest string, ok bool) {
	s = strings.TrimPrefix(s, "'")
	if strings.HasPrefix(s, "<") {
		i := strings.IndexByte(s[:min(len(s), maxAddress+2)], '>')
		if i < 0 {
			return "", "", false
		}
		addr = strings.TrimPrefix(strings.Trim(s[1:i], " "), "mailto:")
		return addr, s[i+1:], looksLikeAddress(addr)
	}
	n := addressLen(s)
	for n > 0 && (s[n-1] == '.' || s[n-1] == '-') { // of the sentence
		n--
	}
	addr = s[:n]
	return addr, s[n:], looksLikeAddress(addr)
}

// maxAddress is the longest address that is taken, in octets.
const maxAddress = 320

// addressLen is how many octets at the beginning of s can be an address.
func addressLen(s string) int {
	i := 0
	if strings.HasPrefix(s, `"`) {
		j := strings.IndexByte(s[1:min(len(s), maxAddress)], '"')
		if j < 0 {
			return 0
		}
		i = j + 2
	}
	for i < len(s) && i < maxAddress {
		c := s[i]
		if c == '[' && i > 0 && s[i-1] == '@' {
			j := strings.IndexByte(s[i:], ']')
			if j < 0 || j > 60 {
				return i
			}
			return i + j + 1
		}
		if c <= ' ' || strings.IndexByte(`()<>[]:;,"\`, c) >= 0 || c == '\'' && i+1 < len(s) && !isAlnum(s[i+1]) || c == '\'' && i+1 == len(s) {
			break
		}
		i++
	}
	return i
}

// looksLikeAddress tells whether all of s is an address with a domain.
func looksLikeAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || len(s) > maxAddress || addressLen(s) != len(s) {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if strings.IndexByte(local, '@') >= 0 && local[0] != '"' {
		return false
	}
	if domain[0] == '[' {
		return domain[len(domain)-1] == ']'
	}
	for i := 0; i < len(domain); i++ {
		if c := domain[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' && c < 0x80 {
			return false
		}
	}
	return isAlnum(domain[0]) || domain[0] >= 0x80
}
