package report

// Diagnostics: SMTP replies, status codes, and host names in what systems say.

import (
	"strings"
)

// replyAt reads an SMTP reply code at the beginning of s.
func replyAt(s string) int {
	if len(s) < 3 || s[0] != '4' && s[0] != '5' && s[0] != '2' || s[1] < '0' || s[1] > '5' || !isDigit(s[2]) {
		return 0
	}
	if len(s) > 3 && s[3] != ' ' && s[3] != '-' && s[3] != ':' && s[3] != '\t' && s[3] != ',' && s[3] != ';' {
		return 0
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
}

// findReply finds an SMTP reply in s: at its beginning, behind a mark that systems put before one, or with a status code behind it.
func findReply(s string) (at, code int) {
	for i := 0; i+3 <= len(s); i++ {
		if s[i] != '4' && s[i] != '5' && s[i] != '2' || i > 0 && (isAlnum(s[i-1]) || s[i-1] == '.' || s[i-1] == '@' || s[i-1] >= 0x80) {
			continue
		}
		code := replyAt(s[i:])
		if code == 0 {
			continue
		}
		if _, n := statusAt(strings.TrimLeft(s[i+3:], " -:#'\"\t")); n > 0 && i+3 < len(s) {
			return i, code
		}
		before := strings.TrimRight(s[:i], " \t")
		if before == "" {
			return i, code
		}
		switch c := before[len(before)-1]; {
		case c == '#' || c == ';' || c == '\'' || c == '"' || c == '(':
			return i, code
		case c == ':' && i+3 < len(s):
			return i, code
		}
	}
	return 0, 0
}

// findStatus finds a status code in s.
func findStatus(s string) Status {
	for i := 0; i+5 <= len(s); i++ {
		if s[i] != '4' && s[i] != '5' && s[i] != '2' || s[i+1] != '.' || i > 0 && (isAlnum(s[i-1]) || s[i-1] == '.' || s[i-1] == '@') {
			continue
		}
		if st, n := statusAt(s[i:]); n > 0 {
			return st
		}
	}
	return Status{}
}

// replyStatus is the status that a reply code without one means, as far as it means any (RFC 5321 section 4.2.3, RFC 3463).
func replyStatus(code int) Status {
	switch code {
	case 421:
		return Status{4, 3, 2}
	case 450:
		return Status{4, 2, 0}
	case 452:
		return Status{4, 3, 1}
	case 551:
		return Status{5, 1, 6}
	case 552:
		return Status{5, 2, 2}
	case 553:
		return Status{5, 1, 3}
	}
	if c := code / 100; c == 2 || c == 4 || c == 5 {
		return Status{c, 0, 0}
	}
	return Status{}
}

// reasons is what systems write, in lower case, and the subject and detail that it means.
var reasons = []struct {
	text    string
	subject int
	detail  int
}{
	{"mailbox full", 2, 2}, {"mailbox is full", 2, 2}, {"quota exceeded", 2, 2}, {"over quota", 2, 2}, {"exceeded storage", 2, 2}, {"exceeded the storage", 2, 2}, {"out of storage", 2, 2}, {"overquota", 2, 2}, {"storage limit", 2, 2}, {"quota", 2, 2}, {"ящик переполнен", 2, 2},
	{"disabled", 2, 1}, {"inactive", 2, 1}, {"account is not active", 2, 1}, {"suspended", 2, 1},
	{"user unknown", 1, 1}, {"unknown user", 1, 1}, {"no such user", 1, 1}, {"user not found", 1, 1}, {"unknown recipient", 1, 1}, {"recipient unknown", 1, 1}, {"no such recipient", 1, 1},
	{"no mailbox here", 1, 1}, {"mailbox unavailable", 1, 1}, {"mailbox not found", 1, 1}, {"invalid mailbox", 1, 1},
	{"invalid recipient", 1, 1}, {"invalid address", 1, 1}, {"address does not exist", 1, 1}, {"does not exist", 1, 1},
	{"doesn't have a", 1, 1}, {"not listed in", 1, 1}, {"address not found", 1, 1}, {"address couldn't be found", 1, 1},
	{"address was not found", 1, 1}, {"address wasn't found", 1, 1}, {"wasn't found", 1, 1}, {"could not be found", 1, 1},
	{"recipnotfound", 1, 1}, {"no such mailbox", 1, 1}, {"not recognized", 1, 1}, {"unknown address", 1, 1}, {"not a known user", 1, 1}, {"no longer exists", 1, 1}, {"bad destination mailbox", 1, 1}, {"recipient not found", 1, 1},
	{"unrouteable address", 1, 2}, {"unroutable address", 1, 2}, {"пользователь не найден", 1, 1},
	{"host unknown", 1, 2}, {"unknown host", 1, 2}, {"host not found", 1, 2}, {"couldn't find any host", 1, 2},
	{"domain not found", 1, 2}, {"name service error", 4, 4}, {"no route to", 4, 4}, {"domain couldn't be found", 1, 2},
	{"all relevant mx records point to non-existent hosts", 4, 4}, {"connection timed out", 4, 1}, {"timed out", 4, 1},
	{"requests to connect", 4, 1}, {"name server timeout", 4, 3}, {"connection refused", 4, 1}, {"server busy", 3, 2},
	{"connection dropped", 4, 2}, {"lost connection", 4, 2}, {"wasn't able to establish an smtp connection", 4, 1},
	{"retry timeout exceeded", 4, 7}, {"in the queue too long", 4, 7}, {"retry time not reached", 4, 7}, {"message expired", 4, 7}, {"could not be delivered for", 4, 7}, {"delivery time expired", 4, 7},
	{"message size exceeds", 3, 4}, {"message too large", 3, 4}, {"message too big", 3, 4}, {"exceeds size limit", 3, 4},
	{"size limit", 3, 4}, {"too large", 3, 4}, {"relaying denied", 7, 1}, {"relay access denied", 7, 1},
	{"relay not permitted", 7, 1},
	{"greylist", 7, 1}, {"graylist", 7, 1}, {"spam", 7, 1}, {"blacklist", 7, 1}, {"blocked", 7, 1}, {"access denied", 7, 1},
	{"policy", 7, 1}, {"not authorized", 7, 1}, {"not permitted", 7, 1}, {"prohibited", 7, 1}, {"virus", 7, 1},
	{"too many hops", 4, 6}, {"mail loop", 4, 6}, {"routing loop", 4, 6},
}

// complete fills in what can be derived: reply code, status and action.
func (r *Recipient) complete() {
	at, code := findReply(r.Diagnostic)
	if code != 0 {
		r.Reply = code
	}
	if r.Status.IsZero() {
		r.Status = findStatus(r.Diagnostic[at:])
	}
	if r.Status.IsZero() {
		r.Status = replyStatus(r.Reply)
	}
	// Exim says 5.0.0 of all that it gives up, whatever the other host replied.
	if r.Status == (Status{5, 0, 0}) && r.Reply/100 == 4 {
		if s := findStatus(r.Diagnostic[at:]); s[0] == 4 {
			r.Status = s
		} else {
			r.Status = replyStatus(r.Reply)
		}
		if r.Action == "" {
			r.Action = Failed
		}
	}
	if r.Action == "" {
		switch r.Status[0] {
		case 2:
			r.Action = Delivered
		case 4:
			r.Action = Delayed
		case 5:
			r.Action = Failed
		}
	}
	guessed := r.Status.IsZero()
	if guessed {
		switch r.Action {
		case Failed:
			r.Status[0] = 5
		case Delayed:
			r.Status[0] = 4
		case Delivered, Relayed, Expanded:
			r.Status[0] = 2
		}
	}
	// A class alone says less than the words beside it.
	if r.Status[0] > 2 && r.Status[1] == 0 && r.Status[2] == 0 {
		if s, d, ok := reason(r.Diagnostic); ok {
			r.Status[1], r.Status[2] = s, d
			// A host that does not answer says nothing about the address (RFC 3463 section 3.5).
			if guessed && (s == 4 && d <= 3 || s == 3 && d == 2) {
				r.Status[0] = 4
			}
		}
	}
}

func reason(s string) (subject, detail int, ok bool) {
	low := strings.ToLower(s)
	for _, w := range reasons {
		if strings.Contains(low, w.text) {
			return w.subject, w.detail, true
		}
	}
	return 0, 0, false
}

// hostMarks is what stands before the name of the host that was talked to, in lower case; the longer ones first.
var hostMarks = []string{
	"while talking to ", "connect to ", "delivery via ", "recipient domain by ", "giving up on ", "connected to ",
	"receiving server: ", "remote host ", "remote server ", "host ", "by ",
}

// findHost finds the host that a diagnostic is about.
func findHost(s string) string {
	low := strings.ToLower(s)
	if len(low) != len(s) {
		low = s
	}
	for _, m := range hostMarks {
		for i := 0; ; {
			k := strings.Index(low[i:], m)
			if k < 0 {
				break
			}
			k += i
			i = k + len(m)
			if k > 0 && isAlnum(low[k-1]) {
				continue
			}
			rest := s[i:]
			name := hostName(rest)
			if name == "" {
				continue
			}
			// "host" and "by" stand in prose too: an address in brackets follows a name.
			tail := strings.TrimLeft(strings.TrimPrefix(rest, name), ". ")
			if (m == "host " || m == "by ") && !strings.HasPrefix(tail, "[") && !strings.HasPrefix(rest,
				"[") && !strings.HasPrefix(tail, "said") {
				continue
			}
			return name
		}
	}
	// qmail and DragonFly begin with the host.
	if i := strings.IndexByte(s, ' '); i > 0 && (isIP(s[:i]) || hostName(s) == s[:i] && strings.HasPrefix(s[i:], " [")) {
		return s[:i]
	}
	return ""
}

// hostName is the host name, or the address without its brackets, at the beginning of s, or "".
func hostName(s string) string {
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i > 1 && i < 50 && isIP(s[1:i]) {
			return s[1:i]
		}
		return ""
	}
	n := 0
	for n < len(s) && n <= 255 && (isAlnum(s[n]) || s[n] == '.' || s[n] == '-' || s[n] == '_' || s[n] >= 0x80) {
		n++
	}
	name := strings.TrimRight(s[:n], ".")
	if n < len(s) && s[n] == '@' || !strings.Contains(name, ".") || n > 255 {
		if isIP(name) {
			return name
		}
		return ""
	}
	return name
}

// isIP tells whether s is of the characters of an IP address.
func isIP(s string) bool {
	digits, seps := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f':
			digits++
		case c == ':' || c == '.':
			seps++
		default:
			return false
		}
	}
	return digits > 0 && seps > 1 && (strings.Contains(s, ":") || strings.Count(s, ".") == 3)
}
