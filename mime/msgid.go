package mime

// Message identifiers (RFC 5322 section 3.6.4).

import "strings"

// ParseMessageIDs returns the message identifiers of a Message-ID, In-Reply-To, References or Content-ID value, in order and
// without their angle brackets. Folding and blanks within an identifier are dropped; comments and the phrases of RFC 822
// are passed over. A value without any angle bracket is split at blanks and commas.
func ParseMessageIDs(s string) []string {
	s = unfold(s)
	var ids []string
	add := func(id string) {
		if strings.ContainsAny(id, " \t") {
			id = strings.Join(strings.Fields(id), "")
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	if strings.IndexByte(s, '<') < 0 {
		for _, id := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
			add(strings.Trim(id, ">"))
		}
		return ids
	}
	comments := true // none was found unclosed
	for {
		i := strings.IndexAny(s, "<(")
		if i >= 0 && s[i] == '(' {
			if n := closedComment(s, i); comments && n > 0 {
				s = s[n:]
				continue
			}
			comments = false
			i = strings.IndexByte(s, '<')
		}
		if i < 0 {
			return ids
		}
		s = s[i+1:]
		n := -1
		if len(s) > 0 && s[0] == '"' { // obs-id-left: a quoted string may hold angle brackets
			if q := strings.IndexByte(s[1:], '"'); q >= 0 && strings.HasPrefix(s[1+q:], "\"@") {
				n = 1 + q
			}
		}
		if m := strings.IndexAny(s[max(n, 0):], "<>"); m >= 0 {
			n = max(n, 0) + m
		} else {
			add(s)
			return ids
		}
		add(s[:n])
		s = s[n:]
	}
}
