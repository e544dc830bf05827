package mailwire_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table of ARCHITECTURE.md says nothing that no test shows.
func TestSupportTable(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(page), "\n## What is spoken\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	shown := regexp.MustCompile("^`([^`]+)` `([^`]+)`$")
	rows := 0
	for _, line := range strings.Split(table, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		require.Len(t, cells, 4, line)
		rows++
		for _, cell := range cells[2:] {
			if cell == "no" {
				continue
			}
			m := shown.FindStringSubmatch(cell)
			require.NotNil(t, m, "neither no nor a file and a text: %s", cell)
			data, err := os.ReadFile(m[1])
			require.NoError(t, err)
			require.True(t, strings.Contains(string(data), m[2]), "%s does not hold %s", m[1], m[2])
		}
	}
	require.Greater(t, rows, 50)
}
