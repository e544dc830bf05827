package imap

// Annotations of mailboxes and servers (RFC 5464).

import "strings"

// MetadataEntry is an annotation. A nil Value is NIL: there is none, and in
// SETMETADATA it is taken away.
type MetadataEntry struct {
	Name  string // such as "/shared/comment"
	Value []byte
}

// MetadataDepth is how far GETMETADATA looks below an entry.
type MetadataDepth string

// The depths of RFC 5464 section 4.2.2.
const (
	DepthZero     MetadataDepth = "0" // the entry; so it is without a depth
	DepthOne      MetadataDepth = "1" // and what is directly below it
	DepthInfinity MetadataDepth = "infinity"
)

// Entries of RFC 5464 section 6.2 and RFC 6154 section 4.
const (
	MetadataSharedComment  = "/shared/comment"
	MetadataPrivateComment = "/private/comment"
	MetadataSharedAdmin    = "/shared/admin" // of a server, not a mailbox
	MetadataSpecialUse     = "/private/specialuse"
)

// ValidMetadataName reports whether name can be an entry's: it begins with
// "/shared" or "/private", has no "*" or "%", no "//", no "/" at its end, and
// is printable ASCII (RFC 5464 section 3.2).
func ValidMetadataName(name string) bool {
	if !equalFoldPrefix(name, "/shared/") && !equalFoldPrefix(name, "/private/") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '*' || c == '%' {
			return false
		}
	}
	return !strings.Contains(name, "//") && !strings.HasSuffix(name, "/")
}

func equalFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}

// The ways in which RFC 5464 section 5 has METADATA say what was not done:
// see [CodeMetadata].
const (
	MetadataLongEntries = "LONGENTRIES" // values longer than MAXSIZE were left out; N is the longest
	MetadataMaxSize     = "MAXSIZE"     // a value is too long; N is the longest that there may be
	MetadataTooMany     = "TOOMANY"
	MetadataNoPrivate   = "NOPRIVATE"
)

// CodeMetadata is METADATA (RFC 5464) with the reason, and a number of octets
// where it has one.
type CodeMetadata struct {
	Reason string
	N      int64
}

// CodeName is "METADATA".
func (CodeMetadata) CodeName() string { return "METADATA" }
