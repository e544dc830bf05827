package mime

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestPreview(t *testing.T) {
	text := func(s string) string { return "Content-Type: text/plain; charset=utf-8\n\n" + s }
	html := func(s string) string { return "Content-Type: text/html; charset=utf-8\n\n" + s }
	for _, c := range []struct {
		name, msg, want string
		o               *PreviewOptions
	}{
		{"plain", text("Hello,\n\n  this is\ta test.\n"), "Hello, this is a test.", nil},
		{"nothing", text(""), "", nil},
		{"blanks", text(" \r\n\t\n"), "", nil},
		{"long", text(strings.Repeat("ab ", 500)), strings.TrimSpace(strings.Repeat("ab ", 500)[:200]), nil},
		{"long word", text(strings.Repeat("x", 5000)), strings.Repeat("x", 200), nil},
		{"long word of other letters", text(strings.Repeat("漢", 5000)), strings.Repeat("漢", 200), nil},
		{"no blank at the end", text(strings.Repeat("x", 199) + " y"), strings.Repeat("x", 199), nil},
		{"characters", text("abc def"), "abc d", &PreviewOptions{Characters: 5}},
		{"no more than 256", text(strings.Repeat("x", 5000)), strings.Repeat("x", 256), &PreviewOptions{Characters: 1000}},
		{"quotation", text("On Monday, Joe wrote:\n> old\n> older\n\nnew\n"), "new", nil},
		{"attribution of two lines", text("On Mon, 5 May 2025 at 10:00, Joe Doe\n<joe@example.org> wrote:\n> old\nnew"), "new", nil},
		{"no attribution", text("On 5 May we meet.\nBring:\n- cake"), "On 5 May we meet. Bring: - cake", nil},
		{"top posting", text("new\n\n-----Original Message-----\nFrom: x\nold"), "new", nil},
		{"outlook line", text("new\n________________________________\nFrom: x\nold"), "new", nil},
		{"signature", text("new\n-- \nJoe Doe\nExample Inc"), "new", nil},
		{"one long line", text(strings.Repeat("\u200b\u00a0", 1000) + "end " + strings.Repeat("漢 ", 1000)), "end " + strings.TrimSpace(strings.Repeat("漢 ", 98)), nil},
		{"one long quotation", text("> " + strings.Repeat("old ", 1000) + "\nnew"), "new", nil},
		{"nothing new", text("> old\n-- \nme"), "> old -- me", nil},
		{"quotes wanted", text("> old\nnew"), "> old new", &PreviewOptions{Quotes: true}},
		{"html", html("<head><title>no</title><style>x</style></head><p>Hello &amp; welcome<p>to&nbsp;&nbsp;it"), "Hello & welcome to it", nil},
		{"preheader", html("<div style='display:none'>Sale!&zwnj;&nbsp;&#847; &zwnj;</div><img alt=Logo><p>View in browser"), "Sale! View in browser", nil},
		{"control characters", text("a\x00b\x1b[1mc\u202Ed\u200be\ufefff"), "ab[1mcdef", nil},
		{"emoji sequences stay", text("👨\u200d👩\u200d👧"), "👨\u200d👩\u200d👧", nil},
		{"wrong utf-8", text("a\xff\xfeb"), "a\uFFFD\uFFFDb", nil},
		{"alternative", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/html", "h")), "body of t", nil},
		{"several texts", multi("mixed", "B", leaf("text/plain", "t"), leaf("application/pdf", "p"), leaf("text/html", "h")), "body of t body of h", nil},
		{"attachment", leaf("text/plain", "t", attached), "", nil},
		{"image", leaf("image/png", "t"), "", nil},
		{"encrypted", multi("encrypted", "S", leaf("application/pgp-encrypted", "v"), leaf("application/octet-stream", "e")), "", nil},
		{"pgp inline", text("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"), "", nil},
		{"pgp signed", text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n-----BEGIN PGP SIGNATURE-----\n\niQE\n-----END PGP SIGNATURE-----\n"), "hello", nil},
		{"uuencode", text("see:\n" + uuCat + "bye"), "see: bye", nil},
		{"flowed", "Content-Type: text/plain; format=flowed\n\none \ntwo\n> old \n> older\n", "one two", nil},
		{"latin", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9", "café", nil},
	} {
		m := strings.NewReader(c.msg)
		got, err := ParseBytes([]byte(c.msg), nil).Preview(m, c.o)
		assert.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
		got, err = Preview(iotest.HalfReader(strings.NewReader(c.msg)), c.o)
		assert.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
		assert.True(t, utf8.ValidString(got))
	}
}

// bounded counts what is read.
type bounded struct {
	io.ReaderAt
	n int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.ReaderAt.ReadAt(p, off)
	b.n += int64(n)
	return n, err
}

func TestPreviewReadsLittle(t *testing.T) {
	msg := "Content-Type: text/html\n\n<style>" + strings.Repeat("a{b:c} ", 1<<20) + "</style>text"
	p := ParseBytes([]byte(msg), nil)
	m := &bounded{ReaderAt: strings.NewReader(msg)}
	s, err := p.Preview(m, nil)
	assert.NoError(t, err)
	assert.Equal(t, "", s)
	assert.LessOrEqual(t, m.n, int64(64<<10))
	m.n = 0
	s, err = p.Preview(m, &PreviewOptions{Octets: 100})
	assert.NoError(t, err)
	assert.Equal(t, "", s)
	assert.LessOrEqual(t, m.n, int64(100))

	r := &countReader{r: strings.NewReader(msg)}
	_, err = Preview(r, &PreviewOptions{Octets: 1000})
	assert.NoError(t, err)
	assert.LessOrEqual(t, r.n, 1000)

	boom := errors.New("boom")
	_, err = p.Preview(failingAt{boom}, nil)
	assert.ErrorIs(t, err, boom)
	_, err = Preview(iotest.ErrReader(boom), nil)
	assert.ErrorIs(t, err, boom)
}

type countReader struct {
	r io.Reader
	n int
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
