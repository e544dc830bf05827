package maildir

// Waiting for changes, and telling others in this process of them.

import (
	"context"
	"sync"
	"time"
)

// hub knows all boxes of the process by the path of their folder, so that
// Stores that share a tree need not poll to learn of each other's changes.
var hub = notifier{boxes: make(map[string][]*box)}

type notifier struct {
	mu    sync.Mutex
	boxes map[string][]*box
}

func (n *notifier) add(b *box) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.boxes[b.path] = append(n.boxes[b.path], b)
}

func (n *notifier) remove(b *box) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.boxes[b.path]
	for i := range list {
		if list[i] == b {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(n.boxes, b.path)
	} else {
		n.boxes[b.path] = list
	}
}

// notify tells the other boxes of that folder.
func (n *notifier) notify(b *box) { n.notifyPath(b.path, b) }

func (n *notifier) notifyPath(path string, except *box) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, other := range n.boxes[path] {
		if other != except {
			select {
			case other.poke <- struct{}{}:
			default:
			}
		}
	}
}

func (b *box) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.wake)
	b.wake = make(chan struct{})
}

// wait blocks until something happened after since.
func (b *box) wait(ctx context.Context, validity uint32, since uint64) error {
	b.mu.Lock()
	if b.waiters++; b.waiters == 1 {
		b.poller, b.stop = context.WithCancel(context.Background())
		b.failed = nil
		go b.poll(b.poller)
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.waiters--; b.waiters == 0 {
			b.stop()
		}
	}()
	for first := true; ; first = false {
		b.mu.Lock()
		wake, failed := b.wake, b.failed
		over := b.loaded() && (b.st.uidValidity != validity || b.st.highest > since)
		b.mu.Unlock()
		if failed != nil || over {
			return failed
		}
		if first {
			// What happened before the poller was there.
			if err := b.refresh(ctx, false); err != nil {
				return err
			}
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// poll looks after the folder while somebody waits, until ctx ends.
func (b *box) poll(ctx context.Context) {
	t := time.NewTicker(b.store.poll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-b.poke:
		}
		if b.current() {
			continue
		}
		if err := b.update(ctx, false, nil); err != nil {
			b.mu.Lock()
			if b.poller == ctx && ctx.Err() == nil {
				b.failed = err
			}
			b.mu.Unlock()
			b.wakeAll()
		}
	}
}
