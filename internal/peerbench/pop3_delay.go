package main

// The row of many messages behind a delay line.

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/textproto"
	"strings"
	"time"

	"github.com/mailwire/mailwire/pop3/pop3client"
)

// delayedContenders retrieve messages of 5 KB from our server, which does
// PIPELINING: ours with as many commands ahead as it has by default, the
// yardstick one at a time. Of those it takes a part, for the same figure: the
// thousand would take it 40 seconds. In a check both take as many.
func delayedContenders(short bool) (contender, []contender, error) {
	const all, checked = 1000, 10
	part := share(50, short)
	text := strings.Repeat(strings.Repeat("x", 74)+"\r\n", 5000/76)
	d := newMaildrop(all, text)
	l := newDelayListener()
	go func() { _ = popServer(d).Serve(l) }()

	var c *pop3client.Client
	ours := func(count int) (n tally, err error) {
		ctx := context.Background()
		if c == nil {
			if c, err = pop3client.NewClient(ctx, l.dial(), &pop3client.Options{TLS: pop3client.Disabled, User: "a", Password: "b", AllowCleartext: true}); err != nil {
				return n, err
			}
		}
		numbers := make([]int, count)
		for i := range numbers {
			numbers[i] = i + 1
		}
		for m, err := range c.RetrieveAll(ctx, numbers...) {
			if err != nil {
				return n, err
			}
			k, err := drain(m)
			if err != nil {
				return n, err
			}
			n.parts++
			n.octets += k
		}
		return n, nil
	}
	var t *textproto.Conn
	yardstick := func(count int) (n tally, err error) {
		if t == nil {
			t = textproto.NewConn(l.dial())
			for _, line := range []string{"", "USER a", "PASS b"} {
				if line != "" {
					_ = t.PrintfLine("%s", line)
				}
				if reply, err := t.ReadLine(); err != nil || !strings.HasPrefix(reply, "+OK") {
					return n, fmt.Errorf("%q: %q %v", line, reply, err)
				}
			}
		}
		for i := range count {
			_ = t.PrintfLine("RETR %d", i+1)
			if _, err := t.ReadLine(); err != nil {
				return n, err
			}
			var lines lineCounter
			k, err := io.CopyBuffer(&lines, struct{ io.Reader }{t.DotReader()}, copyBuffer)
			if err != nil {
				return n, err
			}
			n.parts++
			n.octets += k + int64(lines)
		}
		return n, nil
	}
	of := func(name string, count int, retrieve func(int) (tally, error)) contender {
		return contender{name: name,
			run: func() (tally, error) { return retrieve(checked) },
			figure: func() float64 {
				start := time.Now()
				if n, err := retrieve(count); err != nil || n.parts != int64(count) {
					return math.NaN()
				}
				return float64(count) / time.Since(start).Seconds()
			},
		}
	}
	return of("ours", all, ours), []contender{of("textproto", part, yardstick)}, nil
}
