package imap

// Options of LIST.

// Selection and return options of LIST: RFC 5258, RFC 5819, RFC 6154, RFC 8440
// and RFC 9590. REMOTE and RECURSIVEMATCH select, CHILDREN, STATUS, MYRIGHTS
// and METADATA are for RETURN, and SUBSCRIBED and SPECIAL-USE are both.
const (
	ListSubscribed     = "SUBSCRIBED"
	ListRemote         = "REMOTE"
	ListRecursiveMatch = "RECURSIVEMATCH"
	ListSpecialUse     = "SPECIAL-USE"
	ListChildren       = "CHILDREN"
	ListStatus         = "STATUS"
	ListMyRights       = "MYRIGHTS"
	ListMetadata       = "METADATA"
)
