package imap

// Envelope is ENVELOPE (RFC 3501 section 7.4.2): the header as strings.
type Envelope struct{}

// BodyStructure is BODYSTRUCTURE, a tree.
type BodyStructure struct{}
