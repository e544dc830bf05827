package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The committed tables are what the generator makes.
func TestTablesAreCurrent(t *testing.T) {
	in, err := os.Open("rfc3454.txt")
	require.NoError(t, err)
	defer in.Close()
	got, err := generate(in)
	require.NoError(t, err)
	want, err := os.ReadFile("../../preptables.go")
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got))
}

func TestGenerateNeedsAllTables(t *testing.T) {
	_, err := generate(strings.NewReader("   ----- Start Table A.1 -----\n   0221\n   ----- End Table A.1 -----\n"))
	require.EqualError(t, err, "table B.1 is missing")
}
