package imapwire

// Commands to octets.

import (
	"math"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// CommandEncoder writes commands. Its fields say what the server offers.
type CommandEncoder struct {
	// LiteralPlus and LiteralMinus are the capabilities LITERAL+ and LITERAL-
	// (RFC 7888): literals go without waiting, of any size or up to 4096
	// octets.
	LiteralPlus  bool
	LiteralMinus bool
	// UTF8 says that UTF8=ACCEPT is in force (RFC 6855).
	UTF8 bool
	// Waits are offsets into what the last Append returned, ascending: what is
	// before one is sent, and what is behind it when the server has answered
	// with a continuation.
	Waits  []int
	dst    []byte
	octets int // where the last literal ends in dst
	err    error

	streams bool // the octets of a message or of a text follow
	inList  bool // in the parentheses of CATENATE
	inUTF8  bool // in those of UTF8
}

// AppendCommand appends a command with its line end, for a server of which
// nothing is known, and leaves out where to wait: see [CommandEncoder].
func AppendCommand(dst []byte, tag string, a Args) ([]byte, error) {
	var e CommandEncoder
	return e.Append(dst, tag, a)
}

// maxMinus is the largest literal that LITERAL- lets go without waiting.
const maxMinus = 4096

// Append appends a command with its line end. An [Append] or [Replace] ends
// with the header of the literal that streams, if there is one: the caller sends
// its octets, and behind them what [CommandEncoder.AppendNext] or
// [CommandEncoder.AppendEnd] appends. A value that the grammar has no room for is an error, and nothing is
// appended.
func (e *CommandEncoder) Append(dst []byte, tag string, a Args) ([]byte, error) {
	from := len(dst)
	e.Waits, e.dst, e.octets, e.err = e.Waits[:0], dst, from, nil
	e.streams, e.inList, e.inUTF8 = false, false, false
	if !classTag.All(tag) {
		return dst, &badToken{"tag", tag}
	}
	if a == nil {
		return dst, errEncode
	}
	e.lit(tag)
	e.lit(" ")
	e.name(a.CommandName())
	e.args(a)
	return e.end(from)
}

// end ends a piece of a command that begins at from: with a line end, unless
// the octets of a message follow.
func (e *CommandEncoder) end(from int) ([]byte, error) {
	if !e.streams {
		e.lineEnd(from)
	}
	dst, err := e.dst, e.err
	e.dst, e.err = nil, nil
	if err != nil {
		e.Waits, e.streams = e.Waits[:0], false
		return dst[:from], err
	}
	return dst, nil
}

// lineEnd ends the line. What a caller's own item, key or command put at its
// end must not be taken for the header of a literal.
func (e *CommandEncoder) lineEnd(from int) {
	if tail := e.dst[max(from, min(e.octets, len(e.dst))):]; len(tail) > 0 && tail[len(tail)-1] == '}' {
		if h, ok := literalHeader(tail); ok {
			e.fail(&badToken{"command's end", string(tail[h.at:])})
		}
	}
	e.lit("\r\n")
}

// AppendSASLLine appends a client's line of a SASL exchange in base64.
func AppendSASLLine(dst, response []byte) []byte {
	return append(appendBase64(dst, response), '\r', '\n')
}

func (e *CommandEncoder) lit(s string) { e.dst = append(e.dst, s...) }

func (e *CommandEncoder) fail(err error) {
	if err != nil && e.err == nil {
		e.err = err
	}
}

func (e *CommandEncoder) with(dst []byte, err error) {
	e.dst = dst
	e.fail(err)
}

func (e *CommandEncoder) name(s string) {
	for i, w := range strings.Split(s, " ") {
		if i > 0 {
			e.lit(" ")
		}
		e.atom(w)
	}
}

func (e *CommandEncoder) atom(s string) { e.with(appendAtom(e.dst, s)) }

func (e *CommandEncoder) num(n uint64) { e.dst = strconv.AppendUint(e.dst, n, 10) }

// nz appends a number that must not be zero.
func (e *CommandEncoder) nz(n uint64) {
	if n == 0 {
		e.fail(&badToken{"number above zero", "0"})
	}
	e.num(n)
}

// size appends a number of octets, which must not be negative.
func (e *CommandEncoder) size(n int64) {
	if n < 0 {
		e.fail(&badToken{"size", strconv.FormatInt(n, 10)})
	}
	e.num(uint64(n))
}

// raw appends text as it stands on the wire, where literals are sent as this
// encoder sends them.
func (e *CommandEncoder) raw(s string) {
	for {
		run, h, rest, err := cutLiteral(s)
		if err != nil {
			e.fail(err)
			return
		}
		e.lit(run)
		if h == nil {
			return
		}
		if h.binary {
			e.lit("~")
		}
		e.header(h.size)
		e.lit(rest[:h.size])
		s = rest[h.size:]
	}
}

// header appends a literal's header, and notes where to wait.
func (e *CommandEncoder) header(n int64) {
	e.lit("{")
	e.size(n)
	if e.LiteralPlus || e.LiteralMinus && n <= maxMinus {
		e.lit("+}\r\n")
	} else {
		e.lit("}\r\n")
		e.Waits = append(e.Waits, len(e.dst))
	}
	e.octets = len(e.dst) + int(min(n, math.MaxInt32))
}

func (e *CommandEncoder) string(s string) {
	if quotable(s) || e.UTF8 && quotableUTF8(s) {
		e.dst = appendQuoted(e.dst, s)
		return
	}
	if strings.IndexByte(s, 0) >= 0 {
		e.fail(&badToken{"string", "\x00"})
		return
	}
	e.header(int64(len(s)))
	e.lit(s)
}

// astring appends s as an atom where it is one, else as a string.
func (e *CommandEncoder) astring(s string) {
	if classAString.All(s) && !wire.EqualFold(s, "NIL") {
		e.lit(s)
		return
	}
	e.string(s)
}

func (e *CommandEncoder) mailbox(name string) { e.pattern(name, classAString) }

// pattern appends a name in which the octets of class need no quotes.
func (e *CommandEncoder) pattern(name string, class *wire.Class) {
	if imap.IsInbox(name) {
		e.lit(imap.Inbox)
		return
	}
	s := name
	if !validName(name) {
		e.fail(imap.ErrMailboxName)
		return
	}
	if !e.UTF8 {
		var err error
		if s, err = imap.EncodeUTF7(name); err != nil {
			e.fail(err)
			return
		}
	}
	if class.All(s) && !wire.EqualFold(s, "NIL") {
		e.lit(s)
		return
	}
	e.string(s)
}

func (e *CommandEncoder) set(s imap.NumSet) {
	if s == nil {
		e.fail(errEncode)
		return
	}
	e.with(s.AppendText(e.dst))
}

func (e *CommandEncoder) flags(flags []imap.Flag) { e.with(appendFlags(e.dst, flags)) }

// list appends n items in parentheses.
func (e *CommandEncoder) list(n int, item func(i int)) {
	e.lit("(")
	for i := range n {
		if i > 0 {
			e.lit(" ")
		}
		item(i)
	}
	e.lit(")")
}

func (e *CommandEncoder) args(a Args) {
	switch a := a.(type) {
	case *Capability, *Noop, *Logout, *StartTLS, *Check, *Close, *Unselect, *Idle, *Namespace, *Unauthenticate:
	case *Authenticate:
		e.lit(" ")
		e.atom(a.Mechanism)
		if a.Initial != nil {
			e.lit(" ")
			if len(a.Initial) == 0 {
				e.lit("=")
			}
			e.dst = appendBase64(e.dst, a.Initial)
		}
	case *Login:
		e.lit(" ")
		e.astring(a.Username)
		e.lit(" ")
		e.astring(a.Password)
	case *Enable:
		if len(a.Capabilities) == 0 {
			e.fail(errEncode)
		}
		for _, c := range a.Capabilities {
			e.lit(" ")
			e.atom(string(c))
		}
	case *ID:
		e.lit(" ")
		e.with(appendID(e.dst, a.Params))
	case *Select:
		e.selectArgs(a)
	case *Create:
		e.lit(" ")
		e.mailbox(a.Mailbox)
		if len(a.Uses) > 0 {
			e.lit(" (USE ")
			e.list(len(a.Uses), func(i int) {
				if !a.Uses[i].Valid() {
					e.fail(&badToken{"special use", string(a.Uses[i])})
				}
				e.lit(string(a.Uses[i]))
			})
			e.lit(")")
		}
	case *Delete:
		e.lit(" ")
		e.mailbox(a.Mailbox)
	case *Subscribe:
		e.lit(" ")
		e.mailbox(a.Mailbox)
	case *Unsubscribe:
		e.lit(" ")
		e.mailbox(a.Mailbox)
	case *Rename:
		e.lit(" ")
		e.mailbox(a.From)
		e.lit(" ")
		e.mailbox(a.To)
	case *List:
		e.listArgs(a)
	case *Lsub:
		e.lit(" ")
		e.mailbox(a.Reference)
		e.lit(" ")
		e.pattern(a.Pattern, classList)
	case *Status:
		e.lit(" ")
		e.mailbox(a.Mailbox)
		e.lit(" ")
		e.statusItems(a.Items)
	case *Expunge:
		if !a.UIDs.Empty() {
			e.lit(" ")
			e.set(a.UIDs)
		}
	case *Search:
		e.searchArgs(a)
	case *Fetch:
		e.fetchArgs(a)
	case *Store:
		e.storeArgs(a)
	case *Copy:
		e.lit(" ")
		e.set(a.Set)
		e.lit(" ")
		e.mailbox(a.Mailbox)
	case *Move:
		e.lit(" ")
		e.set(a.Set)
		e.lit(" ")
		e.mailbox(a.Mailbox)
	case *Unknown:
		if a.Text != "" {
			e.lit(" ")
			e.raw(a.Text)
		}
	case argsEncoder:
		a.encodeArgs(e)
	case interface {
		// A command of the caller's own: its arguments with the space before.
		AppendArgs(dst []byte) ([]byte, error)
	}:
		from := len(e.dst)
		e.with(a.AppendArgs(e.dst))
		if e.err == nil && (len(e.dst) < from || !plain(string(e.dst[from:]))) {
			e.fail(errEncode)
		}
	default:
		e.fail(errEncode)
	}
}

func (e *CommandEncoder) selectArgs(a *Select) {
	e.lit(" ")
	e.mailbox(a.Mailbox)
	if !a.CondStore && a.QResync == nil {
		return
	}
	e.lit(" (")
	if a.CondStore {
		e.lit("CONDSTORE")
	}
	if q := a.QResync; q != nil {
		if a.CondStore {
			e.lit(" ")
		}
		e.lit("QRESYNC (")
		e.num(uint64(q.UIDValidity))
		e.lit(" ")
		e.num(uint64(q.ModSeq))
		if !q.KnownUIDs.Empty() {
			e.lit(" ")
			e.set(q.KnownUIDs)
		}
		if !q.SeqMatch.Empty() {
			e.lit(" (")
			e.set(q.SeqMatch)
			e.lit(" ")
			e.set(q.UIDMatch)
			e.lit(")")
		}
		e.lit(")")
	}
	e.lit(")")
}

func (e *CommandEncoder) listArgs(a *List) {
	e.lit(" ")
	if len(a.Select) > 0 {
		e.list(len(a.Select), func(i int) { e.raw(a.Select[i]) })
		e.lit(" ")
	}
	e.mailbox(a.Reference)
	e.lit(" ")
	extended := a.Extended || len(a.Select) > 0 || len(a.Return) > 0
	switch {
	case len(a.Patterns) == 0 || len(a.Patterns) > 1 && !extended:
		e.fail(errEncode)
	case len(a.Patterns) == 1 && !(extended && len(a.Select) == 0 && len(a.Return) == 0):
		e.pattern(a.Patterns[0], classList)
	default:
		e.list(len(a.Patterns), func(i int) { e.pattern(a.Patterns[i], classList) })
	}
	if len(a.Return) == 0 {
		return
	}
	e.lit(" RETURN ")
	e.list(len(a.Return), func(i int) {
		r := &a.Return[i]
		e.atom(r.Name)
		switch {
		case len(r.Status) > 0:
			e.lit(" ")
			e.statusItems(r.Status)
		case len(r.Entries) > 0:
			e.lit(" ")
			e.list(len(r.Entries), func(i int) { e.astring(r.Entries[i]) })
		case r.Value != "":
			e.lit(" ")
			e.raw(r.Value)
		}
	})
}

func (e *CommandEncoder) statusItems(items []imap.StatusItem) {
	if len(items) == 0 {
		e.fail(errEncode)
	}
	e.list(len(items), func(i int) { e.atom(string(items[i])) })
}

func (e *CommandEncoder) fetchArgs(a *Fetch) {
	e.lit(" ")
	e.set(a.Set)
	e.lit(" ")
	switch len(a.Items) {
	case 0:
		e.fail(errEncode)
	case 1:
		e.fetchItem(a.Items[0])
	default:
		e.fetchItems(a.Items)
	}
	if a.ChangedSince == nil && !a.Vanished && len(a.Modifiers) == 0 {
		return
	}
	e.lit(" (")
	sep := ""
	if a.ChangedSince != nil {
		e.lit("CHANGEDSINCE ")
		e.num(uint64(*a.ChangedSince))
		sep = " "
	}
	if a.Vanished {
		e.lit(sep)
		e.lit("VANISHED")
		sep = " "
	}
	for _, m := range a.Modifiers {
		e.lit(sep)
		e.atom(m.Name)
		if m.Value != "" {
			e.lit(" ")
			e.raw(m.Value)
		}
		sep = " "
	}
	e.lit(")")
}

func (e *CommandEncoder) fetchItem(item imap.FetchItem) {
	if item == nil {
		e.fail(errEncode)
		return
	}
	e.with(item.AppendText(e.dst))
}

func (e *CommandEncoder) fetchItems(items []imap.FetchItem) {
	e.list(len(items), func(i int) { e.fetchItem(items[i]) })
}

func (e *CommandEncoder) storeArgs(a *Store) {
	e.lit(" ")
	e.set(a.Set)
	if a.Change.UnchangedSince != nil {
		e.lit(" (UNCHANGEDSINCE ")
		e.num(uint64(*a.Change.UnchangedSince))
		e.lit(")")
	}
	e.lit(" ")
	e.lit(a.Change.Action.String())
	if a.Silent {
		e.lit(".SILENT")
	}
	e.lit(" ")
	e.flags(a.Change.Flags)
}

func (e *CommandEncoder) searchArgs(a *Search) {
	e.searchReturn(a.Extended, a.Return)
	if a.Charset != "" {
		e.lit(" CHARSET ")
		e.astring(a.Charset)
	}
	e.searchKeys(a.Criteria)
}

func (e *CommandEncoder) searchReturn(extended bool, opts []imap.SearchReturn) {
	if !extended && len(opts) == 0 {
		return
	}
	e.lit(" RETURN ")
	e.list(len(opts), func(i int) {
		e.atom(opts[i].Name)
		if v := opts[i].Value; v != "" {
			e.lit(" ")
			e.raw(v)
		}
	})
}

// searchKeys appends all keys, each with the space before it; ALL where there
// is none.
func (e *CommandEncoder) searchKeys(keys imap.SearchCriteria) {
	if len(keys) == 0 {
		e.lit(" ALL")
	}
	for _, k := range keys {
		e.lit(" ")
		e.searchKey(k, DefaultDepth)
	}
}

var errDepth = &badToken{"search key", "nested too deep"}

func (e *CommandEncoder) searchKey(k imap.SearchKey, depth int) {
	if depth == 0 {
		e.fail(errDepth)
	}
	if e.err != nil {
		return
	}
	switch k := k.(type) {
	case nil:
		e.fail(errEncode)
	case imap.SearchCriteria:
		if len(k) == 0 {
			e.lit("ALL")
			return
		}
		e.list(len(k), func(i int) { e.searchKey(k[i], depth-1) })
	case imap.SearchAll, imap.SearchSaveDateSupported:
		e.lit(k.SearchName())
	case imap.SearchOr:
		e.lit("OR ")
		e.searchKey(k.A, depth-1)
		e.lit(" ")
		e.searchKey(k.B, depth-1)
	case imap.SearchNot:
		e.lit("NOT ")
		e.searchKey(k.Key, depth-1)
	case imap.SearchFuzzy:
		e.lit("FUZZY ")
		e.searchKey(k.Key, depth-1)
	case imap.SearchFlag:
		name := k.SearchName()
		e.lit(name)
		if name == "KEYWORD" || name == "UNKEYWORD" {
			e.lit(" ")
			e.atom(string(k.Flag))
		}
	case imap.SearchSeqs:
		e.set(k.Set)
	case imap.SearchUIDs:
		e.lit("UID ")
		e.set(k.Set)
	case imap.SearchText:
		switch k.Field {
		case imap.SearchBCC, imap.SearchBody, imap.SearchCC, imap.SearchFrom, imap.SearchSubject, imap.SearchAnyText, imap.SearchTo:
		default:
			e.fail(&badToken{"search key", string(k.Field)})
		}
		e.lit(string(k.Field) + " ")
		e.astring(k.Value)
	case imap.SearchHeader:
		e.lit("HEADER ")
		e.astring(k.Name)
		e.lit(" ")
		e.astring(k.Value)
	case imap.SearchDate:
		e.atom(string(k.When))
		e.lit(" ")
		if !k.Date.Valid() {
			e.fail(&badToken{"date", k.Date.String()})
		}
		e.dst = imap.AppendDate(e.dst, k.Date)
	case imap.SearchLarger:
		e.lit("LARGER ")
		e.size(k.Size)
	case imap.SearchSmaller:
		e.lit("SMALLER ")
		e.size(k.Size)
	case imap.SearchOlder:
		e.lit("OLDER ")
		e.num(uint64(k.Seconds))
	case imap.SearchYounger:
		e.lit("YOUNGER ")
		e.num(uint64(k.Seconds))
	case imap.SearchModSeq:
		e.lit("MODSEQ ")
		if k.Entry != "" {
			if !quotable(k.Entry) {
				e.fail(errEncode)
			}
			e.dst = appendQuoted(e.dst, k.Entry)
			e.lit(" ")
			e.atom(k.Type)
			e.lit(" ")
		}
		e.num(uint64(k.ModSeq))
	case imap.SearchEmailID:
		e.lit("EMAILID ")
		e.astring(k.ID)
	case imap.SearchThreadID:
		e.lit("THREADID ")
		e.astring(k.ID)
	case imap.SearchFilter:
		e.lit("FILTER ")
		e.astring(k.Name)
	case imap.SearchUIDAfter:
		e.lit("UIDAFTER ")
		e.nz(uint64(k.UID))
	case imap.SearchUIDBefore:
		e.lit("UIDBEFORE ")
		e.nz(uint64(k.UID))
	case imap.SearchGmailRaw:
		e.lit("X-GM-RAW ")
		e.astring(k.Query)
	case imap.SearchGmailLabel:
		e.lit("X-GM-LABELS ")
		e.gmailLabel(k.Label)
	case imap.SearchGmailMessageID:
		e.lit("X-GM-MSGID ")
		e.num(k.ID)
	case imap.SearchGmailThreadID:
		e.lit("X-GM-THRID ")
		e.num(k.ID)
	case imap.SearchRaw:
		if k.Text == "" {
			e.fail(errEncode)
		}
		e.raw(k.Text)
	case interface {
		AppendSearchKey(dst []byte) ([]byte, error)
	}:
		from := len(e.dst)
		e.with(k.AppendSearchKey(e.dst))
		if e.err == nil && (len(e.dst) < from || !plain(string(e.dst[from:]))) {
			e.fail(&badToken{"search key", k.(imap.SearchKey).SearchName()})
		}
	default:
		e.fail(&badToken{"search key", k.SearchName()})
	}
}
