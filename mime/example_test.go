package mime_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailwire/mailwire/mime"
)

const message = "From: =?utf-8?q?Ren=C3=A9?= <rene@example.org>\r\n" +
	"Subject: =?utf-8?q?caf=C3=A9?=\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n" +
	"\r\n" +
	"--b\r\n" +
	"Content-Type: text/plain; charset=iso-8859-1\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"\r\n" +
	"bient=F4t\r\n" +
	"--b\r\n" +
	"Content-Type: image/png\r\n" +
	"Content-Transfer-Encoding: base64\r\n" +
	"Content-Disposition: attachment; filename*=utf-8''%C3%A9.png\r\n" +
	"\r\n" +
	"iVBORw==\r\n" +
	"--b--\r\n"

func ExampleParse() {
	src := strings.NewReader(message)
	m, err := mime.Parse(src, src.Size(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Header.Text("Subject"), "from", m.Header.Addresses("From")[0].DisplayName())
	for _, p := range m.Children {
		fmt.Printf("%s, %d octets %q\n", p.ContentType().MediaType(), p.Octets(), p.Filename())
	}
	r, _ := m.Children[0].Text(src)
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)
	// Output:
	// café from René
	// text/plain, 9 octets ""
	// image/png, 8 octets "é.png"
	// bientôt <nil>
}

func ExamplePart_Section() {
	m := mime.ParseBytes([]byte(message), nil)
	r, _, ok := m.Section([]int{2}, mime.SectionMIME)
	fmt.Println(ok, r.Len())
	r, _, ok = m.Section([]int{2}, mime.SectionBody)
	fmt.Println(ok, message[r.Start:r.End])
	_, _, ok = m.Section([]int{3}, mime.SectionBody)
	fmt.Println(ok)
	// Output:
	// true 124
	// true iVBORw==
	// false
}

func ExamplePart_BodyStructure() {
	b := mime.ParseBytes([]byte(message), nil).BodyStructure()
	fmt.Println(b.Type, b.Subtype)
	for _, p := range b.Parts {
		fmt.Println(p.Type, p.Subtype, p.Encoding, p.Octets, p.Lines)
	}
	// Output:
	// multipart mixed
	// text plain quoted-printable 9 0
	// image png base64 8 0
}

func ExampleScanner() {
	s := mime.NewScanner(strings.NewReader("Subject: hi\n\nHello.\n"), nil)
	for {
		t, err := s.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %s %q\n", t.Offset, t.Kind, t.Raw)
	}
	// Output:
	// 0 EntityStart ""
	// 0 Field "Subject: hi\n"
	// 12 HeaderEnd "\n"
	// 13 Body "Hello.\n"
	// 20 EntityEnd ""
}

func ExampleParseAddressList() {
	for _, a := range mime.ParseAddressList(`"Doe, J." <j@example.org>, team: a@example.org;, oops`) {
		switch a.Kind {
		case mime.AddressGroupStart:
			fmt.Println("group", a.DisplayName())
		case mime.AddressGroupEnd:
			fmt.Println("end of group")
		default:
			fmt.Printf("%q %s\n", a.DisplayName(), a.Addr())
		}
	}
	// Output:
	// "Doe, J." j@example.org
	// group team
	// "" a@example.org
	// end of group
	// "" oops
}

func ExampleDecodeText() {
	fmt.Println(mime.DecodeText("=?iso-8859-1?q?Andr=E9?= Pirard"))
	// Output: André Pirard
}

func ExampleParseDate() {
	t, err := mime.ParseDate("Thu, 13 Feb 69 23:32 EST (winter)")
	fmt.Println(t, err)
	// Output: 1969-02-13 23:32:00 -0500 EST <nil>
}

func ExampleHeader_AppendFields() {
	h := mime.ParseHeader([]byte("From: a@b\r\nSubject: x\r\nTo: c@d\r\n\r\n"))
	fmt.Printf("%q\n", h.AppendFields(nil, []string{"from", "to"}, false))
	// Output: "From: a@b\r\nTo: c@d\r\n\r\n"
}

func ExampleParams_Get() {
	d, _ := mime.ParseDisposition("attachment; filename*0*=utf-8''caf%C3; filename*1*=%A9.txt")
	name, _ := d.Params.Get("filename")
	fmt.Println(d.Type, name)
	// Output: attachment café.txt
}

func ExampleParseReceived() {
	r := mime.ParseReceived("from mail.a.example (mail.a.example [192.0.2.1])\r\n" +
		" (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384) by mx.b.example (Postfix)\r\n" +
		" with ESMTPS id 4F2 for <u@b.example>; Wed, 9 Mar 2011 06:19:47 -0500 (EST)")
	fmt.Println(r.From.Domain, r.From.Addr, r.By.Domain, r.With, r.For, r.TLS.Version)
	fmt.Println(r.Date)
	// Output:
	// mail.a.example 192.0.2.1 mx.b.example ESMTPS u@b.example TLSv1.3
	// 2011-03-09 06:19:47 -0500 -0500
}

func ExampleHeader_Unsubscribe() {
	h := mime.ParseHeader([]byte("List-Unsubscribe: <mailto:leave@l.example>, <https://l.example/u?1> (at once)\r\n" +
		"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"))
	u := h.Unsubscribe()
	for _, l := range u.URIs {
		fmt.Printf("%s %q\n", l.URI, l.Comment)
	}
	fmt.Println(u.OneClick)
	// Output:
	// mailto:leave@l.example ""
	// https://l.example/u?1 "at once"
	// https://l.example/u?1
}

func ExampleParseAuthResults() {
	a := mime.ParseAuthResults("mx.example; dkim=pass (2048-bit key) header.d=a.example; spf=fail smtp.mailfrom=b.example")
	for _, r := range a.Results {
		fmt.Println(a.ServerID, r.Method, r.Result, r.Props)
	}
	// Output:
	// mx.example dkim pass [{header d a.example}]
	// mx.example spf fail [{smtp mailfrom b.example}]
}

func ExampleParseListID() {
	l := mime.ParseListID("=?utf-8?q?caf=C3=A9?= talk <cafe.lists.example>")
	fmt.Println(l.Name, l.ID)
	// Output: café talk cafe.lists.example
}
