package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCorporaAreTheSameEachTime(t *testing.T) {
	for _, f := range []func(bool) [][]byte{small, big, news} {
		a, b := f(true), f(true)
		require.Equal(t, len(a), len(b))
		for i := range a {
			require.Equal(t, sha256.Sum256(a[i]), sha256.Sum256(b[i]))
		}
	}
	m := small(true)[0]
	header, _, _ := bytes.Cut(m, []byte("\r\n\r\n"))
	require.Equal(t, 20, bytes.Count(header, []byte("\r\n"))+1-bytes.Count(header, []byte("\r\n\t")))
	require.InDelta(t, 3000, len(m), 100)
	require.InDelta(t, 55000, len(news(true)[0]), 1000)
}

func TestAllDoTheSameWork(t *testing.T) {
	for _, r := range rows {
		ours, peers, err := r.contenders(true)
		require.NoError(t, err, r.name)
		require.NoError(t, check(ours, peers), r.name)
		n, err := ours.run()
		require.NoError(t, err, r.name)
		require.NotZero(t, n, r.name)
	}
}

func TestOtherWorkIsFound(t *testing.T) {
	c := func(n int64) contender {
		return contender{name: "stdlib", run: func() (tally, error) { return tally{parts: n}, nil }}
	}
	require.NoError(t, check(c(1), []contender{c(1)}))
	require.ErrorContains(t, check(c(1), []contender{c(2)}), "stdlib does other work")
}

func TestLines(t *testing.T) {
	var b strings.Builder
	printer{w: &b}.line(row{name: "a", unit: "MB/s"}, 30, 20, "stdlib")
	printer{w: &b}.line(row{name: "b", unit: "KB", less: true}, 10, 20, "gluon")
	require.Equal(t, "a\t30.0\t20.0\tstdlib\t1.50\tMB/s\nb\t10.0\t20.0\tgluon\t2.00\tKB\n", b.String())
	b.Reset()
	p := printer{w: &b, md: true}
	p.head()
	p.line(row{name: "a", unit: "MB/s"}, 30, 20, "stdlib")
	require.Equal(t, "| row | ours | peer | peer_name | ratio | unit |\n|---|---:|---:|---|---:|---|\n| a | 30.0 | 20.0 | stdlib | 1.50 | MB/s |\n", b.String())
}

func TestFlags(t *testing.T) {
	var help strings.Builder
	require.NoError(t, run([]string{"-h"}, io.Discard, &help))
	require.Contains(t, help.String(), "ratio above 1")
	require.ErrorContains(t, run([]string{"-run", "("}, io.Discard, io.Discard), "-run")
	require.ErrorContains(t, run([]string{"x"}, io.Discard, io.Discard), "unexpected argument")
	var out strings.Builder
	require.NoError(t, run([]string{"-run", "^none$"}, &out, io.Discard))
	require.Empty(t, out.String())
}
