// Pop3toimap moves or copies a POP3 maildrop into an IMAP mailbox. A journal
// says what is stored, so that a run that was cut short, by whatever, is simply
// repeated: nothing is lost, and nothing comes twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `Pop3toimap moves or copies a POP3 maildrop into an IMAP mailbox.

usage: pop3toimap [flags] FROM TO

  FROM   pop3s://USER@HOST[:PORT]            TLS from the start (port 995)
         pop3://USER@HOST[:PORT]             TLS by STLS (port 110)
  TO     imaps://USER@HOST[:PORT][/MAILBOX]  TLS from the start (port 993)
         imap://USER@HOST[:PORT][/MAILBOX]   TLS by STARTTLS (port 143)
         MAILBOX is INBOX if there is none, and is made if it is missing. What
         is behind %, as in a URL, stands for an octet: "%2F" is a slash.

  -keep             copy: delete nothing. Without it, messages are moved
  -delete-after N   delete messages N days after they were stored
  -n                dry run: say what would be done, and change nothing
  -seen             mark what is stored as read
  -date received    what IMAP shows as the day of arrival: of the newest
                    Received field, else of Date (the default);
  -date date        of Date, else of Received;
  -date now         that of the copying
  -journal FILE     where to keep account of what is stored; by default in the
                    folder of the user's settings, named by FROM and TO
  -from-password FILE, -to-password FILE
                    the passwords: the first line of each file
  -from-mechanism NAME, -to-mechanism NAME
                    log in by this mechanism alone (PLAIN, SCRAM-SHA-256, ...;
                    USER for USER and PASS), where the best that the server
                    offers is refused
  -ca FILE          more authorities to trust, in PEM
  -cleartext        pop3:// and imap:// without TLS, for servers on this machine
  -v                say what becomes of each message

Passwords are taken from the files, else from the environment (POP3_PASSWORD
and IMAP_PASSWORD), else asked for on the terminal.

Each message is written down before it is stored, when it is stored, and when
it is deleted. After a run that was cut short, run the same command again: what
may or may not have been stored is looked for in the mailbox first. The journal
is what tells new messages from old, so keep it. Servers without unique-ids
have their messages told apart by content, which means reading all of them.

examples:
  pop3toimap -n pop3s://ada@pop.example.org imaps://ada@imap.example.org/Old
  pop3toimap -keep pop3s://ada@example.org@pop.example.org imaps://ada@imap.example.org
  pop3toimap -delete-after 14 pop3s://ada@pop.example.org imaps://ada@imap.example.org

It exits with 0 if all is done, 1 if something could not be, 2 if the flags are
wrong, and 130 after Ctrl-C.
`

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// config is what the flags say.
type config struct {
	from, to             *endpoint
	keep, dryRun, seen   bool
	deleteAfter          int // days; -1 for at once
	date                 string
	journal              string
	fromSecret, toSecret string // files
	ca                   string
	cleartext, verbose   bool
	// The mechanisms to log in by; empty for the best there is.
	fromMechanism, toMechanism string
}

func parseArgs(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("pop3toimap", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&c.keep, "keep", false, "")
	fs.IntVar(&c.deleteAfter, "delete-after", -1, "")
	fs.BoolVar(&c.dryRun, "n", false, "")
	fs.BoolVar(&c.seen, "seen", false, "")
	fs.StringVar(&c.date, "date", "received", "")
	fs.StringVar(&c.journal, "journal", "", "")
	fs.StringVar(&c.fromSecret, "from-password", "", "")
	fs.StringVar(&c.toSecret, "to-password", "", "")
	fs.StringVar(&c.fromMechanism, "from-mechanism", "", "")
	fs.StringVar(&c.toMechanism, "to-mechanism", "", "")
	fs.StringVar(&c.ca, "ca", "", "")
	fs.BoolVar(&c.cleartext, "cleartext", false, "")
	fs.BoolVar(&c.verbose, "v", false, "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	days := false
	fs.Visit(func(f *flag.Flag) { days = days || f.Name == "delete-after" })
	switch {
	case fs.NArg() != 2:
		return nil, errors.New("FROM and TO are needed, and nothing else")
	case days && c.deleteAfter < 0:
		return nil, errors.New("-delete-after takes a number of days")
	case days && c.keep:
		return nil, errors.New("-keep and -delete-after exclude each other")
	case c.date != "received" && c.date != "date" && c.date != "now":
		return nil, errors.New("-date is received, date or now")
	}
	var err error
	if c.from, err = parseEndpoint(fs.Arg(0), "pop3"); err != nil {
		return nil, err
	}
	if c.to, err = parseEndpoint(fs.Arg(1), "imap"); err != nil {
		return nil, err
	}
	if c.journal == "" {
		if c.journal, err = defaultJournal(c.from, c.to); err != nil {
			return nil, fmt.Errorf("%w; say where with -journal", err)
		}
	}
	return c, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C does not wait.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns the exit code. Each of change may alter it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, change ...func(*program)) int {
	c, err := parseArgs(args)
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "pop3toimap: %v\nRun pop3toimap -h for help.\n", err)
		return exitUsage
	}
	p := &program{config: c, out: stdout, log: stderr, now: time.Now, settle: settle}
	for _, f := range change {
		f(p)
	}
	err = p.run(ctx)
	p.bar.end()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "pop3toimap: interrupted; run it again to go on")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "pop3toimap: %v\n", err)
		return exitFailed
	case p.failed > 0:
		return exitFailed
	}
	return 0
}
