package imap

// What ESEARCH answers: RFC 4731, RFC 5267, RFC 6203, RFC 7377 and RFC 9394.

// SearchResult is what an extended SEARCH or SORT found. What was not asked
// for, or is not there because nothing was found, is zero.
type SearchResult struct {
	UID      bool   // the numbers are UIDs, else sequence numbers
	Min, Max uint32 // in the order of numbers, or of SORT
	Count    uint32
	HasCount bool // Count was told
	// All is what was found: a [UIDSet] where UID is set, else a [SeqSet]. In
	// the answer to SORT its ranges stand in the order of sorting. It is nil
	// where not told.
	All    NumSet
	ModSeq ModSeq // the highest of the messages found (RFC 7162)
	// Partial is the page that was asked for; nil where none was.
	Partial *PartialResult
	// Changes are what UPDATE tells, in the order in which they apply.
	Changes []SearchChange
	// Relevancy are scores from 1 to 100, one for each message in All (RFC
	// 6203).
	Relevancy []uint8

	// Mailbox and UIDValidity are those of a search of several mailboxes
	// (RFC 7377).
	Mailbox     string // UTF-8
	UIDValidity uint32

	// Extended holds other data as it stands on the wire.
	Extended []RawItem
}

// UIDs is All as UIDs; empty where it is not.
func (r *SearchResult) UIDs() UIDSet {
	s, _ := r.All.(UIDSet)
	return s
}

// SeqNums is All as sequence numbers; empty where it is not.
func (r *SearchResult) SeqNums() SeqSet {
	s, _ := r.All.(SeqSet)
	return s
}

// PartialResult is a page of a result. Set is nil where nothing is on it.
type PartialResult struct {
	Range PartialRange
	Set   NumSet
}

// SearchChange is a change of a result that a client is kept informed of (RFC
// 5267 section 4.3): messages that came into it before the given position,
// counted from 1, or went from it. Position is zero where the result has no
// order.
type SearchChange struct {
	Remove   bool
	Position uint32
	Set      NumSet
}
