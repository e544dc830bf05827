package main

// Bounces: what comes back, and what it means for the address it was sent to.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/mime/report"
)

// What a message in the mailbox is.
const (
	bounceHard        = "hard"        // the address is gone for good
	bounceSoft        = "soft"        // it failed, and may not the next time
	bounceDelayed     = "delayed"     // it is still tried
	bounceContent     = "content"     // the message was refused, not the address
	bounceSender      = "sender"      // the sender was refused, not the address
	bounceComplaint   = "complaint"   // an abuse report
	bounceUnsubscribe = "unsubscribe" // a message to unsubscribe-mail
	bounceDelivered   = "delivered"
	bounceOther       = "other" // an automatic reply, a letter, somebody else's bounce
)

// bounceRecord is an element of a batch of the journal of bounces.
type bounceRecord struct {
	Time time.Time `json:"t"`
	// Source names the message: the mailbox, and its UID there. It is dealt
	// with when its last record is written.
	Source string `json:"src"`
	Kind   string `json:"kind"`
	To     string `json:"to,omitempty"`
	// Of is the message that came back, so that two reports of one count
	// once.
	Of     string `json:"of,omitempty"`
	Status string `json:"status,omitempty"`
	Text   string `json:"text,omitempty"`
	// When is when a soft bounce was sent.
	When time.Time `json:"when,omitzero"`
}

// bouncer turns messages into records and suppressions.
type bouncer struct {
	conf    *config
	secret  secret
	dry     bool
	out     *suppressions
	journal *journal // nil for a dry run
	say     func(format string, args ...any)

	known    map[string]bool      // the keys of all lists
	folded   map[string]string    // the same in lower case, for mail systems change it
	codes    map[string]string    // codes in return paths, to keys
	unsub    map[string]string    // codes of unsubscription, to keys
	messages map[string]string    // message identifiers, to keys
	done     map[string]time.Time // sources, and when they were dealt with
	soft     map[string][]strike  // by key
	tally    map[string]int
	silenced int
}

// strike is a soft bounce that counts.
type strike struct {
	of   string
	when time.Time
}

func (p *program) bounces(ctx context.Context, args []string) error {
	var dir, conf string
	var dry, verbose bool
	if _, err := p.flags("bounces", args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "state", "", "")
		fs.StringVar(&conf, "config", "", "")
		fs.BoolVar(&dry, "dry-run", false, "")
		fs.BoolVar(&verbose, "v", false, "")
	}, "state"); err != nil {
		return err
	}
	s, err := lookState(dir)
	if err != nil {
		return usageError{err}
	}
	names, err := s.campaigns()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return wrong("there is no campaign in %s", dir)
	}
	config, err := s.config(conf, names[len(names)-1])
	if err != nil {
		return usageError{err}
	}
	if len(config.mailboxes) == 0 {
		return wrong("%s: no [mailbox NAME]", config.path)
	}
	lock, err := lockFile(s.path("bounces.lock"))
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer lock.Close()
	if s.secret, err = loadSecret(dir); err != nil {
		return err
	}
	b, err := s.openBouncer(config, names, dry)
	if err != nil {
		return err
	}
	defer b.close()
	b.say = func(string, ...any) {}
	if verbose || dry {
		b.say = (&console{w: p.stdout}).note
	}
	var failures []error
	for _, m := range config.mailboxes {
		if err := b.read(ctx, m); err != nil {
			failures = append(failures, fmt.Errorf("[mailbox %s]: %w", m.name, err))
		}
	}
	fmt.Fprintf(p.stderr, "bulkmail: %s\n", b.summary())
	return errors.Join(failures...)
}

func (s *state) openBouncer(c *config, campaigns []string, dry bool) (*bouncer, error) {
	b := &bouncer{conf: c, secret: s.secret, dry: dry, known: map[string]bool{}, folded: map[string]string{}, codes: map[string]string{}, unsub: map[string]string{},
		messages: map[string]string{}, done: map[string]time.Time{}, soft: map[string][]strike{}, tally: map[string]int{}}
	var err error
	if b.out, err = openSuppressions(s.path("suppressed"), c.suppress); err != nil {
		return nil, usageError{err}
	}
	for _, name := range campaigns {
		settings, err := readSettings(s.path("campaigns", name))
		if err != nil {
			return nil, err
		}
		l, err := readListFile(filepath.Join(s.path("campaigns", name), "list.csv"), settings.Column)
		if err != nil {
			return nil, err
		}
		for _, r := range l.recipients {
			if !b.known[r.key] {
				b.known[r.key] = true
				if lower := strings.ToLower(r.key); b.folded[lower] == "" {
					b.folded[lower] = r.key
				} else {
					b.folded[lower] = ambiguous
				}
				b.codes[b.secret.token(useBounce, r.key)] = r.key
				b.unsub[b.secret.token(useUnsubscribe, r.key)] = r.key
			}
			b.messages[b.secret.token(useMessage, name, r.key)] = r.key
		}
	}
	path := s.path("bounces")
	whole, err := readJournal(path, b.replay)
	if err != nil {
		return nil, err
	}
	if !dry {
		b.journal, err = openJournal(path, whole)
	}
	return b, err
}

func (b *bouncer) close() {
	if b.journal != nil {
		b.journal.close()
	}
}

func (b *bouncer) replay(r bounceRecord) error {
	b.done[r.Source] = r.Time
	if r.Kind == bounceSoft {
		b.strike(r)
	}
	return nil
}

// strike counts a soft bounce, and returns how many count at its time.
func (b *bouncer) strike(r bounceRecord) (n int) {
	again := false
	from := r.When.Add(-b.conf.softBounceWindow)
	for _, s := range b.soft[r.To] {
		again = again || s.of == r.Of
		if s.when.After(from) && !s.when.After(r.When.Add(b.conf.softBounceWindow)) {
			n++
		}
	}
	if !again {
		b.soft[r.To] = append(b.soft[r.To], strike{r.Of, r.When})
		n++
	}
	return n
}

// take deals with a message. Once it is recorded, it is not read again.
func (b *bouncer) take(source string, message []byte, now time.Time) error {
	records := b.classify(message, now)
	for i := range records {
		r := &records[i]
		r.Time, r.Source = now, source
		if r.Of == "" {
			r.Of = source
		}
		b.tally[r.Kind]++
		reason := ""
		switch r.Kind {
		case bounceHard:
			reason = strings.TrimSpace("bounced: " + r.Status + " " + r.Text)
		case bounceComplaint, bounceUnsubscribe:
			reason = r.Kind
		case bounceSoft:
			if n := b.strike(*r); n >= b.conf.softBounces {
				reason = strings.TrimSpace(fmt.Sprintf("bounced %d times: %s %s", n, r.Status, r.Text))
			}
		}
		what := r.Kind
		if reason != "" && !b.out.has(r.To) {
			b.silenced++
			what += ", suppressed"
			if !b.dry {
				// Before the record: a crash between the two only adds it twice.
				if err := b.out.add(r.To, reason, now); err != nil {
					return err
				}
			}
		}
		b.say("%s: %s %s %s %s", source, what, r.To, r.Status, r.Text)
	}
	b.done[source] = now
	if b.dry {
		return nil
	}
	return appendRecords(b.journal, records...)
}

// classify says what a message means, in one record at least.
func (b *bouncer) classify(message []byte, now time.Time) []bounceRecord {
	header := mime.ParseBytes(message, nil).Header
	when := now
	if d, err := mime.ParseDate(header.Text("Date")); err == nil && d.Before(now) {
		when = d
	}
	r := report.ParseBytes(message, nil)
	to := addressedTo(header)
	switch r.Kind {
	case report.None, report.AutoReply: // mail programs unsubscribe by themselves
		if key := b.unsubscribed(to); key != "" {
			return []bounceRecord{{Kind: bounceUnsubscribe, To: key}}
		}
	case report.ARF:
		if key := b.complained(r, to); key != "" {
			return []bounceRecord{{Kind: bounceComplaint, To: key, Text: r.Feedback.FeedbackType}}
		}
	case report.DSN, report.Bounce:
		if list := b.bounced(r, to, when); len(list) > 0 {
			return list
		}
	}
	return []bounceRecord{{Kind: bounceOther, Text: r.Kind.String()}}
}

// addressedTo is the addresses that a message came to, as the fields say that
// mail systems write, and its own.
func addressedTo(h mime.Header) (to []string) {
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc"} {
		for f := range h.All(name) {
			for _, a := range f.Addresses() {
				if a.Host != "" {
					to = append(to, a.Addr())
				}
			}
		}
	}
	return to
}

// verp is the recipient whose bounces come to one of the addresses.
func (b *bouncer) verp(to []string) string {
	pattern := b.conf.returnPath
	for _, addr := range to {
		if sender, ok := verpSender(pattern); ok {
			if rcpt, ok := report.ParseVERP(addr, sender); ok {
				if key := b.key(rcpt); key != "" {
					return key
				}
			}
		}
		for _, name := range []string{"token", "recipient"} {
			if code, ok := placeholder(addr, pattern, name); ok && b.codes[code] != "" {
				return b.codes[code]
			}
		}
	}
	return ""
}

// ambiguous stands for addresses that differ in case alone.
const ambiguous = "?"

// key is the key of an address that a list has, or empty.
func (b *bouncer) key(addr string) string {
	_, key, err := parseRecipient(addr)
	if err != nil {
		return ""
	}
	if b.known[key] {
		return key
	}
	if key = b.folded[strings.ToLower(key)]; key == ambiguous {
		return ""
	}
	return key
}

func (b *bouncer) unsubscribed(to []string) string {
	for _, addr := range to {
		if code, ok := placeholder(addr, b.conf.unsubscribeMail, "token"); ok && b.unsub[code] != "" {
			return b.unsub[code]
		}
	}
	return ""
}

// original is the recipient of the message that a report returns, and the code
// of the message.
func (b *bouncer) original(r *report.Report) (key, code string) {
	ids := []string{r.OriginalMessageID}
	if r.Delivery != nil {
		ids = append(ids, r.Delivery.OriginalEnvelopeID)
	}
	for _, id := range ids {
		code, _, _ := strings.Cut(strings.ToLower(id), "@")
		if key := b.messages[code]; key != "" {
			return key, code
		}
	}
	return "", ""
}

func (b *bouncer) complained(r *report.Report, to []string) string {
	if r.Feedback == nil || r.Feedback.FeedbackType == "not-spam" || r.Feedback.FeedbackType == "auth-failure" {
		return ""
	}
	for _, addr := range append([]string{r.Feedback.OriginalMailFrom}, to...) {
		if key := b.verp([]string{addr}); key != "" {
			return key
		}
	}
	for _, addr := range r.Feedback.OriginalRcptTo {
		if key := b.key(addr); key != "" {
			return key
		}
	}
	key, _ := b.original(r)
	return key
}

// bounced is one record for each recipient that a report is about.
func (b *bouncer) bounced(r *report.Report, to []string, when time.Time) (list []bounceRecord) {
	original, code := b.original(r)
	add := func(key string, x *report.Recipient) {
		rec := bounceRecord{Kind: bounceKind(x), To: key, Of: code, Text: x.Diagnostic, When: when}
		if !x.Status.IsZero() {
			rec.Status = x.Status.String()
		}
		list = append(list, rec)
	}
	// The address says who was meant, whatever it was forwarded to.
	if key := b.verp(to); key != "" {
		if x := b.about(r, key); x != nil {
			add(key, x)
		}
		return list
	}
	for i := range r.Recipients {
		x := &r.Recipients[i]
		for _, addr := range []string{x.Original, x.Address} {
			if key := b.key(addr); key != "" {
				add(key, x)
				break
			}
		}
	}
	if len(list) == 0 && original != "" {
		if x := b.about(r, original); x != nil {
			add(original, x)
		}
	}
	return list
}

// about is what a report says of a recipient that it may know by another
// address; nil for nothing.
func (b *bouncer) about(r *report.Report, key string) *report.Recipient {
	for i := range r.Recipients {
		x := &r.Recipients[i]
		if b.key(x.Original) == key || b.key(x.Address) == key {
			return x
		}
	}
	if len(r.Recipients) == 0 {
		return nil
	}
	return &r.Recipients[0]
}

func bounceKind(x *report.Recipient) string {
	switch x.Advice() {
	case report.AdviceSuppress:
		return bounceHard
	case report.AdviceRetry:
		return bounceSoft
	case report.AdviceWait:
		return bounceDelayed
	case report.AdviceContent:
		return bounceContent
	case report.AdviceSender:
		return bounceSender
	}
	return bounceDelivered
}

func (b *bouncer) summary() string {
	total := 0
	for _, n := range b.tally {
		total += n
	}
	s := fmt.Sprintf("%d read", total)
	for _, kind := range []string{bounceHard, bounceSoft, bounceComplaint, bounceUnsubscribe, bounceDelayed, bounceContent, bounceSender,
		bounceDelivered, bounceOther} {
		if n := b.tally[kind]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, kind)
		}
	}
	verb := "suppressed"
	if b.dry {
		verb = "would be suppressed"
	}
	return fmt.Sprintf("%s; %d %s", s, b.silenced, verb)
}

// suppress is the command.
func (p *program) suppress(_ context.Context, args []string) error {
	var dir string
	reason := "by hand"
	fs, err := p.flags("suppress", args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "state", "", "")
		fs.StringVar(&reason, "reason", reason, "")
	}, "state")
	if err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return wrong("suppress: whom? Addresses, domains or codes\nRun bulkmail suppress -h for help.")
	}
	s, err := lookState(dir)
	if err != nil {
		return usageError{err}
	}
	if s.secret, err = loadSecret(dir); err != nil {
		return err
	}
	names, err := s.campaigns()
	if err != nil {
		return err
	}
	out, err := openSuppressions(s.path("suppressed"), nil)
	if err != nil {
		return usageError{err}
	}
	var keys []string
	var codes map[string]string
	for _, who := range fs.Args() {
		if strings.Contains(who, "@") {
			key, err := suppressionKey(who)
			if err != nil {
				return usageError{err}
			}
			keys = append(keys, key)
			continue
		}
		if codes == nil {
			if codes, err = s.unsubscribeCodes(names); err != nil {
				return err
			}
		}
		key := codes[strings.ToLower(who)]
		if key == "" {
			return wrong("%s: no address, and nobody's code", who)
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		if err := out.add(key, reason, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s\n", key)
	}
	return nil
}

func (s *state) unsubscribeCodes(campaigns []string) (map[string]string, error) {
	codes := map[string]string{}
	for _, name := range campaigns {
		settings, err := readSettings(s.path("campaigns", name))
		if err != nil {
			return nil, err
		}
		l, err := readListFile(filepath.Join(s.path("campaigns", name), "list.csv"), settings.Column)
		if err != nil {
			return nil, err
		}
		for _, r := range l.recipients {
			codes[s.secret.token(useUnsubscribe, r.key)] = r.key
		}
	}
	return codes, nil
}
