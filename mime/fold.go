package mime

// Header fields written: the spelling of each kind of value, and folding (RFC 5322 section 2.2.3).

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of a line without its line ending (RFC 5322 section 2.1.1), and of one that holds an encoded-word (RFC 2047
// section 2).
const (
	foldWidth    = 78
	encodedWidth = 76
	hardWidth    = 998
)

// maxNewName is the longest name of a field that is written, so that its first line has room for a value.
const maxNewName = 76

// maxBlanks is how many blanks in a row are written as they are; more are written within an encoded-word, so that no relay
// that trims lines or refolds them takes them away.
const maxBlanks = 16

// A FieldError is a value that no header field can hold. Nothing of the field was written.
type FieldError struct {
	Field  string // the field's name
	Offset int    // in octets within the text that was given, -1 where it has no single place
	Msg    string
}

func (e *FieldError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("mime: %q field: %s", e.Field, e.Msg)
	}
	return fmt.Sprintf("mime: %q field: %s at octet %d", e.Field, e.Msg, e.Offset)
}

// fault is a FieldError before the name of its field is known.
func fault(offset int, msg string, args ...any) error {
	return &FieldError{Offset: offset, Msg: fmt.Sprintf(msg, args...)}
}

// A FieldValue is a header field to be written: a name, and a value that its constructor knows how to spell. Whatever the
// value holds, it can not end the field: CR, LF and NUL are refused when the field is written.
type FieldValue struct {
	name  string
	value func(*folder) error
	raw   bool // value writes the field, name included
}

// Name returns the field's name.
func (v FieldValue) Name() string { return v.name }

// TextField is a field of unstructured text: Subject, Comments, most X- fields. What ASCII can not carry is written as
// encoded-words (RFC 2047), and so is what a reader would take for one.
func TextField(name, text string) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error { return f.text(text) }}
}

// AddressField is a field of addresses and groups (RFC 5322 section 3.4). Each display name is written so that it reads back
// as Address.DisplayName has it; source routes are left out. A local part that is neither a dot-atom nor in quotes is put in
// quotes. An address without a domain, an unbalanced group, and without UTF-8 headers a local part or domain outside ASCII
// are refused.
func AddressField(name string, list ...Address) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error { return f.addresses(list) }}
}

// MessageIDField is a field of message identifiers: Message-ID, In-Reply-To, References, Content-ID. They are given with or
// without their angle brackets.
func MessageIDField(name string, ids ...string) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error { return f.messageIDs(ids) }}
}

// DateField is a field of a date and time, in the zone of t. Years before 1900 and after 9999 are refused.
func DateField(name string, t time.Time) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error {
		if y := t.Year(); y < 1900 || y > 9999 {
			return fault(-1, "year %d has no room in a date", y)
		}
		for _, w := range strings.Fields(t.Format("Mon, 02 Jan 2006 15:04:05 -0700")) {
			f.token(" ", w)
		}
		return nil
	}}
}

// ParamField is a field of a value and its parameters, as Content-Type ("text/plain") and Content-Disposition
// ("attachment") are. The parameters may be those of a field that was read: each is written once, with the value that
// Params.Get yields, in quotes or as RFC 2231 has it where that is needed.
func ParamField(name, value string, params Params) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error { return f.paramValue(value, params) }}
}

// StructuredField is a field whose value is written as it stands but for the folding, which is put before blanks that are
// there: Received, List-Unsubscribe, Auto-Submitted, Authentication-Results. What is not ASCII is refused unless headers
// are in UTF-8.
func StructuredField(name, value string) FieldValue {
	return FieldValue{name: name, value: func(f *folder) error { return f.structured(value) }}
}

// RawField is a field as it stands in a message or as another package's encoder made it, with its name and its folding; the
// line ending at its end may be missing. It is refused if it is not exactly one field of lines that end in CRLF or LF and
// have at most 998 octets. Octets over 127 pass. The octets are borrowed until the field is written.
func RawField(raw []byte) FieldValue {
	n := fieldName(raw)
	return FieldValue{name: string(raw[:n]), raw: true, value: func(f *folder) error { return f.rawField(raw) }}
}

// AppendField appends a header field to dst, folded, with CRLF line endings. Lines have at most 78 octets where their words
// allow it and never more than 998; a fold never breaks a word, a quoted-pair or an encoded-word, and leaves no line of
// blanks alone. With utf8 set, text that is not ASCII is written as UTF-8 (RFC 6532), which asks for SMTPUTF8 in transport;
// without it the field is ASCII, but for a RawField. The error is a *FieldError; dst is then returned as it was.
func AppendField(dst []byte, v FieldValue, utf8 bool) ([]byte, error) {
	f := folder{b: dst, utf8: utf8, fresh: true}
	err := f.field(v)
	if err != nil {
		if e, ok := err.(*FieldError); ok {
			e.Field = v.name
		}
		return dst, err
	}
	return f.b, nil
}

// A folder appends the words of one field.
type folder struct {
	b     []byte
	col   int  // octets of the current line
	fresh bool // the current line has no word yet
	word  bool // the current line has an encoded-word
	utf8  bool
	keep  int // octets kept free at the line's end, for what follows a word without a blank
}

func (f *folder) field(v FieldValue) error {
	if v.value == nil {
		return fault(-1, "no value")
	}
	if v.raw {
		return v.value(f)
	}
	if err := checkName(v.name); err != nil {
		return err
	}
	f.b = append(f.b, v.name...)
	f.b = append(f.b, ':')
	f.col = len(v.name) + 1
	if err := v.value(f); err != nil {
		return err
	}
	f.b = append(f.b, '\r', '\n')
	return nil
}

// checkName holds a field's name to RFC 5322 section 3.6.8.
func checkName(name string) error {
	if name == "" {
		return fault(-1, "a field needs a name")
	}
	if len(name) > maxNewName {
		return fault(maxNewName, "name longer than %d octets", maxNewName)
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 127 || c == ':' {
			return fault(i, "octet 0x%02x in the name", c)
		}
	}
	return nil
}

// checkText refuses what no header can hold: CR, LF, NUL, and text that is not UTF-8.
func checkText(s string) error {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\r':
			return fault(i, "CR in the value")
		case c == '\n':
			return fault(i, "LF in the value")
		case c == 0:
			return fault(i, "NUL in the value")
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				return fault(i, "invalid UTF-8")
			}
			i += n - 1
		}
	}
	return nil
}

// token appends blanks and a word, which is not broken; the line is folded before the blanks where that makes it shorter.
func (f *folder) token(blanks, word string) {
	n := len(blanks) + len(word)
	width := foldWidth - f.keep
	if f.word {
		width = encodedWidth - f.keep
	}
	if f.col+n > width && (!f.fresh || n <= foldWidth-f.keep || f.col+n > hardWidth-f.keep) {
		f.fold()
	}
	f.b = append(f.b, blanks...)
	f.b = append(f.b, word...)
	f.col += n
	f.fresh = false
}

func (f *folder) fold() {
	f.b = append(f.b, '\r', '\n')
	f.col, f.fresh, f.word = 0, true, false
}

// nextWord splits s into the blanks at its front, the word behind them, and the rest.
func nextWord(s string) (blanks, word, rest string) {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	j := i
	for j < len(s) && s[j] != ' ' && s[j] != '\t' {
		j++
	}
	return s[:i], s[i:j], s[j:]
}

// maxWord is the longest word that is written as it is: a line can hold it with the blanks before it.
const maxWord = hardWidth - maxBlanks

// structured appends a value that is folded at its blanks and not encoded.
func (f *folder) structured(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 127 || c > 127 && !f.utf8 {
			return fault(i, "octet 0x%02x in the value", c)
		}
	}
	t := strings.Trim(s, " \t")
	blanks := " "
	for t != "" {
		b, w, rest := nextWord(t)
		if b != "" {
			blanks = b
		}
		if n := len(blanks) + len(w); n > hardWidth {
			return fault(-1, "a word of %d octets fits in no line", n)
		}
		f.token(blanks, w)
		t = rest
	}
	return nil
}

// text appends unstructured text, encoded where needed. Blanks at its ends are kept too, within an encoded-word.
func (f *folder) text(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	if s == "" {
		return nil
	}
	end := len(strings.TrimRight(s, " \t"))
	if end == 0 {
		f.encoded(" ", s, false)
		return nil
	}
	before, start, stop := "", 0, 0 // s[start:stop] is to be encoded and was not yet written; the blanks before it
	for at := 0; at < end; {
		blanks, w, rest := nextWord(s[at:end])
		first := at == 0
		at = end - len(rest)
		encode := len(blanks) > maxBlanks || first && blanks != "" || f.mustEncode(w)
		to := at
		if at == end && at < len(s) {
			to, encode = len(s), true
		}
		switch {
		case encode && start < stop: // blanks between two encoded-words are not text
		case encode && first:
			before, start = " ", 0
		case encode:
			start = at - len(w) - len(blanks) + 1
			before = blanks[:1]
		default:
			if start < stop {
				f.encoded(before, s[start:stop], false)
				start, stop = 0, 0
			}
			if first {
				blanks = " "
			}
			f.token(blanks, w)
		}
		if encode {
			stop = to
		}
	}
	if start < stop {
		f.encoded(before, s[start:stop], false)
	}
	return nil
}

// mustEncode tells whether a word can not be written as it is.
func (f *folder) mustEncode(w string) bool {
	if len(w) > maxWord {
		return true
	}
	for i := 0; i < len(w); i++ {
		if c := w[i]; c < ' ' && c != '\t' || c == 127 || c > 127 && !f.utf8 || c == '=' && i+1 < len(w) && w[i+1] == '?' {
			return true
		}
	}
	return false
}

// messageIDs appends identifiers in angle brackets.
func (f *folder) messageIDs(ids []string) error {
	if len(ids) == 0 {
		return fault(-1, "no message identifier")
	}
	for _, id := range ids {
		t := bareID(id)
		if t == "" {
			return fault(-1, "empty message identifier")
		}
		if len(t) > maxWord {
			return fault(-1, "a message identifier of %d octets fits in no line", len(t))
		}
		if err := checkText(t); err != nil {
			return err
		}
		for i := 0; i < len(t); i++ {
			if c := t[i]; c <= ' ' || c == 127 || c > 127 && !f.utf8 || c == '<' || c == '>' {
				return fault(i, "octet 0x%02x in a message identifier", c)
			}
		}
		// A quote or a parenthesis without its other half would take in what is behind it.
		if strings.ContainsAny(t, "\"\\()") && !slices.Equal(ParseMessageIDs("<"+t+"> <a@b> <"+t+">"), []string{t, "a@b", t}) {
			return fault(-1, "a message identifier with a quote or parenthesis that does not end")
		}
		f.token(" ", "<"+t+">")
	}
	return nil
}

// bareID returns a message identifier without the angle brackets that may stand around it.
func bareID(id string) string {
	if n := len(id); n > 1 && id[0] == '<' && id[n-1] == '>' {
		return id[1 : n-1]
	}
	return id
}

// addresses appends a list of addresses and groups.
func (f *folder) addresses(list []Address) error {
	if len(list) == 0 {
		return fault(-1, "no address")
	}
	group := false
	for i, a := range list {
		end := ","
		f.keep = 0
		if i+1 == len(list) {
			end = ""
		} else if list[i+1].Kind == AddressGroupEnd {
			end = ""
			f.keep = len(";,")
		}
		switch a.Kind {
		case AddressGroupStart:
			if group {
				return fault(-1, "address %d begins a group within a group", i+1)
			}
			group = true
			if trimBlank(a.DisplayName()) == "" {
				return fault(-1, "address %d begins a group without a name", i+1)
			}
			if err := f.phrase(a.Mailbox, a.DisplayName(), ":"); err != nil {
				return err
			}
		case AddressGroupEnd:
			if !group {
				return fault(-1, "address %d ends no group", i+1)
			}
			group = false
			f.b = append(f.b, ';')
			f.b = append(f.b, end...)
			f.col += 1 + len(end)
		default:
			spec, err := f.addrSpec(a)
			if err != nil {
				e := err.(*FieldError)
				e.Msg = fmt.Sprintf("address %d: %s", i+1, e.Msg)
				return e
			}
			if name := a.DisplayName(); name != "" {
				if err := f.phrase(a.Name, name, ""); err != nil {
					return err
				}
				spec = "<" + spec + ">"
			}
			f.token(" ", spec+end)
		}
	}
	if group {
		return fault(-1, "a group is not ended")
	}
	return nil
}

// atext marks the octets of an atom (RFC 5322 section 3.2.3).
var atext = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlnum(byte(c)) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", byte(c)) >= 0
	}
	return
}()

// isDotAtom holds s to dot-atom-text, of RFC 6532 if utf8 is set.
func isDotAtom(s string, utf8 bool) bool {
	dot := true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if dot {
				return false
			}
			dot = true
		case atext[c], c > 127 && utf8:
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// isLiteral holds s to what addresses are made of within brackets. RFC 5322 has room for commas and angle brackets there, which
// other readers take for the address's end.
func isLiteral(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && strings.IndexByte(".:-_%", s[i]) < 0 {
			return false
		}
	}
	return true
}

// isQuoted tells whether s is one whole quoted-string.
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		switch s[i] {
		case '"':
			return false
		case '\\':
			if i++; i == len(s)-1 {
				return false
			}
		}
	}
	return true
}

// addrSpec returns the address as RFC 5322 section 3.4.1 writes it.
func (f *folder) addrSpec(a Address) (string, error) {
	local, host := a.Mailbox, a.Host
	for _, s := range []string{local, host} {
		if err := checkText(s); err != nil {
			return "", err
		}
		for i := 0; i < len(s); i++ {
			if c := s[i]; c < ' ' || c == 127 {
				return "", fault(i, "octet 0x%02x in %q", c, s)
			} else if c > 127 && !f.utf8 {
				return "", fault(i, "%q needs UTF-8 headers", s)
			}
		}
	}
	switch {
	case local == "":
		return "", fault(-1, "no local part")
	case host == "":
		return "", fault(-1, "no domain behind %q", local)
	case host[0] == '[':
		if n := len(host); n < 3 || host[n-1] != ']' || !isLiteral(host[1:n-1]) {
			return "", fault(-1, "%q is no domain literal", host)
		}
	case !isDotAtom(host, f.utf8) || strings.ContainsAny(host, "!#$%&'*+/=?^`{|}~"): // RFC 5321 section 4.1.2 has none of them
		return "", fault(-1, "%q is no domain", host)
	}
	// A reader could take "=?" in an atom for an encoded-word.
	if (!isDotAtom(local, f.utf8) || strings.Contains(local, "=?")) && !isQuoted(local) {
		local = quoted(local)
	}
	if n := len(local) + 1 + len(host); n > maxWord {
		return "", fault(-1, "an address of %d octets fits in no line", n)
	}
	return local + "@" + host, nil
}

// quoted returns s as a quoted-string.
func quoted(s string) string {
	b := make([]byte, 0, len(s)+4)
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(append(b, '"'))
}

// maxPhraseWord is the longest word of a display name that is not encoded.
const maxPhraseWord = 60

// phrase appends a display name, as atoms, as a quoted-string or as encoded-words. given is what name was decoded from.
func (f *folder) phrase(given, name, end string) error {
	for i := 0; i < len(given); i++ {
		if c := given[i]; c == '\r' || c == '\n' || c == 0 {
			return fault(i, "octet 0x%02x in a display name", c)
		}
	}
	atoms := true
	for rest := name; rest != ""; {
		var blanks, w string
		blanks, w, rest = nextWord(rest)
		first := len(blanks)+len(w)+len(rest) == len(name)
		if f.mustEncode(w) || len(w) > maxPhraseWord || w == "" || blanks != "" && first || len(blanks) > maxBlanks ||
			strings.Contains(blanks, "\t") {
			f.keep += len(end)
			f.encoded(" ", name, true)
			f.keep -= len(end)
			f.b = append(f.b, end...)
			f.col += len(end)
			return nil
		}
		if !first && blanks != " " {
			atoms = false
		}
		for i := 0; i < len(w); i++ {
			if c := w[i]; !atext[c] && c < 128 {
				atoms = false
			}
		}
	}
	if !atoms {
		name = quoted(name)
	}
	for name += end; name != ""; {
		var blanks, w string
		blanks, w, name = nextWord(name)
		if blanks == "" {
			blanks = " "
		}
		f.token(blanks, w)
	}
	return nil
}

// paramValue appends a value and its parameters.
func (f *folder) paramValue(value string, params Params) error {
	if value == "" {
		return fault(-1, "no value before the parameters")
	}
	if len(value) > maxWord {
		return fault(-1, "a value of %d octets fits in no line", len(value))
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; (!isToken(c) || c > 127) && (c != '/' || i == 0 || i == len(value)-1) {
			return fault(i, "octet 0x%02x in the value", c)
		}
	}
	f.keep = len(";")
	f.token(" ", value)
	for _, same := range sameNames(params) {
		name, _, _ := strings.Cut(same[0].Name, "*")
		if v, ok := same.Get(name); ok {
			for j := 0; j < len(same[0].Value); j++ {
				if c := same[0].Value[j]; c == '\r' || c == '\n' || c == 0 {
					return fault(j, "octet 0x%02x in parameter %s", c, name)
				}
			}
			if err := f.param(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameNames divides l into those of the same name before "*", in the order in which the names stand first.
func sameNames(l Params) []Params {
	var names []Params
	at := make(map[string]int, len(l))
	for _, p := range l {
		name, _, _ := strings.Cut(p.Name, "*")
		name = strings.Map(func(r rune) rune { // the same for all names that strings.EqualFold takes for the same
			least := r
			for q := unicode.SimpleFold(r); q != r; q = unicode.SimpleFold(q) {
				least = min(least, q)
			}
			return least
		}, name)
		i, ok := at[name]
		if !ok {
			i = len(names)
			at[name] = i
			names = append(names, nil)
		}
		names[i] = append(names[i], p)
	}
	return names
}

// rawField appends a field that is spelled already.
func (f *folder) rawField(raw []byte) error {
	if fieldName(raw) == 0 {
		return fault(-1, "no field name and colon at the start")
	}
	if err := checkName(string(raw[:fieldName(raw)])); err != nil {
		return err
	}
	at := 0 // offset of the line
	for at < len(raw) {
		line := raw[at:]
		next := len(raw)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], at+i+1
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case at > 0 && (len(line) == 0 || line[0] != ' ' && line[0] != '\t'):
			return fault(at, "a second field or the header's end")
		case len(trimBlank(line)) == 0:
			return fault(at, "a line of blanks")
		case len(line) > hardWidth:
			return fault(at, "a line of %d octets", len(line))
		}
		for i, c := range line {
			if c == '\r' || c == 0 {
				return fault(at+i, "octet 0x%02x", c)
			}
		}
		f.b = append(f.b, line...)
		f.b = append(f.b, '\r', '\n')
		at = next
	}
	return nil
}
