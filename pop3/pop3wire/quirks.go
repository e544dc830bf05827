// What servers send that no RFC has, and what is made of it.
//
// Others need nothing here: sizes that are estimates (nothing is framed by a
// size), gaps in numbers after DELE, a truncated TOP, UIDs of more than 70
// octets or of other than ASCII (given as they are), other capabilities before
// and after the login (a client asks again), lower-case status indicators.

package pop3wire

import (
	"bytes"
	"strings"

	"github.com/mailwire/mailwire/pop3"
)

// badSize takes a size that is none: "-2147483601" from servers that count in
// 32 bits, or more than 63 bits. It is given as -1.
func badSize(b []byte) (n int64, rest []byte, ok bool) {
	d := bytes.TrimPrefix(b, []byte{'-'})
	i := 0
	for i < len(d) && '0' <= d[i] && d[i] <= '9' {
		i++
	}
	return -1, d[i:], i > 0
}

// bareUID takes an answer to UIDL of one message that lacks the number:
// "+OK 0000001a4f3c" in place of "+OK 3 0000001a4f3c".
func bareUID(text string, n int) (pop3.UIDListing, bool) {
	uid := string(trimUID([]byte(text)))
	if uid == "" || strings.ContainsAny(uid, " \t") {
		return pop3.UIDListing{}, false
	}
	return pop3.UIDListing{Number: n, UID: uid}, true
}

// tagValue takes a capability with an equals sign: "LOGIN-DELAY=900",
// "SASL=PLAIN LOGIN".
func tagValue(words [][]byte) [][]byte {
	tag, value, ok := bytes.Cut(words[0], []byte{'='})
	if !ok || len(tag) == 0 {
		return words
	}
	split := append([][]byte{tag}, value)
	if len(value) == 0 {
		split = split[:1]
	}
	return append(split, words[1:]...)
}

// textChallenge reports whether a challenge is a text for people, which some
// servers put behind the plus ("+ Send your password"). It stands for an
// empty challenge.
func textChallenge(s string) bool {
	return strings.ContainsAny(s, " .,:;!-_'\"()")
}

// NoContinuation reports whether r, +OK, stands for the + that asks for the
// first response: some servers answer "AUTH PLAIN" without an initial response
// so. It can not be the success of an exchange that nothing was said in.
func NoContinuation(r *Reply, responses int) bool { return r.Status == OK && responses == 0 }
