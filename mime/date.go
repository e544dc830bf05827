package mime

// Dates (RFC 5322 section 3.3 and 4.3), and the other forms that stand in Date fields.

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// zones are the names whose meaning is settled: those of RFC 822, and those that senders use for one zone alone. Minutes
// east of Greenwich.
var zones = map[string]int{
	"ut": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0,
	"est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
	"akst": -540, "akdt": -480, "hst": -600, "hast": -600, "hadt": -540, "ast": -240, "adt": -180, "nst": -210, "ndt": -150,
	"bst": 60, "west": 60, "cet": 60, "met": 60, "mez": 60, "cest": 120, "mest": 120, "mesz": 120, "sast": 120, "eet": 120, "eest": 180,
	"msk": 180, "msd": 240, "samt": 240, "yekt": 300, "omst": 360, "novt": 420, "krat": 420, "irkt": 480, "yakt": 540, "vlat": 600,
	"hkt": 480, "sgt": 480, "awst": 480, "jst": 540, "kst": 540, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660,
	"nzt": 720, "nzst": 720, "nzdt": 780, "brt": -180, "art": -180, "clt": -240, "pkt": 300,
}

var (
	months = [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
	days   = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)

// nameIndex finds a full name of which w, three letters or more, is a beginning.
func nameIndex(names []string, w string) int {
	if len(w) < 3 {
		return -1
	}
	for i, n := range names {
		if strings.HasPrefix(n, w) {
			return i
		}
	}
	return -1
}

// maxDate bounds how much of a value is read as a date.
const maxDate = 512

var errDate = errors.New("mime: not a date")

type dateParser struct {
	s                string
	i                int
	year, month, day int // -1, 0, -1 while unknown
	hour, min, sec   int // hour -1 while unknown
	nsec             int
	zone             int // minutes
	zoneName         string
	hasZone, numeric bool // numeric: by digits, which outweighs names
}

// ParseDate reads a date: RFC 5322 with all its obsolete forms (two- and three-digit years, zone names, comments and blanks
// anywhere, no seconds, no weekday), full month and weekday names, asctime, RFC 850, ISO 8601, US forms with AM and PM, dots
// in the time, and zones like GMT+0100. A weekday that contradicts the date is passed over. Zone letters and unknown names
// are UTC, as RFC 5322 section 4.3 says; so is a missing zone. A date without a time is midnight. The error says what is
// missing or out of range.
func ParseDate(s string) (time.Time, error) {
	if len(s) > maxDate {
		s = s[:maxDate]
	}
	p := dateParser{s: s, year: -1, day: -1, hour: -1}
	p.run()
	switch {
	case p.year < 0 || p.month == 0 || p.day < 0:
		return time.Time{}, fmt.Errorf("%w: day, month or year missing in %q", errDate, s)
	case p.month > 12 || p.day < 1 || p.day > daysIn(p.month, p.year):
		return time.Time{}, fmt.Errorf("%w: no such day in %q", errDate, s)
	case p.year > 9999:
		return time.Time{}, fmt.Errorf("%w: year out of range in %q", errDate, s)
	}
	if p.hour < 0 {
		p.hour = 0
	}
	if p.hour > 24 || p.min > 59 || p.sec > 60 || p.hour == 24 && (p.min > 0 || p.sec > 0) {
		return time.Time{}, fmt.Errorf("%w: no such time in %q", errDate, s)
	}
	loc := time.UTC
	if p.zone != 0 {
		loc = time.FixedZone(p.zoneName, p.zone*60)
	}
	return time.Date(p.year, time.Month(p.month), p.day, p.hour, p.min, p.sec, p.nsec, loc), nil
}

func daysIn(month, year int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

// peek returns the octet n ahead, or 0.
func (p *dateParser) peek(n int) byte {
	if p.i+n < len(p.s) {
		return p.s[p.i+n]
	}
	return 0
}

// skip passes blanks and comments.
func (p *dateParser) skip() {
	for {
		switch c := p.peek(0); {
		case isBlank(c):
			p.i++
		case c == '(':
			p.i = skipComment(p.s, p.i)
		default:
			return
		}
	}
}

// digits reads a number. More than nine digits are too many for any field.
func (p *dateParser) digits() (n, width int) {
	start := p.i
	for isDigit(p.peek(0)) {
		if p.i-start < 9 {
			n = n*10 + int(p.s[p.i]-'0')
		}
		p.i++
	}
	return n, p.i - start
}

func (p *dateParser) run() {
	comment := ""
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '(':
			start := p.i
			p.i = skipComment(p.s, p.i)
			comment = strings.Trim(p.s[start:p.i], "() \t\r\n")
		case isDigit(c):
			p.number()
		case isLetter(c):
			p.word()
		case (c == '+' || c == '-') && p.hour >= 0 && isDigit(p.peek(1)):
			p.offset(c)
		default:
			p.i++
		}
	}
	if !p.hasZone {
		if z, ok := zones[strings.ToLower(comment)]; ok {
			p.zone, p.zoneName, p.hasZone = z, comment, true
		}
	}
}

// offset reads a numeric zone: +hhmm, +hh:mm, +hmm or +hh.
func (p *dateParser) offset(sign byte) {
	p.i++
	n, w := p.digits()
	h, m := n/100, n%100
	if w <= 2 {
		h, m = n, 0
		if p.peek(0) == ':' && isDigit(p.peek(1)) {
			p.i++
			m, _ = p.digits()
		}
	}
	if p.numeric {
		if p.year < 0 && w == 4 { // asctime with a dash
			p.year = n
		}
		return
	}
	p.hasZone, p.numeric, p.zoneName, p.zone = true, true, "", 0
	if w > 4 || m > 59 || h > 23 { // no zone on earth; and RFC 3339 could not write it
		return
	}
	p.zone = h*60 + m
	if sign == '-' {
		p.zone = -p.zone
	}
}

func (p *dateParser) setYear(n, width int) {
	switch {
	case width <= 2 && n < 50:
		n += 2000
	case width <= 3:
		n += 1900
	}
	p.year = n
}

// clock reads what follows the hour.
func (p *dateParser) clock(h int, sep byte) {
	p.hour = h
	p.i++
	p.skip()
	p.min, _ = p.digits()
	at := p.i
	p.skip()
	if p.peek(0) != sep {
		p.i = at
		return
	}
	p.i++
	p.skip()
	if !isDigit(p.peek(0)) {
		return
	}
	p.sec, _ = p.digits()
	if c := p.peek(0); (c == '.' || c == ',') && isDigit(p.peek(1)) {
		p.i++
		scale := 100_000_000
		for ; isDigit(p.peek(0)); p.i++ {
			p.nsec += int(p.s[p.i]-'0') * scale
			scale /= 10
		}
	}
}

// number reads what begins with a digit: a day, a year, a time, or a date in digits.
func (p *dateParser) number() {
	start := p.i
	n, w := p.digits()
	at := p.i
	p.skip()
	if p.peek(0) == ':' && p.hour < 0 && w <= 2 {
		colon := p.i
		p.i++
		p.skip()
		if isDigit(p.peek(0)) {
			p.i = colon
			p.clock(n, ':')
		}
		return
	}
	p.i = at
	c := p.peek(0)
	switch {
	case (c == '-' || c == '/' || c == '.') && isDigit(p.peek(1)) && p.month == 0 && p.day < 0 && p.year < 0:
		p.i++
		n2, _ := p.digits()
		if p.peek(0) != c || !isDigit(p.peek(1)) {
			return
		}
		p.i++
		n3, w3 := p.digits()
		switch {
		case w == 4:
			p.year, p.month, p.day = n, n2, n3
		case c == '/' && n <= 12:
			p.month, p.day = n, n2
			p.setYear(n3, w3)
		default:
			p.day, p.month = n, n2
			p.setYear(n3, w3)
		}
	case c == '.' && w <= 2 && p.hour < 0 && p.month != 0 && p.day >= 0 && isDigit(p.peek(1)):
		p.clock(n, '.')
	case (w == 8 || w == 14) && p.year < 0 && p.month == 0: // ISO 8601 without separators
		q := dateParser{s: p.s[start:at]}
		num := func(width int) int {
			v := 0
			for range width {
				v = v*10 + int(q.s[q.i]-'0')
				q.i++
			}
			return v
		}
		p.year, p.month, p.day = num(4), num(2), num(2)
		if w == 14 {
			p.hour, p.min, p.sec = num(2), num(2), num(2)
		}
	case (w == 4 || w == 6) && p.hour < 0 && start > 0 && lower(p.s[start-1]) == 't' && p.day >= 0:
		if w == 6 {
			p.sec = n % 100
			n /= 100
		}
		p.hour, p.min = n/100, n%100
	case w == 4 && p.hour < 0 && p.day >= 0 && p.month != 0 && p.year >= 0: // 1504
		p.hour, p.min = n/100, n%100
	case w <= 2 && p.day < 0:
		p.day = n
	case p.year < 0 && w <= 5:
		p.setYear(n, w)
	}
}

// word reads what begins with a letter: a month, a weekday, AM or PM, or a zone.
func (p *dateParser) word() {
	start := p.i
	for isLetter(p.peek(0)) {
		p.i++
	}
	orig := p.s[start:p.i]
	w := strings.ToLower(orig)
	if m := nameIndex(months[:], w); m >= 0 {
		if p.month == 0 {
			p.month = m + 1
		}
		return
	}
	if w == "sept" || w == "febr" {
		if p.month == 0 {
			p.month = nameIndex(months[:], w[:3]) + 1
		}
		return
	}
	if p.hour < 0 {
		return // a weekday, "T", or words that say nothing
	}
	if c := p.peek(0); (c == '.') && (w == "a" || w == "p") && lower(p.peek(1)) == 'm' {
		p.i += 2
		w += "m"
	}
	switch w {
	case "am":
		if p.hour == 12 {
			p.hour = 0
		}
		return
	case "pm":
		if p.hour < 12 {
			p.hour += 12
		}
		return
	case "dst":
		if p.hasZone && !p.numeric {
			p.zone += 60
			p.zoneName += " DST"
		}
		return
	}
	if p.hasZone || nameIndex(days[:], w) >= 0 {
		return
	}
	if z, ok := zones[w]; ok {
		for isAlnum(p.peek(0)) { // EST5EDT
			p.i++
		}
		p.hasZone, p.zone, p.zoneName = true, z, orig
	} else if p.year >= 0 || len(w) <= 5 {
		p.hasZone, p.zone, p.zoneName = true, 0, "" // section 4.3: unknown names and letters are -0000
	}
}
