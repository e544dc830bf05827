package main

// What became of a recipient, and the records that say so.

import "time"

// event is what a record of a campaign's journal says of a recipient.
type event string

const (
	evIntent     event = "intent"     // the message is about to go to Server
	evSent       event = "sent"       // Server took it
	evRetry      event = "retry"      // Server can not take it now; again from Until on
	evFailed     event = "failed"     // it was refused, or given up
	evVoid       event = "void"       // Server failed, and said nothing of the recipient
	evDoubt      event = "doubt"      // whether Server took it is not known
	evSuppressed event = "suppressed" // the recipient is not to be sent anything
	evRequeue    event = "requeue"    // to be sent again, on request
)

// record is an element of a batch.
type record struct {
	Time   time.Time `json:"t"`
	What   event     `json:"e"`
	To     string    `json:"to"`
	Server string    `json:"server,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Reply is the server's, or what failed.
	Reply string `json:"reply,omitempty"`
}

type status uint8

const (
	queued status = iota
	waiting
	inFlight
	sent
	failed
	doubtful
	suppressed
	statuses
)

var statusNames = [statuses]string{"queued", "waiting", "in-flight", "sent", "failed", "doubtful", "suppressed"}

func (s status) String() string { return statusNames[s] }

// progress is where a recipient's message is.
type progress struct {
	state  status
	tries  int       // temporary refusals
	due    time.Time // while it waits
	at     time.Time // of the last record; zero for none
	server string
	reply  string
}

// apply moves a recipient on.
func (p *progress) apply(r record) {
	p.at, p.reply = r.Time, r.Reply
	if r.Server != "" {
		p.server = r.Server
	}
	switch r.What {
	case evIntent:
		p.state = inFlight
	case evSent:
		p.state = sent
	case evRetry:
		p.state, p.due = waiting, r.Until
		p.tries++
	case evFailed:
		p.state = failed
	case evVoid:
		p.state = queued
		if p.tries > 0 {
			p.state = waiting
		}
	case evDoubt:
		p.state = doubtful
	case evSuppressed:
		p.state = suppressed
	case evRequeue:
		p.state, p.tries = queued, 0
	}
}

// open reports whether there is something to do yet.
func (p *progress) open() bool { return p.state <= inFlight }

// counts are how many recipients are where.
type counts [statuses]int

func (l *list) counts() (n counts) {
	for _, r := range l.recipients {
		n[r.state]++
	}
	return n
}

func (c *counts) total() (n int) {
	for _, x := range c {
		n += x
	}
	return n
}

// left is how many are not settled.
func (c *counts) left() int { return c[queued] + c[waiting] + c[inFlight] }
