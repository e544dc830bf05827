package wire_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/mailwire/mailwire/internal/wire"
)

// A body of 76-octet lines, one in a hundred of which begins with a dot.
func benchBody() (content, stuffed []byte) {
	line := strings.Repeat("The quick brown fox jumps. ", 3)[:76] + "\r\n"
	var c, s bytes.Buffer
	for i := range 100000 {
		l := line
		if i%100 == 0 {
			l = "." + line[1:]
			s.WriteByte('.')
		}
		c.WriteString(l)
		s.WriteString(l)
	}
	s.WriteString(".\r\n")
	return c.Bytes(), s.Bytes()
}

func unpoisoned(b *testing.B) {
	wire.SetPoison(false)
	b.Cleanup(func() { wire.SetPoison(true) })
}

// BenchmarkDot reads and writes a dot-stuffed body. The yardstick is what
// bytes.IndexByte takes to count its lines.
func BenchmarkDot(b *testing.B) {
	unpoisoned(b)
	content, stuffed := benchBody()
	b.Run("yardstick=IndexByte", func(b *testing.B) {
		b.SetBytes(int64(len(stuffed)))
		for b.Loop() {
			n := 0
			for rest := stuffed; ; n++ {
				i := bytes.IndexByte(rest, '\n')
				if i < 0 {
					break
				}
				rest = rest[i+1:]
			}
		}
	})
	src := bytes.NewReader(stuffed)
	r := wire.NewReader(src, wire.Options{})
	p := make([]byte, 32<<10)
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(stuffed)))
		b.ReportAllocs()
		for b.Loop() {
			src.Reset(stuffed)
			r.Reset(src)
			d := r.DotBody(wire.DotOptions{})
			for {
				if _, err := d.Read(p); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("read=WriteTo", func(b *testing.B) {
		b.SetBytes(int64(len(stuffed)))
		b.ReportAllocs()
		for b.Loop() {
			src.Reset(stuffed)
			r.Reset(src)
			if _, err := r.DotBody(wire.DotOptions{}).WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		b.ReportAllocs()
		for b.Loop() {
			w := wire.NewDotWriter(io.Discard, wire.BareReject)
			for rest := content; len(rest) > 0; {
				n := min(len(rest), 32<<10)
				if _, err := w.Write(rest[:n]); err != nil {
					b.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	unpoisoned(b)
	content, _ := benchBody()
	src := bytes.NewReader(content)
	r := wire.NewReader(src, wire.Options{})
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(content)
		r.Reset(src)
		for {
			if _, err := r.Line(0); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkBase64(b *testing.B) {
	unpoisoned(b)
	data := bytes.Repeat([]byte("0123456789abcde"), 100000)
	var lines bytes.Buffer
	w := wire.NewBase64Writer(&lines)
	w.Write(data)
	w.Close()
	encoded := lines.Bytes()
	flat := []byte(base64.StdEncoding.EncodeToString(data))
	out := make([]byte, len(flat))
	b.Run("yardstick=encoding.Decode", func(b *testing.B) {
		b.SetBytes(int64(len(flat)))
		for b.Loop() {
			if _, err := base64.StdEncoding.Decode(out, flat); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(encoded)))
		b.ReportAllocs()
		p := make([]byte, 32<<10)
		for b.Loop() {
			d := wire.NewBase64Reader(bytes.NewReader(encoded))
			for {
				if _, err := d.Read(p); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			w := wire.NewBase64Writer(io.Discard)
			w.Write(data)
			w.Close()
		}
	})
}
