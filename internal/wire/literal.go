package wire

import "io"

// Literal is a run of octets whose number was announced before them: an IMAP
// literal, an SMTP chunk. It is read as a stream, once.
type Literal struct {
	r    *Reader
	left int64
	size int64
	err  error
}

// Literal begins a literal of n octets. Until it is read or drained to its
// end, Line answers ErrUnread. n must not be negative.
func (r *Reader) Literal(n int64) *Literal {
	if n < 0 {
		panic("wire: negative literal")
	}
	r.poison()
	r.open = n
	return &Literal{r: r, left: n, size: n}
}

// Size is the number of octets announced.
func (l *Literal) Size() int64 { return l.size }

// Remaining is the number of octets not yet read.
func (l *Literal) Remaining() int64 { return l.left }

func (l *Literal) take(n int) {
	l.left -= int64(n)
	l.r.open = l.left
}

func (l *Literal) failed(err error) error {
	if err == io.EOF {
		err = l.r.failed()
	}
	l.err = err
	return err
}

// Read reads the next octets. After the last one the error is io.EOF; a
// stream that ends sooner is io.ErrUnexpectedEOF.
func (l *Literal) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.take(n)
	if err != nil && l.left > 0 {
		return n, l.failed(err)
	}
	return n, nil
}

// WriteTo writes the octets that are left to w from the window, uncopied.
func (l *Literal) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for l.left > 0 {
		b, err := l.next()
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
	return total, l.err
}

// next consumes what the window holds of the literal, borrowed until the
// next call.
func (l *Literal) next() ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	r := l.r
	r.poison()
	if r.r == r.w && !r.fill(r.bulk(l.size-l.left, l.left)) {
		return nil, l.failed(r.err)
	}
	n := int(min(int64(r.w-r.r), l.left))
	b := r.buf[r.r : r.r+n]
	r.borrow(r.r, r.r+n)
	r.r += n
	l.take(n)
	return b, nil
}

// Drain throws away what is left, if that is at most limit octets. Otherwise
// it reads nothing and the error is a *LimitError: the connection must end.
func (l *Literal) Drain(limit int64) error {
	if l.left > limit {
		return &LimitError{What: "literal", Limit: limit, Offset: l.r.Offset()}
	}
	for l.left > 0 {
		if _, err := l.next(); err != nil {
			return err
		}
	}
	return nil
}

// AppendLiteral reads a literal of n octets and appends it to dst. Memory
// grows with what arrives, not with n. A literal over limit octets is a
// *LimitError and is left unread and not begun: Literal can drain it. n must
// not be negative.
func (r *Reader) AppendLiteral(dst []byte, n, limit int64) ([]byte, error) {
	if n < 0 {
		panic("wire: negative literal")
	}
	if n > limit {
		return dst, &LimitError{What: "literal", Limit: limit, Offset: r.Offset()}
	}
	l := Literal{r: r, left: n, size: n}
	r.poison()
	r.open = n
	for l.left > 0 {
		b, err := l.next()
		if err != nil {
			return dst, err
		}
		dst = append(dst, b...)
	}
	return dst, nil
}
