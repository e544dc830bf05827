package mbox

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

var seeds = []string{
	"From -\nA: b\n\n>From x\n\nFrom a@b\nC: d\n",
	"From a@b Thu Feb 29 23:59:58 2024\r\nContent-Length: 3\r\n\r\nabc\r\n\r\nFrom a Thu Feb 29 23:59 2024\r\n",
	"From a@b Thu Feb 29 23:59:58 2024\nContent-Length: 0\n\n\n\nFrom a Thu Feb 29 23:59 2024\n",
	"From a@b Thu Feb 29 23:59:58 2024\nA: b\nContent-Length: 7\n\n>From x\n>",
	"junk\nFrom -\n>>>From ", "\n\r\n\r\n>", "a\r\n\r\nFrom ", "", "\xef\xbb\xbfFrom -\n\n", "From \n\nFrom -\n",
}

// FuzzRead holds that any octets read the same under any chunking, without growing, and by their offsets.
func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for v := Auto; v <= MboxCL2; v++ {
			o := &Options{Variant: v}
			whole, err := readAll(t, bytes.NewReader(in), o)
			parts, err2 := readAll(t, iotest.OneByteReader(bytes.NewReader(in)), o)
			require.Equal(t, err, err2)
			require.Equal(t, whole, parts)
			r := NewReader(bytes.NewReader(in), o)
			at := int64(0)
			for _, m := range whole {
				require.LessOrEqual(t, at, m.Offset)
				require.LessOrEqual(t, m.Offset, m.Start)
				require.LessOrEqual(t, m.Start, m.End)
				require.LessOrEqual(t, m.End, int64(len(in)))
				require.LessOrEqual(t, int64(len(m.Body)), m.End-m.Start)
				at = m.End
			}
			for m := range r.Messages() {
				if m == nil {
					continue
				}
				_, err := io.Copy(io.Discard, m)
				require.NoError(t, err)
			}
			if v == MboxRD {
				for _, m := range whole {
					again, err := io.ReadAll(OpenRange(bytes.NewReader(in), m.Start, m.End, v))
					require.NoError(t, err)
					require.Equal(t, m.Body, string(again))
				}
			}
		}
	})
}

// FuzzWrite holds that any messages come back, and that writing does not depend on chunking.
func FuzzWrite(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), []byte(seeds[(i+1)%len(seeds)]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for v := MboxO; v <= MboxCL2; v++ {
			var file, chunked bytes.Buffer
			w, cw := NewWriter(&file, v, Limits{}), NewWriter(&chunked, v, Limits{})
			for _, m := range [][]byte{a, b} {
				require.NoError(t, w.WriteMessage("a@b", day, bytes.NewReader(m)))
				require.NoError(t, cw.WriteMessage("a@b", day, iotest.OneByteReader(bytes.NewReader(m))))
			}
			require.Equal(t, file.String(), chunked.String())
			for _, r := range []io.Reader{bytes.NewReader(file.Bytes()), iotest.HalfReader(&chunked)} {
				got, err := readAll(t, r, &Options{Variant: v})
				require.NoError(t, err)
				require.Len(t, got, 2, "%v %q", v, file.String())
				for i, m := range [][]byte{a, b} {
					w := string(want(v, m))
					if v == MboxO || v == MboxCL {
						// Which lines were quoted before is lost.
						w = strings.ReplaceAll("\n"+w, "\n>From ", "\nFrom ")
						got[i].Body = strings.ReplaceAll("\n"+got[i].Body, "\n>From ", "\nFrom ")
						if v == MboxCL && !bytes.HasSuffix(m, []byte("\n")) {
							w, got[i].Body = strings.TrimRight(w, "\r\n"), strings.TrimRight(got[i].Body, "\r\n")
						}
					}
					require.Equal(t, w, got[i].Body, "%v %q", v, file.String())
				}
			}
		}
	})
}

// FuzzFromLine holds that a sender that is written is read.
func FuzzFromLine(f *testing.F) {
	for _, s := range []string{"joe@example.org", `"a b"@c`, "-", "Mon", "1", `"`, "a\tb", "12:30", "2020-01-01"} {
		f.Add(s, int64(1709251198))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		ParseFromLine(s)
		ParseFromLine("From " + s)
		date := day.AddDate(0, 0, int(unix%100000)).Add(0)
		line, err := AppendFromLine(nil, s, date)
		if err != nil {
			return
		}
		sender, d, ok := ParseFromLine(string(line))
		require.True(t, ok)
		require.True(t, date.Equal(d))
		if s != "" {
			require.Equal(t, s, sender)
		}
	})
}
