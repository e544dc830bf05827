package imap

// What THREAD answers: trees of messages.

import "iter"

// ThreadAlgorithm is how THREAD makes its trees.
type ThreadAlgorithm string

// The algorithms of RFC 5256 section 3, and REFS of Dovecot and others, which
// looks at references alone.
const (
	ThreadOrderedSubject ThreadAlgorithm = "ORDEREDSUBJECT"
	ThreadReferences     ThreadAlgorithm = "REFERENCES"
	ThreadRefs           ThreadAlgorithm = "REFS"
)

// Thread is a message and the answers to it.
//
// A tree may be as deep as it has messages: walk it with [Thread.All] rather
// than by recursion.
type Thread struct {
	// Num is the message's UID or sequence number, as was asked; zero for a
	// message that is not there, which has children alone.
	Num      uint32
	Children []*Thread
}

// All yields the thread's nodes and how deep each is, itself first, at zero,
// and every node before its children. Its cost in memory is the depth.
func (t *Thread) All() iter.Seq2[int, *Thread] {
	return func(yield func(int, *Thread) bool) {
		stack := [][]*Thread{{t}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(*top) == 0 {
				stack = stack[:len(stack)-1]
				continue
			}
			n := (*top)[0]
			*top = (*top)[1:]
			if n == nil {
				continue
			}
			if !yield(len(stack)-1, n) {
				return
			}
			stack = append(stack, n.Children)
		}
	}
}
