package main

// The configuration file.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/report"
	"github.com/mailwire/mailwire/smtp"
)

// config is what the file says.
type config struct {
	path             string
	from, replyTo    mailbox
	returnPath       string // with {recipient}, {token} or neither; never empty
	listID           string
	unsubscribeURL   string
	unsubscribeMail  string
	hello            string
	suppress         []string // further suppression files
	retry            []time.Duration
	stopAfter        int // refusals in a row; zero for no limit
	softBounces      int
	softBounceWindow time.Duration
	servers          []*serverConfig
	mailboxes        []*mailboxConfig
}

// mailbox is a name and an address.
type mailbox struct{ name, addr string }

// account is what servers and mailboxes share.
type account struct {
	name, addr    string
	tls           string // implicit, starttls, opportunistic, off; empty for what the port says
	ca            string
	user          string
	passwordFile  string
	passwordEnv   string
	allowClear    bool
	hasCredential bool
}

type serverConfig struct {
	account
	perHour, perDay int // zero for no limit
	connections     int
	perConnection   int
}

type mailboxConfig struct {
	account
	protocol    string // imap or pop3
	folder      string
	deleteAfter time.Duration
}

// sampleConfig is shown by "bulkmail help config" and is a configuration that
// parses.
const sampleConfig = `# bulkmail.conf: who sends, and through whom. Files are found from this file's folder.

from          = Example News <news@example.org>
reply-to      = editors@example.org

# Where bounces go. {recipient} names the recipient as VERP does, such as
# bounces+joe=example.net@example.org; {token}, a code that nobody can guess.
return-path   = bounces+{token}@example.org

# For List-ID and List-Unsubscribe. An https address gets the code in {token}
# (and {email}, {campaign}), and one-click unsubscription by POST (RFC 8058).
# "bulkmail bounces" reads what comes for unsubscribe-mail; "bulkmail suppress"
# takes the codes that your web server was given.
list-id          = Example News <news.example.org>
unsubscribe-url  = https://example.org/unsubscribe?who={token}
unsubscribe-mail = unsubscribe+{token}@example.org

# Nobody in these files gets anything: an address a line, beside those that
# bulkmail itself keeps in STATE/suppressed.
# suppress    = never.txt

# When to try again after a temporary refusal; after the last, it has failed.
retry         = 5m 15m 1h 4h 12h 24h
# So many refusals in a row look like a mistake: stop, and say so.
stop-after    = 25
# Bounces of full mailboxes and the like, before an address is suppressed.
soft-bounces  = 3 in 30d
# The name in EHLO, if this machine's own does not do.
# hello       = news.example.org

# Servers, the first first. Limits are kept under the server's name.
[server main]
addr          = smtp.example.org:587
# tls is starttls (as is on every port but 465), implicit, opportunistic, off.
tls           = starttls
user          = news@example.org
# The password stands in a file, or in an environment variable: password-env.
password-file = main.password
per-hour      = 500
per-day       = 5000
connections   = 2

[server spare]
addr          = smtp.example.net:465
user          = example-news
password-env  = SPARE_PASSWORD
per-day       = 1000

# Where "bulkmail bounces" reads. Messages are left there.
[mailbox bounces]
protocol      = imap
addr          = imap.example.org:993
user          = bounces@example.org
password-file = bounces.password
folder        = INBOX
`

// loadConfig reads the file. Passwords are read when they are needed.
func loadConfig(path string) (*config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return parseConfig(path, string(data))
}

func parseConfig(path, text string) (*config, error) {
	c := &config{
		path:        path,
		retry:       []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour},
		stopAfter:   25,
		softBounces: 3, softBounceWindow: 30 * 24 * time.Hour,
	}
	p := &configParser{config: c, dir: filepath.Dir(path), seen: map[string]bool{}}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

type configParser struct {
	*config
	dir     string
	server  *serverConfig
	mailbox *mailboxConfig
	seen    map[string]bool
}

func (p *configParser) line(line string) error {
	if line[0] == '[' {
		kind, name, _ := strings.Cut(strings.TrimSuffix(line[1:], "]"), " ")
		name = strings.TrimSpace(name)
		if !strings.HasSuffix(line, "]") || name == "" || strings.ContainsAny(name, "[]\"\\") || !printable(name) {
			return errors.New("expected [server NAME] or [mailbox NAME]")
		}
		if id := line; p.seen[id] {
			return fmt.Errorf("a second %s", line)
		} else {
			p.seen[id] = true
		}
		a := account{name: name}
		switch kind {
		case "server":
			p.server, p.mailbox = &serverConfig{account: a, connections: 1, perConnection: 100}, nil
			p.servers = append(p.servers, p.server)
		case "mailbox":
			p.server, p.mailbox = nil, &mailboxConfig{account: a, protocol: "imap", folder: "INBOX"}
			p.mailboxes = append(p.mailboxes, p.mailbox)
		default:
			return fmt.Errorf("[%s: expected server or mailbox", kind)
		}
		return nil
	}
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" {
		return errors.New("expected name = value")
	}
	section := "top"
	if p.server != nil {
		section = "server " + p.server.name
	} else if p.mailbox != nil {
		section = "mailbox " + p.mailbox.name
	}
	if id := section + "\x00" + key; p.seen[id] && key != "suppress" {
		return fmt.Errorf("a second %s", key)
	} else {
		p.seen[id] = true
	}
	if value == "" {
		return fmt.Errorf("%s has no value", key)
	}
	if !printable(value) {
		return fmt.Errorf("%s: a control character", key)
	}
	err := p.set(key, value)
	if err != nil && err != errUnknownKey {
		err = fmt.Errorf("%s: %w", key, err)
	} else if err != nil {
		err = fmt.Errorf("%s: not known in this section", key)
	}
	return err
}

var errUnknownKey = errors.New("unknown")

func (p *configParser) set(key, value string) (err error) {
	switch {
	case p.server != nil:
		s := p.server
		switch key {
		case "per-hour":
			s.perHour, err = positive(value)
		case "per-day":
			s.perDay, err = positive(value)
		case "connections":
			s.connections, err = positive(value)
		case "per-connection":
			s.perConnection, err = positive(value)
		default:
			err = p.account(&s.account, key, value)
		}
		return err
	case p.mailbox != nil:
		m := p.mailbox
		switch key {
		case "protocol":
			if m.protocol = value; value != "imap" && value != "pop3" {
				err = errors.New("expected imap or pop3")
			}
		case "folder":
			m.folder = value
		case "delete-after":
			m.deleteAfter, err = parseDuration(value)
		default:
			err = p.account(&m.account, key, value)
		}
		return err
	}
	switch key {
	case "from":
		p.from, err = parseMailbox(value)
	case "reply-to":
		p.replyTo, err = parseMailbox(value)
	case "return-path":
		p.returnPath = value
	case "list-id":
		p.listID = value
	case "unsubscribe-url":
		p.unsubscribeURL = value
	case "unsubscribe-mail":
		p.unsubscribeMail = value
	case "hello":
		p.hello = value
	case "suppress":
		p.suppress = append(p.suppress, p.file(value))
	case "retry":
		p.retry = nil
		for s := range strings.FieldsSeq(value) {
			d, err := parseDuration(s)
			if err != nil {
				return err
			}
			p.retry = append(p.retry, d)
		}
	case "stop-after":
		p.stopAfter, err = strconv.Atoi(value)
		if err != nil || p.stopAfter < 0 {
			err = errors.New("expected a number, 0 for no limit")
		}
	case "soft-bounces":
		n, window, ok := strings.Cut(value, " in ")
		if !ok {
			return errors.New(`expected such as "3 in 30d"`)
		}
		if p.softBounces, err = positive(strings.TrimSpace(n)); err == nil {
			p.softBounceWindow, err = parseDuration(strings.TrimSpace(window))
		}
	default:
		err = errUnknownKey
	}
	return err
}

func (p *configParser) account(a *account, key, value string) error {
	switch key {
	case "addr":
		if _, _, err := net.SplitHostPort(value); err != nil {
			return fmt.Errorf("%s: expected host:port", value)
		}
		a.addr = value
	case "tls":
		if a.tls = value; !slices.Contains([]string{"implicit", "starttls", "opportunistic", "off"}, value) {
			return errors.New("expected implicit, starttls, opportunistic or off")
		}
	case "ca":
		a.ca = p.file(value)
	case "user":
		a.user = value
	case "password-file":
		a.passwordFile = p.file(value)
	case "password-env":
		a.passwordEnv = value
	case "password":
		return errors.New("is not written here: put it in a file and say password-file, or password-env")
	case "cleartext-login":
		a.allowClear = value == "yes"
		if !a.allowClear && value != "no" {
			return errors.New("expected yes or no")
		}
	default:
		return errUnknownKey
	}
	return nil
}

// file is a path from the configuration's folder.
func (p *configParser) file(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.dir, path)
}

// check checks what goes together.
func (c *config) check() error {
	if c.from.addr == "" {
		return errors.New("from is missing")
	}
	if len(c.servers) == 0 {
		return errors.New("no [server NAME]")
	}
	for _, s := range c.servers {
		if err := s.check(); err != nil {
			return fmt.Errorf("[server %s]: %w", s.name, err)
		}
	}
	for _, m := range c.mailboxes {
		err := m.check()
		if err == nil && m.user == "" {
			err = errors.New("user is missing")
		}
		if err == nil && m.deleteAfter > 0 && m.protocol != "pop3" {
			err = errors.New("delete-after is for pop3")
		}
		if err != nil {
			return fmt.Errorf("[mailbox %s]: %w", m.name, err)
		}
	}
	if c.returnPath == "" {
		c.returnPath = c.from.addr
	}
	if err := checkPattern(c.returnPath, "{token}", "{recipient}"); err != nil {
		return fmt.Errorf("return-path: %w", err)
	}
	if sender, ok := verpSender(c.returnPath); ok {
		if _, err := report.AppendVERP(nil, sender, "a@b.example"); err != nil {
			return fmt.Errorf("return-path: %w", err)
		}
	} else if strings.Contains(c.returnPath, "{recipient}") {
		return errors.New("return-path: {recipient} stands behind a plus sign at the end of the local part: bounces+{recipient}@example.org")
	}
	if c.unsubscribeMail != "" {
		if err := checkPattern(c.unsubscribeMail, "{token}"); err != nil {
			return fmt.Errorf("unsubscribe-mail: %w", err)
		}
		if !strings.Contains(c.unsubscribeMail, "{token}") {
			return errors.New("unsubscribe-mail: {token} is missing: who unsubscribes would not be known")
		}
	}
	if c.unsubscribeURL != "" {
		u, err := url.Parse(expand(c.unsubscribeURL, "token", "x", "email", "x", "campaign", "x"))
		if err == nil && (u.Scheme != "https" || u.Host == "" || strings.ContainsAny(c.unsubscribeURL, " <>,\"")) {
			err = errors.New("expected an https address, without blanks, commas and angle brackets")
		}
		if err == nil && !strings.Contains(c.unsubscribeURL, "{token}") {
			err = errors.New("{token} is missing: who unsubscribes would not be known")
		}
		if err != nil {
			return fmt.Errorf("unsubscribe-url: %w", err)
		}
	}
	if c.listID != "" {
		if _, err := mime.AppendField(nil, mime.StructuredField("List-ID", c.listID), false); err != nil {
			return fmt.Errorf("list-id: %w", err)
		}
		if l := mime.ParseListID(c.listID); l.ID == "" || !strings.HasSuffix(c.listID, "<"+l.ID+">") {
			return errors.New("list-id: expected a name and an identifier: Example News <news.example.org>")
		}
	}
	return nil
}

func (a *account) check() error {
	if a.addr == "" {
		return errors.New("addr is missing")
	}
	a.hasCredential = a.passwordFile != "" || a.passwordEnv != ""
	switch {
	case a.passwordFile != "" && a.passwordEnv != "":
		return errors.New("password-file and password-env exclude each other")
	case a.user != "" && !a.hasCredential:
		return errors.New("user without password-file or password-env")
	case a.user == "" && a.hasCredential:
		return errors.New("a password without user")
	case a.user != "" && a.tls == "off" && !a.allowClear:
		return errors.New("tls = off would show the password to whoever reads the line; cleartext-login = yes allows it")
	}
	return nil
}

// password reads it.
func (a *account) password() (string, error) {
	if a.passwordEnv != "" {
		p := os.Getenv(a.passwordEnv)
		if p == "" {
			return "", fmt.Errorf("%s: the environment variable %s is empty", a.name, a.passwordEnv)
		}
		return p, nil
	}
	data, err := os.ReadFile(a.passwordFile)
	if err != nil {
		return "", err
	}
	p := strings.TrimRight(string(data), "\r\n")
	if p == "" {
		return "", fmt.Errorf("%s is empty", a.passwordFile)
	}
	return p, nil
}

// tlsConfig is nil for the system's authorities.
func (a *account) tlsConfig() (*tls.Config, error) {
	if a.ca == "" {
		return nil, nil
	}
	data, err := os.ReadFile(a.ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: no certificate in PEM", a.ca)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// checkPattern checks an address with placeholders, each of those given once at
// most and in the local part, and no others.
func checkPattern(pattern string, placeholders ...string) error {
	local := pattern[:max(0, strings.LastIndexByte(pattern, '@'))]
	bare, n := pattern, 0
	for _, p := range placeholders {
		n += strings.Count(pattern, p)
		bare = strings.ReplaceAll(bare, p, "x")
		if strings.Contains(pattern, p) && !strings.Contains(local, p) {
			return fmt.Errorf("%s belongs before the at sign", p)
		}
	}
	if n > 1 || strings.ContainsAny(bare, "{}") {
		return fmt.Errorf("expected one of %s", strings.Join(placeholders, " and "))
	}
	p, err := smtp.ParsePath(bare)
	if err == nil && (p.Domain == "" || p.NeedsUTF8()) {
		err = fmt.Errorf("%s: expected an address in ASCII", pattern)
	}
	return err
}

// parseMailbox reads "Name <local@domain>" or an address alone.
func parseMailbox(s string) (mailbox, error) {
	name, addr := "", s
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		name, addr = strings.TrimSpace(s[:i]), s[i+1:len(s)-1]
		if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
			name = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(name[1 : len(name)-1])
		}
	}
	p, err := smtp.ParsePath(addr)
	if err == nil && p.Domain == "" {
		err = errors.New("expected an address")
	}
	return mailbox{name, p.String()}, err
}

func (m mailbox) address() mime.Address { return mime.NewAddress(m.name, m.addr) }

// parseDuration reads what time.ParseDuration reads, and days: 30d.
func parseDuration(s string) (d time.Duration, err error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, e := strconv.Atoi(days)
		if err = e; n > 10000 {
			n = 0
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: expected a time such as 15m, 4h or 30d", s)
	}
	return d, nil
}

func positive(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q: expected a number from 1", s)
	}
	return n, nil
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' || r == 0x7f || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// expand puts values in place of {names}.
func expand(pattern string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(pattern)
}
