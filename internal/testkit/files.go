// Files: golden files, the corpus, the module's root.

package testkit

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Golden compares got with the file at path, relative to the test's folder,
// or writes it where the test runs with -update.
func Golden(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to make it)", err)
	}
	if at, same := firstDifference(got, want); !same {
		t.Errorf("%s differs at octet %d, line %d (run with -update to accept)\n got: %s\nwant: %s",
			path, at, 1+bytes.Count(want[:min(at, len(want))], []byte("\n")), around(got, at), around(want, at))
	}
}

func firstDifference(a, b []byte) (int, bool) {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i, false
		}
	}
	return n, len(a) == len(b)
}

func around(b []byte, at int) string {
	from, to := max(0, at-20), min(len(b), at+60)
	if from > to {
		from = to
	}
	return strconv.QuoteToASCII(string(b[from:to]))
}

// ModuleRoot is the folder of this module's go.mod.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

// Corpus is the folder of real messages beside the checkout,
// <module root>/../shared/corpus; where it is absent the test is skipped.
func Corpus(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(ModuleRoot(t), "..", "shared", "corpus")
	if s, err := os.Stat(dir); err != nil || !s.IsDir() {
		t.Skipf("the corpus is not here: no folder %s", dir)
	}
	return dir
}
