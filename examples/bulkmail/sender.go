package main

// Sending: one goroutine decides, writes the journals and waits; one for each
// message that is in flight talks to a server.

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailwire/mailwire/smtp"
)

var (
	errLeft     = errors.New("some are left for later")
	errNoServer = errors.New("no server can be used")
)

const (
	// downFirst and downMost bound how long a server that failed is left
	// alone; it doubles.
	downFirst, downMost = time.Minute, time.Hour
	// softMost temporary refusals in a row are a server that wants rest.
	softMost = 5
	// avoidMost senders or messages in a row that a server does not take are
	// its own trouble.
	avoidMost = 3
	// voidMost attempts that said nothing count as temporary refusals from
	// then on: the message may be what the servers fail of.
	voidMost  = 10
	pausePoll = 250 * time.Millisecond
	// longestWait bounds a wait by the clock that stops while a machine
	// sleeps.
	longestWait = time.Minute
	// noteWait and noteEvery are how long a wait is, and how far apart, to
	// be told of.
	noteWait, noteEvery = time.Minute, 10 * time.Minute
)

// outlet is a server, as the sender sees it.
type outlet struct {
	*serverConfig
	limiter
	deliver func(ctx context.Context, env *smtp.Envelope, message []byte) (*smtp.Result, error)

	busy   int
	down   time.Time // left alone until then
	off    bool      // not used any more
	faults int       // in a row, for how long it is left alone
	soft   int       // temporary refusals in a row
	avoids int       // messages in a row that it can not take
}

// job is a message that is to be sent.
type job struct {
	c     *campaign
	r     *recipient
	due   time.Time
	seq   int // of equal times, the order they came in
	voids int
	avoid []*outlet
	// refused is the server whose temporary refusal was the last.
	refused *outlet
	last    string // why a server was to be avoided
}

// result is what an attempt came to.
type result struct {
	j   *job
	o   *outlet
	at  time.Time // of the intent
	res *smtp.Result
	err error
}

// jobs is a heap by time.
type jobs []*job

func (h jobs) Len() int { return len(h) }
func (h jobs) Less(i, j int) bool {
	if c := h[i].due.Compare(h[j].due); c != 0 {
		return c < 0
	}
	return h[i].seq < h[j].seq
}
func (h jobs) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *jobs) Push(x any)   { *h = append(*h, x.(*job)) }
func (h *jobs) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return x
}

// sender sends what is left of some campaigns.
type sender struct {
	conf       *config
	state      *state
	campaigns  []*campaign
	servers    []*outlet
	suppressed *suppressions
	once       bool // end where there is nothing to do but wait
	// note tells a person of what happens, show how far it is.
	note func(format string, args ...any)
	show func(s *sender)

	counts   counts
	fresh    jobs // in the order of the lists
	later    jobs // a heap
	seq      int
	batches  map[*campaign][]record
	results  chan result
	pending  []result
	busy     int // assigned
	flying   int // of those, with their intent on the disk
	held     int // not for this run: they wait for a server that is off
	refusals int // in a row
	paused   bool
	until    time.Time // what it waits for
	noted    time.Time
	stop     error
}

// prepare queues what is left.
func (s *sender) prepare() error {
	uses, err := s.state.loadUses(time.Now())
	if err != nil {
		return err
	}
	slots := 0
	for _, o := range s.servers {
		o.uses = uses[o.name]
		slots += o.connections
	}
	s.results = make(chan result, slots)
	s.batches = map[*campaign][]record{}
	for _, c := range s.campaigns {
		for _, r := range c.list.recipients {
			s.counts[r.state]++
			j := &job{c: c, r: r, due: r.due}
			switch r.state {
			case queued:
				s.fresh = append(s.fresh, j)
			case waiting:
				s.put(j)
			}
		}
	}
	return nil
}

func (s *sender) put(j *job) {
	s.seq++
	j.seq = s.seq
	heap.Push(&s.later, j)
}

// run sends until nothing is left, ctx ends or it can not go on. What is in
// flight then is waited for.
func (s *sender) run(ctx context.Context) error {
	flight := context.WithoutCancel(ctx)
	for {
		// Wall clock alone: a machine that sleeps stops the other one.
		now := time.Now().UTC().Round(0)
		s.collect(now)
		s.notePause()
		var launch []result
		s.until = time.Time{}
		if ctx.Err() == nil && s.stop == nil && !s.paused {
			launch = s.assign(now)
		}
		if err := s.commit(); err != nil {
			return s.broken(err)
		}
		for _, x := range launch {
			s.flying++
			go s.attempt(flight, x)
		}
		s.show(s)
		if s.busy == 0 {
			switch {
			case s.stop != nil:
				return s.stop
			case len(s.fresh) == 0 && len(s.later) == 0 && s.held > 0:
				return errNoServer
			case len(s.fresh) == 0 && len(s.later) == 0:
				return nil
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case s.once && (s.paused || s.until.After(now)):
				return errLeft
			}
		}
		s.wait(ctx, now)
	}
}

// wait waits for a result, for the time that there is something to do, or for
// ctx.
func (s *sender) wait(ctx context.Context, now time.Time) {
	ended := ctx.Done()
	if ctx.Err() != nil {
		ended = nil // known already
	}
	var timer <-chan time.Time
	until := s.until
	if s.paused {
		until = now.Add(pausePoll)
	}
	if !until.IsZero() {
		if !s.paused && s.busy == 0 && until.Sub(now) >= noteWait && now.Sub(s.noted) >= noteEvery {
			s.noted = now
			s.note("waiting until %s: %s", until.Local().Format(time.DateTime), s.reason(now))
		}
		t := time.NewTimer(min(until.Sub(now), longestWait))
		defer t.Stop()
		timer = t.C
	}
	select {
	case x := <-s.results:
		s.pending = append(s.pending, x)
	case <-timer:
	case <-ended:
		if s.busy > 0 {
			s.note("ending when what is in flight is settled")
		}
	}
}

// reason is why there is nothing to do at a time.
func (s *sender) reason(now time.Time) string {
	if j, _ := s.next(now); j == nil {
		return fmt.Sprintf("%d are to be tried again", len(s.later))
	}
	var parts []string
	for _, o := range s.servers {
		switch {
		case o.off:
			parts = append(parts, o.name+" is not used any more")
		case o.down.After(now):
			parts = append(parts, o.name+" fails")
		default:
			parts = append(parts, o.name+" has reached its limit")
		}
	}
	return strings.Join(parts, ", ")
}

func (s *sender) notePause() {
	if was := s.paused; was != s.state.paused() {
		s.paused = !was
		if s.paused {
			s.note("paused: bulkmail resume goes on")
		} else {
			s.note("going on")
		}
	}
}

// record queues a record for the next commit.
func (s *sender) record(j *job, r record) {
	r.To = j.r.key
	s.batches[j.c] = append(s.batches[j.c], r)
}

// commit writes what was recorded, and makes it so.
func (s *sender) commit() error {
	for _, c := range s.campaigns {
		batch := s.batches[c]
		if len(batch) == 0 {
			continue
		}
		if err := appendRecords(c.journal, batch...); err != nil {
			return err
		}
		for _, r := range batch {
			p := c.list.byKey[r.To]
			s.counts[p.state]--
			p.apply(r)
			s.counts[p.state]++
		}
		s.batches[c] = batch[:0]
	}
	return nil
}

// broken ends it where a journal can not be written. What is in flight is
// waited for; as it can not be recorded, it is in doubt next time.
func (s *sender) broken(err error) error {
	for ; s.flying > 0; s.flying-- {
		<-s.results
	}
	return err
}

// attempt makes a message and gives it to a server.
func (s *sender) attempt(ctx context.Context, x result) {
	x.res, x.err = func() (*smtp.Result, error) {
		message, from, err := x.j.c.composer.render(x.j.r)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCompose, err)
		}
		addr := x.j.r.path.String()
		env, err := smtp.NewEnvelope(from, addr)
		if err != nil {
			return nil, err
		}
		env.Options.Return = smtp.ReturnHeaders
		env.Options.EnvelopeID = s.state.secret.token(useMessage, x.j.c.name, x.j.r.key)
		if isASCII(addr) {
			env.To[0].Options.Original = smtp.OriginalRecipient{Type: "rfc822", Address: addr}
		}
		return x.o.deliver(ctx, env, message)
	}()
	s.results <- x
}

// assign gives messages to servers, as far as there is room now.
func (s *sender) assign(now time.Time) (launch []result) {
	s.suppressed.refresh()
	for s.stop == nil {
		j, fresh := s.next(now)
		if j == nil {
			break
		}
		if s.suppressed.has(j.r.key) {
			s.drop(fresh)
			s.record(j, record{Time: now, What: evSuppressed})
			continue
		}
		o, at := s.choose(j, now)
		switch {
		case o != nil:
			s.drop(fresh)
			o.take(now)
			o.busy++
			s.busy++
			s.record(j, record{Time: now, What: evIntent, Server: o.name})
			launch = append(launch, result{j: j, o: o, at: now})
			continue
		case at.IsZero() && len(j.avoid) == len(s.servers):
			s.drop(fresh)
			text := "no server takes it: " + j.last
			s.record(j, record{Time: now, What: evFailed, Reply: text})
			s.note("%s: %s", j.r.path, text)
			s.refused(text)
			continue
		case at.IsZero() && len(j.avoid) > 0:
			s.drop(fresh)
			s.held++
			continue
		case at.IsZero():
			s.stop = errNoServer
		case at.After(now) && len(j.avoid) > 0:
			// Others may have servers that this one has not.
			s.drop(fresh)
			j.due = at
			s.put(j)
			continue
		case at.After(now):
			s.until = at
		}
		return launch // it is the same for all others
	}
	if len(s.later) > 0 {
		s.until = s.later[0].due
	}
	return launch
}

// next is the message to be sent first, nil for none now. Those that waited
// come before those that were never tried.
func (s *sender) next(now time.Time) (j *job, fresh bool) {
	if len(s.later) > 0 && !s.later[0].due.After(now) {
		return s.later[0], false
	}
	if len(s.fresh) > 0 {
		return s.fresh[0], true
	}
	return nil, false
}

func (s *sender) drop(fresh bool) {
	if fresh {
		s.fresh[0] = nil
		s.fresh = s.fresh[1:]
	} else {
		heap.Pop(&s.later)
	}
}

// choose is the first server that may have a message now, of several not the
// one that refused it last; else when one may, now for as soon as one has
// room, the zero time for never.
func (s *sender) choose(j *job, now time.Time) (*outlet, time.Time) {
	var at time.Time
	var best *outlet
	for _, o := range s.servers {
		if o.off || slices.Contains(j.avoid, o) {
			continue
		}
		ready := o.free(now)
		if o.down.After(ready) {
			ready = o.down
		}
		if at.IsZero() || ready.Before(at) {
			at = ready
		}
		if !ready.After(now) && (best == nil || best == j.refused) {
			best = o
		}
	}
	if best != nil && best.busy >= best.connections {
		return nil, now
	}
	return best, at
}

// collect takes the results that are there.
func (s *sender) collect(now time.Time) {
	for {
		select {
		case x := <-s.results:
			s.pending = append(s.pending, x)
			continue
		default:
		}
		break
	}
	for _, x := range s.pending {
		x.o.busy--
		s.busy--
		s.flying--
		s.settle(x, judge(x.res, x.err), now)
	}
	s.pending = s.pending[:0]
}

// settle acts on what came of an attempt.
func (s *sender) settle(x result, v verdict, now time.Time) {
	j, o := x.j, x.o
	r := record{Time: now, What: v.what, Server: o.name, Reply: v.text}
	if v.what == evVoid {
		o.giveBack(x.at)
		if j.voids++; j.voids > voidMost {
			r.What = evRetry
		}
	}
	switch v.fault {
	case faultNone:
		o.faults, o.avoids = 0, 0
	case faultAvoid:
		j.avoid, j.last = append(j.avoid, o), v.text
		if o.avoids++; o.avoids >= avoidMost {
			s.rest(o, v.text, now)
		}
	case faultOff:
		if !o.off {
			o.off = true
			s.note("server %s is not used any more: %s", o.name, v.text)
		}
	case faultDown:
		s.rest(o, v.text, now)
	}
	switch r.What {
	case evSent:
		s.refusals, o.soft = 0, 0
	case evFailed:
		o.soft = 0
		s.note("%s: %s", j.r.path, v.text)
		if v.suppress {
			if err := s.suppressed.add(j.r.key, "refused: "+v.text, now); err != nil && s.stop == nil {
				s.stop = err
			}
		}
		s.refused(v.text)
	case evDoubt:
		s.note("%s: in doubt: %s", j.r.path, v.text)
	case evRetry:
		if v.fault == faultNone {
			if o.soft++; o.soft >= softMost {
				o.soft = 0
				s.rest(o, v.text, now)
			}
		}
		if tries := j.r.tries; tries >= len(s.conf.retry) {
			r.What, r.Reply = evFailed, fmt.Sprintf("given up after %d attempts: %s", tries+1, v.text)
			s.note("%s: %s", j.r.path, r.Reply)
		} else {
			r.Until = now.Add(s.conf.retry[tries])
			j.due, j.avoid, j.refused = r.Until, nil, o
			s.put(j)
		}
	case evVoid:
		// The next server takes over at once; then it is time to wait.
		j.due = now
		if n := j.voids - len(s.servers); n > 0 {
			j.due = now.Add(backOff(n))
		}
		s.put(j)
	}
	s.record(j, r)
}

// refused counts refusals in a row.
func (s *sender) refused(text string) {
	s.refusals++
	if n := s.conf.stopAfter; n > 0 && s.refusals >= n && s.stop == nil {
		s.stop = fmt.Errorf("%d refusals in a row, the last: %s; stopped, see stop-after: "+
			"\"bulkmail resume\" goes on with the rest, \"bulkmail resume -retry failed\" with these too", s.refusals, text)
	}
}

// rest leaves a server alone for a time.
func (s *sender) rest(o *outlet, why string, now time.Time) {
	if o.down.After(now) {
		return // by another message that was in flight
	}
	o.faults++
	o.down = now.Add(backOff(o.faults))
	s.note("server %s is left alone until %s: %s", o.name, o.down.Local().Format(time.TimeOnly), why)
}

func backOff(n int) time.Duration {
	d := downFirst
	for ; n > 1 && d < downMost; n-- {
		d *= 2
	}
	return min(d, downMost)
}
