package pop3server

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
)

func TestTopReader(t *testing.T) {
	for _, test := range []struct {
		text  string
		lines int
		want  string
	}{
		{"A: b\r\n\r\nx\r\ny\r\n", 0, "A: b\r\n\r\n"},
		{"A: b\r\n\r\nx\r\ny\r\n", 1, "A: b\r\n\r\nx\r\n"},
		{"A: b\r\n\r\nx\r\ny\r\n", 9, "A: b\r\n\r\nx\r\ny\r\n"},
		{"A: b\n\nx\n\ny", 2, "A: b\n\nx\n\n"},
		{"A: b\n\nx", 1, "A: b\n\nx"},
		{"A: b\r\rx\ry\r", 1, "A: b\r\rx\r"},
		{"A: b\n\r\nx\n", 0, "A: b\n\r\n"},
		{"A: b\r\n \r\nC: d\r\n\r\nx", 0, "A: b\r\n \r\nC: d\r\n\r\n"},
		{"\r\nx\r\n", 0, "\r\n"},
		{"\nx\n", 1, "\nx\n"},
		{"A: b", 5, "A: b"},
		{"", 5, ""},
		{"A: b\r\n\r\n\r\n\r\nx", 2, "A: b\r\n\r\n\r\n\r\n"},
	} {
		for _, cut := range []testkit.Chunks{testkit.Sizes(100), testkit.OneByOne(), testkit.Sizes(2), testkit.Sizes(3)} {
			got, err := io.ReadAll(newTopReader(testkit.ChunkReader(strings.NewReader(test.text), cut), test.lines))
			require.NoError(t, err)
			// A CR that ends the top alone is followed by nothing or its LF.
			assert.Equal(t, test.want, string(got), "%q %d", test.text, test.lines)
		}
	}
}
