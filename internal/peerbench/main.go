// Peerbench measures the same work done by mailwire and by its peers, in one run.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
)

const usage = `Peerbench measures the same work done by mailwire and by its peers, in turns.

usage: go run . [-run REGEXP] [-short] [-md]

It prints a line for each peer, with tabs between the columns:

	row  ours  peer  peer_name  ratio  unit

A ratio above 1 means that mailwire is better by that factor, whether the unit
is one of which more is better (MB/s, messages/s) or less (KB of heap).
Corpora are generated, the same in each run. Part counts, decoded octets and
addresses are compared before anything is timed; a difference ends the run.
The yardsticks (indexbyte, base64) do less than the row asks: they show how
near the work comes to finding newlines, or to decoding alone. So does
smtp-sink, of Postfix, which throws all away; it has rows where it is installed.
Servers under load, and the load, are processes of their own.

  -run REGEXP  only the rows whose name matches
  -short       a tenth of the corpora
  -md          a Markdown table
`

func main() {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		if err := runChild(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "peerbench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

func run(args []string, out, errOut io.Writer) error {
	fs := flag.NewFlagSet("peerbench", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.Usage = func() { fmt.Fprint(errOut, usage) }
	pattern := fs.String("run", "", "")
	short := fs.Bool("short", false, "")
	md := fs.Bool("md", false, "")
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; -h explains", fs.Arg(0))
	}
	re, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	p := printer{w: out, md: *md}
	p.head()
	for _, r := range rows {
		if !re.MatchString(r.name) {
			continue
		}
		ours, peers, err := r.contenders(*short)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if err := check(ours, peers); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		for i, v := range measure(r, ours, peers) {
			p.line(r, v.ours, v.peer, peers[i].name)
		}
	}
	return nil
}

type printer struct {
	w  io.Writer
	md bool
}

func (p printer) head() {
	if p.md {
		fmt.Fprint(p.w, "| row | ours | peer | peer_name | ratio | unit |\n|---|---:|---:|---|---:|---|\n")
	}
}

func (p printer) line(r row, ours, peer float64, name string) {
	ratio := ours / peer
	if r.less {
		ratio = peer / ours
	}
	format := "%s\t%.1f\t%.1f\t%s\t%.2f\t%s\n"
	if p.md {
		format = "| %s | %.1f | %.1f | %s | %.2f | %s |\n"
	}
	fmt.Fprintf(p.w, format, r.name, ours, peer, name, ratio, r.unit)
}
