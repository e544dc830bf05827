package wire_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
)

func ExampleReader() {
	r := wire.NewReader(strings.NewReader("DATA\r\nHello.\r\n..and a dot\r\n.\r\nQUIT\r\n"), wire.Options{})
	line, _ := r.Line(512)
	fmt.Printf("%s\n", line)
	body, _ := io.ReadAll(r.DotBody(wire.DotOptions{}))
	fmt.Printf("%q\n", body)
	line, _ = r.Line(512)
	fmt.Printf("%s at octet %d\n", line, r.Offset())
	// Output:
	// DATA
	// "Hello.\r\n.and a dot\r\n"
	// QUIT at octet 36
}

func ExampleLexer() {
	atom := wire.NewClass("", [2]byte{'A', 'Z'}, [2]byte{'a', 'z'})
	l := wire.NewLexer([]byte("fetch 12 (FLAGS]"), 0)
	l.ExpectFold("FETCH")
	l.ExpectSP()
	n := l.ExpectUint32()
	l.ExpectSP()
	l.ExpectByte('(')
	item := l.ExpectTake(atom, "a FETCH item")
	l.ExpectByte(')')
	l.ExpectEnd()
	fmt.Printf("%d %s: %v\n", n, item, l.Err())
	// Output: 12 FLAGS: syntax error at octet 15: expected ) at "]"
}
