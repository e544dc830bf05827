package imap

// The search tree: SEARCH's keys (RFC 3501 section 6.4.4) and those of its
// extensions.

// SearchKey is one node of a search. The types of this package whose names
// begin with Search implement it. A caller's own type may too: package
// imapwire sends it if it has the method
//
//	AppendSearchKey(dst []byte) ([]byte, error)
//
// that appends the key as it stands in a command. See also [SearchRaw].
type SearchKey interface {
	// SearchName is the key's name on the wire, such as "SUBJECT".
	SearchName() string
}

// SearchCriteria is a list of keys that must all match. As a key in a list it
// is in parentheses. An empty list matches every message.
type SearchCriteria []SearchKey

// SearchAll matches every message.
type SearchAll struct{}

// SearchOr matches where either key does.
type SearchOr struct{ A, B SearchKey }

// SearchNot matches where the key does not.
type SearchNot struct{ Key SearchKey }

// SearchFlag matches where the message has the flag, or with Unset where it
// has not. It stands for the keys ANSWERED to UNSEEN, KEYWORD and UNKEYWORD,
// and OLD, which is RECENT unset. NEW is read as RECENT and UNSEEN.
type SearchFlag struct {
	Flag  Flag
	Unset bool
}

// SearchSeqs matches messages by sequence number. With "$" it is [SavedSeqNums].
type SearchSeqs struct{ Set SeqSet }

// SearchUIDs matches messages by UID.
type SearchUIDs struct{ Set UIDSet }

// SearchField says which text a SearchText looks at.
type SearchField string

// The fields of SearchText: envelope fields, the body, and the whole message.
const (
	SearchBCC     SearchField = "BCC"
	SearchBody    SearchField = "BODY"
	SearchCC      SearchField = "CC"
	SearchFrom    SearchField = "FROM"
	SearchSubject SearchField = "SUBJECT"
	SearchAnyText SearchField = "TEXT"
	SearchTo      SearchField = "TO"
)

// SearchText matches where the field holds Value, whatever the case. Value is
// in the search's charset, UTF-8 unless said otherwise.
type SearchText struct {
	Field SearchField
	Value string
}

// SearchHeader matches where a header field of that name holds Value; an empty
// Value matches every message that has the field.
type SearchHeader struct{ Name, Value string }

// SearchWhen says which date a SearchDate looks at, and how.
type SearchWhen string

// Dates of SearchDate: the internal date, the Date field, and the date of
// saving (RFC 8514).
const (
	SearchBefore      SearchWhen = "BEFORE"
	SearchOn          SearchWhen = "ON"
	SearchSince       SearchWhen = "SINCE"
	SearchSentBefore  SearchWhen = "SENTBEFORE"
	SearchSentOn      SearchWhen = "SENTON"
	SearchSentSince   SearchWhen = "SENTSINCE"
	SearchSavedBefore SearchWhen = "SAVEDBEFORE"
	SearchSavedOn     SearchWhen = "SAVEDON"
	SearchSavedSince  SearchWhen = "SAVEDSINCE"
)

// SearchDate matches by day. BEFORE is earlier than Date, SINCE is on it or
// later.
type SearchDate struct {
	When SearchWhen
	Date Date
}

// SearchLarger matches messages of more than Size octets. SearchSmaller
// matches those of fewer.
type (
	SearchLarger  struct{ Size int64 }
	SearchSmaller struct{ Size int64 }
)

// SearchOlder matches messages whose internal date is at least Seconds ago,
// SearchYounger those whose internal date is at most Seconds ago (RFC 5032).
type (
	SearchOlder   struct{ Seconds uint32 }
	SearchYounger struct{ Seconds uint32 }
)

// SearchModSeq matches messages whose mod-sequence is at least ModSeq (RFC
// 7162 section 3.1.5). Entry and Type, such as "/flags/\Seen" and "all", are
// empty or both set.
type SearchModSeq struct {
	ModSeq ModSeq
	Entry  string
	Type   string
}

// SearchEmailID and SearchThreadID match by object identifier (RFC 8474).
type (
	SearchEmailID  struct{ ID string }
	SearchThreadID struct{ ID string }
)

// SearchUIDAfter and SearchUIDBefore match messages of greater and of smaller
// UIDs (RFC 9738).
type (
	SearchUIDAfter  struct{ UID UID }
	SearchUIDBefore struct{ UID UID }
)

// Gmail's keys (X-GM-EXT-1): a query in the language of its search box, a
// label (UTF-8, a system label with its backslash), and its identifiers.
type (
	SearchGmailRaw       struct{ Query string }
	SearchGmailLabel     struct{ Label string }
	SearchGmailMessageID struct{ ID uint64 }
	SearchGmailThreadID  struct{ ID uint64 }
)

// SearchSaveDateSupported matches where the mailbox keeps dates of saving
// (RFC 8514).
type SearchSaveDateSupported struct{}

// SearchFuzzy matches where Key does, more or less (RFC 6203).
type SearchFuzzy struct{ Key SearchKey }

// SearchFilter matches by a stored filter (RFC 5466).
type SearchFilter struct{ Name string }

// SearchRaw is a key as it stands on the wire, name and arguments. Where a
// command with an unknown key is read, how many arguments it has is unknown as
// well: everything to the end of its list is in Text.
type SearchRaw struct{ Text string }

func (SearchCriteria) SearchName() string { return "()" }
func (SearchAll) SearchName() string      { return "ALL" }
func (SearchOr) SearchName() string       { return "OR" }
func (SearchNot) SearchName() string      { return "NOT" }
func (SearchSeqs) SearchName() string     { return "sequence-set" }
func (SearchUIDs) SearchName() string     { return "UID" }
func (k SearchText) SearchName() string   { return string(k.Field) }
func (SearchHeader) SearchName() string   { return "HEADER" }
func (k SearchDate) SearchName() string   { return string(k.When) }
func (SearchLarger) SearchName() string   { return "LARGER" }
func (SearchSmaller) SearchName() string  { return "SMALLER" }
func (SearchOlder) SearchName() string    { return "OLDER" }
func (SearchYounger) SearchName() string  { return "YOUNGER" }
func (SearchModSeq) SearchName() string   { return "MODSEQ" }
func (SearchEmailID) SearchName() string  { return "EMAILID" }
func (SearchThreadID) SearchName() string { return "THREADID" }
func (SearchFuzzy) SearchName() string    { return "FUZZY" }
func (SearchFilter) SearchName() string   { return "FILTER" }

func (SearchUIDAfter) SearchName() string       { return "UIDAFTER" }
func (SearchUIDBefore) SearchName() string      { return "UIDBEFORE" }
func (SearchGmailRaw) SearchName() string       { return "X-GM-RAW" }
func (SearchGmailLabel) SearchName() string     { return "X-GM-LABELS" }
func (SearchGmailMessageID) SearchName() string { return "X-GM-MSGID" }
func (SearchGmailThreadID) SearchName() string  { return "X-GM-THRID" }

func (SearchSaveDateSupported) SearchName() string { return "SAVEDATESUPPORTED" }

// SearchName is the flag's own key, or KEYWORD or UNKEYWORD.
func (k SearchFlag) SearchName() string {
	i := 0
	if k.Unset {
		i = 1
	}
	for _, f := range searchFlags {
		if f.flag.Equal(k.Flag) {
			return f.name[i]
		}
	}
	return [...]string{"KEYWORD", "UNKEYWORD"}[i]
}

var searchFlags = [...]struct {
	flag Flag
	name [2]string
}{
	{FlagAnswered, [2]string{"ANSWERED", "UNANSWERED"}},
	{FlagDeleted, [2]string{"DELETED", "UNDELETED"}},
	{FlagDraft, [2]string{"DRAFT", "UNDRAFT"}},
	{FlagFlagged, [2]string{"FLAGGED", "UNFLAGGED"}},
	{FlagRecent, [2]string{"RECENT", "OLD"}},
	{FlagSeen, [2]string{"SEEN", "UNSEEN"}},
}

// SearchName is the first word of the text.
func (k SearchRaw) SearchName() string {
	for i := range len(k.Text) {
		if k.Text[i] == ' ' {
			return k.Text[:i]
		}
	}
	return k.Text
}

// SearchReturn is what SEARCH RETURN asks for (RFC 4731, RFC 5182, RFC 5267,
// RFC 9394). Value is empty except for PARTIAL, and for options not known here.
type SearchReturn struct{ Name, Value string }

// Names of SearchReturn.
const (
	ReturnMin     = "MIN"
	ReturnMax     = "MAX"
	ReturnAll     = "ALL"
	ReturnCount   = "COUNT"
	ReturnSave    = "SAVE"
	ReturnPartial = "PARTIAL"
	ReturnUpdate  = "UPDATE"
	ReturnContext = "CONTEXT"

	ReturnRelevancy = "RELEVANCY" // RFC 6203
)

// ReturnPage is PARTIAL with its range (RFC 9394).
func ReturnPage(r PartialRange) SearchReturn {
	return SearchReturn{Name: ReturnPartial, Value: r.String()}
}

// Page is the range of PARTIAL; ok is false for any other option.
func (r SearchReturn) Page() (page PartialRange, ok bool) {
	if !equalFold(r.Name, ReturnPartial) {
		return page, false
	}
	page, err := ParsePartialRange(r.Value)
	return page, err == nil
}
