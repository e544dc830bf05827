package mbox

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

func benchFile(b *testing.B, v Variant) []byte {
	b.Helper()
	var file bytes.Buffer
	w := NewWriter(&file, v, Limits{})
	body := "Subject: a mail\nFrom: a@example.org\nTo: b@example.org\n\n" + strings.Repeat("A line of some length, as text in a mail has it.\n",
		60)
	for range 1000 {
		if err := w.WriteMessage("a@example.org", day, strings.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
	return file.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, v := range []Variant{MboxRD, MboxCL2} {
		file := benchFile(b, v)
		b.Run(fmt.Sprint(v), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				for m, err := range NewReader(bytes.NewReader(file), &Options{Variant: v}).Messages() {
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, m); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	body := "Subject: a mail\nFrom: a@example.org\nTo: b@example.org\n\n" + strings.Repeat("A line of some length, as text in a mail has it.\n",
		600)
	w := NewWriter(io.Discard, MboxRD, Limits{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WriteMessage("a@example.org", day, strings.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}
