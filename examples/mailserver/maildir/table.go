package maildir

// The messages of a folder in memory: about 120 octets for each, names of 50
// octets included.

import (
	"hash/maphash"
	"sort"
)

const (
	inCur   uint8 = 1 << iota // in cur, else in new
	oddInfo                   // the info is in table.odd
	dead                      // to be removed by sweep
)

type message struct {
	modseq   uint64
	keywords uint64
	date     int64 // seconds since 1970
	size     int64 // octets with CRLF line ends, -1 if not known
	uid      uint32
	name     uint32 // offset in table.names
	nameLen  uint16
	flags    Flags
	bits     uint8
}

// table holds messages by ascending UID.
type table struct {
	msgs  []message
	names []byte
	waste int               // octets of names that belong to no message
	odd   map[uint32]string // info that is not what suffix writes

	// slots is a hash table from base names to UIDs. One that is not in msgs
	// is an empty slot to those who write and a full one to those who search.
	slots []uint32
	used  int
	seed  maphash.Seed

	unseen, deleted, unsized int
	size                     int64 // of those whose size is known
	firstUnseen              uint32
	firstUnseenKnown         bool
	dead                     int
}

// search is the position of the first message with that UID or a greater one.
func (t *table) search(uid uint32) int {
	return sort.Search(len(t.msgs), func(i int) bool { return t.msgs[i].uid >= uid })
}

func (t *table) find(uid uint32) (int, bool) {
	i := t.search(uid)
	return i, i < len(t.msgs) && t.msgs[i].uid == uid
}

func (t *table) base(m *message) []byte {
	return t.names[m.name : int(m.name)+int(m.nameLen)]
}

func (t *table) info(m *message) string {
	switch {
	case m.bits&oddInfo != 0:
		return t.odd[m.uid]
	case m.bits&inCur != 0:
		return suffix(m.flags, m.keywords, "")
	}
	return ""
}

// fileName is the name of the file, its directory included.
func (t *table) fileName(m *message) (dir, name string) {
	dir = "new"
	if m.bits&inCur != 0 {
		dir = "cur"
	}
	return dir, string(t.base(m)) + t.info(m)
}

func (t *table) lookup(base string) (int, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for h := maphash.String(t.seed, base) & mask; t.slots[h] != 0; h = (h + 1) & mask {
		i, ok := t.find(t.slots[h])
		if ok && t.msgs[i].bits&dead == 0 && string(t.base(&t.msgs[i])) == base {
			return i, true
		}
	}
	return 0, false
}

func (t *table) insertSlot(base []byte, uid uint32) {
	mask := uint64(len(t.slots) - 1)
	h := maphash.Bytes(t.seed, base) & mask
	for t.slots[h] != 0 {
		h = (h + 1) & mask
	}
	t.slots[h] = uid
	t.used++
}

// rehash makes room for n messages.
func (t *table) rehash(n int) {
	size := 64
	for size*2 < n*3 {
		size *= 2
	}
	t.seed = maphash.MakeSeed()
	t.slots = make([]uint32, size)
	t.used = 0
	for i := range t.msgs {
		if m := &t.msgs[i]; m.bits&dead == 0 {
			t.insertSlot(t.base(m), m.uid)
		}
	}
}

// grow makes room for n messages with names of so many octets.
func (t *table) grow(n, names int) {
	t.msgs = make([]message, 0, n+n/16)
	t.names = make([]byte, 0, names+names/16)
	t.rehash(n + n/16)
}

// count adds what a message contributes to the sums, or takes it away.
func (t *table) count(m *message, by int) {
	if m.flags&Seen == 0 {
		t.unseen += by
	}
	if m.flags&Deleted != 0 {
		t.deleted += by
	}
	if m.size < 0 {
		t.unsized += by
	} else {
		t.size += int64(by) * m.size
	}
	t.firstUnseenKnown = false
}

// add appends a message; its UID is above all others.
func (t *table) add(m message, base []byte, odd string) {
	if (t.used+1)*4 > len(t.slots)*3 {
		t.rehash(max(2*(len(t.msgs)-t.dead), 32))
	}
	m.name, m.nameLen = uint32(len(t.names)), uint16(len(base))
	t.names = append(t.names, base...)
	if m.bits&oddInfo != 0 {
		t.setOdd(m.uid, odd)
	}
	t.msgs = append(t.msgs, m)
	t.count(&m, 1)
	t.insertSlot(base, m.uid)
}

func (t *table) setOdd(uid uint32, info string) {
	if t.odd == nil {
		t.odd = make(map[uint32]string)
	}
	t.odd[uid] = info
}

// remove takes a message away with the next sweep.
func (t *table) remove(i int) {
	m := &t.msgs[i]
	if m.bits&dead != 0 {
		return
	}
	t.count(m, -1)
	if m.bits&oddInfo != 0 {
		delete(t.odd, m.uid)
	}
	m.bits |= dead
	t.dead++
	t.waste += int(m.nameLen)
}

func (t *table) sweep() {
	if t.dead == 0 {
		return
	}
	kept := t.msgs[:0]
	for i := range t.msgs {
		if t.msgs[i].bits&dead == 0 {
			kept = append(kept, t.msgs[i])
		}
	}
	t.msgs = kept
	t.dead = 0
	if cap(kept) > 1024 && len(kept) < cap(kept)/4 {
		t.msgs = append(make([]message, 0, len(kept)+len(kept)/16), kept...)
	}
	if t.waste > 4096 && t.waste > len(t.names)/2 {
		names := make([]byte, 0, len(t.names)-t.waste)
		for i := range t.msgs {
			m := &t.msgs[i]
			base := t.base(m)
			m.name = uint32(len(names))
			names = append(names, base...)
		}
		t.names, t.waste = names, 0
	}
}

// first is the UID of the first message that is unseen, 0 if none is.
func (t *table) first() uint32 {
	if !t.firstUnseenKnown {
		t.firstUnseen = 0
		if t.unseen > 0 {
			for i := range t.msgs {
				if t.msgs[i].flags&Seen == 0 {
					t.firstUnseen = t.msgs[i].uid
					break
				}
			}
		}
		t.firstUnseenKnown = true
	}
	return t.firstUnseen
}
