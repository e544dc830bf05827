package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
)

// makeComposer is one for a list of one person.
func makeComposer(t testing.TB, template string, columns, row []string) (*composer, *recipient) {
	t.Helper()
	c, err := parseConfig("/x/bulkmail.conf", testHead+"list-id = Example News <news.example.org>\nreply-to = Ed <ed@example.org>\n[server a]\naddr = a:1\n")
	require.NoError(t, err)
	letter, err := parseLetter("news.txt", template)
	require.NoError(t, err)
	path, key, err := parseRecipient("Joe@Example.net")
	require.NoError(t, err)
	r := &recipient{line: 2, path: path, key: key, row: row}
	l := &list{columns: columns, recipients: []*recipient{r}}
	m, err := newComposer(c, secret("0123456789abcdef"), "spring", l, letter)
	require.NoError(t, err)
	return m, r
}

func TestCompose(t *testing.T) {
	m, r := makeComposer(t, `Subject: News for {{.Name}},
  who lives in {{index . "Home town"}}
To: "{{.Name}}"
From: {{.Agent}} of Example <{{.Agent}}@example.org>
X-Info: {{.Campaign}}
X-Empty: {{.Empty}}
Precedence: bulk

Dear {{.Name}} <{{.Recipient}}>,
{{.UnsubscribeURL}}
{{.UnsubscribeMail}}
-- html --
<p title="{{.Name}}">Dear {{.Name}}, <a href="{{.UnsubscribeURL}}">no</a> <a href='{{.UnsubscribeMail}}'>more</a>
<img src="cid:a b.png"><img src="cid:a b.png2">
`, []string{"Name", "Home town", "Agent", "Empty"}, []string{`Ève "<script>"`, "Köln", "eve", ""})
	m.letter.inline = memoryFiles([]string{"a b.png"}, [][]byte{[]byte("png")})
	m, err := newComposer(m.config, m.secret, m.campaign, m.list, m.letter)
	require.NoError(t, err)
	text, sender, err := m.render(r)
	require.NoError(t, err)
	again, _, err := m.render(r)
	require.NoError(t, err)
	undated := func(b []byte) string {
		_, rest, _ := strings.Cut(string(b), "\r\n")
		return rest
	}
	require.Equal(t, undated(text), undated(again), "it is the same however often it is made")
	require.Regexp(t, `^bounces\+[a-z2-7]{24}@example\.org$`, sender)

	root := mime.ParseBytes(text, nil)
	h := root.Header
	assert.Equal(t, "News for Ève \"<script>\", who lives in Köln", h.Text("Subject"))
	to := h.Addresses("To")
	require.Len(t, to, 1)
	assert.Equal(t, `Ève "<script>"`, to[0].DisplayName())
	assert.Equal(t, "Joe@example.net", strings.Replace(to[0].Addr(), "Example", "example", 1))
	assert.Equal(t, "eve of Example", h.Addresses("From")[0].DisplayName())
	assert.Equal(t, "eve@example.org", h.Addresses("From")[0].Addr())
	assert.Equal(t, "ed@example.org", h.Addresses("Reply-To")[0].Addr())
	assert.Equal(t, "spring", h.Text("X-Info"))
	assert.Equal(t, "bulk", h.Text("Precedence"))
	assert.False(t, h.Has("X-Empty"))
	assert.Equal(t, "Example News <news.example.org>", h.Text("List-ID"))
	token := m.secret.token(useUnsubscribe, r.key)
	assert.Equal(t, mime.Unsubscribe{URIs: []mime.ListURI{{URI: "https://example.org/u?" + token},
		{URI: "mailto:unsubscribe+" + token + "@example.org?subject=unsubscribe"}}, OneClick: "https://example.org/u?" + token}, h.Unsubscribe())
	body := string(text)
	assert.Contains(t, body, "https://example.org/u?"+token+"\r\n")
	html := decoded(t, text, "text/html")
	assert.Contains(t, html, `<p title="Ève &#34;&lt;script&gt;&#34;">Dear Ève &#34;&lt;script&gt;&#34;, <a href="https://example.org/u?`+token+`">no</a> `)
	assert.Contains(t, html, `<a href='mailto:unsubscribe&#43;`+token+`@example.org?subject=unsubscribe'>more</a>`)
	assert.Contains(t, html, `<img src="cid:`+m.contentID("a b.png")+`"><img src="cid:a b.png2">`)
	assert.Contains(t, body, "Content-ID: <"+m.contentID("a b.png")+">")
}

// decoded is the text of the part of a type.
func decoded(t testing.TB, message []byte, mediaType string) string {
	t.Helper()
	for p := range mime.ParseBytes(message, nil).Leaves() {
		if p.ContentType().MediaType() == mediaType {
			r, ok := p.Text(bytes.NewReader(message))
			require.True(t, ok)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			return string(text)
		}
	}
	t.Fatalf("no part is %s", mediaType)
	return ""
}

// HTML alone has a text made of it.
func TestComposeHTML(t *testing.T) {
	m, r := makeComposer(t, "Subject: x\n-- html --\n<p>Dear {{.n}}, <a href=\"https://example.org/\">read</a>\n", []string{"n"}, []string{"<Joe>"})
	msg, _, err := m.compose(r)
	require.NoError(t, err)
	assert.Equal(t, "Dear <Joe>, read <https://example.org/>", strings.TrimSpace(msg.Text))
	assert.Equal(t, "<p>Dear &lt;Joe&gt;, <a href=\"https://example.org/\">read</a>\n", msg.HTML)
}

// What a message would be wrong with is found before anything is sent.
func TestComposeWrong(t *testing.T) {
	for _, tt := range []struct{ field, want string }{
		{"To: {{.v}} <{{.v}}>", `To: "other@example.com" is not the recipient's address`},
		{"Reply-To: {{.v}} {{.v}}", "Reply-To: smtp: "},
		{"From: Joe <joe>", `From: "joe" has no domain`},
		{"X-Info: {{.w}}", `X-Info: news.txt:2:2: executing "news.txt" at <.w>: map has no entry for key "w"`},
		{"Feedback-ID: {{.v}}\t\x00", "mime: "},
	} {
		m, r := makeComposer(t, "Subject: x\n"+tt.field+"\n\nx\n", []string{"v"}, []string{"other@example.com"})
		assert.ErrorContains(t, m.check(r), tt.want)
	}
	m, r := makeComposer(t, "Subject: x\nTo: Joe <{{.Recipient}}>\n\nx\n", nil, nil)
	assert.NoError(t, m.check(r))
}

func TestParseLetter(t *testing.T) {
	for _, tt := range []struct{ source, want string }{
		{"", "t: no Subject; a template begins with header fields and a blank line"},
		{"Hello,\nyou\n", `t:1: expected a header field such as "Subject: News", or a blank line before the text`},
		{"Subject: x\n\n", "t: no text"},
		{"Subject: x\nsubject: y\n\nx", "t:2: a second subject"},
		{"Subject: x\nBcc: a@b\n\nx", "t:2: Bcc is not for templates"},
		{"Subject: x\nMessage-ID: <a@b>\n\nx", "t:2: Message-ID is not for templates"},
		{"Subject: x\nTo: a@b>\n\nx", "t:2: To: expected a name and an address in angle brackets"},
		{"Subject: {{.x\n\nx", "t:1: unclosed action"},
		{"Subject: x\n\nx\n-- html --\na\n-- html --\n", "t:6: a second part -- html --"},
		{"Subject: x\n\nDear\n{{if}}\n", "t:4: missing value for if"},
		{"Subject: x\n-- html --\n\n{{if}}\n", "t:4: missing value for if"},
	} {
		_, err := parseLetter("t", tt.source)
		assert.EqualError(t, err, tt.want, "%q", tt.source)
	}
	// Text and HTML in either order, and CRLF.
	l, err := parseLetter("t", "\uFEFFSubject: x\r\n\r\n-- html --\r\n<b>\r\n-- text --\r\nhi\r\n")
	require.NoError(t, err)
	require.NotNil(t, l.html)
	require.NotNil(t, l.text)
}

// Whatever a column holds, the message is refused or has the fields it had.
func TestInjection(t *testing.T) {
	for _, value := range []string{
		"x\r\nBcc: victim@example.com", "x\nX-Injected: 1", "x\rX-Injected: 1", "x\r\n\r\nbody", "x\x00", "a, b@c.example", "x <y@z.example>, q",
		"\"", `\`, "=?utf-8?q?x=0D=0ABcc:_y?=", "\u2028Bcc: x", "<>", "a:b;", "--=_b", "x\r\n.\r\nMAIL FROM:<>", strings.Repeat("long ", 1000), "\xff",
	} {
		checkInjection(t, value)
	}
}

func FuzzCompose(f *testing.F) {
	for _, s := range []string{"Joe", "x\r\nBcc: y@z", "\"Eve\" <a@b>,", "=?utf-8?b?DQo=?=", "{{.name}}", "é\x00", "-- html --", "</p><script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) { checkInjection(t, value) })
}

func checkInjection(t testing.TB, value string) {
	t.Helper()
	const template = "Subject: {{.v}}\nTo: {{.v}}\nFrom: {{.v}} <news@example.org>\nX-Info: {{.v}}\nList-Help: <https://example.org/>\n\nHello {{.v}}\n-- html --\n<p title=\"{{.v}}\">{{.v}}\n"
	m, r := makeComposer(t, template, []string{"v"}, []string{value})
	text, sender, err := m.render(r)
	if err != nil {
		return
	}
	root := mime.ParseBytes(text, nil)
	count := map[string]int{}
	for f := range root.Header.Fields() {
		count[strings.ToLower(f.Name())]++
	}
	want := map[string]int{"date": 1, "from": 1, "reply-to": 1, "to": 1, "subject": 1, "message-id": 1, "list-help": 1, "list-id": 1,
		"list-unsubscribe": 1, "list-unsubscribe-post": 1, "mime-version": 1, "content-type": 1, "x-info": 1}
	if strings.TrimSpace(value) == "" {
		delete(want, "x-info")
		delete(want, "subject")
		delete(count, "subject")
	}
	require.Equal(t, want, count, "%q", value)
	to := root.Header.Addresses("To")
	require.Len(t, to, 1, "%q", value)
	require.Equal(t, "Joe@Example.net", to[0].Addr())
	from := root.Header.Addresses("From")
	require.Len(t, from, 1, "%q", value)
	require.Equal(t, "news@example.org", from[0].Addr())
	require.Len(t, root.Children, 2, "%q", value)
	require.True(t, strings.HasPrefix(sender, "bounces+"), sender)
	require.NotContains(t, sender, "\n")
}
