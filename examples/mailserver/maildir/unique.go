package maildir

// Unique names of message files, and what names say.

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

var (
	deliveries atomic.Uint64
	// processID parts processes with the same number on the same host name:
	// containers that share a tree.
	processID = func() uint32 {
		var b [4]byte
		rand.Read(b[:])
		return binary.BigEndian.Uint32(b[:])
	}()
)

// uniqueName is a name that no other file has, by maildir(5).
func uniqueName(host string) string {
	now := time.Now()
	return fmt.Sprintf("%d.R%08xM%06dP%dQ%d.%s", now.Unix(), processID, now.Nanosecond()/1000, os.Getpid(), deliveries.Add(1), host)
}

// withSizes adds the size of a file, and its size with CRLF line ends.
func withSizes(name string, size, wire int64) string {
	return name + ",S=" + strconv.FormatInt(size, 10) + ",W=" + strconv.FormatInt(wire, 10)
}

const maxHost = 64

func cleanHost(host string) string {
	escape := runtime.GOOS != "windows"
	var b strings.Builder
	for i := 0; i < len(host) && b.Len() < maxHost; i++ {
		switch c := host[i]; {
		case c == '/' && escape:
			b.WriteString(`\057`)
		case c == ':' && escape:
			b.WriteString(`\072`)
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:;,*?"<>|!`, c) >= 0:
			b.WriteByte('_')
		default:
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 {
		return "localhost"
	}
	return b.String()
}

// sizesOf are S= and W= of a name, -1 where missing.
func sizesOf(base string) (size, wire int64) {
	size, wire = -1, -1
	_, fields, _ := strings.Cut(base, ",")
	for field := range strings.SplitSeq(fields, ",") {
		if len(field) < 3 || field[1] != '=' {
			continue
		}
		n, err := strconv.ParseInt(field[2:], 10, 63)
		if err != nil || n < 0 {
			continue
		}
		switch field[0] {
		case 'S':
			size = n
		case 'W':
			wire = n
		}
	}
	return size, wire
}

// order is the moment of delivery that a name tells: seconds, microseconds,
// and the count of the process.
type order [3]int64

func orderOf(base string) order {
	var o order
	sec, rest, _ := strings.Cut(base, ".")
	o[0], _ = strconv.ParseInt(sec, 10, 64)
	unique, _, _ := strings.Cut(rest, ".")
	for i := 0; i < len(unique); {
		letter := unique[i]
		i++
		start := i
		for i < len(unique) && ('0' <= unique[i] && unique[i] <= '9' || letter == 'R' && 'a' <= unique[i] && unique[i] <= 'f') {
			i++
		}
		n, _ := strconv.ParseInt(unique[start:i], 10, 64)
		switch letter {
		case 'M':
			o[1] = n
		case 'Q':
			o[2] = n
		}
	}
	return o
}

func (o order) compare(p order) int {
	return cmp.Or(cmp.Compare(o[0], p[0]), cmp.Compare(o[1], p[1]), cmp.Compare(o[2], p[2]))
}
