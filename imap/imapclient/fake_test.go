package imapclient_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/testkit"
)

// fake is a mailbox behind a server that offers what a test wants, which
// imapserver does not: CONDSTORE, QRESYNC, NOTIFY, or nothing.
type fake struct {
	caps string

	mu       sync.Mutex
	validity uint32
	messages []fakeMessage
	next     imap.UID
	modseq   imap.ModSeq
	gone     []fakeMessage // with the mod-sequence at which they went
	changed  chan struct{}
	commands []string
	sessions sync.WaitGroup
}

type fakeMessage struct {
	uid    imap.UID
	flags  []imap.Flag
	modseq imap.ModSeq
}

func newFake(t *testing.T, caps string) *fake {
	f := &fake{caps: caps, validity: 7, next: 1, modseq: 1, changed: make(chan struct{})}
	t.Cleanup(f.sessions.Wait)
	return f
}

// change runs do, which changes the mailbox at the next mod-sequence.
func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.modseq++
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) add(n int, flags ...imap.Flag) {
	f.change(func() {
		for range n {
			f.messages = append(f.messages, fakeMessage{f.next, flags, f.modseq})
			f.next++
		}
	})
}

func (f *fake) remove(uid imap.UID) {
	f.change(func() {
		i := slices.IndexFunc(f.messages, func(m fakeMessage) bool { return m.uid == uid })
		m := f.messages[i]
		m.modseq = f.modseq
		f.gone = append(f.gone, m)
		f.messages = slices.Delete(f.messages, i, i+1)
	})
}

func (f *fake) flag(uid imap.UID, flags ...imap.Flag) {
	f.change(func() {
		i := slices.IndexFunc(f.messages, func(m fakeMessage) bool { return m.uid == uid })
		f.messages[i].flags, f.messages[i].modseq = flags, f.modseq
	})
}

// random changes something.
func (f *fake) random(r *rand.Rand) {
	f.mu.Lock()
	n := len(f.messages)
	var uid imap.UID
	if n > 0 {
		uid = f.messages[r.IntN(n)].uid
	}
	f.mu.Unlock()
	switch k := r.IntN(4); {
	case k == 0 || n == 0:
		if n < 30 {
			f.add(1 + r.IntN(3))
			return
		}
		f.remove(uid)
	case k == 1:
		f.remove(uid)
	default:
		flags := []imap.Flag{}
		for _, x := range []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "work", imap.FlagDeleted} {
			if r.IntN(2) == 0 {
				flags = append(flags, x)
			}
		}
		f.flag(uid, flags...)
	}
}

// truth is UIDs and flags, as text.
func (f *fake) truth() map[imap.UID]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[imap.UID]string)
	for _, m := range f.messages {
		all[m.uid] = flagText(m.flags)
	}
	return all
}

func flagText(flags []imap.Flag) string {
	var s []string
	for _, f := range flags {
		if !f.Equal(imap.FlagRecent) {
			s = append(s, string(f))
		}
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

// dial is a connection to a new session, in which the greeting logs in.
func (f *fake) dial(ctx context.Context) (net.Conn, error) {
	client, end := testkit.Pipe()
	f.sessions.Go(func() {
		defer end.Close()
		s := &fakeSession{f: f, w: end}
		s.say("* PREAUTH [CAPABILITY IMAP4rev1 " + f.caps + "] ready")
		_ = s.serve(imapwire.NewCommandReader(end, imapwire.CommandLimits{}))
	})
	return client, nil
}

// fakeSession is one session; view is what its client was told.
type fakeSession struct {
	f      *fake
	w      io.Writer
	mu     sync.Mutex // of what is written
	view   []imap.UID
	known  imap.ModSeq
	open   bool
	qr, cs bool
	notify bool
}

func (s *fakeSession) say(lines ...string) error { return say(s.w, lines...) }

func (s *fakeSession) send(r imapwire.Response) error {
	b, err := imapwire.AppendResponse(nil, r, nil)
	if err == nil {
		_, err = s.w.Write(b)
	}
	return err
}

// tell tells what happened since it was last told.
func (s *fakeSession) tell() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return nil
	}
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	var vanished imap.UIDSet
	for i := len(s.view) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(f.messages, func(m fakeMessage) bool { return m.uid == s.view[i] }) {
			vanished.Add(s.view[i])
			s.view = slices.Delete(s.view, i, i+1)
			if !s.qr {
				if err := s.send(&imapwire.ExpungeData{Seq: imap.SeqNum(i + 1)}); err != nil {
					return err
				}
			}
		}
	}
	if s.qr && !vanished.Empty() {
		if err := s.send(&imapwire.VanishedData{UIDs: vanished}); err != nil {
			return err
		}
	}
	if len(s.view) != len(f.messages) {
		s.view = s.view[:0]
		for _, m := range f.messages {
			s.view = append(s.view, m.uid)
		}
		if err := s.send(&imapwire.ExistsData{Count: uint32(len(s.view))}); err != nil {
			return err
		}
	}
	for i, m := range f.messages {
		if m.modseq > s.known {
			d := &imapwire.FetchData{Seq: imap.SeqNum(i + 1), Has: imapwire.HasFlags, Flags: m.flags}
			if s.cs || s.qr {
				d.Has |= imapwire.HasModSeq | imapwire.HasUID
				d.UID, d.ModSeq = m.uid, m.modseq
			}
			if err := s.send(d); err != nil {
				return err
			}
		}
	}
	s.known = f.modseq
	return nil
}

func (s *fakeSession) serve(r *imapwire.CommandReader) error {
	end := make(chan struct{})
	var bg sync.WaitGroup
	defer bg.Wait()
	defer close(end)
	background := func(stop chan struct{}) {
		bg.Go(func() {
			for {
				s.f.mu.Lock()
				changed := s.f.changed
				s.f.mu.Unlock()
				if s.tell() != nil {
					return
				}
				select {
				case <-changed:
				case <-stop:
					return
				case <-end:
					return
				}
			}
		})
	}
	for {
		cmd, err := r.Read()
		if err != nil {
			return err
		}
		s.f.mu.Lock()
		s.f.commands = append(s.f.commands, cmd.Args.CommandName())
		s.f.mu.Unlock()
		answer := "OK done"
		switch a := cmd.Args.(type) {
		case *imapwire.Enable:
			s.qr = true
			err = s.send(&imapwire.EnabledData{Capabilities: a.Capabilities})
		case *imapwire.Notify:
			s.notify = true
		case *imapwire.Logout:
			_ = s.say("* BYE")
			_ = s.say(cmd.Tag + " OK")
			return nil
		case *imapwire.Idle:
			if err = s.say("+ idling"); err == nil {
				stop := make(chan struct{})
				background(stop)
				_, err = r.ReadLine()
				close(stop)
			}
		case *imapwire.Select:
			err = s.selects(a)
			if s.notify && err == nil {
				s.notify = false
				background(end)
			}
		case *imapwire.Fetch:
			err = s.fetch(a)
		case *imapwire.Search:
			s.f.mu.Lock()
			d := &imapwire.SearchData{}
			for _, m := range s.f.messages {
				d.Nums = append(d.Nums, uint32(m.uid))
			}
			s.f.mu.Unlock()
			err = s.send(d)
		}
		if err == nil {
			err = s.tell()
		}
		if err == nil {
			s.mu.Lock()
			err = s.say(cmd.Tag + " " + answer)
			s.mu.Unlock()
		}
		if err != nil {
			return err
		}
	}
}

func (s *fakeSession) selects(a *imapwire.Select) error {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	s.open, s.view, s.known = true, nil, f.modseq
	s.cs = s.cs || a.CondStore
	for _, m := range f.messages {
		s.view = append(s.view, m.uid)
	}
	list := []imapwire.Response{
		&imapwire.ExistsData{Count: uint32(len(s.view))},
		&imapwire.StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: imap.CodeUIDValidity, N: uint64(f.validity)}},
	}
	if s.cs || s.qr {
		list = append(list, &imapwire.StatusResponse{Cond: imap.OK, Code: imap.CodeNumber{Name: imap.CodeHighestModSeq, N: uint64(f.modseq)}})
	}
	if q := a.QResync; q != nil && q.UIDValidity == f.validity {
		v := &imapwire.VanishedData{Earlier: true}
		for _, m := range f.gone {
			if m.modseq > q.ModSeq {
				v.UIDs.Add(m.uid)
			}
		}
		if !v.UIDs.Empty() {
			list = append(list, v)
		}
		for i, m := range f.messages {
			if m.modseq > q.ModSeq {
				list = append(list, &imapwire.FetchData{Seq: imap.SeqNum(i + 1), Has: imapwire.HasUID | imapwire.HasFlags | imapwire.HasModSeq, UID: m.uid, Flags: m.flags, ModSeq: m.modseq})
			}
		}
	}
	for _, r := range list {
		if err := s.send(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSession) fetch(a *imapwire.Fetch) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	set, _ := a.Set.(imap.UIDSet)
	if len(s.view) > 0 {
		set = set.Resolve(s.view[len(s.view)-1])
	}
	for _, m := range s.f.messages {
		seq := slices.Index(s.view, m.uid) + 1
		if seq == 0 || !set.Contains(m.uid) || a.ChangedSince != nil && m.modseq <= *a.ChangedSince {
			continue
		}
		d := &imapwire.FetchData{Seq: imap.SeqNum(seq), Has: imapwire.HasUID | imapwire.HasFlags, UID: m.uid, Flags: m.flags}
		if len(a.Items) > 2 {
			d.Has |= imapwire.HasInternalDate | imapwire.HasSize
			d.InternalDate, d.Size = time.Unix(int64(m.uid), 0).UTC(), int64(m.uid)
		}
		if err := s.send(d); err != nil {
			return err
		}
	}
	return nil
}
