// Mailparse shows what is in a message: its tree for a person, or one JSON
// object a line, or its text, or its attachments as files. All of it is done
// with the public packages, in memory that does not grow with the message.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `Mailparse shows what is in mail messages.

usage: mailparse [-json | -text | -extract DIR] [-mbox] FILE...

FILE is a message as mail programs save it (.eml, a file of a Maildir), or -
for standard input. Whatever is wrong with a message, it is shown as far as it
can be read, and its faults are listed with their offsets.

  (no flag)     the header and the tree of parts, for a person
  -json         one JSON object a line for each message:
                {"file","subject","from":[{"name","address"}],"to":[...],
                 "date":"RFC 3339, or empty","message_id",
                 "parts":[{"type","charset","encoding","filename",
                           "octets","decoded_octets","sha256"}],
                 "defects":["what at offset n"]}
                parts are the leaves in order, embedded messages entered;
                decoded_octets and sha256 are of the body with its transfer
                encoding undone
  -text         the readable text: plain text, or HTML as text
  -extract DIR  save the attachments and inline files in DIR, which is made if
                it is not there, and the files in uuencoded text, in yEnc and
                in a winmail.dat. Names are made safe, nothing is overwritten:
                a second report.pdf becomes "report (2).pdf"
  -mbox         the files hold many messages each, in any of the mbox forms

examples:
  mailparse letter.eml
  mailparse -json Maildir/cur/* | jq -r .subject
  mailparse -text letter.eml | less
  mailparse -extract files -mbox archive.mbox
  curl -s imap://... | mailparse -

It exits with 0 if all could be read and saved, 1 if some could not, 2 if the
flags are wrong, and 130 after Ctrl-C.
`

// config is what the flags say.
type config struct {
	json, text, mbox bool
	extract          string
	files            []string
}

func parseArgs(args []string, stdout io.Writer) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("mailparse", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&c.json, "json", false, "")
	fs.BoolVar(&c.text, "text", false, "")
	fs.BoolVar(&c.mbox, "mbox", false, "")
	fs.StringVar(&c.extract, "extract", "", "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(stdout, usage)
		}
		return nil, err
	}
	modes, set := 0, false
	fs.Visit(func(f *flag.Flag) { set = set || f.Name == "extract" })
	for _, on := range []bool{c.json, c.text, set} {
		if on {
			modes++
		}
	}
	switch c.files = fs.Args(); {
	case modes > 1:
		return nil, errors.New("-json, -text and -extract exclude each other")
	case set && c.extract == "":
		return nil, errors.New("-extract needs a folder")
	case len(c.files) == 0:
		return nil, errors.New("no FILE given; - is standard input")
	}
	return c, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C does not wait.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "mailparse: %v\nRun mailparse -h for help.\n", err)
		return exitUsage
	}
	out := bufio.NewWriterSize(stdout, 64<<10)
	p := &program{ctx: ctx, config: c, stdin: stdin, out: out, stderr: stderr}
	if isTerminal(stderr) && (c.extract != "" || !isTerminal(stdout)) {
		p.bar = newBar(stderr, p.total())
	}
	err = p.all()
	if e := out.Flush(); err == nil {
		err = e
	}
	p.bar.end()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "mailparse: interrupted")
		return exitInterrupted
	case errors.Is(err, syscall.EPIPE): // less was left
		return exitFailed
	case err != nil:
		fmt.Fprintf(stderr, "mailparse: %v\n", err)
		return exitFailed
	case p.failed:
		return exitFailed
	}
	return 0
}
