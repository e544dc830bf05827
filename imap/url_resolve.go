package imap

// References beside a URL.

import (
	"strings"
	"time"
)

// Resolve is the URL that the reference ref means beside u (RFC 5092 section
// 7): a URL, an absolute path, a path relative to that of u, the empty reference,
// or a parameter that takes the place of the one u has, with what is behind it:
// ";UID=20", ";SECTION=1.4", ";PARTIAL=0.100". Paths are resolved by RFC 3986
// section 5.2.
func (u *URL) Resolve(ref string) (*URL, error) {
	base := *u
	base.Search, base.Expire, base.URLAuth = "", time.Time{}, nil
	path, query, hasQuery := strings.Cut(ref, "?")
	switch {
	case ref == "":
		same := *u
		return &same, nil
	case hasScheme(ref) || strings.HasPrefix(ref, "//"):
		v, err := ParseURL(ref)
		if err == nil && strings.HasPrefix(ref, "//") {
			v.Secure = u.Secure
		}
		return v, err
	case ref[0] == ';':
		switch {
		case hasPrefixFold(ref, ";UID="):
			base.UID, base.Section, base.Partial = 0, "", nil
		case hasPrefixFold(ref, ";SECTION="):
			base.Section, base.Partial = "", nil
		case hasPrefixFold(ref, ";PARTIAL="):
			base.Partial = nil
		default:
			return nil, &URLError{0, "expected ;UID=, ;SECTION= or ;PARTIAL="}
		}
		text, err := base.AppendText(nil)
		if err != nil {
			return nil, err
		}
		return ParseURL(string(text) + "/" + ref)
	}
	server := base
	server.Mailbox, server.UIDValidity, server.UID, server.Section, server.Partial = "", 0, 0, "", nil
	root := strings.TrimSuffix(server.String(), "/")
	text, err := base.AppendText(nil)
	if err != nil {
		return nil, err
	}
	have := string(text)[len(root):]
	switch {
	case path == "":
		path = have
	case path[0] != '/':
		path = have[:strings.LastIndexByte(have, '/')+1] + path
	}
	path = removeDots(path)
	if hasQuery {
		path += "?" + query
	}
	return ParseURL(root + path)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}

// hasScheme reports whether a reference begins with a scheme and a colon.
func hasScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c == ':' {
			return i > 0
		}
		if !isAlnum(c) && (i == 0 || c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return false
}

// removeDots is remove_dot_segments of RFC 3986 section 5.2.4. A path that ended
// in one has no slash at its end: RFC 5092 section 9.1 takes "/foo/;UID=20/.." for
// "/foo".
func removeDots(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	out := segments[:0]
	for _, s := range segments {
		switch s {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}
