package sasl_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

func TestSASLprep(t *testing.T) {
	tests := []struct {
		name, in, want string
		bad            bool
	}{
		// RFC 4013 section 3.
		{"soft hyphen goes", "I\u00adX", "IX", false},
		{"no change", "user", "user", false},
		{"case stays", "USER", "USER", false},
		{"NFKC", "\u00aa", "a", false},
		{"NFKC of a Roman numeral", "\u2168", "IX", false},
		{"control", "\u0007", "", true},
		{"bidirectional check", "\u0627\u0031", "", true},

		{"empty", "", "", false},
		{"nothing is left", "\u00ad\u200d", "", false},
		// In both of RFC 3454's tables; a space, as libidn and PostgreSQL have it.
		{"zero width space", "a\u200bb", "a b", false},
		{"strange spaces", "a\u00a0b\u3000c\u2003d", "a b c d", false},
		{"printable ASCII", " ~!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}", " ~!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}", false},
		{"composed", "u\u0308ber", "\u00fcber", false},
		{"wide", "\uff41\uff42", "ab", false},
		{"right to left", "\u05d0\u05d1", "\u05d0\u05d1", false},
		{"right to left around a digit", "\u06271\u0628", "\u06271\u0628", false},
		{"both directions", "\u05d0a\u05d1", "", true},
		{"ends left to right", "\u05d0a", "", true},
		{"NUL", "a\x00", "", true},
		{"DEL", "a\x7f", "", true},
		{"C1 control", "a\u0085", "", true},
		{"private", "\ue000", "", true},
		{"private plane", "\U000f0000", "", true},
		{"not a character", "\ufdd0", "", true},
		{"not a character, last", "\U0010ffff", "", true},
		{"replacement character", "\ufffd", "", true},
		{"ideographic description", "\u2ff0", "", true},
		{"deprecated", "\u206a", "", true},
		{"direction mark", "\u200e", "", true},
		{"tag", "\U000e0041", "", true},
		{"not UTF-8", "a\xff", "", true},
		{"a surrogate in UTF-8's form", "\xed\xa0\x80", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, prepare := range []func(string) (string, error){sasl.SASLprep, sasl.SASLprepQuery} {
				got, err := prepare(tt.in)
				if tt.bad {
					require.ErrorIs(t, err, sasl.ErrPrep)
					require.Empty(t, got)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
			}
		})
	}
	// Unassigned in Unicode 3.2: in queries alone (RFC 3454 section 7).
	for _, in := range []string{"\u0221", "\u1e9e", "\U0001f600"} {
		_, err := sasl.SASLprep(in)
		require.ErrorIs(t, err, sasl.ErrPrep)
		got, err := sasl.SASLprepQuery(in)
		require.NoError(t, err)
		require.Equal(t, in, got)
	}
}

func FuzzSASLprep(f *testing.F) {
	for _, s := range []string{"user", "I\u00adX", "\u2168", "\u0627\u0031", "\u05d0a\u05d1", "\xff", strings.Repeat("\u0308", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		stored, err := sasl.SASLprep(s)
		query, qerr := sasl.SASLprepQuery(s)
		if err == nil {
			require.NoError(t, qerr, "what may be stored may be asked for")
			require.Equal(t, stored, query)
		}
		if qerr != nil {
			return
		}
		require.True(t, utf8.ValidString(query))
		require.NotContains(t, query, "\x00")
		again, err := sasl.SASLprepQuery(query)
		require.NoError(t, err)
		require.Equal(t, query, again)
	})
}

func ExampleSASLprep() {
	a, _ := sasl.SASLprep("I\u00adX") // a soft hyphen
	b, _ := sasl.SASLprep("\u2168")   // ROMAN NUMERAL NINE
	fmt.Println(a, a == b)
	// Output: IX true
}
