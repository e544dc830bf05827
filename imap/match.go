package imap

// LIST's wildcards.

import "strings"

// ListPattern is a pattern of LIST, made ready by [CompileList]. "*" matches
// any run of characters, "%" any run without the hierarchy delimiter.
type ListPattern struct {
	pattern string
	delim   string
	least   int // octets of the shortest name that can match
}

// CompileList makes a pattern ready. reference and pattern are joined as RFC
// 3501 section 6.3.8 lets a server do: one behind the other. A first component
// of INBOX matches in any case. delim is zero where the hierarchy is flat.
func CompileList(reference, pattern string, delim rune) *ListPattern {
	p := &ListPattern{}
	if delim != 0 {
		p.delim = string(delim)
	}
	full := reference + pattern
	var b strings.Builder
	var last byte
	for i := range len(full) {
		c := full[i]
		if last == '*' && (c == '*' || c == '%') || last == '%' && c == '%' {
			continue
		}
		b.WriteByte(c)
		last = c
		if c != '*' && c != '%' {
			p.least++
		}
	}
	p.pattern = b.String()
	return p
}

// Match reports whether name matches. INBOX, alone or as the first component,
// is compared without regard to case. The cost is at most the square of the
// name's length, whatever the pattern.
func (p *ListPattern) Match(name string) bool {
	if len(name) < p.least {
		return false
	}
	if len(name) >= len(Inbox) && equalFold(name[:len(Inbox)], Inbox) {
		if rest := name[len(Inbox):]; rest == "" || p.delim != "" && strings.HasPrefix(rest, p.delim) {
			return p.match(name, len(Inbox))
		}
	}
	return p.match(name, 0)
}

// match runs the pattern as a set of states, one bit for each place in it.
// The first fold octets of name are compared without regard to case.
func (p *ListPattern) match(name string, fold int) bool {
	words := len(p.pattern)/64 + 1
	var small [8]uint64
	state := small[:]
	if words > len(small) {
		state = make([]uint64, words)
	}
	state = state[:words]
	set := func(i int) { state[i>>6] |= 1 << (i & 63) }
	has := func(i int) bool { return state[i>>6]>>(i&63)&1 != 0 }
	set(0)
	for i := 0; i < len(name); {
		n := 1
		delim := p.delim != "" && strings.HasPrefix(name[i:], p.delim)
		if delim {
			n = len(p.delim)
		}
		// Wildcards may match nothing.
		for j := range len(p.pattern) {
			if c := p.pattern[j]; (c == '*' || c == '%') && has(j) {
				set(j + 1)
			}
		}
		alive := false
		if delim && n > 1 {
			alive = p.stepDelim(state)
		} else {
			for j := len(p.pattern); j >= 0; j-- {
				on := false
				if j < len(p.pattern) && has(j) {
					c := p.pattern[j]
					on = c == '*' || c == '%' && !delim
				}
				if !on && j > 0 && has(j-1) {
					c := p.pattern[j-1]
					on = c != '*' && c != '%' && (c == name[i] || i < fold && lower(c) == lower(name[i]))
				}
				if on {
					set(j)
					alive = true
				} else {
					state[j>>6] &^= 1 << (j & 63)
				}
			}
		}
		if !alive {
			return false
		}
		i += n
	}
	for j := range len(p.pattern) {
		if c := p.pattern[j]; (c == '*' || c == '%') && has(j) {
			set(j + 1)
		}
	}
	return has(len(p.pattern))
}

// stepDelim takes a delimiter of several octets in one step.
func (p *ListPattern) stepDelim(state []uint64) bool {
	n := len(p.delim)
	alive := false
	for j := len(p.pattern); j >= 0; j-- {
		on := j < len(p.pattern) && p.pattern[j] == '*' && state[j>>6]>>(j&63)&1 != 0
		if k := j - n; !on && k >= 0 {
			on = state[k>>6]>>(k&63)&1 != 0 && p.pattern[k:j] == p.delim
		}
		if on {
			state[j>>6] |= 1 << (j & 63)
			alive = true
		} else {
			state[j>>6] &^= 1 << (j & 63)
		}
	}
	return alive
}

// MatchList reports whether name matches reference and pattern joined: see
// [CompileList] for many names.
func MatchList(reference, pattern, name string, delim rune) bool {
	return CompileList(reference, pattern, delim).Match(name)
}
