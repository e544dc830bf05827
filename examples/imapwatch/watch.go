package main

// What comes, and what is done with it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/mime"
)

type watcher struct {
	config      *config
	out, errOut io.Writer
	options     *imapclient.Options

	// pending are messages that were told of and not dealt with yet.
	pending []imap.UID
}

func (w *watcher) watch(ctx context.Context) error {
	var err error
	if w.options, err = w.config.options(); err != nil {
		return err
	}
	watch := &imapclient.Watcher{Dial: w.dial, Mailbox: w.config.mailbox}
	watch.Options.Poll = w.config.poll
	watch.Options.OnLost = func(err error, wait time.Duration) {
		fmt.Fprintf(w.errOut, "imapwatch: %v; connecting again in %v\n", err, wait.Round(time.Second))
	}
	if w.config.state != "" {
		watch.Cache = &imapclient.FileCache{Dir: w.config.state}
	}
	for change, err := range watch.Changes(ctx) {
		if err != nil {
			var bad *imapwire.ParseError
			if errors.As(err, &bad) {
				fmt.Fprintln(w.errOut, "imapwatch:", err)
				continue
			}
			return err
		}
		switch change.Kind {
		case imap.ChangeNew:
			w.pending = append(w.pending, change.Message.UID)
			// A connection that is lost in it is made anew by the watch, and the
			// work gone on with then.
			if c := watch.Client(); c != nil {
				_ = w.work(ctx, c)
			}
		case imap.ChangeFlags:
			if w.config.all {
				fmt.Fprintf(w.out, "flags of %d: %s\n", change.Message.UID, flagText(change.Message.Flags))
			}
		case imap.ChangeVanished:
			if w.config.all {
				fmt.Fprintf(w.out, "gone: %s\n", change.Vanished)
			}
		}
	}
	return nil
}

func flagText(flags []imap.Flag) string {
	var words []string
	for _, f := range flags {
		words = append(words, plain(string(f)))
	}
	return strings.Join(words, " ")
}

// work deals with the messages that are pending. An error is the connection's.
func (w *watcher) work(ctx context.Context, c *imapclient.Client) error {
	for len(w.pending) > 0 {
		if err := w.message(ctx, c, w.pending[0]); err != nil {
			return err
		}
		w.pending = w.pending[1:]
	}
	return nil
}

// message runs the command on a message and prints its line.
func (w *watcher) message(ctx context.Context, c *imapclient.Client, uid imap.UID) error {
	line, from, subject := "", "", ""
	for m, err := range c.Fetch(ctx, imap.UIDSetOf(uid), imap.FetchUID, imap.FetchInternalDate, imap.FetchEnvelope) {
		if err != nil {
			return err
		}
		if m.UID == uid && m.Envelope != nil {
			from, subject = sender(m.Envelope), plain(mime.DecodeText(m.Envelope.Subject))
			line = fmt.Sprintf("%s  %s  %s\n", m.InternalDate.Local().Format("2006-01-02 15:04"), from, subject)
		}
	}
	if line == "" {
		return nil // it is gone already
	}
	if w.config.run != "" {
		if err := w.command(ctx, c, uid, from, subject); err != nil {
			return err
		}
	}
	_, _ = io.WriteString(w.out, line)
	return nil
}

func sender(e *imap.Envelope) string {
	if len(e.From) == 0 {
		return "(nobody)"
	}
	if name := plain(e.From[0].DisplayName()); name != "" {
		return name
	}
	return plain(e.From[0].Mailbox + "@" + e.From[0].Host)
}

// command runs the command with the message as its input. What goes wrong with it
// is told, and is no error of the connection.
func (w *watcher) command(parent context.Context, c *imapclient.Client, uid imap.UID, from, subject string) error {
	ctx, cancel := context.WithTimeout(parent, w.config.timeout)
	defer cancel()
	shell := []string{"/bin/sh", "-c", w.config.run}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/c", w.config.run}
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), fmt.Sprintf("IMAPWATCH_UID=%d", uid), "IMAPWATCH_MAILBOX="+w.config.mailbox,
		"IMAPWATCH_FROM="+from, "IMAPWATCH_SUBJECT="+subject)
	cmd.Stdout, cmd.Stderr = w.out, w.errOut
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(w.errOut, "imapwatch: %v\n", err)
		return nil
	}
	var lost error
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(parent, imap.UIDSetOf(uid), imap.FetchUID, body) {
		if err != nil {
			lost = err
			break
		}
		if r := m.Open(body); r != nil {
			// A command need not read all of it.
			src := &source{r: r}
			_, _ = io.Copy(in, src)
			lost = src.err
			break
		}
	}
	if lost != nil {
		// Half a message must not be taken for a whole one.
		cancel()
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil && lost == nil && parent.Err() == nil {
		fmt.Fprintf(w.errOut, "imapwatch: message %d: the command: %v\n", uid, err)
	}
	return lost
}

// source notes how reading ended.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
