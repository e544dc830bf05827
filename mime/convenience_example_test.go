package mime_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/mailwire/mailwire/mime"
)

const letter = "From: Jane <jane@example.org>\r\n" +
	"Subject: Re: [offers] Lunch?\r\n" +
	"References: <1@example.org> <2@example.org>\r\n" +
	"Content-Type: multipart/mixed; boundary=m\r\n" +
	"\r\n" +
	"--m\r\n" +
	"Content-Type: multipart/related; boundary=r\r\n" +
	"\r\n" +
	"--r\r\n" +
	"Content-Type: text/html; charset=utf-8\r\n" +
	"\r\n" +
	"<p>Hello <b>Joe</b>,<p>see <a href=\"https://example.org/menu\">the menu</a>. <img src=\"cid:logo@example.org\">\r\n" +
	"<blockquote>Lunch?</blockquote>\r\n" +
	"--r\r\n" +
	"Content-Type: image/png\r\n" +
	"Content-ID: <logo@example.org>\r\n" +
	"Content-Transfer-Encoding: base64\r\n" +
	"\r\n" +
	"iVBORw0KGgo=\r\n" +
	"--r--\r\n" +
	"--m\r\n" +
	"Content-Type: application/pdf\r\n" +
	"Content-Disposition: attachment; filename=\"../menu.pdf\"\r\n" +
	"\r\n" +
	"%PDF-1.4\r\n" +
	"--m--\r\n"

// The text, whatever form the sender gave it.
func ExampleBody_TextReader() {
	m := strings.NewReader(letter)
	p, err := mime.Parse(m, m.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	text := p.Body().TextReader(m, &mime.TextOptions{HTML: mime.HTMLOptions{Links: true}})
	if _, err := io.Copy(os.Stdout, text); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Hello Joe,
	//
	// see the menu <https://example.org/menu>.
	//
	// > Lunch?
}

// Everything that can be saved as a file.
func ExampleBody_Files() {
	m := strings.NewReader(letter)
	p := mime.ParseBytes([]byte(letter), nil)
	for f := range p.Body().Files() {
		size, err := f.DecodedSize(m)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(f.SafeFilename(), f.ContentType().MediaType(), size)
	}
	// Output:
	// part-1-2.png image/png 8
	// menu.pdf application/pdf 8
}

func ExamplePart_Resolve() {
	p := mime.ParseBytes([]byte(letter), nil)
	html := p.Body().HTML[0]
	fmt.Println(html.Resolve("cid:logo@example.org").ContentType().MediaType())
	// Output: image/png
}

func ExamplePreview() {
	s, err := mime.Preview(strings.NewReader(letter), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s)
	// Output: Hello Joe, see the menu.
}

func ExampleHTMLText() {
	fmt.Println(mime.HTMLText("<h1>Menu</h1><ol><li>Soup<li>Fish &amp; chips</ol>", nil))
	// Output:
	// Menu
	//
	// 1. Soup
	// 2. Fish & chips
}

func ExampleBaseSubject() {
	fmt.Println(mime.BaseSubject("Fwd: [offers] Re: Lunch? (fwd)"))
	// Output: Lunch? true
}

func ExampleHeader_ThreadReferences() {
	p := mime.ParseBytes([]byte(letter), nil)
	fmt.Println(p.Header.ThreadReferences())
	// Output: [1@example.org 2@example.org]
}

func ExampleAppendFlowed() {
	text := "> Are you coming to lunch today, or is there again a meeting that you have to attend?\nYes.\n"
	for line := range strings.Lines(string(mime.AppendFlowed(nil, text, nil))) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "> Are you coming to lunch today, or is there again a meeting that you \r\n"
	// "> have to attend?\r\n"
	// "Yes.\r\n"
}

func ExampleFindEmbedded() {
	text := "Here it is:\r\n\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n"
	m := strings.NewReader(text)
	for e, err := range mime.FindEmbedded(m) {
		if err != nil {
			log.Fatal(err)
		}
		data, err := io.ReadAll(e.Open(m))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Kind, e.Name, e.Size, string(data))
	}
	// Output: uuencode cat.txt 3 Cat
}

func ExamplePart_Security() {
	msg := "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; boundary=s\n" +
		"\n--s\n\nHello\n\n--s\nContent-Type: application/pgp-signature\n\n...\n--s--\n"
	m := strings.NewReader(msg)
	if s, ok := mime.ParseBytes([]byte(msg), nil).Security(); ok {
		octets, err := io.ReadAll(s.SignedReader(m))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %v %q\n", s.Kind, s.MICAlg, octets)
	}
	// Output: PGP signed [pgp-sha256] "\r\nHello\r\n"
}

func ExampleParseMaildirName() {
	n, ok := mime.ParseMaildirName("1715969656.M1P2.host,S=2048:2,RS")
	fmt.Println(n.Unique, n.Size, n.Has('S'), n.Has('T'), ok)
	n.Flags += "T"
	fmt.Println(n)
	// Output:
	// 1715969656.M1P2.host,S=2048 2048 true false true
	// 1715969656.M1P2.host,S=2048:2,RST
}
