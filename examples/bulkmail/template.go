package main

// The template, and the message that it makes of a recipient.

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"regexp"
	"strings"
	"text/template"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
)

// What templates have beside the list's columns.
var reservedNames = []string{"Recipient", "Campaign", "UnsubscribeURL", "UnsubscribeMail"}

// letter is a template that was read.
type letter struct {
	fields  []headerTemplate
	text    *template.Template
	html    *htmltemplate.Template
	attach  []file
	inline  []file
	subject bool
}

// headerTemplate is a field of the header. Of addresses, name and address are
// templates of their own: no column can make one address two.
type headerTemplate struct {
	name string
	line int
	text *template.Template
	addr *template.Template // of From, Reply-To and To; nil without angle brackets
}

// file goes with each message.
type file struct {
	name    string
	content io.ReaderAt
	size    int64
}

func (f *file) attachment() mime.Attachment {
	return mime.Attachment{Name: f.name, Content: io.NewSectionReader(f.content, 0, f.size)}
}

// ownFields are written by the program, from the configuration.
var ownFields = []string{"bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date", "list-id",
	"list-unsubscribe", "list-unsubscribe-post", "message-id", "mime-version", "received", "resent-bcc", "return-path", "sender"}

// structuredFields have values that are written as they stand.
var structuredFields = []string{"auto-submitted", "content-language", "feedback-id", "importance", "list-archive", "list-help", "list-owner",
	"list-post", "precedence", "priority", "x-auto-response-suppress", "x-priority"}

const (
	textMark = "-- text --"
	htmlMark = "-- html --"
)

// parseLetter reads a template: fields, a blank line, text, and behind a line
// "-- html --" the same in HTML.
func parseLetter(name, source string) (*letter, error) {
	source = strings.TrimPrefix(strings.ReplaceAll(source, "\r\n", "\n"), "\uFEFF")
	t := &letter{}
	lines := strings.SplitAfter(source, "\n")
	n := 0
	for n < len(lines) {
		line := strings.TrimSuffix(lines[n], "\n")
		if mark := strings.TrimSpace(line); mark == textMark || mark == htmlMark {
			break
		}
		n++
		if strings.TrimSpace(line) == "" {
			break
		}
		at := n
		for n < len(lines) && lines[n] != "" && (lines[n][0] == ' ' || lines[n][0] == '\t') && strings.TrimSpace(lines[n]) != "" {
			line += " " + strings.TrimSpace(lines[n])
			n++
		}
		if err := t.field(name, line, at); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, at, err)
		}
	}
	if !t.subject {
		return nil, fmt.Errorf("%s: no Subject; a template begins with header fields and a blank line", name)
	}
	// Empty lines before a part keep the line numbers in errors right.
	var text, html strings.Builder
	part := &text
	hasText, hasHTML := false, false
	pad := strings.Repeat("\n", n)
	text.WriteString(pad)
	for i, line := range lines[n:] {
		switch strings.TrimSpace(line) {
		case textMark, htmlMark:
			again := &hasText
			part = &text
			if strings.TrimSpace(line) == htmlMark {
				part, again = &html, &hasHTML
			}
			if *again {
				return nil, fmt.Errorf("%s:%d: a second part %s", name, n+i+1, strings.TrimSpace(line))
			}
			*again = true
			part.Reset()
			part.WriteString(strings.Repeat("\n", n+i+1))
		default:
			part.WriteString(line)
			if part == &text && strings.TrimSpace(line) != "" {
				hasText = true
			}
		}
	}
	var err error
	if hasText {
		if t.text, err = template.New(name).Option("missingkey=error").Parse(text.String()); err != nil {
			return nil, templateError(err)
		}
	}
	if hasHTML {
		if t.html, err = htmltemplate.New(name).Option("missingkey=error").Parse(html.String()); err != nil {
			return nil, templateError(err)
		}
	}
	if !hasText && !hasHTML {
		return nil, fmt.Errorf("%s: no text", name)
	}
	return t, nil
}

func templateError(err error) error {
	return errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), "html/template:"))
}

func (t *letter) field(file, line string, at int) (err error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t{}") {
		return errors.New(`expected a header field such as "Subject: News", or a blank line before the text`)
	}
	value = strings.TrimSpace(value)
	lower := strings.ToLower(name)
	if has(ownFields, lower) {
		return fmt.Errorf("%s is not for templates", name)
	}
	for _, f := range t.fields {
		if strings.EqualFold(f.name, name) && (lower == "subject" || isAddressField(lower)) {
			return fmt.Errorf("a second %s", name)
		}
	}
	if lower == "subject" {
		t.subject = true
	}
	h := headerTemplate{name: name, line: at}
	if isAddressField(lower) && strings.HasSuffix(value, ">") {
		i := strings.LastIndexByte(value, '<')
		if i < 0 {
			return fmt.Errorf("%s: expected a name and an address in angle brackets", name)
		}
		if h.addr, err = parseField(file, at, value[i+1:len(value)-1]); err != nil {
			return err
		}
		value = strings.TrimSpace(value[:i])
	}
	if isAddressField(lower) && len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	if h.text, err = parseField(file, at, value); err != nil {
		return err
	}
	t.fields = append(t.fields, h)
	return nil
}

func isAddressField(lower string) bool {
	return lower == "from" || lower == "reply-to" || lower == "to"
}

func parseField(file string, at int, text string) (*template.Template, error) {
	// Behind empty lines the line numbers in errors are right.
	t, err := template.New(file).Option("missingkey=error").Parse(strings.Repeat("\n", at-1) + text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("template: %s:%d: ", file, at)))
	}
	return t, nil
}

// composer makes messages.
type composer struct {
	config   *config
	secret   secret
	campaign string
	list     *list
	letter   *letter
	cids     *strings.Replacer
}

func newComposer(c *config, s secret, campaign string, l *list, t *letter) (*composer, error) {
	m := &composer{config: c, secret: s, campaign: campaign, list: l, letter: t}
	var pairs []string
	for _, f := range t.inline {
		// A Content-ID has two sides, and a name may hold anything.
		for _, quote := range []string{`"`, `'`, `)`, ` `, `>`} {
			pairs = append(pairs, "cid:"+htmltemplate.HTMLEscapeString(f.name)+quote, "cid:"+m.contentID(f.name)+quote)
		}
	}
	m.cids = strings.NewReplacer(pairs...)
	return m, nil
}

func (m *composer) contentID(name string) string {
	return m.secret.token("content", m.campaign, name) + m.config.from.addr[strings.LastIndexByte(m.config.from.addr, '@'):]
}

// compose makes the message for a recipient, and its envelope's sender.
func (m *composer) compose(r *recipient) (*mime.Message, string, error) {
	addr := r.path.String()
	data := m.list.data(r)
	web, mail := m.config.unsubscribe(m.secret, m.campaign, addr, r.key)
	data["Recipient"], data["Campaign"] = addr, m.campaign
	data["UnsubscribeURL"], data["UnsubscribeMail"] = web, mail
	c := m.config
	msg := &mime.Message{
		From:      []mime.Address{c.from.address()},
		To:        []mime.Address{mime.NewAddress("", addr)},
		MessageID: c.messageID(m.secret, m.campaign, r.key),
		Rand:      bytes.NewReader(m.secret.sum(useBoundary, m.campaign, r.key)),
	}
	if c.replyTo.addr != "" {
		msg.ReplyTo = []mime.Address{c.replyTo.address()}
	}
	for _, f := range m.letter.fields {
		if err := m.field(msg, &f, data, r); err != nil {
			return nil, "", fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if c.listID != "" {
		msg.Extra = append(msg.Extra, mime.StructuredField("List-ID", c.listID))
	}
	var uris []string
	for _, u := range []string{web, mail} {
		if u != "" {
			uris = append(uris, "<"+u+">")
		}
	}
	if len(uris) > 0 {
		msg.Extra = append(msg.Extra, mime.StructuredField("List-Unsubscribe", strings.Join(uris, ", ")))
	}
	if web != "" {
		msg.Extra = append(msg.Extra, mime.StructuredField("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
	}
	if err := m.bodies(msg, data); err != nil {
		return nil, "", err
	}
	for _, f := range m.letter.attach {
		msg.Attachments = append(msg.Attachments, f.attachment())
	}
	msg.UTF8 = msg.NeedsUTF8()
	return msg, c.sender(m.secret, addr, r.key), nil
}

func (m *composer) field(msg *mime.Message, f *headerTemplate, data map[string]string, r *recipient) error {
	value, err := execute(f.text, data)
	if err != nil {
		return err
	}
	lower := strings.ToLower(f.name)
	if !isAddressField(lower) {
		switch {
		case lower == "subject":
			msg.Subject = value
		case value == "":
		case has(structuredFields, lower):
			msg.Extra = append(msg.Extra, mime.StructuredField(f.name, value))
		default:
			msg.Extra = append(msg.Extra, mime.TextField(f.name, value))
		}
		return nil
	}
	addr := ""
	if f.addr != nil {
		if addr, err = execute(f.addr, data); err != nil {
			return err
		}
	} else if lower != "to" {
		value, addr = "", value
	}
	if lower == "to" {
		if addr != "" {
			if _, key, err := parseRecipient(addr); err != nil || key != r.key {
				return fmt.Errorf("%q is not the recipient's address", addr)
			}
		}
		msg.To[0] = mime.NewAddress(value, r.path.String())
		return nil
	}
	p, err := smtp.ParsePath(addr)
	if err != nil {
		return err
	}
	if p.Domain == "" {
		return fmt.Errorf("%q has no domain", addr)
	}
	list := []mime.Address{mime.NewAddress(value, p.String())}
	if lower == "from" {
		msg.From = list
	} else {
		msg.ReplyTo = list
	}
	return nil
}

func execute(t *template.Template, data map[string]string) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", executeError(err)
	}
	return strings.TrimSpace(b.String()), nil
}

var executePrefix = regexp.MustCompile(`^template: `)

func executeError(err error) error {
	return errors.New(executePrefix.ReplaceAllString(err.Error(), ""))
}

func (m *composer) bodies(msg *mime.Message, data map[string]string) error {
	var b strings.Builder
	if t := m.letter.text; t != nil {
		if err := t.Execute(&b, data); err != nil {
			return executeError(err)
		}
		msg.Text = strings.TrimLeft(b.String(), "\n")
	}
	if t := m.letter.html; t != nil {
		b.Reset()
		if err := t.Execute(&b, data); err != nil {
			return executeError(err)
		}
		html := strings.TrimLeft(b.String(), "\n")
		if msg.Text == "" {
			msg.Text = mime.HTMLText(html, &mime.HTMLOptions{Links: true, NoImages: true})
		}
		msg.HTML = m.cids.Replace(html)
		for _, f := range m.letter.inline {
			a := f.attachment()
			a.ContentID = m.contentID(f.name)
			msg.Inline = append(msg.Inline, a)
		}
	}
	return nil
}

// render writes the message as it is sent.
func (m *composer) render(r *recipient) (message []byte, sender string, err error) {
	msg, sender, err := m.compose(r)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, "", err
	}
	return b.Bytes(), sender, nil
}

// check finds what render would fail with, without the files' content.
func (m *composer) check(r *recipient) error {
	msg, sender, err := m.compose(r)
	if err != nil {
		return err
	}
	if _, err = msg.Reader(); err != nil {
		return err
	}
	_, err = smtp.NewEnvelope(sender, r.path.String())
	return err
}
