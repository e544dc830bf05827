package imapwire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// passResponses writes what it reads.
func passResponses(t *testing.T, c *ResponseReader) string {
	var out strings.Builder
	for {
		_, err := c.Read()
		var pe *ParseError
		if err == io.EOF {
			return out.String()
		} else if err != nil && !errors.As(err, &pe) {
			t.Fatal(err)
		}
		out.Write(c.Raw())
		out.WriteString("\r\n")
		if m := c.Stream(); m != nil {
			_, err := m.WriteTo(&out)
			require.NoError(t, err)
		}
	}
}

func TestResponsesPassRaw(t *testing.T) {
	body := strings.Repeat("* 1 FETCH (\r\n", 8000)
	in := "* OK [X a] hi {5}\r\n* 7 FETCH (UID 5  BODY[] {104000}\r\n" + body + " FLAGS (\\Seen) BODY[1] {3}\r\nabc BODY[2] {104000}\r\n" + body + ")\r\n" +
		"* 3 UIDFETCH (BODY[] {104000}\r\n" + body + ")\r\n" +
		"* LIST () \"/\" {3}\r\na\r\n\r\n* 1 FETCH (bad\r\n* URLFETCH a {104000}\r\n" + body + " b NIL {1}\r\nc {104000}\r\n" + body + "\r\n* URLFETCH x ~{104000}\r\n" + body + " y z\r\nServer Unavailable.\r\n+ \r\n\x00\x00A OK x \r\n"
	for _, src := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), &chunks{s: in, sizes: []byte{63, 1}}} {
		assert.Equal(t, in, passResponses(t, responses(src, ResponseLimits{})))
	}
}

func TestURLFetchStreams(t *testing.T) {
	body := strings.Repeat("x", 60)
	c := responses(strings.NewReader("* URLFETCH a {60}\r\n"+body+"\r\n* URLFETCH a b c {60}\r\n"+body+" d NIL\r\n* 4 EXISTS\r\n"), ResponseLimits{Buffer: 50})
	r, err := c.Read()
	require.NoError(t, err)
	u := r.(*URLFetchData)
	require.True(t, u.More)
	assert.Equal(t, int64(60), u.Items[0].Size)
	b, err := io.ReadAll(u.Items[0].Stream)
	require.NoError(t, err)
	assert.Equal(t, body, string(b))
	r, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, &URLFetchData{}, r)
	// What does not parse is drained, and what is not read.
	_, err = c.Read()
	var pe *ParseError
	require.ErrorAs(t, err, &pe)
	require.False(t, pe.Close)
	r, err = c.Read()
	require.NoError(t, err)
	assert.Equal(t, &ExistsData{4}, r)
}

func TestURLFetchEncoder(t *testing.T) {
	e := URLFetchEncoder{Buf: []byte("x")}
	e.Begin()
	require.NoError(t, e.Item("a", nil))
	require.NoError(t, e.Item("b c", []byte("d")))
	require.Error(t, e.Item("\x00", nil))
	require.Error(t, e.Stream("a", -1))
	require.Error(t, e.Stream("\x00", 1))
	require.NoError(t, e.Stream("e", 3))
	e.Buf = append(e.Buf, "123"...)
	e.End()
	assert.Equal(t, "x* URLFETCH a NIL \"b c\" \"d\" e {3}\r\n123\r\n", string(e.Buf))
}

// A command with its messages, as it came.
func TestCommandsPassRaw(t *testing.T) {
	in := "a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\nb APPEND {3+}\r\nx y (\\Seen) {5+}\r\n12\r\n3 UTF8 (~{2+}\r\n12)\r\nc REPLACE 4 x CATENATE (URL {2+}\r\nab TEXT {3+}\r\nabc URL z)\r\ng APPEND x CATENATE (URL a) CATENATE (TEXT {1+}\r\nx URL y) CATENATE (URL z TEXT {0+}\r\n)\r\n" +
		"d FOO \"x\r\ne IDLE\r\nDONE\r\nf NOOP\r\n"
	for _, src := range []io.Reader{strings.NewReader(in), &chunks{s: in, sizes: []byte{63, 1}}} {
		c := NewCommandReader(wire.NewReader(src, wire.Options{}), CommandLimits{})
		var out strings.Builder
		raw := func() {
			out.Write(c.Raw())
			out.WriteString("\r\n")
		}
		for {
			cmd, err := c.Read()
			if err == io.EOF {
				break
			}
			raw()
			var pe *ParseError
			if errors.As(err, &pe) {
				continue
			}
			require.NoError(t, err)
			if _, ok := cmd.Args.(*Idle); ok {
				_, err := c.ReadLine()
				require.NoError(t, err)
				raw()
			}
			for m := c.Stream(); m != nil; m = c.Stream() {
				_, err := m.WriteTo(&out)
				require.NoError(t, err)
				_, err = c.More()
				require.NoError(t, err)
				if c.Raw() != nil {
					raw()
				}
			}
		}
		assert.Equal(t, in, out.String())
	}
}

func TestWaits(t *testing.T) {
	for raw, want := range map[string][]int{
		"a NOOP": nil, "": nil, "a LOGIN {3}\r\njoe {6+}\r\nsecret": {13}, "a LOGIN {3}\r\njoe {6}\r\nsec{9}": {13, 22},
		"a LOGIN {3}\r\n{1} {2}\r\n\r\n": {13, 22}, "a X {9}\r\nabc": nil, "a X {99999999999999999999}\r\n": nil, "a APPEND {1}\r\nx {5}": {14},
	} {
		assert.Equal(t, want, Waits([]byte(raw)), raw)
	}
	for _, c := range commands {
		var e CommandEncoder
		out, err := e.Append(nil, "a", c.want)
		require.NoError(t, err)
		if e.streams {
			if h := e.Waits[len(e.Waits)-1]; h == len(out) {
				e.Waits = e.Waits[:len(e.Waits)-1]
			}
			out = frameOf(out)
		}
		assert.Equal(t, append([]int(nil), e.Waits...), Waits(out), "%s", out)
	}
}

func TestRawOfRefused(t *testing.T) {
	c := NewCommandReader(strings.NewReader("a LOGIN {100+}\r\n"+strings.Repeat("x", 100)+"\r\n"), CommandLimits{Literal: 10})
	_, err := c.Read()
	require.Error(t, err)
	assert.Nil(t, c.Raw())
	r := responses(strings.NewReader("* 1 FETCH (FLAGS {60}\r\n"+strings.Repeat("x", 60)+")\r\n"), ResponseLimits{Buffer: 50, Literal: 50})
	_, err = r.Read()
	require.Error(t, err)
	assert.Nil(t, r.Raw())
}

func TestReferralWithBrackets(t *testing.T) {
	got := AppendStatus(nil, "a", imap.NO, imap.CodeReferral{URLs: []imap.URL{{Host: "::1"}}}, "x")
	assert.Equal(t, "a NO x\r\n", string(got))
	for _, c := range []imap.Code{imap.CodeReferral{}, imap.CodeReferral{URLs: []imap.URL{{Port: 4}}}, imap.CodeBadURL{}, imap.CodeBadURL{URL: "a]"}, imap.CodeBadURL{URL: "a\r\n"},
		imap.CodeURLMech{Mechanisms: []imap.URLMechanism{{Name: "a b"}}}, imap.CodeMailboxID{ID: "a)"}} {
		assert.Equal(t, "a NO x\r\n", string(AppendStatus(nil, "a", imap.NO, c, "x")), "%#v", c)
	}
}
