package imap

// Dates and date-times of RFC 3501 section 9.

import (
	"errors"
	"strconv"
	"time"
)

// Date is a day without time or zone, as SEARCH compares them.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the day of t in t's own zone, as RFC 3501 section 6.4.4 compares
// ("disregarding time and timezone").
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// Compare is negative where d is before o, positive where it is after, else
// zero.
func (d Date) Compare(o Date) int {
	if d.Year != o.Year {
		return d.Year - o.Year
	}
	if d.Month != o.Month {
		return int(d.Month - o.Month)
	}
	return d.Day - o.Day
}

// Valid reports whether there is such a day in the years 1 to 9999.
func (d Date) Valid() bool {
	if d.Year < 1 || d.Year > 9999 || d.Month < 1 || d.Month > 12 || d.Day < 1 {
		return false
	}
	return d.Day <= 28 || time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Day() == d.Day
}

// Time is the day's first moment in loc.
func (d Date) Time(loc *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
}

// String is the date as RFC 3501 writes it: "1-Feb-1994".
func (d Date) String() string { return string(AppendDate(nil, d)) }

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendDate appends d as "1-Feb-1994".
func AppendDate(dst []byte, d Date) []byte {
	dst = strconv.AppendInt(dst, int64(d.Day), 10)
	dst = append(dst, '-')
	dst = appendMonth(dst, d.Month)
	dst = append(dst, '-')
	return appendDigits(dst, d.Year, 4)
}

func appendMonth(dst []byte, m time.Month) []byte {
	if m < 1 || m > 12 {
		m = 1
	}
	return append(dst, months[3*m-3:3*m]...)
}

func appendDigits(dst []byte, n, width int) []byte {
	for p := width - 1; p > 0; p-- {
		q := 1
		for range p {
			q *= 10
		}
		dst = append(dst, byte('0'+n/q%10))
	}
	return append(dst, byte('0'+n%10))
}

// AppendDateTime appends t as RFC 3501 writes INTERNALDATE, without quotes:
// "17-Jul-1996 02:44:25 -0700", the day padded with a space. Seconds of the
// zone are lost; a year outside 0 to 9999 is written as its last four digits.
func AppendDateTime(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if day < 10 {
		dst = append(dst, ' ', byte('0'+day))
	} else {
		dst = appendDigits(dst, day, 2)
	}
	dst = append(dst, '-')
	dst = appendMonth(dst, month)
	dst = append(dst, '-')
	dst = appendDigits(dst, max(year, 0), 4)
	dst = append(dst, ' ')
	dst = appendDigits(dst, hour, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second, 2)
	_, zone := t.Zone()
	sign := byte('+')
	if zone < 0 {
		sign, zone = '-', -zone
	}
	dst = append(dst, ' ', sign)
	dst = appendDigits(dst, zone/3600, 2)
	return appendDigits(dst, zone/60%60, 2)
}

var (
	errDate     = errors.New(`imap: not a date such as "1-Feb-1994"`)
	errDateTime = errors.New(`imap: not a date-time such as "17-Jul-1996 02:44:25 -0700"`)
)

// ParseDate reads a date such as "1-Feb-1994". There must be such a day.
func ParseDate(text string) (Date, error) {
	d, rest, ok := parseDate(text)
	if !ok || rest != "" || !d.Valid() {
		return Date{}, errDate
	}
	return d, nil
}

func parseDate(s string) (d Date, rest string, ok bool) {
	n := 0
	for n < len(s) && n < 2 && isDigit(s[n]) {
		d.Day = d.Day*10 + int(s[n]-'0')
		n++
	}
	s = s[n:]
	if n == 0 || len(s) < 9 || s[0] != '-' || s[4] != '-' {
		return d, s, false
	}
	for m := time.January; m <= time.December; m++ {
		if equalFold(s[1:4], months[3*m-3:3*m]) {
			d.Month = m
		}
	}
	d.Year, ok = digits(s[5:9])
	return d, s[9:], ok && d.Month != 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// ParseDateTime reads a date-time such as "17-Jul-1996 02:44:25 -0700",
// without quotes. A day below 10 may stand with a space, a zero or nothing
// before it. There must be such a day; a leap second is the next second.
func ParseDateTime(text string) (time.Time, error) {
	if len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	d, s, ok := parseDate(text)
	if !ok || !d.Valid() || len(s) != len(" 02:44:25 -0700") || s[0] != ' ' || s[3] != ':' || s[6] != ':' || s[9] != ' ' {
		return time.Time{}, errDateTime
	}
	hour, ok1 := digits(s[1:3])
	minute, ok2 := digits(s[4:6])
	second, ok3 := digits(s[7:9])
	zh, ok4 := digits(s[11:13])
	zm, ok5 := digits(s[13:15])
	sign := s[10]
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || hour > 23 || minute > 59 || second > 60 || zm > 59 || sign != '+' && sign != '-' {
		return time.Time{}, errDateTime
	}
	zone := zh*3600 + zm*60
	if sign == '-' {
		zone = -zone
	}
	loc := time.UTC
	if zone != 0 {
		loc = time.FixedZone("", zone)
	}
	return time.Date(d.Year, d.Month, d.Day, hour, minute, second, 0, loc), nil
}
