package maildir

// The index of a folder: a header, and frames of operations, of which the
// first are a snapshot. A frame is its length, the CRC-32C of its octets, and
// those. What a frame says holds as a whole or not at all.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

const (
	indexFile    = "mailwire.index"
	indexMagic   = "mwindex1"
	headerSize   = 32
	durableAt    = 20 // where the header has what durableField makes
	frameHeader  = 8
	frameTarget  = 32 << 10
	maxFrame     = 1 << 20
	maxTombs     = 8192 // expunged messages that are remembered
	maxRing      = 1024
	maxUIDNext   = 1<<32 - 16
	minAdd       = 10 // octets of the shortest opAdd
	unknownModes = ^uint8(inCur | oddInfo)
)

// Operations. Integers are varints, strings have their length before them.
const (
	opBegin   = 'B' // uidnext, highest modseq, floor, first recent, messages, octets of names
	opAdd     = 'A' // uid, bits, flags, keywords, modseq, date, size+1, base, info if odd
	opFlags   = 'F' // uid, bits, flags, keywords, modseq, info if odd
	opSize    = 'Z' // uid, size
	opExpunge = 'X' // uid, modseq
	opKeyword = 'K' // slot, keyword
	opRecent  = 'R' // first recent
	opSync    = 'Y' // times of new and cur, 1 or 2 added for each that is certain
	opEnd     = 'E' // end of the snapshot
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errTorn    = errors.New("incomplete at its end")
	errDamaged = errors.New("damaged")
)

type tombstone struct {
	modseq uint64
	uid    uint32
}

// state is what an index says.
type state struct {
	table
	uidValidity uint32
	uidNext     uint32
	firstRecent uint32 // messages from here are recent to nobody yet
	highest     uint64
	floor       uint64 // expunges up to here may be forgotten
	keywords    [MaxKeywords]string
	gone        []tombstone // ascending
	ring        []tombstone // the last changes, ascending
	ringFloor   uint64      // ring has all changes above
	times       [2]int64    // modification times of new and cur that are accounted for
	certain     [2]bool     // whether nothing can have happened at these times unseen
	complete    bool        // the snapshot was read to its end
	promised    uint32      // UIDNEXT at the end of the snapshot
	room        int64       // octets of the file that is being read
}

func newState(uidValidity uint32) *state {
	return &state{uidValidity: uidValidity, uidNext: 1, firstRecent: 1}
}

func makeHeader(uidValidity, generation, durable uint32) []byte {
	h := make([]byte, headerSize)
	copy(h, indexMagic)
	binary.BigEndian.PutUint32(h[8:], uidValidity)
	binary.BigEndian.PutUint32(h[12:], generation)
	binary.BigEndian.PutUint32(h[16:], crc32.Checksum(h[:16], castagnoli))
	copy(h[durableAt:], durableField(uidValidity, durable))
	return h
}

// durableField holds the UIDNEXT up to which frames have been synced. It is
// written after the sync, so that an index that lost them is known as such.
func durableField(uidValidity, durable uint32) []byte {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], durable)
	binary.BigEndian.PutUint32(b[4:], uidValidity)
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[:8], castagnoli))
	return b[:8]
}

func readDurable(field []byte, uidValidity uint32) (uint32, bool) {
	durable := binary.BigEndian.Uint32(field)
	return durable, string(durableField(uidValidity, durable)) == string(field[:8])
}

func parseHeader(h []byte) (uidValidity, durable uint32, err error) {
	if string(h[:8]) != indexMagic {
		return 0, 0, fmt.Errorf("%w: begins with %q, want %q", errDamaged, h[:8], indexMagic)
	}
	if crc32.Checksum(h[:16], castagnoli) != binary.BigEndian.Uint32(h[16:]) {
		return 0, 0, fmt.Errorf("%w: checksum of the header", errDamaged)
	}
	uidValidity = binary.BigEndian.Uint32(h[8:])
	durable, ok := readDurable(h[durableAt:], uidValidity)
	if !ok || uidValidity == 0 {
		return 0, 0, fmt.Errorf("%w: checksum of UIDNEXT", errDamaged)
	}
	return uidValidity, durable, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendAdd(b []byte, m *message, base, odd string) []byte {
	b = append(b, opAdd)
	b = binary.AppendUvarint(b, uint64(m.uid))
	b = append(b, m.bits&(inCur|oddInfo), byte(m.flags))
	b = binary.AppendUvarint(b, m.keywords)
	b = binary.AppendUvarint(b, m.modseq)
	b = binary.AppendVarint(b, m.date)
	b = binary.AppendUvarint(b, uint64(m.size+1))
	b = appendString(b, base)
	if m.bits&oddInfo != 0 {
		b = appendString(b, odd)
	}
	return b
}

func appendFlags(b []byte, m *message, odd string) []byte {
	b = append(b, opFlags)
	b = binary.AppendUvarint(b, uint64(m.uid))
	b = append(b, m.bits&(inCur|oddInfo), byte(m.flags))
	b = binary.AppendUvarint(b, m.keywords)
	b = binary.AppendUvarint(b, m.modseq)
	if m.bits&oddInfo != 0 {
		b = appendString(b, odd)
	}
	return b
}

// appendOp writes an operation that is integers alone.
func appendOp(b []byte, op byte, args ...uint64) []byte {
	b = append(b, op)
	for _, a := range args {
		b = binary.AppendUvarint(b, a)
	}
	return b
}

func appendSync(b []byte, times [2]int64, certain [2]bool) []byte {
	b = append(b, opSync)
	b = binary.AppendVarint(b, times[0])
	b = binary.AppendVarint(b, times[1])
	var c byte
	for i := range certain {
		if certain[i] {
			c |= 1 << i
		}
	}
	return append(b, c)
}

func appendKeyword(b []byte, slot int, k string) []byte {
	return appendString(appendOp(b, opKeyword, uint64(slot)), k)
}

// frames collects operations. No operation is longer than maxFrame.
type frames struct {
	sealed []byte
	open   []byte
}

func (f *frames) op() []byte { return f.open }

// add takes what grew out of op.
func (f *frames) add(b []byte) {
	f.open = b
	if len(f.open) >= frameTarget {
		f.seal()
	}
}

func (f *frames) seal() {
	if len(f.open) == 0 {
		return
	}
	f.sealed = binary.BigEndian.AppendUint32(f.sealed, uint32(len(f.open)))
	f.sealed = binary.BigEndian.AppendUint32(f.sealed, crc32.Checksum(f.open, castagnoli))
	f.sealed = append(f.sealed, f.open...)
	f.open = f.open[:0]
}

// writeSnapshot writes all of s but the header.
func (s *state) writeSnapshot(w io.Writer) (n int64, err error) {
	var f frames
	flush := func() {
		if len(f.sealed) > 0 && err == nil {
			var k int
			k, err = w.Write(f.sealed)
			n += int64(k)
			f.sealed = f.sealed[:0]
		}
	}
	f.add(appendOp(f.op(), opBegin, uint64(s.uidNext), s.highest, s.floor, uint64(s.firstRecent),
		uint64(len(s.msgs)), uint64(len(s.names)-s.waste)))
	for i, k := range s.keywords {
		if k != "" {
			f.add(appendKeyword(f.op(), i, k))
		}
	}
	for i := range s.msgs {
		m := &s.msgs[i]
		f.add(appendAdd(f.op(), m, string(s.base(m)), s.odd[m.uid]))
		flush()
	}
	for _, t := range s.gone {
		f.add(appendOp(f.op(), opExpunge, uint64(t.uid), t.modseq))
		flush()
	}
	f.add(appendSync(f.op(), s.times, s.certain))
	f.add(append(f.op(), opEnd))
	f.seal()
	flush()
	return n, err
}

// replay reads frames from r, of which size octets are left, and does what
// they say. It returns the octets that were whole frames, and the end of the
// snapshot where it was among them. The error is errTorn where the rest is
// not a frame, and errDamaged where a frame makes no sense.
func (s *state) replay(r io.Reader, size int64) (n, snapshot int64, err error) {
	defer s.sweep()
	var head [frameHeader]byte
	var body []byte
	for size > 0 {
		if size < frameHeader {
			return n, snapshot, errTorn
		}
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return n, snapshot, err
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length == 0 || length > min(maxFrame, size-frameHeader) {
			return n, snapshot, errTorn
		}
		body = slices.Grow(body[:0], int(length))[:length]
		if _, err := io.ReadFull(r, body); err != nil {
			return n, snapshot, err
		}
		if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			return n, snapshot, errTorn
		}
		was := s.complete
		if err := s.frame(body); err != nil {
			return n, snapshot, err
		}
		n += frameHeader + length
		size -= frameHeader + length
		if !was && s.complete {
			snapshot = n
		}
	}
	return n, snapshot, nil
}

// decoder reads the operations of a frame. Its error sticks.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uid() uint32 {
	v := d.uint()
	if v == 0 || v >= maxUIDNext {
		d.bad = true
	}
	return uint32(v)
}

func (d *decoder) string() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) || n > 1<<16-1 {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

func (s *state) frame(b []byte) error {
	d := &decoder{b: b}
	for len(d.b) > 0 && !d.bad {
		s.operation(d)
	}
	if d.bad {
		return fmt.Errorf("%w: a frame with operations that make no sense", errDamaged)
	}
	return nil
}

func (s *state) operation(d *decoder) {
	switch op := d.byte(); op {
	case opBegin:
		next, highest, floor, recent, n, names := d.uint(), d.uint(), d.uint(), d.uint(), d.uint(), d.uint()
		if d.bad || next > maxUIDNext || len(s.msgs) > 0 || s.complete || n > 1<<32 || names > 1<<32 {
			d.bad = true
			return
		}
		s.promised, s.highest, s.floor, s.firstRecent = uint32(next), highest, floor, uint32(recent)
		// A file that lies gets no more memory than its size deserves.
		s.grow(int(min(n, uint64(s.room)/minAdd)), int(min(names, uint64(s.room))))
	case opEnd:
		if s.complete || s.promised < s.uidNext {
			d.bad = true
			return
		}
		s.complete, s.uidNext = true, s.promised
		s.ring, s.ringFloor = nil, s.highest
	case opAdd:
		m := message{uid: d.uid(), bits: d.byte(), flags: Flags(d.byte()) & allFlags, keywords: d.uint(), modseq: d.uint(), date: d.int(), size: int64(d.uint()) - 1}
		base := d.string()
		var odd []byte
		if m.bits&oddInfo != 0 {
			odd = d.string()
		}
		if d.bad || m.uid < s.uidNext || m.bits&unknownModes != 0 || m.size < -1 {
			d.bad = true
			return
		}
		s.add(m, base, string(odd))
		s.uidNext = m.uid + 1
		s.note(m.modseq, m.uid)
	case opFlags:
		uid, bits, flags, keywords, modseq := d.uid(), d.byte(), Flags(d.byte())&allFlags, d.uint(), d.uint()
		var odd []byte
		if bits&oddInfo != 0 {
			odd = d.string()
		}
		i, ok := s.find(uid)
		if d.bad || !ok || s.msgs[i].bits&dead != 0 || bits&unknownModes != 0 {
			d.bad = true
			return
		}
		m := &s.msgs[i]
		s.count(m, -1)
		if m.bits&oddInfo != 0 {
			delete(s.odd, uid)
		}
		if bits&oddInfo != 0 {
			s.setOdd(uid, string(odd))
		}
		m.bits = m.bits&dead | bits
		m.flags, m.keywords = flags, keywords
		s.count(m, 1)
		if modseq > m.modseq {
			m.modseq = modseq
			s.note(modseq, uid)
		}
	case opSize:
		uid, size := d.uid(), int64(d.uint())
		i, ok := s.find(uid)
		if d.bad || !ok || s.msgs[i].bits&dead != 0 || size < 0 {
			d.bad = true
			return
		}
		s.count(&s.msgs[i], -1)
		s.msgs[i].size = size
		s.count(&s.msgs[i], 1)
	case opExpunge:
		uid, modseq := d.uid(), d.uint()
		if d.bad {
			return
		}
		if i, ok := s.find(uid); ok {
			s.remove(i)
		}
		s.gone = append(s.gone, tombstone{modseq, uid})
		if len(s.gone) >= 2*maxTombs {
			s.floor = max(s.floor, s.gone[maxTombs-1].modseq)
			s.gone = slices.Delete(s.gone, 0, maxTombs)
		}
		s.note(modseq, uid)
	case opKeyword:
		slot, k := d.uint(), d.string()
		if d.bad || slot >= MaxKeywords {
			d.bad = true
			return
		}
		s.keywords[slot] = string(k)
	case opRecent:
		s.firstRecent = max(s.firstRecent, uint32(d.uint()))
	case opSync:
		s.times[0], s.times[1] = d.int(), d.int()
		c := d.byte()
		s.certain = [2]bool{c&1 != 0, c&2 != 0}
	default:
		d.bad = true
	}
}

// note remembers a change for those who ask for the last ones.
func (s *state) note(modseq uint64, uid uint32) {
	s.highest = max(s.highest, modseq)
	if !s.complete {
		return
	}
	if len(s.ring) >= 2*maxRing {
		s.ringFloor = s.ring[maxRing-1].modseq
		s.ring = slices.Delete(s.ring, 0, maxRing)
	}
	s.ring = append(s.ring, tombstone{modseq, uid})
}
