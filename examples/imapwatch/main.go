// Imapwatch prints new mail as it comes, and runs a command on it. It waits as the
// server can (NOTIFY, IDLE, or asking), renews the wait by itself, and connects
// again when the line is lost, without missing anything in between.
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
	"time"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `Imapwatch prints new mail as it comes, and runs a command on it.

usage: imapwatch [flags] ACCOUNT

ACCOUNT is an IMAP account:

  imaps://user@mail.example.org/     TLS from the beginning (port 993)
  imap://user@mail.example.org/      TLS by STARTTLS, which must succeed (143)
  imap+clear://user@localhost:143/   no encryption; for the same machine alone

  -password FILE   a file whose first line is the password; without it, the
                   variable IMAPWATCH_PASSWORD is looked at
  -mailbox NAME    what is watched; default: INBOX
  -state DIR       remember in DIR what was seen: what came while imapwatch did not
                   run is told too. Without it, it begins with what comes next
  -all             print changes of flags and deletions too
  -run COMMAND     run COMMAND, by the shell, for each new message. Its standard
                   input is the message; IMAPWATCH_UID, IMAPWATCH_MAILBOX,
                   IMAPWATCH_FROM and IMAPWATCH_SUBJECT tell more. Never put these
                   into a command line without quotes: strangers write them
  -timeout TIME    how long COMMAND may take; default: 5m
  -poll TIME       how often a server that can not tell by itself is asked;
                   default: 1m
  -ca FILE         trust the certificates in FILE too
  -no-binding      do not bind the login to the TLS connection, for servers that
                   offer it (SCRAM-SHA-256-PLUS) and then refuse every login

For each new message a line is printed: when it came, who sent it, its subject.
Messages are read without marking them as seen. Ctrl-C ends it.

examples:
  imapwatch imaps://ann@mail.example/
  imapwatch -state ~/.imapwatch -run 'notify-send "$IMAPWATCH_FROM" "$IMAPWATCH_SUBJECT"' imaps://ann@mail.example/
  imapwatch -mailbox Bounces -state seen -run './bounce.sh' imaps://list@mail.example/

It exits with 0 or 130 after Ctrl-C, 1 if it can not go on, such as when the
password is wrong, and 2 if the flags are.
`

// config is what the flags say.
type config struct {
	account                      account
	password, mailbox, state, ca string
	run                          string
	all, noBinding               bool
	timeout, poll                time.Duration
}

func parseArgs(args []string, stdout io.Writer) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("imapwatch", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.password, "password", "", "")
	fs.StringVar(&c.mailbox, "mailbox", "INBOX", "")
	fs.StringVar(&c.state, "state", "", "")
	fs.BoolVar(&c.all, "all", false, "")
	fs.StringVar(&c.run, "run", "", "")
	fs.DurationVar(&c.timeout, "timeout", 5*time.Minute, "")
	fs.DurationVar(&c.poll, "poll", time.Minute, "")
	fs.StringVar(&c.ca, "ca", "", "")
	fs.BoolVar(&c.noBinding, "no-binding", false, "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(stdout, usage)
		}
		return nil, err
	}
	if fs.NArg() != 1 {
		return nil, errors.New("expected an ACCOUNT")
	}
	if c.timeout <= 0 || c.poll <= 0 {
		return nil, errors.New("-timeout and -poll have to be longer than nothing")
	}
	var err error
	c.account, err = parseAccount(fs.Arg(0))
	return c, err
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
		fmt.Fprintf(stderr, "imapwatch: %v\nRun imapwatch -h for help.\n", err)
		return exitUsage
	}
	w := &watcher{config: c, out: stdout, errOut: stderr}
	err = w.watch(ctx)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "imapwatch: %v\n", err)
		return exitFailed
	}
	return 0
}

// plain is text that a terminal can be given: strangers write it.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, s))
}
