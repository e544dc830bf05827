package mime

import "io"

// repeat is a reader of s again and again, n octets in all.
type repeat struct {
	s string
	n int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(r.s) <= len(p) && r.n > 0 {
		k := copy(p[n:], r.s)
		n += k
		r.n -= k
	}
	return n, nil
}
