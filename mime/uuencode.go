package mime

// uuencode (POSIX), and finding what stands encoded or enciphered in the midst of a text.

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"strconv"
	"strings"
)

// embedLine is the longest line that is looked at whole; of a longer one this much.
const embedLine = 4096

// lineReader reads lines in a fixed buffer.
type lineReader struct {
	b    *bufio.Reader
	off  int64 // of the next line
	long []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{b: bufio.NewReaderSize(r, embedLine)} }

// next returns the line without its ending, cut at embedLine, and where it begins. The bytes are borrowed. The error is io.EOF
// only where there is no line.
func (l *lineReader) next() (line []byte, start int64, err error) {
	start = l.off
	line, err = l.b.ReadSlice('\n')
	l.off += int64(len(line))
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], line...)
		return l.long, start, l.skip()
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), start, err
}

// skip passes over the rest of a line.
func (l *lineReader) skip() error {
	for {
		rest, err := l.b.ReadSlice('\n')
		l.off += int64(len(rest))
		switch err {
		case bufio.ErrBufferFull:
			continue
		case io.EOF:
			return nil
		}
		return err
	}
}

// A UUReader reads the first uuencoded file of a text, decoded. It takes what mail makes of the format: trailing blanks cut from
// lines or added to them, a grave accent or a blank for zero, checksum characters behind the data, a missing "begin" (as
// in a body with Content-Transfer-Encoding: x-uuencode), and a missing "end". Its only errors are those of its source.
type UUReader struct {
	l     *lineReader
	name  string
	mode  int
	begun bool
	ended bool
	words bool // text has been passed over
	out   []byte
	buf   [64]byte
	err   error
}

// NewUUReader returns a reader of the file in r. Text before its begin line is passed over.
func NewUUReader(r io.Reader) *UUReader { return &UUReader{l: newLineReader(r)} }

// Name returns the file's name as the begin line has it, and its permission bits. They are known after the first Read. The name
// is the sender's text; see SafeFilename.
func (u *UUReader) Name() (name string, mode int) { return u.name, u.mode }

// Complete tells, after io.EOF, whether both begin and end were there.
func (u *UUReader) Complete() bool { return u.begun && u.ended }

// uuBegin reads "begin 644 name".
func uuBegin(line []byte) (name string, mode int, ok bool) {
	s, ok := bytes.CutPrefix(line, []byte("begin "))
	if !ok {
		if s, ok = bytes.CutPrefix(line, []byte("begin\t")); !ok {
			return "", 0, false
		}
	}
	s = bytes.TrimLeft(s, " \t")
	n := 0
	for n < len(s) && n < 7 && '0' <= s[n] && s[n] <= '7' {
		n++
	}
	if n < 3 || n > 6 || n < len(s) && s[n] != ' ' && s[n] != '\t' {
		return "", 0, false
	}
	m, err := strconv.ParseUint(string(s[:n]), 8, 32)
	if err != nil {
		return "", 0, false
	}
	name = textUTF8(string(bytes.TrimSpace(s[n:])))
	return strings.Trim(name, `"`), int(m), name != ""
}

// uuLine tells whether a line is one of data, and how many octets it has.
func uuLine(line []byte) (n int, ok bool) {
	if len(line) == 0 || line[0] < ' ' || line[0] > '`' {
		return 0, false
	}
	n = int(line[0]-' ') & 63
	body := bytes.TrimRight(line[1:], " \t")
	want := (n*8 + 5) / 6
	for _, c := range body {
		if c < ' ' || c > '`' {
			return 0, false
		}
	}
	full := (n + 2) / 3 * 4
	return n, len(body) <= full+1 || len(body) <= want+2
}

// Read decodes the file.
func (u *UUReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		line, _, err := u.l.next()
		if err != nil {
			u.err = err
			continue
		}
		if !u.begun {
			if name, mode, ok := uuBegin(line); ok {
				u.name, u.mode, u.begun = name, mode, true
				continue
			}
			// Without begin, lines that are data in full may stand alone.
			if n, ok := uuLine(line); !ok || n == 0 || u.words || len(bytes.TrimRight(line[1:], " ")) < (n*8+5)/6 || line[0] == ' ' {
				u.words = u.words || len(bytes.TrimSpace(line)) > 0
				continue
			}
		}
		if string(bytes.TrimRight(line, " \t")) == "end" {
			u.ended, u.err = true, io.EOF
			continue
		}
		n, ok := uuLine(line)
		if !ok {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			u.err = io.EOF
			continue
		}
		u.out = appendUU(u.buf[:0], line[1:], n)
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

// appendUU decodes n octets; characters that are missing are zero.
func appendUU(dst, s []byte, n int) []byte {
	at := func(i int) uint32 {
		if i < len(s) && ' ' <= s[i] && s[i] <= '`' {
			return uint32(s[i]-' ') & 63
		}
		return 0
	}
	for i := 0; n > 0; i += 4 {
		v := at(i)<<18 | at(i+1)<<12 | at(i+2)<<6 | at(i+3)
		dst = append(dst, byte(v>>16), byte(v>>8), byte(v))
		if n < 3 {
			dst = dst[:len(dst)-(3-n)]
		}
		n -= 3
	}
	return dst
}

// AppendUU appends data as a uuencoded file, its lines ending in CRLF. Control characters in the name are dropped.
func AppendUU(dst []byte, name string, mode int, data []byte) []byte {
	dst = append(dst, "begin "...)
	m := strconv.FormatInt(int64(mode&0o777), 8)
	dst = append(dst, "000"[min(len(m), 3):]...)
	dst = append(dst, m...)
	dst = append(dst, ' ')
	n := len(dst)
	for _, c := range []byte(strings.TrimSpace(name)) {
		if c >= ' ' && c != 0x7F {
			dst = append(dst, c)
		}
	}
	if len(dst) == n {
		dst = append(dst, "data"...)
	}
	dst = append(dst, "\r\n"...)
	digit := func(v uint32) byte {
		if v &= 63; v != 0 {
			return byte(v) + ' '
		}
		return '`'
	}
	for {
		k := min(len(data), 45)
		dst = append(dst, digit(uint32(k)))
		for i := 0; i < k; i += 3 {
			var g [3]byte
			copy(g[:], data[i:k])
			v := uint32(g[0])<<16 | uint32(g[1])<<8 | uint32(g[2])
			dst = append(dst, digit(v>>18), digit(v>>12), digit(v>>6), digit(v))
		}
		dst = append(dst, "\r\n"...)
		if k == 0 {
			return append(dst, "end\r\n"...)
		}
		data = data[k:]
	}
}

// EmbeddedKind says what stands in a text.
type EmbeddedKind uint8

// What is found in texts.
const (
	EmbeddedUU           EmbeddedKind = iota + 1 // a uuencoded file
	EmbeddedYEnc                                 // a yEnc file, or a part of one
	EmbeddedPGPMessage                           // an OpenPGP message in ASCII armour (RFC 4880 section 6.2), mostly enciphered
	EmbeddedPGPSigned                            // cleartext with its signature (RFC 4880 section 7)
	EmbeddedPGPSignature                         // a signature alone
	EmbeddedPGPPublicKey
	EmbeddedPGPPrivateKey
	EmbeddedPGPOther // armour of another name
)

var embeddedNames = [...]string{"", "uuencode", "yEnc", "PGP message", "PGP signed message", "PGP signature", "PGP public key", "PGP private key", "PGP armour"}

func (k EmbeddedKind) String() string {
	if int(k) < len(embeddedNames) {
		return embeddedNames[k]
	}
	return "EmbeddedKind(" + strconv.Itoa(int(k)) + ")"
}

// An Embedded is a block found in a text.
type Embedded struct {
	Kind EmbeddedKind
	// Name is the file's name of uuencode and yEnc, and the armour's name of EmbeddedPGPOther, as it stands.
	Name string
	Mode int // permission bits of uuencode
	// Range is the octets of the text from the begin line to the end line, its line ending included.
	Range Range
	// Size is the octets of the file, decoded: counted for uuencode, as the block says for yEnc.
	Size int64
	// Part and Total number the yEnc part; 0 in a file of one part.
	Part, Total int
	// Complete tells whether the end line was found; without it the block ends with the text, or before the line that
	// cannot belong to it.
	Complete bool
}

// Open returns a reader of the block's file, decoded; of PGP blocks, of the octets as they stand. m holds the text.
func (e *Embedded) Open(m io.ReaderAt) io.Reader {
	switch e.Kind {
	case EmbeddedUU:
		return NewUUReader(e.Range.Reader(m))
	case EmbeddedYEnc:
		return NewYEncReader(e.Range.Reader(m))
	}
	return e.Range.Reader(m)
}

// FindEmbedded yields the uuencoded and yEnc files and the PGP blocks of a text, in order, in one pass and constant memory. An
// error is r's and the last thing yielded.
func FindEmbedded(r io.Reader) iter.Seq2[*Embedded, error] {
	return func(yield func(*Embedded, error) bool) {
		l := newLineReader(r)
		var e *Embedded
		last := int64(0) // where the data of e ends, that is known to be data
		sized := false
		pgpEnd := ""
		for {
			line, start, err := l.next()
			if err != nil {
				if e != nil {
					e.Range.End = max(last, e.Range.Start)
					if !yield(e, nil) {
						return
					}
				}
				if err != io.EOF {
					yield(nil, err)
				}
				return
			}
			if e != nil {
				over, take := false, true
				switch e.Kind {
				case EmbeddedUU:
					n, ok := uuLine(line)
					switch {
					case string(bytes.TrimRight(line, " \t")) == "end":
						e.Complete, over = true, true
					case ok:
						e.Size += int64(n)
					case len(bytes.TrimSpace(line)) > 0:
						over, take = true, false
					}
				case EmbeddedYEnc:
					switch {
					case bytes.HasPrefix(line, []byte("=yend")):
						e.Complete, over = true, true
					case bytes.HasPrefix(line, []byte("=ypart ")) && !sized:
						a, b := yencNumber(line, "begin"), yencNumber(line, "end")
						if a > 0 && b >= a {
							e.Size, sized = b-a+1, true
						}
					case bytes.HasPrefix(line, []byte("=ybegin ")):
						over, take = true, false
					}
				default:
					s := string(bytes.TrimRight(line, " \t"))
					if s == pgpEnd {
						e.Complete, over = true, true
					} else if k, name := pgpBegin(line); k == EmbeddedPGPSigned || k != 0 && name != "SIGNATURE" {
						over, take = true, false
					}
				}
				if take {
					last = l.off
				}
				if over {
					e.Range.End = last
					if !yield(e, nil) {
						return
					}
					e = nil
				}
				if take {
					continue
				}
			}
			if name, mode, ok := uuBegin(line); ok {
				e = &Embedded{Kind: EmbeddedUU, Name: name, Mode: mode, Range: Range{start, 0}}
			} else if y, ok := yencBegin(line); ok {
				e = &Embedded{Kind: EmbeddedYEnc, Name: y.Name, Part: y.Part, Total: y.Total, Size: y.Size, Range: Range{start, 0}}
				sized = false
			} else if k, name := pgpBegin(line); k != 0 {
				e = &Embedded{Kind: k, Range: Range{start, 0}}
				pgpEnd = "-----END PGP " + name + "-----"
				switch k {
				case EmbeddedPGPSigned:
					pgpEnd = "-----END PGP SIGNATURE-----"
				case EmbeddedPGPOther:
					e.Name = name
				}
			}
			last = l.off
		}
	}
}
