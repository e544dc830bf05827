package mime

// Authentication-Results (RFC 8601) and ARC-Authentication-Results (RFC 8617).

import (
	"strconv"
	"strings"
)

// An AuthResults is the value of an Authentication-Results field. It means something only if the server that ServerID names is
// trusted and removes such fields of its name from what it receives (RFC 8601 section 5).
type AuthResults struct {
	Instance int    // of ARC-Authentication-Results: i=; 0 where there is none
	ServerID string // authserv-id; "" where a server left it out
	Version  int    // 1 where it is not said
	Results  []AuthResult
	None     bool // no authentication was done: "none"
}

// An AuthResult is the result of one method.
type AuthResult struct {
	Method   string // in lower case: dkim, spf, dmarc, ...
	Version  int    // 1 where it is not said
	Result   string // in lower case: pass, fail, none, ...
	Reason   string
	Props    []AuthProp
	Comments []string
}

// An AuthProp is a property on which a result rests. A bare name=value, which some servers write, has an empty Type.
type AuthProp struct {
	Type, Name string // in lower case: smtp and mailfrom, header and d, ...
	Value      string // as it stands, without quotes
}

// Prop returns the value of the first property of that type and name, both in lower case.
func (r *AuthResult) Prop(typ, name string) (string, bool) {
	for i := range r.Props {
		if p := &r.Props[i]; p.Type == typ && p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// AuthResults returns the value as that of an Authentication-Results or ARC-Authentication-Results field.
func (f Field) AuthResults() AuthResults { return ParseAuthResults(string(f.Value())) }

// ParseAuthResults reads an Authentication-Results or ARC-Authentication-Results value. Comments are taken anywhere, values
// without the quotes they need reach to the next blank, and the server's name may be missing. Results that cannot be read
// are left out.
func ParseAuthResults(s string) AuthResults {
	p := authParser{s: unfold(s), parens: true}
	a := AuthResults{Version: 1}
	p.skip()
	if n, ok := p.instance(); ok {
		a.Instance = n
	}
	// The name, unless a result stands in its place.
	if at := p.i; true {
		id := p.word()
		p.skip()
		if p.peek() == '=' || p.peek() == '/' {
			p.i = at
		} else {
			a.ServerID = id
			if n, err := strconv.Atoi(p.digits()); err == nil {
				a.Version = n
			}
		}
	}
	p.comments = nil
	for p.i < len(p.s) && len(a.Results) < defaultParameters {
		if p.peek() == ';' {
			p.i++
			continue
		}
		r, ok, none := p.result()
		switch {
		case ok:
			a.Results = append(a.Results, r)
		case none:
			a.None = true
		}
		p.toSemicolon()
	}
	a.None = a.None && len(a.Results) == 0
	return a
}

type authParser struct {
	s        string
	i        int
	parens   bool // no comment was found unclosed
	comments []string
}

func (p *authParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// skip passes blanks and comments, and keeps the latter.
func (p *authParser) skip() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case isBlank(c):
			p.i++
		case c == '(' && p.parens:
			n := closedComment(p.s, p.i)
			if n == 0 {
				p.parens = false
				return
			}
			if len(p.comments) < 100 {
				p.comments = append(p.comments, trimBlank(unquoteAll(p.s[p.i+1:n-1])))
			}
			p.i = n
		default:
			return
		}
	}
}

// keyword reads letters, digits and what else names of methods and properties have.
func (p *authParser) keyword() string {
	from := p.i
	for p.i < len(p.s) && (isAlnum(p.s[p.i]) || p.s[p.i] == '-' || p.s[p.i] == '_') {
		p.i++
	}
	return strings.ToLower(p.s[from:p.i])
}

func (p *authParser) digits() string {
	from := p.i
	for p.i < len(p.s) && isDigit(p.s[p.i]) && p.i-from < 9 {
		p.i++
	}
	return p.s[from:p.i]
}

// word reads a quoted string or a run of octets up to a blank, semicolon, equals sign or slash.
func (p *authParser) word() string {
	if p.peek() == '"' {
		return p.value()
	}
	from := p.i
	for p.i < len(p.s) && !isBlank(p.s[p.i]) && p.s[p.i] != ';' && p.s[p.i] != '=' && p.s[p.i] != '/' && p.s[p.i] != '(' {
		p.i++
	}
	return p.s[from:p.i]
}

// value reads a value: a quoted string, a token, or an address whose local part may be quoted.
func (p *authParser) value() string {
	from := p.i
	quoted := false
	if p.peek() == '"' {
		for j := p.i + 1; j < len(p.s); j++ {
			if p.s[j] == '\\' {
				j++
			} else if p.s[j] == '"' {
				p.i, quoted = j+1, true
				break
			}
		}
	}
	end := p.i
	for p.i < len(p.s) && !isBlank(p.s[p.i]) && p.s[p.i] != ';' && (p.s[p.i] != '(' || !p.parens) {
		p.i++
	}
	if quoted && p.i == end {
		return unquoteAll(p.s[from+1 : end-1])
	}
	return p.s[from:p.i]
}

// instance reads "i=1;" of RFC 8617 section 4.1.1.
func (p *authParser) instance() (int, bool) {
	at := p.i
	if lower(p.peek()) == 'i' {
		p.i++
		p.skip()
		if p.peek() == '=' {
			p.i++
			p.skip()
			if n, err := strconv.Atoi(p.digits()); err == nil {
				p.skip()
				if p.peek() == ';' {
					p.i++
					p.skip()
					return n, true
				}
			}
		}
	}
	p.i = at
	return 0, false
}

// result reads one resinfo: method [/version] = result [reason=...] *(ptype.property=value).
func (p *authParser) result() (r AuthResult, ok, none bool) {
	p.comments = nil
	p.skip()
	r.Version = 1
	if r.Method = p.keyword(); r.Method == "" {
		return r, false, false
	}
	p.skip()
	if p.peek() == '/' {
		p.i++
		p.skip()
		if n, err := strconv.Atoi(p.digits()); err == nil {
			r.Version = n
		}
		p.skip()
	}
	if p.peek() != '=' {
		return r, false, r.Method == "none" && (p.i == len(p.s) || p.peek() == ';')
	}
	p.i++
	p.skip()
	r.Result = p.keyword()
	if r.Result == "" {
		return r, false, false
	}
	for {
		p.skip()
		if p.i >= len(p.s) || p.peek() == ';' {
			break
		}
		from := p.i
		name := p.keyword()
		typ := ""
		p.skip()
		if p.peek() == '.' && name != "" {
			p.i++
			p.skip()
			typ, name = name, p.keyword()
			p.skip()
		}
		if p.peek() != '=' || name == "" {
			if p.i = max(p.i, from+1); name == "" {
				p.value()
			}
			continue
		}
		p.i++
		p.skip()
		v := p.value()
		switch {
		case typ == "" && name == "reason" && r.Reason == "":
			r.Reason = v
		case len(r.Props) < defaultParameters:
			r.Props = append(r.Props, AuthProp{typ, name, v})
		}
	}
	r.Comments = p.comments
	return r, true, false
}

// toSemicolon passes over what is left of a result.
func (p *authParser) toSemicolon() {
	for p.skip(); p.i < len(p.s) && p.peek() != ';'; p.skip() {
		at := p.i
		if p.value(); p.i == at {
			p.i++
		}
	}
}
