// MD4 (RFC 1320), which NTLM's hash of a password is.

package sasl

import (
	"encoding/binary"
	"math/bits"
)

func md4(p []byte) [16]byte {
	n := uint64(len(p)) * 8
	p = append(append([]byte(nil), p...), 0x80)
	for len(p)%64 != 56 {
		p = append(p, 0)
	}
	p = binary.LittleEndian.AppendUint64(p, n)
	s := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	for ; len(p) > 0; p = p[64:] {
		var x [16]uint32
		for i := range x {
			x[i] = binary.LittleEndian.Uint32(p[4*i:])
		}
		v := s
		// Each step changes one word and turns the four by one.
		step := func(f, word uint32, shift int) {
			v = [4]uint32{v[3], bits.RotateLeft32(v[0]+f+word, shift), v[1], v[2]}
		}
		for i := range 16 {
			step(v[1]&v[2]|^v[1]&v[3], x[i], [4]int{3, 7, 11, 19}[i%4])
		}
		for i := range 16 {
			step(v[1]&v[2]|v[1]&v[3]|v[2]&v[3], x[i%4*4+i/4]+0x5a827999, [4]int{3, 5, 9, 13}[i%4])
		}
		for i, word := range [16]int{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15} {
			step(v[1]^v[2]^v[3], x[word]+0x6ed9eba1, [4]int{3, 9, 11, 15}[i%4])
		}
		for i := range s {
			s[i] += v[i]
		}
	}
	var out [16]byte
	for i, w := range s {
		binary.LittleEndian.PutUint32(out[4*i:], w)
	}
	return out
}
