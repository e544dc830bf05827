package mime

// Subjects and references as threads are made of them (RFC 5256).

import (
	"strings"
)

// BaseSubject returns the base subject of a Subject value, by exactly the algorithm of RFC 5256 section 2.1, and whether it is
// the subject of a reply or a forward (section 3, REFERENCES step 5: "Re:", "Fwd:", "[Fwd: ...]" or "(fwd)" was taken away). s may be as it
// stands in the header: it is unfolded and its encoded-words are decoded. Case is kept; compare with a case-insensitive
// collation.
func BaseSubject(s string) (base string, reply bool) {
	b := collapseWSP(DecodeText(s)) // (1)
	for {
		b, reply = trimSubjTrailers(b, reply) // (2)
		for {                                 // (5)
			t, refwd, ok := cutSubjLeader(b) // (3)
			if !ok {
				t, ok = cutSubjBlobs(b) // (4)
			}
			if !ok {
				break
			}
			b, reply = t, reply || refwd
		}
		if len(b) >= len("[fwd:]") && equalFold(b[:5], "[fwd:") && b[len(b)-1] == ']' { // (6)
			b = b[5 : len(b)-1]
			reply = true
			continue
		}
		return b, reply // (7)
	}
}

// collapseWSP makes each run of blanks one space.
func collapseWSP(s string) string {
	if !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			if n := len(b); n > 0 && b[n-1] == ' ' {
				continue
			}
			c = ' '
		}
		b = append(b, c)
	}
	return string(b)
}

func trimSubjTrailers(s string, fwd bool) (string, bool) {
	for {
		switch n := len(s); {
		case n > 0 && s[n-1] == ' ':
			s = s[:n-1]
		case n >= 5 && equalFold(s[n-5:], "(fwd)"):
			s = s[:n-5]
			fwd = true
		default:
			return s, fwd
		}
	}
}

// cutSubjLeader cuts (*subj-blob subj-refwd) / WSP.
func cutSubjLeader(s string) (rest string, refwd, ok bool) {
	if s == "" {
		return s, false, false
	}
	if s[0] == ' ' {
		return s[1:], false, true
	}
	t := s
	for {
		u, ok := cutSubjBlob(t)
		if !ok {
			break
		}
		t = u
	}
	if len(t) < 2 {
		return s, false, false
	}
	switch {
	case equalFold(t[:2], "re"):
		t = t[2:]
	case len(t) >= 3 && equalFold(t[:3], "fwd"):
		t = t[3:]
	case equalFold(t[:2], "fw"):
		t = t[2:]
	default:
		return s, false, false
	}
	t = strings.TrimLeft(t, " ")
	if u, ok := cutSubjBlob(t); ok {
		t = u
	}
	if t == "" || t[0] != ':' {
		return s, false, false
	}
	return t[1:], true, true
}

// cutSubjBlob cuts "[" *BLOBCHAR "]" *WSP.
func cutSubjBlob(s string) (rest string, ok bool) {
	if s == "" || s[0] != '[' {
		return s, false
	}
	i := strings.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] != ']' {
		return s, false
	}
	return strings.TrimLeft(s[i+2:], " "), true
}

// cutSubjBlobs cuts all leading subj-blobs, but the last one if nothing were left. Cutting them at once is cutting them one by
// one, since what stands behind them is no subj-refwd.
func cutSubjBlobs(s string) (rest string, ok bool) {
	for {
		t, cut := cutSubjBlob(s)
		if !cut || t == "" {
			return s, ok
		}
		s, ok = t, true
	}
}

// BaseSubject returns the base subject of the header's Subject (RFC 5256 section 2.1), and whether it is a reply or a forward.
func (h Header) BaseSubject() (base string, reply bool) {
	f, ok := h.Get("Subject")
	if !ok {
		return "", false
	}
	return BaseSubject(string(f.Value()))
}

// ThreadReferences returns the message identifiers that the message refers to, oldest first, as THREAD=REFERENCES takes them
// (RFC 5256 section 3): the valid ones of References, else the first valid one of In-Reply-To. Each is normalised, so that
// identifiers that are one compare equal, and stands once.
func (h Header) ThreadReferences() []string {
	if ids := threadIDs(h, "References", -1); len(ids) > 0 {
		return ids
	}
	return threadIDs(h, "In-Reply-To", 1)
}

// ThreadID returns the normalised Message-ID that others' ThreadReferences refer to, or "" where there is no valid one.
func (h Header) ThreadID() string {
	if ids := threadIDs(h, "Message-ID", 1); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

func threadIDs(h Header, name string, limit int) []string {
	f, ok := h.Get(name)
	if !ok {
		return nil
	}
	v := f.Unfolded()
	if strings.IndexByte(v, '<') < 0 {
		return nil // words and addresses, but no identifier
	}
	var ids []string
	seen := map[string]bool{}
	for _, id := range ParseMessageIDs(v) {
		id, ok := NormalizeMessageID(id)
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		if ids = append(ids, id); len(ids) == limit {
			break
		}
	}
	return ids
}

// NormalizeMessageID returns the form in which equal message identifiers are equal strings: quotes and quoted-pairs that need not
// be are removed (RFC 5256 section 3 has an example), and nothing else is changed. ok is false if id has not two sides with
// an "@" between them. Angle brackets are dropped.
func NormalizeMessageID(id string) (_ string, ok bool) {
	id = trimID(id)
	if strings.IndexByte(id, '"') < 0 {
		i := strings.LastIndexByte(id, '@')
		return id, i > 0 && i < len(id)-1
	}
	if id == "" || id[0] != '"' {
		i := strings.LastIndexByte(id, '@')
		return id, i > 0 && i < len(id)-1
	}
	var left []byte
	plain := true
	i := 1
	for ; i < len(id) && id[i] != '"'; i++ {
		if id[i] == '\\' && i+1 < len(id) {
			i++
		}
		left = append(left, id[i])
	}
	if i+2 >= len(id) || id[i+1] != '@' || len(left) == 0 {
		j := strings.LastIndexByte(id, '@')
		return id, j > 0 && j < len(id)-1
	}
	dot := true
	for _, c := range left { // dot-atom-text needs no quotes
		if c == '.' {
			if dot {
				plain = false
			}
			dot = true
			continue
		}
		dot = false
		if !isAlnum(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 && c < 0x80 {
			plain = false
		}
	}
	if plain && !dot {
		return string(left) + id[i+1:], true
	}
	out := []byte{'"'}
	for _, c := range left {
		if c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out) + id[i:], true
}
