package mbox_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/mbox"
)

const file = `From joe@example.org Thu Feb 29 23:59:58 2024
From: joe@example.org
Subject: one

>From the start.

From ann@example.org Fri Mar  1 08:00:00 2024
From: ann@example.org
Subject: two

hello
`

func ExampleReader() {
	for m, err := range mbox.NewReader(strings.NewReader(file), nil).Messages() {
		if err != nil {
			fmt.Println(err)
			return
		}
		b, err := io.ReadAll(m)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Sender, m.Date.Format(time.DateOnly), mime.ParseHeader(b).Text("Subject"))
	}
	// Output:
	// joe@example.org 2024-02-29 one
	// ann@example.org 2024-03-01 two
}

func ExampleOpenRange() {
	f := strings.NewReader(file)
	r := mbox.NewReader(f, nil)
	if _, err := r.Next(); err != nil {
		fmt.Println(err)
		return
	}
	m, err := r.Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := io.Copy(io.Discard, m); err != nil {
		fmt.Println(err)
		return
	}
	again := mbox.OpenRange(f, m.Start, m.End(), r.Variant())
	if _, err := io.Copy(os.Stdout, again); err != nil {
		fmt.Println(err)
	}
	// Output:
	// From: ann@example.org
	// Subject: two
	//
	// hello
}

func ExampleWriter() {
	w := mbox.NewWriter(os.Stdout, mbox.MboxRD, mbox.Limits{})
	m := strings.NewReader("Subject: hello\n\nFrom here on, it is quoted.\n")
	if err := w.WriteMessage("joe@example.org", time.Unix(0, 0), m); err != nil {
		fmt.Println(err)
	}
	// Output:
	// From joe@example.org Thu Jan  1 00:00:00 1970
	// Subject: hello
	//
	// >From here on, it is quoted.
}

func ExampleParseFromLine() {
	sender, date, ok := mbox.ParseFromLine("From joe@example.org Thu, 1 Jan 2015 02:00:00 +0200")
	fmt.Println(sender, date.UTC(), ok)
	_, _, ok = mbox.ParseFromLine("From Russia with love")
	fmt.Println(ok)
	// Output:
	// joe@example.org 2015-01-01 00:00:00 +0000 UTC true
	// false
}
