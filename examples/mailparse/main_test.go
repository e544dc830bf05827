package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const letter = `From: =?utf-8?q?Jos=C3=A9?= <jose@a.example>
To: Team: b@b.example, "C, D" <c@c.example>;, root
Subject: =?iso-8859-1?q?caf=E9?= au
 lait
Date: Fri, 21 Nov 1997 09:55:06 EST
Message-ID: <1@a.example>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--b
Content-Type: application/pdf; name="=?utf-8?b?w6kucGRm?="
Content-Transfer-Encoding: BASE64
Content-Disposition: attachment

AAEC
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: text/html; charset=utf-8

<p>inner <b>text</b></p>
--b--
`

const noBreak = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n"

// mailparse runs the program in memory.
func mailparse(stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

func file(t *testing.T, content string) string {
	name := filepath.Join(t.TempDir(), "m.eml")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o666))
	return name
}

func TestTree(t *testing.T) {
	out, errs, code := mailparse(letter, "-")
	require.Equal(t, 0, code)
	require.Empty(t, errs)
	require.Equal(t, `-: 599 octets
  From:    José <jose@a.example>
  To:      Team: b@b.example, "C, D" <c@c.example>;, root
  Subject: café au lait
  Date:    Fri, 21 Nov 1997 09:55:06 -0500
  ID:      1@a.example
  multipart/mixed
  ├─ text/plain iso-8859-1 (4 octets, quoted-printable)
  ├─ application/pdf "é.pdf" (3 octets, base64)
  └─ message/rfc822 "inner"
     └─ text/html utf-8 (24 octets)
`, out)
	out, _, _ = mailparse(noBreak+noBreak, "-", file(t, "Date: never\nSubject: \x1b[31mred\u202e\n\n"))
	require.Equal(t, `-: 100 octets
  multipart/mixed
  ├─ text/plain (44 octets)
  └─ text/plain (2 octets)
  faults:
    multipart without a close delimiter at offset 100
`, out[:strings.Index(out, "\n\n")+1])
	require.Contains(t, out, "  Subject: �[31mred�\n  Date:    never (not a date)\n")
	out, _, _ = mailparse("From a@b Mon Jan  1 00:00:00 2001\nA: b\n\n", "-")
	require.Contains(t, out, "use -mbox")
	out, _, _ = mailparse("To: "+strings.Repeat("a@b.example, ", 1000)+"\n\n", "-")
	require.Contains(t, out, "and 980 more\n")
}

func TestJSON(t *testing.T) {
	name := file(t, letter)
	out, errs, code := mailparse("", "-json", name)
	require.Equal(t, 0, code)
	require.Empty(t, errs)
	require.Equal(t, 1, strings.Count(out, "\n"))
	path, _ := json.Marshal(name)
	want := `{"file":` + string(path) + `,"subject":"café au lait","from":[{"name":"José","address":"jose@a.example"}],` +
		`"to":[{"name":"","address":"b@b.example"},{"name":"C, D","address":"c@c.example"},{"name":"","address":"root"}],` +
		`"date":"1997-11-21T09:55:06-05:00","message_id":"1@a.example","parts":[` +
		`{"type":"text/plain","charset":"iso-8859-1","encoding":"quoted-printable","filename":"","octets":6,"decoded_octets":4,"sha256":"a35d44f5e21e78f65ef45ebc9eb93b3dda81a98f3b09d86dfcdb05dc3e79cf4b"},` +
		`{"type":"application/pdf","charset":"","encoding":"base64","filename":"é.pdf","octets":4,"decoded_octets":3,"sha256":"ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"},` +
		`{"type":"text/html","charset":"utf-8","encoding":"7bit","filename":"","octets":24,"decoded_octets":24,"sha256":"SUM"}],"defects":[]}` + "\n"
	var got, expected jsonMessage
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.NoError(t, json.Unmarshal([]byte(want), &expected))
	for i := range expected.Parts {
		require.Len(t, got.Parts[i].SHA256, 64)
	}
	require.Equal(t, "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc", got.Parts[1].SHA256) // of 00 01 02
	expected.Parts[0].SHA256, expected.Parts[2].SHA256 = got.Parts[0].SHA256, got.Parts[2].SHA256
	require.Equal(t, expected, got)

	// The keys, in their order, and no others.
	var keys []string
	d := json.NewDecoder(strings.NewReader(out))
	for depth := 0; ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 1 && !strings.Contains(v, " ") && !strings.Contains(v, ":") && v != got.File && v != got.MessageID {
				keys = append(keys, v)
			}
		}
	}
	require.Equal(t, []string{"file", "subject", "from", "to", "date", "message_id", "parts", "defects"}, keys)

	out, _, code = mailparse("", "-json", file(t, ""))
	require.Equal(t, 0, code)
	require.Contains(t, out, `"subject":"","from":[],"to":[],"date":"","message_id":"","parts":[{"type":"text/plain","charset":"","encoding":"7bit","filename":"","octets":0,"decoded_octets":0,`+
		`"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],"defects":[]}`)
	out, _, _ = mailparse(noBreak, "-json", "-")
	require.Contains(t, out, `"defects":["multipart without a close delimiter at offset 50"]`)
	out, _, _ = mailparse("Subject: <&>\xff\nFrom: a@\xff\nMessage-ID: <\xff>\nContent-Type: x/\xff; charset=\xff; name=\xff\nContent-Transfer-Encoding: \xff\n\n", "-json", "-")
	require.Contains(t, out, `"subject":"<&>ÿ","from":[{"name":"","address":"a@�"}]`)
	require.True(t, json.Valid([]byte(out)))
}

func TestText(t *testing.T) {
	out, _, code := mailparse(letter, "-text", "-")
	require.Equal(t, 0, code)
	require.Equal(t, "café\n", out)
	out, _, _ = mailparse("Content-Type: text/html\n\n<p>a <b>b</b></p><script>x</script>", "-text", "-")
	require.Equal(t, "a b\n", out)
	out, _, _ = mailparse("A: b\r\n\r\n\x1b]0;title\a\r\n\u009b1m \tx\r\n", "-text", "-")
	require.Equal(t, "\uFFFD]0;title\uFFFD\n\uFFFD1m \tx\n", out)
	for _, c := range "\x00\x08\x1b\x7f\u0085\u009b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		out, _, _ = mailparse("Content-Type: text/plain; charset=utf-8\n\ninvoice"+string(c)+"gpj.exe\n", "-text", "-")
		require.Equal(t, "invoice\uFFFDgpj.exe\n", out, "%U", c)
	}
	out, _, _ = mailparse("Content-Type: text/plain; charset=utf-8\n\n\u05d0\u200f\u200e\u2065\n", "-text", "-")
	require.Equal(t, "\u05d0\u200f\u200e\u2065\n", out, "what a script needs stays")
	out, _, _ = mailparse("", "-text", file(t, "\none\n"), file(t, "\ntwo"))
	require.Equal(t, "one\n\n----\n\ntwo\n", out)
	out, _, _ = mailparse("\n"+strings.Repeat("é", 100_000), "-text", "-")
	require.Equal(t, strings.Repeat("é", 100_000)+"\n", out)
}

// attachments is a message with a file of each name.
func attachments(names ...string) string {
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n")
	for i, n := range names {
		fmt.Fprintf(&b, "--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename*=utf-8''%s\n\n%d\n", n, i)
	}
	return b.String() + "--b--\n"
}

func TestExtract(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "a", "b")
	outside := filepath.Join(parent, "outside")
	require.NoError(t, os.WriteFile(outside, []byte("mine"), 0o666))
	hostile := []string{
		"..%2F..%2Foutside", "%2Fetc%2Fpasswd", "..%5C..%5Coutside", "C:%5Cx.txt", "C:x", "..", ".", "", "...", "%00", "a%00b", "a%0Ab", "%1B[31m", "a%2Fb%2F",
		"CON", "nul.txt", "com1.tar.gz", "a:b", "a.", "a ", ".bashrc", "-rf", "~x", "%E2%80%AEgpj.exe", strings.Repeat("x", 1000) + ".pdf", strings.Repeat("%C3%A9", 300), "%FF", "a*?%22<>|",
		"report.pdf", "report.pdf", "REPORT.pdf", "report.pdf", "outside", "aux", "LPT1.", "a/../../../outside",
	}
	out, errs, code := mailparse(attachments(hostile...), "-extract", dir, "-")
	require.Equal(t, 0, code, errs)
	require.Equal(t, len(hostile), strings.Count(out, "\n"))
	seen := map[string]bool{}
	var all []string
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, e.Type().IsRegular())
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.False(t, seen[string(b)])
		seen[string(b)] = true
		all = append(all, e.Name())
		require.LessOrEqual(t, len(e.Name()), 255)
		require.False(t, strings.ContainsAny(e.Name(), "/\\:*?\"<>|\x00\x1b\n\u202e"), "%q", e.Name())
		require.False(t, strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "-") || strings.HasPrefix(e.Name(), "~"), "%q", e.Name())
		require.False(t, strings.HasSuffix(e.Name(), ".") || strings.HasSuffix(e.Name(), " "), "%q", e.Name())
		stem, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		require.NotContains(t, []string{"CON", "NUL", "AUX", "COM1", "LPT1"}, stem)
	}
	require.Len(t, all, len(hostile))
	for _, n := range []string{"report.pdf", "report (2).pdf", "REPORT (3).pdf", "report (4).pdf", "outside"} {
		require.True(t, slices.Contains(all, n), "%q in %q", n, all)
	}
	b, err := os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, "mine", string(b))
	entries, err = os.ReadDir(parent)
	require.NoError(t, err)
	require.Len(t, entries, 2)

	// A second run overwrites nothing.
	before, err := os.ReadFile(filepath.Join(dir, "report.pdf"))
	require.NoError(t, err)
	_, _, code = mailparse(attachments("report.pdf"), "-extract", dir, "-")
	require.Equal(t, 0, code)
	after, err := os.ReadFile(filepath.Join(dir, "report.pdf"))
	require.NoError(t, err)
	require.Equal(t, before, after)
	entries, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(hostile)+1)

	// The embedded message is a file, and its transfer encoding is undone.
	dir = filepath.Join(parent, "letter")
	out, _, code = mailparse(letter, "-extract", dir, "-")
	require.Equal(t, 0, code)
	require.Equal(t, filepath.Join(dir, "é.pdf")+" (3 octets)\n"+filepath.Join(dir, "inner.eml")+" (79 octets)\n", out)
	b, err = os.ReadFile(filepath.Join(dir, "inner.eml"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(b), "Subject: inner\n"))
}

// TestExtractEmbedded: files in the text and in a winmail.dat.
func TestExtractEmbedded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	out, errs, code := mailparse("Subject: x\n\nsee:\nbegin 644 ../cat.txt\n#0V%T\n`\nend\n", "-extract", dir, "-")
	require.Equal(t, 0, code, errs)
	require.Equal(t, filepath.Join(dir, "cat.txt")+" (3 octets)\n", out)
	b, err := os.ReadFile(filepath.Join(dir, "cat.txt"))
	require.NoError(t, err)
	require.Equal(t, "Cat", string(b))

	tnef := "Content-Type: application/ms-tnef; name=winmail.dat\n\n"
	_, errs, code = mailparse(tnef+"no TNEF", "-extract", dir, "-")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "-: winmail.dat: ")
	corpusDir, _ := corpus(t)
	data, err := os.ReadFile(filepath.Join(corpusDir, "mimekit", "tnef", "two-files.tnef"))
	require.NoError(t, err)
	out, errs, code = mailparse("Content-Transfer-Encoding: base64\n"+tnef+base64.StdEncoding.EncodeToString(data), "-extract", dir, "-")
	require.Equal(t, 0, code, errs)
	for _, name := range []string{"winmail (2).dat", "AUTHORS", "README"} {
		require.Contains(t, out, filepath.Join(dir, name))
	}
	want, err := os.ReadFile(filepath.Join(corpusDir, "mimekit", "tnef", "two-files", "AUTHORS"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "AUTHORS"))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestExtractLinks: links that wait in the folder lead nowhere.
func TestExtractLinks(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "d")
	require.NoError(t, os.Mkdir(dir, 0o777))
	outside := filepath.Join(parent, "outside")
	if err := os.Symlink(outside, filepath.Join(dir, "x.pdf")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	_, errs, code := mailparse(attachments("x.pdf"), "-extract", dir, "-")
	require.Equal(t, 0, code, errs)
	_, err := os.Stat(outside)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(filepath.Join(dir, "x (2).pdf"))
	require.NoError(t, err)
}

func TestExtractFails(t *testing.T) {
	name := file(t, letter)
	_, errs, code := mailparse("", "-extract", name, name)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "mailparse: ")
}

func TestMbox(t *testing.T) {
	box := "From a@b.example Mon Jan  1 00:00:00 2001\nSubject: one\n\n>From here\n\nFrom a@b.example Mon Jan  1 00:00:01 2001\nSubject: two\n\nx\n"
	name := file(t, box)
	for _, args := range [][]string{{"-json", "-mbox", name}, {"-json", "-mbox", "-"}} {
		out, errs, code := mailparse(box, args...)
		require.Equal(t, 0, code, errs)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, 2)
		for i, subject := range []string{"one", "two"} {
			var m jsonMessage
			require.NoError(t, json.Unmarshal([]byte(lines[i]), &m))
			require.Equal(t, subject, m.Subject)
			require.Equal(t, fmt.Sprintf("%s#%d", args[2], i+1), m.File)
		}
	}
	out, _, _ := mailparse(box, "-text", "-mbox", "-")
	require.Equal(t, "From here\n\n----\n\nx\n", out)
	_, errs, code := mailparse("no mbox", "-mbox", "-")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "-: mbox: ")
}

func TestUsage(t *testing.T) {
	out, errs, code := mailparse("", "-h")
	require.Equal(t, 0, code)
	require.Empty(t, errs)
	require.Equal(t, usage, out)
	for _, args := range [][]string{{}, {"-json"}, {"-json", "-text", "-"}, {"-text", "-extract", "x", "-"}, {"-extract", "", "-"}, {"-no", "-"}} {
		out, errs, code = mailparse("", args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, out)
		require.Contains(t, errs, "Run mailparse -h for help.\n")
	}
	for _, line := range strings.Split(usage, "\n") {
		require.LessOrEqual(t, len(line), 80)
	}
}

// TestSomeFail: one file that cannot be read costs that file alone.
func TestSomeFail(t *testing.T) {
	name := file(t, letter)
	out, errs, code := mailparse("", "-json", filepath.Join(t.TempDir(), "none"), t.TempDir(), name)
	require.Equal(t, exitFailed, code)
	require.Equal(t, 1, strings.Count(out, "\n"))
	require.Equal(t, 2, strings.Count(errs, "mailparse: "))
	require.Contains(t, errs, "is a folder")

	_, errs, _ = mailparse("", "no\x1b[2J\u202e.eml")
	require.NotContains(t, errs, "\x1b")
	require.NotContains(t, errs, "\u202e")
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Read([]byte) (int, error)  { return 0, f.err }

func TestOutputFails(t *testing.T) {
	var errs bytes.Buffer
	boom := errors.New("boom")
	for _, mode := range []string{"-json", "-text"} {
		errs.Reset()
		code := run(context.Background(), []string{mode, "-"}, strings.NewReader(letter+strings.Repeat("x", 1<<20)), failing{boom}, &errs)
		require.Equal(t, exitFailed, code)
		require.Equal(t, 1, strings.Count(errs.String(), "boom"), errs.String())
	}
	errs.Reset()
	code := run(context.Background(), []string{"-json", "-"}, failing{boom}, io.Discard, &errs)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs.String(), "-: boom")
}

// TestInterrupt: Ctrl-C ends the program though standard input says nothing, and leaves nothing behind.
func TestInterrupt(t *testing.T) {
	in, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	code := make(chan int)
	var errs bytes.Buffer
	go func() { code <- run(ctx, []string{"-json", "-"}, in, io.Discard, &errs) }()
	_, err := w.Write(bytes.Repeat([]byte("x\n"), memory))
	require.NoError(t, err)
	cancel()
	require.Equal(t, exitInterrupted, <-code)
	require.Contains(t, errs.String(), "interrupted")
	if runtime.GOOS != "windows" {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// TestInterruptedFile: half a file is not left behind.
func TestInterruptedFile(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := filepath.Join(t.TempDir(), "d")
	var errs bytes.Buffer
	p := &program{ctx: ctx, config: &config{extract: dir}, stderr: &errs}
	s, err := newSaver(dir)
	require.NoError(t, err)
	defer s.close()
	p.saver = s
	m := attachments("x.pdf")
	err = p.message("m", cancelling{strings.NewReader(m), cancel, int64(strings.Index(m, "\n0\n"))}, int64(len(m)))
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// cancelling is interrupted when it is read from the octet at on.
type cancelling struct {
	io.ReaderAt
	cancel func()
	at     int64
}

func (c cancelling) ReadAt(b []byte, off int64) (int, error) {
	if off > c.at {
		c.cancel()
		return 0, context.Canceled
	}
	return c.ReaderAt.ReadAt(b, off)
}

// TestLarge: a message of 64 MB costs little memory, from a file and as a stream.
func TestLarge(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	f, err := os.Create(name)
	require.NoError(t, err)
	head := "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
	_, err = f.WriteString(head)
	require.NoError(t, err)
	block := []byte(strings.Repeat(strings.Repeat("QUFB", 19)+"\n", 1000))
	size := len(head)
	for size < 64<<20 {
		n, err := f.Write(block)
		require.NoError(t, err)
		size += n
	}
	require.NoError(t, f.Close())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, errs, code := mailparse("", "-json", name)
	runtime.ReadMemStats(&after)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, fmt.Sprintf(`"octets":%d,`, size-len(head)))
	require.Contains(t, out, fmt.Sprintf(`"decoded_octets":%d,`, (size-len(head))/77*57))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestBar(t *testing.T) {
	var w bytes.Buffer
	now := time.Unix(0, 0)
	b := newBar(&w, 1000)
	b.now = func() time.Time { return now }
	b.next = now.Add(barAfter)
	b.add(100)
	require.Empty(t, w.String(), "short work shows nothing")
	now = now.Add(barAfter)
	b.add(400)
	require.Equal(t, "[===============               ]  50%, 2 messages", w.String())
	b.add(100)
	now = now.Add(barEvery)
	w.Reset()
	b.add(5000)
	require.Equal(t, "\r\033[K[==============================] 100%, 4 messages", w.String())
	w.Reset()
	b.end()
	require.Equal(t, "\r\033[K", w.String())
	b.total, b.next = 0, now
	b.add(1 << 20)
	require.True(t, strings.HasSuffix(w.String(), "5 messages, 1 MB"))
	var none *bar
	none.add(1)
	none.clear()
	none.end()
	assert.False(t, isTerminal(&w))
	f, err := os.Open(file(t, "x"))
	require.NoError(t, err)
	defer f.Close()
	assert.False(t, isTerminal(f))
}
