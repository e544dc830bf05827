package mime

// Mailing list fields (RFC 2369, RFC 2919, RFC 8058).

import "strings"

// A ListID is the value of a List-Id field (RFC 2919).
type ListID struct {
	Name string // the phrase before it, decoded; "" if there is none
	ID   string // without angle brackets; it is compared without regard to case
}

// ParseListID reads a List-Id value. A value without angle brackets is the identifier.
func ParseListID(s string) ListID {
	s = unfold(s)
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		id := s[i+1:]
		if j := strings.IndexByte(id, '>'); j >= 0 {
			id = id[:j]
		}
		return ListID{Name: DecodeText(phrase(s[:i], true)), ID: stripBlanks(id)}
	}
	return ListID{ID: trimBlank(phrase(s, true))}
}

// A ListURI is one way to reach a list. It comes from the sender: nothing says that its scheme is harmless.
type ListURI struct {
	URI     string
	Comment string // the first comment next to it, without parentheses
}

// ParseListURIs reads the value of List-Help, List-Unsubscribe, List-Subscribe, List-Post, List-Owner and List-Archive: URIs in
// angle brackets, the preferred one first, with blanks within them dropped. Comments, and mailto and http URIs without angle
// brackets, are taken. no is set if the value is NO: a list that nobody may post to (RFC 2369 section 3.4).
func ParseListURIs(s string) (uris []ListURI, no bool) {
	s = unfold(s)
	comments := true // none was found unclosed
	next := true     // a comma, or the start, comes before what follows
	comment := ""
	for i := 0; i < len(s) && len(uris) < maxListURIs; {
		switch c := s[i]; {
		case c == '(' && comments:
			n := closedComment(s, i)
			if n == 0 {
				comments = false
				continue
			}
			t := trimBlank(unquoteAll(s[i+1 : n-1]))
			switch {
			case next && comment == "":
				comment = t
			case !next && uris[len(uris)-1].Comment == "":
				uris[len(uris)-1].Comment = t
			}
			i = n
		case c == ',':
			next = true
			i++
		case c == '<':
			end := strings.IndexByte(s[i:], '>')
			if end < 0 {
				end = len(s) - i
			}
			if u := stripBlanks(s[i+1 : i+end]); u != "" {
				uris = append(uris, ListURI{u, comment})
				next, comment = false, ""
			}
			i = min(i+end+1, len(s))
		case isBlank(c):
			i++
		default:
			j := i
			for j < len(s) && !isBlank(s[j]) && s[j] != ',' && s[j] != '<' && s[j] != '(' {
				j++
			}
			if j == i {
				j++
			}
			switch w := s[i:j]; {
			case equalFold(w, "no") && len(uris) == 0 && next:
				no = true
			case isListURI(w):
				uris = append(uris, ListURI{w, comment})
				next, comment = false, ""
			}
			i = j
		}
	}
	return uris, no && len(uris) == 0
}

const maxListURIs = 100

func isListURI(w string) bool {
	for _, p := range [...]string{"mailto:", "https://", "http://"} {
		if v, ok := cutPrefixFold(w, p); ok && v != "" {
			return true
		}
	}
	return false
}

// Unsubscribe is what a header says about leaving a list.
type Unsubscribe struct {
	URIs []ListURI // of List-Unsubscribe, the preferred one first
	// OneClick is the https URI to which POSTing "List-Unsubscribe=One-Click" unsubscribes without asking (RFC 8058), or "".
	// RFC 8058 section 4 lets receivers do so only if a valid DKIM signature covers both fields, which is not checked here.
	OneClick string
}

// Unsubscribe returns what List-Unsubscribe and List-Unsubscribe-Post say.
func (h Header) Unsubscribe() Unsubscribe {
	var u Unsubscribe
	f, _ := h.Get("List-Unsubscribe")
	u.URIs, _ = ParseListURIs(string(f.Value()))
	p, ok := h.Get("List-Unsubscribe-Post")
	if !ok || !equalFold(stripBlanks(p.Unfolded()), "list-unsubscribe=one-click") {
		return u
	}
	for _, l := range u.URIs {
		if _, ok := cutPrefixFold(l.URI, "https://"); ok {
			u.OneClick = l.URI
			break
		}
	}
	return u
}
