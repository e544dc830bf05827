package mime

// yEnc (yenc-draft 1.3).

import (
	"bytes"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
)

// YEnc is what the header lines of a yEnc file say. Sizes are octets, decoded.
type YEnc struct {
	Name string
	Line int   // typical line length
	Size int64 // of the whole file
	// Of a file in several parts: the part's number, how many there are if it says so, and the octets of the file that
	// this part has, counted from 0.
	Part, Total int
	Range       Range
}

// YEncResult is what the trailer of a yEnc file says, and whether the data agrees.
type YEncResult struct {
	Complete bool   // the trailer was found
	Octets   int64  // decoded
	Size     int64  // that the trailer says; -1 if it says nothing
	CRC32    uint32 // of the decoded data
	// SizeMatches and CRCMatches tell whether the data is what the header and trailer say. What they do not say matches.
	SizeMatches, CRCMatches bool
	// FileCRC32 is the checksum of all parts together, as the trailer of a part says it, and HasFileCRC32 whether it does.
	FileCRC32    uint32
	HasFileCRC32 bool
}

// A YEncReader reads the first yEnc file, or part of one, of a text, decoded. Text before it is passed over. Checksums and sizes
// that do not agree are not errors: see Result. Its only errors are those of its source.
type YEncReader struct {
	r     io.Reader
	in    [4096]byte
	i, n  int
	rerr  error
	head  YEnc
	res   YEncResult
	state yencState
	line  []byte
	sum   hash.Hash32
	esc   bool
	err   error
}

type yencState uint8

const (
	yencSearch  yencState = iota // before =ybegin
	yencStart                    // at the start of a line
	yencStartEq                  // behind "=" at the start of a line
	yencData
	yencCommand // in a line that begins with "=y"
)

// NewYEncReader returns a reader of the file in r.
func NewYEncReader(r io.Reader) *YEncReader { return &YEncReader{r: r, sum: crc32.NewIEEE()} }

// Header returns what the header lines say. It is known after the first Read.
func (y *YEncReader) Header() YEnc { return y.head }

// Result returns, after io.EOF, what the trailer says and whether the data agrees.
func (y *YEncReader) Result() YEncResult { return y.res }

// yencValue returns the value of a keyword.
func yencValue(line []byte, key string) (string, bool) {
	if key == "name" { // it is the last, and may have blanks
		_, v, ok := bytes.Cut(line, []byte(" name="))
		return string(bytes.TrimSpace(v)), ok
	}
	if head, _, ok := bytes.Cut(line, []byte(" name=")); ok {
		line = head
	}
	for len(line) > 0 {
		var f []byte
		f, line, _ = bytes.Cut(line, []byte(" "))
		if len(f) > len(key) && string(f[:len(key)]) == key && f[len(key)] == '=' {
			return string(f[len(key)+1:]), true
		}
	}
	return "", false
}

// yencNumber returns the value of a keyword, or -1.
func yencNumber(line []byte, key string) int64 {
	s, ok := yencValue(line, key)
	if !ok {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func yencCRC(line []byte, key string) (uint32, bool) {
	s, ok := yencValue(line, key)
	if !ok {
		return 0, false
	}
	if len(s) > 8 && len(s) <= 16 { // some encoders sign-extend
		s = s[len(s)-8:]
	}
	n, err := strconv.ParseUint(s, 16, 32)
	return uint32(n), err == nil
}

// yencBegin reads "=ybegin line=128 size=123456 name=mybinary.dat".
func yencBegin(line []byte) (YEnc, bool) {
	if !bytes.HasPrefix(line, []byte("=ybegin ")) {
		return YEnc{}, false
	}
	name, ok := yencValue(line, "name")
	size := yencNumber(line, "size")
	if !ok || size < 0 {
		return YEnc{}, false
	}
	small := func(key string) int { return int(min(max(yencNumber(line, key), 0), 1<<30)) }
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = name[1 : len(name)-1]
	}
	return YEnc{Name: textUTF8(name), Line: small("line"), Size: size, Part: small("part"), Total: small("total"), Range: Range{0, size}}, true
}

// Read decodes the file.
func (y *YEncReader) Read(p []byte) (int, error) {
	out := 0
octets:
	for out < len(p) {
		if y.err != nil {
			break
		}
		if y.i == y.n {
			if out > 0 {
				break
			}
			if y.rerr != nil {
				y.finish(y.rerr)
				continue
			}
			y.n, y.rerr = y.r.Read(y.in[:])
			y.i = 0
			continue
		}
		c := y.in[y.i]
		y.i++
		switch y.state {
		case yencSearch, yencCommand:
			if c == '\n' {
				if out > 0 { // the trailer is checked against what was delivered
					y.i--
					break octets
				}
				y.command()
			} else if len(y.line) < embedLine {
				y.line = append(y.line, c)
			}
			continue
		case yencStart:
			if c == '=' {
				y.state = yencStartEq
				continue
			}
			y.state = yencData
		case yencStartEq:
			if c == 'y' {
				y.line = append(y.line[:0], "=y"...)
				y.state = yencCommand
				continue
			}
			y.state = yencData
			y.esc = true
		}
		switch {
		case c == '\r':
		case c == '\n':
			y.state, y.esc = yencStart, false
		case y.esc:
			y.esc = false
			p[out] = c - 64 - 42
			out++
		case c == '=':
			y.esc = true
		default:
			p[out] = c - 42
			out++
		}
	}
	y.sum.Write(p[:out])
	y.res.Octets += int64(out)
	if out == 0 && len(p) > 0 {
		return 0, y.err
	}
	return out, nil
}

// command acts on the line that has ended.
func (y *YEncReader) command() {
	line := bytes.TrimRight(y.line, "\r \t")
	y.line = y.line[:0]
	if y.state == yencSearch {
		if h, ok := yencBegin(line); ok {
			y.head = h
			y.state = yencStart
		}
		return
	}
	y.state = yencStart
	switch {
	case bytes.HasPrefix(line, []byte("=ypart ")):
		a, b := yencNumber(line, "begin"), yencNumber(line, "end")
		if a > 0 && b >= a-1 {
			y.head.Range = Range{a - 1, b}
		}
	case bytes.HasPrefix(line, []byte("=yend")):
		y.trailer(line)
		y.err = io.EOF
	case bytes.HasPrefix(line, []byte("=ybegin ")):
		y.finish(io.EOF)
	}
}

func (y *YEncReader) trailer(line []byte) {
	y.res.Complete = true
	y.res.Size = yencNumber(line, "size")
	if y.head.Part == 0 {
		y.head.Part = int(min(max(yencNumber(line, "part"), 0), 1<<30))
	}
	y.res.FileCRC32, y.res.HasFileCRC32 = yencCRC(line, "crc32")
	y.check(line)
}

func (y *YEncReader) check(line []byte) {
	y.res.CRC32 = y.sum.Sum32()
	y.res.SizeMatches = (y.res.Size < 0 || y.res.Size == y.res.Octets) && y.head.Range.Len() == y.res.Octets
	key := "crc32"
	if y.head.Part > 0 {
		key = "pcrc32"
	}
	want, ok := yencCRC(line, key)
	y.res.CRCMatches = !ok || want == y.res.CRC32
}

// finish ends the file without a trailer.
func (y *YEncReader) finish(err error) {
	if (y.state == yencSearch || y.state == yencCommand) && len(y.line) > 0 {
		y.command() // the last line has no ending
	}
	if y.err == nil {
		y.err = err
		y.res.Size = -1
		y.check(nil)
	}
}
