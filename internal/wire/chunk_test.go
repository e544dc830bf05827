package wire_test

import (
	"io"
	"math/rand/v2"
)

// chunked delivers data in pieces of the sizes that next gives, and io.EOF
// at the end.
type chunked struct {
	data []byte
	next func() int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), max(1, c.next()))], c.data)
	c.data = c.data[n:]
	return n, nil
}

func always(n int) func() int { return func() int { return n } }

func random(seed uint64, most int) func() int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() int { return 1 + r.IntN(most) }
}

// schedules are the ways every input is cut in.
func schedules() map[string]func() int {
	return map[string]func() int{
		"one octet": always(1), "two": always(2), "three": always(3), "whole": always(1 << 30),
		"random 7": random(1, 7), "random 2000": random(2, 2000),
	}
}
