package imapclient

import (
	"encoding/binary"
	"hash/crc32"
)

var (
	DecodeState = decodeState
	AppendState = appendState
)

// Sealed is b as the content of a whole file.
func Sealed(b []byte) []byte {
	b = append([]byte(stateMagic), b...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
