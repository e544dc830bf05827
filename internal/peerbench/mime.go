package main

// The rows of package mime.

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/mailwire/mailwire/mime"
)

func init() {
	for _, c := range []struct {
		name string
		make func(bool) [][]byte
	}{{"small", small}, {"big", big}, {"news", news}} {
		rows = append(rows, row{name: "mime.structure." + c.name, unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			msgs := c.make(short)
			return mimeContenders(msgs, structure, indexByte(msgs))
		}})
	}
	rows = append(rows,
		row{name: "mime.decode.big", unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			msgs := big(short)
			return mimeContenders(msgs, decode, base64Alone(msgs))
		}},
		row{name: "mime.decode.news", unit: "MB/s", contenders: func(short bool) (contender, []contender, error) {
			return mimeContenders(news(short), decode)
		}},
		row{name: "mime.envelope.small", unit: "messages/s", contenders: func(short bool) (contender, []contender, error) {
			msgs := small(short)
			ours, peers, err := mimeContenders(msgs, envelope)
			ours.amount = float64(len(msgs))
			for i := range peers {
				peers[i].amount = ours.amount
			}
			return ours, peers, err
		}},
	)
}

type task uint8

const (
	structure task = iota // the tree of parts, with the offsets or the header of each
	decode                // the leaves with their transfer encoding undone
	envelope              // the addresses, subject, date and identifiers of the header
)

// mimeContenders returns all who do a task, over all messages of a corpus. The yardsticks come first.
func mimeContenders(msgs [][]byte, t task, yardsticks ...contender) (contender, []contender, error) {
	amount := float64(octets(msgs)) / 1e6
	over := func(name string, f func([]byte, task, *tally) error) contender {
		return contender{name: name, amount: amount, run: func() (n tally, err error) {
			for _, m := range msgs {
				if err = f(m, t, &n); err != nil {
					return
				}
			}
			return
		}}
	}
	for i := range yardsticks {
		yardsticks[i].amount = amount
		yardsticks[i].yardstick = true
	}
	return over("ours", ours), append(yardsticks, over("stdlib", stdlib), over("go-message", goMessage), over("enmime", enmimeDoes), over("gluon", gluon)), nil
}

var copyBuffer = make([]byte, 32<<10)

// drain reads all of r, as a program would that has a buffer for it.
func drain(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, copyBuffer)
}

func ours(m []byte, t task, n *tally) error {
	p := mime.ParseBytes(m, nil)
	if t == envelope {
		e := p.Envelope()
		n.addresses += int64(len(e.From) + len(e.To) + len(e.Cc) + len(e.ReplyTo))
		n.octets += int64(len(e.Subject))
		return nil
	}
	var r *bytes.Reader
	if t == decode {
		r = bytes.NewReader(m)
	}
	return oursWalk(p, r, n)
}

func oursWalk(p *mime.Part, r *bytes.Reader, n *tally) error {
	n.parts++
	for _, c := range p.Children {
		if err := oursWalk(c, r, n); err != nil {
			return err
		}
	}
	if r != nil && len(p.Children) == 0 {
		k, err := drain(p.Open(r))
		n.octets += k
		return err
	}
	return nil
}

// indexByte finds the lines and does nothing else.
func indexByte(msgs [][]byte) contender {
	return contender{name: "indexbyte", run: func() (n tally, _ error) {
		for _, m := range msgs {
			for {
				i := bytes.IndexByte(m, '\n')
				if i < 0 {
					break
				}
				n.parts++
				m = m[i+1:]
			}
		}
		return
	}}
}

// base64Alone decodes the bodies in base64, which it need not look for, with encoding/base64.
func base64Alone(msgs [][]byte) contender {
	var bodies [][]byte
	largest := 0
	for _, m := range msgs {
		for _, p := range mime.ParseBytes(m, nil).Children {
			if p.Encoding() == "base64" {
				b := m[p.BodyStart:p.End]
				bodies = append(bodies, b)
				largest = max(largest, len(b))
			}
		}
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(largest))
	return contender{name: "base64", run: func() (n tally, err error) {
		for _, b := range bodies {
			k, err := base64.StdEncoding.Decode(out, b)
			n.octets += int64(k)
			if err != nil {
				return n, err
			}
		}
		return n, nil
	}}
}
