package main

// The commands that send, and those that stop and watch them.

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var errPartly = errors.New("some failed or are in doubt")

// maxShown is how many of a list's problems are told one by one.
const maxShown = 50

func (p *program) send(ctx context.Context, args []string) error {
	var conf, tmpl, listName, dir, name, dry string
	var attach, inline names
	var once bool
	var first int
	c := &content{}
	_, err := p.flags("send", args, func(fs *flag.FlagSet) {
		fs.StringVar(&conf, "config", "", "")
		fs.StringVar(&tmpl, "template", "", "")
		fs.StringVar(&listName, "list", "", "")
		fs.StringVar(&c.Column, "column", "", "")
		fs.StringVar(&dir, "state", "", "")
		fs.StringVar(&name, "campaign", "", "")
		fs.Var(&attach, "attach", "")
		fs.Var(&inline, "inline", "")
		fs.BoolVar(&c.SkipInvalid, "skip-invalid", false, "")
		fs.BoolVar(&once, "once", false, "")
		fs.StringVar(&dry, "dry-run", "", "")
		fs.IntVar(&first, "first", 0, "")
	}, "config", "template", "list")
	switch {
	case err != nil:
		return err
	case dir == "" && dry == "":
		return wrong("send: -state is missing\nRun bulkmail send -h for help.")
	case first != 0 && dry == "":
		return wrong("send: -first is for -dry-run")
	}
	if name == "" {
		name = filepath.Base(tmpl)
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	if err := checkCampaignName(name); err != nil {
		return wrong("%w; -campaign gives it a name", err)
	}
	config, err := loadConfig(conf)
	if err != nil {
		return usageError{err}
	}
	c.Config, c.Created = config.path, time.Now().UTC()
	if err := c.read(tmpl, listName, attach, inline); err != nil {
		return usageError{err}
	}
	letter, list, err := p.check(c, tmpl, listName)
	if err != nil {
		return err
	}
	if dry != "" {
		return p.dryRun(config, dir, name, c, letter, list, dry, first)
	}

	s, err := openState(dir, true)
	if err != nil {
		return err
	}
	defer s.close()
	if s.has(name) {
		same, err := s.same(name, c)
		if err != nil {
			return err
		}
		if !same {
			return wrong("the campaign %s was begun with another template, list or files: \"bulkmail resume\" goes on with it, "+
				"-campaign gives this one a name of its own", name)
		}
	} else {
		if err := p.checkMessages(config, s.secret, name, list, letter); err != nil {
			return err
		}
		if err := s.create(name, c); err != nil {
			return err
		}
	}
	return p.work(ctx, s, config, []string{name}, nil, once)
}

// read reads what the campaign is made of.
func (c *content) read(tmpl, list string, attach, inline names) (err error) {
	if c.template, err = os.ReadFile(tmpl); err != nil {
		return err
	}
	if c.list, err = os.ReadFile(list); err != nil {
		return err
	}
	for _, x := range []struct {
		paths names
		named *[]string
		data  *[][]byte
	}{{attach, &c.Attach, &c.attach}, {inline, &c.Inline, &c.inline}} {
		for _, path := range x.paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := filepath.Base(path)
			if slices.Contains(*x.named, name) {
				return fmt.Errorf("two files are named %s", name)
			}
			*x.named, *x.data = append(*x.named, name), append(*x.data, data)
		}
	}
	return nil
}

// check reads the template and the list, and tells what is wrong with them.
func (p *program) check(c *content, tmpl, listName string) (*letter, *list, error) {
	t, err := parseLetter(tmpl, string(c.template))
	if err != nil {
		return nil, nil, usageError{err}
	}
	t.attach, t.inline = memoryFiles(c.Attach, c.attach), memoryFiles(c.Inline, c.inline)
	l, err := readList(listName, c.list, c.Column)
	if err != nil {
		return nil, nil, usageError{err}
	}
	p.tell(listName, l.problems)
	switch {
	case len(l.problems) > 0 && !c.SkipInvalid:
		return nil, nil, wrong("%s: %d lines are wrong; nothing was sent. Mend them, or leave them out with -skip-invalid", listName, len(l.problems))
	case len(l.recipients) == 0:
		return nil, nil, wrong("%s: nobody is in the list", listName)
	}
	if l.duplicates > 0 {
		fmt.Fprintf(p.stderr, "bulkmail: %s: %d lines have an address that came before, and count once\n", listName, l.duplicates)
	}
	return t, l, nil
}

func memoryFiles(names []string, data [][]byte) (files []file) {
	for i, n := range names {
		files = append(files, file{name: n, content: strings.NewReader(string(data[i])), size: int64(len(data[i]))})
	}
	return files
}

// checkMessages makes every message, and tells what is wrong with any.
func (p *program) checkMessages(c *config, s secret, name string, l *list, t *letter) error {
	m, err := newComposer(c, s, name, l, t)
	if err != nil {
		return err
	}
	var problems []problem
	for _, r := range l.recipients {
		if err := m.check(r); err != nil {
			problems = append(problems, problem{r.line, err})
		}
	}
	if len(problems) > 0 {
		p.tell(l.name, problems)
		return wrong("%s: %d messages can not be made; nothing was sent", l.name, len(problems))
	}
	return nil
}

func (p *program) tell(listName string, problems []problem) {
	for i, x := range problems {
		if i == maxShown {
			fmt.Fprintf(p.stderr, "bulkmail: ... and %d more\n", len(problems)-i)
			return
		}
		fmt.Fprintf(p.stderr, "bulkmail: %s:%d: %v\n", listName, x.line, x.err)
	}
}

// dryRun writes the messages that would be sent.
func (p *program) dryRun(c *config, dir, name string, content *content, t *letter, l *list, dest string, first int) error {
	s := secret("a dry run keeps no secret")
	if dir != "" {
		if state, err := lookState(dir); err == nil {
			if s, err = loadSecret(state.dir); err != nil {
				return err
			}
		}
	}
	if err := p.checkMessages(c, s, name, l, t); err != nil {
		return err
	}
	own := ""
	if dir != "" {
		own = filepath.Join(dir, "suppressed")
	}
	out, err := openSuppressions(own, c.suppress)
	if err != nil && own != "" {
		return usageError{err}
	}
	m, err := newComposer(c, s, name, l, t)
	if err != nil {
		return err
	}
	if dest != "-" {
		if err := os.MkdirAll(dest, 0o700); err != nil {
			return err
		}
	}
	n := 0
	for _, r := range l.recipients {
		if out.has(r.key) {
			continue
		}
		if n++; first > 0 && n > first {
			break
		}
		text, from, err := m.render(r)
		if err != nil {
			return err
		}
		if dest == "-" {
			// What the envelope says stands before the message.
			_, err = fmt.Fprintf(p.stdout, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n\r\n%s\r\n", from, r.path, text)
		} else {
			err = os.WriteFile(filepath.Join(dest, fmt.Sprintf("%06d.eml", n)), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) resume(ctx context.Context, args []string) error {
	var dir, name, conf, retry string
	var once bool
	_, err := p.flags("resume", args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "state", "", "")
		fs.StringVar(&name, "campaign", "", "")
		fs.StringVar(&conf, "config", "", "")
		fs.StringVar(&retry, "retry", "", "")
		fs.BoolVar(&once, "once", false, "")
	}, "state")
	if err != nil {
		return err
	}
	var again []status
	for which := range strings.SplitSeq(retry, ",") {
		switch which {
		case "":
		case doubtful.String():
			again = append(again, doubtful)
		case failed.String():
			again = append(again, failed)
		default:
			return wrong("-retry %s: expected doubtful, failed or both with a comma", which)
		}
	}
	look, err := lookState(dir)
	if err != nil {
		return usageError{err}
	}
	if look.paused() {
		if err := look.unpause(); err != nil {
			return err
		}
		if look.running() && len(again) == 0 {
			fmt.Fprintln(p.stderr, "bulkmail: the process that is sending goes on")
			return nil
		}
	}
	s, err := openState(dir, false)
	if err != nil {
		return err
	}
	defer s.close()
	which := []string{name}
	if name == "" {
		if which, err = s.campaigns(); err != nil {
			return err
		}
	} else if !s.has(name) {
		return wrong("there is no campaign %s in %s", name, dir)
	}
	if len(which) == 0 {
		return wrong("there is no campaign in %s", dir)
	}
	if name == "" {
		if which, err = s.unfinished(which, again); err != nil {
			return err
		}
		if len(which) == 0 {
			fmt.Fprintln(p.stderr, "bulkmail: nothing is left to send")
			return nil
		}
	}
	if conf == "" {
		if conf, err = s.commonConfig(which); err != nil {
			return usageError{err}
		}
	}
	config, err := loadConfig(conf)
	if err != nil {
		return usageError{err}
	}
	return p.work(ctx, s, config, which, again, once)
}

// unfinished are those of the named campaigns in which somebody is left, or is
// in one of the states of again.
func (s *state) unfinished(names []string, again []status) (left []string, err error) {
	for _, name := range names {
		c, _, err := s.look(name)
		if err != nil {
			return nil, err
		}
		counts := c.list.counts()
		n := counts.left()
		for _, state := range again {
			n += counts[state]
		}
		if n > 0 {
			left = append(left, name)
		}
	}
	return left, nil
}

// commonConfig is the configuration that campaigns were begun with: none is
// sent from another's address.
func (s *state) commonConfig(names []string) (path string, err error) {
	for _, name := range names {
		c, err := readSettings(s.path("campaigns", name))
		if err != nil {
			return "", err
		}
		if path != "" && path != c.Config {
			return "", fmt.Errorf("the campaigns %s have different configurations: resume one by one with -campaign", strings.Join(names, ", "))
		}
		path = c.Config
	}
	return path, nil
}

// config is the configuration at path, or that of a campaign.
func (s *state) config(path, name string) (*config, error) {
	if path == "" {
		c, err := readSettings(s.path("campaigns", name))
		if err != nil {
			return nil, err
		}
		path = c.Config
	}
	return loadConfig(path)
}

// work sends what is left of the named campaigns, those of again too, until
// all is settled.
func (p *program) work(ctx context.Context, s *state, config *config, which []string, again []status, once bool) error {
	servers, closeAll, err := openOutlets(config)
	if err != nil {
		return usageError{err}
	}
	defer closeAll()
	out, err := openSuppressions(s.path("suppressed"), config.suppress)
	if err != nil {
		return usageError{err}
	}
	c := &console{w: p.stderr, bar: isTerminal(p.stderr)}
	defer c.end()
	x := &sender{conf: config, state: s, servers: servers, suppressed: out, once: once, note: c.note, show: c.show}
	for _, name := range which {
		campaign, err := s.open(name, config)
		if err != nil {
			return err
		}
		defer campaign.close()
		if err := campaign.requeue(again); err != nil {
			return err
		}
		x.campaigns = append(x.campaigns, campaign)
	}
	if err := x.prepare(); err != nil {
		return err
	}
	err = x.run(ctx)
	c.end()
	p.summary(x)
	if err == nil && x.counts[failed]+x.counts[doubtful] > 0 {
		err = errPartly
	}
	return err
}

// requeue queues those again whose state is one of again.
func (c *campaign) requeue(again []status) error {
	var batch []record
	for _, r := range c.list.recipients {
		if slices.Contains(again, r.state) {
			batch = append(batch, record{Time: time.Now(), What: evRequeue, To: r.key})
		}
	}
	if err := appendRecords(c.journal, batch...); err != nil {
		return err
	}
	for _, r := range batch {
		c.list.byKey[r.To].apply(r)
	}
	return nil
}

// summary says what came of it.
func (p *program) summary(x *sender) {
	for _, c := range x.campaigns {
		n := c.list.counts()
		fmt.Fprintf(p.stderr, "bulkmail: %s: %s\n", c.name, n)
		if n[doubtful] > 0 {
			fmt.Fprintf(p.stderr, "bulkmail: %s: in doubt, and not sent again without -retry doubtful:\n", c.name)
			shown := 0
			for _, r := range c.list.recipients {
				if r.state != doubtful {
					continue
				}
				if shown++; shown > maxShown {
					fmt.Fprintf(p.stderr, "bulkmail:   ... and %d more\n", n[doubtful]-maxShown)
					break
				}
				fmt.Fprintf(p.stderr, "bulkmail:   %s\n", r.path)
			}
		}
	}
}

func (c counts) String() string {
	s := fmt.Sprintf("%d of %d sent", c[sent], c.total())
	for _, x := range []struct {
		n    int
		name string
	}{{c[queued], "queued"}, {c[waiting], "to be tried again"}, {c[inFlight], "in flight"}, {c[failed], "failed"},
		{c[doubtful], "in doubt"}, {c[suppressed], "suppressed"}} {
		if x.n > 0 {
			s += fmt.Sprintf(", %d %s", x.n, x.name)
		}
	}
	return s
}

func (p *program) pause(_ context.Context, args []string) error {
	var dir string
	if _, err := p.flags("pause", args, func(fs *flag.FlagSet) { fs.StringVar(&dir, "state", "", "") }, "state"); err != nil {
		return err
	}
	s, err := lookState(dir)
	if err != nil {
		return usageError{err}
	}
	if err := s.pause(); err != nil {
		return err
	}
	if !s.running() {
		fmt.Fprintln(p.stderr, "bulkmail: nobody is sending; whoever begins will wait for \"bulkmail resume\"")
	}
	return nil
}

// report is what status tells, for programs.
type statusReport struct {
	Running   bool             `json:"running"`
	Paused    bool             `json:"paused"`
	Campaigns []campaignReport `json:"campaigns"`
	Servers   []serverReport   `json:"servers"`
}

type campaignReport struct {
	Name    string         `json:"name"`
	Created time.Time      `json:"created"`
	Total   int            `json:"total"`
	States  map[string]int `json:"states"`
	// Next is when the first of those that wait is due.
	Next time.Time `json:"next,omitzero"`
}

type serverReport struct {
	Name     string `json:"name"`
	Hour     int    `json:"last_hour"`
	PerHour  int    `json:"per_hour,omitempty"`
	Day      int    `json:"last_day"`
	PerDay   int    `json:"per_day,omitempty"`
	FreeFrom string `json:"free_from,omitempty"`
}

func (p *program) status(_ context.Context, args []string) error {
	var dir, name, which string
	var asJSON bool
	if _, err := p.flags("status", args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "state", "", "")
		fs.StringVar(&name, "campaign", "", "")
		fs.StringVar(&which, "list", "", "")
		fs.BoolVar(&asJSON, "json", false, "")
	}, "state"); err != nil {
		return err
	}
	if which != "" && !slices.Contains(statusNames[:], which) {
		return wrong("-list %s: expected one of %s", which, strings.Join(statusNames[:], ", "))
	}
	s, err := lookState(dir)
	if err != nil {
		return usageError{err}
	}
	campaigns, err := s.campaigns()
	if err != nil {
		return err
	}
	if name != "" {
		if !s.has(name) {
			return wrong("there is no campaign %s in %s", name, dir)
		}
		campaigns = []string{name}
	}
	now := time.Now()
	report := statusReport{Running: s.running(), Paused: s.paused(), Campaigns: []campaignReport{}, Servers: []serverReport{}}
	rows := csv.NewWriter(p.stdout)
	for _, name := range campaigns {
		c, _, err := s.look(name)
		if err != nil {
			return err
		}
		n := c.list.counts()
		one := campaignReport{Name: name, Created: c.Created, Total: n.total(), States: map[string]int{}}
		for state, count := range n {
			if count > 0 {
				one.States[status(state).String()] = count
			}
		}
		for _, r := range c.list.recipients {
			if r.state == waiting && (one.Next.IsZero() || r.due.Before(one.Next)) {
				one.Next = r.due
			}
			if which != "" && r.state.String() == which {
				at := ""
				if !r.at.IsZero() {
					at = r.at.Format(time.RFC3339)
				}
				_ = rows.Write([]string{name, r.path.String(), which, at, r.server, r.reply})
			}
		}
		report.Campaigns = append(report.Campaigns, one)
	}
	if which != "" {
		rows.Flush()
		return rows.Error()
	}
	if report.Servers, err = s.serverReports(campaigns, now); err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	report.print(p.stdout, now)
	return nil
}

// serverReports tells of the servers that were used, with the limits of the
// last campaign's configuration, where that can be read.
func (s *state) serverReports(campaigns []string, now time.Time) ([]serverReport, error) {
	uses, err := s.loadUses(now)
	if err != nil {
		return nil, err
	}
	reports := []serverReport{}
	var config *config
	if len(campaigns) > 0 {
		config, _ = s.config("", campaigns[len(campaigns)-1])
	}
	if config != nil {
		for _, c := range config.servers {
			l := limiter{c.perHour, c.perDay, uses[c.name]}
			delete(uses, c.name)
			r := serverReport{Name: c.name, PerHour: c.perHour, PerDay: c.perDay}
			if at := l.free(now); at.After(now) {
				r.FreeFrom = at.Format(time.RFC3339)
			}
			r.Hour, r.Day = l.used(now, hour), l.used(now, day)
			reports = append(reports, r)
		}
	}
	var others []string
	for name := range uses {
		others = append(others, name)
	}
	slices.Sort(others)
	for _, name := range others {
		l := limiter{uses: uses[name]}
		reports = append(reports, serverReport{Name: name, Hour: l.used(now, hour), Day: l.used(now, day)})
	}
	return reports, nil
}

func (r *statusReport) print(w io.Writer, now time.Time) {
	switch {
	case r.Running && r.Paused:
		fmt.Fprintln(w, "a process is waiting: paused")
	case r.Running:
		fmt.Fprintln(w, "a process is sending")
	case r.Paused:
		fmt.Fprintln(w, "paused, and nobody is sending")
	default:
		fmt.Fprintln(w, "nobody is sending")
	}
	for _, c := range r.Campaigns {
		var n counts
		for state, name := range statusNames {
			n[state] = c.States[name]
		}
		fmt.Fprintf(w, "campaign %s: %s", c.Name, n)
		if c.Next.After(now) {
			fmt.Fprintf(w, ", next %s", c.Next.Local().Format(time.DateTime))
		}
		fmt.Fprintln(w)
	}
	for _, s := range r.Servers {
		fmt.Fprintf(w, "server %s: %s in the last hour, %s in the last day", s.Name, share(s.Hour, s.PerHour), share(s.Day, s.PerDay))
		if t, err := time.Parse(time.RFC3339, s.FreeFrom); err == nil {
			fmt.Fprintf(w, ", free from %s", t.Local().Format(time.DateTime))
		}
		fmt.Fprintln(w)
	}
}

func share(n, of int) string {
	if of == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, of)
}
