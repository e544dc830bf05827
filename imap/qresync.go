package imap

// QResync is what a client remembers of a mailbox, for SELECT (RFC 7162 section
// 3.2.5).
type QResync struct {
	UIDValidity uint32
	ModSeq      ModSeq
	KnownUIDs   UIDSet // empty where not given
	// SeqMatch and UIDMatch are sequence numbers and the UIDs they had, as
	// many of the one as of the other; empty where not given.
	SeqMatch SeqSet
	UIDMatch UIDSet
}
