package mime

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHTMLText(t *testing.T) {
	links := &HTMLOptions{Links: true}
	for _, c := range []struct {
		html, text string
		o          *HTMLOptions
	}{
		{"", "", nil},
		{"hello", "hello", nil},
		{"  a \r\n\t b  ", "a b", nil},
		{"a<br>b<br/>c<BR />d", "a\nb\nc\nd", nil},
		{"a<br><br><br><br>b", "a\n\nb", nil},
		{"<p>one</p><p>two</p>", "one\n\ntwo", nil},
		{"<p>one<p>two", "one\n\ntwo", nil},
		{"<div>a</div><div>b</div>", "a\nb", nil},
		{"<div>a</div><div><br></div><div>b</div>", "a\n\nb", nil},
		{"<div>a<br></div><div>b</div>", "a\nb", nil},
		{"a <b>bold</b> word", "a bold word", nil},
		{"a<b> bold </b> word", "a bold word", nil},
		{"<h1>T</h1>text<hr>more", "T\n\ntext\n----------\nmore", nil},
		{"<ul><li>a<li>b</ul>c", "* a\n* b\n\nc", nil},
		{"x<ol><li>a</li><li>b</li></ol>", "x\n\n1. a\n2. b", nil},
		{"<ol start=7><li>a<li>b</ol>", "7. a\n8. b", nil},
		{"<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "* a\n  * b\n* c", nil},
		{"<ul><li><p>para</p><p>two</p></li></ul>", "* para\n\n  two", nil},
		{"<ul><li>a<br>b</ul>", "* a\n  b", nil},
		{"<ul><li></li><li>b</ul>", "* b", nil},
		{"<table><tr><td>a</td><td>b</td></tr><tr><td>c<td>d</table>", "a\tb\nc\td", nil},
		{"<table><tr><td></td><td>b</td></tr></table>", "b", nil},
		{"<pre>\n a  b\n\tc\r\n\r\nd</pre>e", " a  b\n        c\n\nd\n\ne", nil},
		{"<textarea>a\n<b></textarea>x", "a\n<b>\nx", nil},
		{"<blockquote>q<blockquote>r</blockquote></blockquote>s", "> q\n>\n> > r\n\ns", nil},
		{"<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b", nil},
		{"a&amp;b &lt;x&gt; &eacute;&#233;&#xE9; &hellip;", "a&b <x> ééé …", nil},
		{"&copy2 &ampx &nosuch; &; & &#; &#x;", "©2 &x &nosuch; &; & &#; &#x;", nil},
		{"&NotEqualTilde;&CounterClockwiseContourIntegral;", "≂̸∳", nil},
		{"a&#0;&#x110000;b", "a\uFFFD\uFFFDb", nil},
		{"&" + strings.Repeat("a", 100) + ";", "&" + strings.Repeat("a", 100) + ";", nil},
		{"a&nbsp;&nbsp;b\u00a0c", "a  b c", nil},
		{"a &nbsp; b", "a   b", nil},
		{"<p>&nbsp;</p>a", "a", nil},
		{"a<script>var x = '<p>no</p>';</script>b", "ab", nil},
		{"a<script>if (a</b) x</script >b", "ab", nil},
		{"a<style>p{}</style>b<STYLE>x</Style\n>c", "abc", nil},
		{"<html><head><title>no</title><meta x></head><body>yes", "yes", nil},
		{"a<!-- no > -- <b> -->b<!-->c<!--->d<!----!>e", "abcde", nil},
		{"<!DOCTYPE html><?xml version='1'?>x<![CDATA[y]]>z", "xz", nil},
		{"<!--[if mso]><p>no</p><![endif]-->yes<![if !mso]>also<![endif]>", "yesalso", nil},
		{"a < b <3 <", "a < b <3 <", nil},
		{"a</>b</ x>c</p>d", "abc\n\nd", nil},
		{"a<b", "a", nil},
		{"a<a href=\"x>y\" title='>'>b</a>", "ab", nil},
		{"a<x-y z='>'/>b", "ab", nil},
		{`<a href="https://example.org/a?b&amp;c">text</a>.`, "text <https://example.org/a?b&c>.", links},
		{`<a href="https://example.org/">https://example.org</a>`, "https://example.org", links},
		{`<a href="https://example.org/">example.org</a>`, "example.org", links},
		{`<a href="mailto:a@b.example">a@b.example</a>`, "a@b.example", links},
		{`<a href="javascript:x()">t</a> <a href="#x">u</a> <a href=http://h/>v</a>`, "t u v <http://h/>", links},
		{`<a href="http://h/"><img src=x></a>z`, "z", links},
		{"<a href=\"http://h/\n x\">t", "t", links},
		{"<a href=\"http://h/\n x\">t</a>", "t <http://h/x>", links},
		{`<a href=http://h>a<a href=http://i>b</a>`, "a <http://h>b <http://i>", links},
		{`<a href="http://h/">t</a>`, "t", nil},
		{`<img alt="a picture"> <img alt=''><img alt=x>`, "a picture x", nil},
		{`<img alt="a picture">x`, "x", &HTMLOptions{NoImages: true}},
		{`<div style="color:red; DISPLAY : none">no<div>no</div>no</div>yes`, "yes", nil},
		{`<div style="display:none">shown</div>yes`, "shown\nyes", &HTMLOptions{Hidden: true}},
		{`<span hidden>no</span>yes<svg><title>no</title></svg>`, "yes", nil},
		{`<img style="display:none" alt=no><br style="display:none">yes`, "yes", nil},
		{"<svg><p>no</svg>yes<template>no</template>!", "yes!", nil},
		{"<noscript>yes</noscript>", "yes", nil},
		{"a\x00b\x01c\x7fd", "abcd", nil},
		{"\xC2\xA9 \xC2", "© \xC2", nil},
		{"</blockquote></ul></li></pre>a", "a", nil},
		{strings.Repeat("<blockquote>", 1000) + "a", strings.Repeat("> ", 16) + "a", nil},
		{strings.Repeat("<ul><li>", 20) + "a", strings.Repeat("  ", 15) + "* a", nil},
		{"<xmp><b></xmp>", "<b>", nil},
		{"<title>" + strings.Repeat("x", 10000) + "</title>a", "a", nil},
		{"<p" + strings.Repeat(" a=b", 10000) + ">x", "x", nil},
		{"<" + strings.Repeat("p", 10000) + ">x", "x", nil},
		{"<a href=http://h/" + strings.Repeat("x", 5000) + ">t</a>", "t", links},
	} {
		assert.Equal(t, c.text, HTMLText(c.html, c.o), "%.200q", c.html)
		b, err := io.ReadAll(iotest.OneByteReader(NewHTMLReader(iotest.OneByteReader(strings.NewReader(c.html)), c.o)))
		assert.NoError(t, err)
		assert.Equal(t, c.text, string(b), "%.200q", c.html)
	}
}

func TestHTMLReaderError(t *testing.T) {
	boom := errors.New("boom")
	b, err := io.ReadAll(NewHTMLReader(io.MultiReader(strings.NewReader("a <b>x</b> <"), iotest.ErrReader(boom)), nil))
	assert.ErrorIs(t, err, boom)
	assert.Equal(t, "a x <", string(b))
}

// MimeKit's web pages are large and real: their text is short and has no markup.
func TestHTMLCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpusDir(t), "mimekit", "text", "*.html"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		s := HTMLText(string(b), &HTMLOptions{Links: true})
		assert.NotContains(t, s, "</")
		assert.NotContains(t, s, "{")
		assert.NotContains(t, s, "\n\n\n")
		assert.NotContains(t, s, " \n")
		assert.Greater(t, len(s), 100)
		assert.Less(t, len(s), len(b))
	}
}

func TestSniffHTMLCharset(t *testing.T) {
	for _, c := range []struct{ html, charset string }{
		{"", ""},
		{"<p>x", ""},
		{`<META CHARSET="UTF-8">`, "utf-8"},
		{`<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">`, "koi8-r"},
		{`<meta name=x><meta charset = 'windows-1251' />`, "windows-1251"},
		{`<meta charset=nosuch><meta charset=big5>`, "big5"},
		{`<meta charset=utf-16>`, "utf-8"},
		{`<meta charset>`, ""},
		{"\xEF\xBB\xBFx", "utf-8"},
		{"\xFF\xFEx\x00", "utf-16le"},
		{"\xFE\xFF\x00x", "utf-16be"},
		{strings.Repeat(" ", 2000) + "<meta charset=utf-8>", ""},
	} {
		r, cs := sniffHTMLCharset(strings.NewReader(c.html))
		assert.Equal(t, c.charset, cs, "%.100q", c.html)
		b, err := io.ReadAll(r)
		assert.NoError(t, err)
		assert.Equal(t, c.html, string(b))
	}
	boom := errors.New("boom")
	r, _ := sniffHTMLCharset(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)))
	b, err := io.ReadAll(r)
	assert.ErrorIs(t, err, boom)
	assert.Equal(t, "abc", string(b))
}

func TestEnriched(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"<bold>Now</bold> is\nthe time\n\nfor <<all>>", "Now is the time\nfor <all>>"},
		{"<color><param>red</param>x</color>\n\n\ny", "x\n\ny"},
		{"<nofill>a\nb</nofill>\nc", "a\nb c"},
		{"a<lt>b<nl>c", "a<b\nc"},
		{"</param>a<x", "a"},
		{"a\r\nb\r\n\r\nc", "a b\nc"},
	} {
		b, err := io.ReadAll(iotest.OneByteReader(newEnrichedReader(iotest.HalfReader(strings.NewReader(c.in)))))
		assert.NoError(t, err)
		assert.Equal(t, c.out, string(b), c.in)
	}
}

// chunks reads r's content by pieces whose sizes the seed gives.
type chunks struct {
	s    string
	seed byte
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	c.seed = c.seed*13 + 7
	n := copy(p[:min(len(p), int(c.seed%17)+1)], c.s)
	c.s = c.s[n:]
	return n, nil
}

func FuzzHTMLReader(f *testing.F) {
	for _, s := range []string{
		"<p>a<br>b&nbsp;&eacute;<a href='http://x/'>t</a><ul><li>x<ol start=3><li>y</ol></ul><pre>\r\n a\r\n</pre>",
		"<blockquote>a<script>x</scr</script><!-- -- --><td>b<td>\xC2\xA0\xC2", "<textarea>\r\n<", "&#x", "<a b=", "<![if", "</", "<!-",
	} {
		f.Add(s, byte(3))
	}
	f.Fuzz(func(t *testing.T, s string, seed byte) {
		o := &HTMLOptions{Links: seed&1 != 0, Hidden: seed&2 != 0}
		want, err := io.ReadAll(NewHTMLReader(strings.NewReader(s), o))
		require.NoError(t, err)
		got, err := io.ReadAll(&chunked{NewHTMLReader(&chunks{s, seed}, o), seed})
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		require.LessOrEqual(t, len(want), 64*len(s)+64)
	})
}

// chunked reads r by pieces.
type chunked struct {
	r    io.Reader
	seed byte
}

func (c *chunked) Read(p []byte) (int, error) {
	c.seed = c.seed*29 + 3
	return c.r.Read(p[:min(len(p), int(c.seed%11)+1)])
}
