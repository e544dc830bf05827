package main

// The copying itself.

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
)

// store is TO.
type store interface {
	// open opens the box that a folder goes to, which is made where it is not
	// there; when dry, nothing is made, and the box may be nil.
	open(ctx context.Context, f *folder, dry bool) (box, error)
	close()
}

// box is a folder in TO.
type box interface {
	// generation changes when the IDs of the box count for nothing any more.
	generation() string
	// stable reports whether add tells the ID that a message was given.
	stable() bool
	// mend undoes what a crash left of adding a message at place.
	mend(place string) error
	// list is the messages in the box but those whose IDs are known.
	list(ctx context.Context, known map[string]bool) ([]present, error)
	// digest is that of a message's octets, see digestOf.
	digest(ctx context.Context, id string) (string, error)
	// place is what mend needs, in one word, and whether it needs it durably.
	place() (place string, durable bool)
	add(ctx context.Context, m *message, r io.Reader) (id string, err error)
	setFlags(ctx context.Context, id string, flags []imap.Flag) (newID string, err error)
	remove(ctx context.Context, ids []string) error
	// keeps is those of flags that the box can keep.
	keeps(flags []imap.Flag) []imap.Flag
	close(ctx context.Context) error
}

// message is one of FROM.
type message struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	size  int64

	key    string // what it is known by in other places, but for its size
	digest string // once it was asked for
}

// present is a message that is in TO.
type present struct {
	id    string
	size  int64
	key   string
	flags []imap.Flag
	uid   imap.UID // of the message in FROM, where the box tells

	digest string // once it was asked for
}

type syncer struct {
	config      *config
	out, errOut io.Writer
	bar         *bar
	from        *account
	to          store

	copied, changed, removed, already, failed int
	octets                                    int64
}

func (s *syncer) summary() string {
	did := "copied"
	if s.config.dryRun {
		did = "would be copied"
	}
	text := fmt.Sprintf("%d messages %s (%d KB), %d were there", s.copied, did, (s.octets+1023)>>10, s.already)
	if s.config.mirror {
		text += fmt.Sprintf(", %d changed, %d removed", s.changed, s.removed)
	}
	if s.failed > 0 {
		text += fmt.Sprintf(", %d FAILED", s.failed)
	}
	return text
}

func (s *syncer) complain(format string, args ...any) {
	s.failed++
	s.bar.clear()
	fmt.Fprintf(s.errOut, "imapsync: "+format+"\n", args...)
}

func (s *syncer) connect(ctx context.Context) (err error) {
	c := s.config
	if s.from, err = c.connect(ctx, c.from, c.fromPassword, "IMAPSYNC_FROM_PASSWORD"); err != nil {
		return err
	}
	switch c.to.kind {
	case placeMaildir:
		s.to, err = newMaildirStore(c.to.path)
	case placeMbox:
		s.to = &mboxStore{dir: c.to.path}
	default:
		var a *account
		if a, err = c.connect(ctx, c.to, c.toPassword, "IMAPSYNC_TO_PASSWORD"); err == nil {
			s.to, err = newIMAPStore(ctx, a)
		}
	}
	if err != nil {
		s.disconnect()
	}
	return err
}

func (s *syncer) disconnect() {
	if s.from != nil {
		s.from.Close()
		s.from = nil
	}
	if s.to != nil {
		s.to.close()
		s.to = nil
	}
}

// stateDir is where the journals of this pair of places are.
func (c *config) stateDir() string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>| `, r) || r < ' ' {
			return '_'
		}
		return r
	}, c.from.String()+" to "+c.to.String())
	return filepath.Join(c.state, name)
}

func (s *syncer) run(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer func() { s.disconnect() }()
	if !s.config.dryRun {
		if err := os.MkdirAll(s.config.stateDir(), 0o700); err != nil {
			return err
		}
		unlock, err := lock(filepath.Join(s.config.stateDir(), "lock"))
		if err != nil {
			return err
		}
		defer unlock()
	}
	folders, err := s.folders(ctx)
	if err != nil {
		return err
	}
	if s.bar != nil {
		for _, f := range folders {
			if st, err := s.from.Status(ctx, f.name, imap.StatusMessages); err == nil {
				s.bar.total += int(st.Messages)
			} else if !refused(err) {
				return err
			}
		}
	}
	for _, f := range folders {
		if err := s.persist(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

const (
	maxAttempts = 5
	firstWait   = time.Second
)

// persist does a folder, over new connections where they break, as long as that
// leads anywhere.
func (s *syncer) persist(ctx context.Context, f *folder) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		before := s.copied
		err := errors.New("no connection")
		if s.from != nil {
			err = s.folder(ctx, f)
		} else if e := s.connect(ctx); e != nil {
			err = e
		} else {
			continue
		}
		var local *os.PathError
		switch {
		case err == nil || ctx.Err() != nil || errors.As(err, &local):
			return err
		case refused(err):
			s.complain("%s: %v", f.name, err)
			return nil
		}
		if s.copied > before {
			attempt, wait = 1, firstWait
		}
		if attempt >= maxAttempts {
			return err
		}
		s.bar.clear()
		fmt.Fprintf(s.errOut, "imapsync: %s: %v; connecting again\n", f.name, err)
		s.disconnect()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		wait *= 2
		if err := s.connect(ctx); err != nil && attempt == maxAttempts-1 {
			return err
		}
	}
}

// folder brings one folder to where FROM has it.
func (s *syncer) folder(ctx context.Context, f *folder) (err error) {
	if s.bar != nil {
		s.bar.folder = f.name
	}
	status, err := s.from.Examine(ctx, f.name)
	if err != nil {
		return err
	}
	f.validity = status.UIDValidity
	b, err := s.to.open(ctx, f, s.config.dryRun)
	if err != nil {
		return err
	}
	messages, err := s.messages(ctx, status)
	if err != nil {
		return err
	}
	if b == nil { // of a dry run: the folder is not there
		s.plan(f, messages, nil, nil)
		return nil
	}
	defer func() {
		if e := b.close(ctx); err == nil {
			err = e
		}
	}()
	j, err := openJournal(s.config.stateDir(), f.name, status.UIDValidity, b.generation())
	if err != nil {
		return err
	}
	if !b.stable() {
		j.entries, j.clean = make(map[imap.UID]entry), false
	}
	if j.open != 0 && !s.config.dryRun {
		if err := b.mend(j.place); err != nil {
			return err
		}
	}
	if !j.clean {
		if err := s.adopt(ctx, b, j, messages); err != nil {
			return err
		}
	}
	todo := slices.DeleteFunc(slices.Clone(messages), func(m *message) bool { _, ok := j.entries[m.uid]; return ok })
	if s.config.dryRun {
		s.plan(f, todo, b, changes(b, j, messages))
		return nil
	}
	if err := j.begin(); err != nil {
		return err
	}
	whole := false
	defer func() {
		if e := j.end(whole); err == nil {
			err = e
		}
	}()
	s.already += len(messages) - len(todo)
	s.bar.add(len(messages)-len(todo), 0)
	if err := s.copyAll(ctx, f, b, j, todo); err != nil {
		return err
	}
	if s.config.mirror {
		if err := s.mirror(ctx, b, j, changes(b, j, messages)); err != nil {
			return err
		}
	}
	whole = true
	return nil
}

// messages is what is in the selected folder of FROM.
func (s *syncer) messages(ctx context.Context, status *imap.MailboxStatus) ([]*message, error) {
	if status.Messages == 0 {
		return nil, nil
	}
	var all []*message
	for m, err := range s.from.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags, imap.FetchInternalDate, imap.FetchSize) {
		if err != nil {
			return nil, err
		}
		if m.UID == 0 {
			continue
		}
		all = append(all, &message{uid: m.UID, flags: withoutRecent(m.Flags), date: m.InternalDate, size: m.Size})
	}
	slices.SortFunc(all, func(x, y *message) int { return cmp.Compare(x.uid, y.uid) })
	return slices.CompactFunc(all, func(x, y *message) bool { return x.uid == y.uid }), nil
}

func withoutRecent(flags []imap.Flag) []imap.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return f.Equal(imap.FlagRecent) })
}

// adopt finds messages that are in TO without being in the journal: those of a
// run that broke off, or of another program.
func (s *syncer) adopt(ctx context.Context, b box, j *journal, messages []*message) error {
	known := make(map[string]bool)
	for _, e := range j.entries {
		known[e.id] = true
	}
	there, err := b.list(ctx, known)
	if err != nil || len(there) == 0 {
		return err
	}
	byUID := make(map[imap.UID]int)
	byKey := make(map[string][]int)
	for i, p := range there {
		if p.uid != 0 {
			byUID[p.uid] = i
		} else {
			byKey[p.key] = append(byKey[p.key], i)
		}
	}
	take := func(m *message, i int) {
		j.entries[m.uid] = entry{there[i].id, there[i].flags}
	}
	var open []*message
	for _, m := range messages {
		if _, ok := j.entries[m.uid]; ok {
			continue
		}
		if i, ok := byUID[m.uid]; ok {
			take(m, i)
		} else {
			open = append(open, m)
		}
	}
	if len(byKey) == 0 || len(open) == 0 {
		return nil
	}
	if err := identify(ctx, s.from.Client, open); err != nil {
		return err
	}
	// The same size first; then by Message-ID alone, for servers count octets
	// differently. Without a Message-ID only what is the same in every octet is the
	// same message.
	for _, exact := range []bool{true, false} {
		var left []*message
		for _, m := range open {
			list := byKey[m.key]
			at := -1
			for i, k := range list {
				same := !exact
				switch {
				case exact && there[k].size != m.size:
				case strings.HasPrefix(m.key, "id:"):
					same = true
				case exact:
					if same, err = s.same(ctx, b, m, &there[k]); err != nil {
						return err
					}
				default:
					same = false
				}
				if same {
					at = i
					break
				}
			}
			if at < 0 {
				left = append(left, m)
				continue
			}
			take(m, list[at])
			byKey[m.key] = slices.Delete(list, at, at+1)
		}
		open = left
	}
	return nil
}

// same compares a message with one in TO.
func (s *syncer) same(ctx context.Context, b box, m *message, p *present) (bool, error) {
	var err error
	if m.digest == "" {
		if m.digest, err = fetchDigest(ctx, s.from.Client, m.uid); err != nil {
			return false, err
		}
	}
	if p.digest == "" {
		if p.digest, err = b.digest(ctx, p.id); err != nil {
			return false, err
		}
	}
	return m.digest == p.digest, nil
}

// digestOf is the digest of a message, whether its lines end in LF or CRLF.
func digestOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, &lfReader{r: r}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fetchDigest is the digest of a message in the selected folder.
func fetchDigest(ctx context.Context, c *imapclient.Client, uid imap.UID) (digest string, err error) {
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(ctx, imap.UIDSetOf(uid), imap.FetchUID, body) {
		if err != nil {
			return "", err
		}
		if r := m.Open(body); r != nil {
			if digest, err = digestOf(r); err != nil {
				return "", err
			}
		}
	}
	if digest == "" {
		digest = "gone"
	}
	return digest, nil
}

// identify fills in what messages are known by.
func identify(ctx context.Context, c *imapclient.Client, messages []*message) error {
	// A command's line has to stay short.
	for part := range slices.Chunk(messages, batch) {
		at := make(map[imap.UID]*message, len(part))
		var set imap.UIDSet
		for _, m := range part {
			at[m.uid] = m
			set.Add(m.uid)
		}
		for m, err := range c.Fetch(ctx, set, imap.FetchUID, imap.FetchEnvelope) {
			if err != nil {
				return err
			}
			if to := at[m.UID]; to != nil && m.Envelope != nil {
				to.key = keyOf(m.Envelope)
			}
		}
	}
	return nil
}

// keyOf is what a message is known by beside its size: its Message-ID, or the
// fields that tell it from others.
func keyOf(e *imap.Envelope) string {
	if id := strings.TrimSpace(e.MessageID); id != "" {
		return "id:" + id
	}
	from := ""
	if len(e.From) > 0 {
		from = e.From[0].Mailbox + "@" + e.From[0].Host
	}
	if e.Date == "" && e.Subject == "" && from == "" {
		return ""
	}
	return "of:" + strings.Join(strings.Fields(e.Date+" "+from+" "+e.Subject), " ")
}

// batch is how many messages one command names.
const batch = 200

func (s *syncer) copyAll(ctx context.Context, f *folder, b box, j *journal, todo []*message) error {
	for part := range slices.Chunk(todo, batch) {
		late, err := s.copyBatch(ctx, f, b, j, part)
		if err != nil {
			return err
		}
		// A server that sends a body before it says whose it is.
		for _, m := range late {
			if _, err := s.copyBatch(ctx, f, b, j, []*message{m}); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyBatch copies messages, each as it comes. Those that did not come, or came
// without their UID, are late.
func (s *syncer) copyBatch(ctx context.Context, f *folder, b box, j *journal, part []*message) (late []*message, err error) {
	wanted := make(map[imap.UID]*message, len(part))
	var set imap.UIDSet
	for _, m := range part {
		wanted[m.uid] = m
		set.Add(m.uid)
	}
	body := &imap.BodySection{Peek: true}
	for m, err := range s.from.Fetch(ctx, set, imap.FetchUID, body) {
		if err != nil {
			return nil, err
		}
		uid := m.UID
		if uid == 0 && len(part) == 1 {
			uid = part[0].uid
		}
		r := m.Open(body)
		msg := wanted[uid]
		if r == nil || msg == nil {
			continue
		}
		delete(wanted, uid)
		msg.size = m.Sections[0].Size
		if err := s.copyOne(ctx, f, b, j, msg, r); err != nil {
			return nil, err
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	for _, m := range part {
		if wanted[m.uid] == nil {
			continue
		}
		if len(part) == 1 {
			s.complain("%s: message %d: the server did not give it", f.name, m.uid)
			s.bar.add(1, 0)
		}
		late = append(late, m)
	}
	if len(part) == 1 {
		late = nil
	}
	return late, nil
}

func (s *syncer) copyOne(ctx context.Context, f *folder, b box, j *journal, m *message, r io.Reader) error {
	place, durable := b.place()
	if err := j.adding(m.uid, place, durable); err != nil {
		return err
	}
	flags := b.keeps(m.flags)
	m.flags = flags
	id, err := b.add(ctx, m, r)
	if refused(err) {
		s.complain("%s: message %d: %v", f.name, m.uid, err)
		s.bar.add(1, 0)
		return nil
	}
	if err != nil {
		return err
	}
	s.copied++
	s.octets += m.size
	s.bar.add(1, m.size)
	return j.added(m.uid, entry{id, flags})
}

// change is what -mirror has to do.
type change struct {
	flags []*message
	gone  []imap.UID
}

func changes(b box, j *journal, messages []*message) *change {
	c := &change{}
	here := make(map[imap.UID]bool, len(messages))
	for _, m := range messages {
		here[m.uid] = true
		if e, ok := j.entries[m.uid]; ok && !sameFlags(b.keeps(m.flags), e.flags) {
			c.flags = append(c.flags, m)
		}
	}
	for uid := range j.entries {
		if !here[uid] {
			c.gone = append(c.gone, uid)
		}
	}
	slices.Sort(c.gone)
	return c
}

func sameFlags(a, b []imap.Flag) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(f imap.Flag) bool { return !imap.HasFlag(b, f) })
}

func (s *syncer) mirror(ctx context.Context, b box, j *journal, c *change) error {
	for _, m := range c.flags {
		flags := b.keeps(m.flags)
		e := j.entries[m.uid]
		id, err := b.setFlags(ctx, e.id, flags)
		if err != nil {
			return err
		}
		if id != e.id {
			err = j.added(m.uid, entry{id, flags})
		} else {
			err = j.flagged(m.uid, flags)
		}
		if err != nil {
			return err
		}
		s.changed++
	}
	for part := range slices.Chunk(c.gone, batch) {
		var ids []string
		for _, uid := range part {
			ids = append(ids, j.entries[uid].id)
		}
		if err := b.remove(ctx, ids); err != nil {
			return err
		}
		for _, uid := range part {
			if err := j.removed(uid); err != nil {
				return err
			}
			s.removed++
		}
	}
	return nil
}

// plan says what a dry run would do with a folder.
func (s *syncer) plan(f *folder, todo []*message, b box, c *change) {
	var octets int64
	for _, m := range todo {
		octets += m.size
	}
	s.copied += len(todo)
	s.octets += octets
	line := fmt.Sprintf("%s: %d messages to copy (%d KB)", f.name, len(todo), (octets+1023)>>10)
	if b == nil {
		line += ", into a new folder"
	}
	if s.config.mirror && c != nil {
		line += fmt.Sprintf(", %d to change, %d to remove", len(c.flags), len(c.gone))
		s.changed += len(c.flags)
		s.removed += len(c.gone)
	}
	fmt.Fprintln(s.out, line)
}
