package mime

// The search for delimiter lines in bodies, for most of which a line is not worth a look.

import "bytes"

// search is how bodies are searched, according to the boundaries that are open.
type search struct {
	aimed bool
	way   searchWay    // the way at hand
	best  searchWay    // the way to begin with
	octet byte         // seekOctet: one that each delimiter line has, and bodies have seldom
	first [shallow]int // seekOctet: where it stands first in a delimiter line of each boundary
	wait  int          // octets until a better way is tried again
}

type searchWay uint8

const (
	seekOctet  searchWay = iota // of the boundaries
	seekDashes                  // which each delimiter line begins with
	seekLines                   // all of them
)

const (
	seekChunk  = 16 << 10  // octets searched and counted at once, so that they are in the cache the second time
	seekHits   = 64        // octets for each hit, at least, that a way may have
	seekRetry  = 256 << 10 // octets behind which a way that had too many hits is tried again
	seekOctets = "_?()'"   // that boundaries may have and bodies have seldom, best first
)

// aim chooses how to search for the open boundaries.
func (s *Scanner) aim() {
	s.aimed = true
	s.best = seekDashes
	if len(s.bounds) <= shallow {
	next:
		for i := range len(seekOctets) {
			for j := range s.bounds {
				k := bytes.IndexByte(s.bounds[j].text, seekOctets[i])
				if k < 0 {
					continue next
				}
				s.first[j] = 2 + k
			}
			s.best, s.octet = seekOctet, seekOctets[i]
			break
		}
	}
	s.way = s.best
}

// starts tells whether the line at b[at:] begins like a delimiter.
func (s *Scanner) starts(b []byte, at int) bool {
	if len(b)-at < 2 || b[at] != '-' || b[at+1] != '-' {
		return false
	}
	if len(s.bounds) > shallow {
		return true
	}
	for i := range s.bounds {
		if bytes.HasPrefix(b[at+2:], s.bounds[i].text) {
			return true
		}
	}
	return false
}

// seek returns the start of the first line, of those from the line at b[line:] on, that begins like a delimiter, or of which b
// is too short to tell; -1 if there is none. It also returns the number of LF octets before it, or of all from b[line:] on.
func (s *Scanner) seek(b []byte, line int) (at, lines int) {
	if !s.aimed {
		s.aim()
	}
	for from := line; from < len(b); {
		to := min(from+seekChunk, len(b))
		if s.way > s.best {
			if s.wait -= to - from; s.wait <= 0 {
				s.way = s.best
			}
		}
		at := -1
		switch s.way {
		case seekOctet:
			at, to = s.seekOctet(b, line, from, to)
		case seekDashes:
			at, to = s.seekDashes(b, line, from, to)
		default:
			var n int
			at, n = s.seekLines(b, line, from, to)
			if lines += n; at >= 0 {
				return at, lines
			}
			from = to
			continue
		}
		if at >= from {
			return at, lines + bytes.Count(b[from:at], newline)
		}
		if at >= 0 {
			return at, lines - bytes.Count(b[at:from], newline)
		}
		lines += bytes.Count(b[from:to], newline)
		from = to
	}
	if s.eof {
		return -1, lines
	}
	// The end of the last line has still to come.
	tail := line + bytes.LastIndexByte(b[line:], '\n') + 1
	if n := len(b) - tail; n == 0 || b[tail] == '-' && (n == 1 || b[tail+1] == '-') {
		return tail, lines
	}
	return -1, lines
}

// worse goes over to a way that has fewer hits.
func (s *Scanner) worse() {
	s.way++
	s.wait = seekRetry
}

// seekOctet searches b[from:to], of which line and what follows an LF begin lines. It returns the start of the line found or
// -1, and how far it came.
func (s *Scanner) seekOctet(b []byte, line, from, to int) (at, upTo int) {
	for hits := (to - from) / seekHits; ; hits-- {
		i := bytes.IndexByte(b[from:to], s.octet)
		if i < 0 {
			return -1, to
		}
		from += i + 1
		for j := range s.bounds {
			if at := from - 1 - s.first[j]; (at == line || at > line && b[at-1] == '\n') && s.starts(b, at) {
				return at, to
			}
		}
		if hits <= 0 {
			s.worse()
			return -1, from
		}
	}
}

// seekDashes is like seekOctet.
func (s *Scanner) seekDashes(b []byte, line, from, to int) (at, upTo int) {
	for hits := (to - from) / seekHits; ; hits-- {
		i := bytes.IndexByte(b[from:to], '-')
		if i < 0 {
			return -1, to
		}
		from += i
		if (from == line || b[from-1] == '\n') && s.starts(b, from) {
			return from, to
		}
		for from++; from < to && b[from] == '-'; from++ {
			hits--
		}
		if hits <= 0 {
			s.worse()
			return -1, from
		}
	}
}

// seekLines is like seekOctet, but it comes to the end and returns the number of LF octets.
func (s *Scanner) seekLines(b []byte, line, from, to int) (at, lines int) {
	if from != line && b[from-1] != '\n' {
		i := bytes.IndexByte(b[from:to], '\n')
		if i < 0 {
			return -1, 0
		}
		from += i + 1
		lines++
	}
	for from < to {
		if b[from] == '-' && s.starts(b, from) {
			return from, lines
		}
		i := bytes.IndexByte(b[from:to], '\n')
		if i < 0 {
			break
		}
		from += i + 1
		lines++
	}
	return -1, lines
}
