package imapwire_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

func ExampleParseCommand() {
	cmd, err := imapwire.ParseCommand([]byte(`a1 UID FETCH 1:* (FLAGS BODY.PEEK[TEXT]<0.100>)`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch a := cmd.Args.(type) {
	case *imapwire.Fetch:
		fmt.Println(cmd.Tag, a.CommandName(), a.Set, len(a.Items))
	}
	// Output: a1 UID FETCH 1:* 2
}

func ExampleParseCommand_error() {
	_, err := imapwire.ParseCommand([]byte(`a1 FETCH 0 FLAGS`), nil)
	var pe *imapwire.ParseError
	if errors.As(err, &pe) {
		fmt.Printf("%s", imapwire.AppendError(nil, pe.Tag, pe.Response()))
	}
	// Output: a1 BAD syntax error at octet 9: imap: set: expected a number above zero at octet 0 at "0 FLAGS"
}

func ExampleFetchEncoder() {
	body := strings.NewReader("Hello")
	var out strings.Builder

	var e imapwire.FetchEncoder
	e.Begin(12)
	e.UID(4827313)
	e.Flags([]imap.Flag{imap.FlagSeen})
	if err := e.Section(&imap.BodySection{Specifier: imap.PartText}, body.Size()); err != nil {
		fmt.Println(err)
		return
	}
	out.Write(e.Buf)
	e.Buf = e.Buf[:0]
	io.Copy(&out, body)
	err := e.End()
	out.Write(e.Buf)
	fmt.Printf("%q %v\n", out.String(), err)
	// Output: "* 12 FETCH (UID 4827313 FLAGS (\\Seen) BODY[TEXT] {5}\r\nHello)\r\n" <nil>
}

func ExampleAppendResponse() {
	out, err := imapwire.AppendResponse(nil, &imapwire.ListData{MailboxInfo: imap.MailboxInfo{
		Name: "Entwürfe", Delimiter: '/', Attrs: []imap.MailboxAttr{imap.AttrDrafts},
	}}, nil)
	fmt.Printf("%q %v\n", out, err)
	// Output: "* LIST (\\Drafts) \"/\" Entw&APw-rfe\r\n" <nil>
}

func ExampleCommandEncoder() {
	e := imapwire.CommandEncoder{}
	out, err := e.Append(nil, "a1", &imapwire.Login{Username: "jörg", Password: "secret"})
	fmt.Printf("%q %v, wait after %v octets\n", out, err, e.Waits)
	// Output: "a1 LOGIN {5}\r\njörg secret\r\n" <nil>, wait after [14] octets
}

func ExampleCommandReader() {
	in := strings.NewReader("a1 LOGIN {3}\r\njoe {6+}\r\nsecret\r\na2 FETCH 0 ALL\r\na3 LOGOUT\r\n")
	r := imapwire.NewCommandReader(in, imapwire.PreAuthCommandLimits())
	r.Continue = func() error { fmt.Println("+ go on"); return nil }
	for {
		cmd, err := r.Read()
		var pe *imapwire.ParseError
		if errors.As(err, &pe) {
			fmt.Println(pe.Tag, pe.Response().Kind)
			continue
		} else if err != nil {
			fmt.Println(err)
			return
		}
		switch a := cmd.Args.(type) {
		case *imapwire.Login:
			fmt.Println(cmd.Tag, "login of", a.Username)
		default:
			fmt.Println(cmd.Tag, a.CommandName())
		}
	}
	// Output:
	// + go on
	// a1 login of joe
	// a2 BAD
	// a3 LOGOUT
	// EOF
}

func ExampleResponseReader() {
	r := imapwire.NewResponseReader(strings.NewReader("* 3 FETCH (UID 7 FLAGS (\\Seen))\r\na1 OK done\r\n"), imapwire.ResponseLimits{})
	for {
		resp, err := r.Read()
		if err != nil {
			fmt.Println(err)
			return
		}
		switch v := resp.(type) {
		case *imapwire.FetchData:
			fmt.Println(v.Seq, v.UID, v.Flags)
		case *imapwire.StatusResponse:
			fmt.Println(v.Tag, v.Cond, v.Text)
		}
	}
	// Output:
	// 3 7 [\Seen]
	// a1 OK done
	// EOF
}
