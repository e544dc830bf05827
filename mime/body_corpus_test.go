package mime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// jsonBody is {"Text": "..."} and the like, or a string.
type jsonBody map[string]json.RawMessage

func (b *jsonBody) UnmarshalJSON(j []byte) error {
	m := map[string]json.RawMessage{}
	if json.Unmarshal(j, &m) == nil {
		*b = m
	}
	return nil
}

type expectedBody struct {
	HTML        []int `json:"html_body"`
	Text        []int `json:"text_body"`
	Attachments []int `json:"attachments"`
	Parts       []struct {
		Body   jsonBody `json:"body"`
		Header int64    `json:"offset_header"`
		Start  int64    `json:"offset_body"`
		End    int64    `json:"offset_end"`
	} `json:"parts"`
}

// bodyDifferences are the messages of mailparser/ for which our choice is another, and why.
var bodyDifferences = map[string]string{
	"malformed/000":  "delimiters without a blank line before them: each begins a part with an empty body",
	"malformed/001":  "an inner multipart in which no delimiter was found is shown as text; \"--a\" behind it is no delimiter of an entity that has ended",
	"malformed/002":  "a multipart in which no delimiter was found is shown as text",
	"malformed/003":  "the same",
	"malformed/004":  "the same",
	"malformed/006":  "the same",
	"malformed/007":  "what stands behind the inner close delimiter is the epilogue, not a part",
	"malformed/008":  "what stands behind an unclosed part is a part: the outer delimiter ends the inner multipart",
	"malformed/009":  "the same",
	"malformed/011":  "the same",
	"malformed/012":  "the same",
	"malformed/013":  "the same",
	"malformed/014":  "the same",
	"malformed/016":  "boundaries that begin with one another are told apart by whole lines",
	"malformed/019":  "a delimiter without a blank line behind it ends the header",
	"malformed/020":  "of two Content-Type fields the first counts",
	"malformed/021":  "of two Content-Type fields the first counts",
	"rfc/000":        "image and audio without a disposition stand between texts (RFC 8621 section 4.1.4), and text/enriched is text",
	"rfc/003":        "text of an unknown subtype is shown as plain text (RFC 2046 section 4.1.4)",
	"thirdparty/002": "a body that is no base64 is an empty text, not a file",
	"thirdparty/008": "text of an unknown subtype is shown as plain text",
	"thirdparty/012": "the same",
	"thirdparty/015": "a delimiter of the outer multipart ends an embedded message whose own multipart has not ended",
}

func TestBodyCorpus(t *testing.T) {
	dir := corpusDir(t)
	files, err := filepath.Glob(dir + "/mailparser/*/*.eml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	texts := 0
	for _, file := range files {
		name := filepath.ToSlash(strings.TrimSuffix(file[len(dir)+len("/mailparser/"):], ".eml"))
		msg, err := os.ReadFile(file)
		require.NoError(t, err)
		msg = bytes.ReplaceAll(msg, []byte("\r\n"), []byte("\n"))
		js, err := os.ReadFile(strings.TrimSuffix(file, ".eml") + ".json")
		require.NoError(t, err)
		var want expectedBody
		require.NoError(t, json.Unmarshal(js, &want), name)
		m := ParseBytes(msg, nil)
		b := m.Body()
		at := func(l []int) []int64 {
			o := []int64{}
			for _, i := range l {
				o = append(o, want.Parts[i].Start)
			}
			slices.Sort(o)
			return o
		}
		got := func(l []*Part) []int64 {
			o := []int64{}
			for _, p := range l {
				o = append(o, p.BodyStart)
			}
			slices.Sort(o)
			return o
		}
		same := slices.Equal(at(want.Text), got(b.Text)) && slices.Equal(at(want.HTML), got(b.HTML)) &&
			slices.Equal(at(want.Attachments), got(slices.Collect(b.Files())))
		if reason := bodyDifferences[name]; same == (reason != "") {
			t.Errorf("%s: same: %v, listed as different: %q\ntext %v %v\nHTML %v %v\nfiles %v %v", name, same, reason, at(want.Text), got(b.Text),
				at(want.HTML), got(b.HTML), at(want.Attachments), got(slices.Collect(b.Files())))
		}
		for _, w := range want.Parts {
			for _, kind := range []string{"Text", "Html"} {
				var text string
				if json.Unmarshal(w.Body[kind], &text) != nil {
					continue
				}
				for p := range m.Leaves() {
					if p.BodyStart != w.Start || p.End != w.End || isHTML(p.ContentType()) != (kind == "Html") {
						continue
					}
					u, err := io.ReadAll(p.utf8Reader(bytes.NewReader(msg), p.ContentType()))
					require.NoError(t, err)
					if reason := textDifferences[fmt.Sprintf("%s@%d", name, w.Start)]; (text == string(u)) == (reason != "") {
						t.Errorf("%s at %d: %q\nwant %.300q\n got %.300q", name, w.Start, reason, text, u)
					}
					texts++
				}
			}
		}
	}
	require.Greater(t, texts, 50)
}

// textDifferences are the messages whose text we read otherwise, and why.
var textDifferences = map[string]string{
	"rfc/000@1133":       "text that is no base64 is given as it stands there, and decoded by us",
	"rfc/000@1299":       "the same",
	"thirdparty/002@240": "words behind the base64's end: a last group that is not whole yields what octets it has",
	"thirdparty/002@350": "text that is no base64 is given as it stands there, and decoded by us",
}

func TestConvenienceCorpusWalk(t *testing.T) {
	dir := corpusDir(t)
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.Contains(path, "/mbox/") && len(b) > 1<<20 {
			b = b[:1<<20]
		}
		m := bytes.NewReader(b)
		p := ParseBytes(b, nil)
		n++
		for q := range p.All() {
			_, err := q.DecodedSize(m)
			require.NoError(t, err, path)
			_ = SafeFilename(q.Filename())
			require.NotEmpty(t, q.SafeFilename())
			q.Security()
			q.Header.BaseSubject()
			q.Header.ThreadReferences()
			if q.Parent != nil && q.Parent.Message != q {
				continue
			}
			body := q.Body()
			_, err = io.Copy(io.Discard, body.TextReader(m, &TextOptions{HTML: HTMLOptions{Links: true}}))
			require.NoError(t, err, path)
			_, err = io.Copy(io.Discard, body.HTMLReader(m))
			require.NoError(t, err, path)
			s, err := q.Preview(m, nil)
			require.NoError(t, err, path)
			require.LessOrEqual(t, len([]rune(s)), 200)
		}
		for e, err := range FindEmbedded(bytes.NewReader(b)) {
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, e.Open(m))
			require.NoError(t, err)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, n, 300)
}
