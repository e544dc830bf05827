package mime

// text/enriched (RFC 1896) and text/richtext (RFC 1341) as plain text.

import "io"

// enrichedReader drops the commands of text/enriched and puts its lines together: one line ending is a blank, and n of them
// are n-1.
type enrichedReader struct {
	r    io.Reader
	in   [4096]byte
	out  []byte
	pos  int
	err  error
	name []byte
	tag  bool
	lt   bool // behind "<"
	skip int  // depth of param
	nl   int
	nf   int // depth of nofill
}

func newEnrichedReader(r io.Reader) io.Reader { return &enrichedReader{r: r} }

func (e *enrichedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for e.pos == len(e.out) {
		e.out, e.pos = e.out[:0], 0
		if e.err != nil {
			return 0, e.err
		}
		var n int
		n, e.err = e.r.Read(e.in[:])
		for _, c := range e.in[:n] {
			e.octet(c)
		}
	}
	n := copy(p, e.out[e.pos:])
	e.pos += n
	return n, nil
}

func (e *enrichedReader) octet(c byte) {
	switch {
	case e.lt:
		e.lt = false
		if c == '<' {
			e.text('<')
			return
		}
		e.tag = true
		e.name = e.name[:0]
		fallthrough
	case e.tag:
		switch {
		case c == '>':
			e.tag = false
			e.command(string(e.name))
		case len(e.name) < 60:
			e.name = append(e.name, lower(c))
		}
	case c == '<':
		e.lt = true
	case c == '\r':
	case c == '\n':
		if e.skip == 0 {
			e.nl++
		}
	default:
		e.text(c)
	}
}

func (e *enrichedReader) text(c byte) {
	if e.skip > 0 {
		return
	}
	if e.nl > 0 {
		if e.nl == 1 && e.nf == 0 {
			e.out = append(e.out, ' ')
		} else {
			n := e.nl
			if e.nf == 0 {
				n--
			}
			for range n {
				e.out = append(e.out, '\n')
			}
		}
		e.nl = 0
	}
	e.out = append(e.out, c)
}

func (e *enrichedReader) command(name string) {
	switch name {
	case "param":
		e.skip++
	case "/param":
		e.skip = max(e.skip-1, 0)
	case "nofill":
		e.nf++
	case "/nofill":
		e.nf = max(e.nf-1, 0)
	case "nl", "np": // text/richtext
		e.nl = max(e.nl, 1) + 1
	case "lt":
		e.text('<')
	}
}
