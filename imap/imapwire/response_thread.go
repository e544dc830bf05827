package imapwire

// THREAD's answer (RFC 5256 section 4), read and written without recursion: a
// thread may be as deep as the mailbox has messages.

import (
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// ThreadData is THREAD.
type ThreadData struct{ Threads []*imap.Thread }

func (*ThreadData) response() {}

// threadDepth is how many times deeper than other lists the parentheses of
// THREAD may nest.
const threadDepth = 100

// threadNodes makes the nodes of threads, many with one allocation.
type threadNodes struct {
	nodes []imap.Thread
	first []*imap.Thread
}

// add makes a node below parent, or a root where it is nil.
func (t *threadNodes) add(roots *[]*imap.Thread, parent *imap.Thread, num uint32) *imap.Thread {
	if len(t.nodes) == 0 {
		t.nodes = make([]imap.Thread, 128)
		t.first = make([]*imap.Thread, 128)
	}
	n := &t.nodes[0]
	n.Num = num
	t.nodes = t.nodes[1:]
	switch {
	case parent == nil:
		*roots = append(*roots, n)
	case parent.Children == nil && len(t.first) > 0:
		t.first[0] = n
		parent.Children = t.first[:1:1]
		t.first = t.first[1:]
	default:
		parent.Children = append(parent.Children, n)
	}
	return n
}

func (p *parser) threadData() Response {
	r := &ThreadData{}
	var nodes threadNodes
	var open []*imap.Thread // what is above each list that is open
	var last *imap.Thread   // the message above what comes
	empty := false          // nothing came in the list that is open
	for !p.failed() {
		p.Spaces()
		c, ok := p.Peek()
		switch {
		case !ok && len(open) == 0:
			return r
		case c == '(':
			p.Skip(1)
			if len(open) >= threadDepth*p.depth {
				p.FailMsg("nested too deep")
				return r
			}
			if empty {
				last = nodes.add(&r.Threads, last, 0)
			}
			open = append(open, last)
			empty = true
		case c == ')' && len(open) > 0 && !empty:
			p.Skip(1)
			last = open[len(open)-1]
			open = open[:len(open)-1]
		case classDigit[c] && len(open) > 0:
			last = nodes.add(&r.Threads, last, p.nzNumber())
			empty = false
		default:
			p.Fail("a message or a list of them")
		}
	}
	return r
}

func (r *ThreadData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	dst = append(dst, "THREAD"...)
	if len(r.Threads) > 0 {
		dst = append(dst, ' ')
	}
	stack := [][]*imap.Thread{r.Threads}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(*top) == 0 {
			if stack = stack[:len(stack)-1]; len(stack) > 0 {
				dst = append(dst, ')')
			}
			continue
		}
		t := (*top)[0]
		*top = (*top)[1:]
		dst = append(dst, '(')
		some := false
		for {
			if t == nil {
				return dst, errEncode
			}
			if t.Num != 0 {
				if some {
					dst = append(dst, ' ')
				}
				dst = strconv.AppendUint(dst, uint64(t.Num), 10)
				some = true
			}
			if len(t.Children) != 1 {
				break
			}
			t = t.Children[0]
		}
		if len(t.Children) == 0 {
			if !some {
				return dst, errEncode
			}
			dst = append(dst, ')')
			continue
		}
		if some {
			dst = append(dst, ' ')
		}
		stack = append(stack, t.Children)
	}
	return dst, nil
}
