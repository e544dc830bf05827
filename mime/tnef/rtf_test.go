package tnef

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compress makes compressed RTF of literals alone.
func compress(s string) []byte {
	var body []byte
	w := len(rtfDictionary)
	for s != "" || body == nil {
		n := min(len(s), 8)
		flags := byte(0)
		chunk := []byte(s[:n])
		w = (w + n) & 4095
		s = s[n:]
		if n < 8 {
			flags = 1 << n
			chunk = append(chunk, byte(w>>4), byte(w<<4))
			body = append(append(body, flags), chunk...)
			break
		}
		body = append(append(body, flags), chunk...)
		if s == "" {
			body = append(body, 1, byte(w>>4), byte(w<<4))
			break
		}
	}
	sum := uint32(0)
	for _, c := range body {
		sum = rtfTable[byte(sum)^c] ^ sum>>8
	}
	return cat(le32(len(body)+12), le32(0), le32(rtfCompressed), le32(int(sum)), body)
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestRTFReader(t *testing.T) {
	for _, c := range []struct {
		name     string
		in       []byte
		out      string
		complete bool
	}{
		// MS-OXRTFCP section 3.1.1 and 3.1.2.
		{"simple", unhex(t, "2d 00 00 00 2b 00 00 00 4c 5a 46 75 f1 c5 c7 a7 03 00 0a 00 72 63 70 67 31 32 35 42 32 0a f3 20 68 65 6c 09 00 20 62 77 05 b0 6c 64 7d 0a 80 0f a0"),
			"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n", true},
		{"reference that crosses itself", unhex(t, "1a 00 00 00 1c 00 00 00 4c 5a 46 75 e2 d4 4b 51 41 00 04 20 57 58 59 5a 0d 6e 7d 01 0e b0"), "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}", true},
		{"uncompressed", cat(le32(16), le32(4), le32(rtfUncompressed), le32(0), []byte("{\\a}rest")), "{\\a}", true},
		{"uncompressed and short", cat(le32(16), le32(9), le32(rtfUncompressed), le32(0), []byte("{\\a}")), "{\\a}", false},
		{"literals", compress("some text that is longer than eight"), "some text that is longer than eight", true},
		{"empty", nil, "", false},
		{"header alone", make([]byte, 16), "", false},
		{"unknown", cat(le32(16), le32(4), le32(0x41414141), le32(0), []byte("abcd")), "", false},
	} {
		z := NewRTFReader(bytes.NewReader(c.in))
		b, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.Equal(t, c.out, string(b), c.name)
		assert.Equal(t, c.complete, z.Complete(), c.name)
		b, err = io.ReadAll(iotest.OneByteReader(NewRTFReader(iotest.OneByteReader(bytes.NewReader(c.in)))))
		require.NoError(t, err)
		assert.Equal(t, c.out, string(b), c.name)
	}
	good := compress("abc")
	good[12] ^= 1
	z := NewRTFReader(bytes.NewReader(good))
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(b))
	assert.False(t, z.Complete())
	boom := errors.New("boom")
	_, err = io.ReadAll(NewRTFReader(io.MultiReader(bytes.NewReader(good[:18]), iotest.ErrReader(boom))))
	assert.ErrorIs(t, err, boom)
}

func TestRTFText(t *testing.T) {
	for _, c := range []struct{ rtf, text string }{
		{`{\rtf1\ansi hello\par world}`, "hello\nworld"},
		{`{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}`, "Привет"},
		{`{\rtf1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Times;}}\f1\'cf{\f0\'e9}\'f0\plain\'e9}`, "Пéрé"},
		{`{\rtf1\uc1 caf\u233?\u-10179?\u-8704? x}`, "café😀 x"},
		{`{\rtf1\uc2 \u233\'41\'42c\uc0\u233d}`, "écéd"},
		{`{\rtf1\u55357?x}`, "x"},
		{`{\rtf1 a\{b\}c\\d\~e\_f\-g}`, "a{b}c\\d\u00a0e-fg"},
		{`{\rtf1{\*\generator x;}{\info{\title no}}{\pict 0123}{\colortbl;\red0;}yes{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}}}`, "yeslink"},
		{`{\rtf1 a{\v hidden}b\v no\v0 c}`, "abc"},
		{"{\\rtf1 a\r\nb\\\nc\\tab d\\bullet\\emdash\\lquote\\rdblquote}", "ab\nc\td•—‘”"},
		{`{\rtf1 a\bin5 {}}}}b}`, "ab"},
		{"{\\rtf1\\ansicpg932 \\'93\\'fa\\'96{\\'7b}}", "日�{"},
		{"{\\rtf1\\ansicpg932 \\'93\\'fa\\'96\\'7b}", "日本"},
		{`\par`, "\n"},
		{`}}}a`, "a"},
		{strings.Repeat("{", 1000) + "a" + strings.Repeat("}", 1000) + "b", "ab"},
		{`{\rtf1\fromtext line\par{\*\htmltag no}line}`, "line\nline"},
		{`{\rtf1 \zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz99999999999999999999 a\'zzb\'`, "ab"},
	} {
		b, err := io.ReadAll(NewRTFTextReader(strings.NewReader(c.rtf)))
		require.NoError(t, err)
		assert.Equal(t, c.text, string(b), c.rtf[:min(len(c.rtf), 80)])
		b, err = io.ReadAll(iotest.OneByteReader(NewRTFTextReader(iotest.OneByteReader(strings.NewReader(c.rtf)))))
		require.NoError(t, err)
		assert.Equal(t, c.text, string(b), c.rtf[:min(len(c.rtf), 80)])
	}
}

func TestRTFHTML(t *testing.T) {
	for _, c := range []struct{ rtf, html string }{
		// After MS-OXRTFEX section 4.1.
		{`{\rtf1\ANSI\ansicpg1251\fromhtml1 \deff0` +
			`{\fonttbl {\f0\fmodern Courier New;}{\f1\fswiss Arial;}{\f2\fswiss\fcharset0 Arial;}}` +
			`{\colortbl\red0\green0\blue0;\red0\green0\blue255;}` +
			`{\*\htmltag19 <HTML>}{\*\htmltag2 \par }{\*\htmltag241 <P>}{\*\htmltag84 <B>}\htmlrtf {\htmlrtf0` +
			` \htmlrtf \b \htmlrtf0 text {\*\htmltag84 <A HREF="x\{y\}">}{\*\mhtmltag84 no}\'cf\lquote &amp;\htmlrtf }\htmlrtf0 {\*\htmltag92 </B>}{\*\htmltag27 </HTML>}\par}`,
			"<HTML>\n<P><B>text <A HREF=\"x{y}\">П&lsquo;&amp;</B></HTML>\n"},
		{`{\rtf1\fromhtml1 {\*\htmltag64 a\tab b}\u8364?\~\_}`, "a\tb€&nbsp;&shy;"},
	} {
		b, err := io.ReadAll(NewRTFHTMLReader(iotest.OneByteReader(strings.NewReader(c.rtf))))
		require.NoError(t, err)
		assert.Equal(t, c.html, string(b))
	}
}

func TestSniffRTF(t *testing.T) {
	for rtf, want := range map[string]RTFKind{`{\rtf1\fromhtml1 x}`: RTFFromHTML, `{\rtf1\ansi\fromtext x}`: RTFFromText, `{\rtf1 x}`: RTFPlain, "": RTFPlain} {
		k, r, err := SniffRTF(strings.NewReader(rtf))
		require.NoError(t, err)
		assert.Equal(t, want, k)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, rtf, string(b))
	}
	boom := errors.New("boom")
	_, _, err := SniffRTF(iotest.ErrReader(boom))
	assert.ErrorIs(t, err, boom)
}

func TestBodies(t *testing.T) {
	message := func(l ...[]byte) *Message {
		m, err := ParseBytes(stream(attr(1, TagMessageProperties, props(l...))), nil)
		require.NoError(t, err)
		return m
	}
	rtf := func(s string) []byte { return variable(TypeBinary, PidRTFCompressed, compress(s)) }
	for _, c := range []struct {
		m          *Message
		text, html string
	}{
		{message(), "-", "-"},
		{message(variable(TypeUnicode, PidBody, wide("téxt"))), "téxt", "-"},
		{message(variable(TypeString8, PidBody, z("t\xe9xt")), fixed(TypeInt32, PidMessageCodepage, le32(1252))), "téxt", "-"},
		{message(variable(TypeBinary, PidBodyHTML, []byte("<p>\xd4")), fixed(TypeInt32, PidInternetCodepage, le32(20866))), "т", "<p>т"},
		{message(variable(TypeUnicode, PidBodyHTML, wide("<p>é"))), "é", "<p>é"},
		{message(variable(TypeString8, PidBodyHTML, z("<p>a"))), "a", "<p>a"},
		{message(rtf(`{\rtf1 a\par b}`)), "a\nb", "-"},
		{message(rtf(`{\rtf1\fromtext a\par b}`)), "a\nb", "-"},
		{message(rtf(`{\rtf1\fromhtml1 {\*\htmltag64 <p>}a{\*\htmltag64 <p>}b}`)), "a\n\nb", "<p>a<p>b"},
	} {
		get := func(r io.Reader, ok bool) string {
			if !ok {
				return "-"
			}
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			return string(b)
		}
		assert.Equal(t, c.text, get(c.m.Text()))
		assert.Equal(t, c.html, get(c.m.HTML()))
	}
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\fromhtml1{\fonttbl{\f1\fcharset204 x;}}{\*\htmltag <p>}\f1\'cf\u-10179?\u-8384?\bin3 }}}\uc2\htmlrtf x\htmlrtf0}`), byte(3))
	f.Add(compress("{\\rtf1 x}"), byte(9))
	f.Fuzz(func(t *testing.T, b []byte, seed byte) {
		for _, open := range []func(io.Reader) io.Reader{NewRTFTextReader, NewRTFHTMLReader, func(r io.Reader) io.Reader { return NewRTFReader(r) }} {
			want, err := io.ReadAll(open(bytes.NewReader(b)))
			require.NoError(t, err)
			got, err := io.ReadAll(iotest.OneByteReader(open(&pieces{b, seed})))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			require.LessOrEqual(t, len(want), 32*len(b)+32)
		}
		z := NewRTFReader(bytes.NewReader(compress(string(b))))
		got, err := io.ReadAll(z)
		require.NoError(t, err)
		require.True(t, z.Complete())
		require.True(t, bytes.Equal(b, got))
	})
}

// pieces reads b by pieces whose sizes the seed gives.
type pieces struct {
	b    []byte
	seed byte
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	c.seed = c.seed*13 + 7
	n := copy(p[:min(len(p), int(c.seed%17)+1)], c.b)
	c.b = c.b[n:]
	return n, nil
}
