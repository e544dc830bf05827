package mime

import (
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// names gives each part's Content-ID, for tests.
func names(l []*Part) string {
	var s []string
	for _, p := range l {
		s = append(s, p.ContentID())
	}
	return strings.Join(s, " ")
}

// part is a part of id with a header and its own boundary for the parts within it.
func multi(sub, id string, parts ...string) string {
	return "Content-Type: multipart/" + sub + "; boundary=" + id + "\nContent-ID: <" + id + ">\n\n--" + id + "\n" + strings.Join(parts, "\n--"+id+"\n") + "\n--" + id + "--\n"
}

func leaf(typ, id string, more ...string) string {
	return "Content-Type: " + typ + "\nContent-ID: <" + id + ">\n" + strings.Join(more, "") + "\nbody of " + id
}

const attached = "Content-Disposition: attachment\n"

func TestBody(t *testing.T) {
	for _, c := range []struct {
		name                            string
		msg                             string
		text, html, inline, attachments string
	}{
		{"text", leaf("text/plain", "t"), "t", "t", "", ""},
		{"no type", "Content-ID: <t>\n\nbody", "t", "t", "", ""},
		{"html", leaf("text/html", "h"), "h", "h", "", ""},
		{"attachment alone", leaf("text/plain", "t", attached), "", "", "", "t"},
		{"image alone", leaf("image/png", "i"), "i", "i", "i", ""},
		{"pdf alone", leaf("application/pdf", "p"), "", "", "", "p"},
		{"alternative", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/html", "h")), "t", "h", "", ""},
		{"alternative, plain alone", multi("alternative", "B", leaf("text/plain", "t")), "t", "t", "", ""},
		{"alternative, HTML alone", multi("alternative", "B", leaf("text/html", "h")), "h", "h", "", ""},
		{"alternative with invitation", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/html", "h"), leaf("text/calendar", "c")), "t", "h", "", "c"},
		{"alternative with AMP", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/x-amp-html", "a"), leaf("text/html", "h")), "t", "h", "", "a"},
		{"related", multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i")), "h", "h", "i", ""},
		{"related with start", strings.Replace(multi("related", "R", leaf("image/png", "i"), leaf("text/html", "h")), "boundary=", "start=\"<h>\"; boundary=", 1), "h", "h", "i", ""},
		{"related with a start that is not there", strings.Replace(multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i")), "boundary=", "start=\"<x>\"; boundary=", 1), "h", "h", "i", ""},
		{"related with an attachment", multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i", attached)), "h", "h", "", "i"},
		{"alternative in related", multi("related", "R", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/html", "h")), leaf("image/png", "i")), "t", "h", "i", ""},
		{"related in alternative", multi("alternative", "B", leaf("text/plain", "t"), multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i"))), "t", "h", "i", ""},
		{"mixed texts", multi("mixed", "M", leaf("text/plain", "t"), leaf("image/png", "i"), leaf("text/plain", "u")), "t i u", "t i u", "i", ""},
		{"mixed with files", multi("mixed", "M", leaf("text/plain", "t"), leaf("application/pdf", "p"), leaf("text/plain; name=notes.txt", "n"), leaf("text/html", "h", attached)), "t", "t", "", "p n h"},
		{"mixed text and HTML footer", multi("mixed", "M", multi("alternative", "B", leaf("text/plain", "t"), leaf("text/html", "h")), leaf("text/plain", "f")), "t f", "h f", "", ""},
		{"mixed in alternative", multi("alternative", "B", leaf("text/plain", "t"), multi("mixed", "M", leaf("text/html", "h"), leaf("image/png", "i"), leaf("text/html", "j"))), "t", "h i j", "i", ""},
		{"RFC 8621", multi("mixed", "M",
			leaf("text/plain", "A"),
			multi("mixed", "M2",
				multi("alternative", "X",
					multi("mixed", "M3", leaf("text/plain", "B"), leaf("image/jpeg", "C"), leaf("text/plain", "D")),
					multi("related", "R", leaf("text/html", "E"), leaf("image/jpeg", "F"))),
				leaf("image/jpeg", "G", attached),
				leaf("application/x-excel", "H"),
				leaf("message/rfc822", "J")),
			leaf("text/plain", "K")), "A B C D K", "A E K", "C F", "G H J"},
		{"signed", multi("signed", "S", leaf("text/plain", "t"), leaf("application/pgp-signature", "s")), "t", "t", "", "s"},
		{"encrypted", multi("encrypted", "S", leaf("application/pgp-encrypted", "v"), leaf("application/octet-stream", "e")), "", "", "", "v e"},
		{"report", multi("report", "P", leaf("text/plain", "t"), leaf("message/delivery-status", "d"), leaf("text/rfc822-headers", "r")), "t", "t", "", "d r"},
		{"digest", multi("digest", "D", "Content-ID: <a>\n\nSubject: x\n\nbody", leaf("message/rfc822", "b")), "", "", "", "a b"},
		{"unknown text", multi("mixed", "M", leaf("text/plain", "t"), leaf("text/x-own", "x"), leaf("text/x-own; name=f", "n"), leaf("text/calendar", "c")), "t x", "t x", "", "n c"},
		{"multipart without parts", "Content-Type: multipart/mixed; boundary=x\nContent-ID: <m>\n\nwords", "m", "m", "", ""},
		{"unknown multipart", multi("x-own", "O", leaf("text/plain", "t"), leaf("text/html", "h")), "t h", "t h", "", ""},
		{"disposition of its own", multi("mixed", "M", leaf("text/plain", "t"), leaf("text/plain", "u", "Content-Disposition: ATTACHMENT; x=y\n"), leaf("text/plain", "v", "Content-Disposition: own\n")), "t v", "t v", "", "u"},
	} {
		p := ParseBytes([]byte(c.msg), nil)
		b := p.Body()
		assert.Equal(t, c.text, names(b.Text), c.name)
		assert.Equal(t, c.html, names(b.HTML), c.name)
		assert.Equal(t, c.inline, names(b.Inline), c.name)
		assert.Equal(t, c.attachments, names(b.Attachments), c.name)
		// Nothing is lost.
		all := map[*Part]bool{}
		for _, l := range [][]*Part{b.Text, b.HTML, b.Inline, b.Attachments} {
			for _, q := range l {
				all[q] = true
			}
		}
		for q := range p.Leaves() {
			for q.Parent != nil && !all[q] {
				q = q.Parent
			}
			assert.True(t, all[q], c.name)
		}
		last := int64(-1)
		for q := range b.Files() {
			assert.Less(t, last, q.Start)
			last = q.Start
		}
	}
}

func TestAllAndLeaves(t *testing.T) {
	p := ParseBytes([]byte(multi("mixed", "M", leaf("text/plain", "a"), "Content-Type: message/rfc822\nContent-ID: <r>\n\n"+multi("alternative", "B", leaf("text/plain", "b"), leaf("text/html", "c")), leaf("image/png", "d"))), nil)
	assert.Equal(t, "M a r B b c d", names(slices.Collect(p.All())))
	assert.Equal(t, "a b c d", names(slices.Collect(p.Leaves())))
	for range p.All() {
		break
	}
	for range p.Leaves() {
		break
	}
}

func TestResolve(t *testing.T) {
	msg := multi("mixed", "M",
		multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i@x"), leaf("image/png", "sp ace@x")),
		multi("related", "S", leaf("text/html", "g"), leaf("image/png", "i@x", "Content-Location: second\n")),
		leaf("image/png", "out@x", "Content-Location: http://example.org/\n a.png\n"),
		"Content-Type: message/rfc822\n\n"+leaf("text/html", "in@x"))
	p := ParseBytes([]byte(msg), nil)
	html, html2 := p.Children[0].Children[0], p.Children[1].Children[0]
	for _, c := range []struct {
		from *Part
		ref  string
		want *Part
	}{
		{html, "cid:i@x", p.Children[0].Children[1]},
		{html2, "CID:i%40x", p.Children[1].Children[1]},
		{html, " cid:sp%20ace@x ", p.Children[0].Children[2]},
		{html, "cid:out@x", p.Children[2]},
		{html, "mid:message@y/i@x", p.Children[0].Children[1]},
		{html, "http://example.org/a.png", p.Children[2]},
		{html2, "second", p.Children[1].Children[1]},
		{html, "cid:nosuch", nil},
		{html, "cid:", nil},
		{html, "mid:message@y", nil},
		{html, "#top", nil},
		{html, "", nil},
		{html, "http://example.org/b.png", nil},
		{html, "cid:in@x", nil}, // another message
		{p.Children[3].Message, "cid:i@x", nil},
		{p.Children[3].Message, "cid:in@x", p.Children[3].Message},
	} {
		assert.Same(t, c.want, c.from.Resolve(c.ref), c.ref)
	}
	p = ParseBytes([]byte("Content-Base: http://e.org/d/\n"+multi("related", "R", leaf("text/html", "h"), leaf("image/png", "i", "Content-Location: a.png\n"))), nil)
	assert.Same(t, p.Children[1], p.Children[0].Resolve("http://e.org/d/a.png"))
}

func readText(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

func TestBodyReaders(t *testing.T) {
	msg := multi("mixed", "M",
		multi("alternative", "A",
			"Content-Type: text/plain; charset=iso-8859-1; format=flowed\nContent-Transfer-Encoding: quoted-printable\n\n> a=20\n> b\ncaf=E9 <",
			"Content-Type: text/html\n\n<meta charset=windows-1252><p>caf\xe9<p>b"),
		"Content-Type: image/png\nContent-ID: <a\"b@x>\n\nx",
		"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"+base64.StdEncoding.EncodeToString([]byte("<b>ü</b> <a href='http://h/'>l</a>")),
		"Content-Type: text/enriched\n\n<bold>rich</bold> & poor")
	m := strings.NewReader(msg)
	b := ParseBytes([]byte(msg), nil).Body()
	assert.Equal(t, "> a b\ncafé <\n\nü l\n\nrich & poor", readText(t, b.TextReader(m, nil)))
	assert.Equal(t, "> a \n> b\ncafé <\n\nü l <http://h/>\n\nrich & poor", readText(t, b.TextReader(m, &TextOptions{Flowed: true, HTML: HTMLOptions{Links: true}})))
	assert.Equal(t, "<meta charset=windows-1252><p>café<p>b"+`<img src="cid:a%22b@x">`+"\n<b>ü</b> <a href='http://h/'>l</a>"+
		`<pre style="white-space: pre-wrap">`+"\nrich &amp; poor</pre>\n", readText(t, b.HTMLReader(m)))
	assert.Equal(t, "", readText(t, b.Inline[0].PlainText(m, nil)))
	assert.Equal(t, "café\n\nb", readText(t, b.HTML[0].PlainText(m, nil)))

	p := ParseBytes([]byte("Content-Type: multipart/mixed; boundary=x\n\nwords <&>\n"), nil)
	m = strings.NewReader("Content-Type: multipart/mixed; boundary=x\n\nwords <&>\n")
	assert.Equal(t, "words <&>\n", readText(t, p.Body().TextReader(m, nil)))
	assert.Contains(t, readText(t, p.Body().HTMLReader(m)), "words &lt;&amp;&gt;\n")

	boom := errors.New("boom")
	_, err := io.ReadAll(b.TextReader(failingAt{boom}, nil))
	assert.ErrorIs(t, err, boom)
	_, err = io.ReadAll(b.HTMLReader(failingAt{boom}))
	assert.ErrorIs(t, err, boom)
}

type failingAt struct{ err error }

func (f failingAt) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestDecoded(t *testing.T) {
	for _, c := range []struct{ encoding, body, want string }{
		{"7bit", "a\nb", "a\nb"},
		{"base64", "YWJj\nZA==", "abcd"},
		{"quoted-printable", "a=\nb=41", "abA"},
		{"x-uuencode", uuCat, "Cat"},
		{"UUENCODE", "#0V%T\n`\n", "Cat"},
		{"x-yenc", "=ybegin line=1 size=3 name=x\n\x8b\x8c\x8d\n=yend size=3\n", "abc"},
		{"unknown", "as it is", "as it is"},
	} {
		msg := "Content-Transfer-Encoding: " + c.encoding + "\n\n" + c.body
		m := strings.NewReader(msg)
		p := ParseBytes([]byte(msg), nil)
		assert.Equal(t, c.want, readText(t, p.Decoded(m)), c.encoding)
		n, err := p.DecodedSize(m)
		assert.NoError(t, err)
		assert.Equal(t, int64(len(c.want)), n, c.encoding)
	}
}

func FuzzBody(f *testing.F) {
	f.Add(multi("mixed", "M", multi("alternative", "A", leaf("text/plain; format=flowed", "t"), leaf("text/html", "h")), leaf("image/png", "i"), leaf("message/rfc822", "m")))
	f.Add("Content-Type: multipart/related; boundary=a; start=x\n\n--a\nContent-ID: x\n\n" + uuCat)
	f.Add("Content-Type: text/enriched\nContent-Transfer-Encoding: x-uuencode\n\n" + uuCat)
	f.Fuzz(func(t *testing.T, msg string) {
		m := strings.NewReader(msg)
		p := ParseBytes([]byte(msg), nil)
		for q := range p.All() {
			b := q.Body()
			_, err := io.Copy(io.Discard, b.TextReader(m, nil))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, b.HTMLReader(m))
			require.NoError(t, err)
			s, err := q.Preview(m, nil)
			require.NoError(t, err)
			require.LessOrEqual(t, len([]rune(s)), 200)
			n, err := q.DecodedSize(m)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, int64(0))
			q.Resolve("cid:x")
			q.Resolve("x")
			s1, ok := q.Security()
			if ok {
				_, err := io.Copy(io.Discard, s1.SignedReader(m))
				require.NoError(t, err)
			}
			require.NotEmpty(t, q.SafeFilename())
			q.Header.ThreadReferences()
		}
	})
}
