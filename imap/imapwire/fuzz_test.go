package imapwire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chunks reads s in pieces of the given sizes, over and over.
type chunks struct {
	s     string
	sizes []byte
	i     int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	n := 1
	if len(c.sizes) > 0 {
		n = 1 + int(c.sizes[c.i%len(c.sizes)])%64
		c.i++
	}
	n = copy(p, c.s[:min(n, len(c.s))])
	c.s = c.s[n:]
	return n, nil
}

// dump is a value as text, pointers followed.
func dump(v any) string {
	b, err := json.Marshal(v)
	return fmt.Sprintf("%T %s %v", v, b, err)
}

func FuzzCommand(f *testing.F) {
	for _, tt := range commands {
		f.Add("a1 " + tt.in)
	}
	for _, file := range rfcFiles(f) {
		for _, line := range rfcLines(f, file, "C") {
			f.Add(line)
		}
	}
	for _, s := range []string{"a SEARCH NOT NOT (ALL)", "a LOGIN {4294967295}", "a FETCH 4294967295:* (BODY[1.2.3]<0.1>)", "a LIST \"\" (*a)*b", "a NOOP (((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		cmd, err := ParseCommand([]byte(in), nil)
		if err != nil {
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			return
		}
		if _, ok := cmd.Args.(*Unknown); ok {
			return
		}
		out, err := AppendCommand(nil, cmd.Tag, cmd.Args)
		if err != nil {
			// What a client may say and this encoder will not: NUL in a literal,
			// 8-bit octets in an option.
			return
		}
		again, err := ParseCommand(frameOf(out), nil)
		require.NoError(t, err, "%q became %q", in, out)
		require.Equal(t, cmd.Tag, again.Tag)
		out2, err := AppendCommand(nil, again.Tag, again.Args)
		require.NoError(t, err)
		require.Equal(t, string(out), string(out2), "%q", in)
	})
}

func FuzzResponse(f *testing.F) {
	for _, tt := range responseCases(f) {
		f.Add(tt.in)
	}
	for _, tt := range quirks {
		f.Add(tt.in)
	}
	for _, file := range rfcFiles(f) {
		for _, line := range rfcLines(f, file, "S") {
			f.Add(line)
		}
	}
	f.Add("* 1 FETCH (BODY[] {4}\r\nUID 3)")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := ParseResponse([]byte(in), nil)
		if err != nil {
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			return
		}
		out, err := AppendResponse(nil, r, nil)
		if err != nil {
			return // what a server sends and no encoder may
		}
		again, err := ParseResponse(frameOf(out), nil)
		require.NoError(t, err, "%q became %q", in, out)
		out2, err := AppendResponse(nil, again, nil)
		require.NoError(t, err)
		again2, err := ParseResponse(frameOf(out2), nil)
		require.NoError(t, err)
		out3, err := AppendResponse(nil, again2, nil)
		require.NoError(t, err)
		require.Equal(t, string(out2), string(out3), "%q", in)
	})
}

// FuzzCommandStream reads a stream of commands whole and in pieces.
func FuzzCommandStream(f *testing.F) {
	f.Add("a LOGIN {1+}\r\nx {2}\r\nyz\r\nb APPEND x {3+}\r\nabc\r\nc NOOP\r\n", []byte{1, 7})
	f.Add("a APPEND x {21+}\r\nx NOOP\r\nx NOOP\r\n12345\r\nb NOOP\r\n", []byte{0})
	f.Add("a APPEND x UTF8 (~{2+}\r\nbc) {1+}\r\nx\r\nb NOOP\r\n", []byte{3})
	f.Add("a APPEND x CATENATE (URL {2+}\r\nab TEXT {3+}\r\nabc URL z) (\\Seen) CATENATE (UTF8 (~{1}\r\nx) URL y)\r\nb NOOP\r\n", []byte{9})
	f.Add("a UID REPLACE 3 x {3+}\r\nabc\r\nb REPLACE * x CATENATE (URL z) {8+}\r\nx NOOP\r\n\r\n", []byte{4})
	f.Add("a X {10+}\r\naaaaaaaaaa {10+}\r\naaaaaaaaaa\r\nb\x00\r\n\nc\r\r\n", []byte{2})
	f.Fuzz(func(t *testing.T, in string, sizes []byte) {
		limits := CommandLimits{Line: 200, Command: 400, Literal: 50, Literals: 5, Append: 100, Drain: 300, Depth: 10}
		whole := served(strings.NewReader(in), limits)
		require.Equal(t, whole, served(&chunks{s: in, sizes: sizes}, limits), "%q", in)
	})
}

// received is everything a client sees of in.
func received(src io.Reader, limits ResponseLimits) (log []string) {
	c := responses(src, limits)
	for range 100_000 {
		r, err := c.Read()
		var pe *ParseError
		switch {
		case errors.As(err, &pe):
			log = append(log, fmt.Sprintf("parse error %v", pe.Close))
		case err != nil:
			return append(log, err.Error())
		default:
			log = append(log, dump(r))
			if s := c.Stream(); s != nil {
				b, err := io.ReadAll(s)
				log = append(log, fmt.Sprintf("stream %q %v", b, err))
			}
		}
	}
	return log
}

// FuzzResponseStream reads a stream of responses whole and in pieces.
func FuzzResponseStream(f *testing.F) {
	f.Add("* OK hi {5}\r\n* 1 FETCH (BODY[] {60}\r\n"+strings.Repeat("x", 60)+" UID 3)\r\n* 4 EXISTS\r\n", []byte{1, 7})
	f.Add("* LIST () \"/\" {3}\r\nabc\r\n+ \r\n", []byte{0})
	f.Add("* URLFETCH a {60}\r\n"+strings.Repeat("x", 60)+" b NIL c {60}\r\n"+strings.Repeat("\r\n", 30)+"\r\n* 4 EXISTS\r\n", []byte{6})
	for _, tt := range quirks {
		f.Add(tt.in+"\r\n* 4 EXISTS\r\n", []byte{5})
	}
	f.Fuzz(func(t *testing.T, in string, sizes []byte) {
		limits := ResponseLimits{Line: 32 << 10, Response: 64 << 10, Literal: 50, Buffer: 40, Literals: 5, Drain: 300, Depth: 10}
		whole := received(strings.NewReader(in), limits)
		require.Equal(t, whole, received(&chunks{s: in, sizes: sizes}, limits), "%q", in)
	})
}
