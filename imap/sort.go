package imap

// What SORT sorts by.

// SortField is a message's property that SORT compares.
type SortField string

// The fields of RFC 5256 section 3, RFC 5957 and RFC 6203.
const (
	SortArrival     SortField = "ARRIVAL" // internal date
	SortCc          SortField = "CC"      // first mailbox of the first Cc address
	SortDate        SortField = "DATE"    // the Date field, else the internal date
	SortFrom        SortField = "FROM"
	SortSize        SortField = "SIZE"
	SortSubject     SortField = "SUBJECT" // base subject
	SortTo          SortField = "TO"
	SortDisplayFrom SortField = "DISPLAYFROM" // RFC 5957
	SortDisplayTo   SortField = "DISPLAYTO"   // RFC 5957
	SortRelevancy   SortField = "RELEVANCY"   // RFC 6203
)

// SortKey is one key of SORT; where messages are equal by it, the next key
// decides, and the sequence number in the end.
type SortKey struct {
	Field   SortField
	Reverse bool
}

// String is the key as it stands in a command: "REVERSE DATE".
func (k SortKey) String() string {
	if k.Reverse {
		return "REVERSE " + string(k.Field)
	}
	return string(k.Field)
}
