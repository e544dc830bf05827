package mime

// The corpus of real messages against what other libraries read in them. Every difference stands in a table with its reason, and
// a row that no difference needs any more fails.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A difference that is meant: in which files ("*" for all), of what, and why.
type deliberate struct{ file, what, reason string }

// differences collects what differs from another library, and holds it to a table.
type differences struct {
	rows []deliberate
	hit  []bool
	file string
}

func newDifferences(rows []deliberate) *differences {
	return &differences{rows: rows, hit: make([]bool, len(rows))}
}

func (d *differences) report(t *testing.T, what string, want, got any) {
	t.Helper()
	known := false
	for i, r := range d.rows {
		if (r.file == "*" || strings.TrimSuffix(d.file, " (crlf)") == r.file) && r.what == what {
			d.hit[i] = true
			known = true
		}
	}
	if !known {
		assert.Fail(t, "differs", "%s: %s: want %.300q, got %.300q", d.file, what, fmt.Sprint(want), fmt.Sprint(got))
	}
}

func (d *differences) equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if !assert.ObjectsAreEqual(want, got) {
		d.report(t, what, want, got)
	}
}

func (d *differences) stale(t *testing.T) {
	t.Helper()
	for i, r := range d.rows {
		assert.True(t, d.hit[i], "no message differs in this any more: %+v", r)
		assert.NotEmpty(t, r.reason)
	}
}

// What mailparser (Stalwart) says of a message.
type stalwartMessage struct {
	Parts []stalwartPart `json:"parts"`
}

type stalwartPart struct {
	Headers []struct {
		Name  any             `json:"name"`
		Value json.RawMessage `json:"value"`
		Field int64           `json:"offset_field"`
		Start int64           `json:"offset_start"`
		End   int64           `json:"offset_end"`
	} `json:"headers"`
	Body         json.RawMessage `json:"body"`
	OffsetHeader int64           `json:"offset_header"`
	OffsetBody   int64           `json:"offset_body"`
	OffsetEnd    int64           `json:"offset_end"`
}

// variant is a Rust enum's value: {"Name": value}, or "Name".
func variant(t *testing.T, raw json.RawMessage) (name string, v json.RawMessage) {
	if raw[0] == '"' {
		require.NoError(t, json.Unmarshal(raw, &name))
		return name, nil
	}
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &m))
	for name, v = range m {
	}
	return name, v
}

var stalwartDeliberate = []deliberate{
	{"malformed/000.eml", "parts", "a delimiter right behind a header ends it, and its part is not lost"},
	{"malformed/001.eml", "parts", "a delimiter is a whole line: --ab is none of the boundary a; the last --a is one part, not two"},
	{"malformed/004.eml", "parts", "a delimiter is a whole line: --ab and --ac are none of the boundary a"},
	{"malformed/007.eml", "children", "a delimiter right behind a header is found, not read as a field"},
	{"malformed/007.eml", "offset_header", "as above"},
	{"malformed/007.eml", "offset_body", "as above"},
	{"malformed/007.eml", "offset_end", "as above"},
	{"malformed/007.eml", "headers", "as above"},
	{"malformed/007.eml", "text", "as above"},
	{"malformed/008.eml", "children", "a delimiter of the outer multipart ends the inner one, which is not closed"},
	{"malformed/008.eml", "offset_end", "as above"},
	{"malformed/008.eml", "offset_header", "as above"},
	{"malformed/009.eml", "parts", "a delimiter of the outer multipart ends the inner one, which is not closed"},
	{"malformed/011.eml", "parts", "as 009"},
	{"malformed/012.eml", "parts", "as 009"},
	{"malformed/013.eml", "parts", "a delimiter at the end of the message begins an empty part"},
	{"malformed/014.eml", "parts", "a delimiter at the end of the message begins an empty part"},
	{"malformed/016.eml", "parts", "a delimiter of an outer multipart ends all inner ones"},
	{"malformed/017.eml", "empty content-disposition", "text without a disposition type is not thrown away"},
	{"malformed/019.eml", "offset_body", "a line without a colon behind a part's header ends it, and is text"},
	{"malformed/019.eml", "offset_end", "as above; and a delimiter's line ending does not count in the body before it"},
	{"malformed/019.eml", "text", "a line without a colon behind a part's header ends it, and is text"},
	{"malformed/020.eml", "parts", "of two Content-Type fields the first one counts"},
	{"malformed/021.eml", "parts", "of two Content-Type fields the first one counts"},
	{"malformed/022.eml", "offset_end", "what is behind a close delimiter belongs to the multipart, and octets are counted as they stand"},
	{"rfc/000.eml", "text", "words that say base64 are decoded as base64 all the same"},
	{"rfc/000.eml", "addresses", "a comment alone is no address"},
	{"rfc/001.eml", "addresses", "one word is a mailbox without a host, not a name"},
	{"rfc/001.eml", "empty date", "text that is no date is not thrown away"},
	{"rfc/002.eml", "received id", "a line ending is no part of a value"},
	{"rfc/002.eml", "received date", "the hour l8, with a letter, is read as 8; the other reading has 232 seconds"},
	{"rfc/002.eml", "addresses", "a comment behind a name is no part of it"},
	{"rfc/004.eml", "addresses", "one word is a mailbox without a host, not a name"},
	{"rfc/008.eml", "message", "a message in base64 stays a leaf: RFC 2045 section 6.4 forbids the encoding, and offsets are those of the octets received"},
	{"thirdparty/002.eml", "text", "base64 with junk: padding ends a group and octets outside the alphabet are passed over"},
	{"thirdparty/005.eml", "offset_end", "a delimiter stands at a line's start alone"},
	{"thirdparty/005.eml", "text", "as above"},
	{"thirdparty/010.eml", "parameter comment", "a comment is no parameter"},
	{"*", "text of user-agent", "folding is undone in every text"},
	{"thirdparty/014.eml", "text of x-ymail-osg", "folding is undone in every text"},
	{"thirdparty/014.eml", "received from", "a line ending is no part of a value"},
	{"thirdparty/014.eml", "received id", "a line ending is no part of a value"},
	{"thirdparty/015.eml", "parts", "a delimiter behind a header ends it, so that attached messages which were cut short do not swallow those behind them"},
}

func TestCorpusMailparser(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "mailparser")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.eml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 50)
	d := newDifferences(stalwartDeliberate)
	lf := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		name := filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator)))
		for _, v := range []struct {
			suffix, json string
			conv         func([]byte) []byte
		}{
			{"", ".json", lf},
			{" (crlf)", ".crlf.json", func(b []byte) []byte { return bytes.ReplaceAll(lf(b), []byte("\n"), []byte("\r\n")) }},
		} {
			j, err := os.ReadFile(strings.TrimSuffix(file, ".eml") + v.json)
			require.NoError(t, err)
			var want stalwartMessage
			require.NoError(t, json.Unmarshal(j, &want))
			d.file = name + v.suffix
			m := v.conv(b)
			compareStalwart(t, d, want, ParseBytes(m, nil), m)
		}
	}
	d.stale(t)
}

// flat lists the parts of one message, itself first, without those of embedded messages.
func flat(p *Part) []*Part {
	l := []*Part{p}
	for _, c := range p.Children {
		l = append(l, flat(c)...)
	}
	return l
}

func compareStalwart(t *testing.T, d *differences, want stalwartMessage, root *Part, m []byte) {
	l := flat(root)
	if len(l) != len(want.Parts) {
		d.report(t, "parts", len(want.Parts), len(l))
		return
	}
	for i, w := range want.Parts {
		p := l[i]
		d.equal(t, "offset_header", w.OffsetHeader, p.Start)
		d.equal(t, "offset_body", w.OffsetBody, p.BodyStart)
		d.equal(t, "offset_end", w.OffsetEnd, p.End)
		var fields []Field
		var offsets []int64
		off := p.Start
		for f := range p.Header.Fields() {
			if f.Name() != "" {
				fields = append(fields, f)
				offsets = append(offsets, off)
			}
			off += int64(len(f.Raw()))
		}
		if len(fields) != len(w.Headers) {
			d.report(t, "headers", len(w.Headers), len(fields))
		} else {
			for i, h := range w.Headers {
				f := fields[i]
				d.equal(t, "offset_field", h.Field, offsets[i])
				d.equal(t, "offset_start", h.Start, offsets[i]+int64(bytes.IndexByte(f.Raw(), ':')+1))
				d.equal(t, "offset_end of a field", h.End, offsets[i]+int64(len(f.Raw())))
				compareStalwartValue(t, d, f, h.Value)
			}
		}
		kind, v := variant(t, w.Body)
		switch kind {
		case "Text", "Html":
			var s string
			require.NoError(t, json.Unmarshal(v, &s))
			r, _ := p.Text(bytes.NewReader(m))
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			d.equal(t, "text", s, string(got))
		case "Binary", "InlineBinary":
			var s []int
			require.NoError(t, json.Unmarshal(v, &s))
			b := make([]byte, len(s))
			for i := range s {
				b[i] = byte(s[i])
			}
			got, err := io.ReadAll(p.Open(bytes.NewReader(m)))
			require.NoError(t, err)
			d.equal(t, "octets", string(b), string(got))
		case "Message":
			if p.Message == nil {
				d.report(t, "message", "a message", "a leaf")
				continue
			}
			var sub stalwartMessage
			require.NoError(t, json.Unmarshal(v, &sub))
			compareStalwart(t, d, sub, p.Message, m)
		case "Multipart":
			var s []int
			require.NoError(t, json.Unmarshal(v, &s))
			d.equal(t, "children", len(s), len(p.Children))
		default:
			require.Fail(t, "unknown body", kind)
		}
	}
}

func compareStalwartValue(t *testing.T, d *differences, f Field, raw json.RawMessage) {
	kind, v := variant(t, raw)
	get := func(dst any) { require.NoError(t, json.Unmarshal(v, dst), "%s", v) }
	switch kind {
	case "Empty":
		d.equal(t, "empty "+strings.ToLower(f.Name()), "", f.Text())
	case "Text":
		var s string
		get(&s)
		switch got := f.Text(); {
		case f.Is("Content-ID") || f.Is("Message-ID") || f.Is("Return-Path") || f.Is("In-Reply-To"):
			d.equal(t, "identifier", []string{s}, f.MessageIDs())
		default:
			d.equal(t, "text of "+strings.ToLower(f.Name()), s, got)
		}
	case "TextList":
		var s []string
		get(&s)
		d.equal(t, "list of "+strings.ToLower(f.Name()), s, f.MessageIDs())
	case "Address":
		var a struct {
			List []struct{ Name, Address *string }
		}
		get(&a)
		var want, got []string
		for _, x := range a.List {
			s := ""
			if x.Name != nil {
				s = *x.Name
			}
			s += " <"
			if x.Address != nil {
				s += *x.Address
			}
			want = append(want, s+">")
		}
		uris, _ := ParseListURIs(string(f.Value()))
		switch name := strings.ToLower(f.Name()); {
		case name == "list-id":
			id := ParseListID(string(f.Value()))
			d.equal(t, "list", want, []string{id.Name + " <" + id.ID + ">"})
			return
		case strings.HasPrefix(name, "list-"):
			for _, u := range uris {
				got = append(got, " <"+u.URI+">")
			}
			d.equal(t, "list", want, got)
			return
		}
		for _, x := range f.Addresses() {
			got = append(got, x.DisplayName()+" <"+x.Addr()+">")
		}
		d.equal(t, "addresses", want, got)
	case "DateTime":
		d.equal(t, "date", stalwartDate(t, v), dateText(f))
	case "ContentType":
		var c struct {
			Type    string                         `json:"c_type"`
			Subtype *string                        `json:"c_subtype"`
			Attrs   []struct{ Name, Value string } `json:"attributes"`
		}
		get(&c)
		want := c.Type
		if c.Subtype != nil {
			want += "/" + *c.Subtype
		}
		got := ""
		var params Params
		if f.Is("Content-Disposition") {
			x, _ := ParseDisposition(string(f.Value()))
			got, params = strings.ToLower(x.Type), x.Params
		} else {
			x, _ := ParseContentType(string(f.Value()))
			got, params = x.MediaType(), x.Params
		}
		d.equal(t, "type", want, got)
		for _, a := range c.Attrs {
			v, _ := params.Get(a.Name)
			d.equal(t, "parameter "+a.Name, a.Value, v)
		}
	case "Received":
		var w struct {
			From, By map[string]string
			FromIP   *string `json:"from_ip"`
			For      *string `json:"for_"`
			ID       *string
			TLS      *string `json:"tls_version"`
			Cipher   *string `json:"tls_cipher"`
			Date     json.RawMessage
		}
		get(&w)
		r := f.Received()
		str := func(p *string) string {
			if p == nil {
				return ""
			}
			return *p
		}
		host := func(m map[string]string) string {
			for _, v := range m {
				return v
			}
			return ""
		}
		d.equal(t, "received from", host(w.From), strings.Trim(strings.TrimPrefix(r.From.Domain, "[IPv6:"), "[]"))
		d.equal(t, "received by", host(w.By), strings.Trim(r.By.Domain, "[]"))
		if w.FromIP != nil {
			d.equal(t, "received address", str(w.FromIP), r.From.Addr.String())
		}
		d.equal(t, "received for", str(w.For), r.For)
		d.equal(t, "received id", str(w.ID), r.ID)
		d.equal(t, "received cipher", str(w.Cipher), r.TLS.Cipher)
		if string(w.Date) != "null" {
			d.equal(t, "received date", stalwartDate(t, w.Date), dateOf(r.Date.Format("2006-01-02T15:04:05-07:00")))
		}
	default:
		require.Fail(t, "unknown value", kind)
	}
}

func dateOf(s string) string { return strings.Replace(s, "-00:00", "+00:00", 1) }

func dateText(f Field) string {
	d, err := f.Date()
	if err != nil {
		return err.Error()
	}
	return dateOf(d.Format("2006-01-02T15:04:05-07:00"))
}

func stalwartDate(t *testing.T, v json.RawMessage) string {
	var w struct {
		Year, Month, Day, Hour, Minute, Second int
		Before                                 bool `json:"tz_before_gmt"`
		TZHour                                 int  `json:"tz_hour"`
		TZMinute                               int  `json:"tz_minute"`
	}
	require.NoError(t, json.Unmarshal(v, &w))
	sign := '+'
	if w.Before && w.TZHour+w.TZMinute > 0 {
		sign = '-'
	}
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", w.Year, w.Month, w.Day, w.Hour, w.Minute, w.Second, sign, w.TZHour, w.TZMinute)
}

// What MimeKit says of a message in an mbox file, offsets counted in the file.
type kitMessage struct {
	Begin      int64   `json:"beginOffset"`
	HeadersEnd int64   `json:"headersEndOffset"`
	End        int64   `json:"endOffset"`
	Body       kitPart `json:"body"`
}

type kitPart struct {
	Type       string      `json:"mimeType"`
	Begin      int64       `json:"beginOffset"`
	HeadersEnd int64       `json:"headersEndOffset"`
	End        int64       `json:"endOffset"`
	Octets     int64       `json:"octets"`
	Lines      int64       `json:"lines"`
	Children   []kitPart   `json:"children"`
	Message    *kitMessage `json:"message"`
}

var kitDeliberate = []deliberate{
	{"content-length#7", "summary", "the last of two at signs parts mailbox and host, and nothing is left out"},
	{"content-length#23", "summary", "the zone cst is CST in any case of its letters"},
	{"issue1189#2", "end of header", "a header ends before a line that is no field, so that an attachment without the blank line is not lost"},
	{"issue1189#2", "octets", "as above"},
	{"issue1189#2", "lines", "as above"},
}

func TestCorpusMimeKit(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "mimekit", "mbox")
	d := newDifferences(kitDeliberate)
	for _, name := range []string{"content-length", "issue1189"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".mbox.txt"))
		require.NoError(t, err)
		lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		summary, err := os.ReadFile(filepath.Join(dir, name+"-summary.txt"))
		require.NoError(t, err)
		want := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(summary), "\r\n", "\n"), "\n"), "\n\nFrom ")
		for _, v := range []string{"unix", "dos"} {
			m := lf
			if v == "dos" {
				m = bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))
			}
			j, err := os.ReadFile(filepath.Join(dir, name+"."+v+"-offsets.json"))
			require.NoError(t, err)
			var l []kitMessage
			require.NoError(t, json.Unmarshal(j, &l))
			require.Len(t, want, len(l))
			for i, k := range l {
				d.file = fmt.Sprintf("%s#%d", name, i+1)
				p := ParseBytes(m[k.Begin:k.End], nil)
				compareKit(t, d, k.Body, p, m[k.Begin:k.End], k.Begin)
				_, w, _ := strings.Cut(want[i], "\n")
				d.equal(t, "summary", strings.TrimSpace(w), kitSummary(p))
			}
		}
	}
	d.stale(t)
}

func compareKit(t *testing.T, d *differences, k kitPart, p *Part, m []byte, base int64) {
	d.equal(t, "type", strings.ToLower(k.Type), p.ContentType().MediaType())
	d.equal(t, "begin", k.Begin, base+p.Start)
	d.equal(t, "end of header", k.HeadersEnd, base+p.BodyStart)
	d.equal(t, "end", k.End, base+p.End)
	d.equal(t, "octets", k.Octets, p.Octets())
	lines := p.Lines
	if p.Octets() > 0 && m[p.End-1] != '\n' {
		lines++ // MimeKit counts a last line without its ending, IMAP servers do not
	}
	d.equal(t, "lines", k.Lines, lines)
	if len(k.Children) != len(p.Children) {
		d.report(t, "children", len(k.Children), len(p.Children))
		return
	}
	for i, c := range k.Children {
		compareKit(t, d, c, p.Children[i], m, base)
	}
	if k.Message != nil {
		if p.Message == nil {
			d.report(t, "message", "a message", "a leaf")
			return
		}
		compareKit(t, d, k.Message.Body, p.Message, m, base)
	}
}

func kitSummary(p *Part) string {
	var b strings.Builder
	list := func(name string) {
		var out []string
		for _, a := range p.Header.Addresses(name) {
			s := a.Addr()
			switch a.Kind {
			case AddressGroupStart:
				out = append(out, a.DisplayName()+": ")
				continue
			case AddressGroupEnd:
				out[len(out)-1] += ";"
				continue
			}
			if n := a.DisplayName(); n != "" {
				s = fmt.Sprintf("\"%s\" <%s>", n, s)
			}
			out = append(out, s)
		}
		if len(out) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(out, ", "))
		}
	}
	list("From")
	list("To")
	if p.Header.Has("Subject") {
		fmt.Fprintf(&b, "Subject: %s\n", p.Header.Text("Subject"))
	}
	date, err := p.Header.Date("Date")
	if err == nil {
		fmt.Fprintf(&b, "Date: %s\n", date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	var tree func(p *Part, indent string)
	tree = func(p *Part, indent string) {
		ct := p.ContentType()
		fmt.Fprintf(&b, "%sContent-Type: %s/%s\n", indent, ct.Type, ct.Subtype)
		for _, c := range p.Children {
			tree(c, indent+"   ")
		}
		if p.Message != nil {
			tree(p.Message, indent+"   ")
		}
	}
	tree(p, "")
	return strings.TrimSpace(b.String())
}

// TestCorpusEnmime: what enmime wrote of a message says what the message said.
func TestCorpusEnmime(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "enmime", "encode")
	for raw, goldens := range map[string][]string{
		"parser-raw-content-html-option.raw": {"parser-raw-content-html-option-false.raw.golden", "parser-raw-content-html-option-true.raw.golden"},
		"parser-raw-content-text-option.raw": {"parser-raw-content-text-option-false.raw.golden", "parser-raw-content-text-option-true.raw.golden"},
	} {
		said := func(name string) []string {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			p := ParseBytes(b, nil)
			out := []string{p.Header.Text("Subject"), kitSummary(p)}
			for l := range p.Leaves() {
				r, _ := l.Text(bytes.NewReader(b))
				s, err := io.ReadAll(r)
				require.NoError(t, err)
				out = append(out, strings.ReplaceAll(strings.TrimSpace(string(s)), "\r\n", "\n"))
			}
			return out
		}
		want := said(raw)
		for _, g := range goldens {
			assert.Equal(t, want, said(g), g)
		}
	}
	n := 0
	for _, pattern := range []string{"low-quality/*.raw", "mail/*.raw", "parts/*.raw", "encode/*.golden"} {
		files, err := filepath.Glob(filepath.Join(dir, "..", filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			p := ParseBytes(b, nil)
			for _, d := range p.Defects {
				require.Less(t, d.Code, DefectLimitDepth, f)
			}
			n++
		}
	}
	require.Greater(t, n, 90)
}

// leafCounts has CPython's email package count the leaves of each file named on its standard input.
const leafCounts = `
import sys, email
for path in sys.stdin.buffer.read().split(b'\0'):
    if path:
        m = email.message_from_bytes(open(path, 'rb').read())
        print(sum(not p.is_multipart() for p in m.walk()))
`

const statusGroups = "CPython makes a message of every group of fields in a message/delivery-status (RFC 3464), which is one leaf here"

var pythonDeliberate = []deliberate{
	{"mailparser/malformed/000.eml", "leaves", "a part whose delimiter stands right behind another one is empty, not gone"},
	{"mailparser/malformed/003.eml", "leaves", "two multiparts within each other have one boundary: the inner one has the parts, as in most readers"},
	{"mailparser/malformed/013.eml", "leaves", "as 003"},
	{"mailparser/malformed/019.eml", "leaves", "CPython ends the header at the blank before a colon, which RFC 5322 section 4.5 has read over"},
	{"mailparser/thirdparty/012.eml", "leaves", "CPython does not unfold a boundary parameter"},
	{"mimekit/mbox/simple.mbox.txt", "leaves", "two multiparts within each other have one boundary"},
	{"mimekit/messages/bounce.txt", "leaves", statusGroups},
	{"mimekit/messages/delivery-status-multiple-blank-lines.txt", "leaves", statusGroups},
	{"mimekit/messages/delivery-status-no-blank-line.txt", "leaves", statusGroups},
	{"mimekit/messages/delivery-status.anonymized.eml", "leaves", statusGroups},
	{"mimekit/messages/delivery-status.txt", "leaves", statusGroups},
	{"mimekit/messages/delivery-status2.txt", "leaves", statusGroups},
	{"mimekit/messages/feedback-report.txt", "leaves", "CPython ends the header at a byte order mark"},
	{"mimekit/messages/issue358.txt", "leaves", "CPython ends the header at a line that is no field, though fields follow it"},
	{"mimekit/partial/message-partial.0.eml", "leaves", "CPython enters message/partial, which is a piece of a message (RFC 2046 section 5.2.2) and a leaf here"},
}

func TestCorpusPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to compare with")
	}
	dir := corpusDir(t)
	var files []string
	var list bytes.Buffer
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(path) != ".json" {
			files = append(files, path)
			list.WriteString(path + "\x00")
		}
		return err
	}))
	require.Greater(t, len(files), 400)
	cmd := exec.Command(python, "-c", leafCounts)
	cmd.Stdin = &list
	out, err := cmd.Output()
	require.NoError(t, err)
	counts := strings.Fields(string(out))
	require.Len(t, counts, len(files))
	d := newDifferences(pythonDeliberate)
	for i, path := range files {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		n := 0
		for range ParseBytes(b, nil).Leaves() {
			n++
		}
		d.file = filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))
		d.equal(t, "leaves", counts[i], fmt.Sprint(n))
	}
	d.stale(t)
}
