package main

// The rows of IMAP: what clients make of a server's answers, from memory.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	peer "github.com/emersion/go-imap/v2"
	peerclient "github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/mime"
)

func init() {
	for _, r := range []struct {
		name, unit string
		amount     int
		answer     func(n int) []byte
		ours       func(*imapclient.Client) (tally, error)
		peer       func(*peerclient.Client) (tally, error)
	}{
		{"imap.fetch.envelope", "messages/s", 10_000, envelopes, oursEnvelopes, peerEnvelopes},
		{"imap.fetch.flags", "messages/s", 10_000, flags, oursFlags, peerFlags},
		{"imap.fetch.bodystructure", "messages/s", 10_000, structures, oursStructures, peerStructures},
		{"imap.search", "results/s", 100_000, found, oursFound, peerFound},
		{"imap.literal.10MB", "octets/s", 10_000_000, literal, oursLiteral, peerLiteral},
		{"imap.list", "mailboxes/s", 10_000, mailboxes, oursMailboxes, peerMailboxes},
	} {
		contenders := func(short bool) (contender, []contender, error) {
			n := share(r.amount, short)
			answer := r.answer(n)
			return contender{name: "ours", amount: float64(n), run: func() (tally, error) { return oursAsks(answer, r.ours) }},
				[]contender{{name: "go-imap", amount: float64(n), run: func() (tally, error) { return peerAsks(answer, r.peer) }}}, nil
		}
		rows = append(rows, row{name: r.name, unit: r.unit, contenders: contenders})
		if strings.HasPrefix(r.name, "imap.literal") {
			rows = append(rows, row{name: r.name + ".memory", unit: "KB", less: true, measure: allocated, contenders: contenders})
			continue
		}
		rows = append(rows, row{name: r.name + ".allocs", unit: "allocations", less: true, measure: allocations, contenders: contenders})
	}
}

// allocations are those of one unit of work.
func allocations(c contender) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.run() // its error would have shown in check
	runtime.ReadMemStats(&after)
	return max(float64(after.Mallocs-before.Mallocs)/c.amount, 0.001)
}

// allocated is all the memory that a run asks for, in KB: no less than it holds at any time.
func allocated(c contender) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.run()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / 1024
}

// server is a connection to a server that has one answer for every command but CAPABILITY.
type server struct {
	mu     sync.Mutex
	more   sync.Cond
	line   []byte   // of a command that is not whole
	out    [][]byte // unread
	closed bool
	answer []byte
}

func newServer(answer []byte) *server {
	s := &server{answer: answer, out: [][]byte{[]byte("* PREAUTH [CAPABILITY IMAP4rev1 UIDPLUS] hello\r\n")}}
	s.more.L = &s.mu
	return s
}

func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = append(s.line, p...)
	for {
		line, rest, whole := bytes.Cut(s.line, []byte("\r\n"))
		if !whole {
			return len(p), nil
		}
		tag, command, _ := strings.Cut(string(line), " ")
		s.line = append([]byte(nil), rest...)
		if command == "CAPABILITY" {
			s.out = append(s.out, []byte("* CAPABILITY IMAP4rev1 UIDPLUS\r\n"))
		} else {
			s.out = append(s.out, s.answer)
		}
		s.out = append(s.out, []byte(tag+" OK done\r\n"))
		s.more.Broadcast()
	}
}

func (s *server) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.out) == 0 && !s.closed {
		s.more.Wait()
	}
	if s.closed {
		return 0, io.EOF
	}
	n := copy(p, s.out[0])
	if s.out[0] = s.out[0][n:]; len(s.out[0]) == 0 {
		s.out = s.out[1:]
	}
	return n, nil
}

func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.more.Broadcast()
	return nil
}

func (s *server) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *server) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *server) SetDeadline(time.Time) error      { return nil }
func (s *server) SetReadDeadline(time.Time) error  { return nil }
func (s *server) SetWriteDeadline(time.Time) error { return nil }

func oursAsks(answer []byte, ask func(*imapclient.Client) (tally, error)) (tally, error) {
	c, err := imapclient.New(context.Background(), newServer(answer), &imapclient.Options{TLS: imapclient.Disabled})
	if err != nil {
		return tally{}, err
	}
	defer c.Close()
	return ask(c)
}

func peerAsks(answer []byte, ask func(*peerclient.Client) (tally, error)) (tally, error) {
	c := peerclient.New(newServer(answer), nil)
	defer c.Close()
	if err := c.WaitGreeting(); err != nil {
		return tally{}, err
	}
	return ask(c)
}

func responses(n int, line func(b []byte, i int) []byte) []byte {
	var b []byte
	for i := 1; i <= n; i++ {
		b = line(b, i)
	}
	return b
}

func envelopes(n int) []byte {
	mails := small(true)
	return responses(n, func(b []byte, i int) []byte {
		b = fmt.Appendf(b, "* %d FETCH (UID %d ENVELOPE ", i, i+1000)
		b = imapwire.AppendEnvelope(b, mime.ParseBytes(mails[i%len(mails)], nil).Envelope())
		return append(b, ")\r\n"...)
	})
}

func addresses(lists ...[]imap.Address) (n int64) {
	for _, l := range lists {
		n += int64(len(l))
	}
	return n
}

func oursEnvelopes(c *imapclient.Client) (n tally, err error) {
	for m, err := range c.Fetch(context.Background(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchEnvelope) {
		if err != nil {
			return n, err
		}
		e := m.Envelope
		n.parts += int64(m.UID)
		n.addresses += addresses(e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc)
		n.octets += int64(len(e.MessageID))
	}
	return n, nil
}

// everything is the set 1:*.
func everything() peer.UIDSet { return peer.UIDSet{peer.UIDRange{Start: 1}} }

// peerFetches calls on with each item of each message.
func peerFetches(c *peerclient.Client, o *peer.FetchOptions, on func(peerclient.FetchItemData) error) error {
	cmd := c.Fetch(everything(), o)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if err := on(item); err != nil {
				return err
			}
		}
	}
	return cmd.Close()
}

func peerEnvelopes(c *peerclient.Client) (n tally, err error) {
	err = peerFetches(c, &peer.FetchOptions{UID: true, Envelope: true}, func(item peerclient.FetchItemData) error {
		switch item := item.(type) {
		case peerclient.FetchItemDataUID:
			n.parts += int64(item.UID)
		case peerclient.FetchItemDataEnvelope:
			e := item.Envelope
			for _, l := range [][]peer.Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
				n.addresses += int64(len(l))
			}
			n.octets += int64(len(e.MessageID)) + 2 // without its angle brackets
		}
		return nil
	})
	return n, err
}

func flags(n int) []byte {
	some := []string{`\Seen`, `\Seen \Answered`, ``, `\Seen $Forwarded`, `\Flagged \Seen`, `\Seen NonJunk project-x`}
	return responses(n, func(b []byte, i int) []byte {
		return fmt.Appendf(b, "* %d FETCH (UID %d FLAGS (%s))\r\n", i, i+1000, some[i%len(some)])
	})
}

func oursFlags(c *imapclient.Client) (n tally, err error) {
	for m, err := range c.Fetch(context.Background(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags) {
		if err != nil {
			return n, err
		}
		n.parts += int64(m.UID)
		n.addresses += int64(len(m.Flags))
	}
	return n, nil
}

func peerFlags(c *peerclient.Client) (n tally, err error) {
	err = peerFetches(c, &peer.FetchOptions{UID: true, Flags: true}, func(item peerclient.FetchItemData) error {
		switch item := item.(type) {
		case peerclient.FetchItemDataUID:
			n.parts += int64(item.UID)
		case peerclient.FetchItemDataFlags:
			n.addresses += int64(len(item.Flags))
		}
		return nil
	})
	return n, err
}

// nested is a message of multiparts in a multipart.
const nested = `From: a@example.org
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/related; boundary=r; type="multipart/alternative"

--r
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable

text
--a
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>text</p>
--a--
--r
Content-Type: image/png; name="logo.png"
Content-Transfer-Encoding: base64
Content-ID: <logo@example.org>
Content-Disposition: inline; filename="logo.png"

iVBORw0KGgo=
--r--
--m
Content-Type: application/pdf; name="report of the year.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="report of the year.pdf"; size=3000

JVBERi0xLjQK
--m--
`

func structures(n int) []byte {
	s := mime.ParseBytes([]byte(strings.ReplaceAll(nested, "\n", "\r\n")), nil).BodyStructure()
	return responses(n, func(b []byte, i int) []byte {
		b = fmt.Appendf(b, "* %d FETCH (UID %d BODYSTRUCTURE ", i, i+1000)
		return append(imapwire.AppendBodyStructure(b, s, true), ")\r\n"...)
	})
}

func oursStructures(c *imapclient.Client) (n tally, err error) {
	var count func(*imap.BodyStructure)
	count = func(s *imap.BodyStructure) {
		n.parts++
		if len(s.Parts) == 0 {
			n.octets += s.Octets
		}
		for _, p := range s.Parts {
			count(p)
		}
	}
	for m, err := range c.Fetch(context.Background(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchBodyStructure) {
		if err != nil {
			return n, err
		}
		count(m.BodyStructure)
	}
	return n, nil
}

func peerStructures(c *peerclient.Client) (n tally, err error) {
	o := &peer.FetchOptions{UID: true, BodyStructure: &peer.FetchItemBodyStructure{Extended: true}}
	err = peerFetches(c, o, func(item peerclient.FetchItemData) error {
		if s, ok := item.(peerclient.FetchItemDataBodyStructure); ok {
			s.BodyStructure.Walk(func(_ []int, part peer.BodyStructure) bool {
				n.parts++
				if leaf, ok := part.(*peer.BodyStructureSinglePart); ok {
					n.octets += int64(leaf.Size)
				}
				return true
			})
		}
		return nil
	})
	return n, err
}

func found(n int) []byte {
	b := responses(n, func(b []byte, i int) []byte { return fmt.Appendf(b, " %d", 3*i+i%2) })
	return append(append([]byte("* SEARCH"), b...), "\r\n"...)
}

func oursFound(c *imapclient.Client) (n tally, err error) {
	uids, err := c.Search(context.Background(), imap.SearchAll{})
	for _, u := range uids {
		n.octets += int64(u)
	}
	n.parts = int64(len(uids))
	return n, err
}

func peerFound(c *peerclient.Client) (n tally, err error) {
	data, err := c.UIDSearch(&peer.SearchCriteria{}, nil).Wait()
	if err != nil {
		return n, err
	}
	uids := data.AllUIDs()
	for _, u := range uids {
		n.octets += int64(u)
	}
	n.parts = int64(len(uids))
	return n, nil
}

func literal(n int) []byte {
	b := fmt.Appendf(nil, "* 1 FETCH (UID 1 BODY[] {%d}\r\n", n)
	b = append(b, bytes.Repeat([]byte("0123456789\r\n"), n/12+1)[:n]...)
	return append(b, ")\r\n"...)
}

func oursLiteral(c *imapclient.Client) (n tally, err error) {
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(context.Background(), imap.UIDSetOf(1), imap.FetchUID, body) {
		if err != nil {
			return n, err
		}
		if r := m.Open(body); r != nil {
			if n.octets, err = drain(r); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func peerLiteral(c *peerclient.Client) (n tally, err error) {
	o := &peer.FetchOptions{UID: true, BodySection: []*peer.FetchItemBodySection{{Peek: true}}}
	err = peerFetches(c, o, func(item peerclient.FetchItemData) (err error) {
		if s, ok := item.(peerclient.FetchItemDataBodySection); ok {
			n.octets, err = drain(s.Literal)
		}
		return err
	})
	return n, err
}

func mailboxes(n int) []byte {
	return responses(n, func(b []byte, i int) []byte {
		return fmt.Appendf(b, "* LIST (\\HasNoChildren) \".\" \"Archive.%d.Project %d\"\r\n", i%20, i)
	})
}

func oursMailboxes(c *imapclient.Client) (n tally, err error) {
	for m, err := range c.List(context.Background(), "", "*") {
		if err != nil {
			return n, err
		}
		n.parts++
		n.octets += int64(len(m.Name))
		n.addresses += int64(len(m.Attrs))
	}
	return n, nil
}

func peerMailboxes(c *peerclient.Client) (n tally, err error) {
	cmd := c.List("", "*", nil)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		n.parts++
		n.octets += int64(len(m.Mailbox))
		n.addresses += int64(len(m.Attrs))
	}
	return n, cmd.Close()
}
