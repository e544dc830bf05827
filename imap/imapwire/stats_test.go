package imapwire

import "runtime"

// runtimeStats is what the program allocated so far.
type runtimeStats struct{ bytes, mallocs uint64 }

func (s *runtimeStats) read() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.bytes, s.mallocs = m.TotalAlloc, m.Mallocs
}
