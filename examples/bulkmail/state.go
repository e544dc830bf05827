package main

// The state: a folder with all that outlives the process.
//
//	lock            held while messages are sent
//	secret          what codes are made with
//	pause           exists while sending is paused
//	suppressed      who gets nothing any more
//	bounces         the journal of "bulkmail bounces"
//	campaigns/NAME/ one template and one list:
//	  campaign      how it was begun, in JSON
//	  template
//	  list.csv
//	  files/        what goes with the messages
//	  journal       what became of each recipient
//
// A campaign has copies of its files: it goes on with what it began with.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

var errLocked = errors.New("another bulkmail is at work there")

// state is the folder, opened.
type state struct {
	dir    string
	secret secret
	lock   *os.File // nil where it was opened to look
}

// openState opens a state to send from it. It is made where it is missing and
// create is set.
func openState(dir string, create bool) (*state, error) {
	if create {
		if err := os.MkdirAll(filepath.Join(dir, "campaigns"), 0o700); err != nil {
			return nil, err
		}
	}
	s, err := lookState(dir)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if s.lock, err = lockFile(filepath.Join(dir, "lock")); err == nil {
			break
		}
		if !errors.Is(err, errLocked) || try == 5 {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		time.Sleep(20 * time.Millisecond) // who only looks whether it is locked has it for a moment
	}
	if s.secret, err = loadSecret(dir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// lookState opens a state to look at it.
func lookState(dir string) (*state, error) {
	st, err := os.Stat(filepath.Join(dir, "campaigns"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.IsDir() {
		return nil, fmt.Errorf("%s is no state of bulkmail: \"bulkmail send\" makes one", dir)
	}
	if err != nil {
		return nil, err
	}
	return &state{dir: dir}, nil
}

func (s *state) close() {
	if s.lock != nil {
		s.lock.Close()
	}
}

func (s *state) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// running reports whether a process sends from the state.
func (s *state) running() bool {
	f, err := lockFile(s.path("lock"))
	if err == nil {
		f.Close()
	}
	return errors.Is(err, errLocked)
}

func (s *state) paused() bool {
	_, err := os.Stat(s.path("pause"))
	return err == nil
}

func (s *state) pause() error { return writeFile(s.path("pause"), nil) }

func (s *state) unpause() error {
	err := os.Remove(s.path("pause"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// settings is how a campaign was begun.
type settings struct {
	Created time.Time `json:"created"`
	Config  string    `json:"config"`
	Column  string    `json:"column,omitempty"`
	// The names of the files as they are sent; in files/ they are numbered.
	Attach []string `json:"attach,omitempty"`
	Inline []string `json:"inline,omitempty"`
	// SkipInvalid leaves out lines of the list without a good address.
	SkipInvalid bool `json:"skip_invalid,omitempty"`
}

// content is what a campaign is made of.
type content struct {
	settings
	template, list []byte
	attach, inline [][]byte
}

// campaign is one that is in a state.
type campaign struct {
	settings
	name, dir string
	list      *list
	letter    *letter
	journal   *journal
	files     []*os.File
	composer  *composer
}

func checkCampaignName(name string) error {
	for _, r := range name {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r)) {
			return fmt.Errorf("campaign %q: expected letters, digits, dots, - and _", name)
		}
	}
	if name == "" || name[0] == '.' || len(name) > 100 {
		return fmt.Errorf("campaign %q: expected 1 to 100 letters and digits", name)
	}
	return nil
}

// create puts a campaign into the state, whole or not at all.
func (s *state) create(name string, c *content) error {
	tmp := s.path("campaigns", ".new")
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(tmp, "files"), 0o700); err != nil {
		return err
	}
	head, err := json.MarshalIndent(c.settings, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{"campaign": append(head, '\n'), "template": c.template, "list.csv": c.list, "journal": nil}
	for i, data := range c.attach {
		files[numbered("attach", i)] = data
	}
	for i, data := range c.inline {
		files[numbered("inline", i)] = data
	}
	for name, data := range files {
		if err := writeFile(filepath.Join(tmp, name), data); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, s.path("campaigns", name)); err != nil {
		return err
	}
	return syncParent(s.path("campaigns", name))
}

func numbered(kind string, i int) string {
	return filepath.Join("files", fmt.Sprintf("%s-%d", kind, i+1))
}

// same reports whether a campaign that is there was begun with c.
func (s *state) same(name string, c *content) (bool, error) {
	dir := s.path("campaigns", name)
	was, err := readSettings(dir)
	if err != nil {
		return false, err
	}
	if was.Column != c.Column || was.SkipInvalid != c.SkipInvalid || !slices.Equal(was.Attach, c.Attach) || !slices.Equal(was.Inline, c.Inline) {
		return false, nil
	}
	files := map[string][]byte{"template": c.template, "list.csv": c.list}
	for i, data := range c.attach {
		files[numbered("attach", i)] = data
	}
	for i, data := range c.inline {
		files[numbered("inline", i)] = data
	}
	for name, data := range files {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return false, err
		}
		if string(have) != string(data) {
			return false, nil
		}
	}
	return true, nil
}

func (s *state) has(name string) bool {
	_, err := os.Stat(s.path("campaigns", name, "campaign"))
	return err == nil
}

// campaigns are the names of all, the oldest first.
func (s *state) campaigns() ([]string, error) {
	entries, err := os.ReadDir(s.path("campaigns"))
	if err != nil {
		return nil, err
	}
	type named struct {
		name string
		settings
	}
	var all []named
	for _, e := range entries {
		if e.Name()[0] == '.' || !e.IsDir() {
			continue
		}
		c, err := readSettings(s.path("campaigns", e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, named{e.Name(), c})
	}
	slices.SortStableFunc(all, func(a, b named) int { return a.Created.Compare(b.Created) })
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names, nil
}

func readSettings(dir string) (c settings, err error) {
	path := filepath.Join(dir, "campaign")
	data, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// look reads a campaign's list and journal. whole is how much of the journal
// counts.
func (s *state) look(name string) (c *campaign, whole int64, err error) {
	c = &campaign{name: name, dir: s.path("campaigns", name)}
	if !s.has(name) {
		return nil, 0, fmt.Errorf("there is no campaign %s in %s", name, s.dir)
	}
	if c.settings, err = readSettings(c.dir); err != nil {
		return nil, 0, err
	}
	if c.list, err = readListFile(filepath.Join(c.dir, "list.csv"), c.Column); err != nil {
		return nil, 0, err
	}
	whole, err = readJournal(filepath.Join(c.dir, "journal"), c.replay)
	return c, whole, err
}

func (c *campaign) replay(r record) error {
	p := c.list.byKey[r.To]
	if p == nil {
		return fmt.Errorf("%s is not in the list", r.To)
	}
	p.apply(r)
	return nil
}

// open opens a campaign to send from it. What was in flight when the last
// process ended is in doubt from then on.
func (s *state) open(name string, conf *config) (*campaign, error) {
	c, whole, err := s.look(name)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.dir, "template")
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if c.letter, err = parseLetter(path, string(source)); err != nil {
		return nil, err
	}
	fail := func(err error) (*campaign, error) {
		c.close()
		return nil, err
	}
	for i, n := range c.Attach {
		if err := c.addFile(&c.letter.attach, n, numbered("attach", i)); err != nil {
			return fail(err)
		}
	}
	for i, n := range c.Inline {
		if err := c.addFile(&c.letter.inline, n, numbered("inline", i)); err != nil {
			return fail(err)
		}
	}
	if c.composer, err = newComposer(conf, s.secret, name, c.list, c.letter); err != nil {
		return fail(err)
	}
	if c.journal, err = openJournal(filepath.Join(c.dir, "journal"), whole); err != nil {
		return fail(err)
	}
	var doubts []record
	for _, r := range c.list.recipients {
		if r.state == inFlight {
			d := record{Time: time.Now(), What: evDoubt, To: r.key, Server: r.server, Reply: "bulkmail was killed while it was sent"}
			r.apply(d)
			doubts = append(doubts, d)
		}
	}
	if err := appendRecords(c.journal, doubts...); err != nil {
		return fail(err)
	}
	return c, nil
}

func (c *campaign) addFile(to *[]file, name, path string) error {
	f, err := os.Open(filepath.Join(c.dir, path))
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	st, err := f.Stat()
	*to = append(*to, file{name: name, content: f, size: st.Size()})
	return err
}

func (c *campaign) close() {
	if c.journal != nil {
		c.journal.close()
	}
	for _, f := range c.files {
		f.Close()
	}
}

// writeFile writes a file that is on the disk when it returns.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncParent(path)
	}
	return err
}

// syncParent makes a file's name last.
func syncParent(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders can not be flushed there
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
