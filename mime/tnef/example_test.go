package tnef_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/tnef"
)

// The attachments within a winmail.dat.
func ExampleParse() {
	p := mime.ParseBytes([]byte(winmail), nil)
	for part := range p.Leaves() {
		if !part.ContentType().Is("application", "ms-tnef") {
			continue
		}
		data, err := io.ReadAll(part.Open(strings.NewReader(winmail)))
		if err != nil {
			log.Fatal(err)
		}
		m, err := tnef.Parse(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Subject)
		for _, a := range m.Attachments {
			content, err := io.ReadAll(a.Open())
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s, %d octets: %s\n", mime.SafeFilename(a.Filename()), a.Size(), content)
		}
		if r, ok := m.Text(); ok {
			if text, err := io.ReadAll(r); err == nil {
				fmt.Printf("%s\n", text)
			}
		}
	}
	// Output:
	// Offer
	// notes.txt, 5 octets: hello
	// See the file.
}

var winmail = "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	base64.StdEncoding.EncodeToString([]byte("\x78\x9f\x3e\x22\x01\x00"+
		"\x01\x04\x80\x01\x00\x06\x00\x00\x00Offer\x00\xf2\x01"+
		"\x01\x0c\x80\x02\x00\x0e\x00\x00\x00See the file.\x00\x9a\x04"+
		"\x02\x02\x90\x06\x00\x0e\x00\x00\x00\x01\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xfd\x03"+
		"\x02\x10\x80\x01\x00\x0a\x00\x00\x00notes.txt\x00\xec\x03"+
		"\x02\x0f\x80\x06\x00\x05\x00\x00\x00hello\x14\x02"))
