package tnef

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/mime"
)

func corpusDir(t testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "corpus", "mimekit", "tnef")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of real messages beside the module")
	}
	return dir
}

// read reads all that a message has.
func read(t testing.TB, m *Message) {
	for e := range m.All() {
		if r, ok := e.Text(); ok {
			_, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
		}
		if r, ok := e.HTML(); ok {
			_, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
		}
		if r, ok := e.RTF(); ok {
			_, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
			r.Complete()
		}
		for _, a := range e.Attachments {
			n, err := io.Copy(io.Discard, a.Open())
			require.NoError(t, err)
			require.Equal(t, a.Size(), n)
			_, _, _, _ = a.Filename(), a.ContentType(), a.ContentID(), a.Hidden()
		}
		for _, r := range e.Recipients {
			_, _, _ = r.Name(), r.Address(), r.Kind()
		}
	}
}

// unix takes the line endings that the expected files have lost.
func unix(b []byte) string { return strings.ReplaceAll(string(b), "\r\n", "\n") }

// allFiles returns the attachments of m and of the messages within it.
func allFiles(m *Message) (l []*Attachment) {
	for e := range m.All() {
		l = append(l, e.Attachments...)
	}
	return l
}

// The files beside each sample are what MimeKit and ytnef took out of it.
func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.tnef"))
	require.NoError(t, err)
	require.Greater(t, len(files), 15)
	compared := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".tnef")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			m, err := ParseBytes(b, nil)
			require.NoError(t, err)
			read(t, m)
			want := strings.TrimSuffix(file, ".tnef")
			entries, err := os.ReadDir(want)
			if err != nil {
				return
			}
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(want, e.Name()))
				require.NoError(t, err)
				switch e.Name() {
				case "message.rtf":
					r, ok := m.RTF()
					require.True(t, ok)
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.True(t, r.Complete())
					require.Equal(t, unix(data), unix(got))
				case "message.html":
					r, ok := m.HTML()
					require.True(t, ok)
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.Equal(t, decode([]byte(unix(data)), ""), unix(got)) // theirs is in its own charset
				case "message.txt":
					r, ok := m.Text()
					require.True(t, ok)
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.Equal(t, unix(data), unix(got))
				default:
					found := false
					for _, a := range allFiles(m) {
						got, err := io.ReadAll(a.Open())
						require.NoError(t, err)
						if strings.HasPrefix(strings.ToLower(e.Name()), "untitled") && len(data) > 16 && unix(got) == unix(data[16:]) {
							found = true // the files have the object's interface identifier before its data
						}
						if a.Message != nil && a.data != nil { // the words for those who cannot read the message
							words, err := io.ReadAll(a.data.Reader(bytes.NewReader(b)))
							require.NoError(t, err)
							found = found || bytes.Equal(words, data)
						}
						if (bytes.Equal(got, data) || unix(got) == unix(data)) && (a.Filename() == e.Name() || a.Title == e.Name() || strings.HasPrefix(e.Name(), "Untitled")) {
							found = true
						}
					}
					require.True(t, found, e.Name())
				}
				compared++
			}
		})
	}
	require.Greater(t, compared, 30)
}

// Messages that hold a winmail.dat.
func TestCorpusMessages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpusDir(t), "*.eml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		n := 0
		for p := range mime.ParseBytes(b, nil).Leaves() {
			if !p.ContentType().Is("application", "ms-tnef") {
				continue
			}
			data, err := io.ReadAll(p.Open(bytes.NewReader(b)))
			require.NoError(t, err)
			m, err := ParseBytes(data, nil)
			require.NoError(t, err)
			require.Empty(t, m.Defects)
			read(t, m)
			var names []string
			for _, a := range m.Attachments {
				names = append(names, a.Filename())
			}
			r, ok := m.Text()
			require.True(t, ok)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			switch filepath.Base(file) {
			case "rich-text.eml":
				require.Equal(t, []string{"kitten-playing-with-a-christmas-tree.jpg", "Untitled Attachment", "Untitled Attachment"}, names)
				require.Contains(t, string(text), "You've made this a Christmas to remember\n")
				require.NotNil(t, m.Attachments[1].Message)
			case "ukr.eml":
				require.Empty(t, names)
				require.Equal(t, "rr test 7", m.Subject)
				require.True(t, strings.HasPrefix(string(text), "шостий\n"), "%q", text)
			}
			n++
		}
		require.Positive(t, n, file)
	}
}

func TestAnyFile(t *testing.T) {
	dir := filepath.Dir(filepath.Dir(corpusDir(t)))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if m, err := ParseBytes(b, nil); err == nil {
			read(t, m)
		}
		for _, r := range []io.Reader{NewRTFReader(bytes.NewReader(b)), NewRTFTextReader(bytes.NewReader(b)), NewRTFHTMLReader(bytes.NewReader(b))} {
			_, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
		}
		return nil
	})
	require.NoError(t, err)
}
