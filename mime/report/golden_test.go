package report

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// corpusDir is where the real messages lie: beside the module's root.
func corpusDir(t testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of real messages beside the module")
	}
	return dir
}

// describe is a report as the golden files have it.
func describe(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", r.Kind)
	if r.System != "" {
		fmt.Fprintf(&b, " %s", r.System)
	}
	if r.OriginalMessageID != "" {
		fmt.Fprintf(&b, " of <%s>", r.OriginalMessageID)
	}
	b.WriteByte('\n')
	for i := range r.Recipients {
		x := &r.Recipients[i]
		fmt.Fprintf(&b, "    %s %s %s", x.Address, x.Action, x.Status)
		if x.Reply != 0 {
			fmt.Fprintf(&b, " reply %d", x.Reply)
		}
		if x.RemoteMTA != "" {
			fmt.Fprintf(&b, " by %s", x.RemoteMTA)
		}
		if x.Original != "" {
			fmt.Fprintf(&b, " for %s", x.Original)
		}
		fmt.Fprintf(&b, ": %s\n        %q\n", x.Advice(), x.Diagnostic)
	}
	if d := r.Disposition; d != nil {
		fmt.Fprintf(&b, "    %s %s\n", d.FinalRecipient.Address(), d.Type)
	}
	if f := r.Feedback; f != nil {
		fmt.Fprintf(&b, "    %s %v %s\n", f.FeedbackType, f.ReportedDomains, f.SourceIP)
	}
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

// Each layout, with LF and with CRLF.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/samples/*.eml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		name := strings.TrimSuffix(filepath.Base(f), ".eml")
		got := describe(ParseBytes(b, nil))
		assert.Equal(t, got, describe(ParseBytes(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), nil)), name)
		fmt.Fprintf(&all, "%s: %s", name, got)
	}
	compareGolden(t, "samples.golden", all.String())
}

// What is a report in the corpus, and that nothing else is.
func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	var all strings.Builder
	none := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		r := ParseBytes(b, nil)
		if r.Kind == None {
			none++
			return nil
		}
		fmt.Fprintf(&all, "%s: %s", filepath.ToSlash(name), describe(r))
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, none, 500)
	compareGolden(t, "corpus.golden", all.String())
}
