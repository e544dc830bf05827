// The open maildrop: messages, their marks and their unique-ids.

package pop3server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/sasl"
)

// drop is a maildrop as the session sees it. Message n is messages[n-1].
type drop struct {
	Maildrop
	messages []pop3.Message
	deleted  []bool
	count    int    // of messages not marked as deleted
	size     int64  // theirs together
	accessed int    // the highest number accessed, for LAST
	sent     []bool // by RETR; nil before the first
}

// openDrop opens the maildrop of id.
func (c *Conn) openDrop(ctx context.Context, id sasl.Identity) error {
	m, err := c.srv.Backend.Open(ctx, id)
	if m != nil {
		c.drop = &drop{Maildrop: m}
	}
	if c.net.Hijacked() {
		err = errDone
	}
	if err == nil && m == nil {
		err = errors.New("pop3server: the backend opened no maildrop")
	}
	if err == nil {
		var list []pop3.Message
		if list, err = m.Messages(ctx); err == nil {
			err = c.drop.fill(list)
		}
	}
	if err != nil {
		c.closeDrop()
		return err
	}
	if n := c.drop.mendUIDs(); n > 0 {
		c.net.Log.Warn("unique-ids of the backend were replaced", "messages", n)
	}
	return nil
}

func (c *Conn) closeDrop() {
	d := c.drop
	if d == nil {
		return
	}
	c.drop = nil
	if err := d.Close(); err != nil {
		c.net.Log.Warn("closing the maildrop failed", "error", err)
	}
}

func (d *drop) fill(list []pop3.Message) error {
	if len(list) > math.MaxInt32 {
		return errors.New("pop3server: more messages than POP3 can number")
	}
	// A copy: the backend may go on with its own.
	d.messages = append([]pop3.Message{}, list...)
	d.deleted = make([]bool, len(list))
	d.count = len(list)
	for i, m := range list {
		if m.Size < 0 || d.size > math.MaxInt64-m.Size {
			return fmt.Errorf("pop3server: message %d has an impossible size of %d octets", i, m.Size)
		}
		d.size += m.Size
	}
	return nil
}

// mendUIDs replaces unique-ids that can not be said, and returns how many.
//
// A client takes a message whose unique-id it knows for one it has, and may
// delete it. So one that can not be said is replaced by a digest of itself,
// which stays the same. Where there is none, or messages share one, nothing
// tells the messages apart that would hold in the next session: they get
// values that no session had before.
func (d *drop) mendUIDs() int {
	uses := make(map[string]int, len(d.messages))
	mended := 0
	for i := range d.messages {
		m := &d.messages[i]
		if m.UID != "" && !pop3.ValidUID(m.UID) {
			sum := sha256.Sum256([]byte(m.UID))
			m.UID = "~" + base64.RawURLEncoding.EncodeToString(sum[:])
			mended++
		}
		uses[m.UID]++
	}
	if len(uses) == len(d.messages) && uses[""] == 0 {
		return mended
	}
	session := rand.Text()
	for i := range d.messages {
		if m := &d.messages[i]; m.UID == "" || uses[m.UID] > 1 {
			m.UID = "!" + session + "-" + strconv.Itoa(i)
			mended++
		}
	}
	return mended
}

// message is the index of message n, or why there is none.
func (d *drop) message(n int) (int, *pop3.Error) {
	switch {
	case n < 1 || n > len(d.messages):
		return 0, pop3.Errorf("", "No such message, there are %d", len(d.messages))
	case d.deleted[n-1]:
		return 0, pop3.Errorf("", "Message %d is marked as deleted", n)
	}
	return n - 1, nil
}

func (d *drop) mark(i int) {
	d.deleted[i] = true
	d.count--
	d.size -= d.messages[i].Size
}

func (d *drop) unmark() {
	for i := range d.deleted {
		if d.deleted[i] {
			d.deleted[i] = false
			d.count++
			d.size += d.messages[i].Size
		}
	}
	d.accessed = 0
}

// leaving are the indexes of the messages that QUIT removes: those marked as
// deleted and those whose time is over.
func (d *drop) leaving(expired func(i int) bool) (list []int) {
	for i, x := range d.deleted {
		if x || expired != nil && expired(i) {
			list = append(list, i)
		}
	}
	return list
}

func (d *drop) access(i int) { d.accessed = max(d.accessed, i+1) }

func (d *drop) summary() string {
	return fmt.Sprintf("Maildrop has %d messages (%d octets)", d.count, d.size)
}
