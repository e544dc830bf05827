package mime

// The searches compared with ones that look at each line, or octet.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowSeek is seek line by line.
func slowSeek(s *Scanner, b []byte, line int) (at, lines int) {
	for {
		if l := b[line:]; bytes.HasPrefix(l, []byte("--")) {
			if len(s.bounds) > shallow {
				return line, lines
			}
			for _, bd := range s.bounds {
				if bytes.HasPrefix(l[2:], bd.text) {
					return line, lines
				}
			}
		}
		i := bytes.IndexByte(b[line:], '\n')
		if i < 0 {
			break
		}
		line += i + 1
		lines++
	}
	if l := b[line:]; !s.eof && (len(l) == 0 || string(l) == "-" || bytes.HasPrefix(l, []byte("--"))) {
		return line, lines
	}
	return -1, lines
}

// checkSeek goes through b, from one line found to the next, in each way.
func checkSeek(t testing.TB, b []byte, bounds []string) {
	for _, eof := range []bool{false, true} {
		for way := seekOctet; way <= seekLines; way++ {
			s := NewScannerBytes(nil, nil)
			s.eof = eof
			for i, bd := range bounds {
				s.open([]byte(bd), i)
			}
			s.aim()
			s.way, s.wait = max(s.way, way), 20000
			for line := 0; line >= 0 && line <= len(b); {
				wantAt, wantLines := slowSeek(s, b, line)
				at, lines := s.seek(b, line)
				if at != wantAt || lines != wantLines {
					require.Equal(t, []int{wantAt, wantLines}, []int{at, lines}, "%q, way %d from %d of %d, bounds %q", b[max(0, wantAt-20):min(len(b), max(0, wantAt)+40)], way, line, len(b), bounds)
				}
				if at < 0 {
					break
				}
				line = nextLine(b, at)
			}
		}
	}
}

var seekBounds = [][]string{
	{"=_b"}, {"b"}, {"_"}, {"--"}, {"-b"}, {"a_a", "_b"}, {"a?", "b_?", "?c"}, {"x_", "y", "z_"}, {"(a)", "b(", "c'(", "d"}, {"1", "2", "3", "4", "5"}, {"b b_"},
	{strings.Repeat("a", 69) + "_"}, {"----------0123"}, {"=_b", "=_b", "=_bb"},
}

var seekPieces = []string{
	"\n", "\r\n", "-", "--", "---", "_", "\n-", "\n--", "\n--b", "\n--=_b\r\n", "\n--a_a--\n", "\n--_b", "\n--_\n", "\n----\n", "x--=_b\n", "\n--?c\n", "\n--5\n", "a_b?c(d)'", "text of no meaning\r\n", "\n--" + strings.Repeat("a", 69) + "_\n",
	strings.Repeat("-", 72) + "\r\n", strings.Repeat("a_", 100), strings.Repeat("x", 500), strings.Repeat("QUJDREVG\n", 50), strings.Repeat("- ", 50) + "\n", strings.Repeat("\n", 40), strings.Repeat("--\n", 40), "\n--\n--\n", "\n--=_", "\r", "=", "=_b",
}

func TestSeekEqualsSlow(t *testing.T) {
	for _, bounds := range seekBounds {
		for _, p := range seekPieces {
			for _, q := range []string{"", "a", "\n", "\n-", "\n--", "\n--=_b", "\n--b\n"} {
				checkSeek(t, []byte(p+q), bounds)
				checkSeek(t, []byte(q+p), bounds)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		var b []byte
		for size := 300 + n%2*40000; len(b) < size; {
			b = append(b, strings.Repeat(seekPieces[r.IntN(len(seekPieces))], 1<<r.IntN(8))...)
		}
		checkSeek(t, b, seekBounds[r.IntN(len(seekBounds))])
	}
	// A delimiter at each place around the end of a chunk.
	for _, bd := range []string{"=_boundary", "boundary"} {
		for at := seekChunk - 20; at < seekChunk+4; at++ {
			b := append(bytes.Repeat([]byte("x"), at), "\n--"+bd+"\nmore"...)
			checkSeek(t, b, []string{bd})
		}
	}
}

// The cost of a search grows with the octets, whatever they are.
func TestSeekGrowth(t *testing.T) {
	for _, unit := range []string{"\n", "-", "_", "\n-", "\n--", "\n--=_", "\n--=_b", "\n--=_bx", "\n--=_b \t", strings.Repeat("-", 72) + "\n", "-_", "\n--=_b" + strings.Repeat(" ", 1000) + "x"} {
		t.Run(fmt.Sprintf("%.9q", unit), func(t *testing.T) {
			growth(t, 200_000/len(unit), 20, func(n int) string {
				return "Content-Type: multipart/mixed; boundary=\"=_b\"\n\n--=_b\n\n" + strings.Repeat(unit, n)
			}, func(m string) { describeAll(t, m) })
		})
	}
}

func FuzzSeek(f *testing.F) {
	f.Add([]byte("a\n--=_b\nc"), "=_b", uint16(1))
	f.Add([]byte("_-_\n--_b\n"), "a_a|_b", uint16(400))
	f.Add([]byte("--\n-"), "1|2|3|4|5", uint16(2000))
	f.Fuzz(func(t *testing.T, b []byte, bounds string, n uint16) {
		var l []string
		for _, bd := range strings.Split(bounds, "|") {
			if bd != "" && len(l) < 7 && !strings.ContainsAny(bd, "\r\n") {
				l = append(l, bd)
			}
		}
		if len(l) == 0 {
			return
		}
		checkSeek(t, b, l)
		if len(b)*int(n) < 100_000 {
			checkSeek(t, append(bytes.Repeat(b, int(n)), b...), l)
		}
	})
}

func TestFieldNameEqualsSlow(t *testing.T) {
	slow := func(b []byte) int {
		n := 0
		for n < len(b) && ftext[b[n]] {
			n++
		}
		i := n
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		if n == 0 || i >= len(b) || i >= maxFieldName || b[i] != ':' {
			return 0
		}
		return n
	}
	for n := range 20 {
		for c := range 256 {
			for _, end := range []string{"", ":", " :", ": x", " \t: y", "zzzzzzz: "} {
				b := []byte(strings.Repeat("a", n) + string([]byte{byte(c)}) + end)
				require.Equal(t, slow(b), fieldName(b), "%q", b)
			}
		}
	}
	for n := maxFieldName - 9; n < maxFieldName+9; n++ {
		for _, end := range []string{":", " :", "        : "} {
			b := []byte(strings.Repeat("a", n) + end)
			require.Equal(t, slow(b), fieldName(b), "%d %q", n, end)
		}
	}
}

var boundarySeeds = []string{
	"multipart/mixed; boundary=b", "Multipart/Digest;\r\n\tBOUNDARY=\"a b\"; charset=x;", "multipart/x;boundary=\"\"", "multipart/x; boundary=\"a \"", "multipart/x; boundary=a; boundary=a", "multipart/x; boundary=a; boundary=b",
	"multipart/x; boundary*0=a; boundary*1=b", "multipart/x; boundary=a; boundary*=utf-8''b", "multipart/x; boundary=\"a\\\"b\"", "multipart/x; boundary=\"a\r\n b\"", "multipart/x; charset=(;boundary=b)x; boundary=c",
	"multipart/x; charset= ;boundary=c", "multipart/x; boundary=a b", "multipart/x; boundary=a b=c", "multipart/x; boundary=----=_Part_1", "multipart/x; boundary=a(b)", "multipart/x; boundary=a (b)", "multipart/x boundary=a", "multipart/a/b; boundary=c",
	"multipart/x; boundary=\"a", "multipart/x; boundary=\"a\"b; c=d", "multipart/x;; boundary=a", "multipart; boundary=a", "multipart/; boundary=a", "multipart/x; boundary = a", "multipart/x; boundary=a\x00b", "multipart/x; boundary=\xe9", "multipart/x; a; boundary=b",
	"multipart/x; boundary=\"=?utf-8?q?a?=\"", "multipart/x; name=boundary; boundary=b ; ", "multipart/x; boundary=b\r\n ;c=d", "multipart/x; (a) boundary=b", "multipart/x; boundary=(a)b",
}

func checkBoundary(t testing.TB, v []byte) {
	for _, limit := range []int{500, 2} {
		n := 0
		for n < len(v) && isToken(v[n]) {
			n++
		}
		sub, b := plainBoundary(v, n, limit)
		if b == nil {
			continue
		}
		want, ok := scanOddType(v, limit)
		require.True(t, ok, "%q", v)
		require.Equal(t, want, mediaInfo{multipart: true, digest: equalFold(sub, "digest"), boundary: b}, "%q", v)
	}
}

func TestPlainBoundary(t *testing.T) {
	for _, s := range boundarySeeds {
		checkBoundary(t, []byte(s))
	}
	sub, b := plainBoundary([]byte(boundarySeeds[1]), 9, 500)
	require.Equal(t, "Digest", string(sub))
	require.Equal(t, "a b", string(b))
}

func FuzzBoundary(f *testing.F) {
	for _, s := range boundarySeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) { checkBoundary(t, v) })
}
