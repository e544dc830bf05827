package mime

// Trace fields (RFC 5321 section 4.4), in the forms that servers write.

import (
	"net/netip"
	"strings"
	"time"
)

// A Received is the value of a Received field. Its strings are unfolded and as they stand; what is missing is "". All of it is
// what some server wrote, and only the fields above the first one that a trusted server wrote are to be trusted.
type Received struct {
	From ReceivedHost // who gave the message
	By   ReceivedHost // who took it
	Via  string       // the link, seldom there
	With string       // the protocol, such as ESMTPS (RFC 3848)
	ID   string       // the queue's name for the message, without angle brackets
	For  string       // the recipient's address, without angle brackets; the first, if there are several
	// TLS is what comments say of the encryption.
	TLS ReceivedTLS
	// Date is when the message was taken, or the zero time if there is no date that can be read; DateText is how it stands.
	Date     time.Time
	DateText string
	// Clauses is all there is before the date, in order: the clauses above and others, with their comments.
	Clauses []ReceivedClause
}

// A ReceivedHost is one end of a transmission.
type ReceivedHost struct {
	Domain string     // as the clause has it: usually the name of the greeting, or an address literal
	Name   string     // the name in the comment: usually what the DNS says of the address
	Helo   string     // the name of the greeting, where a comment gives it
	Addr   netip.Addr // the network address, from the comment if it has one; the zero Addr if there is none
}

// ReceivedTLS is what a comment tells of the encryption of a transmission. Version is "TLS" where no more is said.
type ReceivedTLS struct {
	Version, Cipher string
}

// A ReceivedClause is a keyword, the text up to the next keyword, and the comments in it.
type ReceivedClause struct {
	Name     string // in lower case; "" for what stands before the first keyword
	Value    string // without comments
	Comments []string
}

const (
	maxClauses        = 100
	maxClauseComments = 100
)

// Received returns the value as that of a Received field.
func (f Field) Received() Received { return ParseReceived(string(f.Value())) }

// ParseReceived reads a Received value. It takes clauses in any order and missing ones, comments anywhere, text of several words
// ("with Microsoft SMTP Server"), and dates without the semicolon before them. Of a clause that stands twice the first counts.
func ParseReceived(s string) Received {
	s = unfold(s)
	var r Received
	body, date := cutTrace(s)
	r.DateText = date
	if d, err := ParseDate(date); err == nil {
		r.Date = d
	}
	r.Clauses = traceClauses(body)
	var seen [6]bool
	first := func(i int) bool {
		f := !seen[i]
		seen[i] = true
		return f
	}
	for i := range r.Clauses {
		c := &r.Clauses[i]
		for _, t := range c.Comments {
			if r.TLS == (ReceivedTLS{}) {
				r.TLS = traceTLS(t)
			}
		}
		switch c.Name {
		case "from":
			if first(0) {
				r.From = traceHost(c)
			}
		case "by":
			if first(1) {
				r.By = traceHost(c)
			}
		case "via":
			if first(2) {
				r.Via = c.Value
			}
		case "with":
			if first(3) {
				r.With = c.Value
			}
		case "id":
			if first(4) {
				r.ID = inAngles(c.Value)
			}
		case "for":
			if first(5) {
				r.For = inAngles(c.Value)
			}
		case "tls": // Exim
			if r.TLS.Cipher == "" {
				r.TLS.Cipher = inAngles(c.Value)
			}
		}
	}
	return r
}

// inAngles returns what stands in the first pair of angle brackets, or the first word.
func inAngles(s string) string {
	if i := strings.IndexByte(s, '<'); i >= 0 {
		s = s[i+1:]
		if j := strings.IndexByte(s, '>'); j >= 0 {
			s = s[:j]
		}
		return s
	}
	if s == "" || s[0] == '"' {
		return s
	}
	w, _, _ := strings.Cut(s, " ")
	return strings.TrimSuffix(w, ",")
}

// token returns the end of the blank, comment, quoted string, angle bracket or word at s[i].
func (p *traceParser) token(i int) int {
	s := p.s
	switch s[i] {
	case ' ', '\t':
		for i < len(s) && isBlank(s[i]) {
			i++
		}
		return i
	case '(':
		if p.comments {
			if n := closedComment(s, i); n > 0 {
				return n
			}
			p.comments = false
		}
		return i + 1
	case '"', '<':
		end, next := byte('"'), &p.quote
		if s[i] == '<' {
			end, next = '>', &p.angle
		}
		if *next <= i {
			if n := strings.IndexByte(s[i+1:], end); n >= 0 {
				*next = i + 1 + n
			} else {
				*next = len(s)
			}
		}
		if *next < len(s) && *next-i < maxTraceWord {
			return *next + 1
		}
		return i + 1
	case ';':
		return i + 1
	}
	for i++; i < len(s); i++ {
		if c := s[i]; isBlank(c) || c == '(' || c == ';' || c == '"' || c == '<' {
			break
		}
	}
	return i
}

// maxTraceWord is the longest quoted string or text in angle brackets; a longer one is not closed.
const maxTraceWord = 2000

type traceParser struct {
	s            string
	comments     bool // none was found unclosed
	quote, angle int  // where the next of their ends is that was found; len(s) if there is none
}

// cutTrace splits the date from the clauses: behind the last semicolon, or from a weekday or the like on where there is none.
func cutTrace(s string) (clauses, date string) {
	p := traceParser{s: s, comments: true}
	semi, word := -1, -1
	for i := 0; i < len(s); {
		end := p.token(i)
		switch {
		case s[i] == ';':
			semi = i
		case semi < 0 && word < 0 && end-i == 4 && s[end-1] == ',' && nameIndex(days[:], strings.ToLower(s[i:end-1])) >= 0:
			word = i
		}
		i = end
	}
	switch {
	case semi >= 0:
		return s[:semi], trimBlank(s[semi+1:])
	case word >= 0:
		return s[:word], trimBlank(s[word:])
	}
	return s, ""
}

var traceKeywords = map[string]bool{"from": true, "by": true, "via": true, "with": true, "id": true, "for": true, "tls": true}

// traceClauses splits the clauses at their keywords.
func traceClauses(s string) []ReceivedClause {
	p := traceParser{s: s, comments: true}
	var l []ReceivedClause
	var cur ReceivedClause
	var value []byte
	started := false
	end := func() {
		if cur.Value = string(trimBlank(value)); started || cur.Value != "" || cur.Comments != nil {
			l = append(l, cur)
		}
		cur, value = ReceivedClause{}, value[:0]
	}
	for i := 0; i < len(s); {
		n := p.token(i)
		t := s[i:n]
		switch {
		case isBlank(t[0]):
			if len(value) > 0 && value[len(value)-1] != ' ' {
				value = append(value, ' ')
			}
		case t[0] == '(' && len(t) > 1:
			if len(cur.Comments) < maxClauseComments {
				cur.Comments = append(cur.Comments, t[1:len(t)-1])
			}
		case t == ";":
		case len(t) <= 4 && (i == 0 || isBlank(s[i-1]) || s[i-1] == ')' || s[i-1] == ';') && (n == len(s) || isBlank(s[n]) || s[n] == '(') &&
			traceKeywords[strings.ToLower(t)] && len(l) < maxClauses:
			end()
			started = true
			cur.Name = strings.ToLower(t)
		default:
			value = append(value, t...)
		}
		i = n
	}
	end()
	return l
}

// traceHost reads a from or by clause.
func traceHost(c *ReceivedClause) ReceivedHost {
	h := ReceivedHost{}
	h.Domain, _, _ = strings.Cut(c.Value, " ")
	for i, t := range c.Comments {
		words := strings.Fields(t)
		for j, w := range words {
			if j > 20 {
				break
			}
			switch v, ok := cutPrefixFold(w, "helo="); {
			case ok:
				if h.Helo == "" {
					h.Helo = v
				}
			case (strings.EqualFold(w, "helo") || strings.EqualFold(w, "ehlo")) && j+1 < len(words):
				if h.Helo == "" {
					h.Helo = words[j+1]
				}
			case !h.Addr.IsValid() && traceAddr(w).IsValid():
				h.Addr = traceAddr(w)
				if j > 0 && h.Name == "" && isHostName(words[j-1]) && (j < 2 || !strings.EqualFold(words[j-2], "helo") && !strings.EqualFold(words[j-2], "ehlo")) {
					h.Name = words[j-1]
				}
			case i == 0 && len(words) == 1 && isHostName(w):
				h.Name = w
			}
		}
	}
	if !h.Addr.IsValid() {
		h.Addr = traceAddr(h.Domain)
	}
	return h
}

func cutPrefixFold(s, lowerPrefix string) (string, bool) {
	if len(s) >= len(lowerPrefix) && equalFold(s[:len(lowerPrefix)], lowerPrefix) {
		return s[len(lowerPrefix):], true
	}
	return s, false
}

// isHostName tells a name of at least two labels, or localhost, from words of a comment.
func isHostName(s string) bool {
	if equalFold(s, "localhost") {
		return true
	}
	if !strings.Contains(s, ".") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' && c < 0x80 {
			return false
		}
	}
	return true
}

// traceAddr reads 192.0.2.1, [192.0.2.1], [IPv6:2001:db8::1], [192.0.2.1]:25 and user@192.0.2.1.
func traceAddr(w string) netip.Addr {
	if i := strings.IndexByte(w, '['); i >= 0 {
		j := strings.IndexByte(w[i:], ']')
		if j < 0 {
			return netip.Addr{}
		}
		w = w[i+1 : i+j]
	} else {
		w = w[strings.LastIndexByte(w, '@')+1:]
	}
	w = strings.TrimRight(w, ",:;")
	if v, ok := cutPrefixFold(w, "ipv6:"); ok {
		w = v
	}
	if len(w) < 2 || len(w) > 64 {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(w)
	if err != nil {
		if i := strings.LastIndexByte(w, ':'); i > 0 && strings.Count(w, ":") == 1 { // a port
			a, err = netip.ParseAddr(w[:i])
		}
		if err != nil {
			return netip.Addr{}
		}
	}
	return a
}

// traceTLS reads "using TLSv1.3 with cipher X (256/256 bits)", "version=TLS1_2, cipher=X", "TLSv1.2:X:256", "TLS1.2" and "TLS".
func traceTLS(c string) ReceivedTLS {
	var t ReceivedTLS
	words := strings.FieldsFunc(c, func(r rune) bool {
		return r == ' ' || r == '\t' || r == ',' || r == ';' || r == '(' || r == ')'
	})
	for i, w := range words {
		if i > 40 {
			break
		}
		if v, ok := cutPrefixFold(w, "version="); ok {
			w = v
		}
		if v, ok := cutPrefixFold(w, "cipher="); ok && v != "" {
			t.Cipher = v
			continue
		}
		if equalFold(w, "cipher") && i+1 < len(words) {
			t.Cipher = words[i+1]
			continue
		}
		if t.Version == "" && len(w) >= 3 && (equalFold(w[:3], "tls") || equalFold(w[:3], "ssl")) && !strings.Contains(w, "_WITH_") {
			if v, rest, ok := strings.Cut(w, ":"); ok { // Exim
				w = v
				if t.Cipher == "" {
					t.Cipher, _, _ = strings.Cut(rest, ":")
				}
			}
			if isTLSVersion(w) {
				t.Version = w
			}
		}
	}
	if t.Version == "" && t.Cipher != "" {
		t.Version = "TLS"
	}
	return t
}

// isTLSVersion takes TLS, TLSv1.2, TLS1_3, TLS1.2, SSLv3.
func isTLSVersion(w string) bool {
	for i := 3; i < len(w); i++ {
		if c := w[i]; !isDigit(c) && c != '.' && c != '_' && lower(c) != 'v' {
			return false
		}
	}
	return len(w) <= 8
}
