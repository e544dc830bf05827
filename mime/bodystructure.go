package mime

// BODYSTRUCTURE (RFC 3501 section 7.4.2).

import "strings"

// A BodyStructure is the value of IMAP's BODY and BODYSTRUCTURE, a tree. Strings are as they stand in the header, unfolded
// and not decoded, and hold no CR, LF or NUL. An empty string is NIL where the grammar allows it. Which form it takes follows
// from Type and Subtype: "multipart" has Parts, never empty; message/rfc822 and message/global have Envelope and Body; both
// and "text" have Lines.
type BodyStructure struct {
	Type, Subtype string
	Params        Params
	ID            string // Content-ID with its angle brackets
	Description   string
	Encoding      string // never empty but in a multipart
	Octets        int64  // of the body in its transfer encoding
	Lines         int64  // of the body in its transfer encoding

	Envelope *Envelope        // of message/rfc822
	Body     *BodyStructure   // of message/rfc822
	Parts    []*BodyStructure // of a multipart

	// Extension data.
	MD5         string
	Disposition *Disposition // nil for NIL
	Language    []string
	Location    string
}

// BodyStructure returns the description of the part and all below it. Every value it returns can be written on the wire: a
// multipart in which no part was found is described as text/plain; charset=us-ascii, and a message/rfc822 that was not
// entered, being transfer-encoded or beyond a limit, as application/octet-stream.
func (p *Part) BodyStructure() *BodyStructure {
	// The tree is no deeper than Limits.Depth, but the walk keeps its own stack all the same.
	type frame struct {
		p   *Part
		dst **BodyStructure
	}
	var root *BodyStructure
	todo := []frame{{p, &root}}
	for len(todo) > 0 {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		b := f.p.describe()
		*f.dst = b
		if n := len(f.p.Children); n > 0 {
			b.Parts = make([]*BodyStructure, n)
			for i, c := range f.p.Children {
				todo = append(todo, frame{c, &b.Parts[i]})
			}
		} else if f.p.Message != nil {
			b.Envelope = f.p.Message.Header.Envelope()
			todo = append(todo, frame{f.p.Message, &b.Body})
		}
	}
	return root
}

// describe fills in all but what lies below the part.
func (p *Part) describe() *BodyStructure {
	b := &BodyStructure{Encoding: "7bit", Octets: p.Octets(), Lines: p.Lines}
	limit := p.Header.limits().Parameters
	hasType := false
	var seen [8]bool
	first := func(i int) bool {
		r := !seen[i]
		seen[i] = true
		return r
	}
	for f := range p.Header.Fields() {
		if f.name < 10 || b0(f) != 'c' || f.raw[7] != '-' {
			continue
		}
		switch name := f.raw[8:f.name]; {
		case !equalFold(f.raw[:8], "content-"):
		case equalFold(name, "type") && first(0):
			if ct, ok := parseContentType(string(f.Value()), limit); ok {
				hasType = true
				b.Type, b.Subtype, b.Params = ct.Type, ct.Subtype, ct.Params
			}
		case equalFold(name, "transfer-encoding") && first(1):
			b.Encoding = p.Encoding()
		case equalFold(name, "id") && first(2):
			b.ID = f.Unfolded()
		case equalFold(name, "description") && first(3):
			b.Description = f.Unfolded()
		case equalFold(name, "md5") && first(4):
			b.MD5 = f.Unfolded()
		case equalFold(name, "disposition") && first(5):
			if d, ok := parseDisposition(string(f.Value()), limit); ok {
				b.Disposition = &d
			}
		case equalFold(name, "language") && first(6):
			b.Language = parseLanguage(f.Unfolded())
		case equalFold(name, "location") && first(7):
			b.Location = stripBlanks(f.Unfolded())
		}
	}
	plain := false
	switch {
	case !hasType && p.digest:
		b.Type, b.Subtype = "message", "rfc822"
	case !hasType:
		plain = true
	}
	switch {
	case len(p.Children) > 0:
		plain = false
		if !equalFold(b.Type, "multipart") {
			b.Type, b.Subtype = "multipart", "mixed"
		}
		b.Encoding, b.Octets, b.Lines = "", 0, 0
		b.ID, b.Description, b.MD5 = "", "", ""
	case p.Message != nil:
		if plain { // the limits have cut the header
			b.Type, b.Subtype = "message", "rfc822"
			plain = false
		}
	case equalFold(b.Type, "multipart"):
		plain = true
	case equalFold(b.Type, "message") && (equalFold(b.Subtype, "rfc822") || equalFold(b.Subtype, "global")):
		b.Type, b.Subtype, b.Params = "application", "octet-stream", nil
	}
	if plain {
		d := defaultContentType()
		b.Type, b.Subtype, b.Params = d.Type, d.Subtype, d.Params
	}
	if !equalFold(b.Type, "text") && p.Message == nil {
		b.Lines = 0
	}
	return b
}

func b0(f Field) byte { return lower(f.raw[0]) }

// parseLanguage reads a Content-Language value (RFC 3282): tags between commas, with comments.
func parseLanguage(s string) []string {
	p := paramParser{s: s}
	var l []string
	for p.i < len(s) && len(l) < 100 {
		p.skip()
		if t := p.token(); t != "" {
			l = append(l, t)
		} else {
			p.i++
		}
	}
	return l
}

// stripBlanks removes the blanks that folding leaves in a URI (RFC 2557 section 4.4.2).
func stripBlanks(s string) string {
	if !strings.ContainsAny(s, " \t") {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}
