// Bulkmail sends one template to a list of people, over several servers with
// limits, and reads the bounces. Whatever happens to it on the way, it goes on
// where it was: nobody is lost, and nobody is sent a message twice. All of it
// is done with the public packages and plain files.
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
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitLeft        = 3
	exitPartly      = 4
	exitBusy        = 5
	exitInterrupted = 130
)

const usage = `Bulkmail sends one template to a list, and reads the bounces.

usage: bulkmail COMMAND [flags]

  send      begin a campaign: a template and a list; or go on with the same
  resume    go on with what is not finished, here or in a paused process
  pause     have a sending process wait, until resume
  status    how far everything is
  bounces   read the mailboxes that bounces come to
  suppress  send nothing more to these addresses
  help      this; "bulkmail help send" and so on, "bulkmail help config"

An example. bulkmail.conf has the servers and their limits; "bulkmail help
config" prints one to begin with. spring.txt is the template:

  Subject: News for {{.Name}}
  To: {{.Name}}

  Dear {{.Name}},
  this is what is new. No more of it: {{.UnsubscribeURL}}
  -- html --
  <p>Dear {{.Name}}, this is <b>what is new</b>.
  <p><a href="{{.UnsubscribeURL}}">No more of it</a>

and people.csv the list, whose first line names the columns:

  email,Name
  joe@example.net,Joe Smith
  eve@example.com,"Eve, of Eden"

See what would be sent, send it, and watch it from another window:

  bulkmail send -config bulkmail.conf -template spring.txt -list people.csv -dry-run -
  bulkmail send -config bulkmail.conf -template spring.txt -list people.csv -state news
  bulkmail status -state news

When the limits of all servers are reached it waits, and goes on by itself.
After Ctrl-C, a crash or a power cut:

  bulkmail resume -state news

and every few hours, from cron:

  bulkmail bounces -state news
  bulkmail resume -state news -once

Who unsubscribed, complained or bounced for good stands in news/suppressed, and
gets nothing from any campaign. Use one state for all campaigns: the limits and
the suppressions are shared.

It exits with
  0    everything is sent, or suppressed
  1    a file or the state can not be read or written, or no server can be used,
       or too many refusals came in a row: see what it says, then resume
  2    flags, configuration, template or list are wrong; nothing was sent
  3    -once: some are left for later
  4    everything is settled, but some failed or are in doubt
  5    another bulkmail is sending from this state
  130  Ctrl-C: what was in flight is settled, the rest is left. A second Ctrl-C
       does not wait, and leaves what was in flight in doubt
`

var commandUsage = map[string]string{
	"send": `usage: bulkmail send -config FILE -template FILE -list FILE -state DIR [flags]

  -config FILE     servers and addresses; see "bulkmail help config"
  -template FILE   header fields, a blank line, text; behind a line "-- html --"
                   the same in HTML. {{.Column}} is a column of the list, as in
                   Go's text/template and html/template; {{index . "First name"}}
                   one with a blank. {{.Recipient}}, {{.Campaign}},
                   {{.UnsubscribeURL}} and {{.UnsubscribeMail}} are there too.
                   Without text, it is made of the HTML. From and Reply-To count
                   before the configuration's; To is the recipient's name
  -list FILE       CSV in UTF-8 with commas, semicolons or tabs; the first line
                   names the columns. An address that comes twice counts once
  -column NAME     the column with the addresses (email)
  -state DIR       where everything is kept; made if it is missing
  -campaign NAME   the campaign's name (the template's file name). The same
                   message of the same campaign is never sent twice to anyone
  -attach FILE     goes with each message; repeatable
  -inline FILE     the same, shown where the HTML says src="cid:FILE", without
                   its folder; repeatable
  -skip-invalid    leave out lines without a good address, instead of refusing
                   the list
  -once            end, instead of waiting, when the limits are reached
  -dry-run DEST    send nothing and keep nothing: write the messages to DEST, a
                   folder, or - for standard output
  -first N         with -dry-run, only the first N

The whole list is checked first, with the message of every recipient: if
anything is wrong, it is told with its line, and nothing is sent.
`,
	"resume": `usage: bulkmail resume -state DIR [flags]

Takes a pause back. If no process is sending, it goes on sending itself, from
the copies of template and list that the state has.

  -campaign NAME   only this one (all that are not finished)
  -config FILE     another configuration than the campaign was begun with
  -retry WHICH     send again to those that are "doubtful", "failed" or both,
                   with a comma. Doubtful are those in flight when bulkmail or
                   the connection died: they may get the message twice
  -once            end, instead of waiting, when the limits are reached
`,
	"pause": `usage: bulkmail pause -state DIR

A process that is sending settles what is in flight and waits, until "bulkmail
resume".
`,
	"status": `usage: bulkmail status -state DIR [flags]

  -campaign NAME   only this one
  -json            for programs, one JSON object
  -list WHICH      print the recipients that are queued, waiting, in-flight,
                   sent, failed, doubtful or suppressed, as CSV: campaign,
                   address, state, time, server, what it said
`,
	"bounces": `usage: bulkmail bounces -state DIR [flags]

Reads what is new in the mailboxes of the configuration. A bounce is matched to
its recipient by the address it came to (VERP), by the recipients it names, or
by the identifier of the message it returns. Addresses that do not exist, and
those that bounce too often for other reasons, are suppressed; so is who
complains, or writes to unsubscribe-mail. Reports of mere delay and automatic
replies count for nothing. It may run while messages are sent.

  -config FILE     another configuration than the last campaign's
  -dry-run         change nothing, and say what would be done
  -v               say what each message is
`,
	"suppress": `usage: bulkmail suppress -state DIR WHO...

WHO is an address, a domain as @example.org, or the code of an unsubscribe
link. All campaigns leave them out from now on, those under way too.

  -reason TEXT     what to note beside it (by hand)
`,
	"config": sampleConfig,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	// A second Ctrl-C does not wait.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is what is wrong with the command line or the files it names.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrong(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// program is one run of the program.
type program struct {
	stdout, stderr io.Writer
}

var commands = map[string]func(*program, context.Context, []string) error{
	"send":     (*program).send,
	"resume":   (*program).resume,
	"pause":    (*program).pause,
	"status":   (*program).status,
	"bounces":  (*program).bounces,
	"suppress": (*program).suppress,
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout, stderr}
	err := p.run(ctx, args)
	var bad usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errPartly):
		return exitPartly
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		fmt.Fprintln(stderr, "bulkmail: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "bulkmail: %v\n", err)
	switch {
	case errors.As(err, &bad):
		return exitUsage
	case errors.Is(err, errLeft):
		return exitLeft
	case errors.Is(err, errLocked):
		return exitBusy
	}
	return exitFailed
}

func (p *program) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return wrong("no command\nRun bulkmail -h for help.")
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help", "help":
		text := usage
		if len(args) > 1 {
			var ok bool
			if text, ok = commandUsage[args[1]]; !ok {
				return wrong("no help on %q\nRun bulkmail -h for help.", args[1])
			}
		}
		io.WriteString(p.stdout, text)
		return nil
	}
	do := commands[name]
	if do == nil {
		return wrong("%q is no command\nRun bulkmail -h for help.", name)
	}
	return do(p, ctx, args[1:])
}

// flags parses a command's flags. Those in need must be there.
func (p *program) flags(name string, args []string, define func(*flag.FlagSet), need ...string) (*flag.FlagSet, error) {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	define(fs)
	hint := fmt.Sprintf("\nRun bulkmail %s -h for help.", name)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(p.stdout, commandUsage[name])
			return nil, err
		}
		return nil, wrong("%s: %w%s", name, err, hint)
	}
	if name != "suppress" && fs.NArg() > 0 {
		return nil, wrong("%s: unexpected argument %q%s", name, fs.Arg(0), hint)
	}
	for _, n := range need {
		if fs.Lookup(n).Value.String() == "" {
			return nil, wrong("%s: -%s is missing%s", name, n, hint)
		}
	}
	return fs, nil
}

// names collects a flag that may be repeated.
type names []string

func (n *names) String() string     { return strings.Join(*n, ", ") }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }
