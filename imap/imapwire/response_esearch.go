package imapwire

// What searches answer: SEARCH, SORT and ESEARCH.

import (
	"bytes"
	"math"
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// SearchData is SEARCH: UIDs or sequence numbers, as was asked.
type SearchData struct {
	Nums []uint32
	// ModSeq is the highest of the messages found; zero where not given (RFC
	// 7162).
	ModSeq imap.ModSeq
}

// SortData is SORT (RFC 5256): as [SearchData], in the order of sorting.
type SortData struct {
	Nums   []uint32
	ModSeq imap.ModSeq
}

// ESearchData is ESEARCH (RFC 4731).
type ESearchData struct {
	Tag string // of the command it answers; empty where not given
	imap.SearchResult
}

func (*SearchData) response()  {}
func (*SortData) response()    {}
func (*ESearchData) response() {}

func (p *parser) searchData() Response {
	r := &SearchData{}
	r.Nums, r.ModSeq = p.searchNums()
	return r
}

func (p *parser) sortData() Response {
	r := &SortData{}
	r.Nums, r.ModSeq = p.searchNums()
	return r
}

// searchNums is numbers, and the mod-sequence that may stand behind them.
func (p *parser) searchNums() (nums []uint32, modseq imap.ModSeq) {
	for p.Spaces(); !p.failed() && !p.End(); p.Spaces() {
		if p.Byte('(') {
			p.ExpectFold("MODSEQ")
			p.Spaces()
			modseq = imap.ModSeq(p.number())
			p.ExpectByte(')')
			continue
		}
		if nums == nil {
			rest := p.Rest()
			nums = make([]uint32, 0, min(bytes.Count(rest, space), len(rest)/2)+1)
		}
		if nums = p.numbers(nums); p.End() {
			break
		}
		if c, _ := p.Peek(); c != ' ' && c != '(' {
			nums = append(nums, p.ExpectUint32())
		}
	}
	return nums, modseq
}

// numbers appends numbers with one space between them, as many as there are.
func (p *parser) numbers(dst []uint32) []uint32 {
	b := p.Rest()
	end := 0
	for i := 0; ; i++ {
		var n uint64
		from := i
		for i < len(b) && b[i]-'0' <= 9 && i-from < 10 {
			n = n*10 + uint64(b[i]-'0')
			i++
		}
		if i == from || n > math.MaxUint32 || i < len(b) && b[i] != ' ' {
			break
		}
		dst = append(dst, uint32(n))
		if end = i; i == len(b) {
			break
		}
	}
	p.Skip(end)
	return dst
}

var space = []byte{' '}

func (p *parser) esearchData() Response {
	r := &ESearchData{}
	p.Spaces()
	if c, _ := p.Peek(); c == '(' {
		p.correlator(r)
	}
	first := p.Pos()
	for p.Spaces(); !p.failed() && !p.End(); p.Spaces() {
		name := p.word()
		if name == "UID" {
			// It says what the sets are, so that those before it are read again.
			if !r.UID {
				r.SearchResult = imap.SearchResult{UID: true, Mailbox: r.Mailbox, UIDValidity: r.UIDValidity}
				p.Seek(first)
			}
			continue
		}
		p.sp()
		p.returnData(&r.SearchResult, name)
	}
	return r
}

// correlator says which command, and which mailbox, the response is for.
func (p *parser) correlator(r *ESearchData) {
	p.laxList(func() {
		name := p.word()
		p.sp()
		switch name {
		case "TAG":
			r.Tag = p.astring()
		case "MAILBOX":
			r.Mailbox = p.mailbox()
		case "UIDVALIDITY":
			r.UIDValidity = p.number32()
		default:
			p.skipValue()
		}
	})
}

// returnData is the value of one item of ESEARCH.
func (p *parser) returnData(r *imap.SearchResult, name string) {
	switch name {
	case imap.ReturnMin:
		r.Min = p.number32()
	case imap.ReturnMax:
		r.Max = p.number32()
	case imap.ReturnCount:
		r.Count, r.HasCount = p.number32(), true
	case imap.ReturnAll:
		r.All = p.foundSet(r.UID)
	case "MODSEQ":
		r.ModSeq = imap.ModSeq(p.number())
	case imap.ReturnPartial:
		p.ExpectByte('(')
		r.Partial = &imap.PartialResult{Range: p.partialRange()}
		p.sp()
		if !p.tryNIL() {
			r.Partial.Set = p.foundSet(r.UID)
		}
		p.ExpectByte(')')
	case "ADDTO", "REMOVEFROM":
		p.laxList(func() {
			c := imap.SearchChange{Remove: name == "REMOVEFROM", Position: p.number32()}
			p.sp()
			c.Set = p.foundSet(r.UID)
			r.Changes = append(r.Changes, c)
		})
	case imap.ReturnRelevancy:
		p.laxList(func() { r.Relevancy = append(r.Relevancy, uint8(p.laxNumber(100))) })
	default:
		at := p.Pos()
		p.skipValue()
		if !p.failed() {
			r.Extended = append(r.Extended, imap.RawItem{Name: name, Value: p.str(at, p.Pos())})
		}
	}
}

// foundSet is a set of numbers that are known: no "*" and no "$".
func (p *parser) foundSet(uid bool) imap.NumSet {
	at := p.Pos()
	s := p.numSet(uid)
	if s.Dynamic() {
		p.Seek(at)
		p.Fail("a set of numbers")
	}
	return s
}

// knownUIDs is a set of UIDs that are known: no "*" and no "$".
func (p *parser) knownUIDs() imap.UIDSet {
	s, _ := p.foundSet(true).(imap.UIDSet)
	return s
}

func appendNums(dst []byte, nums []uint32, modseq imap.ModSeq) []byte {
	for _, n := range nums {
		dst = strconv.AppendUint(append(dst, ' '), uint64(n), 10)
	}
	if modseq != 0 {
		dst = strconv.AppendUint(append(dst, " (MODSEQ "...), uint64(modseq), 10)
		dst = append(dst, ')')
	}
	return dst
}

func (r *SearchData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	return appendNums(append(dst, "SEARCH"...), r.Nums, r.ModSeq), nil
}

func (r *SortData) appendData(dst []byte, _ *EncodeOptions) ([]byte, error) {
	return appendNums(append(dst, "SORT"...), r.Nums, r.ModSeq), nil
}

func (r *ESearchData) appendData(dst []byte, o *EncodeOptions) ([]byte, error) {
	dst = append(dst, "ESEARCH"...)
	var err error
	if dst, err = r.appendCorrelator(dst, o); err != nil {
		return dst, err
	}
	if r.UID {
		dst = append(dst, " UID"...)
	}
	if r.Min != 0 {
		dst = strconv.AppendUint(append(dst, " MIN "...), uint64(r.Min), 10)
	}
	if r.Max != 0 {
		dst = strconv.AppendUint(append(dst, " MAX "...), uint64(r.Max), 10)
	}
	if r.HasCount {
		dst = strconv.AppendUint(append(dst, " COUNT "...), uint64(r.Count), 10)
	}
	if r.All != nil {
		if dst, err = appendFound(append(dst, " ALL "...), r.All, r.UID); err != nil {
			return dst, err
		}
	}
	if x := r.Partial; x != nil {
		if dst, err = x.Range.AppendText(append(dst, " PARTIAL ("...)); err != nil {
			return dst, err
		}
		if x.Set == nil {
			dst = append(dst, " NIL)"...)
		} else if dst, err = appendFound(append(dst, ' '), x.Set, r.UID); err != nil {
			return dst, err
		} else {
			dst = append(dst, ')')
		}
	}
	for i, c := range r.Changes {
		if i > 0 && r.Changes[i-1].Remove == c.Remove {
			dst[len(dst)-1] = ' '
		} else if c.Remove {
			dst = append(dst, " REMOVEFROM ("...)
		} else {
			dst = append(dst, " ADDTO ("...)
		}
		dst = append(strconv.AppendUint(dst, uint64(c.Position), 10), ' ')
		if dst, err = appendFound(dst, c.Set, r.UID); err != nil {
			return dst, err
		}
		dst = append(dst, ')')
	}
	if len(r.Relevancy) > 0 {
		dst = append(dst, " RELEVANCY"...)
		sep := " ("
		for _, n := range r.Relevancy {
			dst = strconv.AppendUint(append(dst, sep...), uint64(n), 10)
			sep = " "
		}
		dst = append(dst, ')')
	}
	if r.ModSeq != 0 {
		dst = strconv.AppendUint(append(dst, " MODSEQ "...), uint64(r.ModSeq), 10)
	}
	for _, x := range r.Extended {
		if dst, err = appendAtom(append(dst, ' '), x.Name); err != nil {
			return dst, err
		}
		if dst, err = appendRawValue(append(dst, ' '), x.Value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (r *ESearchData) appendCorrelator(dst []byte, o *EncodeOptions) ([]byte, error) {
	if r.Tag == "" && r.Mailbox == "" && r.UIDValidity == 0 {
		return dst, nil
	}
	sep := " ("
	var err error
	if r.Tag != "" {
		if dst, err = appendTagString(append(dst, " (TAG "...), r.Tag); err != nil {
			return dst, err
		}
		sep = " "
	}
	if r.Mailbox != "" {
		if dst, err = appendName(append(append(dst, sep...), "MAILBOX "...), r.Mailbox, o.UTF8); err != nil {
			return dst, err
		}
		sep = " "
	}
	if r.UIDValidity != 0 {
		dst = append(append(dst, sep...), "UIDVALIDITY "...)
		dst = strconv.AppendUint(dst, uint64(r.UIDValidity), 10)
	}
	return append(dst, ')'), nil
}

// appendTagString appends a tag in quotes.
func appendTagString(dst []byte, tag string) ([]byte, error) {
	if !classTag.All(tag) {
		return dst, &badToken{"tag", tag}
	}
	return appendQuoted(dst, tag), nil
}

// appendFound appends a set of numbers that are known, UIDs or not.
func appendFound(dst []byte, s imap.NumSet, uid bool) ([]byte, error) {
	if s == nil || s.Dynamic() || isUID(s) != uid {
		return dst, &badToken{"set of what was found", "*"}
	}
	return s.AppendText(dst)
}
