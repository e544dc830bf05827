package wire

import "sync/atomic"

var poisoned atomic.Bool

// SetPoison, switched on, makes every Reader overwrite the bytes it lent as
// soon as the loan ends, so that a test fails that keeps them. For tests.
func SetPoison(on bool) { poisoned.Store(on) }

func (r *Reader) borrow(from, to int) { r.borrowedFrom, r.borrowedTo = from, to }

// poison ends the loan of the previous call. Consumed bytes alone are
// overwritten.
func (r *Reader) poison() {
	if r.borrowedTo > r.borrowedFrom {
		if poisoned.Load() && r.borrowedTo <= r.r && r.borrowedTo <= len(r.buf) {
			lent := r.buf[r.borrowedFrom:r.borrowedTo]
			for i := range lent {
				lent[i] = 0xDB
			}
		}
		r.borrowedFrom, r.borrowedTo = 0, 0
	}
}
