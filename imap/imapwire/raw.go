package imapwire

// Octets that are passed on as they came.

import "bytes"

// Waits are the offsets in a command's raw octets, as [CommandReader.Raw] gives
// them, at which its sender waits for a continuation, ascending: behind the
// headers of the literals in it, as [CommandEncoder.Waits]. The literal whose
// header ends raw is not among them: see [Literal.Sync].
func Waits(raw []byte) []int {
	var waits []int
	for i := 0; ; {
		n := bytes.IndexByte(raw[i:], '\n')
		if n < 0 {
			return waits
		}
		h, ok := literalHeader(bytes.TrimSuffix(raw[i:i+n], []byte{'\r'}))
		i += n + 1
		if !ok || h.size > int64(len(raw)-i) {
			return waits
		}
		if h.sync {
			waits = append(waits, i)
		}
		i += int(h.size)
	}
}
