package main

// The row of a message that is larger than memory should hold: the most heap in use while it is read.

import (
	"bytes"
	"io"
	"net/mail"
	"runtime"

	"github.com/emersion/go-message"

	"github.com/mailwire/mailwire/mime"
)

func init() {
	rows = append(rows, row{name: "mime.stream.big", unit: "KB", less: true, measure: heapOf, contenders: func(short bool) (contender, []contender, error) {
		msg := &longMessage{block: big(true)[0], repeat: share(32, short)}
		c := func(name string, f func(io.Reader, *tally) error) contender {
			return contender{name: name, run: func() (n tally, err error) {
				err = f(msg.reader(), &n)
				return
			}}
		}
		return c("ours", oursStream), []contender{c("stdlib", stdlibStream), c("go-message", goMessageStream)}, nil
	}})
}

// heapPeak is the most heap that the readers of long messages have seen since it was set.
var heapPeak uint64

func noteHeap() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	heapPeak = max(heapPeak, m.HeapAlloc)
}

// heapOf returns the KB of heap that a run needs at most, beyond what was in use before.
func heapOf(c contender) float64 {
	heapPeak = 0
	noteHeap()
	before := heapPeak
	c.run() // its error would have shown in check
	return max(1, float64(heapPeak-before)/1024)
}

// A longMessage is a message whose body in base64 comes many times over.
type longMessage struct {
	block  []byte
	repeat int
}

func (l *longMessage) reader() io.Reader {
	end := bytes.LastIndex(l.block, []byte("--=_mixed--"))
	start := bytes.LastIndex(l.block, []byte("\r\n\r\n")) + 4
	parts := []io.Reader{bytes.NewReader(l.block[:start])}
	for range l.repeat {
		parts = append(parts, &heapReader{r: bytes.NewReader(l.block[start:end])})
	}
	return io.MultiReader(append(parts, bytes.NewReader(l.block[end:]))...)
}

// heapReader notes the heap once, in the midst of what it reads.
type heapReader struct {
	r     *bytes.Reader
	noted bool
}

func (h *heapReader) Read(p []byte) (int, error) {
	if !h.noted && int64(h.r.Len()) < h.r.Size()/2 {
		h.noted = true
		noteHeap()
	}
	return h.r.Read(p)
}

func oursStream(r io.Reader, n *tally) error {
	s := mime.NewScanner(r, nil)
	for {
		t, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t.Kind == mime.KindEntityStart {
			n.parts++
		}
	}
}

func stdlibStream(r io.Reader, n *tally) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	return stdlibPart(m.Header.Get("Content-Type"), "", m.Body, structure, true, n)
}

func goMessageStream(r io.Reader, n *tally) error {
	e, err := message.Read(r)
	if err != nil {
		return err
	}
	return goMessagePart(e, structure, true, n)
}
