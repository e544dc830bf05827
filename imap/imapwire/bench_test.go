package imapwire

import (
	"bytes"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/mime"
)

// One operation is 100,000 messages.
func BenchmarkEncodeFetchFlags(b *testing.B) {
	flags := []imap.Flag{imap.FlagSeen, imap.FlagAnswered}
	e := FetchEncoder{Buf: make([]byte, 0, 64<<10)}
	b.ReportAllocs()
	total := 0
	for range b.N {
		total = 0
		for i := range 100_000 {
			e.Begin(imap.SeqNum(i + 1))
			e.UID(imap.UID(i + 7))
			e.Flags(flags)
			if e.End() != nil {
				b.Fatal("refused")
			}
			if len(e.Buf) > 60<<10 {
				total += len(e.Buf)
				e.Buf = e.Buf[:0]
			}
		}
	}
	b.SetBytes(int64(total))
}

func benchResponses(b *testing.B, stream []byte) {
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for range b.N {
		c := NewResponseReader(wire.NewReader(bytes.NewReader(stream), wire.Options{}), ResponseLimits{})
		for {
			if _, err := c.Read(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func fetchStream(b *testing.B, n int, fill func(e *FetchEncoder, i int)) []byte {
	var e FetchEncoder
	for i := range n {
		e.Begin(imap.SeqNum(i + 1))
		fill(&e, i)
		if err := e.End(); err != nil {
			b.Fatal(err)
		}
	}
	return e.Buf
}

// One operation is 10,000 messages.
func BenchmarkDecodeFetchFlags(b *testing.B) {
	benchResponses(b, fetchStream(b, 10_000, func(e *FetchEncoder, i int) {
		e.UID(imap.UID(i + 1000))
		e.Flags([]imap.Flag{imap.FlagSeen, imap.FlagAnswered, "$Junk"})
	}))
}

// One operation is 10,000 messages.
func BenchmarkDecodeFetchEnvelope(b *testing.B) {
	from := []mime.Address{{Name: "Terry Gray", Mailbox: "gray", Host: "cac.washington.edu"}}
	benchResponses(b, fetchStream(b, 10_000, func(e *FetchEncoder, i int) {
		e.UID(imap.UID(i + 1000))
		e.InternalDate(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
		e.Envelope(&mime.Envelope{Date: "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Subject: "summary and minutes " + strconv.Itoa(i),
			From: from, Sender: from, ReplyTo: from, To: from, MessageID: "<B27397-0100000@cac.washington.edu>"})
	}))
}

// One operation is 10,000 messages.
func BenchmarkDecodeFetchBodyStructure(b *testing.B) {
	text := &mime.BodyStructure{Type: "text", Subtype: "plain", Params: mime.Params{{Name: "charset", Value: "utf-8"}}, Encoding: "8bit", Octets: 3028, Lines: 92}
	alt := &mime.BodyStructure{Type: "multipart", Subtype: "alternative", Params: mime.Params{{Name: "boundary", Value: "xyzzy"}}, Parts: []*mime.BodyStructure{text, text}}
	mixed := &mime.BodyStructure{Type: "multipart", Subtype: "mixed", Params: mime.Params{{Name: "boundary", Value: "foo"}}, Parts: []*mime.BodyStructure{alt, text}}
	benchResponses(b, fetchStream(b, 10_000, func(e *FetchEncoder, i int) { e.BodyStructure(mixed, true) }))
}

// One operation is 100,000 numbers.
func BenchmarkDecodeSearch(b *testing.B) {
	r := &SearchData{}
	for i := range 100_000 {
		r.Nums = append(r.Nums, uint32(100_000+2*i))
	}
	stream, err := AppendResponse(nil, r, nil)
	if err != nil {
		b.Fatal(err)
	}
	benchResponses(b, stream)
}

// One operation is 10,000 mailboxes.
func BenchmarkDecodeList(b *testing.B) {
	var stream []byte
	for i := range 10_000 {
		stream, _ = AppendResponse(stream, list("Archive/2020/"+strconv.Itoa(i), '/', imap.AttrHasNoChildren), nil)
	}
	benchResponses(b, stream)
}

func BenchmarkDecodeLiteral10MB(b *testing.B) {
	stream := append(append([]byte("* 1 FETCH (BODY[] {10485760}\r\n"), make([]byte, 10<<20)...), ")\r\n"...)
	benchResponses(b, stream)
}

func BenchmarkParseCommand(b *testing.B) {
	for _, in := range []string{"a1 NOOP", "a1 LOGIN joe secret", "a1 UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (From To Subject)])", "a1 UID SEARCH UNSEEN SINCE 1-Jan-2024 NOT DELETED"} {
		b.Run(in[3:7], func(b *testing.B) {
			frame := []byte(in)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for range b.N {
				if _, err := ParseCommand(frame, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
