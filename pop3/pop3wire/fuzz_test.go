package pop3wire

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

// The oracles of every fuzz test here: no panic; what was parsed and can be
// encoded parses to the same again; what was made and can be encoded is one
// line that parses to what was made; the same result under any chunking.

func oneLine(t *testing.T, b []byte) []byte {
	t.Helper()
	line, ok := bytes.CutSuffix(b, []byte("\r\n"))
	if !ok || bytes.ContainsAny(line, "\r\n\x00") {
		t.Fatalf("not one clean line: %q", b)
	}
	return line
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"USER mrose", "PASS tan staaf", "APOP a c4c9334bac560ecc979e58001b3e22fb", "LIST", "LIST 1", "TOP 1 10",
		"AUTH", "AUTH PLAIN =", "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", "LANG en", "XTND x", "*ENV 1", "XCLIENT ADDR=192.0.2.1 PORT=1", "\x16\x03\x01", "LA\xc5\xbfT", "GET / HTTP/1.1", "PASS \xff  "} {
		f.Add([]byte(s), uint8(3), s, 7, 9)
	}
	f.Fuzz(func(t *testing.T, line []byte, v uint8, arg string, number, lines int) {
		c, err := ParseCommand(line)
		if err == nil && len(line) < 200 && bytes.IndexAny(line, "\r\n\x00") < 0 && len(c.Verb) <= 16 {
			b, err := AppendCommand(nil, &c)
			if err != nil {
				t.Fatalf("%q parses and can not be encoded: %v", line, err)
			}
			again, err := ParseCommand(oneLine(t, b))
			if err != nil || !reflect.DeepEqual(c, again) {
				t.Fatalf("%q: %+v, again %+v, %v", line, c, again, err)
			}
		}
		made := Command{Verb: verbs[int(v)%len(verbs)]}
		switch made.Verb {
		case USER, PASS, LANG:
			made.Arg = arg
		case APOP:
			made.Arg, made.Digest = arg, strings.Repeat("0f", 16)
		case AUTH:
			made.Arg, made.Initial = strings.ToUpper(arg), line
		case LIST, UIDL, RETR, DELE, ENV:
			made.Number = number
		case XCLIENT:
			made.Attributes = []pop3.Attribute{{Name: "ADDR", Value: arg}, {Name: strings.ToUpper(arg), Value: "x"}}
		case TOP:
			made.Number, made.Lines = number, lines
		}
		b, err := AppendCommand(nil, &made)
		if err != nil {
			return
		}
		again, err := ParseCommand(oneLine(t, b))
		if err != nil || !reflect.DeepEqual(made, again) {
			t.Fatalf("%+v became %+v, %v", made, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"+OK", "-ERR [IN-USE] x", "+OK 2 320", "+ dGVzdA==", "+", "+ Go on.", "-ERR [SYS/TEMP]", "+OK [x", "2 -2147483601", "+OKx", "-ERR  ["} {
		f.Add([]byte(s), uint8(1), "IN-USE", s, int64(5))
	}
	f.Fuzz(func(t *testing.T, line []byte, status uint8, code, text string, n int64) {
		r, err := ParseReply(line)
		if err == nil && bytes.IndexAny(line, "\r\n") < 0 {
			b, err := AppendReply(nil, &r)
			if err != nil {
				// A code in a second place: "+OK[A][B]" has the text "[B]".
				if _, n := responseCode(r.Text); n == 0 || r.Code != "" {
					t.Fatalf("%q parses and can not be encoded: %v", line, err)
				}
				return
			}
			again, err := ParseReply(oneLine(t, b))
			if err != nil || again != r {
				t.Fatalf("%q: %+v, again %+v, %v", line, r, again, err)
			}
			if r.Status == Continue {
				_, _ = ParseChallenge(&r)
			}
			_, _ = ParseStat(r.Text)
			_, _ = ParseLast(r.Text)
			_, _ = ParseUID(r.Text, 1)
		}
		made := Reply{Status: Status(status % 3), Code: pop3.Code(code), Text: text}
		if b, err := AppendReply(nil, &made); err == nil {
			again, err := ParseReply(oneLine(t, b))
			if err != nil || again != made {
				t.Fatalf("%+v became %+v, %v", made, again, err)
			}
		}
		stat := pop3.Stat{Count: int(n % 1000), Size: n}
		if b, err := AppendStat(nil, stat); err == nil {
			r, _ := ParseReply(oneLine(t, b))
			if again, err := ParseStat(r.Text); err != nil || again != stat {
				t.Fatalf("%+v became %+v, %v", stat, again, err)
			}
		}
	})
}

func FuzzListing(f *testing.F) {
	for _, s := range []string{"1 120", " 2\t-5", "3 99999999999999999999", "1 whqtswO00WBw418f9t5JxYwZ", "2 caf\xc3\xa9 ", "7", "0 1", "SASL=PLAIN LOGIN", "EXPIRE 5 USER"} {
		f.Add([]byte(s), 1, int64(2), s)
	}
	f.Fuzz(func(t *testing.T, line []byte, number int, size int64, uid string) {
		if l, err := ParseScanListing(line); err == nil && l.Size >= 0 {
			b, err := AppendScanListing(nil, l)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseScanListing(oneLine(t, b)); err != nil || again != l {
				t.Fatalf("%q: %+v, again %+v, %v", line, l, again, err)
			}
		}
		var p UIDParser
		if l, err := p.Parse(line); err == nil && pop3.ValidUID(l.UID) {
			b, err := AppendUIDListing(nil, l)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := p.Parse(oneLine(t, b)); err != nil || again != l {
				t.Fatalf("%q: %+v, again %+v, %v", line, l, again, err)
			}
		}
		if c, err := ParseCapability(line); err == nil {
			if b, err := AppendCapability(nil, c); err == nil {
				if again, err := ParseCapability(oneLine(t, b)); err != nil || !reflect.DeepEqual(again, c) {
					t.Fatalf("%q: %+v, again %+v, %v", line, c, again, err)
				}
			}
		}
		scan := pop3.ScanListing{Number: number, Size: size}
		if b, err := AppendScanListing(nil, scan); err == nil {
			if again, err := ParseScanListing(oneLine(t, b)); err != nil || again != scan {
				t.Fatalf("%+v became %+v, %v", scan, again, err)
			}
		}
		l := pop3.UIDListing{Number: number, UID: uid}
		if b, err := AppendUIDListing(nil, l); err == nil {
			if again, err := p.Parse(oneLine(t, b)); err != nil || again != l {
				t.Fatalf("%+v became %+v, %v", l, again, err)
			}
		}
	})
}

// pieces reads in pieces of size octets.
type pieces struct {
	r    io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

func FuzzLines(f *testing.F) {
	for _, s := range []string{"1 a\r\n2 b\r\n.\r\n+OK\r\n", ".\r\n", "..\r\n.\n.\r\n", "a\n.\nb\r\n.\r\n", "\r\n.\x00\r\n.\r\n", strings.Repeat("x", 9000) + "\r\n.\r\n"} {
		f.Add([]byte(s), false, 3)
		f.Add([]byte(s), true, 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, lf bool, size int) {
		run := func(r io.Reader) (out []string, left string) {
			w := wire.NewReader(r, wire.Options{Lines: wire.LineLF})
			l := NewLines(w, lf)
			for {
				line, err := l.Next()
				switch {
				case err == io.EOF:
					rest, _ := io.ReadAll(w)
					return out, string(rest)
				case err != nil && l.Err() != nil:
					return append(out, "failed"), ""
				case err != nil:
					line = []byte("too long")
				}
				out = append(out, string(line))
			}
		}
		want, left := run(bytes.NewReader(data))
		got, gotLeft := run(pieces{bytes.NewReader(data), 1 + (size&0x7fffffff)%100})
		if !reflect.DeepEqual(want, got) || left != gotLeft {
			t.Fatalf("in one: %q, %q; in pieces: %q, %q", want, left, got, gotLeft)
		}
		// The body, and its lines cut from it at once.
		all, err := io.ReadAll(Body(wire.NewReader(bytes.NewReader(data), wire.Options{}), lf))
		if err != nil {
			return
		}
		var cut []string
		for line := range bytes.Lines(all) {
			switch line = line[:len(line)-1]; {
			case len(line) >= maxLine:
				line = []byte("too long")
			default:
				line = bytes.TrimSuffix(line, []byte("\r"))
			}
			cut = append(cut, string(line))
		}
		if !reflect.DeepEqual(want, cut) && !slices.Contains(want, "failed") {
			t.Fatalf("%q, of the body %q", want, cut)
		}
	})
}
