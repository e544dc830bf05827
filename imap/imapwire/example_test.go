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

// A proxy reads each command as a value and passes it on as it came, the
// messages of APPEND as they stream.
func ExampleCommandReader_Raw() {
	client := strings.NewReader("a1 SELECT {5+}\r\nINBOX\r\na2 DELETE Archive\r\n" +
		"a3 APPEND Sent (\\Seen) {7+}\r\nHello\r\n {5+}\r\nworld\r\na4 LOGOUT\r\n")
	var server strings.Builder

	r := imapwire.NewCommandReader(client, imapwire.CommandLimits{})
	pass := func() {
		if raw := r.Raw(); raw != nil {
			// Where imapwire.Waits(raw) has offsets, and before a message that
			// is Sync, the server's continuation comes first.
			server.Write(raw)
			server.WriteString("\r\n")
		}
	}
	for {
		cmd, err := r.Read()
		if err == io.EOF {
			break
		} else if err != nil {
			fmt.Println(err) // the client is told, the server never sees it
			continue
		}
		if del, ok := cmd.Args.(*imapwire.Delete); ok {
			fmt.Println("refused: deleting", del.Mailbox)
			continue
		}
		pass()
		for m := r.Stream(); m != nil; m = r.Stream() {
			m.WriteTo(&server)
			if _, err := r.More(); err != nil {
				fmt.Println(err) // the server has half a command: both connections end
				return
			}
			pass()
		}
	}
	fmt.Printf("%q\n", server.String())
	// Output:
	// refused: deleting Archive
	// "a1 SELECT {5+}\r\nINBOX\r\na3 APPEND Sent (\\Seen) {7+}\r\nHello\r\n {5+}\r\nworld\r\na4 LOGOUT\r\n"
}

// A proxy reads each response as a value and passes it on as it came, bodies as
// they stream.
func ExampleResponseReader_Raw() {
	server := strings.NewReader("* CAPABILITY IMAP4rev1 IDLE\r\n* 1 FETCH (UID 7 BODY[] {12}\r\nHello world! FLAGS ())\r\nServer  Unavailable.\r\n")
	var client strings.Builder

	r := imapwire.NewResponseReader(server, imapwire.ResponseLimits{Buffer: 8})
	for {
		resp, err := r.Read()
		var pe *imapwire.ParseError
		if err != nil && (!errors.As(err, &pe) || pe.Close) {
			break
		}
		if caps, ok := resp.(*imapwire.CapabilityData); ok {
			caps.Capabilities = append(caps.Capabilities, "X-PROXY")
			out, err := imapwire.AppendResponse(nil, caps, nil)
			if err == nil {
				client.Write(out)
				continue
			}
		}
		client.Write(r.Raw())
		client.WriteString("\r\n")
		if m := r.Stream(); m != nil {
			m.WriteTo(&client)
		}
	}
	fmt.Printf("%q\n", client.String())
	// Output: "* CAPABILITY IMAP4rev1 IDLE X-PROXY\r\n* 1 FETCH (UID 7 BODY[] {12}\r\nHello world! FLAGS ())\r\nServer  Unavailable.\r\n"
}

// A message is composed of one on the server and a new text, and another one is
// added in the same command.
func ExampleCommandEncoder_AppendNext() {
	e := imapwire.CommandEncoder{LiteralPlus: true}
	out, err := e.Append(nil, "a1", &imapwire.Append{Mailbox: "Drafts", Parts: []imapwire.CatenatePart{
		{URL: "/Drafts/;UID=20/;SECTION=HEADER"}, {Size: 5},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out = append(out, "Hello"...)
	out, err = e.AppendNext(out, &imapwire.Append{Options: imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Size: 6}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out = e.AppendEnd(append(out, "world!"...))
	fmt.Printf("%s", strings.ReplaceAll(string(out), "\r\n", "|"))
	// Output: a1 APPEND Drafts CATENATE (URL /Drafts/;UID=20/;SECTION=HEADER TEXT {5+}|Hello) (\Seen) {6+}|world!|
}
