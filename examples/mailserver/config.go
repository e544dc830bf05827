package main

// The command line.

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// listener is one address to serve, and what it is for.
type listener struct {
	name, addr, usage string
}

// The listeners' names, in the order of the help and of the ready message.
const (
	nameSMTP        = "smtp"
	nameSubmission  = "submission"
	nameSubmissions = "submissions"
	nameLMTP        = "lmtp"
	nameIMAP        = "imap"
	nameIMAPS       = "imaps"
	namePOP3        = "pop3"
	namePOP3S       = "pop3s"
)

var defaultListeners = []listener{
	{nameSMTP, "127.0.0.1:2525", "mail from other servers, for the users here; STARTTLS"},
	{nameSubmission, "127.0.0.1:1587", "mail from the users here, who log in; STARTTLS"},
	{nameSubmissions, "127.0.0.1:1465", "the same over TLS from the start"},
	{nameLMTP, "127.0.0.1:2424", "mail from a server in front, one answer a recipient"},
	{nameIMAP, "127.0.0.1:1143", "the mailboxes; STARTTLS"},
	{nameIMAPS, "127.0.0.1:1993", "the same over TLS from the start"},
	{namePOP3, "127.0.0.1:1110", "the INBOX; STLS"},
	{namePOP3S, "127.0.0.1:1995", "the same over TLS from the start"},
}

type user struct{ name, password string }

type config struct {
	dir       string
	users     []user
	domains   []string
	listeners []listener // those that are not off
	cert, key string
	relay     string
	verbose   bool
}

func (c *config) addr(name string) string {
	for _, l := range c.listeners {
		if l.name == name {
			return l.addr
		}
	}
	return ""
}

const usage = `Mailserver keeps mail for a few users in Maildirs and serves it over SMTP, LMTP,
POP3 and IMAP.

	mailserver [flags]

With no flags at all it makes a folder, a certificate and a demo account, listens
on this machine alone, and prints commands to try it with.

An address is host:port, where :port means every address of the machine and port
0 any free port, or "off" to leave the service out.

flags:
`

// parseArgs reads the command line. Help goes to out with flag.ErrHelp.
func parseArgs(args []string, out io.Writer) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("mailserver", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.dir, "dir", "./mailserver-data", "`folder` of the accounts, the certificate and the mail; made if missing")
	fs.Func("user", "`name:password` of an account to make, or to give that password; repeatable", func(s string) error {
		name, password, ok := strings.Cut(s, ":")
		if !ok || password == "" {
			return errors.New("expected name:password")
		}
		name = strings.ToLower(name)
		c.users = append(c.users, user{name, password})
		return checkName(name)
	})
	fs.Func("domain", "`domain` that mail is taken for, each user's at each; repeatable (default example.test)", func(s string) error {
		s = strings.ToLower(s)
		if !validDomain(s) {
			return errors.New("not a domain")
		}
		if !slices.Contains(c.domains, s) {
			c.domains = append(c.domains, s)
		}
		return nil
	})
	addrs := make([]*string, len(defaultListeners))
	for i, l := range defaultListeners {
		addrs[i] = fs.String(l.name, l.addr, "`address` for "+l.usage)
	}
	fs.StringVar(&c.cert, "cert", "", "`file` of the TLS certificate chain, PEM (default: a self-signed one, made once)")
	fs.StringVar(&c.key, "key", "", "`file` of its key, PEM")
	fs.StringVar(&c.relay, "relay", "", "`host:port` of a server that takes mail of the users here for other domains;\nwithout it such mail is refused")
	fs.BoolVar(&c.verbose, "v", false, "print the conversations, without the passwords")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if len(c.domains) == 0 {
		c.domains = []string{"example.test"}
	}
	for i, l := range defaultListeners {
		l.addr = *addrs[i]
		if l.addr == "off" {
			continue
		}
		if _, _, err := net.SplitHostPort(l.addr); err != nil {
			return nil, fmt.Errorf("-%s %s: expected host:port or off", l.name, l.addr)
		}
		c.listeners = append(c.listeners, l)
	}
	if len(c.listeners) == 0 {
		return nil, errors.New("every service is off: nothing to do")
	}
	if c.relay != "" {
		if _, _, err := net.SplitHostPort(c.relay); err != nil {
			return nil, fmt.Errorf("-relay %s: expected host:port", c.relay)
		}
	}
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("-cert and -key go together")
	}
	return c, nil
}

// validDomain takes the domains of RFC 5321 section 4.1.2, and letters beyond
// ASCII for RFC 6531.
func validDomain(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c >= 0x80) {
				return false
			}
		}
	}
	return true
}
