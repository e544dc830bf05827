// Imapsync copies or mirrors a mail account from an IMAP server to another one,
// to a Maildir or to mbox files: folders with their special uses, flags and
// dates. It can be stopped anywhere and run again; no message comes twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `Imapsync copies a mail account from an IMAP server to another place.

usage: imapsync [flags] FROM TO

FROM is an IMAP account. TO is another one, a Maildir, or a folder of mbox files:

  imaps://user@mail.example.org/     TLS from the beginning (port 993)
  imap://user@mail.example.org/      TLS by STARTTLS, which must succeed (143)
  imap+clear://user@localhost:143/   no encryption; for the same machine alone
  maildir:/home/ann/Maildir          Maildir++: INBOX itself, folders as .Name
  mbox:/home/ann/mail                INBOX.mbox, Work/Plans.mbox, ...

A user name with an at sign in it is written as it is: imaps://ann@a.example@mail.example.org/

  -from-password FILE  a file whose first line is the password of FROM; without
  -to-password FILE    it, the variables IMAPSYNC_FROM_PASSWORD and
                       IMAPSYNC_TO_PASSWORD are looked at
  -state DIR           what was copied is recorded here; default: imapsync-state
  -folder PATTERN      only folders that match, as IMAP's LIST: * is anything,
                       % anything within one level; may be given several times
  -exclude PATTERN     not these folders; may be given several times
  -subscribed          only folders that are subscribed
  -mirror              also repeat, for messages that imapsync copied, changes of
                       flags and deletions; not for mbox. Messages that are in TO
                       alone are left alone
  -dry-run             say what would be done, and do nothing
  -ca FILE             trust the certificates in FILE too
  -no-binding          do not bind the login to the TLS connection: for servers that
                       offer it (SCRAM-SHA-256-PLUS) and then refuse every login, as
                       Cyrus 3.6 does under TLS 1.3
  -quiet               no progress, no summary; errors alone

A folder with a special use (Sent, Trash, ...) goes to the folder of the same use
in TO where there is one. Messages are read without marking them as seen.
Messages that are in TO already, by their Message-ID and size, are not copied, so
the state may be lost without harm, and the work of another program gone on with.

examples:
  imapsync -dry-run imaps://ann@old.example/ imaps://ann@new.example/
  imapsync -from-password old.txt -to-password new.txt imaps://ann@old.example/ imaps://ann@new.example/
  imapsync -exclude Trash -exclude 'Junk*' imaps://ann@old.example/ maildir:backup
  imapsync -mirror imaps://ann@mail.example/ maildir:backup       # every night

It exits with 0 when everything is where it should be, 1 if something could not be
copied (run it again), 2 if the flags are wrong, and 130 after Ctrl-C.
`

// config is what the flags say.
type config struct {
	from, to                   place
	fromPassword, toPassword   string // files
	state                      string
	folders, exclude           patterns
	subscribed, mirror, dryRun bool
	ca                         string
	noBinding, quiet           bool
}

type patterns []string

func (p *patterns) String() string { return strings.Join(*p, ", ") }

func (p *patterns) Set(s string) error {
	*p = append(*p, s)
	return nil
}

func parseArgs(args []string, stdout io.Writer) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("imapsync", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.fromPassword, "from-password", "", "")
	fs.StringVar(&c.toPassword, "to-password", "", "")
	fs.StringVar(&c.state, "state", "imapsync-state", "")
	fs.Var(&c.folders, "folder", "")
	fs.Var(&c.exclude, "exclude", "")
	fs.BoolVar(&c.subscribed, "subscribed", false, "")
	fs.BoolVar(&c.mirror, "mirror", false, "")
	fs.BoolVar(&c.dryRun, "dry-run", false, "")
	fs.StringVar(&c.ca, "ca", "", "")
	fs.BoolVar(&c.noBinding, "no-binding", false, "")
	fs.BoolVar(&c.quiet, "quiet", false, "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(stdout, usage)
		}
		return nil, err
	}
	if fs.NArg() != 2 {
		return nil, errors.New("expected FROM and TO")
	}
	var err error
	if c.from, err = parsePlace(fs.Arg(0)); err != nil {
		return nil, fmt.Errorf("FROM: %w", err)
	}
	if c.to, err = parsePlace(fs.Arg(1)); err != nil {
		return nil, fmt.Errorf("TO: %w", err)
	}
	switch {
	case c.from.kind != placeIMAP:
		return nil, errors.New("FROM has to be an IMAP account")
	case c.mirror && c.to.kind == placeMbox:
		return nil, errors.New("-mirror is not for mbox files, in which nothing can be changed or deleted safely")
	case c.from == c.to:
		return nil, errors.New("FROM and TO are the same account")
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

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "imapsync: %v\nRun imapsync -h for help.\n", err)
		return exitUsage
	}
	s := &syncer{config: c, out: stdout, errOut: stderr}
	if !c.quiet && !c.dryRun && isTerminal(stderr) {
		s.bar = newBar(stderr)
	}
	err = s.run(ctx)
	s.bar.clear()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "imapsync: interrupted; run it again to go on")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "imapsync: %v\n", err)
		return exitFailed
	}
	if !c.quiet {
		fmt.Fprintln(stdout, s.summary())
	}
	if s.failed > 0 {
		return exitFailed
	}
	return 0
}
