package report

// The text of a bounce: its lines, and where the returned message begins in it.

import (
	"html"
	"io"
	"slices"
	"strings"

	"github.com/mailwire/mailwire/mime"
)

// maxLines and maxLine bound the lines of a notice that are looked at, and the octets of each.
const (
	maxLines = 4000
	maxLine  = 4000
)

// A notice is the text of a bounce before the returned message.
type notice struct {
	lines   []string // without blanks around them
	indents []int    // how many blanks stood before each
	// flat is the lines in lower case, runs of blanks made one, with one blank between lines; starts is where in it each line begins.
	flat     string
	starts   []int
	returned []string // the lines behind, with their indentation
}

// findText finds the text that a person is meant to read: the first text/plain, or else the first text/html.
func findText(p *mime.Part, depth int) (plain, htm *mime.Part) {
	ct := p.ContentType()
	if len(p.Children) == 0 && p.Message == nil {
		switch {
		case ct.Is("text", "html"):
			return nil, p
		case ct.Is("text", "rfc822-headers"), ct.Is("text", "rfc822-header"):
		case ct.Is("text", ""), ct.Is("multipart", ""):
			return p, nil
		}
		return nil, nil
	}
	if depth < maxNesting {
		for _, c := range p.Children {
			pl, h := findText(c, depth+1)
			if pl != nil {
				return pl, nil
			}
			if htm == nil {
				htm = h
			}
		}
	}
	return nil, htm
}

func (p *parser) notice() (*notice, error) {
	plain, htm := findText(p.msg, 0)
	part := plain
	if part == nil {
		part = htm
	}
	if part == nil {
		return nil, nil
	}
	t, _ := part.Text(p.src)
	b, err := io.ReadAll(io.LimitReader(t, int64(p.lim.Text)))
	if err != nil {
		return nil, err
	}
	s := string(b)
	if plain == nil {
		s = htmlText(s)
	}
	return newNotice(s), nil
}

func newNotice(s string) *notice {
	n := &notice{}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\u00a0", " ")
	var flat strings.Builder
	blank, cut := true, false
	for line := range strings.SplitSeq(s, "\n") {
		if len(n.lines)+len(n.returned) == maxLines {
			break
		}
		line = strings.TrimRight(line[:min(len(line), maxLine)], "\r \t")
		trimmed := strings.TrimLeft(line, " \t")
		low := strings.ToLower(trimmed)
		if cut = cut || beginsReturned(low, blank); cut {
			n.returned = append(n.returned, line)
			continue
		}
		blank = trimmed == ""
		n.lines = append(n.lines, trimmed)
		n.indents = append(n.indents, len(line)-len(trimmed))
		if !blank && flat.Len() > 0 {
			flat.WriteByte(' ')
		}
		n.starts = append(n.starts, flat.Len())
		flat.WriteString(oneLine(low))
	}
	n.flat = flat.String()
	return n
}

// returnedMarks is what stands in the line before the returned message.
var returnedMarks = []string{
	"below this line is a copy of the message", "this is a copy of the message", "this is a copy of your message",
	"original message follows", "unsent message follows", "message header follows",
	"message headers follow", "returned message follows", "undelivered message follows", "header of the original message",
	"headers of the original message",
	"original message -----", "original message-----", "original message headers:", "original message header:",
	"copy of the original message below", "original message details", "body of message generated response",
	"заголовки исходного сообщения", "исходное сообщение", "ursprüngliche nachrichtenköpfe", "en-têtes de message d'origine",
	"encabezados de mensajes originales", "the original message headers", "start of returned message",
}

// beginsReturned tells whether a line, in lower case, begins the returned message; blank is whether a blank line precedes it.
func beginsReturned(low string, blank bool) bool {
	if len(low) < 200 && containsAny(low, returnedMarks) {
		return true
	}
	return blank && (strings.HasPrefix(low, "received: from ") || strings.HasPrefix(low, "return-path: <"))
}

// header finds the returned message's header in the text.
func (n *notice) header() mime.Header {
	for i, l := range n.returned {
		name, _, ok := strings.Cut(l, ":")
		if ok && isAtom(name) && len(name) < 60 && len(l) > len(name)+1 && (l[len(name)+1] == ' ' || l[len(name)+1] == '\t') {
			return mime.ParseHeader([]byte(strings.Join(n.returned[i:], "\n") + "\n"))
		}
	}
	return mime.Header{}
}

// messageID finds a Message-ID line anywhere in the text.
func (n *notice) messageID() string {
	for _, l := range [][]string{n.returned, n.lines} {
		for _, s := range l {
			s = strings.TrimLeft(s, " \t>|*")
			for _, p := range []string{"message-id:", "message id:", "original-message-id:", "message-id ="} {
				if len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
					if ids := mime.ParseMessageIDs(s[len(p):]); len(ids) > 0 && strings.IndexByte(ids[0], '@') > 0 {
						return ids[0]
					}
				}
			}
		}
	}
	return ""
}

// lineAt is the line in which the octet i of flat stands.
func (n *notice) lineAt(i int) int {
	k, found := slices.BinarySearch(n.starts, i)
	if !found {
		return k - 1
	}
	// Blank lines begin where the next one does, or the one before ends.
	for k+1 < len(n.starts) && n.starts[k+1] == i {
		k++
	}
	return k
}

// blockTags begin a new line, or a new paragraph.
var blockTags = map[string]string{
	"br": "\n", "p": "\n\n", "/p": "\n\n", "div": "\n", "/div": "\n", "tr": "\n", "/tr": "\n", "/td": " ", "li": "\n",
	"/li": "\n", "table": "\n\n", "/table": "\n\n",
	"h1": "\n\n", "h2": "\n\n", "h3": "\n\n", "/h1": "\n\n", "/h2": "\n\n", "/h3": "\n\n", "hr": "\n\n", "ul": "\n", "/ul": "\n",
	"pre": "\n\n", "/pre": "\n\n", "blockquote": "\n\n",
}

var noBreaks = strings.NewReplacer("\r", " ", "\n", " ")

// htmlText is the text of HTML, roughly: enough to read a notice.
func htmlText(s string) string {
	var b strings.Builder
	skip := "" // the element whose content is no text
	for len(s) > 0 {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			i = len(s)
		}
		if skip == "" {
			_, _ = noBreaks.WriteString(&b, s[:i])
		}
		s = s[i:]
		if s == "" {
			break
		}
		if strings.HasPrefix(s, "<!--") {
			end := strings.Index(s, "-->")
			if end < 0 {
				break
			}
			s = s[end+3:]
			continue
		}
		end := strings.IndexByte(s, '>')
		if end < 0 {
			break
		}
		tag := strings.ToLower(s[1:end])
		s = s[end+1:]
		if i := strings.IndexAny(tag, " \t\r\n"); i >= 0 {
			tag = tag[:i]
		}
		tag = strings.TrimSuffix(tag, "/")
		switch {
		case skip != "":
			if tag == "/"+skip {
				skip = ""
			}
		case tag == "style" || tag == "script" || tag == "head" || tag == "title":
			skip = tag
		default:
			b.WriteString(blockTags[tag])
		}
	}
	return html.UnescapeString(b.String())
}
