package imapwire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

var appendCommands = []commandCase{
	{"REPLACE 4 Drafts {5}", &Replace{Seq: 4, Append: Append{Mailbox: "Drafts", Options: imap.AppendOptions{Size: 5}}}, true},
	{"REPLACE * Drafts {5}", &Replace{Append: Append{Mailbox: "Drafts", Options: imap.AppendOptions{Size: 5}}}, true},
	{`UID REPLACE 2001 Drafts (\Seen \Draft) {312}`, &Replace{UID: 2001, Append: Append{Mailbox: "Drafts",
		Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen, imap.FlagDraft}, Size: 312}}}, true},
	{"APPEND x ~{5}", &Append{Mailbox: "x", Options: imap.AppendOptions{Size: 5, Binary: true}}, true},
	{"APPEND x UTF8 (~{5}", &Append{Mailbox: "x", Options: imap.AppendOptions{Size: 5, Binary: true, UTF8: true}}, true},
	{`APPEND Drafts (\Seen) "17-Jul-1996 02:44:25 +0000" CATENATE (URL /Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER TEXT {42}`, &Append{Mailbox: "Drafts",
		Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, InternalDate: time.Date(1996, 7, 17, 2, 44, 25, 0, time.UTC)},
		Parts:   []CatenatePart{{URL: "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER"}, {Size: 42}}}, true},
	{`APPEND x CATENATE (URL "a b" URL c)`, &Append{Mailbox: "x", Parts: []CatenatePart{{URL: "a b"}, {URL: "c"}}}, true},
	{`APPEND x CATENATE (URL c UTF8 (~{3}`, &Append{Mailbox: "x", Parts: []CatenatePart{{URL: "c"}, {Size: 3, Binary: true, UTF8: true}}}, true},
	{`APPEND x CATENATE (URL c) (\Seen) CATENATE (URL d) {3}`, &Append{Mailbox: "x", Parts: []CatenatePart{{URL: "c"}},
		Next: &Append{Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}}, Parts: []CatenatePart{{URL: "d"}},
			Next: &Append{Options: imap.AppendOptions{Size: 3}}}}, true},
}

func TestAppendEncoderRefuses(t *testing.T) {
	text := Append{Mailbox: "x", Parts: []CatenatePart{{Size: 3}}}
	for _, a := range []Args{
		&Append{Mailbox: "x", Parts: []CatenatePart{}},
		&Append{Mailbox: "x", Parts: []CatenatePart{{URL: "a\x00"}}},
		&Append{Mailbox: "x", Parts: []CatenatePart{{Size: -1}}},
		&Append{Mailbox: "x", Parts: []CatenatePart{{Size: 3}, {URL: "a"}}},
		&Append{Mailbox: "x", Continued: true, Parts: []CatenatePart{{URL: "a"}}},
		&Append{Mailbox: "x", Options: imap.AppendOptions{Size: 3}, Next: &Append{}},
		&Append{Mailbox: "x", Parts: []CatenatePart{{URL: "a"}}, Next: &Append{Continued: true, Parts: []CatenatePart{{URL: "a"}}}},
		&Replace{Seq: 4, Append: Append{Mailbox: "x", Parts: []CatenatePart{{URL: "a"}}, Next: &text}},
	} {
		var e CommandEncoder
		out, err := e.Append([]byte("x"), "t", a)
		assert.Error(t, err, "%#v", a)
		assert.Equal(t, "x", string(out))
		assert.Empty(t, e.Waits)
	}
	var e CommandEncoder
	_, err := e.AppendNext(nil, &text)
	assert.Error(t, err, "nothing streams")
	_, err = e.Append(nil, "t", &Append{Mailbox: "x"})
	require.NoError(t, err)
	_, err = e.AppendNext(nil, &Append{Continued: true, Parts: []CatenatePart{{URL: "a"}}})
	assert.Error(t, err, "no parts before")
	out, err := e.AppendNext([]byte("x"), &Append{Options: imap.AppendOptions{Flags: []imap.Flag{"a b"}}})
	assert.Error(t, err)
	assert.Equal(t, "x", string(out))
	out, err = e.AppendNext(nil, &text)
	require.NoError(t, err, "an error changes nothing")
	assert.Equal(t, " CATENATE (TEXT {3}\r\n", string(out))
	out, err = e.AppendNext(nil, &Append{Continued: true})
	assert.Error(t, err, "no parts")
	assert.Empty(t, out)
	assert.Equal(t, ")\r\n", string(e.AppendEnd(nil)))
}

// What a client writes in pieces, a server reads in the same pieces.
func TestAppendPieces(t *testing.T) {
	urls := func(s ...string) (parts []CatenatePart) {
		for _, u := range s {
			parts = append(parts, CatenatePart{URL: u})
		}
		return parts
	}
	flags := []imap.Flag{imap.FlagSeen}
	pieces := []*Append{
		{Mailbox: "日本", Parts: append(urls("/a", "imap://ö/"), CatenatePart{Size: 3})},
		{Continued: true, Parts: append(urls("/b"), CatenatePart{Size: 2, Binary: true, UTF8: true})},
		{Continued: true, Parts: []CatenatePart{{Size: 0}}},
		{Continued: true, Parts: urls("/ü"), Next: &Append{Parts: urls("/d"), Next: &Append{Options: imap.AppendOptions{Flags: flags, Size: 4}}}},
		{Options: imap.AppendOptions{Size: 3, Binary: true, UTF8: true}},
		{Parts: []CatenatePart{{Size: 1}}},
		{Options: imap.AppendOptions{Size: 1}},
	}
	for _, plus := range []bool{false, true} {
		e := CommandEncoder{LiteralPlus: plus}
		var in []byte
		var err error
		for i, a := range pieces {
			if i == 0 {
				in, err = e.Append(in, "t", a)
			} else {
				in, err = e.AppendNext(in, a)
			}
			require.NoError(t, err)
			n := a.last().Options.Size
			if x := a.last().text(); x != nil {
				n = x.Size
			}
			in = append(in, "abcdefg"[:n]...)
		}
		in = append(e.AppendEnd(in), "b NOOP\r\n"...)

		var want []*Append
		for _, a := range pieces {
			for ; a != nil; a = a.Next {
				one := *a
				one.Next = nil
				want = append(want, &one)
			}
		}
		for _, drain := range []bool{false, true} {
			c := NewCommandReader(wire.NewReader(iotest.HalfReader(bytes.NewReader(in)), wire.Options{}), CommandLimits{})
			var forwarded []byte
			cmd, err := c.Read()
			require.NoError(t, err)
			var got []*Append
			for a := appendOf(cmd.Args); a != nil; {
				if raw := c.Raw(); raw != nil {
					forwarded = append(forwarded, raw...)
				}
				m := a.Message
				if x := a.text(); x != nil {
					m = x.Text
					x.Text = nil
				}
				a.Message = nil
				got = append(got, a)
				if m != nil && !drain {
					b, err := io.ReadAll(m)
					require.NoError(t, err)
					assert.Equal(t, "abcdefg"[:m.Size()], string(b))
					forwarded = append(append(forwarded, "\r\n"...), b...)
					assert.Equal(t, !plus, m.Sync())
				} else if m != nil && !plus {
					// A client that waits is not asked, and sends nothing.
					break
				}
				a, err = c.More()
				require.NoError(t, err)
			}
			if drain && !plus {
				continue
			}
			assert.Equal(t, want, got)
			if !drain {
				forwarded = append(append(forwarded, c.Raw()...), "\r\n"...)
				assert.Equal(t, string(in), string(forwarded)+"b NOOP\r\n")
			}
			cmd, err = c.Read()
			require.NoError(t, err)
			assert.Equal(t, &Noop{}, cmd.Args)
		}
	}
}

// A command that was answered half way: what is left of it is not run.
func TestAppendPiecesDiscarded(t *testing.T) {
	in := "a APPEND x CATENATE (URL /a TEXT {8+}\r\nx NOOP\r\n URL {8+}\r\nx NOOP\r\n TEXT {8+}\r\nx NOOP\r\n)\r\nb NOOP\r\n"
	c := NewCommandReader(strings.NewReader(in), CommandLimits{})
	_, err := c.Read()
	require.NoError(t, err)
	cmd, err := c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)

	c = NewCommandReader(strings.NewReader("a APPEND x CATENATE (URL /a) {3+}\r\nabc\r\nb NOOP\r\n"), CommandLimits{})
	_, err = c.Read()
	require.NoError(t, err)
	cmd, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, "b", cmd.Tag)
	a, err := c.More()
	require.NoError(t, err)
	assert.Nil(t, a)
}

// The work is linear in the literals, whatever the grammar between them.
func TestAppendManyLiterals(t *testing.T) {
	for _, tail := range []string{" URL {1+}\r\nx", " TEXT {1+}\r\nx", " FOO {1+}\r\nx", " (URL {1+}\r\nx"} {
		in := "a APPEND x CATENATE (URL y" + strings.Repeat(tail, 100_000) + ")\r\nb NOOP\r\n"
		c := NewCommandReader(strings.NewReader(in), CommandLimits{Literals: 200_000, Command: 4 << 20, Drain: 8 << 20})
		n := 0
		cmd, err := c.Read()
		for err == nil && cmd.Tag == "a" {
			var a *Append
			for a, err = c.More(); a != nil; a, err = c.More() {
				n++
			}
			if err == nil {
				cmd, err = c.Read()
			}
		}
		var pe *ParseError
		if errors.As(err, &pe) {
			require.False(t, pe.Close, tail)
			cmd, err = c.Read()
		}
		require.NoError(t, err, tail)
		assert.Equal(t, "b", cmd.Tag)
		if strings.Contains(tail, "TEXT") {
			assert.Equal(t, 99_999, n)
		}
	}
}
