package imap_test

import (
	"errors"
	"fmt"

	"github.com/mailwire/mailwire/imap"
)

func ExampleUIDs() {
	set := imap.UIDs(3, imap.Max) // "3:*"
	set.Add(1)
	fmt.Println(set)

	have := []imap.UID{1, 2, 3, 500}
	fmt.Println(set.AppendIntersect(nil, have))
	// Output:
	// 3:*,1
	// [1 3 500]
}

func ExampleDecodeUTF7() {
	name, err := imap.DecodeUTF7("Entw&APw-rfe")
	fmt.Println(name, err)
	// Output: Entwürfe <nil>
}

func ExampleCompileList() {
	p := imap.CompileList("", "Lists/%", '/')
	fmt.Println(p.Match("Lists/golang"), p.Match("Lists/golang/nuts"))
	// Output: true false
}

func ExampleError() {
	// What a Backend returns, and the client's caller asks for.
	var err error = fmt.Errorf("append: %w", &imap.Error{Kind: imap.NO, Code: imap.CodeTryCreate, Text: "No such mailbox"})
	fmt.Println(errors.Is(err, imap.ErrTryCreate))
	fmt.Println(err)
	// Output:
	// true
	// append: imap: NO [TRYCREATE] No such mailbox
}

func ExampleBodySection() {
	s := &imap.BodySection{Part: []int{1, 2}, Specifier: imap.PartText, Peek: true, Partial: &imap.Partial{Offset: 0, Count: 1024}}
	text, err := s.AppendText(nil)
	fmt.Printf("%s %v\n", text, err)
	// Output: BODY.PEEK[1.2.TEXT]<0.1024> <nil>
}

func ExampleURL_Resolve() {
	base, err := imap.ParseURL("imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2")
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := base.Resolve(";SECTION=1.4")
	fmt.Println(u, err)
	fmt.Println(u.User, u.Host, u.Mailbox, u.UID, u.Section)
	// Output:
	// imap://joe@example.com/INBOX/;UID=20/;SECTION=1.4 <nil>
	// joe example.com INBOX 20 1.4
}
