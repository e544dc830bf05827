package mime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// corpusDir is where the real messages lie: beside the module's root.
func corpusDir(t testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "shared", "corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of real messages beside the module")
	}
	return dir
}

// eachMessage calls f with every file of the corpus, as it is and with its line endings turned round.
func eachMessage(t testing.TB, f func(name string, b []byte)) {
	dir := corpusDir(t)
	n := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.HasSuffix(path, ".json") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		f(path, b)
		lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		f(path+" (lf)", lf)
		if len(lf) == len(b) {
			f(path+" (crlf)", bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, n, 100)
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// tokens reads all tokens, adjacent ones of one content put together, as lines of text.
func tokens(t testing.TB, s *Scanner) (lines []string, raw []byte) {
	var last Token
	var buf []byte
	flush := func() {
		if last.Kind != 0 {
			lines = append(lines, fmt.Sprintf("%d %s @%d l%d n%d %v %s", last.Depth, last.Kind, last.Offset, last.Lines, last.NameLen, last.Close, buf))
		}
	}
	off := int64(0)
	for {
		tok, err := s.Next()
		if err == io.EOF {
			flush()
			return lines, raw
		}
		require.NoError(t, err)
		require.Equal(t, off, tok.Offset)
		if bytes.Count(tok.Raw, newline) != tok.Lines {
			require.Fail(t, "wrong count of lines", "%s %q", tok.Kind, tok.Raw)
		}
		off += int64(len(tok.Raw))
		raw = append(raw, tok.Raw...)
		switch tok.Kind {
		case KindBody, KindPreamble, KindEpilogue, KindFieldRest:
			if last.Kind == tok.Kind {
				last.Lines += tok.Lines
				buf = append(buf, tok.Raw...)
				continue
			}
		}
		flush()
		last = tok
		buf = append(buf[:0], tok.Raw...)
	}
}

func TestScannerTokens(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		defects  []DefectCode
	}{
		{"empty", "", []string{"EntityStart ", "HeaderEnd ", "EntityEnd "}, nil},
		{"header only", "A: b\n", []string{"EntityStart ", "Field A: b\n", "HeaderEnd ", "EntityEnd "}, nil},
		{"header only without line ending", "A: b", []string{"EntityStart ", "Field A: b", "HeaderEnd ", "EntityEnd "}, nil},
		{"simple", "A: b\n c\nD:e\n\nx\ny", []string{"EntityStart ", "Field A: b\n c\n", "Field D:e\n", "HeaderEnd \n", "Body x\ny", "EntityEnd "}, nil},
		{"blank line first", "\nA: b\n\nx", []string{"EntityStart ", "HeaderEnd \n", "Body A: b\n\nx", "EntityEnd "}, nil},
		{"body alone", "hello\nworld\n", []string{"EntityStart ", "HeaderEnd ", "Body hello\nworld\n", "EntityEnd "}, []DefectCode{DefectMissingBlankLine}},
		{"unix from", "From a@b Mon Jan  1 00:00:00 2001\nA: b\n\nx", []string{"EntityStart ", "Field From a@b Mon Jan  1 00:00:00 2001\n", "Field A: b\n", "HeaderEnd \n", "Body x", "EntityEnd "}, []DefectCode{DefectUnixFrom}},
		{"byte order mark", "\ufeffA: b\n\nx", []string{"EntityStart ", "Field \ufeff", "Field A: b\n", "HeaderEnd \n", "Body x", "EntityEnd "}, []DefectCode{DefectByteOrderMark}},
		{"byte order mark alone", "\ufeff", []string{"EntityStart ", "Field \ufeff", "HeaderEnd ", "EntityEnd "}, []DefectCode{DefectByteOrderMark}},
		{"byte order mark in an embedded message", "Content-Type: message/rfc822\n\n\ufeffContent-Type: text/plain\n\nx", []string{"EntityStart ", "Field Content-Type: message/rfc822\n", "HeaderEnd \n", "EntityStart ", "Field \ufeff",
			"Field Content-Type: text/plain\n", "HeaderEnd \n", "Body x", "EntityEnd ", "EntityEnd "}, []DefectCode{DefectByteOrderMark}},
		{"junk line between fields", "A: b\njunk\nC: d\n\nx", []string{"EntityStart ", "Field A: b\n", "Field junk\n", "Field C: d\n", "HeaderEnd \n", "Body x", "EntityEnd "}, []DefectCode{DefectInvalidField}},
		{"text behind header", "A: b\njunk\nmore\n\nx", []string{"EntityStart ", "Field A: b\n", "HeaderEnd ", "Body junk\nmore\n\nx", "EntityEnd "}, []DefectCode{DefectMissingBlankLine}},
		{"blank before colon", "A : b\n\n", []string{"EntityStart ", "Field A : b\n", "HeaderEnd \n", "EntityEnd "}, nil},
		{"multipart", "Content-Type: multipart/x; boundary=b\n\npre\n--b\nX: y\n\nbody\n--b\n\n--b--\nepi\n--b\n",
			[]string{"EntityStart ", "Field Content-Type: multipart/x; boundary=b\n", "HeaderEnd \n", "Preamble pre", "Boundary \n--b\n",
				"EntityStart ", "Field X: y\n", "HeaderEnd \n", "Body body", "EntityEnd ", "Boundary \n--b\n",
				"EntityStart ", "HeaderEnd \n", "EntityEnd ", "Boundary --b--", "Epilogue \nepi\n--b\n", "EntityEnd "}, nil},
		{"delimiter at once, unclosed, no header end", "Content-Type: multipart/x; boundary=\"b c\"\n\n--b c\t \nX: y\n--b c\n--b cd\n-- b c\nz",
			[]string{"EntityStart ", "Field Content-Type: multipart/x; boundary=\"b c\"\n", "HeaderEnd \n", "Boundary --b c\t \n",
				"EntityStart ", "Field X: y\n", "HeaderEnd ", "EntityEnd ", "Boundary --b c\n",
				"EntityStart ", "HeaderEnd ", "Body --b cd\n-- b c\nz", "EntityEnd ", "EntityEnd "}, []DefectCode{DefectMissingBlankLine, DefectMissingBlankLine, DefectUnclosed}},
		{"own delimiter in the header", "Content-Type: multipart/x; boundary=ab\n--ab\nX: y\n\n1\n--ab--", []string{"EntityStart ", "Field Content-Type: multipart/x; boundary=ab\n", "HeaderEnd ", "Boundary --ab\n",
			"EntityStart ", "Field X: y\n", "HeaderEnd \n", "Body 1", "EntityEnd ", "Boundary \n--ab--", "EntityEnd "}, []DefectCode{DefectMissingBlankLine}},
		{"no boundary", "Content-Type: multipart/mixed\n\n--x\n\n--x--", []string{"EntityStart ", "Field Content-Type: multipart/mixed\n", "HeaderEnd \n", "Body --x\n\n--x--", "EntityEnd "}, []DefectCode{DefectMissingBoundary}},
		{"empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\n----", []string{"EntityStart ", "Field Content-Type: multipart/mixed; boundary=\"\"\n", "HeaderEnd \n", "Body --\n\n----", "EntityEnd "}, []DefectCode{DefectMissingBoundary}},
		{"boundary never found", "Content-Type: multipart/mixed; boundary=x\n\n--y\n", []string{"EntityStart ", "Field Content-Type: multipart/mixed; boundary=x\n", "HeaderEnd \n", "Preamble --y\n", "EntityEnd "}, []DefectCode{DefectNoParts}},
		{"two types, two boundaries", "Content-Type: multipart/x; boundary=a; boundary=b\nContent-Type: text/plain\n\n--a\n\n--b\n--a--",
			[]string{"EntityStart ", "Field Content-Type: multipart/x; boundary=a; boundary=b\n", "Field Content-Type: text/plain\n", "HeaderEnd \n", "Boundary --a\n",
				"EntityStart ", "HeaderEnd \n", "Body --b", "EntityEnd ", "Boundary \n--a--", "EntityEnd "}, []DefectCode{DefectConflictingBoundary, DefectDuplicateField}},
		{"boundary that ends like a close delimiter", "Content-Type: multipart/x; boundary=a--\n\n--a--\n\nx\n--a----\n",
			[]string{"EntityStart ", "Field Content-Type: multipart/x; boundary=a--\n", "HeaderEnd \n", "Boundary --a--\n", "EntityStart ", "HeaderEnd \n", "Body x", "EntityEnd ", "Boundary \n--a----", "Epilogue \n", "EntityEnd "}, nil},
		{"message", "Content-Type: message/rfc822\n\nA: b\n\nx", []string{"EntityStart ", "Field Content-Type: message/rfc822\n", "HeaderEnd \n", "EntityStart ", "Field A: b\n", "HeaderEnd \n", "Body x", "EntityEnd ", "EntityEnd "}, nil},
		{"encoded message", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTo=", []string{"EntityStart ", "Field Content-Type: message/rfc822\n", "Field Content-Transfer-Encoding: base64\n", "HeaderEnd \n", "Body QTo=", "EntityEnd "}, []DefectCode{DefectEncodedComposite}},
		{"same boundary within", "Content-Type: multipart/x; boundary=b\n\n--b\nContent-Type: multipart/y; boundary=b\n\n--b\n\n1\n--b--\n--b\n\n2\n--b--\n",
			[]string{"EntityStart ", "Field Content-Type: multipart/x; boundary=b\n", "HeaderEnd \n", "Boundary --b\n",
				"EntityStart ", "Field Content-Type: multipart/y; boundary=b\n", "HeaderEnd \n", "Boundary --b\n",
				"EntityStart ", "HeaderEnd \n", "Body 1", "EntityEnd ", "Boundary \n--b--", "EntityEnd ", "Boundary \n--b\n",
				"EntityStart ", "HeaderEnd \n", "Body 2", "EntityEnd ", "Boundary \n--b--", "Epilogue \n", "EntityEnd "}, nil},
		{"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\nContent-Type: text/plain\n\ny\n--b--",
			[]string{"EntityStart ", "Field Content-Type: multipart/digest; boundary=b\n", "HeaderEnd \n", "Boundary --b\n",
				"EntityStart ", "HeaderEnd \n", "EntityStart ", "Field A: b\n", "HeaderEnd \n", "Body x", "EntityEnd ", "EntityEnd ", "Boundary \n--b\n",
				"EntityStart ", "Field Content-Type: text/plain\n", "HeaderEnd \n", "Body y", "EntityEnd ", "Boundary \n--b--", "EntityEnd "}, nil},
		{"RFC 2231 boundary", "Content-Type: multipart/x; boundary*0=a; boundary*1=b\n\n--ab\n\nx\n--ab--", []string{"EntityStart ", "Field Content-Type: multipart/x; boundary*0=a; boundary*1=b\n", "HeaderEnd \n", "Boundary --ab\n", "EntityStart ", "HeaderEnd \n", "Body x", "EntityEnd ", "Boundary \n--ab--", "EntityEnd "}, nil},
	}
	for _, tt := range tests {
		for _, eol := range []string{"\n", "\r\n"} {
			t.Run(tt.name+fmt.Sprintf(" %q", eol), func(t *testing.T) {
				in := strings.ReplaceAll(tt.in, "\n", eol)
				s := NewScannerBytes([]byte(in), nil)
				var got []string
				for {
					tok, err := s.Next()
					if err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
					got = append(got, tok.Kind.String()+" "+string(tok.Raw))
				}
				want := make([]string, len(tt.want))
				for i := range want {
					want[i] = strings.ReplaceAll(tt.want[i], "\n", eol)
				}
				require.Equal(t, want, got)
				var codes []DefectCode
				for _, d := range s.Defects() {
					codes = append(codes, d.Code)
				}
				require.Equal(t, tt.defects, codes)
				checkScanner(t, []byte(in), nil)
			})
		}
	}
}

// checkScanner compares the scanner over memory with the one over a stream under several chunkings.
func checkScanner(t testing.TB, b []byte, o *Options) {
	mem := NewScannerBytes(b, o)
	want, raw := tokens(t, mem)
	require.True(t, bytes.Equal(b, raw), "the tokens are not the input")
	readers := []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.DataErrReader,
	}
	if len(b) < 256<<10 {
		readers = append(readers, iotest.HalfReader)
	}
	if len(b) < 8<<10 {
		readers = append(readers, iotest.OneByteReader)
	}
	for _, f := range readers {
		s := NewScanner(f(bytes.NewReader(b)), o)
		got, raw := tokens(t, s)
		require.True(t, bytes.Equal(b, raw), "the tokens are not the input")
		require.Equal(t, want, got)
		require.Equal(t, mem.Defects(), s.Defects())
	}
}

func TestScannerCorpus(t *testing.T) {
	eachMessage(t, func(name string, b []byte) { checkScanner(t, b, nil) })
}

// TestScannerBuffer slides a delimiter, with its line ending, over the end of the window.
func TestScannerBuffer(t *testing.T) {
	head := "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\n"
	for _, eol := range []string{"\n", "\r\n"} {
		h := strings.ReplaceAll(head, "\n", eol)
		for _, line := range []int{76, 1 << 20} {
			for d := -12; d <= 12; d++ {
				n := scanBuffer - len(h) + d
				body := bytes.Repeat([]byte("x"), n)
				for i := line; i < n-2; i += line {
					copy(body[i-len(eol):], eol)
				}
				m := h + string(body) + eol + "--bb--" + eol + "epilogue"
				checkScanner(t, []byte(m), nil)
				s, err := Parse(strings.NewReader(m), int64(len(m)), nil)
				require.NoError(t, err)
				require.Len(t, s.Children, 1)
				require.EqualValues(t, n, s.Children[0].Octets())
			}
		}
	}
}

func TestScannerLongField(t *testing.T) {
	o := &Options{Limits: Limits{FieldSize: 100}}
	for d := 90; d < 130; d++ {
		for _, tail := range []string{"\n\nbody", "\n folded\nB: c\n\nbody", "", "\n", "\r\n more"} {
			checkScanner(t, []byte("A: "+strings.Repeat("x", d)+tail), o)
			checkScanner(t, []byte("junk "+strings.Repeat("x", d)+tail), o)
			checkScanner(t, []byte("A: x\n "+strings.Repeat("x\n ", d)+tail), o)
			checkScanner(t, []byte("From "+strings.Repeat("x", d)+tail), o)
		}
	}
	big := []byte("A: " + strings.Repeat("abcdefghi\n ", 50_000) + "\nB: c\n\nbody\n")
	checkScanner(t, big, nil)
	p := ParseBytes(big, nil)
	require.Equal(t, DefectLimitField, p.Defects[0].Code)
	require.Equal(t, "c", p.Header.Text("B"))
	require.EqualValues(t, 5, p.Octets())
}

func TestScannerReadError(t *testing.T) {
	boom := errors.New("boom")
	m := "A: b\n\nbody"
	s := NewScanner(io.MultiReader(strings.NewReader(m), iotest.ErrReader(boom)), nil)
	var raw []byte
	for {
		tok, err := s.Next()
		if err != nil {
			require.Equal(t, boom, err)
			break
		}
		raw = append(raw, tok.Raw...)
	}
	require.Equal(t, m, string(raw))
	_, err := s.Next()
	require.Equal(t, boom, err, "the error sticks")
}

// stuck returns no octets and no error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestScannerNoProgress(t *testing.T) {
	s := NewScanner(stuck{}, nil)
	for {
		if _, err := s.Next(); err != nil {
			require.Equal(t, io.ErrNoProgress, err)
			return
		}
	}
}

// endless is a message of n octets of body, made as it is read.
type endless struct {
	head string
	line string
	n, i int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	if e.i >= e.n {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.i < e.n {
		c := copy(p[n:], e.line[e.i%int64(len(e.line)):])
		n += c
		e.i += int64(c)
	}
	return n, nil
}

// TestScannerMemory: a large message streams in a bounded buffer.
func TestScannerMemory(t *testing.T) {
	for _, line := range []string{strings.Repeat("x", 74) + "\r\n", "--bound\n", strings.Repeat("-", 1000), strings.Repeat("\n", 1000)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s := NewScanner(&endless{head: "Content-Type: multipart/mixed; boundary=boundary\n\n--boundary\n\n", line: line, n: 16 << 20}, nil)
		total := 0
		for {
			tok, err := s.Next()
			if err != nil {
				break
			}
			total += len(tok.Raw)
		}
		runtime.ReadMemStats(&after)
		require.Greater(t, total, 16<<20)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<10), "%q", line[:1])
	}
}

func TestScannerZeroAlloc(t *testing.T) {
	m := []byte("A: b\r\nContent-Type: text/plain; charset=x\r\n\r\n" + strings.Repeat("line\r\n", 10000))
	n := testing.AllocsPerRun(10, func() {
		s := NewScannerBytes(m, nil)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	})
	require.LessOrEqual(t, n, 1.0)
}

// allocated returns the octets that f allocates.
func allocated(f func()) uint64 {
	var a, b runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&a)
	f()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// hostile messages of about n repetitions.
var hostile = map[string]func(n int) string{
	"nested multiparts, unterminated": func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return b.String()
	},
	"nested multiparts, terminated": func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		for i := n - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "--b%d--\n", i)
		}
		return b.String()
	},
	"empty parts": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n", n)
	},
	"nested messages": func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n) },
	"address fields":  func(n int) string { return strings.Repeat("To: a@b.example\n", n) + "\nx" },
	"distinct fields": func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X%d: y\n", i)
		}
		return b.String()
	},
	"one huge field":   func(n int) string { return "To: " + strings.Repeat("a@b.example,", n) + "\n\nx" },
	"one folded field": func(n int) string { return "To: " + strings.Repeat("a@b.example,\n ", n) + "\n\nx" },
	"2231 sections": func(n int) string {
		var b strings.Builder
		b.WriteString("Content-Type: text/plain")
		for i := range n {
			fmt.Fprintf(&b, ";\n name*%d*=a", n-i)
		}
		return b.String() + "\n\nx"
	},
	"dashes": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("--\n", n)
	},
	"delimiters in a header": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Repeat("--c: d\n", n)
	},
	"junk lines in a header": func(n int) string { return strings.Repeat("junk\nA: b\n", n) },
}

func TestHostileMessages(t *testing.T) {
	for name, f := range hostile {
		t.Run(name, func(t *testing.T) {
			n := 20000
			small, large := f(n), f(2*n)
			if len(small) < 32<<10 {
				checkScanner(t, []byte(small), nil)
			}
			list := func(m string) {
				p, err := Parse(strings.NewReader(m), int64(len(m)), nil)
				require.NoError(t, err)
				require.EqualValues(t, len(m), p.End)
				b := p.BodyStructure()
				require.NotNil(t, b)
				require.NotNil(t, p.Header.Envelope())
				checkStructure(t, b, p)
			}
			a := allocated(func() { list(small) })
			b := allocated(func() { list(large) })
			require.LessOrEqual(t, float64(b), 2.5*float64(a)+64<<10, "memory must grow linearly: %d then %d octets", a, b)
			require.Less(t, b, uint64(40*len(large)+16<<20))
		})
	}
}

// TestHostileCaps shows the bounds of nesting and number.
func TestHostileCaps(t *testing.T) {
	depth := func(p *Part) (d, n int) {
		type f struct {
			p *Part
			d int
		}
		todo := []f{{p, 1}}
		for len(todo) > 0 {
			x := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			n++
			d = max(d, x.d)
			for _, c := range x.p.Children {
				todo = append(todo, f{c, x.d + 1})
			}
			if x.p.Message != nil {
				todo = append(todo, f{x.p.Message, x.d + 1})
			}
		}
		return
	}
	p := ParseBytes([]byte(hostile["nested multiparts, unterminated"](10000)), nil)
	d, _ := depth(p)
	require.Equal(t, 100, d)
	require.Equal(t, DefectLimitDepth, p.Defects[0].Code)
	p = ParseBytes([]byte(hostile["nested messages"](10000)), nil)
	d, _ = depth(p)
	require.Equal(t, 100, d)
	p = ParseBytes([]byte(hostile["empty parts"](1000000)), nil)
	_, n := depth(p)
	require.Equal(t, 10000, n)
	require.Equal(t, DefectLimitParts, lastCode(p.Defects))
	p = ParseBytes([]byte(hostile["distinct fields"](100000)), nil)
	n = 0
	for range p.Header.Fields() {
		n++
	}
	require.Equal(t, 5000, n)
	p = ParseBytes([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b\n\n3\n--b--\n"), &Options{Limits: Limits{Parts: 3}})
	require.Len(t, p.Children, 2)
	require.EqualValues(t, 1, p.Children[1].Octets())
}

func lastCode(d []Defect) DefectCode { return d[len(d)-1].Code }

func FuzzScanner(f *testing.F) {
	f.Add([]byte("A: b\r\n\r\nbody"), 3)
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"), 1)
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\r\n\r\nx\n--b\n--b--"), 2)
	f.Add([]byte("From x\nA: b\njunk\nC: d\n e\n--b\n"), 2)
	for _, h := range hostile {
		f.Add([]byte(h(5)), 7)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		o := &Options{Limits: Limits{FieldSize: 40 + n&63, Depth: 5, Parts: 10}}
		checkScanner(t, b, nil)
		checkScanner(t, b, o)
	})
}
